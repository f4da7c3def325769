package functions_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/emulator/runtime"
	"rollcall/shared/emulator/service"
	"rollcall/shared/emulator/workspaces"
	"rollcall/shared/reconcile"
)

// TestFromTheScheduleToTheDesktop is the main job: schedule, planner, queue, worker, WorkSpaces, with the limits that
// the service has and the rate at which the worker is deployed.
func TestFromTheScheduleToTheDesktop(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.hire("ada", "bob", "cleo", "emil", "finn", "hank")
	c.user("gina", graph.User{UserPrincipalName: "gina_partner.example#EXT#@contoso.com", UserType: "Guest"})
	c.group("Berlin", "finn")
	c.group("Sales", "ada", "bob", "cleo", "emil", "gina", "hank", "Berlin")
	byHand, err := c.lane.Put(workspaces.WorkSpace{Directory: directory, User: "hank", Bundle: bundle})
	must(t, err)
	c.write("sales", map[string]any{"tags": map[string]any{"team": "sales"}})
	for name, want := range map[string]string{config.GraphURL: "https://", config.Authority: "https://", "AWS_ENDPOINT_URL": "http://"} {
		if got := c.env("planner")[name]; !strings.HasPrefix(got, want) {
			t.Errorf("%s is %s: this test is about %s", name, got, want)
		}
	}
	planner, worker := c.start("planner"), c.start("worker")

	c.approve(planner, "sales")
	if got := c.statuses(); len(got) != 0 {
		t.Errorf("somebody was looked at before the approval: %v", got)
	}
	first := c.tick(planner)
	if first.LookedAt.People != 7 || first.Planned["create"] != 3 || len(first.Held) != 3 || !first.Done.Finished {
		t.Errorf("the first tick: %+v", first)
	}
	want := map[string]assignment.Status{"gina": assignment.NotEntitled, "hank": assignment.Foreign}
	for _, name := range []string{"ada", "bob", "cleo", "emil", "finn"} {
		want[name] = assignment.Provisioned
	}
	c.until(planner, worker, want)

	c.checkDesktops(map[string]string{"ada": "sales", "bob": "sales", "cleo": "sales", "emil": "sales", "finn": "sales"})
	hanks := c.desktops()["hank"]
	if hanks.ID != byHand || hanks.MadeBy != workspaces.ByHand || len(hanks.Tags) != 0 || hanks.State != desktop.Available {
		t.Errorf("what somebody made by hand was touched: %+v", hanks)
	}
	people := c.people()
	if a := people["hank"]; a.WorkSpace != "" || !strings.Contains(a.Reason.Text, byHand) {
		t.Errorf("hank: %+v", a)
	}
	if a := people["gina"]; a.Reason.Code != "Guest" {
		t.Errorf("gina: %+v", a)
	}
	if waiting, dead := c.letters(); len(waiting)+len(dead) != 0 {
		t.Errorf("messages that are left: %q, dead: %q", waiting, dead)
	}
	if n := c.lane.Throttled(); n != 0 {
		t.Errorf("%d calls were throttled", n)
	}
	c.checkWhoCalls()
	c.tick(planner) // takes note of what came up last
	c.checkQuiet(planner)
}

// checkDesktops compares what stands at AWS with the ledger, for everyone who is to have a desktop, by profile.
func (c *company) checkDesktops(profiles map[string]string) {
	c.t.Helper()
	desktops, people := c.desktops(), c.people()
	for name, profile := range profiles {
		w, a := desktops[name], people[name]
		want := map[string]string{
			"rollcall:installation": "rollcall", "rollcall:person": c.ids[name], "rollcall:slot": "main",
			"rollcall:profile": profile, "team": profile,
		}
		if diff := cmp.Diff(want, w.Tags); diff != "" {
			c.t.Errorf("tags of %s's desktop: expected (-), found (+):\n%s", name, diff)
		}
		if w.ID == "" || w.ID != a.WorkSpace || w.MadeBy != "worker" || w.State != desktop.Available || w.Directory != directory ||
			w.Bundle != bundle || w.RunningMode != desktop.AutoStop {
			c.t.Errorf("%s has %+v at AWS, and %+v in the ledger", name, w, a)
		}
		if a.Intent != assignment.NoIntent || a.Ready.IsZero() || a.Profile != profile {
			c.t.Errorf("the ledger says of %s: %+v", name, a)
		}
	}
}

// checkWhoCalls looks at who asked whom: the planner has nothing to do with WorkSpaces, the worker nothing with the
// credential.
func (c *company) checkWhoCalls() {
	c.t.Helper()
	seen := map[string]bool{}
	for _, call := range c.cloud.Log().Since(0) {
		seen[call.Caller+" "+call.Service] = true
	}
	for _, forbidden := range []string{"planner workspaces", "planner ec2", "worker secretsmanager", "worker sts"} {
		if seen[forbidden] {
			c.t.Errorf("there was a call: %s", forbidden)
		}
	}
	for _, needed := range []string{"planner dynamodb", "planner sqs", "planner secretsmanager", "worker workspaces", "worker dynamodb", " graph", " entra"} {
		if !seen[needed] {
			c.t.Errorf("there was no call: %s", needed)
		}
	}
}

// checkQuiet runs a tick in which nothing has changed: the feeds are asked and nobody is looked at.
func (c *company) checkQuiet(planner *runtime.Function) {
	c.t.Helper()
	calls := c.cloud.Log().Len()
	r := c.tick(planner)
	if r.LookedAt.People != 0 || len(r.LookedAt.Rolls) != 0 || r.Done.Jobs != 0 || r.Done.Written != 0 || len(r.Problems) != 0 {
		c.t.Errorf("a quiet tick: %+v", r)
	}
	asked := map[string]int{}
	for _, call := range c.cloud.Log().Since(calls) {
		if call.Service == "graph" || call.Service == "entra" {
			asked[call.Operation]++
		}
	}
	// The nested group came to be known a tick later than the other, so it has a feed of its own for a day.
	if want := map[string]int{"GET /groups/delta": 2, "GET /users/delta": 1}; !maps.Equal(asked, want) {
		c.t.Errorf("a quiet tick asks Entra %v, want %v", asked, want)
	}
}

// TestAManualRunDuringATick is told who is at work and since when, and runs when the tick has ended.
func TestAManualRunDuringATick(t *testing.T) {
	t.Parallel()
	c := open(t, unthrottled)
	c.hire("ada")
	c.group("Sales", "ada")
	c.write("sales", nil)
	scheduled, manual := c.start("planner"), c.start("planner")
	c.approve(scheduled, "sales")

	began := clock.System{}.Now().Truncate(time.Second)
	const byHand = `{"action":"run","by":"eve@contoso.com"}`
	var during error
	meets := c.at(before, func(call service.Call) bool { return call.Service == "graph" }, func() {
		during = c.ask(manual, byHand, &reconcile.Report{})
	})
	c.tick(scheduled)
	if !meets() {
		t.Fatal("the tick made no call to Graph")
	}
	said := failure(t, during)
	fields := strings.SplitN(said, ", since ", 2)
	if fields[0] != "another run is at work: run by schedule" || len(fields) != 2 {
		t.Fatalf("said %q", said)
	}
	when, _, _ := strings.Cut(fields[1], ",")
	since, err := time.Parse(time.RFC3339, when)
	if err != nil || since.Before(began) || since.After(clock.System{}.Now()) {
		t.Errorf("said %q; the tick began after %s", said, began)
	}
	if got := c.statuses(); got["ada"] != assignment.Requested {
		t.Errorf("the tick was disturbed: %v", got)
	}
	must(t, c.ask(manual, byHand, &reconcile.Report{}))
}

// moment is before a service does anything, or after it has, while the caller still waits for the answer.
type moment bool

const (
	before moment = false
	after  moment = true
)

// at does something at the first call that matches. What it gives says whether there was one.
func (c *company) at(when moment, matches func(service.Call) bool, do func()) (happened func() bool) {
	calls := make(chan struct{}, 1) // holds the one permission to do it
	calls <- struct{}{}
	hook := func(call service.Call) {
		if !matches(call) {
			return
		}
		select {
		case <-calls:
			do()
		default:
		}
	}
	w := gateway.Watcher{Before: hook}
	if when == after {
		w = gateway.Watcher{After: hook}
	}
	stop := c.cloud.Watch(w)
	return func() bool {
		stop()
		return len(calls) == 0
	}
}

// TestCertificatesThatNobodyVouchesFor: without the private CA the planner speaks to nobody, says so and does nothing.
func TestCertificatesThatNobodyVouchesFor(t *testing.T) {
	t.Parallel()
	c := open(t, unthrottled)
	c.hire("ada")
	c.group("Sales", "ada")
	c.write("sales", nil)
	c.approve(c.start("planner"), "sales")
	stored := c.everything()
	said := failure(t, c.ask(c.start("planner", "SSL_CERT_FILE=/dev/null"), c.scheduled(), new(reconcile.Report)))
	if !strings.Contains(said, "certificate") || !strings.Contains(said, "signing in to Microsoft Entra") {
		t.Errorf("said %q", said)
	}
	if diff := cmp.Diff(slices.Sorted(strings.Lines(stored)), slices.Sorted(strings.Lines(c.everything()))); diff != "" {
		t.Errorf("something was written (+):\n%s", diff)
	}
}

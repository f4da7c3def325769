package reconcile

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/emulator/seams"
	"rollcall/shared/fault"
	"rollcall/shared/lease"
	"rollcall/shared/member"
)

// company is a planner over fakes, with a worker that makes every desktop at once.
type company struct {
	t       *testing.T
	clock   *clock.Manual
	ledger  *seams.Ledger
	entra   *seams.Entra
	queue   *seams.Queue
	planner *Planner
	signIn  error
	made    map[assignment.Key]int // desktops that the worker made
	fail    map[string]fault.Kind  // what becomes of a person's create instead
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{
		t: t, clock: clock.NewManual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), ledger: seams.NewLedger(),
		entra: seams.NewEntra(), queue: &seams.Queue{}, made: map[assignment.Key]int{}, fail: map[string]fault.Kind{},
	}
	c.planner = &Planner{
		Profiles: c.ledger, Assignments: c.ledger, Inbox: c.ledger, Book: c.ledger, Cursors: c.ledger, Rolls: c.ledger,
		Journal: c.ledger, Queue: c.queue, Clock: c.clock, Log: slog.New(slog.DiscardHandler),
		SignIn:   func(context.Context) (Roster, error) { return c.entra, c.signIn },
		LeaseFor: 15 * time.Minute, Margin: 30 * time.Second,
	}
	c.entra.AddGroup(member.Group{ID: "g-sales", Name: "Sales"})
	c.profile("sales", nil)
	return c
}

func (c *company) profile(id string, change map[string]any) {
	fields := map[string]any{
		"group": "g-sales", "account": "111122223333", "region": "eu-central-1",
		"directory": "d-1234567890", "bundle": "wsb-0123456789",
	}
	maps.Copy(fields, change)
	c.ledger.Write(id, fields)
}

func (c *company) person(id string, groups ...string) {
	c.entra.Put(member.Person{ID: id, UPN: id + "@example.com", SAMAccountName: id, Enabled: true})
	for _, g := range groups {
		c.entra.Join(g, id)
	}
}

func (c *company) handle(req events.Request) (any, error) {
	return c.planner.Handle(context.Background(), req)
}

func (c *company) approve(id string) {
	c.t.Helper()
	w, err := c.planner.look(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.handle(events.Request{Action: events.Approve, Profile: id, Version: w.written[id].Version(), By: "ada"}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *company) tick() *Report {
	c.t.Helper()
	answer, err := c.handle(events.Request{Action: events.Run, By: "schedule"})
	if err != nil {
		c.t.Fatal(err)
	}
	return answer.(*Report)
}

// work does what is on the queue, as the worker would.
func (c *company) work() {
	for _, job := range c.queue.Take() {
		for _, o := range job.Orders {
			a, there := c.ledger.Items()[o.Key]
			if !there || a.Attempt != o.Attempt || string(a.Intent) != string(job.Kind) {
				continue
			}
			c.settle(a, job.Kind)
		}
	}
}

func (c *company) settle(a assignment.Assignment, kind events.JobKind) {
	now := c.clock.Now()
	switch {
	case kind == events.Create && c.fail[a.Person] != "":
		a.Status, a.Fresh, a.Due, a.NextTry, a.Failures = assignment.Failed, true, now, now.Add(6*time.Hour), a.Failures+1
		a.Intent, a.Reason = assignment.NoIntent, assignment.Reason{Code: string(c.fail[a.Person]), Text: "WorkSpaces said no."}
	case kind == events.Create:
		c.made[a.Key]++
		a.Status, a.WorkSpace, a.Intent, a.Due = assignment.Provisioning, "ws-"+a.Person, assignment.Check, now.Add(time.Minute)
		a.Attempt++
	default:
		a.Status, a.Fresh, a.Due, a.Intent, a.Ready = assignment.Provisioned, true, now, assignment.NoIntent, now
	}
	if _, err := c.ledger.Save(context.Background(), a); err != nil {
		c.t.Fatal(err)
	}
}

// day runs ticks of five minutes, with the worker after each.
func (c *company) day(d time.Duration) {
	c.t.Helper()
	for end := c.clock.Now().Add(d); c.clock.Now().Before(end); c.clock.Advance(5 * time.Minute) {
		c.tick()
		c.work()
	}
}

func (c *company) status(id string) string {
	a := c.ledger.Items()[assignment.Key{Person: id, Slot: "main"}]
	return strings.TrimSpace(string(a.Status) + " " + a.Reason.Code)
}

func TestMembersGetDesktops(t *testing.T) {
	c := newCompany(t)
	for i := range 20 {
		c.person(fmt.Sprintf("p%02d", i), "g-sales")
	}
	c.entra.Put(member.Person{ID: "guest", UPN: "x#EXT#@y", Guest: true, Enabled: true})
	c.entra.Join("g-sales", "guest")
	c.approve("sales")
	c.day(6 * time.Hour)
	for i := range 20 {
		if got := c.status(fmt.Sprintf("p%02d", i)); got != "Provisioned" {
			t.Errorf("p%02d is %s", i, got)
		}
	}
	if got := c.status("guest"); got != "NotEntitled Guest" {
		t.Errorf("the guest is %s", got)
	}
	for key, n := range c.made {
		if n != 1 {
			t.Errorf("%s has %d desktops", key, n)
		}
	}
	quiet := c.tick()
	if quiet.LookedAt.FeedRequests != 2 || quiet.LookedAt.People != 0 || quiet.Done.Written != 0 {
		t.Errorf("a quiet tick is not quiet: %+v", quiet)
	}
}

func TestAChangeIsFoundByTheFeed(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(2 * time.Hour)
	c.person("bob", "g-sales")
	report := c.tick()
	if len(report.LookedAt.Rolls) != 0 || report.LookedAt.Changed != 1 || report.Planned["create"] != 1 {
		t.Errorf("bob was not found by the feed alone: %+v", report)
	}
	c.entra.Leave("g-sales", "ada")
	if report = c.tick(); report.Planned["record"] == 0 || c.status("ada") != "Provisioned" {
		t.Errorf("ada's first no: %+v, %s", report.Planned, c.status("ada"))
	}
	c.day(time.Hour)
	if got := c.status("ada"); got != "Provisioned Left" {
		t.Errorf("ada has left and keeps the desktop: got %s", got)
	}
}

func TestNestedGroupJoins(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(2 * time.Hour)
	c.entra.AddGroup(member.Group{ID: "g-child"})
	c.person("bob", "g-child")
	c.entra.Join("g-sales", "g-child")
	c.day(time.Hour)
	if got := c.status("bob"); got != "Provisioned" {
		t.Fatalf("bob, in a nested group, is %s", got)
	}
	c.person("eve", "g-child")
	c.day(30 * time.Minute)
	if got := c.status("eve"); got != "Provisioned" {
		t.Errorf("eve, who joined the nested group, is %s", got)
	}
}

// A feed that has expired begins anew before the roll that follows, so nothing falls in between; and what a replica
// kept from both is found by a second roll within the hour.
func TestAnExpiredFeedMissesNobody(t *testing.T) {
	for name, tc := range map[string]struct {
		unheard bool
		within  time.Duration
	}{
		"the feed says it":    {false, 20 * time.Minute},
		"nobody has heard it": {true, 80 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t)
			c.person("ada", "g-sales")
			c.approve("sales")
			c.day(3 * time.Hour)
			c.forgetLinks()
			report := c.tick()
			if len(report.LookedAt.Rolls) != 1 || len(report.Problems) == 0 || report.Problems[0].Code != "FeedExpired" {
				t.Fatalf("the feed has expired: %+v", report)
			}
			c.entra.Mute = tc.unheard
			c.person("bob", "g-sales")
			c.entra.Mute = false
			c.day(tc.within)
			if got := c.status("bob"); got != "Provisioned" {
				t.Errorf("after %s bob is %q", tc.within, got)
			}
		})
	}
}

// forgetLinks makes every link of a feed one that Entra does not know any more.
func (c *company) forgetLinks() {
	c.t.Helper()
	cursors, err := c.ledger.Cursors(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cursor := range cursors {
		if cursor.Name == usersFeed || strings.HasPrefix(cursor.Name, chainPrefix) {
			cursor.Link = "forgotten"
			if _, err := c.ledger.SaveCursor(context.Background(), cursor); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

func TestNothingWithoutApproval(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	report := c.tick()
	if len(c.ledger.Items()) != 0 || len(report.Problems) != 1 || report.Problems[0].Code != "NotApproved" {
		t.Fatalf("an unapproved profile acted or was not named: %+v", report)
	}
	if !strings.Contains(report.Problems[0].Text, `"action":"approve","profile":"sales","version":"`) {
		t.Errorf("it is not said how to approve: %s", report.Problems[0].Text)
	}
	preview, err := c.handle(events.Request{Action: events.Preview, Profile: "sales"})
	if err != nil {
		t.Fatal(err)
	}
	if r := preview.(*Report); !r.DryRun || r.Planned["create"] != 1 || len(c.ledger.Items()) != 0 {
		t.Errorf("the preview does not show ada's desktop, or made it: %+v", r)
	}
	_, err = c.handle(events.Request{Action: events.Approve, Profile: "sales", Version: "000000000000", By: "ada"})
	if err == nil || !strings.Contains(err.Error(), `version is "000000000000", but`) {
		t.Errorf("approving another version: %v", err)
	}
}

func TestAnEditWaitsForApproval(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(time.Hour)
	c.profile("sales", map[string]any{"bundle": "wsb-9999999999"})
	c.person("bob", "g-sales")
	report := c.tick()
	if len(report.Problems) != 1 || report.Problems[0].Code != "Edited" {
		t.Errorf("problems are %+v", report.Problems)
	}
	for _, job := range c.queue.Take() {
		if job.Kind == events.Create && job.Spec.Bundle != "wsb-0123456789" {
			t.Errorf("the edited bundle is in force without approval: %+v", job.Spec)
		}
	}
}

func TestWhatStopsAProfileStopsOnlyIt(t *testing.T) {
	cases := []struct {
		name    string
		happens func(c *company)
		code    string
	}{
		{"malformed", func(c *company) { c.profile("sales", map[string]any{"bundle": "Standard"}) }, "Malformed"},
		{"its group is gone", func(c *company) { c.entra.DeleteGroup("g-sales") }, "GroupGone"},
		{"its group shows fewer than it counts", func(c *company) {
			c.person("eve", "g-sales")
			c.entra.Mute = true
			c.entra.Leave("g-sales", "ada")
			c.entra.Mute, c.entra.Miscount = false, 63
		}, "Suspicious"},
		{"its group is empty", func(c *company) { c.entra.Leave("g-sales", "ada") }, "Suspicious"},
		{"deleted", func(c *company) { c.ledger.Erase("sales") }, "Deleted"},
		{"paused", func(c *company) { c.profile("sales", map[string]any{"paused": true}) }, "Paused"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCompany(t)
			c.entra.AddGroup(member.Group{ID: "g-lab"})
			c.profile("lab", map[string]any{"group": "g-lab", "slot": "lab", "directory": "d-1234567899"})
			c.person("ada", "g-sales")
			c.person("joe", "g-lab")
			c.approve("sales")
			c.approve("lab")
			c.day(2 * time.Hour)
			before := c.ledger.Items()[assignment.Key{Person: "ada", Slot: "main"}]
			tc.happens(c)
			c.person("bob", "g-lab")
			c.clock.Advance(25 * time.Hour) // the daily roll comes round
			c.day(2 * time.Hour)
			after := c.ledger.Items()[assignment.Key{Person: "ada", Slot: "main"}]
			if after.Status != assignment.Provisioned || after.WorkSpace != before.WorkSpace || !after.Left.IsZero() {
				t.Errorf("ada is %+v", after)
			}
			if got := c.ledger.Items()[assignment.Key{Person: "bob", Slot: "lab"}].Status; got != assignment.Provisioned {
				t.Errorf("bob, of the other profile, is %q", got)
			}
			report := c.tick()
			found := false
			for _, p := range report.Problems {
				found = found || (p.Profile == "sales" && p.Code == tc.code)
			}
			if !found {
				t.Errorf("nobody is told: %+v", report.Problems)
			}
		})
	}
}

func TestSignIn(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.signIn = fault.New(fault.Denied, "the client secret has expired")
	if _, err := c.handle(events.Request{Action: events.Run}); err == nil || !strings.Contains(err.Error(), "the client secret has expired") {
		t.Errorf("a refused credential: %v", err)
	}
	c.signIn = ErrGraphOff
	report := c.tick()
	if len(report.Problems) != 1 || report.Problems[0].Code != "GraphOff" || len(c.ledger.Items()) != 0 {
		t.Errorf("Graph switched off: %+v", report)
	}
	c.signIn = nil
	c.day(time.Hour)
	if got := c.status("ada"); got != "Provisioned" {
		t.Errorf("after the credential was mended ada is %s", got)
	}
}

func TestTheLease(t *testing.T) {
	c := newCompany(t)
	held, err := c.ledger.Acquire(context.Background(), "run by the schedule", c.clock.Now(), 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.handle(events.Request{Action: events.Run, By: "ada"})
	var who *lease.HeldError
	if !errors.As(err, &who) || who.Lease.Holder != "run by the schedule" || !strings.Contains(err.Error(), "since 2026-03-02T09:00:00Z") {
		t.Errorf("a run during a tick: %v", err)
	}
	if _, err := c.handle(events.Request{Action: events.Stop, By: "ada"}); err != nil {
		t.Errorf("STOP needs no lease: %v", err)
	}
	c.clock.Advance(16 * time.Minute)
	c.tick() // the lease has run out
	a := assignment.Assignment{Key: assignment.Key{Person: "x", Slot: "main"}, Generation: held.Generation + 2}
	if a, err = c.ledger.Save(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	a.Generation = held.Generation
	if _, err = c.ledger.Save(context.Background(), a); !fault.Is(err, fault.Conflict) {
		t.Errorf("an old holder wrote: %v", err)
	}
}

func TestStopAndResume(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	if _, err := c.handle(events.Request{Action: events.Stop, By: "eve", Why: "audit"}); err != nil {
		t.Fatal(err)
	}
	c.day(30 * time.Minute)
	if got := c.status("ada"); got != "Held Stopped" || len(c.made) != 0 {
		t.Errorf("under STOP ada is %s, made %v", got, c.made)
	}
	if _, err := c.handle(events.Request{Action: events.Resume, By: "eve"}); err != nil {
		t.Fatal(err)
	}
	c.day(30 * time.Minute)
	if got := c.status("ada"); got != "Provisioned" {
		t.Errorf("after STOP ada is %s", got)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	before := c.ledger.String()
	answer, err := c.handle(events.Request{Action: events.DryRun})
	if err != nil {
		t.Fatal(err)
	}
	dry := answer.(*Report)
	if c.ledger.String() != before || len(c.queue.Take()) != 0 {
		t.Fatal("a dry run wrote or sent")
	}
	wet := c.tick()
	if diff := cmp.Diff(dry.Actions, wet.Actions); diff != "" {
		t.Errorf("the run did something else than the dry run said: %s", diff)
	}
}

func TestAFailureIsTriedAgain(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.fail["ada"] = fault.Rejected
	c.approve("sales")
	c.day(time.Hour)
	if got := c.status("ada"); got != "Failed Rejected" {
		t.Fatalf("ada is %s", got)
	}
	delete(c.fail, "ada")
	c.day(5 * time.Hour)
	if got := c.status("ada"); got != "Failed Rejected" {
		t.Fatalf("ada was tried too soon: %s", got)
	}
	c.day(time.Hour)
	if got := c.status("ada"); got != "Provisioned" {
		t.Errorf("ada is %s", got)
	}
}

// story is an afternoon with a bit of everything; its end must not depend on what died on the way.
func story(c *company, tick func()) {
	hour := func() {
		for range 12 {
			tick()
			c.work()
			c.clock.Advance(5 * time.Minute)
		}
	}
	for i := range 8 {
		c.person(fmt.Sprintf("p%d", i), "g-sales")
	}
	hour()
	hour()
	c.person("late", "g-sales")
	c.entra.Leave("g-sales", "p3")
	hour()
	c.entra.AddGroup(member.Group{ID: "g-child"})
	c.person("child", "g-child")
	c.entra.Join("g-sales", "g-child")
	hour()
	hour()
}

// end is what must be the same: everyone's status, and who has how many desktops.
func (c *company) end() map[string]string {
	out := map[string]string{}
	for key, a := range c.ledger.Items() {
		out[key.Person] = fmt.Sprintf("%s %s, %d made", a.Status, a.Reason.Code, c.made[key])
	}
	return out
}

var every = flag.Bool("every", false, "kill the planner at every call, not at each fifth (make test-long)")

// TestDyingAtAnyCall kills the planner before and after its calls in turn. The ticks that follow make
// it whole: everyone ends as they would have, with one desktop each.
func TestDyingAtAnyCall(t *testing.T) {
	run := func(dieAt int, after bool) (*company, int) {
		c := newCompany(t)
		c.approve("sales")
		calls, dead := 0, false
		errDead := errors.New("killed")
		gate := func(_ string, done bool) error {
			if dead {
				return errDead
			}
			if done == after {
				calls++
				dead = calls == dieAt
			}
			if dead {
				return errDead
			}
			return nil
		}
		story(c, func() {
			c.ledger.Gate, c.entra.Gate, c.queue.Gate = gate, gate, gate
			_, err := c.handle(events.Request{Action: events.Run, By: "schedule"})
			if err != nil && !dead && !fault.Is(err, fault.Conflict) {
				t.Fatal(err)
			}
			c.ledger.Gate, c.entra.Gate, c.queue.Gate = nil, nil, nil
			dead = false
		})
		return c, calls
	}
	whole, calls := run(0, false)
	want := whole.end()
	if want["p0"] != "Provisioned , 1 made" || want["p3"] != "Provisioned Left, 1 made" || want["child"] != "Provisioned , 1 made" {
		t.Fatalf("the story without a death: %v", want)
	}
	step := 5 // relatively prime to the calls of a round, so that every kind of call is struck
	if *every {
		step = 1
	}
	for _, after := range []bool{false, true} {
		for n := 1; n <= calls; n += step {
			c, _ := run(n, after)
			if diff := cmp.Diff(want, c.end()); diff != "" {
				t.Fatalf("killed at call %d (after it: %v):\n%s", n, after, diff)
			}
		}
	}
	t.Logf("killed before and after every %dth of %d calls", step, calls)
}

// hurried is a context whose deadline is on the company's clock; it does not end by itself.
type hurried struct {
	context.Context
	at time.Time
}

func (h hurried) Deadline() (time.Time, bool) { return h.at, true }

func TestARollGoesOnOverSeveralTicks(t *testing.T) {
	c := newCompany(t)
	for i := range 30 { // ten pages
		c.person(fmt.Sprintf("p%02d", i), "g-sales")
	}
	c.approve("sales")
	pages := 0
	c.entra.Gate = func(call string, after bool) error {
		if call == "NextPage" && !after {
			pages++
			c.clock.Advance(20 * time.Second)
		}
		return nil
	}
	ticks := 0
	for ; c.ledger.Standing("sales").Rolled.IsZero(); ticks++ {
		if ticks > 20 {
			t.Fatalf("not finished after %d ticks and %d pages", ticks, pages)
		}
		answer, err := c.planner.Handle(hurried{t.Context(), c.clock.Now().Add(100 * time.Second)}, events.Request{Action: events.Run})
		if err != nil {
			t.Fatal(err)
		}
		if r := answer.(*Report); r.Done.Finished == c.ledger.Standing("sales").Rolled.IsZero() {
			t.Errorf("tick %d says finished %v", ticks, r.Done.Finished)
		}
		c.clock.Advance(5 * time.Minute)
	}
	if ticks < 2 || pages > 10+ticks { // a page that was read as time ran out is read again
		t.Errorf("%d pages were read in %d ticks; want ten, in several ticks, and hardly any twice", pages, ticks)
	}
	if got := len(c.ledger.Items()); got != 30 {
		t.Errorf("%d people were found, want 30", got)
	}
	if got := c.ledger.Standing("sales").Members; got != 30 {
		t.Errorf("the roll counts %d members, want 30", got)
	}
}

func TestManyChangesAreReadAsAGroup(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(2 * time.Hour)
	for i := range 400 {
		c.person(fmt.Sprintf("n%03d", i), "g-sales")
	}
	report := c.tick()
	if why := report.LookedAt.Rolls["sales"]; !strings.HasPrefix(why, "takes fewer requests than asking for 400 people") {
		t.Errorf("400 new people were asked for one by one: %+v", report.LookedAt)
	}
	if report.LookedAt.People < 401 {
		t.Errorf("looked at %d people", report.LookedAt.People)
	}
}

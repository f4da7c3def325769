package planning_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/emulator/seams"
	"rollcall/shared/entra"
	"rollcall/shared/profile"
	"rollcall/shared/reconcile"
	"rollcall/shared/redact"
)

const (
	clientSecret = "only-for-tests"
	readUsers    = "User.Read.All"
	readMembers  = "GroupMember.Read.All"
	readHidden   = "Member.Read.Hidden"
	slot         = "main"
	every        = 5 * time.Minute // how often the schedule calls
	mostTick     = 10 * time.Minute
)

// monday lies ahead of the machine's clock: a context's deadline, which is the company's time, then never ends a
// connection of net/http's.
var monday = time.Date(2046, 3, 5, 9, 0, 0, 0, time.UTC)

// company is a planner that reads the emulated tenant over TLS with the client that ships, on a clock that stands
// still; its ledger and queue are fakes, and a worker makes every desktop at once.
type company struct {
	testing.TB
	clock   *clock.Manual
	graph   *graph.Emulator
	tenant  *graph.Tenant
	app     string
	entra   *entra.Directory
	ledger  *seams.Ledger
	queue   *seams.Queue
	planner *reconcile.Planner

	ids   map[string]string      // people and groups by name
	made  map[assignment.Key]int // desktops that the worker made
	since map[assignment.Key]assignment.Assignment
	truth truth
	lag   time.Duration // how far behind the truth Graph may be

	failures []error // of ticks
}

func newCompany(t testing.TB, change ...func(*entra.Options)) *company {
	t.Helper()
	c := &company{
		TB: t, clock: clock.NewManual(monday), ledger: seams.NewLedger(), queue: &seams.Queue{},
		ids: map[string]string{}, made: map[assignment.Key]int{}, since: map[assignment.Key]assignment.Assignment{}, truth: newTruth(),
	}
	c.graph = graph.New(c.clock, graph.WithSeed("planning"))
	c.tenant = c.graph.Tenant
	server := httptest.NewTLSServer(c.graph)
	t.Cleanup(server.Close)
	app, err := c.tenant.AddApp(graph.App{Name: "rollcall", Permissions: []string{readUsers, readMembers}})
	c.ok(err)
	c.app = app.ClientID
	_, err = c.tenant.AddSecret(c.app, clientSecret, monday.AddDate(2, 0, 0))
	c.ok(err)
	o := entra.Options{
		Credential: entra.Credential{Tenant: c.tenant.ID, Client: c.app, Secret: redact.New(clientSecret)},
		Authority:  server.URL, GraphURL: server.URL + "/v1.0", Transport: server.Client().Transport, Clock: c.clock, Budget: c.budget,
	}
	for _, f := range change {
		f(&o)
	}
	c.entra, err = entra.New(o)
	c.ok(err)
	c.planner = &reconcile.Planner{
		Profiles: c.ledger, Assignments: c.ledger, Inbox: c.ledger, Book: c.ledger, Cursors: c.ledger,
		Rolls: c.ledger, Journal: c.ledger, Queue: c.queue, Clock: c.clock, Log: slog.New(slog.DiscardHandler),
		SignIn:   func(ctx context.Context) (reconcile.Roster, error) { return c.entra, c.entra.SignIn(ctx) },
		LeaseFor: 15 * time.Minute, Margin: 30 * time.Second,
	}
	return c
}

// hurried is a context whose deadline is the company's time; it does not end by itself.
type hurried struct {
	context.Context
	at time.Time
}

func (h hurried) Deadline() (time.Time, bool) { return h.at, true }

// budget is entra.UntilDeadline by the company's clock.
func (c *company) budget(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline.Sub(c.clock.Now()) - 10*time.Second
	}
	return time.Minute
}

func (c *company) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *company) handle(req events.Request) (any, error) {
	return c.planner.Handle(hurried{c.Context(), c.clock.Now().Add(mostTick)}, req)
}

// tick is a call of the schedule that must do its work.
func (c *company) tick() *reconcile.Report {
	c.Helper()
	answer, err := c.handle(events.Request{Action: events.Run, By: "schedule"})
	c.ok(err)
	return answer.(*reconcile.Report)
}

// ticks are n of them, with the worker after each.
func (c *company) ticks(n int) {
	c.Helper()
	for range n {
		c.tick()
		c.work()
		c.clock.Advance(every)
	}
}

// work does what is on the queue, as the worker would.
func (c *company) work() {
	for _, job := range c.queue.Take() {
		for _, o := range job.Orders {
			a, there := c.ledger.Items()[o.Key]
			if !there || a.Attempt != o.Attempt || string(a.Intent) != string(job.Kind) {
				continue
			}
			now := c.clock.Now()
			if job.Kind == events.Create {
				c.made[a.Key]++
				a.Status, a.WorkSpace, a.Intent, a.Due = assignment.Provisioning, "ws-"+a.Person, assignment.Check, now.Add(time.Minute)
				a.Attempt++
			} else {
				a.Status, a.Fresh, a.Due, a.Intent, a.Ready = assignment.Provisioned, true, now, assignment.NoIntent, now
			}
			_, err := c.ledger.Save(c.Context(), a)
			c.ok(err)
		}
	}
}

// profile writes an AP profile.
func (c *company) profile(id, group string, change map[string]any) {
	fields := map[string]any{
		"group": group, "account": "111122223333", "region": "eu-central-1",
		"directory": "d-1234567890", "bundle": "wsb-0123456789",
	}
	maps.Copy(fields, change)
	c.ledger.Write(id, fields)
}

// approve puts a profile in force as it is written.
func (c *company) approve(id string) error {
	rows, err := c.ledger.All(c.Context())
	c.ok(err)
	for _, row := range rows {
		if row.ID != id {
			continue
		}
		rule, complaints := profile.Decode(row)
		if len(complaints) > 0 {
			c.Fatal(complaints)
		}
		_, err := c.handle(events.Request{Action: events.Approve, Profile: id, Version: rule.Version(), By: "ada"})
		return err
	}
	c.Fatalf("there is no profile %s", id)
	return nil
}

// user makes somebody who is synchronised from AD.
func (c *company) user(name string, change ...func(*graph.User)) string {
	c.Helper()
	u := graph.User{UserPrincipalName: name + "@contoso.com", DisplayName: name, OnPremises: graph.OnPremises{Synced: true, SAMAccountName: name}}
	for _, f := range change {
		f(&u)
	}
	u, err := c.tenant.AddUser(u)
	c.ok(err)
	c.ids[name] = u.ID
	return u.ID
}

// group makes a group with members who are there already.
func (c *company) group(name string, members ...string) string {
	c.Helper()
	g, err := c.tenant.AddGroup(graph.Group{DisplayName: name})
	c.ok(err)
	c.ids[name] = g.ID
	for _, m := range members {
		c.ok(c.tenant.AddMember(g.ID, c.ids[m]))
	}
	return g.ID
}

// crowd makes a group of n people.
func (c *company) crowd(name string, n int) (string, *graph.Crowd) {
	c.Helper()
	crowd, err := c.tenant.AddUsers(strings.ToLower(name)+"-", n, nil)
	c.ok(err)
	g := c.group(name)
	c.ok(c.tenant.AddMembers(g, crowd, 0, n))
	return g, crowd
}

// name is what an id is called in the story.
func (c *company) name(id string) string {
	for name, other := range c.ids {
		if other == id {
			return name
		}
	}
	return id
}

// item is what the ledger holds of somebody.
func (c *company) item(name string) assignment.Assignment {
	return c.ledger.Items()[assignment.Key{Person: c.ids[name], Slot: slot}]
}

// end is what must be the same whatever went wrong on the way: status, reason code and desktops made, by name.
func (c *company) end() map[string]string {
	out := map[string]string{}
	for key, a := range c.ledger.Items() {
		out[c.name(key.Person)] = fmt.Sprintf("%s %s, %d made", a.Status, a.Reason.Code, c.made[key])
	}
	return out
}

// requests counts what do asks of Graph, in HTTP requests.
func (c *company) requests(do func()) int {
	before := c.graph.Spent().Requests
	do()
	return c.graph.Spent().Requests - before
}

// truth is what the story knows of who is where, apart from what Graph says.
type truth struct {
	members  map[string]map[string]bool // group to people and groups, by name
	emptied  map[string]map[string]bool // who was in a group before it was emptied
	disabled map[string]bool
	deleted  map[string]bool
	roots    map[string]bool // the groups of the profiles, and whether groups inside them count
	told     []moment
}

// moment is who is entitled, and whose account is disabled, from a time on.
type moment struct {
	at           time.Time
	in, disabled map[string]bool
}

func newTruth() truth {
	return truth{told: []moment{{}}, // nobody, since ever
		members: map[string]map[string]bool{}, emptied: map[string]map[string]bool{}, disabled: map[string]bool{}, deleted: map[string]bool{}, roots: map[string]bool{}}
}

// note writes down how things stand from now on.
func (tr *truth) note(now time.Time) {
	m := moment{at: now, in: map[string]bool{}, disabled: maps.Clone(tr.disabled)}
	for root, nested := range tr.roots {
		tr.walk(root, nested, map[string]bool{}, m.in)
	}
	for who := range tr.deleted {
		delete(m.in, who)
	}
	tr.told = append(tr.told, m)
}

func (tr *truth) walk(group string, nested bool, met, in map[string]bool) {
	met[group] = true
	for who := range tr.members[group] {
		_, isGroup := tr.members[who]
		switch {
		case !isGroup:
			in[who] = true
		case nested && !met[who]:
			tr.walk(who, nested, met, in)
		}
	}
}

// ever reports whether something was so at any time between two.
func (tr *truth) ever(from, to time.Time, so func(moment) bool) bool {
	for i, m := range tr.told {
		over := i+1 < len(tr.told) && !tr.told[i+1].at.After(from)
		if !over && !m.at.After(to) && so(m) {
			return true
		}
	}
	return false
}

// judge holds what the ledger says after a tick that began at a time against the truth, and complains of everything
// that it does not justify.
func (c *company) judge(began time.Time) {
	c.Helper()
	for key, is := range c.ledger.Items() {
		was := c.since[key]
		c.since[key] = is
		if complaint := c.unjustified(c.name(key.Person), was, is, began); complaint != "" {
			c.Errorf("%s at %s: %s: was %s %q, is %s %q, absent %s, left %s", c.name(key.Person), began.Format("Mon 15:04"), complaint,
				was.Status, was.Reason.Code, is.Status, is.Reason.Code, is.Absent.Format("Mon 15:04"), is.Left.Format("Mon 15:04"))
		}
	}
}

func (c *company) unjustified(who string, was, is assignment.Assignment, began time.Time) string {
	out := func(at time.Time) bool {
		return c.truth.ever(at.Add(-c.lag), at, func(m moment) bool { return !m.in[who] })
	}
	code, news := is.Reason.Code, is.Reason.Code != was.Reason.Code
	switch {
	case c.made[is.Key] > 1:
		return "has two desktops"
	case c.made[is.Key] == 1 && !is.Status.HasDesktop():
		return "lost sight of a desktop"
	case !is.Left.IsZero() && was.Left.IsZero() && !(out(began) && out(is.Absent)):
		return "counts as a leaver"
	case news && slices.Contains([]string{"Left", "Deleted", "Withdrawn", "SecondLook"}, code) && !out(began):
		return "counts as gone"
	case news && code == "Disabled" && !c.truth.ever(began.Add(-c.lag), began, func(m moment) bool { return m.disabled[who] }):
		return "counts as disabled"
	case news && code == "Guest" && who != "gus", news && code == "NoUserName" && who != "una":
		return "is not eligible"
	}
	return ""
}

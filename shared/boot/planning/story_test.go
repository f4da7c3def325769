package planning_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/events"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/plan"
)

// The verbs of the story: each changes the tenant, and the story's own knowledge of it.

func (c *company) hire(name string, change ...func(*graph.User)) {
	c.user(name, change...)
}

func (c *company) found(group string, members ...string) {
	c.group(group)
	c.truth.members[group] = map[string]bool{}
	c.join(group, members...)
}

func (c *company) join(group string, members ...string) {
	for _, m := range members {
		c.ok(c.tenant.AddMember(c.ids[group], c.ids[m]))
		c.truth.members[group][m] = true
	}
}

func (c *company) leave(group string, members ...string) {
	for _, m := range members {
		c.ok(c.tenant.RemoveMember(c.ids[group], c.ids[m]))
		delete(c.truth.members[group], m)
	}
}

// empty takes everyone out of a group by mistake: nobody has left. Where Graph shows the group as it was for longer than
// a "no" waits for its second look, that cannot be told from everyone's leaving.
func (c *company) empty(group string) {
	for m := range c.truth.members[group] {
		c.ok(c.tenant.RemoveMember(c.ids[group], c.ids[m]))
	}
	if c.lag >= plan.SecondLook {
		c.truth.emptied[group] = c.truth.members[group]
		c.truth.members[group] = map[string]bool{}
	}
}

func (c *company) refill(group string) {
	if c.truth.emptied[group] != nil {
		c.truth.members[group] = c.truth.emptied[group]
	}
	for m := range c.truth.members[group] {
		if !c.truth.deleted[m] {
			c.ok(c.tenant.AddMember(c.ids[group], c.ids[m]))
		}
	}
}

func (c *company) disable(name string) {
	c.ok(c.tenant.DisableUser(c.ids[name]))
	c.truth.disabled[name] = true
}

func (c *company) enable(name string) {
	c.ok(c.tenant.EnableUser(c.ids[name]))
	delete(c.truth.disabled, name)
}

func (c *company) softDelete(name string) {
	c.ok(c.tenant.DeleteUser(c.ids[name]))
	c.truth.deleted[name] = true
}

func (c *company) rename(name, to string) {
	c.ok(c.tenant.UpdateUser(c.ids[name], func(u *graph.User) {
		u.UserPrincipalName, u.OnPremises.SAMAccountName = to+"@contoso.com", to
	}))
}

// scene is something that happens, and the ticks that follow.
type scene struct {
	name    string
	after   time.Duration // since the beginning of the story
	happens func(c *company)
	approve string // a profile that is put in force then, by whoever does not give up
}

const (
	ticksOfScene = 10
	clock24      = 24 * time.Hour
)

// story is four days with a bit of everything. Whatever changes stays so for longer than any fault lasts, so that what
// is so in the end does not depend on when it was noticed.
func story() []scene {
	return []scene{
		{"a company with a profile", 0, func(c *company) {
			for _, name := range []string{"ann", "bob", "cat", "dan", "eve", "fay", "gil", "hal", "ida", "jon", "kim", "leo", "lou"} {
				c.hire(name)
			}
			c.hire("gus", func(u *graph.User) { u.UserPrincipalName, u.UserType = "gus_x.com#EXT#@contoso.com", "Guest" })
			c.hire("una", func(u *graph.User) { u.OnPremises = graph.OnPremises{} })
			c.hire("dis", func(u *graph.User) { u.Disabled = true })
			c.truth.disabled["dis"] = true
			c.found("Sales", "ann", "bob", "cat", "dan", "eve", "fay", "gus", "una", "dis")
			c.found("Inner", "hal", "ida")
			for i := range 1000 { // two pages
				contact, err := c.tenant.AddObject(graph.Contact, fmt.Sprint("contact ", i))
				c.ok(err)
				c.ok(c.tenant.AddMember(c.ids["Inner"], contact))
			}
			c.found("Lab inner", "leo")
			c.found("Lab", "cat", "kim", "Lab inner")
			c.profile("sales", "Sales", nil)
			c.truth.roots["Sales"] = true
		}, "sales"},
		{"one joins, one leaves", 65 * time.Minute, func(c *company) {
			c.join("Sales", "gil")
			c.leave("Sales", "bob")
		}, ""},
		{"a group joins", 3 * time.Hour, func(c *company) { c.join("Sales", "Inner") }, ""},
		{"a second profile, and news in the nested group", 5 * time.Hour, func(c *company) {
			c.profile("lab", c.ids["Lab"], map[string]any{"directOnly": true, "priority": 10, "directory": "d-9999999999"})
			c.truth.roots["Lab"] = false
			c.join("Inner", "jon")
		}, "lab"},
		{"disabled, enabled, renamed, deleted", clock24, func(c *company) {
			c.disable("dan")
			c.enable("dis")
			c.rename("eve", "eva")
			c.softDelete("fay")
			c.join("Lab", "ida")
		}, ""},
		{"the group leaves", clock24 + 2*time.Hour, func(c *company) { c.leave("Sales", "Inner") }, ""},
		{"emptied by mistake", clock24 + 4*time.Hour, func(c *company) { c.empty("Sales") }, ""},
		{"filled again", clock24 + 6*time.Hour, func(c *company) { c.refill("Sales") }, ""},
		{"purged, back, gone", 2*clock24 + time.Hour, func(c *company) {
			c.ok(c.tenant.PurgeUser(c.ids["fay"]))
			c.join("Sales", "bob", "lou")
			c.leave("Sales", "cat")
			c.leave("Lab", "kim")
			c.enable("dan")
		}, ""},
		{"a quiet day", 3*clock24 + 2*time.Hour, func(*company) {}, ""},
	}
}

// ending is how the story ends without any fault.
func ending() map[string]string {
	return map[string]string{
		"ann": "Provisioned , 1 made",
		"bob": "Provisioned , 1 made",        // left, and came back
		"cat": "Provisioned , 1 made",        // left Sales, and is in Lab
		"dan": "Provisioned , 1 made",        // was disabled for a day
		"dis": "Provisioned , 1 made",        // was enabled at last
		"eve": "Provisioned Renamed, 1 made", // the desktop stays with the old name
		"fay": "Provisioned Deleted, 1 made",
		"gil": "Provisioned , 1 made",
		"gus": "NotEntitled Guest, 0 made",
		"una": "NotEntitled NoUserName, 0 made",
		"hal": "Provisioned Left, 1 made", // with the nested group
		"ida": "Provisioned , 1 made",     // left with the nested group, and is in Lab
		"jon": "Provisioned Left, 1 made",
		"kim": "Provisioned Left, 1 made",
		"lou": "Provisioned , 1 made",
	}
}

// play plays the story. Before and after are called around each tick, numbered from 0; nil does nothing.
func (c *company) play(before, after func(n int)) {
	c.Helper()
	n, pending := 0, map[string]bool{}
	for _, s := range story() {
		c.ok(c.clock.SleepUntil(c.Context(), monday.Add(s.after)))
		s.happens(c)
		c.truth.note(c.clock.Now())
		if s.approve != "" {
			pending[s.approve] = true
		}
		for i := range ticksOfScene {
			c.ok(c.clock.SleepUntil(c.Context(), monday.Add(s.after+time.Duration(i)*every)))
			if before != nil {
				before(n)
			}
			c.step(pending)
			if after != nil {
				after(n)
			}
			n++
		}
	}
}

// step is one tick, and what belongs to it: a tick may fail, and whoever wants to approve tries again.
func (c *company) step(pending map[string]bool) {
	c.Helper()
	for id := range maps.Clone(pending) {
		if c.approve(id) == nil {
			delete(pending, id)
		}
	}
	began := c.clock.Now()
	if _, err := c.handle(events.Request{Action: events.Run, By: "schedule"}); err != nil {
		c.failures = append(c.failures, err)
	}
	c.work()
	c.judge(began)
}

func TestTheStory(t *testing.T) {
	c := newCompany(t)
	c.play(nil, nil)
	if diff := cmp.Diff(ending(), c.end()); diff != "" {
		t.Error(diff)
	}
	for _, err := range c.failures {
		t.Error(err)
	}
	s := c.graph.Spent()
	t.Logf("%d ticks took %d requests, %d units, %d tokens: %v", len(story())*ticksOfScene, s.Requests, s.Units, s.Tokens, s.ByOperation)
}

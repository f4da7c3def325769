package planning_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/member"
)

// settled writes down that a profile's group has been read in full just now, without reading it through the ledger:
// the feeds begin with the next tick.
func (c *company) settled(id string, members int, nested ...string) {
	c.Helper()
	standing := c.ledger.Standing(id)
	standing.Rolled, standing.NextRoll, standing.RollDue = c.clock.Now(), c.clock.Now().Add(clock24), ""
	standing.Members, standing.Tree = members, append([]string{standing.Group}, nested...)
	slices.Sort(standing.Tree)
	_, err := c.ledger.SaveStanding(c.Context(), standing)
	c.ok(err)
}

// listening is a company with one profile over a group of n people that was read in full, and whose feeds have begun.
func listening(t testing.TB, n int) (c *company, group string) {
	c = newCompany(t)
	group, _ = c.crowd("Sales", n)
	c.profile("sales", group, nil)
	c.ok(c.approve("sales"))
	c.settled("sales", n)
	c.ticks(1)
	// A benchmark's ticks lie within one instant of the clock: the limit for ten seconds must not strike it.
	c.graph.Configure(func(b *graph.Behaviour) { b.UnitsPer10s = -1 })
	return c, group
}

// quiet is what a tick costs in which nothing has happened: requests of Graph, and nothing else at all.
func (c *company) quiet() int {
	c.Helper()
	return c.requests(func() {
		if r := c.tick(); r.LookedAt.People != 0 || r.Done.Written != 0 || r.Done.Jobs != 0 || len(r.LookedAt.Rolls) != 0 || len(r.Problems) != 0 {
			c.Errorf("the tick is not quiet: %+v", r)
		}
	})
}

func TestAQuietTickCostsTheSameWhateverTheSize(t *testing.T) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		t.Run(fmt.Sprintf("%d members", n), func(t *testing.T) {
			c, _ := listening(t, n)
			for range 3 {
				if got := c.quiet(); got != 2 { // one for the group, one for the users
					t.Errorf("%d requests", got)
				}
				c.clock.Advance(every)
			}
		})
	}
}

// The second figure: where others of the tenant change, the users feed costs its pages, and nobody is looked at.
func TestATickInABusyTenantCostsTheUsersFeedsPages(t *testing.T) {
	c, _ := listening(t, 1_000_000)
	others, err := c.tenant.AddUsers("others-", 5000, nil)
	c.ok(err)
	c.quiet() // they are news themselves
	for _, changed := range []int{1, 200, 5000} {
		c.clock.Advance(every)
		for i := range changed {
			c.ok(c.tenant.DisableUser(others.ID(i)))
		}
		page := c.graph.Behaviour().DeltaUsers // not documented
		got, want := c.quiet(), 1+(changed+page-1)/page
		if got != want {
			t.Errorf("%d others changed: %d requests, want %d", changed, got, want)
		}
		t.Logf("%d others changed: %d requests, %d of them pages of the users feed", changed, got, got-1)
		for i := range changed {
			c.ok(c.tenant.EnableUser(others.ID(i)))
		}
		c.clock.Advance(every)
		c.quiet()
	}
}

func TestOneJoinInAGroupOfTenThousand(t *testing.T) {
	c, group := listening(t, 10_000)
	c.clock.Advance(every)
	c.ok(c.tenant.AddMember(group, c.user("ann"))) // made and joined at once: both feeds have news
	got := c.requests(func() { c.tick() })
	if got > 4 {
		t.Errorf("%d requests in the whole tick", got)
	}
	if a := c.item("ann"); a.Status != assignment.Requested {
		t.Errorf("ann is %s %s", a.Status, a.Reason.Code)
	}
	t.Logf("one join: %d requests", got)

	c.ticks(3)
	c.ok(c.tenant.RemoveMember(group, c.ids["ann"]))
	got = c.requests(func() { c.tick() })
	if got > 5 { // and a page, because a group that is empty would say the same
		t.Errorf("%d requests for one who leaves", got)
	}
	if a := c.item("ann"); a.Absent.IsZero() {
		t.Errorf("ann is %s %s", a.Status, a.Reason.Code)
	}
	t.Logf("one leave: %d requests", got)
}

func TestAFullRollCostsItsPages(t *testing.T) {
	people := 100_000
	if testing.Short() {
		people = 10_000
	}
	c := newCompany(t)
	root, crowd := c.crowd("Sales", people)
	nested := 3
	for i := range nested { // somebody who is in the group too, and somebody new
		name := fmt.Sprint("nested ", i)
		c.user("in " + name)
		inner := c.group(name, "in "+name)
		c.ok(c.tenant.AddMember(inner, crowd.ID(i)))
		c.ok(c.tenant.AddMember(root, inner))
	}
	c.profile("sales", root, nil)
	c.ok(c.approve("sales"))
	var ticks int
	got := c.requests(func() {
		for ; c.ledger.Standing("sales").Rolled.IsZero(); ticks++ {
			if ticks > 10 {
				t.Fatal("the roll does not end")
			}
			c.tick()
		}
	})
	want := member.RollPages(people+nested, nested) + 2*ticks // and the feeds' requests
	if got != want || (people == 100_000 && want-2*ticks != 101+nested) {
		t.Errorf("%d requests in %d ticks, want %d", got, ticks, want)
	}
	if s := c.ledger.Standing("sales"); s.Members != people+nested || len(s.Tree) != 1+nested || len(c.ledger.Items()) != people+nested {
		t.Errorf("%d members, %d groups, %d items", s.Members, len(s.Tree), len(c.ledger.Items()))
	}
	t.Logf("a roll of %d people and %d nested groups: %d requests in %d ticks", people, nested, got, ticks)
}

func TestChains(t *testing.T) {
	c := newCompany(t)
	for i := range 120 {
		name := fmt.Sprintf("group-%03d", i)
		c.user("in-" + name)
		c.profile(name, c.group(name, "in-"+name), map[string]any{"maxInFlight": 1})
		c.ok(c.approve(name))
		c.settled(name, 1)
	}
	c.ticks(1)
	groups := func() (sizes []int) {
		cursors, err := c.ledger.Cursors(c.Context())
		c.ok(err)
		for _, cursor := range cursors {
			if len(cursor.Groups) > 0 {
				sizes = append(sizes, len(cursor.Groups))
			}
		}
		slices.Sort(sizes)
		return sizes
	}
	if got := groups(); !slices.Equal(got, []int{20, 50, 50}) {
		t.Errorf("120 groups are followed by chains of %v", got)
	}
	if got := c.quiet(); got != 3+1 {
		t.Errorf("a quiet tick of 120 groups costs %d requests", got)
	}

	c.user("new")
	c.group("Joining", "new")
	c.ok(c.tenant.AddMember(c.ids["group-007"], c.ids["Joining"]))
	c.ticks(2)
	if got := groups(); !slices.Equal(got, []int{1, 20, 50, 50}) {
		t.Errorf("after a group joined there are chains of %v", got)
	}
	c.ticks(4)
	if got := c.quiet(); got != 4+1 {
		t.Errorf("a quiet tick costs %d requests after a group joined", got)
	}
	if got := c.item("new").Status; got != assignment.Provisioned {
		t.Errorf("who is in the group that joined is %s", got)
	}

	for id := range 120 { // all but the profile itself have rolled just now: no 120 daily rolls in between
		if name := fmt.Sprintf("group-%03d", id); name != "group-007" {
			c.settled(name, 1)
		}
	}
	c.clock.Advance(23 * time.Hour)
	c.ticks(30)
	if got := groups(); !slices.Equal(got, []int{21, 50, 50}) {
		t.Errorf("a day later there are chains of %v", got)
	}
	c.ok(c.tenant.AddMember(c.ids["Joining"], c.user("late")))
	c.ticks(3)
	if got := c.item("late").Status; got != assignment.Provisioned {
		t.Errorf("who joined after the chains were packed anew is %q", got)
	}
}

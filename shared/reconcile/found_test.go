package reconcile

// Bugs that were found by review, each as the story in which it showed.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/seams"
	"rollcall/shared/fault"
	"rollcall/shared/member"
)

func (c *company) item(id string) assignment.Assignment {
	return c.ledger.Items()[assignment.Key{Person: id, Slot: "main"}]
}

// a person who is missed once and is back: Due stays in the past for ever.
func TestATransientNoLeavesNobodyDue(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.person("bob", "g-sales")
	c.approve("sales")
	c.day(3 * time.Hour)
	c.entra.Leave("g-sales", "ada")
	c.tick()
	c.clock.Advance(5 * time.Minute)
	c.entra.Join("g-sales", "ada")
	c.day(2 * time.Hour)
	a := c.item("ada")
	r := c.tick()
	t.Logf("ada %s due %v now %v", a.Status, a.Due, c.clock.Now())
	if r.LookedAt.People != 0 {
		t.Errorf("a quiet tick two hours later still looks at %d people", r.LookedAt.People)
	}
}

// paused while people wait for a place: the waiting mark is lost.
func TestAPauseDoesNotLoseWhoWaits(t *testing.T) {
	c := newCompany(t)
	c.entra.AddGroup(member.Group{ID: "g-lab"})
	c.profile("lab", map[string]any{"group": "g-lab", "slot": "lab", "directory": "d-1234567899"})
	for i := range 20 {
		c.person(fmt.Sprintf("p%02d", i), "g-sales")
	}
	c.approve("sales")
	c.tick()
	c.work()
	c.clock.Advance(5 * time.Minute)
	if !c.ledger.Standing("sales").Rollout.Waiting {
		t.Fatal("setup: nobody waits")
	}
	c.profile("sales", map[string]any{"paused": true})
	c.day(10 * time.Minute)
	c.profile("sales", nil)
	t.Log("waiting after pause:", c.ledger.Standing("sales").Rollout.Waiting)
	// the second roll (an hour after the first) would heal it, so take the same after it: here we look at 40 minutes
	c.day(40 * time.Minute)
	n := 0
	for _, a := range c.ledger.Items() {
		if a.Status == assignment.Held {
			n++
		}
	}
	if n > 0 {
		t.Errorf("40 minutes after the pause ended %d people are still held and nobody looks for them", n)
	}
}

// Entra is busy for one tick while people wait.
func TestAThrottledTickDoesNotLoseWhoWaits(t *testing.T) {
	c := newCompany(t)
	c.person("x", "g-sales")
	c.approve("sales")
	c.day(3 * time.Hour) // both first rolls are over
	for i := range 12 {
		c.person(fmt.Sprintf("p%02d", i), "g-sales")
	}
	c.tick()
	c.work()
	c.clock.Advance(5 * time.Minute)
	if !c.ledger.Standing("sales").Rollout.Waiting {
		t.Fatal("setup: nobody waits")
	}
	c.entra.Gate = func(call string, after bool) error {
		if call == "People" {
			return fault.New(fault.Throttled, "busy")
		}
		return nil
	}
	c.tick()
	c.work()
	c.entra.Gate = nil
	c.clock.Advance(5 * time.Minute)
	t.Log("waiting after one throttled tick:", c.ledger.Standing("sales").Rollout.Waiting)
	c.day(12 * time.Hour)
	n := 0
	for _, a := range c.ledger.Items() {
		if a.Status == assignment.Held {
			n++
		}
	}
	if n > 0 {
		t.Errorf("12 hours later %d people are still Held", n)
	}
}

// the planner dies right after it has written the rollout.
func TestADeathDoesNotLoseWhoWaits(t *testing.T) {
	c := newCompany(t)
	c.person("x", "g-sales")
	c.approve("sales")
	c.day(3 * time.Hour)
	for i := range 7 {
		c.person(fmt.Sprintf("p%02d", i), "g-sales")
	}
	for i := 0; ; i++ {
		if i > 50 {
			t.Fatal("never")
		}
		before := c.ledger.Standing("sales").Rollout.Waiting
		dead := false
		c.ledger.Gate = func(call string, after bool) error {
			if dead {
				return errors.New("killed")
			}
			if call == "SaveStanding" && after && before && !c.standingUnlocked() {
				dead = true
				return errors.New("killed")
			}
			return nil
		}
		_, _ = c.handle(events.Request{Action: events.Run, By: "schedule"})
		c.ledger.Gate = nil
		c.work()
		if dead {
			c.clock.Advance(20 * time.Minute)
			break
		}
		c.clock.Advance(5 * time.Minute)
	}
	c.day(12 * time.Hour)
	n := 0
	for _, a := range c.ledger.Items() {
		if a.Status == assignment.Held {
			n++
		}
	}
	if n > 0 {
		t.Errorf("12 hours after the planner died %d people are still Held", n)
	}
}

func (c *company) standingUnlocked() bool { // called in a gate, after the call: no lock is held
	return c.ledger.Standing("sales").Rollout.Waiting
}

// resumed after a pause: whoever joined meanwhile.
func TestWhoJoinsDuringAPauseIsFound(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(3 * time.Hour)
	c.profile("sales", map[string]any{"paused": true})
	c.tick()
	c.clock.Advance(5 * time.Minute)
	c.person("bob", "g-sales")
	c.day(10 * time.Minute)
	c.profile("sales", nil)
	c.day(6 * time.Hour)
	if got := c.status("bob"); got != "Provisioned" {
		t.Errorf("6 hours after the pause bob is %q", got)
	}
}

// a feed expires; who joins between the roll and the new feed.
func TestNobodyIsLostBetweenExpiryAndTheNewFeed(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(3 * time.Hour)
	cs, _ := c.ledger.Cursors(context.Background())
	for _, cur := range cs {
		if len(cur.Groups) > 0 {
			cur.Link = "forgotten"
			if _, err := c.ledger.SaveCursor(context.Background(), cur); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := c.tick() // expired: roll
	t.Log(r.LookedAt.Rolls, r.Problems)
	c.person("bob", "g-sales")
	c.clock.Advance(5 * time.Minute)
	c.day(12 * time.Hour)
	if got := c.status("bob"); got != "Provisioned" {
		t.Errorf("12 hours later bob is %q", got)
	}
}

// a nested group joins while a roll goes on over several ticks.
func TestATreeThatChangesDuringARoll(t *testing.T) {
	c := newCompany(t)
	for i := range 30 {
		c.person(fmt.Sprintf("p%02d", i), "g-sales")
	}
	c.entra.AddGroup(member.Group{ID: "a-child"}) // its people sort after "p", see below
	c.person("bob", "a-child")
	c.approve("sales")
	c.day(12 * time.Hour)
	c.clock.Advance(24 * time.Hour) // daily roll
	c.entra.Gate = func(call string, after bool) error {
		if call == "NextPage" && !after {
			c.clock.Advance(20 * time.Second)
		}
		return nil
	}
	hurriedTick := func() *Report {
		answer, err := c.planner.Handle(hurried{t.Context(), c.clock.Now().Add(100 * time.Second)}, events.Request{Action: events.Run})
		if err != nil {
			t.Fatal(err)
		}
		c.work()
		return answer.(*Report)
	}
	r := hurriedTick()
	if r.Done.Finished {
		t.Fatal("setup: finished at once")
	}
	// bob comes in through a nested group whose part has been read already (ids are sorted: "bob" < "p..")
	c.entra.Join("g-sales", "a-child")
	// the roll had RollDue "" or not; the feed marks it
	for i := 0; i < 10; i++ {
		c.clock.Advance(5 * time.Minute)
		r = hurriedTick()
		t.Logf("finished %v rolldue %q tree %v", r.Done.Finished, c.ledger.Standing("sales").RollDue, c.ledger.Standing("sales").Tree)
		if r.Done.Finished {
			break
		}
	}
	c.entra.Gate = nil
	c.day(12 * time.Hour)
	if got := c.status("bob"); got != "Provisioned" {
		t.Errorf("12 hours later bob, of the nested group, is %q", got)
	}
}

// people who are not in AD take every place, for ever.
func TestPeopleNotInADDoNotStarveOthers(t *testing.T) {
	for _, n := range []int{100, 300} {
		c := newCompany(t)
		for i := range n {
			c.person(fmt.Sprintf("a%03d", i), "g-sales")
		}
		for i := range 20 {
			c.person(fmt.Sprintf("r%03d", i), "g-sales")
		}
		c.approve("sales")
		work := func() {
			for _, job := range c.queue.Take() {
				for _, o := range job.Orders {
					a := c.ledger.Items()[o.Key]
					if a.Attempt != o.Attempt || string(a.Intent) != string(job.Kind) {
						continue
					}
					if a.Person[0] == 'a' {
						if _, err := c.ledger.Save(context.Background(), a.Refused(fault.NotInDirectory, "not there", c.clock.Now())); err != nil {
							t.Fatal(err)
						}
						continue
					}
					c.settle(a, job.Kind)
				}
			}
		}
		days := 7
		up := func() (k int) {
			for _, a := range c.ledger.Items() {
				if a.Status == assignment.Provisioned {
					k++
				}
			}
			return
		}
		for d := range days {
			for range 288 {
				c.tick()
				work()
				c.clock.Advance(5 * time.Minute)
			}
			t.Logf("%d not in AD: after day %d: %d of 20 have a desktop, limit %d", n, d+1, up(), c.ledger.Standing("sales").Rollout.Limit)
			if up() == 20 {
				break
			}
		}
		if up() != 20 {
			t.Errorf("%d people not in AD: after %d days only %d of 20 others have a desktop", n, days, up())
		}
	}
}

// the in-flight count of a profile that counts, on a page of another's roll.
func TestInFlightOfAnotherProfilesPage(t *testing.T) {
	c := newCompany(t)
	c.entra.AddGroup(member.Group{ID: "g-vip"})
	c.profile("vip", map[string]any{"group": "g-vip", "priority": 10})
	for i := range 20 {
		c.person(fmt.Sprintf("p%02d", i), "g-sales", "g-vip")
	}
	c.approve("vip")
	c.approve("sales")
	c.tick() // three are asked for, 17 wait; the worker is slow
	c.clock.Advance(5 * time.Minute)
	if _, err := c.handle(events.Request{Action: events.Run, Profile: "sales", By: "ada"}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, a := range c.ledger.Items() {
		if a.Profile == "vip" && a.Status.InFlight() {
			n++
		}
	}
	if lim := c.ledger.Standing("vip").Rollout.Limit; n > lim {
		t.Errorf("vip has %d creates in flight, its limit is %d", n, lim)
	}
}

// dry run of two profiles that entitle the same person.
func TestADryRunOfOverlappingProfilesSaysWhatTheRunDoes(t *testing.T) {
	c := newCompany(t)
	c.entra.AddGroup(member.Group{ID: "g-vip"})
	c.profile("vip", map[string]any{"group": "g-vip", "priority": 10})
	c.person("ada", "g-sales", "g-vip")
	c.approve("vip")
	c.approve("sales")
	answer, err := c.handle(events.Request{Action: events.DryRun})
	if err != nil {
		t.Fatal(err)
	}
	dry := answer.(*Report)
	wet := c.tick()
	if dry.Planned["create"] != wet.Planned["create"] {
		t.Errorf("the dry run says %v, the run did %v", dry.Planned, wet.Planned)
	}
}

// many due of a paused profile: nobody looks at its desktops in the making, and all other groups are read every tick.
func TestDesktopsOfAPausedProfileAreLookedAfter(t *testing.T) {
	c := newCompany(t)
	c.entra.AddGroup(member.Group{ID: "g-lab"})
	c.profile("lab", map[string]any{"group": "g-lab", "slot": "lab", "directory": "d-1234567899"})
	c.person("joe", "g-lab")
	for i := range 60 {
		c.person(fmt.Sprintf("p%02d", i), "g-sales")
	}
	c.approve("lab")
	c.approve("sales")
	c.day(4 * time.Hour) // rollout has grown, all provisioned
	for i := range 60 {
		c.person(fmt.Sprintf("q%02d", i), "g-sales")
	}
	c.tick()
	c.work() // all accepted: Provisioning
	c.clock.Advance(5 * time.Minute)
	n := func() (k int) {
		for _, a := range c.ledger.Items() {
			if a.Status == assignment.Provisioning {
				k++
			}
		}
		return
	}
	t.Log("provisioning at the pause:", n())
	c.profile("sales", map[string]any{"paused": true})
	rolls := 0
	for range 36 {
		r := c.tick()
		c.work()
		rolls += len(r.LookedAt.Rolls)
		c.clock.Advance(5 * time.Minute)
	}
	if n() > 0 {
		t.Errorf("3 hours later %d desktops of the paused profile were never looked at; %d full rolls of the other profile in 36 ticks", n(), rolls)
	}
}

// STOP for a profile while a tick writes.
func TestStopForAProfileWhileATickWrites(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	once := true
	c.ledger.Gate = func(call string, after bool) error {
		if call == "SaveStanding" && !after && once {
			once = false
			s := c.ledger.Standing("sales") // a tick notes something in between
			s.RollDue = "x"
			g := c.ledger.Gate
			c.ledger.Gate = nil
			_, err := c.ledger.SaveStanding(context.Background(), s)
			c.ledger.Gate = g
			return err
		}
		return nil
	}
	if _, err := c.handle(events.Request{Action: events.Stop, Profile: "sales", By: "ada"}); err != nil {
		t.Errorf("STOP was refused: %v", err)
	}
}

// the fix of a profile is approved: creates rest all the same.
func TestAnApprovedFixDoesNotRest(t *testing.T) {
	c := newCompany(t)
	for i := range 5 {
		c.person(fmt.Sprintf("p%d", i), "g-sales")
	}
	c.approve("sales")
	refuse := func() {
		for _, job := range c.queue.Take() {
			for _, o := range job.Orders {
				a := c.ledger.Items()[o.Key]
				if a.Attempt == o.Attempt && job.Kind == events.Create {
					if _, err := c.ledger.Save(context.Background(), a.Refused(fault.Misconfigured, "no such bundle", c.clock.Now())); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	for range 240 {
		c.tick()
		refuse()
		c.clock.Advance(5 * time.Minute)
		if r := c.ledger.Standing("sales").Rollout; r.Rest.Sub(c.clock.Now()) > 5*time.Hour {
			break
		}
	}
	t.Logf("%v %+v", c.clock.Now(), c.ledger.Standing("sales").Rollout)
	c.profile("sales", map[string]any{"bundle": "wsb-9999999999"})
	c.approve("sales")
	c.day(2 * time.Hour)
	if len(c.made) == 0 {
		t.Errorf("two hours after the approval of the mended profile nothing is made: %+v", c.ledger.Standing("sales").Rollout)
	}
}

// the profile moves to another Region while an order waits.
func TestAnOrderForAnotherRegionBeginsAnew(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.tick()
	c.queue.Take() // lost
	c.profile("sales", map[string]any{"region": "us-east-1", "directory": "d-9999999999"})
	c.approve("sales")
	for range 5 {
		c.clock.Advance(5 * time.Minute)
		c.tick()
	}
	for _, j := range c.queue.Take() {
		if j.Kind == events.Create && j.Lane.Region == "eu-central-1" && j.Directories[0] == "d-9999999999" {
			t.Errorf("an order for directory %s, of us-east-1, goes to lane %s", j.Directories[0], j.Lane)
		}
	}
}

// ERROR desktop, profile then has another directory: two desktops. And: leaves, and the desktop is forgotten.
func TestABrokenDesktopIsNotDoubledOrForgotten(t *testing.T) {
	setup := func() *company {
		c := newCompany(t)
		c.person("ada", "g-sales")
		c.person("bob", "g-sales")
		c.approve("sales")
		c.tick()
		c.work() // Provisioning ws-ada
		c.clock.Advance(100 * time.Minute)
		a := c.item("ada")
		a = a.Looked(desktop.Desktop{ID: "ws-ada", State: desktop.Pending}, c.clock.Now()) // slow, not dead
		if _, err := c.ledger.Save(context.Background(), a); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := setup()
	t.Log(c.status("ada"), c.item("ada").WorkSpace)
	c.profile("sales", map[string]any{"directory": "d-9999999999"})
	c.approve("sales")
	c.day(8 * time.Hour)
	if n := c.made[assignment.Key{Person: "ada", Slot: "main"}]; n != 1 {
		t.Errorf("ada has %d desktops at AWS; the ledger knows %s", n, c.item("ada").WorkSpace)
	}
	c = setup()
	c.entra.Leave("g-sales", "ada")
	c.day(time.Hour)
	a := c.item("ada")
	if a.Status == assignment.NotEntitled {
		t.Errorf("ada has left: %s %q, but desktop %s is there", a.Status, a.Reason.Text, a.WorkSpace)
	}
}

// given up: no way forward.
func TestWhatWasGivenUpMovesWithANewVersionOrByHand(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.person("bob", "g-sales")
	c.approve("sales")
	c.tick()
	for id, kind := range map[string]fault.Kind{"ada": fault.Rejected, "bob": fault.AlreadyExists} {
		a := c.item(id)
		a.Failing = c.clock.Now().Add(-29 * 24 * time.Hour)
		if _, err := c.ledger.Save(context.Background(), a.Refused(kind, "no", c.clock.Now())); err != nil {
			t.Fatal(err)
		}
	}
	c.queue.Take()
	c.day(time.Hour)
	c.profile("sales", map[string]any{"userName": "mailNickname"})
	c.entra.Put(member.Person{ID: "ada", UPN: "ada@example.com", MailNickname: "ada2", SAMAccountName: "ada", Enabled: true})
	c.entra.Put(member.Person{ID: "bob", UPN: "bob@example.com", MailNickname: "bob2", SAMAccountName: "bob", Enabled: true})
	c.approve("sales")
	c.day(3 * 24 * time.Hour)
	for _, id := range []string{"ada", "bob"} {
		if _, err := c.handle(events.Request{Action: events.Run, Person: id, By: "eve"}); err != nil {
			t.Fatal(err)
		}
		c.day(time.Hour)
		if c.made[assignment.Key{Person: id, Slot: "main"}] == 0 {
			t.Errorf("%s is %s: neither a new approved version nor a run by hand moves them", id, c.status(id))
		}
	}
}

// one throttled membership question makes every group be read in full.
func TestAThrottledQuestionReadsNoWholeGroup(t *testing.T) {
	c := newCompany(t)
	c.entra.AddGroup(member.Group{ID: "g-lab"})
	c.profile("lab", map[string]any{"group": "g-lab", "slot": "lab", "directory": "d-1234567899"})
	c.person("ada", "g-sales")
	c.person("joe", "g-lab")
	c.approve("sales")
	c.approve("lab")
	c.day(3 * time.Hour)
	c.person("bob", "g-sales")
	c.entra.Gate = func(call string, after bool) error {
		if call == "Standings" && !after {
			return fault.New(fault.Throttled, "busy")
		}
		return nil
	}
	c.tick()
	c.entra.Gate = nil
	r := c.tick()
	if len(r.LookedAt.Rolls) > 0 {
		t.Errorf("after one throttled answer about one person, every group is read in full: %v", r.LookedAt.Rolls)
	}
}

// asRead gives out pages of three of what a group was when its roll began: a page that was read is not read again.
type asRead struct {
	*seams.Entra
	now  func() time.Time
	kept map[string][]member.Page
}

func (a *asRead) NextPage(ctx context.Context, at member.Position) (member.Page, error) {
	if at.Pages == 0 {
		at.Started = a.now()
		var pages []member.Page
		for next := at; !next.Done; {
			p, err := a.Entra.NextPage(ctx, next)
			if err != nil {
				return p, err
			}
			pages = append(pages, p)
			next = p.Next
		}
		a.kept[at.Started.String()] = pages
	}
	return a.kept[at.Started.String()][at.Pages], nil
}

func TestANestedGroupJoinsDuringALongRoll(t *testing.T) {
	c := newCompany(t)
	for i := range 30 {
		c.person(fmt.Sprintf("p%02d", i), "g-sales")
	}
	c.entra.AddGroup(member.Group{ID: "g-child"})
	c.person("bob", "g-child")
	c.approve("sales")
	c.day(12 * time.Hour)
	c.clock.Advance(24 * time.Hour)
	slow := false
	roster := &asRead{Entra: c.entra, now: c.clock.Now, kept: map[string][]member.Page{}}
	c.planner.SignIn = func(context.Context) (Roster, error) { return &slowly{roster, c, &slow}, nil }
	slow = true
	tick := func() *Report {
		answer, err := c.planner.Handle(hurried{t.Context(), c.clock.Now().Add(100 * time.Second)}, events.Request{Action: events.Run})
		if err != nil {
			t.Fatal(err)
		}
		c.work()
		return answer.(*Report)
	}
	if r := tick(); r.Done.Finished {
		t.Fatal("setup: finished at once")
	}
	c.entra.Join("g-sales", "g-child")
	for range 10 {
		c.clock.Advance(5 * time.Minute)
		r := tick()
		t.Logf("finished %v rolldue %q next %v", r.Done.Finished, c.ledger.Standing("sales").RollDue, c.ledger.Standing("sales").NextRoll.Sub(c.clock.Now()))
		if r.Done.Finished {
			break
		}
	}
	slow = false
	c.day(12 * time.Hour)
	if got := c.status("bob"); got != "Provisioned" {
		t.Errorf("12 hours later bob, of the nested group that joined during the roll, is %q", got)
	}
}

type slowly struct {
	*asRead
	c    *company
	slow *bool
}

func (s *slowly) NextPage(ctx context.Context, at member.Position) (member.Page, error) {
	if *s.slow {
		s.c.clock.Advance(20 * time.Second)
	}
	return s.asRead.NextPage(ctx, at)
}

// in a huge group, 2000 people of a paused profile who are due keep everybody else from being looked at.
func TestDuePeopleOfAPausedProfileKeepNobodyWaiting(t *testing.T) {
	c := newCompany(t)
	c.entra.AddGroup(member.Group{ID: "g-lab"})
	c.profile("lab", map[string]any{"group": "g-lab", "slot": "lab", "directory": "d-1234567899"})
	c.approve("sales")
	c.approve("lab")
	for i := range 2100 { // not in AD, tried again by and by, of a profile that is paused now
		a := assignment.Assignment{
			Key: assignment.Key{Person: fmt.Sprintf("w%04d", i), Slot: "lab"}, Profile: "lab", Entitled: []string{"lab"},
			Status: assignment.Requested, Intent: assignment.Create, Attempt: 1, Joined: c.clock.Now(),
		}
		a = a.Refused(fault.NotInDirectory, "not there", c.clock.Now().Add(-time.Hour))
		if _, err := c.ledger.Save(context.Background(), a); err != nil {
			t.Fatal(err)
		}
	}
	c.profile("lab", map[string]any{"group": "g-lab", "slot": "lab", "paused": true})
	c.person("ada", "g-sales")
	c.day(3 * time.Hour)
	s := c.ledger.Standing("sales")
	s.Members = 200_000
	if _, err := c.ledger.SaveStanding(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	c.person("bob", "g-sales")
	c.day(12 * time.Hour)
	if got := c.status("bob"); got != "Provisioned" {
		a := c.item("bob")
		t.Errorf("12 hours after joining bob is %q, due since %v", got, c.clock.Now().Sub(a.Due))
	}
}

// the same without anything paused: STOP or a rest do not matter, the people who came back do.
func TestAYesUnderStopIsKept(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.person("bob", "g-sales")
	c.approve("sales")
	c.tick()
	c.queue.Take() // the order is lost
	c.entra.Leave("g-sales", "ada")
	c.clock.Advance(2 * time.Minute)
	c.tick() // first no
	t.Log("absent", c.item("ada").Absent, c.item("ada").Due)
	if _, err := c.handle(events.Request{Action: events.Stop, By: "eve"}); err != nil {
		t.Fatal(err)
	}
	c.entra.Join("g-sales", "ada")
	c.clock.Advance(15 * time.Minute)
	c.tick() // a yes, under STOP
	t.Log("absent after a yes", c.item("ada").Absent)
	c.entra.Leave("g-sales", "ada")
	c.tick() // the first no of a new series
	if got := c.item("ada"); got.Status == assignment.NotEntitled {
		t.Errorf("one no after a yes, and ada is %s %s", got.Status, got.Reason.Text)
	}
}

// a person who is known to be a member and whom a slot-less stop...: two profiles, two slots, one directory.
func TestSlotsDoNotShareADirectory(t *testing.T) {
	c := newCompany(t)
	c.profile("lab", map[string]any{"slot": "lab"})
	c.person("ada", "g-sales")
	c.approve("sales")
	w, _ := c.planner.look(context.Background())
	a, err := c.handle(events.Request{Action: events.Approve, Profile: "lab", Version: w.written["lab"].Version(), By: "ada"})
	if err == nil {
		t.Errorf("approved although slot lab shares the directory of slot main: warnings %v", a.(Approval).Warnings)
	}
}

// preview of a profile shows no preflight.
func TestAnOutcomeMetAgainAfterADeathDoesNotGrowTwice(t *testing.T) {
	c := newCompany(t)
	for i := range 5 {
		c.person(fmt.Sprintf("p%d", i), "g-sales")
	}
	c.approve("sales")
	c.tick()
	c.work()
	c.clock.Advance(5 * time.Minute)
	c.tick()
	c.work()
	c.clock.Advance(5 * time.Minute)
	before := c.ledger.Standing("sales").Rollout.Limit
	dead := false
	c.ledger.Gate = func(call string, after bool) error {
		if dead || (call == "Save" && !after) {
			dead = true
			return fmt.Errorf("killed")
		}
		return nil
	}
	_, _ = c.handle(events.Request{Action: events.Run})
	c.ledger.Gate = nil
	mid := c.ledger.Standing("sales").Rollout.Limit
	c.clock.Advance(20 * time.Minute)
	c.tick()
	after := c.ledger.Standing("sales").Rollout.Limit
	up := 0
	for _, a := range c.ledger.Items() {
		if a.Status == assignment.Provisioned {
			up++
		}
	}
	if after != before+up {
		t.Errorf("%d came up, and the limit went %d, %d (killed), %d", up, before, mid, after)
	}
}

// many who left long ago and keep their desktops: each daily roll asks for each of them; out of time, it begins
// with the first again and never ends; the roll of the next profile never begins.
func TestARollWithManyKeptLeaversEnds(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(3 * time.Hour)
	for i := range 4000 {
		a := assignment.Assignment{
			Key: assignment.Key{Person: fmt.Sprintf("w%04d", i), Slot: "main"}, Profile: "sales",
			Status: assignment.Provisioned, WorkSpace: fmt.Sprint("ws-", i), UserName: "x", Attempt: 1, Left: c.clock.Now(), Absent: c.clock.Now(),
		}
		if _, err := c.ledger.Save(context.Background(), a); err != nil {
			t.Fatal(err)
		}
	}
	c.clock.Advance(24 * time.Hour)
	asked := 0
	c.entra.Gate = func(call string, after bool) error {
		if call == "People" && !after {
			asked++
			c.clock.Advance(30 * time.Second) // a thousand people, some 55 requests
		}
		return nil
	}
	for i := range 50 {
		answer, err := c.planner.Handle(hurried{t.Context(), c.clock.Now().Add(120 * time.Second)}, events.Request{Action: events.Run})
		if err != nil {
			t.Fatal(err)
		}
		c.work()
		c.clock.Advance(5 * time.Minute)
		if answer.(*Report).Done.Finished {
			t.Logf("finished after %d", i)
			return
		}
	}
	t.Errorf("50 ticks, %d times a thousand people asked, and the roll is not finished", asked)
}

type longFirst struct {
	*seams.Entra
	on *bool
}

func (l *longFirst) GroupChanges(ctx context.Context, c member.Cursor) (member.Changes, error) {
	if *l.on && c.Link == "" {
		return member.Changes{Next: "starting", More: true, Pages: 1}, nil
	}
	if c.Link == "starting" { // the first pass ends: names nobody
		c.Link = ""
	}
	return l.Entra.GroupChanges(ctx, c)
}

func TestPackedChainsThatTakeSeveralTicks(t *testing.T) {
	c := newCompany(t)
	on := false
	c.planner.SignIn = func(context.Context) (Roster, error) { return &longFirst{c.entra, &on}, nil }
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(2 * time.Hour)
	c.entra.AddGroup(member.Group{ID: "g-child"})
	c.person("joe", "g-child")
	c.entra.Join("g-sales", "g-child")
	c.day(23 * time.Hour)
	on = true
	names := func() (out []string) {
		cs, _ := c.ledger.Cursors(context.Background())
		for _, x := range cs {
			out = append(out, x.Name+" "+x.Link)
		}
		return
	}
	n := 0
	for ; n < 400; n++ {
		before := names()
		c.tick()
		c.work()
		after := names()
		if len(after) < len(before) {
			t.Log(before, after)
			break
		}
		c.clock.Advance(5 * time.Minute)
	}
	t.Log("packed after", n, "ticks; next roll in", c.ledger.Standing("sales").NextRoll.Sub(c.clock.Now()))
	c.person("bob", "g-sales")
	c.clock.Advance(5 * time.Minute)
	c.day(12 * time.Hour)
	if got := c.status("bob"); got != "Provisioned" {
		t.Errorf("12 hours after joining bob is %q", got)
	}
}

// at HEAD: those who left while their desktops were being made.
func TestLeavingWhileTheDesktopIsMade(t *testing.T) {
	c := newCompany(t)
	for i := range 3 {
		c.person(fmt.Sprintf("p%d", i), "g-sales")
	}
	c.person("q", "g-sales")
	c.person("r", "g-sales")
	c.approve("sales")
	c.tick()
	c.work() // p0..p2 Provisioning, q r held
	for i := range 3 {
		c.entra.Leave("g-sales", fmt.Sprintf("p%d", i))
	}
	q := c.queue
	for range 4 {
		c.clock.Advance(5 * time.Minute)
		c.tick()
		q.Take()
	} // checks are lost; they leave
	for k, a := range c.ledger.Items() {
		t.Log(k, a.Status, a.Profile == "", a.Reason.Code)
	}
	t.Logf("%+v", c.ledger.Standing("sales").Rollout)
	n := 0
	for _, a := range c.ledger.Items() {
		if a.Status.InFlight() {
			n++
		}
	}
	if n > c.ledger.Standing("sales").Rollout.Limit {
		t.Errorf("%d in flight, limit %d", n, c.ledger.Standing("sales").Rollout.Limit)
	}
}

func TestAnApprovalRefusesWhatWouldDoubleDesktops(t *testing.T) {
	c := newCompany(t)
	c.person("ada", "g-sales")
	c.approve("sales")
	c.day(time.Hour)
	c.profile("sales", map[string]any{"slot": "second"})
	c.profile("lab", map[string]any{"slot": "lab"})
	for id, want := range map[string]string{
		"sales": `slot is "second": expected "main"`,
		"lab":   `directory is "d-1234567890": expected one that no profile of another slot uses`,
	} {
		w, err := c.planner.look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.handle(events.Request{Action: events.Approve, Profile: id, Version: w.written[id].Version(), By: "ada"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("approving %s: %v", id, err)
		}
	}
}

func TestAMisspeltNameIsNotNothing(t *testing.T) {
	c := newCompany(t)
	c.approve("sales")
	for _, action := range []events.Action{events.DryRun, events.Run} {
		_, err := c.handle(events.Request{Action: action, Profile: "salse"})
		if err == nil || !strings.Contains(err.Error(), `profile is "salse": expected one that is in force (sales)`) {
			t.Errorf("%s of a profile nobody knows: %v", action, err)
		}
		answer, err := c.handle(events.Request{Action: action, Person: "nobody"})
		if err != nil {
			t.Fatal(err)
		}
		if r := answer.(*Report); len(r.Problems) != 1 || r.Problems[0].Code != "NotFound" {
			t.Errorf("%s of a person nobody knows: %+v", action, r.Problems)
		}
	}
}

func TestWhoWaitsIsCountedOnceWhenTheGroupIsReadToo(t *testing.T) {
	c := newCompany(t)
	for i := range 5 {
		c.person(fmt.Sprintf("p%d", i), "g-sales")
	}
	c.approve("sales")
	c.tick()
	c.clock.Advance(5 * time.Minute)
	answer, err := c.handle(events.Request{Action: events.Run, Profile: "sales", By: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if r := answer.(*Report); r.LookedAt.People != 5 || len(r.Held) != 2 {
		t.Errorf("looked at %d people and held %d, want 5 and 2", r.LookedAt.People, len(r.Held))
	}
}

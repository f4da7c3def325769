package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
	"rollcall/shared/member"
	"rollcall/shared/profile"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func rule(id string, priority int) Profile {
	p, complaints := profile.Decode(profile.Document{ID: id, Fields: map[string]any{
		"group": "g-" + id, "account": "111122223333", "region": "eu-central-1",
		"directory": "d-1234567890", "bundle": "wsb-0123456789", "priority": priority,
	}})
	if complaints != nil {
		panic(complaints)
	}
	return Profile{Rule: p, Rollout: profile.Rollout{Limit: 3}}
}

func ada() member.Person {
	return member.Person{ID: "ada", UPN: "ada@example.com", SAMAccountName: "ada", Enabled: true}
}

// one plans for ada alone, under profile "sales".
func one(item assignment.Assignment, standing member.Standing, change func(*Input)) Plan {
	who := Person{
		ID: "ada", Exists: member.In, Facts: ada(),
		Standings: map[string]member.Standing{"sales": standing}, Holdings: map[string]assignment.Assignment{},
	}
	if item.Revision > 0 {
		item.Key = assignment.Key{Person: "ada", Slot: "main"}
		who.Holdings["main"] = item
	}
	in := Input{Now: now, Profiles: map[string]Profile{"sales": rule("sales", 0)}, People: []Person{who}}
	if change != nil {
		change(&in)
	}
	return Make(in)
}

// held is an item of the ledger in a status, entitled by "sales".
func held(status assignment.Status, change func(*assignment.Assignment)) assignment.Assignment {
	a := assignment.Assignment{
		Status: status, Revision: 1, Attempt: 1, Profile: "sales", Entitled: []string{"sales"},
		ProfileVersion: rule("sales", 0).Rule.Version(), UserName: "ada", UPN: "ada@example.com", Lane: desktop.Lane{Account: "111122223333", Region: "eu-central-1"},
		Since: now.Add(-time.Hour), Joined: now.Add(-time.Hour),
	}
	if change != nil {
		change(&a)
	}
	return a
}

func TestDecide(t *testing.T) {
	past, future := now.Add(-time.Minute), now.Add(time.Minute)
	isDue := func(a *assignment.Assignment) { a.Due = past }
	cases := []struct {
		name     string
		item     assignment.Assignment // no revision: the ledger has none
		standing member.Standing
		change   func(*Input)
		want     string // verb status reason, or "nothing"
	}{
		{"a joiner gets a desktop", assignment.Assignment{}, member.In, nil, "create Requested Member"},
		{"a joiner who is disabled does not", assignment.Assignment{}, member.In, facts(func(p *member.Person) { p.Enabled = false }), "record NotEntitled Disabled"},
		{"a guest does not", assignment.Assignment{}, member.In, facts(func(p *member.Person) { p.Guest = true }), "record NotEntitled Guest"},
		{"a guest does where the profile says so", assignment.Assignment{}, member.In, func(in *Input) {
			facts(func(p *member.Person) { p.Guest = true })(in)
			p := in.Profiles["sales"]
			p.Rule.Guests = true
			in.Profiles["sales"] = p
		}, "create Requested Member"},
		{"a cloud-only account has no user name in AD", assignment.Assignment{}, member.In, facts(func(p *member.Person) { p.SAMAccountName = "" }), "record NotEntitled NoUserName"},
		{"somebody who was not eligible and is now", held(assignment.NotEntitled, nil), member.In, nil, "create Requested Member"},
		{"a returner whose desktop is gone", held(assignment.Deprovisioned, nil), member.In, nil, "create Requested Member"},
		{"an order that nobody took up is sent again", held(assignment.Requested, isDue), member.In, nil, "resend Requested "},
		{"a returner whose withdrawn request is not settled yet is not asked for twice", held(assignment.Requested, func(a *assignment.Assignment) {
			a.Due, a.Claimed, a.Intent = past, now.Add(-time.Hour), assignment.Check
		}), member.In, nil, "check Requested Settling"},
		{"an order on its way is left alone", held(assignment.Requested, func(a *assignment.Assignment) { a.Due = future }), member.In, nil, "nothing"},
		{"a desktop in the making is looked at", held(assignment.Provisioning, isDue), member.In, nil, "check Provisioning "},
		{"a desktop in the making is not looked at too soon", held(assignment.Provisioning, func(a *assignment.Assignment) { a.Due = future }), member.In, nil, "nothing"},
		{"a desktop that exists is left alone", held(assignment.Provisioned, nil), member.In, nil, "nothing"},
		{"a desktop that is not ours is left alone", held(assignment.Foreign, nil), member.In, nil, "nothing"},
		{"a failure waits for its next try", held(assignment.Failed, func(a *assignment.Assignment) { a.Due, a.NextTry = past, future }), member.In, nil, "nothing"},
		{"a failure is tried again", held(assignment.Failed, func(a *assignment.Assignment) { a.Due, a.NextTry = past, past }), member.In, nil, "create Requested Member"},
		{"a failure that was given up stays", held(assignment.Failed, nil), member.In, nil, "nothing"},
		{"a failure that was given up is tried for a new version", held(assignment.Failed, func(a *assignment.Assignment) { a.ProfileVersion = "older" }), member.In, nil, "create Requested Member"},
		{"a failure that was given up is tried by hand", held(assignment.Failed, nil), member.In, func(in *Input) { in.People[0].ByHand = true }, "create Requested Member"},
		{"a desktop that is not ours is asked about for a new version", held(assignment.Foreign, func(a *assignment.Assignment) { a.ProfileVersion = "older" }), member.In, nil, "create Requested Member"},
		{"a desktop that failed to come up is looked at, not made twice", held(assignment.Failed, func(a *assignment.Assignment) {
			a.WorkSpace, a.Due, a.NextTry = "ws-1", past, past
		}), member.In, nil, "check Failed "},
		{"a desktop that failed to come up is kept for who leaves", held(assignment.Failed, func(a *assignment.Assignment) {
			a.WorkSpace, a.Absent, a.Due = "ws-1", now.Add(-SecondLook), now
		}), member.Out, nil, "record Failed Left"},
		{"a desktop that failed to come up is kept for who is disabled", held(assignment.Failed, func(a *assignment.Assignment) { a.WorkSpace = "ws-1" }), member.In, facts(func(p *member.Person) { p.Enabled = false }), "record Failed Disabled"},
		{"an order for an older version begins anew", held(assignment.Requested, func(a *assignment.Assignment) { a.Due, a.ProfileVersion = past, "older" }), member.In, nil, "create Requested Member"},
		{"an order for an older version that was taken up is settled first", held(assignment.Requested, func(a *assignment.Assignment) {
			a.Due, a.ProfileVersion, a.Claimed, a.Intent = past, "older", past, assignment.Create
		}), member.In, nil, "check Requested Settling"},
		{"somebody who waits for AD is tried again", held(assignment.WaitingForDirectory, func(a *assignment.Assignment) { a.Due, a.NextTry = past, past }), member.In, nil, "create Requested Member"},
		{"a desktop that vanished is made again", held(assignment.Missing, func(a *assignment.Assignment) { a.Due, a.NextTry = past, past }), member.In, nil, "create Requested Member"},
		{"a rename is reported, not followed", held(assignment.Provisioned, nil), member.In, facts(func(p *member.Person) { p.SAMAccountName = "ada.l" }), "record Provisioned Renamed"},
		{"a disabled person keeps the desktop", held(assignment.Provisioned, nil), member.In, facts(func(p *member.Person) { p.Enabled = false }), "record Provisioned Disabled"},
		{"a disabled person's request is withdrawn", held(assignment.Requested, nil), member.In, facts(func(p *member.Person) { p.Enabled = false }), "withdraw NotEntitled Disabled"},
		{"a first no only asks for a second look", held(assignment.Provisioned, nil), member.Out, nil, "record Provisioned SecondLook"},
		{"a second no too soon says nothing", held(assignment.Provisioned, func(a *assignment.Assignment) {
			a.Absent, a.Due = now.Add(-5*time.Minute), now.Add(5*time.Minute)
		}), member.Out, nil, "nothing"},
		{"a second no keeps the desktop and says so", held(assignment.Provisioned, func(a *assignment.Assignment) { a.Absent, a.Due = now.Add(-SecondLook), now }), member.Out, nil, "record Provisioned Left"},
		{"a second no withdraws what was only held", held(assignment.Held, func(a *assignment.Assignment) { a.Absent, a.Due = now.Add(-SecondLook), now }), member.Out, nil, "withdraw NotEntitled Left"},
		{"a second no withdraws an order that nobody took up", held(assignment.Requested, func(a *assignment.Assignment) { a.Absent, a.Due = now.Add(-SecondLook), now }), member.Out, nil, "withdraw NotEntitled Left"},
		{"a second no asks what became of an order that was taken up", held(assignment.Requested, func(a *assignment.Assignment) {
			a.Absent, a.Due, a.Claimed, a.Intent = now.Add(-SecondLook), now, now.Add(-time.Hour), assignment.Create
		}), member.Out, nil, "check Requested Settling"},
		{"a deleted account counts like leaving", held(assignment.Held, func(a *assignment.Assignment) { a.Absent, a.Due = now.Add(-SecondLook), now }), member.Out, gone, "withdraw NotEntitled Deleted"},
		{"a yes after a no clears it", held(assignment.Provisioned, func(a *assignment.Assignment) { a.Absent = now.Add(-5 * time.Minute) }), member.In, nil, "record Provisioned "},
		{"nothing known, nothing done", held(assignment.Requested, isDue), member.Unknown, nil, "nothing"},
		{"nothing known, but a desktop in the making is looked at", held(assignment.Provisioning, isDue), member.Unknown, nil, "check Provisioning "},
		{"a frozen profile takes nothing away", held(assignment.Held, func(a *assignment.Assignment) { a.Absent = now.Add(-time.Hour) }), member.Out, func(in *Input) {
			p := in.Profiles["sales"]
			p.Frozen = assignment.Reason{Code: "GroupGone"}
			in.Profiles["sales"] = p
		}, "nothing"},
		{"a frozen profile gives nothing", assignment.Assignment{}, member.In, func(in *Input) {
			p := in.Profiles["sales"]
			p.Frozen = assignment.Reason{Code: "Paused"}
			in.Profiles["sales"] = p
		}, "nothing"},
		{"a profile that is no longer in force takes nothing away", held(assignment.Held, func(a *assignment.Assignment) {
			a.Entitled, a.Absent = []string{"deleted"}, now.Add(-time.Hour)
		}), member.Out, nil, "nothing"},
		{"a stranger who is in no group is nobody", assignment.Assignment{}, member.Out, nil, "nothing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := told(one(c.item, c.standing, c.change)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func facts(change func(*member.Person)) func(*Input) {
	return func(in *Input) { change(&in.People[0].Facts) }
}

func gone(in *Input) { in.People[0].Exists, in.People[0].Facts = member.Out, member.Person{} }

func told(p Plan) string {
	if len(p.Actions) == 0 {
		return "nothing"
	}
	a := p.Actions[0]
	return fmt.Sprintf("%s %s %s", a.Verb, a.After.Status, a.Reason.Code)
}

func TestOverlap(t *testing.T) {
	item := held(assignment.Provisioned, nil)
	p := one(item, member.Out, func(in *Input) {
		in.Profiles["design"] = rule("design", 5)
		in.People[0].Standings["design"] = member.In
	})
	a := p.Actions[0]
	if a.After.Status != assignment.Provisioned || a.After.Profile != "design" || !a.After.Absent.IsZero() {
		t.Errorf("entitled by another profile of the slot keeps the desktop: got %+v", a.After)
	}
	if diff := cmp.Diff([]string{"design"}, a.After.Entitled); diff != "" {
		t.Error(diff)
	}

	p = one(assignment.Assignment{}, member.In, func(in *Input) {
		in.Profiles["design"] = rule("design", 5)
		in.People[0].Standings["design"] = member.In
	})
	if len(p.Actions) != 1 || p.Actions[0].Profile != "design" {
		t.Errorf("two profiles of one slot make one desktop, by the higher priority: got %+v", p.Actions)
	}

	p = one(assignment.Assignment{}, member.In, func(in *Input) {
		second := rule("lab", 0)
		second.Rule.Slot = "lab"
		in.Profiles["lab"] = second
		in.People[0].Standings["lab"] = member.In
	})
	if len(p.Actions) != 2 {
		t.Errorf("two slots make two desktops: got %+v", p.Actions)
	}
}

func TestStop(t *testing.T) {
	everything := func(in *Input) { in.Stop = profile.Stop{On: true, By: "eve", Why: "audit"} }
	justSales := func(in *Input) {
		p := in.Profiles["sales"]
		p.Stop.On = true
		in.Profiles["sales"] = p
	}
	for name, stop := range map[string]func(*Input){"everything": everything, "one profile": justSales} {
		t.Run(name, func(t *testing.T) {
			p := one(assignment.Assignment{}, member.In, stop)
			if got := told(p); got != "hold Held Stopped" {
				t.Errorf("a create under STOP: got %q", got)
			}
			if len(p.Held) != 1 || p.Held[0].Reason.Code != "Stopped" {
				t.Errorf("held is %+v", p.Held)
			}
			if !p.Rollouts["sales"].Waiting {
				t.Error("nobody would look again when STOP is off")
			}
			p = one(held(assignment.Requested, func(a *assignment.Assignment) { a.Due = now }), member.In, stop)
			if len(p.Actions) != 0 || len(p.Held) != 1 {
				t.Errorf("an order is not sent again under STOP: got %+v, held %+v", p.Actions, p.Held)
			}
			p = one(held(assignment.Provisioning, func(a *assignment.Assignment) { a.Due = now }), member.In, stop)
			if got := told(p); got != "check Provisioning " {
				t.Errorf("looking at a desktop goes on under STOP: got %q", got)
			}
		})
	}
}

// crowd is n joiners of "sales".
func crowd(n int, rollout profile.Rollout, inFlight int) Input {
	p := rule("sales", 0)
	p.Rollout, p.InFlight = rollout, inFlight
	in := Input{Now: now, Profiles: map[string]Profile{"sales": p}}
	for i := range n {
		id := fmt.Sprintf("p%03d", i)
		in.People = append(in.People, Person{
			ID: id, Exists: member.In, Standings: map[string]member.Standing{"sales": member.In},
			Facts: member.Person{ID: id, UPN: id + "@example.com", SAMAccountName: id, Enabled: true},
		})
	}
	return in
}

func outcomes(in Input, status assignment.Status, code string, n int) Input {
	for i := range n {
		id := fmt.Sprintf("o%03d", i)
		key := assignment.Key{Person: id, Slot: "main"}
		in.People = append(in.People, Person{ID: id, Holdings: map[string]assignment.Assignment{"main": {
			Key: key, Status: status, Fresh: true, Due: now, Profile: "sales", Entitled: []string{"sales"}, Revision: 3,
			Reason: assignment.Reason{Code: code, Text: "because"}, NextTry: now.Add(6 * time.Hour),
		}}})
	}
	return in
}

func TestRollout(t *testing.T) {
	rest := now.Add(10 * time.Minute)
	cases := []struct {
		name      string
		in        Input
		creates   int
		wantLimit int
		waiting   bool
	}{
		{"begins with three", crowd(10, profile.Rollout{}, 0), 3, 3, true},
		{"few enough all go", crowd(2, profile.Rollout{}, 0), 2, 3, false},
		{"what is in flight takes a place", crowd(10, profile.Rollout{Limit: 8}, 6), 2, 8, true},
		{"grows by what comes up", outcomes(crowd(10, profile.Rollout{Limit: 3}, 0), assignment.Provisioned, "", 3), 6, 6, true},
		{"a failure that is the profile's: one, after a rest", outcomes(crowd(10, profile.Rollout{Limit: 8}, 0), assignment.Failed, string(fault.QuotaReached), 1), 0, 1, true},
		{"a broken desktop is the profile's", outcomes(crowd(10, profile.Rollout{Limit: 8}, 0), assignment.Failed, assignment.DesktopError, 1), 0, 1, true},
		{"a person's own failure changes nothing", outcomes(crowd(10, profile.Rollout{Limit: 8}, 0), assignment.Failed, string(fault.Rejected), 4), 8, 8, true},
		{"waiting for AD changes nothing", outcomes(crowd(10, profile.Rollout{Limit: 8}, 0), assignment.WaitingForDirectory, string(fault.NotInDirectory), 4), 8, 8, true},
		{"resting lets nobody through", crowd(10, profile.Rollout{Limit: 1, Failures: 1, Rest: rest}, 0), 0, 1, true},
		{"after the rest, one probe", crowd(10, profile.Rollout{Limit: 1, Failures: 1, Rest: now}, 0), 1, 1, true},
		{"more in the ledger than in sight", func() Input {
			in := crowd(1, profile.Rollout{Limit: 3}, 0)
			p := in.Profiles["sales"]
			p.Rollout.Waiting = true
			in.Profiles["sales"] = p
			return in
		}(), 1, 3, true},
		{"nobody left in the ledger", func() Input {
			in := crowd(1, profile.Rollout{Limit: 3}, 0)
			p := in.Profiles["sales"]
			p.Rollout.Waiting, p.NobodyWaits = true, true
			in.Profiles["sales"] = p
			return in
		}(), 1, 3, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := Make(c.in)
			creates := 0
			for _, a := range p.Actions {
				if a.Verb == Create {
					creates++
				}
			}
			rollout, changed := p.Rollouts["sales"]
			if !changed {
				rollout = c.in.Profiles["sales"].Rollout
			}
			if creates != c.creates || rollout.Limit != c.wantLimit || rollout.Waiting != c.waiting {
				t.Errorf("got %d creates, rollout %+v; want %d, limit %d, waiting %v", creates, rollout, c.creates, c.wantLimit, c.waiting)
			}
		})
	}
}

func TestRestDoublesAndEnds(t *testing.T) {
	failing := outcomes(crowd(0, profile.Rollout{Limit: 1, Failures: 2}, 0), assignment.Failed, string(fault.NoCapacity), 1)
	r := Make(failing).Rollouts["sales"]
	if want := now.Add(time.Hour); r.Rest != want || r.Failures != 3 {
		t.Errorf("third failure in a row: rest %v failures %d, want %v and 3", r.Rest, r.Failures, want)
	}
	well := outcomes(crowd(0, profile.Rollout{Limit: 1, Failures: 2, Rest: now}, 0), assignment.Provisioned, "", 1)
	r = Make(well).Rollouts["sales"]
	if !r.Rest.IsZero() || r.Failures != 0 || r.Limit != 2 {
		t.Errorf("one came up: %+v", r)
	}
}

func TestWhoWaitsForADTakesNoPlace(t *testing.T) {
	in := crowd(60, profile.Rollout{Limit: 3}, 0)
	for i := range 50 { // they joined before the other ten
		key := assignment.Key{Person: in.People[i].ID, Slot: "main"}
		in.People[i].Holdings = map[string]assignment.Assignment{"main": {
			Key: key, Status: assignment.WaitingForDirectory, Revision: 2, Attempt: 2, Profile: "sales",
			Entitled: []string{"sales"}, UPN: key.Person + "@example.com", ProfileVersion: in.Profiles["sales"].Rule.Version(),
			Joined: now.Add(-time.Hour), Due: now, NextTry: now, Failures: 1,
		}}
	}
	retried, fresh := 0, 0
	for _, a := range Make(in).Actions {
		switch {
		case a.Verb != Create:
		case a.Before.Status == assignment.WaitingForDirectory:
			retried++
		default:
			fresh++
		}
	}
	if fresh != 3 || retried != mostRetries {
		t.Errorf("%d new people and %d who wait for AD were asked for, want 3 and %d", fresh, retried, mostRetries)
	}
}

func TestAYesIsKeptUnderStop(t *testing.T) {
	item := held(assignment.Requested, func(a *assignment.Assignment) { a.Due, a.Absent = now, now.Add(-time.Hour) })
	p := one(item, member.In, func(in *Input) { in.Stop.On = true })
	if len(p.Actions) != 1 || !p.Actions[0].After.Absent.IsZero() || p.Actions[0].Verb.Sends() {
		t.Errorf("the first no is not forgotten, or something is sent: %+v", p.Actions)
	}
}

func TestWhomOnlyFrozenProfilesConcernIsNotLookedAtEachTime(t *testing.T) {
	item := held(assignment.Failed, func(a *assignment.Assignment) { a.Due, a.NextTry = now, now })
	p := one(item, member.In, func(in *Input) {
		prof := in.Profiles["sales"]
		prof.Frozen = assignment.Reason{Code: "Paused"}
		in.Profiles["sales"] = prof
	})
	if len(p.Actions) != 1 || !p.Actions[0].After.Due.Equal(now.Add(FrozenAgain)) || p.Actions[0].Verb != Record {
		t.Errorf("got %+v", p.Actions)
	}
}

func TestLongestWaitingGoesFirst(t *testing.T) {
	in := crowd(5, profile.Rollout{Limit: 1}, 0)
	in.People[4].Holdings = map[string]assignment.Assignment{"main": {
		Key:    assignment.Key{Person: "p004", Slot: "main"},
		Status: assignment.Held, Revision: 1, Joined: now.Add(-time.Hour), Entitled: []string{"sales"}, Profile: "sales",
	}}
	for _, a := range Make(in).Actions {
		if a.Verb == Create && a.After.Person != "p004" {
			t.Errorf("%s goes before p004, who has waited an hour", a.After.Person)
		}
	}
}

// anInput draws a company: profiles in two slots, people in every status, answers and gaps.
func anInput(t *rapid.T) Input {
	in := Input{Now: now, Profiles: map[string]Profile{}}
	in.Stop.On = rapid.IntRange(0, 9).Draw(t, "stop") == 0
	for _, id := range []string{"a", "b", "c"} {
		p := rule(id, rapid.IntRange(0, 2).Draw(t, "priority"))
		if id == "c" {
			p.Rule.Slot = "second"
		}
		p.Rollout.Limit = rapid.IntRange(0, 5).Draw(t, "limit")
		if rapid.IntRange(0, 5).Draw(t, "frozen") == 0 {
			p.Frozen = assignment.Reason{Code: "Paused"}
		}
		in.Profiles[id] = p
	}
	statuses := append([]assignment.Status{""}, assignment.Statuses...)
	answers := []member.Standing{member.Unknown, member.In, member.Out}
	for i := range rapid.IntRange(1, 12).Draw(t, "people") {
		id := fmt.Sprintf("p%02d", i)
		who := Person{
			ID: id, Exists: rapid.SampledFrom(answers).Draw(t, "exists"), Holdings: map[string]assignment.Assignment{},
			Standings: map[string]member.Standing{},
		}
		who.Facts = member.Person{ID: id, UPN: id + "@x", SAMAccountName: id, Enabled: rapid.IntRange(0, 4).Draw(t, "enabled") > 0}
		for _, p := range []string{"a", "b", "c"} {
			who.Standings[p] = rapid.SampledFrom(answers).Draw(t, "standing")
		}
		for _, slot := range []string{"main", "second"} {
			if s := rapid.SampledFrom(statuses).Draw(t, "status"); s != "" {
				who.Holdings[slot] = anItem(t, id, slot, s)
			}
		}
		in.People = append(in.People, who)
	}
	return in
}

func anItem(t *rapid.T, id, slot string, s assignment.Status) assignment.Assignment {
	when := rapid.SampledFrom([]time.Time{{}, now.Add(-20 * time.Minute), now.Add(time.Hour)})
	a := assignment.Assignment{
		Key: assignment.Key{Person: id, Slot: slot}, Status: s, Revision: 1, Attempt: 1, UserName: id, UPN: id + "@x",
		Due: when.Draw(t, "due"), NextTry: when.Draw(t, "next"), Absent: when.Draw(t, "absent"), Since: now.Add(-time.Hour), Joined: now.Add(-time.Hour),
	}
	a.Fresh = rapid.Bool().Draw(t, "fresh")
	if rapid.Bool().Draw(t, "of the version in force") {
		a.ProfileVersion = rule(map[string]string{"main": "a", "second": "c"}[slot], 0).Rule.Version()
	}
	if s == assignment.Requested && rapid.Bool().Draw(t, "claimed") {
		a.Claimed, a.Intent = now.Add(-time.Hour), assignment.Create
	}
	if rapid.Bool().Draw(t, "entitled") {
		a.Entitled = []string{map[string]string{"main": "a", "second": "c"}[slot]}
		a.Profile = a.Entitled[0]
	}
	if s.HasDesktop() || s == assignment.Failed && rapid.Bool().Draw(t, "came up broken") {
		a.WorkSpace = "ws-" + id + slot
	}
	return a
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anInput(t)
		first := Make(in)
		shuffled := in
		shuffled.People = rapid.Permutation(in.People).Draw(t, "order")
		if diff := cmp.Diff(first, Make(shuffled)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestPlanningWhatThePlanLeadsToIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anInput(t)
		again := applied(in, Make(in))
		if p := Make(again); len(p.Actions) > 0 || len(p.Rollouts) > 0 {
			t.Fatalf("still to do: %+v, rollouts %+v", p.Actions, p.Rollouts)
		}
	})
}

// applied is the input as it is once the plan has been written, at the same instant.
func applied(in Input, p Plan) Input {
	next := Input{Now: in.Now, Stop: in.Stop, Profiles: map[string]Profile{}, People: slices.Clone(in.People)}
	for id, prof := range in.Profiles {
		if r, changed := p.Rollouts[id]; changed {
			prof.Rollout = r
		}
		for _, a := range p.Actions {
			if a.Profile == id && a.Verb == Create {
				prof.InFlight++
			}
		}
		next.Profiles[id] = prof
	}
	for i, who := range next.People {
		holdings := map[string]assignment.Assignment{}
		for slot, item := range who.Holdings {
			holdings[slot] = item
		}
		for _, a := range p.Actions {
			if a.After.Person == who.ID {
				a.After.Revision++
				holdings[a.After.Slot] = a.After
			}
		}
		next.People[i].Holdings = holdings
	}
	return next
}

func TestNobodyLosesADesktopAndNobodyHoldsTwo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anInput(t)
		for _, a := range Make(in).Actions {
			if a.Before.WorkSpace != "" && a.After.WorkSpace != a.Before.WorkSpace {
				t.Fatalf("%s loses desktop %s: %+v", a.After.Key, a.Before.WorkSpace, a)
			}
			if a.Before.WorkSpace != "" && !a.After.HoldsDesktop() {
				t.Fatalf("%s is let go with desktop %s: %+v", a.After.Key, a.Before.WorkSpace, a)
			}
			if a.Verb == Create && a.Before.HoldsDesktop() {
				t.Fatalf("%s would get a second desktop: %+v", a.After.Key, a)
			}
			if a.Verb == Create && (in.Stop.On || in.Profiles[a.Profile].Frozen.Code != "") {
				t.Fatalf("a create under STOP or by a frozen profile: %+v", a)
			}
		}
	})
}

func BenchmarkMake(b *testing.B) {
	in := Input{Now: now, Profiles: map[string]Profile{}}
	for i := range 200 {
		id := fmt.Sprintf("p%03d", i)
		in.Profiles[id] = rule(id, i%3)
	}
	for i := range 100_000 {
		id := fmt.Sprintf("u%06d", i)
		in.People = append(in.People, Person{
			ID: id, Exists: member.In, Standings: map[string]member.Standing{fmt.Sprintf("p%03d", i%200): member.In},
			Facts: member.Person{ID: id, UPN: id + "@x", SAMAccountName: id, Enabled: true},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		Make(in)
	}
}

package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/service"
	"rollcall/shared/fault"
	"rollcall/shared/lease"
	"rollcall/shared/ledger"
	"rollcall/shared/member"
	"rollcall/shared/profile"
)

func standing(id string) profile.Standing {
	return profile.Standing{
		ID: id, Approved: "v-1", Document: `{"bundle":"wsb-1"}`, ApprovedBy: "ada", ApprovedAt: nine(),
		Group: "g-1", GroupName: "Sales", Members: 12, Rolled: nine(), Tree: []string{"g-1", "g-2"}, RollDue: "new",
		NextRoll: nine(), Rollout: profile.Rollout{Limit: 3, Waiting: true, Failures: 1, Rest: nine(), Why: "start", Changed: nine()},
		Stop: profile.Stop{On: true, Since: nine(), By: "ben", Why: "test"},
	}
}

func TestStandings(t *testing.T) {
	s := start(t)
	sales, err := s.SaveStanding(t.Context(), standing("sales"))
	if err != nil {
		t.Fatal(err)
	}
	lab, err := s.SaveStanding(t.Context(), profile.Standing{ID: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Standings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]profile.Standing{"sales": sales, "lab": lab}, got); diff != "" || sales.Revision != 1 {
		t.Errorf("revision %d; -saved +read:\n%s", sales.Revision, diff)
	}
	one, err := s.Standing(t.Context(), "sales")
	if diff := cmp.Diff(sales, one); diff != "" || err != nil {
		t.Errorf("%v; -saved +read:\n%s", err, diff)
	}
	none, err := s.Standing(t.Context(), "hr")
	if diff := cmp.Diff(profile.Standing{ID: "hr"}, none); diff != "" || err != nil {
		t.Errorf("of a profile that is not known: %v %s", err, diff)
	}
	t.Run("only on top of what was read", func(t *testing.T) {
		if _, err := s.SaveStanding(t.Context(), sales); err != nil {
			t.Fatal(err)
		}
		sales.Members = 99
		same, err := s.SaveStanding(t.Context(), sales)
		expectKind(t, err, fault.Conflict)
		if diff := cmp.Diff(sales, same); diff != "" {
			t.Errorf("it comes back changed: %s", diff)
		}
		_, err = s.SaveStanding(t.Context(), profile.Standing{ID: "lab"})
		expectKind(t, err, fault.Conflict)
		if now, err := s.Standing(t.Context(), "sales"); err != nil || now.Members != 12 || now.Revision != 2 {
			t.Errorf("stored is %+v, %v", now, err)
		}
	})
	t.Run("without an id", func(t *testing.T) {
		_, err := s.SaveStanding(t.Context(), profile.Standing{})
		expectKind(t, err, fault.Rejected)
	})
}

// TestAnItemThatIsTooLarge: measured here as DynamoDB measures it, near enough that what passes is taken.
func TestAnItemThatIsTooLarge(t *testing.T) {
	tree := func(n int) profile.Standing {
		p := standing("big")
		for i := range n {
			p.Tree = append(p.Tree, fmt.Sprintf("0a5b7c1e-3f62-4d0b-9c55-%012d", i))
		}
		return p
	}
	s := start(t)
	if _, err := s.SaveStanding(t.Context(), tree(9000)); err != nil {
		t.Errorf("9,000 nested groups: %v", err)
	}
	before := s.calls("PutItem")
	_, err := s.SaveStanding(t.Context(), tree(12000))
	expectKind(t, err, fault.Misconfigured)
	if !strings.Contains(fmt.Sprint(err), "most of it is tree") || s.calls("PutItem") != before {
		t.Errorf("%v does not name the tree, or was sent", err)
	}
}

func TestCursors(t *testing.T) {
	s := start(t)
	users := member.Cursor{Name: "users", Link: "https://graph.example/delta?token=" + strings.Repeat("x", 4000), More: true, Started: nine(), Moved: nine()}
	groups := member.Cursor{Name: "groups-1", Groups: []string{"g-1", "g-2"}}
	for _, c := range []*member.Cursor{&users, &groups} {
		saved, err := s.SaveCursor(t.Context(), *c)
		if err != nil {
			t.Fatal(err)
		}
		*c = saved
	}
	expect := func(want ...member.Cursor) {
		t.Helper()
		got, err := s.Cursors(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.Transformer("all", func(c []member.Cursor) map[string]member.Cursor {
			all := map[string]member.Cursor{}
			for _, each := range c {
				all[each.Name] = each
			}
			return all
		})); diff != "" {
			t.Errorf("-expected +read:\n%s", diff)
		}
	}
	expect(groups, users)

	moved := groups
	moved.Link = "next"
	moved, err := s.SaveCursor(t.Context(), moved)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.SaveCursor(t.Context(), groups)
	expectKind(t, err, fault.Conflict)
	expect(moved, users)

	for range 2 {
		if err := s.DeleteCursor(t.Context(), "users"); err != nil {
			t.Fatal(err)
		}
	}
	expect(moved)
	s.inject(t, gateway.Fault{Operation: "Query", Why: service.Unavailable})
	got, err := s.Cursors(t.Context())
	expectKind(t, err, fault.Unavailable)
	if got != nil {
		t.Errorf("and yet there is a result: %v", got)
	}
}

func TestCatalogue(t *testing.T) {
	s := start(t)
	here := desktop.Lane{Account: account, Region: region}
	there := desktop.Lane{Account: "444455556666", Region: "us-east-1"}
	first := desktop.Catalogue{
		Lane: here, Directory: "d-1", Read: nine(), State: "REGISTERED", Quota: -1,
		Subnets: []desktop.Subnet{{ID: "subnet-1", Zone: "a", Free: 12}}, Bundles: map[string]string{"wsb-1": "Standard", "wsb-2": ""},
	}
	other := desktop.Catalogue{Lane: there, Directory: "d-1", Read: nine(), Problem: "denied"}
	for _, c := range []desktop.Catalogue{{Lane: here, Directory: "d-1", Problem: "old"}, other, first} {
		if err := s.SaveCatalogue(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Catalogues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]desktop.Catalogue{first, other}, got); diff != "" {
		t.Errorf("-expected +read:\n%s", diff)
	}
}

func TestStop(t *testing.T) {
	s := start(t)
	expect := func(want profile.Stop) {
		t.Helper()
		if got, err := s.Stop(t.Context()); err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	expect(profile.Stop{})
	on := profile.Stop{On: true, Since: nine(), By: "ada", Why: "maintenance"}
	for _, stop := range []profile.Stop{on, {By: "ada"}, on} {
		if err := s.SaveStop(t.Context(), stop); err != nil {
			t.Fatal(err)
		}
		expect(stop)
	}
	s.inject(t, gateway.Fault{Operation: "GetItem", Why: service.Unavailable})
	_, err := s.Stop(t.Context())
	expectKind(t, err, fault.Unavailable) // and not "off"
}

func TestRuns(t *testing.T) {
	s := start(t)
	summary := func(i int) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{ "n": %d, "big": 12345678901234567890.5 }`, i))
	}
	for i := range 5 {
		if err := s.SaveRun(t.Context(), nine().Add(time.Duration(i)*time.Minute), fmt.Sprint("run-", 9-i), summary(i)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Runs(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []ledger.Run{
		{At: nine().Add(4 * time.Minute), ID: "run-5", Summary: summary(4)},
		{At: nine().Add(3 * time.Minute), ID: "run-6", Summary: summary(3)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-expected +read:\n%s", diff)
	}
	for n, want := range map[int]int{-1: 0, 0: 0, 5: 5, 100: 5} {
		if got, err := s.Runs(t.Context(), n); err != nil || len(got) != want {
			t.Errorf("the last %d are %d, %v", n, len(got), err)
		}
	}
	s.clock.Advance(ledger.RunsKept + 2*time.Minute)
	if got, err := s.Runs(t.Context(), 100); err != nil || len(got) != 2 {
		t.Errorf("after they expired there are %d, %v", len(got), err)
	}
	for name, err := range map[string]error{
		"without an id": s.SaveRun(t.Context(), nine(), "", summary(1)),
		"no JSON":       s.SaveRun(t.Context(), nine(), "x", json.RawMessage("hello")),
		"no summary":    s.SaveRun(t.Context(), nine(), "x", nil),
	} {
		if fault.Of(err) != fault.Rejected {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInbox(t *testing.T) {
	crowd := func(n int) []string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("p%03d", i))
		}
		return all
	}
	expect := func(t *testing.T, s *stage, want ...string) {
		t.Helper()
		got, err := s.Named(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		set := map[string]bool{}
		for _, p := range got {
			set[p] = true
		}
		for _, p := range want {
			if !set[p] {
				t.Errorf("%s is not in", p)
			}
		}
		if len(set) != len(want) || len(got) != len(want) {
			t.Errorf("%d are in: expected %d", len(got), len(want))
		}
	}
	t.Run("named, named again, forgotten", func(t *testing.T) {
		s := start(t)
		expect(t, s)
		for _, people := range [][]string{crowd(60), append(crowd(61), "p000"), nil} {
			if err := s.Name(t.Context(), people); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, s, crowd(61)...)
		if some, err := s.Named(t.Context(), 10); err != nil || len(some) != 10 {
			t.Errorf("10 of them are %v, %v", some, err)
		}
		for range 2 {
			if err := s.Forget(t.Context(), crowd(59)); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, s, "p059", "p060")
	})
	t.Run("a batch left unfinished is taken up again", func(t *testing.T) {
		s := start(t, sparingly(4, 6))
		if err := s.Name(t.Context(), crowd(25)); err != nil {
			t.Fatal(err)
		}
		expect(t, s, crowd(25)...)
		if !s.clock.Now().After(nine()) {
			t.Error("it did not pause")
		}
	})
	t.Run("a batch never finished is an error", func(t *testing.T) {
		s := start(t, sparingly(1, 1000))
		expectKind(t, s.Name(t.Context(), crowd(25)), fault.Throttled)
	})
	t.Run("nobody has no name", func(t *testing.T) {
		expectKind(t, start(t).Name(t.Context(), []string{"ada", ""}), fault.Rejected)
	})
	t.Run("an inbox that cannot be read is an error", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Operation: "Query", Why: service.Deny})
		_, err := s.Named(t.Context(), 0)
		expectKind(t, err, fault.Denied)
	})
}

const quarter = 15 * time.Minute

func (s *stage) acquired(t *testing.T, holder string, now time.Time) lease.Lease {
	t.Helper()
	l, err := s.Acquire(t.Context(), holder, now, quarter)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLease(t *testing.T) {
	t.Run("free, held, ended", func(t *testing.T) {
		s := start(t)
		first := s.acquired(t, "run by the schedule", nine())
		if diff := cmp.Diff(lease.Lease{Generation: 1, Holder: "run by the schedule", Since: nine(), Until: nine().Add(quarter)}, first); diff != "" {
			t.Error(diff)
		}
		_, err := s.Acquire(t.Context(), "approve by ada", nine().Add(quarter-time.Nanosecond), quarter)
		expectHeld(t, err, first)
		second := s.acquired(t, "approve by ada", nine().Add(quarter))
		if second.Generation != 2 || second.Holder != "approve by ada" {
			t.Errorf("got %+v", second)
		}
	})
	t.Run("two runs under one name exclude each other", func(t *testing.T) {
		s := start(t)
		first := s.acquired(t, "run by the schedule", nine())
		_, err := s.Acquire(t.Context(), "run by the schedule", nine().Add(time.Minute), quarter)
		expectHeld(t, err, first)
	})
	t.Run("released", func(t *testing.T) {
		s := start(t)
		first := s.acquired(t, "a", nine())
		for range 2 {
			if err := s.Release(t.Context(), first); err != nil {
				t.Fatal(err)
			}
		}
		if now, err := s.Ledger.Lease(t.Context()); err != nil || now.Holder != "" || now.Generation != 1 {
			t.Errorf("got %+v, %v", now, err)
		}
		if second := s.acquired(t, "b", nine()); second.Generation != 2 {
			t.Errorf("the generation fell: %+v", second)
		}
	})
	t.Run("renewed", func(t *testing.T) {
		s := start(t)
		first := s.acquired(t, "a", nine())
		first, err := s.Renew(t.Context(), first, nine().Add(10*time.Minute), quarter)
		if err != nil || !first.Until.Equal(nine().Add(25*time.Minute)) || first.Generation != 1 || !first.Since.Equal(nine()) {
			t.Errorf("got %+v, %v", first, err)
		}
		_, err = s.Acquire(t.Context(), "b", nine().Add(20*time.Minute), quarter)
		expectHeld(t, err, first)
		// It has ended, and nobody took it.
		if first, err = s.Renew(t.Context(), first, nine().Add(time.Hour), quarter); err != nil {
			t.Error(err)
		}
		if err := s.Release(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		_, err = s.Renew(t.Context(), first, nine().Add(time.Hour), quarter)
		expectKind(t, err, fault.Conflict)
	})
	t.Run("an old holder can neither renew nor release it", func(t *testing.T) {
		s := start(t)
		old := s.acquired(t, "a", nine())
		now := s.acquired(t, "a", nine().Add(time.Hour))
		_, err := s.Renew(t.Context(), old, nine().Add(time.Hour), quarter)
		expectKind(t, err, fault.Conflict)
		expectKind(t, s.Release(t.Context(), old), fault.Conflict)
		if there, err := s.Ledger.Lease(t.Context()); err != nil || there != now {
			t.Errorf("stored is %+v, %v", there, err)
		}
	})
	t.Run("the answer was lost", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Operation: "UpdateItem", Why: service.DropAnswer, Times: 1})
		got := s.acquired(t, "a", nine())
		if there, err := s.Ledger.Lease(t.Context()); err != nil || there != got || got.Generation != 1 {
			t.Errorf("got %+v, stored is %+v, %v", got, there, err)
		}
	})
	t.Run("released just before it is looked at", func(t *testing.T) {
		s := start(t)
		first := s.acquired(t, "a", nine())
		s.during(t, "UpdateItem", func() {
			if err := s.Release(context.Background(), first); err != nil {
				t.Error(err)
			}
		})
		if got := s.acquired(t, "b", nine()); got.Generation != 2 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("of many at once one gets it", func(t *testing.T) {
		s := start(t)
		var all sync.WaitGroup
		var mu sync.Mutex
		got := 0
		for i := range 8 {
			all.Go(func() {
				_, err := s.Acquire(t.Context(), fmt.Sprint("run ", i), nine(), quarter)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got++
				} else if fault.Of(err) != fault.Conflict {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got != 1 {
			t.Errorf("%d have it", got)
		}
	})
	t.Run("who holds it cannot be read", func(t *testing.T) {
		s := start(t)
		s.acquired(t, "a", nine())
		s.inject(t, gateway.Fault{Operation: "GetItem", Why: service.Deny})
		_, err := s.Acquire(t.Context(), "b", nine(), quarter)
		expectKind(t, err, fault.Denied)
	})
	t.Run("for nobody, or for no time", func(t *testing.T) {
		s := start(t)
		_, err := s.Acquire(t.Context(), "", nine(), quarter)
		expectKind(t, err, fault.Rejected)
		_, err = s.Acquire(t.Context(), "a", nine(), 0)
		expectKind(t, err, fault.Rejected)
	})
}

func expectHeld(t *testing.T, err error, by lease.Lease) {
	t.Helper()
	var held *lease.HeldError
	if !errors.As(err, &held) {
		t.Fatalf("got %v: expected a HeldError", err)
	}
	if held.Lease != by {
		t.Errorf("held by %+v: expected %+v", held.Lease, by)
	}
	expectKind(t, err, fault.Conflict)
}

// TestADyingPlanner: it dies with the lease in hand, the next one goes on, and then it turns out not to have died.
func TestADyingPlanner(t *testing.T) {
	s := start(t)
	old := s.acquired(t, "slow", nine())
	write := func(a assignment.Assignment, l lease.Lease, status assignment.Status) (assignment.Assignment, error) {
		a.Status, a.Generation = status, l.Generation
		return s.Save(t.Context(), a)
	}
	ada, err := write(assignment.Assignment{Key: person("ada")}, old, assignment.Requested)
	if err != nil {
		t.Fatal(err)
	}
	ben, err := write(assignment.Assignment{Key: person("ben")}, old, assignment.Requested)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Acquire(t.Context(), "next", nine().Add(time.Minute), quarter)
	expectHeld(t, err, old)
	next := s.acquired(t, "next", nine().Add(quarter))

	// The next planner has read both, and written Ada.
	nextBen := s.loaded(t, person("ben"))
	newAda, err := write(s.loaded(t, person("ada")), next, assignment.Provisioning)
	if err != nil {
		t.Fatal(err)
	}
	// The old one writes Ada: from what it has in hand, and from what it reads now.
	_, err = write(ada, old, assignment.Failed)
	expectKind(t, err, fault.Conflict)
	_, err = write(newAda, old, assignment.Failed)
	expectKind(t, err, fault.Conflict)
	if got := s.loaded(t, person("ada")); got.Status != assignment.Provisioning {
		t.Errorf("Ada is %s", got.Status)
	}
	// Nobody has written Ben since: the old one's write is taken, and the next one's, made from an older read, is not.
	if _, err = write(ben, old, assignment.Failed); err != nil {
		t.Fatal(err)
	}
	_, err = write(nextBen, next, assignment.Provisioning)
	expectKind(t, err, fault.Conflict)
	nextBen, err = write(s.loaded(t, person("ben")), next, assignment.Requested)
	if err != nil {
		t.Fatal(err)
	}
	// A worker writes under the generation that it read.
	nextBen.Status = assignment.Provisioned
	if nextBen, err = s.Save(t.Context(), nextBen); err != nil || nextBen.Generation != next.Generation {
		t.Errorf("the worker's write: generation %d, %v", nextBen.Generation, err)
	}
	expectKind(t, s.Release(t.Context(), old), fault.Conflict)
}

package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/service"
	"rollcall/shared/fault"
	"rollcall/shared/ledger"
)

// whole is an assignment with every field set.
func whole() assignment.Assignment {
	return assignment.Assignment{
		Key: person("ada"), Status: assignment.Provisioning, Reason: assignment.Reason{Code: "Made", Text: "It is being made."},
		UPN: "ada@example.com", DisplayName: "Ada Æsir 👩", UserName: "ada",
		Profile: "sales", ProfileVersion: "v-1", Entitled: []string{"sales", "everyone"},
		Lane: desktop.Lane{Account: account, Region: region}, Directory: "d-1", Choice: "d-1 has 12 free", WorkSpace: "ws-1",
		Intent: assignment.Check, Attempt: 2, Send: 3, Claimed: nine(), Called: nine(),
		Since: nine(), Due: nine().Add(time.Nanosecond), Joined: nine(), Ready: nine(), Absent: nine(), Left: nine(),
		NextTry: nine(), Failures: 4, Failing: nine(), Fresh: true, Generation: 7,
	}
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	s := start(t)
	bare := assignment.Assignment{Key: person("ben"), Status: assignment.NotEntitled}
	for _, a := range []assignment.Assignment{whole(), bare} {
		saved := s.saved(t, a)
		a.Revision = 1
		if diff := cmp.Diff(a, saved); diff != "" {
			t.Errorf("-asked +returned:\n%s", diff)
		}
		if diff := cmp.Diff(a, s.loaded(t, a.Key)); diff != "" {
			t.Errorf("-saved +loaded:\n%s", diff)
		}
	}
}

func TestLoad(t *testing.T) {
	var many []assignment.Key
	for i := range 250 {
		many = append(many, person(fmt.Sprintf("p%03d", i)))
	}
	t.Run("250 of which every other exists, one named twice", func(t *testing.T) {
		s := start(t)
		for i, k := range many {
			if i%2 == 0 {
				s.saved(t, assignment.Assignment{Key: k, Status: assignment.Provisioned})
			}
		}
		got, err := s.Load(t.Context(), append(many, many[0]))
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range many {
			if _, there := got[k]; there != (i%2 == 0) {
				t.Errorf("%s: there is %t", k, there)
			}
		}
		if n := s.calls("BatchGetItem"); n != 3 {
			t.Errorf("%d requests: expected 3", n)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		s := start(t)
		got, err := s.Load(t.Context(), nil)
		if err != nil || len(got) != 0 || s.calls("BatchGetItem") != 0 {
			t.Errorf("got %v, %v after %d requests", got, err, s.calls("BatchGetItem"))
		}
	})
	t.Run("a batch left unfinished is taken up again", func(t *testing.T) {
		s := start(t, sparingly(3, 8))
		for _, k := range many[:20] {
			s.saved(t, assignment.Assignment{Key: k, Status: assignment.Provisioned})
		}
		got, err := s.Load(t.Context(), many[:20])
		if err != nil || len(got) != 20 {
			t.Errorf("got %d, %v", len(got), err)
		}
		if waited := s.clock.Now().Sub(nine()); waited != (50+100+200+400+800+1600)*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
	})
	t.Run("a batch never finished is an error, not a part", func(t *testing.T) {
		s := start(t, sparingly(1, 1000))
		got, err := s.Load(t.Context(), many[:20])
		expectKind(t, err, fault.Throttled)
		if got != nil {
			t.Errorf("and yet there is a result: %v", got)
		}
	})
	t.Run("one batch of three fails", func(t *testing.T) {
		s := start(t)
		s.saved(t, assignment.Assignment{Key: many[0], Status: assignment.Provisioned})
		s.inject(t, gateway.Fault{Operation: "BatchGetItem", Why: service.Deny, Skip: 2})
		got, err := s.Load(t.Context(), many)
		expectKind(t, err, fault.Denied)
		if got != nil {
			t.Errorf("and yet there is a result: %v", got)
		}
	})
	t.Run("the context ends meanwhile", func(t *testing.T) {
		s := start(t, sparingly(1, 1000))
		ctx, cancel := context.WithCancel(t.Context())
		s.during(t, "BatchGetItem", cancel)
		_, err := s.Load(ctx, many[:20])
		expectKind(t, err, fault.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not context.Canceled", err)
		}
	})
	t.Run("a key without a slot", func(t *testing.T) {
		_, err := start(t).Load(t.Context(), []assignment.Key{{Person: "ada"}})
		expectKind(t, err, fault.Rejected)
	})
}

// TestAnItemThatWasSpoiltByHand is an error that names it, in every way of reading it.
func TestAnItemThatWasSpoiltByHand(t *testing.T) {
	s := start(t)
	ada := s.saved(t, whole())
	s.spoil(t, ada.Key, "dueAt", &types.AttributeValueMemberS{Value: "2026-1"})
	_, errLoad := s.Load(t.Context(), []assignment.Key{ada.Key})
	_, errPerson := s.OfPerson(t.Context(), "ada")
	_, errDue := s.Due(t.Context(), nine(), 0)
	s.spoil(t, ada.Key, "attempt", &types.AttributeValueMemberS{Value: "two"})
	_, errAttempt := s.Load(t.Context(), []assignment.Key{ada.Key})
	s.spoil(t, ada.Key, "revision", &types.AttributeValueMemberS{Value: "two"})
	_, errSave := s.Save(t.Context(), ada)
	for name, err := range map[string]error{"Load": errLoad, "OfPerson": errPerson, "Due": errDue, "attempt": errAttempt, "Save": errSave} {
		if fault.Of(err) != fault.Misconfigured || !strings.Contains(fmt.Sprint(err), "PERSON#ada SLOT#main") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// spoil edits an item as a person may in the console.
func (s *stage) spoil(t *testing.T, k assignment.Key, name string, v types.AttributeValue) {
	t.Helper()
	_, err := s.client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(s.table),
		Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "PERSON#" + k.Person},
			"sk": &types.AttributeValueMemberS{Value: "SLOT#" + k.Slot},
		},
		UpdateExpression:          aws.String("SET #n = :v"),
		ExpressionAttributeNames:  map[string]string{"#n": name},
		ExpressionAttributeValues: map[string]types.AttributeValue{":v": v},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSaveIsOnTopOfWhatWasRead is the table of conditions: what is stored, and who may write over it.
func TestSaveIsOnTopOfWhatWasRead(t *testing.T) {
	cases := map[string]struct {
		stored     int   // how many writes there were before, by generation 5
		revision   int64 // of the assignment that is saved
		generation int64
		want       fault.Kind
	}{
		"new, and nothing is there":                    {0, 0, 1, fault.None},
		"new, and something is there":                  {1, 0, 9, fault.Conflict},
		"read, and since deleted":                      {0, 3, 9, fault.Conflict},
		"read, and unchanged since":                    {3, 3, 5, fault.None},
		"read, and unchanged, by the next planner":     {3, 3, 6, fault.None},
		"read, and unchanged, by the planner before":   {3, 3, 4, fault.Conflict},
		"read, and written since":                      {4, 3, 5, fault.Conflict},
		"read, and written since, by the next planner": {4, 3, 6, fault.Conflict},
		"a revision that was never there":              {3, 8, 6, fault.Conflict},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			var stored assignment.Assignment
			for range c.stored {
				stored.Key, stored.Status, stored.Generation = person("ada"), assignment.Requested, 5
				stored = s.saved(t, stored)
			}
			a := assignment.Assignment{Key: person("ada"), Status: assignment.Failed, Revision: c.revision, Generation: c.generation}
			got, err := s.Save(t.Context(), a)
			expectKind(t, err, c.want)
			if err == nil && got.Revision != c.revision+1 {
				t.Errorf("revision is %d: expected %d", got.Revision, c.revision+1)
			}
			if c.stored == 0 && err != nil {
				return
			}
			want := stored
			if err == nil {
				want = got
			}
			if diff := cmp.Diff(want, s.loaded(t, person("ada"))); diff != "" {
				t.Errorf("-expected +stored:\n%s", diff)
			}
		})
	}
}

func TestAnAssignmentThatCannotBeSaved(t *testing.T) {
	s := start(t)
	a := whole()
	event := assignment.Event{Key: a.Key, ID: "1", At: nine()}
	cases := map[string]func(*assignment.Assignment, *assignment.Event){
		"without a person":        func(a *assignment.Assignment, _ *assignment.Event) { a.Person = "" },
		"without a slot":          func(a *assignment.Assignment, _ *assignment.Event) { a.Slot = "" },
		"without a status":        func(a *assignment.Assignment, _ *assignment.Event) { a.Status = "" },
		"an event of another":     func(_ *assignment.Assignment, e *assignment.Event) { e.Person = "eve" },
		"an event without an id":  func(_ *assignment.Assignment, e *assignment.Event) { e.ID = "" },
		"an event without a time": func(_ *assignment.Assignment, e *assignment.Event) { e.At = time.Time{} },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			a, event := a, event
			spoil(&a, &event)
			_, err := s.Save(t.Context(), a, event)
			expectKind(t, err, fault.Rejected)
		})
	}
	if n := s.calls("PutItem"); n != 0 {
		t.Errorf("%d items were written", n)
	}
}

// TestALostAnswer: the write went through, the answer did not, and the SDK writes again.
func TestALostAnswer(t *testing.T) {
	lose := gateway.Fault{Operation: "PutItem", Why: service.DropAnswer, Times: 1}
	t.Run("of the first write", func(t *testing.T) {
		s := start(t)
		s.inject(t, lose)
		got, err := s.Save(t.Context(), whole())
		if err != nil {
			t.Fatal(err)
		}
		if n := s.calls("PutItem"); n != 2 {
			t.Errorf("%d writes: the SDK did not repeat it", n)
		}
		if diff := cmp.Diff(got, s.loaded(t, person("ada"))); diff != "" || got.Revision != 1 {
			t.Errorf("revision %d; -returned +stored:\n%s", got.Revision, diff)
		}
	})
	t.Run("of a later write", func(t *testing.T) {
		s := start(t)
		a := s.saved(t, whole())
		s.inject(t, lose)
		a.Status = assignment.Provisioned
		got, err := s.Save(t.Context(), a)
		if err != nil || got.Revision != 2 {
			t.Fatalf("revision %d, %v", got.Revision, err)
		}
		if _, err := s.Save(t.Context(), got); err != nil {
			t.Errorf("what was returned cannot be saved again: %v", err)
		}
	})
	t.Run("and a poke before the repeat", func(t *testing.T) {
		s := start(t)
		a := s.saved(t, whole())
		s.inject(t, lose)
		s.during(t, "PutItem", func() { s.mustPoke(t, nine()) })
		a.Due = nine().Add(24 * time.Hour)
		got, err := s.Save(t.Context(), a)
		if err != nil || got.Revision != 2 {
			t.Fatalf("revision %d, %v", got.Revision, err)
		}
		got, err = s.Save(t.Context(), got)
		if err != nil || !got.Due.Equal(nine()) {
			t.Errorf("the poke was lost: due %s, %v", got.Due, err)
		}
	})
	t.Run("and somebody else's write before the repeat", func(t *testing.T) {
		s := start(t)
		s.inject(t, lose)
		s.during(t, "PutItem", func() {
			ours := s.loaded(t, person("ada"))
			ours.Status = assignment.Failed
			s.saved(t, ours)
		})
		_, err := s.Save(t.Context(), whole())
		expectKind(t, err, fault.Conflict)
		if got := s.loaded(t, person("ada")); got.Status != assignment.Failed || got.Revision != 2 {
			t.Errorf("the other's write is gone: %+v", got)
		}
	})
	t.Run("every time", func(t *testing.T) {
		s := start(t)
		lose := lose
		lose.Times = 0
		s.inject(t, lose)
		_, err := s.Save(t.Context(), whole())
		expectKind(t, err, fault.Unavailable)
		if got := s.loaded(t, person("ada")); got.Revision != 1 {
			t.Errorf("revision is %d", got.Revision)
		}
	})
	t.Run("and reading back fails", func(t *testing.T) {
		s := start(t)
		s.inject(t, lose)
		s.inject(t, gateway.Fault{Operation: "GetItem", Why: service.Unavailable})
		_, err := s.Save(t.Context(), whole())
		expectKind(t, err, fault.Unavailable) // not a Conflict: whether it is ours is not known
	})
	t.Run("of a standing", func(t *testing.T) {
		s := start(t)
		s.inject(t, lose)
		got, err := s.SaveStanding(t.Context(), standing("sales"))
		if err != nil || got.Revision != 1 {
			t.Errorf("revision %d, %v", got.Revision, err)
		}
	})
}

// TestWritersRace: many read and write one assignment at the same time; every write that succeeded counts once.
func TestWritersRace(t *testing.T) {
	s := start(t)
	s.saved(t, assignment.Assignment{Key: person("ada"), Status: assignment.Requested})
	var writers sync.WaitGroup
	var mu sync.Mutex
	succeeded, failed := 0, 0
	for range 4 {
		writers.Go(func() {
			for range 10 {
				all, err := s.Load(t.Context(), []assignment.Key{person("ada")})
				if err != nil {
					t.Error(err)
					return
				}
				a := all[person("ada")]
				a.Failures++
				_, err = s.Save(t.Context(), a)
				mu.Lock()
				switch fault.Of(err) {
				case fault.None:
					succeeded++
				case fault.Conflict:
					failed++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	got := s.loaded(t, person("ada"))
	if got.Failures != succeeded || got.Revision != int64(succeeded)+1 {
		t.Errorf("%d writes succeeded; failures is %d, revision %d", succeeded, got.Failures, got.Revision)
	}
	t.Logf("%d succeeded, %d met a conflict", succeeded, failed)
}

func (s *stage) mustPoke(t *testing.T, at time.Time) {
	t.Helper()
	if err := s.Poke(t.Context(), []assignment.Key{person("ada")}, at); err != nil {
		t.Error(err)
	}
}

// TestPoke: an assignment is due no later than at, and nothing else has changed.
func TestPoke(t *testing.T) {
	cases := map[string]struct{ due, want time.Time }{
		"due later":   {nine().Add(time.Hour), nine()},
		"due then":    {nine(), nine()},
		"due already": {nine().Add(-time.Hour), nine().Add(-time.Hour)},
		"never due":   {time.Time{}, nine()},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			a := whole()
			a.Due = c.due
			a = s.saved(t, a)
			s.mustPoke(t, nine())
			got := s.loaded(t, a.Key)
			if !got.Due.Equal(c.want) {
				t.Errorf("due %s: expected %s", got.Due, c.want)
			}
			if diff := cmp.Diff(a, got, cmpopts.IgnoreFields(a, "Due", "Revision")); diff != "" {
				t.Errorf("-before +after:\n%s", diff)
			}
			due, err := s.Due(t.Context(), nine(), 0)
			if err != nil || !slices.Equal(due, []assignment.Key{a.Key}) {
				t.Errorf("the index has %v, %v", due, err)
			}
		})
	}
	t.Run("who is not there is passed over", func(t *testing.T) {
		s := start(t)
		s.saved(t, assignment.Assignment{Key: person("ada"), Status: assignment.Provisioned})
		if err := s.Poke(t.Context(), []assignment.Key{person("eve"), person("ada")}, nine()); err != nil {
			t.Fatal(err)
		}
		all, err := s.Load(t.Context(), []assignment.Key{person("eve"), person("ada")})
		if err != nil || len(all) != 1 || !all[person("ada")].Due.Equal(nine()) {
			t.Errorf("got %v, %v", all, err)
		}
	})
	t.Run("an error is told", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Operation: "UpdateItem", Why: service.Deny})
		expectKind(t, s.Poke(t.Context(), []assignment.Key{person("ada")}, nine()), fault.Denied)
	})
}

// TestAPokeIsNotLost: it comes while somebody who has read the assignment is about to write a later due time, or none.
func TestAPokeIsNotLost(t *testing.T) {
	tomorrow := nine().Add(24 * time.Hour)
	cases := map[string]struct {
		before time.Time // due when it was read
		pokes  []time.Time
		after  time.Time // due as the writer wants it
		want   time.Time
	}{
		"it was not due":               {tomorrow, []time.Time{nine()}, tomorrow, nine()},
		"it was due already":           {nine().Add(-time.Hour), []time.Time{nine()}, tomorrow, nine().Add(-time.Hour)},
		"the writer wants no due time": {tomorrow, []time.Time{nine()}, time.Time{}, nine()},
		"there was no due time":        {time.Time{}, []time.Time{nine()}, time.Time{}, nine()},
		"the writer wants it sooner":   {tomorrow, []time.Time{nine()}, nine().Add(-time.Minute), nine().Add(-time.Minute)},
		"three pokes":                  {tomorrow, []time.Time{nine().Add(time.Hour), nine(), nine().Add(time.Minute)}, tomorrow, nine()},
		"no poke":                      {nine().Add(-time.Hour), nil, tomorrow, tomorrow},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			a := whole()
			a.Due = c.before
			s.saved(t, a)
			a = s.loaded(t, a.Key)
			for _, at := range c.pokes {
				s.mustPoke(t, at)
			}
			a.Status, a.Due = assignment.Provisioned, c.after
			got, err := s.Save(t.Context(), a)
			if err != nil {
				t.Fatalf("a poke is a conflict: %v", err)
			}
			if !got.Due.Equal(c.want) || got.Status != assignment.Provisioned {
				t.Errorf("%s, due %s: expected %s", got.Status, got.Due, c.want)
			}
			if diff := cmp.Diff(got, s.loaded(t, a.Key)); diff != "" {
				t.Errorf("-returned +stored:\n%s", diff)
			}
			// The planner has seen the poke by now, and may put the assignment off.
			got.Due = tomorrow
			if got = s.saved(t, got); !got.Due.Equal(tomorrow) {
				t.Errorf("a poke that was seen is kept: due %s", got.Due)
			}
		})
	}
}

// TestAPokeDoesNotHideAWrite: a poke counts the revision on, but what was read before another's write stays old.
func TestAPokeDoesNotHideAWrite(t *testing.T) {
	cases := map[string]func(t *testing.T, s *stage){
		"the write, then the poke": func(t *testing.T, s *stage) {
			s.saved(t, s.loaded(t, person("ada")))
			s.mustPoke(t, nine())
		},
		"the poke, then the write": func(t *testing.T, s *stage) {
			s.mustPoke(t, nine())
			s.saved(t, s.loaded(t, person("ada")))
		},
		"the next planner's write of what was poked": func(t *testing.T, s *stage) {
			s.mustPoke(t, nine())
			a := s.loaded(t, person("ada"))
			a.Generation++
			s.saved(t, a)
			s.mustPoke(t, nine())
		},
	}
	for name, meanwhile := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			old := s.saved(t, whole())
			meanwhile(t, s)
			there := s.loaded(t, person("ada"))
			old.Status = assignment.Failed
			_, err := s.Save(t.Context(), old)
			expectKind(t, err, fault.Conflict)
			if diff := cmp.Diff(there, s.loaded(t, person("ada"))); diff != "" {
				t.Errorf("it was written over all the same:\n%s", diff)
			}
		})
	}
}

// TestPokesAndWritersRace: after any mix of pokes and writes that all want a late due time, a poke that came last
// leaves the assignment due.
func TestPokesAndWritersRace(t *testing.T) {
	s := start(t)
	tomorrow := nine().Add(24 * time.Hour)
	a := assignment.Assignment{Key: person("ada"), Status: assignment.Provisioned, Due: tomorrow}
	s.saved(t, a)
	for range 10 {
		a := s.loaded(t, person("ada"))
		var both sync.WaitGroup
		both.Go(func() { s.mustPoke(t, nine()) })
		both.Go(func() {
			a.Due = tomorrow
			if _, err := s.Save(t.Context(), a); err != nil {
				t.Errorf("the write met %v", err)
			}
		})
		both.Wait()
		now := s.loaded(t, person("ada"))
		if !now.Due.Equal(nine()) {
			t.Fatalf("the poke was lost: due %s", now.Due)
		}
		now.Due = tomorrow
		s.saved(t, now)
	}
}

func TestDue(t *testing.T) {
	s := start(t)
	for i := range 40 {
		a := assignment.Assignment{Key: person(fmt.Sprintf("p%02d", i)), Status: assignment.Requested}
		switch {
		case i < 30:
			a.Due = nine().Add(-time.Duration(i) * time.Minute)
		case i < 35:
			a.Due = nine().Add(time.Nanosecond)
		}
		s.saved(t, a)
	}
	var want []assignment.Key
	for i := range 30 {
		want = append(want, person(fmt.Sprintf("p%02d", 29-i)))
	}
	for limit, n := range map[int]int{0: 30, 1: 1, 7: 7, 30: 30, 100: 30} {
		got, err := s.Due(t.Context(), nine(), limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[:n], got); diff != "" {
			t.Errorf("limit %d: -expected +found:\n%s", limit, diff)
		}
	}
	shards := map[string]bool{}
	for _, k := range want {
		shards[ledger.Shard(k.Person)] = true
	}
	if len(shards) != 2 {
		t.Errorf("30 people lie in %d of 2 shards", len(shards))
	}
	t.Run("once it has no due time it is not found", func(t *testing.T) {
		a := s.loaded(t, want[0])
		a.Due = time.Time{}
		s.saved(t, a)
		got, err := s.Due(t.Context(), nine(), 1)
		if err != nil || !slices.Equal(got, want[1:2]) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("one shard that cannot be read is an error", func(t *testing.T) {
		s.inject(t, gateway.Fault{Operation: "Query", Why: service.Deny, Skip: 1, Times: 1})
		got, err := s.Due(t.Context(), nine(), 0)
		expectKind(t, err, fault.Denied)
		if got != nil {
			t.Errorf("and yet there is a result: %v", got)
		}
	})
}

func TestOfProfile(t *testing.T) {
	s := start(t)
	add := func(name, profile string, status assignment.Status) assignment.Key {
		return s.saved(t, assignment.Assignment{Key: person(name), Status: status, Profile: profile}).Key
	}
	ada := add("ada", "sales", assignment.Provisioned)
	ben := add("ben", "sales", assignment.Provisioning)
	cleo := add("cleo", "sales", assignment.Provisioned)
	dan := add("dan", "lab", assignment.Provisioned)
	eve := add("eve", "", assignment.NotEntitled)
	cases := map[string]struct {
		profile string
		status  assignment.Status
		limit   int
		want    []assignment.Key
	}{
		"all of a profile":                {"sales", "", 0, []assignment.Key{ada, cleo, ben}},
		"Provisioned is not Provisioning": {"sales", assignment.Provisioned, 0, []assignment.Key{ada, cleo}},
		"one of them":                     {"sales", assignment.Provisioned, 1, []assignment.Key{ada}},
		"nobody in that status":           {"sales", assignment.Failed, 0, nil},
		"a profile that nobody is in":     {"hr", "", 0, nil},
		"another profile":                 {"lab", "", 0, []assignment.Key{dan}},
		"those in whom no profile counts": {"", "", 0, []assignment.Key{eve}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := s.OfProfile(t.Context(), c.profile, c.status, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-expected +found:\n%s", diff)
			}
		})
	}
	t.Run("who changes profile and status is found there", func(t *testing.T) {
		a := s.loaded(t, dan)
		a.Profile, a.Status = "sales", assignment.Failed
		s.saved(t, a)
		lab, err := s.OfProfile(t.Context(), "lab", "", 0)
		if err != nil || len(lab) != 0 {
			t.Errorf("lab still has %v, %v", lab, err)
		}
		sales, err := s.OfProfile(t.Context(), "sales", assignment.Failed, 0)
		if err != nil || !slices.Equal(sales, []assignment.Key{dan}) {
			t.Errorf("sales has %v, %v", sales, err)
		}
	})
}

// TestEveryPage: more than one page (1 MB) of index entries, and a failure on the second.
func TestEveryPage(t *testing.T) {
	s := start(t)
	const people = 800
	long := strings.Repeat("p", 900) // in the table's key and in the index's: 1.8 KB an entry
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := w; i < people; i += 4 {
				_, err := s.Save(t.Context(), assignment.Assignment{
					Key: person(fmt.Sprintf("%s%04d", long, i)), Status: assignment.Provisioned, Profile: "sales", Due: nine(),
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	before := s.calls("Query")
	got, err := s.OfProfile(t.Context(), "sales", "", 0)
	if err != nil || len(got) != people {
		t.Errorf("found %d, %v", len(got), err)
	}
	if s.calls("Query") < before+2 {
		t.Errorf("it was one page only: the test proves nothing")
	}
	for _, profiles := range [][]string{nil, {"sales"}, {"sales", "lab"}} {
		seen := 0
		for a, err := range s.Everyone(t.Context(), profiles...) {
			if err != nil {
				t.Fatal(err)
			}
			if a.Profile == "sales" {
				seen++
			}
		}
		if seen != people {
			t.Errorf("everyone of %v is %d", profiles, seen)
		}
	}
	s.inject(t, gateway.Fault{Operation: "Query", Why: service.Deny, Skip: 1})
	if got, err = s.OfProfile(t.Context(), "sales", "", 0); got != nil {
		t.Errorf("after the second page failed there is a result of %d", len(got))
	}
	expectKind(t, err, fault.Denied)
	var last error
	for _, err := range s.Everyone(t.Context(), "sales") {
		last = err
	}
	expectKind(t, last, fault.Denied)
}

func TestEveryoneCanBeLeftEarly(t *testing.T) {
	s := start(t)
	for _, name := range []string{"ada", "ben", "cleo"} {
		s.saved(t, assignment.Assignment{Key: person(name), Status: assignment.Provisioned, Profile: "sales"})
	}
	seen := 0
	for _, err := range s.Everyone(t.Context(), "sales", "lab") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("saw %d", seen)
	}
}

func TestAPerson(t *testing.T) {
	s := start(t)
	ada := s.saved(t, whole())
	lab := assignment.Assignment{Key: assignment.Key{Person: "ada", Slot: "lab"}, Status: assignment.Held}
	lab = s.saved(t, lab)
	s.saved(t, assignment.Assignment{Key: person("adam"), Status: assignment.Held})
	got, err := s.OfPerson(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]assignment.Assignment{lab, ada}, got); diff != "" {
		t.Errorf("-expected +found:\n%s", diff)
	}
	if got, err := s.OfPerson(t.Context(), "eve"); err != nil || len(got) != 0 {
		t.Errorf("of a stranger: %v, %v", got, err)
	}
}

func TestHistory(t *testing.T) {
	event := func(id string, at time.Time) assignment.Event {
		return assignment.Event{
			Key: person("ada"), At: at, ID: id, What: "Requested", Before: assignment.Held,
			After: assignment.Requested, Reason: assignment.Reason{Code: "c", Text: "t"}, Actor: "planner", Profile: "sales", Detail: "d",
		}
	}
	t.Run("in the order of time, a repeat once", func(t *testing.T) {
		s := start(t)
		first, second, third := event("000010-a", nine()), event("000002-b", nine().Add(time.Second)), event("000002-c", nine().Add(time.Second))
		a := s.saved(t, whole(), second, third)
		s.saved(t, a, first, second)
		got, err := s.History(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]assignment.Event{first, second, third}, got); diff != "" {
			t.Errorf("-expected +found:\n%s", diff)
		}
		if all, err := s.OfPerson(t.Context(), "ada"); err != nil || len(all) != 1 {
			t.Errorf("an event passes for an assignment: %v, %v", all, err)
		}
	})
	t.Run("one slot's events are not another's", func(t *testing.T) {
		s := start(t)
		lab := event("1", nine().Add(time.Second))
		lab.Slot = "lab"
		s.saved(t, whole(), event("1", nine()))
		s.saved(t, assignment.Assignment{Key: lab.Key, Status: assignment.Requested}, lab)
		got, err := s.History(t.Context(), "ada")
		if err != nil || len(got) != 2 {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("written before the state it tells of", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Operation: "PutItem", Why: service.Deny, Skip: 1})
		if _, err := s.Save(t.Context(), whole(), event("1", nine())); err == nil {
			t.Error("the save succeeded")
		}
		got, err := s.History(t.Context(), "ada")
		if err != nil || len(got) != 1 {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("a state whose event could not be written is not written", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Operation: "PutItem", Why: service.Deny, Times: 1})
		_, err := s.Save(t.Context(), whole(), event("1", nine()))
		expectKind(t, err, fault.Denied)
		if all, err := s.OfPerson(t.Context(), "ada"); err != nil || len(all) != 0 {
			t.Errorf("got %v, %v", all, err)
		}
	})
	t.Run("expires", func(t *testing.T) {
		s := start(t)
		week := s.open(s.table, ledger.KeepHistory(7*24*time.Hour))
		if _, err := week.Save(t.Context(), whole(), event("1", nine()), event("2", nine().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		out, err := s.client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(s.table), Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "PERSON#ada"}, "sk": &types.AttributeValueMemberS{Value: "EVENT#main#1"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		want := &types.AttributeValueMemberN{Value: fmt.Sprint(nine().Add(7 * 24 * time.Hour).Unix())}
		if diff := cmp.Diff(want, out.Item["expires"], cmpopts.IgnoreUnexported(types.AttributeValueMemberN{})); diff != "" {
			t.Errorf("expires: %s", diff)
		}
		s.clock.Advance(7*24*time.Hour + time.Minute)
		got, err := s.History(t.Context(), "ada")
		if err != nil || len(got) != 1 || got[0].ID != "2" {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

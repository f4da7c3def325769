package lane_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
	"rollcall/shared/lane"
	"rollcall/shared/profile"
)

// simulated runs a test on the clock of a bubble: it never sleeps, however long it waits.
func simulated(t *testing.T, name string, test func(t *testing.T, w *world)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
	})
}

// expect compares a person's status and reason code, and the WorkSpace if it is given.
func (w *world) expect(n int, status assignment.Status, code string) assignment.Assignment {
	w.t.Helper()
	a := w.ledger.get(person(n))
	if a.Status != status || a.Reason.Code != code {
		w.t.Errorf("person %d is %s %q (%s), want %s %q", n, a.Status, a.Reason.Code, a.Reason.Text, status, code)
	}
	return a
}

func (w *world) sizes(want ...int) {
	w.t.Helper()
	got := slices.Sorted(slices.Values(w.cloud.calls))
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), got); diff != "" {
		w.t.Errorf("sizes of the create calls (-want +got):\n%s", diff)
	}
}

func TestHandle(t *testing.T) {
	simulated(t, "calls are filled across messages", func(t *testing.T, w *world) {
		failed := w.handle(w.ask("a", 0, 10), w.ask("b", 10, 20), w.ask("c", 20, 30))
		if len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
		w.sizes(25, 5)
		for n := range 30 {
			a := w.expect(n, assignment.Provisioning, "")
			if a.WorkSpace == "" || a.Intent != assignment.Check || a.Directory != dirA || a.Due.IsZero() {
				t.Errorf("person %d: %+v", n, a)
			}
		}
		if e := w.ledger.history[person(7).String()+" 000001-Provisioning"]; e.Actor != "worker" || e.Before != assignment.Requested {
			t.Errorf("history: %+v", e)
		}
	})
	simulated(t, "a body that cannot be decoded goes to the dead-letter queue, the others are done", func(t *testing.T, w *world) {
		bad := lane.Message{ID: "bad", Body: `{"version":1,"kind":"destroy"}`, Group: home.String()}
		if failed := w.handle(bad, w.ask("a", 0, 1)); len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
		if diff := cmp.Diff([]string{bad.Body}, w.book.letters); diff != "" {
			t.Error(diff)
		}
		w.expect(0, assignment.Provisioning, "")
	})
	simulated(t, "a message in the group of another lane would break its limiter: dead letter", func(t *testing.T, w *world) {
		m := w.ask("a", 0, 1)
		m.Group = away.String()
		w.handle(m)
		if len(w.book.letters) != 1 || len(w.cloud.calls) != 0 {
			t.Errorf("letters %v, calls %v", w.book.letters, w.cloud.calls)
		}
	})
	simulated(t, "only a dead-letter queue that does not answer brings a message back", func(t *testing.T, w *world) {
		w.book.jammed = true
		failed := w.handle(lane.Message{ID: "bad1", Body: "?"}, w.ask("a", 0, 1), lane.Message{ID: "bad2", Body: "!"})
		if diff := cmp.Diff([]string{"bad1", "bad2"}, failed); diff != "" {
			t.Error(diff)
		}
		w.expect(0, assignment.Provisioning, "")
	})
	simulated(t, "a panic sends its message to the dead-letter queue, the next kind of job goes on", func(t *testing.T, w *world) {
		w.cloud.panicFor = "u0"
		if failed := w.handle(w.ask("a", 0, 1), w.message("s", events.Job{Kind: events.Survey, Lane: home, Directories: []string{dirA}})); len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
		if len(w.book.reasons) != 1 || !strings.Contains(w.book.reasons[0], "a bug on u0") {
			t.Errorf("reasons: %v", w.book.reasons)
		}
		if w.book.catalogues[dirA].State != "REGISTERED" {
			t.Error("the survey after the panic was not done")
		}
		w.cloud.panicFor = ""
		time.Sleep(20 * time.Minute) // the item is due again by itself
		w.handle(w.tick()...)
		w.expect(0, assignment.Provisioning, "")
	})
	simulated(t, "lanes run side by side, and a broken account is only its own trouble", func(t *testing.T, w *world) {
		w.opening[away] = fault.New(fault.Denied, "assuming the role: not allowed")
		w.handle(w.ask("a", 0, 1, func(j *events.Job) { j.Lane = away }), w.ask("b", 1, 2))
		a := w.expect(0, assignment.Failed, "Denied")
		if !a.NextTry.After(time.Now()) || !a.Fresh {
			t.Errorf("%+v", a)
		}
		w.expect(1, assignment.Provisioning, "")
	})
	simulated(t, "calls overlap", func(t *testing.T, w *world) {
		w.cloud.latency = 2 * time.Second
		began := time.Now()
		w.handle(w.ask("a", 0, 25), w.ask("b", 25, 50), w.ask("c", 50, 75))
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("three calls of 2 s took %s", took)
		}
	})
	simulated(t, "out of time: nothing is started, everything is acknowledged", func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the margin is 20
		defer cancel()
		before := w.ask("a", 0, 5)
		if failed := w.worker().Handle(ctx, []lane.Message{before}); len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
		w.sizes()
		a := w.expect(3, assignment.Requested, "")
		if !a.Claimed.IsZero() || a.Due.IsZero() {
			t.Errorf("%+v", a)
		}
	})
}

func TestCreate_outcomes(t *testing.T) {
	const (
		hour = time.Hour
		day  = 24 * time.Hour
	)
	cases := []struct {
		name    string
		err     error
		status  assignment.Status
		code    string
		attempt int
		next    time.Duration // until it is due or tried again
	}{
		{"throttled: no attempt is burned", fault.New(fault.Throttled, "slow down"), assignment.Requested, "Throttled", 1, 2 * time.Minute},
		{"unavailable: the outcome is not known", fault.New(fault.Unavailable, "?"), assignment.Requested, "Unavailable", 1, 2 * time.Minute},
		{"not classified: the outcome is not known", fmt.Errorf("?"), assignment.Requested, "Unknown", 1, 2 * time.Minute},
		{"quota", fault.New(fault.QuotaReached, "full"), assignment.Failed, "QuotaReached", 2, hour / 2},
		{"no capacity", fault.New(fault.NoCapacity, "full"), assignment.Failed, "NoCapacity", 2, hour / 2},
		{"rejected", fault.New(fault.Rejected, "no"), assignment.Failed, "Rejected", 2, 6 * hour},
		{"misconfigured", fault.New(fault.Misconfigured, "no"), assignment.Failed, "Misconfigured", 2, hour / 2},
		{"denied", fault.New(fault.Denied, "no"), assignment.Failed, "Denied", 2, hour / 2},
		{"not in the directory", fault.New(fault.NotInDirectory, "who"), assignment.WaitingForDirectory, "NotInDirectory", 2, hour / 2},
	}
	for _, c := range cases {
		for _, whole := range []bool{true, false} {
			simulated(t, fmt.Sprintf("%s, whole call %t", c.name, whole), func(t *testing.T, w *world) {
				if whole {
					w.cloud.refuse = c.err
				} else {
					w.cloud.items["u0"] = c.err
				}
				w.handle(w.ask("a", 0, 1))
				a := w.expect(0, c.status, c.code)
				next := a.NextTry
				if next.IsZero() {
					next = a.Due
				}
				if got := time.Until(next); got != c.next || a.Attempt != c.attempt {
					t.Errorf("next in %s, attempt %d; want %s, %d", got, a.Attempt, c.next, c.attempt)
				}
				if a.Claimed.IsZero() != (c.attempt == 2) {
					t.Errorf("claimed %s: what may exist stays claimed, and only that", a.Claimed)
				}
			})
		}
	}
}

func TestCreate_series(t *testing.T) {
	simulated(t, "rejected: 6, 12, 24 hours, then daily, given up after 28 days", func(t *testing.T, w *world) {
		w.cloud.items["u0"] = fault.New(fault.Rejected, "no")
		w.handle(w.ask("a", 0, 1))
		var waits []time.Duration
		began := time.Now()
		for {
			a := w.ledger.get(person(0))
			if a.NextTry.IsZero() {
				break
			}
			waits = append(waits, time.Until(a.NextTry))
			time.Sleep(time.Until(a.NextTry))
			w.tick() // takes note
			w.handle(w.message("x", events.Job{
				Kind: events.Create, Lane: home, Profile: "sales", Spec: &spec, Directories: []string{dirA},
				Orders: []events.Order{{Key: person(0), Attempt: w.ledger.get(person(0)).Attempt, Send: 1}},
			}))
		}
		if diff := cmp.Diff([]time.Duration{6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour}, waits[:4]); diff != "" {
			t.Error(diff)
		}
		if days := time.Since(began).Hours() / 24; days < 28 || days > 29 {
			t.Errorf("given up after %.1f days", days)
		}
		w.expect(0, assignment.Failed, "Rejected")
	})
	simulated(t, "not in the directory: quiet, growing, failed after 28 days", func(t *testing.T, w *world) {
		w.cloud.unknown["u0"] = true
		w.handle(w.ask("a", 0, 1))
		began := time.Now()
		tries := 1
		for a := w.ledger.get(person(0)); a.Status == assignment.WaitingForDirectory; a = w.ledger.get(person(0)) {
			if a.Fresh || a.Due != a.NextTry {
				t.Fatalf("not quiet: %+v", a)
			}
			time.Sleep(time.Until(a.NextTry))
			w.handle(w.tick()...)
			tries++
		}
		if days := time.Since(began).Hours() / 24; days < 28 || days > 29 || tries > 130 {
			t.Errorf("failed after %.1f days and %d tries", days, tries)
		}
		if a := w.expect(0, assignment.Failed, "NotInDirectory"); !a.NextTry.IsZero() {
			t.Errorf("given up, and yet: %s", a.NextTry)
		}
	})
	simulated(t, "not in the directory yet, then there", func(t *testing.T, w *world) {
		w.cloud.unknown["u0"] = true
		w.handle(w.ask("a", 0, 1))
		delete(w.cloud.unknown, "u0")
		time.Sleep(time.Hour)
		w.handle(w.tick()...)
		w.expect(0, assignment.Provisioning, "")
	})
}

func TestCreate_splits(t *testing.T) {
	simulated(t, "a whole-call 400 is split until the bad item stands alone", func(t *testing.T, w *world) {
		w.cloud.poison["u13"] = true
		w.handle(w.ask("a", 0, 25))
		for n := range 25 {
			if n == 13 {
				w.expect(n, assignment.Failed, "Rejected")
			} else {
				w.expect(n, assignment.Provisioning, "")
			}
		}
		if n := len(w.cloud.calls); n > 11 {
			t.Errorf("%d calls", n)
		}
	})
	simulated(t, "a quota of one kind of bundle does not fail the other kind", func(t *testing.T, w *world) {
		other := spec
		other.Bundle = "wsb-graphics1"
		w.cloud.quota = 2
		w.handle(w.ask("a", 0, 2), w.ask("b", 2, 5, func(j *events.Job) { j.Spec = &other }))
		if got := len(w.cloud.desks); got != 2 {
			t.Errorf("%d desktops", got)
		}
		w.expect(0, assignment.Provisioning, "")
		w.expect(4, assignment.Failed, "QuotaReached")
		w.sizes(5, 2, 3)
	})
}

func TestCreate_existing(t *testing.T) {
	ours := desktop.Owner{Installation: installation, Person: person(0).Person, Slot: "main"}.Tags()
	other := desktop.Owner{Installation: installation, Person: "p9999", Slot: "main"}.Tags()
	theirs := desktop.Owner{Installation: "test", Person: person(0).Person, Slot: "main"}.Tags()
	simulated(t, "ours by its tags: found again", func(t *testing.T, w *world) {
		w.cloud.put("ws-old", dirA, "U0", desktop.Available, ours)
		w.handle(w.ask("a", 0, 1))
		if a := w.expect(0, assignment.Provisioning, ""); a.WorkSpace != "ws-old" {
			t.Errorf("%+v", a)
		}
		w.look(0)
		w.expect(0, assignment.Provisioned, "")
	})
	for name, c := range map[string]struct {
		tags map[string]string
		says string
	}{
		"made by hand":                          {nil, "was not made by rollcall"},
		"made by another installation":          {theirs, `installation "test"`},
		"another person with the same name":     {other, "person p9999"},
		"our person and installation, not slot": {desktop.Owner{Installation: installation, Person: person(0).Person, Slot: "dev"}.Tags(), "slot dev"},
	} {
		simulated(t, name+": foreign", func(t *testing.T, w *world) {
			w.cloud.put("ws-old", dirA, "u0", desktop.Available, c.tags)
			w.handle(w.ask("a", 0, 1))
			a := w.expect(0, assignment.Foreign, "AlreadyExists")
			if a.WorkSpace != "" || !strings.Contains(a.Reason.Text, c.says) || !strings.Contains(a.Reason.Text, "ws-old") {
				t.Errorf("%q", a.Reason.Text)
			}
		})
	}
	simulated(t, "ours behind one of a former account of that name", func(t *testing.T, w *world) {
		w.cloud.put("ws-old", dirA, "u0", desktop.Available, nil)
		w.cloud.put("ws-ours", dirA, "u0", desktop.Available, ours)
		w.handle(w.ask("a", 0, 1))
		if a := w.expect(0, assignment.Provisioning, ""); a.WorkSpace != "ws-ours" {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "on its way out: later, no attempt burned", func(t *testing.T, w *world) {
		w.cloud.put("ws-old", dirA, "u0", desktop.Terminating, ours)
		w.handle(w.ask("a", 0, 1))
		if a := w.expect(0, assignment.Requested, "Later"); a.Attempt != 1 || !strings.Contains(a.Reason.Text, "ws-old") {
			t.Errorf("%+v", a)
		}
		w.cloud.desks = nil
		time.Sleep(5 * time.Minute)
		w.handle(w.tick()...)
		w.expect(0, assignment.Provisioning, "")
	})
	simulated(t, "a lost answer is found again, once it can be seen", func(t *testing.T, w *world) {
		w.cloud.drop = 1
		m := w.ask("a", 0, 5)
		w.handle(m)
		w.expect(0, assignment.Requested, "Unavailable")
		w.handle(m) // delivered again at once: exists, and is not visible yet
		w.expect(0, assignment.Requested, "Later")
		time.Sleep(2 * time.Minute)
		w.handle(w.tick()...)
		w.expect(0, assignment.Provisioning, "")
		if len(w.cloud.desks) != 5 {
			t.Errorf("%d desktops", len(w.cloud.desks))
		}
	})
	simulated(t, "exists and never shows: foreign after an hour", func(t *testing.T, w *world) {
		w.cloud.put("ws-hidden", dirA, "u0", desktop.Available, nil)
		w.cloud.gone = []string{"ws-hidden"}
		w.handle(w.ask("a", 0, 1))
		w.expect(0, assignment.Requested, "Later")
		for range 30 {
			time.Sleep(3 * time.Minute)
			w.handle(w.tick()...)
		}
		w.expect(0, assignment.Foreign, "AlreadyExists")
	})
}

// A refusal says nothing of an earlier call whose answer was lost: the claim is not forgotten for it, or a person who
// then leaves would be dismissed without a look while the desktop runs.
func TestCreate_lostAnswerThenRefused(t *testing.T) {
	refusals := map[string]struct {
		then func(w *world)
		kind fault.Kind // how the refusal ends where nothing was made
	}{
		"the quota is full":             {func(w *world) { w.cloud.quota = len(w.cloud.desks) }, fault.QuotaReached},
		"denied":                        {func(w *world) { w.cloud.refuse = fault.New(fault.Denied, "no") }, fault.Denied},
		"the call is refused":           {func(w *world) { w.cloud.refuse = fault.New(fault.Rejected, "no") }, fault.Rejected},
		"the item is refused":           {func(w *world) { w.cloud.items["u0"] = fault.New(fault.Misconfigured, "no") }, fault.Misconfigured},
		"the AD account is gone":        {func(w *world) { w.cloud.unknown["u0"] = true }, fault.NotInDirectory},
		"no room in the directory":      {func(w *world) { w.cloud.full[dirA] = true }, fault.NoCapacity},
		"cannot be valid, never called": {func(w *world) { w.spec.Bundle = "Standard" }, fault.Misconfigured},
	}
	for name, c := range refusals {
		simulated(t, name+": what was made is found", func(t *testing.T, w *world) {
			w.cloud.drop = 1
			w.handle(w.ask("a", 0, 1))
			c.then(w)
			time.Sleep(16 * time.Minute)
			w.handle(w.tick()...)
			if a := w.expect(0, assignment.Provisioning, ""); len(w.cloud.desks) != 1 || a.WorkSpace != w.cloud.desks[0].ID {
				t.Errorf("%+v", a)
			}
		})
		simulated(t, name+": cannot be asked now, found later", func(t *testing.T, w *world) {
			w.cloud.drop = 1
			w.handle(w.ask("a", 0, 1))
			c.then(w)
			w.cloud.blind = fault.New(fault.Denied, "describing is not allowed")
			for range 10 {
				time.Sleep(16 * time.Minute)
				w.handle(w.tick()...)
				if a := w.expect(0, assignment.Requested, "Denied"); a.Claimed.IsZero() || a.Attempt != 1 || !a.Due.After(time.Now()) {
					t.Fatalf("%+v", a)
				}
			}
			w.cloud.blind = nil
			time.Sleep(16 * time.Minute)
			w.handle(w.tick()...)
			if a := w.expect(0, assignment.Provisioning, ""); a.WorkSpace != w.cloud.desks[0].ID {
				t.Errorf("%+v", a)
			}
		})
		simulated(t, name+": made by the last of several calls, and slow to show", func(t *testing.T, w *world) {
			w.cloud.shows = 9 * time.Minute
			w.cloud.refuse = fault.New(fault.Unavailable, "?")
			w.handle(w.ask("a", 0, 1))
			time.Sleep(30 * time.Minute)
			w.cloud.refuse, w.cloud.drop = nil, 1
			w.handle(w.tick()...) // made, half an hour after the first claim; the answer is lost
			c.then(w)
			time.Sleep(4 * time.Minute)
			w.handle(w.tick()...)
			a := w.expect(0, assignment.Requested, "Later")
			time.Sleep(time.Until(a.Due))
			w.handle(w.tick()...)
			if a := w.expect(0, assignment.Provisioning, ""); a.WorkSpace != w.cloud.desks[0].ID {
				t.Errorf("%+v", a)
			}
		})
		simulated(t, name+": nothing was made, and the refusal counts once it would show", func(t *testing.T, w *world) {
			w.cloud.refuse = fault.New(fault.Unavailable, "?")
			w.handle(w.ask("a", 0, 1))
			w.cloud.refuse = nil
			c.then(w)
			for range 2 {
				time.Sleep(4 * time.Minute)
				w.handle(w.tick()...)
				if a := w.ledger.get(person(0)); a.Claimed.IsZero() {
					t.Fatalf("settled too early: %+v", a)
				}
			}
			time.Sleep(3 * time.Minute) // 11 minutes after the call that nobody knows of: those since left nothing
			w.handle(w.tick()...)
			if a := w.ledger.get(person(0)); a.Reason.Code != string(c.kind) || !a.Claimed.IsZero() || a.Attempt != 2 {
				t.Errorf("%+v", a)
			}
		})
	}
	simulated(t, "two people with one user name: the one whose desktop it is gets it", func(t *testing.T, w *world) {
		w.cloud.drop = 1
		w.handle(w.ask("a", 0, 1))
		m := w.ask("b", 1, 2)
		w.ledger.set(person(1), func(a *assignment.Assignment) { a.UserName = "u0" })
		time.Sleep(16 * time.Minute)
		w.handle(append(w.tick(), m)...)
		if a := w.expect(0, assignment.Provisioning, ""); a.WorkSpace != w.cloud.desks[0].ID || len(w.cloud.desks) != 1 {
			t.Errorf("%+v", a)
		}
		w.expect(1, assignment.Failed, "Rejected")
	})
	simulated(t, "somebody else's desktop under that name: the refusal counts at once", func(t *testing.T, w *world) {
		w.cloud.refuse = fault.New(fault.Unavailable, "?")
		w.handle(w.ask("a", 0, 1))
		w.cloud.put("ws-hand", dirA, "u0", desktop.Available, nil)
		w.cloud.refuse = fault.New(fault.Denied, "no")
		time.Sleep(2 * time.Minute)
		w.handle(w.tick()...)
		w.expect(0, assignment.Failed, "Denied")
	})
	simulated(t, "on its way out: the refusal waits until it is gone", func(t *testing.T, w *world) {
		w.cloud.drop = 1
		w.handle(w.ask("a", 0, 1))
		w.cloud.desks[0].State = desktop.Terminating
		w.cloud.refuse = fault.New(fault.Denied, "no")
		time.Sleep(16 * time.Minute)
		w.handle(w.tick()...)
		w.expect(0, assignment.Requested, "Later")
		w.cloud.desks = nil
		time.Sleep(16 * time.Minute)
		w.handle(w.tick()...)
		w.expect(0, assignment.Failed, "Denied")
	})
	simulated(t, "out of time: nothing is settled without the look", func(t *testing.T, w *world) {
		w.cloud.drop = 1
		w.handle(w.ask("a", 0, 1))
		w.cloud.refuse, w.cloud.latency = fault.New(fault.Denied, "no"), 15*time.Second
		time.Sleep(16 * time.Minute)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // the margin is 20
		defer cancel()
		w.worker().Handle(ctx, w.tick())
		if a := w.ledger.get(person(0)); a.Claimed.IsZero() || a.Intent != assignment.Create || a.Due.IsZero() {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "exists, but whose it is cannot be asked: not settled", func(t *testing.T, w *world) {
		w.cloud.put("ws-old", dirA, "u0", desktop.Available, nil)
		w.cloud.blind = fault.New(fault.Denied, "describing is not allowed")
		w.handle(w.ask("a", 0, 1))
		if a := w.expect(0, assignment.Requested, "Denied"); a.Claimed.IsZero() || !strings.Contains(a.Reason.Text, "describing is not allowed") {
			t.Errorf("%+v", a)
		}
		w.cloud.blind = nil
		time.Sleep(16 * time.Minute)
		w.handle(w.tick()...)
		w.expect(0, assignment.Foreign, "AlreadyExists")
	})
}

func TestCreate_sameName(t *testing.T) {
	simulated(t, "two people with one user name are refused, both named", func(t *testing.T, w *world) {
		m1, m2 := w.ask("a", 0, 3), w.ask("b", 3, 28)
		w.ledger.set(person(27), func(a *assignment.Assignment) { a.UserName = "U1" }) // in another call, were it not for this
		w.handle(m1, m2)
		for _, n := range []int{1, 27} {
			a := w.expect(n, assignment.Failed, "Rejected")
			if !strings.Contains(a.Reason.Text, person(1).Person) || !strings.Contains(a.Reason.Text, person(27).Person) {
				t.Errorf("%q", a.Reason.Text)
			}
		}
		w.expect(2, assignment.Provisioning, "")
		if len(w.cloud.desks) != 26 {
			t.Errorf("%d desktops", len(w.cloud.desks))
		}
	})
	simulated(t, "the second one, later: foreign, and the first is named by the tags", func(t *testing.T, w *world) {
		w.handle(w.ask("a", 0, 1))
		m := w.ask("b", 1, 2)
		w.ledger.set(person(1), func(a *assignment.Assignment) { a.UserName = "u0" })
		time.Sleep(time.Minute)
		w.handle(m)
		if a := w.expect(1, assignment.Foreign, "AlreadyExists"); !strings.Contains(a.Reason.Text, person(0).Person) {
			t.Errorf("%q", a.Reason.Text)
		}
	})
}

func TestCreate_stop(t *testing.T) {
	for name, set := range map[string]func(*book){
		"everything":     func(b *book) { b.stop.On = true },
		"the profile":    func(b *book) { b.standings["sales"] = profile.Standing{Stop: profile.Stop{On: true}} },
		"cannot be read": func(b *book) { b.unreadable = true },
	} {
		simulated(t, name, func(t *testing.T, w *world) {
			set(w.book)
			if failed := w.handle(w.ask("a", 0, 3)); len(failed) != 0 {
				t.Errorf("failed: %v", failed)
			}
			w.sizes()
			if a := w.expect(0, assignment.Requested, ""); !a.Claimed.IsZero() {
				t.Errorf("%+v", a)
			}
		})
	}
	simulated(t, "another profile goes on", func(t *testing.T, w *world) {
		w.book.standings["sales"] = profile.Standing{Stop: profile.Stop{On: true}}
		w.handle(w.ask("a", 0, 3), w.ask("b", 3, 5, func(j *events.Job) { j.Profile = "dev" }))
		w.sizes(2)
	})
}

func TestCreate_outOfDate(t *testing.T) {
	for name, change := range map[string]func(*assignment.Assignment){
		"another attempt":           func(a *assignment.Assignment) { a.Attempt = 2 },
		"another intent":            func(a *assignment.Assignment) { a.Intent = assignment.Check },
		"withdrawn":                 func(a *assignment.Assignment) { *a = a.Dismiss(time.Now(), assignment.Reason{}) },
		"has a desktop":             func(a *assignment.Assignment) { a.WorkSpace = "ws-1" },
		"moved to another lane":     func(a *assignment.Assignment) { a.Lane = away },
		"held back in the meantime": func(a *assignment.Assignment) { *a = a.HoldBack(time.Now(), assignment.Reason{}) },
	} {
		simulated(t, name, func(t *testing.T, w *world) {
			m := w.ask("a", 0, 1)
			w.ledger.set(person(0), change)
			before := w.ledger.get(person(0))
			w.handle(m)
			w.sizes()
			if diff := cmp.Diff(before, w.ledger.get(person(0))); diff != "" {
				t.Errorf("an order that is out of date changed the item:\n%s", diff)
			}
		})
	}
	simulated(t, "an unknown person", func(t *testing.T, w *world) {
		m := w.ask("a", 0, 1)
		clear(w.ledger.items)
		w.handle(m)
		w.sizes()
	})
}

// What the planner or the ledger does while a call is in flight never loses a WorkSpace id.
func TestCreate_conflict(t *testing.T) {
	simulated(t, "withdrawn while the call was made: the desktop is recorded", func(t *testing.T, w *world) {
		m := w.ask("a", 0, 1)
		w.ledger.before = func(assignment.Assignment) {
			w.ledger.set(person(0), func(a *assignment.Assignment) { *a = a.Dismiss(time.Now(), assignment.Reason{Code: "Left"}) })
		}
		w.handle(m)
		a := w.expect(0, assignment.Provisioning, "")
		if a.WorkSpace != w.cloud.desks[0].ID || a.Intent != assignment.Check {
			t.Errorf("%+v", a)
		}
		w.handle(m) // and the old order is out of date
		w.sizes(1)
	})
	simulated(t, "asked for once more with another profile: the desktop is recorded where it is", func(t *testing.T, w *world) {
		m := w.ask("a", 0, 1)
		w.ledger.before = func(assignment.Assignment) {
			w.ledger.set(person(0), func(a *assignment.Assignment) {
				a.Profile, a.Lane = "dev", away
				*a = a.Request(time.Now(), time.Now())
			})
		}
		w.handle(m)
		if a := w.expect(0, assignment.Provisioning, ""); a.Lane != home || a.Directory != dirA || a.Attempt != 3 || a.Profile != "dev" {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "another desktop was recorded meanwhile: the history tells of the second", func(t *testing.T, w *world) {
		m := w.ask("a", 0, 1)
		w.ledger.before = func(assignment.Assignment) {
			w.ledger.set(person(0), func(a *assignment.Assignment) { a.WorkSpace = "ws-other" })
		}
		w.handle(m)
		if a := w.ledger.get(person(0)); a.WorkSpace != "ws-other" {
			t.Errorf("%+v", a)
		}
		told := false
		for id, e := range w.ledger.history {
			told = told || (strings.Contains(id, "SecondDesktop") && strings.Contains(e.Detail, w.cloud.desks[0].ID))
		}
		if !told {
			t.Errorf("the history does not name the second desktop: %v", w.ledger.history)
		}
	})
	simulated(t, "the ledger is away for a moment", func(t *testing.T, w *world) {
		m := w.ask("a", 0, 1)
		w.ledger.before = func(assignment.Assignment) { w.ledger.down = 3 }
		w.handle(m)
		w.expect(0, assignment.Provisioning, "")
	})
	simulated(t, "the ledger is away for long: found again by the next send", func(t *testing.T, w *world) {
		m := w.ask("a", 0, 1)
		w.ledger.before = func(assignment.Assignment) { w.ledger.down = 100 }
		w.handle(m)
		w.ledger.down = 0
		w.expect(0, assignment.Requested, "")
		time.Sleep(16 * time.Minute)
		w.handle(w.tick()...)
		if a := w.expect(0, assignment.Provisioning, ""); a.WorkSpace != w.cloud.desks[0].ID || len(w.cloud.desks) != 1 {
			t.Errorf("%+v", a)
		}
	})
}

func TestCreate_directories(t *testing.T) {
	both := func(j *events.Job) { j.Directories = []string{dirA, dirB} }
	room := func(w *world, directory string, free ...int) {
		c := desktop.Catalogue{Lane: home, Directory: directory, State: "REGISTERED"}
		for i, n := range free {
			c.Subnets = append(c.Subnets, desktop.Subnet{ID: fmt.Sprintf("%s-s%d", directory, i), Free: n})
		}
		w.book.catalogues[directory] = c
	}
	count := func(w *world) map[string]int {
		n := map[string]int{}
		for _, d := range w.cloud.desks {
			n[d.Directory]++
		}
		return n
	}
	simulated(t, "twice the fuller subnet counts, less what is in flight", func(t *testing.T, w *world) {
		room(w, dirA, 200, 3) // 6, not 203
		room(w, dirB, 6, 6)   // 12
		w.handle(w.ask("a", 0, 10, both))
		if diff := cmp.Diff(map[string]int{dirA: 3, dirB: 7}, count(w)); diff != "" {
			t.Error(diff)
		}
		a := w.ledger.get(person(0))
		if a.Directory != dirB || !strings.Contains(a.Choice, "room 12") || !strings.Contains(a.Choice, "room 6") {
			t.Errorf("choice: %q", a.Choice)
		}
		w.handle(w.ask("b", 10, 12, both)) // what was placed is remembered: 2 and 4 left
		if diff := cmp.Diff(map[string]int{dirA: 3, dirB: 9}, count(w)); diff != "" {
			t.Error(diff)
		}
	})
	simulated(t, "no room anywhere: refused without a call", func(t *testing.T, w *world) {
		room(w, dirA, 0, 100)
		room(w, dirB, 0)
		w.handle(w.ask("a", 0, 1, both))
		w.sizes()
		if a := w.expect(0, assignment.Failed, "NoCapacity"); !strings.Contains(a.Reason.Text, "100 free") {
			t.Errorf("%q", a.Reason.Text)
		}
	})
	simulated(t, "room is not known: the first of the list", func(t *testing.T, w *world) {
		w.handle(w.ask("a", 0, 1, both))
		if a := w.expect(0, assignment.Provisioning, ""); a.Directory != dirA {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "no capacity after all: the next best, and the choice says why", func(t *testing.T, w *world) {
		room(w, dirA, 100, 100)
		room(w, dirB, 50, 50)
		w.cloud.full[dirA] = true
		w.handle(w.ask("a", 0, 3, both))
		a := w.expect(2, assignment.Provisioning, "")
		if a.Directory != dirB || !strings.Contains(a.Choice, dirA+": no capacity") {
			t.Errorf("%+v", a)
		}
		w.sizes(3, 3)
	})
	simulated(t, "no capacity, but an earlier call is not known to have left nothing: not elsewhere", func(t *testing.T, w *world) {
		m := w.ask("a", 0, 1, both)
		w.cloud.refuse = fault.New(fault.Unavailable, "?")
		w.handle(m)
		w.cloud.refuse, w.cloud.full[dirA] = nil, true
		time.Sleep(assignment.VisibleWithin)
		w.handle(m)
		w.expect(0, assignment.Failed, "NoCapacity")
		if diff := cmp.Diff(map[string]int{}, count(w)); diff != "" {
			t.Error(diff)
		}
	})
	simulated(t, "a directory once chosen is kept", func(t *testing.T, w *world) {
		room(w, dirA, 100)
		room(w, dirB, 10)
		m := w.ask("a", 0, 1, both)
		w.cloud.drop = 1
		w.handle(m)
		room(w, dirB, 1000)
		w.handle(m)
		time.Sleep(3 * time.Minute)
		w.handle(m)
		if a := w.expect(0, assignment.Provisioning, ""); a.Directory != dirA || len(w.cloud.desks) != 1 {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "a desktop in the other directory: no second one", func(t *testing.T, w *world) {
		w.cloud.put("ws-b", dirB, "u0", desktop.Available, nil)
		w.cloud.put("ws-b1", dirB, "u1", desktop.Available, desktop.Owner{Installation: installation, Person: person(1).Person, Slot: "main"}.Tags())
		w.handle(w.ask("a", 0, 3, both))
		w.expect(0, assignment.Foreign, "AlreadyExists")
		if a := w.expect(1, assignment.Provisioning, ""); a.WorkSpace != "ws-b1" || a.Directory != dirB {
			t.Errorf("%+v", a)
		}
		w.sizes(1)
	})
}

func TestCheck(t *testing.T) {
	simulated(t, "not visible yet is no failure, then pending, then ready", func(t *testing.T, w *world) {
		w.handle(w.ask("a", 0, 1))
		w.look(0)
		a := w.expect(0, assignment.Provisioning, "")
		if time.Until(a.Due) != time.Minute {
			t.Errorf("due in %s", time.Until(a.Due))
		}
		time.Sleep(8 * time.Minute)
		w.look(0)
		if a := w.expect(0, assignment.Provisioning, ""); time.Until(a.Due) != 2*time.Minute {
			t.Errorf("due in %s", time.Until(a.Due))
		}
		time.Sleep(8 * time.Minute)
		w.look(0)
		a = w.expect(0, assignment.Provisioned, "")
		if !a.Ready.Equal(time.Now()) || !a.Fresh || a.Intent != assignment.NoIntent {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "ERROR with its code and words", func(t *testing.T, w *world) {
		w.cloud.errored["u0"] = true
		w.handle(w.ask("a", 0, 1))
		time.Sleep(20 * time.Minute)
		w.look(0)
		a := w.expect(0, assignment.Failed, assignment.DesktopError)
		if !strings.Contains(a.Reason.Text, "Some.Code") || !strings.Contains(a.Reason.Text, "did not work out") || a.WorkSpace == "" {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "90 minutes", func(t *testing.T, w *world) {
		w.handle(w.ask("a", 0, 1))
		w.cloud.desks[0].State = "STARTING"
		time.Sleep(89 * time.Minute)
		w.look(0)
		w.expect(0, assignment.Provisioning, "")
		time.Sleep(time.Minute)
		w.look(0)
		w.expect(0, assignment.Failed, assignment.DesktopError)
	})
	simulated(t, "never seen: gone after ten minutes, and its id is told", func(t *testing.T, w *world) {
		w.handle(w.ask("a", 0, 1))
		id := w.cloud.desks[0].ID
		w.cloud.desks = nil
		time.Sleep(9 * time.Minute)
		w.look(0)
		w.expect(0, assignment.Provisioning, "")
		time.Sleep(time.Minute)
		w.look(0)
		if a := w.expect(0, assignment.Missing, "Gone"); a.WorkSpace != "" || !strings.Contains(a.Reason.Text, id) {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "withdrawn with its outcome unknown: what was made is recorded", func(t *testing.T, w *world) {
		w.cloud.drop = 1
		w.handle(w.ask("a", 0, 1))
		w.look(0)
		w.expect(0, assignment.Requested, "Later")
		time.Sleep(time.Minute)
		w.look(0)
		if a := w.expect(0, assignment.Provisioning, ""); a.WorkSpace != w.cloud.desks[0].ID {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "withdrawn, and nothing was made: known once it would show", func(t *testing.T, w *world) {
		w.cloud.refuse = fault.New(fault.Unavailable, "?")
		w.handle(w.ask("a", 0, 1))
		time.Sleep(5 * time.Minute)
		w.look(0)
		a := w.expect(0, assignment.Requested, "Later")
		time.Sleep(time.Until(a.Due))
		w.look(0)
		if a := w.expect(0, assignment.NotEntitled, "Withdrawn"); !a.Claimed.IsZero() {
			t.Errorf("%+v", a)
		}
	})
	simulated(t, "a permission is missing: said, and the status stays", func(t *testing.T, w *world) {
		w.handle(w.ask("a", 0, 1))
		w.opening[home] = fault.New(fault.Denied, "no")
		w.look(0)
		w.expect(0, assignment.Provisioning, "Denied")
	})
}

func TestSurvey(t *testing.T) {
	survey := events.Job{Kind: events.Survey, Lane: home, Directories: []string{dirA, dirB}}
	simulated(t, "what was placed lately is carried over", func(t *testing.T, w *world) {
		now := time.Now()
		w.book.catalogues[dirA] = desktop.Catalogue{Lane: home, Directory: dirA, Placed: []desktop.Placed{
			{At: now.Add(-time.Hour), Number: 7}, {At: now.Add(-time.Minute), Number: 2},
		}}
		w.handle(w.message("s", survey))
		c := w.book.catalogues[dirA]
		if len(c.Placed) != 1 || c.Placed[0].Number != 2 || !c.Registered() {
			t.Errorf("%+v", c)
		}
	})
	simulated(t, "throttled: what was recorded stands", func(t *testing.T, w *world) {
		w.book.catalogues[dirA] = desktop.Catalogue{Lane: home, Directory: dirA, State: "REGISTERED"}
		w.cloud.refuse = fault.New(fault.Throttled, "slow down")
		w.handle(w.message("s", survey))
		if c := w.book.catalogues[dirA]; !c.Registered() || c.Problem != "" {
			t.Errorf("%+v", c)
		}
	})
	simulated(t, "denied: the problem is recorded for every directory", func(t *testing.T, w *world) {
		w.cloud.refuse = fault.New(fault.Denied, "reading directories: not allowed")
		w.handle(w.message("s", survey))
		for _, id := range survey.Directories {
			if c := w.book.catalogues[id]; c.Problem != "reading directories: not allowed" || c.Quota != -1 {
				t.Errorf("%+v", c)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	tags := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("t%d", i)] = "v"
		}
		return m
	}
	cases := []struct {
		name, user string
		change     func(*desktop.Spec)
		kind       fault.Kind // None: it may be sent
		says       string
	}{
		{"63 characters", strings.Repeat("é", 63), nil, fault.None, ""},
		{"64 characters", strings.Repeat("a", 64), nil, fault.Rejected, "64"},
		{"no user name", "-", nil, fault.Rejected, "user name"},
		{"reserved user name", "[UNDEFINED]", nil, fault.Rejected, "UNDEFINED"},
		{"sizes of the bundle", "", func(s *desktop.Spec) { s.RootGB, s.UserGB = 0, 0 }, fault.None, ""},
		{"80 and 50", "", func(s *desktop.Spec) { s.RootGB, s.UserGB = 80, 50 }, fault.None, ""},
		{"175 and 100", "", func(s *desktop.Spec) { s.RootGB, s.UserGB = 175, 100 }, fault.None, ""},
		{"80 and 60", "", func(s *desktop.Spec) { s.RootGB, s.UserGB = 80, 60 }, fault.Misconfigured, "80, 60"},
		{"100 and 100, of Graphics", "", func(s *desktop.Spec) { s.RootGB, s.UserGB = 100, 100 }, fault.None, ""},
		{"one size only", "", func(s *desktop.Spec) { s.UserGB = 100 }, fault.Misconfigured, "0, 100"},
		{"no time with AUTO_STOP", "", func(s *desktop.Spec) { s.AutoStopMinutes = 0 }, fault.Misconfigured, "autoStopMinutes"},
		{"175 and 50", "", func(s *desktop.Spec) { s.RootGB, s.UserGB = 175, 50 }, fault.Misconfigured, "175, 50"},
		{"2001", "", func(s *desktop.Spec) { s.RootGB, s.UserGB = 2001, 100 }, fault.Misconfigured, "2001"},
		{"a time with ALWAYS_ON", "", func(s *desktop.Spec) { s.RunningMode = desktop.AlwaysOn }, fault.Misconfigured, "autoStopMinutes"},
		{"ALWAYS_ON", "", func(s *desktop.Spec) { s.RunningMode, s.AutoStopMinutes = desktop.AlwaysOn, 0 }, fault.None, ""},
		{"61 minutes", "", func(s *desktop.Spec) { s.AutoStopMinutes = 61 }, fault.Misconfigured, "61"},
		{"a key of no known form", "", func(s *desktop.Spec) { s.EncryptUser, s.Key = true, "my-key" }, fault.Misconfigured, "my-key"},
		{"encryption without a key", "", func(s *desktop.Spec) { s.EncryptUser = true }, fault.Misconfigured, "key"},
		{"46 tags", "", func(s *desktop.Spec) { s.Tags = tags(46) }, fault.None, ""},
		{"47 tags", "", func(s *desktop.Spec) { s.Tags = tags(47) }, fault.Misconfigured, "47 tags"},
		{"a tag of AWS", "", func(s *desktop.Spec) { s.Tags = map[string]string{"aws:x": "y"} }, fault.Misconfigured, "aws:x"},
		{"a tag of ours", "", func(s *desktop.Spec) { s.Tags = map[string]string{desktop.TagPerson: "y"} }, fault.Misconfigured, desktop.TagPerson},
		{"a long tag", "", func(s *desktop.Spec) { s.Tags = map[string]string{"x": strings.Repeat("y", 256)} }, fault.Misconfigured, "tags.x"},
		{"a bundle's name", "", func(s *desktop.Spec) { s.Bundle = "Standard" }, fault.Misconfigured, "Standard"},
		{"an unknown protocol", "", func(s *desktop.Spec) { s.Protocol = "DCV" }, fault.Misconfigured, "DCV"},
	}
	for _, c := range cases {
		simulated(t, c.name, func(t *testing.T, w *world) {
			s := spec
			if c.change != nil {
				c.change(&s)
			}
			m := w.ask("a", 0, 1, func(j *events.Job) { j.Spec = &s })
			if c.user != "" {
				w.ledger.set(person(0), func(a *assignment.Assignment) { a.UserName = strings.Trim(c.user, "-") })
			}
			w.handle(m)
			if c.kind == fault.None {
				w.expect(0, assignment.Provisioning, "")
				return
			}
			w.sizes()
			if a := w.expect(0, assignment.Failed, string(c.kind)); !strings.Contains(a.Reason.Text, c.says) {
				t.Errorf("%q does not say %q", a.Reason.Text, c.says)
			}
		})
	}
}

func TestCreate_sendsOwnershipAndProfile(t *testing.T) {
	simulated(t, "tags", func(t *testing.T, w *world) {
		s := spec
		s.Tags = map[string]string{"department": "sales"}
		w.handle(w.ask("a", 0, 1, func(j *events.Job) { j.Spec = &s }))
		want := map[string]string{
			"department": "sales", desktop.TagProfile: "sales", desktop.TagInstallation: installation,
			desktop.TagPerson: person(0).Person, desktop.TagSlot: "main",
		}
		if diff := cmp.Diff(want, w.cloud.desks[0].tags); diff != "" {
			t.Error(diff)
		}
		var job events.Job
		if err := json.Unmarshal([]byte(w.ask("b", 1, 2).Body), &job); err != nil || len(job.Spec.Tags) != 0 {
			t.Errorf("the profile's own tags were changed: %v %v", job.Spec, err)
		}
	})
}

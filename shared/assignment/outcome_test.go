package assignment

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

var (
	outcomeNow  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	outcomeLane = desktop.Lane{Account: "111122223333", Region: "eu-central-1"}
)

// claimed is an item whose create, attempt 3, is in the worker's hands.
func claimed(change ...func(*Assignment)) Assignment {
	a := Assignment{
		Key: Key{"p1", "main"}, Status: Requested, Since: outcomeNow.Add(-time.Hour), UserName: "u1",
		Profile: "sales", Lane: outcomeLane, Directory: "d-1", Choice: "the only one",
		Intent: Create, Attempt: 3, Send: 1, Claimed: outcomeNow.Add(-time.Second), Due: outcomeNow.Add(time.Minute),
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func status(s Status) func(*Assignment) { return func(a *Assignment) { a.Status = s } }

// What a refusal does, by kind and by how the series stands.
func TestRefused(t *testing.T) {
	const hour = time.Hour
	cases := []struct {
		name     string
		before   Assignment
		kind     fault.Kind
		status   Status
		attempt  int           // 3: not burned
		next     time.Duration // to Due (status unchanged) or NextTry; 0: none
		fresh    bool
		failures int
	}{
		{"throttled", claimed(), fault.Throttled, Requested, 3, 2 * time.Minute, false, 0},
		{"throttled, waiting for AD", claimed(status(WaitingForDirectory)), fault.Throttled, WaitingForDirectory, 3, 2 * time.Minute, false, 0},
		{"unavailable, sent often", claimed(func(a *Assignment) { a.Send = 9 }), fault.Unavailable, Requested, 3, 15 * time.Minute, false, 0},
		{"unknown", claimed(), fault.Unknown, Requested, 3, 2 * time.Minute, false, 0},
		{"not in AD", claimed(), fault.NotInDirectory, WaitingForDirectory, 4, hour / 2, false, 1},
		{"not in AD, often", claimed(series(20, 27)), fault.NotInDirectory, WaitingForDirectory, 4, 6 * hour, false, 21},
		{"not in AD for 28 days", claimed(series(20, 28)), fault.NotInDirectory, Failed, 4, 0, true, 21},
		{"not ours", claimed(), fault.AlreadyExists, Foreign, 4, 0, true, 0},
		{"rejected", claimed(), fault.Rejected, Failed, 4, 6 * hour, true, 1},
		{"rejected twice", claimed(series(1, 1)), fault.Rejected, Failed, 4, 12 * hour, true, 2},
		{"rejected for days", claimed(series(9, 9)), fault.Rejected, Failed, 4, 24 * hour, true, 10},
		{"rejected for 28 days", claimed(series(30, 28)), fault.Rejected, Failed, 4, 0, true, 31},
		{"not found", claimed(), fault.NotFound, Failed, 4, 6 * hour, true, 1},
		{"quota", claimed(), fault.QuotaReached, Failed, 4, hour / 2, true, 1},
		{"quota for a year: never given up", claimed(series(999, 365)), fault.QuotaReached, Failed, 4, 6 * hour, true, 1000},
		{"capacity", claimed(), fault.NoCapacity, Failed, 4, hour / 2, true, 1},
		{"misconfigured", claimed(series(1, 0)), fault.Misconfigured, Failed, 4, hour, true, 2},
		{"denied", claimed(), fault.Denied, Failed, 4, hour / 2, true, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := c.before.Refused(c.kind, "the service's words", outcomeNow)
			if a.Status != c.status || a.Attempt != c.attempt || a.Fresh != c.fresh || a.Failures != c.failures {
				t.Errorf("%s, attempt %d, fresh %t, failures %d", a.Status, a.Attempt, a.Fresh, a.Failures)
			}
			if Settles(c.kind) != (c.attempt != 3) {
				t.Errorf("Settles says %t of %s", Settles(c.kind), c.kind)
			}
			if a.Reason != (Reason{string(c.kind), "the service's words"}) {
				t.Errorf("reason %+v", a.Reason)
			}
			next := a.NextTry
			if c.attempt == 3 {
				next = a.Due
				if a.Intent != Create || a.Claimed != c.before.Claimed {
					t.Errorf("an outcome that is not known must keep the claim: %+v", a)
				}
			} else if a.Intent != NoIntent || !a.Maybe().IsZero() || (c.fresh && a.Due != outcomeNow) {
				t.Errorf("a known outcome ends the attempt: %+v", a)
			}
			if want := outcomeNow.Add(c.next); (c.next != 0 && next != want) || (c.next == 0 && !next.IsZero()) {
				t.Errorf("next %s, want %s", next, c.next)
			}
		})
	}
}

// series is a series of n failures that began so many days ago.
func series(n, days int) func(*Assignment) {
	return func(a *Assignment) { a.Failures, a.Failing = n, outcomeNow.AddDate(0, 0, -days) }
}

// What a look does, for every status.
func TestLooked(t *testing.T) {
	made := func(s Status, age time.Duration) Assignment {
		return claimed(func(a *Assignment) {
			a.Status, a.WorkSpace, a.Intent, a.Since = s, "ws-1", Check, outcomeNow.Add(-age)
		})
	}
	see := func(s desktop.State) desktop.Desktop {
		return desktop.Desktop{ID: "ws-1", State: s, ErrorCode: "E.Code", ErrorMessage: "words"}
	}
	full := see(desktop.Errored)
	full.ErrorKind = fault.NoCapacity
	cases := []struct {
		name   string
		before Assignment
		seen   desktop.Desktop
		status Status
		code   string
		due    time.Duration // from now; -1: none
		intent Intent
	}{
		{"available", made(Provisioning, time.Hour), see(desktop.Available), Provisioned, "", 0, NoIntent},
		{"stopped is made too", made(Provisioning, time.Hour), see(desktop.Stopped), Provisioned, "", 0, NoIntent},
		{"pending, young", made(Provisioning, time.Minute), see(desktop.Pending), Provisioning, "", time.Minute, Check},
		{"pending, older", made(Provisioning, 20*time.Minute), see(desktop.Pending), Provisioning, "", 5 * time.Minute, Check},
		{"pending, old", made(Provisioning, 80*time.Minute), see(desktop.Pending), Provisioning, "", 10 * time.Minute, Check},
		{"pending at the deadline", made(Provisioning, MadeWithin), see(desktop.Pending), Failed, DesktopError, 0, NoIntent},
		{"being terminated by somebody", made(Provisioning, time.Minute), see(desktop.Terminating), Provisioning, "", time.Minute, Check},
		{"error", made(Provisioning, time.Minute), see(desktop.Errored), Failed, DesktopError, 0, NoIntent},
		{"error that is known", made(Provisioning, time.Minute), full, Failed, "NoCapacity", 0, NoIntent},
		{"failed, and came up after all", made(Failed, time.Hour), see(desktop.Available), Provisioned, "", 0, NoIntent},
		{"missing, and is there", made(Missing, time.Hour), see(desktop.Available), Provisioned, "", 0, NoIntent},
		{"provisioned stays, whatever its health", made(Provisioned, time.Hour), see(desktop.Errored), Provisioned, "", -1, NoIntent},
		{"in grace stays", made(InGrace, time.Hour), see(desktop.Available), InGrace, "", -1, NoIntent},
		{"deprovisioning stays", made(Deprovisioning, time.Hour), see(desktop.Available), Deprovisioning, "", -1, NoIntent},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := c.before.Looked(c.seen, outcomeNow)
			if a.Status != c.status || a.Reason.Code != c.code || a.Intent != c.intent || a.WorkSpace != "ws-1" {
				t.Errorf("%+v", a)
			}
			if want := outcomeNow.Add(c.due); (c.due >= 0 && a.Due != want) || (c.due < 0 && !a.Due.IsZero()) {
				t.Errorf("due %s, want %s", a.Due, c.due)
			}
			if (a.Attempt == c.before.Attempt) != (c.intent == Check) {
				t.Errorf("attempt %d: it changes with the outcome, and only then", a.Attempt)
			}
			if c.status == Provisioned && c.before.Status != Provisioned && (a.Ready != outcomeNow || !a.Fresh || a.Failures != 0) {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestClaim(t *testing.T) {
	unclaimed := claimed(func(a *Assignment) { a.Claimed, a.Directory, a.Choice = time.Time{}, "", "" })
	a, err := unclaimed.Claim(3, outcomeLane, "d-2", "numbers", outcomeNow)
	if err != nil || a.Directory != "d-2" || a.Choice != "numbers" || a.Claimed != outcomeNow || a.Attempt != 3 {
		t.Errorf("%+v, %v", a, err)
	}
	again, err := a.Claim(3, outcomeLane, "d-9", "others", outcomeNow.Add(time.Hour))
	if !again.Called.Equal(outcomeNow.Add(time.Hour)) {
		t.Errorf("a claim notes the call that it is for: %s", again.Called)
	}
	again.Called = a.Called
	if diff := cmp.Diff(a, again); diff != "" || err != nil {
		t.Errorf("a claim keeps the directory and the time of the first one (%v):\n%s", err, diff)
	}
	for name, stale := range map[string]Assignment{
		"another attempt": claimed(func(a *Assignment) { a.Attempt = 4 }),
		"another intent":  claimed(func(a *Assignment) { a.Intent = Check }),
		"has a desktop":   claimed(func(a *Assignment) { a.WorkSpace = "ws-1" }),
	} {
		if got, err := stale.Claim(3, outcomeLane, "d-2", "", outcomeNow); !errors.Is(err, ErrStale) || got.Directory != "d-1" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// When something may have been made: at the last call that is not known to have left nothing.
func TestMaybe(t *testing.T) {
	first, second := outcomeNow, outcomeNow.Add(20*time.Minute)
	claim := func(a Assignment, at time.Time) Assignment {
		a, err := a.Claim(3, outcomeLane, "d-1", "", at)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	never := claimed(func(a *Assignment) { a.Claimed = time.Time{} })
	once := claim(never, first)
	twice := claim(once, second)
	cases := []struct {
		name string
		a    Assignment
		want time.Time
	}{
		{"never called", never, time.Time{}},
		{"called once", once, first},
		{"called twice", twice, second},
		{"the second call left nothing", twice.Postponed(Reason{}, once.Maybe(), time.Minute, second), first},
		{"the second call left nothing, the look failed", twice.Doubted(fault.Denied, "no", once.Maybe(), second), first},
		{"the only call left nothing, as is believed", once.Postponed(Reason{}, never.Maybe(), time.Minute, first), first},
		{"written before there was such a field", claimed(func(a *Assignment) { a.Claimed = first }), first},
		{"refused for good", twice.Refused(fault.Denied, "no", second), time.Time{}},
		{"asked for anew", twice.Request(second, second), time.Time{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.a.Maybe(); !got.Equal(c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	doubted := twice.Doubted(fault.Denied, "no", first, second)
	if doubted.Attempt != 3 || doubted.Intent != Create || doubted.Status != Requested || doubted.Due != second.Add(2*time.Minute) || doubted.Reason.Code != "Denied" {
		t.Errorf("a refusal in doubt settles nothing: %+v", doubted)
	}
}

// A desktop that exists is recorded in whatever status the item is by then.
func TestAccepted(t *testing.T) {
	m := Made{WorkSpace: "ws-1", Lane: outcomeLane, Directory: "d-1", UserName: "u1"}
	for _, s := range append([]Status{""}, Statuses...) {
		before := claimed(status(s), func(a *Assignment) { a.Attempt, a.Intent = 9, NoIntent })
		a, err := before.Accepted(m, outcomeNow)
		if err != nil || a.Status != Provisioning || a.WorkSpace != "ws-1" || a.Intent != Check || a.Attempt != 10 || a.Since != outcomeNow {
			t.Errorf("%q: %+v, %v", s, a, err)
		}
		twice, err := a.Accepted(m, outcomeNow.Add(time.Hour))
		if diff := cmp.Diff(a, twice); diff != "" || err != nil {
			t.Errorf("%q, twice: %v\n%s", s, err, diff)
		}
		m2 := m
		m2.WorkSpace = "ws-2"
		if second, err := a.Accepted(m2, outcomeNow); !errors.Is(err, ErrSecondDesktop) || second.WorkSpace != "ws-1" {
			t.Errorf("%q: a second desktop: %+v, %v", s, second, err)
		}
	}
	elsewhere := m
	elsewhere.Directory = "d-2"
	if a, err := claimed().Accepted(elsewhere, outcomeNow); err != nil || a.Directory != "d-2" || a.Choice != "" {
		t.Errorf("the reasons for another directory must not stay: %+v, %v", a, err)
	}
}

func TestGoneAndNothingMade(t *testing.T) {
	a := claimed(status(Provisioning), func(a *Assignment) { a.WorkSpace = "ws-1" }).Gone(outcomeNow)
	if a.Status != Missing || a.WorkSpace != "" || !strings.Contains(a.Reason.Text, "ws-1") || a.NextTry.IsZero() || !a.Fresh {
		t.Errorf("%+v", a)
	}
	a = claimed().NothingMade(outcomeNow)
	if a.Status != NotEntitled || !a.Claimed.IsZero() || a.Directory != "" || !a.Fresh || a.Attempt != 4 {
		t.Errorf("%+v", a)
	}
}

// The history: one line for each change of status, the same line when written twice.
func TestTold(t *testing.T) {
	before := claimed()
	after, err := before.Accepted(Made{WorkSpace: "ws-1", Lane: outcomeLane, Directory: "d-1", UserName: "u1"}, outcomeNow)
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{{
		Key: before.Key, At: outcomeNow, ID: "000003-Provisioning", What: "Provisioning", Before: Requested,
		After: Provisioning, Actor: "worker", Profile: "sales", Detail: "ws-1",
	}}
	if diff := cmp.Diff(want, Told(before, after, outcomeNow, "ws-1")); diff != "" {
		t.Error(diff)
	}
	if got := Told(before, before.Refused(fault.Throttled, "", outcomeNow), outcomeNow, ""); got != nil {
		t.Errorf("no change of status, and yet %v", got)
	}
	if e := ToldSecond(after, Made{WorkSpace: "ws-2"}, outcomeNow); e.ID == fmt.Sprintf("%06d-Provisioning", after.Attempt) || !strings.Contains(e.Detail, "ws-2") {
		t.Errorf("%+v", e)
	}
}

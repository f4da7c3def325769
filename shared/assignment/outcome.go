package assignment

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// The worker's transitions. Each returns the assignment as it should be written; none of them writes.
//
//	what the worker learnt                      then                  next look                  planner hears
//	------------------------------------------  --------------------  -------------------------  -------------
//	accepted, or found again and it is ours     Provisioning, check   2 minutes                  no
//	throttled, unavailable, outcome unknown     as it was             2 to 15 minutes            no
//	refused, an earlier outcome still unknown   as it was             2 to 15 minutes            no
//	NotInDirectory                              WaitingForDirectory   30 minutes, growing to 6 h no
//	NotInDirectory for 28 days                  Failed, given up      never                      yes
//	a desktop that is not ours                  Foreign               never                      yes
//	Rejected                                    Failed                6 h, 12 h, 24 h, daily     yes
//	Rejected for 28 days                        Failed, given up      never                      yes
//	quota, capacity, misconfigured, denied      Failed                30 minutes, growing to 6 h yes
//	the desktop is usable                       Provisioned           never                      yes
//	still being made                            as it was             60 s, growing to 10 min    no
//	in state ERROR, or not made in 90 minutes   Failed (DesktopError) 6 h, 12 h, 24 h, daily     yes
//	gone                                        Missing               an hour                    yes
//	withdrawn, and nothing was made             NotEntitled           never                      yes

// ErrStale says that an order is out of date: the item's attempt or intent is another by now.
var ErrStale = errors.New("the order is out of date")

// ErrSecondDesktop says that an assignment has a WorkSpace id already, and it is another one.
var ErrSecondDesktop = errors.New("the person has another desktop recorded")

// DesktopError is the reason code of a desktop that WorkSpaces accepted and then could not make.
const DesktopError = "DesktopError"

// The worker's times.
const (
	// VisibleWithin is how long a new WorkSpace may stay invisible before that means anything. The service
	// documents that an id is not immediately available, and gives no number.
	// https://docs.aws.amazon.com/workspaces/latest/api/API_CreateWorkspaces.html
	VisibleWithin = 10 * time.Minute
	// MadeWithin is the deadline of a new desktop: 20 minutes are documented, 40 encrypted, an hour at worst.
	// https://docs.aws.amazon.com/workspaces/latest/adminguide/encrypt-workspaces.html
	MadeWithin = 90 * time.Minute
	// GiveUpAfter ends a series of failures that are the person's own.
	GiveUpAfter = 28 * 24 * time.Hour

	firstLook = 2 * time.Minute
)

// Current reports ErrStale unless the assignment still waits for this attempt at this intent.
func (a Assignment) Current(intent Intent, attempt int) error {
	if a.Intent != intent || a.Attempt != attempt {
		return fmt.Errorf("%s: asked for %s, attempt %d; the ledger says %q, attempt %d: %w",
			a.Key, intent, attempt, a.Intent, a.Attempt, ErrStale)
	}
	return nil
}

// Claim takes an order for a create up, before the call: what may exist from now on is in that directory. A
// directory that was chosen before is kept, and so is the time of the first claim. ErrStale where the order is out
// of date or the person has a desktop.
func (a Assignment) Claim(attempt int, lane desktop.Lane, directory, choice string, now time.Time) (Assignment, error) {
	if err := a.Current(Create, attempt); err != nil {
		return a, err
	}
	if a.WorkSpace != "" {
		return a, fmt.Errorf("%s has desktop %s: %w", a.Key, a.WorkSpace, ErrStale)
	}
	if a.Claimed.IsZero() {
		a.Claimed = now // the first one: from then on something may exist
	}
	if a.Directory == "" {
		a.Directory, a.Choice = directory, choice
	}
	a.Lane, a.Called = lane, now
	return a, nil
}

// Elsewhere takes the claim to another directory, after a refusal that is known to have left nothing in the first.
func (a Assignment) Elsewhere(attempt int, directory, choice string) (Assignment, error) {
	if err := a.Current(Create, attempt); err != nil {
		return a, err
	}
	a.Directory, a.Choice = directory, choice
	return a, nil
}

// Made is a desktop that exists for a person.
type Made struct {
	WorkSpace string // ws-…
	Lane      desktop.Lane
	Directory string
	UserName  string
}

// Accepted records a desktop that WorkSpaces has accepted, or that was found again and is ours. It asks for no
// attempt: what exists must be known, even where the planner has changed its mind meanwhile. The error is
// ErrSecondDesktop where the person has another one.
func (a Assignment) Accepted(m Made, now time.Time) (Assignment, error) {
	if a.WorkSpace == m.WorkSpace && a.WorkSpace != "" {
		return a, nil
	}
	if a.WorkSpace != "" {
		return a, fmt.Errorf("%s holds %s and now also %s: %w", a.Key, a.WorkSpace, m.WorkSpace, ErrSecondDesktop)
	}
	if m.Directory != a.Directory {
		a.Choice = ""
	}
	a.WorkSpace, a.Lane, a.Directory, a.UserName = m.WorkSpace, m.Lane, m.Directory, m.UserName
	a = a.become(Provisioning, now)
	a.Since = now
	a.Reason, a.NextTry, a.Fresh = Reason{}, time.Time{}, false
	a.Attempt, a.Intent, a.Send = a.Attempt+1, Check, 0
	a.Due = now.Add(firstLook)
	return a, nil
}

// Again leaves the order as it is, to be sent again soon: the service was busy or away, or the outcome is not
// known. No attempt is burned, and what was claimed stays claimed: something may exist.
func (a Assignment) Again(why Reason, after time.Duration, now time.Time) Assignment {
	a.Reason, a.Due = why, now.Add(after)
	return a
}

// Maybe is when the last call was made that may have left a desktop, or zero where nothing was called.
func (a Assignment) Maybe() time.Time {
	if a.Called.After(a.Claimed) && !a.Claimed.IsZero() {
		return a.Called
	}
	return a.Claimed
}

// Postponed leaves the order as it is, like Again, after a call that is known to have left nothing: what an earlier
// one left, at the time maybe (zero: there was none), is still not known.
func (a Assignment) Postponed(why Reason, maybe time.Time, after time.Duration, now time.Time) Assignment {
	a.Called = maybe
	return a.Again(why, after, now)
}

// Doubted is a refusal that does not count yet: an earlier call of the attempt may have left a desktop, and the
// look for it, which failed in this way, could not be taken.
func (a Assignment) Doubted(kind fault.Kind, text string, maybe time.Time, now time.Time) Assignment {
	return a.Postponed(Reason{Code: string(kind), Text: text}, maybe, step(againSteps, a.Send), now)
}

// Settles reports whether a refusal of a kind ends the attempt, so that nothing is believed to exist after it. All
// others leave the outcome unknown.
func Settles(kind fault.Kind) bool {
	return slices.Contains([]fault.Kind{
		fault.NotInDirectory, fault.AlreadyExists, fault.Rejected, fault.NotFound,
		fault.QuotaReached, fault.NoCapacity, fault.Misconfigured, fault.Denied,
	}, kind)
}

// Refused records an outcome of a kind; text is the service's own words. Where the kind Settles, the claim is
// forgotten: no earlier call of the attempt may have left a desktop.
func (a Assignment) Refused(kind fault.Kind, text string, now time.Time) Assignment {
	why := Reason{Code: string(kind), Text: text}
	switch kind {
	case fault.NotInDirectory:
		return a.wait(why, now)
	case fault.AlreadyExists:
		return a.settle(Foreign, why, now)
	case fault.Rejected, fault.NotFound:
		return a.fail(why, rejectedSteps, GiveUpAfter, now)
	case fault.QuotaReached, fault.NoCapacity, fault.Misconfigured, fault.Denied:
		return a.fail(why, brokenSteps, 0, now)
	default: // Throttled, Unavailable, and what nobody has classified: the outcome is not known
		return a.Again(why, step(againSteps, a.Send), now)
	}
}

var (
	againSteps    = []time.Duration{2 * time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute}
	rejectedSteps = []time.Duration{6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
	brokenSteps   = []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour}
)

// step is the n-th wait; the last one repeats.
func step(steps []time.Duration, n int) time.Duration { return steps[min(max(n, 0), len(steps)-1)] }

// wait is somebody whom the directory does not know yet.
func (a Assignment) wait(why Reason, now time.Time) Assignment {
	if !a.Failing.IsZero() && now.Sub(a.Failing) >= GiveUpAfter {
		return a.fail(why, brokenSteps, GiveUpAfter, now)
	}
	n := a.Failures
	a = a.settle(WaitingForDirectory, why, now).count(now)
	a.NextTry = now.Add(step(brokenSteps, n))
	a.Due, a.Fresh = a.NextTry, false
	return a
}

// fail is a failure with a next try, or without one when the series is older than giveUp (zero: never).
func (a Assignment) fail(why Reason, steps []time.Duration, giveUp time.Duration, now time.Time) Assignment {
	n := a.Failures
	a = a.settle(Failed, why, now).count(now)
	if giveUp > 0 && now.Sub(a.Failing) >= giveUp {
		return a
	}
	a.NextTry = now.Add(step(steps, n))
	return a
}

func (a Assignment) count(now time.Time) Assignment {
	if a.Failing.IsZero() {
		a.Failing = now
	}
	a.Failures++
	return a
}

// settle ends the attempt with a status that the planner is to hear of at once.
func (a Assignment) settle(status Status, why Reason, now time.Time) Assignment {
	a = a.become(status, now)
	a.Reason, a.NextTry = why, time.Time{}
	a.Attempt, a.Intent, a.Send = a.Attempt+1, NoIntent, 0
	a.Claimed, a.Called = time.Time{}, time.Time{}
	a.Fresh, a.Due = true, now
	return a
}

// Looked records how the desktop was seen to be. Only a desktop that is being made, or failed to be, changes its
// status; for every other status the look is noted and nothing else.
func (a Assignment) Looked(d desktop.Desktop, now time.Time) Assignment {
	making := a.Status == Provisioning || a.Status == Failed || a.Status == Missing
	switch {
	case !making:
		a.Intent, a.Attempt, a.Send, a.Due = NoIntent, a.Attempt+1, 0, time.Time{}
		return a
	case d.State.Usable():
		a = a.settle(Provisioned, Reason{}, now)
		a.Ready, a.Failures, a.Failing = now, 0, time.Time{}
		return a
	case d.State == desktop.Errored:
		return a.fail(Reason{Code: errorCode(d), Text: errorText(d)}, rejectedSteps, GiveUpAfter, now)
	case now.Sub(a.Since) >= MadeWithin:
		return a.fail(Reason{Code: DesktopError, Text: fmt.Sprintf("Desktop %s is still %s, %d minutes after WorkSpaces accepted it.",
			a.WorkSpace, d.State, int(now.Sub(a.Since).Minutes()))}, rejectedSteps, GiveUpAfter, now)
	}
	a.Due = now.Add(min(max(now.Sub(a.Since)/4, time.Minute), 10*time.Minute))
	return a
}

// errorCode is DesktopError, or the kind where the edge knows what the service's code means.
func errorCode(d desktop.Desktop) string {
	if d.ErrorKind != fault.None {
		return string(d.ErrorKind)
	}
	return DesktopError
}

func errorText(d desktop.Desktop) string {
	text := "Desktop " + d.ID + " is in state ERROR"
	if d.ErrorCode != "" {
		text += " (" + d.ErrorCode + ")"
	}
	if d.ErrorMessage != "" {
		text += ": " + d.ErrorMessage
	}
	return text
}

// Unseen is a desktop that the service does not show yet; within VisibleWithin that means nothing.
func (a Assignment) Unseen(now time.Time) Assignment {
	a.Due = now.Add(time.Minute)
	return a
}

// Gone is a desktop that was ours and is no more, not by our doing. Its id is told and then let go.
func (a Assignment) Gone(now time.Time) Assignment {
	why := Reason{Code: "Gone", Text: "Desktop " + a.WorkSpace + " is gone, and not by rollcall's doing."}
	a = a.settle(Missing, why, now)
	a.WorkSpace = ""
	a.NextTry = now.Add(time.Hour)
	return a
}

// NothingMade settles a request that was withdrawn while its outcome was not known: nothing of ours is there.
func (a Assignment) NothingMade(now time.Time) Assignment {
	a = a.settle(NotEntitled, Reason{Code: "Withdrawn", Text: "The request was withdrawn; no desktop had been made."}, now)
	a.Directory, a.Choice = "", ""
	return a
}

// Unanswered notes why a look could not be taken; the status says what is known, so it stays.
func (a Assignment) Unanswered(kind fault.Kind, text string, now time.Time) Assignment {
	return a.Again(Reason{Code: string(kind), Text: text}, 15*time.Minute, now)
}

// Told is the line of history for a change of status by the worker, or none where the status is the same.
func Told(before, after Assignment, now time.Time, detail string) []Event {
	if before.Status == after.Status {
		return nil
	}
	return []Event{line(before, after, string(after.Status), now, detail)}
}

// ToldSecond is the line of history for a second desktop that turned up: its id must be known somewhere.
func ToldSecond(a Assignment, m Made, now time.Time) Event {
	e := line(a, a, "SecondDesktop", now, m.WorkSpace+" in "+m.Directory+", "+m.Lane.String())
	e.ID += "-" + m.WorkSpace
	e.Reason = Reason{Code: "SecondDesktop", Text: "Desktop " + m.WorkSpace + " exists beside " + a.WorkSpace + "."}
	return e
}

func line(before, after Assignment, what string, now time.Time, detail string) Event {
	return Event{
		Key: after.Key, At: now, ID: fmt.Sprintf("%06d-%s", before.Attempt, what), What: what,
		Before: before.Status, After: after.Status, Reason: after.Reason, Actor: "worker",
		Profile: after.Profile, Detail: detail,
	}
}

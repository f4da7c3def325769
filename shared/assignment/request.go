package assignment

import "time"

// The planner's transitions. Each returns the assignment as it should be written; none of them writes.

// Request begins a new attempt to create a desktop: the order goes out right after the item is written, and is
// sent again at due unless a worker has recorded an outcome. The directory is chosen anew. Only for somebody who
// holds no desktop and whose last attempt, if there was one, is known to have left nothing.
func (a Assignment) Request(now, due time.Time) Assignment {
	if a.Joined.IsZero() {
		a.Joined = now
	}
	a = a.become(Requested, now)
	a.Intent, a.Attempt, a.Send = Create, a.Attempt+1, 1
	a.Claimed, a.Directory, a.Choice, a.WorkSpace = time.Time{}, "", "", ""
	a.Due, a.NextTry, a.Reason = due, time.Time{}, Reason{}
	return a
}

// SendAgain sends the same attempt once more, with another send number for the queue's deduplication.
func (a Assignment) SendAgain(due time.Time) Assignment {
	a.Send++
	a.Due = due
	return a
}

// LookAgain asks how the desktop is getting on. The attempt changes if something else was asked before.
func (a Assignment) LookAgain(due time.Time) Assignment {
	if a.Intent != Check {
		a.Intent, a.Attempt, a.Send = Check, a.Attempt+1, 0
	}
	return a.SendAgain(due)
}

// HoldBack is a request that a safety stage does not let through.
func (a Assignment) HoldBack(now time.Time, why Reason) Assignment {
	if a.Joined.IsZero() {
		a.Joined = now
	}
	a = a.become(Held, now)
	a.Intent, a.Reason, a.Due = NoIntent, why, time.Time{}
	return a
}

// Dismiss is a person who has nothing and is to have nothing. An order that may still be on the queue is fenced
// off: the attempt changes with the intent.
func (a Assignment) Dismiss(now time.Time, why Reason) Assignment {
	if a.Intent != NoIntent {
		a.Attempt++
	}
	a = a.become(NotEntitled, now)
	a.Intent, a.Send, a.Reason = NoIntent, 0, why
	a.Due, a.NextTry, a.Claimed = time.Time{}, time.Time{}, time.Time{}
	a.Failures, a.Failing = 0, time.Time{}
	return a
}

// become changes the status and notes since when.
func (a Assignment) become(status Status, now time.Time) Assignment {
	if a.Status != status {
		a.Status, a.Since = status, now
	}
	return a
}

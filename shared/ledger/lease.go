package ledger

import (
	"context"
	"fmt"
	"time"

	"rollcall/shared/fault"
	"rollcall/shared/lease"
)

// leaseTries is how often Acquire tries while the lease changes hands under it.
const leaseTries = 3

func leaseKey() item { return key("LEASE", "PLANNER") }

// Acquire takes the lease for ttl where it is free or has ended by now; else the error is a *lease.HeldError, which
// says who holds it. Each acquisition has a higher generation than all before.
//
// A holder is a name for people ("run by the schedule") and two runs may share it, so the name alone takes nothing:
// who wants a longer lease Renews it. Each call has an id of its own, by which an acquisition whose answer was lost
// is known again.
func (l *Ledger) Acquire(ctx context.Context, holder string, now time.Time, ttl time.Duration) (lease.Lease, error) {
	const doing = "acquiring the lease"
	if holder == "" || ttl <= 0 {
		return lease.Lease{}, fault.New(fault.Rejected, doing+": it needs a holder and a time to live")
	}
	id := newWriteID()
	for range leaseTries {
		it, err := l.update(ctx, leaseKey(),
			"SET #generation = if_not_exists(#generation, :zero) + :one, #holder = :holder, "+
				"#since = :now, #until = :until, #writeId = :id",
			"attribute_not_exists(#until) OR #until <= :now",
			item{
				":zero": number(0), ":one": number(1), ":holder": text(holder), ":id": id,
				":now": text(stamp(now)), ":until": text(stamp(now.Add(ttl))),
			}, doing)
		if err == nil {
			return l.leaseFrom(it, doing)
		}
		if !fault.Is(err, fault.Conflict) {
			return lease.Lease{}, err
		}
		there, err := l.get(ctx, leaseKey(), doing)
		if err != nil {
			return lease.Lease{}, err
		}
		held, err := l.leaseFrom(there, doing)
		if err != nil || sameText(there[attrWriteID], id) {
			return held, err
		}
		if held.Until.After(now) {
			return lease.Lease{}, &lease.HeldError{Lease: held}
		}
	}
	return lease.Lease{}, fault.New(fault.Conflict, doing+": it changed hands each time that it was read")
}

// Lease reads who has the lease. Holder is empty where it was released or never taken; it may have ended.
func (l *Ledger) Lease(ctx context.Context) (lease.Lease, error) {
	const doing = "reading the lease"
	it, err := l.get(ctx, leaseKey(), doing)
	if err != nil {
		return lease.Lease{}, err
	}
	return l.leaseFrom(it, doing)
}

func (l *Ledger) leaseFrom(it item, doing string) (lease.Lease, error) {
	var stored struct {
		Generation int64  `json:"generation"`
		Holder     string `json:"holder"`
	}
	err := decode(it, &stored)
	held := lease.Lease{Generation: stored.Generation, Holder: stored.Holder}
	if err == nil {
		held.Since, err = readStamp(it, "since")
	}
	if err == nil {
		held.Until, err = readStamp(it, "until")
	}
	if err != nil {
		return lease.Lease{}, l.unreadable(it, err, doing)
	}
	return held, nil
}

// Renew makes the lease last ttl from now. It may have ended, as long as nobody took or released it: then the error
// is fault.Conflict, and the planner must stop.
func (l *Ledger) Renew(ctx context.Context, held lease.Lease, now time.Time, ttl time.Duration) (lease.Lease, error) {
	doing := fmt.Sprintf("renewing the lease of %s, generation %d", held.Holder, held.Generation)
	it, err := l.update(ctx, leaseKey(), "SET #until = :until", "#generation = :generation AND attribute_exists(#until)",
		item{":until": text(stamp(now.Add(ttl))), ":generation": number(held.Generation)}, doing)
	if err != nil {
		return held, err
	}
	return l.leaseFrom(it, doing)
}

// Release gives the lease back; releasing it twice is no error. Where somebody else has taken it the error is
// fault.Conflict and nothing is changed. The generation stays, so that the next holder's is higher.
func (l *Ledger) Release(ctx context.Context, held lease.Lease) error {
	doing := fmt.Sprintf("releasing the lease of %s, generation %d", held.Holder, held.Generation)
	_, err := l.update(ctx, leaseKey(), "REMOVE #holder, #until", "#generation = :generation",
		item{":generation": number(held.Generation)}, doing)
	return err
}

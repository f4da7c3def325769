package lane

import (
	"context"
	"slices"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// check looks how desktops are getting on, 25 a call; and, for people whose request was withdrawn while nobody knew
// its outcome, whether there is one at all.
func (r *run) check(ctx context.Context, jobs []*job) {
	var made, unknown []*order
	for _, o := range r.orders(ctx, jobs, assignment.Check) {
		if o.item.WorkSpace == "" {
			unknown = append(unknown, o)
		} else {
			made = append(made, o)
		}
	}
	each(r.overlap(), slices.Collect(slices.Chunk(made, mostPerCall)), func(batch []*order) {
		r.guard(ctx, messagesIn(batch), func() { r.look(ctx, batch) })
	})
	each(r.overlap(), unknown, func(o *order) {
		r.guard(ctx, []Message{o.job.Message}, func() { r.settleWithdrawn(ctx, o) })
	})
}

// look describes the desktops of at most 25 orders and records how they were seen to be.
func (r *run) look(ctx context.Context, orders []*order) {
	if r.outOfTime(ctx) {
		r.count("left for lack of time", len(orders))
		return
	}
	ids := make([]string, len(orders))
	for i, o := range orders {
		ids[i] = o.item.WorkSpace
	}
	callCtx, cancel := r.callTime(ctx)
	found, err := r.account.Describe(callCtx, ids)
	cancel()
	switch kind := fault.Of(err); {
	case kind == fault.Rejected && len(orders) > 1: // one bad id must not hide the others
		r.look(ctx, orders[:len(orders)/2])
		r.look(ctx, orders[len(orders)/2:])
	case err != nil:
		each(writers, orders, func(o *order) { r.unanswered(ctx, o, err) })
	default:
		each(writers, orders, func(o *order) {
			if d, ok := found[o.item.WorkSpace]; ok {
				r.seen(ctx, o, d)
			} else {
				r.unseen(ctx, o)
			}
		})
	}
}

// unanswered notes a look that could not be taken. What passes by itself is not worth a write: the item is due again.
func (r *run) unanswered(ctx context.Context, o *order, err error) {
	kind := fault.Of(err)
	r.count(string(kind), 1)
	if kind.Passing() || kind == fault.Unknown {
		r.log().WarnContext(ctx, "looking at a desktop", "person", o.Key.String(), "error", err)
		return
	}
	r.note(ctx, o, "", func(a assignment.Assignment) assignment.Assignment {
		return a.Unanswered(kind, err.Error(), r.Clock.Now())
	})
}

func (r *run) seen(ctx context.Context, o *order, d desktop.Desktop) {
	r.count("seen "+string(d.State), 1)
	detail := d.ID + " is " + string(d.State)
	if d.ErrorCode != "" {
		detail += ", " + d.ErrorCode
	}
	r.note(ctx, o, detail, func(a assignment.Assignment) assignment.Assignment { return a.Looked(d, r.Clock.Now()) })
}

// unseen is a desktop that the service does not show. For a new one that means nothing at first; later its user
// name is asked for, and only if that does not show it either is it gone.
func (r *run) unseen(ctx context.Context, o *order) {
	if o.item.Status == assignment.Provisioning && r.Clock.Now().Sub(o.item.Since) < assignment.VisibleWithin {
		r.count("not visible yet", 1)
		r.note(ctx, o, "", func(a assignment.Assignment) assignment.Assignment { return a.Unseen(r.Clock.Now()) })
		return
	}
	callCtx, cancel := r.callTime(ctx)
	found, err := r.account.Find(callCtx, o.item.Directory, o.item.UserName)
	cancel()
	if err != nil {
		r.unanswered(ctx, o, err)
		return
	}
	i := slices.IndexFunc(found, func(d desktop.Desktop) bool { return d.ID == o.item.WorkSpace })
	if i >= 0 {
		r.seen(ctx, o, found[i])
		return
	}
	r.count("gone", 1)
	r.note(ctx, o, o.item.WorkSpace, func(a assignment.Assignment) assignment.Assignment { return a.Gone(r.Clock.Now()) })
}

// settleWithdrawn finds out whether a create that nobody wants any more has made a desktop. What is ours is
// recorded, and the planner decides what becomes of it; that nothing is there counts only once it would show.
func (r *run) settleWithdrawn(ctx context.Context, o *order) {
	if o.item.Status != assignment.Requested {
		r.count("out of date", 1)
		return
	}
	if r.outOfTime(ctx) {
		r.count("left for lack of time", 1)
		return
	}
	var v verdict
	if o.item.Directory != "" && o.item.UserName != "" {
		var err error
		if v, err = r.holds(ctx, o, o.item.Directory, o.item.UserName); err != nil {
			r.unanswered(ctx, o, err)
			return
		}
	}
	visibleAt := o.maybe.Add(assignment.VisibleWithin)
	switch now := r.Clock.Now(); {
	case v.ours != nil:
		r.accept(ctx, o, *v.ours, "found again")
	case v.foreign == "" && now.Before(visibleAt):
		r.later(ctx, o, assignment.Check, "Nothing is there yet; a new desktop may take some minutes to show.", visibleAt.Sub(now))
	default:
		r.count("nothing made", 1)
		r.note(ctx, o, "", func(a assignment.Assignment) assignment.Assignment { return a.NothingMade(r.Clock.Now()) })
	}
}

// note records a look, unless the order is out of date by now.
func (r *run) note(ctx context.Context, o *order, detail string, change func(assignment.Assignment) assignment.Assignment) {
	looked := o.item.WorkSpace
	r.record(ctx, o, detail, func(a assignment.Assignment) (assignment.Assignment, error) {
		if err := a.Current(assignment.Check, o.Attempt); err != nil {
			return a, err
		}
		if a.WorkSpace != looked {
			return a, assignment.ErrStale
		}
		return change(a), nil
	})
}

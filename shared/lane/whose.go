package lane

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// verdict says whose the desktops are that were found for a user name.
type verdict struct {
	ours    *desktop.Desktop // ours by its tags, and not on its way out
	foreign string           // one that is not ours; a sentence that says whose
	leaving string           // one that is on its way out; its id
}

// How long to wait before asking again, and how long to believe that a desktop which must exist will show up.
const (
	leavingFor = 5 * time.Minute // a termination takes about this long
	hiddenFor  = time.Hour
)

// whose finds out what "already exists" means: an earlier call of ours whose answer was lost, a desktop of
// somebody else, or one that is still being terminated. Only the tags make it ours.
func (r *run) whose(ctx context.Context, o *order) {
	maybe := o.maybe
	if !o.again() {
		maybe = o.item.Claimed
	}
	v, err := r.holds(ctx, o, o.request.Directory, o.request.UserName)
	switch {
	case err != nil:
		r.doubt(ctx, o, err, fmt.Sprintf("WorkSpaces says that %s has a desktop in %s; whose it is could not be asked: %s",
			o.request.UserName, o.request.Directory, err))
	case v != (verdict{}):
		r.settle(ctx, o, v)
	case r.Clock.Now().Sub(maybe) < hiddenFor:
		r.later(ctx, o, assignment.Create, fmt.Sprintf("WorkSpaces says that %s has a desktop in %s but does not show it yet.",
			o.request.UserName, o.request.Directory), 2*time.Minute)
	default:
		r.refused(ctx, o, fault.New(fault.AlreadyExists, fmt.Sprintf(
			"WorkSpaces says that %s has a desktop in %s but shows none: it may belong to a deleted account of the same name",
			o.request.UserName, o.request.Directory)))
	}
}

// settle records a verdict that found something.
func (r *run) settle(ctx context.Context, o *order, v verdict) {
	switch {
	case v.ours != nil:
		r.accept(ctx, o, *v.ours, "found again")
	case v.foreign != "":
		r.refused(ctx, o, fault.New(fault.AlreadyExists, v.foreign))
	default:
		r.later(ctx, o, assignment.Create, "Desktop "+v.leaving+" is still being terminated.", leavingFor)
	}
}

// leftNothing reports whether no earlier call for an order has left a desktop, before a refusal makes an end of it.
// What is ours is recorded instead of the refusal; where it is not known yet, the order stays as it is, claimed.
// A desktop that is not ours means that there is none of ours beside it: the service makes one for each user name.
func (r *run) leftNothing(ctx context.Context, o *order, refusal error) bool {
	if o.item.Directory == "" || o.item.UserName == "" { // never called: a call has both
		return true
	}
	if r.outOfTime(ctx) {
		r.count("left for lack of time", 1)
		return false
	}
	why := strings.TrimSuffix(refusal.Error(), ".")
	v, err := r.holds(ctx, o, o.item.Directory, o.item.UserName)
	visibleAt := o.maybe.Add(assignment.VisibleWithin)
	switch now := r.Clock.Now(); {
	case err != nil:
		r.doubt(ctx, o, err, fmt.Sprintf("%s; whether an earlier call has made a desktop could not be asked: %s", why, err))
	case v.ours != nil:
		r.accept(ctx, o, *v.ours, "found again")
	case v.foreign != "":
		return true
	case v.leaving != "":
		r.later(ctx, o, assignment.Create, fmt.Sprintf("%s; desktop %s is still being terminated.", why, v.leaving), leavingFor)
	case now.Before(visibleAt):
		r.later(ctx, o, assignment.Create, fmt.Sprintf(
			"%s; an earlier call may have made a desktop, which may take some minutes to show.", why), visibleAt.Sub(now))
	default:
		return true
	}
	return false
}

// doubt leaves an order as it is because a look for what a call has left could not be taken.
func (r *run) doubt(ctx context.Context, o *order, err error, text string) {
	kind := fault.Of(err)
	r.count("in doubt", 1)
	r.record(ctx, o, "", func(a assignment.Assignment) (assignment.Assignment, error) {
		if err := a.Current(assignment.Create, o.Attempt); err != nil {
			return a, err
		}
		return a.Doubted(kind, text, o.maybe, r.Clock.Now()), nil
	})
}

// holds finds the desktops of a user name in a directory and says whose they are.
func (r *run) holds(ctx context.Context, o *order, directory, userName string) (verdict, error) {
	ctx, cancel := r.callTime(ctx)
	defer cancel()
	found, err := r.account.Find(ctx, directory, userName)
	if err != nil {
		return verdict{}, err
	}
	return r.judge(ctx, o, found)
}

// judge reads the tags of what was found, until one is ours.
func (r *run) judge(ctx context.Context, o *order, found []desktop.Desktop) (verdict, error) {
	var v verdict
	owner := r.owner(o)
	for _, d := range found {
		if d.State.Leaving() {
			v.leaving = d.ID
			continue
		}
		tags, err := r.account.Tags(ctx, d.ID)
		if fault.Is(err, fault.NotFound) { // not shown yet, or gone: as if it had not been found
			continue
		}
		if err != nil {
			return verdict{}, err
		}
		if owner.Owns(tags) {
			v.ours = &d
			return v, nil
		}
		v.foreign = r.foreign(d, tags)
	}
	return v, nil
}

// foreign is the sentence that says whose a desktop is. Where it is one of our own people's, two of them share a
// user name: this is how that is known across calls.
func (r *run) foreign(d desktop.Desktop, tags map[string]string) string {
	what := fmt.Sprintf("WorkSpace %s of %s in %s (%s) ", d.ID, d.UserName, d.Directory, d.State)
	switch tags[desktop.TagInstallation] {
	case "":
		return what + "was not made by rollcall; it is left alone"
	case r.Installation:
		return what + fmt.Sprintf("belongs to another person of this installation: person %s, slot %s",
			tags[desktop.TagPerson], tags[desktop.TagSlot])
	default:
		return what + fmt.Sprintf("was made by the rollcall installation %q", tags[desktop.TagInstallation])
	}
}

// nowhereElse looks, for people with several directories to choose from, whether they hold a desktop in one of
// those already; the service refuses a second one only within a directory. Who was claimed before keeps the
// directory and needs no look. It costs a call for each person and directory.
func (r *run) nowhereElse(ctx context.Context, orders []*order) []*order {
	var ask []*order
	for _, o := range orders {
		if o.item.Directory == "" && len(o.job.Directories) > 1 {
			ask = append(ask, o)
		}
	}
	free := map[*order]bool{}
	each(r.overlap(), ask, func(o *order) {
		r.guard(ctx, []Message{o.job.Message}, func() {
			if r.holdsNothing(ctx, o) {
				r.mu.Lock()
				defer r.mu.Unlock()
				free[o] = true
			}
		})
	})
	return slices.DeleteFunc(orders, func(o *order) bool {
		return o.item.Directory == "" && len(o.job.Directories) > 1 && !free[o]
	})
}

func (r *run) holdsNothing(ctx context.Context, o *order) bool {
	for _, directory := range o.job.Directories {
		if r.outOfTime(ctx) {
			r.count("left for lack of time", 1)
			return false
		}
		v, err := r.holds(ctx, o, directory, o.request.UserName)
		if err != nil {
			r.refuse(ctx, o, err)
			return false
		}
		if v != (verdict{}) {
			r.settle(ctx, o, v)
			return false
		}
	}
	return true
}

package lane

import (
	"context"
	"fmt"
	"slices"
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
	ctx, cancel := r.callTime(ctx)
	defer cancel()
	found, err := r.account.Find(ctx, o.request.Directory, o.request.UserName)
	var v verdict
	if err == nil {
		v, err = r.judge(ctx, o, found)
	}
	switch {
	case err != nil:
		r.refuse(ctx, o, err)
	case v != (verdict{}):
		r.settle(ctx, o, v)
	case r.Clock.Now().Sub(o.item.Claimed) < hiddenFor:
		r.later(ctx, o, assignment.Create, fmt.Sprintf("WorkSpaces says that %s has a desktop in %s but does not show it yet.",
			o.request.UserName, o.request.Directory), 2*time.Minute)
	default:
		r.refuse(ctx, o, fault.New(fault.AlreadyExists, fmt.Sprintf(
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
		r.refuse(ctx, o, fault.New(fault.AlreadyExists, v.foreign))
	default:
		r.later(ctx, o, assignment.Create, "Desktop "+v.leaving+" is still being terminated.", leavingFor)
	}
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
		callCtx, cancel := r.callTime(ctx)
		found, err := r.account.Find(callCtx, directory, o.request.UserName)
		var v verdict
		if err == nil {
			v, err = r.judge(callCtx, o, found)
		}
		cancel()
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

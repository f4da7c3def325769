package lane

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
	"rollcall/shared/profile"
)

// create makes desktops for the people of jobs that follow each other in a lane.
//
//	load, pass over what is out of date, refuse what cannot be valid
//	choose directories, refuse two people with one user name
//	in calls of 25 that overlap:  STOP?  claim  call  write down
//	once more elsewhere for those whose directory is known to have no capacity
func (r *run) create(ctx context.Context, jobs []*job) {
	orders := r.valid(ctx, r.orders(ctx, jobs, assignment.Create))
	orders = r.nowhereElse(ctx, orders)
	for len(orders) > 0 {
		orders = r.distinct(ctx, r.choose(ctx, orders))
		elsewhere := make(chan *order, len(orders))
		each(r.overlap(), slices.Collect(slices.Chunk(orders, mostPerCall)), func(batch []*order) {
			r.guard(ctx, messagesIn(batch), func() { r.batch(ctx, batch, elsewhere) })
		})
		close(elsewhere)
		orders = nil
		for o := range elsewhere {
			orders = append(orders, o)
		}
	}
	r.savePlaces(ctx)
}

// messagesIn are the messages that the orders came in, each once.
func messagesIn(orders []*order) []Message {
	var jobs []*job
	for _, o := range orders {
		if !slices.Contains(jobs, o.job) {
			jobs = append(jobs, o.job)
		}
	}
	return messagesOf(jobs)
}

// valid completes the requests and refuses those that cannot be valid, before anything is called.
func (r *run) valid(ctx context.Context, orders []*order) []*order {
	var good, bad []*order
	wrong := map[*order]error{}
	for _, o := range orders {
		o.request = r.request(o)
		if err := refusal(o.request, o.job.Directories); err != nil {
			wrong[o] = err
			bad = append(bad, o)
			continue
		}
		good = append(good, o)
	}
	each(writers, bad, func(o *order) { r.refuse(ctx, o, wrong[o]) })
	return good
}

// request is what is asked of WorkSpaces for an order; the directory is chosen later, unless it was before.
func (r *run) request(o *order) desktop.Request {
	q := desktop.Request{Directory: o.item.Directory, UserName: o.item.UserName, Owner: r.owner(o)}
	if o.job.Spec != nil {
		q.Spec = *o.job.Spec
	}
	q.Tags = maps.Clone(q.Tags)
	if q.Tags == nil {
		q.Tags = map[string]string{}
	}
	if o.job.Profile != "" {
		q.Tags[desktop.TagProfile] = o.job.Profile
	}
	return q
}

// distinct refuses people who share a user name in one directory, naming them: the service would give one of them a
// desktop, by chance. Among people of different calls the service itself says "already exists", and the tags of
// what exists then name the other one (see whose).
func (r *run) distinct(ctx context.Context, orders []*order) []*order {
	byKey := map[string][]*order{}
	for _, o := range orders {
		byKey[o.request.Key()] = append(byKey[o.request.Key()], o)
	}
	var good, bad []*order
	wrong := map[*order]error{}
	for _, o := range orders {
		twins := byKey[o.request.Key()]
		if len(twins) == 1 {
			good = append(good, o)
			continue
		}
		bad = append(bad, o)
		wrong[o] = fault.New(fault.Rejected, fmt.Sprintf("the user name %q in directory %s belongs to more than one person: %s",
			o.item.UserName, o.request.Directory, named(twins)))
	}
	each(writers, bad, func(o *order) { r.refuse(ctx, o, wrong[o]) })
	return good
}

// named are the people of orders, for a sentence.
func named(orders []*order) string {
	names := make([]string, len(orders))
	for i, o := range orders {
		names[i] = o.Person
		if o.item.UPN != "" {
			names[i] = o.item.UPN + " (" + o.Person + ")"
		}
	}
	slices.Sort(names)
	return strings.Join(names, " and ")
}

// batch is one call: STOP, claim, call, write down. Who is to be tried in another directory goes to elsewhere.
func (r *run) batch(ctx context.Context, orders []*order, elsewhere chan<- *order) {
	if orders = r.claim(ctx, r.goingOn(ctx, orders)); len(orders) == 0 {
		return
	}
	outcomes := r.call(ctx, orders)
	each(writers, orders, func(o *order) {
		outcome, answered := outcomes[o]
		switch {
		case !answered: // never called: it stays claimed, and is due again by itself
			r.count("left as it is", 1)
		case outcome.Err == nil:
			r.placed(o.request.Directory)
			r.accept(ctx, o, outcome.Desktop, "accepted")
		case fault.Is(outcome.Err, fault.AlreadyExists):
			r.whose(ctx, o)
		case fault.Is(outcome.Err, fault.NoCapacity) && r.mayGoElsewhere(o):
			o.tried = append(o.tried, o.request.Directory)
			elsewhere <- o
		default:
			r.refuse(ctx, o, outcome.Err)
		}
	})
}

// goingOn is who may still be asked for: nobody when time is short or STOP is on or cannot be read.
func (r *run) goingOn(ctx context.Context, orders []*order) []*order {
	if r.outOfTime(ctx) {
		r.count("left for lack of time", len(orders))
		return nil
	}
	stop, err := r.Switches.Stop(ctx)
	var standings map[string]profile.Standing
	if err == nil {
		standings, err = r.Switches.Standings(ctx)
	}
	if err != nil {
		r.log().ErrorContext(ctx, "reading STOP; nothing is created", "lane", r.lane.String(), "error", err)
		r.count("left because STOP could not be read", len(orders))
		return nil
	}
	return slices.DeleteFunc(slices.Clone(orders), func(o *order) bool {
		on := stop.On || standings[o.job.Profile].Stop.On
		if on {
			r.count("left because of STOP", 1)
		}
		return on
	})
}

// claim writes down, before the call, that a desktop may exist from now on, and where. Who cannot be claimed is
// left out: somebody else wrote, or the ledger does not answer, and either way the item is due again.
func (r *run) claim(ctx context.Context, orders []*order) []*order {
	claimed := make(map[*order]bool, len(orders))
	each(writers, orders, func(o *order) {
		if r.claimOne(ctx, o) {
			r.mu.Lock()
			defer r.mu.Unlock()
			claimed[o] = true
		}
	})
	return slices.DeleteFunc(slices.Clone(orders), func(o *order) bool { return !claimed[o] })
}

func (r *run) claimOne(ctx context.Context, o *order) bool {
	for range 2 {
		next, err := o.item.Claim(o.Attempt, r.lane, o.request.Directory, o.item.Choice, r.Clock.Now())
		if err == nil && next.Directory != o.request.Directory { // another directory was chosen meanwhile
			err = assignment.ErrStale
		}
		if err != nil {
			r.count("out of date", 1)
			return false
		}
		saved, err := r.Ledger.Save(ctx, next)
		if err == nil {
			o.item = saved
			return true
		}
		items, loadErr := map[assignment.Key]assignment.Assignment(nil), error(nil)
		if fault.Is(err, fault.Conflict) {
			items, loadErr = r.Ledger.Load(ctx, []assignment.Key{o.Key})
		}
		item, ok := items[o.Key]
		if loadErr != nil || !ok {
			r.log().WarnContext(ctx, "claiming an item; it is due again by itself", "person", o.Key.String(), "error", err)
			r.count("not claimed", 1)
			return false
		}
		o.maybe = item.Maybe()
		choice := o.item.Choice
		o.item = item
		if item.Directory == "" {
			o.item.Choice = choice
		}
	}
	r.count("not claimed", 1)
	return false
}

// call asks for the desktops of at most 25 claimed orders. A failure of the whole call that may be one person's or
// one profile's fault splits it until the bad one stands alone. Who was never asked for has no outcome.
func (r *run) call(ctx context.Context, orders []*order) map[*order]desktop.Outcome {
	requests := make([]desktop.Request, len(orders))
	for i, o := range orders {
		requests[i] = o.request
	}
	callCtx, cancel := r.callTime(ctx)
	answers, err := r.account.Create(callCtx, requests)
	cancel()
	outcomes := make(map[*order]desktop.Outcome, len(orders))
	parts := split(orders, err)
	if len(parts) > 1 {
		for _, part := range parts {
			if part = r.goingOn(ctx, part); len(part) > 0 {
				maps.Copy(outcomes, r.call(ctx, part))
			}
		}
		return outcomes
	}
	for _, o := range orders {
		outcome, ok := answers[o.request.Key()]
		switch {
		case err != nil:
			outcome = desktop.Outcome{Err: err}
		case !ok || (outcome.Err == nil && outcome.Desktop.ID == ""):
			outcome = desktop.Outcome{Err: fault.New(fault.Unavailable,
				fmt.Sprintf("WorkSpaces did not say what became of %s in %s", o.request.UserName, o.request.Directory))}
		}
		if outcome.Err == nil { // an answer may be incomplete; what was asked for is known
			outcome.Desktop.Directory, outcome.Desktop.UserName = o.request.Directory, o.request.UserName
		}
		outcomes[o] = outcome
	}
	return outcomes
}

// split says how to go on after a failure of a whole call: halves, where one request may have sunk the others; one
// part for each directory, bundle and key, where the failure is about one of those; else everything in one part.
func split(orders []*order, err error) [][]*order {
	switch fault.Of(err) {
	case fault.Rejected, fault.NotFound:
		if n := len(orders); n > 1 {
			return [][]*order{orders[:n/2], orders[n/2:]}
		}
	case fault.Misconfigured, fault.Denied, fault.QuotaReached, fault.NoCapacity:
		var parts [][]*order
		at := map[[3]string]int{}
		for _, o := range orders {
			key := [3]string{o.request.Directory, o.request.Bundle, o.request.Spec.Key}
			if _, ok := at[key]; !ok {
				at[key] = len(parts)
				parts = append(parts, nil)
			}
			parts[at[key]] = append(parts[at[key]], o)
		}
		return parts
	}
	return [][]*order{orders}
}

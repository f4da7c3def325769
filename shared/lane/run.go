package lane

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// mostPerCall is how many desktops CreateWorkspaces and DescribeWorkspaces take.
// https://docs.aws.amazon.com/workspaces/latest/api/API_CreateWorkspaces.html
const mostPerCall = 25

// writers is how many items are written at one time.
const writers = 8

// run is one lane's part of a shift.
type run struct {
	*shift
	lane    desktop.Lane
	account Account

	mu     sync.Mutex
	counts map[string]int // outcomes by kind, for the log
	place  *places        // the rooms of directories, once they were needed
}

// order is one person's part of a job, with the ledger's item.
type order struct {
	events.Order
	job     *job
	item    assignment.Assignment
	request desktop.Request
	maybe   time.Time // when an earlier call was made that may have left something; zero: none was
	tried   []string  // directories that are known to have no capacity
}

func (r *run) work(ctx context.Context, jobs []*job) {
	if r.outOfTime(ctx) {
		r.count("left for lack of time", len(jobs))
		return
	}
	switch jobs[0].Kind {
	case events.Create:
		r.create(ctx, jobs)
	case events.Check:
		r.check(ctx, jobs)
	case events.Survey:
		for _, j := range jobs {
			r.survey(ctx, j)
		}
	}
}

// again reports whether the order was claimed before: an earlier call may have left something.
func (o *order) again() bool { return !o.maybe.IsZero() }

// count notes n outcomes of a kind.
func (r *run) count(kind string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[kind] += n
}

// orders loads the items of the jobs' orders and passes over those that are out of date. A person counts once.
func (r *run) orders(ctx context.Context, jobs []*job, intent assignment.Intent) []*order {
	var orders []*order
	var keys []assignment.Key
	for _, j := range jobs {
		for _, o := range j.Orders {
			orders = append(orders, &order{Order: o, job: j})
			if !slices.Contains(keys, o.Key) {
				keys = append(keys, o.Key)
			}
		}
	}
	items, err := r.Ledger.Load(ctx, keys)
	if err != nil {
		r.log().ErrorContext(ctx, "reading items; they are due again by themselves", "lane", r.lane.String(), "items", len(keys), "error", err)
		r.count("not read", len(keys))
		return nil
	}
	seen := map[assignment.Key]bool{}
	return slices.DeleteFunc(orders, func(o *order) bool {
		item, ok := items[o.Key]
		o.item = item
		o.maybe = item.Maybe()
		fresh := ok && !seen[o.Key] && item.Current(intent, o.Attempt) == nil && r.ours(item) &&
			(intent != assignment.Create || item.WorkSpace == "")
		if !fresh {
			r.count("out of date", 1)
			return true
		}
		seen[o.Key] = true
		return false
	})
}

// ours reports whether an item belongs to this lane: one that has moved to another is for that lane to do.
func (r *run) ours(a assignment.Assignment) bool {
	return a.Lane == (desktop.Lane{}) || a.Lane == r.lane
}

func (r *run) owner(o *order) desktop.Owner {
	return desktop.Owner{Installation: r.Installation, Person: o.Person, Slot: o.Slot}
}

// record writes a change of an order's item, again and again until it is written or known to be out of date. It
// goes on where ctx has ended: the call was made, and what it did must be known. detail goes into the history.
func (r *run) record(ctx context.Context, o *order, detail string, change func(assignment.Assignment) (assignment.Assignment, error)) {
	ctx = context.WithoutCancel(ctx)
	wait := 200 * time.Millisecond
	for try := 1; ; try++ {
		err := r.write(ctx, o, detail, change)
		switch {
		case err == nil:
			return
		case errors.Is(err, assignment.ErrStale):
			r.count("out of date", 1)
			return
		case errors.Is(err, assignment.ErrSecondDesktop):
			r.count("second desktop", 1)
			r.log().ErrorContext(ctx, "a second desktop", "person", o.Key.String(), "error", err)
			return
		case try == 6:
			r.count("not written", 1)
			r.log().ErrorContext(ctx, "writing an outcome; it will be found again", "person", o.Key.String(), "detail", detail, "error", err)
			return
		case fault.Is(err, fault.Conflict):
			if items, err := r.Ledger.Load(ctx, []assignment.Key{o.Key}); err == nil {
				o.item = items[o.Key]
				o.item.Key = o.Key // an item that was taken away is written anew
			}
			continue
		}
		if r.Clock.SleepUntil(ctx, r.Clock.Now().Add(wait)) != nil {
			return
		}
		wait *= 2
	}
}

// write is one try of record.
func (r *run) write(ctx context.Context, o *order, detail string, change func(assignment.Assignment) (assignment.Assignment, error)) error {
	next, err := change(o.item)
	if err != nil {
		return err
	}
	saved, err := r.Ledger.Save(ctx, next, assignment.Told(o.item, next, r.Clock.Now(), detail)...)
	if err != nil {
		return err
	}
	o.item = saved
	return nil
}

// refuse records a failure of a kind, of a call or before one. It says nothing of an earlier call: where there was
// one whose answer was lost, a failure that settles the order counts only once that call is known to have left
// nothing.
func (r *run) refuse(ctx context.Context, o *order, err error) {
	if o.again() && assignment.Settles(fault.Of(err)) && !r.leftNothing(ctx, o, err) {
		return
	}
	r.refused(ctx, o, err)
}

// refused records a failure that nothing speaks against. One whose attempt is over by now is dropped: it left
// nothing.
func (r *run) refused(ctx context.Context, o *order, err error) {
	r.count(string(fault.Of(err)), 1)
	code := ""
	if e := fault.As(err); e != nil {
		code = e.Code
	}
	r.record(ctx, o, code, func(a assignment.Assignment) (assignment.Assignment, error) {
		if err := a.Current(assignment.Create, o.Attempt); err != nil {
			return a, err
		}
		return a.Refused(fault.Of(err), err.Error(), r.Clock.Now()), nil
	})
}

// accept records a desktop that exists for the person, whatever has become of the order.
func (r *run) accept(ctx context.Context, o *order, d desktop.Desktop, how string) {
	r.count(how, 1)
	made := assignment.Made{WorkSpace: d.ID, Lane: r.lane, Directory: d.Directory, UserName: d.UserName}
	detail := how + ": " + d.ID + " in " + d.Directory
	if o.item.Choice != "" {
		detail += "; " + o.item.Choice
	}
	r.record(ctx, o, detail, func(a assignment.Assignment) (assignment.Assignment, error) {
		next, err := a.Accepted(made, r.Clock.Now())
		if errors.Is(err, assignment.ErrSecondDesktop) {
			// The id must be known somewhere: the history tells it, the item stays as it is.
			if _, saveErr := r.Ledger.Save(context.WithoutCancel(ctx), a, assignment.ToldSecond(a, made, r.Clock.Now())); saveErr != nil {
				return a, saveErr
			}
		}
		return next, err
	})
}

// later leaves an order to be sent again soon, with the reason. The call of this turn, if there was one, is known to
// have left nothing.
func (r *run) later(ctx context.Context, o *order, intent assignment.Intent, text string, after time.Duration) {
	r.count("later", 1)
	r.record(ctx, o, text, func(a assignment.Assignment) (assignment.Assignment, error) {
		if err := a.Current(intent, o.Attempt); err != nil {
			return a, err
		}
		return a.Postponed(assignment.Reason{Code: "Later", Text: text}, o.maybe, after, r.Clock.Now()), nil
	})
}

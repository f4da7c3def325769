package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/fault"
	"rollcall/shared/lease"
	"rollcall/shared/member"
	"rollcall/shared/plan"
)

// outcome is what became of a plan.
type outcome struct {
	written  map[assignment.Key]bool
	lost     int // somebody else wrote first; they are looked at again
	jobs     int
	surveys  int   // of the jobs
	unsent   error // what could not be sent is due again by itself
	finished bool  // the whole plan was applied
}

// Chunks keep what a crash can leave written but unsent small; writers is how many writes run side by side.
const (
	chunkSize = 250
	writers   = 8
)

// act writes and sends, in the order that a crash can be mended from: the rollouts, then each item before its order
// is sent, and only when all of it is done the marks that say so.
func (p *Planner) act(ctx context.Context, w *world, s scope, t truth, made plan.Plan, l lease.Lease) (outcome, error) {
	o := outcome{written: map[assignment.Key]bool{}, finished: true}
	if err := p.saveRollouts(ctx, w, made); err != nil {
		return o, err
	}
	for chunk := range slices.Chunk(made.Actions, chunkSize) {
		if p.outOfTime(ctx) {
			o.finished = false
			break
		}
		saved, err := p.write(ctx, chunk, l, &o)
		if err != nil {
			return o, err
		}
		p.send(ctx, w, saved, &o)
	}
	p.sendSurveys(ctx, w, s.cursors, &o)
	if !o.finished || t.partial {
		return o, nil
	}
	if err := p.remember(ctx, w); err != nil {
		return o, err
	}
	if err := p.Inbox.Forget(ctx, s.inbox); err != nil {
		return o, fmt.Errorf("emptying the inbox: %w", err)
	}
	return o, p.finishRolls(ctx, w, t.rolled)
}

func (p *Planner) saveRollouts(ctx context.Context, w *world, made plan.Plan) error {
	for _, id := range slices.Sorted(maps.Keys(made.Rollouts)) {
		standing := w.standings[id]
		standing.Rollout = made.Rollouts[id]
		saved, err := p.Book.SaveStanding(ctx, standing)
		if err != nil {
			return fmt.Errorf("writing the rollout of profile %s: %w", id, err)
		}
		w.standings[id] = saved
	}
	return nil
}

// write writes a chunk of actions. One that somebody else overtook is dropped, not retried: its item has news, and
// the next look decides upon that.
func (p *Planner) write(ctx context.Context, chunk []plan.Action, l lease.Lease, o *outcome) ([]plan.Action, error) {
	var mu sync.Mutex
	var saved []plan.Action
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for _, a := range chunk {
		g.Go(func() error {
			a.After.Generation = l.Generation
			after, err := p.Assignments.Save(ctx, a.After, history(a, p.Clock.Now())...)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case fault.Is(err, fault.Conflict):
				o.lost++
				return nil
			case err != nil:
				return fmt.Errorf("writing %s: %w", a.After.Key, err)
			}
			a.After = after
			o.written[a.After.Key] = true
			saved = append(saved, a)
			return nil
		})
	}
	err := g.Wait()
	slices.SortFunc(saved, func(a, b plan.Action) int { return compareKeys(a.After.Key, b.After.Key) })
	return saved, err
}

// history is the line that goes into the person's history, if the action is worth one.
func history(a plan.Action, now time.Time) []assignment.Event {
	if a.Before.Status == a.After.Status && a.Before.Reason == a.After.Reason && a.Verb != plan.Create {
		return nil
	}
	return []assignment.Event{{
		Key: a.After.Key, At: now,
		ID:   fmt.Sprintf("%06d-%s-%s", a.After.Attempt, a.Verb, a.After.Status),
		What: string(a.Verb), Before: a.Before.Status, After: a.After.Status,
		Reason: a.Reason, Actor: "planner", Profile: a.Profile,
	}}
}

// send puts the orders of what was written on the queue. What cannot be sent is no error of the tick: the items say
// that they are due again.
func (p *Planner) send(ctx context.Context, w *world, saved []plan.Action, o *outcome) {
	jobs := jobsOf(w, saved, p.Clock.Now())
	if len(jobs) == 0 {
		return
	}
	if err := p.Queue.Send(ctx, jobs); err != nil {
		o.unsent = err
		p.Log.WarnContext(ctx, "sending jobs; what was not sent is due again by itself", "error", err)
		return
	}
	o.jobs += len(jobs)
}

// jobsOf packs orders into jobs: one profile and one kind of job each, at most events.MostPeople people.
func jobsOf(w *world, saved []plan.Action, now time.Time) []events.Job {
	type box struct {
		kind    events.JobKind
		lane    string
		profile string
	}
	boxes := map[box][]plan.Action{}
	for _, a := range saved {
		if !a.Verb.Sends() {
			continue
		}
		b := box{kind: events.Create, lane: a.After.Lane.String(), profile: a.Profile}
		if a.Verb == plan.Check {
			b.kind, b.profile = events.Check, ""
		}
		boxes[b] = append(boxes[b], a)
	}
	var jobs []events.Job
	for _, b := range slices.SortedFunc(maps.Keys(boxes), func(x, y box) int {
		return slices.Compare([]string{x.lane, string(x.kind), x.profile}, []string{y.lane, string(y.kind), y.profile})
	}) {
		for part := range slices.Chunk(boxes[b], events.MostPeople) {
			jobs = append(jobs, jobOf(w, b.kind, b.profile, part, now))
		}
	}
	return jobs
}

func jobOf(w *world, kind events.JobKind, profileID string, part []plan.Action, now time.Time) events.Job {
	job := events.Job{Version: 1, Kind: kind, Lane: part[0].After.Lane, Issued: now}
	if kind == events.Create {
		rule := w.inForce[profileID].Rule
		spec := rule.Spec()
		job.Profile, job.Spec, job.Directories = profileID, &spec, rule.Directories
	}
	for _, a := range part {
		job.Orders = append(job.Orders, events.Order{Key: a.After.Key, Attempt: a.After.Attempt, Send: a.After.Send})
	}
	job.ID = events.NewJobID(job)
	return job
}

// remember marks the profiles that could not be read for a full roll: whoever was to be judged by them, and is
// dropped from the inbox now, is found by that.
func (p *Planner) remember(ctx context.Context, w *world) error {
	for _, id := range slices.Sorted(maps.Keys(w.unread)) {
		standing := w.standings[id]
		if standing.RollDue != "" {
			continue
		}
		standing.RollDue = "its group could not be read"
		saved, err := p.Book.SaveStanding(ctx, standing)
		if err != nil {
			return fmt.Errorf("marking profile %s for a roll: %w", id, err)
		}
		w.standings[id] = saved
	}
	return nil
}

// finishRolls notes that the groups were read in full and that everything found was written.
func (p *Planner) finishRolls(ctx context.Context, w *world, rolled map[string]member.Roll) error {
	for _, id := range slices.Sorted(maps.Keys(rolled)) {
		roll, standing := rolled[id], w.standings[id]
		tree := slices.Sorted(slices.Values(roll.Groups))
		standing.NextRoll = w.now.Add(dailyRoll)
		if !slices.Equal(tree, standing.Tree) {
			standing.NextRoll = w.now.Add(secondRoll)
		}
		standing.Rolled, standing.RollDue, standing.Members, standing.Tree = w.now, "", len(roll.People), tree
		saved, err := p.Book.SaveStanding(ctx, standing)
		if err != nil {
			return fmt.Errorf("noting the roll of profile %s: %w", id, err)
		}
		w.standings[id] = saved
	}
	return nil
}

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
	"rollcall/shared/plan"
	"rollcall/shared/profile"
)

// Chunks keep what a crash can leave written but unsent small; writers is how many writes run side by side.
const (
	chunkSize = 250
	writers   = 8
)

// act writes and sends, in the order that a crash can be mended from: what makes a rollout more careful, then each
// item before its order is sent, then what makes it bolder. An outcome that is met again after a crash may count
// twice only in the careful direction.
func (p *Planner) act(ctx context.Context, t *tick, made plan.Plan) error {
	if err := p.saveRollouts(ctx, t, made, careful); err != nil {
		return err
	}
	for chunk := range slices.Chunk(made.Actions, chunkSize) {
		if p.outOfTime(ctx) {
			t.unfinished = true
			return nil
		}
		saved, err := p.write(ctx, chunk, t)
		if err != nil {
			return err
		}
		p.send(ctx, t, jobsOf(&t.w, saved, p.Clock.Now()))
	}
	return p.saveRollouts(ctx, t, made, as)
}

// careful is a rollout on the way to its next state with only what holds creates back: a failure, and that somebody
// waits. as is the next state itself.
func careful(now, next profile.Rollout) profile.Rollout {
	if next.Failures > now.Failures {
		waiting := now.Waiting
		now = next
		now.Waiting = waiting
	}
	now.Waiting = now.Waiting || next.Waiting
	return now
}

func as(_, next profile.Rollout) profile.Rollout { return next }

// putAway ends a tick that has done all it set out to: only then is the inbox emptied.
func (p *Planner) putAway(ctx context.Context, t *tick) error {
	if t.unfinished || t.partial {
		return nil
	}
	if err := p.remember(ctx, t); err != nil {
		return err
	}
	if err := p.Inbox.Forget(ctx, t.s.inbox); err != nil {
		return fmt.Errorf("emptying the inbox: %w", err)
	}
	return nil
}

func (p *Planner) saveRollouts(ctx context.Context, t *tick, made plan.Plan, step func(now, next profile.Rollout) profile.Rollout) error {
	for _, id := range slices.Sorted(maps.Keys(made.Rollouts)) {
		standing := t.w.standings[id]
		next := step(standing.Rollout, made.Rollouts[id])
		if next == standing.Rollout {
			continue
		}
		standing.Rollout = next
		if err := p.saveStanding(ctx, &t.w, standing, "writing the rollout"); err != nil {
			return err
		}
	}
	return nil
}

// write writes a chunk of actions. One that somebody else overtook is dropped, not retried: its item has news, and
// the next look decides upon that.
func (p *Planner) write(ctx context.Context, chunk []plan.Action, t *tick) ([]plan.Action, error) {
	var mu sync.Mutex
	var saved []plan.Action
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for _, a := range chunk {
		g.Go(func() error {
			a.After.Generation = t.lease.Generation
			after, err := p.Assignments.Save(ctx, a.After, history(a, p.Clock.Now())...)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case fault.Is(err, fault.Conflict):
				t.report.Done.Overtaken++
				return nil
			case err != nil:
				return fmt.Errorf("writing %s: %w", a.After.Key, err)
			}
			a.After = after
			t.report.Done.Written++
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
		ID:   fmt.Sprintf("%06d-%s-%s-%d", a.After.Attempt, a.Verb, a.After.Status, a.Before.Revision),
		What: string(a.Verb), Before: a.Before.Status, After: a.After.Status,
		Reason: a.Reason, Actor: "planner", Profile: a.Profile,
	}}
}

// send puts jobs on the queue. What cannot be sent is no error of the tick: the items say that they are due again.
func (p *Planner) send(ctx context.Context, t *tick, jobs []events.Job) bool {
	if len(jobs) == 0 {
		return true
	}
	if err := p.Queue.Send(ctx, jobs); err != nil {
		t.report.Done.Unsent = err.Error()
		p.Log.WarnContext(ctx, "sending jobs; what was not sent is due again by itself", "error", err)
		return false
	}
	t.report.Done.Jobs += len(jobs)
	return true
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
	job := events.Job{Version: events.JobVersion, Kind: kind, Lane: part[0].After.Lane, Issued: now}
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

// remember marks the profiles that judged nobody for a full roll, once they do again: whoever was to be judged by
// them, and is dropped from the inbox now, is found by that.
func (p *Planner) remember(ctx context.Context, t *tick) error {
	for _, id := range slices.Sorted(maps.Keys(t.w.inForce)) {
		standing, frozen := t.w.standings[id], t.w.inForce[id].Frozen.Code
		if frozen == "" || standing.RollDue != "" {
			continue
		}
		standing.RollDue, standing.NextRoll = "nobody was judged by it before ("+frozen+")", time.Time{}
		if t.w.unread[id] { // reading it again with every tick would cost what the group costs
			standing.NextRoll = t.w.now.Add(rollAgain)
		}
		if err := p.saveStanding(ctx, &t.w, standing, "marking for a roll"); err != nil {
			return err
		}
	}
	return nil
}

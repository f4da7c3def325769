package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"rollcall/events"
	"rollcall/shared/lease"
	"rollcall/shared/member"
	"rollcall/shared/plan"
)

// tick is one run of the schedule, or one by hand.
func (p *Planner) tick(ctx context.Context, req events.Request, l lease.Lease) (any, error) {
	w, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	report := newReport(req, w)
	roster, err := p.SignIn(ctx)
	if errors.Is(err, ErrGraphOff) {
		report.Problems = append(report.Problems, Problem{Code: "GraphOff", Text: ErrGraphOff.Message + "."})
		return p.publish(ctx, report)
	}
	if err != nil {
		return nil, fmt.Errorf("signing in to Microsoft Entra: %w", err)
	}
	s, err := p.scope(ctx, req, &w, roster)
	if err != nil {
		return nil, err
	}
	t, err := p.truth(ctx, &w, &s, roster)
	if err != nil {
		return nil, err
	}
	made, err := p.plan(ctx, &w, &s, t)
	if err != nil {
		return nil, err
	}
	done, err := p.act(ctx, &w, s, t, made, l)
	if err != nil {
		return nil, err
	}
	report.fill(w, s, t, made, done)
	return p.publish(ctx, report)
}

// plan makes the plan of what was found.
func (p *Planner) plan(ctx context.Context, w *world, s *scope, t truth) (plan.Plan, error) {
	if err := p.countInFlight(ctx, profilesOf(t, w), w, s); err != nil {
		return plan.Plan{}, err
	}
	in := plan.Input{Now: w.now, Stop: w.stop, Profiles: map[string]plan.Profile{}, People: t.people}
	for id, prof := range w.inForce {
		prof.InFlight, prof.MoreWaiting = s.inFlight[id], s.moreWaiting[id]
		in.Profiles[id] = prof
	}
	return plan.Make(in), nil
}

// profilesOf are the acting profiles of which somebody in scope is a member.
func profilesOf(t truth, w *world) []string {
	has := map[string]bool{}
	for _, who := range t.people {
		for id, standing := range who.Standings {
			has[id] = has[id] || standing == member.In
		}
	}
	var out []string
	for _, id := range w.acting() {
		if has[id] {
			out = append(out, id)
		}
	}
	return out
}

// publish keeps the report in the ledger and gives it back. A report that cannot be kept does not undo the tick.
func (p *Planner) publish(ctx context.Context, r *Report) (any, error) {
	r.Ended = p.Clock.Now()
	body, err := json.Marshal(r.summary())
	if err != nil {
		return nil, fmt.Errorf("writing the summary of run %s: %w", r.Run, err)
	}
	if err := p.Journal.SaveRun(ctx, r.Began, r.Run, body); err != nil {
		p.Log.WarnContext(ctx, "keeping the summary of the run", "run", r.Run, "error", err)
	}
	p.Log.InfoContext(ctx, "tick", "summary", json.RawMessage(body))
	return r, nil
}

// dryRun is a tick whose plan is not applied, and that moves no feed.
func (p *Planner) dryRun(ctx context.Context, req events.Request) (any, error) {
	w, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	roster, err := p.SignIn(ctx)
	if err != nil {
		return nil, fmt.Errorf("signing in to Microsoft Entra: %w", err)
	}
	if req.Action == events.Preview {
		if err := w.preview(ctx, req.Profile, roster); err != nil {
			return nil, err
		}
	}
	s, err := p.dryScope(ctx, req, &w)
	if err != nil {
		return nil, err
	}
	t, err := p.truth(ctx, &w, &s, roster)
	if err != nil {
		return nil, err
	}
	made, err := p.plan(ctx, &w, &s, t)
	if err != nil {
		return nil, err
	}
	report := newReport(req, w)
	report.DryRun = true
	report.fill(w, s, t, made, outcome{})
	report.Ended = p.Clock.Now()
	return report, nil
}

// dryScope is whom a dry run looks at: the person, the profile, or everyone.
func (p *Planner) dryScope(ctx context.Context, req events.Request, w *world) (scope, error) {
	s := newScope()
	s.asked(req, w)
	if req.Person == "" && req.Profile == "" {
		for _, id := range w.acting() {
			s.rolls[id] = "dry run"
		}
		due, err := p.Assignments.Due(ctx, w.now, mostDue)
		if err != nil {
			return s, fmt.Errorf("finding what is due: %w", err)
		}
		s.addKeys(due)
	}
	return s, p.waiting(ctx, w, &s)
}

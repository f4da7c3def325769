package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/lease"
	"rollcall/shared/member"
	"rollcall/shared/plan"
	"rollcall/shared/profile"
)

// tick is one run under way. A tick is made of rounds: in each, the truth of some people is known, a plan is made of
// it, and applied. First come those who are looked at singly, then page by page the groups that are read in full.
type tick struct {
	w      world
	s      scope
	roster Roster
	lease  lease.Lease
	dry    bool // plan only: write nothing, send nothing
	report *Report

	looked     map[string]map[string]member.Standing    // who was asked about singly, and the answers by profile id
	pretended  map[assignment.Key]assignment.Assignment // what a dry run would have written
	peopled    map[source]bool                          // groups that were seen to have somebody
	unfinished bool                                     // out of time: the next tick goes on
	partial    bool                                     // some people could not be asked about: they are looked at again
}

// run is a tick of the schedule, or one by hand.
func (p *Planner) run(ctx context.Context, req events.Request, l lease.Lease) (any, error) {
	t := &tick{lease: l, s: newScope(), looked: map[string]map[string]member.Standing{}, peopled: map[source]bool{}}
	var err error
	if t.w, err = p.look(ctx); err != nil {
		return nil, err
	}
	t.report = newReport(req, t.w.now)
	t.roster, err = p.SignIn(ctx)
	if errors.Is(err, ErrGraphOff) {
		t.w.problem("", "GraphOff", ErrGraphOff.Message+".")
		return p.publish(ctx, t)
	}
	if err != nil {
		return nil, err // a sentence already, of the secret or of the sign-in
	}
	if err := p.scope(ctx, req, t); err != nil {
		return nil, err
	}
	if err := p.reconcile(ctx, t); err != nil {
		return nil, err
	}
	p.sendSurveys(ctx, t)
	if err := p.putAway(ctx, t); err != nil {
		return nil, err
	}
	return p.publish(ctx, t)
}

// reconcile works the scope off.
func (p *Planner) reconcile(ctx context.Context, t *tick) error {
	if err := p.setIdleAside(ctx, t); err != nil {
		return err
	}
	p.choose(t)
	if keys := t.s.sortedKeys(t.w.slots()); len(keys) > 0 {
		if err := p.singly(ctx, t, keys); err != nil {
			return err
		}
	}
	if t.unfinished {
		return nil
	}
	return p.rollAll(ctx, t)
}

// setIdleAside takes those out of the scope whom only frozen profiles concern: nothing can be learnt of them, and they
// must neither make reading whole groups seem cheaper nor stand before those who can be helped. What is under way is
// looked after all the same.
func (p *Planner) setIdleAside(ctx context.Context, t *tick) error {
	acting := t.w.acting()
	if len(t.s.keys) == 0 || len(acting) == len(t.w.inForce) {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(t.s.keys), compareKeys)
	items, err := p.Assignments.Load(ctx, keys)
	if err != nil {
		return fmt.Errorf("loading %d items of the ledger: %w", len(keys), err)
	}
	idle := slices.DeleteFunc(keys, func(k assignment.Key) bool {
		entitled := items[k].Entitled
		return len(entitled) == 0 || slices.ContainsFunc(entitled, func(id string) bool { return slices.Contains(acting, id) })
	})
	if len(idle) == 0 {
		return nil
	}
	for _, k := range idle {
		delete(t.s.keys, k)
		if !slices.Contains(t.s.inbox, k.Person) {
			delete(t.s.people, k.Person)
		}
	}
	return p.round(ctx, t, nil, idle)
}

// choose takes the cheaper of two ways to the same truth, by counting requests: where asking for many people one by
// one takes more of them than reading the groups, the groups are read.
func (p *Planner) choose(t *tick) {
	acting := t.w.acting()
	groups, pages := map[string]bool{}, 0
	for _, id := range acting {
		if standing := t.w.standings[id]; !groups[standing.Group] {
			groups[standing.Group] = true
			pages += member.RollPages(standing.Members, max(len(standing.Tree)-1, 0))
		}
	}
	pages += member.LookUps(1, len(groups)) // whom a roll has not seen is asked about all the same
	if t.s.asked != "" || len(acting) == 0 || member.FewIsCheaper(len(t.s.people), len(groups), pages) {
		return
	}
	for _, id := range acting {
		if _, due := t.s.rolls[id]; !due {
			t.s.rolls[id] = fmt.Sprintf("takes fewer requests than asking for %d people", len(t.s.people))
		}
	}
	// Who is due under one of these profiles is met on a page, or is looked for at its end.
	t.s.people, t.s.keys = map[string]bool{}, map[assignment.Key]bool{}
}

// round plans for some people and applies the plan.
func (p *Planner) round(ctx context.Context, t *tick, subjects []subject, keys []assignment.Key) error {
	people, err := p.withHoldings(ctx, t, subjects, keys)
	if err != nil {
		return err
	}
	if err := p.doubt(ctx, t, people); err != nil {
		return err
	}
	made, err := p.plan(ctx, t, people)
	if err != nil {
		return err
	}
	t.report.add(people, made)
	if t.dry {
		t.pretend(made)
	}
	for id, rollout := range made.Rollouts {
		prof := t.w.inForce[id]
		prof.Rollout = rollout
		t.w.inForce[id] = prof
	}
	for i := range made.Actions {
		if made.Actions[i].Verb == plan.Create {
			t.s.inFlight[made.Actions[i].Profile]++
		}
	}
	if t.dry {
		return nil
	}
	return p.act(ctx, t, made)
}

// pretend keeps what a dry run would have written, so that its later rounds see it as those of a run would.
func (t *tick) pretend(made plan.Plan) {
	for i := range made.Actions {
		after := made.Actions[i].After
		after.Revision++
		t.pretended[after.Key] = after
	}
}

// plan makes the plan for some people.
func (p *Planner) plan(ctx context.Context, t *tick, people []plan.Person) (plan.Plan, error) {
	if err := p.countInFlight(ctx, t, people); err != nil {
		return plan.Plan{}, err
	}
	in := plan.Input{Now: t.w.now, Stop: t.w.stop, Profiles: make(map[string]plan.Profile, len(t.w.inForce)), People: people}
	for id, prof := range t.w.inForce {
		prof.InFlight, prof.NobodyWaits = t.s.inFlight[id], t.s.nobodyWaits[id]
		in.Profiles[id] = prof
	}
	return plan.Make(in), nil
}

// countInFlight counts, once a tick, the creates under way of each profile that has a member among the people.
func (p *Planner) countInFlight(ctx context.Context, t *tick, people []plan.Person) error {
	has := map[string]bool{}
	for i := range people {
		for id, standing := range people[i].Standings {
			has[id] = has[id] || standing == member.In
		}
	}
	for _, id := range slices.Sorted(maps.Keys(has)) {
		if _, counted := t.s.inFlight[id]; counted || !has[id] {
			continue
		}
		most := t.w.inForce[id].Rule.MaxInFlight + 1
		t.s.inFlight[id] = 0
		for _, status := range []assignment.Status{assignment.Requested, assignment.Provisioning} {
			keys, err := p.Assignments.OfProfile(ctx, id, status, most)
			if err != nil {
				return fmt.Errorf("counting the creates of profile %s: %w", id, err)
			}
			t.s.inFlight[id] += len(keys)
		}
	}
	return nil
}

// publish keeps the report in the ledger and gives it back. A report that cannot be kept does not undo the tick.
func (p *Planner) publish(ctx context.Context, t *tick) (any, error) {
	r := t.report
	r.close(t, p.Clock.Now())
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

// dryRun is a run whose plan is not applied, and that moves no feed.
func (p *Planner) dryRun(ctx context.Context, req events.Request) (any, error) {
	t := &tick{dry: true, s: newScope(), looked: map[string]map[string]member.Standing{}, peopled: map[source]bool{}, pretended: map[assignment.Key]assignment.Assignment{}}
	var err error
	if t.w, err = p.look(ctx); err != nil {
		return nil, err
	}
	if t.roster, err = p.SignIn(ctx); err != nil {
		return nil, err // a sentence already, of the secret or of the sign-in
	}
	if req.Action == events.Preview {
		if err := p.preview(ctx, &t.w, req.Profile, t.roster); err != nil {
			return nil, err
		}
	}
	if t.report = newReport(req, t.w.now); req.Action == events.Preview {
		t.report.Version = t.w.inForce[req.Profile].Rule.Version()
	}
	t.report.DryRun = true
	if err := p.dryScope(ctx, req, t); err != nil {
		return nil, err
	}
	if err := p.reconcile(ctx, t); err != nil {
		return nil, err
	}
	t.report.close(t, p.Clock.Now())
	return t.report, nil
}

// saveStanding writes where a profile stands, and keeps it for the rest of the tick.
func (p *Planner) saveStanding(ctx context.Context, w *world, s profile.Standing, doing string) error {
	saved, err := p.Book.SaveStanding(ctx, s)
	if err != nil {
		return fmt.Errorf("%s of profile %s: %w", doing, s.ID, err)
	}
	w.standings[s.ID] = saved
	return nil
}

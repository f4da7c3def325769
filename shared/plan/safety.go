package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/fault"
	"rollcall/shared/profile"
)

// A stage is one safety rule: it looks at the plan as decided so far and holds back what it does not let through.
type stage func(Input, *Plan)

// stages run in this order. What one holds back, the next does not see.
var stages = []stage{stopped, rollout}

// stopped holds back every create while a person's STOP is on, for everything or for one profile. Checks go on:
// they change nothing at WorkSpaces.
func stopped(in Input, p *Plan) {
	p.hold(in.Now, func(a *Action) (assignment.Reason, bool) {
		stop, what := in.Stop, "everything"
		if !stop.On {
			stop, what = in.Profiles[a.Profile].Stop, "profile "+a.Profile
		}
		if !stop.On || a.Verb == Check {
			return assignment.Reason{}, false
		}
		return assignment.Reason{Code: "Stopped", Text: stopText(stop, what)}, true
	})
}

func stopText(s profile.Stop, what string) string {
	text := "STOP is on for " + what
	if s.By != "" {
		text += ", set by " + s.By
	}
	if s.Why != "" {
		text += " (" + s.Why + ")"
	}
	return text + "."
}

// The rollout's own numbers.
const (
	firstLimit = 3                // creates in flight to begin with
	firstRest  = 15 * time.Minute // after the first failure that is the profile's; doubles
	longRest   = 6 * time.Hour
	// mostRetries is how many of those who wait for AD are tried again in one plan: one call of CreateWorkspaces.
	mostRetries = 25
)

// rollout lets through as many creates as the profile may have in flight: of those in sight, who has waited longest
// first. The limit starts at 3, grows by one with each desktop that comes up (so it doubles with each round), and
// falls to 1 when a create fails for a reason that is the profile's; then creates rest for a while before the next
// probe. People who wait for AD, have a desktop that is not ours, or are refused on their own account do not change
// the limit; who waits for AD takes no place either, and is tried again beside the others, a call's worth at a time.
func rollout(in Input, p *Plan) {
	room := map[string]int{}
	waiting := map[string]bool{}
	outcomes := p.outcomes()
	for id, prof := range in.Profiles {
		r := learnRollout(prof, outcomes[id], in.Now)
		p.Rollouts[id] = r
		room[id] = r.Limit - prof.InFlight
		if in.Now.Before(r.Rest) {
			room[id] = 0
		}
	}
	turn := map[assignment.Key]bool{}
	retries := map[string]int{}
	for _, i := range p.byWaiting() {
		a := &p.Actions[i]
		switch {
		case a.Before.Status == assignment.WaitingForDirectory && retries[a.Profile] < mostRetries && !in.Now.Before(p.Rollouts[a.Profile].Rest):
			retries[a.Profile]++
			turn[a.After.Key] = true
		case a.Before.Status != assignment.WaitingForDirectory && room[a.Profile] > 0:
			room[a.Profile]--
			turn[a.After.Key] = true
		}
	}
	p.hold(in.Now, func(a *Action) (assignment.Reason, bool) {
		if a.Verb != Create || turn[a.After.Key] {
			return assignment.Reason{}, false
		}
		return rolloutReason(p.Rollouts[a.Profile], in.Now), true
	})
	for _, h := range p.Held {
		waiting[h.Profile] = true
	}
	for id, r := range p.Rollouts {
		r.Waiting = waiting[id] || (r.Waiting && !in.Profiles[id].NobodyWaits)
		p.Rollouts[id] = r
	}
}

func rolloutReason(r profile.Rollout, now time.Time) assignment.Reason {
	if now.Before(r.Rest) {
		return assignment.Reason{
			Code: "Resting",
			Text: fmt.Sprintf("Creates of this profile rest until %s: %s", r.Rest.Format(time.RFC3339), r.Why),
		}
	}
	return assignment.Reason{Code: "Rollout", Text: "Waiting for a place: the profile's rollout grows as desktops come up."}
}

// learnRollout is the rollout after the outcomes that came in.
func learnRollout(p Profile, outcomes []assignment.Assignment, now time.Time) profile.Rollout {
	r := p.Rollout
	if r.Limit == 0 {
		r.Limit = min(firstLimit, p.Rule.MaxInFlight)
	}
	came := 0
	var failed *assignment.Assignment
	for i, a := range outcomes {
		switch {
		case a.Status == assignment.Provisioned:
			came++
		case a.Status == assignment.Failed && ofProfile(a.Reason.Code):
			failed = &outcomes[i]
		}
	}
	switch {
	case failed != nil:
		r.Limit, r.Changed, r.Why = 1, now, failed.Reason.Text
		r.Rest = now.Add(min(firstRest<<min(r.Failures, 8), longRest))
		r.Failures++
	case came > 0:
		r.Limit = min(r.Limit+came, p.Rule.MaxInFlight)
		r.Failures, r.Rest, r.Changed = 0, time.Time{}, now
		r.Why = fmt.Sprintf("%d came up", came)
	}
	r.Limit = min(r.Limit, p.Rule.MaxInFlight)
	return r
}

// ofProfile reports whether a failure says something about the profile rather than about the person.
func ofProfile(code string) bool {
	kinds := []fault.Kind{fault.QuotaReached, fault.NoCapacity, fault.Misconfigured, fault.Denied}
	return code == assignment.DesktopError || slices.Contains(kinds, fault.Kind(code))
}

// outcomes are the items, by profile, with an outcome that the planner had not taken note of.
func (p *Plan) outcomes() map[string][]assignment.Assignment {
	out := map[string][]assignment.Assignment{}
	for i := range p.Actions {
		if before := &p.Actions[i].Before; before.Fresh {
			out[before.Profile] = append(out[before.Profile], *before)
		}
	}
	return out
}

// byWaiting are the places of the creates in p.Actions, those who have waited longest first.
func (p *Plan) byWaiting() []int {
	var creates []int
	for i := range p.Actions {
		if p.Actions[i].Verb == Create {
			creates = append(creates, i)
		}
	}
	slices.SortFunc(creates, func(i, j int) int {
		a, b := &p.Actions[i].After, &p.Actions[j].After
		return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.Person, b.Person), cmp.Compare(a.Slot, b.Slot))
	})
	return creates
}

// hold turns what the rule names into something held: a create becomes an item with status Held, an order to send
// again stays as it is and is looked at with the next tick.
func (p *Plan) hold(now time.Time, rule func(*Action) (assignment.Reason, bool)) {
	for i := range p.Actions {
		a := &p.Actions[i]
		if a.Verb != Create && a.Verb != Resend {
			continue
		}
		why, held := rule(a)
		if !held {
			continue
		}
		p.Held = append(p.Held, Held{Key: a.After.Key, Profile: a.Profile, Reason: why})
		if a.Verb == Resend || a.Before.Status == assignment.WaitingForDirectory {
			a.Verb, a.Reason, a.After = Record, why, a.learnt()
			continue
		}
		a.Verb, a.Reason, a.After = Hold, why, a.heldItem(now, why)
	}
}

// heldItem is the item of a create that is held back: it stands as before the request, but Held with the reason.
func (a *Action) heldItem(now time.Time, why assignment.Reason) assignment.Assignment {
	item := a.learnt()
	item.Profile, item.ProfileVersion = a.After.Profile, a.After.ProfileVersion
	item.UserName, item.Lane = a.After.UserName, a.After.Lane
	return item.HoldBack(now, why)
}

// learnt is the item as it was before the action, with what was learnt of the person: a "yes" must not be forgotten
// because nothing is done upon it.
func (a *Action) learnt() assignment.Assignment {
	item := a.Before
	item.UPN, item.DisplayName, item.Entitled = a.After.UPN, a.After.DisplayName, a.After.Entitled
	item.Absent, item.Left, item.Fresh = a.After.Absent, a.After.Left, a.After.Fresh
	return item
}

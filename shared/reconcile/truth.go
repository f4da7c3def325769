package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"rollcall/shared/assignment"
	"rollcall/shared/fault"
	"rollcall/shared/member"
	"rollcall/shared/plan"
)

// truth is what Entra and the ledger say of everyone in scope.
type truth struct {
	people []plan.Person
	rolled map[string]member.Roll // by profile id
	// partial is set where some people could not be asked about: they are left as they are, and looked at again.
	partial bool
}

// truth asks. Whole groups are read first, then the people who are looked at singly. A read that fails freezes the
// profiles that it was for; it never makes anybody a leaver.
func (p *Planner) truth(ctx context.Context, w *world, s *scope, roster Roster) (truth, error) {
	t := truth{rolled: p.readRolls(ctx, w, s, roster)}
	if err := p.addLedgerMembers(ctx, t.rolled, s); err != nil {
		return t, err
	}
	items, err := p.loadItems(ctx, w, s, t.rolled)
	if err != nil {
		return t, err
	}
	singly := lookedAtSingly(s, t.rolled)
	facts, err := roster.People(ctx, singly)
	if fault.Of(err).Passing() {
		w.problem("", "Unread", fmt.Sprintf("Nothing could be learnt of the %d looked at singly; they are left for the next tick: %v.", len(singly), err))
		singly, facts, t.partial = nil, nil, true
	} else if err != nil {
		return t, fmt.Errorf("asking Entra about %d people: %w", len(singly), err)
	}
	standings := p.askStandings(ctx, w, facts, roster)
	t.people = assemble(w, s, t.rolled, items, facts, singly, standings)
	return t, nil
}

// readRolls reads the groups of the profiles that are to be rolled; two profiles of one group share the read.
func (p *Planner) readRolls(ctx context.Context, w *world, s *scope, roster Rolls) map[string]member.Roll {
	type source struct {
		group  string
		nested bool
	}
	read := map[source]member.Roll{}
	out := map[string]member.Roll{}
	for _, id := range slices.Sorted(maps.Keys(s.rolls)) {
		if p.outOfTime(ctx) {
			w.problem(id, "OutOfTime", "The roll of its group is left for the next tick.")
			continue
		}
		from := source{group: w.groupOf(id), nested: !w.inForce[id].Rule.DirectOnly}
		roll, done := read[from]
		if !done {
			var err error
			if roll, err = roster.Roll(ctx, from.group, from.nested); err != nil {
				w.freeze(id, rollFailure(err), fmt.Sprintf("Nobody is judged by this profile: %v.", err))
				continue
			}
			read[from] = roll
		}
		if why := suspicious(roll, w.standings[id].Members); why != "" {
			w.freeze(id, "Suspicious", why)
			continue
		}
		out[id] = roll
	}
	return out
}

func rollFailure(err error) string {
	if fault.Is(err, fault.NotFound) {
		return "GroupGone"
	}
	return "Unreadable"
}

// suspicious says why an answer is not believed, or nothing.
func suspicious(roll member.Roll, before int) string {
	switch {
	case len(roll.People) == 0 && before > 0 && roll.Group.Hidden:
		return fmt.Sprintf("The group has hidden membership and shows nobody, where it had %d: the application may lack Member.Read.Hidden. Everyone stays as they are.", before)
	case len(roll.People) == 0 && before > 0:
		return fmt.Sprintf("The group is empty, where it had %d members. Everyone stays as they are until it has members again or a person looks at it.", before)
	}
	return ""
}

// addLedgerMembers adds everyone whom the ledger holds under a rolled profile: who is not in the roll has left.
func (p *Planner) addLedgerMembers(ctx context.Context, rolled map[string]member.Roll, s *scope) error {
	for _, id := range slices.Sorted(maps.Keys(rolled)) {
		keys, err := p.Assignments.OfProfile(ctx, id, "", 0)
		if err != nil {
			return fmt.Errorf("finding the people of profile %s: %w", id, err)
		}
		for _, k := range keys {
			s.keys[k] = true
		}
	}
	return nil
}

// loadItems loads the ledger's items of everyone in scope, in every slot that is in use.
func (p *Planner) loadItems(ctx context.Context, w *world, s *scope, rolled map[string]member.Roll) (map[assignment.Key]assignment.Assignment, error) {
	keys := maps.Clone(s.keys)
	slots := w.slots()
	for person := range everyone(s, rolled) {
		for _, slot := range slots {
			keys[assignment.Key{Person: person, Slot: slot}] = true
		}
	}
	sorted := slices.SortedFunc(maps.Keys(keys), compareKeys)
	items, err := p.Assignments.Load(ctx, sorted)
	if err != nil {
		return nil, fmt.Errorf("loading %d items of the ledger: %w", len(sorted), err)
	}
	return items, nil
}

func everyone(s *scope, rolled map[string]member.Roll) map[string]bool {
	out := maps.Clone(s.people)
	for k := range s.keys {
		out[k.Person] = true
	}
	for _, roll := range rolled {
		for id := range roll.People {
			out[id] = true
		}
	}
	return out
}

// lookedAtSingly are the people whom no roll has told us about: those named one by one, and those whom the ledger
// knows but the roll does not.
func lookedAtSingly(s *scope, rolled map[string]member.Roll) []string {
	told := map[string]bool{}
	for _, roll := range rolled {
		for id := range roll.People {
			told[id] = true
		}
	}
	var out []string
	for id := range everyone(s, nil) {
		if !told[id] || s.people[id] {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// askStandings asks of each person who exists whether they are in the groups of the acting profiles. Profiles whose
// answer fails are frozen for this tick.
func (p *Planner) askStandings(ctx context.Context, w *world, facts map[string]member.Person, roster Lookups) map[string]map[string]member.Standing {
	out := map[string]map[string]member.Standing{}
	ids := slices.Sorted(maps.Keys(facts))
	for _, nested := range []bool{true, false} {
		groups, profiles := w.groupsToAsk(nested)
		if len(groups) == 0 || len(ids) == 0 {
			continue
		}
		answers, err := roster.Standings(ctx, ids, groups, nested)
		if err != nil {
			for _, id := range profiles {
				w.freeze(id, "Unreadable", fmt.Sprintf("Nobody is judged by this profile: %v.", err))
			}
			continue
		}
		for person, byGroup := range answers {
			if out[person] == nil {
				out[person] = map[string]member.Standing{}
			}
			for _, id := range profiles {
				out[person][id] = byGroup[w.groupOf(id)]
			}
		}
	}
	return out
}

func (w *world) groupsToAsk(nested bool) (groups, profiles []string) {
	for _, id := range w.acting() {
		if w.inForce[id].Rule.DirectOnly == nested {
			continue
		}
		profiles = append(profiles, id)
		groups = append(groups, w.groupOf(id))
	}
	slices.Sort(groups)
	return slices.Compact(groups), profiles
}

// assemble puts together what is known of each person.
func assemble(w *world, s *scope, rolled map[string]member.Roll, items map[assignment.Key]assignment.Assignment,
	facts map[string]member.Person, singly []string, standings map[string]map[string]member.Standing) []plan.Person {
	holdings := map[string]map[string]assignment.Assignment{}
	for key, item := range items {
		if holdings[key.Person] == nil {
			holdings[key.Person] = map[string]assignment.Assignment{}
		}
		holdings[key.Person][key.Slot] = item
	}
	asked := map[string]bool{}
	for _, id := range singly {
		asked[id] = true
	}
	var out []plan.Person
	for _, id := range slices.Sorted(maps.Keys(everyone(s, rolled))) {
		who := plan.Person{ID: id, Standings: map[string]member.Standing{}, Holdings: holdings[id]}
		for profileID, roll := range rolled {
			person, in := roll.People[id]
			switch {
			case in:
				who.Standings[profileID] = member.In
				who.Exists, who.Facts = member.In, person
			case asked[id]:
				who.Standings[profileID] = member.Out
			}
		}
		if person, known := facts[id]; known {
			who.Exists, who.Facts = member.In, person
			answered(who.Standings, standings[id])
		} else if asked[id] && who.Exists == member.Unknown {
			who.Exists = member.Out
			for _, profileID := range w.acting() {
				who.Standings[profileID] = member.Out
			}
		}
		out = append(out, who)
	}
	return out
}

// answered puts answers over what the roll said: they were asked later. What was not answered changes nothing.
func answered(standings, answers map[string]member.Standing) {
	for profileID, standing := range answers {
		if standing != member.Unknown {
			standings[profileID] = standing
		}
	}
}

func compareKeys(a, b assignment.Key) int {
	return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Slot, b.Slot))
}

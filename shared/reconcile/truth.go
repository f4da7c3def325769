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

// subject is one person with what Entra says of them: from a page of a roll, or asked singly.
type subject struct {
	id        string
	exists    member.Standing
	facts     member.Person
	standings map[string]member.Standing // by profile id
}

// singly asks Entra about the people of the keys, each by name, and does a round with the answers. A read that fails
// freezes the profiles that it was for; it never makes anybody a leaver.
func (p *Planner) singly(ctx context.Context, t *tick, keys []assignment.Key) error {
	ids := peopleOf(keys)
	facts, err := t.roster.People(ctx, ids)
	switch {
	case fault.Of(err).Passing():
		t.w.problem("", "Unread", fmt.Sprintf("Entra gave no answer about %d people; the next tick asks again: %v.", len(ids), err))
		t.partial, ids = true, nil
	case err != nil:
		return fmt.Errorf("asking Entra about %d people: %w", len(ids), err)
	}
	standings := p.askStandings(ctx, t, slices.Sorted(maps.Keys(facts)))
	maps.Copy(t.looked, standings)
	var subjects []subject
	for _, id := range ids {
		s := subject{id: id, exists: member.Out, standings: map[string]member.Standing{}}
		if person, known := facts[id]; known {
			s.exists, s.facts, s.standings = member.In, person, standings[id]
		} else {
			for _, profileID := range t.w.acting() {
				s.standings[profileID] = member.Out
			}
			if id == t.s.asked {
				t.w.problem("", "NotFound", "Entra does not know the person "+id+": expected the object id of a user who exists.")
			}
		}
		subjects = append(subjects, s)
	}
	return p.round(ctx, t, subjects, keys)
}

func peopleOf(keys []assignment.Key) []string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.Person
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// askStandings asks of each person whether they are in the groups of the acting profiles. Profiles whose answer fails
// are frozen for this tick; one whose group gives no answer is said to be so, and is Unknown for everyone.
func (p *Planner) askStandings(ctx context.Context, t *tick, ids []string) map[string]map[string]member.Standing {
	out := make(map[string]map[string]member.Standing, len(ids))
	for _, id := range ids {
		out[id] = map[string]member.Standing{}
	}
	for _, nested := range []bool{true, false} {
		groups, profiles := t.w.groupsToAsk(nested)
		if len(groups) == 0 || len(ids) == 0 {
			continue
		}
		answers, err := t.roster.Standings(ctx, ids, groups, nested)
		for _, profileID := range profiles {
			switch {
			case fault.Of(err).Passing(): // the answers are unknown, for this tick
				t.partial = true
			case err != nil:
				t.w.freeze(profileID, "Unreadable", fmt.Sprintf("Nobody is judged by this profile: %v.", err))
			case silent(answers, t.w.groupOf(profileID)):
				t.w.freeze(profileID, "Unreadable", "Its group gives no answer; the next roll says why. Nobody is judged by this profile.")
			}
		}
		if fault.Of(err).Passing() {
			t.w.problem("", "Unread", fmt.Sprintf("Entra did not say who is in which group; the next tick asks again: %v.", err))
		}
		for person, byGroup := range answers {
			for _, profileID := range profiles {
				out[person][profileID] = byGroup[t.w.groupOf(profileID)]
			}
		}
	}
	return out
}

// doubt looks whether anybody is left in the groups that somebody is said to have left, and freezes the profiles of
// those that are empty: a group that was emptied by mistake names its people one by one.
func (p *Planner) doubt(ctx context.Context, t *tick, people []plan.Person) error {
	for _, id := range left(people) {
		prof, inForce := t.w.inForce[id]
		from := t.w.sourceOf(id)
		if !inForce || prof.Frozen.Code != "" || t.peopled[from] {
			continue
		}
		at := member.Position{Group: from.group, Nested: from.nested}
		for !at.Done && at.People == 0 {
			page, err := t.roster.NextPage(ctx, at)
			if err != nil {
				t.w.freeze(id, "Unreadable", fmt.Sprintf("Nobody is judged by this profile: %v.", err))
				if fault.Of(err).Passing() { // no reason to read the whole group: the next tick asks again
					delete(t.w.unread, id)
					t.partial = true
				}
				break
			}
			at = page.Next
		}
		switch {
		case at.People > 0:
			t.peopled[from] = true
		case at.Done:
			t.w.freeze(id, "Suspicious", emptied(t.w.standings[id].Members))
		}
	}
	return ctx.Err()
}

// left are the profiles that somebody whom they entitle is said to have left, sorted.
func left(people []plan.Person) []string {
	out := map[string]bool{}
	for i := range people {
		for _, item := range people[i].Holdings {
			for _, id := range item.Entitled {
				if people[i].Standings[id] == member.Out {
					out[id] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}

func emptied(before int) string {
	had := "where somebody has a desktop through it"
	if before > 0 {
		had = fmt.Sprintf("where it had %d members", before)
	}
	return "The group is empty, " + had + ". Everyone stays as they are until it has members again or a person looks at it."
}

// silent reports whether a group gave no answer about anybody.
func silent(answers map[string]map[string]member.Standing, group string) bool {
	for _, byGroup := range answers {
		if byGroup[group] != member.Unknown {
			return false
		}
	}
	return true
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

// withHoldings adds what the ledger holds of each person, in every slot that is in use and under the keys given.
func (p *Planner) withHoldings(ctx context.Context, t *tick, subjects []subject, keys []assignment.Key) ([]plan.Person, error) {
	wanted := map[assignment.Key]bool{}
	for _, k := range keys {
		wanted[k] = true
	}
	slots := t.w.slots()
	for _, s := range subjects {
		for _, slot := range slots {
			wanted[assignment.Key{Person: s.id, Slot: slot}] = true
		}
	}
	sorted := slices.SortedFunc(maps.Keys(wanted), compareKeys)
	items, err := p.Assignments.Load(ctx, sorted)
	if err != nil {
		return nil, fmt.Errorf("loading %d items of the ledger: %w", len(sorted), err)
	}
	for _, k := range sorted { // a dry run goes on from what it would have written
		if item, written := t.pretended[k]; written {
			items[k] = item
		}
	}
	people := make([]plan.Person, 0, len(subjects))
	places := make(map[string]int, len(subjects))
	for _, s := range subjects {
		if _, twice := places[s.id]; twice { // a page may name somebody twice
			continue
		}
		places[s.id] = len(people)
		people = append(people, plan.Person{
			ID: s.id, Exists: s.exists, Facts: s.facts, Standings: s.standings,
			Holdings: map[string]assignment.Assignment{}, ByHand: s.id == t.s.asked,
		})
	}
	for key, item := range items {
		i, known := places[key.Person]
		if !known { // somebody of whom nothing could be learnt: what is under way is looked after
			i = len(people)
			people = append(people, plan.Person{ID: key.Person, Holdings: map[string]assignment.Assignment{}})
			places[key.Person] = i
		}
		people[i].Holdings[key.Slot] = item
	}
	return people, nil
}

func compareKeys(a, b assignment.Key) int {
	return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Slot, b.Slot))
}

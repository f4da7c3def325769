package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/plan"
	"rollcall/shared/profile"
)

// world is what stands before anyone looks at Entra: the switches, and which profile is in force in which version.
type world struct {
	now       time.Time
	stop      profile.Stop
	standings map[string]profile.Standing
	written   map[string]profile.Profile // rows that decode, by id
	inForce   map[string]plan.Profile
	problems  []Problem
	unread    map[string]bool // profiles that were frozen because Entra's answer failed or is not believed
}

// Problem is something that an administrator should know: it keeps a profile, or the tick, from doing its work.
type Problem struct {
	Profile string `json:"profile,omitempty"`
	Code    string `json:"code"`
	Text    string `json:"text"`
}

func (p *Planner) look(ctx context.Context) (world, error) {
	w := world{now: p.Clock.Now(), written: map[string]profile.Profile{}, inForce: map[string]plan.Profile{}, unread: map[string]bool{}}
	var err error
	if w.stop, err = p.Book.Stop(ctx); err != nil {
		return w, fmt.Errorf("reading the STOP switch: %w", err)
	}
	if w.standings, err = p.Book.Standings(ctx); err != nil {
		return w, fmt.Errorf("reading where the profiles stand: %w", err)
	}
	rows, err := p.Profiles.All(ctx)
	if err != nil {
		return w, fmt.Errorf("reading the AP profiles: %w", err)
	}
	w.decide(rows)
	return w, nil
}

// decide finds the version of each profile that is in force, and what is to be said about the others.
//
//	the row                         an approved version   in force            frozen
//	missing                         yes                   that version        Deleted
//	malformed                       yes / no              that version / none Malformed
//	as approved                     yes                   it                  Paused, if it is
//	edited since                    yes                   the approved one    Paused, if it is
//	new                             no                    none                -
func (w *world) decide(rows []profile.Document) {
	broken := map[string]profile.Complaints{}
	for _, row := range rows {
		rule, complaints := profile.Decode(row)
		if len(complaints) > 0 {
			broken[row.ID] = complaints
			w.problem(row.ID, "Malformed", "The profile does nothing until this is corrected: "+complaints.Error()+".")
			continue
		}
		w.written[row.ID] = rule
		if w.standings[row.ID].Approved == "" {
			w.problem(row.ID, "NotApproved", howToApprove(rule, "The profile is new"))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.standings)) {
		if standing := w.standings[id]; standing.Approved != "" {
			w.enforce(standing, broken[id] != nil)
		}
	}
}

func (w *world) enforce(standing profile.Standing, malformed bool) {
	rule, err := profile.Parse(standing.Document)
	if err != nil {
		w.problem(standing.ID, "Unreadable", err.Error())
		return
	}
	row, written := w.written[standing.ID]
	p := plan.Profile{Rollout: standing.Rollout, Stop: standing.Stop}
	switch {
	case malformed:
		p.Frozen = assignment.Reason{Code: "Malformed", Text: "The profile as it is written now is malformed; everything stays as it is."}
	case !written:
		p.Frozen = assignment.Reason{Code: "Deleted", Text: "The profile was deleted; whoever has a desktop through it keeps it."}
		w.problem(standing.ID, p.Frozen.Code, p.Frozen.Text)
	case row.Paused:
		p.Frozen = assignment.Reason{Code: "Paused", Text: "The profile is paused."}
		w.problem(standing.ID, p.Frozen.Code, p.Frozen.Text)
	case row.Version() != standing.Approved:
		w.problem(standing.ID, "Edited", howToApprove(row, "Version "+standing.Approved+" stays in force; the profile was edited"))
	}
	p.Rule = rule
	w.inForce[standing.ID] = p
}

func howToApprove(rule profile.Profile, what string) string {
	return fmt.Sprintf(`%s. To see what version %s would do: {"action":"preview","profile":%q}. To put it in force: {"action":"approve","profile":%q,"version":%q,"by":"your name"}.`,
		what, rule.Version(), rule.ID, rule.ID, rule.Version())
}

func (w *world) problem(id, code, text string) {
	w.problems = append(w.problems, Problem{Profile: id, Code: code, Text: text})
}

// freeze keeps everyone of a profile as they are for this tick, because Entra did not give an answer to go by.
func (w *world) freeze(id, code, text string) {
	p := w.inForce[id]
	p.Frozen = assignment.Reason{Code: code, Text: text}
	w.inForce[id] = p
	w.unread[id] = true
	w.problem(id, code, text)
}

// acting are the ids of the profiles by which people may be judged now, sorted.
func (w *world) acting() []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(w.inForce)) {
		if w.inForce[id].Frozen.Code == "" {
			out = append(out, id)
		}
	}
	return out
}

// byPriority are the acting profiles, the one that counts most first.
func (w *world) byPriority() []string {
	ids := w.acting()
	slices.SortStableFunc(ids, func(a, b string) int { return w.inForce[b].Rule.Priority - w.inForce[a].Rule.Priority })
	return ids
}

// slots are the slots of every profile in force, sorted.
func (w *world) slots() []string {
	seen := map[string]bool{}
	for _, p := range w.inForce {
		seen[p.Rule.Slot] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// groupOf is the object id that a profile's group was pinned to when it was approved.
func (w *world) groupOf(id string) string { return w.standings[id].Group }

package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/member"
)

// How many people one tick looks at singly. Who is over stays due or in the inbox, and is looked at by the next tick.
const (
	mostDue   = 2000
	mostNamed = 2000
)

// scope is who might have changed.
type scope struct {
	// rolls are the profiles whose whole group is read, with the reason.
	rolls map[string]string
	// people are the object ids that are looked at singly; inbox is who of them came from a feed.
	people map[string]bool
	inbox  []string
	// keys are items that were found through the ledger; they are loaded with the people's.
	keys  map[assignment.Key]bool
	asked string // the one whom a person named: they are looked at singly, whatever it costs
	// nobodyWaits are profiles of which the ledger was asked and holds nobody in status Held.
	nobodyWaits map[string]bool
	// inFlight counts the creates under way of each profile that may start some.
	inFlight map[string]int
	cursors  []member.Cursor // as they stood when the tick began
	feeds    int             // Graph requests that the feeds took
	changed  int             // people whom the feeds named
}

func newScope() scope {
	return scope{
		rolls: map[string]string{}, people: map[string]bool{}, keys: map[assignment.Key]bool{},
		nobodyWaits: map[string]bool{}, inFlight: map[string]int{},
	}
}

// sortedKeys are the items of everyone who is looked at singly: those found, and one in each slot for every person.
func (s *scope) sortedKeys(slots []string) []assignment.Key {
	all := maps.Clone(s.keys)
	for person := range s.people {
		for _, slot := range slots {
			all[assignment.Key{Person: person, Slot: slot}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), compareKeys)
}

func (s *scope) addKeys(keys []assignment.Key) {
	for _, k := range keys {
		s.keys[k] = true
		s.people[k.Person] = true
	}
}

// scope asks the feeds and the ledger who might have changed.
func (p *Planner) scope(ctx context.Context, req events.Request, t *tick) error {
	w, s := &t.w, &t.s
	var err error
	if s.cursors, err = p.Cursors.Cursors(ctx); err != nil {
		return fmt.Errorf("reading the cursors: %w", err)
	}
	if err := p.readFeeds(ctx, w, t.roster, s); err != nil {
		return err
	}
	if s.inbox, err = p.Inbox.Named(ctx, mostNamed); err != nil {
		return fmt.Errorf("reading the inbox: %w", err)
	}
	for _, id := range s.inbox {
		s.people[id] = true
	}
	due, err := p.Assignments.Due(ctx, w.now, mostDue)
	if err != nil {
		return fmt.Errorf("finding what is due: %w", err)
	}
	s.addKeys(due)
	if err := s.byHand(req, w); err != nil {
		return err
	}
	s.rollsDue(w)
	return p.waiting(ctx, w, s)
}

// dryScope is whom a dry run looks at: the person, the profile, or everyone.
func (p *Planner) dryScope(ctx context.Context, req events.Request, t *tick) error {
	if err := t.s.byHand(req, &t.w); err != nil {
		return err
	}
	if req.Person == "" && req.Profile == "" {
		for _, id := range t.w.acting() {
			t.s.rolls[id] = "dry run"
		}
		due, err := p.Assignments.Due(ctx, t.w.now, mostDue)
		if err != nil {
			return fmt.Errorf("finding what is due: %w", err)
		}
		t.s.addKeys(due)
		return p.waiting(ctx, &t.w, &t.s)
	}
	return nil
}

// byHand adds whom or what a person named. A profile that is not in force cannot be looked at: a misspelt one must
// not pass for one with nothing to do.
func (s *scope) byHand(req events.Request, w *world) error {
	if req.Person != "" {
		s.people[req.Person], s.asked = true, req.Person
	}
	if req.Profile == "" {
		return nil
	}
	if _, inForce := w.inForce[req.Profile]; !inForce {
		return fmt.Errorf("profile is %q: expected one that is in force (%s)", req.Profile, strings.Join(slices.Sorted(maps.Keys(w.inForce)), ", "))
	}
	s.rolls[req.Profile] = "asked for by hand"
	return nil
}

// Rolls come round by themselves: soon after the first one, because the feeds began while it was read, and after one
// that something asked for; then daily.
const (
	secondRoll = time.Hour
	dailyRoll  = 24 * time.Hour
	rollAgain  = 15 * time.Minute // after one that could not be read or was not believed
)

// rollsDue adds the profiles whose whole group is to be read.
func (s *scope) rollsDue(w *world) {
	for _, id := range w.acting() {
		standing := w.standings[id]
		switch {
		case standing.Rolled.IsZero():
			s.rolls[id] = "first roll"
		case standing.RollDue != "" && !w.now.Before(standing.NextRoll):
			s.rolls[id] = standing.RollDue
		case !w.now.Before(standing.NextRoll) && w.now.Sub(standing.Rolled) < dailyRoll:
			s.rolls[id] = "second roll, to be sure of the one before"
		case !w.now.Before(standing.NextRoll):
			s.rolls[id] = "daily roll"
		}
	}
}

// waiting looks for people who wait for a place in their profile's rollout, as many as may find one. Nobody is looked
// for where none could.
func (p *Planner) waiting(ctx context.Context, w *world, s *scope) error {
	for _, id := range w.acting() {
		prof := w.inForce[id]
		if !prof.Rollout.Waiting || prof.Stop.On || w.stop.On || w.now.Before(prof.Rollout.Rest) {
			continue
		}
		// A tick may let the limit grow by what comes up in it, at most to twice itself.
		keys, err := p.Assignments.OfProfile(ctx, id, assignment.Held, 2*prof.Rollout.Limit+1)
		if err != nil {
			return fmt.Errorf("finding who waits for profile %s: %w", id, err)
		}
		s.addKeys(keys)
		s.nobodyWaits[id] = len(keys) == 0
	}
	return nil
}

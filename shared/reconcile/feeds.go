package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// Names of cursors: the users feed, and what the name of every chain of groups begins with.
const (
	usersFeed   = "users"
	chainPrefix = "groups-"
)

// readFeeds asks Entra who might have changed since the last tick. Whoever a feed names is written into the inbox,
// and only then does the feed's cursor move, so a planner that dies in between reads the same names again.
// A feed that cannot be read is a problem, not the end of the tick: what is due is still done.
func (p *Planner) readFeeds(ctx context.Context, w *world, roster Feeds, s *scope) error {
	f := follow(w, s.cursors)
	if err := p.drop(ctx, f.stale); err != nil {
		return err
	}
	unread := len(w.problems)
	for _, c := range f.read {
		if p.outOfTime(ctx) { // what was not read is read by the next tick, and nothing is dropped
			return nil
		}
		if err := p.readFeed(ctx, w, roster, c, s); err != nil {
			return err
		}
	}
	if len(w.problems) > unread { // one of them was not read: the old chains go on
		return nil
	}
	return p.drop(ctx, f.superseded)
}

func (p *Planner) drop(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := p.Cursors.DeleteCursor(ctx, name); err != nil {
			return fmt.Errorf("dropping cursor %s: %w", name, err)
		}
	}
	return nil
}

func (p *Planner) readFeed(ctx context.Context, w *world, roster Feeds, c member.Cursor, s *scope) error {
	ch, err := changesOf(ctx, roster, c)
	s.feeds += ch.Pages
	switch {
	case fault.Is(err, fault.Expired):
		if err := p.restart(ctx, w, c); err != nil || c.Link == "" {
			return err
		}
		// Anew at once: a feed listens before the roll that follows, so nothing falls in between.
		return p.readFeed(ctx, w, roster, member.Cursor{Name: c.Name, Groups: c.Groups}, s)
	case err != nil:
		w.problem("", "Feed", fmt.Sprintf("The feed %s could not be read, so changes are found later: %v.", c.Name, err))
		return nil
	}
	people, err := p.known(ctx, w, c, ch.People)
	if err != nil {
		return err
	}
	// What a feed says in its first pass is the state of before; the full roll that follows its start reads that.
	if c.Moved.IsZero() {
		people = nil
	}
	if len(people) > 0 {
		if err := p.Inbox.Name(ctx, people); err != nil {
			return fmt.Errorf("writing down whom the feed %s named: %w", c.Name, err)
		}
	}
	s.changed += len(people)
	if err := p.rollTrees(ctx, w, ch.Trees); err != nil {
		return err
	}
	return p.move(ctx, w, c, ch)
}

func changesOf(ctx context.Context, roster Feeds, c member.Cursor) (member.Changes, error) {
	if c.Name == usersFeed {
		return roster.UserChanges(ctx, c)
	}
	return roster.GroupChanges(ctx, c)
}

// known drops the people of the users feed whom the ledger does not know: that feed names everyone in the tenant.
func (p *Planner) known(ctx context.Context, w *world, c member.Cursor, people []string) ([]string, error) {
	if c.Name != usersFeed || len(people) == 0 {
		return people, nil
	}
	var keys []assignment.Key
	for _, id := range people {
		for _, slot := range w.slots() {
			keys = append(keys, assignment.Key{Person: id, Slot: slot})
		}
	}
	items, err := p.Assignments.Load(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("looking up whom the users feed named: %w", err)
	}
	seen := map[string]bool{}
	for key := range items {
		seen[key.Person] = true
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// move writes where the feed stands now. A feed whose answer did not change moves too: Entra forgets a delta link
// after 7 days, and each answer has a new one.
func (p *Planner) move(ctx context.Context, w *world, c member.Cursor, ch member.Changes) error {
	if ch.Next == c.Link && ch.More == c.More {
		return nil
	}
	if c.Started.IsZero() {
		c.Started = w.now
	}
	c.Link, c.More = ch.Next, ch.More
	if !ch.More {
		c.Moved = w.now
	}
	if _, err := p.Cursors.SaveCursor(ctx, c); err != nil {
		return fmt.Errorf("moving cursor %s: %w", c.Name, err)
	}
	return nil
}

// restart begins a feed anew whose link Entra has forgotten: what happened since is not known, so everyone whom it
// concerned is read again. That removes nobody.
func (p *Planner) restart(ctx context.Context, w *world, c member.Cursor) error {
	ids := c.Groups
	if c.Name == usersFeed {
		ids = nil
		for id := range w.inForce {
			ids = append(ids, w.standings[id].Tree...)
		}
	}
	if err := p.rollTrees(ctx, w, ids); err != nil {
		return err
	}
	w.problem("", "FeedExpired", "Entra has forgotten where the feed "+c.Name+" stood; its groups are read in full.")
	return p.Cursors.DeleteCursor(ctx, c.Name)
}

// rollTrees marks every profile whose tree holds one of the groups for a full roll, in the ledger, so that a tick
// that dies before the roll leaves the mark.
func (p *Planner) rollTrees(ctx context.Context, w *world, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(w.standings)) {
		s := w.standings[id]
		touches := slices.ContainsFunc(groups, func(g string) bool { return g == s.Group || slices.Contains(s.Tree, g) })
		if !touches || s.RollDue != "" {
			continue
		}
		s.RollDue, s.NextRoll = "a group joined, left or changed in its tree, or its feed began anew", w.now
		saved, err := p.Book.SaveStanding(ctx, s)
		if err != nil {
			return fmt.Errorf("marking profile %s for a roll: %w", id, err)
		}
		w.standings[id] = saved
	}
	return nil
}

// followed is how the feeds stand: the cursors to read, in this order, and the names of those to drop, before
// anything is read and after it.
type followed struct {
	read       []member.Cursor
	stale      []string // follow nothing of interest any more
	superseded []string // are read once more and then dropped: packed chains have begun before that
}

// follow decides which cursors are read. Groups that no chain follows yet get chains of their own, so that the others
// go on undisturbed; chains that have become more than needed are packed anew once they are all a day old. Packed
// chains begin before the old ones are read for the last time, so nothing falls in between.
func follow(w *world, have []member.Cursor) followed {
	var f followed
	groups := w.trees()
	if len(groups) == 0 {
		return f
	}
	users := member.Cursor{Name: usersFeed}
	known := map[string]bool{}
	var old []member.Cursor
	for _, c := range have {
		switch {
		case c.Name == usersFeed:
			users = c
		case !strings.HasPrefix(c.Name, chainPrefix):
		case !slices.ContainsFunc(c.Groups, func(g string) bool { return groups[g] }):
			f.stale = append(f.stale, c.Name)
		default:
			old = append(old, c)
			for _, g := range c.Groups {
				known[g] = true
			}
		}
	}
	all := slices.Sorted(maps.Keys(groups))
	if scattered(old, len(all), w.now) {
		for _, c := range old {
			f.superseded = append(f.superseded, c.Name)
		}
		known = nil
	}
	fresh := slices.DeleteFunc(all, func(g string) bool { return known[g] })
	for chunk := range slices.Chunk(fresh, member.MostGroups) {
		f.read = append(f.read, member.Cursor{Name: chainName(chunk, w.now), Groups: chunk})
	}
	slices.SortFunc(old, func(a, b member.Cursor) int { return strings.Compare(a.Name, b.Name) })
	f.read = append(append(f.read, old...), users)
	return f
}

// scattered reports whether the groups could be followed by fewer chains, and all of them are a day old and at rest.
func scattered(chains []member.Cursor, groups int, now time.Time) bool {
	needed := (groups + member.MostGroups - 1) / member.MostGroups
	young := func(c member.Cursor) bool { return c.More || c.Moved.IsZero() || now.Sub(c.Started) < dailyRoll }
	return len(chains) > needed && !slices.ContainsFunc(chains, young)
}

// trees are all groups whose changes concern a profile in force.
func (w *world) trees() map[string]bool {
	out := map[string]bool{}
	for id := range w.inForce {
		out[w.groupOf(id)] = true
		for _, g := range w.standings[id].Tree {
			out[g] = true
		}
	}
	return out
}

// chainName is a name that no other chain has: of the groups, and of when it began.
func chainName(groups []string, now time.Time) string {
	sum := sha256.Sum256([]byte(now.String() + strings.Join(groups, " ")))
	return chainPrefix + hex.EncodeToString(sum[:6])
}

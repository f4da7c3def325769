package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	cursors, err := p.Cursors.Cursors(ctx)
	if err != nil {
		return fmt.Errorf("reading the cursors: %w", err)
	}
	wanted, stale := chains(w, cursors)
	for _, name := range stale {
		if err := p.Cursors.DeleteCursor(ctx, name); err != nil {
			return fmt.Errorf("dropping cursor %s: %w", name, err)
		}
	}
	for _, c := range wanted {
		if p.outOfTime(ctx) {
			return nil
		}
		if err := p.readFeed(ctx, w, roster, c, s); err != nil {
			return err
		}
	}
	return nil
}

func (p *Planner) readFeed(ctx context.Context, w *world, roster Feeds, c member.Cursor, s *scope) error {
	ch, err := changesOf(ctx, roster, c)
	s.feeds += ch.Pages
	switch {
	case fault.Is(err, fault.Expired):
		return p.restart(ctx, w, c)
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
		s.RollDue = "a group joined, left or changed in its tree, or its feed began anew"
		saved, err := p.Book.SaveStanding(ctx, s)
		if err != nil {
			return fmt.Errorf("marking profile %s for a roll: %w", id, err)
		}
		w.standings[id] = saved
	}
	return nil
}

// chains are the cursors to read, and the names of those to drop. Groups that no cursor follows yet get chains of
// their own, so that the others are not read again; once the chains have become many, they are packed anew.
func chains(w *world, have []member.Cursor) (read []member.Cursor, drop []string) {
	groups := w.trees()
	followed := map[string]bool{}
	users := member.Cursor{Name: usersFeed}
	for _, c := range have {
		switch {
		case c.Name == usersFeed:
			users = c
			continue
		case !strings.HasPrefix(c.Name, chainPrefix):
			continue
		}
		if !slices.ContainsFunc(c.Groups, func(g string) bool { return groups[g] }) {
			drop = append(drop, c.Name)
			continue
		}
		read = append(read, c)
		for _, g := range c.Groups {
			followed[g] = true
		}
	}
	var fresh []string
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		if !followed[g] {
			fresh = append(fresh, g)
		}
	}
	for chunk := range slices.Chunk(fresh, member.MostGroups) {
		read = append(read, member.Cursor{Name: chainName(chunk), Groups: chunk})
	}
	slices.SortFunc(read, func(a, b member.Cursor) int { return strings.Compare(a.Name, b.Name) })
	if len(groups) > 0 {
		read = append(read, users)
	}
	return read, drop
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

func chainName(groups []string) string {
	sum := sha256.Sum256([]byte(strings.Join(groups, " ")))
	return chainPrefix + hex.EncodeToString(sum[:6])
}

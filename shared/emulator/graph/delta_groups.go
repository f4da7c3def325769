package graph

import (
	"slices"
)

// groupsDelta is GET /groups/delta. https://learn.microsoft.com/graph/api/group-delta
func (c *call) groupsDelta() reply {
	return c.delta(feed{
		path: "groups", known: append(groupNames(), "members", "owners"),
		objects: c.changedGroups, page: c.groupsPage,
	})
}

// groupDeltaDefaults are tracked without $select: everything, with members.
func groupDeltaDefaults() []string { return append(groupNames(), "members") }

// changedGroups are the groups with something to show, in the order in which they were made (first answer) or
// changed.
func (c *call) changedGroups(v view, r *round) []entry {
	if r.First {
		return c.firstGroups(v, r)
	}
	var found []entry
	for _, p := range r.Parts {
		found = append(found, c.groupsIn(v, r, p)...)
	}
	return found
}

func (c *call) firstGroups(v view, r *round) []entry {
	ids := r.Filter
	if len(ids) == 0 {
		ids = v.order
	}
	var found []entry
	for _, id := range ids {
		g := v.groups[id]
		if g == nil {
			continue
		}
		s, there := g.states.at(r.Upto)
		if !there || s.life != live && !(c.b.FirstTombstones && v.fresh(r, lastStep(g.states, r.Upto))) {
			continue
		}
		e := entry{id: id, whole: true, first: true, part: r.Parts[0]}
		if r.shows("members", groupDeltaDefaults()) {
			e.members = &g.members
		}
		found = append(found, e)
	}
	return found
}

// groupsIn reads the log from one number to another: the work is that of the changes, not of the groups.
func (c *call) groupsIn(v view, r *round, p part) []entry {
	g := gathering{
		round: r, part: p, at: map[string]int{}, seen: map[[2]string]bool{},
		members: r.shows("members", groupDeltaDefaults()),
	}
	for i := p.Since; i < p.Upto; i++ {
		ch := &v.log[i]
		if len(r.Filter) > 0 && !slices.Contains(r.Filter, ch.id) {
			continue
		}
		switch ch.topic {
		case aboutGroup:
			g.changed(ch, &v.groups[ch.id].members)
		case aboutMember, aboutRange:
			if g.members && !(ch.purge && c.b.PurgeUnseen) {
				g.moved(ch)
			}
		}
	}
	return g.found
}

// gathering puts the changes of each group together, in the order in which the groups first changed.
type gathering struct {
	round   *round
	part    part
	members bool // are selected
	found   []entry
	at      map[string]int
	seen    map[[2]string]bool
}

func (g *gathering) entry(id string) *entry {
	i, ok := g.at[id]
	if !ok {
		i = len(g.found)
		g.at[id] = i
		g.found = append(g.found, entry{id: id, part: g.part})
	}
	return &g.found[i]
}

// changed notes a change of the group itself. A new or restored group shows everyone who is in it.
func (g *gathering) changed(ch *change, everyone *sequence) {
	if ch.props == nil {
		e := g.entry(ch.id)
		e.whole = true
		if g.members {
			e.members = everyone
		}
		return
	}
	shown := slices.DeleteFunc(slices.Clone(ch.props), func(name string) bool {
		return !g.round.shows(name, groupDeltaDefaults())
	})
	if len(shown) > 0 {
		e := g.entry(ch.id)
		e.props = append(e.props, shown...)
	}
}

// moved notes who joined or left, each once: how it stands in the end is read when the page is written.
func (g *gathering) moved(ch *change) {
	pair := [2]string{ch.id, ch.member}
	if ch.topic == aboutMember && g.seen[pair] {
		return
	}
	e := g.entry(ch.id)
	switch {
	case e.whole: // shows everyone
		return
	case e.members == nil:
		e.members = &sequence{}
	}
	if ch.topic == aboutRange {
		e.members.add(ch.span)
		return
	}
	g.seen[pair] = true
	e.members.add(span{id: ch.member})
}

// groupsPage writes the next page: up to DeltaGroups group objects, each with up to DeltaMembers members. A group
// with more stays open and comes again on the next page, so that large groups repeat and interleave.
func (c *call) groupsPage(v view, r *round, entries []entry) []*object {
	var page []*object
	var still []open
	opened := r.Cursor.Open
	next := r.Cursor.Next
	for len(opened) < max(1, c.b.DeltaGroups) && next < len(entries) {
		opened = append(opened, open{Object: next})
		next++
	}
	for _, o := range opened {
		if o.Object >= len(entries) {
			continue
		}
		obj, rest := c.groupSlice(v, r, entries[o.Object], o.At)
		if obj != nil {
			page = append(page, obj)
		}
		if rest > 0 {
			still = append(still, open{o.Object, rest})
		}
	}
	if next >= len(entries) && len(still) == 0 {
		next = 0
	}
	r.Cursor = cursor{Next: next, Open: still}
	return page
}

// groupSlice is a group object with the members from a place on, and the place to go on from (0: the end).
func (c *call) groupSlice(v view, r *round, e entry, at int) (*object, int) {
	g := v.groups[e.id]
	s, _ := g.states.at(e.part.AsOf)
	if s.life != live {
		return removed(e.id, s.life), 0
	}
	o := &object{}
	names := groupNames()
	if !r.All {
		names = r.Select
	}
	scalars(o, names, g.states, e, c.minimal(), groupProperty)
	o.set("id", e.id)
	if e.members == nil || s.Visibility == HiddenMembership && !c.who.hidden() {
		return o, 0
	}
	members, rest := c.memberSlice(v, r, g, e, at)
	if len(members) > 0 {
		o.set("members@delta", members) // without members there is no such key, not an empty list
	}
	if at > 0 && len(members) == 0 {
		return nil, 0
	}
	return o, rest
}

// memberSlice are the members of a group object, type and id only. Who is not in the group as of the part's
// number is marked as removed; in a first answer such tombstones show only if Behaviour says so.
func (c *call) memberSlice(v view, r *round, g *groupRecord, e entry, at int) (members []*object, rest int) {
	e.members.from(at, func(place int, id string) bool {
		if !v.everPresent(g, id, e.part.AsOf) {
			return true
		}
		kind := v.kindOf(id)
		in := v.present(g, id, e.part.AsOf)
		if !in && e.whole && !c.tombstone(v, r, g, id, e) {
			return true
		}
		if len(members) >= max(1, c.b.DeltaMembers) {
			rest = place
			return false
		}
		m := (&object{}).set("@odata.type", "#microsoft.graph."+string(kind)).set("id", id)
		if !in {
			m.set("@removed", (&object{}).set("reason", "deleted"))
		}
		members = append(members, m)
		return true
	})
	return members, rest
}

// tombstone reports whether someone who left shows in an answer that otherwise lists who is there: in a first
// answer as Behaviour says, later (the group is new, or was restored) if it happened in this round.
func (c *call) tombstone(v view, r *round, g *groupRecord, id string, e entry) bool {
	h, ok := g.edges[id]
	if !ok {
		return false
	}
	left := lastStep(*h, e.part.AsOf)
	if e.first {
		return c.b.FirstTombstones && v.fresh(r, left)
	}
	return left > e.part.Since
}

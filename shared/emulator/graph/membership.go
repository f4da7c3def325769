package graph

import (
	"fmt"
	"slices"
)

// AddMember puts a user, a group, a device, a contact or a service principal into a group. ErrNotFound where one
// of the two is not there, ErrMember where it is in already.
func (t *Tenant) AddMember(group, member string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	group, member = canonical(group), canonical(member)
	g, err := t.liveGroup(group)
	if err != nil {
		return fmt.Errorf("adding member %s: %w", member, err)
	}
	present := int64(len(t.log))
	if t.lifeOf(member, present) != live || t.kindOf(member) == "" || group == member {
		return fmt.Errorf("adding to group %s: %w", group, notFound("member", member))
	}
	if t.present(g, member, present) {
		return fmt.Errorf("adding member %s to group %s: %w", member, group, ErrMember)
	}
	t.setEdge(g, member, true, t.record(change{topic: aboutMember, id: group, member: member}))
	return nil
}

// RemoveMember takes a member out of a group. ErrNotFound where the group is not there, ErrNotMember where the
// member is not in it.
func (t *Tenant) RemoveMember(group, member string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	group, member = canonical(group), canonical(member)
	g, err := t.liveGroup(group)
	if err != nil {
		return fmt.Errorf("removing member %s: %w", member, err)
	}
	if !t.present(g, member, int64(len(t.log))) {
		return fmt.Errorf("removing member %s from group %s: %w", member, group, ErrNotMember)
	}
	t.setEdge(g, member, false, t.record(change{topic: aboutMember, id: group, member: member}))
	return nil
}

// setEdge writes a membership. The lock is held.
func (t *Tenant) setEdge(g *groupRecord, member string, in bool, seq int64) {
	h, ok := g.edges[member]
	if !ok {
		h = &history[bool]{}
		g.edges[member] = h
		if r, ok := t.inRange(g, member); ok {
			*h = append(*h, step[bool]{r.seq, true})
		} else {
			g.members.add(span{id: member})
			t.parents[member] = append(t.parents[member], g.id)
			if t.kindOf(member) == GroupKind {
				g.children = append(g.children, member)
			}
		}
	}
	*h = append(*h, step[bool]{seq, in})
}

// inRange is the range of a crowd by which a member is in the group. The lock is held.
func (t *Tenant) inRange(g *groupRecord, member string) (joined, bool) {
	if len(g.ranges) == 0 {
		return joined{}, false
	}
	c, i, ok := t.inCrowd(member)
	if !ok {
		return joined{}, false
	}
	for _, r := range g.ranges {
		if r.crowd == c && r.from <= i && i < r.to {
			return r, true
		}
	}
	return joined{}, false
}

// present is whether the member was in the group as of a number, dead or alive. The lock is held.
func (t *Tenant) present(g *groupRecord, member string, seq int64) bool {
	if h, ok := g.edges[member]; ok {
		in, _ := h.at(seq)
		return in
	}
	r, ok := t.inRange(g, member)
	return ok && r.seq <= seq
}

// everPresent is whether the member had been in the group at any time up to a number. The lock is held.
func (t *Tenant) everPresent(g *groupRecord, member string, seq int64) bool {
	if h, ok := g.edges[member]; ok {
		return len(*h) > 0 && (*h)[0].seq <= seq
	}
	r, ok := t.inRange(g, member)
	return ok && r.seq <= seq
}

// lifeOf is whether an object was there as of a number; purged where it had not been made. The lock is held.
func (t *Tenant) lifeOf(id string, seq int64) life {
	if g, ok := t.groups[id]; ok {
		if s, ok := g.states.at(seq); ok {
			return s.life
		}
		return purged
	}
	if h, ok := t.objects[id]; ok {
		if s, ok := h.at(seq); ok {
			return s.life
		}
		return purged
	}
	if h, ok := t.users[id]; ok {
		if u, ok := h.at(seq); ok {
			return u.life
		}
		return purged
	}
	if c, _, ok := t.inCrowd(id); ok && c.made <= seq {
		return live
	}
	return purged
}

// everIn are the groups that the member ever was put into. The lock is held.
func (t *Tenant) everIn(member string) []string {
	in := slices.Clone(t.parents[member])
	if c, i, ok := t.inCrowd(member); ok {
		for _, r := range c.joined {
			if r.from <= i && i < r.to && !slices.Contains(in, r.group) {
				in = append(in, r.group)
			}
		}
	}
	return in
}

// groupsOf are the groups that the member was in as of a number; with deep, also those that these were in, and so
// on. Deleted groups do not count. The lock is held.
func (t *Tenant) groupsOf(member string, deep bool, seq int64) []string {
	var found []string
	next := []string{member}
	for len(next) > 0 {
		for _, parent := range t.everIn(next[0]) {
			if t.lifeOf(parent, seq) == live && parent != member && !slices.Contains(found, parent) &&
				t.present(t.groups[parent], next[0], seq) {
				found = append(found, parent)
				if deep {
					next = append(next, parent)
				}
			}
		}
		next = next[1:]
	}
	return found
}

// tree is the group and every live group inside it, each once, outermost first. The lock is held.
func (t *Tenant) tree(group string, seq int64) []*groupRecord {
	found := []*groupRecord{t.groups[group]}
	for i := 0; i < len(found); i++ {
		for _, child := range found[i].children {
			g := t.groups[child]
			if !slices.Contains(found, g) && t.lifeOf(child, seq) == live && t.present(found[i], child, seq) {
				found = append(found, g)
			}
		}
	}
	return found
}

// Members are the ids of a group's direct members as of now, in the order of joining; soft-deleted users count.
// For assertions on small groups. ErrNotFound where the group is not there.
func (t *Tenant) Members(group string) ([]string, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	g, err := t.liveGroup(canonical(group))
	if err != nil {
		return nil, fmt.Errorf("reading members: %w", err)
	}
	present := int64(len(t.log))
	ids := []string{}
	g.members.from(0, func(_ int, id string) bool {
		if t.present(g, id, present) {
			ids = append(ids, id)
		}
		return true
	})
	return ids, nil
}

// Live is how many users the tenant has now, crowds included, deleted ones not.
func (t *Tenant) Live() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, present := t.everyone.n, int64(len(t.log))
	for _, h := range t.users {
		if u, _ := h.at(present); u.life != live {
			n--
		}
	}
	return n
}

package seams

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// Entra is people and groups, with feeds that name whoever changed. Use NewEntra.
type Entra struct {
	Gate     Gate
	Miscount int  // what Count is wrong by
	Mute     bool // the feeds tell nothing of what happens meanwhile

	mu      sync.Mutex
	people  map[string]member.Person
	groups  map[string]member.Group
	members map[string]map[string]bool // group to users and nested groups
	log     []change                   // what the feeds tell
}

type change struct {
	group string // empty: the person changed
	who   string
	tree  bool
}

// NewEntra is an empty tenant.
func NewEntra() *Entra {
	return &Entra{people: map[string]member.Person{}, groups: map[string]member.Group{}, members: map[string]map[string]bool{}}
}

// Put adds or changes a person.
func (e *Entra) Put(p member.Person) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.people[p.ID] = p
	e.tell(change{who: p.ID})
}

// Delete takes a person out of the tenant and of every group.
func (e *Entra) Delete(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.people, id)
	for _, in := range e.members {
		delete(in, id)
	}
	e.tell(change{who: id})
}

// AddGroup makes a group.
func (e *Entra) AddGroup(g member.Group) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.groups[g.ID], e.members[g.ID] = g, map[string]bool{}
}

// DeleteGroup takes a group away.
func (e *Entra) DeleteGroup(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.groups, id)
	delete(e.members, id)
	e.tell(change{group: id, tree: true})
}

// Join puts a person or a group into a group.
func (e *Entra) Join(group, who string) { e.set(group, who, true) }

// Leave takes a person or a group out of a group.
func (e *Entra) Leave(group, who string) { e.set(group, who, false) }

func (e *Entra) set(group, who string, in bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if in {
		e.members[group][who] = true
	} else {
		delete(e.members[group], who)
	}
	_, nested := e.groups[who]
	e.tell(change{group: group, who: who, tree: nested})
}

// tell gives a change to the feeds.
func (e *Entra) tell(c change) {
	if !e.Mute {
		e.log = append(e.log, c)
	}
}

func (e *Entra) call(name string, do func() error) error {
	return e.Gate.pass(name, func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		return do()
	})
}

// Group finds a group by id or name.
func (e *Entra) Group(_ context.Context, ref string) (member.Group, error) {
	var out member.Group
	err := e.call("Group", func() error {
		for _, id := range slices.Sorted(maps.Keys(e.groups)) {
			if g := e.groups[id]; g.ID == ref || g.Name == ref {
				out = g
				return nil
			}
		}
		return fault.New(fault.NotFound, "there is no group "+ref)
	})
	return out, err
}

// pageSize is small, so that few people make several pages.
const pageSize = 3

// NextPage reads the page at a position: the whole group is walked for each, and a part of it given out.
func (e *Entra) NextPage(_ context.Context, at member.Position) (member.Page, error) {
	var page member.Page
	err := e.call("NextPage", func() error {
		if _, ok := e.groups[at.Group]; !ok {
			return fault.New(fault.NotFound, "there is no group "+at.Group)
		}
		all := walked{people: map[string]member.Person{}}
		e.walk(at.Group, at.Nested, &all)
		ids := slices.Sorted(maps.Keys(all.people))
		from := min(at.Pages*pageSize, len(ids))
		to := min(from+pageSize, len(ids))
		for _, id := range ids[from:to] {
			page.People = append(page.People, all.people[id])
		}
		page.Next = at
		page.Next.Pages, page.Next.People, page.Next.Done, page.Next.Walked = at.Pages+1, to, to == len(ids), all.groups
		page.Next.Direct = len(e.members[at.Group])
		return nil
	})
	return page, err
}

// Count is how many direct members a group has; Miscount is added to it.
func (e *Entra) Count(_ context.Context, group string) (int, error) {
	n := 0
	err := e.call("Count", func() error {
		n = len(e.members[group]) + e.Miscount
		return nil
	})
	return n, err
}

// walked is what a walk has met.
type walked struct {
	groups []string
	people map[string]member.Person
}

func (e *Entra) walk(group string, nested bool, all *walked) {
	if slices.Contains(all.groups, group) {
		return
	}
	all.groups = append(all.groups, group)
	for _, id := range slices.Sorted(maps.Keys(e.members[group])) {
		if p, ok := e.people[id]; ok {
			all.people[id] = p
		} else if _, ok := e.groups[id]; ok && nested {
			e.walk(id, nested, all)
		}
	}
}

// People are the facts of those who exist.
func (e *Entra) People(_ context.Context, ids []string) (map[string]member.Person, error) {
	out := map[string]member.Person{}
	err := e.call("People", func() error {
		for _, id := range ids {
			if p, ok := e.people[id]; ok {
				out[id] = p
			}
		}
		return nil
	})
	return out, err
}

// Standings says who is in which group; a group that is gone is Unknown for everyone.
func (e *Entra) Standings(_ context.Context, ids, groups []string, nested bool) (map[string]map[string]member.Standing, error) {
	out := map[string]map[string]member.Standing{}
	err := e.call("Standings", func() error {
		for _, id := range ids {
			out[id] = map[string]member.Standing{}
			for _, group := range groups {
				if _, ok := e.groups[group]; !ok {
					continue
				}
				all := walked{people: map[string]member.Person{}}
				e.walk(group, nested, &all)
				out[id][group] = member.Out
				if _, in := all.people[id]; in {
					out[id][group] = member.In
				}
			}
		}
		return nil
	})
	return out, err
}

// GroupChanges reads a feed over groups: its link is a place in the log.
func (e *Entra) GroupChanges(_ context.Context, c member.Cursor) (member.Changes, error) {
	return e.changes("GroupChanges", c, func(ch change) bool { return ch.group != "" && slices.Contains(c.Groups, ch.group) })
}

// UserChanges reads the feed over users.
func (e *Entra) UserChanges(_ context.Context, c member.Cursor) (member.Changes, error) {
	return e.changes("UserChanges", c, func(ch change) bool { return ch.group == "" })
}

func (e *Entra) changes(name string, c member.Cursor, concerns func(change) bool) (member.Changes, error) {
	var out member.Changes
	err := e.call(name, func() error {
		out = member.Changes{Next: fmt.Sprintf("%d", len(e.log)), Pages: 1}
		if c.Link == "" {
			return nil
		}
		from, err := strconv.Atoi(c.Link)
		if err != nil {
			return fault.New(fault.Expired, "the link is forgotten")
		}
		for _, ch := range e.log[from:] {
			switch {
			case !concerns(ch):
			case ch.tree:
				out.Trees = append(out.Trees, ch.group)
			default:
				out.People = append(out.People, ch.who)
			}
		}
		return nil
	})
	return out, err
}

package seams

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// Entra is people and groups, with feeds that name whoever changed. Use NewEntra.
type Entra struct {
	Gate Gate

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
	e.log = append(e.log, change{who: p.ID})
}

// Delete takes a person out of the tenant and of every group.
func (e *Entra) Delete(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.people, id)
	for _, in := range e.members {
		delete(in, id)
	}
	e.log = append(e.log, change{who: id})
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
	e.log = append(e.log, change{group: id, tree: true})
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
	e.log = append(e.log, change{group: group, who: who, tree: nested})
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
	return out, e.call("Group", func() error {
		for _, id := range slices.Sorted(maps.Keys(e.groups)) {
			if g := e.groups[id]; g.ID == ref || g.Name == ref {
				out = g
				return nil
			}
		}
		return fault.New(fault.NotFound, "there is no group "+ref)
	})
}

// Roll is everyone in a group.
func (e *Entra) Roll(_ context.Context, group string, nested bool) (member.Roll, error) {
	roll := member.Roll{Group: member.Group{ID: group}, Nested: nested, People: map[string]member.Person{}, Via: map[string]string{}, Pages: 1, Read: time.Time{}}
	return roll, e.call("Roll", func() error {
		if _, ok := e.groups[group]; !ok {
			return fault.New(fault.NotFound, "there is no group "+group)
		}
		e.walk(group, nested, "", &roll)
		return nil
	})
}

func (e *Entra) walk(group string, nested bool, via string, roll *member.Roll) {
	if slices.Contains(roll.Groups, group) {
		return
	}
	roll.Groups = append(roll.Groups, group)
	for _, id := range slices.Sorted(maps.Keys(e.members[group])) {
		if p, ok := e.people[id]; ok {
			if _, seen := roll.People[id]; !seen {
				roll.People[id], roll.Via[id] = p, via
			}
		} else if _, ok := e.groups[id]; ok && nested {
			e.walk(id, nested, via+"/"+id, roll)
		}
	}
}

// People are the facts of those who exist.
func (e *Entra) People(_ context.Context, ids []string) (map[string]member.Person, error) {
	out := map[string]member.Person{}
	return out, e.call("People", func() error {
		for _, id := range ids {
			if p, ok := e.people[id]; ok {
				out[id] = p
			}
		}
		return nil
	})
}

// Standings says who is in which group; a group that is gone is Unknown for everyone.
func (e *Entra) Standings(_ context.Context, ids, groups []string, nested bool) (map[string]map[string]member.Standing, error) {
	out := map[string]map[string]member.Standing{}
	return out, e.call("Standings", func() error {
		for _, id := range ids {
			out[id] = map[string]member.Standing{}
			for _, group := range groups {
				if _, ok := e.groups[group]; !ok {
					continue
				}
				roll := member.Roll{People: map[string]member.Person{}, Via: map[string]string{}}
				e.walk(group, nested, "", &roll)
				out[id][group] = member.Out
				if _, in := roll.People[id]; in {
					out[id][group] = member.In
				}
			}
		}
		return nil
	})
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
	return out, e.call(name, func() error {
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
}

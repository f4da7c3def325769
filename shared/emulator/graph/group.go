package graph

import (
	"fmt"
	"slices"
	"time"
)

// Group is one group. https://learn.microsoft.com/graph/api/resources/group
type Group struct {
	ID          string
	DisplayName string
	Description string
	Mail        string
	// MailNickname is made from the name where empty.
	MailNickname string
	// Types holds "Unified" for a Microsoft 365 group (restorable after deletion) and "DynamicMembership".
	Types           []string
	MailEnabled     bool
	SecurityEnabled bool // set by AddGroup for a group that is neither Unified nor mail-enabled
	// Visibility is "", "Private", "Public" or "HiddenMembership".
	Visibility     string
	MembershipRule string
	Synced         bool      // onPremisesSyncEnabled
	Created        time.Time // set by AddGroup where zero
	More           map[string]any
}

// HiddenMembership is the visibility of a group whose members only Member.Read.Hidden shows.
const HiddenMembership = "HiddenMembership"

type groupState struct {
	Group
	life    life
	deleted time.Time
}

// groupRecord is a group with everyone who ever was in it.
type groupRecord struct {
	id       string
	states   history[groupState]
	members  sequence
	edges    map[string]*history[bool] // members put in by themselves, and users of a range who left or came back
	ranges   []joined
	children []string // groups that ever were members
}

// Kind is the type of a directory object, as "@odata.type" ends.
type Kind string

// The kinds of member.
const (
	UserKind         Kind = "user"
	GroupKind        Kind = "group"
	Device           Kind = "device"
	Contact          Kind = "orgContact"
	ServicePrincipal Kind = "servicePrincipal"
)

type objectState struct {
	kind Kind
	name string
	life life
}

// AddGroup adds a group and returns it with its id. ErrExists where the id is taken, ErrInvalid where it is not a
// GUID or the group has no name.
func (t *Tenant) AddGroup(g Group) (Group, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g.ID = canonical(g.ID)
	if g.ID == "" {
		g.ID = t.ids.next()
	}
	if !isID(g.ID) || g.DisplayName == "" {
		return Group{}, fmt.Errorf("adding group %q (%s): %w", g.DisplayName, g.ID, ErrInvalid)
	}
	if t.kindOf(g.ID) != "" {
		return Group{}, fmt.Errorf("adding group %s: %w", g.ID, ErrExists)
	}
	if g.MailNickname == "" {
		g.MailNickname = g.ID[:8]
	}
	if !slices.Contains(g.Types, "Unified") && !g.MailEnabled {
		g.SecurityEnabled = true
	}
	if g.Created.IsZero() {
		g.Created = t.clock.Now()
	}
	seq := t.record(change{topic: aboutGroup, id: g.ID})
	t.groups[g.ID] = &groupRecord{
		id: g.ID, states: history[groupState]{{seq, groupState{Group: g}}},
		edges: map[string]*history[bool]{},
	}
	t.order = append(t.order, g.ID)
	return g, nil
}

// liveGroup is a group that is there now. The lock is held.
func (t *Tenant) liveGroup(id string) (*groupRecord, error) {
	g, ok := t.groups[id]
	if !ok {
		return nil, notFound("group", id)
	}
	if s, _ := g.states.now(); s.life != live {
		return nil, notFound("group", id)
	}
	return g, nil
}

func (t *Tenant) changeGroup(doing, id string, edit func(*groupState) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	id = canonical(id)
	g, ok := t.groups[id]
	if !ok {
		return fmt.Errorf("%s: %w", doing, notFound("group", id))
	}
	was, _ := g.states.now()
	is := was
	if err := edit(&is); err != nil {
		return fmt.Errorf("%s group %s: %w", doing, id, err)
	}
	is.ID = id
	var props []string
	if is.life == was.life {
		if props = changedProperties(&was, &is, groupNames(), groupProperty); len(props) == 0 {
			return nil
		}
	}
	seq := t.record(change{topic: aboutGroup, id: id, props: props})
	g.states = append(g.states, step[groupState]{seq, is})
	if is.life == purged {
		t.leaveAll(id)
	}
	return nil
}

// UpdateGroup changes properties of a group. ErrNotFound where it is not there.
func (t *Tenant) UpdateGroup(id string, edit func(*Group)) error {
	return t.changeGroup("updating", id, func(s *groupState) error {
		if s.life != live {
			return ErrNotFound
		}
		edit(&s.Group)
		return nil
	})
}

// RenameGroup sets displayName. Names are not unique.
func (t *Tenant) RenameGroup(id, name string) error {
	return t.UpdateGroup(id, func(g *Group) { g.DisplayName = name })
}

// HideMembership gives the group the visibility HiddenMembership. (Graph allows that only for a Microsoft 365
// group, and only when it is made; here it is for scenarios.)
func (t *Tenant) HideMembership(id string) error {
	return t.UpdateGroup(id, func(g *Group) { g.Visibility = HiddenMembership })
}

// DeleteGroup deletes a Microsoft 365 group softly and any other group for good.
// https://learn.microsoft.com/graph/api/group-delete
func (t *Tenant) DeleteGroup(id string) error {
	return t.changeGroup("deleting", id, func(s *groupState) error {
		if s.life != live {
			return ErrNotFound
		}
		s.life, s.deleted = purged, t.clock.Now()
		if slices.Contains(s.Types, "Unified") {
			s.life = softDeleted
		}
		return nil
	})
}

// RestoreGroup undoes the soft deletion of a Microsoft 365 group, with all members.
func (t *Tenant) RestoreGroup(id string) error {
	return t.changeGroup("restoring", id, func(s *groupState) error {
		if s.life != softDeleted {
			return ErrNotFound
		}
		s.life, s.deleted = live, time.Time{}
		return nil
	})
}

// PurgeGroup ends a soft-deleted group for good.
func (t *Tenant) PurgeGroup(id string) error {
	return t.changeGroup("purging", id, func(s *groupState) error {
		if s.life == purged {
			return ErrNotFound
		}
		s.life = purged
		return nil
	})
}

// AddObject adds a device, a contact or a service principal, which may be a member of groups, and returns its id.
func (t *Tenant) AddObject(kind Kind, name string) (string, error) {
	if kind != Device && kind != Contact && kind != ServicePrincipal {
		return "", fmt.Errorf("adding a %s: %w", kind, ErrInvalid)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.ids.next()
	seq := t.record(change{topic: aboutObject, id: id})
	t.objects[id] = &history[objectState]{{seq, objectState{kind: kind, name: name}}}
	return id, nil
}

// kindOf is what the id names, or empty. The lock is held.
func (t *Tenant) kindOf(id string) Kind {
	if _, ok := t.users[id]; ok {
		return UserKind
	}
	if _, ok := t.groups[id]; ok {
		return GroupKind
	}
	if h, ok := t.objects[id]; ok {
		s, _ := h.now()
		return s.kind
	}
	if _, _, ok := t.inCrowd(id); ok {
		return UserKind
	}
	return ""
}

// Group is a group as of now, soft-deleted or not. ErrNotFound where there never was one, or no longer is.
func (t *Tenant) Group(id string) (Group, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	g, ok := t.groups[canonical(id)]
	if !ok {
		return Group{}, notFound("group", id)
	}
	s, _ := g.states.now()
	if s.life == purged {
		return Group{}, notFound("group", id)
	}
	return s.Group, nil
}

package graph

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"rollcall/shared/clock"
)

// What the ways of changing a tenant may refuse.
var (
	ErrNotFound  = errors.New("not in the directory")
	ErrExists    = errors.New("already in the directory")
	ErrMember    = errors.New("already a member") // Graph: "One or more added object references already exist"
	ErrNotMember = errors.New("not a member")
	ErrInvalid   = errors.New("invalid")
)

// Tenant is one Entra tenant: users, groups, memberships and app registrations, with their whole history. Its
// methods are what an administrator can do; they take effect at the clock's present, and reads see them after
// the lag that Behaviour sets. It is safe for concurrent use.
type Tenant struct {
	// ID is the directory id, Domain a verified domain of it. They do not change.
	ID, Domain string

	mu    sync.RWMutex
	clock clock.Clock
	ids   *idSource
	log   []change

	users    map[string]*history[userState]
	upns     map[string]string // lower-cased UPN to id; the state decides, this only finds
	everyone sequence          // every user ever, crowds included
	groups   map[string]*groupRecord
	order    []string // group ids in the order of their making
	objects  map[string]*history[objectState]
	parents  map[string][]string // member to the groups that it was ever put into by itself
	crowds   map[string]*Crowd   // by tag
	apps     map[string]*app
}

// life is whether a directory object is there.
type life int8

const (
	live life = iota
	softDeleted
	purged
)

type userState struct {
	User
	life    life
	deleted time.Time
}

// User is one user. The zero value of a field is "not set" (null), except Disabled: users are enabled unless said
// otherwise. https://learn.microsoft.com/graph/api/resources/user
type User struct {
	ID                string
	UserPrincipalName string
	DisplayName       string
	GivenName         string
	Surname           string
	Mail              string
	MailNickname      string
	JobTitle          string
	Department        string
	PreferredLanguage string
	UserType          string // "Member" or "Guest"; empty reads as null, as with old objects
	Disabled          bool
	OnPremises        OnPremises
	// EmployeeLeaveDateTime is readable only with User-LifeCycleInfo.Read.All.
	EmployeeLeaveDateTime time.Time
	Created               time.Time // set by AddUser where zero
	// More are other properties by their Graph name ("employeeId", "assignedLicenses").
	More map[string]any
}

// OnPremises is what Entra Connect writes on a synchronised user; all null for cloud-only people.
type OnPremises struct {
	Synced         bool
	SAMAccountName string
	DomainName     string
	UPN            string
	SID            string
	ImmutableID    string
}

// NewTenant is an empty directory. An empty id is made; the domain defaults to "contoso.com".
func newTenant(clk clock.Clock, ids *idSource, id, domain string) *Tenant {
	if id == "" {
		id = ids.next()
	}
	if domain == "" {
		domain = "contoso.com"
	}
	return &Tenant{
		ID: canonical(id), Domain: domain, clock: clk, ids: ids,
		users: map[string]*history[userState]{}, upns: map[string]string{}, groups: map[string]*groupRecord{},
		objects: map[string]*history[objectState]{}, parents: map[string][]string{}, crowds: map[string]*Crowd{},
		apps: map[string]*app{},
	}
}

// AddUser adds a user and returns it with its id. Empty ID, UserPrincipalName, MailNickname and DisplayName are
// made up from one another; UserType defaults to Member (say "null" for null). The error is ErrExists where id or
// UPN is taken, ErrInvalid where the id is not a GUID.
func (t *Tenant) AddUser(u User) (User, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u.ID = canonical(u.ID)
	if u.ID == "" {
		u.ID = t.ids.next()
	}
	if !isID(u.ID) {
		return User{}, fmt.Errorf("adding user %s: id is not a GUID: %w", u.ID, ErrInvalid)
	}
	if t.kindOf(u.ID) != "" {
		return User{}, fmt.Errorf("adding user %s: %w", u.ID, ErrExists)
	}
	u = t.filled(u)
	if other, taken := t.findUPN(u.UserPrincipalName); taken {
		return User{}, fmt.Errorf("adding user %s: user %s has that name: %w", u.UserPrincipalName, other, ErrExists)
	}
	seq := t.record(change{topic: aboutUser, id: u.ID})
	t.users[u.ID] = &history[userState]{{seq, userState{User: u}}}
	t.upns[strings.ToLower(u.UserPrincipalName)] = u.ID
	t.everyone.add(span{id: u.ID})
	return u, nil
}

func (t *Tenant) filled(u User) User {
	if u.MailNickname == "" {
		u.MailNickname, _, _ = strings.Cut(u.UserPrincipalName, "@")
	}
	if u.MailNickname == "" {
		u.MailNickname = "user-" + u.ID[:8]
	}
	if u.UserPrincipalName == "" {
		u.UserPrincipalName = u.MailNickname + "@" + t.Domain
	}
	if u.DisplayName == "" {
		u.DisplayName = u.MailNickname
	}
	switch u.UserType {
	case "":
		u.UserType = "Member"
	case "null":
		u.UserType = ""
	}
	if u.Created.IsZero() {
		u.Created = t.clock.Now()
	}
	return u
}

// findUPN is the id of the user who has the name now; a deleted user does not keep it. The lock is held.
func (t *Tenant) findUPN(upn string) (string, bool) {
	present := int64(len(t.log))
	id, ok := t.lookUPN(upn)
	if !ok {
		return "", false
	}
	u, ok := t.user(id, present)
	return id, ok && u.life == live && strings.EqualFold(u.UserPrincipalName, upn)
}

// lookUPN is who may have the name; whether he has it as of some number, his state says. The lock is held.
func (t *Tenant) lookUPN(upn string) (string, bool) {
	if id, ok := t.upns[strings.ToLower(upn)]; ok {
		return id, true
	}
	for _, c := range t.crowds {
		if i, ok := c.number(upn); ok {
			return c.ID(i), true
		}
	}
	return "", false
}

// user is someone's state as of a number; ok is false where the user had not been made. The lock is held.
func (t *Tenant) user(id string, seq int64) (userState, bool) {
	if h, ok := t.users[id]; ok {
		return h.at(seq)
	}
	if c, i, ok := t.inCrowd(id); ok && c.made <= seq {
		return userState{User: c.user(i)}, true
	}
	return userState{}, false
}

// changeUser writes a next state. A user of a crowd gets a history of his own by it.
func (t *Tenant) changeUser(doing, id string, edit func(*userState) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	id = canonical(id)
	was, ok := t.user(id, int64(len(t.log)))
	if !ok || was.life == purged {
		return fmt.Errorf("%s: %w", doing, notFound("user", id))
	}
	is := was
	if err := edit(&is); err != nil {
		return fmt.Errorf("%s user %s: %w", doing, id, err)
	}
	is.ID = id
	if other, taken := t.findUPN(is.UserPrincipalName); taken && other != id && is.life == live {
		return fmt.Errorf("%s user %s: user %s is called %s: %w", doing, id, other, is.UserPrincipalName, ErrExists)
	}
	var props []string
	if is.life == was.life {
		if props = changedProperties(&was, &is, userNames(), userProperty); len(props) == 0 {
			return nil
		}
	}
	h, ok := t.users[id]
	if !ok {
		c, _, _ := t.inCrowd(id)
		h = &history[userState]{{c.made, was}}
		t.users[id] = h
	}
	seq := t.record(change{topic: aboutUser, id: id, props: props})
	*h = append(*h, step[userState]{seq, is})
	if is.life == live {
		t.upns[strings.ToLower(is.UserPrincipalName)] = id
	}
	return nil
}

func changedProperties[T any](was, is *T, names []string, read func(*T, string) (any, bool)) []string {
	changed := []string{}
	for _, name := range names {
		before, _ := read(was, name)
		after, _ := read(is, name)
		if !reflect.DeepEqual(before, after) {
			changed = append(changed, name)
		}
	}
	return changed
}

// UpdateUser changes properties of a user. Writing what is there already is no change. The map More is shared
// with the state before: replace it, do not write into it. ErrNotFound where the user is not there, ErrExists where
// another one has the new name.
func (t *Tenant) UpdateUser(id string, edit func(*User)) error {
	return t.changeUser("updating", id, func(s *userState) error {
		if s.life != live {
			return ErrNotFound
		}
		edit(&s.User)
		return nil
	})
}

// DisableUser sets accountEnabled to false.
func (t *Tenant) DisableUser(id string) error {
	return t.UpdateUser(id, func(u *User) { u.Disabled = true })
}

// EnableUser sets accountEnabled to true.
func (t *Tenant) EnableUser(id string) error {
	return t.UpdateUser(id, func(u *User) { u.Disabled = false })
}

// DeleteUser deletes softly: the user keeps all memberships and can be restored for 30 days.
// https://learn.microsoft.com/graph/api/user-delete
func (t *Tenant) DeleteUser(id string) error {
	return t.changeUser("deleting", id, func(s *userState) error {
		if s.life != live {
			return ErrNotFound
		}
		s.life, s.deleted = softDeleted, t.clock.Now()
		return nil
	})
}

// RestoreUser undoes DeleteUser. ErrExists where the name has been taken since.
func (t *Tenant) RestoreUser(id string) error {
	return t.changeUser("restoring", id, func(s *userState) error {
		if s.life != softDeleted {
			return ErrNotFound
		}
		s.life, s.deleted = live, time.Time{}
		return nil
	})
}

// PurgeUser deletes for good, also a user who is not soft-deleted. Only now do the memberships end.
// https://learn.microsoft.com/graph/delta-query-groups
func (t *Tenant) PurgeUser(id string) error {
	err := t.changeUser("purging", id, func(s *userState) error {
		s.life = purged
		return nil
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leaveAll(canonical(id))
	return nil
}

// leaveAll ends every membership of an object that is gone. The lock is held.
func (t *Tenant) leaveAll(id string) {
	present := int64(len(t.log))
	for _, parent := range t.everIn(id) {
		g := t.groups[parent]
		if t.present(g, id, present) {
			seq := t.record(change{topic: aboutMember, id: parent, member: id, purge: true})
			t.setEdge(g, id, false, seq)
		}
	}
}

// User is a user as of now, soft-deleted or not. ErrNotFound where there never was one, or no longer is.
func (t *Tenant) User(id string) (User, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	u, ok := t.user(canonical(id), int64(len(t.log)))
	if !ok || u.life == purged {
		return User{}, notFound("user", id)
	}
	return u.User, nil
}

package graph

import (
	"fmt"
	"strconv"
	"strings"
)

// Crowd is many users who are made by a rule instead of being stored: a million of them take no memory until one
// of them is changed. They are users like all others in every answer.
type Crowd struct {
	tag    string
	prefix string
	domain string
	count  int
	each   func(i int, u *User)
	made   int64
	joined []joined
}

// joined is a range of a crowd that was put into a group at once.
type joined struct {
	group    string
	crowd    *Crowd
	from, to int
	seq      int64
}

// ID is the object id of the i-th user, counted from 0.
func (c *Crowd) ID(i int) string { return crowdID(c.tag, i) }

// Len is how many users there are.
func (c *Crowd) Len() int { return c.count }

// UPN is the user principal name of the i-th user: prefix, number, "@", domain.
func (c *Crowd) UPN(i int) string { return c.prefix + strconv.Itoa(i) + "@" + c.domain }

// number is whose UPN it is.
func (c *Crowd) number(upn string) (int, bool) {
	name, domain, _ := strings.Cut(strings.ToLower(upn), "@")
	digits, ok := strings.CutPrefix(name, strings.ToLower(c.prefix))
	i, err := strconv.Atoi(digits)
	return i, ok && err == nil && i >= 0 && i < c.count && strings.EqualFold(domain, c.domain) &&
		strconv.Itoa(i) == digits
}

func (c *Crowd) user(i int) User {
	upn := c.UPN(i)
	name := upn[:len(upn)-len(c.domain)-1]
	u := User{
		ID: c.ID(i), UserPrincipalName: upn, DisplayName: name, MailNickname: name, UserType: "Member",
		OnPremises: OnPremises{Synced: true, SAMAccountName: name, DomainName: c.domain, UPN: upn},
	}
	if c.each != nil {
		id := u.ID
		c.each(i, &u)
		u.ID, u.UserPrincipalName = id, upn
	}
	return u
}

// AddUsers makes count users named prefix0, prefix1, … at once. They are enabled members, synchronised from
// on-premises with their name as SAM account name, unless each, called whenever such a user is read, changes
// properties (not the id, not the UPN). It must give the same for the same number, and not call the Tenant.
// ErrInvalid where the prefix is taken by another crowd, or ends in a digit, or count is not positive.
func (t *Tenant) AddUsers(prefix string, count int, each func(i int, u *User)) (*Crowd, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if count <= 0 || prefix == "" || strings.ContainsAny(prefix[len(prefix)-1:], "0123456789@") {
		return nil, fmt.Errorf("adding %d users %q: %w", count, prefix, ErrInvalid)
	}
	for _, other := range t.crowds {
		if strings.EqualFold(other.prefix, prefix) {
			return nil, fmt.Errorf("adding users %q: %w", prefix, ErrExists)
		}
	}
	c := &Crowd{prefix: prefix, domain: t.Domain, count: count, each: each, made: t.nextSeq()}
	for c.tag = t.ids.next()[:8]; t.crowds[c.tag] != nil; {
		c.tag = t.ids.next()[:8]
	}
	all := span{crowd: c, to: count}
	t.record(change{topic: aboutCrowd, span: all})
	t.crowds[c.tag] = c
	t.everyone.add(all)
	return c, nil
}

// inCrowd finds a generated user. The lock is held.
func (t *Tenant) inCrowd(id string) (*Crowd, int, bool) {
	tag, i, ok := crowdNumber(id)
	if !ok {
		return nil, 0, false
	}
	c := t.crowds[tag]
	return c, i, c != nil && i < c.count
}

// AddMembers puts the users [from, to) of a crowd into a group at once. ErrNotFound where the group is not there,
// ErrMember where one of them is or was put into it before, ErrInvalid where the crowd has no such users.
func (t *Tenant) AddMembers(group string, c *Crowd, from, to int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	group = canonical(group)
	g, err := t.liveGroup(group)
	if err != nil {
		return fmt.Errorf("adding members: %w", err)
	}
	if from < 0 || to > c.count || from >= to {
		return fmt.Errorf("adding members %d to %d of %d to group %s: %w", from, to, c.count, group, ErrInvalid)
	}
	for _, r := range g.ranges {
		if r.crowd == c && from < r.to && r.from < to {
			return fmt.Errorf("adding members %d to %d to group %s: %w", from, to, group, ErrMember)
		}
	}
	for id := range g.edges {
		if other, i, ok := t.inCrowd(id); ok && other == c && from <= i && i < to {
			return fmt.Errorf("adding members to group %s: user %s: %w", group, id, ErrMember)
		}
	}
	some := span{crowd: c, from: from, to: to}
	seq := t.record(change{topic: aboutRange, id: group, span: some})
	r := joined{group: group, crowd: c, from: from, to: to, seq: seq}
	g.ranges = append(g.ranges, r)
	g.members.add(some)
	c.joined = append(c.joined, r)
	return nil
}

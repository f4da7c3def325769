package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/events"
	"rollcall/shared/config"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/emulator/workspaces"
	"rollcall/shared/profile"
)

// cast is who is who: the names of the file beside the ids of the emulated services.
type cast struct {
	scenario Scenario
	users    map[string]string       // name to object id
	crowds   map[string]*graph.Crowd // generated users
	groups   map[string]string
	names    map[string]string // object id to name
	absent   map[string]bool   // synchronised, but not in AD yet
	profiles map[string]map[string]any
}

// furnish builds the company at the start.
func (p *player) furnish(ctx context.Context) error {
	p.cast = &cast{
		scenario: p.Scenario, users: map[string]string{}, crowds: map[string]*graph.Crowd{}, groups: map[string]string{},
		names: map[string]string{}, absent: map[string]bool{}, profiles: map[string]map[string]any{},
	}
	p.cloud.Graph.Configure(func(b *graph.Behaviour) {
		b.Lag = graph.Everywhere(time.Duration(p.Tenant.Lag))
		// The SDK keeps a token by the machine's clock, on which a play takes seconds: a token of an hour would be
		// refused after four ticks.
		b.TokenLife = time.Duration(p.For) + 24*time.Hour
	})
	for _, place := range p.AWS {
		if err := p.furnishPlace(place); err != nil {
			return err
		}
	}
	for _, u := range p.Tenant.Users {
		if err := p.cast.add(p, u); err != nil {
			return err
		}
	}
	if err := p.furnishGroups(); err != nil {
		return err
	}
	for _, place := range p.AWS {
		for _, w := range place.WorkSpaces {
			if _, err := p.lane(place).Put(workspaces.WorkSpace{Directory: w.Directory, User: w.User, Bundle: w.Bundle}); err != nil {
				return err
			}
		}
	}
	for _, fields := range p.Profiles {
		if err := p.cast.write(ctx, p, fields); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) lane(place Place) *workspaces.Lane {
	return p.cloud.WorkSpaces.Lane(place.Account, place.Region)
}

func (p *player) furnishPlace(place Place) error {
	lane := p.lane(place)
	if err := lane.SetQuota(workspaces.WorkSpacesQuota, place.Quota); err != nil {
		return err
	}
	for _, b := range place.Bundles {
		if err := lane.AddBundle(workspaces.Bundle{ID: b.ID, Name: b.Name, Owner: "AMAZON"}); err != nil {
			return err
		}
	}
	for _, s := range place.Subnets {
		if err := lane.AddSubnet(workspaces.Subnet{ID: s.ID, Zone: s.Zone, Free: s.Free, Full: s.Free == 0}); err != nil {
			return err
		}
	}
	for _, d := range place.Directories {
		if err := lane.AddDirectory(workspaces.Directory{ID: d.ID, Name: d.Name, Subnets: d.Subnets}); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) furnishGroups() error {
	for _, g := range p.Tenant.Groups {
		group := graph.Group{DisplayName: g.Name}
		if g.Hidden {
			group.Visibility, group.Types = "HiddenMembership", []string{"Unified"}
		}
		made, err := p.cloud.Graph.Tenant.AddGroup(group)
		if err != nil {
			return err
		}
		p.cast.groups[g.Name], p.cast.names[made.ID] = made.ID, g.Name
	}
	for _, g := range p.Tenant.Groups {
		if err := p.cast.join(p, Membership{Group: g.Name, Who: g.Members}); err != nil {
			return err
		}
	}
	return nil
}

// add makes a user, or many, in Entra and in every directory.
func (c *cast) add(p *player, u User) error {
	if u.Generate > 0 {
		crowd, err := p.cloud.Graph.Tenant.AddUsers(u.Name, u.Generate, nil)
		if err != nil {
			return err
		}
		c.crowds[u.Name] = crowd
		for i := range crowd.Len() {
			c.names[crowd.ID(i)] = fmt.Sprintf("%s%d", u.Name, i)
		}
		return c.appear(p, u.Name, crowd.Len())
	}
	user := graph.User{
		UserPrincipalName: u.Name + "@" + p.Tenant.Domain, DisplayName: u.DisplayName, Department: u.Department,
		UserType: "Member", Disabled: u.Disabled, MailNickname: u.Name, Mail: u.Name + "@" + p.Tenant.Domain,
	}
	switch {
	case u.Guest:
		user.UserType, user.UserPrincipalName = "Guest", u.Name+"_partner.example#EXT#@"+p.Tenant.Domain
	case !u.CloudOnly:
		user.OnPremises = graph.OnPremises{Synced: true, SAMAccountName: u.Name, DomainName: "corp." + p.Tenant.Domain}
	}
	made, err := p.cloud.Graph.Tenant.AddUser(user)
	if err != nil {
		return err
	}
	c.users[u.Name], c.names[made.ID] = made.ID, u.Name
	if u.Guest || u.CloudOnly {
		return nil
	}
	if u.NotInAD {
		c.absent[u.Name] = true
		return nil
	}
	return c.appear(p, u.Name, 0)
}

// appear puts a user, or n generated ones, into every directory.
func (c *cast) appear(p *player, name string, n int) error {
	names := []string{name}
	if n > 0 {
		names = make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("%s%d", name, i)
		}
	}
	delete(c.absent, name)
	for _, place := range p.AWS {
		for _, d := range place.Directories {
			if err := p.lane(place).AddUsers(d.ID, names...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cast) join(p *player, m Membership) error {
	for _, who := range m.Who {
		var err error
		if crowd := c.crowds[who]; crowd != nil {
			err = p.cloud.Graph.Tenant.AddMembers(c.groups[m.Group], crowd, 0, crowd.Len())
		} else {
			err = p.cloud.Graph.Tenant.AddMember(c.groups[m.Group], c.idOf(who))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cast) leave(p *player, m Membership) error {
	for _, who := range m.Who {
		if crowd := c.crowds[who]; crowd != nil {
			for i := range crowd.Len() {
				if err := p.cloud.Graph.Tenant.RemoveMember(c.groups[m.Group], crowd.ID(i)); err != nil {
					return err
				}
			}
			continue
		}
		if err := p.cloud.Graph.Tenant.RemoveMember(c.groups[m.Group], c.idOf(who)); err != nil {
			return err
		}
	}
	return nil
}

func (c *cast) idOf(who string) string {
	if id, ok := c.users[who]; ok {
		return id
	}
	return c.groups[who]
}

// nameOf is the name in the file of an object id, or the id itself.
func (c *cast) nameOf(id string) string {
	if name, ok := c.names[id]; ok {
		return name
	}
	return id
}

// write puts a profile into the profiles table, as it stands in the file.
func (c *cast) write(ctx context.Context, p *player, fields map[string]any) error {
	fields = maps.Clone(fields)
	id, _ := fields["id"].(string)
	delete(fields, "id")
	c.profiles[id] = fields
	return p.rows.Put(ctx, profile.Document{ID: id, Fields: fields})
}

// version is the version of a profile as it is written now.
func (c *cast) version(id string) (string, error) {
	rule, complaints := profile.Decode(profile.Document{ID: id, Fields: c.profiles[id]})
	if len(complaints) > 0 {
		return "", complaints
	}
	return rule.Version(), nil
}

// apply does what an entry of the timeline says and tells it in one sentence. What concerns the planner (approve,
// ask) is only told: the player does it.
func (c *cast) apply(ctx context.Context, p *player, e Entry) (string, error) {
	tenant := p.cloud.Graph.Tenant
	switch {
	case e.Join != nil:
		return fmt.Sprintf("%s %s %s", list(e.Join.Who), verb(e.Join.Who, "joins", "join"), e.Join.Group), c.join(p, *e.Join)
	case e.Leave != nil:
		return fmt.Sprintf("%s %s %s", list(e.Leave.Who), verb(e.Leave.Who, "leaves", "leave"), e.Leave.Group), c.leave(p, *e.Leave)
	case e.Add != nil:
		return e.Add.Name + " is added to Entra", c.add(p, *e.Add)
	case e.Disable != nil:
		return list(e.Disable) + " disabled in Entra", each(e.Disable, func(who string) error { return tenant.DisableUser(c.idOf(who)) })
	case e.Enable != nil:
		return list(e.Enable) + " enabled in Entra", each(e.Enable, func(who string) error { return tenant.EnableUser(c.idOf(who)) })
	case e.Delete != nil:
		return list(e.Delete) + " deleted in Entra", each(e.Delete, func(who string) error { return tenant.DeleteUser(c.idOf(who)) })
	case e.Appear != nil:
		return list(e.Appear) + " now in Active Directory", each(e.Appear, func(who string) error { return c.appear(p, who, 0) })
	case e.Rename != nil:
		return fmt.Sprintf("%s is renamed to %s", e.Rename.Who, e.Rename.To), c.rename(p, *e.Rename)
	case e.Remove != "":
		return "the group " + e.Remove + " is deleted", tenant.DeleteGroup(c.groups[e.Remove])
	}
	return c.applyToAWS(ctx, p, e)
}

func (c *cast) applyToAWS(ctx context.Context, p *player, e Entry) (string, error) {
	switch {
	case e.Write != nil:
		return fmt.Sprintf("profile %v is written", e.Write["id"]), c.write(ctx, p, e.Write)
	case e.Edit != nil:
		return fmt.Sprintf("profile %s is edited: %s", e.Edit.Profile, strings.Join(slices.Sorted(maps.Keys(e.Edit.Set)), ", ")), c.edit(ctx, p, *e.Edit)
	case e.Erase != "":
		return "profile " + e.Erase + " is deleted", p.rows.Delete(ctx, e.Erase)
	case e.Approve != "":
		return "profile " + e.Approve + " is approved", nil
	case e.Ask != nil:
		return asked(*e.Ask), nil
	case e.Fault != nil:
		return c.fault(p, *e.Fault)
	case e.Quota != nil:
		return fmt.Sprintf("the WorkSpaces quota in %s is now %d", e.Quota.Region, e.Quota.Value),
			p.cloud.WorkSpaces.Lane(e.Quota.Account, e.Quota.Region).SetQuota(workspaces.WorkSpacesQuota, e.Quota.Value)
	case e.Destroy != nil:
		return "somebody terminates the WorkSpace of " + e.Destroy.User + " by hand", c.destroy(p, *e.Destroy)
	}
	return "", errors.New("an entry of the timeline in which nothing happens")
}

func (c *cast) edit(ctx context.Context, p *player, e Edit) error {
	fields := maps.Clone(c.profiles[e.Profile])
	maps.Copy(fields, e.Set)
	maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
	fields["id"] = e.Profile
	return c.write(ctx, p, fields)
}

func (c *cast) rename(p *player, r Rename) error {
	id := c.idOf(r.Who)
	err := p.cloud.Graph.Tenant.UpdateUser(id, func(u *graph.User) {
		u.UserPrincipalName, u.MailNickname = r.To+"@"+p.Tenant.Domain, r.To
		if u.OnPremises.Synced {
			u.OnPremises.SAMAccountName = r.To
		}
	})
	if err != nil {
		return err
	}
	for _, place := range p.AWS {
		for _, d := range place.Directories {
			if err := p.lane(place).RenameUser(d.ID, r.Who, r.To); err != nil {
				return err
			}
		}
	}
	c.users[r.To] = id
	return nil
}

func (c *cast) fault(p *player, f Fault) (string, error) {
	now := p.clock.Now()
	inject := gateway.Fault{Service: f.Service, Operation: f.Operation, Why: f.Why, From: now, Times: f.Times}
	text := fmt.Sprintf("%s fails (%s)", f.Service, f.Why)
	if f.For > 0 {
		inject.Until = now.Add(time.Duration(f.For))
		text += " for " + f.For.String()
	}
	if f.Times > 0 {
		text += fmt.Sprintf(", %d times", f.Times)
	}
	return text, p.inject(inject)
}

// inject makes a service fail for the functions, not for the one who looks on: the ledger is read by both. Entra and
// Graph do not know who calls.
func (p *player) inject(f gateway.Fault) error {
	callers := []string{"planner", "worker"}
	if f.Service != "dynamodb" {
		callers = []string{""}
	}
	for _, f.Caller = range callers {
		if _, err := p.cloud.Inject(f); err != nil {
			return err
		}
	}
	return nil
}

func (c *cast) destroy(p *player, w WorkSpace) error {
	for _, place := range p.AWS {
		for _, found := range p.lane(place).Find(w.Directory, w.User) {
			if err := p.lane(place).Terminate(found.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// deadLetters counts the messages on the queue where the worker puts what it cannot read.
func (p *player) deadLetters() (int, error) {
	worker, err := p.cloud.Function("worker")
	if err != nil {
		return 0, err
	}
	n := 0
	for _, q := range p.cloud.Stack.Queues {
		if q.URL != worker.Getenv(config.DeadLetterURL) {
			continue
		}
		messages, err := p.cloud.Queues.Messages(q.Name)
		if err != nil {
			return 0, fmt.Errorf("counting dead letters: %w", err)
		}
		n += len(messages)
	}
	return n, nil
}

func each(names []string, do func(string) error) error {
	for _, name := range names {
		if err := do(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// asked tells who asks the planner for what.
func asked(r events.Request) string {
	text := cmp.Or(r.By, "somebody") + " asks the planner: " + string(r.Action)
	for _, about := range []string{r.Profile, r.Person, r.Why} {
		if about != "" {
			text += ", " + about
		}
	}
	return text
}

func list(names []string) string {
	if len(names) > 6 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}

package scenario

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"rollcall/shared/emulator/service"
)

// Limits of what is played. They keep a slip of the finger from running for hours.
const (
	mostTicks     = 100_000
	mostGenerated = 1_000_000
)

var (
	namePattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	services       = []string{"graph", "entra", "dynamodb", "sqs", "secretsmanager", "workspaces", "ec2", "sts", "servicequotas"}
	refusals       = []service.Refusal{service.Throttle, service.Unavailable, service.ServerError, service.Deny, service.DropAnswer, service.DropCall}
)

func (c *checker) check(s Scenario) {
	if s.For <= 0 {
		c.complain("$.for", "is missing: expected how long the scenario is played, such as 3d")
	}
	if s.Tick < 0 || (s.For > 0 && s.Tick > 0 && s.For/s.Tick > mostTicks) {
		c.complain("$.tick", "is %s: expected at most %d ticks in all", s.Tick, mostTicks)
	}
	known := c.checkTenant(s.Tenant)
	for i, p := range s.AWS {
		c.checkPlace(fmt.Sprintf("$.aws[%d]", i), p, known)
	}
	profiles := c.checkProfiles(s.Profiles)
	for i, e := range s.Timeline {
		c.checkEntry(fmt.Sprintf("$.timeline[%d]", i), e, s, known, profiles)
	}
}

// names is what may be referred to.
type names struct {
	users, groups map[string]bool
}

func (c *checker) checkTenant(t Tenant) names {
	known := names{users: map[string]bool{}, groups: map[string]bool{}}
	for i, u := range t.Users {
		c.checkUser(fmt.Sprintf("$.tenant.users[%d]", i), u, known)
	}
	for i, g := range t.Groups {
		path := fmt.Sprintf("$.tenant.groups[%d].name", i)
		switch {
		case g.Name == "":
			c.complain(path, "is missing: expected the group's display name")
		case known.groups[g.Name] || known.users[g.Name]:
			c.complain(path, "is %q: expected a name that no other user or group has", g.Name)
		}
		known.groups[g.Name] = true
	}
	for i, g := range t.Groups {
		for j, who := range g.Members {
			c.member(fmt.Sprintf("$.tenant.groups[%d].members[%d]", i, j), who, known)
		}
	}
	return known
}

func (c *checker) checkUser(path string, u User, known names) {
	switch {
	case !namePattern.MatchString(u.Name):
		c.complain(path+".name", "is %q: expected 1 to 40 letters, digits and . _ -", u.Name)
	case known.users[u.Name]:
		c.complain(path+".name", "is %q: expected a name that no other user has", u.Name)
	}
	if u.Generate < 0 || u.Generate > mostGenerated {
		c.complain(path+".generate", "is %d: expected 1 to %d", u.Generate, mostGenerated)
	}
	if u.Generate > 0 && strings.ContainsAny(u.Name[max(len(u.Name)-1, 0):], "0123456789") {
		c.complain(path+".name", "is %q: expected a name that does not end in a digit, because generated users are numbered", u.Name)
	}
	known.users[u.Name] = true
}

// member complains unless who is a user or a group.
func (c *checker) member(path, who string, known names) {
	if !known.users[who] && !known.groups[who] {
		c.complain(path, "is %q: expected a user or group of the tenant%s", who, near(who, known.users, known.groups))
	}
}

func (c *checker) user(path, who string, known names) {
	if !known.users[who] {
		c.complain(path, "is %q: expected a user of the tenant%s", who, near(who, known.users))
	}
}

func (c *checker) group(path, name string, known names) {
	if !known.groups[name] {
		c.complain(path, "is %q: expected a group of the tenant%s", name, near(name, known.groups))
	}
}

func (c *checker) checkPlace(path string, p Place, known names) {
	if !accountPattern.MatchString(p.Account) {
		c.complain(path+".account", "is %q: expected 12 digits in quotes", p.Account)
	}
	if p.Region == "" {
		c.complain(path+".region", "is missing: expected an AWS Region such as eu-central-1")
	}
	subnets, directories := map[string]bool{}, map[string]bool{}
	for _, s := range p.Subnets {
		subnets[s.ID] = true
	}
	for i, d := range p.Directories {
		directories[d.ID] = true
		for j, id := range d.Subnets {
			if !subnets[id] {
				c.complain(fmt.Sprintf("%s.directories[%d].subnets[%d]", path, i, j), "is %q: expected a subnet of this place%s", id, near(id, subnets))
			}
		}
	}
	for i, w := range p.WorkSpaces {
		at := fmt.Sprintf("%s.workspaces[%d]", path, i)
		c.user(at+".user", w.User, known)
		if !directories[w.Directory] {
			c.complain(at+".directory", "is %q: expected a directory of this place%s", w.Directory, near(w.Directory, directories))
		}
	}
}

func (c *checker) checkProfiles(profiles []map[string]any) map[string]bool {
	known := map[string]bool{}
	for i, fields := range profiles {
		id, ok := fields["id"].(string)
		if !ok || id == "" || known[id] {
			c.complain(fmt.Sprintf("$.profiles[%d].id", i), "is %v: expected the profile's id, in no other profile", fields["id"])
		}
		known[id] = true
	}
	return known
}

func (c *checker) checkEntry(path string, e Entry, s Scenario, known names, profiles map[string]bool) {
	kinds := e.kinds()
	if len(kinds) != 1 {
		c.complain(path, "has %d things that happen (%s): expected exactly one", len(kinds), strings.Join(kinds, ", "))
		return
	}
	if s.For > 0 && e.At > s.For {
		c.complain(path+".at", "is %s: expected a time within the %s that are played", e.At, s.For)
	}
	switch {
	case e.Join != nil:
		c.checkMembership(path+".join", *e.Join, known)
	case e.Leave != nil:
		c.checkMembership(path+".leave", *e.Leave, known)
	case e.Add != nil:
		c.checkUser(path+".add", *e.Add, known)
	case e.Rename != nil:
		c.user(path+".rename.who", e.Rename.Who, known)
		if !namePattern.MatchString(e.Rename.To) {
			c.complain(path+".rename.to", "is %q: expected 1 to 40 letters, digits and . _ -", e.Rename.To)
		}
		known.users[e.Rename.To] = true
	case e.Remove != "":
		c.group(path+".remove", e.Remove, known)
	case e.Fault != nil:
		c.checkFault(path+".fault", *e.Fault)
	case e.Write != nil:
		if id, ok := e.Write["id"].(string); ok && id != "" {
			profiles[id] = true
		} else {
			c.complain(path+".write.id", "is %v: expected the profile's id", e.Write["id"])
		}
	case e.Destroy != nil:
		c.user(path+".destroy.user", e.Destroy.User, known)
	case e.Quota != nil:
		if !slices.ContainsFunc(s.AWS, func(p Place) bool { return p.Account == e.Quota.Account && p.Region == e.Quota.Region }) {
			c.complain(path+".quota", "is for %s/%s: expected a place under aws", e.Quota.Account, e.Quota.Region)
		}
	}
	c.checkLists(path, e, known, profiles)
}

func (c *checker) checkLists(path string, e Entry, known names, profiles map[string]bool) {
	for kind, list := range map[string][]string{"disable": e.Disable, "enable": e.Enable, "delete": e.Delete, "appear": e.Appear} {
		for i, who := range list {
			c.user(fmt.Sprintf("%s.%s[%d]", path, kind, i), who, known)
		}
	}
	ids := map[string]string{"approve": e.Approve, "erase": e.Erase}
	if e.Edit != nil {
		ids["edit.profile"] = e.Edit.Profile
	}
	for kind, id := range ids {
		if id != "" && !profiles[id] {
			c.complain(path+"."+kind, "is %q: expected the id of a profile%s", id, near(id, profiles))
		}
	}
}

func (c *checker) checkMembership(path string, m Membership, known names) {
	c.group(path+".group", m.Group, known)
	if len(m.Who) == 0 {
		c.complain(path+".who", "is missing: expected a list of users or groups")
	}
	for i, who := range m.Who {
		c.member(fmt.Sprintf("%s.who[%d]", path, i), who, known)
	}
}

func (c *checker) checkFault(path string, f Fault) {
	if !slices.Contains(services, f.Service) {
		c.complain(path+".service", "is %q: expected one of %s", f.Service, strings.Join(services, ", "))
	}
	if !slices.Contains(refusals, f.Why) {
		c.complain(path+".why", "is %q: expected one of throttle, unavailable, error, deny, drop, refuse", f.Why)
	}
	if f.For <= 0 && f.Times <= 0 {
		c.complain(path+".for", "is missing: expected how long the fault lasts, or times: how many calls it strikes")
	}
}

// kinds are the names of what happens in an entry.
func (e Entry) kinds() []string {
	var out []string
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name != "at" && !v.Field(i).IsZero() {
			out = append(out, name)
		}
	}
	return out
}

// near is " (did you mean x?)" for a known name that differs only in case or by a letter or two.
func near(name string, sets ...map[string]bool) string {
	best, least := "", 3
	for _, set := range sets {
		for known := range set {
			d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(known))
			if d < least || (d == least && known < best) {
				best, least = known, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

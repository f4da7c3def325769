package graph

import (
	"encoding/json"
	"net/http"
	"slices"
)

// listMembers is GET /groups/{id}/members and /transitiveMembers, with cast and /$count.
// https://learn.microsoft.com/graph/api/group-list-members
// https://learn.microsoft.com/graph/api/group-list-transitivemembers
func (c *call) listMembers() reply {
	if !isID(c.id) {
		return c.refuse(*invalidID(c.id))
	}
	if why := c.needHeader(); why != nil {
		return c.refuse(*why)
	}
	if why := c.checkMixedSelect(); why != nil {
		return c.refuse(*why)
	}
	kind := readMembers
	if c.q.advanced() || c.route.count || c.route.cast != "" {
		kind = readIndex
	}
	v := c.view(kind)
	group, found := v.findGroup(c.id)
	if !found {
		return c.refuse(*missing(c.id))
	}
	secret := group.Visibility == HiddenMembership && !c.who.hidden()
	if secret && c.b.Hidden == Denied {
		return c.refuse(denied())
	}
	f, why := c.mixedFilter()
	if why != nil {
		return c.refuse(*why)
	}
	keep := func(id string) *object {
		if secret {
			return nil
		}
		o := c.memberObject(v, id)
		if o == nil || c.q.filter != "" && !v.matchesAny(f, id) {
			return nil
		}
		return o
	}
	walk := c.walkMembers(v)
	count := func() int { return c.countMembers(v, secret, keep) }
	if c.route.count {
		return c.countOnly(count)
	}
	return c.counted(c.list(c.context("directoryObjects", c.q.selected), walk, keep), count)
}

// needHeader refuses a cast, and a filter on members, without ConsistencyLevel and $count=true.
func (c *call) needHeader() *refusal {
	if c.q.filter != "" && !c.q.advanced() && !c.route.count {
		return unsupported("The specified filter to the reference property query is currently not supported.")
	}
	if c.route.cast == "" || c.route.count {
		return nil
	}
	if c.b.CastWithoutHeader && !c.route.deep {
		return nil
	}
	if !c.q.advanced() {
		return unsupported("OData cast needs ConsistencyLevel: eventual and $count=true.")
	}
	return nil
}

// checkMixedSelect refuses what no member can have.
func (c *call) checkMixedSelect() *refusal {
	if why := c.checkUserSelect(); why == nil || why.status == http.StatusForbidden {
		return why
	}
	return checkSelect(c.q.selected, "directoryObject", append(userNames(), groupNames()...)...)
}

func (c *call) mixedFilter() (filter, *refusal) {
	return c.readFilter(func(name string) bool {
		return slices.Contains(userNames(), name) || slices.Contains(groupNames(), name)
	})
}

// matchesAny asks a filter about an object of any kind.
func (v view) matchesAny(f filter, id string) bool {
	if g, ok := v.groups[id]; ok {
		s, there := g.states.at(v.seq)
		return there && matches(f, &s, groupProperty)
	}
	u, ok := v.user(id, v.seq)
	return ok && matches(f, &u, userProperty)
}

// walkMembers walks over a group, or over its whole tree with each member once: a member is listed with the first
// group of the tree that has it.
func (c *call) walkMembers(v view) walkFunc {
	if !c.route.deep {
		g := v.groups[c.id]
		return func(from place, yield func(item) bool) {
			g.members.from(from.At, func(at int, id string) bool {
				return !v.present(g, id, v.seq) || yield(item{place{At: at}, id})
			})
		}
	}
	return func(from place, yield func(item) bool) {
		tree := v.tree(c.id, v.seq)
		start := max(0, slices.IndexFunc(tree, func(g *groupRecord) bool { return g.id == from.Group }))
		at := from.At
		for n := start; n < len(tree); n++ {
			g, more := tree[n], true
			g.members.from(at, func(at int, id string) bool {
				if v.present(g, id, v.seq) && id != c.id && !v.inAny(tree[:n], id) {
					more = yield(item{place{Group: g.id, At: at}, id})
				}
				return more
			})
			if !more {
				return
			}
			at = 0
		}
	}
}

func (v view) inAny(groups []*groupRecord, id string) bool {
	return slices.ContainsFunc(groups, func(g *groupRecord) bool { return v.present(g, id, v.seq) })
}

// countMembers counts; a crowd that is in the group as a whole is not walked.
func (c *call) countMembers(v view, secret bool, keep func(string) *object) int {
	if c.route.deep || c.q.filter != "" || secret {
		return countOf(c.walkMembers(v), keep)
	}
	g, n := v.groups[c.id], 0
	for _, s := range g.members.spans {
		if s.crowd == nil && v.present(g, s.id, v.seq) && keep(s.id) != nil {
			n++
		}
	}
	if c.route.cast != "" && c.route.cast != string(UserKind) {
		return n
	}
	changed := map[string]bool{}
	for id := range g.edges {
		changed[id] = true
	}
	for id := range v.users {
		changed[id] = true
	}
	for _, r := range g.ranges {
		if r.seq <= v.seq {
			n += r.to - r.from
		}
	}
	for id := range changed {
		if r, ok := v.inRange(g, id); ok && r.seq <= v.seq && (!v.present(g, id, v.seq) || v.listed(id) == "") {
			n--
		}
	}
	return n
}

// listMemberOf is GET /users/{id}/memberOf and /transitiveMemberOf. Groups with hidden membership show only with
// Member.Read.Hidden [not verified]. https://learn.microsoft.com/graph/api/user-list-memberof
func (c *call) listMemberOf() reply {
	if why := c.needHeader(); why != nil {
		return c.refuse(*why)
	}
	if why := checkSelect(c.q.selected, "group", groupNames()...); why != nil {
		return c.refuse(*why)
	}
	f, why := c.mixedFilter()
	if why != nil {
		return c.refuse(*why)
	}
	kind := readCheck
	if c.q.advanced() || c.route.count || c.route.cast != "" {
		kind = readIndex
	}
	v := c.view(kind)
	u, found := v.findUser(c.id)
	if !found {
		return c.refuse(*missing(c.id))
	}
	keep := func(id string) *object {
		g, _ := v.findGroup(id)
		if g.Visibility == HiddenMembership && !c.who.hidden() || !matches(f, g, groupProperty) {
			return nil
		}
		return c.memberObject(v, id)
	}
	walk := sliceWalk(v.groupsOf(u.ID, c.route.deep, v.seq))
	count := func() int { return countOf(walk, keep) }
	if c.route.count {
		return c.countOnly(count)
	}
	return c.counted(c.list(c.context("directoryObjects", c.q.selected), walk, keep), count)
}

// mostChecked is how many groups checkMemberGroups takes.
// https://learn.microsoft.com/graph/api/directoryobject-checkmembergroups
const mostChecked = 20

// checkMemberGroups is POST /users/{id}/checkMemberGroups: those of the groups that the user is in, directly or
// through others. A group that does not exist is just not among them.
func (c *call) checkMemberGroups() reply {
	var ask struct {
		GroupIDs []string `json:"groupIds"`
	}
	if json.Unmarshal(c.body, &ask) != nil || len(ask.GroupIDs) == 0 {
		return c.refuse(*badRequest("Unable to read JSON request payload."))
	}
	if len(ask.GroupIDs) > mostChecked {
		return c.refuse(*badRequest("Number of groupIds cannot exceed '20'."))
	}
	for _, id := range ask.GroupIDs {
		if !isID(id) {
			return c.refuse(*invalidID(id))
		}
	}
	v := c.view(readCheck)
	u, found := v.findUser(c.id)
	if !found {
		return c.refuse(*missing(c.id))
	}
	in := v.groupsOf(u.ID, true, v.seq)
	yes := []string{}
	for _, id := range ask.GroupIDs {
		g, found := v.findGroup(canonical(id))
		if found && slices.Contains(in, g.ID) && (g.Visibility != HiddenMembership || c.who.hidden()) &&
			!slices.Contains(yes, g.ID) {
			yes = append(yes, g.ID)
		}
	}
	return ok((&object{}).set("@odata.context", c.context("Collection(Edm.String)", nil)).set("value", yes))
}

package graph

import (
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strconv"
)

// getUser is GET /users/{id or userPrincipalName}. https://learn.microsoft.com/graph/api/user-get
func (c *call) getUser() reply {
	if why := c.checkUserSelect(); why != nil {
		return c.refuse(*why)
	}
	u, found := c.view(readLookup).findUser(c.id)
	if !found {
		return c.refuse(*missing(c.id))
	}
	o := (&object{}).set("@odata.context", c.context("users"+shown(c.q.selected)+"/$entity", nil))
	p := c.userObject(u, false)
	o.keys, o.values = append(o.keys, p.keys...), append(o.values, p.values...)
	return ok(o)
}

func shown(selected []string) string {
	if len(selected) == 0 {
		return ""
	}
	s := "("
	for i, name := range selected {
		if i > 0 {
			s += ","
		}
		s += name
	}
	return s + ")"
}

func (c *call) checkUserSelect() *refusal {
	if c.b.LeaveDate == Denied && !c.who.leaveDates() && slices.Contains(c.q.selected, "employeeLeaveDateTime") {
		why := denied()
		return &why
	}
	return checkSelect(c.q.selected, "user", userNames()...)
}

// getGroup is GET /groups/{id}. https://learn.microsoft.com/graph/api/group-get
func (c *call) getGroup() reply {
	if !isID(c.id) {
		return c.refuse(*invalidID(c.id))
	}
	if why := checkSelect(c.q.selected, "group", groupNames()...); why != nil {
		return c.refuse(*why)
	}
	g, found := c.view(readLookup).findGroup(c.id)
	if !found {
		return c.refuse(*missing(c.id))
	}
	o := (&object{}).set("@odata.context", c.context("groups"+shown(c.q.selected)+"/$entity", nil))
	p := c.groupObject(g, false)
	o.keys, o.values = append(o.keys, p.keys...), append(o.values, p.values...)
	return ok(o)
}

// countOnly answers a /$count segment, which needs the header: "$count is not currently supported" without it.
// https://learn.microsoft.com/graph/aad-advanced-queries
func (c *call) countOnly(count func() int) reply {
	if !c.q.eventual {
		return c.refuse(*badRequest("$count is not currently supported."))
	}
	return text(strconv.Itoa(count()))
}

func (c *call) listKind() kindOfRead {
	if c.q.advanced() || c.route.count || c.route.cast != "" {
		return readIndex
	}
	return readLookup
}

// listUsers is GET /users and /users/$count. https://learn.microsoft.com/graph/api/user-list
func (c *call) listUsers() reply {
	if why := c.checkUserSelect(); why != nil {
		return c.refuse(*why)
	}
	f, why := c.readFilter(func(name string) bool { return slices.Contains(userNames(), name) })
	if why != nil {
		return c.refuse(*why)
	}
	v := c.view(c.listKind())
	keep := func(id string) *object {
		u, found := v.user(id, v.seq)
		if !found || u.life != live || !matches(f, &u, userProperty) {
			return nil
		}
		return c.userObject(&u, false)
	}
	walk := sequenceWalk(&v.everyone)
	if ids := v.candidates(f); ids != nil {
		walk = sliceWalk(ids)
	}
	count := func() int { return countOf(walk, keep) }
	if c.route.count {
		return c.countOnly(count)
	}
	return c.counted(c.list(c.context("users", c.q.selected), walk, keep), count)
}

// candidates are the only users who can match a filter, sorted by id: an answer's order says nothing of the
// question's. nil means that all must be looked at.
func (v view) candidates(f filter) []string {
	if f.ids == nil && f.names == nil {
		return nil
	}
	ids := slices.Clone(f.ids)
	if f.ids == nil {
		for _, name := range f.names {
			if id, ok := v.lookUPN(name); ok {
				ids = append(ids, id)
			}
		}
	}
	sort.Strings(ids)
	ids = slices.Compact(ids)
	if ids == nil {
		ids = []string{}
	}
	return ids
}

type walkFunc = func(from place, yield func(item) bool)

func sequenceWalk(q *sequence) walkFunc {
	return func(from place, yield func(item) bool) {
		q.from(from.At, func(at int, id string) bool { return yield(item{place{At: at}, id}) })
	}
}

func sliceWalk(ids []string) walkFunc {
	return func(from place, yield func(item) bool) {
		for at := from.At; at >= 0 && at < len(ids); at++ {
			if !yield(item{place{At: at}, ids[at]}) {
				return
			}
		}
	}
}

func countOf(walk walkFunc, keep func(string) *object) int {
	n := 0
	walk(place{}, func(i item) bool {
		if keep(i.id) != nil {
			n++
		}
		return true
	})
	return n
}

// listGroups is GET /groups and /groups/$count. https://learn.microsoft.com/graph/api/group-list
func (c *call) listGroups() reply {
	if why := checkSelect(c.q.selected, "group", groupNames()...); why != nil {
		return c.refuse(*why)
	}
	f, why := c.readFilter(func(name string) bool { return slices.Contains(groupNames(), name) })
	if why != nil {
		return c.refuse(*why)
	}
	v := c.view(c.listKind())
	keep := func(id string) *object {
		g, found := v.findGroup(id)
		if !found || !matches(f, g, groupProperty) {
			return nil
		}
		return c.groupObject(g, false)
	}
	walk := sliceWalk(v.order)
	count := func() int { return countOf(walk, keep) }
	if c.route.count {
		return c.countOnly(count)
	}
	return c.counted(c.list(c.context("groups", c.q.selected), walk, keep), count)
}

// mostIDs is how many ids getByIds takes. https://learn.microsoft.com/graph/api/directoryobject-getbyids
const mostIDs = 1000

// getByIDs is POST /directoryObjects/getByIds. It takes no query options, and users come with their default
// properties only: no accountEnabled. The documented permission is Directory.Read.All; User.Read.All was observed
// to do for users (microsoft-graph-docs-contrib issue 8798).
func (c *call) getByIDs() reply {
	for _, name := range []string{"$select", "$top", "$expand", "$filter", "$count", "$orderby"} {
		if c.query.Has(name) {
			return c.refuse(*badRequest("The following query options are not supported by this request method or " +
				"cannot be applied to the requested resource: $filter,$expand,$orderby,$count,$select,$skiptoken,$top"))
		}
	}
	var ask struct {
		IDs   []string `json:"ids"`
		Types []string `json:"types"`
	}
	if json.Unmarshal(c.body, &ask) != nil || len(ask.IDs) == 0 {
		return c.refuse(*badRequest("Unable to read JSON request payload."))
	}
	if len(ask.IDs) > mostIDs {
		return c.refuse(*badRequest("Number of included identifiers cannot exceed '1000'."))
	}
	v := c.view(readLookup)
	p := &page{context: c.context("directoryObjects", nil)}
	for _, id := range ask.IDs {
		if !isID(id) {
			return c.refuse(*invalidID(id))
		}
		kind := v.listed(canonical(id))
		if kind == "" || len(ask.Types) > 0 && !slices.Contains(ask.Types, string(kind)) {
			continue
		}
		if o := c.memberObject(v, canonical(id)); o != nil {
			p.value = append(p.value, o)
		}
	}
	return reply{status: http.StatusOK, page: p}
}

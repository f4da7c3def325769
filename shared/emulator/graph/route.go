package graph

import (
	"net/http"
	"slices"
	"strings"
)

// route is one operation of Graph that the emulator has.
type route struct {
	method, template string
	units            int // base cost in resource units
	free             bool
	directory        bool // reads the directory: under its lock
	allow            func(grant) bool
	handle           func(*call) reply
	// From the template:
	deep, count bool
	cast        string
	parts       []string
}

func (r route) name() string { return r.method + " " + r.template }

// routes are all operations. Costs: https://learn.microsoft.com/graph/throttling-limits (identity and access);
// what is not listed there costs 1.
func routes() []route {
	get, post := http.MethodGet, http.MethodPost
	rs := []route{
		{method: get, template: "/groups", units: 1, allow: grant.groups, handle: (*call).listGroups},
		{method: get, template: "/groups/$count", units: 1, allow: grant.groups, handle: (*call).listGroups},
		{method: get, template: "/groups/delta", units: 1, allow: grant.groups, handle: (*call).groupsDelta},
		{method: get, template: "/groups/{id}", units: 1, allow: grant.groups, handle: (*call).getGroup},
		{method: get, template: "/users", units: 2, allow: grant.users, handle: (*call).listUsers},
		{method: get, template: "/users/$count", units: 2, allow: grant.users, handle: (*call).listUsers},
		{method: get, template: "/users/delta", units: 1, allow: grant.users, handle: (*call).usersDelta},
		{method: get, template: "/users/{id}", units: 2, allow: grant.users, handle: (*call).getUser},
		{
			method: post, template: "/users/{id}/checkMemberGroups", units: 4, allow: grant.both,
			handle: (*call).checkMemberGroups,
		},
		{method: post, template: "/directoryObjects/getByIds", units: 3, allow: grant.users, handle: (*call).getByIDs},
	}
	for _, list := range []route{
		{template: "/groups/{id}/members", units: 3, allow: grant.groups, handle: (*call).listMembers},
		{template: "/groups/{id}/transitiveMembers", units: 5, allow: grant.groups, handle: (*call).listMembers},
		{template: "/users/{id}/memberOf", units: 1, allow: grant.either, handle: (*call).listMemberOf},
		{template: "/users/{id}/transitiveMemberOf", units: 1, allow: grant.either, handle: (*call).listMemberOf},
	} {
		list.method = get
		stem := list.template
		for _, cast := range []string{"", "user", "group", "device", "orgContact", "servicePrincipal"} {
			list.template = stem
			if cast != "" {
				list.template += "/microsoft.graph." + cast
			}
			rs = append(rs, list)
			list.template += "/$count"
			rs = append(rs, list)
		}
	}
	for i := range rs {
		rs[i].directory = true
		rs[i].deep = strings.Contains(rs[i].template, "/transitiveMember")
		rs[i].count = strings.HasSuffix(rs[i].template, "/$count")
		if _, rest, ok := strings.Cut(rs[i].template, "/microsoft.graph."); ok {
			rs[i].cast, _, _ = strings.Cut(rest, "/")
		}
	}
	rs = append(rs, plainRoutes()...)
	for i := range rs {
		rs[i].parts = strings.Split(rs[i].template[1:], "/")
	}
	return rs
}

// plainRoutes are the operations that do not read the directory under its lock.
func plainRoutes() []route {
	get, post := http.MethodGet, http.MethodPost
	anyone := func(grant) bool { return true }
	return []route{
		{method: post, template: "/$batch", free: true, allow: anyone, handle: (*call).batch},
		{method: post, template: "/subscriptions", units: 1, allow: anyone, handle: (*call).subscribe},
		{method: get, template: "/subscriptions", units: 1, allow: anyone, handle: (*call).listSubscriptions},
		{method: get, template: "/subscriptions/{id}", units: 1, allow: anyone, handle: (*call).getSubscription},
		{
			method: http.MethodPatch, template: "/subscriptions/{id}", units: 1, allow: anyone,
			handle: (*call).renewSubscription,
		},
		{
			method: http.MethodDelete, template: "/subscriptions/{id}", units: 1, allow: anyone,
			handle: (*call).unsubscribe,
		},
	}
}

// Operations names all operations of Graph that the emulator has, as Operation does.
func Operations() []string {
	var names []string
	for _, r := range routes() {
		names = append(names, r.name())
	}
	return names
}

// locate finds the route of a method and a path without version, and the id in it.
func (e *Emulator) locate(method, path string) (route, string, bool) {
	want := spelled(path)
	for _, r := range e.table {
		if r.method != method {
			continue
		}
		if id, ok := match(r.parts, want); ok {
			return r, id, true
		}
	}
	return route{}, "", false
}

func match(have, want []string) (id string, ok bool) {
	if len(have) != len(want) {
		return "", false
	}
	for i, h := range have {
		switch {
		case h == "{id}":
			id = want[i]
		case !strings.EqualFold(h, want[i]):
			return "", false
		}
	}
	return id, true
}

// spelled is a path in segments, each in the one spelling that the templates have: a function has no parentheses
// and no namespace, a cast has the long namespace ("graph.user" is what the SDKs send).
func spelled(path string) []string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		p = strings.TrimSuffix(p, "()")
		short, long := strings.CutPrefix(p, "microsoft.graph.")
		if !long {
			short, long = strings.CutPrefix(p, "graph.")
		}
		switch {
		case long && slices.Contains([]string{"delta", "checkMemberGroups", "getByIds"}, short):
			p = short
		case long:
			p = "microsoft.graph." + short
		}
		parts[i] = p
	}
	return parts
}

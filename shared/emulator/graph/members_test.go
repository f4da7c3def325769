package graph_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/graph"
)

// https://learn.microsoft.com/graph/api/group-list-members
func TestMembersPaging(t *testing.T) {
	w := newWorld(t)
	g := w.group("All staff")
	crowd := w.crowd(g, 1234)
	for _, c := range []struct {
		name, query string
		pages       int
	}{
		{"100 a page by default", "?$select=id", 13},
		{"$top of 999", "?$select=id&$top=999", 2},
		{"$top of 617: the last page is full, and the last", "?$top=617&$select=id", 2},
	} {
		w.run(c.name, func(w *world) {
			rows, pages := w.all("/groups/" + g + "/members" + c.query)
			if pages != c.pages {
				w.Errorf("%d pages, want %d", pages, c.pages)
			}
			want := []string{}
			for i := range crowd.Len() {
				want = append(want, crowd.ID(i))
			}
			if d := cmp.Diff(want, ids(rows)); d != "" {
				w.Errorf("members (-want +got):\n%s", d)
			}
		})
	}
	w.run("$top of 1000 is refused", func(w *world) {
		w.get("/groups/"+g+"/members?$top=1000").refused(w, 400, "Request_UnsupportedQuery")
	})
	w.run("the next link is absolute, on this host, and keeps the query", func(w *world) {
		next := w.must("/groups/" + g + "/members?$select=id,userPrincipalName&$top=7").next()
		if !strings.HasPrefix(next, w.url+"/v1.0/groups/"+g+"/members?") || !strings.Contains(next, "$top=7") ||
			!strings.Contains(next, "$skiptoken=") {
			w.Errorf("next link %s", next)
		}
	})
	w.run("a made-up page token is refused", func(w *world) {
		w.get("/groups/"+g+"/members?$skiptoken=abc").refused(w, 400, "Request_BadRequest")
	})
	w.run("a page token of another group is refused", func(w *world) {
		next := w.must("/groups/" + g + "/members?$top=1").next()
		w.get(strings.Replace(next, g, w.group("other"), 1)).refused(w, 400, "Request_BadRequest")
	})
	w.run("who leaves between pages shifts nobody", func(w *world) {
		first := w.must("/groups/" + g + "/members?$top=10&$select=id")
		w.ok(w.t.RemoveMember(g, crowd.ID(0)))
		w.ok(w.t.RemoveMember(g, crowd.ID(11)))
		got := ids(w.must(first.next()).value())
		if got[0] != crowd.ID(10) || got[1] != crowd.ID(12) {
			w.Errorf("second page begins %v", got[:2])
		}
		w.ok(w.t.AddMember(g, crowd.ID(0)))
		w.ok(w.t.AddMember(g, crowd.ID(11)))
	})
	w.run("an empty first page with a next link, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.EmptyPages = true })
		defer w.e.Configure(func(b *graph.Behaviour) { b.EmptyPages = false })
		first := w.must("/groups/" + g + "/members?$top=999")
		if len(first.value()) != 0 || first.next() == "" {
			w.Fatalf("first page %s", first.raw)
		}
		if rows, pages := w.all(first.next()); len(rows) != 1234 || pages != 2 {
			w.Errorf("%d rows in %d pages after it", len(rows), pages)
		}
	})
	w.run("an old page token, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.PageLife = time.Hour })
		next := w.must("/groups/" + g + "/members").next()
		w.clock.Advance(2 * time.Hour)
		w.signIn()
		w.get(next).refused(w, 400, "Directory_ExpiredPageToken")
	})
}

func TestMembersRefusals(t *testing.T) {
	w := newWorld(t)
	g, gone := w.group("here"), w.group("gone")
	w.ok(w.t.DeleteGroup(gone))
	for _, c := range []struct {
		name, path string
		status     int
		code       string
	}{
		{"a name instead of an id", "/groups/Engineering/members", 400, "Request_BadRequest"},
		{"a group that never was", "/groups/00000000-1111-4222-8333-444444444444/members", 404, "Request_ResourceNotFound"},
		{"a group that was deleted", "/groups/" + gone + "/members", 404, "Request_ResourceNotFound"},
		{"a property that nobody has", "/groups/" + g + "/members?$select=id,shoeSize", 400, "BadRequest"},
		{"$filter without the header", "/groups/" + g + "/members?$filter=accountEnabled eq true", 400, "Request_UnsupportedQuery"},
		{"$search without the header", "/groups/" + g + "/members?$search=\"displayName:x\"", 400, "Request_UnsupportedQuery"},
		{"the cast without the header", "/groups/" + g + "/members/microsoft.graph.user", 400, "Request_UnsupportedQuery"},
		{"the transitive cast without the header", "/groups/" + g + "/transitiveMembers/microsoft.graph.user", 400, "Request_UnsupportedQuery"},
		{"$count as a segment without the header", "/groups/" + g + "/members/$count", 400, "Request_BadRequest"},
		{"an unknown path", "/groups/" + g + "/friends", 400, "BadRequest"},
		{"an option that is not emulated is said so", "/groups/" + g + "/members?$orderby=displayName", 501, "EmulatorNotImplemented"},
	} {
		w.run(c.name, func(w *world) { w.get(c.path).refused(w, c.status, c.code) })
	}
	w.run("a wrong method", func(w *world) {
		w.do("PUT", "/groups/"+g, nil).refused(w, 405, "Request_BadRequest")
	})
}

// https://learn.microsoft.com/graph/aad-advanced-queries
func TestMembersAdvanced(t *testing.T) {
	w := newWorld(t)
	device, err := w.t.AddObject(graph.Device, "laptop")
	w.ok(err)
	ann, bob := w.user("ann"), w.user("bob")
	g := w.group("team", ann, device, bob, w.group("nested"))
	w.ok(w.t.DisableUser(bob))
	w.run("$count as text", func(w *world) {
		a := w.must("/groups/"+g+"/members/$count", eventual()...)
		if string(a.raw) != "4" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
			w.Errorf("got %q as %q", a.raw, a.header.Get("Content-Type"))
		}
	})
	w.run("$count of users", func(w *world) {
		if a := w.must("/groups/"+g+"/members/microsoft.graph.user/$count", eventual()...); string(a.raw) != "2" {
			w.Errorf("got %q", a.raw)
		}
	})
	w.run("the cast, in both spellings", func(w *world) {
		for _, cast := range []string{"microsoft.graph.user", "graph.user"} {
			a := w.must("/groups/"+g+"/members/"+cast+"?$count=true", eventual()...)
			if d := cmp.Diff([]string{ann, bob}, ids(a.value())); d != "" || a.body["@odata.count"] != 2.0 {
				w.Errorf("%s: %s", d, a.raw)
			}
		}
	})
	w.run("?$count=true without the header is ignored", func(w *world) {
		if _, there := w.must("/groups/" + g + "/members?$count=true").body["@odata.count"]; there {
			w.Error("a count came")
		}
	})
	w.run("a filter on members", func(w *world) {
		a := w.must("/groups/"+g+"/members?$count=true&$filter=accountEnabled eq false", eventual()...)
		if d := cmp.Diff([]string{bob}, ids(a.value())); d != "" {
			w.Error(d)
		}
	})
	w.run("the header is needed again on the next page", func(w *world) {
		a := w.must("/groups/"+g+"/members/microsoft.graph.user?$count=true&$top=1", eventual()...)
		w.get(a.next()).refused(w, 400, "Request_UnsupportedQuery")
		if got := ids(w.must(a.next(), eventual()...).value()); len(got) != 1 || got[0] != bob {
			w.Errorf("second page %v", got)
		}
	})
	w.run("the cast without the header, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.CastWithoutHeader = true })
		w.must("/groups/" + g + "/members/microsoft.graph.user")
		w.get("/groups/"+g+"/transitiveMembers/microsoft.graph.user").refused(w, 400, "Request_UnsupportedQuery")
	})
}

// https://learn.microsoft.com/graph/permissions-overview "Limited information returned for inaccessible member objects"
func TestMembersOfOtherKinds(t *testing.T) {
	w := newWorld(t)
	add := func(k graph.Kind) string {
		id, err := w.t.AddObject(k, "a "+string(k))
		w.ok(err)
		return id
	}
	device, contact, service := add(graph.Device), add(graph.Contact), add(graph.ServicePrincipal)
	ann, nested := w.user("ann"), w.group("nested")
	g := w.group("mixed", ann, nested, device, contact, service)
	rows, _ := w.all("/groups/" + g + "/members?$select=id,displayName")
	got := map[string]any{}
	for _, r := range rows {
		got[r["@odata.type"].(string)] = r["displayName"]
	}
	w.run("types; what the app may not read has null fields; v1.0 hides service principals", func(w *world) {
		want := map[string]any{
			"#microsoft.graph.user": "ann", "#microsoft.graph.group": "nested",
			"#microsoft.graph.device": nil, "#microsoft.graph.orgContact": nil,
		}
		if d := cmp.Diff(want, got); d != "" {
			w.Error(d)
		}
	})
	w.run("beta lists service principals", func(w *world) {
		if rows := w.must(w.url + "/beta/groups/" + g + "/members").value(); len(rows) != 5 {
			w.Errorf("%d members", len(rows))
		}
	})
	w.run("so does v1.0, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.ServicePrincipals = true })
		if rows := w.must("/groups/" + g + "/members").value(); len(rows) != 5 {
			w.Errorf("%d members", len(rows))
		}
	})
}

// https://learn.microsoft.com/graph/api/group-list-transitivemembers
func TestNesting(t *testing.T) {
	w := newWorld(t)
	ann, bob, cid := w.user("ann"), w.user("bob"), w.user("cid")
	inner := w.group("inner", ann, cid)
	middle := w.group("middle", inner, bob)
	outer := w.group("outer", middle, ann)
	w.ok(w.t.AddMember(inner, outer)) // a circle
	w.run("transitiveMembers: each once, groups too, across pages", func(w *world) {
		rows, pages := w.all("/groups/" + outer + "/transitiveMembers?$select=id&$top=2")
		want := []string{ann, bob, cid, inner, middle}
		slices.Sort(want)
		got := ids(rows)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" || pages != 3 {
			w.Errorf("%d pages: %s", pages, d)
		}
	})
	w.run("transitive count of users", func(w *world) {
		if a := w.must("/groups/"+outer+"/transitiveMembers/microsoft.graph.user/$count", eventual()...); string(a.raw) != "3" {
			w.Errorf("got %q", a.raw)
		}
	})
	w.run("memberOf is direct, transitiveMemberOf is not", func(w *world) {
		if d := cmp.Diff([]string{inner}, ids(w.must("/users/"+cid+"/memberOf").value())); d != "" {
			w.Error(d)
		}
		if d := cmp.Diff([]string{inner, middle, outer}, ids(w.must("/users/"+cid+"/transitiveMemberOf").value())); d != "" {
			w.Error(d)
		}
	})
	w.run("checkMemberGroups is transitive; an unknown group is just not in the answer", func(w *world) {
		a := w.do("POST", "/users/"+cid+"/checkMemberGroups", map[string]any{
			"groupIds": []string{outer, "00000000-1111-4222-8333-444444444444", inner},
		})
		if d := cmp.Diff([]any{outer, inner}, a.body["value"]); d != "" {
			w.Error(d)
		}
	})
	w.run("checkMemberGroups refuses 21 groups", func(w *world) {
		a := w.do("POST", "/users/"+cid+"/checkMemberGroups", map[string]any{"groupIds": slices.Repeat([]string{outer}, 21)})
		a.refused(w, 400, "Request_BadRequest")
	})
	w.run("checkMemberGroups refuses what is no GUID", func(w *world) {
		a := w.do("POST", "/users/"+cid+"/checkMemberGroups", map[string]any{"groupIds": []string{"Engineering"}})
		a.refused(w, 400, "Request_BadRequest")
	})
	w.run("checkMemberGroups of a deleted user", func(w *world) {
		w.ok(w.t.DeleteUser(cid))
		w.do("POST", "/users/"+cid+"/checkMemberGroups", map[string]any{"groupIds": []string{outer}}).
			refused(w, 404, "Request_ResourceNotFound")
	})
	w.run("a group that is gone no longer links", func(w *world) {
		w.ok(w.t.DeleteGroup(middle))
		rows, _ := w.all("/groups/" + outer + "/transitiveMembers?$select=id")
		if d := cmp.Diff([]string{ann}, ids(rows)); d != "" {
			w.Error(d)
		}
	})
}

func TestSoftDeletedMember(t *testing.T) {
	// https://learn.microsoft.com/graph/delta-query-groups: the membership is kept until the purge. Whether a list
	// shows it is not documented.
	w := newWorld(t)
	ann := w.user("ann")
	g := w.group("team", ann)
	list := func() int { return len(w.must("/groups/" + g + "/members").value()) }
	w.ok(w.t.DeleteUser(ann))
	if n := list(); n != 0 {
		w.Errorf("%d listed after the soft deletion", n)
	}
	w.e.Configure(func(b *graph.Behaviour) { b.SoftDeletedMembers = true })
	if n := list(); n != 1 {
		w.Errorf("%d listed with the switch on", n)
	}
	w.e.Configure(func(b *graph.Behaviour) { b.SoftDeletedMembers = false })
	w.ok(w.t.RestoreUser(ann))
	if n := list(); n != 1 {
		w.Errorf("%d listed after the restoration", n)
	}
	w.ok(w.t.PurgeUser(ann))
	members, err := w.t.Members(g)
	w.ok(err)
	if len(members) != 0 || list() != 0 {
		w.Errorf("after the purge: %v", members)
	}
}

func TestReplicationLag(t *testing.T) {
	w := newWorld(t)
	ann, g := w.user("ann"), w.group("team")
	w.e.Configure(func(b *graph.Behaviour) { b.Lag = graph.Lag{Members: time.Minute, Index: time.Hour} })
	w.clock.Advance(2 * time.Hour)
	w.signIn()
	w.ok(w.t.AddMember(g, ann))
	count := func() string { return string(w.must("/groups/"+g+"/members/$count", eventual()...).raw) }
	list := func() int { return len(w.must("/groups/" + g + "/members").value()) }
	memberOf := func() int { return len(w.must("/users/" + ann + "/memberOf").value()) }
	type seen struct {
		list, memberOf int
		count          string
	}
	see := func() seen { return seen{list(), memberOf(), count()} }
	if got := see(); got != (seen{0, 1, "0"}) {
		w.Errorf("at once: %+v", got)
	}
	w.clock.Advance(time.Minute)
	if got := see(); got != (seen{1, 1, "0"}) {
		w.Errorf("after a minute: %+v", got)
	}
	w.clock.Advance(59 * time.Minute)
	w.signIn()
	if got := see(); got != (seen{1, 1, "1"}) {
		w.Errorf("after an hour: %+v", got)
	}
	w.run("uneven replicas show the new state, and then the old one", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.Uneven = true })
		w.ok(w.t.RemoveMember(g, ann))
		if got := []int{list(), list(), list()}; !slices.Equal(got, []int{0, 1, 0}) {
			w.Errorf("got %v", got)
		}
	})
}

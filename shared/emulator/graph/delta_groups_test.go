package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/graph"
)

// round follows a delta query to its delta link and returns all rows, the link and the number of pages.
func (w *world) round(path string, headers ...string) (rows []map[string]any, link string, pages int) {
	w.Helper()
	for pages < 5000 {
		a := w.must(path, headers...)
		pages++
		rows = append(rows, a.value()...)
		switch next, delta := a.next(), a.delta(); {
		case (next == "") == (delta == ""):
			w.Fatalf("a page has both links or none: %q %q", next, delta)
		case delta != "":
			return rows, delta, pages
		default:
			path = next
		}
	}
	w.Fatal("the round does not end")
	return nil, "", 0
}

// follow is the first request of a groups feed.
func follow(groups ...string) string {
	return "/groups/delta?$select=displayName,members&$filter=" + quote("id eq '"+strings.Join(groups, "' or id eq '")+"'")
}

// joined and left are the members that rows name, over all rows of a group.
func memberDelta(rows []map[string]any, group string) (joined, left []string) {
	for _, r := range rows {
		if r["id"] != group {
			continue
		}
		list, _ := r["members@delta"].([]any)
		for _, x := range list {
			m := x.(map[string]any)
			if m["@removed"] != nil {
				left = append(left, m["id"].(string))
			} else {
				joined = append(joined, m["id"].(string))
			}
		}
	}
	return joined, left
}

// https://learn.microsoft.com/graph/delta-query-groups
func TestGroupsDeltaExample(t *testing.T) {
	w := newWorld(t)
	// The objects of the page's example; ids there are shortened to look like ids.
	first, second := "632f6bb2-3ec8-4c1f-9073-0027a8c68593", "37de1ae3-408f-4702-8636-20824abda004"
	for _, id := range []string{first, second} {
		_, err := w.t.AddUser(graph.User{ID: id, UserPrincipalName: id[:4] + "@contoso.com"})
		w.ok(err)
	}
	_, err := w.t.AddGroup(graph.Group{ID: "2e5807ce-58f3-4a94-9b37-ffff2e085957", DisplayName: "TestGroup3", Description: "Employees in test group 3"})
	w.ok(err)
	_, err = w.t.AddGroup(graph.Group{ID: "bed7f0d4-750e-4e7e-ffff-169002d06fc9", DisplayName: "TestGroup5", Description: "Employees in test group 5"})
	w.ok(err)
	w.ok(w.t.AddMember("2e5807ce-58f3-4a94-9b37-ffff2e085957", first))

	start := w.must("/groups/delta?$select=displayName,description,members")
	type row = map[string]any
	user := func(id string) row { return row{"@odata.type": "#microsoft.graph.user", "id": id} }
	w.run("first answer: a group without members has no members@delta", func(w *world) {
		want := []row{
			{"displayName": "TestGroup3", "description": "Employees in test group 3", "id": "2e5807ce-58f3-4a94-9b37-ffff2e085957", "members@delta": []any{user(first)}},
			{"displayName": "TestGroup5", "description": "Employees in test group 5", "id": "bed7f0d4-750e-4e7e-ffff-169002d06fc9"},
		}
		if d := cmp.Diff(want, start.value()); d != "" {
			w.Error(d)
		}
		if c := start.str("@odata.context"); c != w.url+"/v1.0/$metadata#groups(displayName,description,members)" {
			w.Errorf("context %s", c)
		}
	})
	w.run("nothing changed: an empty value and a new delta link", func(w *world) {
		w.clock.Advance(time.Second)
		a := w.must(start.delta())
		if list, ok := a.body["value"].([]any); !ok || len(list) != 0 || a.delta() == "" || a.delta() == start.delta() {
			w.Errorf("got %s", a.raw)
		}
	})
	gone := user(first)
	gone["@removed"] = row{"reason": "deleted"}
	want := row{
		"displayName": "TestGroup3", "description": "A test group for change tracking",
		"id": "2e5807ce-58f3-4a94-9b37-ffff2e085957", "members@delta": []any{gone, user(second)},
	}
	w.ok(w.t.RemoveMember("2e5807ce-58f3-4a94-9b37-ffff2e085957", first))
	w.ok(w.t.AddMember("2e5807ce-58f3-4a94-9b37-ffff2e085957", second))
	w.ok(w.t.UpdateGroup("2e5807ce-58f3-4a94-9b37-ffff2e085957", func(g *graph.Group) { g.Description = "A test group for change tracking" }))
	w.run("a change: unchanged selected properties come too", func(w *world) {
		if d := cmp.Diff([]row{want}, w.must(start.delta()).value()); d != "" {
			w.Error(d)
		}
	})
	w.run("Prefer: return=minimal: only what changed", func(w *world) {
		delete(want, "displayName")
		if d := cmp.Diff([]row{want}, w.must(start.delta(), "Prefer", "return=minimal").value()); d != "" {
			w.Error(d)
		}
	})
}

// https://learn.microsoft.com/graph/api/group-delta
func TestGroupsDeltaQuery(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	g, other := w.group("team", ann), w.group("other")
	w.run("all three spellings, with and without encoding", func(w *world) {
		for _, path := range []string{"/groups/delta", "/groups/delta()", "/groups/microsoft.graph.delta", "/groups/microsoft.graph.delta()"} {
			a := w.must(path + "?%24select=displayName%2Cmembers&%24filter=id%20eq%20%27" + g + "%27")
			if d := cmp.Diff([]string{g}, ids(a.value())); d != "" {
				w.Errorf("%s: %s", path, d)
			}
		}
	})
	w.run("without $select members come by default", func(w *world) {
		rows, _, _ := w.round("/groups/delta")
		if joined, _ := memberDelta(rows, g); !slices.Equal(joined, []string{ann}) {
			w.Errorf("joined %v", joined)
		}
	})
	w.run("a property that was never set is left out", func(w *world) {
		rows, _, _ := w.round("/groups/delta?$select=displayName,description")
		if _, there := rows[0]["description"]; there {
			w.Errorf("got %v", rows[0])
		}
	})
	for query, code := range map[string]string{
		"$top=5":          "Request_BadRequest",
		"$expand=members": "Request_BadRequest",
		"$orderby=id":     "Request_BadRequest",
		"$filter=" + quote("displayName eq 'team'"):               "Request_UnsupportedQuery",
		"$filter=" + quote("id in ('"+g+"')"):                     "Request_UnsupportedQuery",
		"$filter=" + quote("id eq 'team'"):                        "Request_BadRequest",
		"$select=members,shoeSize":                                "BadRequest",
		"$filter=" + quote("id eq '"+g+"' and id eq '"+other+"'"): "Request_UnsupportedQuery",
		"$deltatoken=made-up":                                     "Request_BadRequest",
	} {
		w.run("refused: "+query, func(w *world) { w.get("/groups/delta?"+query).refused(w, 400, code) })
	}
	w.run("50 ids are accepted, 51 are not", func(w *world) {
		many := []string{g}
		for i := range 49 {
			many = append(many, fmt.Sprintf("00000000-1111-4222-8333-%012d", i))
		}
		w.must(follow(many...))
		w.get(follow(append(many, other)...)).refused(w, 400, "Request_BadRequest")
	})
	w.run("a token of the users feed is refused here", func(w *world) {
		_, link, _ := w.round("/users/delta?$deltatoken=latest")
		w.get(strings.Replace(link, "/users/", "/groups/", 1)).refused(w, 400, "Request_BadRequest")
	})
	w.run("$deltatoken=latest: a link and no data, also with $filter and $select", func(w *world) {
		rows, link, pages := w.round(follow(g) + "&$deltatoken=latest")
		if len(rows) != 0 || pages != 1 {
			w.Fatalf("%d rows in %d pages", len(rows), pages)
		}
		bob := w.user("bob")
		w.ok(w.t.AddMember(g, bob))
		w.ok(w.t.AddMember(other, bob))
		rows, _, _ = w.round(link)
		joined, left := memberDelta(rows, g)
		if !slices.Equal(joined, []string{bob}) || left != nil || len(rows) != 1 {
			w.Errorf("joined %v left %v in %v", joined, left, rows)
		}
	})
	w.run("$deltatoken=latest with $filter refused, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.LatestRefusesFilter = true })
		w.get(follow(g)+"&$deltatoken=latest").refused(w, 400, "Request_UnsupportedQuery")
		w.must("/groups/delta?$select=members&$deltatoken=latest")
	})
	w.run("only selected properties trigger", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.LatestRefusesFilter = false })
		_, names, _ := w.round("/groups/delta?$select=displayName&$deltatoken=latest")
		w.ok(w.t.UpdateGroup(g, func(g *graph.Group) { g.Description = "new" }))
		w.ok(w.t.RemoveMember(g, ann))
		rows, names, _ := w.round(names)
		if len(rows) != 0 {
			w.Errorf("an unselected change gave %v", rows)
		}
		w.ok(w.t.RenameGroup(g, "Team"))
		rows, _, _ = w.round(names)
		if d := cmp.Diff([]map[string]any{{"displayName": "Team", "id": g}}, rows); d != "" {
			w.Error(d)
		}
	})
}

// https://learn.microsoft.com/graph/delta-query-groups "Paging through members in a large group"
func TestGroupsDeltaPaging(t *testing.T) {
	w := newWorld(t)
	w.e.Configure(func(b *graph.Behaviour) { b.DeltaGroups, b.DeltaMembers = 2, 10 })
	big, small, bigger := w.group("big"), w.group("small"), w.group("bigger")
	crowd := w.crowd(big, 25)
	w.ok(w.t.AddMembers(bigger, crowd, 0, 25))
	w.ok(w.t.AddMember(small, crowd.ID(3)))
	rows, link, pages := w.round(follow(big, small, bigger))
	w.run("the same group repeats over pages, and groups interleave", func(w *world) {
		if d := cmp.Diff([]string{big, small, big, bigger, big, bigger, bigger}, ids(rows)); d != "" || pages != 4 {
			w.Errorf("%d pages: %s", pages, d)
		}
	})
	w.run("merged by id the slices are the group, each member once", func(w *world) {
		for group, want := range map[string]int{big: 25, bigger: 25, small: 1} {
			joined, left := memberDelta(rows, group)
			slices.Sort(joined)
			if n := len(slices.Compact(joined)); n != want || len(joined) != want || left != nil {
				w.Errorf("%s has %d members, %d different, want %d; left %v", group, len(joined), n, want, left)
			}
		}
	})
	w.run("a later round pages as well", func(w *world) {
		for i := range 12 {
			w.ok(w.t.RemoveMember(big, crowd.ID(i)))
		}
		rows, _, pages := w.round(link)
		if _, left := memberDelta(rows, big); len(left) != 12 || pages != 2 {
			w.Errorf("%d left in %d pages", len(left), pages)
		}
	})
	w.run("an empty page with a next link, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.EmptyPages = true })
		defer w.e.Configure(func(b *graph.Behaviour) { b.EmptyPages = false })
		a := w.must(link)
		if len(a.value()) != 0 || a.next() == "" {
			w.Fatalf("got %s", a.raw)
		}
		if rows, _, _ := w.round(a.next()); len(rows) != 2 {
			w.Errorf("%d rows after it", len(rows))
		}
	})
	w.run("a change during the round is in the next one", func(w *world) {
		a := w.must(follow(big))
		w.ok(w.t.AddMember(big, crowd.ID(0)))
		rows, link, _ := w.round(a.next())
		if joined, _ := memberDelta(append(a.value(), rows...), big); slices.Contains(joined, crowd.ID(0)) {
			w.Error("the round shows a change that came after it began")
		}
		rows, _, _ = w.round(link)
		if joined, _ := memberDelta(rows, big); !slices.Equal(joined, []string{crowd.ID(0)}) {
			w.Errorf("the next round shows %v", joined)
		}
	})
	w.run("an endless round, by switch: the same page again and again", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.EndlessDelta = true })
		a := w.must(follow(small))
		b := w.must(a.next())
		if d := cmp.Diff(a.value(), b.value()); d != "" || a.next() != b.next() || b.delta() != "" {
			w.Errorf("%s then %s", a.raw, b.raw)
		}
	})
}

func TestGroupsDeltaTombstones(t *testing.T) {
	// "An initial delta query returns removed members": microsoft-graph-docs issue 6651, docs-contrib issue 2005
	w := newWorld(t)
	ann, bob := w.user("ann"), w.user("bob")
	g := w.group("team", ann, bob)
	w.ok(w.t.RemoveMember(g, bob))
	first := func() (joined, left []string) {
		rows, _, _ := w.round(follow(g))
		return memberDelta(rows, g)
	}
	if joined, left := first(); !slices.Equal(joined, []string{ann}) || !slices.Equal(left, []string{bob}) {
		w.Errorf("joined %v left %v", joined, left)
	}
	w.e.Configure(func(b *graph.Behaviour) { b.FirstTombstones = false })
	if joined, left := first(); !slices.Equal(joined, []string{ann}) || left != nil {
		w.Errorf("with the switch off: joined %v left %v", joined, left)
	}
	w.e.Configure(func(b *graph.Behaviour) { b.FirstTombstones = true })
	w.clock.Advance(31 * 24 * time.Hour)
	w.signIn()
	if _, left := first(); left != nil {
		w.Errorf("after 31 days: left %v", left)
	}
}

func TestGroupsDeltaLife(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	unified, err := w.t.AddGroup(graph.Group{DisplayName: "m365", Types: []string{"Unified"}})
	w.ok(err)
	w.ok(w.t.AddMember(unified.ID, ann))
	security := w.group("security", ann)
	_, link, _ := w.round(follow(unified.ID, security))
	next := func() []map[string]any {
		w.Helper()
		rows, l, _ := w.round(link)
		link = l
		return rows
	}
	gone := func(id, reason string) map[string]any {
		return map[string]any{"id": id, "@removed": map[string]any{"reason": reason}}
	}
	w.ok(w.t.DeleteGroup(unified.ID))
	w.ok(w.t.DeleteGroup(security))
	w.run("a Microsoft 365 group is deleted softly, a security group for good", func(w *world) {
		if d := cmp.Diff([]map[string]any{gone(unified.ID, "changed"), gone(security, "deleted")}, next()); d != "" {
			w.Error(d)
		}
	})
	w.ok(w.t.RestoreGroup(unified.ID))
	w.run("a restored group comes without annotation, with its members", func(w *world) {
		rows := next()
		if joined, left := memberDelta(rows, unified.ID); len(rows) != 1 || rows[0]["@removed"] != nil || !slices.Equal(joined, []string{ann}) || left != nil {
			w.Errorf("got %v", rows)
		}
	})
	w.run("who left since shows, also in a group that was restored since", func(w *world) {
		w.ok(w.t.DeleteGroup(unified.ID))
		w.ok(w.t.RestoreGroup(unified.ID))
		w.ok(w.t.RemoveMember(unified.ID, ann))
		w.e.Configure(func(b *graph.Behaviour) { b.FirstTombstones = false })
		if _, left := memberDelta(next(), unified.ID); !slices.Equal(left, []string{ann}) {
			w.Errorf("left %v", left)
		}
	})
	w.run("a nested group that joins shows as a group, what changes inside it does not", func(w *world) {
		inner := w.group("inner")
		w.ok(w.t.AddMember(unified.ID, inner))
		list := next()[0]["members@delta"].([]any)
		if d := cmp.Diff(map[string]any{"@odata.type": "#microsoft.graph.group", "id": inner}, list[0]); d != "" {
			w.Error(d)
		}
		w.ok(w.t.AddMember(inner, ann))
		if rows := next(); len(rows) != 0 {
			w.Errorf("got %v", rows)
		}
	})
}

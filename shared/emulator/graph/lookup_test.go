package graph_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// https://learn.microsoft.com/graph/filter-query-parameter
func TestUserFilters(t *testing.T) {
	w := newWorld(t)
	crowd := w.crowd(w.group("all"), 60)
	in := func(n int) string {
		s := []string{}
		for i := range n {
			s = append(s, "'"+crowd.ID(i)+"'")
		}
		return quote("id in (" + strings.Join(s, ",") + ")")
	}
	w.run("15 ids", func(w *world) {
		a := w.must("/users?$filter=" + in(15) + "&$select=id,accountEnabled&$top=999")
		if len(a.value()) != 15 || a.header.Get("x-ms-resource-unit") != "1" {
			w.Errorf("%d users for %s units", len(a.value()), a.header.Get("x-ms-resource-unit"))
		}
	})
	w.run("16 ids", func(w *world) {
		w.get("/users?$filter="+in(16)).refused(w, 400, "Request_UnsupportedQuery")
	})
	w.run("16 ids as an advanced query", func(w *world) {
		if a := w.must("/users?$count=true&$filter="+in(16), eventual()...); len(a.value()) != 16 {
			w.Errorf("%d users", len(a.value()))
		}
	})
	w.run("an advanced query with a URL of more than 2,048 characters", func(w *world) {
		w.get("/users?$count=true&$filter="+in(60)+"&$select=id,displayName", eventual()...).refused(w, 400, "Request_UnsupportedQuery")
	})
	for filter, want := range map[string]int{
		"userPrincipalName eq 'U-7@CONTOSO.COM'":                                     1,
		"id eq '" + crowd.ID(3) + "' or id eq '" + crowd.ID(4) + "'":                 2,
		"startswith(displayName,'u-3')":                                              11,
		"startswith(displayName,'u-3') and accountEnabled eq true":                   11,
		"(displayName eq 'u-1' or displayName eq 'u-2') and accountEnabled eq false": 0,
		"mail eq null": 60,
		"userPrincipalName in ('u-1@contoso.com','nobody@contoso.com')": 1,
	} {
		w.run(filter, func(w *world) {
			rows, _ := w.all("/users?$select=id&$filter=" + quote(filter))
			if len(rows) != want {
				w.Errorf("%d users, want %d", len(rows), want)
			}
		})
	}
	for filter, code := range map[string]string{
		"id in ('Engineering')":   "Request_BadRequest",
		"shoeSize eq 44":          "BadRequest",
		"displayName eq 'x":       "Request_BadRequest",
		"displayName gt 'x'":      "Request_BadRequest",
		"displayName eq 'x' junk": "Request_BadRequest",
		"displayName ne 'x'":      "Request_UnsupportedQuery",
	} {
		w.run("refused: "+filter, func(w *world) {
			w.get("/users?$filter="+quote(filter)).refused(w, 400, code)
		})
	}
	w.run("the count of users", func(w *world) {
		if a := w.must("/users/$count", eventual()...); string(a.raw) != strconv.Itoa(w.t.Live()) || w.t.Live() != 60 {
			w.Errorf("got %q, %d live", a.raw, w.t.Live())
		}
	})
	w.run("a property outside the main store", func(w *world) {
		w.get("/users?$select=skills").refused(w, 501, "NotImplemented")
	})
}

// https://learn.microsoft.com/graph/api/directoryobject-getbyids
func TestGetByIDs(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	body := map[string]any{"ids": []string{ann, w.group("team")}, "types": []string{"user"}}
	w.run("users only, without accountEnabled", func(w *world) {
		rows := w.do("POST", "/directoryObjects/getByIds", body).value()
		if d := cmp.Diff([]string{ann}, ids(rows)); d != "" {
			w.Fatal(d)
		}
		if _, there := rows[0]["accountEnabled"]; there {
			w.Errorf("got %v", rows[0])
		}
	})
	w.run("$select is refused", func(w *world) {
		w.do("POST", "/directoryObjects/getByIds?$select=id", body).refused(w, 400, "Request_BadRequest")
	})
	w.run("1,001 ids", func(w *world) {
		w.do("POST", "/directoryObjects/getByIds", map[string]any{"ids": slices.Repeat([]string{ann}, 1001)}).
			refused(w, 400, "Request_BadRequest")
	})
}

func TestLookups(t *testing.T) {
	// https://learn.microsoft.com/graph/api/user-get, group-get, group-list, user-list
	w := newWorld(t)
	ann, bob := w.user("ann"), w.user("bob")
	g := w.group("O'Brien's team", ann)
	w.group("Other")
	w.ok(w.t.DeleteUser(bob))

	w.run("a user by id, selected fields only", func(w *world) {
		a := w.must("/users/" + ann + "?$select=id,accountEnabled,onPremisesSamAccountName")
		if a.body["accountEnabled"] != true || a.body["onPremisesSamAccountName"] != "ann" || a.body["displayName"] != nil {
			w.Errorf("got %s", a.raw)
		}
	})
	w.run("accountEnabled is returned only on $select", func(w *world) {
		if _, there := w.must("/users/" + ann).body["accountEnabled"]; there {
			w.Error("accountEnabled came without $select")
		}
	})
	w.run("a user by name", func(w *world) {
		if a := w.must("/users/ANN@contoso.com"); a.body["id"] != ann {
			w.Errorf("got %s", a.raw)
		}
	})
	w.run("a soft-deleted user is not found", func(w *world) {
		w.get("/users/"+bob).refused(w, 404, "Request_ResourceNotFound")
	})
	w.run("a group by name with a doubled quote", func(w *world) {
		a := w.must("/groups?$filter=displayName%20eq%20'O''Brien''s%20team'&$top=2&$select=id,displayName")
		if got := ids(a.value()); len(got) != 1 || got[0] != g {
			w.Errorf("got %v, want %s", got, g)
		}
	})
	w.run("users by id in: the missing one is silently absent", func(w *world) {
		a := w.must("/users?$filter=" + quote("id in ('"+bob+"','"+ann+"')") + "&$select=id")
		if got := ids(a.value()); len(got) != 1 || got[0] != ann {
			w.Errorf("got %v", got)
		}
	})
	w.run("%24select is $select", func(w *world) {
		if a := w.must("/groups/" + g + "?%24select=displayName"); len(a.body) != 2 || a.body["displayName"] != "O'Brien's team" {
			w.Errorf("got %s", a.raw)
		}
	})
}

package graph_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/graph"
)

// https://learn.microsoft.com/graph/api/user-delta
// https://learn.microsoft.com/graph/delta-query-users
func TestUsersDelta(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.user("ann"), w.user("bob")
	_, link, _ := w.round("/users/delta?$select=accountEnabled,userPrincipalName,onPremisesSamAccountName&$deltatoken=latest")
	next := func() []map[string]any {
		w.Helper()
		rows, l, _ := w.round(link)
		link = l
		return rows
	}
	w.run("a disabled user", func(w *world) {
		w.ok(w.t.DisableUser(ann))
		want := map[string]any{"accountEnabled": false, "userPrincipalName": "ann@contoso.com", "onPremisesSamAccountName": "ann", "id": ann}
		if d := cmp.Diff([]map[string]any{want}, next()); d != "" {
			w.Error(d)
		}
	})
	w.run("a change of something that is not selected is silent", func(w *world) {
		w.ok(w.t.UpdateUser(ann, func(u *graph.User) { u.JobTitle = "Boss" }))
		if rows := next(); len(rows) != 0 {
			w.Errorf("got %v", rows)
		}
	})
	w.run("joining a group is silent", func(w *world) {
		w.group("team", ann)
		if rows := next(); len(rows) != 0 {
			w.Errorf("got %v", rows)
		}
	})
	for _, c := range []struct {
		name   string
		do     func(string) error
		reason any
	}{
		{"a soft deletion is removed: changed", w.t.DeleteUser, map[string]any{"reason": "changed"}},
		{"a restored user is plain", w.t.RestoreUser, nil},
		{"a purge is removed: deleted", w.t.PurgeUser, map[string]any{"reason": "deleted"}},
	} {
		w.run(c.name, func(w *world) {
			w.ok(c.do(bob))
			rows := next()
			if len(rows) != 1 || rows[0]["id"] != bob || !cmp.Equal(rows[0]["@removed"], c.reason) {
				w.Errorf("got %v", rows)
			}
		})
	}
	w.run("return=minimal", func(w *world) {
		w.ok(w.t.EnableUser(ann))
		rows, _, _ := w.round(link, "Prefer", "return=minimal")
		if d := cmp.Diff([]map[string]any{{"accountEnabled": true, "id": ann}}, rows); d != "" {
			w.Error(d)
		}
	})
	w.run("a filter on ids", func(w *world) {
		cid := w.user("cid")
		rows, link, _ := w.round("/users/delta?$select=userPrincipalName&$filter=" + quote("id eq '"+cid+"'"))
		if d := cmp.Diff([]string{cid}, ids(rows)); d != "" {
			w.Error(d)
		}
		w.ok(w.t.UpdateUser(ann, func(u *graph.User) { u.UserPrincipalName = "anna@contoso.com" }))
		if rows, _, _ := w.round(link); len(rows) != 0 {
			w.Errorf("another user's change gave %v", rows)
		}
		if rows := next(); !slices.Equal(ids(rows), []string{ann, cid}) {
			w.Errorf("without a filter: %v", rows)
		}
	})
	w.run("a property outside the main store is 501", func(w *world) {
		w.get("/users/delta?$select=skills").refused(w, 501, "NotImplemented")
	})
	w.run("the function's other spelling", func(w *world) { w.must("/users/delta()?$deltatoken=latest") })
}

func TestUsersDeltaFirstRound(t *testing.T) {
	w := newWorld(t)
	crowd := w.crowd(w.group("all"), 450)
	w.ok(w.t.DeleteUser(crowd.ID(7)))
	rows, link, pages := w.round("/users/delta?$select=accountEnabled")
	if len(rows) != 450 || pages != 3 {
		w.Fatalf("%d rows in %d pages", len(rows), pages)
	}
	if rows[7]["id"] != crowd.ID(7) || rows[7]["@removed"] == nil {
		w.Errorf("the deleted user is %v", rows[7])
	}
	w.ok(w.t.DisableUser(crowd.ID(8)))
	rows, _, _ = w.round(link)
	if len(rows) != 1 || rows[0]["id"] != crowd.ID(8) || rows[0]["accountEnabled"] != false {
		w.Errorf("the next round shows %v", rows)
	}
	_, link, _ = w.round("/users/delta?$deltatoken=latest")
	if _, err := w.t.AddUsers("new-", 250, nil); err != nil {
		w.Fatal(err)
	}
	if rows, _, pages := w.round(link); len(rows) != 250 || pages != 2 {
		w.Errorf("a crowd that came shows as %d rows in %d pages", len(rows), pages)
	}
}

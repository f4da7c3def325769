package graph_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/graph"
)

func TestPermissions(t *testing.T) {
	for _, c := range []struct {
		name        string
		permissions []string
		path        string
		status      int
	}{
		{"members with Group.Read.All", []string{"Group.Read.All"}, "/groups/G/members", 200},
		{"members with GroupMember.Read.All", []string{"GroupMember.Read.All"}, "/groups/G/members", 200},
		{"members with Directory.Read.All", []string{"Directory.Read.All"}, "/groups/G/members", 200},
		{"members with User.Read.All only", []string{"User.Read.All"}, "/groups/G/members", 403},
		{"a group without permission", nil, "/groups/G", 403},
		{"groups/delta with User.Read.All only", []string{"User.Read.All"}, "/groups/delta?$select=members", 403},
		{"users/delta with Group.Read.All only", []string{"Group.Read.All"}, "/users/delta", 403},
		{"a user with Group.Read.All only", []string{"Group.Read.All"}, "/users/U", 403},
		{"memberOf with User.Read.All only", []string{"User.Read.All"}, "/users/U/memberOf", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorldWith(t, c.permissions)
			u := w.user("ann")
			g := w.group("team", u)
			a := w.get(strings.NewReplacer("/G", "/"+g, "/U", "/"+u).Replace(c.path))
			if c.status == 403 {
				a.refused(w, 403, "Authorization_RequestDenied")
			} else {
				a.want(w, c.status)
			}
		})
	}
	t.Run("without User.Read.All every user is an id and nulls, and the status is 200", func(t *testing.T) {
		w := newWorldWith(t, []string{"Group.Read.All"})
		u := w.user("ann")
		g := w.group("team", u)
		want := map[string]any{"@odata.type": "#microsoft.graph.user", "id": u, "userPrincipalName": nil, "accountEnabled": nil}
		rows := w.must("/groups/" + g + "/members?$select=id,userPrincipalName,accountEnabled").value()
		if d := cmp.Diff([]map[string]any{want}, rows); d != "" {
			t.Error(d)
		}
	})
	t.Run("checkMemberGroups needs both", func(t *testing.T) {
		w := newWorldWith(t, []string{"User.Read.All"})
		u := w.user("ann")
		w.do("POST", "/users/"+u+"/checkMemberGroups", map[string]any{"groupIds": []string{u}}).
			refused(w, 403, "Authorization_RequestDenied")
	})
	t.Run("consent reaches new tokens only", func(t *testing.T) {
		w := newWorldWith(t, nil)
		g := w.group("team")
		w.ok(w.t.Grant(w.app, "Group.Read.All"))
		w.get("/groups/"+g).refused(w, 403, "Authorization_RequestDenied")
		w.signIn()
		w.must("/groups/" + g)
	})
	t.Run("employeeLeaveDateTime without its permission", func(t *testing.T) {
		w := newWorld(t)
		u, err := w.t.AddUser(graph.User{UserPrincipalName: "leaver@contoso.com", EmployeeLeaveDateTime: start})
		w.ok(err)
		path := "/users/" + u.ID + "?$select=id,employeeLeaveDateTime"
		if a := w.must(path); a.body["employeeLeaveDateTime"] != nil {
			t.Errorf("got %s", a.raw)
		}
		w.e.Configure(func(b *graph.Behaviour) { b.LeaveDate = graph.Denied })
		w.get(path).refused(w, 403, "Authorization_RequestDenied")
		w.ok(w.t.Grant(w.app, "User-LifeCycleInfo.Read.All"))
		w.signIn()
		if a := w.must(path); a.body["employeeLeaveDateTime"] != "2026-11-23T08:00:00Z" {
			t.Errorf("got %s", a.raw)
		}
	})
}

func TestHiddenMembership(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	g := w.group("secret", ann)
	w.ok(w.t.HideMembership(g))
	members := "/groups/" + g + "/members?$select=id"
	if rows := w.must(members).value(); len(rows) != 0 {
		w.Errorf("without Member.Read.Hidden: %v", rows)
	}
	if a := w.must("/groups/" + g + "?$select=visibility"); a.body["visibility"] != "HiddenMembership" {
		w.Errorf("got %s", a.raw)
	}
	if rows := w.must("/users/" + ann + "/memberOf").value(); len(rows) != 0 {
		w.Errorf("memberOf shows %v", rows)
	}
	if row := w.must("/groups/delta?$select=members&$filter=id eq '" + g + "'").value()[0]; row["members@delta"] != nil {
		w.Errorf("delta shows %v", row)
	}
	w.e.Configure(func(b *graph.Behaviour) { b.Hidden = graph.Denied })
	w.get(members).refused(w, 403, "Authorization_RequestDenied")
	w.ok(w.t.Grant(w.app, "Member.Read.Hidden"))
	w.signIn()
	if d := cmp.Diff([]string{ann}, ids(w.must(members).value())); d != "" {
		w.Errorf("with Member.Read.Hidden: %s", d)
	}
}

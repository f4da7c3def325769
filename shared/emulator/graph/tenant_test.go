package graph_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/graph"
)

func TestTenantRefuses(t *testing.T) {
	w := newWorld(t)
	ann, g := w.user("ann"), w.group("team")
	crowd := w.crowd(g, 10)
	nobody := "00000000-1111-4222-8333-444444444444"
	add := func(u graph.User) error { _, err := w.t.AddUser(u); return err }
	group := func(g graph.Group) error { _, err := w.t.AddGroup(g); return err }
	many := func(prefix string, n int) error { _, err := w.t.AddUsers(prefix, n, nil); return err }
	for _, c := range []struct {
		name string
		got  error
		want error
	}{
		{"a user with a taken id", add(graph.User{ID: strings.ToUpper(ann)}), graph.ErrExists},
		{"a user with a taken name", add(graph.User{UserPrincipalName: "ANN@contoso.com"}), graph.ErrExists},
		{"a user with a generated name", add(graph.User{UserPrincipalName: "u-3@contoso.com"}), graph.ErrExists},
		{"a user whose id is no GUID", add(graph.User{ID: "ann"}), graph.ErrInvalid},
		{"a group with a user's id", group(graph.Group{ID: ann, DisplayName: "x"}), graph.ErrExists},
		{"a group without a name", group(graph.Group{}), graph.ErrInvalid},
		{"a member who is not there", w.t.AddMember(g, nobody), graph.ErrNotFound},
		{"a group that is not there", w.t.AddMember(nobody, ann), graph.ErrNotFound},
		{"a group in itself", w.t.AddMember(g, g), graph.ErrNotFound},
		{"a member twice", w.t.AddMember(g, crowd.ID(3)), graph.ErrMember},
		{"a range twice", w.t.AddMembers(g, crowd, 5, 7), graph.ErrMember},
		{"a range that is not there", w.t.AddMembers(g, crowd, 5, 11), graph.ErrInvalid},
		{"taking out who is not in", w.t.RemoveMember(g, ann), graph.ErrNotMember},
		{"restoring who is not deleted", w.t.RestoreUser(ann), graph.ErrNotFound},
		{"deleting nobody", w.t.DeleteUser(nobody), graph.ErrNotFound},
		{"restoring a group that is there", w.t.RestoreGroup(g), graph.ErrNotFound},
		{"a crowd with a taken prefix", many("U-", 5), graph.ErrExists},
		{"a crowd whose prefix ends in a digit", many("u-1", 5), graph.ErrInvalid},
		{"an empty crowd", many("x", 0), graph.ErrInvalid},
		{"a secret of an unknown app", w.t.RemoveSecret(nobody, "x"), graph.ErrNotFound},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	w.run("a deleted user's name is free; he cannot be restored once it is taken", func(w *world) {
		w.ok(w.t.DeleteUser(ann))
		w.ok(add(graph.User{UserPrincipalName: "ann@contoso.com"}))
		if err := w.t.RestoreUser(ann); !errors.Is(err, graph.ErrExists) {
			w.Errorf("restoring: %v", err)
		}
		if a := w.must("/users/ann@contoso.com"); a.body["id"] == ann {
			w.Error("the name still means the deleted user")
		}
		w.ok(w.t.PurgeUser(ann))
		if a := w.must("/users/ann@contoso.com"); a.body["id"] == ann {
			w.Error("the name means the purged user")
		}
	})
	w.run("a rename to a taken name", func(w *world) {
		err := w.t.UpdateUser(crowd.ID(1), func(u *graph.User) { u.UserPrincipalName = crowd.UPN(2) })
		if !errors.Is(err, graph.ErrExists) {
			w.Errorf("got %v", err)
		}
	})
}

func TestCrowdMembers(t *testing.T) {
	w := newWorld(t)
	g := w.group("all")
	crowd := w.crowd(g, 50)
	five := crowd.ID(5)
	w.run("one of them changes like anybody else", func(w *world) {
		w.ok(w.t.UpdateUser(five, func(u *graph.User) { u.Department = "Sales" }))
		a := w.must("/users/" + crowd.UPN(5) + "?$select=id,department,onPremisesSamAccountName,accountEnabled")
		delete(a.body, "@odata.context")
		want := map[string]any{"id": five, "department": "Sales", "onPremisesSamAccountName": "u-5", "accountEnabled": true}
		if d := cmp.Diff(want, a.body); d != "" {
			w.Error(d)
		}
	})
	w.run("is in the groups that hold the range", func(w *world) {
		if d := cmp.Diff([]string{g}, ids(w.must("/users/"+five+"/memberOf").value())); d != "" {
			w.Error(d)
		}
	})
	w.run("counts follow leaving, deletion and coming back", func(w *world) {
		count := func() string { return string(w.must("/groups/"+g+"/members/$count", eventual()...).raw) }
		got := []string{count()}
		w.ok(w.t.RemoveMember(g, five))
		got = append(got, count())
		w.ok(w.t.DeleteUser(crowd.ID(6)))
		got = append(got, count())
		w.ok(w.t.PurgeUser(crowd.ID(6)))
		got = append(got, count())
		w.ok(w.t.AddMember(g, five))
		got = append(got, count())
		if d := cmp.Diff([]string{"50", "49", "48", "48", "49"}, got); d != "" {
			w.Error(d)
		}
		if rows, _ := w.all("/groups/" + g + "/members?$select=id"); len(rows) != 49 || !slices.Contains(ids(rows), five) {
			w.Errorf("%d listed", len(rows))
		}
	})
	w.run("each changes properties, never id or name", func(w *world) {
		c, err := w.t.AddUsers("x-", 10, func(i int, u *graph.User) { u.Disabled, u.ID, u.UserPrincipalName = i%2 == 0, "?", "?" })
		w.ok(err)
		a := w.must("/users/" + c.ID(4) + "?$select=id,userPrincipalName,accountEnabled")
		if a.body["id"] != c.ID(4) || a.body["userPrincipalName"] != "x-4@contoso.com" || a.body["accountEnabled"] != false {
			w.Errorf("got %s", a.raw)
		}
	})
}

func TestSeed(t *testing.T) {
	make := func(opts ...graph.Option) string {
		w := newWorld(t, opts...)
		g := w.group("team", w.user("ann"))
		return w.app + g + w.crowd(g, 1).ID(0) + w.must("/groups/" + g + "/members?$top=1").next()[len(w.url):]
	}
	if a, b := make(graph.WithSeed("x")), make(graph.WithSeed("x")); a != b {
		t.Errorf("the same seed gives %s and %s", a, b)
	}
	if a, b := make(graph.WithSeed("")), make(graph.WithSeed("")); a == b {
		t.Error("no seed gives the same twice")
	}
	e := graph.New(clock.NewManual(start), graph.WithTenant(strings.ToUpper(anID), "fabrikam.com"))
	if e.Tenant.ID != anID || e.Tenant.Domain != "fabrikam.com" {
		t.Errorf("tenant %s %s", e.Tenant.ID, e.Tenant.Domain)
	}
}

// A group of a million: made in no time and no room, and cheap to ask about. (BenchmarkPage100000 reads one.)
func TestMillion(t *testing.T) {
	w := newWorld(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	g := w.group("everyone")
	made := time.Now()
	crowd := w.crowd(g, 1_000_000)
	took := time.Since(made)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 || took > time.Second {
		t.Errorf("making it took %s and %d bytes", took, grown)
	}
	w.run("the count", func(w *world) {
		w.ok(w.t.RemoveMember(g, crowd.ID(500_000)))
		if a := w.must("/groups/"+g+"/members/$count", eventual()...); string(a.raw) != "999999" {
			w.Errorf("got %s", a.raw)
		}
	})
	w.run("one look-up in it", func(w *world) {
		a := w.must("/users?$select=id&$filter=" + quote("userPrincipalName eq 'u-999999@contoso.com'"))
		if d := cmp.Diff([]string{crowd.ID(999_999)}, ids(a.value())); d != "" {
			w.Error(d)
		}
	})
	w.run("one change in it costs one row of delta", func(w *world) {
		_, link, _ := w.round(follow(g) + "&$deltatoken=latest")
		w.ok(w.t.AddMember(g, crowd.ID(500_000)))
		rows, _, pages := w.round(link)
		if joined, _ := memberDelta(rows, g); pages != 1 || !slices.Equal(joined, []string{crowd.ID(500_000)}) {
			w.Errorf("%d pages: %v", pages, rows)
		}
	})
}

func BenchmarkPage100000(b *testing.B) {
	e := graph.New(clock.NewManual(start), graph.WithSeed("bench"), graph.WithAnonymous("Directory.Read.All"))
	e.Configure(func(b *graph.Behaviour) { b.UnitsPer10s = -1 })
	g, err := e.Tenant.AddGroup(graph.Group{DisplayName: "all"})
	if err != nil {
		b.Fatal(err)
	}
	crowd, err := e.Tenant.AddUsers("u-", 100_000, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Tenant.AddMembers(g.ID, crowd, 0, crowd.Len()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		readAll(b, e, "/v1.0/groups/"+g.ID+"/members?$top=999&$select=id,userPrincipalName,accountEnabled,displayName", 100_000)
	}
}

// Readers, writers and a change of behaviour at once; it proves something with -race.
func TestConcurrency(t *testing.T) {
	w := newWorld(t)
	g := w.group("all")
	crowd := w.crowd(g, 500)
	w.e.Configure(func(b *graph.Behaviour) { b.UnitsPer10s, b.Lag, b.Uneven = -1, graph.Everywhere(time.Second), true })
	w.clock.Advance(time.Minute)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 50 {
				n := worker*50 + i
				if w.t.RemoveMember(g, crowd.ID(n)) != nil || w.t.DisableUser(crowd.ID(n)) != nil {
					w.Error("a change was refused")
				}
				w.clock.Advance(time.Millisecond)
				for _, path := range []string{"/groups/" + g + "/members?$top=5", "/groups/delta", "/users/delta?$deltatoken=latest"} {
					if a := w.get(path); a.status != 200 {
						w.Errorf("%s: %d", path, a.status)
					}
				}
			}
		})
	}
	wg.Wait()
	w.e.Configure(func(b *graph.Behaviour) { b.Lag = graph.Lag{} })
	if rows, _ := w.all("/groups/" + g + "/members?$select=id"); len(rows) != 300 {
		w.Errorf("%d members are left, want 300", len(rows))
	}
}

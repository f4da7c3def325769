package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/shared/emulator/graph"
)

func TestGroupsDeltaOfUsersWhoGo(t *testing.T) {
	// https://learn.microsoft.com/graph/delta-query-groups: silent until the purge. Not shown even then:
	// microsoft-graph-docs issues 14708, 7115, 18628.
	for _, unseen := range []bool{false, true} {
		t.Run(fmt.Sprintf("PurgeUnseen %v", unseen), func(t *testing.T) {
			w := newWorld(t)
			w.e.Configure(func(b *graph.Behaviour) { b.PurgeUnseen = unseen })
			ann := w.user("ann")
			g := w.group("team", ann)
			_, link, _ := w.round(follow(g))
			for what, do := range map[string]func(string) error{"disabling": w.t.DisableUser, "deletion": w.t.DeleteUser} {
				w.ok(do(ann))
				if rows, _, _ := w.round(link); len(rows) != 0 {
					w.Errorf("%s showed as %v", what, rows)
				}
				if what == "deletion" {
					w.ok(w.t.RestoreUser(ann))
				}
			}
			w.ok(w.t.PurgeUser(ann))
			rows, _, _ := w.round(link)
			if _, left := memberDelta(rows, g); (len(left) == 1) == unseen {
				w.Errorf("the purge showed as %v", rows)
			}
		})
	}
}

func TestDeltaReplay(t *testing.T) {
	// https://learn.microsoft.com/graph/delta-query-overview "Replays". That the old may come after the new is not known.
	w := newWorld(t)
	ann, g := w.user("ann"), w.group("team")
	_, link, _ := w.round(follow(g))
	w.ok(w.t.AddMember(g, ann))
	_, link, _ = w.round(link)
	w.ok(w.t.RemoveMember(g, ann))
	show := func(mode graph.Replay) string {
		w.e.Configure(func(b *graph.Behaviour) { b.Replay = mode })
		rows, _, _ := w.round(link)
		s := ""
		for _, r := range rows {
			joined, left := memberDelta([]map[string]any{r}, g)
			s += strings.Repeat("+", len(joined)) + strings.Repeat("-", len(left))
		}
		return s
	}
	for mode, want := range map[graph.Replay]string{graph.NoReplay: "-", graph.ReplayNet: "-", graph.ReplayStale: "-+"} {
		if got := show(mode); got != want {
			w.Errorf("replay %q shows %q, want %q", mode, got, want)
		}
	}
	w.run("a round in which nothing is new repeats the last one", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.Replay = graph.NoReplay })
		_, quiet, _ := w.round(link)
		w.e.Configure(func(b *graph.Behaviour) { b.Replay = graph.ReplayNet })
		rows, _, _ := w.round(quiet)
		if _, left := memberDelta(rows, g); !slices.Equal(left, []string{ann}) {
			w.Errorf("got %v", rows)
		}
	})
}

func TestDeltaLag(t *testing.T) {
	w := newWorld(t)
	ann, g := w.user("ann"), w.group("team")
	w.clock.Advance(time.Hour)
	w.signIn()
	_, link, _ := w.round(follow(g))
	w.e.Configure(func(b *graph.Behaviour) { b.Lag.Delta = time.Minute })
	w.ok(w.t.AddMember(g, ann))
	rows, link, _ := w.round(link)
	if len(rows) != 0 {
		w.Errorf("at once: %v", rows)
	}
	w.clock.Advance(time.Minute)
	rows, _, _ = w.round(link)
	if joined, _ := memberDelta(rows, g); !slices.Equal(joined, []string{ann}) {
		w.Errorf("after a minute: %v", rows)
	}
}

// https://learn.microsoft.com/graph/delta-query-overview "Token duration", "Synchronization reset"
func TestDeltaExpiry(t *testing.T) {
	w := newWorld(t)
	g := w.group("team", w.user("ann"))
	_, link, _ := w.round(follow(g))
	w.clock.Advance(7*24*time.Hour - time.Minute)
	w.signIn()
	_, renewed, _ := w.round(link)
	w.clock.Advance(2 * time.Minute)
	w.run("after 7 days", func(w *world) { w.get(link).refused(w, 400, "syncStateNotFound") })
	w.run("a link that was used was renewed by it", func(w *world) { w.must(renewed) })
	w.run("nested in innerError, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.Expired = graph.NestedSyncState })
		a := w.get(link)
		a.refused(w, 400, "BadRequest")
		if inner := a.body["error"].(map[string]any)["innerError"].(map[string]any); inner["code"] != "syncStateNotFound" {
			w.Errorf("got %s", a.raw)
		}
	})
	w.run("as a page token, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.Expired = graph.ExpiredPageToken })
		w.get(link).refused(w, 400, "Directory_ExpiredPageToken")
	})
	w.run("410 with a Location that begins anew, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.Expired = graph.GoneWithLocation })
		a := w.get(link)
		a.refused(w, 410, "resyncRequired")
		location := a.header.Get("Location")
		if !strings.HasSuffix(location, "$deltatoken=") {
			w.Fatalf("Location %q", location)
		}
		rows, _, _ := w.round(location)
		if joined, _ := memberDelta(rows, g); len(joined) != 1 {
			w.Errorf("the new start shows %v", rows)
		}
	})
	w.run("maintenance makes every link old, a round under way too", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.Expired, b.EmptyPages = graph.SyncStateNotFound, true })
		next := w.must(follow(g)).next()
		w.e.ExpireDeltaLinks()
		w.get(renewed).refused(w, 400, "syncStateNotFound")
		w.get(next).refused(w, 400, "syncStateNotFound")
	})
}

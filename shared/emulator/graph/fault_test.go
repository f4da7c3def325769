package graph_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/graph"
)

const membersOperation = "GET /groups/{id}/members"

func TestFaults(t *testing.T) {
	w := newWorld(t)
	g := w.group("team", w.user("ann"), w.user("bob"), w.user("cid"))
	path := "/groups/" + g + "/members?$select=id,displayName&$top=2"
	once := func(w *world, f graph.Fault) answer {
		w.Helper()
		f.Operation, f.Times = membersOperation, 1
		i := w.e.Inject(f)
		defer i.Stop()
		a := w.get(path)
		if i.Hits() != 1 {
			w.Fatalf("the fault hit %d calls", i.Hits())
		}
		w.must(path) // one call only
		return a
	}
	w.run("429 with Retry-After", func(w *world) {
		a := once(w, graph.Fault{What: graph.TooMany, RetryAfter: 30 * time.Second})
		a.refused(w, 429, "TooManyRequests")
		if a.header.Get("Retry-After") != "30" || a.header.Get("x-ms-throttle-scope") == "" {
			w.Errorf("headers %v", a.header)
		}
	})
	w.run("429 without Retry-After", func(w *world) {
		a := once(w, graph.Fault{What: graph.TooMany})
		if a.refused(w, 429, "TooManyRequests"); a.header.Get("Retry-After") != "" {
			w.Errorf("headers %v", a.header)
		}
	})
	w.run("429 without a body", func(w *world) {
		if a := once(w, graph.Fault{What: graph.TooManyBare}); a.status != 429 || len(a.raw) != 0 {
			w.Errorf("%d %q", a.status, a.raw)
		}
	})
	for what, want := range map[graph.Failure]int{
		graph.Unavailable: 503, graph.ServerError: 500, graph.Timeout: 504,
		graph.Forbidden: 403, graph.Unauthorized: 401,
	} {
		w.run(string(what), func(w *world) {
			if a := once(w, graph.Fault{What: what}); a.status != want || a.body["error"] == nil {
				w.Errorf("%d %s", a.status, a.raw)
			}
		})
	}
	w.run("503 with Retry-After", func(w *world) {
		if a := once(w, graph.Fault{What: graph.Unavailable, RetryAfter: 1500 * time.Millisecond}); a.header.Get("Retry-After") != "2" {
			w.Errorf("headers %v", a.header)
		}
	})
	for what, want := range map[graph.Failure]int{graph.HTML: 503, graph.HTMLOK: 200} {
		w.run(string(what), func(w *world) {
			a := once(w, graph.Fault{What: what})
			if a.status != want || !strings.Contains(string(a.raw), "<html>") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				w.Errorf("%d %s", a.status, a.raw)
			}
		})
	}
	w.run("truncated JSON with 200", func(w *world) {
		if a := once(w, graph.Fault{What: graph.TruncatedJSON}); a.status != 200 || len(a.raw) == 0 || json.Valid(a.raw) {
			w.Errorf("%d %s", a.status, a.raw)
		}
	})
	w.run("a duplicate item", func(w *world) {
		if got := ids(once(w, graph.Fault{What: graph.DuplicateItem}).value()); len(got) != 3 || got[0] != got[2] {
			w.Errorf("got %v", got)
		}
	})
	w.run("a looped next link", func(w *world) {
		a := once(w, graph.Fault{What: graph.LoopedNext})
		if d := cmp.Diff(a.value(), w.must(a.next()).value()); d != "" {
			w.Error(d)
		}
	})
	w.run("an empty page in the middle", func(w *world) {
		if a := once(w, graph.Fault{What: graph.EmptyPage}); len(a.value()) != 0 || a.next() == "" {
			w.Errorf("got %s", a.raw)
		}
	})
	w.run("null fields with 200", func(w *world) {
		row := once(w, graph.Fault{What: graph.NullFields}).value()[0]
		if row["id"] == nil || row["@odata.type"] == nil || row["displayName"] != nil {
			w.Errorf("got %v", row)
		}
	})
	w.run("null fields of a single object", func(w *world) {
		i := w.e.Inject(graph.Fault{Operation: "GET /groups/{id}", What: graph.NullFields, Times: 1})
		defer i.Stop()
		if a := w.must("/groups/" + g + "?$select=id,displayName"); a.body["id"] != g || a.body["displayName"] != nil || a.body["@odata.context"] == nil {
			w.Errorf("got %s", a.raw)
		}
	})
	w.run("a group of a feed without its members", func(w *world) {
		feed := "/groups/delta?$select=members&$filter=id eq '" + g + "'"
		i := w.e.Inject(graph.Fault{Operation: "GET /groups/delta", What: graph.NoMembers, Times: 1})
		defer i.Stop()
		if row := w.must(feed).value()[0]; row["id"] != g || len(row) != 1 {
			w.Errorf("got %v", row)
		}
		if row := w.must(feed).value()[0]; row["members@delta"] == nil {
			w.Errorf("after the fault: %v", row)
		}
	})
	w.run("a broken connection", func(w *world) {
		i := w.e.Inject(graph.Fault{Operation: membersOperation, What: graph.Disconnect})
		defer i.Stop()
		req, err := http.NewRequest("GET", w.url+"/v1.0"+path, nil)
		w.ok(err)
		req.Header.Set("Authorization", "Bearer "+w.token)
		if _, err := http.DefaultClient.Do(req); err == nil || i.Hits() == 0 {
			w.Errorf("error %v, hits %d", err, i.Hits())
		}
	})
	w.run("slow: the clock moves", func(w *world) {
		before := w.clock.Now()
		once(w, graph.Fault{What: graph.Slow, Delay: 40 * time.Second}).want(w, 200)
		if d := w.clock.Now().Sub(before); d != 40*time.Second {
			w.Errorf("took %s", d)
		}
	})
}

func TestFaultTargets(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	g, other := w.group("team", ann), w.group("other", ann)
	status := func(paths ...string) (got []int) {
		for _, p := range paths {
			got = append(got, w.get(p).status)
		}
		return got
	}
	for _, c := range []struct {
		name  string
		fault graph.Fault
		paths []string
		want  []int
	}{
		{
			"one operation, however it is spelled",
			graph.Fault{Operation: "GET /groups/delta"},
			[]string{"/groups/delta()", "/groups/microsoft.graph.delta", "/users/delta"},
			[]int{503, 503, 200},
		},
		{
			"one resource",
			graph.Fault{Operation: membersOperation, Resource: strings.ToUpper(g)},
			[]string{"/groups/" + g + "/members", "/groups/" + other + "/members"},
			[]int{503, 200},
		},
		{
			"after two, the next two",
			graph.Fault{Skip: 2, Times: 2},
			[]string{"/users", "/users", "/users", "/users", "/users"},
			[]int{200, 200, 503, 503, 200},
		},
		{"until a time", graph.Fault{Until: start.Add(time.Hour)}, []string{"/users", "+1h", "/users"}, []int{503, 200}},
		{"from a time", graph.Fault{From: start.Add(2 * time.Hour)}, []string{"/users", "+1h", "/users"}, []int{200, 503}},
		{"not the batch itself, but its items", graph.Fault{Where: graph.InBatch}, []string{"/users"}, []int{200}},
	} {
		w.run(c.name, func(w *world) {
			c.fault.What = graph.Unavailable
			i := w.e.Inject(c.fault)
			defer i.Stop()
			var got []int
			for _, p := range c.paths {
				if p == "+1h" {
					w.clock.Advance(time.Hour)
					w.signIn()
					continue
				}
				got = append(got, w.get(p).status)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				w.Error(d)
			}
		})
	}
	w.run("stopped", func(w *world) {
		i := w.e.Inject(graph.Fault{What: graph.Unavailable})
		i.Stop()
		if d := cmp.Diff([]int{200}, status("/users")); d != "" {
			w.Error(d)
		}
	})
}

// https://learn.microsoft.com/graph/throttling-limits (identity and access)
func TestResourceUnits(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	g := w.group("team", ann)
	for path, want := range map[string]string{
		"/groups/G/members":                              "3",
		"/groups/G/members?$select=id":                   "2",
		"/groups/G/members?$select=id&$top=5":            "1",
		"/groups/G/members?$top=999":                     "3",
		"/groups/G/transitiveMembers":                    "5",
		"/groups/G/transitiveMembers?$select=id":         "4",
		"/groups/G/transitiveMembers?$select=id&$top=19": "3",
		"/groups/G/transitiveMembers?$select=id&$top=20": "4",
		"/groups/G":                     "1",
		"/groups/delta?$select=members": "1",
		"/users?$select=id":             "1",
		"/users":                        "2",
		"/users/U":                      "2",
		"/users/U/memberOf":             "1",
	} {
		a := w.must(strings.NewReplacer("/G", "/"+g, "/U", "/"+ann).Replace(path))
		if got := a.header.Get("x-ms-resource-unit"); got != want {
			t.Errorf("%s cost %s, want %s", path, got, want)
		}
	}
	if a := w.do("POST", "/users/"+ann+"/checkMemberGroups", map[string]any{"groupIds": []string{g}}); a.header.Get("x-ms-resource-unit") != "4" {
		t.Errorf("checkMemberGroups cost %s", a.header.Get("x-ms-resource-unit"))
	}
	w.run("one join in a group of 10,000 costs two requests and two units", func(w *world) {
		big := w.group("big")
		w.crowd(big, 10_000)
		_, link, _ := w.round(follow(big) + "&$deltatoken=latest")
		w.ok(w.t.AddMember(big, ann))
		w.e.ResetSpent()
		rows, _, _ := w.round(link)
		joined, _ := memberDelta(rows, big)
		w.must("/users?$select=id,accountEnabled&$filter=" + quote("id in ('"+joined[0]+"')"))
		if s := w.e.Spent(); s.Requests != 2 || s.Units != 2 || s.Operations != 2 || s.ByOperation["GET /groups/delta"] != 1 {
			w.Errorf("spent %+v", s)
		}
	})
}

func TestThrottling(t *testing.T) {
	w := newWorld(t)
	g := w.group("team", w.user("ann"))
	path := "/groups/" + g + "/members"
	w.run("a small tenant has 3,500 units in 10 seconds, by the clock", func(w *world) {
		n := 0
		a := w.get(path)
		for ; a.status == 200 && n < 2000; n++ {
			a = w.get(path)
		}
		a.refused(w, 429, "TooManyRequests")
		if n != 1166 || a.header.Get("Retry-After") == "" || a.header.Get("x-ms-throttle-information") != "ResourceUnitLimitExceeded" {
			w.Errorf("after %d calls: %v", n, a.header)
		}
		w.clock.Advance(2 * time.Second)
		w.must(path)
	})
	w.run("the load shows above 0.8", func(w *world) {
		w.clock.Advance(time.Minute)
		w.e.Configure(func(b *graph.Behaviour) { b.UnitsPer10s = 30 })
		var shown []string
		for range 10 {
			shown = append(shown, w.must(path).header.Get("x-ms-throttle-limit-percentage"))
		}
		if d := cmp.Diff([]string{"", "", "", "", "", "", "", "", "0.9", "1.0"}, shown); d != "" {
			w.Error(d)
		}
	})
	w.run("items of a batch meet the limit one by one", func(w *world) {
		w.clock.Advance(time.Minute)
		items := []batchItem{}
		for _, id := range strings.Split("abcdefghijkl", "") {
			items = append(items, getItem(id, path))
		}
		got, _ := w.batch(items...)
		n := 0
		for _, r := range got {
			if r["status"] == 429.0 {
				n++
			}
		}
		if n != 2 {
			w.Errorf("%d items throttled, want 2", n)
		}
	})
	w.run("no limit, by switch; and a limit of requests a second", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.UnitsPer10s, b.RequestsPerSecond = -1, 0 })
		for range 50 {
			w.must(path)
		}
		w.clock.Advance(time.Second)
		w.e.Configure(func(b *graph.Behaviour) { b.RequestsPerSecond = 3 })
		var got []int
		for range 4 {
			got = append(got, w.get(path).status)
		}
		if d := cmp.Diff([]int{200, 200, 200, 429}, got); d != "" {
			w.Error(d)
		}
	})
}

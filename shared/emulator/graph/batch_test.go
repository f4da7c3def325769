package graph_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/graph"
)

type batchItem = map[string]any

func getItem(id, url string) batchItem { return batchItem{"id": id, "method": "GET", "url": url} }

// batch posts items and returns the answers by id, and the ids in the order of the answers.
func (w *world) batch(items ...batchItem) (byID map[string]map[string]any, order []string) {
	w.Helper()
	a := w.do("POST", "/$batch", map[string]any{"requests": items})
	a.want(w, 200)
	byID = map[string]map[string]any{}
	for _, x := range a.body["responses"].([]any) {
		r := x.(map[string]any)
		byID[r["id"].(string)] = r
		order = append(order, r["id"].(string))
	}
	return byID, order
}

func body(r map[string]any) map[string]any {
	b, _ := r["body"].(map[string]any)
	return b
}

// https://learn.microsoft.com/graph/json-batching
func TestBatch(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	g := w.group("team", ann)
	w.run("each item has its own status, cost and body; answers are out of order", func(w *world) {
		got, order := w.batch(
			getItem("1", "/users?$filter=id in ('"+ann+"')&$select=id"),
			batchItem{
				"id": "2", "method": "POST", "url": "/users/" + ann + "/checkMemberGroups",
				"headers": map[string]string{"Content-Type": "application/json"}, "body": map[string]any{"groupIds": []string{g}},
			},
			getItem("3", "users/00000000-1111-4222-8333-444444444444"),
			getItem("4", "/groups/"+g+"/members?$select=id"),
		)
		want := map[string]float64{"1": 200, "2": 200, "3": 404, "4": 200}
		units := map[string]string{"1": "1", "2": "4", "3": "2", "4": "2"}
		for id, status := range want {
			if got[id]["status"] != status || got[id]["headers"].(map[string]any)["X-Ms-Resource-Unit"] != nil ||
				got[id]["headers"].(map[string]any)["x-ms-resource-unit"] != units[id] {
				w.Errorf("item %s: %v", id, got[id])
			}
		}
		if d := cmp.Diff([]any{g}, body(got["2"])["value"]); d != "" {
			w.Error(d)
		}
		if slices.Equal(order, []string{"1", "2", "3", "4"}) {
			w.Error("answers came in the order of the requests")
		}
	})
	w.run("in order, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.BatchInOrder = true })
		if _, order := w.batch(getItem("b", "/users"), getItem("a", "/groups")); !slices.Equal(order, []string{"b", "a"}) {
			w.Errorf("order %v", order)
		}
	})
	w.run("the header of an advanced query goes inside the item; text comes as base64", func(w *world) {
		with := getItem("with", "/groups/"+g+"/members/$count")
		with["headers"] = map[string]string{"ConsistencyLevel": "eventual"}
		got, _ := w.batch(with, getItem("without", "/groups/"+g+"/members/$count"))
		text, err := base64.StdEncoding.DecodeString(got["with"]["body"].(string))
		if err != nil || string(text) != "1" || got["without"]["status"] != 400.0 {
			w.Errorf("got %v", got)
		}
	})
	w.run("dependsOn: what depends on a failure is 424", func(w *world) {
		second, third := getItem("2", "/groups/"+g), getItem("3", "/groups/"+g)
		second["dependsOn"], third["dependsOn"] = []string{"1"}, []string{"2"}
		got, _ := w.batch(third, second, getItem("1", "/groups/00000000-1111-4222-8333-444444444444"))
		for id, status := range map[string]float64{"1": 404, "2": 424, "3": 424} {
			if got[id]["status"] != status {
				w.Errorf("item %s: %v", id, got[id])
			}
		}
	})
	w.run("a next link from an item is absolute and works", func(w *world) {
		w.ok(w.t.AddMember(g, w.user("bob")))
		got, _ := w.batch(getItem("1", "/groups/"+g+"/members?$top=1"))
		next, _ := body(got["1"])["@odata.nextLink"].(string)
		if rows := w.must(next).value(); len(rows) != 1 {
			w.Errorf("%s gave %v", next, rows)
		}
	})
	many := func(n int) []batchItem {
		items := []batchItem{}
		for i := range n {
			items = append(items, getItem(strconv.Itoa(i), "/groups/"+g))
		}
		return items
	}
	w.run("20 items", func(w *world) {
		if got, _ := w.batch(many(20)...); len(got) != 20 {
			w.Errorf("%d answers", len(got))
		}
	})
	for name, c := range map[string]struct {
		body any
		code string
	}{
		"21 items":           {map[string]any{"requests": many(21)}, "MaximumValueExceeded"},
		"no items":           {map[string]any{"requests": []any{}}, "BadRequest"},
		"the same id twice":  {map[string]any{"requests": []batchItem{getItem("a", "/users"), getItem("A", "/users")}}, "BadRequest"},
		"no url":             {map[string]any{"requests": []batchItem{{"id": "1", "method": "GET"}}}, "BadRequest"},
		"a body, no type":    {map[string]any{"requests": []batchItem{{"id": "1", "method": "POST", "url": "/x", "body": batchItem{}}}}, "BadRequest"},
		"an unknown depends": {map[string]any{"requests": []batchItem{{"id": "1", "method": "GET", "url": "/users", "dependsOn": []string{"9"}}}}, "BadRequest"},
		"a circle": {map[string]any{"requests": []batchItem{
			{"id": "1", "method": "GET", "url": "/users", "dependsOn": []string{"2"}},
			{"id": "2", "method": "GET", "url": "/users", "dependsOn": []string{"1"}},
		}}, "BadRequest"},
	} {
		w.run("refused: "+name, func(w *world) { w.do("POST", "/$batch", c.body).refused(w, 400, c.code) })
	}
	w.run("a batch in a batch", func(w *world) {
		got, _ := w.batch(batchItem{"id": "1", "method": "POST", "url": "/$batch", "body": batchItem{}, "headers": map[string]string{"Content-Type": "application/json"}})
		if got["1"]["status"] != 400.0 {
			w.Errorf("got %v", got)
		}
	})
	w.run("items are throttled one by one", func(w *world) {
		f := w.e.Inject(graph.Fault{Operation: "GET /groups/{id}", Where: graph.InBatch, What: graph.TooMany, RetryAfter: 7 * time.Second, Skip: 1, Times: 2})
		got, _ := w.batch(many(5)...)
		status := map[float64]int{}
		for _, r := range got {
			status[r["status"].(float64)]++
			if r["status"] == 429.0 && r["headers"].(map[string]any)["Retry-After"] != "7" {
				w.Errorf("item %v", r)
			}
		}
		if d := cmp.Diff(map[float64]int{200: 3, 429: 2}, status); d != "" || f.Hits() != 2 {
			w.Error(d)
		}
	})
}

func TestBodies(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	post := func(raw []byte, encoding string) answer {
		req, err := http.NewRequest("POST", w.url+"/v1.0/users/"+ann+"/checkMemberGroups", strings.NewReader(string(raw)))
		w.ok(err)
		req.Header.Set("Authorization", "Bearer "+w.token)
		req.Header.Set("Content-Type", "application/json")
		if encoding != "" {
			req.Header.Set("Content-Encoding", encoding)
		}
		return w.send(req)
	}
	plain := `{"groupIds":["` + w.group("team") + `"]}`
	w.run("gzip is read", func(w *world) { post(gzipped(w.T, plain), "gzip").want(w, 200) })
	w.run("a body that lies about gzip (kiota-http-go issue 183)", func(w *world) {
		post([]byte(plain), "gzip").refused(w, 400, "Request_BadRequest")
	})
	w.run("gzip that breaks off", func(w *world) {
		z := gzipped(w.T, plain)
		post(z[:len(z)-6], "gzip").refused(w, 400, "Request_BadRequest")
	})
	w.run("no JSON", func(w *world) { post([]byte("groupIds"), "").refused(w, 400, "Request_BadRequest") })
	w.run("another encoding", func(w *world) { post([]byte(plain), "br").want(w, 415) })
}

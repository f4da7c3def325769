package graph_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/graph"
)

// start is where every test's clock stands at first.
var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// world is an emulator on loopback with one app that may do what rollcall asks for, and a client that is nothing
// but net/http.
type world struct {
	*testing.T
	clock *clock.Manual
	e     *graph.Emulator
	t     *graph.Tenant
	url   string
	app   string
	token string
}

func newWorld(t *testing.T, opts ...graph.Option) *world {
	t.Helper()
	return newWorldWith(t, []string{"User.Read.All", "Group.Read.All"}, opts...)
}

func newWorldWith(t *testing.T, permissions []string, opts ...graph.Option) *world {
	t.Helper()
	clk := clock.NewManual(start)
	e := graph.New(clk, append([]graph.Option{graph.WithSeed("test")}, opts...)...)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	w := &world{T: t, clock: clk, e: e, t: e.Tenant, url: server.URL}
	app, err := e.Tenant.AddApp(graph.App{Name: "rollcall", Permissions: permissions})
	w.ok(err)
	w.app = app.ClientID
	w.signIn()
	return w
}

func (w *world) signIn() {
	w.Helper()
	token, err := w.e.Token(w.app)
	w.ok(err)
	w.token = token
}

// run runs a subtest in the same world.
func (w *world) run(name string, f func(w *world)) {
	w.Helper()
	w.Run(name, func(t *testing.T) {
		inner := *w
		inner.T = t
		f(&inner)
		w.token = inner.token
	})
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) user(name string) string {
	w.Helper()
	u, err := w.t.AddUser(graph.User{
		UserPrincipalName: name + "@contoso.com", DisplayName: name,
		OnPremises: graph.OnPremises{Synced: true, SAMAccountName: name, DomainName: "corp.contoso.com"},
	})
	w.ok(err)
	return u.ID
}

func (w *world) group(name string, members ...string) string {
	w.Helper()
	g, err := w.t.AddGroup(graph.Group{DisplayName: name})
	w.ok(err)
	for _, m := range members {
		w.ok(w.t.AddMember(g.ID, m))
	}
	return g.ID
}

func (w *world) crowd(group string, n int) *graph.Crowd {
	w.Helper()
	c, err := w.t.AddUsers("u-", n, nil)
	w.ok(err)
	w.ok(w.t.AddMembers(group, c, 0, n))
	return c
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

// do calls with a path below /v1.0, or an absolute link. Headers come in pairs.
func (w *world) do(method, path string, body any, headers ...string) answer {
	w.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.url + "/v1.0" + path
	}
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		w.ok(err)
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, strings.ReplaceAll(path, " ", "%20"), in)
	w.ok(err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.send(req)
}

func (w *world) send(req *http.Request) answer {
	w.Helper()
	res, err := http.DefaultClient.Do(req)
	w.ok(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	w.ok(err)
	a := answer{status: res.StatusCode, header: res.Header, raw: raw}
	_ = json.Unmarshal(raw, &a.body) // nil where it is no JSON; tests that need it look
	return a
}

func (w *world) get(path string, headers ...string) answer {
	w.Helper()
	return w.do(http.MethodGet, path, nil, headers...)
}

// must is get for an answer that has to be 200.
func (w *world) must(path string, headers ...string) answer {
	w.Helper()
	a := w.get(path, headers...)
	a.want(w, 200)
	return a
}

func (a answer) want(w *world, status int) {
	w.Helper()
	if a.status != status {
		w.Fatalf("status %d, want %d: %s", a.status, status, a.raw)
	}
}

// refused wants a Graph error of a status and code.
func (a answer) refused(w *world, status int, code string) {
	w.Helper()
	e, _ := a.body["error"].(map[string]any)
	if a.status != status || e["code"] != code {
		w.Fatalf("answer %d %s, want %d %s", a.status, a.raw, status, code)
	}
	inner, _ := e["innerError"].(map[string]any)
	if inner["request-id"] == "" || inner["request-id"] != a.header.Get("request-id") || inner["date"] == nil {
		w.Errorf("innerError %v does not name the request %q and its date", inner, a.header.Get("request-id"))
	}
}

func (a answer) value() []map[string]any {
	var rows []map[string]any
	list, _ := a.body["value"].([]any)
	for _, x := range list {
		rows = append(rows, x.(map[string]any))
	}
	return rows
}

func (a answer) str(key string) string {
	s, _ := a.body[key].(string)
	return s
}

func (a answer) next() string  { return a.str("@odata.nextLink") }
func (a answer) delta() string { return a.str("@odata.deltaLink") }

func ids(rows []map[string]any) []string {
	found := []string{}
	for _, r := range rows {
		found = append(found, r["id"].(string))
	}
	return found
}

// all follows next links to the end.
func (w *world) all(path string, headers ...string) (rows []map[string]any, pages int) {
	w.Helper()
	for path != "" {
		a := w.must(path, headers...)
		rows = append(rows, a.value()...)
		path = a.next()
		if pages++; pages > 5000 {
			w.Fatal("more than 5,000 pages")
		}
	}
	return rows, pages
}

// eventual are the headers of an advanced query.
func eventual() []string { return []string{"ConsistencyLevel", "eventual"} }

func gzipped(t *testing.T, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := zw.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func quote(s string) string { return url.QueryEscape(s) }

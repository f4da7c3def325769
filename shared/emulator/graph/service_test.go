package graph_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/emulator/service"
)

var (
	_ service.Service = (*graph.Emulator)(nil)
	_ service.Service = (*graph.Emulator)(nil).Entra()
)

const anID = "2e5807ce-58f3-4a94-9b37-ffff2e085957"

func TestOperation(t *testing.T) {
	e := graph.New(clock.NewManual(start))
	for _, c := range []struct{ method, path, operation, resource string }{
		{"GET", "/v1.0/groups/" + anID + "/members?$top=5", "GET /groups/{id}/members", anID},
		{"GET", "/v1.0/groups/" + anID + "/members/graph.user", "GET /groups/{id}/members/microsoft.graph.user", anID},
		{"GET", "/v1.0/groups/" + anID + "/members/microsoft.graph.user/$count", "GET /groups/{id}/members/microsoft.graph.user/$count", anID},
		{"GET", "/v1.0/groups/" + anID + "/transitiveMembers", "GET /groups/{id}/transitiveMembers", anID},
		{"GET", "/v1.0/groups/delta()", "GET /groups/delta", ""},
		{"GET", "/v1.0/groups/microsoft.graph.delta()?$deltatoken=x", "GET /groups/delta", ""},
		{"GET", "/v1.0/groups?$filter=x", "GET /groups", ""},
		{"GET", "/v1.0/groups/" + anID, "GET /groups/{id}", anID},
		{"GET", "/v1.0/users/microsoft.graph.delta", "GET /users/delta", ""},
		{"GET", "/v1.0/users/ann@contoso.com", "GET /users/{id}", "ann@contoso.com"},
		{"POST", "/v1.0/users/" + anID + "/microsoft.graph.checkMemberGroups", "POST /users/{id}/checkMemberGroups", anID},
		{"POST", "/v1.0/$batch", "POST /$batch", ""},
		{"POST", "/v1.0/%24batch", "POST /$batch", ""},
		{"DELETE", "/v1.0/subscriptions/" + anID, "DELETE /subscriptions/{id}", anID},
		{"GET", "/v1.0/me", "GET /me", ""},
		{"POST", "/contoso.com/oauth2/v2.0/token", "POST /{tenant}/oauth2/v2.0/token", "contoso.com"},
		{"GET", "/contoso.com/v2.0/.well-known/openid-configuration", "GET /{tenant}/v2.0/.well-known/openid-configuration", "contoso.com"},
		{"GET", "/common/discovery/instance?api-version=1.1", "GET /common/discovery/instance", ""},
	} {
		operation, resource := e.Operation(httptest.NewRequest(c.method, c.path, nil), nil)
		if operation != c.operation || resource != c.resource {
			t.Errorf("%s %s is %q of %q, want %q of %q", c.method, c.path, operation, resource, c.operation, c.resource)
		}
	}
	if names := graph.Operations(); !slices.Contains(names, "GET /users/{id}/memberOf") || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Errorf("operations %v", names)
	}
	if e.Name() != "graph" || e.Entra().Name() != "entra" {
		t.Errorf("names %s, %s", e.Name(), e.Entra().Name())
	}
}

func TestRefuse(t *testing.T) {
	e := graph.New(clock.NewManual(start))
	for _, c := range []struct {
		path   string
		why    service.Refusal
		status int
		says   string
	}{
		{"/v1.0/users", service.Throttle, 429, `"code":"TooManyRequests"`},
		{"/v1.0/users", service.Unavailable, 503, `"code":"ServiceUnavailable"`},
		{"/v1.0/users", service.ServerError, 500, `"code":"InternalServerError"`},
		{"/v1.0/users", service.Deny, 403, `"code":"Authorization_RequestDenied"`},
		{"/t/oauth2/v2.0/token", service.Throttle, 429, `"error":"temporarily_unavailable"`},
		{"/t/oauth2/v2.0/token", service.Unavailable, 503, `"error":"temporarily_unavailable"`},
		{"/t/oauth2/v2.0/token", service.ServerError, 500, `"error":"server_error"`},
		{"/t/oauth2/v2.0/token", service.Deny, 401, `"error":"unauthorized_client"`},
	} {
		rec := httptest.NewRecorder()
		e.Refuse(rec, httptest.NewRequest("GET", c.path, nil), c.why)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s", c.path, c.why, rec.Code, rec.Body)
		}
		if throttled := rec.Header().Get("Retry-After") != ""; throttled != (c.why == service.Throttle) {
			t.Errorf("%s %s: Retry-After %q", c.path, c.why, rec.Header().Get("Retry-After"))
		}
	}
	for _, why := range []service.Refusal{service.DropCall, service.DropAnswer} {
		func() {
			defer func() {
				if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
					t.Errorf("%s does not break the connection", why)
				}
			}()
			e.Refuse(httptest.NewRecorder(), httptest.NewRequest("GET", "/v1.0/users", nil), why)
		}()
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	g := w.group("team", w.user("ann"))
	w.run("client-request-id is echoed, in errors too", func(w *world) {
		a := w.get("/groups/"+g, "client-request-id", "mine")
		if a.header.Get("client-request-id") != "mine" || a.header.Get("request-id") == "" || a.header.Get("request-id") == "mine" {
			w.Errorf("headers %v", a.header)
		}
		a = w.get("/groups/team", "client-request-id", "mine")
		inner := a.body["error"].(map[string]any)["innerError"].(map[string]any)
		if inner["client-request-id"] != "mine" || inner["date"] != "2026-11-23T08:00:00" {
			w.Errorf("got %s", a.raw)
		}
	})
	w.run("the date is the clock's", func(w *world) {
		if d := w.must("/groups/" + g).header.Get("Date"); d != "Mon, 23 Nov 2026 08:00:00 GMT" {
			w.Errorf("Date %q", d)
		}
	})
	w.run("links begin with the configured base", func(w *world) {
		o := newWorld(w.T, graph.WithBaseURL("https://graph.example/"))
		o.group("a")
		o.group("b")
		if next := o.must("/groups?$top=1").next(); !strings.HasPrefix(next, "https://graph.example/v1.0/groups?") {
			w.Errorf("next link %s", next)
		}
	})
	w.run("links begin with https over TLS", func(w *world) {
		server := httptest.NewTLSServer(w.e)
		defer server.Close()
		req, err := http.NewRequest("GET", server.URL+"/v1.0/groups/delta", nil)
		w.ok(err)
		req.Header.Set("Authorization", "Bearer "+w.token)
		res, err := server.Client().Do(req)
		w.ok(err)
		defer res.Body.Close()
		var b strings.Builder
		w.ok(res.Write(&b))
		if !strings.Contains(b.String(), `"@odata.deltaLink":"`+server.URL+`/v1.0/groups/delta?$deltatoken=`) {
			w.Errorf("got %s", b.String())
		}
	})
}

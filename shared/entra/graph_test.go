package entra_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/shared/clock"
	"rollcall/shared/entra"
	"rollcall/shared/fault"
	"rollcall/shared/redact"
)

const (
	tenantID = "11111111-0000-4000-8000-000000000001"
	clientID = "22222222-0000-4000-8000-000000000002"
	secret   = "s3cr3t~value"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// id is the n-th object id of a kind.
func id(kind byte, n int) string { return fmt.Sprintf("%c0000000-0000-4000-8000-%012x", kind, n) }

func person(n int) string { return id('a', n) }
func group(n int) string  { return id('b', n) }

// server is Entra and Graph for one test: it signs in, and hands every Graph request to a handler.
type server struct {
	*httptest.Server
	t     *testing.T
	graph http.HandlerFunc
	token http.HandlerFunc // nil: a good token
	logs  bytes.Buffer
	clock *clock.Manual

	mu     sync.Mutex
	asked  []string // "METHOD path?query" of each Graph request
	tokens int
}

func serve(t *testing.T, graph http.HandlerFunc) *server {
	s := &server{t: t, graph: graph, clock: clock.NewManual(noon)}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(s.route))
	t.Cleanup(s.Close)
	return s
}

func (s *server) route(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		base := "https://" + r.Host + "/" + tenantID
		writeJSON(w, 200, map[string]any{
			"issuer":                 base + "/v2.0",
			"authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
		})
	case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
		s.mu.Lock()
		s.tokens++
		n := s.tokens
		s.mu.Unlock()
		if s.token != nil {
			s.token(w, r)
			return
		}
		writeJSON(w, 200, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": fmt.Sprintf("token-%d", n)})
	default:
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
		s.mu.Unlock()
		if r.Header.Get("Authorization") == "" {
			s.t.Errorf("%s %s came without a token", r.Method, r.URL.Path)
		}
		w.Header().Set("request-id", "req-1")
		s.graph(w, r)
	}
}

func (s *server) directory(change ...func(*entra.Options)) *entra.Directory {
	o := entra.Options{
		Credential: entra.Credential{Tenant: tenantID, Client: clientID, Secret: redact.New(secret)},
		Authority:  s.URL, GraphURL: s.URL + "/v1.0", Transport: s.Client().Transport, Clock: s.clock,
		Log: slog.New(slog.NewJSONHandler(&s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&o)
	}
	d, err := entra.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers as Graph does.
func refuse(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, graphError(code))
}

func graphError(code string) map[string]any {
	return map[string]any{"error": map[string]any{
		"code": code, "message": "Some words.",
		"innerError": map[string]any{"date": "2026-11-23T12:00:00", "request-id": "req-inner", "client-request-id": "req-client"},
	}}
}

func user(n int) map[string]any {
	return map[string]any{
		"@odata.type": "#microsoft.graph.user", "id": person(n), "userPrincipalName": fmt.Sprintf("u%d@example.com", n),
		"displayName": fmt.Sprintf("User %d", n), "onPremisesSamAccountName": fmt.Sprintf("u%d", n), "mailNickname": fmt.Sprintf("u%d", n),
		"mail": nil, "department": "Sales", "preferredLanguage": "de-DE", "onPremisesSecurityIdentifier": "S-1-5-21-1",
		"accountEnabled": true, "userType": "Member",
	}
}

func nested(n int) map[string]any {
	return map[string]any{"@odata.type": "#microsoft.graph.group", "id": group(n), "displayName": "Nested", "accountEnabled": nil}
}

func values(v ...any) map[string]any {
	if v == nil {
		v = []any{}
	}
	return map[string]any{"value": v}
}

// batched lets a handler answer $batch: one call for each item, after a look at the request as a whole.
func batched(each func(method, url string, body json.RawMessage) (status int, headers map[string]string, answer any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var in struct {
			Requests []struct {
				ID, Method, URL string
				Body            json.RawMessage
			}
		}
		if r.URL.Path != "/v1.0/$batch" || json.Unmarshal(raw, &in) != nil || len(in.Requests) == 0 || len(in.Requests) > 20 {
			refuse(w, 400, "BadRequest")
			return
		}
		var out []map[string]any
		for _, q := range in.Requests {
			status, headers, answer := each(q.Method, q.URL, q.Body)
			out = append([]map[string]any{{"id": q.ID, "status": status, "headers": headers, "body": answer}}, out...) // in no order
		}
		writeJSON(w, 200, map[string]any{"responses": out})
	}
}

// wantKind fails the test unless err is of the kind and speaks of none of our secrets.
func wantKind(t *testing.T, err error, kind fault.Kind) *fault.Error {
	t.Helper()
	if fault.Of(err) != kind {
		t.Fatalf("got %v (%v), want kind %s", fault.Of(err), err, kind)
	}
	if err == nil {
		return nil
	}
	for _, hidden := range []string{secret, "token-1", "skiptoken", "deltatoken", "assertion-jwt"} {
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("the error tells %q: %v", hidden, err)
		}
	}
	return fault.As(err)
}

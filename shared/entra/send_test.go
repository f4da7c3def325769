package entra_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/shared/entra"
	"rollcall/shared/fault"
	"rollcall/shared/member"
	"rollcall/shared/redact"
)

func goodGroup(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, 200, map[string]any{"id": group(1), "displayName": "Desktops"})
}

// Each fault that can befall one request, alone and until the attempts run out.
func TestOneFault(t *testing.T) {
	for name, c := range map[string]struct {
		fault http.HandlerFunc
		once  bool       // a single fault is overcome within the call
		kind  fault.Kind // of the error where it stays
		code  string
	}{
		"429 with Retry-After": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			refuse(w, 429, "TooManyRequests")
		}, true, fault.Throttled, "TooManyRequests"},
		"429 bare":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, true, fault.Throttled, "429"},
		"500":               {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 500, "InternalServerError") }, true, fault.Unavailable, "InternalServerError"},
		"502 HTML":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); io.WriteString(w, "<html>") }, true, fault.Unavailable, "502"},
		"503":               {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, "serviceNotAvailable") }, true, fault.Unavailable, "serviceNotAvailable"},
		"504":               {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) }, true, fault.Unavailable, "504"},
		"connection breaks": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, fault.Unavailable, ""},
		"200 HTML":          {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello") }, true, fault.Unavailable, ""},
		"200 empty":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }, true, fault.Unavailable, ""},
		"204":               {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, true, fault.Unavailable, ""},
		"202 with a body": {func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 202, map[string]any{"id": group(1), "displayName": "Not yet"})
		}, true, fault.Unavailable, ""},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, map[string]any{"id": group(1), "displayName": strings.Repeat("x", 16<<20)})
		}, true, fault.Unavailable, ""},
		"redirect elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.com/", http.StatusFound)
		}, true, fault.Unavailable, ""},
		"truncated JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"id":"b0`)
		}, true, fault.Unavailable, ""},
		"401": {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 401, "InvalidAuthenticationToken") }, true, fault.Denied, "InvalidAuthenticationToken"},
		"403": {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "Authorization_RequestDenied") }, false, fault.Denied, "Authorization_RequestDenied"},
		"403 of no words": {func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 403, map[string]any{"error": map[string]any{}})
		}, false, fault.Denied, "403"},
		"404 gone":       {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "Request_ResourceNotFound") }, false, fault.NotFound, "Request_ResourceNotFound"},
		"404 of a proxy": {func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) }, false, fault.Unknown, "404"},
		"410":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, false, fault.Expired, "410"},
		"fields are null": {func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, map[string]any{"id": group(1), "displayName": nil})
		}, false, fault.Denied, ""},
		"challenge without claims' value": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer realm=x, claims=none")
			w.WriteHeader(401)
		}, true, fault.Denied, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			faults := 1
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if faults--; faults >= 0 {
					c.fault(w, r)
					return
				}
				goodGroup(w, r)
			})
			d := s.directory()
			got, err := d.Group(context.Background(), group(1))
			if c.once {
				if want := (member.Group{ID: group(1), Name: "Desktops"}); err != nil || got != want {
					t.Fatalf("after one fault: got %v, %v", got, err)
				}
			} else {
				_ = wantKind(t, err, c.kind)
			}
			faults = 100
			_, err = d.Group(context.Background(), group(1))
			e := wantKind(t, err, c.kind)
			if e.Code != c.code {
				t.Errorf("code is %q, want %q", e.Code, c.code)
			}
			if e.Advice == "" {
				t.Errorf("no advice in %v", err)
			}
			if !strings.Contains(err.Error(), group(1)) {
				t.Errorf("the error does not say what was read: %v", err)
			}
		})
	}
}

func TestRefusalCarriesRequestIDAndDate(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "Authorization_RequestDenied") })
	_, err := s.directory().Group(context.Background(), group(1))
	e := wantKind(t, err, fault.Denied)
	if e.RequestID != "req-inner" || !strings.Contains(err.Error(), "req-inner") || !strings.Contains(err.Error(), "2026-11-23T12:00:00") {
		t.Errorf("got request id %q in %v", e.RequestID, err)
	}
	if !strings.Contains(err.Error(), "admin consent") {
		t.Errorf("no advice in %v", err)
	}
	if !strings.Contains(s.logs.String(), `"client_request_id":"`) || !strings.Contains(s.logs.String(), `"request_id":"req-1"`) {
		t.Errorf("the request's ids are not in the log: %s", s.logs.String())
	}
}

func TestRetryAfterIsHonouredWithinTheBudget(t *testing.T) {
	for name, c := range map[string]struct {
		budget, after time.Duration
		want          fault.Kind
		waited        time.Duration
	}{
		"within":     {time.Minute, 30 * time.Second, fault.None, 30 * time.Second},
		"to the end": {30 * time.Second, 30 * time.Second, fault.None, 30 * time.Second},
		"beyond":     {29 * time.Second, 30 * time.Second, fault.Throttled, 0},
		"a day":      {time.Minute, 24 * time.Hour, fault.Throttled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			first := true
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if first {
					first = false
					w.Header().Set("Retry-After", fmt.Sprint(c.after.Seconds()))
					refuse(w, 429, "TooManyRequests")
					return
				}
				goodGroup(w, r)
			})
			d := s.directory(func(o *entra.Options) { o.Budget = func(context.Context) time.Duration { return c.budget } })
			_, err := d.Group(context.Background(), group(1))
			if fault.Of(err) != c.want {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if err != nil && fault.As(err).RetryAfter != c.after {
				t.Errorf("RetryAfter is %s, want %s", fault.As(err).RetryAfter, c.after)
			}
			if waited := s.clock.Now().Sub(noon); waited != c.waited {
				t.Errorf("waited %s, want %s", waited, c.waited)
			}
		})
	}
}

func TestRetryAfterAsDate(t *testing.T) {
	first := true
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			w.Header().Set("Retry-After", noon.Add(20*time.Second).Format(http.TimeFormat))
			w.WriteHeader(503)
			return
		}
		goodGroup(w, r)
	})
	if _, err := s.directory().Group(context.Background(), group(1)); err != nil {
		t.Fatal(err)
	}
	if waited := s.clock.Now().Sub(noon); waited != 20*time.Second {
		t.Errorf("waited %s", waited)
	}
}

func TestNoRequestOutOfTime(t *testing.T) {
	s := serve(t, goodGroup)
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Second) // less than is kept for writing down
	defer cancel()
	_, err := s.directory().Group(ctx, group(1))
	_ = wantKind(t, err, fault.Unavailable)
	if len(s.asked) != 0 {
		t.Errorf("asked %v", s.asked)
	}
}

// kiota-http-go#183: with the SDK's default pipeline a retried POST says gzip over a plain body, two times out of
// three. The server below refuses a body that is not what its headers say.
func TestRetriedPostIsIntact(t *testing.T) {
	var bodies []string
	answer := batched(func(string, string, json.RawMessage) (int, map[string]string, any) { return 200, nil, values(user(1)) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		if enc := r.Header.Get("Content-Encoding"); enc != "" {
			t.Errorf("Content-Encoding is %q", enc)
		}
		if r.ContentLength != int64(len(body)) || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("body of %d bytes, length %d, type %q", len(body), r.ContentLength, r.Header.Get("Content-Type"))
		}
		if len(bodies)%4 != 0 {
			w.WriteHeader([]int{429, 503, 504}[len(bodies)%4-1])
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answer(w, r)
	})
	for range 20 { // the SDK's pipeline has a random order for each client
		if _, err := s.directory().People(context.Background(), []string{person(1)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(bodies) != 80 {
		t.Fatalf("%d requests, want 80", len(bodies))
	}
	for _, body := range bodies {
		if body != bodies[0] || !strings.HasPrefix(body, `{"requests":[{`) {
			t.Fatalf("body changed: %q and %q", bodies[0], body)
		}
	}
}

func TestManners(t *testing.T) {
	var header http.Header
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		w.Header().Set("x-ms-throttle-limit-percentage", "0.9")
		goodGroup(w, r)
	})
	d := s.directory()
	if _, err := d.Group(context.Background(), group(1)); err != nil {
		t.Fatal(err)
	}
	if header.Get("x-ms-throttle-priority") != "Low" || header.Get("client-request-id") == "" || !strings.Contains(header.Get("User-Agent"), "rollcall/1") {
		t.Errorf("headers are %v", header)
	}
	if !strings.Contains(s.logs.String(), `"level":"WARN"`) {
		t.Errorf("nothing said about the throttling to come: %s", s.logs.String())
	}
	if d.Requests() != 1 {
		t.Errorf("counted %d requests", d.Requests())
	}
}

func TestNoSecretAndNoTokenInLogs(t *testing.T) {
	s := serve(t, goodGroup)
	d := s.directory()
	if _, err := d.Group(context.Background(), group(1)); err != nil {
		t.Fatal(err)
	}
	credential := entra.Credential{Tenant: tenantID, Secret: redact.New(secret)}
	type holder struct{ closed entra.Credential } // fmt calls no method of what is in a field that is not exported
	for _, each := range []any{credential, &credential, holder{credential}, &holder{credential}, entra.Options{Credential: credential}, d} {
		slog.New(slog.NewJSONHandler(&s.logs, nil)).Info("credential", "it", each)
		slog.New(slog.NewTextHandler(&s.logs, nil)).Info("credential", "it", each)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%p"} {
			fmt.Fprintf(&s.logs, verb+"\n", each)
		}
	}
	if !strings.Contains(s.logs.String(), tenantID) {
		t.Error("the credential was not printed at all")
	}
	for _, hidden := range []string{secret, "token-1", fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret)} {
		if strings.Contains(s.logs.String(), hidden) {
			t.Errorf("the log tells %q: %s", hidden, s.logs.String())
		}
	}
}

package entra_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/shared/entra"
	"rollcall/shared/fault"
	"rollcall/shared/redact"
)

func tokenRefusal(status int, oauth string, number int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, status, map[string]any{
			"error": oauth, "error_codes": []int{number}, "timestamp": "2026-11-23 12:00:00Z",
			"error_description": "AADSTS: secret=" + secret, "trace_id": "trace-1", "correlation_id": "corr-1",
		})
	}
}

func TestSignInRefused(t *testing.T) {
	for name, c := range map[string]struct {
		token  http.HandlerFunc
		kind   fault.Kind
		code   string
		advice string
	}{
		"wrong secret":        {tokenRefusal(401, "invalid_client", 7000215), fault.Misconfigured, "invalid_client AADSTS7000215", "Secret ID"},
		"expired secret":      {tokenRefusal(401, "invalid_client", 7000222), fault.Misconfigured, "invalid_client AADSTS7000222", "expired"},
		"wrong tenant":        {tokenRefusal(400, "invalid_request", 90002), fault.Misconfigured, "invalid_request AADSTS90002", "Directory (tenant) ID"},
		"wrong application":   {tokenRefusal(400, "unauthorized_client", 700016), fault.Misconfigured, "unauthorized_client AADSTS700016", "Object ID"},
		"no federation":       {tokenRefusal(401, "invalid_client", 70021), fault.Misconfigured, "invalid_client AADSTS70021", "letter by letter"},
		"unknown number":      {tokenRefusal(401, "invalid_client", 999999), fault.Misconfigured, "invalid_client AADSTS999999", "client secret"},
		"busy, by its number": {tokenRefusal(400, "temporarily_unavailable", 90055), fault.Unavailable, "temporarily_unavailable AADSTS90055", "tried again"},
		"unknown error":       {tokenRefusal(400, "brand_new", 1), fault.Misconfigured, "brand_new AADSTS1", "Check"},
		"429":                 {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, fault.Throttled, "", "tried again"},
		"503 HTML":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); w.Write([]byte("<html>")) }, fault.Unavailable, "", "tried again"},
		"connection breaks":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.Unavailable, "", "tried again"},
		"200 HTML":            {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, fault.Unavailable, "", "tried again"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, goodGroup)
			s.token = c.token
			_, err := s.directory().Group(context.Background(), group(1))
			e := wantKind(t, err, c.kind)
			if e.Code != c.code || !strings.Contains(e.Advice, c.advice) {
				t.Errorf("got code %q, advice %q", e.Code, e.Advice)
			}
			if len(s.asked) != 0 {
				t.Errorf("Graph was asked without a token: %v", s.asked)
			}
			if !strings.Contains(err.Error(), "signing in") || !strings.Contains(err.Error(), group(1)) {
				t.Errorf("does not say what failed, and for what: %v", err)
			}
		})
	}
}

func TestSignInIsRetriedLikeGraph(t *testing.T) {
	s := serve(t, goodGroup)
	first := true
	s.token = func(w http.ResponseWriter, _ *http.Request) {
		if first {
			first = false
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(429)
			return
		}
		writeJSON(w, 200, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": "token-1"})
	}
	if _, err := s.directory().Group(context.Background(), group(1)); err != nil {
		t.Fatal(err)
	}
	if waited := s.clock.Now().Sub(noon); waited != 5*time.Second {
		t.Errorf("waited %s, want what Entra asked for", waited)
	}
}

func TestTokenIsKept(t *testing.T) {
	s := serve(t, goodGroup)
	d := s.directory()
	same := entra.Credential{Tenant: tenantID, Client: clientID, Secret: redact.New(secret)}
	for range 3 {
		if err := d.SignInWith(same); err != nil {
			t.Fatal(err)
		}
		if err := d.SignIn(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Group(context.Background(), group(1)); err != nil {
			t.Fatal(err)
		}
	}
	if s.tokens != 1 { // signing in and asking use the same one
		t.Errorf("%d tokens for one credential", s.tokens)
	}
	other := same
	other.Secret = redact.New("the-new-one")
	if err := d.SignInWith(other); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Group(context.Background(), group(1)); err != nil {
		t.Fatal(err)
	}
	if s.tokens != 2 {
		t.Errorf("%d tokens after the secret was rotated", s.tokens)
	}
	_ = wantKind(t, d.SignInWith(entra.Credential{}), fault.Misconfigured)
}

// A token keeps the roles it was issued with: one that was denied something is given up once it is five minutes old,
// so that consent granted meanwhile is noticed at the next tick and not an hour later.
func TestConsentIsNoticed(t *testing.T) {
	s := serve(t, nil)
	s.graph = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			refuse(w, 403, "Authorization_RequestDenied")
			return
		}
		goodGroup(w, r)
	}
	d := s.directory()
	for range 2 {
		_, err := d.Group(context.Background(), group(1))
		_ = wantKind(t, err, fault.Denied)
	}
	s.clock.Advance(5 * time.Minute)
	_, err := d.Group(context.Background(), group(1))
	_ = wantKind(t, err, fault.Denied) // gives the token up
	if _, err := d.Group(context.Background(), group(1)); err != nil {
		t.Fatal(err)
	}
	if s.tokens != 2 {
		t.Errorf("%d tokens, want 2", s.tokens)
	}
}

func TestRejectedTokenIsReplacedOnce(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 401, "InvalidAuthenticationToken") })
	_, err := s.directory().Group(context.Background(), group(1))
	_ = wantKind(t, err, fault.Denied)
	if s.tokens != 2 || len(s.asked) != 2 {
		t.Errorf("%d tokens, %d requests, want 2 and 2", s.tokens, len(s.asked))
	}
}

type awsError struct{ code string }

func (e awsError) Error() string     { return "operation error STS: " + e.code }
func (e awsError) ErrorCode() string { return e.code }

func TestKeyless(t *testing.T) {
	for name, c := range map[string]struct {
		jwt    string
		fail   error
		kind   fault.Kind
		advice string
	}{
		"good":           {"assertion-jwt", nil, fault.None, ""},
		"switched off":   {"", awsError{"OutboundWebIdentityFederationDisabledException"}, fault.Misconfigured, "enable-outbound-web-identity-federation"},
		"denied":         {"", awsError{"AccessDenied"}, fault.Denied, "sts:GetWebIdentityToken"},
		"unknown code":   {"", awsError{"SomethingElse"}, fault.Unknown, ""},
		"plain error":    {"", errors.New("boom"), fault.Unknown, ""},
		"empty token":    {"", nil, fault.Unknown, ""},
		"our own fault":  {"", fault.New(fault.Throttled, "asking STS"), fault.Throttled, ""},
		"wrapped denied": {"", errors.Join(errors.New("asking STS"), awsError{"AccessDeniedException"}), fault.Denied, "sts:GetWebIdentityToken"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, goodGroup)
			var form string
			s.token = func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				form = r.PostForm.Get("client_assertion") + " " + r.PostForm.Get("client_secret") + " " + r.PostForm.Get("scope")
				writeJSON(w, 200, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": "token-1"})
			}
			d := s.directory(func(o *entra.Options) {
				o.Credential.Secret = redact.Secret{}
				o.Credential.Assertion = func(context.Context) (string, error) { return c.jwt, c.fail }
			})
			_, err := d.Group(context.Background(), group(1))
			e := wantKind(t, err, c.kind)
			if c.kind != fault.None {
				if !strings.Contains(e.Advice, c.advice) {
					t.Errorf("advice is %q", e.Advice)
				}
				return
			}
			if !strings.HasPrefix(form, "assertion-jwt  https://graph.microsoft.com/.default") {
				t.Errorf("signed in with %q", form)
			}
		})
	}
}

func TestNewComplainsAboutEverythingAtOnce(t *testing.T) {
	_, err := entra.New(entra.Options{
		Cloud: "mars", Authority: "http://login.example.com", GraphURL: "ftp://x", Feeds: "soon",
		Credential: entra.Credential{Secret: redact.New("x"), Assertion: func(context.Context) (string, error) { return "", nil }},
	})
	_ = wantKind(t, err, fault.Misconfigured)
	for _, part := range []string{"mars", "login.example.com", "ftp://x", "soon", "tenant id", "client id", "exactly one"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no word of %q in %v", part, err)
		}
	}
}

func TestClouds(t *testing.T) {
	for c, want := range map[entra.Cloud]struct{ graph, login, scope string }{
		"":             {"graph.microsoft.com", "login.microsoftonline.com", "https://graph.microsoft.com/.default"},
		entra.Global:   {"graph.microsoft.com", "login.microsoftonline.com", "https://graph.microsoft.com/.default"},
		entra.USGov:    {"graph.microsoft.us", "login.microsoftonline.us", "https://graph.microsoft.us/.default"},
		entra.USGovDoD: {"dod-graph.microsoft.us", "login.microsoftonline.us", "https://dod-graph.microsoft.us/.default"},
		entra.China:    {"microsoftgraph.chinacloudapi.cn", "login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn/.default"},
	} {
		t.Run(string(c), func(t *testing.T) {
			s := serve(t, goodGroup)
			var hosts []string
			var scope string
			s.token = func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				scope = r.PostForm.Get("scope")
				writeJSON(w, 200, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": "token-1"})
			}
			d := s.directory(func(o *entra.Options) {
				o.Cloud, o.Authority, o.GraphURL = c, "", ""
				o.Transport = rerouted{s, &hosts}
			})
			if _, err := d.Group(context.Background(), group(1)); err != nil {
				t.Fatal(err)
			}
			if hosts[0] != want.login || hosts[len(hosts)-1] != want.graph || !strings.HasPrefix(scope, want.scope) {
				t.Errorf("went to %v with scope %q", hosts, scope)
			}
		})
	}
}

// rerouted sends every request to the server, and notes the host that it was meant for.
type rerouted struct {
	s     *server
	hosts *[]string
}

func (r rerouted) RoundTrip(q *http.Request) (*http.Response, error) {
	*r.hosts = append(*r.hosts, q.URL.Host)
	q = q.Clone(q.Context())
	q.Host = q.URL.Host
	q.URL.Host = strings.TrimPrefix(r.s.URL, "https://")
	return r.s.Client().Transport.RoundTrip(q)
}

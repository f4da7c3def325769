package graph_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/graph"
)

const (
	issuer = "https://11112222-3333-4444-5555-666677778888.tokens.sts.global.api.aws"
	role   = "arn:aws:iam::111122223333:role/rollcall-planner"
)

// outside is a token as AWS issues it; only its claims count here.
func outside(change func(header, claims map[string]any)) string {
	header := map[string]any{"alg": "RS256", "kid": "1", "typ": "JWT"}
	claims := map[string]any{
		"iss": issuer, "sub": role, "aud": graph.TokenExchange,
		"iat": start.Unix(), "exp": start.Add(5 * time.Minute).Unix(),
	}
	if change != nil {
		change(header, claims)
	}
	enc := func(v any) string {
		raw, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	return enc(header) + "." + enc(claims) + "." + enc("no signature")
}

func (w *world) sign(tenant string, form url.Values) answer {
	w.Helper()
	req, err := http.NewRequest("POST", w.url+"/"+tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	w.ok(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(req)
}

func form(pairs ...string) url.Values {
	f := url.Values{"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}}
	for i := 0; i < len(pairs); i += 2 {
		if f.Del(pairs[i]); pairs[i+1] != "" {
			f.Set(pairs[i], pairs[i+1])
		}
	}
	return f
}

// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
func TestSignInWithSecret(t *testing.T) {
	w := newWorld(t)
	id, err := w.t.AddSecret(w.app, "old", start.Add(time.Hour))
	w.ok(err)
	_, err = w.t.AddSecret(w.app, "new", time.Time{})
	w.ok(err)
	off, err := w.t.AddApp(graph.App{Name: "off"})
	w.ok(err)
	w.ok(w.t.DisableApp(off.ClientID, true))
	nobody := "00000000-1111-4222-8333-444444444444"

	w.run("a token that opens Graph", func(w *world) {
		a := w.sign(w.t.ID, form("client_id", w.app, "client_secret", "new"))
		a.want(w, 200)
		if a.body["token_type"] != "Bearer" || a.body["expires_in"] != 3600.0 || a.body["ext_expires_in"] != 3600.0 {
			w.Errorf("got %v", a.body)
		}
		w.token = a.str("access_token")
		w.must("/users")
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(w.token, ".")[1])
		if err != nil || !strings.Contains(string(claims), `"roles":["User.Read.All","Group.Read.All"]`) {
			w.Errorf("claims %s", claims)
		}
	})
	w.run("two secrets are valid at once; the tenant by its domain", func(w *world) {
		w.sign("contoso.com", form("client_id", w.app, "client_secret", "old")).want(w, 200)
	})
	for _, c := range []struct {
		name, tenant string
		form         url.Values
		status       int
		code         string
		number       float64
	}{
		{"an unknown tenant", nobody, form("client_id", w.app, "client_secret", "new"), 400, "invalid_request", 90002},
		{"no tenant id at all", "contoso", form("client_id", w.app, "client_secret", "new"), 400, "invalid_request", 900023},
		{"an unknown app", w.t.ID, form("client_id", nobody, "client_secret", "new"), 400, "unauthorized_client", 700016},
		{"a wrong secret", w.t.ID, form("client_id", w.app, "client_secret", id), 401, "invalid_client", 7000215},
		{"no secret", w.t.ID, form("client_id", w.app), 401, "invalid_client", 7000218},
		{"a disabled app", w.t.ID, form("client_id", off.ClientID, "client_secret", "x"), 401, "unauthorized_client", 7000112},
		{"another cloud's resource", w.t.ID, form("client_id", w.app, "client_secret", "new", "scope", "https://graph.microsoft.us/.default"), 400, "invalid_resource", 500011},
		{"a scope without .default", w.t.ID, form("client_id", w.app, "client_secret", "new", "scope", "https://graph.microsoft.com/User.Read"), 400, "invalid_scope", 1002012},
		{"another grant type", w.t.ID, form("client_id", w.app, "client_secret", "new", "grant_type", "password"), 400, "unsupported_grant_type", 70003},
		{"no grant type", w.t.ID, form("client_id", w.app, "grant_type", ""), 400, "invalid_request", 900144},
	} {
		w.run(c.name, func(w *world) { w.sign(c.tenant, c.form).aadsts(w, c.status, c.code, c.number) })
	}
	w.clock.Advance(time.Hour)
	w.run("an expired secret, while the other works", func(w *world) {
		w.sign(w.t.ID, form("client_id", w.app, "client_secret", "old")).aadsts(w, 401, "invalid_client", 7000222)
		w.sign(w.t.ID, form("client_id", w.app, "client_secret", "new")).want(w, 200)
	})
	w.run("a removed secret is a wrong one", func(w *world) {
		w.ok(w.t.RemoveSecret(w.app, id))
		w.sign(w.t.ID, form("client_id", w.app, "client_secret", "old")).aadsts(w, 401, "invalid_client", 7000215)
	})
	w.run("a deleted app", func(w *world) {
		w.ok(w.t.DeleteApp(w.app))
		w.sign(w.t.ID, form("client_id", w.app, "client_secret", "new")).aadsts(w, 400, "unauthorized_client", 700016)
	})
}

// aadsts wants an error of Entra.
func (a answer) aadsts(w *world, status int, code string, number float64) {
	w.Helper()
	numbers, _ := a.body["error_codes"].([]any)
	if a.status != status || a.body["error"] != code || len(numbers) != 1 || numbers[0] != number {
		w.Fatalf("answer %d %s, want %d %s %v", a.status, a.raw, status, code, number)
	}
	if a.str("trace_id") == "" || !strings.HasPrefix(a.str("error_description"), "AADSTS") || !strings.HasSuffix(a.str("timestamp"), "Z") {
		w.Errorf("got %s", a.raw)
	}
}

// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
func TestSignInWithAssertion(t *testing.T) {
	w := newWorld(t)
	sign := func(assertion string) answer {
		w.Helper()
		return w.sign(w.t.ID, form("client_id", w.app, "client_assertion", assertion,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
	}
	claim := func(name string, value any) string {
		return outside(func(_, claims map[string]any) { claims[name] = value })
	}
	w.run("no federated credential", func(w *world) { sign(outside(nil)).aadsts(w, 401, "invalid_client", 70021) })
	w.ok(w.t.Trust(w.app, graph.Federated{Name: "planner", Issuer: issuer, Subject: role}))
	w.run("a match", func(w *world) {
		a := sign(outside(nil))
		a.want(w, 200)
		w.token = a.str("access_token")
		w.must("/groups")
	})
	w.run("the audience as a list", func(w *world) { sign(claim("aud", []string{"x", graph.TokenExchange})).want(w, 200) })
	for _, c := range []struct {
		name, assertion string
		status          int
		code            string
		number          float64
	}{
		{"another issuer", claim("iss", "https://example.com"), 401, "invalid_client", 700211},
		{"a slash too many", claim("iss", issuer+"/"), 401, "invalid_client", 700211},
		{"another audience", claim("aud", "sts.amazonaws.com"), 401, "invalid_client", 700212},
		{"another role", claim("sub", role+"-2"), 401, "invalid_client", 700213},
		{"the subject in another case", claim("sub", strings.ToUpper(role)), 401, "invalid_client", 700213},
		{"expired", claim("exp", start.Add(-time.Hour).Unix()), 401, "invalid_client", 700024},
		{"not yet valid", claim("iat", start.Add(time.Hour).Unix()), 401, "invalid_client", 700024},
		{"ES384", outside(func(h, _ map[string]any) { h["alg"] = "ES384" }), 401, "invalid_client", 5002738},
		{"no JWT", "abc", 400, "invalid_request", 50027},
	} {
		w.run(c.name, func(w *world) { sign(c.assertion).aadsts(w, c.status, c.code, c.number) })
	}
	w.run("a new credential takes a while, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.Lag.Federation = 2 * time.Minute })
		sign(outside(nil)).aadsts(w, 401, "invalid_client", 70021)
		w.clock.Advance(2 * time.Minute)
		sign(outside(nil)).want(w, 200)
	})
	w.run("20 credentials, not 21; not the same twice", func(w *world) {
		if err := w.t.Trust(w.app, graph.Federated{Issuer: issuer, Subject: role}); err == nil {
			w.Error("the same credential was added twice")
		}
		for i := range graph.MostFederated {
			err := w.t.Trust(w.app, graph.Federated{Issuer: issuer, Subject: role + string(rune('a'+i))})
			if (err != nil) != (i == graph.MostFederated-1) {
				w.Errorf("number %d: %v", i+2, err)
			}
		}
	})
	w.run("withdrawn", func(w *world) {
		w.clock.Advance(2 * time.Minute)
		w.ok(w.t.Distrust(w.app, issuer, role))
		sign(outside(nil)).aadsts(w, 401, "invalid_client", 700213)
	})
}

func TestAccessTokens(t *testing.T) {
	w := newWorld(t)
	good := w.token
	for name, token := range map[string]string{
		"none":             "",
		"not ours":         outside(nil),
		"changed":          good[:len(good)-4] + "AAAA",
		"not a token":      "x",
		"for another host": func() string { o := newWorld(t, graph.WithSeed("another")); return o.token }(),
	} {
		w.run(name, func(w *world) {
			w.token = token
			w.get("/users").refused(w, 401, "InvalidAuthenticationToken")
			w.token = good
		})
	}
	w.run("expired by the clock", func(w *world) {
		w.clock.Advance(time.Hour - time.Second)
		w.must("/users")
		w.clock.Advance(time.Second)
		w.get("/users").refused(w, 401, "InvalidAuthenticationToken")
	})
	w.run("a longer life, by switch", func(w *world) {
		w.e.Configure(func(b *graph.Behaviour) { b.TokenLife = 40 * 24 * time.Hour })
		w.signIn()
		w.clock.Advance(39 * 24 * time.Hour)
		w.must("/users")
	})
	w.run("anonymous, by option", func(w *world) {
		o := newWorld(w.T, graph.WithAnonymous("Group.Read.All"))
		req, err := http.NewRequest("GET", o.url+"/v1.0/groups", nil)
		o.ok(err)
		o.send(req).want(o, 200)
	})
}

func TestSignInFaults(t *testing.T) {
	w := newWorld(t)
	_, err := w.t.AddSecret(w.app, "s", time.Time{})
	w.ok(err)
	for what, want := range map[graph.Failure]int{
		graph.TooMany: 429, graph.Unavailable: 503, graph.ServerError: 500,
		graph.Timeout: 504, graph.HTML: 503, graph.HTMLOK: 200, graph.TruncatedJSON: 200,
	} {
		i := w.e.Inject(graph.Fault{Operation: "POST /{tenant}/oauth2/v2.0/token", What: what, Times: 1, RetryAfter: 5 * time.Second})
		a := w.sign(w.t.ID, form("client_id", w.app, "client_secret", "s"))
		if a.status != want || i.Hits() != 1 || a.str("access_token") != "" {
			t.Errorf("%s: %d %s", what, a.status, a.raw)
		}
		if what == graph.TooMany && (a.body["error"] != "temporarily_unavailable" || a.header.Get("Retry-After") != "5") {
			t.Errorf("%s: %s %v", what, a.raw, a.header)
		}
	}
}

// The library that ships, over TLS: instance discovery, OpenID configuration, token.
func TestAzidentity(t *testing.T) {
	clk := clock.NewManual(start)
	e := graph.New(clk, graph.WithSeed("azidentity"))
	server := httptest.NewTLSServer(e)
	defer server.Close()
	app, err := e.Tenant.AddApp(graph.App{Permissions: []string{"Group.Read.All"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Tenant.AddSecret(app.ClientID, "s3cret", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Tenant.Trust(app.ClientID, graph.Federated{Issuer: issuer, Subject: role}); err != nil {
		t.Fatal(err)
	}
	options := azcore.ClientOptions{Transport: server.Client(), Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: server.URL}}
	open := func(t *testing.T, credential azcore.TokenCredential, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequest("GET", server.URL+"/v1.0/groups", nil)
		req.Header.Set("Authorization", "Bearer "+token.Token)
		res, err := server.Client().Do(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%v %v", res, err)
		}
		res.Body.Close()
	}
	t.Run("client secret", func(t *testing.T) {
		c, err := azidentity.NewClientSecretCredential(e.Tenant.ID, app.ClientID, "s3cret",
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
		open(t, c, err)
	})
	t.Run("client assertion", func(t *testing.T) {
		c, err := azidentity.NewClientAssertionCredential(e.Tenant.ID, app.ClientID,
			func(context.Context) (string, error) { return outside(nil), nil },
			&azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
		open(t, c, err)
	})
	t.Run("discovery names this host", func(t *testing.T) {
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		res, err := server.Client().Get(server.URL + "/common/discovery/instance?api-version=1.1&authorization_endpoint=x")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var d struct {
			Endpoint string `json:"tenant_discovery_endpoint"`
			Metadata []struct {
				Aliases []string `json:"aliases"`
			} `json:"metadata"`
		}
		if err := json.NewDecoder(res.Body).Decode(&d); err != nil {
			t.Fatal(err)
		}
		if d.Endpoint != server.URL+"/"+e.Tenant.ID+"/v2.0/.well-known/openid-configuration" ||
			d.Metadata[0].Aliases[0] != strings.TrimPrefix(server.URL, "https://") {
			t.Errorf("got %+v", d)
		}
	})
	if e.Spent().Tokens != 2 {
		t.Errorf("%d token requests", e.Spent().Tokens)
	}
}

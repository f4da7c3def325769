package planning_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"rollcall/infra/snapshot"
	"rollcall/shared/assignment"
	"rollcall/shared/boot/planning"
	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/emulator"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/ledger"
	"rollcall/shared/profile"
	"rollcall/shared/reconcile"
)

// stage is the planner as it is deployed, with the environment of the stack, in the embedded cloud.
type stage struct {
	*testing.T
	clock   *clock.Manual
	cloud   *emulator.Cloud
	planner *planning.Function
	book    *ledger.Ledger
	log     *bytes.Buffer
	ann     string // a member of the group of profile sales, which is approved as soon as somebody can sign in
	version string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, clock: clock.NewManual(monday), log: &bytes.Buffer{}}
	var err error
	s.cloud, err = emulator.Start(t.Context(), emulator.Options{Template: snapshot.Template, Clock: s.clock})
	s.ok(err)
	t.Cleanup(func() {
		if err := s.cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	settings := s.settings()
	s.planner = planning.New(settings, s.edges(s.cloud.Gateway().Client().Transport))
	tables := dynamodb.NewFromConfig(s.cloud.Config("onlooker", "", ""))
	s.book = ledger.New(tables, settings.LedgerTable, ledger.WithClock(s.clock))

	tenant := s.cloud.Graph.Tenant
	ann, err := tenant.AddUser(graph.User{UserPrincipalName: "ann@contoso.com", OnPremises: graph.OnPremises{Synced: true, SAMAccountName: "ann"}})
	s.ok(err)
	group, err := tenant.AddGroup(graph.Group{DisplayName: "Sales"})
	s.ok(err)
	s.ok(tenant.AddMember(group.ID, ann.ID))
	s.ann = ann.ID
	row := profile.Document{ID: "sales", Fields: map[string]any{
		"group": "Sales", "account": "111122223333", "region": "eu-central-1",
		"directory": "d-1234567890", "bundle": "wsb-0123456789",
	}}
	rule, complaints := profile.Decode(row)
	if len(complaints) > 0 {
		t.Fatal(complaints)
	}
	s.version = rule.Version()
	s.ok(ledger.NewProfiles(tables, settings.ProfilesTable).Put(t.Context(), row))
	return s
}

func (s *stage) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) settings() config.Planner {
	s.Helper()
	f, err := s.cloud.Function("planner")
	s.ok(err)
	settings, err := config.ReadPlanner(f.Getenv)
	s.ok(err)
	return settings
}

func (s *stage) edges(transport http.RoundTripper) planning.Edges {
	s.Helper()
	settings, err := s.cloud.ConfigOf("planner")
	s.ok(err)
	return planning.Edges{
		AWS: settings, Transport: transport, Clock: s.clock,
		Log: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// store puts a credential into the secret, as JSON.
func (s *stage) store(credential map[string]any) {
	s.Helper()
	text, err := json.Marshal(credential)
	s.ok(err)
	s.ok(s.cloud.Store(string(text)))
}

// keyless stores a credential without a secret, which Entra trusts.
func (s *stage) keyless() {
	s.Helper()
	credential, err := s.cloud.Keyless("planner")
	s.ok(err)
	if strings.Contains(credential, "ecret") {
		s.Fatalf("a keyless credential with a secret: %s", credential)
	}
	s.ok(s.cloud.Store(credential))
}

// run is a tick.
func (s *stage) run() (*reconcile.Report, error) {
	s.Helper()
	answer, err := s.planner.Handle(s.Context(), json.RawMessage(`{"action":"run","by":"schedule"}`))
	report, _ := answer.(*reconcile.Report)
	return report, err
}

// approve puts the profile in force, which signs in.
func (s *stage) approve() error {
	_, err := s.planner.Handle(s.Context(), json.RawMessage(`{"action":"approve","profile":"sales","version":"`+s.version+`","by":"ada"}`))
	return err
}

// works is a tick that reads Graph; it says how often it signed in and how many web identity tokens that took.
func (s *stage) works() (signIns, identities int) {
	s.Helper()
	before, from := s.cloud.Graph.Spent(), s.cloud.Log().Len()
	report, err := s.run()
	s.ok(err)
	if s.cloud.Graph.Spent().Requests == before.Requests || report.LookedAt.FeedRequests == 0 {
		s.Errorf("the tick did not ask Graph: %+v", report)
	}
	for _, call := range s.cloud.Log().Since(from) {
		if call.Operation == "GetWebIdentityToken" {
			identities++
		}
	}
	return s.cloud.Graph.Spent().Tokens - before.Tokens, identities
}

// refused is a tick that cannot sign in: its error says something, and no request goes to Graph.
func (s *stage) refused(says ...string) {
	s.Helper()
	before := s.cloud.Graph.Spent().Requests
	_, err := s.run()
	if err == nil {
		s.Fatal("the tick signed in")
	}
	for _, what := range says {
		if !strings.Contains(err.Error(), what) {
			s.Errorf("%q does not say %q", err, what)
		}
	}
	if got := s.cloud.Graph.Spent().Requests; got != before {
		s.Errorf("%d requests went to Graph without a sign-in", got-before)
	}
}

func TestKeylessFromEndToEnd(t *testing.T) {
	s := newStage(t)
	s.keyless()
	s.ok(s.approve())
	if signIns, identities := s.works(); signIns != 0 || identities != 0 {
		t.Errorf("the token of the approval was not kept: %d, %d", signIns, identities)
	}
	items, err := s.book.Load(t.Context(), []assignment.Key{{Person: s.ann, Slot: slot}})
	s.ok(err)
	if got := items[assignment.Key{Person: s.ann, Slot: slot}].Status; got != assignment.Requested {
		t.Errorf("ann is %q", got)
	}
	if depth, err := s.cloud.Queues.Depth(path.Base(s.settings().QueueURL)); err != nil || depth.Waiting == 0 {
		t.Errorf("the queue holds %+v, %v", depth, err)
	}
	for _, c := range []struct {
		name                string
		after               time.Duration
		signIns, identities int
	}{
		{"while the token lives", every, 0, 0},
		{"after the token's life", 2 * time.Hour, 1, 1},
		{"while the second token lives", every, 0, 0},
	} {
		s.clock.Advance(c.after)
		if signIns, identities := s.works(); signIns != c.signIns || identities != c.identities {
			t.Errorf("%s: %d sign-ins with %d web identity tokens", c.name, signIns, identities)
		}
	}

	role := s.role()
	s.ok(s.cloud.Graph.Tenant.Distrust(s.cloud.App.ClientID, s.issuer(), role))
	s.clock.Advance(every)
	s.works() // a token outlives the trust
	s.clock.Advance(2 * time.Hour)
	if report, err := s.run(); err == nil && !slices.ContainsFunc(report.Problems, func(p reconcile.Problem) bool {
		return strings.Contains(p.Text, "federated credential")
	}) {
		t.Errorf("the trust is gone, and nobody is told: %+v", report.Problems)
	}
	s.clock.Advance(every)
	s.refused("signing in to Microsoft Entra", "federated credential")
	s.ok(s.cloud.Graph.Tenant.Trust(s.cloud.App.ClientID, graph.Federated{Issuer: s.issuer(), Subject: role}))
	s.clock.Advance(every)
	if signIns, identities := s.works(); signIns != 1 || identities != 1 {
		t.Errorf("after the trust came back: %d sign-ins with %d web identity tokens", signIns, identities)
	}
}

func (s *stage) role() string {
	s.Helper()
	f, err := s.cloud.Function("planner")
	s.ok(err)
	return f.Role
}

// issuer is the account's issuer of web identity tokens.
func (s *stage) issuer() string { return s.cloud.Roles.EnableFederation("111122223333") }

func TestTheCredentialChangesBetweenTicks(t *testing.T) {
	s := newStage(t)
	tenant, app := s.cloud.Graph.Tenant, s.cloud.App.ClientID
	with := func(secret string) map[string]any {
		return map[string]any{"tenantId": tenant.ID, "clientId": app, "clientSecret": secret, "enabled": true}
	}
	step := func(what string, signIns, identities int) {
		t.Helper()
		s.clock.Advance(every)
		if a, b := s.works(); a != signIns || b != identities {
			t.Errorf("%s: %d sign-ins with %d web identity tokens, want %d with %d", what, a, b, signIns, identities)
		}
	}
	s.ok(s.approve())
	step("the first client secret, kept", 0, 0)

	second, err := tenant.AddSecret(app, "the-second-secret", time.Time{})
	s.ok(err)
	step("a second one is made", 0, 0)
	s.store(with("the-second-secret"))
	step("and stored: both are good", 1, 0)

	s.store(with("mistyped-secret"))
	s.clock.Advance(every)
	s.refused("signing in to Microsoft Entra", "secret")
	s.store(with("the-second-secret"))
	step("mended", 1, 0)

	s.keyless()
	step("keyless", 1, 1)
	s.ok(tenant.RemoveSecret(app, second))
	step("without any use for the secret", 0, 0)

	s.ok(tenant.DisableApp(app, true))
	s.clock.Advance(2 * time.Hour)
	_, _ = s.run() // the token is refused in the middle of this tick; what the next one says is looked at
	s.clock.Advance(every)
	s.refused("signing in to Microsoft Entra")
	s.ok(tenant.DisableApp(app, false))
	step("the app is enabled again", 1, 1)

	for _, secret := range []string{"the-second-secret", "mistyped-secret", "eyJ"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestGraphIsSwitchedOff(t *testing.T) {
	for name, secret := range map[string]string{"with a client secret": "of-no-use", "keyless": ""} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.ok(s.approve())
			s.works()
			before := s.cloud.Graph.Spent()
			from := s.cloud.Log().Len()
			off := map[string]any{"tenantId": s.cloud.Graph.Tenant.ID, "clientId": s.cloud.App.ClientID, "enabled": false}
			if secret != "" {
				off["clientSecret"] = secret
			}
			s.store(off)
			s.clock.Advance(25 * time.Hour)
			report, err := s.run()
			s.ok(err)
			if len(report.Problems) != 1 || report.Problems[0].Code != "GraphOff" || report.Done.Written != 0 || report.Done.Jobs != 0 {
				t.Errorf("the tick says %+v", report)
			}
			if after := s.cloud.Graph.Spent(); after.Requests != before.Requests || after.Tokens != before.Tokens {
				t.Errorf("Graph was asked: %+v", after)
			}
			for _, call := range s.cloud.Log().Since(from) {
				if call.Caller == "planner" && (call.Service == "sts" || call.Service == "sqs") {
					t.Errorf("it called %s %s", call.Service, call.Operation)
				}
			}
			if err := s.approve(); !errors.Is(err, reconcile.ErrGraphOff) {
				t.Errorf("an approval says %v", err)
			}
			s.ok(s.cloud.Store(s.cloud.Credential()))
			s.works()
		})
	}
}

// gate notes which hosts are asked for, gives out a token, and lets nothing else through.
type gate struct {
	hosts     []string
	audiences []string // of the assertions
	scopes    []string
}

func (g *gate) RoundTrip(q *http.Request) (*http.Response, error) {
	g.hosts = append(g.hosts, q.URL.Scheme+"://"+q.URL.Host)
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Request: q,
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
	if base, ok := strings.CutSuffix(strings.TrimSuffix(q.URL.String(), "?"), "/v2.0/.well-known/openid-configuration"); ok {
		return answer(http.StatusOK, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/oauth2/v2.0/authorize","token_endpoint":"`+base+`/oauth2/v2.0/token"}`)
	}
	if !strings.HasSuffix(q.URL.Path, "/token") {
		return answer(http.StatusForbidden, `{"error":{"code":"Authorization_RequestDenied","message":"no"}}`)
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	g.scopes = append(g.scopes, strings.Fields(form.Get("scope"))[0])
	if parts := strings.Split(form.Get("client_assertion"), "."); len(parts) == 3 {
		var claims struct {
			Audience string `json:"aud"`
		}
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &claims); err != nil {
			return nil, err
		}
		g.audiences = append(g.audiences, claims.Audience)
	}
	return answer(http.StatusOK, `{"token_type":"Bearer","expires_in":3600,"access_token":"opaque"}`)
}

func TestTheCloudChoosesTheHosts(t *testing.T) {
	s := newStage(t)
	s.issuer()
	settings := s.settings()
	settings.GraphURL, settings.Authority = "", ""
	for _, c := range []struct{ cloud, signIn, graph, audience string }{
		{"", "https://login.microsoftonline.com", "https://graph.microsoft.com", "api://AzureADTokenExchange"},
		{"global", "https://login.microsoftonline.com", "https://graph.microsoft.com", "api://AzureADTokenExchange"},
		{"usgov", "https://login.microsoftonline.us", "https://graph.microsoft.us", "api://AzureADTokenExchangeUSGov"},
		{"usgovdod", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us", "api://AzureADTokenExchangeUSGov"},
		{"china", "https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn", "api://AzureADTokenExchangeChina"},
	} {
		for _, secret := range []string{"", "a-secret"} {
			t.Run("cloud "+c.cloud+", secret "+secret, func(t *testing.T) {
				credential := map[string]any{"tenantId": s.cloud.Graph.Tenant.ID, "clientId": s.cloud.App.ClientID}
				if c.cloud != "" {
					credential["cloud"] = c.cloud
				}
				if secret != "" {
					credential["clientSecret"] = secret
				}
				s.store(credential)
				g := &gate{}
				planner := planning.New(settings, s.edges(g))
				_, err := planner.Handle(t.Context(), json.RawMessage(
					`{"action":"approve","profile":"sales","version":"`+s.version+`","by":"ada"}`))
				if err == nil || !strings.Contains(err.Error(), "Authorization_RequestDenied") {
					t.Errorf("the approval says %v", err)
				}
				if want := []string{c.signIn, c.graph}; !slices.Equal(slices.Compact(g.hosts), want) {
					t.Errorf("asked %v, want %v", g.hosts, want)
				}
				if want := []string{c.graph + "/.default"}; !slices.Equal(g.scopes, want) {
					t.Errorf("scopes %v, want %v", g.scopes, want)
				}
				want := []string{c.audience}
				if secret != "" {
					want = nil
				}
				if !slices.Equal(g.audiences, want) {
					t.Errorf("the assertion is for %v, want %v", g.audiences, want)
				}
			})
		}
	}
}

// Package entra reads people and groups from Microsoft Entra through Microsoft Graph. It is the only package that
// talks to Graph, and it only reads.
//
// It answers three questions: who might have changed (GroupChanges, UserChanges), what is true of a few people
// (People, Standings), and who is in a group (Roll, or page by page NextPage). Requests are built by
// msgraph-sdk-go's request builders and sent through its adapter, with azidentity for the token; the answers are
// decoded here, straight from the response: the SDK's model objects cost eight times the time and would make the
// binary more than twice as large. So nothing here may import msgraph-sdk-go's root package or name its models.
//
// It refuses to mistake a bad answer for an empty one. Every page is read, or the read is an error; an answer
// without its list is an error; a user whose fields are null is an error that names the missing permission, never
// a disabled person; and no token and no request goes to a host other than Graph's, whatever a link says.
// It concludes nothing: what a change or an absence means is decided elsewhere.
package entra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	absauth "github.com/microsoft/kiota-abstractions-go/authentication"
	khttp "github.com/microsoft/kiota-http-go"
	graphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	graphauth "github.com/microsoftgraph/msgraph-sdk-go-core/authentication"

	"rollcall/shared/clock"
	"rollcall/shared/fault"
)

// Cloud is one of Microsoft's clouds: a pair of a sign-in host and a Graph host. Plain GCC uses Global.
// https://learn.microsoft.com/graph/deployments
type Cloud string

// The clouds. The zero value means Global.
const (
	Global   Cloud = "global"
	USGov    Cloud = "usgov"    // US Government L4 (GCC High)
	USGovDoD Cloud = "usgovdod" // US Government L5 (DoD)
	China    Cloud = "china"    // operated by 21Vianet
)

type endpoints struct{ authority, graph, audience string }

var clouds = map[Cloud]endpoints{
	Global:   {"https://login.microsoftonline.com", "https://graph.microsoft.com", "api://AzureADTokenExchange"},
	USGov:    {"https://login.microsoftonline.us", "https://graph.microsoft.us", "api://AzureADTokenExchangeUSGov"},
	USGovDoD: {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us", "api://AzureADTokenExchangeUSGov"},
	China:    {"https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn", "api://AzureADTokenExchangeChina"},
}

// Audience is the audience that a keyless sign-in's assertion is made out to in this cloud: the value of the
// federated credential in Entra. Those of the US Government and China clouds are not verified.
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
func (c Cloud) Audience() string { return clouds[c.orGlobal()].audience }

func (c Cloud) orGlobal() Cloud {
	if c == "" {
		return Global
	}
	return c
}

// Start is how a feed over groups begins.
type Start string

// The two ways. The zero value means FromLatest.
const (
	// FromLatest asks for $deltatoken=latest: one request and no data. That it works together with a filter is not
	// documented; where Graph refuses it (400), the feed falls back to FromWhole by itself.
	FromLatest Start = "latest"
	// FromWhole reads the feed's first pass, every member of every group, and drops what it names: the documented
	// way. Its cost follows the size of the groups, and it may take several ticks.
	FromWhole Start = "whole"
)

// Options say how to reach Graph. Credential is required; every other field has a default.
type Options struct {
	Credential Credential
	Cloud      Cloud
	// Authority and GraphURL replace the cloud's hosts: "https://login.example.com" and "https://graph.example.com/v1.0".
	// Authority must be https; GraphURL may be http on the local machine. The token's scope stays that of the cloud.
	// Links in the answers must be of GraphURL's host too: they are not followed elsewhere.
	Authority string
	GraphURL  string
	// Transport carries the requests to both; nil is a transport of our own, with proxies from the environment and
	// 30 s for an answer to begin.
	Transport http.RoundTripper
	// Clock is waited on between attempts; nil is the machine's.
	Clock clock.Clock
	// Log gets each request at debug level, and throttling at warn; nil discards.
	Log *slog.Logger
	// Budget tells how long may still be spent; nil is UntilDeadline.
	Budget Budget
	// Feeds is how a feed over groups begins.
	Feeds Start
}

// Directory reads one tenant. Make one with New and keep it for as long as the process lives: it holds the token.
// It is safe for concurrent use.
type Directory struct {
	adapter *graphcore.GraphRequestAdapterBase
	signer  *signer
	base    *url.URL
	scope   string
	clock   clock.Clock
	log     *slog.Logger
	budget  Budget
	feeds   Start

	requests atomic.Int64
}

// New checks the options, all of them, and makes a Directory. It makes no request. The error is Misconfigured and
// lists every complaint.
func New(o Options) (*Directory, error) {
	where, ok := clouds[o.Cloud.orGlobal()]
	var complaints []error
	if !ok {
		complaints = append(complaints, fmt.Errorf("cloud is %q: expected global, usgov, usgovdod or china", string(o.Cloud)))
	}
	if o.Feeds != "" && o.Feeds != FromLatest && o.Feeds != FromWhole {
		complaints = append(complaints, fmt.Errorf("feeds start is %q: expected latest or whole", string(o.Feeds)))
	}
	authority, err := parseBase("authority", orElse(o.Authority, where.authority), false)
	complaints = append(complaints, err)
	base, err := parseBase("Graph URL", orElse(o.GraphURL, where.graph+"/v1.0"), true)
	complaints = append(complaints, err, o.Credential.check())
	if err := errors.Join(complaints...); err != nil {
		return nil, fault.Wrap(fault.Misconfigured, err, "setting up the reading of Entra")
	}

	d := &Directory{base: base, scope: where.graph + "/.default", clock: o.Clock, log: o.Log, budget: o.Budget, feeds: o.Feeds}
	d.fillDefaults()
	transport := o.Transport
	if transport == nil {
		transport = ownTransport()
	}
	d.signer = &signer{authority: authority.String(), transport: transport, credential: o.Credential, clock: d.clock}
	if err := d.connect(transport); err != nil {
		return nil, fault.Wrap(fault.Misconfigured, err, "setting up the Graph adapter")
	}
	return d, nil
}

func (d *Directory) fillDefaults() {
	if d.clock == nil {
		d.clock = clock.System{}
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.budget == nil {
		d.budget = UntilDeadline
	}
	if d.feeds == "" {
		d.feeds = FromLatest
	}
}

// connect builds the SDK's adapter over a pipeline of our own choice and order. Left out on purpose: compression
// (kiota's default pipeline has a random order, and a POST that is retried outside the compression handler says
// gzip over a plain body: kiota-http-go#183), kiota's retries (no cap on Retry-After, no clock; ours are in send),
// and redirects (Graph's JSON routes have none, and a token must not follow one).
func (d *Directory) connect(transport http.RoundTripper) error {
	auth, err := graphauth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(
		d.signer, []string{d.scope}, []string{d.base.Hostname()})
	if err != nil {
		return err
	}
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: khttp.NewCustomTransportWithParentTransport(transport,
			graphcore.NewGraphTelemetryHandler(&graphcore.GraphClientOptions{}), // sets client-request-id
			khttp.NewParametersNameDecodingHandler(),
			khttp.NewUserAgentHandlerWithOptions(&khttp.UserAgentHandlerOptions{Enabled: true, ProductName: "rollcall", ProductVersion: "1"}),
			manners{d},
		),
	}
	var provider absauth.AuthenticationProvider = auth
	d.adapter, err = graphcore.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		provider, graphcore.GraphClientOptions{}, nil, nil, client)
	if err != nil {
		return err
	}
	d.adapter.SetBaseUrl(strings.TrimSuffix(d.base.String(), "/"))
	return nil
}

// Requests is how many HTTP requests have been sent to Graph so far, repeated ones included, sign-in not.
func (d *Directory) Requests() int64 { return d.requests.Load() }

// SignInWith changes the credential for the requests to come, and does nothing where it is the same one: so the
// secret may be read at each tick and the token is kept. The error is Misconfigured.
func (d *Directory) SignInWith(c Credential) error {
	if err := c.check(); err != nil {
		return fault.Wrap(fault.Misconfigured, err, "changing the Entra credential")
	}
	d.signer.change(c)
	return nil
}

// SignIn makes sure that there is a token, so that a credential that Entra refuses is told once and at the beginning.
// It costs a request only where no token is cached. Errors: Misconfigured (the credential is wrong), Denied (a policy
// refuses it), Throttled, Unavailable.
func (d *Directory) SignIn(ctx context.Context) error {
	// As the adapter asks: azidentity keeps tokens with and without CAE apart, and would fetch two.
	_, err := d.signer.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{d.scope}, EnableCAE: true})
	return err
}

func ownTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return t
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// parseBase accepts an absolute https URL without a query; http only for Graph on the local machine, which is all
// that the SDK's authentication sends a token to.
func parseBase(name, s string, localHTTP bool) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%s is not a URL: %w", name, err)
	}
	local := localHTTP && u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "https" && !local) {
		return nil, fmt.Errorf("%s is %q: expected an https URL without user, query and fragment", name, u.Redacted())
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

package graph

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/service"
)

// Emulator is one tenant of Microsoft Graph and its Entra sign-in, over HTTP. Make one with New. It is safe for
// concurrent use. It is the service "graph"; Entra is the service "entra" on the same state.
type Emulator struct {
	// Tenant is the directory. Change it by its methods at any time.
	Tenant *Tenant

	clock     clock.Clock
	ids       *idSource
	key       []byte
	base      string
	audiences []string
	anonymous []string
	client    *http.Client
	table     []route

	mu            sync.Mutex
	behaviour     Behaviour
	faults        []*Injected
	meters        map[string]*meter
	spent         Spent
	epoch         int64
	subscriptions map[string]*subscription

	turns [kindsOfRead]atomic.Int64
}

// Option configures New.
type Option func(*settings)

type settings struct {
	seed, tenantID, domain, base string
	audiences, anonymous         []string
	behaviour                    Behaviour
	client                       *http.Client
}

// WithSeed makes every generated id, key and token the same from run to run.
func WithSeed(seed string) Option { return func(s *settings) { s.seed = seed } }

// WithTenant fixes the directory id (a GUID) and the domain.
func WithTenant(id, domain string) Option {
	return func(s *settings) { s.tenantID, s.domain = id, domain }
}

// WithBaseURL is what absolute links begin with ("https://127.0.0.1:8443", without /v1.0) where that is not the
// scheme and host of the request, for example behind a proxy that ends TLS.
func WithBaseURL(url string) Option {
	return func(s *settings) { s.base = strings.TrimRight(url, "/") }
}

// WithAudiences are resources, next to the emulator itself and https://graph.microsoft.com, for which tokens are
// issued and accepted.
func WithAudiences(urls ...string) Option {
	return func(s *settings) { s.audiences = append(s.audiences, urls...) }
}

// WithAnonymous lets a request without Authorization through, as an app that has these permissions. For tests of
// a client that sends no token to an unknown host.
func WithAnonymous(permissions ...string) Option {
	return func(s *settings) { s.anonymous = append([]string{}, permissions...) }
}

// WithBehaviour replaces the defaults.
func WithBehaviour(b Behaviour) Option { return func(s *settings) { s.behaviour = b } }

// WithHTTPClient is who calls a subscription's notification URL; http.DefaultClient otherwise.
func WithHTTPClient(c *http.Client) Option { return func(s *settings) { s.client = c } }

// New is an emulator with an empty tenant.
func New(clk clock.Clock, opts ...Option) *Emulator {
	s := settings{behaviour: Defaults(), client: http.DefaultClient}
	for _, o := range opts {
		o(&s)
	}
	ids := &idSource{seed: s.seed}
	return &Emulator{
		Tenant: newTenant(clk, ids, s.tenantID, s.domain), clock: clk, ids: ids, key: ids.key(), base: s.base,
		audiences: append([]string{"https://graph.microsoft.com"}, s.audiences...), anonymous: s.anonymous,
		client: s.client, behaviour: s.behaviour, meters: map[string]*meter{},
		table:         routes(),
		spent:         Spent{ByOperation: map[string]int{}},
		subscriptions: map[string]*subscription{},
	}
}

// Configure changes the behaviour from the next request on.
func (e *Emulator) Configure(change func(*Behaviour)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.behaviour)
}

// Behaviour is a copy of the present behaviour.
func (e *Emulator) Behaviour() Behaviour {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.behaviour
}

// ExpireDeltaLinks makes every delta and next link of the feeds that was issued so far too old, as maintenance or
// a move of the tenant does.
func (e *Emulator) ExpireDeltaLinks() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.epoch++
}

// Spent is what was asked of Graph so far.
type Spent struct {
	Requests    int // HTTP requests; a batch is one
	Operations  int // operations; each item of a batch is one, the batch itself is none
	Units       int // resource units
	Tokens      int // requests to the token endpoint, not counted above
	ByOperation map[string]int
}

// Spent is a copy of the account.
func (e *Emulator) Spent() Spent {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.spent
	s.ByOperation = maps.Clone(s.ByOperation)
	return s
}

// ResetSpent begins the account anew.
func (e *Emulator) ResetSpent() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spent = Spent{ByOperation: map[string]int{}}
}

// Name is "graph".
func (e *Emulator) Name() string { return "graph" }

// Entra is the same emulator under the name "entra", for a gateway that logs sign-in apart.
func (e *Emulator) Entra() service.Service { return entra{e} }

type entra struct{ *Emulator }

// Name is "entra".
func (entra) Name() string { return "entra" }

// Operation names the call as a template ("GET /groups/{id}/members", "POST /$batch",
// "POST /{tenant}/oauth2/v2.0/token") and the id that it is about, or empty. All spellings of a call have the same
// name. What Graph has no route for is method and path.
func (e *Emulator) Operation(r *http.Request, _ []byte) (operation, resource string) {
	if !isGraph(r.URL.Path) {
		return entraOperation(r)
	}
	rt, id, ok := e.locate(r.Method, graphPath(r.URL.Path))
	if !ok {
		return r.Method + " " + graphPath(r.URL.Path), ""
	}
	return rt.name(), id
}

// ServeHTTP answers Graph under /v1.0 and Entra everywhere else.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isGraph(r.URL.Path) {
		e.serveEntra(w, r)
		return
	}
	c := e.newCall(r)
	var a reply
	if body, why := readBody(r); why != nil {
		a = c.finish(c.refuse(*why))
	} else {
		c.body = body
		e.mu.Lock()
		e.spent.Requests++
		e.mu.Unlock()
		a = c.answer() //nolint:contextcheck // the context is the request's, which c holds
	}
	if a.abort {
		panic(http.ErrAbortHandler) // breaks the connection; net/http does not log it
	}
	a.write(w)
}

// isGraph reports whether a path is of Graph rather than of Entra.
func isGraph(path string) bool {
	return slices.Contains([]string{"v1.0", "beta"}, strings.SplitN(strings.TrimPrefix(path, "/"), "/", 2)[0])
}

func graphPath(path string) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return "/" + rest
}

// Package gateway is the door of the embedded cloud: every call of the real SDK clients comes in here, over real
// HTTP on loopback, is recorded, and is handed to the emulated service that it is meant for.
//
// There are two listeners, each on a free port. The plain one serves AWS: one endpoint for all services, told
// apart by the service name in the SigV4 credential scope, as AWS_ENDPOINT_URL wants it. The one with TLS serves
// Microsoft Graph and Entra too (their SDKs insist on https), under a private CA made at start.
//
// It is also the one place where things go wrong on purpose: Inject makes calls fail in the service's own words
// or breaks their connection, before or after the work was done, and Watch runs a test's code around a call.
//
// It refuses a call that nobody signed, and a service that it does not have. It does not verify signatures, and
// grants every signed caller everything: who may do what is tested against the synthesized IAM policies, not here.
package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/service"
)

// MostBody is the largest request body that is read, in bytes. DynamoDB's own limit is 16 MB.
const MostBody = 16 << 20

// patience is how long Close waits for calls under way before it gives up on them.
const patience = 5 * time.Second

// Options are what a gateway is started with.
type Options struct {
	// Clock dates the log and decides when a fault is in force; nil is clock.System.
	Clock clock.Clock
	// Log takes every call; nil is a new one.
	Log *service.Log
	// Account is the account of a caller whose key nobody registered.
	Account string
}

// Gateway is a running gateway. Use Start.
type Gateway struct {
	clock   clock.Clock
	log     *service.Log
	account string

	plain, secure net.Listener
	servers       []*http.Server
	authority     *authority
	directory     string // holds the CA certificate; removed by Close
	client        *http.Client

	mu       sync.Mutex
	services map[string]service.Service // by the name that AWS signs for
	mounts   []mount
	keys     map[string]service.Caller
	faults   []*Injected
	watchers []*Watcher
	broken   []error // panics of emulated services
	closing  bool
	underway sync.WaitGroup
}

// mount is a service that is found by its path, on the TLS listener alone.
type mount struct {
	prefix  string
	service service.Service
}

// Start opens both listeners on 127.0.0.1 and serves until Close. The error is a port that cannot be opened or a
// file that cannot be written.
func Start(options Options) (*Gateway, error) {
	g := &Gateway{
		clock: options.Clock, log: options.Log, account: options.Account,
		services: map[string]service.Service{}, keys: map[string]service.Caller{},
	}
	if g.clock == nil {
		g.clock = clock.System{}
	}
	if g.log == nil {
		g.log = &service.Log{}
	}
	if err := g.open(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Gateway) open() (err error) {
	if g.authority, err = newAuthority(); err != nil {
		return err
	}
	if g.directory, err = os.MkdirTemp("", "rollcall-gateway-"); err != nil {
		return fmt.Errorf("making a folder for the CA certificate: %w", err)
	}
	if err = os.WriteFile(g.CAFile(), g.authority.certificate, 0o600); err != nil {
		return fmt.Errorf("writing the CA certificate: %w", err)
	}
	if g.plain, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("opening the endpoint of AWS: %w", err)
	}
	if g.secure, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("opening the endpoint with TLS: %w", err)
	}
	g.client = &http.Client{Transport: g.authority.transport()}
	plain, secure := g.server(), g.server()
	secure.TLSConfig = g.authority.server
	g.servers = []*http.Server{plain, secure}
	g.underway.Go(func() { _ = plain.Serve(g.plain) })
	g.underway.Go(func() { _ = secure.ServeTLS(g.secure, "", "") })
	return nil
}

func (g *Gateway) server() *http.Server {
	return &http.Server{Handler: g, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(complaints{}, "", 0)}
}

// complaints prints what net/http complains of, but for handshakes that a client broke off: a fault that breaks
// connections makes plenty of those.
type complaints struct{}

func (complaints) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		return len(line), nil
	}
	return os.Stderr.Write(line)
}

// URL is the endpoint of all AWS services, "http://127.0.0.1:port", without a final slash.
func (g *Gateway) URL() string { return "http://" + g.plain.Addr().String() }

// TLSURL is the endpoint with TLS, "https://127.0.0.1:port": what was mounted, and AWS as well.
func (g *Gateway) TLSURL() string { return "https://" + g.secure.Addr().String() }

// CA is the certificate of the private CA, in PEM. Its key never leaves the process.
func (g *Gateway) CA() []byte { return bytes.Clone(g.authority.certificate) }

// CAFile is where the certificate lies until Close, for SSL_CERT_FILE of a child process.
func (g *Gateway) CAFile() string { return filepath.Join(g.directory, "ca.pem") }

// Client trusts the private CA and nobody else, and uses no proxy. Its connections end with the gateway.
func (g *Gateway) Client() *http.Client { return g.client }

// Log is the log of calls.
func (g *Gateway) Log() *service.Log { return g.log }

// Serve makes services known, each under its Name: a signed call whose scope names it goes there.
func (g *Gateway) Serve(services ...service.Service) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range services {
		g.services[s.Name()] = s
	}
}

// Mount makes a service known on the TLS listener under a path prefix ("/v1.0/"); the longest prefix wins. The
// service sees the whole path.
func (g *Gateway) Mount(prefix string, s service.Service) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mounts = append(g.mounts, mount{prefix, s})
}

// RegisterKey says whose an access key is: its name and account. Region and service come with each call.
func (g *Gateway) RegisterKey(key string, who service.Caller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys[key] = who
}

// Close stops both listeners, breaks every connection, waits up to 5 seconds for calls under way and removes the
// CA file. The error tells of emulated services that panicked, and of calls that did not end. Closing twice is
// fine.
func (g *Gateway) Close() error {
	g.mu.Lock()
	if g.closing {
		g.mu.Unlock()
		return nil
	}
	g.closing = true
	g.mu.Unlock()

	for _, s := range g.servers {
		_ = s.Close() // closes the listener as well; it may be closed already
	}
	for _, l := range []net.Listener{g.plain, g.secure} {
		if l != nil {
			_ = l.Close()
		}
	}
	if g.client != nil {
		g.client.CloseIdleConnections()
	}
	err := g.wait()
	if g.directory != "" {
		err = errors.Join(err, os.RemoveAll(g.directory))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(append(g.broken, err)...)
}

// wait returns when nothing is under way any more, or complains after a while.
func (g *Gateway) wait() error {
	done := make(chan struct{})
	go func() { g.underway.Wait(); close(done) }()
	patience := time.NewTimer(patience)
	defer patience.Stop()
	select {
	case <-done:
		return nil
	case <-patience.C:
		return errors.New("closing the gateway: a call did not end")
	}
}

// ServeHTTP takes one call. The whole answer is made before any of it is sent, so that a watcher can act, and a
// fault can strike, between the two.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.enter() {
		panic(http.ErrAbortHandler)
	}
	defer g.underway.Done()

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MostBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "reading the body: "+err.Error())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))

	who, target, refusal := g.route(r)
	call := service.Call{At: g.clock.Now(), Caller: who.Name, Account: who.Account, Region: who.Region, Service: who.Service}
	r = r.WithContext(service.WithCaller(r.Context(), who))
	if refusal != nil {
		refusal.send(w)
		call.Operation, call.Status = r.Method+" "+r.URL.Path, refusal.status
		g.log.Add(call)
		return
	}
	call.Service = target.Name()
	call.Operation, call.Resource = target.Operation(r, body)
	r.Body = io.NopCloser(bytes.NewReader(body))

	answer := g.take(target, r, &call)
	if answer.dropped {
		panic(http.ErrAbortHandler) // net/http's way to break the connection
	}
	answer.send(w)
}

// enter counts a call in, unless the gateway is closing.
func (g *Gateway) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return false
	}
	g.underway.Add(1)
	return true
}

// take lets the service do the call, with the faults and watchers around it, and records it.
func (g *Gateway) take(target service.Service, r *http.Request, call *service.Call) *answer {
	began := time.Now()
	watchers := g.watching()
	for _, w := range watchers {
		if w.Before != nil {
			w.Before(*call)
		}
	}
	result := &answer{}
	injected, commit := g.strike(*call)
	if commit {
		g.run(result, func(w http.ResponseWriter) { target.ServeHTTP(w, r) })
	}
	switch injected {
	case "":
	case service.DropAnswer, service.DropCall:
		result = &answer{dropped: true}
	default:
		result = &answer{}
		g.run(result, func(w http.ResponseWriter) { target.Refuse(w, r, injected) })
	}
	call.Injected, call.Status, call.Took = injected, result.code(), time.Since(began)
	g.log.Add(*call)
	for _, w := range watchers {
		if w.After != nil {
			w.After(*call)
		}
	}
	return result
}

// run lets a service write its answer. A panic is a defect of the emulator: it is answered with 500, and Close
// reports it, so that it cannot pass for a fault of the service.
func (g *Gateway) run(result *answer, write func(http.ResponseWriter)) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			result.dropped = true
		default:
			g.mu.Lock()
			g.broken = append(g.broken, fmt.Errorf("an emulated service panicked: %v\n%s", cause, debug.Stack()))
			g.mu.Unlock()
			*result = answer{}
			refuse(result, http.StatusInternalServerError, "InternalFailure", fmt.Sprintf("the emulator panicked: %v", cause))
		}
	}()
	write(result)
}

// route says who calls and which service is meant, or how the call is refused.
func (g *Gateway) route(r *http.Request) (service.Caller, service.Service, *answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key, region, name, signed := service.ParseScope(r.Header.Get("Authorization"))
	if !signed {
		return g.mounted(r)
	}
	who, known := g.keys[key]
	if !known {
		who = service.Caller{Name: key, Account: g.account}
	}
	who.Key, who.Region, who.Service = key, region, name
	target := g.services[name]
	if target == nil {
		return who, nil, refused(http.StatusNotFound, "UnknownService",
			fmt.Sprintf("the embedded cloud has no service %q", name))
	}
	return who, target, nil
}

// mounted routes a call without a SigV4 signature.
func (g *Gateway) mounted(r *http.Request) (service.Caller, service.Service, *answer) {
	if r.TLS == nil {
		return service.Caller{}, nil, refused(http.StatusForbidden, "MissingAuthenticationTokenException",
			"this call is not signed: the endpoint of AWS takes calls with a SigV4 Authorization header only")
	}
	var best mount
	for _, m := range g.mounts {
		if strings.HasPrefix(r.URL.Path, m.prefix) && len(m.prefix) > len(best.prefix) {
			best = m
		}
	}
	if best.service == nil {
		return service.Caller{}, nil, refused(http.StatusNotFound, "NotFound",
			"the embedded cloud serves nothing under "+r.URL.Path)
	}
	return service.Caller{Service: best.service.Name()}, best.service, nil
}

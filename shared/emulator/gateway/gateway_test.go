package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/service"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// counter is a service with memory: each call adds one, and the answer says how many there were.
type counter struct {
	name  string
	count atomic.Int32
	seen  atomic.Value // string: caller/account/region and body of the last call
}

func (c *counter) Name() string { return c.name }

func (c *counter) Operation(r *http.Request, body []byte) (string, string) {
	return r.Method + " " + r.URL.Path, string(body)
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	if string(body) == "panic" {
		panic("a defect")
	}
	who := service.CallerOf(r.Context())
	c.seen.Store(who.Name + " " + who.Account + " " + who.Region + " " + string(body))
	c.count.Add(1)
	w.Header().Set("X-Counter", "yes")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "done")
}

func (c *counter) Refuse(w http.ResponseWriter, _ *http.Request, why service.Refusal) {
	w.WriteHeader(map[service.Refusal]int{service.Throttle: 429, service.Unavailable: 503, service.ServerError: 500, service.Deny: 403}[why])
	_, _ = io.WriteString(w, "refused: "+string(why))
}

type stage struct {
	*gateway.Gateway
	clock *clock.Manual
	sqs   *counter
	graph *counter
}

func start(t *testing.T) *stage {
	t.Helper()
	s := &stage{clock: clock.NewManual(noon), sqs: &counter{name: "sqs"}, graph: &counter{name: "graph"}}
	g, err := gateway.Start(gateway.Options{Clock: s.clock, Account: "111122223333"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	s.Gateway = g
	g.Serve(s.sqs)
	g.Mount("/v1.0/", s.graph)
	g.RegisterKey("AKIAPLANNER", service.Caller{Name: "planner", Account: "444455556666"})
	return s
}

// signed is the Authorization header that an SDK would send.
func signed(key, region, name string) string {
	return "AWS4-HMAC-SHA256 Credential=" + key + "/20261123/" + region + "/" + name + "/aws4_request, SignedHeaders=host, Signature=00"
}

func (s *stage) call(t *testing.T, method, url, authorization, body string) (status int, answer string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	response, err := s.Client().Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return response.StatusCode, string(read), err
}

func TestRouting(t *testing.T) {
	planner := signed("AKIAPLANNER", "eu-central-1", "sqs")
	for name, c := range map[string]struct {
		secure        bool
		path          string
		authorization string
		status        int
		answer        string // a part of it
		logged        service.Call
	}{
		"a registered key is known by name and account": {
			authorization: planner, status: 202, answer: "done",
			logged: service.Call{Caller: "planner", Account: "444455556666", Region: "eu-central-1", Service: "sqs", Operation: "POST /", Resource: "hello", Status: 202},
		},
		"AWS is served with TLS too": {
			secure: true, authorization: planner, status: 202, answer: "done",
			logged: service.Call{Caller: "planner", Account: "444455556666", Region: "eu-central-1", Service: "sqs", Operation: "POST /", Resource: "hello", Status: 202},
		},
		"another key is called by itself, in the home account": {
			authorization: signed("AKIASOMEONE", "us-east-1", "sqs"), status: 202, answer: "done",
			logged: service.Call{Caller: "AKIASOMEONE", Account: "111122223333", Region: "us-east-1", Service: "sqs", Operation: "POST /", Resource: "hello", Status: 202},
		},
		"a call that nobody signed": {
			status: 403, answer: "MissingAuthenticationTokenException",
			logged: service.Call{Operation: "POST /", Status: 403},
		},
		"a bearer token is no signature": {
			authorization: "Bearer x", status: 403, answer: "not signed",
			logged: service.Call{Operation: "POST /", Status: 403},
		},
		"a service that is not there": {
			authorization: signed("AKIAPLANNER", "eu-central-1", "kms"), status: 404, answer: `no service \"kms\"`,
			logged: service.Call{Caller: "planner", Account: "444455556666", Region: "eu-central-1", Service: "kms", Operation: "POST /", Status: 404},
		},
		"Graph by its path": {
			secure: true, path: "/v1.0/groups", authorization: "Bearer x", status: 202, answer: "done",
			logged: service.Call{Service: "graph", Operation: "POST /v1.0/groups", Resource: "hello", Status: 202},
		},
		"Graph is not served without TLS": {
			path: "/v1.0/groups", authorization: "Bearer x", status: 403, answer: "not signed",
			logged: service.Call{Operation: "POST /v1.0/groups", Status: 403},
		},
		"nothing is served under another path": {
			secure: true, path: "/elsewhere", status: 404, answer: "/elsewhere",
			logged: service.Call{Operation: "POST /elsewhere", Status: 404},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			base := s.URL()
			if c.secure {
				base = s.TLSURL()
			}
			status, answer, err := s.call(t, http.MethodPost, base+path(c.path), c.authorization, "hello")
			if err != nil || status != c.status || !strings.Contains(answer, c.answer) {
				t.Errorf("got %d %q, %v; want %d with %q", status, answer, err, c.status, c.answer)
			}
			c.logged.At = noon
			if diff := cmp.Diff([]service.Call{c.logged}, s.Log().Since(0), cmpopts.IgnoreFields(service.Call{}, "Took")); diff != "" {
				t.Errorf("log: %s", diff)
			}
		})
	}
}

func TestTheServiceSeesCallerAndBody(t *testing.T) {
	s := start(t)
	if _, _, err := s.call(t, http.MethodPost, s.URL(), signed("AKIAPLANNER", "eu-west-1", "sqs"), "the body"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.sqs.seen.Load(), "planner 444455556666 eu-west-1 the body"; got != want {
		t.Errorf("the service saw %q, want %q", got, want)
	}
}

func TestFaults(t *testing.T) {
	const broken = 0
	for name, c := range map[string]struct {
		fault  gateway.Fault
		before time.Duration // the clock moves before the calls
		want   []int         // statuses of three calls
		done   int32         // how many the service did
	}{
		"throttled for good":       {gateway.Fault{Why: service.Throttle}, 0, []int{429, 429, 429}, 0},
		"twice":                    {gateway.Fault{Why: service.Unavailable, Times: 2}, 0, []int{503, 503, 202}, 1},
		"the second call only":     {gateway.Fault{Why: service.ServerError, Skip: 1, Times: 1}, 0, []int{202, 500, 202}, 2},
		"done, then refused":       {gateway.Fault{Why: service.ServerError, AfterCommit: true, Times: 1}, 0, []int{500, 202, 202}, 3},
		"done, but no answer":      {gateway.Fault{Why: service.DropAnswer, Times: 1}, 0, []int{broken, 202, 202}, 3},
		"broken before":            {gateway.Fault{Why: service.DropCall, Times: 1}, 0, []int{broken, 202, 202}, 2},
		"by service and operation": {gateway.Fault{Service: "sqs", Operation: "POST *", Why: service.Deny, Times: 1}, 0, []int{403, 202, 202}, 2},
		"a star crosses slashes":   {gateway.Fault{Operation: "POST /*/messages", Why: service.Deny, Times: 1}, 0, []int{403, 202, 202}, 2},
		"another service":          {gateway.Fault{Service: "graph", Why: service.Deny}, 0, []int{202, 202, 202}, 3},
		"another operation":        {gateway.Fault{Operation: "GET *", Why: service.Deny}, 0, []int{202, 202, 202}, 3},
		"another account":          {gateway.Fault{Account: "111122223333", Why: service.Deny}, 0, []int{202, 202, 202}, 3},
		"another Region":           {gateway.Fault{Region: "us-east-1", Why: service.Deny}, 0, []int{202, 202, 202}, 3},
		"another caller":           {gateway.Fault{Caller: "worker", Why: service.Deny}, 0, []int{202, 202, 202}, 3},
		"another resource":         {gateway.Fault{Resource: "x*", Why: service.Deny}, 0, []int{202, 202, 202}, 3},
		"not yet":                  {gateway.Fault{From: noon.Add(time.Second), Why: service.Deny}, 0, []int{202, 202, 202}, 3},
		"from then on":             {gateway.Fault{From: noon.Add(time.Second), Why: service.Deny}, time.Second, []int{403, 403, 403}, 0},
		"not any more":             {gateway.Fault{Until: noon.Add(time.Second), Why: service.Deny}, time.Second, []int{202, 202, 202}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			injected, err := s.Inject(c.fault)
			if err != nil {
				t.Fatal(err)
			}
			s.clock.Advance(c.before)
			struck := 0
			for i, want := range c.want {
				status, _, err := s.call(t, http.MethodPost, s.URL()+"/queue/1/messages", signed("AKIAPLANNER", "eu-central-1", "sqs"), "m")
				if (err != nil) != (want == broken) || status != want {
					t.Errorf("call %d: %d, %v; want %d", i, status, err, want)
				}
				logged := s.Log().Since(i)[0]
				if logged.Status != want || (logged.Injected != "") != (want != 202) {
					t.Errorf("call %d is logged as %+v", i, logged)
				}
				if want != 202 {
					struck++
				}
			}
			if got := s.sqs.count.Load(); got != c.done {
				t.Errorf("the service did %d calls, want %d", got, c.done)
			}
			if injected.Count() != struck {
				t.Errorf("the fault struck %d times, want %d", injected.Count(), struck)
			}
		})
	}
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	s := start(t)
	for name, f := range map[string]gateway.Fault{
		"no refusal":              {},
		"an unknown refusal":      {Why: "explode"},
		"a malformed glob":        {Operation: "[", Why: service.Deny},
		"dropped before and done": {Why: service.DropCall, AfterCommit: true},
	} {
		if _, err := s.Inject(f); err == nil {
			t.Errorf("%s: injected", name)
		}
	}
}

func TestARemovedFaultStrikesNobody(t *testing.T) {
	s := start(t)
	injected, err := s.Inject(gateway.Fault{Why: service.Deny})
	if err != nil {
		t.Fatal(err)
	}
	injected.Remove()
	if status, _, err := s.call(t, http.MethodPost, s.URL(), signed("K", "r", "sqs"), ""); err != nil || status != 202 {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestAWatcherActsBetweenWorkAndAnswer(t *testing.T) {
	s := start(t)
	ctx, kill := context.WithCancel(t.Context())
	var before, after service.Call
	var doneBefore, doneAfter int32
	stop := s.Watch(gateway.Watcher{
		Before: func(c service.Call) { before, doneBefore = c, s.sqs.count.Load() },
		After:  func(c service.Call) { after, doneAfter = c, s.sqs.count.Load(); kill() },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL(), strings.NewReader("m"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", signed("AKIAPLANNER", "eu-central-1", "sqs"))
	if response, err := s.Client().Do(r); err == nil {
		// The caller was killed while the answer was held; it may still have come through in time.
		response.Body.Close()
	}
	if before.Operation != "POST /" || before.Status != 0 || doneBefore != 0 {
		t.Errorf("before: %+v with %d done", before, doneBefore)
	}
	if after.Operation != "POST /" || after.Status != 202 || doneAfter != 1 {
		t.Errorf("after: %+v with %d done", after, doneAfter)
	}
	stop()
	before = service.Call{}
	if _, _, err := s.call(t, http.MethodPost, s.URL(), signed("K", "r", "sqs"), ""); err != nil {
		t.Fatal(err)
	}
	if before.Operation != "" {
		t.Error("a watcher that was taken away still watches")
	}
}

func TestAPanicIsADefectAndReported(t *testing.T) {
	s := start(t)
	status, answer, err := s.call(t, http.MethodPost, s.URL(), signed("K", "r", "sqs"), "panic")
	if err != nil || status != 500 || !strings.Contains(answer, "a defect") {
		t.Errorf("got %d %q, %v", status, answer, err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "a defect") {
		t.Errorf("closing says %v", err)
	}
}

func TestABodyThatIsTooLargeIsNotHandedOn(t *testing.T) {
	s := start(t)
	status, _, err := s.call(t, http.MethodPost, s.URL(), signed("K", "r", "sqs"), strings.Repeat("x", gateway.MostBody+1))
	// net/http may break the connection before the client has read the refusal: either way, it failed.
	if (err == nil && status != http.StatusRequestEntityTooLarge) || s.sqs.count.Load() != 0 {
		t.Errorf("got %d, %v, and the service did %d calls", status, err, s.sqs.count.Load())
	}
}

func TestTLS(t *testing.T) {
	s := start(t)
	if file, err := os.ReadFile(s.CAFile()); err != nil || !bytes.Equal(file, s.CA()) || !bytes.Contains(file, []byte("BEGIN CERTIFICATE")) {
		t.Errorf("the CA file holds %q, %v", file, err)
	}
	localhost := strings.Replace(s.TLSURL(), "127.0.0.1", "localhost", 1)
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CertPool()}, DisableKeepAlives: true}}
	response, err := trusting.Get(localhost + "/v1.0/me")
	if err != nil {
		t.Fatal("localhost:", err)
	}
	response.Body.Close()
	stranger := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if _, err := stranger.Get(s.TLSURL()); err == nil {
		t.Error("a client that does not know the CA trusts it")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := start(t)
	for _, base := range []string{s.URL(), s.TLSURL()} {
		if _, _, err := s.call(t, http.MethodPost, base, signed("K", "r", "sqs"), ""); err != nil {
			t.Fatal(err)
		}
	}
	file := s.CAFile()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error("closing twice:", err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the CA file is left: %v", err)
	}
	if _, _, err := s.call(t, http.MethodPost, s.URL(), signed("K", "r", "sqs"), ""); err == nil {
		t.Error("still served after Close")
	}
}

func path(p string) string {
	if p == "" {
		return "/"
	}
	return p
}

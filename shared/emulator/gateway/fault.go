package gateway

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"rollcall/shared/emulator/service"
)

// Fault is something that goes wrong on purpose. Empty fields match every call.
type Fault struct {
	Service   string // as in service.Service's Name
	Operation string // a glob: "CreateWorkspaces", "Describe*", "GET /groups/*/members"; a * crosses slashes
	Resource  string // a glob
	Caller    string // the caller's name
	Account   string
	Region    string

	// Why is how the call fails; it must be set.
	Why service.Refusal
	// AfterCommit lets the service do the call before it is refused. DropAnswer always does, DropCall never.
	AfterCommit bool

	// From and Until bound the fault on the gateway's clock: from From on, before Until. Zero: no bound.
	From, Until time.Time
	// Skip lets that many matching calls through first.
	Skip int
	// Times is how many calls fail; zero: all of them.
	Times int
}

// Injected is a fault in force. Use Gateway.Inject.
type Injected struct {
	fault Fault

	mu      sync.Mutex
	matched int
	struck  int
	removed bool
}

// Count is how many calls it has struck. A test asks, lest it proves nothing.
func (i *Injected) Count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.struck
}

// Remove ends the fault.
func (i *Injected) Remove() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.removed = true
}

// Inject puts a fault in force. Of several that match a call, the one injected first strikes. The error is a
// missing or unknown Why, or a malformed glob.
//
// Mind that net/http itself repeats a GET whose reused connection broke before any answer: a DropCall that is to
// be seen by the caller needs Times of 2 or more there.
func (g *Gateway) Inject(f Fault) (*Injected, error) {
	known := []service.Refusal{
		service.Throttle, service.Unavailable, service.ServerError, service.Deny,
		service.DropAnswer, service.DropCall,
	}
	if !slices.Contains(known, f.Why) {
		return nil, fmt.Errorf("injecting a fault: there is no refusal %q", f.Why)
	}
	if f.Why == service.DropCall && f.AfterCommit {
		return nil, errors.New("injecting a fault: a dropped call is never done; use DropAnswer")
	}
	for _, glob := range []string{f.Operation, f.Resource} {
		if _, err := path.Match(glob, ""); err != nil {
			return nil, fmt.Errorf("injecting a fault: glob %q: %w", glob, err)
		}
	}
	i := &Injected{fault: f}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, i)
	return i, nil
}

// strike is the refusal for a call, empty for none, and whether the service does the call.
func (g *Gateway) strike(call service.Call) (why service.Refusal, commit bool) {
	g.mu.Lock()
	faults := slices.Clone(g.faults)
	g.mu.Unlock()
	for _, i := range faults {
		if i.strikes(call) {
			return i.fault.Why, i.fault.AfterCommit || i.fault.Why == service.DropAnswer
		}
	}
	return "", true
}

// strikes reports whether the fault takes this call, and counts it.
func (i *Injected) strikes(call service.Call) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.fault
	if i.removed || !f.matches(call) || (f.Times > 0 && i.struck >= f.Times) {
		return false
	}
	i.matched++
	if i.matched <= f.Skip {
		return false
	}
	i.struck++
	return true
}

func (f Fault) matches(call service.Call) bool {
	return same(f.Service, call.Service) && same(f.Caller, call.Caller) &&
		same(f.Account, call.Account) && same(f.Region, call.Region) &&
		globs(f.Operation, call.Operation) && globs(f.Resource, call.Resource) &&
		(f.From.IsZero() || !call.At.Before(f.From)) && (f.Until.IsZero() || call.At.Before(f.Until))
}

func same(want, got string) bool { return want == "" || want == got }

// globs is path.Match with a * that crosses slashes. The pattern was checked by Inject.
func globs(glob, name string) bool {
	if glob == "" {
		return true
	}
	flat := strings.NewReplacer("/", "\x00")
	matched, _ := path.Match(flat.Replace(glob), flat.Replace(name))
	return matched
}

// Watcher is a test's code around every call. Before runs before the service does anything; After when the
// service is done and the call is in the log, while the caller still waits for the answer. They run on the call's
// own goroutine, several at a time, and may block: that holds the call.
type Watcher struct {
	Before, After func(service.Call)
}

// Watch adds a watcher, and returns how to take it away. Calls under way keep it.
func (g *Gateway) Watch(w Watcher) (stop func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	added := &w
	g.watchers = append(g.watchers, added)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.watchers = slices.DeleteFunc(slices.Clone(g.watchers), func(other *Watcher) bool { return other == added })
	}
}

func (g *Gateway) watching() []*Watcher {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.watchers)
}

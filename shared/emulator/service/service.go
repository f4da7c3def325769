// Package service is what every emulated service of the embedded cloud has in common: who calls, what a call is,
// how a service refuses, and the log of calls.
//
// The embedded cloud exists so that everything runs on one machine, with the real SDK clients over real HTTP. An
// emulator keeps state, speaks the service's own error shapes, enforces its documented limits (facts with sources
// stand in each emulator's package) and takes its time from a clock. It refuses what the service refuses; where
// the service's behaviour is unknown, it has a switch and says so.
package service

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Service is one emulated service. The gateway calls Operation for the log, Refuse for an injected fault, and
// ServeHTTP for everything else. The body has been read and put back when these are called.
type Service interface {
	http.Handler
	// Name is the service as AWS signs for it ("workspaces", "sqs", "dynamodb", "secretsmanager", "ec2", "sts"),
	// or "graph" and "entra".
	Name() string
	// Operation names the call ("CreateWorkspaces", "GET /groups/{id}/members") and the resource it is about
	// (an id, a name, or empty).
	Operation(r *http.Request, body []byte) (operation, resource string)
	// Refuse answers as the service does when it refuses in that way.
	Refuse(w http.ResponseWriter, r *http.Request, why Refusal)
}

// Refusal is a way in which any service may refuse a call.
type Refusal string

// The refusals that the gateway can inject.
const (
	Throttle    Refusal = "throttle"    // 429, or 400 ThrottlingException
	Unavailable Refusal = "unavailable" // 503
	ServerError Refusal = "error"       // 500
	Deny        Refusal = "deny"        // 403, or 400 AccessDeniedException
	DropAnswer  Refusal = "drop"        // done, but the connection breaks before the answer
	DropCall    Refusal = "refuse"      // the connection breaks before anything is done
)

// Caller is who signed an AWS request, read from the credential scope of its SigV4 Authorization header. The
// signature itself is not verified.
type Caller struct {
	Name    string // which of our functions ("planner", "worker"), or the access key id
	Account string // 12 digits
	Region  string
	Service string // as signed
	Key     string // access key id
}

type callerKey struct{}

// WithCaller puts c into ctx.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is the caller of a request that came through the gateway, or the zero Caller.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// ParseScope reads the credential scope of a SigV4 Authorization header:
// "AWS4-HMAC-SHA256 Credential=KEY/20261123/eu-central-1/sqs/aws4_request, …".
func ParseScope(authorization string) (key, region, name string, ok bool) {
	_, rest, found := strings.Cut(authorization, "Credential=")
	if !found {
		return "", "", "", false
	}
	scope, _, _ := strings.Cut(rest, ",")
	part := strings.Split(strings.TrimSpace(scope), "/")
	if len(part) != 5 {
		return "", "", "", false
	}
	return part[0], part[2], part[3], true
}

// Call is one line of the log.
type Call struct {
	At        time.Time     `json:"at"`
	Caller    string        `json:"caller"`
	Account   string        `json:"account,omitempty"`
	Region    string        `json:"region,omitempty"`
	Service   string        `json:"service"`
	Operation string        `json:"operation"`
	Resource  string        `json:"resource,omitempty"`
	Status    int           `json:"status"` // HTTP status; 0 where the answer was dropped
	Injected  Refusal       `json:"injected,omitempty"`
	Took      time.Duration `json:"-"`
}

// Log keeps every call in order. Its zero value is ready; it is safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	calls []Call
}

// Add appends a call.
func (l *Log) Add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

// Since is a copy of the calls from the n-th on (0: all).
func (l *Log) Since(n int) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Call(nil), l.calls[min(n, len(l.calls)):]...)
}

// Len is how many calls there are.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls)
}

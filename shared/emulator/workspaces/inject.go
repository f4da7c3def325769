package workspaces

import (
	"math"
	"strings"
	"time"
)

// bucket is a token bucket on the clock.
type bucket struct {
	tokens float64
	at     time.Time
}

// admit takes a token for a call; false is a throttled call, which takes none.
func (l *Lane) admit(operation string, now time.Time) bool {
	if l.knobs.Rate <= 0 {
		return true
	}
	name := ""
	if l.knobs.ThrottlePerOperation {
		name = operation
	}
	b := l.buckets[name]
	if b == nil {
		b = &bucket{tokens: float64(l.knobs.Burst), at: now}
		l.buckets[name] = b
	}
	b.tokens = math.Min(float64(l.knobs.Burst), b.tokens+now.Sub(b.at).Seconds()*l.knobs.Rate)
	b.at = now
	// A token that is a billionth short has been waited for: the clock's fractions do not add up exactly.
	if b.tokens < 1-1e-9 {
		l.throttled++
		return false
	}
	b.tokens--
	return true
}

type injectionKind int

const (
	failCall injectionKind = iota
	dropAnswer
	failItem
	failLaunch
)

// injection is something that goes wrong, a number of times.
type injection struct {
	kind     injectionKind
	on       string // operation or user name; empty is any
	left     int    // negative is for ever
	status   int
	failure  Failure
	noSubnet bool
}

// LaunchFailure is how a WorkSpace ends that was accepted.
type LaunchFailure struct {
	Failure
	// NoSubnet leaves the WorkSpace without a SubnetId, an address and a computer name.
	NoSubnet bool
}

// FailCalls refuses the next n calls of an operation (empty: of any; n below zero: all from now on) with HTTP
// status 400 and a code. Nothing is done.
func (l *Lane) FailCalls(operation string, n int, f Failure) {
	l.inject(injection{kind: failCall, on: operation, left: n, status: 400, failure: f})
}

// DropAnswers breaks the connection of the next n calls of an operation (empty: of any) after they have been done:
// what was asked for exists, and the caller does not know.
func (l *Lane) DropAnswers(operation string, n int) {
	l.inject(injection{kind: dropAnswer, on: operation, left: n})
}

// FailItems refuses the next n CreateWorkspaces items of a user name (empty: of anyone) with a per-item code.
func (l *Lane) FailItems(user string, n int, f Failure) {
	l.inject(injection{kind: failItem, on: user, left: n, failure: f})
}

// FailLaunches lets the next n WorkSpaces of a user name (empty: of anyone) be accepted and end in state ERROR.
func (l *Lane) FailLaunches(user string, n int, f LaunchFailure) {
	l.inject(injection{kind: failLaunch, on: user, left: n, failure: f.Failure, noSubnet: f.NoSubnet})
}

// NoAddress is the failure of a WorkSpace whose subnet is full: the known message, and no SubnetId.
func (l *Lane) NoAddress() LaunchFailure { return LaunchFailure{l.Knobs().NoAddress, true} }

// Heal takes back everything that was still to go wrong.
func (l *Lane) Heal() { l.with(func(time.Time) { l.injections = nil }) }

func (l *Lane) inject(i injection) {
	if i.left == 0 {
		return
	}
	l.with(func(time.Time) { l.injections = append(l.injections, &i) })
}

// injected is the first thing of a kind that is to go wrong on that operation or user, counted down; or nil.
func (l *Lane) injected(kind injectionKind, on string) *injection {
	for n, i := range l.injections {
		if i.kind != kind || (i.on != "" && !strings.EqualFold(i.on, on)) {
			continue
		}
		if i.left > 0 {
			i.left--
		}
		if i.left == 0 {
			l.injections = append(l.injections[:n:n], l.injections[n+1:]...)
		}
		return i
	}
	return nil
}

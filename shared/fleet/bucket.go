package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"

	"rollcall/shared/awsfault"
	"rollcall/shared/clock"
)

// bucket is the account's limiter: a token bucket that starts empty, because what the last invocation left is not
// known. One attempt at a time waits in it, so calls start in turn; they overlap once they have started.
//
// When the service throttles all the same, somebody else is calling too (the console, Terraform, a dashboard): the
// rate is halved and a second passes before the next attempt; each success gives a little of it back.
type bucket struct {
	clock clock.Clock
	turn  chan struct{} // holds one element: who has it may look at the rest

	full     float64       // the configured rate, attempts a second
	rate     float64       // the rate now
	next     time.Time     // when the next attempt may start
	burst    time.Duration // how far next may lie in the past: the attempts saved up
	slowedAt time.Time
}

const (
	slowest  = 0.1              // attempts a second, however often we are throttled
	recovery = 0.05             // attempts a second that a success gives back
	pause    = time.Second      // after a throttle
	patience = 30 * time.Second // for one attempt's answer
	// saved is how many attempts may be saved up. With the rate below the service's own two a second and its burst
	// of five, this many never add up to a throttle.
	saved = 2
)

func newBucket(c clock.Clock, rate float64) *bucket {
	b := &bucket{clock: c, turn: make(chan struct{}, 1), full: rate, rate: rate}
	b.next = c.Now().Add(b.interval())
	b.burst = (saved - 1) * b.interval()
	b.turn <- struct{}{}
	return b
}

func (b *bucket) interval() time.Duration { return time.Duration(float64(time.Second) / b.rate) }

// errNoTime says that an attempt was not made: its turn would have come after the end of the context.
var errNoTime = errors.New("no time is left to wait for the lane's rate")

// wait returns when an attempt may start. An attempt whose turn would come too late is refused at once.
func (b *bucket) wait(ctx context.Context) error {
	select {
	case <-b.turn:
		defer func() { b.turn <- struct{}{} }()
	case <-ctx.Done():
		return errors.Join(errNoTime, ctx.Err())
	}
	if end, ok := ctx.Deadline(); ok && b.next.After(end) {
		return errNoTime
	}
	if b.next.After(b.clock.Now()) {
		if err := b.clock.SleepUntil(ctx, b.next); err != nil {
			return errors.Join(errNoTime, err)
		}
	}
	if earliest := b.clock.Now().Add(-b.burst); b.next.Before(earliest) {
		b.next = earliest
	}
	b.next = b.next.Add(b.interval())
	return nil
}

// learn adapts the rate to how an attempt that began at start went.
func (b *bucket) learn(start time.Time, err error) {
	<-b.turn
	defer func() { b.turn <- struct{}{} }()
	now := b.clock.Now()
	switch {
	case err == nil:
		b.rate = min(b.rate+recovery, b.full)
	case throttled(err):
		if start.After(b.slowedAt) { // several attempts in flight are throttled together: slow down once
			b.rate, b.slowedAt = max(b.rate/2, slowest), now
		}
		if b.next.Before(now.Add(pause)) {
			b.next = now.Add(pause)
		}
	}
}

// addTo puts the bucket behind the SDK's retry loop and before the signature, so that every attempt passes it and
// is signed when it is sent.
func (b *bucket) addTo(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("rollcall:bucket",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
			middleware.FinalizeOutput, middleware.Metadata, error,
		) {
			if err := b.wait(ctx); err != nil {
				return middleware.FinalizeOutput{}, middleware.Metadata{}, err
			}
			start := b.clock.Now()
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			out, meta, err := next.HandleFinalize(ctx, in)
			b.learn(start, err)
			return out, meta, err
		}), "Retry", middleware.After)
}

// throttled reports whether the service refused for the rate alone.
func throttled(err error) bool {
	failure := awsfault.Read(err)
	if failure.Refusal == nil {
		return failure.Status == 429
	}
	_, known := retry.DefaultThrottleErrorCodes[failure.Code()]
	return known
}

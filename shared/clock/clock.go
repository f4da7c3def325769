// Package clock is the time that rollcall is told.
//
// Nothing in rollcall reads the machine's clock by itself: the plan is given an instant, and what must wait
// (the worker's limiter, a back-off) waits through a Clock. A deployed function is given System; the embedded
// cloud and the tests are given a Manual one, so that a month of ticks runs in seconds and a test never sleeps.
package clock

import (
	"context"
	"sync"
	"time"
)

// Clock tells the time and waits for it.
type Clock interface {
	// Now is the present instant, in UTC.
	Now() time.Time
	// SleepUntil returns nil at instant t (at once where t is past), or ctx.Err() if ctx ends first.
	SleepUntil(ctx context.Context, t time.Time) error
}

// System is the machine's clock.
type System struct{}

// Now is the present instant, in UTC.
func (System) Now() time.Time { return time.Now().UTC() }

// SleepUntil waits for t or for the end of ctx, whichever comes first.
func (System) SleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Manual is a clock that stands still until it is moved. Who sleeps on it moves it: SleepUntil(t) sets the
// clock forward to t and returns, so waiting costs nothing and parallel sleepers share one time line.
// It never runs backwards. Use NewManual.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual is a Manual clock that stands at start.
func NewManual(start time.Time) *Manual { return &Manual{now: start.UTC()} }

// Now is where the clock stands.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Advance moves the clock forward by d; a negative d does nothing.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d > 0 {
		m.now = m.now.Add(d)
	}
}

// SleepUntil moves the clock to t unless it is already past it. The error is ctx.Err() where ctx has ended.
func (m *Manual) SleepUntil(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.After(m.now) {
		m.now = t.UTC()
	}
	return nil
}

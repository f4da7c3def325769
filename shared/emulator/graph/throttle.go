package graph

import (
	"time"
)

// Resource units that an app may use in a tenant, in 10 seconds, by the tenant's size.
// https://learn.microsoft.com/graph/throttling-limits (identity and access)
const (
	unitsSmall  = 3500 // under 50 users
	unitsMedium = 5000 // 50 to 500
	unitsLarge  = 8000 // above
	unitsWindow = 10 * time.Second
)

// meter is what one app has left: a bucket that fills at the limit's rate.
type meter struct {
	left   float64
	at     time.Time
	second time.Time // the second that requests are counted in
	asked  int
	load   float64 // the last share of the limit that was in use
}

func (e *Emulator) limit(b Behaviour) int {
	if b.UnitsPer10s != 0 {
		return b.UnitsPer10s
	}
	switch n := e.Tenant.size(); {
	case n < 50:
		return unitsSmall
	case n <= 500:
		return unitsMedium
	}
	return unitsLarge
}

// size is about how many users there are: deleted ones count.
func (t *Tenant) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.everyone.n
}

// throttle takes the call's units from its app's bucket, or refuses with the time after which there are enough.
func (e *Emulator) throttle(c *call) *refusal {
	limit := float64(e.limit(c.b))
	now := e.clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.meters[c.who.app]
	if m == nil {
		m = &meter{left: limit, at: now}
		e.meters[c.who.app] = m
	}
	if !now.Before(m.second.Add(time.Second)) {
		m.second, m.asked = now, 0
	}
	m.asked++
	if c.b.RequestsPerSecond > 0 && m.asked > c.b.RequestsPerSecond {
		return throttled(time.Second, "RequestLimitExceeded")
	}
	if limit < 0 {
		m.load = 0
		e.spent.Units += c.units
		return nil
	}
	m.left = min(limit, m.left+now.Sub(m.at).Seconds()*limit/unitsWindow.Seconds())
	m.at = now
	if need := float64(c.units) - m.left; need > 0 {
		m.load = 1.0 + need/limit
		return throttled(time.Duration(need/limit*float64(unitsWindow))+time.Second, "ResourceUnitLimitExceeded")
	}
	m.left -= float64(c.units)
	m.load = 1 - m.left/limit
	e.spent.Units += c.units
	return nil
}

// load is the share of its limit that an app uses.
func (e *Emulator) load(app string) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.meters[app]; m != nil {
		return m.load
	}
	return 0
}

func (e *Emulator) count(operation string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spent.ByOperation[operation]++
	if operation != "POST /$batch" {
		e.spent.Operations++
	}
}

// Package lease is the planner's lease as a value: only one planner writes at a time.
//
// A lease outlives the function's timeout, so a planner that was killed cannot come back while another holds it;
// and each acquisition has a higher generation, which every write of the planner carries and the ledger checks, so
// that a slow old holder cannot overwrite what a newer one wrote.
package lease

import (
	"fmt"
	"time"

	"rollcall/shared/fault"
)

// Lease is held from Since until Until, unless it is released before.
type Lease struct {
	Generation int64     `json:"generation"`
	Holder     string    `json:"holder"` // "schedule run 4f2a…", "manual run by ada@example.com"
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
}

// HeldError says that somebody else holds the lease. Its fault kind is Conflict.
type HeldError struct{ Lease Lease }

// Error says who holds the lease, since when, and when it ends at the latest.
func (e *HeldError) Error() string {
	return fmt.Sprintf("another run is at work: %s, since %s, until %s at the latest",
		e.Lease.Holder, e.Lease.Since.Format(time.RFC3339), e.Lease.Until.Format(time.RFC3339))
}

// Unwrap gives the error its kind.
func (e *HeldError) Unwrap() error {
	return &fault.Error{Kind: fault.Conflict, Message: "the lease is held", Advice: "Wait for it to end, then try again"}
}

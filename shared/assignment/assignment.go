// Package assignment is what rollcall believes of one person in one slot: the ledger's item as a value, its
// statuses, and every way from one status to another.
//
// The transitions are pure functions from one Assignment to the next, so the planner, the worker and the tests
// share them; the ledger writes "this before, that after" under a condition and knows none of the rules.
//
// It refuses two things: an outcome for an attempt that is no longer the assignment's (ErrStale), and a second
// WorkSpace id for an assignment that has one (ErrSecondDesktop).
package assignment

import (
	"slices"
	"time"

	"rollcall/shared/desktop"
)

// Key names an assignment: one desktop per person per slot, across profiles, directories, Regions and accounts.
type Key struct {
	Person string `json:"person"` // Entra object id
	Slot   string `json:"slot"`
}

// String is "person/slot".
func (k Key) String() string { return k.Person + "/" + k.Slot }

// Status is where an assignment stands, in the words administrators know.
type Status string

// The statuses. An item exists for every member ever seen, entitled or not, so that nobody drops out of sight.
const (
	NotEntitled         Status = "NotEntitled"         // a member, but not eligible, or no member any more; has no desktop
	Held                Status = "Held"                // should have a desktop; a safety stage holds it back
	Requested           Status = "Requested"           // a create is on its way to the worker or in its hands
	Provisioning        Status = "Provisioning"        // WorkSpaces has accepted; the desktop is being made
	Provisioned         Status = "Provisioned"         // the person has a desktop
	Failed              Status = "Failed"              // the create failed; Reason says why, Due when it is tried again
	WaitingForDirectory Status = "WaitingForDirectory" // not in AD yet: quiet retries
	InGrace             Status = "InGrace"             // left; the desktop stays until the grace period ends
	Deprovisioning      Status = "Deprovisioning"      // the desktop is being terminated
	Deprovisioned       Status = "Deprovisioned"       // it is gone, by our doing
	Foreign             Status = "Foreign"             // the person has a desktop that is not ours: left alone
	Missing             Status = "Missing"             // ours, but gone, and not by our doing
)

// Statuses are all of them, in the order of a table for people.
var Statuses = []Status{
	Provisioned, Provisioning, Requested, Held, WaitingForDirectory, Failed, Foreign,
	InGrace, Deprovisioning, Missing, NotEntitled, Deprovisioned,
}

// HasDesktop reports whether a WorkSpace that is ours exists, or is believed to.
func (s Status) HasDesktop() bool {
	return slices.Contains([]Status{Provisioning, Provisioned, InGrace, Deprovisioning}, s)
}

// HoldsDesktop reports whether a WorkSpace that is ours exists, or is believed to: one that failed to come up, or is
// slow to, is there all the same.
func (a Assignment) HoldsDesktop() bool { return a.Status.HasDesktop() || a.WorkSpace != "" }

// InFlight reports whether a create is under way: it takes a place of its profile's rollout limit.
func (s Status) InFlight() bool { return s == Requested || s == Provisioning }

// Intent is what the worker is asked to do, or nothing.
type Intent string

// The intents.
const (
	NoIntent Intent = ""
	Create   Intent = "create"
	Check    Intent = "check"
)

// Reason says why an assignment stands where it does: a code to count by and a sentence for a person.
type Reason struct {
	Code string `json:"code,omitempty"`
	Text string `json:"text,omitempty"`
}

// Assignment is the ledger's item for a person and slot. Times are UTC; a zero time means "none".
type Assignment struct {
	Key
	Status Status `json:"status"`
	Reason Reason `json:"reason,omitzero"`

	// What Entra said of the person when last read, for people to read; decisions ask again.
	UPN         string `json:"userPrincipalName,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	// UserName is the WorkSpaces user name. Fixed from the first request on; a rename is reported, not followed.
	UserName string `json:"userName,omitempty"`

	// Profile is the one that counts; Entitled are all that entitle the person in this slot, by priority.
	Profile        string   `json:"profile,omitempty"`
	ProfileVersion string   `json:"profileVersion,omitempty"`
	Entitled       []string `json:"entitled,omitempty"`

	Lane      desktop.Lane `json:"lane,omitzero"`
	Directory string       `json:"directory,omitempty"` // chosen before the call, kept on redelivery
	Choice    string       `json:"choice,omitempty"`    // why that directory, with its numbers
	WorkSpace string       `json:"workspace,omitempty"` // ws-…

	// Intent and Attempt fence the worker: an order counts only while both match. Attempt changes only with the
	// intent or with a recorded outcome; Send counts how often the same attempt was put on the queue.
	Intent  Intent    `json:"intent,omitempty"`
	Attempt int       `json:"attempt"`
	Send    int       `json:"send,omitempty"`
	Claimed time.Time `json:"claimed,omitzero"` // when a worker took this attempt up
	// Called is when WorkSpaces was last called for this attempt without its being known since that the call left
	// nothing: a desktop of it may take VisibleWithin to show. Only of use where Claimed is set.
	Called time.Time `json:"called,omitzero"`

	Since    time.Time `json:"since,omitzero"`    // in this status since
	Due      time.Time `json:"due,omitzero"`      // look again at
	Joined   time.Time `json:"joined,omitzero"`   // first seen entitled: where the lead time starts
	Ready    time.Time `json:"ready,omitzero"`    // first seen AVAILABLE
	Absent   time.Time `json:"absent,omitzero"`   // the first good "no" of the present series; a second one confirms
	Left     time.Time `json:"left,omitzero"`     // when the "no" was confirmed
	NextTry  time.Time `json:"nextTry,omitzero"`  // after a failure: not before this; zero with Failed: given up
	Failures int       `json:"failures,omitzero"` // failed attempts of the present series
	Failing  time.Time `json:"failing,omitzero"`  // when that series began

	// Fresh is set by the worker with every outcome that the planner should hear of (and Due with it), and cleared
	// by the planner when it has taken note: this is how a rollout learns that desktops come up, or do not.
	Fresh bool `json:"fresh,omitempty"`

	// Generation is the lease generation of the planner that wrote last; Revision counts the writes and is the
	// condition of the next one (zero: the item does not exist yet).
	Generation int64 `json:"generation,omitempty"`
	Revision   int64 `json:"revision,omitempty"`
}

// Event is one line of a person's history. It is written before the state it tells of; ID is made of the attempt
// and the transition, so that writing it twice is the same item.
type Event struct {
	Key
	At      time.Time `json:"at"`
	ID      string    `json:"id"`
	What    string    `json:"what"`   // the transition: "Requested", "Provisioned", …
	Before  Status    `json:"before"` // empty for the first
	After   Status    `json:"after"`
	Reason  Reason    `json:"reason,omitzero"`
	Actor   string    `json:"actor"` // "planner", "worker", or who asked
	Profile string    `json:"profile,omitempty"`
	Detail  string    `json:"detail,omitempty"` // the desktop, the directory, the service's own code
}

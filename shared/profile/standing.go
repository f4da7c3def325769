package profile

import "time"

// Standing is where a profile stands with rollcall, as the ledger keeps it: what was approved, and how its
// rollout goes. What the administrator edits is the document in the profiles table; it is never written here.
type Standing struct {
	ID string `json:"id"`
	// Approved is the version in force; Document is its content, kept so that an edit, a malformed edit or a
	// deletion of the row leaves the approved version known. Empty: never approved.
	Approved   string    `json:"approved,omitempty"`
	Document   string    `json:"document,omitempty"` // the approved profile as JSON
	ApprovedBy string    `json:"approvedBy,omitempty"`
	ApprovedAt time.Time `json:"approvedAt,omitzero"`
	// Group is the object id that the approved version's group was resolved to, once: never resolved again.
	Group     string `json:"group,omitempty"`
	GroupName string `json:"groupName,omitempty"`

	// Members is how many people the last full roll found; Rolled is when it was read. Zero time: never.
	Members int       `json:"members"`
	Rolled  time.Time `json:"rolled,omitzero"`
	// Tree are the ids of the group and of the groups nested in it, as of the last full roll.
	Tree []string `json:"tree,omitempty"`
	// RollDue asks for a full roll; the text says why. NextRoll is when one is due anyway.
	RollDue  string    `json:"rollDue,omitempty"`
	NextRoll time.Time `json:"nextRoll,omitzero"`

	Rollout Rollout `json:"rollout,omitzero"`
	Stop    Stop    `json:"stop,omitzero"`

	Revision int64 `json:"revision,omitempty"`
}

// Rollout is congestion control for creates: how many a profile may have in flight.
type Rollout struct {
	// Limit is the number of creates allowed in flight; zero means "not started": the plan begins with 3.
	Limit int `json:"limit,omitempty"`
	// Waiting is set while people are held back by the limit, so that a tick looks for them.
	Waiting bool `json:"waiting,omitempty"`
	// Failures counts the failures in a row that were the profile's; after each, creates rest until Rest.
	Failures int       `json:"failures,omitempty"`
	Rest     time.Time `json:"rest,omitzero"`
	// Why says what the limit last changed for.
	Why     string    `json:"why,omitempty"`
	Changed time.Time `json:"changed,omitzero"`
}

// Stop is a switch that a person set: nothing is created or terminated while it is on. There is one for each
// profile and one for everything; the worker reads both before every create and terminate.
type Stop struct {
	On    bool      `json:"on"`
	Since time.Time `json:"since,omitzero"`
	By    string    `json:"by,omitempty"`
	Why   string    `json:"why,omitempty"`
}

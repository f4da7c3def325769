// Package events is what crosses a boundary of rollcall as JSON: the job that the planner puts on the queue for
// the worker, and the event that starts the planner (the schedule's, or one that a person pastes in the console).
// The folder also holds a sample of every payload; a test decodes each of them.
//
// It refuses what it does not know: an unknown field or action is an error that names it, because a misspelt
// "dryRun" must not become a run.
package events

import (
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
)

// JobKind is what a job asks of the worker.
type JobKind string

// The kinds of job.
const (
	Create JobKind = "create" // make a desktop for each person
	Check  JobKind = "check"  // look how each person's desktop is getting on
	Survey JobKind = "survey" // record what the planner needs to know of directories
)

// MostPeople is how many people one job carries: CreateWorkspaces and DescribeWorkspaces take 25 a call.
const MostPeople = 25

// Job is one message of the queue. Its MessageGroupId is Lane.String(), its MessageDeduplicationId is ID.
type Job struct {
	Version int          `json:"version"` // 1
	ID      string       `json:"id"`      // a hash of what it asks: the same orders sent once more have another Send
	Kind    JobKind      `json:"kind"`
	Lane    desktop.Lane `json:"lane"`
	Issued  time.Time    `json:"issued"`

	// Create only: the profile's wish, and the directories to choose from (one or more).
	Profile     string        `json:"profile,omitempty"`
	Spec        *desktop.Spec `json:"spec,omitempty"`
	Directories []string      `json:"directories,omitempty"` // Survey: those to look at
	Bundles     []string      `json:"bundles,omitempty"`     // Survey only: those to look at

	// Create and Check: the people, 1 to MostPeople.
	Orders []Order `json:"orders,omitempty"`
}

// Order is one person's part of a job. It counts only while the ledger's item has the same attempt and the
// intent of the job's kind; else it is out of date and is passed over.
type Order struct {
	assignment.Key
	Attempt int `json:"attempt"`
	Send    int `json:"send"`
}

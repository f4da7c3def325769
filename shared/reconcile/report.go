package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/plan"
)

// Report is what a tick tells: what was looked at, planned, done, held and why. An administrator reads it in the
// console, so it names people by object id and user name only, and at most mostLines of a kind.
type Report struct {
	Run    string    `json:"run"`
	Action string    `json:"action"`
	By     string    `json:"by,omitempty"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
	DryRun bool      `json:"dryRun,omitempty"`
	// Version is what a preview has shown, and an approval names.
	Version string `json:"version,omitempty"`

	LookedAt LookedAt       `json:"lookedAt"`
	Planned  map[string]int `json:"planned"` // by verb, and how many are held
	Done     Done           `json:"done"`

	Actions  []Line    `json:"actions,omitempty"`
	Held     []Line    `json:"held,omitempty"`
	Problems []Problem `json:"problems"`
	Next     string    `json:"next"`

	held int // how many, in all
}

// LookedAt is the scope of a tick.
type LookedAt struct {
	Profiles     int               `json:"profiles"` // in force
	FeedRequests int               `json:"feedRequests"`
	Changed      int               `json:"changed"` // people whom the feeds named
	Rolls        map[string]string `json:"rolls"`   // profile and why its whole group was read
	People       int               `json:"people"`
}

// Done is what became of the plan.
type Done struct {
	Written   int    `json:"written"`
	Overtaken int    `json:"overtaken"` // somebody else wrote first; looked at again
	Jobs      int    `json:"jobs"`
	Surveys   int    `json:"surveys"` // of the jobs: looks at directories for the catalogue
	Unsent    string `json:"unsent,omitempty"`
	Finished  bool   `json:"finished"`
}

// Line is one person in a report.
type Line struct {
	Person   string            `json:"person"`
	UserName string            `json:"userName,omitempty"`
	Slot     string            `json:"slot"`
	Profile  string            `json:"profile,omitempty"`
	Verb     string            `json:"verb,omitempty"`
	From     string            `json:"from,omitempty"`
	To       string            `json:"to,omitempty"`
	Reason   assignment.Reason `json:"reason,omitzero"`
}

const mostLines = 200

func newReport(req events.Request, now time.Time) *Report {
	return &Report{
		Run: fmt.Sprintf("%s-%s", now.Format("20060102T150405Z"), req.Action), Action: string(req.Action), By: req.By,
		Began: now, Planned: map[string]int{}, Actions: []Line{}, Held: []Line{},
	}
}

// add notes one round.
func (r *Report) add(people []plan.Person, made plan.Plan) {
	r.LookedAt.People += len(people)
	for _, a := range made.Actions {
		r.Planned[string(a.Verb)]++
		if len(r.Actions) < mostLines {
			r.Actions = append(r.Actions, Line{
				Person: a.After.Person, UserName: cmp.Or(a.After.UserName, a.After.UPN),
				Slot: a.After.Slot, Profile: a.Profile, Verb: string(a.Verb), From: string(a.Before.Status),
				To: string(a.After.Status), Reason: a.Reason,
			})
		}
	}
	r.held += len(made.Held)
	if len(made.Held) == 0 || len(r.Held) >= mostLines {
		return
	}
	names := map[string]string{}
	for i := range people {
		names[people[i].ID] = people[i].Facts.UPN
	}
	for _, h := range made.Held[:min(len(made.Held), mostLines-len(r.Held))] {
		r.Held = append(r.Held, Line{Person: h.Person, UserName: names[h.Person], Slot: h.Slot, Profile: h.Profile, Reason: h.Reason})
	}
}

// close ends the report of a tick.
func (r *Report) close(t *tick, now time.Time) {
	r.Ended = now
	r.LookedAt.Profiles, r.LookedAt.FeedRequests, r.LookedAt.Changed = len(t.w.inForce), t.s.feeds, t.s.changed
	r.LookedAt.Rolls = maps.Clone(t.s.rolls)
	r.Problems = append([]Problem{}, t.w.problems...)
	r.Done.Finished = !t.unfinished && !t.partial
	if r.held > 0 {
		r.Planned["held"] = r.held
	}
	r.Next = r.next()
}

func (r *Report) next() string {
	actions := 0
	for verb, n := range r.Planned {
		if verb != "held" {
			actions += n
		}
	}
	switch {
	case r.DryRun && actions == 0:
		return "Nothing would be done."
	case r.DryRun:
		return fmt.Sprintf("This was a dry run: nothing was written and nothing was sent. A run would do %d things and hold %d back.", actions, r.held)
	case !r.Done.Finished:
		return "Not finished: the next tick goes on where this one stopped."
	case r.Done.Unsent != "":
		return "Some jobs could not be sent; they are sent again by themselves within a quarter of an hour."
	case len(r.Problems) > 0:
		return "See problems: what they say needs a person. Everything else was done."
	case r.held > 0:
		return "Nothing to do for you: who is held back has a turn later, by itself, as the reasons say."
	case r.Done.Jobs > 0:
		return "Nothing to do for you: the workers are at work, and the next ticks look how they are getting on."
	}
	return "Nothing to do."
}

// summary is the report without its lines: what is kept of every run and written to the log.
func (r *Report) summary() Report {
	short := *r
	short.Actions, short.Held = nil, nil
	return short
}

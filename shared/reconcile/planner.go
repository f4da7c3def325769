// Package reconcile is the planner: it takes the roll of the Entra groups and sees to it that everyone who should
// have a desktop gets one. A tick asks four questions, in this order and never back:
//
//	scope   who might have changed?     feeds, due items, profiles whose whole group is to be read
//	truth   what is true of them?       asked of Entra now; a feed is a poke, never data
//	plan    what should be done?        package plan, a pure function
//	act     write the ledger, then send the jobs
//
// A full roll, a check of one person and a dry run are this same code with another scope, or with
// the result not applied. The schedule is the waiter: nothing in here waits for a desktop.
//
// It has no permission on WorkSpaces and asks for none; it refuses to act on a profile whose version nobody
// approved, and to conclude anything from a read that failed. Dying after any call loses nothing: what was not
// finished is still in the inbox, still due, or still to be rolled.
package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
	"rollcall/shared/lease"
	"rollcall/shared/member"
	"rollcall/shared/profile"
)

// Documents are the AP profiles as administrators wrote them.
type Documents interface {
	// All is every row, or an error.
	All(ctx context.Context) ([]profile.Document, error)
}

// Assignments is the ledger's items of people.
type Assignments interface {
	// Load reads consistently; what does not exist is absent from the map. All, or an error.
	Load(ctx context.Context, keys []assignment.Key) (map[assignment.Key]assignment.Assignment, error)
	// Save writes the events, then the item if its revision is still a.Revision. Conflict otherwise.
	Save(ctx context.Context, a assignment.Assignment, events ...assignment.Event) (assignment.Assignment, error)
	// Due finds the keys of items that are due, oldest first; the item decides.
	Due(ctx context.Context, until time.Time, limit int) ([]assignment.Key, error)
	// OfProfile finds the keys of a profile's items in one status, or in any ("").
	OfProfile(ctx context.Context, profile string, status assignment.Status, limit int) ([]assignment.Key, error)
}

// Inbox is the people whom a feed has named and who have not been looked at yet.
type Inbox interface {
	Name(ctx context.Context, people []string) error
	Named(ctx context.Context, limit int) ([]string, error)
	Forget(ctx context.Context, people []string) error
}

// Book is the rest of the ledger that the planner keeps.
type Book interface {
	Standings(ctx context.Context) (map[string]profile.Standing, error)
	SaveStanding(ctx context.Context, s profile.Standing) (profile.Standing, error)
	Stop(ctx context.Context) (profile.Stop, error)
	SaveStop(ctx context.Context, s profile.Stop) error
}

// Cursors is where the feeds stand.
type Cursors interface {
	Cursors(ctx context.Context) ([]member.Cursor, error)
	SaveCursor(ctx context.Context, c member.Cursor) (member.Cursor, error)
	DeleteCursor(ctx context.Context, name string) error
}

// RollBook keeps rolls that take longer than a tick: where they stand, and the ids seen so far, 16 bytes each.
type RollBook interface {
	// LoadRoll gives NotFound where there is none.
	LoadRoll(ctx context.Context, name string) (at member.Position, seen []byte, err error)
	SaveRoll(ctx context.Context, name string, at member.Position, seen []byte) error
	DropRoll(ctx context.Context, name string) error
}

// Journal is the lease and the summaries of runs.
type Journal interface {
	Acquire(ctx context.Context, holder string, now time.Time, ttl time.Duration) (lease.Lease, error)
	Release(ctx context.Context, l lease.Lease) error
	SaveRun(ctx context.Context, at time.Time, id string, summary json.RawMessage) error
	Catalogues(ctx context.Context) ([]desktop.Catalogue, error)
}

// Queue takes jobs for the workers.
type Queue interface {
	// Send puts every job on the queue; what could not be sent is an error.
	Send(ctx context.Context, jobs []events.Job) error
}

// Roster is Microsoft Entra, signed in.
type Roster interface {
	Rolls
	Lookups
	Feeds
}

// Rolls read whole groups.
type Rolls interface {
	// Group finds a group by object id or by display name. NotFound where there is none; Rejected where a name
	// matches two.
	Group(ctx context.Context, ref string) (member.Group, error)
	// NextPage reads the page at a position. Only all of them, up to the position that is Done, are the roll.
	NextPage(ctx context.Context, at member.Position) (member.Page, error)
	// Count is how many direct members of every kind an index knows of. The index lags: it only cross-checks a roll.
	Count(ctx context.Context, group string) (int, error)
}

// Lookups ask about a few people.
type Lookups interface {
	// People says what Entra knows of the ids; who does not exist is absent. All, or an error.
	People(ctx context.Context, ids []string) (map[string]member.Person, error)
	// Standings asks of each person whether they are in each group.
	Standings(ctx context.Context, ids, groups []string, nested bool) (map[string]map[string]member.Standing, error)
}

// Feeds say who might have changed.
type Feeds interface {
	GroupChanges(ctx context.Context, c member.Cursor) (member.Changes, error)
	UserChanges(ctx context.Context, c member.Cursor) (member.Changes, error)
}

// SignIn opens Entra with the credential as it is now. Its error is one clear sentence for an administrator;
// ErrGraphOff where Graph is switched off in the settings.
type SignIn func(ctx context.Context) (Roster, error)

// ErrGraphOff says that an administrator has switched Microsoft Graph off ("enabled": false in the secret).
var ErrGraphOff = fault.New(fault.Misconfigured, "Microsoft Graph is switched off in the secret (enabled: false); nothing was looked at")

// Planner takes the roll. All fields but Log are required.
type Planner struct {
	Profiles    Documents
	Assignments Assignments
	Inbox       Inbox
	Book        Book
	Cursors     Cursors
	Rolls       RollBook
	Journal     Journal
	Queue       Queue
	SignIn      SignIn
	Clock       clock.Clock
	Log         *slog.Logger

	// LeaseFor must be longer than the function's timeout; Margin is how long before the context's deadline a tick
	// stops between people.
	LeaseFor time.Duration
	Margin   time.Duration
}

// Handle does what the request asks and says what it did, as JSON that a person can read in the console. The error
// is a sentence for an administrator; whatever was not done is done by a later tick.
func (p *Planner) Handle(ctx context.Context, req events.Request) (any, error) {
	switch req.Action {
	case events.Run:
		return p.leased(ctx, req, p.run)
	case events.DryRun, events.Preview:
		return p.dryRun(ctx, req)
	case events.Approve:
		return p.leased(ctx, req, p.approve)
	case events.Stop, events.Resume:
		return p.setStop(ctx, req)
	}
	return nil, fmt.Errorf("action %q is not known", req.Action)
}

type leasedWork func(ctx context.Context, req events.Request, l lease.Lease) (any, error)

// leased does the work while holding the lease. Somebody else's lease is an error for a person, who is told who
// holds it and since when; for the schedule it is one too, and the next tick is the retry.
func (p *Planner) leased(ctx context.Context, req events.Request, work leasedWork) (answer any, err error) {
	l, err := p.Journal.Acquire(ctx, holder(req), p.Clock.Now(), p.LeaseFor)
	if err != nil {
		return nil, err
	}
	defer func() {
		// The lease is given back even where the context has ended; if that fails it runs out by itself.
		if e := p.Journal.Release(context.WithoutCancel(ctx), l); e != nil {
			p.Log.WarnContext(ctx, "releasing the lease", "error", e)
		}
	}()
	return work(ctx, req, l)
}

func holder(req events.Request) string {
	who := req.By
	if who == "" {
		who = "a person who gave no name"
	}
	return fmt.Sprintf("%s by %s", req.Action, who)
}

// outOfTime reports whether the context's deadline is nearer than the margin.
func (p *Planner) outOfTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || (ok && p.Clock.Now().Add(p.Margin).After(deadline))
}

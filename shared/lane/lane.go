// Package lane is the worker: it takes the planner's jobs, calls Amazon WorkSpaces and writes down in the ledger
// what came of it.
//
// A lane is one account and Region. Messages of several lanes run side by side, messages of one lane in their order
// with their people put together, so that calls are full: 25 desktops each. The account's rate lies in the fleet
// that a lane is given for the invocation; here, calls overlap as far as that lets them.
//
// What it promises:
//
//   - A lane is never blocked. A person's failure is written down with a time to look again; what is not started
//     when time runs out is left as it is, and its item is due again by itself; a body that cannot be decoded, and
//     a message that makes us panic, go to the dead-letter queue by our own hand. All of them are acknowledged.
//     Only a crash, or a dead-letter queue that does not answer, brings a message back.
//   - One desktop each. WorkSpaces has no client token, so an item is claimed in the ledger before the call, and an
//     answer that was lost comes back as "already exists": then the tags decide whose the desktop is, and a tag
//     equal in installation, person and slot is the only proof. Dying before or after any call changes nothing.
//   - A WorkSpace id that was seen is written down, whatever the planner has changed meanwhile.
//
// What it refuses: it never plans, never asks Entra, never sends a job, never terminates, never acts while STOP is
// on or cannot be read, and never sends what cannot be valid.
package lane

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/profile"
)

// Ledger holds the items of people.
type Ledger interface {
	// Load reads consistently; what does not exist is absent from the map. All, or an error.
	Load(ctx context.Context, keys []assignment.Key) (map[assignment.Key]assignment.Assignment, error)
	// Save writes the events, then the item if its revision is still a.Revision. Conflict otherwise.
	Save(ctx context.Context, a assignment.Assignment, events ...assignment.Event) (assignment.Assignment, error)
}

// Switches are what a person may set at any time.
type Switches interface {
	// Stop is the switch for everything.
	Stop(ctx context.Context) (profile.Stop, error)
	// Standings are the profiles by id, each with a switch of its own.
	Standings(ctx context.Context) (map[string]profile.Standing, error)
}

// Catalogues is what is recorded of directories, for the planner and for the choice of a directory.
type Catalogues interface {
	Catalogues(ctx context.Context) ([]desktop.Catalogue, error)
	SaveCatalogue(ctx context.Context, c desktop.Catalogue) error
}

// DeadLetters takes messages that nobody can do anything with but a person.
type DeadLetters interface {
	Put(ctx context.Context, body, group, reason string) error
}

// Fleet is Amazon WorkSpaces in one lane, held to the account's rate. Errors are classified.
type Fleet interface {
	// Create asks for at most 25 desktops and answers by desktop.AnswerKey. An error is about the whole call.
	Create(ctx context.Context, requests []desktop.Request) (map[string]desktop.Outcome, error)
	// Describe finds desktops by at most 25 ids; one that is not shown is absent.
	Describe(ctx context.Context, ids []string) (map[string]desktop.Desktop, error)
	// Find finds the desktops of a user name in a directory: none, one or several.
	Find(ctx context.Context, directory, userName string) ([]desktop.Desktop, error)
	// Tags are the tags of a desktop; NotFound where it is not shown.
	Tags(ctx context.Context, id string) (map[string]string, error)
}

// Surveyor reads what the planner needs to know of directories.
type Surveyor interface {
	// Survey answers for every directory; what could not be read is said in its Problem. An error means that
	// nothing could be read for now.
	Survey(ctx context.Context, directories, bundles []string) ([]desktop.Catalogue, error)
}

// Account is all of Amazon WorkSpaces in one lane.
type Account interface {
	Fleet
	Surveyor
}

// Fleets opens a lane, once for each invocation: its bucket starts empty.
type Fleets func(ctx context.Context, lane desktop.Lane) (Account, error)

// Message is one message of the queue. Group is its MessageGroupId, empty where a person pasted it.
type Message struct {
	ID, Body, Group string
}

// Worker works off messages. All fields but Log, Margin and Overlap are required.
type Worker struct {
	Installation string // part of every ownership tag
	Ledger       Ledger
	Switches     Switches
	Catalogues   Catalogues
	DeadLetters  DeadLetters
	Fleets       Fleets
	Clock        clock.Clock
	Log          *slog.Logger

	// Margin is how long before the context's deadline nothing new is started. Default 20 seconds.
	Margin time.Duration
	// Overlap is how many calls of a lane may be in flight. Default 8: at 1.8 calls a second that keeps the lane
	// busy while answers take up to 4 seconds.
	Overlap int
}

// job is a message that was understood.
type job struct {
	Message
	events.Job
}

// Handle works off a batch of messages and returns the ids of those that the queue must deliver again, in the order
// of the batch: only messages that had to go to the dead-letter queue and could not. Everything else is either done
// or due again by itself, and is acknowledged.
func (w *Worker) Handle(ctx context.Context, messages []Message) []string {
	s := &shift{Worker: w, failed: map[string]bool{}}
	var order []desktop.Lane
	lanes := map[desktop.Lane][]*job{}
	for _, m := range messages {
		s.guard(ctx, []Message{m}, func() {
			j, err := read(m)
			if err != nil {
				s.bury(ctx, m, err.Error())
				return
			}
			if _, ok := lanes[j.Lane]; !ok {
				order = append(order, j.Lane)
			}
			lanes[j.Lane] = append(lanes[j.Lane], j)
		})
	}
	var all sync.WaitGroup
	for _, lane := range order {
		all.Go(func() { s.lane(ctx, lane, lanes[lane]) })
	}
	all.Wait()
	var failed []string
	for _, m := range messages {
		if s.failed[m.ID] {
			failed = append(failed, m.ID)
		}
	}
	return failed
}

// read decodes a message. One that names another lane than its group would break the group's limiter.
func read(m Message) (*job, error) {
	j, err := events.DecodeJob([]byte(m.Body))
	if err != nil {
		return nil, err
	}
	if m.Group != "" && m.Group != j.Lane.String() {
		return nil, fmt.Errorf("the job is for lane %s but came in group %s", j.Lane, m.Group)
	}
	return &job{Message: m, Job: j}, nil
}

// shift is the work of one invocation.
type shift struct {
	*Worker
	mu     sync.Mutex
	failed map[string]bool
}

// bury puts a message on the dead-letter queue. If that fails the message must come back.
func (s *shift) bury(ctx context.Context, m Message, reason string) {
	s.log().ErrorContext(ctx, "message goes to the dead-letter queue", "message", m.ID, "group", m.Group, "reason", reason)
	err := s.DeadLetters.Put(context.WithoutCancel(ctx), m.Body, m.Group, reason)
	if err == nil {
		return
	}
	s.log().ErrorContext(ctx, "putting a message on the dead-letter queue", "message", m.ID, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[m.ID] = true
}

// guard does work for messages; a panic in it goes no further, and sends them to the dead-letter queue. Their
// people lose nothing: their items are due again by themselves.
func (s *shift) guard(ctx context.Context, messages []Message, work func()) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		stack := string(debug.Stack())
		if t, ok := p.(thrown); ok {
			p, stack = t.value, t.stack
		}
		s.log().ErrorContext(ctx, "panic", "value", fmt.Sprint(p), "stack", stack)
		for _, m := range messages {
			s.bury(ctx, m, fmt.Sprintf("the worker panicked: %v", p))
		}
	}()
	work()
}

// lane works off the jobs of one lane: those of a kind that follow each other together.
func (s *shift) lane(ctx context.Context, lane desktop.Lane, jobs []*job) {
	r := &run{shift: s, lane: lane, counts: map[string]int{}}
	s.guard(ctx, messagesOf(jobs), func() {
		account, err := s.Fleets(ctx, lane)
		if err != nil {
			s.log().ErrorContext(ctx, "opening a lane", "lane", lane.String(), "error", err)
			account = closed{err}
		}
		r.account = account
	})
	for r.account != nil && len(jobs) > 0 {
		n := slices.IndexFunc(jobs, func(j *job) bool { return j.Kind != jobs[0].Kind })
		if n < 0 {
			n = len(jobs)
		}
		same := jobs[:n]
		jobs = jobs[n:]
		s.guard(ctx, messagesOf(same), func() { r.work(ctx, same) })
	}
	s.log().InfoContext(ctx, "lane done", "lane", lane.String(), "outcomes", r.counts)
}

func messagesOf(jobs []*job) []Message {
	messages := make([]Message, len(jobs))
	for i, j := range jobs {
		messages[i] = j.Message
	}
	return messages
}

// closed is a lane that could not be opened: every call fails with the reason, and takes its usual way.
type closed struct{ err error }

func (c closed) Create(context.Context, []desktop.Request) (map[string]desktop.Outcome, error) {
	return nil, c.err
}

func (c closed) Describe(context.Context, []string) (map[string]desktop.Desktop, error) {
	return nil, c.err
}

func (c closed) Find(context.Context, string, string) ([]desktop.Desktop, error) { return nil, c.err }

func (c closed) Tags(context.Context, string) (map[string]string, error) { return nil, c.err }

func (c closed) Survey(context.Context, []string, []string) ([]desktop.Catalogue, error) {
	return nil, c.err
}

func (w *Worker) log() *slog.Logger {
	if w.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return w.Log
}

func (w *Worker) margin() time.Duration {
	if w.Margin <= 0 {
		return 20 * time.Second
	}
	return w.Margin
}

func (w *Worker) overlap() int {
	if w.Overlap <= 0 {
		return 8
	}
	return w.Overlap
}

// outOfTime reports whether nothing new is to be started.
func (w *Worker) outOfTime(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || (ok && w.Clock.Now().Add(w.margin()).After(end))
}

// callTime bounds a call so that half of the margin is left to write down what came of it.
func (w *Worker) callTime(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-w.margin()/2))
}

// thrown is a panic of a goroutine on its way to the one that waits for it.
type thrown struct {
	value any
	stack string
}

// each does work for every item, at most limit at a time, and returns when all are done. A panic in one of them is
// raised again here.
func each[T any](limit int, items []T, work func(T)) {
	var all sync.WaitGroup
	var once sync.Once
	var panicked *thrown
	places := make(chan struct{}, max(limit, 1))
	for _, item := range items {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			defer func() {
				if p := recover(); p != nil {
					t, ok := p.(thrown)
					if !ok {
						t = thrown{p, string(debug.Stack())}
					}
					once.Do(func() { panicked = &t })
				}
			}()
			work(item)
		})
	}
	all.Wait()
	if panicked != nil {
		panic(*panicked)
	}
}

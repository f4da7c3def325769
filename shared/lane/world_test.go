package lane_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
	"rollcall/shared/lane"
	"rollcall/shared/profile"
)

const (
	installation = "prod"
	dirA         = "d-9067aaaaaa"
	dirB         = "d-9067bbbbbb"
	bundle       = "wsb-bh8rsxt14"
)

var (
	home = desktop.Lane{Account: "111122223333", Region: "eu-central-1"}
	away = desktop.Lane{Account: "444455556666", Region: "us-east-1"}
	spec = desktop.Spec{Bundle: bundle, RunningMode: desktop.AutoStop, AutoStopMinutes: 60}
)

// ledger is a ledger with memory: writes are conditional, the history is kept.
type ledger struct {
	mu      sync.Mutex
	items   map[assignment.Key]assignment.Assignment
	history map[string]assignment.Event
	// before, if set, is called once before the next Save of an item with a WorkSpace id: somebody else writes.
	before func(a assignment.Assignment)
	down   int // so many Saves fail
}

func (l *ledger) Load(_ context.Context, keys []assignment.Key) (map[assignment.Key]assignment.Assignment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[assignment.Key]assignment.Assignment{}
	for _, k := range keys {
		if a, ok := l.items[k]; ok {
			found[k] = a
		}
	}
	return found, nil
}

func (l *ledger) Save(_ context.Context, a assignment.Assignment, told ...assignment.Event) (assignment.Assignment, error) {
	l.mu.Lock()
	if before := l.before; before != nil && a.WorkSpace != "" {
		l.before = nil
		l.mu.Unlock()
		before(a)
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if l.down > 0 {
		l.down--
		return a, fault.New(fault.Unavailable, "the table does not answer")
	}
	if l.items[a.Key].Revision != a.Revision {
		return a, fault.New(fault.Conflict, "somebody else wrote first")
	}
	for _, e := range told {
		l.history[e.Key.String()+" "+e.ID] = e
	}
	a.Revision++
	l.items[a.Key] = a
	return a, nil
}

func (l *ledger) get(k assignment.Key) assignment.Assignment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.items[k]
}

// set changes an item as another writer would.
func (l *ledger) set(k assignment.Key, change func(*assignment.Assignment)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.items[k]
	change(&a)
	a.Revision++
	l.items[k] = a
}

// desk is a WorkSpace in the fake service.
type desk struct {
	desktop.Desktop
	tags  map[string]string
	since time.Time
}

// cloud is Amazon WorkSpaces with memory, in one lane: PENDING for 15 minutes, invisible for 30 seconds, one per
// person and directory, nobody that the directory does not know, a quota, and directories that can be full.
type cloud struct {
	lane.Surveyor
	mu       sync.Mutex
	clock    clock.Clock
	desks    []*desk
	unknown  map[string]bool // user names that the directory does not know
	poison   map[string]bool // user names that sink the whole call
	items    map[string]error
	errored  map[string]bool // user names whose desktop ends in ERROR
	full     map[string]bool // directories without capacity
	quota    int
	refuse   error // every create
	drop     int   // so many creates are done, and their answers lost
	calls    []int // sizes of the creates
	starts   []time.Time
	panicFor string
	latency  time.Duration
	gone     []string      // ids that nobody can see any more
	blind    error         // every look by user name
	shows    time.Duration // until a new desktop can be seen, if it is longer than 30 seconds
}

func newCloud() *cloud {
	return &cloud{
		clock: clock.System{}, unknown: map[string]bool{}, poison: map[string]bool{}, errored: map[string]bool{},
		items: map[string]error{}, full: map[string]bool{}, quota: 1 << 30,
	}
}

func (c *cloud) Create(_ context.Context, requests []desktop.Request) (map[string]desktop.Outcome, error) {
	c.mu.Lock()
	c.calls = append(c.calls, len(requests))
	c.starts = append(c.starts, c.clock.Now())
	c.mu.Unlock()
	time.Sleep(c.latency)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return nil, c.refuse
	}
	for _, r := range requests {
		if r.UserName == c.panicFor {
			panic("a bug on " + r.UserName)
		}
		if c.poison[r.UserName] {
			return nil, fault.New(fault.Rejected, "one of the requests is wrong")
		}
	}
	if len(c.desks)+len(requests) > c.quota {
		return nil, fault.New(fault.QuotaReached, "the quota is reached")
	}
	out := map[string]desktop.Outcome{}
	for _, r := range requests {
		out[r.Key()] = c.one(r)
	}
	if c.drop > 0 {
		c.drop--
		return nil, fault.New(fault.Unavailable, "the connection broke")
	}
	return out, nil
}

func (c *cloud) one(r desktop.Request) desktop.Outcome {
	name := strings.ToLower(r.UserName)
	switch {
	case c.items[r.UserName] != nil:
		return desktop.Outcome{Err: c.items[r.UserName]}
	case c.full[r.Directory]:
		return desktop.Outcome{Err: fault.New(fault.NoCapacity, "no room in "+r.Directory)}
	case c.unknown[r.UserName]:
		return desktop.Outcome{Err: fault.New(fault.NotInDirectory, "who is "+r.UserName)}
	}
	for _, d := range c.desks {
		if d.Directory == r.Directory && strings.EqualFold(d.UserName, name) {
			return desktop.Outcome{Err: fault.New(fault.AlreadyExists, "A WorkSpace already exists for the specified user.")}
		}
	}
	tags := maps.Clone(r.Tags)
	maps.Copy(tags, r.Owner.Tags())
	d := &desk{Desktop: desktop.Desktop{
		ID: fmt.Sprintf("ws-%09d", len(c.desks)), Directory: r.Directory, UserName: name,
		State: desktop.Pending, Bundle: r.Bundle,
	}, tags: tags, since: c.clock.Now()}
	c.desks = append(c.desks, d)
	return desktop.Outcome{Desktop: desktop.Desktop{ID: d.ID, State: d.State}} // incomplete, as is documented
}

// see is a desktop as it is now, and whether it can be seen.
func (c *cloud) see(d *desk) (desktop.Desktop, bool) {
	now := c.clock.Now()
	if d.State == desktop.Pending && now.Sub(d.since) >= 15*time.Minute {
		d.State = desktop.Available
		if c.errored[d.UserName] {
			d.State, d.ErrorCode, d.ErrorMessage = desktop.Errored, "Some.Code", "it did not work out"
		}
	}
	return d.Desktop, now.Sub(d.since) >= max(c.shows, 30*time.Second) && !slices.Contains(c.gone, d.ID)
}

func (c *cloud) Describe(_ context.Context, ids []string) (map[string]desktop.Desktop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]desktop.Desktop{}
	for _, d := range c.desks {
		if seen, ok := c.see(d); ok && slices.Contains(ids, d.ID) {
			out[d.ID] = seen
		}
	}
	return out, nil
}

func (c *cloud) Find(_ context.Context, directory, userName string) ([]desktop.Desktop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blind != nil {
		return nil, c.blind
	}
	var out []desktop.Desktop
	for _, d := range c.desks {
		if seen, ok := c.see(d); ok && d.Directory == directory && strings.EqualFold(d.UserName, userName) {
			out = append(out, seen)
		}
	}
	return out, nil
}

func (c *cloud) Tags(_ context.Context, id string) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.desks {
		if d.ID == id {
			return maps.Clone(d.tags), nil
		}
	}
	return nil, fault.New(fault.NotFound, "no desktop "+id)
}

func (c *cloud) Survey(_ context.Context, directories, _ []string) ([]desktop.Catalogue, error) {
	if c.refuse != nil {
		return nil, c.refuse
	}
	var out []desktop.Catalogue
	for _, id := range directories {
		out = append(out, desktop.Catalogue{Lane: home, Directory: id, State: "REGISTERED", Read: c.clock.Now(), Quota: 100, Used: len(c.desks)})
	}
	return out, nil
}

// put makes a desktop that was there before, long visible.
func (c *cloud) put(id, directory, user string, state desktop.State, tags map[string]string) {
	c.desks = append(c.desks, &desk{
		desktop.Desktop{ID: id, Directory: directory, UserName: user, State: state},
		tags,
		c.clock.Now().Add(-10 * time.Minute),
	})
}

// book is the rest of the ledger.
type book struct {
	mu         sync.Mutex
	stop       profile.Stop
	standings  map[string]profile.Standing
	unreadable bool
	catalogues map[string]desktop.Catalogue
	letters    []string
	reasons    []string
	jammed     bool
}

func (b *book) Stop(context.Context) (profile.Stop, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unreadable {
		return profile.Stop{}, fault.New(fault.Unavailable, "cannot be read")
	}
	return b.stop, nil
}

func (b *book) Standings(context.Context) (map[string]profile.Standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.standings), nil
}

func (b *book) Catalogues(context.Context) ([]desktop.Catalogue, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.catalogues)), nil
}

func (b *book) SaveCatalogue(_ context.Context, c desktop.Catalogue) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.catalogues[c.Directory] = c
	return nil
}

func (b *book) Put(_ context.Context, body, _, reason string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.jammed {
		return errors.New("the queue does not answer")
	}
	b.letters = append(b.letters, body)
	b.reasons = append(b.reasons, reason)
	return nil
}

// world is everything around a worker.
type world struct {
	t       *testing.T
	ledger  *ledger
	book    *book
	cloud   *cloud
	clouds  map[desktop.Lane]*cloud
	jobs    int
	opening map[desktop.Lane]error
	spec    desktop.Spec // of the profile, in tick
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, cloud: newCloud(), opening: map[desktop.Lane]error{}, spec: spec,
		ledger: &ledger{items: map[assignment.Key]assignment.Assignment{}, history: map[string]assignment.Event{}},
		book:   &book{standings: map[string]profile.Standing{}, catalogues: map[string]desktop.Catalogue{}},
	}
	w.clouds = map[desktop.Lane]*cloud{home: w.cloud, away: newCloud()}
	return w
}

func (w *world) worker() *lane.Worker {
	return &lane.Worker{
		Installation: installation, Ledger: w.ledger, Switches: w.book, Catalogues: w.book, DeadLetters: w.book,
		Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
		Fleets: func(_ context.Context, l desktop.Lane) (lane.Account, error) { return w.clouds[l], w.opening[l] },
	}
}

// person is the n-th person's key; the user name is "u" and n.
func person(n int) assignment.Key {
	return assignment.Key{Person: fmt.Sprintf("p%04d", n), Slot: "main"}
}

// ask is what the planner does for people from to (exclusive): write the request, and put the orders in a message.
func (w *world) ask(id string, from, to int, change ...func(*events.Job)) lane.Message {
	now := time.Now().UTC()
	j := events.Job{Kind: events.Create, Lane: home, Profile: "sales", Spec: &spec, Directories: []string{dirA}}
	for _, c := range change {
		c(&j)
	}
	for n := from; n < to; n++ {
		a := assignment.Assignment{Key: person(n), UserName: fmt.Sprintf("u%d", n), Profile: "sales", Lane: j.Lane}
		a = a.Request(now, now.Add(15*time.Minute))
		a.Revision = w.ledger.items[a.Key].Revision + 1
		w.ledger.items[a.Key] = a
		j.Orders = append(j.Orders, events.Order{Key: a.Key, Attempt: a.Attempt, Send: a.Send})
	}
	return w.message(id, j)
}

func (w *world) message(id string, j events.Job) lane.Message {
	w.jobs++
	j.Version, j.ID, j.Issued = 1, fmt.Sprintf("job%d", w.jobs), time.Now().UTC()
	body, err := json.Marshal(j)
	if err != nil {
		w.t.Fatal(err)
	}
	return lane.Message{ID: id, Body: string(body), Group: j.Lane.String()}
}

func (w *world) handle(messages ...lane.Message) []string {
	return w.worker().Handle(context.Background(), messages)
}

// look is a check of a person, as the planner orders it.
func (w *world) look(n int) {
	w.t.Helper()
	w.ledger.set(person(n), func(a *assignment.Assignment) { *a = a.LookAgain(time.Now().UTC().Add(10 * time.Minute)) })
	a := w.ledger.get(person(n))
	w.handle(w.message("look", events.Job{
		Kind: events.Check, Lane: home,
		Orders: []events.Order{{Key: a.Key, Attempt: a.Attempt, Send: a.Send}},
	}))
}

// tick is the planner in small: it takes note of outcomes, and sends what is due.
func (w *world) tick() []lane.Message {
	now := time.Now().UTC()
	jobs := map[events.JobKind]*events.Job{
		events.Create: {Kind: events.Create, Lane: home, Profile: "sales", Spec: &w.spec, Directories: []string{dirA}},
		events.Check:  {Kind: events.Check, Lane: home},
	}
	for _, k := range slices.SortedFunc(maps.Keys(w.ledger.items), func(a, b assignment.Key) int { return strings.Compare(a.Person, b.Person) }) {
		a := w.ledger.items[k]
		if a.Fresh {
			a.Fresh, a.Due = false, a.NextTry
		}
		kind := events.JobKind("")
		due := !a.Due.IsZero() && !a.Due.After(now)
		switch {
		case a.Status == assignment.Requested && due:
			a, kind = a.SendAgain(now.Add(15*time.Minute)), events.Create
		case a.Status == assignment.Provisioning && due:
			a, kind = a.LookAgain(now.Add(10*time.Minute)), events.Check
		case !a.NextTry.IsZero() && !a.NextTry.After(now):
			a, kind = a.Request(now, now.Add(15*time.Minute)), events.Create
		}
		a.Revision++
		w.ledger.items[k] = a
		if kind != "" {
			jobs[kind].Orders = append(jobs[kind].Orders, events.Order{Key: k, Attempt: a.Attempt, Send: a.Send})
		}
	}
	var messages []lane.Message
	for kind, j := range jobs {
		all := j.Orders
		for chunk := range slices.Chunk(all, events.MostPeople) {
			j.Orders = chunk
			messages = append(messages, w.message(fmt.Sprintf("tick-%s-%d", kind, w.jobs), *j))
		}
	}
	return messages
}

package lane_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/lane"
	"rollcall/shared/profile"
)

// manner is how a process ends at a call.
type manner string

const (
	before manner = "killed before" // the call is not made
	after  manner = "killed after"  // the call is made, its answer is never seen
	bug    manner = "panics at"     // the call is made, then the code that made it panics, once; nobody dies
)

var errKilled = errors.New("the process is dead")

// process is a process that ends at its n-th call of anything outside. From then on nothing that it tries happens.
type process struct {
	*world
	how manner
	mu  sync.Mutex
	at  int
	n   int
}

// calling counts a call: whether it takes place, and whether its answer is seen.
func (p *process) calling() (happens, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	switch {
	case p.n < p.at:
		return true, true
	case p.n > p.at:
		return p.how == bug, p.how == bug
	}
	return p.how != before, false
}

func (p *process) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n >= p.at
}

func through[T any](p *process, call func() (T, error)) (T, error) {
	var nothing T
	happens, answered := p.calling()
	if !happens {
		return nothing, errKilled
	}
	value, err := call()
	switch {
	case answered:
		return value, err
	case p.how == bug:
		panic("a bug")
	}
	return nothing, errKilled
}

// mortal is everything outside, as a process that may die sees it.
type mortal struct {
	lane.Surveyor
	p *process
	c *cloud
}

func (m mortal) Load(ctx context.Context, keys []assignment.Key) (map[assignment.Key]assignment.Assignment, error) {
	return through(m.p, func() (map[assignment.Key]assignment.Assignment, error) { return m.p.ledger.Load(ctx, keys) })
}

func (m mortal) Save(ctx context.Context, a assignment.Assignment, e ...assignment.Event) (assignment.Assignment, error) {
	return through(m.p, func() (assignment.Assignment, error) { return m.p.ledger.Save(ctx, a, e...) })
}

func (m mortal) Stop(ctx context.Context) (profile.Stop, error) {
	return through(m.p, func() (profile.Stop, error) { return m.p.book.Stop(ctx) })
}

func (m mortal) Standings(ctx context.Context) (map[string]profile.Standing, error) {
	return through(m.p, func() (map[string]profile.Standing, error) { return m.p.book.Standings(ctx) })
}

func (m mortal) Catalogues(ctx context.Context) ([]desktop.Catalogue, error) {
	return through(m.p, func() ([]desktop.Catalogue, error) { return m.p.book.Catalogues(ctx) })
}

func (m mortal) SaveCatalogue(ctx context.Context, c desktop.Catalogue) error {
	_, err := through(m.p, func() (bool, error) { return true, m.p.book.SaveCatalogue(ctx, c) })
	return err
}

func (m mortal) Put(ctx context.Context, body, group, reason string) error {
	_, err := through(m.p, func() (bool, error) { return true, m.p.book.Put(ctx, body, group, reason) })
	return err
}

func (m mortal) Create(ctx context.Context, r []desktop.Request) (map[string]desktop.Outcome, error) {
	return through(m.p, func() (map[string]desktop.Outcome, error) { return m.c.Create(ctx, r) })
}

func (m mortal) Describe(ctx context.Context, ids []string) (map[string]desktop.Desktop, error) {
	return through(m.p, func() (map[string]desktop.Desktop, error) { return m.c.Describe(ctx, ids) })
}

func (m mortal) Find(ctx context.Context, directory, user string) ([]desktop.Desktop, error) {
	return through(m.p, func() ([]desktop.Desktop, error) { return m.c.Find(ctx, directory, user) })
}

func (m mortal) Tags(ctx context.Context, id string) (map[string]string, error) {
	return through(m.p, func() (map[string]string, error) { return m.c.Tags(ctx, id) })
}

func (p *process) worker() *lane.Worker {
	m := mortal{p: p, c: p.cloud}
	return &lane.Worker{
		Installation: installation, Ledger: m, Switches: m, Catalogues: m, DeadLetters: m,
		Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
		Fleets: func(context.Context, desktop.Lane) (lane.Account, error) { return m, nil },
	}
}

// life has the process work off the messages, and ticks after that, until it dies; then another one, which lives,
// has the messages of the interrupted batch delivered again and goes on until everything is quiet.
func (p *process) life(messages []lane.Message) {
	p.worker().Handle(context.Background(), messages)
	redeliver := p.dead() && p.how != bug
	for range 40 {
		if redeliver {
			p.handle(messages...)
			p.handle(messages...) // twice, and later out of date
			redeliver = false
		}
		time.Sleep(4 * time.Minute)
		if messages = p.tick(); len(messages) == 0 {
			continue
		}
		if p.dead() {
			p.handle(messages...)
			continue
		}
		p.worker().Handle(context.Background(), messages)
		redeliver = p.dead() && p.how != bug
	}
}

// TestKilled ends the worker at every one of its calls: the end state is always the same, with one desktop each.
func TestKilled(t *testing.T) {
	const people = 7
	for _, how := range []manner{before, after, bug} {
		at := 1
		for ended := true; ended; at++ {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.cloud.latency = 300 * time.Millisecond
				p := &process{world: w, how: how, at: at}
				stale := []lane.Message{w.ask("a", 0, 3), w.ask("b", 3, people)}
				p.life(stale)
				ended = p.dead()
				w.handle(stale...) // hours later: out of date
				w.sameEnd(fmt.Sprintf("%s call %d", how, at), people)
			})
		}
		t.Logf("%s: %d calls", how, at)
		if at < 40 {
			t.Errorf("%s: only %d calls; the test looks at less than it says", how, at)
		}
	}
}

// sameEnd is the one end state: everybody provisioned, with the one desktop that exists and is tagged for them.
func (w *world) sameEnd(when string, people int) {
	w.t.Helper()
	if len(w.cloud.desks) != people {
		w.t.Fatalf("%s: %d desktops for %d people", when, len(w.cloud.desks), people)
	}
	byPerson := map[string]string{}
	for _, d := range w.cloud.desks {
		byPerson[d.tags[desktop.TagPerson]] = d.ID
	}
	for n := range people {
		a := w.ledger.get(person(n))
		if a.Status != assignment.Provisioned || a.WorkSpace == "" || a.WorkSpace != byPerson[a.Person] {
			w.t.Fatalf("%s: person %d is %s with %q, the desktop is %q: %+v", when, n, a.Status, a.WorkSpace, byPerson[a.Person], a)
		}
	}
}

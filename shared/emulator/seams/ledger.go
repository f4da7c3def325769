// Package seams is the outside world of the planner and the worker as in-process fakes with memory: a ledger with
// its conditions, an Entra with people and groups, a queue. They stand for the edges where a test or a simulation
// needs a million calls in a second; the same stories are also played over HTTP with the real clients.
//
// A fake keeps the promises of the edge it stands for and no more: a failed condition is a Conflict, a read is
// complete or an error, an index may lag. It refuses to be clever: it knows no rule of provisioning.
package seams

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
	"rollcall/shared/lease"
	"rollcall/shared/member"
	"rollcall/shared/profile"
)

// Gate is asked before and after every call of a fake, with the call's name. An error before the call means that
// it was not made; one after it means that it was made and its answer lost. A nil Gate lets everything through.
type Gate func(call string, after bool) error

func (g Gate) pass(call string, do func() error) error {
	if g == nil {
		return do()
	}
	if err := g(call, false); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return g(call, true)
}

// Ledger is both tables. Its zero value is not ready; use NewLedger.
type Ledger struct {
	Gate Gate

	mu        sync.Mutex
	items     map[assignment.Key]assignment.Assignment
	events    map[assignment.Key]map[string]assignment.Event
	standings map[string]profile.Standing
	documents map[string]profile.Document
	cursors   map[string]member.Cursor
	catalogue map[string]desktop.Catalogue
	inbox     map[string]bool
	stop      profile.Stop
	lease     lease.Lease
	runs      []json.RawMessage
	rolls     map[string]heldRoll
}

type heldRoll struct {
	at   member.Position
	seen []byte
}

// NewLedger is an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{
		items: map[assignment.Key]assignment.Assignment{}, events: map[assignment.Key]map[string]assignment.Event{},
		standings: map[string]profile.Standing{}, documents: map[string]profile.Document{},
		cursors: map[string]member.Cursor{}, catalogue: map[string]desktop.Catalogue{}, inbox: map[string]bool{}, rolls: map[string]heldRoll{},
	}
}

func (l *Ledger) call(name string, do func() error) error {
	return l.Gate.pass(name, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		return do()
	})
}

// Load is every item of the keys that exists.
func (l *Ledger) Load(_ context.Context, keys []assignment.Key) (map[assignment.Key]assignment.Assignment, error) {
	out := map[assignment.Key]assignment.Assignment{}
	err := l.call("Load", func() error {
		for _, k := range keys {
			if a, ok := l.items[k]; ok {
				a.Entitled = slices.Clone(a.Entitled)
				out[k] = a
			}
		}
		return nil
	})
	return out, err
}

// Save writes events and item; Conflict unless the revision is the one that is there and the generation not lower.
func (l *Ledger) Save(_ context.Context, a assignment.Assignment, events ...assignment.Event) (assignment.Assignment, error) {
	err := l.call("Save", func() error {
		for _, e := range events {
			if l.events[a.Key] == nil {
				l.events[a.Key] = map[string]assignment.Event{}
			}
			l.events[a.Key][e.ID] = e
		}
		have := l.items[a.Key]
		if have.Revision != a.Revision || have.Generation > a.Generation {
			return fault.New(fault.Conflict, "writing "+a.Key.String())
		}
		a.Revision++
		a.Entitled = slices.Clone(a.Entitled)
		l.items[a.Key] = a
		return nil
	})
	return a, err
}

// Due finds what is due, oldest first.
func (l *Ledger) Due(_ context.Context, until time.Time, limit int) ([]assignment.Key, error) {
	return l.find("Due", limit, func(a assignment.Assignment) bool { return !a.Due.IsZero() && !a.Due.After(until) })
}

// OfProfile finds a profile's items in a status, or in any.
func (l *Ledger) OfProfile(_ context.Context, id string, status assignment.Status, limit int) ([]assignment.Key, error) {
	return l.find("OfProfile", limit, func(a assignment.Assignment) bool {
		return a.Profile == id && (status == "" || a.Status == status)
	})
}

func (l *Ledger) find(call string, limit int, want func(assignment.Assignment) bool) ([]assignment.Key, error) {
	var out []assignment.Key
	err := l.call(call, func() error {
		var found []assignment.Assignment
		for _, a := range l.items {
			if want(a) {
				found = append(found, a)
			}
		}
		slices.SortFunc(found, func(a, b assignment.Assignment) int {
			return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key.String(), b.Key.String()))
		})
		for _, a := range found {
			if limit == 0 || len(out) < limit {
				out = append(out, a.Key)
			}
		}
		return nil
	})
	return out, err
}

// Name puts people into the inbox.
func (l *Ledger) Name(_ context.Context, people []string) error {
	return l.call("Name", func() error {
		for _, id := range people {
			l.inbox[id] = true
		}
		return nil
	})
}

// Named is who is in the inbox.
func (l *Ledger) Named(_ context.Context, limit int) ([]string, error) {
	var out []string
	err := l.call("Named", func() error {
		out = slices.Sorted(maps.Keys(l.inbox))
		out = out[:min(limit, len(out))]
		return nil
	})
	return out, err
}

// Forget takes people out of the inbox.
func (l *Ledger) Forget(_ context.Context, people []string) error {
	return l.call("Forget", func() error {
		for _, id := range people {
			delete(l.inbox, id)
		}
		return nil
	})
}

// Standings is where every profile stands.
func (l *Ledger) Standings(context.Context) (map[string]profile.Standing, error) {
	var out map[string]profile.Standing
	err := l.call("Standings", func() error {
		out = maps.Clone(l.standings)
		return nil
	})
	return out, err
}

// SaveStanding writes one; Conflict unless the revision is the one that is there.
func (l *Ledger) SaveStanding(_ context.Context, s profile.Standing) (profile.Standing, error) {
	err := l.call("SaveStanding", func() error {
		if l.standings[s.ID].Revision != s.Revision {
			return fault.New(fault.Conflict, "writing the standing of "+s.ID)
		}
		s.Revision++
		l.standings[s.ID] = s
		return nil
	})
	return s, err
}

// Stop is the switch for everything.
func (l *Ledger) Stop(context.Context) (profile.Stop, error) {
	var out profile.Stop
	err := l.call("Stop", func() error {
		out = l.stop
		return nil
	})
	return out, err
}

// SaveStop sets it.
func (l *Ledger) SaveStop(_ context.Context, s profile.Stop) error {
	return l.call("SaveStop", func() error {
		l.stop = s
		return nil
	})
}

// Cursors is where the feeds stand.
func (l *Ledger) Cursors(context.Context) ([]member.Cursor, error) {
	var out []member.Cursor
	err := l.call("Cursors", func() error {
		for _, name := range slices.Sorted(maps.Keys(l.cursors)) {
			out = append(out, l.cursors[name])
		}
		return nil
	})
	return out, err
}

// SaveCursor moves one; Conflict unless the revision is the one that is there.
func (l *Ledger) SaveCursor(_ context.Context, c member.Cursor) (member.Cursor, error) {
	err := l.call("SaveCursor", func() error {
		if l.cursors[c.Name].Revision != c.Revision {
			return fault.New(fault.Conflict, "moving cursor "+c.Name)
		}
		c.Revision++
		l.cursors[c.Name] = c
		return nil
	})
	return c, err
}

// DeleteCursor drops one.
func (l *Ledger) DeleteCursor(_ context.Context, name string) error {
	return l.call("DeleteCursor", func() error {
		delete(l.cursors, name)
		return nil
	})
}

// Acquire takes the lease, if it is free or has run out.
func (l *Ledger) Acquire(_ context.Context, holder string, now time.Time, ttl time.Duration) (lease.Lease, error) {
	var got lease.Lease
	err := l.call("Acquire", func() error {
		if now.Before(l.lease.Until) {
			return &lease.HeldError{Lease: l.lease}
		}
		l.lease = lease.Lease{Generation: l.lease.Generation + 1, Holder: holder, Since: now, Until: now.Add(ttl)}
		got = l.lease
		return nil
	})
	return got, err
}

// Release gives it back.
func (l *Ledger) Release(_ context.Context, held lease.Lease) error {
	return l.call("Release", func() error {
		if l.lease.Generation == held.Generation {
			l.lease.Until = time.Time{}
		}
		return nil
	})
}

// LoadRoll is a roll that was put off; NotFound where there is none.
func (l *Ledger) LoadRoll(_ context.Context, name string) (member.Position, []byte, error) {
	var r heldRoll
	err := l.call("LoadRoll", func() error {
		var ok bool
		if r, ok = l.rolls[name]; !ok {
			return fault.New(fault.NotFound, "there is no roll "+name)
		}
		return nil
	})
	return r.at, r.seen, err
}

// SaveRoll puts a roll off.
func (l *Ledger) SaveRoll(_ context.Context, name string, at member.Position, seen []byte) error {
	return l.call("SaveRoll", func() error {
		l.rolls[name] = heldRoll{at: at, seen: seen}
		return nil
	})
}

// DropRoll puts a roll away.
func (l *Ledger) DropRoll(_ context.Context, name string) error {
	return l.call("DropRoll", func() error {
		delete(l.rolls, name)
		return nil
	})
}

// SaveRun keeps a summary.
func (l *Ledger) SaveRun(_ context.Context, _ time.Time, _ string, summary json.RawMessage) error {
	return l.call("SaveRun", func() error {
		l.runs = append(l.runs, summary)
		return nil
	})
}

// Catalogues is what is known of the directories.
func (l *Ledger) Catalogues(context.Context) ([]desktop.Catalogue, error) {
	var out []desktop.Catalogue
	err := l.call("Catalogues", func() error {
		for _, key := range slices.Sorted(maps.Keys(l.catalogue)) {
			out = append(out, l.catalogue[key])
		}
		return nil
	})
	return out, err
}

// SaveCatalogue writes what is known of one directory.
func (l *Ledger) SaveCatalogue(_ context.Context, c desktop.Catalogue) error {
	return l.call("SaveCatalogue", func() error {
		l.catalogue[c.Lane.String()+"/"+c.Directory] = c
		return nil
	})
}

// All is every profile as it is written.
func (l *Ledger) All(context.Context) ([]profile.Document, error) {
	var out []profile.Document
	err := l.call("All", func() error {
		for _, id := range slices.Sorted(maps.Keys(l.documents)) {
			out = append(out, l.documents[id])
		}
		return nil
	})
	return out, err
}

// Write puts a profile into the profiles table, as an administrator does.
func (l *Ledger) Write(id string, fields map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.documents[id] = profile.Document{ID: id, Fields: fields}
}

// Erase takes a profile out of the profiles table.
func (l *Ledger) Erase(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.documents, id)
}

// Items is a copy of every item, by key.
func (l *Ledger) Items() map[assignment.Key]assignment.Assignment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.items)
}

// Standing is where a profile stands.
func (l *Ledger) Standing(id string) profile.Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standings[id]
}

// Events is the history of one item, in order.
func (l *Ledger) Events(key assignment.Key) []assignment.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.events[key]), func(a, b assignment.Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
}

// String is a table of the items, for a failing test.
func (l *Ledger) String() string {
	out := ""
	items := l.Items()
	for _, k := range slices.SortedFunc(maps.Keys(items), func(a, b assignment.Key) int { return cmp.Compare(a.String(), b.String()) }) {
		a := items[k]
		out += fmt.Sprintf("%s %s %s %s attempt %d\n", k, a.Status, a.Reason.Code, a.WorkSpace, a.Attempt)
	}
	return out
}

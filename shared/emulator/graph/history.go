package graph

import (
	"sort"
	"time"
)

// A directory is kept as its history: every change has a number, and everything can be asked "as of number n".
// Replication lag, delta queries and replays are then one idea: read as of an older number.

// history is the values that something has had, oldest first. Asking for a number before the first value finds
// nothing: the thing did not exist.
type history[T any] []step[T]

type step[T any] struct {
	seq   int64
	value T
}

func (h history[T]) at(seq int64) (value T, ok bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].seq <= seq {
			return h[i].value, true
		}
	}
	return value, false
}

func (h history[T]) now() (value T, ok bool) {
	if len(h) == 0 {
		return value, false
	}
	return h[len(h)-1].value, true
}

// topic is what a change was about.
type topic int8

const (
	aboutUser topic = iota
	aboutGroup
	aboutObject
	aboutMember // member joined or left group id
	aboutCrowd  // a crowd of users was made
	aboutRange  // a range of a crowd joined group id
)

// change is one line of the directory's log. Its number is its place in the log, counted from 1.
type change struct {
	at     time.Time
	topic  topic
	id     string   // user, group or object
	member string   // for aboutMember
	span   span     // for aboutCrowd and aboutRange
	props  []string // the properties that changed; nil: the thing itself came, went or came back
	purge  bool     // for aboutMember: left because the member was permanently deleted
}

// record appends a change at the clock's present and returns its number. The lock is held.
func (t *Tenant) record(c change) int64 {
	c.at = t.clock.Now()
	if n := len(t.log); n > 0 && c.at.Before(t.log[n-1].at) {
		c.at = t.log[n-1].at // the log's time never runs backwards, whatever the clock does
	}
	t.log = append(t.log, c)
	return int64(len(t.log))
}

// nextSeq is the number that the next recorded change will have. The lock is held.
func (t *Tenant) nextSeq() int64 { return int64(len(t.log)) + 1 }

// asOf is the number of the last change that a replica shows which lags behind the clock. The lock is held.
func (t *Tenant) asOf(lag time.Duration) int64 {
	if lag <= 0 {
		return int64(len(t.log))
	}
	edge := t.clock.Now().Add(-lag)
	return int64(sort.Search(len(t.log), func(i int) bool { return t.log[i].at.After(edge) }))
}

// span is one object, or the users [from, to) of a crowd.
type span struct {
	id       string
	crowd    *Crowd
	from, to int
}

func (s span) len() int {
	if s.crowd == nil {
		return 1
	}
	return s.to - s.from
}

func (s span) at(i int) string {
	if s.crowd == nil {
		return s.id
	}
	return s.crowd.ID(s.from + i)
}

// sequence is an append-only list of objects in which a crowd takes no room. A place in it stays the place of the
// same object for ever, so that a page token is just a number.
type sequence struct {
	spans  []span
	starts []int
	n      int
}

func (q *sequence) add(s span) {
	q.spans = append(q.spans, s)
	q.starts = append(q.starts, q.n)
	q.n += s.len()
}

// from yields place and id of everything from a place on, until yield says no.
func (q *sequence) from(place int, yield func(place int, id string) bool) {
	if place < 0 || place >= q.n {
		return
	}
	i := sort.SearchInts(q.starts, place+1) - 1
	for ; i < len(q.spans); i++ {
		for k := place - q.starts[i]; k < q.spans[i].len(); k++ {
			if !yield(q.starts[i]+k, q.spans[i].at(k)) {
				return
			}
		}
		place = q.starts[i] + q.spans[i].len()
	}
}

package ledger

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/shared/assignment"
	"rollcall/shared/fault"
)

const (
	personPrefix = "PERSON#"
	slotPrefix   = "SLOT#"
	eventPrefix  = "EVENT#"

	// noProfile is the profileKey of an assignment in which no profile counts.
	noProfile = "-"

	// Two shards of byDue take two thousand writes a second, which is more than a planner makes; each one more would
	// cost every quiet tick a query.
	dueShards = 2
)

func assignmentKey(k assignment.Key) item {
	return key(personPrefix+k.Person, slotPrefix+k.Slot)
}

// keyFrom is the assignment that an item, or an index's entry, is about.
func (t table) keyFrom(it item, doing string) (assignment.Key, error) {
	pk, sk, _ := strings.Cut(keyText(it), " ")
	person, isPerson := strings.CutPrefix(pk, personPrefix)
	slot, isSlot := strings.CutPrefix(sk, slotPrefix)
	if !isPerson || !isSlot || person == "" || slot == "" {
		return assignment.Key{}, t.unreadable(it, fmt.Errorf("its key is not that of an assignment"), doing)
	}
	return assignment.Key{Person: person, Slot: slot}, nil
}

// Shard is the dueShard of a person's assignments, "0" or "1".
func Shard(person string) string {
	h := fnv.New32a()
	h.Write([]byte(person)) // never fails
	return strconv.Itoa(int(h.Sum32() % dueShards))
}

// assignmentItem is a as it is stored. The due time stands in dueAt alone, which Poke moves.
func assignmentItem(a assignment.Assignment) (item, error) {
	due := a.Due
	a.Due = time.Time{}
	it, err := encode(a)
	if err != nil {
		return nil, err
	}
	for name, v := range assignmentKey(a.Key) {
		it[name] = v
	}
	profile := a.Profile
	if profile == "" {
		profile = noProfile
	}
	it[ProfileKey] = text(profile)
	it[StatusKey] = text(statusPrefix(a.Status) + a.Person + "#" + a.Slot)
	if !due.IsZero() {
		it[DueShard] = text(Shard(a.Person))
		it[DueAt] = text(stamp(due))
	}
	return it, nil
}

// statusPrefix begins the statusKey of every assignment of a status.
func statusPrefix(s assignment.Status) string { return string(s) + "#" }

func (t table) assignmentFrom(it item, doing string) (assignment.Assignment, error) {
	k, err := t.keyFrom(it, doing)
	if err != nil {
		return assignment.Assignment{}, err
	}
	var a assignment.Assignment
	if err := decode(it, &a); err != nil {
		return assignment.Assignment{}, t.unreadable(it, err, doing)
	}
	if a.Due, err = readStamp(it, DueAt); err != nil {
		return assignment.Assignment{}, t.unreadable(it, err, doing)
	}
	a.Key = k
	return a, nil
}

// loadsAtOnce is how many BatchGetItem calls one Load has under way.
const loadsAtOnce = 4

// Load reads the assignments under keys, strongly consistently: every one of them, or an error. A key under which
// there is none is not in the map. What DynamoDB leaves unprocessed is asked for again, with a back-off on the
// ledger's clock, up to 13 s; after that the error is fault.Throttled.
func (l *Ledger) Load(ctx context.Context, keys []assignment.Key) (map[assignment.Key]assignment.Assignment, error) {
	distinct := slices.Clone(keys) // BatchGetItem refuses a key that is named twice
	slices.SortFunc(distinct, func(a, b assignment.Key) int { return strings.Compare(a.String(), b.String()) })
	distinct = slices.Compact(distinct)
	doing := fmt.Sprintf("reading %d assignments", len(distinct))

	var mu sync.Mutex
	loaded := make(map[assignment.Key]assignment.Assignment, len(distinct))
	batches, ctx := errgroup.WithContext(ctx)
	batches.SetLimit(loadsAtOnce)
	for some := range slices.Chunk(distinct, mostKeys) {
		batches.Go(func() error {
			as, err := l.loadBatch(ctx, some, doing)
			mu.Lock()
			defer mu.Unlock()
			for _, a := range as {
				loaded[a.Key] = a
			}
			return err
		})
	}
	if err := batches.Wait(); err != nil {
		return nil, err
	}
	return loaded, nil
}

func (l *Ledger) loadBatch(ctx context.Context, keys []assignment.Key, doing string) ([]assignment.Assignment, error) {
	var wanted []item
	for _, k := range keys {
		if k.Person == "" || k.Slot == "" {
			return nil, fault.New(fault.Rejected, fmt.Sprintf("%s: %q is not a key", doing, k))
		}
		wanted = append(wanted, assignmentKey(k))
	}
	found, err := l.batch(ctx, wanted, doing)
	if err != nil {
		return nil, err
	}
	return l.assignments(found, doing)
}

func (l *Ledger) assignments(found []item, doing string) ([]assignment.Assignment, error) {
	var all []assignment.Assignment
	for _, it := range found {
		a, err := l.assignmentFrom(it, doing)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// Save writes the events, then a, and returns a as it was written, with the revision that the next Save needs.
//
// An event is put under its ID, so that telling it twice leaves one item. It is written even where a then meets a
// conflict: the history may tell of a step that was not taken, and never misses one that was.
//
// The write of a is conditional: what is stored still has a.Revision (0: nothing is stored) and no higher lease
// generation than a.Generation; else the error is fault.Conflict. On fault.Unavailable the outcome is not known:
// load again.
//
// # A poke in between
//
// A Poke that came after a was read is no conflict and is not lost. A poke counts the revision on, and leaves the
// attribute saved, which holds the revision of the last Save, as it is. So where the condition fails, and saved is
// still no higher than a.Revision, then only pokes came in between: Save takes the earlier of the two due times
// and writes again. The a that it returns has that due time, and a revision higher than a.Revision+1.
func (l *Ledger) Save(ctx context.Context, a assignment.Assignment, events ...assignment.Event) (assignment.Assignment, error) {
	if a.Person == "" || a.Slot == "" || a.Status == "" {
		return a, fault.New(fault.Rejected, fmt.Sprintf("saving assignment %q: it lacks a person, a slot or a status", a.Key))
	}
	for _, e := range events {
		if err := l.tell(ctx, a.Key, e); err != nil {
			return a, err
		}
	}
	return l.saveOver(ctx, a)
}

// mostPokes is how many times one Save makes room for pokes that keep coming.
const mostPokes = 10

func (l *Ledger) saveOver(ctx context.Context, a assignment.Assignment) (assignment.Assignment, error) {
	doing := fmt.Sprintf("saving assignment %s", a.Key)
	written, over, id := a, a.Revision, newWriteID()
	for range mostPokes {
		written.Revision = over + 1
		it, err := assignmentItem(written)
		if err != nil {
			return a, fault.Wrap(fault.Rejected, err, doing)
		}
		it[attrSaved] = number(written.Revision)
		it[attrWriteID] = id
		there, err := l.replace(ctx, it, over, a.Generation, doing)
		if err == nil {
			return written, nil
		}
		if there == nil || !fault.Is(err, fault.Conflict) {
			return a, err
		}
		var b bookkeeping
		if err := decode(there, &b); err != nil {
			return a, l.unreadable(there, err, doing)
		}
		if a.Revision == 0 || b.Saved > a.Revision || b.Revision <= over || b.Generation > a.Generation {
			return a, conflict(err, doing, a, b)
		}
		poked, err := readStamp(there, DueAt)
		if err != nil {
			return a, l.unreadable(there, err, doing)
		}
		written.Due, over = earlier(a.Due, poked), b.Revision
	}
	return a, fault.New(fault.Conflict, fmt.Sprintf("%s: poked %d times while it was being written", doing, mostPokes))
}

// conflict says what was there instead.
func conflict(cause error, doing string, a assignment.Assignment, b bookkeeping) error {
	return fault.Wrap(fault.Conflict, cause, fmt.Sprintf(
		"%s: revision %d of generation %d was to be replaced by generation %d, and revision %d of generation %d is there",
		doing, a.Revision, a.Generation, a.Generation, b.Revision, b.Generation))
}

// earlier of two times, where the zero time is "never".
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tell writes an event of k under its ID, over the same event told before.
func (l *Ledger) tell(ctx context.Context, k assignment.Key, e assignment.Event) error {
	doing := fmt.Sprintf("writing event %s of %s", e.ID, k)
	if e.Key != k || e.ID == "" || e.At.IsZero() {
		return fault.New(fault.Rejected, fmt.Sprintf("%s: an event needs the key of its assignment (has %s), an id and a time", doing, e.Key))
	}
	it, err := encode(e)
	if err != nil {
		return fault.Wrap(fault.Rejected, err, doing)
	}
	it[PartitionKey] = text(personPrefix + k.Person)
	it[SortKey] = text(eventPrefix + k.Slot + "#" + e.ID)
	it[Expires] = number(e.At.Add(l.history).Unix())
	return l.put(ctx, it, doing)
}

// pokesAtOnce is how many keys one Poke writes at a time.
const pokesAtOnce = 8

// Poke makes the assignments under keys due no later than at, and changes nothing else that a caller sees but the
// revision. A key under which there is none is passed over. On an error some may have been poked; poking again does
// no harm.
//
// It reads nothing and never meets a conflict: a Save of what was read before keeps the poke (see Save). For that
// it writes also where the assignment is due by then already: a planner may be about to give it a later time.
func (l *Ledger) Poke(ctx context.Context, keys []assignment.Key, at time.Time) error {
	pokes, ctx := errgroup.WithContext(ctx)
	pokes.SetLimit(pokesAtOnce)
	for _, k := range keys {
		pokes.Go(func() error { return l.poke(ctx, k, at) })
	}
	return pokes.Wait()
}

// poke tries the two cases in turn, because an update cannot take the lesser of two values: the time is brought
// forward, or it is early enough and only the revision counts on. Where neither holds there is no such assignment,
// or its time was moved between the two tries.
func (l *Ledger) poke(ctx context.Context, k assignment.Key, at time.Time) error {
	const (
		count = "SET #revision = #revision + :one"
		bring = count + ", #dueAt = :at, #dueShard = :shard"
	)
	doing := fmt.Sprintf("poking assignment %s", k)
	for range mostPokes {
		_, err := l.update(ctx, assignmentKey(k), bring, "attribute_exists(#pk) AND (attribute_not_exists(#dueAt) OR #dueAt > :at)",
			item{":one": number(1), ":at": text(stamp(at)), ":shard": text(Shard(k.Person))}, doing)
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		_, err = l.update(ctx, assignmentKey(k), count, "attribute_exists(#pk) AND #dueAt <= :at",
			item{":one": number(1), ":at": text(stamp(at))}, doing)
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		there, err := l.get(ctx, assignmentKey(k), doing)
		if err != nil || there == nil {
			return err
		}
	}
	return fault.New(fault.Conflict, fmt.Sprintf("%s: its due time was moved %d times meanwhile", doing, mostPokes))
}

package workspaces

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rollcall/shared/clock"
	"rollcall/shared/desktop"
)

// Lane is Amazon WorkSpaces in one account and Region. Its methods are the hands of a scenario: an administrator's,
// AD's, or AWS's own; none of them is throttled. They return an error only for what could not be (an id that is
// malformed, a subnet that is not there).
type Lane struct {
	// ID is the account and Region. It does not change.
	ID desktop.Lane

	clock clock.Clock
	seed  uint64

	mu          sync.Mutex
	knobs       Knobs
	timeline    timeline
	steps       int
	subnets     []*subnet
	directories []*directory
	bundles     []*Bundle
	keys        map[string]bool
	quotas      map[string]float64
	account     Account

	made     int
	batches  int              // how many CreateWorkspaces there were
	desks    []*desk          // in the order in which they were made, gone ones compacted now and then
	byID     map[string]*desk // those that exist
	byName   map[string][]*desk
	bySID    map[string][]*desk
	launches map[string]int // how many a name ever had
	gone     []WorkSpace

	buckets    map[string]*bucket
	throttled  int
	injections []*injection
}

// Account is what DescribeAccount says: whether Windows licences may be brought (BYOL).
type Account struct {
	Dedicated      bool   // DedicatedTenancySupport ENABLED
	ManagementCIDR string // "10.0.0.0/16", or empty
	Type           string // SOURCE_ACCOUNT, TARGET_ACCOUNT, or empty
}

func newLane(id desktop.Lane, c clock.Clock, seed uint64, k Knobs) *Lane {
	return &Lane{
		ID: id, clock: c, seed: seed, knobs: k,
		keys: map[string]bool{}, quotas: map[string]float64{},
		byID: map[string]*desk{}, byName: map[string][]*desk{}, bySID: map[string][]*desk{},
		launches: map[string]int{}, buckets: map[string]*bucket{},
	}
}

// with runs f on the lane as it stands now: everything that was due has happened.
func (l *Lane) with(f func(now time.Time)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	l.settle(now)
	f(now)
}

// Knobs is a copy of the lane's knobs.
func (l *Lane) Knobs() Knobs {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.knobs
}

// Set changes the lane's knobs. What is already under way keeps the times it was given.
func (l *Lane) Set(change func(*Knobs)) {
	l.with(func(time.Time) { change(&l.knobs) })
}

// SetAccount says what DescribeAccount answers.
func (l *Lane) SetAccount(a Account) { l.with(func(time.Time) { l.account = a }) }

// SetQuota sets a quota of the account in the Region by its code; WorkSpacesQuota is the number of WorkSpaces.
// The error names a code that Service Quotas does not have for WorkSpaces.
func (l *Lane) SetQuota(code string, value int) error {
	if _, ok := quotaTable()[code]; !ok {
		return fmt.Errorf("setting quota %s: no such quota of WorkSpaces", code)
	}
	l.with(func(time.Time) { l.quotas[code] = float64(value) })
	return nil
}

// AddKey makes a KMS key known, by its ARN or "alias/…"; a key that is not usable (disabled, asymmetric, out of
// grants) is there and refused. The last word counts.
func (l *Lane) AddKey(key string, usable bool) { l.with(func(time.Time) { l.keys[key] = usable }) }

// Throttled is how many calls the lane has answered with ThrottlingException.
func (l *Lane) Throttled() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.throttled
}

// draw takes a time from a range; the same seed, lane and words give the same time, in whatever order drawn.
func (l *Lane) draw(r Range, words ...string) time.Duration {
	span := uint64(max(0, r.Max-r.Min) / time.Second)
	if span == 0 {
		return r.Min
	}
	return r.Min + time.Duration(l.number(words...)%(span+1))*time.Second
}

// number is a well-mixed number made of the seed, the lane and the words.
func (l *Lane) number(words ...string) uint64 {
	h := fnv.New64a()
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], l.seed)
	h.Write(seed[:])
	h.Write([]byte(l.ID.String() + "\x00" + strings.Join(words, "\x00")))
	x := h.Sum64() // FNV's high bits are weak for short words: one round of SplitMix64 spreads them
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// letters is a word of n characters out of alphabet, made like number.
func (l *Lane) letters(alphabet string, n int, words ...string) string {
	var b strings.Builder
	x := l.number(words...)
	for i := range n {
		if x == 0 {
			x = l.number(append(slices.Clone(words), fmt.Sprint(i))...)
		}
		b.WriteByte(alphabet[x%uint64(len(alphabet))])
		x /= uint64(len(alphabet))
	}
	return b.String()
}

// clone is a WorkSpace that shares nothing with the lane.
func (w WorkSpace) clone() WorkSpace {
	w.Tags = maps.Clone(w.Tags)
	w.Protocols = slices.Clone(w.Protocols)
	return w
}

// Package ledger keeps what rollcall believes and did in one DynamoDB table, and reads the AP profiles from
// another. It is the only package that speaks to DynamoDB.
//
// It exists so that everybody else may think in values (assignment.Assignment, profile.Standing, …) and in three
// promises: a read is complete or an error, a write happens on top of what was read or not at all, and an index
// only finds, it never decides.
//
// It refuses to know a rule of provisioning: which status follows which is package assignment's matter. It refuses
// to guess: an item that cannot be read is an error which names it, never an item left out. It uses no
// transactions and no streams.
//
// # Items
//
// Every item has a partition key pk and a sort key sk, both strings.
//
//	pk                  sk                      what
//	PERSON#<objectId>   SLOT#<slot>             assignment.Assignment
//	PERSON#<objectId>   EVENT#<slot>#<id>       assignment.Event; expires
//	PROFILES            <profile id>            profile.Standing
//	CURSORS             <feed's name>           member.Cursor
//	CATALOGUE           <lane>#<directory>      desktop.Catalogue
//	RUNS                <time>#<id>             Run; expires
//	SETTINGS            STOP                    profile.Stop
//	LEASE               PLANNER                 lease.Lease
//	INBOX               <objectId>              a person whom a feed has named
//
// An item's attributes are the JSON fields of its value, so that it can be read in the DynamoDB console, and a few
// that belong to the ledger: writeId (which write put it there), saved (see Save), the keys of the two indexes,
// and expires (the TTL attribute, in seconds since 1970). An expired item is not returned even while DynamoDB has
// not removed it yet, which may take it a few days.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
//
// The indexes hold keys only. byProfile (profileKey, statusKey) has every assignment, under the profile that counts
// ("-" where none does) and "<status>#<person>#<slot>". byDue (dueShard, dueAt) is sparse: it has the assignments
// that are to be looked at again, in 2 shards by a hash of the person. Both are eventually consistent: a caller
// Loads what they find, and believes only that.
//
// # Writing on top of what was read
//
// Each revisioned item counts its writes in revision; a write is conditional on the revision that its writer read,
// and a failed condition is fault.Conflict: read again. An assignment also keeps the lease generation of the planner
// that wrote it, and refuses a lower one. A lease that is taken (Acquire) has a generation above all before it.
//
// The SDK repeats a request whose answer was lost. The repeat of a conditional write that had gone through fails
// its condition, although it is ours. So each write carries an id of its own, and a failed condition is followed by
// a consistent read: where the item carries our id, the write is a success. One case stays open, and is safe: ours
// went through, the answer was lost and somebody wrote again before the repeat. That is reported as a Conflict; who
// reads again sees what they made of our write.
//
// The generation alone does not stop a planner whose lease has passed to another: no transaction ties an item to
// the lease. What stops it is both together. An item that the new planner has written refuses the old one by its
// generation; an item that the old one wrote first makes the new one's write, made from an older read, a Conflict.
//
// # Limits
//
// An item is at most 400 KB, names and values together; the ledger measures before it sends and refuses with
// fault.Misconfigured, naming the largest attribute. Only two can come near: a Standing (its Tree costs 37 bytes a
// group, so 11,000 nested groups are the most) and a Run's summary. Measured: an assignment has 0.3 to 0.9 KB, an
// event 0.4 KB. A cursor's link has some KB, a catalogue 60 bytes for each bundle.
//
// A request carries 100 keys (BatchGetItem, 16 MB) or 25 writes (BatchWriteItem), or returns 1 MB (Query, Scan);
// pages are followed, and what a batch left undone is taken up again.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
//
// # What an operation costs
//
// In request units, on demand, as documented (not measured: dynalite counts no index). A strongly consistent read is 1
// unit per 4 KB begun, an eventually consistent one half of that; a Query adds up its items before rounding,
// BatchGetItem rounds each item. A write is 1 unit per KB begun; an index adds 1 where an item enters or leaves it, 2
// where its key there changes, and nothing where it stays. A failed condition costs the write all the same.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
//
//	Load             1 read for each key, there or not
//	Save             1 write for the item, 2 where profile or status changes, 1 or 2 where the due time does,
//	                 1 for each event; a Conflict adds 1 read
//	Poke             1 write for each key, 1 or 2 for the index; where it is due already, 2 writes
//	Due              2 queries: 0.5 reads for each, which is enough for 40 keys
//	OfProfile        0.5 reads for every 40 keys or so
//	OfPerson         1 read for every 4 items or so
//	History          1 read for every 10 events or so
//	Everyone         OfProfile and Load together
//	Acquire, Renew   1 write; where another holds it, 1 more and 1 read
//	Name, Forget     1 write for each person
//	Named            1 query: 1 read, and 1 more for every 60 people or so
//	Standings        1 read for each 4 KB of all of them together
//	Profiles.All     likewise, over the profiles table
//
// One partition takes 1,000 write units and 3,000 read units a second. The keys PERSON#… spread; PROFILES, CURSORS,
// CATALOGUE and RUNS are one partition each, which a tick writes a few times. byProfile has one partition key for
// each profile: a first roll of a big profile writes it as fast as it writes people, and an index that is throttled
// throttles the table's writes too (fault.Throttled, tried again by the SDK, then by the next tick).
package ledger

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"rollcall/shared/clock"
	"rollcall/shared/config"
)

// How long history and runs are kept unless an option says otherwise.
const (
	HistoryKept = 400 * 24 * time.Hour // a year, and the month in which somebody asks for it
	RunsKept    = 90 * 24 * time.Hour
)

// Ledger is the ledger table. Make one with New; it holds no state of its own and is safe for concurrent use.
type Ledger struct {
	table
	history time.Duration
	runs    time.Duration
}

// Option changes how a Ledger works.
type Option func(*Ledger)

// WithClock sets the clock that the ledger waits on between rounds of a read that DynamoDB left unfinished, and
// by which expired items are passed over. The default is clock.System.
func WithClock(c clock.Clock) Option { return func(l *Ledger) { l.clock = c } }

// KeepHistory sets how long after its time an event is kept; the default is HistoryKept.
func KeepHistory(d time.Duration) Option { return func(l *Ledger) { l.history = d } }

// KeepRuns sets how long after its time the summary of a run is kept; the default is RunsKept.
func KeepRuns(d time.Duration) Option { return func(l *Ledger) { l.runs = d } }

// New is the ledger in a table made as Definition says.
func New(client *dynamodb.Client, name string, options ...Option) *Ledger {
	l := &Ledger{
		table:   table{client: client, name: name, variable: config.LedgerTable, clock: clock.System{}},
		history: HistoryKept,
		runs:    RunsKept,
	}
	for _, o := range options {
		o(l)
	}
	return l
}

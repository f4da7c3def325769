package ledger

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// A roll that takes longer than a tick lies in a partition of its own: where it stands under AT, and the ids seen so
// far under SEEN#0000, SEEN#0001, …, as many to an item as fit. AT is written last and names how many parts belong to
// it, so a write that was broken off leaves the former state, or none. Rolls expire: Entra forgets a position sooner.
const (
	rollPrefix = "ROLL#"
	rollAt     = "AT"
	seenPrefix = "SEEN#"
	seenBytes  = 350 << 10 // of the 400 KB that an item may have; 22,400 ids
	rollKept   = 2 * 24 * time.Hour
)

// rollRecord is the item AT.
type rollRecord struct {
	At    member.Position `json:"at"`
	Parts int             `json:"parts"`
	Set   string          `json:"set"` // which parts: each SaveRoll writes a set of its own
}

// SaveRoll puts a roll off: where it stands, and the ids seen so far. It costs a write for each KB of them, so one of
// a million people costs 16,000 write units. Errors: those of any write.
func (l *Ledger) SaveRoll(ctx context.Context, name string, at member.Position, seen []byte) error {
	doing := "putting off roll " + name
	record := rollRecord{At: at, Set: rand.Text()}
	for part := range chunks(seen, seenBytes) {
		it := key(rollPrefix+name, seenKey(record.Set, record.Parts))
		it["seen"] = &types.AttributeValueMemberB{Value: part}
		it[Expires] = number(l.clock.Now().Add(rollKept).Unix())
		if err := l.put(ctx, it, doing); err != nil {
			return err
		}
		record.Parts++
	}
	it, err := recordItem(rollPrefix+name, rollAt, record, doing)
	if err != nil {
		return err
	}
	it[Expires] = number(l.clock.Now().Add(rollKept).Unix())
	return l.put(ctx, it, doing)
}

// LoadRoll reads a roll that was put off. NotFound where there is none; a part that is missing is an error, never a
// shorter list: whoever is not on it would be taken for somebody who has left.
func (l *Ledger) LoadRoll(ctx context.Context, name string) (at member.Position, seen []byte, err error) {
	doing := "going on with roll " + name
	it, err := l.get(ctx, key(rollPrefix+name, rollAt), doing)
	if err != nil {
		return at, nil, err
	}
	if it == nil {
		return at, nil, fault.New(fault.NotFound, doing+": there is none")
	}
	var record rollRecord
	if err := decode(it, &record); err != nil {
		return at, nil, l.unreadable(it, err, doing)
	}
	for n := range record.Parts {
		part, err := l.get(ctx, key(rollPrefix+name, seenKey(record.Set, n)), doing)
		if err != nil {
			return at, nil, err
		}
		ids, ok := part["seen"].(*types.AttributeValueMemberB)
		if !ok {
			return at, nil, fault.New(fault.NotFound, fmt.Sprintf("%s: part %d of %d is missing, so it begins anew", doing, n+1, record.Parts))
		}
		seen = append(seen, ids.Value...)
	}
	return record.At, seen, nil
}

// DropRoll puts a roll away. One that is not there is no error.
func (l *Ledger) DropRoll(ctx context.Context, name string) error {
	doing := "putting away roll " + name
	found, err := l.partition(ctx, rollPrefix+name, "", doing)
	if err != nil {
		return err
	}
	// AT goes first: without it, parts that stay behind mean nothing, and expire.
	if err := l.remove(ctx, key(rollPrefix+name, rollAt), doing); err != nil {
		return err
	}
	for _, it := range found {
		if err := l.remove(ctx, keyOf(it), doing); err != nil {
			return err
		}
	}
	return nil
}

func seenKey(set string, n int) string { return fmt.Sprintf("%s%s#%04d", seenPrefix, set, n) }

// chunks cuts b into pieces of at most size bytes.
func chunks(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

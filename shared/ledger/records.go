package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
	"rollcall/shared/member"
	"rollcall/shared/profile"
)

const (
	profilesPartition  = "PROFILES"
	cursorsPartition   = "CURSORS"
	cataloguePartition = "CATALOGUE"
	runsPartition      = "RUNS"
	settingsPartition  = "SETTINGS"
	stopSetting        = "STOP"
)

// records reads every item of a partition as a T.
func records[T any](ctx context.Context, t table, pk, doing string) ([]T, error) {
	found, err := t.partition(ctx, pk, "", doing)
	if err != nil {
		return nil, err
	}
	all := make([]T, len(found))
	for i, it := range found {
		if err := decode(it, &all[i]); err != nil {
			return nil, t.unreadable(it, err, doing)
		}
	}
	return all, nil
}

// recordItem is v under a key.
func recordItem(pk, sk string, v any, doing string) (item, error) {
	if sk == "" {
		return nil, fault.New(fault.Rejected, doing+": it has no name")
	}
	it, err := encode(v)
	if err != nil {
		return nil, fault.Wrap(fault.Rejected, err, doing)
	}
	it[PartitionKey], it[SortKey] = text(pk), text(sk)
	return it, nil
}

// Standings reads where every profile stands, by profile id, strongly consistently.
func (l *Ledger) Standings(ctx context.Context) (map[string]profile.Standing, error) {
	all, err := records[profile.Standing](ctx, l.table, profilesPartition, "reading the profiles' standings")
	if err != nil {
		return nil, err
	}
	byID := make(map[string]profile.Standing, len(all))
	for _, s := range all {
		byID[s.ID] = s
	}
	return byID, nil
}

// Standing reads where one profile stands, strongly consistently. A profile of which nothing is known has only its ID.
func (l *Ledger) Standing(ctx context.Context, id string) (profile.Standing, error) {
	doing := "reading the standing of profile " + id
	it, err := l.get(ctx, key(profilesPartition, id), doing)
	if err != nil {
		return profile.Standing{}, err
	}
	s := profile.Standing{ID: id}
	if it == nil {
		return s, nil
	}
	if err := decode(it, &s); err != nil {
		return profile.Standing{}, l.unreadable(it, err, doing)
	}
	return s, nil
}

// SaveStanding writes s on top of s.Revision (0: of nothing) and returns it with the next revision. Where somebody
// else wrote first the error is fault.Conflict; where the item would be over 400 KB it is fault.Misconfigured.
func (l *Ledger) SaveStanding(ctx context.Context, s profile.Standing) (profile.Standing, error) {
	next := s
	next.Revision++
	err := l.saveRecord(ctx, profilesPartition, s.ID, next, s.Revision, "saving the standing of profile "+s.ID)
	if err != nil {
		return s, err
	}
	return next, nil
}

func (l *Ledger) saveRecord(ctx context.Context, pk, sk string, next any, revision int64, doing string) error {
	it, err := recordItem(pk, sk, next, doing)
	if err != nil {
		return err
	}
	it[attrWriteID] = newWriteID()
	_, err = l.replace(ctx, it, revision, 0, doing)
	return err
}

// Cursors reads where every feed stands, by name, strongly consistently.
func (l *Ledger) Cursors(ctx context.Context) ([]member.Cursor, error) {
	return records[member.Cursor](ctx, l.table, cursorsPartition, "reading the cursors")
}

// SaveCursor writes c on top of c.Revision (0: of nothing) and returns it with the next revision. Where somebody else
// wrote first the error is fault.Conflict.
func (l *Ledger) SaveCursor(ctx context.Context, c member.Cursor) (member.Cursor, error) {
	next := c
	next.Revision++
	if err := l.saveRecord(ctx, cursorsPartition, c.Name, next, c.Revision, "saving cursor "+c.Name); err != nil {
		return c, err
	}
	return next, nil
}

// DeleteCursor forgets a feed, whatever its revision; one that is not there is no error.
func (l *Ledger) DeleteCursor(ctx context.Context, name string) error {
	return l.remove(ctx, key(cursorsPartition, name), "deleting cursor "+name)
}

// Catalogues reads what the worker has recorded of every directory, by lane and directory, strongly consistently.
func (l *Ledger) Catalogues(ctx context.Context) ([]desktop.Catalogue, error) {
	return records[desktop.Catalogue](ctx, l.table, cataloguePartition, "reading the catalogue")
}

// SaveCatalogue writes what was read of a directory over what is there: one worker at a time has the lane.
func (l *Ledger) SaveCatalogue(ctx context.Context, c desktop.Catalogue) error {
	name := c.Lane.String() + "#" + c.Directory
	doing := "saving the catalogue of " + name
	it, err := recordItem(cataloguePartition, name, c, doing)
	if err != nil {
		return err
	}
	return l.put(ctx, it, doing)
}

// Stop reads the global switch, strongly consistently. It is off where it was never set.
func (l *Ledger) Stop(ctx context.Context) (profile.Stop, error) {
	const doing = "reading the global stop"
	it, err := l.get(ctx, key(settingsPartition, stopSetting), doing)
	if err != nil || it == nil {
		return profile.Stop{}, err
	}
	var s profile.Stop
	if err := decode(it, &s); err != nil {
		return profile.Stop{}, l.unreadable(it, err, doing)
	}
	return s, nil
}

// SaveStop sets the global switch, whatever it was and without the lease: a person may always stop.
func (l *Ledger) SaveStop(ctx context.Context, s profile.Stop) error {
	const doing = "saving the global stop"
	it, err := recordItem(settingsPartition, stopSetting, s, doing)
	if err != nil {
		return err
	}
	return l.put(ctx, it, doing)
}

// Run is the summary of one tick, as it was saved.
type Run struct {
	At      time.Time
	ID      string
	Summary json.RawMessage
}

// SaveRun keeps the summary of a run, byte for byte, until RunsKept after at. Saving the same run again replaces it.
func (l *Ledger) SaveRun(ctx context.Context, at time.Time, id string, summary json.RawMessage) error {
	doing := "saving run " + id
	if id == "" || !json.Valid(summary) {
		return fault.New(fault.Rejected, doing+": it needs an id, and a summary that is JSON")
	}
	it := key(runsPartition, stamp(at)+"#"+id)
	it["id"] = text(id)
	it["at"] = text(stamp(at))
	it["summary"] = text(string(summary))
	it[Expires] = number(at.Add(l.runs).Unix())
	return l.put(ctx, it, doing)
}

// Runs reads the last n runs that have not expired, the newest first.
func (l *Ledger) Runs(ctx context.Context, n int) ([]Run, error) {
	doing := fmt.Sprintf("reading the last %d runs", n)
	if n <= 0 {
		return nil, nil
	}
	found, err := l.query(ctx, &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("#pk = :pk"),
		ExpressionAttributeValues: item{":pk": text(runsPartition)},
		ConsistentRead:            aws.Bool(true),
		ScanIndexForward:          aws.Bool(false),
	}, n, doing)
	if err == nil {
		found, err = l.unexpired(found, doing)
	}
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, it := range found {
		r, err := l.runFrom(it, doing)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	slices.SortStableFunc(runs, func(a, b Run) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(b.ID, a.ID)) })
	return runs, nil
}

func (l *Ledger) runFrom(it item, doing string) (Run, error) {
	var stored struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	}
	err := decode(it, &stored)
	r := Run{ID: stored.ID, Summary: json.RawMessage(stored.Summary)}
	if err == nil {
		r.At, err = readStamp(it, "at")
	}
	if err != nil {
		return Run{}, l.unreadable(it, err, doing)
	}
	return r, nil
}

package ledger

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"rollcall/shared/assignment"
)

// Due finds the assignments that are to be looked at by until, the oldest first: at most limit of them, or all where
// limit is 0. It asks all shards at once; one that cannot be read is an error. The index lags a little: Load says
// what is true.
func (l *Ledger) Due(ctx context.Context, until time.Time, limit int) ([]assignment.Key, error) {
	var shards [dueShards][]item
	reads, ctx := errgroup.WithContext(ctx)
	for n := range dueShards {
		reads.Go(func() (err error) {
			shards[n], err = l.query(ctx, &dynamodb.QueryInput{
				IndexName:              aws.String(ByDue),
				KeyConditionExpression: aws.String("#dueShard = :shard AND #dueAt <= :until"),
				ExpressionAttributeValues: item{
					":shard": text(strconv.Itoa(n)), ":until": text(stamp(until)),
				},
			}, limit, fmt.Sprintf("finding due assignments of shard %d", n))
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return nil, err
	}
	return l.oldest(slices.Concat(shards[:]...), limit)
}

func (l *Ledger) oldest(found []item, limit int) ([]assignment.Key, error) {
	type due struct {
		at  time.Time
		key assignment.Key
	}
	var all []due
	for _, it := range found {
		k, err := l.keyFrom(it, "finding due assignments")
		if err != nil {
			return nil, err
		}
		at, err := readStamp(it, DueAt)
		if err != nil {
			return nil, l.unreadable(it, err, "finding due assignments")
		}
		all = append(all, due{at, k})
	}
	slices.SortFunc(all, func(a, b due) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.key.String(), b.key.String()))
	})
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	var keys []assignment.Key
	for _, d := range all {
		keys = append(keys, d.key)
	}
	return keys, nil
}

// OfProfile finds the assignments in which the profile counts (the empty name: in which none does), in one status or,
// where status is empty, in all; at most limit of them, or all where limit is 0. They are in the order of status,
// person and slot.
func (l *Ledger) OfProfile(ctx context.Context, profile string, status assignment.Status, limit int) ([]assignment.Key, error) {
	doing := fmt.Sprintf("finding assignments of profile %s", profile)
	found, err := l.query(ctx, ofProfile(profile, status), limit, doing)
	if err != nil {
		return nil, err
	}
	return l.keys(found, doing)
}

func ofProfile(profile string, status assignment.Status) *dynamodb.QueryInput {
	if profile == "" {
		profile = noProfile
	}
	q := &dynamodb.QueryInput{
		IndexName:                 aws.String(ByProfile),
		KeyConditionExpression:    aws.String("#profileKey = :profile"),
		ExpressionAttributeValues: item{":profile": text(profile)},
	}
	if status != "" {
		q.KeyConditionExpression = aws.String("#profileKey = :profile AND begins_with(#statusKey, :status)")
		q.ExpressionAttributeValues[":status"] = text(statusPrefix(status))
	}
	return q
}

func (l *Ledger) keys(found []item, doing string) ([]assignment.Key, error) {
	var keys []assignment.Key
	for _, it := range found {
		k, err := l.keyFrom(it, doing)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// OfPerson reads a person's assignments, strongly consistently, by slot.
func (l *Ledger) OfPerson(ctx context.Context, person string) ([]assignment.Assignment, error) {
	doing := fmt.Sprintf("reading assignments of person %s", person)
	found, err := l.partition(ctx, personPrefix+person, slotPrefix, doing)
	if err != nil {
		return nil, err
	}
	return l.assignments(found, doing)
}

// History reads a person's events that have not expired, the oldest first, strongly consistently.
func (l *Ledger) History(ctx context.Context, person string) ([]assignment.Event, error) {
	doing := fmt.Sprintf("reading history of person %s", person)
	found, err := l.partition(ctx, personPrefix+person, eventPrefix, doing)
	if err != nil {
		return nil, err
	}
	var events []assignment.Event
	for _, it := range found {
		var e assignment.Event
		if err := decode(it, &e); err != nil {
			return nil, l.unreadable(it, err, doing)
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b assignment.Event) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Slot, b.Slot), strings.Compare(a.ID, b.ID))
	})
	return events, nil
}

// page is the keys that one request found, or why it did not.
type page struct {
	found []item
	err   error
}

// Everyone reads every assignment in which one of the profiles counts, or every assignment there is where none is
// named, in no order that means anything. It is for reports: it holds about a thousand at a time, and whoever is
// written while it runs may be seen as before or as after, or twice. The first error ends it, and is yielded with
// a zero Assignment.
func (l *Ledger) Everyone(ctx context.Context, profiles ...string) iter.Seq2[assignment.Assignment, error] {
	pages := l.everyKey(ctx)
	if len(profiles) > 0 {
		pages = l.keysOf(ctx, profiles)
	}
	return func(yield func(assignment.Assignment, error) bool) {
		for p := range pages {
			found, err := l.loadPage(ctx, p)
			if err != nil {
				yield(assignment.Assignment{}, err)
				return
			}
			for _, a := range found {
				if !yield(a, nil) {
					return
				}
			}
		}
	}
}

func (l *Ledger) loadPage(ctx context.Context, p page) ([]assignment.Assignment, error) {
	if p.err != nil {
		return nil, p.err
	}
	keys, err := l.keys(p.found, "finding everyone")
	if err != nil {
		return nil, err
	}
	loaded, err := l.Load(ctx, keys)
	if err != nil {
		return nil, err
	}
	var all []assignment.Assignment
	for _, k := range keys {
		if a, there := loaded[k]; there {
			all = append(all, a)
		}
	}
	return all, nil
}

func (l *Ledger) everyKey(ctx context.Context) iter.Seq[page] {
	return func(yield func(page) bool) {
		pages := dynamodb.NewScanPaginator(l.client, &dynamodb.ScanInput{
			TableName: aws.String(l.name), IndexName: aws.String(ByProfile), Limit: aws.Int32(mostOnPage),
		})
		for pages.HasMorePages() {
			out, err := pages.NextPage(ctx)
			if err != nil {
				yield(page{err: l.fail(err, "finding everyone")})
				return
			}
			if !yield(page{found: out.Items}) {
				return
			}
		}
	}
}

func (l *Ledger) keysOf(ctx context.Context, profiles []string) iter.Seq[page] {
	return func(yield func(page) bool) {
		for _, profile := range profiles {
			q := ofProfile(profile, "")
			q.TableName = aws.String(l.name)
			q.Limit = aws.Int32(mostOnPage)
			q.ExpressionAttributeNames = namesIn(*q.KeyConditionExpression)
			pages := dynamodb.NewQueryPaginator(l.client, q)
			for pages.HasMorePages() {
				out, err := pages.NextPage(ctx)
				if err != nil {
					yield(page{err: l.fail(err, "finding assignments of profile "+profile)})
					return
				}
				if !yield(page{found: out.Items}) {
					return
				}
			}
		}
	}
}

package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"rollcall/shared/fault"
)

// inboxPartition is one partition: it takes a thousand writes a second, which is more than a planner makes, and to
// find it empty costs each tick one read.
const inboxPartition = "INBOX"

func inboxKey(person string) item { return key(inboxPartition, person) }

// Name writes people down as named by a feed, until Forget. Whoever is in already stays in. On an error some may have
// been written; naming them again does no harm.
func (l *Ledger) Name(ctx context.Context, people []string) error {
	return l.inbox(ctx, people, fmt.Sprintf("writing %d people into the inbox", len(people)),
		func(k item) types.WriteRequest { return types.WriteRequest{PutRequest: &types.PutRequest{Item: k}} })
}

// Forget removes people from the inbox; who is not in is no error. On an error some may have been removed.
func (l *Ledger) Forget(ctx context.Context, people []string) error {
	return l.inbox(ctx, people, fmt.Sprintf("removing %d people from the inbox", len(people)),
		func(k item) types.WriteRequest {
			return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k}}
		})
}

// Named reads the people in the inbox, strongly consistently and in no order that means anything: at most limit of
// them, or all where limit is 0.
func (l *Ledger) Named(ctx context.Context, limit int) ([]string, error) {
	const doing = "reading the inbox"
	found, err := l.query(ctx, &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("#pk = :pk"),
		ExpressionAttributeValues: item{":pk": text(inboxPartition)},
		ConsistentRead:            aws.Bool(true),
	}, limit, doing)
	if err != nil {
		return nil, err
	}
	var people []string
	for _, it := range found {
		_, person, _ := strings.Cut(keyText(it), " ")
		people = append(people, person)
	}
	if limit > 0 && len(people) > limit {
		people = people[:limit]
	}
	return people, nil
}

// mostWrites is how many items BatchWriteItem takes; inboxAtOnce is how many such calls are under way.
const (
	mostWrites  = 25
	inboxAtOnce = 4
)

func (l *Ledger) inbox(ctx context.Context, people []string, doing string, write func(item) types.WriteRequest) error {
	people = slices.Compact(slices.Sorted(slices.Values(people))) // BatchWriteItem refuses a key that is named twice
	if len(people) > 0 && people[0] == "" {
		return fault.New(fault.Rejected, doing+": one has no id")
	}
	batches, ctx := errgroup.WithContext(ctx)
	batches.SetLimit(inboxAtOnce)
	for some := range slices.Chunk(people, mostWrites) {
		batches.Go(func() error {
			var writes []types.WriteRequest
			for _, person := range some {
				writes = append(writes, write(inboxKey(person)))
			}
			return l.write(ctx, writes, doing)
		})
	}
	return batches.Wait()
}

package ledger

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rollcall/shared/clock"
	"rollcall/shared/fault"
)

// table is one DynamoDB table, with every answer classified.
type table struct {
	client   *dynamodb.Client
	name     string
	variable string // the environment variable that names it
	clock    clock.Clock
}

// The ledger's own attributes of an item.
const (
	attrWriteID    = "writeId"
	attrSaved      = "saved"
	attrRevision   = "revision"
	attrGeneration = "generation"
)

// bookkeeping is what the ledger itself reads of an item.
type bookkeeping struct {
	WriteID    string `json:"writeId"`
	Saved      int64  `json:"saved"`    // the revision that the last Save wrote; pokes count revision on from there
	Revision   int64  `json:"revision"` // counts the writes
	Generation int64  `json:"generation"`
}

func key(pk, sk string) item { return item{PartitionKey: text(pk), SortKey: text(sk)} }

// keyOf is the key of a whole item, and keyText names it for a person.
func keyOf(it item) item { return item{PartitionKey: it[PartitionKey], SortKey: it[SortKey]} }

func keyText(it item) string {
	part := func(name string) string {
		s, ok := it[name].(*types.AttributeValueMemberS)
		if !ok {
			return ""
		}
		return s.Value
	}
	if id := part(ProfileID); part(PartitionKey) == "" && id != "" {
		return ProfileID + " " + id
	}
	return part(PartitionKey) + " " + part(SortKey)
}

// get is the item under a key, read consistently, or nil where there is none.
func (t table) get(ctx context.Context, k item, doing string) (item, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(t.name), Key: k, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, t.fail(err, doing)
	}
	if len(out.Item) == 0 {
		return nil, nil
	}
	return out.Item, nil
}

// put writes an item over whatever is there.
func (t table) put(ctx context.Context, it item, doing string) error {
	return t.putIf(ctx, it, nil, nil, doing)
}

// putIf writes an item where the condition holds. Names in a condition are written "#name".
func (t table) putIf(ctx context.Context, it item, condition *string, values item, doing string) error {
	if err := t.measure(it, doing); err != nil {
		return err
	}
	in := &dynamodb.PutItemInput{TableName: aws.String(t.name), Item: it, ConditionExpression: condition}
	if condition != nil {
		in.ExpressionAttributeNames = namesIn(*condition)
	}
	if len(values) > 0 {
		in.ExpressionAttributeValues = values
	}
	_, err := t.client.PutItem(ctx, in)
	return t.fail(err, doing)
}

func (t table) measure(it item, doing string) error {
	size, largest := sizeOf(it)
	if size <= mostBytes {
		return nil
	}
	return fault.New(fault.Misconfigured, fmt.Sprintf("%s: the item has %d bytes, DynamoDB takes %d; most of it is %s",
		doing, size, mostBytes, largest))
}

// replace writes next in the place of what has the given revision (0: of nothing), and of no higher lease
// generation than next's. It returns what is there instead, nil for nothing, together with fault.Conflict.
//
// A write of ours whose answer was lost is recognised by its write id and is no conflict; see the package comment.
func (t table) replace(ctx context.Context, next item, revision, generation int64, doing string) (item, error) {
	condition, values := "attribute_not_exists(#pk)", item{}
	if revision > 0 {
		condition = "#revision = :revision AND (attribute_not_exists(#generation) OR #generation <= :generation)"
		values = item{":revision": number(revision), ":generation": number(generation)}
	}
	err := t.putIf(ctx, next, &condition, values, doing)
	if !fault.Is(err, fault.Conflict) {
		return nil, err
	}
	there, readErr := t.get(ctx, keyOf(next), doing+": reading back")
	if readErr != nil {
		return nil, readErr // whether ours went through is not known
	}
	if there != nil && sameText(there[attrWriteID], next[attrWriteID]) {
		return nil, nil
	}
	return there, err
}

func sameText(a, b types.AttributeValue) bool {
	x, okX := a.(*types.AttributeValueMemberS)
	y, okY := b.(*types.AttributeValueMemberS)
	return okX && okY && x.Value == y.Value
}

// newWriteID names one write; it has 130 random bits.
func newWriteID() types.AttributeValue { return text(rand.Text()) }

// update changes one item where the condition holds and returns it as it then is.
func (t table) update(ctx context.Context, k item, change, condition string, values item, doing string) (item, error) {
	out, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 aws.String(t.name),
		Key:                       k,
		UpdateExpression:          aws.String(change),
		ConditionExpression:       aws.String(condition),
		ExpressionAttributeNames:  namesIn(change + " " + condition),
		ExpressionAttributeValues: values,
		ReturnValues:              types.ReturnValueAllNew,
	})
	if err != nil {
		return nil, t.fail(err, doing)
	}
	return out.Attributes, nil
}

// remove deletes an item; one that is not there is no error.
func (t table) remove(ctx context.Context, k item, doing string) error {
	_, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String(t.name), Key: k})
	return t.fail(err, doing)
}

// query is every item that it finds, over all pages, or the first most of them where most is above zero.
func (t table) query(ctx context.Context, q *dynamodb.QueryInput, most int, doing string) ([]item, error) {
	q.TableName = aws.String(t.name)
	q.ExpressionAttributeNames = namesIn(*q.KeyConditionExpression)
	if most > 0 {
		q.Limit = aws.Int32(int32(min(most, mostOnPage)))
	}
	var found []item
	pages := dynamodb.NewQueryPaginator(t.client, q)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, t.fail(err, doing)
		}
		found = append(found, page.Items...)
		if most > 0 && len(found) >= most {
			return found[:most], nil
		}
	}
	return found, nil
}

// mostOnPage bounds the page of a limited query; a page is at most 1 MB in any case.
const mostOnPage = 1000

// partition is every item of a partition whose sort key begins with prefix, read consistently, in key order, without the
// expired ones.
func (t table) partition(ctx context.Context, pk, prefix, doing string) ([]item, error) {
	q := &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("#pk = :pk"),
		ExpressionAttributeValues: item{":pk": text(pk)},
		ConsistentRead:            aws.Bool(true),
	}
	if prefix != "" {
		q.KeyConditionExpression = aws.String("#pk = :pk AND begins_with(#sk, :prefix)")
		q.ExpressionAttributeValues[":prefix"] = text(prefix)
	}
	found, err := t.query(ctx, q, 0, doing)
	if err != nil {
		return nil, err
	}
	return t.unexpired(found, doing)
}

// unexpired leaves out what DynamoDB's TTL will remove, and may not have removed yet.
func (t table) unexpired(found []item, doing string) ([]item, error) {
	now := t.clock.Now().Unix()
	kept := found[:0]
	for _, it := range found {
		var b struct {
			Expires int64 `json:"expires"`
		}
		if it[Expires] != nil {
			if err := decode(item{Expires: it[Expires]}, &b); err != nil {
				return nil, t.unreadable(it, err, doing)
			}
		}
		if b.Expires == 0 || b.Expires > now {
			kept = append(kept, it)
		}
	}
	return kept, nil
}

// mostKeys is how many keys BatchGetItem takes.
const mostKeys = 100

// What DynamoDB left undone of a batch is taken up again after 50 ms, then after twice as long, up to 8 times: 6.4 s
// before the last, 12.75 s altogether.
const (
	mostRounds = 9
	firstPause = 50 * time.Millisecond
)

// rounds calls do until it reports that nothing is left, with a growing pause on the clock in between.
func (t table) rounds(ctx context.Context, doing string, do func() (left int, err error)) error {
	left, pause := 0, firstPause
	for round := range mostRounds {
		if round > 0 {
			if err := t.clock.SleepUntil(ctx, t.clock.Now().Add(pause)); err != nil {
				return t.fail(err, doing)
			}
			pause *= 2
		}
		var err error
		if left, err = do(); err != nil {
			return t.fail(err, doing)
		}
		if left == 0 {
			return nil
		}
	}
	return fault.New(fault.Throttled, fmt.Sprintf("%s: table %s left %d items undone in %d rounds", doing, t.name, left, mostRounds))
}

// batch is the items under at most 100 distinct keys, read consistently, in no order: all that exist, or an error.
func (t table) batch(ctx context.Context, keys []item, doing string) ([]item, error) {
	var found []item
	err := t.rounds(ctx, doing, func() (int, error) {
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{t.name: {Keys: keys, ConsistentRead: aws.Bool(true)}},
		})
		if err != nil {
			return 0, err
		}
		found = append(found, out.Responses[t.name]...)
		keys = out.UnprocessedKeys[t.name].Keys
		return len(keys), nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// write puts or deletes at most 25 items, unconditionally and in no order: all of them, or an error.
func (t table) write(ctx context.Context, writes []types.WriteRequest, doing string) error {
	return t.rounds(ctx, doing, func() (int, error) {
		out, err := t.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{t.name: writes},
		})
		if err != nil {
			return 0, err
		}
		writes = out.UnprocessedItems[t.name]
		return len(writes), nil
	})
}

// namesIn maps each "#name" of an expression to its attribute: every name goes this way, because DynamoDB reserves
// hundreds of words.
func namesIn(expression string) map[string]string {
	names := map[string]string{}
	words := strings.FieldsFunc(expression, func(r rune) bool { return r != '#' && !unicode.IsLetter(r) })
	for _, word := range words {
		if name, found := strings.CutPrefix(word, "#"); found {
			names[word] = name
		}
	}
	return names
}

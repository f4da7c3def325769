// Package working puts the worker together: the lanes, the WorkSpaces clients, the ledger and the dead-letter
// queue. It is wiring and nothing else; it refuses to hold a rule.
package working

import (
	"context"
	"errors"
	"log/slog"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/desktop"
	"rollcall/shared/fleet"
	"rollcall/shared/lane"
	"rollcall/shared/ledger"
	"rollcall/shared/queue"
)

// Edges is what the outside gives.
type Edges struct {
	AWS   aws.Config
	Clock clock.Clock
	Log   *slog.Logger
}

// Function is the worker as Lambda calls it.
type Function struct{ worker lane.Worker }

// New puts the worker together. It makes no request.
func New(c config.Worker, e Edges) *Function {
	book := ledger.New(dynamodb.NewFromConfig(e.AWS), c.LedgerTable, ledger.WithClock(e.Clock))
	fleets := fleet.New(e.AWS, fleet.Settings{
		Account: c.Account, MemberRole: c.MemberRole, ExternalID: c.ExternalID,
		Rate: c.CallRate, Clock: e.Clock,
	})
	return &Function{worker: lane.Worker{
		Installation: c.Installation,
		Ledger:       book, Switches: book, Catalogues: book,
		DeadLetters: queue.NewDeadLetters(sqs.NewFromConfig(e.AWS), c.DeadLetterURL),
		Fleets: func(ctx context.Context, l desktop.Lane) (lane.Account, error) {
			return fleets.Lane(ctx, l)
		},
		Clock: e.Clock, Log: e.Log,
	}}
}

var errNoMessages = errors.New(`this event holds no message of the queue: expected {"Records": [{"messageId": "1", "body": "…"}]}, each body the text of a job`)

// Handle works off one batch of the queue. Every message that is not named in the answer is acknowledged: what
// became of each person stands in the ledger.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
//
// An event without messages is an error: the queue never sends one, so a person has pasted something else, a bare
// job perhaps, and would take the empty answer for success.
func (f *Function) Handle(ctx context.Context, batch awsevents.SQSEvent) (awsevents.SQSEventResponse, error) {
	if len(batch.Records) == 0 {
		return awsevents.SQSEventResponse{}, errNoMessages
	}
	messages := make([]lane.Message, len(batch.Records))
	for i, r := range batch.Records {
		messages[i] = lane.Message{ID: r.MessageId, Body: r.Body, Group: r.Attributes["MessageGroupId"]}
	}
	answer := awsevents.SQSEventResponse{BatchItemFailures: []awsevents.SQSBatchItemFailure{}}
	for _, id := range f.worker.Handle(ctx, messages) {
		answer.BatchItemFailures = append(answer.BatchItemFailures, awsevents.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return answer, nil
}

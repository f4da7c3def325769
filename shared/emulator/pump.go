package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"rollcall/shared/emulator/template"
)

// Handler is a function as Lambda sees it: an event in, an answer out, both JSON. An error is a failed invocation.
type Handler func(ctx context.Context, payload []byte) ([]byte, error)

// mostReceived is how many messages one ReceiveMessage gives, and how many one DeleteMessageBatch takes.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
const mostReceived = 10

// Pump is one turn of the event source mappings of a function: for each that is enabled it receives one batch from
// the queue, calls the handler once, and deletes what succeeded. It gives the number of messages that were handed
// to the handler; 0 means that there was nothing to receive, which is not the same as an empty queue (messages may
// be in flight, delayed, or behind one of their group that is). Several pumps may run at a time, as Lambda's
// pollers do.
//
// What succeeded is decided as Lambda does: an error leaves the whole batch; with ReportBatchItemFailures the
// listed messages stay, and an answer that Lambda cannot use leaves the whole batch. What stays becomes visible
// again when its visibility timeout has passed, and is received again or moved to the dead-letter queue.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
//
// Errors: there is no such function or it has no mapping, a queue's refusal, the handler's own error, an answer
// that Lambda cannot use. n is right in each case.
func (c *Cloud) Pump(ctx context.Context, function string, handler Handler) (n int, err error) {
	f, err := c.Function(function)
	if err != nil {
		return 0, fmt.Errorf("pumping: %w", err)
	}
	mapped := false
	for _, m := range c.Stack.Mappings {
		if m.Function != f.ID {
			continue
		}
		mapped = true
		if !m.Enabled {
			continue
		}
		received, failure := c.turn(ctx, m, handler)
		n += received
		if failure != nil {
			err = errors.Join(err, fmt.Errorf("pumping %s: %w", f.Caller, failure))
		}
	}
	if !mapped {
		return 0, fmt.Errorf("pumping: function %s has no event source mapping", f.Caller)
	}
	return n, err
}

// turn is one batch of one mapping.
func (c *Cloud) turn(ctx context.Context, m template.Mapping, handler Handler) (int, error) {
	queue := c.queue(m.Queue)
	client := awssqs.NewFromConfig(c.Config("lambda", "", ""))
	batch, err := receive(ctx, client, queue, m.BatchSize)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	payload, err := json.Marshal(c.event(queue, batch))
	if err != nil {
		return 0, fmt.Errorf("writing the event: %w", err)
	}
	answer, err := handler(ctx, payload)
	if err != nil {
		return len(batch), err
	}
	done := batch
	if m.PartialFailures {
		if done, err = succeeded(batch, answer); err != nil {
			return len(batch), err
		}
	}
	return len(batch), remove(ctx, client, queue, done)
}

// queue is the queue with that logical id; the template was read, so it is there.
func (c *Cloud) queue(id string) template.Queue {
	for _, q := range c.Stack.Queues {
		if q.ID == id {
			return q
		}
	}
	return template.Queue{}
}

// receive gives up to size messages. A queue answers with ten at most, and a FIFO queue with no more of a group
// while some of it are in flight; so does Lambda's poller stop there.
func receive(ctx context.Context, client *awssqs.Client, queue template.Queue, size int) ([]types.Message, error) {
	var batch []types.Message
	for len(batch) < size {
		out, err := client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
			QueueUrl: &queue.URL, MaxNumberOfMessages: int32(min(mostReceived, size-len(batch))),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
			MessageAttributeNames:       []string{"All"},
		})
		if err != nil {
			return nil, fmt.Errorf("receiving from %s: %w", queue.Name, err)
		}
		if batch = append(batch, out.Messages...); len(out.Messages) == 0 || queue.Attributes["FifoQueue"] == "true" {
			break
		}
	}
	return batch, nil
}

// event is the batch as Lambda hands it to a function.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
func (c *Cloud) event(queue template.Queue, batch []types.Message) events.SQSEvent {
	var e events.SQSEvent
	for _, m := range batch {
		record := events.SQSMessage{
			MessageId: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
			Md5OfBody: aws.ToString(m.MD5OfBody), Md5OfMessageAttributes: aws.ToString(m.MD5OfMessageAttributes),
			Attributes: m.Attributes, MessageAttributes: map[string]events.SQSMessageAttribute{},
			EventSourceARN: queue.ARN, EventSource: "aws:sqs", AWSRegion: c.options.Region,
		}
		for name, a := range m.MessageAttributes {
			record.MessageAttributes[name] = events.SQSMessageAttribute{
				StringValue: a.StringValue, BinaryValue: a.BinaryValue, DataType: aws.ToString(a.DataType),
				StringListValues: []string{}, BinaryListValues: [][]byte{},
			}
		}
		e.Records = append(e.Records, record)
	}
	return e
}

// succeeded is the batch without what the answer lists as failed. Nothing, null, an empty object and an empty list
// all say that everything succeeded. The error is an answer that makes Lambda keep the whole batch: no JSON object,
// an identifier that is missing, empty or under another key. The documentation does not say what becomes of an
// identifier of no message of the batch; here that is such an answer too.
func succeeded(batch []types.Message, answer []byte) ([]types.Message, error) {
	var said map[string]json.RawMessage
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &said); err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
	}
	var failures []map[string]json.RawMessage // by exact keys: Lambda does not forgive another case
	if list := said["batchItemFailures"]; list != nil {
		if err := json.Unmarshal(list, &failures); err != nil {
			return nil, fmt.Errorf("reading the answer's batchItemFailures: %w", err)
		}
	}
	left := map[string]types.Message{}
	for _, m := range batch {
		left[aws.ToString(m.MessageId)] = m
	}
	failed := map[string]bool{}
	for i, failure := range failures {
		var id string
		if err := json.Unmarshal(failure["itemIdentifier"], &id); err != nil || id == "" {
			return nil, fmt.Errorf("reading the answer: batchItemFailures[%d] has no itemIdentifier", i)
		}
		if _, there := left[id]; !there {
			return nil, fmt.Errorf("reading the answer: batchItemFailures[%d] names %s, which is not in the batch", i, id)
		}
		failed[id] = true
	}
	var done []types.Message
	for _, m := range batch {
		if !failed[aws.ToString(m.MessageId)] {
			done = append(done, m)
		}
	}
	return done, nil
}

// remove deletes messages. One that could not be deleted is an error that names it.
func remove(ctx context.Context, client *awssqs.Client, queue template.Queue, done []types.Message) error {
	var failures error
	for len(done) > 0 {
		some := done[:min(mostReceived, len(done))]
		done = done[len(some):]
		var entries []types.DeleteMessageBatchRequestEntry
		for i, m := range some {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
		out, err := client.DeleteMessageBatch(ctx, &awssqs.DeleteMessageBatchInput{QueueUrl: &queue.URL, Entries: entries})
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("deleting %d messages from %s: %w", len(entries), queue.Name, err))
			continue
		}
		for _, f := range out.Failed {
			failures = errors.Join(failures, fmt.Errorf("deleting message %s from %s: %s: %s",
				messageID(some, aws.ToString(f.Id)), queue.Name, aws.ToString(f.Code), aws.ToString(f.Message)))
		}
	}
	return failures
}

// messageID is the message that an entry of a batch stands for.
func messageID(some []types.Message, entry string) string {
	if i, err := strconv.Atoi(entry); err == nil && i < len(some) {
		return aws.ToString(some[i].MessageId)
	}
	return "of entry " + entry
}

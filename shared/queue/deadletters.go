package queue

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"rollcall/shared/config"
	"rollcall/shared/fault"
)

// ReasonAttribute is the message attribute that says why a message is a dead letter.
const ReasonAttribute = "reason"

const (
	mostReason = 1024 // bytes
	noGroup    = "unreadable"
)

// DeadLetters is the FIFO dead-letter queue, written by the worker itself. Use NewDeadLetters.
type DeadLetters struct {
	client *sqs.Client
	queue  queue
}

// NewDeadLetters puts messages on the FIFO queue with that URL.
func NewDeadLetters(client *sqs.Client, url string) *DeadLetters {
	return &DeadLetters{client: client, queue: queue{url: url, variable: config.DeadLetterURL}}
}

// Put puts a message's body on the dead-letter queue, whole and unchanged, with the reason as a message attribute.
// Group is the message's own; where it has none, or one that SQS does not take, the group is "unreadable".
//
// The body is never shortened. The reason is cut to 1 KB, and left out where body and reason together are over 1 MiB
// (the caller has logged it). A body that is empty, over 1 MiB or not UTF-8 (which the SDK would alter without a
// word) is fault.Rejected, and so is one that SQS refuses: do not acknowledge its message. SQS then moves it to the
// dead-letter queue by itself, once it has been received too often.
//
// Each call puts one message. Two calls with the same body put two: a dead letter that was sent back and failed again
// within 5 minutes must not be swallowed as a repeat.
func (d *DeadLetters) Put(ctx context.Context, body, group, reason string) error {
	doing := fmt.Sprintf("putting a body of %d bytes of group %q on the dead-letter queue", len(body), group)
	if body == "" || len(body) > mostMessage || !utf8.ValidString(body) {
		return fault.New(fault.Rejected, fmt.Sprintf("%s: expected 1 to %d bytes of UTF-8; the message stays where it is", doing, mostMessage))
	}
	if !validGroup(group) {
		group = noGroup
	}
	in := &sqs.SendMessageInput{
		QueueUrl:               aws.String(d.queue.url),
		MessageBody:            aws.String(body),
		MessageGroupId:         aws.String(group),
		MessageDeduplicationId: aws.String(rand.Text()),
	}
	const textType = "String"
	reason = printable(reason)
	if size := len(body) + len(ReasonAttribute) + len(textType) + len(reason); reason != "" && size <= mostMessage {
		in.MessageAttributes = map[string]types.MessageAttributeValue{
			ReasonAttribute: {DataType: aws.String(textType), StringValue: aws.String(reason)},
		}
	}
	if _, err := d.client.SendMessage(ctx, in); err != nil {
		return d.queue.fail(err, doing, "SendMessage")
	}
	return nil
}

// validGroup reports whether SQS takes a group id: 1 to 128 letters, digits and ASCII punctuation.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func validGroup(group string) bool {
	if group == "" || len(group) > 128 {
		return false
	}
	return !strings.ContainsFunc(group, func(r rune) bool { return r <= ' ' || r > '~' })
}

// printable is text that SQS takes as an attribute, at most mostReason bytes of it: other characters become spaces.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, s)
	for len(s) > mostReason {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

package contract

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const fifoLogic = "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"

func receiving() []Expectation {
	return []Expectation{
		{Name: "a receive takes 1 to 10 messages and waits up to 20 seconds", Source: apiReference + "ReceiveMessage.html, aws.validated", Check: receiveRange},
		{Name: "a receive fills up with one group first", Source: fifoLogic + ", aws.validated", Check: groupFirst},
		{Name: "a group in flight is locked, other groups are not", Source: fifoLogic + ", aws.validated", Check: lockedGroup},
		{Name: "a delete opens the group", Source: fifoLogic + ", aws.validated", Check: deleteOpens},
		{Name: "a group stays locked while one of several is in flight", Source: "aws.validated", Check: partialDelete},
		{Name: "after the visibility timeout the same come again in order", Source: fifoLogic + ", aws.validated", Waits: 2 * time.Second, Check: timeoutInOrder},
		{Name: "what is released is received again, nothing overtakes it", Source: "aws.validated", Check: released},
		{Name: "a repeated receive request gives the same messages", Source: apiReference + "ReceiveMessage.html", Check: sameAttempt},
		{Name: "system attributes tell of the message", Source: apiReference + "ReceiveMessage.html, aws.validated", Check: systemAttributes},
		{Name: "attributes count waiting and in flight", Source: "aws.validated", Check: counts},
		{Name: "what was received too often goes to the dead-letter queue", Source: "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html, aws.validated", Check: deadLetter},
		{Name: "a dead letter tells where it came from", Source: "aws.validated", Check: deadLetterSource},
		{Name: "messages end with the retention period", Source: apiReference + "CreateQueue.html, aws.validated", Waits: 61 * time.Second, Check: retention},
	}
}

func receiveRange(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "range", nil)
	if err != nil {
		return err
	}
	for _, wrong := range []sqs.ReceiveMessageInput{{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {WaitTimeSeconds: -1}, {VisibilityTimeout: 43201}} {
		wrong.QueueUrl = &url
		_, err := p.ReceiveMessage(ctx, &wrong)
		if err := p.refused(err, "InvalidParameterValue"); err != nil {
			return fmt.Errorf("most %d, wait %d, visibility %d: %w", wrong.MaxNumberOfMessages, wrong.WaitTimeSeconds, wrong.VisibilityTimeout, err)
		}
	}
	return nil
}

func groupFirst(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "fill", nil)
	if err != nil {
		return err
	}
	if err := p.post(ctx, url, "a:1", "b:1", "a:2", "a:3"); err != nil {
		return err
	}
	_, err = p.expect(ctx, url, 10, "a:1", "a:2", "a:3", "b:1")
	return err
}

func lockedGroup(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "locked", nil)
	if err != nil {
		return err
	}
	return steps(
		func() error { return p.post(ctx, url, "a:1", "a:2", "b:1") },
		func() error { _, err := p.expect(ctx, url, 1, "a:1"); return err },
		func() error { return p.post(ctx, url, "a:3") }, // a new one does not open the group
		func() error { _, err := p.expect(ctx, url, 10, "b:1"); return err },
		func() error { _, err := p.expect(ctx, url, 10); return err },
	)
}

func deleteOpens(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "opens", nil)
	if err != nil {
		return err
	}
	var got []types.Message
	return steps(
		func() error { return p.post(ctx, url, "a:1", "a:2") },
		func() (err error) { got, err = p.expect(ctx, url, 1, "a:1"); return err },
		func() error { return p.remove(ctx, url, got[0]) },
		func() error { _, err := p.expect(ctx, url, 10, "a:2"); return err },
	)
}

func partialDelete(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "partial", nil)
	if err != nil {
		return err
	}
	var got []types.Message
	return steps(
		func() error { return p.post(ctx, url, "a:1", "a:2", "a:3", "b:1") },
		func() (err error) { got, err = p.expect(ctx, url, 2, "a:1", "a:2"); return err },
		func() error { return p.remove(ctx, url, got[0]) },
		func() error { _, err := p.expect(ctx, url, 10, "b:1"); return err },
	)
}

func timeoutInOrder(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "timeout", set{"VisibilityTimeout": "1"})
	if err != nil {
		return err
	}
	var first, second []types.Message
	return steps(
		func() error { return p.post(ctx, url, "a:1", "a:2", "a:3") },
		func() (err error) { first, err = p.expect(ctx, url, 10, "a:1", "a:2", "a:3"); return err },
		func() error { p.Wait(2 * time.Second); return nil },
		func() (err error) { second, err = p.expect(ctx, url, 10, "a:1", "a:2", "a:3"); return err },
		func() error {
			return equal("the receive count", second[0].Attributes["ApproximateReceiveCount"], "2")
		},
		func() error {
			return equal("the id", aws.ToString(second[0].MessageId), aws.ToString(first[0].MessageId))
		},
		func() error {
			if aws.ToString(second[0].ReceiptHandle) == aws.ToString(first[0].ReceiptHandle) {
				return fmt.Errorf("the receipt handle is the same as before")
			}
			return nil
		},
	)
}

func released(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "released", nil)
	if err != nil {
		return err
	}
	var got []types.Message
	return steps(
		func() error { return p.post(ctx, url, "a:1", "a:2", "a:3") },
		func() (err error) { got, err = p.expect(ctx, url, 2, "a:1", "a:2"); return err },
		func() error { return p.hide(ctx, url, got[0], 0) },
		func() error { _, err := p.expect(ctx, url, 10, "a:1"); return err }, // a:2 is in flight and holds a:3
	)
}

func sameAttempt(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "attempt", nil)
	if err != nil {
		return err
	}
	if err := p.post(ctx, url, "a:1", "a:2"); err != nil {
		return err
	}
	receive := func(attempt string, want int) ([]types.Message, error) {
		out, err := p.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 1, ReceiveRequestAttemptId: &attempt})
		if err != nil {
			return nil, err
		}
		return out.Messages, equal("the number of messages for attempt "+attempt, len(out.Messages), want)
	}
	first, err := receive("one", 1)
	if err != nil {
		return err
	}
	again, err := receive("one", 1)
	if err != nil {
		return err
	}
	if err := equal("the handle of the repeat", aws.ToString(again[0].ReceiptHandle), aws.ToString(first[0].ReceiptHandle)); err != nil {
		return err
	}
	_, err = receive("two", 0)
	return err
}

func systemAttributes(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "system", nil)
	if err != nil {
		return err
	}
	if err := p.post(ctx, url, "a:1"); err != nil {
		return err
	}
	got, err := p.expect(ctx, url, 1, "a:1")
	if err != nil {
		return err
	}
	all := got[0].Attributes
	for _, name := range []string{"SenderId", "SentTimestamp", "ApproximateFirstReceiveTimestamp", "SequenceNumber"} {
		if all[name] == "" {
			return fmt.Errorf("%s is not there", name)
		}
	}
	return steps(
		func() error { return equal("MessageGroupId", all["MessageGroupId"], "a") },
		func() error { return equal("MessageDeduplicationId", all["MessageDeduplicationId"], "a:1") },
		func() error { return equal("ApproximateReceiveCount", all["ApproximateReceiveCount"], "1") },
	)
}

func counts(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "counts", nil)
	if err != nil {
		return err
	}
	for _, m := range []sqs.SendMessageInput{{}, {}, {}, {DelaySeconds: 900}} {
		m.QueueUrl, m.MessageBody = &url, aws.String("x")
		if _, err := p.SendMessage(ctx, &m); err != nil {
			return err
		}
	}
	if _, err := p.expect(ctx, url, 1, "x"); err != nil {
		return err
	}
	all, err := p.attributes(ctx, url)
	if err != nil {
		return err
	}
	return steps(
		func() error { return equal("waiting", all["ApproximateNumberOfMessages"], "2") },
		func() error { return equal("in flight", all["ApproximateNumberOfMessagesNotVisible"], "1") },
		func() error { return equal("delayed", all["ApproximateNumberOfMessagesDelayed"], "1") },
	)
}

// deadLettered makes a queue with a dead-letter queue, sends "a:1" and "a:2" and lets a:1 be received too often.
func deadLettered(ctx context.Context, p *Probe) (queue, dead string, first types.Message, err error) {
	dead, err = p.fifo(ctx, "dead", nil)
	if err != nil {
		return "", "", first, err
	}
	arn, err := p.arn(ctx, dead)
	if err != nil {
		return "", "", first, err
	}
	queue, err = p.fifo(ctx, "source", set{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":"2"}`})
	if err != nil {
		return "", "", first, err
	}
	if err := p.post(ctx, queue, "a:1", "a:2"); err != nil {
		return "", "", first, err
	}
	for range 2 {
		got, err := p.expect(ctx, queue, 1, "a:1")
		if err != nil {
			return "", "", first, err
		}
		if err := p.hide(ctx, queue, got[0], 0); err != nil {
			return "", "", first, err
		}
		first = got[0]
	}
	_, err = p.expect(ctx, queue, 10, "a:2") // the third receive moves it and goes on
	return queue, dead, first, err
}

func deadLetter(ctx context.Context, p *Probe) error {
	queue, dead, first, err := deadLettered(ctx, p)
	if err != nil {
		return err
	}
	got, err := p.expect(ctx, dead, 10, "a:1")
	if err != nil {
		return err
	}
	return steps(
		func() error { return equal("the id", aws.ToString(got[0].MessageId), aws.ToString(first.MessageId)) },
		func() error { return equal("the group", got[0].Attributes["MessageGroupId"], "a") },
		func() error { return equal("the receive count", got[0].Attributes["ApproximateReceiveCount"], "3") },
		func() error { return p.post(ctx, queue, "b:1") }, // the queue goes on working
		func() error { _, err := p.expect(ctx, queue, 10, "b:1"); return err },
	)
}

func deadLetterSource(ctx context.Context, p *Probe) error {
	queue, dead, _, err := deadLettered(ctx, p)
	if err != nil {
		return err
	}
	got, err := p.expect(ctx, dead, 10, "a:1")
	if err != nil {
		return err
	}
	arn, err := p.arn(ctx, queue)
	if err != nil {
		return err
	}
	return equal("the source", got[0].Attributes["DeadLetterQueueSourceArn"], arn)
}

func retention(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "retention", set{"MessageRetentionPeriod": "60"})
	if err != nil {
		return err
	}
	if err := p.post(ctx, url, "a:1"); err != nil {
		return err
	}
	p.Wait(61 * time.Second)
	if err := p.post(ctx, url, "a:2"); err != nil {
		return err
	}
	_, err = p.expect(ctx, url, 10, "a:2")
	return err
}

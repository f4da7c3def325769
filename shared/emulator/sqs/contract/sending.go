package contract

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	exactlyOnce = "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html"
	oneMiB      = 1 << 20
)

func sending() []Expectation {
	return []Expectation{
		{Name: "digests and attributes travel with a message", Source: "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html", Check: digests},
		{Name: "a FIFO message needs a group", Source: apiReference + "SendMessage.html, aws.validated", Check: needsGroup},
		{Name: "a FIFO message needs a deduplication id", Source: apiReference + "SendMessage.html, aws.validated", Check: needsDeduplication},
		{Name: "a FIFO message has no delay of its own", Source: apiReference + "SendMessage.html, aws.validated", Check: noOwnDelay},
		{Name: "ids have their characters", Source: apiReference + "SendMessage.html, aws.validated", Check: idCharacters},
		{Name: "a repeat by id is swallowed, also after a delete", Source: exactlyOnce + ", aws.validated", Check: repeatByID},
		{Name: "a repeat by id is swallowed in another group too", Source: exactlyOnce + ", aws.validated", Check: repeatInOtherGroup},
		{Name: "a repeat by content is swallowed", Source: exactlyOnce + ", aws.validated", Check: repeatByContent},
		{Name: "a repeat is a new message after five minutes", Source: exactlyOnce + ", aws.validated", Waits: 2 * time.Minute, Check: repeatLater},
		{Name: "sequence numbers grow", Source: apiReference + "SendMessage.html, aws.validated", Check: sequence},
		{Name: "an empty body is refused", Source: "aws.validated", Check: emptyBody},
		{Name: "a body of other characters is refused", Source: apiReference + "SendMessage.html, aws.validated", Check: bodyCharacters},
		{Name: "a message of 1 MiB goes, one byte more does not", Source: apiReference + "SendMessage.html, aws.validated", Check: largestMessage},
		{Name: "a delayed message comes later", Source: "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html", Waits: 2 * time.Second, Check: delayedMessage},
	}
}

func digests(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "digests", nil)
	if err != nil {
		return err
	}
	// The digests are those that the service gave for this very message (aws.validated).
	out, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("msg"), MessageAttributes: map[string]types.MessageAttributeValue{
		"Hello":   {DataType: aws.String("String"), StringValue: aws.String("There")},
		"General": {DataType: aws.String("String"), StringValue: aws.String("Kenobi")},
		"Help.Me": {DataType: aws.String("String"), StringValue: aws.String("Me")},
	}})
	if err != nil {
		return err
	}
	got, err := p.expect(ctx, url, 1, "msg")
	if err != nil {
		return err
	}
	return steps(
		func() error {
			return equal("the body's digest", aws.ToString(out.MD5OfMessageBody), "6e2baaf3b97dbeef01c0043275f9a0e7")
		},
		func() error {
			return equal("the attributes' digest", aws.ToString(out.MD5OfMessageAttributes), "4c360f3fdafd970e05fae2f149d997f5")
		},
		func() error {
			return equal("the digest received", aws.ToString(got[0].MD5OfMessageAttributes), "4c360f3fdafd970e05fae2f149d997f5")
		},
		func() error {
			return equal("attribute Hello", aws.ToString(got[0].MessageAttributes["Hello"].StringValue), "There")
		},
		func() error { return equal("the id", aws.ToString(got[0].MessageId), aws.ToString(out.MessageId)) },
	)
}

func needsGroup(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "group", nil)
	if err != nil {
		return err
	}
	_, err = p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("x")})
	return p.refused(err, "MissingParameter")
}

func needsDeduplication(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "dedup", nil)
	if err != nil {
		return err
	}
	_, err = p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String("a")})
	return p.refused(err, "InvalidParameterValue")
}

func noOwnDelay(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "delay", nil)
	if err != nil {
		return err
	}
	_, err = p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String("a"), MessageDeduplicationId: aws.String("x"), DelaySeconds: 2})
	return p.refused(err, "InvalidParameterValue")
}

func idCharacters(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "ids", nil)
	if err != nil {
		return err
	}
	for _, wrong := range []struct{ group, dedup string }{{"a b", "x"}, {strings.Repeat("a", 129), "x"}, {"a", "x y"}, {"a", strings.Repeat("x", 129)}} {
		_, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: &wrong.group, MessageDeduplicationId: &wrong.dedup})
		if err := p.refused(err, "InvalidParameterValue"); err != nil {
			return fmt.Errorf("group %.10q, id %.10q: %w", wrong.group, wrong.dedup, err)
		}
	}
	return p.post(ctx, url, "123456789012/eu-central-1:fine")
}

func repeatByID(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "byid", nil)
	if err != nil {
		return err
	}
	var got []types.Message
	return steps(
		func() error { return p.post(ctx, url, "a:1", "a:1") },
		func() (err error) { got, err = p.expect(ctx, url, 10, "a:1"); return err },
		func() error { return p.remove(ctx, url, got[0]) },
		func() error { return p.post(ctx, url, "a:1", "a:2") },
		func() error { _, err := p.expect(ctx, url, 10, "a:2"); return err },
	)
}

func repeatInOtherGroup(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "scope", nil)
	if err != nil {
		return err
	}
	for _, group := range []string{"a", "b"} {
		if _, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: &group, MessageDeduplicationId: aws.String("same")}); err != nil {
			return err
		}
	}
	_, err = p.expect(ctx, url, 10, "x")
	return err
}

func repeatByContent(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "content", set{"ContentBasedDeduplication": "true"})
	if err != nil {
		return err
	}
	for _, body := range []string{"x", "x", "y"} {
		if _, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageGroupId: aws.String("a")}); err != nil {
			return err
		}
	}
	_, err = p.expect(ctx, url, 10, "x", "y")
	return err
}

func repeatLater(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "later", set{"VisibilityTimeout": "43200"})
	if err != nil {
		return err
	}
	wait := func() error { p.Wait(2 * time.Minute); return nil }
	repeat := func() error { return p.post(ctx, url, "a:1") }
	empty := func() error { _, err := p.expect(ctx, url, 10); return err }
	var got []types.Message
	return steps(
		repeat,
		func() (err error) { got, err = p.expect(ctx, url, 10, "a:1"); return err },
		func() error { return p.remove(ctx, url, got[0]) },
		wait, repeat, empty, wait, repeat, empty, // 4 minutes; the interval runs from the first sending
		wait, repeat,
		func() error { _, err := p.expect(ctx, url, 10, "a:1"); return err },
	)
}

func sequence(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "sequence", nil)
	if err != nil {
		return err
	}
	last := ""
	for _, id := range []string{"1", "2", "3"} {
		out, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &id, MessageGroupId: aws.String("a"), MessageDeduplicationId: &id})
		if err != nil {
			return err
		}
		next := aws.ToString(out.SequenceNumber)
		if len(next) != 20 || next <= last {
			return fmt.Errorf("sequence number %q after %q: want 20 digits, growing", next, last)
		}
		last = next
	}
	return nil
}

func emptyBody(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "empty", nil)
	if err != nil {
		return err
	}
	_, err = p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")})
	return p.refused(err, "MissingParameter")
}

func bodyCharacters(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "characters", nil)
	if err != nil {
		return err
	}
	_, err = p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("bell\x07")})
	return p.refused(err, "InvalidMessageContents")
}

func largestMessage(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "largest", nil)
	if err != nil {
		return err
	}
	send := func(size int) error {
		_, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", size))})
		return err
	}
	if err := send(oneMiB); err != nil {
		return err
	}
	return p.refused(send(oneMiB+1), "InvalidParameterValue")
}

func delayedMessage(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "delayed", nil)
	if err != nil {
		return err
	}
	if _, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: 1}); err != nil {
		return err
	}
	if _, err := p.expect(ctx, url, 1); err != nil {
		return err
	}
	p.Wait(2 * time.Second)
	_, err = p.expect(ctx, url, 1, "x")
	return err
}

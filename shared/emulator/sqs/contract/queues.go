package contract

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const apiReference = "docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_"

func queues() []Expectation {
	return []Expectation{
		{Name: "creating a queue again gives the same queue", Source: apiReference + "CreateQueue.html", Check: createdAgain},
		{Name: "creating it with another attribute is refused", Source: apiReference + "CreateQueue.html, aws.validated", Check: createdOtherwise},
		{Name: "a FIFO queue is named .fifo and no other is", Source: apiReference + "CreateQueue.html, aws.validated", Check: fifoNames},
		{Name: "a queue that is not there has its own error", Source: apiReference + "GetQueueUrl.html, aws.validated", Check: noQueue},
		{Name: "queues are found by name and by prefix", Source: apiReference + "ListQueues.html", Check: foundByName},
		{Name: "attributes not given have their defaults", Source: apiReference + "CreateQueue.html, aws.validated", Check: defaults},
		{Name: "an attribute is checked by name and by range", Source: apiReference + "SetQueueAttributes.html, aws.validated", Check: attributesChecked},
		{Name: "attributes of FIFO queues are refused for others", Source: "aws.validated", Check: fifoAttributes},
		{Name: "a redrive needs a dead-letter queue of the same kind", Source: "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html", Check: redriveChecked},
		{Name: "a purge empties the queue, once a minute", Source: apiReference + "PurgeQueue.html, aws.validated", Check: purged},
	}
}

func createdAgain(ctx context.Context, p *Probe) error {
	first, err := p.fifo(ctx, "again", set{"VisibilityTimeout": "60"})
	if err != nil {
		return err
	}
	second, err := p.fifo(ctx, "again", set{"VisibilityTimeout": "60"})
	if err != nil {
		return err
	}
	return equal("the second URL", second, first)
}

func createdOtherwise(ctx context.Context, p *Probe) error {
	if _, err := p.standard(ctx, "otherwise", set{"DelaySeconds": "1"}); err != nil {
		return err
	}
	_, err := p.standard(ctx, "otherwise", set{"DelaySeconds": "2"})
	return p.refused(err, "QueueAlreadyExists")
}

func fifoNames(ctx context.Context, p *Probe) error {
	_, err := p.make(ctx, "plain-"+p.run, set{"FifoQueue": "true"})
	if err := p.refused(err, "InvalidParameterValue"); err != nil {
		return fmt.Errorf("a FIFO queue without .fifo: %w", err)
	}
	_, err = p.make(ctx, "plain-"+p.run+".fifo", nil)
	if err := p.refused(err, "InvalidParameterValue"); err != nil {
		return fmt.Errorf("a standard queue with .fifo: %w", err)
	}
	return nil
}

func noQueue(ctx context.Context, p *Probe) error {
	name := "nowhere-" + p.run
	_, err := p.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err := p.refused(err, "AWS.SimpleQueueService.NonExistentQueue"); err != nil {
		return err
	}
	var typed *types.QueueDoesNotExist
	if !errors.As(err, &typed) {
		return fmt.Errorf("the error is no QueueDoesNotExist: %w", err)
	}
	return nil
}

func foundByName(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "found", nil)
	if err != nil {
		return err
	}
	name, prefix := "found-"+p.run+".fifo", "found-"+p.run
	one, err := p.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return err
	}
	if err := equal("the URL by name", aws.ToString(one.QueueUrl), url); err != nil {
		return err
	}
	all, err := p.ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: &prefix})
	if err != nil {
		return err
	}
	return equal("the list by prefix", strings.Join(all.QueueUrls, " "), url)
}

func defaults(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "defaults", nil)
	if err != nil {
		return err
	}
	got, err := p.attributes(ctx, url)
	if err != nil {
		return err
	}
	wanted := set{
		"FifoQueue": "true", "ContentBasedDeduplication": "false", "VisibilityTimeout": "30", "DelaySeconds": "0",
		"MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
		"DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue",
	}
	for name, want := range wanted {
		if err := equal(name, got[name], want); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(got["QueueArn"], "arn:aws:sqs:") || !strings.HasSuffix(got["QueueArn"], ":defaults-"+p.run+".fifo") {
		return fmt.Errorf("the ARN is %q", got["QueueArn"])
	}
	return nil
}

func attributesChecked(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "checked", nil)
	if err != nil {
		return err
	}
	put := func(name, value string) error {
		_, err := p.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: set{name: value}})
		return err
	}
	if err := put("VisibilityTimeout", "900"); err != nil {
		return err
	}
	for _, wrong := range []struct{ name, value, code string }{
		{"VisibilityTimeout", "43201", "InvalidAttributeValue"},
		{"VisibilityTimeout", "soon", "InvalidAttributeValue"},
		{"MaximumMessageSize", "1048577", "InvalidAttributeValue"},
		{"MessageRetentionPeriod", "59", "InvalidAttributeValue"},
		{"FifoQueue", "false", "InvalidAttributeValue"},
		{"Colour", "red", "InvalidAttributeName"},
	} {
		if err := p.refused(put(wrong.name, wrong.value), wrong.code); err != nil {
			return fmt.Errorf("%s=%s: %w", wrong.name, wrong.value, err)
		}
	}
	got, err := p.attributes(ctx, url)
	if err != nil {
		return err
	}
	return equal("the visibility timeout", got["VisibilityTimeout"], "900")
}

func fifoAttributes(ctx context.Context, p *Probe) error {
	for _, name := range []string{"ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"} {
		value := map[string]string{"ContentBasedDeduplication": "true", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"}[name]
		_, err := p.standard(ctx, "standard", set{name: value})
		if err := p.refused(err, "InvalidAttributeName"); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func redriveChecked(ctx context.Context, p *Probe) error {
	other, err := p.standard(ctx, "dead", nil)
	if err != nil {
		return err
	}
	standardARN, err := p.arn(ctx, other)
	if err != nil {
		return err
	}
	for _, wrong := range []struct{ what, policy string }{
		{"no such queue", `{"deadLetterTargetArn":"` + standardARN + `-not","maxReceiveCount":3}`},
		{"of another kind", `{"deadLetterTargetArn":"` + standardARN + `","maxReceiveCount":3}`},
		{"no count", `{"deadLetterTargetArn":"` + standardARN + `"}`},
		{"a count of zero", `{"deadLetterTargetArn":"` + standardARN + `","maxReceiveCount":0}`},
		{"no JSON at all", `dead`},
		{"no target at all", `{"maxReceiveCount":3}`},
		{"a count in words", `{"deadLetterTargetArn":"` + standardARN + `","maxReceiveCount":"three"}`},
	} {
		_, err := p.fifo(ctx, "redrive", set{"RedrivePolicy": wrong.policy})
		if err := p.refused(err, "InvalidParameterValue"); err != nil {
			return fmt.Errorf("%s: %w", wrong.what, err)
		}
	}
	return nil
}

func purged(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "purged", nil)
	if err != nil {
		return err
	}
	purge := func() error {
		_, err := p.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &url})
		return err
	}
	return steps(
		func() error { return p.post(ctx, url, "a:1", "a:2") },
		func() error { _, err := p.expect(ctx, url, 1, "a:1"); return err },
		purge,
		func() error { _, err := p.expect(ctx, url, 10); return err },
		func() error { return p.post(ctx, url, "a:1") }, // deduplication was forgotten too
		func() error { _, err := p.expect(ctx, url, 10, "a:1"); return err },
		func() error { return p.refused(purge(), "AWS.SimpleQueueService.PurgeQueueInProgress") },
	)
}

package contract

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func batches() []Expectation {
	return []Expectation{
		{Name: "a batch goes in its order", Source: apiReference + "SendMessageBatch.html", Check: batchInOrder},
		{Name: "a batch has 1 to 10 entries with ids of their own", Source: apiReference + "SendMessageBatch.html, aws.validated", Check: batchEntries},
		{Name: "a batch is at most 1 MiB", Source: apiReference + "SendMessageBatch.html, aws.validated", Check: batchSize},
		{Name: "one entry that is too large fails alone", Source: "aws.validated", Check: batchPartly},
		{Name: "one entry without a group fails the batch", Source: "aws.validated", Check: batchGroup},
		{Name: "a batch of deletes tells of each", Source: apiReference + "DeleteMessageBatch.html", Check: deleteBatch},
	}
}

func entry(id, group, body string) types.SendMessageBatchRequestEntry {
	e := types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
	if group != "" {
		e.MessageGroupId, e.MessageDeduplicationId = &group, &id
	}
	return e
}

func batchInOrder(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "order", nil)
	if err != nil {
		return err
	}
	var entries []types.SendMessageBatchRequestEntry
	var want []string
	for i := range 10 {
		body := "m" + strconv.Itoa(i)
		want = append(want, body)
		entries = append(entries, entry("e"+strconv.Itoa(i), "a", body))
	}
	out, err := p.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
	if err != nil {
		return err
	}
	if len(out.Successful) != 10 || len(out.Failed) != 0 {
		return fmt.Errorf("%d of 10 went, %d failed", len(out.Successful), len(out.Failed))
	}
	_, err = p.expect(ctx, url, 10, want...)
	return err
}

func batchEntries(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "entries", nil)
	if err != nil {
		return err
	}
	var eleven []types.SendMessageBatchRequestEntry
	for i := range 11 {
		eleven = append(eleven, entry("e"+strconv.Itoa(i), "", "x"))
	}
	for _, wrong := range []struct {
		code    string
		entries []types.SendMessageBatchRequestEntry
	}{
		{"EmptyBatchRequest", []types.SendMessageBatchRequestEntry{}},
		{"TooManyEntriesInBatchRequest", eleven},
		{"BatchEntryIdsNotDistinct", []types.SendMessageBatchRequestEntry{entry("e", "", "x"), entry("e", "", "y")}},
		{"InvalidBatchEntryId", []types.SendMessageBatchRequestEntry{entry("e:1", "", "x")}},
		{"InvalidBatchEntryId", []types.SendMessageBatchRequestEntry{entry(strings.Repeat("e", 81), "", "x")}},
	} {
		_, err := p.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: wrong.entries})
		if err := p.refused(err, "AWS.SimpleQueueService."+wrong.code); err != nil {
			return err
		}
	}
	_, err = p.expect(ctx, url, 10)
	return err
}

func batchSize(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "size", nil)
	if err != nil {
		return err
	}
	send := func(second int) error {
		_, err := p.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
			entry("e1", "", strings.Repeat("x", oneMiB/2)), entry("e2", "", strings.Repeat("x", second)),
		}})
		return err
	}
	if err := send(oneMiB / 2); err != nil {
		return err
	}
	return p.refused(send(oneMiB/2+1), "AWS.SimpleQueueService.BatchRequestTooLong")
}

func batchPartly(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "partly", set{"MaximumMessageSize": "1024"})
	if err != nil {
		return err
	}
	out, err := p.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
		entry("fits", "", strings.Repeat("x", 1024)), entry("large", "", strings.Repeat("y", 1025)),
	}})
	if err != nil {
		return err
	}
	if len(out.Successful) != 1 || len(out.Failed) != 1 {
		return fmt.Errorf("%d went and %d failed, want one each", len(out.Successful), len(out.Failed))
	}
	failed := out.Failed[0]
	return steps(
		func() error { return equal("who went", aws.ToString(out.Successful[0].Id), "fits") },
		func() error { return equal("who failed", aws.ToString(failed.Id), "large") },
		func() error { return equal("the code", aws.ToString(failed.Code), "InvalidParameterValue") },
		func() error { return equal("whose fault", failed.SenderFault, true) },
		func() error { _, err := p.expect(ctx, url, 10, strings.Repeat("x", 1024)); return err },
	)
}

func batchGroup(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "nogroup", nil)
	if err != nil {
		return err
	}
	without := entry("e2", "a", "y")
	without.MessageGroupId = nil
	_, err = p.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{entry("e1", "a", "x"), without}})
	if err := p.refused(err, "InvalidParameterValue"); err != nil {
		return err
	}
	_, err = p.expect(ctx, url, 10)
	return err
}

func deleteBatch(ctx context.Context, p *Probe) error {
	url, err := p.fifo(ctx, "deletes", nil)
	if err != nil {
		return err
	}
	if err := p.post(ctx, url, "a:1", "b:1"); err != nil {
		return err
	}
	got, err := p.expect(ctx, url, 10, "a:1", "b:1")
	if err != nil {
		return err
	}
	out, err := p.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("good"), ReceiptHandle: got[0].ReceiptHandle},
		{Id: aws.String("bad"), ReceiptHandle: aws.String("garbage")},
	}})
	if err != nil {
		return err
	}
	if len(out.Successful) != 1 || len(out.Failed) != 1 {
		return fmt.Errorf("%d deleted and %d failed, want one each", len(out.Successful), len(out.Failed))
	}
	return steps(
		func() error { return equal("who was deleted", aws.ToString(out.Successful[0].Id), "good") },
		func() error { return equal("who failed", aws.ToString(out.Failed[0].Id), "bad") },
		func() error {
			return equal("the code", aws.ToString(out.Failed[0].Code), "ReceiptHandleIsInvalid")
		},
	)
}

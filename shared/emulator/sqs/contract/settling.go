package contract

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func settling() []Expectation {
	return []Expectation{
		{Name: "a delete may be repeated", Source: apiReference + "DeleteMessage.html, aws.validated", Check: deleteTwice},
		{Name: "garbage is no receipt handle", Source: apiReference + "DeleteMessage.html, aws.validated", Check: garbage},
		{Name: "a FIFO receipt handle ends with its timeout", Source: "aws.validated", Waits: 2 * time.Second, Check: expiredFIFO},
		{Name: "a standard receipt handle outlives its timeout", Source: "aws.validated", Waits: 2 * time.Second, Check: expiredStandard},
		{Name: "an extended timeout keeps the message hidden", Source: apiReference + "ChangeMessageVisibility.html, aws.validated", Waits: 2 * time.Second, Check: extended},
		{Name: "a released message comes at once", Source: apiReference + "ChangeMessageVisibility.html", Check: releasedStandard},
		{Name: "a deleted message has no visibility", Source: "aws.validated", Check: hiddenDeleted},
		{Name: "visibility ends after 12 hours in all", Source: apiReference + "ChangeMessageVisibility.html", Waits: time.Hour, Check: twelveHours},
		{Name: "a batch of visibility changes tells of each", Source: apiReference + "ChangeMessageVisibilityBatch.html", Check: hideBatch},
	}
}

// receivedStandard makes a standard queue with one message in flight; receivedFIFO a FIFO queue.
func (p *Probe) receivedStandard(ctx context.Context, name string, attributes set) (string, types.Message, error) {
	url, err := p.standard(ctx, name, attributes)
	if err != nil {
		return "", types.Message{}, err
	}
	if _, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")}); err != nil {
		return "", types.Message{}, err
	}
	got, err := p.expect(ctx, url, 1, "x")
	if err != nil {
		return "", types.Message{}, err
	}
	return url, got[0], nil
}

func (p *Probe) receivedFIFO(ctx context.Context, name string, attributes set) (string, types.Message, error) {
	url, err := p.fifo(ctx, name, attributes)
	if err != nil {
		return "", types.Message{}, err
	}
	if err := p.post(ctx, url, "a:1"); err != nil {
		return "", types.Message{}, err
	}
	got, err := p.expect(ctx, url, 1, "a:1")
	if err != nil {
		return "", types.Message{}, err
	}
	return url, got[0], nil
}

func deleteTwice(ctx context.Context, p *Probe) error {
	url, m, err := p.receivedFIFO(ctx, "twice", nil)
	if err != nil {
		return err
	}
	if err := p.remove(ctx, url, m); err != nil {
		return err
	}
	return p.remove(ctx, url, m)
}

func garbage(ctx context.Context, p *Probe) error {
	url, err := p.standard(ctx, "garbage", nil)
	if err != nil {
		return err
	}
	bad := types.Message{ReceiptHandle: aws.String("garbage")}
	if err := p.refused(p.remove(ctx, url, bad), "ReceiptHandleIsInvalid"); err != nil {
		return fmt.Errorf("deleting: %w", err)
	}
	if err := p.refused(p.hide(ctx, url, bad, 1), "ReceiptHandleIsInvalid"); err != nil {
		return fmt.Errorf("changing visibility: %w", err)
	}
	return nil
}

func expiredFIFO(ctx context.Context, p *Probe) error {
	url, m, err := p.receivedFIFO(ctx, "expired", set{"VisibilityTimeout": "1"})
	if err != nil {
		return err
	}
	p.Wait(2 * time.Second)
	if err := p.refused(p.remove(ctx, url, m), "InvalidParameterValue"); err != nil {
		return err
	}
	_, err = p.expect(ctx, url, 1, "a:1")
	return err
}

func expiredStandard(ctx context.Context, p *Probe) error {
	url, m, err := p.receivedStandard(ctx, "expired", set{"VisibilityTimeout": "1"})
	if err != nil {
		return err
	}
	p.Wait(2 * time.Second)
	if err := p.remove(ctx, url, m); err != nil {
		return err
	}
	_, err = p.expect(ctx, url, 1)
	return err
}

func extended(ctx context.Context, p *Probe) error {
	url, m, err := p.receivedFIFO(ctx, "extended", set{"VisibilityTimeout": "1"})
	if err != nil {
		return err
	}
	return steps(
		func() error { return p.hide(ctx, url, m, 60) },
		func() error { p.Wait(2 * time.Second); return nil },
		func() error { _, err := p.expect(ctx, url, 1); return err },
		func() error { return p.remove(ctx, url, m) },
	)
}

func releasedStandard(ctx context.Context, p *Probe) error {
	url, m, err := p.receivedStandard(ctx, "released", nil)
	if err != nil {
		return err
	}
	if err := p.hide(ctx, url, m, 0); err != nil {
		return err
	}
	_, err = p.expect(ctx, url, 1, "x")
	return err
}

func hiddenDeleted(ctx context.Context, p *Probe) error {
	url, m, err := p.receivedStandard(ctx, "deleted", nil)
	if err != nil {
		return err
	}
	if err := p.remove(ctx, url, m); err != nil {
		return err
	}
	return p.refused(p.hide(ctx, url, m, 42), "InvalidParameterValue")
}

func twelveHours(ctx context.Context, p *Probe) error {
	url, m, err := p.receivedStandard(ctx, "twelve", set{"VisibilityTimeout": "7200"})
	if err != nil {
		return err
	}
	p.Wait(time.Hour)
	if err := p.hide(ctx, url, m, 11*3600); err != nil {
		return err
	}
	return p.refused(p.hide(ctx, url, m, 11*3600+1), "InvalidParameterValue")
}

func hideBatch(ctx context.Context, p *Probe) error {
	url, m, err := p.receivedStandard(ctx, "batch", nil)
	if err != nil {
		return err
	}
	out, err := p.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("good"), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0},
		{Id: aws.String("bad"), ReceiptHandle: aws.String("garbage"), VisibilityTimeout: 0},
	}})
	if err != nil {
		return err
	}
	if len(out.Successful) != 1 || len(out.Failed) != 1 {
		return fmt.Errorf("%d changed and %d failed, want one each", len(out.Successful), len(out.Failed))
	}
	if err := equal("who failed", aws.ToString(out.Failed[0].Id), "bad"); err != nil {
		return err
	}
	_, err = p.expect(ctx, url, 1, "x")
	return err
}

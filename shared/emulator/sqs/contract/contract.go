// Package contract says what rollcall expects of Amazon SQS, as a list of expectations that run against any endpoint
// through the real SDK: our emulator, other emulators, or an account of one's own.
//
// It exists so that our emulator is held to something outside itself: where another emulator meets the same
// expectations the two confirm each other, and where they differ the difference is written down with its reason. An
// expectation's Source says where it comes from: the page of the service, or "aws.validated" for what was recorded of
// the service itself in LocalStack's tests (github.com/localstack/localstack, tests/aws/services/sqs/test_sqs.py).
//
// It refuses to let a table of differences grow old: a known difference that has gone is a failure too.
package contract

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// Target is an endpoint to be held to the contract.
type Target struct {
	// Client speaks to it. Its retries should be off, or refusals take long.
	Client *sqs.Client
	// Wait lets d pass on the target's clock: it moves a clock, or sleeps.
	Wait func(d time.Duration)
	// Patience is the longest that Wait should be asked for; expectations that need more are skipped by name.
	Patience time.Duration
	// Prefixed is set for a target that puts "AWS.SimpleQueueService." before every code, where the service does so
	// before some: codes are then compared without it.
	Prefixed bool
	// Differences names the expectations that the target does not meet.
	Differences map[string]Difference
}

// Difference is how a target fails an expectation.
type Difference struct {
	Instead   string // what it does instead
	Sometimes bool   // it meets the expectation now and then, by chance
}

// Expectation is one thing that SQS does.
type Expectation struct {
	Name   string
	Source string        // where it is said
	Waits  time.Duration // the longest single wait that Check asks for
	Check  func(ctx context.Context, p *Probe) error
}

// Expectations are all of them.
func Expectations() []Expectation {
	return slices.Concat(queues(), sending(), batches(), receiving(), settling())
}

// Run holds target to every expectation, each in a subtest with queues of its own.
func Run(t *testing.T, target Target) {
	t.Helper()
	names := map[string]bool{}
	for _, e := range Expectations() {
		names[e.Name] = true
		t.Run(e.Name, func(t *testing.T) {
			if e.Waits > target.Patience {
				t.Skipf("SKIPPED: needs %v to pass, the target's patience is %v", e.Waits, target.Patience)
			}
			err := e.Check(t.Context(), newProbe(target))
			difference, known := target.Differences[e.Name]
			switch {
			case err != nil && known:
				t.Logf("known difference (%s): %v", difference.Instead, err)
			case err != nil:
				t.Errorf("%v (expected by %s)", err, e.Source)
			case known && !difference.Sometimes:
				t.Errorf("the known difference (%s) has gone: take it out of the table", difference.Instead)
			}
		})
	}
	for name := range target.Differences {
		if !names[name] {
			t.Errorf("the table of differences names %q, which is no expectation", name)
		}
	}
}

// Probe is one expectation's access to the target.
type Probe struct {
	*sqs.Client
	Wait func(time.Duration)

	prefixed bool
	run      string // makes names of queues unlike those of other runs
}

func newProbe(target Target) *Probe {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return &Probe{Client: target.Client, Wait: target.Wait, prefixed: target.Prefixed, run: hex.EncodeToString(b[:])}
}

// set are a queue's attributes.
type set map[string]string

// standard makes a standard queue and gives its URL; fifo a FIFO queue.
func (p *Probe) standard(ctx context.Context, name string, attributes set) (string, error) {
	return p.make(ctx, name+"-"+p.run, attributes)
}

func (p *Probe) fifo(ctx context.Context, name string, attributes set) (string, error) {
	all := set{"FifoQueue": "true"}
	for k, v := range attributes {
		all[k] = v
	}
	return p.make(ctx, name+"-"+p.run+".fifo", all)
}

func (p *Probe) make(ctx context.Context, name string, attributes set) (string, error) {
	out, err := p.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("creating queue %s: %w", name, err)
	}
	return aws.ToString(out.QueueUrl), nil
}

// arn looks up a queue's ARN.
func (p *Probe) arn(ctx context.Context, url string) (string, error) {
	all, err := p.attributes(ctx, url)
	return all["QueueArn"], err
}

func (p *Probe) attributes(ctx context.Context, url string) (map[string]string, error) {
	out, err := p.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		return nil, fmt.Errorf("reading attributes of %s: %w", url, err)
	}
	return out.Attributes, nil
}

// post sends "group:body" messages, each with its own text as deduplication id.
func (p *Probe) post(ctx context.Context, url string, messages ...string) error {
	for _, text := range messages {
		group, _, _ := strings.Cut(text, ":")
		if _, err := p.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &text, MessageGroupId: &group, MessageDeduplicationId: &text}); err != nil {
			return fmt.Errorf("sending %s: %w", text, err)
		}
	}
	return nil
}

// get receives up to most messages, once.
func (p *Probe) get(ctx context.Context, url string, most int32) ([]types.Message, error) {
	out, err := p.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: most, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	})
	if err != nil {
		return nil, fmt.Errorf("receiving from %s: %w", url, err)
	}
	return out.Messages, nil
}

// expect receives up to most messages and compares their bodies, in order.
func (p *Probe) expect(ctx context.Context, url string, most int32, want ...string) ([]types.Message, error) {
	messages, err := p.get(ctx, url, most)
	if err != nil {
		return nil, err
	}
	var got []string
	for _, m := range messages {
		got = append(got, aws.ToString(m.Body))
	}
	if !slices.Equal(got, want) {
		return messages, fmt.Errorf("received %q, want %q", got, want)
	}
	return messages, nil
}

func (p *Probe) remove(ctx context.Context, url string, m types.Message) error {
	if _, err := p.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
		return fmt.Errorf("deleting %s: %w", aws.ToString(m.Body), err)
	}
	return nil
}

func (p *Probe) hide(ctx context.Context, url string, m types.Message, seconds int32) error {
	if _, err := p.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds}); err != nil {
		return fmt.Errorf("changing visibility of %s: %w", aws.ToString(m.Body), err)
	}
	return nil
}

// refused is nil if err is the service's refusal with that code.
func (p *Probe) refused(err error, code string) error {
	var api smithy.APIError
	switch {
	case err == nil:
		return fmt.Errorf("was not refused, want %s", code)
	case !errors.As(err, &api):
		return fmt.Errorf("failed without a code of the service, want %s: %w", code, err)
	case p.bare(api.ErrorCode()) != p.bare(code):
		return fmt.Errorf("was refused with %s (%s), want %s", api.ErrorCode(), api.ErrorMessage(), code)
	}
	return nil
}

// equal is nil if got is want.
func equal[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

// bare is a code without what the target's codes may differ in.
func (p *Probe) bare(code string) string {
	if p.prefixed {
		return strings.TrimPrefix(code, "AWS.SimpleQueueService.")
	}
	return code
}

// steps runs until the first error.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

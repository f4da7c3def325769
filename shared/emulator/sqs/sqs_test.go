package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/service"
	"rollcall/shared/emulator/sqs"
)

var _ service.Service = (*sqs.Service)(nil)

// jobs makes jobs.fifo with a dead-letter queue that takes what was received twice.
func jobs(t *testing.T, s *sqs.Service) (url string) {
	t.Helper()
	if _, err := s.Create("111122223333", "eu-central-1", "dead.fifo", map[string]string{"FifoQueue": "true"}); err != nil {
		t.Fatal(err)
	}
	url, err := s.Create("111122223333", "eu-central-1", "jobs.fifo", map[string]string{
		"FifoQueue": "true", "VisibilityTimeout": "60",
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:111122223333:dead.fifo","maxReceiveCount":2}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func send(t *testing.T, c *awssqs.Client, url, group, body string) {
	t.Helper()
	if _, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageGroupId: &group, MessageDeduplicationId: &body}); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *awssqs.Client, url string) []string {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, m := range out.Messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies
}

func TestATestSeesWhereMessagesAre(t *testing.T) {
	s, now, c := serve(t)
	url := jobs(t, s)
	send(t, c, url, "a", "1")
	send(t, c, url, "a", "2")
	send(t, c, url, "b", "3")
	depth := func() sqs.Depth {
		t.Helper()
		d, err := s.Depth("jobs.fifo")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := depth(); d != (sqs.Depth{Waiting: 3}) {
		t.Errorf("before the first receive: %+v", d)
	}
	for range 2 { // as often as the redrive policy allows
		if got := receive(t, c, url); len(got) != 3 {
			t.Fatalf("received %q, want all three", got)
		}
		if d := depth(); d != (sqs.Depth{InFlight: 3}) {
			t.Errorf("while in flight: %+v", d)
		}
		now.Advance(time.Minute)
	}
	send(t, c, url, "b", "4")
	if got := receive(t, c, url); !cmp.Equal(got, []string{"4"}) {
		t.Errorf("received %q, want only the new one: the others were received too often", got)
	}
	dead, err := s.DeadLetters("jobs.fifo")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range dead {
		got = append(got, fmt.Sprintf("%s/%s received %d from %s", m.Group, m.Body, m.Receives, m.Source))
	}
	source := "arn:aws:sqs:eu-central-1:111122223333:jobs.fifo"
	want := []string{"a/1 received 2 from " + source, "a/2 received 2 from " + source, "b/3 received 2 from " + source}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	for what, look := range map[string]func() error{
		"a queue that is not there":       func() error { _, err := s.Depth("none.fifo"); return err },
		"a queue without a redrive":       func() error { _, err := s.DeadLetters("dead.fifo"); return err },
		"messages of one that is nowhere": func() error { _, err := s.Messages("none.fifo"); return err },
	} {
		if look() == nil {
			t.Errorf("looking into %s gave no error", what)
		}
	}
}

// The service lets a queue be its own dead-letter queue (aws.validated); a receive must come to an end all the same.
func TestAQueueMayBeItsOwnDeadLetterQueue(t *testing.T) {
	s, now, c := serve(t)
	url, err := s.Create("111122223333", "eu-central-1", "own.fifo", map[string]string{"FifoQueue": "true"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetQueueAttributes(t.Context(), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:111122223333:own.fifo","maxReceiveCount":1}`,
	}}); err != nil {
		t.Fatal(err)
	}
	send(t, c, url, "a", "1")
	for range 3 {
		if got := receive(t, c, url); !cmp.Equal(got, []string{"1"}) {
			t.Errorf("received %q", got)
		}
		now.Advance(time.Minute)
	}
}

func TestAnotherAccountOrRegionHasNoSuchQueue(t *testing.T) {
	s, _, c := serve(t)
	if _, err := s.Create("999988887777", "eu-central-1", "theirs", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create("111122223333", "us-west-2", "far", nil); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"https://sqs.eu-central-1.amazonaws.com/999988887777/theirs", "https://sqs.us-west-2.amazonaws.com/111122223333/far"} {
		_, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		if code := codeOf(err); code != "AWS.SimpleQueueService.NonExistentQueue" {
			t.Errorf("sending to %s: code %q (%v)", url, code, err)
		}
	}
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestRefusalsAreTheServicesOwn(t *testing.T) {
	for _, c := range []struct {
		why    service.Refusal
		code   string
		status int
	}{
		{service.Throttle, "RequestThrottled", http.StatusBadRequest},
		{service.Unavailable, "ServiceUnavailable", http.StatusServiceUnavailable},
		{service.ServerError, "InternalFailure", http.StatusInternalServerError},
		{service.Deny, "AccessDenied", http.StatusForbidden},
	} {
		t.Run(string(c.why), func(t *testing.T) {
			s := sqs.New(sqs.Options{})
			var status int
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recorded := httptest.NewRecorder()
				s.Refuse(recorded, r, c.why)
				status = recorded.Code
				s.Refuse(w, r, c.why)
			}))
			defer server.Close()
			_, err := client(server.URL).ListQueues(t.Context(), &awssqs.ListQueuesInput{})
			if codeOf(err) != c.code || status != c.status {
				t.Errorf("code %q, status %d, want %q and %d (%v)", codeOf(err), status, c.code, c.status, err)
			}
		})
	}
}

func TestALogLineNamesOperationAndQueue(t *testing.T) {
	s := sqs.New(sqs.Options{})
	for _, c := range []struct{ target, body, operation, resource string }{
		{"AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.eu-central-1.amazonaws.com/1/jobs.fifo"}`, "SendMessage", "jobs.fifo"},
		{"AmazonSQS.CreateQueue", `{"QueueName":"jobs.fifo"}`, "CreateQueue", "jobs.fifo"},
		{"AmazonSQS.ListQueues", `{}`, "ListQueues", ""},
		{"AmazonSQS.SendMessage", `no JSON`, "SendMessage", ""},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("X-Amz-Target", c.target)
		if operation, resource := s.Operation(r, []byte(c.body)); operation != c.operation || resource != c.resource {
			t.Errorf("%s %s: %q, %q", c.target, c.body, operation, resource)
		}
	}
}

func TestALongPollWaitsOnlyOnTheMachinesClock(t *testing.T) {
	t.Run("a manual clock is answered at once and not moved", func(t *testing.T) {
		s, now, c := serve(t)
		url := jobs(t, s)
		out, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
		if err != nil || len(out.Messages) != 0 || !now.Now().Equal(start()) {
			t.Errorf("got %d messages at %v, %v", len(out.Messages), now.Now(), err)
		}
	})
	t.Run("the machine's clock waits for a message", func(t *testing.T) {
		s := sqs.New(sqs.Options{Clock: clock.System{}, Account: "111122223333"})
		server := httptest.NewServer(s)
		defer server.Close()
		url, c := jobs(t, s), client(server.URL)
		polled := make(chan int, 1)
		go func() {
			out, err := c.ReceiveMessage(context.WithoutCancel(t.Context()), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			if err != nil {
				t.Error(err)
				polled <- 0
				return
			}
			polled <- len(out.Messages)
		}()
		send(t, c, url, "a", "1")
		if got := <-polled; got != 1 {
			t.Errorf("the poll received %d messages, want the one that came meanwhile", got)
		}
	})
}

// Twenty senders and ten receivers: every message comes once, and each group in its order.
func TestManyAtOnceKeepTheOrderOfEachGroup(t *testing.T) {
	s, _, c := serve(t)
	url := jobs(t, s)
	const groups, each = 20, 15
	var senders sync.WaitGroup
	for g := range groups {
		senders.Go(func() {
			for i := range each {
				send(t, c, url, fmt.Sprint(g), fmt.Sprintf("%d/%03d", g, i))
			}
		})
	}
	var mu sync.Mutex
	got := map[string][]string{}
	total := 0
	var receivers sync.WaitGroup
	for range 10 {
		receivers.Go(func() {
			for {
				out, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 3})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, m := range out.Messages {
					group, _, _ := strings.Cut(*m.Body, "/")
					got[group] = append(got[group], *m.Body)
					total++
				}
				done := total == groups*each
				mu.Unlock()
				for _, m := range out.Messages {
					if _, err := c.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
						t.Error(err)
					}
				}
				if done {
					return
				}
			}
		})
	}
	senders.Wait()
	receivers.Wait()
	for g := range groups {
		var want []string
		for i := range each {
			want = append(want, fmt.Sprintf("%d/%03d", g, i))
		}
		if diff := cmp.Diff(want, got[fmt.Sprint(g)]); diff != "" {
			t.Errorf("group %d (-want +got):\n%s", g, diff)
		}
	}
	if d, err := s.Depth("jobs.fifo"); err != nil || d.Total() != 0 {
		t.Errorf("what is left: %+v, %v", d, err)
	}
}

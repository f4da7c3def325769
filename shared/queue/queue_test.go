package queue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/service"
	"rollcall/shared/emulator/sqs"
	"rollcall/shared/fault"
	"rollcall/shared/queue"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
)

func nine() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }

// choosy is an SQS that does not take certain messages of a batch, and says so in a 200.
type choosy struct {
	*sqs.Service
	// refuse says with which code the message of that group is not taken, in that call (1, 2, …); empty: it is taken.
	// Silence is no code: the message is taken out, and the answer says nothing of it.
	refuse      func(call int, group string) string
	senderFault bool
	calls       int
}

const silence = "silence"

func (c *choosy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	operation, _ := c.Operation(r, body)
	var failed []map[string]any
	kept := 0
	if operation == "SendMessageBatch" && c.refuse != nil {
		c.calls++
		body, kept, failed = c.take(body)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if failed == nil {
		c.Service.ServeHTTP(w, r)
		return
	}
	out := map[string]any{}
	if kept > 0 {
		answer := httptest.NewRecorder()
		c.Service.ServeHTTP(answer, r)
		if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
			panic(err)
		}
	}
	out["Failed"] = failed
	answer, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = w.Write(answer)
}

// take is the request without the entries that are refused, how many are left, and what the answer says of the others.
func (c *choosy) take(body []byte) ([]byte, int, []map[string]any) {
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		panic(err)
	}
	var kept []any
	failed := []map[string]any{}
	for _, e := range in["Entries"].([]any) {
		entry := e.(map[string]any)
		switch code := c.refuse(c.calls, entry["MessageGroupId"].(string)); code {
		case "":
			kept = append(kept, e)
		case silence:
		default:
			failed = append(failed, map[string]any{"Id": entry["Id"], "Code": code, "Message": "no", "SenderFault": c.senderFault})
		}
	}
	in["Entries"] = kept
	out, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return out, len(kept), failed
}

type stage struct {
	service *choosy
	gate    *gateway.Gateway
	client  *awssqs.Client
	clock   *clock.Manual
	url     string
	*queue.Sender
	letters *queue.DeadLetters
}

func start(t *testing.T) *stage {
	t.Helper()
	now := clock.NewManual(nine())
	gate, err := gateway.Start(gateway.Options{Account: account, Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gate.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &stage{
		gate: gate, clock: now,
		service: &choosy{Service: sqs.New(sqs.Options{Clock: now, Account: account, Region: region, BaseURL: gate.URL()})},
	}
	gate.Serve(s.service)
	s.url, err = s.service.Create(account, region, "jobs.fifo", map[string]string{"FifoQueue": "true"})
	if err != nil {
		t.Fatal(err)
	}
	s.client = awssqs.New(awssqs.Options{
		Region: region, BaseEndpoint: aws.String(gate.URL()), HTTPClient: gate.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAPLANNER", "secret", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
	s.Sender = queue.NewSender(s.client, s.url, queue.WithClock(now))
	s.letters = queue.NewDeadLetters(s.client, s.url)
	return s
}

func (s *stage) inject(t *testing.T, f gateway.Fault) {
	t.Helper()
	injected, err := s.gate.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if injected.Count() == 0 {
			t.Errorf("the fault %s on %s never struck: the test proves nothing", f.Why, f.Operation)
		}
	})
}

func (s *stage) calls() int { return s.gate.Log().Len() }

// job is a check of one person in one of a few lanes.
func job(n int) events.Job {
	j := events.Job{
		Version: 1, Kind: events.Check, Issued: nine(),
		Lane:   desktop.Lane{Account: account, Region: fmt.Sprintf("eu-west-%d", n%3+1)},
		Orders: []events.Order{{Key: assignment.Key{Person: fmt.Sprintf("p%d", n), Slot: "main"}, Attempt: 1, Send: 1}},
	}
	j.ID = events.NewJobID(j)
	return j
}

func jobs(n int) []events.Job {
	var all []events.Job
	for i := range n {
		all = append(all, job(i))
	}
	return all
}

// big is a create whose body has about that many bytes.
func big(n, size int) events.Job {
	j := job(n)
	j.Kind, j.Profile, j.Directories = events.Create, "sales", []string{"d-1"}
	j.Spec = &desktop.Spec{Bundle: "wsb-1", RunningMode: desktop.AlwaysOn, Tags: map[string]string{"note": strings.Repeat("x", size-500)}}
	j.ID = events.NewJobID(j)
	return j
}

// queued is the jobs on the queue, each held to the group and the deduplication id that it should have.
func (s *stage) queued(t *testing.T) map[string]events.Job {
	t.Helper()
	messages, err := s.service.Messages("jobs.fifo")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]events.Job{}
	for _, m := range messages {
		j, err := events.DecodeJob([]byte(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[j.ID]; twice {
			t.Errorf("job %s is there twice", j.ID)
		}
		if m.Group != j.Lane.String() || m.Dedup != j.ID {
			t.Errorf("job %s has group %s and deduplication id %s", j.ID, m.Group, m.Dedup)
		}
		all[j.ID] = j
	}
	return all
}

func (s *stage) expectQueued(t *testing.T, want ...events.Job) {
	t.Helper()
	all := map[string]events.Job{}
	for _, j := range want {
		all[j.ID] = j
	}
	if diff := cmp.Diff(all, s.queued(t)); diff != "" {
		t.Errorf("-expected +on the queue:\n%s", diff)
	}
}

// expectUnsent holds an error to be an UnsentError with exactly these jobs.
func expectUnsent(t *testing.T, err error, kind fault.Kind, want ...events.Job) {
	t.Helper()
	var unsent *queue.UnsentError
	if !errors.As(err, &unsent) {
		t.Fatalf("got %v: expected an UnsentError", err)
	}
	ids := func(jobs []events.Job) []string {
		var all []string
		for _, j := range jobs {
			all = append(all, j.ID)
		}
		slices.Sort(all)
		return all
	}
	var got []events.Job
	for _, u := range unsent.Jobs {
		got = append(got, u.Job)
		if fault.Of(u.Err) == fault.Unknown {
			t.Errorf("job %s: %v is not classified", u.Job.ID, u.Err)
		}
	}
	if diff := cmp.Diff(ids(want), ids(got)); diff != "" {
		t.Errorf("-expected +unsent:\n%s", diff)
	}
	expectKind(t, err, kind)
	if len(want) > 0 && !strings.Contains(err.Error(), unsent.Jobs[0].Job.ID[:12]) {
		t.Errorf("%v does not name a job", err)
	}
}

func expectKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if got := fault.Of(err); got != want {
		t.Errorf("the error is %q (%v): expected %q", got, err, want)
	}
}

func TestEveryJobIsSent(t *testing.T) {
	cases := map[string]struct {
		jobs  []events.Job
		calls int
	}{
		"none":                      {nil, 0},
		"one":                       {jobs(1), 1},
		"ten":                       {jobs(10), 1},
		"eleven":                    {jobs(11), 2},
		"23 in three lanes":         {jobs(23), 3},
		"one of them twice":         {append(jobs(10), job(3)), 1},
		"two fit into a batch":      {[]events.Job{big(1, 100<<10), big(2, 100<<10), big(3, 100<<10)}, 2},
		"one that goes alone":       {[]events.Job{job(1), big(2, 900<<10), job(3)}, 3},
		"small ones beside a large": {[]events.Job{big(1, 200<<10), job(2), job(3)}, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			if err := s.Send(t.Context(), c.jobs); err != nil {
				t.Fatal(err)
			}
			s.expectQueued(t, c.jobs...)
			if s.calls() != c.calls {
				t.Errorf("%d calls: expected %d", s.calls(), c.calls)
			}
		})
	}
}

func TestARepeatIsSwallowed(t *testing.T) {
	t.Run("the answer was lost and the SDK sends again", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Why: service.DropAnswer, Times: 1})
		if err := s.Send(t.Context(), jobs(5)); err != nil {
			t.Fatal(err)
		}
		s.expectQueued(t, jobs(5)...)
	})
	t.Run("the planner sends again within 5 minutes", func(t *testing.T) {
		s := start(t)
		for range 2 {
			if err := s.Send(t.Context(), jobs(5)); err != nil {
				t.Fatal(err)
			}
			s.clock.Advance(4 * time.Minute)
		}
		s.expectQueued(t, jobs(5)...)
	})
	t.Run("with another send number it is another", func(t *testing.T) {
		s := start(t)
		again := job(1)
		again.Orders[0].Send = 2
		again.ID = events.NewJobID(again)
		if err := s.Send(t.Context(), []events.Job{job(1), again}); err != nil {
			t.Fatal(err)
		}
		s.expectQueued(t, job(1), again)
	})
}

// TestWhatIsNotTaken: SendMessageBatch answers 200, and some messages are not on the queue.
func TestWhatIsNotTaken(t *testing.T) {
	second := job(1).Lane.String() // the lane of jobs 1, 4, 7
	inSecond := []events.Job{job(1), job(4), job(7)}
	others := []events.Job{job(0), job(2), job(3), job(5), job(6), job(8)}
	cases := map[string]struct {
		code        string
		senderFault bool
		until       int // the last call that refuses
		kind        fault.Kind
		calls       int
		waited      time.Duration
	}{
		"for a while":                  {"InternalError", false, 3, fault.None, 4, 700 * time.Millisecond},
		"forever":                      {"InternalError", false, 99, fault.Unavailable, 5, 1500 * time.Millisecond},
		"throttled forever":            {"RequestThrottled", false, 99, fault.Throttled, 5, 1500 * time.Millisecond},
		"with a code that is new":      {"SomethingNew", false, 99, fault.Unavailable, 5, 1500 * time.Millisecond},
		"and the answer says nothing":  {silence, false, 2, fault.None, 3, 300 * time.Millisecond},
		"and it never says":            {silence, false, 99, fault.Unavailable, 5, 1500 * time.Millisecond},
		"by our own fault":             {"InvalidMessageContents", true, 99, fault.Rejected, 1, 0},
		"by our own fault, a new code": {"SomethingNew", true, 99, fault.Rejected, 1, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.service.senderFault = c.senderFault
			s.service.refuse = func(call int, group string) string {
				if group == second && call <= c.until {
					return c.code
				}
				return ""
			}
			err := s.Send(t.Context(), jobs(9))
			if c.kind == fault.None {
				if err != nil {
					t.Fatal(err)
				}
				s.expectQueued(t, jobs(9)...)
			} else {
				expectUnsent(t, err, c.kind, inSecond...)
				s.expectQueued(t, others...)
			}
			if s.calls() != c.calls {
				t.Errorf("%d calls: expected %d", s.calls(), c.calls)
			}
			if waited := s.clock.Now().Sub(nine()); waited != c.waited {
				t.Errorf("waited %s: expected %s", waited, c.waited)
			}
		})
	}
	t.Run("one of the first batch, and the second batch is sent all the same", func(t *testing.T) {
		s := start(t)
		s.service.senderFault = true
		first := true
		s.service.refuse = func(int, string) string {
			if first {
				first = false
				return "InvalidMessageContents"
			}
			return ""
		}
		expectUnsent(t, s.Send(t.Context(), jobs(15)), fault.Rejected, job(0))
		s.expectQueued(t, jobs(15)[1:]...)
	})
}

// TestACallThatFails: what was sent before it is on the queue, and everything else is named.
func TestACallThatFails(t *testing.T) {
	cases := map[string]struct {
		why   service.Refusal
		kind  fault.Kind
		calls int // after the first, which succeeds
	}{
		"denied":      {service.Deny, fault.Denied, 1},
		"throttled":   {service.Throttle, fault.Throttled, 15}, // 5 rounds of 3 tries of the SDK
		"unavailable": {service.Unavailable, fault.Unavailable, 15},
		"unreachable": {service.DropCall, fault.Unavailable, 15},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.inject(t, gateway.Fault{Why: c.why, Skip: 1})
			expectUnsent(t, s.Send(t.Context(), jobs(35)), c.kind, jobs(35)[10:]...)
			s.expectQueued(t, jobs(10)...)
			if s.calls() != 1+c.calls {
				t.Errorf("%d calls: expected %d", s.calls(), 1+c.calls)
			}
		})
	}
	t.Run("for a moment", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Why: service.Throttle, Times: 7})
		if err := s.Send(t.Context(), jobs(12)); err != nil {
			t.Fatal(err)
		}
		s.expectQueued(t, jobs(12)...)
	})
	t.Run("the context ends while it waits", func(t *testing.T) {
		s := start(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.service.refuse = func(int, string) string { cancel(); return "InternalError" }
		err := s.Send(ctx, jobs(3))
		expectUnsent(t, err, fault.Unavailable, jobs(3)...)
	})
	t.Run("there is no such queue", func(t *testing.T) {
		s := start(t)
		err := queue.NewSender(s.client, s.url[:len(s.url)-len("jobs.fifo")]+"other.fifo", queue.WithClock(s.clock)).Send(t.Context(), jobs(1))
		expectUnsent(t, err, fault.Misconfigured, job(0))
		if !strings.Contains(err.Error(), "ROLLCALL_QUEUE_URL") {
			t.Errorf("%v does not name the environment variable", err)
		}
	})
}

func TestAJobThatCannotBeSentDoesNotHoldTheOthers(t *testing.T) {
	s := start(t)
	broken := job(1)
	broken.Lane.Account = "1"
	huge := big(2, 1<<20+600)
	expectUnsent(t, s.Send(t.Context(), []events.Job{job(0), broken, huge, job(3)}), fault.Rejected, broken, huge)
	s.expectQueued(t, job(0), job(3))
}

func TestTheGravestReasonCounts(t *testing.T) {
	s := start(t)
	broken := job(1)
	broken.Version = 7
	s.inject(t, gateway.Fault{Why: service.Throttle})
	err := s.Send(t.Context(), []events.Job{job(0), broken})
	expectUnsent(t, err, fault.Rejected, job(0), broken)
	many := s.Send(t.Context(), jobs(20))
	if text := many.Error(); !strings.Contains(text, "20 of 20 jobs were not sent") || !strings.Contains(text, "17 more: sending 10 jobs") {
		t.Errorf("the text is %q", text)
	}
}

// letter is a dead letter as a person who looks at the queue sees it.
type letter struct{ Body, Group, Reason string }

func (s *stage) deadLetters(t *testing.T) []letter {
	t.Helper()
	var all []letter
	for {
		out, err := s.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: aws.String(s.url), MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameMessageGroupId},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			l := letter{Body: aws.ToString(m.Body), Group: m.Attributes["MessageGroupId"]}
			if a, has := m.MessageAttributes[queue.ReasonAttribute]; has {
				l.Reason = aws.ToString(a.StringValue)
			}
			all = append(all, l)
			if _, err := s.client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{
				QueueUrl: aws.String(s.url), ReceiptHandle: m.ReceiptHandle,
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestDeadLetters(t *testing.T) {
	full := strings.Repeat("x", 1<<20)
	cases := map[string]struct {
		body, group, reason string
		want                letter
	}{
		"as a rule":                      {"{}", "1/eu", "kind is missing", letter{"{}", "1/eu", "kind is missing"}},
		"of no group":                    {"{}", "", "r", letter{"{}", "unreadable", "r"}},
		"of a group that SQS refuses":    {"{}", "a b", "r", letter{"{}", "unreadable", "r"}},
		"of a group with an umlaut":      {"{}", "ä", "r", letter{"{}", "unreadable", "r"}},
		"of a group that is too long":    {"{}", strings.Repeat("g", 129), "r", letter{"{}", "unreadable", "r"}},
		"of the longest group":           {"{}", strings.Repeat("g", 128), "r", letter{"{}", strings.Repeat("g", 128), "r"}},
		"without a reason":               {"{}", "g", "", letter{"{}", "g", ""}},
		"a reason with control letters":  {"{}", "g", "a\x00b\nc\xffd\uFFFFe", letter{"{}", "g", "a b c d e"}},
		"no JSON, and quotes":            {"\"<&>\t\u00e9\U0001F469", "g", "r", letter{"\"<&>\t\u00e9\U0001F469", "g", "r"}},
		"as large as a message may be":   {full, "g", "r", letter{full, "g", ""}},
		"just small enough for a reason": {full[:len(full)-13], "g", "r", letter{full[:len(full)-13], "g", "r"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			if err := s.letters.Put(t.Context(), c.body, c.group, c.reason); err != nil {
				t.Fatal(err)
			}
			got := s.deadLetters(t)
			if len(got) != 1 || got[0] != c.want {
				t.Errorf("got %d letters, %.200q", len(got), got)
			}
		})
	}
	t.Run("a long reason is cut between characters", func(t *testing.T) {
		s := start(t)
		if err := s.letters.Put(t.Context(), "{}", "g", "a"+strings.Repeat("é", 2000)); err != nil {
			t.Fatal(err)
		}
		if r := s.deadLetters(t)[0].Reason; len(r) != 1023 || !utf8.ValidString(r) {
			t.Errorf("it has %d bytes", len(r))
		}
	})
	t.Run("the same body twice is two letters", func(t *testing.T) {
		s := start(t)
		for range 2 {
			if err := s.letters.Put(t.Context(), "{}", "g", "r"); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.deadLetters(t); len(got) != 2 {
			t.Errorf("there are %d", len(got))
		}
	})
	t.Run("once, though the answer was lost", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Operation: "SendMessage", Why: service.DropAnswer, Times: 1})
		if err := s.letters.Put(t.Context(), "{}", "g", "r"); err != nil {
			t.Fatal(err)
		}
		if got := s.deadLetters(t); len(got) != 1 {
			t.Errorf("there are %d", len(got))
		}
	})
}

func TestADeadLetterThatCannotBePut(t *testing.T) {
	for name, body := range map[string]string{
		"empty":                     "",
		"too large":                 strings.Repeat("x", 1<<20+1),
		"not UTF-8":                 "a\xffb",
		"a letter that SQS refuses": "a\x01b",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			expectKind(t, s.letters.Put(t.Context(), body, "g", "r"), fault.Rejected)
			if got := s.deadLetters(t); len(got) != 0 {
				t.Errorf("and yet there is %q", got)
			}
		})
	}
	t.Run("larger than that queue takes", func(t *testing.T) {
		s := start(t)
		small, err := s.service.Create(account, region, "small.fifo", map[string]string{"FifoQueue": "true", "MaximumMessageSize": "1024"})
		if err != nil {
			t.Fatal(err)
		}
		expectKind(t, queue.NewDeadLetters(s.client, small).Put(t.Context(), strings.Repeat("x", 1025), "g", ""), fault.Rejected)
	})
	t.Run("denied", func(t *testing.T) {
		s := start(t)
		s.inject(t, gateway.Fault{Why: service.Deny})
		err := s.letters.Put(t.Context(), "{}", "g", "r")
		expectKind(t, err, fault.Denied)
		if !strings.Contains(err.Error(), "Allow sqs:SendMessage on queue "+s.url) {
			t.Errorf("%v does not name the permission", err)
		}
	})
	t.Run("there is no such queue", func(t *testing.T) {
		s := start(t)
		err := queue.NewDeadLetters(s.client, strings.Replace(s.url, "jobs.fifo", "other.fifo", 1)).Put(t.Context(), "{}", "g", "r")
		expectKind(t, err, fault.Misconfigured)
		if !strings.Contains(err.Error(), "ROLLCALL_DEAD_LETTER_URL") {
			t.Errorf("%v does not name the environment variable", err)
		}
	})
}

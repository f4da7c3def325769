package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"rollcall/events"
	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/fault"
)

// Messages that were not taken are sent again after 100 ms, then after twice as long: 4 times, 1.5 s altogether. The
// SDK's own repeats of a whole call come on top.
const (
	mostRounds   = 5
	firstPause   = 100 * time.Millisecond
	mostMessages = 10
)

// Sender sends jobs to the workers. Use NewSender; it is safe for concurrent use.
type Sender struct {
	client *sqs.Client
	queue  queue
	clock  clock.Clock
}

// Option changes how a Sender works.
type Option func(*Sender)

// WithClock sets the clock that the sender waits on before it sends again; the default is clock.System.
func WithClock(c clock.Clock) Option { return func(s *Sender) { s.clock = c } }

// NewSender sends to the FIFO queue with that URL.
func NewSender(client *sqs.Client, url string, options ...Option) *Sender {
	s := &Sender{client: client, queue: queue{url: url, variable: config.QueueURL}, clock: clock.System{}}
	for _, o := range options {
		o(s)
	}
	return s
}

// UnsentError lists the jobs that are not on the queue, each with the reason; all others are. Its fault kind is that
// of the gravest: one that a later try does not mend, if there is one.
type UnsentError struct {
	Of   int // how many jobs were to be sent
	Jobs []Unsent
}

// Unsent is a job that is not on the queue, as far as is known: where the answer was lost it may be there, and sending
// it again within 5 minutes does no harm.
type Unsent struct {
	Job events.Job
	Err error // classified
}

// mostNamed is how many jobs the text of an UnsentError names for each reason; Jobs has them all.
const mostNamed = 3

// Error names the jobs, together where they share a reason.
func (e *UnsentError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d jobs were not sent", len(e.Jobs), e.Of)
	for rest := e.Jobs; len(rest) > 0; {
		same := 1
		for same < len(rest) && errors.Is(rest[same].Err, rest[0].Err) {
			same++
		}
		var names []string
		for _, u := range rest[:min(same, mostNamed)] {
			names = append(names, fmt.Sprintf("%s %.12s of lane %s (%d people)", u.Job.Kind, u.Job.ID, u.Job.Lane, len(u.Job.Orders)))
		}
		if same > mostNamed {
			names = append(names, fmt.Sprintf("%d more", same-mostNamed))
		}
		fmt.Fprintf(&b, "; %s: %v", strings.Join(names, ", "), rest[0].Err)
		rest = rest[same:]
	}
	return b.String()
}

// Unwrap is the reasons, the gravest first.
func (e *UnsentError) Unwrap() []error {
	var grave, passing []error
	for _, u := range e.Jobs {
		if fault.Of(u.Err).Passing() {
			passing = append(passing, u.Err)
		} else {
			grave = append(grave, u.Err)
		}
	}
	return append(grave, passing...)
}

// message is one job on its way.
type message struct {
	job  events.Job
	body string
	err  error // why it is not on the queue
}

// Send puts every job on the queue, in batches, with its lane as the group and its id as the deduplication id. Two
// jobs with one id are the same job and sent once. What was not taken is sent again, up to 4 times; then the error is
// an *UnsentError with exactly those jobs. When a whole call fails, what comes after it is not tried.
func (s *Sender) Send(ctx context.Context, jobs []events.Job) error {
	messages, unsent := encode(jobs)
	for len(messages) > 0 {
		n := batchOf(messages)
		left := s.sendBatch(ctx, messages[:n])
		messages = messages[n:]
		unsent = append(unsent, left.messages...)
		if left.call != nil {
			for _, m := range messages {
				unsent = append(unsent, message{job: m.job, err: left.call})
			}
			break
		}
	}
	if len(unsent) == 0 {
		return nil
	}
	e := &UnsentError{Of: len(jobs)}
	for _, m := range unsent {
		e.Jobs = append(e.Jobs, Unsent{Job: m.job, Err: m.err})
	}
	return e
}

// encode is the messages of the jobs, and those that can never be sent.
func encode(jobs []events.Job) (good, bad []message) {
	seen := map[string]bool{}
	for _, j := range jobs {
		if seen[j.ID] && j.ID != "" {
			continue
		}
		seen[j.ID] = true
		body, err := j.Encode()
		switch {
		case err != nil:
			bad = append(bad, message{job: j, err: fault.Wrap(fault.Rejected, err, "encoding it")})
		case len(body) > mostMessage:
			bad = append(bad, message{job: j, err: fault.New(fault.Rejected,
				fmt.Sprintf("it has %d bytes, a message may have %d", len(body), mostMessage))})
		default:
			good = append(good, message{job: j, body: string(body)})
		}
	}
	return good, bad
}

// batchOf is how many of the first messages go in one batch: 10, or as many as stay below 256 KiB, and at least one.
func batchOf(messages []message) int {
	n, size := 0, 0
	for n < len(messages) && n < mostMessages {
		size += len(messages[n].body)
		if n > 0 && size > mostBatch {
			break
		}
		n++
	}
	return n
}

// leftover is what a batch did not get onto the queue. call is set where the last call failed as a whole.
type leftover struct {
	messages []message
	call     error
}

func (s *Sender) sendBatch(ctx context.Context, batch []message) leftover {
	var refused []message // will not be taken, however often they are sent
	pause := firstPause
	for round := 1; ; round++ {
		again, never, err := s.try(ctx, batch)
		refused = append(refused, never...)
		if len(again) == 0 {
			return leftover{messages: refused}
		}
		if round == mostRounds || err != nil && !err.Kind.Passing() {
			return stuck(refused, again, err)
		}
		if ended := s.clock.SleepUntil(ctx, s.clock.Now().Add(pause)); ended != nil {
			return stuck(refused, again, s.queue.fail(ended, "waiting to send again", "SendMessage"))
		}
		pause *= 2
		batch = again
	}
}

// stuck gives up; err, where there is one, is of the whole call.
func stuck(refused, again []message, err *fault.Error) leftover {
	if err == nil {
		return leftover{messages: append(refused, again...)}
	}
	return leftover{messages: append(refused, again...), call: err}
}

// try sends a batch once. It returns what may be taken another time and what will not, each with the reason, and the
// error of the call where it failed as a whole.
func (s *Sender) try(ctx context.Context, batch []message) (again, never []message, call *fault.Error) {
	in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(s.queue.url)}
	for _, m := range batch {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
			Id:                     aws.String(m.job.ID),
			MessageBody:            aws.String(m.body),
			MessageGroupId:         aws.String(m.job.Lane.String()),
			MessageDeduplicationId: aws.String(m.job.ID),
		})
	}
	out, err := s.client.SendMessageBatch(ctx, in)
	if err != nil {
		call = s.queue.fail(err, fmt.Sprintf("sending %d jobs", len(batch)), "SendMessage")
		for _, m := range batch {
			again = append(again, message{m.job, m.body, call})
		}
		return again, nil, call
	}
	taken := map[string]bool{}
	for _, r := range out.Successful {
		taken[aws.ToString(r.Id)] = true
	}
	failed := map[string]types.BatchResultErrorEntry{}
	for _, r := range out.Failed {
		failed[aws.ToString(r.Id)] = r
	}
	for _, m := range batch {
		entry, isFailed := failed[m.job.ID]
		switch {
		case isFailed && entry.SenderFault:
			m.err = entryFault(entry, fault.Rejected)
			never = append(never, m)
		case isFailed:
			m.err = entryFault(entry, fault.Unavailable)
			again = append(again, m)
		case !taken[m.job.ID]:
			m.err = fault.New(fault.Unavailable, "the answer does not say what became of it")
			again = append(again, m)
		}
	}
	return again, never, nil
}

// entryFault is why one message of a batch was not taken; its kind is otherwise where the code says nothing.
func entryFault(entry types.BatchResultErrorEntry, otherwise fault.Kind) error {
	code := aws.ToString(entry.Code)
	e := fault.New(otherwise, "SQS did not take it: "+aws.ToString(entry.Message))
	e.Code = code
	if kind := kindOf(code); kind != fault.Unknown {
		e.Kind = kind
	}
	return e
}

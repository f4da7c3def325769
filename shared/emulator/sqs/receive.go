package sqs

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/shared/emulator/service"
)

const (
	mostReceived  = 10
	longestWait   = 20    // seconds
	longestHidden = 43200 // seconds, 12 hours
	attemptLife   = 5 * time.Minute
	pollEvery     = 50 * time.Millisecond // how often a real long poll looks
)

// attempt is what a receive with a ReceiveRequestAttemptId gave, to be given again to a repeat.
type attempt struct {
	at    time.Time
	given []*message
	marks []int // receives of each, then
}

func (in receiveInput) check() error {
	if n := in.MaxNumberOfMessages; n != nil && (*n < 1 || *n > mostReceived) {
		return invalidParameter("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and %d, if provided.", *n, mostReceived)
	}
	if n := in.WaitTimeSeconds; n != nil && (*n < 0 || *n > longestWait) {
		return invalidParameter("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= %d, if provided.", *n, longestWait)
	}
	return checkVisibility(in.VisibilityTimeout)
}

func checkVisibility(seconds *int) error {
	if seconds != nil && (*seconds < 0 || *seconds > longestHidden) {
		return invalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= %d, if provided.", *seconds, longestHidden)
	}
	return nil
}

// receive answers at once where there is a message, or the clock is not the machine's; else it looks again until the
// wait time has passed. The error is ctx.Err() where the caller has gone away.
func (s *Service) receive(ctx context.Context, who service.Caller, in receiveInput) (receiveOutput, error) {
	if err := in.check(); err != nil {
		return receiveOutput{}, err
	}
	var until time.Time
	for {
		out, wait, err := s.look(who, in)
		if err != nil || len(out.Messages) > 0 || !s.waits {
			return out, err
		}
		now := s.clock.Now()
		if until.IsZero() {
			until = now.Add(wait)
		}
		if !now.Before(until) {
			return out, nil
		}
		if err := s.clock.SleepUntil(ctx, now.Add(min(pollEvery, until.Sub(now)))); err != nil {
			return receiveOutput{}, err
		}
	}
}

// look receives what is there now, and says how long the caller would wait.
func (s *Service) look(who service.Caller, in receiveInput) (receiveOutput, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return receiveOutput{}, 0, err
	}
	if in.ReceiveRequestAttemptId != "" {
		if !q.fifo {
			return receiveOutput{}, 0, invalidParameter("Value %s for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter that is not valid for this queue type.", in.ReceiveRequestAttemptId)
		}
		if err := checkID("ReceiveRequestAttemptId", &in.ReceiveRequestAttemptId); err != nil {
			return receiveOutput{}, 0, err
		}
	}
	wait := q.duration("ReceiveMessageWaitTimeSeconds")
	if in.WaitTimeSeconds != nil {
		wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	hide := q.duration("VisibilityTimeout")
	if in.VisibilityTimeout != nil {
		hide = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	most := 1
	if in.MaxNumberOfMessages != nil {
		most = *in.MaxNumberOfMessages
	}
	now := s.clock.Now()
	given := q.repeat(in.ReceiveRequestAttemptId, now)
	if given == nil {
		given = s.deliver(q, most, now)
		q.remember(in.ReceiveRequestAttemptId, given, now)
	}
	var out receiveOutput
	for _, m := range given {
		m.hidden = now.Add(hide)
		out.Messages = append(out.Messages, q.show(m, in))
	}
	return out, wait, nil
}

// deliver picks up to most messages and counts them as received. In a FIFO queue it serves the group whose turn it
// is, as far as that goes, then the next; a group stops at its first message that is not waiting, so nothing
// overtakes a message in flight (aws.validated: what stands before that message may be received again). Groups that
// gave something go to the end of the line. A message received too often goes to the dead-letter queue instead.
func (s *Service) deliver(q *queue, most int, now time.Time) []*message {
	var given []*message
	var served []*group
	for _, g := range slices.Clone(q.turns) {
		before := len(given)
		for e := g.messages.Front(); e != nil && len(given) < most; {
			m := e.Value.(*message)
			e = e.Next()
			if q.stateOf(m, now) != waiting {
				if q.fifo {
					break
				}
				continue
			}
			if s.setAside(q, m, now) {
				continue
			}
			m.receives++
			m.last, m.changes = now, 0
			if m.first.IsZero() {
				m.first = now
			}
			given = append(given, m)
		}
		if len(given) > before {
			served = append(served, g)
		}
	}
	q.turns = append(slices.DeleteFunc(q.turns, func(g *group) bool { return slices.Contains(served, g) }), served...)
	return given
}

// setAside moves a message to the dead-letter queue if it was received as often as the redrive policy allows. It
// keeps id, group and count; its retention starts anew in a FIFO queue and goes on in a standard one.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
func (s *Service) setAside(q *queue, m *message, now time.Time) bool {
	text := q.attribute("RedrivePolicy")
	if text == "" {
		return false
	}
	policy, err := s.checkRedrive(q.address, q.fifo, text)
	if err != nil || m.receives < policy.after || policy.to == q.address {
		return false // a dead-letter queue that was deleted since takes nothing, and one that is the queue itself moves nothing
	}
	to := s.queues[policy.to]
	q.take(m)
	m.source, m.hidden = q.arn(), time.Time{}
	if to.fifo {
		m.enqueued = now
	}
	to.put(m)
	return true
}

// repeat is what an earlier receive with the same attempt id gave, while every message of it is still in flight and
// nobody has changed its visibility; else nil. A repeat resets the visibility timeout and counts as no receive.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
func (q *queue) repeat(id string, now time.Time) []*message {
	for key, a := range q.attempts {
		if !a.at.Add(attemptLife).After(now) {
			delete(q.attempts, key)
		}
	}
	a, ok := q.attempts[id]
	if id == "" || !ok {
		return nil
	}
	for i, m := range a.given {
		if q.byID[m.id] != m || m.receives != a.marks[i] || m.changes > 0 || q.stateOf(m, now) != inFlight {
			return nil
		}
	}
	return a.given
}

func (q *queue) remember(id string, given []*message, now time.Time) {
	if id == "" || len(given) == 0 {
		return
	}
	a := attempt{at: now, given: given}
	for _, m := range given {
		a.marks = append(a.marks, m.receives)
	}
	q.attempts[id] = a
}

// show is a message as the receiver asked to see it.
func (q *queue) show(m *message, in receiveInput) received {
	out := received{MessageId: m.id, ReceiptHandle: q.handle(m), Body: m.body, MD5OfBody: md5Hex(m.body)}
	wanted := append(slices.Clone(in.AttributeNames), in.MessageSystemAttributeNames...)
	all := slices.Contains(wanted, "All")
	for name, value := range m.system() {
		if value != "" && (all || slices.Contains(wanted, name)) {
			if out.Attributes == nil {
				out.Attributes = map[string]string{}
			}
			out.Attributes[name] = value
		}
	}
	for name, a := range m.users {
		if asked(in.MessageAttributeNames, name) {
			if out.MessageAttributes == nil {
				out.MessageAttributes = map[string]attribute{}
			}
			out.MessageAttributes[name] = a
		}
	}
	out.MD5OfMessageAttributes = md5OfAttributes(out.MessageAttributes)
	return out
}

// system are the message's system attributes; an empty one is not there.
func (m *message) system() map[string]string {
	return map[string]string{
		"ApproximateFirstReceiveTimestamp": millis(m.first),
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"AWSTraceHeader":                   deref(m.systems["AWSTraceHeader"].StringValue),
		"DeadLetterQueueSourceArn":         m.source,
		"MessageDeduplicationId":           m.dedup,
		"MessageGroupId":                   m.group,
		"SenderId":                         m.sender,
		"SentTimestamp":                    millis(m.sent),
		"SequenceNumber":                   m.sequence,
	}
}

// asked reports whether a message attribute is among the names: itself, All, ".*", or a prefix with ".*".
func asked(names []string, name string) bool {
	for _, n := range names {
		prefix, wild := strings.CutSuffix(n, ".*")
		if n == "All" || n == name || (wild && strings.HasPrefix(name, prefix)) {
			return true
		}
	}
	return false
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

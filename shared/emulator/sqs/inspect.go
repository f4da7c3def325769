package sqs

import (
	"fmt"
	"time"

	"rollcall/shared/emulator/service"
)

// Depth counts the messages of a queue at one instant. Unlike the attributes that the service answers, which are
// approximate there, these are exact.
type Depth struct {
	Waiting  int // may be received, or wait behind one of their group that is in flight
	InFlight int // received, neither deleted nor visible again
	Delayed  int // not to be received yet
}

// Total is all of them.
func (d Depth) Total() int { return d.Waiting + d.InFlight + d.Delayed }

// Message is a message as a test sees it, without receiving it.
type Message struct {
	ID       string
	Body     string
	Group    string
	Dedup    string // deduplication id; of a FIFO queue
	Source   string // ARN of the queue that it was moved from, or empty
	Sent     time.Time
	Receives int // over all queues
	InFlight bool
}

func (q *queue) depth(now time.Time) Depth {
	var d Depth
	for _, m := range q.byID {
		switch q.stateOf(m, now) {
		case waiting:
			d.Waiting++
		case delayed:
			d.Delayed++
		case inFlight:
			d.InFlight++
		}
	}
	return d
}

// Create makes a queue of an account and Region in process, as CreateQueue does, and gives its URL. The error is the
// service's own refusal.
func (s *Service) Create(account, region, name string, attributes map[string]string) (url string, err error) {
	out, err := s.createQueue(service.Caller{Account: account, Region: region}, createInput{QueueName: name, Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("creating queue %s: %w", name, err)
	}
	return out.QueueUrl, nil
}

// Depth counts the messages of the queue with that name. Of several (in other accounts or Regions) it is an error to
// ask by name; so is a queue that is not there.
func (s *Service) Depth(name string) (Depth, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.named(name)
	if err != nil {
		return Depth{}, err
	}
	return q.depth(s.clock.Now()), nil
}

// Messages are the messages of the queue with that name, group by group, each group in its order; errors as Depth.
func (s *Service) Messages(name string) ([]Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.named(name)
	if err != nil {
		return nil, err
	}
	return q.list(s.clock.Now()), nil
}

// DeadLetters are the messages that the dead-letter queue of the queue with that name holds, whatever queue they
// came from. A message goes there when a receive finds it received too often already, not before. A queue without a
// redrive policy is an error; the others as Depth.
func (s *Service) DeadLetters(name string) ([]Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.named(name)
	if err != nil {
		return nil, err
	}
	text := q.attribute("RedrivePolicy")
	if text == "" {
		return nil, fmt.Errorf("looking for the dead letters of %s: it has no redrive policy", name)
	}
	policy, err := s.checkRedrive(q.address, q.fifo, text)
	if err != nil {
		return nil, fmt.Errorf("looking for the dead letters of %s: %w", name, err)
	}
	to := s.queues[policy.to]
	to.expire(s.clock.Now())
	return to.list(s.clock.Now()), nil
}

// named is the one queue of that name.
func (s *Service) named(name string) (*queue, error) {
	var found *queue
	for a, q := range s.queues {
		if a.name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("looking for queue %s: there are several of that name", name)
		}
		found = q
	}
	if found == nil {
		return nil, fmt.Errorf("looking for queue %s: there is none", name)
	}
	found.expire(s.clock.Now())
	return found, nil
}

func (q *queue) list(now time.Time) []Message {
	var out []Message
	for _, g := range q.turns {
		for e := g.messages.Front(); e != nil; e = e.Next() {
			m := e.Value.(*message)
			out = append(out, Message{
				ID: m.id, Body: m.body, Group: m.group, Dedup: m.dedup, Source: m.source,
				Sent: m.sent, Receives: m.receives, InFlight: q.stateOf(m, now) == inFlight,
			})
		}
	}
	return out
}

package sqs

import (
	"time"

	"rollcall/shared/emulator/service"
)

func (s *Service) deleteMessage(who service.Caller, in settleInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return none{}, err
	}
	return none{}, q.delete(in.ReceiptHandle, s.clock.Now())
}

func (s *Service) deleteBatch(who service.Caller, in settleBatchInput) (batchOutput[entrySuccess], error) {
	return s.settleBatch(who, in, func(q *queue, e settlement, now time.Time) error {
		return q.delete(e.ReceiptHandle, now)
	})
}

func (s *Service) changeVisibility(who service.Caller, in settleInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return none{}, err
	}
	return none{}, q.hide(in.settlement, s.clock.Now())
}

func (s *Service) changeVisibilityBatch(who service.Caller, in settleBatchInput) (batchOutput[entrySuccess], error) {
	return s.settleBatch(who, in, (*queue).hide)
}

// settleBatch does each entry by itself: one that fails does not touch the others.
func (s *Service) settleBatch(who service.Caller, in settleBatchInput, do func(*queue, settlement, time.Time) error) (batchOutput[entrySuccess], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out batchOutput[entrySuccess]
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return out, err
	}
	if err := checkEntries(in.Entries, func(e settlement) string { return e.Id }); err != nil {
		return out, err
	}
	for _, e := range in.Entries {
		if err := do(q, e, s.clock.Now()); err != nil {
			out.Failed = append(out.Failed, failure(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, entrySuccess{e.Id})
	}
	return out, nil
}

// delete deletes by receipt handle. What is deleted already is deleted. In a standard queue an older handle succeeds
// and deletes nothing; in a FIFO queue a handle is good only while its message is in flight (aws.validated).
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
func (q *queue) delete(handle string, now time.Time) error {
	m, latest, err := q.open(handle)
	if err != nil || m == nil {
		return err
	}
	if q.fifo && (!latest || q.stateOf(m, now) != inFlight) {
		return invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", handle)
	}
	if latest {
		q.take(m)
	}
	return nil
}

// hide changes a visibility timeout, which counts from now and ends at the latest 12 hours after the receive. In a
// standard queue a handle stays good after its timeout until the next receive (aws.validated); that a FIFO queue
// refuses it with this very code is not documented.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
func (q *queue) hide(e settlement, now time.Time) error {
	if e.VisibilityTimeout == nil {
		return missingParameter("VisibilityTimeout")
	}
	if err := checkVisibility(e.VisibilityTimeout); err != nil {
		return err
	}
	m, latest, err := q.open(e.ReceiptHandle)
	if err != nil {
		return err
	}
	if !latest || (q.fifo && q.stateOf(m, now) != inFlight) {
		return invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", e.ReceiptHandle)
	}
	until := now.Add(time.Duration(*e.VisibilityTimeout) * time.Second)
	if until.After(m.last.Add(longestHidden * time.Second)) {
		return invalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [%d seconds]", *e.VisibilityTimeout, longestHidden)
	}
	m.hidden = until
	m.changes++
	return nil
}

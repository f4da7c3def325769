package seams

import (
	"context"
	"sync"

	"rollcall/events"
)

// Queue keeps jobs in order until they are taken.
type Queue struct {
	Gate Gate

	mu   sync.Mutex
	jobs []events.Job
	seen map[string]bool
}

// Send puts jobs on the queue; one whose id was there before is dropped, as a FIFO queue does for five minutes.
func (q *Queue) Send(_ context.Context, jobs []events.Job) error {
	return q.Gate.pass("Send", func() error {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.seen == nil {
			q.seen = map[string]bool{}
		}
		for _, j := range jobs {
			if !q.seen[j.ID] {
				q.seen[j.ID] = true
				q.jobs = append(q.jobs, j)
			}
		}
		return nil
	})
}

// Take is every job that is waiting, and empties the queue.
func (q *Queue) Take() []events.Job {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.jobs
	q.jobs, q.seen = nil, nil
	return out
}

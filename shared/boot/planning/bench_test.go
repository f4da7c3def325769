package planning_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/shared/entra"
	"rollcall/shared/member"
)

// The figures of the service, in counted requests, processor time and memory. Each is checked where it is promised:
//
//	quiet tick      2 requests for one group, however large; 1 more for every further 50 groups
//	busy tenant     and the pages of the users feed
//	one join        at most 4 requests
//	roll of 100,000 101 requests, under 256 MB and 1 s of processor time
//
// Where Graph answers from this process, its time is in the figure; "recorded" is the reading alone.

const (
	mostHeap = 256 << 20
	mostCPU  = time.Second
)

// metered reports what each round of a benchmark takes.
type metered struct {
	b        *testing.B
	requests func() int
	before   int
	cpu      time.Duration
	peak     uint64
}

func (c *company) meter(b *testing.B) *metered {
	m := &metered{b: b, requests: func() int { return int(c.entra.Requests()) }}
	runtime.GC()
	m.before, m.cpu = m.requests(), processTime()
	return m
}

// look notes how much memory is in use.
func (m *metered) look() {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m.peak = max(m.peak, s.HeapInuse)
}

func (m *metered) report() (requests float64, cpu time.Duration) {
	m.look()
	n := float64(m.b.N)
	requests = float64(m.requests()-m.before) / n
	cpu = time.Duration(float64(processTime()-m.cpu) / n)
	m.b.ReportMetric(requests, "requests/op")
	m.b.ReportMetric(cpu.Seconds(), "cpu-s/op")
	m.b.ReportMetric(float64(m.peak)/1e6, "MB")
	return requests, cpu
}

// processTime is the processor time that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkQuietTick(b *testing.B) {
	for _, n := range []int{10, 1_000_000} {
		b.Run(fmt.Sprintf("%d members", n), func(b *testing.B) {
			c, _ := listening(b, n)
			m := c.meter(b)
			for b.Loop() {
				c.tick()
			}
			if got, _ := m.report(); got != 2 {
				b.Errorf("%v requests", got)
			}
		})
	}
}

func BenchmarkTickInABusyTenant(b *testing.B) {
	const changed = 5000
	c, _ := listening(b, 1_000_000)
	others, err := c.tenant.AddUsers("others-", changed, nil)
	c.ok(err)
	c.tick()
	m := c.meter(b)
	for on := true; b.Loop(); on = !on {
		for i := range changed {
			if on {
				err = c.tenant.DisableUser(others.ID(i))
			} else {
				err = c.tenant.EnableUser(others.ID(i))
			}
			c.ok(err)
		}
		c.tick()
	}
	if got, _ := m.report(); got != 1+25 {
		b.Errorf("%v requests", got)
	}
}

func BenchmarkOneJoin(b *testing.B) {
	c, group := listening(b, 10_000)
	var requests int
	m := c.meter(b)
	for i := 0; b.Loop(); i++ {
		c.ok(c.tenant.AddMember(group, c.user(fmt.Sprint("joins", i))))
		requests += c.requests(func() { c.tick() })
		c.queue.Take()
	}
	m.report()
	if got := float64(requests) / float64(b.N); got > 4 {
		b.Errorf("%v requests", got)
	}
}

// BenchmarkRollOf100000 reads a group page by page and keeps what the planner keeps of each: its id, in 16 bytes.
func BenchmarkRollOf100000(b *testing.B) {
	const people = 100_000
	for _, recorded := range []bool{true, false} {
		name := "over TLS, with Graph in this process"
		if recorded {
			name = "recorded"
		}
		b.Run(name, func(b *testing.B) {
			record := &recording{pages: map[string][]byte{}}
			c := newCompany(b, func(o *entra.Options) { record.through, o.Transport = o.Transport, record })
			group, _ := c.crowd("Sales", people)
			read := func(each func()) int {
				seen := map[[16]byte]bool{}
				for at := (member.Position{Group: group, Nested: true}); !at.Done; {
					page, err := c.entra.NextPage(b.Context(), at)
					c.ok(err)
					for i := range page.People {
						var id [16]byte
						copy(id[:], page.People[i].ID[20:]) // what differs
						seen[id] = true
					}
					at = page.Next
					each()
				}
				return len(seen)
			}
			read(func() {}) // signs in, and fills the recording
			record.replay = recorded
			m := c.meter(b)
			for b.Loop() {
				if got := read(m.look); got != people {
					b.Fatalf("%d people", got)
				}
			}
			requests, cpu := m.report()
			if requests != 101 {
				b.Errorf("%v requests", requests)
			}
			if recorded && (cpu > mostCPU || m.peak > mostHeap) {
				b.Errorf("%s of processor time and %d MB, of which the recording is a part", cpu, m.peak/1e6)
			}
		})
	}
}

// BenchmarkDailyRollOf100000 is the whole tick of a daily roll in which nothing has changed: reading, planning, and
// a ledger in memory with everyone in it.
func BenchmarkDailyRollOf100000(b *testing.B) {
	const people = 100_000
	record := &recording{pages: map[string][]byte{}}
	c := newCompany(b, func(o *entra.Options) { record.through, o.Transport = o.Transport, record })
	group, _ := c.crowd("Sales", people)
	c.profile("sales", group, nil)
	c.ok(c.approve("sales"))
	for c.ledger.Standing("sales").Rolled.IsZero() {
		c.tick()
	}
	record.replay = true
	m := c.meter(b)
	for b.Loop() {
		standing := c.ledger.Standing("sales")
		standing.NextRoll = c.clock.Now()
		_, err := c.ledger.SaveStanding(b.Context(), standing)
		c.ok(err)
		if r := c.tick(); r.LookedAt.People < people {
			b.Fatalf("looked at %d people", r.LookedAt.People)
		}
		m.look()
	}
	m.report()
}

// recording keeps the pages of members that pass, and can give them again.
type recording struct {
	through http.RoundTripper
	pages   map[string][]byte
	replay  bool
}

func (r *recording) RoundTrip(q *http.Request) (*http.Response, error) {
	if body, ok := r.pages[q.URL.String()]; ok && r.replay {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)), Request: q,
		}, nil
	}
	response, err := r.through.RoundTrip(q)
	if err != nil || !strings.HasSuffix(q.URL.Path, "/members") {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	r.pages[q.URL.String()], response.Body = body, io.NopCloser(bytes.NewReader(body))
	return response, err
}

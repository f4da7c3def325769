package graph

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"rollcall/shared/emulator/service"
)

// Fault is a failure on demand.
type Fault struct {
	// Operation is a name as Operations lists them ("GET /groups/{id}/members", "POST /{tenant}/oauth2/v2.0/token");
	// empty is every operation but the batch as such. "POST /$batch" fails the whole batch.
	Operation string
	// Resource narrows to one id; empty is any.
	Resource string
	// Where narrows to items of batches, or to calls that are none.
	Where Where
	What  Failure

	// RetryAfter is sent in the header, in whole seconds; zero sends none.
	RetryAfter time.Duration
	// Delay is waited on the clock before the answer.
	Delay time.Duration

	Skip  int       // so many matching calls pass first
	Times int       // so many fail then; zero is no limit
	From  time.Time // not before; zero is at once
	Until time.Time // not at or after; zero is for ever
}

// Where is which calls a Fault can hit.
type Where string

// The places.
const (
	Anywhere Where = ""
	Directly Where = "direct"
	InBatch  Where = "batch item"
)

// Failure is what goes wrong.
type Failure string

// The failures. Those of the second group are done and then answered badly.
const (
	TooMany       Failure = "429"            // throttled, nothing done
	TooManyBare   Failure = "429 bare"       // throttled, with no body
	Unavailable   Failure = "503"            // nothing done
	ServerError   Failure = "500"            // nothing done
	Timeout       Failure = "504"            // nothing done
	Forbidden     Failure = "403"            // Authorization_RequestDenied
	Unauthorized  Failure = "401"            // InvalidAuthenticationToken
	HTML          Failure = "html"           // 503 with a page for people, as a proxy in between sends
	Disconnect    Failure = "disconnect"     // the connection breaks, nothing done
	HTMLOK        Failure = "html with 200"  // 200 with a page for people
	TruncatedJSON Failure = "truncated json" // the second half of the body is missing
	DuplicateItem Failure = "duplicate item" // the first object of the page comes twice
	LoopedNext    Failure = "looped next"    // the next link leads back to the page itself
	EmptyPage     Failure = "empty page"     // the objects of the page are gone; links stay
	NullFields    Failure = "null fields"    // every property but type and id is null, as without permission
	NoMembers     Failure = "no members"     // a delta page whose groups come without members@delta
	Slow          Failure = "slow"           // only Delay
)

// Injected is a Fault at work.
type Injected struct {
	Fault
	seen, hit atomic.Int64
	stopped   atomic.Bool
}

// Hits is how many calls have failed by it.
func (i *Injected) Hits() int { return int(i.hit.Load()) }

// Stop ends it.
func (i *Injected) Stop() { i.stopped.Store(true) }

// Inject makes calls fail from now on. The first fault that fits a call counts.
func (e *Emulator) Inject(f Fault) *Injected {
	i := &Injected{Fault: f}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, i)
	return i
}

// fault is the one that hits the call, or nil.
func (e *Emulator) fault(operation, resource string, item bool) *Injected {
	now := e.clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range e.faults {
		switch {
		case i.stopped.Load(),
			i.Operation == "" && operation == "POST /$batch",
			i.Operation != "" && i.Operation != operation,
			i.Resource != "" && canonical(i.Resource) != resource,
			i.Where == Directly && item, i.Where == InBatch && !item,
			now.Before(i.From), !i.Until.IsZero() && !now.Before(i.Until),
			i.Times > 0 && i.hit.Load() >= int64(i.Times):
			continue
		}
		if i.seen.Add(1) > int64(i.Skip) {
			i.hit.Add(1)
			return i
		}
	}
	return nil
}

// before is the answer of a fault that keeps the call from being done.
func (c *call) before(f *Injected) (reply, bool) {
	if f == nil {
		return reply{}, false
	}
	if !c.e.pause(c.r.Context(), f.Delay) {
		return reply{abort: true}, true
	}
	switch f.What {
	case TooMany:
		return c.finish(c.refuse(*throttled(f.RetryAfter, "ResourceUnitLimitExceeded"))), true
	case TooManyBare:
		a := c.finish(c.refuse(*throttled(f.RetryAfter, "ResourceUnitLimitExceeded")))
		a.raw = []byte{}
		return a, true
	case Unavailable:
		return c.finish(c.refuse(unavailable(f.RetryAfter))), true
	case ServerError:
		return c.finish(c.refuse(serverError())), true
	case Timeout:
		return c.finish(c.refuse(gatewayTimeout())), true
	case Forbidden:
		return c.finish(c.refuse(denied())), true
	case Unauthorized:
		return c.finish(c.refuse(*unauthorized("Access token validation failure."))), true
	case HTML:
		a := htmlPage(http.StatusServiceUnavailable)
		return c.finish(a), true
	case Disconnect:
		return reply{abort: true}, true
	}
	return reply{}, false
}

func htmlPage(status int) reply {
	return reply{
		status: status, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		raw: []byte("<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head><body><h2>Our services aren't " +
			"available right now</h2><p>We're working to restore all services as soon as possible.</p></body></html>\n"),
	}
}

// after spoils an answer.
func (c *call) after(f *Injected, a reply) reply {
	if f == nil || a.status >= 300 {
		return a
	}
	switch f.What {
	case HTMLOK:
		return c.finish(htmlPage(http.StatusOK))
	case TruncatedJSON:
		b := a.bytes()
		a.raw = b[:len(b)/2]
	case DuplicateItem:
		if a.page != nil && len(a.page.value) > 0 {
			a.page.value = append(a.page.value, a.page.value[0])
		}
	case LoopedNext:
		if a.page != nil {
			a.page.next, a.page.delta = c.self(), ""
		}
	case EmptyPage:
		if a.page != nil {
			a.page.value = nil
		}
	case NullFields:
		if a.page != nil {
			for i, o := range a.page.value {
				a.page.value[i] = withoutFields(o)
			}
		}
		if a.object != nil {
			a.object = withoutFields(a.object)
		}
	case NoMembers:
		if a.page != nil {
			for i, o := range a.page.value {
				a.page.value[i] = o.without("members@delta")
			}
		}
	}
	return a
}

func withoutFields(o *object) *object {
	bare := &object{}
	for i, k := range o.keys {
		if k == "id" || strings.HasPrefix(k, "@") {
			bare.set(k, o.values[i])
		} else {
			bare.set(k, nil)
		}
	}
	return bare
}

// Refuse answers as Graph, or on a sign-in path as Entra, when it refuses in that way. The drops break the
// connection.
func (e *Emulator) Refuse(w http.ResponseWriter, r *http.Request, why service.Refusal) {
	if why == service.DropAnswer || why == service.DropCall {
		panic(http.ErrAbortHandler)
	}
	if !isGraph(r.URL.Path) {
		e.refuseEntra(w, why)
		return
	}
	c := e.newCall(r)
	var a reply
	switch why {
	case service.Throttle:
		a = c.refuse(*throttled(defaultRetryAfter, "ResourceUnitLimitExceeded"))
	case service.Unavailable:
		a = c.refuse(unavailable(0))
	case service.Deny:
		a = c.refuse(denied())
	default:
		a = c.refuse(serverError())
	}
	a = c.finish(a)
	a.write(w)
}

// defaultRetryAfter is what an injected throttle says; Graph's own numbers vary.
const defaultRetryAfter = 10 * time.Second

// pause waits on the clock; false where the request ended before.
func (e *Emulator) pause(ctx context.Context, d time.Duration) bool {
	return d <= 0 || e.clock.SleepUntil(ctx, e.clock.Now().Add(d)) == nil
}

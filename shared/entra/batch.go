package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// item is one request of a batch, as Graph wants it, and what became of it.
type item struct {
	method string
	url    string // below the base URL
	body   any    // nil for GET

	answer json.RawMessage
	failed *fault.Error // its own refusal, never a passing one
}

type wireItem struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"`
}

type wireAnswer struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// batch sends all items, 20 a request. An item that is throttled or finds Graph unavailable goes into a later batch,
// after the longest wait that any of them asks for; up to three times without a single item getting through, and as
// far as the budget goes. On return without an error every item has an answer or a refusal of its own; an error means
// that none of them may be used.
func (d *Directory) batch(ctx context.Context, doing string, items []*item) error {
	open := items
	for attempt := 1; len(open) > 0; {
		now := open[:min(len(open), member.MostBatch)]
		again, worst, err := d.batchOnce(ctx, doing, now)
		if err != nil {
			return err
		}
		open = append(again, open[len(now):]...)
		if len(again) < len(now) {
			attempt = 1
		}
		if worst == nil {
			continue
		}
		if attempt == mostAttempts {
			return worst
		}
		if err := d.rest(ctx, worst, attempt); err != nil {
			return err
		}
		attempt++
	}
	return nil
}

// batchOnce sends at most 20 items and returns those to be sent again, with the fault that asks for the longest wait.
func (d *Directory) batchOnce(ctx context.Context, doing string, items []*item) (again []*item, worst *fault.Error, err error) {
	body, err := encodeBatch(items)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Unknown, err, doing)
	}
	type answers struct {
		Responses *[]wireAnswer `json:"responses"`
	}
	got, err := get[answers](ctx, d, doing, d.askBatch(body))
	if err != nil {
		return nil, nil, err
	}
	if got.Responses == nil {
		return nil, nil, missing(doing, "responses")
	}
	answered := make(map[int]wireAnswer, len(items))
	for _, a := range *got.Responses {
		n, err := strconv.Atoi(a.ID)
		if err != nil || n < 0 || n >= len(items) {
			return nil, nil, brokenAnswer(doing, "", fmt.Errorf("the batch answers an item that was not in it, %q", a.ID))
		}
		answered[n] = a
	}
	for n, it := range items {
		a, ok := answered[n]
		if !ok {
			return nil, nil, brokenAnswer(doing, "", fmt.Errorf("the batch leaves item %d unanswered", n))
		}
		passing := d.settle(it, a, doing)
		if passing == nil {
			continue
		}
		again = append(again, it)
		if worst == nil || passing.RetryAfter > worst.RetryAfter {
			worst = passing
		}
	}
	return again, worst, nil
}

// settle notes an item's answer, or returns the passing fault for which it has to be sent again.
func (d *Directory) settle(it *item, a wireAnswer, doing string) *fault.Error {
	if a.Status == http.StatusOK {
		it.answer = a.Body
		return nil
	}
	header := http.Header{}
	for k, v := range a.Headers {
		header.Set(k, v)
	}
	var failed *fault.Error
	if a.Status >= 400 {
		failed = readRefusal(a.Status, header, a.Body, d.clock.Now()).fault(doing)
	} else {
		failed = brokenAnswer(doing, "", fmt.Errorf("unexpected status %d of an item", a.Status))
	}
	if failed.Kind.Passing() {
		return failed
	}
	if failed.Kind == fault.Denied {
		d.signer.forget(staleToken)
	}
	it.failed = failed
	return nil
}

func encodeBatch(items []*item) ([]byte, error) {
	wire := make([]wireItem, len(items))
	for n, it := range items {
		wire[n] = wireItem{
			ID: strconv.Itoa(n), Method: it.method, URL: it.url, Body: it.body,
			Headers: map[string]string{"x-ms-throttle-priority": "Low"},
		}
		if it.body != nil {
			wire[n].Headers["Content-Type"] = "application/json"
		}
	}
	return json.Marshal(map[string]any{"requests": wire})
}

// reading makes a GET item of a request.
func (d *Directory) reading(request ask) (*item, error) {
	at, err := d.relative(request)
	if err != nil {
		return nil, err
	}
	return &item{method: http.MethodGet, url: at}, nil
}

// decode reads an item's answer.
func decode[T any](it *item, doing string) (T, error) {
	var v T
	if it.failed != nil {
		return v, it.failed
	}
	if err := json.Unmarshal(it.answer, &v); err != nil {
		return v, brokenAnswer(doing, "", fmt.Errorf("decoding an item's answer: %w", err))
	}
	return v, nil
}

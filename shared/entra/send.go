package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	abs "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"

	"rollcall/shared/fault"
)

// Budget tells how much time may still be spent on reading. It is asked before each request and before each wait:
// at zero or less no request is made, and a wait that is longer is left for the next tick.
type Budget func(ctx context.Context) time.Duration

// reserve is kept free before the deadline, for what is to be written down afterwards.
const reserve = 10 * time.Second

// UntilDeadline is the time until ctx ends, less 10 s for writing down what was read; one minute, again and again,
// where ctx has no deadline. The deadline of a context is the machine's time, so this one reads the machine's clock.
func UntilDeadline(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Minute
	}
	return time.Until(deadline) - reserve
}

const (
	mostAttempts = 4
	mostBytes    = 16 << 20 // of one answer; a page of 999 people is under 1 MB
	// staleToken is how old a token must be to be given up after a "denied": younger ones have the roles of today.
	staleToken = 5 * time.Minute
)

// ask makes one request. It is called for each attempt, since the SDK writes into what it returns.
type ask func() (*abs.RequestInformation, error)

// get sends a request until it is answered for good, and decodes the answer's JSON into a T. Every request of this
// package only reads, POSTs included, so each may be sent again.
func get[T any](ctx context.Context, d *Directory, doing string, request ask) (T, error) {
	var answer T
	err := d.send(ctx, doing, request, func(body []byte, header http.Header) error {
		if media, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || !strings.HasSuffix(media, "json") {
			return errors.New("the answer is not JSON")
		}
		answer = *new(T)
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("decoding the answer: %w", err)
		}
		return nil
	})
	return answer, err
}

// reader takes an answer's body. Its error makes the answer a broken one: it is asked for again.
type reader func(body []byte, header http.Header) error

// send makes up to four attempts. Throttled and Unavailable are tried again after Retry-After, or after 1, 2 and 4
// seconds, as far as the budget goes; a token that Graph no longer accepts is replaced once.
func (d *Directory) send(ctx context.Context, doing string, request ask, read reader) error {
	replaced := false
	for attempt := 1; ; {
		failed := d.attempt(ctx, doing, request, read)
		switch {
		case failed == nil:
			return nil
		case wasRefused(failed, http.StatusUnauthorized) && !replaced:
			replaced = true
			d.signer.forget(0)
			continue
		case failed.Kind == fault.Denied:
			d.signer.forget(staleToken)
			return failed
		case !failed.Kind.Passing() || attempt == mostAttempts:
			return failed
		}
		if err := d.rest(ctx, failed, attempt); err != nil {
			return err
		}
		attempt++
	}
}

// rest waits as long as failed asks for, or returns failed where the budget is too short for that.
func (d *Directory) rest(ctx context.Context, failed *fault.Error, attempt int) error {
	if failed.RetryAfter == 0 {
		failed.RetryAfter = time.Second << (attempt - 1)
	}
	if ctx.Err() != nil || failed.RetryAfter > d.budget(ctx) {
		return failed
	}
	d.log.WarnContext(ctx, "waiting for Graph", "for", failed.RetryAfter.String(), "kind", string(failed.Kind),
		"code", failed.Code, "request_id", failed.RequestID, "attempt", attempt)
	if d.clock.SleepUntil(ctx, d.clock.Now().Add(failed.RetryAfter)) != nil {
		return failed
	}
	return nil
}

// attempt sends the request once.
func (d *Directory) attempt(ctx context.Context, doing string, request ask, read reader) *fault.Error {
	if ctx.Err() != nil || d.budget(ctx) <= 0 {
		return brokenAnswer(doing, "", errors.Join(errors.New("out of time"), ctx.Err()))
	}
	info, err := d.prepare(request)
	if err != nil {
		return fault.Wrap(fault.Unknown, err, doing)
	}
	option := abs.NewRequestHandlerOption()
	option.SetResponseHandler(func(answer any, _ abs.ErrorMappings) (any, error) {
		response, ok := answer.(*http.Response)
		if !ok {
			return nil, fault.New(fault.Unknown, doing+": the adapter gave no response")
		}
		return nil, d.take(response, doing, read)
	})
	info.AddRequestOptions([]abs.RequestOption{option})
	if err := d.adapter.SendNoContent(ctx, info, nil); err != nil {
		return sendFault(ctx, err, doing)
	}
	return nil
}

// prepare builds the request and refuses every host but Graph's: a link in an answer or in the ledger decides
// nothing about where a token goes.
func (d *Directory) prepare(request ask) (*abs.RequestInformation, error) {
	info, err := request()
	if err != nil {
		return nil, fmt.Errorf("building the request: %w", err)
	}
	info.PathParameters["baseurl"] = d.adapter.GetBaseUrl()
	at, err := info.GetUri()
	if err != nil {
		return nil, fmt.Errorf("building the request's address: %w", err)
	}
	if !d.ours(at) {
		return nil, fmt.Errorf("the link goes to %s://%s, which is not Graph's host: refused", at.Scheme, at.Host)
	}
	return info, nil
}

// take reads one response to its end and closes it.
func (d *Directory) take(response *http.Response, doing string, read reader) error {
	defer response.Body.Close()
	var buffer bytes.Buffer
	if response.ContentLength > 0 {
		buffer.Grow(int(min(response.ContentLength, mostBytes)) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(io.LimitReader(response.Body, mostBytes+1))
	id := response.Header.Get("request-id")
	switch {
	case response.StatusCode >= 400: // even if its body was cut short
		return readRefusal(response.StatusCode, response.Header, buffer.Bytes(), d.clock.Now()).fault(doing)
	case err != nil:
		return brokenAnswer(doing, id, fmt.Errorf("reading the answer: %w", err))
	case buffer.Len() > mostBytes:
		return brokenAnswer(doing, id, errors.New("the answer is too large"))
	case response.StatusCode != http.StatusOK:
		return brokenAnswer(doing, id, fmt.Errorf("unexpected status %d", response.StatusCode))
	}
	if err := read(buffer.Bytes(), response.Header); err != nil {
		return brokenAnswer(doing, id, err)
	}
	return nil
}

// wasRefused reports whether Graph itself answered with the status.
func wasRefused(err error, status int) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == status
}

// verbatim keeps kiota from rewriting the query of a link that Graph gave us.
func verbatim() []abs.RequestOption {
	return []abs.RequestOption{&khttp.ParametersNameDecodingOptions{Enable: false}}
}

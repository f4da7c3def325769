package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"rollcall/shared/fault"
)

// refusal is an answer of 400 and above, as the cause of a classified error. It is read from the body here, never by
// the SDK: its ODataError.Error panics where the body has no message.
type refusal struct {
	status    int
	code      string // the most specific code of the body, or empty
	message   string // the service's own words, shortened, or empty
	requestID string
	date      string
	retry     time.Duration
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("answered %d", r.status)
	if r.date != "" {
		text += " at " + r.date
	}
	if r.requestID != "" {
		text += ", request " + r.requestID
	}
	if r.message != "" {
		text += `, "` + r.message + `"`
	}
	return text
}

// fault is the refusal classified. The status decides where it is firm, then the code, then the status.
func (r *refusal) fault(doing string) *fault.Error {
	m, ok := firm[r.status]
	if !ok {
		m, ok = graphCodes[r.code]
	}
	if !ok {
		m, ok = statuses[r.status]
	}
	switch {
	case ok:
	case r.status >= 500:
		m = meaning{fault.Unavailable, waiting}
	default:
		m = meaning{fault.Unknown, ourFault}
	}
	e := fault.Wrap(m.kind, r, doing)
	e.Code, e.Advice, e.RetryAfter, e.RequestID = r.code, m.advice, r.retry, r.requestID
	if e.Code == "" {
		e.Code = strconv.Itoa(r.status)
	}
	return e
}

// graphError is Graph's error body; some services spell innerError in small letters, which encoding/json accepts.
// https://learn.microsoft.com/graph/errors
type graphError struct {
	Code    string      `json:"code"`
	Message string      `json:"message"`
	Inner   *innerError `json:"innerError"`
}

type innerError struct {
	Code            string      `json:"code"`
	Date            string      `json:"date"`
	RequestID       string      `json:"request-id"`
	ClientRequestID string      `json:"client-request-id"`
	Inner           *innerError `json:"innerError"`
}

// readRefusal understands an answer of 400 and above, of a request or of an item in a batch. Any body will do.
func readRefusal(status int, header http.Header, body []byte, now time.Time) *refusal {
	r := &refusal{
		status: status, requestID: header.Get("request-id"), date: header.Get("Date"),
		retry: retryAfter(header.Get("Retry-After"), now),
	}
	var answer struct {
		Error graphError `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return r // HTML, a proxy's text, nothing: the status has to do
	}
	r.code, r.message = answer.Error.Code, shorten(answer.Error.Message)
	for inner := answer.Error.Inner; inner != nil; inner = inner.Inner {
		if _, known := graphCodes[inner.Code]; known {
			r.code = inner.Code
		}
		r.requestID, r.date = orElse(inner.RequestID, r.requestID), orElse(inner.Date, r.date)
	}
	return r
}

// retryAfter reads seconds or a date; zero where there is neither, or where the date is past.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// shorten keeps the first 200 bytes of the first line, without a full stop at its end.
func shorten(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s = strings.ToValidUTF8(s[:min(len(s), 200)], "")
	return strings.TrimSuffix(strings.TrimSpace(s), ".")
}

// brokenAnswer is an answer that could not be read in full or understood: to be asked for again, never a "no".
func brokenAnswer(doing, requestID string, cause error) *fault.Error {
	e := fault.Wrap(fault.Unavailable, cause, doing)
	e.Advice, e.RequestID = waiting, requestID
	return e
}

// sendFault classifies what the adapter returned: a fault of ours as it is, the end of ctx, or the network's failure.
func sendFault(ctx context.Context, err error, doing string) *fault.Error {
	if e := fault.As(err); e != nil {
		if e.Message != doing { // a failed sign-in does not know what for
			copied := *e
			copied.Message = doing + ": " + e.Message
			e = &copied
		}
		return e
	}
	if ctx.Err() != nil {
		return fault.Wrap(fault.Unavailable, ctx.Err(), doing)
	}
	return brokenAnswer(doing, "", withoutURL(err))
}

// withoutURL leaves out the address that net/http puts into an error: its query holds page tokens.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// signInFault classifies a failed sign-in. The text of azidentity's error is left out: it repeats whole answers.
func signInFault(err error, trace *signInTrace, now time.Time) *fault.Error {
	const doing = "signing in to Microsoft Entra"
	if trace != nil && trace.assertion != nil {
		return assertionFault(trace.assertion)
	}
	var failed *azidentity.AuthenticationFailedError
	if errors.As(err, &failed) && failed.RawResponse != nil {
		return tokenFault(failed.RawResponse, doing, now)
	}
	if trace != nil && trace.network != nil {
		return brokenAnswer(doing, "", withoutURL(trace.network))
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(fault.Unavailable, err, doing)
	}
	if failed != nil {
		return brokenAnswer(doing, "", errors.New("the answer could not be understood"))
	}
	e := fault.Wrap(fault.Misconfigured, err, doing) // azidentity refused the tenant id or the authority
	e.Advice = "Check the tenant id, the client id and the authority"
	return e
}

// tokenFault reads the token endpoint's refusal.
func tokenFault(response *http.Response, doing string, now time.Time) *fault.Error {
	var answer struct {
		Error         string `json:"error"`
		Codes         []int  `json:"error_codes"`
		Timestamp     string `json:"timestamp"`
		TraceID       string `json:"trace_id"`
		CorrelationID string `json:"correlation_id"`
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // azcore keeps it in memory; what is missing is not needed
	_ = json.Unmarshal(body, &answer)                            // HTML or nothing: the status has to do
	r := &refusal{
		status: response.StatusCode, requestID: orElse(answer.TraceID, response.Header.Get("x-ms-request-id")),
		date: orElse(answer.Timestamp, response.Header.Get("Date")),
	}
	m, ok := firm[r.status]
	if !ok {
		m, ok = oauthErrors[answer.Error]
	}
	if !ok {
		m = meaning{fault.Misconfigured, "Check the tenant id, the client id, the secret and the cloud setting"}
	}
	e := fault.Wrap(m.kind, r, doing)
	e.Code, e.Advice, e.RequestID = answer.Error, m.advice, r.requestID
	if i := slices.IndexFunc(answer.Codes, func(n int) bool { return aadsts[n] != "" }); i >= 0 {
		e.Advice = aadsts[answer.Codes[i]]
	}
	if len(answer.Codes) > 0 {
		e.Code = strings.TrimSpace(fmt.Sprintf("%s AADSTS%d", answer.Error, answer.Codes[0]))
	}
	e.RetryAfter = retryAfter(response.Header.Get("Retry-After"), now)
	return e
}

// assertionFault classifies what kept the keyless sign-in from a token of its own.
func assertionFault(err error) *fault.Error {
	const doing = "fetching the token for keyless sign-in"
	if e := fault.As(err); e != nil {
		return e
	}
	e := fault.Wrap(fault.Unknown, err, doing)
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		m := awsCodes[coded.ErrorCode()]
		e.Code, e.Advice = coded.ErrorCode(), m.advice
		if m.kind != fault.None {
			e.Kind = m.kind
		}
	}
	return e
}

package runtime

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"rollcall/shared/clock"
)

// invocation is what a function is given.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	arn      string
}

// answer is what a function gave back: failure is nil, or an *Error.
type answer struct {
	body    []byte
	failure error
}

// event is a request of the function: an answer, or (where answer is nil) the request for the next invocation.
type event struct {
	at     time.Time
	answer *answer
}

// api is the Runtime API of one process, version 2018-06-01.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type api struct {
	server   *http.Server
	listener net.Listener
	events   chan event
	work     chan invocation
	closed   chan struct{}
	once     sync.Once

	mu       sync.Mutex
	current  string // id of the invocation at hand
	answered bool   // it has its answer
}

func listen() (*api, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the runtime: %w", err)
	}
	a := &api{listener: listener, events: make(chan event, 16), work: make(chan invocation, 1), closed: make(chan struct{}), answered: true}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.next)
	routes.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", a.response)
	routes.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", a.failure)
	routes.HandleFunc("POST /2018-06-01/runtime/init/error", a.initFailure)
	a.server = &http.Server{Handler: routes, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.shut() // the listener broke; the function sees that at its next request
		}
	}()
	return a, nil
}

func (a *api) address() string { return a.listener.Addr().String() }

func (a *api) shut() { a.once.Do(func() { close(a.closed) }) }

func (a *api) close() {
	a.shut()
	_ = a.server.Close() // what it closes is gone either way
}

// begin hands out an invocation to the function, which waits in next.
func (a *api) begin(in invocation) {
	a.mu.Lock()
	a.current, a.answered = in.id, false
	a.mu.Unlock()
	a.work <- in
}

func (a *api) tell(e event) {
	e.at = clock.System{}.Now()
	select {
	case a.events <- e:
	case <-a.closed:
	}
}

func (a *api) next(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	ready := a.answered
	a.mu.Unlock()
	if !ready {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "The invocation at hand has no answer.")
		return
	}
	a.tell(event{})
	select {
	case in := <-a.work:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", in.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", in.arn)
		h.Set("Lambda-Runtime-Trace-Id", newTrace(clock.System{}.Now()))
		_, _ = w.Write(in.payload) // a function that is gone is seen by its exit
	case <-r.Context().Done():
	case <-a.closed:
	}
}

func (a *api) response(w http.ResponseWriter, r *http.Request) {
	if !a.claim(w, r.PathValue("id")) {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, largestAnswer+1))
	switch {
	case err != nil:
		a.tell(event{answer: failed("Runtime.TruncatedResponse", "reading the response: "+err.Error())})
		refuse(w, http.StatusBadRequest, "Runtime.TruncatedResponse", "The response was cut short.")
	case len(body) > largestAnswer:
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", largestAnswer)
		a.tell(event{answer: failed("Function.ResponseSizeTooLarge", message)})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", message)
	case r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "": // the handler's own reader broke midway
		a.tell(event{answer: trailing(r)})
		accept(w)
	default:
		a.tell(event{answer: &answer{body: body}})
		accept(w)
	}
}

func (a *api) failure(w http.ResponseWriter, r *http.Request) {
	if !a.claim(w, r.PathValue("id")) {
		return
	}
	a.tell(event{answer: reported(r)})
	accept(w)
}

func (a *api) initFailure(w http.ResponseWriter, r *http.Request) {
	a.tell(event{answer: reported(r)})
	accept(w)
}

// claim takes the one answer of the invocation at hand; any other id is refused.
func (a *api) claim(w http.ResponseWriter, id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id != a.current || a.answered {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return false
	}
	a.answered = true
	return true
}

// reported is the error that a function reports of itself. The body is passed on as it is.
func reported(r *http.Request) *answer {
	body, err := io.ReadAll(io.LimitReader(r.Body, largestAnswer))
	if err != nil {
		return failed("Runtime.TruncatedResponse", "reading the error: "+err.Error())
	}
	own := &Error{}
	if json.Unmarshal(body, own) != nil || own.Type == "" {
		own.Type = r.Header.Get("Lambda-Runtime-Function-Error-Type")
	}
	if own.Type == "" {
		own.Type = "Runtime.Unknown"
	}
	return &answer{body: body, failure: own}
}

func trailing(r *http.Request) *answer {
	own := &Error{Type: r.Trailer.Get("Lambda-Runtime-Function-Error-Type")}
	body, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
	if err != nil || json.Unmarshal(body, own) != nil {
		return failed(own.Type, "the response was cut short")
	}
	return &answer{body: body, failure: own}
}

func failed(kind, message string) *answer {
	body, own := told(&Error{Type: kind, Message: message})
	return &answer{body: body, failure: own}
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`+"\n") // a function that is gone is seen by its exit
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	body, _ := told(&Error{Type: kind, Message: message})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// newTrace is an X-Ray header that asks for no sampling.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func newTrace(now time.Time) string {
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", now.Unix(), randomHex(12), randomHex(8))
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

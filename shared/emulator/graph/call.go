package graph

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// mostBody is how long a request body may be, packed or not.
const mostBody = 4 << 20

// call is one operation: an HTTP request, or an item of a batch.
type call struct {
	e       *Emulator
	b       Behaviour
	r       *http.Request
	method  string
	path    string // without the version
	query   url.Values
	header  http.Header
	body    []byte
	base    string
	version string
	item    bool // of a batch

	route route
	id    string
	who   grant
	q     options
	units int

	requestID, clientRequestID string
}

func (e *Emulator) newCall(r *http.Request) *call {
	version, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c := &call{
		e: e, b: e.Behaviour(), r: r, method: r.Method, path: graphPath(r.URL.Path), query: r.URL.Query(),
		header: r.Header, base: e.baseURL(r), version: version, requestID: e.ids.next(),
	}
	c.identify()
	return c
}

func (c *call) identify() {
	c.clientRequestID = c.header.Get("client-request-id")
	if c.clientRequestID == "" {
		c.clientRequestID = c.requestID
	}
}

// baseURL is what absolute links begin with.
func (e *Emulator) baseURL(r *http.Request) string {
	if e.base != "" {
		return e.base
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// readBody is the body of a request, unpacked. A body that is called gzip and is not is refused; this is what
// becomes of a POST that kiota's compression sent a second time (kiota-http-go issue 183).
func readBody(r *http.Request) ([]byte, *refusal) {
	if r.Body == nil {
		return nil, nil
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, mostBody+1))
	if err != nil {
		return nil, badRequest("The request body could not be read.")
	}
	if len(raw) > mostBody {
		return nil, &refusal{
			status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge",
			message: "The request body is too large.",
		}
	}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return raw, nil
	case "gzip":
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, badRequest("The request body is not gzip, although Content-Encoding says so.")
		}
		plain, err := io.ReadAll(io.LimitReader(zr, mostBody))
		if err != nil {
			return nil, badRequest("The request body is broken gzip.")
		}
		return plain, nil
	default:
		return nil, &refusal{
			status: http.StatusUnsupportedMediaType, code: "BadRequest",
			message: "Content-Encoding " + encoding + " is not supported.",
		}
	}
}

// answer takes a call through everything that stands before its handler, and its handler.
func (c *call) answer() reply {
	rt, id, ok := c.e.locate(c.method, c.path)
	if !ok {
		return c.finish(c.noRoute())
	}
	c.route, c.id = rt, canonical(id)
	c.e.count(rt.name())
	f := c.e.fault(rt.name(), c.id, c.item)
	if a, done := c.before(f); done {
		return a
	}
	return c.after(f, c.finish(c.handle()))
}

func (c *call) handle() reply {
	if why := c.authenticate(); why != nil {
		return c.refuse(*why)
	}
	var why *refusal
	if c.q, why = c.readOptions(); why != nil {
		return c.refuse(*why)
	}
	if !c.route.free {
		c.units = c.cost()
		if why := c.e.throttle(c); why != nil {
			return c.refuse(*why)
		}
	}
	if !c.route.allow(c.who) {
		return c.refuse(denied())
	}
	if c.route.directory {
		c.e.Tenant.mu.RLock()
		defer c.e.Tenant.mu.RUnlock()
	}
	return c.route.handle(c)
}

// finish adds what every answer has.
func (c *call) finish(a reply) reply {
	if a.header == nil {
		a.header = http.Header{}
	}
	set := func(k, v string) {
		if a.header.Get(k) == "" {
			a.header.Set(k, v)
		}
	}
	set("request-id", c.requestID)
	set("client-request-id", c.clientRequestID)
	set("Date", c.e.clock.Now().Format(http.TimeFormat))
	set("Cache-Control", "no-cache")
	if c.units > 0 {
		set("x-ms-resource-unit", strconv.Itoa(c.units))
	}
	if percent := c.e.load(c.who.app); percent > 0.8 {
		set("x-ms-throttle-limit-percentage", strconv.FormatFloat(percent, 'f', 1, 64))
	}
	if a.status != http.StatusNoContent {
		set("Content-Type", jsonType)
	}
	if a.status < 300 {
		set("OData-Version", "4.0")
	}
	return a
}

const jsonType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// reply is an answer before it is bytes: faults and batches still change it.
type reply struct {
	status int
	header http.Header
	page   *page
	object *object
	raw    []byte // text, or whatever a fault made of the body
	abort  bool
}

func (a *reply) bytes() []byte {
	switch {
	case a.raw != nil:
		return a.raw
	case a.page != nil:
		return a.page.append(make([]byte, 0, 256*len(a.page.value)+512))
	case a.object != nil:
		return a.object.append(nil)
	}
	return nil
}

func (a *reply) write(w http.ResponseWriter) {
	for k, vs := range a.header {
		w.Header()[http.CanonicalHeaderKey(k)] = vs
	}
	body := a.bytes()
	if a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a client that went away is no error of the emulator's
}

func ok(o *object) reply { return reply{status: http.StatusOK, object: o} }

func text(s string) reply {
	return reply{status: http.StatusOK, raw: []byte(s), header: http.Header{"Content-Type": {"text/plain"}}}
}

// since is how long ago t was.
func (e *Emulator) since(t time.Time) time.Duration { return e.clock.Now().Sub(t) }

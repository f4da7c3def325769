package graph

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// mostItems is how many requests a batch may hold. https://learn.microsoft.com/graph/json-batching
const mostItems = 20

type batchItem struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// batch is POST /$batch: up to 20 requests, each answered, counted and throttled for itself. The whole is 200
// whatever its items are. https://learn.microsoft.com/graph/json-batching
func (c *call) batch() reply {
	var ask struct {
		Requests []batchItem `json:"requests"`
	}
	if err := json.Unmarshal(c.body, &ask); err != nil || len(ask.Requests) == 0 {
		return c.refuse(refusal{status: 400, code: "BadRequest", message: "Invalid batch payload format."})
	}
	if len(ask.Requests) > mostItems {
		return c.refuse(refusal{
			status: 400, code: "MaximumValueExceeded",
			message: "Number of batch request steps exceeds the maximum value of 20.",
		})
	}
	if why := checkItems(ask.Requests); why != nil {
		return c.refuse(*why)
	}
	done := map[string]int{} // id to status
	var answers []*object
	for pending := ask.Requests; len(pending) > 0; {
		var later []batchItem
		for _, it := range pending {
			if slices.ContainsFunc(it.DependsOn, func(id string) bool { _, ok := done[itemKey(id)]; return !ok }) {
				later = append(later, it)
				continue
			}
			a := c.answerItem(it, done)
			if a.abort {
				return a
			}
			done[itemKey(it.ID)] = a.status
			answers = append(answers, itemObject(it.ID, a))
		}
		if len(later) == len(pending) {
			return c.refuse(refusal{status: 400, code: "BadRequest", message: "Invalid dependsOn: a circle."})
		}
		pending = later
	}
	if !c.b.BatchInOrder && len(answers) > 1 {
		slices.Reverse(answers)
	}
	return ok((&object{}).set("responses", answers))
}

// itemKey is an item's id for comparing: ids are not case-sensitive.
func itemKey(id string) string { return strings.ToLower(id) }

func checkItems(items []batchItem) *refusal {
	bad := func(message string) *refusal {
		return &refusal{status: 400, code: "BadRequest", message: message}
	}
	seen := map[string]bool{}
	for _, it := range items {
		switch {
		case it.ID == "" || it.Method == "" || it.URL == "":
			return bad("Invalid batch payload format: id, method and url are required.")
		case seen[itemKey(it.ID)]:
			return bad("Request id " + it.ID + " appears more than once.")
		case len(it.Body) > 0 && !hasHeader(it.Headers, "Content-Type"):
			return bad("Request " + it.ID + " has a body but no Content-Type header.")
		}
		seen[itemKey(it.ID)] = true
	}
	for _, it := range items {
		for _, id := range it.DependsOn {
			if !seen[itemKey(id)] {
				return bad("Request " + it.ID + " depends on " + id + ", which is not in the batch.")
			}
		}
	}
	return nil
}

func hasHeader(h map[string]string, name string) bool {
	for k := range h {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// answerItem does one item as a call of its own. The batch's headers do not reach it, only its sign-in does.
func (c *call) answerItem(it batchItem, done map[string]int) reply {
	item := &call{
		e: c.e, b: c.b, r: c.r, method: strings.ToUpper(it.Method), header: http.Header{}, base: c.base,
		version: c.version, item: true, requestID: c.e.ids.next(), clientRequestID: c.clientRequestID,
	}
	for k, v := range it.Headers {
		item.header.Set(k, v)
	}
	if auth := c.header.Get("Authorization"); auth != "" {
		item.header.Set("Authorization", auth)
	}
	u, err := url.Parse("/" + strings.TrimPrefix(it.URL, "/"))
	if err != nil {
		return item.finish(item.refuse(refusal{status: 400, code: "BadRequest", message: "Invalid request URL."}))
	}
	item.path, item.query = u.Path, u.Query()
	item.body = itemBody(it)
	if slices.ContainsFunc(it.DependsOn, func(id string) bool { return done[itemKey(id)] >= 400 }) {
		return item.finish(item.refuse(refusal{
			status: http.StatusFailedDependency, code: "FailedDependency",
			message: "A request that this one depends on failed.",
		}))
	}
	if strings.EqualFold(item.path, "/$batch") {
		return item.finish(item.refuse(refusal{status: 400, code: "BadRequest", message: "A batch in a batch."}))
	}
	return item.answer()
}

// itemBody is the JSON of an item, or what its base64 text holds.
func itemBody(it batchItem) []byte {
	var s string
	if json.Unmarshal(it.Body, &s) == nil {
		if raw, err := base64.URLEncoding.DecodeString(s); err == nil {
			return raw
		}
		if raw, err := base64.StdEncoding.DecodeString(s); err == nil {
			return raw
		}
	}
	return it.Body
}

// itemObject is an answer as an item of the batch's answer.
func itemObject(id string, a reply) *object {
	headers := &object{}
	for _, k := range []string{
		"Cache-Control", "x-ms-resource-unit", "OData-Version", "Retry-After", "Location",
		"request-id", "client-request-id", "x-ms-throttle-scope", "x-ms-throttle-information",
		"x-ms-throttle-limit-percentage", "Content-Type",
	} {
		if v := a.header.Get(k); v != "" {
			headers.set(k, v)
		}
	}
	o := (&object{}).set("id", id).set("status", a.status).set("headers", headers)
	body := a.bytes()
	switch {
	case len(body) == 0:
	case json.Valid(body) && strings.HasPrefix(a.header.Get("Content-Type"), "application/json"):
		o.set("body", json.RawMessage(body))
	default:
		o.set("body", base64.StdEncoding.EncodeToString(body))
	}
	return o
}

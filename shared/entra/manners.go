package entra

import (
	"net/http"
	"strconv"
	"strings"

	khttp "github.com/microsoft/kiota-http-go"
)

// loud is the share of a throttling limit from which on we say so. Graph sends the header only above 0.8.
// https://learn.microsoft.com/graph/throttling
const loud = 0.8

// manners is the last handler of the pipeline: it asks for low priority, counts, and logs one line a request, with
// the ids that Microsoft's support asks for and without the query, which holds page tokens.
type manners struct{ d *Directory }

// Intercept implements khttp.Middleware.
func (m manners) Intercept(pipeline khttp.Pipeline, index int, request *http.Request) (*http.Response, error) {
	request.Header.Set("x-ms-throttle-priority", "Low")
	m.d.requests.Add(1)
	response, err := pipeline.Next(request, index)
	if err != nil {
		m.d.log.DebugContext(request.Context(), "graph request broke", "method", request.Method, "path", request.URL.Path,
			"client_request_id", request.Header.Get("client-request-id"), "error", withoutURL(err).Error())
		return nil, err
	}
	m.d.log.DebugContext(request.Context(), "graph request", "method", request.Method, "path", request.URL.Path,
		"status", response.StatusCode, "request_id", response.Header.Get("request-id"),
		"client_request_id", request.Header.Get("client-request-id"), "date", response.Header.Get("Date"),
		"resource_units", response.Header.Get("x-ms-resource-unit"))
	if share, err := strconv.ParseFloat(response.Header.Get("x-ms-throttle-limit-percentage"), 64); err == nil && share >= loud {
		m.d.log.WarnContext(request.Context(), "graph is about to throttle", "share_of_limit", share,
			"scope", response.Header.Get("x-ms-throttle-scope"), "reason", response.Header.Get("x-ms-throttle-information"))
	}
	dropBadChallenge(response)
	return response, nil
}

// dropBadChallenge removes a claims challenge that the adapter would panic on: it takes the text between two
// quotes without looking whether there are any (kiota-http-go 1.5.6, retryCAEResponseIfRequired).
func dropBadChallenge(response *http.Response) {
	for _, part := range strings.Split(response.Header.Get("WWW-Authenticate"), ",") {
		if strings.Contains(strings.ToLower(part), "claims") && strings.Count(part, `"`) < 2 {
			response.Header.Del("WWW-Authenticate")
			return
		}
	}
}

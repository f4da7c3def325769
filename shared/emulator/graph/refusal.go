package graph

import (
	"net/http"
	"strconv"
	"time"
)

// refusal is an error answer of Graph. https://learn.microsoft.com/graph/errors
type refusal struct {
	status  int
	code    string
	message string
	inner   string // code in innerError
	header  http.Header
}

// refuse is the answer that says why, with the ids by which support finds a request.
func (c *call) refuse(why refusal) reply {
	inner := &object{}
	if why.inner != "" {
		inner.set("code", why.inner)
	}
	inner.set("date", c.e.clock.Now().Format("2006-01-02T15:04:05"))
	inner.set("request-id", c.requestID)
	inner.set("client-request-id", c.clientRequestID)
	body := (&object{}).set("error", (&object{}).set("code", why.code).set("message", why.message).
		set("innerError", inner))
	return reply{status: why.status, header: why.header.Clone(), object: body}
}

func badRequest(message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "Request_BadRequest", message: message}
}

func unsupported(message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "Request_UnsupportedQuery", message: message}
}

// invalidID is what a GUID's place refuses that holds something else: most often a name.
func invalidID(id string) *refusal {
	return badRequest("Invalid object identifier '" + id + "'.")
}

func missing(id string) *refusal {
	return &refusal{status: http.StatusNotFound, code: "Request_ResourceNotFound", message: "Resource '" + id +
		"' does not exist or one of its queried reference-property objects are not present."}
}

func denied() refusal {
	return refusal{
		status: http.StatusForbidden, code: "Authorization_RequestDenied",
		message: "Insufficient privileges to complete the operation.",
	}
}

func unauthorized(message string) *refusal {
	return &refusal{
		status: http.StatusUnauthorized, code: "InvalidAuthenticationToken", message: message,
		header: http.Header{"Www-Authenticate": {`Bearer realm="", client_id="00000003-0000-0000-c000-000000000000"`}},
	}
}

// notEmulated says that Graph may know this but the emulator does not: better loud than wrong. Graph never
// answers so.
func notEmulated(what string) *refusal {
	return &refusal{
		status: http.StatusNotImplemented, code: "EmulatorNotImplemented",
		message: "The emulator does not know " + what + ".",
	}
}

// throttled is a 429. Its code in the body is [not verified]; branch on the status.
// https://learn.microsoft.com/graph/throttling
func throttled(after time.Duration, what string) *refusal {
	h := http.Header{}
	if after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	h.Set("x-ms-throttle-scope", "Tenant_Application/ReadWrite")
	h.Set("x-ms-throttle-information", what)
	return &refusal{
		status: http.StatusTooManyRequests, code: "TooManyRequests", inner: "429",
		message: "Please retry again later.", header: h,
	}
}

func unavailable(after time.Duration) refusal {
	h := http.Header{}
	if after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	return refusal{
		status: http.StatusServiceUnavailable, code: "ServiceUnavailable",
		message: "The service is temporarily unavailable.", header: h,
	}
}

func serverError() refusal {
	return refusal{
		status: http.StatusInternalServerError, code: "InternalServerError",
		message: "An internal server error occurred.",
	}
}

func gatewayTimeout() refusal {
	return refusal{status: http.StatusGatewayTimeout, code: "UnknownError", message: ""}
}

// noRoute is what Graph says to a path that it does not know, and to a wrong method on one that it knows.
func (c *call) noRoute() reply {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if _, _, ok := c.e.locate(m, c.path); ok {
			return c.refuse(refusal{
				status: http.StatusMethodNotAllowed, code: "Request_BadRequest",
				message: "Specified HTTP method is not allowed for the request target.",
			})
		}
	}
	return c.refuse(refusal{
		status: http.StatusBadRequest, code: "BadRequest",
		message: "Resource not found for the segment '" + c.path + "'.",
	})
}

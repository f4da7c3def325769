package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// answer is a response that is kept until it may be sent. It is an http.ResponseWriter.
type answer struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	dropped bool // nothing is sent, the connection breaks
}

// Header is the header, to be changed until it is sent.
func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

// WriteHeader sets the status; as in net/http, the first one counts.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write appends to the body.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// code is the status for the log: 0 where nothing was sent.
func (a *answer) code() int {
	if a.dropped {
		return 0
	}
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// send passes the answer on, byte by byte as the service wrote it.
func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.Header())
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
	w.WriteHeader(a.code())
	_, _ = w.Write(a.body.Bytes()) // a caller who is gone has no use for the error
}

// refused is the gateway's own refusal, in AWS's JSON shape, which every AWS SDK reads from JSON services.
func refused(status int, code, message string) *answer {
	a := &answer{}
	refuse(a, status, code, message)
	return a
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	body, _ := json.Marshal(map[string]string{"__type": code, "message": message}) // strings always marshal
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

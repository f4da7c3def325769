package graph_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// readAll follows next links without a network, and wants that many objects.
func readAll(tb testing.TB, h http.Handler, path string, want int) {
	tb.Helper()
	n := 0
	for path != "" {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		var page struct {
			Next  string            `json:"@odata.nextLink"`
			Value []json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || rec.Code != 200 {
			tb.Fatalf("status %d: %v", rec.Code, err)
		}
		n += len(page.Value)
		path = strings.TrimPrefix(page.Next, "http://example.com")
	}
	if n != want {
		tb.Fatalf("%d objects, want %d", n, want)
	}
}

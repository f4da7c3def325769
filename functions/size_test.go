package functions_test

import (
	"testing"

	"rollcall/functions/compiled"
)

// TestSize keeps the functions small: a cold start reads the whole binary. What makes the planner grow at once is a
// model of the Graph SDK, or anything that calls methods by their name, such as a template: the linker then keeps
// every method there is.
func TestSize(t *testing.T) {
	const megabyte = 1e6
	for _, c := range []struct {
		name, bootstrap string
		most            int64
	}{
		{"planner", binaries.planner, 6 * megabyte},
		{"worker", binaries.worker, 5 * megabyte},
	} {
		size, err := compiled.Zipped(c.bootstrap)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s zips to %.2f MB", c.name, float64(size)/megabyte)
		if size > c.most {
			t.Errorf("%s zips to %d bytes, more than %d", c.name, size, c.most)
		}
	}
}

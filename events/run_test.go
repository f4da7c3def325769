package events

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSamplesOfRequests decodes every sample that a person may paste in the console; jobs have a test of their own.
func TestSamplesOfRequests(t *testing.T) {
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Action]bool{}
	for _, file := range files {
		if strings.HasPrefix(file, "job-") {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := DecodeRequest(body)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		seen[r.Action] = true
	}
	for _, a := range actions {
		if !seen[a] {
			t.Errorf("there is no sample for %s", a)
		}
	}
}

func TestDecodeRequestComplains(t *testing.T) {
	cases := []struct{ name, payload, want string }{
		{"nothing", ``, "it is empty"},
		{"not JSON", `run`, "cannot be read"},
		{"the console's own test event", `{"key1": "value1"}`, `unknown field "key1". An example: {"action": "dryRun"}`},
		{"no action", `{}`, "action is missing: expected one of run, dryRun"},
		{"an action nobody knows", `{"action": "delete"}`, `action is "delete": expected one of run`},
		{"misspelt dry run", `{"action": "run", "dryrun": true}`, `unknown field "dryrun"`},
		{"two events", `{"action": "run"} {"action": "run"}`, "more after the first"},
		{"approval of nothing", `{"action": "approve"}`, "profile is missing"},
		{"approval of no version", `{"action": "approve", "profile": "sales"}`, "version is missing"},
		{"approval by nobody", `{"action": "approve", "profile": "sales", "version": "x"}`, "by is missing"},
		{"stop for one person would stop everything", `{"action": "stop", "person": "x"}`, `person is "x": expected none with stop`},
		{"preview of nothing", `{"action": "preview"}`, "profile is missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeRequest([]byte(c.payload))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"action": "run"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := DecodeRequest(body); err == nil && r.Action == "" {
			t.Fatal("an event without an action was accepted")
		}
	})
}

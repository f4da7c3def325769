package events

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
)

func lane() desktop.Lane { return desktop.Lane{Account: "111122223333", Region: "eu-central-1"} }

func order(person string) Order {
	return Order{Key: assignment.Key{Person: person, Slot: "main"}, Attempt: 1, Send: 1}
}

func createJob() Job {
	j := Job{
		Version: 1, Kind: Create, Lane: lane(), Issued: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
		Profile:     "sales",
		Spec:        &desktop.Spec{Bundle: "wsb-bh8rsxt14", RunningMode: desktop.AutoStop, AutoStopMinutes: 60},
		Directories: []string{"d-90675153ab"},
		Orders:      []Order{order("ada"), order("ben")},
	}
	j.ID = NewJobID(j)
	return j
}

func checkJob() Job {
	j := createJob()
	j.Kind, j.Profile, j.Spec, j.Directories = Check, "", nil, nil
	return j
}

func surveyJob() Job {
	j := createJob()
	j.Kind, j.Profile, j.Spec, j.Orders = Survey, "", nil, nil
	return j
}

func TestJobsCrossTheQueueUnchanged(t *testing.T) {
	for _, want := range []Job{createJob(), checkJob(), surveyJob()} {
		t.Run(string(want.Kind), func(t *testing.T) {
			body, err := want.Encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeJob(body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-sent +received:\n%s", diff)
			}
		})
	}
}

func TestAJobThatNoWorkerCanReadIsNotSent(t *testing.T) {
	people := func(n int) []Order {
		var all []Order
		for i := range n {
			all = append(all, order(strings.Repeat("x", i+1)))
		}
		return all
	}
	cases := map[string]struct {
		job   Job
		spoil func(*Job)
		says  string // empty: it is good
	}{
		"no version":               {createJob(), func(j *Job) { j.Version = 0 }, "version is 0: expected 1"},
		"no id":                    {createJob(), func(j *Job) { j.ID = "" }, `id is ""`},
		"an id with a slash":       {createJob(), func(j *Job) { j.ID = "a/b" }, `id is "a/b"`},
		"an id that is too long":   {createJob(), func(j *Job) { j.ID = strings.Repeat("a", 81) }, "1 to 80"},
		"never issued":             {createJob(), func(j *Job) { j.Issued = time.Time{} }, "issued is missing"},
		"no kind":                  {createJob(), func(j *Job) { j.Kind = "" }, `kind is "": expected create, check or survey`},
		"another kind":             {createJob(), func(j *Job) { j.Kind = "terminate" }, `kind is "terminate"`},
		"no lane":                  {createJob(), func(j *Job) { j.Lane = desktop.Lane{} }, `lane.account is ""`},
		"a Region that is none":    {createJob(), func(j *Job) { j.Lane.Region = "Frankfurt" }, `lane.region is "Frankfurt"`},
		"GovCloud":                 {createJob(), func(j *Job) { j.Lane.Region = "us-gov-west-1" }, ""},
		"create without profile":   {createJob(), func(j *Job) { j.Profile = "" }, "profile is missing"},
		"create without spec":      {createJob(), func(j *Job) { j.Spec = nil }, "spec is missing"},
		"create without bundle":    {createJob(), func(j *Job) { j.Spec.Bundle = "" }, "spec.bundle is missing"},
		"create in mode MANUAL":    {createJob(), func(j *Job) { j.Spec.RunningMode = "MANUAL" }, `spec.runningMode is "MANUAL"`},
		"create without directory": {createJob(), func(j *Job) { j.Directories = nil }, "directories is empty"},
		"an empty directory":       {createJob(), func(j *Job) { j.Directories = []string{"d-1", ""} }, "directories[1] is empty"},
		"create with bundles":      {createJob(), func(j *Job) { j.Bundles = []string{"wsb-1"} }, "bundles is set"},
		"nobody":                   {createJob(), func(j *Job) { j.Orders = nil }, "orders has 0 people: expected 1 to 25"},
		"25 people":                {createJob(), func(j *Job) { j.Orders = people(25) }, ""},
		"26 people":                {createJob(), func(j *Job) { j.Orders = people(26) }, "orders has 26 people"},
		"an order for nobody":      {createJob(), func(j *Job) { j.Orders[1].Person = "" }, "orders[1].person is missing"},
		"an order without slot":    {createJob(), func(j *Job) { j.Orders[1].Slot = "" }, "orders[1].slot is missing"},
		"an order without attempt": {createJob(), func(j *Job) { j.Orders[0].Attempt = 0 }, "orders[0].attempt is 0"},
		"a negative send":          {createJob(), func(j *Job) { j.Orders[0].Send = -1 }, "orders[0].send is -1"},
		"a person twice":           {createJob(), func(j *Job) { j.Orders[1] = j.Orders[0] }, "orders[1] is ada/main: named twice"},
		"a person in two slots":    {createJob(), func(j *Job) { j.Orders[1] = j.Orders[0]; j.Orders[1].Slot = "lab" }, ""},
		"check with a spec":        {checkJob(), func(j *Job) { j.Spec = &desktop.Spec{} }, "a check has orders only"},
		"check of nobody":          {checkJob(), func(j *Job) { j.Orders = nil }, "orders has 0 people"},
		"survey of nothing":        {surveyJob(), func(j *Job) { j.Directories = nil }, "a survey needs one or more"},
		"survey with people":       {surveyJob(), func(j *Job) { j.Orders = people(1) }, "a survey has directories and bundles only"},
		"survey of bundles too":    {surveyJob(), func(j *Job) { j.Bundles = []string{"wsb-1"} }, ""},
		"everything at once":       {Job{}, func(*Job) {}, `issued is missing: expected the time at which the job was made; lane.account`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.spoil(&c.job)
			_, err := c.job.Encode()
			expectSays(t, err, c.says)
		})
	}
}

func TestABodyIsReadStrictly(t *testing.T) {
	good, err := createJob().Encode()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ old, new, says string }{
		"as it was sent":       {"", "", ""},
		"an unknown field":     {`"version"`, `"colour":"red","version"`, `unknown field "colour"`},
		"a misspelt field":     {`"directories"`, `"directory"`, `unknown field "directory"`},
		"unknown in an order":  {`"slot"`, `"until":1,"slot"`, `unknown field "until"`},
		"a later version":      {`"version":1`, `"version":2,"colour":"red"`, "version is 2: expected 1; the planner and the worker are not of one release"},
		"text for a number":    {`"attempt":1`, `"attempt":"1"`, "attempt"},
		"a time that is none":  {`"2026-11-23T09:00:00Z"`, `"soon"`, `soon`},
		"cut off":              {`}]}`, `}`, "this job cannot be read"},
		"two jobs in one body": {`}]}`, `}]} {}`, "there is more after the first JSON value"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(string(good), c.old, c.new, 1)
			if c.old != "" && body == string(good) {
				t.Fatalf("%s is not in %s", c.old, good)
			}
			_, err := DecodeJob([]byte(body))
			expectSays(t, err, c.says)
		})
	}
	for _, body := range []string{"", "null", "[]", `"job"`, "{}", "hello"} {
		if j, err := DecodeJob([]byte(body)); err == nil {
			t.Errorf("%q was read as %+v", body, j)
		}
	}
}

func expectSays(t *testing.T, err error, says string) {
	t.Helper()
	switch {
	case says == "" && err != nil:
		t.Errorf("unexpected: %v", err)
	case says != "" && err == nil:
		t.Errorf("no error; expected one that says %q", says)
	case says != "" && !strings.Contains(err.Error(), says):
		t.Errorf("got %q; expected it to say %q", err, says)
	}
}

func TestAJobIsNamedByWhatItAsks(t *testing.T) {
	base := NewJobID(createJob())
	same := map[string]func(*Job){
		"issued later":     func(j *Job) { j.Issued = j.Issued.Add(time.Hour) },
		"under another id": func(j *Job) { j.ID = "x" },
	}
	for name, change := range same {
		j := createJob()
		if change(&j); NewJobID(j) != base {
			t.Errorf("%s: the id differs", name)
		}
	}
	other := map[string]func(*Job){
		"sent once more":    func(j *Job) { j.Orders[0].Send++ },
		"another attempt":   func(j *Job) { j.Orders[0].Attempt++ },
		"another person":    func(j *Job) { j.Orders[0].Person = "eve" },
		"another lane":      func(j *Job) { j.Lane.Region = "eu-west-1" },
		"another bundle":    func(j *Job) { j.Spec.Bundle = "wsb-2" },
		"another directory": func(j *Job) { j.Directories = []string{"d-2"} },
	}
	for name, change := range other {
		j := createJob()
		if change(&j); NewJobID(j) == base {
			t.Errorf("%s: the id is the same", name)
		}
	}
}

// TestJobSamples holds the samples to what a worker would read, and to the ids that a planner would give them.
func TestJobSamples(t *testing.T) {
	for file, kind := range map[string]JobKind{"job-create.json": Create, "job-check.json": Check, "job-survey.json": Survey} {
		t.Run(file, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			j, err := DecodeJob(body)
			if err != nil {
				t.Fatal(err)
			}
			if j.Kind != kind {
				t.Errorf("kind is %q: expected %q", j.Kind, kind)
			}
			if id := NewJobID(j); j.ID != id {
				t.Errorf("id is %s: its content has %s", j.ID, id)
			}
		})
	}
}

// FuzzDecodeJob: whatever the body, it is refused, or it is a job that can be sent again and means the same.
func FuzzDecodeJob(f *testing.F) {
	for _, j := range []Job{createJob(), checkJob(), surveyJob()} {
		body, err := j.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"version":1,"kind":"create","orders":[{}]}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		j, err := DecodeJob(body)
		if err != nil {
			return
		}
		again, err := j.Encode()
		if err != nil {
			t.Fatalf("was read, and cannot be sent: %v", err)
		}
		back, err := DecodeJob(again)
		if err != nil {
			t.Fatalf("%s cannot be read again: %v", again, err)
		}
		if NewJobID(j) != NewJobID(back) || j.ID != back.ID || !j.Issued.Equal(back.Issued) {
			t.Errorf("%s means something else after %s", again, body)
		}
	})
}

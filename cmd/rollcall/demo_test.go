package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/assignment"
	"rollcall/shared/scenario"
)

// TestDemoAsOneDocument plays the built-in company to its end.
func TestDemoAsOneDocument(t *testing.T) {
	t.Parallel()
	c := rollcall(t, nil, "demo", "--json")
	if status := c.run(); status != 0 {
		t.Fatalf("ended with %d: %s", status, &c.errs)
	}
	var r scenario.Report
	d := json.NewDecoder(&c.out)
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("there is more than one document: %v", err)
	}
	if c.errs.Len() != 0 {
		t.Errorf("it also said %q", &c.errs)
	}
	people := map[string]scenario.Row{}
	statuses := map[string]assignment.Status{}
	for _, p := range r.People {
		people[p.Name], statuses[p.Name] = p, p.Status
	}
	want := map[string]assignment.Status{"hank": assignment.Foreign, "gina": assignment.NotEntitled, "cloud": assignment.NotEntitled}
	for _, name := range []string{"ada", "bob", "cleo", "dora", "emil", "finn", "iris", "nina", "yara", "zoe"} {
		want[name] = assignment.Provisioned
	}
	if diff := cmp.Diff(want, statuses); diff != "" {
		t.Errorf("people: expected (-), found (+):\n%s", diff)
	}
	for name, reason := range map[string]string{"gina": "Guest", "cloud": "NoUserName", "hank": "AlreadyExists", "ada": ""} {
		if got := people[name].Reason.Code; got != reason {
			t.Errorf("%s is %s because of %q, want %q", name, people[name].Status, got, reason)
		}
	}
	for name, words := range map[string]string{"emil": "disabled", "iris": "No longer a member", "bob": "robert"} {
		if got := people[name].Reason.Text; !strings.Contains(got, words) {
			t.Errorf("of %s it says %q, and nothing of %q", name, got, words)
		}
	}
	checkWorkSpaces(t, r, people)
	checkHistory(t, r)
	if r.DeadLetters != 0 || r.Ticks < 200 || r.QuietTicks < r.Ticks/2 || r.Calls["workspaces CreateWorkspaces"] == 0 ||
		r.QuietCalls["workspaces CreateWorkspaces"] != 0 || r.QuietCalls["graph GET /groups/delta"] == 0 {
		t.Errorf("%d dead letters, %d ticks, %d of them quiet; calls %v, in a quiet tick %v", r.DeadLetters, r.Ticks, r.QuietTicks, r.Calls, r.QuietCalls)
	}
}

// checkWorkSpaces compares what exists at AWS with what the people have: nobody has two, hank's is as it was.
func checkWorkSpaces(t *testing.T, r scenario.Report, people map[string]scenario.Row) {
	t.Helper()
	held := map[string]string{} // by id: whose the ledger says it is
	for name, p := range people {
		if p.WorkSpace != "" {
			held[p.WorkSpace] = name
		}
	}
	owners, users := map[string]bool{}, map[string]bool{}
	for _, w := range r.WorkSpaces {
		if users[w.UserName] {
			t.Errorf("%s has two WorkSpaces", w.UserName)
		}
		users[w.UserName] = true
		if w.UserName == "hank" {
			if w.MadeBy != "by hand" || len(w.Tags) != 0 || held[w.ID] != "" {
				t.Errorf("what somebody made by hand: %+v, held by %q", w, held[w.ID])
			}
			continue
		}
		name := held[w.ID]
		owner := w.Tags["rollcall:person"]
		if name == "" || owner != people[name].Person || owners[owner] || w.Tags["rollcall:slot"] != "main" || w.Tags["team"] != "sales" || w.MadeBy != "worker" {
			t.Errorf("WorkSpace %+v, held by %q", w, name)
		}
		owners[owner] = true
		delete(held, w.ID)
	}
	if len(held) != 0 {
		t.Errorf("the ledger speaks of WorkSpaces that are not there: %v", held)
	}
}

// checkHistory looks at what became of some people, moment by moment.
func checkHistory(t *testing.T, r scenario.Report) {
	t.Helper()
	history := map[string][]assignment.Status{}
	reasons := map[string]bool{}
	for _, m := range r.Moments {
		for _, c := range m.Changes {
			if h := history[c.Name]; len(h) == 0 || h[len(h)-1] != c.To {
				history[c.Name] = append(h, c.To)
			}
			reasons[c.Name+" "+c.Reason.Code] = true
		}
	}
	follows := func(name string, want ...assignment.Status) {
		i := 0
		for _, s := range history[name] {
			if i < len(want) && s == want[i] {
				i++
			}
		}
		if i < len(want) {
			t.Errorf("%s was %v; want in this order %v", name, history[name], want)
		}
	}
	follows("nina", assignment.WaitingForDirectory, assignment.Provisioned)
	follows("dora", assignment.NotEntitled, assignment.Provisioned)
	follows("finn", assignment.Held, assignment.Provisioned)
	follows("yara", assignment.Held, assignment.Provisioned)
	for _, reason := range []string{"dora Disabled", "finn Rollout", "yara Stopped"} {
		if !reasons[reason] {
			t.Errorf("nobody was told: %s. Told: %v", reason, maps.Keys(reasons))
		}
	}
}

// TestDemoIsPlainWhenPiped: no colour and no line that moves, whatever the terminal could do.
func TestDemoIsPlainWhenPiped(t *testing.T) {
	t.Parallel()
	c := rollcall(t, nil, "demo")
	if status := c.run(); status != 0 {
		t.Fatalf("ended with %d: %s", status, &c.errs)
	}
	text := c.out.String()
	if i := strings.IndexAny(text, "\x1b\r\b"); i >= 0 {
		t.Errorf("there is a control character: %q", text[max(0, i-40):min(len(text), i+40)])
	}
	for _, words := range []string{"profile sales is approved", "quiet ticks", "bundel", "Provisioned", "Foreign", "workspaces CreateWorkspaces", "13 people"} {
		if !strings.Contains(text, words) {
			t.Errorf("the story says nothing of %q", words)
		}
	}
	if n := strings.Count(text, "profile sales is approved"); n != 1 {
		t.Errorf("the approval is told %d times", n)
	}
}

// reach starts a demo and waits until the profile has been approved: there is a lot to come then.
func reach(t *testing.T) *command {
	t.Helper()
	c := rollcall(t, nil, "demo")
	c.Stdout = nil
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(io.TeeReader(out, &c.out))
	for lines.Scan() {
		if strings.Contains(lines.Text(), "is approved") {
			files, err := os.ReadDir(c.temporary)
			if err != nil || len(files) == 0 || (runtime.GOOS == "linux" && len(session(t, c.Process.Pid)) < 2) {
				t.Fatalf("there is no child process, or no temporary file (%d, %v): this would prove nothing", len(files), err)
			}
			go func() { _, _ = io.Copy(io.Discard, out) }() // it must not wait for us
			return c
		}
	}
	t.Fatalf("the demo ended with %d before the profile was approved: %s%s", c.end(), &c.out, &c.errs)
	return nil
}

// TestDemoIsInterrupted as by Ctrl-C, which the terminal sends to everyone, and by a service manager.
func TestDemoIsInterrupted(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]func(c *command) error{
		"Ctrl-C":     func(c *command) error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) },
		"terminated": func(c *command) error { return c.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			c := reach(t)
			if err := signal(c); err != nil {
				t.Fatal(err)
			}
			if status := c.end(); status != 130 || c.errs.String() != "rollcall: interrupted; everything is cleaned up\n" {
				t.Errorf("ended with %d and said %q", status, &c.errs)
			}
		})
	}
}

// TestDemoFailsInTheMiddle: the database dies, and nothing else is left behind.
func TestDemoFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells which process is the database")
	}
	c := reach(t)
	killed := 0
	for pid, name := range session(t, c.Process.Pid) {
		if pid != c.Process.Pid && strings.HasPrefix(name, "node") {
			killed++
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if killed != 1 {
		t.Errorf("there were %d databases", killed)
	}
	if status := c.end(); status != 1 || !strings.Contains(c.errs.String(), "dynalite has ended") {
		t.Errorf("ended with %d and said %q", status, &c.errs)
	}
}

// TestDemoThatCannotBegin says why, and starts nothing.
func TestDemoThatCannotBegin(t *testing.T) {
	t.Parallel()
	mistaken := filepath.Join(t.TempDir(), "mine.yaml")
	text := bytes.Replace(scenario.Company(), []byte("approve: sales}"), []byte("approve: salse}"), 1)
	if err := os.WriteFile(mistaken, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]struct {
		arguments []string
		status    int
		said      string
	}{
		"a mistake in the scenario":     {[]string{"--scenario", mistaken}, 1, "mine.yaml:"},
		"no scenario there":             {[]string{"--scenario", mistaken + ".gone"}, 2, "mine.yaml.gone"},
		"the database is not installed": {[]string{"--modules", t.TempDir()}, 1, "npm ci"},
		"a log that cannot be written":  {[]string{"--log", filepath.Join(mistaken, "log")}, 1, "mine.yaml"},
		"a word too many":               {[]string{"quickly"}, 2, "quickly"},
	} {
		for _, mode := range []string{"--json", ""} {
			t.Run(strings.TrimSuffix(name+", "+mode, ", "), func(t *testing.T) {
				arguments := append([]string{"demo"}, k.arguments...)
				if mode != "" {
					arguments = append(arguments, mode)
				}
				c := rollcall(t, nil, arguments...)
				if status := c.run(); status != k.status || !strings.Contains(c.errs.String(), k.said) {
					t.Errorf("ended with %d, want %d, and said %q", status, k.status, &c.errs)
				}
				if mode == "--json" && c.out.Len() != 0 {
					t.Errorf("it printed half a document: %q", &c.out)
				}
			})
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/functions/compiled"
)

// binaries are the command line and the functions, built once by TestMain: what is tested here is what a person runs.
var binaries struct{ rollcall, planner, worker string }

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "rollcall-command-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()
	binaries.rollcall = filepath.Join(folder, "rollcall")
	err = compiled.Command(ctx, "rollcall/cmd/rollcall", binaries.rollcall)
	for name, to := range map[string]*string{"planner": &binaries.planner, "worker": &binaries.worker} {
		var failed error
		*to, failed = compiled.Function(ctx, folder, name)
		err = errors.Join(err, failed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// enough is how long a command may take; they take seconds.
const enough = time.Minute

// command is rollcall under way, in a session of its own: whatever it starts is in that session too, and is found when
// it stays behind. Its temporary files are in a folder of their own.
type command struct {
	*exec.Cmd
	t         *testing.T
	out, errs bytes.Buffer
	temporary string
}

// rollcall prepares a command. It sees the machine's environment without AWS's and ours, and the variables given.
func rollcall(t *testing.T, environment []string, arguments ...string) *command {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	t.Cleanup(cancel)
	c := &command{Cmd: exec.CommandContext(ctx, binaries.rollcall, arguments...), t: t, temporary: t.TempDir()}
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "AWS_") && !strings.HasPrefix(pair, "ROLLCALL_") && !strings.HasPrefix(pair, "NO_COLOR") {
			c.Env = append(c.Env, pair)
		}
	}
	c.Env = append(c.Env, "TERM=xterm-256color", "COLORTERM=truecolor", "TMPDIR="+c.temporary)
	c.Env = append(c.Env, environment...)
	c.Stdout, c.Stderr = &c.out, &c.errs
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c
}

// end waits for a command that was started, gives its exit status, and complains of whatever it left behind.
func (c *command) end() int {
	c.t.Helper()
	err := c.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		c.t.Fatal(err)
	}
	if left := session(c.t, c.Process.Pid); len(left) > 0 {
		c.t.Errorf("processes are left: %v", left)
	}
	files, err := os.ReadDir(c.temporary)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range files {
		c.t.Errorf("a temporary file is left: %s", f.Name())
	}
	return c.ProcessState.ExitCode()
}

// run runs a command to its end.
func (c *command) run() (status int) {
	c.t.Helper()
	if err := c.Start(); err != nil {
		c.t.Fatal(err)
	}
	return c.end()
}

// session are the processes of a session, by id, with their names; the dead who wait to be buried are not counted.
// It is told by Linux alone.
func session(t *testing.T, id int) map[int]string {
	t.Helper()
	all := map[int]string{}
	if runtime.GOOS != "linux" {
		return all
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("looking for processes: %d, %v", len(stats), err)
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state ppid pgrp session …; the name may hold anything. proc_pid_stat(5)
		open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		rest := strings.Fields(string(text[end+1:]))
		if open < 0 || len(rest) < 4 || rest[0] == "Z" || rest[3] != strconv.Itoa(id) {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text[:open])))
		if err != nil {
			t.Fatal(err)
		}
		all[pid] = string(text[open+1 : end])
	}
	return all
}

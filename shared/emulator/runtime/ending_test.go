package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/shared/emulator/runtime"
)

// runs reports whether a process is there and is no zombie.
func runs(pid int) bool {
	if goruntime.GOOS != "linux" {
		p, err := os.FindProcess(pid)
		return err == nil && p.Signal(syscall.Signal(0)) == nil
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z")
}

func TestAnInitThatFailsIsAnErrorWithItsLog(t *testing.T) {
	_, err := runtime.Start(t.Context(), runtime.Options{Bootstrap: bootstrap(t), Name: "planner", Env: map[string]string{"INIT": "exit"}})
	if err == nil {
		t.Fatal("it started")
	}
	for _, part := range []string{"planner", "Runtime.ExitError", "exit status 3", "no configuration"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	var own *runtime.Error
	if !errors.As(err, &own) {
		t.Errorf("the error is no *runtime.Error: %v", err)
	}
}

func TestAnInitThatHangsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := runtime.Start(ctx, runtime.Options{Bootstrap: bootstrap(t), Env: map[string]string{"INIT": "hang"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "bootstrap")
	if err := os.WriteFile(text, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options runtime.Options
		says    string
	}{
		{"no such file", runtime.Options{Bootstrap: filepath.Join(folder, "none")}, "no such file"},
		{"a folder", runtime.Options{Bootstrap: folder}, "is no file"},
		{"no program", runtime.Options{Bootstrap: text}, "running the bootstrap"},
		{"a timeout of an hour", runtime.Options{Bootstrap: text, Timeout: time.Hour}, "timeout"},
		{"a variable of Lambda's", runtime.Options{Bootstrap: text, Env: map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "x"}}, "AWS_LAMBDA_FUNCTION_NAME is Lambda's own"},
		{"a name with an equals sign", runtime.Options{Bootstrap: text, Env: map[string]string{"A=B": "x"}}, "cannot be set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := runtime.Start(t.Context(), c.options)
			if err == nil {
				f.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error does not say %q: %v", c.says, err)
			}
		})
	}
}

func TestAProcessEndsWithItsFunction(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(f *runtime.Function, cancel func())
	}{
		{"closed", func(f *runtime.Function, _ func()) { f.Close() }},
		{"closed twice", func(f *runtime.Function, _ func()) { f.Close(); f.Close() }},
		{"its context ended", func(_ *runtime.Function, cancel func()) { cancel() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := bootstrap(t)
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f, err := runtime.Start(ctx, runtime.Options{Bootstrap: path})
			if err != nil {
				t.Fatal(err)
			}
			_, a := invoke(t, f, `{}`)
			c.end(f, cancel)
			gone(t, a.PID)
			if _, err := f.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, runtime.ErrClosed) {
				t.Errorf("invoking it afterwards: %v", err)
			}
		})
	}
}

func TestACallerThatGivesUpLeavesNothingBehind(t *testing.T) {
	f := start(t, runtime.Options{})
	_, a := invoke(t, f, `{}`)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := f.Invoke(ctx, []byte(`{"do":"hang"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	gone(t, a.PID)
	if _, b := invoke(t, f, `{}`); b.PID == a.PID {
		t.Errorf("process %d serves again", b.PID)
	}
}

func TestCloseEndsAnInvocation(t *testing.T) {
	f := start(t, runtime.Options{})
	ended := make(chan error, 1)
	go func() {
		_, err := f.Invoke(context.WithoutCancel(t.Context()), []byte(`{"do":"hang"}`))
		ended <- err
	}()
	f.Close()
	if err := <-ended; !errors.Is(err, runtime.ErrClosed) {
		t.Errorf("the invocation ended with %v", err)
	}
}

// The test's own program, started again as a parent, starts a function and is then killed.
func TestAProcessEndsWithItsParent(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux ends a child with its parent")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), "PARENT_OF="+bootstrap(t))
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("waiting for the parent to name its child: %v", err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !runs(child) {
		t.Fatalf("the child %q does not run: %v", line, err)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // it was killed
	gone(t, child)
}

// parent starts the function PARENT_OF, writes its process id and waits to be killed.
func parent() {
	f, err := runtime.Start(context.Background(), runtime.Options{Bootstrap: os.Getenv("PARENT_OF")})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := f.Invoke(context.Background(), []byte(`{}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, rest, _ := strings.Cut(string(result.Payload), `"pid":`)
	pid, _, _ := strings.Cut(rest, ",")
	fmt.Println(pid)
	<-make(chan struct{})
}

// gone waits until a process has ended; the kernel takes a moment to end it.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); runs(pid); {
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

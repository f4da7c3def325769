package runtime_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/runtime"
)

// TestMain lets the tests start their own program as the parent of a function.
func TestMain(m *testing.M) {
	if os.Getenv("PARENT_OF") != "" {
		parent()
		return
	}
	code := m.Run()
	if path, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // a temporary folder
	}
	os.Exit(code)
}

// build compiles testdata/handler, once.
var build = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "handler")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "bootstrap")
	text, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", path, "./testdata/handler").CombinedOutput()
	if err != nil {
		return "", errors.New(err.Error() + ": " + string(text))
	}
	return path, nil
})

func bootstrap(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatalf("building the handler: %v", err)
	}
	return path
}

func start(t *testing.T, options runtime.Options) *runtime.Function {
	t.Helper()
	options.Bootstrap = bootstrap(t)
	if options.Timeout == 0 {
		options.Timeout = 30 * time.Second
	}
	f, err := runtime.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// told is what the handler tells of itself.
type told struct {
	PID       int
	Calls     int
	RequestID string
	ARN       string
	Trace     string
	LeftMS    int64
	Env       []string
	Folder    string
}

func invoke(t *testing.T, f *runtime.Function, event string) (runtime.Result, told) {
	t.Helper()
	result, err := f.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("invoking with %s: %v", event, err)
	}
	var a told
	if result.Error == nil {
		if err := json.Unmarshal(result.Payload, &a); err != nil {
			t.Fatalf("the answer to %s is %s: %v", event, result.Payload, err)
		}
	}
	return result, a
}

func TestAFunctionSeesWhatLambdaTellsIt(t *testing.T) {
	t.Setenv("PARENTS_OWN", "must not be seen")
	f := start(t, runtime.Options{
		Name: "planner", Account: "111122223333", Memory: 256, Timeout: 20 * time.Second,
		Env: map[string]string{"AWS_REGION": "eu-central-1", "COLOUR": "red"},
	})
	result, a := invoke(t, f, `{"do":"tell"}`)
	if a.RequestID != result.RequestID || len(a.RequestID) != 36 {
		t.Errorf("request id %q, the result's is %q", a.RequestID, result.RequestID)
	}
	if a.ARN != "arn:aws:lambda:eu-central-1:111122223333:function:planner" {
		t.Errorf("ARN %q", a.ARN)
	}
	if a.LeftMS <= 0 || a.LeftMS > 20000 {
		t.Errorf("%d ms left of 20 s", a.LeftMS)
	}
	if !strings.HasPrefix(a.Trace, "Root=1-") {
		t.Errorf("trace %q", a.Trace)
	}
	folder := filepath.Dir(bootstrap(t))
	if a.Folder != folder {
		t.Errorf("runs in %q, want %q", a.Folder, folder)
	}
	var names []string
	for _, pair := range a.Env {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"AWS_DEFAULT_REGION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
		"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API",
		"AWS_REGION", "COLOUR", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "LANG", "LD_LIBRARY_PATH", "PATH", "TZ",
		"_HANDLER", "_X_AMZN_TRACE_ID", // the latter is set by aws-lambda-go
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names in the environment (-want +got):\n%s", diff)
	}
	for _, pair := range []string{
		"COLOUR=red", "AWS_LAMBDA_FUNCTION_NAME=planner", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/planner", "_HANDLER=bootstrap", "LAMBDA_TASK_ROOT=" + folder, "AWS_DEFAULT_REGION=eu-central-1",
	} {
		if !slices.Contains(a.Env, pair) {
			t.Errorf("%s is not in the environment", pair)
		}
	}
}

func TestTheSameProcessServesOneInvocationAfterAnother(t *testing.T) {
	f := start(t, runtime.Options{})
	_, first := invoke(t, f, `{}`)
	failed, _ := invoke(t, f, `{"do":"fail"}`) // an error that is returned leaves the process
	_, third := invoke(t, f, `{}`)
	if first.PID != third.PID || third.Calls != 3 {
		t.Errorf("process %d then %d, %d calls: want one process with 3", first.PID, third.PID, third.Calls)
	}
	want := &runtime.Error{Type: "errorString", Message: "no such person"}
	if diff := cmp.Diff(want, failed.Error); diff != "" {
		t.Errorf("the error (-want +got):\n%s", diff)
	}
	if f.InitTime() <= 0 {
		t.Errorf("the init took %v", f.InitTime())
	}
	if failed.Init != 0 {
		t.Errorf("an invocation of a warm process had an init of %v", failed.Init)
	}
}

func TestALogBelongsToItsInvocation(t *testing.T) {
	var all bytes.Buffer
	f := start(t, runtime.Options{Log: &all})
	result, _ := invoke(t, f, `{"do":"log"}`)
	quiet, _ := invoke(t, f, `{}`)
	f.Close()
	if want := "to standard output\nto standard error\n"; result.Log != want {
		t.Errorf("log %q, want %q", result.Log, want)
	}
	if quiet.Log != "" {
		t.Errorf("the log of a quiet invocation is %q", quiet.Log)
	}
	if want := "initialising\nto standard output\nto standard error\n"; all.String() != want {
		t.Errorf("the whole log is %q, want %q", all.String(), want)
	}
}

func TestWhatEndsAProcessIsToldAndTheNextInvocationHasAnother(t *testing.T) {
	for _, c := range []struct {
		name, event string
		timeout     time.Duration
		kind        string
		message     string // with the request id taken out
		log         string
	}{
		{name: "panic", event: `{"do":"panic"}`, kind: "string", message: "broken", log: "about to panic"},
		{name: "exit with a code", event: `{"do":"exit","size":7}`, kind: "Runtime.ExitError", message: "RequestId:  Error: Runtime exited with error: exit status 7", log: "about to exit"},
		{name: "exit without one", event: `{"do":"exit"}`, kind: "Runtime.ExitError", message: "RequestId:  Error: Runtime exited without providing a reason", log: "about to exit"},
		{name: "timeout", event: `{"do":"hang"}`, timeout: 750 * time.Millisecond, kind: "Sandbox.Timedout", message: "RequestId:  Error: Task timed out after 0.75 seconds", log: "about to hang"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, runtime.Options{Timeout: c.timeout})
			_, before := invoke(t, f, `{}`)
			result, _ := invoke(t, f, c.event)
			if result.Error == nil {
				t.Fatalf("it succeeded: %s", result.Payload)
			}
			if message := strings.ReplaceAll(result.Error.Message, result.RequestID, ""); result.Error.Type != c.kind || message != c.message {
				t.Errorf("the error is %q %q, want %q %q", result.Error.Type, message, c.kind, c.message)
			}
			if !strings.Contains(string(result.Payload), `"errorType":"`+c.kind+`"`) {
				t.Errorf("the payload is %s", result.Payload)
			}
			if !strings.Contains(result.Log, c.log) {
				t.Errorf("the log is %q", result.Log)
			}
			if c.timeout > 0 && (result.Duration < c.timeout || result.Duration > c.timeout+10*time.Second) {
				t.Errorf("it took %v, the timeout is %v", result.Duration, c.timeout)
			}
			if runs(before.PID) {
				t.Errorf("process %d still runs", before.PID)
			}
			next, after := invoke(t, f, `{}`)
			if after.PID == before.PID || after.Calls != 1 {
				t.Errorf("process %d again, call %d: want a new one", after.PID, after.Calls)
			}
			if next.Init <= 0 || !strings.HasPrefix(next.Log, "initialising") {
				t.Errorf("the next invocation had an init of %v and the log %q", next.Init, next.Log)
			}
		})
	}
}

func TestAnAnswerThatIsTooLargeIsAnError(t *testing.T) {
	f := start(t, runtime.Options{})
	result, _ := invoke(t, f, `{"do":"answer","size":6500000}`)
	if result.Error == nil || result.Error.Type != "Function.ResponseSizeTooLarge" {
		t.Errorf("error %v", result.Error)
	}
	if _, err := f.Invoke(t.Context(), make([]byte, 6<<20+1)); err == nil {
		t.Error("a payload of more than 6 MB was taken")
	}
}

func TestPeakMemoryIsMeasured(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux tells the peak memory")
	}
	f := start(t, runtime.Options{})
	before, _ := invoke(t, f, `{}`)
	const size = 64 << 20
	after, _ := invoke(t, f, `{"do":"allocate","size":67108864}`)
	if before.PeakMemory < 1<<20 || before.PeakMemory > size {
		t.Errorf("an idle handler takes %d bytes", before.PeakMemory)
	}
	if grown := after.PeakMemory - before.PeakMemory; grown < size*9/10 || grown > size*2 {
		t.Errorf("64 MiB more grew the peak by %d bytes", grown)
	}
	if f.PeakMemory() != after.PeakMemory {
		t.Errorf("the function's peak is %d, the invocation's %d", f.PeakMemory(), after.PeakMemory)
	}
}

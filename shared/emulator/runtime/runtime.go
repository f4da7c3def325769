// Package runtime runs a compiled Lambda function (its bootstrap, unchanged) as AWS Lambda does: a process with the
// environment of a function and nothing else, served by a Runtime API of its own on loopback, one invocation at a
// time, killed at its timeout, started anew after a crash.
//
// It exists so that what is deployed is what is tested: the real binary, its init, its decoding, its memory, its exit
// codes. What it measures (time to init, peak memory) is of this machine, and says how things compare, not what
// Lambda will bill.
//
// Its clock is the machine's, because the function's is. It refuses to be Lambda's isolation: the process shares the
// machine's files, network and processors; it is not frozen between invocations, memory is measured and not capped,
// and there are no extensions, layers, X-Ray or streamed answers.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"rollcall/shared/clock"
)

// Limits of Lambda.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	defaultMemory  = 128 // MB
	defaultTimeout = 3 * time.Second
	longestTimeout = 15 * time.Minute
	longestInit    = 10 * time.Second
	largestPayload = 6 << 20 // of a synchronous invocation's request
	largestAnswer  = 6291556 // of its response; "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
)

// Options is a function's configuration.
type Options struct {
	// Bootstrap is the path of the executable. Its folder is LAMBDA_TASK_ROOT and the working directory.
	Bootstrap string
	// Env is the function's environment, its credentials among it. Lambda's own variables are added and may not be
	// in it, except AWS_REGION and AWS_DEFAULT_REGION.
	Env map[string]string
	// Name is the function's name; empty is "function". Account is 12 digits; empty is 000000000000.
	Name    string
	Account string
	// Memory is in MB; zero is 128. It is told to the function, not enforced.
	Memory int
	// Timeout ends an invocation; zero is 3 seconds. 1 ms to 15 minutes.
	Timeout time.Duration
	// Log is given what the function writes to standard output and standard error, as it comes; nil for nowhere.
	Log io.Writer
}

// Result is how an invocation went.
type Result struct {
	RequestID string
	Payload   []byte // the answer; where Error is set, the error as the caller of Invoke would get it
	Error     *Error // nil where the function succeeded
	Log       string // what the function wrote during the invocation, the last 64 KiB of it
	Duration  time.Duration
	// Init is how long the function's init took, from exec to its first request for an invocation; zero where the
	// process was there already. It is part of Duration after a crash and of Start before the first invocation.
	Init time.Duration
	// PeakMemory is the most memory (resident, in bytes) that the process has had so far; zero where the system
	// does not tell.
	PeakMemory int64
}

// Error is a function's error. Type is the function's own ("errorString"), or Lambda's: Runtime.ExitError for a
// process that ended without an answer, Sandbox.Timedout, Function.ResponseSizeTooLarge.
type Error struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error is "type: message".
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// ErrClosed is the error of an invocation of a function that was closed.
var ErrClosed = errors.New("the function was closed")

// Function is a running function. Use Start, and Close in the end.
type Function struct {
	options Options
	region  string
	clock   clock.System

	invoking sync.Mutex // held during an invocation: a sandbox takes one at a time

	mu      sync.Mutex // guards what follows
	sandbox *sandbox   // nil after a crash
	closed  bool
	stop    func() bool // takes the end of Start's context off the watch
	init    time.Duration
	peak    int64
}

// Start starts the function and waits until it is ready for its first invocation, at most 10 seconds. Its process
// ends with Close, with ctx, or with this process (on Linux). The error says what is wrong with the options, or how
// the init failed, with the end of the log.
func Start(ctx context.Context, options Options) (*Function, error) {
	if err := options.complete(); err != nil {
		return nil, fmt.Errorf("starting function %s: %w", options.Name, err)
	}
	f := &Function{options: options, region: options.region()}
	initCtx, cancel := context.WithTimeout(ctx, longestInit)
	defer cancel()
	s, err := f.ready(initCtx)
	if err == nil {
		err = s.failed
	}
	if err != nil {
		log := f.lastLog()
		f.Close()
		return nil, fmt.Errorf("starting function %s: %w%s", options.Name, err, quoted(log))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop = context.AfterFunc(ctx, f.Close)
	return f, nil
}

func (o *Options) complete() error {
	if o.Name == "" {
		o.Name = "function"
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Timeout < time.Millisecond || o.Timeout > longestTimeout {
		return fmt.Errorf("the timeout is %v: want 1ms to %v", o.Timeout, longestTimeout)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	path, err := filepath.Abs(o.Bootstrap)
	if err != nil {
		return fmt.Errorf("finding the bootstrap: %w", err)
	}
	o.Bootstrap = path
	about, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("finding the bootstrap: %w", err)
	}
	if !about.Mode().IsRegular() {
		return fmt.Errorf("the bootstrap %s is no file", path)
	}
	return o.checkEnv()
}

// ready is the sandbox, started if there is none, once it waits for an invocation or has failed to.
func (f *Function) ready(ctx context.Context) (*sandbox, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	if f.sandbox != nil && f.sandbox.gone() { // it ended while nobody asked anything of it
		f.sandbox.close()
		f.sandbox = nil
	}
	if f.sandbox == nil {
		s, err := startSandbox(f.options, f.region)
		if err != nil {
			return nil, err
		}
		f.sandbox = s
	}
	s := f.sandbox
	if s.idle {
		return s, nil
	}
	f.mu.Unlock() // Close must be able to end the wait
	err := s.waitInit(ctx)
	f.mu.Lock()
	f.init = s.init
	return s, err
}

// Invoke gives the function an event and waits for its answer. A function that fails, crashes or runs into its
// timeout is a Result with Error, not an error. The error is ctx.Err() (the process is killed then: nothing goes on
// behind the caller's back), ErrClosed, a payload of more than 6 MB, or a process that cannot be started.
func (f *Function) Invoke(ctx context.Context, payload []byte) (Result, error) {
	if len(payload) > largestPayload {
		return Result{}, fmt.Errorf("invoking %s: the payload has %d bytes, at most %d are taken", f.options.Name, len(payload), largestPayload)
	}
	f.invoking.Lock()
	defer f.invoking.Unlock()
	begin := f.clock.Now()
	deadline := begin.Add(f.options.Timeout)
	limited, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()

	result := Result{RequestID: newUUID()}
	cold := f.cold()
	s, err := f.ready(limited)
	if s == nil {
		return Result{}, fmt.Errorf("invoking %s: %w", f.options.Name, err)
	}
	if cold {
		result.Init = s.init
	} else {
		s.log.take() // what came between invocations belongs to none
	}
	if err == nil && s.failed == nil {
		err = s.serve(limited, invocation{id: result.RequestID, payload: payload, deadline: deadline, arn: f.arn()})
	}
	result.Duration = f.clock.Now().Sub(begin)
	result.PeakMemory = s.process.peakMemory()
	f.retire(s, err)
	result.Payload, result.Error = s.outcome(result.RequestID, err, f.options.Timeout)
	result.Log = s.log.take()
	f.remember(result.PeakMemory)
	if ctx.Err() != nil {
		return result, fmt.Errorf("invoking %s: %w", f.options.Name, ctx.Err())
	}
	if f.isClosed() && result.Error != nil {
		return result, fmt.Errorf("invoking %s: %w", f.options.Name, ErrClosed)
	}
	return result, nil
}

// InitTime is how long the latest init took, from exec to the first request for an invocation.
func (f *Function) InitTime() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.init
}

// PeakMemory is the most memory (resident, in bytes) that any process of the function had, as of the latest
// invocation; zero where the system does not tell.
func (f *Function) PeakMemory() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.peak
}

// Close kills the process and waits for its end. It may be called again, and during an invocation, which then ends
// with ErrClosed.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	s, stop := f.sandbox, f.stop
	f.mu.Unlock()
	if stop != nil {
		stop()
	}
	if s != nil {
		s.close()
	}
}

func (f *Function) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

func (f *Function) cold() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sandbox == nil || f.sandbox.gone()
}

// retire ends a sandbox that is of no more use: crashed, timed out or left by its caller. The next invocation
// starts another, as Lambda does.
func (f *Function) retire(s *sandbox, err error) {
	if err == nil && s.failed == nil && s.idle {
		return
	}
	s.close()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sandbox == s && !f.closed {
		f.sandbox = nil
	}
}

func (f *Function) remember(peak int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.peak = max(f.peak, peak)
}

func (f *Function) lastLog() string {
	f.mu.Lock()
	s := f.sandbox
	f.mu.Unlock()
	if s == nil {
		return ""
	}
	s.close()
	return s.log.take()
}

func (f *Function) arn() string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", f.region, f.options.Account, f.options.Name)
}

func quoted(log string) string {
	if log == "" {
		return ""
	}
	return "; its log ends: " + log
}

package runtime

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rollcall/shared/clock"
)

// process is the function's process.
type process struct {
	command *exec.Cmd
	started time.Time
	exited  chan struct{} // closed when it has ended

	mu   sync.Mutex
	peak int64
}

// startProcess runs the bootstrap in its own folder. The thread that starts it stays with it: the kernel tells a
// child of its parent's death when the *thread* that made it ends (prctl(2), PR_SET_PDEATHSIG).
func startProcess(bootstrap string, environment []string, log *log) (*process, error) {
	command := exec.Command(bootstrap)
	command.Dir = filepath.Dir(bootstrap)
	command.Env = environment
	command.Stdout, command.Stderr = log.in, log.in
	command.SysProcAttr = attributes()
	p := &process{command: command, exited: make(chan struct{})}
	failed := make(chan error)
	go func() {
		goruntime.LockOSThread()
		defer goruntime.UnlockOSThread()
		p.started = clock.System{}.Now()
		err := command.Start()
		failed <- err
		if err != nil {
			return
		}
		_ = command.Wait() // how it ended is in ProcessState
		close(p.exited)
	}()
	if err := <-failed; err != nil {
		return nil, fmt.Errorf("running the bootstrap: %w", err)
	}
	return p, nil
}

// kill ends the process and what it started.
func (p *process) kill() {
	select {
	case <-p.exited:
	default:
		killGroup(p.command.Process)
	}
}

// ending says how the process ended, as Lambda does.
func (p *process) ending() string {
	state := p.command.ProcessState
	if state.Success() {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + state.String()
}

// sample reads the peak memory while the process is there to tell.
func (p *process) sample() {
	peak := residentPeak(p.command.Process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peak = max(p.peak, peak)
}

// peakMemory is the latest sample. A process that ended before its first request was never sampled; the system's
// account of its end stands in, which may count memory of ours from before its exec.
func (p *process) peakMemory() int64 {
	select {
	case <-p.exited:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.peak == 0 {
			p.peak = usagePeak(p.command.ProcessState)
		}
		return p.peak
	default:
		p.sample()
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.peak
	}
}

// reserved reports whether only Lambda sets a variable. Credentials are Lambda's too, but nobody else gives them here.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
func reserved(name string) bool {
	return name == "_HANDLER" || name == "_X_AMZN_TRACE_ID" || name == "AWS_EXECUTION_ENV" ||
		strings.HasPrefix(name, "AWS_LAMBDA_") || strings.HasPrefix(name, "LAMBDA_")
}

func (o *Options) checkEnv() error {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(o.Env[name], "\x00"):
			wrong = append(wrong, fmt.Errorf("environment variable %q cannot be set", name))
		case reserved(name):
			wrong = append(wrong, fmt.Errorf("environment variable %s is Lambda's own", name))
		}
	}
	return errors.Join(wrong...)
}

func (o *Options) region() string {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region := o.Env[name]; region != "" {
			return region
		}
	}
	return "us-east-1"
}

// environment is Lambda's own variables and the function's, and nothing of ours.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
func (o *Options) environment(region, api string) []string {
	root := filepath.Dir(o.Bootstrap)
	all := map[string]string{
		"AWS_REGION": region, "AWS_DEFAULT_REGION": region,
		"LANG": "en_US.UTF-8", "TZ": ":UTC",
		"PATH":            "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:" + root + ":" + root + "/lib:/opt/lib",
	}
	maps.Copy(all, o.Env)
	maps.Copy(all, map[string]string{
		"_HANDLER":                        "bootstrap",
		"AWS_LAMBDA_RUNTIME_API":          api,
		"AWS_LAMBDA_FUNCTION_NAME":        o.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(o.Memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + o.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      clock.System{}.Now().Format("2006/01/02") + "/[$LATEST]" + randomHex(16),
		"LAMBDA_TASK_ROOT":                root,
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
	})
	var list []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	return list
}

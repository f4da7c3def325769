package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"rollcall/infra/snapshot"
	lambda "rollcall/shared/emulator/runtime"
	"rollcall/shared/emulator/template"
)

type invokeCommand struct {
	Function  string `arg:"" help:"planner or worker." enum:"planner,worker"`
	Event     string `required:"" help:"The event, a JSON file (see events/); - reads standard input." placeholder:"FILE"`
	Bootstrap string `help:"The compiled function. Default: build/local/FUNCTION/bootstrap, which make build-local makes." placeholder:"FILE"`
}

// Help is what "rollcall invoke --help" says below the flags.
func (invokeCommand) Help() string {
	return `The function runs as it was compiled, with a Runtime API of our own in place of Lambda's, and with
the timeout and memory that the stack gives it. Of your environment it sees what begins with AWS_ or
ROLLCALL_, and SSL_CERT_FILE and SSL_CERT_DIR. Point it anywhere: AWS_ENDPOINT_URL or
AWS_ENDPOINT_URL_<SERVICE> for AWS, ROLLCALL_GRAPH_URL and ROLLCALL_ENTRA_AUTHORITY for Microsoft.
A missing setting is said by the function itself, all of them at once.`
}

// errFunction says that the function ran and failed: what it said has been printed.
var errFunction = errors.New("the function failed")

// Run invokes the function once and prints the answer to standard output, and what else is to be known to standard
// error: the log, the init time and the peak memory.
func (i *invokeCommand) Run(ctx context.Context, s streams) error {
	payload, err := i.payload()
	if err != nil {
		return err
	}
	options, err := i.options()
	if err != nil {
		return err
	}
	function, err := lambda.Start(ctx, options)
	if err != nil {
		return fmt.Errorf("starting %s: %w", options.Bootstrap, err)
	}
	defer function.Close()
	result, err := function.Invoke(ctx, payload)
	if err != nil {
		return err
	}
	fmt.Fprint(s.errs, result.Log)
	fmt.Fprintf(s.errs, "REPORT %s init %s, duration %s, peak memory %.1f MB of %d MB\n", i.Function,
		function.InitTime().Round(time.Millisecond), result.Duration.Round(time.Millisecond), float64(result.PeakMemory)/(1<<20), options.Memory)
	printAnswer(s.out, result.Payload)
	if result.Error != nil {
		return errFunction
	}
	return nil
}

func (i *invokeCommand) payload() ([]byte, error) {
	if i.Event == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(i.Event)
}

// options are the function's, as the stack has them.
func (i *invokeCommand) options() (lambda.Options, error) {
	stack, err := template.Read(snapshot.Template, template.Place{Account: "111122223333", Region: "eu-central-1", Stack: "rollcall", Queues: "https://sqs.invalid"})
	if err != nil {
		return lambda.Options{}, fmt.Errorf("reading the stack's template: %w", err)
	}
	at := slices.IndexFunc(stack.Functions, func(f template.Function) bool { return strings.EqualFold(f.Short, i.Function) })
	if at < 0 {
		return lambda.Options{}, fmt.Errorf("the stack's template has no function %s", i.Function)
	}
	f := stack.Functions[at]
	o := lambda.Options{Bootstrap: i.Bootstrap, Env: environment(os.Environ()), Name: f.Name, Memory: f.Memory, Timeout: f.Timeout}
	if o.Bootstrap == "" {
		o.Bootstrap = "build/local/" + i.Function + "/bootstrap"
	}
	if _, err := os.Stat(o.Bootstrap); err != nil {
		return o, fmt.Errorf("%s is not there: run `make build-local`, or name another with --bootstrap (this machine is %s/%s)", o.Bootstrap, runtime.GOOS, runtime.GOARCH)
	}
	return o, nil
}

// environment is what the function may see of ours.
func environment(all []string) map[string]string {
	out := map[string]string{}
	for _, pair := range all {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "AWS_LAMBDA_") || strings.HasPrefix(name, "ROLLCALL_") ||
			name == "SSL_CERT_FILE" || name == "SSL_CERT_DIR" {
			out[name] = value
		}
	}
	return out
}

func printAnswer(out io.Writer, payload []byte) {
	var pretty bytes.Buffer
	if json.Indent(&pretty, payload, "", "  ") == nil {
		payload = pretty.Bytes()
	}
	fmt.Fprintf(out, "%s\n", payload)
}

// Command rollcall is the command line: see rollcall work on one machine (demo), and run the compiled functions
// against endpoints of your own (invoke).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Demo   demoCommand   `cmd:"" help:"Play a small company against the embedded cloud: no account, no network."`
	Invoke invokeCommand `cmd:"" help:"Run a compiled function as Lambda would, once."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process: it returns the exit status. 0: done; 1: it went wrong; 2: the words were wrong;
// 130: interrupted.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	var c commands
	status := -1
	parser, err := kong.New(&c, kong.Name("rollcall"),
		kong.Description("Keeps Amazon WorkSpaces in step with Microsoft Entra groups."),
		kong.Writers(out, errs), kong.Exit(func(code int) { status = code }), kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{out: out, errs: errs}), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	k, err := parser.Parse(args)
	if status >= 0 { // help was asked for
		return status
	}
	if err != nil {
		fmt.Fprintln(errs, "rollcall:", err)
		return 2
	}
	switch err := k.Run(); {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(errs, "rollcall: interrupted; everything is cleaned up")
		return 130
	case err != nil:
		fmt.Fprintln(errs, "rollcall:", err)
		return 1
	}
	return 0
}

// streams are where a command writes.
type streams struct{ out, errs io.Writer }

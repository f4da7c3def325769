// Command infra is the CDK app: it writes the CloudFormation template of one installation of rollcall.
//
// It exists so that what is deployed can be read as the line that rollcall is (schedule, planner, queue, worker,
// ledger), by somebody who approves stacks and not Go. stack.go tells that line from top to bottom; each part's
// detail stands in a file of its own, and may.go says what each role may do, and why.
//
// It is the only place where CDK is imported. It refuses to grant by CDK's helpers, which grant more than is used:
// every permission is a line in may.go. It refuses a setting that it does not understand, and it holds no secret.
//
// The CDK command line runs it (cdk.json); it needs no network and no credentials:
//
//	make synth
//	node_modules/.bin/cdk deploy -c schedule='rate(1 minute)'
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// binaries is the folder that `make build` fills: planner/bootstrap and worker/bootstrap.
const binaries = "build"

func main() {
	err := synthesize()
	// Close waits for Node from two sides; the one that comes second now and then prints "Runtime process exited
	// abnormally: waitid: no child processes", which means nothing (jsii-runtime-go v1.139.0).
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func synthesize() error {
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	settings, err := readSettings(func(key string) any { return app.Node().TryGetContext(jsii.String(key)) })
	if err != nil {
		return err
	}
	for _, function := range []string{"planner", "worker"} {
		if _, err := os.Stat(filepath.Join(binaries, function, "bootstrap")); err != nil {
			return fmt.Errorf("the %s is not built, run make build: %w", function, err)
		}
	}
	newStack(app, settings, binaries)
	app.Synth(nil)
	return nil
}

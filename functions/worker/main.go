// Command worker is the Lambda function that takes jobs from the queue, calls Amazon WorkSpaces and writes the
// ledger. This file is wiring; what the worker does is package lane.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"rollcall/shared/boot"
	"rollcall/shared/boot/working"
	"rollcall/shared/clock"
	"rollcall/shared/config"
)

func main() {
	settings, err := config.ReadWorker(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	aws, err := boot.AWS(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	function := working.New(settings, working.Edges{AWS: aws, Clock: clock.System{}, Log: boot.Log(os.Stdout, settings.LogLevel, "worker")})
	lambda.Start(function.Handle)
}

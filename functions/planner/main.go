// Command planner is the Lambda function that takes the roll: on a schedule, or when a person invokes it by hand.
// This file is wiring; what the planner does is package reconcile.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"rollcall/shared/boot"
	"rollcall/shared/boot/planning"
	"rollcall/shared/clock"
	"rollcall/shared/config"
)

func main() {
	settings, err := config.ReadPlanner(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	aws, err := boot.AWS(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	function := planning.New(settings, planning.Edges{AWS: aws, Clock: clock.System{}, Log: boot.Log(os.Stdout, settings.LogLevel, "planner")})
	lambda.Start(function.Handle)
}

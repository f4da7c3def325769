// Command handler is a Lambda function that does what its event says, for the tests of package runtime.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do   string `json:"do"`
	Size int    `json:"size"`
}

type answer struct {
	PID       int      `json:"pid"`
	Calls     int      `json:"calls"`
	RequestID string   `json:"requestId,omitempty"`
	ARN       string   `json:"arn,omitempty"`
	Trace     string   `json:"trace,omitempty"`
	LeftMS    int64    `json:"leftMs,omitempty"`
	Env       []string `json:"env,omitempty"`
	Folder    string   `json:"folder,omitempty"`
	Filler    string   `json:"filler,omitempty"`
}

type handler struct {
	calls int
	kept  []byte
}

func (h *handler) handle(ctx context.Context, e event) (answer, error) {
	h.calls++
	a := answer{PID: os.Getpid(), Calls: h.calls}
	switch e.Do {
	case "tell":
		about, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		a.RequestID, a.ARN, a.Trace = about.AwsRequestID, about.InvokedFunctionArn, os.Getenv("_X_AMZN_TRACE_ID")
		a.LeftMS, a.Env = time.Until(deadline).Milliseconds(), os.Environ()
		a.Folder, _ = os.Getwd()
	case "log":
		fmt.Println("to standard output")
		fmt.Fprintln(os.Stderr, "to standard error")
	case "fail":
		return answer{}, errors.New("no such person")
	case "panic":
		fmt.Println("about to panic")
		panic("broken")
	case "exit":
		fmt.Println("about to exit")
		os.Exit(e.Size)
	case "hang":
		fmt.Println("about to hang")
		<-make(chan struct{})
	case "allocate":
		h.kept = make([]byte, e.Size)
		for i := 0; i < len(h.kept); i += 4096 {
			h.kept[i] = 1
		}
	case "answer":
		a.Filler = strings.Repeat("x", e.Size)
	}
	return a, nil
}

func main() {
	fmt.Println("initialising")
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Println("no configuration")
		os.Exit(3)
	case "hang":
		<-make(chan struct{})
	}
	lambda.Start((&handler{}).handle)
}

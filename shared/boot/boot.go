// Package boot is start-up: what every function does once, before its first event. The packages below it, planning
// and working, put together one function each; a deployed function and the demo start from the same ones.
//
// They are apart so that the planner's binary links nothing of WorkSpaces and the worker's nothing of Microsoft
// Graph: what a function cannot call it cannot be made to call, and a smaller binary starts sooner.
//
// It refuses to start half: a complaint about the environment ends the process before it asks for work.
package boot

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

// The SDK's own retries, for every service but WorkSpaces (whose limiter has its own). Each is short: what does not
// succeed in this time is left for the next tick.
const (
	attempts  = 5
	mostDelay = 3 * time.Second
)

// AWS is the function's identity and endpoints, as Lambda's environment gives them (AWS_REGION, AWS_ENDPOINT_URL, …).
// It makes no request.
func AWS(ctx context.Context) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRetryer(Retryer))
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS settings: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, fmt.Errorf("AWS_REGION is missing: expected the Region that the function runs in")
	}
	return cfg, nil
}

// Retryer is the SDK's standard retryer with short waits.
func Retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, mostDelay
	})
}

// Log writes JSON, one event a line, as Lambda's JSON log format expects it.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
func Log(w io.Writer, level slog.Level, function string) *slog.Logger {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Key = "timestamp"
		}
		if len(groups) == 0 && a.Key == slog.MessageKey {
			a.Key = "message"
		}
		return a
	}})
	return slog.New(handler).With("function", function)
}

package sqs_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/sqs"
	"rollcall/shared/emulator/sqs/contract"
)

// start is when every test begins.
func start() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }

// client speaks to an endpoint without retries.
func client(endpoint string) *awssqs.Client {
	return awssqs.New(awssqs.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
		Retryer:      aws.NopRetryer{},
	})
}

// serve is a service on a manual clock, behind HTTP.
func serve(t *testing.T) (*sqs.Service, *clock.Manual, *awssqs.Client) {
	t.Helper()
	now := clock.NewManual(start())
	service := sqs.New(sqs.Options{Clock: now, Account: "111122223333"})
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return service, now, client(server.URL)
}

func TestContract(t *testing.T) {
	_, now, c := serve(t)
	contract.Run(t, contract.Target{Client: c, Wait: now.Advance, Patience: 24 * time.Hour})
}

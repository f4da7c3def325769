// Package sqs is Amazon SQS on one machine: standard and FIFO queues with the service's own rules, limits and error
// codes, spoken to by the real SDK over HTTP (AWS JSON 1.0), on a clock that the test moves.
//
// It exists because rollcall's order and safety rest on what a FIFO queue promises (one lane, one worker at a time;
// a repeat is swallowed; what crashes three times is set aside), and no emulator lets a test move the five minutes
// and the visibility timeouts that those promises are made of. Package contract holds what it must do, and runs the
// same expectations against other emulators.
//
// Where behaviour is not documented it follows what was recorded of the service itself in LocalStack's tests marked
// "aws.validated" (github.com/localstack/localstack, tests/aws/services/sqs/test_sqs.py and test_sqs.snapshot.json).
//
// It refuses what the service refuses, and has none of: queue policies and access between accounts (a queue of
// another account does not exist), server-side encryption, the Query protocol, message move tasks, the 120,000
// messages in flight and the throughput quotas. RedriveAllowPolicy is stored and not enforced.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/service"
)

const target = "AmazonSQS."

// Options say where and when the queues are.
type Options struct {
	// Clock is the time of the queues; nil is clock.System. On clock.System a long poll really waits; on any other
	// clock it is answered at once, because nobody would move the time meanwhile.
	Clock clock.Clock
	// Account and Region are those of a caller that came through no gateway. Empty: 000000000000, us-east-1.
	Account string
	Region  string
	// BaseURL is what queue URLs start with, without a slash at the end. Empty: "https://sqs.<region>.amazonaws.com".
	// A URL that comes in is read by its last two parts, account and name; which endpoint was called decides.
	BaseURL string
}

// Service is an emulated Amazon SQS. Use New. It is safe for concurrent use.
type Service struct {
	options Options
	clock   clock.Clock
	waits   bool // a long poll really waits

	mu      sync.Mutex
	queues  map[address]*queue
	deleted map[address]deletion
}

// New is a service without queues.
func New(options Options) *Service {
	if options.Clock == nil {
		options.Clock = clock.System{}
	}
	if options.Account == "" {
		options.Account = "000000000000"
	}
	if options.Region == "" {
		options.Region = "us-east-1"
	}
	_, system := options.Clock.(clock.System)
	return &Service{
		options: options,
		clock:   options.Clock,
		waits:   system,
		queues:  map[address]*queue{},
		deleted: map[address]deletion{},
	}
}

// Name is the service as AWS signs for it.
func (*Service) Name() string { return "sqs" }

// Operation is the call's name and the name of the queue that it is about.
func (*Service) Operation(r *http.Request, body []byte) (operation, resource string) {
	var about struct{ QueueUrl, QueueName string } // as the wire spells them
	_ = json.Unmarshal(body, &about)               // a body that is no JSON has no resource; ServeHTTP refuses it
	operation = strings.TrimPrefix(r.Header.Get("X-Amz-Target"), target)
	if about.QueueName != "" {
		return operation, about.QueueName
	}
	_, name := splitURL(about.QueueUrl)
	return operation, name
}

// Refuse answers as Amazon SQS does when it refuses in that way. A broken connection is an abort of the handler.
func (*Service) Refuse(w http.ResponseWriter, _ *http.Request, why service.Refusal) {
	switch why {
	case service.Throttle:
		writeProblem(w, requestThrottled())
	case service.Unavailable:
		writeProblem(w, problem{"com.amazon.coral.availability#ServiceUnavailableException", "ServiceUnavailable", "Service is unavailable.", http.StatusServiceUnavailable})
	case service.Deny:
		writeProblem(w, problem{coral + "AccessDeniedException", "AccessDenied", "User is not authorized to perform this operation.", http.StatusForbidden})
	case service.DropAnswer, service.DropCall:
		panic(http.ErrAbortHandler)
	default:
		writeProblem(w, problem{coral + "InternalFailure", "InternalFailure", "The request processing has failed because of an unknown error.", http.StatusInternalServerError})
	}
}

// call is one request, decoded as far as every operation needs it.
type call struct {
	caller service.Caller
	body   []byte
}

// ServeHTTP answers one call of the AWS JSON 1.0 protocol.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeProblem(w, invalidParameter("Reading the request was cut short."))
		return
	}
	operation, _ := s.Operation(r, body)
	answer, err := s.answer(r.Context(), operation, call{caller: s.callerOf(r), body: body})
	var refused problem
	switch {
	case errors.As(err, &refused):
		writeProblem(w, refused)
	case err != nil: // the caller has gone away while it waited
		panic(http.ErrAbortHandler)
	default:
		writeAnswer(w, answer)
	}
}

func (s *Service) answer(ctx context.Context, operation string, c call) (any, error) {
	switch operation {
	case "CreateQueue":
		return decoded(c, s.createQueue)
	case "DeleteQueue":
		return decoded(c, s.deleteQueue)
	case "GetQueueUrl":
		return decoded(c, s.getQueueURL)
	case "ListQueues":
		return decoded(c, s.listQueues)
	case "PurgeQueue":
		return decoded(c, s.purgeQueue)
	case "GetQueueAttributes":
		return decoded(c, s.getAttributes)
	case "SetQueueAttributes":
		return decoded(c, s.setAttributes)
	case "SendMessage":
		return decoded(c, s.sendMessage)
	case "SendMessageBatch":
		return decoded(c, s.sendBatch)
	case "ReceiveMessage":
		return decoded(c, func(who service.Caller, in receiveInput) (receiveOutput, error) {
			return s.receive(ctx, who, in)
		})
	case "DeleteMessage":
		return decoded(c, s.deleteMessage)
	case "DeleteMessageBatch":
		return decoded(c, s.deleteBatch)
	case "ChangeMessageVisibility":
		return decoded(c, s.changeVisibility)
	case "ChangeMessageVisibilityBatch":
		return decoded(c, s.changeVisibilityBatch)
	}
	return nil, problem{coral + "UnknownOperationException", "InvalidAction", "The action " + operation + " is not valid for this endpoint.", http.StatusBadRequest}
}

// decoded runs an operation on its decoded input.
func decoded[In, Out any](c call, do func(service.Caller, In) (Out, error)) (any, error) {
	var in In
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, problem{coral + "SerializationException", "MalformedInput", "The request is not valid JSON for this operation.", http.StatusBadRequest}
	}
	return do(c.caller, in)
}

// callerOf is who calls, with the defaults where the request came through no gateway. The Region is that of the
// signature: as with the real endpoints, a queue of another Region is not there.
func (s *Service) callerOf(r *http.Request) service.Caller {
	who := service.CallerOf(r.Context())
	if key, region, _, ok := service.ParseScope(r.Header.Get("Authorization")); ok && who.Region == "" {
		who.Key, who.Region = key, region
	}
	if who.Account == "" {
		who.Account = s.options.Account
	}
	if who.Region == "" {
		who.Region = s.options.Region
	}
	return who
}

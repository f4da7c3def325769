// Package awsfault reads what an error of the AWS SDK for Go says: which calls failed, what the service answered, and
// whether an answer came at all.
//
// It exists because every edge that speaks to AWS must know this, and the SDK says it in half a dozen types that wrap
// each other: four edges read them on their own, and no two of them knew the same cases.
//
// It refuses to know a service. What a code means, and what a person should do about it, stands in the edge that
// speaks to the service, in a table of its own: the same code means one thing to DynamoDB and another to WorkSpaces.
// So it makes no fault.Kind; it has no lists of codes; and the core never sees it, since a decision acts on the kind
// alone.
//
// The types are described in https://docs.aws.amazon.com/sdk-for-go/v2/developer-guide/handle-errors.html
package awsfault

import (
	"context"
	"errors"
	"io"
	"net"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Failure is what an error of the SDK says. Where the error says nothing of it, a field is zero.
type Failure struct {
	// Calls are the calls that failed, from the outside in. There is more than one where a call needed another first:
	// credentials that come from assuming a role.
	Calls []Call
	// Refusal is the service's answer that it will not; nil where it gave none that the SDK could read. An answer that
	// is an error and has no code gets one from the SDK: UnknownError.
	Refusal smithy.APIError
	// Status is the HTTP status of the answer; 0 where none came.
	Status int
	// RequestID is the service's id of the request, for its support.
	RequestID string
	// Lost is why no whole answer came: the way to the service is broken, time ran out, or what came cannot be read.
	// Whether the call was carried out is not known then. Its text and its chain hold nothing of an answer's body, so
	// that it may be shown where the answer is a secret.
	Lost error
	// NeverSent is true where the connection was never made, so that the service cannot have done anything.
	NeverSent bool
}

// Call is one operation, in the SDK's words: "DynamoDB" and "PutItem".
type Call struct{ Service, Operation string }

// Read reads an error of the SDK, however it is wrapped. Of nil, and of an error that is not the SDK's, it finds
// nothing: a zero Failure, apart from what the chain says of contexts and connections.
func Read(err error) Failure {
	f := Failure{Calls: calls(err), Lost: lost(err)}
	f.Refusal, _ = errors.AsType[smithy.APIError](err)
	// The SDK's ResponseError has a status; so has the error of an endpoint that hands out credentials.
	if answer, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		f.Status = answer.HTTPStatusCode()
	}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		f.RequestID = response.ServiceRequestID()
	}
	if way, ok := errors.AsType[*net.OpError](err); ok {
		f.NeverSent = way.Op == "dial"
	}
	return f
}

// Code is the service's own code, verbatim; empty where it gave none.
func (f Failure) Code() string {
	if f.Refusal == nil {
		return ""
	}
	return f.Refusal.ErrorCode()
}

// Operation is the call that was made, the outermost one; empty where that is not known.
func (f Failure) Operation() string {
	if len(f.Calls) == 0 {
		return ""
	}
	return f.Calls[0].Operation
}

// Down reports whether the service, or the way to it, is down, for an edge whose table does not know the code: the
// service says so by its status, or it said nothing and the answer is lost.
func (f Failure) Down() bool {
	return f.Status >= 500 || f.Code() == "" && f.Lost != nil
}

func calls(err error) (found []Call) {
	for {
		op, ok := errors.AsType[*smithy.OperationError](err)
		if !ok {
			return found
		}
		found = append(found, Call{op.Service(), op.Operation()})
		err = op.Unwrap()
	}
}

// lost is what kept the answer from coming whole, or nil where that was not it. It gives that part of the chain alone:
// a DeserializationError keeps a piece of the answer, in its snapshot and in what it wraps.
func lost(err error) error {
	if send, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return send
	}
	if way, ok := errors.AsType[net.Error](err); ok {
		return way
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return errors.New("the answer cannot be read")
	}
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, cause) {
			return cause
		}
	}
	if _, ok := errors.AsType[*smithy.CanceledError](err); ok {
		return context.Canceled
	}
	return nil
}

package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"rollcall/shared/fault"
)

// kindOf says what an error code of DynamoDB means; Unknown for one that is not here.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
func kindOf(code string) fault.Kind {
	switch code {
	case "ConditionalCheckFailedException", "TransactionConflictException", "ReplicatedWriteConflictException":
		return fault.Conflict
	case "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "Throttling":
		return fault.Throttled
	case "InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException",
		"RequestTimeout", "RequestTimeoutException":
		return fault.Unavailable
	case resourceNotFound, "ResourceInUseException", "ValidationException":
		return fault.Misconfigured
	case "AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired",
		"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException",
		"InvalidSignatureException", "IncompleteSignatureException", "MissingAuthenticationTokenException":
		return fault.Denied
	default:
		return fault.Unknown
	}
}

const resourceNotFound = "ResourceNotFoundException"

// fail classifies an error of the SDK; doing is a gerund with an id. A nil err stays nil.
func (t table) fail(err error, doing string) error {
	if err == nil {
		return nil
	}
	e := fault.Wrap(fault.Unknown, err, doing)
	operation := ""
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		operation = op.Operation()
	}
	status := 0
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		e.RequestID, status = response.ServiceRequestID(), response.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		e.Code = api.ErrorCode()
		e.Kind = kindOf(e.Code)
	}
	if e.Kind == fault.Unknown && (status >= 500 || e.Code == "" && lost(err)) {
		e.Kind = fault.Unavailable
	}
	e.Advice = t.advice(e.Kind, e.Code, operation)
	return e
}

// lost reports whether no whole answer came: the way to DynamoDB is broken, or time ran out. Whether the call was
// carried out is not known.
func lost(err error) bool {
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*smithy.CanceledError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (t table) advice(kind fault.Kind, code, operation string) string {
	switch {
	case kind == fault.Denied:
		return fmt.Sprintf("Allow dynamodb:%s on table %s and its indexes to the role that runs this", operation, t.name)
	case code == resourceNotFound:
		return fmt.Sprintf("There is no table %s in this account and Region, or it lacks an index: set %s to the table of the stack",
			t.name, t.variable)
	case kind == fault.Misconfigured:
		return fmt.Sprintf("Compare table %s (set by %s) with the stack: its keys or indexes are not the ones that this version uses",
			t.name, t.variable)
	default:
		return ""
	}
}

// unreadable is an item that is there and cannot be understood: nobody but a person can put that right.
func (t table) unreadable(it item, cause error, doing string) error {
	e := fault.Wrap(fault.Misconfigured, cause, doing)
	e.Advice = fmt.Sprintf("Table %s holds an item that this version cannot read (%s): undo what was last edited by hand",
		t.name, keyText(it))
	return e
}

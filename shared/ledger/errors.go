package ledger

import (
	"fmt"

	"rollcall/shared/awsfault"
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
	failure := awsfault.Read(err)
	e := fault.Wrap(kindOf(failure.Code()), err, doing)
	e.Code, e.RequestID = failure.Code(), failure.RequestID
	if e.Kind == fault.Unknown && failure.Down() {
		e.Kind = fault.Unavailable
	}
	e.Advice = t.advice(e.Kind, e.Code, failure.Operation())
	return e
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

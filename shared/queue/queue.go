// Package queue puts jobs on the FIFO queue, and what cannot be worked off on the dead-letter queue. It is the only
// package that speaks to Amazon SQS; the worker receives through Lambda and never asks SQS for anything.
//
// It exists because SendMessageBatch answers 200 while some of its messages were not taken: every message is followed
// to its own answer, and one that was not taken is an error which names it. The planner relies on that: an order that
// was not sent is due again.
//
// It refuses to send a job that no worker could read, and to shorten a dead letter: a body that does not fit is an
// error, so that its message stays where it is.
//
// # Limits
//
// A batch has at most 10 messages, and 1 MiB with all attributes, as has one message (1,048,576 bytes; it was 256 KiB
// until August 2025, and still is where a queue's MaximumMessageSize says so). A job of 25 people has 5 KB, so size is
// never what ends a batch in practice; batches are kept below 256 KiB all the same, which every endpoint takes. A FIFO
// queue takes 300 calls a second and operation; SQS bills a call for each 64 KB begun.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
//
// A repeat of a job (its answer was lost and the SDK sends it again, or a person runs the planner twice) has the
// same deduplication id and is swallowed for 5 minutes from the first.
package queue

import (
	"fmt"

	"rollcall/shared/awsfault"
	"rollcall/shared/fault"
)

// Sizes in bytes.
const (
	mostMessage = 1 << 20
	mostBatch   = 256 << 10
)

// queue names one queue for its errors.
type queue struct {
	url      string
	variable string // the environment variable that names it
}

// kindOf says what an error code of SQS means, be it a call's or one message's; Unknown for one that is not here.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func kindOf(code string) fault.Kind {
	switch code {
	case "RequestThrottled", "ThrottlingException", "Throttling", "OverLimit", "KMS.ThrottlingException", "KmsThrottled":
		return fault.Throttled
	case "InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "ServiceUnavailableException",
		"RequestTimeout", "RequestTimeoutException":
		return fault.Unavailable
	case nonExistentQueue, "QueueDoesNotExist", "InvalidAddress", "UnsupportedOperation",
		"AWS.SimpleQueueService.UnsupportedOperation", "KMS.NotFoundException", "KmsNotFound", "KMS.DisabledException",
		"KmsDisabled", "KMS.InvalidStateException", "KmsInvalidState":
		return fault.Misconfigured
	case "AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired", "KMS.AccessDeniedException",
		"KmsAccessDenied", "InvalidSecurity", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken",
		"ExpiredTokenException", "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature",
		"MissingAuthenticationToken":
		return fault.Denied
	case "InvalidMessageContents", "InvalidParameterValue", "InvalidParameterValueException", "MissingParameter",
		"MissingRequiredParameterException", "BatchRequestTooLong",
		"AWS.SimpleQueueService.BatchRequestTooLong":
		return fault.Rejected
	default:
		return fault.Unknown
	}
}

const nonExistentQueue = "AWS.SimpleQueueService.NonExistentQueue"

// fail classifies an error of the SDK; doing is a gerund with an id, action what IAM calls it.
func (q queue) fail(err error, doing, action string) *fault.Error {
	failure := awsfault.Read(err)
	e := fault.Wrap(kindOf(failure.Code()), err, doing)
	e.Code, e.RequestID = failure.Code(), failure.RequestID
	if e.Kind == fault.Unknown && failure.Down() {
		e.Kind = fault.Unavailable
	}
	switch e.Kind {
	case fault.Denied:
		e.Advice = fmt.Sprintf("Allow sqs:%s on queue %s to the role that runs this, and kms:GenerateDataKey and "+
			"kms:Decrypt on its key if it has one", action, q.url)
	case fault.Misconfigured:
		e.Advice = fmt.Sprintf("Set %s to the URL of the FIFO queue of the stack; it is %s", q.variable, q.url)
	}
	return e
}

package sqs

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// coral is the name space of errors that every AWS JSON service shares; model that of the errors of SQS itself.
const (
	coral = "com.amazon.coral.service#"
	model = "com.amazonaws.sqs#"
)

// problem is a refusal in the service's own words. kind is the shape's name, which SDKs find a type by; code is the
// older one of the Query protocol, which travels in the x-amzn-query-error header and wins over the shape's name
// (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#x-amzn-query-error).
type problem struct {
	kind    string
	code    string
	message string
	status  int
}

// Error is the code and the message.
func (p problem) Error() string { return p.code + ": " + p.message }

func invalidParameter(format string, args ...any) problem {
	return problem{coral + "InvalidParameterValueException", "InvalidParameterValue", fmt.Sprintf(format, args...), http.StatusBadRequest}
}

func missingParameter(name string) problem {
	return problem{coral + "MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter " + name + ".", http.StatusBadRequest}
}

func noSuchQueue() problem {
	return problem{model + "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", http.StatusBadRequest}
}

func queueExists(attribute string) problem {
	return problem{model + "QueueNameExists", "QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute " + attribute, http.StatusBadRequest}
}

func deletedRecently() problem {
	return problem{model + "QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.", http.StatusBadRequest}
}

func purgeInProgress(name string) problem {
	return problem{model + "PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", "Only one PurgeQueue operation on " + name + " is allowed every 60 seconds.", http.StatusForbidden}
}

func unknownAttribute(name string) problem {
	return attributeName("Unknown Attribute " + name + ".")
}

func attributeName(message string) problem {
	return problem{model + "InvalidAttributeName", "InvalidAttributeName", message, http.StatusBadRequest}
}

func attributeValue(name, reason string) problem {
	message := "Invalid value for the parameter " + name + "."
	if reason != "" {
		message += " Reason: " + reason
	}
	return problem{model + "InvalidAttributeValue", "InvalidAttributeValue", message, http.StatusBadRequest}
}

func handleInvalid(handle string) problem {
	return problem{model + "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", handle), http.StatusBadRequest}
}

func contentsInvalid() problem {
	return problem{model + "InvalidMessageContents", "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", http.StatusBadRequest}
}

func batchProblem(shape, message string) problem {
	return problem{model + shape, "AWS.SimpleQueueService." + shape, message, http.StatusBadRequest}
}

func requestThrottled() problem {
	return problem{model + "RequestThrottled", "RequestThrottled", "Request is throttled.", http.StatusBadRequest}
}

func writeProblem(w http.ResponseWriter, p problem) {
	fault := "Sender"
	if p.status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	w.Header().Set("X-Amzn-Query-Error", p.code+";"+fault)
	write(w, p.status, map[string]string{"__type": p.kind, "message": p.message})
}

func writeAnswer(w http.ResponseWriter, answer any) { write(w, http.StatusOK, answer) }

func write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // every answer is made of strings, numbers and bytes
		panic("marshalling an answer of sqs: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("X-Amzn-RequestId", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(text) // a caller that has gone away cannot be told
}

// newUUID is a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

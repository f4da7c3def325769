// Package secrets is AWS Secrets Manager on one machine, as far as rollcall and its administrators ask it: a secret
// with its versions and staging labels, found by name, ARN or partial ARN, and its deletion with a recovery window
// on the test's clock.
//
// It exists so that the planner reads its Graph credential through the code that ships, and so that a rotated, a
// deleted and a missing secret can be tried.
//
// A value is kept where fmt, a log or a debugger's dump of the structures does not find it, and no message holds one.
// It refuses what the service refuses; it has no rotation, replication, resource policies (a secret of another
// account is denied), KMS, tags, or eventual consistency. Where behaviour is not documented it follows what was
// recorded of the service in LocalStack's tests (github.com/localstack/localstack,
// tests/aws/services/secretsmanager/test_secretsmanager.snapshot.json, "aws.validated").
//
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/Welcome.html
package secrets

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/service"
)

// Options say when and where.
type Options struct {
	// Clock is the time of versions and deletions; nil is clock.System.
	Clock clock.Clock
	// Account and Region are those of a caller that came through no gateway. Empty: 000000000000, us-east-1.
	Account string
	Region  string
}

// Service is an emulated AWS Secrets Manager. Use New. It is safe for concurrent use.
type Service struct {
	options Options
	clock   clock.Clock

	mu      sync.Mutex
	secrets map[address]*secret
}

// address is what makes a secret one secret.
type address struct{ account, region, name string }

// New is a service without secrets.
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
	return &Service{options: options, clock: options.Clock, secrets: map[address]*secret{}}
}

// Create makes a secret with a value in process, as CreateSecret does, and gives its ARN. The error is the service's
// own refusal, without the value.
func (s *Service) Create(account, region, name, value string) (arn string, err error) {
	out, err := s.create(service.Caller{Account: account, Region: region}, createInput{Name: name, SecretString: &value, ClientRequestToken: newUUID()})
	if err != nil {
		return "", fmt.Errorf("creating secret %s: %w", name, err)
	}
	return out.ARN, nil
}

// Put gives a secret a new current value in process, as PutSecretValue does. The error is the service's own refusal,
// without the value.
func (s *Service) Put(account, region, name, value string) error {
	_, err := s.put(service.Caller{Account: account, Region: region}, putInput{SecretId: name, SecretString: &value, ClientRequestToken: newUUID()})
	if err != nil {
		return fmt.Errorf("putting a value into secret %s: %w", name, err)
	}
	return nil
}

// Name is the service as AWS signs for it.
func (*Service) Name() string { return "secretsmanager" }

const target = "secretsmanager."

// Operation is the call's name, and the name or ARN of the secret that it is about. It never reads a value.
func (*Service) Operation(r *http.Request, body []byte) (operation, resource string) {
	var about struct{ SecretId, Name string }
	_ = json.Unmarshal(body, &about) // a body that is no JSON has no resource; ServeHTTP refuses it
	operation = strings.TrimPrefix(r.Header.Get("X-Amz-Target"), target)
	if about.SecretId != "" {
		return operation, about.SecretId
	}
	return operation, about.Name
}

// Refuse answers as Secrets Manager does when it refuses in that way. A broken connection is an abort of the handler.
func (*Service) Refuse(w http.ResponseWriter, _ *http.Request, why service.Refusal) {
	switch why {
	case service.Throttle:
		writeProblem(w, problem{"ThrottlingException", "Rate exceeded", http.StatusBadRequest})
	case service.Unavailable:
		writeProblem(w, problem{"ServiceUnavailableException", "Service is unavailable.", http.StatusServiceUnavailable})
	case service.Deny:
		writeProblem(w, problem{"AccessDeniedException", "The caller is not authorized to perform this operation.", http.StatusBadRequest})
	case service.DropAnswer, service.DropCall:
		panic(http.ErrAbortHandler)
	default:
		writeProblem(w, problem{"InternalServiceError", "An error occurred on the server side.", http.StatusInternalServerError})
	}
}

// ServeHTTP answers one call of the AWS JSON 1.1 protocol.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeProblem(w, problem{"SerializationException", "The request was cut short.", http.StatusBadRequest})
		return
	}
	operation, _ := s.Operation(r, body)
	answer, err := s.answer(operation, s.callerOf(r), body)
	var refused problem
	switch {
	case errors.As(err, &refused):
		writeProblem(w, refused)
	case err != nil:
		writeProblem(w, problem{"InternalServiceError", "An error occurred on the server side.", http.StatusInternalServerError})
	default:
		write(w, http.StatusOK, answer)
	}
}

func (s *Service) answer(operation string, who service.Caller, body []byte) (any, error) {
	switch operation {
	case "CreateSecret":
		return decoded(who, body, s.create)
	case "PutSecretValue":
		return decoded(who, body, s.put)
	case "GetSecretValue":
		return decoded(who, body, s.get)
	case "DescribeSecret":
		return decoded(who, body, s.describe)
	case "DeleteSecret":
		return decoded(who, body, s.delete)
	case "RestoreSecret":
		return decoded(who, body, s.restore)
	}
	return nil, problem{"UnknownOperationException", "The operation " + operation + " is not known here.", http.StatusBadRequest}
}

// decoded runs an operation on its decoded input.
func decoded[In, Out any](who service.Caller, body []byte, do func(service.Caller, In) (Out, error)) (any, error) {
	var in In
	if err := json.Unmarshal(body, &in); err != nil { // whose text may hold a piece of a value
		return nil, problem{"SerializationException", "The request is not valid JSON for this operation.", http.StatusBadRequest}
	}
	return do(who, in)
}

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

// problem is a refusal in the service's own words.
type problem struct {
	kind    string
	message string
	status  int
}

// Error is the kind and the message.
func (p problem) Error() string { return p.kind + ": " + p.message }

func notFound(message string) problem {
	return problem{"ResourceNotFoundException", message, http.StatusBadRequest}
}

func badRequest(message string) problem {
	return problem{"InvalidRequestException", message, http.StatusBadRequest}
}

func badParameter(message string) problem {
	return problem{"InvalidParameterException", message, http.StatusBadRequest}
}

func exists(message string) problem {
	return problem{"ResourceExistsException", message, http.StatusBadRequest}
}

func invalid(message string) problem {
	return problem{"ValidationException", message, http.StatusBadRequest}
}

func writeProblem(w http.ResponseWriter, p problem) {
	write(w, p.status, map[string]string{"__type": p.kind, "Message": p.message})
}

func write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // every answer is made of strings, numbers and bytes
		panic("marshalling an answer of secretsmanager")
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("X-Amzn-RequestId", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(text) // a caller that has gone away cannot be told
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newSuffix are the six characters at the end of a secret's ARN, which differ when a name is used again.
func newSuffix() string {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return base32.StdEncoding.EncodeToString(b[:])[:6]
}

// epoch is a time as AWS JSON writes it: seconds, with a fraction.
type epoch time.Time

// MarshalJSON writes milliseconds at most.
func (e epoch) MarshalJSON() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(time.Time(e).UnixMilli())/1000, 'f', 3, 64)), nil
}

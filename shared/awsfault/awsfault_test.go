package awsfault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"rollcall/shared/awsfault"
)

const hush = "hush-hush-hush"

// said is a Failure in words that can be compared.
type said struct {
	calls     string
	code      string
	status    int
	requestID string
	lost      string // a part of the text of Lost; empty: not lost
	neverSent bool
	down      bool
}

func expect(t *testing.T, err error, want said) awsfault.Failure {
	t.Helper()
	f := awsfault.Read(err)
	var names []string
	for _, c := range f.Calls {
		names = append(names, c.Service+" "+c.Operation)
	}
	got := said{strings.Join(names, ", "), f.Code(), f.Status, f.RequestID, "", f.NeverSent, f.Down()}
	if f.Lost != nil {
		got.lost = f.Lost.Error()
		if want.lost != "" && strings.Contains(got.lost, want.lost) {
			got.lost = want.lost
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(said{})); diff != "" {
		t.Errorf("%v\n-expected +read:\n%s", err, diff)
	}
	if (f.Code() != "") != (f.Refusal != nil) {
		t.Errorf("the code is %q, the refusal %v", f.Code(), f.Refusal)
	}
	return f
}

// call, answered and refused wrap an error as the SDK does.
func call(service, operation string, err error) error {
	return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: err}
}

func answered(status int, requestID string, err error) error {
	return &awshttp.ResponseError{RequestID: requestID, ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err,
	}}
}

func refused(code string) error { return &smithy.GenericAPIError{Code: code, Message: "no"} }

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// TestRead holds the cases that the edges have met, and those that only some of them knew.
func TestRead(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	read := &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	unreadable := &smithy.DeserializationError{Err: errors.New("invalid character " + hush), Snapshot: []byte(hush)}
	cases := map[string]struct {
		err  error
		want said
	}{
		"nothing":                {nil, said{}},
		"somebody else's error":  {errors.New("boom"), said{}},
		"a refusal":              {call("SQS", "SendMessage", answered(400, "r-1", refused("OverLimit"))), said{calls: "SQS SendMessage", code: "OverLimit", status: 400, requestID: "r-1"}},
		"a refusal, wrapped":     {fmt.Errorf("sending: %w", call("SQS", "SendMessage", answered(400, "r-1", refused("OverLimit")))), said{calls: "SQS SendMessage", code: "OverLimit", status: 400, requestID: "r-1"}},
		"a refusal, joined":      {errors.Join(errors.New("late"), answered(403, "r-1", refused("AccessDenied"))), said{code: "AccessDenied", status: 403, requestID: "r-1"}},
		"a refusal alone":        {refused("OverLimit"), said{code: "OverLimit"}},
		"a refusal with a 500":   {answered(500, "r-1", refused("SomethingNew")), said{code: "SomethingNew", status: 500, requestID: "r-1", down: true}},
		"a status of 499":        {answered(499, "", refused("SomethingNew")), said{code: "SomethingNew", status: 499}},
		"a status and no code":   {answered(502, "r-1", errors.New("a page of a proxy")), said{status: 502, requestID: "r-1", down: true}},
		"a 429 and no code":      {answered(429, "", errors.New("a page of a proxy")), said{status: 429}},
		"a status without an id": {&smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 503}}, Err: errors.New("down")}, said{status: 503, down: true}},
		"a call in a call": {
			call("WorkSpaces", "CreateWorkspaces", fmt.Errorf("get identity: %w", call("STS", "AssumeRole", answered(403, "r-2", refused("AccessDenied"))))),
			said{calls: "WorkSpaces CreateWorkspaces, STS AssumeRole", code: "AccessDenied", status: 403, requestID: "r-2"},
		},
		"a call without a cause":   {call("STS", "AssumeRole", nil), said{calls: "STS AssumeRole"}},
		"a request not built":      {call("SQS", "SendMessage", &smithy.SerializationError{Err: errors.New("no")}), said{calls: "SQS SendMessage"}},
		"a connection not made":    {call("SQS", "SendMessage", answered(0, "", &smithyhttp.RequestSendError{Err: &url.Error{Op: "Post", URL: "x", Err: dial}})), said{calls: "SQS SendMessage", lost: "connection refused", neverSent: true, down: true}},
		"a connection reset":       {&smithyhttp.RequestSendError{Err: read}, said{lost: "request send failed", down: true}},
		"a connection, and no SDK": {fmt.Errorf("reading: %w", read), said{lost: "connection reset", down: true}},
		"a timeout":                {fmt.Errorf("reading: %w", timeout{}), said{lost: "i/o timeout", down: true}},
		"an answer not understood": {answered(200, "r-1", unreadable), said{status: 200, requestID: "r-1", lost: "the answer cannot be read", down: true}},
		"an answer cut by a reset": {answered(200, "r-1", &smithy.DeserializationError{Err: read}), said{status: 200, requestID: "r-1", lost: "connection reset", down: true}},
		"canceled":                 {&smithy.CanceledError{Err: context.Canceled}, said{lost: "context canceled", down: true}},
		"canceled, no cause":       {&smithy.CanceledError{}, said{lost: "context canceled", down: true}},
		"canceled while waiting":   {&aws.RequestCanceledError{Err: context.Canceled}, said{lost: "context canceled", down: true}},
		"time ran out":             {fmt.Errorf("waiting: %w", context.DeadlineExceeded), said{lost: "context deadline exceeded", down: true}},
		"the end":                  {fmt.Errorf("reading: %w", io.EOF), said{lost: "EOF", down: true}},
		"the end, unexpected":      {fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), said{lost: "unexpected EOF", down: true}},
		"refused after a loss":     {errors.Join(io.EOF, answered(400, "r-1", refused("OverLimit"))), said{code: "OverLimit", status: 400, requestID: "r-1", lost: "EOF"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := expect(t, c.err, c.want)
			if outermost, _, _ := strings.Cut(c.want.calls, ","); f.Operation() != outermost[strings.Index(outermost, " ")+1:] {
				t.Errorf("the operation is %q, of %q", f.Operation(), c.want.calls)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", f.Lost, f.Lost, f.Lost), hush) {
				t.Errorf("what was lost tells the answer: %v", f.Lost)
			}
		})
	}
}

// TestTheSDKSpeaksSo: the same from real clients, so that an SDK that wraps its errors otherwise is noticed.
func TestTheSDKSpeaksSo(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Requestid", "r-1")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const called = "Secrets Manager GetSecretValue"
	cases := map[string]struct {
		answer http.HandlerFunc
		want   said
	}{
		"refused":       {answer(400, `{"__type":"com.amazonaws#DecryptionFailure","message":"no"}`), said{calls: called, code: "DecryptionFailure", status: 400, requestID: "r-1"}},
		"an empty 503":  {answer(503, ""), said{calls: called, code: "UnknownError", status: 503, requestID: "r-1", down: true}},
		"a page, 502":   {answer(502, "<html>"), said{calls: called, status: 502, requestID: "r-1", lost: "cannot be read", down: true}},
		"a page, 200":   {answer(200, "<html>"), said{calls: called, status: 200, requestID: "r-1", lost: "cannot be read", down: true}},
		"cut off":       {answer(200, `{"SecretString":"`+hush), said{calls: called, status: 200, requestID: "r-1", lost: "cannot be read", down: true}},
		"no answer":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, said{calls: called, lost: "request send failed", down: true}},
		"nobody at all": {nil, said{calls: called, lost: "request send failed", neverSent: true, down: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := get(t.Context(), settings(serve(t, c.answer)), "x")
			expect(t, err, c.want)
		})
	}
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := get(ctx, settings(serve(t, answer(200, "{}"))), "x")
		expect(t, err, said{calls: called, lost: "context canceled", down: true})
	})
	t.Run("not valid", func(t *testing.T) { // the SDK refuses, before anything is sent
		_, err := get(t.Context(), settings(serve(t, answer(200, "{}"))), "")
		expect(t, err, said{calls: called})
	})
	t.Run("a role that may not be assumed", func(t *testing.T) {
		s := settings(serve(t, answer(403, `<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`)))
		inside := s.Copy()
		s.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(inside), "arn:aws:iam::111122223333:role/x"))
		_, err := get(t.Context(), s, "x")
		expect(t, err, said{calls: called + ", STS AssumeRole", code: "AccessDenied", status: 403, requestID: "r-1"})
	})
}

// serve is the address of a server that answers so; without an answer, one where nobody listens.
func serve(t *testing.T, answer http.HandlerFunc) string {
	server := httptest.NewServer(answer)
	if answer == nil {
		server.Close()
	}
	t.Cleanup(server.Close)
	return server.URL
}

func settings(address string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &address,
		Credentials: credentials.NewStaticCredentialsProvider("key", "no", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// get reads the secret with that name; an empty name is left out, which the SDK refuses.
func get(ctx context.Context, s aws.Config, name string) (*secretsmanager.GetSecretValueOutput, error) {
	in := &secretsmanager.GetSecretValueInput{}
	if name != "" {
		in.SecretId = &name
	}
	return secretsmanager.NewFromConfig(s).GetSecretValue(ctx, in)
}

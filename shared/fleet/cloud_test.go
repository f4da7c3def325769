package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/service"
	emulator "rollcall/shared/emulator/workspaces"
	"rollcall/shared/fleet"
)

const (
	account = "111122223333"
	member  = "444455556666"
	region  = "eu-central-1"
	dirID   = "d-9067aaaaaa"
	bundle  = "wsb-bh8rsxt14"
	subnetA = "subnet-0a0a0a0a"
	subnetB = "subnet-0b0b0b0b"
)

var (
	home  = desktop.Lane{Account: account, Region: region}
	other = desktop.Lane{Account: member, Region: region}
)

// sent is one request as it went out.
type sent struct {
	at        time.Time
	service   string
	operation string
	body      string
	status    int // 0: no answer
}

// cloud takes the SDK's requests without a network, so that they run on a bubble's clock: the emulator answers those
// to WorkSpaces, EC2 and Service Quotas, and roles those to STS.
type cloud struct {
	*emulator.Emulator
	services map[string]http.Handler
	latency  func() time.Duration // of each answer

	mu    sync.Mutex
	calls []sent
	roles map[string]string // the external id that a role's ARN asks for
}

func newCloud(t *testing.T, c clock.Clock) *cloud {
	t.Helper()
	knobs := emulator.Usual()
	e := emulator.New(c, emulator.Options{Seed: 1, Account: account, Region: region, Knobs: &knobs})
	w := &cloud{
		Emulator: e, services: map[string]http.Handler{}, roles: map[string]string{},
		latency: func() time.Duration { return 0 },
	}
	for _, s := range e.Services() {
		w.services[s.Name()] = s
	}
	w.services["sts"] = http.HandlerFunc(w.assumeRole)
	l := e.Lane(account, region)
	fit(t, l)
	return w
}

// fit sets a lane up: two subnets, a directory and a bundle.
func fit(t *testing.T, l *emulator.Lane) {
	t.Helper()
	for _, err := range []error{
		l.AddSubnet(emulator.Subnet{ID: subnetA, CIDR: "10.1.0.0/16"}),
		l.AddSubnet(emulator.Subnet{ID: subnetB, CIDR: "10.2.0.0/16"}),
		l.AddDirectory(emulator.Directory{ID: dirID, Name: "corp.example.com", RegistrationCode: "SLiad+ABC123", Subnets: []string{subnetA, subnetB}}),
		l.AddBundle(emulator.Bundle{ID: bundle, Name: "Standard with Windows 10"}),
		l.SetQuota("L-34278094", 100000),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Do is the SDK's HTTP client.
func (w *cloud) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	key, _, name, ok := service.ParseScope(r.Header.Get("Authorization"))
	if !ok {
		return nil, errors.New("a request without a signature")
	}
	r = r.WithContext(service.WithCaller(r.Context(), service.Caller{Account: strings.TrimPrefix(key, "KEY"), Region: region, Service: name}))
	r.Body = io.NopCloser(bytes.NewReader(body))
	s := sent{at: time.Now(), service: name, body: string(body)}
	_, s.operation, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	recorder := httptest.NewRecorder()
	dropped := w.serve(name, recorder, r)
	if !dropped {
		s.status = recorder.Code
	}
	w.mu.Lock()
	w.calls = append(w.calls, s)
	w.mu.Unlock()
	select {
	case <-time.After(w.latency()):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if dropped {
		return nil, io.ErrUnexpectedEOF
	}
	return recorder.Result(), nil
}

func (w *cloud) serve(name string, to http.ResponseWriter, r *http.Request) (dropped bool) {
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			dropped = true
		}
	}()
	w.services[name].ServeHTTP(to, r)
	return false
}

// assumeRole is STS: a role that is known hands out the key of its account to who names its external id.
func (w *cloud) assumeRole(to http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(to, err.Error(), http.StatusBadRequest)
		return
	}
	arn := r.Form.Get("RoleArn")
	id, known := w.roles[arn]
	to.Header().Set("Content-Type", "text/xml")
	if !known || id != r.Form.Get("ExternalId") {
		to.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(to, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole on resource: %s</Message></Error></ErrorResponse>`, arn)
		return
	}
	fmt.Fprintf(to, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>KEY%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey>`+
		`<SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
		strings.Split(arn, ":")[4], time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// fleets are the fleets of our account over the cloud.
func (w *cloud) fleets(change ...func(*fleet.Settings)) *fleet.Fleets {
	settings := fleet.Settings{Account: account, Clock: clock.System{}}
	for _, c := range change {
		c(&settings)
	}
	return fleet.New(aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider("KEY"+account, "secret", ""),
		HTTPClient: w, BaseEndpoint: aws.String("http://cloud.test"),
	}, settings)
}

func (w *cloud) open(t *testing.T) *fleet.Fleet {
	t.Helper()
	f, err := w.fleets().Lane(context.Background(), home)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// home is the lane of our own account.
func (w *cloud) home() *emulator.Lane { return w.Lane(account, region) }

// count is how many requests of an operation went out, and how many of them were throttled.
func (w *cloud) count(operation string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.operation == operation {
			n++
		}
	}
	return n
}

func (w *cloud) users(t *testing.T, names ...string) {
	t.Helper()
	if err := w.home().AddUsers(dirID, names...); err != nil {
		t.Fatal(err)
	}
}

// want is a request for a user's desktop.
func want(user string) desktop.Request {
	return desktop.Request{
		Directory: dirID, UserName: user,
		Spec:  desktop.Spec{Bundle: bundle, RunningMode: desktop.AutoStop, AutoStopMinutes: 60},
		Owner: desktop.Owner{Installation: "prod", Person: "person-" + user, Slot: "main"},
	}
}

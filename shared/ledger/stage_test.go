package ledger_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/emulator/dynalite"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/service"
	"rollcall/shared/fault"
	"rollcall/shared/ledger"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
)

// database starts the one dynalite of this test binary; each test has a gateway and tables of its own. It is found in
// node_modules of the repository.
var database = sync.OnceValues(func() (*dynalite.Database, error) {
	return dynalite.Start(context.Background(), dynalite.Options{Account: account, Region: region})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if d, err := database(); err == nil {
		if err := d.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// stage is a ledger and a profiles table behind a gateway, at nine in the morning.
type stage struct {
	*ledger.Ledger
	profiles *ledger.Profiles
	client   *dynamodb.Client
	gate     *gateway.Gateway
	clock    *clock.Manual
	table    string
}

func start(t *testing.T, services ...service.Service) *stage {
	t.Helper()
	db, err := database()
	if err != nil {
		t.Fatal(err) // a ledger that was not tested must not pass for one that was
	}
	gate, err := gateway.Start(gateway.Options{Account: account})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gate.Close(); err != nil {
			t.Error(err)
		}
	})
	gate.Serve(db)
	gate.Serve(services...)
	s := &stage{gate: gate, clock: clock.NewManual(nine()), table: "ledger-" + rand.Text()}
	s.client = s.as("AKIAPLANNER")
	s.create(t, ledger.Definition(s.table))
	s.create(t, ledger.ProfilesDefinition(s.table+"-profiles"))
	s.Ledger = s.open(s.table)
	s.profiles = ledger.NewProfiles(s.client, s.table+"-profiles")
	return s
}

// create makes a table and returns when it may be used, which is a moment later.
func (s *stage) create(t *testing.T, in *dynamodb.CreateTableInput) {
	t.Helper()
	if _, err := s.client.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		out, err := s.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: in.TableName})
		if err != nil {
			t.Fatal(err)
		}
		if out.Table.TableStatus == types.TableStatusActive {
			return
		}
	}
	t.Fatalf("table %s does not come up", *in.TableName)
}

// as is a client of the SDK as it retries when deployed, but without its pauses.
func (s *stage) as(key string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: region, BaseEndpoint: aws.String(s.gate.URL()), HTTPClient: s.gate.Client(),
		Credentials: credentials.NewStaticCredentialsProvider(key, "secret", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
}

func (s *stage) open(table string, options ...ledger.Option) *ledger.Ledger {
	return ledger.New(s.client, table, append([]ledger.Option{ledger.WithClock(s.clock)}, options...)...)
}

func (s *stage) inject(t *testing.T, f gateway.Fault) {
	t.Helper()
	injected, err := s.gate.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if injected.Count() == 0 {
			t.Errorf("the fault %s on %s never struck: the test proves nothing", f.Why, f.Operation)
		}
	})
}

// calls counts the calls of an operation that the service answered or that were dropped.
func (s *stage) calls(operation string) int {
	n := 0
	for _, c := range s.gate.Log().Since(0) {
		if c.Operation == operation {
			n++
		}
	}
	return n
}

// during runs do once, when the n-th call of an operation is done and its answer is not out yet.
func (s *stage) during(t *testing.T, operation string, do func()) {
	t.Helper()
	done := make(chan struct{})
	armed := make(chan struct{}, 1)
	armed <- struct{}{}
	stop := s.gate.Watch(gateway.Watcher{After: func(c service.Call) {
		if c.Operation != operation {
			return
		}
		select {
		case <-armed:
			close(done) // first: do may end the test's patience with this call
			do()
		default:
		}
	}})
	t.Cleanup(func() {
		stop()
		select {
		case <-done:
		default:
			t.Errorf("%s was never called: the test proves nothing", operation)
		}
	})
}

func (s *stage) saved(t *testing.T, a assignment.Assignment, events ...assignment.Event) assignment.Assignment {
	t.Helper()
	a, err := s.Save(t.Context(), a, events...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *stage) loaded(t *testing.T, k assignment.Key) assignment.Assignment {
	t.Helper()
	all, err := s.Load(t.Context(), []assignment.Key{k})
	if err != nil {
		t.Fatal(err)
	}
	a, there := all[k]
	if !there {
		t.Fatalf("there is no assignment %s", k)
	}
	return a
}

func nine() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }

func person(name string) assignment.Key { return assignment.Key{Person: name, Slot: "main"} }

func expectKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if got := fault.Of(err); got != want {
		t.Errorf("the error is %q (%v): expected %q", got, err, want)
	}
}

// sparingly is a sparing over the test binary's dynalite.
func sparingly(most, rounds int) *sparing {
	db, _ := database() // where there is none, start fails the test before anything is served
	return &sparing{Database: db, most: most, rounds: rounds}
}

// sparing is a DynamoDB that does no more than most keys of a batch at a time, for so many rounds, and leaves the
// rest unprocessed, as the service does under load.
type sparing struct {
	*dynalite.Database
	most   int
	rounds int
}

func (s *sparing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, _ := s.Operation(r, nil)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	rest, err := s.cut(operation, &body)
	if err != nil {
		panic(err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if rest == nil {
		s.Database.ServeHTTP(w, r)
		return
	}
	s.rounds--
	kept := httptest.NewRecorder()
	s.Database.ServeHTTP(kept, r)
	var answer map[string]any
	if err := json.Unmarshal(kept.Body.Bytes(), &answer); err != nil {
		panic(err)
	}
	answer[map[string]string{"BatchGetItem": "UnprocessedKeys", "BatchWriteItem": "UnprocessedItems"}[operation]] = rest
	changed, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(kept.Code)
	_, _ = w.Write(changed)
}

// cut takes all but the first keys or writes out of a batch and returns them as they are to be handed back.
func (s *sparing) cut(operation string, body *[]byte) (rest map[string]any, err error) {
	if s.rounds <= 0 || operation != "BatchGetItem" && operation != "BatchWriteItem" {
		return nil, nil
	}
	var request map[string]any
	if err := json.Unmarshal(*body, &request); err != nil {
		return nil, err
	}
	tables := request["RequestItems"].(map[string]any)
	if len(tables) != 1 {
		return nil, errors.New("expected one table")
	}
	rest = map[string]any{}
	for name, asked := range tables {
		if keys, isGet := asked.(map[string]any); isGet {
			all := keys["Keys"].([]any)
			if len(all) <= s.most {
				return nil, nil
			}
			keys["Keys"] = all[:s.most]
			rest[name] = map[string]any{"Keys": all[s.most:], "ConsistentRead": true}
			continue
		}
		all := asked.([]any)
		if len(all) <= s.most {
			return nil, nil
		}
		tables[name], rest[name] = all[:s.most], all[s.most:]
	}
	*body, err = json.Marshal(request)
	return rest, err
}

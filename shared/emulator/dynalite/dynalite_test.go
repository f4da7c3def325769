package dynalite_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"rollcall/shared/emulator/dynalite"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/service"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
)

func options() dynalite.Options { return dynalite.Options{Account: account, Region: region} }

// start is a dynalite behind a gateway, and a client of the real SDK in a Region.
func start(t *testing.T) (*dynalite.Database, *gateway.Gateway, func(region string) *dynamodb.Client) {
	t.Helper()
	g, err := gateway.Start(gateway.Options{Account: account})
	if err != nil {
		t.Fatal(err)
	}
	d, err := dynalite.Start(t.Context(), options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Close(), d.Close()); err != nil {
			t.Error(err)
		}
	})
	g.Serve(d)
	return d, g, func(region string) *dynamodb.Client {
		return dynamodb.New(dynamodb.Options{
			Region: region, BaseEndpoint: aws.String(g.URL()), HTTPClient: g.Client(), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("AKIAWORKER", "secret", ""),
		})
	}
}

func createTable(t *testing.T, client *dynamodb.Client, name string) {
	t.Helper()
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func item(pk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}}
}

func TestItemsAndConditions(t *testing.T) {
	_, g, in := start(t)
	client := in(region)
	createTable(t, client, "ledger")
	put := &dynamodb.PutItemInput{TableName: aws.String("ledger"), Item: item("1"), ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if _, err := client.PutItem(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	var there *types.ConditionalCheckFailedException
	if _, err := client.PutItem(t.Context(), put); !errors.As(err, &there) {
		t.Errorf("putting again: %v", err)
	}
	got, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		"ledger": {Keys: []map[string]types.AttributeValue{item("1"), item("2")}},
	}})
	if err != nil || len(got.Responses["ledger"]) != 1 {
		t.Errorf("read %v, %v", got, err)
	}
	var calls []string
	for _, c := range g.Log().Since(0) {
		calls = append(calls, fmt.Sprintf("%s %s %s %d", c.Caller, c.Operation, c.Resource, c.Status))
	}
	want := "AKIAWORKER CreateTable ledger 200, AKIAWORKER PutItem ledger 200, AKIAWORKER PutItem ledger 400, AKIAWORKER BatchGetItem ledger 200"
	if got := strings.Join(calls, ", "); got != want {
		t.Errorf("log: %s\nwant %s", got, want)
	}
}

func TestARNsNameAccountAndRegion(t *testing.T) {
	_, _, in := start(t)
	createTable(t, in(region), "ledger")
	table, err := in(region).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("ledger")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *table.Table.TableArn, "arn:aws:dynamodb:eu-central-1:111122223333:table/ledger"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestAnotherRegionHasNoTables(t *testing.T) {
	_, _, in := start(t)
	createTable(t, in(region), "ledger")
	var missing *types.ResourceNotFoundException
	_, err := in("us-east-1").GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("ledger"), Key: item("1")})
	if !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	_, g, in := start(t)
	createTable(t, in(region), "ledger")
	for why, code := range map[service.Refusal]string{
		service.Throttle:    "ProvisionedThroughputExceededException",
		service.Unavailable: "ServiceUnavailable",
		service.ServerError: "InternalServerError",
		service.Deny:        "AccessDeniedException",
	} {
		injected, err := g.Inject(gateway.Fault{Service: "dynamodb", Operation: "GetItem", Resource: "ledger", Why: why})
		if err != nil {
			t.Fatal(err)
		}
		_, err = in(region).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("ledger"), Key: item("1")})
		var refused smithy.APIError
		if !errors.As(err, &refused) || refused.ErrorCode() != code || injected.Count() != 1 {
			t.Errorf("%s: %v, struck %d times", why, err, injected.Count())
		}
		injected.Remove()
	}
}

func TestACallerWhoGoesAwayHarmsNobody(t *testing.T) {
	d, g, in := start(t)
	createTable(t, in(region), "ledger")
	ctx, leave := context.WithCancel(t.Context())
	stop := g.Watch(gateway.Watcher{Before: func(service.Call) { leave() }})
	if _, err := in(region).PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("ledger"), Item: item("1")}); err == nil {
		t.Error("the caller was not away")
	}
	stop()
	if _, err := in(region).ListTables(t.Context(), nil); err != nil {
		t.Errorf("process %d does not answer any more: %v", d.PID(), err)
	}
}

func TestWhatIsNotInstalledIsNamed(t *testing.T) {
	o := options()
	o.Modules = t.TempDir()
	_, err := dynalite.Start(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "npm ci") {
		t.Errorf("got %v", err)
	}
}

func TestABrokenDynaliteIsAnError(t *testing.T) {
	for name, script := range map[string]string{
		"ends at once": `throw new Error("out of tune")`,
		"says no port": `console.log("out of tune"); module.exports = () => ({listen() {}})`,
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			o := options()
			o.Modules = t.TempDir()
			folder := filepath.Join(o.Modules, "dynalite")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{"package.json": "{}", "index.js": script} {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := dynalite.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "out of tune") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEveryWayOut(t *testing.T) {
	for name, leave := range map[string]func(*dynalite.Database, context.CancelFunc) error{
		"close":                       func(d *dynalite.Database, _ context.CancelFunc) error { return d.Close() },
		"close twice":                 func(d *dynalite.Database, _ context.CancelFunc) error { return errors.Join(d.Close(), d.Close()) },
		"the context ends":            func(_ *dynalite.Database, end context.CancelFunc) error { end(); return nil },
		"the context ends, and close": func(d *dynalite.Database, end context.CancelFunc) error { end(); return d.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			ctx, end := context.WithCancel(t.Context())
			defer end()
			d, err := dynalite.Start(ctx, options())
			if err != nil {
				t.Fatal(err)
			}
			if !alive(d.PID()) {
				t.Fatal("it is not running")
			}
			if err := leave(d, end); err != nil {
				t.Error(err)
			}
			awaitEnd(t, d.PID())
		})
	}
}

func TestOneThatEndsByItselfIsReported(t *testing.T) {
	d, _, in := start(t)
	if err := syscall.Kill(d.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-d.Done()
	if _, err := in(region).ListTables(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "has ended (signal: killed)") {
		t.Errorf("a call after that: %v", err)
	}
	if err := d.Close(); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("closing says %v", err)
	}
}

// TestItDiesWithUs starts this test again as a parent of dynalite, kills that parent, and looks for the child.
func TestItDiesWithUs(t *testing.T) {
	if os.Getenv("DYNALITE_TEST_PARENT") != "" {
		d, err := dynalite.Start(context.Background(), options())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("pid=%d\n", d.PID())
		select {} // until killed
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestItDiesWithUs$")
	parent.Env = append(os.Environ(), "DYNALITE_TEST_PARENT=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanf(out, "pid=%d\n", &pid); err != nil || !alive(pid) {
		t.Errorf("the parent started no dynalite (pid %d): %v", pid, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // "signal: killed"
	awaitEnd(t, pid)
}

func TestOperationOfAMalformedBody(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.PutItem")
	if operation, resource := new(dynalite.Database).Operation(r, []byte("{")); operation != "PutItem" || resource != "" {
		t.Errorf("got %q, %q", operation, resource)
	}
}

// alive reports whether a process runs; one that has ended and was not waited for does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true // no /proc here
	}
	_, rest, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// awaitEnd waits for the kernel, which has no clock of ours.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); alive(pid); {
		if time.Now().After(end) {
			t.Fatalf("process %d is left", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

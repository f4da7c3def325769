package emulator_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	awsworkspaces "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rollcall/infra/snapshot"
	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/emulator"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/emulator/service"
	"rollcall/shared/emulator/sts"
)

//go:embed template/testdata/stack.json
var stack []byte

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const jobs = "rollcall-jobs.fifo"

// start is a cloud of the fixture's stack, on a clock that stands still.
func start(t *testing.T) (*emulator.Cloud, *clock.Manual) {
	t.Helper()
	now := clock.NewManual(noon)
	c, err := emulator.Start(t.Context(), emulator.Options{Template: stack, Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, now
}

func function(t *testing.T, c *emulator.Cloud, name string) emulator.Function {
	t.Helper()
	f, err := c.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func configOf(t *testing.T, c *emulator.Cloud, name string) aws.Config {
	t.Helper()
	settings, err := c.ConfigOf(name)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestTablesAreThereWithTheirIndexes(t *testing.T) {
	c, _ := start(t)
	client := dynamodb.NewFromConfig(configOf(t, c, "worker"))
	ledger := function(t, c, "worker").Getenv(config.LedgerTable)
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	for i, person := range []string{"ada", "bob"} {
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &ledger, Item: map[string]types.AttributeValue{
			"pk": text("PERSON#" + person), "sk": text("SLOT#main"), "profile": text("dev"), "dueShard": text("0"),
			"due": &types.AttributeValueMemberN{Value: fmt.Sprint(100 - i)}, "status": text("Held"), "note": text("not projected"),
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	found, err := client.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &ledger, IndexName: aws.String("byDue"),
		KeyConditionExpression:    aws.String("dueShard = :s and due <= :d"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": text("0"), ":d": &types.AttributeValueMemberN{Value: "99"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]types.AttributeValue{
		"pk": text("PERSON#bob"), "sk": text("SLOT#main"), "dueShard": text("0"),
		"due": &types.AttributeValueMemberN{Value: "99"}, "status": text("Held"),
	}
	opt := cmp.AllowUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberN{})
	if len(found.Items) != 1 || !cmp.Equal(found.Items[0], want, opt) {
		t.Errorf("the index gives %v", found.Items)
	}
	for _, table := range c.Stack.Tables {
		got, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table.Name})
		if err != nil || got.Table.TableStatus != types.TableStatusActive || *got.Table.TableArn != table.ARN {
			t.Errorf("%s: %v, %v", table.ID, got, err)
		}
	}
}

// TestAFunctionFindsItsWayByItsEnvironment loads the SDK's configuration as a function does, from variables alone.
func TestAFunctionFindsItsWayByItsEnvironment(t *testing.T) {
	c, _ := start(t)
	planner := function(t, c, "planner")
	for name, value := range planner.Environment {
		t.Setenv(name, value)
	}
	settings, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	queue := planner.Getenv(config.QueueURL)
	_, err = awssqs.NewFromConfig(settings).SendMessage(t.Context(), &awssqs.SendMessageInput{
		QueueUrl: &queue, MessageBody: aws.String("{}"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	depth, err := c.Queues.Depth(jobs)
	if err != nil || depth.Waiting != 1 {
		t.Errorf("the queue holds %+v, %v", depth, err)
	}
	calls := c.Log().Since(0)
	if len(calls) != 1 || calls[0].Caller != "planner" || calls[0].Operation != "SendMessage" || calls[0].Resource != jobs ||
		calls[0].Account != "111122223333" || calls[0].Region != "eu-central-1" || !calls[0].At.Equal(noon) {
		t.Errorf("log: %+v", calls)
	}
}

func TestEnvironment(t *testing.T) {
	c, _ := start(t)
	planner, worker := function(t, c, "planner"), function(t, c, "Worker")
	if planner.Getenv("AWS_ACCESS_KEY_ID") == worker.Getenv("AWS_ACCESS_KEY_ID") {
		t.Error("both functions have the same key")
	}
	if _, err := config.ReadPlanner(planner.Getenv); err != nil {
		t.Error(err)
	}
	if _, err := config.ReadWorker(worker.Getenv); err != nil {
		t.Error(err)
	}
	if ca, err := os.ReadFile(planner.Getenv("SSL_CERT_FILE")); err != nil || !strings.HasPrefix(string(ca), "-----BEGIN CERTIFICATE-----") {
		t.Errorf("SSL_CERT_FILE holds %q, %v", ca, err)
	}
	for name, want := range map[string]string{
		config.GraphURL:     c.Gateway().TLSURL() + "/v1.0",
		config.Authority:    c.Gateway().TLSURL(),
		config.Installation: "rollcall",
	} {
		if got := planner.Getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if environ := planner.Environ(); len(environ) != len(planner.Environment) || !strings.HasPrefix(environ[0], "AWS_") {
		t.Errorf("as a process wants it: %q", environ)
	}
}

func TestFunctionsByName(t *testing.T) {
	c, _ := start(t)
	planner := function(t, c, "planner")
	for _, name := range []string{"Planner", "PLANNER", planner.Name, planner.ID} {
		if got := function(t, c, name); got.ID != planner.ID {
			t.Errorf("%s is %s", name, got.ID)
		}
	}
	if _, err := c.Function("notifier"); err == nil || !strings.Contains(err.Error(), "planner, worker") {
		t.Errorf("got %v", err)
	}
	if _, err := c.ConfigOf("notifier"); err == nil {
		t.Error("a function that is not there has a configuration")
	}
}

// get reads a URL of Graph or Entra into a value.
func get(t *testing.T, c *emulator.Cloud, r *http.Request, into any) int {
	t.Helper()
	response, err := c.Gateway().Client().Do(r.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// signIn asks Entra for a token, as azidentity does, and reads one user with it.
func signIn(t *testing.T, c *emulator.Cloud, credential string, proof url.Values) {
	t.Helper()
	ada, err := c.Graph.Tenant.AddUser(graph.User{UserPrincipalName: "ada@contoso.com"})
	if err != nil {
		t.Fatal(err)
	}
	var stored struct{ TenantID, ClientID string }
	if err := json.Unmarshal([]byte(credential), &stored); err != nil {
		t.Fatal(err)
	}
	planner := function(t, c, "planner")
	proof.Set("grant_type", "client_credentials")
	proof.Set("client_id", stored.ClientID)
	proof.Set("scope", "https://graph.microsoft.com/.default")
	r, _ := http.NewRequest(http.MethodPost, planner.Getenv(config.Authority)+"/"+stored.TenantID+"/oauth2/v2.0/token", strings.NewReader(proof.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		Bearer string `json:"access_token"`
	}
	if status := get(t, c, r, &token); status != http.StatusOK || token.Bearer == "" {
		t.Fatalf("signing in: %d", status)
	}
	r, _ = http.NewRequest(http.MethodGet, planner.Getenv(config.GraphURL)+"/users/"+ada.ID+"?$select=id,userPrincipalName", nil)
	r.Header.Set("Authorization", "Bearer "+token.Bearer)
	var user struct{ ID, UserPrincipalName string }
	if status := get(t, c, r, &user); status != http.StatusOK || user.ID != ada.ID || user.UserPrincipalName != "ada@contoso.com" {
		t.Errorf("reading: %d %+v", status, user)
	}
}

// operations are the calls in the log.
func operations(c *emulator.Cloud) (all []string) {
	for _, call := range c.Log().Since(0) {
		all = append(all, strings.TrimSpace(call.Service+" "+call.Operation+" "+call.Caller))
	}
	return all
}

func TestTheCredentialOpensGraph(t *testing.T) {
	c, _ := start(t)
	var credential struct{ ClientSecret string }
	if err := json.Unmarshal([]byte(c.Credential()), &credential); err != nil {
		t.Fatal(err)
	}
	signIn(t, c, c.Credential(), url.Values{"client_secret": {credential.ClientSecret}})
	if want := []string{"entra POST /{tenant}/oauth2/v2.0/token", "graph GET /users/{id}"}; !cmp.Equal(operations(c), want) {
		t.Errorf("log: %q", operations(c))
	}
}

// stored is the value that the planner reads where its environment says.
func stored(t *testing.T, c *emulator.Cloud) (string, error) {
	t.Helper()
	out, err := secretsmanager.NewFromConfig(configOf(t, c, "planner")).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{
		SecretId: aws.String(function(t, c, "planner").Getenv(config.GraphSecret)),
	})
	if err != nil {
		return "", err
	}
	return *out.SecretString, nil
}

func TestTheCredentialIsWhereThePlannerLooks(t *testing.T) {
	c, _ := start(t)
	if got, err := stored(t, c); err != nil || got != c.Credential() {
		t.Errorf("got %v", err)
	}
	if err := c.Store(`{"enabled": false}`); err != nil {
		t.Error(err)
	}
	if got, err := stored(t, c); err != nil || got != `{"enabled": false}` {
		t.Errorf("after a change: %q, %v", got, err)
	}
}

func TestACredentialThatNobodyFilledIn(t *testing.T) {
	c, err := emulator.Start(t.Context(), emulator.Options{Template: stack, NoCredential: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var missing *secretstypes.ResourceNotFoundException
	if got, err := stored(t, c); !errors.As(err, &missing) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestASecretOfTheTemplate has its value from there, and a stack without a Graph credential has nothing to store.
func TestASecretOfTheTemplate(t *testing.T) {
	c, err := emulator.Start(t.Context(), emulator.Options{Template: []byte(`{"Resources": {"S": {"Type": "AWS::SecretsManager::Secret",
		"Properties": {"Name": "app/greeting", "SecretString": "hello"}}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := secretsmanager.NewFromConfig(c.Config("a person", "", "")).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("app/greeting")})
	if err != nil || *out.SecretString != "hello" || *out.ARN != c.Stack.Secrets[0].ARN {
		t.Errorf("got %v, %v", out, err)
	}
	if err := c.Store("{}"); err == nil || !strings.Contains(err.Error(), config.GraphSecret) {
		t.Errorf("storing: %v", err)
	}
}

// TestTheStackItself starts what infra synthesizes.
func TestTheStackItself(t *testing.T) {
	c, err := emulator.Start(t.Context(), emulator.Options{Template: snapshot.Template})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := config.ReadPlanner(function(t, c, "planner").Getenv); err != nil {
		t.Error(err)
	}
	if _, err := config.ReadWorker(function(t, c, "worker").Getenv); err != nil {
		t.Error(err)
	}
	if _, err := stored(t, c); err != nil {
		t.Error(err)
	}
	if n, err := c.Pump(t.Context(), "worker", nil); n != 0 || err != nil {
		t.Errorf("pumped %d, %v", n, err)
	}
	if _, err := c.Keyless("planner"); err != nil {
		t.Error(err)
	}
	if len(c.Stack.Schedules) == 0 || c.Stack.Schedules[0].Function != function(t, c, "planner").ID {
		t.Errorf("schedules %+v", c.Stack.Schedules)
	}
}

func TestKeylessSignIn(t *testing.T) {
	c, now := start(t)
	credential, err := c.Keyless("planner")
	if err != nil || strings.Contains(credential, "ecret") {
		t.Fatalf("got %s, %v", credential, err)
	}
	now.Advance(time.Hour) // the trust has to get around
	token, err := awssts.NewFromConfig(configOf(t, c, "planner")).GetWebIdentityToken(t.Context(), &awssts.GetWebIdentityTokenInput{
		Audience: []string{graph.TokenExchange}, SigningAlgorithm: aws.String("RS256"),
	})
	if err != nil {
		t.Fatal(err)
	}
	signIn(t, c, credential, url.Values{
		"client_assertion":      {*token.WebIdentityToken},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if _, err := c.Keyless("planner"); !errors.Is(err, graph.ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	for name, want := range map[string]string{"worker": "has no role", "nobody": "no function"} {
		if _, err := c.Keyless(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheWorkerInAnotherAccount assumes a role, and is known in the other account's lane by its own name.
func TestTheWorkerInAnotherAccount(t *testing.T) {
	c, _ := start(t)
	if err := c.Roles.AddRole(sts.Role{ARN: "arn:aws:iam::444455556666:role/rollcall-member", Trusts: []string{"111122223333"}}); err != nil {
		t.Fatal(err)
	}
	settings := configOf(t, c, "worker")
	settings.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(awssts.NewFromConfig(settings), "arn:aws:iam::444455556666:role/rollcall-member"))
	if _, err := awsworkspaces.NewFromConfig(settings).DescribeWorkspaces(t.Context(), &awsworkspaces.DescribeWorkspacesInput{}); err != nil {
		t.Fatal(err)
	}
	if got := c.WorkSpaces.Lanes(); len(got) != 1 || got[0].ID.Account != "444455556666" {
		t.Errorf("lanes %v", got)
	}
	if want := []string{"sts AssumeRole worker", "workspaces DescribeWorkspaces worker"}; !cmp.Equal(operations(c), want) {
		t.Errorf("log: %q", operations(c))
	}
	// The stack's tables are not in that account.
	var missing *types.ResourceNotFoundException
	_, err := dynamodb.NewFromConfig(settings).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &c.Stack.Tables[0].Name})
	if !errors.As(err, &missing) {
		t.Errorf("a table of the stack in another account: %v", err)
	}
}

func TestWorkSpacesOfEachLane(t *testing.T) {
	c, _ := start(t)
	for _, region := range []string{"eu-central-1", "us-east-1"} {
		client := awsworkspaces.NewFromConfig(configOf(t, c, "worker"), func(o *awsworkspaces.Options) { o.Region = region })
		if _, err := client.DescribeWorkspaces(t.Context(), &awsworkspaces.DescribeWorkspacesInput{}); err != nil {
			t.Error(err)
		}
	}
	var lanes []string
	for _, l := range c.WorkSpaces.Lanes() {
		lanes = append(lanes, l.ID.String())
	}
	if want := []string{"111122223333/eu-central-1", "111122223333/us-east-1"}; !cmp.Equal(lanes, want) {
		t.Errorf("lanes %q", lanes)
	}
}

func TestAFaultStrikesOneCallerOnly(t *testing.T) {
	c, _ := start(t)
	injected, err := c.Inject(gateway.Fault{Service: "dynamodb", Caller: "worker", Why: service.Deny})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dynamodb.NewFromConfig(configOf(t, c, "planner")).ListTables(t.Context(), nil); err != nil {
		t.Error("the planner:", err)
	}
	if _, err := dynamodb.NewFromConfig(configOf(t, c, "worker")).ListTables(t.Context(), nil); err == nil || injected.Count() != 1 {
		t.Errorf("the worker: %v, struck %d times", err, injected.Count())
	}
}

func TestWhatCannotStart(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx     context.Context
		options emulator.Options
		want    string
	}{
		"no template":               {t.Context(), emulator.Options{}, "reading the template"},
		"dynalite is not installed": {t.Context(), emulator.Options{Template: stack, Modules: t.TempDir()}, "npm ci"},
		"the context has ended":     {ended, emulator.Options{Template: stack}, "context canceled"},
		"a table that DynamoDB refuses": {t.Context(), emulator.Options{Template: []byte(`{"Resources": {"T": {"Type": "AWS::DynamoDB::Table",
			"Properties": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}}}}`)}, "creating table rollcall-T-"},
		"a queue that SQS refuses": {t.Context(), emulator.Options{Template: []byte(`{"Resources": {"Q": {"Type": "AWS::SQS::Queue",
			"Properties": {"VisibilityTimeout": 99999999}}}}`)}, "creating queue rollcall-Q-"},
	} {
		if cloud, err := emulator.Start(c.ctx, c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, cloud, err)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	for name, leave := range map[string]func(*emulator.Cloud, context.CancelFunc) error{
		"close twice":      func(c *emulator.Cloud, _ context.CancelFunc) error { return errors.Join(c.Close(), c.Close()) },
		"the context ends": func(c *emulator.Cloud, end context.CancelFunc) error { end(); return c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			ctx, end := context.WithCancel(t.Context())
			defer end()
			c, err := emulator.Start(ctx, emulator.Options{Template: stack})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := dynamodb.NewFromConfig(configOf(t, c, "planner")).ListTables(t.Context(), nil); err != nil {
				t.Error(err)
			}
			pid, ca := c.Database.PID(), c.Gateway().CAFile()
			if err := leave(c, end); err != nil {
				t.Error(err)
			}
			if err := syscall.Kill(pid, 0); err == nil {
				t.Errorf("process %d is left", pid)
			}
			if _, err := os.Stat(ca); !os.IsNotExist(err) {
				t.Errorf("%s is left", ca)
			}
		})
	}
}

// TestACompiledFunctionLivesInTheCloud launches a real process as the worker, and lets the queue call it.
func TestACompiledFunctionLivesInTheCloud(t *testing.T) {
	folder, err := os.MkdirTemp("", "bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	bootstrap := filepath.Join(folder, "bootstrap")
	build := exec.Command("go", "build", "-o", bootstrap, "rollcall/shared/emulator/testdata/bootstrap")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	c, err := emulator.Start(t.Context(), emulator.Options{Template: stack})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	worker, err := c.Launch(t.Context(), "worker", bootstrap, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, "lane:job")
	var answer []byte
	n, err := c.Pump(t.Context(), "worker", func(ctx context.Context, payload []byte) (_ []byte, err error) {
		answer, err = emulator.Invoking(worker)(ctx, payload)
		return answer, err
	})
	if n != 1 || err != nil || left(t, c) != "" {
		t.Errorf("pumped %d, %v; left %q", n, err, left(t, c))
	}
	var seen struct{ Event, Name, Installation, Entra string }
	if err := json.Unmarshal(answer, &seen); err != nil {
		t.Fatal(err)
	}
	if _, all := bodies(t, []byte(seen.Event)); !cmp.Equal(all, []string{"job"}) || seen.Installation != "rollcall" ||
		seen.Name != function(t, c, "worker").Name || !strings.HasPrefix(seen.Entra, "4") { // answered, and refused: no tenant was named
		t.Errorf("the function saw %+v", seen)
	}
	if _, err := c.Launch(t.Context(), "nobody", bootstrap, nil); err == nil {
		t.Error("a function that is not there was launched")
	}
}

// send puts messages of "group:body" on the queue of jobs.
func send(t *testing.T, c *emulator.Cloud, messages ...string) {
	t.Helper()
	queue := function(t, c, "planner").Getenv(config.QueueURL)
	client := awssqs.NewFromConfig(configOf(t, c, "planner"))
	for _, m := range messages {
		group, body, _ := strings.Cut(m, ":")
		_, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: &queue, MessageBody: &body, MessageGroupId: &group, MessageDeduplicationId: &m,
			MessageAttributes: map[string]sqstypes.MessageAttributeValue{"kind": {DataType: aws.String("String"), StringValue: aws.String("test")}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// bodies are those of an event's messages, in their order.
func bodies(t *testing.T, payload []byte) (event events.SQSEvent, all []string) {
	t.Helper()
	if err := json.Unmarshal(payload, &event); err != nil {
		t.Fatal(err)
	}
	for _, r := range event.Records {
		all = append(all, r.Body)
	}
	return event, all
}

// left are the bodies of all messages of the queue of jobs.
func left(t *testing.T, c *emulator.Cloud) string {
	t.Helper()
	messages, err := c.Queues.Messages(jobs)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range messages {
		all = append(all, m.Body)
	}
	return strings.Join(all, " ")
}

func TestTheEventIsLambdas(t *testing.T) {
	c, _ := start(t)
	send(t, c, "lane:one")
	n, err := c.Pump(t.Context(), "worker", func(_ context.Context, payload []byte) ([]byte, error) {
		event, _ := bodies(t, payload)
		got := event.Records[0]
		if got.MessageId == "" || got.ReceiptHandle == "" || got.Attributes["MessageGroupId"] != "lane" ||
			got.Attributes["ApproximateReceiveCount"] != "1" || got.Attributes["MessageDeduplicationId"] != "lane:one" ||
			*got.MessageAttributes["kind"].StringValue != "test" || got.MessageAttributes["kind"].DataType != "String" ||
			got.EventSource != "aws:sqs" || got.AWSRegion != "eu-central-1" ||
			got.EventSourceARN != "arn:aws:sqs:eu-central-1:111122223333:rollcall-jobs.fifo" || got.Md5OfBody != "f97c5d29941bfb1b2fdab0874906ab82" {
			t.Errorf("got %+v", got)
		}
		return nil, nil
	})
	if n != 1 || err != nil || left(t, c) != "" {
		t.Errorf("pumped %d, %v, left %q", n, err, left(t, c))
	}
}

func TestPump(t *testing.T) {
	identified := func(format string) func(map[string]string) string {
		return func(ids map[string]string) string {
			for body, id := range ids {
				format = strings.ReplaceAll(format, "<"+body+">", id)
			}
			return format
		}
	}
	for name, c := range map[string]struct {
		answer    func(ids map[string]string) string // message ids by body
		fails     error
		left      string
		complaint string
	}{
		"no answer":              {answer: identified(``)},
		"null":                   {answer: identified(`null`)},
		"an empty object":        {answer: identified(`{}`)},
		"a null list":            {answer: identified(`{"batchItemFailures": null}`)},
		"an empty list":          {answer: identified(`{"batchItemFailures": []}`)},
		"one failed":             {answer: identified(`{"batchItemFailures": [{"itemIdentifier": "<a2>"}]}`), left: "a2"},
		"a lane failed":          {answer: identified(`{"batchItemFailures": [{"itemIdentifier": "<a1>"}, {"itemIdentifier": "<a2>"}]}`), left: "a1 a2"},
		"all failed":             {answer: identified(`{"batchItemFailures": [{"itemIdentifier": "<a1>"}, {"itemIdentifier": "<a2>"}, {"itemIdentifier": "<b1>"}]}`), left: "a1 a2 b1"},
		"the function failed":    {answer: identified(`{}`), fails: errors.New("out of time"), left: "a1 a2 b1", complaint: "pumping worker: out of time"},
		"no JSON":                {answer: identified(`done`), left: "a1 a2 b1", complaint: "reading the answer"},
		"JSON that is no object": {answer: identified(`"done"`), left: "a1 a2 b1", complaint: "reading the answer"},
		"no list":                {answer: identified(`{"batchItemFailures": "<a1>"}`), left: "a1 a2 b1", complaint: "batchItemFailures"},
		"an empty identifier":    {answer: identified(`{"batchItemFailures": [{"itemIdentifier": ""}]}`), left: "a1 a2 b1", complaint: "has no itemIdentifier"},
		"a null identifier":      {answer: identified(`{"batchItemFailures": [{"itemIdentifier": null}]}`), left: "a1 a2 b1", complaint: "has no itemIdentifier"},
		"another key":            {answer: identified(`{"batchItemFailures": [{"ItemIdentifier": "<a1>"}]}`), left: "a1 a2 b1", complaint: "has no itemIdentifier"},
		"nobody's identifier":    {answer: identified(`{"batchItemFailures": [{"itemIdentifier": "x"}]}`), left: "a1 a2 b1", complaint: "names x, which is not in the batch"},
	} {
		t.Run(name, func(t *testing.T) {
			cloud, _ := start(t)
			send(t, cloud, "a:a1", "a:a2", "b:b1")
			n, err := cloud.Pump(t.Context(), "worker", func(_ context.Context, payload []byte) ([]byte, error) {
				event, _ := bodies(t, payload)
				ids := map[string]string{}
				for _, r := range event.Records {
					ids[r.Body] = r.MessageId
				}
				return []byte(c.answer(ids)), c.fails
			})
			if n != 3 || (err != nil) != (c.complaint != "") || (err != nil && !strings.Contains(err.Error(), c.complaint)) {
				t.Errorf("pumped %d, %v; want 3, %s", n, err, c.complaint)
			}
			if c.fails != nil && !errors.Is(err, c.fails) {
				t.Errorf("%v is not the handler's error", err)
			}
			if got := left(t, cloud); got != c.left {
				t.Errorf("left %q, want %q", got, c.left)
			}
		})
	}
}

// TestWhatFailsComesAgainAndIsSetAside follows a message that always fails, and the one behind it in its lane.
func TestWhatFailsComesAgainAndIsSetAside(t *testing.T) {
	c, now := start(t)
	send(t, c, "a:bad", "b:good")
	var seen []string
	turn := func() int {
		n, err := c.Pump(t.Context(), "worker", func(_ context.Context, payload []byte) ([]byte, error) {
			event, all := bodies(t, payload)
			seen = append(seen, strings.Join(all, "+"))
			for _, r := range event.Records {
				if r.Body == "bad" {
					return []byte(`{"batchItemFailures": [{"itemIdentifier": "` + r.MessageId + `"}]}`), nil
				}
			}
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	turn()
	send(t, c, "a:behind")
	if n := turn(); n != 0 {
		t.Errorf("a lane with a message in flight gave %d", n)
	}
	for range 3 {
		now.Advance(6 * time.Minute) // the queue's visibility timeout
		turn()
	}
	if got, want := strings.Join(seen, ", "), "bad+good, bad+behind, bad"; got != want {
		t.Errorf("seen %s, want %s", got, want)
	}
	dead, err := c.Queues.DeadLetters(jobs)
	if err != nil || len(dead) != 1 || dead[0].Body != "bad" || left(t, c) != "" {
		t.Errorf("dead letters %v, %v; left %q", dead, err, left(t, c))
	}
}

func TestABatchIsNoLargerThanTheMappingSays(t *testing.T) {
	c, _ := start(t)
	for i := range 13 {
		send(t, c, fmt.Sprintf("g%d:%d", i, i))
	}
	var sizes []int
	for {
		n, err := c.Pump(t.Context(), "worker", func(context.Context, []byte) ([]byte, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		sizes = append(sizes, n)
	}
	if !cmp.Equal(sizes, []int{10, 3}) {
		t.Errorf("batches of %v", sizes)
	}
}

func TestOrderWithinALane(t *testing.T) {
	c, _ := start(t)
	var want []string
	for i := range 8 {
		want = append(want, fmt.Sprint(i))
		send(t, c, fmt.Sprintf("lane:%d", i))
	}
	_, err := c.Pump(t.Context(), "worker", func(_ context.Context, payload []byte) ([]byte, error) {
		if _, got := bodies(t, payload); !cmp.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPumpingAFunctionWithoutAMapping(t *testing.T) {
	c, _ := start(t)
	for name, want := range map[string]string{"planner": "no event source mapping", "nobody": "no function"} {
		if _, err := c.Pump(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAQueueThatRefusesIsNotAnEmptyQueue(t *testing.T) {
	c, _ := start(t)
	send(t, c, "a:1")
	if _, err := c.Inject(gateway.Fault{Service: "sqs", Operation: "ReceiveMessage", Why: service.Deny}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pump(t.Context(), "worker", nil); err == nil || !strings.Contains(err.Error(), "receiving from "+jobs) {
		t.Errorf("got %v", err)
	}
}

func TestADeleteThatFailsIsTold(t *testing.T) {
	c, now := start(t)
	send(t, c, "a:1")
	_, err := c.Pump(t.Context(), "worker", func(context.Context, []byte) ([]byte, error) {
		now.Advance(7 * time.Minute) // longer than the visibility timeout: the receipt handle has expired
		return nil, nil
	})
	if err == nil || !strings.Contains(err.Error(), "deleting message") {
		t.Errorf("got %v", err)
	}
}

// BenchmarkStart is how long a person waits for the cloud, and a test for its own: about 0.1 s on two cores.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		c, err := emulator.Start(b.Context(), emulator.Options{Template: stack})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// Package functions_test runs the functions that ship, compiled, as processes of their own: the schedule's event into
// the planner, its jobs through the queue into the worker, against the embedded cloud that starts from the stack's own
// template. AWS is spoken to over HTTP, Entra and Graph over HTTPS under a private CA.
//
// It exists because what is tested as a Go function may still forget its environment, its decoding, its certificates
// or its exit code. It refuses to test rules: those have tables of their own, beside the packages that decide.
package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rollcall/functions/compiled"
	"rollcall/infra/snapshot"
	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/emulator"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/emulator/runtime"
	"rollcall/shared/emulator/workspaces"
	"rollcall/shared/ledger"
	"rollcall/shared/profile"
	"rollcall/shared/reconcile"
)

// Where everything is.
const (
	account   = "111122223333"
	region    = "eu-central-1"
	directory = "d-9067012345"
	bundle    = "wsb-0standard1"
)

// binaries are the functions' bootstraps, built once by TestMain.
var binaries struct{ folder, planner, worker string }

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "rollcall-functions-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	binaries.folder = folder
	for name, to := range map[string]*string{"planner": &binaries.planner, "worker": &binaries.worker} {
		if *to, err = compiled.Function(context.Background(), folder, name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// company is a tenant, an account and a running stack: what an administrator has on the day when rollcall is deployed.
type company struct {
	t     testing.TB
	cloud *emulator.Cloud
	lane  *workspaces.Lane
	book  *ledger.Ledger
	rows  *ledger.Profiles

	ids   map[string]string // of users and groups, by name
	names map[string]string // of users, by object id
	log   *transcript       // of both functions
	taken []string          // receipt handles of the messages that a worker did not settle
}

// transcript is what the functions write. Two processes write to it at a time.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// open starts the stack in a company without people. A desktop takes half a second to come up.
func open(t testing.TB, change ...func(*emulator.Options)) *company {
	t.Helper()
	knobs := workspaces.Usual()
	knobs.VisibleAfter, knobs.PlacedAfter = workspaces.Range{}, workspaces.Range{}
	knobs.ReadyAfter = workspaces.Range{Min: 500 * time.Millisecond}
	options := emulator.Options{Template: snapshot.Template, Account: account, Region: region, Lanes: &knobs}
	for _, c := range change {
		c(&options)
	}
	cloud, err := emulator.Start(context.Background(), options)
	must(t, err)
	c := &company{t: t, cloud: cloud, ids: map[string]string{}, names: map[string]string{}, log: &transcript{}}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the functions wrote:\n%s", c.log)
		}
	})
	tables := dynamodb.NewFromConfig(cloud.Config("onlooker", "", ""))
	c.book = ledger.New(tables, c.env("planner")[config.LedgerTable])
	c.rows = ledger.NewProfiles(tables, c.env("planner")[config.ProfilesTable])
	c.lane = cloud.WorkSpaces.Lane(account, region)
	must(t, c.lane.SetQuota(workspaces.WorkSpacesQuota, 100))
	must(t, c.lane.AddBundle(workspaces.Bundle{ID: bundle, Name: "Standard", Owner: "AMAZON"}))
	must(t, c.lane.AddSubnet(workspaces.Subnet{ID: "subnet-0aaaaaaaaaaaaaaa1", Zone: "eu-central-1a", Free: 100}))
	must(t, c.lane.AddDirectory(workspaces.Directory{ID: directory, Name: "corp.example.com", Subnets: []string{"subnet-0aaaaaaaaaaaaaaa1"}}))
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// unthrottled takes the account's limit away, for tests that are about something else than calls a second.
func unthrottled(o *emulator.Options) { o.Lanes.Rate = 0 }

// group adds a group with members that are there already.
func (c *company) group(name string, members ...string) {
	c.t.Helper()
	g, err := c.cloud.Graph.Tenant.AddGroup(graph.Group{DisplayName: name})
	must(c.t, err)
	c.ids[name] = g.ID
	c.join(name, members...)
}

func (c *company) join(group string, members ...string) {
	c.t.Helper()
	for _, m := range members {
		must(c.t, c.cloud.Graph.Tenant.AddMember(c.ids[group], c.ids[m]))
	}
}

// hire adds people to Entra, synchronised from Active Directory, and to the directory of WorkSpaces.
func (c *company) hire(names ...string) {
	c.t.Helper()
	for _, name := range names {
		c.user(name, graph.User{UserPrincipalName: name + "@contoso.com", OnPremises: graph.OnPremises{Synced: true, SAMAccountName: name}})
	}
	must(c.t, c.lane.AddUsers(directory, names...))
}

func (c *company) user(name string, u graph.User) {
	c.t.Helper()
	made, err := c.cloud.Graph.Tenant.AddUser(u)
	must(c.t, err)
	c.ids[name], c.names[made.ID] = made.ID, name
}

// write puts a profile into the profiles table, as an administrator does in the console: the usual fields and those
// given, of which nil takes one away.
func (c *company) write(id string, fields map[string]any) {
	c.t.Helper()
	all := map[string]any{"group": "Sales", "account": account, "region": region, "directory": directory, "bundle": bundle}
	maps.Copy(all, fields)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	must(c.t, c.rows.Put(c.t.Context(), profile.Document{ID: id, Fields: all}))
}

func (c *company) env(function string) map[string]string {
	c.t.Helper()
	f, err := c.cloud.Function(function)
	must(c.t, err)
	return f.Environment
}

// start starts a function from its compiled bootstrap, as deployed but for what settings change.
func (c *company) start(name string, settings ...string) *runtime.Function {
	c.t.Helper()
	f, err := c.cloud.Function(name)
	must(c.t, err)
	env := maps.Clone(f.Environment)
	for _, s := range settings {
		variable, value, _ := strings.Cut(s, "=")
		env[variable] = value
	}
	bootstrap := map[string]string{"planner": binaries.planner, "worker": binaries.worker}[name]
	running, err := runtime.Start(context.Background(), runtime.Options{
		Bootstrap: bootstrap, Env: env, Name: f.Name,
		Account: account, Memory: f.Memory, Timeout: f.Timeout, Log: c.log,
	})
	must(c.t, err)
	c.t.Cleanup(running.Close)
	return running
}

// ask gives the planner an event and reads its answer; the function's own error comes back as the error.
func (c *company) ask(planner *runtime.Function, event string, into any) error {
	c.t.Helper()
	result, err := planner.Invoke(c.t.Context(), []byte(event))
	if err != nil {
		return err
	}
	if result.Error != nil {
		return result.Error
	}
	return json.Unmarshal(result.Payload, into)
}

// scheduled is the event that the stack's schedule sends.
func (c *company) scheduled() string {
	c.t.Helper()
	if n := len(c.cloud.Stack.Schedules); n != 1 {
		c.t.Fatalf("the stack has %d schedules", n)
	}
	return c.cloud.Stack.Schedules[0].Input
}

// tick is a run of the schedule that must not fail.
func (c *company) tick(planner *runtime.Function) (r reconcile.Report) {
	c.t.Helper()
	must(c.t, c.ask(planner, c.scheduled(), &r))
	return r
}

// approve does what an administrator does: reads in a tick's report how to approve the profile, and sends just that.
func (c *company) approve(planner *runtime.Function, id string) {
	c.t.Helper()
	for _, p := range c.tick(planner).Problems {
		event := regexp.MustCompile(`\{"action":"approve"[^}]*\}`).FindString(p.Text)
		if p.Profile != id || event == "" {
			continue
		}
		var approval reconcile.Approval
		must(c.t, c.ask(planner, strings.Replace(event, "your name", "ada@contoso.com", 1), &approval))
		if approval.Profile != id || approval.GroupName != "Sales" || approval.By != "ada@contoso.com" {
			c.t.Fatalf("approved: %+v", approval)
		}
		return
	}
	c.t.Fatalf("no report says how to approve profile %s", id)
}

// turn is one batch of the queue, handed to the worker. The messages of a worker that did not answer stay in flight.
func (c *company) turn(worker *runtime.Function) (int, error) {
	invoke := emulator.Invoking(worker)
	return c.cloud.Pump(c.t.Context(), "worker", func(ctx context.Context, payload []byte) ([]byte, error) {
		answer, err := invoke(ctx, payload)
		if err != nil {
			var batch awsevents.SQSEvent
			must(c.t, json.Unmarshal(payload, &batch))
			for _, m := range batch.Records {
				c.taken = append(c.taken, m.ReceiptHandle)
			}
		}
		return answer, err
	})
}

// work hands the worker all that is on the queue.
func (c *company) work(worker *runtime.Function) {
	c.t.Helper()
	for {
		n, err := c.turn(worker)
		must(c.t, err)
		if n == 0 {
			return
		}
	}
}

// enough bounds how long a test waits for a state; none of them takes a tenth of it.
const enough = 30 * time.Second

// until ticks and works until everyone is as wanted (nobody else is in the ledger), and complains when that takes too
// long. The schedule is the waiter, and looks at a new desktop after two minutes; here that is made due at once.
func (c *company) until(planner, worker *runtime.Function, want map[string]assignment.Status) {
	c.t.Helper()
	var watch clock.System
	for began := watch.Now(); ; {
		c.tick(planner)
		c.work(worker)
		got := c.statuses()
		if maps.Equal(got, want) {
			return
		}
		if watch.Now().Sub(began) > enough {
			c.t.Fatalf("after %s the ledger says %v, want %v", enough, got, want)
		}
		c.hasten()
	}
}

// hasten makes due whoever has a create under way.
func (c *company) hasten() {
	c.t.Helper()
	var underWay []assignment.Key
	for _, a := range c.people() {
		if a.Status.InFlight() {
			underWay = append(underWay, a.Key)
		}
	}
	must(c.t, c.book.Poke(c.t.Context(), underWay, clock.System{}.Now()))
}

// people are the ledger's items by the person's name.
func (c *company) people() map[string]assignment.Assignment {
	c.t.Helper()
	all := map[string]assignment.Assignment{}
	for a, err := range c.book.Everyone(c.t.Context()) {
		must(c.t, err)
		all[c.names[a.Person]] = a
	}
	return all
}

func (c *company) statuses() map[string]assignment.Status {
	c.t.Helper()
	all := map[string]assignment.Status{}
	for name, a := range c.people() {
		all[name] = a.Status
	}
	return all
}

// desktops are the WorkSpaces at AWS by user name, gone ones among them. Nobody may ever have had two.
func (c *company) desktops() map[string]workspaces.WorkSpace {
	c.t.Helper()
	all := map[string]workspaces.WorkSpace{}
	for _, w := range append(c.lane.List(), c.lane.Gone()...) {
		if other, twice := all[w.User]; twice {
			c.t.Errorf("%s has two desktops: %s and %s", w.User, other.ID, w.ID)
		}
		all[w.User] = w
	}
	return all
}

// queue is the name of the queue of jobs.
func (c *company) queue() string {
	c.t.Helper()
	url := c.env("planner")[config.QueueURL]
	return url[strings.LastIndexByte(url, '/')+1:]
}

// letters are the bodies of the messages on the queue of jobs, and on its dead-letter queue.
func (c *company) letters() (waiting, dead []string) {
	c.t.Helper()
	messages, err := c.cloud.Queues.Messages(c.queue())
	must(c.t, err)
	for _, m := range messages {
		waiting = append(waiting, m.Body)
	}
	messages, err = c.cloud.Queues.DeadLetters(c.queue())
	must(c.t, err)
	for _, m := range messages {
		dead = append(dead, m.Body)
	}
	return waiting, dead
}

// halfAnHour passes for what a process left behind when it was killed: its lease, and the messages in its hands.
func (c *company) halfAnHour() {
	c.t.Helper()
	held, err := c.book.Lease(c.t.Context())
	must(c.t, err)
	if held.Holder != "" {
		_, err = c.book.Renew(c.t.Context(), held, held.Since.Add(-time.Hour), time.Minute)
		must(c.t, err)
	}
	queue := c.env("planner")[config.QueueURL]
	client := awssqs.NewFromConfig(c.cloud.Config("onlooker", "", ""))
	for _, handle := range c.taken {
		_, err := client.ChangeMessageVisibility(c.t.Context(), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &queue, ReceiptHandle: &handle})
		must(c.t, err)
	}
	c.taken = nil
	c.hasten()
}

// everything is all that is stored in both tables, but for the lease, which every tick takes and gives back.
func (c *company) everything() string {
	c.t.Helper()
	client := dynamodb.NewFromConfig(c.cloud.Config("onlooker", "", ""))
	var all []string
	for _, table := range c.cloud.Stack.Tables {
		out, err := client.Scan(c.t.Context(), &dynamodb.ScanInput{TableName: aws.String(table.Name), ConsistentRead: aws.Bool(true)})
		must(c.t, err)
		if out.LastEvaluatedKey != nil {
			c.t.Fatal("the table has more than one page: this looks at half of it")
		}
		for _, item := range out.Items {
			encoded, err := json.Marshal(item)
			must(c.t, err)
			if line := string(encoded); !strings.Contains(line, `{"Value":"LEASE"}`) {
				all = append(all, line)
			}
		}
	}
	return strings.Join(all, "\n")
}

// failure is a function's own error, or what else went wrong.
func failure(t testing.TB, err error) string {
	t.Helper()
	var own *runtime.Error
	if !errors.As(err, &own) {
		t.Fatalf("the function did not fail by itself: %v", err)
	}
	return own.Message
}

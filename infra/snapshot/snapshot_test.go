package snapshot_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"rollcall/events"
	"rollcall/infra/snapshot"
	"rollcall/shared/config"
	"rollcall/shared/emulator/template"
	"rollcall/shared/ledger"
)

// deployed is the snapshot as the embedded cloud reads it.
func deployed(t *testing.T) *template.Stack {
	t.Helper()
	stack, err := template.Read(snapshot.Template, template.Place{Account: "111122223333", Region: "eu-central-1", Stack: "rollcall"})
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

func named[T any](t *testing.T, all []T, id string, idOf func(T) string) T {
	t.Helper()
	i := slices.IndexFunc(all, func(one T) bool { return idOf(one) == id })
	if i < 0 {
		t.Fatalf("there is no %s in the snapshot", id)
	}
	return all[i]
}

func function(t *testing.T, s *template.Stack, id string) template.Function {
	t.Helper()
	return named(t, s.Functions, id, func(f template.Function) string { return f.ID })
}

func table(t *testing.T, s *template.Stack, id string) template.Table {
	t.Helper()
	return named(t, s.Tables, id, func(one template.Table) string { return one.ID })
}

func queue(t *testing.T, s *template.Stack, id string) template.Queue {
	t.Helper()
	return named(t, s.Queues, id, func(q template.Queue) string { return q.ID })
}

func getenv(f template.Function) func(string) string {
	return func(name string) string { return f.Environment[name] }
}

func TestThePlannersEnvironmentIsComplete(t *testing.T) {
	s := deployed(t)
	got, err := config.ReadPlanner(getenv(function(t, s, "Planner")))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Planner{
		Installation:  "rollcall",
		LedgerTable:   table(t, s, "Ledger").Name,
		ProfilesTable: table(t, s, "Profiles").Name,
		QueueURL:      queue(t, s, "Jobs").URL,
		GraphSecret:   s.Secrets[0].ARN,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheWorkersEnvironmentIsComplete(t *testing.T) {
	s := deployed(t)
	got, err := config.ReadWorker(getenv(function(t, s, "Worker")))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Worker{
		Installation:  "rollcall",
		LedgerTable:   table(t, s, "Ledger").Name,
		DeadLetterURL: queue(t, s, "DeadLetters").URL,
		Account:       "111122223333",
		CallRate:      config.DefaultCallRate,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A variable that nobody reads is a setting that does nothing.
func TestNoVariableIsSetInVain(t *testing.T) {
	s := deployed(t)
	read := map[string]bool{}
	remember := func(f template.Function) func(string) string {
		return func(name string) string { read[f.ID+" "+name] = true; return f.Environment[name] }
	}
	planner, worker := function(t, s, "Planner"), function(t, s, "Worker")
	if _, err := config.ReadPlanner(remember(planner)); err != nil {
		t.Fatal(err)
	}
	if _, err := config.ReadWorker(remember(worker)); err != nil {
		t.Fatal(err)
	}
	for _, f := range []template.Function{planner, worker} {
		for name := range f.Environment {
			if !read[f.ID+" "+name] {
				t.Errorf("%s is given %s, which it does not read", f.ID, name)
			}
		}
	}
}

func TestTheTablesAreAsTheLedgerDefinesThem(t *testing.T) {
	s := deployed(t)
	for id, definition := range map[string]*dynamodb.CreateTableInput{
		"Ledger": ledger.Definition("x"), "Profiles": ledger.ProfilesDefinition("x"),
	} {
		got, want := table(t, s, id), template.Table{Attributes: map[string]string{}}
		for _, k := range definition.KeySchema {
			want.Keys = append(want.Keys, template.Key{Attribute: *k.AttributeName, Role: string(k.KeyType)})
		}
		for _, a := range definition.AttributeDefinitions {
			want.Attributes[*a.AttributeName] = string(a.AttributeType)
		}
		for _, i := range definition.GlobalSecondaryIndexes {
			index := template.Index{Name: *i.IndexName, Projection: string(i.Projection.ProjectionType)}
			for _, k := range i.KeySchema {
				index.Keys = append(index.Keys, template.Key{Attribute: *k.AttributeName, Role: string(k.KeyType)})
			}
			want.Global = append(want.Global, index)
		}
		if id == "Ledger" {
			want.Expiry = ledger.Expires
		}
		want.ID, want.Name, want.ARN = got.ID, got.Name, got.ARN
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: package ledger (-), stack (+):\n%s", id, diff)
		}
	}
}

func TestTheScheduleStartsThePlannerWithAnEventThatItReads(t *testing.T) {
	s := deployed(t)
	if len(s.Schedules) != 1 || s.Schedules[0].Function != "Planner" || !s.Schedules[0].Enabled {
		t.Fatalf("one schedule of the planner is expected, got %+v", s.Schedules)
	}
	got, err := events.DecodeRequest([]byte(s.Schedules[0].Input))
	if err != nil {
		t.Fatal(err)
	}
	if want := (events.Request{Action: events.Run, By: "schedule"}); got != want {
		t.Errorf("the schedule's event is %+v, expected %+v", got, want)
	}
}

func TestJobsReachTheWorkerInTime(t *testing.T) {
	s := deployed(t)
	if len(s.Mappings) != 1 {
		t.Fatalf("one event source mapping is expected, got %+v", s.Mappings)
	}
	want := template.Mapping{ID: "JobsToWorker", Function: "Worker", Queue: "Jobs", BatchSize: 10, PartialFailures: true, Enabled: true}
	if diff := cmp.Diff(want, s.Mappings[0]); diff != "" {
		t.Error(diff)
	}
	jobs := queue(t, s, "Jobs")
	wanted := map[string]string{
		"FifoQueue": "true", "MessageRetentionPeriod": "1209600", "VisibilityTimeout": "1800",
		"RedrivePolicy": `{"deadLetterTargetArn":"` + queue(t, s, "DeadLetters").ARN + `","maxReceiveCount":5}`,
	}
	if diff := cmp.Diff(wanted, jobs.Attributes); diff != "" {
		t.Error(diff)
	}
	if worker := function(t, s, "Worker"); worker.Timeout.Seconds()*6 > 1800 {
		t.Errorf("a message is invisible for 1800 s, which is less than six times the worker's timeout of %s", worker.Timeout)
	}
}

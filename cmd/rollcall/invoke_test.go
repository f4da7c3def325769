package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"

	"rollcall/infra/snapshot"
	"rollcall/shared/config"
	"rollcall/shared/emulator"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/service"
	"rollcall/shared/emulator/workspaces"
	"rollcall/shared/reconcile"
)

// embedded is the stack in the embedded cloud, without people.
func embedded(t *testing.T) *emulator.Cloud {
	t.Helper()
	cloud, err := emulator.Start(t.Context(), emulator.Options{Template: snapshot.Template})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return cloud
}

// environ is what a person exports to point a function at a cloud.
func environ(t *testing.T, cloud *emulator.Cloud, function string, change func(map[string]string)) (all []string) {
	t.Helper()
	f, err := cloud.Function(function)
	if err != nil {
		t.Fatal(err)
	}
	env := maps.Clone(f.Environment)
	if change != nil {
		change(env)
	}
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

// TestInvokePlanner: the answer alone on standard output; on standard error what the function logged, and what it took.
func TestInvokePlanner(t *testing.T) {
	t.Parallel()
	cloud := embedded(t)
	c := rollcall(t, environ(t, cloud, "planner", nil), "invoke", "planner", "--event", "../../events/run.json", "--bootstrap", binaries.planner)
	if status := c.run(); status != 0 {
		t.Fatalf("ended with %d: %s", status, &c.errs)
	}
	var r reconcile.Report
	if err := json.Unmarshal(c.out.Bytes(), &r); err != nil || r.Action != "run" || !r.Done.Finished {
		t.Errorf("printed %s, %v", &c.out, err)
	}
	log, report, found := strings.Cut(c.errs.String(), "\nREPORT ")
	var line struct{ Message, Function string }
	if err := json.Unmarshal([]byte(log), &line); err != nil || line.Message != "tick" || line.Function != "planner" || !found {
		t.Errorf("the log is %q, %v", log, err)
	}
	took := regexp.MustCompile(`^planner init ([0-9]+)ms, duration [0-9.]+m?s, peak memory ([0-9.]+) MB of ([0-9]+) MB\n$`).FindStringSubmatch(report)
	if took == nil {
		t.Fatalf("the report is %q", report)
	}
	planner, err := cloud.Function("planner")
	if err != nil {
		t.Fatal(err)
	}
	peak, err := strconv.ParseFloat(took[2], 64)
	if err != nil || took[1] == "0" || peak < 5 || peak > 100 || took[3] != strconv.Itoa(planner.Memory) {
		t.Errorf("the report is %q", report)
	}
}

// TestInvokeWithAnEndpointForEachService, and the event from standard input.
func TestInvokeWithAnEndpointForEachService(t *testing.T) {
	t.Parallel()
	cloud := embedded(t)
	c := rollcall(t, environ(t, cloud, "planner", func(env map[string]string) {
		for _, service := range []string{"DYNAMODB", "SQS", "SECRETS_MANAGER", "STS"} {
			env["AWS_ENDPOINT_URL_"+service] = env["AWS_ENDPOINT_URL"]
		}
		delete(env, "AWS_ENDPOINT_URL")
	}), "invoke", "planner", "--event", "-", "--bootstrap", binaries.planner)
	c.Stdin = strings.NewReader(`{"action": "dryRun", "by": "ada"}`)
	var r reconcile.Report
	if status := c.run(); status != 0 || json.Unmarshal(c.out.Bytes(), &r) != nil || r.Action != "dryRun" || r.By != "ada" {
		t.Errorf("ended with %d, printed %s and said %s", status, &c.out, &c.errs)
	}
}

// TestInvokeWorker hands it one message of the queue, as Lambda does.
func TestInvokeWorker(t *testing.T) {
	t.Parallel()
	cloud := embedded(t)
	job, err := os.ReadFile("../../events/job-survey.json")
	if err != nil {
		t.Fatal(err)
	}
	var asked struct {
		Lane        struct{ Account, Region string }
		Directories []string
	}
	if err := json.Unmarshal(job, &asked); err != nil || len(asked.Directories) == 0 {
		t.Fatalf("the sample of a survey: %+v, %v", asked, err)
	}
	lane := cloud.WorkSpaces.Lane(asked.Lane.Account, asked.Lane.Region)
	lane.Set(func(k *workspaces.Knobs) { k.Rate = 0 })
	event, err := json.Marshal(awsevents.SQSEvent{Records: []awsevents.SQSMessage{
		{MessageId: "1", Body: string(job), Attributes: map[string]string{"MessageGroupId": lane.ID.String()}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "batch.json")
	if err := os.WriteFile(file, event, 0o600); err != nil {
		t.Fatal(err)
	}
	c := rollcall(t, environ(t, cloud, "worker", func(env map[string]string) { env[config.CallRate] = "100" }),
		"invoke", "worker", "--event", file, "--bootstrap", binaries.worker)
	status := c.run()
	var answer awsevents.SQSEventResponse
	if err := json.Unmarshal(c.out.Bytes(), &answer); err != nil || status != 0 || answer.BatchItemFailures == nil || len(answer.BatchItemFailures) != 0 {
		t.Errorf("ended with %d, printed %s, %v", status, &c.out, err)
	}
	if said := c.errs.String(); !strings.Contains(said, `"message":"lane done"`) || !strings.Contains(said, "\nREPORT worker init ") {
		t.Errorf("said %q", said)
	}
	seen := map[string]bool{}
	for _, call := range cloud.Log().Since(0) {
		seen[call.Caller+" "+call.Operation] = true
	}
	if !seen["worker DescribeWorkspaceDirectories"] || !seen["worker PutItem"] {
		t.Errorf("the worker did no survey: %v", seen)
	}
}

// TestInvokeThatFails: 1 where the function or its start fails, 2 where the words are wrong; and always why.
func TestInvokeThatFails(t *testing.T) {
	t.Parallel()
	cloud := embedded(t)
	planner, worker := environ(t, cloud, "planner", nil), environ(t, cloud, "worker", nil)
	half := environ(t, cloud, "worker", func(env map[string]string) {
		delete(env, config.LedgerTable)
		delete(env, config.DeadLetterURL)
	})
	refused := environ(t, cloud, "planner", func(env map[string]string) { env["SSL_CERT_FILE"] = os.DevNull })
	run := []string{"--event", "../../events/run.json"}
	for name, k := range map[string]struct {
		environment []string
		arguments   []string
		stdin       string
		status      int
		printed     string // of the function's own error
		said        []string
	}{
		"an event that cannot be read": {
			planner,
			[]string{"planner", "--event", "-", "--bootstrap", binaries.planner},
			`{"action": "explode"}`, 1,
			`action is "explode": expected one of`,
			[]string{"REPORT planner", "rollcall: the function failed"},
		},
		"a job that came by no queue": {
			worker,
			[]string{"worker", "--event", "../../events/job-survey.json", "--bootstrap", binaries.worker},
			"", 1,
			"this event holds no message of the queue",
			[]string{"rollcall: the function failed"},
		},
		"an event that is no JSON": {
			planner,
			[]string{"planner", "--event", "-", "--bootstrap", binaries.planner},
			`{`, 1,
			"",
			[]string{"rollcall: the function failed"},
		},
		"a tick that fails": {
			refused, append([]string{"planner", "--bootstrap", binaries.planner}, run...), "", 1,
			"signing in to Microsoft Entra",
			[]string{"rollcall: the function failed"},
		},
		"no environment": {
			nil, append([]string{"planner", "--bootstrap", binaries.planner}, run...), "", 1,
			"",
			[]string{config.Installation, config.LedgerTable, config.ProfilesTable, config.QueueURL, config.GraphSecret},
		},
		"half an environment": {
			half, append([]string{"worker", "--bootstrap", binaries.worker}, run...), "", 1,
			"",
			[]string{config.LedgerTable + " is missing", config.DeadLetterURL + " is missing"},
		},
		"nothing compiled": {
			planner, append([]string{"planner", "--bootstrap", "nowhere/bootstrap"}, run...), "", 1,
			"",
			[]string{"nowhere/bootstrap is not there", "make build-local"},
		},
		"no such event":       {planner, []string{"planner", "--event", "gone.json", "--bootstrap", binaries.planner}, "", 1, "", []string{"gone.json"}},
		"no event named":      {planner, []string{"planner"}, "", 2, "", []string{"--event"}},
		"no such function":    {planner, append([]string{"notifier"}, run...), "", 2, "", []string{"notifier", "planner"}},
		"no function named":   {planner, run, "", 2, "", []string{"<function>"}},
		"a flag nobody knows": {planner, append([]string{"planner", "--bootstrp", "x"}, run...), "", 2, "", []string{"--bootstrp"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := rollcall(t, k.environment, append([]string{"invoke"}, k.arguments...)...)
			c.Stdin = strings.NewReader(k.stdin)
			if status := c.run(); status != k.status {
				t.Errorf("ended with %d, want %d", status, k.status)
			}
			for _, words := range k.said {
				if !strings.Contains(c.errs.String(), words) {
					t.Errorf("it says nothing of %q: %s", words, &c.errs)
				}
			}
			if k.printed != "" {
				var own struct{ ErrorMessage, ErrorType string }
				if err := json.Unmarshal(c.out.Bytes(), &own); err != nil || !strings.Contains(own.ErrorMessage, k.printed) || own.ErrorType == "" {
					t.Errorf("printed %s, %v; want the function's error, with %q", &c.out, err, k.printed)
				}
			}
		})
	}
}

// TestInvokeHidesThePersonsEnvironment: the function sees what is meant for it, and nothing else of ours.
func TestInvokeHidesThePersonsEnvironment(t *testing.T) {
	t.Parallel()
	got := environment([]string{"HOME=/root", "AWS_REGION=eu-central-1", "AWS_LAMBDA_RUNTIME_API=x", "ROLLCALL_INSTALLATION=acme", "SSL_CERT_FILE=ca.pem", "PATH=/bin", "EMPTY"})
	if want := map[string]string{"AWS_REGION": "eu-central-1", "ROLLCALL_INSTALLATION": "acme", "SSL_CERT_FILE": "ca.pem"}; !maps.Equal(got, want) {
		t.Errorf("the function sees %v, want %v", got, want)
	}
}

// TestInvokeIsInterrupted in the middle of a call that does not come back: the function's process goes too.
func TestInvokeIsInterrupted(t *testing.T) {
	t.Parallel()
	cloud := embedded(t)
	called, release := make(chan struct{}, 1), make(chan struct{})
	stop := cloud.Watch(gateway.Watcher{Before: func(call service.Call) {
		if call.Service == "secretsmanager" {
			called <- struct{}{}
			<-release
		}
	}})
	defer stop()
	defer close(release)
	c := rollcall(t, environ(t, cloud, "planner", nil), "invoke", "planner", "--event", "../../events/run.json", "--bootstrap", binaries.planner)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-called:
	case <-t.Context().Done():
	}
	if left := session(t, c.Process.Pid); len(left) == 1 {
		t.Error("there is no process of the function: this test would prove nothing")
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := c.end(); status != 130 || !bytes.Contains(c.errs.Bytes(), []byte("interrupted")) || c.out.Len() != 0 {
		t.Errorf("ended with %d, printed %q and said %q", status, &c.out, &c.errs)
	}
}

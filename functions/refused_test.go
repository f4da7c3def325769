package functions_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"rollcall/shared/assignment"
	"rollcall/shared/config"
	"rollcall/shared/emulator"
	"rollcall/shared/emulator/runtime"
	"rollcall/shared/queue"
	"rollcall/shared/reconcile"
)

// TestMissingEnvironmentIsSaidAtOnce starts both functions with nothing but what Lambda itself sets.
func TestMissingEnvironmentIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bootstrap string
		env       map[string]string
		said      []string
		quiet     []string
	}{
		"planner, all": {
			binaries.planner, nil,
			[]string{config.Installation, config.LedgerTable, config.ProfilesTable, config.QueueURL, config.GraphSecret},
			[]string{config.GraphURL, config.Authority, config.DeadLetterURL},
		},
		"worker, all": {
			binaries.worker, nil,
			[]string{config.Installation, config.LedgerTable, config.DeadLetterURL, config.Account},
			[]string{config.MemberRole, config.CallRate, config.QueueURL},
		},
		"planner, some, and one is wrong": {
			binaries.planner,
			map[string]string{config.LedgerTable: "ledger", config.ProfilesTable: "profiles", config.QueueURL: "jobs.fifo"},
			[]string{config.Installation, config.GraphSecret, config.QueueURL},
			[]string{config.LedgerTable, config.ProfilesTable},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := runtime.Start(t.Context(), runtime.Options{Bootstrap: c.bootstrap, Env: c.env})
			if err == nil {
				f.Close()
				t.Fatal("it started")
			}
			_, said, _ := strings.Cut(err.Error(), "its log ends: ")
			if lines := strings.Count(said, "\n"); lines != 1 || !strings.HasPrefix(said, "the environment is not complete: ") || !strings.Contains(err.Error(), "exit status 1") {
				t.Errorf("said %q", err)
			}
			for _, variable := range c.said {
				if !strings.Contains(said, variable+" is ") {
					t.Errorf("%q does not speak of %s", said, variable)
				}
			}
			for _, variable := range c.quiet {
				if strings.Contains(said, variable) {
					t.Errorf("%q speaks of %s", said, variable)
				}
			}
		})
	}
}

// TestACredentialThatDoesNotWork: the tick fails with one clear sentence, writes nothing and sends nothing; whoever
// joins meanwhile is found by the tick after the repair.
func TestACredentialThatDoesNotWork(t *testing.T) {
	t.Parallel()
	// Nobody has filled in the secret yet when the company opens.
	c := open(t, unthrottled, func(o *emulator.Options) { o.NoCredential = true })
	c.hire("ada")
	c.group("Sales", "ada")
	c.write("sales", nil)
	planner, worker := c.start("planner"), c.quick()
	good := c.cloud.Credential()
	spoilt := func(from, to string) func() string {
		return func() string { return strings.Replace(good, from, to, 1) }
	}
	tenant, secret := c.cloud.Graph.Tenant.ID, secretOf(t, good)
	store := func(credential func() string) func() {
		return func() { must(t, c.cloud.Store(credential())) }
	}
	cases := []struct {
		name  string
		spoil func()
		says  []string
	}{
		{"missing", func() {}, []string{"There is no such secret, or none with a value", config.GraphSecret}},
		{"not JSON", store(spoilt("{", "")), []string{"the secret is not a JSON object"}},
		{"empty", store(func() string { return " " }), []string{"the secret is empty"}},
		{"a field misspelt", store(spoilt("clientId", "appId")), []string{`"appId" is not a field: clientId is probably meant`}},
		{"another tenant", store(spoilt(tenant, "9b1d7c5e-0000-4000-8000-3f2a6d8e4b10")), []string{"AADSTS90002", "Tenant not found"}},
		{"another application", store(spoilt(c.cloud.App.ClientID, "9b1d7c5e-1111-4000-8000-3f2a6d8e4b10")), []string{"AADSTS700016", "client) id is not in this tenant"}},
		{"a client secret that Entra refuses", store(spoilt(secret, "Wr0ng~"+secret)), []string{"AADSTS7000215", "The client secret is wrong"}},
	}
	for i, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			k.spoil()
			newcomer := fmt.Sprintf("newcomer%d", i)
			c.hire(newcomer)
			c.join("Sales", newcomer)
			stored := c.everything()
			said := failure(t, c.ask(planner, c.scheduled(), new(reconcile.Report)))
			for _, words := range k.says {
				if !strings.Contains(said, words) {
					t.Errorf("said %q, and nothing of %q", said, words)
				}
			}
			if strings.Contains(said, "\n") || len(said) > 600 || strings.Contains(said+c.log.String(), secret) {
				t.Errorf("this is no clear sentence, or it tells the secret: %q", said)
			}
			c.checkUntouched(t, stored)

			must(t, c.cloud.Store(good))
			if i == 0 {
				c.approve(planner, "sales")
			}
			c.tick(planner)
			if _, known := c.statuses()[newcomer]; !known {
				t.Errorf("%s joined meanwhile and is lost", newcomer)
			}
		})
	}
	want := map[string]assignment.Status{"ada": assignment.Provisioned}
	for i := range cases {
		want[fmt.Sprintf("newcomer%d", i)] = assignment.Provisioned
	}
	c.until(planner, worker, want)
	c.desktops() // complains of two
}

// checkUntouched says what a failed tick has written or sent.
func (c *company) checkUntouched(t *testing.T, stored string) {
	t.Helper()
	lines := func(text string) []string { return slices.Sorted(strings.Lines(text)) }
	if diff := cmp.Diff(lines(stored), lines(c.everything())); diff != "" {
		t.Errorf("written by a tick that failed (+), or lost (-):\n%s", diff)
	}
	if lease, err := c.book.Lease(t.Context()); err != nil || lease.Holder != "" {
		t.Errorf("the lease was not given back: %+v, %v", lease, err)
	}
}

// secretOf is the client secret in a credential.
func secretOf(t *testing.T, credential string) string {
	t.Helper()
	_, rest, found := strings.Cut(credential, `"clientSecret":"`)
	secret, _, closed := strings.Cut(rest, `"`)
	if !found || !closed || len(secret) < 10 {
		t.Fatal("the credential has no client secret")
	}
	return secret
}

// TestGraphSwitchedOff is no failure: an administrator wants it so.
func TestGraphSwitchedOff(t *testing.T) {
	t.Parallel()
	c := open(t, unthrottled)
	planner := c.start("planner")
	must(t, c.cloud.Store(strings.Replace(c.cloud.Credential(), `"enabled":true`, `"enabled":false`, 1)))
	calls := c.cloud.Log().Len()
	r := c.tick(planner)
	if len(r.Problems) != 1 || r.Problems[0].Code != "GraphOff" {
		t.Errorf("the tick: %+v", r)
	}
	for _, call := range c.cloud.Log().Since(calls) {
		if call.Service == "graph" || call.Service == "entra" {
			t.Errorf("there was a call: %s %s", call.Service, call.Operation)
		}
	}
}

// TestAMessageThatNobodyCanRead goes to the dead-letter queue at once, whole, and those behind it in its lane go on.
func TestAMessageThatNobodyCanRead(t *testing.T) {
	t.Parallel()
	c := open(t, unthrottled)
	c.hire("ada")
	c.group("Sales", "ada")
	c.write("sales", nil)
	planner, worker := c.start("planner"), c.quick()
	c.approve(planner, "sales")
	c.work(worker) // the survey
	bad := []string{`{"version":1,"kind":"create","lane":`, `{"version":9,"kind":"terminate-all"}`, "Lohnabrechnung Ω 2026"}
	for _, body := range bad {
		c.send(body)
	}
	c.tick(planner) // puts ada's create behind them, in the same lane

	n, err := c.turn(worker)
	must(t, err)
	waiting, dead := c.letters()
	slices.Sort(dead)
	if slices.Sort(bad); n != len(bad)+1 || len(waiting) != 0 || !slices.Equal(dead, bad) {
		t.Errorf("one turn took %d messages, left %q, and put aside %q", n, waiting, dead)
	}
	if got := c.statuses()["ada"]; got != assignment.Provisioning {
		t.Errorf("ada, who was behind them, is %s", got)
	}
	for body, reason := range c.reasons(len(bad)) {
		if !strings.HasPrefix(reason, "this job cannot be read: ") {
			t.Errorf("%s was put aside because %q", body, reason)
		}
	}
	c.until(planner, worker, map[string]assignment.Status{"ada": assignment.Provisioned})
}

// send puts a body on the queue of jobs, in our lane.
func (c *company) send(body string) {
	c.t.Helper()
	url := c.env("planner")[config.QueueURL]
	_, err := awssqs.NewFromConfig(c.cloud.Config("somebody", "", "")).SendMessage(c.t.Context(), &awssqs.SendMessageInput{
		QueueUrl: &url, MessageBody: &body, MessageGroupId: aws.String(c.lane.ID.String()), MessageDeduplicationId: aws.String(fmt.Sprintf("%x", body)),
	})
	must(c.t, err)
}

// reasons receives n dead letters, as a person does: why each is there, by its body.
func (c *company) reasons(n int) map[string]string {
	c.t.Helper()
	url := c.env("worker")[config.DeadLetterURL]
	out, err := awssqs.NewFromConfig(c.cloud.Config("somebody", "", "")).ReceiveMessage(c.t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{queue.ReasonAttribute},
	})
	must(c.t, err)
	all := map[string]string{}
	for _, m := range out.Messages {
		all[*m.Body] = aws.ToString(reasonOf(m))
	}
	if len(all) != n {
		c.t.Errorf("received %d dead letters, want %d", len(all), n)
	}
	return all
}

func reasonOf(m types.Message) *string { return m.MessageAttributes[queue.ReasonAttribute].StringValue }

// TestAMalformedProfileStopsOnlyItself, and so does one whose group is not there.
func TestAMalformedProfileStopsOnlyItself(t *testing.T) {
	t.Parallel()
	c := open(t, unthrottled)
	c.hire("ada")
	c.group("Sales", "ada")
	c.write("sales", nil)
	c.write("typo", map[string]any{"region": "Frankfurt", "bundle": nil, "bundel": bundle})
	c.write("nowhere", map[string]any{"group": "Sails"})
	planner, worker := c.start("planner"), c.quick()
	c.approve(planner, "sales")
	said := c.refusal(planner, "nowhere")
	if !strings.Contains(said, `group is "Sails"`) {
		t.Errorf("approving a profile of a group that is not there says %q", said)
	}
	c.until(planner, worker, map[string]assignment.Status{"ada": assignment.Provisioned})

	problems := map[string]string{}
	for _, p := range c.tick(planner).Problems {
		problems[p.Profile] += p.Code + " " + p.Text
	}
	if got := slices.Sorted(maps.Keys(problems)); !slices.Equal(got, []string{"nowhere", "typo"}) {
		t.Errorf("there are problems with %q: %v", got, problems)
	}
	for _, words := range []string{"Malformed", `region is "Frankfurt"`, "bundel", "bundle"} {
		if !strings.Contains(problems["typo"], words) {
			t.Errorf("%q says nothing of %s", problems["typo"], words)
		}
	}
}

// refusal is what the planner says when it does not approve a profile in the version that its report names.
func (c *company) refusal(planner *runtime.Function, id string) string {
	c.t.Helper()
	for _, p := range c.tick(planner).Problems {
		if _, version, found := strings.Cut(p.Text, `"version":"`); found && p.Profile == id {
			return failure(c.t, c.ask(planner, fmt.Sprintf(`{"action":"approve","profile":%q,"version":%q,"by":"ada"}`, id, version[:12]), &reconcile.Approval{}))
		}
	}
	c.t.Fatalf("no report names a version of profile %s", id)
	return ""
}

// TestAGroupThatIsGoneTakesNothingAway: a read that failed is not an empty group.
func TestAGroupThatIsGoneTakesNothingAway(t *testing.T) {
	t.Parallel()
	c := open(t, unthrottled)
	c.hire("ada")
	c.group("Sales", "ada")
	c.write("sales", nil)
	planner, worker := c.start("planner"), c.quick()
	c.approve(planner, "sales")
	c.until(planner, worker, map[string]assignment.Status{"ada": assignment.Provisioned})
	must(t, c.cloud.Graph.Tenant.DeleteGroup(c.ids["Sales"]))
	c.tick(planner) // may still look at ada alone, of whom the group says nothing any more
	r := c.tick(planner)
	if len(r.Problems) != 1 || r.Problems[0].Code != "GroupGone" || r.Problems[0].Profile != "sales" {
		t.Errorf("problems: %+v", r.Problems)
	}
	if got := c.people()["ada"]; got.Status != assignment.Provisioned || !got.Left.IsZero() || !got.Absent.IsZero() {
		t.Errorf("ada: %+v", got)
	}
}

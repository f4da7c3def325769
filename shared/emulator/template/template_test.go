package template_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/template"
)

var here = template.Place{Account: "111122223333", Region: "eu-central-1", Stack: "rollcall", Queues: "http://127.0.0.1:4566"}

func TestAStackAsCDKWritesIt(t *testing.T) {
	document, err := os.ReadFile("testdata/stack.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := template.Read(document, here)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{} // what is derived is taken as it comes here, and looked at in TestDerivedNames
	for _, q := range got.Queues {
		names[q.ID] = q.Name
	}
	tables := map[string]string{}
	for _, table := range got.Tables {
		tables[table.ID] = table.Name
	}
	functions := map[string]template.Function{}
	for _, f := range got.Functions {
		functions[f.ID] = f
	}
	secret := got.Secrets[0]
	deadLetters, jobs := names["DeadLettersA3B4C5D6"], "rollcall-jobs.fifo"
	want := &template.Stack{
		Tables: []template.Table{
			{
				ID: "LedgerB2A1C3D4", Name: tables["LedgerB2A1C3D4"],
				ARN:        "arn:aws:dynamodb:eu-central-1:111122223333:table/" + tables["LedgerB2A1C3D4"],
				Keys:       []template.Key{{"pk", "HASH"}, {"sk", "RANGE"}},
				Attributes: map[string]string{"pk": "S", "sk": "S", "profile": "S", "dueShard": "S", "due": "N"},
				Global: []template.Index{
					{Name: "byProfile", Keys: []template.Key{{"profile", "HASH"}, {"pk", "RANGE"}}, Projection: "ALL"},
					{Name: "byDue", Keys: []template.Key{{"dueShard", "HASH"}, {"due", "RANGE"}}, Projection: "INCLUDE", Included: []string{"status", "intent"}},
				},
				Expiry: "expires",
			},
			{
				ID: "ProfilesE5F6A7B8", Name: "rollcall-profiles", ARN: "arn:aws:dynamodb:eu-central-1:111122223333:table/rollcall-profiles",
				Keys: []template.Key{{"id", "HASH"}}, Attributes: map[string]string{"id": "S"},
			},
		},
		Queues: []template.Queue{
			{
				ID: "DeadLettersA3B4C5D6", Name: deadLetters, URL: "http://127.0.0.1:4566/111122223333/" + deadLetters,
				ARN:        "arn:aws:sqs:eu-central-1:111122223333:" + deadLetters,
				Attributes: map[string]string{"FifoQueue": "true", "MessageRetentionPeriod": "1209600"},
			},
			{
				ID: "JobsC9D0E1F2", Name: jobs, URL: "http://127.0.0.1:4566/111122223333/" + jobs, ARN: "arn:aws:sqs:eu-central-1:111122223333:" + jobs,
				Attributes: map[string]string{
					"FifoQueue": "true", "ContentBasedDeduplication": "false", "VisibilityTimeout": "360",
					"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:111122223333:` + deadLetters + `","maxReceiveCount":3}`,
				},
			},
		},
		Secrets: []template.Secret{{ID: "GraphCredential11223344", Name: secret.Name, ARN: secret.ARN, Description: "How rollcall signs in to Microsoft Graph"}},
		Functions: []template.Function{
			{
				ID: "Planner99AABBCC", Name: functions["Planner99AABBCC"].Name, ARN: "arn:aws:lambda:eu-central-1:111122223333:function:" + functions["Planner99AABBCC"].Name,
				Role:  "arn:aws:iam::111122223333:role/rollcall-PlannerServiceRole55667788-F7CL3JQM2IZD",
				Short: "Planner", Handler: "bootstrap", Runtime: "provided.al2023", Timeout: 5 * time.Minute, Memory: 512,
				Environment: map[string]string{
					"ROLLCALL_INSTALLATION":   "rollcall",
					"ROLLCALL_LEDGER_TABLE":   tables["LedgerB2A1C3D4"],
					"ROLLCALL_PROFILES_TABLE": "rollcall-profiles",
					"ROLLCALL_QUEUE_URL":      "http://127.0.0.1:4566/111122223333/rollcall-jobs.fifo",
					"ROLLCALL_GRAPH_SECRET":   secret.ARN,
				},
			},
			{
				ID: "WorkerDDEEFF00", Name: functions["WorkerDDEEFF00"].Name, ARN: "arn:aws:lambda:eu-central-1:111122223333:function:" + functions["WorkerDDEEFF00"].Name,
				Short: "Worker", Handler: "bootstrap", Runtime: "provided.al2023", Timeout: time.Minute, Memory: 128,
				Environment: map[string]string{
					"ROLLCALL_INSTALLATION":    "rollcall",
					"ROLLCALL_LEDGER_TABLE":    tables["LedgerB2A1C3D4"],
					"ROLLCALL_DEAD_LETTER_URL": "http://127.0.0.1:4566/111122223333/" + deadLetters,
					"ROLLCALL_ACCOUNT":         "111122223333",
				},
			},
		},
		Mappings: []template.Mapping{{
			ID: "WorkerSqsEventSource12AB34CD", Function: "WorkerDDEEFF00", Queue: "JobsC9D0E1F2", BatchSize: 10,
			PartialFailures: true, MaximumConcurrency: 10, Enabled: true,
		}},
		Schedules: []template.Schedule{{
			ID: "Tick56EF7890", Name: got.Schedules[0].Name, Expression: "rate(15 minutes)", Timezone: "Etc/UTC",
			Function: "Planner99AABBCC", Target: functions["Planner99AABBCC"].ARN, Input: `{"source":"schedule"}`, Enabled: true,
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// stack is a template with one function whose variable X is the given JSON, and a few things to refer to.
func stack(x string) []byte {
	return []byte(`{
	"Parameters": {"Stage": {"Type": "String", "Default": "test"}, "Bare": {"Type": "String"}, "Number": {"Type": "Number", "Default": 7}},
	"Resources": {
		"Fn":     {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "fn", "Environment": {"Variables": {"X": ` + x + `}}}},
		"Table":  {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "table", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}},
		"Global": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": {"TableName": "global", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}},
		"Queue":  {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-queue"}}},
		"Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "app/graph", "SecretString": "do not tell"}},
		"Role":   {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "role"}},
		"Topic":  {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "topic"}},
		"Bus":    {"Type": "AWS::Events::EventBus", "Properties": {"Name": "bus"}},
		"Key":    {"Type": "AWS::KMS::Key"},
		"Loop":   {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::GetAtt": ["Loop", "TopicName"]}}}
	}}`)
}

func TestIntrinsics(t *testing.T) {
	for name, c := range map[string]struct{ x, want, complaint string }{
		"plain text":   {x: `"a"`, want: "a"},
		"a number":     {x: `360`, want: "360"},
		"a large one":  {x: `1209600`, want: "1209600"},
		"a boolean":    {x: `true`, want: "true"},
		"null":         {x: `null`, complaint: "expected text, got null"},
		"a list":       {x: `["a"]`, complaint: "expected text, got a list of 1"},
		"an object":    {x: `{"a": 1, "b": 2}`, complaint: "expected text, got an object with a, b"},
		"no intrinsic": {x: `{"Fn::ImportValue": "other"}`, complaint: "Fn::ImportValue is not supported"},
		"a condition":  {x: `{"Fn::If": ["c", 1, 2]}`, complaint: "Fn::If is not supported"},

		"Ref to the Region":              {x: `{"Ref": "AWS::Region"}`, want: "eu-central-1"},
		"Ref to the account":             {x: `{"Ref": "AWS::AccountId"}`, want: "111122223333"},
		"Ref to the partition":           {x: `{"Ref": "AWS::Partition"}`, want: "aws"},
		"Ref to the stack's name":        {x: `{"Ref": "AWS::StackName"}`, want: "rollcall"},
		"Ref to the suffix":              {x: `{"Ref": "AWS::URLSuffix"}`, want: "amazonaws.com"},
		"Ref to no value":                {x: `{"Ref": "AWS::NoValue"}`, want: ""},
		"Ref to another pseudo one":      {x: `{"Ref": "AWS::NotificationARNs"}`, complaint: "Ref of AWS::NotificationARNs is not supported"},
		"Ref to a parameter's default":   {x: `{"Ref": "Stage"}`, want: "test"},
		"Ref to a number's default":      {x: `{"Ref": "Number"}`, want: "7"},
		"Ref to a parameter without one": {x: `{"Ref": "Bare"}`, complaint: `there is no resource or parameter "Bare"`},
		"Ref to a table":                 {x: `{"Ref": "Table"}`, want: "table"},
		"Ref to a global table":          {x: `{"Ref": "Global"}`, want: "global"},
		"Ref to a queue":                 {x: `{"Ref": "Queue"}`, want: "http://127.0.0.1:4566/111122223333/rollcall-queue"},
		"Ref to a function":              {x: `{"Ref": "Fn"}`, want: "fn"},
		"Ref to a role":                  {x: `{"Ref": "Role"}`, want: "role"},
		"Ref to a topic":                 {x: `{"Ref": "Topic"}`, want: "arn:aws:sns:eu-central-1:111122223333:topic"},
		"Ref to what is missing":         {x: `{"Ref": "Tabel"}`, complaint: `there is no resource or parameter "Tabel"`},
		"Ref to an unknown type":         {x: `{"Ref": "Key"}`, complaint: "a reference to Key of type AWS::KMS::Key is not supported"},
		"Ref to a list":                  {x: `{"Ref": ["Table"]}`, complaint: "Ref of a list of 1"},

		"GetAtt of a table":           {x: `{"Fn::GetAtt": ["Table", "Arn"]}`, want: "arn:aws:dynamodb:eu-central-1:111122223333:table/table"},
		"GetAtt with a dot":           {x: `{"Fn::GetAtt": "Queue.Arn"}`, want: "arn:aws:sqs:eu-central-1:111122223333:rollcall-queue"},
		"GetAtt of a queue's name":    {x: `{"Fn::GetAtt": ["Queue", "QueueName"]}`, want: "rollcall-queue"},
		"GetAtt of a queue's URL":     {x: `{"Fn::GetAtt": ["Queue", "QueueUrl"]}`, want: "http://127.0.0.1:4566/111122223333/rollcall-queue"},
		"GetAtt of a role":            {x: `{"Fn::GetAtt": ["Role", "Arn"]}`, want: "arn:aws:iam::111122223333:role/role"},
		"GetAtt of a function":        {x: `{"Fn::GetAtt": ["Fn", "Arn"]}`, want: "arn:aws:lambda:eu-central-1:111122223333:function:fn"},
		"GetAtt of a topic":           {x: `{"Fn::GetAtt": ["Topic", "TopicArn"]}`, want: "arn:aws:sns:eu-central-1:111122223333:topic"},
		"GetAtt of a bus":             {x: `{"Fn::GetAtt": ["Bus", "Name"]}`, want: "bus"},
		"GetAtt of no such attribute": {x: `{"Fn::GetAtt": ["Table", "StreamArn"]}`, complaint: "Fn::GetAtt Table.StreamArn is not supported"},
		"GetAtt of nothing":           {x: `{"Fn::GetAtt": ["Role", ""]}`, complaint: "Fn::GetAtt Role. is not supported"},
		"GetAtt of what is missing":   {x: `{"Fn::GetAtt": ["Gone", "Arn"]}`, complaint: `there is no resource or parameter "Gone"`},
		"GetAtt of three":             {x: `{"Fn::GetAtt": ["Fn", "Arn", "x"]}`, complaint: "expected a resource and an attribute"},

		"Join":                  {x: `{"Fn::Join": ["/", ["a", {"Ref": "Table"}, 3]]}`, want: "a/table/3"},
		"Join without NoValue":  {x: `{"Fn::Join": [",", ["a", {"Ref": "AWS::NoValue"}, "b"]]}`, want: "a,b"},
		"Join of a Split":       {x: `{"Fn::Join": ["-", {"Fn::Split": [".", "a.b.c"]}]}`, want: "a-b-c"},
		"Join of no list":       {x: `{"Fn::Join": ["", "a"]}`, complaint: "Fn::Join: expected a list, got a text"},
		"Join of an object":     {x: `{"Fn::Join": ["", [{"a": 1}]]}`, complaint: "expected a list of texts, got an object with a in it"},
		"Join of one argument":  {x: `{"Fn::Join": [""]}`, complaint: "expected a delimiter and a list"},
		"Join with an error in": {x: `{"Fn::Join": ["", [{"Ref": "Gone"}]]}`, complaint: `there is no resource or parameter "Gone"`},

		"Sub":                     {x: `{"Fn::Sub": "${AWS::Region}/${Table}/${Role.Arn}/${Stage}"}`, want: "eu-central-1/table/arn:aws:iam::111122223333:role/role/test"},
		"Sub with variables":      {x: `{"Fn::Sub": ["${a}-${Table}", {"a": {"Ref": "AWS::Region"}}]}`, want: "eu-central-1-table"},
		"Sub, escaped":            {x: `{"Fn::Sub": "${!Table}"}`, want: "${Table}"},
		"Sub of what is missing":  {x: `{"Fn::Sub": "${Gone}"}`, complaint: `Fn::Sub: there is no resource or parameter "Gone"`},
		"Sub of no text":          {x: `{"Fn::Sub": {"a": 1}}`, complaint: "Fn::Sub of an object with a"},
		"Sub of a list in it":     {x: `{"Fn::Sub": ["${a}", {"a": ["b"]}]}`, complaint: "${a} is a list of 1, not text"},
		"Select of a Split":       {x: `{"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::GetAtt": ["Table", "Arn"]}]}]}`, want: "table"},
		"Select, index as text":   {x: `{"Fn::Select": ["0", ["a", "b"]]}`, want: "a"},
		"Select out of range":     {x: `{"Fn::Select": [2, ["a", "b"]]}`, complaint: "there is no element 2 of 2"},
		"Split alone is no text":  {x: `{"Fn::Split": [".", "a.b"]}`, complaint: "expected text, got a list of 2"},
		"a name around in circle": {x: `{"Ref": "Loop"}`, complaint: "the name of Loop refers to itself"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := template.Read(withoutLoop(t, stack(c.x), c.complaint), here)
			if c.complaint != "" {
				wanted := "resource Fn (AWS::Lambda::Function), property Environment.Variables.X: "
				if err == nil || !strings.Contains(err.Error(), wanted) || !strings.Contains(err.Error(), c.complaint) {
					t.Errorf("got error %v,\nwant %s… %s", err, wanted, c.complaint)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			value, there := got.Functions[0].Environment["X"]
			if value != c.want || there != (c.want != "") {
				t.Errorf("got %q (there: %t), want %q", value, there, c.want)
			}
		})
	}
}

// withoutLoop takes the resource Loop out, unless the case is about it.
func withoutLoop(t *testing.T, document []byte, complaint string) []byte {
	t.Helper()
	if strings.Contains(complaint, "Loop") {
		return document
	}
	return edited(t, document, func(resources map[string]any) { delete(resources, "Loop") })
}

func edited(t *testing.T, document []byte, edit func(resources map[string]any)) []byte {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(document, &all); err != nil {
		t.Fatal(err)
	}
	edit(all["Resources"].(map[string]any))
	changed, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestComplaints(t *testing.T) {
	for name, c := range map[string]struct{ id, resource, complaint string }{
		"an unknown type":               {"R", `{"Type": "AWS::Kinesis::Stream"}`, "resource R (AWS::Kinesis::Stream): the embedded cloud does not know this type"},
		"a null resource":               {"R", `null`, "resource R is null"},
		"a condition":                   {"R", `{"Type": "AWS::SQS::Queue", "Condition": "c"}`, "resource R (AWS::SQS::Queue), property Condition: conditions are not supported"},
		"an unknown property":           {"R", `{"Type": "AWS::SQS::Queue", "Properties": {"Fifo": true}}`, "resource R (AWS::SQS::Queue), property Fifo: the embedded cloud does not know this property"},
		"a filter of messages":          {"R", `{"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": "fn", "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "FilterCriteria": {}}}`, "property FilterCriteria: the embedded cloud does not know"},
		"a mapping of no function":      {"R", `{"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}}}`, "property FunctionName: is missing"},
		"a mapping of another function": {"R", `{"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": "gone", "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}}}`, `property FunctionName: there is no AWS::Lambda::Function "gone" in this stack`},
		"a mapping of a table":          {"R", `{"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": "fn", "EventSourceArn": {"Fn::GetAtt": ["Table", "Arn"]}}}`, `property EventSourceArn: there is no AWS::SQS::Queue`},
		"an unknown response type":      {"R", `{"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": "fn", "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "FunctionResponseTypes": ["All"]}}`, `property FunctionResponseTypes: there is no "All"`},
		"a timeout that is no number":   {"R", `{"Type": "AWS::Lambda::Function", "Properties": {"Timeout": "soon"}}`, `property Timeout: expected a whole number, got "soon"`},
		"a flag that is none":           {"R", `{"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "TimeToLiveSpecification": {"Enabled": "maybe"}}}`, `property TimeToLiveSpecification.Enabled: expected true or false, got "maybe"`},
		"TTL without an attribute":      {"R", `{"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "TimeToLiveSpecification": {"Enabled": true}}}`, `property TimeToLiveSpecification.AttributeName: is missing`},
		"a table without a key":         {"R", `{"Type": "AWS::DynamoDB::Table"}`, "property KeySchema: is missing"},
		"an index without projection":   {"R", `{"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "GlobalSecondaryIndexes": [{"IndexName": "i"}]}}`, "property GlobalSecondaryIndexes.i.Projection.ProjectionType: is missing"},
		"a stream of a table":           {"R", `{"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "StreamSpecification": {}}}`, "property StreamSpecification: the embedded cloud does not know"},
		"a key that is no list":         {"R", `{"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": "id"}}`, "property KeySchema: json: cannot unmarshal"},
		"a name that is no text":        {"R", `{"Type": "AWS::SQS::Queue", "Properties": {"QueueName": ["a"]}}`, "property QueueName: naming R: expected text, got a list of 1"},
		"a redrive to nowhere":          {"R", `{"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Gone", "Arn"]}}}}`, `property RedrivePolicy: deadLetterTargetArn: there is no resource or parameter "Gone"`},
		"a schedule without expression": {"R", `{"Type": "AWS::Scheduler::Schedule", "Properties": {"Target": {"Arn": "a"}}}`, "property ScheduleExpression: is missing"},
		"a schedule without target":     {"R", `{"Type": "AWS::Scheduler::Schedule", "Properties": {"ScheduleExpression": "rate(1 hour)"}}`, "property Target.Arn: is missing"},
		"a schedule with end":           {"R", `{"Type": "AWS::Scheduler::Schedule", "Properties": {"ScheduleExpression": "rate(1 hour)", "Target": {"Arn": "a"}, "EndDate": "2027-01-01"}}`, "property EndDate: the embedded cloud does not know"},
		"an unknown state":              {"R", `{"Type": "AWS::Scheduler::Schedule", "Properties": {"ScheduleExpression": "rate(1 hour)", "State": "ASLEEP", "Target": {"Arn": "a"}}}`, `property State: there is no "ASLEEP"`},
		"text where an object should be": {
			"R", `{"Type": "AWS::Scheduler::Schedule", "Properties": {"ScheduleExpression": "rate(1 hour)", "Target": "a"}}`,
			"property Target.Arn: expected an object, got a text",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var resource any
			if err := json.Unmarshal([]byte(c.resource), &resource); err != nil {
				t.Fatal(err)
			}
			document := edited(t, stack(`"x"`), func(resources map[string]any) {
				delete(resources, "Loop")
				resources[c.id] = resource
			})
			if _, err := template.Read(document, here); err == nil || !strings.Contains(err.Error(), c.complaint) {
				t.Errorf("got %v,\nwant %s", err, c.complaint)
			}
		})
	}
}

func TestEveryComplaintIsToldAtOnce(t *testing.T) {
	document := `{"Resources": {
		"A": {"Type": "AWS::SQS::Queue", "Properties": {"One": 1, "Two": 2}},
		"B": {"Type": "AWS::Unknown"}}}`
	_, err := template.Read([]byte(document), here)
	for _, part := range []string{"property One", "property Two", "resource B"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is missing in: %v", part, err)
		}
	}
}

func TestWhatIsNoTemplate(t *testing.T) {
	for _, document := range []string{``, `[]`, `{}`, `{"Resources": {}}`, `Resources:`} {
		if _, err := template.Read([]byte(document), here); err == nil {
			t.Errorf("%q was read", document)
		}
	}
}

func TestASecretsValueIsNotTold(t *testing.T) {
	document := edited(t, stack(`"x"`), func(resources map[string]any) {
		delete(resources, "Loop")
		resources["Secret"].(map[string]any)["Properties"].(map[string]any)["SecretString"] = []any{"do not tell"}
	})
	_, err := template.Read(document, here)
	if err == nil || strings.Contains(err.Error(), "do not tell") {
		t.Errorf("got %v", err)
	}
}

func TestDerivedNames(t *testing.T) {
	long := strings.Repeat("VeryLongLogicalId", 6)
	document := []byte(`{"Resources": {
		"` + long + `": {"Type": "AWS::Lambda::Function"},
		"Other": {"Type": "AWS::Lambda::Function"},
		"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": true}},
		"Queue` + long + `": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": true}}}}`)
	read := func(stack string) *template.Stack {
		place := here
		place.Stack = stack
		s, err := template.Read(document, place)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, again, other := read("one"), read("one"), read("other")
	if diff := cmp.Diff(one, again); diff != "" {
		t.Error("not the same in every run:", diff)
	}
	seen := map[string]bool{}
	for _, s := range []*template.Stack{one, other} {
		for _, f := range s.Functions {
			if len(f.Name) > 64 || seen[f.Name] {
				t.Errorf("function %s (%s)", f.Name, f.Short)
			}
			seen[f.Name] = true
		}
		for _, q := range s.Queues {
			if len(q.Name) > 80 || seen[q.Name] || !strings.HasSuffix(q.Name, ".fifo") {
				t.Errorf("queue %s", q.Name)
			}
			seen[q.Name] = true
		}
	}
}

func TestWhatPeopleCallAFunction(t *testing.T) {
	document := []byte(`{"Resources": {
		"A": {"Type": "AWS::Lambda::Function", "Metadata": {"aws:cdk:path": "rollcall/Planner/Resource"}, "Properties": {"FunctionName": "x"}},
		"B": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "worker"}},
		"Notifier0A1B2C3D": {"Type": "AWS::Lambda::Function"},
		"Report": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": {"Ref": "AWS::StackName"}}}}}`)
	s, err := template.Read(document, here)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range s.Functions {
		got = append(got, f.Short)
	}
	if want := []string{"Planner", "worker", "Notifier", "Report"}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"
)

// statement is a statement of a role in the template. Resources are flattened to text: GetAtt and Ref as the logical
// id in <>, Join as one line.
type statement struct {
	Sid       string
	Effect    string
	Action    list
	Resource  list
	Condition map[string]map[string]any
}

// list is one thing or several, as IAM writes them.
type list []string

func (l *list) UnmarshalJSON(content []byte) error {
	var one any
	if err := json.Unmarshal(content, &one); err != nil {
		return err
	}
	several, isList := one.([]any)
	if !isList {
		several = []any{one}
	}
	for _, v := range several {
		*l = append(*l, flat(v))
	}
	return nil
}

func flat(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var b strings.Builder
		for _, part := range v {
			b.WriteString(flat(part))
		}
		return b.String()
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return "<" + ref + ">"
		}
		if att, ok := v["Fn::GetAtt"].([]any); ok {
			return "<" + flat(att[0]) + ">"
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			return flat(join[1])
		}
	}
	return "?"
}

// rolesOf are the statements of each role in a template, by its logical id.
func rolesOf(t *testing.T, template []byte) map[string][]statement {
	t.Helper()
	var said struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				Policies []struct {
					PolicyDocument struct{ Statement []statement }
				}
				ManagedPolicyArns []any
			}
		}
	}
	if err := json.Unmarshal(template, &said); err != nil {
		t.Fatal(err)
	}
	roles := map[string][]statement{}
	for id, resource := range said.Resources {
		if resource.Type != "AWS::IAM::Role" {
			continue
		}
		if len(resource.Properties.ManagedPolicyArns) > 0 {
			t.Errorf("%s has managed policies, which allow more than is used: %v", id, resource.Properties.ManagedPolicyArns)
		}
		for _, policy := range resource.Properties.Policies {
			roles[id] = append(roles[id], policy.PolicyDocument.Statement...)
		}
	}
	return roles
}

// The whole of what each role may do. A line that is added here is a permission that somebody must have wanted.
func TestWhatEachRoleMayDo(t *testing.T) {
	log := "logs:CreateLogStream logs:PutLogEvents on "
	trace := "xray:PutTelemetryRecords xray:PutTraceSegments on *"
	want := map[string][]string{
		"PlannerRole": {
			"ReadProfiles: dynamodb:Scan on <Profiles>",
			"KeepLedger: dynamodb:BatchGetItem dynamodb:BatchWriteItem dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem on <Ledger>",
			"FindInLedger: dynamodb:Query on <Ledger>/index/byProfile <Ledger>/index/byDue",
			"SendJobs: sqs:SendMessage on <Jobs>",
			"SetFailuresAside: sqs:SendMessage on <FailedTicks>",
			"ReadGraphCredential: secretsmanager:GetSecretValue on <GraphCredential>",
			"SignInKeyless: sts:GetWebIdentityToken on * if ForAllValues:StringEquals sts:IdentityTokenAudience api://AzureADTokenExchange, " +
				"NumericLessThanEquals sts:DurationSeconds 300",
			"Log: " + log + "<PlannerLogs>",
			"Trace: " + trace,
		},
		"WorkerRole": {
			"KeepLedger: dynamodb:BatchGetItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query on <Ledger>",
			"TakeJobs: sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage on <Jobs>",
			"SetAside: sqs:SendMessage on <DeadLetters>",
			"SeeDesktops: workspaces:DescribeTags workspaces:DescribeWorkspaceBundles workspaces:DescribeWorkspaceDirectories workspaces:DescribeWorkspaces on *",
			"CreateDesktops: workspaces:CreateWorkspaces on arn:<AWS::Partition>:workspaces:*:<AWS::AccountId>:workspace/* " +
				"if StringEquals aws:RequestTag/rollcall:installation rollcall",
			"CreateFrom: workspaces:CreateWorkspaces on arn:<AWS::Partition>:workspaces:*:<AWS::AccountId>:directory/* " +
				"arn:<AWS::Partition>:workspaces:*:*:workspacebundle/*",
			"CountAddresses: ec2:DescribeSubnets on *",
			"KnowQuota: servicequotas:GetAWSDefaultServiceQuota servicequotas:GetServiceQuota on *",
			"Log: " + log + "<WorkerLogs>",
			"Trace: " + trace,
		},
		"TickRole": {
			"StartPlanner: lambda:InvokeFunction on <Planner>",
			"SetFailuresAside: sqs:SendMessage on <FailedTicks>",
		},
	}
	got := map[string][]string{}
	for role, statements := range rolesOf(t, templateAsDeployed(t)) {
		for _, s := range statements {
			got[role] = append(got[role], s.line())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expected (-), in the template (+):\n%s", diff)
	}
}

func (s statement) line() string {
	line := s.Sid + ": " + strings.Join(slices.Sorted(slices.Values(s.Action)), " ") + " on " + strings.Join(s.Resource, " ")
	if s.Effect != "Allow" {
		line = s.Effect + " " + line
	}
	var conditions []string
	for _, operator := range slices.Sorted(maps.Keys(s.Condition)) {
		for key, value := range s.Condition[operator] {
			conditions = append(conditions, operator+" "+key+" "+strings.Trim(string(must(json.Marshal(value))), `"`))
		}
	}
	if len(conditions) > 0 {
		line += " if " + strings.Join(conditions, ", ")
	}
	return line
}

func must(content []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return content
}

func TestMembersThatAreListedAreTheOnlyOnes(t *testing.T) {
	template := templateWith(t, map[string]any{"memberAccounts": []any{"111122223333", "444455556666"}})
	for _, s := range rolesOf(t, template)["WorkerRole"] {
		if s.Sid == "WorkInMembers" {
			want := list{"arn:<AWS::Partition>:iam::111122223333:role/rollcall-member", "arn:<AWS::Partition>:iam::444455556666:role/rollcall-member"}
			if diff := cmp.Diff(want, s.Resource); diff != "" {
				t.Error(diff)
			}
			return
		}
	}
	t.Error("the worker may not assume the members' roles")
}

func TestAWildcardNeedsAReason(t *testing.T) {
	cases := []struct {
		name    string
		p       permission
		refused bool
	}{
		{"everything, without a reason", permission{sid: "A", actions: []string{"s3:GetObject"}, on: []string{everything}}, true},
		{"a part, without a reason", permission{sid: "A", actions: []string{"s3:GetObject"}, on: []string{"arn:aws:s3:::b/*"}}, true},
		{"a wildcard of actions", permission{sid: "A", actions: []string{"s3:*"}, on: []string{"arn:aws:s3:::b"}}, true},
		{"everything, with a reason", permission{sid: "A", actions: []string{"s3:GetObject"}, on: []string{everything}, because: "It is so."}, false},
		{"one thing", permission{sid: "A", actions: []string{"s3:GetObject"}, on: []string{"arn:aws:s3:::b/c"}}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.p.unexplained(); got != c.refused {
				t.Errorf("unexplained is %v, expected %v", got, c.refused)
			}
		})
	}

	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
	stack := awscdk.NewStack(app, jsii.String("s"), nil)
	newRole(stack, "Role", "", awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil), []permission{cases[0].p})
	assertions.Annotations_FromStack(stack).HasError(jsii.String("/s/Role"), "permission A has a wildcard and no reason for it")
}

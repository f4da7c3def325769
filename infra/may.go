package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"rollcall/shared/desktop"
	"rollcall/shared/ledger"
)

// permission is one statement of a role: these actions, on these resources, under these conditions.
type permission struct {
	sid     string // what it is for, as one word
	actions []string
	on      []string
	where   map[string]map[string]any
	// because says why a resource has a wildcard. A wildcard without a reason is an error at synthesis.
	because string
}

// everything is the resource of an action that knows none. Each use says which page says so.
const everything = "*"

// plannerMay is all that the planner may do. It has nothing on Amazon WorkSpaces: what it needs to know of them,
// the worker has written in the ledger.
func plannerMay(s settings, profiles, book awsdynamodb.TableV2, jobs, failures awssqs.Queue, credential awssecretsmanager.CfnSecret) []permission {
	return []permission{
		{sid: "ReadProfiles", actions: []string{"dynamodb:Scan"}, on: []string{*profiles.TableArn()}},
		{sid: "KeepLedger", on: []string{*book.TableArn()}, actions: []string{
			"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query",
			"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
		}},
		{sid: "FindInLedger", actions: []string{"dynamodb:Query"}, on: indexes(book, ledger.ByProfile, ledger.ByDue)},
		{sid: "SendJobs", actions: []string{"sqs:SendMessage"}, on: []string{*jobs.QueueArn()}},
		{sid: "SetFailuresAside", actions: []string{"sqs:SendMessage"}, on: []string{*failures.QueueArn()}},
		{sid: "ReadGraphCredential", actions: []string{"secretsmanager:GetSecretValue"}, on: []string{*credential.Ref()}},
		{
			// A token that Entra trusts instead of a client secret. It is good for five minutes and for Entra only.
			// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound.html
			sid: "SignInKeyless", actions: []string{"sts:GetWebIdentityToken"}, on: []string{everything},
			where: map[string]map[string]any{
				"ForAllValues:StringEquals": {"sts:IdentityTokenAudience": s.Audience},
				"NumericLessThanEquals":     {"sts:DurationSeconds": 300},
			},
			because: "sts:GetWebIdentityToken knows no resource; audience and duration are fixed by conditions instead.",
		},
	}
}

// workerMay is all that the worker may do in its own account. It has nothing on the Graph credential. It may not
// tag what exists: who can tag a desktop could make somebody else's look like ours.
func workerMay(stack awscdk.Stack, s settings, book awsdynamodb.TableV2, jobs, deadLetters awssqs.Queue) []permission {
	may := []permission{
		{sid: "KeepLedger", on: []string{*book.TableArn()}, actions: []string{
			"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem",
		}},
		// What an event source mapping of a queue needs, and no more.
		// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
		{sid: "TakeJobs", on: []string{*jobs.QueueArn()}, actions: []string{
			"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
		}},
		{sid: "SetAside", actions: []string{"sqs:SendMessage"}, on: []string{*deadLetters.QueueArn()}},
		{
			// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonworkspaces.html
			sid: "SeeDesktops", on: []string{everything}, actions: []string{
				"workspaces:DescribeWorkspaces", "workspaces:DescribeWorkspaceDirectories",
				"workspaces:DescribeWorkspaceBundles", "workspaces:DescribeTags",
			},
			because: "None of these four actions of Amazon WorkSpaces knows a resource.",
		},
		{
			// Only with our tag: the request for the desktop itself must carry it.
			sid: "CreateDesktops", actions: []string{"workspaces:CreateWorkspaces"}, on: []string{workspaces(stack, "workspace/*")},
			where:   map[string]map[string]any{"StringEquals": {"aws:RequestTag/" + desktop.TagInstallation: s.Installation}},
			because: "A desktop has no id before it is made, and profiles say in which Region; the tag of this installation is required instead.",
		},
		{
			// CreateWorkspaces asks for the directory and the bundle too; the request's tags are the desktop's, so
			// these stand apart. Without CreateDesktops they allow nothing.
			sid: "CreateFrom", actions: []string{"workspaces:CreateWorkspaces"},
			on:      []string{workspaces(stack, "directory/*"), bundles(stack)},
			because: "Profiles say which directory and bundle, and in which Region; a bundle of Amazon's is not in this account.",
		},
		{
			// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
			sid: "CountAddresses", actions: []string{"ec2:DescribeSubnets"}, on: []string{everything},
			because: "ec2:DescribeSubnets knows no resource.",
		},
		{
			// https://docs.aws.amazon.com/service-authorization/latest/reference/list_servicequotas.html
			sid: "KnowQuota", on: []string{everything},
			actions: []string{"servicequotas:GetServiceQuota", "servicequotas:GetAWSDefaultServiceQuota"},
			because: "Reading a quota knows no resource.",
		},
	}
	if len(s.MemberAccounts) > 0 {
		may = append(may, mayWorkIn(stack, s))
	}
	return may
}

// mayWorkIn lets the worker take the member role in other accounts, always with the external id.
func mayWorkIn(stack awscdk.Stack, s settings) permission {
	p := permission{
		sid: "WorkInMembers", actions: []string{"sts:AssumeRole"},
		where: map[string]map[string]any{"StringEquals": {"sts:ExternalId": s.ExternalID}},
	}
	for _, account := range s.MemberAccounts {
		p.on = append(p.on, *stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("iam"), Region: jsii.String(""), Account: jsii.String(account),
			Resource: jsii.String("role"), ResourceName: jsii.String(s.MemberRole),
		}))
		if account == everything {
			p.because = "memberAccounts is *: any account that has made a role of this name, which trusts this worker and asks for the external id."
		}
	}
	return p
}

// tickMay is all that the schedule may do.
func tickMay(planner awslambda.Function, failures awssqs.Queue) []permission {
	return []permission{
		{sid: "StartPlanner", actions: []string{"lambda:InvokeFunction"}, on: []string{*planner.FunctionArn()}},
		{sid: "SetFailuresAside", actions: []string{"sqs:SendMessage"}, on: []string{*failures.QueueArn()}},
	}
}

// mayLog is for the streams of one group: its ARN ends in ":*" as CloudFormation gives it.
func mayLog(group awslogs.LogGroup) permission {
	return permission{sid: "Log", actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, on: []string{*group.LogGroupArn()}}
}

func mayTrace() permission {
	return permission{
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
		sid: "Trace", actions: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}, on: []string{everything},
		because: "Sending traces to X-Ray knows no resource.",
	}
}

func indexes(table awsdynamodb.TableV2, names ...string) (arns []string) {
	for _, name := range names {
		arns = append(arns, *table.TableArn()+"/index/"+name)
	}
	return arns
}

// workspaces is an ARN of Amazon WorkSpaces in this account, in any Region.
func workspaces(stack awscdk.Stack, resource string) string {
	return strings.Join([]string{"arn", *stack.Partition(), "workspaces", "*", *stack.Account(), resource}, ":")
}

// bundles are bundles of any account: no page says whether the ARN of Amazon's own names an account, or which.
func bundles(stack awscdk.Stack) string {
	return strings.Join([]string{"arn", *stack.Partition(), "workspaces", "*", "*", "workspacebundle/*"}, ":")
}

// newRole is a role that may do exactly this: its policy is part of it, and CDK can add nothing to what it returns.
// An empty name leaves the naming to CloudFormation.
func newRole(stack awscdk.Stack, id, name string, by awsiam.IPrincipal, may []permission) awsiam.IRole {
	var statements []awsiam.PolicyStatement
	var reasons []string
	for _, p := range may {
		statements = append(statements, p.statement())
		if p.because != "" {
			reasons = append(reasons, p.sid+": "+p.because)
		}
	}
	props := &awsiam.RoleProps{
		AssumedBy: by,
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"may": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	}
	if name != "" {
		props.RoleName = jsii.String(name)
	}
	role := awsiam.NewRole(stack, jsii.String(id), props)
	for _, p := range may {
		if p.unexplained() {
			awscdk.Annotations_Of(role).AddError(jsii.String("permission " + p.sid + " has a wildcard and no reason for it"))
		}
	}
	if len(reasons) > 0 {
		excuse(role, "AwsSolutions-IAM5", strings.Join(reasons, " "))
	}
	return role.WithoutPolicyUpdates(nil)
}

// unexplained reports a wildcard without a reason. For one in the actions there is none.
func (p permission) unexplained() bool {
	return strings.Contains(strings.Join(p.actions, " "), "*") ||
		p.because == "" && strings.Contains(strings.Join(p.on, " "), "*")
}

func (p permission) statement() awsiam.PolicyStatement {
	conditions := map[string]any{}
	for operator, keys := range p.where {
		conditions[operator] = keys
	}
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String(p.sid),
		Actions:    jsii.Strings(p.actions...),
		Resources:  jsii.Strings(p.on...),
		Conditions: &conditions,
	})
}

// excuse records in the template why a finding of cdk-nag is as it should be.
// https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
func excuse(resource constructs.IConstruct, rule, reason string) {
	cdknag.NagSuppressions_AddResourceSuppressions(resource,
		&[]*cdknag.NagPackSuppression{{Id: jsii.String(rule), Reason: jsii.String(reason)}}, jsii.Bool(false))
}

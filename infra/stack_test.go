package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
)

func deployed(t *testing.T) assertions.Template {
	t.Helper()
	return assertions.Template_FromString(jsii.String(string(templateAsDeployed(t))), nil)
}

// like is an object with at least these properties.
type like = map[string]any

func TestWhatTheStackIsMadeOf(t *testing.T) {
	template := deployed(t)
	for kind, count := range map[string]float64{
		"AWS::DynamoDB::GlobalTable": 2, "AWS::SQS::Queue": 3, "AWS::Lambda::Function": 2, "AWS::IAM::Role": 3,
		"AWS::Scheduler::Schedule": 1, "AWS::SecretsManager::Secret": 1, "AWS::Lambda::EventSourceMapping": 1,
		"AWS::IAM::Policy": 0, // whatever a role may do stands in the role
	} {
		template.ResourceCountIs(jsii.String(kind), jsii.Number(count))
	}
	template.AllResourcesProperties(jsii.String("AWS::Lambda::Function"), like{
		"Architectures": []string{"arm64"}, "Runtime": "provided.al2023", "Handler": "bootstrap",
		"TracingConfig":                like{"Mode": "Active"},
		"LoggingConfig":                like{"LogFormat": "JSON", "LogGroup": assertions.Match_AnyValue()},
		"ReservedConcurrentExecutions": assertions.Match_Absent(),
	})
	template.AllResourcesProperties(jsii.String("AWS::Logs::LogGroup"), like{"RetentionInDays": 90})
	template.AllResourcesProperties(jsii.String("AWS::SQS::Queue"), like{
		"SqsManagedSseEnabled": true, "MessageRetentionPeriod": 14 * 24 * 3600,
	})
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like{"MemorySize": 512, "Timeout": 600})
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like{"MemorySize": 128, "Timeout": 300})
}

func TestWhatMustOutliveAMistakeDoes(t *testing.T) {
	template := deployed(t)
	template.AllResources(jsii.String("AWS::DynamoDB::GlobalTable"), like{
		"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain",
		"Properties": like{
			"BillingMode": "PAY_PER_REQUEST",
			"Replicas": []any{assertions.Match_ObjectLike(&like{
				"DeletionProtectionEnabled":        true,
				"PointInTimeRecoverySpecification": like{"PointInTimeRecoveryEnabled": true},
			})},
		},
	})
}

func TestTheSecretHasNoValue(t *testing.T) {
	deployed(t).AllResourcesProperties(jsii.String("AWS::SecretsManager::Secret"), like{
		"SecretString": assertions.Match_Absent(), "GenerateSecretString": assertions.Match_Absent(),
		"Description": assertions.Match_StringLikeRegexp(jsii.String("tenantId, clientId, clientSecret and expiresOn")),
	})
}

func TestATickIsTriedOnceAndItsFailureIsSetAside(t *testing.T) {
	template := deployed(t)
	failedTicks := like{"Fn::GetAtt": []string{"FailedTicks", "Arn"}}
	template.HasResourceProperties(jsii.String("AWS::Lambda::EventInvokeConfig"), like{
		"FunctionName": like{"Ref": "Planner"}, "MaximumRetryAttempts": 0,
		"DestinationConfig": like{"OnFailure": like{"Destination": failedTicks}},
	})
	template.HasResourceProperties(jsii.String("AWS::Scheduler::Schedule"), like{
		"FlexibleTimeWindow": like{"Mode": "OFF"}, "ScheduleExpression": "rate(5 minutes)",
		"Target": like{
			"Input": `{"action":"run","by":"schedule"}`, "RetryPolicy": like{"MaximumRetryAttempts": 0},
			"DeadLetterConfig": like{"Arn": failedTicks},
		},
	})
}

func TestQueuesRefuseWhatIsNotEncryptedOnTheWay(t *testing.T) {
	template := deployed(t)
	for _, queue := range []string{"Jobs", "DeadLetters", "FailedTicks"} {
		template.HasResourceProperties(jsii.String("AWS::SQS::QueuePolicy"), like{
			"Queues": []any{like{"Ref": queue}},
			"PolicyDocument": like{"Statement": []any{like{
				"Effect": "Deny", "Action": "sqs:*", "Principal": like{"AWS": "*"},
				"Condition": like{"Bool": like{"aws:SecureTransport": "false"}},
			}}},
		})
	}
}

func TestSettingsReachTheTemplate(t *testing.T) {
	template := assertions.Template_FromStack(stackWith(t, map[string]any{
		"installation": "acme", "schedule": "rate(1 minute)", "logRetentionDays": "30", "logLevel": "debug", "callRate": 0.5,
		"memberAccounts": []any{"111122223333"}, "memberRole": "desk", "memberExternalId": "acme-1",
		"keylessAudience": "api://AzureADTokenExchangeUSGov",
	}), nil)
	template.AllResourcesProperties(jsii.String("AWS::Logs::LogGroup"), like{"RetentionInDays": 30})
	template.HasResourceProperties(jsii.String("AWS::Scheduler::Schedule"), like{"ScheduleExpression": "rate(1 minute)"})
	template.HasResourceProperties(jsii.String("AWS::IAM::Role"), like{"RoleName": "acme-planner"})
	template.HasResourceProperties(jsii.String("AWS::IAM::Role"), like{"RoleName": "acme-worker"})
	template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like{"Environment": like{"Variables": like{
		"ROLLCALL_INSTALLATION": "acme", "ROLLCALL_LOG_LEVEL": "debug", "ROLLCALL_CALL_RATE": "0.5",
		"ROLLCALL_MEMBER_ROLE": "desk", "ROLLCALL_EXTERNAL_ID": "acme-1",
	}}})
	template.HasOutput(jsii.String("KeylessAudience"), like{"Value": "api://AzureADTokenExchangeUSGov"})
}

func TestWithoutMembersTheWorkerStaysInItsAccount(t *testing.T) {
	template := templateWith(t, map[string]any{"memberAccounts": []any{}})
	for _, s := range rolesOf(t, template)["WorkerRole"] {
		if slices.Contains(s.Action, "sts:AssumeRole") {
			t.Errorf("the worker may still assume %s", s.Resource)
		}
	}
	assertions.Template_FromString(jsii.String(string(template)), nil).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like{
		"Description": assertions.Match_StringLikeRegexp(jsii.String("Works off jobs")),
		"Environment": like{"Variables": like{
			"ROLLCALL_MEMBER_ROLE": assertions.Match_Absent(), "ROLLCALL_EXTERNAL_ID": assertions.Match_Absent(),
		}},
	})
}

// The federated credential in Entra names the planner's role by its ARN: a change of the name locks rollcall out.
func TestTheSubjectOfTheFederatedCredentialIsFixed(t *testing.T) {
	template := deployed(t)
	template.HasResource(jsii.String("AWS::IAM::Role"), like{"Properties": like{"RoleName": "rollcall-planner"}})
	template.HasOutput(jsii.String("KeylessSubject"), like{"Value": like{"Fn::GetAtt": []string{"PlannerRole", "Arn"}}})
	template.HasOutput(jsii.String("KeylessAudience"), like{"Value": "api://AzureADTokenExchange"})
}

func TestLogicalIdsAreReadable(t *testing.T) {
	var template struct {
		Resources map[string]struct{ Metadata map[string]any }
	}
	if err := json.Unmarshal(templateAsDeployed(t), &template); err != nil {
		t.Fatal(err)
	}
	if len(template.Resources) == 0 {
		t.Fatal("the template has no resources")
	}
	for id, resource := range template.Resources {
		path, _ := resource.Metadata["aws:cdk:path"].(string)
		want := strings.NewReplacer("rollcall/", "", "/Resource", "", "/", "").Replace(path)
		if id != want {
			t.Errorf("the logical id of %s is %s, expected %s", path, id, want)
		}
	}
}

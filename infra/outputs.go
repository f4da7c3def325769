package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// told is what the outputs speak of.
type told struct {
	profiles, ledger               awsdynamodb.TableV2
	credential                     awssecretsmanager.CfnSecret
	jobs, deadLetters, failedTicks awssqs.Queue
	planner, worker                awslambda.Function
}

// tellThePerson writes the outputs: what somebody who has just deployed needs next, ready to be pasted.
func tellThePerson(stack awscdk.Stack, s settings, t told) {
	out := func(id, says string, value *string) {
		awscdk.NewCfnOutput(stack, jsii.String(id), &awscdk.CfnOutputProps{Description: jsii.String(says), Value: value})
	}
	// What to do next.
	out("ProfilesTableName", "AP profiles go here, one item each", t.profiles.TableName())
	out("StoreGraphCredential", "Store how rollcall signs in to Graph (keyless: leave clientSecret and expiresOn out)", jsii.String(fmt.Sprintf(
		`aws secretsmanager put-secret-value --secret-id %s --secret-string '{"tenantId":"...","clientId":"...","clientSecret":"...","expiresOn":"2027-01-31"}'`,
		*t.credential.Ref())))
	out("TryADryRun", "See what a tick would do, and do nothing", jsii.String(fmt.Sprintf(
		`aws lambda invoke --function-name %s --cli-binary-format raw-in-base64-out --payload '{"action":"dryRun"}' /dev/stdout`,
		*t.planner.FunctionName())))

	// Keyless: the federated credential in Entra, field by field.
	out("KeylessIssuer", "Prints the issuer of this account, once outbound identity federation is on (aws iam enable-outbound-web-identity-federation)",
		jsii.String("aws iam get-outbound-web-identity-federation-info --query IssuerIdentifier --output text"))
	out("KeylessSubject", "Subject of the federated credential: the planner's role", t.planner.Role().RoleArn())
	out("KeylessAudience", "Audience of the federated credential", jsii.String(s.Audience))

	// Where to look.
	out("LedgerTableName", "What rollcall believes and did", t.ledger.TableName())
	out("WorkerRoleArn", "The role that a member account's role trusts", t.worker.Role().RoleArn())
	out("PlannerLogGroup", "The planner's log", t.planner.LogGroup().LogGroupName())
	out("WorkerLogGroup", "The worker's log", t.worker.LogGroup().LogGroupName())
	out("JobsQueueUrl", "Jobs on their way to the worker", t.jobs.QueueUrl())
	out("DeadLetterQueueUrl", "Jobs that were set aside: empty when all is well", t.deadLetters.QueueUrl())
	out("FailedTicksQueueUrl", "Ticks that failed: empty when all is well", t.failedTicks.QueueUrl())
}

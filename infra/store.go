package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"rollcall/shared/ledger"
)

// profilesTable holds the AP profiles, one item each, plain enough to be edited in the DynamoDB console.
func profilesTable(stack awscdk.Stack) awsdynamodb.TableV2 {
	return keptTable(stack, "Profiles", awsdynamodb.TablePropsV2{PartitionKey: text(ledger.ProfileID)})
}

// ledgerTable holds what rollcall believes and did. Its shape is package ledger's; the indexes hold keys only,
// because an index finds and never decides.
func ledgerTable(stack awscdk.Stack) awsdynamodb.TableV2 {
	return keptTable(stack, "Ledger", awsdynamodb.TablePropsV2{
		PartitionKey:        text(ledger.PartitionKey),
		SortKey:             text(ledger.SortKey),
		TimeToLiveAttribute: jsii.String(ledger.Expires),
		GlobalSecondaryIndexes: &[]*awsdynamodb.GlobalSecondaryIndexPropsV2{
			keysOnly(ledger.ByProfile, ledger.ProfileKey, ledger.StatusKey),
			keysOnly(ledger.ByDue, ledger.DueShard, ledger.DueAt),
		},
	})
}

// keptTable is a table paid by request whose content outlives a mistake: it can be restored to any second of the
// last 35 days, cannot be deleted while its protection is on, and stays when the stack goes.
func keptTable(stack awscdk.Stack, id string, props awsdynamodb.TablePropsV2) awsdynamodb.TableV2 {
	props.Billing = awsdynamodb.Billing_OnDemand(nil)
	props.PointInTimeRecoverySpecification = &awsdynamodb.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: jsii.Bool(true)}
	props.DeletionProtection = jsii.Bool(true)
	props.RemovalPolicy = awscdk.RemovalPolicy_RETAIN
	return awsdynamodb.NewTableV2(stack, jsii.String(id), &props)
}

func keysOnly(name, partition, sort string) *awsdynamodb.GlobalSecondaryIndexPropsV2 {
	return &awsdynamodb.GlobalSecondaryIndexPropsV2{
		IndexName: jsii.String(name), PartitionKey: text(partition), SortKey: text(sort),
		ProjectionType: awsdynamodb.ProjectionType_KEYS_ONLY,
	}
}

func text(name string) *awsdynamodb.Attribute {
	return &awsdynamodb.Attribute{Name: jsii.String(name), Type: awsdynamodb.AttributeType_STRING}
}

// graphCredential is a secret without a value. CDK's own Secret would generate one, which the planner could only
// find malformed; without any, it can say that nobody has filled it in.
func graphCredential(stack awscdk.Stack) awssecretsmanager.CfnSecret {
	secret := awssecretsmanager.NewCfnSecret(stack, jsii.String("GraphCredential"), &awssecretsmanager.CfnSecretProps{
		Description: jsii.String("How rollcall signs in to Microsoft Graph. Store JSON with tenantId, clientId, clientSecret and expiresOn (a date); " +
			"keyless, with a federated credential in Entra that trusts the planner's role: tenantId and clientId only."),
	})
	excuse(secret, "AwsSolutions-SMG4", "Entra issues the client secret, so Secrets Manager cannot rotate it; the planner warns before "+
		"expiresOn, and the keyless way stores nothing to rotate.")
	return secret
}

package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdadestinations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// function is what the stack says of one Lambda function.
type function struct {
	name, says  string
	binary      string // folder with bootstrap, built for linux/arm64
	memory      float64
	timeout     float64 // minutes
	role        string
	may         []permission
	environment map[string]*string
	retention   awslogs.RetentionDays
}

// newFunction is a Go function with its own log group and its own role.
//
// It reserves no concurrency: that would turn a manual run away while a tick runs, and take from the little that a
// small account has. The planner's lease and the queue's message groups keep order.
func newFunction(stack awscdk.Stack, f function) awslambda.Function {
	logs := awslogs.NewLogGroup(stack, jsii.String(f.name+"Logs"), &awslogs.LogGroupProps{
		Retention:     f.retention,
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN, // who got or lost a desktop may be asked after an uninstall
	})
	role := newRole(stack, f.name+"Role", f.role, awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		append(f.may, mayLog(logs), mayTrace()))
	return awslambda.NewFunction(stack, jsii.String(f.name), &awslambda.FunctionProps{
		Description:   jsii.String(f.says),
		Runtime:       awslambda.Runtime_PROVIDED_AL2023(),
		Architecture:  awslambda.Architecture_ARM_64(),
		Handler:       jsii.String("bootstrap"),
		Code:          awslambda.Code_FromAsset(jsii.String(f.binary), nil),
		MemorySize:    jsii.Number(f.memory),
		Timeout:       awscdk.Duration_Minutes(jsii.Number(f.timeout)),
		Role:          role,
		Environment:   &f.environment,
		LogGroup:      logs,
		LoggingFormat: awslambda.LoggingFormat_JSON,
		Tracing:       awslambda.Tracing_ACTIVE,
	})
}

// setAsideFailures makes the next tick the only retry of a tick: Lambda would otherwise repeat a failed one twice,
// beside the next.
func setAsideFailures(planner awslambda.Function, failures awssqs.Queue) {
	planner.ConfigureAsyncInvoke(&awslambda.EventInvokeConfigOptions{
		RetryAttempts: jsii.Number(0),
		MaxEventAge:   awscdk.Duration_Minutes(jsii.Number(5)),
		OnFailure:     awslambdadestinations.NewSqsDestination(failures),
	})
}

package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsschedulertargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"rollcall/events"
)

// tick starts the planner by the clock. Nothing depends on the moment, so a tick that could not be handed over is
// not tried again: it is set aside for people to see, and the next one does the work.
func tick(stack awscdk.Stack, s settings, planner awslambda.Function, failures awssqs.Queue) {
	awsscheduler.NewSchedule(stack, jsii.String("Tick"), &awsscheduler.ScheduleProps{
		Description: jsii.String("Starts rollcall's planner"),
		Schedule:    awsscheduler.ScheduleExpression_Expression(jsii.String(s.Schedule), awscdk.TimeZone_ETC_UTC()),
		TimeWindow:  awsscheduler.TimeWindow_Off(),
		Target: awsschedulertargets.NewLambdaInvoke(planner, &awsschedulertargets.ScheduleTargetBaseProps{
			Input: awsscheduler.ScheduleTargetInput_FromObject(map[string]any{
				"action": string(events.Run),
				"by":     "schedule",
			}),
			RetryAttempts:   jsii.Number(0),
			MaxEventAge:     awscdk.Duration_Minutes(jsii.Number(1)), // the least that the service takes
			DeadLetterQueue: failures,
			Role:            newRole(stack, "TickRole", "", schedulerOf(stack), tickMay(planner, failures)),
		}),
	})
}

// schedulerOf is EventBridge Scheduler on behalf of this account's own schedules, and of nobody else's.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
func schedulerOf(stack awscdk.Stack) awsiam.IPrincipal {
	group := stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("scheduler"), Resource: jsii.String("schedule-group"), ResourceName: jsii.String("default"),
	})
	return awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
		Conditions: &map[string]any{"StringEquals": map[string]any{
			"aws:SourceAccount": stack.Account(),
			"aws:SourceArn":     group,
		}},
	})
}

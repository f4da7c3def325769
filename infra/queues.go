package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// The functions' timeouts. The planner's lease outlives its own; a worker gives its lane back in time for the next
// batch, and records whom it did not get to.
const (
	plannerTimeout = 10 // minutes
	workerTimeout  = 5  // minutes
)

// deliveries is how often a job is tried before it is set aside. Only a crash redelivers: whatever else goes wrong
// is recorded for each person, and the message is acknowledged.
const deliveries = 5

// batch is how many messages an invocation takes: as many as a FIFO queue gives.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
const batch = 10

// jobsQueue is the line from planner to worker: first in, first out for each account and Region.
//
// A message stays invisible for six times the worker's timeout, as Lambda asks, so that a batch which Lambda
// retries because the function is throttled is not delivered twice.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
func jobsQueue(stack awscdk.Stack, deadLetters awssqs.Queue) awssqs.Queue {
	props := keptMessages()
	props.Fifo = jsii.Bool(true)
	props.VisibilityTimeout = awscdk.Duration_Minutes(jsii.Number(6 * workerTimeout))
	props.DeadLetterQueue = &awssqs.DeadLetterQueue{Queue: deadLetters, MaxReceiveCount: jsii.Number(deliveries)}
	return awssqs.NewQueue(stack, jsii.String("Jobs"), props)
}

// deadLetterQueue takes jobs that crashed the worker five times, and bodies that the worker could not decode.
func deadLetterQueue(stack awscdk.Stack) awssqs.Queue {
	props := keptMessages()
	props.Fifo = jsii.Bool(true)
	return awssqs.NewQueue(stack, jsii.String("DeadLetters"), props)
}

// failedTicksQueue takes what Lambda and EventBridge Scheduler could not bring to a good end. Nothing reads it but
// people: the next tick does the work again.
func failedTicksQueue(stack awscdk.Stack) awssqs.Queue {
	queue := awssqs.NewQueue(stack, jsii.String("FailedTicks"), keptMessages())
	excuse(queue, "AwsSolutions-SQS3", "This queue is itself where failures are set aside; no function reads it.")
	return queue
}

// keptMessages are kept for 14 days, which is the most that SQS keeps, encrypted, and taken over TLS only.
func keptMessages() *awssqs.QueueProps {
	return &awssqs.QueueProps{
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
	}
}

// feed gives the worker its jobs. A message that the worker names as failed comes again, and the rest of the batch
// does not.
func feed(stack awscdk.Stack, jobs awssqs.Queue, worker awslambda.Function) {
	awslambda.NewEventSourceMapping(stack, jsii.String("JobsToWorker"), &awslambda.EventSourceMappingProps{
		EventSourceArn:          jobs.QueueArn(),
		Target:                  worker,
		BatchSize:               jsii.Number(batch),
		ReportBatchItemFailures: jsii.Bool(true),
	})
}

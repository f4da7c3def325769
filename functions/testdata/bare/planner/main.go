// Command planner is no planner: a Lambda function that does nothing, linked with the AWS clients and the operations
// that rollcall's planner uses. A benchmark compares how long the two take to start.
package main

import (
	"context"
	"errors"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	settings, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	tables, queues := dynamodb.NewFromConfig(settings), sqs.NewFromConfig(settings)
	secrets, tokens := secretsmanager.NewFromConfig(settings), sts.NewFromConfig(settings)
	lambda.Start(func(ctx context.Context) error {
		_, e1 := tables.BatchGetItem(ctx, nil)
		_, e2 := tables.BatchWriteItem(ctx, nil)
		_, e3 := tables.GetItem(ctx, nil)
		_, e4 := tables.PutItem(ctx, nil)
		_, e5 := tables.UpdateItem(ctx, nil)
		_, e6 := tables.DeleteItem(ctx, nil)
		_, e7 := tables.Query(ctx, nil)
		_, e8 := tables.Scan(ctx, nil)
		_, e9 := queues.SendMessageBatch(ctx, nil)
		_, e10 := secrets.GetSecretValue(ctx, nil)
		_, e11 := tokens.GetWebIdentityToken(ctx, nil)
		return errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11)
	})
}

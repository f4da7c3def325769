// Command worker is no worker: a Lambda function that does nothing, linked with the AWS clients and the operations that
// rollcall's worker uses. A benchmark compares how long the two take to start.
package main

import (
	"context"
	"errors"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/workspaces"
)

func main() {
	settings, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	tables, queues := dynamodb.NewFromConfig(settings), sqs.NewFromConfig(settings)
	desktops, networks, quotas := workspaces.NewFromConfig(settings), ec2.NewFromConfig(settings), servicequotas.NewFromConfig(settings)
	role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(settings), "")
	lambda.Start(func(ctx context.Context) error {
		_, e1 := tables.BatchGetItem(ctx, nil)
		_, e2 := tables.GetItem(ctx, nil)
		_, e3 := tables.PutItem(ctx, nil)
		_, e4 := tables.Query(ctx, nil)
		_, e5 := queues.SendMessage(ctx, nil)
		_, e6 := desktops.CreateWorkspaces(ctx, nil)
		_, e7 := desktops.DescribeWorkspaces(ctx, nil)
		_, e8 := desktops.DescribeTags(ctx, nil)
		_, e9 := desktops.DescribeWorkspaceDirectories(ctx, nil)
		_, e10 := desktops.DescribeWorkspaceBundles(ctx, nil)
		_, e11 := networks.DescribeSubnets(ctx, nil)
		_, e12 := quotas.GetServiceQuota(ctx, nil)
		_, e13 := quotas.GetAWSDefaultServiceQuota(ctx, nil)
		_, e14 := role.Retrieve(ctx)
		return errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14)
	})
}

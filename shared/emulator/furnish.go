package emulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"rollcall/shared/emulator/template"
)

// furnish makes what the template describes, past the gateway: it is not in the log, and no fault strikes it.
func (c *Cloud) furnish(ctx context.Context) error {
	if err := c.makeTables(ctx); err != nil {
		return err
	}
	if err := c.makeQueues(); err != nil {
		return err
	}
	if err := c.makeSecrets(); err != nil {
		return err
	}
	if _, told := c.graphSecret(); !told || c.options.NoCredential {
		return nil
	}
	return c.Store(c.Credential())
}

// makeTables makes all tables and waits until they are ACTIVE.
func (c *Cloud) makeTables(ctx context.Context) error {
	settings := c.Config("cloudformation", "", "")
	settings.BaseEndpoint = aws.String(c.Database.Endpoint())
	client := dynamodb.NewFromConfig(settings)
	group, ctx := errgroup.WithContext(ctx)
	for _, t := range c.Stack.Tables {
		group.Go(func() error {
			if _, err := client.CreateTable(ctx, definition(t)); err != nil {
				return fmt.Errorf("creating table %s (%s): %w", t.Name, t.ID, err)
			}
			waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
				o.MinDelay, o.MaxDelay = 2*time.Millisecond, 50*time.Millisecond
			})
			if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name}, 10*time.Second); err != nil {
				return fmt.Errorf("waiting for table %s (%s): %w", t.Name, t.ID, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// definition is a table as CreateTable wants it. TableV2 has no API of its own; dynalite has no TTL.
func definition(t template.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest, KeySchema: schema(t.Keys)}
	for name, kind := range t.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeType(kind)})
	}
	slices.SortFunc(in.AttributeDefinitions, func(a, b types.AttributeDefinition) int { return cmp.Compare(*a.AttributeName, *b.AttributeName) })
	for _, i := range t.Global {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes,
			types.GlobalSecondaryIndex{IndexName: aws.String(i.Name), KeySchema: schema(i.Keys), Projection: projection(i)})
	}
	for _, i := range t.Local {
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes,
			types.LocalSecondaryIndex{IndexName: aws.String(i.Name), KeySchema: schema(i.Keys), Projection: projection(i)})
	}
	return in
}

func schema(keys []template.Key) (all []types.KeySchemaElement) {
	for _, k := range keys {
		all = append(all, types.KeySchemaElement{AttributeName: aws.String(k.Attribute), KeyType: types.KeyType(k.Role)})
	}
	return all
}

func projection(i template.Index) *types.Projection {
	return &types.Projection{ProjectionType: types.ProjectionType(i.Projection), NonKeyAttributes: i.Included}
}

// makeQueues makes all queues, those without a redrive policy first: a dead-letter queue must be there before the
// queue that names it.
func (c *Cloud) makeQueues() error {
	queues := slices.Clone(c.Stack.Queues)
	slices.SortStableFunc(queues, func(a, b template.Queue) int {
		return cmp.Compare(a.Attributes["RedrivePolicy"], b.Attributes["RedrivePolicy"]) // empty comes first
	})
	for _, q := range queues {
		url, err := c.Queues.Create(c.options.Account, c.options.Region, q.Name, q.Attributes)
		if err != nil {
			return fmt.Errorf("%w (%s)", err, q.ID)
		}
		if url != q.URL {
			return fmt.Errorf("creating queue %s (%s): its URL is %s, and the functions are told %s", q.Name, q.ID, url, q.URL)
		}
	}
	return nil
}

// makeSecrets makes all secrets under the ARNs that the functions are told, with the values that the template gives.
func (c *Cloud) makeSecrets() error {
	for _, s := range c.Stack.Secrets {
		arn, err := c.Secrets.Declare(c.options.Account, c.options.Region, s.Name, s.Description, s.ARN[strings.LastIndexByte(s.ARN, '-')+1:])
		if err != nil {
			return fmt.Errorf("%w (%s)", err, s.ID)
		}
		if arn != s.ARN {
			return fmt.Errorf("creating secret %s (%s): its ARN is %s, and the functions are told %s", s.Name, s.ID, arn, s.ARN)
		}
		if s.Value == "" {
			continue
		}
		if err := c.Secrets.Put(c.options.Account, c.options.Region, s.Name, s.Value); err != nil {
			return fmt.Errorf("%w (%s)", err, s.ID)
		}
	}
	return nil
}

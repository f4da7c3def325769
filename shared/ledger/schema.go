package ledger

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The tables' shape. All key attributes are strings. The stack makes the tables by these names.
const (
	PartitionKey = "pk"
	SortKey      = "sk"

	ByProfile  = "byProfile" // an index on (ProfileKey, StatusKey), keys only
	ProfileKey = "profileKey"
	StatusKey  = "statusKey"

	ByDue    = "byDue" // a sparse index on (DueShard, DueAt), keys only
	DueShard = "dueShard"
	DueAt    = "dueAt"

	Expires = "expires" // the TTL attribute: a number, seconds since 1970

	ProfileID = "id" // the partition key of the profiles table, which has no sort key
)

// Definition is the ledger table, paid by request. TTL is not part of CreateTable: switch it on for Expires.
func Definition(name string) *dynamodb.CreateTableInput {
	index := func(name, hash, sort string) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{
			IndexName:  aws.String(name),
			KeySchema:  keySchema(hash, sort),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}
	}
	return &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   keySchema(PartitionKey, SortKey),
		AttributeDefinitions: stringAttributes(
			PartitionKey, SortKey, ProfileKey, StatusKey, DueShard, DueAt),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			index(ByProfile, ProfileKey, StatusKey),
			index(ByDue, DueShard, DueAt),
		},
	}
}

// ProfilesDefinition is the profiles table, paid by request.
func ProfilesDefinition(name string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName:            aws.String(name),
		BillingMode:          types.BillingModePayPerRequest,
		KeySchema:            keySchema(ProfileID),
		AttributeDefinitions: stringAttributes(ProfileID),
	}
}

// keySchema is a partition key and, where a second name is given, a sort key.
func keySchema(names ...string) []types.KeySchemaElement {
	kinds := []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}
	var schema []types.KeySchemaElement
	for i, n := range names {
		schema = append(schema, types.KeySchemaElement{AttributeName: aws.String(n), KeyType: kinds[i]})
	}
	return schema
}

func stringAttributes(names ...string) []types.AttributeDefinition {
	var all []types.AttributeDefinition
	for _, n := range names {
		all = append(all, types.AttributeDefinition{
			AttributeName: aws.String(n), AttributeType: types.ScalarAttributeTypeS,
		})
	}
	return all
}

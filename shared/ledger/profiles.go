package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/fault"
	"rollcall/shared/profile"
)

// Profiles is the table of AP profiles, which administrators edit in the DynamoDB console. It does not know what a
// profile is: it hands over what is written there, for package profile to decode and to complain about.
type Profiles struct{ table }

// NewProfiles is the profiles in a table made as ProfilesDefinition says.
func NewProfiles(client *dynamodb.Client, name string) *Profiles {
	return &Profiles{table{client: client, name: name, variable: config.ProfilesTable, clock: clock.System{}}}
}

// All reads every row, strongly consistently and by id: every page, or an error. A whole number is an int64, another a
// float64; a set is a sorted list. A binary value, which no field of a profile takes, is a map with the one field "B"
// or "BS", so that whoever decodes the profile complains of that field, and not of every profile.
func (p *Profiles) All(ctx context.Context) ([]profile.Document, error) {
	const doing = "reading the AP profiles"
	var rows []profile.Document
	pages := dynamodb.NewScanPaginator(p.client, &dynamodb.ScanInput{
		TableName: aws.String(p.name), ConsistentRead: aws.Bool(true),
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, p.fail(err, doing)
		}
		for _, it := range out.Items {
			fields := values(it, plainNumber)
			id, isText := fields[ProfileID].(string)
			if !isText {
				return nil, p.unreadable(it, fmt.Errorf("its %s is not text", ProfileID), doing)
			}
			delete(fields, ProfileID)
			rows = append(rows, profile.Document{ID: id, Fields: fields})
		}
	}
	slices.SortFunc(rows, func(a, b profile.Document) int { return strings.Compare(a.ID, b.ID) })
	return rows, nil
}

// Put writes a row over whatever is there, as the console does. The fields may hold whatever JSON can. The error is
// fault.Rejected where they cannot be written as a row.
func (p *Profiles) Put(ctx context.Context, d profile.Document) error {
	doing := "writing AP profile " + d.ID
	if own, has := d.Fields[ProfileID]; d.ID == "" || has && own != d.ID {
		return fault.New(fault.Rejected, doing+": its id is missing, or is another one among the fields")
	}
	it, err := encode(d.Fields)
	if err != nil {
		return fault.Wrap(fault.Rejected, err, doing)
	}
	it[ProfileID] = text(d.ID)
	return p.put(ctx, it, doing)
}

// Delete removes a row; one that is not there is no error.
func (p *Profiles) Delete(ctx context.Context, id string) error {
	return p.remove(ctx, item{ProfileID: text(id)}, "deleting AP profile "+id)
}

// Package fleet is the edge to Amazon WorkSpaces: one Fleet for each lane, which is one account and Region.
//
// It exists so that nobody else has to know how WorkSpaces behaves: that all calls of an account share two a
// second, that CreateWorkspaces has no client token and answers failures of single people inside a success, that
// its codes are dotted strings which no page lists. It translates the words of package desktop into the SDK's and
// back, holds every attempt (retries of the SDK too) to the lane's rate, and classifies each failure once into a
// fault.Kind; what a code means is the table in failures.go.
//
// The clients of EC2 (addresses of a directory's subnets), Service Quotas (how many WorkSpaces an account may have)
// and STS (the role in another account) live here too, because only the fleet needs them. They have limits of
// their own and take none of the lane's calls.
//
// It refuses to repeat a create whose outcome is not known: a second call would not make a second desktop, but its
// answer would hide whose the first one is. It never sends ComputeTypeName, never terminates, and never guesses
// what an unknown code means: that is Rejected, with the code verbatim.
package fleet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/workspaces"

	"rollcall/shared/awsfault"
	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// DefaultRate is how many calls a second a lane makes: below the two that WorkSpaces allows, because the console
// and other tools share them.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/amazon-workspaces-troubleshooting.html
const DefaultRate = 1.8

// Settings say how the fleet reaches its accounts. Account and Clock are required.
type Settings struct {
	Account    string  // our own, which needs no role; 12 digits
	MemberRole string  // the name (with its path, if any) of the role to assume in every other account
	ExternalID string  // the external id that the role asks for; may be empty
	Rate       float64 // calls a second for each lane; zero is DefaultRate
	Clock      clock.Clock
}

// Fleets makes the fleets of an installation and keeps the credentials of each account between invocations.
type Fleets struct {
	config   aws.Config
	settings Settings

	mu       sync.Mutex
	accounts map[string]aws.CredentialsProvider // of accounts that are not ours
}

// New is the fleets reached with config, whose credentials are our own account's.
func New(config aws.Config, settings Settings) *Fleets {
	if settings.Rate <= 0 {
		settings.Rate = DefaultRate
	}
	return &Fleets{config: config, settings: settings, accounts: map[string]aws.CredentialsProvider{}}
}

// Lane is the fleet of one account and Region with a bucket of its own that starts empty: ask once for each
// invocation. The credentials of another account are fetched here, once until they run out, so that an account
// whose role is missing fails here, and only in its own lane. Errors: Misconfigured where no role is configured,
// Denied where it cannot be assumed, Unavailable where STS does not answer.
func (f *Fleets) Lane(ctx context.Context, lane desktop.Lane) (*Fleet, error) {
	config := f.config.Copy()
	config.Region = lane.Region
	if lane.Account != f.settings.Account {
		credentials, err := f.credentials(lane)
		if err != nil {
			return nil, err
		}
		if _, err := credentials.Retrieve(ctx); err != nil {
			return nil, classify(err, "assuming the role "+f.role(lane))
		}
		config.Credentials = credentials
	}
	bucket := newBucket(f.settings.Clock, f.settings.Rate)
	return &Fleet{
		lane:  lane,
		clock: f.settings.Clock,
		workspaces: workspaces.NewFromConfig(config, func(o *workspaces.Options) {
			o.Retryer = patient()
			o.APIOptions = append(o.APIOptions, bucket.addTo)
		}),
		ec2:    ec2.NewFromConfig(config),
		quotas: servicequotas.NewFromConfig(config),
	}, nil
}

// credentials are those of the role in the lane's account: one provider per account, whatever the Region.
func (f *Fleets) credentials(lane desktop.Lane) (aws.CredentialsProvider, error) {
	if f.settings.MemberRole == "" {
		e := fault.New(fault.Misconfigured, fmt.Sprintf("account %s is not our own (%s), and no role for other accounts is configured",
			lane.Account, f.settings.Account))
		e.Advice = "Configure the name of a role that exists in every other account"
		return nil, e
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.accounts[lane.Account]; ok {
		return c, nil
	}
	client := sts.NewFromConfig(f.config, func(o *sts.Options) {
		if o.Region == "" {
			o.Region = lane.Region
		}
	})
	c := aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, f.role(lane), func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "rollcall-worker"
		if f.settings.ExternalID != "" {
			o.ExternalID = aws.String(f.settings.ExternalID)
		}
	}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = time.Minute })
	f.accounts[lane.Account] = c
	return c, nil
}

// role is the ARN of the member role in the lane's account and partition.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
func (f *Fleets) role(lane desktop.Lane) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(lane.Region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(lane.Region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", partition, lane.Account, strings.TrimPrefix(f.settings.MemberRole, "/"))
}

// mostAttempts is how often a call is tried before its failure is handed back. The SDK's own three are too few for
// a service that throttles at two calls a second.
const mostAttempts = 6

// patient retries as the SDK does, but never waits by itself: an attempt waits in the bucket, on our clock.
func patient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = mostAttempts
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		o.RateLimiter = unlimited{}
	})
}

// unlimited is no quota on retries: the bucket is the limit.
type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

func (unlimited) AddTokens(uint) error { return nil }

// careful retries only what is known to have done nothing: a throttle, or a connection that was never made.
func careful() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = mostAttempts
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		o.RateLimiter = unlimited{}
		o.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			return aws.BoolTernary(throttled(err) || awsfault.Read(err).NeverSent)
		})}
	})
}

// Fleet is Amazon WorkSpaces in one lane. It is safe for concurrent use: calls may overlap in flight, and start no
// faster than the lane's rate.
type Fleet struct {
	lane       desktop.Lane
	clock      clock.Clock
	workspaces *workspaces.Client
	ec2        *ec2.Client
	quotas     *servicequotas.Client
}

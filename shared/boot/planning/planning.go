// Package planning puts the planner together: Entra, the ledger, the profiles, the queue and the credential. It is
// wiring and nothing else; it refuses to hold a rule.
package planning

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"rollcall/events"
	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/entra"
	"rollcall/shared/ledger"
	"rollcall/shared/queue"
	"rollcall/shared/reconcile"
	"rollcall/shared/secret"
)

// leaseFor outlives the function's timeout of 10 minutes; margin is what a tick needs to put things away.
const (
	leaseFor = 15 * time.Minute
	margin   = 30 * time.Second
)

// Edges is what the outside gives.
type Edges struct {
	AWS aws.Config
	// Transport carries the requests to Entra and Graph; nil is a transport of package entra.
	Transport http.RoundTripper
	Clock     clock.Clock
	Log       *slog.Logger
}

// Function is the planner as Lambda calls it.
type Function struct{ planner *reconcile.Planner }

// New puts the planner together. It makes no request.
func New(c config.Planner, e Edges) *Function {
	tables := dynamodb.NewFromConfig(e.AWS)
	book := ledger.New(tables, c.LedgerTable, ledger.WithClock(e.Clock))
	door := &door{
		settings: c, edges: e,
		store: secret.NewStore(secretsmanager.NewFromConfig(e.AWS)), tokens: sts.NewFromConfig(e.AWS),
	}
	return &Function{planner: &reconcile.Planner{
		Profiles: ledger.NewProfiles(tables, c.ProfilesTable), Assignments: book, Inbox: book, Book: book,
		Cursors: book, Rolls: book, Journal: book, Queue: queue.NewSender(sqs.NewFromConfig(e.AWS), c.QueueURL, queue.WithClock(e.Clock)),
		SignIn: door.signIn, Clock: e.Clock, Log: e.Log, LeaseFor: leaseFor, Margin: margin,
	}}
}

// Handle does what the event asks. The answer is JSON for a person; the error is one sentence.
func (f *Function) Handle(ctx context.Context, payload json.RawMessage) (any, error) {
	req, err := events.DecodeRequest(payload)
	if err != nil {
		return nil, err
	}
	return f.planner.Handle(ctx, req)
}

// door is the way into Entra. It reads the credential for each tick and keeps the token while that stays the same.
type door struct {
	settings config.Planner
	edges    Edges
	store    *secret.Store
	tokens   *sts.Client

	mu        sync.Mutex
	directory *entra.Directory
	cloud     entra.Cloud
}

func (d *door) signIn(ctx context.Context) (reconcile.Roster, error) {
	credential, err := d.store.Graph(ctx, d.settings.GraphSecret)
	if err != nil {
		return nil, err
	}
	if !credential.Enabled {
		return nil, reconcile.ErrGraphOff
	}
	directory, err := d.open(credential)
	if err != nil {
		return nil, err
	}
	if err := directory.SignIn(ctx); err != nil {
		return nil, err
	}
	return directory, nil
}

func (d *door) open(c secret.Credential) (*entra.Directory, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cloud := entra.Cloud(c.Cloud)
	credential := entra.Credential{Tenant: c.TenantID, Client: c.ClientID, Secret: c.ClientSecret}
	if credential.Secret.IsZero() {
		credential.Assertion = d.assertion(cloud)
	}
	if d.directory != nil && d.cloud == cloud {
		return d.directory, d.directory.SignInWith(credential)
	}
	directory, err := entra.New(entra.Options{
		Credential: credential, Cloud: cloud, Authority: d.settings.Authority,
		GraphURL: d.settings.GraphURL, Transport: d.edges.Transport, Clock: d.edges.Clock, Log: d.edges.Log,
	})
	if err != nil {
		return nil, err
	}
	d.directory, d.cloud = directory, cloud
	return directory, nil
}

// assertion is the keyless way in: a token of AWS STS, for the planner's own role, that a federated credential in
// Entra trusts. Entra accepts RS256 only; five minutes are enough, because it is used at once.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
func (d *door) assertion(cloud entra.Cloud) entra.Assertion {
	return func(ctx context.Context) (string, error) {
		out, err := d.tokens.GetWebIdentityToken(ctx, &sts.GetWebIdentityTokenInput{
			Audience: []string{cloud.Audience()}, SigningAlgorithm: aws.String("RS256"), DurationSeconds: aws.Int32(300),
		})
		if err != nil {
			return "", fmt.Errorf("asking AWS for a web identity token: %w", err)
		}
		return aws.ToString(out.WebIdentityToken), nil
	}
}

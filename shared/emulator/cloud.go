// Package emulator is the embedded cloud: everything that rollcall needs of Microsoft Entra and AWS, on one machine,
// with no account, no container and no network. It starts what the stack's own CloudFormation template describes,
// and the real SDK clients talk to it over HTTP on loopback.
//
// It exists so that a person can see rollcall work within a minute, and so that tests run the code that ships,
// wired as it is deployed, through a month of ticks and through every failure that the services are known for.
//
// The parts have packages of their own: gateway is the door (routing, log, faults), template reads the stack, and
// each service keeps its state and its rules. This package puts them together, gives every function its
// environment and its identity, and is the event source mapping between a queue and a function (Pump).
//
// It refuses to be used in production: nothing that ships imports it. It does not check IAM permissions; the
// synthesized policies are tested where they are made.
package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/dynalite"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/emulator/runtime"
	"rollcall/shared/emulator/secrets"
	"rollcall/shared/emulator/service"
	"rollcall/shared/emulator/sqs"
	"rollcall/shared/emulator/sts"
	"rollcall/shared/emulator/template"
	"rollcall/shared/emulator/workspaces"
)

// Options are what a cloud is started with. All but Template may be left out.
type Options struct {
	// Template is the CloudFormation template of the stack, in JSON, as infra synthesizes it.
	Template []byte
	// Parameters are values for the template's parameters, before their defaults.
	Parameters map[string]string
	// Clock is everyone's time, but for what dynalite and TLS take from the machine; nil is clock.System.
	Clock clock.Clock
	// Account, Region and Stack are where the stack is thought to be deployed: 111122223333, eu-central-1, rollcall.
	Account, Region, Stack string
	// Seed makes every generated id and duration: the same seed and the same calls give the same world.
	Seed uint64
	// Lanes is what each account and Region of WorkSpaces starts with; nil is workspaces.Usual().
	Lanes *workspaces.Knobs
	// Graph changes the tenant's defaults.
	Graph []graph.Option
	// NoCredential leaves the secret of the Graph credential without a value, as it is before a person fills it in.
	NoCredential bool
	// Modules is the folder node_modules with dynalite; empty: the nearest at or above the working directory.
	Modules string
}

// Cloud is a running embedded cloud. Use Start.
type Cloud struct {
	// Stack is what the template says.
	Stack *template.Stack
	// Graph is Microsoft Graph and Entra, with an empty tenant but for App. WorkSpaces is WorkSpaces in every account
	// and Region, with EC2's subnets and Service Quotas. Queues is SQS, Roles is STS with the functions' roles,
	// Secrets is Secrets Manager, Database the process of DynamoDB.
	Graph      *graph.Emulator
	WorkSpaces *workspaces.Emulator
	Queues     *sqs.Service
	Roles      *sts.Service
	Secrets    *secrets.Service
	Database   *dynalite.Database
	// App is rollcall's app registration in the tenant, with the permissions that it needs and no others.
	App graph.App

	options   Options
	gateway   *gateway.Gateway
	functions []Function

	clientSecret string // of App

	mu       sync.Mutex
	launched []*runtime.Function

	release func() bool // stops watching the context
	closed  sync.Once
	closing error
}

// Start starts everything and returns when it can be used, in about 0.1 s: endpoints, tables (ACTIVE), queues,
// secrets, and an app registration in Entra whose credential is in the secret that the functions are told. It ends with Close, or when ctx ends. Errors: the template's complaints, dynalite that is not installed,
// and what a service refuses of the template; nothing is left running then.
func Start(ctx context.Context, options Options) (*Cloud, error) {
	options.Account = cmp.Or(options.Account, "111122223333")
	options.Region = cmp.Or(options.Region, "eu-central-1")
	options.Stack = cmp.Or(options.Stack, "rollcall")
	if options.Clock == nil {
		options.Clock = clock.System{}
	}
	c := &Cloud{options: options}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the embedded cloud: %w", err), c.Close())
	}
	c.release = context.AfterFunc(ctx, func() { _ = c.Close() })
	return c, nil
}

func (c *Cloud) start(ctx context.Context) (err error) {
	c.gateway, err = gateway.Start(gateway.Options{Clock: c.options.Clock, Account: c.options.Account})
	if err != nil {
		return err
	}
	c.Stack, err = template.Read(c.options.Template, template.Place{
		Account: c.options.Account, Region: c.options.Region, Stack: c.options.Stack,
		Queues: c.gateway.URL(), Parameters: c.options.Parameters,
	})
	if err != nil {
		return err
	}
	c.Database, err = dynalite.Start(ctx, dynalite.Options{Modules: c.options.Modules, Account: c.options.Account, Region: c.options.Region})
	if err != nil {
		return err
	}
	c.serve()
	if err := errors.Join(c.enrol(), c.register()); err != nil {
		return err
	}
	return c.furnish(ctx)
}

// serve makes the services and puts them behind the gateway.
func (c *Cloud) serve() {
	c.Queues = sqs.New(sqs.Options{Clock: c.options.Clock, Account: c.options.Account, Region: c.options.Region, BaseURL: c.gateway.URL()})
	c.WorkSpaces = workspaces.New(c.options.Clock, workspaces.Options{
		Seed: c.options.Seed, Account: c.options.Account,
		Region: c.options.Region, Knobs: c.options.Lanes,
	})
	c.Graph = graph.New(c.options.Clock, append([]graph.Option{
		graph.WithSeed(fmt.Sprint("rollcall ", c.options.Seed)), graph.WithAudiences(c.gateway.TLSURL()),
		graph.WithHTTPClient(c.gateway.Client()),
	}, c.options.Graph...)...)
	c.Roles = sts.New(sts.Options{
		Clock: c.options.Clock, Account: c.options.Account, Region: c.options.Region,
		Register: func(key, account, name string) {
			c.gateway.RegisterKey(key, service.Caller{Name: name, Account: account})
		},
	})
	c.Secrets = secrets.New(secrets.Options{Clock: c.options.Clock, Account: c.options.Account, Region: c.options.Region})
	c.gateway.Serve(c.Database, c.Queues, c.Roles, c.Secrets)
	c.gateway.Serve(c.WorkSpaces.Services()...)
	c.gateway.Mount("/v1.0/", c.Graph)
	c.gateway.Mount("/beta/", c.Graph)
	c.gateway.Mount("/", c.Graph.Entra())
}

// Close ends everything: no listener, process, file or goroutine is left. It may be called several times, and says
// the same each time: what an emulated service did wrong (a panic, a process that ended by itself).
func (c *Cloud) Close() error {
	c.closed.Do(func() {
		if c.release != nil {
			c.release()
		}
		for _, f := range c.running() {
			f.Close()
		}
		if c.gateway != nil {
			c.closing = c.gateway.Close()
		}
		if c.Database != nil {
			c.closing = errors.Join(c.closing, c.Database.Close())
		}
	})
	return c.closing
}

func (c *Cloud) running() []*runtime.Function {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.launched)
}

// Clock is everyone's time.
func (c *Cloud) Clock() clock.Clock { return c.options.Clock }

// Log is every call that came in since Start, in the order in which they were answered.
func (c *Cloud) Log() *service.Log { return c.gateway.Log() }

// Gateway is the door: its addresses, its CA, its clients.
func (c *Cloud) Gateway() *gateway.Gateway { return c.gateway }

// Inject makes calls fail; see gateway.Fault.
func (c *Cloud) Inject(f gateway.Fault) (*gateway.Injected, error) { return c.gateway.Inject(f) }

// Watch runs a test's code around every call; see gateway.Watcher.
func (c *Cloud) Watch(w gateway.Watcher) (stop func()) { return c.gateway.Watch(w) }

// Config is the AWS configuration of someone who is none of the functions, a person or a test: a name for the log,
// and an access key made for it in an account. Empty account and Region are the stack's.
func (c *Cloud) Config(name, account, region string) aws.Config {
	key, secret := keyFor(c.options.Stack, name, account)
	c.gateway.RegisterKey(key, service.Caller{Name: name, Account: cmp.Or(account, c.options.Account)})
	return aws.Config{
		Region:       cmp.Or(region, c.options.Region),
		BaseEndpoint: aws.String(c.gateway.URL()),
		HTTPClient:   c.gateway.Client(),
		Credentials:  credentials.NewStaticCredentialsProvider(key, secret, ""),
	}
}

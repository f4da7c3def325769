package workspaces

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	sdk "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"
	"github.com/aws/smithy-go"

	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/service"
)

// What every test's world has.
const (
	testAccount = "111122223333"
	testRegion  = "eu-central-1"
	corp        = "d-9067f0a1b2"  // AD_CONNECTOR, with ada, grace, linus, ken and dennis
	entra       = "wsd-a1b2c3d4e" // Entra-joined, with ada@example.com
	standard    = "wsb-standard01"
	value       = "wsb-value00001"
	graphics    = "wsb-graphics01"
	subnetA     = "subnet-0a000001"
	subnetB     = "subnet-0a000002"
)

func start() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }

// world is an emulator behind a real HTTP server, and the real SDK clients that talk to it. Each answer that
// passes is held against the API model, where the model is at hand.
type world struct {
	*testing.T
	ctx    context.Context
	clock  *clock.Manual
	emu    *Emulator
	lane   *Lane
	server *httptest.Server
	config aws.Config
	ws     *sdk.Client
}

// newWorld has no throttle, and WorkSpaces that can be seen at once; a test of these turns them on again.
func newWorld(t *testing.T, knobs ...func(*Knobs)) *world {
	t.Helper()
	k := Usual()
	k.Rate, k.VisibleAfter = 0, Range{}
	for _, set := range knobs {
		set(&k)
	}
	c := clock.NewManual(start())
	emu := New(c, Options{Seed: 7, Knobs: &k})
	w := &world{T: t, ctx: t.Context(), clock: c, emu: emu, lane: emu.Lane(testAccount, testRegion)}
	w.furnish()
	w.server = httptest.NewServer(byScope(emu))
	t.Cleanup(w.server.Close)
	w.config = aws.Config{
		Region:       testRegion,
		Credentials:  credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
		BaseEndpoint: aws.String(w.server.URL),
		HTTPClient:   &http.Client{Transport: &modelChecker{t: t, model: loadModel(t)}},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
	w.ws = sdk.NewFromConfig(w.config)
	return w
}

// byScope is a small gateway: the service is that of the SigV4 scope.
func byScope(emu *Emulator) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _, name, _ := service.ParseScope(r.Header.Get("Authorization"))
		for _, s := range emu.Services() {
			if s.Name() == name {
				s.ServeHTTP(rw, r)
				return
			}
		}
		http.Error(rw, "no service "+name, http.StatusNotFound)
	})
}

func (w *world) furnish() {
	w.Helper()
	w.must(w.lane.AddSubnet(Subnet{ID: subnetA, CIDR: "10.0.0.0/24"}))
	w.must(w.lane.AddSubnet(Subnet{ID: subnetB, CIDR: "10.0.1.0/24"}))
	w.must(w.lane.AddDirectory(Directory{ID: corp, Name: "corp.example.com", RegistrationCode: "wsfra+ABC123", Subnets: []string{subnetA, subnetB}}))
	w.must(w.lane.AddDirectory(Directory{ID: entra, Name: "example.com", Type: "AWS_IAM_IDENTITY_CENTER", EntraTenant: "72f988bf-86f1-41af-91ab-2d7cd011db47", Subnets: []string{subnetA, subnetB}}))
	w.must(w.lane.AddUsers(corp, "ada", "grace", "linus", "ken", "dennis"))
	w.must(w.lane.AddUsers(entra, "ada@example.com"))
	w.must(w.lane.AddBundle(Bundle{ID: standard, Name: "Standard with Windows"}))
	w.must(w.lane.AddBundle(Bundle{ID: value, Name: "Value with Amazon Linux", Owner: "AMAZON", Compute: "VALUE", UserGB: 10, OS: "AMAZON_LINUX_2"}))
	w.must(w.lane.AddBundle(Bundle{ID: graphics, Compute: "GRAPHICS", RootGB: 100, UserGB: 100}))
	w.must(w.lane.SetQuota(WorkSpacesQuota, 100))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// patient is a client that tries three times, at once.
func (w *world) patient() *sdk.Client {
	c := w.config.Copy()
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	return sdk.NewFromConfig(c)
}

func (w *world) ec2() *ec2.Client              { return ec2.NewFromConfig(w.config) }
func (w *world) quotas() *servicequotas.Client { return servicequotas.NewFromConfig(w.config) }

// wish is a request for a WorkSpace in AUTO_STOP, changed as told.
func wish(user string, change ...func(*types.WorkspaceRequest)) types.WorkspaceRequest {
	r := types.WorkspaceRequest{
		DirectoryId: aws.String(corp), UserName: aws.String(user), BundleId: aws.String(standard),
		WorkspaceProperties: &types.WorkspaceProperties{RunningMode: types.RunningModeAutoStop},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func (w *world) create(items ...types.WorkspaceRequest) *sdk.CreateWorkspacesOutput {
	w.Helper()
	out, err := w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: items})
	if err != nil {
		w.Fatalf("CreateWorkspaces: %v", err)
	}
	return out
}

// make makes one WorkSpace and returns its id, PENDING.
func (w *world) make(user string, change ...func(*types.WorkspaceRequest)) string {
	w.Helper()
	out := w.create(wish(user, change...))
	if len(out.PendingRequests) != 1 {
		w.Fatalf("making a WorkSpace of %s: %s", user, codes(out))
	}
	return aws.ToString(out.PendingRequests[0].WorkspaceId)
}

// ready makes one WorkSpace and waits until it is AVAILABLE; it will not stop by itself.
func (w *world) ready(user string, change ...func(*types.WorkspaceRequest)) string {
	w.Helper()
	w.lane.Set(func(k *Knobs) { k.AutoStops = false })
	id := w.make(user, change...)
	w.clock.Advance(2 * time.Hour)
	w.wantState(id, desktop.Available)
	return id
}

// codes shows an answer as "pending a, b; failed c: code".
func codes(out *sdk.CreateWorkspacesOutput) string {
	var said []string
	for _, p := range out.PendingRequests {
		said = append(said, "pending "+aws.ToString(p.UserName))
	}
	for _, f := range out.FailedRequests {
		said = append(said, fmt.Sprintf("failed %s: %s", aws.ToString(f.WorkspaceRequest.UserName), aws.ToString(f.ErrorCode)))
	}
	return strings.Join(said, "; ")
}

func (w *world) describe(in sdk.DescribeWorkspacesInput) []types.Workspace {
	w.Helper()
	var all []types.Workspace
	pages := sdk.NewDescribeWorkspacesPaginator(w.ws, &in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.ctx)
		if err != nil {
			w.Fatalf("DescribeWorkspaces: %v", err)
		}
		all = append(all, page.Workspaces...)
	}
	return all
}

// see is one WorkSpace by its id, or nil where nothing is returned.
func (w *world) see(id string) *types.Workspace {
	w.Helper()
	all := w.describe(sdk.DescribeWorkspacesInput{WorkspaceIds: []string{id}})
	if len(all) == 0 {
		return nil
	}
	return &all[0]
}

func (w *world) wantState(id string, want desktop.State) {
	w.Helper()
	got := desktop.State("absent")
	if d := w.see(id); d != nil {
		got = desktop.State(d.State)
	}
	if got != want {
		w.Fatalf("WorkSpace %s is %s, want %s", id, got, want)
	}
}

// wantError holds an error against a code, and its message against a part of it.
func (w *world) wantError(err error, code, message string) {
	w.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		w.Fatalf("error is %v, want %s", err, code)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		w.Fatalf("error is %s %q, want %s %q", api.ErrorCode(), api.ErrorMessage(), code, message)
	}
}

func want[T comparable](t testing.TB, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s: got %v, want %v", what, got, wanted)
	}
}

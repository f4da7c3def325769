package workspaces

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	sqtypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/desktop"
	"rollcall/shared/emulator/service"
)

// Section 9.9: free addresses fall as WorkSpaces are placed, and rise as they go.
func TestDescribeSubnets(t *testing.T) {
	w := newWorld(t)
	in := &ec2.DescribeSubnetsInput{SubnetIds: []string{subnetB, subnetA}}
	free := func() (sum int32) {
		out, err := w.ec2().DescribeSubnets(w.ctx, in)
		w.must(err)
		want(t, "subnets", len(out.Subnets), 2)
		for _, s := range out.Subnets {
			sum += aws.ToInt32(s.AvailableIpAddressCount)
		}
		return sum
	}
	want(t, "at first", free(), 2*251)
	ids := []string{w.ready("ada"), w.ready("grace"), w.ready("linus")}
	want(t, "with three", free(), 2*251-3)
	w.must(w.lane.Terminate(ids[0]))
	w.clock.Advance(time.Hour)
	want(t, "with two", free(), 2*251-2)
	w.must(w.lane.SetFree(subnetA, 0))
	out, err := w.ec2().DescribeSubnets(w.ctx, in)
	w.must(err)
	a := out.Subnets[0]
	want(t, "id", aws.ToString(a.SubnetId), subnetA)
	want(t, "free of the full one", aws.ToInt32(a.AvailableIpAddressCount), 0)
	want(t, "zone", aws.ToString(a.AvailabilityZone), "eu-central-1a")
	want(t, "range", aws.ToString(a.CidrBlock), "10.0.0.0/24")
	want(t, "state", a.State, ec2types.SubnetStateAvailable)
	want(t, "owner", aws.ToString(a.OwnerId), testAccount)
	want(t, "another zone", aws.ToString(out.Subnets[1].AvailabilityZone), "eu-central-1b")
}

func TestDescribeSubnetsFiltersAndPages(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.must(w.lane.AddSubnet(Subnet{ID: "subnet-0b00000" + decimal(i), VPC: "vpc-b", Tags: map[string]string{"n": decimal(i)}}))
	}
	filter := func(name string, values ...string) []ec2types.Filter {
		return []ec2types.Filter{{Name: aws.String(name), Values: values}}
	}
	for _, c := range []struct {
		name    string
		in      ec2.DescribeSubnetsInput
		n       int
		code    string
		message string
	}{
		{"all", ec2.DescribeSubnetsInput{}, 12, "", ""},
		{"of a VPC", ec2.DescribeSubnetsInput{Filters: filter("vpc-id", "vpc-b")}, 10, "", ""},
		{"by a tag", ec2.DescribeSubnetsInput{Filters: filter("tag:n", "3", "4")}, 2, "", ""},
		{"with a tag", ec2.DescribeSubnetsInput{Filters: filter("tag-key", "n")}, 10, "", ""},
		{"in a zone", ec2.DescribeSubnetsInput{Filters: filter("availability-zone", "eu-central-1a")}, 4, "", ""},
		{"five a page", ec2.DescribeSubnetsInput{MaxResults: aws.Int32(5)}, 12, "", ""},
		{"one that is not there", ec2.DescribeSubnetsInput{SubnetIds: []string{subnetA, "subnet-0c000000"}}, 0, "InvalidSubnetID.NotFound", "subnet-0c000000"},
		{"an id that is none", ec2.DescribeSubnetsInput{SubnetIds: []string{"x"}}, 0, "InvalidSubnetID.Malformed", ""},
		{"a filter that is none", ec2.DescribeSubnetsInput{Filters: filter("colour", "blue")}, 0, "InvalidParameterValue", "colour"},
		{"too few a page", ec2.DescribeSubnetsInput{MaxResults: aws.Int32(4)}, 0, "InvalidParameterValue", ""},
		{"ids and pages", ec2.DescribeSubnetsInput{MaxResults: aws.Int32(5), SubnetIds: []string{subnetA}}, 0, "InvalidParameterCombination", ""},
		{"a dry run", ec2.DescribeSubnetsInput{DryRun: aws.Bool(true)}, 0, "DryRunOperation", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			pages := ec2.NewDescribeSubnetsPaginator(w.ec2(), &c.in)
			for pages.HasMorePages() {
				out, err := pages.NextPage(w.ctx)
				if c.code != "" {
					w.wantError(err, c.code, c.message)
					return
				}
				w.must(err)
				n += len(out.Subnets)
			}
			want(t, "subnets", n, c.n)
			want(t, "an error was wanted", c.code, "")
		})
	}
	_, err := w.ec2().DescribeVpcs(w.ctx, &ec2.DescribeVpcsInput{})
	w.wantError(err, "InvalidAction", "DescribeVpcs")
}

func TestGetServiceQuota(t *testing.T) {
	w := newWorld(t)
	get := func(service, code string) (*servicequotas.GetServiceQuotaOutput, error) {
		return w.quotas().GetServiceQuota(w.ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String(service), QuotaCode: aws.String(code)})
	}
	out, err := get("workspaces", WorkSpacesQuota)
	w.must(err)
	want(t, "value", aws.ToFloat64(out.Quota.Value), 100)
	want(t, "name", aws.ToString(out.Quota.QuotaName), "WorkSpaces")
	want(t, "adjustable", out.Quota.Adjustable, true)
	w.must(w.lane.SetQuota(WorkSpacesQuota, 3))
	out, err = get("workspaces", WorkSpacesQuota)
	w.must(err)
	want(t, "raised", aws.ToFloat64(out.Quota.Value), 3)
	out, err = get("workspaces", "L-EEB759DE")
	w.must(err)
	want(t, "directories", aws.ToFloat64(out.Quota.Value), 50)
	for _, c := range [][2]string{{"workspaces", "L-00000000"}, {"ec2", WorkSpacesQuota}} {
		_, err = get(c[0], c[1])
		var missing *sqtypes.NoSuchResourceException
		if !errors.As(err, &missing) || missing.ErrorMessage() == "" {
			t.Errorf("%v: error is %v, want NoSuchResourceException with a message", c, err)
		}
	}
	_, err = get("w", WorkSpacesQuota)
	w.wantError(err, validation, "serviceCode")
	_, err = w.quotas().ListServiceQuotas(w.ctx, &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("workspaces")})
	w.wantError(err, unknownCall, "")
}

// Who calls decides the lane: first the gateway's word, then the SigV4 scope, then the defaults.
func TestLaneOfACall(t *testing.T) {
	scope := "AWS4-HMAC-SHA256 Credential=AKIATEST/20261123/eu-west-1/workspaces/aws4_request, SignedHeaders=host, Signature=0"
	for _, c := range []struct {
		name   string
		caller service.Caller
		header string
		lane   string
		madeBy string
	}{
		{"the gateway's caller", service.Caller{Name: "worker", Account: "222233334444", Region: "us-east-1", Key: "K"}, scope, "222233334444/us-east-1", "worker"},
		{"the scope", service.Caller{}, scope, "111122223333/eu-west-1", "AKIATEST"},
		{"the defaults", service.Caller{}, "", "111122223333/eu-central-1", "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			emu := newWorld(t).emu
			r := httptest.NewRequest("POST", "/", nil)
			r.Header.Set("Authorization", c.header)
			l, by := emu.laneOf(r.WithContext(service.WithCaller(r.Context(), c.caller)))
			want(t, "lane", l.ID.String(), c.lane)
			want(t, "caller", by, c.madeBy)
		})
	}
	w := newWorld(t)
	w.make("ada")
	want(t, "made by", w.lane.List()[0].MadeBy, "AKIATEST")
	w.emu.Lane("222233334444", "us-east-1")
	want(t, "lanes", len(w.emu.Lanes()), 2)
}

// A directory is only in its own account and Region.
func TestDirectoryOfAnotherRegion(t *testing.T) {
	w := newWorld(t)
	c := w.config.Copy()
	c.Region = "us-east-1"
	out, err := sdk.NewFromConfig(c).CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("ada")}})
	w.must(err)
	want(t, "answer", codes(out), "failed ada: ResourceNotFound.Directory")
	_, err = ec2.NewFromConfig(c).DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{subnetA}})
	w.wantError(err, "InvalidSubnetID.NotFound", subnetA)
}

func TestOperationForTheLog(t *testing.T) {
	emu := newWorld(t).emu
	for _, c := range []struct {
		service             service.Service
		target, body        string
		operation, resource string
	}{
		{emu.WorkSpaces(), "WorkspacesService.CreateWorkspaces", `{"Workspaces":[{"DirectoryId":"d-9067f0a1b2"}]}`, "CreateWorkspaces", corp},
		{emu.WorkSpaces(), "WorkspacesService.DescribeWorkspaces", `{"WorkspaceIds":["ws-aaaaaaaaa","ws-bbbbbbbbb"]}`, "DescribeWorkspaces", "ws-aaaaaaaaa"},
		{emu.WorkSpaces(), "WorkspacesService.DescribeWorkspaces", `{}`, "DescribeWorkspaces", ""},
		{emu.WorkSpaces(), "WorkspacesService.TerminateWorkspaces", `{"TerminateWorkspaceRequests":[{"WorkspaceId":"ws-aaaaaaaaa"}]}`, "TerminateWorkspaces", "ws-aaaaaaaaa"},
		{emu.WorkSpaces(), "WorkspacesService.DescribeTags", `{"ResourceId":"ws-aaaaaaaaa"}`, "DescribeTags", "ws-aaaaaaaaa"},
		{emu.WorkSpaces(), "WorkspacesService.DescribeTags", `{`, "DescribeTags", ""},
		{emu.EC2(), "", "Action=DescribeSubnets&SubnetId.1=subnet-0a000001", "DescribeSubnets", subnetA},
		{emu.ServiceQuotas(), "ServiceQuotasV20190624.GetServiceQuota", `{"QuotaCode":"L-34278094"}`, "GetServiceQuota", WorkSpacesQuota},
	} {
		t.Run(c.service.Name()+" "+c.operation+" "+c.resource, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", nil)
			r.Header.Set("X-Amz-Target", c.target)
			operation, resource := c.service.Operation(r, []byte(c.body))
			want(t, "operation", operation, c.operation)
			want(t, "resource", resource, c.resource)
		})
	}
}

// What the gateway injects is refused in each service's own way.
func TestRefuse(t *testing.T) {
	emu := newWorld(t).emu
	for _, c := range []struct {
		service service.Service
		why     service.Refusal
		status  int
		code    string
	}{
		{emu.WorkSpaces(), service.Throttle, 400, throttling},
		{emu.WorkSpaces(), service.Deny, 400, accessDenied},
		{emu.WorkSpaces(), service.Unavailable, 503, unavailableNow},
		{emu.WorkSpaces(), service.ServerError, 500, serverTrouble},
		{emu.EC2(), service.Throttle, 503, "RequestLimitExceeded"},
		{emu.EC2(), service.Deny, 403, "UnauthorizedOperation"},
		{emu.EC2(), service.Unavailable, 503, "Unavailable"},
		{emu.EC2(), service.ServerError, 500, "InternalError"},
		{emu.ServiceQuotas(), service.Throttle, 400, "TooManyRequestsException"},
		{emu.ServiceQuotas(), service.Deny, 400, accessDenied},
		{emu.ServiceQuotas(), service.ServerError, 500, "ServiceException"},
		{emu.WorkSpaces(), service.DropAnswer, 0, ""},
		{emu.EC2(), service.DropCall, 0, ""},
	} {
		t.Run(c.service.Name()+" "+string(c.why), func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", nil)
			r.Header.Set("X-Amz-Target", "WorkspacesService.CreateWorkspaces")
			rec := httptest.NewRecorder()
			defer func() {
				err, _ := recover().(error)
				dropped := errors.Is(err, http.ErrAbortHandler)
				want(t, "dropped", dropped, c.status == 0)
				if !dropped {
					want(t, "status", rec.Code, c.status)
					want(t, "code in the body", strings.Contains(rec.Body.String(), c.code), true)
				}
			}()
			c.service.Refuse(rec, r, c.why)
		})
	}
}

// Setting a world up wrongly is an error that says what is wrong.
func TestWorldsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	id := w.put(WorkSpace{Directory: corp, User: "ada"})
	_, noDirectory := w.lane.Put(WorkSpace{Directory: "d-9067000000", User: "ada"})
	_, takenID := w.lane.Put(WorkSpace{ID: id, Directory: corp, User: "grace"})
	_, badID := w.lane.Put(WorkSpace{ID: "i-1", Directory: corp, User: "grace"})
	_, badState := w.lane.Put(WorkSpace{Directory: corp, User: "grace", State: "DREAMING"})
	for name, err := range map[string]error{
		"a WorkSpace's state":           badState,
		"a directory's id":              w.lane.AddDirectory(Directory{ID: "corp", Subnets: []string{subnetA}}),
		"a directory's type":            w.lane.AddDirectory(Directory{ID: "d-9067cccccc", Type: "MICROSOFT_AD", Subnets: []string{subnetA}}),
		"a directory without a subnet":  w.lane.AddDirectory(Directory{ID: "d-9067cccccc"}),
		"a directory with three":        w.lane.AddDirectory(Directory{ID: "d-9067cccccc", Subnets: []string{subnetA, subnetB, subnetA}}),
		"a subnet that is not there":    w.lane.AddDirectory(Directory{ID: "d-9067cccccc", Subnets: []string{"subnet-0c000000"}}),
		"a long registration code":      w.lane.AddDirectory(Directory{ID: "d-9067cccccc", RegistrationCode: strings.Repeat("x", 21), Subnets: []string{subnetA}}),
		"a subnet's id":                 w.lane.AddSubnet(Subnet{ID: "subnet-1"}),
		"a subnet twice":                w.lane.AddSubnet(Subnet{ID: subnetA}),
		"a subnet's range":              w.lane.AddSubnet(Subnet{ID: "subnet-0c000000", CIDR: "10.0.0.0/8"}),
		"a bundle's id":                 w.lane.AddBundle(Bundle{ID: "standard"}),
		"a bundle's compute type":       w.lane.AddBundle(Bundle{ID: "wsb-other0001", Compute: "HUGE"}),
		"a quota":                       w.lane.SetQuota("L-00000000", 1),
		"a user twice":                  w.lane.AddUsers(corp, "new", "ADA"),
		"a user of no directory":        w.lane.AddUsers("d-9067000000", "ada"),
		"renaming nobody":               w.lane.RenameUser(corp, "nobody", "x"),
		"renaming to a taken name":      w.lane.RenameUser(corp, "ada", "Grace"),
		"removing nobody":               w.lane.RemoveUser(corp, "nobody"),
		"a state":                       w.lane.SetState(id, "DREAMING"),
		"a WorkSpace that is not there": w.lane.Terminate("ws-nothing00"),
		"a WorkSpace of no directory":   noDirectory,
		"a WorkSpace's taken id":        takenID,
		"a WorkSpace's id":              badID,
		"free of no subnet":             w.lane.SetFree("subnet-0c000000", 1),
		"state of no directory":         w.lane.SetDirectoryState("d-9067000000", "ERROR"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	want(t, "people", len(w.lane.People(corp)), 5)
	want(t, "WorkSpaces", len(w.lane.List()), 1)
}

// By hand: errors, suspensions, tags; what the API then says.
func TestByHand(t *testing.T) {
	w := newWorld(t)
	id := w.put(WorkSpace{Directory: corp, User: "ada", Tags: map[string]string{"by": "ops"}})
	w.must(w.lane.SetError(id, Failure{"Disk.Broken", "the disk broke"}))
	d := w.see(id)
	want(t, "state", d.State, types.WorkspaceStateError)
	want(t, "code", aws.ToString(d.ErrorCode), "Disk.Broken")
	w.must(w.lane.SetState(id, "AVAILABLE"))
	want(t, "code afterwards", aws.ToString(w.see(id).ErrorCode), "")
	w.must(w.lane.SetTags(id, map[string]string{"a": "b"}))
	got, ok := w.lane.Get(id)
	want(t, "found", ok, true)
	want(t, "tags", got.Tags["a"], "b")
	want(t, "made by", got.MadeBy, ByHand)
	got.Tags["a"] = "changed by the reader"
	again, _ := w.lane.Get(id)
	want(t, "the world's own tags", again.Tags["a"], "b")
	w.must(w.lane.Terminate(id))
	w.clock.Advance(time.Hour)
	_, ok = w.lane.Get(id)
	want(t, "found after its end", ok, false)
	want(t, "when it went", w.lane.Gone()[0].Gone.After(start()), true)
}

// What is put in a state goes on from there.
func TestPutInAState(t *testing.T) {
	for state, after := range map[desktop.State]desktop.State{
		desktop.Pending: desktop.Available, desktop.Terminating: "absent", desktop.Terminated: "absent",
		desktop.Stopped: desktop.Stopped, desktop.Suspended: desktop.Suspended, desktop.Errored: desktop.Errored,
	} {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t)
			id := w.put(WorkSpace{Directory: corp, User: "ada", State: state, RunningMode: desktop.AlwaysOn})
			w.clock.Advance(time.Hour)
			w.wantState(id, after)
		})
	}
}

// Names of computers have the form of their operating system's.
func TestComputerNames(t *testing.T) {
	w := newWorld(t)
	for os, prefix := range map[string]string{"AMAZON_LINUX_2": "A-", "UBUNTU_22_04": "U-", "RHEL_8": "R-", "ROCKY_8": "R-", "WINDOWS_11": "WSAMZN-"} {
		got, _ := w.lane.Get(w.put(WorkSpace{Directory: corp, User: os, OS: os}))
		want(t, os+" begins with "+prefix, strings.HasPrefix(got.Computer, prefix), true)
	}
}

// Two callers at once: one WorkSpace for the person. Run with -race.
func TestConcurrentCreates(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("ada"), wish("grace")}})
			if err != nil {
				t.Errorf("CreateWorkspaces: %v", err)
			}
		})
	}
	wg.Wait()
	want(t, "WorkSpaces", len(w.lane.List()), 2)
}

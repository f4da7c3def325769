package workspaces

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"
	"github.com/aws/smithy-go"

	"rollcall/shared/desktop"
)

func throttled(k *Knobs) { k.Rate, k.Burst = 2, 5 }

// Section 9.5 and 3: two calls a second, burst five, all operations together, per account and Region.
func TestThrottle(t *testing.T) {
	w := newWorld(t, throttled)
	account := func() error { _, err := w.ws.DescribeAccount(w.ctx, &sdk.DescribeAccountInput{}); return err }
	list := func() error { _, err := w.ws.DescribeWorkspaces(w.ctx, &sdk.DescribeWorkspacesInput{}); return err }
	for range 4 {
		w.must(account())
	}
	w.must(list())
	w.wantError(list(), throttling, "Rate exceeded")
	w.wantError(account(), throttling, "Rate exceeded")
	want(t, "throttled", w.lane.Throttled(), 2)
	w.clock.Advance(499 * time.Millisecond)
	w.wantError(list(), throttling, "Rate exceeded")
	w.clock.Advance(time.Millisecond)
	w.must(list())
	w.wantError(list(), throttling, "Rate exceeded")
	w.clock.Advance(time.Hour)
	for range 5 {
		w.must(list())
	}
	w.wantError(list(), throttling, "Rate exceeded")

	other := w.config.Copy()
	other.Region = "us-east-1"
	_, err := sdk.NewFromConfig(other).DescribeAccount(w.ctx, &sdk.DescribeAccountInput{})
	w.must(err)
}

func TestThrottlePerOperation(t *testing.T) {
	w := newWorld(t, throttled, func(k *Knobs) { k.ThrottlePerOperation = true })
	for range 5 {
		_, err := w.ws.DescribeAccount(w.ctx, &sdk.DescribeAccountInput{})
		w.must(err)
	}
	_, err := w.ws.DescribeAccount(w.ctx, &sdk.DescribeAccountInput{})
	w.wantError(err, throttling, "Rate exceeded")
	_, err = w.ws.DescribeWorkspaces(w.ctx, &sdk.DescribeWorkspacesInput{})
	w.must(err)
}

// A caller that keeps to the rate is never throttled, however long it goes on.
func TestSteadyRate(t *testing.T) {
	w := newWorld(t, throttled)
	for range 200 {
		_, err := w.ws.DescribeAccount(w.ctx, &sdk.DescribeAccountInput{})
		w.must(err)
		w.clock.Advance(500 * time.Millisecond)
	}
	want(t, "throttled", w.lane.Throttled(), 0)
}

func TestThrottledCallDoesNothing(t *testing.T) {
	w := newWorld(t, throttled, func(k *Knobs) { k.Burst = 1 })
	w.make("ada")
	_, err := w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("grace")}})
	w.wantError(err, throttling, "Rate exceeded")
	want(t, "WorkSpaces", len(w.lane.List()), 1)
}

// Section 9.5: the answer is lost after the create was done; a retry, the SDK's too, meets ResourceExists.
func TestDroppedAnswer(t *testing.T) {
	w := newWorld(t)
	w.lane.DropAnswers("CreateWorkspaces", 1)
	in := &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("ada")}}
	_, err := w.ws.CreateWorkspaces(w.ctx, in)
	var api smithy.APIError
	if err == nil || errors.As(err, &api) {
		t.Fatalf("error is %v, want a broken connection", err)
	}
	want(t, "WorkSpaces", len(w.lane.List()), 1)
	want(t, "again", codes(w.create(wish("ada"))), "failed ada: ResourceExists.WorkSpace")

	w.lane.DropAnswers("", 2)
	out, err := w.patient().CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("grace")}})
	w.must(err)
	want(t, "after two lost answers", codes(out), "failed grace: ResourceExists.WorkSpace")
	want(t, "of grace", len(w.lane.Find(corp, "grace")), 1)
}

func TestInjectedFailures(t *testing.T) {
	w := newWorld(t)
	w.lane.FailCalls("CreateWorkspaces", 2, Failure{accessDenied, "User: x is not authorized"})
	for range 2 {
		_, err := w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("ada")}})
		w.wantError(err, accessDenied, "not authorized")
	}
	w.make("ada")
	w.lane.FailItems("", -1, Failure{"Odd.Code", "odd"})
	for _, user := range []string{"grace", "linus", "ken"} {
		want(t, "answer", codes(w.create(wish(user))), "failed "+user+": Odd.Code")
	}
	w.lane.Heal()
	w.make("grace")
}

// Answers take their time on the clock, after the call has been done.
func TestLatency(t *testing.T) {
	w := newWorld(t, func(k *Knobs) { k.Latency = 3 * time.Second })
	w.make("ada")
	want(t, "time", w.clock.Now().Sub(start()), 3*time.Second)
	want(t, "made", w.lane.List()[0].Made, start())
}

// Section 9.5 and 3: the quota, both ways it may be said, and what counts.
func TestQuota(t *testing.T) {
	setting := func(k *Knobs, how QuotaAnswer) { k.Quota = how }
	create := func(w *world, users ...string) (string, error) {
		var items []types.WorkspaceRequest
		for _, u := range users {
			items = append(items, wish(u))
		}
		out, err := w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: items})
		if err != nil {
			return "", err
		}
		return codes(out), nil
	}
	t.Run("a new account has 1", func(t *testing.T) {
		l := New(newWorld(t).clock, Options{}).Lane(testAccount, testRegion)
		want(t, "quota", l.quotaOf(WorkSpacesQuota), 1)
	})
	t.Run("the whole call", func(t *testing.T) {
		w := newWorld(t, func(k *Knobs) { setting(k, QuotaWholeCall) })
		w.must(w.lane.SetQuota(WorkSpacesQuota, 2))
		_, err := create(w, "ada", "grace", "linus")
		w.wantError(err, limitExceeded, "")
		want(t, "WorkSpaces", len(w.lane.List()), 0)
		got, err := create(w, "ada", "grace", "nobody", "ADA")
		w.must(err)
		want(t, "what fits", got, "pending ada; pending grace; failed nobody: ResourceNotFound.User; failed ADA: ResourceExists.WorkSpace")
		got, err = create(w, "ada")
		w.must(err)
		want(t, "a duplicate needs no place", got, "failed ada: ResourceExists.WorkSpace")
		_, err = create(w, "linus")
		w.wantError(err, limitExceeded, "")
	})
	t.Run("per item", func(t *testing.T) {
		w := newWorld(t, func(k *Knobs) { setting(k, QuotaPerItem) })
		w.must(w.lane.SetQuota(WorkSpacesQuota, 2))
		got, err := create(w, "ada", "nobody", "grace", "linus")
		w.must(err)
		want(t, "answer", got, "pending ada; pending grace; failed nobody: ResourceNotFound.User; failed linus: ResourceLimitExceeded.WorkSpace")
	})
	for _, c := range []struct {
		name  string
		state desktop.State
		skip  func(*Knobs)
	}{
		{"ERROR", desktop.Errored, func(k *Knobs) { k.QuotaSkipsErrored = true }},
		{"TERMINATING", desktop.Terminating, func(k *Knobs) { k.QuotaSkipsTerminating = true }},
	} {
		t.Run(c.name+" counts, or not, by the switch", func(t *testing.T) {
			w := newWorld(t)
			w.must(w.lane.SetQuota(WorkSpacesQuota, 1))
			w.must(w.lane.SetState(w.make("ada"), c.state))
			_, err := create(w, "grace")
			w.wantError(err, limitExceeded, "")
			w.lane.Set(c.skip)
			got, err := create(w, "grace")
			w.must(err)
			want(t, "answer", got, "pending grace")
		})
	}
	t.Run("of a compute type", func(t *testing.T) {
		w := newWorld(t)
		w.must(w.lane.AddBundle(Bundle{ID: "wsb-g4dn00001", Compute: "GRAPHICS_G4DN", RootGB: 100, UserGB: 100}))
		_, err := w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("ada", from("wsb-g4dn00001"))}})
		w.wantError(err, limitExceeded, "")
		w.must(w.lane.SetQuota("L-BCACAEBC", 1))
		w.make("ada", from("wsb-g4dn00001"))
		w.make("grace")
	})
}

// Section 9.1: what the SDK would never send.
func TestRawRequests(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, target, body, code, message string
	}{
		{"no items", "WorkspacesService.CreateWorkspaces", `{"Workspaces":[]}`, validation, "1 validation error detected: Value '[]' at 'workspaces' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"no list", "WorkspacesService.CreateWorkspaces", `{}`, validation, "Value null at 'workspaces' failed to satisfy constraint: Member must not be null"},
		{"no body", "WorkspacesService.CreateWorkspaces", ``, validation, "'workspaces'"},
		{"no bundle", "WorkspacesService.CreateWorkspaces", `{"Workspaces":[{"DirectoryId":"` + corp + `","UserName":"ada"}]}`, validation, "Value null at 'workspaces.1.member.bundleId'"},
		{"two things wrong", "WorkspacesService.CreateWorkspaces", `{"Workspaces":[{"DirectoryId":"x","UserName":"ada"}]}`, validation, "3 validation errors detected"},
		{"not JSON", "WorkspacesService.CreateWorkspaces", `{`, serialization, ""},
		{"a number for a text", "WorkspacesService.CreateWorkspaces", `{"Workspaces":[{"DirectoryId":7}]}`, serialization, "directoryId"},
		{"a text for a list", "WorkspacesService.CreateWorkspaces", `{"Workspaces":"x"}`, serialization, "workspaces"},
		{"an operation that is not emulated", "WorkspacesService.CreateWorkspaceImage", `{}`, unknownCall, ""},
		{"another service's operation", "Other.CreateWorkspaces", `{}`, unknownCall, ""},
		{"no target", "", `{}`, unknownCall, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
			r.Header.Set("X-Amz-Target", c.target)
			rec := httptest.NewRecorder()
			w.emu.WorkSpaces().ServeHTTP(rec, r)
			want(t, "status", rec.Code, 400)
			want(t, "header", rec.Header().Get("X-Amzn-ErrorType"), c.code)
			if body := rec.Body.String(); !strings.Contains(body, `"__type":"`+c.code+`"`) || !strings.Contains(body, c.message) {
				t.Errorf("body is %s", body)
			}
		})
	}
}

// The exceptions that are modelled reach the caller as the SDK's own types.
func TestTypedExceptions(t *testing.T) {
	w := newWorld(t)
	_, err := w.ws.CreateTags(w.ctx, &sdk.CreateTagsInput{ResourceId: aws.String("ws-nothing00"), Tags: []types.Tag{{Key: aws.String("a")}}})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		t.Fatalf("error is %v, want ResourceNotFoundException", err)
	}
	want(t, "resource", aws.ToString(missing.ResourceId), "ws-nothing00")
	w.must(w.lane.SetQuota(WorkSpacesQuota, 0))
	_, err = w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("ada")}})
	var limit *types.ResourceLimitExceededException
	if !errors.As(err, &limit) || limit.ErrorMessage() == "" {
		t.Fatalf("error is %v, want ResourceLimitExceededException with a message", err)
	}
}

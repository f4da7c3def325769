package fleet

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// Answers promise no order, and a pending one may be incomplete.
func TestAnswers(t *testing.T) {
	pending := func(id, directory, user string) types.Workspace {
		w := types.Workspace{WorkspaceId: aws.String(id)}
		if directory != "" {
			w.DirectoryId, w.UserName = aws.String(directory), aws.String(user)
		}
		return w
	}
	failed := func(directory, user string) types.FailedCreateWorkspaceRequest {
		return types.FailedCreateWorkspaceRequest{ErrorCode: aws.String("X"), WorkspaceRequest: &types.WorkspaceRequest{
			DirectoryId: aws.String(directory), UserName: aws.String(user),
		}}
	}
	asked := func(users ...string) []desktop.Request {
		var r []desktop.Request
		for _, u := range users {
			r = append(r, desktop.Request{Directory: "d-1", UserName: u})
		}
		return r
	}
	cases := []struct {
		name  string
		asked []desktop.Request
		out   workspaces.CreateWorkspacesOutput
		want  map[string]string // key: id, or "failed"
	}{
		{"out of order, other case", asked("Alice", "bob", "carol"), workspaces.CreateWorkspacesOutput{
			PendingRequests: []types.Workspace{pending("ws-c", "d-1", "CAROL"), pending("ws-a", "d-1", "alice")},
			FailedRequests:  []types.FailedCreateWorkspaceRequest{failed("d-1", "BOB")},
		}, map[string]string{"d-1/alice": "ws-a", "d-1/bob": "failed", "d-1/carol": "ws-c"}},
		{"one without a name belongs to the one person without an answer", asked("alice", "bob"), workspaces.CreateWorkspacesOutput{
			PendingRequests: []types.Workspace{pending("ws-x", "", ""), pending("ws-a", "d-1", "alice")},
		}, map[string]string{"d-1/alice": "ws-a", "d-1/bob": "ws-x"}},
		{"two without a name belong to nobody", asked("alice", "bob"), workspaces.CreateWorkspacesOutput{
			PendingRequests: []types.Workspace{pending("ws-x", "", ""), pending("ws-y", "", "")},
		}, map[string]string{}},
		{"one for somebody who was not asked for", asked("alice"), workspaces.CreateWorkspacesOutput{
			PendingRequests: []types.Workspace{pending("ws-x", "d-1", "mallory")},
		}, map[string]string{}},
		{"nothing at all", asked("alice"), workspaces.CreateWorkspacesOutput{}, map[string]string{}},
		{"a failure without its request", asked("alice"), workspaces.CreateWorkspacesOutput{
			FailedRequests: []types.FailedCreateWorkspaceRequest{{ErrorCode: aws.String("X")}},
		}, map[string]string{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := answers(c.asked, &c.out)
			if len(got) != len(c.want) {
				t.Errorf("got %v", got)
			}
			for key, id := range c.want {
				if o := got[key]; (id == "failed") != (o.Err != nil) || (id != "failed" && o.Desktop.ID != id) {
					t.Errorf("%s: %+v, want %s", key, o, id)
				}
			}
		})
	}
}

func TestMeaning(t *testing.T) {
	cases := []struct {
		code, message string
		status        int
		want          fault.Kind
	}{
		{"ResourceExists.WorkSpace", "", 0, fault.AlreadyExists},
		{"ResourceNotFound.User", "", 0, fault.NotInDirectory},
		{"ResourceNotFound.Directory", "", 0, fault.Misconfigured},
		{"ResourceNotFound.Something", "", 0, fault.Rejected},
		{"ResourceLimitExceeded.WorkSpace", "", 0, fault.QuotaReached},
		{"resourceexists.workspace", "", 0, fault.Rejected}, // codes are compared as they are
		{"Some.Code", "The Subnet in which the WorkSpace was launched does not have an available private IP Address", 0, fault.NoCapacity},
		{"", "The specified key is not available. Please provide a valid key for encryption", 0, fault.Misconfigured},
		{"ThrottlingException", "Rate exceeded", 400, fault.Throttled},
		{"RequestLimitExceeded", "", 503, fault.Throttled},
		{"Whatever", "", 429, fault.Throttled},
		{"Whatever", "", 500, fault.Unavailable},
		{"Whatever", "", 400, fault.Rejected},
		{"ExpiredTokenException", "", 400, fault.Unavailable},
	}
	for _, c := range cases {
		if got := meaningOf(c.code, c.message, c.status); got.kind != c.want {
			t.Errorf("%s %q %d: %s, want %s", c.code, c.message, c.status, got.kind, c.want)
		}
	}
	for code, m := range codes {
		if m.kind == fault.None || m.kind == fault.Unknown || code == "" || strings.HasSuffix(m.advice, ".") {
			t.Errorf("%s: %+v", code, m)
		}
	}
}

package workspaces

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/desktop"
)

// change calls one of the batch operations for one WorkSpace, and wants that per-item code (empty: none).
func (w *world) change(operation, code, id string) {
	w.Helper()
	var failed []types.FailedWorkspaceChangeRequest
	var err error
	ws := aws.String(id)
	switch operation {
	case "terminate":
		var out *sdk.TerminateWorkspacesOutput
		if out, err = w.ws.TerminateWorkspaces(w.ctx, &sdk.TerminateWorkspacesInput{TerminateWorkspaceRequests: []types.TerminateRequest{{WorkspaceId: ws}}}); err == nil {
			failed = out.FailedRequests
		}
	case "start":
		var out *sdk.StartWorkspacesOutput
		if out, err = w.ws.StartWorkspaces(w.ctx, &sdk.StartWorkspacesInput{StartWorkspaceRequests: []types.StartRequest{{WorkspaceId: ws}}}); err == nil {
			failed = out.FailedRequests
		}
	case "stop":
		var out *sdk.StopWorkspacesOutput
		if out, err = w.ws.StopWorkspaces(w.ctx, &sdk.StopWorkspacesInput{StopWorkspaceRequests: []types.StopRequest{{WorkspaceId: ws}}}); err == nil {
			failed = out.FailedRequests
		}
	case "reboot":
		var out *sdk.RebootWorkspacesOutput
		if out, err = w.ws.RebootWorkspaces(w.ctx, &sdk.RebootWorkspacesInput{RebootWorkspaceRequests: []types.RebootRequest{{WorkspaceId: ws}}}); err == nil {
			failed = out.FailedRequests
		}
	case "rebuild":
		var out *sdk.RebuildWorkspacesOutput
		if out, err = w.ws.RebuildWorkspaces(w.ctx, &sdk.RebuildWorkspacesInput{RebuildWorkspaceRequests: []types.RebuildRequest{{WorkspaceId: ws}}}); err == nil {
			failed = out.FailedRequests
		}
	default:
		w.Fatalf("no operation %s in this test", operation)
	}
	w.must(err)
	if failed == nil {
		w.Errorf("%s: FailedRequests was not sent", operation)
	}
	got := ""
	if len(failed) > 0 {
		got = aws.ToString(failed[0].ErrorCode)
		want(w.T, "echo of the id", aws.ToString(failed[0].WorkspaceId), id)
	}
	want(w.T, operation+" of "+id, got, code)
}

// Section 9.7 and 2: from which states each operation is possible, and through which state it goes to which.
func TestPreconditions(t *testing.T) {
	restore := func(w *world, id string) error {
		_, err := w.ws.RestoreWorkspace(w.ctx, &sdk.RestoreWorkspaceInput{WorkspaceId: aws.String(id)})
		return err
	}
	cases := []struct {
		operation     string
		from          []desktop.State
		through, ends desktop.State
	}{
		{"start", []desktop.State{desktop.Stopped}, Starting, desktop.Available},
		{"stop", []desktop.State{desktop.Available, Impaired, Unhealthy, desktop.Errored}, Stopping, desktop.Stopped},
		{"reboot", []desktop.State{desktop.Available, Unhealthy, Rebooting}, Rebooting, desktop.Available},
		{"rebuild", []desktop.State{desktop.Available, desktop.Errored, Unhealthy, desktop.Stopped, Rebooting}, Rebuilding, desktop.Available},
		{"restore", []desktop.State{desktop.Available, desktop.Errored, Unhealthy, desktop.Stopped}, Restoring, desktop.Available},
	}
	for _, c := range cases {
		for _, state := range states() {
			if state.Leaving() {
				continue
			}
			t.Run(c.operation+" from "+string(state), func(t *testing.T) {
				w := newWorld(t)
				id := w.ready("ada")
				w.must(w.lane.SetState(id, state))
				allowed := slices.Contains(c.from, state)
				code := "InvalidState.Workspace"
				if allowed {
					code = ""
				}
				if c.operation != "restore" {
					w.change(c.operation, code, id)
				} else if err := restore(w, id); allowed {
					w.must(err)
				} else {
					w.wantError(err, notSupported, string(state))
				}
				if !allowed {
					w.wantState(id, state)
					return
				}
				w.wantState(id, c.through)
				w.clock.Advance(time.Hour)
				w.wantState(id, c.ends)
			})
		}
	}
}

func TestChangesNeedARunningMode(t *testing.T) {
	for _, operation := range []string{"start", "stop"} {
		t.Run(operation+" of ALWAYS_ON", func(t *testing.T) {
			w := newWorld(t)
			id := w.ready("ada", running(types.RunningModeAlwaysOn, 0))
			w.change(operation, "InvalidState.Workspace", id)
		})
	}
}

func TestChangesOfNothing(t *testing.T) {
	for _, operation := range []string{"start", "stop", "reboot", "rebuild", "terminate"} {
		t.Run(operation, func(t *testing.T) {
			w := newWorld(t, func(k *Knobs) { k.WorkspaceNotFound = Failure{"400", "WorkSpace could not be found."} })
			w.change(operation, "400", "ws-nothing00")
		})
	}
}

func TestRebuild(t *testing.T) {
	t.Run("a new address", func(t *testing.T) {
		w := newWorld(t)
		id := w.ready("ada")
		before := aws.ToString(w.see(id).IpAddress)
		w.change("rebuild", "", id)
		w.clock.Advance(2 * time.Hour)
		w.wantState(id, desktop.Available)
		want(t, "the same address", aws.ToString(w.see(id).IpAddress) == before, false)
		want(t, "free addresses", w.lane.Free(subnetA)+w.lane.Free(subnetB), 2*251-1)
	})
	t.Run("before the first snapshot", func(t *testing.T) {
		w := newWorld(t)
		id := w.put(WorkSpace{Directory: corp, User: "ada"})
		w.change("rebuild", "InvalidState.Workspace", id)
	})
	t.Run("after the user was renamed", func(t *testing.T) {
		w := newWorld(t)
		id := w.ready("ada")
		w.must(w.lane.RenameUser(corp, "ada", "lovelace"))
		w.change("rebuild", "InvalidUserConfiguration.Workspace", id)
	})
	t.Run("one at a time", func(t *testing.T) {
		w := newWorld(t)
		two := []types.RebuildRequest{{WorkspaceId: aws.String("ws-aaaaaaaaa")}, {WorkspaceId: aws.String("ws-bbbbbbbbb")}}
		_, err := w.ws.RebuildWorkspaces(w.ctx, &sdk.RebuildWorkspacesInput{RebuildWorkspaceRequests: two})
		w.wantError(err, validation, "less than or equal to 1")
	})
}

func TestBatchChangesEachByItself(t *testing.T) {
	w := newWorld(t)
	a, b := w.ready("ada"), w.ready("grace")
	w.must(w.lane.SetState(b, desktop.Suspended))
	out, err := w.ws.TerminateWorkspaces(w.ctx, &sdk.TerminateWorkspacesInput{TerminateWorkspaceRequests: []types.TerminateRequest{
		{WorkspaceId: aws.String(b)}, {WorkspaceId: aws.String(a)}, {WorkspaceId: aws.String("ws-nothing00")},
	}})
	w.must(err)
	want(t, "failures", len(out.FailedRequests), 2)
	w.wantState(a, desktop.Terminating)
	w.wantState(b, desktop.Suspended)
}

func TestBatchChangesTakeTwentyFive(t *testing.T) {
	w := newWorld(t)
	many := make([]types.TerminateRequest, 26)
	for i := range many {
		many[i].WorkspaceId = aws.String("ws-aaaaaaaaa")
	}
	_, err := w.ws.TerminateWorkspaces(w.ctx, &sdk.TerminateWorkspacesInput{TerminateWorkspaceRequests: many})
	w.wantError(err, validation, "less than or equal to 25")
	_, err = w.ws.TerminateWorkspaces(w.ctx, &sdk.TerminateWorkspacesInput{TerminateWorkspaceRequests: []types.TerminateRequest{}})
	w.wantError(err, validation, "greater than or equal to 1")
}

// ADMIN_MAINTENANCE: nothing answers, and AUTO_STOP does not stop.
func TestAdminMaintenance(t *testing.T) {
	w := newWorld(t)
	id := w.make("ada")
	w.clock.Advance(20 * time.Minute)
	set := func(state types.TargetWorkspaceState) error {
		_, err := w.ws.ModifyWorkspaceState(w.ctx, &sdk.ModifyWorkspaceStateInput{WorkspaceId: aws.String(id), WorkspaceState: state})
		return err
	}
	w.must(set(types.TargetWorkspaceStateAdminMaintenance))
	w.clock.Advance(24 * time.Hour)
	w.wantState(id, AdminMaintenance)
	for _, operation := range []string{"start", "stop", "reboot", "rebuild"} {
		w.change(operation, "InvalidState.Workspace", id)
	}
	w.must(set(types.TargetWorkspaceStateAvailable))
	w.wantState(id, desktop.Available)
	w.clock.Advance(2 * time.Hour)
	w.wantState(id, desktop.Stopped)
	w.wantError(set(types.TargetWorkspaceStateAdminMaintenance), wrongState, "STOPPED")
	_, err := w.ws.ModifyWorkspaceState(w.ctx, &sdk.ModifyWorkspaceStateInput{WorkspaceId: aws.String("ws-nothing00"), WorkspaceState: "AVAILABLE"})
	w.wantError(err, notFound, "")
}

func TestMigrate(t *testing.T) {
	w := newWorld(t)
	id := w.ready("ada", tagged("owner", "rollcall"))
	old := w.see(id)
	out, err := w.ws.MigrateWorkspace(w.ctx, &sdk.MigrateWorkspaceInput{SourceWorkspaceId: aws.String(id), BundleId: aws.String(value)})
	w.must(err)
	target := aws.ToString(out.TargetWorkspaceId)
	want(t, "both exist", len(w.lane.Find(corp, "ada")), 2)
	w.clock.Advance(time.Hour)
	w.wantState(target, desktop.Available)
	w.clock.Advance(10 * time.Minute)
	w.wantState(id, "absent")
	now := w.see(target)
	want(t, "the same address", aws.ToString(now.IpAddress) == aws.ToString(old.IpAddress), false)
	want(t, "the same name", aws.ToString(now.ComputerName) == aws.ToString(old.ComputerName), false)
	want(t, "running mode", now.WorkspaceProperties.RunningMode, types.RunningModeAutoStop)
	want(t, "bundle", aws.ToString(now.BundleId), value)
	tags, err := w.ws.DescribeTags(w.ctx, &sdk.DescribeTagsInput{ResourceId: aws.String(target)})
	w.must(err)
	want(t, "tag", aws.ToString(tags.TagList[0].Value), "rollcall")
}

func TestMigrateRefuses(t *testing.T) {
	w := newWorld(t)
	id := w.make("ada")
	for _, c := range []struct{ name, id, bundle, code string }{
		{"one that is PENDING", id, standard, notSupported},
		{"one that is not there", "ws-nothing00", standard, notFound},
		{"to a bundle that is not there", id, "wsb-nothing00", notFound},
		{"an id that is none", "i-123", standard, validation},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.ws.MigrateWorkspace(w.ctx, &sdk.MigrateWorkspaceInput{SourceWorkspaceId: aws.String(c.id), BundleId: aws.String(c.bundle)})
			w.wantError(err, c.code, "")
		})
	}
}

// A modification under way, and a target that finds no address.
func TestMigrateInTrouble(t *testing.T) {
	w := newWorld(t)
	id := w.ready("ada")
	in := &sdk.MigrateWorkspaceInput{SourceWorkspaceId: aws.String(id), BundleId: aws.String(value)}
	w.must(w.modify(id, types.WorkspaceProperties{Protocols: []types.Protocol{types.ProtocolPcoip}}))
	_, err := w.ws.MigrateWorkspace(w.ctx, in)
	w.wantError(err, inProgress, "")
	w.clock.Advance(2 * time.Hour)
	w.must(w.lane.SetFree(subnetA, 0))
	w.must(w.lane.SetFree(subnetB, 0))
	out, err := w.ws.MigrateWorkspace(w.ctx, in)
	w.must(err)
	w.clock.Advance(2 * time.Hour)
	w.wantNoAddress(aws.ToString(out.TargetWorkspaceId))
	w.wantState(id, desktop.Errored)
}

func TestRestoreRefuses(t *testing.T) {
	w := newWorld(t)
	restore := func(id string) error {
		_, err := w.ws.RestoreWorkspace(w.ctx, &sdk.RestoreWorkspaceInput{WorkspaceId: aws.String(id)})
		return err
	}
	w.wantError(restore("ws-nothing00"), notFound, "")
	w.wantError(restore(w.put(WorkSpace{Directory: corp, User: "ada"})), notSupported, "snapshot")
}

func TestSnapshots(t *testing.T) {
	w := newWorld(t)
	id := w.put(WorkSpace{Directory: corp, User: "ada"})
	latest := func() (n int, at time.Time) {
		out, err := w.ws.DescribeWorkspaceSnapshots(w.ctx, &sdk.DescribeWorkspaceSnapshotsInput{WorkspaceId: aws.String(id)})
		w.must(err)
		want(t, "as many to restore", len(out.RestoreSnapshots), len(out.RebuildSnapshots))
		for _, s := range out.RebuildSnapshots {
			at = s.SnapshotTime.UTC()
		}
		return len(out.RebuildSnapshots), at
	}
	n, _ := latest()
	want(t, "at once", n, 0)
	w.clock.Advance(30 * time.Minute)
	_, at := latest()
	want(t, "the first", at, start().Add(30*time.Minute))
	w.clock.Advance(13 * time.Hour)
	_, at = latest()
	want(t, "the second", at, start().Add(12*time.Hour+30*time.Minute))
	_, err := w.ws.DescribeWorkspaceSnapshots(w.ctx, &sdk.DescribeWorkspaceSnapshotsInput{WorkspaceId: aws.String("ws-nothing00")})
	w.wantError(err, notFound, "")
}

package workspaces

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/clock"
	"rollcall/shared/desktop"
)

// Section 9.5: a new id is not there for any operation at first.
func TestVisibilityDelay(t *testing.T) {
	w := newWorld(t, func(k *Knobs) { k.VisibleAfter = Range{30 * time.Second, 30 * time.Second} })
	id := w.make("ada")
	byName := sdk.DescribeWorkspacesInput{DirectoryId: aws.String(corp), UserName: aws.String("ada")}
	w.wantState(id, "absent")
	want(t, "by name", len(w.describe(byName)), 0)
	_, err := w.ws.DescribeTags(w.ctx, &sdk.DescribeTagsInput{ResourceId: aws.String(id)})
	w.wantError(err, notFound, "")
	out, err := w.ws.TerminateWorkspaces(w.ctx, &sdk.TerminateWorkspacesInput{TerminateWorkspaceRequests: []types.TerminateRequest{{WorkspaceId: aws.String(id)}}})
	w.must(err)
	want(t, "failures", len(out.FailedRequests), 1)
	want(t, "a second create", codes(w.create(wish("ada"))), "failed ada: ResourceExists.WorkSpace")
	w.clock.Advance(29 * time.Second)
	w.wantState(id, "absent")
	w.clock.Advance(time.Second)
	w.wantState(id, desktop.Pending)
	want(t, "by name", len(w.describe(byName)), 1)
}

// Section 9.5: how long it takes, encrypted and not.
func TestTimeToAvailable(t *testing.T) {
	for name, c := range map[string]struct {
		change   change
		min, max time.Duration
	}{
		"plain":     {func(*types.WorkspaceRequest) {}, 10 * time.Minute, 20 * time.Minute},
		"encrypted": {encrypted(""), 20 * time.Minute, 40 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.make("ada", c.change)
			w.clock.Advance(c.min - time.Second)
			w.wantState(id, desktop.Pending)
			w.clock.Advance(c.max - c.min + time.Second)
			w.wantState(id, desktop.Available)
			d := w.see(id)
			if aws.ToString(d.SubnetId) == "" || aws.ToString(d.IpAddress) == "" || aws.ToString(d.ComputerName) == "" {
				t.Errorf("it is incomplete: %+v", d)
			}
			at, _ := w.lane.Get(id)
			if took := at.Ready.Sub(start()); took < c.min || took > c.max {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// The same seed and calls give the same world, whatever the order of the calls; another seed gives another.
func TestSeed(t *testing.T) {
	run := func(seed uint64, users ...string) map[string]WorkSpace {
		w := &world{T: t, ctx: t.Context(), clock: clock.NewManual(start())}
		w.emu = New(w.clock, Options{Seed: seed})
		w.lane = w.emu.Lane(testAccount, testRegion)
		w.furnish()
		for _, u := range users {
			w.put(WorkSpace{Directory: corp, User: u, State: desktop.Pending})
		}
		w.clock.Advance(time.Hour)
		all := map[string]WorkSpace{}
		for _, d := range w.lane.List() {
			all[d.User] = d
		}
		return all
	}
	a, b, other := run(1, "ada", "grace"), run(1, "grace", "ada"), run(2, "ada", "grace")
	for user := range a {
		want(t, "id of "+user, a[user].ID, b[user].ID)
		want(t, "time of "+user, a[user].Ready, b[user].Ready)
		want(t, "the same with another seed", a[user].ID == other[user].ID, false)
	}
}

// Section 9.6.
func TestTerminate(t *testing.T) {
	w := newWorld(t)
	id := w.ready("ada")
	subnet := aws.ToString(w.see(id).SubnetId)
	free := w.lane.Free(subnet)
	w.change("terminate", "", id)
	w.wantState(id, desktop.Terminating)
	w.clock.Advance(3 * time.Minute)
	w.wantState(id, desktop.Terminating)
	gone, _ := w.lane.Get(id)
	for range 300 {
		if gone.State == desktop.Terminated {
			break
		}
		w.clock.Advance(time.Second)
		gone, _ = w.lane.Get(id)
	}
	w.wantState(id, desktop.Terminated)
	want(t, "free addresses", w.lane.Free(subnet), free+1)
	w.clock.Advance(10 * time.Second)
	w.wantState(id, "absent")
	want(t, "exist", len(w.lane.List()), 0)
	want(t, "gone", len(w.lane.Gone()), 1)
	want(t, "gone is", w.lane.Gone()[0].ID, id)
	w.change("terminate", "ResourceNotFound.Workspace", id)
	want(t, "the name is free again", codes(w.create(wish("ada"))), "pending ada")
}

func TestTerminateFromAnyState(t *testing.T) {
	for _, state := range states() {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t)
			id := w.ready("ada")
			w.must(w.lane.SetState(id, state))
			if state == desktop.Suspended {
				w.change("terminate", "InvalidState.Workspace", id)
				w.wantState(id, desktop.Suspended)
				return
			}
			w.change("terminate", "", id)
			w.clock.Advance(10 * time.Minute)
			w.wantState(id, "absent")
		})
	}
}

func TestTerminateWhilePending(t *testing.T) {
	w := newWorld(t)
	id := w.make("ada")
	w.change("terminate", "", id)
	w.clock.Advance(24 * time.Hour)
	w.wantState(id, "absent")
	want(t, "free addresses", w.lane.Free(subnetA)+w.lane.Free(subnetB), 2*251)
}

// Section 9.5 and 1.3: accepted, and then ERROR.
func TestLaunchFailures(t *testing.T) {
	t.Run("forced, with its code", func(t *testing.T) {
		w := newWorld(t)
		w.lane.FailLaunches("ada", 1, LaunchFailure{Failure: Failure{"Join.Failed", "it did not join the domain"}})
		bad, good := w.make("ada"), w.make("grace")
		w.wantState(bad, desktop.Pending)
		w.clock.Advance(30 * time.Minute)
		w.wantState(bad, desktop.Errored)
		want(t, "code", aws.ToString(w.see(bad).ErrorCode), "Join.Failed")
		want(t, "message", aws.ToString(w.see(bad).ErrorMessage), "it did not join the domain")
		want(t, "has a subnet", w.see(bad).SubnetId != nil, true)
		w.wantState(good, desktop.Available)
	})
	t.Run("forced, without an address", func(t *testing.T) {
		w := newWorld(t)
		w.lane.FailLaunches("", 1, w.lane.NoAddress())
		w.wantNoAddress(w.make("ada"))
	})
	t.Run("the subnets are full", func(t *testing.T) {
		w := newWorld(t)
		w.must(w.lane.SetFree(subnetA, 0))
		w.must(w.lane.SetFree(subnetB, 1))
		first, second := w.make("ada"), w.make("grace")
		w.clock.Advance(30 * time.Minute)
		states := map[types.WorkspaceState]string{w.see(first).State: first, w.see(second).State: second}
		if states[types.WorkspaceStateAvailable] == "" || states[types.WorkspaceStateError] == "" {
			t.Fatalf("states are %v, want one of each", states)
		}
		w.wantNoAddress(states[types.WorkspaceStateError])
	})
	t.Run("one subnet is full and chosen blindly", func(t *testing.T) {
		w := newWorld(t, func(k *Knobs) { k.Placement = PlaceBlindly })
		w.must(w.lane.SetFree(subnetA, 0))
		failed := 0
		for _, user := range []string{"ada", "grace", "linus", "ken", "dennis"} {
			id := w.make(user)
			w.clock.Advance(30 * time.Minute)
			if w.see(id).State == types.WorkspaceStateError {
				failed++
			}
		}
		if failed == 0 || failed == 5 {
			t.Errorf("%d of 5 failed, want some", failed)
		}
	})
	t.Run("one subnet is full and avoided", func(t *testing.T) {
		w := newWorld(t)
		w.must(w.lane.SetFree(subnetA, 0))
		id := w.make("ada")
		w.clock.Advance(30 * time.Minute)
		want(t, "subnet", aws.ToString(w.see(id).SubnetId), subnetB)
	})
}

func (w *world) wantNoAddress(id string) {
	w.Helper()
	w.clock.Advance(30 * time.Minute)
	w.wantState(id, desktop.Errored)
	d := w.see(id)
	want(w.T, "message", aws.ToString(d.ErrorMessage), "The Subnet in which the WorkSpace was launched does not have an available private IP Address")
	if d.SubnetId != nil || d.IpAddress != nil {
		w.Errorf("it has subnet %v and address %v, want none", d.SubnetId, d.IpAddress)
	}
}

// An address is taken some time after the create, as section 6 has it.
func TestFreeAddressesLag(t *testing.T) {
	w := newWorld(t)
	free := func() int { return w.lane.Free(subnetA) + w.lane.Free(subnetB) }
	before := free()
	w.make("ada")
	want(t, "at once", free(), before)
	w.clock.Advance(3 * time.Minute)
	want(t, "after three minutes", free(), before-1)
}

func TestAutoStop(t *testing.T) {
	w := newWorld(t)
	id := w.make("ada", running(types.RunningModeAutoStop, 60))
	w.clock.Advance(20 * time.Minute)
	w.wantState(id, desktop.Available)
	w.must(w.lane.Connect(id))
	w.clock.Advance(5 * time.Hour)
	w.wantState(id, desktop.Available)
	w.must(w.lane.Disconnect(id))
	w.clock.Advance(59 * time.Minute)
	w.wantState(id, desktop.Available)
	w.clock.Advance(5 * time.Minute)
	w.wantState(id, desktop.Stopped)
	w.must(w.lane.Connect(id))
	w.wantState(id, Starting)
	w.clock.Advance(5 * time.Hour)
	w.wantState(id, desktop.Available)
}

// The usual knobs are what the documentation says, and nothing is instant.
func TestUsual(t *testing.T) {
	k := Usual()
	want(t, "ready within", k.ReadyAfter.Max, 20*time.Minute)
	want(t, "ready within, encrypted", k.ReadyAfterEncrypted.Max, 40*time.Minute)
	want(t, "calls a second", k.Rate, 2)
	want(t, "burst", k.Burst, 5)
	want(t, "page", k.PageSize, 25)
	want(t, "a migration within", k.MigratedAfter.Max, time.Hour)
	want(t, "first snapshot after", k.FirstSnapshotAfter, 30*time.Minute)
	want(t, "then every", k.SnapshotEvery, 12*time.Hour)
	for name, r := range map[string]Range{
		"visible": k.VisibleAfter, "placed": k.PlacedAfter, "ready": k.ReadyAfter, "encrypted": k.ReadyAfterEncrypted,
		"terminated": k.TerminatedAfter, "started": k.StartedAfter, "stopped": k.StoppedAfter, "rebooted": k.RebootedAfter,
		"rebuilt": k.RebuiltAfter, "modified": k.ModifiedAfter, "migrated": k.MigratedAfter,
	} {
		if r.Min <= 0 || r.Max <= r.Min {
			t.Errorf("%s: %v is no range", name, r)
		}
	}
}

func TestAlwaysOnStaysOn(t *testing.T) {
	w := newWorld(t)
	id := w.make("ada", running(types.RunningModeAlwaysOn, 0))
	w.clock.Advance(30 * 24 * time.Hour)
	w.wantState(id, desktop.Available)
}

// A directory of Simple AD or AD Connector without WorkSpaces for 30 days is deregistered.
func TestIdleDirectory(t *testing.T) {
	const month = 30 * 24 * time.Hour
	answer := func(w *world) string { return codes(w.create(wish("ada"))) }
	t.Run("empty from the start", func(t *testing.T) {
		w := newWorld(t)
		w.clock.Advance(month)
		want(t, "answer", answer(w), "failed ada: ResourceNotFound.Directory")
		w.must(w.lane.SetDirectoryState(corp, registered))
		want(t, "registered again", answer(w), "pending ada")
	})
	t.Run("empty since its last one went", func(t *testing.T) {
		w := newWorld(t)
		id := w.put(WorkSpace{Directory: corp, User: "grace"})
		w.clock.Advance(2 * month)
		w.must(w.lane.Terminate(id))
		w.clock.Advance(month)
		want(t, "answer a month later", answer(w), "pending ada")
		w.must(w.lane.Terminate(w.lane.List()[0].ID))
		w.clock.Advance(month + time.Hour)
		want(t, "answer another month later", answer(w), "failed ada: ResourceNotFound.Directory")
	})
	t.Run("never empty for that long", func(t *testing.T) {
		w := newWorld(t)
		for range 3 {
			w.clock.Advance(month - 2*24*time.Hour)
			w.must(w.lane.Terminate(w.put(WorkSpace{Directory: corp, User: "grace"})))
			w.clock.Advance(time.Hour)
		}
		w.clock.Advance(month - 2*24*time.Hour)
		want(t, "answer", answer(w), "pending ada")
	})
	t.Run("by the switch", func(t *testing.T) {
		w := newWorld(t, func(k *Knobs) { k.IdleDeregistered = false })
		w.clock.Advance(2 * month)
		want(t, "answer", answer(w), "pending ada")
	})
	t.Run("of another type", func(t *testing.T) {
		w := newWorld(t)
		w.clock.Advance(2 * month)
		want(t, "answer", codes(w.create(wish("ada@example.com", in(entra)))), "pending ada@example.com")
	})
}

package workspaces

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/desktop"
)

func (w *world) modify(id string, p types.WorkspaceProperties) error {
	_, err := w.ws.ModifyWorkspaceProperties(w.ctx, &sdk.ModifyWorkspacePropertiesInput{WorkspaceId: aws.String(id), WorkspaceProperties: &p})
	return err
}

func TestModifyRefuses(t *testing.T) {
	gib := aws.Int32
	for _, c := range []struct {
		name  string
		given func(w *world, id string)
		p     types.WorkspaceProperties
		code  string
	}{
		{"nothing", nil, types.WorkspaceProperties{}, invalidValues},
		{"two properties", nil, types.WorkspaceProperties{RunningMode: types.RunningModeAlwaysOn, UserVolumeSizeGib: gib(100)}, invalidValues},
		{"both volumes", nil, types.WorkspaceProperties{RootVolumeSizeGib: gib(175), UserVolumeSizeGib: gib(100)}, invalidValues},
		{"size and compute", nil, types.WorkspaceProperties{ComputeTypeName: types.ComputePower, UserVolumeSizeGib: gib(100)}, invalidValues},
		{"a smaller volume", nil, types.WorkspaceProperties{UserVolumeSizeGib: gib(10)}, invalidValues},
		{"the root before the user volume", nil, types.WorkspaceProperties{RootVolumeSizeGib: gib(175)}, invalidValues},
		{"a size that cannot be", nil, types.WorkspaceProperties{UserVolumeSizeGib: gib(60)}, invalidValues},
		{"a time with ALWAYS_ON", nil, types.WorkspaceProperties{RunningMode: types.RunningModeAlwaysOn, RunningModeAutoStopTimeoutInMinutes: gib(60)}, invalidValues},
		{"a time that is no multiple of 60", nil, types.WorkspaceProperties{RunningModeAutoStopTimeoutInMinutes: gib(61)}, invalidValues},
		{"MANUAL", nil, types.WorkspaceProperties{RunningMode: types.RunningModeManual}, invalidValues},
		{"the operating system", nil, types.WorkspaceProperties{OperatingSystemName: types.OperatingSystemNameWindows11}, unsupported},
		{"one in another state", func(w *world, id string) { w.must(w.lane.SetState(id, desktop.Suspended)) }, types.WorkspaceProperties{UserVolumeSizeGib: gib(100)}, wrongState},
		{"one that is being modified", func(w *world, id string) {
			w.must(w.modify(id, types.WorkspaceProperties{UserVolumeSizeGib: gib(100)}))
		}, types.WorkspaceProperties{ComputeTypeName: types.ComputePower}, inProgress},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.ready("ada")
			w.clock.Advance(12 * time.Hour)
			if c.given != nil {
				c.given(w, id)
			}
			w.wantError(w.modify(id, c.p), c.code, "")
		})
	}
	w := newWorld(t)
	w.wantError(w.modify("ws-nothing00", types.WorkspaceProperties{RunningMode: types.RunningModeAlwaysOn}), notFound, "")
	_, err := w.ws.ModifyWorkspaceProperties(w.ctx, &sdk.ModifyWorkspacePropertiesInput{WorkspaceId: aws.String(w.ready("ada")), DataReplication: types.DataReplicationPrimaryAsSource})
	w.wantError(err, unsupported, "")
}

// The 6 hours: volumes always, compute only upwards.
func TestModifyTooEarly(t *testing.T) {
	w := newWorld(t)
	id := w.ready("ada")
	w.wantError(w.modify(id, types.WorkspaceProperties{UserVolumeSizeGib: aws.Int32(100)}), wrongState, "6 hours")
	w.wantError(w.modify(id, types.WorkspaceProperties{ComputeTypeName: types.ComputePower}), wrongState, "6 hours")
	w.must(w.modify(id, types.WorkspaceProperties{ComputeTypeName: types.ComputeValue}))
	w.clock.Advance(6*time.Hour + time.Minute)
	w.wantError(w.modify(id, types.WorkspaceProperties{UserVolumeSizeGib: aws.Int32(100)}), wrongState, "6 hours")
	w.clock.Advance(2 * time.Hour)
	w.must(w.modify(id, types.WorkspaceProperties{UserVolumeSizeGib: aws.Int32(100)}))
}

func TestModifyVolume(t *testing.T) {
	for name, c := range map[string]struct {
		shown bool
		state desktop.State
	}{"state as before": {false, desktop.Available}, "UPDATING, by the switch": {true, Updating}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(k *Knobs) { k.UpdatingShown = c.shown })
			id := w.ready("ada")
			w.clock.Advance(6 * time.Hour)
			w.must(w.modify(id, types.WorkspaceProperties{UserVolumeSizeGib: aws.Int32(100)}))
			w.wantState(id, c.state)
			want(t, "at first", w.see(id).ModificationStates[0].State, types.ModificationStateEnumUpdateInitiated)
			want(t, "of", w.see(id).ModificationStates[0].Resource, types.ModificationResourceEnumUserVolume)
			w.clock.Advance(8 * time.Minute)
			want(t, "then", w.see(id).ModificationStates[0].State, types.ModificationStateEnumUpdateInProgress)
			want(t, "not yet", *w.see(id).WorkspaceProperties.UserVolumeSizeGib, 50)
			w.clock.Advance(time.Hour)
			want(t, "in the end", *w.see(id).WorkspaceProperties.UserVolumeSizeGib, 100)
			want(t, "nothing under way", len(w.see(id).ModificationStates), 0)
			w.wantState(id, desktop.Available)
			w.clock.Advance(7 * time.Hour)
			w.must(w.modify(id, types.WorkspaceProperties{RootVolumeSizeGib: aws.Int32(175)}))
		})
	}
}

func TestModifyTheRest(t *testing.T) {
	w := newWorld(t)
	id := w.ready("ada")
	mode := func() (types.RunningMode, int32) {
		p := w.see(id).WorkspaceProperties
		return p.RunningMode, aws.ToInt32(p.RunningModeAutoStopTimeoutInMinutes)
	}
	w.must(w.lane.SetState(id, desktop.Stopped))
	w.must(w.modify(id, types.WorkspaceProperties{RunningMode: types.RunningModeAlwaysOn}))
	m, minutes := mode()
	want(t, "mode", m, types.RunningModeAlwaysOn)
	want(t, "minutes", minutes, 0)
	w.clock.Advance(5 * time.Minute)
	w.wantState(id, desktop.Available)
	w.must(w.modify(id, types.WorkspaceProperties{RunningMode: types.RunningModeAutoStop, RunningModeAutoStopTimeoutInMinutes: aws.Int32(180)}))
	m, minutes = mode()
	want(t, "mode", m, types.RunningModeAutoStop)
	want(t, "minutes", minutes, 180)
	w.must(w.modify(id, types.WorkspaceProperties{Protocols: []types.Protocol{types.ProtocolPcoip}}))
	w.clock.Advance(time.Hour)
	want(t, "protocol", w.see(id).WorkspaceProperties.Protocols[0], types.ProtocolPcoip)
	w.must(w.modify(id, types.WorkspaceProperties{GlobalAccelerator: &types.GlobalAcceleratorForWorkSpace{Mode: types.AGAModeForWorkSpaceEnumDisabled}}))
	want(t, "accelerator", w.see(id).WorkspaceProperties.GlobalAccelerator.Mode, types.AGAModeForWorkSpaceEnumDisabled)
}

package workspaces

import (
	"slices"
	"time"

	"rollcall/shared/desktop"
)

// manual is the running mode of WorkSpaces Core.
const manual = "MANUAL"

// In which states an operation is possible, as the API reference of each says.
// https://docs.aws.amazon.com/workspaces/latest/api/API_Operations.html
func mayStop() []desktop.State {
	return []desktop.State{desktop.Available, Impaired, Unhealthy, desktop.Errored}
}

func mayReboot() []desktop.State { return []desktop.State{desktop.Available, Unhealthy, Rebooting} }

func mayRebuild() []desktop.State {
	return []desktop.State{desktop.Available, desktop.Errored, Unhealthy, desktop.Stopped, Rebooting}
}

func mayRestore() []desktop.State {
	return []desktop.State{desktop.Available, desktop.Errored, Unhealthy, desktop.Stopped}
}

func mayMigrate() []desktop.State {
	return []desktop.State{desktop.Available, desktop.Stopped, desktop.Errored}
}

func mayModify() []desktop.State { return []desktop.State{desktop.Available, desktop.Stopped} }

// items are the request's, whichever operation it is of.
func (in changeRequest) items() []changeItem {
	return slices.Concat(in.TerminateWorkspaceRequests, in.StartWorkspaceRequests, in.StopWorkspaceRequests,
		in.RebootWorkspaceRequests, in.RebuildWorkspaceRequests)
}

// each does something to each WorkSpace of a batch; what is refused fails by itself, in a call that succeeds.
func (l *Lane) each(c call, in changeRequest, do func(d *desk) *Failure) (changeAnswer, *refusal) {
	out := changeAnswer{FailedRequests: []failedChange{}}
	for _, item := range in.items() {
		f := &l.knobs.WorkspaceNotFound
		if d := l.seen(item.WorkspaceId, c.now); d != nil {
			f = do(d)
		}
		if f != nil {
			out.FailedRequests = append(out.FailedRequests, failedChange{item.WorkspaceId, f.Code, f.Message})
		}
	}
	return out, nil
}

// inState is the failure of a WorkSpace that is in none of the states, or nil.
func (l *Lane) inState(d *desk, allowed []desktop.State) *Failure {
	if slices.Contains(allowed, d.State) {
		return nil
	}
	return l.stateFailure(d)
}

func (l *Lane) stateFailure(d *desk) *Failure {
	return &Failure{l.knobs.WrongState.Code, l.knobs.WrongState.Message + string(d.State)}
}

// terminateCall is TerminateWorkspaces: any state but SUSPENDED; data is destroyed.
func (l *Lane) terminateCall(c call, in changeRequest) (changeAnswer, *refusal) {
	return l.each(c, in, func(d *desk) *Failure {
		if d.State == desktop.Suspended {
			return l.stateFailure(d)
		}
		l.terminate(d, c.now)
		return nil
	})
}

// startCall is StartWorkspaces: AUTO_STOP or MANUAL, and STOPPED.
func (l *Lane) startCall(c call, in changeRequest) (changeAnswer, *refusal) {
	return l.each(c, in, func(d *desk) *Failure {
		if d.RunningMode == desktop.AlwaysOn || d.State != desktop.Stopped {
			return l.stateFailure(d)
		}
		l.start(d, c.now)
		return nil
	})
}

// stopCall is StopWorkspaces: AUTO_STOP or MANUAL, and AVAILABLE, IMPAIRED, UNHEALTHY or ERROR.
func (l *Lane) stopCall(c call, in changeRequest) (changeAnswer, *refusal) {
	return l.each(c, in, func(d *desk) *Failure {
		if d.RunningMode == desktop.AlwaysOn {
			return l.stateFailure(d)
		}
		if f := l.inState(d, mayStop()); f != nil {
			return f
		}
		l.stop(d, c.now)
		return nil
	})
}

// rebootCall is RebootWorkspaces: AVAILABLE, UNHEALTHY or REBOOTING.
func (l *Lane) rebootCall(c call, in changeRequest) (changeAnswer, *refusal) {
	return l.each(c, in, func(d *desk) *Failure {
		if f := l.inState(d, mayReboot()); f != nil {
			return f
		}
		l.turn(d, c.now, Rebooting, l.knobs.RebootedAfter, func(at time.Time) { l.available(d, at) })
		return nil
	})
}

// rebuildCall is RebuildWorkspaces: one WorkSpace whose user is as it was, with a snapshot. It gets a new address.
func (l *Lane) rebuildCall(c call, in changeRequest) (changeAnswer, *refusal) {
	return l.each(c, in, func(d *desk) *Failure {
		if f := l.inState(d, mayRebuild()); f != nil {
			return f
		}
		if _, u := l.user(d.Directory, d.User); d.SID != "" && (u == nil || u.sid != d.SID) {
			return &Failure{userConfigCode, userConfigText}
		}
		if len(l.snapshotTimes(d, c.now)) == 0 {
			return &Failure{l.knobs.WrongState.Code, "There is no snapshot of the user volume."}
		}
		l.turn(d, c.now, Rebuilding, l.knobs.RebuiltAfter, func(at time.Time) {
			l.freeAddress(d)
			if !l.takeAddress(d) {
				l.fail(d, l.knobs.NoAddress)
				return
			}
			l.available(d, at)
		})
		return nil
	})
}

// restoreCall is RestoreWorkspace. Its refusals are of the whole call: it has no list of failures.
func (l *Lane) restoreCall(c call, in oneRequest) (nothing, *refusal) {
	d := l.seen(in.WorkspaceId, c.now)
	switch {
	case d == nil:
		return nothing{}, l.noWorkspace(in.WorkspaceId)
	case !slices.Contains(mayRestore(), d.State):
		return nothing{}, refuse(notSupported, "%s", l.stateFailure(d).Message)
	case len(l.snapshotTimes(d, c.now)) == 0:
		return nothing{}, refuse(notSupported, "There is no snapshot to restore.")
	}
	l.turn(d, c.now, Restoring, l.knobs.RebuiltAfter, func(at time.Time) { l.available(d, at) })
	return nothing{}, nil
}

func (l *Lane) noWorkspace(id string) *refusal {
	return refuse(notFound, "%s", l.knobs.WorkspaceNotFound.Message).about(id)
}

// snapshotTimes are when the snapshots were taken that there are: the last one, if any.
func (l *Lane) snapshotTimes(d *desk, now time.Time) []snapshot {
	if d.Ready.IsZero() {
		return []snapshot{}
	}
	first := d.Ready.Add(l.knobs.FirstSnapshotAfter)
	if now.Before(first) {
		return []snapshot{}
	}
	last := first
	if every := l.knobs.SnapshotEvery; every > 0 {
		last = first.Add(now.Sub(first).Truncate(every))
	}
	return []snapshot{{epochOf(last)}}
}

// snapshots is DescribeWorkspaceSnapshots.
func (l *Lane) snapshots(c call, in oneRequest) (snapshotsAnswer, *refusal) {
	d := l.seen(in.WorkspaceId, c.now)
	if d == nil {
		return snapshotsAnswer{}, l.noWorkspace(in.WorkspaceId)
	}
	taken := l.snapshotTimes(d, c.now)
	return snapshotsAnswer{taken, taken}, nil
}

// modifyState is ModifyWorkspaceState: AVAILABLE to ADMIN_MAINTENANCE and back.
func (l *Lane) modifyState(c call, in stateRequest) (nothing, *refusal) {
	d := l.seen(in.WorkspaceId, c.now)
	switch {
	case d == nil:
		return nothing{}, l.noWorkspace(in.WorkspaceId)
	case d.State != desktop.Available && d.State != AdminMaintenance:
		return nothing{}, refuse(wrongState, "%s", l.stateFailure(d).Message)
	case in.WorkspaceState == string(AdminMaintenance):
		d.plan++
		d.idling++
		d.State = AdminMaintenance
	case d.State == AdminMaintenance:
		l.available(d, c.now)
	}
	return nothing{}, nil
}

// migrate is MigrateWorkspace: a second WorkSpace, made from another bundle, takes the place of the first, which
// goes when the second is ready. The new one has another id, computer name and address, and the tags of the old.
func (l *Lane) migrate(c call, in migrateRequest) (migrateAnswer, *refusal) {
	out := migrateAnswer{SourceWorkspaceId: in.SourceWorkspaceId}
	old, b := l.seen(in.SourceWorkspaceId, c.now), l.bundle(in.BundleId)
	switch {
	case old == nil:
		return out, l.noWorkspace(in.SourceWorkspaceId)
	case b == nil:
		return out, refuse(notFound, "%s", l.knobs.BundleNotFound.Message).about(in.BundleId)
	case len(old.changes) > 0:
		return out, refuse(inProgress, "The WorkSpace is being modified.")
	case !slices.Contains(mayMigrate(), old.State):
		return out, refuse(notSupported, "%s", l.stateFailure(old).Message)
	}
	w := old.WorkSpace.clone()
	w.ID, w.Bundle, w.Subnet, w.Address, w.Computer = "", b.ID, "", "", ""
	w.RootGB, w.Compute, w.OS, w.Protocols = 0, "", "", nil
	w.Made, w.MadeBy, w.Ready, w.Connected = c.now, c.caller, time.Time{}, false
	w.ErrorCode, w.ErrorMessage = "", ""
	target := l.add(w, c.now)
	takes := l.draw(l.knobs.MigratedAfter, "migrate", target.ID)
	l.launch(target, c.now, takes, nil)
	old.plan++
	old.idling++
	old.State, old.Connected = Maintenance, false
	l.at(c.now.Add(takes), &old.plan, func(at time.Time) {
		if target.State == desktop.Errored {
			l.fail(old, Failure{target.ErrorCode, target.ErrorMessage})
			return
		}
		l.terminate(old, at)
	})
	out.TargetWorkspaceId = target.ID
	return out, nil
}

package workspaces

import (
	"slices"
	"time"

	"rollcall/shared/desktop"
)

// settledFor is how long after its launch, or after the last change, a WorkSpace's volumes and compute type may
// not be changed.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/modify-workspaces.html
const settledFor = 6 * time.Hour

// modify is ModifyWorkspaceProperties: one property a call, on an AVAILABLE or STOPPED WorkSpace.
func (l *Lane) modify(c call, in modifyRequest) (nothing, *refusal) {
	d := l.seen(in.WorkspaceId, c.now)
	switch {
	case d == nil:
		return nothing{}, l.noWorkspace(in.WorkspaceId)
	case in.DataReplication != "":
		return nothing{}, refuse(unsupported, "Data replication is not supported for this WorkSpace.")
	case in.WorkspaceProperties == nil || in.WorkspaceProperties.count() != 1:
		return nothing{}, refuse(invalidValues, "Exactly one WorkSpace property must be specified.")
	case len(d.changes) > 0:
		return nothing{}, refuse(inProgress, "A modification of the WorkSpace is in progress.")
	case !slices.Contains(mayModify(), d.State):
		return nothing{}, refuse(wrongState, "%s", l.stateFailure(d).Message)
	}
	p := in.WorkspaceProperties
	switch {
	case p.RunningMode != "" || p.RunningModeAutoStopTimeoutInMinutes != nil:
		return nothing{}, l.modifyMode(d, p, c.now)
	case p.RootVolumeSizeGib != nil || p.UserVolumeSizeGib != nil:
		return nothing{}, l.modifyVolume(d, p, c.now)
	case p.ComputeTypeName != "":
		return nothing{}, l.modifyCompute(d, p.ComputeTypeName, c.now)
	case len(p.Protocols) > 0:
		l.change(d, c.now, "PROTOCOL", func() { d.Protocols = slices.Clone(p.Protocols) })
	case p.GlobalAccelerator != nil:
		d.Accelerator = p.GlobalAccelerator
	default:
		return nothing{}, refuse(unsupported, "The operating system of a WorkSpace cannot be modified.")
	}
	return nothing{}, nil
}

// count is how many properties a request changes; the running mode and its time are one.
func (p *properties) count() int {
	n := 0
	for _, set := range []bool{
		p.RunningMode != "" || p.RunningModeAutoStopTimeoutInMinutes != nil,
		p.RootVolumeSizeGib != nil, p.UserVolumeSizeGib != nil, p.ComputeTypeName != "", len(p.Protocols) > 0,
		p.OperatingSystemName != "", p.GlobalAccelerator != nil,
	} {
		if set {
			n++
		}
	}
	return n
}

func (l *Lane) modifyMode(d *desk, p *properties, now time.Time) *refusal {
	mode := d.RunningMode
	if p.RunningMode != "" {
		mode = desktop.RunningMode(p.RunningMode)
	}
	timeout := p.RunningModeAutoStopTimeoutInMinutes
	switch {
	case mode == manual && !l.knobs.ManualAllowed:
		return refuse(invalidValues, "Running mode MANUAL is not supported for this account.")
	case timeout != nil && mode == desktop.AlwaysOn:
		return refuse(invalidValues, "%s", timeoutMessage)
	case badTimeout(p) != "":
		return refuse(invalidValues, "%s", badTimeout(p))
	}
	d.RunningMode = mode
	d.idling++
	switch {
	case mode != desktop.AutoStop:
		d.AutoStopMinutes = 0
	case timeout != nil:
		d.AutoStopMinutes = *timeout
	case d.AutoStopMinutes == 0:
		d.AutoStopMinutes = 60
	}
	if mode == desktop.AlwaysOn && d.State == desktop.Stopped {
		l.start(d, now)
		return nil
	}
	l.idle(d, now)
	return nil
}

func (l *Lane) modifyVolume(d *desk, p *properties, now time.Time) *refusal {
	root, user := or(p.RootVolumeSizeGib, d.RootGB), or(p.UserVolumeSizeGib, d.UserGB)
	resource := "USER_VOLUME"
	if p.RootVolumeSizeGib != nil {
		resource = "ROOT_VOLUME"
	}
	switch {
	case root < d.RootGB || user < d.UserGB:
		return refuse(invalidValues, "A volume cannot be made smaller.")
	case resource == "ROOT_VOLUME" && d.UserGB < 100:
		return refuse(invalidValues, "The user volume must be 100 GB or more before the root volume is made larger.")
	case badSizes(d.Compute, root, user) != "" && (resource == "ROOT_VOLUME" || d.RootGB == 80):
		return refuse(invalidValues, "%s", badSizes(d.Compute, root, user))
	case l.unsettled(d, now):
		return refuse(tooYoung, "%s", unsettledText)
	}
	l.change(d, now, resource, func() { d.RootGB, d.UserGB = root, user })
	return nil
}

func (l *Lane) modifyCompute(d *desk, compute string, now time.Time) *refusal {
	if l.unsettled(d, now) && larger(compute, d.Compute) {
		return refuse(tooYoung, "%s", unsettledText)
	}
	l.change(d, now, "COMPUTE_TYPE", func() { d.Compute = compute })
	return nil
}

const unsettledText = "The WorkSpace was launched or modified less than 6 hours ago."

// tooYoung is the exception of a WorkSpace that is; which one AWS sends is not known.
const tooYoung = wrongState

func (l *Lane) unsettled(d *desk, now time.Time) bool {
	since := d.Ready
	if d.changed.After(since) {
		since = d.changed
	}
	return now.Sub(since) < settledFor
}

// larger reports whether one compute type is larger than another. Graphics types have no place in the order, and
// are smaller than all others here.
func larger(a, b string) bool {
	sizes := []string{"VALUE", "STANDARD", "PERFORMANCE", "POWER", "POWERPRO", "GENERALPURPOSE_4XLARGE", "GENERALPURPOSE_8XLARGE"}
	return slices.Index(sizes, a) > slices.Index(sizes, b)
}

// change is under way for a time, and shown in ModificationStates, before it is so.
func (l *Lane) change(d *desk, now time.Time, resource string, done func()) {
	d.turns++
	d.changes = []modification{{resource, "UPDATE_INITIATED"}}
	back := d.State
	if l.knobs.UpdatingShown {
		d.State = Updating
	}
	takes := l.draw(l.knobs.ModifiedAfter, "modify", d.ID, decimal(d.turns))
	l.at(now.Add(takes/10), &d.lasting, func(time.Time) {
		d.changes = []modification{{resource, "UPDATE_IN_PROGRESS"}}
	})
	l.at(now.Add(takes), &d.lasting, func(at time.Time) {
		done()
		d.changes, d.changed = nil, at
		if d.State == Updating {
			d.State = back
		}
	})
}

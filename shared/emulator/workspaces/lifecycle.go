package workspaces

import (
	"container/heap"
	"slices"
	"time"

	"rollcall/shared/desktop"
)

// The states beside those that rollcall asks about.
// https://docs.aws.amazon.com/workspaces/latest/api/API_Workspace.html
const (
	Impaired         desktop.State = "IMPAIRED"
	Unhealthy        desktop.State = "UNHEALTHY"
	Rebooting        desktop.State = "REBOOTING"
	Starting         desktop.State = "STARTING"
	Rebuilding       desktop.State = "REBUILDING"
	Restoring        desktop.State = "RESTORING"
	Maintenance      desktop.State = "MAINTENANCE"
	AdminMaintenance desktop.State = "ADMIN_MAINTENANCE"
	Updating         desktop.State = "UPDATING"
	Stopping         desktop.State = "STOPPING"
)

func states() []desktop.State {
	return []desktop.State{
		desktop.Pending, desktop.Available, Impaired, Unhealthy, Rebooting, Starting, Rebuilding,
		Restoring, Maintenance, AdminMaintenance, desktop.Terminating, desktop.Terminated, desktop.Suspended, Updating,
		Stopping, desktop.Stopped, desktop.Errored,
	}
}

// step is something that will happen. It is void once the plan it was made under has changed.
type step struct {
	at    time.Time
	order int
	live  *int // the plan's present number
	plan  int  // the number it was made under
	do    func(at time.Time)
}

type timeline []step

func (t timeline) Len() int { return len(t) }
func (t timeline) Less(i, j int) bool {
	if t[i].at.Equal(t[j].at) {
		return t[i].order < t[j].order
	}
	return t[i].at.Before(t[j].at)
}
func (t timeline) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timeline) Push(x any)   { *t = append(*t, x.(step)) }
func (t *timeline) Pop() any {
	old := *t
	last := old[len(old)-1]
	*t = old[:len(old)-1]
	return last
}

// at puts something on the time line.
func (l *Lane) at(when time.Time, live *int, do func(at time.Time)) {
	l.steps++
	heap.Push(&l.timeline, step{at: when, order: l.steps, live: live, plan: *live, do: do})
}

// settle lets everything happen that is due, in order and each at its own time, however far the clock has moved.
func (l *Lane) settle(now time.Time) {
	for len(l.timeline) > 0 && !l.timeline[0].at.After(now) {
		s := heap.Pop(&l.timeline).(step)
		if *s.live == s.plan {
			s.do(s.at)
		}
	}
}

// launch starts the life of a PENDING WorkSpace: an address, then AVAILABLE or ERROR.
func (l *Lane) launch(d *desk, now time.Time, takes time.Duration, doom *LaunchFailure) {
	d.State = desktop.Pending
	if doom == nil || !doom.NoSubnet {
		placed := min(l.draw(l.knobs.PlacedAfter, "placed", d.ID), takes)
		l.at(now.Add(placed), &d.plan, func(time.Time) { l.place(d) })
	}
	l.at(now.Add(takes), &d.plan, func(at time.Time) {
		if doom != nil {
			l.fail(d, doom.Failure)
			return
		}
		l.available(d, at)
	})
}

// place gives a WorkSpace its address and its computer name. Without an address it goes to ERROR, with no SubnetId.
func (l *Lane) place(d *desk) {
	if !l.takeAddress(d) {
		d.plan++
		l.fail(d, l.knobs.NoAddress)
		return
	}
	d.Computer = l.computerName(d)
}

func (l *Lane) fail(d *desk, why Failure) {
	d.State, d.ErrorCode, d.ErrorMessage = desktop.Errored, why.Code, why.Message
}

// available makes a WorkSpace AVAILABLE and, in running mode AUTO_STOP, sets its time to stop.
func (l *Lane) available(d *desk, at time.Time) {
	d.State, d.ErrorCode, d.ErrorMessage = desktop.Available, "", ""
	if d.Ready.IsZero() {
		d.Ready = at
	}
	l.idle(d, at)
}

// idle stops an AUTO_STOP WorkSpace after its time, unless somebody is connected by then.
func (l *Lane) idle(d *desk, from time.Time) {
	if !l.knobs.AutoStops || d.RunningMode != desktop.AutoStop || d.Connected || d.State != desktop.Available {
		return
	}
	d.idling++
	l.at(from.Add(time.Duration(d.AutoStopMinutes)*time.Minute), &d.idling, func(at time.Time) { l.stop(d, at) })
}

// turn voids what was planned and takes a WorkSpace through a state, for a time, to what comes after it.
func (l *Lane) turn(d *desk, now time.Time, through desktop.State, takes Range, then func(at time.Time)) {
	d.plan++
	d.idling++
	d.turns++
	d.State, d.Connected = through, false
	l.at(now.Add(l.draw(takes, d.ID, string(through), decimal(d.turns))), &d.plan, then)
}

func (l *Lane) stop(d *desk, now time.Time) {
	l.turn(d, now, Stopping, l.knobs.StoppedAfter, func(time.Time) { d.State = desktop.Stopped })
}

func (l *Lane) start(d *desk, now time.Time) {
	l.turn(d, now, Starting, l.knobs.StartedAfter, func(at time.Time) { l.available(d, at) })
}

// terminate takes a WorkSpace through TERMINATING and, briefly, TERMINATED, out of the world.
func (l *Lane) terminate(d *desk, now time.Time) {
	if d.State.Leaving() {
		return // it goes as it was going
	}
	l.turn(d, now, desktop.Terminating, l.knobs.TerminatedAfter, func(at time.Time) {
		d.State = desktop.Terminated
		l.freeAddress(d)
		l.at(at.Add(l.knobs.TerminatedFor), &d.plan, func(at time.Time) { l.remove(d, at) })
	})
}

// remove takes a WorkSpace out of everything but the list of those that are gone.
func (l *Lane) remove(d *desk, at time.Time) {
	d.plan++
	d.lasting++
	d.Gone = at
	delete(l.byID, d.ID)
	forget(l.byName, nameKey(d.Directory, d.User), d)
	forget(l.bySID, nameKey(d.Directory, d.SID), d)
	l.gone = append(l.gone, d.WorkSpace.clone())
	if len(l.gone) > 0 && len(l.desks) > 2*len(l.byID)+64 {
		l.desks = slices.DeleteFunc(l.desks, func(d *desk) bool { return !d.Gone.IsZero() })
	}
	if dir := l.directory(d.Directory); dir != nil {
		l.watchEmpty(dir, at)
	}
}

func forget(index map[string][]*desk, key string, d *desk) {
	left := slices.DeleteFunc(index[key], func(x *desk) bool { return x == d })
	if len(left) == 0 {
		delete(index, key)
		return
	}
	index[key] = left
}

// emptyFor is how long a Simple AD or AD Connector directory may be without WorkSpaces before AWS deregisters it.
// https://docs.aws.amazon.com/workspaces/latest/api/API_TerminateWorkspaces.html
const emptyFor = 30 * 24 * time.Hour

// watchEmpty deregisters a directory that stays empty.
func (l *Lane) watchEmpty(dir *directory, now time.Time) {
	if dir.Type != "SIMPLE_AD" && dir.Type != "AD_CONNECTOR" {
		return
	}
	dir.plan++
	l.at(now.Add(emptyFor), &dir.plan, func(time.Time) {
		if l.knobs.IdleDeregistered && dir.State == registered && !l.inUse(dir.ID) {
			dir.State = deregistered
		}
	})
}

func (l *Lane) inUse(directory string) bool {
	return slices.ContainsFunc(l.desks, func(d *desk) bool { return d.Directory == directory && d.Gone.IsZero() })
}

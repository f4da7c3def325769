package workspaces

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"rollcall/shared/desktop"
)

// WorkSpace is one WorkSpace as the world sees it, not the API: it has its tags, its times and its owner's SID.
type WorkSpace struct {
	ID        string
	Directory string
	User      string // as it was asked for
	SID       string // whose it is; empty for a user-decoupled one
	Name      string // WorkspaceName, of a user-decoupled one
	State     desktop.State
	Bundle    string
	Subnet    string
	Address   string
	Computer  string

	ErrorCode    string
	ErrorMessage string

	Key           string // VolumeEncryptionKey
	RootEncrypted bool
	UserEncrypted bool

	RunningMode     desktop.RunningMode
	AutoStopMinutes int // zero unless AUTO_STOP
	RootGB          int
	UserGB          int
	Compute         string
	Protocols       []string
	OS              string
	Accelerator     *globalAccelerator

	Tags map[string]string

	MadeBy        string    // the caller, or ByHand
	Made          time.Time // when it was asked for
	Ready         time.Time // when it was first AVAILABLE; zero before
	Gone          time.Time // when it was no more; zero while it exists
	Connected     bool
	LastConnected time.Time
}

// ByHand is MadeBy of a WorkSpace that came by Lane.Put.
const ByHand = "by hand"

// desk is a WorkSpace with what only the emulator knows.
type desk struct {
	WorkSpace
	order   int // in which they were made, across the lane
	plan    int // the number of the present plan; see step
	idling  int // the same, of its time to stop by itself
	lasting int // the same, of what nothing but the end voids
	turns   int // how many states it has been taken through, so that each takes another time
	batch   int // the CreateWorkspaces call that made it, or 0
	slot    int // the address in its subnet, or -1
	visible time.Time
	changed time.Time // when a volume or the compute type was last modified
	changes []modification
}

// Put adds a WorkSpace as made by hand: no check but of the directory, no quota, no throttle. Zero fields are
// filled in (id, bundle's sizes, AVAILABLE, ALWAYS_ON); the user need not be in the directory. It can be seen at
// once; in state PENDING it goes on to AVAILABLE, in TERMINATING it goes. It returns the id; the error says what is wrong.
func (l *Lane) Put(w WorkSpace) (id string, err error) {
	l.with(func(now time.Time) {
		if l.directory(w.Directory) == nil {
			err = fmt.Errorf("putting a WorkSpace of %q: directory %q is not in %s", w.User, w.Directory, l.ID)
			return
		}
		if w.ID != "" && (l.byID[w.ID] != nil || !regexp.MustCompile(workspacePattern).MatchString(w.ID)) {
			err = fmt.Errorf("putting WorkSpace %q: the id is taken, or not ws-[0-9a-z]{8,63}", w.ID)
			return
		}
		w = w.clone()
		w.MadeBy, w.Made = cmp.Or(w.MadeBy, ByHand), now
		w.State = cmp.Or(w.State, desktop.Available)
		if !slices.Contains(states(), w.State) {
			err = fmt.Errorf("putting a WorkSpace of %q: there is no state %q", w.User, w.State)
			return
		}
		if _, u := l.user(w.Directory, w.User); u != nil && w.SID == "" {
			w.SID = u.sid
		}
		d := l.add(w, now)
		d.visible = now
		if w.State == desktop.Pending {
			l.launch(d, now, l.draw(l.knobs.ReadyAfter, "ready", d.ID), nil)
		} else if l.takeAddress(d) {
			d.Computer, d.Ready = l.computerName(d), now
			l.idle(d, now)
		}
		if d.State.Leaving() {
			d.State = desktop.Available // it was, until now
			l.terminate(d, now)
		}
		id = d.ID
	})
	return id, err
}

// add puts a WorkSpace into the lane, with an id and everything that its bundle decides.
func (l *Lane) add(w WorkSpace, now time.Time) *desk {
	key := nameKey(w.Directory, w.User+w.Name)
	l.launches[key]++
	if w.ID == "" {
		w.ID = l.newID(key, l.launches[key])
	}
	if b := l.bundle(w.Bundle); b != nil {
		w.RootGB, w.UserGB = cmp.Or(w.RootGB, b.RootGB), cmp.Or(w.UserGB, b.UserGB)
		w.Compute, w.OS = cmp.Or(w.Compute, b.Compute), cmp.Or(w.OS, b.OS)
		if len(w.Protocols) == 0 {
			w.Protocols = []string{b.Protocol}
		}
	}
	w.RunningMode = cmp.Or(w.RunningMode, l.knobs.DefaultRunningMode)
	if w.RunningMode == desktop.AutoStop {
		w.AutoStopMinutes = cmp.Or(w.AutoStopMinutes, 60)
	}
	l.made++
	d := &desk{WorkSpace: w, order: l.made, slot: -1}
	d.visible = now.Add(l.draw(l.knobs.VisibleAfter, "visible", d.ID))
	l.desks = append(l.desks, d)
	l.byID[d.ID] = d
	l.byName[nameKey(d.Directory, d.User)] = append(l.byName[nameKey(d.Directory, d.User)], d)
	if d.SID != "" {
		l.bySID[nameKey(d.Directory, d.SID)] = append(l.bySID[nameKey(d.Directory, d.SID)], d)
	}
	return d
}

// newID looks like AWS's: ws- and nine characters. It depends on the name and on how many it has had, not on the
// order in which a batch, or several callers, were served.
func (l *Lane) newID(key string, nth int) string {
	for try := 0; ; try++ {
		id := "ws-" + l.letters("0123456789abcdefghijklmnopqrstuvwxyz", 9, "id", key, decimal(nth), decimal(try))
		if l.byID[id] == nil {
			return id
		}
	}
}

// computerName has the form that the operating system's WorkSpaces have.
func (l *Lane) computerName(d *desk) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	prefix, n := "WSAMZN-", 7
	switch {
	case d.OS == "AMAZON_LINUX_2":
		prefix, n = "A-", 13
	case len(d.OS) > 6 && d.OS[:6] == "UBUNTU":
		prefix, n = "U-", 13
	case d.OS == "RHEL_8" || d.OS == "ROCKY_8":
		prefix, n = "R-", 13
	}
	return prefix + l.letters(alphabet, n, "computer", d.ID, decimal(d.turns))
}

// List is everything that exists now, whoever made it, in the order in which it was made. TERMINATING and
// TERMINATED ones still exist.
func (l *Lane) List() []WorkSpace {
	var all []WorkSpace
	l.with(func(time.Time) {
		for _, d := range l.desks {
			if d.Gone.IsZero() {
				all = append(all, d.WorkSpace.clone())
			}
		}
	})
	return all
}

// Gone is everything that existed and does not any more, in the order in which it went.
func (l *Lane) Gone() []WorkSpace {
	var all []WorkSpace
	l.with(func(time.Time) {
		for _, w := range l.gone {
			all = append(all, w.clone())
		}
	})
	return all
}

// Find is the WorkSpaces of a user name, in whatever case, that exist in a directory.
func (l *Lane) Find(directory, name string) []WorkSpace {
	var found []WorkSpace
	l.with(func(time.Time) {
		for _, d := range l.byName[nameKey(directory, name)] {
			found = append(found, d.WorkSpace.clone())
		}
	})
	return found
}

// Get is one WorkSpace by its id, if it exists.
func (l *Lane) Get(id string) (w WorkSpace, ok bool) {
	l.with(func(time.Time) {
		if d := l.byID[id]; d != nil {
			w, ok = d.WorkSpace.clone(), true
		}
	})
	return w, ok
}

// onDesk runs f on a WorkSpace; the error says that it does not exist.
func (l *Lane) onDesk(doing, id string, f func(d *desk, now time.Time)) (err error) {
	l.with(func(now time.Time) {
		d := l.byID[id]
		if d == nil {
			err = fmt.Errorf("%s WorkSpace %s: not in %s", doing, id, l.ID)
			return
		}
		f(d, now)
	})
	return err
}

// Terminate terminates a WorkSpace as an administrator does in the console: any state, SUSPENDED too.
func (l *Lane) Terminate(id string) error {
	return l.onDesk("terminating", id, l.terminate)
}

// SetState puts a WorkSpace into a state and leaves it there: what was planned for it does not happen, except
// that an AUTO_STOP one made AVAILABLE will stop after its time, and one that is Terminating goes.
func (l *Lane) SetState(id string, state desktop.State) error {
	if !slices.Contains(states(), state) {
		return fmt.Errorf("setting the state of WorkSpace %s: there is no state %q", id, state)
	}
	return l.onDesk("setting the state of", id, func(d *desk, now time.Time) {
		d.plan++
		d.idling++
		switch state {
		case desktop.Terminating, desktop.Terminated:
			d.State = desktop.Available // from wherever it was
			l.terminate(d, now)
		case desktop.Available:
			if d.Subnet == "" && l.takeAddress(d) {
				d.Computer = l.computerName(d)
			}
			l.available(d, now)
		default:
			d.State, d.ErrorCode, d.ErrorMessage = state, "", ""
		}
	})
}

// SetError puts a WorkSpace into state ERROR with a code and a message, and leaves it there.
func (l *Lane) SetError(id string, why Failure) error {
	return l.onDesk("failing", id, func(d *desk, _ time.Time) {
		d.plan++
		l.fail(d, why)
	})
}

// SetTags puts tags on a WorkSpace, or takes them off: tags is all it has then.
func (l *Lane) SetTags(id string, tags map[string]string) error {
	return l.onDesk("tagging", id, func(d *desk, _ time.Time) { d.Tags = maps.Clone(tags) })
}

// Connect is a person who signs in to a WorkSpace; a STOPPED one is started. Sign-ins to one that is neither
// AVAILABLE nor STOPPED are refused.
func (l *Lane) Connect(id string) (err error) {
	missing := l.onDesk("connecting to", id, func(d *desk, now time.Time) {
		switch d.State {
		case desktop.Stopped:
			l.start(d, now)
		case desktop.Available:
			d.idling++
		default:
			err = fmt.Errorf("connecting to WorkSpace %s: it is %s", id, d.State)
			return
		}
		d.Connected, d.LastConnected = true, now
	})
	return cmp.Or(missing, err)
}

// Disconnect is a person who leaves: an AUTO_STOP WorkSpace will stop after its time.
func (l *Lane) Disconnect(id string) error {
	return l.onDesk("disconnecting from", id, func(d *desk, now time.Time) {
		d.Connected, d.LastConnected = false, now
		l.idle(d, now)
	})
}

func decimal(n int) string { return strconv.Itoa(n) }

// Package desktop holds the vocabulary of Amazon WorkSpaces as values: what may be asked for, what exists, and
// whose it is. It knows no SDK: package fleet translates, everyone else speaks these words.
//
// It refuses to say that a desktop is ours on anything less than a tag that is equal in installation, person
// and slot: what merely has the right name belongs to somebody else.
package desktop

import (
	"fmt"
	"slices"
	"strings"

	"rollcall/shared/fault"
)

// Lane is one account and Region: the unit that Amazon WorkSpaces throttles, and so the unit of order in the
// queue. https://docs.aws.amazon.com/workspaces/latest/adminguide/amazon-workspaces-troubleshooting.html
type Lane struct {
	Account string `json:"account"` // 12 digits
	Region  string `json:"region"`  // "eu-central-1"
}

// String is "account/region", which is also the queue's MessageGroupId.
func (l Lane) String() string { return l.Account + "/" + l.Region }

// RunningMode decides what a WorkSpace costs, so it is always sent; the service's own default is not documented.
type RunningMode string

// The running modes of WorkSpaces Personal. MANUAL is for allow-listed WorkSpaces Core accounts and is not offered.
const (
	AutoStop RunningMode = "AUTO_STOP"
	AlwaysOn RunningMode = "ALWAYS_ON"
)

// Spec is what an AP profile asks of a desktop, whoever it is for.
type Spec struct {
	Bundle      string      `json:"bundle"` // wsb-…
	RunningMode RunningMode `json:"runningMode"`
	// AutoStopMinutes is a multiple of 60; zero with AlwaysOn (the service refuses a time there).
	AutoStopMinutes int `json:"autoStopMinutes,omitempty"`
	// RootGB and UserGB are volume sizes in GiB; zero leaves the bundle's own.
	RootGB int `json:"rootGB,omitempty"`
	UserGB int `json:"userGB,omitempty"`
	// Protocol is "WSP" (DCV) or "PCOIP"; empty leaves the bundle's own.
	Protocol string `json:"protocol,omitempty"`
	// EncryptRoot and EncryptUser need Key, the ARN or alias of a symmetric KMS key.
	EncryptRoot bool   `json:"encryptRoot,omitempty"`
	EncryptUser bool   `json:"encryptUser,omitempty"`
	Key         string `json:"key,omitempty"`
	// Tags are the profile's own; the ownership tags are added by the worker.
	Tags map[string]string `json:"tags,omitempty"`
}

// Request is one desktop for one person, complete.
type Request struct {
	Spec
	Directory string // d-… or wsd-…
	UserName  string // 1 to 63 characters, not case-sensitive
	Owner     Owner
}

// Key is what the service's answers are matched by: "directory/lower-cased user name".
func (r Request) Key() string { return AnswerKey(r.Directory, r.UserName) }

// AnswerKey is the identity by which CreateWorkspaces answers are mapped back. Their order promises nothing.
func AnswerKey(directory, userName string) string {
	return directory + "/" + strings.ToLower(userName)
}

// Desktop is a WorkSpace as the service describes it. It carries no creation time and no tags: the service
// returns neither.
type Desktop struct {
	ID        string // ws-…
	Directory string
	UserName  string
	State     State
	Bundle    string
	Subnet    string // may be empty; a desktop that failed for want of an address has none
	Computer  string
	// ErrorCode and ErrorMessage are set in state ERROR.
	ErrorCode    string
	ErrorMessage string
	// ErrorKind is what ErrorCode and ErrorMessage mean, where that is known; else empty.
	ErrorKind   fault.Kind
	RunningMode RunningMode
}

// Outcome is the service's answer to one Request: a desktop with an id, or a classified error.
type Outcome struct {
	Desktop Desktop
	Err     error
}

// State is a WorkSpace's state.
// https://docs.aws.amazon.com/workspaces/latest/api/API_Workspace.html
type State string

// The states that rollcall asks about; the others pass through verbatim.
const (
	Pending     State = "PENDING"
	Available   State = "AVAILABLE"
	Stopped     State = "STOPPED"
	Errored     State = "ERROR"
	Suspended   State = "SUSPENDED"
	Terminating State = "TERMINATING"
	Terminated  State = "TERMINATED"
)

var settling = []State{Pending, "STARTING"}

// Settling reports whether a new desktop is still being made: look again later.
// (The same set that Terraform's provider waits on.)
func (s State) Settling() bool { return slices.Contains(settling, s) }

// Leaving reports whether the desktop is on its way out: its name is not free yet.
func (s State) Leaving() bool { return s == Terminating || s == Terminated }

// Usable reports whether the desktop has been made: whatever its health is now, the work of creating it is done.
func (s State) Usable() bool { return !s.Settling() && !s.Leaving() && s != Errored && s != "" }

// Owner is whose desktop it is. All three parts are compared; one that differs makes the desktop foreign.
type Owner struct {
	Installation string // the name of this installation of rollcall
	Person       string // Entra object id
	Slot         string
}

// The ownership tags. Their keys are also named in the worker's IAM policy.
const (
	TagInstallation = "rollcall:installation"
	TagPerson       = "rollcall:person"
	TagSlot         = "rollcall:slot"
	TagProfile      = "rollcall:profile" // for people to read; never compared
)

// Tags are the owner as tags.
func (o Owner) Tags() map[string]string {
	return map[string]string{TagInstallation: o.Installation, TagPerson: o.Person, TagSlot: o.Slot}
}

// Owns reports whether tags say that the desktop is o's: equal in installation, person and slot.
func (o Owner) Owns(tags map[string]string) bool {
	return o.Installation != "" && o.Person != "" && o.Slot != "" &&
		tags[TagInstallation] == o.Installation && tags[TagPerson] == o.Person && tags[TagSlot] == o.Slot
}

// String names the owner in a sentence.
func (o Owner) String() string {
	return fmt.Sprintf("person %s, slot %s, installation %s", o.Person, o.Slot, o.Installation)
}

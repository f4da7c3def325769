package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Action is what the planner is asked to do.
type Action string

// The actions. The schedule asks for Run; a person may ask for any of them.
const (
	Run     Action = "run"     // do what is due, and the person or profile named
	DryRun  Action = "dryRun"  // the same plan, not applied
	Preview Action = "preview" // what the profile as it is written now would do, were it approved
	Approve Action = "approve" // put that version of the profile in force
	Stop    Action = "stop"    // create nothing, for everything or one profile
	Resume  Action = "resume"  // the opposite
)

// actions are all of them.
var actions = []Action{Run, DryRun, Preview, Approve, Stop, Resume}

// Request starts the planner. It is the schedule's input, and what a person pastes in the console.
type Request struct {
	Action Action `json:"action"`
	// Profile and Person (an Entra object id) narrow the action; what each action needs is said by its error.
	Profile string `json:"profile,omitempty"`
	Person  string `json:"person,omitempty"`
	// Version is what an approval names: the version that the preview showed.
	Version string `json:"version,omitempty"`
	// By names who asks; Why says why. Both are recorded.
	By  string `json:"by,omitempty"`
	Why string `json:"why,omitempty"`
}

// DecodeRequest reads the planner's event. The error says which field, which value, what is expected.
func DecodeRequest(payload []byte) (Request, error) {
	var r Request
	if err := strict(payload, &r); err != nil {
		return Request{}, fmt.Errorf("this event cannot be read: %w. An example: {\"action\": \"dryRun\"}", err)
	}
	return r, r.check()
}

func (r Request) check() error {
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = string(a)
	}
	switch {
	case r.Action == "":
		return fmt.Errorf("action is missing: expected one of %s. An example: {\"action\": \"dryRun\"}", strings.Join(names, ", "))
	case !slices.Contains(actions, r.Action):
		return fmt.Errorf("action is %q: expected one of %s", r.Action, strings.Join(names, ", "))
	case r.Person != "" && (r.Action == Stop || r.Action == Resume || r.Action == Approve || r.Action == Preview):
		return fmt.Errorf("person is %q: expected none with %s, which is for everything or for one profile", r.Person, r.Action)
	case (r.Action == Preview || r.Action == Approve) && r.Profile == "":
		return fmt.Errorf("profile is missing: %s needs the id of a profile", r.Action)
	case r.Action == Approve && r.Version == "":
		return errors.New("version is missing: approve needs the version that the preview showed, so that nobody approves what they have not seen")
	case r.Action == Approve && r.By == "":
		return errors.New("by is missing: approve needs the name of the person who approves; it is recorded")
	}
	return nil
}

// strict decodes one JSON value and refuses unknown fields and anything after the value.
func strict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("it is empty")
		}
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the first JSON value")
	}
	return nil
}

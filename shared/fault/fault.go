// Package fault gives every failure of an outside service one of a few kinds.
//
// An edge (entra, fleet, ledger, queue, secret) classifies an error once, where the service's own code is at
// hand. Everyone else asks Of(err) and acts on the kind; nobody reads an error's text, and nobody but the edge
// knows a service's codes. What a code means is data in the edge, not a branch in a caller.
//
// It refuses to guess: an error that no edge has classified is Unknown, and Unknown is never treated as
// "nothing there".
package fault

import (
	"errors"
	"strings"
	"time"
)

// Kind says what a failure means for the one who called.
type Kind string

// The kinds. The comment says what a caller does.
const (
	None           Kind = ""               // no error
	Unknown        Kind = "Unknown"        // not classified: fail, keep everything as it is
	Throttled      Kind = "Throttled"      // try later; nobody's attempt is burned
	Unavailable    Kind = "Unavailable"    // the service or the way to it is down, the outcome may be unknown: try later; nobody's attempt is burned
	NotInDirectory Kind = "NotInDirectory" // the person is not in AD yet: wait quietly
	AlreadyExists  Kind = "AlreadyExists"  // a WorkSpace is there: find out whose it is
	QuotaReached   Kind = "QuotaReached"   // the account's quota: this profile's creates rest, tell a person
	NoCapacity     Kind = "NoCapacity"     // no free address or no capacity: this profile's creates rest, tell a person
	Rejected       Kind = "Rejected"       // this person's request is wrong: record, back off
	Misconfigured  Kind = "Misconfigured"  // the profile or a setting is wrong: name it
	Denied         Kind = "Denied"         // a permission is missing: name it
	NotFound       Kind = "NotFound"       // the one thing asked for is not there (a group that is gone, an unknown secret)
	Expired        Kind = "Expired"        // a delta link is too old: read everything again, remove nobody because of it
	Conflict       Kind = "Conflict"       // somebody else wrote first: read again
)

// Passing reports whether trying again later, with nothing changed, may succeed.
func (k Kind) Passing() bool { return k == Throttled || k == Unavailable }

// Error is a classified failure. Make one with New or Wrap; read one with Of and As.
type Error struct {
	Kind Kind
	// Code is the service's own code, verbatim ("ResourceExists.WorkSpace"), or empty.
	Code string
	// Message says what went wrong in one sentence. It never holds a secret or a token.
	Message string
	// Advice says what a person should do, or is empty.
	Advice string
	// RetryAfter is how long the service asked us to wait; zero where it did not say.
	RetryAfter time.Duration
	// RequestID is the service's id of the request, for its support; may be empty.
	RequestID string

	cause error
}

// New is an error of a kind with one sentence.
func New(kind Kind, message string) *Error { return &Error{Kind: kind, Message: message} }

// Wrap classifies cause. The message should say what was being done, as a gerund with an id
// ("reading group 7f3…"). A nil cause is a mistake of the caller and still gives an error.
func Wrap(kind Kind, cause error, message string) *Error {
	return &Error{Kind: kind, Message: message, cause: cause}
}

// Error is "message (code): cause. advice", without the parts that are empty.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(e.Message, ".")) // a service's own sentence; ours goes on
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	if e.Advice != "" {
		b.WriteString(". " + e.Advice)
	}
	return b.String()
}

// Unwrap is the error that was classified, or nil.
func (e *Error) Unwrap() error { return e.cause }

// As is the outermost classified error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Of is the kind of err: None for nil, Unknown for an error that no edge has classified.
func Of(err error) Kind {
	if err == nil {
		return None
	}
	if e := As(err); e != nil {
		return e.Kind
	}
	return Unknown
}

// Is reports whether err is of one of the kinds.
func Is(err error, kinds ...Kind) bool {
	k := Of(err)
	for _, want := range kinds {
		if k == want {
			return true
		}
	}
	return false
}

// Package redact is a secret text that does not print: not under any verb of fmt, not in JSON, not in a log, and not
// as a field deep inside something else.
//
// It exists because a client secret goes from the edge that reads it (secret) to the edge that signs in with it
// (entra), and on that way lies in structs that somebody prints one day. A string type with methods is not enough: fmt
// calls no method of a field that is not exported, and prints the string.
//
// It refuses to be convenient. A constant does not become a Secret by itself, two are not compared by ==, and no
// encoding reads one back: what was encoded is gone.
package redact

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Mark is what a Secret shows of itself, wherever it is printed, logged or encoded.
const Mark = "[redacted]"

// Secret is a secret text. It prints as Mark under every verb of package fmt, in JSON, as text and in slog. Where it is
// a field that is not exported, fmt calls no method and prints what it finds; there it finds the address of a function.
// Only Reveal gives it away. The zero Secret is the empty text; two are compared by Equal.
type Secret struct {
	reveal func() string // a pointer would not do: under a verb that does not fit, fmt follows it
}

// New is a secret text.
func New(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// Reveal is the text itself, for the one request that needs it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the text is empty: there is no secret.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Equal compares two secrets without telling by its duration where they differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String is Mark.
func (Secret) String() string { return Mark }

// GoString is Mark.
func (Secret) GoString() string { return Mark }

// Format writes Mark for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mark) }

// LogValue is Mark.
func (Secret) LogValue() slog.Value { return slog.StringValue(Mark) }

// MarshalText is Mark; encoding/json uses it too.
func (Secret) MarshalText() ([]byte, error) { return []byte(Mark), nil }

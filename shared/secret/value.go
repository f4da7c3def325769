package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a Value shows of itself, wherever it is printed, logged or encoded.
const Redacted = "[redacted]"

// Value is a secret text. It prints as Redacted under every verb of package fmt, in JSON, as text and in slog. Where it is
// a field that is not exported, fmt calls no method and prints what it finds; there it finds the address of a function.
// Only Reveal gives it away. The zero Value is the empty secret; two are compared by Equal.
type Value struct {
	reveal func() string // a pointer would not do: under a verb that does not fit, fmt follows it
}

// NewValue is a secret text.
func NewValue(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{func() string { return text }}
}

// Reveal is the secret itself, for the one request that needs it.
func (v Value) Reveal() string {
	if v.reveal == nil {
		return ""
	}
	return v.reveal()
}

// IsZero reports whether there is no secret.
func (v Value) IsZero() bool { return v.reveal == nil }

// Equal compares two secrets without telling by its duration where they differ.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(other.Reveal())) == 1
}

// String is Redacted.
func (Value) String() string { return Redacted }

// GoString is Redacted.
func (Value) GoString() string { return Redacted }

// Format writes Redacted for every verb.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue is Redacted.
func (Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText is Redacted; encoding/json uses it too.
func (Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

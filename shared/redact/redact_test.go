package redact_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/redact"
)

const hush = "Qx7~hush.hush_hush-0123456789"

// holder has a secret in every place where somebody may put one.
type holder struct {
	Open   redact.Secret
	closed redact.Secret
	inner  struct{ closed redact.Secret }
	at     *redact.Secret
	list   []redact.Secret
	byName map[string]redact.Secret
	any    any
}

func hold(s redact.Secret) holder {
	return holder{s, s, struct{ closed redact.Secret }{s}, &s, []redact.Secret{s}, map[string]redact.Secret{"a": s}, s}
}

// leaks are forms of the text in what was shown.
func leaks(shown string) (found []string) {
	for _, form := range []string{hush, hush[:6], fmt.Sprintf("%x", hush), fmt.Sprintf("%X", hush), fmt.Sprintf("%d", []byte(hush[:6]))} {
		if strings.Contains(shown, strings.Trim(form, "[]")) {
			found = append(found, form)
		}
	}
	return found
}

const verbs = "vTtbcdoOqxXUeEfFgGspw"

func TestASecretDoesNotPrint(t *testing.T) {
	s := redact.New(hush)
	h := hold(s)
	for _, each := range []any{s, &s, h, &h, []any{s, h}, fmt.Errorf("reading %v", s), struct{ err error }{fmt.Errorf("reading %v", h)}} {
		for _, verb := range verbs {
			for _, flags := range []string{"", "+", "#", "+#", " ", "10.3"} {
				if shown := fmt.Sprintf("%"+flags+string(verb), each); len(leaks(shown)) > 0 {
					t.Errorf("%%%s%c of a %T shows it: %s", flags, verb, each, shown)
				}
			}
		}
	}
	for _, each := range []any{s, &s, h, &h, map[string]any{"x": s}} {
		out, err := json.Marshal(each)
		if err != nil || len(leaks(string(out))) > 0 || !strings.Contains(string(out), redact.Mark) {
			t.Errorf("in JSON it is %s, %v", out, err)
		}
	}
	var log strings.Builder
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info(fmt.Sprint(s), "value", s, "pointer", &s, "holder", h, slog.Group("g", "s", s))
	}
	if shown := cmp.Diff(s, redact.New("other")); shown == "" || len(leaks(shown)) > 0 {
		t.Errorf("a difference shows as %s", shown)
	}
	for _, shown := range []string{log.String(), s.String(), s.GoString()} {
		if len(leaks(shown)) > 0 || !strings.Contains(shown, redact.Mark) {
			t.Errorf("it shows as %s", shown)
		}
	}
	if got := fmt.Sprintf("%s %v %q", s, s, s); got != strings.TrimSpace(strings.Repeat(redact.Mark+" ", 3)) {
		t.Errorf("it shows as %s", got)
	}
}

// byMethods is what Secret must not be. It shows that the test above finds what it looks for.
type byMethods string

func (byMethods) String() string               { return redact.Mark }
func (byMethods) Format(f fmt.State, _ rune)   { fmt.Fprint(f, redact.Mark) }
func (byMethods) MarshalText() ([]byte, error) { return []byte(redact.Mark), nil }

func TestAStringWithMethodsPrints(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%x", "%s"} {
		if shown := fmt.Sprintf(verb, struct{ closed byMethods }{hush}); len(leaks(shown)) == 0 {
			t.Errorf("%s shows %s: nothing is found in it", verb, shown)
		}
	}
}

func TestReveal(t *testing.T) {
	s := redact.New(hush)
	if s.Reveal() != hush || s.IsZero() {
		t.Error("it cannot be revealed")
	}
	if !s.Equal(redact.New(hush)) || s.Equal(redact.New("other")) || s.Equal(redact.Secret{}) {
		t.Error("it cannot be compared")
	}
	if !redact.New("").IsZero() || (redact.Secret{}).Reveal() != "" || !(redact.Secret{}).Equal(redact.New("")) {
		t.Error("an empty text is not the zero Secret")
	}
}

package ledger_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

func TestARollIsPutOffAndGoesOn(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	if _, _, err := s.LoadRoll(ctx, "r"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a roll that is not there: %v", err)
	}
	want := member.Position{Group: "g", Nested: true, Link: "https://graph.test/next", Pages: 900, Walked: []string{"g", "h"}, Started: nine()}
	for name, ids := range map[string]int{"nobody": 0, "one part": 1000, "several parts": 60_000} {
		t.Run(name, func(t *testing.T) {
			seen := bytes.Repeat([]byte("0123456789abcdef"), ids)
			for range 2 { // putting it off again replaces it
				if err := s.SaveRoll(ctx, "r", want, seen); err != nil {
					t.Fatal(err)
				}
			}
			at, got, err := s.LoadRoll(ctx, "r")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, at); diff != "" {
				t.Error(diff)
			}
			if !bytes.Equal(seen, got) {
				t.Errorf("%d bytes were kept, %d came back", len(seen), len(got))
			}
		})
	}
	if err := s.DropRoll(ctx, "r"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.LoadRoll(ctx, "r"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a roll that was put away: %v", err)
	}
	if err := s.DropRoll(ctx, "r"); err != nil {
		t.Errorf("putting it away again: %v", err)
	}
}

package ledger

import (
	"encoding/json"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyJSON draws a value as a JSON decoder with UseNumber gives it.
func anyJSON(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(n int64) any { return json.Number(strconv.FormatInt(n, 10)) }),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	inner := anyJSON(depth - 1)
	return rapid.OneOf(append(leaves,
		rapid.Map(rapid.SliceOfN(inner, 0, 4), func(l []any) any { return append([]any{}, l...) }),
		rapid.Map(rapid.MapOfN(rapid.String(), inner, 0, 4), func(m map[string]any) any { return m }))...)
}

// TestADocumentComesBackAsItWas: whatever JSON can hold, an item can, and it is measured as no smaller than its text.
func TestADocumentComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(rapid.String(), anyJSON(3), 0, 5).Draw(t, "document")
		it, err := encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		if err := decode(it, &got); err != nil {
			t.Fatal(err)
		}
		plain := values(it, func(n string) any { return json.Number(n) })
		if diff := cmp.Diff(want, plain); diff != "" {
			t.Errorf("-written +read:\n%s", diff)
		}
		if len(got) != len(want) {
			t.Errorf("%d fields became %d", len(want), len(got))
		}
		if size, _ := sizeOf(it); size < texts(reflect.ValueOf(want)) {
			t.Errorf("measured %d bytes: its texts alone have %d", size, texts(reflect.ValueOf(want)))
		}
	})
}

// texts is the bytes of all names and texts in a document.
func texts(v reflect.Value) int {
	switch v.Kind() {
	case reflect.Interface:
		return texts(v.Elem())
	case reflect.String:
		if v.Type() == reflect.TypeFor[json.Number]() {
			return 0
		}
		return v.Len()
	case reflect.Slice:
		n := 0
		for i := range v.Len() {
			n += texts(v.Index(i))
		}
		return n
	case reflect.Map:
		n := 0
		for _, k := range v.MapKeys() {
			n += k.Len() + texts(v.MapIndex(k))
		}
		return n
	default:
		return 0
	}
}

package graph

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// object is a JSON object with its keys in the order in which they were set. It exists because pages of 999 users
// are written often: maps would cost three times as much, and answers would not read like Graph's.
type object struct {
	keys   []string
	values []any
}

func (o *object) set(key string, value any) *object {
	o.keys = append(o.keys, key)
	o.values = append(o.values, value)
	return o
}

// grow makes room for n more keys.
func (o *object) grow(n int) {
	o.keys, o.values = slices.Grow(o.keys, n), slices.Grow(o.values, n)
}

func (o *object) get(key string) (any, bool) {
	for i, k := range o.keys {
		if k == key {
			return o.values[i], true
		}
	}
	return nil, false
}

// without is a copy that lacks a key.
func (o *object) without(key string) *object {
	rest := &object{}
	for i, k := range o.keys {
		if k != key {
			rest.set(k, o.values[i])
		}
	}
	return rest
}

// MarshalJSON writes the keys in order.
func (o *object) MarshalJSON() ([]byte, error) { return o.append(nil), nil }

func (o *object) append(b []byte) []byte {
	b = append(b, '{')
	for i, k := range o.keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		b = appendValue(b, o.values[i])
	}
	return append(b, '}')
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case time.Time:
		return append(v.UTC().AppendFormat(append(b, '"'), "2006-01-02T15:04:05Z"), '"')
	case json.RawMessage:
		return append(b, v...)
	case *object:
		return v.append(b)
	case []*object:
		b = append(b, '[')
		for i, o := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = o.append(b)
		}
		return append(b, ']')
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic("graph emulator: a property that is no JSON value: " + err.Error())
	}
	return append(b, raw...)
}

// appendString writes plain ASCII itself and leaves the rest to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			raw, _ := json.Marshal(s) // a string always marshals
			return append(b, raw...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// page is the answer to a list: value, and at most one link to go on with.
type page struct {
	context string
	count   *int
	next    string
	delta   string
	value   []*object
}

func (p *page) append(b []byte) []byte {
	o := (&object{}).set("@odata.context", p.context)
	if p.count != nil {
		o.set("@odata.count", *p.count)
	}
	if p.next != "" {
		o.set("@odata.nextLink", p.next)
	}
	if p.delta != "" {
		o.set("@odata.deltaLink", p.delta)
	}
	value := p.value
	if value == nil {
		value = []*object{}
	}
	return o.set("value", value).append(b)
}

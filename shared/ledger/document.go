package ledger

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// item is what DynamoDB stores under one key.
type item = map[string]types.AttributeValue

// stampLayout is a time of fixed width in UTC, so that the order of the text is the order of time.
const stampLayout = "2006-01-02T15:04:05.000000000Z"

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// encode is the item that has v's JSON fields as its attributes: what JSON leaves out (omitempty, omitzero) is left
// out, a time is text, and a number keeps every digit. v must be a JSON object.
func encode(v any) (item, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	return attributes(fields), nil
}

func attributes(fields map[string]any) item {
	it := make(item, len(fields)+2)
	for name, v := range fields {
		it[name] = attribute(v)
	}
	return it
}

// attribute is one JSON value, as a decoder with UseNumber gives it.
func attribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case string:
		return text(v)
	case json.Number:
		return &types.AttributeValueMemberN{Value: v.String()}
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i, e := range v {
			list[i] = attribute(e)
		}
		return &types.AttributeValueMemberL{Value: list}
	case map[string]any:
		return &types.AttributeValueMemberM{Value: attributes(v)}
	default:
		return &types.AttributeValueMemberNULL{Value: true}
	}
}

// decode reads an item that encode made into v, a pointer. Attributes that v does not have are passed over: the
// ledger's own, and those of a later version of rollcall.
func decode(it item, v any) error {
	raw, err := json.Marshal(values(it, func(n string) any { return json.Number(n) }))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// values is an item as plain JSON-like values; digits says what a number becomes.
func values(it item, digits func(string) any) map[string]any {
	fields := make(map[string]any, len(it))
	for name, v := range it {
		fields[name] = value(v, digits)
	}
	return fields
}

func value(v types.AttributeValue, digits func(string) any) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return digits(v.Value)
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for i, e := range v.Value {
			list[i] = value(e, digits)
		}
		return list
	case *types.AttributeValueMemberM:
		return values(v.Value, digits)
	case *types.AttributeValueMemberSS:
		return sorted(v.Value, strings.Compare, func(s string) any { return s })
	case *types.AttributeValueMemberNS:
		return sorted(v.Value, cmpNumbers, digits)
	case *types.AttributeValueMemberB:
		return map[string]any{"B": base64.StdEncoding.EncodeToString(v.Value)}
	case *types.AttributeValueMemberBS:
		return map[string]any{"BS": len(v.Value)}
	default: // NULL
		return nil
	}
}

// sorted is a set as a list: DynamoDB returns a set in no particular order, and a version is a hash of the content.
func sorted(set []string, order func(a, b string) int, each func(string) any) []any {
	set = slices.SortedFunc(slices.Values(set), order)
	list := make([]any, len(set))
	for i, s := range set {
		list[i] = each(s)
	}
	return list
}

// cmpNumbers orders by value; what float64 cannot tell apart, by its digits.
func cmpNumbers(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil || x == y {
		return strings.Compare(a, b)
	}
	return cmp.Compare(x, y)
}

// plainNumber is a whole number as int64 where it fits, else a float64.
func plainNumber(digits string) any {
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return digits // not a number after all: what reads it will say so
	}
	return f
}

// mostBytes is DynamoDB's limit for an item, which it calls 400 KB.
const mostBytes = 400 * 1024

// sizeOf is what an item counts for: names and values in UTF-8, about one byte for two digits, 3 bytes for a list
// or map and 1 for each thing in it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func sizeOf(it item) (total int, largest string) {
	most := -1
	for name, v := range it {
		n := len(name) + sizeOfValue(v)
		total += n
		if n > most || n == most && name < largest {
			most, largest = n, name
		}
	}
	return total, largest
}

func sizeOfValue(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return len(v.Value)/2 + 2
	case *types.AttributeValueMemberL:
		n := 3
		for _, e := range v.Value {
			n += 1 + sizeOfValue(e)
		}
		return n
	case *types.AttributeValueMemberM:
		n, _ := sizeOf(v.Value)
		return 3 + len(v.Value) + n
	default:
		return 1
	}
}

// readStamp is a time that stamp wrote; zero where there is none.
func readStamp(it item, name string) (time.Time, error) {
	v, ok := it[name]
	if !ok {
		return time.Time{}, nil
	}
	s, ok := v.(*types.AttributeValueMemberS)
	if !ok {
		return time.Time{}, fmt.Errorf("%s is not text", name)
	}
	t, err := time.Parse(stampLayout, s.Value)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is %q, not a time like %s", name, s.Value, stampLayout)
	}
	return t, nil
}

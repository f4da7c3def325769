package profile

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rollcall/shared/desktop"
)

// Document is a profile as it was written: a row of the profiles table, or a YAML file. Values are strings,
// numbers (float64 or int64), bools, lists ([]any) and maps (map[string]any).
type Document struct {
	ID     string
	Fields map[string]any // without the id
}

// Complaint says what is wrong with one field: field, value, what is expected.
type Complaint struct {
	Field    string `json:"field"`
	Value    string `json:"value"`    // as it was written; "(missing)" where it is not there
	Expected string `json:"expected"` // what is expected, and what to do
}

// String is one sentence.
func (c Complaint) String() string {
	return fmt.Sprintf("%s is %s: expected %s", c.Field, c.Value, c.Expected)
}

// Complaints is every complaint about one profile, as one error.
type Complaints []Complaint

// Error joins the complaints with "; ".
func (cs Complaints) Error() string {
	parts := make([]string, len(cs))
	for i, c := range cs {
		parts[i] = c.String()
	}
	return strings.Join(parts, "; ")
}

// Decode reads a document. The Profile is usable only if there is no complaint; its defaults are filled in.
func Decode(doc Document) (Profile, Complaints) {
	d := &decoder{fields: doc.Fields}
	p := Profile{ID: doc.ID}
	if !idPattern.MatchString(doc.ID) {
		d.complain("id", doc.ID, "1 to 64 of a-z, 0-9 and -, beginning with a letter or digit")
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Fields)) {
		set, known := fieldTable()[name]
		if !known {
			d.complain(name, doc.Fields[name], "a field of an AP profile"+meant(name))
			continue
		}
		set(d, &p, name, doc.Fields[name])
	}
	p.fillDefaults()
	d.check(p)
	return p, d.complaints
}

// Parse reads the JSON of an approved Profile, as Standing.Document holds it.
func Parse(document string) (Profile, error) {
	var p Profile
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		return Profile{}, fmt.Errorf("reading the approved profile: %w", err)
	}
	return p, nil
}

// Document is the profile as JSON, for Standing.Document. Parse reads it back.
func (p Profile) Document() string {
	body, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("writing profile %s: %v", p.ID, err)) // strings, numbers and maps: cannot happen
	}
	return string(body)
}

type decoder struct {
	fields     map[string]any
	complaints Complaints
}

type setter func(d *decoder, p *Profile, name string, value any)

// fieldTable is every field that may be written, and how it is read. "directory" is short for one directory.
func fieldTable() map[string]setter {
	return map[string]setter{
		"note":      text(func(p *Profile) *string { return &p.Note }),
		"group":     text(func(p *Profile) *string { return &p.Group }),
		"account":   account,
		"region":    text(func(p *Profile) *string { return &p.Region }),
		"directory": directory,
		"directories": func(d *decoder, p *Profile, name string, v any) {
			p.Directories = append(p.Directories, d.directories(name, v)...)
		},
		"bundle": text(func(p *Profile) *string { return &p.Bundle }),
		"runningMode": func(d *decoder, p *Profile, name string, v any) {
			p.RunningMode = desktop.RunningMode(d.text(name, v))
		},
		"autoStopMinutes": number(func(p *Profile) *int { return &p.AutoStopMinutes }),
		"rootGB":          number(func(p *Profile) *int { return &p.RootGB }),
		"userGB":          number(func(p *Profile) *int { return &p.UserGB }),
		"protocol":        text(func(p *Profile) *string { return &p.Protocol }),
		"encryption":      encryption,
		"tags":            tags,
		"slot":            text(func(p *Profile) *string { return &p.Slot }),
		"priority":        number(func(p *Profile) *int { return &p.Priority }),
		"userName": func(d *decoder, p *Profile, name string, v any) {
			p.UserName = UserNameSource(d.text(name, v))
		},
		"directOnly":  flag(func(p *Profile) *bool { return &p.DirectOnly }),
		"guests":      flag(func(p *Profile) *bool { return &p.Guests }),
		"maxInFlight": number(func(p *Profile) *int { return &p.MaxInFlight }),
		"paused":      flag(func(p *Profile) *bool { return &p.Paused }),
	}
}

func text(of func(*Profile) *string) setter {
	return func(d *decoder, p *Profile, name string, v any) { *of(p) = d.text(name, v) }
}

func number(of func(*Profile) *int) setter {
	return func(d *decoder, p *Profile, name string, v any) { *of(p) = d.number(name, v) }
}

func flag(of func(*Profile) *bool) setter {
	return func(d *decoder, p *Profile, name string, v any) { *of(p) = d.flag(name, v) }
}

// account may have been typed as a number in the DynamoDB console; a leading zero is then lost and is put back.
func account(d *decoder, p *Profile, name string, v any) {
	switch v.(type) {
	case float64, int64, int:
		p.Account = fmt.Sprintf("%012d", d.number(name, v))
	default:
		p.Account = d.text(name, v)
	}
}

func directory(d *decoder, p *Profile, name string, v any) {
	if _, both := d.fields["directories"]; both {
		d.complain(name, v, "either directory or directories, not both")
		return
	}
	p.Directories = d.directoryID(name, v)
}

// directoryID is one id, or none after a complaint. An empty text is a mistake and no directory.
func (d *decoder) directoryID(name string, v any) []string {
	before := len(d.complaints)
	id := d.text(name, v)
	switch {
	case len(d.complaints) > before:
		return nil
	case id == "":
		d.complain(name, v, "the id of a registered directory such as d-1234567890")
		return nil
	}
	return []string{id}
}

func encryption(d *decoder, p *Profile, name string, v any) {
	inner, ok := v.(map[string]any)
	if !ok {
		d.complain(name, v, "a map with root, user (true or false) and key (the ARN of a symmetric KMS key)")
		return
	}
	for _, field := range slices.Sorted(maps.Keys(inner)) {
		full := name + "." + field
		switch field {
		case "root":
			p.Encryption.Root = d.flag(full, inner[field])
		case "user":
			p.Encryption.User = d.flag(full, inner[field])
		case "key":
			p.Encryption.Key = d.text(full, inner[field])
		default:
			d.complain(full, inner[field], "root, user or key")
		}
	}
}

func tags(d *decoder, p *Profile, name string, v any) {
	inner, ok := v.(map[string]any)
	if !ok {
		d.complain(name, v, "a map of tag names to values")
		return
	}
	p.Tags = make(map[string]string, len(inner))
	for _, key := range slices.Sorted(maps.Keys(inner)) {
		p.Tags[key] = d.text(name+"."+key, inner[key])
	}
}

func (d *decoder) complain(field string, value any, expected string) {
	shown := "(missing)"
	switch v := value.(type) {
	case nil:
	case string:
		shown = strconv.Quote(clip(v, 80))
	case map[string]any:
		shown = "a map"
	case []any:
		shown = "a list"
	default:
		shown = clip(fmt.Sprint(v), 80)
	}
	d.complaints = append(d.complaints, Complaint{Field: field, Value: shown, Expected: expected})
}

func (d *decoder) text(name string, v any) string {
	s, ok := v.(string)
	if !ok {
		d.complain(name, v, "text")
		return ""
	}
	if !utf8.ValidString(s) { // would read back differently from the ledger
		d.complain(name, strings.ToValidUTF8(s, "?"), "text in UTF-8")
		return ""
	}
	return strings.TrimSpace(s)
}

func (d *decoder) directories(name string, v any) []string {
	list, ok := v.([]any)
	if !ok {
		d.complain(name, v, "a list of texts")
		return nil
	}
	out := make([]string, 0, len(list))
	for i, item := range list {
		out = append(out, d.directoryID(fmt.Sprintf("%s[%d]", name, i), item)...)
	}
	return out
}

func (d *decoder) number(name string, v any) int {
	switch n := v.(type) {
	case int:
		return n
	case int64:
		return int(n)
	case uint64:
		if n <= math.MaxInt32 {
			return int(n)
		}
	case float64:
		if n == math.Trunc(n) && math.Abs(n) <= 1<<52 {
			return int(n)
		}
	}
	d.complain(name, v, "a whole number")
	return 0
}

func (d *decoder) flag(name string, v any) bool {
	b, ok := v.(bool)
	if !ok {
		d.complain(name, v, "true or false")
	}
	return b
}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// clip shortens a text to so many characters.
func clip(s string, most int) string {
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

package workspaces

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// refusal is a whole call that is refused.
type refusal struct {
	status int // HTTP
	code   string
	text   string
	more   map[string]string // further members of the exception (ResourceId)
}

func refuse(code, format string, args ...any) *refusal {
	return &refusal{status: 400, code: code, text: fmt.Sprintf(format, args...)}
}

// about adds the exception's member ResourceId.
func (r *refusal) about(id string) *refusal {
	r.more = map[string]string{"ResourceId": id}
	return r
}

// The exceptions.
const (
	invalidValues  = "InvalidParameterValuesException"
	notFound       = "ResourceNotFoundException"
	limitExceeded  = "ResourceLimitExceededException"
	wrongState     = "InvalidResourceStateException"
	inProgress     = "OperationInProgressException"
	notSupported   = "OperationNotSupportedException"
	unsupported    = "UnsupportedWorkspaceConfigurationException"
	validation     = "ValidationException"
	serialization  = "SerializationException"
	unknownCall    = "UnknownOperationException"
	throttling     = "ThrottlingException"
	accessDenied   = "AccessDeniedException"
	rateExceeded   = "Rate exceeded"
	failedTo       = "' failed to satisfy constraint: "
	serverTrouble  = "InternalServerException"
	unavailableNow = "ServiceUnavailableException"
)

// validate checks a request body against the model: ValidationException names every member that is out of its
// limits, in the words that AWS services use; a value of another JSON type is SerializationException. Members
// that are not in the model are passed over, as AWS does.
func validate(body []byte, s *shape) *refusal {
	if len(strings.TrimSpace(string(body))) == 0 {
		body = []byte("{}")
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return refuse(serialization, "The request body is not JSON.")
	}
	var v validator
	v.check(value, s, "")
	if v.mistyped != "" {
		return refuse(serialization, "%s", v.mistyped)
	}
	if len(v.wrong) == 0 {
		return nil
	}
	detected := "errors"
	if len(v.wrong) == 1 {
		detected = "error"
	}
	return refuse(validation, "%d validation %s detected: %s", len(v.wrong), detected, strings.Join(v.wrong, "; "))
}

type validator struct {
	wrong    []string
	mistyped string
}

func (v *validator) fail(value any, path, constraint string) {
	shown := "null"
	if value != nil {
		shown = fmt.Sprintf("'%v'", value)
	}
	v.wrong = append(v.wrong, "Value "+shown+" at '"+path+failedTo+constraint)
}

func (v *validator) mistype(path string, s *shape) {
	if v.mistyped == "" {
		v.mistyped = fmt.Sprintf("The value at '%s' is not of type %s.", path, s.kind)
	}
}

func (v *validator) check(value any, s *shape, path string) {
	if value == nil {
		return // an explicit null is as good as nothing; the structure around it looks after required members
	}
	switch s.kind {
	case structure:
		v.structure(value, s, path)
	case list:
		v.list(value, s, path)
	case text:
		v.text(value, s, path)
	case integer:
		v.integer(value, s, path)
	case boolean:
		if _, ok := value.(bool); !ok {
			v.mistype(path, s)
		}
	}
}

func (v *validator) structure(value any, s *shape, path string) {
	fields, ok := value.(map[string]any)
	if !ok {
		v.mistype(path, s)
		return
	}
	names := make([]string, 0, len(s.members))
	for name := range s.members {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		at := join(path, lowerFirst(name))
		if fields[name] == nil && slices.Contains(s.required, name) {
			v.fail(nil, at, "Member must not be null")
			continue
		}
		v.check(fields[name], s.members[name], at)
	}
}

func (v *validator) list(value any, s *shape, path string) {
	items, ok := value.([]any)
	if !ok {
		v.mistype(path, s)
		return
	}
	v.length(len(items), value, s, path)
	for i, item := range items {
		v.check(item, s.of, join(path, decimal(i+1)+".member"))
	}
}

func (v *validator) text(value any, s *shape, path string) {
	t, ok := value.(string)
	if !ok {
		v.mistype(path, s)
		return
	}
	v.length(utf8.RuneCountInString(t), value, s, path)
	if s.pattern != nil && !s.pattern.MatchString(t) {
		v.fail(value, path, "Member must satisfy regular expression pattern: "+s.pattern.String())
	}
	if len(s.enum) > 0 && !slices.Contains(s.enum, t) {
		v.fail(value, path, "Member must satisfy enum value set: ["+strings.Join(s.enum, ", ")+"]")
	}
}

func (v *validator) length(n int, value any, s *shape, path string) {
	if s.max > 0 && n > s.max {
		v.fail(value, path, "Member must have length less than or equal to "+decimal(s.max))
	}
	if n < s.min {
		v.fail(value, path, "Member must have length greater than or equal to "+decimal(s.min))
	}
}

func (v *validator) integer(value any, s *shape, path string) {
	n, ok := value.(float64)
	if !ok || n != math.Trunc(n) {
		v.mistype(path, s)
		return
	}
	if s.max > 0 && n > float64(s.max) {
		v.fail(value, path, "Member must have value less than or equal to "+decimal(s.max))
	}
	if s.min > 0 && n < float64(s.min) {
		v.fail(value, path, "Member must have value greater than or equal to "+decimal(s.min))
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func lowerFirst(name string) string {
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[n:]
}

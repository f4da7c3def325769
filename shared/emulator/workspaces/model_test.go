package workspaces

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"
)

// modelPath is where the API model is, from the repository's root.
const modelPath = "../shared/models/workspaces-2015-04-08.service-2.json"

type modelRef struct{ Shape string }

type modelShape struct {
	Type      string
	Members   map[string]modelRef
	Member    modelRef
	Required  []string
	Min, Max  int
	Pattern   string
	Enum      []string
	Exception bool
}

type apiModel struct {
	Operations map[string]struct {
		Input, Output modelRef
		Errors        []modelRef
	}
	Shapes map[string]modelShape
}

// loadModel is the API model, or nil where it is not beside the repository.
func loadModel(t *testing.T) *apiModel {
	t.Helper()
	root, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(root, "go.mod")); missing == nil {
			break
		}
		if filepath.Dir(root) == root {
			t.Fatal("no go.mod above the working directory")
		}
		root = filepath.Dir(root)
	}
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(modelPath)))
	if os.IsNotExist(err) {
		return nil
	}
	var m apiModel
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err != nil {
		t.Fatalf("reading the API model: %v", err)
	}
	return &m
}

func needModel(t *testing.T) *apiModel {
	t.Helper()
	m := loadModel(t)
	if m == nil {
		t.Skipf("SKIPPED, NOTHING WAS CHECKED AGAINST THE API MODEL: %s is not beside the repository", modelPath)
	}
	return m
}

// check holds a value against a shape of the model and returns everything that is wrong.
func (m *apiModel) check(value any, name, path string) []string {
	s := m.Shapes[name]
	bad := func(format string, args ...any) []string {
		return []string{path + ": " + fmt.Sprintf(format, args...) + " (" + name + ")"}
	}
	var wrong []string
	switch s.Type {
	case "structure":
		fields, ok := value.(map[string]any)
		if !ok {
			return bad("%v is no structure", value)
		}
		for _, member := range slices.Sorted(maps.Keys(fields)) {
			ref, known := s.Members[member]
			if !known {
				wrong = append(wrong, bad("no member %s", member)...)
				continue
			}
			wrong = append(wrong, m.check(fields[member], ref.Shape, path+"."+member)...)
		}
		for _, member := range s.Required {
			if _, there := fields[member]; !there {
				wrong = append(wrong, bad("member %s is missing", member)...)
			}
		}
	case "list":
		items, ok := value.([]any)
		if !ok {
			return bad("%v is no list", value)
		}
		for i, item := range items {
			wrong = append(wrong, m.check(item, s.Member.Shape, fmt.Sprintf("%s[%d]", path, i))...)
		}
		wrong = append(wrong, lengthOf(len(items), s, bad)...)
	case "string":
		text, ok := value.(string)
		if !ok {
			return bad("%v is no string", value)
		}
		wrong = append(wrong, lengthOf(utf8.RuneCountInString(text), s, bad)...)
		if s.Pattern != "" && !regexp.MustCompile(`^(?:`+s.Pattern+`)$`).MatchString(text) {
			wrong = append(wrong, bad("%q does not match %s", text, s.Pattern)...)
		}
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
			wrong = append(wrong, bad("%q is none of %v", text, s.Enum)...)
		}
	case "integer":
		if n, ok := value.(float64); !ok || n != float64(int(n)) {
			return bad("%v is no integer", value)
		}
	case "timestamp", "long", "double", "float":
		if _, ok := value.(float64); !ok {
			return bad("%v is no number", value)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			return bad("%v is no boolean", value)
		}
	default:
		return bad("shape of type %q is not known to this check", s.Type)
	}
	return wrong
}

func lengthOf(n int, s modelShape, bad func(string, ...any) []string) []string {
	if n < s.Min || (s.Max > 0 && n > s.Max) {
		return bad("length %d is not within %d and %d", n, s.Min, s.Max)
	}
	return nil
}

// modelChecker passes requests on, and fails the test where an answer of WorkSpaces is not as the model has it.
// Without a model it only passes them on; TestAnswersAreHeldAgainstTheModel says so.
type modelChecker struct {
	t       *testing.T
	model   *apiModel
	checked atomic.Int64
}

func (c *modelChecker) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	target := r.Header.Get("X-Amz-Target")
	if err != nil || c.model == nil || !strings.HasPrefix(target, targetPrefix) {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", target, err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	for _, wrong := range c.model.wrongAnswer(strings.TrimPrefix(target, targetPrefix), res.StatusCode, body) {
		c.t.Errorf("answer of %s is not as the API model has it: %s", target, wrong)
	}
	c.checked.Add(1)
	return res, nil
}

func (m *apiModel) wrongAnswer(operation string, status int, body []byte) []string {
	var value map[string]any
	if err := json.Unmarshal(body, &value); err != nil {
		return []string{"not JSON: " + err.Error()}
	}
	op, ok := m.Operations[operation]
	if status == http.StatusOK {
		if !ok {
			return []string{"no such operation"}
		}
		return m.check(value, op.Output.Shape, "")
	}
	code, _ := value["__type"].(string)
	delete(value, "__type")
	unmodelled := []string{validation, throttling, serialization, unknownCall, accessDenied, serverTrouble, unavailableNow}
	modelled := slices.ContainsFunc(op.Errors, func(e modelRef) bool { return e.Shape == code })
	if modelled {
		return m.check(value, code, code)
	}
	if !slices.Contains(unmodelled, code) {
		return []string{code + " is not modelled for it"}
	}
	return nil
}

// The checker itself must be able to fail.
func TestModelCheckerFinds(t *testing.T) {
	m := needModel(t)
	const good = `{"FailedRequests":[],"PendingRequests":[{"WorkspaceId":"ws-abcdefgh1","State":"PENDING"}]}`
	for name, c := range map[string]struct {
		operation string
		status    int
		body      string
		want      string
	}{
		"nothing in a good answer":   {"CreateWorkspaces", 200, good, ""},
		"a member that is not there": {"CreateWorkspaces", 200, `{"Pending":[]}`, "no member Pending"},
		"a pattern":                  {"CreateWorkspaces", 200, strings.Replace(good, "ws-abcdefgh1", "ws-1", 1), "does not match"},
		"an enum":                    {"CreateWorkspaces", 200, strings.Replace(good, "PENDING", "DREAMING", 1), "is none of"},
		"a null list":                {"CreateWorkspaces", 200, `{"FailedRequests":null}`, "is no list"},
		"a time as text":             {"DescribeWorkspaceSnapshots", 200, `{"RebuildSnapshots":[{"SnapshotTime":"now"}]}`, "is no number"},
		"too long a list":            {"DescribeWorkspaceDirectories", 200, `{"Directories":[{"SubnetIds":["subnet-0a000001","subnet-0a000002","subnet-0a000003"]}]}`, "length 3"},
		"an exception of another":    {"StartWorkspaces", 400, `{"__type":"ResourceNotFoundException","message":"x"}`, "is not modelled"},
		"Message for message":        {"CreateTags", 400, `{"__type":"ResourceNotFoundException","Message":"x"}`, "no member Message"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(m.wrongAnswer(c.operation, c.status, []byte(c.body)), "; ")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// Each request table of schema.go is the model's, member by member.
func TestRequestShapesAreTheModels(t *testing.T) {
	m := needModel(t)
	for name, op := range operations() {
		t.Run(name, func(t *testing.T) {
			model, ok := m.Operations[name]
			if !ok {
				t.Fatal("the model has no such operation")
			}
			m.compare(t, op.input, model.Input.Shape, "")
		})
	}
}

func (m *apiModel) compare(t *testing.T, ours *shape, name, path string) {
	t.Helper()
	s, ok := m.Shapes[name]
	if !ok {
		t.Fatalf("%s: the model has no shape %s", path, name)
	}
	at := path + " (" + name + ")"
	want(t, at+" type", string(ours.kind), s.Type)
	want(t, at+" min", ours.min, s.Min)
	want(t, at+" max", ours.max, s.Max)
	want(t, at+" enum", strings.Join(ours.enum, " "), strings.Join(s.Enum, " "))
	want(t, at+" required", strings.Join(slices.Sorted(slices.Values(ours.required)), " "), strings.Join(slices.Sorted(slices.Values(s.Required)), " "))
	want(t, at+" members", strings.Join(slices.Sorted(maps.Keys(ours.members)), " "), strings.Join(slices.Sorted(maps.Keys(s.Members)), " "))
	pattern := ""
	if ours.pattern != nil {
		pattern = ours.pattern.String()
	}
	if name == "DirectoryId" {
		s.Pattern = `^(?:` + strings.TrimPrefix(s.Pattern, "^") + `)$` // the model's is not anchored on all sides
	}
	want(t, at+" pattern", pattern, s.Pattern)
	if ours.of != nil {
		m.compare(t, ours.of, s.Member.Shape, path+"[]")
	}
	for member, of := range ours.members {
		m.compare(t, of, s.Members[member].Shape, path+"."+member)
	}
}

func TestAnswersAreHeldAgainstTheModel(t *testing.T) {
	needModel(t)
	w := newWorld(t)
	w.ready("ada")
	if n := w.config.HTTPClient.(*http.Client).Transport.(*modelChecker).checked.Load(); n == 0 {
		t.Error("no answer was held against the model")
	}
}

package scenario

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Problem is one mistake in a file. Line and Column count from 1.
type Problem struct {
	File         string
	Line, Column int
	Text         string
}

// String is "file:line:column: text".
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Problems is every mistake in a file, as one error.
type Problems []Problem

// Error is one mistake a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// mostBytes is how large a file may be: a hand-written company is some kilobytes.
const mostBytes = 4 << 20

// Read reads a scenario and fills in its defaults. Every mistake is in the error, a Problems.
func Read(file string, text []byte) (Scenario, error) {
	if len(text) > mostBytes {
		return Scenario{}, Problems{{File: file, Line: 1, Column: 1, Text: fmt.Sprintf("the file has %d bytes: expected at most %d; large groups are written with generate", len(text), mostBytes)}}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return Scenario{}, Problems{{File: file, Line: 1, Column: 1, Text: "the file is empty: expected a scenario; the built-in company shows how one is written"}}
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Scenario{}, Problems{problemOf(file, err)}
	}
	var s Scenario
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict(), yaml.DisallowUnknownField()).Decode(&s); err != nil {
		return Scenario{}, Problems{problemOf(file, err)}
	}
	s.fillDefaults()
	c := &checker{file: file, tree: tree}
	c.check(s)
	if len(c.problems) > 0 {
		slices.SortStableFunc(c.problems, func(a, b Problem) int { return a.Line - b.Line })
		return Scenario{}, c.problems
	}
	slices.SortStableFunc(s.Timeline, func(a, b Entry) int { return cmp.Compare(a.At, b.At) })
	return s, nil
}

func (s *Scenario) fillDefaults() {
	if s.Start.IsZero() {
		s.Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	}
	s.Start = s.Start.UTC()
	if s.Tick == 0 {
		s.Tick = Duration(5 * time.Minute)
	}
	if s.Tenant.Domain == "" {
		s.Tenant.Domain = "example.com"
	}
	for i := range s.AWS {
		if s.AWS[i].Quota == 0 {
			s.AWS[i].Quota = 1000
		}
	}
}

// problemOf takes the place out of the YAML library's error.
func problemOf(file string, err error) Problem {
	p := Problem{File: file, Line: 1, Column: 1, Text: err.Error()}
	var value *valueError
	var at yaml.Error
	switch {
	case errors.As(err, &value):
		p.Line, p.Column, p.Text = value.at.Line, value.at.Column, value.err.Error()
	case errors.As(err, &at):
		p.Text = at.GetMessage()
		if t := at.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	return p
}

// valueError is a value that cannot be read, with its place.
type valueError struct {
	at  token.Position
	err error
}

func (e *valueError) Error() string { return e.err.Error() }

// UnmarshalYAML reads a duration and keeps the place of one that cannot be read.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	if err := d.UnmarshalText([]byte(node.GetToken().Value)); err != nil {
		return &valueError{at: *node.GetToken().Position, err: err}
	}
	return nil
}

// checker looks for mistakes that YAML does not know of.
type checker struct {
	file     string
	tree     *ast.File
	problems Problems
}

// complain notes a mistake at a path such as "$.timeline[2].join.group".
func (c *checker) complain(path, format string, args ...any) {
	p := Problem{File: c.file, Line: 1, Column: 1, Text: strings.TrimPrefix(path, "$.") + " " + fmt.Sprintf(format, args...)}
	// A missing field has no place of its own: the nearest thing around it has.
	for at := path; at != "$" && at != ""; at = outer(at) {
		if line, column, ok := c.place(at); ok {
			p.Line, p.Column = line, column
			break
		}
	}
	c.problems = append(c.problems, p)
}

func (c *checker) place(path string) (line, column int, ok bool) {
	compiled, err := yaml.PathString(path)
	if err != nil {
		return 0, 0, false
	}
	node, err := compiled.FilterFile(c.tree)
	if err != nil || node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return 0, 0, false
	}
	return node.GetToken().Position.Line, node.GetToken().Position.Column, true
}

// outer is the path of what is around a path.
func outer(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

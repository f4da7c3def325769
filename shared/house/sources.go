package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

const (
	fewestWords = 20 // of a package comment: what it is for, why it exists, what it refuses
	mostLines   = 80 // of a function's main.go: wiring
)

// othersProcess are packages whose tests wait for another process. It tells nobody when it has ended or answers, and
// no clock of ours moves it, so they look again after a moment.
func othersProcess() []string {
	return of("shared/emulator/dynalite", "shared/emulator/runtime", "shared/emulator/sqs")
}

// readsDeadlines are the files that ask how much time a context leaves: its deadline is the machine's time, so only
// the machine's clock can tell.
func readsDeadlines() []string {
	return []string{"shared/entra/send.go"}
}

// sources are the rules about what stands in Go files.
func sources() []Rule {
	return []Rule{
		{
			Name:     "every package has a comment of substance",
			Because:  "it is the first thing that a newcomer reads: what the package is for, why it exists, what it refuses to do",
			Findings: thinComments,
		},
		{
			Name:     "a function's main is wiring",
			Because:  "what stands in main runs in no test; it belongs in a package that has some",
			Findings: longMains,
		},
		{
			Name:     "there is no init",
			Because:  "it runs before anybody has asked, in an order that nobody sees, and its failure has no caller",
			Findings: inits,
		},
		{
			Name:     "the core has no state",
			Because:  "a package-level variable that changes makes one tick depend on another, and tests on their order",
			Findings: state,
		},
		{
			Name:     "tests do not sleep",
			Because:  "a test that sleeps is slow when all is well and fails when the machine is busy; shared/clock and testing/synctest move time",
			Findings: sleeps,
		},
		{
			Name:     "time is given, not taken",
			Because:  "who reads the machine's clock cannot be run through a month in seconds; shared/clock tells the time",
			Findings: clocks,
		},
	}
}

func thinComments(t Tree) (findings []string) {
	for _, p := range t.Packages {
		comment := p.comment()
		opening := "Package " + p.Name + " "
		switch {
		case p.Name == "main":
			opening = "Command "
		case !slices.ContainsFunc(p.Files, func(f *File) bool { return !f.Test }) && len(p.Files) > 0:
			opening = "Package " + p.Files[0].Syntax.Name.Name + " " // tests alone: functions_test
		}
		switch words := len(strings.Fields(comment)); {
		case words == 0:
			findings = append(findings, p.Path+" has no package comment")
		case !strings.HasPrefix(comment, opening):
			findings = append(findings, fmt.Sprintf("%s has a package comment that does not begin with %q", p.Path, opening))
		case words < fewestWords:
			findings = append(findings, fmt.Sprintf("%s has a package comment of %d words, fewer than %d", p.Path, words, fewestWords))
		}
	}
	return findings
}

// comment is the package comment of what ships, or of the tests where there is nothing else.
func (p *Package) comment() string {
	for _, tests := range []bool{false, true} {
		for _, f := range p.Files {
			if f.Test == tests && f.Syntax.Doc != nil {
				return f.Syntax.Doc.Text()
			}
		}
	}
	return ""
}

func longMains(t Tree) (findings []string) {
	for _, p := range t.Packages {
		if !under(p.Path, of("functions")...) {
			continue
		}
		for _, f := range p.Files {
			if lines := strings.Count(f.Content, "\n"); strings.HasSuffix(f.Name, "/main.go") && lines > mostLines {
				findings = append(findings, fmt.Sprintf("%s has %d lines, more than %d", f.Name, lines, mostLines))
			}
		}
	}
	return findings
}

func inits(t Tree) (findings []string) {
	for _, p := range t.Packages {
		for _, f := range p.Files {
			for _, d := range f.Syntax.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					findings = append(findings, f.at(fn))
				}
			}
		}
	}
	return findings
}

// at is a place in a file.
func (f *File) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Name, f.Set.Position(n.Pos()).Line)
}

// names are what the identifiers of a package's files stand for. Imports are not followed, so that only what is
// declared here, and the names of imported packages, are known; that is all that the rules ask for.
func (p *Package) names() *types.Info {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	byClause := map[string][]*ast.File{} // tests of the outside are a package of their own
	for _, f := range p.Files {
		clause := f.Syntax.Name.Name
		byClause[clause] = append(byClause[clause], f.Syntax)
	}
	for clause, files := range byClause {
		config := types.Config{Importer: nobody{}, Error: func(error) {}}
		_, _ = config.Check(p.Path+" "+clause, p.Files[0].Set, files, info) // what it does not know is told to Error
	}
	return info
}

// nobody is an importer that knows no package.
type nobody struct{}

func (nobody) Import(path string) (*types.Package, error) {
	return nil, fmt.Errorf("%s is not followed", path)
}

// state finds package-level variables of the core that may change: those without a value, with a value that is
// neither a table nor made once (an error, a compiled pattern), and those that somebody writes to.
func state(t Tree) (findings []string) {
	for _, p := range t.Packages {
		if !under(p.Path, core()...) {
			continue
		}
		info := p.names()
		for _, f := range p.Files {
			if f.Test {
				continue
			}
			findings = append(findings, variables(f)...)
			ast.Inspect(f.Syntax, func(n ast.Node) bool {
				for _, written := range targets(n) {
					if name, ok := root(written); ok && isGlobal(info.Uses[name]) {
						findings = append(findings, fmt.Sprintf("%s: %s is written to", f.at(n), name.Name))
					}
				}
				return true
			})
		}
	}
	return findings
}

func isGlobal(o types.Object) bool {
	v, ok := o.(*types.Var)
	return ok && !v.IsField() && v.Pkg() != nil && v.Parent() == v.Pkg().Scope()
}

func variables(f *File) (findings []string) {
	for _, d := range f.Syntax.Decls {
		general, ok := d.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			values := spec.(*ast.ValueSpec)
			for i, name := range values.Names {
				switch {
				case name.Name == "_":
				case i >= len(values.Values):
					findings = append(findings, fmt.Sprintf("%s: %s begins empty, to be filled by somebody", f.at(name), name.Name))
				case !fixed(values.Values[i]):
					findings = append(findings, fmt.Sprintf("%s: %s is neither a table, an error nor a compiled pattern", f.at(name), name.Name))
				}
			}
		}
	}
	return findings
}

// fixed reports whether a value is a table, or made once by a function that gives errors or patterns.
func fixed(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		return slices.Contains([]string{"errors.New", "fmt.Errorf", "fault.New", "regexp.MustCompile", "strings.NewReplacer"}, types.ExprString(v.Fun))
	}
	return false
}

// targets are what a statement or expression writes to, or lets others write to.
func targets(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.CallExpr:
		if name, ok := n.Fun.(*ast.Ident); ok && (name.Name == "delete" || name.Name == "clear") {
			return n.Args[:1]
		}
	}
	return nil
}

// root is the variable at the bottom of x, x.f, x[i], *x and (x).
func root(e ast.Expr) (*ast.Ident, bool) {
	switch e := e.(type) {
	case *ast.Ident:
		return e, true
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return nil, false
}

// sleeps finds tests that sleep on the machine's clock. In a bubble of testing/synctest nobody sleeps.
func sleeps(t Tree) (findings []string) {
	for _, p := range t.Packages {
		if p.bubbles() || under(p.Path, othersProcess()...) {
			continue
		}
		findings = append(findings, p.callsOfTime(func(f *File) bool { return f.Test }, "Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc")...)
	}
	return findings
}

// clocks finds who reads the machine's clock. The embedded cloud may: it ends other processes and signs
// certificates; what it emulates takes its time from shared/clock.
func clocks(t Tree) (findings []string) {
	for _, p := range t.Packages {
		if under(p.Path, of("shared/clock", "cmd", "shared/emulator")...) {
			continue
		}
		bubbles := p.bubbles()
		counts := func(f *File) bool { return !f.Test || !bubbles }
		findings = append(findings, p.callsOfTime(counts, "Now", "Since")...)
		findings = append(findings, p.callsOfTime(func(f *File) bool {
			return counts(f) && !slices.Contains(readsDeadlines(), f.Name)
		}, "Until")...)
	}
	return findings
}

// bubbles reports whether a package's tests run in bubbles of testing/synctest, where time.Now is the bubble's.
func (p *Package) bubbles() bool { return slices.Contains(p.TestImports, "testing/synctest") }

// callsOfTime are the uses of package time's functions in the files that count.
func (p *Package) callsOfTime(counts func(*File) bool, functions ...string) (findings []string) {
	info := p.names()
	for _, f := range p.Files {
		if !counts(f) {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(functions, selector.Sel.Name) {
				return true
			}
			name, ok := selector.X.(*ast.Ident)
			if !ok {
				return true
			}
			if imported, ok := info.Uses[name].(*types.PkgName); ok && imported.Imported().Path() == "time" {
				findings = append(findings, fmt.Sprintf("%s: time.%s", f.at(n), selector.Sel.Name))
			}
			return true
		})
	}
	return findings
}

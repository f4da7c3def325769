package house_test

import (
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"rollcall/shared/house"
)

func TestTheHouse(t *testing.T) {
	tree, err := house.Read(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Packages) < 20 || len(tree.Texts) < 20 {
		t.Fatalf("only %d packages and %d files were found: this looks at something else", len(tree.Packages), len(tree.Texts))
	}
	for _, rule := range house.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			if findings := rule.Findings(tree); len(findings) > 0 {
				t.Errorf("%s: because %s.\n\t%s", rule.Name, rule.Because, strings.Join(findings, "\n\t"))
			}
		})
	}
}

// Each archive in testdata is a small module. Its comment names a rule in the first line, and then, line by line, what
// the rule finds in it.
func TestRulesFindWhatIsWrong(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	found := map[string]bool{}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Split(strings.TrimSpace(slashes(archive.Comment)), "\n")
			want := append([]string{}, said[1:]...)
			got := []string{}
			matched := false
			for _, rule := range house.Rules() {
				if rule.Name == said[0] {
					matched = true
					got = append(got, rule.Findings(treeOf(t, archive))...)
				}
			}
			if !matched {
				t.Fatalf("there is no rule %q", said[0])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("expected (-), found (+):\n%s", diff)
			}
			found[said[0]] = found[said[0]] || len(got) > 0
		})
	}
	for _, rule := range house.Rules() {
		if !found[rule.Name] {
			t.Errorf("no case shows that the rule %q can fail", rule.Name)
		}
	}
}

// slashes puts back the slashes that are written SLASH, so that an archive does not break a rule itself.
func slashes(content []byte) string { return strings.ReplaceAll(string(content), "SLASH", "/") }

// treeOf is an archive as a module. Its packages are linked with what they import, and with what that imports.
func treeOf(t *testing.T, archive *txtar.Archive) house.Tree {
	t.Helper()
	var tree house.Tree
	packages := map[string]*house.Package{}
	set := token.NewFileSet()
	for _, f := range archive.Files {
		content := slashes(f.Data)
		tree.Texts = append(tree.Texts, house.Text{Name: f.Name, Content: content})
		if !strings.HasSuffix(f.Name, ".go") {
			continue
		}
		file, err := house.Parse(set, f.Name, content)
		if err != nil {
			t.Fatal(err)
		}
		importPath := house.Module + "/" + path.Dir(f.Name)
		p := packages[importPath]
		if p == nil {
			p = &house.Package{Path: importPath, Name: file.Syntax.Name.Name}
			packages[importPath] = p
			tree.Packages = append(tree.Packages, p)
		}
		p.Files = append(p.Files, file)
		for _, spec := range file.Syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if file.Test {
				p.TestImports = append(p.TestImports, imported)
			} else {
				p.Imports = append(p.Imports, imported)
			}
		}
	}
	for _, p := range tree.Packages {
		p.Deps = linked(packages, p.Imports, nil)
	}
	return tree
}

func linked(packages map[string]*house.Package, imports, already []string) []string {
	for _, imported := range imports {
		if slices.Contains(already, imported) {
			continue
		}
		already = append(already, imported)
		if p := packages[imported]; p != nil {
			already = linked(packages, p.Imports, already)
		}
	}
	return already
}

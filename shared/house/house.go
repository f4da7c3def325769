// Package house keeps the rules of this house: what every part of rollcall promises about its shape, as tests that
// fail with the reason.
//
// It exists because a layout that is only written down is forgotten within a month. DESIGN says that arrows point
// one way and that the core knows no SDK; here it is a rule with a name and a because, and whoever breaks it reads
// why it stands. Every rule has cases under testdata in which it finds something: a rule that cannot fail is none.
//
// It refuses matters of taste, which are the linters', and it judges nothing that it cannot see in the source: it
// reads the tree with the go command and the standard library's parser, and runs none of it.
package house

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// Module is the name of the module, and what every import path of it begins with.
const Module = "rollcall"

// Tree is the module as its files stand.
type Tree struct {
	Packages []*Package
	// Texts are all files that are or may be committed, Go or not.
	Texts []Text
}

// Package is one package of the module.
type Package struct {
	Path string // import path: "rollcall/shared/plan"
	Name string
	// Imports are those of what ships, TestImports those of its tests.
	Imports, TestImports []string
	// Deps are all packages that what ships is linked with, however far away.
	Deps  []string
	Files []*File
}

// File is one Go file.
type File struct {
	Text
	Test   bool
	Syntax *ast.File
	Set    *token.FileSet
}

// Text is a file as text. Name is its path in the module, with slashes.
type Text struct {
	Name, Content string
}

// Rule is one promise.
type Rule struct {
	Name    string
	Because string
	// Findings are where the promise is broken: each names a place and what is wrong there.
	Findings func(Tree) []string
}

// Rules are all of them.
func Rules() []Rule {
	return slices.Concat(imports(), sources(), texts())
}

// under reports whether an import path or file name is root itself or below it.
func under(name string, roots ...string) bool {
	for _, root := range roots {
		if name == root || strings.HasPrefix(name, strings.TrimSuffix(root, "/")+"/") {
			return true
		}
	}
	return false
}

// of are import paths of this module.
func of(names ...string) []string {
	var paths []string
	for _, name := range names {
		paths = append(paths, Module+"/"+name)
	}
	return paths
}

package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// ShippingTag is the build tag with which the functions ship (see the Makefile): without it, aws-lambda-go brings
// net/rpc, which brings html/template.
const ShippingTag = "lambda.norpc"

// Read reads the module in which folder lies: its packages by the go command, and every text file that is not
// generated or installed. A package that does not parse is an error.
func Read(folder string) (Tree, error) {
	top, err := goCommand(folder, "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return Tree{}, err
	}
	module := strings.TrimSpace(string(top))
	var t Tree
	if t.Packages, err = readPackages(module); err != nil {
		return Tree{}, err
	}
	if t.Texts, err = readTexts(module); err != nil {
		return Tree{}, fmt.Errorf("reading the files of %s: %w", Module, err)
	}
	return t, nil
}

func goCommand(folder string, arguments ...string) ([]byte, error) {
	command := exec.Command("go", arguments...)
	command.Dir = folder
	out, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("go %s: %w: %s", arguments[0], err, exit.Stderr)
	}
	return out, err
}

// listed is a package as the go command lists it.
type listed struct {
	ImportPath, Name, Dir                              string
	GoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports, Deps           []string
}

func readPackages(module string) ([]*Package, error) {
	out, err := goCommand(module, "list", "-tags", ShippingTag,
		"-json=ImportPath,Name,Dir,GoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,Deps", "./...")
	if err != nil {
		return nil, err
	}
	var all []*Package
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := decoder.Decode(&l); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		p := &Package{
			Path: l.ImportPath, Name: l.Name, Imports: l.Imports, Deps: l.Deps,
			TestImports: slices.Concat(l.TestImports, l.XTestImports),
		}
		set := token.NewFileSet()
		for _, name := range slices.Concat(l.GoFiles, l.IgnoredGoFiles, l.TestGoFiles, l.XTestGoFiles) {
			file, err := readFile(set, module, filepath.Join(l.Dir, name))
			if err != nil {
				return nil, fmt.Errorf("reading package %s: %w", l.ImportPath, err)
			}
			p.Files = append(p.Files, file)
		}
		all = append(all, p)
	}
}

func readFile(set *token.FileSet, module, file string) (*File, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Rel(module, file)
	if err != nil {
		return nil, err
	}
	return Parse(set, filepath.ToSlash(name), string(content))
}

// Parse is one Go file.
func Parse(set *token.FileSet, name, content string) (*File, error) {
	syntax, err := parser.ParseFile(set, name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{Text: Text{Name: name, Content: content}, Test: strings.HasSuffix(name, "_test.go"), Syntax: syntax, Set: set}, nil
}

// readTexts reads every text file but what git, npm and make put there.
func readTexts(module string) (all []Text, err error) {
	err = filepath.WalkDir(module, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(module, file)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "build", "cdk.out", "dist"}, name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since its folder was read
		}
		if err == nil && utf8.Valid(content) {
			all = append(all, Text{Name: filepath.ToSlash(name), Content: string(content)})
		}
		return err
	})
	return all, err
}

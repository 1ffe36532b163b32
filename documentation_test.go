package endoflow_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// sayThemselves are methods that need no Example: their names are conventions.
var sayThemselves = map[string]bool{"String": true, "Decode": true, "Error": true, "Unwrap": true, "Is": true}

// TestExamples: every exported function and method of the packages that users
// import has a runnable Example, and every exported name a doc comment.
func TestExamples(t *testing.T) {
	for dir := range mayImport {
		if dir == "" || strings.HasPrefix(dir, "internal/") {
			continue
		}
		examples := make(map[string]bool)
		fset := token.NewFileSet()
		var files []*ast.File
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "_test.go") {
				for _, e := range doc.Examples(file) {
					if e.Output != "" || e.EmptyOutput || strings.HasPrefix(e.Name, "Test") { // suites need a test's own t
						examples[e.Name] = true
					}
				}
				continue
			}
			files = append(files, file)
		}
		pkg, err := doc.NewFromFiles(fset, files, module+"/"+dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(pkg.Doc) < 200 {
			t.Errorf("%s: the package doc is no guide", dir)
		}
		check := func(name, what, docText string) {
			if docText == "" {
				t.Errorf("%s: %s has no doc comment", dir, name)
			}
			if what != "" && !examples[what] {
				t.Errorf("%s: %s has no Example with output", dir, name)
			}
		}
		for _, f := range pkg.Funcs {
			check(f.Name, f.Name, f.Doc)
		}
		for _, typ := range pkg.Types {
			check(typ.Name, "", typ.Doc)
			for _, f := range typ.Funcs {
				check(f.Name, f.Name, f.Doc)
			}
			for _, m := range typ.Methods {
				if !sayThemselves[m.Name] {
					check(typ.Name+"."+m.Name, typ.Name+"_"+m.Name, m.Doc)
				}
			}
		}
	}
}

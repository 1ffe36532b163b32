package endoflow_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/pdns"
)

// A join with an Index works on numbers.
var _ enrich.NumberedResolver = (*pdns.Index)(nil)

const module = "github.com/endoflow/endoflow"

// mayImport says which packages of the project each of its packages may import,
// in code that is not a test. Examples see everything and are not listed.
var mayImport = map[string][]string{
	"":                 {},
	"flow":             {"internal/dense", "internal/flatjson", "internal/lines", "internal/winevent", "internal/zeek"},
	"flow/flowtest":    {"flow", "internal/lines", "internal/linestest"},
	"pdns":             {"internal/dense", "internal/flatjson", "internal/lines", "internal/winevent", "internal/zeek"},
	"pdns/pdnsparquet": {"pdns", "internal/lines"},
	"pdns/pdnstest":    {"pdns", "internal/lines", "internal/linestest"},
	"classify":         {"flow", "internal/dense", "internal/wire"},
	"enrich":           {"flow", "internal/dense", "internal/wire"},
	"enrich/enrichparquet": {
		"flow", "internal/dense",
	},
	"internal/dense":    {},
	"internal/flatjson": {"internal/dense"},
	"internal/lines":    {},
	"internal/linestest": {
		"internal/lines",
	},
	"internal/winevent": {"internal/lines"},
	"internal/wire":     {},
	"internal/zeek":     {"internal/flatjson", "internal/lines"},
}

// coreModules are the modules that code which is not a test may import, so that
// who imports a package of ours knows what comes with it.
var coreModules = []string{
	"github.com/RoaringBitmap/roaring/v2",
	"github.com/bits-and-blooms/bloom/v3",
	"github.com/klauspost/compress",
	"golang.org/x/net", // for the Public Suffix List, which has no dependencies
	"golang.org/x/sync",
}

// leafModules are for one package each, beside coreModules, so that only who
// imports that package has them.
var leafModules = map[string][]string{
	"enrich/enrichparquet": {
		"github.com/parquet-go/parquet-go",
	},
	"examples/annotate": { // whose tests read what it writes
		"github.com/parquet-go/parquet-go",
	},
	"pdns/pdnsparquet": {
		"github.com/andybalholm/brotli",
		"github.com/parquet-go/parquet-go",
		"github.com/pierrec/lz4/v4",
	},
}

// testModules are for tests and for packages that help to test.
var testModules = append([]string{"github.com/google/go-cmp"}, coreModules...)

// otherModules are folders with a go.mod of their own, which import what they need.
var otherModules = []string{"tools", "examples/compare"}

// TestImports holds the packages to the architecture.
func TestImports(t *testing.T) {
	seen := make(map[string]bool)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata" || slices.Contains(otherModules, filepath.ToSlash(name))) {
			return fs.SkipDir
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		dir := path.Dir(filepath.ToSlash(name))
		if dir == "." {
			dir = ""
		}
		example := strings.HasPrefix(dir, "examples/")
		isTest := strings.HasSuffix(name, "_test.go")
		seen[dir] = true
		allowed, known := mayImport[dir]
		if !known && !example {
			t.Errorf("%s: package %q has no place in the architecture", name, dir)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			own, isOwn := strings.CutPrefix(imported, module+"/")
			switch {
			case isOwn:
				if !isTest && !example && !slices.Contains(allowed, own) {
					t.Errorf("%s: package %q may not import %q", name, dir, own)
				}
			case imported == "C" || imported == "unsafe":
				t.Errorf("%s: imports %s", name, imported)
			case strings.Contains(strings.Split(imported, "/")[0], "."):
				modules := coreModules
				if isTest || strings.HasSuffix(dir, "test") {
					modules = testModules
				}
				modules = slices.Concat(modules, leafModules[dir])
				if !slices.ContainsFunc(modules, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") }) {
					t.Errorf("%s: imports %q, of a module that is not on the list", name, imported)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range mayImport {
		if !seen[dir] {
			t.Errorf("package %q is in the list and not in the tree", dir)
		}
	}
}

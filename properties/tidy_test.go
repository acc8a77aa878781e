package properties

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
)

const module = "github.com/pagepool/pagepool"

// A file of the repository's Go code, parsed.
type goFile struct {
	path   string // from the root, with slashes
	test   bool
	syntax *ast.File
	files  *token.FileSet
}

func (f goFile) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, path)
	}
	return paths
}

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var found []goFile
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		files := token.NewFileSet()
		syntax, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel("..", path)
		found = append(found, goFile{filepath.ToSlash(relative), strings.HasSuffix(path, "_test.go"),
			syntax, files})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 20 {
		t.Fatalf("found %d Go files; the walk is broken", len(found))
	}
	return found
}

// importRules say what must not be imported where, and why.
var importRules = []struct {
	in     string // a prefix of the path
	notIn  string // except here
	forbid *regexp.Regexp
	why    string
}{
	{"pool/", "pool/pooltest/", regexp.MustCompile(`^` + module + `/(sim|properties|cmd)`),
		"the product does not depend on what tests it"},
	{"pool/pooltest/", "", regexp.MustCompile(`^` + module + `/(sim$|sim/[^f]|properties|cmd)`),
		"users' tests have the fake browser, and nothing else of the simulation"},
	{"pool/core/", "", regexp.MustCompile(`\.`),
		"the core is pure, and imports the standard library only"},
	{
		"pool/core/", "", regexp.MustCompile(
			`^(sync|sync/.*|math/rand|math/rand/.*|context|os|net|net/.*|runtime|unsafe)$`),
		"the core blocks on nothing, draws nothing and touches nothing outside"},
	{"pool/trace/", "", regexp.MustCompile(`^` + module + `/pool($|/[^c]|/chrome)`),
		"a trace is the text of the core, and of nothing else"},
	{"", "pool/chrome/", regexp.MustCompile(`^github.com/chromedp/`),
		"one room knows the browser's protocol"},
	{"pool/", "pool/metrics/", regexp.MustCompile(`^github.com/prometheus/`),
		"whoever counts in another way does not get Prometheus"},
	{"pool/", "", regexp.MustCompile(`^go.opentelemetry.io/`),
		"tracing is an interface, and what it is told to is the caller's choice"},
	{"", "properties/", regexp.MustCompile(`^github.com/anishathalye/`),
		"histories are checked by the claims, and by nothing that is shipped"},
	{"properties/linear/spec.go", "", regexp.MustCompile(`^` + module),
		"the specification is a second opinion, and does not see the first"},
	{"properties/linear/answers.go", "", regexp.MustCompile(`^` + module),
		"the specification is a second opinion, and does not see the first"},
	{"pool/canon/", "", regexp.MustCompile(`^` + module + `/pool($|/[^c]|/chrome)`),
		"a hash is of the facts, and of nothing else"},
	{
		"sim/search/", "", regexp.MustCompile(`^` + module +
			`/(pool|properties|cmd|sim$|sim/[^s]|sim/s[^c])`),
		"the search engine knows nothing of tabs"},
	{
		"sim/spec/", "", regexp.MustCompile(`^` + module +
			`/(sim|pool$|pool/trace|pool/chrome|pool/metrics)`),
		"the specification knows the facts of a pool, and not who simulates it"},
	{
		"sim/traffic/", "", regexp.MustCompile(`^` + module +
			`/(pool|sim/(replay|shrink|follow|live|search))$`),
		"traffic brings the callers of a world, and knows no trace"},
	{"sim/replay/", "", regexp.MustCompile(`^` + module + `/(pool|sim/(traffic|shrink|follow|live))$`),
		"a trace says who comes, so no profile has to"},
	{"sim/shrink/", "", regexp.MustCompile(`^` + module + `/(pool|sim/(traffic|follow|live))$`),
		"what is shrunk is a trace, whoever wrote it"},
	{"sim/follow/", "", regexp.MustCompile(`^` + module + `/(pool|sim/(shrink|live|search))$`),
		"a follower takes in what happens, and plays nothing"},
	{"sim/", "", regexp.MustCompile(`^` + module + `/(properties|cmd|pool/chrome)`),
		"the simulated world is built on the pool, not on its tests or on Chrome"},
}

func TestTidyImports(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, rule := range importRules {
			if !strings.HasPrefix(f.path, rule.in) ||
				rule.notIn != "" && strings.HasPrefix(f.path, rule.notIn) || f.test && rule.in != "" {
				continue
			}
			if f.test && strings.HasPrefix(f.path, "properties/") {
				continue // the contract suite drives real Chrome
			}
			if strings.HasPrefix(f.path, "examples/") || strings.HasPrefix(f.path, "bench/") {
				continue // these are users of the library, and modules of their own
			}
			for _, path := range f.imports() {
				if rule.forbid.MatchString(path) {
					t.Errorf("%s imports %s: %s", f.path, path, rule.why)
				}
			}
		}
	}
}

// The core reads no clock, starts nothing, waits for nothing, ranges over no map and keeps no
// pointer into the outside world; each is a way to give two answers to one history.
func TestTidyCoreIsPure(t *testing.T) {
	for _, f := range goFiles(t) {
		if !strings.HasPrefix(f.path, "pool/core/") || f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			bad := ""
			switch n := n.(type) {
			case *ast.GoStmt:
				bad = "starts a goroutine"
			case *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
				bad = "uses a channel"
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" &&
					slices.Contains([]string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer",
						"Tick", "NewTicker"}, n.Sel.Name) {
					bad = "reads a clock"
				}
			case *ast.MapType:
				if !strings.HasSuffix(f.path, "settings.go") {
					bad = "has a map"
				}
			}
			if bad != "" {
				t.Errorf("%s %s", f.files.Position(n.Pos()), bad)
			}
			return true
		})
	}
}

func TestTidyTestsDoNotSleep(t *testing.T) {
	for _, f := range goFiles(t) {
		if !f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s sleeps; wait for an event instead", f.files.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func TestTidyFilesAreOfReadableLength(t *testing.T) {
	for _, f := range goFiles(t) {
		most := 500
		if strings.HasPrefix(f.path, "pool/") && !strings.HasPrefix(f.path, "pool/core/") {
			most = 600
		}
		if lines := f.files.Position(f.syntax.End()).Line; lines > most {
			t.Errorf("%s has %d lines; is there a room to split off?", f.path, lines)
		}
	}
}

func TestTidyFunctionsOfTheCoreAreOfReadableLength(t *testing.T) {
	for _, f := range goFiles(t) {
		if !strings.HasPrefix(f.path, "pool/core/") || f.test {
			continue
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if lines := f.files.Position(fn.End()).Line - f.files.Position(fn.Pos()).Line + 1; lines > 70 {
					t.Errorf("%s has %d lines", fn.Name.Name, lines)
				}
			}
		}
	}
}

// What the core remembers, and what it can be told, stays small enough to be held in mind.
func TestTidyTheCoreIsSmall(t *testing.T) {
	for _, c := range []struct {
		what    string
		n, most int
	}{
		{"facts of a pool", reflect.TypeFor[core.Facts]().NumField(), 30},
		{"fields of a tab", reflect.TypeFor[core.Tab]().NumField(), 24},
		{"kinds of events", int(core.EventKinds), 30},
	} {
		if c.n > c.most {
			t.Errorf("%d %s, and there may be %d", c.n, c.what, c.most)
		}
	}
}

func TestTidyRulesThatTheToolsEnforceHoldInEveryRoom(t *testing.T) {
	unfinished := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, f := range goFiles(t) {
		if f.syntax.Name.Name == "main" {
			continue
		}
		for _, group := range f.syntax.Comments {
			if m := unfinished.FindString(group.Text()); m != "" {
				t.Errorf("%s: an unfinished mark, %s", f.files.Position(group.Pos()), m)
			}
		}
	}
}

func TestTidySettingsAreAllChecked(t *testing.T) {
	s := reflect.TypeFor[core.Settings]()
	for i := range s.NumField() {
		f := s.Field(i)
		if f.Type.Kind() == reflect.Bool {
			continue
		}
		var bad core.Settings
		reflect.ValueOf(&bad).Elem().Field(i).SetInt(-7)
		resolved, err := bad.Resolve()
		off := reflect.ValueOf(resolved).Field(i).Int() == core.Off
		if err == nil && !off {
			t.Errorf("%s=-7 is neither refused nor off", f.Name)
		}
		if err != nil && !strings.Contains(err.Error(), f.Name+"=") {
			t.Errorf("%s=-7: the error does not name the setting: %v", f.Name, err)
		}
	}
}

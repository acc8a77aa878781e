package properties

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/spec"
)

// document returns the text of a file of the repository.
func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// testedClaims are promises of the contract that are tests of their own, and neither an invariant
// nor one of sim.Claims.
var testedClaims = []string{"rolling"}

// claimSentences are the sentences of all claims that the code has, by name.
func claimSentences() map[string]string {
	says := map[string]string{}
	for _, v := range spec.Invariants {
		says[v.Name] = v.Says
	}
	for _, c := range sim.Claims {
		says[c.Name] = c.Says
	}
	return says
}

// docs/contract.md has each claim once, with the sentence of the code, and no other claims.
func TestTidyTheContractHasTheClaimsOfTheCode(t *testing.T) {
	text := document(t, "docs/contract.md")
	item := regexp.MustCompile("(?m)^- `([a-z-]+)`: ((?:.+\n)(?:  .+\n)*)")
	documented := map[string]string{}
	for _, m := range item.FindAllStringSubmatch(text, -1) {
		if _, twice := documented[m[1]]; twice {
			t.Errorf("docs/contract.md has %s twice", m[1])
		}
		documented[m[1]] = strings.Join(strings.Fields(m[2]), " ")
	}
	says := claimSentences()
	for name, want := range says {
		if documented[name] != want {
			t.Errorf("docs/contract.md says of %s: %q; the code says %q", name, documented[name], want)
		}
	}
	for name := range documented {
		if says[name] == "" && !slices.Contains(testedClaims, name) {
			t.Errorf("docs/contract.md has the claim %s, which the code does not have", name)
		}
	}
}

// docs/contract.md names the claims that production checks.
func TestTidyTheContractNamesTheChecksOfProduction(t *testing.T) {
	_, list, found := strings.Cut(document(t, "docs/contract.md"), "in constant time:")
	list, _, ended := strings.Cut(list, ".")
	if !found || !ended {
		t.Fatal("docs/contract.md does not say what production checks")
	}
	var named, checked []string
	for _, m := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(list, -1) {
		named = append(named, m[1])
	}
	checks := regexp.MustCompile(`(?m)^\t\{"([a-z-]+)", [a-zA-Z]+\},$`)
	for _, m := range checks.FindAllStringSubmatch(document(t, "pool/core/check.go"), -1) {
		checked = append(checked, m[1])
	}
	if !slices.Equal(named, checked) || len(checked) == 0 {
		t.Errorf("docs/contract.md says that production checks %v; it checks %v", named, checked)
	}
}

// docs/contract.md names each setting of the core, and nothing that the code does not have.
func TestTidyTheContractNamesTheSettingsOfTheCode(t *testing.T) {
	text := document(t, "docs/contract.md")
	known := map[string]bool{"GetPage": true}
	for _, f := range goFiles(t) {
		if f.test || !strings.HasPrefix(f.path, "pool/") || strings.Count(f.path, "/") > 1 {
			continue
		}
		for _, d := range f.syntax.Decls {
			for _, name := range declared(d) {
				known[name] = true
			}
		}
	}
	options := reflect.TypeFor[chrome.Options]()
	for i := range options.NumField() {
		known[options.Field(i).Name] = true
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([A-Z][A-Za-z]+)`").FindAllStringSubmatch(text, -1) {
		named[m[1]] = true
	}
	settings := core.SettingNames()
	for _, name := range settings {
		if !named[name] {
			t.Errorf("docs/contract.md does not name the setting %s", name)
		}
	}
	for name := range named {
		if !known[name] && !slices.Contains(settings, name) {
			t.Errorf("docs/contract.md names %s, which package pool does not have", name)
		}
	}
}

// declared are the names that a declaration brings: functions, methods, types, values.
func declared(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []string{d.Name.Name}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return nil
		}
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// docs/claims.md has an item for each claim, and what an item names is there. A scenario stands
// there with its sentence.
func TestTidyDocumentsSayWhereEachClaimIsTested(t *testing.T) {
	tests := testNames(t)
	keeps := map[string]string{}
	for _, v := range spec.Invariants {
		keeps[v.Name] = "invariant"
	}
	for _, c := range sim.Claims {
		keeps[c.Name] = "claim"
	}
	for _, name := range testedClaims {
		keeps[name] = "test"
	}
	item := regexp.MustCompile("(?m)^- `([a-z-]+)`, ([a-z]+)\n((?:  .+\n)+)")
	place := regexp.MustCompile("(?m)^  - (scenario|trace|test) `([^`]+)`" +
		"(?:: ((?:.+)(?:\n    .+)*))?$")
	for _, m := range item.FindAllStringSubmatch(document(t, "docs/claims.md"), -1) {
		name, by, places := m[1], m[2], m[3]
		if keeps[name] != by {
			t.Errorf("docs/claims.md: %s is kept by %s, or stands there twice; the code says %q", name, by,
				keeps[name])
		}
		delete(keeps, name)
		for _, p := range place.FindAllStringSubmatch(places, -1) {
			kind, what, says := p[1], p[2], strings.Join(strings.Fields(p[3]), " ")
			_, err := os.Stat("../testdata/traces/" + what + ".trace")
			scenario := sim.ScenarioNamed(what)
			switch {
			case kind == "scenario" && scenario == nil, kind == "trace" && err != nil, kind == "test" &&
				!tests[what]:
				t.Errorf("docs/claims.md: %s: no %s %s", name, kind, what)
			case kind == "scenario" && says != scenario.Says:
				t.Errorf("docs/claims.md: %s: the sentence of %s is %q", name, what, scenario.Says)
			}
		}
		if len(place.FindAllString(places, -1)) == 0 && !strings.Contains(places, "all scenarios") {
			t.Errorf("docs/claims.md names no place for %s", name)
		}
	}
	for name := range keeps {
		t.Errorf("docs/claims.md does not say where %s is tested", name)
	}
}

// testNames are the names of all tests.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test {
				tests[fn.Name.Name] = true
			}
		}
	}
	return tests
}

// A race is told by its sentence: where a document names a scenario that is called after a race,
// the scenario's sentence follows.
func TestTidyDocumentsTellARaceByItsSentence(t *testing.T) {
	race := regexp.MustCompile(`\b[A-Z]-[0-9]+[a-z]?\b`)
	for _, path := range markdownFiles(t) {
		text := strings.Join(strings.Fields(consoles.ReplaceAllString(document(t, path), "")), " ")
		for _, at := range race.FindAllStringIndex(text, -1) {
			name, rest := text[at[0]:at[1]], strings.TrimLeft(text[at[1]:], "`")
			scenario := sim.ScenarioNamed(name)
			if scenario == nil || !strings.HasPrefix(rest, ": "+scenario.Says) {
				t.Errorf("%s: %s stands without the sentence of its scenario", path, name)
			}
		}
	}
}

// markdownFiles are the paths of the documents, from the root.
func markdownFiles(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." &&
			(strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		relative, err := filepath.Rel("..", path)
		paths = append(paths, filepath.ToSlash(relative))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 10 {
		t.Fatalf("found %d documents; the walk is broken", len(paths))
	}
	return paths
}

// ARCHITECTURE.md is short, and tells the life of a request in fifteen lines that name no file
// twice.
func TestTidyArchitectureIsShort(t *testing.T) {
	text := document(t, "ARCHITECTURE.md")
	if lines := strings.Count(text, "\n"); lines > 150 {
		t.Errorf("ARCHITECTURE.md has %d lines; the most are 150", lines)
	}
	_, life, _ := strings.Cut(text, "## The life of one request\n")
	life, _, _ = strings.Cut(life, "\n## ")
	if lines := len(regexp.MustCompile(`(?m)^ *[^\s\[].*$`).FindAllString(life, -1)); lines != 15 {
		t.Errorf("ARCHITECTURE.md tells the life of a request in %d lines, and not in 15", lines)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`\(\[([^\]]+)\]`).FindAllStringSubmatch(life, -1) {
		if named[m[1]] {
			t.Errorf("ARCHITECTURE.md: the life of a request crosses %s twice", m[1])
		}
		named[m[1]] = true
	}
	if len(named) < 10 {
		t.Errorf("ARCHITECTURE.md: the life of a request names %d files", len(named))
	}
}

// What a document links to in the repository is there, and so is the section.
func TestTidyDocumentsLinkToWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`(?m)\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$`)
	links, sections := 0, 0
	for _, path := range markdownFiles(t) {
		for _, m := range link.FindAllStringSubmatch(document(t, path), -1) {
			target, section, _ := strings.Cut(m[1]+m[2], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := path
			if target != "" {
				links++
				to = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(filepath.Join("..", to)); err != nil {
				t.Errorf("%s links to %s, which is not there", path, target)
				continue
			}
			if section == "" || filepath.Ext(to) != ".md" {
				continue
			}
			if sections++; !slices.Contains(sectionsOf(document(t, to)), section) {
				t.Errorf("%s links to #%s of %s, which has no such section", path, section, to)
			}
		}
	}
	if links < 20 || sections < 5 {
		t.Fatalf("found %d links, %d of them to sections; the search is broken", links, sections)
	}
}

// sectionsOf are the anchors that GitHub gives the headings of a document.
func sectionsOf(text string) (anchors []string) {
	code := regexp.MustCompile("(?ms)^```.*?^```")
	heading := regexp.MustCompile(`(?m)^#+ +(.*?) *$`)
	label, left := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`), regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	times := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
		anchor := left.ReplaceAllString(strings.ToLower(label.ReplaceAllString(m[1], "$1")), "")
		anchor = strings.ReplaceAll(anchor, " ", "-")
		again := ""
		if n := times[anchor]; n > 0 {
			again = fmt.Sprintf("-%d", n)
		}
		times[anchor]++
		anchors = append(anchors, anchor+again)
	}
	return anchors
}

// wide is the beginning of a line that has to stay in one piece: a test runs it as it stands.
const wide = "seq 16 | parallel "

// Documents are read in a terminal: lines have at most 100 columns, and rows of tables short cells.
// What a command prints is as wide as it is.
func TestTidyDocumentsAreNarrow(t *testing.T) {
	const columns, cellColumns = 100, 110
	for _, path := range markdownFiles(t) {
		console := false
		for i, line := range strings.Split(document(t, path), "\n") {
			if strings.HasPrefix(line, "```") {
				console = line == "```console"
			}
			if console && !strings.HasPrefix(line, "$ ") {
				continue
			}
			if !strings.HasPrefix(line, "|") {
				if n := utf8.RuneCountInString(line); n > columns && !strings.HasPrefix(line, wide) {
					t.Errorf("%s:%d has %d columns; the most are %d", path, i+1, n, columns)
				}
				continue
			}
			for cell := range strings.SplitSeq(strings.ReplaceAll(line, `\|`, "/"), "|") {
				if n := utf8.RuneCountInString(strings.TrimSpace(cell)); n > cellColumns {
					t.Errorf("%s:%d has a cell of %d columns; the most are %d", path, i+1, n, cellColumns)
				}
			}
		}
	}
}

// What README and the documentation of package pool show is compiled: every line of their Go stands
// in an example of the driver.
func TestTidyTheCodeOfREADMEIsCompiled(t *testing.T) {
	readme, doc := document(t, "README.md"), document(t, "pool/doc.go")
	example := document(t, "pool/chrome/example_test.go") +
		document(t, "pool/chrome/example_service_test.go")
	compiled := map[string]bool{}
	for line := range strings.Lines(example) {
		compiled[strings.TrimSpace(line)] = true
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1)
	if len(blocks) < 2 {
		t.Fatalf("found %d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		if strings.HasPrefix(block[1], "package main") {
			continue // a whole program, which a contract test builds and runs
		}
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" && !compiled[line] {
				t.Errorf("README.md: %q stands in no example", line)
			}
		}
	}
	shown := regexp.MustCompile("(?m)^//\t(.*)$").FindAllStringSubmatch(doc, -1)
	if len(shown) < 5 {
		t.Fatalf("found %d lines of Go in doc.go", len(shown))
	}
	for _, line := range shown {
		if line := strings.TrimSpace(line[1]); !compiled[line] {
			t.Errorf("pool/doc.go: %q stands in no example", line)
		}
	}
}

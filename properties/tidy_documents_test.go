package properties

import (
	"go/ast"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

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

// docs/claims.md has a row for each claim, and what a row names is there.
func TestTidyDocumentsSayWhereEachPromiseIsTested(t *testing.T) {
	text := document(t, "docs/claims.md")
	tests := map[string]bool{}
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test {
				tests[fn.Name.Name] = true
			}
		}
	}
	isClaim := func(name string) bool {
		return slices.ContainsFunc(sim.Claims, func(c sim.Claim) bool { return c.Name == name })
	}
	isInvariant := func(name string) bool {
		return slices.ContainsFunc(spec.Invariants, func(v spec.Invariant) bool { return v.Name == name })
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([a-z]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(text, -1) {
		name, by, places := m[1], m[2], m[3]
		found[name] = true
		if by == "invariant" && !isInvariant(name) || by == "claim" && !isClaim(name) || by != "invariant" && by != "claim" && by != "test" {
			t.Errorf("%s is kept by %s, which is not so", name, by)
		}
		for _, group := range strings.Split(places, ";") {
			kind, _, _ := strings.Cut(strings.TrimSpace(group), " ")
			for _, q := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(group, -1) {
				_, err := os.Stat("../testdata/traces/" + q[1] + ".trace")
				ok := map[string]bool{"test": tests[q[1]], "trace": err == nil, "every": true, "scenario": sim.ScenarioNamed(q[1]) != nil}[kind]
				if !ok {
					t.Errorf("%s: no %s %s", name, kind, q[1])
				}
			}
		}
	}
	for _, name := range slices.Concat(testedClaims, slices.Collect(maps.Keys(claimSentences()))) {
		if !found[name] {
			t.Errorf("docs/claims.md does not say where %s is tested", name)
		}
	}
}

// What README and the documentation of package pool show is compiled: every line of their Go stands in
// an example of the driver.
func TestTidyTheCodeOfREADMEIsCompiled(t *testing.T) {
	readme, doc := document(t, "README.md"), document(t, "pool/doc.go")
	example := document(t, "pool/chrome/example_test.go")
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

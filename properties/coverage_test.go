package properties

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// unexplored are the functions of the core of which the explorations leave a statement out, and
// why.
var unexplored = map[string]string{
	"Clone":         "searches copy with CopyFrom",
	"closed":        "the close of a tab that nobody closes is what only a browser that lies says",
	"killSilent":    "a deadline that is not armed does not come",
	"markOverdue":   "the same",
	"contextSilent": "the same",
	"openFailed":    "no opening is answered twice in the scenarios that have it fail",
	"closeFailed": "a page that opens after its CloseTimeout and does not close: four faults, " +
		"regressions/late-page-is-killed",
	"closeRequested": "nobody closes a pool twice in a scenario; the shell's tests do",
	"cannotNavigate": "every holder in a scenario navigates",
}

// everyStatement looks, in the coverage data of the explorations, for statements that decide
// something and that none has gone through.
func everyStatement(t *testing.T, data string) {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "profile")
	command(t, "", "go", "tool", "covdata", "textfmt", "-i="+data, "-o="+profile)
	left := map[string]bool{}
	for at := range missed(t, profile) {
		fn := deciding(t, at)
		if fn == "" {
			continue
		}
		left[fn] = true
		if unexplored[fn] == "" {
			t.Errorf("%s: no exploration goes through this statement of %s", at, fn)
		}
	}
	for fn := range unexplored {
		if !left[fn] {
			t.Errorf("%s is gone through entirely; take it off the list", fn)
		}
	}
}

// missed are the statements, as file:line, that a profile has seen no one go through.
func missed(t *testing.T, profile string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		block, count, _ := strings.Cut(s.Text(), " ")
		name, place, ok := strings.Cut(block, ":")
		if dir, file := filepath.Split(name); ok && dir == module+"/pool/core/" &&
			strings.HasSuffix(count, " 0") {
			line, _, _ := strings.Cut(place, ".")
			found[file+":"+line] = true
		}
	}
	return found
}

// deciding is the function that a place belongs to, where it is one of those that decide, and not
// one that checks, prints or shows.
func deciding(t *testing.T, at string) string {
	t.Helper()
	file, number, _ := strings.Cut(at, ":")
	line, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	decides := "admit browser calls close context core deadline grow heap lease order phase place " +
		"probe retire session supply tabs"
	if !strings.Contains(" "+decides+" ", " "+strings.TrimSuffix(file, ".go")+" ") {
		return ""
	}
	for _, f := range goFiles(t) {
		if f.path != "pool/core/"+file {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			within := func(p, q token.Pos) bool {
				return f.files.Position(p).Line <= line && line <= f.files.Position(q).Line
			}
			if ok && within(fn.Pos(), fn.End()) {
				return fn.Name.Name
			}
		}
	}
	return fmt.Sprintf("no function (%s)", at)
}

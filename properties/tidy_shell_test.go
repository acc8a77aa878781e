package properties

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
)

// shellBranches are the functions of package pool that branch on what the core knows, and why they
// may. The core decides; the shell carries out.
var shellBranches = map[string]string{
	"fire":           "it feeds the deadlines that are due, in the core's order",
	"stats":          "it counts for a report",
	"happenedLocked": "it forgets the names of what the core has taken off its books",
	"checkLocked":    "it compares its books with the core's, and reports a bug",
}

// browserBranches are those that branch on what the driver has said of a browser, and why they may.
var browserBranches = map[string]string{
	"launchLocked":       "the core has asked for the end of a browser that comes only now",
	"watchLocked":        "it waits for news of the browser's end",
	"browserLostLocked":  "it tells the core once, and not of a browser that is asked to end",
	"browserGoneLocked":  "an end that was asked for has another line in the log",
	"measureLocked":      "it measures none that is asked to end",
	"endBrowserLocked":   "a failed close of a browser that is gone is no trouble, and has no line",
	"hearBrowser":        "it waits for news of the browser's end",
	"browserFirstLocked": "it passes on such news before news of a tab",
	"whyLost":            "it is a text",
}

// Who decides on pool state outside the core decides where no search looks.
func TestTidyTheShellBranchesOnTheCoreOnlyWhereListed(t *testing.T) {
	branchOnlyWhereListed(t, "what the core knows", shellBranches, asksCore)
}

// The core hears of a browser's loss, and decides what follows.
func TestTidyTheShellBranchesOnABrowsersLossOnlyWhereListed(t *testing.T) {
	branchOnlyWhereListed(t, "what the driver says of a browser", browserBranches, asksBrowser)
}

// The two would see what they are to see.
func TestTidyABranchOfTheShellIsSeen(t *testing.T) {
	for _, c := range []struct {
		code          string
		core, browser bool
	}{
		{"if t.browser.losing() { l.tellLocked(ErrBrowserLost) }", false, true},
		{"if known || t.browser.losing() { return }", false, true},
		{"dying := b.losing(); if dying { return }", false, true},
		{"if closed(b.lost) { return }", false, true},
		{"switch { case b.gone(): f() }", false, true},
		{"select { case <-t.browser.lost: f() }", false, true},
		{"select { case <-d.done: f() }", false, false},
		{"if p.mu.core.Closing() { return }", true, false},
		{"n := p.mu.core.Alive(); for n > 0 { f() }", true, false},
		{"p.stepLocked(e); b.end(cause)", false, false},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package pool\nfunc f() {"+c.code+"}", 0)
		if err != nil {
			t.Fatal(err)
		}
		body := file.Decls[0].(*ast.FuncDecl).Body
		if core, browser := branchesOn(body, asksCore), branchesOn(body, asksBrowser); core != c.core ||
			browser != c.browser {
			t.Errorf("%s branches on the core: %v, on a browser: %v", c.code, core, browser)
		}
	}
}

func branchOnlyWhereListed(t *testing.T, what string, listed map[string]string,
	asks func(ast.Node) bool) {
	t.Helper()
	found := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test || !strings.HasPrefix(f.path, "pool/") || f.syntax.Name.Name != "pool" {
			continue
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil && branchesOn(fn.Body, asks) {
				found[fn.Name.Name] = true
				if listed[fn.Name.Name] == "" {
					t.Errorf("%s: %s branches on %s; let the core decide, or list it with a reason",
						f.files.Position(fn.Pos()), fn.Name.Name, what)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if !found[name] {
			t.Errorf("%s is listed, and does not branch on %s", name, what)
		}
	}
}

// asksCore says whether a node is the core.
func asksCore(n ast.Node) bool {
	s, ok := n.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "core" {
		return false
	}
	mu, ok := s.X.(*ast.SelectorExpr)
	return ok && mu.Sel.Name == "mu"
}

// asksBrowser says whether a node is what the driver, or the core, has said of a browser, which is
// b, or the browser of a tab or a context.
func asksBrowser(n ast.Node) bool {
	s, ok := n.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"done", "lost", "ended", "unwanted", "told", "gone",
		"losing"}, s.Sel.Name) {
		return false
	}
	switch of := s.X.(type) {
	case *ast.Ident:
		return of.Name == "b"
	case *ast.SelectorExpr:
		return of.Sel.Name == "browser"
	}
	return false
}

// branchesOn says whether a condition, or what a select waits for, is something that is asked for,
// or a variable that was set from it.
func branchesOn(body *ast.BlockStmt, asks func(ast.Node) bool) bool {
	known := map[string]bool{}
	names := func(e ast.Node) (yes bool) {
		if e == nil {
			return false
		}
		ast.Inspect(e, func(n ast.Node) bool {
			yes = yes || n != nil && asks(n)
			if id, ok := n.(*ast.Ident); ok {
				yes = yes || known[id.Name]
			}
			return !yes
		})
		return yes
	}
	ast.Inspect(body, func(n ast.Node) bool {
		set, ok := n.(*ast.AssignStmt)
		if !ok || !slices.ContainsFunc(set.Rhs, func(e ast.Expr) bool { return names(e) }) {
			return true
		}
		for _, to := range set.Lhs {
			if id, ok := to.(*ast.Ident); ok && id.Name != "_" {
				known[id.Name] = true
			}
		}
		return true
	})
	branches := false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			branches = branches || names(n.Cond)
		case *ast.ForStmt:
			branches = branches || n.Cond != nil && names(n.Cond)
		case *ast.SwitchStmt:
			branches = branches || n.Tag != nil && names(n.Tag)
		case *ast.CaseClause:
			for _, e := range n.List {
				branches = branches || names(e)
			}
		case *ast.CommClause:
			branches = branches || n.Comm != nil && names(n.Comm)
		}
		return !branches
	})
	return branches
}

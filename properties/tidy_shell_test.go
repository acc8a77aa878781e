package properties

import (
	"go/ast"
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

// Who decides on pool state outside the core decides where no search looks.
func TestTidyTheShellBranchesOnTheCoreOnlyWhereListed(t *testing.T) {
	found := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test || !strings.HasPrefix(f.path, "pool/") || f.syntax.Name.Name != "pool" {
			continue
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil && branchesOnCore(fn.Body) {
				found[fn.Name.Name] = true
				if shellBranches[fn.Name.Name] == "" {
					t.Errorf("%s: %s branches on what the core knows; let the core decide, or list it with a "+
						"reason",
						f.files.Position(fn.Pos()), fn.Name.Name)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(shellBranches)) {
		if !found[name] {
			t.Errorf("%s is listed, and branches on nothing that the core knows", name)
		}
	}
}

// branchesOnCore says whether a condition names the core, or a variable that was set from it.
func branchesOnCore(body *ast.BlockStmt) bool {
	known := map[string]bool{}
	names := func(e ast.Node) (yes bool) {
		if e == nil {
			return false
		}
		ast.Inspect(e, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				mu, ok := n.X.(*ast.SelectorExpr)
				yes = yes || ok && n.Sel.Name == "core" && mu.Sel.Name == "mu"
			case *ast.Ident:
				yes = yes || known[n.Name]
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
		}
		return !branches
	})
	return branches
}

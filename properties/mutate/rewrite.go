package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ast/astutil"
)

// switches is added to the core: each mutant asks whether it is the one that is on.
const switches = `package core

import "time"

type mutantDuration = time.Duration

var mutant, mutantHits, mutantLimit int

// SelectMutant switches a mutant on, 0 none, and counts from here on how often its place is reached.
func SelectMutant(n, limit int) { mutant, mutantHits, mutantLimit = n, 0, limit }

func MutantHits() int { return mutantHits }

func mutated(n int) bool { return n == mutant && mutantHit() }

func mutantHit() bool {
	if mutantHits++; mutantHits > mutantLimit {
		panic("mutant: an endless loop")
	}
	return true
}

type mutantInteger interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func mutantNot(n int, b bool) bool { return b != mutated(n) }

func mutantAdd[T mutantInteger](n, by int, v T) T {
	if mutated(n) {
		return v + T(by)
	}
	return v
}

func mutantCase[T ~uint8](n int, v T) T {
	if mutated(n) {
		return ^T(0)
	}
	return v
}

func mutantPlus[T mutantInteger](n int, a, b T) T {
	if mutated(n) {
		return a - b
	}
	return a + b
}

func mutantMinus[T mutantInteger](n int, a, b T) T {
	if mutated(n) {
		return a + b
	}
	return a - b
}

func mutantLess[T mutantInteger](n int, a, b T) bool {
	if mutated(n) {
		return a <= b
	}
	return a < b
}

func mutantAtMost[T mutantInteger](n int, a, b T) bool {
	if mutated(n) {
		return a < b
	}
	return a <= b
}
`

// hooks is added to the judge, so that it can select mutants.
const hooks = `package main

import "github.com/pagepool/pagepool/pool/core"

func init() { selectMutant, hits = core.SelectMutant, core.MutantHits }
`

// walkHooks is added to the tests of the core, so that their walk can select a mutant.
const walkHooks = `package core

import (
	"os"
	"strconv"
)

func init() {
	n, _ := strconv.Atoi(os.Getenv("` + mutantVariable + `"))
	SelectMutant(n, 1_000_000_000)
}
`

// mutantVariable tells the walk which mutant is on.
const mutantVariable = "PAGEPOOL_MUTANT"

// rewrite puts every mutant into the source, switched off, and returns the files that differ.
func (s *source) rewrite() (map[string][]byte, error) {
	at := map[ast.Node][]*Mutant{}
	for _, m := range s.list {
		at[m.node] = append(at[m.node], m)
	}
	for _, mutants := range at {
		slices.SortStableFunc(mutants, func(m, o *Mutant) int {
			return cmp.Compare(m.outer(), o.outer())
		})
	}
	changed := map[string][]byte{}
	for _, file := range s.asts {
		name := s.files.Position(file.Package).Filename
		done := 0
		astutil.Apply(file, nil, func(c *astutil.Cursor) bool {
			node := c.Node()
			for _, m := range at[node] {
				done++
				node = s.put(c, m, node)
			}
			if node != c.Node() {
				c.Replace(node)
			}
			return true
		})
		if done == 0 {
			continue
		}
		file.Comments = nil
		var b bytes.Buffer
		if err := format.Node(&b, s.files, file); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		changed[name] = b.Bytes()
	}
	return changed, nil
}

func call(function string, arguments ...ast.Expr) ast.Expr {
	return &ast.CallExpr{Fun: ast.NewIdent(function), Args: arguments}
}

func number(n int) ast.Expr {
	return &ast.BasicLit{Kind: token.INT, Value: strconv.Itoa(n)}
}

// unless runs a statement where a mutant is off, and otherwise another, or none.
func unless(m *Mutant, stmt, other ast.Stmt) ast.Stmt {
	branch := &ast.IfStmt{
		Cond: &ast.UnaryExpr{Op: token.NOT, X: call("mutated", number(m.Number))},
		Body: &ast.BlockStmt{List: []ast.Stmt{stmt}},
	}
	if other != nil {
		branch.Else = &ast.BlockStmt{List: []ast.Stmt{other}}
	}
	return branch
}

// returns leaves a function where a mutant is on, with zeros.
func returns(m *Mutant, results *ast.FieldList) ast.Stmt {
	leave := &ast.ReturnStmt{}
	if results == nil {
		results = &ast.FieldList{}
	}
	for _, field := range results.List {
		for range max(1, len(field.Names)) {
			leave.Results = append(leave.Results, &ast.StarExpr{X: call("new", field.Type)})
		}
	}
	return &ast.IfStmt{Cond: call("mutated", number(m.Number)),
		Body: &ast.BlockStmt{List: []ast.Stmt{leave}}}
}

// outer says which of two mutants of one node is rewritten around the other: what looks into the
// node is inside.
func (m *Mutant) outer() int {
	if m.apply == boundary || m.apply == swap {
		return 0
	}
	return 1
}

// put returns what stands in place of the node under the cursor, of which others may have made
// something else already.
func (s *source) put(c *astutil.Cursor, m *Mutant, is ast.Node) ast.Node {
	n := number(m.Number)
	switch m.apply {
	case negate:
		return call("mutantNot", n, is.(ast.Expr))
	case plusOne:
		return call("mutantAdd", n, number(1), s.typed(m, is))
	case minusOne:
		return call("mutantAdd", n, number(-1), s.typed(m, is))
	case noCase:
		return call("mutantCase", n, is.(ast.Expr))
	case boundary:
		b := m.node.(*ast.BinaryExpr)
		switch b.Op {
		case token.LSS:
			return call("mutantLess", n, b.X, b.Y)
		case token.LEQ:
			return call("mutantAtMost", n, b.X, b.Y)
		case token.GTR:
			return call("mutantLess", n, b.Y, b.X)
		}
		return call("mutantAtMost", n, b.Y, b.X)
	case swap:
		return swapped(m)
	case drop:
		return unless(m, is.(ast.Stmt), nil)
	case dropInit:
		branch := m.node.(*ast.IfStmt)
		c.InsertBefore(unless(m, branch.Init, nil))
		branch.Init = nil
	case enter:
		fn := m.node.(*ast.FuncDecl)
		fn.Body.List = append([]ast.Stmt{returns(m, fn.Type.Results)}, fn.Body.List...)
	case leave:
		c.InsertBefore(returns(m, nil))
	}
	return is
}

// typed gives a constant the type that it has where it stands.
func (s *source) typed(m *Mutant, is ast.Node) ast.Expr {
	if is != m.node {
		return is.(ast.Expr)
	}
	t := s.info.Types[m.node.(ast.Expr)].Type
	return call(strings.ReplaceAll(types.TypeString(t, func(p *types.Package) string {
		if p == s.pkg {
			return ""
		}
		return "mutant" // it stands in the file of the switches
	}), ".", ""), is.(ast.Expr))
}

func swapped(m *Mutant) ast.Node {
	switch x := m.node.(type) {
	case *ast.IncDecStmt:
		return unless(m, x, &ast.IncDecStmt{X: x.X, Tok: token.INC + token.DEC - x.Tok})
	case *ast.AssignStmt:
		return unless(m, x, &ast.AssignStmt{Lhs: x.Lhs, Rhs: x.Rhs,
			Tok: token.ADD_ASSIGN + token.SUB_ASSIGN - x.Tok})
	default:
		b := x.(*ast.BinaryExpr)
		function := map[token.Token]string{token.ADD: "mutantPlus", token.SUB: "mutantMinus"}[b.Op]
		return call(function, number(m.Number), b.X, b.Y)
	}
}

const judgeRoom = "properties/mutate/judge"

// build compiles the judge, and the walk of the core's own tests, with every mutant in them.
func (s *source) build(dir string) (judge, walk string, err error) {
	changed, err := s.rewrite()
	if err != nil {
		return "", "", err
	}
	changed[core+"/mutants.go"] = []byte(switches)
	changed[core+"/mutants_test.go"] = []byte(walkHooks)
	changed[judgeRoom+"/hooks.go"] = []byte(hooks)
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range changed {
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return "", "", err
		}
		overlay.Replace[filepath.Join(s.root, filepath.FromSlash(name))] = path
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		return "", "", err
	}
	judge, walk = filepath.Join(dir, "judge.exe"), filepath.Join(dir, "walk.exe")
	for _, arguments := range [][]string{
		{"build", "-overlay", file, "-o", judge, "./" + judgeRoom},
		{"test", "-c", "-overlay", file, "-o", walk, "./" + core},
	} {
		build := exec.Command("go", arguments...)
		build.Dir = s.root
		if out, err := build.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("the mutants do not compile: %w\n%s", err, out)
		}
	}
	return judge, walk, nil
}

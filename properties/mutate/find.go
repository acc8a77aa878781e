package main

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mutant is one small change to the production code. Its function, its operator and the syntax that
// it changes identify it, and not its place: every edit of the code moves lines and changes layout.
type Mutant struct {
	Number   int
	File     string // from the root, with slashes
	Line     int
	Function string // State.place
	Operator string
	// what it changes: an expression, a statement, or a constant "in" what is around it
	Syntax string
	Before string // the source lines that it changes, as one
	After  string
	Again  int // how many mutants before this one have the same function, operator and syntax

	node  ast.Node
	apply int // one of the ways below
}

// Key is what the list of accepted survivors calls a mutant.
func (m *Mutant) Key() string {
	key := fmt.Sprintf("%s %s: %s", m.Function, m.Operator, m.Syntax)
	if m.Again > 0 {
		key += fmt.Sprintf(" (%d)", m.Again+1)
	}
	return key
}

// The ways in which a mutant's node is rewritten.
const (
	negate   = iota + 1 // a condition
	boundary            // < and <=, > and >=
	swap                // + and -, += and -=, ++ and --
	plusOne             // an integer constant
	minusOne            //
	noCase              // a value of a switch never matches
	drop                // a statement
	dropInit            // the statement before an if's condition
	enter               // a function returns at once
	leave               // a function returns before this statement
)

// source is the parsed and type-checked core.
type source struct {
	root  string
	files *token.FileSet
	asts  []*ast.File
	texts map[string][]byte // by path from the root
	info  *types.Info
	pkg   *types.Package
	list  []*Mutant
	seen  map[string]int
}

const core = "pool/core"

// decidesNothing are the files whose code is no decision, by how their names begin, and why.
var decidesNothing = map[string]string{
	"books":   "compares the index with the facts",
	"check":   "looks whether a state contradicts itself",
	"inspect": "shows the state to whoever looks on",
	"names":   "calls states, ways and reasons by their names",
	"owed":    "shows what is not answered to a search that begins at a recorded state",
	"restore": "looks whether the facts of a dump go together",
}

func decides(file string) bool {
	for beginning := range decidesNothing {
		if strings.HasPrefix(filepath.Base(file), beginning) {
			return false
		}
	}
	return true
}

// copiesOrShows are the functions of deciding files that decide nothing. Of settings.go only
// Ceiling is asked by a step: the rest is what New refuses, and has table tests of its own.
func copiesOrShows(file, function string) bool {
	switch function {
	case "State.Clone", "State.CopyFrom", "Facts.CopyFrom", "index.copyFrom", "table.copyFrom",
		"Waits.Total", "Time.Duration":
		return true
	}
	return file == "settings.go" && function != "Settings.Ceiling"
}

// load parses and checks the core of the repository at root.
func load(root string) (*source, error) {
	s := &source{root: root, files: token.NewFileSet(), texts: map[string][]byte{},
		seen: map[string]int{}}
	s.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	paths, err := filepath.Glob(filepath.Join(root, core, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name := core + "/" + filepath.Base(path)
		file, err := parser.ParseFile(s.files, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.texts[name], s.asts = text, append(s.asts, file)
	}
	if len(s.asts) == 0 {
		return nil, fmt.Errorf("no Go files in %s; run this from the root of the repository",
			filepath.Join(root, core))
	}
	check := types.Config{Importer: importer.ForCompiler(s.files, "source", nil)}
	s.pkg, err = check.Check("core", s.files, s.asts, s.info)
	return s, err
}

// find lists every mutant, in the order of the source.
func (s *source) find() []*Mutant {
	for _, file := range s.asts {
		name := s.files.Position(file.Pos()).Filename
		if !decides(name) {
			continue
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil &&
				!copiesOrShows(filepath.Base(name), functionName(fn)) {
				f := &finder{source: s, file: name, function: functionName(fn), negated: map[ast.Expr]bool{}}
				f.find(fn)
			}
		}
	}
	return s.list
}

func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	return types.ExprString(t) + "." + fn.Name.Name
}

// finder lists the mutants of one function.
type finder struct {
	*source
	file, function string
	void           bool              // the function returns nothing
	negated        map[ast.Expr]bool // conditions that were met
}

// add notes a mutant of some syntax that replaces what stands from one position to another.
func (f *finder) add(
	node ast.Node, apply int, operator, syntax string, from, to token.Pos, by string,
) {
	text := f.texts[f.file]
	start, end := f.files.Position(from).Offset, f.files.Position(to).Offset
	first, last := start, end
	for first > 0 && text[first-1] != '\n' {
		first--
	}
	for last < len(text) && text[last] != '\n' {
		last++
	}
	m := &Mutant{
		Number: len(f.list) + 1, File: f.file, Function: f.function, Operator: operator, Syntax: syntax,
		node: node, apply: apply,
		Line:   f.files.Position(from).Line,
		Before: oneLine(string(text[first:last])),
		After:  oneLine(string(text[first:start]) + by + string(text[end:last])),
	}
	key := m.Key()
	m.Again = f.seen[key]
	f.seen[key]++
	f.list = append(f.list, m)
}

// oneLine is source text without its layout and its trailing comment.
func oneLine(text string) string {
	if !strings.Contains(text, "\n") {
		text, _, _ = strings.Cut(text, " // ")
	}
	return strings.Join(strings.Fields(text), " ")
}

func (f *finder) text(n ast.Node) string {
	return string(f.texts[f.file][f.files.Position(n.Pos()).Offset:f.files.Position(n.End()).Offset])
}

// printed returns syntax on one line, whatever its layout, without comments and function bodies.
func printed(n ast.Node) string {
	bodies := map[*ast.FuncLit]*ast.BlockStmt{}
	ast.Inspect(n, func(n ast.Node) bool {
		if fn, ok := n.(*ast.FuncLit); ok {
			bodies[fn], fn.Body = fn.Body, &ast.BlockStmt{}
		}
		return true
	})
	defer func() {
		for fn, body := range bodies {
			fn.Body = body
		}
	}()
	var text strings.Builder
	if err := format.Node(&text, token.NewFileSet(), n); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

// header returns a statement without its body; nothing if it is none that has one.
func header(stmt ast.Stmt) string {
	none := &ast.BlockStmt{}
	switch n := stmt.(type) {
	case *ast.IfStmt:
		stmt = &ast.IfStmt{Init: n.Init, Cond: n.Cond, Body: none}
	case *ast.ForStmt:
		stmt = &ast.ForStmt{Init: n.Init, Cond: n.Cond, Post: n.Post, Body: none}
	case *ast.RangeStmt:
		stmt = &ast.RangeStmt{Key: n.Key, Value: n.Value, Tok: n.Tok, X: n.X, Body: none}
	case *ast.SwitchStmt:
		stmt = &ast.SwitchStmt{Init: n.Init, Tag: n.Tag, Body: none}
	default:
		return ""
	}
	return strings.TrimSuffix(printed(stmt), " { }")
}

// around returns the innermost expression or simple statement that contains a constant: it tells
// the constant from others.
func around(parents []ast.Node) string {
	for i := len(parents) - 1; i >= 0; i-- {
		switch n := parents[i].(type) {
		case *ast.UnaryExpr, *ast.ParenExpr, *ast.KeyValueExpr:
		case *ast.BinaryExpr, *ast.CallExpr, *ast.IndexExpr, *ast.SliceExpr, *ast.CompositeLit,
			*ast.AssignStmt, *ast.ReturnStmt, *ast.IncDecStmt, *ast.ValueSpec:
			return " in " + printed(n)
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt:
			return " in " + header(n.(ast.Stmt))
		default:
			return ""
		}
	}
	return ""
}

func (f *finder) replace(n ast.Node, apply int, operator, by string) {
	f.add(n, apply, operator, printed(n), n.Pos(), n.End(), by)
}

func (f *finder) find(fn *ast.FuncDecl) {
	f.add(fn, enter, "return-early", "at once", fn.Body.Lbrace+1, fn.Body.Lbrace+1, " return")
	if f.void = fn.Type.Results == nil; f.void {
		for i, stmt := range fn.Body.List {
			if head := header(stmt); head != "" && i > 0 {
				f.add(stmt, leave, "return-early", "before "+head, stmt.Pos(), stmt.Pos(), "return; ")
			}
		}
	}
	f.walk(fn.Body)
}

// walk visits what may be changed; parents stands for what is around.
func (f *finder) walk(n ast.Node) {
	var parents []ast.Node
	ast.Inspect(n, func(n ast.Node) bool {
		if n == nil {
			parents = parents[:len(parents)-1]
			return true
		}
		f.visit(n, parents)
		parents = append(parents, n)
		return true
	})
}

func (f *finder) visit(n ast.Node, parents []ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.condition(n.Cond)
		if droppable(n.Init) && inList(n, parents) {
			f.replace(n.Init, dropInit, "drop-statement", "")
			f.list[len(f.list)-1].node = n
		}
	case *ast.ForStmt:
		f.condition(n.Cond)
	case *ast.SwitchStmt:
		for _, c := range n.Body.List {
			for _, e := range c.(*ast.CaseClause).List {
				if n.Tag == nil {
					f.condition(e)
				} else {
					f.replace(e, noCase, "no-case", "never")
				}
			}
		}
	case *ast.BlockStmt:
		f.statements(n.List, append(parents, n))
	case *ast.CaseClause:
		f.statements(n.Body, append(parents, n))
	case *ast.ReturnStmt:
		for _, e := range n.Results {
			if f.isBool(e) {
				f.condition(e)
			}
		}
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.UnaryExpr:
		if _, literal := n.X.(*ast.BasicLit); literal && (n.Op == token.SUB || n.Op == token.ADD) {
			f.constant(n, parents)
		}
	case *ast.BasicLit:
		if u, ok := parents[len(parents)-1].(*ast.UnaryExpr); !ok || u.X != n {
			f.constant(n, parents)
		}
	case *ast.Ident:
		if c, ok := f.info.Uses[n].(*types.Const); ok &&
			types.Identical(c.Type(), types.Typ[types.UntypedInt]) {
			f.constant(n, parents)
		}
	}
}

// condition negates one; each only once.
func (f *finder) condition(e ast.Expr) {
	if e == nil || f.negated[e] || !f.isBool(e) {
		return
	}
	f.negated[e] = true
	b, ok := e.(*ast.BinaryExpr)
	switch {
	case ok && b.Op == token.EQL:
		f.add(e, negate, "negate", printed(e), b.OpPos, b.OpPos+2, "!=")
	case ok && b.Op == token.NEQ:
		f.add(e, negate, "negate", printed(e), b.OpPos, b.OpPos+2, "==")
	default:
		f.replace(e, negate, "negate", "!("+f.text(e)+")")
	}
}

func (f *finder) isBool(e ast.Expr) bool {
	t := f.info.Types[e].Type
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

func (f *finder) binary(n *ast.BinaryExpr) {
	if f.info.Types[n].Value != nil {
		return // the compiler folds it
	}
	other := map[token.Token]token.Token{
		token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
		token.ADD: token.SUB, token.SUB: token.ADD,
	}[n.Op]
	switch n.Op {
	case token.LAND, token.LOR:
		f.condition(n.X)
		f.condition(n.Y)
	case token.EQL, token.NEQ:
		f.condition(n)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		end := n.OpPos + token.Pos(len(n.Op.String()))
		f.add(n, boundary, "off-by-one", printed(n), n.OpPos, end, other.String())
	case token.ADD, token.SUB:
		if b, ok := f.info.Types[n].Type.Underlying().(*types.Basic); ok &&
			b.Info()&types.IsInteger != 0 {
			f.add(n, swap, "swap", printed(n), n.OpPos, n.OpPos+1, other.String())
		}
	}
}

// constant shifts an integer one up and one down, where its type is known.
func (f *finder) constant(e ast.Expr, parents []ast.Node) {
	t := f.info.Types[e]
	b, ok := types.Typ[types.Invalid], false
	if t.Type != nil {
		b, ok = t.Type.Underlying().(*types.Basic)
	}
	if !ok || b.Info()&types.IsInteger == 0 || b.Info()&types.IsUntyped != 0 || t.Value == nil {
		return
	}
	text := f.text(e)
	syntax := printed(e) + around(parents)
	f.add(e, plusOne, "plus-one", syntax, e.Pos(), e.End(), text+"+1")
	f.add(e, minusOne, "minus-one", syntax, e.Pos(), e.End(), text+"-1")
}

// droppable says whether a statement has an effect, and can be left out.
func droppable(stmt ast.Stmt) bool {
	switch stmt := stmt.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt:
		return true
	case *ast.AssignStmt:
		return stmt.Tok != token.DEFINE
	case *ast.BranchStmt:
		return stmt.Tok != token.FALLTHROUGH
	}
	return false
}

func inList(n ast.Stmt, parents []ast.Node) bool {
	switch p := parents[len(parents)-1].(type) {
	case *ast.BlockStmt:
		return slices.Contains(p.List, n)
	case *ast.CaseClause:
		return slices.Contains(p.Body, n)
	}
	return false
}

// statements drops each of a list, and turns ++ into -- and += into -=.
func (f *finder) statements(list []ast.Stmt, parents []ast.Node) {
	for _, stmt := range list {
		if _, returns := stmt.(*ast.ReturnStmt); droppable(stmt) || returns && f.goesOn(parents) {
			f.replace(stmt, drop, "drop-statement", "")
		}
		switch stmt := stmt.(type) {
		case *ast.IncDecStmt:
			by := map[token.Token]string{token.INC: "--", token.DEC: "++"}[stmt.Tok]
			f.add(stmt, swap, "swap", printed(stmt), stmt.TokPos, stmt.TokPos+2, by)
		case *ast.AssignStmt:
			if by := map[token.Token]string{token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+="}[stmt.Tok]; by !=
				"" {
				f.add(stmt, swap, "swap", printed(stmt), stmt.TokPos, stmt.TokPos+2, by)
			}
		}
	}
}

// goesOn says whether the function compiles without a return in the innermost of these blocks:
// there is nothing to return, or the block is that of an if, after which something follows.
func (f *finder) goesOn(parents []ast.Node) bool {
	literal := slices.ContainsFunc(parents, func(n ast.Node) bool {
		_, is := n.(*ast.FuncLit)
		return is
	})
	if f.void && !literal {
		return true
	}
	if len(parents) < 3 {
		return false
	}
	branch, ok := parents[len(parents)-2].(*ast.IfStmt)
	return ok && branch.Else == nil && inList(branch, parents[:len(parents)-2])
}

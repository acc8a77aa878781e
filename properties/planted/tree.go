package planted

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Tree is the production code of a repository, which bugs are planted in.
type Tree struct {
	root     string
	packages map[string]map[string][]*decl // by path from the root, and by name
	texts    map[string]string             // by path from the root

	files    *gotoken.FileSet     // of what Compiles checks
	bare     map[string]*ast.File // by path from the root: unchanged files without function bodies
	importer types.Importer
}

// decl is a declaration of a package at its top.
type decl struct {
	file, pkg, name string
	start, end      int // bytes in the file
	body            int // behind the brace that opens the body of a function; otherwise 0
	lexemes         []lexeme
}

// NewTree returns the code of the repository at root. Packages are read when a bug names them.
func NewTree(root string) *Tree {
	return &Tree{root: root, packages: map[string]map[string][]*decl{}, texts: map[string]string{}}
}

// load reads a package.
func (t *Tree) load(pkg string) (map[string][]*decl, error) {
	if known, ok := t.packages[pkg]; ok {
		return known, nil
	}
	paths, err := filepath.Glob(filepath.Join(t.root, pkg, "*.go"))
	if err != nil {
		return nil, err
	}
	decls := map[string][]*decl{}
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		file := path.Join(pkg, filepath.Base(p))
		t.texts[file] = string(text)
		found, err := declarations(file, string(text))
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			decls[d.name] = append(decls[d.name], d)
		}
	}
	t.packages[pkg] = decls
	return decls, nil
}

// declarations returns the functions, types, variables and constants of a file.
func declarations(file, text string) (list []*decl, err error) {
	files := gotoken.NewFileSet()
	syntax, err := parser.ParseFile(files, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	add := func(name string, n ast.Node, body int) {
		d := &decl{file: file, pkg: path.Dir(file), name: name, body: body}
		d.start, d.end = files.Position(n.Pos()).Offset, files.Position(n.End()).Offset
		d.lexemes = lex(text[d.start:d.end])
		for i := range d.lexemes {
			d.lexemes[i].start += d.start
			d.lexemes[i].end += d.start
		}
		list = append(list, d)
	}
	for _, d := range syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			body := 0
			if d.Body != nil {
				body = files.Position(d.Body.Lbrace).Offset + 1
			}
			add(functionName(d), d, body)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Name.Name, spec, 0)
				case *ast.ValueSpec:
					add(spec.Names[0].Name, spec, 0)
				}
			}
		}
	}
	return list, nil
}

// functionName names a function as (*State).place, Time.Duration or newState; type parameters are
// left out.
func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	receiver, format := fn.Recv.List[0].Type, "%s.%s"
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver, format = star.X, "(*%s).%s"
	}
	switch generic := receiver.(type) {
	case *ast.IndexExpr:
		receiver = generic.X
	case *ast.IndexListExpr:
		receiver = generic.X
	}
	return fmt.Sprintf(format, receiver.(*ast.Ident).Name, fn.Name.Name)
}

// named returns the one declaration that an edit names.
func (t *Tree) named(e *Edit) (*decl, error) {
	decls, err := t.load(e.Package)
	if err != nil {
		return nil, err
	}
	switch found := decls[e.Decl]; len(found) {
	case 0:
		return nil, fmt.Errorf("%s declares no %s", e.Package, e.Decl)
	case 1:
		return found[0], nil
	default:
		return nil, fmt.Errorf("%s declares %s in %s and in %s",
			e.Package, e.Decl, found[0].file, found[1].file)
	}
}

// change replaces bytes of a file.
type change struct {
	decl       *decl
	start, end int
	text       string
}

// place finds what an edit changes. An error says what keeps it from being found.
func (t *Tree) place(e *Edit) (change, error) {
	d, err := t.named(e)
	if err != nil {
		return change{}, err
	}
	was, text := lex(e.side('-')), e.side('+')
	if len(was) == 0 {
		if d.body == 0 {
			return change{}, fmt.Errorf("%s %s has no body to begin with: keep a line of it",
				e.Package, e.Decl)
		}
		return change{d, d.body, d.body, "\n" + text}, nil
	}
	switch at := occurrences(d.lexemes, was); len(at) {
	case 0:
		return change{}, t.missing(e, d, was)
	case 1:
		return splice(d, d.lexemes[at[0]:at[0]+len(was)], was, text), nil
	default:
		return change{}, fmt.Errorf(
			"%s %s contains it %d times, at lines %d and %d: keep a line more around it\n%s",
			e.Package, e.Decl, len(at), t.line(d, at[0]), t.line(d, at[1]), indent(e.side('-')))
	}
}

// splice replaces what differs between an edit's sides in a stretch of a declaration that reads as
// the first of them.
func splice(d *decl, stretch, was []lexeme, text string) change {
	is := lex(text)
	from := 0
	for from < len(was) && from < len(is) && same(was[from], is[from]) {
		from++
	}
	wasEnd, isEnd := len(was), len(is)
	for wasEnd > from && isEnd > from && same(was[wasEnd-1], is[isEnd-1]) {
		wasEnd, isEnd = wasEnd-1, isEnd-1
	}
	c := change{decl: d}
	c.start, c.end = span(stretch, from, wasEnd)
	if from < isEnd {
		c.text = text[is[from].start:is[isEnd-1].end]
	}
	return c
}

// missing says where the text of an edit would be looked for.
func (t *Tree) missing(e *Edit, d *decl, was []lexeme) error {
	near := nearest(d.lexemes, was)
	message := fmt.Sprintf("%s %s does not contain\n%s", e.Package, e.Decl, indent(e.side('-')))
	if near.lo < near.hi {
		start, end := span(d.lexemes, near.lo, near.hi)
		message += fmt.Sprintf("\nThe nearest, %d %% alike, is at %s:%d\n%s",
			max(0, near.alike), d.file, t.line(d, near.lo), indent(t.texts[d.file][start:end]))
	}
	return errors.New(message)
}

func (t *Tree) line(d *decl, lexeme int) int {
	return 1 + strings.Count(t.texts[d.file][:d.lexemes[lexeme].start], "\n")
}

func indent(text string) string {
	return "    | " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    | ")
}

// Files returns the files with a bug in them, by their path from the root. An error says which of
// its edits do not apply, and why.
func (t *Tree) Files(b *Bug) (map[string]string, error) {
	var changes []change
	for i := range b.Edits {
		c, err := t.place(&b.Edits[i])
		if err != nil {
			return nil, fmt.Errorf("planted bug %s: %w", b.Name, err)
		}
		changes = append(changes, c)
	}
	texts, err := t.apply(changes)
	if err != nil {
		return nil, fmt.Errorf("planted bug %s: %w", b.Name, err)
	}
	return texts, nil
}

// apply makes changes to files.
func (t *Tree) apply(changes []change) (map[string]string, error) {
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.start, b.start) })
	texts, done := map[string]string{}, map[string]int{}
	for _, c := range changes {
		file := c.decl.file
		if c.start < done[file] {
			return nil, fmt.Errorf("two edits of %s %s change the same text", c.decl.pkg, c.decl.name)
		}
		texts[file] += t.texts[file][done[file]:c.start] + c.text
		done[file] = c.end
	}
	for file, end := range done {
		texts[file] += t.texts[file][end:]
	}
	return texts, nil
}

// all returns every declaration of the packages below a folder, in order.
func (t *Tree) all(folder string) (list []*decl, err error) {
	err = fs.WalkDir(os.DirFS(t.root), folder, func(p string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		decls, err := t.load(p)
		for _, name := range slices.Sorted(maps.Keys(decls)) {
			list = append(list, decls[name]...)
		}
		return err
	})
	return list, err
}

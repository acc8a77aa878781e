package planted

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	gotoken "go/token"
	"go/types"
	"maps"
	"path"
	"slices"
)

// Compiles checks the types of the declarations that a bug changes. Other functions are not looked
// at.
func (t *Tree) Compiles(b *Bug) error {
	texts, err := t.Files(b)
	if err != nil {
		return err
	}
	if t.files == nil {
		t.files, t.bare = gotoken.NewFileSet(), map[string]*ast.File{}
		t.importer = imported{importer.ForCompiler(t.files, "source", nil), map[string]*types.Package{}}
	}
	var errs []error
	for _, pkg := range slices.Sorted(maps.Keys(t.packages)) {
		changed := map[string]bool{}
		for i := range b.Edits {
			if b.Edits[i].Package == pkg {
				changed[b.Edits[i].Decl] = true
			}
		}
		if len(changed) > 0 {
			errs = append(errs, t.check(pkg, changed, texts)...)
		}
	}
	return errors.Join(errs...)
}

// check returns the errors in some declarations of a package of which some files have another text.
func (t *Tree) check(pkg string, changed map[string]bool, texts map[string]string) (errs []error) {
	var files []*ast.File
	var looked []ast.Node
	for file, text := range t.texts {
		if path.Dir(file) != pkg {
			continue
		}
		other, isChanged := texts[file]
		if isChanged {
			text = other
		} else if bare := t.bare[file]; bare != nil {
			files = append(files, bare)
			continue
		}
		syntax, err := parser.ParseFile(t.files, file, text, parser.SkipObjectResolution)
		if err != nil {
			return []error{err}
		}
		for _, d := range syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !(isChanged && changed[functionName(fn)]) {
				fn.Body = nil
			} else if isChanged {
				looked = append(looked, d)
			}
		}
		if !isChanged {
			t.bare[file] = syntax
		}
		files = append(files, syntax)
	}
	config := types.Config{Importer: t.importer, Error: func(err error) {
		wrong := new(types.Error)
		within := func(n ast.Node) bool {
			_, outside := n.(*ast.GenDecl) // an import is unused where bodies are left out
			return n.Pos() <= wrong.Pos && wrong.Pos < n.End() && !(outside && wrong.Soft)
		}
		if errors.As(err, wrong) && slices.ContainsFunc(looked, within) {
			errs = append(errs, err)
		}
	}}
	_, _ = config.Check(pkg, t.files, files, nil) // Error has them all
	return errs
}

// imported remembers what was imported: the importer looks into the folder of a package each time.
type imported struct {
	from  types.Importer
	known map[string]*types.Package
}

func (i imported) Import(path string) (pkg *types.Package, err error) {
	if i.known[path] == nil {
		i.known[path], err = i.from.Import(path)
	}
	return i.known[path], err
}

// Replant keeps the planted bugs of testdata/planted on the code that they change. It runs at the
// root of the repository.
//
//	go run ./properties/planted/replant [BUG...]      which bugs do not fit the code, and what would
//	go run ./properties/planted/replant -w [BUG...]   write what would fit; read the diff
//	go run ./properties/planted/replant -new BUG -says SENTENCE -caught 'CLAIM in SCENARIO'
//		write a bug from the uncommitted changes to pool
//	go run ./properties/planted/replant -plant BUG    write a bug into the code
//
// With -new, a bug that exists already keeps its sentence and its claim unless these are given.
// Replant ends with 1 when a bug does not fit and was not rewritten.
package main

import (
	"flag"
	"fmt"
	"go/format"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/properties/planted"
)

func main() {
	rewrite := flag.Bool("w", false, "rewrite the bugs for which there is a proposal")
	alike := flag.Int("alike", 60, "propose text that is at least so many per cent alike")
	name := flag.String("new", "", "write a bug of this name from the uncommitted changes to pool")
	says := flag.String("says", "", "with -new: what is wrong, in a sentence")
	caught := flag.String("caught", "", "with -new: the claim that catches it, as in: capacity in D-9")
	into := flag.String("plant", "", "write the bug of this name into the code")
	flag.Parse()
	left, err := 0, error(nil)
	switch {
	case *into != "":
		err = plant(os.Stdout, ".", *into)
	case *name != "":
		err = write(os.Stdout, *name, *says, *caught)
	default:
		left, err = anchor(os.Stdout, ".", flag.Args(), *alike, *rewrite)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "replant:", err)
		os.Exit(2)
	case left > 0:
		os.Exit(1)
	}
}

const folder = "testdata/planted"

func file(root, name string) string { return filepath.Join(root, folder, name+planted.Extension) }

// anchor looks at the bugs that are named, or at all, and returns how many do not fit the code
// afterwards.
func anchor(
	out io.Writer, root string, names []string, alike int, write bool,
) (left int, err error) {
	bugs, err := planted.Read(os.DirFS(filepath.Join(root, folder)))
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(bugs, func(b planted.Bug) bool { return b.Name == name }) {
			return 0, fmt.Errorf("no planted bug is called %q", name)
		}
	}
	tree, fit := planted.NewTree(root), 0
	for i := range bugs {
		b := &bugs[i]
		if len(names) > 0 && !slices.Contains(names, b.Name) {
			continue
		}
		_, wrong := tree.Files(b)
		if wrong == nil {
			if err := tree.Compiles(b); err != nil {
				left++
				fmt.Fprintf(out, "planted bug %s fits, and does not compile:\n%v\n\n", b.Name, err)
				continue
			}
			fit++
			continue
		}
		fmt.Fprintln(out, wrong)
		fresh, notes, err := tree.Reanchor(b, alike)
		if err != nil {
			left++
			if err.Error() != strings.TrimPrefix(wrong.Error(), "planted bug "+b.Name+": ") {
				fmt.Fprintf(out, "no proposal: %v\n", err)
			}
			fmt.Fprintln(out)
			continue
		}
		fmt.Fprintf(out, "proposal: %s\n", strings.Join(notes, "; "))
		for e := range fresh.Edits {
			fmt.Fprint(out, &fresh.Edits[e])
		}
		if err := tree.Compiles(fresh); err != nil {
			fmt.Fprintf(out, "which does not compile:\n%v\n", err)
		}
		fmt.Fprintln(out)
		if !write {
			left++
		} else if err := os.WriteFile(file(root, b.Name), []byte(fresh.Text()), 0o644); err != nil {
			return left, err
		}
	}
	fmt.Fprintf(out, "%d bugs fit the code and compile, %d do not\n", fit, left)
	return left, nil
}

// plant writes a bug into the code.
func plant(out io.Writer, root, name string) error {
	text, err := os.ReadFile(file(root, name))
	if err != nil {
		return fmt.Errorf("no planted bug is called %q: %w", name, err)
	}
	bug, err := planted.Parse(name, string(text))
	if err != nil {
		return err
	}
	texts, err := planted.NewTree(root).Files(bug)
	if err != nil {
		return err
	}
	changed := slices.Sorted(maps.Keys(texts))
	for _, path := range changed {
		formatted, err := format.Source([]byte(texts[path]))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, path), formatted, 0o644); err != nil {
			return err
		}
	}
	return tellHowToUndo(out, bug, changed)
}

// tellHowToUndo prints a bug that is in the code, and the command that takes it out.
func tellHowToUndo(out io.Writer, bug *planted.Bug, files []string) error {
	_, err := fmt.Fprintf(out, "%s\n%s\ntake the bug out of the code again: git checkout -- %s\n",
		file(".", bug.Name), bug.Text(), strings.Join(files, " "))
	return err
}

// write writes a bug that makes the changes of the working tree.
func write(out io.Writer, name, says, caught string) error {
	changed, err := git("diff", "--name-only", "HEAD", "--", "pool")
	if err != nil {
		return err
	}
	was, is := map[string]string{}, map[string]string{}
	var files []string
	for _, path := range strings.Fields(changed) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			continue
		}
		if was[path], err = git("show", "HEAD:"+path); err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		is[path] = string(text)
		files = append(files, path)
	}
	edits, err := planted.Edits(was, is)
	if err != nil {
		return err
	}
	if len(edits) == 0 {
		return fmt.Errorf("no declaration of pool has changed since the last commit")
	}
	bug := &planted.Bug{Name: name}
	if text, err := os.ReadFile(file(".", name)); err == nil {
		if bug, err = planted.Parse(name, string(text)); err != nil {
			return err
		}
	}
	bug.Edits = edits
	if says != "" {
		bug.Says = says
	}
	if caught != "" {
		bug.Claim, bug.Scenario, _ = strings.Cut(caught, " in ")
	}
	if _, err := planted.Parse(name, bug.Text()); err != nil {
		return fmt.Errorf("%w; -says and -caught give both", err)
	}
	if err := os.WriteFile(file(".", name), []byte(bug.Text()), 0o644); err != nil {
		return err
	}
	return tellHowToUndo(out, bug, files)
}

func git(arguments ...string) (string, error) {
	text, err := exec.Command("git", arguments...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(arguments, " "), err)
	}
	return string(text), nil
}

package properties

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shown are the documents whose console blocks are run: a line "$ COMMAND", and below it what that
// prints.
var shown = []string{"README.md", "docs/reproducing.md"}

// Each document shows what its commands print now. They run in a copy of the repository, in their
// order; with -update, what they print is written into the document.
func TestDocumentsShowWhatTheirCommandsPrint(t *testing.T) {
	t.Parallel()
	root := copyOfTheRepository(t)
	for _, path := range shown {
		was := document(t, path)
		is, commands := rerun(t, root, was)
		if commands == 0 {
			t.Errorf("%s has no console block with a command", path)
		}
		if is == was {
			continue
		}
		if *update {
			if err := os.WriteFile(filepath.Join("..", path), []byte(is), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		line, got, want := firstDifference(is, was)
		t.Errorf("%s:%d shows\n  %s\nand its commands print\n  %s\ngo test -run %s ./properties "+
			"-update writes it",
			path, line, want, got, t.Name())
	}
}

// What differs from a document is seen, but for figures of the wall.
func TestDocumentsAreComparedWithWhatIsPrinted(t *testing.T) {
	const head, foot = "Text.\n```console\n$ printf 'of virtual time in 2 s\\nb\\n'; \\\n    exit 1\n",
		"```\nMore.\n"
	was := head + "of virtual time in 9.1 s\nc\n" + foot
	is, commands := rerun(t, t.TempDir(), was)
	if want := head + "of virtual time in 9.1 s\nb\n" + foot; is != want || commands != 1 {
		t.Errorf("%d commands\n%s\nwant\n%s", commands, is, want)
	}
}

// copyOfTheRepository is what the commands may change. git has the code as it is, so that they can
// take it back.
func copyOfTheRepository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(document(t, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"cmd", "internal", "pool", "properties", "sim", "testdata"} {
		if err := os.CopyFS(filepath.Join(root, name), os.DirFS(filepath.Join("..", name))); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := printed(t, root, "git init -q . && git add pool"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return root
}

// printed is what a command prints.
func printed(t *testing.T, dir, command string) (string, error) {
	run := exec.CommandContext(t.Context(), "sh", "-c", command)
	run.Dir = dir
	out, err := run.CombinedOutput()
	return downloads.ReplaceAllString(string(out), ""), err
}

var (
	consoles  = regexp.MustCompile("(?ms)^```console\n(.*?)^```\n")
	downloads = regexp.MustCompile(`(?m)^go: downloading .*\n`)
	// wall are figures that differ from run to run: seconds of the clock on the wall, and bytes of
	// memory.
	wall = regexp.MustCompile(`of virtual time in [0-9.]+ s\b|[0-9.]+ \+ +[0-9.]+ +[0-9.]+$`)
)

// rerun is a document with what its commands print. A line that differs in figures of the wall
// alone stays.
func rerun(t *testing.T, root, text string) (anew string, commands int) {
	t.Helper()
	var out strings.Builder
	last := 0
	for _, at := range consoles.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(text[last:at[2]])
		was := strings.Split(text[at[2]:at[3]], "\n")
		var lines []string
		for i := 0; i < len(was); i++ {
			command, ok := strings.CutPrefix(was[i], "$ ")
			if !ok {
				continue
			}
			lines = append(lines, was[i])
			for ; strings.HasSuffix(command, "\\"); i++ {
				command += "\n" + was[i+1]
				lines = append(lines, was[i+1])
			}
			commands++
			prints, err := printed(t, root, command)
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				t.Fatalf("%s: %v", command, err)
			}
			if prints = strings.TrimRight(prints, "\n"); prints != "" {
				lines = append(lines, strings.Split(prints, "\n")...)
			}
		}
		for i, line := range lines {
			if i < len(was) && wall.ReplaceAllString(line, "") == wall.ReplaceAllString(was[i], "") {
				line = was[i]
			}
			fmt.Fprintln(&out, line)
		}
		last = at[3]
	}
	out.WriteString(text[last:])
	return out.String(), commands
}

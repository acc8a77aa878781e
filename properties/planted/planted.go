// Package planted reads the bugs of testdata/planted, and builds commands with one of them in the
// production code.
package planted

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pagepool/pagepool/properties/catch/look"
	"github.com/pagepool/pagepool/testdata"
)

// Bug is a mistake that can be made in the production code.
type Bug struct {
	Name  string
	Says  string // what is wrong, in a sentence
	Claim string // has to catch it; a test's name: that test has to fail
	// in which the search catches it, or the test's package; empty: histories of the shell do
	Scenario string
	Edits    []Edit
}

// Linearizable is the claim by which histories of calls catch the bugs of the shell.
const Linearizable = "linearizable"

// Extension is how the names of the files of testdata/planted end.
const Extension = ".plant"

// All returns every planted bug of the repository, by name.
func All() ([]Bug, error) {
	folder, err := fs.Sub(testdata.Files, "planted")
	if err != nil {
		return nil, err
	}
	return Read(folder)
}

// Read returns the bugs of a folder, by name.
func Read(folder fs.FS) ([]Bug, error) {
	names, err := fs.Glob(folder, "*"+Extension)
	if err != nil {
		return nil, err
	}
	var bugs []Bug
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		bug, err := Parse(strings.TrimSuffix(name, Extension), string(text))
		if err != nil {
			return nil, err
		}
		bugs = append(bugs, *bug)
	}
	return bugs, nil
}

// Command is what looks for a bug.
func (b *Bug) Command() string {
	if b.Claim == Linearizable {
		return "./properties/catch/histories"
	}
	return "./properties/catch"
}

// ByTest says whether a test catches a bug, and no claim: one of the shell that no history shows.
func (b *Bug) ByTest() bool { return strings.HasPrefix(b.Claim, "Test") }

// RunTest runs the test that has to catch a bug, with the bug in the production code of the
// repository at root. It returns what the test printed, and whether it failed.
func (b *Bug) RunTest(root, dir string) (output string, failed bool, err error) {
	binary, err := b.build(root, dir, "./"+b.Scenario, "test", "-c")
	if err != nil {
		return "", false, err
	}
	test := exec.Command(binary, "-test.run", "^"+b.Claim+"$", "-test.timeout", "1m")
	test.Dir = filepath.Join(root, b.Scenario)
	out, err := test.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(out), true, nil
	}
	return string(out), false, err
}

// Build compiles a command with the bug in the production code of the repository at root, into a
// folder.
func (b *Bug) Build(root, dir, command string) (binary string, err error) {
	return b.build(root, dir, command, "build")
}

func (b *Bug) build(root, dir, what string, verb ...string) (binary string, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return "", err
	}
	patched, err := NewTree(root).Files(b)
	if err != nil {
		return "", err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range patched {
		file := filepath.Join(dir, fmt.Sprintf("%d-%s", len(overlay.Replace), filepath.Base(name)))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(root, name)] = file
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, list, 0o600); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, filepath.Base(what)+".exe")
	build := exec.Command("go", append(verb, "-overlay", overlayFile, "-o", binary, what)...)
	build.Dir = root
	build.Env = append(os.Environ(), "GOGC=400") // a fifth less of the compiler's time
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", b.Name, err, out)
	}
	return binary, nil
}

// Run runs a build.
func Run(binary string, args ...string) (*look.Caught, error) {
	out, err := exec.Command(binary, args...).Output()
	if err != nil {
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		return nil, err
	}
	found := new(look.Caught)
	return found, json.Unmarshal(out, found)
}

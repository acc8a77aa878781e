// Package planted reads the bugs of testdata/planted, and builds commands with one of them in the production code.
package planted

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/pagepool/pagepool/properties/catch/look"
	"github.com/pagepool/pagepool/testdata"
)

// Bug is a patch on the production code.
type Bug struct {
	Name     string
	Claim    string // has to catch it
	Scenario string // in which the exhaustive search catches it; empty: it is in the shell, of which a search has none
	patch    []byte
}

// Linearizable is the claim by which histories of calls catch the bugs of the shell.
const Linearizable = "linearizable"

var caughtBy = regexp.MustCompile(`(?m)^Caught by: ([a-z-]+)(?: in ([A-Za-z0-9-]+))?$`)

// All returns every planted bug, by name.
func All() ([]Bug, error) {
	paths, err := fs.Glob(testdata.Files, "planted/*.patch")
	if err != nil {
		return nil, err
	}
	var bugs []Bug
	for _, p := range paths {
		patch, err := testdata.Files.ReadFile(p)
		if err != nil {
			return nil, err
		}
		m := caughtBy.FindSubmatch(patch)
		if m == nil {
			return nil, fmt.Errorf("%s does not say which claim catches it", p)
		}
		bugs = append(bugs, Bug{strings.TrimSuffix(path.Base(p), ".patch"), string(m[1]), string(m[2]), patch})
	}
	return bugs, nil
}

// Files are the patched files, by their path in the repository at root. It is an error where the patch does not fit.
func (b *Bug) Files(root string) (map[string][]byte, error) {
	files, _, err := gitdiff.Parse(bytes.NewReader(b.patch))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s is no patch: %v", b.Name, err)
	}
	patched := map[string][]byte{}
	for _, f := range files {
		name := strings.TrimPrefix(f.NewName, "b/")
		source, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		var text bytes.Buffer
		if err := gitdiff.Apply(&text, bytes.NewReader(source), f); err != nil {
			return nil, fmt.Errorf("%s: the code under the bug has changed, plant it anew: %w", b.Name, err)
		}
		patched[name] = text.Bytes()
	}
	return patched, nil
}

// Command is what looks for a bug.
func (b *Bug) Command() string {
	if b.Claim == Linearizable {
		return "./properties/catch/histories"
	}
	return "./properties/catch"
}

// Build compiles a command with the bug in the production code of the repository at root, into a folder.
func (b *Bug) Build(root, dir, command string) (binary string, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return "", err
	}
	patched, err := b.Files(root)
	if err != nil {
		return "", err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range patched {
		file := filepath.Join(dir, fmt.Sprintf("%d-%s", len(overlay.Replace), filepath.Base(name)))
		if err := os.WriteFile(file, text, 0o600); err != nil {
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
	binary = filepath.Join(dir, filepath.Base(command)+".exe")
	build := exec.Command("go", "build", "-overlay", overlayFile, "-o", binary, command)
	build.Dir = root
	build.Env = append(os.Environ(), "GOGC=400") // a fifth less of the compiler's time, which is most of it
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

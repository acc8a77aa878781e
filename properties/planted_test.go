package properties

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/testdata"
)

// plantedBug is one patch on the production code, and the claim that has to catch it: in a scenario
// where it names one, otherwise in seeded traffic.
type plantedBug struct {
	name, claim, scenario string
	patch                 []byte
}

var caughtBy = regexp.MustCompile(`(?m)^Caught by: ([a-z-]+)(?: in ([A-Za-z0-9-]+))?$`)

func plantedBugs(t *testing.T) []plantedBug {
	t.Helper()
	paths, err := fs.Glob(testdata.Files, "planted/*.patch")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no planted bugs: %v", err)
	}
	var bugs []plantedBug
	for _, path := range paths {
		patch, err := testdata.Files.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := caughtBy.FindSubmatch(patch)
		if m == nil {
			t.Fatalf("%s does not say which claim catches it", path)
		}
		bugs = append(bugs, plantedBug{strings.TrimSuffix(filepath.Base(path), ".patch"), string(m[1]), string(m[2]), patch})
	}
	return bugs
}

// build compiles the command catch with the bug in the production code.
func (b plantedBug) build(t *testing.T) (binary string) {
	t.Helper()
	if b.claim == "linearizable" {
		return b.buildOf(t, "./properties/catch/histories")
	}
	return b.buildOf(t, "./properties/catch")
}

// args is what the command is told.
func (b plantedBug) args() []string {
	if b.claim == "linearizable" {
		return nil
	}
	return []string{"-claim", b.claim, "-scenario", b.scenario}
}

// buildOf compiles a command with the bug in the production code.
func (b plantedBug) buildOf(t *testing.T, command string) (binary string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files, _, err := gitdiff.Parse(bytes.NewReader(b.patch))
	if err != nil || len(files) == 0 {
		t.Fatalf("not a patch: %v", err)
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, f := range files {
		name := strings.TrimPrefix(f.NewName, "b/")
		source, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		var patched bytes.Buffer
		if err := gitdiff.Apply(&patched, bytes.NewReader(source), f); err != nil {
			t.Fatalf("the code under the bug has changed, plant it anew: %v", err)
		}
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, patched.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, name)] = path
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, list, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, filepath.Base(command)+".exe")
	build := exec.Command("go", "build", "-overlay", overlayFile, "-o", binary, command)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// catch runs a build of the command catch.
func catch(t *testing.T, binary string, args ...string) (found struct {
	Default  string
	Claims   []string
	Profile  string
	Seed     uint64
	Schedule int
	What     string
}) {
	t.Helper()
	out, err := exec.Command(binary, args...).Output()
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return found
}

// toCatch are the bugs that a run looks for: a dozen, of different claims, or all of them. To compile the core anew
// takes three seconds for each, and there are more than a hundred.
func toCatch(bugs []plantedBug) []plantedBug {
	if os.Getenv("PAGEPOOL_PLANTED") == "all" {
		return bugs
	}
	taken := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(bugs), func(b plantedBug) bool {
		skip := taken[b.claim] || len(taken)%3 != 0
		taken[b.claim] = true
		return skip
	})
}

// Each planted bug passes where nothing goes wrong and nobody is preempted, so that it takes the
// search to see it, and is then caught by the claim that it names.
func TestPlantedBugsAreCaughtByName(t *testing.T) {
	bugs := plantedBugs(t)
	some := toCatch(bugs)
	t.Logf("%d of %d planted bugs; PAGEPOOL_PLANTED=all builds every one", len(some), len(bugs))
	for _, b := range some {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			found := catch(t, b.build(t), b.args()...)
			if found.Default != "" {
				t.Errorf("the default schedule breaks %s already", found.Default)
			}
			if !slices.Contains(found.Claims, b.claim) {
				t.Errorf("want %s to catch it; after %d seeds, what broke is %v", b.claim, found.Schedule, found.Claims)
			}
			t.Logf("caught after %d seeds, by seed %d of %s: %s", found.Schedule, found.Seed, found.Profile, found.What)
		})
	}
}

// All of them still fit the code, those that this run does not build included.
func TestPlantedBugsFitTheCode(t *testing.T) {
	for _, b := range plantedBugs(t) {
		files, _, err := gitdiff.Parse(bytes.NewReader(b.patch))
		if err != nil || len(files) == 0 {
			t.Errorf("%s is no patch: %v", b.name, err)
		}
		for _, f := range files {
			source, err := os.ReadFile(filepath.Join("..", strings.TrimPrefix(f.NewName, "b/")))
			if err == nil {
				err = gitdiff.Apply(new(bytes.Buffer), bytes.NewReader(source), f)
			}
			if err != nil {
				t.Errorf("%s: the code under the bug has changed, plant it anew: %v", b.name, err)
			}
		}
	}
}

func TestPlantedBugsCoverEveryInvariant(t *testing.T) {
	bugs := plantedBugs(t)
	shell := slices.DeleteFunc(slices.Clone(bugs), func(b plantedBug) bool { return b.claim != "linearizable" })
	if len(shell) < 5 {
		t.Errorf("%d bugs are caught by histories alone, want at least five", len(shell))
	}
	for _, v := range core.Invariants {
		if !slices.ContainsFunc(bugs, func(b plantedBug) bool { return b.claim == v.Name }) {
			t.Errorf("no planted bug is caught by %s, so nobody has seen it fail", v.Name)
		}
	}
}

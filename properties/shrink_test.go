package properties

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim/replay"
)

// shrunkBugs are planted bugs whose failing seeds are shrunk: the first ones in every run of the
// tests, and all of them where every planted bug is built.
var shrunkBugs = []string{
	"rescue-skipped", "lost-primary",
	"evict-before-grant", "nested-overtakes", "closing-orphan-stays-primary",
	"primary-marked-closing-too-late",
	"low-priority-starves", "warm-until-closed",
}

// fewSteps is how long a shrunk trace is at most: what these bugs take is less than half of it.
const fewSteps = 20

// soakFound is what the command says of failures, in runs, shrinkings and replays.
type soakFound struct {
	Saved       string
	StepsBefore int `json:"steps_before"`
	Steps       int
	Violations  []struct {
		Property, File string
		Seed           uint64
	}
}

// failing runs a build of soak that has to find something broken.
func failing(t *testing.T, dir, binary string, args ...string) (found soakFound) {
	t.Helper()
	cmd := exec.Command(binary, append(args, "-json")...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("soak %q: %v, want exit 1\n%s", args, err, out)
	}
	if err := json.Unmarshal(out, &found); err != nil || len(found.Violations) == 0 {
		t.Fatalf("soak %q: %v\n%s", args, err, out)
	}
	return found
}

// A seed that fails is shrunk by itself. What is left is short, breaks the same claim by itself,
// replayed by the same binary, and breaks nothing where the bug is not.
func TestPlantedBugsShrinkToAFewStepsThatBreakTheSameClaim(t *testing.T) {
	some := shrunkBugs[:2]
	if os.Getenv("PAGEPOOL_PLANTED") == "all" {
		some = shrunkBugs
	}
	for _, b := range plantedBugs(t) {
		for _, name := range some {
			if b.Name != name {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				binary, err := b.Build("..", t.TempDir(), "./cmd/soak")
				if err != nil {
					t.Fatal(err)
				}
				shrinks(t, binary)
			})
		}
	}
}

func shrinks(t *testing.T, binary string) {
	dir := t.TempDir()
	run := failing(t, dir, binary, "run", "hostile", "-seed", "1-12", "-hours", "0.25")
	shrunk := 0
	for _, v := range run.Violations {
		small, whole := v.File, strings.TrimSuffix(v.File, ".min.trace")+".trace"
		if small == whole || small == "" {
			continue // it is not the first of its property, or cannot be seen in a trace
		}
		shrunk++
		replayed := failing(t, dir, binary, "replay", small)
		if got := replayed.Violations[0].Property; got != v.Property || replayed.Steps > fewSteps {
			t.Errorf("%s breaks %s in %d steps, want %s in %d at most", small, got, replayed.Steps,
				v.Property, fewSteps)
		}
		holds(t, filepath.Join(dir, small))
		text, err := os.ReadFile(filepath.Join(dir, small))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, by seed %d:\n%s", v.Property, v.Seed, text)
		if shrunk > 1 {
			continue // one is enough for the command itself
		}
		again := failing(t, dir, binary, "shrink", whole, "-out", "again.trace")
		if again.Violations[0].Property != v.Property || again.Steps > replayed.Steps ||
			again.StepsBefore <= again.Steps {
			t.Errorf("%s: shrunk with more effort, %+v, and before it was %d steps", whole, again,
				replayed.Steps)
		}
	}
	if shrunk == 0 {
		t.Errorf("no failure of %d was shrunk", len(run.Violations))
	}
}

// holds replays a shrunk trace on the production code. A line of it that is not possible there is
// an answer too.
func holds(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	trace := readTrace(t, text)
	report, err := replay.Run(trace, nil)
	if err == nil && report.Violation != nil {
		t.Errorf("without the bug it breaks %v as well:\n%s", report.Violation, text)
	}
	if err == nil && !bytes.Contains(text, []byte("# "+"Shrunk from ")) {
		t.Errorf("it does not say where it came from:\n%s", text)
	}
}

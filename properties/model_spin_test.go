package properties

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim"
)

// The search counts what SPIN counts of the model in bench/spin, which is written from the
// contract's sentences: so many states, and so many transitions. SPIN's own counts are compared by
// bench/spin/run; the larger scenarios are left to it.
func TestModelTheSearchCountsWhatSPINCounts(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "soak.exe")
	command(t, "", "go", "build", "-o", binary, "./cmd/soak")
	counts := spinCounts(t)
	for _, name := range []string{"spin-2", "spin-3"} {
		want, ok := counts[name]
		if !ok {
			t.Errorf("bench/spin/counts has no line for %s", name)
			continue
		}
		var found explored
		out := command(t, "", binary, "explore", name, "-json", "-symmetry=false")
		if err := json.Unmarshal(out, &found); err != nil || len(found.Scenarios) != 1 {
			t.Fatalf("%v\n%s", err, out)
		}
		if x := found.Scenarios[0]; !x.Complete || [2]int{x.States, x.Transitions} != want {
			t.Errorf("%s: %d states and %d transitions, complete: %v; SPIN counts %d and %d",
				name, x.States, x.Transitions, x.Complete, want[0], want[1])
		}
	}
}

// Every scenario that SPIN is measured with can be asked for by name, and the model has its size by
// its name.
func TestModelEveryScenarioOfSPINIsThere(t *testing.T) {
	for name := range spinCounts(t) {
		scenario := sim.ScenarioNamed(name)
		if scenario == nil {
			t.Errorf("bench/spin/counts names %s, and no scenario is called that", name)
			continue
		}
		if want := fmt.Sprintf("spin-%d", len(scenario.Programs)); name != want {
			t.Errorf("%s has %d callers, and the model makes that %s", name, len(scenario.Programs), want)
		}
	}
}

// spinCounts are the states and transitions of each scenario that SPIN visits.
func spinCounts(t *testing.T) map[string][2]int {
	t.Helper()
	file, err := os.Open("../bench/spin/counts")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	counts := map[string][2]int{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var name string
		var n [2]int
		if _, err := fmt.Sscan(lines.Text(), &name, &n[0], &n[1]); err != nil {
			t.Fatalf("bench/spin/counts: %q: want a scenario, its states and its transitions: %v",
				lines.Text(), err)
		}
		counts[name] = n
	}
	if err := lines.Err(); err != nil || len(counts) == 0 {
		t.Fatalf("bench/spin/counts: %d lines, %v", len(counts), err)
	}
	return counts
}

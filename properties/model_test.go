package properties

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim"
)

// explored is what the command says of one scenario.
type explored struct {
	Scenarios []struct {
		Scenario                   string
		StatesSum                  string `json:"states_sum"`
		States, Transitions, Depth int
		Complete                   bool
	}
	Violations []struct{ Property, Says, What string }
}

// Every interleaving of every scenario, with every fault of its menu, keeps every invariant; and
// from every state that can be reached, once faults stop, everybody is served and the pool is full
// again. And the explorations alone, without tests by example, go through every statement that
// decides something.
func TestModelEveryScenarioIsExploredToItsEnd(t *testing.T) {
	dir := t.TempDir()
	binary, data := filepath.Join(dir, "soak.exe"), filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	command(t, "", "go", "build", "-cover", "-coverpkg="+module+"/pool/core,"+module+"/cmd/soak", "-o",
		binary, "./cmd/soak")
	certificates := make([]string, len(sim.Scenarios))
	t.Run("scenarios", func(t *testing.T) {
		for i, scenario := range sim.Scenarios {
			t.Run(scenario.Name, func(t *testing.T) {
				t.Parallel()
				var found explored
				out := command(t, "GOCOVERDIR="+data, binary, "explore", scenario.Name, "-json", "-workers",
					"1", "-max-states", "3000000")
				if err := json.Unmarshal(out, &found); err != nil || len(found.Scenarios) != 1 {
					t.Fatalf("%v\n%s", err, out)
				}
				if x := found.Scenarios[0]; !x.Complete || len(found.Violations) > 0 {
					t.Fatalf("not to the end, or a claim broke:\n%s", out)
				}
				x := found.Scenarios[0]
				certificates[i] = fmt.Sprintf("%-20s %7d %9d %12d %6d  %s\n", x.Scenario, scenario.Faults,
					x.States, x.Transitions, x.Depth, x.StatesSum)
			})
		}
	})
	if !t.Failed() {
		everyStatement(t, data)
		// A change of what can be reached is seen in review.
		checkGolden(t, "certificates.txt", "# What can be reached in each scenario, to the last state.\n"+
			fmt.Sprintf("%-20s %7s %9s %12s %6s  %s\n", "# scenario", "faults", "states", "transitions",
				"depth", "sum of the fingerprints")+
			strings.Join(certificates, ""))
	}
}

// command runs a command in the root of the repository, and returns what it prints.
func command(t *testing.T, env string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ".."
	if env != "" {
		cmd.Env = append(os.Environ(), env)
	}
	out, err := cmd.Output()
	if err != nil {
		detail := []byte(nil)
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			detail = exit.Stderr
		}
		t.Fatalf("%v: %v\n%s%s", args, err, out, detail)
	}
	return out
}

// The deadlocks of nested work have a scenario each.
func TestModelTheRequiredScenariosAreThere(t *testing.T) {
	for _, name := range []string{"E-01a", "E-01b", "A-1", "R-6", "W-1", "Q-1", "P-1",
		"dispose-while-held", "four-nested"} {
		if sim.ScenarioNamed(name) == nil {
			t.Errorf("no scenario %s", name)
		}
	}
}

// The search for states without a way out can fail: a caller that never gives its page back is
// found.
func TestModelAWorldThatCannotComeToRestIsReported(t *testing.T) {
	scenario := sim.Scenario{
		Name: "nobody gives back", Settings: sim.ScenarioNamed("A-1").Settings,
		Programs: []sim.Program{{{Verb: sim.Get, Affinity: 1}, {Verb: sim.Sit}},
			{{Verb: sim.Get, Affinity: 2}}},
	}
	scenario.Settings.MaxLease = -1
	scenario.Settings.ProbeBudget = -1
	x, err := sim.Explore(&scenario, sim.ExploreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if x.Violation == nil || x.Violation.Property != "answered" {
		t.Errorf("found %v after %q", x.Violation, x.Trace)
	}
}

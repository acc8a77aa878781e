package properties

import (
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim"
)

// Every interleaving of every scenario, with every fault of its menu, keeps every invariant; and from
// every state that can be reached, once faults stop, everybody is served and the pool is full again.
func TestModelEveryScenarioIsExploredToItsEnd(t *testing.T) {
	for _, scenario := range sim.Scenarios {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			x, err := sim.Explore(scenario, sim.ExploreOptions{MaxStates: 1_000_000})
			if err != nil {
				t.Fatal(err)
			}
			if x.Violation != nil {
				t.Fatalf("%v\n%s\n  %s", x.Violation, x.Violation.Says, strings.Join(x.Trace, "\n  "))
			}
			if !x.Complete {
				t.Fatalf("not to the end: %d states", x.States)
			}
			t.Logf("states=%d transitions=%d depth=%d sum=%016x", x.States, x.Transitions, x.Depth, x.Sum)
		})
	}
}

// The deadlocks of nested work have a scenario each.
func TestModelTheRequiredScenariosAreThere(t *testing.T) {
	for _, name := range []string{"E-01a", "E-01b", "A-1", "R-6", "W-1", "Q-1", "P-1", "dispose-while-held", "four-nested"} {
		if sim.ScenarioNamed(name) == nil {
			t.Errorf("no scenario %s", name)
		}
	}
}

// The search for states without a way out can fail: a caller that never gives its page back is found.
func TestModelAWorldThatCannotComeToRestIsReported(t *testing.T) {
	scenario := sim.Scenario{
		Name: "nobody gives back", Settings: sim.ScenarioNamed("A-1").Settings,
		Programs: []sim.Program{{{Verb: sim.Get, Affinity: 1}, {Verb: sim.Sit}}, {{Verb: sim.Get, Affinity: 2}}},
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

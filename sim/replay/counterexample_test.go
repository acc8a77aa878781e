package replay

import (
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

// A healthy core has no schedule that breaks a claim, so the search is shown one by hand: its
// labels.
func TestTraceOfASearchSaysWhatItsScheduleDid(t *testing.T) {
	scenario := &sim.Scenario{Name: "by hand",
		Settings: core.Settings{MaxPages: 1, OpenRetries: 2, RescueTimeout: core.Off,
			ProbeBudget: core.Off, StallTimeout: core.Off, OrphanCap: core.Off}, Programs: []sim.Program{
			{{Verb: sim.Get, Affinity: 1}, {Verb: sim.Wedge}, {Verb: sim.DiscardWedged}},
		}, Faults: 1, Menu: sim.AllFaults}
	x := &sim.Exploration{Violation: &sim.Violation{Property: "capacity"}, Trace: []string{
		"launch b1 works", "open t1 works", "client 1 gets A", "client 1 wedges its page",
		"open t2 works", "main of browser b1 is hung", "client 1 discards a wedged page",
	}}
	var transcript Transcript
	if err := transcript.follow(scenario, x.Trace); err != nil {
		t.Fatal(err)
	}
	got := string(transcript.Timed(scenario.Settings))
	for _, line := range []string{"get r1 A\n", "wedge t1\n", "silence b1\n", "discard r1 wedged\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing:\n%s", line, got)
		}
	}
	if _, err := Counterexample(scenario, x, sim.Names); err == nil {
		t.Error("nothing breaks, and a trace says that it does")
	}
	x.Trace[3] = "client 7 gets Z"
	if err := new(Transcript).follow(scenario, x.Trace); err == nil {
		t.Error("nobody can do that")
	}
}

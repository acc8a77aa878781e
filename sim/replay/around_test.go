package replay

import (
	"bytes"
	"testing"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/testdata"
)

func traceNamed(t *testing.T, name string) *trace.Trace {
	t.Helper()
	data, err := testdata.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestWithoutADeviationTheRecordedRunIsAllThereIs(t *testing.T) {
	tr := traceNamed(t, "traces/e-02-dead-key.trace")
	before := 0
	for deviations := range 3 {
		x, err := Around(tr, deviations, "e-02", sim.ExploreOptions{})
		if err != nil || x.Violation != nil || !x.Complete {
			t.Fatal(err, x.Violation)
		}
		if deviations == 0 && x.States != x.Depth+1 {
			t.Errorf("%d states along %d lines", x.States, x.Depth)
		}
		if x.States <= before {
			t.Errorf("%d states within %d deviations, and %d within one less", x.States, deviations, before)
		}
		before = x.States
	}
}

func TestASearchAroundATraceSaysWhereItWasCut(t *testing.T) {
	x, err := Around(traceNamed(t, "traces/e-02-dead-key.trace"), 1, "e-02", sim.ExploreOptions{MaxStates: 50})
	if err != nil || x.Complete || x.States != 50 {
		t.Errorf("%d states, complete: %v, %v; want 50, cut", x.States, x.Complete, err)
	}
}

// render is a caller that holds one page.
var render = sim.Program{{Verb: sim.Get, Affinity: 1}, {Verb: sim.Release}}

func TestASearchGoesOnWhereATraceEnds(t *testing.T) {
	tr := traceNamed(t, "traces/e-02-dead-key.trace")
	w, err := Resume(tr, &sim.Scenario{Faults: 1, Menu: sim.AllFaults})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := sim.ExploreFrom(w, "alone", sim.ExploreOptions{})
	if err != nil || alone.Violation != nil || !alone.Complete {
		t.Fatal(err, alone.Violation)
	}
	w, err = Resume(tr, &sim.Scenario{Faults: 1, Menu: sim.AllFaults, Programs: []sim.Program{render, render}})
	if err != nil {
		t.Fatal(err)
	}
	visited, err := sim.ExploreFrom(w, "visited", sim.ExploreOptions{})
	if err != nil || visited.Violation != nil || !visited.Complete {
		t.Fatal(err, visited.Violation)
	}
	if visited.States <= alone.States {
		t.Errorf("%d states with two callers more, %d without", visited.States, alone.States)
	}
}

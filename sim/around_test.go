package sim

import (
	"bytes"
	"testing"

	"github.com/pagepool/pagepool/pool/trace"
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
		x, err := ExploreAround(tr, deviations, "e-02", ExploreOptions{})
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
	x, err := ExploreAround(traceNamed(t, "traces/e-02-dead-key.trace"), 1, "e-02", ExploreOptions{MaxStates: 50})
	if err != nil || x.Complete || x.States != 50 {
		t.Errorf("%d states, complete: %v, %v; want 50, cut", x.States, x.Complete, err)
	}
}

func TestASearchGoesOnWhereATraceEnds(t *testing.T) {
	tr := traceNamed(t, "traces/e-02-dead-key.trace")
	w, err := Resume(tr, &Scenario{Faults: 1, Menu: AllFaults})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := ExploreFrom(w, "alone", ExploreOptions{})
	if err != nil || alone.Violation != nil || !alone.Complete {
		t.Fatal(err, alone.Violation)
	}
	w, err = Resume(tr, &Scenario{Faults: 1, Menu: AllFaults, Programs: []Program{render(a), render(a)}})
	if err != nil {
		t.Fatal(err)
	}
	visited, err := ExploreFrom(w, "visited", ExploreOptions{})
	if err != nil || visited.Violation != nil || !visited.Complete {
		t.Fatal(err, visited.Violation)
	}
	if visited.States <= alone.States {
		t.Errorf("%d states with two callers more, %d without", visited.States, alone.States)
	}
}

// The two searches of one scenario, by one worker and by several, find the same to the last sum.
func TestWhatASearchFindsDoesNotDependOnItsWorkers(t *testing.T) {
	for _, name := range []string{"E-01a", "W-1", "promised-bypass"} {
		var first *Exploration
		for _, workers := range []int{1, 2, 5} {
			x, err := Explore(ScenarioNamed(name), ExploreOptions{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = x
			}
			if x.States != first.States || x.Transitions != first.Transitions || x.Depth != first.Depth || x.Sum != first.Sum || x.Reached != first.Reached {
				t.Errorf("%s with %d workers: %d states, sum %x; with one: %d, %x", name, workers, x.States, x.Sum, first.States, first.Sum)
			}
			if perState := float64(x.VisitedBytes) / float64(x.States); perState > 16 {
				t.Errorf("%s: %.1f bytes for a visited state", name, perState)
			}
		}
	}
}

// A search that may meet so many states meets so many, whatever its batches.
func TestASearchStopsAtItsBound(t *testing.T) {
	for _, most := range []int{1, 100, 5000} {
		x, err := Explore(ScenarioNamed("E-01a"), ExploreOptions{MaxStates: most, Workers: 2})
		if err != nil || x.States != most || x.Complete {
			t.Errorf("%d states, complete: %v, %v; want %d, cut", x.States, x.Complete, err, most)
		}
	}
}

package sim

import (
	"testing"

	"github.com/pagepool/pagepool/pool/core"
)

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
			if x.States != first.States || x.Transitions != first.Transitions || x.Depth != first.Depth ||
				x.Sum != first.Sum || x.Reached != first.Reached {
				t.Errorf("%s with %d workers: %d states, sum %x; with one: %d, %x", name, workers, x.States,
					x.Sum, first.States, first.Sum)
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

// What a search found to break is told with the step of the core at which it breaks, as a replay
// counts them; not with how many actions led there, of which some take no step.
func TestASearchTellsTheStepOfTheCoreAtWhichAClaimBreaks(t *testing.T) {
	c := *ScenarioNamed("worn-browser")
	broken := 0
	c.Observe = func(w *World, _ core.Event, effects []core.Effect) {
		for i := range effects {
			if effects[i].Kind == core.Grant {
				broken = w.Steps()
				w.Violate("capacity", "planted")
			}
		}
	}
	x, err := Explore(&c, ExploreOptions{Workers: 1})
	if err != nil || x.Violation == nil {
		t.Fatalf("%v: nothing broke", err)
	}
	if x.Violation.Step != broken || broken == len(x.Trace) {
		t.Errorf("step %d after %d actions, want %d, which is another number", x.Violation.Step,
			len(x.Trace), broken)
	}
}

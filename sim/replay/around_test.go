package replay

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
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
	x, err := Around(traceNamed(t, "traces/e-02-dead-key.trace"), 1, "e-02",
		sim.ExploreOptions{MaxStates: 50})
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
	w, err = Resume(tr, &sim.Scenario{Faults: 1, Menu: sim.AllFaults,
		Programs: []sim.Program{render, render}})
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

// A dump begins in the midst of things. What it records happens in the simulated world, so what
// could have happened besides is told of that very night. The clock stands still there, so two warm
// probes are not due, and their answers are left out.
func TestASearchAroundADumpFollowsTheWholeNight(t *testing.T) {
	var dump bytes.Buffer
	var w *trace.Writer
	n := 0
	_, err := Run(traceNamed(t, "incidents/glimmer-loop.trace"), func(s Step) {
		switch n++; {
		case n == 40:
			snapshot := &trace.Snapshot{Keys: []string{""}}
			snapshot.Facts.CopyFrom(&s.State.Facts)
			for a := range s.State.Affinities[1:] {
				snapshot.Keys = append(snapshot.Keys, s.Names.Key(core.Affinity(a+1)))
			}
			w = trace.NewWriter(&dump, &trace.Trace{Settings: s.State.Settings, Snapshot: snapshot},
				s.Names.Key)
		case n > 40:
			w.Step(s.At, string(trace.AppendEvent(nil, s.Event, s.Names)))
		}
	})
	if err != nil || w.Flush() != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read(&dump)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := Around(tr, 0, "dump", sim.ExploreOptions{})
	if err != nil || alone.Violation != nil || alone.Recorded != n-40 || alone.Skipped != 2 {
		t.Fatalf("%v, %v: %d of %d lines cannot happen", err, alone.Violation, alone.Skipped,
			alone.Recorded)
	}
	x, err := Around(tr, 1, "dump", sim.ExploreOptions{})
	if err != nil || x.Violation != nil || !x.Complete || x.States < 10*alone.States {
		t.Errorf("%v, %v: %d states within one deviation, %d without", err, x.Violation, x.States,
			alone.States)
	}
}

// Every story that the tests tell keeps every claim whatever else happens once in it: what the
// browser does otherwise makes impossible some of what the story says next, and that is left out.
func TestEveryRunWithinOneDeviationOfAStoryKeepsEveryClaim(t *testing.T) {
	for _, dir := range []string{"traces", "incidents", "regressions"} {
		files, err := fs.Glob(testdata.Files, dir+"/*.trace")
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, file := range files {
			t.Run(file, func(t *testing.T) {
				t.Parallel()
				tr := traceNamed(t, file)
				x, err := Around(tr, 1, file, sim.ExploreOptions{MaxStates: 2000})
				if err != nil || x.Violation != nil {
					t.Errorf("%v, %v:\n%s", err, x.Violation, strings.Join(x.Trace, "\n"))
				}
			})
		}
	}
}

// What a search around a trace, or from its end, did is written down behind what the trace says. A
// healthy core breaks nothing, so the ways are taken by hand.
func TestWhatASearchFromATraceDidIsFollowedAgain(t *testing.T) {
	tr := traceNamed(t, "traces/e-02-dead-key.trace")
	a, _, err := aroundOf(tr, 1)
	if err != nil {
		t.Fatal(err)
	}
	broken := &sim.Violation{Property: "capacity"}
	around := &sim.Exploration{Scenario: "e-02", Violation: broken}
	around.Trace = []string{lineText(&a.lines[0]), lineText(&a.lines[1]), "* browser b1 dies",
		lineText(&a.lines[3])}
	_, err = Deviating(tr, 1, around)
	if err == nil || !strings.Contains(err.Error(), "does not break capacity") {
		t.Errorf("a way that breaks nothing: %v", err)
	}
	around.Trace[2] = "* client 7 gets Z"
	if _, err = Deviating(tr, 1, around); err == nil ||
		!strings.Contains(err.Error(), `"client 7 gets Z" is not possible`) {
		t.Errorf("nobody can do that: %v", err)
	}
	around.Trace = []string{"get r99 nobody"}
	if _, err = Deviating(tr, 1, around); err == nil ||
		!strings.Contains(err.Error(), "is not in the record") {
		t.Errorf("the record has not that: %v", err)
	}
	scenario := &sim.Scenario{Name: "visited", Faults: 1, Menu: sim.AllFaults,
		Programs: []sim.Program{render}}
	w, err := Resume(tr, scenario)
	if err != nil {
		t.Fatal(err)
	}
	after := &sim.Exploration{Violation: broken}
	for range 3 {
		action := &w.Actions(nil)[0]
		after.Trace = append(after.Trace, w.Label(action))
		w.Do(action)
	}
	if _, err = Continued(tr, scenario, after); err == nil ||
		!strings.Contains(err.Error(), "does not break capacity") {
		t.Errorf("a way that breaks nothing: %v", err)
	}
	after.Trace[1] = "client 7 gets Z"
	if _, err = Continued(tr, scenario, after); err == nil ||
		!strings.Contains(err.Error(), `"client 7 gets Z" is not possible`) {
		t.Errorf("nobody can do that: %v", err)
	}
}

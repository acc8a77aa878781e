package sim

import (
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/scheduler"
)

func TestACloneGoesItsOwnWay(t *testing.T) {
	canon := NewCanon(true)
	for _, scenario := range Scenarios {
		w, err := scenario.World()
		if err != nil {
			t.Fatal(err)
		}
		choices := scheduler.NewRandom(1, 0)
		for range 40 {
			actions := w.Actions(nil)
			if len(actions) == 0 {
				break
			}
			before := canon.Fingerprint(w)
			for i := range actions {
				w.Clone().Do(&actions[i])
			}
			if canon.Fingerprint(w) != before {
				t.Fatalf("%s: a clone's step changed the world that it was made of", scenario.Name)
			}
			w.Do(&actions[choices.Choose(len(actions))])
		}
	}
}

func TestAWedgedPageIsKilledAndItsCapacityIsBack(t *testing.T) {
	w, err := New(Options{Timed: true})
	if err != nil {
		t.Fatal(err)
	}
	w.RunUntil(Seconds)
	must(t, w.Perform(core.Event{Kind: core.Requested, Request: 1, Affinity: 1}))
	tab, ok := w.Core().Holds(1)
	if !ok || !w.Wedge(tab) {
		t.Fatal("no page to wedge")
	}
	must(t, w.Perform(core.Event{Kind: core.Discarded, Request: 1, Wedged: true}))
	w.RunUntil(10 * Seconds)
	if v := w.Violation(); v != nil {
		t.Fatal(v)
	}
	// RescueTimeout, CloseTimeout and the kill, which also answers the close that hung. There was a
	// spare page.
	if want := 5*Seconds + 520*Milliseconds; w.WorstRecovery() != want {
		t.Errorf("recovered in %v; want %v", w.WorstRecovery(), want)
	}
	if got := w.Reached(); got[killed] != 1 || got[closedWedge] != 1 {
		t.Errorf("reached %v", got.Map())
	}
}

func TestAnOpeningThatIsHeldBackTakesOnlyItsOwnSlot(t *testing.T) {
	w, err := New(Options{Timed: true})
	if err != nil {
		t.Fatal(err)
	}
	w.Hold(fakebrowser.Hold{Tab: 2, Kind: fakebrowser.Open})
	w.RunUntil(Seconds)
	must(t, w.Perform(core.Event{Kind: core.Requested, Request: 1, Affinity: 1}))
	if tab, ok := w.Core().Holds(1); !ok || tab != 1 {
		t.Errorf("r1 holds t%d, %v; want t1", tab, ok)
	}
	if got := w.Core().Count(core.Opening); got != 1 {
		t.Errorf("%d tabs are opening; want the one that is held back", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkExplore(b *testing.B) {
	transitions := 0
	for b.Loop() {
		x, err := Explore(ScenarioNamed("E-01a"), ExploreOptions{})
		if err != nil || x.Violation != nil {
			b.Fatal(err, x.Violation)
		}
		transitions += x.Transitions
	}
	b.ReportMetric(float64(transitions)/b.Elapsed().Seconds(), "transitions/s")
}

func TestTraceEveryCountOfWhatWasReachedHasAName(t *testing.T) {
	var r Reached
	counts := r.Map()
	if _, nameless := counts[""]; nameless || len(counts) != len(r) {
		t.Errorf("%d counts have %d names; one has none: %v", len(r), len(counts), nameless)
	}
}

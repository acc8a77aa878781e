package core_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// TestOrdersAnswerAsPlainWalksDo also sees to it that there was something to answer.
func TestOrdersAnswerAsPlainWalksDo(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 2))
		settings := walkSettings(random)
		settings.OrphanCap = random.IntN(5)
		w := newWalk(t, seed, settings)
		w.step(core.Event{})
		for range 600 {
			e := w.any()
			s := w.state.Clone()
			core.Settled(s, w.now, e, func() {
				if what := core.Disagreement(s); what != "" {
					t.Fatalf("seed %d: %s is not what a walk finds, in the midst of %s", seed, what, line(e))
				}
				for what, there := range core.Met(s) {
					if there {
						met[what]++
					}
				}
			})
			w.step(e)
		}
	}
	if t.Log(met); len(met) < 3 {
		t.Errorf("nothing was met but %v", met)
	}
}

// TestAnOrderThatIsWrongIsNoticed spoils each order, and looks whether the walks and the books
// tell.
func TestAnOrderThatIsWrongIsNoticed(t *testing.T) {
	for what, spoil := range core.Spoils {
		met := 0
		for seed := uint64(0); seed < 60 && met < 20; seed++ {
			settings := walkSettings(rand.New(rand.NewPCG(seed, 2)))
			settings.OrphanCap = 4
			w := newWalk(t, seed, settings)
			w.step(core.Event{})
			for range 300 {
				e := w.any()
				s := w.state.Clone()
				core.Handled(s, e)
				if spoil(s) {
					met++
					if core.Disagreement(s) == "" {
						t.Fatalf("seed %d: an order that %s goes unnoticed", seed, what)
					}
				}
				w.step(e)
			}
		}
		if met == 0 {
			t.Errorf("no order was there that %s", what)
		}
	}
}

// TestWhatAStepArmsItSays is what lets a timer stay as it is: no deadline is armed that the step
// has not told of.
func TestWhatAStepArmsItSays(t *testing.T) {
	kinds := map[core.EventKind]bool{}
	for seed := range uint64(100) {
		settings := walkSettings(rand.New(rand.NewPCG(seed, 3)))
		settings.BrowserMaxAge = time.Duration(seed%3) * time.Minute
		settings.OpenBackoff, settings.OpenBackoffMax = 50*time.Millisecond, time.Second
		if seed%4 == 0 {
			settings.StallTimeout = core.Off
		}
		w := newWalk(t, seed, settings)
		w.checks = true
		before := map[core.Event]core.Time{}
		for range 600 {
			e := w.any()
			w.step(e)
			after := map[core.Event]core.Time{}
			for _, d := range w.state.Deadlines(nil) {
				after[d.Event] = d.At
				at, armed := before[d.Event]
				if armed && at <= d.At {
					continue
				}
				kinds[d.Event.Kind] = true
				if d.At < w.state.Armed() {
					t.Fatalf("seed %d: %s has armed %s at %v, and the step says %v", seed, line(e),
						line(d.Event), d.At.Duration(), w.state.Armed().Duration())
				}
			}
			before = after
		}
	}
	for kind := core.Silent; kind < core.EventKinds; kind++ {
		if !kinds[kind] {
			t.Errorf("no step has armed a deadline of kind %d", kind)
		}
	}
}

package sim

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/spec"
)

// A search checks the claims about a state once a state, and finds what it finds where it checks
// every claim on every transition. PAGEPOOL_CLAIMS=all does so to the end of each scenario.
func TestClaimsCheckedOnceAStateFindTheSame(t *testing.T) {
	most := 250
	if os.Getenv("PAGEPOOL_CLAIMS") == "all" {
		most = 0
	}
	for _, s := range Scenarios {
		apart, err := Explore(s, ExploreOptions{MaxStates: most})
		if err != nil {
			t.Fatal(err)
		}
		every, err := Explore(s, ExploreOptions{MaxStates: most, EveryClaim: true})
		if err != nil {
			t.Fatal(err)
		}
		if apart.Sum != every.Sum || apart.Transitions != every.Transitions ||
			apart.Verdict != every.Verdict || apart.Violation != nil {
			t.Errorf("%s: %+v, and with every claim on every transition %+v", s.Name, apart.Result,
				every.Result)
		}
	}
}

// taken is one step, kept.
type taken struct {
	before, after core.State
	event         core.Event
	effects       []core.Effect
	ledger        spec.Ledger
}

// stepsOf are the steps of random walks through a scenario.
func stepsOf(t *testing.T, s *Scenario, walks int) (steps []*taken) {
	for seed := range walks {
		w, err := s.World()
		if err != nil {
			t.Fatal(err)
		}
		w.observe = func(w *World, event core.Event, effects []core.Effect) {
			k := &taken{event: event, effects: slices.Clone(effects)}
			k.before.CopyFrom(w.Before())
			k.after.CopyFrom(w.Core())
			k.ledger.CopyFrom(&w.ledger)
			steps = append(steps, k)
		}
		source := scheduler.NewRandom(uint64(seed), 1)
		for actions := w.Actions(nil); len(actions) > 0 && w.violation == nil &&
			w.steps < 60; actions = w.Actions(actions[:0]) {
			w.Do(&actions[source.Choose(len(actions))])
		}
	}
	return steps
}

// broken are the claims that a step breaks, as a set, and what it has of what claims look at; not
// ok: the facts do not go together, so that a claim cannot be worked out.
func broken(transition *spec.Transition) (set, step uint64, ok bool) {
	defer func() { _ = recover() }()
	for _, v := range spec.Check(transition, nil) {
		i := slices.IndexFunc(spec.Invariants, func(i spec.Invariant) bool { return i.Name == v.Name })
		set |= 1 << i
	}
	return set, uint64(transition.Has()), true
}

// Steps are put together from the parts of others: a state before from here, an event or effects
// from there. Whatever claim breaks in one that does not break in the state after it alone looks at
// something that the step has. And no claim says that it looks at what it does not look at.
func TestClaimsLookAtNoMoreOfAStepThanTheySay(t *testing.T) {
	samples := 300
	if os.Getenv("PAGEPOOL_CLAIMS") == "all" {
		samples = 10_000
	}
	// by claim: which single things it was seen to look at
	seen := make([]uint64, len(spec.Invariants))
	missed := uint64(0)
	for _, s := range Scenarios {
		steps := stepsOf(t, s, 4)
		random := rand.New(rand.NewPCG(1, 2))
		var scratch spec.Scratch
		for range samples {
			pick := func() *taken { return steps[random.IntN(len(steps))] }
			of := pick()
			mixed := spec.Transition{
				Before: &of.before, After: &of.after, Event: of.event, Effects: of.effects, Ledger: &of.ledger,
				Scratch: &scratch,
			}
			switch random.IntN(5) {
			case 0:
				mixed.Before = &pick().before
			case 1:
				mixed.Event = pick().event
			case 2:
				mixed.Effects = pick().effects
			case 3:
				mixed.Before, mixed.Event = &of.after, core.Event{Kind: of.event.Kind, Request: 1}
			case 4:
				mixed.Ledger = &pick().ledger
			}
			var ledger spec.Ledger
			ledger.CopyFrom(mixed.Ledger)
			ledger.Feed(&of.after.Settings, of.after.Now, core.Event{}, nil)
			alone, _, ok := broken(&spec.Transition{Before: &of.after, After: &of.after, Ledger: &ledger,
				Scratch: &scratch})
			all, step, also := broken(&mixed)
			if !ok || !also {
				continue
			}
			for i := range spec.Invariants {
				v := &spec.Invariants[i]
				looks := uint64(v.Reads) & step
				if all&^alone&(1<<i) == 0 {
					continue
				}
				if looks == 0 && missed&(1<<i) == 0 {
					missed |= 1 << i
					t.Errorf("%s: %s breaks in a step that has nothing it looks at: %x, %+v, %+v", s.Name, v.Name,
						step, mixed.Event, mixed.Effects)
				}
				if looks&(looks-1) == 0 {
					seen[i] |= looks
				}
			}
		}
	}
	for i := range spec.Invariants {
		const itself = 1 << 63
		if v := &spec.Invariants[i]; uint64(v.Reads)&^seen[i]&^itself != 0 {
			t.Logf("%s was not seen to look at %x", v.Name, uint64(v.Reads)&^seen[i])
		}
	}
}

// Time that passes makes another state, so a step after it is not one that was checked before.
func TestClaimsAreCheckedAnewWhenTimeHasPassed(t *testing.T) {
	for _, s := range Scenarios {
		if s.Tick == 0 {
			continue
		}
		w, err := s.World()
		if err != nil {
			t.Fatal(err)
		}
		w.checked = newChecked(new(passed))
		w.Do(&w.Actions(nil)[0]) // the browser is ready, so there is something with an age
		before := w.poolHash()
		w.Do(&Action{kind: timePasses})
		if w.poolHash() == before {
			t.Errorf("%s: the hash of the pool is the same", s.Name)
		}
	}
}

// A step that was checked before, at other times, is not checked again for what looks at times. But
// the state that it leads to is, where that is new, or sampled: here a time in it is wrong.
func TestClaimsAboutTimesAreCheckedInEachNewState(t *testing.T) {
	for _, isNew := range []bool{true, false} {
		from, err := ScenarioNamed("A-1").World()
		if err != nil {
			t.Fatal(err)
		}
		from.checked = newChecked(new(passed))
		child, ready := new(World), from.Actions(nil)[0] // the browser is, and tabs are opened in it
		for range 2 {
			child.CopyFrom(from)
			child.DoFrom(from, &ready)
			if child.repeated {
				child.core.Tabs[0].Since++
			}
			child.CheckState(isNew)
		}
		if !child.repeated || child.violation == nil || child.violation.Property != "due-in-time" {
			t.Errorf("new %t: repeated %t, and %v breaks", isNew, child.repeated, child.violation)
		}
	}
}

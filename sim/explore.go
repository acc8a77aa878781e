package sim

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/search"
)

// ExploreOptions bound a search.
type ExploreOptions struct {
	MaxStates  int  // 0: as many as can be told apart
	Workers    int  // goroutines; 0: one. What a search finds does not depend on it.
	NoSymmetry bool // tell apart which of two like things is the older one
	LikeKeys   bool // with symmetry: do not tell apart which of two like affinities is which
	NoReturn   bool // after a broken claim, visit the rest, to know from where on nothing avoids it
	EveryClaim bool // check all claims on every transition, and not those about states once a state
	// Progress is called now and then, and stops the search by false.
	Progress func(search.Progress) bool
}

// Exploration is what a search came to.
type Exploration struct {
	search.Result
	Scenario  string
	Reached   Reached
	Violation *Violation
	Trace     []string // the labels of the actions that lead to the violation
	Goes      []string // liveness: the labels of what goes on for ever from there; none: nothing does
	Recorded  int      // of a search around a run: how many lines the run has
	// how many of them cannot happen in the simulated world, in the run without deviations
	Skipped int
	// of a search around a run: every run within so many deviations was visited; -1: not even the run
	// itself
	Within int
}

// Engine are the options of the search engine that mean the same. reached counts what all workers
// reach, once they have ended.
func (o *ExploreOptions) Engine() (options search.Options[*World, Action], reached func() Reached) {
	var all []*Reached
	var known *passed
	if !o.EveryClaim {
		known = new(passed)
	}
	options = search.Options[*World, Action]{
		MaxStates: o.MaxStates, Workers: o.Workers, NoReturn: o.NoReturn, Progress: o.Progress,
		Fault: func(a *Action) bool { return a.Fault },
		Adopt: func() func(*World) {
			own, mine := &scratch{canon: NewCanon(!o.NoSymmetry)}, new(Reached)
			if all = append(all, mine); known != nil {
				own.checked = newChecked(known)
			}
			return func(w *World) { w.scratch, w.reached = own, mine }
		},
	}
	return options, func() (sum Reached) {
		for _, r := range all {
			sum.Add(r)
		}
		return sum
	}
}

// Explore visits every state that a scenario can reach, breadth first, so a violation is found by a
// shortest sequence of actions. Then it looks for states from which no fair browser leads to a good
// one: everybody's program ended, and the pool quiet and full.
func Explore(s *Scenario, o ExploreOptions) (*Exploration, error) {
	start, err := s.World()
	if err != nil {
		return nil, err
	}
	return ExploreFrom(start, s.Name, o)
}

// ExploreFrom does the same for an untimed world.
func ExploreFrom(start *World, name string, o ExploreOptions) (*Exploration, error) {
	if start.timed {
		return nil, fmt.Errorf("sim: a world with a clock cannot be explored")
	}
	start = start.Clone()
	if o.LikeKeys && !start.recorded {
		changed := *start.fixed
		changed.renamings = renamings(start.programs)
		start.fixed = &changed
	}
	options, reached := o.Engine()
	x := &Exploration{Scenario: name, Result: *search.Explore(start, options)}
	x.Reached = reached()
	if x.Verdict == search.Holds {
		return x, nil
	}
	w, labels := labelled(start, x.Path)
	x.Trace = labels
	if x.Violation = w.violation; x.Verdict == search.Stuck {
		x.Violation = w.deadEnd()
		_, x.Goes = labelled(w, x.Component)
	}
	return x, nil
}

// labelled takes a path, and returns the world at its end and the labels on the way.
func labelled(start *World, path []int) (w *World, labels []string) {
	w = search.Follow(start.Clone(), path, func(w *World, a *Action) {
		labels = append(labels, w.Label(a))
	})
	return w, labels
}

// Fingerprint is a hash of everything that the world's future depends on; see Canon.
func (w *World) Fingerprint() uint64 {
	if w.canon == nil {
		w.canon = NewCanon(true)
	}
	return w.canon.Fingerprint(w)
}

// Broken says whether a claim is broken.
func (w *World) Broken() bool { return w.violation != nil }

// Good says whether everybody's program has ended and the pool is quiet, full, and as small as an
// idle one is to be, or closed.
func (w *World) Good() bool {
	return w.allDone() && w.Settled()
}

func (w *World) allDone() bool {
	for i := range w.clients {
		if w.clients[i].state != done {
			return false
		}
	}
	return true
}

// deadEnd is the violation that a state without a way to a good one is.
func (w *World) deadEnd() *Violation {
	property := "refilled"
	switch {
	case w.core.Waiting(core.Nested) > 0:
		property = "nested-progress"
	case w.core.Closing():
		property = "closes"
	case w.core.Waiting(core.Root) > 0 || !w.allDone():
		property = "answered"
	case !w.contracted():
		property = "contracted"
	}
	return &Violation{
		Property: property, Says: Says(property),
		What: "from this state on, whatever a fair browser does, it does not end: " + standing(&w.core),
		Step: w.steps, At: w.now,
	}
}

// Walk lets one schedule of a scenario happen, as a source chooses, until a claim breaks, nothing
// can happen any more, or so many actions were taken. Walks are what random strategies, and
// fuzzers, make of the worlds that a search visits.
func (s *Scenario) Walk(source scheduler.Source, most int) (*World, error) {
	w, err := s.World()
	if err == nil {
		w.Walk(source, most)
	}
	return w, err
}

// Walk does so from where the world is. Whoever walks often makes one world and copies it.
func (w *World) Walk(source scheduler.Source, most int) {
	search.Walk(w, source, most, (*World).actor)
}

// actor is a number for who does an action: a client, the operation that answers, a deadline; a
// fault is its own.
func (w *World) actor(a *Action) uint64 {
	n := uint64(a.kind)<<56 | flag(a.Fault, 55)
	switch a.kind {
	case operationAnswers, operationHangs:
		return n | uint64(a.outcome)<<48 | uint64(w.fake.Operations[a.index].ID)
	case deadlineFires:
		return n | uint64(a.event.Kind)<<40 | uint64(a.event.Tab)<<20 ^ uint64(
			a.event.Request)<<10 ^ uint64(a.event.Browser)<<5 ^ uint64(a.event.Context)
	case pageCrashes, pageWedges, pageLoops, pageSwells:
		return n | uint64(w.fake.Tabs[a.index].ID)
	case partTurns:
		return n | uint64(a.part)<<48 | uint64(a.health)<<40 | uint64(w.fake.Browsers[a.index].ID)
	case browserEnds, browserLeaks, browserMeasured:
		return n | uint64(w.fake.Browsers[a.index].ID)
	default:
		return n | uint64(a.index)
	}
}

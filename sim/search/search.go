// Package search visits every state that a world can reach, and checks it. It knows nothing of what
// the worlds are about: a world is any value that can be copied and hashed, and that says what can
// happen next in it ([World]). The example checks a semaphore of forty lines, and finds the wake-up
// that it loses.
//
// What makes it a model checker for production code: the world holds the code's own state machine,
// a pure step function, and not a model of it. [Explore] goes breadth first, so the way to a broken
// claim is as short as there is one, and it is the same for any number of workers. When every state
// was visited, it looks for states from which nothing good can be reached any more, whatever a fair
// environment does: a deadlock, or a livelock. [Around] visits every run within so many deviations
// of a given one; [Walk] takes one run, as a scheduler chooses.
//
// States are told apart by 64-bit fingerprints (hash compaction: Wolper and Leroy, Reliable Hashing
// without Collision Detection, CAV 1993); [Result.Omission] says how likely it is that one was
// overlooked. A visited state takes 13 to 15 bytes, 12 more for the way to it, and 8 for each
// transition that is no fault.
package search

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/sim/scheduler"
)

// World is a state of what is searched. W is the type itself, a pointer; A is what can happen.
type World[W, A any] interface {
	// CopyFrom makes the world a copy of another one, in the memory that it has. What happens in
	// one of them afterwards does not change the other.
	CopyFrom(from W)
	// Actions appends everything that can happen next to buffer, in an order that depends on the
	// state alone. The first is what happens by default. At most 65,536 can happen in a state.
	Actions(buffer []A) []A
	// Do makes one of them happen. It is of this very state.
	Do(a *A)
	// Fingerprint is a hash of everything that the future depends on. Worlds that are equal have
	// the same one.
	Fingerprint() uint64
	// Broken says whether a claim is broken, here or on the way here. Nothing is done in a world in
	// which one is.
	Broken() bool
	// Good says whether everything that has to come to an end has.
	Good() bool
}

// DoerFrom is a World that makes use of the world it is a copy of.
type DoerFrom[W, A any] interface {
	// DoFrom is Do in a copy of from, which is as the world was before and stays so.
	DoFrom(from W, a *A)
}

// StateChecker is a World whose DoFrom leaves the claims out that are about the state alone.
type StateChecker interface {
	// CheckState checks them: after a DoFrom that leads to a new state, and, all of them, after one
	// in 128 wherever it leads.
	CheckState(isNew bool)
}

// Pointer is a *T that is a World.
type Pointer[T, A any] interface {
	*T
	World[*T, A]
}

// Options bound a search. The zero value visits every state on one goroutine.
type Options[W, A any] struct {
	MaxStates int  // 0, or more than MostStates: MostStates
	Workers   int  // goroutines; 0: one. What a search finds does not depend on it.
	NoReturn  bool // after a broken claim, visit the rest, to know from where on nothing avoids it
	// Fault says whether an action is one that a fair environment never takes; nil: none is.
	Fault func(*A) bool
	// Adopt is called once for each goroutine. What it returns is called with each world before the
	// goroutine looks at it, and may give it memory that worlds of one goroutine share; nil: they
	// share none.
	Adopt func() func(W)
	// Progress is called now and then, and stops the search by false; nil: it goes on.
	Progress func(Progress) bool
}

func (o *Options[W, A]) fair(a *A) bool { return o.Fault == nil || !o.Fault(a) }

func (o *Options[W, A]) bound() {
	o.Workers = max(1, o.Workers)
	if o.MaxStates <= 0 || o.MaxStates > MostStates {
		o.MaxStates = MostStates
	}
}

// Progress says how far a search is.
type Progress struct {
	States, Transitions, Depth int
	Frontier                   int // states whose successors are still to be looked for
	VisitedBytes               int
}

// Verdict is what a search found.
type Verdict uint8

const (
	// Holds: no claim is broken in the states that were visited; where Complete, nothing is stuck
	// either.
	Holds Verdict = iota
	// Broken: in the state at the end of Path, a claim is.
	Broken
	// Stuck: from the state at the end of Path, no good one can be reached by what a fair
	// environment does.
	Stuck
)

// Result is what a search came to.
type Result struct {
	States       int
	Transitions  int
	Depth        int
	Sum          uint64 // of the fingerprints of all states, in no order
	VisitedBytes int    // of the set of visited states
	// of what is kept of each for Path and for Stuck: where it came from, and its transitions
	GraphBytes int
	Complete   bool // every reachable state was visited, and nothing was found
	Verdict    Verdict
	Path       []int // from the start on: which of the Actions of each state
	// how many of them until nothing that a fair environment does avoids it; -1: not known
	NoReturn  int
	Component []int // Stuck: what goes on for ever from there, as a path; none: nothing does
}

// Omission is the probability that one of n states was overlooked, because its fingerprint is that
// of another: n*n/2^65, for 64-bit fingerprints and n far below 2^32.
func (r *Result) Omission() float64 {
	return float64(r.States) * float64(r.States) / (1 << 32) / (1 << 33)
}

// Explore visits every state that can be reached from start, breadth first, so a broken claim is
// found by a shortest path. Then it looks for states from which no fair environment leads to a good
// one. It does not change start.
func Explore[T, A any, W Pointer[T, A]](start W, o Options[W, A]) *Result {
	o.bound()
	x := &search[T, A, W]{start: clone[T, A](start), options: o, result: &Result{NoReturn: -1}}
	for range o.Workers {
		x.workers = append(x.workers, newWorker(x))
	}
	x.run()
	return x.result
}

// Follow takes a path from start, and returns the world at its end. see is called before each
// action; nil: it is not.
func Follow[T, A any, W Pointer[T, A]](start W, path []int, see func(W, *A)) W {
	w := clone[T, A](start)
	var actions []A
	for _, n := range path {
		actions = w.Actions(actions[:0])
		if see != nil {
			see(w, &actions[n])
		}
		w.Do(&actions[n])
	}
	return w
}

// Walk lets one run happen in w, as a source chooses, until a claim breaks, nothing can happen any
// more, or so many actions were taken. actor is a number for who takes an action, for a source that
// is a scheduler.Offerer; for others it may be nil.
func Walk[T, A any, W Pointer[T, A]](w W, source scheduler.Source, most int,
	actor func(W, *A) uint64) {
	var actions []A
	var actors []uint64
	offerer, _ := source.(scheduler.Offerer)
	for range most {
		if actions = w.Actions(actions[:0]); len(actions) == 0 || w.Broken() {
			return
		}
		if offerer != nil {
			actors = actors[:0]
			for i := range actions {
				actors = append(actors, actor(w, &actions[i]))
			}
			offerer.Offer(actors)
		}
		w.Do(&actions[source.Choose(len(actions))])
	}
}

func clone[T, A any, W Pointer[T, A]](of W) W {
	w := W(new(T))
	w.CopyFrom(of)
	return w
}

// Step is one step of a run around a given one: a step of the given run, or a deviation from it.
type Step struct {
	Given  int // which of the steps of the given run; -1: it is a deviation
	Action int // of a deviation: which of the Actions of its state
}

// AroundResult is what a search around a run came to.
type AroundResult struct {
	Result        // Path and Component are empty
	Steps  []Step // to the broken claim
	Within int    // every run within so many deviations was visited; -1: not even the run itself
}

// Around visits every run within so many deviations of a given one, which has so many steps.
// happens makes one of them happen where it still can, and says whether it did; in between, any of
// the actions of a state may be taken. start is used up. Workers, NoReturn and Fault do not count.
func Around[T, A any, W Pointer[T, A]](
	start W, steps int, happens func(w W, step int) bool, deviations int, o Options[W, A],
) (*AroundResult, error) {
	if steps < 0 || deviations < 0 {
		return nil, fmt.Errorf("search: %d steps, %d deviations: want none or more", steps, deviations)
	}
	if happens == nil {
		return nil, errors.New("search: happens is nil: nothing makes the steps of the run happen")
	}
	o.bound()
	if o.Adopt != nil {
		o.Adopt()(start)
	}
	a := &around[T, A, W]{
		steps: steps, happens: happens, options: o,
		result: &AroundResult{Result: Result{NoReturn: -1}, Within: -1},
	}
	r := a.result
	r.Complete = a.search(start, deviations) && r.Verdict == Holds
	r.States, r.VisitedBytes = a.seen.states(), a.seen.bytes()
	return r, nil
}

func (a *around[T, A, W]) way(last int) []Step {
	var steps []Step
	for ; last >= 0; last = a.told[last].before {
		steps = append(steps, a.told[last].step)
	}
	slices.Reverse(steps)
	return steps
}

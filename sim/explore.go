package sim

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// ExploreOptions bound a search.
type ExploreOptions struct {
	MaxStates  int  // 0: as many as can be told apart
	Workers    int  // goroutines; 0: one. What a search finds does not depend on it.
	NoSymmetry bool // tell apart which of two like things is the older one
	NoReturn   bool // after a broken claim, visit the rest, to know from where on nothing avoids it
	// Progress is called now and then, and stops the search by false.
	Progress func(ExploreProgress) bool
}

// ExploreProgress says how far a search is.
type ExploreProgress struct {
	States, Transitions, Depth int
	Frontier                   int // states whose successors are still to be looked for
	VisitedBytes               int
}

// Exploration is what a search came to.
type Exploration struct {
	Scenario     string
	States       int
	Transitions  int
	Depth        int
	Sum          uint64 // of the fingerprints of all states, in no order
	VisitedBytes int    // of the set of visited states
	GraphBytes   int    // of what is kept of each for counterexamples and liveness: where it came from, and its transitions
	Complete     bool   // every reachable state was visited
	Reached      Reached
	Violation    *Violation
	Trace        []string // the labels of the actions that lead to the violation
	NoReturn     int      // how many of them until nothing that a fair browser does avoids it; -1: not known
	Within       int      // of a search around a run: every run within so many deviations was visited; -1: not even the run itself
	Component    []string // liveness: what goes on for ever from there; none: nothing does
}

// Omission is the probability that one of n states was overlooked, because its fingerprint is that of
// another: n*n/2^65, for 64-bit fingerprints and n far below 2^32.
func (x *Exploration) Omission() float64 {
	return float64(x.States) * float64(x.States) / (1 << 32) / (1 << 33)
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
	o.Workers = max(1, o.Workers)
	if o.MaxStates <= 0 || o.MaxStates > mostStates {
		o.MaxStates = mostStates
	}
	x := &search{start: start.Clone(), options: o, result: &Exploration{Scenario: name, NoReturn: -1}}
	for range o.Workers {
		x.workers = append(x.workers, newWorker(x))
	}
	x.run()
	return x.result, nil
}

// edge is a transition that a fair browser makes in the end.
type edge struct{ from, to place }

// open is a state whose successors are to be looked for.
type open struct {
	world *World
	at    place
}

// search is one search. Its frontier is expanded a batch at a time: first the workers take every action of its
// states and drop what is known, then they enter what is left, each into shards of its own, in the order of the
// actions. So everything, which path to a state was the first included, is the same for any number of workers.
type search struct {
	start   *World
	options ExploreOptions
	result  *Exploration
	seen    visited
	workers []*worker
	layer   []open // the states of the present depth
	next    []open // those of the next
	chunks  [][]found
	room    int   // how many more states may be entered
	refused bool  // one was not
	broken  place // the first state that breaks a claim, or nowhere
}

// found is a state that was not known when its batch began.
type found struct {
	world       *World
	fingerprint uint64
	node        node
	at          place
	fair        bool
	fresh       bool
	_           [2]byte
}

// chunkSize is how many states a worker takes at a time.
const chunkSize = 16

// batchTransitions is about how many transitions a batch makes: few enough for Progress to be called many times
// a second, and for the worlds found to stay in the processor's caches.
const batchTransitions = 1 << 12

// beyond is how many times as many states are visited after a broken claim, to know from where on nothing avoids it:
// a pool with a bug in it may have states without end.
const beyond = 8

func (x *search) run() {
	x.broken, x.room = nowhere, x.options.MaxStates
	first := x.start.Clone()
	w := x.workers[0]
	fingerprint := w.canon.Fingerprint(first)
	at, _ := x.seen.put(fingerprint, node{parent: nowhere, good: first.good(), broken: first.violation != nil})
	x.room--
	x.result.Sum += fingerprint
	x.next = append(x.next, open{first, at})
	if first.violation != nil {
		x.broken = at
	}
	x.result.Complete = x.expandAll()
	x.measure()
	switch {
	case x.broken != nowhere:
		x.fail(x.broken)
		if x.result.Complete {
			x.result.NoReturn = x.noReturn(x.broken, x.ends())
		}
		x.result.Complete = false
	case x.result.Complete:
		x.liveness()
	}
	for _, w := range x.workers {
		x.result.Reached.Add(&w.reached)
	}
}

// expandAll is false where it is cut short.
func (x *search) expandAll() bool {
	for x.goesOn() {
		x.layer, x.next = x.next, x.layer[:0]
		for done := 0; done < len(x.layer); {
			n := min(len(x.layer)-done, x.batch())
			x.expand(x.layer[done : done+n])
			done += n
			if !x.goesOn() || x.refused || !x.report(len(x.layer)-done+len(x.next)) {
				return false
			}
		}
		if len(x.next) == 0 {
			return true
		}
		x.result.Depth++
	}
	return false
}

func (x *search) goesOn() bool { return x.broken == nowhere || x.options.NoReturn }

// batch is how many states the next batch expands.
func (x *search) batch() int {
	perState := x.result.Transitions/max(1, x.seen.states()) + 1
	return max(chunkSize, batchTransitions*len(x.workers)/perState)
}

func (x *search) report(frontier int) bool {
	return x.options.Progress == nil || x.options.Progress(ExploreProgress{
		States: x.seen.states(), Transitions: x.result.Transitions, Depth: x.result.Depth,
		Frontier: frontier, VisitedBytes: x.seen.bytes(),
	})
}

// expand takes every action of a batch of states, and enters what they lead to.
func (x *search) expand(batch []open) {
	n := (len(batch) + chunkSize - 1) / chunkSize
	for len(x.chunks) < n {
		x.chunks = append(x.chunks, nil)
	}
	chunks := x.chunks[:n]
	var next atomic.Int64
	x.together(func(w *worker) {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			chunks[i] = w.expand(batch[i*chunkSize:min(len(batch), (i+1)*chunkSize)], chunks[i][:0])
		}
	})
	total := 0
	for _, c := range chunks {
		total += len(c)
	}
	if total < x.room {
		x.together(func(w *worker) { w.enter(chunks, len(x.workers)) })
	} else {
		x.workers[0].enterSome(chunks)
	}
	for _, c := range chunks {
		for i := range c {
			x.take(&c[i])
		}
	}
	for _, w := range x.workers {
		x.result.Transitions += w.transitions
		w.transitions = 0
	}
	x.level()
}

// level keeps the memory that workers have to spare from gathering at one of them.
func (x *search) level() {
	byWealth := func(a, b *worker) int { return len(a.spare) - len(b.spare) }
	rich, poor := slices.MaxFunc(x.workers, byWealth), slices.MinFunc(x.workers, byWealth)
	if n := (len(rich.spare) - len(poor.spare)) / 2; n > batchTransitions {
		kept := len(rich.spare) - n
		poor.spare = append(poor.spare, rich.spare[kept:]...)
		rich.spare = rich.spare[:kept]
	}
}

// together runs fn for every worker and waits.
func (x *search) together(fn func(*worker)) {
	if len(x.workers) == 1 {
		fn(x.workers[0])
		return
	}
	var all sync.WaitGroup
	for _, w := range x.workers {
		all.Go(func() { fn(w) })
	}
	all.Wait()
}

// take keeps a state that was found where it is new.
func (x *search) take(f *found) {
	w := x.workers[0]
	if f.at == nowhere {
		return // there was no room for it
	}
	if f.fair {
		w.edges = append(w.edges, edge{f.node.parent, f.at})
	}
	if !f.fresh {
		poorest := slices.MinFunc(x.workers, func(a, b *worker) int { return len(a.spare) - len(b.spare) })
		poorest.spare = append(poorest.spare, f.world)
		return
	}
	x.room--
	x.result.Sum += f.fingerprint
	if f.node.broken {
		if x.broken == nowhere {
			x.broken = f.at
			x.room = min(x.room, beyond*x.seen.states()+beyond*batchTransitions)
		}
		return
	}
	x.next = append(x.next, open{f.world, f.at})
}

func (x *search) measure() {
	r := x.result
	r.States = x.seen.states()
	r.VisitedBytes = x.seen.bytes()
	r.GraphBytes = r.States * nodeSize
	for _, w := range x.workers {
		r.GraphBytes += len(w.edges) * edgeSize
	}
}

// worker is one goroutine of a search, and its memory.
type worker struct {
	search      *search
	canon       *Canon
	scratch     scratch
	reached     Reached
	child       *World // that the next action is tried in
	spare       []*World
	actions     []Action
	edges       []edge
	transitions int
}

func newWorker(x *search) *worker {
	return &worker{search: x, canon: NewCanon(!x.options.NoSymmetry), child: new(World)}
}

// expand takes every action of some states, and appends what was not known before.
func (w *worker) expand(states []open, out []found) []found {
	for _, from := range states {
		w.adopt(from.world)
		w.actions = from.world.Actions(w.actions[:0])
		depth := w.search.seen.node(from.at).depth
		for n := range w.actions {
			w.transitions++
			child := w.child
			child.CopyFrom(from.world)
			child.given = &from.world.core
			child.Do(&w.actions[n])
			child.given = nil
			fingerprint := w.canon.Fingerprint(child)
			fair := !w.actions[n].Fault
			if at, known := w.search.seen.find(fingerprint); known {
				if fair {
					w.edges = append(w.edges, edge{from.at, at})
				}
				continue
			}
			out = append(out, found{world: child, fingerprint: fingerprint, fair: fair, at: nowhere, node: node{
				parent: from.at, action: uint16(n), depth: depth + 1, good: child.good(), broken: child.violation != nil,
			}})
			w.child = w.take()
		}
		w.spare = append(w.spare, from.world)
	}
	return out
}

// adopt has a world use the memory of this worker, and count what it reaches here.
func (w *worker) adopt(world *World) { world.scratch, world.reached = &w.scratch, &w.reached }

func (w *worker) take() *World {
	if n := len(w.spare); n > 0 {
		world := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return world
	}
	return new(World)
}

// enter puts what was found into the shards that are this worker's.
func (w *worker) enter(chunks [][]found, workers int) {
	x := w.search
	mine := slices.Index(x.workers, w)
	for _, c := range chunks {
		for i := range c {
			if f := &c[i]; shardOf(f.fingerprint)%workers == mine {
				f.at, f.fresh = x.seen.put(f.fingerprint, f.node)
			}
		}
	}
}

// enterSome puts in as much as there is room for.
func (w *worker) enterSome(chunks [][]found) {
	x := w.search
	left := x.room
	for _, c := range chunks {
		for i := range c {
			f := &c[i]
			if _, known := x.seen.find(f.fingerprint); !known && left == 0 {
				x.refused = true
				continue
			}
			if f.at, f.fresh = x.seen.put(f.fingerprint, f.node); f.fresh {
				left--
			}
		}
	}
}

// good says whether everybody's program has ended and the pool is quiet, full, and as small as an idle
// one is to be, or closed.
func (w *World) good() bool {
	return w.allDone() && w.core.Quiet() && w.full() && w.contracted()
}

func (w *World) allDone() bool {
	for i := range w.clients {
		if w.clients[i].state != done {
			return false
		}
	}
	return true
}

// fail ends a search with the violation that a state shows.
func (x *search) fail(at place) {
	w, trace := x.retrace(at)
	x.result.Violation, x.result.Trace = w.violation, trace
	x.result.Violation.Step = len(trace)
}

// retrace walks from the start to a state, and returns its world and the labels on the way. States are told
// apart up to renaming, so the world is made anew, by the same choices.
func (x *search) retrace(at place) (*World, []string) {
	var path []uint16
	for n := x.seen.node(at); n.parent != nowhere; n = x.seen.node(n.parent) {
		path = append(path, n.action)
	}
	slices.Reverse(path)
	w := x.start.Clone()
	var labels []string
	for _, n := range path {
		actions := w.Actions(nil)
		labels = append(labels, w.Label(&actions[n]))
		w.Do(&actions[n])
	}
	return w, labels
}

package sim

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/pagepool/pagepool/pool/core"
)

// ExploreOptions bound a search.
type ExploreOptions struct {
	MaxStates int // 0: no bound
	// Progress is called now and then, and stops the search by false.
	Progress func(states, frontier int) bool
}

// Exploration is what a search came to.
type Exploration struct {
	Scenario    string
	States      int
	Transitions int
	Depth       int
	Sum         uint64 // of the fingerprints of all states, in no order
	MemoryBytes int    // of the visited states and the graph, at the end
	Complete    bool   // every reachable state was visited
	Reached     Reached
	Violation   *Violation
	Trace       []string // the labels of the actions that lead to the violation
}

// Explore visits every state that a scenario can reach, breadth first, so a violation is found by a
// shortest sequence of actions. Then it looks for states from which no fair browser leads to a good
// one: everybody's program ended, and the pool quiet and full.
//
// States are told apart by 64-bit fingerprints. Of n states, one is overlooked with a probability of
// about n*n/2^65: three in a million for ten million states.
func Explore(s *Scenario, o ExploreOptions) (*Exploration, error) {
	start, err := s.World()
	if err != nil {
		return nil, err
	}
	x := &search{scenario: s, options: o, result: &Exploration{Scenario: s.Name}}
	x.result.Reached = Reached{}
	start.reached = &x.result.Reached
	x.run(start)
	return x.result, nil
}

// node is a visited state: how it was reached first.
type node struct {
	parent int32
	action uint16
	good   bool
	_      [1]byte
}

// edge is a transition that a fair browser makes in the end.
type edge struct{ from, to int32 }

type search struct {
	scenario *Scenario
	options  ExploreOptions
	result   *Exploration
	seen     table
	nodes    []node
	edges    []edge
	layer    []*World // the states of the present depth, whose successors are looked for
	at       int32    // the node of the first of layer
	next     []*World
	spare    []*World
	renaming core.Renaming
	actions  []Action
}

func (x *search) run(start *World) {
	x.seen.grow(1 << 10)
	if x.visit(start, -1, 0); start.violation != nil {
		x.fail(start.violation, 0)
		return
	}
	x.layer, x.next = x.next, nil
	for len(x.layer) > 0 {
		if !x.expandLayer() {
			x.measure()
			return
		}
		if len(x.next) > 0 {
			x.result.Depth++
		}
		x.at += int32(len(x.layer))
		x.spare = append(x.spare, x.layer...)
		x.layer, x.next = x.next, x.layer[:0]
	}
	x.result.Complete = true
	x.measure()
	x.liveness()
}

// transitionsBetween is how many transitions come between two calls of Progress. It is transitions that
// are counted since one state can have thousands, and each makes a world.
const transitionsBetween = 1 << 8

// expandLayer takes every action of every state of the present depth. It is false where the search
// ends early.
func (x *search) expandLayer() bool {
	for i, w := range x.layer {
		from := x.at + int32(i)
		x.actions = w.Actions(x.actions[:0])
		for n := range x.actions {
			x.result.Transitions++
			child := x.take(w)
			child.Do(&x.actions[n])
			to := x.visit(child, from, n)
			if !x.actions[n].Fault {
				x.edges = append(x.edges, edge{from, to})
			}
			if child.violation != nil {
				x.fail(child.violation, to)
				return false
			}
			if x.result.Transitions%transitionsBetween == 0 && x.options.Progress != nil &&
				!x.options.Progress(len(x.nodes), len(x.layer)-i+len(x.next)) {
				return false
			}
		}
		if x.options.MaxStates > 0 && len(x.nodes) >= x.options.MaxStates {
			return false
		}
	}
	return true
}

// take is a copy of a world, in memory that is not used any more.
func (x *search) take(w *World) *World {
	var child *World
	if n := len(x.spare); n > 0 {
		child = x.spare[n-1]
		x.spare = x.spare[:n-1]
	} else {
		child = new(World)
	}
	child.CopyFrom(w)
	return child
}

// visit notes a state, keeps it where it is new, and returns its node.
func (x *search) visit(w *World, parent int32, action int) int32 {
	fingerprint := w.Fingerprint(&x.renaming)
	id, known := x.seen.put(fingerprint, int32(len(x.nodes)))
	if known {
		x.spare = append(x.spare, w)
		return id
	}
	x.nodes = append(x.nodes, node{parent: parent, action: uint16(action), good: w.good()})
	x.next = append(x.next, w)
	x.result.States++
	x.result.Sum += fingerprint
	return id
}

// good says whether everybody's program has ended and the pool is quiet, full, and as small as an idle
// one is to be, or closed.
func (w *World) good() bool {
	return w.allDone() && w.core.Quiet() && w.full() && w.contracted()
}

func (x *search) measure() {
	x.result.MemoryBytes = len(x.seen.keys)*12 + cap(x.nodes)*int(unsafe.Sizeof(node{})) +
		cap(x.edges)*int(unsafe.Sizeof(edge{}))
}

// liveness looks, backwards from the good states along what a fair browser does, for states that
// are never met: from them nothing but a fault leads on.
func (x *search) liveness() {
	// The edges into each node, one after the other.
	first := make([]int32, len(x.nodes)+1)
	for _, e := range x.edges {
		first[e.to+1]++
	}
	for i := range x.nodes {
		first[i+1] += first[i]
	}
	into := make([]int32, len(x.edges))
	fill := slices.Clone(first)
	for _, e := range x.edges {
		into[fill[e.to]] = e.from
		fill[e.to]++
	}
	ends := make([]bool, len(x.nodes))
	var queue []int32
	for i := range x.nodes {
		if x.nodes[i].good {
			ends[i] = true
			queue = append(queue, int32(i))
		}
	}
	for len(queue) > 0 {
		to := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, from := range into[first[to]:first[to+1]] {
			if !ends[from] {
				ends[from] = true
				queue = append(queue, from)
			}
		}
	}
	if stuck := slices.Index(ends, false); stuck >= 0 {
		w, trace := x.retrace(int32(stuck))
		property := "refilled"
		switch {
		case w.core.Waiting(core.Nested) > 0:
			property = "nested-progress"
		case w.core.Closing():
			property = "closes"
		case w.core.Waiting(core.Root) > 0 || !w.allDone():
			property = "answered"
		}
		x.result.Violation = &Violation{
			Property: property, Says: Says(property), Step: len(trace),
			What: fmt.Sprintf("from this state on, whatever a fair browser does, it does not end: %d and %d waiting, %d leases, %d opening, %d standby of %d, %d closing, %d lost",
				w.core.Waiting(core.Root), w.core.Waiting(core.Nested), w.core.Leases(), w.core.Count(core.Opening),
				w.core.Count(core.Standby), w.core.Target(), w.core.Count(core.Closing), w.core.Count(core.Lost)),
		}
		x.result.Trace = trace
	}
}

func (w *World) allDone() bool {
	for i := range w.clients {
		if w.clients[i].state != done {
			return false
		}
	}
	return true
}

// fail ends a search with a violation that the state of a node showed.
func (x *search) fail(v *Violation, id int32) {
	x.result.Violation = v
	_, x.result.Trace = x.retrace(id)
	v.Step = len(x.result.Trace)
}

// retrace walks from the start to a node, and returns its world and the labels on the way.
func (x *search) retrace(id int32) (*World, []string) {
	var path []uint16
	for n := id; x.nodes[n].parent >= 0; n = x.nodes[n].parent {
		path = append(path, x.nodes[n].action)
	}
	slices.Reverse(path)
	w, err := x.scenario.World()
	if err != nil {
		panic("sim: BUG: a scenario whose world was made once: " + err.Error())
	}
	var labels []string
	for _, n := range path {
		actions := w.Actions(nil)
		labels = append(labels, w.Label(&actions[n]))
		w.Do(&actions[n])
	}
	return w, labels
}

// table finds the node of a fingerprint: open addressing with linear probing, never more than three
// quarters full. A key of 0 is an empty place; a fingerprint of 0 counts as 1.
type table struct {
	keys  []uint64
	nodes []int32
	used  int
}

func (t *table) grow(n int) {
	old := *t
	*t = table{keys: make([]uint64, n), nodes: make([]int32, n)}
	for i, key := range old.keys {
		if key != 0 {
			t.put(key, old.nodes[i])
		}
	}
}

// put returns the node of a fingerprint, and makes it this one where there is none.
func (t *table) put(key uint64, node int32) (id int32, known bool) {
	key = max(key, 1)
	if 4*(t.used+1) > 3*len(t.keys) {
		t.grow(2 * len(t.keys))
	}
	mask := uint64(len(t.keys) - 1)
	for i := key >> 16 & mask; ; i = (i + 1) & mask {
		switch t.keys[i] {
		case key:
			return t.nodes[i], true
		case 0:
			t.keys[i], t.nodes[i] = key, node
			t.used++
			return node, false
		}
	}
}

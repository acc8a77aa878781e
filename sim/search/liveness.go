package search

import (
	"slices"
	"unsafe"
)

const (
	nodeSize = int(unsafe.Sizeof(node{}))
	edgeSize = int(unsafe.Sizeof(edge{}))
)

// graph is what a search has visited, by the transitions that a fair browser makes in the end. Its
// states are numbered without gaps, one shard after the other.
type graph struct {
	base  [shards + 1]int32 // by shard: the number of its first state
	first []int32           // by state: where its neighbours begin, and where the last one's end
	next  []int32           // neighbours
}

func (x *search[T, A, W]) base() (base [shards + 1]int32) {
	for n := range shards {
		base[n+1] = base[n] + int32(len(x.seen.shards[n].keys))
	}
	return base
}

func (g *graph) number(p place) int32 { return g.base[p.shard()] + int32(p.index()) }

func (g *graph) place(number int32) place {
	n := 0
	for g.base[n+1] <= number {
		n++
	}
	return place(int(number-g.base[n])*shards + n)
}

func (g *graph) states() int { return len(g.first) - 1 }

func (g *graph) of(state int32) []int32 { return g.next[g.first[state]:g.first[state+1]] }

// graph builds it, along the transitions or against them.
func (x *search[T, A, W]) graph(backward bool) *graph {
	g := &graph{base: x.base()}
	ends := func(e edge) (from, to int32) {
		from, to = g.number(e.from), g.number(e.to)
		if backward {
			from, to = to, from
		}
		return from, to
	}
	g.first = make([]int32, x.seen.states()+1)
	total := 0
	for _, w := range x.workers {
		total += len(w.edges)
		for _, e := range w.edges {
			from, _ := ends(e)
			g.first[from+1]++
		}
	}
	for i := range g.states() {
		g.first[i+1] += g.first[i]
	}
	g.next = make([]int32, total)
	fill := slices.Clone(g.first)
	for _, w := range x.workers {
		for _, e := range w.edges {
			from, to := ends(e)
			g.next[fill[from]] = to
			fill[from]++
		}
	}
	return g
}

// ends says of each state whether a fair browser can lead from it to a good one.
func (x *search[T, A, W]) ends() []bool {
	g := x.graph(true)
	can := make([]bool, g.states())
	var queue []int32
	for i := range can {
		if n := x.seen.node(g.place(int32(i))); n.good && !n.broken {
			can[i] = true
			queue = append(queue, int32(i))
		}
	}
	for len(queue) > 0 {
		to := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, from := range g.of(to) {
			if !can[from] && !x.seen.node(g.place(from)).broken {
				can[from] = true
				queue = append(queue, from)
			}
		}
	}
	return can
}

// liveness looks for states from which no good one can be reached by what a fair browser does: then
// it is never reached by chance either. Where there is one, there is a component of the graph that
// nothing leads out of and that has no good state; the counterexample is the way to the nearest,
// and what goes on in it.
func (x *search[T, A, W]) liveness() {
	can := x.ends()
	if !slices.Contains(can, false) {
		return
	}
	g := x.graph(false)
	bottom := g.bottoms(can)
	nearest := x.nearest(g, func(i int32) bool { return bottom[i] })
	r := x.result
	r.Verdict, r.Path, r.NoReturn = Stuck, x.path(g.place(nearest)), x.noReturn(g.place(nearest), can)
	r.Component = x.around(r.Path)
}

// noReturn is how many actions of the way to a state it takes until no good state can be reached
// any more.
func (x *search[T, A, W]) noReturn(at place, can []bool) int {
	g := graph{base: x.base()}
	n := int(x.seen.node(at).depth)
	for {
		parent := x.seen.node(at).parent
		if parent == nowhere || can[g.number(parent)] {
			return n
		}
		at = parent
		n--
	}
}

// nearest is one of the states with a property that the fewest actions lead to, the same for any
// number of workers.
func (x *search[T, A, W]) nearest(g *graph, is func(int32) bool) int32 {
	best := int32(-1)
	for i := range int32(g.states()) {
		if is(i) && (best < 0 || x.seen.node(g.place(i)).depth < x.seen.node(g.place(best)).depth) {
			best = i
		}
	}
	return best
}

// around is a way round the component of the state at the end of a path, which nothing leads out
// of; none where nothing can happen there at all. It is at most aroundLength long.
func (x *search[T, A, W]) around(path []int) []int {
	w := Follow[T, A](x.start, path, nil)
	x.workers[0].adopt(w)
	var round []int
	start := w.Fingerprint()
	for range aroundLength {
		actions := w.Actions(nil)
		n := slices.IndexFunc(actions, func(a A) bool { return x.options.fair(&a) })
		if n < 0 {
			break
		}
		round = append(round, n)
		w.Do(&actions[n])
		if w.Fingerprint() == start {
			break
		}
	}
	return round
}

// aroundLength is how much of what goes on for ever is told.
const aroundLength = 12

// bottoms says which of the states that cannot reach a good one are in a component that nothing
// leads out of: Tarjan's algorithm (Depth-first search and linear graph algorithms, 1972), without
// recursion.
func (g *graph) bottoms(can []bool) []bool {
	t := tarjan{graph: g, index: make([]int32, g.states()), low: make([]int32, g.states()),
		bottom: make([]bool, g.states())}
	for i := range int32(g.states()) {
		if !can[i] && t.index[i] == 0 {
			t.visit(i)
		}
	}
	return t.bottom
}

type tarjan struct {
	*graph
	// of a state: when it was met, from 1; and the earliest that can be reached and is on the stack
	index, low []int32
	stack      []int32 // states whose component is not known yet
	path       []step
	last       int32
	bottom     []bool
}

// step is a state on the present path, and how many of its neighbours were looked at.
type step struct {
	state, done int32
	leaves      bool // something leads out of its component
}

func (t *tarjan) enter(state int32) {
	t.last++
	t.index[state], t.low[state] = t.last, t.last
	t.stack = append(t.stack, state)
	t.path = append(t.path, step{state: state})
}

// left is the mark of a state whose component is known.
const left = int32(1<<31 - 1)

func (t *tarjan) visit(root int32) {
	t.enter(root)
	for len(t.path) > 0 {
		top := &t.path[len(t.path)-1]
		if next := t.of(top.state); int(top.done) < len(next) {
			to := next[top.done]
			top.done++
			switch {
			case t.index[to] == 0:
				t.enter(to)
			case t.low[to] == left:
				top.leaves = true
			default:
				t.low[top.state] = min(t.low[top.state], t.index[to])
			}
			continue
		}
		t.leave(*top)
	}
}

// leave ends the visit of a state; with the first state of a component, the component is known.
func (t *tarjan) leave(done step) {
	t.path = t.path[:len(t.path)-1]
	isRoot := t.low[done.state] == t.index[done.state]
	if len(t.path) > 0 {
		above := &t.path[len(t.path)-1]
		if isRoot {
			above.leaves = true
		} else {
			t.low[above.state] = min(t.low[above.state], t.low[done.state])
			above.leaves = above.leaves || done.leaves
		}
	}
	for isRoot {
		n := len(t.stack) - 1
		state := t.stack[n]
		t.stack = t.stack[:n]
		t.low[state], t.bottom[state] = left, !done.leaves
		if state == done.state {
			return
		}
	}
}

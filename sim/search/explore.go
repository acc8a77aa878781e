package search

import (
	"slices"
	"sync"
	"sync/atomic"
)

// edge is a transition that a fair browser makes in the end.
type edge struct{ from, to place }

// open is a state whose successors are to be looked for.
type open[W any] struct {
	world W
	at    place
}

// search is one search. Its frontier is expanded a batch at a time: first the workers take every
// action of its states and drop what is known, then they enter what is left, each into shards of
// its own, in the order of the actions. So everything, which path to a state was the first
// included, is the same for any number of workers.
type search[T, A any, W Pointer[T, A]] struct {
	start   W
	options Options[W, A]
	result  *Result
	seen    visited
	workers []*worker[T, A, W]
	layer   []open[W] // the states of the present depth
	next    []open[W] // those of the next
	chunks  [][]found[W]
	room    int   // how many more states may be entered
	refused bool  // one was not
	broken  place // the first state that breaks a claim, or nowhere
}

// found is a state that was not known when its batch began.
type found[W any] struct {
	world       W // nil: its worker has found it before, in this batch
	fingerprint uint64
	node        node
	at          place
	fair        bool
	fresh       bool
}

// chunkSize is how many states a worker takes at a time.
const chunkSize = 16

// batchTransitions is about how many transitions a batch makes: few enough for Progress to be
// called many times a second, and for the worlds found to stay in the processor's caches.
const batchTransitions = 1 << 12

// beyond is how many times as many states are visited after a broken claim, to know from where on
// nothing avoids it: a pool with a bug in it may have states without end.
const beyond = 8

func (x *search[T, A, W]) run() {
	x.broken, x.room = nowhere, x.options.MaxStates
	first := clone[T, A](x.start)
	x.workers[0].adopt(first)
	fingerprint := first.Fingerprint()
	at, _ := x.seen.put(fingerprint, node{parent: nowhere, good: first.Good(), broken: first.Broken()})
	x.room--
	x.result.Sum += fingerprint
	x.next = append(x.next, open[W]{first, at})
	if first.Broken() {
		x.broken = at
	}
	x.result.Complete = x.expandAll()
	x.measure()
	switch {
	case x.broken != nowhere:
		x.result.Verdict, x.result.Path = Broken, x.path(x.broken)
		if x.result.Complete {
			x.result.NoReturn = x.noReturn(x.broken, x.ends())
		}
		x.result.Complete = false
	case x.result.Complete:
		x.liveness()
	}
}

// expandAll is false where it is cut short.
func (x *search[T, A, W]) expandAll() bool {
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

func (x *search[T, A, W]) goesOn() bool { return x.broken == nowhere || x.options.NoReturn }

// batch is how many states the next batch expands.
func (x *search[T, A, W]) batch() int {
	perState := x.result.Transitions/max(1, x.seen.states()) + 1
	return max(chunkSize, batchTransitions*len(x.workers)/perState)
}

func (x *search[T, A, W]) report(frontier int) bool {
	return x.options.Progress == nil || x.options.Progress(Progress{
		States: x.seen.states(), Transitions: x.result.Transitions, Depth: x.result.Depth,
		Frontier: frontier, VisitedBytes: x.seen.bytes(),
	})
}

// expand takes every action of a batch of states, and enters what they lead to. One worker enters
// what it has found after every chunk: then fewer states are found twice, and their worlds are
// still in the processor's caches. The search ends after whole batches all the same.
func (x *search[T, A, W]) expand(batch []open[W]) {
	if len(x.workers) > 1 {
		x.expandTogether(batch)
		return
	}
	for chunk := range slices.Chunk(batch, chunkSize) {
		x.expandTogether(chunk)
	}
}

func (x *search[T, A, W]) expandTogether(batch []open[W]) {
	n := (len(batch) + chunkSize - 1) / chunkSize
	for len(x.chunks) < n {
		x.chunks = append(x.chunks, nil)
	}
	chunks := x.chunks[:n]
	var next atomic.Int64
	x.together(func(w *worker[T, A, W]) {
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
		x.together(func(w *worker[T, A, W]) { w.enter(chunks, len(x.workers)) })
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
func (x *search[T, A, W]) level() {
	byWealth := func(a, b *worker[T, A, W]) int { return len(a.spare) - len(b.spare) }
	rich, poor := slices.MaxFunc(x.workers, byWealth), slices.MinFunc(x.workers, byWealth)
	if n := (len(rich.spare) - len(poor.spare)) / 2; n > batchTransitions {
		kept := len(rich.spare) - n
		poor.spare = append(poor.spare, rich.spare[kept:]...)
		rich.spare = rich.spare[:kept]
	}
}

// together runs fn for every worker and waits.
func (x *search[T, A, W]) together(fn func(*worker[T, A, W])) {
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
func (x *search[T, A, W]) take(f *found[W]) {
	w := x.workers[0]
	if f.at == nowhere {
		return // there was no room for it
	}
	if f.fair {
		w.edges = append(w.edges, edge{f.node.parent, f.at})
	}
	if !f.fresh && f.world != nil {
		poorest := slices.MinFunc(x.workers, func(a, b *worker[T, A, W]) int {
			return len(a.spare) - len(b.spare)
		})
		poorest.spare = append(poorest.spare, f.world)
	}
	if !f.fresh {
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
	x.next = append(x.next, open[W]{f.world, f.at})
}

func (x *search[T, A, W]) measure() {
	r := x.result
	r.States = x.seen.states()
	r.VisitedBytes = x.seen.bytes()
	r.GraphBytes = r.States * nodeSize
	for _, w := range x.workers {
		r.GraphBytes += len(w.edges) * edgeSize
	}
}

// worker is one goroutine of a search, and its memory.
type worker[T, A any, W Pointer[T, A]] struct {
	search      *search[T, A, W]
	adopt       func(W)
	child       W // that the next action is tried in
	lately      lately
	spare       []W
	actions     []A
	edges       []edge
	transitions int
}

func newWorker[T, A any, W Pointer[T, A]](x *search[T, A, W]) *worker[T, A, W] {
	w := &worker[T, A, W]{search: x, child: new(T), adopt: func(W) {}}
	if x.options.Adopt != nil {
		w.adopt = x.options.Adopt()
	}
	return w
}

// expand takes every action of some states, and appends what was not known before.
func (w *worker[T, A, W]) expand(states []open[W], out []found[W]) []found[W] {
	for _, from := range states {
		w.adopt(from.world)
		w.actions = from.world.Actions(w.actions[:0])
		depth := w.search.seen.node(from.at).depth
		for n := range w.actions {
			w.transitions++
			child, a := w.child, &w.actions[n]
			child.CopyFrom(from.world)
			if d, ok := any(child).(DoerFrom[*T, A]); ok {
				d.DoFrom(from.world, a)
			} else {
				child.Do(a)
			}
			f := found[W]{fair: w.search.options.fair(a), at: nowhere, node: node{
				parent: from.at, action: uint16(n), depth: depth + 1,
			}}
			at, met := w.look(child, &f)
			switch {
			case met == before:
				if f.fair {
					w.edges = append(w.edges, edge{from.at, at})
				}
				continue
			case met == never:
				f.world, w.child = child, w.take()
				f.node.good, f.node.broken = child.Good(), child.Broken()
			}
			out = append(out, f)
		}
		w.spare = append(w.spare, from.world)
	}
	return out
}

// met says whether a state is known.
type met uint8

const (
	never       met = iota
	inThisBatch     // by the same worker
	before
)

// look says whether the state that a transition has led to is known, and has it checked where it is
// not. A claim that breaks makes another state of it.
func (w *worker[T, A, W]) look(child W, f *found[W]) (at place, known met) {
	f.fingerprint = child.Fingerprint()
	at, known = w.find(f.fingerprint)
	checker, ok := any(child).(StateChecker)
	sample := sampled(f.fingerprint, f.node.parent)
	if ok && !child.Broken() && (known == never || sample) {
		if checker.CheckState(!sample); child.Broken() {
			f.fingerprint = child.Fingerprint()
			at, known = w.find(f.fingerprint)
		}
	}
	if known == never {
		w.lately.add(f.fingerprint)
	}
	return at, known
}

func (w *worker[T, A, W]) find(fingerprint uint64) (at place, known met) {
	at, ok := w.search.seen.find(fingerprint)
	switch {
	case ok:
		known = before
	case w.lately.has(fingerprint):
		known = inThisBatch
	}
	return at, known
}

// lately is what a worker has found. It forgets: of those with the same last bits it keeps the
// last. What was found in an earlier batch has become known, so nothing has to be taken out.
type lately [1 << 13]uint64

func (l *lately) has(fingerprint uint64) bool {
	return fingerprint != 0 && l[fingerprint%uint64(len(l))] == fingerprint
}

func (l *lately) add(fingerprint uint64) { l[fingerprint%uint64(len(l))] = fingerprint }

// sampled says whether a transition is checked whole, wherever it leads: one in 128.
func sampled(fingerprint uint64, from place) bool { return mix(fingerprint, uint64(from))>>57 == 0 }

func (w *worker[T, A, W]) take() W {
	if n := len(w.spare); n > 0 {
		world := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return world
	}
	return new(T)
}

// enter puts what was found into the shards that are this worker's.
func (w *worker[T, A, W]) enter(chunks [][]found[W], workers int) {
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
func (w *worker[T, A, W]) enterSome(chunks [][]found[W]) {
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

// path is which of its actions each state on the way from the start to a state takes.
func (x *search[T, A, W]) path(at place) []int {
	var path []int
	for n := x.seen.node(at); n.parent != nowhere; n = x.seen.node(n.parent) {
		path = append(path, int(n.action))
	}
	slices.Reverse(path)
	return path
}

package search

// around is a search around a given run.
type around[T, A any, W Pointer[T, A]] struct {
	steps   int
	happens func(W, int) bool
	options Options[W, A]
	seen    visited // by fingerprint and step: with the fewest deviations that lead there
	told    []told
	result  *AroundResult
	next    []point[W] // where a run goes on that has deviated once more
}

// told is what happened last on the way to a state, and what was before.
type told struct {
	step   Step
	before int
}

// point is where a run goes on: a world, the next step, and the way to it.
type point[W any] struct {
	world W
	step  int
	way   int
}

func (a *around[T, A, W]) search(w W, deviations int) bool {
	level := []point[W]{{world: w, way: -1}}
	for d := 0; d <= deviations; d++ {
		a.next = nil
		for i := range level {
			if !a.follow(level[i], d < deviations) {
				return false
			}
			level[i].world = nil
		}
		level = a.next
		a.result.Within = d
	}
	return true
}

// statesBetween is how many states come between two calls of Progress.
const statesBetween = 1 << 8

// follow takes a run along the given one, and notes every way to deviate from it. It is false where
// the search ends.
func (a *around[T, A, W]) follow(p point[W], deviate bool) bool {
	w, r := p.world, a.result
	for {
		key := mix(w.Fingerprint(), uint64(p.step))
		if _, known := a.seen.find(key); known {
			return true
		}
		if a.seen.states() == a.options.MaxStates {
			return false
		}
		a.seen.put(key, node{})
		states := a.seen.states()
		r.Sum += key
		if w.Broken() {
			r.Verdict, r.Steps = Broken, a.way(p.way)
			return false
		}
		if a.options.Progress != nil && states%statesBetween == 0 && !a.options.Progress(Progress{
			States: states, VisitedBytes: a.seen.bytes(), Transitions: r.Transitions, Depth: p.step,
			Frontier: len(a.next),
		}) {
			return false
		}
		if deviate {
			a.deviate(w, p)
		}
		if p.step == a.steps {
			return true
		}
		step := p.step
		p.step++
		r.Depth = max(r.Depth, p.step)
		r.Transitions++
		if a.happens(w, step) {
			p.way = a.tell(Step{Given: step}, p.way)
		}
	}
}

func (a *around[T, A, W]) tell(s Step, before int) int {
	a.told = append(a.told, told{s, before})
	return len(a.told) - 1
}

// deviate notes what else could happen in a world.
func (a *around[T, A, W]) deviate(w W, p point[W]) {
	actions := w.Actions(nil)
	for n := range actions {
		a.result.Transitions++
		child := clone[T, A](w)
		child.Do(&actions[n])
		if _, known := a.seen.find(mix(child.Fingerprint(), uint64(p.step))); known {
			continue
		}
		a.next = append(a.next, point[W]{world: child, step: p.step,
			way: a.tell(Step{Given: -1, Action: n}, p.way)})
	}
}

// mix hashes a number into a hash: a multiplicative step (Knuth, volume 3, 6.4) and a shift.
func mix(h, x uint64) uint64 {
	h = (h ^ x) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

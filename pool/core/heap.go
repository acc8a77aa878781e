package core

// links is the place of an element in a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986): a
// heap in which any element can be taken out, whose memory is the elements' own slots. Finding the
// first is O(1), taking one out O(log n) over time.
type links struct{ child, next, prev int32 }

// arena is where the elements of a heap live, and how they are ordered. No two are equal.
type arena interface {
	at(i int32) *links
	before(i, j int32) bool
}

// insert puts i into the heap with this root and returns the new root.
func insert[A arena](a A, root, i int32) int32 {
	*a.at(i) = links{none, none, none}
	return meld(a, root, i)
}

// remove takes i out of the heap with this root and returns the new root.
func remove[A arena](a A, root, i int32) int32 {
	x := a.at(i)
	rest := pairUp(a, x.child)
	if i == root {
		return rest
	}
	if p := a.at(x.prev); p.child == i {
		p.child = x.next
	} else {
		p.next = x.next
	}
	if x.next != none {
		a.at(x.next).prev = x.prev
	}
	return meld(a, root, rest)
}

func meld[A arena](a A, i, j int32) int32 {
	if i == none {
		return j
	}
	if j == none {
		return i
	}
	if a.before(j, i) {
		i, j = j, i
	}
	x, y := a.at(i), a.at(j)
	y.next, y.prev = x.child, i
	if x.child != none {
		a.at(x.child).prev = j
	}
	x.child = j
	return i
}

// pairUp melds a list of siblings, in pairs from the left and then all from the right.
func pairUp[A arena](a A, i int32) int32 {
	pairs := none
	for i != none {
		x := a.at(i)
		j := x.next
		next := none
		x.next, x.prev = none, none
		if j != none {
			y := a.at(j)
			next = y.next
			y.next, y.prev = none, none
		}
		m := meld(a, i, j)
		a.at(m).next = pairs
		pairs = m
		i = next
	}
	root := none
	for pairs != none {
		x := a.at(pairs)
		next := x.next
		x.next = none
		root = meld(a, root, pairs)
		pairs = next
	}
	return root
}

// requestArena orders requests: higher priority first, first come first served within it.
type requestArena struct{ s *State }

func (a requestArena) at(i int32) *links { return &a.s.requests[i].links }

func (a requestArena) before(i, j int32) bool { return a.s.before(i, j) }

// headArena orders affinities by their first waiting request of a class.
type headArena struct {
	s     *State
	class Class
}

func (a headArena) at(i int32) *links { return &a.s.affinities[i].links[a.class] }

func (a headArena) before(i, j int32) bool {
	return a.s.before(a.s.affinities[i].queue[a.class], a.s.affinities[j].queue[a.class])
}

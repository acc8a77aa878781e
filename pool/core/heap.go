package core

// links is the place of an element in a skew heap (Sleator, Tarjan 1986): a binary tree, ordered
// from the top, in which any element can be taken out, whose memory is the elements' own slots.
// Finding the first is O(1), putting one in and taking one out O(log n) over time, and a walk down
// as far as elements come before something takes no longer than there are such elements.
type links struct{ left, right, up int32 }

// arena is where the elements of a heap live, and how they are ordered. No two are equal.
type arena interface {
	at(i int32) *links
	before(i, j int32) bool
}

// insert puts i into the heap with this root and returns the new root.
func insert[A arena](a A, root, i int32) int32 {
	*a.at(i) = links{None, None, None}
	return meld(a, root, i)
}

// remove takes i out of the heap with this root and returns the new root.
func remove[A arena](a A, root, i int32) int32 {
	x := a.at(i)
	rest := meld(a, x.left, x.right)
	if rest != None {
		a.at(rest).up = x.up
	}
	if i == root {
		return rest
	}
	if p := a.at(x.up); p.left == i {
		p.left = rest
	} else {
		p.right = rest
	}
	return root
}

// meld makes one heap of two. It goes down the right sides of both, and turns each of them to the
// left: so a side that was long is short the next time.
func meld[A arena](a A, i, j int32) int32 {
	root, last, place := None, None, &links{}
	for i != None || j != None {
		if i == None || j != None && a.before(j, i) {
			i, j = j, i
		}
		x := a.at(i)
		if x.up = last; last == None {
			root = i
		}
		place.left = i
		if j == None {
			break
		}
		last, place, i = i, x, x.right
		x.right = x.left // and its left side is what is melded next
	}
	return root
}

// requestArena orders requests: higher priority first, first come first served within it.
type requestArena struct{ s *State }

func (a requestArena) at(i int32) *links { return &a.s.places[i] }

func (a requestArena) before(i, j int32) bool { return a.s.before(i, j) }

// headArena orders affinities by their first waiting request of a class.
type headArena struct {
	s     *State
	class Class
}

func (a headArena) at(i int32) *links { return &a.s.keys[i].links[a.class] }

func (a headArena) before(i, j int32) bool {
	return a.s.before(a.s.keys[i].queue[a.class], a.s.keys[j].queue[a.class])
}

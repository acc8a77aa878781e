package core

import "slices"

// The bounded bypass: a later request may be served ahead of an older one of another affinity, by a
// warm tab, or while the tab that the older one was promised is not there yet; so often and no
// more.

// usedUp says whether a request may not be passed by any more.
func (s *State) usedUp(r *Request) bool { return int(r.Bypassed) >= max(0, s.Settings.MaxBypass) }

// relief is how many tabs are on their way to those that wait, none of them overdue, and promised
// to nobody: openings, closes, and the slots that are free.
func (s *State) relief() int32 { return s.toCome() + s.slots() }

// A contest is what a grant takes from those who are ahead of it and could have had it.
type contest struct {
	lastPermit     bool // the last of the root limit
	lastUnreserved bool // the last that the reserve leaves to requests that are not urgent
	room           bool // a tab, with none there and none on its way
}

func (s *State) contest(r *Request) contest {
	return contest{
		lastPermit:     r.Class != Nested && s.rootPermits() == 1,
		lastUnreserved: r.Class == Root && s.permits(Root) == 1,
		room:           s.Standbys == None && s.relief() <= 0,
	}
}

// takesPermit says whether the permit that a grant takes is the last that a class could have had. A
// class that the root limit or the reserve stops could have had none.
func (s *State) takesPermit(t contest, c Class) bool {
	return c != Nested && s.permits(c) > 0 && (t.lastPermit || t.lastUnreserved && c == Root)
}

// eachCompetitor calls fn for every request of another affinity that is ahead of r in the waiting
// order and that a grant to r would bypass, until it returns false. Requests that RootCap or
// AffinityTabs stops are not among them. Nor are, where the contest is about room, those that have
// a tab of their own affinity on its way. Requests with a promise of a tab compete for the permit:
// a promise holds none.
func (s *State) eachCompetitor(r int32, fn func(*Request) bool) {
	t := s.contest(&s.Requests[r])
	more := !t.lastPermit && !t.lastUnreserved || s.eachPromised(r, t, fn)
	for c := Root; c < Classes && more; c++ {
		forPermit, forRoom := s.takesPermit(t, c), t.room && s.permits(c) > 0
		if !forPermit && !forRoom {
			continue
		}
		bypassed := func(a Affinity) bool {
			if a == s.Requests[r].Affinity || !s.passes(a, c) || !forPermit && s.Shortage(a).Tabs[c] == 0 {
				return true
			}
			return s.eachAhead(s.keys[a].queue[c], r, fn)
		}
		more = s.eachHeadAhead(s.heads[c], c, r, bypassed) &&
			s.eachHeadAhead(s.ownHeads[c], c, r, bypassed)
	}
}

// eachPromised calls fn for every request that is ahead of r, was promised a tab and waits for
// nothing else but the permit that a grant to r takes, until it returns false. An urgent request
// competes with none of its own affinity.
func (s *State) eachPromised(r int32, t contest, fn func(*Request) bool) bool {
	for i := range s.Tabs {
		q, ok := s.requestIndex.get(uint64(s.Tabs[i].Pinned))
		if !ok {
			continue
		}
		o, by := &s.Requests[q], &s.Requests[r]
		own := o.Affinity == by.Affinity && by.Class == Urgent
		if s.takesPermit(t, o.Class) && !own && s.before(q, r) && s.underCap(s.at(o.Affinity)) && !fn(o) {
			return false
		}
	}
	return true
}

// eachHeadAhead calls fn for each affinity of a heap of heads whose first request is ahead of r,
// until it returns false. What is below one that is behind r is behind r too.
func (s *State) eachHeadAhead(a int32, c Class, r int32, fn func(Affinity) bool) bool {
	if a == None || !s.before(s.keys[a].queue[c], r) {
		return true
	}
	x := s.keys[a].links[c]
	return fn(Affinity(a)) && s.eachHeadAhead(x.left, c, r, fn) && s.eachHeadAhead(x.right, c, r, fn)
}

// eachAhead calls fn for each request of a queue that is ahead of r and was promised nothing, until
// it returns false.
func (s *State) eachAhead(i, r int32, fn func(*Request) bool) bool {
	if i == None || !s.before(i, r) {
		return true
	}
	x := s.places[i]
	return (s.Requests[i].Pin != None || fn(&s.Requests[i])) && s.eachAhead(x.left, r, fn) &&
		s.eachAhead(x.right, r, fn)
}

// firstIn is the first of r and of the requests that were promised nothing, of the affinities of a
// heap of heads, from a on down, for which ok holds.
func (s *State) firstIn(a int32, c Class, r int32, ok func(Affinity, Class) bool) int32 {
	if a == None || r != None && !s.before(s.keys[a].queue[c], r) {
		return r // nor is any below it ahead of r
	}
	if ok(Affinity(a), c) {
		r = s.firstUnpromised(s.keys[a].queue[c], r)
	}
	x := s.keys[a].links[c]
	return s.firstIn(x.right, c, s.firstIn(x.left, c, r, ok), ok)
}

// firstUnpromised is the first of r and of the requests of a queue that were promised nothing.
func (s *State) firstUnpromised(i, r int32) int32 {
	if i == None || r != None && !s.before(i, r) {
		return r
	}
	if s.Requests[i].Pin == None {
		return i
	}
	x := s.places[i]
	return s.firstUnpromised(x.right, s.firstUnpromised(x.left, r))
}

// inOrder calls fn for the requests that limits let through and that were promised nothing, in the
// waiting order. Where fn returns false, it is called for no more requests of that class.
func (s *State) inOrder(fn func(r int32) bool) {
	turns := s.turns[:0] // whose turn may be the next, the first at the end
	add := func(r int32) {
		if r != None {
			i := len(turns)
			for i > 0 && s.before(turns[i-1], r) {
				i--
			}
			turns = slices.Insert(turns, i, r)
		}
	}
	addFirst := func(a int32, c Class) {
		if a != None {
			add(s.keys[a].queue[c])
		}
	}
	for c := Root; c < Classes; c++ {
		if s.permits(c) > 0 {
			addFirst(s.heads[c], c)
			addFirst(s.ownHeads[c], c)
		}
	}
	for len(turns) > 0 {
		r := turns[len(turns)-1]
		turns = turns[:len(turns)-1]
		q := &s.Requests[r]
		k, c := s.at(q.Affinity), q.Class
		if r == k.queue[c] {
			addFirst(k.links[c].left, c)
			addFirst(k.links[c].right, c)
		}
		if s.passes(q.Affinity, c) {
			add(s.places[r].left)
			add(s.places[r].right)
			if q.Pin == None && !fn(r) {
				turns = slices.DeleteFunc(turns, func(o int32) bool { return s.Requests[o].Class == c })
			}
		}
	}
	s.turns = turns
}

// heldBack says whether a request that a tab could serve has to wait for an older one whose bypass
// is used up.
func (s *State) heldBack(r int32) bool {
	if s.exhausted == 0 {
		return false
	}
	held := false
	s.eachCompetitor(r, func(q *Request) bool {
		held = s.usedUp(q)
		return !held
	})
	return held
}

// countBypass notes whom a grant to r passes by. Nobody is counted more than MaxBypass times, so
// this takes constant time over a request's wait.
func (s *State) countBypass(r int32) {
	s.eachCompetitor(r, func(q *Request) bool {
		if !s.usedUp(q) {
			if q.Bypassed++; s.usedUp(q) {
				s.exhausted++
			}
		}
		return true
	})
}

package core

// The bounded bypass: a later request may be served ahead of an older one of another affinity, by a
// warm tab, or while the tab that the older one was promised is not there yet; so often and no
// more.

// usedUp says whether a request may not be passed by any more.
func (s *State) usedUp(r *Request) bool { return int(r.Bypassed) >= max(0, s.Settings.MaxBypass) }

// relief is how many tabs are on their way to those that wait, none of them overdue, and promised
// to nobody: openings, closes, and the slots that are free.
func (s *State) relief() int32 {
	s.freshen()
	return s.counts[Opening] - s.overdue[Opening] - s.openings + s.counts[Closing] - s.overdue[Closing] + s.free()
}

// contest says for what a grant competes with those that are ahead of it: the last permit, or
// room, of which there is none and none on its way.
func (s *State) contest(class Class) (permit, room bool) {
	permit = class == Root && s.permits() == 1
	room = s.Standbys == None && s.relief() <= 0
	return permit, room
}

// eachCompetitor calls fn for every request of another affinity that is ahead of r in the waiting
// order and that a grant to r would bypass, until it returns false. Those that RootCap or
// AffinityTabs stops are not among them; where the contest is about room, nor are those that the
// root limit stops, or for which a tab of their own affinity is on its way. Where it is about the
// permit, those are that were promised a tab: a promise holds no permit.
func (s *State) eachCompetitor(r int32, fn func(*Request) bool) {
	permit, room := s.contest(s.Requests[r].Class)
	more := !permit || s.eachPromised(r, fn)
	for c := Root; c < Classes && more; c++ {
		forRoom := room && (c == Nested || s.permits() > 0)
		if !forRoom && !(permit && c == Root) {
			continue
		}
		more = s.eachAheadIn(s.heads[c], c, r, func(i int32) bool {
			q := &s.Requests[i]
			short := forRoom && s.at(q.Affinity).needs[c] > 0
			if q.Affinity == s.Requests[r].Affinity || !short && !(permit && c == Root) {
				return true
			}
			return fn(q)
		})
	}
}

// eachPromised calls fn for every root request that is ahead of r, was promised a tab and
// waits for nothing else but a permit, until it returns false.
func (s *State) eachPromised(r int32, fn func(*Request) bool) bool {
	if s.promised == 0 {
		return true
	}
	for i := range s.Tabs {
		q, ok := s.requestIndex.get(uint64(s.Tabs[i].Pinned))
		if !ok {
			continue
		}
		o := &s.Requests[q]
		if o.Class == Root && s.before(q, r) && s.underCap(s.at(o.Affinity)) && !fn(o) {
			return false
		}
	}
	return true
}

// eachAheadIn walks the heap of heads down as far as they are ahead of r, and the queue of each.
// What is below one that is behind r is behind r too.
func (s *State) eachAheadIn(a int32, c Class, r int32, fn func(int32) bool) bool {
	if a == None || !s.before(s.keys[a].queue[c], r) {
		return true
	}
	k := &s.keys[a]
	return s.eachAhead(k.queue[c], r, fn) && s.eachAheadIn(k.links[c].left, c, r, fn) && s.eachAheadIn(k.links[c].right, c, r, fn)
}

func (s *State) eachAhead(i, r int32, fn func(int32) bool) bool {
	if i == None || !s.before(i, r) {
		return true
	}
	x := s.places[i]
	return fn(i) && s.eachAhead(x.left, r, fn) && s.eachAhead(x.right, r, fn)
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

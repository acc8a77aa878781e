package core

// Affinities with terms of their own: what their contexts need can be given only when these are
// made, a proxy for example. No standby serves such an affinity, for its context is made already. A
// tab is opened for each of its requests that none of its own serves, in a context that is made for
// it, and promised to the request. Where no slot is free and no idle tab is left to evict, a
// standby is closed for it. None of its tabs is handed to another affinity.

// ownTerms notes of a request whether the contexts of its affinity are made for it. The first says
// so, of those since the affinity had a tab, a context or a request; the later ones meet what is
// there, so all contexts of an affinity are of one kind.
func (s *State) ownTerms(e *Event) {
	s.touch(e.Affinity)
	if k := s.at(e.Affinity); k.Tabs == None && k.contexts == 0 && k.waiting == [Classes]int32{} {
		k.Own = e.Own
	}
}

// headsOf are the heaps that an affinity is listed in by its first requests.
func (s *State) headsOf(k affinity) *[Classes]int32 {
	if k.Own {
		return &s.ownHeads
	}
	return &s.heads
}

// firstOfOwn is the first of r and of the requests for which a tab can be opened in a context that
// is made for their affinity. Where no slot is left for the first of these, none is left for any
// behind it.
func (s *State) firstOfOwn(r int32) int32 {
	if s.free() <= 0 || !s.opens() {
		return r
	}
	q := None
	for c := Root; c < Classes; c++ {
		if s.permits(c) > 0 {
			q = s.firstIn(s.ownHeads[c], c, q, func(a Affinity, c Class) bool {
				return s.passes(a, c) && s.holding(s.at(a)).idle == 0
			})
		}
	}
	if q == None || s.free() <= max(0, s.couldHave(s.olderNeeds(q))-s.counts[Standby]-s.toCome()) {
		return r
	}
	return s.first(r, q)
}

// olderNeeds is how many tabs those that are ahead of a request, and that a standby serves, are
// short of: by class, and no more than they get permits for, and than any pool has.
func (s *State) olderNeeds(r int32) (n [Classes]int32) {
	for c := Root; c < Classes; c++ {
		limit := min(s.permits(c), s.most())
		if limit <= 0 {
			continue
		}
		s.eachHeadAhead(s.heads[c], c, r, func(a Affinity) bool {
			older, short := int32(0), s.Shortage(a).Tabs[c]
			s.eachAhead(s.at(a).queue[c], r, func(*Request) bool {
				older++
				return older < short
			})
			n[c] += min(older, short)
			return n[c] < limit
		})
	}
	return n
}

// openFor begins to open a tab for an affinity alone: inside its primary where that has a place,
// and otherwise in a context that is made for it. That is the affinity's from when the tab is open,
// so nothing else opens in a context that may come to nothing.
func (s *State) openFor(a Affinity) int32 {
	k := s.at(a)
	if !k.Own || s.fits(k) {
		return s.openTab(k.Primary, a)
	}
	return s.openTab(s.addContext(), a)
}

// madeFor gives a context that was made for an affinity to it: a tab in it is open, and wanted.
func (s *State) madeFor(t *Tab) {
	if s.Contexts[t.Context].Affinity == 0 {
		s.own(t.Context, t.Affinity)
	}
}

// ownNeed is how many of those that could be given a tab together no standby serves. Where more
// wait than the root limit and the reserve let through, the permits go by the waiting order.
func (s *State) ownNeed() int32 {
	own := s.needs(&s.ownHeads)
	n := s.couldHave(own)
	if n == 0 || n+s.couldHave(s.needs(&s.heads)) == s.need() {
		return n
	}
	n = own[Nested]
	left := [Classes]int32{Root: s.permits(Root), Urgent: s.permits(Urgent)}
	s.inOrder(func(r int32) bool {
		q := &s.Requests[r]
		switch {
		case left[q.Class] <= 0:
			return false
		case !s.short(r):
			return true
		case s.at(q.Affinity).Own:
			n++
		}
		left[q.Class]--
		if q.Class == Root {
			left[Urgent]--
		}
		left[Root] = min(left[Root], left[Urgent])
		return true
	})
	return n
}

// short says whether a request is one of those that its affinity is short of a tab for.
func (s *State) short(r int32) bool {
	q := &s.Requests[r]
	n := s.Shortage(q.Affinity).Tabs[q.Class]
	if n > 0 {
		s.eachAhead(s.at(q.Affinity).queue[q.Class], r, func(*Request) bool { n--; return n > 0 })
	}
	return n > 0
}

// standbyNeed is how many of those that could be given a tab together a standby serves.
func (s *State) standbyNeed() int32 { return s.need() - s.ownNeed() }

// couldHave is how many of so many the root limit and the reserve let through together.
func (s *State) couldHave(n [Classes]int32) int32 {
	others := max(0, min(s.permits(Root), n[Root]))
	return n[Nested] + max(0, min(s.permits(Urgent), n[Urgent]+others))
}

// slots is how many slots are free, or will be by a close that is not overdue. Of what is relief
// for others, those that no standby serves have this alone.
func (s *State) slots() int32 { return s.counts[Closing] - s.overdue[Closing] + s.free() }

// closeStandby closes the standby that would be adopted last.
func (s *State) closeStandby() bool {
	if s.LastReady == None {
		return false
	}
	s.beginClose(s.LastReady, Eviction)
	return true
}

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
	if q == None || !s.opensForOwn(q) {
		return r
	}
	return s.first(r, q)
}

// opensForOwn says whether a slot is free for a request that no standby serves, beyond those that
// older requests are short of that a standby does serve.
func (s *State) opensForOwn(r int32) bool {
	var older [Classes]int32
	coming := s.counts[Standby] + s.toCome()
	for c := Root; c < Classes; c++ {
		if s.permits(c) <= 0 {
			continue
		}
		s.eachHeadAhead(s.heads[c], c, r, func(a Affinity) bool {
			n, most := int32(0), s.Shortage(a).Tabs[c]
			s.eachAhead(s.at(a).queue[c], r, func(*Request) bool {
				n++
				return n < most
			})
			older[c] += min(n, most)
			return older[c] < s.free()+coming
		})
	}
	return s.free() > max(0, s.couldHave(older)-coming)
}

// openFor begins to open a tab for an affinity alone: inside its primary where that has a place,
// and otherwise in a context that is made for it. That is the affinity's from when the tab is open,
// so nothing else opens in a context that may come to nothing.
func (s *State) openFor(a Affinity) int32 {
	if k := s.at(a); !k.Own || s.fits(k) {
		return s.openInPrimary(a)
	}
	i := s.addTab(Tab{Context: s.addContext(s.ready().ID), Affinity: a,
		Generation: s.LastGeneration + 1})
	s.askOpen(i)
	return i
}

// madeFor gives a context that was made for an affinity to it: a tab in it is open, and wanted.
func (s *State) madeFor(t *Tab) {
	if s.Contexts[t.Context].Affinity == 0 {
		s.own(t.Context, t.Affinity)
	}
}

// askOpen asks for the opening of a tab.
func (s *State) askOpen(i int32) {
	t := &s.Tabs[i]
	s.wearOut(t.Browser)
	s.operation(Effect{
		Kind: OpenTab, Tab: t.ID, Context: s.Contexts[t.Context].ID, Browser: t.Browser,
		Affinity: t.Affinity,
	})
}

// ownNeed is how many of those that no standby serves could be given a tab together; standbyNeed is
// how many of the others.
func (s *State) ownNeed() int32 { return s.couldHave(s.needs(&s.ownHeads)) }

// standbyNeed is explained with ownNeed.
func (s *State) standbyNeed() int32 { return s.couldHave(s.needs(&s.heads)) }

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

package core

// How leases end, and what becomes of their tabs.

// released ends a lease by its holder, who has used the page to the end.
func (s *State) released(id RequestID) {
	if i, ok := s.endLease(id); ok {
		t := &s.tabs[i]
		t.goodAt = s.now
		switch reason := s.worn(t); {
		case t.doomed:
			s.beginClose(i, t.reason)
		case reason != ReasonNone:
			s.beginClose(i, reason)
		case t.session == sessionLeft:
			s.endSession(i)
		case s.settings.Reset:
			s.reset(i)
		default:
			s.setState(i, Idle)
		}
	}
}

// discarded ends a lease whose holder says that the tab is spoiled, or that it does not answer.
func (s *State) discarded(id RequestID, wedged bool) {
	if i, ok := s.endLease(id); ok {
		if wedged {
			s.doubt(i, Wedge)
		} else {
			s.beginClose(i, Discard)
		}
	}
}

func (s *State) expired(id RequestID) {
	if i, ok := s.endLease(id); ok {
		s.emit(Effect{Kind: EndLease, Request: id, Tab: s.tabs[i].id, Reason: LeaseExpired})
		s.doubt(i, Expiry)
	}
}

// endLease gives back the permit of a lease and forgets the lease, so that a second end finds
// nothing. What becomes of the tab is the caller's to say in the same breath.
func (s *State) endLease(id RequestID) (int32, bool) {
	i, ok := s.leases.get(uint64(id))
	if !ok {
		return none, false
	}
	s.leases.remove(uint64(id))
	t := &s.tabs[i]
	k := s.at(t.affinity)
	k.freedAt = s.now
	if t.class == Root {
		k.rootLeases--
		s.rootLeases--
	}
	t.holder, t.class = 0, Root
	t.leasedAt, t.retried, t.suspect = t.since, false, false
	if t.sessions {
		t.session = sessionLeft
	}
	s.touch(t.affinity)
	return i, true
}

// revoke ends the lease on a tab without its holder, where there is one.
func (s *State) revoke(i int32, reason Reason) {
	id := s.tabs[i].holder
	if _, ok := s.endLease(id); ok {
		s.emit(Effect{Kind: EndLease, Request: id, Tab: s.tabs[i].id, Reason: reason})
	}
}

// disposed ends the present generation of an affinity. Its tabs begin to close, or are marked to when
// they are open or given back; unless it is to be retained, its primary is one no longer, and it is
// cold; all in this step. So whoever waits for it, or comes for it later, meets a fresh generation.
func (s *State) disposed(e *Event) {
	k := s.affinity(e.Affinity)
	s.lastGeneration++ // this and all before it end here
	last := s.lastGeneration
	if p := k.primary; p != none {
		s.contexts[p].retained = e.Retain
		switch {
		case e.Retain && s.keepable(p):
		case s.inContexts[p].tabs == 0:
			s.closeContext(p, Disposal)
			s.contexts[p].generation = last
		default:
			s.unprimary(p)
		}
	}
	for i := s.at(e.Affinity).tabs; i != none; {
		next := s.tabs[i].next
		switch t := &s.tabs[i]; {
		case t.state == Leased && !t.doomed:
			t.doomed, t.reason = true, Disposal
			s.bind(i, -1)
		case t.state == Opening && !t.doomed:
			s.unpin(i)
			t.doomed, t.reason = true, Disposal
			s.touch(e.Affinity)
		case t.bound():
			s.beginClose(i, Disposal)
		}
		i = next
	}
	if !e.NoWait {
		s.calls = append(s.calls, call{id: e.Call, affinity: e.Affinity, generation: last})
		s.callsDue = true
		s.at(e.Affinity).calls++
	}
	s.touch(e.Affinity)
}

package core

// How leases end, and what becomes of their tabs.

// released ends a lease by its holder, who has used the page to the end.
func (s *State) released(id RequestID) {
	if i, ok := s.endLease(id); ok {
		t := &s.Tabs[i]
		t.GoodAt, t.Unjudged = s.Now, s.Settings.AffinityDoubt > 0 || s.browser(t.Browser).Checks
		switch reason := s.worn(t); {
		case t.Doomed:
			s.beginClose(i, t.Reason)
		case reason != ReasonNone:
			s.beginClose(i, reason)
		default:
			s.afterLease(i)
		}
	}
}

// discarded ends a lease whose holder says that the tab is spoiled, or that it does not answer.
func (s *State) discarded(id RequestID, wedged bool) {
	if i, ok := s.endLease(id); ok {
		if wedged {
			s.endedInDoubt(i)
			s.doubt(i, Wedge)
		} else {
			s.beginClose(i, Discard)
		}
	}
}

func (s *State) expired(id RequestID) {
	if i, ok := s.endLease(id); ok {
		s.emit(Effect{Kind: EndLease, Request: id, Tab: s.Tabs[i].ID, Reason: LeaseExpired})
		s.endedInDoubt(i)
		s.doubt(i, Expiry)
	}
}

// endLease gives back the permit of a lease and forgets the lease, so that a second end finds
// nothing. What becomes of the tab is the caller's to say in the same breath.
func (s *State) endLease(id RequestID) (int32, bool) {
	i, ok := s.leases.get(uint64(id))
	if !ok {
		return None, false
	}
	s.leases.remove(uint64(id))
	t := &s.Tabs[i]
	k := s.at(t.Affinity)
	k.UsedAt = s.Now
	s.countLease(t, -1)
	t.Holder, t.Class = 0, Root
	t.LeasedAt, t.Retried, t.Suspect, t.Doubtful = t.Since, false, false, false
	if t.Sessions {
		t.Session = SessionEnding
	}
	s.touch(t.Affinity)
	return i, true
}

// countLease counts the lease on a tab in or out of the root leases, where it is one.
func (s *State) countLease(t *Tab, n int32) {
	if t.Class == Nested {
		return
	}
	s.at(t.Affinity).rootLeases += n
	s.rootLeases += n
	if t.Class == Urgent {
		s.urgentLeases += n
	}
}

// revoke ends the lease on a tab without its holder, where there is one.
func (s *State) revoke(i int32, reason Reason) {
	id := s.Tabs[i].Holder
	if _, ok := s.endLease(id); ok {
		s.emit(Effect{Kind: EndLease, Request: id, Tab: s.Tabs[i].ID, Reason: reason})
	}
}

// doom begins to close a tab of an affinity, or marks it to close when it is open, or given back.
func (s *State) doom(i int32, reason Reason) {
	switch t := &s.Tabs[i]; {
	case t.State == Leased && !t.Doomed:
		t.Doomed, t.Reason = true, reason
		s.bind(i, -1)
	case t.State == Opening && !t.Doomed:
		s.unpin(i)
		t.Doomed, t.Reason = true, reason
		s.touch(t.Affinity)
	case t.Bound():
		s.beginClose(i, reason)
	}
}

// disposed ends the present generation of an affinity. Its tabs begin to close, or are marked to
// when they are open or given back; unless it is to be retained, its primary is one no longer, and
// it is cold; all in this step. So whoever waits for it, or comes for it later, meets a fresh
// generation.
func (s *State) disposed(e *Event) {
	k := s.affinity(e.Affinity)
	s.LastGeneration++ // this and all before it end here
	last := s.LastGeneration
	if p := k.Primary; p != None {
		s.Contexts[p].Retained = e.Retain
		switch {
		case e.Retain && s.keepable(p):
		case s.inContexts[p] == 0:
			s.closeContext(p, Disposal)
			s.Contexts[p].Generation = last
		default:
			s.unprimary(p)
		}
	}
	for i := s.at(e.Affinity).Tabs; i != None; i = s.Tabs[i].Next {
		s.doom(i, Disposal)
	}
	if !e.NoWait {
		s.Calls = append(s.Calls, Call{ID: e.Call, Affinity: e.Affinity, Generation: last})
		s.at(e.Affinity).calls++
	}
	s.touch(e.Affinity)
}

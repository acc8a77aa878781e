package core

// The books of tabs: slots, lists and counts.

// addTab enters a tab that is asked for, in a context that is on the books.
func (s *State) addTab(t tab) int32 {
	var i int32
	if n := len(s.freeTabs); n > 0 {
		i = s.freeTabs[n-1]
		s.freeTabs = s.freeTabs[:n-1]
		s.counts[0]--
	} else {
		i = int32(len(s.tabs))
		s.tabs = append(s.tabs, tab{})
	}
	s.lastTab++
	t.id, t.browser = s.lastTab, s.contexts[t.context].browser
	t.state, t.unopened = Opening, true
	t.since, t.openBegan, t.askedAt, t.retireAt = s.now, s.now, s.now, never
	s.tabs[i] = t
	s.moved = append(s.moved, i)
	s.counts[Opening]++
	s.tabIndex.put(uint64(t.id), i)
	c := &s.inContexts[t.context]
	if c.tabs++; c.tabs == 1 {
		s.tabless--
		s.delist(t.context)
	}
	if t.affinity != 0 {
		s.link(&s.affinities[t.affinity].tabs, nil, i)
		s.touch(t.affinity)
	}
	return i
}

// removeTab takes a tab off the books: its end is confirmed, or its browser is gone. What becomes of
// its context is the caller's to say in the same breath.
func (s *State) removeTab(i int32) {
	s.setState(i, 0)
	t := &s.tabs[i]
	if a := t.affinity; a != 0 {
		s.unlink(&s.affinities[a].tabs, nil, i)
	}
	c := &s.inContexts[t.context]
	if c.tabs--; c.tabs == 0 {
		s.tabless++
	}
	if t.id == s.contraction {
		s.contraction = 0
		s.capacity--
	}
	s.callsDue = true
	s.tabIndex.remove(uint64(t.id))
	s.tabs[i] = tab{}
	s.freeTabs = append(s.freeTabs, i)
}

// setState moves a tab from one state to another and keeps the counts. Whoever was promised the tab
// is placed again.
func (s *State) setState(i int32, state TabState) {
	s.unpin(i)
	t := &s.tabs[i]
	s.counts[t.state]--
	if t.overdue {
		s.overdue[t.state]--
		t.overdue = false
	}
	t.state, t.since = state, s.now
	s.moved = append(s.moved, i)
	s.counts[state]++
	s.callsDue = s.callsDue || state == Standby
	s.waitsDue = true
	s.touch(t.affinity)
}

// alive is the number of tabs in any state.
func (s *State) alive() int32 { return int32(len(s.tabs) - len(s.freeTabs)) }

// ask begins an operation on a tab, which is answered by an event or given up by a deadline.
func (s *State) ask(kind EffectKind, i int32) {
	s.askTab(i, Effect{Kind: kind})
}

// askHalt asks for the first part of a reset.
func (s *State) askHalt(i int32) { s.askTab(i, Effect{Kind: RescueTab, Halt: true}) }

func (s *State) askTab(i int32, e Effect) {
	t := &s.tabs[i]
	t.askedAt = min(t.askedAt, s.now)
	e.Tab, e.Context, e.Browser, e.Affinity = t.id, s.contexts[t.context].id, t.browser, t.affinity
	s.operation(e)
	t.operation = s.lastOperation
}

// markOverdue notes that what a tab waits for is no relief any more for requests that wait.
func (s *State) markOverdue(kind EventKind, i int32) {
	t := &s.tabs[i]
	if t.overdue || kind != overdueKind(t.state) {
		return
	}
	s.unpin(i)
	t.overdue = true
	s.moved = append(s.moved, i)
	s.overdue[t.state]++
	s.waitsDue = true
	s.touch(t.affinity)
}

// overdueKind is the deadline from which what a tab in a state waits for is no relief any more.
func overdueKind(state TabState) EventKind {
	switch state {
	case Opening:
		return OpenOverdue
	case Probing, Rescuing:
		return ProbeOverdue
	case Resetting:
		return ResetOverdue
	case Closing:
		return CloseOverdue
	}
	return NoEvent
}

// linkStandby puts a tab among the standbys: at the end, but for one of a browser that is being replaced, which is
// to go first.
func (s *State) linkStandby(i int32) {
	if s.standbys == none || !s.draining(s.tabs[i].browser) {
		s.link(&s.standbys, &s.lastReady, i)
		return
	}
	s.link(&s.standbys, nil, i)
}

// link puts a tab at the end of a list of tabs; unlink takes it out. The end of an affinity's list
// is not kept: nothing depends on its order.
func (s *State) link(first, last *int32, i int32) {
	t := &s.tabs[i]
	if last == nil {
		t.next, t.prev = *first, none
		if *first != none {
			s.tabs[*first].prev = i
		}
		*first = i
		return
	}
	t.next, t.prev = none, *last
	if *last != none {
		s.tabs[*last].next = i
	} else {
		*first = i
	}
	*last = i
}

func (s *State) unlink(first, last *int32, i int32) {
	t := &s.tabs[i]
	if t.prev != none {
		s.tabs[t.prev].next = t.next
	} else {
		*first = t.next
	}
	if t.next != none {
		s.tabs[t.next].prev = t.prev
	} else if last != nil {
		*last = t.prev
	}
}

package core

// Where tabs come from: the target, the distance to it, and eviction, which makes the room.

// limit is how many tabs may be alive: capacity, and one spare on top.
func (s *State) limit() int32 { return s.capacity + 1 }

// free is how many tabs may still be opened.
func (s *State) free() int32 { return max(0, s.limit()-s.alive()) }

// target is how many standbys there should be: the spare, or as many as fill the pool.
func (s *State) target() int32 { return max(1, s.size()-s.bound) }

// makeRoom evicts for those that wait. What was refused meanwhile, or is evicted, may have been what held
// somebody back.
func (s *State) makeRoom() {
	for s.place(); s.evict(); {
		s.place()
	}
}

// evict begins to close idle tabs, as many as those who wait are short of, and where no idle one is left, tabs of which
// a probe, a rescue or a reset is overdue; with nobody waiting, one idle tab for the spare. What is on its way already counts as relief, so nothing is evicted twice for one
// shortage; for those who wait, only what is not overdue counts.
func (s *State) evict() bool {
	if s.phase >= ending {
		return false
	}
	if need := s.need(); need > 0 {
		evicted := false
		for relief := s.relief() + s.counts[Standby]; relief < need && (s.evictOne(false) || s.closeOverdue()); relief++ {
			evicted = true
		}
		return evicted
	}
	if s.counts[Standby]+s.counts[Opening]-s.openings+s.counts[Closing]+s.doomed()+s.free() == 0 {
		s.evictOne(true)
	}
	return false
}

// doomed is how many leased tabs are marked to close. Each will free its slot, so the spare waits for
// it and takes no innocent tab; those who wait do not, for it may be held for long.
func (s *State) doomed() int32 {
	bound := s.counts[Idle] + s.counts[Probing] + s.counts[Rescuing] + s.counts[Resetting] + s.counts[Leased]
	return bound - s.bound
}

// evictOne closes the coldest idle tab. For the spare, it takes none of an affinity that holds a root
// lease: the nested work of that lease will want it.
func (s *State) evictOne(spare bool) bool {
	victim := s.coldest(func(t *tab) bool { return !spare || s.at(t.affinity).rootLeases == 0 })
	if victim == none {
		return false
	}
	s.beginClose(victim, Eviction)
	return true
}

// closeOverdue closes the tab whose probe, rescue or reset is overdue and began first. No idle tab is left by then, so it is
// the only room that there is for requests that wait.
func (s *State) closeOverdue() bool {
	first := none
	for i := range s.tabs {
		if t := &s.tabs[i]; t.overdue && t.asked() && (first == none || askedBefore(t, &s.tabs[first])) {
			first = int32(i)
		}
	}
	if first == none {
		return false
	}
	s.beginClose(first, Wedge)
	return true
}

// asked says whether a tab is probed, rescued or reset.
func (t *tab) asked() bool { return t.state >= Probing && t.state <= Resetting }

// askedBefore says which of two operations began first. It is the order in which closeOverdue takes their tabs.
func askedBefore(t, u *tab) bool {
	return t.since < u.since || t.since == u.since && t.id < u.id
}

// coldest is the idle tab that is missed least, among those that may be taken: of a browser that is
// being replaced, then of the affinity that was handed out longest ago, and of that one a supplementary
// tab first.
func (s *State) coldest(may func(*tab) bool) int32 {
	victim := none
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.state == Idle && may(t) && (victim == none || s.colder(int32(i), victim)) {
			victim = int32(i)
		}
	}
	return victim
}

func (s *State) colder(i, j int32) bool {
	t, u := &s.tabs[i], &s.tabs[j]
	if d := s.draining(t.browser); d != s.draining(u.browser) {
		return d
	}
	if t.affinity != u.affinity {
		return s.at(t.affinity).stamp < s.at(u.affinity).stamp
	}
	return s.warmer(j, i)
}

// opens says whether tabs can be opened now.
func (s *State) opens() bool { return !s.paused && s.phase < ending && s.ready() != nil }

// open asks for standbys until the target is met, and for one for each of those who wait.
func (s *State) open() {
	if !s.opens() {
		return
	}
	for s.free() > 0 {
		need := s.need()
		coming := s.counts[Standby] + s.counts[Opening] - s.openings
		if coming >= s.target() && coming-s.overdue[Opening] >= need {
			return
		}
		i := s.addTab(tab{context: s.addContext(s.ready().id)})
		t := &s.tabs[i]
		s.operation(Effect{Kind: OpenTab, Tab: t.id, Context: s.contexts[t.context].id, Browser: t.browser})
		s.wearOut(t.browser)
	}
}

// opened makes a tab a standby, or its affinity's where it was opened inside its primary. Where nobody
// waits for the answer any more, what it opened is closed.
func (s *State) opened(i int32, e *Event) {
	t := &s.tabs[i]
	if !t.unopened {
		return
	}
	t.unopened = false
	t.openEnded, t.goodAt = s.now, s.now
	if t.sessions = e.Sessions; t.sessions {
		t.session = sessionBegun
	}
	if t.state != Opening {
		if s.serves(t.browser) {
			s.closeAgain(i)
		}
		return
	}
	s.success = s.rounds
	if !s.draining(t.browser) {
		s.paused, s.failedOpenings = false, 0
	}
	if s.settings.MaxAge > 0 {
		t.retireAt = s.now.after(s.settings.MaxAge).after(e.Jitter)
	}
	switch {
	case t.doomed:
		s.beginClose(i, t.reason)
	case t.affinity == 0:
		s.setState(i, Standby)
		s.linkStandby(i)
	case s.wanted(t):
		s.setState(i, Idle)
		s.bind(i, +1)
	default:
		s.beginClose(i, Unwanted)
	}
}

// wanted says whether somebody of its affinity waits for a tab that was opened inside its primary. One
// that was overdue may have been replaced meanwhile.
func (s *State) wanted(t *tab) bool {
	s.freshen()
	k := s.at(t.affinity)
	full := t.overdue && int(k.owned()) >= s.settings.AffinityTabs
	return k.waiting[Nested] > 0 || k.waiting[Root] > 0 && !full
}

// openFailed closes what a failed opening may have left, and pauses before the next.
func (s *State) openFailed(i int32) {
	t := &s.tabs[i]
	if !t.unopened {
		return
	}
	t.unopened = false
	switch {
	case t.state == Opening:
		s.beginClose(i, OpenFailure)
		s.failedOpening(t.browser)
	case s.serves(t.browser):
		s.closeAgain(i)
	}
}

// openSilent gives up on an opening. From here the closing times run; a late answer is closed.
func (s *State) openSilent(i int32) {
	if t := &s.tabs[i]; t.state == Opening {
		s.beginClose(i, OpenTimeout)
		s.failedOpening(t.browser)
	}
}

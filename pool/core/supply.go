package core

// Where tabs come from: the target, the distance to it, and eviction, which makes the room.

// limit is how many tabs may be alive: capacity, and one spare on top.
func (s *State) limit() int32 { return s.Capacity + 1 }

// toCome is how many tabs are being opened for nobody, none of them overdue.
func (s *State) toCome() (n int32) {
	if s.counts[Opening] == 0 {
		return 0
	}
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State == Opening && !t.Overdue && (t.Affinity == 0 || t.Doomed) {
			n++
		}
	}
	return n
}

// free is how many tabs may still be opened.
func (s *State) free() int32 { return max(0, s.limit()-s.alive()) }

// target is how many standbys there should be: the spare, or as many as fill the pool; none in a
// browser that is heavy.
func (s *State) target() int32 {
	if s.heavy() {
		return 0
	}
	return max(1, s.size()-s.bound)
}

// makeRoom evicts for those that wait. What was refused meanwhile, or is evicted, may have been
// what held somebody back.
func (s *State) makeRoom() {
	for s.place(); s.evict(); {
		s.place()
	}
}

// evict begins to close idle tabs, as many as those who wait are short of, and where no idle one is
// left, tabs of which a probe, a rescue or a reset is overdue; with nobody waiting, one idle tab
// for the spare, if there is to be one. What is on its way already counts as relief, so nothing is
// evicted twice for one shortage; for those who wait, only what is not overdue counts.
func (s *State) evict() bool {
	if s.Phase >= PhaseEnding {
		return false
	}
	if need := s.need(); need > 0 {
		return s.evictFor(need-s.relief()-s.counts[Standby], s.ownNeed()-s.slots())
	}
	if s.target() > 0 && s.counts[Standby]+s.toCome()+s.overdue[Opening]+s.counts[Closing]+s.doomed()+
		s.free() == 0 {
		s.evictOne(true)
	}
	return false
}

// evictFor makes room for those who wait: so many tabs in all, and so many slots for those that no
// standby serves.
func (s *State) evictFor(tabs, slots int32) (evicted bool) {
	for ; tabs > 0 || slots > 0; tabs, slots = tabs-1, slots-1 {
		switch {
		case s.evictOne(false):
		case slots > 0 && s.closeStandby():
			tabs++ // there is one less for the others
		case !s.closeOverdue():
			return evicted
		}
		evicted = true
	}
	return evicted
}

// doomed is how many leased tabs are marked to close. Each will free its slot, so the spare waits
// for it and takes no innocent tab; those who wait do not, for it may be held for long.
func (s *State) doomed() int32 {
	bound := s.counts[Idle] + s.counts[Probing] + s.counts[Rescuing] + s.counts[Resetting] +
		s.counts[Leased]
	return bound - s.bound
}

// evictOne closes the coldest idle tab. For the spare, it takes none of an affinity that holds a
// root lease: the nested work of that lease will want it.
func (s *State) evictOne(spare bool) bool {
	victim := s.coldest(func(t *Tab) bool { return !spare || s.at(t.Affinity).rootLeases == 0 })
	if victim == None {
		return false
	}
	s.beginClose(victim, Eviction)
	return true
}

// closeOverdue closes the tab whose probe, rescue or reset is overdue and began first. No idle tab
// is left by then, so it is the only room that there is for requests that wait.
func (s *State) closeOverdue() bool {
	first := None
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.Overdue && t.asked() && (first == None || askedBefore(t, &s.Tabs[first])) {
			first = int32(i)
		}
	}
	if first == None {
		return false
	}
	s.beginClose(first, Wedge)
	return true
}

// asked says whether a tab is probed, rescued or reset.
func (t *Tab) asked() bool { return t.State >= Probing && t.State <= Resetting }

// askedBefore says which of two operations began first. It is the order in which closeOverdue takes
// their tabs.
func askedBefore(t, u *Tab) bool {
	return t.Since < u.Since || t.Since == u.Since && t.ID < u.ID
}

// coldest is the idle tab that is missed least, among those that may be taken: of a browser that is
// being replaced, then of the affinity that was handed out longest ago, and of that one a
// supplementary tab first.
func (s *State) coldest(may func(*Tab) bool) int32 {
	victim := None
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if t.State == Idle && may(t) && (victim == None || s.colder(int32(i), victim)) {
			victim = int32(i)
		}
	}
	return victim
}

func (s *State) colder(i, j int32) bool {
	t, u := &s.Tabs[i], &s.Tabs[j]
	if d := s.draining(t.Browser); d != s.draining(u.Browser) {
		return d
	}
	if t.Affinity != u.Affinity {
		return s.at(t.Affinity).Stamp < s.at(u.Affinity).Stamp
	}
	return s.warmer(j, i)
}

// opens says whether tabs can be opened now.
func (s *State) opens() bool { return !s.Openings.On && s.Phase < PhaseEnding && s.ready() != nil }

// open asks for standbys until the target is met, and for one for each of those who wait.
func (s *State) open() {
	if !s.opens() {
		return
	}
	for s.free() > 0 {
		need := s.standbyNeed()
		coming := s.counts[Standby] + s.toCome()
		if coming+s.overdue[Opening] >= s.target() && coming >= need {
			return
		}
		s.openTab(s.addContext(), 0)
	}
}

// opened makes a tab a standby, or its affinity's where it was opened inside its primary. Where
// nobody waits for the answer any more, what it opened is closed.
func (s *State) opened(i int32, e Event) {
	t := &s.Tabs[i]
	if !t.Unopened {
		return
	}
	t.Unopened = false
	t.Opened.Ended, t.GoodAt = s.Now, s.Now
	if t.Sessions = e.Sessions; t.Sessions {
		t.Session = SessionOpen
	}
	if t.State != Opening {
		if s.serves(t.Browser) {
			s.closeAgain(i)
		}
		return
	}
	s.Success = s.Rounds
	if !s.draining(t.Browser) {
		s.Openings.On, s.Openings.Failures = false, 0
	}
	if s.Settings.MaxAge > 0 {
		t.RetireAt = s.Now.Add(s.Settings.MaxAge).Add(e.Jitter)
	}
	switch {
	case t.Doomed:
		s.beginClose(i, t.Reason)
	case t.Affinity == 0:
		s.toStandbys(i)
	case s.wanted(t):
		s.madeFor(t)
		s.setState(i, Idle)
		s.bind(i, +1)
	default:
		s.beginClose(i, Unwanted)
	}
}

// wanted says whether somebody of its affinity waits for a tab that was opened inside its primary.
// One that was overdue may have been replaced meanwhile.
func (s *State) wanted(t *Tab) bool {
	k := s.at(t.Affinity)
	full := t.Overdue && int(s.holding(k).owned) >= s.Settings.AffinityTabs
	return k.waiting[Nested] > 0 || k.waitingRoots() > 0 && !full
}

// openFailed closes what a failed opening may have left, and pauses before the next.
func (s *State) openFailed(i int32) {
	t := &s.Tabs[i]
	if !t.Unopened {
		return
	}
	t.Unopened = false
	switch {
	case t.State == Opening:
		s.beginClose(i, OpenFailure)
		s.failedOpening(t.Browser)
	case s.serves(t.Browser):
		s.closeAgain(i)
	}
}

// openSilent gives up on an opening. From here the closing times run; a late answer is closed.
func (s *State) openSilent(i int32) {
	if t := &s.Tabs[i]; t.State == Opening {
		s.beginClose(i, OpenTimeout)
		s.failedOpening(t.Browser)
	}
}

package core

// The size of the pool: growth by what those who wait need, and contraction when nobody does.

// grow raises capacity by what waiting requests need that are admitted, with nothing on its way to
// them, or that the root limit alone stops: to BurstPages, and beyond that to HighPriorityPages for
// those that are entitled to it. Each of capacity is a permit and a tab.
func (s *State) grow() bool {
	if s.phase >= ending || int(s.capacity) >= s.settings.Ceiling() {
		return false
	}
	s.freshen()
	permits := s.permitsWanted
	if permits > 0 {
		permits -= s.permits() // fewer than none, where tabs were lost
	}
	tabs := s.needs[Nested] + s.needs[Root] - s.relief() - s.counts[Standby]
	want, before := max(0, permits, tabs), s.capacity
	s.capacity = max(s.capacity, min(s.capacity+want, int32(s.settings.BurstPages)))
	// What there is goes to the urgent ones first, who are short of what is left.
	high := s.high - min(max(0, s.permits()), s.relief()+s.counts[Standby])
	if rest := min(want-(s.capacity-before), high); rest > 0 {
		s.capacity = max(s.capacity, min(s.capacity+rest, int32(s.settings.HighPriorityPages)))
	}
	return s.capacity > before
}

// contract shrinks an idle pool to MinPages, by one at a time: the tab goes first, and capacity follows
// when that is confirmed. It begins when nobody has held or waited for IdleContraction.
func (s *State) contract() {
	switch idle := s.phase == serving && s.leases.used == 0 && s.waiting == [classes]int32{}; {
	case !idle:
		s.idle, s.shrinking = false, false
	case !s.idle:
		s.idle, s.idleSince = true, s.now
	}
	for s.shrinking && s.contraction == 0 && int(s.capacity) > s.settings.MinPages {
		if s.alive() <= s.capacity {
			s.capacity--      // a slot is free, and it is this one
			s.callsDue = true // the target is lower
			continue
		}
		if s.counts[Opening] > 0 || s.counts[Closing] > s.overdue[Closing] {
			return // one thing at a time
		}
		i := s.standbys
		if s.counts[Standby] <= max(1, s.capacity-1-s.bound) {
			i = s.coldest(func(*tab) bool { return true })
		}
		if i == none {
			return
		}
		s.contraction = s.tabs[i].id
		s.beginClose(i, Contraction)
	}
}

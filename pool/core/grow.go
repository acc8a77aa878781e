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
	before := s.capacity
	want := s.shortage(s.permitsWanted, s.needs[Nested]+s.needs[Root])
	s.capacity = max(s.capacity, min(s.capacity+want, int32(s.settings.BurstPages)))
	// What there is now goes to the urgent ones first.
	high := min(want-(s.capacity-before), s.shortage(s.highPermits, s.highNeeds))
	s.capacity = max(s.capacity, min(s.capacity+high, int32(s.settings.HighPriorityPages)))
	return s.capacity > before
}

// shortage is how much more capacity those need who want so many permits and so many tabs.
func (s *State) shortage(permits, tabs int32) int32 {
	if permits > 0 {
		permits -= s.permits() // fewer than none, where tabs were lost
	}
	return max(0, permits, tabs-s.relief()-s.counts[Standby])
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
	if s.idle && !s.shrinking && int(s.capacity) > s.settings.MinPages {
		s.arm(s.idleSince.after(s.settings.IdleContraction))
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

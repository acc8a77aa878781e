package core

// The size of the pool: growth by what those who wait need, and contraction when nobody does.

// grow raises capacity by what waiting requests need that are admitted, with nothing on its way to
// them, or that the root limit alone stops: to BurstPages, and beyond that to HighPriorityPages for
// those that are entitled to it. Each of capacity is a permit and a tab.
func (s *State) grow() bool {
	if s.Phase >= PhaseEnding || int(s.Capacity) >= s.Settings.Ceiling() {
		return false
	}
	s.freshen()
	before := s.Capacity
	want := s.shortage(s.permitsWanted, s.needs[Nested]+s.needs[Root])
	s.Capacity = max(s.Capacity, min(s.Capacity+want, int32(s.Settings.BurstPages)))
	// What there is now goes to the urgent ones first.
	high := min(want-(s.Capacity-before), s.shortage(s.highPermits, s.highNeeds))
	s.Capacity = max(s.Capacity, min(s.Capacity+high, int32(s.Settings.HighPriorityPages)))
	return s.Capacity > before
}

// shortage is how much more capacity those need who want so many permits and so many tabs.
func (s *State) shortage(permits, tabs int32) int32 {
	if permits > 0 {
		permits -= s.permits() // fewer than none, where tabs were lost
	}
	return max(0, permits, tabs-s.relief()-s.counts[Standby])
}

// contract shrinks an idle pool to MinPages, by one at a time: the tab goes first, and capacity
// follows when that is confirmed. It begins when nobody has held or waited for IdleContraction.
func (s *State) contract() {
	switch idle := s.Phase == PhaseServing && s.leases.used == 0 && s.waiting == [Classes]int32{}; {
	case !idle:
		s.Idle, s.Shrinking = false, false
	case !s.Idle:
		s.Idle, s.IdleSince = true, s.Now
	}
	if s.Idle && !s.Shrinking && int(s.Capacity) > s.Settings.MinPages {
		s.arm(s.IdleSince.Add(s.Settings.IdleContraction))
	}
	for s.Shrinking && s.Contraction == 0 && int(s.Capacity) > s.Settings.MinPages {
		if s.alive() <= s.Capacity {
			s.Capacity--      // a slot is free, and it is this one
			s.callsDue = true // the target is lower
			continue
		}
		if s.counts[Opening] > 0 || s.counts[Closing] > s.overdue[Closing] {
			return // one thing at a time
		}
		i := s.Standbys
		if s.counts[Standby] <= max(1, s.Capacity-1-s.bound) {
			i = s.coldest(func(*Tab) bool { return true })
		}
		if i == None {
			return
		}
		s.Contraction = s.Tabs[i].ID
		s.beginClose(i, Contraction)
	}
}

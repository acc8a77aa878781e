package core

// The size of the pool: growth by what those who wait need, and contraction when nobody does.

// grow raises capacity by what waiting requests need that are admitted, with nothing on its way to
// them, or that the root limit alone stops: to MaxPages less ReservedPages, and beyond that to
// MaxPages for those at or above ReservedPriority. Each of capacity is a permit and a tab.
func (s *State) grow() bool {
	if s.Phase >= PhaseEnding || int(s.Capacity) >= s.Settings.MaxPages {
		return false
	}
	s.freshen()
	before := s.Capacity
	others := max(0, s.unreserved())
	want := s.shortage(s.permitsWanted[Urgent]+min(others, s.permitsWanted[Root]),
		s.needs[Nested]+s.needs[Urgent]+min(others, s.needs[Root]),
		s.ownNeeds[Nested]+s.ownNeeds[Urgent]+min(others, s.ownNeeds[Root]))
	s.Capacity = max(s.Capacity, min(s.Capacity+want, int32(s.Settings.Unreserved())))
	// What there is now goes to the urgent ones first.
	urgent := s.shortage(s.permitsWanted[Urgent]+s.heldPermit(), s.needs[Urgent]+s.entitledNeeds,
		s.ownNeeds[Urgent]+s.ownEntitled)
	s.Capacity = min(s.Capacity+min(want-(s.Capacity-before), urgent), int32(s.Settings.MaxPages))
	return s.Capacity > before
}

// shortage is how much more capacity those need who want so many permits and so many tabs, of which
// no standby serves so many.
func (s *State) shortage(permits, tabs, own int32) int32 {
	if permits > 0 {
		permits -= s.rootPermits() // fewer than none, where tabs were lost
	}
	return max(0, permits, tabs-s.relief()-s.counts[Standby], own-s.slots())
}

// heldPermit is 1 where the first urgent request has to leave the last permit to an older one that
// is not urgent and whose bypass is used up.
func (s *State) heldPermit() int32 {
	if s.exhausted == 0 || s.rootPermits() != 1 {
		return 0
	}
	r := s.firstUrgent()
	if r == None {
		return 0
	}
	held := int32(0)
	s.eachCompetitor(r, func(q *Request) bool {
		if q.Class == Root && s.usedUp(q) {
			held = 1
		}
		return held == 0
	})
	return held
}

// firstUrgent is the first urgent request that RootCap lets through and that has a tab of its own
// affinity, or that AffinityTabs lets through as well.
func (s *State) firstUrgent() int32 {
	r := None
	for _, a := range [...]int32{s.heads[Urgent], s.ownHeads[Urgent]} {
		if a != None {
			r = s.first(r, s.keys[a].queue[Urgent])
		}
	}
	for _, a := range s.warmWaiting {
		if k := s.at(a); s.underCap(k) {
			r = s.first(s.first(r, k.queue[Urgent]), k.pins[Urgent])
		}
	}
	return r
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

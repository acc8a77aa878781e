package core

// The size of the pool: growth by what those who wait need, and contraction when nobody does.

// grow raises capacity by what waiting requests need that are admitted, with nothing on its way to
// them, or that the root limit alone stops: to MaxPages less ReservedPages, and beyond that to
// MaxPages for those at or above ReservedPriority. Each of capacity is a permit and a tab.
func (s *State) grow() bool {
	if s.Phase >= PhaseEnding || int(s.Capacity) >= s.Settings.MaxPages {
		return false
	}
	before := s.Capacity
	others := max(0, s.unreserved())
	all, own := s.shortOf(&s.heads), s.shortOf(&s.ownHeads)
	all.Tabs, all.Permits = added(all.Tabs, own.Tabs), added(all.Permits, own.Permits)
	all.Entitled += own.Entitled
	tabs := func(n [Classes]int32) int32 { return n[Nested] + n[Urgent] + min(others, n[Root]) }
	want := s.shortage(all.Permits[Urgent]+min(others, all.Permits[Root]), tabs(all.Tabs),
		tabs(own.Tabs))
	s.Capacity = max(s.Capacity, min(s.Capacity+want, int32(s.Settings.Unreserved())))
	// What there is now goes to the urgent ones first.
	urgent := s.shortage(all.Permits[Urgent]+s.heldPermit(), all.Tabs[Urgent]+all.Entitled,
		own.Tabs[Urgent]+own.Entitled)
	s.Capacity = min(s.Capacity+min(want-(s.Capacity-before), urgent), int32(s.Settings.MaxPages))
	return s.Capacity > before
}

// shortOf is what those of a list of heads are short of, as far as a pool can grow for it.
func (s *State) shortOf(heads *[Classes]int32) (all Shortage) {
	for c := Root; c < Classes; c++ {
		all.Tabs[c] = s.sum(heads[c], c, s.most(), func(short Shortage) int32 { return short.Tabs[c] })
		all.Permits[c] = s.sum(heads[c], c, s.most(), func(short Shortage) int32 {
			return short.Permits[c]
		})
	}
	if s.Settings.ReservedPages > 0 {
		all.Entitled = s.sum(heads[Nested], Nested, s.most(), func(short Shortage) int32 {
			return short.Entitled
		})
	}
	return all
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
		r = s.firstIn(a, Urgent, r, s.passes)
	}
	s.eachWarm(func(k affinity, _ int32) {
		if s.underCap(k) {
			r = s.first(r, k.queue[Urgent])
		}
	})
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
			s.Capacity-- // a slot is free, and it is this one
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

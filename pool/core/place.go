package core

// Who gets which tab: requests, grants, and how leases end.

func (s *State) requested(e Event) {
	if s.phase >= ending || s.phase == closing && e.Class == Root {
		s.emit(Effect{Kind: Refuse, Request: e.Request, Affinity: e.Affinity, Reason: PoolClosed})
		s.touch(e.Affinity)
		return
	}
	limit := e.MaxLease
	if limit == 0 {
		limit = s.settings.MaxLease
	}
	s.lastOrder++
	s.enqueue(request{
		id: e.Request, order: s.lastOrder, arrived: s.now, affinity: e.Affinity, maxLease: limit,
		priority: e.Priority, rounds: s.rounds, class: e.Class, used: true,
	})
}

// boundQueue refuses a request that would be one too many of its class to wait. Placement was tried
// before, so one that finds a tab at once is never too many.
func (s *State) boundQueue(e Event) {
	if e.Kind != Requested || int(s.waiting[e.Class]) <= s.settings.MaxWaiting {
		return
	}
	if i, ok := s.requestIndex.get(uint64(e.Request)); ok {
		s.refuseRequest(i, QueueFull)
	}
}

// abandoned takes a request back. One that was granted in the meantime stays granted: the grant
// came first, and its caller finds the lease.
func (s *State) abandoned(id RequestID) {
	if i, ok := s.requestIndex.get(uint64(id)); ok {
		s.refuseRequest(i, RequestAbandoned)
	}
}

func (s *State) refuseRequest(i int32, reason Reason) {
	r := s.requests[i]
	w := s.waits(&r, none)
	s.dequeue(i)
	s.emit(Effect{Kind: Refuse, Request: r.id, Affinity: r.affinity, Reason: reason, Waits: w})
}

// grant gives tabs to those that wait, in the waiting order, until nobody is left who can have one.
func (s *State) grant() {
	for {
		r, t := s.nextGrant()
		if r == none {
			return
		}
		s.grantTab(r, t)
	}
}

// nextGrant is the first request, in the waiting order, that can have a tab now, and that tab: an
// idle one of its own affinity, or else the oldest standby.
func (s *State) nextGrant() (r, t int32) {
	r = none
	if s.standbys != none {
		for c := Root; c < classes; c++ {
			if a := s.heads[c]; a != none && (c == Nested || s.permits() > 0) {
				r = s.first(r, s.affinities[a].queue[c])
			}
		}
	}
	if s.warmWaiting > 0 {
		r = s.firstWarm(r)
	}
	if r == none {
		return none, none
	}
	if t = s.ownIdle(s.requests[r].affinity); t == none {
		t = s.standbys
	}
	return r, t
}

func (s *State) first(i, j int32) int32 {
	if i == none || j != none && s.before(j, i) {
		return j
	}
	return i
}

// firstWarm is the first of r and of the requests that an idle tab of their own affinity serves.
// AffinityTabs does not stop these: the affinity has the tab already.
func (s *State) firstWarm(r int32) int32 {
	for i := range s.tabs {
		if s.tabs[i].state != Idle {
			continue
		}
		k := &s.affinities[s.tabs[i].affinity]
		r = s.first(r, k.queue[Nested])
		if s.permits() > 0 && s.underCap(k) {
			r = s.first(r, k.queue[Root])
		}
	}
	return r
}

// ownIdle is the idle tab that an affinity would use next: that of its primary, whose caches are
// the warmest, or else the one it used last.
func (s *State) ownIdle(a Affinity) int32 {
	k := &s.affinities[a]
	best := none
	if k.idle == 0 {
		return none
	}
	for i := k.tabs; i != none; i = s.tabs[i].next {
		if s.tabs[i].state == Idle && (best == none || s.warmer(k, i, best)) {
			best = i
		}
	}
	return best
}

func (s *State) warmer(k *affinity, i, j int32) bool {
	t, u := &s.tabs[i], &s.tabs[j]
	if p := t.context == k.primary; p != (u.context == k.primary) {
		return p
	}
	return t.stamp > u.stamp
}

func (s *State) grantTab(r, i int32) {
	q := s.requests[r]
	t := &s.tabs[i]
	w := s.waits(&q, i)
	how := Warm
	if t.state == Standby {
		how = Adopted
		s.adopt(i, q.affinity)
	} else {
		s.setIdle(i, Leased)
	}
	s.dequeue(r)
	k := &s.affinities[q.affinity]
	s.lastStamp++
	k.stamp, t.stamp = s.lastStamp, s.lastStamp
	t.holder, t.class, t.maxLease = q.id, q.class, q.maxLease
	t.uses++
	s.leases.put(uint64(q.id), i)
	if q.class == Root {
		k.rootLeases++
		s.rootLeases++
	}
	s.touch(q.affinity)
	s.emit(Effect{
		Kind: Grant, Request: q.id, Affinity: q.affinity, Generation: k.generation,
		Tab: t.id, Context: t.context, Browser: t.browser, How: how, Waits: w,
	})
}

// adopt gives a standby to an affinity and leaves it leased. Its context becomes the primary where
// the affinity has none; otherwise the tab is supplementary, and no pageCount hears of it.
func (s *State) adopt(i int32, a Affinity) {
	s.unlink(&s.standbys, &s.lastReady, i)
	s.setState(i, Leased)
	t := &s.tabs[i]
	k := s.affinity(a)
	if k.generation == 0 {
		s.lastGeneration++
		k.generation = s.lastGeneration
	}
	t.affinity, t.generation = a, k.generation
	s.link(&k.tabs, nil, i)
	if k.primary == 0 {
		k.primary, k.pageCount = t.context, 1
	}
	s.bind(a, +1)
}

// bind counts a tab in or out of its affinity's bound ones. The first makes the affinity warm; when
// the last goes it is cold, in the same step, and its present life is over.
func (s *State) bind(a Affinity, n int32) {
	k := &s.affinities[a]
	k.bound += n
	s.bound += n
	s.callsDue = true
	switch {
	case n > 0 && k.bound == 1:
		s.emit(Effect{Kind: AnnounceWarm, Affinity: a, Generation: k.generation})
	case n < 0 && k.bound == 0:
		s.emit(Effect{Kind: AnnounceCold, Affinity: a, Generation: k.generation})
		k.generation, k.primary, k.pageCount = 0, 0, 0
	}
	s.touch(a)
}

// setIdle moves a tab between idle and another state, and keeps the counts of idle tabs.
func (s *State) setIdle(i int32, state TabState) {
	k := &s.affinities[s.tabs[i].affinity]
	s.countWarmWaiting(k, -1)
	if s.tabs[i].state == Idle {
		k.idle--
	}
	if state == Idle {
		k.idle++
	}
	s.countWarmWaiting(k, +1)
	s.setState(i, state)
}

// released ends a lease. Its tab is idle again, unless it was marked to close.
func (s *State) released(id RequestID) {
	if i, ok := s.endLease(id); ok {
		if t := &s.tabs[i]; t.doomed {
			s.beginClose(i, t.reason)
		} else {
			s.setIdle(i, Idle)
			s.retire(i)
		}
	}
}

func (s *State) discarded(id RequestID, wedged bool) {
	if i, ok := s.endLease(id); ok {
		reason := Discard
		if wedged {
			reason = Wedge
		}
		s.beginClose(i, reason)
	}
}

func (s *State) expired(id RequestID) {
	if i, ok := s.endLease(id); ok {
		s.emit(Effect{Kind: EndLease, Request: id, Tab: s.tabs[i].id, Reason: LeaseExpired})
		s.beginClose(i, Expiry)
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
	if t.class == Root {
		s.affinities[t.affinity].rootLeases--
		s.rootLeases--
	}
	t.holder, t.class = 0, Root
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

// disposed ends the present generation of an affinity. Its idle tabs begin to close, its leased
// ones are marked to close on release, its primary is one no longer, and it is cold, all in this
// step; so whoever waits for it, or comes for it later, meets a fresh generation.
func (s *State) disposed(e Event) {
	k := s.affinity(e.Affinity)
	last := s.lastGeneration
	for i := k.tabs; i != none; {
		next := s.tabs[i].next
		switch t := &s.tabs[i]; {
		case t.state == Idle:
			s.beginClose(i, Disposal)
		case t.state == Leased && !t.doomed:
			t.doomed, t.reason = true, Disposal
			s.unprimary(i)
			s.bind(e.Affinity, -1)
		}
		i = next
	}
	if !e.NoWait {
		s.calls = append(s.calls, call{id: e.Call, affinity: e.Affinity, generation: last})
		s.callsDue = true
		k.calls++
	}
	s.touch(e.Affinity)
}

package core

// Who gets which tab: the rules of placement, in their order.

func (s *State) requested(e *Event) {
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
		id: e.Request, order: s.lastOrder, arrived: s.now, admittedAt: never, affinity: e.Affinity, maxLease: limit,
		priority: e.Priority, rounds: s.rounds, pin: none, class: e.Class, used: true,
	})
}

// boundQueue refuses a request that would be one too many of its class to wait. Placement was tried
// before, so one that finds a tab at once is never too many.
func (s *State) boundQueue(e *Event) {
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

// place gives tabs to those that wait until nobody is left who can have one: first what is there or can
// be opened for them alone (rules 1 to 3), then what growing gives (rule 5), then, where that is
// switched on, what another affinity has.
func (s *State) place() {
	for {
		for s.placeFirst() {
		}
		if !s.grow() && !s.reassign() {
			return
		}
	}
}

// placeFirst places the first request, in the waiting order, that can be placed.
func (s *State) placeFirst() bool {
	if s.waiting == [classes]int32{} {
		return false
	}
	s.freshen()
	r := none
	if s.standbys != none {
		r = s.firstWaiting()
	}
	r = s.firstForPrimary(r)
	r = s.firstWarm(r)
	if r == none {
		return false
	}
	q := &s.requests[r]
	i := s.ownIdle(q.affinity)
	switch {
	case i != none && s.stale(i):
		s.probe(i)
		s.promise(r, i)
	case i != none:
		s.countBypass(r)
		s.grant(r, i, Warm)
	case s.ownAlmostIdle(q.affinity) != none:
		s.promise(r, s.ownAlmostIdle(q.affinity))
	case s.opensInPrimary(r):
		s.promise(r, s.openInPrimary(q.affinity))
	default:
		s.countBypass(r)
		s.grant(r, s.standbys, Adopted)
	}
	return true
}

// firstWaiting is the first admitted request that was promised nothing and is not held back.
func (s *State) firstWaiting() int32 {
	r := none
	for c := Root; c < classes; c++ {
		if a := s.heads[c]; a != none && (c == Nested || s.permits() > 0) {
			if q := s.keys[a].queue[c]; !s.heldBack(q) {
				r = s.first(r, q)
			}
		}
	}
	return r
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
	for _, a := range s.warmWaiting {
		k := s.at(a)
		for c := Root; c < classes; c++ {
			if c == Root && (s.permits() <= 0 || !s.underCap(k)) {
				continue
			}
			q := k.queue[c]
			if i := s.ownIdle(a); i != none && !s.stale(i) {
				q = s.first(q, k.pins[c]) // no promise is as good as a tab that is there
			}
			if q != none && !s.heldBack(q) {
				r = s.first(r, q)
			}
		}
	}
	return r
}

// firstForPrimary is the first of r and of the requests for which a tab can be opened inside their
// affinity's primary. Where no slot is left for the first of these, none is left for any behind it.
func (s *State) firstForPrimary(r int32) int32 {
	if s.free() <= 0 || !s.opens() {
		return r
	}
	q := none
	for c := Root; c < classes; c++ {
		if a := s.inside[c]; a != none && (c == Nested || s.permits() > 0) {
			q = s.first(q, s.keys[a].queue[c])
		}
	}
	if q == none || !s.opensInPrimary(q) {
		return r
	}
	return s.first(r, q)
}

// fits says whether the primary of an affinity has a place for one more tab, in a browser that takes new ones.
func (s *State) fits(k affinity) bool {
	if k.primary == none {
		return false
	}
	c, b := &s.contexts[k.primary], s.ready()
	return int(s.inContexts[k.primary].tabs) < s.settings.TabsPerContext && b != nil && c.browser == b.id
}

// opensInPrimary says whether a tab can be opened for a request inside its affinity's primary: that is
// an orphan or below TabsPerContext, and a slot is free beyond those that older requests need.
func (s *State) opensInPrimary(r int32) bool {
	if !s.opens() || !s.fits(s.at(s.requests[r].affinity)) {
		return false
	}
	spare := s.free() + s.counts[Standby] + s.counts[Opening] - s.overdue[Opening] - s.openings
	for c := Root; c < classes; c++ {
		if c == Nested || s.permits() > 0 {
			s.eachAheadIn(s.heads[c], c, r, func(int32) bool {
				spare--
				return spare > 0
			})
		}
	}
	return spare > 0 && s.free() > 0
}

// ownIdle is the idle tab that an affinity would use next: one that needs no probe, then that of its
// primary, whose caches are the warmest, then the one it used last.
func (s *State) ownIdle(a Affinity) int32 {
	k := s.at(a)
	best := none
	for i := k.tabs; i != none; i = s.tabs[i].next {
		if s.tabs[i].state == Idle && (best == none || s.warmer(i, best)) {
			best = i
		}
	}
	return best
}

// ownAlmostIdle is a tab of an affinity that is almost idle and promised to nobody.
func (s *State) ownAlmostIdle(a Affinity) int32 {
	for i := s.at(a).tabs; i != none; i = s.tabs[i].next {
		if s.almostIdle(&s.tabs[i]) {
			return i
		}
	}
	return none
}

// almostIdle says whether a tab waits for nothing but the end or the beginning of a session. That takes milliseconds, so a
// request of its affinity waits for the tab instead of taking a standby, as for a probe.
func (s *State) almostIdle(t *tab) bool {
	return t.state == Resetting && (t.part == PartBegin || t.part == PartEnd && !s.settings.Reset) &&
		!t.overdue && !t.suspect && !t.retried && t.pinned == 0
}

func (s *State) warmer(i, j int32) bool {
	t, u := &s.tabs[i], &s.tabs[j]
	if stale := s.stale(j); stale != s.stale(i) {
		return stale
	}
	if p := s.isPrimary(t.context); p != s.isPrimary(u.context) {
		return p
	}
	return t.stamp > u.stamp
}

// grant hands a tab out: an idle one of the request's affinity, or a standby, which it adopts.
func (s *State) grant(r, i int32, how How) {
	q := s.requests[r]
	w := s.waits(&q, i)
	t := &s.tabs[i]
	if how == Warm && t.uses == 0 {
		how = InPrimary
	}
	s.dequeue(r)
	switch how {
	case Adopted:
		s.adopt(i, q.affinity)
	case Reassigned:
		s.move(i, q.affinity)
	}
	s.setState(i, Leased)
	k := s.at(q.affinity)
	s.lastStamp++
	k.stamp, t.stamp = s.lastStamp, s.lastStamp
	t.holder, t.class, t.maxLease = q.id, q.class, q.maxLease
	t.uses++
	s.leases.put(uint64(q.id), i)
	if q.class == Root {
		k.rootLeases++
		s.rootLeases++
	}
	s.emit(Effect{
		Kind: Grant, Request: q.id, Affinity: q.affinity, Generation: k.generation,
		Tab: t.id, Context: s.contexts[t.context].id, Browser: t.browser, How: how, Waits: w,
	})
}

// adopt gives a standby to an affinity. Its context becomes the primary where the affinity has none;
// otherwise the tab is supplementary, and no pageCount hears of it.
func (s *State) adopt(i int32, a Affinity) {
	t := &s.tabs[i]
	s.unlink(&s.standbys, &s.lastReady, i)
	t.affinity = a
	s.own(t.context, a)
	s.link(&s.affinities[a].tabs, nil, i)
	s.bind(i, +1)
}

// bind counts a tab in or out of its affinity's bound ones. The first makes the affinity warm; when
// the last goes it is cold, in the same step, and its present life is over.
func (s *State) bind(i, n int32) {
	t := &s.tabs[i]
	k := s.at(t.affinity)
	k.bound += n
	s.bound += n
	s.callsDue, s.waitsDue = true, true
	switch {
	case n > 0 && k.bound == 1:
		s.lastGeneration++
		k.generation = s.lastGeneration
		s.emit(Effect{Kind: AnnounceWarm, Affinity: t.affinity, Generation: k.generation})
	case n < 0 && k.bound == 0:
		s.emit(Effect{Kind: AnnounceCold, Affinity: t.affinity, Generation: k.generation})
		k.generation = 0
	}
	if n > 0 {
		t.generation = k.generation
	}
	s.touch(t.affinity)
}

// openInPrimary begins to open a tab inside the primary of an affinity.
func (s *State) openInPrimary(a Affinity) int32 {
	c := s.at(a).primary
	i := s.addTab(tab{context: c, affinity: a, generation: s.lastGeneration + 1}) // later than any disposal so far
	s.wearOut(s.tabs[i].browser)
	t := &s.tabs[i]
	s.operation(Effect{Kind: OpenTab, Tab: t.id, Context: s.contexts[c].id, Browser: t.browser, Affinity: a})
	return i
}

// reassign hands the idle tab that eviction would take to the first of those that are short of one,
// with its context and its state; it is false where that is off, or not to be had.
func (s *State) reassign() bool {
	if !s.settings.AllowReassign || s.need() <= s.relief()+s.counts[Standby] {
		return false
	}
	r := none
	for c := Root; c < classes; c++ {
		if s.heads[c] != none && (c == Nested || s.permits() > 0) {
			if q := s.firstShort(s.heads[c], c, none); q != none && !s.heldBack(q) {
				r = s.first(r, q)
			}
		}
	}
	return r != none && s.reassignTo(r)
}

// firstShort is the first of r and of the requests of a class whose affinity is short of a tab, from one of the
// heads on.
func (s *State) firstShort(a int32, c Class, r int32) int32 {
	if a == none || r != none && !s.before(s.keys[a].queue[c], r) {
		return r // nor is any below it ahead of r
	}
	k := &s.keys[a]
	if k.needs[c] > 0 {
		return k.queue[c]
	}
	return s.firstShort(k.links[c].right, c, s.firstShort(k.links[c].left, c, r))
}

// reassignTo hands a request a tab of another affinity, where there is one.
func (s *State) reassignTo(r int32) bool {
	victim := s.foreignIdle(r)
	if victim == none {
		return false
	}
	s.countBypass(r)
	s.grant(r, victim, Reassigned)
	return true
}

// foreignIdle is the idle tab of another affinity that can be handed to a request, with its context: the one that
// eviction would take.
func (s *State) foreignIdle(r int32) int32 {
	victim := none
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.state == Idle && t.affinity != s.requests[r].affinity && s.inContexts[t.context].tabs == 1 &&
			!s.at(t.affinity).warmWaiting && (victim == none || s.colder(int32(i), victim)) {
			victim = int32(i)
		}
	}
	return victim
}

// move takes an idle tab, alone in its context, from one affinity and gives it to another.
func (s *State) move(i int32, to Affinity) {
	t := &s.tabs[i]
	s.unprimary(t.context)
	s.bind(i, -1)
	s.unlink(&s.affinities[t.affinity].tabs, nil, i)
	t.affinity = to
	s.own(t.context, to)
	s.link(&s.affinities[to].tabs, nil, i)
	s.bind(i, +1)
}

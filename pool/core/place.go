package core

// Who gets which tab: the rules of placement, in their order.

func (s *State) requested(e *Event) {
	if s.Phase >= PhaseEnding || s.Phase == PhaseClosing && e.Class == Root {
		s.emit(Effect{Kind: Refuse, Request: e.Request, Affinity: e.Affinity, Reason: PoolClosed})
		s.touch(e.Affinity)
		return
	}
	limit := e.MaxLease
	if limit == 0 {
		limit = s.Settings.MaxLease
	}
	s.ownTerms(e)
	s.LastOrder++
	s.enqueue(Request{
		ID: e.Request, Order: s.LastOrder, Arrived: s.Now, AdmittedAt: Never, Affinity: e.Affinity,
		MaxLease: limit,
		Priority: e.Priority, Rounds: s.Rounds, Pin: None, Class: s.classOf(e), Used: true,
	})
}

// boundQueue refuses a request that would be one too many to wait, of the root ones or of the
// nested ones: of all affinities, or of its own. Placement was tried before, so one that finds a
// tab at once is never too many.
func (s *State) boundQueue(e *Event) {
	if e.Kind != Requested {
		return
	}
	i, ok := s.requestIndex.get(uint64(e.Request))
	if !ok {
		return
	}
	all, own := s.Waiting(e.Class), int(s.at(e.Affinity).waiting[Nested])
	if e.Class == Root {
		own = int(s.at(e.Affinity).waitingRoots())
	}
	if all > s.Settings.MaxWaiting || own > s.Settings.AffinityWaiting {
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
	r := s.Requests[i]
	w := s.waits(&r, None)
	s.dequeue(i)
	s.at(r.Affinity).UsedAt = s.Now
	s.emit(Effect{Kind: Refuse, Request: r.ID, Affinity: r.Affinity, Reason: reason, Waits: w})
}

// place gives tabs to those that wait until nobody is left who can have one: first what is there or
// can be opened for them alone (rules 1 to 3), then what growing gives (rule 5), then, where that
// is switched on, what another affinity has.
func (s *State) place() {
	for s.waiting != [Classes]int32{} && (s.placeFirst() || s.grow() || s.reassign()) {
	}
}

// placeFirst places the first request, in the waiting order, that can be placed.
func (s *State) placeFirst() bool {
	r, standby := s.firstOfOwn(s.firstWarm()), s.awakeStandby()
	if standby != None {
		r = s.firstNotHeld(r, s.passes)
	}
	inside := s.firstForPrimary(r)
	r = s.first(r, inside)
	if r == None {
		return false
	}
	q := &s.Requests[r]
	i := s.ownIdle(q.Affinity)
	switch {
	case i != None && s.stale(i):
		s.probe(i, false)
		s.promise(r, i)
	case i != None:
		s.countBypass(r)
		s.grant(r, i, Warm)
	case s.ownAlmostIdle(q.Affinity) != None:
		s.promise(r, s.ownAlmostIdle(q.Affinity))
	case r == inside || s.at(q.Affinity).Own:
		q.AdmittedAt = s.admittedFrom(q) // the tab that is opened for it stops no request but the next
		s.promise(r, s.openFor(q.Affinity))
	default:
		s.countBypass(r)
		s.grant(r, standby, Adopted)
	}
	return true
}

// firstNotHeld is the first of r and of those that head their class, of the requests that a standby
// serves, that were promised nothing and for whose affinity ok holds, where they are not held back.
func (s *State) firstNotHeld(r int32, ok func(Affinity, Class) bool) int32 {
	for c := Root; c < Classes; c++ {
		if s.permits(c) <= 0 {
			continue
		}
		if q := s.firstIn(s.heads[c], c, r, ok); q != r && !s.heldBack(q) {
			r = q
		}
	}
	return r
}

func (s *State) first(i, j int32) int32 {
	if i == None || j != None && s.before(j, i) {
		return j
	}
	return i
}

// firstWarm is the first of the requests that an idle tab of their own affinity serves.
// AffinityTabs does not stop these: the affinity has the tab already.
func (s *State) firstWarm() int32 {
	r := None
	s.eachWarm(func(k affinity, own int32) {
		for c := Root; c < Classes; c++ {
			if c != Nested && (s.permits(c) <= 0 || !s.underCap(k)) {
				continue
			}
			q := k.queue[c]
			if own == None || s.stale(own) { // otherwise no promise is as good as a tab that is there
				q = s.firstUnpromised(q, None)
			}
			if q != None && !s.heldBack(q) {
				r = s.first(r, q)
			}
		}
	})
	return r
}

// eachWarm calls fn for each affinity for which somebody waits and that has a tab that is idle, and
// for each that has one that almost is, with the idle one.
func (s *State) eachWarm(fn func(k affinity, own int32)) {
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if t.State != Idle && !s.almostIdle(t) {
			continue
		}
		k := s.at(t.Affinity)
		if k.waiting == [Classes]int32{} {
			continue
		}
		if own := s.ownIdle(t.Affinity); own == int32(i) || own == None {
			fn(k, own)
		}
	}
}

// firstForPrimary is the first request up to r for which a tab can be opened inside their
// affinity's primary: that is an orphan or below TabsPerContext, and a slot is free beyond those
// that older requests need. One that an idle tab of its own serves needs none: it is held back.
func (s *State) firstForPrimary(r int32) int32 {
	inside := None
	if s.free() <= 0 || !s.opens() {
		return None
	}
	spare := s.free() + s.counts[Standby] + s.toCome()
	s.inOrder(func(q int32) bool {
		if inside != None || spare <= 0 || r != None && s.before(r, q) {
			return false
		}
		k := s.at(s.Requests[q].Affinity)
		switch {
		case s.idleServes(q):
		case !k.Own && s.fits(k) && s.holding(k).idle == 0:
			inside = q
		default:
			spare--
		}
		return true
	})
	return inside
}

// idleServes says whether an idle tab of its own is left for a request: fewer requests of its
// affinity are ahead of it than the affinity has idle tabs.
func (s *State) idleServes(r int32) bool {
	k := s.at(s.Requests[r].Affinity)
	idle := s.holding(k).idle
	for c := Root; c < Classes; c++ {
		if idle > 0 {
			s.eachAhead(k.queue[c], r, func(*Request) bool { idle--; return idle > 0 })
		}
	}
	return idle > 0
}

// fits says whether the primary of an affinity has a place for one more tab, in a browser that
// takes new ones.
func (s *State) fits(k affinity) bool {
	if k.Primary == None {
		return false
	}
	c, b := &s.Contexts[k.Primary], s.ready()
	return int(s.inContexts[k.Primary]) < s.Settings.TabsPerContext && b != nil &&
		c.Browser == b.ID
}

// ownIdle is the idle tab that an affinity would use next: one that needs no probe, then that of
// its primary, whose caches are the warmest, then the one it used last.
func (s *State) ownIdle(a Affinity) int32 {
	k := s.at(a)
	best := None
	for i := k.Tabs; i != None; i = s.Tabs[i].Next {
		if s.Tabs[i].State == Idle && (best == None || s.warmer(i, best)) {
			best = i
		}
	}
	return best
}

// ownAlmostIdle is a tab of an affinity that is almost idle and promised to nobody.
func (s *State) ownAlmostIdle(a Affinity) int32 {
	for i := s.at(a).Tabs; i != None; i = s.Tabs[i].Next {
		if s.almostIdle(&s.Tabs[i]) {
			return i
		}
	}
	return None
}

// almostIdle says whether a tab waits for nothing but the end or the beginning of a session. That
// takes milliseconds, so a request of its affinity waits for the tab instead of taking a standby,
// as for a probe.
func (s *State) almostIdle(t *Tab) bool {
	return t.State == Resetting && (t.Part == PartBegin || t.Part == PartEnd && !s.Settings.Reset) &&
		!t.Overdue && !t.Suspect && !t.Retried && t.Pinned == 0
}

func (s *State) warmer(i, j int32) bool {
	t, u := &s.Tabs[i], &s.Tabs[j]
	if stale := s.stale(j); stale != s.stale(i) {
		return stale
	}
	if p := s.isPrimary(t.Context); p != s.isPrimary(u.Context) {
		return p
	}
	return t.Stamp > u.Stamp
}

// grant hands a tab out: an idle one of the request's affinity, or a standby, which it adopts.
func (s *State) grant(r, i int32, how How) {
	q := s.Requests[r]
	w := s.waits(&q, i)
	t := &s.Tabs[i]
	if how == Warm && t.Uses == 0 {
		how = InPrimary
	}
	s.dequeue(r)
	s.judge(i, true) // its last lease, before it is another affinity's
	switch how {
	case Adopted:
		s.unlink(&s.Standbys, &s.LastReady, i)
		s.give(i, q.Affinity)
	case Reassigned: // it is alone in its context
		s.unprimary(t.Context)
		s.bind(i, -1)
		s.unlink(&s.Affinities[t.Affinity].Tabs, nil, i)
		s.give(i, q.Affinity)
	}
	s.setState(i, Leased)
	k := s.at(q.Affinity)
	s.LastStamp++
	k.Stamp, t.Stamp = s.LastStamp, s.LastStamp
	t.Holder, t.Class, t.MaxLease = q.ID, q.Class, q.MaxLease
	t.Uses++
	s.serve(t.Browser, q.Affinity)
	s.leases.put(uint64(q.ID), i)
	s.countLease(t, +1)
	s.emit(Effect{
		Kind: Grant, Request: q.ID, Affinity: q.Affinity, Generation: k.Generation,
		Tab: t.ID, Context: s.Contexts[t.Context].ID, Browser: t.Browser, How: how, Waits: w,
	})
}

// give makes a tab an affinity's that was nobody's. Its context becomes the primary where the
// affinity has none; otherwise the tab is supplementary, and no pageCount hears of it.
func (s *State) give(i int32, a Affinity) {
	t := &s.Tabs[i]
	t.Affinity = a
	s.own(t.Context, a)
	s.link(&s.Affinities[a].Tabs, nil, i)
	s.bind(i, +1)
}

// bind counts a tab in or out of its affinity's bound ones. The first makes the affinity warm; when
// the last goes it is cold, in the same step, and its present life is over.
func (s *State) bind(i, n int32) {
	t := &s.Tabs[i]
	k := s.at(t.Affinity)
	k.bound += n
	s.bound += n
	switch {
	case n > 0 && k.bound == 1:
		s.LastGeneration++
		k.Generation = s.LastGeneration
		s.emit(Effect{Kind: AnnounceWarm, Affinity: t.Affinity, Generation: k.Generation})
	case n < 0 && k.bound == 0:
		s.emit(Effect{Kind: AnnounceCold, Affinity: t.Affinity, Generation: k.Generation})
		k.Generation = 0
	}
	if n > 0 {
		t.Generation = k.Generation
	}
	s.touch(t.Affinity)
}

// reassign hands the idle tab that eviction would take to the first of those that are short of one,
// with its context and its state; it is false where that is off, or not to be had.
func (s *State) reassign() bool {
	coming := s.relief() - s.slots() + s.counts[Standby]
	if !s.Settings.AllowReassign || s.standbyNeed() <= coming+max(0, s.slots()-s.ownNeed()) {
		return false
	}
	r := s.firstNotHeld(None, func(a Affinity, c Class) bool { return s.Shortage(a).Tabs[c] > 0 })
	return r != None && s.reassignTo(r)
}

// reassignTo hands a request a tab of another affinity, where there is one.
func (s *State) reassignTo(r int32) bool {
	victim := s.foreignIdle(r)
	if victim == None {
		return false
	}
	s.countBypass(r)
	s.grant(r, victim, Reassigned)
	return true
}

// foreignIdle is the idle tab of another affinity that can be handed to a request, with its
// context: the one that eviction would take, but for those that requests of their own affinity can
// use. No context that was made for an affinity is handed over.
func (s *State) foreignIdle(r int32) int32 {
	to := s.Requests[r].Affinity
	return s.coldest(func(t *Tab) bool {
		return t.Affinity != to && s.inContexts[t.Context] == 1 && !s.at(to).Own &&
			!s.at(t.Affinity).Own && !s.usesOwn(t.Affinity)
	})
}

// usesOwn says whether as many requests of an affinity wait as it has idle tabs, and no limit keeps
// them from these.
func (s *State) usesOwn(a Affinity) bool {
	k := s.at(a)
	roots := int32(0)
	for _, c := range []Class{Root, Urgent} {
		if s.permits(c) > 0 {
			roots += k.waiting[c]
		}
	}
	return k.waiting[Nested]+min(roots, int32(s.Settings.RootCap)-k.rootLeases) >= s.holding(k).idle
}

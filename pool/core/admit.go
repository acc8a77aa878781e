package core

import "math/bits"

// Who is let through: the root limit, RootCap and AffinityTabs, and the order among those that wait.

// before is the waiting order: higher priority first, first come first served within it. With ageing, a
// request that came PriorityAging earlier is as good as one level more of priority, and earlier still
// is better; so the order of two requests never changes while they wait.
func (s *State) before(i, j int32) bool { return s.ahead(&s.requests[i], &s.requests[j]) }

func (s *State) ahead(a, b *request) bool {
	if a.priority == b.priority {
		return a.order < b.order
	}
	if s.settings.PriorityAging < 0 {
		return a.priority > b.priority
	}
	if a.priority < b.priority {
		return !s.aheadByPriority(b, a)
	}
	return s.aheadByPriority(a, b)
}

// aheadByPriority says whether a request of higher priority is ahead of another: it came first, or
// too little later for the other to have caught up.
func (s *State) aheadByPriority(a, b *request) bool {
	if a.arrived <= b.arrived {
		return true
	}
	over, levels := bits.Mul64(uint64(a.priority)-uint64(b.priority), uint64(s.settings.PriorityAging))
	return over > 0 || uint64(a.arrived-b.arrived) < levels
}

// permits is how many more root leases the root limit allows: capacity less the lost tabs, and less
// one from the first step of a contraction on.
func (s *State) permits() int32 {
	return s.size() - s.counts[Lost] - s.rootLeases
}

// size is the capacity that is to stay: that of a contraction under way counts no more, unless its tab
// is lost and counted so.
func (s *State) size() int32 {
	i, ok := s.tabIndex.get(uint64(s.contraction))
	if !ok || s.tabs[i].state == Lost {
		return s.capacity
	}
	return s.capacity - 1
}

// underCap says whether RootCap lets one more root lease of k through.
func (s *State) underCap(k affinity) bool { return int(k.rootLeases) < s.settings.RootCap }

// admitted says whether the limits would let a waiting request through now.
func (s *State) admitted(r *request) bool {
	if r.class == Nested {
		return true
	}
	k := s.at(r.affinity)
	return s.permits() > 0 && s.underCap(k) && (k.idle > 0 || int(k.owned()) < s.settings.AffinityTabs)
}

// owned is how many tabs of an affinity count towards AffinityTabs: its bound ones and those that open inside its
// primary, less those of which an operation is overdue.
func (k affinity) owned() int32 { return k.bound - k.overdue + k.openings }

// freshen brings everything up to date that is derived from the affinities that were touched.
func (s *State) freshen() {
	for _, a := range s.dirty {
		s.at(a).dirty = false
		s.refresh(a)
	}
	s.dirty = s.dirty[:0]
}

func (s *State) refresh(a Affinity) {
	k := s.at(a)
	idle, openings, coming, overdue, almost := int32(0), int32(0), int32(0), int32(0), int32(0)
	for i := k.tabs; i != none; i = s.tabs[i].next {
		switch t := &s.tabs[i]; {
		case t.state == Idle:
			idle++
		case s.almostIdle(t):
			almost++
			coming++
		case t.overdue && t.bound():
			overdue++
		case t.doomed || t.overdue:
		case t.state == Opening:
			openings++
			fallthrough
		case t.state >= Probing && t.state <= Resetting:
			if t.pinned == 0 {
				coming++
			}
		}
	}
	s.openings += openings - k.openings
	k.idle, k.openings, k.coming, k.overdue = idle, openings, coming, overdue
	if warm := idle+almost > 0 && k.waiting != [classes]int32{}; warm != k.warmWaiting {
		s.listWarm(a, warm)
	}
	s.refreshNeeds(k)
	for c := Root; c < classes; c++ {
		if k.queue[c] == none || c == Root && k.eligible == 0 {
			continue
		}
		k.listed[c] = true
		s.heads[c] = insert(headArena{s, c}, s.heads[c], int32(a))
		if s.fits(k) {
			k.listedInside[c] = true
			s.inside[c] = insert(insideArena{headArena{s, c}}, s.inside[c], int32(a))
		}
	}
}

// listWarm puts an affinity among those that have a waiting request and a tab that is idle, or almost, or takes it out.
func (s *State) listWarm(a Affinity, warm bool) {
	k := s.at(a)
	k.warmWaiting = warm
	if warm {
		k.warmAt = int32(len(s.warmWaiting))
		s.warmWaiting = append(s.warmWaiting, a)
		return
	}
	last := s.warmWaiting[len(s.warmWaiting)-1]
	s.warmWaiting[k.warmAt], s.at(last).warmAt = last, k.warmAt
	s.warmWaiting = s.warmWaiting[:len(s.warmWaiting)-1]
}

// refreshNeeds brings up to date how many tabs an affinity's requests could use. What it has idle, and
// what is coming for it anyway, is theirs, nested ones first.
func (s *State) refreshNeeds(k affinity) {
	unpromised := [classes]int32{k.waiting[Root] - k.promised[Root], k.waiting[Nested] - k.promised[Nested]}
	room := min(int32(s.settings.RootCap)-k.rootLeases, int32(s.settings.AffinityTabs)-k.owned())
	eligible := max(0, min(unpromised[Root], room))
	own := k.idle + k.coming
	needs := [classes]int32{
		Root:   max(0, eligible-max(0, own-unpromised[Nested])),
		Nested: max(0, unpromised[Nested]-own),
	}
	permits := min(int32(s.settings.RootCap)-k.rootLeases, int32(s.settings.AffinityTabs)-k.owned()+own+k.promised[Root])
	permits = max(0, min(k.waiting[Root], permits))
	highNeeds := min(k.urgent[Root]-k.urgentPins[Root], needs[Root]) + min(k.urgent[Nested]-k.urgentPins[Nested], needs[Nested])
	highPermits := min(k.urgent[Root], permits)
	s.permitsWanted += permits - k.permits
	s.highNeeds += highNeeds - k.highNeeds
	s.highPermits += highPermits - k.highPermits
	for c := Root; c < classes; c++ {
		s.needs[c] += needs[c] - k.needs[c]
	}
	k.eligible, k.needs, k.permits, k.highNeeds, k.highPermits = eligible, needs, permits, highNeeds, highPermits
}

// unlist takes an affinity out of the heads, before its first request, its admission or its primary changes.
func (s *State) unlist(a Affinity) {
	k := s.at(a)
	for c := Root; c < classes; c++ {
		if k.listed[c] {
			s.heads[c] = remove(headArena{s, c}, s.heads[c], int32(a))
			k.listed[c] = false
		}
		if k.listedInside[c] {
			s.inside[c] = remove(insideArena{headArena{s, c}}, s.inside[c], int32(a))
			k.listedInside[c] = false
		}
	}
}

// admitAgain notes, before an event, whether the root limit is shut; a permit that is free from now on
// then ends a wait for admission.
func (s *State) admitAgain() {
	if s.permits() <= 0 {
		s.rootOpen = s.now
	}
}

func (s *State) enqueue(r request) {
	var i int32
	if n := len(s.freeRequests); n > 0 {
		i = s.freeRequests[n-1]
		s.freeRequests = s.freeRequests[:n-1]
	} else {
		i = int32(len(s.requests))
		s.requests = append(s.requests, request{})
		s.places = append(s.places, links{})
	}
	s.requests[i] = r
	s.requestIndex.put(uint64(r.id), i)
	s.touch(r.affinity)
	s.at(r.affinity).waiting[r.class]++
	s.waiting[r.class]++
	if s.urgent(&r) {
		s.at(r.affinity).urgent[r.class]++
	}
	s.queue(i)
	if s.usedUp(&r) {
		s.exhausted++
	}
}

func (s *State) dequeue(i int32) {
	s.unpromise(i)
	s.unqueue(i)
	r := s.requests[i]
	s.at(r.affinity).waiting[r.class]--
	s.waiting[r.class]--
	if s.urgent(&r) {
		s.at(r.affinity).urgent[r.class]--
	}
	if s.usedUp(&r) {
		s.exhausted--
	}
	s.requestIndex.remove(uint64(r.id))
	s.requests[i] = request{}
	s.freeRequests = append(s.freeRequests, i)
}

// queue and unqueue put a request among those of its affinity that were promised nothing, and take it
// out. The affinity is touched first, for the heads are ordered by the first of each queue.
func (s *State) queue(i int32) {
	r := &s.requests[i]
	s.touch(r.affinity)
	k := s.at(r.affinity)
	k.queue[r.class] = insert(requestArena{s}, k.queue[r.class], i)
}

func (s *State) unqueue(i int32) {
	r := &s.requests[i]
	s.touch(r.affinity)
	k := s.at(r.affinity)
	k.queue[r.class] = remove(requestArena{s}, k.queue[r.class], i)
}

// urgent says whether a request is entitled to HighPriorityPages.
func (s *State) urgent(r *request) bool {
	return s.settings.HighPriorityThreshold > 0 && int(r.priority) >= s.settings.HighPriorityThreshold
}

// promise keeps a tab that is being opened or probed for a request, which takes no other but an idle one
// of its own affinity until that is answered or overdue.
func (s *State) promise(r, i int32) {
	s.unqueue(r)
	q := &s.requests[r]
	k := s.at(q.affinity)
	k.pins[q.class] = insert(requestArena{s}, k.pins[q.class], r)
	k.promised[q.class]++
	s.promised++
	if s.urgent(q) {
		k.urgentPins[q.class]++
	}
	q.pin, s.tabs[i].pinned = i, q.id
	q.admittedAt = min(q.admittedAt, s.admittedSince(q))
}

// unpromise ends the promise that a request has, if any; unpin ends that of a tab. Whoever had it is
// placed again.
func (s *State) unpromise(r int32) {
	q := &s.requests[r]
	if q.pin == none {
		return
	}
	s.touch(q.affinity)
	s.tabs[q.pin].pinned = 0
	k := s.at(q.affinity)
	k.pins[q.class] = remove(requestArena{s}, k.pins[q.class], r)
	k.promised[q.class]--
	s.promised--
	if s.urgent(q) {
		k.urgentPins[q.class]--
	}
	q.pin = none
	s.queue(r)
}

func (s *State) unpin(i int32) {
	if r, ok := s.requestIndex.get(uint64(s.tabs[i].pinned)); ok {
		s.unpromise(r)
	}
}

// need is how many of those that wait could be given a tab together, had the pool the tabs, beyond
// what is coming for them already: nested ones, and as many root ones as all three limits allow. It
// is the shortage that eviction and opening go by.
func (s *State) need() int32 {
	s.freshen()
	return s.needs[Nested] + max(0, min(s.permits(), s.needs[Root]))
}

// waits splits the time that a request has waited. Up to the last moment at which a limit stopped
// it, it waited for admission. From then on, the time during which its tab (none: the one promised to
// it, or the one that has been opening longest) was being opened is startup, that during which it was
// probed is probe, and what is left is waiting for a tab.
func (s *State) waits(r *request, i int32) Waits {
	s.freshen()
	from := min(r.admittedAt, s.admittedSince(r))
	w := Waits{Admission: from - r.arrived}
	if i == none && r.pin != none {
		i = r.pin
	}
	if i == none {
		i = s.oldestOpening()
	}
	if i != none {
		t := &s.tabs[i]
		opened, probed := t.openEnded, t.probeEnded
		if t.state == Opening {
			opened = s.now
		}
		if t.state == Probing {
			probed = s.now
		}
		w.Startup = max(0, opened-max(from, t.openBegan))
		w.Probe = max(0, probed-max(from, t.probeBegan))
	}
	w.Tab = s.now - from - w.Startup - w.Probe
	return w
}

// admittedSince is since when no limit stops a request; now where one does.
func (s *State) admittedSince(r *request) Time {
	k := s.at(r.affinity)
	switch {
	case r.class == Nested:
		return r.arrived
	case s.permits() <= 0 || k.eligible == 0:
		return s.now
	}
	return max(r.arrived, s.rootOpen, k.openSince)
}

func (s *State) oldestOpening() int32 {
	oldest := none
	if s.counts[Opening] == 0 {
		return none
	}
	for i := range s.tabs {
		if s.tabs[i].state == Opening && (oldest == none || s.tabs[i].id < s.tabs[oldest].id) {
			oldest = int32(i)
		}
	}
	return oldest
}

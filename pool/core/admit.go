package core

// Who is let through: the root limit, RootCap and AffinityTabs, and the order among those that wait.

// before is the waiting order: higher priority first, first come first served within it.
func (s *State) before(i, j int32) bool {
	a, b := &s.requests[i], &s.requests[j]
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	return a.order < b.order
}

// permits is how many more root leases the root limit allows: capacity less the lost tabs in all.
func (s *State) permits() int32 { return s.capacity - s.counts[Lost] - s.rootLeases }

// underCap says whether RootCap lets one more root lease of k through.
func (s *State) underCap(k *affinity) bool { return int(k.rootLeases) < s.settings.RootCap }

// refresh brings everything that is derived from an affinity's tabs, leases and requests up to date.
func (s *State) refresh(a Affinity) {
	k := &s.affinities[a]
	room := min(s.settings.RootCap-int(k.rootLeases), s.settings.AffinityTabs-int(k.bound))
	eligible := max(0, min(k.waiting[Root], int32(room)))
	if k.eligible == 0 && eligible > 0 {
		k.openSince = s.now
	}
	s.eligible += eligible - k.eligible
	k.eligible = eligible
	for c := Root; c < classes; c++ {
		if k.listed[c] {
			s.heads[c] = remove(headArena{s, c}, s.heads[c], int32(a))
		}
		k.listed[c] = k.queue[c] != none && (c == Nested || eligible > 0)
		if k.listed[c] {
			s.heads[c] = insert(headArena{s, c}, s.heads[c], int32(a))
		}
	}
}

// admitAgain notes, before an event, whether the step before left the root limit shut; a permit
// that is free from now on then ends a wait for admission.
func (s *State) admitAgain() {
	if s.rootFull {
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
	}
	s.requests[i] = r
	s.requestIndex.put(uint64(r.id), i)
	k := s.affinity(r.affinity)
	s.countWarmWaiting(k, -1)
	k.waiting[r.class]++
	s.countWarmWaiting(k, +1)
	s.waiting[r.class]++
	k.queue[r.class] = insert(requestArena{s}, k.queue[r.class], i)
	s.touch(r.affinity)
}

func (s *State) dequeue(i int32) {
	r := s.requests[i]
	k := &s.affinities[r.affinity]
	k.queue[r.class] = remove(requestArena{s}, k.queue[r.class], i)
	s.countWarmWaiting(k, -1)
	k.waiting[r.class]--
	s.countWarmWaiting(k, +1)
	s.waiting[r.class]--
	s.touch(r.affinity)
	s.requestIndex.remove(uint64(r.id))
	s.requests[i] = request{}
	s.freeRequests = append(s.freeRequests, i)
}

// countWarmWaiting adds n to the affinities with both an idle tab and a waiting request, if k is
// one. It is called with -1 before, and with +1 after, either of the two changes.
func (s *State) countWarmWaiting(k *affinity, n int32) {
	if k.idle > 0 && k.waiting[Root]+k.waiting[Nested] > 0 {
		s.warmWaiting += n
	}
}

// need is how many of those that wait could be given a tab together, had the pool the tabs: all
// nested ones, and as many root ones as all three limits allow. It is the shortage that eviction
// and opening go by.
func (s *State) need() int32 {
	return s.waiting[Nested] + max(0, min(s.permits(), s.eligible))
}

// waits splits the time that a request has waited. Up to the last moment at which a limit stopped
// it, it waited for admission. From then on, the time during which the tab (none: the one that has
// been opening longest) was being opened is startup, and what is left is waiting for a tab.
func (s *State) waits(r *request, i int32) Waits {
	from := r.arrived
	var w Waits
	if r.class == Root {
		k := &s.affinities[r.affinity]
		if s.permits() <= 0 || k.eligible == 0 {
			from = s.now
		} else {
			from = max(from, s.rootOpen, k.openSince)
		}
	}
	w.Admission = from - r.arrived
	if i == none {
		if i = s.oldestOpening(); i != none {
			w.Startup = s.now - max(from, s.tabs[i].openBegan)
		}
	} else {
		t := &s.tabs[i]
		w.Startup = max(0, t.openEnded-max(from, t.openBegan))
	}
	w.Tab = s.now - from - w.Startup
	return w
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

package core

// Inspection: what Stats, invariants and reports read of a State. Nothing here changes it.

// TabView is one tab as it is now.
type TabView struct {
	Tab
	Context ContextID
	Primary bool // its context is its affinity's primary
}

// AffinityView is one known affinity as it is now.
type AffinityView struct {
	Affinity   Affinity
	Generation Generation // 0: cold
	Primary    ContextID  // 0: none
	PageCount  int        // of the primary; 0 with a primary: it is an orphan
	Bound      int
	Idle       int
	RootLeases int
	Stamp      uint64 // when a tab of it was handed out last, in the order of all grants
	Waiting    int    // requests
}

// RequestView is one request that waits.
type RequestView struct {
	Request
	Promised TabID // the tab that is being opened or probed for it; 0: none
	Admitted bool  // the root limit, RootCap and AffinityTabs would let it through now
}

// BrowserView is one browser that is neither gone nor written off.
type BrowserView struct {
	ID     BrowserID
	State  string // starting, ready, draining or closing
	Worn   bool   // it is to be replaced
	Memory int64  // what its processes use together, in bytes, as last measured
	Doubts int    // doubtful ends and failed openings since its last check
}

// Alive is the number of tabs in any state.
func (s *State) Alive() int { return int(s.alive()) }

// Count is the number of tabs in a state.
func (s *State) Count(state TabState) int { return int(s.counts[state]) }

// ContextCount is the number of contexts on the books.
func (s *State) ContextCount() int { return len(s.Contexts) - len(s.FreeContexts) }

// PageCount is how many tabs the primary of an affinity has that are not confirmed closed; 0: none,
// or it has no primary.
func (s *State) PageCount(a Affinity) int {
	if int(a) >= len(s.Affinities) || s.Affinities[a].Primary == None {
		return 0
	}
	return int(s.inContexts[s.Affinities[a].Primary])
}

// Bound is how many tabs of an affinity are bound. It is on the warm list where there is one.
func (s *State) Bound(a Affinity) int {
	if int(a) >= len(s.Affinities) {
		return 0
	}
	return int(s.at(a).bound)
}

// RequestCount is the number of requests that an answer would find.
func (s *State) RequestCount() int { return int(s.requestIndex.used) }

// Known is the number of affinities of which anything is known: no Forget of them was said yet.
func (s *State) Known() int { return int(s.known) }

// HasContext says whether a context is on the books.
func (s *State) HasContext(id ContextID) bool {
	_, ok := s.context(id)
	return ok
}

// Size is how many things a copy of the state copies.
func (s *State) Size() int {
	return len(s.Tabs) + len(s.Contexts) + len(s.Affinities) + len(s.Requests)
}

// Orphans is the number of primaries that are kept without a tab.
func (s *State) Orphans() int {
	n := 0
	for i := range s.Contexts {
		if s.orphan(int32(i)) {
			n++
		}
	}
	return n
}

// LostContexts is the number of contexts without a tab whose close went unanswered.
func (s *State) LostContexts() int {
	n := 0
	for i := range s.Contexts {
		if s.Contexts[i].State == ContextLost {
			n++
		}
	}
	return n
}

// Bypassed is how many of the requests that wait were passed by at least once, and Exhausted is how
// many may not be passed by any more.
func (s *State) Bypassed() int {
	n := 0
	for i := range s.Requests {
		if s.Requests[i].Used && s.Requests[i].Bypassed > 0 {
			n++
		}
	}
	return n
}

// Exhausted is explained with Bypassed.
func (s *State) Exhausted() int { return int(s.exhausted) }

// Target is how many standbys there should be.
func (s *State) Target() int { return int(s.target()) }

// Permits is how many more root leases the root limit allows.
func (s *State) Permits() int { return int(s.rootPermits()) }

// Leases is the number of leases held.
func (s *State) Leases() int { return int(s.leases.used) }

// Waiting is the number of requests of a class that wait. Urgent ones are root requests too.
func (s *State) Waiting(c Class) int {
	if c == Root {
		return int(s.waiting[Root] + s.waiting[Urgent])
	}
	return int(s.waiting[c])
}

// Ended says whether the pool is closed, with nothing alive.
func (s *State) Ended() bool { return s.Phase == PhaseClosed }

// Closing says whether Close was called.
func (s *State) Closing() bool { return s.Phase != PhaseServing }

// Quiet says whether everything that the pool wants is there: nobody waits, nobody holds, nothing
// is on its way to anything else, no browser is being replaced, and the standby target is met.
func (s *State) Quiet() bool {
	return s.leases.used == 0 && s.waiting == [Classes]int32{} && len(s.Calls) == 0 &&
		s.counts[Opening]+s.counts[Probing]+s.counts[Rescuing]+s.counts[Resetting]+s.counts[Closing] ==
			0 &&
		int(s.tabless()) == s.Orphans() &&
		(s.Phase == PhaseClosed || s.Phase == PhaseServing && s.counts[Standby] >= s.target() &&
			len(s.Browsers) == 1 && !s.Browsers[0].Worn && s.Check.Browser == 0 && s.Browsers[0].SickAt == 0)
}

// Tab returns the view of one tab, if it is alive.
func (s *State) Tab(id TabID) (TabView, bool) {
	i, ok := s.tabIndex.get(uint64(id))
	if !ok {
		return TabView{}, false
	}
	return s.tabView(&s.Tabs[i]), true
}

// Holds says which tab a request holds, if it does.
func (s *State) Holds(id RequestID) (TabID, bool) {
	i, ok := s.leases.get(uint64(id))
	if !ok {
		return 0, false
	}
	return s.Tabs[i].ID, true
}

// Waits says whether a request waits.
func (s *State) Waits(id RequestID) bool {
	_, ok := s.requestIndex.get(uint64(id))
	return ok
}

func (s *State) tabView(t *Tab) TabView {
	return TabView{*t, s.Contexts[t.Context].ID, s.isPrimary(t.Context)}
}

// EachTab calls fn for every tab, in the order of the slots, which means nothing.
func (s *State) EachTab(fn func(TabView)) {
	for i := range s.Tabs {
		if s.Tabs[i].State != 0 {
			fn(s.tabView(&s.Tabs[i]))
		}
	}
}

// EachAffinity calls fn for every known affinity, in the order of the handles.
func (s *State) EachAffinity(fn func(AffinityView)) {
	for a := range s.Affinities {
		k := s.at(Affinity(a))
		if !k.Known {
			continue
		}
		v := AffinityView{
			Affinity: Affinity(a), Generation: k.Generation, PageCount: s.PageCount(Affinity(a)),
			Bound: int(k.bound), Idle: int(s.holding(k).idle), RootLeases: int(k.rootLeases),
			Stamp: k.Stamp, Waiting: int(k.waitingRoots() + k.waiting[Nested]),
		}
		if k.Primary != None {
			v.Primary = s.Contexts[k.Primary].ID
		}
		fn(v)
	}
}

// EachRequest calls fn for every request that waits, in the order of the slots, which means
// nothing.
func (s *State) EachRequest(fn func(RequestView)) {
	for i := range s.Requests {
		if r := &s.Requests[i]; r.Used {
			v := RequestView{Request: *r, Admitted: s.admitted(r)}
			if r.Pin != None {
				v.Promised = s.Tabs[r.Pin].ID
			}
			fn(v)
		}
	}
}

// EachBrowser calls fn for every browser, oldest first.
func (s *State) EachBrowser(fn func(BrowserView)) {
	for _, b := range s.Browsers {
		states := [...]string{BrowserStarting: "starting", BrowserServing: "ready",
			BrowserDraining: "draining", BrowserClosing: "closing"}
		fn(BrowserView{b.ID, states[b.State], b.Worn, b.Memory, int(b.Evidence.Doubts)})
	}
}

// Ahead says whether one request that waits is served before another, where both can be.
func (s *State) Ahead(a, b RequestID) bool {
	i, ok := s.requestIndex.get(uint64(a))
	j, also := s.requestIndex.get(uint64(b))
	return ok && also && s.before(i, j)
}

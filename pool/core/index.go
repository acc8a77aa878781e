package core

import "slices"

// index is what follows from the facts, kept up to date bit by bit so that no decision has to look at everything:
// where an id is, how many there are of each kind, and who comes first. rebuild says what it has to be.
type index struct {
	sums

	tabIndex table // by TabID
	leases   table // by RequestID, to the slot of the tab

	contextIndex table          // by ContextID
	inContexts   []contextIndex // by the context's slot
	orphans      int32          // contexts that are kept without a tab, a heap, the oldest first
	endings      int32          // those being closed and lost ones, a heap, the oldest first

	requestIndex table   // by RequestID
	places       []links // by the request's slot: its place in its affinity's queue

	keys        []affinityIndex // by handle
	heads       [classes]int32  // affinities by their first request of the class that is promised nothing, a heap
	inside      [classes]int32  // those of them in whose primary a tab can be opened, a heap
	warmWaiting []Affinity      // those that have a waiting request, and a tab that is idle or almost
	dirty       []Affinity      // those whose fresh numbers are stale; freshen brings them up to date
}

// sums are how many there are of each kind.
type sums struct {
	counts        [tabStates]int32 // tabs; of state 0: slots that are free
	overdue       [tabStates]int32 // those that are overdue
	bound         int32            // bound tabs
	rootLeases    int32
	tabless       int32          // contexts without a tab: orphans, those being closed, and lost ones
	waiting       [classes]int32 // requests
	promised      int32          // those that were promised a tab
	exhausted     int32          // those whose bypass is used up
	openings      int32          // of all affinities, as are those that follow
	needs         [classes]int32
	permitsWanted int32
	highNeeds     int32
	highPermits   int32
}

// contextIndex is what follows for one context.
type contextIndex struct {
	tabs   int32 // in it, not yet confirmed closed
	listed bool  // whether it is among orphans or endings
	links  links // its place there
}

// affinityIndex is what follows for one affinity. What is marked as fresh is so only when it is not dirty.
type affinityIndex struct {
	contexts     int32          // how many contexts name it, those on their way out included
	bound        int32          // how many tabs are bound
	rootLeases   int32          // held now, whatever their generation
	calls        int32          // disposals that wait for it
	idle         int32          // fresh: idle tabs
	overdue      int32          // fresh: probes, rescues and resets that are overdue; their tabs do not count towards AffinityTabs
	openings     int32          // fresh: openings inside its primary that are not overdue
	coming       int32          // fresh: tabs on their way to idle, not overdue, and promised to nobody
	eligible     int32          // fresh: waiting root requests that RootCap and AffinityTabs let through together
	needs        [classes]int32 // fresh: how many more tabs its waiting requests could use together
	permits      int32          // fresh: how many root leases its waiting requests could have together, but for the root limit
	highNeeds    int32          // fresh: how many of needs are for urgent ones
	highPermits  int32          // fresh: how many of permits are for urgent ones
	urgent       [classes]int32 // how many of the waiting are entitled to HighPriorityPages
	urgentPins   [classes]int32 // how many of these were promised a tab
	waiting      [classes]int32
	promised     [classes]int32 // how many of the waiting were promised a tab
	queue        [classes]int32 // those that were not, a heap
	pins         [classes]int32 // those that were, a heap
	links        [classes]links // its place among heads
	inside       [classes]links // its place among inside
	warmAt       int32          // warmWaiting: its place there
	listed       [classes]bool  // whether it is among heads
	listedInside [classes]bool  // whether it is among inside
	touched      bool           // it is in State.touched
	dirty        bool
	warmWaiting  bool // fresh: it has a waiting request, and a tab that is idle or almost
}

// noKey is the entry of an affinity of which nothing is known.
var noKey = affinityIndex{queue: [classes]int32{none, none}, pins: [classes]int32{none, none}}

// affinity is an affinity with its entry in the index.
type affinity struct {
	*affinityFacts
	*affinityIndex
}

func (s *State) at(a Affinity) affinity { return affinity{&s.affinities[a], &s.keys[a]} }

// clear empties an index, keeps its memory, and makes room for the slots that the facts have.
func (x *index) clear(f *Facts) {
	old := *x
	*x = index{orphans: none, endings: none, heads: [classes]int32{none, none}, inside: [classes]int32{none, none}}
	x.tabIndex, x.leases = old.tabIndex.emptied(), old.leases.emptied()
	x.contextIndex, x.requestIndex = old.contextIndex.emptied(), old.requestIndex.emptied()
	x.inContexts = filled(old.inContexts, len(f.contexts), contextIndex{})
	x.places = filled(old.places, len(f.requests), links{})
	x.keys = filled(old.keys, len(f.affinities), noKey)
	x.warmWaiting, x.dirty = old.warmWaiting[:0], old.dirty[:0]
}

// filled is a list of n equal elements, in the memory of an old one.
func filled[T any](old []T, n int, with T) []T {
	list := slices.Grow(old[:0], n)
	for range n {
		list = append(list, with)
	}
	return list
}

// rebuild makes the index anew from the facts.
func (s *State) rebuild() {
	s.index.clear(&s.Facts)
	for i := range s.contexts {
		if c := &s.contexts[i]; c.state != 0 {
			s.contextIndex.put(uint64(c.id), int32(i))
			if c.affinity != 0 {
				s.keys[c.affinity].contexts++
			}
		}
	}
	for i := range s.tabs {
		t := &s.tabs[i]
		s.counts[t.state]++
		if t.state == 0 {
			continue
		}
		s.tabIndex.put(uint64(t.id), int32(i))
		s.inContexts[t.context].tabs++
		if t.overdue {
			s.overdue[t.state]++
		}
		if t.bound() {
			s.keys[t.affinity].bound++
			s.bound++
		}
		if t.state == Leased {
			s.leases.put(uint64(t.holder), int32(i))
			if t.class == Root {
				s.keys[t.affinity].rootLeases++
				s.rootLeases++
			}
		}
	}
	for i := range s.contexts {
		if s.contexts[i].state != 0 && s.inContexts[i].tabs == 0 {
			s.tabless++
			s.list(int32(i))
		}
	}
	for i := range s.requests {
		if s.requests[i].used {
			s.rebuildRequest(int32(i))
		}
	}
	for _, c := range s.calls {
		if c.affinity != 0 {
			s.keys[c.affinity].calls++
		}
	}
	for a := range s.affinities {
		if s.affinities[a].known {
			s.refresh(Affinity(a))
		}
	}
}

func (s *State) rebuildRequest(i int32) {
	r := &s.requests[i]
	s.requestIndex.put(uint64(r.id), i)
	k, urgent := &s.keys[r.affinity], s.urgent(r)
	k.waiting[r.class]++
	s.waiting[r.class]++
	if urgent {
		k.urgent[r.class]++
	}
	if s.usedUp(r) {
		s.exhausted++
	}
	if r.pin == none {
		k.queue[r.class] = insert(requestArena{s}, k.queue[r.class], i)
		return
	}
	k.pins[r.class] = insert(requestArena{s}, k.pins[r.class], i)
	k.promised[r.class]++
	s.promised++
	if urgent {
		k.urgentPins[r.class]++
	}
}

// outdate notes that what is derived of an affinity is stale.
func (s *State) outdate(a Affinity) {
	if k := &s.keys[a]; !k.dirty {
		k.dirty = true
		s.dirty = append(s.dirty, a)
		s.unlist(a)
	}
}

// keep makes the lists of x copies of what they are, in the memory of old ones.
func (x *index) keep(old *index) {
	x.tabIndex.keep(&old.tabIndex)
	x.leases.keep(&old.leases)
	x.contextIndex.keep(&old.contextIndex)
	x.requestIndex.keep(&old.requestIndex)
	x.inContexts = append(old.inContexts[:0], x.inContexts...)
	x.places = append(old.places[:0], x.places...)
	x.keys = append(old.keys[:0], x.keys...)
	x.warmWaiting, x.dirty = append(old.warmWaiting[:0], x.warmWaiting...), append(old.dirty[:0], x.dirty...)
}

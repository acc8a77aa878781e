package core

import "slices"

// index is what follows from the facts, kept up to date bit by bit so that no decision has to look
// at everything: where an id is, how many there are of each kind, and who comes first. rebuild says
// what it has to be.
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
	heads       [Classes]int32  // affinities by their first request of the class that is promised nothing, a heap
	inside      [Classes]int32  // those of them in whose primary a tab can be opened, a heap
	ownHeads    [Classes]int32  // the same as heads, of those whose contexts are made for them
	ownInside   [Classes]int32  // those of them that have no idle tab, a heap
	warmWaiting []Affinity      // those that have a waiting request, and a tab that is idle or almost
	dirty       []Affinity      // those whose fresh numbers are stale; freshen brings them up to date
}

// sums are how many there are of each kind.
type sums struct {
	counts        [TabStates]int32 // tabs; of state 0: slots that are free
	overdue       [TabStates]int32 // those that are overdue
	bound         int32            // bound tabs
	known         int32            // affinities
	rootLeases    int32
	urgentLeases  int32          // root leases of urgent requests
	tabless       int32          // contexts without a tab: orphans, those being closed, and lost ones
	waiting       [Classes]int32 // requests
	promised      int32          // those that were promised a tab
	exhausted     int32          // those whose bypass is used up
	openings      int32          // of all affinities, as are those that follow
	needs         [Classes]int32
	ownNeeds      [Classes]int32 // those of them that no standby serves
	permitsWanted [Classes]int32
	entitledNeeds int32
	ownEntitled   int32 // those of them that no standby serves
	doubted       int32 // affinities with too many doubtful ends
}

// contextIndex is what follows for one context.
type contextIndex struct {
	tabs   int32 // in it, not yet confirmed closed
	listed bool  // whether it is among orphans or endings
	links  links // its place there
}

// affinityIndex is what follows for one affinity. What is marked as fresh is so only when it is not
// dirty.
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
	needs        [Classes]int32 // fresh: how many more tabs its waiting requests could use together
	permits      [Classes]int32 // fresh: how many root leases its waiting requests could have together, but for the root limit and the reserve
	entitled     int32          // how many nested requests at or above ReservedPriority wait and were promised nothing
	entitledNeed int32          // fresh: how many of the needs of nested requests are for these
	ownNeeds     [Classes]int32 // fresh: needs, where no standby serves them
	ownEntitled  int32          // fresh: entitledNeed, likewise
	waiting      [Classes]int32
	promised     [Classes]int32 // how many of the waiting were promised a tab
	queue        [Classes]int32 // those that were not, a heap
	pins         [Classes]int32 // those that were, a heap
	links        [Classes]links // its place among heads, or ownHeads
	inside       [Classes]links // its place among inside, or ownInside
	warmAt       int32          // warmWaiting: its place there
	listed       [Classes]bool  // whether it is among heads, or ownHeads
	listedInside [Classes]bool  // whether it is among inside, or ownInside
	touched      bool           // it is in State.touched
	dirty        bool
	warmWaiting  bool // fresh: it has a waiting request, and a tab that is idle or almost
}

// noKey is the entry of an affinity of which nothing is known.
var noKey = affinityIndex{queue: noSlots, pins: noSlots}

// noSlots are the roots of heaps that are empty.
var noSlots = [Classes]int32{None, None, None}

// affinity is an affinity with its entry in the index.
type affinity struct {
	*AffinityFacts
	*affinityIndex
}

func (s *State) at(a Affinity) affinity { return affinity{&s.Affinities[a], &s.keys[a]} }

// clear empties an index, keeps its memory, and makes room for the slots that the facts have.
func (x *index) clear(f *Facts) {
	old := *x
	*x = index{orphans: None, endings: None, heads: noSlots, inside: noSlots, ownHeads: noSlots, ownInside: noSlots}
	x.tabIndex, x.leases = old.tabIndex.emptied(), old.leases.emptied()
	x.contextIndex, x.requestIndex = old.contextIndex.emptied(), old.requestIndex.emptied()
	x.inContexts = filled(old.inContexts, len(f.Contexts), contextIndex{})
	x.places = filled(old.places, len(f.Requests), links{})
	x.keys = filled(old.keys, len(f.Affinities), noKey)
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
	for a := range s.Affinities {
		if k := &s.Affinities[a]; k.Known {
			s.known++
			s.doubted += s.tooMany(k.Doubts)
		}
	}
	for i := range s.Contexts {
		if c := &s.Contexts[i]; c.State != 0 {
			s.contextIndex.put(uint64(c.ID), int32(i))
			if c.Affinity != 0 {
				s.keys[c.Affinity].contexts++
			}
		}
	}
	for i := range s.Tabs {
		t := &s.Tabs[i]
		s.counts[t.State]++
		if t.State == 0 {
			continue
		}
		s.tabIndex.put(uint64(t.ID), int32(i))
		s.inContexts[t.Context].tabs++
		if t.Overdue {
			s.overdue[t.State]++
		}
		if t.bound() {
			s.keys[t.Affinity].bound++
			s.bound++
		}
		if t.State == Leased {
			s.leases.put(uint64(t.Holder), int32(i))
			s.countLease(t, +1)
		}
	}
	for i := range s.Contexts {
		if s.Contexts[i].State != 0 && s.inContexts[i].tabs == 0 {
			s.tabless++
			s.list(int32(i))
		}
	}
	for i := range s.Requests {
		if s.Requests[i].Used {
			s.rebuildRequest(int32(i))
		}
	}
	for _, c := range s.Calls {
		if c.Affinity != 0 {
			s.keys[c.Affinity].calls++
		}
	}
	for a := range s.Affinities {
		if s.Affinities[a].Known {
			s.refresh(Affinity(a))
		}
	}
}

func (s *State) rebuildRequest(i int32) {
	r := &s.Requests[i]
	s.requestIndex.put(uint64(r.ID), i)
	k := &s.keys[r.Affinity]
	k.waiting[r.Class]++
	s.waiting[r.Class]++
	if s.usedUp(r) {
		s.exhausted++
	}
	if r.Pin == None {
		k.queue[r.Class] = insert(requestArena{s}, k.queue[r.Class], i)
		if s.entitled(r) {
			k.entitled++
		}
		return
	}
	k.pins[r.Class] = insert(requestArena{s}, k.pins[r.Class], i)
	k.promised[r.Class]++
	s.promised++
}

// outdate notes that what is derived of an affinity is stale.
func (s *State) outdate(a Affinity) {
	if k := &s.keys[a]; !k.dirty {
		k.dirty = true
		s.dirty = append(s.dirty, a)
		s.unlist(a)
	}
}

// copyFrom makes x a copy of o that shares nothing with it, in the memory that x has.
func (x *index) copyFrom(o *index) {
	x.sums = o.sums
	x.tabIndex.copyFrom(&o.tabIndex)
	x.leases.copyFrom(&o.leases)
	x.contextIndex.copyFrom(&o.contextIndex)
	x.requestIndex.copyFrom(&o.requestIndex)
	x.inContexts, x.orphans, x.endings = append(x.inContexts[:0], o.inContexts...), o.orphans, o.endings
	x.places = append(x.places[:0], o.places...)
	x.keys, x.heads, x.inside = append(x.keys[:0], o.keys...), o.heads, o.inside
	x.ownHeads, x.ownInside = o.ownHeads, o.ownInside
	x.warmWaiting, x.dirty = append(x.warmWaiting[:0], o.warmWaiting...), append(x.dirty[:0], o.dirty...)
}

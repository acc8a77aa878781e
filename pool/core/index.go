package core

import "slices"

// index is what follows from the facts, kept up to date bit by bit so that no decision has to look
// at everything: where an id is, how many there are of each kind, and who comes first. rebuild says
// what it has to be.
type index struct {
	sums

	tabIndex table // by TabID
	leases   table // by RequestID, to the slot of the tab

	inContexts []int32 // by the context's slot: tabs in it that are not yet confirmed closed

	requestIndex table   // by RequestID
	places       []links // by the request's slot: its place in its affinity's queue

	keys     []affinityIndex // by handle
	heads    [Classes]int32  // affinities by their first request of the class, a heap
	ownHeads [Classes]int32  // the same, of those whose contexts are made for them
	turns    []int32         // memory of inOrder
}

// sums are how many there are of each kind.
type sums struct {
	counts       [TabStates]int32 // tabs; of state 0: slots that are free
	overdue      [TabStates]int32 // those that are overdue
	bound        int32            // bound tabs
	known        int32            // affinities
	rootLeases   int32
	urgentLeases int32          // root leases of urgent requests
	waiting      [Classes]int32 // requests
	exhausted    int32          // those whose bypass is used up
	doubted      int32          // affinities with too many doubtful ends
}

// affinityIndex is what follows for one affinity.
type affinityIndex struct {
	contexts   int32          // how many contexts name it, those on their way out included
	bound      int32          // how many tabs are bound
	rootLeases int32          // held now, whatever their generation
	calls      int32          // disposals that wait for it
	waiting    [Classes]int32 // requests
	entitled   int32          // how many nested ones at or above ReservedPriority
	queue      [Classes]int32 // those that wait, a heap
	links      [Classes]links // its place among heads, or ownHeads
	// when the last step ended, RootCap and AffinityTabs let a waiting root request through
	open    bool
	touched bool // it is in State.touched
}

// noKey is the entry of an affinity of which nothing is known.
var noKey = affinityIndex{queue: noSlots}

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
	*x = index{heads: noSlots, ownHeads: noSlots, turns: old.turns}
	x.tabIndex, x.leases = old.tabIndex.emptied(), old.leases.emptied()
	x.requestIndex = old.requestIndex.emptied()
	x.inContexts = filled(old.inContexts, len(f.Contexts), 0)
	x.places = filled(old.places, len(f.Requests), links{})
	x.keys = filled(old.keys, len(f.Affinities), noKey)
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
		if c := &s.Contexts[i]; c.State != 0 && c.Affinity != 0 {
			s.keys[c.Affinity].contexts++
		}
	}
	for i := range s.Tabs {
		t := &s.Tabs[i]
		s.counts[t.State]++
		if t.State == 0 {
			continue
		}
		s.tabIndex.put(uint64(t.ID), int32(i))
		s.inContexts[t.Context]++
		if t.Overdue {
			s.overdue[t.State]++
		}
		if t.Bound() {
			s.keys[t.Affinity].bound++
			s.bound++
		}
		if t.State == Leased {
			s.leases.put(uint64(t.Holder), int32(i))
			s.countLease(t, +1)
		}
	}
	for i := range s.Requests {
		if s.Requests[i].Used {
			s.queue(int32(i))
		}
	}
	for _, c := range s.Calls {
		if c.Affinity != 0 {
			s.keys[c.Affinity].calls++
		}
	}
	for a := range s.Affinities {
		if s.Affinities[a].Known {
			k := s.at(Affinity(a))
			k.open = s.letsThrough(k)
		}
	}
}

// copyFrom makes x a copy of o that shares nothing with it, in the memory that x has.
func (x *index) copyFrom(o *index) {
	x.sums = o.sums
	x.tabIndex.copyFrom(&o.tabIndex)
	x.leases.copyFrom(&o.leases)
	x.requestIndex.copyFrom(&o.requestIndex)
	x.inContexts = append(x.inContexts[:0], o.inContexts...)
	x.places = append(x.places[:0], o.places...)
	x.keys, x.heads, x.ownHeads = append(x.keys[:0], o.keys...), o.heads, o.ownHeads
}

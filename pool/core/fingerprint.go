package core

import (
	"math/bits"
	"slices"
)

// Fingerprints. Ids, generations and places in an order only grow, and decisions only compare them;
// so two states are the same for a search if they are equal up to a renaming that keeps the order.
// Times do not count: a search fires a deadline whenever it is armed.

// Hasher sums numbers up, in order, under a constant key, so that sums can be committed. The mixing
// step is that of wyhash (Wang Yi): the two halves of a 128-bit product.
type Hasher struct{ sum uint64 }

// Add adds one number.
func (h *Hasher) Add(x uint64) {
	hi, lo := bits.Mul64(h.sum^0xa0761d6478bd642f, x^0xe7037ed1a0b428db)
	h.sum = hi ^ lo ^ bits.RotateLeft64(h.sum, 23)
}

// AddBool adds a flag.
func (h *Hasher) AddBool(b bool) {
	if b {
		h.Add(1)
	} else {
		h.Add(2)
	}
}

// Sum is the hash of what was added.
func (h *Hasher) Sum() uint64 {
	hi, lo := bits.Mul64(h.sum^0x8ebc6af09c88c6e3, 0x589965cc75374cc3)
	return hi ^ lo
}

// Ranks gives each number of a set its place in it.
type Ranks []uint64

// Add puts a number into the set. 0, which means none, always has place 0.
func (r *Ranks) Add(x uint64) {
	if x != 0 {
		*r = append(*r, x)
	}
}

func (r *Ranks) seal() {
	slices.Sort(*r)
	*r = slices.Compact(*r)
}

// Of is how many numbers of the set are at most x.
func (r Ranks) Of(x uint64) uint64 {
	n := uint64(0)
	for _, y := range r {
		if y <= x {
			n++
		}
	}
	return n
}

// Renaming is the renaming of one state and of whatever refers to it: fill it with every id that is
// in use, Seal it, and hash places instead of ids.
type Renaming struct {
	Tabs, Contexts, Browsers, Requests, Calls Ranks
	generations, stamps, orders, ages         Ranks
}

// Reset empties the renaming and keeps its memory.
func (r *Renaming) Reset() {
	r.Tabs, r.Contexts, r.Browsers = r.Tabs[:0], r.Contexts[:0], r.Browsers[:0]
	r.Requests, r.Calls = r.Requests[:0], r.Calls[:0]
	r.generations, r.stamps, r.orders, r.ages = r.generations[:0], r.stamps[:0], r.orders[:0], r.ages[:0]
}

// Seal ends the filling.
func (r *Renaming) Seal() {
	for _, ranks := range []*Ranks{&r.Tabs, &r.Contexts, &r.Browsers, &r.Requests, &r.Calls, &r.generations, &r.stamps, &r.orders, &r.ages} {
		ranks.seal()
	}
}

// AddIDs fills the renaming with the ids of the state.
func (s *State) AddIDs(r *Renaming) {
	for i := range s.tabs {
		t := &s.tabs[i]
		r.Tabs.Add(uint64(t.id))
		r.Requests.Add(uint64(t.holder))
		r.generations.Add(uint64(t.generation))
		r.stamps.Add(t.stamp)
	}
	for i := range s.contexts {
		r.Contexts.Add(uint64(s.contexts[i].id))
		if c := &s.contexts[i]; c.tabs == 0 && c.state == contextOpen {
			r.ages.Add(uint64(c.since))
		}
		r.generations.Add(uint64(s.contexts[i].generation))
	}
	for i := range s.affinities {
		r.generations.Add(uint64(s.affinities[i].generation))
		r.stamps.Add(s.affinities[i].stamp)
	}
	for i := range s.requests {
		r.Requests.Add(uint64(s.requests[i].id))
		r.orders.Add(s.requests[i].order)
	}
	for _, c := range s.calls {
		r.Calls.Add(uint64(c.id))
		r.Browsers.Add(uint64(c.browser))
	}
	for _, b := range s.browsers {
		r.Browsers.Add(uint64(b.id))
	}
}

// AddIDs fills the renaming with the ids of the ledger.
func (l *Ledger) AddIDs(r *Renaming) {
	for i := range l.tabs {
		r.Tabs.Add(uint64(l.tabs[i].id))
		r.Requests.Add(uint64(l.tabs[i].holder))
	}
	for i := range l.contexts {
		r.Contexts.Add(uint64(l.contexts[i].id))
	}
	for _, b := range l.browsers {
		r.Browsers.Add(uint64(b.id))
	}
	for _, c := range l.calls {
		r.Browsers.Add(uint64(c.browser))
	}
}

// Hash adds to h everything that the state's future depends on.
func (s *State) Hash(h *Hasher, r *Renaming) {
	h.Add(uint64(s.phase)<<8 | uint64(s.capacity)<<16 | r.Tabs.Of(uint64(s.contraction))<<32)
	h.AddBool(s.paused)
	h.AddBool(s.grounded)
	h.AddBool(s.idle)
	h.AddBool(s.shrinking)
	h.Add(uint64(min(s.failedBrowsers, 1))) // whether the next restart is at once
	for _, b := range s.browsers {
		h.Add(r.Browsers.Of(uint64(b.id))<<8 | uint64(b.state))
		h.AddBool(b.unlaunched)
		h.AddBool(b.worn)
		h.AddBool(b.askedAt != never)
		if s.settings.BrowserMaxTabs > 0 && !b.worn {
			h.Add(uint64(b.tabs))
		}
	}
	for rank := range r.Tabs {
		if i, ok := s.tabIndex.get(r.Tabs[rank]); ok {
			s.hashTab(h, r, &s.tabs[i], rank)
		}
	}
	for _, id := range r.Contexts {
		s.hashContext(h, r, ContextID(id))
	}
	for a := range s.affinities {
		if k := &s.affinities[a]; k.known {
			h.Add(uint64(a) | r.generations.Of(uint64(k.generation))<<32)
			h.Add(r.Contexts.Of(uint64(s.primaryOf(k))) | r.stamps.Of(k.stamp)<<32)
		}
	}
	for i := s.standbys; i != none; i = s.tabs[i].next {
		h.Add(r.Tabs.Of(uint64(s.tabs[i].id))) // the order of adoption
	}
	s.hashRequests(h, r)
	for _, c := range s.calls {
		h.Add(r.Calls.Of(uint64(c.id)) | uint64(c.affinity)<<16 | r.generations.Of(uint64(c.generation))<<32)
		if c.affinity == 0 {
			h.Add(s.roundsLeft(c.rounds)) // a disposal does not give up after some
			h.Add(r.Browsers.Of(uint64(c.browser)))
			h.AddBool(c.recycle)
		}
	}
}

// hashContext adds a context. The oldest orphan goes first, so their ages are compared.
func (s *State) hashContext(h *Hasher, r *Renaming, id ContextID) {
	for i := range s.contexts {
		if c := &s.contexts[i]; c.id == id && c.state != 0 {
			h.Add(r.Contexts.Of(uint64(id)) | uint64(c.affinity)<<16 | uint64(c.state)<<48 | uint64(c.rung)<<52 |
				uint64(min(c.closes, closesBeforeKill))<<56)
			h.Add(r.Browsers.Of(uint64(c.browser)) | r.generations.Of(uint64(c.generation))<<16)
			if c.tabs == 0 && c.state == contextOpen {
				h.Add(r.ages.Of(uint64(c.since)))
			}
			h.AddBool(c.retained)
			h.AddBool(c.askedAt != never)
		}
	}
}

// countedUses is up to which MaxUses a tab's uses count in its hash. A scenario that is explored to its
// end makes fewer grants than this, so a larger MaxUses is never reached.
const countedUses = 64

func (s *State) hashTab(h *Hasher, r *Renaming, t *tab, rank int) {
	h.Add(r.Contexts.Of(uint64(s.contexts[t.context].id)) | r.Requests.Of(uint64(t.pinned))<<32)
	h.AddBool(t.suspect)
	h.AddBool(t.rescued)
	h.AddBool(t.unreset)
	h.AddBool(t.askedAt != never)
	h.AddBool(t.uses > 0)
	h.Add(uint64(rank)<<56 | uint64(t.state)<<48 | uint64(t.class)<<44 | uint64(t.reason)<<36 |
		uint64(t.rung)<<34 | uint64(min(t.closes, closesBeforeKill))<<30 | uint64(t.affinity))
	h.Add(r.Requests.Of(uint64(t.holder)) | r.generations.Of(uint64(t.generation))<<16 |
		r.stamps.Of(t.stamp)<<32 | r.Browsers.Of(uint64(t.browser))<<48)
	h.AddBool(t.doomed)
	h.AddBool(t.state == Leased && t.maxLease > 0) // whether it can expire
	h.AddBool(t.overdue)
	h.AddBool(t.awaiting)
	h.AddBool(t.unopened)
	h.Add(uint64(t.kill))
	h.AddBool(t.retireAt < never)
	if s.settings.MaxUses > 0 && s.settings.MaxUses <= countedUses {
		h.Add(uint64(t.uses))
	}
}

// hashRequests adds those that wait, in the order in which they came.
func (s *State) hashRequests(h *Hasher, r *Renaming) {
	for _, order := range r.orders {
		for i := range s.requests {
			if q := &s.requests[i]; q.used && q.order == order {
				h.Add(r.Requests.Of(uint64(q.id)) | uint64(q.affinity)<<16 | uint64(q.class)<<60)
				h.Add(uint64(uint32(q.priority)) | s.roundsLeft(q.rounds)<<32)
				h.AddBool(q.maxLease > 0)
				h.Add(uint64(q.bypassed))
			}
		}
	}
}

func (s *State) roundsLeft(rounds uint32) uint64 {
	return uint64(min(s.rounds-max(rounds, s.success), uint32(s.settings.OpenRetries)))
}

// Hash adds to h what the ledger's verdicts depend on.
func (l *Ledger) Hash(h *Hasher, r *Renaming) {
	for _, id := range r.Tabs {
		if t := l.tab(TabID(id)); t != nil {
			h.Add(uint64(t.affinity) | uint64(t.closing)<<32 | uint64(t.class)<<40)
			h.Add(r.Requests.Of(uint64(t.holder)))
			h.AddBool(t.opened)
			h.AddBool(t.doomed != 0)
			h.AddBool(t.overdue)
			h.AddBool(t.crashed)
			h.AddBool(t.lost)
			h.AddBool(t.suspect)
			h.Add(uint64(t.asked))
		}
	}
	for i := range l.contexts {
		c := &l.contexts[i]
		h.Add(r.Contexts.Of(uint64(c.id)) | uint64(c.affinity)<<32)
		h.AddBool(c.doomed != 0)
		h.AddBool(c.closing)
	}
	for _, b := range l.browsers {
		h.Add(r.Browsers.Of(uint64(b.id)))
		h.AddBool(b.ready)
		h.AddBool(b.drains)
		h.AddBool(b.ending)
	}
	h.Add(uint64(len(l.waiting))<<32 | uint64(len(l.calls)))
	for a := range l.announced {
		h.AddBool(l.announced[a].warm)
	}
}

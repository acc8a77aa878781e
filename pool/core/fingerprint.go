package core

import (
	"math/bits"
	"slices"
)

// Fingerprints. Ids, generations and places in an order only grow, and decisions only compare them;
// so two states are the same for a search if they are equal up to a renaming that keeps the order.
// Which of two tabs, or of two contexts, is the older one decides nothing at all: they are
// interchangeable, so a state is a set of browsers, each with a set of contexts, each with a set of
// tabs, and its hash a sum over these. Times do not count: a search fires a deadline whenever it is
// armed. They count, in ticks, where a search lets time pass.

// Hasher sums numbers up, in order, under a constant key, so that sums can be committed. The mixing
// step is that of wyhash (Wang Yi): the two halves of a 128-bit product.
type Hasher struct{ sum uint64 }

// Add adds one number.
func (h *Hasher) Add(x uint64) {
	hi, lo := bits.Mul64(h.sum^0xa0761d6478bd642f, x^0xe7037ed1a0b428db)
	h.sum = hi ^ lo ^ bits.RotateLeft64(h.sum, 23)
}

// Sum is the hash of what was added.
func (h *Hasher) Sum() uint64 {
	hi, lo := bits.Mul64(h.sum^0x8ebc6af09c88c6e3, 0x589965cc75374cc3)
	return hi ^ lo
}

// bit is a flag in its place in a word that is hashed.
func bit(b bool, place uint) uint64 {
	if b {
		return 1 << place
	}
	return 0
}

// ranks gives each number of a set its place in it.
type ranks []uint64

// add puts a number into the set. 0, which means none, always has place 0.
func (r *ranks) add(x uint64) {
	if x != 0 {
		*r = append(*r, x)
	}
}

func (r *ranks) seal() {
	for i := 1; i < len(*r); i++ {
		if (*r)[i-1] >= (*r)[i] {
			slices.Sort(*r)
			*r = slices.Compact(*r)
			return
		}
	}
}

// of is how many numbers of the set are at most x.
func (r ranks) of(x uint64) uint64 {
	if len(r) > 16 {
		n, found := slices.BinarySearch(r, x)
		return uint64(n) + bit(found, 0)
	}
	n := uint64(0)
	for _, y := range r {
		n += bit(y <= x, 0)
	}
	return n
}

// Canon hashes one state, and what refers to it, up to renaming. Name its ids by AddIDs, call Seal,
// describe it by Hash and HashWaiting, and take the Sum. It can be used again after Reset.
type Canon struct {
	// KeepOrder tells apart which tab and which context is older, as a model without symmetry does.
	KeepOrder bool
	// Name gives requests and calls, which are numbered alike, the names that they are hashed by; nil: as they
	// are numbered. It is asked by HashWaiting and Sum.
	Name func(number uint64) uint64
	// Tick is by how much time passes, and Now is what time it is; 0: it never does, and times do not count.
	Tick, Now Time

	Hasher                                             // of what is in a fixed order
	with                                        uint64 // a sum over what is in none
	tabs, contexts                              []cell
	browsers, generations, stamps, orders, ages ranks
	disposals                                   ranks // of the ledger
}

// cell is one tab or context: all that is known of it.
type cell struct {
	id       uint64
	parent   uint64    // the context of a tab, the browser of a context
	own      Hasher    // what is said of it, in a fixed order
	with     uint64    // a sum over what is said of it, in no order, and over what is in it
	requests [3]uint64 // that it is held by and promised to
}

// Reset empties a canon and keeps its memory.
func (c *Canon) Reset() {
	c.Hasher, c.with = Hasher{}, 0
	c.tabs, c.contexts = c.tabs[:0], c.contexts[:0]
	c.browsers, c.generations = c.browsers[:0], c.generations[:0]
	c.stamps, c.orders, c.ages = c.stamps[:0], c.orders[:0], c.ages[:0]
	c.disposals = c.disposals[:0]
}

// Seal ends the naming of ids.
func (c *Canon) Seal() {
	c.browsers.seal()
	c.generations.seal()
	c.stamps.seal()
	c.orders.seal()
	c.ages.seal()
	c.disposals.seal()
}

// AddBrowser names a browser that something outside of the pool refers to.
func (c *Canon) AddBrowser(id BrowserID) { c.browsers.add(uint64(id)) }

// Browser is the name of a browser: its place among those that are referred to.
func (c *Canon) Browser(id BrowserID) uint64 { return c.browsers.of(uint64(id)) }

// Tab is the hash of one tab, to which something can be added that belongs to it.
func (c *Canon) Tab(id TabID, context ContextID) *Hasher {
	return &find(&c.tabs, uint64(id), uint64(context)).own
}

// Context is the same for a context.
func (c *Canon) Context(id ContextID, browser BrowserID) *Hasher {
	return &find(&c.contexts, uint64(id), uint64(browser)).own
}

// AddOf adds to a tab, to a context or to a browser, the first that is not 0, one of several things of which
// none comes first.
func (c *Canon) AddOf(tab TabID, context ContextID, browser BrowserID, x uint64) {
	var h Hasher
	h.Add(x)
	switch {
	case tab != 0:
		find(&c.contexts, uint64(context), uint64(browser))
		find(&c.tabs, uint64(tab), uint64(context)).with += h.Sum()
	case context != 0:
		find(&c.contexts, uint64(context), uint64(browser)).with += h.Sum()
	default:
		h.Add(c.Browser(browser))
		c.with += h.Sum()
	}
}

// Sketch is a hash of what is known of a tab so far, but for who holds it.
func (c *Canon) Sketch(id TabID) uint64 {
	for i := range c.tabs {
		if t := &c.tabs[i]; t.id == uint64(id) {
			h := t.own
			h.Add(t.with)
			p := find(&c.contexts, t.parent, 0)
			h.Add(p.own.sum)
			h.Add(p.with)
			return h.Sum()
		}
	}
	return 0
}

func find(cells *[]cell, id, parent uint64) *cell {
	for i := range *cells {
		if c := &(*cells)[i]; c.id == id {
			if c.parent == 0 {
				c.parent = parent
			}
			return c
		}
	}
	*cells = append(*cells, cell{id: id, parent: parent})
	return &(*cells)[len(*cells)-1]
}

// Sum is the hash of the whole.
func (c *Canon) Sum() uint64 {
	for i := range c.tabs {
		t := &c.tabs[i]
		h := t.own
		h.Add(t.with)
		for _, request := range t.requests {
			h.Add(c.name(request))
		}
		if c.KeepOrder {
			h.Add(place(c.tabs, t.id))
		}
		find(&c.contexts, t.parent, 0).with += h.Sum()
	}
	for i := range c.contexts {
		p := &c.contexts[i]
		h := p.own
		h.Add(p.with)
		h.Add(c.browsers.of(p.parent))
		if c.KeepOrder {
			h.Add(place(c.contexts, p.id))
		}
		c.with += h.Sum()
	}
	h := c.Hasher
	h.Add(c.with)
	return h.Sum()
}

// place is how many cells are at most as old.
func place(cells []cell, id uint64) uint64 {
	n := uint64(0)
	for i := range cells {
		n += bit(cells[i].id <= id, 0)
	}
	return n
}

// age is how many ticks ago an instant was; 0: there was none yet.
func (c *Canon) age(at Time) uint64 {
	if c.Tick == 0 || at == Never || at == 0 {
		return 0
	}
	return 1 + uint64((c.Now-at)/c.Tick)
}

func (c *Canon) name(number uint64) uint64 {
	if number == 0 || c.Name == nil {
		return number
	}
	return c.Name(number)
}

// AddIDs names the ids of the state.
func (s *State) AddIDs(c *Canon) {
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 {
			c.generations.add(uint64(t.Generation))
			c.stamps.add(t.Stamp)
		}
	}
	for i := range s.Contexts {
		if p := &s.Contexts[i]; p.State != 0 {
			if s.orphan(int32(i)) {
				c.ages.add(uint64(p.Since))
			}
			c.generations.add(uint64(p.Generation))
		}
	}
	for i := range s.Affinities {
		c.generations.add(uint64(s.at(Affinity(i)).Generation))
		c.stamps.add(s.at(Affinity(i)).Stamp)
	}
	for i := range s.Requests {
		c.orders.add(s.Requests[i].Order)
	}
	for i := range s.Calls {
		c.browsers.add(uint64(s.Calls[i].Browser))
	}
	for i := range s.Browsers {
		c.browsers.add(uint64(s.Browsers[i].ID))
	}
}

// Hash adds everything that the state's future depends on, but for who waits.
func (s *State) Hash(c *Canon) {
	c.Add(uint64(s.Phase)<<8 | uint64(s.Capacity)<<16 | bit(s.Paused, 32) | bit(s.Grounded, 33) | bit(s.Idle, 34) |
		bit(s.Shrinking, 35) | bit(s.Contraction != 0, 36) | bit(s.FailedBrowsers > 0, 37) | // whether the next restart is at once
		bit(s.IdleSince == Never, 38)) // whether it shrinks at all
	if c.Tick > 0 {
		c.Add(uint64(s.FailedOpenings)<<32 | uint64(s.FailedBrowsers)) // how long a pause is
	}
	for i := range s.Browsers {
		b := &s.Browsers[i]
		worn := uint64(0)
		if s.Settings.BrowserMaxTabs > 0 && !b.Worn {
			worn = uint64(b.Tabs)
		}
		c.Add(c.age(b.Since))
		c.Add(c.Browser(b.ID)<<8 | uint64(b.State) | bit(b.Unlaunched, 16) | bit(b.Worn, 17) | bit(b.AskedAt != Never, 18) | worn<<32)
	}
	for i := range s.Contexts {
		if s.Contexts[i].State != 0 {
			s.hashContext(c, int32(i))
		}
	}
	for i := range s.Tabs {
		if s.Tabs[i].State != 0 {
			s.hashTab(c, &s.Tabs[i])
		}
	}
	order := uint64(0)
	for i := s.Standbys; i != None; i = s.Tabs[i].Next {
		order++ // of adoption
		c.Tab(s.Tabs[i].ID, 0).Add(order)
	}
	for a := range s.Affinities {
		if k := s.at(Affinity(a)); k.Known {
			c.Add(uint64(a) | c.generations.of(uint64(k.Generation))<<32)
			c.Add(c.stamps.of(k.Stamp))
			c.Add(c.age(k.FreedAt))
		}
	}
}

// HashWaiting adds those that wait, once they have their names.
func (s *State) HashWaiting(c *Canon) {
	for i := range s.Requests {
		if q := &s.Requests[i]; q.Used {
			c.with += s.requestSum(c, q)
		}
	}
	for i := range s.Calls {
		c.with += s.callSum(c, &s.Calls[i])
	}
}

func (s *State) requestSum(c *Canon, q *Request) uint64 {
	var h Hasher
	h.Add(c.name(uint64(q.ID)))
	h.Add(c.orders.of(q.Order))
	h.Add(uint64(q.Affinity) | uint64(q.Class)<<32 | bit(q.MaxLease > 0, 40) | bit(q.AdmittedAt == Never, 41) | uint64(q.Bypassed)<<48)
	h.Add(uint64(uint32(q.Priority)) | s.roundsLeft(q.Rounds)<<32)
	h.Add(c.age(q.Arrived))
	return h.Sum()
}

func (s *State) callSum(c *Canon, q *Call) uint64 {
	var h Hasher
	h.Add(c.name(uint64(q.ID)))
	h.Add(c.generations.of(uint64(q.Generation)))
	h.Add(uint64(q.Affinity) | bit(q.Recycle, 32) | c.Browser(q.Browser)<<40)
	if q.Affinity == 0 {
		h.Add(s.roundsLeft(q.Rounds)) // a disposal does not give up after some
	}
	return h.Sum()
}

// hashContext adds a context. The oldest orphan goes first, so their ages are compared.
func (s *State) hashContext(c *Canon, i int32) {
	p := &s.Contexts[i]
	h := c.Context(p.ID, p.Browser)
	h.Add(uint64(p.Affinity) | uint64(p.State)<<32 | uint64(p.Rung)<<36 | uint64(min(p.Closes, closesBeforeKill))<<40 |
		bit(p.Retained, 44) | bit(p.AskedAt != Never, 45) | bit(s.isPrimary(i), 46))
	h.Add(c.generations.of(uint64(p.Generation)) | bit(p.Generation > s.LastGeneration, 32)) // which the next one may reach
	if s.orphan(i) {
		h.Add(c.ages.of(uint64(p.Since)))
	}
}

// countedUses is up to which MaxUses a tab's uses count in its hash. A scenario that is explored to its
// end makes fewer grants than this, so a larger MaxUses is never reached.
const countedUses = 64

func (s *State) hashTab(c *Canon, t *Tab) {
	e := find(&c.tabs, uint64(t.ID), uint64(s.Contexts[t.Context].ID))
	e.requests[0], e.requests[1] = uint64(t.Holder), uint64(t.Pinned)
	uses := min(t.Uses, 1)
	if s.Settings.MaxUses > 0 && s.Settings.MaxUses <= countedUses {
		uses = t.Uses
	}
	e.own.Add(uint64(t.Affinity) | c.generations.of(uint64(t.Generation))<<32 | bit(t.Generation > s.LastGeneration, 62))
	e.own.Add(c.stamps.of(t.Stamp))
	e.own.Add(c.age(t.OpenEnded))
	e.own.Add(c.age(t.GoodAt))
	e.own.Add(uint64(t.State) | uint64(t.Class)<<4 | uint64(t.Reason)<<8 | uint64(t.Rung)<<16 |
		uint64(min(t.Closes, closesBeforeKill))<<20 | uint64(t.Kill)<<24 |
		bit(t.Suspect, 28) | bit(t.Rescued, 29) | bit(t.State == Resetting && t.Part == PartLeave, 30) | bit(t.AskedAt != Never, 31) | bit(t.Doomed, 32) |
		bit(t.State == Leased && t.MaxLease > 0, 33) | // whether it can expire
		bit(t.Overdue, 34) | bit(t.Awaiting, 35) | bit(t.Unopened, 36) | bit(t.RetireAt < Never, 37) | bit(t.ID == s.Contraction, 38) |
		uint64(uses)<<40)
	if t.asked() {
		e.own.Add(s.askedRank(t))
	}
	if t.Sessions {
		e.own.Add(s.sessionHash(t))
	}
}

// sessionHash is what is known of a tab's sessions, and whether another tab of its browser has navigated since it could not.
func (s *State) sessionHash(t *Tab) uint64 {
	since := t.StuckSince
	switch {
	case t.Stuck:
	case t.State == Leased:
		since = t.Since
	default:
		since = t.LeasedAt
	}
	b := s.browser(t.Browser)
	return 1 | uint64(t.Session)<<1 | uint64(t.Part)<<4 | bit(t.Retried, 8) | bit(t.Stuck, 9) | bit(b != nil && b.ArrivedAt > since, 10)
}

// askedRank is how many probes, rescues and resets began before that of a tab: closeOverdue takes the first.
func (s *State) askedRank(t *Tab) uint64 {
	n := uint64(0)
	for i := range s.Tabs {
		if o := &s.Tabs[i]; o.asked() && askedBefore(o, t) {
			n++
		}
	}
	return n
}

func (s *State) roundsLeft(rounds uint32) uint64 {
	return uint64(min(s.Rounds-max(rounds, s.Success), uint32(s.Settings.OpenRetries)))
}

// Order is the place of a request among those that wait, by their arrival; 0: it does not wait.
func (s *State) Order(c *Canon, id RequestID) uint64 {
	if i, ok := s.requestIndex.get(uint64(id)); ok {
		return c.orders.of(s.Requests[i].Order)
	}
	return 0
}

// Outline is a hash of a state without its names: how many tabs there are in which condition, of browsers
// and contexts likewise, and roughly how many wait. States of one outline are of one kind, for whoever counts how
// many kinds were met.
func (s *State) Outline() uint64 {
	var h Hasher
	h.Add(uint64(s.Capacity) | uint64(s.Phase)<<16 | bit(s.Paused, 24) | bit(s.Grounded, 25) | bit(s.Contraction != 0, 26) |
		uint64(min(s.waiting[Root], roughly))<<32 | uint64(min(s.waiting[Nested], roughly))<<40 | uint64(min(len(s.Calls), roughly))<<48)
	sum := uint64(0)
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 {
			var one Hasher
			one.Add(uint64(t.State) | uint64(t.Class)<<4 | uint64(t.Rung)<<8 | uint64(t.Kill)<<12 | bit(t.Doomed, 16) |
				bit(t.Overdue, 17) | bit(t.Suspect, 18) | bit(t.Rescued, 19) | bit(t.Pinned != 0, 20) | bit(s.draining(t.Browser), 21) |
				bit(s.isPrimary(t.Context), 22))
			sum += one.Sum()
		}
	}
	for i := range s.Contexts {
		if c := &s.Contexts[i]; c.State != 0 && s.inContexts[i].tabs == 0 {
			var one Hasher
			one.Add(1<<32 | uint64(c.State) | uint64(c.Rung)<<4)
			sum += one.Sum()
		}
	}
	for i := range s.Browsers {
		b := &s.Browsers[i]
		var one Hasher
		one.Add(1<<33 | uint64(b.State) | bit(b.Worn, 4) | bit(b.AskedAt != Never, 5))
		sum += one.Sum()
	}
	h.Add(sum)
	return h.Sum()
}

// roughly is from how many on Outline does not tell numbers apart.
const roughly = 3

// StateHash is a hash of everything that the state's future depends on, but for times, up to a renaming
// of tabs, contexts and browsers.
func (s *State) StateHash() uint64 {
	var c Canon
	s.AddIDs(&c)
	c.Seal()
	s.Hash(&c)
	s.HashWaiting(&c)
	return c.Sum()
}

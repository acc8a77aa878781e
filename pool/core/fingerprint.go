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
	if c.Tick == 0 || at == never || at == 0 {
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
	for i := range s.tabs {
		if t := &s.tabs[i]; t.state != 0 {
			c.generations.add(uint64(t.generation))
			c.stamps.add(t.stamp)
		}
	}
	for i := range s.contexts {
		if p := &s.contexts[i]; p.state != 0 {
			if s.orphan(int32(i)) {
				c.ages.add(uint64(p.since))
			}
			c.generations.add(uint64(p.generation))
		}
	}
	for i := range s.affinities {
		c.generations.add(uint64(s.at(Affinity(i)).generation))
		c.stamps.add(s.at(Affinity(i)).stamp)
	}
	for i := range s.requests {
		c.orders.add(s.requests[i].order)
	}
	for i := range s.calls {
		c.browsers.add(uint64(s.calls[i].browser))
	}
	for i := range s.browsers {
		c.browsers.add(uint64(s.browsers[i].id))
	}
}

// Hash adds everything that the state's future depends on, but for who waits.
func (s *State) Hash(c *Canon) {
	c.Add(uint64(s.phase)<<8 | uint64(s.capacity)<<16 | bit(s.paused, 32) | bit(s.grounded, 33) | bit(s.idle, 34) |
		bit(s.shrinking, 35) | bit(s.contraction != 0, 36) | bit(s.failedBrowsers > 0, 37) | // whether the next restart is at once
		bit(s.idleSince == never, 38)) // whether it shrinks at all
	if c.Tick > 0 {
		c.Add(uint64(s.failedOpenings)<<32 | uint64(s.failedBrowsers)) // how long a pause is
	}
	for i := range s.browsers {
		b := &s.browsers[i]
		worn := uint64(0)
		if s.settings.BrowserMaxTabs > 0 && !b.worn {
			worn = uint64(b.tabs)
		}
		c.Add(c.age(b.since))
		c.Add(c.Browser(b.id)<<8 | uint64(b.state) | bit(b.unlaunched, 16) | bit(b.worn, 17) | bit(b.askedAt != never, 18) | worn<<32)
	}
	for i := range s.contexts {
		if s.contexts[i].state != 0 {
			s.hashContext(c, int32(i))
		}
	}
	for i := range s.tabs {
		if s.tabs[i].state != 0 {
			s.hashTab(c, &s.tabs[i])
		}
	}
	order := uint64(0)
	for i := s.standbys; i != none; i = s.tabs[i].next {
		order++ // of adoption
		c.Tab(s.tabs[i].id, 0).Add(order)
	}
	for a := range s.affinities {
		if k := s.at(Affinity(a)); k.known {
			c.Add(uint64(a) | c.generations.of(uint64(k.generation))<<32)
			c.Add(c.stamps.of(k.stamp))
			c.Add(c.age(k.freedAt))
		}
	}
}

// HashWaiting adds those that wait, once they have their names.
func (s *State) HashWaiting(c *Canon) {
	for i := range s.requests {
		if q := &s.requests[i]; q.used {
			c.with += s.requestSum(c, q)
		}
	}
	for i := range s.calls {
		c.with += s.callSum(c, &s.calls[i])
	}
}

func (s *State) requestSum(c *Canon, q *request) uint64 {
	var h Hasher
	h.Add(c.name(uint64(q.id)))
	h.Add(c.orders.of(q.order))
	h.Add(uint64(q.affinity) | uint64(q.class)<<32 | bit(q.maxLease > 0, 40) | bit(q.admittedAt == never, 41) | uint64(q.bypassed)<<48)
	h.Add(uint64(uint32(q.priority)) | s.roundsLeft(q.rounds)<<32)
	h.Add(c.age(q.arrived))
	return h.Sum()
}

func (s *State) callSum(c *Canon, q *call) uint64 {
	var h Hasher
	h.Add(c.name(uint64(q.id)))
	h.Add(c.generations.of(uint64(q.generation)))
	h.Add(uint64(q.affinity) | bit(q.recycle, 32) | c.Browser(q.browser)<<40)
	if q.affinity == 0 {
		h.Add(s.roundsLeft(q.rounds)) // a disposal does not give up after some
	}
	return h.Sum()
}

// hashContext adds a context. The oldest orphan goes first, so their ages are compared.
func (s *State) hashContext(c *Canon, i int32) {
	p := &s.contexts[i]
	h := c.Context(p.id, p.browser)
	h.Add(uint64(p.affinity) | uint64(p.state)<<32 | uint64(p.rung)<<36 | uint64(min(p.closes, closesBeforeKill))<<40 |
		bit(p.retained, 44) | bit(p.askedAt != never, 45) | bit(s.isPrimary(i), 46))
	h.Add(c.generations.of(uint64(p.generation)) | bit(p.generation > s.lastGeneration, 32)) // which the next one may reach
	if s.orphan(i) {
		h.Add(c.ages.of(uint64(p.since)))
	}
}

// countedUses is up to which MaxUses a tab's uses count in its hash. A scenario that is explored to its
// end makes fewer grants than this, so a larger MaxUses is never reached.
const countedUses = 64

func (s *State) hashTab(c *Canon, t *tab) {
	e := find(&c.tabs, uint64(t.id), uint64(s.contexts[t.context].id))
	e.requests[0], e.requests[1] = uint64(t.holder), uint64(t.pinned)
	uses := min(t.uses, 1)
	if s.settings.MaxUses > 0 && s.settings.MaxUses <= countedUses {
		uses = t.uses
	}
	e.own.Add(uint64(t.affinity) | c.generations.of(uint64(t.generation))<<32 | bit(t.generation > s.lastGeneration, 62))
	e.own.Add(c.stamps.of(t.stamp))
	e.own.Add(c.age(t.openEnded))
	e.own.Add(c.age(t.goodAt))
	e.own.Add(uint64(t.state) | uint64(t.class)<<4 | uint64(t.reason)<<8 | uint64(t.rung)<<16 |
		uint64(min(t.closes, closesBeforeKill))<<20 | uint64(t.kill)<<24 |
		bit(t.suspect, 28) | bit(t.rescued, 29) | bit(t.state == Resetting && t.part == PartLeave, 30) | bit(t.askedAt != never, 31) | bit(t.doomed, 32) |
		bit(t.state == Leased && t.maxLease > 0, 33) | // whether it can expire
		bit(t.overdue, 34) | bit(t.awaiting, 35) | bit(t.unopened, 36) | bit(t.retireAt < never, 37) | bit(t.id == s.contraction, 38) |
		uint64(uses)<<40)
	if t.asked() {
		e.own.Add(s.askedRank(t))
	}
	if t.sessions {
		e.own.Add(s.sessionHash(t))
	}
}

// sessionHash is what is known of a tab's sessions, and whether another tab of its browser has navigated since it could not.
func (s *State) sessionHash(t *tab) uint64 {
	since := t.stuckSince
	switch {
	case t.stuck:
	case t.state == Leased:
		since = t.since
	default:
		since = t.leasedAt
	}
	b := s.browser(t.browser)
	return 1 | uint64(t.session)<<1 | uint64(t.part)<<4 | bit(t.retried, 8) | bit(t.stuck, 9) | bit(b != nil && b.arrivedAt > since, 10)
}

// askedRank is how many probes, rescues and resets began before that of a tab: closeOverdue takes the first.
func (s *State) askedRank(t *tab) uint64 {
	n := uint64(0)
	for i := range s.tabs {
		if o := &s.tabs[i]; o.asked() && askedBefore(o, t) {
			n++
		}
	}
	return n
}

func (s *State) roundsLeft(rounds uint32) uint64 {
	return uint64(min(s.rounds-max(rounds, s.success), uint32(s.settings.OpenRetries)))
}

// Order is the place of a request among those that wait, by their arrival; 0: it does not wait.
func (s *State) Order(c *Canon, id RequestID) uint64 {
	if i, ok := s.requestIndex.get(uint64(id)); ok {
		return c.orders.of(s.requests[i].order)
	}
	return 0
}

// Outline is a hash of a state without its names: how many tabs there are in which condition, of browsers
// and contexts likewise, and roughly how many wait. States of one outline are of one kind, for whoever counts how
// many kinds were met.
func (s *State) Outline() uint64 {
	var h Hasher
	h.Add(uint64(s.capacity) | uint64(s.phase)<<16 | bit(s.paused, 24) | bit(s.grounded, 25) | bit(s.contraction != 0, 26) |
		uint64(min(s.waiting[Root], roughly))<<32 | uint64(min(s.waiting[Nested], roughly))<<40 | uint64(min(len(s.calls), roughly))<<48)
	sum := uint64(0)
	for i := range s.tabs {
		if t := &s.tabs[i]; t.state != 0 {
			var one Hasher
			one.Add(uint64(t.state) | uint64(t.class)<<4 | uint64(t.rung)<<8 | uint64(t.kill)<<12 | bit(t.doomed, 16) |
				bit(t.overdue, 17) | bit(t.suspect, 18) | bit(t.rescued, 19) | bit(t.pinned != 0, 20) | bit(s.draining(t.browser), 21) |
				bit(s.isPrimary(t.context), 22))
			sum += one.Sum()
		}
	}
	for i := range s.contexts {
		if c := &s.contexts[i]; c.state != 0 && s.inContexts[i].tabs == 0 {
			var one Hasher
			one.Add(1<<32 | uint64(c.state) | uint64(c.rung)<<4)
			sum += one.Sum()
		}
	}
	for i := range s.browsers {
		b := &s.browsers[i]
		var one Hasher
		one.Add(1<<33 | uint64(b.state) | bit(b.worn, 4) | bit(b.askedAt != never, 5))
		sum += one.Sum()
	}
	h.Add(sum)
	return h.Sum()
}

// roughly is from how many on Outline does not tell numbers apart.
const roughly = 3

// Package canon hashes the facts of a pool, and what refers to them, up to a renaming of ids: the state hash of dumps and
// replays, and the visited set of a search.
//
// The package makes no promise of compatibility.
package canon

import (
	"math/bits"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
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

// Bit is a flag in its place in a word that is hashed.
func Bit(b bool, place uint) uint64 {
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
		return uint64(n) + Bit(found, 0)
	}
	n := uint64(0)
	for _, y := range r {
		n += Bit(y <= x, 0)
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
	Tick, Now core.Time

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
func (c *Canon) AddBrowser(id core.BrowserID) { c.browsers.add(uint64(id)) }

// Browser is the name of a browser: its place among those that are referred to.
func (c *Canon) Browser(id core.BrowserID) uint64 { return c.browsers.of(uint64(id)) }

// Tab is the hash of one tab, to which something can be added that belongs to it.
func (c *Canon) Tab(id core.TabID, context core.ContextID) *Hasher {
	return &find(&c.tabs, uint64(id), uint64(context)).own
}

// Context is the same for a context.
func (c *Canon) Context(id core.ContextID, browser core.BrowserID) *Hasher {
	return &find(&c.contexts, uint64(id), uint64(browser)).own
}

// AddDisposal names a disposal of the ledger's, and Disposal is its name.
func (c *Canon) AddDisposal(number uint64) { c.disposals.add(number) }

// Disposal is explained with AddDisposal.
func (c *Canon) Disposal(number uint64) uint64 { return c.disposals.of(number) }

// HeldBy adds to a tab that a request holds it.
func (c *Canon) HeldBy(id core.TabID, context core.ContextID, request core.RequestID) {
	find(&c.tabs, uint64(id), uint64(context)).requests[2] = uint64(request)
}

// AddAny adds one of several things of which none comes first.
func (c *Canon) AddAny(sum uint64) { c.with += sum }

// AddOf adds to a tab, to a context or to a browser, the first that is not 0, one of several things of which
// none comes first.
func (c *Canon) AddOf(tab core.TabID, context core.ContextID, browser core.BrowserID, x uint64) {
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
func (c *Canon) Sketch(id core.TabID) uint64 {
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
			h.Add(c.NameOf(request))
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
		n += Bit(cells[i].id <= id, 0)
	}
	return n
}

// Age is how many ticks ago an instant was; 0: there was none yet.
func (c *Canon) Age(at core.Time) uint64 {
	if c.Tick == 0 || at == core.Never || at == 0 {
		return 0
	}
	return 1 + uint64((c.Now-at)/c.Tick)
}

// NameOf is the name by which a request or a call is hashed.
func (c *Canon) NameOf(number uint64) uint64 {
	if number == 0 || c.Name == nil {
		return number
	}
	return c.Name(number)
}

// AddIDs names the ids of the facts.
func (c *Canon) AddIDs(s *core.Facts) {
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 {
			c.generations.add(uint64(t.Generation))
			c.stamps.add(t.Stamp)
		}
	}
	for i := range s.Contexts {
		if p := &s.Contexts[i]; p.State != 0 {
			if orphan(s, int32(i)) {
				c.ages.add(uint64(p.Since))
			}
			c.generations.add(uint64(p.Generation))
		}
	}
	for i := range s.Affinities {
		c.generations.add(uint64(s.Affinities[i].Generation))
		c.stamps.add(s.Affinities[i].Stamp)
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

// Hash adds everything that the future of a pool depends on, but for who waits.
func (c *Canon) Hash(s *core.Facts) {
	c.Add(uint64(s.Phase)<<8 | uint64(s.Capacity)<<16 | Bit(s.Paused, 32) | Bit(s.Grounded, 33) | Bit(s.Idle, 34) |
		Bit(s.Shrinking, 35) | Bit(s.Contraction != 0, 36) | Bit(s.FailedBrowsers > 0, 37) | // whether the next restart is at once
		Bit(s.IdleSince == core.Never, 38)) // whether it shrinks at all
	if c.Tick > 0 {
		c.Add(uint64(s.FailedOpenings)<<32 | uint64(s.FailedBrowsers)) // how long a pause is
	}
	for i := range s.Browsers {
		b := &s.Browsers[i]
		worn := uint64(0)
		if s.Settings.BrowserMaxTabs > 0 && !b.Worn {
			worn = uint64(b.Tabs)
		}
		c.Add(c.Age(b.Since))
		c.Add(c.Browser(b.ID)<<8 | uint64(b.State) | Bit(b.Unlaunched, 16) | Bit(b.Worn, 17) | Bit(b.AskedAt != core.Never, 18) | worn<<32)
	}
	for i := range s.Contexts {
		if s.Contexts[i].State != 0 {
			c.hashContext(s, int32(i))
		}
	}
	for i := range s.Tabs {
		if s.Tabs[i].State != 0 {
			c.hashTab(s, &s.Tabs[i])
		}
	}
	order := uint64(0)
	for i := s.Standbys; i != core.None; i = s.Tabs[i].Next {
		order++ // of adoption
		c.Tab(s.Tabs[i].ID, 0).Add(order)
	}
	for a := range s.Affinities {
		if k := &s.Affinities[a]; k.Known {
			c.Add(uint64(a) | c.generations.of(uint64(k.Generation))<<32)
			c.Add(c.stamps.of(k.Stamp))
			c.Add(c.Age(k.FreedAt))
		}
	}
}

// HashWaiting adds those that wait, once they have their names.
func (c *Canon) HashWaiting(s *core.Facts) {
	for i := range s.Requests {
		if q := &s.Requests[i]; q.Used {
			c.with += c.requestSum(s, q)
		}
	}
	for i := range s.Calls {
		c.with += c.callSum(s, &s.Calls[i])
	}
}

func (c *Canon) requestSum(s *core.Facts, q *core.Request) uint64 {
	var h Hasher
	h.Add(c.NameOf(uint64(q.ID)))
	h.Add(c.orders.of(q.Order))
	h.Add(uint64(q.Affinity) | uint64(q.Class)<<32 | Bit(q.MaxLease > 0, 40) | Bit(q.AdmittedAt == core.Never, 41) | uint64(q.Bypassed)<<48)
	h.Add(uint64(uint32(q.Priority)) | roundsLeft(s, q.Rounds)<<32)
	h.Add(c.Age(q.Arrived))
	return h.Sum()
}

func (c *Canon) callSum(s *core.Facts, q *core.Call) uint64 {
	var h Hasher
	h.Add(c.NameOf(uint64(q.ID)))
	h.Add(c.generations.of(uint64(q.Generation)))
	h.Add(uint64(q.Affinity) | Bit(q.Recycle, 32) | c.Browser(q.Browser)<<40)
	if q.Affinity == 0 {
		h.Add(roundsLeft(s, q.Rounds)) // a disposal does not give up after some
	}
	return h.Sum()
}

// hashContext adds a context. The oldest orphan goes first, so their ages are compared.
func (c *Canon) hashContext(s *core.Facts, i int32) {
	p := &s.Contexts[i]
	h := c.Context(p.ID, p.Browser)
	h.Add(uint64(p.Affinity) | uint64(p.State)<<32 | uint64(p.Rung)<<36 | uint64(min(p.Closes, core.ClosesBeforeKill))<<40 |
		Bit(p.Retained, 44) | Bit(p.AskedAt != core.Never, 45) | Bit(isPrimary(s, i), 46))
	h.Add(c.generations.of(uint64(p.Generation)) | Bit(p.Generation > s.LastGeneration, 32)) // which the next one may reach
	if orphan(s, i) {
		h.Add(c.ages.of(uint64(p.Since)))
	}
}

// countedUses is up to which MaxUses a tab's uses count in its hash. A scenario that is explored to its
// end makes fewer grants than this, so a larger MaxUses is never reached.
const countedUses = 64

func (c *Canon) hashTab(s *core.Facts, t *core.Tab) {
	e := find(&c.tabs, uint64(t.ID), uint64(s.Contexts[t.Context].ID))
	e.requests[0], e.requests[1] = uint64(t.Holder), uint64(t.Pinned)
	uses := min(t.Uses, 1)
	if s.Settings.MaxUses > 0 && s.Settings.MaxUses <= countedUses {
		uses = t.Uses
	}
	e.own.Add(uint64(t.Affinity) | c.generations.of(uint64(t.Generation))<<32 | Bit(t.Generation > s.LastGeneration, 62))
	e.own.Add(c.stamps.of(t.Stamp))
	e.own.Add(c.Age(t.OpenEnded))
	e.own.Add(c.Age(t.GoodAt))
	e.own.Add(uint64(t.State) | uint64(t.Class)<<4 | uint64(t.Reason)<<8 | uint64(t.Rung)<<16 |
		uint64(min(t.Closes, core.ClosesBeforeKill))<<20 | uint64(t.Kill)<<24 |
		Bit(t.Suspect, 28) | Bit(t.Rescued, 29) | Bit(t.State == core.Resetting && t.Part == core.PartLeave, 30) | Bit(t.AskedAt != core.Never, 31) | Bit(t.Doomed, 32) |
		Bit(t.State == core.Leased && t.MaxLease > 0, 33) | // whether it can expire
		Bit(t.Overdue, 34) | Bit(t.Awaiting, 35) | Bit(t.Unopened, 36) | Bit(t.RetireAt < core.Never, 37) | Bit(t.ID == s.Contraction, 38) |
		uint64(uses)<<40)
	if asked(t) {
		e.own.Add(askedRank(s, t))
	}
	if t.Sessions {
		e.own.Add(sessionHash(s, t))
	}
}

// sessionHash is what is known of a tab's sessions, and whether another tab of its browser has navigated since it could not.
func sessionHash(s *core.Facts, t *core.Tab) uint64 {
	since := t.StuckSince
	switch {
	case t.Stuck:
	case t.State == core.Leased:
		since = t.Since
	default:
		since = t.LeasedAt
	}
	b := browserOf(s, t.Browser)
	return 1 | uint64(t.Session)<<1 | uint64(t.Part)<<4 | Bit(t.Retried, 8) | Bit(t.Stuck, 9) | Bit(b != nil && b.ArrivedAt > since, 10)
}

// askedRank is how many probes, rescues and resets began before that of a tab: closeOverdue takes the first.
func askedRank(s *core.Facts, t *core.Tab) uint64 {
	n := uint64(0)
	for i := range s.Tabs {
		if o := &s.Tabs[i]; asked(o) && (o.Since < t.Since || o.Since == t.Since && o.ID < t.ID) {
			n++
		}
	}
	return n
}

func roundsLeft(s *core.Facts, rounds uint32) uint64 {
	return uint64(min(s.Rounds-max(rounds, s.Success), uint32(s.Settings.OpenRetries)))
}

// Order is the place of a request among those that wait, by their arrival; 0: it does not wait.
func (c *Canon) Order(s *core.Facts, id core.RequestID) uint64 {
	for i := range s.Requests {
		if q := &s.Requests[i]; q.Used && q.ID == id {
			return c.orders.of(q.Order)
		}
	}
	return 0
}

// Outline is a hash of a state without its names: how many tabs there are in which condition, of browsers
// and contexts likewise, and roughly how many wait. States of one outline are of one kind, for whoever counts how
// many kinds were met.
func Outline(s *core.Facts) uint64 {
	var h Hasher
	var waiting [core.Classes]int
	for i := range s.Requests {
		if q := &s.Requests[i]; q.Used {
			waiting[q.Class]++
		}
	}
	h.Add(uint64(s.Capacity) | uint64(s.Phase)<<16 | Bit(s.Paused, 24) | Bit(s.Grounded, 25) | Bit(s.Contraction != 0, 26) |
		uint64(min(waiting[core.Root], roughly))<<32 | uint64(min(waiting[core.Nested], roughly))<<40 | uint64(min(len(s.Calls), roughly))<<48)
	sum := uint64(0)
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 {
			var one Hasher
			one.Add(uint64(t.State) | uint64(t.Class)<<4 | uint64(t.Rung)<<8 | uint64(t.Kill)<<12 | Bit(t.Doomed, 16) |
				Bit(t.Overdue, 17) | Bit(t.Suspect, 18) | Bit(t.Rescued, 19) | Bit(t.Pinned != 0, 20) | Bit(drains(s, t.Browser), 21) |
				Bit(isPrimary(s, t.Context), 22))
			sum += one.Sum()
		}
	}
	for i := range s.Contexts {
		if c := &s.Contexts[i]; c.State != 0 && tabsIn(s, int32(i)) == 0 {
			var one Hasher
			one.Add(1<<32 | uint64(c.State) | uint64(c.Rung)<<4)
			sum += one.Sum()
		}
	}
	for i := range s.Browsers {
		b := &s.Browsers[i]
		var one Hasher
		one.Add(1<<33 | uint64(b.State) | Bit(b.Worn, 4) | Bit(b.AskedAt != core.Never, 5))
		sum += one.Sum()
	}
	h.Add(sum)
	return h.Sum()
}

// roughly is from how many on Outline does not tell numbers apart.
const roughly = 3

// StateHash is a hash of everything that the future of a pool depends on, but for times, up to a renaming
// of tabs, contexts and browsers.
func StateHash(s *core.Facts) uint64 {
	var c Canon
	c.AddIDs(s)
	c.Seal()
	c.Hash(s)
	c.HashWaiting(s)
	return c.Sum()
}

func tabsIn(s *core.Facts, context int32) int {
	n := 0
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 && t.Context == context {
			n++
		}
	}
	return n
}

func orphan(s *core.Facts, context int32) bool {
	return s.Contexts[context].State == core.ContextOpen && tabsIn(s, context) == 0
}

func isPrimary(s *core.Facts, context int32) bool {
	a := s.Contexts[context].Affinity
	return a != 0 && s.Affinities[a].Primary == context
}

func browserOf(s *core.Facts, id core.BrowserID) *core.Browser {
	for i := range s.Browsers {
		if s.Browsers[i].ID == id {
			return &s.Browsers[i]
		}
	}
	return nil
}

func drains(s *core.Facts, id core.BrowserID) bool {
	b := browserOf(s, id)
	return b != nil && b.State == core.BrowserDraining
}

// asked says whether a tab is probed, rescued or reset.
func asked(t *core.Tab) bool { return t.State >= core.Probing && t.State <= core.Resetting }

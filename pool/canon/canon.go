// Package canon hashes the facts of a pool, and what refers to them, up to a renaming of ids: the
// state hash of dumps and replays, and the visited set of a search.
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

// ranks gives each number of a set its place in it. A set of few is in no order.
type ranks []uint64

const few = 16

// add puts a number into the set. 0, which means none, always has place 0.
func (r *ranks) add(x uint64) {
	if x != 0 && (len(*r) > few || !slices.Contains(*r, x)) {
		*r = append(*r, x)
	}
}

func (r *ranks) seal() {
	if len(*r) > few {
		slices.Sort(*r)
		*r = slices.Compact(*r)
	}
}

// of is how many numbers of the set are at most x.
func (r ranks) of(x uint64) uint64 {
	if len(r) > few {
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
	// Name gives requests and calls, which are numbered alike, the names that they are hashed by;
	// nil: as they are numbered. It is asked by HashWaiting and Sum.
	Name func(number uint64) uint64
	// Keys are the names that affinities are hashed by, by affinity; nil: as they are numbered.
	Keys []core.Affinity
	// Tick is by how much time passes, and Now is what time it is; 0: it never does, and times do
	// not count.
	Tick, Now core.Time

	Hasher                                             // of what is in a fixed order
	with                                        uint64 // a sum over what is in none
	tabs, contexts                              []cell
	browsers, generations, stamps, orders, ages ranks
	disposals                                   ranks // of the ledger
	tabsIn                                      []int // by slot of a context
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

// HeldBy is Tab, and adds that a request holds the tab.
func (c *Canon) HeldBy(id core.TabID, context core.ContextID, request core.RequestID) *Hasher {
	t := find(&c.tabs, uint64(id), uint64(context))
	t.requests[2] = uint64(request)
	return &t.own
}

// AddAny adds one of several things of which none comes first.
func (c *Canon) AddAny(sum uint64) { c.with += sum }

// AddOf adds to a tab, to a context or to a browser, the first that is not 0, one of several things
// of which none comes first.
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

// Key is the name by which an affinity is hashed.
func (c *Canon) Key(a core.Affinity) uint64 {
	if int(a) < len(c.Keys) {
		return uint64(c.Keys[a])
	}
	return uint64(a)
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

package sim

import (
	"cmp"
	"slices"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Canon makes fingerprints of worlds. It is memory that one goroutine uses again and again.
type Canon struct {
	canon canon.Canon
	world *World
	like  []int32 // as of the world, or of a renaming of its affinities
	keys  []clientKey
	place []int32 // by client: its place in the canonical order

	outlines []uint64 // by renaming
}

// clientKey is a client and a hash of all that is known of it, but for which client it is.
type clientKey struct {
	key    uint64
	client int32
	_      [4]byte
}

// NewCanon returns one. Without symmetry it tells apart which of two tabs or contexts is the older
// one, and which of two clients with the same program is the first.
func NewCanon(symmetry bool) *Canon {
	c := new(Canon)
	c.canon.KeepOrder = !symmetry
	c.canon.Name = func(number uint64) uint64 { return c.name(number) }
	return c
}

// Fingerprint is a hash of everything that the future of an untimed world depends on: the pool, the
// ledger, the browser, the clients and the faults that are left, and whether a claim is broken:
// claims are about steps, and one that breaks a claim may lead to a state that others lead to as
// well. Worlds that are equal up to the names of their tabs, contexts and browsers have the same
// one; so have those in which clients with the same program have changed places. The order of what
// is interchangeable comes from sorting it by all that is known of it, never from trying every
// order; where that leaves a tie, two such worlds may have two fingerprints, which costs time and
// hides nothing. Where the world has renamings, so have those in which affinities have changed
// names: of all hashes it is the least, of those in which what the clients do is the least.
func (c *Canon) Fingerprint(w *World) uint64 {
	c.canon.Keys, c.like = nil, w.like
	if w.renamings == nil || c.canon.KeepOrder {
		return c.fingerprint(w)
	}
	c.outlines = c.outlines[:0]
	for i := range w.renamings {
		c.outlines = append(c.outlines, c.outline(w, &w.renamings[i]))
	}
	first, least := slices.Min(c.outlines), ^uint64(0)
	for i := range w.renamings {
		if c.outlines[i] == first {
			c.canon.Keys, c.like = w.renamings[i].keys, w.renamings[i].like
			least = min(least, c.fingerprint(w))
		}
	}
	return least
}

// outline is a hash of what the clients do once affinities are renamed.
func (c *Canon) outline(w *World, r *renaming) (sum uint64) {
	for i := range w.clients {
		h := c.hasher(&w.clients[i])
		h.Add(uint64(r.like[i]))
		sum += h.Sum()
	}
	return sum
}

func (c *Canon) fingerprint(w *World) uint64 {
	k := &c.canon
	c.world = w
	k.Reset()
	k.Tick, k.Now = w.tick, w.now
	k.AddIDs(&w.core.Facts)
	w.ledger.AddIDs(k)
	for i := range w.fake.Browsers {
		k.AddBrowser(w.fake.Browsers[i].ID)
	}
	for i := range w.fake.Operations {
		k.AddBrowser(w.fake.Operations[i].Browser)
	}
	k.Seal()
	k.Hash(&w.core.Facts)
	w.ledger.Hash(k)
	w.hashFake(k)
	c.place = c.place[:0]
	if c.like != nil && !k.KeepOrder {
		c.sortClients() // which takes what is known of the tabs that they hold, and names what waits
	}
	k.HashWaiting(&w.core.Facts)
	w.ledger.HashWaiting(k)
	c.hashClients()
	return k.Sum()
}

// sortClients gives those that have the same program a canonical order.
func (c *Canon) sortClients() {
	w := c.world
	c.keys = c.keys[:0]
	for i := range w.clients {
		c.keys = append(c.keys, clientKey{key: c.clientKey(i), client: int32(i)})
	}
	// A client keeps to the places of those that are like it.
	slices.SortFunc(c.keys, func(x, y clientKey) int {
		switch i, j := c.like[x.client], c.like[y.client]; {
		case i != j:
			return cmp.Compare(i, j)
		case x.key != y.key:
			return cmp.Compare(x.key, y.key)
		}
		return cmp.Compare(x.client, y.client)
	})
	c.place = append(c.place, make([]int32, len(c.keys))...)
	for place, k := range c.keys {
		c.place[k.client] = int32(place)
	}
}

func (c *Canon) clientKey(i int) uint64 {
	w := c.world
	p := &w.clients[i]
	h := c.hasher(p)
	for n := range p.leases[:p.held] {
		l := &p.leases[n]
		h.Add(c.canon.Order(&w.core.Facts, l.request)<<2 | flag(l.tab != 0, 0) | flag(l.ended, 1))
		h.Add(c.canon.Sketch(l.tab))
	}
	return h.Sum()
}

func (c *Canon) hasher(p *client) (h canon.Hasher) {
	h.Add(uint64(p.pc) | uint64(p.held)<<8 | uint64(p.state)<<16 | flag(p.late, 24) | flag(p.call != 0,
		25))
	return h
}

// name is the name of a request or a call: its place in the program of its client, and the place of
// that client.
func (c *Canon) name(number uint64) uint64 {
	if len(c.place) == 0 || number <= c.world.recordedTo { // 0: none
		return number
	}
	if i, ok := c.world.ownerOf(number); ok {
		return number + (uint64(c.place[i])-uint64(i))*(programLength+1)
	}
	return number
}

func (c *Canon) hashClients() {
	w := c.world
	sum := uint64(0)
	for i := range w.clients {
		p := &w.clients[i]
		h := c.hasher(p)
		h.Add(c.name(uint64(p.call)))
		for n := range p.leases[:p.held] {
			l := &p.leases[n]
			h.Add(c.name(uint64(l.request))<<2 | flag(l.tab != 0, 0) | flag(l.ended, 1))
		}
		h.Add(c.placeOf(i)<<1 | flag(int32(i) == w.closer, 0))
		sum += h.Sum()
	}
	c.canon.Add(sum)
	c.canon.Add(uint64(w.faults)<<1 | flag(w.violation != nil, 0))
}

func (c *Canon) placeOf(i int) uint64 {
	if len(c.place) > 0 {
		return uint64(c.place[i])
	}
	return uint64(i)
}

func (w *World) hashFake(k *canon.Canon) {
	f := &w.fake
	for i := range f.Browsers {
		b := &f.Browsers[i]
		word := k.Browser(b.ID) | flag(b.Launching, 8) | flag(b.WrittenOff, 9) | flag(b.Lost, 20) |
			flag(b.Busy, 21)
		for _, p := range fakebrowser.Parts {
			word |= uint64(b.Parts[p].Health) << (10 + 2*p)
		}
		k.Add(word)
		if w.core.Settings.MaxBrowserMemory > 0 {
			k.Add(uint64(b.Memory)<<32 | uint64(b.Measured)<<1 | flag(b.Stale, 0))
		}
	}
	for i := range f.Contexts {
		k.Context(f.Contexts[i].ID, f.Contexts[i].Browser).Add(1 | flag(f.Contexts[i].Spoiled, 1))
	}
	for i := range f.Tabs {
		t := &f.Tabs[i]
		k.Tab(t.ID, t.Context).Add(flag(t.Opening, 1) | flag(t.Dead, 2) | flag(t.Wedged, 3) | flag(t.Made,
			4) |
			flag(t.Looping, 5) | flag(t.Own, 6) | flag(t.Session, 7) | flag(t.Marked,
			8) | uint64(t.Left)<<9 | uint64(t.Navigation)<<12 | flag(t.Frozen,
			15) | flag(t.Floods, 16) | uint64(t.Memory)<<32 | 1)
	}
	// Which of the operations was asked for first decides nothing, so they are a set.
	for i := range f.Operations {
		o := &f.Operations[i]
		word := uint64(o.Kind) | flag(o.Stuck, 8) | flag(o.Echo, 9) | flag(o.Kept, 10) | flag(o.Force,
			11) | 1<<13
		if o.Kind.OfPage() && w.askedLast(o) {
			word |= 1 << 12 // it is what the page was asked last
		}
		if o.Echo {
			word |= uint64(o.Outcome) << 16
		}
		k.AddOf(o.Tab, o.Context, o.Browser, word)
	}
}

// askedLast says whether an operation is what its tab was asked last.
func (w *World) askedLast(o *fakebrowser.Operation) bool {
	for i := range w.core.Tabs {
		if t := &w.core.Tabs[i]; t.State != 0 && t.ID == o.Tab {
			return t.Number == o.ID
		}
	}
	return false
}

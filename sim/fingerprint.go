package sim

import "github.com/pagepool/pagepool/pool/core"

// Fingerprint is a hash of everything that the future of an untimed world depends on: the pool, the
// ledger, the browser, the clients and the faults that are left. Worlds that are equal up to the
// names of their tabs and browsers have the same one. The renaming is scratch memory.
func (w *World) Fingerprint(r *core.Renaming) uint64 {
	r.Reset()
	w.core.AddIDs(r)
	w.ledger.AddIDs(r)
	for i := range w.fake.Browsers {
		r.Browsers.Add(uint64(w.fake.Browsers[i].ID))
	}
	for i := range w.fake.Tabs {
		r.Tabs.Add(uint64(w.fake.Tabs[i].ID))
	}
	for i := range w.fake.Contexts {
		r.Contexts.Add(uint64(w.fake.Contexts[i].ID))
	}
	for i := range w.fake.Operations {
		r.Tabs.Add(uint64(w.fake.Operations[i].Tab))
		r.Contexts.Add(uint64(w.fake.Operations[i].Context))
		r.Browsers.Add(uint64(w.fake.Operations[i].Browser))
	}
	for i := range w.clients {
		c := &w.clients[i]
		r.Calls.Add(uint64(c.call))
		for n := range c.leases[:c.held] {
			r.Requests.Add(uint64(c.leases[n].request))
		}
	}
	r.Seal()
	var h core.Hasher
	w.core.Hash(&h, r)
	w.ledger.Hash(&h, r)
	w.hashFake(&h, r)
	w.hashClients(&h)
	h.Add(uint64(w.faults))
	return h.Sum()
}

func (w *World) hashFake(h *core.Hasher, r *core.Renaming) {
	f := &w.fake
	h.Add(uint64(len(f.Browsers))<<32 | uint64(len(f.Tabs))<<16 | uint64(len(f.Operations)))
	for i := range f.Browsers {
		b := &f.Browsers[i]
		h.Add(r.Browsers.Of(uint64(b.ID)) | flag(b.Launching, 8) | flag(b.WrittenOff, 9) | flag(b.Silent, 10))
	}
	for i := range f.Contexts {
		h.Add(r.Contexts.Of(uint64(f.Contexts[i].ID)) | r.Browsers.Of(uint64(f.Contexts[i].Browser))<<32)
	}
	for i := range f.Tabs {
		t := &f.Tabs[i]
		h.Add(r.Tabs.Of(uint64(t.ID)) | r.Browsers.Of(uint64(t.Browser))<<16 |
			flag(t.Opening, 32) | flag(t.Dead, 33) | flag(t.Wedged, 34) | flag(t.Made, 35) | flag(t.Looping, 36) |
			flag(t.Own, 37) | r.Contexts.Of(uint64(t.Context))<<48)
	}
	// Which of the operations was asked for first decides nothing, so they are a set.
	sum := uint64(0)
	for i := range f.Operations {
		o := &f.Operations[i]
		word := r.Tabs.Of(uint64(o.Tab)) | r.Browsers.Of(uint64(o.Browser))<<16 | uint64(o.Kind)<<32 |
			flag(o.Stuck, 40) | flag(o.Echo, 41) | flag(o.Kept, 42) | flag(o.Force, 43) | r.Contexts.Of(uint64(o.Context))<<44
		if t, ok := w.core.Tab(o.Tab); ok && t.Operation == o.ID {
			word |= 1 << 62 // it is what the page was asked last
		}
		if o.Echo {
			word |= uint64(o.Outcome) << 56
		}
		var one core.Hasher
		one.Add(word)
		sum += one.Sum()
	}
	h.Add(sum)
}

// hashClients needs no renaming: a client's place in its program says which numbers it has used.
func (w *World) hashClients(h *core.Hasher) {
	for i := range w.clients {
		c := &w.clients[i]
		h.Add(uint64(c.pc) | uint64(c.held)<<8 | uint64(c.state)<<16 | flag(c.late, 24) | uint64(c.call)<<32)
		for n := range c.leases[:c.held] {
			l := &c.leases[n]
			h.Add(uint64(l.request) | flag(l.tab != 0, 32) | flag(l.ended, 33))
		}
	}
	h.Add(uint64(w.closer + 1))
}

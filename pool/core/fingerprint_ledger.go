package core

// The fingerprint of the ledger: what its verdicts depend on.

// AddIDs names the ids of the ledger.
func (l *Ledger) AddIDs(c *Canon) {
	for i := range l.browsers {
		c.browsers.add(uint64(l.browsers[i].id))
	}
	for i := range l.calls {
		c.browsers.add(uint64(l.calls[i].browser))
		c.disposals.add(uint64(l.calls[i].disposal))
	}
	for i := range l.tabs {
		c.disposals.add(uint64(l.tabs[i].doomed))
	}
	for i := range l.contexts {
		c.disposals.add(uint64(l.contexts[i].doomed))
		if l.contexts[i].closing {
			c.disposals.add(uint64(l.contexts[i].disposals))
		}
	}
}

// Hash adds what the ledger's verdicts depend on.
func (l *Ledger) Hash(c *Canon) {
	for i := range l.tabs {
		t := &l.tabs[i]
		e := find(&c.tabs, uint64(t.id), uint64(t.context))
		e.requests[2] = uint64(t.holder)
		e.own.Add(uint64(t.affinity) | uint64(t.closing)<<32 | uint64(t.class)<<40 | uint64(t.asked)<<48 |
			bit(t.opened, 56) | bit(t.overdue, 58) | bit(t.crashed, 59) | bit(t.lost, 60) | bit(t.suspect, 61))
		if t.sessions {
			e.own.Add(1 | uint64(t.session)<<1 | uint64(t.failures)<<4 | bit(t.spoiled, 12) | bit(t.stuck, 13))
		}
		e.own.Add(c.disposals.of(uint64(t.doomed)))
	}
	for i := range l.contexts {
		p := &l.contexts[i]
		h := c.Context(p.id, p.browser)
		h.Add(uint64(p.affinity) | bit(p.closing, 32) | bit(p.spoiled, 33))
		h.Add(c.disposals.of(uint64(p.doomed)))
		if p.closing {
			h.Add(c.disposals.of(uint64(p.disposals)))
		}
	}
	for i := range l.browsers {
		b := &l.browsers[i]
		c.Add(c.Browser(b.id) | bit(b.ready, 8) | bit(b.drains, 9) | bit(b.ending, 10))
		if c.Tick > 0 {
			c.Add(c.age(max(l.silentSince(b.id), b.heardAt)))
		}
	}
	c.Add(uint64(len(l.waiting))<<32 | uint64(len(l.calls)))
	warm := uint64(0)
	for a := range l.announced {
		warm = warm*31 + bit(l.announced[a].warm, 0) + 2
	}
	c.Add(warm)
}

// HashWaiting adds the calls that wait, once they have their names.
func (l *Ledger) HashWaiting(c *Canon) {
	for i := range l.calls {
		q := &l.calls[i]
		var h Hasher
		h.Add(c.name(uint64(q.id)))
		h.Add(c.disposals.of(uint64(q.disposal)) | c.Browser(q.browser)<<32)
		c.with += h.Sum()
	}
}

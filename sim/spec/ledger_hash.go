package spec

import (
	"github.com/pagepool/pagepool/pool/canon"
)

// The fingerprint of the ledger: what its verdicts depend on.

// AddIDs names the ids of the ledger.
func (l *Ledger) AddIDs(c *canon.Canon) {
	for i := range l.browsers {
		c.AddBrowser(l.browsers[i].id)
	}
	for i := range l.calls {
		c.AddBrowser(l.calls[i].browser)
		c.AddDisposal(uint64(l.calls[i].disposal))
	}
	for i := range l.tabs {
		c.AddDisposal(uint64(l.tabs[i].doomed))
	}
	for i := range l.contexts {
		c.AddDisposal(uint64(l.contexts[i].doomed))
		if l.contexts[i].closing {
			c.AddDisposal(uint64(l.contexts[i].disposals))
		}
	}
}

// Hash adds what the ledger's verdicts depend on.
func (l *Ledger) Hash(c *canon.Canon) {
	for i := range l.tabs {
		t := &l.tabs[i]
		own := c.Tab(t.id, t.context)
		c.HeldBy(t.id, t.context, t.holder)
		own.Add(uint64(t.affinity) | uint64(t.closing)<<32 | uint64(t.class)<<40 | uint64(t.asked)<<48 |
			canon.Bit(t.opened, 56) | canon.Bit(t.overdue, 58) | canon.Bit(t.crashed, 59) | canon.Bit(t.lost, 60) | canon.Bit(t.suspect, 61))
		if t.sessions {
			own.Add(1 | uint64(t.session)<<1 | uint64(t.failures)<<4 | canon.Bit(t.spoiled, 12) | canon.Bit(t.stuck, 13))
		}
		own.Add(c.Disposal(uint64(t.doomed)))
	}
	for i := range l.contexts {
		p := &l.contexts[i]
		h := c.Context(p.id, p.browser)
		h.Add(uint64(p.affinity) | canon.Bit(p.closing, 32) | canon.Bit(p.spoiled, 33))
		h.Add(c.Disposal(uint64(p.doomed)))
		if p.closing {
			h.Add(c.Disposal(uint64(p.disposals)))
		}
	}
	for i := range l.browsers {
		b := &l.browsers[i]
		c.Add(c.Browser(b.id) | canon.Bit(b.ready, 8) | canon.Bit(b.drains, 9) | canon.Bit(b.ending, 10))
		if c.Tick > 0 {
			c.Add(c.Age(max(l.silentSince(b.id), b.heardAt)))
		}
	}
	c.Add(uint64(len(l.waiting))<<32 | uint64(len(l.calls)))
	warm := uint64(0)
	for a := range l.announced {
		warm = warm*31 + canon.Bit(l.announced[a].warm, 0) + 2
	}
	c.Add(warm)
}

// HashWaiting adds the calls that wait, once they have their names.
func (l *Ledger) HashWaiting(c *canon.Canon) {
	for i := range l.calls {
		q := &l.calls[i]
		var h canon.Hasher
		h.Add(c.NameOf(uint64(q.id)))
		h.Add(c.Disposal(uint64(q.disposal)) | c.Browser(q.browser)<<32)
		c.AddAny(h.Sum())
	}
}

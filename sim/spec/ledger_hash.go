package spec

import (
	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
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
		own := c.HeldBy(t.id, t.context, t.holder)
		own.Add(c.Key(t.affinity) | uint64(t.closing)<<32 | uint64(t.class)<<40 | uint64(t.asked)<<48 |
			canon.Bit(t.opened, 56) | canon.Bit(t.overdue, 58) | canon.Bit(t.crashed, 59) | canon.Bit(t.lost,
			60) | canon.Bit(t.suspect, 61))
		if t.sessions {
			own.Add(1 | uint64(t.session)<<1 | uint64(t.failures)<<4 | canon.Bit(t.spoiled,
				12) | canon.Bit(t.stuck, 13))
		}
		own.Add(c.Disposal(uint64(t.doomed)))
	}
	for i := range l.contexts {
		p := &l.contexts[i]
		h := c.Context(p.id, p.browser)
		h.Add(c.Key(p.affinity) | canon.Bit(p.closing, 32) | canon.Bit(p.spoiled, 33))
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
	warm, all := uint64(0), uint64(0)
	for a := range l.affinities {
		k := &l.affinities[a]
		all = all*31 + canon.Bit(k.warm, 0) + 2
		switch {
		case c.Keys == nil && k.generation != 0:
			warm = all
		case c.Keys != nil && k.warm:
			warm |= 1 << c.Key(core.Affinity(a))
		}
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

// HashRest adds what Hash leaves out: what says, of a state that has come about as it should,
// nothing that its facts do not say. Times count as little as there.
func (l *Ledger) HashRest(c *canon.Canon) {
	for i := range l.tabs {
		t := &l.tabs[i]
		h := c.Tab(t.id, t.context)
		h.Add(flags(t.rescued, t.usedBefore, t.failed, t.killing, t.ending, t.answered, t.halts, t.halted,
			t.clock.overdue, t.spoiled, t.stuck, t.wedged, t.unjudged, t.doubtful, t.doubted, t.frozen,
			t.askedAt != core.Never) | uint64(t.failures)<<24)
		h.Add(uint64(t.memory)<<32 | uint64(uint32(t.priority)))
		h.Add(c.Age(t.heardAt))
	}
	for i := range l.contexts {
		p := &l.contexts[i]
		c.Context(p.id, p.browser).Add(flags(p.doubtful, p.doubted, p.askedAt != core.Never))
	}
	for i := range l.browsers {
		b := &l.browsers[i]
		k := &b.checks
		c.Add(flags(b.asked, b.heavy, b.lost, k.can, k.several, k.can && k.others, k.underWay,
			k.failedAt != 0) | uint64(k.doubts)<<8)
		if k.can {
			c.Add(uint64(k.first)<<32 | uint64(k.served))
		}
	}
	keys := uint64(0)
	for a := range l.affinities {
		k := &l.affinities[a]
		keys = keys*31 + canon.Bit(k.known, 0) + canon.Bit(k.own, 1) + 2
		if d := &k.doubts; d.ends > 0 {
			c.Add(uint64(a)<<32 | uint64(d.ends)<<8 | c.Browser(d.browser))
			for _, g := range l.goodEnds {
				c.AddAny(uint64(g.affinity)<<32 | c.Browser(g.browser)<<1 | canon.Bit(g.at > d.since, 0))
			}
		}
	}
	c.Add(keys)
	c.Add(canon.Bit(l.asked, 0) | uint64(uint32(l.priority))<<1 | uint64(l.sickBrowsers)<<40)
	for i := range l.waiting {
		var h canon.Hasher
		r := &l.waiting[i]
		h.Add(uint64(r.id))
		h.Add(uint64(r.affinity)<<32 | uint64(uint32(r.priority)))
		h.Add(uint64(r.class))
		c.AddAny(h.Sum())
	}
}

// flags are bits, the first of them the lowest.
func flags(are ...bool) (word uint64) {
	for i, is := range are {
		word |= canon.Bit(is, uint(i))
	}
	return word
}

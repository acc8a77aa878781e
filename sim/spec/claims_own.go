package spec

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The claim about affinities with terms of their own, whose contexts are made for them.

// ownTerms notes of a request whether the contexts of its affinity are made for it. The first says
// so; the later ones meet what is there.
func (l *Ledger) ownTerms(e core.Event) {
	a := e.Affinity
	if there := l.waits(a) || l.any(func(e *entry) bool { return e.affinity == a }) ||
		find(l.contexts, func(c *ledgerContext) bool { return c.affinity == a }) != nil; !there {
		l.of(a).own = e.Own
	}
}

// ownWaits says whether a request waits that no standby serves.
func (l *Ledger) ownWaits() bool {
	return slices.ContainsFunc(l.waiting, func(r ledgerRequest) bool { return l.of(r.affinity).own })
}

// ownGrant checks that an affinity with terms of its own is granted what was opened for it, and
// that no tab in a context that was made for its affinity is handed to another.
func (l *Ledger) ownGrant(t *entry, e *core.Effect) {
	switch {
	case l.of(e.Affinity).own && (e.How == core.Adopted || t.affinity == 0):
		l.breach("own-context", "t%d, a standby, is granted to affinity %d, which has terms of its own",
			t.id, e.Affinity)
	case e.How == core.Reassigned && (l.of(t.affinity).own || l.of(e.Affinity).own):
		l.breach("own-context", "t%d is handed from affinity %d to affinity %d", t.id, t.affinity,
			e.Affinity)
	}
}

// ownContext: what is opened and closed for requests that no standby serves is what the plan says:
// of the standbys, which one.
func ownContext(t *Transition) error {
	for a := range t.After.Affinities {
		if k := &t.After.Affinities[a]; k.Known && k.Own != t.Ledger.of(core.Affinity(a)).own {
			return fmt.Errorf("affinity %d has terms of its own: %v, and the books say %v", a, !k.Own, k.Own)
		}
	}
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		if bound(tab) && t.After.Contexts[tab.Context].Affinity != tab.Affinity {
			return fmt.Errorf("t%d belongs to affinity %d, and its context does not", tab.ID, tab.Affinity)
		}
	}
	return t.differs(func(d *disagreement) bool {
		return d.did.own != 0 || d.due.own != 0 || t.closesStandby(&d.did) || t.closesStandby(&d.due)
	})
}

// closesStandby says whether a move closes a standby to make room.
func (t *Transition) closesStandby(m *move) bool {
	e := t.Ledger.tab(m.tab)
	return m.kind == core.CloseTab && m.reason == core.Eviction && e != nil && e.affinity == 0
}

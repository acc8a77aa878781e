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

// ownKeeps checks that a tab in a context that was made for its affinity is handed to no other.
func (l *Ledger) ownKeeps(t *entry, e *core.Effect) {
	if e.How == core.Reassigned && (l.of(t.affinity).own || l.of(e.Affinity).own) {
		l.breach("own-context", "t%d is handed from affinity %d to affinity %d", t.id, t.affinity,
			e.Affinity)
	}
}

// ownGrant checks that an affinity with terms of its own is granted what was opened for it.
func (l *Ledger) ownGrant(t *entry, e *core.Effect) {
	if l.of(e.Affinity).own && (e.How == core.Adopted || t.affinity == 0) {
		l.breach("own-context", "t%d, a standby, is granted to affinity %d, which has terms of its own",
			t.id, e.Affinity)
	}
}

// ownContext: what is opened and closed for requests that no standby serves is what the plan says;
// a standby is closed for them only where no slot is free for them and no idle tab is left, and the
// youngest first.
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
	for i := range t.Effects {
		if e := &t.Effects[i]; e.Kind == core.CloseTab && e.Reason == core.Eviction && e.Affinity == 0 {
			if err := t.closedForOwn(e.Tab); err != nil {
				return err
			}
		}
	}
	return t.differs(func(d *disagreement) bool {
		return d.did.own != 0 || d.due.own != 0 ||
			d.due.kind == core.CloseTab && d.due.reason == core.Eviction && t.standby(d.due.tab)
	})
}

// closedForOwn looks at a standby that is closed to make room.
func (t *Transition) closedForOwn(id core.TabID) error {
	s := t.After
	if n := s.Count(core.Idle); n > 0 {
		return fmt.Errorf("t%d, a standby, is closed to make room, and idle tabs are left%s", id,
			TabsIn(s, core.Idle))
	}
	if n := int(s.Capacity) + 1 - alive(&s.Facts); n > 0 && n >= t.ownWithoutATab() {
		return fmt.Errorf("t%d, a standby, is closed to make room, and %d slots are free", id, n)
	}
	for i := range s.Tabs {
		o := &s.Tabs[i]
		if o.State == core.Standby && o.Since > t.readySince(id) && !drains(&s.Facts, o.Browser) {
			return fmt.Errorf("t%d, a standby, is closed to make room, and t%d is younger", id, o.ID)
		}
	}
	return nil
}

// ownWithoutATab is how many requests that no standby serves wait, and were promised no tab.
func (t *Transition) ownWithoutATab() int {
	n := 0
	for i := range t.After.Requests {
		if r := &t.After.Requests[i]; r.Used && r.Pin == core.None && t.Ledger.of(r.Affinity).own {
			n++
		}
	}
	return n
}

// standby says whether a tab is a standby after the step.
func (t *Transition) standby(id core.TabID) bool {
	i := tabAt(&t.After.Facts, id)
	return i != core.None && t.After.Tabs[i].State == core.Standby
}

// readySince is since when a tab was a standby before the step; from now on where it was none.
func (t *Transition) readySince(id core.TabID) core.Time {
	if i := tabAt(&t.Before.Facts, id); i != core.None && t.Before.Tabs[i].State == core.Standby {
		return t.Before.Tabs[i].Since
	}
	return t.After.Now
}

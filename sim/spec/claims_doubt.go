package spec

import (
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// Affinities whose leases end in doubt, counted from events and effects.

// ledgerDoubts are the doubtful ends in a row of an affinity's leases in one browser.
type ledgerDoubts struct {
	browser core.BrowserID
	ends    int
	since   core.Time // when the first of them was
}

// ledgerGoodEnd is when a lease of an affinity ended well in a browser last.
type ledgerGoodEnd struct {
	affinity core.Affinity
	browser  core.BrowserID
	at       core.Time
}

func (l *Ledger) endedInDoubt(t *entry) {
	t.unjudged, t.doubtful = false, true
	l.doubtful(t.browser, t.affinity)
	d := &l.of(t.affinity).doubts
	if d.browser != t.browser {
		*d = ledgerDoubts{browser: t.browser, since: l.now}
	}
	d.ends++
}

func (l *Ledger) endedWell(t *entry) {
	t.unjudged, t.doubtful = false, false
	if c := l.context(t.context); c != nil {
		c.doubtful = false
	}
	l.of(t.affinity).doubts = ledgerDoubts{}
	l.goodEnds = slices.DeleteFunc(l.goodEnds, func(g ledgerGoodEnd) bool {
		return g.affinity == t.affinity && g.browser == t.browser
	})
	l.goodEnds = append(l.goodEnds, ledgerGoodEnd{t.affinity, t.browser, l.now})
}

// giveUpDoubted says which affinities' contexts are to be given up in this step, and marks what is
// in them. A browser that leaves in it says nothing any more.
func (l *Ledger) giveUpDoubted(limit int, leaving core.BrowserID) {
	for i := range l.affinities {
		a, k := core.Affinity(i), &l.affinities[i]
		d := k.doubts
		k.inDoubt = limit > 0 && d.ends >= limit && d.browser != leaving &&
			slices.ContainsFunc(l.goodEnds, func(g ledgerGoodEnd) bool { // others end well
				return g.browser == d.browser && g.affinity != a && g.at > d.since
			})
		if !k.inDoubt {
			continue
		}
		k.doubts = ledgerDoubts{}
		for i := range l.tabs {
			t := &l.tabs[i]
			gone := t.id == l.pageGone && l.inContext(t.context) > 1 // and others are left in its context
			if t.affinity == a && t.doubtful && !gone && (t.holder == 0 || t.id == l.freed) {
				l.contextInDoubt(t.context)
			}
		}
		for i := range l.contexts {
			if c := &l.contexts[i]; c.affinity == a && c.doubtful && l.inContext(c.id) == l.goneFrom(c.id) &&
				!c.closing {
				c.doubted = true
			}
		}
	}
}

// goneFrom is how many tabs of a context have gone in this step, of which the ledger hears later.
func (l *Ledger) goneFrom(id core.ContextID) int {
	if t := l.tab(l.pageGone); t != nil && t.context == id {
		return 1
	}
	return 0
}

// contextInDoubt marks a context that is given up, and the tabs in it.
func (l *Ledger) contextInDoubt(id core.ContextID) {
	c := l.context(id)
	c.doubted, c.spoiled = true, true
	for i := range l.tabs {
		if t := &l.tabs[i]; t.context == id {
			t.doubted, t.spoiled = true, true
		}
	}
}

package spec

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The claims about what becomes of things: of a primary when its last tab begins to close, of an
// orphan, of a page in doubt, of a browser that answers nothing.

// primaryFate: when the last tab of a primary begins to close, the primary is kept or it is one no
// longer, as the reason says; a lost tab's context is none; and no orphan stays that a sweep or a
// drain should have closed, nor is one closed for its place while there is room, or while an older
// one stays.
func primaryFate(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		var err error
		switch {
		case e.Kind == core.CloseTab && !t.closesMoreOf(e.Context, i):
			err = t.fateOfPrimary(e)
		case e.Kind == core.CloseContext:
			err = t.fateOfOrphan(e)
		}
		if err != nil {
			return err
		}
	}
	if err := t.primaryStays(); err != nil {
		return err
	}
	s := t.After
	for i := range s.Contexts {
		c := &s.Contexts[i]
		if isPrimary(&s.Facts, int32(i)) && (t.Ledger.lostTabIn(c.ID) || t.Ledger.contextSpoiled(c.ID)) {
			return fmt.Errorf("c%d is a primary, and a tab in it is lost, or a lease has left something",
				c.ID)
		}
		if !orphan(&s.Facts, int32(i)) {
			continue
		}
		if !t.Ledger.takesTabs(c.Browser) {
			return fmt.Errorf("c%d is an orphan of b%d, which takes no new tabs", c.ID, c.Browser)
		}
		if !s.Settings.RetainOnEvict && !t.Ledger.waits(c.Affinity) &&
			t.Ledger.sweeps(t.Event, c.Affinity) {
			return fmt.Errorf("c%d was an orphan for long enough, and the sweep has left it", c.ID)
		}
	}
	return nil
}

// closesMoreOf says whether the step closes one more tab of a context, after its effect i.
func (t *Transition) closesMoreOf(c core.ContextID, i int) bool {
	return slices.ContainsFunc(t.Effects[i+1:], func(e core.Effect) bool {
		return e.Kind == core.CloseTab && e.Context == c
	})
}

// primaryStays: a context with a bound tab in it goes on being the primary that it was, but for a
// disposal and a lost tab beside it.
func (t *Transition) primaryStays() error {
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		if tab.State == 0 || !bound(tab) || t.Event.Kind == core.Disposed ||
			isPrimary(&t.After.Facts, tab.Context) ||
			t.Ledger.lostTabIn(t.After.Contexts[tab.Context].ID) ||
			t.Ledger.contextSpoiled(t.After.Contexts[tab.Context].ID) {
			continue
		}
		before := tabAt(&t.Before.Facts, tab.ID)
		if before != core.None && t.Before.Tabs[before].Affinity == tab.Affinity &&
			isPrimary(&t.Before.Facts, t.Before.Tabs[before].Context) {
			return fmt.Errorf("c%d stops being the primary of affinity %d, and t%d lives in it",
				t.After.Contexts[tab.Context].ID, tab.Affinity, tab.ID)
		}
	}
	return nil
}

// fateOfPrimary looks at the last close of a tab whose context was its affinity's primary before
// the step.
func (t *Transition) fateOfPrimary(e *core.Effect) error {
	if e.Affinity == 0 || int(e.Affinity) >= len(t.Before.Affinities) ||
		primaryOf(&t.Before.Facts, e.Affinity) != e.Context || t.Event.Kind == core.Disposed {
		return nil
	}
	set := &t.After.Settings
	keep := set.OrphanCap > 0 && t.After.Phase == core.PhaseServing && t.Ledger.takesTabs(e.Browser)
	switch e.Reason {
	case core.Eviction, core.IdleSweep, core.BrowserMemory:
		keep = keep && set.RetainOnEvict
	case core.Disposal:
		return nil // what a disposal retains only the one who asked for it knows
	case core.Drain, core.BrowserLost:
		keep = false
	}
	if t.Ledger.contextSpoiled(e.Context) || t.Ledger.lostTabIn(e.Context) {
		return nil // it is no primary any more
	}
	keep = keep || t.Ledger.any(func(o *entry) bool { // others are in it
		return o.context == e.Context && o.id != e.Tab && o.closing == 0
	})
	if is := primaryOf(&t.After.Facts, e.Affinity) == e.Context; is != keep &&
		t.Ledger.inContext(e.Context) > 0 {
		return fmt.Errorf("t%d begins to close for %v, and c%d is a primary: %v; it has to be: %v", e.Tab,
			e.Reason, e.Context, is, keep)
	}
	return nil
}

func (l *Ledger) lostTabIn(c core.ContextID) bool {
	return l.any(func(e *entry) bool { return e.context == c && e.lost })
}

// fateOfOrphan looks at an orphan that is closed for its place.
func (t *Transition) fateOfOrphan(e *core.Effect) error {
	if e.Reason != core.OrphanRoom {
		return nil
	}
	s, alone := t.After, t.Ledger.tabless()
	if max(alone, tabless(&t.Before.Facts)) < s.Settings.OrphanCap {
		return fmt.Errorf("c%d is closed for its place, and %d of %d are taken", e.Context, alone,
			s.Settings.OrphanCap)
	}
	since := t.orphanSince(e.Context)
	for i := range s.Contexts {
		if c := &s.Contexts[i]; orphan(&s.Facts, int32(i)) && t.orphanSince(c.ID) < since {
			return fmt.Errorf("c%d is closed for its place, and c%d is an older orphan", e.Context, c.ID)
		}
	}
	return nil
}

// orphanSince is since when a context was an orphan before the step: since its last tab went.
func (t *Transition) orphanSince(id core.ContextID) core.Time {
	for i := range t.Before.Contexts {
		c := t.Ledger.context(id)
		if c != nil && t.Before.Contexts[i].ID == id && tabsIn(&t.Before.Facts, int32(i)) == 0 {
			return c.aloneSince
		}
	}
	return core.Never
}

// doubtHolds: a page in doubt is rescued before it is given up, and a page that was used is reset
// before it is handed out again, where that is on; and whoever was promised a tab is promised one
// that is on its way.
func doubtHolds(t *Transition) error {
	s := t.After
	for i := range t.Effects {
		switch e := &t.Effects[i]; {
		case e.Kind == core.CloseTab && e.Reason == core.Wedge && s.Settings.RescueTimeout > 0 &&
			!t.makesRoom(e):
			if tab := t.Ledger.tab(e.Tab); tab != nil && !tab.rescued && tab.failures < 2 && !tab.wedged &&
				tab.affinity != 0 {
				return fmt.Errorf("t%d is given up, and nobody has tried to rescue it", e.Tab)
			}
		case e.Kind == core.Grant && s.Settings.Reset:
			if tab := t.Ledger.tab(e.Tab); tab != nil && tab.usedBefore {
				return fmt.Errorf("t%d was granted, and was not reset since it was used", e.Tab)
			}
		}
	}
	for i := range s.Requests {
		r := &s.Requests[i]
		if !r.Used || r.Pin == core.None {
			continue
		}
		tab := &s.Tabs[r.Pin]
		if tab.Pinned != r.ID || tab.Overdue || tab.Doomed ||
			tab.State != core.Opening && tab.State != core.Probing && tab.State != core.Resetting {
			return fmt.Errorf("r%d was promised t%d, which is %v, overdue %v, doomed %v", r.ID, tab.ID,
				tab.State, tab.Overdue, tab.Doomed)
		}
	}
	return nil
}

// unwantedHolds: what opened inside a primary is closed where nobody of its affinity waits any
// more, or where it was overdue, only root work waits, and the affinity has its AffinityTabs.
func unwantedHolds(t *Transition) error {
	l, e := t.Ledger, t.Ledger.tab(t.Ledger.justOpened)
	if e == nil || e.affinity == 0 {
		return nil
	}
	owned, unwanted := t.owned(e.affinity), e.closing == core.Unwanted
	switch {
	case unwanted && l.nestedWaits(e.affinity):
		return fmt.Errorf("t%d is closed as unwanted, and a nested request could have had it", e.id)
	case unwanted && l.waits(e.affinity) && owned < t.After.Settings.AffinityTabs:
		return fmt.Errorf("t%d is closed as unwanted, and affinity %d, whose requests wait, owns %d "+
			"tabs%s", e.id, e.affinity, owned, l.ownedBy(e.affinity))
	case e.bound() && e.holder == 0 && !l.waits(e.affinity):
		return fmt.Errorf("t%d has opened inside c%d, and nobody of its affinity waits", e.id, e.context)
	}
	return nil
}

// ownedBy names the tabs of an affinity that are not on their way out.
func (l *Ledger) ownedBy(a core.Affinity) string {
	return l.named(func(e *entry) bool { return e.affinity == a && e.closing == 0 })
}

// owned is how many tabs count towards AffinityTabs, but for those that this step gave to the
// affinity.
func (t *Transition) owned(a core.Affinity) int {
	n := owned(&t.After.Facts, a)
	for i := range t.Effects {
		if e := &t.Effects[i]; e.Affinity == a &&
			(e.Kind == core.OpenTab || e.Kind == core.Grant && gains(e.How)) {
			n--
		}
	}
	return n
}

// overdueOpening is the second half of unwantedHolds, which also looks at what was granted at once.
func overdueOpening(t *Transition) error {
	e := t.Ledger.tab(t.Ledger.justOpened)
	if e == nil || e.affinity == 0 || !e.overdue || t.fromStandby(e.id) || e.closing != 0 ||
		e.holder != 0 && e.class == core.Nested || t.Ledger.nestedWaits(e.affinity) {
		return nil
	}
	if owned := t.owned(e.affinity); owned > t.After.Settings.AffinityTabs {
		return fmt.Errorf("t%d was overdue when it opened, and affinity %d has %d tabs with it%s", e.id,
			e.affinity, owned, t.Ledger.ownedBy(e.affinity))
	}
	return nil
}

// fromStandby says whether a tab was granted as a standby in this step: its opening was nobody's.
func (t *Transition) fromStandby(id core.TabID) bool {
	return slices.ContainsFunc(t.Effects, func(e core.Effect) bool {
		return e.Kind == core.Grant && e.Tab == id && e.How == core.Adopted
	})
}

// browserTruth: a browser is asked whether it is there when an operation has been silent for
// StallTimeout and nothing else answered meanwhile, and it is given up only if it was asked and did
// not answer.
func browserTruth(t *Transition) error {
	if (t.Event.Is(core.Silent, core.Ping) || t.Event.Is(core.Failed, core.Ping)) &&
		t.After.Launches.Failures == 0 &&
		slices.ContainsFunc(t.Effects, func(e core.Effect) bool {
			return e.Kind == core.CloseBrowser && e.Browser == t.Event.Browser
		}) {
		return fmt.Errorf("b%d is given up, and counts as no failure", t.Event.Browser)
	}
	return t.misdated(func(e *core.Event) bool {
		return e.Kind == core.BrowserStalled || e.Of == core.Ping
	})
}

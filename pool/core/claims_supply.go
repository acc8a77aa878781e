package core

import "fmt"

// The claims about supply: what eviction may take, and what has to be under way for those who wait. They
// count for themselves, by the ledger, what the core goes by.

func evictionTruth(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != CloseTab || e.Reason != Eviction {
			continue
		}
		released := func(tab TabView) bool { return t.Event.Kind == Released && t.Event.Request == tab.Holder }
		if tab, ok := t.Before.Tab(e.Tab); !ok || tab.State != Idle && !(tab.State == Leased && released(tab)) {
			return fmt.Errorf("eviction picked t%d in state %v", e.Tab, tab.State)
		}
		spare := t.shortage() == 0
		if spare && t.Ledger.holdsRoot(e.Affinity) {
			return fmt.Errorf("eviction for the spare picked t%d, whose affinity holds a root lease", e.Tab)
		}
		for j := range t.After.tabs {
			tab := &t.After.tabs[j]
			if tab.state == Idle && !(spare && t.Ledger.holdsRoot(tab.affinity)) &&
				t.After.affinities[tab.affinity].stamp < t.After.affinities[e.Affinity].stamp {
				return fmt.Errorf("eviction picked t%d, and t%d is of an affinity handed out longer ago", e.Tab, tab.id)
			}
		}
	}
	for i := range t.After.tabs {
		if tab := &t.After.tabs[i]; tab.state == Idle && t.Ledger.tab(tab.id) == nil {
			return fmt.Errorf("eviction could pick t%d, which is gone", tab.id)
		}
	}
	return nil
}

func noCascade(t *Transition) error {
	evicted := false
	for i := range t.Effects {
		evicted = evicted || t.Effects[i].Kind == CloseTab && t.Effects[i].Reason == Eviction
	}
	if !evicted {
		return nil
	}
	s := t.After
	shortage := t.shortage()
	var relief, stale int32
	for i := range s.tabs {
		switch tab := &s.tabs[i]; tab.state {
		case Opening, Closing:
			if tab.overdue {
				stale++
			} else {
				relief++
			}
		}
	}
	relief += t.free()
	if shortage == 0 {
		shortage = 1 // the spare, for which what is overdue is relief too, and what is marked to close
		relief += stale + s.counts[Standby] + t.Ledger.doomedLeases()
	}
	if relief > shortage {
		return fmt.Errorf("an eviction makes the relief %d, and the shortage is %d", relief, shortage)
	}
	return nil
}

// shortage counts, one by one and by the ledger's own figures, the requests that could be given a tab
// together, had the pool the tabs.
func (t *Transition) shortage() int32 {
	var nested, roots int32
	l, set := t.Ledger, &t.After.settings
	for i := range l.waiting {
		r := &l.waiting[i]
		if r.class == Nested {
			nested++
			continue
		}
		if l.firstOf(r) {
			waiting, held, bound := l.rootsOf(r.affinity)
			roots += max(0, min(waiting, int32(set.RootCap)-held, int32(set.AffinityTabs)-bound))
		}
	}
	return nested + max(0, min(roots, t.permits()))
}

// firstOf says whether a waiting root request is the first of its affinity in the ledger.
func (l *Ledger) firstOf(r *ledgerRequest) bool {
	for i := range l.waiting {
		if o := &l.waiting[i]; o.class == Root && o.affinity == r.affinity {
			return o.id == r.id
		}
	}
	return false
}

// rootsOf counts the root requests of an affinity that wait, its root leases, and its bound tabs.
func (l *Ledger) rootsOf(a Affinity) (waiting, held, bound int32) {
	for i := range l.waiting {
		if r := &l.waiting[i]; r.class == Root && r.affinity == a {
			waiting++
		}
	}
	for i := range l.tabs {
		e := &l.tabs[i]
		if e.affinity == a && e.holder != 0 && e.class == Root {
			held++
		}
		if e.affinity == a && e.bound() {
			bound++
		}
	}
	return waiting, held, bound
}

// permits is how many more root leases the root limit allows, by the ledger.
func (t *Transition) permits() int32 {
	n := t.After.capacity - int32(t.Ledger.lost)
	for i := range t.Ledger.tabs {
		if e := &t.Ledger.tabs[i]; e.holder != 0 && e.class == Root {
			n--
		}
	}
	return n
}

// free is how many tabs may still be opened, by the ledger.
func (t *Transition) free() int32 { return t.After.capacity + 1 - int32(len(t.Ledger.tabs)) }

// target is how many standbys there should be, by the ledger.
func (t *Transition) target() int32 {
	n := t.After.capacity
	for i := range t.Ledger.tabs {
		if t.Ledger.tabs[i].bound() {
			n--
		}
	}
	return max(1, n)
}

// doomedLeases is how many tabs are held and marked to close.
func (l *Ledger) doomedLeases() int32 {
	n := int32(0)
	for i := range l.tabs {
		if e := &l.tabs[i]; e.holder != 0 && e.doomed != 0 {
			n++
		}
	}
	return n
}

func noSelfEviction(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != CloseTab || e.Reason != Eviction {
			continue
		}
		for j := range t.After.requests {
			r := &t.After.requests[j]
			k := &t.After.affinities[e.Affinity]
			if r.used && r.affinity == e.Affinity && (r.class == Nested || t.permits() > 0 && t.After.underCap(k)) {
				return fmt.Errorf("t%d was evicted, and r%d waits for its affinity", e.Tab, r.id)
			}
		}
	}
	return nil
}

// stuckIsolated: whoever is short of a tab has relief under way that is not overdue, or nothing is
// left that could be made relief of: no standby, no idle tab, no slot that could be opened in.
func stuckIsolated(t *Transition) error {
	s := t.After
	if s.phase >= ending {
		return nil
	}
	shortage := t.shortage()
	fresh := s.counts[Opening] - s.overdue[Opening]
	relief := fresh + s.counts[Closing] - s.overdue[Closing] + t.free()
	switch {
	case shortage > 0 && s.counts[Standby] > 0:
		return fmt.Errorf("%d requests are short of a tab beside %d standbys", shortage, s.counts[Standby])
	case shortage > relief && s.counts[Idle] > 0:
		return fmt.Errorf("%d requests are short of a tab, %d are on their way, and %d idle ones stay", shortage, relief, s.counts[Idle])
	case s.ready() != nil && !s.paused && t.free() > 0 &&
		(fresh < shortage || s.counts[Standby]+s.counts[Opening] < t.target()):
		return fmt.Errorf("a slot is free, and nothing is opened in it: %d requests short of a tab, %d standbys of %d",
			shortage, s.counts[Standby], t.target())
	}
	return nil
}

func retired(t *Transition) error {
	s, l := t.After, t.Ledger
	most := s.settings.MaxUses
	for i := range l.tabs {
		e := &l.tabs[i]
		if most > 0 && int(e.uses) >= most && e.bound() && e.holder == 0 {
			return fmt.Errorf("t%d was handed out %d times, and is idle", e.id, e.uses)
		}
		if t.Event.Kind == SweepRequested && e.bound() && e.holder == 0 && !l.waits(e.affinity) &&
			l.idleFor(e.affinity, s.now, t.Event.MaxIdle) {
			return fmt.Errorf("t%d was idle for long enough, and the sweep has left it", e.id)
		}
	}
	for i := range t.Effects {
		e := &t.Effects[i]
		if tab := l.tab(e.Tab); e.Kind == CloseTab && e.Reason == MaxUses && tab != nil && int(tab.uses) < most {
			return fmt.Errorf("t%d was handed out %d times, and may be %d times", e.Tab, tab.uses, most)
		}
	}
	return nil
}

// waits says whether a request of an affinity waits.
func (l *Ledger) waits(a Affinity) bool {
	for i := range l.waiting {
		if l.waiting[i].affinity == a {
			return true
		}
	}
	return false
}

package spec

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The claims about supply: whoever waits for a tab waits no longer than to a deadline, what is worn
// is retired, and the pool has the size that it may have.

// stuckIsolated: a tab is due to be opened or closed for those that wait, or for the spare, and the
// step does something else. That whoever waits for a tab on its way does so until a deadline is for
// due-in-time.
func stuckIsolated(t *Transition) error {
	return t.differs(func(d *disagreement) bool {
		return d.due.kind == core.OpenTab || d.due.kind == core.CloseTab || d.due.how == core.Adopted
	})
}

func retired(t *Transition) error {
	s, l := t.After, t.Ledger
	if i := tabAt(&s.Facts, t.Event.Tab); i != core.None && t.Event.Kind == core.RetireDue &&
		(s.Tabs[i].State == core.Idle || s.Tabs[i].State == core.Standby) {
		return fmt.Errorf("t%d is past its MaxAge, and stays", t.Event.Tab)
	}
	most := s.Settings.MaxUses
	for i := range l.tabs {
		e := &l.tabs[i]
		if most > 0 && int(e.uses) >= most && t.idle(e.id) {
			return fmt.Errorf("t%d was handed out %d times, and is idle", e.id, e.uses)
		}
		if t.idle(e.id) && !l.waits(e.affinity) && l.sweeps(t.Event, e.affinity) {
			return fmt.Errorf("t%d was idle for long enough, and the sweep has left it", e.id)
		}
	}
	for i := range t.Effects {
		e := &t.Effects[i]
		if tab := l.tab(e.Tab); e.Kind == core.CloseTab && e.Reason == core.MaxUses && tab != nil &&
			int(tab.uses) < most {
			return fmt.Errorf("t%d was handed out %d times, and may be %d times", e.Tab, tab.uses, most)
		}
	}
	if s.Settings.MaxIdle < 0 {
		return nil
	}
	return t.misdated(func(e *core.Event) bool { return e.Kind == core.IdleDue })
}

// idle says whether a tab is idle after the step.
func (t *Transition) idle(id core.TabID) bool {
	i := tabAt(&t.After.Facts, id)
	return i != core.None && t.After.Tabs[i].State == core.Idle
}

// waits says whether a request of an affinity waits.
func (l *Ledger) waits(a core.Affinity) bool {
	return find(l.waiting, func(r *ledgerRequest) bool { return r.affinity == a }) != nil
}

// nestedWaits says whether a nested one does.
func (l *Ledger) nestedWaits(a core.Affinity) bool {
	return find(l.waiting, func(r *ledgerRequest) bool {
		return r.affinity == a && r.class == core.Nested
	}) != nil
}

// envelope: capacity is what the plan says, stays within what the settings and the requests so far
// allow, and goes down by contraction alone.
func envelope(t *Transition) error {
	if err := t.differs(func(d *disagreement) bool { return d.size }); err != nil {
		return err
	}
	s, set := t.After, &t.After.Settings
	most := set.MinPages
	if t.Ledger.asked {
		most = set.MaxPages - set.ReservedPages
	}
	if reserved(&s.Settings, t.Ledger.priority) {
		most = set.MaxPages
	}
	if int(s.Capacity) < set.MinPages || int(s.Capacity) > most {
		return fmt.Errorf("capacity is %d, and has to be %d to %d", s.Capacity, set.MinPages, most)
	}
	if s.Capacity < t.Before.Capacity && t.Before.Contraction == 0 &&
		(len(t.Ledger.waiting) > 0 || count(&s.Facts, core.Leased) > 0) {
		return fmt.Errorf("capacity went from %d to %d while somebody waits or holds", t.Before.Capacity,
			s.Capacity)
	}
	return contractsBy(t)
}

// contractsBy: a contraction closes the first standby, where the smaller pool needs fewer than
// there are; otherwise the idle tab that eviction would take.
func contractsBy(t *Transition) error {
	e := slices.IndexFunc(t.Effects, func(e core.Effect) bool {
		return e.Kind == core.CloseTab && e.Reason == core.Contraction
	})
	if e < 0 {
		return nil
	}
	p := plan{Facts: t.After.Facts, step: t}
	p.Tabs, p.Affinities = slices.Clone(p.Tabs), slices.Clone(p.Affinities)
	p.undo(&t.Effects[e])
	p.listStandbys()
	want := p.coldest(func(*core.Tab) bool { return true })
	if needs := max(1, int(p.Capacity)-1-tabsThat(&p.Facts, bound)); len(p.standbys) > needs {
		want = p.standbys[0]
	}
	if idOf(p.Tabs, want) != t.Effects[e].Tab {
		return fmt.Errorf("a contraction closes t%d, and has to close t%d: of %d tabs %d are standbys%s",
			t.Effects[e].Tab, idOf(p.Tabs, want), alive(&p.Facts), len(p.standbys),
			t.Ledger.named(func(*entry) bool { return true }))
	}
	return nil
}

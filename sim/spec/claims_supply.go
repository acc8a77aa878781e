package spec

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The claims about supply: what eviction may take, and what has to be under way for those who wait.
// They count for themselves, by the ledger, what the core goes by.

func evictionTruth(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != core.CloseTab || e.Reason != core.Eviction {
			continue
		}
		if tab, ok := t.Before.Tab(e.Tab); !ok || tab.State != core.Idle && !t.becameIdle(tab) {
			return fmt.Errorf("eviction picked t%d in state %v", e.Tab, tab.State)
		}
		spare := t.shortageBefore(t.Effects[i:]) == 0
		if spare && t.Ledger.holdsRoot(e.Affinity) {
			return fmt.Errorf("eviction for the spare picked t%d, whose affinity holds a root lease", e.Tab)
		}
		for j := range t.After.Tabs {
			tab := &t.After.Tabs[j]
			if tab.State == core.Idle && !(spare && t.Ledger.holdsRoot(tab.Affinity)) && t.goesBefore(tab, e) {
				return fmt.Errorf("eviction picked t%d, and t%d has to go before it", e.Tab, tab.ID)
			}
		}
	}
	if err := t.handedOver(); err != nil {
		return err
	}
	for i := range t.After.Tabs {
		if tab := &t.After.Tabs[i]; tab.State == core.Idle && t.Ledger.tab(tab.ID) == nil {
			return fmt.Errorf("eviction could pick t%d, which is gone", tab.ID)
		}
	}
	return t.overdueCloses()
}

// handedOver: with AllowReassign, no idle tab is closed for requests that wait, where it can be
// handed to one of them.
func (t *Transition) handedOver() error {
	if !t.After.Settings.AllowReassign {
		return nil
	}
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != core.CloseTab || e.Reason != core.Eviction || spareIdle(t.After, e.Affinity)+evicted(t.Effects[i:], e.Affinity) <= 0 || grants(t.Effects[i:], e.Affinity) {
			continue // requests of its own affinity wait for it, or did until this eviction made room for others
		}
		before, ok := tabAt(t.Before, e.Tab)
		if !ok || t.Before.Tabs[before].State != core.Idle || tabsIn(t.Before, t.Before.Tabs[before].Context) != 1 {
			continue
		}
		for j := range t.After.Requests {
			r := &t.After.Requests[j]
			if r.Used && r.Pin == core.None && r.Affinity != e.Affinity && t.couldBeReassigned(r, admitted(t.After, r)) {
				return fmt.Errorf("t%d was evicted, and r%d could have been given it", e.Tab, r.ID)
			}
		}
	}
	return nil
}

// evicted counts the tabs of an affinity that these effects evict.
func evicted(effects []core.Effect, a core.Affinity) (n int) {
	for i := range effects {
		if e := &effects[i]; e.Kind == core.CloseTab && e.Reason == core.Eviction && e.Affinity == a {
			n++
		}
	}
	return n
}

// grants says whether one of these effects gives a request of an affinity a tab.
func grants(effects []core.Effect, a core.Affinity) bool {
	return slices.ContainsFunc(effects, func(e core.Effect) bool { return e.Kind == core.Grant && e.Affinity == a })
}

// overdueCloses: a tab is closed for its overdue probe, rescue or reset only for requests that are
// short of a tab, only when no idle tab is left, and the one that began first before the others.
func (t *Transition) overdueCloses() error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if !t.closedForRoom(e) {
			continue
		}
		if t.shortage() == 0 {
			return fmt.Errorf("t%d, whose operation is overdue, is closed, and no request is short of a tab", e.Tab)
		}
		closed := t.Ledger.tab(e.Tab)
		for j := range t.Ledger.tabs {
			switch o := &t.Ledger.tabs[j]; {
			case t.idle(o.id):
				return fmt.Errorf("t%d, whose operation is overdue, is closed, and t%d is idle", e.Tab, o.id)
			case !o.lateFor() || closed == nil:
			case o.beganAt < closed.beganAt || o.beganAt == closed.beganAt && o.id < closed.id:
				return fmt.Errorf("t%d, whose operation is overdue, is closed, and that of t%d began before", e.Tab, o.id)
			}
		}
	}
	return nil
}

// closedForRoom says whether an effect closes a tab because its probe, rescue or reset is overdue.
func (t *Transition) closedForRoom(e *core.Effect) bool {
	if e.Kind != core.CloseTab || e.Reason != core.Wedge || t.Ledger.freed == e.Tab {
		return false
	}
	own := t.Event.Tab == e.Tab && t.Event.Kind != core.ProbeOverdue && t.Event.Kind != core.ResetOverdue
	tab := t.Ledger.tab(e.Tab)
	return tab != nil && tab.late && !own
}

// lateFor says whether what was asked of a tab that stays is overdue.
func (e *entry) lateFor() bool { return e.late && e.asked != 0 && e.closing == 0 }

// goesBefore says whether an idle tab has to be evicted before one that was: it is of a browser
// that is being replaced, or else of an affinity handed out longer ago, or else supplementary to
// its primary.
func (t *Transition) goesBefore(tab *core.Tab, e *core.Effect) bool {
	b, c := t.Ledger.browser(tab.Browser), t.Ledger.browser(e.Browser)
	if b == nil || c == nil || b.drains != c.drains {
		return b != nil && b.drains
	}
	if tab.Affinity != e.Affinity {
		return t.After.Affinities[tab.Affinity].Stamp < t.After.Affinities[e.Affinity].Stamp
	}
	i, ok := tabAt(t.After, e.Tab)
	j, _ := tabAt(t.After, tab.ID)
	if !ok || stale(t.After, i) != stale(t.After, j) || int(e.Affinity) >= len(t.Before.Affinities) {
		return false
	}
	primary := primaryOf(t.Before, e.Affinity)
	return primary == e.Context && t.After.Contexts[tab.Context].ID != primary && !t.Ledger.lostTabIn(primary)
}

// becameIdle says whether a tab that was not idle before the step can be by its event.
func (t *Transition) becameIdle(tab core.TabView) bool {
	switch tab.State {
	case core.Leased:
		return t.Event.Kind == core.Released && t.Event.Request == tab.Holder
	case core.Opening:
		return t.Event.Kind == core.Opened && t.Event.Tab == tab.ID
	case core.Probing:
		return t.Event.Kind == core.Probed && t.Event.Tab == tab.ID
	case core.Resetting:
		return (t.Event.Kind == core.WasReset || t.Event.Kind == core.SessionEnded || t.Event.Kind == core.SessionBegun) && t.Event.Tab == tab.ID
	}
	return false
}

func noCascade(t *Transition) error {
	evicted := false
	for i := range t.Effects {
		if e := &t.Effects[i]; e.Kind == core.CloseTab && e.Reason == core.Drain && t.shortage() > 0 {
			return fmt.Errorf("t%d is closed for a drain, and %d are short of a tab", e.Tab, t.shortage())
		}
		evicted = evicted || t.Effects[i].Kind == core.CloseTab && t.Effects[i].Reason == core.Eviction || t.closedForRoom(&t.Effects[i])
	}
	if !evicted {
		return nil
	}
	s := t.After
	shortage := t.shortage()
	var relief, stale int32
	for i := range s.Tabs {
		switch tab := &s.Tabs[i]; {
		case tab.State == core.Opening && tab.Affinity != 0 && !tab.Doomed && !tab.Overdue: // it is its affinity's
		case tab.State != core.Opening && tab.State != core.Closing:
		case tab.Overdue:
			stale++
		default:
			relief++
		}
	}
	relief += t.free()
	if shortage == 0 {
		shortage = 1 // the spare, for which what is overdue is relief too, and what is marked to close
		relief += stale + count(s, core.Standby) + t.Ledger.doomedLeases()
	}
	if relief > shortage {
		return fmt.Errorf("an eviction makes the relief %d, and the shortage is %d", relief, shortage)
	}
	return nil
}

func noSelfEviction(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != core.CloseTab || e.Reason != core.Eviction {
			continue
		}
		i, ok := tabAt(t.After, e.Tab)
		stale := ok && stale(t.After, i)
		for j := range t.After.Requests {
			r := &t.After.Requests[j]
			if r.Pin != core.None && stale {
				continue // it could not use the tab as it is, and another is being made ready for it
			}
			if r.Used && r.Affinity == e.Affinity && !t.owed(r) && t.permits(classOf(t.After, r)) > 0 &&
				(r.Class == core.Nested || underCap(t.After, e.Affinity)) {
				return fmt.Errorf("t%d was evicted, and r%d waits for its affinity", e.Tab, r.ID)
			}
		}
	}
	return nil
}

// stuckIsolated: whoever is short of a tab has relief under way that is not overdue, or nothing is
// left that could be made relief of: no standby that is not being thawed, no idle tab, no slot that could be opened in.
func stuckIsolated(t *Transition) error {
	s := t.After
	if s.Phase >= core.PhaseEnding {
		return nil
	}
	shortage := t.shortage()
	owned := int32(0) // fresh openings that are an affinity's
	for i := range s.Tabs {
		if tab := &s.Tabs[i]; tab.State == core.Opening && tab.Affinity != 0 && !tab.Doomed && !tab.Overdue {
			owned++
		}
	}
	fresh := count(s, core.Opening) - overdue(s, core.Opening) - owned
	relief := fresh + count(s, core.Closing) - overdue(s, core.Closing) + t.free()
	switch {
	case shortage > t.spokenFor()+thawing(s) && count(s, core.Standby) > 0:
		return fmt.Errorf("%d requests are short of a tab beside %d standbys", shortage, count(s, core.Standby))
	case shortage > relief+count(s, core.Standby) && count(s, core.Idle) > 0:
		return fmt.Errorf("%d requests are short of a tab, %d are on their way, and %d idle ones stay", shortage, relief, count(s, core.Idle))
	case shortage > relief+count(s, core.Standby) && t.anyLate():
		return fmt.Errorf("%d requests are short of a tab, %d are on their way, and a tab whose operation is overdue stays", shortage, relief)
	case serving(s) != nil && !s.Paused && t.free() > 0 &&
		(fresh+count(s, core.Standby) < shortage || count(s, core.Standby)+count(s, core.Opening)-owned < t.target()):
		return fmt.Errorf("a slot is free, and nothing is opened in it: %d requests short of a tab, %d standbys of %d",
			shortage, count(s, core.Standby), t.target())
	case t.target() > 0 && shortage == 0 && count(s, core.Standby)+count(s, core.Opening)-owned+count(s, core.Closing)+t.Ledger.doomedLeases()+t.free() == 0:
		for i := range s.Tabs {
			if tab := &s.Tabs[i]; tab.State == core.Idle && !t.Ledger.holdsRoot(tab.Affinity) {
				return fmt.Errorf("there is no spare and none on its way, and t%d could be evicted for it", tab.ID)
			}
		}
	}
	return t.waitedForUntil()
}

// anyLate says whether a tab is left whose probe, rescue or reset is overdue.
func (t *Transition) anyLate() bool {
	for i := range t.Ledger.tabs {
		if t.Ledger.tabs[i].lateFor() {
			return true
		}
	}
	return false
}

// waitedForUntil: whoever waits for a tab that is opened, probed, rescued, reset or closed does so
// until a deadline.
func (t *Transition) waitedForUntil() error {
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		switch tab.State {
		case core.Opening, core.Probing, core.Rescuing, core.Resetting, core.Closing:
		default:
			continue
		}
		if tab.Overdue {
			continue
		}
		if !slices.ContainsFunc(t.deadlines(), func(d core.Deadline) bool { return d.Event.Tab == tab.ID && becomesOverdue(d.Event.Kind) }) {
			return fmt.Errorf("t%d is waited for in state %v, and is never overdue", tab.ID, tab.State)
		}
	}
	return nil
}

func becomesOverdue(k core.EventKind) bool {
	return k == core.OpenOverdue || k == core.ProbeOverdue || k == core.ResetOverdue || k == core.CloseOverdue
}

// spokenFor is 1 where the last permit is kept for a request that has the promise of a tab and
// whose bypass is used up.
func (t *Transition) spokenFor() int32 {
	for i := range t.After.Requests {
		r := &t.After.Requests[i]
		if !r.Used || r.Class == core.Nested || r.Pin == core.None || !usedUp(t.After, r) {
			continue
		}
		if through, left := t.letThrough(r, nil); through && left.of(classOf(t.After, r)) == 1 {
			return 1
		}
	}
	return 0
}

func retired(t *Transition) error {
	s, l := t.After, t.Ledger
	if i, ok := tabAt(s, t.Event.Tab); ok && t.Event.Kind == core.RetireDue && (s.Tabs[i].State == core.Idle || s.Tabs[i].State == core.Standby) {
		return fmt.Errorf("t%d is past its MaxAge, and stays", t.Event.Tab)
	}
	most := s.Settings.MaxUses
	for i := range l.tabs {
		e := &l.tabs[i]
		if most > 0 && int(e.uses) >= most && t.idle(e.id) {
			return fmt.Errorf("t%d was handed out %d times, and is idle", e.id, e.uses)
		}
		if t.idle(e.id) && !l.waits(e.affinity) && l.sweeps(t.Event, e.affinity, s.Now) {
			return fmt.Errorf("t%d was idle for long enough, and the sweep has left it", e.id)
		}
	}
	for i := range t.Effects {
		e := &t.Effects[i]
		if tab := l.tab(e.Tab); e.Kind == core.CloseTab && e.Reason == core.MaxUses && tab != nil && int(tab.uses) < most {
			return fmt.Errorf("t%d was handed out %d times, and may be %d times", e.Tab, tab.uses, most)
		}
	}
	return t.idleDue()
}

// idleDue: an affinity that nobody holds or waits for is closed when MaxIdle has passed, which its
// deadline says.
func (t *Transition) idleDue() error {
	s, l := t.After, t.Ledger
	if s.Settings.MaxIdle < 0 {
		return nil
	}
	for i := range s.Affinities {
		a := core.Affinity(i)
		k := &s.Affinities[a]
		if !k.Known {
			continue
		}
		orphaned := k.Primary != core.None && orphan(s, k.Primary) && !s.Settings.RetainOnEvict
		want := core.Never
		if !l.waits(a) && l.idleFor(a, s.Now, 0) && (l.hasIdle(a) || orphaned) {
			want = l.lastFreed(a).Add(s.Settings.MaxIdle)
		}
		due := core.Never
		for _, d := range t.deadlines() {
			if d.Event.Kind == core.IdleDue && d.Event.Affinity == a {
				due = d.At
			}
		}
		if due != want {
			return fmt.Errorf("affinity %d is to be closed for MaxIdle at %v, and was given back last at %v", a,
				due.Duration(), l.lastFreed(a).Duration())
		}
	}
	return nil
}

// lastFreed is when a tab of an affinity was given back last.
func (l *Ledger) lastFreed(a core.Affinity) core.Time {
	if int(a) >= len(l.freedAt) {
		return 0
	}
	return l.freedAt[a]
}

// idle says whether a tab is idle after the step.
func (t *Transition) idle(id core.TabID) bool {
	i, ok := tabAt(t.After, id)
	return ok && t.After.Tabs[i].State == core.Idle
}

// waits says whether a request of an affinity waits.
func (l *Ledger) waits(a core.Affinity) bool {
	for i := range l.waiting {
		if l.waiting[i].affinity == a {
			return true
		}
	}
	return false
}

// envelope: capacity stays within what the settings and the requests so far allow, and goes down by
// contraction alone.
func envelope(t *Transition) error {
	if err := growthHolds(t); err != nil {
		return err
	}
	if err := t.growthComes(); err != nil {
		return err
	}
	s, set := t.After, &t.After.Settings
	most := set.MinPages
	if t.Ledger.asked {
		most = set.MaxPages - set.ReservedPages
	}
	if reserved(s, t.Ledger.priority) {
		most = set.MaxPages
	}
	if int(s.Capacity) < set.MinPages || int(s.Capacity) > most {
		return fmt.Errorf("capacity is %d, and has to be %d to %d", s.Capacity, set.MinPages, most)
	}
	if s.Capacity < t.Before.Capacity && t.Before.Contraction == 0 && (len(t.Ledger.waiting) > 0 || count(s, core.Leased) > 0) {
		return fmt.Errorf("capacity went from %d to %d while somebody waits or holds", t.Before.Capacity, s.Capacity)
	}
	return nil
}

package spec

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The claims of Invariants that one effect alone does not decide. What it does is in ledger.go.

func capacityHolds(t *Transition) error {
	if n := len(t.Ledger.tabs); n > int(t.After.Capacity)+1 {
		return fmt.Errorf("%d tabs can be alive%s, and capacity is %d", n, t.Ledger.named(nil),
			t.After.Capacity)
	}
	return nil
}

func contextsHold(t *Transition) error {
	l, orphans, tabless := t.Ledger, max(0, t.After.Settings.OrphanCap), t.Ledger.tabless()
	if n, limit := len(l.contexts), int(t.After.Capacity)+1+min(orphans, 1<<31); n > limit ||
		tabless > orphans {
		return fmt.Errorf("%d contexts can be alive, %d of them without a tab; %d and %d may be", n,
			tabless, limit, orphans)
	}
	for i := range l.tabs {
		if l.context(l.tabs[i].context) == nil {
			return fmt.Errorf("t%d is in c%d, which is gone", l.tabs[i].id, l.tabs[i].context)
		}
		n := l.inContext(l.tabs[i].context)
		if c := l.context(l.tabs[i].context); n > 1 &&
			(n > t.After.Settings.TabsPerContext || c.affinity == 0) {
			return fmt.Errorf("c%d has %d tabs%s", c.id, n,
				l.named(func(e *entry) bool { return e.context == c.id }))
		}
	}
	return nil
}

func exclusiveLease(t *Transition) error {
	held := 0
	for i := range t.Ledger.tabs {
		e := &t.Ledger.tabs[i]
		if e.holder == 0 {
			continue
		}
		held++
		if tab, ok := t.After.Holds(e.holder); !ok || tab != e.id {
			return fmt.Errorf("r%d holds t%d, and the books say t%d", e.holder, e.id, tab)
		}
	}
	if held != t.After.Leases() || held != t.After.Count(core.Leased) {
		return fmt.Errorf("%d leases are held%s, and the books say %d on %d tabs%s", held,
			t.Ledger.named(func(e *entry) bool { return e.holder != 0 }), t.After.Leases(),
			t.After.Count(core.Leased),
			TabsIn(t.After, core.Leased))
	}
	return nil
}

// inContext is how many tabs of a context the ledger counts.
func (l *Ledger) inContext(c core.ContextID) int {
	return l.count(func(e *entry) bool { return e.context == c })
}

// tabless is how many contexts have none.
func (l *Ledger) tabless() (n int) {
	for i := range l.contexts {
		if l.inContext(l.contexts[i].id) == 0 {
			n++
		}
	}
	return n
}

func pageCountHolds(t *Transition) error {
	s := t.After
	for a := range s.Affinities {
		k := &s.Affinities[a]
		if !k.Known || k.Primary == core.None {
			continue
		}
		c := &s.Contexts[k.Primary]
		if n := t.Ledger.inContext(c.ID); n != s.PageCount(core.Affinity(a)) ||
			c.Affinity != core.Affinity(a) || c.State != core.ContextOpen {
			return fmt.Errorf("affinity %d has pageCount %d, and c%d has %d tabs%s", a,
				s.PageCount(core.Affinity(a)), c.ID, n,
				t.Ledger.named(func(e *entry) bool { return e.context == c.ID }))
		}
	}
	return nil
}

func onePrimary(t *Transition) error {
	for a := range t.After.Affinities {
		id := primaryOf(&t.After.Facts, core.Affinity(a))
		if id == 0 {
			continue
		}
		// a context says whose it is, so no two may have it
		if c := t.Ledger.context(id); c == nil || int(c.affinity) != a {
			return fmt.Errorf("c%d is primary of affinity %d, and serves another or is gone", id, a)
		}
	}
	return nil
}

// supplementaryNeutral: where a primary stays the same in a step, its pageCount changes by the tabs
// that it gains and loses itself, whatever happens to the affinity's other tabs.
func supplementaryNeutral(t *Transition) error {
	for a := range min(len(t.Before.Affinities), len(t.After.Affinities)) {
		id := primaryOf(&t.Before.Facts, core.Affinity(a))
		if id == 0 || id != primaryOf(&t.After.Facts, core.Affinity(a)) {
			continue
		}
		n := t.Before.PageCount(core.Affinity(a))
		for i := range t.Before.Tabs {
			if b := &t.Before.Tabs[i]; b.State != 0 && t.Before.Contexts[b.Context].ID == id &&
				t.Ledger.tab(b.ID) == nil {
				n--
			}
		}
		for i := range t.Effects {
			if e := &t.Effects[i]; e.Kind == core.OpenTab && e.Context == id {
				n++
			}
		}
		if now := t.After.PageCount(core.Affinity(a)); now != n {
			return fmt.Errorf("the pageCount of affinity %d is %d, and by what its primary c%d gained and "+
				"lost it is %d", a, now, id, n)
		}
	}
	return nil
}

func noDoomedGrant(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != core.Grant {
			continue
		}
		tab, ok := t.After.Tab(e.Tab)
		k := &t.After.Affinities[e.Affinity]
		if !ok || tab.State != core.Leased || tab.Doomed || tab.Affinity != e.Affinity ||
			tab.Generation != k.Generation || e.Generation != k.Generation {
			return fmt.Errorf("t%d was granted to r%d in state %v, doomed %v, generation %d of %d",
				e.Tab, e.Request, tab.State, tab.Doomed, tab.Generation, k.Generation)
		}
	}
	return nil
}

func rootLimit(t *Transition) error {
	l, set, capacity := t.Ledger, &t.After.Settings, int(t.After.Capacity)
	root := func(e *entry) bool { return e.holder != 0 && e.class == core.Root }
	other := func(e *entry) bool { return root(e) && !reserved(set, e.priority) }
	granted := func(is func(*entry) bool) bool {
		return slices.ContainsFunc(t.Effects, func(f core.Effect) bool {
			return f.Kind == core.Grant && l.any(func(e *entry) bool { return e.id == f.Tab && is(e) })
		})
	}
	roots, all, lost := l.count(root), l.count(func(e *entry) bool { return e.holder != 0 }), l.lost()
	shrinks := l.count(func(e *entry) bool { return e.id == t.After.Contraction && !e.lost })
	if granted(root) && roots > capacity-lost-shrinks || all > capacity+1 {
		return fmt.Errorf("%d root leases of %d in all; capacity is %d, of which %d are lost", roots, all,
			capacity, lost)
	}
	most, others := set.MaxPages-set.ReservedPages-lost, l.count(other)
	if granted(other) && others > most {
		return fmt.Errorf("%d root leases below ReservedPriority, and the reserve leaves them %d", others,
			most)
	}
	return nil
}

func admission(t *Transition) error {
	for i := range t.Ledger.tabs {
		a := t.Ledger.tabs[i].affinity
		if n := t.Ledger.count(func(e *entry) bool {
			return e.holder != 0 && e.class == core.Root && e.affinity == a
		}); n > t.After.Settings.RootCap {
			return fmt.Errorf("affinity %d holds %d root leases", a, n)
		}
	}
	return overdueOpening(t)
}

// gains says whether an affinity has one more tab by a grant.
func gains(h core.How) bool { return h == core.Adopted || h == core.Reassigned }

// bound says whether the ledger sees a tab that belongs to an affinity and is not on its way out.
func (e *entry) bound() bool {
	return e.affinity != 0 && e.opened && e.closing == 0 && e.doomed == 0 && !e.spoiled && !e.lost
}

func warmTruth(t *Transition) error {
	for a := range max(len(t.Ledger.affinities), len(t.After.Affinities)) {
		warm, has := t.After.Bound(core.Affinity(a)) > 0, t.Ledger.hasBound(core.Affinity(a))
		if warm != has {
			return fmt.Errorf("affinity %d is listed warm: %t, and has a tab: %t", a, warm, has)
		}
	}
	return nil
}

func (l *Ledger) hasBound(a core.Affinity) bool {
	return l.any(func(e *entry) bool { return e.affinity == a && e.bound() })
}

func announcementTruth(t *Transition) error {
	for a := range t.Ledger.affinities {
		warm, has := t.Ledger.affinities[a].warm, t.Ledger.hasBound(core.Affinity(a))
		if warm != has {
			return fmt.Errorf("affinity %d was announced warm: %t, and has a tab: %t", a, warm, has)
		}
	}
	return nil
}

func queueBound(t *Transition) error {
	for i := range t.Effects {
		if e := &t.Effects[i]; e.Kind == core.Refuse && e.Reason == core.QueueFull {
			if err := t.oneTooMany(i); err != nil {
				return err
			}
		}
	}
	var waiting [core.Classes]int
	for _, r := range t.Ledger.waiting {
		waiting[r.class]++
	}
	if most := t.After.Settings.MaxWaiting; waiting[core.Root] > most || waiting[core.Nested] > most {
		return fmt.Errorf("%d root and %d nested requests wait, and %d of each may", waiting[core.Root],
			waiting[core.Nested], most)
	}
	if slices.Max(waiting[:]) <= t.After.Settings.AffinityWaiting {
		return nil
	}
	for i := range t.Ledger.waiting {
		r, own := &t.Ledger.waiting[i], 0
		for j := range t.Ledger.waiting {
			if o := &t.Ledger.waiting[j]; o.affinity == r.affinity && o.class == r.class {
				own++
			}
		}
		if most := t.After.Settings.AffinityWaiting; own > most {
			return fmt.Errorf("%d requests of affinity %d and one class wait, and %d may", own, r.affinity,
				most)
		}
	}
	return nil
}

// oneTooMany: a request is refused for the bound of a queue only where it would be one more than
// may wait, of its class or of its affinity and class, beside those that waited before and that the
// step has not answered by then.
func (t *Transition) oneTooMany(refusal int) error {
	e, set := &t.Event, &t.After.Settings
	all, own := 1, 1
	for i := range t.Before.Requests {
		r := &t.Before.Requests[i]
		answered := slices.ContainsFunc(t.Effects[:refusal], func(f core.Effect) bool {
			return f.Request == r.ID && (f.Kind == core.Grant || f.Kind == core.Refuse)
		})
		if !r.Used || answered || (r.Class == core.Nested) != (e.Class == core.Nested) {
			continue
		}
		if all++; r.Affinity == e.Affinity {
			own++
		}
	}
	if all <= set.MaxWaiting && own <= set.AffinityWaiting {
		return fmt.Errorf("r%d is refused as one too many, and would be number %d of %d in all and "+
			"number %d of %d of its affinity", e.Request, all, set.MaxWaiting, own, set.AffinityWaiting)
	}
	return nil
}

// closesHold: when Close's ctx ends, nobody holds or waits any more; when the pool is closed,
// nothing is alive; and a browser is asked to end by force, unless it is the pool that ends.
func closesHold(t *Transition) error {
	s := t.After
	if s.Phase < t.Before.Phase {
		return fmt.Errorf("a pool that was closing goes back to phase %d from %d", s.Phase,
			t.Before.Phase)
	}
	if t.Event.Kind == core.CloseExpired && t.Before.Phase == core.PhaseClosing &&
		s.Phase < core.PhaseEnding {
		return fmt.Errorf("the ctx of Close has ended, and %d requests wait and %d leases are held%s",
			len(t.Ledger.waiting),
			count(&s.Facts, core.Leased), TabsIn(s, core.Leased))
	}
	for i := range t.Effects {
		switch e := &t.Effects[i]; {
		case e.Kind == core.FinishClose && len(t.Ledger.tabs)+len(t.Ledger.browsers) > 0:
			return fmt.Errorf("the pool is closed, and %d tabs%s and %d browsers can be alive",
				len(t.Ledger.tabs),
				t.Ledger.named(nil), len(t.Ledger.browsers))
		case e.Kind == core.CloseBrowser && !e.Force && s.Phase < core.PhaseEnding &&
			t.Ledger.lostIn(e.Browser):
			return fmt.Errorf("b%d, whose tabs are lost, is asked to end gracefully", e.Browser)
		}
	}
	return nil
}

// callFails says whether a Warm or a Recycle is told a reason that is not so. The failed rounds
// that it sits through are those since it came.
func (t *Transition) callFails(e *core.Effect) error {
	rounds := t.Before.Rounds
	for i := range t.Before.Calls {
		if c := &t.Before.Calls[i]; c.ID == e.Call {
			rounds = c.Rounds
		}
	}
	switch {
	case e.Reason == core.PoolClosed && t.After.Phase < core.PhaseClosing:
		return fmt.Errorf("call %d is told that the pool is closed, which is not so", e.Call)
	case e.Reason == core.BrowserUnavailable && !satThrough(&t.After.Facts, rounds):
		return fmt.Errorf("call %d is told that the browser opens no tab, and came in round %d of %d",
			e.Call, rounds, t.After.Rounds)
	}
	return nil
}

func singleAnswer(t *Transition) error {
	s := t.After
	standbys, wanted := count(&s.Facts, core.Standby), target(&s.Facts)
	for i := range t.Effects {
		e := &t.Effects[i]
		switch {
		case e.Kind == core.FinishWarm && e.Reason == core.ReasonNone && standbys < wanted:
			return fmt.Errorf("w%d is answered with %d standbys of %d", e.Call, standbys, wanted)
		case e.Kind == core.Refuse && e.Reason == core.PoolClosed && s.Phase < core.PhaseClosing:
			return fmt.Errorf("r%d is told that the pool is closed, which is not so", e.Request)
		case e.Kind == core.FinishWarm || e.Kind == core.FinishRecycle:
			if err := t.callFails(e); err != nil {
				return err
			}
		}
	}
	if s.Phase >= core.PhaseClosing {
		for _, r := range t.Ledger.waiting {
			if r.class == core.Root {
				return fmt.Errorf("r%d waits for a root lease of a closing pool", r.id)
			}
		}
	}
	if n := s.RequestCount(); n != len(t.Ledger.waiting) {
		return fmt.Errorf("%d requests wait, and the books say %d", len(t.Ledger.waiting), n)
	}
	for _, r := range t.Ledger.waiting {
		if !s.Waits(r.id) {
			return fmt.Errorf("r%d waits, and the books do not know it", r.id)
		}
	}
	if n := len(s.Calls); n != len(t.Ledger.calls) {
		return fmt.Errorf("%d calls wait, and the books say %d", len(t.Ledger.calls), n)
	}
	return callsEnd(t)
}

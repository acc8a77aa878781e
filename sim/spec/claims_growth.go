package spec

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The claims about growth: who is entitled to a larger pool, and what is opened for whom.

// growthHolds: capacity grows by no more than the permits and the tabs that those who wait are
// short of, or were before this step gave them some.
func growthHolds(t *Transition) error {
	s := t.After
	if s.Capacity <= t.Before.Capacity || t.refuses() {
		return nil // it may have grown for one that is refused in the same step
	}
	permits, tabs, _, _ := t.wanted()
	if s.Capacity > int32(s.Settings.MaxPages-s.Settings.ReservedPages) {
		permits++ // it may have been short of the permit that an older one had
	}
	if err := t.urgentGrowth(); err != nil {
		return err
	}
	granted, opened := t.given()
	relief := t.relief() + count(s, core.Standby)
	if (t.permits(core.Urgent) > permits || permits+granted == 0) && (relief > tabs+opened || tabs+opened+granted == 0) {
		return fmt.Errorf("capacity went to %d: %d permits for %d requests, %d tabs on their way to %d", s.Capacity, t.permits(core.Urgent), permits, relief, tabs)
	}
	return nil
}

// wanted is how many permits and tabs those are short of for whom the pool may grow, and how many of
// these are for requests at or above ReservedPriority. Of the others it counts no more than the
// reserve leaves.
func (t *Transition) wanted() (permits, tabs, urgentPermits, urgentTabs int32) {
	var want [core.Classes]int32
	for i := range t.After.Requests {
		r := &t.After.Requests[i]
		if !r.Used || asksBefore(t.After.Requests[:i], r.Affinity) {
			continue
		}
		for c, n := range t.wantsPermits(r.Affinity) {
			want[c] += n
		}
		urgentTabs += min(t.entitledNested(r.Affinity), t.shortageOf(r.Affinity, nil)[core.Nested])
	}
	needs, others := t.needs(nil), max(0, t.permitsLeft().others)
	permits = want[core.Urgent] + min(others, want[core.Root])
	tabs = needs[core.Nested] + needs[core.Urgent] + min(others, needs[core.Root])
	return permits, tabs, want[core.Urgent], needs[core.Urgent] + urgentTabs
}

// urgentGrowth: beyond what the reserve leaves, capacity grows by no more than there are requests at
// or above ReservedPriority, but for the permits that lost tabs have taken.
func (t *Transition) urgentGrowth() error {
	s := t.After
	grown := s.Capacity - max(t.Before.Capacity, int32(s.Settings.MaxPages-s.Settings.ReservedPages))
	if grown <= 0 {
		return nil
	}
	var waits, granted int32
	for i := range s.Requests {
		if r := &s.Requests[i]; r.Used && reserved(s, r.Priority) {
			waits++
		}
	}
	for i := range t.Effects {
		if r, ok := t.requestBefore(t.Effects[i].Request); ok && t.Effects[i].Kind == core.Grant && reserved(s, r.Priority) {
			granted++
		}
	}
	if grown > waits+granted && min(t.permits(core.Urgent), t.relief()+count(s, core.Standby)) > waits {
		return fmt.Errorf("capacity went to %d, %d into the reserve, for %d urgent requests", s.Capacity, grown, waits)
	}
	return nil
}

// growthComes: as long as capacity is below what those who wait are entitled to, the root limit
// alone stops nobody, and nobody is short of a tab with none on its way; of the reserve, none of
// those at or above ReservedPriority.
func (t *Transition) growthComes() error {
	s, set := t.After, &t.After.Settings
	if s.Phase >= core.PhaseEnding || waiting(s) == 0 || int(s.Capacity) >= set.MaxPages {
		return nil
	}
	permits, tabs, urgentPermits, urgentTabs := t.wanted()
	short := t.shortOf(permits, tabs)
	if int(s.Capacity) >= set.MaxPages-set.ReservedPages {
		short = min(short, t.shortOf(urgentPermits+t.heldPermit(), urgentTabs))
	}
	if short > 0 {
		return fmt.Errorf("capacity stays %d, and %d more are needed by those who wait", s.Capacity, short)
	}
	return nil
}

// heldPermit is 1 where the last permit is kept from the first urgent request, for an older one that
// is not urgent and whose bypass is used up.
func (t *Transition) heldPermit() int32 {
	s := t.After
	var first *core.Request
	for i := range s.Requests {
		r := &s.Requests[i]
		if r.Used && classOf(s, r) == core.Urgent && t.competes(r) && (first == nil || t.precedes(r, first)) {
			first = r
		}
	}
	if first == nil {
		return 0
	}
	left := t.permitsLeft()
	for i := range s.Requests {
		q := &s.Requests[i]
		if !q.Used || classOf(s, q) != core.Root || q.Affinity == first.Affinity || !usedUp(s, q) || !t.precedes(q, first) {
			continue
		}
		through := underCap(s, q.Affinity) && (q.Pin != core.None || t.admittedOf(q.Affinity) > 0)
		if through && left.takesLast(core.Urgent, core.Root) {
			return 1
		}
	}
	return 0
}

// competes says whether a root request waits for nothing but a permit and a tab: its affinity has
// one that is idle, or almost, or AffinityTabs lets it have one more.
func (t *Transition) competes(r *core.Request) bool {
	if !underCap(t.After, r.Affinity) {
		return false
	}
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		if tab.Affinity == r.Affinity && (tab.State == core.Idle || almostIdle(t.After, tab)) {
			return true
		}
	}
	return r.Pin == core.None && t.admittedOf(r.Affinity) > 0
}

// shortOf is how much more capacity those need who want so many permits and so many tabs.
func (t *Transition) shortOf(permits, tabs int32) int32 {
	short := tabs - t.relief() - count(t.After, core.Standby)
	if permits > 0 {
		short = max(short, permits-t.permits(core.Urgent))
	}
	return short
}

// entitledNested counts the nested requests of an affinity at or above ReservedPriority that were
// promised no tab.
func (t *Transition) entitledNested(a core.Affinity) int32 {
	n := int32(0)
	for i := range t.After.Requests {
		r := &t.After.Requests[i]
		if r.Used && r.Affinity == a && r.Class == core.Nested && r.Pin == core.None && reserved(t.After, r.Priority) {
			n++
		}
	}
	return n
}

// given counts what this step gave to those that wait: leases; and what it may have given them
// after it grew: reassigned tabs, and openings inside primaries, each of which may use up the
// AffinityTabs that another had counted on.
func (t *Transition) given() (granted, opened int32) {
	for i := range t.Effects {
		switch e := &t.Effects[i]; {
		case e.Kind == core.Grant && e.How == core.Reassigned:
			opened++
			granted++
		case e.Kind == core.Grant:
			granted++
		case e.Kind == core.OpenTab && e.Affinity != 0:
			opened++
		}
	}
	return granted, opened
}

// refuses says whether somebody is refused in this step, for whom something may have been done
// before.
func (t *Transition) refuses() bool {
	return slices.ContainsFunc(t.Effects, func(e core.Effect) bool { return e.Kind == core.Refuse && e.Reason != core.RequestAbandoned })
}

// wantsPermits is how many more root leases an affinity's requests could have, but for the root
// limit.
func (t *Transition) wantsPermits(a core.Affinity) (permits [core.Classes]int32) {
	set := &t.After.Settings
	_, held, bound := t.Ledger.rootsOf(a)
	own := int32(0) // tabs that it has, or that are on their way to it, but for those promised to nested requests
	openings := int32(0)
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		if tab.State == 0 || tab.Affinity != a || tab.Doomed || tab.Overdue {
			continue
		}
		if (tab.State >= core.Idle && tab.State <= core.Resetting || tab.State == core.Opening) && !t.forNested(tab) {
			own++
		}
		if tab.State == core.Opening {
			openings++
		}
	}
	with := max(0, min(int32(set.RootCap)-held, int32(set.AffinityTabs)-bound-openings+own))
	for i := range t.Ledger.waiting {
		if r := &t.Ledger.waiting[i]; r.affinity == a && r.class == core.Root && reserved(t.After, r.priority) {
			permits[core.Urgent] = min(with, permits[core.Urgent]+1)
		} else if r.affinity == a && r.class == core.Root {
			permits[core.Root]++
		}
	}
	permits[core.Root] = min(permits[core.Root], with-permits[core.Urgent])
	return permits
}

// forNested says whether a tab was promised to a nested request.
func (t *Transition) forNested(tab *core.Tab) bool {
	i, ok := requestAt(t.After, tab.Pinned)
	return ok && t.After.Requests[i].Class == core.Nested
}

package spec

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// The claim about rule 2: a tab is opened inside a primary where a slot is free beyond those that
// older requests need, and only there.

func opensInside(t *Transition) error {
	if t.After.Capacity != t.Before.Capacity || waiting(t.After) == 0 {
		return nil // how many slots there were is not known; or nobody waits, the one it was opened for included
	}
	for i := range t.Effects {
		if e := &t.Effects[i]; e.Kind == core.OpenTab && e.Affinity != 0 {
			if err := t.opensBeyondOlder(e, t.Effects[i:]); err != nil {
				return err
			}
		}
	}
	return t.opensWhereItCan()
}

// supply is how many tabs there are, or are coming, for those that wait in their order: slots,
// standbys, and openings that are not an affinity's own.
func (t *Transition) supply() int32 {
	s := t.After
	n := t.free() + count(s, core.Standby)
	for i := range s.Tabs {
		if tab := &s.Tabs[i]; tab.State == core.Opening && !tab.Overdue && (tab.Affinity == 0 || tab.Doomed) {
			n++
		}
	}
	return n
}

// older counts the requests ahead of r that are let through, and were promised nothing, before the rest of the
// step. A tab that the rest of the step closes still counted towards AffinityTabs.
func (t *Transition) older(r *core.Request, left permitCount, rest []core.Effect) int32 {
	admitted := func(a core.Affinity) bool {
		had := int32(0)
		for i := range rest {
			if e := &rest[i]; e.Kind == core.CloseTab && e.Affinity == a {
				had++
			}
		}
		return t.admittedOf(a) > 0 && t.roomOf(a, had) > 0
	}
	n := int32(0)
	for i := range t.After.Requests {
		q := &t.After.Requests[i]
		if q.Used && q.ID != r.ID && q.Pin == core.None && t.precedes(q, r) &&
			left.of(classOf(t.After, q)) > 0 && (q.Class == core.Nested || admitted(q.Affinity)) {
			n++
		}
	}
	return n
}

// opensBeyondOlder looks at one opening inside a primary; rest is what the step did from there on.
func (t *Transition) opensBeyondOlder(e *core.Effect, rest []core.Effect) error {
	s := t.After
	i, ok := tabAt(s, e.Tab)
	if !ok {
		return nil
	}
	j, ok := requestAt(s, s.Tabs[i].Pinned)
	if !ok {
		return nil // it was served otherwise in the same step
	}
	r := &s.Requests[j]
	_, left := t.letThrough(r, rest)
	supply, older := t.supply(), t.older(r, left, rest)
	for k := range rest {
		switch o := &rest[k]; {
		case o.Kind == core.OpenTab && o.Affinity != 0:
			supply++
		case o.Kind == core.Grant && o.How == core.Adopted:
			supply++
			if q, ok := t.requestBefore(o.Request); ok && t.precedes(&q, r) {
				older++
			}
		}
	}
	if supply <= older {
		return fmt.Errorf("t%d is opened for r%d alone, and %d older ones have %d slots and tabs to come", e.Tab, r.ID, older, supply)
	}
	return nil
}

// opensWhereItCan: nobody is left waiting for a standby for whom a tab could have been opened
// inside a primary.
func (t *Transition) opensWhereItCan() error {
	s := t.After
	free := t.free()
	for i := range t.Effects {
		if e := &t.Effects[i]; e.Kind == core.OpenTab && e.Affinity == 0 {
			free++ // as it was when those that wait were placed
		}
	}
	if free <= 0 || !opens(s) {
		return nil
	}
	left := t.permitsLeft()
	for i := range s.Requests {
		r := &s.Requests[i]
		if !r.Used || r.Pin != core.None || idleOf(s, r.Affinity) {
			continue
		}
		k := &s.Affinities[r.Affinity]
		if k.Primary == core.None || left.of(classOf(s, r)) <= 0 || r.Class != core.Nested && t.admittedOf(r.Affinity) <= 0 {
			continue
		}
		c := &s.Contexts[k.Primary]
		if c.Browser == serving(s).ID && int(tabsIn(s, k.Primary)) < s.Settings.TabsPerContext && t.supply() > t.older(r, left, nil) {
			return fmt.Errorf("r%d waits, and a slot is free for a tab inside c%d", r.ID, c.ID)
		}
	}
	return nil
}

package core

import (
	"fmt"
	"math/big"
)

// The claims about the order of grants: who is ahead, who is let through, and who may be passed by.

// orderHolds: whoever still waits after a step, and was promised nothing, was not let through when a later
// one adopted a standby; and a warm grant, or any while an older one has the promise of a tab, that took the last
// permit counts for those that it passed by, who are passed by so often and no more. The limits are taken
// as they were just before that grant.
func orderHolds(t *Transition) error {
	for j := range t.After.requests {
		if r := &t.After.requests[j]; r.used && int(r.bypassed) > max(0, t.After.settings.MaxBypass) {
			return fmt.Errorf("r%d was passed by %d times", r.id, r.bypassed)
		}
	}
	if err := t.passedBy(); err != nil {
		return err
	}
	if err := opensInside(t); err != nil {
		return err
	}
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != Grant || t.After.requestIndex.used == 0 {
			continue
		}
		granted, ok := t.requestBefore(e.Request)
		if !ok {
			continue
		}
		for j := range t.After.requests {
			r := &t.After.requests[j]
			if !r.used || r.affinity == e.Affinity || !t.precedes(r, &granted) {
				continue
			}
			through, permits := t.letThrough(r, t.Effects[i:])
			last := r.class == Root && granted.class == Root && through && permits == 1
			switch {
			case r.pin != none && last && t.promisedBefore(r) && t.bypassedBefore(r) >= r.bypassed:
				return fmt.Errorf("r%d took the last permit ahead of r%d, which has the promise of a tab and whose bypass is not counted, or used up", e.Request, r.id)
			case r.pin != none:
			case e.How == Adopted && (r.class == Nested || through && permits > 0 && !t.owed(r)):
				return fmt.Errorf("r%d adopted t%d ahead of r%d", e.Request, e.Tab, r.id)
			case e.How == Reassigned && t.couldBeReassigned(r, through && permits > 0) && !t.satThrough(e.Request):
				return fmt.Errorf("r%d was handed t%d ahead of r%d", e.Request, e.Tab, r.id)
			case e.How == Warm && last && t.bypassedBefore(r) >= r.bypassed:
				return fmt.Errorf("r%d took the last permit ahead of r%d, whose bypass is not counted, or used up", e.Request, r.id)
			case e.How == Warm && t.shortOfRoom(r, through && permits > 0) && t.bypassedBefore(r) >= r.bypassed:
				return fmt.Errorf("r%d took room ahead of r%d, whose bypass is not counted, or used up", e.Request, r.id)
			}
		}
	}
	return nil
}

// couldBeReassigned says whether a request that waits is short of a tab, so that another affinity's is for it.
func (t *Transition) couldBeReassigned(r *request, admitted bool) bool {
	nested, roots := t.shortageOf(r.affinity)
	return (r.class == Nested && nested > 0 || r.class == Root && admitted && roots > 0) && !t.owed(r)
}

// precedes is the waiting order, worked out anew.
func (t *Transition) precedes(a, b *request) bool {
	aging := t.After.settings.PriorityAging
	switch {
	case a.priority == b.priority:
		return a.order < b.order
	case aging < 0:
		return a.priority > b.priority
	}
	levels := new(big.Int).Mul(big.NewInt(int64(a.priority)-int64(b.priority)), big.NewInt(int64(aging)))
	switch levels.Cmp(big.NewInt(int64(a.arrived - b.arrived))) {
	case 0:
		return a.arrived < b.arrived
	case 1:
		return true
	}
	return false
}

// shortOfRoom says whether a request that is let through has no tab to get and none on its way, so that
// whoever takes an idle tab takes it from this one.
func (t *Transition) shortOfRoom(r *request, admitted bool) bool {
	if r.class == Root && !admitted || t.relief() > 0 || t.After.counts[Standby]+t.Before.counts[Standby] > 0 {
		return false
	}
	nested, roots := t.shortageOf(r.affinity)
	return r.class == Nested && nested > 0 || r.class == Root && roots > 0
}

// relief is how many tabs are on their way to those that wait, by the ledger.
func (t *Transition) relief() int32 {
	n := t.free()
	for i := range t.After.tabs {
		tab := &t.After.tabs[i]
		if (tab.state == Opening && (tab.affinity == 0 || tab.doomed) || tab.state == Closing) && !tab.overdue {
			n++
		}
	}
	return n
}

// bypassedBefore is how often a request had been passed by before the step.
func (t *Transition) bypassedBefore(r *request) int32 {
	if i, ok := t.Before.requestIndex.get(uint64(r.id)); ok {
		return t.Before.requests[i].bypassed
	}
	return 0
}

// requestBefore finds a granted request as it waited before the step.
func (t *Transition) requestBefore(id RequestID) (request, bool) {
	if i, ok := t.Before.requestIndex.get(uint64(id)); ok {
		return t.Before.requests[i], true
	}
	if t.Event.Kind == Requested && t.Event.Request == id {
		return request{
			id: id, priority: t.Event.Priority, order: ^uint64(0), arrived: t.After.now, affinity: t.Event.Affinity, class: t.Event.Class,
		}, true
	}
	return request{}, false
}

// promisedBefore says whether a request had the promise of a tab before the step.
func (t *Transition) promisedBefore(r *request) bool {
	i, ok := t.Before.requestIndex.get(uint64(r.id))
	return ok && t.Before.requests[i].pin != none
}

// letThrough says whether RootCap and AffinityTabs would have let a root request through before these grants,
// which are the rest of the step's, and how many permits there were. A promised tab is the affinity's already.
func (t *Transition) letThrough(r *request, rest []Effect) (through bool, permits int32) {
	a := r.affinity
	permits = t.permits()
	k := t.After.at(a)
	roots, bound := k.rootLeases, k.bound-k.overdue
	for i := range rest {
		e := &rest[i]
		if e.Kind != Grant {
			continue
		}
		root := false
		if tab := t.Ledger.tab(e.Tab); tab != nil {
			root = tab.class == Root
		}
		if root {
			permits++
		}
		if e.Affinity == a {
			if root {
				roots--
			}
			if e.How.gains() {
				bound--
			}
		}
	}
	return int(roots) < t.After.settings.RootCap && (r.pin != none || int(bound+k.openings) < t.After.settings.AffinityTabs), permits
}

func warmNotBlocked(t *Transition) error {
	s := t.After
	if err := t.adoptedBesideOwn(); err != nil {
		return err
	}
	for i := range s.requests {
		r := &s.requests[i]
		if k := s.at(r.affinity); r.used && s.ownIdle(r.affinity) != none && !t.held(r) &&
			(r.class == Nested || t.permits() > 0 && s.underCap(k)) && (r.pin == none || t.hasFresh(r.affinity)) {
			return fmt.Errorf("r%d waits, and its affinity has an idle tab", r.id)
		}
	}
	return nil
}

// adoptedBesideOwn: nobody is given a standby whose affinity has a tab that needs nothing but a session.
func (t *Transition) adoptedBesideOwn() error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != Grant || e.How != Adopted {
			continue
		}
		for j := range t.After.tabs {
			tab := &t.After.tabs[j]
			if tab.state != 0 && tab.affinity == e.Affinity && needsSession(tab, t.After.settings.Reset) {
				return fmt.Errorf("r%d adopted t%d, and t%d of its affinity needs nothing but a session", e.Request, e.Tab, tab.id)
			}
		}
	}
	return nil
}

// needsSession says whether a tab that nobody was promised is idle as soon as a session has ended, or begun.
func needsSession(t *tab, reset bool) bool {
	part := t.part == PartBegin || t.part == PartEnd && !reset
	return t.state == Resetting && part && !t.overdue && !t.suspect && !t.retried && t.pinned == 0
}

// owed says whether a request may be held back for an older one of another affinity whose bypass is used
// up.
func (t *Transition) owed(r *request) bool {
	for i := range t.After.requests {
		q := &t.After.requests[i]
		if q.used && (q.affinity != r.affinity || q.pin != none) && t.After.usedUp(q) && t.After.ahead(q, r) {
			through, _ := t.letThrough(q, nil)
			if q.class == Nested && q.pin == none || q.class == Root && through {
				return true
			}
		}
	}
	return false
}

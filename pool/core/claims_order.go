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
	for j := range t.After.Requests {
		if r := &t.After.Requests[j]; r.Used && int(r.Bypassed) > max(0, t.After.Settings.MaxBypass) {
			return fmt.Errorf("r%d was passed by %d times", r.ID, r.Bypassed)
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
		for j := range t.After.Requests {
			r := &t.After.Requests[j]
			if !r.Used || r.Affinity == e.Affinity || !t.precedes(r, &granted) {
				continue
			}
			through, permits := t.letThrough(r, t.Effects[i:])
			last := r.Class == Root && granted.Class == Root && through && permits == 1
			switch {
			case r.Pin != None && last && t.promisedBefore(r) && t.bypassedBefore(r) >= r.Bypassed:
				return fmt.Errorf("r%d took the last permit ahead of r%d, which has the promise of a tab and whose bypass is not counted, or used up", e.Request, r.ID)
			case r.Pin != None:
			case e.How == Adopted && (r.Class == Nested || through && permits > 0 && !t.owed(r)):
				return fmt.Errorf("r%d adopted t%d ahead of r%d", e.Request, e.Tab, r.ID)
			case e.How == Reassigned && t.couldBeReassigned(r, through && permits > 0) && !t.satThrough(e.Request):
				return fmt.Errorf("r%d was handed t%d ahead of r%d", e.Request, e.Tab, r.ID)
			case e.How == Warm && last && t.bypassedBefore(r) >= r.Bypassed:
				return fmt.Errorf("r%d took the last permit ahead of r%d, whose bypass is not counted, or used up", e.Request, r.ID)
			case e.How == Warm && t.shortOfRoom(r, through && permits > 0) && t.bypassedBefore(r) >= r.Bypassed:
				return fmt.Errorf("r%d took room ahead of r%d, whose bypass is not counted, or used up", e.Request, r.ID)
			}
		}
	}
	return nil
}

// couldBeReassigned says whether a request that waits is short of a tab, so that another affinity's is for it.
func (t *Transition) couldBeReassigned(r *Request, admitted bool) bool {
	nested, roots := t.shortageOf(r.Affinity)
	return (r.Class == Nested && nested > 0 || r.Class == Root && admitted && roots > 0) && !t.owed(r)
}

// precedes is the waiting order, worked out anew.
func (t *Transition) precedes(a, b *Request) bool {
	aging := t.After.Settings.PriorityAging
	switch {
	case a.Priority == b.Priority:
		return a.Order < b.Order
	case aging < 0:
		return a.Priority > b.Priority
	}
	levels := new(big.Int).Mul(big.NewInt(int64(a.Priority)-int64(b.Priority)), big.NewInt(int64(aging)))
	switch levels.Cmp(big.NewInt(int64(a.Arrived - b.Arrived))) {
	case 0:
		return a.Arrived < b.Arrived
	case 1:
		return true
	}
	return false
}

// shortOfRoom says whether a request that is let through has no tab to get and none on its way, so that
// whoever takes an idle tab takes it from this one.
func (t *Transition) shortOfRoom(r *Request, admitted bool) bool {
	if r.Class == Root && !admitted || t.relief() > 0 || t.After.counts[Standby]+t.Before.counts[Standby] > 0 {
		return false
	}
	nested, roots := t.shortageOf(r.Affinity)
	return r.Class == Nested && nested > 0 || r.Class == Root && roots > 0
}

// relief is how many tabs are on their way to those that wait, by the ledger.
func (t *Transition) relief() int32 {
	n := t.free()
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		if (tab.State == Opening && (tab.Affinity == 0 || tab.Doomed) || tab.State == Closing) && !tab.Overdue {
			n++
		}
	}
	return n
}

// bypassedBefore is how often a request had been passed by before the step.
func (t *Transition) bypassedBefore(r *Request) int32 {
	if i, ok := t.Before.requestIndex.get(uint64(r.ID)); ok {
		return t.Before.Requests[i].Bypassed
	}
	return 0
}

// requestBefore finds a granted request as it waited before the step.
func (t *Transition) requestBefore(id RequestID) (Request, bool) {
	if i, ok := t.Before.requestIndex.get(uint64(id)); ok {
		return t.Before.Requests[i], true
	}
	if t.Event.Kind == Requested && t.Event.Request == id {
		return Request{
			ID: id, Priority: t.Event.Priority, Order: ^uint64(0), Arrived: t.After.Now, Affinity: t.Event.Affinity, Class: t.Event.Class,
		}, true
	}
	return Request{}, false
}

// promisedBefore says whether a request had the promise of a tab before the step.
func (t *Transition) promisedBefore(r *Request) bool {
	i, ok := t.Before.requestIndex.get(uint64(r.ID))
	return ok && t.Before.Requests[i].Pin != None
}

// letThrough says whether RootCap and AffinityTabs would have let a root request through before these grants,
// which are the rest of the step's, and how many permits there were. A promised tab is the affinity's already.
func (t *Transition) letThrough(r *Request, rest []Effect) (through bool, permits int32) {
	a := r.Affinity
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
	return int(roots) < t.After.Settings.RootCap && (r.Pin != None || int(bound+k.openings) < t.After.Settings.AffinityTabs), permits
}

func warmNotBlocked(t *Transition) error {
	s := t.After
	if err := t.adoptedBesideOwn(); err != nil {
		return err
	}
	for i := range s.Requests {
		r := &s.Requests[i]
		if k := s.at(r.Affinity); r.Used && s.ownIdle(r.Affinity) != None && !t.held(r) &&
			(r.Class == Nested || t.permits() > 0 && s.underCap(k)) && (r.Pin == None || t.hasFresh(r.Affinity)) {
			return fmt.Errorf("r%d waits, and its affinity has an idle tab", r.ID)
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
		for j := range t.After.Tabs {
			tab := &t.After.Tabs[j]
			if tab.State != 0 && tab.Affinity == e.Affinity && needsSession(tab, t.After.Settings.Reset) {
				return fmt.Errorf("r%d adopted t%d, and t%d of its affinity needs nothing but a session", e.Request, e.Tab, tab.ID)
			}
		}
	}
	return nil
}

// needsSession says whether a tab that nobody was promised is idle as soon as a session has ended, or begun.
func needsSession(t *Tab, reset bool) bool {
	part := t.Part == PartBegin || t.Part == PartEnd && !reset
	return t.State == Resetting && part && !t.Overdue && !t.Suspect && !t.Retried && t.Pinned == 0
}

// owed says whether a request may be held back for an older one of another affinity whose bypass is used
// up.
func (t *Transition) owed(r *Request) bool {
	for i := range t.After.Requests {
		q := &t.After.Requests[i]
		if q.Used && (q.Affinity != r.Affinity || q.Pin != None) && t.After.usedUp(q) && t.After.ahead(q, r) {
			through, _ := t.letThrough(q, nil)
			if q.Class == Nested && q.Pin == None || q.Class == Root && through {
				return true
			}
		}
	}
	return false
}

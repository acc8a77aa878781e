package spec

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// The claims about the order of grants: who is ahead, who is let through, and who may be passed by.

// orderHolds: whoever still waits after a step, and was promised nothing, was not let through when
// a later one adopted a standby; and a warm grant, or any while an older one has the promise of a
// tab, that took the last permit counts for those that it passed by, who are passed by so often and
// no more. The limits are taken as they were just before that grant.
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
		if e.Kind != core.Grant || waiting(t.After) == 0 {
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
			through, left := t.letThrough(r, t.Effects[i:])
			class := classOf(t.After, r)
			free := left.of(class) > 0 && (through || class == core.Nested)
			last := through && left.takesLast(classOf(t.After, &granted), class)
			switch {
			case r.Pin != core.None && last && t.promisedBefore(r) && t.bypassedBefore(r) >= r.Bypassed:
				return fmt.Errorf("r%d took the last permit ahead of r%d, which has the promise of a tab and whose bypass is not counted, or used up", e.Request, r.ID)
			case r.Pin != core.None:
			case e.How == core.Adopted && (class == core.Nested || free && !t.owed(r)):
				return fmt.Errorf("r%d adopted t%d ahead of r%d", e.Request, e.Tab, r.ID)
			case e.How == core.Reassigned && t.couldBeReassigned(r, free) && !t.satThrough(e.Request):
				return fmt.Errorf("r%d was handed t%d ahead of r%d", e.Request, e.Tab, r.ID)
			case e.How == core.Warm && last && t.bypassedBefore(r) >= r.Bypassed:
				return fmt.Errorf("r%d took the last permit ahead of r%d, whose bypass is not counted, or used up", e.Request, r.ID)
			case e.How == core.Warm && t.shortOfRoom(r, free) && t.bypassedBefore(r) >= r.Bypassed:
				return fmt.Errorf("r%d took room ahead of r%d, whose bypass is not counted, or used up", e.Request, r.ID)
			}
		}
	}
	return nil
}

// couldBeReassigned says whether a request that waits is short of a tab, so that another affinity's
// is for it.
func (t *Transition) couldBeReassigned(r *core.Request, admitted bool) bool {
	return admitted && t.lacks(r) && !t.owed(r)
}

// precedes is the waiting order, worked out anew.
func (t *Transition) precedes(a, b *core.Request) bool {
	aging := t.After.Settings.PriorityAging
	switch {
	case a.Priority == b.Priority:
		return a.Order < b.Order
	case aging < 0:
		return a.Priority > b.Priority
	}
	// Whether levels * aging exceeds the lead of b, without a product that could overflow.
	levels, lead := int64(a.Priority)-int64(b.Priority), int64(a.Arrived-b.Arrived)
	switch whole, rest := lead/int64(aging), lead%int64(aging); {
	case levels != whole:
		return levels > whole
	case rest != 0:
		return rest < 0
	}
	return a.Arrived < b.Arrived
}

// shortOfRoom says whether a request that is let through has no tab to get and none on its way, so
// that whoever takes an idle tab takes it from this one.
func (t *Transition) shortOfRoom(r *core.Request, admitted bool) bool {
	if !admitted || t.relief() > 0 || count(t.After, core.Standby)+count(t.Before, core.Standby) > 0 {
		return false
	}
	return t.lacks(r)
}

// relief is how many tabs are on their way to those that wait, by the ledger.
func (t *Transition) relief() int32 {
	n := t.free()
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		if (tab.State == core.Opening && (tab.Affinity == 0 || tab.Doomed) || tab.State == core.Closing) && !tab.Overdue {
			n++
		}
	}
	return n
}

// bypassedBefore is how often a request had been passed by before the step.
func (t *Transition) bypassedBefore(r *core.Request) int32 {
	if i, ok := requestAt(t.Before, r.ID); ok {
		return t.Before.Requests[i].Bypassed
	}
	return 0
}

// requestBefore finds a granted request as it waited before the step.
func (t *Transition) requestBefore(id core.RequestID) (core.Request, bool) {
	if i, ok := requestAt(t.Before, id); ok {
		return t.Before.Requests[i], true
	}
	if t.Event.Kind == core.Requested && t.Event.Request == id {
		return core.Request{
			ID: id, Priority: t.Event.Priority, Order: ^uint64(0), Arrived: t.After.Now, Affinity: t.Event.Affinity, Class: t.Event.Class,
		}, true
	}
	return core.Request{}, false
}

// promisedBefore says whether a request had the promise of a tab before the step.
func (t *Transition) promisedBefore(r *core.Request) bool {
	i, ok := requestAt(t.Before, r.ID)
	return ok && t.Before.Requests[i].Pin != core.None
}

// letThrough says whether RootCap and AffinityTabs would have let a root request through before
// these grants, which are the rest of the step's, and how many permits there were. A promised tab
// is the affinity's already.
func (t *Transition) letThrough(r *core.Request, rest []core.Effect) (through bool, left permitCount) {
	a := r.Affinity
	left = t.permitsLeft()
	bounds, late, openings := owns(t.After, a)
	roots, bound := rootLeases(t.After, a), bounds-late
	for i := range rest {
		e := &rest[i]
		if e.Kind != core.Grant {
			continue
		}
		root := false
		if tab := t.Ledger.tab(e.Tab); tab != nil {
			root = tab.class == core.Root
		}
		if root {
			left.grant(+1, reserved(t.After, t.Ledger.tab(e.Tab).priority))
		}
		if e.Affinity == a {
			if root {
				roots--
			}
			if gains(e.How) {
				bound--
			}
		}
	}
	return int(roots) < t.After.Settings.RootCap && (r.Pin != core.None || int(bound+openings) < t.After.Settings.AffinityTabs), left
}

func warmNotBlocked(t *Transition) error {
	s := t.After
	if err := t.adoptedBesideOwn(); err != nil {
		return err
	}
	for i := range s.Requests {
		r := &s.Requests[i]
		if r.Used && idleOf(s, r.Affinity) && !t.held(r) && t.permits(classOf(s, r)) > 0 &&
			(r.Class == core.Nested || underCap(s, r.Affinity)) && (r.Pin == core.None || t.hasFresh(r.Affinity)) {
			return fmt.Errorf("r%d waits, and its affinity has an idle tab", r.ID)
		}
	}
	return nil
}

// adoptedBesideOwn: nobody is given a standby whose affinity has a tab that needs nothing but a
// session.
func (t *Transition) adoptedBesideOwn() error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != core.Grant || e.How != core.Adopted {
			continue
		}
		for j := range t.After.Tabs {
			tab := &t.After.Tabs[j]
			if tab.State != 0 && tab.Affinity == e.Affinity && almostIdle(t.After, tab) {
				return fmt.Errorf("r%d adopted t%d, and t%d of its affinity needs nothing but a session", e.Request, e.Tab, tab.ID)
			}
		}
	}
	return nil
}

// owed says whether a request may be held back for an older one of another affinity whose bypass is
// used up.
func (t *Transition) owed(r *core.Request) bool {
	for i := range t.After.Requests {
		q := &t.After.Requests[i]
		if q.Used && (q.Affinity != r.Affinity || q.Pin != core.None) && usedUp(t.After, q) && t.precedes(q, r) {
			through, _ := t.letThrough(q, nil)
			if q.Class == core.Nested && q.Pin == core.None || q.Class != core.Nested && through {
				return true
			}
		}
	}
	return false
}

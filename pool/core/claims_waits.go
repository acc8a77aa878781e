package core

import "fmt"

// The claims about waiting: what a wait is told to have been, and that nobody waits who has to be refused.

// waitsHold: up to the last moment at which the root limit stopped it, a request waited for admission; and as long as
// its tab is opened or probed, or where it was promised none, the one that has been opening longest, for that.
func waitsHold(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != Grant && e.Kind != Refuse {
			continue
		}
		j, ok := t.Before.requestIndex.get(uint64(e.Request))
		if !ok {
			continue // it has waited for no time
		}
		r := &t.Before.requests[j]
		waited := t.After.now - r.arrived
		if r.class == Root && r.admittedAt == never && t.Before.permits() <= 0 && e.Waits.Admission != waited {
			return fmt.Errorf("r%d was stopped by the root limit until now, and is told %v of %v", r.id, e.Waits.Admission.Duration(), waited.Duration())
		}
		if e.Kind == Refuse && (e.Reason == RequestAbandoned || e.Reason == PoolClosed) {
			if err := t.toldOfItsTab(r, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// toldOfItsTab looks at what somebody is told who waits no longer, of the tab that would have been his.
func (t *Transition) toldOfItsTab(r *request, e *Effect) error {
	from := r.arrived + e.Waits.Admission
	var its *tab
	if r.pin != none {
		its = &t.Before.tabs[r.pin]
	} else {
		for i := range t.Before.tabs {
			if tab := &t.Before.tabs[i]; tab.state == Opening && (its == nil || tab.openBegan < its.openBegan) {
				its = tab
			}
		}
	}
	switch {
	case its == nil:
	case its.state == Opening && e.Waits.Startup != max(0, t.After.now-max(from, its.openBegan)):
		return fmt.Errorf("r%d gives up while t%d is opened, and is told that this took %v", r.id, its.id, e.Waits.Startup.Duration())
	case its.state == Probing && e.Waits.Probe != max(0, t.After.now-max(from, its.probeBegan)):
		return fmt.Errorf("r%d gives up while t%d is probed, and is told that this took %v", r.id, its.id, e.Waits.Probe.Duration())
	}
	return nil
}

// refusedWhenDue: the step after which nothing can serve any more who has sat through OpenRetries failed rounds
// refuses him; but for one that evicts his affinity's tab, which it does after it has looked.
func (t *Transition) refusedWhenDue() error {
	s := t.After
	if s.requestIndex.used == 0 || !s.satThrough(0) || s.phase >= ending {
		return nil
	}
	for i := range s.requests {
		r := &s.requests[i]
		if !r.used || !s.unserved(int32(i)) || t.closesOf(r.affinity) {
			continue
		}
		if j, ok := t.Before.requestIndex.get(uint64(r.id)); !ok || !t.Before.unserved(j) {
			return fmt.Errorf("r%d has sat through %d failed rounds, nothing can serve it, and it is not refused", r.id, s.settings.OpenRetries)
		}
	}
	return nil
}

// unserved says whether a request has sat through OpenRetries failed rounds, and nothing can serve it.
func (s *State) unserved(i int32) bool {
	r := &s.requests[i]
	return s.counts[Opening] <= s.overdue[Opening] && s.satThrough(r.rounds) && s.admitted(r) && s.at(r.affinity).bound == 0 &&
		(!s.settings.AllowReassign || s.foreignIdle(i) == none)
}

// closesOf says whether this step begins to close a tab of an affinity.
func (t *Transition) closesOf(a Affinity) bool {
	for i := range t.Effects {
		if t.Effects[i].Kind == CloseTab && t.Effects[i].Affinity == a {
			return true
		}
	}
	return false
}

// held says whether a request has to wait for an older one whose bypass is used up: for the last permit, or for room
// of which there is none and none on its way.
func (t *Transition) held(r *request) bool {
	s := t.After
	permit := r.class == Root && t.permits() == 1
	room := s.counts[Standby] == 0 && t.relief() <= 0
	for i := range s.requests {
		q := &s.requests[i]
		if !q.used || !s.usedUp(q) || !t.precedes(q, r) {
			continue
		}
		k := s.at(q.affinity)
		switch {
		case q.pin != none:
			if permit && q.class == Root && s.underCap(k) {
				return true
			}
		case q.affinity == r.affinity, q.class == Root && (k.eligible <= 0 || t.permits() <= 0):
		case permit && q.class == Root:
			return true
		case room:
			nested, roots := t.shortageOf(q.affinity)
			if q.class == Nested && nested > 0 || q.class == Root && roots > 0 {
				return true
			}
		}
	}
	return false
}

// passedBy: nobody is counted as passed by but for a later one of another affinity that took the last permit, or
// room that he is short of.
func (t *Transition) passedBy() error {
	s := t.After
	if s.capacity != t.Before.capacity {
		return nil // how many permits there were is not known
	}
	for j := range s.requests {
		r := &s.requests[j]
		if !r.used || r.bypassed <= t.bypassedBefore(r) {
			continue
		}
		nested, roots := t.shortageOf(r.affinity)
		short := r.pin != none || r.class == Nested && nested > 0 || r.class == Root && roots > 0
		times := int32(0)
		for i := range t.Effects {
			e := &t.Effects[i]
			granted, ok := t.requestBefore(e.Request)
			if e.Kind != Grant || !ok || !t.precedes(r, &granted) {
				continue
			}
			_, permits := t.letThrough(r, t.Effects[i:])
			last := r.class == Root && granted.class == Root && permits == 1
			if r.affinity == e.Affinity && r.pin == none && !t.promisedBefore(r) || !last && !short {
				continue
			}
			times++
		}
		if counted := r.bypassed - t.bypassedBefore(r); counted > times {
			return fmt.Errorf("r%d is counted as passed by %d times, and was %d times", r.id, counted, times)
		}
	}
	return nil
}

package core

import "time"

// What ends a tab that nobody complains of: use, age, and an affinity's idleness.

// sweep closes the tabs of every affinity that nobody holds or waits for, and has not for that long,
// and its orphan, unless those are retained. It looks at this moment only, so nothing that is used
// later can be meant.
func (s *State) sweep(maxIdle time.Duration) {
	for a := range s.affinities {
		k := &s.affinities[a]
		if !k.known || k.waiting != [classes]int32{} || !s.idleFor(k, maxIdle) {
			continue
		}
		for i := k.tabs; i != none; i = s.tabs[i].next {
			if s.tabs[i].state == Idle {
				s.beginClose(i, IdleSweep)
			}
		}
		if p := k.primary; p != none && s.contexts[p].tabs == 0 && !s.settings.RetainOnEvict {
			s.closeContext(p, IdleSweep)
		}
	}
}

// idleFor says whether nobody holds a bound tab of k, and every idle one, and its orphan, has been so that
// long.
func (s *State) idleFor(k *affinity, maxIdle time.Duration) bool {
	for i := k.tabs; i != none; i = s.tabs[i].next {
		t := &s.tabs[i]
		if t.bound() && (t.state != Idle || s.now < t.freedAt.after(maxIdle)) {
			return false
		}
	}
	p := k.primary
	return p == none || s.contexts[p].tabs > 0 || s.now >= s.contexts[p].since.after(maxIdle)
}

// worn is why a tab has to be retired, if it has to.
func (s *State) worn(t *tab) Reason {
	switch {
	case s.settings.MaxUses > 0 && int(t.uses) >= s.settings.MaxUses:
		return MaxUses
	case s.now >= t.retireAt:
		return MaxAge
	}
	return ReasonNone
}

// retire closes a tab that is past its MaxUses or MaxAge, if it is idle or a standby; one that is
// held is looked at again when it is given back.
func (s *State) retire(i int32) {
	t := &s.tabs[i]
	if reason := s.worn(t); reason != ReasonNone && (t.state == Idle || t.state == Standby) {
		s.beginClose(i, reason)
	}
}

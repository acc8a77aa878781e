package core

import "time"

// What ends a tab that nobody complains of: use, age, and an affinity's idleness.

// sweep closes the tabs of every affinity that nobody holds or waits for, and has not for that long,
// and its orphan, unless those are retained. It looks at this moment only, so nothing that is used
// later can be meant.
func (s *State) sweep(maxIdle time.Duration) {
	for a := range s.affinities {
		k := s.at(Affinity(a))
		if !k.known || k.waiting != [classes]int32{} || s.now < k.freedAt.after(maxIdle) || !s.allIdle(k) {
			continue
		}
		for i := k.tabs; i != none; i = s.tabs[i].next {
			if s.tabs[i].state == Idle {
				s.beginClose(i, IdleSweep)
			}
		}
		if p := k.primary; p != none && s.inContexts[p].tabs == 0 && !s.settings.RetainOnEvict {
			s.closeContext(p, IdleSweep)
		}
	}
}

// allIdle says whether every bound tab of k is idle: none is probed, rescued or reset, and none is held, those
// that are marked to close included.
func (s *State) allIdle(k affinity) bool {
	for i := k.tabs; i != none; i = s.tabs[i].next {
		if t := &s.tabs[i]; t.state == Leased || t.bound() && t.state != Idle {
			return false
		}
	}
	return true
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

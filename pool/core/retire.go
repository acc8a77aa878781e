package core

import "time"

// What ends a tab that nobody complains of: use, age, and an affinity's idleness.

// sweep closes the tabs of every affinity that nobody holds or waits for, and has not for that
// long, and its orphan, unless those are retained. It looks at this moment only, so nothing that is
// used later can be meant.
func (s *State) sweep(maxIdle time.Duration) {
	for a := range s.Affinities {
		k := s.at(Affinity(a))
		if !k.Known || k.waiting != [Classes]int32{} || s.Now < k.FreedAt.Add(maxIdle) || !s.allIdle(k) {
			continue
		}
		for i := k.Tabs; i != None; i = s.Tabs[i].Next {
			if s.Tabs[i].State == Idle {
				s.beginClose(i, IdleSweep)
			}
		}
		if p := k.Primary; p != None && s.inContexts[p].tabs == 0 && !s.Settings.RetainOnEvict {
			s.closeContext(p, IdleSweep)
		}
	}
}

// allIdle says whether every bound tab of k is idle: none is probed, rescued or reset, and none is
// held, those that are marked to close included.
func (s *State) allIdle(k affinity) bool {
	for i := k.Tabs; i != None; i = s.Tabs[i].Next {
		if t := &s.Tabs[i]; t.State == Leased || t.bound() && t.State != Idle {
			return false
		}
	}
	return true
}

// worn is why a tab has to be retired, if it has to.
func (s *State) worn(t *Tab) Reason {
	switch {
	case s.Settings.MaxUses > 0 && int(t.Uses) >= s.Settings.MaxUses:
		return MaxUses
	case s.Now >= t.RetireAt:
		return MaxAge
	}
	return ReasonNone
}

// retire closes a tab that is past its MaxUses or MaxAge, if it is idle or a standby; one that is
// held is looked at again when it is given back.
func (s *State) retire(i int32) {
	t := &s.Tabs[i]
	if reason := s.worn(t); reason != ReasonNone && (t.State == Idle || t.State == Standby) {
		s.beginClose(i, reason)
	}
}

package core

import "time"

// What ends a tab that nobody complains of: use, age, and an affinity's idleness.

// sweep closes the tabs of every affinity that nobody holds or waits for, and has not for that
// long, and its orphan, unless those are retained. It looks at this moment only, so nothing that is
// used later can be meant.
func (s *State) sweep(maxIdle time.Duration) {
	for a := range s.Affinities {
		if s.Now >= s.Affinities[a].UsedAt.Add(maxIdle) {
			s.sweepIdle(Affinity(a))
		}
	}
}

// sweepIdle does so with one affinity, if nobody holds it or waits for it.
func (s *State) sweepIdle(a Affinity) {
	if int(a) >= len(s.Affinities) || !s.unused(a) {
		return
	}
	k := s.at(a)
	for i := k.Tabs; i != None; i = s.Tabs[i].Next {
		if s.Tabs[i].State == Idle {
			s.beginClose(i, IdleSweep)
		}
	}
	if s.sweepsOrphan(k) {
		s.closeContext(k.Primary, IdleSweep)
	}
}

// sweepsOrphan says whether the primary of an affinity is an orphan that a sweep closes.
func (s *State) sweepsOrphan(k affinity) bool {
	return k.Primary != None && s.inContexts[k.Primary] == 0 && !s.Settings.RetainOnEvict
}

// unused says whether nobody holds an affinity or waits for it.
func (s *State) unused(a Affinity) bool {
	k := s.at(a)
	return k.Known && k.waiting == [Classes]int32{} && s.allIdle(k)
}

// idleDue is when an affinity is closed for MaxIdle; Never: it is not, or has nothing to close.
func (s *State) idleDue(a Affinity) Time {
	k := s.at(a)
	if s.Settings.MaxIdle < 0 || s.firstIdle(k) == None && !s.sweepsOrphan(k) || !s.unused(a) {
		return Never
	}
	return k.UsedAt.Add(s.Settings.MaxIdle)
}

// firstIdle is the first idle tab of an affinity.
func (s *State) firstIdle(k affinity) int32 {
	i := k.Tabs
	for i != None && s.Tabs[i].State != Idle {
		i = s.Tabs[i].Next
	}
	return i
}

// allIdle says whether every bound tab of k is idle: none is probed, rescued or reset, and none is
// held, those that are marked to close included.
func (s *State) allIdle(k affinity) bool {
	for i := k.Tabs; i != None; i = s.Tabs[i].Next {
		if t := &s.Tabs[i]; t.State == Leased || t.Bound() && t.State != Idle {
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

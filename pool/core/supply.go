package core

import (
	"math"
	"time"
)

// Where tabs come from: the target, the distance to it, and eviction, which makes the room.

// limit is how many tabs may be alive: capacity, and one spare on top.
func (s *State) limit() int32 { return s.capacity + 1 }

// free is how many tabs may still be opened.
func (s *State) free() int32 { return max(0, s.limit()-s.alive()) }

// target is how many standbys there should be: the spare, or as many as fill the pool.
func (s *State) target() int32 { return max(1, s.capacity-s.bound) }

// evict begins to close idle tabs, as many as those who wait are short of; with nobody waiting, one
// for the spare. What is on its way already counts as relief, so nothing is evicted twice for one
// shortage; for those who wait, only what is not overdue counts.
func (s *State) evict() {
	if s.phase >= ending {
		return
	}
	if need := s.need(); need > 0 {
		relief := s.counts[Opening] - s.overdue[Opening] + s.counts[Closing] - s.overdue[Closing] + s.free()
		for ; relief < need; relief++ {
			if !s.evictOne(false) {
				return
			}
		}
		return
	}
	if s.counts[Standby]+s.counts[Opening]+s.counts[Closing]+s.doomed()+s.free() == 0 {
		s.evictOne(true)
	}
}

// doomed is how many leased tabs are marked to close. Each will free its slot, so the spare waits for
// it and takes no innocent tab; those who wait do not, for it may be held for long.
func (s *State) doomed() int32 { return s.counts[Leased] + s.counts[Idle] - s.bound }

// evictOne closes the idle tab whose affinity was handed out longest ago, and of that affinity a
// supplementary one first. For the spare, it takes none of an affinity that holds a root lease: the
// nested work of that lease will want it.
func (s *State) evictOne(spare bool) bool {
	victim := none
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.state != Idle || spare && s.affinities[t.affinity].rootLeases > 0 {
			continue
		}
		if victim == none || s.colder(int32(i), victim) {
			victim = int32(i)
		}
	}
	if victim == none {
		return false
	}
	s.beginClose(victim, Eviction)
	return true
}

func (s *State) colder(i, j int32) bool {
	t, u := &s.tabs[i], &s.tabs[j]
	if t.affinity != u.affinity {
		return s.affinities[t.affinity].stamp < s.affinities[u.affinity].stamp
	}
	return s.warmer(&s.affinities[t.affinity], j, i)
}

// open asks for standbys until the target is met, and for one for each of those who wait.
func (s *State) open() {
	b := s.ready()
	if b == nil || s.paused || s.phase >= ending {
		return
	}
	for s.free() > 0 {
		fresh := s.counts[Standby] + s.counts[Opening] - s.overdue[Opening]
		if s.counts[Standby]+s.counts[Opening] >= s.target() && fresh >= s.need() {
			return
		}
		s.lastTab++
		s.lastContext++
		i := s.addTab(tab{
			id: s.lastTab, context: s.lastContext, browser: b.id,
			state: Opening, since: s.now, openBegan: s.now, unopened: true,
		})
		t := &s.tabs[i]
		s.operation(Effect{Kind: OpenTab, Tab: t.id, Context: t.context, Browser: t.browser})
	}
}

// opened makes a tab a standby. Where nobody waits for the answer any more, what it opened is
// closed.
func (s *State) opened(i int32, jitter time.Duration) {
	t := &s.tabs[i]
	if !t.unopened {
		return
	}
	t.unopened = false
	t.openEnded = s.now
	switch {
	case t.state == Opening:
		s.success, s.paused = s.rounds, false
		s.failedOpenings = 0
		t.retireAt = math.MaxInt64
		if s.settings.MaxAge > 0 {
			t.retireAt = s.now.after(s.settings.MaxAge).after(jitter)
		}
		s.setState(i, Standby)
		s.link(&s.standbys, &s.lastReady, i)
	case s.serves(t.browser):
		s.closeAgain(i)
	}
}

// openFailed closes what a failed opening may have left, and pauses before the next.
func (s *State) openFailed(i int32) {
	t := &s.tabs[i]
	if !t.unopened {
		return
	}
	t.unopened = false
	switch {
	case t.state == Opening:
		s.beginClose(i, OpenFailure)
		s.failedOpening()
	case s.serves(t.browser):
		s.closeAgain(i)
	}
}

// openSilent gives up on an opening. From here the closing times run; a late answer is closed.
func (s *State) openSilent(i int32) {
	if s.tabs[i].state == Opening {
		s.beginClose(i, OpenTimeout)
		s.failedOpening()
	}
}

// sweep closes the tabs of every affinity that nobody holds or waits for, and has not for that long.
// It looks at this moment only, so nothing that is used later can be meant.
func (s *State) sweep(maxIdle time.Duration) {
	for a := range s.affinities {
		k := &s.affinities[a]
		if k.idle == 0 || k.bound > k.idle || k.waiting != [classes]int32{} || !s.idleFor(k, maxIdle) {
			continue
		}
		for i := k.tabs; i != none; i = s.tabs[i].next {
			if s.tabs[i].state == Idle {
				s.beginClose(i, IdleSweep)
			}
		}
	}
}

// idleFor says whether every idle tab of k was given back that long ago.
func (s *State) idleFor(k *affinity, maxIdle time.Duration) bool {
	for i := k.tabs; i != none; i = s.tabs[i].next {
		if t := &s.tabs[i]; t.state == Idle && s.now < t.since.after(maxIdle) {
			return false
		}
	}
	return true
}

// retire closes a tab that is past its MaxUses or MaxAge, if it is idle or a standby; one that is
// held is looked at again when it is given back. It is false where the tab stays.
func (s *State) retire(i int32) bool {
	t := &s.tabs[i]
	old := s.now >= t.retireAt
	worn := s.settings.MaxUses > 0 && int(t.uses) >= s.settings.MaxUses
	switch {
	case t.state != Idle && t.state != Standby || !old && !worn:
		return false
	case worn:
		s.beginClose(i, MaxUses)
	default:
		s.beginClose(i, MaxAge)
	}
	return true
}

package core

import (
	"slices"
)

// Who is first is read from orders that are kept up to date bit by bit. Here each answer is
// compared with that of a plain walk over everything there is, in the midst of steps, where
// somebody can still be placed.

// plainForPrimary is firstForPrimary, by a walk over the contexts.
func plainForPrimary(s *State) int32 {
	r := None
	for i := range s.Contexts {
		if s.Contexts[i].State != ContextOpen || !s.isPrimary(int32(i)) {
			continue
		}
		k := s.at(s.Contexts[i].Affinity)
		for c := Root; c < Classes; c++ {
			q := k.queue[c]
			if q == None || k.idle > 0 || s.permits(c) <= 0 || c != Nested && k.eligible <= 0 {
				continue
			}
			if s.free() > 0 && s.opensInPrimary(q) {
				r = s.first(r, q)
			}
		}
	}
	return r
}

// plainWarm is firstWarm, by a walk over the tabs.
func plainWarm(s *State) int32 {
	r := None
	for i := range s.Tabs {
		if s.Tabs[i].State != Idle {
			continue
		}
		a := s.Tabs[i].Affinity
		k := s.at(a)
		for c := Root; c < Classes; c++ {
			if c != Nested && (s.permits(c) <= 0 || !s.underCap(k)) {
				continue
			}
			q := k.queue[c]
			if !s.stale(s.ownIdle(a)) {
				q = s.first(q, k.pins[c])
			}
			if q != None && !s.heldBack(q) {
				r = s.first(r, q)
			}
		}
	}
	return r
}

// plainWaiting is the first request of a class that the limits let through and that was promised
// nothing.
func plainWaiting(s *State, c Class) int32 {
	r := None
	for i := range s.Requests {
		q := &s.Requests[i]
		if q.Used && q.Class == c && q.Pin == None && (c == Nested || s.at(q.Affinity).eligible > 0) {
			r = s.first(r, int32(i))
		}
	}
	return r
}

// plainOrphan is the oldest orphan.
func plainOrphan(s *State) int32 {
	oldest := None
	for i := range s.Contexts {
		if s.orphan(int32(i)) && (oldest == None || s.older(&s.Contexts[i], &s.Contexts[oldest])) {
			oldest = int32(i)
		}
	}
	return oldest
}

// plainAhead is who is ahead of a request among those of a class, by slot.
func plainAhead(s *State, c Class, r int32) []int32 {
	var ahead []int32
	for i := range s.Requests {
		q := &s.Requests[i]
		if q.Used && q.Class == c && q.Pin == None && (c == Nested || s.at(q.Affinity).eligible > 0) && s.before(int32(i), r) {
			ahead = append(ahead, int32(i))
		}
	}
	return ahead
}

// plainDeadline is the next deadline, by a walk over all that are armed.
func plainDeadline(s *State) Deadline {
	all := s.Deadlines(nil)
	if len(all) == 0 {
		return Deadline{}
	}
	return slices.MinFunc(all, func(d, e Deadline) int {
		switch {
		case d.At < e.At || d.At == e.At && d.Event.Tab < e.Event.Tab:
			return -1
		case d.At == e.At && d.Event.Tab == e.Event.Tab:
			return 0
		}
		return 1
	})
}

// Disagreement says which of the orders gives another answer than the walk; "": none.
func Disagreement(s *State) string {
	s.freshen()
	if s.firstForPrimary(None) != plainForPrimary(s) {
		return "the first whose primary has a place"
	}
	if s.firstWarm(None) != plainWarm(s) {
		return "the first that an own idle tab serves"
	}
	if s.orphans != plainOrphan(s) {
		return "the oldest orphan"
	}
	if next, _ := s.NextDeadline(); next != plainDeadline(s) {
		return "the next deadline"
	}
	for c := Root; c < Classes; c++ {
		first := None
		if s.heads[c] != None {
			first = s.keys[s.heads[c]].queue[c]
		}
		if first != plainWaiting(s, c) {
			return "the first that waits"
		}
		for r := range s.Requests {
			if !s.Requests[r].Used {
				continue
			}
			var ahead []int32
			s.eachAheadIn(s.heads[c], c, int32(r), func(i int32) bool {
				ahead = append(ahead, i)
				return true
			})
			if slices.Sort(ahead); !slices.Equal(ahead, plainAhead(s, c, int32(r))) {
				return "who is ahead of a request"
			}
		}
	}
	return ""
}

// Settled does what Step does, and calls look wherever somebody may be placed.
func Settled(s *State, now Time, e Event, look func()) {
	s.Now = max(s.Now, now)
	s.armed = Never
	s.admitAgain()
	s.handle(&e)
	for look(); s.placeFirst(); {
		look()
	}
	s.settle(&e)
	s.armTabs()
	look()
}

// Met says what there is for the orders to answer.
func Met(s *State) map[string]bool {
	return map[string]bool{
		"a request whose primary has a place": s.firstForPrimary(None) != None,
		"a request that an idle tab serves":   s.firstWarm(None) != None,
		"several that wait":                   len(s.Requests)-len(s.FreeRequests) > 3,
		"an orphan":                           s.orphans != None,
		"a context that ends":                 s.endings != None,
	}
}

// Handled does the first part of Step.
func Handled(s *State, e Event) {
	s.handle(&e)
	s.freshen()
}

// Spoils spoil one order each; false: there is nothing to spoil.
var Spoils = map[string]func(s *State) bool{
	"forgets whose primary has a place": func(s *State) bool {
		was := s.inside
		s.inside = [Classes]int32{None, None}
		return was != s.inside && s.free() > 0 && s.opens() && plainForPrimary(s) != None
	},
	"forgets who can be served": func(s *State) bool {
		if plainWarm(s) == None {
			return false
		}
		s.warmWaiting = s.warmWaiting[:0]
		return true
	},
	"forgets the oldest orphan": func(s *State) bool {
		if s.orphans == None {
			return false
		}
		s.orphans = remove(contextArena{s}, s.orphans, s.orphans)
		return true
	},
	"forgets a context that ends": func(s *State) bool {
		if next := plainDeadline(s); !next.Event.Is(Silent, CloseContext) {
			return false
		}
		s.endings = None
		return true
	},
	"forgets the first that waits": func(s *State) bool {
		if s.heads[Root] == None {
			return false
		}
		s.heads[Root] = remove(headArena{s, Root}, s.heads[Root], s.heads[Root])
		return true
	},
	"forgets a branch of those that wait": func(s *State) bool {
		if s.heads[Root] == None {
			return false
		}
		branch := &s.keys[s.heads[Root]].links[Root].left
		if *branch == None {
			return false
		}
		first := s.keys[*branch].queue[Root]
		*branch = None
		return slices.ContainsFunc(s.Requests, func(r Request) bool { return r.Used && s.ahead(&s.Requests[first], &r) })
	},
}

// CheckNames are the names of what CheckBooks looks at.
func CheckNames() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

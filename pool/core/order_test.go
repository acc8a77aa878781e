package core

import (
	"slices"
)

// Who is first is read from orders that are kept up to date bit by bit. Here each answer is
// compared with that of a plain walk over everything there is, in the midst of steps, where
// somebody can still be placed.

// plainForPrimary is firstForPrimary, by a walk over the requests.
func plainForPrimary(s *State) int32 {
	r := None
	for i := range s.Requests {
		q := &s.Requests[i]
		k := s.at(q.Affinity)
		if !waits(s, q) || k.Own || s.permits(q.Class) <= 0 || s.holding(k).idle > 0 || !s.fits(k) {
			continue
		}
		older := 0
		for j := range s.Requests {
			o := &s.Requests[j]
			if waits(s, o) && s.permits(o.Class) > 0 && s.before(int32(j), int32(i)) &&
				!plainIdleServes(s, int32(j)) {
				older++
			}
		}
		if s.free() > 0 && s.opens() && older < int(s.free()+s.counts[Standby]+s.toCome()) {
			r = s.first(r, int32(i))
		}
	}
	return r
}

// plainIdleServes is idleServes, by a walk over the tabs and the requests.
func plainIdleServes(s *State, r int32) bool {
	idle := 0
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State == Idle && t.Affinity == s.Requests[r].Affinity {
			idle++
		}
	}
	for i := range s.Requests {
		o := &s.Requests[i]
		if o.Used && o.Pin == None && o.Affinity == s.Requests[r].Affinity && s.before(int32(i), r) {
			idle--
		}
	}
	return idle > 0
}

// plainWarm is firstWarm, by a walk over the requests.
func plainWarm(s *State) int32 {
	r := None
	for i := range s.Requests {
		q := &s.Requests[i]
		if !q.Used || q.Class != Nested && (s.permits(q.Class) <= 0 || !s.underCap(s.at(q.Affinity))) {
			continue
		}
		own := s.ownIdle(q.Affinity)
		fresh := own != None && !s.stale(own)
		almost := own == None && s.ownAlmostIdle(q.Affinity) != None
		if (fresh || q.Pin == None && (own != None || almost)) && !s.heldBack(int32(i)) {
			r = s.first(r, int32(i))
		}
	}
	return r
}

// waits says whether a request waits that limits let through and that was promised nothing.
func waits(s *State, q *Request) bool {
	return q.Used && q.Pin == None && (q.Class == Nested || s.passes(q.Affinity, q.Class))
}

// plainWaiting is the first request of a class, and of one kind of affinities, that waits.
func plainWaiting(s *State, c Class, own bool) int32 {
	r := None
	for i := range s.Requests {
		if q := &s.Requests[i]; waits(s, q) && q.Class == c && s.at(q.Affinity).Own == own {
			r = s.first(r, int32(i))
		}
	}
	return r
}

// plainAhead is who is ahead of a request among those of a class that a standby serves, by slot.
func plainAhead(s *State, c Class, r int32) []int32 {
	var ahead []int32
	for i := range s.Requests {
		if q := &s.Requests[i]; waits(s, q) && q.Class == c && !s.at(q.Affinity).Own &&
			s.before(int32(i), r) {
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
	if s.firstForPrimary(None) != plainForPrimary(s) {
		return "the first whose primary has a place"
	}
	if s.firstWarm() != plainWarm(s) {
		return "the first that an own idle tab serves"
	}
	if next, _ := s.NextDeadline(); next != plainDeadline(s) {
		return "the next deadline"
	}
	var order []int32
	s.inOrder(func(r int32) bool {
		order = append(order, r)
		return true
	})
	want := 0
	for c := Root; c < Classes; c++ {
		if s.firstIn(s.heads[c], c, None, s.passes) != plainWaiting(s, c, false) ||
			s.firstIn(s.ownHeads[c], c, None, s.passes) != plainWaiting(s, c, true) {
			return "the first that waits"
		}
		for r := range s.Requests {
			if !s.Requests[r].Used {
				continue
			}
			if waits(s, &s.Requests[r]) && s.Requests[r].Class == c && s.permits(c) > 0 {
				want++
			}
			var ahead []int32
			s.eachHeadAhead(s.heads[c], c, int32(r), func(a Affinity) bool {
				return !s.passes(a, c) || s.eachAhead(s.at(a).queue[c], int32(r), func(q *Request) bool {
					i, _ := s.requestIndex.get(uint64(q.ID))
					ahead = append(ahead, i)
					return true
				})
			})
			if slices.Sort(ahead); !slices.Equal(ahead, plainAhead(s, c, int32(r))) {
				return "who is ahead of a request"
			}
		}
	}
	if len(order) != want || !slices.IsSortedFunc(order, func(i, j int32) int {
		if s.before(i, j) {
			return -1
		}
		return 1
	}) {
		return "the waiting order"
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
		"a request that an idle tab serves":   s.firstWarm() != None,
		"several that wait":                   len(s.Requests)-len(s.FreeRequests) > 3,
	}
}

// Handled does the first part of Step.
func Handled(s *State, e Event) {
	s.handle(&e)
}

// Spoils spoil one order each; false: there is nothing to spoil.
var Spoils = map[string]func(s *State) bool{
	"forgets the first that waits": func(s *State) bool {
		first := plainWaiting(s, Root, false)
		if first == None || int32(s.Requests[first].Affinity) != s.heads[Root] {
			return false // the first head is stopped by a limit, or was promised a tab
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
		return waits(s, &s.Requests[first]) && slices.ContainsFunc(s.Requests, func(r Request) bool {
			return r.Used && s.ahead(&s.Requests[first], &r)
		})
	},
}

// CheckNames are the names of what CheckBooks looks at.
func CheckNames() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

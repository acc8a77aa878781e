package linear

import "slices"

// Rules are the settings that the specification depends on.
type Rules struct {
	MinPages, MaxPages int // the least and the greatest capacity
	RootCap            int
	OrphanCap          int
	TabsPerContext     int
	Reassign           bool
}

// State is a pool between two calls. It is never changed: step makes a new one.
type State struct {
	grants, reuses uint64
	phase          phase
	leases         []lease    // those that are held, in the order in which they were granted
	affinities     []affinity // those that ever had a tab, in the order of their keys
	tabs           []tab      // those that were ever handed out
	calls          []call     // disposals that wait for their answer
}

type phase uint8

const (
	serving phase = iota
	closing       // no root lease is granted any more
	closed        // nothing is granted, and nothing is there
)

// lease is one tab in use.
type lease struct {
	key     string
	number  int
	tab     int
	context int
	// of the affinity when it was granted: a later one means that the tab is bound no more
	generation int
	root       bool
	unsure     bool // a disposal that returned an error may have ended its generation
}

// affinity is what is known of one key.
type affinity struct {
	key        string
	generation int   // how many disposals it has seen
	idle       []int // tabs that may be there for its next request
	most       int   // at most so many of idle are
	primaries  []int // the contexts that may be its primary; 0: it may have none
}

// tab is one that was handed out: it is never new again.
type tab struct {
	number, context int
	key             string // whose it was last
}

// call is a disposal that took effect and waits.
type call struct {
	number, generation int
	key                string
}

// step says whether a call may take effect in s with this answer, and what is true then.
func (r *Rules) step(s *State, in Input, out Output) (bool, *State) {
	n := *s
	n.leases, n.affinities = slices.Clone(s.leases), slices.Clone(s.affinities)
	ok := true
	switch in.Kind {
	case Get:
		ok = r.get(&n, in, out)
	case GiveBack:
		ok = n.giveBack(in, out)
	case End:
		ok = n.end(in.Number, out.Dead)
	case Dispose:
		n.dispose(in, out)
	case Disposed:
		ok = r.disposed(&n, in, out)
	case Look:
		ok = r.look(&n, out.View)
	case List:
		ok = r.list(&n, out.Keys)
	case Sweep:
		ok = out.Err != "" || n.sweep(out.Keys)
	case Close:
		n.phase = max(n.phase, closing)
	case Closed:
		ok = len(n.leases) == 0
		n.phase = closed
	}
	return ok, &n
}

func (r *Rules) get(s *State, in Input, out Output) bool {
	if out.Err != "" {
		return !out.Closing || s.phase != serving
	}
	if s.phase == closed || s.phase == closing && !in.Nested {
		return false
	}
	a := s.affinity(in.Key)
	i := slices.IndexFunc(s.tabs, func(t tab) bool { return t.number == out.Tab })
	switch {
	case out.Reused:
		if i < 0 || s.tabs[i].context != out.Context || !a.take(out.Tab) {
			return false
		}
		s.reuses++
	case i >= 0 && (!r.Reassign || s.tabs[i].key == in.Key ||
		!s.affinity(s.tabs[i].key).take(out.Tab)):
		return false // it was handed out before, and is not new
	case !r.adopt(s, in.Key, out.Context):
		return false
	}
	s.seen(tab{out.Tab, out.Context, in.Key})
	s.grants++
	a = s.affinity(in.Key) // what was known of others may have moved it
	s.leases = append(s.leases, lease{
		key: in.Key, number: in.Number, tab: out.Tab, context: out.Context, generation: a.generation,
		root: !in.Nested,
	})
	return r.withinLimits(s, in.Key)
}

// adopt notes that a tab which key did not have before was handed to it, in this context: a new
// context, or the primary.
func (r *Rules) adopt(s *State, key string, context int) bool {
	for _, t := range s.tabs {
		if t.context != context || t.key == key {
			continue
		}
		if !r.Reassign {
			return false
		}
		o := s.affinity(t.key)
		o.primaries = without(with(o.primaries, 0), context)
	}
	a := s.affinity(key)
	may := r.primaries(s, a)
	known := slices.ContainsFunc(s.tabs, func(t tab) bool {
		return t.context == context && t.key == key
	})
	switch {
	case slices.Contains(may, context):
		a.primaries = []int{context}
	case known && !r.Reassign:
		return false // a context that is no primary gets no second tab
	case slices.Contains(may, 0):
		a.primaries = with(without(may, 0), context)
	default:
		a.primaries = may
	}
	return true
}

func (r *Rules) withinLimits(s *State, key string) bool {
	roots, own := 0, 0
	for _, l := range s.leases {
		if l.root {
			roots++
			if l.key == key {
				own++
			}
		}
		if l.tab == s.leases[len(s.leases)-1].tab && l.number != s.leases[len(s.leases)-1].number {
			return false // two have it
		}
	}
	return len(s.leases) <= r.MaxPages+1 && roots <= r.MaxPages && own <= r.RootCap
}

func (s *State) giveBack(in Input, out Output) bool {
	if out.Nothing {
		return !slices.ContainsFunc(s.leases, func(l lease) bool { return l.number == in.Number })
	}
	return s.end(in.Number, in.Spoiled)
}

// end ends a lease. Its tab may be there for the next request, unless it is dead or its generation
// is over.
func (s *State) end(number int, dead bool) bool {
	i := slices.IndexFunc(s.leases, func(l lease) bool { return l.number == number })
	if i < 0 {
		return false
	}
	l := s.leases[i]
	s.leases = slices.Delete(s.leases, i, i+1)
	if a := s.affinity(l.key); !dead && l.generation == a.generation {
		a.idle = with(a.idle, l.tab)
		a.most++
	}
	return true
}

// dispose ends a generation: its idle tabs are not there any more, and its leases are bound no
// more. After an error, both may be so.
func (s *State) dispose(in Input, out Output) {
	a := s.affinity(in.Key)
	if !in.Retain {
		a.primaries = with(a.primaries, 0)
	}
	if out.Err != "" {
		for i := range s.leases {
			if l := &s.leases[i]; l.key == in.Key && l.generation == a.generation {
				l.unsure = true
			}
		}
		return
	}
	if !in.Retain {
		a.primaries = []int{0}
	}
	if in.Number != 0 {
		s.calls = append(slices.Clone(s.calls), call{in.Number, a.generation, in.Key})
	}
	a.generation++
	a.idle, a.most = nil, 0
}

// disposed is the answer to a disposal: nobody holds anything of the old generation, and no page of
// it is there.
func (r *Rules) disposed(s *State, in Input, out Output) bool {
	i := slices.IndexFunc(s.calls, func(c call) bool { return c.number == in.Number })
	if i < 0 || !r.Reassign && len(out.Alive) > 0 {
		return false // where tabs are reassigned, one that is alive may be another affinity's by now
	}
	c := s.calls[i]
	s.calls = slices.Delete(slices.Clone(s.calls), i, i+1)
	return !slices.ContainsFunc(s.leases, func(l lease) bool {
		return l.key == c.key && l.generation <= c.generation
	})
}

// sweep notes whom EvictIdle has begun to close.
func (s *State) sweep(keys []string) bool {
	for _, key := range keys {
		i := s.find(key)
		if i < 0 || s.bound(key) > 0 {
			return false
		}
		a := &s.affinities[i]
		if a.most == 0 && !slices.ContainsFunc(a.primaries, func(c int) bool { return c != 0 }) {
			return false // there was nothing to close
		}
		a.idle, a.most = nil, 0
		a.primaries = with(a.primaries, 0)
	}
	return true
}

// find is where key stands in s.affinities, or less than 0.
func (s *State) find(key string) int {
	return slices.IndexFunc(s.affinities, func(a affinity) bool { return a.key == key })
}

// affinity is what s knows of key, which it may have to begin with: nothing is idle, and there is
// no primary.
func (s *State) affinity(key string) *affinity {
	i := slices.IndexFunc(s.affinities, func(a affinity) bool { return a.key >= key })
	if i < 0 {
		i = len(s.affinities)
	}
	if i == len(s.affinities) || s.affinities[i].key != key {
		s.affinities = slices.Insert(s.affinities, i, affinity{key: key, primaries: []int{0}})
	}
	return &s.affinities[i]
}

// take takes a tab for a request, if it may be there.
func (a *affinity) take(tab int) bool {
	if a.most == 0 || !slices.Contains(a.idle, tab) {
		return false
	}
	a.idle = without(a.idle, tab)
	a.most--
	return true
}

func (s *State) seen(t tab) {
	s.tabs = slices.Clone(s.tabs)
	i, found := slices.BinarySearchFunc(s.tabs, t.number, func(o tab, n int) int {
		return o.number - n
	})
	if !found {
		s.tabs = slices.Insert(s.tabs, i, t)
	}
	s.tabs[i] = t
}

// bound is how many leases of key are on tabs that are bound to it, for sure.
func (s *State) bound(key string) int {
	n := 0
	for i := range s.leases {
		if s.leases[i].key == key && s.binds(&s.leases[i]) {
			n++
		}
	}
	return n
}

func (s *State) binds(l *lease) bool {
	return !l.unsure && l.generation == s.affinities[s.find(l.key)].generation
}

// primaries are the contexts that may be a's primary now. One that nobody holds a bound tab in may
// have ceased to be one by itself, and a shared one also where somebody does: when another of its
// tabs was lost.
func (r *Rules) primaries(s *State, a *affinity) []int {
	may := a.primaries
	for _, c := range a.primaries {
		held := slices.ContainsFunc(s.leases, func(l lease) bool {
			return l.key == a.key && l.context == c && s.binds(&l)
		})
		if c != 0 && (!held || r.TabsPerContext > 1) {
			may = with(may, 0)
		}
	}
	return may
}

// with and without give a sorted list with n in it, and without. They leave the list that they are
// given.
func with(list []int, n int) []int {
	i, found := slices.BinarySearch(list, n)
	if found {
		return list
	}
	return slices.Insert(slices.Clone(list), i, n)
}

func without(list []int, n int) []int {
	i, found := slices.BinarySearch(list, n)
	if !found {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}

package core

import (
	"math"
	"math/bits"
)

// Who is let through: the root limit, RootCap and AffinityTabs, and the order among those that
// wait.

// before is the waiting order: higher priority first, first come first served within it. With
// ageing, a request that came PriorityAging earlier is as good as one level more of priority, and
// earlier still is better; so the order of two requests never changes while they wait.
func (s *State) before(i, j int32) bool { return s.ahead(&s.Requests[i], &s.Requests[j]) }

func (s *State) ahead(a, b *Request) bool {
	if a.Priority == b.Priority {
		return a.Order < b.Order
	}
	if s.Settings.PriorityAging < 0 {
		return a.Priority > b.Priority
	}
	if a.Priority < b.Priority {
		return !s.aheadByPriority(b, a)
	}
	return s.aheadByPriority(a, b)
}

// aheadByPriority says whether a request of higher priority is ahead of another: it came first, or
// too little later for the other to have caught up.
func (s *State) aheadByPriority(a, b *Request) bool {
	if a.Arrived <= b.Arrived {
		return true
	}
	over, levels := bits.Mul64(uint64(a.Priority)-uint64(b.Priority), uint64(s.Settings.PriorityAging))
	return over > 0 || uint64(a.Arrived-b.Arrived) < levels
}

// permits is how many more leases requests of a class may have: urgent ones by the root limit,
// other root ones by the reserve too, nested ones as many as they like.
func (s *State) permits(c Class) int32 {
	switch c {
	case Nested:
		return math.MaxInt32
	case Urgent:
		return s.rootPermits()
	}
	return min(s.rootPermits(), s.unreserved())
}

// rootPermits is how many more root leases the root limit allows: capacity less the lost tabs, and
// less one from the first step of a contraction on.
func (s *State) rootPermits() int32 { return s.size() - s.counts[Lost] - s.rootLeases }

// unreserved is how many more root leases that are not urgent the reserve leaves.
func (s *State) unreserved() int32 {
	return int32(s.Settings.Unreserved()) - s.counts[Lost] - (s.rootLeases - s.urgentLeases)
}

// size is the capacity that is to stay: that of a contraction under way counts no more, unless its
// tab is lost and counted so.
func (s *State) size() int32 {
	i, ok := s.tabIndex.get(uint64(s.Contraction))
	if !ok || s.Tabs[i].State == Lost {
		return s.Capacity
	}
	return s.Capacity - 1
}

// underCap says whether RootCap lets one more root lease of k through.
func (s *State) underCap(k affinity) bool { return int(k.rootLeases) < s.Settings.RootCap }

// admitted says whether the limits would let a waiting request through now.
func (s *State) admitted(r *Request) bool {
	if r.Class == Nested {
		return true
	}
	k := s.at(r.Affinity)
	h := s.holding(k)
	return s.permits(r.Class) > 0 && s.underCap(k) &&
		(h.idle > 0 || int(h.owned) < s.Settings.AffinityTabs)
}

// A holding is what an affinity has of tabs that are not on their way out and not overdue.
type holding struct {
	// those that count towards AffinityTabs: bound ones, and those that are opened for it
	owned    int32
	idle     int32          // of those
	coming   int32          // on their way to idle, and promised to nobody
	promised [Classes]int32 // on their way to idle, and promised to a request of a class
	entitled int32          // promised to a nested request at or above ReservedPriority
	room     int32          // how many more root leases and tabs RootCap and AffinityTabs allow
}

func (s *State) holding(k affinity) (h holding) {
	for i := k.Tabs; i != None; i = s.Tabs[i].Next {
		t := &s.Tabs[i]
		if t.Overdue || t.Doomed || t.State >= Closing {
			continue
		}
		h.owned++
		r, promised := s.requestIndex.get(uint64(t.Pinned))
		switch {
		case t.State == Idle:
			h.idle++
		case promised:
			h.promised[s.Requests[r].Class]++
			h.entitled += s.entitled(&s.Requests[r])
		case t.State != Leased:
			h.coming++
		}
	}
	h.room = min(int32(s.Settings.RootCap)-k.rootLeases, int32(s.Settings.AffinityTabs)-h.owned)
	return h
}

// passes says whether the limits of an affinity let its requests of a class through.
func (s *State) passes(a Affinity, c Class) bool {
	return c == Nested || s.holding(s.at(a)).room > 0
}

// letsThrough says whether the limits of an affinity let a root request of it through that waits
// and was promised nothing.
func (s *State) letsThrough(k affinity) bool {
	if k.waitingRoots() == 0 {
		return false
	}
	h := s.holding(k)
	return h.room > 0 && k.waitingRoots() > h.promised[Root]+h.promised[Urgent]
}

// Shortage is what the waiting requests of an affinity could use together.
type Shortage struct {
	Tabs    [Classes]int32 // beyond those that are coming for them
	Permits [Classes]int32 // root leases, but for the root limit and the reserve
	// how many of the tabs of nested ones are for those at or above ReservedPriority
	Entitled int32
}

// Shortage is what an affinity is short of. What it has idle, and what is coming for it anyway, is
// its requests': the nested ones come first, then the urgent ones.
func (s *State) Shortage(a Affinity) Shortage {
	k := s.at(a)
	h := s.holding(k)
	coming := h.idle + h.coming
	tabs := int32(s.Settings.AffinityTabs) - h.owned + coming + h.promised[Root] + h.promised[Urgent]
	short := Shortage{Permits: k.waiting}
	for c, n := range k.waiting {
		short.Tabs[c] = n - h.promised[c]
	}
	limit(&short.Tabs, h.room)
	limit(&short.Permits, min(int32(s.Settings.RootCap)-k.rootLeases, tabs))
	for _, c := range [...]Class{Nested, Urgent, Root} {
		own := min(short.Tabs[c], coming)
		short.Tabs[c], coming = short.Tabs[c]-own, coming-own
	}
	short.Permits[Nested], short.Entitled = 0, min(k.entitled-h.entitled, short.Tabs[Nested])
	return short
}

// limit leaves root requests so much, the urgent ones first.
func limit(n *[Classes]int32, most int32) {
	n[Urgent] = max(0, min(n[Urgent], most))
	n[Root] = max(0, min(n[Root], most-n[Urgent]))
}

// sum adds up what affinities of a heap of heads are short of, from a on down, up to most. Those
// that are short of nothing have tabs or leases already, so it looks at no more than there are of
// these and of what it adds up.
func (s *State) sum(a int32, c Class, most int32, of func(Shortage) int32) int32 {
	if a == None || most <= 0 {
		return 0
	}
	n := min(most, of(s.Shortage(Affinity(a))))
	n += s.sum(s.keys[a].links[c].left, c, most-n, of)
	return n + s.sum(s.keys[a].links[c].right, c, most-n, of)
}

// admitAgain notes, before an event, whether the limits of all root requests are shut; a permit
// that is free from now on then ends a wait for admission.
func (s *State) admitAgain() {
	if s.permits(Root) <= 0 {
		s.RootOpen = s.Now
	}
	if s.Settings.ReservedPages > 0 && s.permits(Urgent) <= 0 {
		s.UrgentOpen = s.Now
	}
}

func (s *State) enqueue(r Request) {
	i := slot(&s.Requests, &s.FreeRequests, r)
	if int(i) == len(s.places) {
		s.places = append(s.places, links{})
	}
	s.touch(r.Affinity)
	s.queue(i)
}

func (s *State) dequeue(i int32) {
	s.unpromise(i)
	r := s.Requests[i]
	s.touch(r.Affinity)
	k := s.at(r.Affinity)
	s.lead(k, &r, remove(requestArena{s}, k.queue[r.Class], i))
	k.entitled -= s.entitled(&r)
	k.waiting[r.Class]--
	s.waiting[r.Class]--
	if s.usedUp(&r) {
		s.exhausted--
	}
	s.requestIndex.remove(uint64(r.ID))
	s.Requests[i] = Request{}
	s.FreeRequests = append(s.FreeRequests, i)
}

// queue puts a request among those that wait.
func (s *State) queue(i int32) {
	r := &s.Requests[i]
	k := s.at(r.Affinity)
	s.requestIndex.put(uint64(r.ID), i)
	k.entitled += s.entitled(r)
	k.waiting[r.Class]++
	s.waiting[r.Class]++
	if s.usedUp(r) {
		s.exhausted++
	}
	s.lead(k, r, insert(requestArena{s}, k.queue[r.Class], i))
}

// lead notes who is the first now of the requests of one's affinity and class. The heads are
// ordered by it.
func (s *State) lead(k affinity, r *Request, first int32) {
	c, heads := r.Class, s.headsOf(k)
	if first == k.queue[c] {
		return
	}
	if k.queue[c] != None {
		heads[c] = remove(headArena{s, c}, heads[c], int32(r.Affinity))
	}
	if k.queue[c] = first; first != None {
		heads[c] = insert(headArena{s, c}, heads[c], int32(r.Affinity))
	}
}

// classOf is the class of a request that an event calls root or nested.
func (s *State) classOf(e *Event) Class {
	if e.Class == Root && s.reserved(e.Priority) {
		return Urgent
	}
	return e.Class
}

// reserved says whether ReservedPages are for requests of a priority.
func (s *State) reserved(priority int32) bool {
	return s.Settings.ReservedPages > 0 && int(priority) >= s.Settings.ReservedPriority
}

// entitled is 1 where a request is a nested one for which the pool grows to MaxPages. Of the root
// ones these are the urgent ones.
func (s *State) entitled(r *Request) int32 {
	if r.Class == Nested && s.reserved(r.Priority) {
		return 1
	}
	return 0
}

// waitingRoots is how many root requests of an affinity wait.
func (k affinity) waitingRoots() int32 { return k.waiting[Root] + k.waiting[Urgent] }

// promise keeps a tab that is being opened or probed for a request, which takes no other but an
// idle one of its own affinity until that is answered or overdue.
func (s *State) promise(r, i int32) {
	q := &s.Requests[r]
	s.touch(q.Affinity)
	q.AdmittedAt = s.admittedFrom(q)
	q.Pin, s.Tabs[i].Pinned = i, q.ID
}

// unpromise ends the promise that a request has, if any; unpin ends that of a tab. Whoever had it
// is placed again.
func (s *State) unpromise(r int32) {
	q := &s.Requests[r]
	if q.Pin == None {
		return
	}
	s.touch(q.Affinity)
	startup, probe := s.spent(q, s.admittedFrom(q), q.Pin)
	q.Startup, q.Probe, q.CountedTo = q.Startup+startup, q.Probe+probe, s.Now
	q.Pin, s.Tabs[q.Pin].Pinned = None, 0
}

func (s *State) unpin(i int32) {
	if r, ok := s.requestIndex.get(uint64(s.Tabs[i].Pinned)); ok {
		s.unpromise(r)
	}
}

// need is how many of those that wait could be given a tab together, had the pool the tabs, beyond
// what is coming for them already: nested ones, and as many root ones as the limits allow. It is
// the shortage that eviction and opening go by.
func (s *State) need() int32 {
	return s.couldHave(added(s.needs(&s.heads), s.needs(&s.ownHeads)))
}

// added is the sum of both, class by class.
func added(m, n [Classes]int32) [Classes]int32 {
	for c := range m {
		m[c] += n[c]
	}
	return m
}

// needs is how many more tabs those of a list of heads could use, by class: no more than they get
// permits for, and than any pool has.
func (s *State) needs(heads *[Classes]int32) (n [Classes]int32) {
	if *heads == noSlots {
		return n
	}
	for c := Root; c < Classes; c++ {
		most := min(s.permits(c), s.most())
		n[c] = s.sum(heads[c], c, most, func(short Shortage) int32 { return short.Tabs[c] })
	}
	return n
}

// most is more than there can ever be tabs.
func (s *State) most() int32 { return int32(s.Settings.MaxPages) + 2 }

// waits splits the time that a request has waited. Up to the last moment at which a limit stopped
// it, it waited for admission. From then on, the time during which its tab (the one promised to it,
// or the one that it gets, i, or the one that has been opening longest) was being opened is
// startup, that during which it was probed is probe, and what is left is waiting for a tab. The
// tabs of promises that were broken count too.
func (s *State) waits(r *Request, i int32) Waits {
	from := s.admittedFrom(r)
	w := Waits{Admission: from - r.Arrived, Startup: r.Startup, Probe: r.Probe}
	switch {
	case r.Pin != None:
		i = r.Pin
	case i == None:
		i = s.oldestOpening()
	}
	if i != None {
		startup, probe := s.spent(r, from, i)
		w.Startup, w.Probe = w.Startup+startup, w.Probe+probe
	}
	w.Tab = s.Now - r.Arrived - w.Admission - w.Startup - w.Probe
	return w
}

// spent is how much of the time since an instant, and since it was last counted, a tab was opened
// and probed.
func (s *State) spent(r *Request, from Time, i int32) (startup, probe Time) {
	t := &s.Tabs[i]
	opened, probed := t.Opened.Ended, t.Probed.Ended
	switch {
	case t.State == Probing || t.thaws():
		probed = s.Now
	case t.State == Opening:
		opened = s.Now
	}
	from = max(from, r.CountedTo)
	return max(0, opened-max(from, t.Opened.Began)), max(0, probed-max(from, t.Probed.Began))
}

// admittedFrom is the last moment at which a limit stopped a request.
func (s *State) admittedFrom(r *Request) Time { return min(r.AdmittedAt, s.admittedSince(r)) }

// admittedSince is since when no limit stops a request; now where one does.
func (s *State) admittedSince(r *Request) Time {
	k := s.at(r.Affinity)
	switch {
	case r.Class == Nested:
		return r.Arrived
	case s.permits(r.Class) <= 0 || !k.open && !s.letsThrough(k):
		return s.Now
	case r.Class == Urgent:
		return max(r.Arrived, s.UrgentOpen, k.OpenSince)
	}
	return max(r.Arrived, s.RootOpen, k.OpenSince)
}

func (s *State) oldestOpening() int32 {
	oldest := None
	for i := range s.Tabs {
		if s.Tabs[i].State == Opening && (oldest == None || s.Tabs[i].ID < s.Tabs[oldest].ID) {
			oldest = int32(i)
		}
	}
	return oldest
}

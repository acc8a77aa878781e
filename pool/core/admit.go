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

// permits is how many more leases requests of a class may have: urgent ones by the root limit, other
// root ones by the reserve too, nested ones as many as they like.
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
	return s.permits(r.Class) > 0 && s.underCap(k) && (k.idle > 0 || int(k.owned()) < s.Settings.AffinityTabs)
}

// owned is how many tabs of an affinity count towards AffinityTabs: its bound ones and those that
// open inside its primary, less those of which an operation is overdue.
func (k affinity) owned() int32 { return k.bound - k.overdue + k.openings }

// freshen brings everything up to date that is derived from the affinities that were touched.
func (s *State) freshen() {
	for _, a := range s.dirty {
		s.at(a).dirty = false
		s.refresh(a)
	}
	s.dirty = s.dirty[:0]
}

func (s *State) refresh(a Affinity) {
	k := s.at(a)
	idle, openings, coming, overdue, almost := int32(0), int32(0), int32(0), int32(0), int32(0)
	for i := k.Tabs; i != None; i = s.Tabs[i].Next {
		switch t := &s.Tabs[i]; {
		case t.State == Idle:
			idle++
		case s.almostIdle(t):
			almost++
			coming++
		case t.Overdue && t.bound():
			overdue++
		case t.Doomed || t.Overdue:
		case t.State == Opening:
			openings++
			fallthrough
		case t.State >= Probing && t.State <= Resetting:
			if t.Pinned == 0 {
				coming++
			}
		}
	}
	s.openings += openings - k.openings
	k.idle, k.openings, k.coming, k.overdue = idle, openings, coming, overdue
	if warm := idle+almost > 0 && k.waiting != [Classes]int32{}; warm != k.warmWaiting {
		s.listWarm(a, warm)
	}
	s.refreshNeeds(k)
	for c := Root; c < Classes; c++ {
		if k.queue[c] == None || c != Nested && k.eligible == 0 {
			continue
		}
		heads, inside := s.headsOf(k)
		k.listed[c] = true
		heads[c] = insert(headArena{s, c}, heads[c], int32(a))
		if s.listsInside(k) {
			k.listedInside[c] = true
			inside[c] = insert(insideArena{headArena{s, c}}, inside[c], int32(a))
		}
	}
}

// listWarm puts an affinity among those that have a waiting request and a tab that is idle, or
// almost, or takes it out.
func (s *State) listWarm(a Affinity, warm bool) {
	k := s.at(a)
	k.warmWaiting = warm
	if warm {
		k.warmAt = int32(len(s.warmWaiting))
		s.warmWaiting = append(s.warmWaiting, a)
		return
	}
	last := s.warmWaiting[len(s.warmWaiting)-1]
	s.warmWaiting[k.warmAt], s.at(last).warmAt = last, k.warmAt
	s.warmWaiting = s.warmWaiting[:len(s.warmWaiting)-1]
}

// refreshNeeds brings up to date how many tabs an affinity's requests could use. What it has idle,
// and what is coming for it anyway, is theirs: the nested ones come first, then the urgent ones.
func (s *State) refreshNeeds(k affinity) {
	var unpromised [Classes]int32
	for c := range unpromised {
		unpromised[c] = k.waiting[c] - k.promised[c]
	}
	free := int32(s.Settings.RootCap) - k.rootLeases
	room := min(free, int32(s.Settings.AffinityTabs)-k.owned())
	urgent := max(0, min(unpromised[Urgent], room))
	others := max(0, min(unpromised[Root], room-urgent))
	own := k.idle + k.coming
	forRoots := max(0, own-unpromised[Nested])
	needs := [Classes]int32{
		Nested: max(0, unpromised[Nested]-own),
		Urgent: max(0, urgent-forRoots),
		Root:   max(0, others-max(0, forRoots-urgent)),
	}
	with := max(0, min(free, int32(s.Settings.AffinityTabs)-k.owned()+own+k.promised[Root]+k.promised[Urgent]))
	permits := [Classes]int32{Urgent: min(k.waiting[Urgent], with)}
	permits[Root] = min(k.waiting[Root], with-permits[Urgent])
	entitled := min(k.entitled, needs[Nested])
	forOwn, ownEntitled := [Classes]int32{}, int32(0)
	if k.Own {
		forOwn, ownEntitled = needs, entitled
	}
	s.entitledNeeds += entitled - k.entitledNeed
	s.ownEntitled += ownEntitled - k.ownEntitled
	for c := range needs {
		s.needs[c] += needs[c] - k.needs[c]
		s.ownNeeds[c] += forOwn[c] - k.ownNeeds[c]
		s.permitsWanted[c] += permits[c] - k.permits[c]
	}
	k.eligible, k.needs, k.permits, k.entitledNeed = urgent+others, needs, permits, entitled
	k.ownNeeds, k.ownEntitled = forOwn, ownEntitled
}

// unlist takes an affinity out of the heads, before its first request, its admission or its primary
// changes.
func (s *State) unlist(a Affinity) {
	k := s.at(a)
	heads, inside := s.headsOf(k)
	for c := Root; c < Classes; c++ {
		if k.listed[c] {
			heads[c] = remove(headArena{s, c}, heads[c], int32(a))
			k.listed[c] = false
		}
		if k.listedInside[c] {
			inside[c] = remove(insideArena{headArena{s, c}}, inside[c], int32(a))
			k.listedInside[c] = false
		}
	}
}

// admitAgain notes, before an event, whether the limits of all root requests are shut; a permit that
// is free from now on then ends a wait for admission.
func (s *State) admitAgain() {
	if s.permits(Root) <= 0 {
		s.RootOpen = s.Now
	}
	if s.Settings.ReservedPages > 0 && s.permits(Urgent) <= 0 {
		s.UrgentOpen = s.Now
	}
}

func (s *State) enqueue(r Request) {
	var i int32
	if n := len(s.FreeRequests); n > 0 {
		i = s.FreeRequests[n-1]
		s.FreeRequests = s.FreeRequests[:n-1]
	} else {
		i = int32(len(s.Requests))
		s.Requests = append(s.Requests, Request{})
		s.places = append(s.places, links{})
	}
	s.Requests[i] = r
	s.requestIndex.put(uint64(r.ID), i)
	s.touch(r.Affinity)
	s.at(r.Affinity).waiting[r.Class]++
	s.waiting[r.Class]++
	s.queue(i)
	if s.usedUp(&r) {
		s.exhausted++
	}
}

func (s *State) dequeue(i int32) {
	s.unpromise(i)
	s.unqueue(i)
	r := s.Requests[i]
	s.at(r.Affinity).waiting[r.Class]--
	s.waiting[r.Class]--
	if s.usedUp(&r) {
		s.exhausted--
	}
	s.requestIndex.remove(uint64(r.ID))
	s.Requests[i] = Request{}
	s.FreeRequests = append(s.FreeRequests, i)
}

// queue and unqueue put a request among those of its affinity that were promised nothing, and take
// it out. The affinity is touched first, for the heads are ordered by the first of each queue.
func (s *State) queue(i int32) {
	r := &s.Requests[i]
	s.touch(r.Affinity)
	k := s.at(r.Affinity)
	k.queue[r.Class] = insert(requestArena{s}, k.queue[r.Class], i)
	if s.entitled(r) {
		k.entitled++
	}
}

func (s *State) unqueue(i int32) {
	r := &s.Requests[i]
	s.touch(r.Affinity)
	k := s.at(r.Affinity)
	k.queue[r.Class] = remove(requestArena{s}, k.queue[r.Class], i)
	if s.entitled(r) {
		k.entitled--
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

// entitled says whether a request is a nested one for which the pool grows to MaxPages. Of the root
// ones these are the urgent ones.
func (s *State) entitled(r *Request) bool { return r.Class == Nested && s.reserved(r.Priority) }

// waitingRoots is how many root requests of an affinity wait.
func (k affinity) waitingRoots() int32 { return k.waiting[Root] + k.waiting[Urgent] }

// promise keeps a tab that is being opened or probed for a request, which takes no other but an
// idle one of its own affinity until that is answered or overdue.
func (s *State) promise(r, i int32) {
	s.unqueue(r)
	q := &s.Requests[r]
	k := s.at(q.Affinity)
	k.pins[q.Class] = insert(requestArena{s}, k.pins[q.Class], r)
	k.promised[q.Class]++
	s.promised++
	q.Pin, s.Tabs[i].Pinned = i, q.ID
	q.AdmittedAt = min(q.AdmittedAt, s.admittedSince(q))
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
	s.Tabs[q.Pin].Pinned = 0
	k := s.at(q.Affinity)
	k.pins[q.Class] = remove(requestArena{s}, k.pins[q.Class], r)
	k.promised[q.Class]--
	s.promised--
	q.Pin = None
	s.queue(r)
}

func (s *State) unpin(i int32) {
	if r, ok := s.requestIndex.get(uint64(s.Tabs[i].Pinned)); ok {
		s.unpromise(r)
	}
}

// need is how many of those that wait could be given a tab together, had the pool the tabs, beyond
// what is coming for them already: nested ones, and as many root ones as the limits allow. It is the
// shortage that eviction and opening go by.
func (s *State) need() int32 {
	s.freshen()
	return s.couldHave(s.needs)
}

// waits splits the time that a request has waited. Up to the last moment at which a limit stopped
// it, it waited for admission. From then on, the time during which its tab (the one promised to it,
// or the one that it gets, i, or the one that has been opening longest) was being opened is
// startup, that during which it was probed is probe, and what is left is waiting for a tab. The
// tabs of promises that were broken count too.
func (s *State) waits(r *Request, i int32) Waits {
	s.freshen()
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
	case s.permits(r.Class) <= 0 || k.eligible == 0:
		return s.Now
	case r.Class == Urgent:
		return max(r.Arrived, s.UrgentOpen, k.OpenSince)
	}
	return max(r.Arrived, s.RootOpen, k.OpenSince)
}

func (s *State) oldestOpening() int32 {
	oldest := None
	if s.counts[Opening] == 0 {
		return None
	}
	for i := range s.Tabs {
		if s.Tabs[i].State == Opening && (oldest == None || s.Tabs[i].ID < s.Tabs[oldest].ID) {
			oldest = int32(i)
		}
	}
	return oldest
}

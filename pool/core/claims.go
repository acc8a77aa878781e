package core

import "fmt"

// The claims of Invariants that one effect alone does not decide. What it does is in ledger.go.

func capacityHolds(t *Transition) error {
	if n := len(t.Ledger.tabs); n > int(t.After.capacity)+1 {
		return fmt.Errorf("%d tabs can be alive, and capacity is %d", n, t.After.capacity)
	}
	return nil
}

// contextsHold counts contexts. Every tab has one of its own, so they are as many as the tabs.
func contextsHold(t *Transition) error {
	limit := int(t.After.capacity) + 1 + min(max(0, t.After.settings.OrphanCap), 1<<31) // an OrphanCap may be huge
	if n := len(t.Ledger.tabs); n > limit {
		return fmt.Errorf("%d contexts can be alive, and %d may be", n, limit)
	}
	for i := range t.Ledger.tabs {
		for j := range i {
			if t.Ledger.tabs[i].context == t.Ledger.tabs[j].context {
				return fmt.Errorf("t%d and t%d share c%d", t.Ledger.tabs[i].id, t.Ledger.tabs[j].id, t.Ledger.tabs[i].context)
			}
		}
	}
	return nil
}

func exclusiveLease(t *Transition) error {
	held := 0
	for i := range t.Ledger.tabs {
		e := &t.Ledger.tabs[i]
		if e.holder == 0 {
			continue
		}
		held++
		if tab, ok := t.After.Holds(e.holder); !ok || tab != e.id {
			return fmt.Errorf("r%d holds t%d, and the books say t%d", e.holder, e.id, tab)
		}
	}
	if held != int(t.After.leases.used) || held != int(t.After.counts[Leased]) {
		return fmt.Errorf("%d leases are held, and the books say %d on %d tabs", held, t.After.leases.used, t.After.counts[Leased])
	}
	return nil
}

// inContext is how many tabs of a context the ledger counts.
func (l *Ledger) inContext(c ContextID) int32 {
	n := int32(0)
	for i := range l.tabs {
		if l.tabs[i].context == c {
			n++
		}
	}
	return n
}

func pageCountHolds(t *Transition) error {
	for a := range t.After.affinities {
		k := &t.After.affinities[a]
		if n := int32(0); k.known && k.primary != 0 || k.pageCount != 0 {
			if k.primary != 0 {
				n = t.Ledger.inContext(k.primary)
			}
			if n != k.pageCount || n == 0 {
				return fmt.Errorf("affinity %d has pageCount %d, and c%d has %d tabs", a, k.pageCount, k.primary, n)
			}
		}
	}
	return nil
}

func onePrimary(t *Transition) error {
	for a := range t.After.affinities {
		k := &t.After.affinities[a]
		if !k.known || k.primary == 0 {
			continue
		}
		for b := range a {
			if t.After.affinities[b].primary == k.primary {
				return fmt.Errorf("c%d is primary of affinities %d and %d", k.primary, b, a)
			}
		}
		for i := range t.Ledger.tabs {
			if e := &t.Ledger.tabs[i]; e.context == k.primary && int(e.affinity) != a {
				return fmt.Errorf("c%d is primary of affinity %d, and serves %d", k.primary, a, e.affinity)
			}
		}
	}
	return nil
}

// supplementaryNeutral: where a primary stays the same in a step and gains and loses no tab, its
// pageCount stays the same, whatever happens to the affinity's other tabs.
func supplementaryNeutral(t *Transition) error {
	for a := range min(len(t.Before.affinities), len(t.After.affinities)) {
		before, after := &t.Before.affinities[a], &t.After.affinities[a]
		if before.primary == 0 || before.primary != after.primary || before.pageCount == after.pageCount {
			continue
		}
		return fmt.Errorf("the pageCount of affinity %d went from %d to %d, and its primary c%d gained and lost no tab",
			a, before.pageCount, after.pageCount, after.primary)
	}
	return nil
}

func noDoomedGrant(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != Grant {
			continue
		}
		tab, ok := t.After.Tab(e.Tab)
		k := &t.After.affinities[e.Affinity]
		if !ok || tab.State != Leased || tab.Doomed || tab.Affinity != e.Affinity ||
			tab.Generation != k.generation || e.Generation != k.generation {
			return fmt.Errorf("t%d was granted to r%d in state %v, doomed %v, generation %d of %d",
				e.Tab, e.Request, tab.State, tab.Doomed, tab.Generation, k.generation)
		}
	}
	return nil
}

func rootLimit(t *Transition) error {
	roots, all, granted := 0, 0, false
	for i := range t.Ledger.tabs {
		if e := &t.Ledger.tabs[i]; e.holder != 0 {
			all++
			if e.class == Root {
				roots++
			}
		}
	}
	for i := range t.Effects {
		if e := &t.Effects[i]; e.Kind == Grant {
			if tab := t.Ledger.tab(e.Tab); tab != nil && tab.class == Root {
				granted = true
			}
		}
	}
	capacity := int(t.After.capacity)
	if granted && roots > capacity-t.Ledger.lost || all > capacity+1 {
		return fmt.Errorf("%d root leases of %d in all; capacity is %d, of which %d are lost", roots, all, capacity, t.Ledger.lost)
	}
	return nil
}

func admission(t *Transition) error {
	for i := range t.Ledger.tabs {
		e := &t.Ledger.tabs[i]
		if e.holder == 0 || e.class != Root {
			continue
		}
		n := 0
		for j := range t.Ledger.tabs {
			if o := &t.Ledger.tabs[j]; o.holder != 0 && o.class == Root && o.affinity == e.affinity {
				n++
			}
		}
		if n > t.After.settings.RootCap {
			return fmt.Errorf("affinity %d holds %d root leases", e.affinity, n)
		}
	}
	return affinityTabs(t)
}

// affinityTabs: a root request adopts no tab that its affinity would own beyond AffinityTabs.
func affinityTabs(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != Grant || e.How != Adopted {
			continue
		}
		adopted := int32(0) // by this affinity, in this step, from here on
		for j := i; j < len(t.Effects); j++ {
			if o := &t.Effects[j]; o.Kind == Grant && o.How == Adopted && o.Affinity == e.Affinity {
				adopted++
			}
		}
		_, _, bound := t.Ledger.rootsOf(e.Affinity)
		tab := t.Ledger.tab(e.Tab)
		if tab != nil && tab.class == Root && int(bound-adopted) >= t.After.settings.AffinityTabs {
			return fmt.Errorf("r%d adopted t%d, and affinity %d owns %d tabs", e.Request, e.Tab, e.Affinity, bound-adopted)
		}
	}
	return nil
}

// bound says whether the ledger sees a tab that belongs to an affinity and is not on its way out.
func (e *entry) bound() bool { return e.affinity != 0 && e.closing == 0 && e.doomed == 0 && !e.lost }

func warmTruth(t *Transition) error {
	for i := range t.Ledger.tabs {
		if e := &t.Ledger.tabs[i]; e.bound() && !t.After.warm(e.affinity) {
			return fmt.Errorf("affinity %d has t%d, and is listed cold", e.affinity, e.id)
		}
	}
	for a := range t.After.affinities {
		if t.After.warm(Affinity(a)) && !t.Ledger.hasBound(Affinity(a)) {
			return fmt.Errorf("affinity %d is listed warm, and has no tab", a)
		}
	}
	return nil
}

func (l *Ledger) holdsRoot(a Affinity) bool {
	for i := range l.tabs {
		if e := &l.tabs[i]; e.affinity == a && e.holder != 0 && e.class == Root {
			return true
		}
	}
	return false
}

func (l *Ledger) hasBound(a Affinity) bool {
	for i := range l.tabs {
		if l.tabs[i].affinity == a && l.tabs[i].bound() {
			return true
		}
	}
	return false
}

func announcementTruth(t *Transition) error {
	for a := range t.Ledger.announced {
		if warm := t.Ledger.announced[a].warm; warm != t.Ledger.hasBound(Affinity(a)) {
			return fmt.Errorf("affinity %d was announced warm=%v, and the opposite is so", a, warm)
		}
	}
	return nil
}

// orderHolds: whoever still waits after a step was not let through when a later one adopted a
// standby. The limits are taken as they were just before that grant.
func orderHolds(t *Transition) error {
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != Grant || e.How != Adopted {
			continue
		}
		granted, ok := t.requestBefore(e.Request)
		if !ok {
			continue
		}
		for j := range t.After.requests {
			r := &t.After.requests[j]
			if !r.used || r.priority < granted.priority || r.priority == granted.priority && r.order > granted.order {
				continue
			}
			if r.class == Nested || t.letThrough(r.affinity, t.Effects[i:]) {
				return fmt.Errorf("r%d adopted t%d ahead of r%d", e.Request, e.Tab, r.id)
			}
		}
	}
	return nil
}

// requestBefore finds a granted request as it waited before the step.
func (t *Transition) requestBefore(id RequestID) (request, bool) {
	if i, ok := t.Before.requestIndex.get(uint64(id)); ok {
		return t.Before.requests[i], true
	}
	if t.Event.Kind == Requested && t.Event.Request == id {
		return request{id: id, priority: t.Event.Priority, order: ^uint64(0)}, true
	}
	return request{}, false
}

// letThrough says whether the limits would have let a root request of an affinity through before
// these grants, which are the rest of the step's.
func (t *Transition) letThrough(a Affinity, rest []Effect) bool {
	permits := t.permits()
	k := &t.After.affinities[a]
	roots, bound := k.rootLeases, k.bound
	for i := range rest {
		e := &rest[i]
		if e.Kind != Grant {
			continue
		}
		root := false
		if tab := t.Ledger.tab(e.Tab); tab != nil {
			root = tab.class == Root
		}
		if root {
			permits++
		}
		if e.Affinity == a {
			if root {
				roots--
			}
			if e.How == Adopted {
				bound--
			}
		}
	}
	return permits > 0 && int(roots) < t.After.settings.RootCap && int(bound) < t.After.settings.AffinityTabs
}

func queueBound(t *Transition) error {
	var waiting [classes]int
	for _, r := range t.Ledger.waiting {
		waiting[r.class]++
	}
	if most := t.After.settings.MaxWaiting; waiting[Root] > most || waiting[Nested] > most {
		return fmt.Errorf("%d root and %d nested requests wait, and %d of each may", waiting[Root], waiting[Nested], most)
	}
	return nil
}

func warmNotBlocked(t *Transition) error {
	s := t.After
	for i := range s.requests {
		r := &s.requests[i]
		if k := &s.affinities[r.affinity]; r.used && k.idle > 0 &&
			(r.class == Nested || t.permits() > 0 && s.underCap(k)) {
			return fmt.Errorf("r%d waits, and its affinity has an idle tab", r.id)
		}
	}
	return nil
}

// closesHold: when Close's ctx ends, nobody holds or waits any more; when the pool is closed, nothing is
// alive; and a browser is asked to end by force, unless it is the pool that ends.
func closesHold(t *Transition) error {
	s := t.After
	if t.Event.Kind == CloseExpired && t.Before.phase == closing && s.phase < ending {
		return fmt.Errorf("Close's ctx has ended, and %d requests wait and %d leases are held", len(t.Ledger.waiting), s.leases.used)
	}
	for i := range t.Effects {
		switch e := &t.Effects[i]; {
		case e.Kind == FinishClose && len(t.Ledger.tabs)+len(t.Ledger.browsers) > 0:
			return fmt.Errorf("the pool is closed, and %d tabs and %d browsers can be alive", len(t.Ledger.tabs), len(t.Ledger.browsers))
		case e.Kind == CloseBrowser && !e.Force && s.phase < ending:
			return fmt.Errorf("b%d, whose tabs are lost, is asked to end gracefully", e.Browser)
		}
	}
	return nil
}

func singleAnswer(t *Transition) error {
	s := t.After
	for i := range t.Effects {
		e := &t.Effects[i]
		switch {
		case e.Kind == FinishWarm && e.Reason == ReasonNone && s.counts[Standby] < t.target():
			return fmt.Errorf("w%d is answered with %d standbys of %d", e.Call, s.counts[Standby], t.target())
		case e.Kind == Refuse && e.Reason == PoolClosed && s.phase < closing:
			return fmt.Errorf("r%d is told that the pool is closed, which is not so", e.Request)
		}
	}
	if s.phase >= closing {
		for _, r := range t.Ledger.waiting {
			if r.class == Root {
				return fmt.Errorf("r%d waits for a root lease of a closing pool", r.id)
			}
		}
	}
	if n := int(s.requestIndex.used); n != len(t.Ledger.waiting) {
		return fmt.Errorf("%d requests wait, and the books say %d", len(t.Ledger.waiting), n)
	}
	for _, r := range t.Ledger.waiting {
		if !s.Waits(r.id) {
			return fmt.Errorf("r%d waits, and the books do not know it", r.id)
		}
	}
	if n := len(s.calls); n != len(t.Ledger.calls) {
		return fmt.Errorf("%d calls wait, and the books say %d", len(t.Ledger.calls), n)
	}
	return nil
}

// deadlineOnce keeps clocks going: a deadline that stays armed would fire for ever at one instant.
func deadlineOnce(t *Transition) error {
	if !t.Event.Kind.Deadline() {
		return nil
	}
	var armed [8]Deadline
	for _, d := range t.After.Deadlines(armed[:0]) {
		if d.Event == t.Event && d.At <= t.After.now {
			return fmt.Errorf("a deadline has come, and is armed again for the same instant (event kind %d)", t.Event.Kind)
		}
	}
	return nil
}

func noLeak(t *Transition) error {
	if n := int(t.After.alive()); n != len(t.Ledger.tabs) {
		return fmt.Errorf("%d tabs can be alive, and the books say %d", len(t.Ledger.tabs), n)
	}
	for i := range t.Ledger.tabs {
		if _, ok := t.After.tabIndex.get(uint64(t.Ledger.tabs[i].id)); !ok {
			return fmt.Errorf("t%d can be alive, and the books do not know it", t.Ledger.tabs[i].id)
		}
	}
	for a := range t.After.affinities {
		if t.After.affinities[a].known && !t.Ledger.names(Affinity(a)) {
			return fmt.Errorf("affinity %d is known, and nothing names it", a)
		}
	}
	if t.After.counts[Lost] != int32(t.Ledger.lost) {
		return fmt.Errorf("%d tabs are lost, and the books say %d", t.Ledger.lost, t.After.counts[Lost])
	}
	return nil
}

func twoBrowsers(t *Transition) error {
	serving := 0
	for _, b := range t.Ledger.browsers {
		if !b.ending {
			serving++
		}
	}
	if n := len(t.Ledger.browsers); n > maxBrowsers || serving > 1 {
		return fmt.Errorf("%d browsers are alive, %d of them to serve", n, serving)
	}
	return nil
}

// warm says whether an affinity is on the warm list.
func (s *State) warm(a Affinity) bool {
	return int(a) < len(s.affinities) && s.affinities[a].bound > 0
}

package core

import "fmt"

// The claim that the books agree with themselves. Decisions go by sums, lists and queues that are brought up to
// date bit by bit; here each is counted anew, from the tabs, the requests and the contexts alone.

func booksAgree(t *Transition) error {
	s := t.After
	b := books{state: s}
	b.tabs()
	b.requests()
	for a := range s.affinities {
		if k := &s.affinities[a]; k.known {
			b.affinity(Affinity(a), k)
			b.derived(t, Affinity(a), k)
		}
	}
	for c := Root; c < classes; c++ {
		b.heads(s.heads[c], c, false)
		b.heads(s.inside[c], c, true)
	}
	b.contexts()
	b.sums()
	return b.err
}

// books are sums that were counted anew.
type books struct {
	state *State
	err   error

	counts, overdue         [tabStates]int32
	bound, rootLeases       int32
	waiting, queued, listed [classes]int32
	inside                  [classes]int32
	promised                int32
	exhausted, used, warm   int32
	openings, permitsWanted int32
	highNeeds, highPermits  int32
	needs                   [classes]int32
}

// same notes the first two numbers that are not.
func (b *books) same(what string, of any, counted, says int32) {
	if counted != says && b.err == nil {
		b.err = fmt.Errorf("%s of %v: counted %d, and the books say %d", what, of, counted, says)
	}
}

func (b *books) tabs() {
	s := b.state
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.state == 0 {
			if *t != (tab{}) {
				b.same("a slot that nobody uses", t.id, 0, 1)
			}
			continue
		}
		b.counts[t.state]++
		if t.overdue {
			b.overdue[t.state]++
		}
		if t.bound() {
			b.bound++
		}
		if t.state == Leased && t.class == Root {
			b.rootLeases++
		}
		if at, ok := s.tabIndex.get(uint64(t.id)); !ok || at != int32(i) {
			b.same("the place", t.id, int32(i), at)
		}
		if t.pinned != 0 {
			r, ok := s.requestIndex.get(uint64(t.pinned))
			if !ok || s.requests[r].pin != int32(i) {
				b.same("the request promised", t.id, 0, 1)
			}
		}
	}
}

func (b *books) requests() {
	s := b.state
	for i := range s.requests {
		r := &s.requests[i]
		if !r.used {
			continue
		}
		b.used++
		b.waiting[r.class]++
		if s.usedUp(r) {
			b.exhausted++
		}
		if r.pin != none {
			b.promised++
		}
		if at, ok := s.requestIndex.get(uint64(r.id)); !ok || at != int32(i) {
			b.same("the place", r.id, int32(i), at)
		}
	}
	b.same("requests", "the pool", b.used, int32(len(s.requests)-len(s.freeRequests)))
	b.same("requests", "the index", b.used, s.requestIndex.used)
}

// affinity counts what the lists of one affinity hold.
func (b *books) affinity(a Affinity, k *affinity) {
	s := b.state
	var bound, roots, idle, openings, overdue, almost int32
	b.list(k.tabs, none, a)
	for i := k.tabs; i != none; i = s.tabs[i].next {
		t := &s.tabs[i]
		if t.bound() {
			bound++
		}
		if t.overdue && t.bound() {
			overdue++
		}
		if needsSession(t, s.settings.Reset) {
			almost++
		}
		switch {
		case t.state == Leased && t.class == Root:
			roots++
		case t.state == Idle:
			idle++
		case t.state == Opening && !t.doomed && !t.overdue:
			openings++
		}
	}
	b.same("bound tabs", a, bound, k.bound)
	b.same("root leases", a, roots, k.rootLeases)
	b.same("idle tabs", a, idle, k.idle)
	b.same("openings", a, openings, k.openings)
	b.same("overdue tabs", a, overdue, k.overdue)
	if bound == 0 && k.generation != 0 {
		b.same("the generation of a cold affinity", a, 0, int32(k.generation))
	}
	b.openings += openings
	b.permitsWanted += k.permits
	b.highNeeds += k.highNeeds
	b.highPermits += k.highPermits
	for c := Root; c < classes; c++ {
		b.needs[c] += k.needs[c]
		queued, urgent := b.queue(k.queue[c], none, a, c, false)
		promised, also := b.queue(k.pins[c], none, a, c, true)
		b.same("waiting requests", a, queued+promised, k.waiting[c])
		b.same("promised requests", a, promised, k.promised[c])
		b.same("urgent requests", a, urgent+also, k.urgent[c])
		b.same("urgent requests that were promised a tab", a, also, k.urgentPins[c])
		b.queued[c] += queued + promised
		if k.listed[c] {
			b.listed[c]++
		}
		if k.listedInside[c] {
			b.inside[c]++
		}
		listed := queued > 0 && (c == Nested || k.eligible > 0)
		if listed != k.listed[c] || (listed && b.opensInside(k)) != k.listedInside[c] {
			b.same("its place among the heads", a, 0, 1)
		}
	}
	if warm := idle+almost > 0 && k.waiting != [classes]int32{}; warm {
		b.warm++
		if !k.warmWaiting || int(k.warmAt) >= len(s.warmWaiting) || s.warmWaiting[k.warmAt] != a {
			b.same("its place among those that can be served", a, 0, 1)
		}
	}
}

// opensInside says whether the browser that takes new tabs has the primary of an affinity, with a place for one more.
func (b *books) opensInside(k *affinity) bool {
	if k.primary == none {
		return false
	}
	c := &b.state.contexts[k.primary]
	o := b.state.browser(c.browser)
	return int(c.tabs) < b.state.settings.TabsPerContext && o != nil && o.state == ready
}

// derived compares what the core goes by for one affinity with what the ledger says.
func (b *books) derived(t *Transition, a Affinity, k *affinity) {
	set := &t.After.settings
	nested, roots := t.shortageOf(a)
	b.same("nested requests short of a tab", a, nested, k.needs[Nested])
	b.same("root requests short of a tab", a, roots, k.needs[Root])
	_, held, bound := t.Ledger.rootsOf(a)
	room := min(int32(set.RootCap)-held, int32(set.AffinityTabs)-bound-k.openings)
	b.same("root requests let through", a, max(0, min(k.waiting[Root]-k.promised[Root], room)), k.eligible)
	wanted := t.wantsPermits(a)
	b.same("permits wanted", a, wanted, k.permits)
	urgent, unpromised := t.entitledOf(a)
	b.same("urgent requests short of a tab", a, min(unpromised[Root], roots)+min(unpromised[Nested], nested), k.highNeeds)
	b.same("permits wanted for urgent requests", a, min(urgent, wanted), k.highPermits)
}

// list counts a list of tabs, and looks whether each knows who is before it; last is its end, where that is kept.
func (b *books) list(first, last int32, of any) (n int32) {
	before := none
	for i := first; i != none; i = b.state.tabs[i].next {
		if b.same("who is before a tab", b.state.tabs[i].id, before, b.state.tabs[i].prev); b.err != nil {
			return n
		}
		before = i
		n++
	}
	if last != none || of == nil {
		b.same("the end of a list", "standbys", before, last)
	}
	return n
}

// queue counts a heap of requests, and looks at its order.
func (b *books) queue(i, above int32, a Affinity, c Class, pinned bool) (n, urgent int32) {
	if i == none {
		return 0, 0
	}
	s, of := b.state, Transition{After: b.state}
	r := &s.requests[i]
	if !r.used || r.affinity != a || r.class != c || pinned != (r.pin != none) || above != r.links.up || above != none && !s.before(above, i) {
		b.same("the queue", a, 0, 1)
		return 0, 0
	}
	left, one := b.queue(r.links.left, i, a, c, pinned)
	right, other := b.queue(r.links.right, i, a, c, pinned)
	if of.entitled(r) {
		urgent = 1
	}
	return 1 + left + right, urgent + one + other
}

// heads counts the affinities in the heap of heads, or in that of those that have a place in their primary, and looks
// at its order.
func (b *books) heads(root int32, c Class, inside bool) {
	s, counted := b.state, b.listed[c]
	if inside {
		counted = b.inside[c]
	}
	if root == none && counted == 0 {
		return
	}
	var count func(a, above int32) int32
	count = func(a, above int32) int32 {
		if a == none {
			return 0
		}
		k := &s.affinities[a]
		links, listed := k.links[c], k.listed[c]
		if inside {
			links, listed = k.inside[c], k.listedInside[c]
		}
		if !listed || above != links.up || above != none && !s.before(s.affinities[above].queue[c], k.queue[c]) {
			b.same("the order of the heads", a, 0, 1)
			return 0
		}
		return 1 + count(links.left, a) + count(links.right, a)
	}
	b.same("heads", c, count(root, none), counted)
}

func (b *books) contexts() {
	s := b.state
	alive, orphans, tabless := int32(0), int32(0), int32(0)
	for i := range s.contexts {
		c := &s.contexts[i]
		if c.state == 0 {
			continue
		}
		alive++
		if c.tabs == 0 {
			tabless++
		}
		if c.tabs == 0 && c.state == contextOpen {
			orphans++
		}
		if at, ok := s.contextIndex.get(uint64(c.id)); !ok || at != int32(i) || c.listed != (c.tabs == 0) {
			b.same("the place of a context", c.id, int32(i), at)
		}
	}
	b.same("contexts", "the pool", alive, int32(len(s.contexts)-len(s.freeContexts)))
	b.same("contexts", "the index", alive, s.contextIndex.used)
	b.same("contexts without a tab", "the pool", tabless, s.tabless)
	b.same("orphans", "their list", orphans, b.aged(s.orphans, none, true))
	b.same("contexts that end", "their list", tabless-orphans, b.aged(s.endings, none, false))
}

// aged counts a heap of contexts, and looks at its order.
func (b *books) aged(i, above int32, orphans bool) int32 {
	if i == none {
		return 0
	}
	s := b.state
	c := &s.contexts[i]
	if orphans != (c.state == contextOpen) || above != c.links.up || above != none && !s.older(&s.contexts[above], c) {
		b.same("the order of the contexts", c.id, 0, 1)
		return 0
	}
	return 1 + b.aged(c.links.left, i, orphans) + b.aged(c.links.right, i, orphans)
}

func (b *books) sums() {
	s := b.state
	for state := Opening; state < tabStates; state++ {
		b.same("tabs", state, b.counts[state], s.counts[state])
		b.same("overdue tabs", state, b.overdue[state], s.overdue[state])
	}
	b.same("standbys", "their list", b.counts[Standby], b.list(s.standbys, s.lastReady, nil))
	b.same("affinities and tabs to look at again", "the pool", 0, int32(len(s.touched)+len(s.dirty)+len(s.moved)))
	if s.callsDue || s.waitsDue {
		b.same("what is due after a step", "the pool", 0, 1)
	}
	b.same("bound tabs", "the pool", b.bound, s.bound)
	b.same("root leases", "the pool", b.rootLeases, s.rootLeases)
	b.same("used-up requests", "the pool", b.exhausted, s.exhausted)
	b.same("openings inside primaries", "the pool", b.openings, s.openings)
	b.same("permits wanted", "the pool", b.permitsWanted, s.permitsWanted)
	b.same("needs of urgent ones", "the pool", b.highNeeds, s.highNeeds)
	b.same("permits of urgent ones", "the pool", b.highPermits, s.highPermits)
	b.same("affinities that can be served", "the pool", b.warm, int32(len(s.warmWaiting)))
	promised := int32(0)
	for i := range s.affinities {
		for c := Root; c < classes; c++ {
			promised += s.affinities[i].promised[c]
		}
	}
	b.same("promised requests", "the pool", b.promised, promised)
	b.same("promised requests", "the pool's sum", b.promised, s.promised)
	for c := Root; c < classes; c++ {
		b.same("waiting requests", c, b.waiting[c], s.waiting[c])
		b.same("waiting requests of all affinities", c, b.queued[c], b.waiting[c])
		b.same("needs", c, b.needs[c], s.needs[c])
	}
}

package spec

import (
	"math"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The plan: who is to get what, worked out from the facts alone. It looks at everything there is,
// one by one, each time that it decides: nothing is kept up to date, so nothing can be forgotten.
// plan_step.go compares each step with it.

// plan is the facts as they are at one point of a step, and what the step has to do from there on.
type plan struct {
	core.Facts
	order    []int32 // slots of the requests that wait, in the waiting order
	standbys []int32 // slots of the standbys, the one to be adopted first at the front
	moves    []move
	step     *Transition // whose placement is planned
}

// move is one thing that a step does for those that wait.
type move struct {
	kind    core.EffectKind
	how     core.How
	reason  core.Reason
	request core.RequestID
	tab     core.TabID
	context core.ContextID // OpenTab inside a primary
}

// place gives tabs to those that wait until nobody is left who can have one.
func (p *plan) place() {
	for p.serveFirst() || p.grow() || p.reassign() {
	}
}

// serveFirst serves the first request, in the waiting order, that can be served.
func (p *plan) serveFirst() bool {
	var stopped [core.Classes]bool // its first request has to leave the standbys to an older one
	for _, i := range p.order {
		if r := &p.Requests[i]; r.Used && p.permits(r.Class) > 0 && p.serve(i, &stopped[r.Class]) {
			return true
		}
	}
	return false
}

// serve gives one request what it can have: rules 1 to 3.
func (p *plan) serve(i int32, stopped *bool) bool {
	r := &p.Requests[i]
	own, almost := p.ownIdle(r.Affinity), p.ownAlmostIdle(r)
	admitted := r.Class == core.Nested || p.room(r.Affinity) > 0
	capped := r.Class != core.Nested && p.rootLeases(r.Affinity) >= p.Settings.RootCap
	if r.Pin != core.None {
		if own != core.None && !p.stale(own) && !capped && !p.held(i) {
			p.grant(i, own, core.Warm)
			return true
		}
		return false
	}
	held := p.held(i)
	switch {
	case own != core.None && !capped && !held && p.stale(own):
		p.probe(i, own)
	case own != core.None && !capped && !held:
		p.grant(i, own, core.Warm)
	case own != core.None:
		*stopped = *stopped || admitted
		return false
	case almost != core.None && (!capped && !held || admitted && p.opensInside(i)):
		p.promise(i, almost)
	case admitted && p.opensInside(i):
		p.openInside(i)
	case admitted && !held && !*stopped && p.awake() != core.None:
		p.grant(i, p.awake(), core.Adopted)
	default:
		*stopped = *stopped || admitted && held
		return false
	}
	return true
}

// held says whether a request has to leave what it could have to an older one that may not be passed
// by any more.
func (p *plan) held(i int32) bool {
	return slices.ContainsFunc(p.order, func(o int32) bool { return p.Requests[o].Used && p.usedUp(o) }) &&
		slices.ContainsFunc(p.passes(i), p.usedUp)
}

func (p *plan) usedUp(i int32) bool {
	return int(p.Requests[i].Bypassed) >= max(0, p.Settings.MaxBypass)
}

// passes are the requests ahead of one that a grant to it would pass by: it takes the last permit
// that they could have had, or room that they are short of while none is on its way.
func (p *plan) passes(i int32) (passed []int32) {
	r := &p.Requests[i]
	last := r.Class != core.Nested && p.permits(core.Urgent) == 1
	lastUnreserved := r.Class == core.Root && p.permits(core.Root) == 1
	noRoom := len(p.standbys) == 0 && p.relief() <= 0
	if !last && !lastUnreserved && !noRoom {
		return nil
	}
	for _, j := range p.order {
		o := &p.Requests[j]
		if j == i {
			break // whoever comes later is not passed by
		}
		if !o.Used || p.permits(o.Class) <= 0 {
			continue
		}
		permit := o.Class != core.Nested && (last || lastUnreserved && o.Class == core.Root)
		by := false
		switch {
		case o.Pin != core.None: // its tab is coming, so it waits for the permit alone
			by = permit && p.rootLeases(o.Affinity) < p.Settings.RootCap && !(o.Affinity == r.Affinity && r.Class == core.Urgent)
		case o.Affinity == r.Affinity || o.Class != core.Nested && p.room(o.Affinity) <= 0:
		default:
			by = permit || noRoom && p.needs(o.Affinity)[o.Class] > 0
		}
		if by {
			passed = append(passed, j)
		}
	}
	return passed
}

// permits is how many more leases of a class the root limit and the reserve allow.
func (p *plan) permits(c core.Class) int {
	if c == core.Nested {
		return math.MaxInt
	}
	all := p.size() - p.count(core.Lost) - p.rootLeases(0)
	if c == core.Urgent {
		return all
	}
	return min(all, p.unreserved())
}

// unreserved is how many more root leases the reserve leaves to requests that are not urgent.
func (p *plan) unreserved() int {
	n := p.Settings.MaxPages - p.Settings.ReservedPages - p.count(core.Lost)
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.State == core.Leased && t.Class == core.Root {
			n--
		}
	}
	return n
}

// size is the capacity that is to stay: what a contraction takes counts no more, unless its tab is
// lost and counted so.
func (p *plan) size() int {
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.State != 0 && t.ID == p.Contraction && t.State != core.Lost {
			return int(p.Capacity) - 1
		}
	}
	return int(p.Capacity)
}

// rootLeases is how many root leases an affinity holds; of 0: all.
func (p *plan) rootLeases(a core.Affinity) int {
	n := 0
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.State == core.Leased && t.Class != core.Nested && (a == 0 || t.Affinity == a) {
			n++
		}
	}
	return n
}

// room is how many more root leases and tabs RootCap and AffinityTabs leave an affinity.
func (p *plan) room(a core.Affinity) int {
	return min(p.Settings.RootCap-p.rootLeases(a), p.Settings.AffinityTabs-p.owned(a))
}

// owned is how many tabs of an affinity count towards AffinityTabs.
func (p *plan) owned(a core.Affinity) int {
	n := 0
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.Affinity == a && !t.Overdue && (bound(t) || t.State == core.Opening && !t.Doomed) {
			n++
		}
	}
	return n
}

// coming is how many tabs of an affinity are idle, or on their way to be and promised to nobody.
func (p *plan) coming(a core.Affinity) int {
	n := 0
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.Affinity == a && !t.Overdue && !t.Doomed && t.Pinned == 0 && (t.State == core.Idle || t.State == core.Opening || asked(t)) {
			n++
		}
	}
	return n
}

// needs is how many more tabs the requests of an affinity could use together, by class. What is
// coming for it is theirs: the nested ones come first, then the urgent ones.
func (p *plan) needs(a core.Affinity) (n [core.Classes]int) {
	for _, i := range p.order {
		if r := &p.Requests[i]; r.Used && r.Affinity == a && r.Pin == core.None {
			n[r.Class]++
		}
	}
	coming, room := p.coming(a), p.room(a)
	n[core.Urgent] = max(0, min(n[core.Urgent], room))
	n[core.Root] = max(0, min(n[core.Root], room-n[core.Urgent]))
	for _, c := range [...]core.Class{core.Nested, core.Urgent, core.Root} {
		own := min(n[c], coming)
		n[c], coming = n[c]-own, coming-own
	}
	return n
}

// wants is how many root leases the requests of an affinity could have together, but for the root
// limit and the reserve.
func (p *plan) wants(a core.Affinity) (n [core.Classes]int) {
	promised := 0
	for _, i := range p.order {
		if r := &p.Requests[i]; r.Used && r.Affinity == a && r.Class != core.Nested {
			n[r.Class]++
			if r.Pin != core.None {
				promised++
			}
		}
	}
	most := max(0, min(p.Settings.RootCap-p.rootLeases(a), p.Settings.AffinityTabs-p.owned(a)+p.coming(a)+promised))
	n[core.Urgent] = min(n[core.Urgent], most)
	n[core.Root] = min(n[core.Root], most-n[core.Urgent])
	return n
}

// sum adds up what the affinities of those that wait need, want and so on.
func (p *plan) sum(of func(core.Affinity) [core.Classes]int) (all [core.Classes]int) {
	for at, i := range p.order {
		first := !slices.ContainsFunc(p.order[:at], func(j int32) bool {
			return p.Requests[j].Used && p.Requests[j].Affinity == p.Requests[i].Affinity
		})
		if p.Requests[i].Used && first {
			for c, n := range of(p.Requests[i].Affinity) {
				all[c] += n
			}
		}
	}
	return all
}

// need is how many of those that wait could be given a tab together, had the pool the tabs.
func (p *plan) need() int {
	n := p.sum(p.needs)
	others := max(0, min(n[core.Root], p.permits(core.Root)))
	return n[core.Nested] + max(0, min(n[core.Urgent]+others, p.permits(core.Urgent)))
}

// count is how many tabs are in a state.
func (p *plan) count(state core.TabState) int {
	n := 0
	for i := range p.Tabs {
		if p.Tabs[i].State == state {
			n++
		}
	}
	return n
}

// free is how many tabs may still be opened: one more than capacity may be alive.
func (p *plan) free() int {
	return max(0, int(p.Capacity)+1-(len(p.Tabs)-p.count(0)))
}

// toCome is how many tabs are being opened for nobody, none of them overdue.
func (p *plan) toCome() int {
	n := 0
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.State == core.Opening && !t.Overdue && (t.Affinity == 0 || t.Doomed) {
			n++
		}
	}
	return n
}

// relief is how many tabs are on their way to those that wait: what opens, what closes, and the
// slots that are free; nothing that is overdue, or promised.
func (p *plan) relief() int {
	n := p.toCome() + p.free()
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.State == core.Closing && !t.Overdue {
			n++
		}
	}
	return n
}

// grow raises capacity by what those that wait are short of: up to what the reserve leaves for all of
// them, and up to MaxPages for those at or above ReservedPriority.
func (p *plan) grow() bool {
	before, most := int(p.Capacity), p.Settings.MaxPages-p.Settings.ReservedPages
	if before >= p.Settings.MaxPages {
		return false
	}
	want, need := p.sum(p.wants), p.sum(p.needs)
	others := max(0, p.unreserved())
	short := p.short(want[core.Urgent]+min(others, want[core.Root]), need[core.Nested]+need[core.Urgent]+min(others, need[core.Root]))
	p.Capacity = int32(max(before, min(before+short, most)))
	short -= int(p.Capacity) - before
	urgent := p.short(want[core.Urgent]+p.heldPermit(), need[core.Urgent]+p.sum(p.entitled)[core.Nested])
	p.Capacity = int32(min(int(p.Capacity)+min(short, urgent), p.Settings.MaxPages))
	return int(p.Capacity) > before
}

// short is how much more capacity those need who want so many permits and so many tabs.
func (p *plan) short(permits, tabs int) int {
	if permits > 0 {
		permits -= p.permits(core.Urgent)
	}
	return max(0, permits, tabs-p.relief()-len(p.standbys))
}

// entitled is how many of the needs of an affinity's nested requests are of those at or above
// ReservedPriority.
func (p *plan) entitled(a core.Affinity) (n [core.Classes]int) {
	for _, i := range p.order {
		r := &p.Requests[i]
		if r.Used && r.Affinity == a && r.Class == core.Nested && r.Pin == core.None && reserved(&p.Settings, r.Priority) {
			n[core.Nested]++
		}
	}
	n[core.Nested] = min(n[core.Nested], p.needs(a)[core.Nested])
	return n
}

// heldPermit is 1 where the first urgent request that waits for nothing else has to leave the last
// permit to an older one that is not urgent.
func (p *plan) heldPermit() int {
	if p.permits(core.Urgent) != 1 {
		return 0
	}
	for _, i := range p.order {
		r := &p.Requests[i]
		has := r.Used && (p.ownIdle(r.Affinity) != core.None || p.ownAlmostIdle(r) != core.None)
		if !r.Used || r.Class != core.Urgent || p.rootLeases(r.Affinity) >= p.Settings.RootCap || !has && (r.Pin != core.None || p.room(r.Affinity) <= 0) {
			continue
		}
		for _, o := range p.passes(i) {
			if p.Requests[o].Class == core.Root && p.usedUp(o) {
				return 1
			}
		}
		break
	}
	return 0
}

// reassign hands the first that is short of a tab the idle one of another affinity, where that is
// switched on and nothing is on its way.
func (p *plan) reassign() bool {
	if !p.Settings.AllowReassign || p.need() <= p.relief()+len(p.standbys) {
		return false
	}
	var stopped [core.Classes]bool
	for _, i := range p.order {
		r := &p.Requests[i]
		if !r.Used || r.Pin != core.None || stopped[r.Class] || p.permits(r.Class) <= 0 || p.needs(r.Affinity)[r.Class] <= 0 {
			continue
		}
		if stopped[r.Class] = p.held(i); !stopped[r.Class] {
			return p.reassignTo(i)
		}
	}
	return false
}

func (p *plan) reassignTo(i int32) bool {
	victim := p.foreign(i)
	if victim == core.None {
		return false
	}
	p.grant(i, victim, core.Reassigned)
	return true
}

// foreign is the coldest idle tab of another affinity that is alone in its context, and that no
// request of its own affinity can use.
func (p *plan) foreign(i int32) int32 {
	return p.coldest(func(t *core.Tab) bool {
		return t.Affinity != p.Requests[i].Affinity && p.tabsIn(t.Context) == 1 && p.spareIdle(t.Affinity) > 0
	})
}

// spareIdle is how many idle tabs of an affinity are left when each of its own requests that no limit
// stops has one.
func (p *plan) spareIdle(a core.Affinity) int {
	idle, nested, roots := 0, 0, 0
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.State == core.Idle && t.Affinity == a {
			idle++
		}
	}
	for _, i := range p.order {
		switch r := &p.Requests[i]; {
		case !r.Used || r.Affinity != a:
		case r.Class == core.Nested:
			nested++
		case p.permits(r.Class) > 0:
			roots++
		}
	}
	return idle - nested - min(roots, p.Settings.RootCap-p.rootLeases(a))
}

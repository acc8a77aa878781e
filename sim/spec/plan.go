package spec

import (
	"math"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The plan: who is to get what, worked out from the facts alone, by the rules of docs/contract.md.
// It looks at everything there is, one by one, each time that it decides: nothing is kept up to
// date, so nothing can be forgotten. plan_step.go compares each step with it.

// plan is the facts as they are at one point of a step, and what the step has to do from there on.
type plan struct {
	core.Facts
	order    []int32         // slots of the requests that wait, in the waiting order
	waiters  []core.Affinity // theirs
	of       [][]int32       // slots of the requests that wait, by affinity
	standbys []int32         // slots of the standbys, the one to be adopted first at the front
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
	own     core.Affinity  // OpenTab in a context that is made for an affinity
}

// place gives tabs to those that wait until nobody is left who can have one: rules 1 to 3, then
// more capacity (rule 5), then another affinity's tab (rule 7).
func (p *plan) place() {
	for p.serveFirst() || p.grow() || p.reassign() {
	}
}

// serveFirst serves the first request, in the waiting order, that can be served.
func (p *plan) serveFirst() bool {
	var stopped [core.Classes]bool // its first request has to leave the standbys to an older one
	permits := [core.Classes]int{core.Nested: math.MaxInt, core.Urgent: p.permits(core.Urgent)}
	permits[core.Root] = min(permits[core.Urgent], p.unreserved())
	for _, i := range p.order {
		if r := &p.Requests[i]; r.Used && permits[r.Class] > 0 && p.serve(i, &stopped[r.Class]) {
			return true
		}
	}
	return false
}

// serve gives one request what it can have: an idle tab of its own affinity (rule 1), the promise
// of one that is almost idle, or of one inside its primary (rule 2), or a standby (rule 3).
func (p *plan) serve(i int32, stopped *bool) bool {
	r := &p.Requests[i]
	own, almost := p.ownIdle(r.Affinity), p.ownAlmostIdle(r)
	admitted := r.Class == core.Nested || p.room(r.Affinity) > 0
	mayLease := func() bool {
		return (r.Class == core.Nested || p.rootLeases(r.Affinity) < p.Settings.RootCap) && !p.held(i)
	}
	switch {
	case r.Pin != core.None && (own == core.None || p.stale(own)): // it waits for what it was promised
		return false
	case own != core.None && mayLease():
		p.grantOrProbe(i, own)
	case own != core.None:
		*stopped = *stopped || admitted && r.Pin == core.None && !p.own(r.Affinity)
		return false
	case almost != core.None && (mayLease() || admitted && p.opensFor(i)):
		p.promise(i, almost)
	case admitted && p.opensFor(i):
		p.openFor(i, r.Affinity)
	case !admitted || p.own(r.Affinity) || *stopped || p.awake() == core.None:
		return false
	case p.held(i):
		*stopped = true
		return false
	default:
		p.grant(i, p.awake(), core.Adopted)
	}
	return true
}

func (p *plan) grantOrProbe(i, tab int32) {
	if p.stale(tab) {
		p.probe(i, tab)
	} else {
		p.grant(i, tab, core.Warm)
	}
}

// held says whether a request has to leave what it could have to an older one that may not be
// passed by any more: MaxBypass.
func (p *plan) held(i int32) bool {
	return slices.ContainsFunc(p.passes(i), p.usedUp)
}

func (p *plan) usedUp(i int32) bool {
	return int(p.Requests[i].Bypassed) >= max(0, p.Settings.MaxBypass)
}

// passes are the requests ahead of one that a grant to it bypasses: it takes the last permit that
// they could have had, or they are short of a tab and no relief is under way.
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
			by = permit && p.rootLeases(o.Affinity) < p.Settings.RootCap &&
				!(o.Affinity == r.Affinity && r.Class == core.Urgent)
		case o.Affinity == r.Affinity || o.Class != core.Nested && p.room(o.Affinity) <= 0:
		default:
			by = permit || noRoom && p.demandOf(o.Affinity).tabs[o.Class] > 0
		}
		if by {
			passed = append(passed, j)
		}
	}
	return passed
}

func (p *plan) permits(c core.Class) int { return permits(&p.Facts, c) }

func (p *plan) unreserved() int { return unreserved(&p.Facts) }

func (p *plan) rootLeases(a core.Affinity) int { return rootLeases(&p.Facts, a) }

// room is how many more root leases and tabs RootCap and AffinityTabs leave an affinity.
func (p *plan) room(a core.Affinity) int {
	return min(p.Settings.RootCap-p.rootLeases(a), p.Settings.AffinityTabs-owned(&p.Facts, a))
}

// coming is how many tabs of an affinity are idle, or on their way to be and promised to nobody.
func (p *plan) coming(a core.Affinity) int {
	return tabsThat(&p.Facts, func(t *core.Tab) bool {
		return t.Affinity == a && !t.Overdue && !t.Doomed && t.Pinned == 0 &&
			(t.State == core.Idle || t.State == core.Opening || asked(t))
	})
}

// demand is what those that wait could have together, had the pool it: by class.
type demand struct {
	tabs    [core.Classes]int // beyond those that are coming for them
	permits [core.Classes]int // root leases, but for the root limit and the reserve
	// how many of the tabs are for nested requests at or above ReservedPriority
	entitled int
	own      [core.Classes]int // how many of the tabs no standby serves
	forOwn   int               // how many of the entitled ones are among these
}

// demandOf is the demand of an affinity. What is coming for it is for its nested requests first,
// and then for the urgent ones.
func (p *plan) demandOf(a core.Affinity) (d demand) {
	promised := 0
	for _, i := range p.of[a] {
		r := &p.Requests[i]
		switch {
		case !r.Used:
			continue
		case r.Pin != core.None && r.Class != core.Nested:
			promised++
		case r.Pin == core.None:
			d.tabs[r.Class]++
		}
		d.permits[r.Class]++
		if r.Pin == core.None && r.Class == core.Nested && reserved(&p.Settings, r.Priority) {
			d.entitled++
		}
	}
	coming := p.coming(a)
	leases, tabs := p.Settings.RootCap-p.rootLeases(a), p.Settings.AffinityTabs-owned(&p.Facts, a)
	limit(&d.tabs, min(leases, tabs))
	limit(&d.permits, min(leases, tabs+coming+promised))
	for _, c := range [...]core.Class{core.Nested, core.Urgent, core.Root} {
		own := min(d.tabs[c], coming)
		d.tabs[c], coming = d.tabs[c]-own, coming-own
	}
	d.permits[core.Nested], d.entitled = 0, min(d.entitled, d.tabs[core.Nested])
	if p.own(a) {
		d.own, d.forOwn = d.tabs, d.entitled
	}
	return d
}

// limit leaves root requests so much, the urgent ones first.
func limit(n *[core.Classes]int, most int) {
	n[core.Urgent] = max(0, min(n[core.Urgent], most))
	n[core.Root] = max(0, min(n[core.Root], most-n[core.Urgent]))
}

// demand is the demand of everybody.
func (p *plan) demand() (all demand) {
	for _, a := range p.waiters {
		d := p.demandOf(a)
		for c := range all.tabs {
			all.tabs[c], all.permits[c] = all.tabs[c]+d.tabs[c], all.permits[c]+d.permits[c]
			all.own[c] += d.own[c]
		}
		all.entitled, all.forOwn = all.entitled+d.entitled, all.forOwn+d.forOwn
	}
	return all
}

// need is how many of those that wait could be given a tab together, had the pool the tabs.
func (p *plan) need() int { return p.couldHave(p.demand().tabs) }

// couldHave is how many of so many the root limit and the reserve let through together.
func (p *plan) couldHave(n [core.Classes]int) int {
	if n[core.Root]+n[core.Urgent] == 0 {
		return n[core.Nested]
	}
	others := max(0, min(n[core.Root], p.permits(core.Root)))
	return n[core.Nested] + max(0, min(n[core.Urgent]+others, p.permits(core.Urgent)))
}

// free is how many tabs may still be opened: one more than capacity may be alive.
func (p *plan) free() int { return max(0, int(p.Capacity)+1-alive(&p.Facts)) }

// toCome is how many tabs are being opened for nobody, none of them overdue.
func (p *plan) toCome() int {
	return tabsThat(&p.Facts, func(t *core.Tab) bool {
		return t.State == core.Opening && !t.Overdue && (t.Affinity == 0 || t.Doomed)
	})
}

// relief is how many tabs are on their way to those that wait: what opens, what closes, and the
// slots that are free; nothing that is overdue, or promised.
func (p *plan) relief() int {
	return p.toCome() + p.slots()
}

// grow raises capacity by the shortage (rule 5), requests that only the root limit stops included:
// up to what the reserve leaves, and up to MaxPages for requests at or above ReservedPriority.
func (p *plan) grow() bool {
	before, most := int(p.Capacity), p.Settings.MaxPages-p.Settings.ReservedPages
	if before >= p.Settings.MaxPages {
		return false
	}
	d, others := p.demand(), max(0, p.unreserved())
	tabs := func(n [core.Classes]int) int {
		return n[core.Nested] + n[core.Urgent] + min(others, n[core.Root])
	}
	short := p.short(d.permits[core.Urgent]+min(others, d.permits[core.Root]), tabs(d.tabs),
		tabs(d.own))
	p.Capacity = int32(max(before, min(before+short, most)))
	short -= int(p.Capacity) - before
	urgent := p.short(d.permits[core.Urgent]+p.heldPermit(), d.tabs[core.Urgent]+d.entitled,
		d.own[core.Urgent]+d.forOwn)
	p.Capacity = int32(min(int(p.Capacity)+min(short, urgent), p.Settings.MaxPages))
	return int(p.Capacity) > before
}

// short is how much more capacity those need who want so many permits and so many tabs, so many of
// which no standby serves.
func (p *plan) short(permits, tabs, own int) int {
	if permits > 0 {
		permits -= p.permits(core.Urgent)
	}
	return max(0, permits, tabs-p.relief()-len(p.standbys), own-p.slots())
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
		if !r.Used || r.Class != core.Urgent || p.rootLeases(r.Affinity) >= p.Settings.RootCap ||
			!has && (r.Pin != core.None || p.room(r.Affinity) <= 0) {
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
// switched on and nothing is on its way: rule 7.
func (p *plan) reassign() bool {
	if !p.Settings.AllowReassign ||
		p.standbyNeed() <= len(p.standbys)+p.toCome()+max(0, p.slots()-p.ownNeed()) {
		return false
	}
	var stopped [core.Classes]bool
	for _, i := range p.order {
		r := &p.Requests[i]
		if !r.Used || r.Pin != core.None || p.own(r.Affinity) || stopped[r.Class] ||
			p.permits(r.Class) <= 0 || p.demandOf(r.Affinity).tabs[r.Class] <= 0 {
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

// foreign is the idle tab of another affinity that eviction would take, of those that are alone in
// their context and that no request of their own affinity can use.
func (p *plan) foreign(i int32) int32 {
	return p.coldest(func(t *core.Tab) bool {
		return !p.own(t.Affinity) && !p.own(p.Requests[i].Affinity) &&
			t.Affinity != p.Requests[i].Affinity && tabsIn(&p.Facts, t.Context) == 1 &&
			p.spareIdle(t.Affinity) > 0
	})
}

// spareIdle is how many idle tabs of an affinity are left when each of its own requests that no
// limit stops has one.
func (p *plan) spareIdle(a core.Affinity) int {
	idle := tabsThat(&p.Facts, func(t *core.Tab) bool {
		return t.State == core.Idle && t.Affinity == a
	})
	roots := p.Settings.RootCap - p.rootLeases(a)
	for _, i := range p.of[a] {
		switch r := &p.Requests[i]; {
		case !r.Used:
		case r.Class == core.Nested:
			idle--
		case p.permits(r.Class) > 0 && roots > 0:
			idle, roots = idle-1, roots-1
		}
	}
	return idle
}

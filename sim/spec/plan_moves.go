package spec

import (
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// What the plan chooses among tabs, what it does with them, and how it makes room.

// ownIdle is the idle tab that an affinity would use next: one that needs no probe, then one in its
// primary, then the one that it used last, and of those that it never used the one opened last.
func (p *plan) ownIdle(a core.Affinity) int32 {
	best := core.None
	for i := range p.Tabs {
		t := &p.Tabs[i]
		if t.State != core.Idle || t.Affinity != a {
			continue
		}
		if best == core.None || p.warmer(int32(i), best) ||
			!p.warmer(best, int32(i)) && t.ID > p.Tabs[best].ID {
			best = int32(i)
		}
	}
	return best
}

// warmer says which of two tabs of an affinity it would use first.
func (p *plan) warmer(i, j int32) bool {
	t, u := &p.Tabs[i], &p.Tabs[j]
	switch {
	case p.stale(i) != p.stale(j):
		return p.stale(j)
	case p.inPrimary(t) != p.inPrimary(u):
		return p.inPrimary(t)
	}
	return t.Stamp > u.Stamp
}

// stale says whether a tab has to be probed before it is granted: it is frozen, or it was used and
// its page has not been heard of for longer than ProbeMaxAge, by the ledger.
func (p *plan) stale(i int32) bool {
	t := &p.Tabs[i]
	return t.Frozen || p.Settings.ProbeBudget > 0 && t.Uses > 0 &&
		p.Now-p.step.Ledger.heardFrom(t.ID) > core.Time(p.Settings.ProbeMaxAge)
}

func (p *plan) inPrimary(t *core.Tab) bool {
	return t.Affinity != 0 && p.Affinities[t.Affinity].Primary == t.Context
}

// ownAlmostIdle is a tab of a request's affinity, promised to nobody, that needs nothing but the
// end or the beginning of a session. Which of several is the step's choice.
func (p *plan) ownAlmostIdle(r *core.Request) int32 {
	any := core.None
	for i := range p.Tabs {
		t := &p.Tabs[i]
		session := t.Part == core.PartBegin || t.Part == core.PartEnd && !p.Settings.Reset
		if t.State == core.Resetting && t.Affinity == r.Affinity && session && !t.Overdue && !t.Suspect &&
			!t.Retried && t.Pinned == 0 {
			if any = int32(i); p.step.After.Tabs[i].Pinned == r.ID {
				break
			}
		}
	}
	return any
}

// opensInside says whether a tab can be opened for a request inside its affinity's primary: there
// is a place in it, and a slot is free beyond those that older requests need. Those need none that
// idle tabs of their affinity are there for.
func (p *plan) opensInside(i int32) bool {
	if !p.opens() || p.free() == 0 || !p.fits(p.Requests[i].Affinity) {
		return false
	}
	supply, ahead := p.free()+len(p.standbys)+p.toCome(), map[core.Affinity]int{}
	for _, j := range p.order {
		o := &p.Requests[j]
		if j == i {
			break
		}
		if !o.Used || o.Pin != core.None {
			continue
		}
		idle := tabsThat(&p.Facts, func(t *core.Tab) bool {
			return t.State == core.Idle && t.Affinity == o.Affinity
		})
		if ahead[o.Affinity]++; ahead[o.Affinity] > idle && p.permits(o.Class) > 0 &&
			(o.Class == core.Nested || p.room(o.Affinity) > 0) {
			supply--
		}
	}
	return supply > 0
}

// fits says whether the primary of an affinity has a place, in the browser that takes new tabs.
func (p *plan) fits(a core.Affinity) bool {
	c := p.Affinities[a].Primary
	return c != core.None && tabsIn(&p.Facts, c) < p.Settings.TabsPerContext &&
		p.Contexts[c].Browser == serving(&p.Facts).ID
}

// opens says whether tabs can be opened now.
func (p *plan) opens() bool {
	return !p.Openings.On && p.Phase < core.PhaseEnding && serving(&p.Facts) != nil
}

// grant gives a tab to a request, and counts whom that passes by.
func (p *plan) grant(i, tab int32, how core.How) {
	for _, o := range p.passes(i) {
		if !p.usedUp(o) {
			p.Requests[o].Bypassed++
		}
	}
	r, t := &p.Requests[i], &p.Tabs[tab]
	if how == core.Warm && t.Uses == 0 {
		how = core.InPrimary
	}
	if how == core.Adopted {
		p.standbys = slices.DeleteFunc(p.standbys, func(s int32) bool { return s == tab })
	}
	if gains(how) {
		p.leavesPrimary(t)
		t.Affinity, p.Contexts[t.Context].Affinity = r.Affinity, r.Affinity
		if k := &p.Affinities[r.Affinity]; k.Primary == core.None {
			k.Primary = t.Context
		}
	}
	p.LastStamp++
	t.Stamp, p.Affinities[r.Affinity].Stamp = p.LastStamp, p.LastStamp
	t.State, t.Holder, t.Class = core.Leased, r.ID, r.Class
	t.Uses++
	p.answer(i)
	p.moves = append(p.moves, move{kind: core.Grant, how: how, request: r.ID, tab: t.ID})
}

// leavesPrimary notes that a context is its affinity's primary no longer.
func (p *plan) leavesPrimary(t *core.Tab) {
	if p.inPrimary(t) {
		p.Affinities[t.Affinity].Primary = core.None
	}
}

// answer notes that a request waits no longer.
func (p *plan) answer(i int32) {
	r := &p.Requests[i]
	if r.Pin != core.None {
		p.Tabs[r.Pin].Pinned = 0
	}
	r.Used = false
}

func (p *plan) promise(i, tab int32) {
	p.Requests[i].Pin, p.Tabs[tab].Pinned = tab, p.Requests[i].ID
}

func (p *plan) probe(i, tab int32) {
	p.Tabs[tab].State = core.Probing
	p.promise(i, tab)
	p.moves = append(p.moves, move{kind: core.ProbeTab, tab: p.Tabs[tab].ID})
}

// open opens a tab, as a move says: in a context, in one that is made for an affinity, or in a new
// one.
func (p *plan) open(t core.Tab, as move) {
	p.LastTab++
	t.ID, t.State = p.LastTab, core.Opening
	p.Tabs = append(p.Tabs, t)
	as.kind, as.tab = core.OpenTab, t.ID
	p.moves = append(p.moves, as)
}

// makeRoom evicts idle tabs, the coldest first, as many as the shortage asks for. Where none is
// left it closes a standby for those whom no standby serves, and then those whose overdue operation
// began first; who can be served then is (rule 6). With nobody short of a tab, one goes for the
// spare, where one is wanted, of an affinity that holds no root lease.
func (p *plan) makeRoom() {
	p.place()
	for need := p.need(); need > 0; need = p.need() {
		evicted, own := false, p.ownNeed()
		for ; p.relief()+len(p.standbys) < need || p.slots() < own; evicted = true {
			victim, reason := p.coldest(func(*core.Tab) bool { return true }), core.Eviction
			if victim == core.None && p.slots() < own {
				victim = p.youngestStandby()
			}
			if victim == core.None {
				victim, reason = p.longestOverdue(), core.Wedge
			}
			if victim == core.None {
				break
			}
			p.close(victim, reason)
		}
		if !evicted {
			return
		}
		p.place()
	}
	if len(p.standbys) == 0 && target(&p.Facts) > 0 &&
		p.openings()+count(&p.Facts, core.Closing)+p.doomedLeases()+p.free() == 0 {
		if victim := p.coldest(func(t *core.Tab) bool { return p.rootLeases(t.Affinity) == 0 }); victim !=
			core.None {
			p.close(victim, core.Eviction)
		}
	}
}

// openings is how many tabs are being opened, but for those that an affinity waits for and that are
// not overdue.
func (p *plan) openings() int {
	return p.toCome() + tabsThat(&p.Facts, func(t *core.Tab) bool {
		return t.State == core.Opening && t.Overdue
	})
}

// doomedLeases is how many tabs are held that close when they are given back.
func (p *plan) doomedLeases() int {
	return tabsThat(&p.Facts, func(t *core.Tab) bool { return t.State == core.Leased && t.Doomed })
}

func (p *plan) close(i int32, reason core.Reason) {
	t := &p.Tabs[i]
	t.State, t.Overdue = core.Closing, false
	p.standbys = slices.DeleteFunc(p.standbys, func(s int32) bool { return s == i })
	others := slices.ContainsFunc(p.Tabs, func(o core.Tab) bool {
		return o.Context == t.Context && (bound(&o) || o.State == core.Opening)
	})
	if !others && p.step.After.Affinities[t.Affinity].Primary != t.Context {
		p.leavesPrimary(t) // whether it is kept is another claim's
	}
	p.moves = append(p.moves, move{kind: core.CloseTab, reason: reason, tab: t.ID})
}

// coldest is the idle tab that is missed least, of those that may be taken: of a browser that is
// being replaced, then of the affinity that was handed out longest ago, then the one that it would
// use last.
func (p *plan) coldest(may func(*core.Tab) bool) int32 {
	victim := core.None
	for i := range p.Tabs {
		if t := &p.Tabs[i]; t.State == core.Idle && may(t) &&
			(victim == core.None || p.colder(int32(i), victim)) {
			victim = int32(i)
		}
	}
	return victim
}

func (p *plan) colder(i, j int32) bool {
	t, u := &p.Tabs[i], &p.Tabs[j]
	switch {
	case p.drains(t) != p.drains(u):
		return p.drains(t)
	case t.Affinity != u.Affinity:
		return p.Affinities[t.Affinity].Stamp < p.Affinities[u.Affinity].Stamp
	}
	return p.warmer(j, i)
}

// drains says whether a tab is of a browser that is being replaced.
func (p *plan) drains(t *core.Tab) bool {
	return drains(&p.Facts, t.Browser)
}

// longestOverdue is the tab whose probe, rescue or reset is overdue and began first.
func (p *plan) longestOverdue() int32 {
	first := core.None
	for i := range p.Tabs {
		t := &p.Tabs[i]
		if !t.Overdue || !asked(t) {
			continue
		}
		if first == core.None || t.Since < p.Tabs[first].Since ||
			t.Since == p.Tabs[first].Since && t.ID < p.Tabs[first].ID {
			first = int32(i)
		}
	}
	return first
}

// thaw probes the frozen standbys, in their order, as many as those that wait are short of, where
// no other is there.
func (p *plan) thaw() {
	if len(p.standbys) == 0 || p.awake() != core.None {
		return
	}
	n := p.standbyNeed() - tabsThat(&p.Facts, func(t *core.Tab) bool { return thaws(t) && !t.Overdue })
	for ; n > 0 && len(p.standbys) > 0; n-- {
		t := &p.Tabs[p.standbys[0]]
		t.State, p.standbys = core.Opening, p.standbys[1:]
		p.moves = append(p.moves, move{kind: core.ProbeTab, tab: t.ID})
	}
}

// awake is the first standby that is not frozen.
func (p *plan) awake() int32 {
	for _, i := range p.standbys {
		if !p.Tabs[i].Frozen {
			return i
		}
	}
	return core.None
}

// refill opens standbys: until there are as many as the target says, or as are needed.
func (p *plan) refill() {
	for p.opens() && p.free() > 0 {
		if len(p.standbys)+p.openings() >= target(&p.Facts) &&
			len(p.standbys)+p.toCome() >= p.standbyNeed() {
			return
		}
		p.open(core.Tab{Context: core.None}, move{})
	}
}

// refuse refuses those that have sat through OpenRetries failed rounds of opening, and that nothing
// else can serve. Another affinity's tab can, where that is switched on; it says whether one did.
func (p *plan) refuse() bool {
	first := core.None // of those that another affinity's tab can serve, in the waiting order
	if len(p.order) == 0 || tabsThat(&p.Facts, func(t *core.Tab) bool {
		return t.State == core.Opening && !t.Overdue
	}) > 0 {
		return false
	}
	for i := range p.Requests {
		r := &p.Requests[i]
		if !r.Used || !satThrough(&p.Facts, r.Rounds) || !p.admitted(r) ||
			hasBound(&p.Facts, r.Affinity) {
			continue
		}
		switch {
		case !p.Settings.AllowReassign || p.foreign(int32(i)) == core.None:
			p.answer(int32(i))
			p.moves = append(p.moves, move{kind: core.Refuse, reason: core.BrowserUnavailable,
				request: r.ID})
		case p.held(int32(i)):
		case first == core.None || p.precedes(r, &p.Requests[first]) < 0:
			first = int32(i)
		}
	}
	return first != core.None && p.reassignTo(first)
}

// admitted says whether no limit stops a request.
func (p *plan) admitted(r *core.Request) bool {
	return r.Class == core.Nested ||
		p.permits(r.Class) > 0 && p.rootLeases(r.Affinity) < p.Settings.RootCap &&
			(p.ownIdle(r.Affinity) != core.None || owned(&p.Facts, r.Affinity) < p.Settings.AffinityTabs)
}

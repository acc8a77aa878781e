package spec

import "github.com/pagepool/pagepool/pool/core"

// What the plan does for affinities with terms of their own. No standby serves them: a tab is
// opened for a request of theirs, in a context that is made for it.

// own says whether the contexts of an affinity are made for it.
func (p *plan) own(a core.Affinity) bool { return p.Affinities[a].Own }

// ownNeed is how many of those that could be given a tab together no standby serves. Permits go by
// the waiting order.
func (p *plan) ownNeed() (n int) {
	root, urgent := p.permits(core.Root), p.permits(core.Urgent)
	counted := make([][core.Classes]int, len(p.Affinities))
	for _, i := range p.order {
		r := &p.Requests[i]
		if !r.Used || r.Pin != core.None ||
			counted[r.Affinity][r.Class] >= p.demandOf(r.Affinity).tabs[r.Class] ||
			r.Class != core.Nested && urgent <= 0 || r.Class == core.Root && root <= 0 {
			continue
		}
		counted[r.Affinity][r.Class]++
		if p.own(r.Affinity) {
			n++
		}
		switch r.Class {
		case core.Root:
			root, urgent = root-1, urgent-1
		case core.Urgent:
			urgent--
		}
	}
	return n
}

// standbyNeed is how many of those that could be given a tab together a standby serves.
func (p *plan) standbyNeed() int { return p.need() - p.ownNeed() }

// slots is how many slots are free, or will be by a close that is not overdue.
func (p *plan) slots() int {
	return p.free() + tabsThat(&p.Facts, func(t *core.Tab) bool {
		return t.State == core.Closing && !t.Overdue
	})
}

// opensFor says whether a tab can be opened for a request alone: in a context that is made for its
// affinity, or inside its primary.
func (p *plan) opensFor(i int32) bool {
	if p.own(p.Requests[i].Affinity) {
		return p.opens() && p.free() > 0 && p.free() > p.olderShort(i)
	}
	return p.opensInside(i)
}

// olderShort is how many slots those that are ahead of a request, and whom a standby serves, are
// short of.
func (p *plan) olderShort(i int32) int {
	var n [core.Classes]int
	for _, a := range p.waiters {
		if p.own(a) {
			continue
		}
		var older [core.Classes]int
		for _, j := range p.order {
			if j == i {
				break
			}
			if o := &p.Requests[j]; o.Used && o.Pin == core.None && o.Affinity == a {
				older[o.Class]++
			}
		}
		for c, most := range p.demandOf(a).tabs {
			n[c] += min(older[c], most)
		}
	}
	return max(0, p.couldHave(n)-len(p.standbys)-p.toCome())
}

// madeForIt stands for the context that a tab is opened in and that is made for its affinity: it is
// no context that is there, and not None, which is the primary of an affinity that has none.
const madeForIt = core.None - 1

// openFor opens a tab for a request alone, and promises it.
func (p *plan) openFor(i int32, a core.Affinity) {
	if p.own(a) && !p.fits(a) {
		p.open(core.Tab{Affinity: a, Context: madeForIt}, move{own: a})
	} else {
		c := p.Affinities[a].Primary
		p.open(core.Tab{Affinity: a, Context: c}, move{context: p.Contexts[c].ID})
	}
	p.promise(i, int32(len(p.Tabs)-1))
}

// youngestStandby is the standby that would be adopted last.
func (p *plan) youngestStandby() int32 {
	if n := len(p.standbys); n > 0 {
		return p.standbys[n-1]
	}
	return core.None
}

// wasOwn says whether the contexts of an affinity that the step has forgotten were made for it.
func (t *Transition) wasOwn(a core.Affinity) bool {
	return t.affinityBefore(a).Own ||
		t.Event.Kind == core.Requested && t.Event.Affinity == a && t.Event.Own
}

package spec

import (
	"math"

	"github.com/pagepool/pagepool/pool/core"
)

// What the claims about supply count, from facts and the ledger alone: permits, tabs, and what lacks one.

// shortage counts, one by one, the requests that could be given a tab together, had the pool the
// tabs, beyond those that are promised one and what is coming for their affinity.
func (t *Transition) shortage() int32 { return t.shortageBefore(nil) }

// shortageBefore is the shortage as it was before the rest of the step: the tabs that it evicts were
// idle.
func (t *Transition) shortageBefore(rest []core.Effect) int32 {
	if waiting(t.After) == 0 {
		return 0
	}
	needs := t.needs(rest)
	others := max(0, min(needs[core.Root], t.permits(core.Root)))
	return needs[core.Nested] + max(0, min(needs[core.Urgent]+others, t.permits(core.Urgent)))
}

// needs is how many more tabs the requests of all affinities could use, but for the root limit and
// the reserve.
func (t *Transition) needs(rest []core.Effect) (all [core.Classes]int32) {
	requests := t.After.Requests
	for i := range requests {
		if requests[i].Used && !asksBefore(requests[:i], requests[i].Affinity) {
			for c, n := range t.shortageOf(requests[i].Affinity, rest) {
				all[c] += n
			}
		}
	}
	return all
}

// asksBefore says whether one of these requests is of an affinity.
func asksBefore(requests []core.Request, a core.Affinity) bool {
	for i := range requests {
		if requests[i].Used && requests[i].Affinity == a {
			return true
		}
	}
	return false
}

// shortageOf is how many more tabs the requests of an affinity could use together, by class. What is
// coming for it is theirs: the nested ones come first, then the urgent ones.
func (t *Transition) shortageOf(a core.Affinity, rest []core.Effect) (needs [core.Classes]int32) {
	n := t.unpromised(a)
	if n == needs {
		return needs
	}
	idle := int32(evicted(rest, a))
	coming, _ := t.comingFor(a)
	coming += idle
	room := t.roomOf(a, idle)
	n[core.Urgent] = max(0, min(n[core.Urgent], room))
	n[core.Root] = max(0, min(n[core.Root], room-n[core.Urgent]))
	for _, c := range [...]core.Class{core.Nested, core.Urgent, core.Root} {
		own := min(n[c], coming)
		needs[c], coming = n[c]-own, coming-own
	}
	return needs
}

// lacks says whether a request is of a class of which its affinity is short of a tab.
func (t *Transition) lacks(r *core.Request) bool {
	return t.shortageOf(r.Affinity, nil)[classOf(t.After, r)] > 0
}

// comingFor counts the tabs of an affinity that are idle or on their way to be, promised to nobody,
// and its openings.
func (t *Transition) comingFor(a core.Affinity) (coming, openings int32) {
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		if tab.State == 0 || tab.Affinity != a || tab.Overdue || tab.Doomed {
			continue
		}
		on := tab.State == core.Idle || tab.State == core.Opening || tab.State == core.Probing || tab.State == core.Rescuing || tab.State == core.Resetting
		if on && tab.Pinned == 0 {
			coming++
		}
		if tab.State == core.Opening {
			openings++
		}
	}
	return coming, openings
}

// rootsOf counts the root requests of an affinity that wait, its root leases, and its bound tabs
// that count towards AffinityTabs.
func (l *Ledger) rootsOf(a core.Affinity) (waiting, held, bound int32) {
	for i := range l.waiting {
		if r := &l.waiting[i]; r.class == core.Root && r.affinity == a {
			waiting++
		}
	}
	for i := range l.tabs {
		e := &l.tabs[i]
		if e.affinity == a && e.holder != 0 && e.class == core.Root {
			held++
		}
		if e.affinity == a && e.bound() && !e.lateFor() {
			bound++
		}
	}
	return waiting, held, bound
}

// size is the capacity that is to stay, by the ledger.
func (t *Transition) size() int32 {
	if c := t.Ledger.tab(t.After.Contraction); c != nil && !c.lost {
		return t.After.Capacity - 1
	}
	return t.After.Capacity
}

// permits is how many more leases of a class the root limit and the reserve allow, by the ledger.
func (t *Transition) permits(c core.Class) int32 { return t.permitsLeft().of(c) }

// A permitCount is how many more root leases the root limit allows, and how many of these the
// reserve leaves to requests that are not urgent.
type permitCount struct{ all, others int32 }

func (p permitCount) of(c core.Class) int32 {
	switch c {
	case core.Nested:
		return math.MaxInt32
	case core.Urgent:
		return p.all
	}
	return min(p.all, p.others)
}

// takesLast says whether a lease of one class takes the last permit that a request of another class
// could have had.
func (p permitCount) takesLast(by, of core.Class) bool {
	if by == core.Nested || of == core.Nested || p.of(of) <= 0 {
		return false
	}
	return p.all == 1 || by == core.Root && of == core.Root && p.of(core.Root) == 1
}

func (t *Transition) permitsLeft() permitCount {
	lost, set := int32(t.Ledger.lost), &t.After.Settings
	p := permitCount{all: t.size() - lost, others: int32(set.MaxPages-set.ReservedPages) - lost}
	for i := range t.Ledger.tabs {
		if e := &t.Ledger.tabs[i]; e.holder != 0 && e.class == core.Root {
			p.grant(-1, reserved(t.After, e.priority))
		}
	}
	return p
}

// grant counts permits back, or less than none away, of leases that are urgent or are not.
func (p *permitCount) grant(n int32, urgent bool) {
	p.all += n
	if !urgent {
		p.others += n
	}
}

// free is how many tabs may still be opened, by the ledger.
func (t *Transition) free() int32 { return t.After.Capacity + 1 - int32(len(t.Ledger.tabs)) }

// target is how many standbys there should be, by the ledger.
func (t *Transition) target() int32 {
	if t.heavy() {
		return 0
	}
	n := t.size()
	for i := range t.Ledger.tabs {
		if t.Ledger.tabs[i].bound() {
			n--
		}
	}
	return max(1, n)
}

// doomedLeases is how many tabs are held and marked to close.
func (l *Ledger) doomedLeases() int32 {
	n := int32(0)
	for i := range l.tabs {
		if e := &l.tabs[i]; e.holder != 0 && (e.doomed != 0 || e.spoiled) {
			n++
		}
	}
	return n
}

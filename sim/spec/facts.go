package spec

import (
	"math"

	"github.com/pagepool/pagepool/pool/core"
)

// What the facts say, worked out anew from them alone: nothing here calls a predicate of the core.

// tabAt is the slot of a tab; None: it is not alive.
func tabAt(f *core.Facts, id core.TabID) int32 {
	for i := range f.Tabs {
		if f.Tabs[i].State != 0 && f.Tabs[i].ID == id {
			return int32(i)
		}
	}
	return core.None
}

// requestAt is the slot of a request; None: it does not wait.
func requestAt(f *core.Facts, id core.RequestID) int32 {
	for i := range f.Requests {
		if f.Requests[i].Used && f.Requests[i].ID == id {
			return int32(i)
		}
	}
	return core.None
}

// tabsThat is how many tabs are so.
func tabsThat(f *core.Facts, are func(*core.Tab) bool) int {
	n := 0
	for i := range f.Tabs {
		if t := &f.Tabs[i]; t.State != 0 && are(t) {
			n++
		}
	}
	return n
}

func alive(f *core.Facts) int { return tabsThat(f, func(*core.Tab) bool { return true }) }

// count is how many tabs are in a state.
func count(f *core.Facts, state core.TabState) int {
	return tabsThat(f, func(t *core.Tab) bool { return t.State == state })
}

// tabsIn is how many tabs a context has, by its slot.
func tabsIn(f *core.Facts, context int32) int {
	return tabsThat(f, func(t *core.Tab) bool { return t.Context == context })
}

func orphan(f *core.Facts, context int32) bool {
	return f.Contexts[context].State == core.ContextOpen && tabsIn(f, context) == 0
}

// tabless is how many contexts have no tab.
func tabless(f *core.Facts) int {
	n := 0
	for i := range f.Contexts {
		if f.Contexts[i].State != 0 && tabsIn(f, int32(i)) == 0 {
			n++
		}
	}
	return n
}

func isPrimary(f *core.Facts, context int32) bool {
	a := f.Contexts[context].Affinity
	return a != 0 && f.Affinities[a].Primary == context
}

// primaryOf is the primary of an affinity; 0: it has none.
func primaryOf(f *core.Facts, a core.Affinity) core.ContextID {
	if k := &f.Affinities[a]; k.Known && k.Primary != core.None {
		return f.Contexts[k.Primary].ID
	}
	return 0
}

// bound says whether a tab belongs to an affinity and is not on its way out.
func bound(t *core.Tab) bool {
	switch t.State {
	case core.Idle, core.Probing, core.Rescuing, core.Resetting:
		return true
	case core.Leased:
		return !t.Doomed
	}
	return false
}

// asked says whether a tab is probed, rescued or reset.
func asked(t *core.Tab) bool {
	return t.State == core.Probing || t.State == core.Rescuing || t.State == core.Resetting
}

// owned is how many tabs of an affinity count towards AffinityTabs: those bound to it and those
// that open inside its primary, but for what is overdue.
func owned(f *core.Facts, a core.Affinity) int {
	return tabsThat(f, func(t *core.Tab) bool {
		return t.Affinity == a && !t.Overdue && (bound(t) || t.State == core.Opening && !t.Doomed)
	})
}

func hasBound(f *core.Facts, a core.Affinity) bool {
	return tabsThat(f, func(t *core.Tab) bool { return t.Affinity == a && bound(t) }) > 0
}

// size is the capacity that is to stay: what a contraction takes counts no more, unless its tab is
// lost and counted so.
func size(f *core.Facts) int {
	return int(f.Capacity) - tabsThat(f, func(t *core.Tab) bool {
		return t.ID == f.Contraction && t.State != core.Lost
	})
}

// target is how many standbys there should be; none in a browser that is above its memory.
func target(f *core.Facts) int {
	if b := serving(f); b != nil && b.Heavy {
		return 0
	}
	return max(1, size(f)-tabsThat(f, bound))
}

func browserOf(f *core.Facts, id core.BrowserID) *core.Browser {
	for i := range f.Browsers {
		if f.Browsers[i].ID == id {
			return &f.Browsers[i]
		}
	}
	return nil
}

// drains says whether a browser is being replaced by one that serves.
func drains(f *core.Facts, id core.BrowserID) bool {
	b := browserOf(f, id)
	return b != nil && b.State == core.BrowserDraining
}

// serving is the browser that new tabs open in; nil: there is none.
func serving(f *core.Facts) *core.Browser {
	for i := range f.Browsers {
		if f.Browsers[i].State == core.BrowserServing {
			return &f.Browsers[i]
		}
	}
	return nil
}

// satThrough says whether OpenRetries rounds of opening have failed in a row since a request came
// in that many.
func satThrough(f *core.Facts, rounds uint32) bool {
	return int(f.Rounds)-int(max(rounds, f.Success)) >= f.Settings.OpenRetries
}

// thaws says whether a tab is a standby that is being thawed.
func thaws(t *core.Tab) bool { return t.State == core.Opening && t.Frozen }

// permits is how many more leases of a class the root limit and the reserve allow.
func permits(f *core.Facts, c core.Class) int {
	if c == core.Nested {
		return math.MaxInt
	}
	all := size(f) - count(f, core.Lost) - rootLeases(f, 0)
	if c == core.Urgent {
		return all
	}
	return min(all, unreserved(f))
}

// unreserved is how many more root leases the reserve leaves to requests that are not urgent.
func unreserved(f *core.Facts) int {
	return f.Settings.MaxPages - f.Settings.ReservedPages - count(f, core.Lost) -
		tabsThat(f, func(t *core.Tab) bool { return t.State == core.Leased && t.Class == core.Root })
}

// rootLeases is how many root leases an affinity holds; of 0: all.
func rootLeases(f *core.Facts, a core.Affinity) int {
	return tabsThat(f, func(t *core.Tab) bool {
		return t.State == core.Leased && t.Class != core.Nested && (a == 0 || t.Affinity == a)
	})
}

// reserved says whether ReservedPages are for requests of a priority.
func reserved(set *core.Settings, priority int32) bool {
	return set.ReservedPages > 0 && int(priority) >= set.ReservedPriority
}

// classOf is the class of a request by what it asked for.
func classOf(f *core.Facts, r *core.Request) core.Class {
	if r.Class != core.Nested && reserved(&f.Settings, r.Priority) {
		return core.Urgent
	}
	return rootOrNested(r)
}

// rootOrNested is the class that a request was asked with.
func rootOrNested(r *core.Request) core.Class {
	if r.Class == core.Nested {
		return core.Nested
	}
	return core.Root
}

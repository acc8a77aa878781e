package spec

import (
	"math"

	"github.com/pagepool/pagepool/pool/core"
)

// What the facts say, worked out anew from them alone: nothing here calls a predicate of the core.

func tabAt(f *core.State, id core.TabID) (slot int32, ok bool) {
	for i := range f.Tabs {
		if f.Tabs[i].State != 0 && f.Tabs[i].ID == id {
			return int32(i), true
		}
	}
	return core.None, false
}

func requestAt(f *core.State, id core.RequestID) (slot int32, ok bool) {
	for i := range f.Requests {
		if id != 0 && f.Requests[i].ID == id { // the ID of a free slot is 0
			return int32(i), true
		}
	}
	return core.None, false
}

// count is how many tabs are in a state.
func count(f *core.State, state core.TabState) int32 {
	n := int32(0)
	for i := range f.Tabs {
		if f.Tabs[i].State == state {
			n++
		}
	}
	return n
}

// overdue is how many tabs in a state are overdue.
func overdue(f *core.State, state core.TabState) int32 {
	n := int32(0)
	for i := range f.Tabs {
		if f.Tabs[i].State == state && f.Tabs[i].Overdue {
			n++
		}
	}
	return n
}

func alive(f *core.State) int32 { return int32(len(f.Tabs)) - count(f, 0) }

// waiting is how many requests wait.
func waiting(f *core.State) int {
	n := 0
	for i := range f.Requests {
		if f.Requests[i].Used {
			n++
		}
	}
	return n
}

// tabsIn is how many tabs a context has, by its slot.
func tabsIn(f *core.State, context int32) int32 {
	n := int32(0)
	for i := range f.Tabs {
		if f.Tabs[i].State != 0 && f.Tabs[i].Context == context {
			n++
		}
	}
	return n
}

func orphan(f *core.State, context int32) bool {
	return f.Contexts[context].State == core.ContextOpen && tabsIn(f, context) == 0
}

// tabless is how many contexts have no tab.
func tabless(f *core.State) int {
	n := 0
	for i := range f.Contexts {
		if f.Contexts[i].State != 0 && tabsIn(f, int32(i)) == 0 {
			n++
		}
	}
	return n
}

func isPrimary(f *core.State, context int32) bool {
	a := f.Contexts[context].Affinity
	return a != 0 && f.Affinities[a].Primary == context
}

// primaryOf is the primary of an affinity; 0: it has none.
func primaryOf(f *core.State, a core.Affinity) core.ContextID {
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

// owns is what an affinity has: its bound tabs, those of them whose operation is overdue, and those
// that open inside its primary and are not overdue.
func owns(f *core.State, a core.Affinity) (bounds, late, openings int32) {
	for i := range f.Tabs {
		switch t := &f.Tabs[i]; {
		case t.State == 0 || t.Affinity != a:
		case bound(t):
			bounds++
			if t.Overdue {
				late++
			}
		case t.State == core.Opening && !t.Overdue && !t.Doomed:
			openings++
		}
	}
	return bounds, late, openings
}

// owned is how many tabs of an affinity count towards AffinityTabs.
func owned(f *core.State, a core.Affinity) int32 {
	bounds, late, openings := owns(f, a)
	return bounds - late + openings
}

// rootLeases is how many root leases are held of an affinity; of 0: of all.
func rootLeases(f *core.State, a core.Affinity) int32 {
	n := int32(0)
	for i := range f.Tabs {
		if t := &f.Tabs[i]; t.State == core.Leased && t.Class != core.Nested && (a == 0 || t.Affinity == a) {
			n++
		}
	}
	return n
}

func browserOf(f *core.State, id core.BrowserID) *core.Browser {
	for i := range f.Browsers {
		if f.Browsers[i].ID == id {
			return &f.Browsers[i]
		}
	}
	return nil
}

// serving is the browser that new tabs open in; nil: there is none.
func serving(f *core.State) *core.Browser {
	for i := range f.Browsers {
		if f.Browsers[i].State == core.BrowserServing {
			return &f.Browsers[i]
		}
	}
	return nil
}

// opens says whether tabs can be opened.
func opens(f *core.State) bool {
	return !f.Paused && f.Phase < core.PhaseEnding && serving(f) != nil
}

// underCap says whether RootCap lets one more root lease of an affinity through.
func underCap(f *core.State, a core.Affinity) bool {
	return int(rootLeases(f, a)) < f.Settings.RootCap
}

// usedUp says whether a request may not be passed by any more.
func usedUp(f *core.State, r *core.Request) bool {
	return f.Settings.MaxBypass <= 0 || int(r.Bypassed) >= f.Settings.MaxBypass
}

// satThrough says whether OpenRetries rounds of opening have failed in a row since a request came
// in that many.
func satThrough(f *core.State, rounds uint32) bool {
	return int(f.Rounds)-int(max(rounds, f.Success)) >= f.Settings.OpenRetries
}

// stale says whether a tab has to be probed before it is granted: it is frozen, or it was used and its
// page has not been heard of for longer than ProbeMaxAge.
func stale(f *core.State, i int32) bool {
	t, set := &f.Tabs[i], &f.Settings
	return t.Frozen || set.ProbeBudget > 0 && t.Uses > 0 && f.Now-t.GoodAt > core.Time(set.ProbeMaxAge)
}

// thaws says whether a tab is a standby that is being thawed.
func thaws(t *core.Tab) bool { return t.State == core.Opening && t.Frozen }

// thawing is how many of these are not overdue.
func thawing(f *core.State) int32 {
	n := int32(0)
	for i := range f.Tabs {
		if t := &f.Tabs[i]; thaws(t) && !t.Overdue {
			n++
		}
	}
	return n
}

// reserved says whether ReservedPages are for requests of a priority.
func reserved(f *core.State, priority int32) bool {
	return f.Settings.ReservedPages > 0 && int(priority) >= f.Settings.ReservedPriority
}

// classOf is the class of a request by what it asked for.
func classOf(f *core.State, r *core.Request) core.Class {
	if r.Class != core.Nested && reserved(f, r.Priority) {
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

// idleOf says whether an affinity has an idle tab.
func idleOf(f *core.State, a core.Affinity) bool {
	for i := range f.Tabs {
		if f.Tabs[i].State == core.Idle && f.Tabs[i].Affinity == a {
			return true
		}
	}
	return false
}

// silentSince is since when an operation in a browser has been without an answer; core.Never: there
// is none.
func silentSince(f *core.State, id core.BrowserID) core.Time {
	since := core.Never
	for i := range f.Tabs {
		if t := &f.Tabs[i]; t.State != 0 && t.Browser == id {
			since = min(since, t.AskedAt)
		}
	}
	for i := range f.Contexts {
		if c := &f.Contexts[i]; c.State != 0 && c.Browser == id {
			since = min(since, c.AskedAt)
		}
	}
	return since
}

// permitsOf is how many more leases of a class the root limit and the reserve allow.
func permitsOf(f *core.State, c core.Class) int32 {
	if c == core.Nested {
		return math.MaxInt32
	}
	size := f.Capacity
	if i, ok := tabAt(f, f.Contraction); ok && f.Tabs[i].State != core.Lost {
		size-- // the capacity that is about to go
	}
	lost, roots := count(f, core.Lost), rootLeases(f, 0)
	if c == core.Urgent {
		return size - lost - roots
	}
	urgent := int32(0)
	for i := range f.Tabs {
		if t := &f.Tabs[i]; t.State == core.Leased && t.Class == core.Urgent {
			urgent++
		}
	}
	return min(size-lost-roots, int32(f.Settings.MaxPages-f.Settings.ReservedPages)-lost-(roots-urgent))
}

// admitted says whether no limit stops a request.
func admitted(f *core.State, r *core.Request) bool {
	if r.Class == core.Nested {
		return true
	}
	return permitsOf(f, classOf(f, r)) > 0 && underCap(f, r.Affinity) &&
		(idleOf(f, r.Affinity) || int(owned(f, r.Affinity)) < f.Settings.AffinityTabs)
}

// almostIdle says whether a tab that nobody was promised is idle as soon as a session has ended, or
// begun.
func almostIdle(f *core.State, t *core.Tab) bool {
	part := t.Part == core.PartBegin || t.Part == core.PartEnd && !f.Settings.Reset
	return t.State == core.Resetting && part && !t.Overdue && !t.Suspect && !t.Retried && t.Pinned == 0
}

// othersIdle says whether an idle tab may be taken from another affinity: alone in its context, and
// of an affinity whose own requests leave it one.
func othersIdle(f *core.State, a core.Affinity) bool {
	for i := range f.Tabs {
		t := &f.Tabs[i]
		if t.State == core.Idle && t.Affinity != a && tabsIn(f, t.Context) == 1 && spareIdle(f, t.Affinity) > 0 {
			return true
		}
	}
	return false
}

// spareIdle is how many idle tabs of an affinity are left when each of its own requests that no limit
// stops has one.
func spareIdle(f *core.State, a core.Affinity) int {
	nested, roots, idle := 0, 0, 0
	for i := range f.Requests {
		switch r := &f.Requests[i]; {
		case !r.Used || r.Affinity != a:
		case r.Class == core.Nested:
			nested++
		case permitsOf(f, classOf(f, r)) > 0:
			roots++
		}
	}
	for i := range f.Tabs {
		if t := &f.Tabs[i]; t.State == core.Idle && t.Affinity == a {
			idle++
		}
	}
	return idle - nested - min(roots, f.Settings.RootCap-int(rootLeases(f, a)))
}

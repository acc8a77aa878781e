package spec

import (
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

func alive(f *core.State) int32 { return int32(len(f.Tabs)) - count(f, 0) }

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

// satThrough says whether OpenRetries rounds of opening have failed in a row since a request came
// in that many.
func satThrough(f *core.State, rounds uint32) bool {
	return int(f.Rounds)-int(max(rounds, f.Success)) >= f.Settings.OpenRetries
}

// thaws says whether a tab is a standby that is being thawed.
func thaws(t *core.Tab) bool { return t.State == core.Opening && t.Frozen }

// reserved says whether ReservedPages are for requests of a priority.
func reserved(set *core.Settings, priority int32) bool {
	return set.ReservedPages > 0 && int(priority) >= set.ReservedPriority
}

// classOf is the class of a request by what it asked for.
func classOf(f *core.State, r *core.Request) core.Class {
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

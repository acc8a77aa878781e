package sim

import (
	"github.com/pagepool/pagepool/pool/core"
)

// How a step is counted.

// count notes what one step reached.
func (w *World) count(event core.Event, effects []core.Effect) {
	r := w.reached
	if n := byEvent[event.Kind][event.Of]; n > 0 {
		r[n-1]++
	}
	switch {
	case event.Kind == core.Requested:
		if event.MaxLease != 0 {
			r[ownLimit]++
		}
	case event.Kind == core.Disposed:
		w.countDisposal(event)
	case event.Is(core.Silent, core.KillTab):
		if t, ok := w.core.Tab(event.Tab); ok && t.State == core.Lost {
			r[lost]++
		}
	}
	w.countSize(event)
	for i := range effects {
		switch e := &effects[i]; e.Kind {
		case core.Grant:
			w.countGrant(e)
		case core.Refuse:
			r[refuseReaches[e.Reason]]++
		case core.EndLease:
			r[endReaches[e.Reason]]++
		case core.CloseTab:
			r[closeReaches[e.Reason]]++
			if e.Reason == core.Eviction && e.Affinity == 0 {
				r[closedStandby]++
			}
		case core.CloseAgain:
			r[closeAgain]++
			if event.Is(core.Done, core.OpenTab) || event.Is(core.Failed, core.OpenTab) {
				r[openLate]++
			}
		case core.KillTab:
			r[killBegun]++
		case core.CloseContext:
			if e.Reason != core.ReasonNone {
				r[contextReaches[e.Reason]]++
			}
		case core.CloseBrowser:
			if event.Is(core.Done, core.Launch) && event.Browser == e.Browser {
				r[lateLaunch]++
			} else if !w.core.Closing() && event.Kind != core.DrainSilent &&
				!event.Is(core.Silent, core.Ping) {
				r[drained]++
			}
		case core.FinishRecycle:
			if e.Reason == core.ReasonNone {
				r[recycled]++
			} else {
				r[recycleFailed]++
			}
		case core.FinishWarm:
			if e.Reason == core.ReasonNone {
				r[warmed]++
			} else {
				r[warmFailed]++
			}
		case core.FinishClose:
			r[poolClosed]++
		case core.Forget:
			r[forgotten]++
		case core.ProbeTab:
			if e.Affinity == 0 {
				r[standbyThawed]++
			}
		}
	}
}

func (w *World) countGrant(e *core.Effect) {
	r := w.reached
	r[[...]reach{core.Warm: grantedWarm, core.Adopted: grantedAdopted,
		core.InPrimary: grantedInPrimary, core.Reassigned: grantedReassigned}[e.How]]++
	if w.core.Affinities[e.Affinity].Own && e.How == core.InPrimary {
		r[grantedOwn]++
	}
	if e.Waits.Probe > 0 {
		r[grantedProbed]++
	}
	if b := w.core.Bypassed(); b > 0 {
		r[bypassed]++
	}
	if w.core.Exhausted() > 0 {
		r[bypassUsedUp]++
	}
	t, _ := w.core.Tab(e.Tab)
	if !t.Primary {
		r[grantedSupplementary]++
	}
	if t.Class == core.Nested {
		r[grantedNested]++
		if w.core.Permits() <= 0 {
			r[grantedOnSpare]++
		}
	}
}

func (w *World) countDisposal(event core.Event) {
	r := w.reached
	if event.Retain {
		r[disposeRetain]++
	}
	if event.NoWait {
		r[disposeNoWait]++
	} else {
		r[disposeWait]++
	}
	if w.core.Count(core.Opening) > 0 {
		r[openAfterDispose]++
	}
	for i := range w.clients {
		c := &w.clients[i]
		if c.held > 0 && c.leases[0].tab != 0 && w.programs[i][0].Affinity == event.Affinity {
			r[disposeHeld]++
			return
		}
	}
}

// countProbe notes the answer of a page, by why it was asked.
func (w *World) countProbe(id core.TabID) {
	t, ok := w.core.Tab(id)
	switch {
	case !ok || t.State != core.Probing || !t.Suspect:
	case t.Rescued:
		w.reached[savedByRescue]++
	default:
		w.reached[savedUnharmed]++
	}
}

// countSize notes what a step did to the pool's size and to its orphans.
func (w *World) countSize(event core.Event) {
	r := w.reached
	if w.unchecked {
		return // what was before is not known
	}
	switch before, after := int(w.before.Capacity), int(w.core.Capacity); {
	case after > before && after > w.core.Settings.Unreserved():
		r[grewHigh]++
	case after > before:
		r[grew]++
	case after < before:
		r[shrank]++
	}
	switch before, after := w.before.Orphans(), w.core.Orphans(); {
	case after > before:
		r[orphaned]++
	case after < before && event.Kind != core.BrowserGone:
		r[orphanEnded]++
	}
	if event.Is(core.Silent, core.CloseContext) && w.core.LostContexts() > w.before.LostContexts() {
		r[contextLost]++
	}
}

package sim

import (
	"fmt"
	"time"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/core"
)

// WorstRecovery is the longest time from the moment in which a render wedged, or a close began to
// hang, until the tab was confirmed gone and the capacity that it took was usable again: as many
// tabs standby, idle or leased, with a page that answers, as capacity says, less those that other
// such incidents, or lost tabs, still hold. Incidents whose tab is lost are left out.
func (w *World) WorstRecovery() core.Time { return w.worst }

// CapacityMax is the most tabs that were alive at one time.
func (w *World) CapacityMax() int { return w.mostAlive }

// Heal is the second phase of a run: the faults stop, nobody new comes, nobody gives up any more.
// Within a bounded time everything that was asked is answered and the pool is full again; what is
// not is a violation. longest is how long one caller keeps a page.
func (w *World) Heal(longest core.Time, p *Patience) {
	w.healing = true
	w.nextArrival, w.nextMishap = never, never
	w.fake.Recover()
	for i := range w.clients {
		if s := w.clients[i].state; s == waiting ||
			s == calling && w.programs[i][w.clients[i].pc].Verb == Dispose {
			w.clients[i].serial++ // its patience has no end now
		}
	}
	backlog := 4 * core.Time(w.active) * (longest + 2*Seconds)
	w.settle(later(backlog, w.RecoveryBound()), p)
}

// RecoveryBound is the time within which a pool has to be full again from any state, when nothing
// goes wrong any more: every deadline once, one after the other.
func (w *World) RecoveryBound() core.Time {
	s := &w.core.Settings
	sum := 10 * Seconds
	add := func(times int, d time.Duration) {
		n, each := core.Time(times), max(0, core.Time(d))
		if each > 0 && n > never/each {
			sum = never
			return
		}
		sum = later(sum, n*each)
	}
	add(1, s.MaxLease)
	add(1, s.RescueTimeout)
	add(1, s.ProbeBudget)
	add(2, s.OpenTimeout)
	add(2, s.CloseTimeout)
	add(4, s.KillTimeout)
	add(2, s.BrowserCloseTimeout)
	add(3, s.LaunchTimeout)
	add(2, s.DrainTimeout)
	add(2, s.StallTimeout)
	add(1, s.CheckTimeout())
	add(1, s.IdleContraction)
	add(2, s.OpenBackoffMax)
	add(s.OpenRetries, s.OpenBackoffMax)
	return sum
}

// later is a + b, or never where that is too far away to be written down.
func later(a, b core.Time) core.Time {
	if a > never-b {
		return never
	}
	return a + b
}

// settle lets things happen until all is quiet. What is not, after this long, is a violation.
func (w *World) settle(within core.Time, p *Patience) {
	limit := later(w.now, within)
	for w.violation == nil && !p.Over() && !(w.active == 0 && w.Settled()) {
		at, ok := w.Next()
		if !ok || at > limit {
			w.judge(within)
			break
		}
		w.Advance()
	}
}

// Settled says whether nobody waits or holds, nothing is under way, and the pool is full and no
// larger than an idle one is to be, or closed.
func (w *World) Settled() bool { return w.core.Quiet() && w.full() && w.contracted() }

// contracted says whether an idle pool has returned to MinPages, with nothing lost.
func (w *World) contracted() bool {
	return w.core.Closing() || int(w.core.Capacity) == w.core.Settings.MinPages &&
		w.core.Count(core.Lost) == 0
}

// full says whether the standby target is met, or the memory of a browser allows no more. It counts
// by itself, so that a pool which wants too little is noticed.
func (w *World) full() bool {
	standbys, bound := 0, 0
	w.core.EachTab(func(t core.TabView) {
		if t.State == core.Standby {
			standbys++
		}
		if t.Bound() {
			bound++
		}
	})
	return w.core.Closing() || standbys >= max(1, int(w.core.Capacity)-bound) || w.heavy()
}

// judge names what did not come to an end.
func (w *World) judge(within core.Time) {
	s := &w.core
	state := fmt.Sprintf("%v after the faults stopped: %s, %s", time.Duration(within),
		prose.Count(w.active, "client"), standing(s))
	switch {
	case s.Waiting(core.Nested) > 0:
		w.Violate("nested-progress", state)
	case s.Waiting(core.Root) > 0 || w.active > 0:
		w.Violate("answered", state)
	case s.Quiet() && w.full():
		w.Violate("contracted", fmt.Sprintf("%s; capacity %d, MinPages %d", state, int(s.Capacity),
			s.Settings.MinPages))
	default:
		w.Violate("refilled", state)
	}
}

// Close is the last phase of a run: the faults stop, and the pool is closed. That ends within a
// bounded time, with nothing alive and everybody answered; what does not is a violation.
func (w *World) Close(p *Patience) {
	w.healing, w.nextMishap = true, never
	within := w.RecoveryBound()
	w.admit(&Program{{Verb: ClosePool, Lasting: 300 * Milliseconds}})
	limit := later(w.now, within)
	for w.violation == nil && !p.Over() && !(w.core.Ended() && w.active == 0) {
		if w.core.Ended() {
			w.nextArrival = never
		}
		at, ok := w.Next()
		if (!ok || at > limit) && w.core.Ended() {
			w.judge(within)
			return
		}
		if !ok || at > limit {
			w.Violate("closes", fmt.Sprintf("Close has not ended after %v", time.Duration(within)))
			return
		}
		w.Advance()
	}
}

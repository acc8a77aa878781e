package sim

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// pageBudget is the claim that what one page sends costs others next to nothing.
const pageBudget = "page-budget"

// Flood has a page flood the pipe to its browser from now on. It is false where no such page is
// open. A world without a browser takes it on trust.
func (w *World) Flood(id core.TabID) bool {
	until := w.now
	if w.timed && !w.recorded {
		until += fakebrowser.FloodMost - w.chance.Between(Latency{0, fakebrowser.FloodMost})
	}
	if !w.recorded && !w.fake.Flood(id, until) {
		return false
	}
	w.reached[pageFlooded]++
	return true
}

// CutOff has the driver end the flood of a page: it is not heard any more, or closed. It is false
// where the page does not flood. A world without a browser takes it on trust.
func (w *World) CutOff(id core.TabID, closes bool) bool {
	event, ok := w.fake.CutOff(id, closes)
	if !ok && !w.recorded {
		return false
	}
	w.reached[pageCutOff]++
	if t := w.fake.Tab(id); t != nil && t.Floods {
		w.Violate(pageBudget, fmt.Sprintf("t%d is beyond its budget, and t%d is cut off", id, event.Tab))
	}
	if !closes {
		return true
	}
	w.step(event)
	switch t, _ := w.core.Tab(id); t.State {
	case core.Standby, core.Idle, core.Probing, core.Rescuing, core.Resetting, core.Leased:
		w.Violate(pageBudget, fmt.Sprintf("the page of t%d is closed, since it floods, and t%d is %v", id,
			id, t.State))
	}
	return true
}

// costs looks whether a deadline comes only because a page floods that its driver does not cut off
// in time, and whether a browser is lost that is busy.
func (w *World) costs(e *core.Event) {
	if w.recorded || !e.Kind.Deadline() {
		return
	}
	for i := range w.fake.Operations {
		o := &w.fake.Operations[i]
		if waitsFor(e, o) && w.fake.HeldByFlood(o) && w.floodsOn(o.Browser, o.Tab) &&
			!w.deviates(e) {
			w.Violate(pageBudget, fmt.Sprintf("%v would be answered, and is held up by a page that floods",
				o))
		}
	}
	if i, ok := w.ownerOf(uint64(e.Request)); ok && e.Kind == core.Expired && w.waitsForPipe(i) {
		id := w.clients[i].innermost().tab
		if t := w.fake.Tab(id); t != nil && w.floodsOn(t.Browser, id) && !w.deviates(e) {
			w.Violate(pageBudget, fmt.Sprintf("the lease on t%d expires, since another page floods", id))
		}
	}
	if b := w.fake.Browser(e.Browser); b != nil && e.Is(core.Silent, core.Ping) &&
		w.fake.Delivers(b) && !b.Busy && !w.pingHangs(b.ID) && !w.deviates(e) {
		w.Violate("browser-truth", fmt.Sprintf("b%d is lost, and it is busy: it sends", b.ID))
	}
}

// floodsOn says whether a page of a browser, but for that of a tab, floods although its driver had
// the time to cut it off.
func (w *World) floodsOn(id core.BrowserID, but core.TabID) bool {
	for i := range w.fake.Tabs {
		if t := &w.fake.Tabs[i]; t.Browser == id && t.ID != but && t.Floods &&
			(!w.timed || w.now > t.FloodsUntil) {
			return true
		}
	}
	return false
}

// waitsForPipe says whether a client of an untimed world waits for the pipe to have its page drawn.
func (w *World) waitsForPipe(i int) bool {
	c := &w.clients[i]
	if w.timed || c.state != ready || w.programs[i][c.pc].Verb != Draw {
		return false
	}
	t := w.fake.Tab(c.innermost().tab)
	return t != nil && w.flooded(t.Browser)
}

func (w *World) flooded(id core.BrowserID) bool {
	flooded, _ := w.fake.Flooded(id)
	return flooded
}

// pingHangs says whether a ping of a browser was made to hang: then its driver takes no bytes for
// an answer either.
func (w *World) pingHangs(id core.BrowserID) bool {
	return slices.ContainsFunc(w.fake.Operations, func(o fakebrowser.Operation) bool {
		return o.Kind == fakebrowser.Ping && o.Browser == id && o.Stuck
	})
}

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

// costs looks whether a deadline gives up what waits for nothing but a page that floods, and that
// its driver has not cut off in time; and whether a browser is lost that is busy.
func (w *World) costs(e *core.Event) {
	lost := e.Kind == core.DrainSilent || e.Is(core.Silent, core.Ping) // with all that is in it
	if w.recorded || !lost && e.Kind != core.Silent && e.Kind != core.Expired || w.deviates(e) {
		return
	}
	for i := range w.fake.Operations {
		o := &w.fake.Operations[i]
		ends := lost && o.Browser == e.Browser || waitsFor(e, o) && (e.Browser == 0 || o.Asked() == e.Of)
		if ends && w.awaits(o) && w.fake.HeldByFlood(o) && w.floodsOn(o.Browser, o.Tab) {
			w.Violate(pageBudget, fmt.Sprintf("%v would be answered, and is held up by a page that floods",
				o))
		}
	}
	for i := range w.clients {
		if !w.waitsForPipe(i) {
			continue
		}
		c := &w.clients[i]
		t := w.fake.Tab(c.innermost().tab)
		if (c.owns(uint64(e.Request)) || lost && t.Browser == e.Browser) &&
			w.fake.Serves(t.ID, fakebrowser.Drawing) && w.floodsOn(t.Browser, t.ID) {
			w.Violate(pageBudget, fmt.Sprintf("the lease on t%d ends, since another page floods", t.ID))
		}
	}
	if b := w.fake.Browser(e.Browser); b != nil && e.Is(core.Silent, core.Ping) &&
		w.fake.Delivers(b) && !b.Busy {
		w.Violate("browser-truth", fmt.Sprintf("b%d is lost, and it is busy: it sends", b.ID))
	}
}

// awaits says whether the pool waits for the answer to an operation. Of what it asks of a tab or a
// context, and of checks, it waits for the last alone.
func (w *World) awaits(o *fakebrowser.Operation) bool {
	switch {
	case o.Kind == fakebrowser.Check:
		return w.core.Check.Browser == o.Browser && w.core.Check.Operation == o.ID
	case o.Kind == fakebrowser.Ping:
		return slices.ContainsFunc(w.core.Browsers, func(b core.Browser) bool {
			return b.ID == o.Browser && b.AskedAt != core.Never
		})
	case o.Tab != 0:
		return slices.ContainsFunc(w.core.Tabs, func(t core.Tab) bool {
			return t.ID == o.Tab && t.Number == o.ID && t.AskedAt != core.Never
		})
	case o.Context != 0:
		return slices.ContainsFunc(w.core.Contexts, func(c core.Context) bool {
			return c.ID == o.Context && c.Number == o.ID && c.AskedAt != core.Never
		})
	}
	return true
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
	return t != nil && w.fake.Delivers(w.fake.Browser(t.Browser))
}

// goesOn says whether a client goes on by itself, if it is given the time.
func (w *World) goesOn(i int) bool {
	c := &w.clients[i]
	if !w.waitsForPipe(i) {
		return c.state != sitting
	}
	t := w.fake.Tab(c.innermost().tab)
	_, ends := w.fake.Flooded(t.Browser)
	return ends && w.fake.Serves(t.ID, fakebrowser.Drawing)
}

func (w *World) flooded(id core.BrowserID) bool {
	flooded, _ := w.fake.Flooded(id)
	return flooded
}

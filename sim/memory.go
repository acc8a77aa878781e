package sim

import (
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Memory of browsers: pages and browsers that use more of it, and the driver that measures it.

// Swell has the page of a tab use so many bytes more. It is false where no such page is open.
func (w *World) Swell(id core.TabID, by int64) bool {
	t := w.fake.Tab(id)
	if t == nil || t.Opening || t.Dead {
		return false
	}
	t.Memory += by
	w.reached[pageSwelled]++
	w.stale()
	return true
}

// Leak has a browser itself use so many bytes more. It is false where it is not alive.
func (w *World) Leak(id core.BrowserID, by int64) bool {
	b := w.fake.Browser(id)
	if b == nil || b.Launching {
		return false
	}
	b.Memory += by
	w.reached[browserLeaked]++
	w.stale()
	return true
}

// stale notes that a measurement of any browser could be news now: what it uses is not what it used
// when it was measured last, or it is too much and something else is different.
func (w *World) stale() {
	most := w.core.Settings.MaxBrowserMemory
	if most < 0 {
		return
	}
	for i := range w.fake.Browsers {
		b := &w.fake.Browsers[i]
		uses := w.fake.Uses(b.ID)
		b.Stale = b.Stale || uses != b.Measured || uses > most
	}
}

// measure tells the core what a browser and the pages in it use.
func (w *World) measure(id core.BrowserID) {
	for i := range w.fake.Tabs {
		t := &w.fake.Tabs[i]
		known, ok := w.core.Tab(t.ID)
		if t.Browser == id && ok && known.Memory != t.Memory {
			w.step(core.Event{Kind: core.Measured, Tab: t.ID, Memory: t.Memory})
		}
	}
	b := w.fake.Browser(id)
	b.Stale, b.Measured = false, w.fake.Uses(id)
	w.measuredAt = w.now
	w.step(core.Event{Kind: core.Measured, Browser: id, Memory: b.Measured})
}

// measureEvery is the time between two measurements, as the pool takes them.
const measureEvery = time.Second

// nextMeasure is the browser that is measured next, and when; nil: no measurement would be news.
func (w *World) nextMeasure() (*fakebrowser.Browser, core.Time) {
	for i := range w.fake.Browsers {
		if b := &w.fake.Browsers[i]; b.Stale {
			return b, max(w.now, w.measuredAt.Add(measureEvery))
		}
	}
	return nil, never
}

// heavy says whether a browser uses so much that the pool may not fill it.
func (w *World) heavy() bool {
	most := w.core.Settings.MaxBrowserMemory
	return most > 0 && slices.ContainsFunc(w.fake.Browsers, func(b fakebrowser.Browser) bool {
		return w.fake.Uses(b.ID) >= most-most/10
	})
}

package chrome

import "time"

// A renderer that computes without a pause gets less processor time than others, as long as it does
// so. A page cannot be kept from burning a core for as long as its lease runs. But most attacks
// cost others more than a core: what the renderer does makes the browser's one main thread work,
// for which all tabs wait. Whoever works for a moment, such as a small page and its screenshot,
// goes first, and a page that has a core to itself is as fast as ever.

const (
	// weighEvery is the time between two looks at the renderers of a browser. A look costs some
	// 0.3 ms.
	weighEvery = 125 * time.Millisecond
	// heavyLooks is how many looks in a row have to find that a renderer took at least half a core
	// since the last one. Small pages that were rendered one after the other had pauses.
	heavyLooks = 3
	// heavyShare is what a heavy renderer takes of a core.
	heavyShare = 0.5
	// lowerBy is by how many nice values a heavy renderer is lowered: it gets a tenth of the time of
	// one that is not.
	lowerBy = 10
)

// weight is what is known of the processor time of one renderer.
type weight struct {
	used  time.Duration // at the last look
	at    time.Time     // of that; zero: there was none
	heavy int           // looks in a row that found it heavy
	light int           // the same, since it was lowered
	low   bool
}

// look takes in what the renderer has used until now, and whether its main thread waits for a
// processor or has one. It reports whether the renderer should be low from now on. One that is low
// may get next to nothing and want more, so it is light only if its main thread wants nothing.
func (w *weight) look(used time.Duration, runs bool, now time.Time) bool {
	share := 0.0
	if !w.at.IsZero() && now.After(w.at) {
		share = float64(used-w.used) / float64(now.Sub(w.at))
	}
	w.used, w.at = used, now
	switch {
	case share >= heavyShare:
		w.heavy, w.light = w.heavy+1, 0
	case !runs:
		w.heavy, w.light = 0, w.light+1
	case !w.low:
		w.heavy = 0
	}
	switch {
	case !w.low:
		return w.heavy >= heavyLooks
	case w.light >= heavyLooks:
		w.heavy, w.light = 0, 0
		return false
	}
	return true
}

// weighs lowers heavy renderers of the browser, and raises them when they are light again, until
// the browser is gone. Nothing is looked at while the browser says nothing.
func (b *browser) weighs() {
	if b.process == nil {
		return
	}
	s := newScale(b.process)
	if s == nil {
		return
	}
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	for heard := (time.Time{}); ; {
		select {
		case <-b.wire.lost:
			return
		case <-tick.C:
		}
		if last := b.wire.link.heard(); last != heard || s.low() {
			heard = last
			s.weigh(time.Now())
		}
	}
}

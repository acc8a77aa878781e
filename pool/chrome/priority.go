package chrome

import "time"

// A renderer that computes without a pause gets less processor time than others, as long as it does
// so. A page cannot be kept from burning a core for as long as its lease runs. But most attacks
// cost others more than a core: what the renderer does makes the browser's one main thread work,
// for which all tabs wait. Whoever works for a moment, such as a small page and its screenshot,
// goes first, and a page that has a core to itself is as fast as ever.

const (
	// weighEvery is the time between two looks at the renderers of a browser. A look cost 0.7 ms of
	// processor time with one page that worked, and 1 ms with four more that burned.
	weighEvery = 125 * time.Millisecond
	// heavyLooks is how many looks in a row have to find a renderer heavy before it is lowered. Small
	// pages that were rendered one after the other had pauses.
	heavyLooks = 3
	// heavyShare is what a heavy renderer takes of a core, or would take if there were no others.
	heavyShare = 0.5
	// lowerBy is by how many nice values a renderer is lowered: it gets a tenth of the time of one
	// that is not.
	lowerBy = 10
)

// weight is what the looks at one renderer have found. The zero value knows nothing.
type weight struct {
	last  reading
	at    time.Time // of last; zero: there is none
	heavy int       // looks in a row that found it heavy
}

// reading is what the kernel says of a process: totals since it began.
type reading struct {
	used    time.Duration // on a processor, by all threads, also those that have ended
	threads map[string]times
	wants   func() bool // a thread has a processor, or waits for one now
}

// times is what a thread has spent on a processor, and waiting for one. The kernel counts a wait
// when it is over.
type times struct{ ran, waited time.Duration }

// low reports whether the renderer should be lowered.
func (w *weight) low() bool { return w.heavy >= heavyLooks }

// look takes in a reading. One look that does not find the renderer heavy makes it light. The wait
// that a thread is in may hide how much it wants. So a renderer that was heavy and wants a
// processor is not judged: the next look judges the time since the last that did.
func (w *weight) look(r reading, now time.Time) {
	switch {
	case w.at.IsZero():
	case r.share(w.last, now.Sub(w.at)) >= heavyShare:
		w.heavy++
	case w.heavy > 0 && r.wants():
		return
	default:
		w.heavy = 0
	}
	w.last, w.at = r, now
}

// share is how much of a core the process has taken since an earlier reading, or would have taken
// if its threads had never waited for a processor. A thread that computes without a pause has the
// share 1 then, with however many it shares the processors. One that waits long for its turn and
// has little to do has a small one.
func (r reading) share(before reading, since time.Duration) float64 {
	sum := 0.0
	for id, now := range r.threads {
		was := before.threads[id]
		if ran := now.ran - was.ran; ran > 0 {
			sum += float64(ran) / float64(max(ran, since-(now.waited-was.waited)))
		}
	}
	return max(sum, float64(r.used-before.used)/float64(since))
}

// weighs lowers heavy renderers of the browser, and raises them when they are light again, until
// the browser is gone. It looks as long as a tab is awake or a renderer is lowered.
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
	for {
		select {
		case <-b.wire.lost:
			return
		case <-tick.C:
		}
		if b.isAwake() || s.lowers() {
			s.weigh(time.Now())
		}
	}
}

// isAwake reports whether a tab is not frozen.
func (b *browser) isAwake() bool {
	for _, t := range b.tabsOf(nil) {
		t.sleep.Lock()
		frozen := t.sleep.frozen
		t.sleep.Unlock()
		if !frozen {
			return true
		}
	}
	return false
}

package sim

import (
	"reflect"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// shortHistory is how many lines a history has that is shrunk as it is. Of a longer one, the end is looked
// for first.
const shortHistory = 60

// cutBeginning looks for an end of the history that fails without what came before it, but for the calls
// that were not over then, and the last use of each tab: first a short end, then longer ones.
func (s *shrinker) cutBeginning() {
	n := len(s.base.wishes)
	if n < shortHistory || s.base.auto {
		return
	}
	for last := shortHistory / 6; last < n; last *= 2 {
		if out := s.try(s.base.with(s.base.end(n - last))); out != nil && out.lines() < s.base.lines() {
			s.base = out
			return
		}
		if s.over() {
			return
		}
	}
}

// recent is how many lines before the end of a history are looked at for what it goes on from. A lease is over
// by then, whatever the lines say of it.
const recent = 400

// end is the end of a history from a line on, and before it what brings a new pool to where it was: the
// requests that had a page or waited, one after the other, with everything answered in between.
func (h *history) end(from int) []wish {
	alive := map[core.RequestID]bool{} // has a page or waits
	last := map[core.TabID]core.RequestID{}
	for i := range h.wishes[:from] {
		w := &h.wishes[i]
		switch w.event.Kind {
		case core.Requested:
			alive[w.event.Request] = true
		case core.Released, core.Discarded, core.Abandoned, core.Expired:
			delete(alive, w.event.Request)
		case core.Closed, core.Crashed:
			delete(alive, last[w.event.Tab])
			delete(last, w.event.Tab)
		case core.BrowserGone, core.BrowserCloseSilent:
			for tab, r := range last {
				delete(alive, r)
				delete(last, tab)
			}
		}
		for _, g := range w.did.granted {
			last[g.tab] = g.request
		}
	}
	wanted := map[core.RequestID]bool{}
	for _, r := range last {
		wanted[r] = true
	}
	settle := wish{settle: true, at: h.wishes[from].at}
	out := []wish{settle}
	for _, held := range []bool{false, true} {
		for i := max(0, from-recent); i < from; i++ {
			w := h.wishes[i]
			r := w.event.Request
			if r == 0 || alive[r] != held || !held && !wanted[r] || w.event.Kind.Deadline() {
				continue
			}
			w.at = 0
			out = append(out, w, settle)
		}
	}
	return append(out, h.wishes[from:]...)
}

// remove takes away as many of the parts of the history as it can, in pieces that halve (ddmin). A part is a
// few lines, by number.
func (s *shrinker) remove(parts [][]int) bool {
	if len(parts) == 0 {
		return false
	}
	largest := (len(parts) + 1) / 2
	if s.round > 1 {
		largest = min(largest, 4) // the large pieces have been tried
	}
	base, best := s.base, s.base
	gone := make([]bool, len(parts))
	for size := largest; ; size /= 2 {
		for from := 0; from < len(parts) && !s.over(); from += size {
			to := min(from+size, len(parts))
			if !slices.Contains(gone[from:to], false) {
				continue
			}
			wishes := slices.Clone(base.wishes)
			for i, part := range parts {
				for _, line := range part {
					wishes[line].gone = wishes[line].gone || gone[i] || from <= i && i < to
				}
			}
			if out := s.try(base.with(wishes)); out != nil && out.lines() < best.lines() {
				best = out
				for i := from; i < to; i++ {
					gone[i] = true
				}
			}
		}
		if size <= 1 || best.lines() < base.lines()/2 {
			break
		}
	}
	s.base = best
	return best != base
}

// settleCalls has everything answer between the first calls, in place of what happened there: all calls, or
// fewer and fewer of them. So a history in which nothing answered, and one thing after the other was given
// up, becomes one of a healthy browser.
func (s *shrinker) settleCalls() bool {
	var calls []int
	for i := range s.base.wishes {
		if k := s.base.wishes[i].event.Kind; k != core.NoEvent && k < core.BrowserReady {
			calls = append(calls, i)
		}
	}
	for n := len(calls); n > 0 && !s.base.auto; n -= (n + 3) / 4 {
		var wishes []wish
		for _, at := range calls[:n] {
			w := s.base.wishes[at]
			wishes = append(wishes, wish{settle: true, at: w.at}, w)
		}
		if rest := s.base.wishes[calls[n-1]+1:]; len(rest) > 0 {
			wishes = append(append(wishes, wish{settle: true, at: rest[0].at}), rest...)
		}
		if out := s.try(s.base.with(wishes)); out != nil && out.lines() < s.base.lines() {
			s.base = out
			return true
		}
	}
	return false
}

// fewLines is how many lines a history has of which every two can be tried.
const fewLines = 60

// removePairs takes away two lines that only go together.
func (s *shrinker) removePairs() bool {
	n := len(s.base.wishes)
	if n > fewLines {
		return false
	}
	for i := range n {
		for j := i + 1; j < n && !s.over(); j++ {
			if s.base.wishes[i].expect != nil || s.base.wishes[j].expect != nil {
				continue
			}
			wishes := slices.Clone(s.base.wishes)
			wishes[i].gone, wishes[j].gone = true, true
			if out := s.try(s.base.with(wishes)); out != nil && out.lines() < s.base.lines() {
				s.base = out
				return true
			}
		}
	}
	return false
}

// calls are the calls of a history, each with everything that belongs to it: how it ends, and what happens
// to its page while it has one.
func (h *history) calls() [][]int {
	var parts [][]int
	ofRequest, ofCall := map[core.RequestID]int{}, map[core.CallID]int{}
	holder := map[core.TabID]core.RequestID{}
	closing := -1
	part := func(known bool, at, line int) int {
		if !known {
			at = len(parts)
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], line)
		return at
	}
	for i := range h.wishes {
		w := &h.wishes[i]
		request := w.event.Request
		if tab := w.event.Tab | w.act.tab; tab != 0 && (w.event.Kind == core.Crashed || w.act.verb != "") {
			request = holder[tab]
		}
		switch {
		case w.expect != nil:
		case request != 0:
			at, known := ofRequest[request]
			ofRequest[request] = part(known, at, i)
		case w.event.Call != 0:
			at, known := ofCall[w.event.Call]
			ofCall[w.event.Call] = part(known, at, i)
		case w.event.Kind == core.CloseRequested || w.event.Kind == core.CloseExpired:
			closing = part(closing >= 0, closing, i)
		case w.event.Kind == core.SweepRequested:
			part(false, 0, i)
		}
		if k := w.event.Kind; k == core.Released || k == core.Discarded || k == core.Expired {
			for tab, r := range holder {
				if r == w.event.Request {
					delete(holder, tab)
				}
			}
		}
		for _, g := range w.did.granted {
			holder[g.tab] = g.request
		}
	}
	return parts
}

// fault says whether a line is one of the world's doing that a healthy browser does not do.
func (w *wish) fault() bool {
	switch w.event.Kind {
	case core.BrowserFailed, core.BrowserGone, core.OpenFailed, core.ProbeFailed, core.RescueFailed, core.ResetFailed, core.SessionEndFailed, core.SessionBeginFailed,
		core.CloseFailed, core.KillFailed, core.ContextCloseFailed, core.Crashed:
		return true
	}
	return w.act.verb != "" || w.second
}

// faults are the faults of a history, one by one.
func (h *history) faults() [][]int {
	var parts [][]int
	for i := range h.wishes {
		if h.wishes[i].fault() {
			parts = append(parts, []int{i})
		}
	}
	return parts
}

// single are the lines of a history, one by one.
func (h *history) single() [][]int {
	var parts [][]int
	for i := range h.wishes {
		if h.wishes[i].expect == nil {
			parts = append(parts, []int{i})
		}
	}
	return parts
}

// shrinkSettings goes back to the defaults, all at once or one by one, and to few pages.
func (s *shrinker) shrinkSettings() bool {
	changed := false
	attempt := func(settings core.Settings) bool {
		if settings == s.base.settings {
			return false
		}
		h := *s.base
		h.settings = settings
		out := s.try(&h)
		if out == nil || out.lines() > s.base.lines() {
			return false
		}
		s.base, changed = out, true
		return true
	}
	if attempt(core.Settings{MaxPages: s.base.settings.MaxPages}) {
		return true
	}
	for _, name := range core.SettingNames() {
		settings := s.base.settings
		if name != "MaxPages" {
			reflect.ValueOf(&settings).Elem().FieldByName(name).SetZero()
			attempt(settings)
		}
	}
	resolved, err := s.base.settings.Resolve()
	for n := 1; err == nil && n < resolved.MaxPages; n++ {
		settings := s.base.settings
		if settings.MaxPages = n; attempt(settings) {
			break
		}
	}
	return changed
}

// simplify tries, for each line, the words that say less: an answer that works, a page given back as it is,
// a request without options, an affinity that is there already.
func (s *shrinker) simplify() bool {
	changed := false
	for i := 0; i < len(s.base.wishes); i++ {
		for _, simpler := range s.base.simpler(i) {
			wishes := slices.Clone(s.base.wishes)
			wishes[i].event = simpler
			if out := s.try(s.base.with(wishes)); out != nil && out.saysLess(s.base) {
				s.base, changed = out, true
				break
			}
		}
	}
	for _, merged := range s.base.merged() {
		if out := s.try(s.base.with(merged)); out != nil && out.saysLess(s.base) {
			s.base = out
			return true
		}
	}
	return changed
}

// saysLess says whether a history has fewer lines than another, or as many and less to say in them.
func (h *history) saysLess(than *history) bool {
	if h.lines() != than.lines() {
		return h.lines() < than.lines()
	}
	return h.weight() < than.weight()
}

// weight is how much there is to say: what simpler leaves out counts.
func (h *history) weight() int {
	sum := 0
	var met []core.Affinity
	for i := range h.wishes {
		e := &h.wishes[i].event
		for _, counts := range []bool{
			works[e.Kind] != 0, e.Kind == core.Expired, e.Kind == core.Expired || e.Kind == core.Discarded, e.Wedged,
			e.Class == core.Nested, e.Priority != 0, e.Priority > 1, e.MaxLease != 0, e.Jitter != 0, e.MaxIdle != 0, e.Retain,
			e.Kind == core.Disposed && !e.NoWait, e.Affinity != 0 && !slices.Contains(met, e.Affinity),
		} {
			if counts {
				sum++
			}
		}
		met = append(met, e.Affinity)
	}
	return sum
}

// works says what an operation answers that works, by the answer that fails or the deadline that gives it up.
var works = map[core.EventKind]core.EventKind{
	core.BrowserFailed: core.BrowserReady, core.LaunchSilent: core.BrowserReady,
	core.OpenFailed: core.Opened, core.OpenSilent: core.Opened,
	core.ProbeFailed: core.Probed, core.ProbeSilent: core.Probed,
	core.RescueFailed: core.Rescued, core.RescueSilent: core.Rescued,
	core.ResetFailed: core.WasReset, core.ResetSilent: core.WasReset,
	core.SessionEndFailed: core.SessionEnded, core.SessionBeginFailed: core.SessionBegun,
	core.CloseFailed: core.Closed, core.CloseSilent: core.Closed,
	core.KillFailed: core.Killed, core.KillSilent: core.Killed,
	core.ContextCloseFailed: core.ContextClosed, core.ContextSilent: core.ContextClosed,
	core.BrowserCloseSilent: core.BrowserGone,
}

// simpler are the events that say less than that of a line, and could stand in its place.
func (h *history) simpler(line int) []core.Event {
	e := h.wishes[line].event
	var out []core.Event
	with := func(differs bool, change func(*core.Event)) {
		if differs {
			changed := e
			change(&changed)
			out = append(out, changed)
		}
	}
	with(works[e.Kind] != 0, func(e *core.Event) { e.Kind = works[e.Kind] })
	with(e.Kind == core.Expired, func(e *core.Event) { e.Kind = core.Released })
	with(e.Kind == core.Expired, func(e *core.Event) { e.Kind = core.Discarded })
	with(e.Kind == core.Discarded, func(e *core.Event) { e.Kind, e.Wedged = core.Released, false })
	with(e.Wedged, func(e *core.Event) { e.Wedged = false })
	with(e.Class == core.Nested, func(e *core.Event) { e.Class = core.Root })
	with(e.Priority != 0, func(e *core.Event) { e.Priority = 0 })
	with(e.Priority > 1, func(e *core.Event) { e.Priority = 1 })
	with(e.MaxLease != 0, func(e *core.Event) { e.MaxLease = 0 })
	with(e.Jitter != 0, func(e *core.Event) { e.Jitter = 0 })
	with(e.MaxIdle != 0, func(e *core.Event) { e.MaxIdle = 0 })
	with(e.Retain, func(e *core.Event) { e.Retain = false })
	with(e.Kind == core.Disposed && !e.NoWait, func(e *core.Event) { e.NoWait = true })
	return out
}

// merged are the histories in which one affinity is another that came before it.
func (h *history) merged() [][]wish {
	var met []core.Affinity
	for i := range h.wishes {
		if a := h.wishes[i].event.Affinity; a != 0 && !slices.Contains(met, a) {
			met = append(met, a)
		}
	}
	var out [][]wish
	for i, later := range met {
		for _, earlier := range met[:i] {
			wishes := slices.Clone(h.wishes)
			for n := range wishes {
				if wishes[n].event.Affinity == later {
					wishes[n].event.Affinity = earlier
				}
			}
			out = append(out, wishes)
		}
	}
	return out
}

// shorten pulls the lines together: all of them at once, then one gap after the other. Where an expect line
// fails under all settings that are known, times are what it is about, and they stay.
func (s *shrinker) shorten() bool {
	if s.failure.line > 0 && s.options.Own == nil || s.base.untimed {
		return false
	}
	changed := false
	gaps := [...]core.Time{0, Milliseconds, 10 * Milliseconds, 100 * Milliseconds, Seconds, 10 * Seconds}
	attempt := func(which func(i int) bool, gap core.Time) bool {
		wishes, shorter := s.base.within(which, gap)
		if !shorter {
			return false
		}
		out := s.try(s.base.with(wishes))
		if out == nil || out.lines() > s.base.lines() || out.length() >= s.base.length() {
			return false
		}
		s.base, changed = out, true
		return true
	}
	for _, gap := range gaps {
		if attempt(func(int) bool { return true }, gap) {
			break
		}
	}
	for i := 0; i < len(s.base.wishes); i++ {
		this := func(n int) bool { return n == i }
		short := true
		for _, gap := range gaps {
			if short = i < len(s.base.wishes) && attempt(this, gap); short {
				break
			}
		}
		if !short && i > 0 && i < len(s.base.wishes) {
			s.bisect(this, s.base.wishes[i].at-s.base.wishes[i-1].at, attempt)
		}
	}
	return changed
}

// bisect looks for the shortest gap, in milliseconds, that is long enough.
func (s *shrinker) bisect(which func(int) bool, gap core.Time, attempt func(func(int) bool, core.Time) bool) {
	low, high := core.Time(0), (gap-1)/Milliseconds // it fails with high at most, and not with low
	for low < high && !s.over() {
		middle := (low + high) / 2
		if attempt(which, middle*Milliseconds) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	attempt(which, high*Milliseconds)
}

// length is how long a history takes.
func (h *history) length() core.Time { return h.wishes[len(h.wishes)-1].at }

// within is a history whose gaps before some lines are no longer than this.
func (h *history) within(which func(i int) bool, gap core.Time) (wishes []wish, shorter bool) {
	wishes = slices.Clone(h.wishes)
	before, at := core.Time(0), core.Time(0)
	for i := range wishes {
		between := wishes[i].at - before
		before = wishes[i].at
		if which(i) && between > gap && !wishes[i].event.Kind.Deadline() {
			between, shorter = gap, true
		}
		at += between
		wishes[i].at = at
	}
	return wishes, shorter
}

// straighten makes odd gaps whole milliseconds, so that they can be read; untimed, each line is a tick after the
// one before it.
func (s *shrinker) straighten() {
	switch {
	case s.base.untimed:
		wishes := slices.Clone(s.base.wishes)
		for i := range wishes {
			wishes[i].at = tick * core.Time(i)
		}
		if out := s.try(s.base.with(wishes)); out != nil && out.lines() <= s.base.lines() {
			s.base = out
		}
		return
	case s.failure.line > 0 && s.options.Own == nil:
		return
	}
	for i := 1; i < len(s.base.wishes); i++ {
		gap := s.base.wishes[i].at - s.base.wishes[i-1].at
		odd := gap % Milliseconds
		if odd == 0 || s.base.wishes[i].event.Kind.Deadline() {
			continue
		}
		wishes := slices.Clone(s.base.wishes)
		for n := i; n < len(wishes); n++ {
			wishes[n].at += Milliseconds - odd
		}
		if out := s.try(s.base.with(wishes)); out != nil && out.lines() <= s.base.lines() {
			s.base = out
		}
	}
}

// renumbered counts requests and calls from 1, in the order in which they come.
func (h *history) renumbered() *history {
	requests, calls := map[uint64]uint64{}, map[uint64]uint64{}
	number := func(of map[uint64]uint64, id uint64) uint64 {
		if id == 0 {
			return 0
		}
		if of[id] == 0 {
			of[id] = uint64(len(of)) + 1
		}
		return of[id]
	}
	wishes := slices.Clone(h.wishes)
	for i := range wishes {
		w := &wishes[i]
		w.event.Request = core.RequestID(number(requests, uint64(w.event.Request)))
		w.event.Call = core.CallID(number(calls, uint64(w.event.Call)))
		w.did.granted = slices.Clone(w.did.granted)
		for n := range w.did.granted {
			g := &w.did.granted[n]
			g.request = core.RequestID(number(requests, uint64(g.request)))
		}
		if w.expect != nil {
			w.expect = renamed(w.expect, func(prefix string, id uint64) uint64 {
				switch prefix {
				case "r":
					return number(requests, id)
				case "d", "w", "y":
					return number(calls, id)
				}
				return id
			})
		}
	}
	return h.with(wishes)
}

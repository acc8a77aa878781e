package shrink

import (
	"reflect"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/replay"
)

// shortHistory is how many lines a history has that is shrunk as it is. Of a longer one, the end is
// looked for first.
const shortHistory = 60

// cutBeginning looks for an end of the history that fails without what came before it, but for the
// calls that were not over then, and the last use of each tab: first a short end, then longer ones.
func (s *shrinker) cutBeginning() {
	n := len(s.base.Lines)
	if n < shortHistory || s.base.Auto {
		return
	}
	for last := shortHistory / 6; last < n; last *= 2 {
		if out := s.try(s.base.With(end(s.base, n-last))); out != nil && out.Count() < s.base.Count() {
			s.base = out
			return
		}
		if s.over() {
			return
		}
	}
}

// recent is how many lines before the end of a history are looked at for what it goes on from. A
// lease is over by then, whatever the lines say of it.
const recent = 400

// end is the end of a history from a line on, and before it what brings a new pool to where it was:
// the requests that had a page or waited, one after the other, with everything answered in between.
func end(h *replay.History, from int) []replay.Line {
	alive := map[core.RequestID]bool{} // has a page or waits
	last := map[core.TabID]core.RequestID{}
	for i := range h.Lines[:from] {
		w := &h.Lines[i]
		switch e := &w.Event; {
		case e.Kind == core.Requested:
			alive[e.Request] = true
		case e.Kind == core.Released, e.Kind == core.Discarded, e.Kind == core.Abandoned,
			e.Kind == core.Expired:
			delete(alive, e.Request)
		case e.Is(core.Done, core.CloseTab), e.Kind == core.Crashed:
			delete(alive, last[e.Tab])
			delete(last, e.Tab)
		case e.Kind == core.BrowserGone, e.Is(core.Failed, core.Ping),
			e.Is(core.Silent, core.CloseBrowser):
			for tab, r := range last {
				delete(alive, r)
				delete(last, tab)
			}
		}
		for _, g := range w.Did.Granted {
			last[g.Tab] = g.Request
		}
	}
	wanted := map[core.RequestID]bool{}
	for _, r := range last {
		wanted[r] = true
	}
	settle := replay.Line{Settle: true, At: h.Lines[from].At}
	out := []replay.Line{settle}
	for _, held := range []bool{false, true} {
		for i := max(0, from-recent); i < from; i++ {
			w := h.Lines[i]
			r := w.Event.Request
			if r == 0 || alive[r] != held || !held && !wanted[r] || w.Event.Kind.Deadline() {
				continue
			}
			w.At = 0
			out = append(out, w, settle)
		}
	}
	return append(out, h.Lines[from:]...)
}

// remove takes away as many of the parts of the history as it can, in pieces that halve (ddmin). A
// part is a few lines, by number.
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
			lines := slices.Clone(base.Lines)
			for i, part := range parts {
				for _, line := range part {
					lines[line].Gone = lines[line].Gone || gone[i] || from <= i && i < to
				}
			}
			if out := s.try(base.With(lines)); out != nil && out.Count() < best.Count() {
				best = out
				for i := from; i < to; i++ {
					gone[i] = true
				}
			}
		}
		if size <= 1 || best.Count() < base.Count()/2 {
			break
		}
	}
	s.base = best
	return best != base
}

// settleCalls has everything answer between the first calls, in place of what happened there: all
// calls, or fewer and fewer of them. So a history in which nothing answered, and one thing after
// the other was given up, becomes one of a healthy browser.
func (s *shrinker) settleCalls() bool {
	var calls []int
	for i := range s.base.Lines {
		if k := s.base.Lines[i].Event.Kind; k != core.NoEvent && k < core.Done {
			calls = append(calls, i)
		}
	}
	for n := len(calls); n > 0 && !s.base.Auto; n -= (n + 3) / 4 {
		var lines []replay.Line
		for _, at := range calls[:n] {
			w := s.base.Lines[at]
			lines = append(lines, replay.Line{Settle: true, At: w.At}, w)
		}
		if rest := s.base.Lines[calls[n-1]+1:]; len(rest) > 0 {
			lines = append(append(lines, replay.Line{Settle: true, At: rest[0].At}), rest...)
		}
		if out := s.try(s.base.With(lines)); out != nil && out.Count() < s.base.Count() {
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
	n := len(s.base.Lines)
	if n > fewLines {
		return false
	}
	for i := range n {
		for j := i + 1; j < n && !s.over(); j++ {
			if s.base.Lines[i].Expect != nil || s.base.Lines[j].Expect != nil {
				continue
			}
			lines := slices.Clone(s.base.Lines)
			lines[i].Gone, lines[j].Gone = true, true
			if out := s.try(s.base.With(lines)); out != nil && out.Count() < s.base.Count() {
				s.base = out
				return true
			}
		}
	}
	return false
}

// calls are the calls of a history, each with everything that belongs to it: how it ends, and what
// happens to its page while it has one.
func calls(h *replay.History) [][]int {
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
	for i := range h.Lines {
		w := &h.Lines[i]
		request := w.Event.Request
		if tab := w.Event.Tab | w.Act.Tab; tab != 0 &&
			(w.Event.Kind == core.Crashed || w.Act.Verb != "") {
			request = holder[tab]
		}
		switch {
		case w.Expect != nil:
		case request != 0:
			at, known := ofRequest[request]
			ofRequest[request] = part(known, at, i)
		case w.Event.Call != 0:
			at, known := ofCall[w.Event.Call]
			ofCall[w.Event.Call] = part(known, at, i)
		case w.Event.Kind == core.CloseRequested || w.Event.Kind == core.CloseExpired:
			closing = part(closing >= 0, closing, i)
		case w.Event.Kind == core.SweepRequested:
			part(false, 0, i)
		}
		if k := w.Event.Kind; k == core.Released || k == core.Discarded || k == core.Expired {
			for tab, r := range holder {
				if r == w.Event.Request {
					delete(holder, tab)
				}
			}
		}
		for _, g := range w.Did.Granted {
			holder[g.Tab] = g.Request
		}
	}
	return parts
}

// fault says whether a line is one of the world's doing that a healthy browser does not do.
func fault(w *replay.Line) bool {
	switch w.Event.Kind {
	case core.Failed:
		if w.Event.Of != core.CheckBrowser {
			return true
		}
	case core.BrowserGone, core.Crashed:
		return true
	}
	return w.Act.Verb != "" || w.Second
}

// faults are the faults of a history, one by one.
func faults(h *replay.History) [][]int {
	var parts [][]int
	for i := range h.Lines {
		if fault(&h.Lines[i]) {
			parts = append(parts, []int{i})
		}
	}
	return parts
}

// single are the lines of a history, one by one.
func single(h *replay.History) [][]int {
	var parts [][]int
	for i := range h.Lines {
		if h.Lines[i].Expect == nil {
			parts = append(parts, []int{i})
		}
	}
	return parts
}

// shrinkSettings goes back to the defaults, all at once or one by one, and to few pages.
func (s *shrinker) shrinkSettings() bool {
	changed := false
	attempt := func(settings core.Settings) bool {
		if settings == s.base.Settings {
			return false
		}
		h := *s.base
		h.Settings = settings
		out := s.try(&h)
		if out == nil || out.Count() > s.base.Count() {
			return false
		}
		s.base, changed = out, true
		return true
	}
	if attempt(core.Settings{MaxPages: s.base.Settings.MaxPages}) {
		return true
	}
	for _, name := range core.SettingNames() {
		settings := s.base.Settings
		if name != "MaxPages" {
			reflect.ValueOf(&settings).Elem().FieldByName(name).SetZero()
			attempt(settings)
		}
	}
	resolved, err := s.base.Settings.Resolve()
	for n := 1; err == nil && n < resolved.MaxPages; n++ {
		settings := s.base.Settings
		if settings.MaxPages = n; attempt(settings) {
			break
		}
	}
	return changed
}

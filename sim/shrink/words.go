package shrink

import (
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/replay"
)

// simplify tries, for each line, the words that say less: an answer that works, a page given back
// as it is, a request without options, an affinity that is there already.
func (s *shrinker) simplify() bool {
	changed := false
	for i := 0; i < len(s.base.Lines); i++ {
		for _, simpler := range simpler(s.base, i) {
			lines := slices.Clone(s.base.Lines)
			lines[i].Event = simpler
			if out := s.try(s.base.With(lines)); out != nil && saysLess(out, s.base) {
				s.base, changed = out, true
				break
			}
		}
	}
	for _, merged := range merged(s.base) {
		if out := s.try(s.base.With(merged)); out != nil && saysLess(out, s.base) {
			s.base = out
			return true
		}
	}
	return changed
}

// saysLess says whether a history has fewer lines than another, or as many and less to say in them.
func saysLess(h *replay.History, than *replay.History) bool {
	if h.Count() != than.Count() {
		return h.Count() < than.Count()
	}
	return weight(h) < weight(than)
}

// weight is how much there is to say: what simpler leaves out counts.
func weight(h *replay.History) int {
	sum := 0
	var met []core.Affinity
	for i := range h.Lines {
		e := &h.Lines[i].Event
		for _, counts := range []bool{
			unsuccessful(e), e.Kind == core.Expired, e.Kind == core.Expired ||
				e.Kind == core.Discarded, e.Wedged,
			e.Class == core.Nested, e.Priority != 0, e.Priority > 1, e.MaxLease != 0, e.Jitter != 0,
			e.MaxIdle != 0, e.TooLarge, e.Memory != 0, e.Retain,
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

// unsuccessful says whether an event is an operation's failure, or the end of its time, in place of
// which it could have worked.
func unsuccessful(e *core.Event) bool {
	return (e.Kind == core.Failed || e.Kind == core.Silent) && e.Of != core.CheckBrowser &&
		e.Of != core.Ping
}

// simpler are the events that say less than that of a line, and could stand in its place.
func simpler(h *replay.History, line int) []core.Event {
	e := h.Lines[line].Event
	var out []core.Event
	with := func(differs bool, change func(*core.Event)) {
		if differs {
			changed := e
			change(&changed)
			out = append(out, changed)
		}
	}
	with(unsuccessful(&e), func(e *core.Event) {
		e.Kind = core.Done
		if e.Of == core.CloseBrowser {
			e.Kind, e.Of = core.BrowserGone, core.NoEffect
		}
	})
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
	with(e.TooLarge, func(e *core.Event) { e.TooLarge = false })
	with(e.Memory != 0, func(e *core.Event) { e.Memory = 0 })
	with(e.Retain, func(e *core.Event) { e.Retain = false })
	with(e.Kind == core.Disposed && !e.NoWait, func(e *core.Event) { e.NoWait = true })
	return out
}

// merged are the histories in which one affinity is another that came before it.
func merged(h *replay.History) [][]replay.Line {
	var met []core.Affinity
	for i := range h.Lines {
		if a := h.Lines[i].Event.Affinity; a != 0 && !slices.Contains(met, a) {
			met = append(met, a)
		}
	}
	var out [][]replay.Line
	for i, later := range met {
		for _, earlier := range met[:i] {
			lines := slices.Clone(h.Lines)
			for n := range lines {
				if lines[n].Event.Affinity == later {
					lines[n].Event.Affinity = earlier
				}
			}
			out = append(out, lines)
		}
	}
	return out
}

package shrink

import (
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/replay"
)

// shorten pulls the lines together: all of them at once, then one gap after the other. Where an
// expect line fails under all settings that are known, times are what it is about, and they stay.
func (s *shrinker) shorten() bool {
	if s.failure.line > 0 && s.options.Own == nil || s.base.Untimed {
		return false
	}
	changed := false
	gaps := [...]core.Time{0, sim.Milliseconds, 10 * sim.Milliseconds, 100 * sim.Milliseconds,
		sim.Seconds, 10 * sim.Seconds}
	attempt := func(which func(i int) bool, gap core.Time) bool {
		lines, shorter := within(s.base, which, gap)
		if !shorter {
			return false
		}
		out := s.try(s.base.With(lines))
		if out == nil || out.Count() > s.base.Count() || length(out) >= length(s.base) {
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
	for i := 0; i < len(s.base.Lines); i++ {
		this := func(n int) bool { return n == i }
		short := true
		for _, gap := range gaps {
			if short = i < len(s.base.Lines) && attempt(this, gap); short {
				break
			}
		}
		if !short && i > 0 && i < len(s.base.Lines) {
			s.bisect(this, s.base.Lines[i].At-s.base.Lines[i-1].At, attempt)
		}
	}
	return changed
}

// bisect looks for the shortest gap, in milliseconds, that is long enough.
func (s *shrinker) bisect(which func(int) bool, gap core.Time,
	attempt func(func(int) bool, core.Time) bool) {
	low, high := core.Time(0), (gap-1)/sim.Milliseconds // it fails with high at most, and not with low
	for low < high && !s.over() {
		middle := (low + high) / 2
		if attempt(which, middle*sim.Milliseconds) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	attempt(which, high*sim.Milliseconds)
}

// length is how long a history takes.
func length(h *replay.History) core.Time { return h.Lines[len(h.Lines)-1].At }

// within is a history whose gaps before some lines are no longer than this.
func within(h *replay.History, which func(i int) bool, gap core.Time) (lines []replay.Line,
	shorter bool) {
	lines = slices.Clone(h.Lines)
	before, at := core.Time(0), core.Time(0)
	for i := range lines {
		between := lines[i].At - before
		before = lines[i].At
		if which(i) && between > gap && !lines[i].Event.Kind.Deadline() {
			between, shorter = gap, true
		}
		at += between
		lines[i].At = at
	}
	return lines, shorter
}

// straighten makes odd gaps whole milliseconds, so that they can be read; untimed, each line is a
// tick after the one before it.
func (s *shrinker) straighten() {
	switch {
	case s.base.Untimed:
		lines := slices.Clone(s.base.Lines)
		for i := range lines {
			lines[i].At = replay.Tick * core.Time(i)
		}
		if out := s.try(s.base.With(lines)); out != nil && out.Count() <= s.base.Count() {
			s.base = out
		}
		return
	case s.failure.line > 0 && s.options.Own == nil:
		return
	}
	for i := 1; i < len(s.base.Lines); i++ {
		gap := s.base.Lines[i].At - s.base.Lines[i-1].At
		odd := gap % sim.Milliseconds
		if odd == 0 || s.base.Lines[i].Event.Kind.Deadline() {
			continue
		}
		lines := slices.Clone(s.base.Lines)
		for n := i; n < len(lines); n++ {
			lines[n].At += sim.Milliseconds - odd
		}
		if out := s.try(s.base.With(lines)); out != nil && out.Count() <= s.base.Count() {
			s.base = out
		}
	}
}

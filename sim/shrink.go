package sim

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// ShrinkOptions say how hard to try. Effort is counted in steps and states, so that the same trace shrinks
// to the same bytes on every machine.
type ShrinkOptions struct {
	Steps  int // steps of the core in all replays; 0: DefaultShrinkSteps
	States int // states that each search visits at most; 0: DefaultShrinkStates, negative: no search
	// Own are settings under which an expect line holds that fails under those of the trace; nil: there are
	// none. What is left of the trace then goes on holding under them.
	Own *core.Settings
	// Progress is called now and then, and ends the work by false: the best so far is the result.
	Progress func(doing string, lines int) bool
}

// What shrinking tries where nobody says otherwise: some twenty seconds of replays, and some ten of search.
const (
	DefaultShrinkSteps  = 4_000_000
	DefaultShrinkStates = 100_000
)

// Shrunk is a smaller trace that fails as the one that it came from.
type Shrunk struct {
	Text    []byte // the trace, with what it shows on top
	Before  *ReplayReport
	After   *ReplayReport
	Failure Failure
	// Shortest says that a search of all schedules of its callers, with the faults of its menu, found none
	// that is shorter.
	Shortest bool
	// Cut says that the effort was used up, or Progress ended it.
	Cut bool
}

// Failure is how a trace fails: a claim, or an expect line of it.
type Failure struct {
	Property string // "expect" where an expect line fails
	Says     string // the claim's sentence, or the line
	What     string // what broke it
	line     int    // of the expectation
	moment   moment // what it met
}

// ExpectProperty is what stands for a property where an expect line fails.
const ExpectProperty = "expect"

// ErrNothingFails says that a trace holds, so that there is nothing to shrink.
var ErrNothingFails = errors.New("nothing fails: nothing to shrink")

// Shrink looks for the smallest trace that fails as a trace does: the same claim breaks, or the same expect
// line fails. It takes away calls first, then faults, settings, and single lines; where what is left is
// small, a search makes it the shortest there is. from says where the trace came from.
//
// The error is that of the trace, or ErrNothingFails.
func Shrink(t *trace.Trace, from string, o ShrinkOptions) (*Shrunk, error) {
	if t.Snapshot != nil {
		return nil, &trace.Error{What: "the trace begins with a state block, so what stands behind its events is not known; want one that begins with a new pool"}
	}
	before, err := Replay(t, nil)
	if err != nil && (before == nil || len(before.Failed) == 0) {
		return nil, err
	}
	s := &shrinker{options: o, left: o.Steps}
	if s.left == 0 {
		s.left = DefaultShrinkSteps
	}
	if s.options.States == 0 {
		s.options.States = DefaultShrinkStates
	}
	switch {
	case before.Violation != nil:
		v := before.Violation
		s.failure = Failure{Property: v.Property, Says: v.Says, What: v.What}
	case len(before.Failed) > 0:
		f := before.Failed[0]
		s.failure = Failure{Property: ExpectProperty, Says: f.Want, What: "got " + f.Got, line: f.Line}
	default:
		return nil, ErrNothingFails
	}
	h, err := readHistory(t)
	if err != nil {
		return nil, err
	}
	if err := s.begin(h); err != nil {
		return nil, err
	}
	s.run()
	return s.finish(before, from)
}

// shrinker is one shrinking.
type shrinker struct {
	options ShrinkOptions
	failure Failure
	base    *history // the smallest so far: complete, and replayed strictly it fails
	left    int      // steps of the core that may be taken yet
	ended   bool     // by Progress
	round   int      // of all passes
	doing   string
}

// begin writes the whole history down as the player does, with what the core did in every line.
func (s *shrinker) begin(h *history) error {
	wishes := h.wishes[:0:0]
	for _, w := range h.wishes {
		switch {
		case w.expect != nil && w.number != s.failure.line:
		case !h.auto && (w.act.verb == hangVerb || w.act.verb == unhangVerb):
			// Without auto nothing answers by itself, held up or not.
		default:
			wishes = append(wishes, w)
		}
		if s.failure.line > 0 && w.number == s.failure.line {
			break // nothing after it matters
		}
	}
	out, err := play(h.with(wishes), true)
	if err != nil {
		return err
	}
	s.left -= out.steps
	if s.failure.line > 0 && len(out.moments) == 1 {
		s.failure.moment = out.moments[0]
	}
	if !s.fails(out) || !s.strict(out.history) {
		return fmt.Errorf("%s: the failure does not repeat when the trace is written down anew, with the deadlines that came due", s.failure.Property)
	}
	s.base = out.history
	return nil
}

// over says whether the effort is used up.
func (s *shrinker) over() bool {
	if !s.ended && s.options.Progress != nil && !s.options.Progress(s.doing, s.base.lines()) {
		s.ended = true
	}
	return s.ended || s.left <= 0
}

// try plays a changed history. It returns what came of it, written down, if that fails in the same way.
func (s *shrinker) try(h *history) *history {
	if s.over() {
		return nil
	}
	return s.played(h)
}

func (s *shrinker) played(h *history) *history {
	out, err := play(h, false)
	if err != nil {
		return nil // its settings contradict each other, say
	}
	s.left -= out.steps
	if !s.fails(out) || !s.strict(out.history) {
		return nil
	}
	return out.history
}

// fails says whether what was played fails as the trace did.
func (s *shrinker) fails(out *played) bool {
	if s.failure.line == 0 {
		v := out.report.Violation
		return v != nil && v.Property == s.failure.Property
	}
	if out.report.Violation != nil || len(out.moments) != 1 || !out.moments[0].failed {
		return false
	}
	if s.options.Own == nil {
		return out.moments[0].stands == s.failure.moment.stands
	}
	own := *out.history
	own.settings = *s.options.Own
	held, err := play(&own, false)
	if err != nil {
		return false
	}
	s.left -= held.steps
	return held.report.Violation == nil && len(held.moments) == 1 && !held.moments[0].failed
}

// strict says whether a history, written as a trace and read again, fails in the same way.
func (s *shrinker) strict(h *history) bool {
	report, err := s.replay(h)
	if err != nil {
		return false
	}
	if s.failure.line == 0 {
		return report.Violation != nil && report.Violation.Property == s.failure.Property
	}
	return report.Violation == nil && len(report.Failed) == 1
}

func (s *shrinker) replay(h *history) (*ReplayReport, error) {
	t, err := h.trace()
	if err != nil {
		return nil, err
	}
	report, err := Replay(t, nil)
	if report != nil {
		s.left -= report.Steps
	}
	return report, err
}

// run takes away what it can, until nothing more goes.
func (s *shrinker) run() {
	s.doing = "the end"
	s.cutBeginning()
	for changed := true; changed && !s.over(); {
		changed = false
		s.round++
		for _, pass := range []struct {
			name string
			run  func() bool
		}{
			{"calls", func() bool { return s.remove(s.base.calls()) }},
			{"answers", s.settleCalls},
			{"faults", func() bool { return s.remove(s.base.faults()) }},
			{"settings", s.shrinkSettings},
			{"lines", func() bool { return s.remove(s.base.single()) }},
			{"pairs", s.removePairs},
			{"words", s.simplify},
			{"times", s.shorten},
		} {
			s.doing = pass.name
			for pass.run() {
				changed = true
				if s.base.lines() > fewLines {
					break // the others make it cheaper to go on here
				}
			}
		}
	}
	s.straighten()
	s.doing = "names"
	if out := s.played(s.base.renumbered()); out != nil && out.lines() <= s.base.lines() {
		s.base = out
	}
}

// finish writes the result.
func (s *shrinker) finish(before *ReplayReport, from string) (*Shrunk, error) {
	after, err := s.replay(s.base)
	if err != nil {
		return nil, err
	}
	if len(after.Failed) > 0 {
		s.failure.Says = after.Failed[0].Want // in its present numbers
	}
	out := &Shrunk{Before: before, After: after, Failure: s.failure}
	note := "What is left cannot be left out line by line; there may be a shorter schedule."
	text := func(note string) []byte { return s.base.write(s.head(from, note)...) }
	out.Cut = s.over()
	if out.Cut {
		note = "The effort was used up; there may be a shorter schedule."
	}
	out.Text, out.After = text(note), after
	if s.failure.line == 0 && !s.ended && s.options.States > 0 {
		s.search(out, from)
	}
	if v := out.After.Violation; v != nil {
		out.Failure.Says, out.Failure.What = v.Says, v.What
	} else if len(out.After.Failed) > 0 {
		out.Failure.What = "got " + out.After.Failed[0].Got
	}
	return out, nil
}

// head is what stands on top of the result.
func (s *shrinker) head(from, note string) []string {
	return []string{
		s.failure.Property + ": " + s.failure.Says,
		"Shrunk from " + from + ".",
		note,
	}
}

// reread is what a trace that was written comes to.
func reread(text []byte) (*ReplayReport, error) {
	t, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return Replay(t, nil)
}

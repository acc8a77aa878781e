// Package shrink makes a trace that fails as small as it can be while it fails in the same way.
package shrink

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
)

// Options say how hard to try. Effort is counted in steps and states, so that the same trace
// shrinks to the same bytes on every machine.
type Options struct {
	Steps  int // steps of the core in all replays; 0: DefaultSteps
	States int // states that each search visits at most; 0: DefaultStates, negative: no search
	// Own are settings under which an expect line holds that fails under those of the trace; nil:
	// there are none. What is left of the trace then goes on holding under them.
	Own *core.Settings
	// Progress is called now and then, and ends the work by false: the best so far is the result.
	Progress func(doing string, lines int) bool
}

// What shrinking tries where nobody says otherwise: some twenty seconds of replays, and some ten of
// search.
const (
	DefaultSteps  = 4_000_000
	DefaultStates = 100_000
)

// Result is a smaller trace that fails as the one that it came from.
type Result struct {
	Text    []byte // the trace, with what it shows on top
	Before  *replay.Report
	After   *replay.Report
	Failure Failure
	// Shortest says that a search of all schedules of its callers, with the faults of its menu,
	// found none that is shorter.
	Shortest bool
	// Cut says that the effort was used up, or Progress ended it.
	Cut bool
}

// Failure is how a trace fails: a claim, or an expect line of it.
type Failure struct {
	Property string        // "expect" where an expect line fails
	Says     string        // the claim's sentence, or the line
	What     string        // what broke it
	line     int           // of the expectation
	moment   replay.Moment // what it met
}

// ExpectProperty is what stands for a property where an expect line fails.
const ExpectProperty = "expect"

// ErrNothingFails says that a trace holds, so that there is nothing to shrink.
var ErrNothingFails = errors.New("nothing fails: nothing to shrink")

// Run looks for the smallest trace that fails as a trace does: the same claim breaks, or the same
// expect line fails. It takes away calls first, then faults, settings, and single lines; where what
// is left is small, a search makes it the shortest there is. from says where the trace came from.
//
// The error is that of the trace, or ErrNothingFails.
func Run(t *trace.Trace, from string, o Options) (*Result, error) {
	if t.Snapshot != nil {
		return nil, &trace.Error{What: "the trace begins with a state block, so what stands behind its " +
			"events is not known; want one that begins with a new pool"}
	}
	before, err := replay.Run(t, nil)
	if err != nil && (before == nil || len(before.Failed) == 0) {
		return nil, err
	}
	s := &shrinker{options: o, left: o.Steps}
	if s.left == 0 {
		s.left = DefaultSteps
	}
	if s.options.States == 0 {
		s.options.States = DefaultStates
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
	h, err := replay.ReadHistory(t)
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
	options Options
	failure Failure
	base    *replay.History // the smallest so far: complete, and replayed strictly it fails
	left    int             // steps of the core that may be taken yet
	ended   bool            // by Progress
	round   int             // of all passes
	doing   string
}

// begin writes the whole history down as the player does, with what the core did in every line.
func (s *shrinker) begin(h *replay.History) error {
	lines := h.Lines[:0:0]
	for _, w := range h.Lines {
		switch {
		case w.Expect != nil && w.Number != s.failure.line:
		case !h.Auto && w.Act.Hold.Kind != 0:
			// Without auto nothing answers by itself, held up or not.
		default:
			lines = append(lines, w)
		}
		if s.failure.line > 0 && w.Number == s.failure.line {
			break // nothing after it matters
		}
	}
	out, err := h.With(lines).Play(true)
	if err != nil {
		return err
	}
	s.left -= out.Steps
	if s.failure.line > 0 && len(out.Moments) == 1 {
		s.failure.moment = out.Moments[0]
	}
	if !s.fails(out) || !s.strict(out.History) {
		return fmt.Errorf("%s: the failure does not repeat when the trace is written down anew, with "+
			"the deadlines that came due", s.failure.Property)
	}
	s.base = out.History
	return nil
}

// over says whether the effort is used up.
func (s *shrinker) over() bool {
	if !s.ended && s.options.Progress != nil && !s.options.Progress(s.doing, s.base.Count()) {
		s.ended = true
	}
	return s.ended || s.left <= 0
}

// try plays a changed history. It returns what came of it, written down, if that fails in the same
// way.
func (s *shrinker) try(h *replay.History) *replay.History {
	if s.over() {
		return nil
	}
	return s.played(h)
}

func (s *shrinker) played(h *replay.History) *replay.History {
	out, err := h.Play(false)
	if err != nil {
		return nil // its settings contradict each other, say
	}
	s.left -= out.Steps
	if !s.fails(out) || !s.strict(out.History) {
		return nil
	}
	return out.History
}

// fails says whether what was played fails as the trace did.
func (s *shrinker) fails(out *replay.Played) bool {
	if s.failure.line == 0 {
		v := out.Report.Violation
		return v != nil && v.Property == s.failure.Property
	}
	if out.Report.Violation != nil || len(out.Moments) != 1 || !out.Moments[0].Failed {
		return false
	}
	if s.options.Own == nil {
		return out.Moments[0].Stands == s.failure.moment.Stands
	}
	own := *out.History
	own.Settings = *s.options.Own
	held, err := own.Play(false)
	if err != nil {
		return false
	}
	s.left -= held.Steps
	return held.Report.Violation == nil && len(held.Moments) == 1 && !held.Moments[0].Failed
}

// strict says whether a history, written as a trace and read again, fails in the same way.
func (s *shrinker) strict(h *replay.History) bool {
	report, err := s.replay(h)
	if err != nil {
		return false
	}
	if s.failure.line == 0 {
		return report.Violation != nil && report.Violation.Property == s.failure.Property
	}
	return report.Violation == nil && len(report.Failed) == 1
}

func (s *shrinker) replay(h *replay.History) (*replay.Report, error) {
	t, err := h.Trace()
	if err != nil {
		return nil, err
	}
	report, err := replay.Run(t, nil)
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
			{"calls", func() bool { return s.remove(calls(s.base)) }},
			{"answers", s.settleCalls},
			{"faults", func() bool { return s.remove(faults(s.base)) }},
			{"settings", s.shrinkSettings},
			{"lines", func() bool { return s.remove(single(s.base)) }},
			{"pairs", s.removePairs},
			{"words", s.simplify},
			{"times", s.shorten},
		} {
			s.doing = pass.name
			for pass.run() {
				changed = true
				if s.base.Count() > fewLines {
					break // the others make it cheaper to go on here
				}
			}
		}
	}
	s.straighten()
	s.doing = "names"
	if out := s.played(s.base.Renumbered()); out != nil && out.Count() <= s.base.Count() {
		s.base = out
	}
}

// finish writes the result.
func (s *shrinker) finish(before *replay.Report, from string) (*Result, error) {
	after, err := s.replay(s.base)
	if err != nil {
		return nil, err
	}
	if len(after.Failed) > 0 {
		s.failure.Says = after.Failed[0].Want // in its present numbers
	}
	out := &Result{Before: before, After: after, Failure: s.failure}
	note := "What is left cannot be left out line by line; there may be a shorter schedule."
	text := func(note string) []byte { return s.base.Text(s.head(from, note)...) }
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
func reread(text []byte) (*replay.Report, error) {
	t, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return replay.Run(t, nil)
}

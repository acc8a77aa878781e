// Package replay plays traces in a simulated world: strictly, as Run does, where every line has to
// be possible and every expect line is compared; or leniently, as History.Play does, where a
// history that was changed is played as far as it is possible. It also writes traces: a Transcript
// of what happens in a world.
package replay

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Report is what a replay found.
type Report struct {
	Steps       int
	Elapsed     core.Time
	StateHash   uint64
	HistoryHash uint64
	Failed      []FailedExpectation
	Violation   *sim.Violation // the first broken claim, or nil
	Stopped     bool           // before the end, because goOn said so

	MostAlive     int       // tabs, in any state
	Capacity      int       // at the end
	WorstRecovery core.Time // from a render wedging to full capacity; 0: no incident ended
	Unrecovered   int       // incidents that had not ended
	LongestWait   core.Time // of an affinity that had no wedged render, while one was wedged
	Grants        int
	Evictions     int
	Kills         int
}

// FailedExpectation is an expect line that did not hold.
type FailedExpectation struct {
	Line      int
	Want, Got string
}

// Step is one step of a replay, for a caller that prints it.
type Step struct {
	At      core.Time
	Event   core.Event
	Effects []core.Effect
	State   *core.State // after the step
	Names   trace.Names
	World   *sim.World // after the step
}

// Run plays a trace in a timed world. With its line auto, the world goes on by the default policy
// between the lines; without it, nothing happens that no line says, and a line past an armed
// deadline is refused. The error is one of the trace, with the line: *trace.Error; the report
// beside it says what was found before that line. tell, where it is not nil, hears of every step.
func Run(t *trace.Trace, tell func(Step)) (*Report, error) {
	return RunWhile(t, tell, nil)
}

// RunWhile is Run for as long as goOn says so. It is asked now and then; nil always does.
func RunWhile(t *trace.Trace, tell func(Step), goOn func() bool) (*Report, error) {
	r, err := playOut(t, tell, goOn)
	if r == nil {
		return nil, err
	}
	return r.finish(), err
}

// playOut plays a trace as far as it holds and goOn says so. The replayer is nil where it could not
// begin.
func playOut(t *trace.Trace, tell func(Step), goOn func() bool) (*replayer, error) {
	r := &replayer{trace: t, report: new(Report), tell: tell, goOn: sim.Patience{Ask: goOn},
		wedged: map[core.Affinity]bool{}}
	if err := CheckCallers(t); err != nil {
		return nil, err
	}
	o := sim.Options{Settings: t.Settings, Timed: true, Observe: r.observe}
	if t.Snapshot != nil {
		var err error
		if o.From, err = core.Restore(&t.Snapshot.Facts); err != nil {
			return nil, &trace.Error{What: err.Error()}
		}
		r.names = keysOf(t.Snapshot)
	}
	w, err := sim.New(o)
	if err != nil {
		return nil, &trace.Error{What: err.Error()}
	}
	r.world = w
	for i := range t.Lines {
		line := &t.Lines[i]
		r.later = t.Lines[i+1:]
		if w.Violation() != nil || r.goOn.Over() {
			break
		}
		if line.Expect {
			err = r.expect(line)
		} else {
			r.seen = r.seen[:0]
			err = r.line(line)
		}
		if r.goOn.Ended {
			break // the line's time was not reached, and what became of it says nothing
		}
		if err != nil {
			return r, &trace.Error{Line: line.Number, What: err.Error()}
		}
	}
	if r.goOn.Ended || w.Violation() != nil {
		return r, nil
	}
	return r, r.heldUp()
}

type replayer struct {
	trace  *trace.Trace
	world  *sim.World
	names  Keys
	report *Report
	tell   func(Step)
	goOn   sim.Patience
	seen   []core.Effect // since the last step line began
	wedged map[core.Affinity]bool
	later  []trace.Line // those after the one that happens
}

func (r *replayer) observe(w *sim.World, event core.Event, effects []core.Effect) {
	r.seen = append(r.seen, effects...)
	for i := range effects {
		switch e := &effects[i]; {
		case e.Kind == core.Grant:
			r.report.Grants++
			if len(r.wedged) > 0 && w.Incidents() > 0 && !r.wedged[e.Affinity] {
				r.report.LongestWait = max(r.report.LongestWait, e.Waits.Total())
			}
		case e.Kind == core.CloseTab && e.Reason == core.Eviction:
			r.report.Evictions++
		case e.Kind == core.KillTab:
			r.report.Kills++
		}
	}
	if r.tell != nil {
		r.tell(Step{w.Now(), event, effects, w.Core(), &r.names, w})
	}
	for i := range effects {
		if effects[i].Kind == core.Forget && r.trace.Snapshot != nil {
			r.names.Forget(effects[i].Affinity)
		}
	}
}

func (r *replayer) finish() *Report {
	w := r.world
	r.report.Steps, r.report.Elapsed = w.Steps(), w.Now()
	r.report.StateHash, r.report.HistoryHash = canon.StateHash(&w.Core().Facts), w.HistoryHash()
	r.report.Violation, r.report.Stopped = w.Violation(), r.goOn.Ended
	r.report.MostAlive, r.report.Capacity = w.CapacityMax(), int(w.Core().Capacity)
	r.report.WorstRecovery, r.report.Unrecovered = w.WorstRecovery(), w.Incidents()
	if w.Incidents() > 0 {
		w.Core().EachRequest(func(q core.RequestView) {
			if !r.wedged[q.Affinity] {
				r.report.LongestWait = max(r.report.LongestWait, w.Now()-q.Arrived)
			}
		})
	}
	return r.report
}

// line makes one step line happen.
func (r *replayer) line(line *trace.Line) error {
	if r.trace.Snapshot != nil {
		return r.recorded(line)
	}
	if err := r.reach(line); err != nil || r.goOn.Ended {
		return err
	}
	if did, err := r.act(line.Words); did || err != nil {
		return err
	}
	event, err := trace.ParseEvent(line.Words, &r.names)
	if errors.Is(err, trace.ErrUnknownVerb) {
		err = fmt.Errorf("%w; of the world: %s", err, strings.Join(actVerbs, ", "))
	}
	if err != nil {
		return err
	}
	if err := r.known(event, line); err != nil {
		return err
	}
	if err := r.due(event, line.At); err != nil {
		return err
	}
	event.Kept = event.Kept || r.failsAlone(event, line)
	if err := r.world.Perform(event); err != nil {
		return fmt.Errorf("%s: %w", trace.AppendEvent(nil, event, &r.names), err)
	}
	if r.trace.Auto || r.trace.Untimed {
		return nil
	}
	r.answerPing(event)
	return nil
}

// failsAlone says whether a close that failed was that of a page alone, where one of the page with
// its context is out too. The line does not say which, but the tab's end does, which the other
// brings.
func (r *replayer) failsAlone(event core.Event, line *trace.Line) bool {
	if !event.Is(core.Failed, core.CloseTab) ||
		r.world.Fake().Find(fakebrowser.Close, core.Event{Tab: event.Tab, Kept: true}) < 0 {
		return false
	}
	for _, l := range r.later {
		if len(l.Words) > 1 && l.Words[0].Text == "closed" &&
			l.Words[1].Text == line.Words[1].Text {
			return len(l.Words) == 2
		}
	}
	return false
}

// recorded feeds the core one event of a dump, at its time. Everything that happened is in it,
// deadlines included.
func (r *replayer) recorded(line *trace.Line) error {
	event, err := trace.ParseEvent(line.Words, &r.names)
	if err != nil {
		return err
	}
	if err := r.known(event, line); err != nil {
		return err
	}
	r.world.SetNow(line.At)
	return r.world.Perform(event)
}

// reach brings the clock to a line's time.
func (r *replayer) reach(line *trace.Line) error {
	w := r.world
	if r.trace.Auto {
		w.RunWhile(line.At, &r.goOn)
		return nil
	}
	for !r.trace.Untimed {
		d, ok := w.Core().NextDeadline()
		if !ok || d.At >= line.At {
			break
		}
		if d.Event.Kind != core.Overdue && d.Event.Kind != core.BrowserStalled {
			return fmt.Errorf("this line is at %v, past the deadline %q at %v; write that line first, or "+
				"the line auto at the top",
				line.At.Duration(), trace.AppendEvent(nil, d.Event, &r.names), d.At.Duration())
		}
		w.SetNow(max(w.Now(), d.At))
		w.Fire(d.Event)
		r.answerPing(d.Event)
	}
	w.SetNow(max(w.Now(), line.At))
	return nil
}

// answerPing has a browser say that it is there, unless the trace has silenced it: a line need not
// say so.
func (r *replayer) answerPing(asked core.Event) {
	f := r.world.Fake()
	i := f.Find(fakebrowser.Ping, core.Event{Browser: asked.Browser})
	if asked.Kind == core.BrowserStalled && i >= 0 && f.CanAnswer(&f.Operations[i]) {
		r.world.Answer(i, fakebrowser.Works)
	}
}

// due refuses a deadline that is not armed, or before its time.
func (r *replayer) due(event core.Event, at core.Time) error {
	if !event.Kind.Deadline() {
		return nil
	}
	for _, d := range r.world.Core().Deadlines(nil) {
		if d.Event == event {
			if d.At > at && !r.trace.Untimed {
				return fmt.Errorf("%q is due at %v, and this line is at %v",
					trace.AppendEvent(nil, event, &r.names), d.At.Duration(), at.Duration())
			}
			return nil
		}
		if d.Event.Tab != 0 && d.Event.Tab == event.Tab && d.Event.Kind == core.Overdue {
			// The grace comes first; it is a mark that a line need not say.
			r.world.Fire(d.Event)
			return r.due(event, at)
		}
	}
	return fmt.Errorf("no such deadline is armed: %q", trace.AppendEvent(nil, event, &r.names))
}

// act makes what only the world can do happen.
func (r *replayer) act(words []trace.Word) (bool, error) {
	a, err := ParseAct(words)
	if err != nil || a.Verb == "" {
		return err != nil, err
	}
	t, _ := r.world.Core().Tab(a.Tab)
	if !Do(r.world, &a) {
		return true, fmt.Errorf("%s: %s", a.Verb, a.impossible())
	}
	if a.Verb == WedgeVerb || a.Verb == LoopVerb {
		r.wedged[t.Affinity] = true
	}
	return true, nil
}

// expect checks one expectation: an effect of the step before, "no" such effect, or a fact.
func (r *replayer) expect(line *trace.Line) error {
	words := line.Words
	if got, isFact, err := r.fact(words); isFact {
		if err == nil && got != "" {
			r.fail(line, got)
		}
		return err
	}
	none := words[0].Text == "no" && len(words) > 1
	if none {
		words = words[1:]
	}
	want, err := trace.ParsePattern(words, &r.names)
	if err != nil {
		return fmt.Errorf("expect: %w; facts are %s", err, factWords)
	}
	for i := range r.seen {
		if trace.Matches(&r.seen[i], &want) != none {
			if none {
				continue
			}
			return nil
		}
		if none {
			r.fail(line, string(trace.AppendEffect(nil, r.seen[i], &r.names)))
			return nil
		}
	}
	if !none {
		r.fail(line, r.effects())
	}
	return nil
}

// effects is what there was instead of what was expected.
func (r *replayer) effects() string {
	if len(r.seen) == 0 {
		return "nothing"
	}
	var all []string
	for _, e := range r.seen {
		all = append(all, string(trace.AppendEffect(nil, e, &r.names)))
	}
	return strings.Join(all, "; ")
}

func (r *replayer) fail(line *trace.Line, got string) {
	r.report.Failed = append(r.report.Failed,
		FailedExpectation{line.Number, trace.JoinWords(line.Words), got})
}

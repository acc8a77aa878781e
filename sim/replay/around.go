package replay

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/search"
)

// Around visits every run within so many deviations of a recorded one: what the trace says happens,
// line by line, as far as it is possible, and in between so many other things that could: an answer
// before its time, a failure, a deadline, a crash. The clock stands still, so any answer may beat
// any deadline. With a violation, Trace has the whole run, its deviations marked.
func Around(t *trace.Trace, deviations int, name string, o sim.ExploreOptions) (*sim.Exploration,
	error) {
	a, w, err := aroundOf(t, deviations)
	if err != nil {
		return nil, err
	}
	lines := a.lines
	options, reached := o.Engine()
	start := w.Clone()
	found, err := search.Around(w, len(lines), a.happens, deviations, options)
	if err != nil {
		return nil, err
	}
	x := &sim.Exploration{Result: found.Result, Scenario: name, Reached: reached(),
		Within: found.Within, Recorded: len(lines)}
	alone := start.Clone()
	for n := range lines {
		if !a.happens(alone, n) {
			x.Skipped++
		}
	}
	if x.Verdict == search.Broken {
		a.fail(x, start, found.Steps)
	}
	return x, nil
}

// aroundOf is the record of a trace, and the world that it begins in. A dump begins in the midst of
// things: with the pool as it was, whose leases and requests go on, and a browser as the pool knows
// it.
func aroundOf(t *trace.Trace, deviations int) (*around, *sim.World, error) {
	if t.Snapshot == nil {
		lines, names, err := recordOf(t)
		if err != nil {
			return nil, nil, err
		}
		sessions, checks := drives(lines, names)
		w, err := sim.New(sim.Options{
			Settings: t.Settings, Faults: deviations, Menu: sim.AllFaults, Sessions: sessions,
			Checks: checks,
		})
		return &around{lines: lines, names: names}, w, err
	}
	report, err := Run(t, nil)
	switch {
	case err != nil:
		return nil, nil, err
	case report.Violation != nil:
		return nil, nil, fmt.Errorf("the dump itself breaks a claim: %w", report.Violation)
	}
	from, err := core.Restore(&t.Snapshot.Facts)
	if err != nil {
		return nil, nil, err
	}
	recorded, err := sim.New(sim.Options{Settings: t.Settings, Timed: true, From: from})
	if err != nil {
		return nil, nil, err
	}
	w, err := (&sim.Scenario{Faults: deviations, Menu: sim.AllFaults}).WorldFrom(recorded)
	if err != nil {
		return nil, nil, err
	}
	names := keysOf(t.Snapshot)
	a := &around{names: &names}
	for _, line := range t.Lines {
		if !line.Expect {
			// whatever keys it names have their handles from here on
			_, _ = trace.ParseEvent(line.Words, a.names)
			a.lines = append(a.lines, line)
		}
	}
	return a, w, nil
}

// recordOf is everything that happens in a trace, as lines of their own: what a line auto leaves
// unsaid included.
func recordOf(t *trace.Trace) ([]trace.Line, *Keys, error) {
	var transcript *Transcript
	report, err := Run(t, func(told Step) {
		if transcript == nil {
			transcript = &Transcript{Names: told.Names}
		}
		transcript.Observe(told.World, told.Event, told.Effects)
	})
	switch {
	case err != nil:
		return nil, nil, err
	case report.Violation != nil:
		return nil, nil, fmt.Errorf("the trace itself breaks a claim: %w", report.Violation)
	case transcript == nil:
		return nil, new(Keys), nil
	}
	whole, err := trace.Read(bytes.NewReader(transcript.Timed(t.Settings)))
	if err != nil {
		return nil, nil, fmt.Errorf("the record of the trace cannot be read: %w", err)
	}
	names := new(Keys)
	for i := range whole.Lines {
		// whatever keys it names have their handles from here on
		_, _ = trace.ParseEvent(whole.Lines[i].Words, names)
	}
	return whole.Lines, names, nil
}

// drives says what the driver of a recorded run can do: give each lease a session of its own, and
// check the browser's work. A page that opens out of its turn is as those of the record are.
func drives(lines []trace.Line, names *Keys) (sessions, checks bool) {
	for i := range lines {
		if e, err := trace.ParseEvent(lines[i].Words, names); err == nil {
			sessions, checks = sessions || e.Sessions, checks || e.Checks
		}
	}
	return sessions, checks
}

// around is a recorded run.
type around struct {
	lines []trace.Line
	names *Keys
}

// happens makes a line of the record happen, where it still can.
func (a *around) happens(w *sim.World, number int) bool {
	line := &a.lines[number]
	r := replayer{world: w, wedged: map[core.Affinity]bool{}}
	if did, err := r.act(line.Words); did {
		return err == nil
	}
	event, err := trace.ParseEvent(line.Words, a.names)
	if err != nil {
		return false
	}
	if event.Kind.Deadline() {
		armed := slices.ContainsFunc(w.Core().Deadlines(nil), func(d core.Deadline) bool {
			return d.Event == event
		})
		if armed {
			w.Fire(event)
		}
		return armed
	}
	return w.Possible(event) && w.Perform(event) == nil
}

// fail tells the way to a violation, by doing it again.
func (a *around) fail(x *sim.Exploration, w *sim.World, steps []search.Step) {
	for _, step := range steps {
		if step.Given >= 0 {
			x.Trace = append(x.Trace, lineText(&a.lines[step.Given]))
			a.happens(w, step.Given)
			continue
		}
		action := &w.Actions(nil)[step.Action]
		x.Trace = append(x.Trace, "* "+w.Label(action))
		w.Do(action)
	}
	x.Violation = w.Violation()
}

func lineText(line *trace.Line) string {
	var b bytes.Buffer
	for i, word := range line.Words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word.Text)
	}
	return b.String()
}

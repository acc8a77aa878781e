package sim

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// ExploreAround visits every run within so many deviations of a recorded one: what the trace says happens, line by
// line, as far as it is possible, and in between so many other things that could: an answer before its time, a
// failure, a deadline, a crash. The clock stands still, so any answer may beat any deadline. With a violation, Trace
// has the whole run, its deviations marked.
func ExploreAround(t *trace.Trace, deviations int, name string, o ExploreOptions) (*Exploration, error) {
	if t.Snapshot != nil {
		return nil, &trace.Error{What: "a dump begins in the midst of things, and is not the record of a whole run"}
	}
	lines, names, err := recordOf(t)
	if err != nil {
		return nil, err
	}
	w, err := New(Options{Settings: t.Settings, Faults: deviations, Menu: AllFaults})
	if err != nil {
		return nil, err
	}
	if o.MaxStates <= 0 {
		o.MaxStates = mostStates
	}
	a := &around{
		lines: lines, names: names, options: o, canon: NewCanon(!o.NoSymmetry),
		result: &Exploration{Scenario: name, NoReturn: -1, Within: -1},
	}
	a.result.Complete = a.search(w, deviations)
	a.result.States, a.result.VisitedBytes, a.result.Reached = a.seen.states(), a.seen.bytes(), *w.reached
	a.result.Complete = a.result.Complete && a.result.Violation == nil
	return a.result, nil
}

// recordOf is everything that happens in a trace, as lines of their own: what a line auto leaves unsaid included.
func recordOf(t *trace.Trace) ([]trace.Line, *Keys, error) {
	var transcript *Transcript
	report, err := Replay(t, func(told Told) {
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
		_, _ = trace.ParseEvent(whole.Lines[i].Words, names) // whatever keys it names have their handles from here on
	}
	return whole.Lines, names, nil
}

// around is a search around a recorded run.
type around struct {
	lines   []trace.Line
	names   *Keys
	options ExploreOptions
	canon   *Canon
	seen    visited // by fingerprint and line: with the fewest deviations that lead there
	told    []told
	result  *Exploration
	next    []point // where a run goes on that has deviated once more
}

// told is what happened last on the way to a state, and what was before.
type told struct {
	label  string
	before int
}

// point is where a run goes on: a world, the next line, and the way to it.
type point struct {
	world *World
	line  int
	way   int
}

func (a *around) search(w *World, deviations int) bool {
	level := []point{{world: w, way: -1}}
	for d := 0; d <= deviations; d++ {
		a.next = nil
		for i := range level {
			if !a.follow(level[i], d < deviations) {
				return false
			}
			level[i].world = nil
		}
		level = a.next
		a.result.Within = d
	}
	return true
}

// follow takes a run along the record, and notes every way to deviate from it. It is false where the search ends.
func (a *around) follow(p point, deviate bool) bool {
	w := p.world
	for {
		key := mix(a.canon.Fingerprint(w), uint64(p.line))
		if _, known := a.seen.find(key); known {
			return true
		}
		if a.seen.states() == a.options.MaxStates {
			return false
		}
		a.seen.put(key, node{})
		states := a.seen.states()
		a.result.Sum += key
		if w.violation != nil {
			a.fail(w, p.way)
			return false
		}
		if a.options.Progress != nil && states%statesBetween == 0 && !a.options.Progress(ExploreProgress{
			States: states, VisitedBytes: a.seen.bytes(), Transitions: a.result.Transitions, Depth: p.line, Frontier: len(a.next),
		}) {
			return false
		}
		if deviate {
			a.deviate(w, p)
		}
		if p.line == len(a.lines) {
			return true
		}
		line := &a.lines[p.line]
		p.line++
		a.result.Depth = max(a.result.Depth, p.line)
		a.result.Transitions++
		if a.happens(w, line) {
			a.told = append(a.told, told{label: lineText(line), before: p.way})
			p.way = len(a.told) - 1
		}
	}
}

// statesBetween is how many states come between two calls of Progress.
const statesBetween = 1 << 8

// deviate notes what else could happen in a world.
func (a *around) deviate(w *World, p point) {
	for _, action := range w.Actions(nil) {
		a.result.Transitions++
		child := w.Clone()
		child.reached = w.reached
		label := "* " + child.Label(&action)
		child.Do(&action)
		if _, known := a.seen.find(mix(a.canon.Fingerprint(child), uint64(p.line))); known {
			continue
		}
		a.told = append(a.told, told{label: label, before: p.way})
		a.next = append(a.next, point{world: child, line: p.line, way: len(a.told) - 1})
	}
}

// happens makes a line of the record happen, where it still can.
func (a *around) happens(w *World, line *trace.Line) bool {
	r := replayer{world: w, wedged: map[core.Affinity]bool{}}
	if did, err := r.act(line.Words); did {
		return err == nil
	}
	event, err := trace.ParseEvent(line.Words, a.names)
	if err != nil {
		return false
	}
	if event.Kind.Deadline() {
		armed := slices.ContainsFunc(w.core.Deadlines(nil), func(d core.Deadline) bool { return d.Event == event })
		if armed {
			w.step(event)
		}
		return armed
	}
	return w.Perform(event) == nil
}

func (a *around) fail(w *World, way int) {
	for ; way >= 0; way = a.told[way].before {
		a.result.Trace = append(a.result.Trace, a.told[way].label)
	}
	slices.Reverse(a.result.Trace)
	a.result.Violation = w.violation
	a.result.Violation.Step = len(a.result.Trace)
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

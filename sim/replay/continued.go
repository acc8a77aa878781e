package replay

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
)

// Continued writes what a search that went on where a trace ends (Resume) found to break a claim:
// the trace, and the way of the search behind it, as one trace that breaks the claim when it is
// replayed. It is an error where no trace shows it.
func Continued(t *trace.Trace, scenario *sim.Scenario, x *sim.Exploration,
	comments ...string) ([]byte, error) {
	if x.Violation == nil {
		return nil, fmt.Errorf("no claim broke in %s", scenario.Name)
	}
	c := &continuation{trace: t}
	r, err := playOut(t, func(s Step) { c.observe(s.World, s.Event, s.Effects, s.Names) }, nil)
	if err != nil {
		return nil, err
	}
	names := &r.names
	observed := *scenario
	observed.Observe = func(w *sim.World, e core.Event, effects []core.Effect) {
		c.observe(w, e, effects, names)
	}
	w, err := observed.WorldFrom(r.world)
	if err != nil {
		return nil, err
	}
	for _, label := range x.Trace {
		if !doLabelled(w, label) {
			return nil, fmt.Errorf("%s: %q is not possible where it was", scenario.Name, label)
		}
	}
	return c.text(x.Violation.Property, comments)
}

// Deviating does the same for a search around a trace (Around), within so many deviations.
func Deviating(t *trace.Trace, deviations int, x *sim.Exploration, comments ...string) ([]byte,
	error) {
	if x.Violation == nil {
		return nil, fmt.Errorf("no claim broke in %s", x.Scenario)
	}
	a, start, err := aroundOf(t, deviations)
	if err != nil {
		return nil, err
	}
	c := &continuation{trace: t}
	observed := sim.Scenario{Faults: deviations, Menu: sim.AllFaults,
		Observe: func(w *sim.World, e core.Event, effects []core.Effect) {
			c.observe(w, e, effects, a.names)
		}}
	w, err := observed.WorldFrom(start)
	if err != nil {
		return nil, err
	}
	next := 0
	for _, text := range x.Trace {
		if label, deviates := strings.CutPrefix(text, "* "); deviates {
			if !doLabelled(w, label) {
				return nil, fmt.Errorf("%s: %q is not possible where it was", x.Scenario, label)
			}
			continue
		}
		for next < len(a.lines) && lineText(&a.lines[next]) != text {
			next++
		}
		if next == len(a.lines) {
			return nil, fmt.Errorf("%s: %q is not in the record where it was", x.Scenario, text)
		}
		a.happens(w, next)
		next++
	}
	return c.text(x.Violation.Property, comments)
}

// doLabelled does the action that has a label, where there is one.
func doLabelled(w *sim.World, label string) bool {
	actions := w.Actions(nil)
	i := slices.IndexFunc(actions, func(a sim.Action) bool { return w.Label(&a) == label })
	if i >= 0 {
		w.Do(&actions[i])
	}
	return i >= 0
}

// A continuation writes down a record and what came of it.
type continuation struct {
	trace      *trace.Trace
	transcript Transcript
}

func (c *continuation) observe(w *sim.World, event core.Event, effects []core.Effect,
	names trace.Names) {
	c.transcript.Names = names
	c.transcript.Observe(w, event, effects)
}

// text is the trace. One of a dump begins with its state; the core goes through the rest alone, so
// what a page or a browser did is not in it.
func (c *continuation) text(property string, comments []string) ([]byte, error) {
	if c.trace.Snapshot == nil {
		return c.transcript.Untimed(c.trace.Settings, property, comments...)
	}
	var out bytes.Buffer
	keys := keysOf(c.trace.Snapshot)
	w := trace.NewWriter(&out, &trace.Trace{Settings: c.trace.Settings, Snapshot: c.trace.Snapshot},
		keys.Key, comments...)
	for _, line := range c.transcript.lines {
		if !line.act {
			w.Step(line.at, line.text)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	if !breaks(out.Bytes(), property) {
		return nil, fmt.Errorf("as a trace, replayed, it does not break %s", property)
	}
	return out.Bytes(), nil
}

package follow

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
)

// Include reads a trace that was recorded on a real browser, and follows it as Follower does. The
// error is a *trace.Error with the line that cannot be read, or that the fake browser never brings;
// or it is a broken claim.
func Include(t *trace.Trace) (*Follower, error) {
	f, err := New(t.Settings, false)
	if err != nil {
		return nil, &trace.Error{What: err.Error()}
	}
	var keys replay.Keys
	f.Step(0, "", core.Event{}, 0)
	for i := range t.Lines {
		line := &t.Lines[i]
		if line.Expect {
			continue
		}
		if err := f.line(line, &keys); err != nil {
			return f, &trace.Error{Line: line.Number, What: err.Error()}
		}
		switch {
		case f.outside != nil:
			return f, &trace.Error{Line: line.Number, What: f.outside.Why}
		case f.world.Violation() != nil:
			return f, &trace.Error{Line: line.Number, What: f.world.Violation().Error()}
		}
	}
	return f, nil
}

// line takes in one line of a recorded trace.
func (f *Follower) line(line *trace.Line, keys *replay.Keys) error {
	a, err := replay.ParseAct(line.Words)
	if err != nil {
		return err
	}
	switch a.Verb {
	case replay.LoopVerb:
		if !f.Loop(line.At, a.Tab) {
			return fmt.Errorf("loop: t%d is not leased, or its page does not answer already", a.Tab)
		}
		return nil
	case replay.FloodVerb:
		if !f.Flood(line.At, a.Tab) {
			return fmt.Errorf("flood: no page of t%d is open, or it floods already", a.Tab)
		}
		return nil
	case replay.CutOffVerb:
		if !f.CutOff(line.At, a.Tab) {
			return fmt.Errorf("cut-off: no page of t%d floods", a.Tab)
		}
		return nil
	case replay.WorkVerb:
		f.Worked(line.At, a.Tab, a.Part)
		return nil
	case "":
	default:
		h, ok := a.Turns()
		if !ok {
			return fmt.Errorf("%s: a real browser shows loop, floods, work and what tabs share alone", a)
		}
		if !f.Turn(line.At, a.Browser, a.Part, h) {
			return fmt.Errorf("%v: b%d does not serve, or its %v is %v already", a, a.Browser, a.Part, h)
		}
		return nil
	}
	event, err := trace.ParseEvent(line.Words, keys)
	if err != nil {
		return err
	}
	f.Step(line.At, keys.Key(event.Affinity), event, 0)
	for _, e := range f.world.Effects() {
		if e.Kind == core.Forget && e.Affinity != 0 {
			keys.Forget(e.Affinity)
		}
	}
	return nil
}

package sim

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// Include reads a trace that was recorded on a real browser, and follows it as Follower does. The error is a
// *trace.Error with the line that cannot be read, or that the fake browser never brings; or it is a broken
// claim.
func Include(t *trace.Trace) (*Follower, error) {
	f, err := NewFollower(t.Settings, false)
	if err != nil {
		return nil, &trace.Error{What: err.Error()}
	}
	var keys Keys
	f.Step(0, "", core.Event{}, 0)
	for i := range t.Lines {
		line := &t.Lines[i]
		if line.Expect {
			continue
		}
		if err := f.line(line, &keys); err != nil {
			return f, &trace.Error{Line: line.Number, What: err.Error()}
		}
		for k := range f.world.effects {
			if e := &f.world.effects[k]; e.Kind == core.Forget && e.Affinity != 0 {
				keys.Forget(e.Affinity)
			}
		}
		f.world.effects = f.world.effects[:0]
		switch {
		case f.outside != nil:
			return f, &trace.Error{Line: line.Number, What: f.outside.Why}
		case f.world.violation != nil:
			return f, &trace.Error{Line: line.Number, What: f.world.violation.Error()}
		}
	}
	return f, nil
}

// line takes in one line of a recorded trace.
func (f *Follower) line(line *trace.Line, keys *Keys) error {
	a, err := parseAct(line.Words)
	if err != nil {
		return err
	}
	switch a.verb {
	case loopVerb:
		if !f.Loop(line.At, a.tab) {
			return fmt.Errorf("loop: t%d is not leased, or its page does not answer already", a.tab)
		}
		return nil
	case silenceVerb:
		if !f.FallSilent(line.At, a.browser) {
			return fmt.Errorf("silence: b%d does not serve, or is silent already", a.browser)
		}
		return nil
	case "":
	default:
		return fmt.Errorf("%s: a real browser shows loop and silence alone", a.verb)
	}
	event, err := trace.ParseEvent(line.Words, keys)
	if err != nil {
		return err
	}
	f.Step(line.At, keys.Key(event.Affinity), event, 0)
	return nil
}

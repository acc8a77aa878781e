package steps

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
)

// Act is what a trace says that the world did to a page or a browser.
type Act struct {
	At   core.Time
	Text string
}

// Recorded turns the record of a whole run on a real browser into one that the core goes through
// alone, as through a dump, with no simulated browser behind it: a real one may do what that never
// does. What the lines say of pages and browsers is returned beside it. ok is false where the trace
// has lines that only a simulated browser can follow.
func Recorded(t *trace.Trace) (alone *trace.Trace, acts []Act, ok bool) {
	settings, err := t.Settings.Resolve()
	if t.Snapshot != nil || t.Auto || err != nil || replay.CheckCallers(t) != nil {
		return nil, nil, false
	}
	copied := *t
	copied.Snapshot = &trace.Snapshot{Facts: core.New(settings).Facts, Keys: make([]string, 1)}
	copied.Lines = []trace.Line{{Words: []trace.Word{{Text: "look"}}}}
	for _, line := range t.Lines {
		act, err := replay.Act{}, error(nil)
		if !line.Expect {
			act, err = replay.ParseAct(line.Words)
		}
		switch {
		case act.Hold.Kind != 0 || err != nil:
			return nil, nil, false
		case act.Verb != "":
			acts = append(acts, Act{line.At, trace.JoinWords(line.Words)})
		default:
			copied.Lines = append(copied.Lines, line)
		}
	}
	return &copied, acts, true
}

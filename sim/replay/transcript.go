package replay

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Transcript writes down what happens in a world, as the lines of a trace without auto: its Observe
// is for that of sim.Options, traffic.Options or sim.Scenario.
type Transcript struct {
	Names trace.Names // of the affinities; nil: sim.Names

	lines []spoken
	acts  Acts
}

// spoken is one line of a transcript.
type spoken struct {
	at   core.Time
	text string
	act  bool
}

// Observe takes in one step. What the world did to a page or a browser since the step before is no
// event of the core, and is written before it; to a page that the step grants, after it.
func (t *Transcript) Observe(w *sim.World, event core.Event, effects []core.Effect) {
	if t.Names == nil {
		t.Names = sim.Names
	}
	var after []spoken
	for _, act := range t.acts.Of(w) {
		line := spoken{w.Now(), act.String(), true}
		if act.Tab != 0 && slices.ContainsFunc(effects, func(e core.Effect) bool {
			return e.Kind == core.Grant && e.Tab == act.Tab
		}) {
			after = append(after, line)
			continue
		}
		t.lines = append(t.lines, line)
	}
	if ofNothing(w, event) {
		event = core.Event{} // a look: the step may have done what was due
	}
	if event.Kind != core.NoEvent || len(effects) > 0 && w.Steps() > 1 {
		t.lines = append(t.lines, spoken{w.Now(), string(trace.AppendEvent(nil, event, t.Names)), false})
	}
	t.lines = append(t.lines, after...)
}

// ofNothing says whether an answer was about something that had left the books before the last
// step: a second one, which a trace does not have, since it could be taken for one that nobody
// asked for.
func ofNothing(w *sim.World, e core.Event) bool {
	before := w.Before()
	kind, _ := fakebrowser.OperationOf(e)
	switch {
	case kind == 0 || before == nil:
		return false
	case kind.OfBrowser():
		known := false
		before.EachBrowser(func(b core.BrowserView) { known = known || b.ID == e.Browser })
		return !known && w.Fake().Browser(e.Browser) == nil
	case kind.OfContext():
		return !before.HasContext(e.Context)
	}
	_, known := before.Tab(e.Tab)
	return !known
}

// Timed writes a timed world's transcript as a trace.
func (t *Transcript) Timed(settings core.Settings, comments ...string) []byte {
	return t.write(&trace.Trace{Settings: settings}, func(i int) core.Time { return t.lines[i].at },
		comments)
}

// Tick is how far apart the lines of an untimed trace are written: a reader takes no notice of it.
const Tick = core.Time(time.Millisecond)

// Untimed writes an untimed world's transcript as a trace that breaks a claim when it is replayed:
// with a tick between two lines where that does, and otherwise at the instants of the world. It is
// an error where neither does: what never ends cannot be seen in a trace.
func (t *Transcript) Untimed(settings core.Settings, property string, comments ...string) ([]byte,
	error) {
	tr := &trace.Trace{Settings: settings, Untimed: true}
	for _, at := range []func(i int) core.Time{
		func(i int) core.Time { return Tick * core.Time(i) },
		func(i int) core.Time { return t.lines[i].at },
	} {
		text := t.write(tr, at, comments)
		if !breaks(text, property) {
			continue
		}
		if small := counted(text, comments); breaks(small, property) {
			return small, nil
		}
		return text, nil
	}
	return nil, errors.New("as a trace, replayed, it does not break " + property)
}

// counted is a trace whose requests and calls are counted from 1.
func counted(text []byte, comments []string) []byte {
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	h, err := ReadHistory(tr)
	if err != nil {
		return nil
	}
	return h.Renumbered().Text(comments...)
}

func (t *Transcript) write(tr *trace.Trace, at func(i int) core.Time, comments []string) []byte {
	var out bytes.Buffer
	w := trace.NewWriter(&out, tr, nil, comments...)
	for i, line := range t.lines {
		w.Step(at(i), line.text)
	}
	if err := w.Flush(); err != nil {
		panic("replay: BUG: a buffer that takes not everything: " + err.Error())
	}
	return out.Bytes()
}

// breaks says whether a trace, replayed, breaks a claim.
func breaks(text []byte, property string) bool {
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return false
	}
	report, err := Run(tr, nil)
	return err == nil && report.Violation != nil && report.Violation.Property == property
}

package sim

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// ReplayReport is what a replay found.
type ReplayReport struct {
	Steps       int
	Elapsed     core.Time
	StateHash   uint64
	HistoryHash uint64
	Failed      []FailedExpectation
	Violation   *Violation // the first broken claim, or nil
	Stopped     bool       // before the end, because goOn said so

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

// Keys gives keys handles, in the order in which they are first met; one that was forgotten is given
// again, the last one first.
type Keys struct {
	list    []string
	free    []core.Affinity
	handles map[string]core.Affinity
}

// keysOf are the keys of a snapshot.
func keysOf(n *trace.Snapshot) Keys {
	k := Keys{list: append([]string(nil), n.Keys[1:]...), free: append([]core.Affinity(nil), n.Free...), handles: map[string]core.Affinity{}}
	for i, key := range k.list {
		if key != "" {
			k.handles[key] = core.Affinity(i + 1)
		}
	}
	return k
}

// Forget gives a handle back.
func (k *Keys) Forget(a core.Affinity) {
	delete(k.handles, k.list[a-1])
	k.list[a-1] = ""
	k.free = append(k.free, a)
}

// Key is the key of a handle.
func (k *Keys) Key(a core.Affinity) string {
	if a == 0 || int(a) > len(k.list) {
		return fmt.Sprintf("affinity-%d", a)
	}
	return k.list[a-1]
}

// Handle is the handle of a key.
func (k *Keys) Handle(key string) core.Affinity {
	if a, ok := k.handles[key]; ok {
		return a
	}
	if k.handles == nil {
		k.handles = map[string]core.Affinity{}
	}
	var a core.Affinity
	if n := len(k.free); n > 0 {
		a, k.free = k.free[n-1], k.free[:n-1]
		for int(a) > len(k.list) {
			k.list = append(k.list, "") // a snapshot writes the keys that live, and these are above the last
		}
		k.list[a-1] = key
	} else {
		k.list = append(k.list, key)
		a = core.Affinity(len(k.list))
	}
	k.handles[key] = a
	return a
}

// Told is one step of a replay, for whoever prints it.
type Told struct {
	At      core.Time
	Event   core.Event
	Effects []core.Effect
	State   *core.State // after the step
	Names   trace.Names
	World   *World // after the step
}

// Replay plays a trace in a timed world. With its line auto, the world goes on by the default
// policy between the lines; without it, nothing happens that no line says, and a line past an armed
// deadline is refused. The error is one of the trace, with the line: *trace.Error; the report beside
// it says what was found before that line. tell, where it is not nil, hears of every step.
func Replay(t *trace.Trace, tell func(Told)) (*ReplayReport, error) {
	return ReplayWhile(t, tell, nil)
}

// ReplayWhile is Replay for as long as goOn says so. It is asked now and then; nil always does.
func ReplayWhile(t *trace.Trace, tell func(Told), goOn func() bool) (*ReplayReport, error) {
	r, err := playOut(t, tell, goOn)
	if r == nil {
		return nil, err
	}
	return r.finish(), err
}

// playOut plays a trace as far as it holds and goOn says so. The replayer is nil where it could not begin.
func playOut(t *trace.Trace, tell func(Told), goOn func() bool) (*replayer, error) {
	r := &replayer{trace: t, report: new(ReplayReport), tell: tell, goOn: patience{ask: goOn}, wedged: map[core.Affinity]bool{}, used: map[string]bool{}}
	o := Options{Settings: t.Settings, Timed: true, Observe: r.observe}
	if t.Snapshot != nil {
		var err error
		if o.From, err = core.Restore(&t.Snapshot.Facts); err != nil {
			return nil, &trace.Error{What: err.Error()}
		}
		r.names = keysOf(t.Snapshot)
	}
	w, err := New(o)
	if err != nil {
		return nil, &trace.Error{What: err.Error()}
	}
	r.world = w
	for i := range t.Lines {
		line := &t.Lines[i]
		if w.violation != nil || r.goOn.over() {
			break
		}
		if line.Expect {
			err = r.expect(line)
		} else {
			r.seen = r.seen[:0]
			err = r.line(line)
		}
		if r.goOn.ended {
			break // the line's time was not reached, and what became of it says nothing
		}
		if err != nil {
			return r, &trace.Error{Line: line.Number, What: err.Error()}
		}
	}
	return r, nil
}

type replayer struct {
	trace  *trace.Trace
	world  *World
	names  Keys
	report *ReplayReport
	tell   func(Told)
	goOn   patience
	seen   []core.Effect // since the last step line began
	wedged map[core.Affinity]bool
	used   map[string]bool // ids of requests and calls, which are never used again
}

func (r *replayer) observe(w *World, event core.Event, effects []core.Effect) {
	r.seen = append(r.seen, effects...)
	for i := range effects {
		switch e := &effects[i]; {
		case e.Kind == core.Grant:
			r.report.Grants++
			if len(r.wedged) > 0 && len(w.incidents) > 0 && !r.wedged[e.Affinity] {
				r.report.LongestWait = max(r.report.LongestWait, e.Waits.Total())
			}
		case e.Kind == core.CloseTab && e.Reason == core.Eviction:
			r.report.Evictions++
		case e.Kind == core.KillTab:
			r.report.Kills++
		}
	}
	if r.tell != nil {
		r.tell(Told{w.now, event, effects, &w.core, &r.names, w})
	}
	for i := range effects {
		if effects[i].Kind == core.Forget && w.recorded {
			r.names.Forget(effects[i].Affinity)
		}
	}
}

func (r *replayer) finish() *ReplayReport {
	w := r.world
	r.report.Steps, r.report.Elapsed = w.steps, w.now
	r.report.StateHash, r.report.HistoryHash = canon.StateHash(&w.core.Facts), w.hash
	r.report.Violation, r.report.Stopped = w.violation, r.goOn.ended
	r.report.MostAlive, r.report.Capacity = w.mostAlive, int(w.core.Capacity)
	r.report.WorstRecovery, r.report.Unrecovered = w.worst, len(w.incidents)
	if len(w.incidents) > 0 {
		w.core.EachRequest(func(q core.RequestView) {
			if !r.wedged[q.Affinity] {
				r.report.LongestWait = max(r.report.LongestWait, w.now-q.Arrived)
			}
		})
	}
	return r.report
}

// line makes one step line happen.
func (r *replayer) line(line *trace.Line) error {
	if r.world.recorded {
		return r.recorded(line)
	}
	if err := r.reach(line); err != nil || r.goOn.ended {
		return err
	}
	if did, err := r.act(line.Words); did || err != nil {
		return err
	}
	event, err := trace.ParseEvent(line.Words, &r.names)
	if err != nil {
		return errors.New(err.Error() + "; of the world: wedge t1, loop t1, silence b1, hang close t1, unhang close t1")
	}
	if err := r.due(event, line.At); err != nil {
		return err
	}
	if err := r.fresh(event, line.Words); err != nil {
		return err
	}
	if err := r.world.Perform(event); err != nil || r.trace.Auto || r.trace.Untimed {
		return err
	}
	r.answerPing(event)
	return nil
}

// recorded feeds the core one event of a dump, at its time. Everything that happened is in it, deadlines
// included.
func (r *replayer) recorded(line *trace.Line) error {
	event, err := trace.ParseEvent(line.Words, &r.names)
	if err != nil {
		return err
	}
	r.world.now = line.At
	return r.world.Perform(event)
}

// fresh refuses a request or a call with an id that was used before.
func (r *replayer) fresh(event core.Event, words []trace.Word) error {
	if k := event.Kind; k != core.Requested && k != core.Disposed && k != core.WarmRequested && k != core.RecycleRequested {
		return nil
	}
	if r.used[words[1].Text] {
		return fmt.Errorf("%s: %s was used before, and ids are never used again", words[0].Text, words[1].Text)
	}
	r.used[words[1].Text] = true
	return nil
}

// reach brings the clock to a line's time.
func (r *replayer) reach(line *trace.Line) error {
	w := r.world
	if r.trace.Auto {
		w.runUntil(line.At, &r.goOn)
		return nil
	}
	for !r.trace.Untimed {
		d, ok := w.core.NextDeadline()
		if !ok || d.At >= line.At {
			break
		}
		if !graceMark(d.Event.Kind) && d.Event.Kind != core.BrowserStalled {
			return fmt.Errorf("this line is at %v, past the deadline %q at %v; write that line first, or the line auto at the top",
				line.At.Duration(), trace.AppendEvent(nil, d.Event, &r.names), d.At.Duration())
		}
		w.now = max(w.now, d.At)
		w.step(d.Event)
		r.answerPing(d.Event)
	}
	w.now = max(w.now, line.At)
	return nil
}

// answerPing has a browser say that it is there, unless the trace has silenced it: a line need not say so.
func (r *replayer) answerPing(asked core.Event) {
	f := &r.world.fake
	i := f.Find(fakebrowser.Ping, core.Event{Browser: asked.Browser})
	if asked.Kind == core.BrowserStalled && i >= 0 && f.CanAnswer(&f.Operations[i]) {
		r.world.answer(i, fakebrowser.Works)
	}
}

// graceMark says whether a deadline is a mark that a line need not say.
func graceMark(k core.EventKind) bool {
	return k == core.OpenOverdue || k == core.CloseOverdue || k == core.ProbeOverdue || k == core.ResetOverdue
}

// due refuses a deadline that is not armed, or before its time.
func (r *replayer) due(event core.Event, at core.Time) error {
	if !event.Kind.Deadline() {
		return nil
	}
	for _, d := range r.world.core.Deadlines(nil) {
		if d.Event == event {
			if d.At > at && !r.trace.Untimed {
				return fmt.Errorf("%q is due at %v, and this line is at %v",
					trace.AppendEvent(nil, event, &r.names), d.At.Duration(), at.Duration())
			}
			return nil
		}
		if d.Event.Tab != 0 && d.Event.Tab == event.Tab && graceMark(d.Event.Kind) {
			// The grace comes first; it is a mark that a line need not say.
			r.world.step(d.Event)
			return r.due(event, at)
		}
	}
	return fmt.Errorf("no such deadline is armed: %q", trace.AppendEvent(nil, event, &r.names))
}

// act makes what only the world can do happen.
func (r *replayer) act(words []trace.Word) (bool, error) {
	switch words[0].Text {
	case "wedge":
		tab, err := oneTab(words)
		if err != nil {
			return true, err
		}
		t, _ := r.world.core.Tab(tab)
		if !r.world.Wedge(tab) {
			return true, fmt.Errorf("wedge: no page of t%d is open and answers", tab)
		}
		r.wedged[t.Affinity] = true
		return true, nil
	case "loop":
		tab, err := oneTab(words)
		if err != nil {
			return true, err
		}
		t, _ := r.world.core.Tab(tab)
		if !r.world.Loop(tab) {
			return true, fmt.Errorf("loop: no page of t%d is open and answers", tab)
		}
		r.wedged[t.Affinity] = true
		return true, nil
	case "silence":
		if len(words) == 2 {
			if id, ok := trace.ParseID(words[1], "b"); ok && r.world.FallSilent(core.BrowserID(id)) {
				return true, nil
			}
		}
		return true, errors.New("silence: want a browser that serves, such as silence b1")
	case "hang", "unhang":
		h, err := hold(words)
		if err != nil {
			return true, err
		}
		if words[0].Text == "hang" {
			r.world.Hold(h)
		} else {
			r.world.Unhold(h)
		}
		return true, nil
	}
	return false, nil
}

func oneTab(words []trace.Word) (core.TabID, error) {
	if len(words) == 2 {
		if id, ok := trace.ParseID(words[1], "t"); ok {
			return core.TabID(id), nil
		}
	}
	return 0, fmt.Errorf("%s: want a tab such as t1", words[0].Text)
}

// hold reads "hang close t1", "hang launch b2" or "hang close-context c3".
func hold(words []trace.Word) (fakebrowser.Hold, error) {
	if len(words) == 3 {
		for _, kind := range fakebrowser.OperationKinds {
			if words[1].Text != kind.String() {
				continue
			}
			h := fakebrowser.Hold{Kind: kind}
			switch {
			case kind.OfBrowser():
				id, ok := trace.ParseID(words[2], "b")
				if h.Browser = core.BrowserID(id); ok {
					return h, nil
				}
			case kind.OfContext():
				id, ok := trace.ParseID(words[2], "c")
				if h.Context = core.ContextID(id); ok {
					return h, nil
				}
			default:
				id, ok := trace.ParseID(words[2], "t")
				if h.Tab = core.TabID(id); ok {
					return h, nil
				}
			}
		}
	}
	return fakebrowser.Hold{}, fmt.Errorf("%s: want open, probe, rescue, reset, close or kill and a tab, close-context and a context, or launch, ping or close-browser and a browser, such as %s close t1",
		words[0].Text, words[0].Text)
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
	r.report.Failed = append(r.report.Failed, FailedExpectation{line.Number, trace.JoinWords(line.Words), got})
}

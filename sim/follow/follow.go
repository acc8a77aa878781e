// Package follow goes along with a pool on a real browser: a second core is fed the same events,
// and the fake browser is asked whether it could have brought each of them.
package follow

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/traffic"
)

// Follower goes along with a pool that runs in real time, one step behind the other: a second core
// is fed the same events, every invariant is checked on every transition, as a replay of a dump
// does, and the fake browser is asked whether it could have brought each event.
type Follower struct {
	world    *sim.World
	possible fakebrowser.Possible
	keys     []string // by handle
	keep     bool
	lines    []line
	last     []line   // the last of all lines, for reports
	outside  *Outside // the first event that the fake browser never brings
	launches map[core.OperationID]core.BrowserID
	fates    map[core.TabID]*Fate // of tabs whose page looped
	asked    map[core.OperationID]core.Time
	took     traffic.Samples
	waits    traffic.Waits
}

// Fate is what became of a tab whose page did not answer.
type Fate struct {
	Since core.Time // its page did not answer from then on
	Ended core.Time // its lease ended; 0: it has not
	Known core.Time // it was of use again, or gone; 0: neither yet
	Saved bool      // it was of use again, though it may have been evicted in that very step
	Cold  bool      // its affinity was cold before that
	of    core.Affinity
}

// Outside is an event that the fake browser never brings.
type Outside struct {
	Step int
	At   core.Time
	Line string   // the event, as a line of a trace
	Why  string   // why not
	Last []string // the lines before it
}

func (o *Outside) Error() string {
	return fmt.Sprintf("%s, at step %d (%v): %s", o.Line, o.Step, o.At.Duration(), o.Why)
}

// New follows a pool of these settings from its first step on. With keep, all of it is kept, for
// Trace.
func New(settings core.Settings, keep bool) (*Follower, error) {
	settings, err := settings.Resolve()
	if err != nil {
		return nil, err
	}
	w, err := sim.New(sim.Options{Settings: settings, Timed: true, From: core.New(settings)})
	if err != nil {
		return nil, err
	}
	return &Follower{world: w, keep: keep, launches: map[core.OperationID]core.BrowserID{},
		fates: map[core.TabID]*Fate{}, asked: map[core.OperationID]core.Time{}}, nil
}

// Step takes in one event that the pool has taken in; affinity is the key of the event's handle.
// hash is the state of the pool after it, or 0 where nobody looked.
func (f *Follower) Step(at core.Time, affinity string, e core.Event, hash uint64) {
	w := f.world
	if w.Violation() != nil {
		return
	}
	for int(e.Affinity) >= len(f.keys) {
		f.keys = append(f.keys, "")
	}
	f.keys[e.Affinity] = affinity
	if e.Kind != core.NoEvent {
		f.say(at, string(trace.AppendEvent(nil, e, f)))
	}
	w.SetNow(at)
	if id := f.possible.FloodsOn(at); id != 0 {
		f.refuse(string(trace.AppendEvent(nil, e, f)), fmt.Sprintf(
			"t%d floods the pipe, and its driver has not cut it off within %v", id, floodMost.Duration()))
	}
	died := e.Kind == core.BrowserGone && !f.asks(fakebrowser.CloseBrowser, e.Browser)
	if err := f.could(e); err != nil {
		f.refuse(string(trace.AppendEvent(nil, e, f)), err.Error())
	}
	if w.Incidents() > 0 && f.outside == nil {
		w.Fake().CopyFrom(f.possible.Any()) // an incident ends when its page answers again
	}
	if died {
		w.BrowserDies(e.Browser)
	} else {
		_ = w.Perform(e) // a world without a browser refuses nothing
	}
	f.tally()
	if e.Is(core.Silent, core.Launch) || e.Is(core.Silent, core.CloseBrowser) {
		known := false
		w.Core().EachBrowser(func(b core.BrowserView) { known = known || b.ID == e.Browser })
		if !known {
			f.possible.WriteOff(e.Browser)
		}
	}
	if hash != 0 && w.Violation() == nil && canon.StateHash(&w.Core().Facts) != hash {
		w.Violate("same-state", fmt.Sprintf(
			"the pool is in a state of hash %016x, and the second core in one of %016x", hash,
			canon.StateHash(&w.Core().Facts)))
	}
}

// refuse notes the first thing that the fake browser never brings.
func (f *Follower) refuse(line, why string) {
	if f.outside != nil {
		return
	}
	o := &Outside{Step: f.world.Steps() + 1, At: f.world.Now(), Line: line, Why: why}
	for _, l := range f.last {
		o.Last = append(o.Last, fmt.Sprintf("@%v %s", l.at.Duration(), l.text))
	}
	f.outside = o
}

// could asks whether the fake browser, and the core's clock, could have brought an event.
func (f *Follower) could(e core.Event) error {
	w := f.world
	if kind, _ := fakebrowser.OperationOf(e); kind != 0 || e.Kind == core.Crashed ||
		e.Is(core.Failed, core.Ping) {
		f.measure(kind, e)
		return f.possible.Answered(e)
	}
	if !e.Kind.Deadline() {
		return nil
	}
	i := slices.IndexFunc(w.Core().Deadlines(nil), func(d core.Deadline) bool { return d.Event == e })
	switch {
	case i < 0:
		return fmt.Errorf("no such deadline is armed")
	case w.Core().Deadlines(nil)[i].At > w.Now():
		return fmt.Errorf("it is due at %v", w.Core().Deadlines(nil)[i].At.Duration())
	}
	f.possible.GaveUp(e)
	return nil
}

func (f *Follower) asks(kind fakebrowser.OperationKind, b core.BrowserID) bool {
	return slices.ContainsFunc(f.possible.Any().Operations, func(o fakebrowser.Operation) bool {
		return o.Kind == kind && o.Browser == b
	})
}

// tally takes in the effects of the step.
func (f *Follower) tally() {
	w, effects := f.world, f.world.Effects()
	f.waits.Add(effects)
	for i := range effects {
		e := &effects[i]
		if e.Kind == core.Launch {
			f.launches[e.Operation] = e.Browser
		}
		if e.Operation != 0 {
			f.asked[e.Operation] = w.Now()
			f.possible.Asked(*e)
		}
	}
	for id, x := range f.fates {
		if x.Known == 0 {
			f.judge(id, x)
		}
	}
}

// judge looks what has become of a tab whose page looped.
func (f *Follower) judge(id core.TabID, x *Fate) {
	w := f.world
	t, alive := w.Core().Tab(id)
	evicted := alive && t.State == core.Closing && t.Reason == core.Eviction
	if x.Ended == 0 && (!alive || t.State != core.Leased) {
		x.Ended = w.Now()
	}
	switch {
	case !alive:
		x.Known = w.Now()
	case x.Ended != 0 && (t.State == core.Idle || t.State == core.Leased || evicted):
		x.Known, x.Saved = w.Now(), true
	}
	if evicted {
		return
	}
	for _, e := range w.Effects() {
		x.Cold = x.Cold || e.Kind == core.AnnounceCold && e.Affinity == x.of
	}
}

// Fate is what became of a tab whose page looped last; false where it did not.
func (f *Follower) Fate(id core.TabID) (Fate, bool) {
	if x := f.fates[id]; x != nil {
		return *x, true
	}
	return Fate{}, false
}

// Loop takes in that something holds the main thread of a leased tab's page, until a rescue stops
// it. A tab whose lease has ended since is left out: it is not known what its page does.
func (f *Follower) Loop(at core.Time, id core.TabID) bool {
	w := f.world
	t, ok := w.Core().Tab(id)
	if !ok || t.State != core.Leased || !f.possible.Loop(id) {
		return false
	}
	maps.DeleteFunc(f.fates, func(_ core.TabID, x *Fate) bool { return x.Known != 0 })
	w.SetNow(max(w.Now(), at))
	f.say(w.Now(), replay.Act{Verb: replay.LoopVerb, Tab: id}.String())
	f.fates[id] = &Fate{Since: w.Now(), of: t.Affinity}
	return w.Loop(id)
}

// floodMost is how long a page of a real browser floods at most until it is cut off: the page and
// its browser may wait for a processor meanwhile.
const floodMost = 10 * fakebrowser.FloodMost

// Flood takes in that the page of a tab floods from now on. It is false where none is open.
func (f *Follower) Flood(at core.Time, id core.TabID) bool {
	f.world.SetNow(max(f.world.Now(), at))
	if !f.possible.Flood(id, f.world.Now()+floodMost) {
		return false
	}
	f.say(f.world.Now(), replay.Act{Verb: replay.FloodVerb, Tab: id}.String())
	return f.world.Flood(id)
}

// CutOff takes in that a page that floods is not heard any more. It is false where none does.
func (f *Follower) CutOff(at core.Time, id core.TabID) bool {
	f.world.SetNow(max(f.world.Now(), at))
	if !f.possible.CutOff(id) {
		return false
	}
	f.say(f.world.Now(), replay.Act{Verb: replay.CutOffVerb, Tab: id}.String())
	return f.world.CutOff(id, false)
}

// Turn takes in that something that the tabs of a browser share is so from now on.
func (f *Follower) Turn(at core.Time, id core.BrowserID, p fakebrowser.Part,
	h fakebrowser.Health) bool {
	if !f.possible.Turn(id, p, h) {
		return false
	}
	f.world.SetNow(max(f.world.Now(), at))
	f.say(f.world.Now(), replay.Turn(id, p, h).String())
	return f.world.Turn(id, p, h)
}

// Worked takes in that a part of a browser has done its work for the holder of a tab. It is false
// where the fake browser's cannot have.
func (f *Follower) Worked(at core.Time, id core.TabID, p fakebrowser.Part) bool {
	f.world.SetNow(max(f.world.Now(), at))
	act := replay.Act{Verb: replay.WorkVerb, Tab: id, Part: p}.String()
	worked := f.possible.Worked(id, p)
	if !worked {
		f.refuse(act, fmt.Sprintf("%v of the browser of t%d is hung or dead, or there is no such tab", p,
			id))
	}
	f.say(f.world.Now(), act)
	return worked
}

// line is one line of a trace.
type line struct {
	at   core.Time
	text string
}

// lastLines is how many lines a report has.
const lastLines = 40

func (f *Follower) say(at core.Time, text string) {
	if f.keep {
		f.lines = append(f.lines, line{at, text})
	}
	if len(f.last) == lastLines {
		f.last = slices.Delete(f.last, 0, 1)
	}
	f.last = append(f.last, line{at, text})
}

// Key and Handle make a follower's keys what events are written with.
func (f *Follower) Key(a core.Affinity) string { return f.keys[a] }

// Handle is never asked for: nothing is read.
func (f *Follower) Handle(key string) core.Affinity {
	return core.Affinity(slices.Index(f.keys, key))
}

// Trace is all that was kept, as a trace for Include. It is untimed for a replay, since a real pool
// hears of a deadline a moment after it was due.
func (f *Follower) Trace(comments ...string) []byte {
	var out bytes.Buffer
	w := trace.NewWriter(&out, &trace.Trace{Settings: f.world.Core().Settings, Untimed: true}, nil,
		comments...)
	for _, line := range f.lines {
		w.Step(line.at, line.text)
	}
	if err := w.Flush(); err != nil {
		panic("follow: BUG: a buffer that takes not everything: " + err.Error())
	}
	return out.Bytes()
}

// Core is the second core, to be read.
func (f *Follower) Core() *core.State { return f.world.Core() }

// Violation is the first broken claim, or nil.
func (f *Follower) Violation() *sim.Violation { return f.world.Violation() }

// Outside is the first event that the fake browser never brings, or nil.
func (f *Follower) Outside() *Outside { return f.outside }

// Settled says whether nobody waits or holds, nothing is under way, and the pool is full and no
// larger than an idle one is to be.
func (f *Follower) Settled() bool {
	return f.world.Settled()
}

// RecoveryBound is the time within which a pool is settled again when nothing goes wrong any more.
func (f *Follower) RecoveryBound() core.Time { return f.world.RecoveryBound() }

// Report is what the pool went through so far. Seconds are real ones.
func (f *Follower) Report() *traffic.Report {
	w := f.world
	return &traffic.Report{
		Settings: w.Core().Settings, SimulatedSeconds: w.Now().Duration().Seconds(), Events: w.Steps(),
		Grants:      f.waits.Grants(),
		CapacityMax: w.CapacityMax(), WorstRecovery: w.WorstRecovery().Duration().Seconds(),
		WaitP50: f.waits.Percentile(50), WaitP99: f.waits.Percentile(99),
		Reached: *w.Reached(), HistoryHash: w.HistoryHash(), Violation: w.Violation(),
	}
}

// measure notes how long an operation took that worked.
func (f *Follower) measure(kind fakebrowser.OperationKind, e core.Event) {
	s := f.possible.Any()
	i := s.Find(kind, e)
	if i < 0 {
		return
	}
	id := s.Operations[i].ID
	since, known := f.asked[id]
	if _, outcome := fakebrowser.OperationOf(e); known && outcome == fakebrowser.Works {
		f.took.Add(kind, f.world.Now()-since)
	}
	delete(f.asked, id)
}

// Latencies writes down how long the operations took that worked; see traffic.Samples.
func (f *Follower) Latencies(comments ...string) []byte { return f.took.Text(comments...) }

// Launched is the browser of a launch; 0: it is not known.
func (f *Follower) Launched(o core.OperationID) core.BrowserID { return f.launches[o] }

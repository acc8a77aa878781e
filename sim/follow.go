package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// LiveClaims are what is checked of a pool on a real browser, besides the invariants and Claims.
var LiveClaims = []Claim{
	{"same-state", "The recorded events, fed to a second core, give back the very state that the pool is in."},
	{"inclusion", "Whatever the real browser does, the fake browser can do."},
}

// Follower goes along with a pool that runs in real time, one step behind the other: a second core is fed the
// same events, every invariant is checked on every transition, as a replay of a dump does, and the fake browser
// is asked whether it could have brought each event.
type Follower struct {
	world    *World
	possible fakebrowser.Possible
	keys     []string // by handle
	keep     bool
	lines    []spoken
	last     []spoken // the last of all lines, for reports
	outside  *Outside // the first event that the fake browser never brings
	launches map[core.Operation]core.BrowserID
	fates    map[core.TabID]*Fate // of tabs whose page looped
	asked    map[core.Operation]core.Time
	took     [len(latencyKinds)][]core.Time // by the order of latencyKinds
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

// NewFollower follows a pool of these settings from its first step on. With keep, all of it is kept, for Trace.
func NewFollower(settings core.Settings, keep bool) (*Follower, error) {
	settings, err := settings.Resolve()
	if err != nil {
		return nil, err
	}
	w, err := New(Options{Settings: settings, Timed: true, From: core.New(settings)})
	if err != nil {
		return nil, err
	}
	w.waits = new(waitHistogram)
	return &Follower{world: w, keep: keep, launches: map[core.Operation]core.BrowserID{}, fates: map[core.TabID]*Fate{}, asked: map[core.Operation]core.Time{}}, nil
}

// Step takes in one event that the pool has taken in; affinity is the key of the event's handle. hash is
// the state of the pool after it, or 0 where nobody looked.
func (f *Follower) Step(at core.Time, affinity string, e core.Event, hash uint64) {
	w := f.world
	if w.violation != nil {
		return
	}
	for int(e.Affinity) >= len(f.keys) {
		f.keys = append(f.keys, "")
	}
	f.keys[e.Affinity] = affinity
	if e.Kind != core.NoEvent {
		f.say(at, string(trace.AppendEvent(nil, e, f)))
	}
	w.now = at
	if err := f.could(e); err != nil && f.outside == nil {
		o := &Outside{Step: w.steps + 1, At: at, Line: string(trace.AppendEvent(nil, e, f)), Why: err.Error()}
		for _, l := range f.last {
			o.Last = append(o.Last, fmt.Sprintf("@%v %s", l.at.Duration(), l.text))
		}
		f.outside = o
	}
	if len(w.incidents) > 0 && f.outside == nil {
		w.fake.CopyFrom(f.possible.Any()) // an incident ends when its page answers again
	}
	w.step(e)
	f.tally()
	if e.Kind == core.LaunchSilent || e.Kind == core.BrowserCloseSilent {
		known := false
		w.core.EachBrowser(func(b core.BrowserView) { known = known || b.ID == e.Browser })
		if !known {
			f.possible.WriteOff(e.Browser)
		}
	}
	if hash != 0 && w.violation == nil && canon.StateHash(&w.core.Facts) != hash {
		w.violate("same-state", LiveClaims[0].Says, fmt.Sprintf("the pool is in a state of hash %016x, and the second core in one of %016x", hash, canon.StateHash(&w.core.Facts)))
	}
}

// could asks whether the fake browser, and the core's clock, could have brought an event.
func (f *Follower) could(e core.Event) error {
	w := f.world
	if kind, _ := answers(e.Kind); kind != 0 || e.Kind == core.Crashed {
		if e.Kind == core.BrowserGone && !f.asks(fakebrowser.CloseBrowser, e.Browser) {
			w.reached[browserDied]++
		}
		f.measure(kind, e)
		return f.possible.Answered(e)
	}
	if !e.Kind.Deadline() {
		return nil
	}
	i := slices.IndexFunc(w.core.Deadlines(nil), func(d core.Deadline) bool { return d.Event == e })
	switch {
	case i < 0:
		return fmt.Errorf("no such deadline is armed")
	case w.core.Deadlines(nil)[i].At > w.now:
		return fmt.Errorf("it is due at %v", w.core.Deadlines(nil)[i].At.Duration())
	}
	f.possible.GaveUp(e)
	return nil
}

func (f *Follower) asks(kind fakebrowser.OperationKind, b core.BrowserID) bool {
	return slices.ContainsFunc(f.possible.Any().Operations, func(o fakebrowser.Operation) bool { return o.Kind == kind && o.Browser == b })
}

// tally takes in the effects of the step.
func (f *Follower) tally() {
	w := f.world
	for i := range w.effects {
		e := &w.effects[i]
		if e.Kind == core.Launch {
			f.launches[e.Operation] = e.Browser
		}
		switch {
		case e.Operation != 0:
			f.asked[e.Operation] = w.now
			f.possible.Asked(*e)
		case e.Kind == core.Grant:
			w.grants++
			w.waits.add(e.Waits.Total())
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
	t, alive := w.core.Tab(id)
	evicted := alive && t.State == core.Closing && t.Reason == core.Eviction
	if x.Ended == 0 && (!alive || t.State != core.Leased) {
		x.Ended = w.now
	}
	switch {
	case !alive:
		x.Known = w.now
	case x.Ended != 0 && (t.State == core.Idle || t.State == core.Leased || evicted):
		x.Known, x.Saved = w.now, true
	}
	if evicted {
		return
	}
	for i := range w.effects {
		x.Cold = x.Cold || w.effects[i].Kind == core.AnnounceCold && w.effects[i].Affinity == x.of
	}
}

// Fate is what became of a tab whose page looped last; false where it did not.
func (f *Follower) Fate(id core.TabID) (Fate, bool) {
	if x := f.fates[id]; x != nil {
		return *x, true
	}
	return Fate{}, false
}

// Loop takes in that something holds the main thread of a leased tab's page, until a rescue stops it. A tab whose
// lease has ended since is left out: it is not known what its page does.
func (f *Follower) Loop(at core.Time, id core.TabID) bool {
	if t, ok := f.world.core.Tab(id); !ok || t.State != core.Leased || !f.possible.Loop(id) {
		return false
	}
	maps.DeleteFunc(f.fates, func(_ core.TabID, x *Fate) bool { return x.Known != 0 })
	f.world.now = max(f.world.now, at)
	f.say(f.world.now, act{verb: loopVerb, tab: id}.String())
	t, _ := f.world.core.Tab(id)
	f.fates[id] = &Fate{Since: f.world.now, of: t.Affinity}
	f.world.reached[looped]++
	f.world.beginIncident(id)
	return true
}

// FallSilent takes in that a browser answers nothing any more.
func (f *Follower) FallSilent(at core.Time, id core.BrowserID) bool {
	if !f.possible.FallSilent(id) {
		return false
	}
	f.world.now = max(f.world.now, at)
	f.say(f.world.now, act{verb: silenceVerb, browser: id}.String())
	f.world.reached[browserSilent]++
	return true
}

// lastLines is how many lines a report has.
const lastLines = 40

func (f *Follower) say(at core.Time, text string) {
	if f.keep {
		f.lines = append(f.lines, spoken{at, text})
	}
	if len(f.last) == lastLines {
		f.last = slices.Delete(f.last, 0, 1)
	}
	f.last = append(f.last, spoken{at, text})
}

// Key and Handle make a follower's keys what events are written with.
func (f *Follower) Key(a core.Affinity) string { return f.keys[a] }

// Handle is never asked for: nothing is read.
func (f *Follower) Handle(key string) core.Affinity {
	return core.Affinity(slices.Index(f.keys, key))
}

// Trace is all that was kept, as a trace for Include. It is untimed for a replay, since a real pool hears of a deadline a
// moment after it was due.
func (f *Follower) Trace(comments ...string) []byte {
	var out bytes.Buffer
	w := trace.NewWriter(&out, &trace.Trace{Settings: f.world.core.Settings, Untimed: true}, nil, comments...)
	for _, line := range f.lines {
		w.Step(line.at, line.text)
	}
	if err := w.Flush(); err != nil {
		panic("sim: BUG: a buffer that takes not everything: " + err.Error())
	}
	return out.Bytes()
}

// Core is the second core, to be read.
func (f *Follower) Core() *core.State { return &f.world.core }

// Violation is the first broken claim, or nil.
func (f *Follower) Violation() *Violation { return f.world.violation }

// Outside is the first event that the fake browser never brings, or nil.
func (f *Follower) Outside() *Outside { return f.outside }

// Settled says whether nobody waits or holds, nothing is under way, and the pool is full and no larger than an
// idle one is to be.
func (f *Follower) Settled() bool {
	return f.world.core.Quiet() && f.world.full() && f.world.contracted()
}

// RecoveryBound is the time within which a pool is settled again when nothing goes wrong any more.
func (f *Follower) RecoveryBound() core.Time { return f.world.recoveryBound() }

// Report is what the pool went through so far. Seconds are real ones.
func (f *Follower) Report() *Report {
	w := f.world
	return &Report{
		Settings: w.core.Settings, SimulatedSeconds: w.now.Duration().Seconds(), Events: w.steps, Grants: w.grants,
		CapacityMax: w.mostAlive, WorstRecovery: w.worst.Duration().Seconds(),
		WaitP50: w.waits.percentile(50), WaitP99: w.waits.percentile(99),
		Reached: *w.reached, HistoryHash: w.hash, Violation: w.violation,
	}
}

// Launched is the browser of a launch; 0: it is not known.
func (f *Follower) Launched(o core.Operation) core.BrowserID { return f.launches[o] }

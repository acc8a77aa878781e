package core_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/spec"
)

// walk feeds a state whatever can happen, in any order, sense or none: answers in time, late, twice
// or never asked for; deadlines whenever they are armed. Nothing of it may break an invariant.
type walk struct {
	t        *testing.T
	random   *rand.Rand
	state    *core.State
	before   core.State
	ledger   spec.Ledger
	buffer   []core.Effect
	asked    []core.Event // answers that the browser may give
	next     core.RequestID
	calls    core.CallID
	held     []core.RequestID
	waits    []core.RequestID
	log      []string
	now      core.Time
	sessions bool // the driver gives each lease a session of its own
	checks   bool // the driver can check its browsers
}

// numbers call affinities by their handles.
type numbers struct{}

func (numbers) Key(a core.Affinity) string { return strconv.Itoa(int(a)) }

func (numbers) Handle(string) core.Affinity { return 0 }

func line(e core.Event) string { return string(trace.AppendEvent(nil, e, numbers{})) }

func newWalk(t *testing.T, seed uint64, settings core.Settings) *walk {
	t.Helper()
	full, err := settings.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return &walk{t: t, random: rand.New(rand.NewPCG(seed, 0)), state: core.New(full)}
}

func (w *walk) step(e core.Event) {
	w.now += core.Time(w.random.IntN(300)) * 1e6
	w.before.CopyFrom(w.state)
	given := core.Effect{Kind: core.Forget, Affinity: 1 << 20} // what is there already stays
	out := w.state.Step(w.now, e, append(w.buffer[:0], given))
	if out[0] != given {
		w.t.Fatalf("a step has begun anew what it was to append to: %v", out)
	}
	w.buffer = append(w.buffer[:0], out[1:]...)
	w.log = append(w.log, line(e))
	for _, f := range w.buffer {
		w.log = append(w.log, "  -> "+string(trace.AppendEffect(nil, f, numbers{})))
		w.asked = append(w.asked, w.answers(f)...)
		switch f.Kind {
		case core.Grant:
			w.held = append(w.held, f.Request)
		}
	}
	w.ledger.Feed(&w.state.Settings, w.now, e, w.buffer)
	bad := spec.Check(&spec.Transition{Before: &w.before, After: w.state, Event: e, Effects: w.buffer,
		Ledger: &w.ledger}, nil)
	if len(bad) > 0 {
		for _, line := range w.log[max(0, len(w.log)-60):] {
			w.t.Log(line)
		}
		w.t.Fatal(bad)
	}
}

// answers are what a browser may say to an effect.
func (w *walk) answers(f core.Effect) (all []core.Event) {
	e := core.Event{Kind: core.Done, Of: f.Kind, Tab: f.Tab}
	dies := core.Event{Kind: core.BrowserGone, Browser: f.Browser}
	crashes := core.Event{Kind: core.Crashed, Tab: f.Tab}
	switch f.Kind {
	case core.Launch, core.Ping, core.CheckBrowser:
		e.Browser = f.Browser
	case core.CloseBrowser:
		return []core.Event{dies}
	case core.CloseContext:
		e.Context = f.Context
	case core.CloseTab, core.CloseAgain:
		e.Of = core.CloseTab
	}
	switch f.Kind {
	case core.CheckBrowser, core.ProbeTab, core.RescueTab, core.ResetTab, core.EndSession,
		core.BeginSession:
		e.Operation = f.Operation
	}
	fails := e
	fails.Kind = core.Failed
	e.Kept = e.Of == core.CloseTab && f.Kept
	e.Checks, e.Sessions = w.checks && f.Kind == core.Launch, w.sessions && f.Kind == core.OpenTab
	if f.Kind == core.EndSession && w.random.IntN(4) == 0 {
		e.Left, e.Navigation = core.Left(w.random.IntN(int(core.Lefts))),
			core.Navigation(w.random.IntN(int(core.Navigations)))
	}
	switch f.Kind {
	case core.Launch:
		return []core.Event{e, fails, dies}
	case core.OpenTab, core.ProbeTab:
		return []core.Event{e, fails, crashes}
	case core.Ping:
		return []core.Event{e}
	}
	if e.Tab != 0 && f.Kind != core.FreezeTab || f.Kind == core.CloseContext ||
		f.Kind == core.CheckBrowser {
		return []core.Event{e, fails}
	}
	return nil
}

func (w *walk) pick(ids []core.RequestID) core.RequestID {
	if len(ids) == 0 {
		return 1
	}
	return ids[max(0, len(ids)-1-w.random.IntN(8))]
}

func (w *walk) any() core.Event {
	deadlines := w.state.Deadlines(nil)
	affinity := core.Affinity(1 + w.random.IntN(6))
	switch n := w.random.IntN(100); {
	case n < 20:
		w.next++
		w.waits = append(w.waits, w.next)
		return core.Event{
			Kind: core.Requested, Request: w.next, Affinity: affinity,
			Class: core.Class(w.random.IntN(3) / 2), Priority: int32(w.random.IntN(2)),
		}
	case n < 35:
		return core.Event{Kind: core.Released, Request: w.pick(w.held)}
	case n < 38:
		return core.Event{Kind: core.Discarded, Request: w.pick(w.held), Wedged: w.random.IntN(2) == 0}
	case n < 42:
		return core.Event{Kind: core.Abandoned, Request: w.pick(w.waits)}
	case n < 46:
		w.calls++
		return core.Event{Kind: core.Disposed, Call: w.calls, Affinity: affinity,
			NoWait: w.random.IntN(2) == 0, Retain: w.random.IntN(2) == 0}
	case n == 46 && w.random.IntN(2) == 0:
		return core.Event{Kind: core.SweepRequested,
			MaxIdle: time.Duration(w.random.IntN(2000)) * time.Millisecond}
	case n < 47:
		w.calls++
		return core.Event{
			Kind: []core.EventKind{core.WarmRequested, core.RecycleRequested}[w.random.IntN(2)],
			Call: w.calls}
	case n < 48:
		of := []core.EffectKind{core.FinishDispose, core.FinishWarm, core.FinishRecycle}[w.random.IntN(3)]
		return core.Event{Kind: core.CallAbandoned, Of: of, Call: w.calls}
	case n < 60 && len(deadlines) > 0:
		return deadlines[w.random.IntN(len(deadlines))].Event
	case n == 61 && len(w.state.Tabs) > 0:
		return w.nonsense()
	case n == 62 && len(w.state.Browsers) > 0:
		b := w.state.Browsers[w.random.IntN(len(w.state.Browsers))].ID
		return core.Event{Kind: core.Measured, Browser: b, Memory: int64(w.random.IntN(150))}
	case n == 60 && w.random.IntN(100) == 0:
		return core.Event{
			Kind: []core.EventKind{core.CloseRequested, core.CloseExpired}[w.random.IntN(2)]}
	case len(w.asked) > 0:
		i := max(0, len(w.asked)-1-w.random.IntN(30))
		e := w.asked[i]
		if e.Kind == core.BrowserGone || e.Kind == core.Crashed || e.Is(core.Failed, core.Launch) {
			if w.random.IntN(20) > 0 {
				return core.Event{}
			}
		}
		// A close is done only of what was asked to close, which is when it is offered.
		return e
	}
	return core.Event{}
}

// nonsense is an answer that nobody has asked for.
func (w *walk) nonsense() core.Event {
	t := &w.state.Tabs[w.random.IntN(len(w.state.Tabs))]
	answers := []core.Event{{Kind: core.Failed, Of: core.OpenTab},
		{Kind: core.Failed, Of: core.CloseTab},
		{Kind: core.Done, Of: core.KillTab}, {Kind: core.Failed, Of: core.KillTab}}
	if t.State != 0 && t.State != core.Closing && t.State != core.Lost {
		// of one that is on its way out it could be so
		answers = append(answers, core.Event{Kind: core.Done, Of: core.CloseTab})
	}
	if !t.Unopened {
		answers = append(answers, core.Event{Kind: core.Done, Of: core.OpenTab})
	}
	e := answers[w.random.IntN(len(answers))]
	e.Tab = t.ID
	return e
}

func TestNothingThatHappensBreaksAnInvariant(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWalk(t, seed, walkSettings(random))
		w.sessions, w.checks = seed%2 == 0, seed%4 < 2
		w.step(core.Event{})
		for range 600 {
			w.step(w.any())
		}
	}
}

// walkSettings draws settings, each rule of them on and off.
func walkSettings(random *rand.Rand) core.Settings {
	low := 1 + random.IntN(4)
	most := low + random.IntN(5)
	tabs := 1 + random.IntN(most)
	s := core.Settings{
		MinPages: low, MaxPages: most,
		AffinityTabs: tabs, RootCap: 1 + random.IntN(tabs), MaxUses: 1 + random.IntN(6),
		MaxAge: time.Duration(random.IntN(3)) * time.Minute, TabsPerContext: 1 + random.IntN(2),
		OrphanCap: random.IntN(4) - 1, RetainOnEvict: random.IntN(2) == 0, Reset: random.IntN(3) == 0,
		AllowReassign: random.IntN(4) == 0, MaxBypass: random.IntN(4) - 1,
		BrowserMaxTabs: random.IntN(3) * 20, PriorityAging: time.Duration(random.IntN(3)-1) * time.Second,
		MaxWaiting: random.IntN(8),
	}
	if random.IntN(2) == 0 {
		s.ReservedPages = random.IntN(most - low + 1)
	}
	if s.MaxWaiting > 0 && random.IntN(3) == 0 {
		s.AffinityWaiting = 1 + random.IntN(s.MaxWaiting)
	}
	if random.IntN(4) == 0 {
		s.RescueTimeout = core.Off
	}
	if random.IntN(4) == 0 {
		s.ProbeBudget = core.Off
	}
	s.BrowserDoubt = []int{core.Off, 2, 3}[random.IntN(3)]
	s.CheckEvery = []time.Duration{core.Off, 5 * time.Second, time.Minute}[random.IntN(3)]
	s.AffinityDoubt = []int{core.Off, 2, 3}[random.IntN(3)]
	s.MaxIdle = []time.Duration{core.Off, time.Second, time.Minute}[random.IntN(3)]
	s.MaxBrowserMemory = []int64{core.Off, 100}[random.IntN(2)]
	s.FreezeAfter = []time.Duration{core.Off, time.Millisecond, time.Second}[random.IntN(3)]
	return s
}

// What production checks after each step are claims of the specification.
func TestChecksAreClaims(t *testing.T) {
	for _, name := range core.CheckNames() {
		if !slices.ContainsFunc(spec.Invariants, func(v spec.Invariant) bool { return v.Name == name }) {
			t.Errorf("a check is called %s, and no claim is", name)
		}
	}
}

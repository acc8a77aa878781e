package core

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// walk feeds a state whatever can happen, in any order, sense or none: answers in time, late, twice
// or never asked for; deadlines whenever they are armed. Nothing of it may break an invariant.
type walk struct {
	t        *testing.T
	random   *rand.Rand
	state    *State
	before   State
	ledger   Ledger
	buffer   []Effect
	asked    []Event // answers that the browser may give
	next     RequestID
	calls    CallID
	held     []RequestID
	waits    []RequestID
	log      []string
	now      Time
	sessions bool // the driver gives each lease a session of its own
}

func newWalk(t *testing.T, seed uint64, settings Settings) *walk {
	t.Helper()
	full, err := settings.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return &walk{t: t, random: rand.New(rand.NewPCG(seed, 0)), state: New(full)}
}

func (w *walk) step(e Event) {
	w.now += Time(w.random.IntN(300)) * 1e6
	w.before.CopyFrom(w.state)
	given := Effect{Kind: Forget, Affinity: 1 << 20} // what is there already stays
	out := w.state.Step(w.now, e, append(w.buffer[:0], given))
	if out[0] != given {
		w.t.Fatalf("a step has begun anew what it was to append to: %v", out)
	}
	w.buffer = append(w.buffer[:0], out[1:]...)
	w.log = append(w.log, fmt.Sprintf("%+v", e))
	for _, f := range w.buffer {
		w.log = append(w.log, fmt.Sprintf("  -> %+v", f))
		answers := map[EffectKind][]EventKind{
			Launch: {BrowserReady, BrowserFailed, BrowserGone}, CloseBrowser: {BrowserGone},
			OpenTab: {Opened, OpenFailed, Crashed}, CloseTab: {Closed, CloseFailed},
			CloseAgain: {Closed, CloseFailed}, KillTab: {Killed, KillFailed},
			ProbeTab: {Probed, ProbeFailed, Crashed}, RescueTab: {Rescued, RescueFailed}, ResetTab: {WasReset, ResetFailed},
			EndSession: {SessionEnded, SessionEndFailed}, BeginSession: {SessionBegun, SessionBeginFailed},
			CloseContext: {ContextClosed, ContextCloseFailed}, Ping: {BrowserAnswered},
		}[f.Kind]
		for _, kind := range answers {
			a := Event{Kind: kind, Tab: f.Tab, Browser: f.Browser, Kept: kind == Closed && f.Kept}
			if f.Kind == CloseContext {
				a = Event{Kind: kind, Context: f.Context}
			} else if a.Tab != 0 {
				a.Browser = 0
			}
			if kind != Crashed && (f.Kind == ProbeTab || f.Kind == RescueTab || f.Kind == ResetTab || f.Kind == EndSession || f.Kind == BeginSession) {
				a.Operation = f.Operation
			}
			if kind == Opened {
				a.Sessions = w.sessions
			}
			if kind == SessionEnded && w.random.IntN(4) == 0 {
				a.Left, a.Navigation = Left(w.random.IntN(int(Lefts))), Navigation(w.random.IntN(int(Navigations)))
			}
			w.asked = append(w.asked, a)
		}
		switch f.Kind {
		case Grant:
			w.held = append(w.held, f.Request)
		}
	}
	w.ledger.Feed(w.now, e, w.buffer)
	bad := Check(&Transition{Before: &w.before, After: w.state, Event: e, Effects: w.buffer, Ledger: &w.ledger}, nil)
	if len(bad) > 0 {
		for _, line := range w.log[max(0, len(w.log)-60):] {
			w.t.Log(line)
		}
		w.t.Fatal(bad)
	}
}

func (w *walk) pick(ids []RequestID) RequestID {
	if len(ids) == 0 {
		return 1
	}
	return ids[max(0, len(ids)-1-w.random.IntN(8))]
}

func (w *walk) any() Event {
	deadlines := w.state.Deadlines(nil)
	affinity := Affinity(1 + w.random.IntN(6))
	switch n := w.random.IntN(100); {
	case n < 20:
		w.next++
		w.waits = append(w.waits, w.next)
		return Event{
			Kind: Requested, Request: w.next, Affinity: affinity,
			Class: Class(w.random.IntN(3) / 2), Priority: int32(w.random.IntN(2)),
		}
	case n < 35:
		return Event{Kind: Released, Request: w.pick(w.held)}
	case n < 38:
		return Event{Kind: Discarded, Request: w.pick(w.held), Wedged: w.random.IntN(2) == 0}
	case n < 42:
		return Event{Kind: Abandoned, Request: w.pick(w.waits)}
	case n < 46:
		w.calls++
		return Event{Kind: Disposed, Call: w.calls, Affinity: affinity, NoWait: w.random.IntN(2) == 0, Retain: w.random.IntN(2) == 0}
	case n == 46 && w.random.IntN(2) == 0:
		return Event{Kind: SweepRequested, MaxIdle: time.Duration(w.random.IntN(2000)) * time.Millisecond}
	case n < 47:
		w.calls++
		return Event{Kind: []EventKind{WarmRequested, RecycleRequested}[w.random.IntN(2)], Call: w.calls}
	case n < 48:
		return Event{Kind: []EventKind{DisposeAbandoned, WarmAbandoned, RecycleAbandoned}[w.random.IntN(3)], Call: w.calls}
	case n < 60 && len(deadlines) > 0:
		return deadlines[w.random.IntN(len(deadlines))].Event
	case n == 61 && len(w.state.Tabs) > 0:
		return w.nonsense()
	case n == 60 && w.random.IntN(100) == 0:
		return Event{Kind: []EventKind{CloseRequested, CloseExpired}[w.random.IntN(2)]}
	case len(w.asked) > 0:
		i := max(0, len(w.asked)-1-w.random.IntN(30))
		e := w.asked[i]
		if e.Kind == BrowserGone || e.Kind == Crashed || e.Kind == BrowserFailed {
			if w.random.IntN(20) > 0 {
				return Event{}
			}
		}
		// Closed is true only of what was asked to close, which is when it is offered.
		return e
	}
	return Event{}
}

// nonsense is an answer that nobody has asked for.
func (w *walk) nonsense() Event {
	t := &w.state.Tabs[w.random.IntN(len(w.state.Tabs))]
	kinds := []EventKind{OpenFailed, CloseFailed, Killed, KillFailed}
	if t.State != 0 && t.State != Closing && t.State != Lost {
		kinds = append(kinds, Closed) // of one that is on its way out it could be so
	}
	if !t.Unopened {
		kinds = append(kinds, Opened)
	}
	return Event{Kind: kinds[w.random.IntN(len(kinds))], Tab: t.ID}
}

func TestNothingThatHappensBreaksAnInvariant(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWalk(t, seed, walkSettings(random))
		w.sessions = seed%2 == 0
		w.step(Event{})
		for range 600 {
			w.step(w.any())
		}
	}
}

// walkSettings draws settings, each rule of them on and off.
func walkSettings(random *rand.Rand) Settings {
	low := 1 + random.IntN(4)
	initial := low + random.IntN(3)
	burst := initial + random.IntN(3)
	tabs := 1 + random.IntN(burst)
	s := Settings{
		MinPages: low, InitialPages: initial, BurstPages: burst,
		AffinityTabs: tabs, RootCap: 1 + random.IntN(tabs), MaxUses: 1 + random.IntN(6),
		MaxAge: time.Duration(random.IntN(3)) * time.Minute, TabsPerContext: 1 + random.IntN(2),
		OrphanCap: random.IntN(4) - 1, RetainOnEvict: random.IntN(2) == 0, Reset: random.IntN(3) == 0,
		AllowReassign: random.IntN(4) == 0, MaxBypass: random.IntN(4) - 1,
		BrowserMaxTabs: random.IntN(3) * 20, PriorityAging: time.Duration(random.IntN(3)-1) * time.Second,
		MaxWaiting: random.IntN(8), MaxPages: burst,
	}
	if random.IntN(2) == 0 {
		s.HighPriorityPages, s.HighPriorityThreshold = burst+random.IntN(3), 1
	}
	if random.IntN(4) == 0 {
		s.RescueTimeout = Off
	}
	if random.IntN(4) == 0 {
		s.ProbeBudget = Off
	}
	return s
}

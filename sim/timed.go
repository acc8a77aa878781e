package sim

import (
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Latency is how long an operation takes: the shortest by default, otherwise drawn between.
type Latency struct{ Shortest, Longest core.Time }

// chances is how finely faults are drawn: a chance of 1 is one in ten thousand.
const chances = 10_000

// Faults are chances that an operation goes wrong, in ten thousandths, drawn when it begins.
type Faults struct {
	LaunchFails, LaunchSlow, LaunchHangs int
	OpenFails, OpenLeaves                int // it fails, leaving nothing or its page behind
	OpenSlow, OpenHangs                  int
	CloseFails, CloseFailsAnyway         int // it fails, and the page is there or gone
	CloseSlow, CloseHangs                int
	KillFails, KillSlow, KillHangs       int
	BrowserCloseSlow, BrowserCloseHangs  int
	ProbeFails, ProbeSlow, ProbeHangs    int
	RescueFails, RescueSlow              int
	ResetFails, ResetSlow, ResetHangs    int
	EndFails, EndSlow, EndHangs          int // of the session of a lease
	BeginFails, BeginSlow, BeginHangs    int // of the session of the next one
	SpoilsTab, SpoilsContext             int // a holder leaves something that no end of a session undoes
	NavigatesNoMore                      int // a page answers everything but navigations
	LoopsLate                            int // a page begins to loop when its lease ends
	Twice                                int // the answer comes twice
	Wedges, Crashes                      int // of renders, drawn when their program is made
	Loops                                int // of the wedged renders: a rescue helps
	SilentWedges                         int // of the wedged renders: nobody notices, and the lease expires
	DeathsPerThousandHours               int // of the browser
	CrashesPerThousandHours              int // of a page, whoever has it
	SilencesPerThousandHours             int // of the browser: it answers nothing any more
}

// Conditions are how a simulated browser behaves.
type Conditions struct {
	Launch, Open, Close, Kill, BrowserClose Latency
	Probe, Rescue, Reset, Ping              Latency
	EndSession, BeginSession                Latency
	Sessions                                bool    // each lease has a session of its own
	Slow                                    Latency // of what is slow
	Echo                                    core.Time
	Faults                                  Faults
	// Measured are distributions to draw from in place of all between the shortest and the longest alike.
	Measured Latencies
	// Boundaries draws the latency of slow operations around the deadlines that they run into: just
	// before, at the same instant, just after, long after.
	Boundaries bool
}

// Milliseconds and Seconds are units of virtual time.
const (
	Milliseconds = core.Time(time.Millisecond)
	Seconds      = core.Time(time.Second)
)

// DefaultConditions is a healthy browser: every operation works and takes its usual time.
var DefaultConditions = Conditions{
	Launch:       Latency{300 * Milliseconds, 300 * Milliseconds},
	Open:         Latency{150 * Milliseconds, 150 * Milliseconds},
	Close:        Latency{10 * Milliseconds, 10 * Milliseconds},
	Kill:         Latency{20 * Milliseconds, 20 * Milliseconds},
	BrowserClose: Latency{50 * Milliseconds, 50 * Milliseconds},
	Probe:        Latency{2 * Milliseconds, 2 * Milliseconds},
	Rescue:       Latency{60 * Milliseconds, 60 * Milliseconds},
	Reset:        Latency{40 * Milliseconds, 40 * Milliseconds},
	Ping:         Latency{1 * Milliseconds, 1 * Milliseconds},
	EndSession:   Latency{1 * Milliseconds, 1 * Milliseconds},
	BeginSession: Latency{2 * Milliseconds, 2 * Milliseconds},
	Echo:         5 * Milliseconds,
}

// between draws a duration in steps of a 1,024th of the way.
func (w *World) between(l Latency) core.Time {
	if l.Longest <= l.Shortest {
		return l.Shortest
	}
	const steps = 1 << 10
	return l.Shortest + (l.Longest-l.Shortest)/steps*core.Time(w.choices.Choose(steps))
}

// happens draws whether something of a chance in ten thousand happens.
func (w *World) happens(chance int) bool {
	return chance > 0 && w.choices.Choose(chances) >= chances-chance
}

// answerPlan is what was drawn for an operation.
type answerPlan uint8

const (
	normal answerPlan = iota
	fails
	failsAnyway
	slow
	hangs
	twice
)

type planChance struct {
	plan   answerPlan
	chance int
}

// draw decides when and how an operation will answer.
func (w *World) draw(o *fakebrowser.Operation) {
	c := w.conditions
	f := &c.Faults
	var latency Latency
	var menu [5]planChance
	switch o.Kind {
	case fakebrowser.Launch:
		latency = c.Launch
		menu = [5]planChance{{fails, f.LaunchFails}, {slow, f.LaunchSlow}, {hangs, f.LaunchHangs}, {twice, f.Twice}}
	case fakebrowser.CloseBrowser:
		latency = c.BrowserClose
		menu = [5]planChance{{slow, f.BrowserCloseSlow}, {hangs, f.BrowserCloseHangs}, {twice, f.Twice}}
	case fakebrowser.Open:
		latency = c.Open
		menu = [5]planChance{{fails, f.OpenFails}, {failsAnyway, f.OpenLeaves}, {slow, f.OpenSlow}, {hangs, f.OpenHangs}, {twice, f.Twice}}
	case fakebrowser.Probe:
		latency = c.Probe
		menu = [5]planChance{{fails, f.ProbeFails}, {slow, f.ProbeSlow}, {hangs, f.ProbeHangs}, {twice, f.Twice}}
	case fakebrowser.Rescue:
		latency = c.Rescue
		menu = [5]planChance{{fails, f.RescueFails}, {slow, f.RescueSlow}, {twice, f.Twice}}
	case fakebrowser.Reset:
		latency = c.Reset
		menu = [5]planChance{{fails, f.ResetFails}, {slow, f.ResetSlow}, {hangs, f.ResetHangs}, {twice, f.Twice}}
	case fakebrowser.EndSession:
		latency = c.EndSession
		menu = [5]planChance{{fails, f.EndFails}, {slow, f.EndSlow}, {hangs, f.EndHangs}, {twice, f.Twice}}
	case fakebrowser.BeginSession:
		latency = c.BeginSession
		menu = [5]planChance{{fails, f.BeginFails}, {slow, f.BeginSlow}, {hangs, f.BeginHangs}, {twice, f.Twice}}
	case fakebrowser.Ping:
		latency = c.Ping
	case fakebrowser.Close, fakebrowser.CloseContext:
		latency = c.Close
		menu = [5]planChance{{fails, f.CloseFails}, {failsAnyway, f.CloseFailsAnyway}, {slow, f.CloseSlow}, {hangs, f.CloseHangs}, {twice, f.Twice}}
	case fakebrowser.Kill:
		latency = c.Kill
		menu = [5]planChance{{fails, f.KillFails}, {slow, f.KillSlow}, {hangs, f.KillHangs}, {twice, f.Twice}}
	}
	plan := normal
	if !w.healing {
		plan = w.plan(&menu)
	}
	switch plan {
	case fails:
		o.Outcome = fakebrowser.Fails
	case failsAnyway:
		o.Outcome = fakebrowser.FailsAnyway
	case hangs:
		o.Stuck = true
		if o.Kind == fakebrowser.Close {
			w.beginIncident(o.Tab)
		}
	case twice:
		o.Twice = true
	}
	if o.Kind == fakebrowser.Open && (plan == slow || plan == hangs) {
		w.fake.Tab(o.Tab).Made = w.choices.Choose(2) == 1
	}
	if plan == slow {
		o.Due = w.now + w.slow(o.Kind)
	} else {
		o.Due = w.now + w.usually(o.Kind, latency)
	}
}

func (w *World) plan(menu *[5]planChance) answerPlan {
	sum := 0
	for _, p := range menu {
		sum += p.chance
	}
	if sum == 0 {
		return normal
	}
	at := chances - 1 - w.choices.Choose(chances)
	for _, p := range menu {
		if at < p.chance {
			return p.plan
		}
		at -= p.chance
	}
	return normal
}

// slow is the latency of a slow operation.
func (w *World) slow(kind fakebrowser.OperationKind) core.Time {
	if !w.conditions.Boundaries {
		return w.between(w.conditions.Slow)
	}
	s := &w.core.Settings
	grace, timeout := s.CloseGrace, s.CloseTimeout
	switch kind {
	case fakebrowser.Launch:
		grace, timeout = s.OpenGrace, s.LaunchTimeout
	case fakebrowser.CloseBrowser:
		grace, timeout = s.CloseGrace, s.BrowserCloseTimeout
	case fakebrowser.Open:
		grace, timeout = s.OpenGrace, s.OpenTimeout
	case fakebrowser.Kill:
		grace, timeout = s.KillTimeout, s.KillTimeout
	case fakebrowser.Probe:
		grace, timeout = max(0, s.RescueTimeout)/2, max(s.RescueTimeout, s.ProbeBudget, time.Millisecond)
	case fakebrowser.EndSession:
		grace, timeout = s.EndTimeout()/2, s.EndTimeout()
	case fakebrowser.BeginSession:
		grace, timeout = s.OpenGrace, s.BeginTimeout()
	case fakebrowser.Rescue:
		grace, timeout = max(0, s.RescueTimeout)/2, max(s.RescueTimeout, time.Millisecond)
	case fakebrowser.Reset:
		grace, timeout = s.OpenGrace, s.OpenTimeout
	}
	const tick = time.Microsecond
	around := [...]time.Duration{
		grace - tick, grace, grace + tick, (grace + timeout) / 2, timeout - tick, timeout, timeout + tick,
		timeout + timeout/2, 2*timeout + s.KillTimeout,
	}
	return core.Time(max(0, around[w.choices.Choose(len(around))]))
}

// mishapRates are how often the browser dies, a page does, and the browser falls silent, in a thousand
// hours.
func (f *Faults) mishapRates() [3]int {
	return [3]int{f.DeathsPerThousandHours, f.CrashesPerThousandHours, f.SilencesPerThousandHours}
}

// drawMishap is when one of these happens next of itself.
func (w *World) drawMishap() core.Time {
	rate := 0
	for _, r := range w.conditions.Faults.mishapRates() {
		rate += r
	}
	if rate == 0 {
		return never
	}
	mean := core.Time(1000*time.Hour) / core.Time(rate)
	return w.now + w.between(Latency{mean / 50, 2 * mean})
}

// mishap ends a browser or a page, or has the browser fall silent; by the default policy it does not.
func (w *World) mishap() {
	w.nextMishap = w.drawMishap()
	rates := w.conditions.Faults.mishapRates()
	what := w.choices.Choose(1 + rates[0] + rates[1] + rates[2])
	tabs, browsers := len(w.fake.Tabs), len(w.fake.Browsers)
	switch {
	case what == 0:
	case what <= rates[0]:
		if browsers > 0 {
			w.BrowserDies(w.fake.Browsers[w.choices.Choose(browsers)].ID)
		}
	case what <= rates[0]+rates[1]:
		if tabs > 0 {
			w.Crash(w.fake.Tabs[w.choices.Choose(tabs)].ID)
		}
	case browsers > 0:
		w.FallSilent(w.fake.Browsers[w.choices.Choose(browsers)].ID)
	}
}

// source says whose turn it is. At one instant browser news comes first, then tab news, then
// callers, then deadlines.
type source uint8

const (
	nobody source = iota
	browserNews
	mishaps
	tabNews
	callers
	arrivals
	deadline
)

// turn finds what happens next, and when.
func (w *World) turn() (who source, at core.Time, operation int, due core.Deadline) {
	at = never
	operation, opAt := w.fake.Next()
	if operation >= 0 {
		who, at = tabNews, max(opAt, w.now)
		if w.fake.Operations[operation].Kind.OfBrowser() {
			who = browserNews
		}
	}
	if w.nextMishap < at || w.nextMishap == at && who == tabNews {
		who, at = mishaps, w.nextMishap
	}
	if len(w.timers) > 0 && w.timers[0].at < at {
		who, at = callers, w.timers[0].at
	}
	if w.nextArrival < at {
		who, at = arrivals, w.nextArrival
	}
	if d, ok := w.core.NextDeadline(); ok && max(d.At, w.now) < at {
		who, at, due = deadline, max(d.At, w.now), d
	}
	return who, at, operation, due
}

// Next is when the next thing happens by itself; false where nothing will.
func (w *World) Next() (core.Time, bool) {
	w.dropStale()
	who, at, _, _ := w.turn()
	return at, who != nobody
}

// Advance lets the next thing happen, and says whether there was one. It may take no step of the
// core: a client can do something else.
func (w *World) Advance() bool { return w.advance(never) }

// advance lets the next thing happen, unless that is later than a limit.
func (w *World) advance(limit core.Time) bool {
	w.dropStale()
	who, at, operation, due := w.turn()
	if who == nobody || at > limit || w.violation != nil {
		return false
	}
	if at > w.now {
		w.now, w.still = at, 0
	} else if w.still++; w.still > stillBound {
		w.violate(progress, Says(progress), fmt.Sprintf("%d things have happened at one instant", w.still))
		return false
	}
	switch who {
	case browserNews, tabNews:
		w.answer(operation, w.fake.Operations[operation].Outcome)
	case mishaps:
		w.mishap()
	case callers:
		w.run(int(w.popTimer().client))
	case arrivals:
		w.arrivals.arrive(w)
	case deadline:
		w.step(due.Event)
	}
	return true
}

// stillBound is how much may happen at one instant.
const stillBound = 100_000

// RunUntil lets everything happen up to an instant, that instant included, and leaves the clock
// there. It is false where a claim was broken.
func (w *World) RunUntil(t core.Time) bool { return w.runUntil(t, &patience{}) }

// runUntil is RunUntil for as long as somebody is patient; the clock stops with them.
func (w *World) runUntil(t core.Time, p *patience) bool {
	for !p.over() && w.advance(t) {
	}
	if w.violation == nil && !p.ended {
		w.now = max(w.now, t)
	}
	return w.violation == nil
}

// patience is a question whether to go on that is asked once in a while, since asking costs more
// than most of what happens in between.
type patience struct {
	ask   func() bool // nil: for ever
	turns int
	ended bool
}

const turnsBetween = 1 << 10

func (p *patience) over() bool {
	if p.turns++; p.turns%turnsBetween == 0 && p.ask != nil && !p.ended {
		p.ended = !p.ask()
	}
	return p.ended
}

package sim

import (
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// Chance draws what is left to chance in a timed world.
type Chance struct{ scheduler.Source }

// Between draws a duration in steps of a 1,024th of the way.
func (c Chance) Between(l Latency) core.Time {
	if l.Longest <= l.Shortest {
		return l.Shortest
	}
	const steps = 1 << 10
	return l.Shortest + (l.Longest-l.Shortest)/steps*core.Time(c.Choose(steps))
}

// Happens draws whether something happens that has so many chances in Chances.
func (c Chance) Happens(chance int) bool {
	return chance > 0 && c.Choose(Chances) >= Chances-chance
}

// Arrivals bring the callers of a timed world.
type Arrivals interface {
	// Gap draws how long it takes until the next caller comes.
	Gap(Chance) core.Time
	// Visit draws what that caller does, in a world where so many are active; false: it does not
	// come.
	Visit(c Chance, active int) (Program, bool)
}

// arrive lets one caller come, and draws when the next does.
func (w *World) arrive() {
	if p, comes := w.arrivals.Visit(w.chance, w.active); comes {
		w.admit(&p)
	}
	w.nextArrival = later(w.now, w.arrivals.Gap(w.chance))
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
		menu = [5]planChance{{fails, f.LaunchFails}, {slow, f.LaunchSlow}, {hangs, f.LaunchHangs},
			{twice, f.Twice}}
	case fakebrowser.CloseBrowser:
		latency = c.BrowserClose
		menu = [5]planChance{{slow, f.BrowserCloseSlow}, {hangs, f.BrowserCloseHangs}, {twice, f.Twice}}
	case fakebrowser.Open:
		latency = c.Open
		menu = [5]planChance{{fails, f.OpenFails}, {failsAnyway, f.OpenLeaves}, {slow, f.OpenSlow},
			{hangs, f.OpenHangs}, {twice, f.Twice}}
	case fakebrowser.Probe:
		latency = c.Probe
		menu = [5]planChance{{fails, f.ProbeFails}, {slow, f.ProbeSlow}, {hangs, f.ProbeHangs},
			{twice, f.Twice}}
	case fakebrowser.Rescue:
		latency = c.Rescue
		menu = [5]planChance{{fails, f.RescueFails}, {slow, f.RescueSlow}, {twice, f.Twice}}
	case fakebrowser.Reset:
		latency = c.Reset
		menu = [5]planChance{{fails, f.ResetFails}, {slow, f.ResetSlow}, {hangs, f.ResetHangs},
			{twice, f.Twice}}
	case fakebrowser.EndSession:
		latency = c.EndSession
		menu = [5]planChance{{fails, f.EndFails}, {slow, f.EndSlow}, {hangs, f.EndHangs},
			{twice, f.Twice}}
	case fakebrowser.BeginSession:
		latency = c.BeginSession
		menu = [5]planChance{{fails, f.BeginFails}, {slow, f.BeginSlow}, {hangs, f.BeginHangs},
			{twice, f.Twice}}
	case fakebrowser.Ping:
		latency = c.Ping
	case fakebrowser.Check:
		latency = c.Check
		menu = [5]planChance{{fails, f.CheckFails}, {slow, f.CheckSlow}, {hangs, f.CheckHangs},
			{twice, f.Twice}}
	case fakebrowser.Freeze:
		latency = c.Freeze
		menu = [5]planChance{{fails, f.FreezeFails}, {slow, f.FreezeSlow}, {hangs, f.FreezeHangs},
			{twice, f.Twice}}
	case fakebrowser.Close, fakebrowser.CloseContext:
		latency = c.Close
		menu = [5]planChance{{fails, f.CloseFails}, {failsAnyway, f.CloseFailsAnyway},
			{slow, f.CloseSlow}, {hangs, f.CloseHangs}, {twice, f.Twice}}
	case fakebrowser.Kill:
		latency = c.Kill
		menu = [5]planChance{{fails, f.KillFails}, {slow, f.KillSlow}, {hangs, f.KillHangs},
			{twice, f.Twice}}
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
		w.fake.Tab(o.Tab).Made = w.chance.Choose(2) == 1
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
	at := Chances - 1 - w.chance.Choose(Chances)
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
		return w.chance.Between(w.conditions.Slow)
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
	case fakebrowser.Check:
		grace, timeout = s.CheckTimeout()/2, s.CheckTimeout()
	case fakebrowser.Freeze:
		grace, timeout = s.OpenGrace, s.ProbeTimeout()
	}
	const tick = time.Microsecond
	around := [...]time.Duration{
		grace - tick, grace, grace + tick, (grace + timeout) / 2, timeout - tick, timeout, timeout + tick,
		timeout + timeout/2, 2*timeout + s.KillTimeout,
	}
	return core.Time(max(0, around[w.chance.Choose(len(around))]))
}

// drawMishap is when one of these happens next by itself.
func (w *World) drawMishap() core.Time {
	return later(w.now, w.conditions.Faults.UntilMishap(w.chance))
}

// mishap ends a browser or a page, has the browser fall silent, or something that its tabs share
// hang or end; by the default policy it does not.
func (w *World) mishap() {
	w.nextMishap = w.drawMishap()
	rates := w.conditions.Faults.MishapRates()
	what := w.chance.Choose(1 + rates[0] + rates[1] + rates[2] + rates[3])
	tabs, browsers := len(w.fake.Tabs), len(w.fake.Browsers)
	switch {
	case what == 0:
	case what <= rates[0]:
		if browsers == 0 {
			break
		}
		id := w.fake.Browsers[w.chance.Choose(browsers)].ID
		if what%2 == 1 || !w.BrowserDisconnects(id) {
			w.BrowserDies(id)
		}
	case what <= rates[0]+rates[1]:
		if tabs > 0 {
			w.Crash(w.fake.Tabs[w.chance.Choose(tabs)].ID, w.chance.Choose(2) == 1)
		}
	case browsers == 0:
	case what <= rates[0]+rates[1]+rates[2]:
		w.Turn(w.fake.Browsers[w.chance.Choose(browsers)].ID, fakebrowser.Main, fakebrowser.Hung)
	default:
		id := w.fake.Browsers[w.chance.Choose(browsers)].ID
		h := fakebrowser.Health(1 + w.chance.Choose(2))
		w.befalls(id, fakebrowser.Parts[w.chance.Choose(len(fakebrowser.Parts))], h)
	}
}

// befalls has something that the tabs of a browser share hang or end, and draws when it goes on. A
// helper that hangs may do so for ever.
func (w *World) befalls(id core.BrowserID, p fakebrowser.Part, h fakebrowser.Health) {
	if !w.Turn(id, p, h) || p.Helper() && h == fakebrowser.Hung && w.chance.Choose(2) == 0 {
		return
	}
	lasts := Latency{100 * Milliseconds, 20 * Seconds}
	if h == fakebrowser.Dead {
		lasts.Longest = restartTime
	}
	b := w.fake.Browser(id)
	b.Parts[p].Next, b.Parts[p].Until = fakebrowser.Fine, w.now+w.chance.Between(lasts)
}

// What Chrome's driver takes for its repairs, as measured: it waits for a helper for two seconds,
// kills it, and Chrome has started another after 1.3 s at most.
const (
	partTime    = 2 * Seconds
	restartTime = 1300 * Milliseconds
)

// repair has a check that finds a helper hung wait for it, and kill it unless it has done that a
// short while ago.
func (w *World) repair(o *fakebrowser.Operation) {
	if o.Kind != fakebrowser.Check || w.healing {
		return
	}
	b := w.fake.Browser(o.Browser)
	for _, p := range fakebrowser.Parts {
		if b == nil || !p.Helper() || b.Parts[p].Health != fakebrowser.Hung {
			continue
		}
		o.Due = max(o.Due, w.now+partTime)
		if w.fake.Kills(b, p) && w.chance.Choose(4) < 3 {
			o.Due = max(o.Due, w.now+partTime+restartTime+w.conditions.Check.Longest)
			b.Parts[p].Next, b.Parts[p].Until = fakebrowser.Dead, w.now+partTime
		}
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
	measurement
	sharing
	budget
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
	if b, due := w.nextMeasure(); b != nil && due < at {
		who, at = measurement, due
	}
	if _, _, turns := w.fake.NextTurn(); turns < at {
		who, at = sharing, turns
	}
	if _, due := w.fake.NextCutOff(); due < at {
		who, at = budget, due
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
		w.Violate(progress, fmt.Sprintf("%d things have happened at one instant", w.still))
		return false
	}
	switch who {
	case browserNews, tabNews:
		w.Answer(operation, w.fake.Operations[operation].Outcome)
	case mishaps:
		w.mishap()
	case callers:
		w.run(int(w.popTimer().client))
	case arrivals:
		w.arrive()
	case measurement:
		b, _ := w.nextMeasure()
		w.measure(b.ID)
	case sharing:
		b, p, _ := w.fake.NextTurn()
		if next := b.Parts[p].Next; next == fakebrowser.Dead {
			w.befalls(b.ID, p, next)
		} else {
			w.Turn(b.ID, p, next)
		}
	case budget:
		id, _ := w.fake.NextCutOff()
		w.CutOff(id, w.chance.Choose(2) == 1)
	case deadline:
		w.step(due.Event)
	}
	return true
}

// stillBound is how much may happen at one instant.
const stillBound = 100_000

// RunUntil lets everything happen up to an instant, that instant included, and leaves the clock
// there. It is false where a claim was broken.
func (w *World) RunUntil(t core.Time) bool { return w.RunWhile(t, new(Patience)) }

// RunWhile is RunUntil for as long as the caller is patient. Where its patience ends, the clock
// stops.
func (w *World) RunWhile(t core.Time, p *Patience) bool {
	for !p.Over() && w.advance(t) {
	}
	if w.violation == nil && !p.Ended {
		w.now = max(w.now, t)
	}
	return w.violation == nil
}

// Patience asks once in a while whether to go on, since asking costs more than most of what happens
// in between.
type Patience struct {
	Ask   func() bool // nil: it never ends
	Ended bool        // Ask has said no
	turns int
}

const turnsBetween = 1 << 10

// Over counts one turn, asks where it is time to, and says whether the patience has ended.
func (p *Patience) Over() bool {
	if p.turns++; p.turns%turnsBetween == 0 && p.Ask != nil && !p.Ended {
		p.Ended = !p.Ask()
	}
	return p.Ended
}

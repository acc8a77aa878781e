package sim

import (
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// RunOptions say what traffic to run.
type RunOptions struct {
	Profile *Profile
	Seed    uint64
	Hours   float64
	// Set changes the settings that the seed drew; nil: it leaves them.
	Set func(*core.Settings) error
	// Choices answers in place of the seed's own generator; nil: that.
	Choices   scheduler.Source
	Unchecked bool
	Only      string // as Options.Only
	Observe   func(w *World, event core.Event, effects []core.Effect)
	// Progress is called now and then with the virtual time so far, and stops the run by false.
	Progress func(now core.Time) bool
}

// Report is what a run came to.
type Report struct {
	Profile  string
	Seed     uint64
	Settings core.Settings // as the seed drew them
	Faults   Faults

	SimulatedSeconds float64
	Events           int
	Grants           uint64
	CapacityMax      int     // most tabs alive at one time
	WorstRecovery    float64 // seconds; see World.WorstRecovery
	WaitP50, WaitP99 int     // milliseconds
	Reached          Reached
	Outlines         []uint64 // the kinds of state met, now and then, as core.State.Outline
	HistoryHash      uint64
	Violation        *Violation
	Unanswered       int  // requests that still waited at the end
	Stopped          bool // before the end, because Progress said so
}

// waitHistogram counts waits by the millisecond; what is longer counts as the longest.
type waitHistogram [1 << 17]uint32

func (h *waitHistogram) add(wait core.Time) {
	h[min(int(wait/Milliseconds), len(h)-1)]++
}

// percentile is the smallest wait that so many per cent of all do not exceed, in milliseconds.
func (h *waitHistogram) percentile(percent uint64) int {
	total := uint64(0)
	for _, n := range h {
		total += uint64(n)
	}
	sum := uint64(0)
	for i, n := range h {
		sum += uint64(n)
		if sum > 0 && sum*100 >= total*percent {
			return i
		}
	}
	return 0
}

func (w *World) granted(c *client, e *core.Effect) {
	w.grants++
	if w.waits != nil {
		w.waits.add(w.now - c.asked)
	}
}

// Run lets traffic go on for a while, in virtual time, then stops the faults and the callers, and
// looks whether everything becomes quiet; then it closes the pool. The same options give the same
// report, in any process.
func Run(o RunOptions) (*Report, error) {
	drawn := o.Profile.Draw(o.Seed)
	settings := drawn.Settings
	if o.Set != nil {
		if err := o.Set(&settings); err != nil {
			return nil, err
		}
	}
	choices := o.Choices
	if choices == nil {
		choices = scheduler.NewRandom(o.Seed, 0)
	}
	w, err := New(Options{
		Settings: settings, Timed: true, Choices: choices, Conditions: &drawn.Conditions,
		Arrivals: &drawn.Arrivals, Unchecked: o.Unchecked, Only: o.Only, Observe: o.Observe,
	})
	if err != nil {
		return nil, err
	}
	w.waits = new(waitHistogram)
	var goOn patience
	if o.Progress != nil {
		goOn.ask = func() bool { return o.Progress(w.now) }
	}
	w.runUntil(core.Time(o.Hours*float64(time.Hour)), &goOn)
	simulated := time.Duration(w.now).Seconds()
	switch {
	case goOn.ended:
	case drawn.ClosesBusy:
		w.healing = true
		w.nextMishap = never
		w.end(&goOn)
	default:
		w.heal(&goOn)
		w.end(&goOn)
	}
	unanswered := 0
	if w.healing && !goOn.ended {
		unanswered = w.core.Waiting(core.Root) + w.core.Waiting(core.Nested)
	}
	return &Report{
		Profile: o.Profile.Name, Seed: o.Seed, Settings: w.core.Settings, Faults: drawn.Conditions.Faults,
		SimulatedSeconds: simulated, Events: w.steps, Grants: w.grants, CapacityMax: w.mostAlive,
		WorstRecovery: time.Duration(w.worst).Seconds(),
		WaitP50:       w.waits.percentile(50), WaitP99: w.waits.percentile(99),
		Reached: *w.reached, Outlines: w.outlines, HistoryHash: w.hash, Violation: w.violation,
		Unanswered: unanswered, Stopped: goOn.ended,
	}, nil
}

// WorstRecovery is the longest time from the moment in which a render wedged, or a close began to
// hang, until the tab was confirmed gone and the capacity that it took was usable again: as many
// tabs standby, idle or leased, with a page that answers, as capacity says, less those that other
// such incidents, or lost tabs, still hold. Incidents whose tab is lost are left out.
func (w *World) WorstRecovery() core.Time { return w.worst }

// CapacityMax is the most tabs that were alive at one time.
func (w *World) CapacityMax() int { return w.mostAlive }

// heal is the second phase of a run: the faults stop, nobody new comes, nobody gives up any more.
// Within a bounded time everything that was asked is answered and the pool is full again.
func (w *World) heal(goOn *patience) {
	w.healing = true
	w.nextArrival, w.nextMishap = never, never
	for i := range w.clients {
		if s := w.clients[i].state; s == waiting || s == calling && w.programs[i][w.clients[i].pc].Verb == Dispose {
			w.clients[i].serial++ // its patience has no end now
		}
	}
	backlog := 4 * core.Time(w.active) * (w.arrivals.Render.Longest + w.arrivals.Limit + 2*Seconds)
	within := later(backlog, w.recoveryBound())
	w.settle(within, goOn)
}

// recoveryBound is the time within which a pool has to be full again from any state, when nothing
// goes wrong any more: every deadline once, one after the other.
func (w *World) recoveryBound() core.Time {
	s := &w.core.Settings
	sum := 10 * Seconds
	add := func(times int, d time.Duration) {
		n, each := core.Time(times), max(0, core.Time(d))
		if each > 0 && n > never/each {
			sum = never
			return
		}
		sum = later(sum, n*each)
	}
	add(1, s.MaxLease)
	add(1, s.RescueTimeout)
	add(1, s.ProbeBudget)
	add(2, s.OpenTimeout)
	add(2, s.CloseTimeout)
	add(4, s.KillTimeout)
	add(2, s.BrowserCloseTimeout)
	add(3, s.LaunchTimeout)
	add(2, s.DrainTimeout)
	add(2, s.StallTimeout)
	add(1, s.IdleContraction)
	add(2, s.OpenBackoffMax)
	add(s.OpenRetries, s.OpenBackoffMax)
	return sum
}

// later is a + b, or never where that is too far away to be written down.
func later(a, b core.Time) core.Time {
	if a > never-b {
		return never
	}
	return a + b
}

// settle lets things happen until all is quiet. What is not, after this long, is a violation.
func (w *World) settle(within core.Time, goOn *patience) bool {
	limit := later(w.now, within)
	for w.violation == nil && !goOn.over() && !w.quiet() {
		at, ok := w.Next()
		if !ok || at > limit {
			w.judge(within)
			break
		}
		w.Advance()
	}
	return w.violation == nil && !goOn.ended
}

// quiet says whether nobody waits or holds, nothing is under way, and the pool is full and no larger than
// an idle one is to be.
func (w *World) quiet() bool {
	return w.active == 0 && w.core.Quiet() && w.full() && w.contracted()
}

// contracted says whether an idle pool has returned to MinPages, with nothing lost.
func (w *World) contracted() bool {
	return w.core.Closing() || int(w.core.Capacity) == w.core.Settings.MinPages && w.core.Count(core.Lost) == 0
}

// full says whether the standby target is met. It counts by itself, so that a pool which wants too
// little is noticed.
func (w *World) full() bool {
	standbys, bound := 0, 0
	w.core.EachTab(func(t core.TabView) {
		if t.State == core.Standby {
			standbys++
		}
		if t.Bound() {
			bound++
		}
	})
	return w.core.Closing() || standbys >= max(1, int(w.core.Capacity)-bound)
}

// judge names what did not come to an end.
func (w *World) judge(within core.Time) {
	s := &w.core
	state := fmt.Sprintf("%v after the faults stopped: %d clients, %d leases, %d and %d waiting, %d opening, %d standby of %d, %d closing, %d lost",
		time.Duration(within), w.active, s.Leases(), s.Waiting(core.Root), s.Waiting(core.Nested),
		s.Count(core.Opening), s.Count(core.Standby), s.Target(), s.Count(core.Closing), s.Count(core.Lost))
	switch {
	case s.Waiting(core.Nested) > 0:
		w.violate("nested-progress", Says("nested-progress"), state)
	case s.Waiting(core.Root) > 0 || w.active > 0:
		w.violate("answered", Says("answered"), state)
	case s.Quiet() && w.full():
		w.violate("contracted", Says("contracted"), fmt.Sprintf("%s; capacity %d, MinPages %d", state, int(s.Capacity), s.Settings.MinPages))
	default:
		w.violate("refilled", Says("refilled"), state)
	}
}

// end closes the pool and looks whether that ends, with nothing alive and everybody answered.
func (w *World) end(goOn *patience) {
	within := w.recoveryBound()
	p := Program{{Verb: ClosePool, Lasting: 300 * Milliseconds}}
	w.admit(&p)
	limit := later(w.now, within)
	for w.violation == nil && !goOn.over() && !(w.core.Ended() && w.active == 0) {
		if w.core.Ended() {
			w.nextArrival = never
		}
		at, ok := w.Next()
		if (!ok || at > limit) && w.core.Ended() {
			w.judge(within)
			return
		}
		if !ok || at > limit {
			w.violate("closes", Says("closes"), fmt.Sprintf("Close has not ended after %v", time.Duration(within)))
			return
		}
		w.Advance()
	}
}

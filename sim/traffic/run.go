// Package traffic lets the callers of a profile come to a simulated world, for hours of virtual
// time, and says what became of them.
//
// A profile is a kind of traffic with the faults that it meets. Each seed draws its own variant of
// it: settings, the mix of callers, a subset of the faults. The same seed gives the same run in any
// process.
package traffic

import (
	"time"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// Options say what traffic to run.
type Options struct {
	Profile *Profile
	Seed    uint64
	Hours   float64
	// Set changes the settings that the seed drew; nil: it leaves them.
	Set func(*core.Settings) error
	// Choices answers in place of the seed's own generator; nil: that.
	Choices   scheduler.Source
	Unchecked bool
	Only      string // as sim.Options.Only
	Observe   func(w *sim.World, event core.Event, effects []core.Effect)
	// Progress is called now and then with the virtual time so far, and stops the run by false.
	Progress func(now core.Time) bool
}

// Report is what a run came to.
type Report struct {
	Profile  string
	Seed     uint64
	Settings core.Settings // as the seed drew them
	Faults   sim.Faults

	SimulatedSeconds float64
	Events           int
	Grants           uint64
	CapacityMax      int     // most tabs alive at one time
	WorstRecovery    float64 // seconds; see sim.World.WorstRecovery
	WaitP50, WaitP99 int     // milliseconds
	Reached          sim.Reached
	Outlines         []uint64 // the kinds of state met, now and then, as core.State.Outline
	HistoryHash      uint64
	Violation        *sim.Violation
	Unanswered       int  // requests that still waited at the end
	Stopped          bool // before the end, because Progress said so
}

// Run lets traffic go on for a while, in virtual time, then stops the faults and the callers, and
// looks whether everything becomes quiet; then it closes the pool. The same options give the same
// report, in any process.
func Run(o Options) (*Report, error) {
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
	callers, err := drawn.Arrivals.Callers(&drawn.Conditions, settings)
	if err != nil {
		return nil, err
	}
	count := &tally{then: o.Observe}
	w, err := sim.New(sim.Options{
		Settings: settings, Timed: true, Choices: choices, Conditions: &drawn.Conditions,
		Arrivals: callers, Unchecked: o.Unchecked, Only: o.Only, Observe: count.observe,
	})
	if err != nil {
		return nil, err
	}
	var patience sim.Patience
	if o.Progress != nil {
		patience.Ask = func() bool { return o.Progress(w.Now()) }
	}
	w.RunWhile(core.Time(o.Hours*float64(time.Hour)), &patience)
	simulated := w.Now().Duration().Seconds()
	if !patience.Ended {
		if !drawn.ClosesBusy {
			w.Heal(drawn.Arrivals.Render.Longest+drawn.Arrivals.Limit, &patience)
		}
		w.Close(&patience)
	}
	unanswered := 0
	if !patience.Ended {
		unanswered = w.Core().Waiting(core.Root) + w.Core().Waiting(core.Nested)
	}
	return &Report{
		Profile: o.Profile.Name, Seed: o.Seed, Settings: w.Core().Settings,
		Faults:           drawn.Conditions.Faults,
		SimulatedSeconds: simulated, Events: w.Steps(), Grants: count.waits.Grants(),
		CapacityMax:   w.CapacityMax(),
		WorstRecovery: w.WorstRecovery().Duration().Seconds(),
		WaitP50:       count.waits.Percentile(50), WaitP99: count.waits.Percentile(99),
		Reached: *w.Reached(), Outlines: count.outlines, HistoryHash: w.HistoryHash(),
		Violation:  w.Violation(),
		Unanswered: unanswered, Stopped: patience.Ended,
	}, nil
}

// tally counts what a run comes to.
type tally struct {
	waits    Waits
	outlines []uint64
	then     func(*sim.World, core.Event, []core.Effect) // nil: nobody else looks on
}

// outlineEvery is after how many steps of a run its kind of state is noted: seldom enough to cost
// nothing.
const outlineEvery = 32

func (t *tally) observe(w *sim.World, event core.Event, effects []core.Effect) {
	t.waits.Add(effects)
	if w.Steps()%outlineEvery == 0 {
		t.outlines = append(t.outlines, canon.Outline(&w.Core().Facts))
	}
	if t.then != nil {
		t.then(w, event, effects)
	}
}

package linear

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/traffic"
)

// Simulated runs a seed of a profile with few callers at a time, and returns its history. Every
// step of the core is one instant: a GetPage lasts from the step of its request to that of its
// answer, and all else takes effect in one step. After every step Stats and WarmAffinities are
// asked for.
func Simulated(profile *traffic.Profile, seed uint64, hours float64) (*History, error) {
	few := *profile
	few.Arrivals.Active = 6
	w := watcher{requests: map[core.RequestID]*request{}, disposals: map[core.CallID]*disposal{},
		owners: map[core.TabID]core.Affinity{}}
	report, err := traffic.Run(traffic.Options{
		Profile: &few, Seed: seed, Hours: hours, Observe: w.observe,
		// What closes tabs by itself is no call, and the specification does not know it.
		Set: func(s *core.Settings) error {
			s.AffinityDoubt, s.MaxIdle = core.Off, core.Off
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	if v := report.Violation; v != nil {
		return nil, fmt.Errorf("seed %d breaks %w", seed, v)
	}
	s := &report.Settings
	return &History{
		Rules: Rules{
			MinPages: s.MinPages, MaxPages: s.MaxPages, RootCap: s.RootCap, OrphanCap: s.OrphanCap,
			TabsPerContext: s.TabsPerContext, Reassign: s.AllowReassign,
		},
		Operations: w.log,
	}, nil
}

// watcher reads a history out of the steps of a world.
type watcher struct {
	log       []porcupine.Operation
	step      int64
	requests  map[core.RequestID]*request
	disposals map[core.CallID]*disposal
	owners    map[core.TabID]core.Affinity // who had each tab last
	grants    uint64
	reuses    uint64
}

// request is one GetPage, and its lease.
type request struct {
	in    Input
	began int64
	held  bool
}

type disposal struct {
	in     Input
	began  int64
	before []core.TabID // what was handed out to the affinity until then
}

// note adds a call that began at some step and has its answer in this one.
func (w *watcher) note(number int, in Input, began int64, out Output) {
	w.log = append(w.log, porcupine.Operation{ClientId: number % 64, Input: in, Call: 2 * began,
		Output: out, Return: 2 * w.step})
}

func (w *watcher) observe(world *sim.World, event core.Event, effects []core.Effect) {
	w.step++
	w.event(world.Core(), event)
	var swept []string
	for i := range effects {
		e := &effects[i]
		w.effect(world, e)
		if key := sim.Names.Key(e.Affinity); e.Reason == core.IdleSweep && !slices.Contains(swept, key) {
			swept = append(swept, key)
		}
	}
	if event.Kind == core.SweepRequested {
		w.note(0, Input{Kind: Sweep}, w.step, Output{Keys: swept})
	}
	v, warm := w.view(world.Core())
	for _, look := range []porcupine.Operation{
		{Input: Input{Kind: Look}, Output: Output{View: v}},
		{Input: Input{Kind: List}, Output: Output{Keys: warm}},
	} {
		look.Call, look.Return = 2*w.step+1, 2*w.step+1 // between this step and the next
		w.log = append(w.log, look)
	}
}

func (w *watcher) event(c *core.State, e core.Event) {
	suspects := c.Settings.RescueTimeout > 0
	switch e.Kind {
	case core.Requested:
		in := Input{Kind: Get, Key: sim.Names.Key(e.Affinity), Number: int(e.Request),
			Nested: e.Class == core.Nested}
		w.requests[e.Request] = &request{in: in, began: w.step}
	case core.Released, core.Discarded:
		r := w.requests[e.Request]
		in := Input{Kind: GiveBack, Key: r.in.Key, Number: int(e.Request)}
		in.Spoiled = e.Kind == core.Discarded && !(e.Wedged && suspects)
		w.note(in.Number, in, w.step, Output{Nothing: !r.held})
		r.held = false
	case core.Disposed:
		d := &disposal{in: Input{Kind: Dispose, Key: sim.Names.Key(e.Affinity), Retain: e.Retain},
			began: w.step}
		if !e.NoWait {
			d.in.Number = int(e.Call)
			w.disposals[e.Call] = d
		}
		for t, a := range w.owners {
			if a == e.Affinity {
				d.before = append(d.before, t)
			}
		}
		w.note(int(e.Call), d.in, w.step, Output{})
	case core.CloseRequested:
		w.note(0, Input{Kind: Close}, w.step, Output{})
	}
}

func (w *watcher) effect(world *sim.World, e *core.Effect) {
	switch e.Kind {
	case core.Grant:
		r := w.requests[e.Request]
		r.held = true
		w.owners[e.Tab] = e.Affinity
		w.grants++
		if e.How == core.Warm {
			w.reuses++
		}
		w.note(r.in.Number, r.in, r.began,
			Output{Tab: int(e.Tab), Context: int(e.Context), Reused: e.How == core.Warm})
	case core.Refuse:
		r := w.requests[e.Request]
		w.note(r.in.Number, r.in, r.began,
			Output{Err: e.Reason.String(), Closing: e.Reason == core.PoolClosed})
	case core.EndLease:
		r := w.requests[e.Request]
		r.held = false
		dead := e.Reason != core.LeaseExpired || world.Core().Settings.RescueTimeout <= 0
		w.note(r.in.Number, Input{Kind: End, Key: r.in.Key, Number: r.in.Number}, w.step,
			Output{Dead: dead})
	case core.FinishDispose:
		d := w.disposals[e.Call]
		d.in.Kind = Disposed
		w.note(d.in.Number, d.in, d.began, Output{Alive: living(world.Fake(), d.before)})
	case core.FinishClose:
		w.note(0, Input{Kind: Closed}, w.step, Output{})
	}
}

// living lists those of tabs whose pages are there, in a browser that was not written off.
func living(f *fakebrowser.State, tabs []core.TabID) []int {
	var numbers []int
	for _, id := range tabs {
		if t := f.Tab(id); t != nil {
			if b := f.Browser(t.Browser); b != nil && !b.WrittenOff {
				numbers = append(numbers, int(id))
			}
		}
	}
	return numbers
}

// view is what Stats and WarmAffinities would say of a core.
func (w *watcher) view(c *core.State) (v *View, warm []string) {
	v = &View{
		Capacity: int(c.Capacity), Alive: c.Alive(), Leases: c.Leases(),
		Waiting:  c.Waiting(core.Root) + c.Waiting(core.Nested),
		Contexts: c.ContextCount(), Orphans: c.Orphans(), Leased: c.Count(core.Leased),
		Idle: c.Count(core.Idle),
		Busy: c.Count(core.Probing) + c.Count(core.Rescuing) + c.Count(core.Resetting), Grants: w.grants,
		Reuses: w.reuses,
	}
	supplementary := map[core.Affinity]int{}
	c.EachTab(func(t core.TabView) {
		if t.Bound() && !t.Primary {
			supplementary[t.Affinity]++
		}
	})
	c.EachAffinity(func(a core.AffinityView) {
		key := sim.Names.Key(a.Affinity)
		v.Rows = append(v.Rows, Row{
			Key: key, PageCount: a.PageCount, Tabs: a.Bound, Idle: a.Idle,
			Supplementary: supplementary[a.Affinity],
			Waiting:       a.Waiting,
		})
		if a.Bound > 0 {
			warm = append(warm, key)
		}
	})
	slices.SortFunc(v.Rows, func(a, b Row) int { return compareRow(a, b.Key) })
	slices.Sort(warm)
	return v, warm
}

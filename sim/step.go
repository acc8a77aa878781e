package sim

import (
	"fmt"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/spec"
)

// step tells the core of an event and carries out what it answers.
func (w *World) step(event core.Event) {
	w.CheckState(true) // of a step of the same action
	if w.violation != nil {
		return
	}
	first := w.given != nil
	switch {
	case w.unchecked:
	case first:
		w.before, w.given = w.given, nil
	default:
		w.copied.CopyFrom(&w.core)
		w.before = &w.copied
	}
	w.costs(&event)
	late := w.loopsLate(event)
	w.pool = 0
	w.effects = w.core.Step(w.now, event, w.effects[:0])
	if late != 0 {
		w.Loop(late) // before anything that the core asks of the page has reached it
	}
	w.steps++
	w.ledger.Feed(&w.core.Settings, w.now, event, w.effects)
	for i := range w.effects {
		e := &w.effects[i]
		switch {
		case w.recorded:
		case e.Operation != 0:
			w.begin(e)
		default:
			w.tell(e)
			w.lend(e)
		}
	}
	if !w.timed {
		w.now += untimedStep
	}
	if event.Is(core.Silent, core.Launch) || event.Is(core.Silent, core.CloseBrowser) {
		w.writeOff(event.Browser)
	}
	if event.Kind != core.Measured && !w.recorded {
		w.stale()
	}
	w.count(event, w.effects)
	if w.timed {
		w.hash = hashStep(w.hash, w.now, &event, w.effects)
		w.mostAlive = max(w.mostAlive, w.core.Alive())
		w.endIncidents()
	}
	if !w.unchecked {
		w.check(event, first)
	}
	if w.observe != nil {
		w.observe(w, event, w.effects)
	}
}

// lend gives the page of a grant to its holder, who may not meet anything of those before him.
func (w *World) lend(e *core.Effect) {
	if e.Kind != core.Grant {
		return
	}
	if met := w.fake.Lend(e.Tab); met != "" {
		w.Violate(cleanLease, fmt.Sprintf("r%d is granted t%d, and meets %s", e.Request, e.Tab, met))
	}
	if t := w.fake.Tab(e.Tab); t != nil && t.Frozen {
		w.Violate(awakeGrant, fmt.Sprintf("r%d is granted t%d, whose page is frozen", e.Request, e.Tab))
	}
	f := &w.conditions.Faults
	if w.timed && !w.healing && w.fake.Checks && w.chance.Happens(f.HangsDrawing) {
		w.befalls(e.Browser, fakebrowser.Drawing, fakebrowser.Hung)
	}
	if w.timed && !w.healing && w.chance.Happens(f.FloodsPipe) {
		w.Flood(e.Tab)
	}
	if w.timed && !w.healing && w.core.Settings.MaxBrowserMemory > 0 {
		if w.chance.Happens(f.Swells) {
			w.Swell(e.Tab, int64(1+w.chance.Choose(64))<<20)
		}
		if w.chance.Happens(f.Leaks) {
			w.Leak(e.Browser, int64(1+w.chance.Choose(64))<<20)
		}
	}
	if w.timed && !w.healing && w.fake.Sessions {
		switch {
		case w.chance.Happens(f.SpoilsTab):
			w.Spoil(e.Tab, core.SpoiledTab)
		case w.chance.Happens(f.SpoilsContext):
			w.Spoil(e.Tab, core.SpoiledContext)
		case w.chance.Happens(f.NavigatesNoMore):
			w.StopNavigating(e.Tab)
		}
	}
}

// loopsLate draws whether a page begins to loop when its lease ends: a timer of its script has run
// out.
func (w *World) loopsLate(event core.Event) core.TabID {
	if event.Kind != core.Released || !w.timed || w.healing ||
		!w.chance.Happens(w.conditions.Faults.LoopsLate) {
		return 0
	}
	id, _ := w.core.Holds(event.Request)
	return id
}

// cleanLease is the claim that a holder meets nothing of those before him.
const cleanLease = "clean-lease"

// awakeGrant is the claim that a page that is granted is not frozen.
const awakeGrant = "awake-grant"

// untimedStep is how far the clock goes on with every step of an untimed world: enough for an idle
// tab to need a probe where ProbeMaxAge is a nanosecond, and for nothing else to depend on it.
const untimedStep = 2

// begin hands an operation to the fake browser and, in timed worlds, draws its answer.
func (w *World) begin(e *core.Effect) {
	o := w.fake.Begin(*e)
	if o == nil {
		return
	}
	o.Due = w.now
	if w.timed {
		w.draw(o)
		w.repair(o)
	}
}

// writeOff tells the fake browser that the pool has given a browser up, if it has.
func (w *World) writeOff(id core.BrowserID) {
	known := false
	w.core.EachBrowser(func(b core.BrowserView) { known = known || b.ID == id })
	if !known {
		w.fake.WriteOff(id)
	}
}

// check looks at the invariants, and compares the ledger with what is really alive; or at those
// alone that a step to a known state can break.
func (w *World) check(event core.Event, first bool) {
	w.transition = spec.Transition{
		Before: w.before, After: &w.core, Event: event, Effects: w.effects, Ledger: &w.ledger,
		Only:    w.only,
		Scratch: &w.checks,
	}
	if w.apart {
		w.checkApart(first)
		return
	}
	w.breaks(spec.Check(&w.transition, w.broken[:0]))
	w.compare()
}

// breaks notes the claims that a step breaks.
func (w *World) breaks(broken []core.Violation) {
	if w.broken = broken; len(broken) == 0 {
		return
	}
	if w.checked != nil {
		w.checked.step = 0
	}
	w.Violate(broken[0].Name, broken[0].What)
	for _, also := range broken[1:] {
		w.violation.Also = strings.TrimSpace(w.violation.Also + " " + also.Name)
	}
}

// compare compares the ledger with what is really alive.
func (w *World) compare() {
	if w.violation != nil || w.recorded {
		return
	}
	for i := range w.fake.Tabs {
		t := &w.fake.Tabs[i]
		if w.ledger.Counts(t.ID) {
			continue
		}
		if b := w.fake.Browser(t.Browser); b != nil && !b.WrittenOff {
			w.Violate("no-leak", fmt.Sprintf("t%d is alive in b%d, and no book counts it", t.ID, t.Browser))
			return
		}
	}
	for i := range w.fake.Contexts {
		c := &w.fake.Contexts[i]
		if b := w.fake.Browser(c.Browser); !w.ledger.CountsContext(c.ID) && b != nil && !b.WrittenOff {
			w.Violate("no-leak", fmt.Sprintf("c%d is alive in b%d, and no book counts it", c.ID, c.Browser))
			return
		}
	}
	if w.core.Ended() {
		for i := range w.fake.Browsers {
			if b := &w.fake.Browsers[i]; !b.WrittenOff {
				w.Violate("closes", fmt.Sprintf("b%d is alive, and the pool says that it is closed", b.ID))
				return
			}
		}
	}
}

// progress is the claim that a world goes on: where it breaks, nothing else comes.
const progress = "progress"

// Violate notes that a claim is broken, unless one is already. What breaks next tells nothing new.
func (w *World) Violate(property, what string) {
	if w.violation == nil && (w.only == "" || w.only == property || property == progress) {
		w.violation = &Violation{Property: property, Says: Says(property), What: what, Step: w.steps,
			At: w.now}
	}
}

// Answer lets the operation at position i of the fake browser answer.
func (w *World) Answer(i int, outcome fakebrowser.Outcome) {
	o := w.fake.Operations[i]
	if o.Echo {
		w.reached[answeredTwice]++
	}
	if o.Kind == fakebrowser.Close && outcome == fakebrowser.FailsAnyway {
		w.reached[closeFailedAnyway]++
	}
	if o.Tab != 0 && !o.Echo {
		if t, ok := w.core.Tab(o.Tab); !ok {
			w.reached[answeredLate]++
		} else if t.State == core.Lost && o.Kind == fakebrowser.Close && outcome == fakebrowser.Works {
			w.reached[lostReturned]++
		}
	}
	if o.Kind == fakebrowser.Probe && outcome == fakebrowser.Works {
		w.countProbe(o.Tab)
	}
	event := w.fake.Answer(i, outcome)
	if s := &w.core.Settings; event.Is(core.Done, core.OpenTab) && s.MaxAge > 0 && w.timed {
		event.Jitter = w.chance.Between(Latency{0, core.Time(s.MaxAgeJitter)}).Duration()
	}
	if o.Twice && !o.Echo && i < len(w.fake.Operations) && w.fake.Operations[i].ID == o.ID {
		w.fake.Operations[i].Due = w.now + w.conditions.Echo
	}
	w.step(event)
}

// hashStep goes on with the hash of a history: an order-dependent mix of 64-bit words (the
// multiplication is that of Fibonacci hashing, the shifts are those of the splitmix finaliser).
func hashStep(h uint64, now core.Time, e *core.Event, effects []core.Effect) uint64 {
	h = mix(h, uint64(now))
	h = mix(h, uint64(trace.WordOf(e))|uint64(e.Class)<<8|flag(e.NoWait, 16)|flag(e.Wedged,
		17)|flag(e.Retain, 18)|flag(e.Kept, 19)|flag(e.Sessions, 20)|flag(e.Checks, 30)|flag(e.TooLarge,
		31)|flag(e.Own, 23)|uint64(e.Left)<<21|uint64(e.Navigation)<<24|uint64(uint32(e.Priority))<<32)
	h = mix(h, uint64(e.Request)<<32^uint64(e.Call))
	h = mix(h, uint64(e.Affinity)<<32|uint64(e.Tab))
	h = mix(h, uint64(e.Memory)^uint64(e.Browser)^uint64(e.Context)<<32^uint64(e.MaxLease)<<8^uint64(
		e.MaxIdle)^uint64(e.Jitter)^uint64(e.Operation)<<16)
	for i := range effects {
		f := &effects[i]
		h = mix(h, uint64(f.Kind)|uint64(f.How)<<8|uint64(f.Reason)<<16|flag(f.Force, 24)|flag(f.Kept,
			25)|flag(f.Halt, 26)|flag(f.Suspect, 27)|uint64(f.Of)<<32)
		h = mix(h, uint64(f.Operation))
		h = mix(h, uint64(f.Request)<<32^uint64(f.Call))
		h = mix(h, uint64(f.Generation))
		h = mix(h, uint64(f.Affinity)<<32|uint64(f.Tab))
		h = mix(h, uint64(f.Context)<<32|uint64(f.Browser))
		h = mix(h, uint64(f.Waits.Admission))
		h = mix(h, uint64(f.Waits.Tab))
		h = mix(h, uint64(f.Waits.Startup)^uint64(f.Waits.Probe)<<1)
	}
	return h
}

func mix(h, x uint64) uint64 {
	h = (h ^ x) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

func flag(b bool, shift uint) uint64 {
	if b {
		return 1 << shift
	}
	return 0
}

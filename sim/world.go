// Package sim is the simulated world: the pool's core, a fake browser, scripted callers and a
// virtual clock, all of it one value. Package scheduler says what happens next in it, package
// search visits all that can, package traffic brings callers for hours, and package replay plays
// traces.
//
// A World is used in two ways. Untimed, for checking: Actions lists everything that could happen
// next, Do makes one of it happen, and the clock stands still. Timed, for traffic and for traces:
// Advance lets the next thing happen, and the clock jumps to it.
//
// After every step the core's invariants are checked against a ledger of their own, and the ledger
// is compared with what is really alive in the fake browser.
package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/spec"
)

// Options say what a world is made of.
type Options struct {
	Settings core.Settings

	// Timed worlds have a clock: latencies and outcomes are drawn from Conditions by Choices, the
	// default policy where it is nil. Arrivals brings their clients; nil: nobody comes.
	Timed      bool
	Choices    scheduler.Source
	Conditions *Conditions // nil: DefaultConditions
	Sessions   bool        // the driver gives each lease a session of its own
	Checks     bool        // the driver can check its browsers
	Repairs    bool        // and kill a helper that hangs
	Arrivals   Arrivals

	// Untimed worlds have these clients, and Faults deviations from a healthy browser in all, of
	// those in Menu.
	Programs []Program
	Faults   int
	Menu     Menu
	Tick     core.Time // by how much time passes at once, where Menu has TimePasses

	// From is where the pool is at the start; nil: a new one, with a healthy browser. What stands
	// behind a pool from elsewhere is not known, so there is no browser then: what it answers is
	// said by hand.
	From *core.State

	// Unchecked leaves the invariants out, for measurements.
	Unchecked bool
	// Only is the one claim to look at, to see whether it would find by itself what others find
	// before it; empty: all.
	Only string
	// Observe is called after every step, when the world has heard of it: who reads the world sees
	// the state after. It keeps nothing of effects.
	Observe func(w *World, event core.Event, effects []core.Effect)
}

// fixed is what does not change in a world's life, and what its clones share.
type fixed struct {
	timed      bool
	recorded   bool // there is no browser: see Options.From
	unchecked  bool
	only       string
	chance     Chance
	conditions *Conditions
	arrivals   Arrivals
	menu       Menu
	tick       core.Time
	recordedTo uint64 // untimed: requests and calls up to this number were there at the start
	// untimed: by client, the first that has the same program; nil: all have programs of their own
	like      []int32
	renamings []renaming // untimed: in which a search takes affinities for alike; nil: none
	observe   func(*World, core.Event, []core.Effect)
}

// World is a whole world as one value. CopyFrom clones it.
type World struct {
	core   core.State
	fake   fakebrowser.State
	ledger spec.Ledger

	clients     []client
	programs    []Program
	freeClients []int32
	owners      []owner // timed: by number, modulo the length, which is a power of two
	timers      []timer // timed: a heap, earliest first
	incidents   []incident
	plain
}

// plain is what a copy of a world takes over as it is.
type plain struct {
	now        core.Time
	lastNumber uint64
	lastTimer  uint64
	active     int   // timed: clients that are not absent
	closer     int32 // the client that closes the pool, or -1
	faults     int8  // untimed: how many are left

	nextArrival core.Time // timed
	nextMishap  core.Time // timed: when the browser or a page dies next
	measuredAt  core.Time // timed: when a browser was measured last
	healing     bool      // timed: faults have stopped, and nobody new comes

	still     int // timed: what has happened since the clock went on last
	steps     int
	hash      uint64 // of the whole history
	pool      uint64 // of the pool and the ledger, for a search; 0: it is not known
	mostAlive int
	worst     core.Time // longest recovery
	violation *Violation
	reached   *Reached
	*scratch
	*fixed
}

// scratch is memory that a step needs and nothing depends on. The worlds of one search share one.
type scratch struct {
	before *core.State // as it was before the last step
	// the same of the next step, where whoever makes it has it; nil: it is copied
	given      *core.State
	copied     core.State
	transition spec.Transition
	checks     spec.Scratch
	checked    *checked // nil: every claim is checked after every step
	apart      bool     // some are left to CheckState
	leftOut    bool     // and so they were, of the last step
	repeated   bool     // which was checked before
	broken     []core.Violation
	effects    []core.Effect
	deadlines  []core.Deadline
	canon      *Canon // nil: nobody has asked for a fingerprint
}

// Violation is a broken claim.
type Violation struct {
	Property string
	Says     string
	What     string // what broke it
	Also     string // what else broke in the same step, by name, with spaces between
	Step     int    // of the core; the launch of the first browser is the first
	At       core.Time
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%s: %s, at step %d (%v)", v.Property, v.What, v.Step, time.Duration(v.At))
}

// New makes a world and takes its first step, which launches the browser. The error is that of the
// settings.
func New(o Options) (*World, error) {
	settings, err := o.Settings.Resolve()
	if err != nil {
		return nil, err
	}
	if err := checkFaults(o.Faults); err != nil {
		return nil, err
	}
	w := &World{plain: plain{
		closer:      -1,
		nextArrival: never,
		nextMishap:  never,
		faults:      int8(o.Faults),
		reached:     new(Reached),
		scratch:     new(scratch),
		fixed: &fixed{
			timed: o.Timed, recorded: o.From != nil, unchecked: o.Unchecked, only: o.Only,
			chance: Chance{o.Choices}, conditions: o.Conditions,
			arrivals: o.Arrivals, menu: o.Menu, tick: o.Tick, observe: o.Observe,
		},
	}}
	if o.Choices == nil {
		w.chance = Chance{scheduler.Default{}}
	}
	if w.conditions == nil {
		w.conditions = &DefaultConditions
	}
	w.fake.Sessions = o.Sessions || w.conditions.Sessions
	w.fake.Checks = o.Checks || w.conditions.Checks
	w.fake.Repairs = o.Repairs || w.conditions.Repairs
	w.fake.Clears = w.conditions.Clears
	if o.Timed {
		w.owners = make([]owner, 64)
	}
	for _, p := range o.Programs {
		w.programs = append(w.programs, p)
		w.clients = append(w.clients, client{state: ready})
	}
	if !o.Timed {
		w.like = alike(w.programs)
	}
	if o.From != nil {
		w.core.CopyFrom(o.From)
		w.ledger.Restore(&w.core)
		w.now = w.core.Now
		return w, nil
	}
	w.core.CopyFrom(core.New(settings))
	w.step(core.Event{})
	if w.arrivals != nil {
		w.nextArrival = w.arrivals.Gap(w.chance)
		w.nextMishap = w.drawMishap()
	}
	return w, nil
}

// MostFaults is how many faults an untimed world can have.
const MostFaults = 100

func checkFaults(n int) error {
	if n < 0 || n > MostFaults {
		return fmt.Errorf("%d faults: want 0 to %d", n, MostFaults)
	}
	return nil
}

// alike says of each program which is the first that is the same; nil: there are no two.
func alike(programs []Program) []int32 {
	like, some := make([]int32, len(programs)), false
	for i := range programs {
		like[i] = int32(slices.Index(programs, programs[i]))
		some = some || int(like[i]) != i
	}
	if !some {
		return nil
	}
	return like
}

// CopyFrom makes w a copy of o, in the memory that w has. They share what never changes, count what
// they reach together, and must not step at the same time.
func (w *World) CopyFrom(o *World) {
	w.core.CopyFrom(&o.core)
	w.fake.CopyFrom(&o.fake)
	w.ledger.CopyFrom(&o.ledger)
	w.clients = append(w.clients[:0], o.clients...)
	w.incidents = append(w.incidents[:0], o.incidents...)
	if o.timed {
		w.freeClients = append(w.freeClients[:0], o.freeClients...)
		w.owners = append(w.owners[:0], o.owners...)
		w.timers = append(w.timers[:0], o.timers...)
		w.programs = append(w.programs[:0], o.programs...)
	} else {
		w.programs = o.programs
	}
	w.plain = o.plain
}

// Clone returns a copy that shares nothing but what never changes.
func (w *World) Clone() *World {
	c := new(World)
	c.CopyFrom(w)
	c.scratch = new(scratch)
	c.reached = new(Reached)
	*c.reached = *w.reached
	return c
}

// Now is the virtual time.
func (w *World) Now() core.Time { return w.now }

// Core is the pool, to be read.
func (w *World) Core() *core.State { return &w.core }

// SetNow moves the clock. Nothing happens by itself on the way: a caller that plays a record says
// what does.
func (w *World) SetNow(at core.Time) { w.now = at }

// Before is the pool as it was before the last step, to be read; nil: the invariants are not
// checked.
func (w *World) Before() *core.State { return w.before }

// Fake is the browser, to be read.
func (w *World) Fake() *fakebrowser.State { return &w.fake }

// Reached says what was reached so far.
func (w *World) Reached() *Reached { return w.reached }

// Steps is how many events the core has seen.
func (w *World) Steps() int { return w.steps }

// HistoryHash is a hash over (time, event, effects) of every step, in order.
func (w *World) HistoryHash() uint64 { return w.hash }

// Violation is the first broken claim, or nil.
func (w *World) Violation() *Violation { return w.violation }

// Effects are those of the last step. They are good until the next.
func (w *World) Effects() []core.Effect { return w.effects }

// Fire lets a deadline that is armed come now.
func (w *World) Fire(deadline core.Event) { w.step(deadline) }

// Perform makes a scripted event happen now. An answer of the browser ends the operation that it
// answers, whatever that was going to do; where there is none, it is a second answer, and must not
// claim what is not so.
func (w *World) Perform(event core.Event) error {
	if w.recorded {
		w.step(event)
		return nil
	}
	answer, outcome := fakebrowser.OperationOf(event)
	if answer == 0 {
		switch {
		case event.Kind == core.Crashed:
			if !w.Crash(event.Tab, event.TooLarge) {
				return fmt.Errorf("no page of t%d is open", event.Tab)
			}
		case event.Is(core.Failed, core.Ping):
			if !w.BrowserDisconnects(event.Browser) {
				return fmt.Errorf("b%d is not alive, or is known to end already", event.Browser)
			}
		default:
			w.step(event)
		}
		return nil
	}
	if i := w.fake.Find(answer, event); i >= 0 {
		w.hears(event)
		answered := w.fake.Answer(i, outcome)
		answered.Jitter = event.Jitter
		w.step(answered)
		return nil
	}
	if w.ClosedAnyway(event) {
		w.fake.CloseContext(event.Tab)
		w.step(event)
		return nil
	}
	switch {
	case event.Is(core.Failed, core.Launch) && w.fake.Browser(event.Browser) != nil:
		return fmt.Errorf("the launch of b%d has been answered, and it is alive", event.Browser)
	case event.Kind == core.BrowserGone:
		if w.fake.Browser(event.Browser) == nil {
			return fmt.Errorf("no browser b%d is alive", event.Browser)
		}
		w.BrowserDies(event.Browser)
		return nil
	case event.Is(core.Done, core.CloseTab) && w.fake.Tab(event.Tab) != nil:
		return fmt.Errorf("nothing asks for the close of t%d, and it is alive", event.Tab)
	case event.Is(core.Done, core.CloseContext) && w.fake.Context(event.Context) != nil:
		return fmt.Errorf("nothing asks for the close of c%d, and it is alive", event.Context)
	case answer.OfBrowser() && w.fake.Browser(event.Browser) == nil,
		answer.OfContext() && !w.ledger.CountsContext(event.Context),
		!answer.OfBrowser() && !answer.OfContext() && !w.ledger.Counts(event.Tab):
		return fmt.Errorf("nothing was asked that this answers")
	}
	w.step(event)
	return nil
}

// Possible says whether the fake browser, as it is, can do what an event says. Perform takes more:
// a trace may be of a browser that did otherwise.
func (w *World) Possible(event core.Event) bool {
	answer, _ := fakebrowser.OperationOf(event)
	return answer == 0 || w.fake.Find(answer, event) >= 0 || w.ClosedAnyway(event)
}

// hears has the fake browser be as an event says that it is: whether leases have sessions and
// browsers can be checked, and what a holder left.
func (w *World) hears(event core.Event) {
	w.fake.Sessions = w.fake.Sessions || event.Sessions
	w.fake.Checks = w.fake.Checks || event.Checks
	if t := w.fake.Tab(event.Tab); t != nil && event.Is(core.Done, core.EndSession) {
		t.Left, t.Navigation = event.Left, event.Navigation
	}
}

// ClosedAnyway says whether an event is the end of a tab that the pool closes, and whose close is
// not out. It was dropped while the tab opened, as if there were no context yet, or it failed; who
// says that the tab is closed says that there was a context, or that the close worked anyway.
func (w *World) ClosedAnyway(event core.Event) bool {
	if !event.Is(core.Done, core.CloseTab) || event.Kept {
		return false
	}
	page := w.fake.Tab(event.Tab)
	t, _ := w.core.Tab(event.Tab)
	return page != nil && page.Own && (t.State == core.Closing || t.State == core.Lost)
}

// Wedge makes the page of a tab stop answering for ever: a close of it hangs until its renderer is
// killed. It is false where no such page is open.
func (w *World) Wedge(id core.TabID) bool {
	if !w.fake.Wedge(id) {
		return false
	}
	w.reached[wedged]++
	w.beginIncident(id)
	return true
}

// Loop makes the page of a tab stop answering until it is rescued. It is false where no such page
// is open. A world without a browser takes it on trust.
func (w *World) Loop(id core.TabID) bool {
	if !w.recorded && !w.fake.Loop(id) {
		return false
	}
	w.reached[looped]++
	w.beginIncident(id)
	return true
}

// Turn makes something that the tabs of a browser share be so from now on. It is false where that
// cannot be. A world without a browser takes it on trust.
func (w *World) Turn(id core.BrowserID, p fakebrowser.Part, h fakebrowser.Health) bool {
	if !w.recorded && !w.fake.Turn(id, p, h) {
		return false
	}
	w.reached[turnReaches[h][p]]++
	return true
}

// Spoil has the holder of a tab leave something that no end of a session undoes. It is false where
// that cannot be.
func (w *World) Spoil(id core.TabID, left core.Left) bool {
	t, ok := w.core.Tab(id)
	if !ok || t.State != core.Leased || !w.fake.Spoil(id, left) {
		return false
	}
	w.reached[leftSomething]++
	return true
}

// StopNavigating makes the page of a tab answer everything but navigations. It is false where no
// such page is held.
func (w *World) StopNavigating(id core.TabID) bool {
	t, ok := w.core.Tab(id)
	if !ok || t.State != core.Leased || !w.fake.StopNavigating(id) {
		return false
	}
	w.reached[navigatesNoMore]++
	return true
}

// Crash kills the renderer of a tab. It is false where no such page is open.
func (w *World) Crash(id core.TabID, tooLarge bool) bool {
	event, ok := w.fake.Crash(id)
	event.TooLarge = tooLarge
	if !ok {
		return false
	}
	t, _ := w.core.Tab(id)
	switch t.State {
	case core.Leased:
		w.reached[crashedLeased]++
	case core.Standby:
		w.reached[crashedStandby]++
	case core.Idle:
		w.reached[crashedIdle]++
	case core.Probing, core.Rescuing, core.Resetting:
		w.reached[crashedInDoubt]++
	}
	w.step(event)
	return true
}

// BrowserDies ends a browser process with all that is in it. It is false where it is not alive. A
// world without a browser takes it on trust.
func (w *World) BrowserDies(id core.BrowserID) bool {
	event, ok := core.Event{Kind: core.BrowserGone, Browser: id}, true
	if !w.recorded {
		event, ok = w.fake.Die(id)
	}
	if !ok {
		return false
	}
	w.reached[browserDied]++
	w.step(event)
	return true
}

// BrowserDisconnects has it be known that a browser ends, before it has ended. It is false where it
// is not alive, or where that is known already. A world without a browser takes it on trust.
func (w *World) BrowserDisconnects(id core.BrowserID) bool {
	event, ok := core.Event{Kind: core.Failed, Of: core.Ping, Browser: id}, true
	if !w.recorded {
		event, ok = w.fake.Disconnect(id)
	}
	if !ok {
		return false
	}
	w.reached[browserDisconnected]++
	w.step(event)
	return true
}

// Hold keeps operations of a kind, on a tab, a context or a browser, from answering by themselves,
// those under way and those to come; Unhold lets them go.
func (w *World) Hold(h fakebrowser.Hold) {
	w.fake.Hold(h)
	if h.Kind == fakebrowser.Close {
		w.beginIncident(h.Tab)
	}
}

// Unhold lets go what Hold held, or what hangs by itself. It is false where nothing does.
func (w *World) Unhold(h fakebrowser.Hold) bool { return w.fake.Unhold(h) }

package sim

import (
	"slices"
	"strconv"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Menu is a set of deviations that an untimed world may take. Each costs one of its faults.
type Menu uint32

const (
	OpenFails        Menu = 1 << iota
	OpenFailsLeaving      // and its page is there
	CloseFails
	CloseFailsAnyway // and its page is gone
	KillFails
	LaunchFails
	Hangs // an operation does not answer from now on
	CloseHangs
	Twice   // an answer comes a second time
	Late    // a deadline is faster than an answer that can still come
	Crashes // a page dies
	Wedges  // a page stops answering
	Loops   // a page stops answering, until it is rescued
	Doubts  // a probe, a rescue or a reset fails, or a session that is to end or to begin
	// a holder leaves something that no end of a session undoes, or a page that does not navigate any
	// more
	Leaves
	Silences   // the browser answers nothing any more
	Deaths     // the browser dies
	GivesUp    // a caller gives up, where its instruction allows it
	Expires    // a lease reaches its limit although its holder would give it back
	Sickens    // the browser draws no more, though it answers
	Outgrows   // a page uses more memory than it may
	Swells     // a page, or the browser itself, uses more memory
	TimePasses // by a tick: for what goes by the time, such as ageing
	HelperHangs
	HelperDies
	Floods       // a page floods the pipe
	LongMessages // a message takes up the pipe for a while
	GoesOn       // what hangs goes on: a helper, or a browser that was stopped
	Losses       // the browser is known to end, before it has ended
	AllFaults    = 1<<iota - 1
)

// actionKind says what an action is about.
type actionKind uint8

const (
	operationAnswers actionKind = iota
	clientGoesOn
	deadlineFires
	clientGivesUp
	operationHangs
	pageCrashes
	pageWedges
	pageLoops
	pageSpoiled
	contextSpoiled
	pageStopsNavigating
	pageFloods
	pageIsCutOff
	browserEnds
	partTurns
	pageSwells
	browserLeaks
	browserMeasured
	timePasses
	browserDisconnects
)

// Action is one thing that can happen next in an untimed world.
type Action struct {
	event    core.Event // a deadline
	kind     actionKind
	outcome  fakebrowser.Outcome
	twice    bool
	tooLarge bool // a page ends because it is
	made     bool // an opening hangs whose context is there
	closes   bool // a page that floods is closed
	part     fakebrowser.Part
	health   fakebrowser.Health
	index    int32 // of the operation, client, tab or browser
	Fault    bool  // it costs one of the faults, and a fair browser does not do it
}

// Actions appends everything that can happen next to buffer, in a fixed order. The first is the
// default policy: the oldest operation that can answers, then the callers go on, then time passes.
func (w *World) Actions(buffer []Action) []Action {
	out := buffer
	for i := range w.fake.Operations {
		if o := &w.fake.Operations[i]; w.fake.CanAnswer(o) && !o.Echo {
			out = append(out, Action{kind: operationAnswers, index: int32(i)})
			if b := w.fake.Browser(o.Browser); b != nil && b.Lost && o.CanEnd(fakebrowser.Fails) {
				out = append(out, Action{kind: operationAnswers, outcome: fakebrowser.Fails, index: int32(i)})
			}
		}
	}
	for i := range w.clients {
		if s := w.clients[i].state; (s == ready || s == unwinding) && !w.waitsForPipe(i) {
			out = append(out, Action{kind: clientGoesOn, index: int32(i)})
		}
	}
	for i := range w.fake.Browsers {
		if w.fake.Browsers[i].Stale {
			out = append(out, Action{kind: browserMeasured, index: int32(i)})
		}
	}
	out = w.turns(out)
	w.deadlines = slices.DeleteFunc(w.core.Deadlines(w.deadlines[:0]), func(d core.Deadline) bool {
		return d.At >= never
	})
	for i := range w.deadlines {
		if d := &w.deadlines[i]; !w.deviates(&d.Event) {
			out = append(out, Action{kind: deadlineFires, event: d.Event})
		}
	}
	for i := range w.fake.Operations {
		if w.fake.Operations[i].Echo {
			out = append(out, Action{kind: operationAnswers, outcome: w.fake.Operations[i].Outcome,
				index: int32(i)})
		}
	}
	if w.faults > 0 {
		out = w.deviations(out)
	}
	return out
}

// deviates says whether it is a fault that a deadline fires now: what it waits for can still come.
func (w *World) deviates(e *core.Event) bool {
	switch e.Kind {
	case core.RetryDue, core.RelaunchDue, core.ContractDue, core.BrowserWorn, core.CheckDue,
		core.FreezeDue, core.IdleDue:
		return false
	case core.Expired:
		i, ok := w.ownerOf(uint64(e.Request))
		return !ok || w.goesOn(i)
	case core.DrainSilent:
		if w.releasable(e.Browser) {
			return true
		}
	}
	for i := range w.fake.Operations {
		if o := &w.fake.Operations[i]; waitsFor(e, o) && w.fake.WillAnswer(o) {
			return true
		}
	}
	return false
}

// waitsFor says whether a deadline is that of an operation.
func waitsFor(e *core.Event, o *fakebrowser.Operation) bool {
	whole := e.Kind == core.BrowserStalled || e.Kind == core.DrainSilent
	return !o.Echo && (e.Tab != 0 && o.Tab == e.Tab ||
		e.Context != 0 && o.Tab == 0 && o.Context == e.Context ||
		e.Browser != 0 && o.Browser == e.Browser && (whole || o.Kind.OfBrowser()))
}

// releasable says whether a holder of a tab of a browser is about to go on.
func (w *World) releasable(b core.BrowserID) bool {
	for i := range w.clients {
		c := &w.clients[i]
		for n := range c.leases[:c.held] {
			t := w.fake.Tab(c.leases[n].tab)
			if t != nil && t.Browser == b && !c.leases[n].ended &&
				(c.state == ready && w.goesOn(i) || c.state == unwinding) {
				return true
			}
		}
	}
	return false
}

// deviations appends what costs a fault.
func (w *World) deviations(out []Action) []Action {
	add := func(a Action, of Menu) {
		if w.menu&of != 0 {
			a.Fault = true
			out = append(out, a)
		}
	}
	for i := range w.deadlines {
		d, of := &w.deadlines[i], Late
		if d.Event.Kind == core.Expired {
			of = Expires
		}
		if w.menu&of != 0 && w.deviates(&d.Event) {
			add(Action{kind: deadlineFires, event: d.Event}, of)
		}
	}
	for i := range w.fake.Operations {
		o := &w.fake.Operations[i]
		if o.Echo || !w.fake.CanAnswer(o) {
			continue
		}
		if o.Kind == fakebrowser.Open && w.fake.Tab(o.Tab) == nil {
			continue // its context was closed under it: it can only fail
		}
		index := int32(i)
		switch o.Kind {
		case fakebrowser.Launch:
			add(Action{kind: operationAnswers, outcome: fakebrowser.Fails, index: index}, LaunchFails)
		case fakebrowser.Open:
			add(Action{kind: operationAnswers, outcome: fakebrowser.Fails, index: index}, OpenFails)
			add(Action{kind: operationAnswers, outcome: fakebrowser.FailsAnyway, index: index},
				OpenFailsLeaving)
		case fakebrowser.Probe, fakebrowser.Rescue, fakebrowser.Reset, fakebrowser.EndSession,
			fakebrowser.BeginSession:
			add(Action{kind: operationAnswers, outcome: fakebrowser.Fails, index: index}, Doubts)
		case fakebrowser.Check, fakebrowser.Freeze:
			add(Action{kind: operationAnswers, outcome: fakebrowser.Fails, index: index}, Doubts)
		case fakebrowser.Close, fakebrowser.CloseContext:
			add(Action{kind: operationAnswers, outcome: fakebrowser.Fails, index: index}, CloseFails)
			add(Action{kind: operationAnswers, outcome: fakebrowser.FailsAnyway, index: index},
				CloseFailsAnyway)
		case fakebrowser.Kill:
			add(Action{kind: operationAnswers, outcome: fakebrowser.Fails, index: index}, KillFails)
		}
		add(Action{kind: operationAnswers, index: index, twice: true}, Twice)
		hangs := Hangs
		if o.Kind == fakebrowser.Close {
			hangs |= CloseHangs
		}
		add(Action{kind: operationHangs, index: index}, hangs)
		if o.Kind == fakebrowser.Open && !w.fake.Tab(o.Tab).Made {
			add(Action{kind: operationHangs, index: index, made: true}, Hangs)
		}
	}
	for i := range w.clients {
		c := &w.clients[i]
		if (c.state == waiting || c.state == calling) && w.programs[i][c.pc].GivesUp {
			add(Action{kind: clientGivesUp, index: int32(i)}, GivesUp)
		}
	}
	bounded := w.core.Settings.MaxBrowserMemory > 0 // otherwise nobody measures
	for i := range w.fake.Tabs {
		t := &w.fake.Tabs[i]
		if t.Opening || t.Dead {
			continue
		}
		add(Action{kind: pageCrashes, index: int32(i)}, Crashes)
		add(Action{kind: pageCrashes, index: int32(i), tooLarge: true}, Outgrows)
		if bounded {
			add(Action{kind: pageSwells, index: int32(i)}, Swells)
		}
		if !t.Wedged {
			add(Action{kind: pageWedges, index: int32(i)}, Wedges)
		}
		if !t.Wedged && !t.Looping {
			add(Action{kind: pageLoops, index: int32(i)}, Loops)
		}
		if w.menu&(Floods|Leaves) == 0 {
			continue
		}
		if held, ok := w.core.Tab(t.ID); !ok || held.State != core.Leased {
			continue
		}
		if !t.Floods {
			add(Action{kind: pageFloods, index: int32(i)}, Floods)
		}
		if !w.fake.Sessions {
			continue
		}
		if t.Left == core.Clean {
			add(Action{kind: pageSpoiled, index: int32(i)}, Leaves)
			add(Action{kind: contextSpoiled, index: int32(i)}, Leaves)
		}
		if t.Navigation != core.Stuck {
			add(Action{kind: pageStopsNavigating, index: int32(i)}, Leaves)
		}
	}
	for i := range w.fake.Browsers {
		add(Action{kind: browserEnds, index: int32(i)}, Deaths)
		b := &w.fake.Browsers[i]
		if !b.Launching && !b.Lost {
			add(Action{kind: browserDisconnects, index: int32(i)}, Losses)
		}
		if b.Parts[fakebrowser.Main].Health == fakebrowser.Fine && !b.Launching {
			add(Action{kind: partTurns, health: fakebrowser.Hung, index: int32(i)}, Silences)
		}
		if bounded && !b.Launching {
			add(Action{kind: browserLeaks, index: int32(i)}, Swells)
		}
		for _, p := range fakebrowser.Parts {
			was := b.Parts[p].Health
			turn := func(h fakebrowser.Health, of Menu) {
				if !b.Launching && was != h {
					add(Action{kind: partTurns, part: p, health: h, index: int32(i)}, of)
				}
			}
			switch asked := p.Helper() && w.fake.Checks; {
			case asked && was != fakebrowser.Hung && p == fakebrowser.Drawing:
				turn(fakebrowser.Hung, Sickens)
			case asked && was != fakebrowser.Hung:
				turn(fakebrowser.Hung, HelperHangs)
			case p == fakebrowser.Pipe && w.menu&LongMessages != 0 && w.leases(b.ID):
				turn(fakebrowser.Hung, LongMessages)
			}
			if was == fakebrowser.Hung && p != fakebrowser.Pipe {
				turn(fakebrowser.Fine, GoesOn)
			}
			if p.Helper() && w.fake.Checks {
				turn(fakebrowser.Dead, HelperDies)
			}
		}
	}
	if w.tick > 0 {
		add(Action{kind: timePasses}, TimePasses)
	}
	return out
}

// Do makes an action of this very state happen. It may take no step of the core.
func (w *World) Do(a *Action) {
	if a.Fault {
		w.faults--
	}
	switch a.kind {
	case operationAnswers:
		w.fake.Operations[a.index].Twice = a.twice || w.fake.Operations[a.index].Echo
		w.Answer(int(a.index), a.outcome)
	case operationHangs:
		o := &w.fake.Operations[a.index]
		o.Stuck = true
		if a.made {
			w.fake.Tab(o.Tab).Made = true
		}
	case clientGoesOn, clientGivesUp:
		w.run(int(a.index))
	case deadlineFires:
		w.step(a.event)
	case pageCrashes:
		w.Crash(w.fake.Tabs[a.index].ID, a.tooLarge)
	case pageWedges:
		w.Wedge(w.fake.Tabs[a.index].ID)
	case pageLoops:
		w.Loop(w.fake.Tabs[a.index].ID)
	case pageSpoiled:
		w.Spoil(w.fake.Tabs[a.index].ID, core.SpoiledTab)
	case contextSpoiled:
		w.Spoil(w.fake.Tabs[a.index].ID, core.SpoiledContext)
	case pageStopsNavigating:
		w.StopNavigating(w.fake.Tabs[a.index].ID)
	case pageFloods:
		w.Flood(w.fake.Tabs[a.index].ID)
	case pageIsCutOff:
		w.CutOff(w.fake.Tabs[a.index].ID, a.closes)
	case partTurns:
		w.Turn(w.fake.Browsers[a.index].ID, a.part, a.health)
	case pageSwells:
		w.Swell(w.fake.Tabs[a.index].ID, 1)
	case browserLeaks:
		w.Leak(w.fake.Browsers[a.index].ID, 1)
	case browserMeasured:
		w.measure(w.fake.Browsers[a.index].ID)
	case timePasses:
		w.now, w.pool = w.now+w.tick, 0 // ages count, so it is another state of the pool
	case browserEnds:
		w.BrowserDies(w.fake.Browsers[a.index].ID)
	case browserDisconnects:
		w.BrowserDisconnects(w.fake.Browsers[a.index].ID)
	}
}

// Label is the stable text of an action of this very state.
func (w *World) Label(a *Action) string {
	switch a.kind {
	case operationAnswers:
		o := &w.fake.Operations[a.index]
		return o.String() + [...]string{" works", " fails", " fails, and has worked"}[a.outcome] +
			w.twiceWord(a)
	case operationHangs:
		text := w.fake.Operations[a.index].String() + " hangs"
		if a.made {
			text += ", with its context there"
		}
		return text
	case clientGoesOn:
		return "client " + strconv.Itoa(int(a.index)+1) + " " + w.doing(int(a.index))
	case clientGivesUp:
		return "client " + strconv.Itoa(int(a.index)+1) + " gives up"
	case deadlineFires:
		return string(trace.AppendEvent(nil, a.event, letters{}))
	case pageCrashes:
		text := "crash t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID))
		if a.tooLarge {
			text += ", too large"
		}
		return text
	case pageWedges:
		return "wedge t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID))
	case pageLoops:
		return "loop t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID))
	case pageSpoiled:
		return "t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID)) + " is left spoiled"
	case contextSpoiled:
		return "t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID)) + " is left with its context spoiled"
	case pageStopsNavigating:
		return "t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID)) + " stops navigating"
	case pageFloods:
		return "t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID)) + " floods the pipe"
	case pageIsCutOff:
		text := "t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID)) + " is cut off"
		if a.closes {
			text += ", and closed"
		}
		return text
	case pageSwells:
		return "t" + strconv.Itoa(int(w.fake.Tabs[a.index].ID)) + " uses more memory"
	case browserLeaks:
		return "browser b" + strconv.Itoa(int(w.fake.Browsers[a.index].ID)) + " uses more memory"
	case browserMeasured:
		return "browser b" + strconv.Itoa(int(w.fake.Browsers[a.index].ID)) + " is measured"
	case timePasses:
		return "time passes"
	case browserDisconnects:
		return "browser b" + strconv.Itoa(int(w.fake.Browsers[a.index].ID)) + " disconnects"
	case partTurns:
		return a.part.String() + " of browser b" + strconv.Itoa(int(w.fake.Browsers[a.index].ID)) +
			" is " + a.health.String()
	default:
		return "browser b" + strconv.Itoa(int(w.fake.Browsers[a.index].ID)) + " dies"
	}
}

func (w *World) twiceWord(a *Action) string {
	switch {
	case w.fake.Operations[a.index].Echo:
		return ", says it again"
	case a.twice:
		return ", and will say so twice"
	}
	return ""
}

var verbWords = [...]string{
	End: "ends", Get: "gets", Hold: "holds on", Draw: "has its page drawn", Wedge: "wedges its page",
	Loop: "has its page loop", Crash: "crashes its page",
	Sit: "sits", Release: "releases", ReleaseTwice: "releases twice", Discard: "discards",
	DiscardWedged: "discards a wedged page", AbandonLate: "gives up too late", Dispose: "disposes",
	WarmUp: "warms", Recycle: "recycles", Sweep: "sweeps", ClosePool: "closes the pool",
}

// doing says what a client does next.
func (w *World) doing(i int) string {
	if w.clients[i].state == unwinding {
		return "gives back what is left"
	}
	in := w.programs[i][w.clients[i].pc]
	text := verbWords[in.Verb]
	if in.Affinity != 0 {
		text += " " + letters{}.Key(in.Affinity)
	}
	if in.Verb == Get && in.Class == core.Nested {
		text += " nested"
	}
	if in.NoWait {
		text += " nowait"
	}
	if in.Retain {
		text += " retain"
	}
	return text
}

// letters names affinities in simulation: A to Z, and by number from there.
type letters struct{}

// Key is the key of a handle.
func (letters) Key(a core.Affinity) string {
	if 1 <= a && a <= 26 {
		return string(rune('A' + a - 1))
	}
	return "affinity-" + strconv.Itoa(int(a))
}

// Handle is the handle of a key; 0 where it is none of these.
func (letters) Handle(key string) core.Affinity {
	if len(key) == 1 && 'A' <= key[0] && key[0] <= 'Z' {
		return core.Affinity(key[0]-'A') + 1
	}
	const prefix = "affinity-"
	if len(key) > len(prefix) && key[:len(prefix)] == prefix {
		n, _ := strconv.ParseUint(key[len(prefix):], 10, 32)
		return core.Affinity(n)
	}
	return 0
}

// Names gives the affinities of simulated worlds their keys.
var Names trace.Names = letters{}

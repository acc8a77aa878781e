package properties

import (
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// bareCore plays a script on a core.
type bareCore struct {
	shellScript
	h        shellHistory
	state    *core.State
	now      core.Time
	due      []dueEvent
	visitOf  map[core.RequestID]int
	handles  map[string]core.Affinity
	names    map[core.Affinity]string
	browsers map[core.BrowserID]bool
	lost     map[core.BrowserID]bool
	opening  map[core.TabID]bool
	opened   map[core.TabID]bool
	last     core.RequestID
}

// dueEvent is something that will happen. Of an operation it says what it is about, so that it can
// be called off.
type dueEvent struct {
	at      core.Time
	event   core.Event
	visit   int // 1 and on: the visit that begins
	tab     core.TabID
	context core.ContextID
	browser core.BrowserID
	kill    bool
	lost    bool // kill: its end takes a while
}

func playCore(s shellScript) []string {
	settings, err := core.Settings{
		MaxPages: s.cfg.MaxPages, MaxLease: s.cfg.MaxLease, Reset: s.cfg.Reset,
		TabsPerContext: s.cfg.More.TabsPerContext,
		OrphanCap:      s.cfg.More.OrphanCap, RetainOnEvict: s.cfg.More.RetainOnEvict,
	}.Resolve()
	if err != nil {
		panic(err)
	}
	if s.freezes > 0 {
		settings.FreezeAfter = s.freezes
	}
	b := &bareCore{
		shellScript: s, state: core.New(settings),
		visitOf: map[core.RequestID]int{}, handles: map[string]core.Affinity{},
		names: map[core.Affinity]string{}, browsers: map[core.BrowserID]bool{},
		lost:   map[core.BrowserID]bool{},
		opened: map[core.TabID]bool{}, opening: map[core.TabID]bool{},
	}
	for i, v := range s.visits {
		b.due = append(b.due, dueEvent{at: core.Time(v.at), visit: i + 1})
	}
	for _, at := range s.kills {
		b.due = append(b.due, dueEvent{at: core.Time(at), kill: true, lost: endsAfter(at) > 0})
	}
	b.due = append(b.due,
		dueEvent{at: core.Time(s.end), event: core.Event{Kind: core.CloseRequested}},
		dueEvent{at: core.Time(s.end), event: core.Event{Kind: core.CloseExpired}})
	b.step(core.Event{})
	for {
		first := -1
		for i := range b.due {
			if first < 0 || b.due[i].at < b.due[first].at {
				first = i
			}
		}
		d, armed := b.state.NextDeadline()
		switch {
		case armed && (first < 0 || d.At <= b.due[first].at):
			b.now = d.At
			switch silent := d.Event.Kind == core.Silent; {
			case silent && d.Event.Tab != 0 && d.Event.Of != core.OpenTab:
				b.callOff(func(e dueEvent) bool { return e.tab == d.Event.Tab })
			case silent && d.Event.Context != 0:
				b.callOff(func(e dueEvent) bool { return e.context == d.Event.Context })
			}
			b.step(d.Event)
		case first < 0:
			return b.h.sorted()
		default:
			next := b.due[first]
			b.due = slices.Delete(b.due, first, first+1)
			b.now = next.at
			b.happen(next)
		}
	}
}

func (b *bareCore) callOff(which func(dueEvent) bool) {
	b.due = slices.DeleteFunc(b.due, func(e dueEvent) bool {
		return (e.tab != 0 || e.context != 0 || e.browser != 0) && which(e)
	})
}

func (b *bareCore) happen(d dueEvent) {
	switch {
	case d.kill:
		oldest := core.BrowserID(0)
		for id := range b.browsers {
			if (oldest == 0 || id < oldest) && !(d.lost && b.lost[id]) {
				oldest = id
			}
		}
		switch {
		case oldest == 0:
		case d.lost:
			b.lost[oldest] = true
			b.due = append(b.due, dueEvent{at: b.now + core.Time(endsAfter(d.at.Duration())),
				event: core.Event{Kind: core.BrowserGone, Browser: oldest}})
			b.step(core.Event{Kind: core.Failed, Of: core.Ping, Browser: oldest})
		default:
			b.step(core.Event{Kind: core.BrowserGone, Browser: oldest})
		}
	case d.visit > 0:
		b.visit(d.visit-1, b.visits[d.visit-1])
	default:
		b.step(d.event)
	}
}

func (b *bareCore) visit(i int, v shellVisit) {
	if b.handles[v.key] == 0 {
		a := core.Affinity(1)
		for b.names[a] != "" {
			a++
		}
		b.handles[v.key], b.names[a] = a, v.key
	}
	b.last++
	b.visitOf[b.last] = i
	gone := core.Event{Kind: core.Abandoned, Request: b.last}
	e := core.Event{Kind: core.Requested, Request: b.last, Affinity: b.handles[v.key],
		Priority: int32(v.priority), Own: b.own(v.key)}
	if v.nested {
		e.Class = core.Nested
	}
	if v.dispose {
		e = core.Event{Kind: core.Disposed, Call: core.CallID(b.last), Affinity: b.handles[v.key],
			Retain: v.retain}
		gone = core.Event{Kind: core.CallAbandoned, Of: core.FinishDispose, Call: e.Call}
	}
	b.due = append(b.due, dueEvent{at: b.now + core.Time(v.patience), event: gone})
	b.step(e)
}

func (b *bareCore) step(e core.Event) {
	switch {
	case e.Is(core.Done, core.Launch):
		b.browsers[e.Browser] = true
	case e.Is(core.Done, core.OpenTab):
		b.opened[e.Tab] = true
		delete(b.opening, e.Tab)
	case e.Is(core.Failed, core.OpenTab):
		delete(b.opening, e.Tab)
	case e.Kind == core.BrowserGone:
		b.callOff(func(due dueEvent) bool { return due.browser == e.Browser })
		delete(b.browsers, e.Browser)
	}
	for _, f := range b.state.Step(b.now, e, nil) {
		b.carryOut(f)
	}
}

func (b *bareCore) carryOut(f core.Effect) {
	at, i := time.Duration(b.now), b.visitOf[f.Request]
	w := pool.Waits{Admission: time.Duration(f.Waits.Admission), Tab: time.Duration(f.Waits.Tab),
		Startup: time.Duration(f.Waits.Startup), Probe: time.Duration(f.Waits.Probe)}
	switch f.Kind {
	case core.Grant:
		how := "adopted"
		if f.How == core.Warm {
			how = "warm"
		}
		b.h.add(at, "visit%d %s t%d %v", i, how, f.Tab, w)
		v := b.visits[i]
		end := core.Event{Kind: core.Released, Request: f.Request}
		if v.discard {
			end.Kind, end.Wedged = core.Discarded, v.wedged
		}
		b.due = append(b.due, dueEvent{at: b.now + core.Time(v.hold), event: end})
	case core.Refuse:
		word := "refused"
		if f.Reason == core.RequestAbandoned {
			word = "given up"
		}
		b.h.add(at, "visit%d %s %v", i, word, w)
	case core.EndLease:
		cause := map[core.Reason]error{core.LeaseExpired: pool.ErrLeaseExpired,
			core.BrowserLost: pool.ErrBrowserLost, core.PoolClosed: pool.ErrClosed}[f.Reason]
		b.h.add(at, "visit%d ended %v", i, cause)
	case core.FinishDispose:
		b.h.add(at, "visit%d disposed", b.visitOf[core.RequestID(f.Call)])
	case core.FinishClose:
		b.h.add(at, "pool closed")
	case core.AnnounceWarm:
		b.h.add(at, "%s warm %d", b.names[f.Affinity], f.Generation)
	case core.AnnounceCold:
		b.h.add(at, "%s cold %d", b.names[f.Affinity], f.Generation)
	case core.Forget:
		delete(b.handles, b.names[f.Affinity])
		delete(b.names, f.Affinity)
	default:
		b.operate(f)
	}
}

// shellKinds are what the fake browser calls the operations that effects begin.
var shellKinds = map[core.EffectKind]fakebrowser.OperationKind{
	core.Launch: fakebrowser.Launch, core.CloseBrowser: fakebrowser.CloseBrowser,
	core.OpenTab: fakebrowser.Open, core.CloseTab: fakebrowser.Close,
	core.CloseAgain: fakebrowser.Close,
	core.KillTab:    fakebrowser.Kill, core.CloseContext: fakebrowser.Close,
	core.ProbeTab: fakebrowser.Probe, core.RescueTab: fakebrowser.Rescue,
	core.ResetTab:  fakebrowser.Reset,
	core.FreezeTab: fakebrowser.Freeze, core.EndSession: fakebrowser.EndSession,
	core.BeginSession: fakebrowser.BeginSession, core.Ping: fakebrowser.Ping,
	core.CheckBrowser: fakebrowser.Check,
}

func (b *bareCore) operate(f core.Effect) {
	fate := b.fate(shellKinds[f.Kind], uint64(f.Operation))
	after := core.Time(fate.After)
	e := core.Event{Kind: core.Done, Of: f.Kind, Tab: f.Tab, Browser: f.Browser}
	switch {
	case f.Kind == core.CloseBrowser:
		e.Kind, e.Of = core.BrowserGone, core.NoEffect
	case f.Kind == core.CloseAgain:
		e.Of = core.CloseTab
	}
	if fate.Result == fakebrowser.Fails && f.Kind != core.CloseBrowser && f.Kind != core.Ping {
		e.Kind = core.Failed
	}
	due := dueEvent{tab: f.Tab, browser: f.Browser}
	switch f.Kind {
	case core.Launch:
		e.Checks = b.checks && e.Is(core.Done, core.Launch)
	case core.CheckBrowser:
		e.Operation = f.Operation
	case core.OpenTab:
		b.opening[f.Tab], e.Sessions = true, b.sessions && e.Is(core.Done, core.OpenTab)
	case core.KillTab:
		if !b.opened[f.Tab] {
			e.Kind, after = core.Failed, 0 // there is no page to kill
		}
	case core.CloseTab, core.CloseAgain:
		e.Kept = f.Kept && e.Is(core.Done, core.CloseTab)
		if f.Kept && b.opening[f.Tab] {
			return // asked again when the opening is answered
		}
		if f.Kept && !b.opened[f.Tab] {
			e.Kind, e.Kept, after = core.Done, true, 0 // its opening has left nothing
		}
	case core.ProbeTab, core.RescueTab, core.ResetTab, core.FreezeTab, core.EndSession,
		core.BeginSession:
		e.Operation = f.Operation
		if e.Is(core.Done, core.EndSession) {
			e.Navigation = core.Arrived
		}
	case core.CloseContext:
		e.Context, due.context = f.Context, f.Context
	case core.CloseBrowser:
		if f.Force { // what it was asked ends, and is no news
			after = 0
			b.callOff(func(e dueEvent) bool {
				return e.browser == f.Browser && e.event.Kind != core.BrowserGone
			})
		}
		if b.lost[f.Browser] {
			return // it ends in its own time
		}
		if !b.browsers[f.Browser] { // its launch ends at once, and with it all that there is of it
			b.callOff(func(e dueEvent) bool { return e.browser == f.Browser })
			e.Kind, e.Of, after = core.Failed, core.Launch, 0
		}
	case core.Ping:
		after = 0
	}
	if f.Kind != core.Launch && f.Kind != core.CloseBrowser && f.Kind != core.Ping &&
		f.Kind != core.CheckBrowser {
		e.Browser = 0
	}
	due.at, due.event = b.now+after, e
	b.due = append(b.due, due)
}

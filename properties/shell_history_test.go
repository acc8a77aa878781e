package properties

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// The same script is played twice: by real goroutines on a Pool over the fake browser, in a bubble
// of virtual time, and by a loop of a few lines on a bare core. Whatever a caller or a subscriber
// can see, and when, has to be the same.

// shellVisit is one call of a script.
type shellVisit struct {
	at       time.Duration
	patience time.Duration // for GetPage
	hold     time.Duration
	key      string
	nested   bool
	dispose  bool // instead of a lease
	discard  bool
	wedged   bool
	priority int
	retain   bool
}

type shellScript struct {
	seed     uint64
	sessions bool // each lease has a session of its own
	checks   bool // browsers can be checked
	freezes  time.Duration
	owns     bool // the affinities a and b have terms of their own
	cfg      pool.Config
	visits   []shellVisit
	kills    []time.Duration // when the browser dies; of two, the older one
	end      time.Duration   // when Close is called
}

// someTime is a duration that no other one of a script meets by chance: the history of what happens at
// one and the same nanosecond is not determined.
func someTime(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(1 + r.Int64N(int64(most)))
}

func newShellScript(seed uint64) shellScript {
	r := rand.New(rand.NewPCG(seed, 1))
	s := shellScript{
		seed: seed, sessions: seed%2 == 1, checks: seed%3 == 0, freezes: time.Duration(seed%4) * 700 * time.Millisecond,
		owns: seed%5 >= 3,
		cfg: pool.Config{
			MaxPages: 1 + r.IntN(4), MaxLease: 20 * time.Second, Reset: r.IntN(3) == 0,
			More: pool.More{
				TabsPerContext: 1 + r.IntN(2), OrphanCap: 1 + r.IntN(3), RetainOnEvict: r.IntN(3) == 0,
				Strict: true,
			},
		},
		end: 4 * time.Minute,
	}
	for range 150 {
		s.visits = append(s.visits, shellVisit{
			at: someTime(r, s.end), patience: someTime(r, 40*time.Second), hold: someTime(r, 8*time.Second),
			key: string(rune('a' + r.IntN(5))), nested: r.IntN(4) == 0, dispose: r.IntN(12) == 0,
			discard: r.IntN(6) == 0, wedged: r.IntN(2) == 0, priority: r.IntN(3), retain: r.IntN(2) == 0,
		})
		if r.IntN(10) == 0 {
			s.visits[len(s.visits)-1].hold += s.cfg.MaxLease
		}
	}
	slices.SortFunc(s.visits, func(a, b shellVisit) int { return int(a.at - b.at) })
	for range r.IntN(3) {
		s.kills = append(s.kills, someTime(r, s.end))
	}
	return s
}

// own says whether an affinity has terms of its own.
func (s shellScript) own(key string) bool { return s.owns && key <= "b" }

// fate is what becomes of an operation. It depends on its number alone, so both players meet it.
func (s shellScript) fate(kind fakebrowser.OperationKind, operation uint64) fakebrowser.Fate {
	r := rand.New(rand.NewPCG(s.seed, 2+operation))
	f := fakebrowser.Usual(kind)
	f.After += someTime(r, f.After)
	if r.IntN(8) == 0 {
		f.Result = fakebrowser.Fails
	}
	if r.IntN(6) == 0 {
		f.After += someTime(r, 7*time.Second)
	}
	if kind == fakebrowser.CloseBrowser {
		f.Result, f.After = fakebrowser.Works, someTime(r, time.Second)
	}
	return f
}

// shellHistory is what could be seen, and when.
type shellHistory struct {
	mu    sync.Mutex
	began time.Time
	lines []string
}

func (h *shellHistory) add(at time.Duration, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%14d ", at)+fmt.Sprintf(format, args...))
}

func (h *shellHistory) sorted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.lines) // of one instant, in any order
	return h.lines
}

func TestShellOverTheFakeBrowserHasTheHistoryOfTheBareCore(t *testing.T) {
	reached := map[string]int{}
	for seed := range uint64(25) {
		s := newShellScript(seed)
		var bare, shell []string
		synctest.Test(t, func(t *testing.T) { shell = playShell(t, s) })
		bare = playCore(s)
		for i := range max(len(bare), len(shell)) {
			if i >= len(bare) || i >= len(shell) || bare[i] != shell[i] {
				t.Fatalf("seed %d, line %d:\nbare   %q\nshell  %q", seed, i, bare[max(0, i-3):min(i+3, len(bare))], shell[max(0, i-3):min(i+3, len(shell))])
			}
		}
		for _, line := range bare {
			words := strings.Fields(line)
			reached[words[2]]++
		}
	}
	for _, word := range []string{"adopted", "warm", "cold", "refused", "given", "ended", "disposed", "closed"} {
		if reached[word] == 0 {
			t.Errorf("no script reached %q: %v", word, reached)
		}
	}
	t.Log(reached)
}

func playShell(t *testing.T, s shellScript) []string {
	h := &shellHistory{began: time.Now()}
	now := func() time.Duration { return time.Since(h.began) }
	launcher := &fakebrowser.Launcher{Fate: s.fate, Sessions: s.sessions, Checks: s.checks, FreezeAfter: s.freezes, Owns: s.own}
	p, err := pool.New(launcher, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.Subscribe(func(a pool.Announcement) {
		word := "cold"
		if a.Warm {
			word = "warm"
		}
		h.add(now(), "%s %s %d", a.Affinity, word, a.Generation)
	})
	for _, at := range s.kills {
		time.AfterFunc(at, launcher.KillOldest)
	}
	var clients sync.WaitGroup
	for i, v := range s.visits {
		clients.Go(func() {
			<-time.After(v.at)
			playVisit(p, h, i, v)
		})
	}
	<-time.After(s.end)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("seed %d: %v", s.seed, err)
	}
	h.add(now(), "pool closed")
	clients.Wait()
	synctest.Wait()
	if left := launcher.Census(); left != (fakebrowser.Census{}) {
		t.Errorf("seed %d: after Close the fake has %+v", s.seed, left)
	}
	return h.sorted()
}

func playVisit(p *pool.Pool[*fakebrowser.Page], h *shellHistory, i int, v shellVisit) {
	now := func() time.Duration { return time.Since(h.began) }
	ctx, cancel := context.WithTimeout(context.Background(), v.patience)
	defer cancel()
	if v.dispose {
		var opts []pool.DisposeOption
		if v.retain {
			opts = append(opts, pool.Retain())
		}
		if p.DisposeAffinity(ctx, v.key, opts...) == nil {
			h.add(now(), "visit%d disposed", i)
		}
		return
	}
	opts := []pool.GetOption{pool.WithPriority(v.priority)}
	if v.nested {
		opts = append(opts, pool.Nested())
	}
	l, err := p.GetPage(ctx, v.key, opts...)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		h.add(now(), "visit%d given up %v", i, err.(*pool.Error).Waits)
		return
	case err != nil:
		h.add(now(), "visit%d refused %v", i, err.(*pool.Error).Waits)
		return
	case l.Reused():
		h.add(now(), "visit%d warm %s %v", i, l.TabID(), l.Waits())
	default:
		h.add(now(), "visit%d adopted %s %v", i, l.TabID(), l.Waits())
	}
	select {
	case <-time.After(v.hold):
	case <-l.Context().Done():
		h.add(now(), "visit%d ended %v", i, context.Cause(l.Context()))
	}
	switch {
	case v.discard && v.wedged:
		l.Suspect()
	case v.discard:
		l.Discard(nil)
	default:
		l.Release()
	}
}

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
}

func playCore(s shellScript) []string {
	settings, err := core.Settings{
		MaxPages: s.cfg.MaxPages, MaxLease: s.cfg.MaxLease, Reset: s.cfg.Reset, TabsPerContext: s.cfg.More.TabsPerContext,
		OrphanCap: s.cfg.More.OrphanCap, RetainOnEvict: s.cfg.More.RetainOnEvict,
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
		names: map[core.Affinity]string{}, browsers: map[core.BrowserID]bool{}, opened: map[core.TabID]bool{}, opening: map[core.TabID]bool{},
	}
	for i, v := range s.visits {
		b.due = append(b.due, dueEvent{at: core.Time(v.at), visit: i + 1})
	}
	for _, at := range s.kills {
		b.due = append(b.due, dueEvent{at: core.Time(at), kill: true})
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
	b.due = slices.DeleteFunc(b.due, func(e dueEvent) bool { return (e.tab != 0 || e.context != 0 || e.browser != 0) && which(e) })
}

func (b *bareCore) happen(d dueEvent) {
	switch {
	case d.kill:
		oldest := core.BrowserID(0)
		for id := range b.browsers {
			if oldest == 0 || id < oldest {
				oldest = id
			}
		}
		if oldest != 0 {
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
	e := core.Event{Kind: core.Requested, Request: b.last, Affinity: b.handles[v.key], Priority: int32(v.priority), Own: b.own(v.key)}
	if v.nested {
		e.Class = core.Nested
	}
	if v.dispose {
		e = core.Event{Kind: core.Disposed, Call: core.CallID(b.last), Affinity: b.handles[v.key], Retain: v.retain}
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
	w := pool.Waits{Admission: time.Duration(f.Waits.Admission), Tab: time.Duration(f.Waits.Tab), Startup: time.Duration(f.Waits.Startup), Probe: time.Duration(f.Waits.Probe)}
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
		cause := map[core.Reason]error{core.LeaseExpired: pool.ErrLeaseExpired, core.BrowserLost: pool.ErrBrowserLost, core.PoolClosed: pool.ErrClosed}[f.Reason]
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
	core.OpenTab: fakebrowser.Open, core.CloseTab: fakebrowser.Close, core.CloseAgain: fakebrowser.Close,
	core.KillTab: fakebrowser.Kill, core.CloseContext: fakebrowser.Close,
	core.ProbeTab: fakebrowser.Probe, core.RescueTab: fakebrowser.Rescue, core.ResetTab: fakebrowser.Reset,
	core.FreezeTab: fakebrowser.Freeze, core.EndSession: fakebrowser.EndSession,
	core.BeginSession: fakebrowser.BeginSession, core.Ping: fakebrowser.Ping, core.CheckBrowser: fakebrowser.Check,
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
	case core.ProbeTab, core.RescueTab, core.ResetTab, core.FreezeTab, core.EndSession, core.BeginSession:
		e.Operation = f.Operation
		if e.Is(core.Done, core.EndSession) {
			e.Navigation = core.Arrived
		}
	case core.CloseContext:
		e.Context, due.context = f.Context, f.Context
	case core.CloseBrowser:
		if f.Force {
			after = 0
		}
		if !b.browsers[f.Browser] { // its launch ends at once, and with it all that there is of it
			b.callOff(func(e dueEvent) bool { return e.browser == f.Browser })
			e.Kind, e.Of, after = core.Failed, core.Launch, 0
		}
	case core.Ping:
		after = 0
	}
	if f.Kind != core.Launch && f.Kind != core.CloseBrowser && f.Kind != core.Ping && f.Kind != core.CheckBrowser {
		e.Browser = 0
	}
	due.at, due.event = b.now+after, e
	b.due = append(b.due, due)
}

package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// stepLocked tells the core what happened now, and carries out what it says, in order. This is the
// only way into the core, and there is no other place from which callers are answered or browsers
// asked for anything.
func (p *Pool[P]) stepLocked(e core.Event) {
	p.onceLocked(e)
	for len(p.mu.answers) > 0 {
		e, p.mu.answers = p.mu.answers[0], p.mu.answers[1:]
		p.onceLocked(e)
	}
	p.armLocked()
	p.checkLocked()
	p.finishLocked()
}

// observer is a launcher of this repository's own tools. It is told of every step, in order and
// under the lock, so it must not keep after. It is no part of the API.
type observer interface {
	Stepped(_ shell.Locked, at core.Time, affinity string, e core.Event, after *core.State)
}

func (p *Pool[P]) onceLocked(e core.Event) {
	now := p.nowLocked()
	p.mu.recorder.add(now, e, p.mu.core, &p.mu.keys)
	lost := p.lostLocked(e)
	p.mu.effects = p.mu.core.Step(now, e, p.mu.effects[:0])
	p.mu.armed = min(p.mu.armed, p.mu.core.Armed())
	if p.observer != nil {
		p.observer.Stepped(shell.Locked{}, now, p.mu.keys.name(e.Affinity), e, p.mu.core)
	}
	p.mu.counters.Lost += uint64(p.lostLocked(e) - lost)
	for i := range p.mu.effects {
		p.carryOutLocked(&p.mu.effects[i])
	}
	if l := p.mu.asking; l != nil { // it was not answered at once
		p.mu.asking = nil
		p.mu.requests[l.request] = l
	}
	p.happenedLocked(e)
}

// lostLocked is how many tabs and contexts are lost, where e can be what loses one.
func (p *Pool[P]) lostLocked(e core.Event) int {
	if !e.Is(core.Silent, core.KillTab) && !e.Is(core.Silent, core.CloseContext) {
		return 0
	}
	return p.mu.core.Count(core.Lost) + p.mu.core.LostContexts()
}

func (p *Pool[P]) nowLocked() core.Time {
	if p.real {
		return core.Time(time.Since(p.began)) // half the price of Now: it does not read the wall clock
	}
	return core.Time(p.clock.Now().Sub(p.began))
}

func (p *Pool[P]) carryOutLocked(e *core.Effect) {
	p.mu.counters.count(e)
	p.mu.closes.count(e)
	if e.Reason == core.Doubt {
		p.noteLocked(slog.LevelWarn, "context in doubt given up", "context",
			p.mu.contexts[e.Context].name,
			"affinity", shortened(p.mu.keys.name(e.Affinity)))
	}
	if e.Kind == core.CloseTab && e.Reason == core.Crash && p.mu.tabs[e.Tab].pageClosed() != nil {
		p.mu.counters.Crashes--
		p.mu.counters.PagesClosed++
	}
	if givesUpContext(e) {
		p.forgetLocked(p.mu.keys.name(e.Affinity))
	}
	switch e.Kind {
	case core.Grant:
		p.grantLocked(e)
	case core.Refuse:
		p.refuseLocked(e)
	case core.EndLease:
		p.endLeaseLocked(e)
	case core.FinishDispose, core.FinishWarm, core.FinishRecycle:
		p.finishCallLocked(e)
	case core.FinishClose:
		p.finishCloseLocked()
	case core.AnnounceWarm, core.AnnounceCold:
		p.announceLocked(Announcement{p.mu.keys.name(e.Affinity), uint64(e.Generation),
			e.Kind == core.AnnounceWarm})
	case core.Forget:
		p.mu.keys.forget(e.Affinity)
	case core.GiveUp:
		p.giveUpLocked(e)
	case core.Launch:
		p.launchLocked(e)
	case core.CloseBrowser:
		p.closeBrowserLocked(e)
	case core.Ping:
		p.pingLocked(e)
	case core.CheckBrowser:
		p.checkBrowserLocked(e)
	case core.OpenTab:
		p.openLocked(e)
	case core.ProbeTab, core.RescueTab, core.ResetTab:
		p.askPageLocked(e)
	case core.FreezeTab:
		p.freezeLocked(e)
	case core.EndSession:
		p.endSessionLocked(e)
	case core.BeginSession:
		p.beginSessionLocked(e)
	case core.CloseTab, core.CloseAgain:
		p.sweptLocked(e)
		p.closeLocked(e)
	case core.KillTab:
		p.killLocked(e)
	case core.CloseContext:
		p.sweptLocked(e)
		p.closeContextLocked(e)
	}
}

// sweptLocked notes whom EvictIdle has begun to close.
func (p *Pool[P]) sweptLocked(e *core.Effect) {
	if p.mu.swept == nil {
		return // MaxIdle closes it
	}
	if key := p.mu.keys.name(e.Affinity); e.Reason == core.IdleSweep &&
		!slices.Contains(*p.mu.swept, key) {
		*p.mu.swept = append(*p.mu.swept, key)
	}
}

// requestLocked is who asked, and asks no longer: most requests are answered in the step in which
// they come, and are never among those that wait.
func (p *Pool[P]) requestLocked(id core.RequestID) *Lease[P] {
	if l := p.mu.asking; l != nil && l.request == id {
		p.mu.asking = nil
		return l
	}
	l := p.mu.requests[id]
	delete(p.mu.requests, id)
	return l
}

func (p *Pool[P]) grantLocked(e *core.Effect) {
	l, t := p.requestLocked(e.Request), p.mu.tabs[e.Tab]
	if l == nil || t == nil {
		p.bugLocked("a grant of t%d to r%d, one of which is not there", e.Tab, e.Request)
		return
	}
	t.affinity = p.mu.keys.name(e.Affinity)
	l.tab, l.page, l.life, l.reused, l.waits = t, t.holds, t.pageLife, e.How == core.Warm,
		waits(e.Waits)
	t.holder = l
	if t.diagnoser != nil {
		t.diagnoser.LeaseBegun(shell.Locked{}, t.affinity)
	}
	l.answerLocked()
}

func (p *Pool[P]) refuseLocked(e *core.Effect) {
	l := p.requestLocked(e.Request)
	if l == nil {
		p.bugLocked("a refusal of r%d, which does not wait", e.Request)
		return
	}
	l.waits, l.refused = waits(e.Waits), p.causeLocked(e.Reason)
	l.answerLocked()
}

func waits(w core.Waits) Waits {
	return Waits{time.Duration(w.Admission), time.Duration(w.Tab), time.Duration(w.Startup),
		time.Duration(w.Probe)}
}

// causeLocked is the error for a reason of the core; nil for a caller that has gone by itself.
func (p *Pool[P]) causeLocked(r core.Reason) error {
	if r == core.BrowserUnavailable && p.mu.lastFailure != nil {
		return fmt.Errorf("%w: %w", ErrBrowserUnavailable, p.mu.lastFailure)
	}
	return causes[r]
}

func (p *Pool[P]) endLeaseLocked(e *core.Effect) {
	t := p.mu.tabs[e.Tab]
	if t == nil || t.holder == nil || t.holder.request != e.Request {
		p.bugLocked("the lease of r%d on t%d ends, and is not there", e.Request, e.Tab)
		return
	}
	if e.Reason == core.LeaseExpired {
		p.diagnoseLocked(t.holder, ErrLeaseExpired)
	}
	cause, reason := causes[e.Reason], e.Reason.String()
	switch closed := t.pageClosed(); {
	case e.Reason == core.PageCrashed && closed != nil:
		cause, reason = closed, outcomeOf(closed)
	case e.Reason == core.PageTooLarge:
		cause = context.Cause(t.pageLife) // which has the sizes
	}
	ended := t.holder
	ended.endLocked(cause)
	p.noteLocked(slog.LevelWarn, "lease ended without its holder", "tab", t.name, "reason", reason,
		"affinity", shortened(t.affinity), "label", shortened(ended.label))
}

// pageClosed is the driver's word that the page was closed, and did not crash. The core treats both
// ends alike. It is nil where the page lives, crashed, or ended in a way that the driver cannot
// tell.
func (t *tab[P]) pageClosed() error {
	if t == nil || t.pageLife == nil {
		return nil
	}
	if cause := context.Cause(t.pageLife); errors.Is(cause, ErrPageClosed) {
		return cause
	}
	return nil
}

func (p *Pool[P]) finishCallLocked(e *core.Effect) {
	c := p.mu.calls[e.Call]
	if c == nil {
		p.bugLocked("an answer to call %d, which does not wait", e.Call)
		return
	}
	delete(p.mu.calls, e.Call)
	c.err = p.causeLocked(e.Reason)
	close(c.answer)
}

// happenedLocked keeps the shell's own books after an event that the core has taken in.
func (p *Pool[P]) happenedLocked(e core.Event) {
	switch {
	case e.Is(core.Done, core.CloseTab), e.Is(core.Done, core.CloseContext):
		context := e.Context
		if t := p.mu.tabs[e.Tab]; t != nil {
			context = t.context.id
			if _, counted := p.mu.core.Tab(e.Tab); !counted {
				p.forgetTabLocked(t)
			}
		}
		if c := p.mu.contexts[context]; c != nil && !p.mu.core.HasContext(context) {
			p.forgetContextLocked(c)
		}
	case endsBrowser(&e):
		for _, t := range p.mu.tabs {
			if t.browser.id == e.Browser {
				p.forgetTabLocked(t)
			}
		}
		for _, c := range p.mu.contexts {
			if c.browser.id == e.Browser {
				p.forgetContextLocked(c)
			}
		}
	}
}

// endsBrowser says whether nothing of a browser is on the core's books after an event, where its
// launch or its end was asked for.
func endsBrowser(e *core.Event) bool {
	return e.Kind == core.BrowserGone || e.Is(core.Failed, core.Launch) ||
		e.Is(core.Silent, core.Launch) || e.Is(core.Silent, core.CloseBrowser)
}

// noDeadline is an instant that does not come.
const noDeadline core.Time = math.MaxInt64

// beginLocked runs call in a goroutine of its own, on behalf of a browser, and then answer under
// the lock.
func (p *Pool[P]) beginLocked(b *browser[P], call, answer func()) {
	p.mu.running++
	b.running++
	go func() {
		call()
		p.mu.Lock()
		defer p.unlock()
		answer()
		p.mu.running--
		b.running--
		p.finishLocked()
	}()
}

// finishCloseLocked notes that the core has ended. What is left to wait for are goroutines that
// are on their way out, and drivers that do not do what they promise: those get one more
// BrowserCloseTimeout.
func (p *Pool[P]) finishCloseLocked() {
	p.mu.finished = true
	p.disarmLocked()
	for s := range p.mu.subscribers {
		s.end()
	}
	clear(p.mu.subscribers)
	p.mu.stopWait = p.clock.AfterFunc(p.settings.BrowserCloseTimeout, func() {
		p.mu.Lock()
		defer p.unlock()
		p.endPoolLocked()
	})
}

// finishLocked ends the pool once the core has ended, nothing runs that can be waited for, and the
// log is written. A browser that is not known to be gone was written off, and so are the calls into
// it.
func (p *Pool[P]) finishLocked() {
	if p.mu.finished && p.waitsForLocked() == 0 && p.mu.logging+len(p.mu.notes)+len(p.mu.ends) == 0 {
		p.mu.stopWait()
		p.endPoolLocked()
	}
}

func (p *Pool[P]) waitsForLocked() int {
	n := p.mu.running
	for _, b := range p.mu.browsers {
		n -= b.running
	}
	return n
}

func (p *Pool[P]) endedLocked() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

func (p *Pool[P]) endPoolLocked() {
	if p.endedLocked() {
		return
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(p.mu.browsers)) {
		b := p.mu.browsers[id]
		errs = append(errs, fmt.Errorf("%s was written off: %s", b.name(), b.state()))
	}
	if n := p.waitsForLocked(); n > 0 {
		errs = append(errs, fmt.Errorf(
			"%d calls into the driver have not returned, though their browser is gone", n))
	}
	if p.mu.logging > 0 {
		errs = append(errs, fmt.Errorf("%d calls of the logger or the tracer have not returned",
			p.mu.logging))
	}
	if len(errs) > 0 {
		p.mu.closeError = &Error{Op: "Close", Err: errors.Join(errs...)}
	}
	close(p.over)
}

// note is one line for the log. A logger may be slow, or ask the pool something, so it is called
// when the lock is free.
type note struct {
	level slog.Level
	text  string
	args  []any
	bug   string // what was found; empty: it is no bug of the pool's
}

func (p *Pool[P]) noteLocked(level slog.Level, text string, args ...any) {
	p.mu.notes = append(p.mu.notes, note{level: level, text: text, args: args})
	if level >= slog.LevelWarn {
		p.mu.faults.add(p.clock.Now(), text, args)
	}
}

// unlock frees the lock, and then tells the tracer and writes the log. The pool does not end
// meanwhile, and after its end nothing is written: what a browser says that was written off comes
// too late for anybody.
func (p *Pool[P]) unlock() {
	notes, ends := p.mu.notes, p.mu.ends
	p.mu.notes, p.mu.ends = nil, nil
	if len(notes)+len(ends) == 0 || p.endedLocked() {
		p.mu.Unlock()
		return
	}
	p.mu.logging++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.mu.logging--
		p.finishLocked()
	}()
	for _, end := range ends {
		end()
	}
	for _, n := range notes {
		p.log.Log(context.Background(), n.level, n.text, n.args...)
		if n.bug != "" && p.strict {
			panic("pool: BUG: " + n.bug)
		}
	}
}

const (
	bugEvents = 64 // a bug is reported with so many of the last events
	bugsMost  = 10 // books that are wrong stay wrong, and the first reports say why
)

// bugLocked reports a mistake of the pool's own, with what led to it.
func (p *Pool[P]) bugLocked(format string, args ...any) {
	if p.mu.bugs++; p.mu.bugs > bugsMost {
		return
	}
	finding := fmt.Sprintf(format, args...)
	var events []byte
	p.mu.recorder.each(bugEvents, func(r record) {
		if p.pseudonyms {
			r.key = pseudonym(r.event.Affinity)
		}
		events = fmt.Appendf(events, "@%v ", time.Duration(r.at))
		events = append(trace.AppendEvent(events, r.event, r), '\n')
	})
	p.mu.notes = append(p.mu.notes,
		note{slog.LevelError, "pool: BUG", []any{"finding", finding, "events", string(events)}, finding})
}

// checkLocked compares, after every step, the core's books with themselves and the shell's with the
// core's. It takes constant time.
func (p *Pool[P]) checkLocked() {
	c := p.mu.core
	if v, broken := core.CheckBooks(c); broken {
		p.bugLocked("%v", v)
	}
	if len(p.mu.tabs) != c.Alive() {
		p.bugLocked("%d tabs are known, and the core counts %d", len(p.mu.tabs), c.Alive())
	}
	if len(p.mu.contexts) != c.ContextCount() {
		p.bugLocked("%d contexts are known, and the core counts %d", len(p.mu.contexts), c.ContextCount())
	}
	if waiting := c.Waiting(core.Root) + c.Waiting(core.Nested); len(p.mu.requests) != waiting {
		p.bugLocked("%d requests are known, and %d wait in the core", len(p.mu.requests), waiting)
	}
	if len(p.mu.calls) != len(c.Calls) {
		p.bugLocked("%d calls are known, and %d wait in the core", len(p.mu.calls), len(c.Calls))
	}
	if handles, names := p.mu.keys.count(); handles != c.Known() || names != c.Known() {
		p.bugLocked("%d keys have handles, %d handles have keys, and the core knows %d", handles, names,
			c.Known())
	}
}

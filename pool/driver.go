package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// What the browser has to be asked for: one goroutine for each operation, which waits for the
// driver's answer without the lock and tells the core.

// browser is what the core's number of a browser stands for. It is known until it is gone, which
// for one that was written off may be never.
type browser[P any] struct {
	id        core.BrowserID
	process   Browser[P]              // nil: its launch has not been answered
	done      <-chan struct{}         // the process's; set with it
	lost      <-chan struct{}         // a LossTeller's; set with it
	ended     <-chan error            // an EndTeller's; set with it
	life      context.Context         // every call into it derives from this one
	end       context.CancelCauseFunc // ends them all: it is gone, or nobody waits for it any more
	running   int                     // goroutines that may wait for it
	unwanted  bool                    // the core has asked for its end
	told      bool                    // the core was told that it is lost
	cause     error                   // how it ended unasked; nil: it has not, or nobody knows
	forgotten chan struct{}           // closed when the browser is known no more

	launched    core.Time               // when its launch was asked for
	giveUpCheck context.CancelCauseFunc // of its last check

	memory        int64       // what its processes use together, as last measured
	stopMeasuring func() bool // set where it is measured
}

func (b *browser[P]) name() string { return "browser " + browserName(b.id) }

func (b *browser[P]) state() string {
	if b.process == nil {
		return "its launch has not returned"
	}
	return "it did not end in time, and its process may still run"
}

// gone says whether the driver has said that the browser is gone.
func (b *browser[P]) gone() bool { return b.process != nil && closed(b.done) }

// losing says whether the driver has said that the browser is about to be gone, unasked.
func (b *browser[P]) losing() bool { return b.process != nil && closed(b.lost) }

// whyLost is the error of a browser that is gone unasked. It is asked for once.
func (b *browser[P]) whyLost() error {
	select {
	case cause := <-b.ended:
		return fmt.Errorf("%w: %w", ErrBrowserLost, cause)
	default:
		return ErrBrowserLost
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// browserContext is what the core's number of a context stands for. It is known for as long as the
// core counts it.
type browserContext[P any] struct {
	id      core.ContextID
	name    string
	browser *browser[P]
	handle  BrowserContext[P] // nil: not made, or not yet
	calls
}

// tab is what the core's number of a tab stands for. It is known for as long as the core counts it.
type tab[P any] struct {
	id       core.TabID
	name     string
	affinity string // whose it is, or was
	browser  *browser[P]
	context  *browserContext[P]
	page     Tab[P] // nil: not opened, or not yet
	// what the next or the present holder gets; set with it, and by BeginLease
	holds     P
	pageLife  context.Context // what his lease derives from; set in the same way
	pageDone  <-chan struct{} // the page's; set with it
	leases    LeaseTab[P]     // the page, where it is one; set with it
	diagnoser leaseDiagnoser  // the page, where it is one; set with it
	holder    *Lease[P]
	diagnosed bool          // a diagnosis of its last lease was begun, and its probe has not been
	lastError error         // why the last operation on it that came to nothing did
	unfreeze  func()        // ends the last call that freezes its page, if there was one
	opening   bool          // its opening has not been answered
	crashed   bool          // the core knows that its page ended by itself
	closing   bool          // its close has been asked for
	forgotten chan struct{} // closed when the tab is known no more; made with page
	calls
}

// calls are the calls into the driver on behalf of one thing.
type calls struct {
	whole context.Context         // the browser's life
	life  context.Context         // those that are under way derive from this one
	end   context.CancelCauseFunc // ends them
}

func callsWithin(whole context.Context) calls {
	c := calls{whole: whole}
	c.life, c.end = context.WithCancelCause(whole)
	return c
}

// giveUp ends the calls that are under way; later ones begin anew.
func (c *calls) giveUp(cause error) {
	c.end(cause)
	c.life, c.end = context.WithCancelCause(c.whole)
}

func (p *Pool[P]) forgetTabLocked(t *tab[P]) {
	delete(p.mu.tabs, t.id)
	t.end(errors.New("the tab is gone"))
	if t.forgotten != nil {
		close(t.forgotten)
	}
}

func (p *Pool[P]) forgetContextLocked(c *browserContext[P]) {
	delete(p.mu.contexts, c.id)
	c.end(errors.New("the context is gone"))
}

var (
	errNoBrowser = errors.New("the launcher returned neither a browser nor an error")
	errNoContext = errors.New("the driver returned neither a context nor an error")
	errNoLease   = errors.New("the driver returned neither a lease's context nor an error")
	errNoTab     = errors.New("the driver returned neither a tab nor an error")
)

// openLocked opens a tab, in a context that the pool has or in a new one.
func (p *Pool[P]) openLocked(e *core.Effect) {
	b := p.mu.browsers[e.Browser]
	c := p.mu.contexts[e.Context]
	madeFor := ""
	if c == nil {
		madeFor = p.mu.keys.name(e.Affinity) // a standby's is empty
		c = &browserContext[P]{id: e.Context, name: "c" + strconv.Itoa(int(e.Context)), browser: b,
			calls: callsWithin(b.life)}
		p.mu.contexts[c.id] = c
	}
	t := &tab[P]{
		id: e.Tab, name: "t" + strconv.Itoa(int(e.Tab)), affinity: p.mu.keys.name(e.Affinity), browser: b,
		context: c,
		opening: true, calls: callsWithin(b.life),
	}
	p.mu.tabs[t.id] = t
	life, known := t.life, c.handle
	p.operateLocked(t, e, SpanOpen, func(ctx context.Context) error {
		var err error
		if known == nil {
			if known, err = p.openContext(ctx, b, c, madeFor); err != nil {
				return err
			}
		}
		page, err := known.NewTab(ctx)
		if err == nil && isNil(page) {
			err = errNoTab
		}
		if err == nil {
			holds, pageLife, done := page.Page(), page.Context(), page.Done()
			diagnoser, _ := page.(leaseDiagnoser)
			leases, _ := page.(LeaseTab[P])
			p.mu.Lock()
			t.page, t.holds, t.pageLife, t.pageDone = page, holds, pageLife, done
			t.diagnoser, t.leases = diagnoser, leases
			p.mu.Unlock()
			if leases != nil {
				err = p.beginLease(ctx, t)
			}
		}
		return err
	}, func(err error) {
		t.opening = false
		if err != nil {
			if life.Err() == nil { // Otherwise it was given up, and the reason for that is known already.
				p.mu.lastFailure = fmt.Errorf("opening a tab: %w", err)
			}
			p.stepLocked(core.Event{Kind: core.Failed, Of: core.OpenTab, Tab: t.id})
			return
		}
		p.watchTabLocked(t)
		p.stepLocked(core.Event{Kind: core.Done, Of: core.OpenTab, Tab: t.id, Jitter: p.jitter(),
			Sessions: t.leases != nil})
	})
}

func (p *Pool[P]) openContext(
	ctx context.Context, b *browser[P], c *browserContext[P], affinity string,
) (BrowserContext[P], error) {
	made, err := p.makeContext(ctx, b, affinity)
	if err == nil && isNil(made) {
		err = errNoContext
	}
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	c.handle = made // from here on a close has something to close
	p.mu.Unlock()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return made, nil
}

// watchTabLocked waits for the page's end, unless the pool has forgotten the tab by then.
func (p *Pool[P]) watchTabLocked(t *tab[P]) {
	if p.mu.tabs[t.id] != t {
		return // its context was closed meanwhile, and the page with it
	}
	t.forgotten = make(chan struct{})
	crashed := false
	p.beginLocked(t.browser, func() {
		select {
		case <-t.pageDone:
		case <-t.forgotten:
			return
		}
		if crashed = p.endsUnasked(t); crashed {
			p.hearBrowser(t.browser)
		}
	}, func() {
		if crashed {
			p.browserFirstLocked(t.browser)
			p.crashedLocked(t)
		}
	})
}

// crashedLocked tells the core once that a page ended by itself. Of a tab that was closed while the
// browser was asked it is no news.
func (p *Pool[P]) crashedLocked(t *tab[P]) {
	if p.mu.tabs[t.id] == t && !t.crashed {
		t.crashed = true
		p.stepLocked(core.Event{Kind: core.Crashed, Tab: t.id,
			TooLarge: errors.Is(context.Cause(t.pageLife), ErrPageTooLarge)})
	}
}

// endsUnasked says whether a page that ends does so by itself. Most end because they were closed.
func (p *Pool[P]) endsUnasked(t *tab[P]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.tabs[t.id] == t && !t.closing
}

// jitter draws what is added to a tab's MaxAge, so that tabs that opened together do not retire
// together. The core draws nothing itself; the number is part of the event.
func (p *Pool[P]) jitter() time.Duration {
	if p.settings.MaxAge < 0 || p.settings.MaxAgeJitter == 0 {
		return 0
	}
	return rand.N(p.settings.MaxAgeJitter)
}

// closeLocked closes a tab: with its context, or the page alone.
func (p *Pool[P]) closeLocked(e *core.Effect) {
	t := p.mu.tabs[e.Tab]
	t.closing = true
	if t.opening && (e.Kept || t.context.handle == nil) {
		return // There is nothing to close yet. The core asks again when the opening is answered.
	}
	var call func(context.Context) error
	switch {
	case e.Kept && t.page != nil:
		call = t.page.Close
	case !e.Kept && t.context.handle != nil:
		call = t.context.handle.Close
	default:
		// The opening failed and has left nothing.
		p.mu.answers = append(p.mu.answers,
			core.Event{Kind: core.Done, Of: core.CloseTab, Tab: t.id, Kept: e.Kept})
		return
	}
	kept := e.Kept
	p.operateLocked(t, e, SpanClose, call, func(err error) {
		p.stepLocked(core.Event{Kind: outcome(err), Of: core.CloseTab, Tab: t.id, Kept: kept &&
			err == nil})
	})
}

// closeContextLocked closes a context in which no tab is.
func (p *Pool[P]) closeContextLocked(e *core.Effect) {
	c := p.mu.contexts[e.Context]
	ctx, cancel := context.WithCancel(withOperationID(c.life, uint64(e.Operation)))
	life, id := c.life, e.Operation
	var err error
	p.beginLocked(c.browser, func() {
		defer cancel()
		traced, end := p.traceCall(ctx,
			Span{Kind: SpanCloseContext, Context: c.name, Browser: browserName(c.browser.id)})
		err = c.handle.Close(traced)
		end(err)
		if err != nil && life.Err() == nil {
			p.hearBrowser(c.browser)
		}
	}, func() {
		p.browserFirstLocked(c.browser)
		if c.browser.isNews(err, life) {
			p.noteLocked(slog.LevelWarn, "operation failed", "kind", SpanCloseContext, "context", c.name,
				"browser", browserName(c.browser.id), "operation", uint64(id), "error", err)
		}
		p.stepLocked(core.Event{Kind: outcome(err), Of: core.CloseContext, Context: c.id})
	})
}

func (p *Pool[P]) killLocked(e *core.Effect) {
	t := p.mu.tabs[e.Tab]
	if t.page == nil {
		p.mu.answers = append(p.mu.answers, core.Event{Kind: core.Failed, Of: core.KillTab, Tab: t.id})
		return
	}
	p.noteLocked(slog.LevelWarn, "renderer killed", "tab", t.name,
		"affinity", shortened(t.affinity))
	p.operateLocked(t, e, SpanKill, t.page.Kill, func(err error) {
		p.stepLocked(core.Event{Kind: outcome(err), Of: core.KillTab, Tab: t.id})
	})
}

// askPageLocked has a page probed, rescued or reset. The answer says which of these it answers: by
// then the core may have given it up, and ask the page something else.
func (p *Pool[P]) askPageLocked(e *core.Effect) {
	t := p.mu.tabs[e.Tab]
	what, call := SpanProbe, t.page.Probe
	switch e.Kind {
	case core.RescueTab:
		what, call = SpanRescue, t.page.Rescue
		if e.Halt {
			what = SpanHalt
			if halter, ok := t.page.(Halter); ok {
				call = halter.Halt
			}
		}
	case core.ResetTab:
		what, call = SpanReset, t.page.Reset
	}
	if e.Kind == core.ProbeTab {
		p.probedLocked(t, e.Suspect)
	}
	of, id := e.Kind, e.Operation
	p.operateLocked(t, e, what, call, func(err error) {
		p.stepLocked(core.Event{Kind: outcome(err), Of: of, Tab: t.id, Operation: id})
	})
}

// outcome is the answer to an operation.
func outcome(err error) core.EventKind {
	if err != nil {
		return core.Failed
	}
	return core.Done
}

// operateLocked begins an operation on a tab. Its ctx ends when the core gives the operation up, or
// the tab or the browser is gone.
func (p *Pool[P]) operateLocked(t *tab[P], e *core.Effect, what SpanKind,
	call func(context.Context) error, answer func(error)) {
	if t.unfreeze != nil {
		t.unfreeze()
	}
	life, id := t.life, e.Operation
	ctx, cancel := context.WithCancel(withOperationID(life, uint64(id)))
	of := Span{Kind: what, Affinity: t.affinity, Tab: t.name, Context: t.context.name,
		Browser: browserName(t.browser.id)}
	var err error
	p.beginLocked(t.browser, func() {
		defer cancel()
		traced, end := p.traceCall(ctx, of)
		err = call(traced)
		end(err)
		if err != nil && life.Err() == nil {
			p.hearBrowser(t.browser)
		}
	}, func() {
		p.browserFirstLocked(t.browser)
		if err != nil && life.Err() == nil {
			// The core hears of a crash before it hears of what the crash made fail. A page that is
			// not open yet cannot crash for it: its opening fails.
			if t.page != nil && !t.opening && !t.closing && closed(t.pageDone) {
				p.crashedLocked(t)
			}
			t.lastError = err
		}
		// What fails because the pool has begun to close the tab is no news either.
		if t.browser.isNews(err, life) && (!t.closing || what == SpanClose || what == SpanKill) {
			p.noteLocked(slog.LevelWarn, "operation failed", "kind", what, "tab", t.name, "affinity",
				shortened(t.affinity), "browser", browserName(t.browser.id), "operation", uint64(id), "error",
				err)
		}
		answer(err)
	})
}

// isNews says whether an operation's error is worth a line in the log. What fails because its tab
// is gone, or because the pool has begun to close the browser, is not.
func (b *browser[P]) isNews(err error, life context.Context) bool {
	return err != nil && life.Err() == nil && !b.unwanted
}

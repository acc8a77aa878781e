package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pagepool/pagepool/pool/core"
)

// What the shell does about browsers: it starts, watches, asks and ends them.

func (p *Pool[P]) launchLocked(e *core.Effect) {
	b := &browser[P]{id: e.Browser, forgotten: make(chan struct{}), launched: p.nowLocked()}
	b.life, b.end = context.WithCancelCause(context.Background())
	p.mu.browsers[b.id] = b
	ctx, cancel := context.WithCancel(withOperationID(b.life, uint64(e.Operation)))
	var process Browser[P]
	var done, lost <-chan struct{}
	var ended <-chan error
	var err error
	p.beginLocked(b, func() {
		defer cancel()
		traced, end := p.traceCall(ctx, Span{Kind: SpanLaunch, Browser: browserName(b.id)})
		process, err = p.launcher.Launch(traced)
		if err == nil && isNil(process) {
			err = errNoBrowser
		}
		if err == nil {
			err = p.checkOwn(process)
		}
		if err == nil {
			done = process.Done()
			if teller, ok := process.(LossTeller); ok {
				lost = teller.Lost()
			}
			if teller, ok := process.(EndTeller); ok {
				ended = teller.Ended()
			}
		}
		end(err)
	}, func() {
		if err != nil {
			p.launchFailedLocked(b, err)
			return
		}
		b.process, b.done, b.lost, b.ended = process, done, lost, ended
		p.watchLocked(b)
		if b.unwanted {
			// it has done nothing yet that a graceful end could save
			p.endBrowserLocked(b, e.Operation, true)
			return
		}
		// A launch that was written off is answered like any other: the core has it closed.
		_, checks := process.(Checker)
		p.stepLocked(core.Event{Kind: core.Done, Of: core.Launch, Browser: b.id, Checks: checks})
		p.measureLocked(b)
	})
}

func (p *Pool[P]) launchFailedLocked(b *browser[P], err error) {
	if b.life.Err() == nil {
		p.mu.lastFailure = fmt.Errorf("launching a browser: %w", err)
	}
	p.noteLocked(slog.LevelWarn, "browser launch failed", "browser", browserName(b.id), "error", err)
	p.forgetBrowserLocked(b, err)
	p.stepLocked(core.Event{Kind: core.Failed, Of: core.Launch, Browser: b.id})
}

// watchLocked waits for the browser's end, asked or not.
func (p *Pool[P]) watchLocked(b *browser[P]) {
	p.beginLocked(b, func() {
		select {
		case <-b.lost:
			p.mu.Lock()
			p.browserFirstLocked(b)
			p.unlock()
		case <-b.done:
		case <-b.forgotten:
		case <-p.over:
		}
		select {
		case <-b.done:
		case <-b.forgotten:
		case <-p.over: // it was written off, and nobody is left to be told
		}
	}, func() {
		if b.gone() {
			p.browserGoneLocked(b)
		}
	})
}

// browserLostLocked tells the core once that a browser is known to be lost.
func (p *Pool[P]) browserLostLocked(b *browser[P]) {
	if b.told || b.unwanted || p.mu.browsers[b.id] != b {
		return
	}
	b.told = true
	p.mu.lastFailure = &untold[P]{b}
	p.stepLocked(core.Event{Kind: core.Failed, Of: core.Ping, Browser: b.id})
}

// untold is the loss of a browser of which it is not known yet how it ended.
type untold[P any] struct{ b *browser[P] }

func (*untold[P]) Error() string { return ErrBrowserLost.Error() }
func (*untold[P]) Unwrap() error { return ErrBrowserLost }

// howLost is a refusal with how the browser ended, if it is for a loss. A loss is known before
// that: howLost waits until the browser is gone, up to CloseGrace, or for ctx.
func (p *Pool[P]) howLost(ctx context.Context, refused error) error {
	var loss *untold[P]
	if !errors.As(refused, &loss) {
		return refused
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer p.clock.AfterFunc(p.settings.CloseGrace, cancel)()
	select {
	case <-loss.b.forgotten:
		if why := loss.b.cause; why != nil {
			return fmt.Errorf("%w: %w", ErrBrowserUnavailable, why)
		}
	case <-ctx.Done():
	}
	return refused
}

// browserGoneLocked tells the core once that a browser is gone.
func (p *Pool[P]) browserGoneLocked(b *browser[P]) {
	if p.mu.browsers[b.id] != b {
		return
	}
	if b.unwanted && !b.told {
		p.noteLocked(slog.LevelInfo, "browser ended", "browser", browserName(b.id))
	} else {
		b.cause = b.whyLost()
		p.mu.lastFailure = b.cause
		p.noteLocked(slog.LevelWarn, "browser lost", "browser", browserName(b.id), "error", b.cause)
	}
	p.forgetBrowserLocked(b, ErrBrowserLost)
	p.stepLocked(core.Event{Kind: core.BrowserGone, Browser: b.id})
}

func (p *Pool[P]) forgetBrowserLocked(b *browser[P], cause error) {
	delete(p.mu.browsers, b.id)
	close(b.forgotten)
	b.endMeasuring()
	b.end(cause)
}

func (p *Pool[P]) closeBrowserLocked(e *core.Effect) {
	b := p.mu.browsers[e.Browser]
	if b == nil {
		p.bugLocked("b%d is to be closed, and is not there", e.Browser)
		return
	}
	if b.process == nil {
		// Its launch is under way. It is told to end; what it brings all the same is closed then.
		b.unwanted = true
		b.end(errors.New("the browser is not wanted any more"))
		return
	}
	p.endBrowserLocked(b, e.Operation, e.Force)
}

// endBrowserLocked has a browser closed: gracefully for half of BrowserCloseTimeout, so that the
// other half is left for doing it by force.
func (p *Pool[P]) endBrowserLocked(b *browser[P], id core.OperationID, force bool) {
	b.unwanted = true
	b.endMeasuring() // it may be written off, and is never forgotten then
	ctx, cancel := context.WithCancel(withOperationID(context.Background(), uint64(id)))
	stop := func() bool { return true }
	if force {
		cancel()
		b.end(ErrBrowserLost) // nobody waits for what it was asked
	} else {
		stop = p.clock.AfterFunc(p.settings.BrowserCloseTimeout/2, cancel)
	}
	var err error
	p.beginLocked(b, func() {
		traced, end := p.traceCall(ctx, Span{Kind: SpanCloseBrowser, Browser: browserName(b.id)})
		err = b.process.Close(traced)
		end(err)
		stop()
		cancel()
	}, func() {
		if err != nil && !b.gone() {
			// Not known to be gone: Done may say so yet. The core writes it off in time.
			p.noteLocked(slog.LevelError, "browser close failed", "browser", browserName(b.id), "error", err)
			return
		}
		p.browserGoneLocked(b)
	})
}

// pingLocked asks a browser whether it is there. One that is not says so by its end, or not at all.
func (p *Pool[P]) pingLocked(e *core.Effect) {
	b := p.mu.browsers[e.Browser]
	ctx, cancel := context.WithCancel(withOperationID(b.life, uint64(e.Operation)))
	var err error
	p.beginLocked(b, func() {
		defer cancel()
		err = b.process.Ping(ctx)
	}, func() {
		p.browserFirstLocked(b)
		if err == nil {
			p.stepLocked(core.Event{Kind: core.Done, Of: core.Ping, Browser: b.id})
		}
	})
}

// hearBrowser gives a browser a chance to be known as lost before bad news of one of its tabs is
// told: when a process dies, its tabs' ends and errors are often seen first. It waits for the
// browser's answer to a ping, or where that fails for its end, up to CloseGrace.
func (p *Pool[P]) hearBrowser(b *browser[P]) {
	ctx, cancel := context.WithCancel(b.life)
	defer cancel()
	defer p.clock.AfterFunc(p.settings.CloseGrace, cancel)()
	if b.process.Ping(ctx) != nil {
		select {
		case <-b.done:
		case <-b.lost:
		case <-ctx.Done():
		}
	}
}

// browserFirstLocked tells the core that a browser is gone, or known to be lost, if so, before it
// is told anything of that browser's tabs: browser news comes before tab news of the same moment.
func (p *Pool[P]) browserFirstLocked(b *browser[P]) {
	switch {
	case b.gone():
		p.browserGoneLocked(b)
	case b.losing():
		p.browserLostLocked(b)
	}
}

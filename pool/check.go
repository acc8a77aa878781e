package pool

import (
	"context"
	"log/slog"

	"github.com/pagepool/pagepool/pool/core"
)

// checkBrowserLocked has a browser do each kind of work once. The core gives it up after
// StallTimeout, and the ctx of the call ends then.
func (p *Pool[P]) checkBrowserLocked(e *core.Effect) {
	b := p.mu.browsers[e.Browser]
	checker := b.process.(Checker)
	life := b.life
	ctx, cancel := context.WithCancelCause(withOperationID(life, uint64(e.Operation)))
	b.giveUpCheck = cancel
	id := e.Operation
	var err error
	p.beginLocked(b, func() {
		defer cancel(nil)
		traced, end := p.traceCall(ctx, Span{Kind: SpanCheck, Browser: browserName(b.id)})
		err = checker.Check(traced)
		end(err)
	}, func() {
		p.browserFirstLocked(b)
		if err != nil && life.Err() == nil {
			p.mu.counters.CheckFailures++
			p.noteLocked(slog.LevelWarn, "browser check failed", "browser", browserName(b.id), "operation",
				uint64(id), "error", err)
		}
		if life.Err() == nil {
			p.stepLocked(core.Event{Kind: outcome(err), Of: core.CheckBrowser, Browser: b.id, Operation: id})
		}
	})
}

package pool

import (
	"context"

	"github.com/pagepool/pagepool/pool/core"
)

// freezeLocked has the page of a tab frozen that nobody holds. Whatever else is asked of the page
// ends the call. It matters to nobody whether it succeeds, so a failure is not logged.
func (p *Pool[P]) freezeLocked(e *core.Effect) {
	t, id := p.mu.tabs[e.Tab], e.Operation
	freezer, ok := t.page.(Freezer)
	if !ok {
		p.mu.answers = append(p.mu.answers,
			core.Event{Kind: core.Failed, Of: core.FreezeTab, Tab: t.id, Operation: id})
		return
	}
	life := t.life
	ctx, cancel := context.WithCancel(withOperationID(life, uint64(id)))
	t.unfreeze = cancel
	of := Span{Kind: SpanFreeze, Affinity: t.affinity, Tab: t.name, Context: t.context.name,
		Browser: browserName(t.browser.id)}
	var err error
	p.beginLocked(t.browser, func() {
		defer cancel()
		traced, end := p.traceCall(ctx, of)
		err = freezer.Freeze(traced)
		end(err)
	}, func() {
		p.browserFirstLocked(t.browser)
		p.stepLocked(core.Event{Kind: outcome(err), Of: core.FreezeTab, Tab: t.id, Operation: id})
	})
}

package pool

import (
	"context"
	"log/slog"

	"github.com/pagepool/pagepool/pool/core"
)

// The sessions of leases, of drivers that give each lease one.

// beginLease has the driver begin the session of the next lease on a tab. No lease is on it yet.
func (p *Pool[P]) beginLease(ctx context.Context, t *tab[P]) error {
	holds, life, err := t.leases.BeginLease(ctx)
	if err == nil && life == nil {
		err = errNoLease
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.holds, t.pageLife = holds, life
	return nil
}

func (p *Pool[P]) beginSessionLocked(e *core.Effect) {
	t, id := p.mu.tabs[e.Tab], e.Operation
	p.operateLocked(t, e, SpanBeginSession, func(ctx context.Context) error {
		return p.beginLease(ctx, t)
	}, func(err error) {
		p.stepLocked(core.Event{Kind: outcome(err), Of: core.BeginSession, Tab: t.id, Operation: id})
	})
}

// endSessionLocked has the driver end the session of a lease that is over, and tells the core what
// that has left.
func (p *Pool[P]) endSessionLocked(e *core.Effect) {
	t, id := p.mu.tabs[e.Tab], e.Operation
	var left Left
	var navigation core.Navigation
	p.operateLocked(t, e, SpanEndSession, func(ctx context.Context) (err error) {
		left, err = t.leases.EndLease(ctx)
		if teller, ok := t.leases.(NavigationTeller); ok && err == nil {
			navigation = navigated(teller.Navigations())
		}
		return err
	}, func(err error) {
		if err != nil {
			p.stepLocked(core.Event{Kind: core.Failed, Of: core.EndSession, Tab: t.id, Operation: id})
			return
		}
		if left != Clean {
			p.noteLocked(slog.LevelInfo, "lease spoiled its tab", "tab", t.name, "affinity",
				shortened(t.affinity), "left", left.String())
		}
		p.stepLocked(core.Event{Kind: core.Done, Of: core.EndSession, Tab: t.id, Operation: id,
			Left: core.Left(left), Navigation: navigation})
	})
}

func navigated(began, finished bool) core.Navigation {
	switch {
	case finished:
		return core.Arrived
	case began:
		return core.Stuck
	}
	return core.NoNavigation
}

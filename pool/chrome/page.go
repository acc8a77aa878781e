package chrome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
)

// The causes with which a page's own context ends, besides pool.ErrPageCrashed and
// pool.ErrBrowserLost.
var (
	// ErrPageClosed is the cause where the page was closed. Its text says so where the pool did not do it.
	ErrPageClosed = pool.ErrPageClosed
	// ErrBrowserClosed is the cause where its browser was closed.
	ErrBrowserClosed = errors.New("chrome: the browser was closed")
)

// leaveGrace is how long actions that were told to end may take for it.
const leaveGrace = 100 * time.Millisecond

// Page is what the holder of a lease works with. Its methods may be called from any goroutine; two
// actions that run on one page at the same time see each other's doing.
type Page struct {
	tab *tab
}

// Context returns the page's own life, on which chromedp's functions work, as they do on contexts
// derived from it. It outlives the lease: derive from the lease's context instead where there is one.
func (p *Page) Context() context.Context { return p.tab.life }

// TargetID is the id that the browser knows the page by.
func (p *Page) TargetID() target.ID { return p.tab.id }

// Run runs actions on the page, one after the other, until the first error. It waits for them, and no
// longer than until ctx ends or the page does; neither end of a ctx harms the page. The error then is
// ctx's own, or says why the page ended, with pool.ErrPageCrashed or pool.ErrBrowserLost in it. What
// an action began before its error goes on in the page.
//
// A func of a holder's that blocks, in an action or as a listener of chromedp's, holds Run up for 100 ms
// more. Actions that have not returned by then are left to themselves: a func in one of them may
// still run, and chromedp itself waits for a listener until that returns, also on a page that was closed.
func (p *Page) Run(ctx context.Context, actions ...chromedp.Action[chromedp.Void]) error {
	_, err := Run(ctx, p, chromedp.Steps(actions...))
	return err
}

// Run runs an action that has a result on the page. It waits, and fails, as Page.Run does.
func Run[T any](ctx context.Context, p *Page, action chromedp.Action[T]) (T, error) {
	if ctx.Err() != nil {
		var none T
		return none, fmt.Errorf("chrome: %w", ended(ctx))
	}
	// The values are the page's: that is where chromedp finds its target. Of ctx only the end counts.
	run, cancel := context.WithCancelCause(p.tab.life)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(ended(ctx)) })()
	result, err := within(ctx, p.tab, leaveGrace, func() (T, error) { return chromedp.Run(run, action) })
	switch {
	case err == nil:
		return result, nil
	case p.tab.life.Err() != nil:
		return result, fmt.Errorf("chrome: %w", context.Cause(p.tab.life))
	case ctx.Err() != nil:
		return result, fmt.Errorf("chrome: %w", ended(ctx))
	}
	return result, err
}

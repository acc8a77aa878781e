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

// Pool and Lease are what a program with Chrome has, under short names.
type (
	Pool  = pool.Pool[*Page]
	Lease = pool.Lease[*Page]
)

// Page is what the holder of a lease works with. Its methods may be called from any goroutine; two
// actions that run on one page at the same time see each other's doing.
type Page struct {
	tab *tab
	set overrides // what the actions of this package have set on it
}

// pageKey is the key of a Page among the values of its own context.
type pageKey struct{}

// pageOf returns the Page on whose context an action runs. name is the action's.
func pageOf(ctx context.Context, name string) (*Page, error) {
	p, ok := ctx.Value(pageKey{}).(*Page)
	if !ok {
		return nil, fmt.Errorf("chrome: %s works on the context of a Page or of its lease only", name)
	}
	return p, nil
}

// Context returns the page's own life, on which chromedp's functions work, as they do on contexts
// derived from it. It outlives the lease: derive from the lease's context instead where there is one.
func (p *Page) Context() context.Context { return p.tab.life }

// TargetID is the id that the browser knows the page by.
func (p *Page) TargetID() target.ID { return p.tab.id }

// Run runs actions on the page, one after the other, until the first error. It waits for them, and no
// longer than until ctx ends or the page does; neither end of a ctx harms the page. The error then has
// ctx's own in it, or says why the page ended, with pool.ErrPageCrashed or pool.ErrBrowserLost in it. What
// an action began before its error goes on in the page.
//
// An error says what the action was about: the selector for which chromedp waited, the address that did not load,
// or the command that was not answered. It says less where several Run calls overlap on one page, since nobody
// can tell then which of them sent a command.
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
	watch := p.tab.line.asked.begin()
	result, err := within(ctx, p.tab, leaveGrace, func() (T, error) { return chromedp.Run(run, action) })
	last, looked := watch.end()
	switch {
	case err == nil:
		return result, nil
	case p.tab.life.Err() != nil:
		return result, fmt.Errorf("chrome: %w", context.Cause(p.tab.life))
	case ctx.Err() != nil:
		if errors.As(err, new(*WaitError)) {
			return result, err
		}
		return result, explain(ended(ctx), true, last, looked, nil)
	}
	return result, explain(err, false, last, looked, p.tab.line.diary.unreached)
}

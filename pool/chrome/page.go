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

// The causes with which a page's own context ends, besides pool.ErrReleased, pool.ErrPageCrashed
// and pool.ErrBrowserLost.
var (
	// ErrPageClosed is the cause where the page was closed. Its text says so where the pool did not
	// do it.
	ErrPageClosed = pool.ErrPageClosed
	// ErrBrowserClosed is the cause where its browser was closed.
	ErrBrowserClosed = errors.New("chrome: the browser was closed")
)

// errNoLease answers calls on a page on which no lease has begun.
var errNoLease = errors.New("chrome: no lease has begun on this page")

// leaveGrace is how long actions that were told to end may take for it.
const leaveGrace = 100 * time.Millisecond

// Pool and Lease are what a program with Chrome has, under short names.
type (
	Pool  = pool.Pool[*Page]
	Lease = pool.Lease[*Page]
)

// Page is what the holder of a lease works with: a page of the browser, with a DevTools session and
// a chromedp of the lease's own. What is set through it (emulation, headers, interception, scripts,
// listeners, exposed functions) ends with the lease.
//
// After the lease has ended, each method that returns an error, and each call of chromedp's on
// Context, answers an error with pool.ErrReleased in its chain; where the page ended first, with
// what ended it: ErrPageClosed, ErrBrowserClosed, pool.ErrPageCrashed or pool.ErrBrowserLost.
//
// Its methods may be called from any goroutine; two actions that run on one page at the same time
// see each other's doing.
type Page struct {
	tab     *tab
	session *session  // nil: no lease has begun
	set     overrides // what the actions of this package have set on it
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

// Context returns the context of the lease's session, on which chromedp's functions work, as they
// do on contexts derived from it. It ends with the lease, and its error says why. Derive from the
// lease's own context instead where there is one.
func (p *Page) Context() context.Context {
	if p.session == nil {
		return p.tab.life
	}
	return p.session.life
}

// TargetID is the id that the browser knows the page by.
func (p *Page) TargetID() target.ID { return p.tab.id }

// Run runs actions on the page, one after the other, until the first error. It waits for them, and
// no longer than until ctx ends or the lease does; the end of a ctx does not harm the page. The
// error then is ctx's own, or says why the lease or the page ended, with pool.ErrReleased,
// pool.ErrPageCrashed or pool.ErrBrowserLost in it. What an action began before its error goes on
// in the page, but for a navigation: where ctx ended while one was under way that began in this
// Run, it is stopped. Run does not wait for that; the next one on the page does, so that its own
// navigation does not meet the end of the last.
//
// An error says what the action was about: the selector for which chromedp waited, the address that
// did not load, or the command that was not answered. It says less where several Run calls overlap
// on one page, since nobody can tell then which of them sent a command.
//
// A func of a holder's that blocks, in an action or as a listener of chromedp's, holds Run up for
// 100 ms more. Actions that have not returned by then are left to themselves: a func in one of them
// may still run, and chromedp itself waits for a listener until that returns, also on a page that
// was closed.
func (p *Page) Run(ctx context.Context, actions ...chromedp.Action[chromedp.Void]) error {
	_, err := Run(ctx, p, chromedp.Steps(actions...))
	return err
}

// Run runs an action that has a result on the page. It waits, and fails, as Page.Run does.
func Run[T any](ctx context.Context, p *Page, action chromedp.Action[T]) (T, error) {
	var none T
	if p.session == nil {
		return none, errNoLease
	}
	if ctx.Err() != nil {
		return none, fmt.Errorf("chrome: %w", ended(ctx))
	}
	s := p.session
	if err := s.stops.wait(ctx, s.life); err != nil {
		return none, fmt.Errorf("chrome: wait for the end of a navigation: %w", err)
	}
	// The values are the session's: that is where chromedp finds its target. Of ctx only the end
	// counts.
	run, cancel := context.WithCancelCause(s.life)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(ended(ctx)) })()
	before := s.mark()
	watch := s.line.asked.begin()
	result, err := within(
		ctx, s.life, leaveGrace, func() (T, error) { return chromedp.Run(run, action) },
	)
	last, looked := watch.end()
	if last.failed && ctx.Err() == nil {
		s.stopSince(before) // the load of the error page would be taken for that of the next navigation
	}
	switch {
	case err == nil:
		return result, nil
	case s.life.Err() != nil && !errors.Is(context.Cause(s.life), pool.ErrReleased):
		return result, fmt.Errorf("chrome: %w", context.Cause(s.life)) // the page is gone
	case s.life.Err() != nil, ctx.Err() != nil:
		cause := context.Cause(s.life) // that of a lease that has ended, with ctx or without
		if cause == nil {
			s.stopSince(before)
			cause = ended(ctx)
		}
		if errors.As(err, new(*WaitError)) {
			return result, err
		}
		return result, explain(cause, true, last, looked, nil)
	}
	return result, explain(err, false, last, looked, s.line.diary.unreached)
}

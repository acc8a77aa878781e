package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Lease is the exclusive right to use one tab, from GetPage until Release, Discard or Suspect. It
// may end earlier, without its holder: its Context says so, and why. Its methods may be called from
// any goroutine, also after its end.
type Lease[P any] struct {
	pool    *Pool[P]
	request core.RequestID
	label   string          // of WithLabel
	tab     *tab[P]         // set once, by the grant; nil: refused
	page    P               // set once, by the grant
	life    context.Context // set once, by the grant: what its own context derives from
	waits   Waits           // set once, by the answer
	reused  bool            // set once, by the grant

	// While the request waits, guarded by pool.mu.
	answered bool
	answer   chan struct{} // closed by the answer; nil: nobody waits for it
	refused  error         // nil: its caller has gone

	// While the tab is held, guarded by pool.mu.
	cause  error // why the lease ended; nil: it has not
	ctx    context.Context
	cancel context.CancelCauseFunc

	report *leaseEnd // guarded by pool.mu; nil: there is no Tracer, and its page is not suspect
}

// Page is what to work with. It is not to be used after the lease has ended: a driver that gives
// each lease a session of its own answers ErrReleased then.
func (l *Lease[P]) Page() P { return l.page }

// TabID is the tab's name. It survives reuse and is never given to another tab.
func (l *Lease[P]) TabID() string { return l.tab.name }

// Reused says whether the affinity used this tab before: its caches are warm.
func (l *Lease[P]) Reused() bool { return l.reused }

// Waits says how the time until the grant was spent.
func (l *Lease[P]) Waits() Waits { return l.waits }

// Context carries the values of the tab's context, so that a driver's plain calls work on it, and
// ends when the lease does. Its cause says why: ErrReleased, ErrLeaseExpired, ErrPageCrashed,
// ErrPageClosed, ErrPageTooLarge, ErrBrowserLost or ErrClosed. It is made when it is first asked
// for.
func (l *Lease[P]) Context() context.Context {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if l.ctx == nil {
		// The tab's context ends with the tab too, but with the driver's cause, and before the pool has
		// heard of it. The lease ends when the core says so; that is what tells a crash from a lost
		// browser.
		l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(l.life))
		if l.cause != nil {
			l.cancel(l.cause)
		}
	}
	return l.ctx
}

// Release gives the tab back. After the end of the lease it does nothing.
func (l *Lease[P]) Release() { l.end(core.Event{Kind: core.Released}, nil) }

// Discard gives the tab back and says that it is spoiled: it is closed, its siblings stay. The
// Tracer is told the reason, which decides nothing. After the end of the lease it does nothing.
func (l *Lease[P]) Discard(reason error) {
	l.end(core.Event{Kind: core.Discarded}, reason)
}

// Suspect gives the tab back and says that its page does not answer, or may not. The tab is probed;
// if it stays silent, it is rescued or closed. Lease.Diagnosis has what the page was doing. After
// the end of the lease it does nothing.
func (l *Lease[P]) Suspect() {
	l.end(core.Event{Kind: core.Discarded, Wedged: true}, errSuspect)
}

// errSuspect is what the Tracer and the log are told of a lease that its holder gave back with
// Suspect.
var errSuspect = errors.New("pool: the page may not answer")

func (l *Lease[P]) end(e core.Event, reason error) {
	p := l.pool
	p.mu.Lock()
	if l.cause == nil {
		p.browserFirstLocked(l.tab.browser)
	}
	if l.cause == nil {
		e.Request = l.request
		l.givenBackLocked(e, reason)
		l.endLocked(ErrReleased) // before the tab can be anybody else's
		p.stepLocked(e)
	}
	p.unlock()
}

// givenBackLocked notes how the holder gives the lease back, and for what reason.
func (l *Lease[P]) givenBackLocked(e core.Event, reason error) {
	outcome := "discarded"
	switch {
	case e.Kind == core.Released:
		outcome, reason = "released", ErrReleased
	case e.Wedged:
		outcome = "suspect"
		l.pool.diagnoseLocked(l, reason)
	}
	if l.pool.tracer != nil {
		report := l.reportLocked()
		report.outcome, report.reason = outcome, reason
	}
}

// endLocked ends the holder's side of the lease, and tells the tracer.
func (l *Lease[P]) endLocked(cause error) {
	l.cause, l.tab.holder = cause, nil
	if l.pool.tracer != nil {
		l.reportEndLocked()
	}
	if l.cancel != nil {
		l.cancel(cause)
	}
}

// endCause says why the lease ended; nil while it is held.
func (l *Lease[P]) endCause() error {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	return l.cause
}

// answerLocked wakes the caller, if it had to wait.
func (l *Lease[P]) answerLocked() {
	l.answered = true
	if l.answer != nil {
		close(l.answer)
	}
}

// errUnwound is why Do discards a tab whose fn did not return: it panicked, or ended its goroutine.
var errUnwound = errors.New("pool: fn did not return")

// Do leases a tab of the affinity, calls fn with it, and releases it. fn's ctx is the lease's,
// which also ends with ctx; it carries the values of both, the tab's first. ctx bounds the wait and
// the work. An error of fn does not spoil the tab, and Do returns it as it is. There are three
// exceptions:
//
//   - The lease ended under fn. fn did not have the tab to itself from then on, so what it did is
//     not to be relied on. Do returns an *Error with the cause, joined with fn's error, even if fn
//     returned nil.
//   - ctx has ended. The tab is suspect, as after Lease.Suspect. Do returns an *Error around fn's
//     error; nil stays nil.
//   - fn panics. The tab is discarded, and the panic goes on.
//
// Where there was no lease, Do returns an *Error, too.
//
// Error.Diagnosis has what the page was doing when the lease expired or ctx ended, if the driver
// can say so. The tab is given back by then, but Do waits for the diagnosis: for milliseconds where
// the page answers, otherwise for RescueTimeout at most, or a second.
func (p *Pool[P]) Do(ctx context.Context, affinity string,
	fn func(ctx context.Context, page P) error, opts ...GetOption) error {
	if fn == nil {
		return &Error{Op: "Do", Affinity: affinity, Err: errors.New("fn is nil")}
	}
	l, work, err := p.tracedPage(ctx, "Do", affinity, opts)
	if err != nil {
		return err
	}
	both, cancel := l.join(work)
	returned := false
	defer func() {
		if !returned {
			cancel()
			l.Discard(errUnwound)
		}
	}()
	err = fn(both, l.Page())
	returned = true
	cause := l.endCause()
	cancel()
	late := outOfTime(ctx)
	if late {
		l.Suspect()
	} else {
		l.Release()
	}
	switch {
	case cause == nil && (err == nil || !late):
		return err
	case cause == nil || errors.Is(err, cause):
	case err == nil:
		err = cause
	default:
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return &Error{Op: "Do", Affinity: affinity, Err: err, Diagnosis: l.diagnosed()}
}

// outOfTime says whether ctx has ended. On a busy machine that comes some time after its deadline,
// and fn, which knows the deadline as well, may have given up its work between the two.
func outOfTime(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() != nil || bounded && !time.Now().Before(deadline)
}

// join returns a context that ends with ctx and with the lease, each with its own cause.
func (l *Lease[P]) join(ctx context.Context) (context.Context, func()) {
	lease := l.Context()
	// The lease's values without its cancellation: what package context itself asks of Value is to
	// find ctx, which both inherits its end and its error from.
	both, cancel := context.WithCancelCause(bothValues{ctx, context.WithoutCancel(lease)})
	stop := context.AfterFunc(lease, func() { cancel(context.Cause(lease)) })
	return both, func() {
		stop()
		cancel(ErrReleased)
	}
}

// bothValues is a caller's context with the values of a tab in front.
type bothValues struct {
	context.Context
	tab context.Context
}

func (c bothValues) Value(key any) any {
	if v := c.tab.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}

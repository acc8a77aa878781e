package pool

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Tracer is told of what takes time. Its methods and the funcs that it returns are called without
// the pool's lock, and from several goroutines at once: one that waits holds up only what it is
// told of. Do, GetPage, Release and the calls into the driver wait for it, so it should be quick. A
// Tracer must not call Close.
type Tracer interface {
	// Start is called when a span begins, and the func that it returns when that ends, once. For a
	// wait and a lease, ctx is that of the caller of GetPage or Do; for an operation of the driver it
	// carries OperationID alone. What it returns takes the place of ctx: in the driver's call, and for
	// a lease in the work that Do calls. Nil, or a nil func: there is none.
	Start(ctx context.Context, span Span) (context.Context, func(SpanEnd))
}

// SpanKind says what takes time.
type SpanKind string

const (
	SpanWait  SpanKind = "wait"  // from GetPage to its answer
	SpanLease SpanKind = "lease" // from the grant to the end of the lease

	// Operations of the driver, each from its beginning to its answer.

	SpanLaunch       SpanKind = "launch"
	SpanOpen         SpanKind = "open" // a tab, in a new context or in one that is there
	SpanProbe        SpanKind = "probe"
	SpanRescue       SpanKind = "rescue"
	SpanEndSession   SpanKind = "end-session"   // of a lease that is over
	SpanBeginSession SpanKind = "begin-session" // of the next lease on the same tab
	// the first part of a reset: scripts stopped, main thread heard
	SpanHalt         SpanKind = "halt"
	SpanReset        SpanKind = "reset" // the second part: from the document to the standby state
	SpanClose        SpanKind = "close" // a tab, with its context or alone
	SpanKill         SpanKind = "kill"
	SpanCloseContext SpanKind = "close-context" // one without a tab
	SpanCloseBrowser SpanKind = "close-browser"
	SpanFreeze       SpanKind = "freeze" // the page of a tab that nobody holds is frozen
	SpanCheck        SpanKind = "check"  // a browser does each kind of work once
)

// Span is what is known at the beginning.
type Span struct {
	Kind      SpanKind
	Affinity  string // a wait's, a lease's; of an operation the one that the tab belongs to, or did
	Request   uint64 // a lease's: the number of its request, as dumps have it
	Nested    bool   // a wait's and its lease's class
	Priority  int    // a wait's and its lease's
	Tab       string // as Lease.TabID has it
	Context   string
	Browser   string
	Operation uint64 // as OperationID has it
	Reused    bool   // a lease is on a tab that the affinity used before
}

// SpanEnd is what is known at the end.
type SpanEnd struct {
	Took time.Duration // by the pool's clock
	// Err is why a wait brought no lease, an operation failed, or a lease ended: ErrReleased, the
	// reason it was discarded for, or the cause that ended it without its holder.
	Err error
	// Outcome is a word for that. A wait: granted, abandoned, refused. A lease: released, discarded,
	// suspect, expired, crashed, too-large, page-closed, browser-lost, closed. An operation: done,
	// failed, given-up.
	Outcome string
	// Waits are a wait's.
	Waits Waits
}

// Good says whether the span ended as it should: a wait with a grant, a lease with its release, an
// operation with what was asked for.
func (e SpanEnd) Good() bool {
	return e.Outcome == "granted" || e.Outcome == "released" || e.Outcome == "done"
}

// Outcomes lists the words for how spans of a kind end.
func Outcomes(kind SpanKind) []string {
	switch kind {
	case SpanWait:
		return []string{"granted", "abandoned", "refused"}
	case SpanLease:
		return []string{"released", "discarded", "suspect", "expired", "crashed", "too-large",
			"page-closed", "browser-lost", "closed"}
	}
	return []string{"done", "failed", "given-up"}
}

// Tracers is a Tracer that tells several, each with the ctx of the one before it.
func Tracers(all ...Tracer) Tracer { return tracers(all) }

type tracers []Tracer

func (all tracers) Start(ctx context.Context, span Span) (context.Context, func(SpanEnd)) {
	ends := make([]func(SpanEnd), 0, len(all))
	for _, t := range all {
		next, end := t.Start(ctx, span)
		if next != nil {
			ctx = next
		}
		if end != nil {
			ends = append(ends, end)
		}
	}
	return ctx, func(e SpanEnd) {
		for i := len(ends) - 1; i >= 0; i-- { // the innermost first
			ends[i](e)
		}
	}
}

// begunSpan is a span that has begun.
type begunSpan struct {
	began time.Time
	end   func(SpanEnd)
}

// startSpan tells the tracer, if there is one. Not under the lock.
func (p *Pool[P]) startSpan(ctx context.Context, s Span) (context.Context, begunSpan) {
	if p.tracer == nil {
		return ctx, begunSpan{}
	}
	began := p.clock.Now()
	next, end := p.tracer.Start(ctx, s)
	if next == nil {
		next = ctx
	}
	return next, begunSpan{began, end}
}

// endSpan tells the tracer of the end. Not under the lock.
func (p *Pool[P]) endSpan(s begunSpan, e SpanEnd) {
	if s.end != nil {
		e.Took = p.clock.Now().Sub(s.began)
		s.end(e)
	}
}

// waitEnd is the end of the span of a wait. err is what GetPage returns.
func (l *Lease[P]) waitEnd(err error) SpanEnd {
	e := SpanEnd{Err: err, Waits: l.waits, Outcome: "granted"}
	switch {
	case err == nil:
	case l.refused == nil:
		e.Outcome = "abandoned"
	default:
		e.Outcome = "refused"
	}
	return e
}

// traceLease begins the span of a lease that was just granted, which may have ended already.
func (l *Lease[P]) traceLease(ctx context.Context, s Span) context.Context {
	p := l.pool
	if p.tracer == nil {
		return ctx
	}
	s.Kind, s.Request, s.Tab, s.Reused = SpanLease, uint64(l.request), l.tab.name, l.reused
	s.Context, s.Browser = l.tab.context.name, browserName(l.tab.browser.id)
	ctx, begun := p.startSpan(ctx, s)
	p.mu.Lock()
	report := l.reportLocked()
	report.span = begun
	over := l.cause != nil
	p.mu.Unlock()
	if over {
		p.endSpan(begun, report.spanEnd())
	}
	return ctx
}

// leaseEnd is what a Tracer is told of the end of a lease, and its diagnosis. Most leases have
// none.
type leaseEnd struct {
	outcome   string      // how it ended, as SpanEnd has it; empty: it is held
	reason    error       // what ended it: its cause, or why it was discarded
	span      begunSpan   // zero: it has not begun
	diagnosis *diagnosing // nil: its page is not suspect, or the driver makes none
}

func (l *Lease[P]) reportLocked() *leaseEnd {
	if l.report == nil {
		l.report = new(leaseEnd)
	}
	return l.report
}

// reportEndLocked has the Tracer told of the end of the lease, once the lock is free. If the span
// has not begun, traceLease ends it.
func (l *Lease[P]) reportEndLocked() {
	report := l.reportLocked()
	if report.outcome == "" {
		report.outcome, report.reason = outcomeOf(l.cause), l.cause
	}
	if report.span.end != nil {
		l.pool.mu.ends = append(l.pool.mu.ends, func() { l.pool.endSpan(report.span, report.spanEnd()) })
	}
}

// end is the end of the span of a lease that has ended: what it says does not change any more.
func (e *leaseEnd) spanEnd() SpanEnd { return SpanEnd{Err: e.reason, Outcome: e.outcome} }

// outcomes are the words for leases that ended without their holder.
var outcomes = map[error]string{
	ErrLeaseExpired: "expired", ErrPageCrashed: "crashed", ErrBrowserLost: "browser-lost",
	ErrClosed: "closed",
}

// outcomeOf is the word for a cause. That of a closed page, or one that is too large, is the
// driver's own, with ErrPageClosed or ErrPageTooLarge in it.
func outcomeOf(cause error) string {
	word, ok := outcomes[cause]
	switch {
	case ok:
	case errors.Is(cause, ErrPageClosed):
		word = "page-closed"
	case errors.Is(cause, ErrPageTooLarge):
		word = "too-large"
	}
	return word
}

// traceCall begins the span of a call into the driver, and returns the call's ctx, and what its end
// is told to: an error that comes after the core gave the operation up says so.
func (p *Pool[P]) traceCall(ctx context.Context, s Span) (context.Context, func(error)) {
	s.Operation = OperationID(ctx)
	traced, begun := p.startSpan(ctx, s)
	return traced, func(err error) {
		e := SpanEnd{Err: err, Outcome: "done"}
		switch {
		case err != nil && ctx.Err() != nil:
			e.Outcome, e.Err = "given-up", context.Cause(ctx)
		case err != nil:
			e.Outcome = "failed"
		}
		p.endSpan(begun, e)
	}
}

func browserName(id core.BrowserID) string { return "b" + strconv.Itoa(int(id)) }

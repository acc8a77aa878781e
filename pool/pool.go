package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool/core"
)

// Pool keeps warm tabs for many affinities and hands them out one lease at a time. All methods may
// be called from any goroutine, and from within the functions that the pool calls; see Close for
// the one that then waits for its caller.
type Pool[P any] struct {
	launcher   Launcher[P]
	settings   core.Settings
	clock      Clock
	log        *slog.Logger
	strict     bool
	pseudonyms bool
	observer   observer      // nil: nobody
	keeper     keeper        // nil: nobody
	owns       OwnTeller     // nil: no affinity has terms of its own
	tracer     Tracer        // nil: nobody
	measures   bool          // the memory of its browsers can be measured
	real       bool          // the clock is the real one
	began      time.Time     // the core's time 0
	over       chan struct{} // closed when the pool has ended; mu.closeError is final then

	// What the pool decides it decides in mu.core. The rest says who the core's numbers are: which
	// caller, which browser, which key.
	mu struct {
		sync.Mutex
		core     *core.State
		keys     keys
		recorder recorder
		effects  []core.Effect // of the present step; kept for its memory
		answers  []core.Event  // what carrying out an effect answered at once
		notes    []note        // for the log, once the lock is free
		ends     []func()      // of spans, for the tracer, once the lock is free
		counters Counters
		closes   closesByReason
		faults   faults    // the last ones, for Live
		swept    *[]string // during EvictIdle: the keys of what it closes
		bugs     int       // found so far

		lastRequest core.RequestID
		// the request of the present step, until it is answered; nil: none
		asking      *Lease[P]
		requests    map[core.RequestID]*Lease[P] // those that wait
		lastCall    core.CallID
		calls       map[core.CallID]*call // those that wait
		subscribers map[*subscriber]struct{}

		tabs     map[core.TabID]*tab[P]                // those that the core counts
		contexts map[core.ContextID]*browserContext[P] // those that the core counts
		browsers map[core.BrowserID]*browser[P]
		// armed for the core's next deadline, or for an earlier instant; nil: not armed
		timer       *timer
		armed       core.Time // the earliest deadline that the core has armed since the timer was set
		lastFailure error     // of launching or opening

		running    int  // goroutines of the pool, those of browsers not known to be gone included
		logging    int  // callers that write the log now, without the lock
		finished   bool // the core has said FinishClose
		stopWait   func() bool
		closeError error
	}
}

// call is a DisposeAffinity, a Ready or a Recycle that waits.
type call struct {
	answer chan struct{} // closed once err is set
	err    error
}

// New checks the settings and returns a pool; its first browser starts in the background. Trouble
// with it shows in Ready, GetPage and the log. A pool that is not needed any more has to be closed.
func New[P any](launcher Launcher[P], cfg Config) (*Pool[P], error) {
	if isNil(launcher) {
		what := "nil"
		if any(launcher) != nil {
			what = fmt.Sprintf("a nil %T", launcher)
		}
		return nil, &Error{Op: "New", Err: fmt.Errorf("the launcher is %s", what)}
	}
	var err error
	if configurer, ok := any(launcher).(Configurer); ok {
		if cfg, err = configurer.Configure(cfg); err != nil {
			return nil, &Error{Op: "New", Err: err}
		}
	}
	settings, cfg, err := cfg.resolve()
	if err != nil {
		return nil, &Error{Op: "New", Err: err}
	}
	measures, err := measures(launcher, &settings)
	if err != nil {
		return nil, &Error{Op: "New", Err: err}
	}
	if teller, ok := any(launcher).(FreezeTeller); ok && teller.IdleFreeze() > 0 {
		settings.FreezeAfter = teller.IdleFreeze()
	}
	p := &Pool[P]{
		launcher:   launcher,
		settings:   settings,
		clock:      cfg.More.Clock,
		log:        cfg.Logger,
		tracer:     cfg.Tracer,
		strict:     cfg.More.Strict,
		pseudonyms: cfg.More.DumpPseudonyms,
		real:       cfg.More.Clock == realClock{},
		began:      cfg.More.Clock.Now(),
		measures:   measures,
		over:       make(chan struct{}),
	}
	p.observer, _ = any(launcher).(observer)
	p.keeper, _ = any(launcher).(keeper)
	p.owns, _ = any(launcher).(OwnTeller)
	p.mu.core, p.mu.armed = core.New(settings), noDeadline
	p.mu.keys = newKeys()
	p.mu.recorder.most = cfg.More.RecorderEvents
	p.mu.requests = make(map[core.RequestID]*Lease[P])
	p.mu.calls = make(map[core.CallID]*call)
	p.mu.subscribers = make(map[*subscriber]struct{})
	p.mu.tabs = make(map[core.TabID]*tab[P])
	p.mu.contexts = make(map[core.ContextID]*browserContext[P])
	p.mu.browsers = make(map[core.BrowserID]*browser[P])
	p.mu.Lock()
	if p.keeper != nil {
		p.keeper.KeepsAffinities(shell.Locked{})
	}
	p.stepLocked(core.Event{Kind: core.NoEvent})
	p.unlock()
	return p, nil
}

// GetPage waits for a tab of the affinity until ctx ends, and returns a lease on it, which has to
// be released. ctx bounds the wait, not the lease. After an error, always an *Error, nothing is
// held and nobody waits.
func (p *Pool[P]) GetPage(ctx context.Context, affinity string, opts ...GetOption) (*Lease[P],
	error) {
	l, _, err := p.tracedPage(ctx, "GetPage", affinity, opts)
	return l, err
}

// tracedPage returns a lease, and the ctx for the work on it.
func (p *Pool[P]) tracedPage(ctx context.Context, op, affinity string, opts []GetOption) (*Lease[P],
	context.Context, error) {
	e, err := request(ctx, affinity, opts)
	if err != nil {
		return nil, nil, &Error{Op: op, Affinity: affinity, Err: err}
	}
	of := Span{Kind: SpanWait, Affinity: affinity, Nested: e.Class == core.Nested,
		Priority: int(e.Priority)}
	_, wait := p.startSpan(ctx, of)
	l := &Lease[P]{pool: p, label: labelOf(opts)}
	told := false
	defer func() {
		if !told && l.tab != nil {
			l.Release() // the tracer panicked, and nobody has the lease
		}
	}()
	err = p.getPage(ctx, l, e, op, affinity)
	p.endSpan(wait, l.waitEnd(err))
	work := ctx
	if err == nil {
		work = l.traceLease(ctx, of)
	}
	told = true
	if err != nil {
		return nil, nil, err
	}
	return l, work, nil
}

// getPage asks for a tab for l, and waits for the answer.
func (p *Pool[P]) getPage(ctx context.Context, l *Lease[P], e core.Event, op,
	affinity string) error {
	e.Own = p.hasOwnTerms(affinity)
	p.mu.Lock()
	e.Affinity = p.mu.keys.handle(affinity)
	p.mu.lastRequest++
	e.Request = p.mu.lastRequest
	l.request = e.Request
	p.mu.asking = l
	p.stepLocked(e)
	if !l.answered {
		l.answer = make(chan struct{})
	}
	p.unlock()
	if l.answer != nil {
		select {
		case <-l.answer:
		case <-ctx.Done():
			// The core says who wins. Either it has granted a tab in the meantime, and the caller gets
			// the lease; or it refuses the request now, and no grant can follow.
			p.mu.Lock()
			p.stepLocked(core.Event{Kind: core.Abandoned, Request: l.request})
			p.unlock()
		}
	}
	var err error
	switch {
	case l.tab != nil:
		return nil
	case l.refused == nil:
		err = contextError(ctx)
	default:
		err = p.howLost(ctx, l.refused)
	}
	return &Error{Op: op, Affinity: affinity, Waits: l.waits, Err: err}
}

// request checks what GetPage was given and makes the event of it.
func request(ctx context.Context, affinity string, opts []GetOption) (core.Event, error) {
	e := core.Event{Kind: core.Requested}
	if err := errors.Join(checkContext(ctx), checkAffinity(affinity)); err != nil {
		return e, err
	}
	for _, o := range opts {
		switch o.kind {
		case nested:
			e.Class = core.Nested
		case priority:
			if o.value < math.MinInt32 || o.value > math.MaxInt32 {
				return e, fmt.Errorf("WithPriority(%d): want a number of 32 bits", o.value)
			}
			e.Priority = int32(o.value)
		case maxLease:
			if o.value == 0 {
				return e, fmt.Errorf("WithMaxLease(0s): want more than 0, or Off")
			}
			e.MaxLease = max(time.Duration(o.value), Off)
		case label:
			if len(o.label) > mostLabel || !utf8.ValidString(o.label) {
				return e, fmt.Errorf("WithLabel of %d bytes: want UTF-8 of at most %d bytes", len(o.label),
					mostLabel)
			}
		}
	}
	if ctx.Err() != nil {
		return e, contextError(ctx)
	}
	return e, nil
}

// DisposeAffinity ends the present generation of an affinity: nobody who asks from now on meets its
// tabs, contexts or state, and what is held of it closes on release. It waits until the old
// generation is gone, or returns at once with NoWait; Retain keeps its context, with cache and
// storage, for the affinity's next tab; an unknown affinity is gone already. When ctx ends, it
// returns ctx's error, and the disposal goes on; it begins even where ctx has ended before.
func (p *Pool[P]) DisposeAffinity(ctx context.Context, affinity string,
	opts ...DisposeOption) error {
	e := core.Event{Kind: core.Disposed}
	err := errors.Join(checkContext(ctx), checkAffinity(affinity))
	for _, o := range opts {
		e.NoWait, e.Retain = e.NoWait || o.noWait, e.Retain || o.retain
	}
	if err == nil {
		err = p.await(ctx, e, affinity, core.FinishDispose)
	}
	if err != nil {
		return &Error{Op: "DisposeAffinity", Affinity: affinity, Err: err}
	}
	return nil
}

// Ready waits until the pool has the standbys that it aims at, or ctx ends, or the browser has
// failed for OpenRetries rounds. While the browser is above MaxBrowserMemory, the pool aims at
// none.
func (p *Pool[P]) Ready(ctx context.Context) error {
	err := checkContext(ctx)
	if err == nil {
		err = p.await(ctx, core.Event{Kind: core.WarmRequested}, "", core.FinishWarm)
	}
	if err != nil {
		return &Error{Op: "Ready", Err: err}
	}
	return nil
}

// await begins a call and waits for its answer, or until ctx ends.
func (p *Pool[P]) await(ctx context.Context, e core.Event, affinity string,
	answer core.EffectKind) error {
	p.mu.Lock()
	if affinity != "" {
		e.Affinity = p.mu.keys.handle(affinity)
	}
	p.mu.lastCall++
	id := p.mu.lastCall
	e.Call = id
	c := &call{answer: make(chan struct{})}
	if !e.NoWait {
		p.mu.calls[id] = c
	}
	if e.Kind == core.Disposed && !e.Retain {
		p.forgetLocked(affinity)
	}
	p.stepLocked(e)
	p.unlock()
	if e.NoWait {
		return nil
	}
	select {
	case <-c.answer:
		return p.howLost(ctx, c.err)
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.unlock()
	select {
	case <-c.answer: // it came first
		return c.err
	default:
	}
	delete(p.mu.calls, id)
	p.stepLocked(core.Event{Kind: core.CallAbandoned, Of: answer, Call: id})
	return contextError(ctx)
}

// Close ends the pool: it refuses root requests, serves nested ones and waits for the leases until
// ctx ends, then revokes them, and then ends the browsers. When it returns, nothing of the pool is
// alive: no browser, no timer, and no goroutine but those that still tell a subscriber; the log is
// written. What would not end within the settings' times is named in the error; a goroutine stays
// with each call into such a driver until that call returns. To call Close again, or at the same
// time, is to wait for the same end, and gives the same answer; of several ctx the first to end
// revokes the leases.
//
// The leases that Close waits for include its caller's own: whoever calls it from within Do, or
// with a lease in hand, waits until ctx or the lease's limit ends that lease.
func (p *Pool[P]) Close(ctx context.Context) error {
	if err := checkContext(ctx); err != nil {
		return &Error{Op: "Close", Err: err}
	}
	p.mu.Lock()
	p.stepLocked(core.Event{Kind: core.CloseRequested})
	p.unlock()
	select {
	case <-p.over:
	case <-ctx.Done():
		p.mu.Lock()
		p.stepLocked(core.Event{Kind: core.CloseExpired})
		p.unlock()
		<-p.over // bounded: every operation that it can wait for has a limit of its own
	}
	p.mu.Lock()
	defer p.unlock()
	return p.mu.closeError
}

// EvictIdle begins to close every affinity that nobody holds or waits for, and has not for maxIdle,
// at this moment, and returns their keys, sorted. It waits for no close: those affinities are cold
// when it returns. maxIdle is 0 or more.
func (p *Pool[P]) EvictIdle(maxIdle time.Duration) ([]string, error) {
	if maxIdle < 0 {
		return nil, &Error{Op: "EvictIdle", Err: fmt.Errorf("maxIdle is %v; want 0 or more", maxIdle)}
	}
	p.mu.Lock()
	defer p.unlock()
	keys := []string{}
	p.mu.swept = &keys
	p.stepLocked(core.Event{Kind: core.SweepRequested, MaxIdle: maxIdle})
	p.mu.swept = nil
	slices.Sort(keys)
	return keys, nil
}

// Recycle has the browser replaced, and waits until the next one serves and the old one is gone, or
// ctx ends, or launching has failed for OpenRetries rounds. The next one is started first; from
// then on new tabs open in it alone, what is idle in the old one is closed step by step, and its
// leases go on until DrainTimeout. No request is refused for it. When ctx ends, the replacement
// goes on.
func (p *Pool[P]) Recycle(ctx context.Context) error {
	err := checkContext(ctx)
	if err == nil {
		err = p.await(ctx, core.Event{Kind: core.RecycleRequested}, "", core.FinishRecycle)
	}
	if err != nil {
		return &Error{Op: "Recycle", Err: err}
	}
	return nil
}

// isNil says whether v is nil, or an interface around a nil pointer.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Chan, reflect.Func, reflect.Map, reflect.Pointer, reflect.Slice,
		reflect.UnsafePointer:
		return r.IsNil()
	}
	return false
}

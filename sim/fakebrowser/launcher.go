package fakebrowser

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// Fate is what becomes of one call into the fake.
type Fate struct {
	// it answers then; by the clock of package time, so virtual in a synctest bubble
	After  time.Duration
	Hangs  bool // it does not answer before Answer says so
	Result Outcome
}

// Usual are the latencies of a healthy browser, which a Launcher without a Fate has.
func Usual(kind OperationKind) Fate {
	switch kind {
	case Launch:
		return Fate{After: 300 * time.Millisecond}
	case Open:
		return Fate{After: 150 * time.Millisecond}
	case CloseBrowser:
		return Fate{After: 50 * time.Millisecond}
	case Kill:
		return Fate{After: 20 * time.Millisecond}
	case Probe, Ping, Check, Freeze:
		return Fate{After: time.Millisecond}
	case EndSession, BeginSession:
		return Fate{After: time.Millisecond}
	case Rescue, Reset:
		return Fate{After: 40 * time.Millisecond}
	}
	return Fate{After: 10 * time.Millisecond}
}

// Launcher puts a fake browser behind pool.Launcher. The model is that of State, as the driver's
// interface has it: a context is opened before its pages, and may have several or none. The zero
// value is ready to use, and answers every call after its usual time. All methods may be called at
// any time by anybody.
type Launcher struct {
	// Fate says what becomes of a call, when it begins; operation is the core's number of it, or 0.
	// It must not call the Launcher. Nil: Usual.
	Fate func(kind OperationKind, operation uint64) Fate

	// Sessions has each lease have a session of its own.
	Sessions bool

	// Checks has its browsers be checked.
	Checks bool

	// Measures has the memory of its browsers be measured.
	Measures bool

	// Owns says which affinities have terms of their own; nil: none has. It must not call the
	// Launcher.
	Owns func(affinity string) bool

	// FreezeAfter is how long a page has nobody before it is frozen; 0: it never is.
	FreezeAfter time.Duration

	mu struct {
		sync.Mutex
		processes []*process // those that are alive
		pending   []*call    // those that are not answered
	}
}

// call is one call that has not been answered.
type call struct {
	kind      OperationKind
	operation uint64
	answer    chan Outcome // holds one
}

// Pending lists the core's numbers of the calls that have not been answered, oldest first.
func (l *Launcher) Pending() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var operations []uint64
	for _, c := range l.mu.pending {
		operations = append(operations, c.operation)
	}
	return operations
}

// Answer answers the calls of one operation that are pending, hanging or not. It is false where
// there are none.
func (l *Launcher) Answer(operation uint64, result Outcome) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := false
	l.mu.pending = slices.DeleteFunc(l.mu.pending, func(c *call) bool {
		if c.operation == operation {
			c.answer <- result
			found = true
		}
		return c.operation == operation
	})
	return found
}

// AnswerAll answers every call that is pending: all works.
func (l *Launcher) AnswerAll() {
	for _, operation := range l.Pending() {
		l.Answer(operation, Works)
	}
}

// Census is what is alive. Pages include popups, and those that crashed and were not closed.
type Census struct{ Browsers, Contexts, Pages int }

// Census counts what is alive in all browsers.
func (l *Launcher) Census() Census {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all Census
	for _, p := range l.mu.processes {
		all.Browsers++
		all.Contexts += len(p.profiles)
		all.Pages += p.pagesLocked()
	}
	return all
}

// CensusOf counts what is alive in one browser.
func (l *Launcher) CensusOf(b pool.Browser[*Page]) Census {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := b.(*process)
	if !slices.Contains(l.mu.processes, p) {
		return Census{}
	}
	return Census{1, len(p.profiles), p.pagesLocked()}
}

// KillBrowser ends one browser from outside.
func (l *Launcher) KillBrowser(b pool.Browser[*Page]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.(*process).endLocked(pool.ErrBrowserLost)
}

// KillBrowsers ends all browsers from outside.
func (l *Launcher) KillBrowsers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.mu.processes) > 0 {
		l.mu.processes[0].endLocked(pool.ErrBrowserLost)
	}
}

// KillOldest ends the browser that has been there longest from outside, if there is one.
func (l *Launcher) KillOldest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mu.processes) > 0 {
		l.mu.processes[0].endLocked(pool.ErrBrowserLost)
	}
}

// LoseOldest has it be known that the browser which has been there longest ends, and returns it;
// nil: there is none. It ends when it is killed, and a Close waits for that.
func (l *Launcher) LoseOldest() pool.Browser[*Page] {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.mu.processes {
		if !p.losing {
			p.losing = true
			close(p.lost)
			return p
		}
	}
	return nil
}

// errFate is the answer of a call whose fate is to fail.
var errFate = errors.New("fakebrowser: it was told to fail")

// wait lets a call have its fate. stop ends it early: what it is about is over. patient calls do
// not end with ctx while they hang: they answer only when it is known what they left.
func (l *Launcher) wait(ctx context.Context, kind OperationKind, patient bool,
	stop <-chan struct{}) (Outcome, error) {
	operation := pool.OperationID(ctx)
	c := &call{kind, operation, make(chan Outcome, 1)}
	l.mu.Lock()
	l.mu.pending = append(l.mu.pending, c)
	l.mu.Unlock()
	defer l.withdraw(c)
	// It is pending before its fate is asked for: who changes Fate, and then answers all that is
	// pending, misses none.
	fate := Usual(kind)
	if l.Fate != nil {
		fate = l.Fate(kind, operation)
	}
	var due <-chan time.Time
	if !fate.Hangs {
		timer := time.NewTimer(fate.After)
		defer timer.Stop()
		due = timer.C
	}
	away := ctx.Done()
	if patient && fate.Hangs {
		away = nil
	}
	select {
	case <-stop:
		return Works, nil
	case result := <-c.answer:
		return result, nil
	case <-due:
		return fate.Result, nil
	case <-away:
		return Works, context.Cause(ctx)
	}
}

func (l *Launcher) withdraw(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.pending = slices.DeleteFunc(l.mu.pending, func(x *call) bool { return x == c })
}

// TellsMemory is nil where Measures is true.
func (l *Launcher) TellsMemory() error {
	if l.Measures {
		return nil
	}
	return errors.New("fakebrowser: Measures is false")
}

// Leak has a browser use so many bytes more, beside its pages.
func (l *Launcher) Leak(b pool.Browser[*Page], bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.(*process).memory += bytes
}

// OwnContext is what Owns says.
func (l *Launcher) OwnContext(affinity string) bool { return l.Owns != nil && l.Owns(affinity) }

// IdleFreeze is FreezeAfter.
func (l *Launcher) IdleFreeze() time.Duration { return l.FreezeAfter }

// Launch starts one browser.
func (l *Launcher) Launch(ctx context.Context) (pool.Browser[*Page], error) {
	result, err := l.wait(ctx, Launch, true, nil)
	if err == nil && result != Works {
		err = errFate
	}
	if err != nil {
		return nil, err
	}
	p := &process{launcher: l, done: make(chan struct{}), lost: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.processes = append(l.mu.processes, p)
	if l.Checks {
		return checked{p}, nil
	}
	return p, nil
}

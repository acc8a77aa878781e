package chrome

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
)

// crashGrace is how long the news of a crash is waited for. It came within 80 ms; a page that is
// told to close before that is still given its 500 ms.
const crashGrace = 250 * time.Millisecond

// What a tab is for a pool.
var (
	_ pool.Tab[*Page]       = (*tab)(nil)
	_ pool.LeaseTab[*Page]  = (*tab)(nil)
	_ pool.Halter           = (*tab)(nil)
	_ pool.NavigationTeller = (*tab)(nil)
	_ pool.Freezer          = (*tab)(nil)
	_ diagnoser             = (*tab)(nil)
)

// diagnoser is what the pool asks of a tab under its lock.
type diagnoser interface {
	LeaseBegun(_ shell.Locked, affinity string)
	LeaseSuspect(shell.Locked) func(context.Context) pool.Diagnosis
}

// tab is one page in a context. The driver has a DevTools session of its own on it, as long as it
// lives, on which nothing is enabled but Page: it opens, probes, rescues, resets and closes the
// page. A holder works through the session of his lease.
type tab struct {
	b  *browser
	c  *browserContext
	id target.ID

	news askedNews // of addresses that its holders navigate to

	// silent says that the driver has asked whether the page answers, and has no answer.
	silent atomic.Bool

	// restless says that the page began navigations without end, and that its scripts are stopped.
	restless atomic.Bool

	// life ends with the page, and its cause says why.
	life context.Context
	end  context.CancelCauseFunc
	done chan struct{} // closed right after life has ended
	once sync.Once

	// closes is the number of Close calls that run, and gaveUp says that one ended without an
	// answer. Both are guarded by browser.mu, as is beside.
	closes int
	gaveUp bool
	beside beside

	// away ends the look at what holds the main thread; nil: nobody looks.
	away atomic.Pointer[context.CancelFunc]

	session  target.SessionID // the driver's own; set by open, before anybody else sees the tab
	nav      *navigations
	sleep    sleep
	measured atomic.Bool   // its memory is being asked for
	retired  chan struct{} // closed when nothing of the tab runs any more

	mu struct {
		sync.Mutex
		over     bool                  // no session is opened any more
		sessions map[*session]struct{} // those that have not been closed
		lease    *session              // of the lease that began last; nil: none has
		prepared *session              // of the last Prepare; nil: there is no Prepare
		used     bool                  // a lease began since the page was brought to the standby state
		told     *diary                // of the lease that LeaseBegun began last; nil: none
		began    bool                  // a navigation, in the lease that EndLease ended last
		finished bool                  // one of them
	}
}

// NewTab opens a page. Once the browser was asked for it, the call waits for the answer and not for
// ctx; attaching to it and bringing it to the standby state ends with ctx, and the call then
// returns when the page is verified gone.
func (c *browserContext) NewTab(ctx context.Context) (pool.Tab[*Page], error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("chrome: open a page: %w", ended(ctx))
	}
	// A context's first page needs a window, and a page that shares one gets no frames when another
	// is in front.
	window := true
	if !c.b.enter(c) {
		return nil, fmt.Errorf("chrome: open a page: %w", errLost)
	}
	made, err := call(context.WithoutCancel(ctx), c.b.wire, "", target.CreateTarget,
		target.CreateTargetParams{URL: blank, BrowserContextID: c.id, NewWindow: &window})
	if err != nil {
		c.b.opened(c)
		c.b.tabs.Done()
		return nil, fmt.Errorf("chrome: open a page: %w", c.b.whenGone(err))
	}
	t := c.newTab(made.TargetID)
	c.b.opened(c)
	err = t.open(ctx)
	if err == nil && ctx.Err() != nil {
		err = ended(ctx)
	}
	if err != nil {
		left := t.Close(context.WithoutCancel(ctx))
		<-t.retired
		return nil, fmt.Errorf("chrome: open a page: %w", c.b.whenGone(errors.Join(err, left)))
	}
	return t, nil
}

// newTab takes over a target that was just made.
func (c *browserContext) newTab(id target.ID) *tab {
	t := &tab{
		b: c.b, c: c, id: id, nav: newNavigations(id),
		done: make(chan struct{}), retired: make(chan struct{}),
	}
	t.life, t.end = context.WithCancelCause(context.Background())
	t.mu.sessions = make(map[*session]struct{})
	gone := c.b.adopt(t)
	c.b.tabs.Go(func() { t.live(gone) })
	return t
}

// live waits for the end of the target, and leaves nothing of the tab.
func (t *tab) live(gone <-chan struct{}) {
	select {
	case <-gone:
	case <-t.b.wire.lost:
	}
	if t.b.isLost() {
		if t.b.closing.Load() && !t.b.isEnding() {
			t.over(ErrBrowserClosed)
		} else {
			t.over(pool.ErrBrowserLost)
		}
	}
	t.b.disown(t)
	t.b.tabs.Done()
	close(t.retired)
}

// over ends what holders have of the tab. Of several causes the first stays.
func (t *tab) over(cause error) {
	t.once.Do(func() {
		t.mu.Lock()
		t.mu.over = true
		sessions := t.mu.sessions
		t.mu.sessions = nil
		t.mu.Unlock()
		for s := range sessions {
			s.mute(cause)
		}
		t.end(cause)
		close(t.done)
		for s := range sessions {
			s.close(cause)
		}
	})
}

// open attaches the driver's own session to the page, and brings the page to the standby state.
func (t *tab) open(ctx context.Context) error {
	attaching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.life, func() { cancel(context.Cause(t.life)) })()
	session, err := t.b.attach(attaching, t.id)
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	t.b.own(session, t)
	enabling := begin(t.b.wire, t.session, page.Enable, page.EnableParams{})
	t.prepareSleep()
	// The answer is waited for: what a renderer has not taken in yet, the next one that shows the
	// page does not know.
	if _, err := awaited(ctx, t, enabling); err != nil {
		return err
	}
	if err := t.furnish(ctx); err != nil {
		return err
	}
	if t.b.StandbyURL == blank {
		return t.prepare(ctx) // it shows that already
	}
	return t.standby(ctx)
}

// Page is the page of the lease that has begun last.
func (t *tab) Page() *Page {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.lease == nil {
		return &Page{tab: t}
	}
	return t.mu.lease.page
}

// Context is the page's own life. It has no values of chromedp's: the context of a lease has.
func (t *tab) Context() context.Context { return t.life }

func (t *tab) Done() <-chan struct{} { return t.done }

// ask calls the page itself on the driver's session, and waits for the answer, for ctx, or for the
// end of the tab: the calls on a page that crashed are never answered.
func ask[P, R any](ctx context.Context, t *tab, command cdp.Command[P, R], params P) (R, error) {
	return askOn(ctx, t, t.session, command, params)
}

// askOn is ask on another session of the page.
func askOn[P, R any](
	ctx context.Context, t *tab, on target.SessionID, command cdp.Command[P, R], params P,
) (R, error) {
	if ctx.Err() != nil {
		var none R
		return none, fmt.Errorf("chrome: %s: %w", command.Method, ended(ctx))
	}
	return awaited(ctx, t, begin(t.b.wire, on, command, params))
}

// awaited waits for the answer of the page as ask does.
func awaited[R any](ctx context.Context, t *tab, asked pending[R]) (R, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.life, func() { cancel(nil) })()
	result, err := asked.wait(ctx)
	if err != nil && t.life.Err() != nil {
		return result, fmt.Errorf("chrome: %s: %w", asked.method, context.Cause(t.life))
	}
	return result, err
}

// one costs the page nothing but a turn of its main thread.
var one = runtime.EvaluateParams{Expression: "1"}

// Probe waits for the page's main thread to evaluate an expression, or for ctx. A page that was
// frozen is thawed, and the call then waits until it is visible, too.
func (t *tab) Probe(ctx context.Context) error {
	if err := t.answers(func() error { return t.wake(ctx) }); err != nil {
		return fmt.Errorf("chrome: probe: %w", err)
	}
	return nil
}

// answers does something that succeeds when the page answers. Until then it is silent.
func (t *tab) answers(do func() error) error {
	t.silent.Store(true)
	err := do()
	if err == nil {
		t.silent.Store(false)
	}
	return err
}

// Close closes the page with its popups, and waits until the browser lists none of them, or until
// ctx ends. It may be called again. A page that does not answer is crashed first: otherwise Chrome
// waits 500 ms for what it may do at its end.
func (t *tab) Close(ctx context.Context) (err error) {
	t.lookAway()
	t.muteAll(ErrPageClosed) // before the browser answers with an error of its own
	t.b.closeBegins(t)
	defer func() { t.b.closeEnds(t, err) }()
	if t.silent.Load() {
		t.crash(ctx)
	}
	err = t.b.closePages(ctx, func(info *target.Info, root target.ID) bool {
		return info.TargetID == t.id || root == t.id
	})
	if err != nil {
		return fmt.Errorf("chrome: close a page: %w", err)
	}
	if !t.b.isLost() {
		t.b.destroyed(t.id) // a no-op where the browser has told
		t.over(ErrPageClosed)
	}
	<-t.done // where the browser is lost, live is about to say so
	return nil
}

// muteAll ends what holders have of the tab's sessions.
func (t *tab) muteAll(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range t.mu.sessions {
		s.mute(cause)
	}
}

// crash ends the page's renderer, and reports whether the news of that comes in time. Chrome
// refuses a crash while a navigation is pending, so that is stopped first.
func (t *tab) crash(ctx context.Context) bool {
	post(t.b.wire, t.session, page.StopLoading, cdp.Empty{})
	post(t.b.wire, t.session, page.Crash, cdp.Empty{})
	timer := time.NewTimer(crashGrace)
	defer timer.Stop()
	select {
	case <-t.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// Kill crashes the page's renderer, waits for the news of that, and closes the page as Close does.
// A crash needs no answer of the main thread, so a script, a request or a dialog cannot stop it.
// Popups that share the renderer die with it.
func (t *tab) Kill(ctx context.Context) error {
	for !t.crash(ctx) {
		if ctx.Err() != nil {
			return fmt.Errorf("chrome: kill a page: %w", ended(ctx))
		}
	}
	return t.Close(ctx)
}

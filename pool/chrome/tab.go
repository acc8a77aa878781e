package chrome

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/debugger"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
)

const (
	// crashAgain is how long a kill waits for the news of the crash before it crashes the page again.
	crashAgain = 250 * time.Millisecond
	// rescueAgain is how often a rescue goes to the blank page again when something else came between.
	rescueAgain = 3
	// stopEvery is the time between two stops while a page that is rescued leaves its document.
	stopEvery = 50 * time.Millisecond
)

// What a tab is for a pool.
var (
	_ pool.Tab[*Page]     = (*tab)(nil)
	_ pool.LeaseWatcher   = (*tab)(nil)
	_ pool.LeaseDiagnoser = (*tab)(nil)
)

// tab is one page in a context.
type tab struct {
	b    *browser
	c    *browserContext
	id   target.ID
	page *Page
	line *line

	// loop is the context that chromedp reads this tab's messages on, until the target is gone.
	// Chrome goes on sending as long as the session lives, so nobody's deadline may end it. unloop
	// does not wait for chromedp, which may wait for a holder.
	loop   context.Context
	unloop context.CancelFunc
	// life is what holders get: loop's values with an end of its own, which has a cause.
	life context.Context
	end  context.CancelCauseFunc
	done chan struct{} // closed right after life has ended
	once sync.Once

	// closes is the number of Close calls that run, and gaveUp says that one ended without an answer. Both are
	// guarded by browser.mu.
	closes int
	gaveUp bool
	leases int // that have ended; guarded by browser.mu

	// away ends the look at what holds the main thread; nil: nobody looks.
	away atomic.Pointer[context.CancelFunc]

	session  target.SessionID // set by open, before anybody else sees the tab
	prepared atomic.Bool      // Prepare has the page's requests or scripts stopped, and sees to them
	attached chan error       // takes what attaching chromedp brought
	retired  chan struct{}    // closed when nothing of the tab runs any more
}

// NewTab opens a page. Once the browser was asked for it, the call waits for the answer and not for
// ctx; attaching to it and bringing it to the standby state ends with ctx, and the call then returns when
// the page is verified gone.
func (c *browserContext) NewTab(ctx context.Context) (pool.Tab[*Page], error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("chrome: open a page: %w", ended(ctx))
	}
	// A context's first page needs a window, and a page that shares one gets no frames when another is
	// in front.
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
		return nil, fmt.Errorf("chrome: open a page: %w", errors.Join(err, left))
	}
	return t, nil
}

// newTab takes over a target that was just made, and begins to attach chromedp to it.
func (c *browserContext) newTab(id target.ID) *tab {
	t := &tab{
		b: c.b, c: c, id: id, line: c.b.wire.newLine(id),
		done: make(chan struct{}), attached: make(chan error, 1), retired: make(chan struct{}),
	}
	t.page = &Page{tab: t}
	t.line.claims, t.line.guard = t.claims, newGuard(t, t.line)
	report := func(format string, values ...any) {
		c.b.log.Debug("chromedp", "text", fmt.Sprintf(format, values...), "target", id)
	}
	root, unroot := chromedp.NewAllocatorContext(context.Background(), t.line)
	loop, _ := chromedp.NewContext(root, chromedp.WithTargetID(id), chromedp.WithDetachOnCancel(),
		chromedp.WithLogf(report), chromedp.WithErrorf(report))
	// Pages that a holder opens with chromedp go to the same profile.
	chromedp.FromContext(loop).BrowserContextID = c.id
	t.loop, t.unloop = loop, unroot
	t.life, t.end = context.WithCancelCause(context.WithValue(context.WithoutCancel(loop), pageKey{}, t.page))
	gone := c.b.adopt(t)
	// The first run decides which context chromedp reads on, so it is loop and not that of a call.
	c.b.tabs.Go(func() { t.attached <- chromedp.Do(t.loop) })
	c.b.tabs.Go(func() { t.live(gone) })
	return t
}

// live waits for the end of the target, and leaves nothing of the tab.
func (t *tab) live(gone <-chan struct{}) {
	select {
	case <-gone:
	case <-t.b.wire.lost:
	case <-t.loop.Done():
		// chromedp.Cancel, which a holder may call on any context of the page, ends what reads the page's
		// messages. The page is then of no use to anybody; whoever closes it verifies that.
		t.over(fmt.Errorf("%w: its holder cancelled chromedp's context", ErrPageClosed))
		post(t.b.wire, "", target.CloseTarget, target.CloseTargetParams{TargetID: t.id})
		select {
		case <-gone:
		case <-t.b.wire.lost:
		}
	}
	if t.b.isLost() {
		if t.b.closing.Load() {
			t.over(ErrBrowserClosed)
		} else {
			t.over(pool.ErrBrowserLost)
		}
	}
	// Only now: while the session lives, a chromedp that does not read would be sent messages still.
	t.line.hangUp()
	t.unloop()
	t.line.Close()
	t.b.tabs.Done()
	close(t.retired)
}

// over ends what holders have of the tab. Of several causes the first stays.
func (t *tab) over(cause error) {
	t.once.Do(func() {
		t.end(cause)
		close(t.done)
	})
}

// open waits until chromedp is attached to the page, and brings it to the standby state.
func (t *tab) open(ctx context.Context) error {
	select {
	case err := <-t.attached:
		if err != nil {
			return fmt.Errorf("attach: %w", err)
		}
	case <-ctx.Done():
		return fmt.Errorf("attach: %w", ended(ctx))
	case <-t.done:
		return fmt.Errorf("attach: %w", context.Cause(t.life))
	}
	t.session = chromedp.FromContext(t.loop).Target.SessionID
	if err := t.furnish(ctx); err != nil {
		return err
	}
	if t.b.standbyURL == blank {
		return t.prepare(ctx) // it shows that already
	}
	return t.standby(ctx)
}

func (t *tab) Page() *Page { return t.page }

func (t *tab) Context() context.Context { return t.life }

func (t *tab) Done() <-chan struct{} { return t.done }

// ask calls the page itself, and waits for the answer, for ctx, or for the end of the tab: the calls on
// a page that crashed are never answered.
func ask[P, R any](ctx context.Context, t *tab, command cdp.Command[P, R], params P) (R, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.life, func() { cancel(nil) })()
	result, err := call(ctx, t.b.wire, t.session, command, params)
	if err != nil && t.life.Err() != nil {
		return result, fmt.Errorf("chrome: %s: %w", command.Method, context.Cause(t.life))
	}
	return result, err
}

// one costs the page nothing but a turn of its main thread.
var one = runtime.EvaluateParams{Expression: "1"}

// Probe waits for the page's main thread to evaluate an expression, and for chromedp to have taken what
// the page said so far, or for ctx. It fails where the next holder could not work with the page although
// it answers: its requests or its scripts are stopped, by a holder that has gone.
func (t *tab) Probe(ctx context.Context) error {
	_, err := ask(ctx, t, runtime.Evaluate, one)
	if err == nil {
		err = t.heard(ctx)
	}
	if err == nil && t.line.stops(t.session) && !t.prepared.Load() {
		err = errors.New("what a holder stops, requests or scripts, is still stopped")
	}
	if err != nil {
		return fmt.Errorf("chrome: probe: %w", err)
	}
	return nil
}

// heard waits until chromedp has taken all messages of the page that have come so far. As long as a
// listener blocks, it takes none, and every call of chromedp's on this page waits for the lock
// that the listener is called under, without regard to any ctx. So this asks for no lock: it has an event
// of the driver's own queued behind the others, and waits to hear of it.
func (t *tab) heard(ctx context.Context) error {
	echoes, stop := chromedp.FromContext(t.loop).Target.Subscribe(echoMethod)
	defer stop()
	t.line.echo(t.session)
	select {
	case <-echoes:
		return nil
	case <-t.life.Done():
		return context.Cause(t.life)
	case <-ctx.Done():
		return fmt.Errorf("chromedp takes no messages of the page, because a listener blocks or too many wait: %w", ended(ctx))
	}
}

// Rescue stops the script that holds the main thread, lets no other one begin, and brings the page
// back to the standby state. What is no script (a synchronous request, a huge layout) cannot be
// stopped; the call then waits for ctx.
func (t *tab) Rescue(ctx context.Context) error {
	t.lookAway()
	t.unstop()
	if err := t.quiet(ctx); err != nil {
		return fmt.Errorf("chrome: rescue: %w", err)
	}
	err := t.flee(ctx)
	if err == nil && t.b.clearStorage {
		err = t.forget(ctx)
	}
	if err == nil {
		post(t.b.wire, t.session, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
		// A stop that found nothing to stop hits the next script. Be that ours: an error is an answer.
		_, err = ask(ctx, t, runtime.Evaluate, one)
		if refused := (*cdproto.Error)(nil); errors.As(err, &refused) {
			err = nil
		}
	}
	if err == nil && t.b.standbyURL == blank && len(t.b.initScripts) == 0 {
		err = t.prepare(ctx) // it shows that already; scripts of ours would not have run on it
	} else if err == nil {
		err = t.standby(ctx)
	}
	if err == nil {
		err = t.intact()
	}
	if err != nil {
		return fmt.Errorf("chrome: rescue: %w", err)
	}
	return nil
}

// flee goes to the blank page. What a document does at its end, such as a loop in an unload handler, holds the
// main thread once more, so scripts are stopped until that is over.
func (t *tab) flee(ctx context.Context) error {
	done := make(chan struct{})
	var stopping sync.WaitGroup
	stopping.Go(func() {
		tick := time.NewTicker(stopEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				post(t.b.wire, t.session, runtime.TerminateExecution, cdp.Empty{})
			case <-done:
				return
			}
		}
	})
	err := t.navigate(ctx, blank)
	for again := 0; err != nil && again < rescueAgain && ctx.Err() == nil && t.life.Err() == nil; again++ {
		err = t.navigate(ctx, blank) // a navigation of a holder's, which goes on only now, came between
	}
	close(done)
	stopping.Wait() // a stop that is sent later would hit what comes next
	return err
}

// quiet has the page run no script: first no new one, then not the one that runs. Chrome carries out
// both between two steps of a script, so they wait for no turn of the main thread.
func (t *tab) quiet(ctx context.Context) error {
	post(t.b.wire, t.session, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	_, err := ask(ctx, t, runtime.TerminateExecution, cdp.Empty{})
	return err
}

// intact is an error where chromedp's picture of the page is no longer right.
func (t *tab) intact() error {
	dropped, damaged := t.line.losses()
	if dropped > 0 {
		t.b.log.Warn("messages of a page dropped", "target", t.id, "messages", dropped)
	}
	if damaged {
		return errors.New("too many events were dropped: nobody read them")
	}
	return nil
}

// Reset closes the page's popups, undoes what a holder is likely to have left on the connection
// (intercepted requests, extra headers, another screen), and brings the page to the standby state with
// an empty history. It waits for all of that, or for ctx. Cookies and storage stay, unless the launcher says
// ClearStorage.
func (t *tab) Reset(ctx context.Context) error {
	err := t.b.closePages(ctx, func(info *target.Info, root target.ID) bool {
		return info.Type == "page" && info.TargetID != t.id && root == t.id
	})
	if err == nil {
		err = t.undo(ctx)
	}
	if err == nil && t.b.clearStorage {
		// First away from the last holder's document, which could store something anew.
		if err = t.navigate(ctx, blank); err == nil {
			err = t.forget(ctx)
		}
	}
	if err == nil {
		err = t.standby(ctx)
	}
	if err == nil {
		_, err = ask(ctx, t, page.ResetNavigationHistory, cdp.Empty{})
	}
	if err == nil {
		err = t.intact()
	}
	if err != nil {
		return fmt.Errorf("chrome: reset: %w", err)
	}
	return nil
}

// undo clears settings of the session. They are sent at once; the last answer comes after the others.
func (t *tab) undo(ctx context.Context) error {
	session := t.session
	t.unstop()
	post(t.b.wire, session, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{}})
	if t.b.viewport.Width == 0 {
		post(t.b.wire, session, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
	} else {
		post(t.b.wire, session, emulation.SetDeviceMetricsOverride, t.b.viewport.metrics())
	}
	post(t.b.wire, session, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	_, err := ask(ctx, t, runtime.DiscardConsoleEntries, cdp.Empty{})
	return err
}

// unstop lets requests and scripts go on that a holder stopped.
func (t *tab) unstop() {
	post(t.b.wire, t.session, fetch.Disable, cdp.Empty{})
	post(t.b.wire, t.session, debugger.Disable, cdp.Empty{})
	t.line.unstopped(t.session)
}

// Close closes the page with its popups, and waits until the browser lists none of them, or until ctx
// ends. It may be called again.
func (t *tab) Close(ctx context.Context) (err error) {
	t.lookAway()
	t.b.closeBegins(t)
	defer func() { t.b.closeEnds(t, err) }()
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

// Kill crashes the page's renderer, waits for the news of that, and closes the page as Close does.
// A crash needs no answer of the main thread, so a script, a request or a dialog cannot stop it.
// Popups that share the renderer die with it.
func (t *tab) Kill(ctx context.Context) error {
	for {
		post(t.b.wire, t.session, page.Crash, cdp.Empty{})
		timer := time.NewTimer(crashAgain)
		select {
		case <-t.done:
			timer.Stop()
			return t.Close(ctx)
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("chrome: kill a page: %w", ended(ctx))
		}
	}
}

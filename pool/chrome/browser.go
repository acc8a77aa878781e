package chrome

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto"
	chromebrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/pool"
)

const (
	// disposeTimeout is how long the browser may take to answer that it disposed of a context, and
	// disposeRetry how long what is left of it may take to go, before it is told again.
	disposeTimeout, disposeRetry = 250 * time.Millisecond, 10 * time.Millisecond
	// killTimeout is how long a browser that was killed may take to go.
	killTimeout = 5 * time.Second
	// busyLook is how often a ping that is not answered looks whether bytes arrive.
	busyLook = 100 * time.Millisecond
)

var errBusy = errors.New("the browser sends other messages")

// browser is one running browser.
type browser struct {
	settings
	number  int      // which one of KeepCookies it is; 0: there is none
	process *process // nil: it is somebody else's, and its end is the end of the connection
	wire    *wire

	closing atomic.Bool   // Close was called: the end will be no loss
	force   chan struct{} // closed when the browser is not to end gracefully
	forced  sync.Once
	ending  chan struct{} // closed when it is known to end, unasked
	// cause is why it ended unasked. It is set before done is closed. Nil: it was asked to end, or
	// nobody knows.
	cause error
	ended chan error // holds cause
	// done is closed when no process of it is left, and its folder was removed as far as that is
	// possible.
	done    chan struct{}
	cleaned chan struct{}  // closed when no goroutine of it is left either
	tabs    sync.WaitGroup // tabs that are opened or whose goroutines run
	tracing chan struct{}  // holds a token while somebody records a trace
	leaves  chan struct{}  // holds a token while there may be pages for closeLeft
	checks  checks
	pace    pace

	mu struct {
		sync.Mutex
		over bool // the browser is gone, and tabs grows no more
		// pages is fed by the browser's events. It wakes and informs; what is really open only the
		// browser itself can say.
		pages map[target.ID]*listed
		// contexts are those that the driver made and that are not verified gone.
		contexts map[cdp.BrowserContextID]*browserContext
		making   int // contexts that the browser was asked for and that are not in there
		// profiles are the contexts that holders made for themselves.
		profiles map[cdp.BrowserContextID]*profile
		traces   map[target.SessionID]*trace
		owned    map[target.SessionID]*tab // by the driver's own session
		busy     time.Time                 // when it last sent something instead of an answer to a ping
	}
}

// newBrowser takes over a connection, and the process at its other end where that was just started.
func newBrowser(s settings, p *process, l link) *browser {
	b := &browser{
		settings: s, process: p,
		force: make(chan struct{}), ending: make(chan struct{}),
		done: make(chan struct{}), cleaned: make(chan struct{}),
		tracing: make(chan struct{}, 1), leaves: make(chan struct{}, 1), ended: make(chan error, 1),
	}
	if s.KeepCookies != nil {
		b.number = s.KeepCookies.launch()
	}
	b.checks.turn, b.pace = make(chan struct{}, 1), newPace()
	b.mu.pages = make(map[target.ID]*listed)
	b.mu.contexts = make(map[cdp.BrowserContextID]*browserContext)
	b.mu.profiles = make(map[cdp.BrowserContextID]*profile)
	b.mu.traces = make(map[target.SessionID]*trace)
	b.mu.owned = make(map[target.SessionID]*tab)
	b.wire = newWire(l, b.observe)
	b.wire.flooded, b.wire.newsOf = b.flooded, b.newsOf
	b.wire.maxAnswer, b.wire.owner = s.MaxAnswer, s.owner
	b.wire.start()
	b.wire.loops.Go(b.audits)
	b.wire.loops.Go(b.measures)
	b.wire.loops.Go(b.weighs)
	b.wire.loops.Go(b.closeLeft)
	go b.live()
	return b
}

// live waits for the browser to end, and leaves nothing of it.
func (b *browser) live() {
	var dying, exited <-chan struct{}
	if b.process != nil {
		dying, exited = b.process.dying, b.process.exited
	}
	select {
	case <-b.wire.lost:
	case <-dying:
	}
	unasked := !b.closing.Load()
	switch {
	case unasked:
		// Its processes may take a while to end, and its pipe, and holders are to be told now.
		close(b.ending)
		for _, t := range b.tabsOf(nil) {
			t.over(pool.ErrBrowserLost)
		}
		b.wire.link.Close()
		b.log.Warn("connection to a browser lost", "pid", b.pid())
	case b.process != nil:
		select {
		case <-exited:
		case <-b.force:
		}
	}
	if b.process != nil {
		b.process.kill()
		b.process.gone()
		// Before anybody hears of the end: nobody may be there any more a moment later.
		if err := b.process.folder.remove(); err != nil {
			b.log.Warn(
				"browser folder not removed", "pid", b.pid(), "folder", b.process.folder.path, "error", err,
			)
		}
		if unasked {
			b.cause = fmt.Errorf("chrome: the browser's process ended %s", b.process.ending(""))
			b.ended <- b.cause
			b.log.Warn("browser process ended", "pid", b.pid(), "error", b.cause)
		}
	}
	close(b.done)
	b.wire.close()
	b.mu.Lock()
	b.mu.over = true
	b.mu.Unlock()
	b.tabs.Wait()
	close(b.cleaned)
}

// pid is the browser's process in the log. 0: it is somebody else's.
func (b *browser) pid() int {
	if b.process == nil {
		return 0
	}
	return b.process.cmd.Process.Pid
}

func (b *browser) Done() <-chan struct{} { return b.done }

// Lost is closed when the browser is known to end unasked: Done follows, when nothing of it is
// left.
func (b *browser) Lost() <-chan struct{} { return b.ending }

// Ended holds how the browser's process ended unasked, and the last that it printed, when Done is
// closed.
func (b *browser) Ended() <-chan error { return b.ended }

// Ping waits for the browser's main thread to answer, or for ctx. A browser that sends a long
// message, or many, is busy and not lost, though it answers nothing meanwhile: once after each
// answer, bytes that arrive count as one.
func (b *browser) Ping(ctx context.Context) error {
	began := time.Now()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if b.mayBeBusy() {
		go func() {
			for ctx.Err() == nil && !b.wire.link.heard().After(began) {
				select {
				case <-ctx.Done():
				case <-time.After(busyLook):
				}
			}
			stop(errBusy)
		}()
	}
	_, err := call(ctx, b.wire, "", chromebrowser.GetVersion, cdp.Empty{})
	if errors.Is(err, errBusy) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.mu.busy = time.Now()
		return nil
	}
	return err
}

// mayBeBusy reports whether the browser has answered anything since it was last taken for busy.
func (b *browser) mayBeBusy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.busy.IsZero() || b.wire.replies.heard().After(b.mu.busy)
}

// Close asks the browser to end and waits for that until ctx ends, then kills it and waits for up
// to 5 seconds more. Nil: no process of it is left, and its folder was removed as far as that is
// possible. Of a remote browser, nil says that the connection is closed; the contexts that were
// made over it were disposed of before, or are by the browser, because of that end. It may be
// called again, and at the same time.
func (b *browser) Close(ctx context.Context) error {
	switch first := !b.closing.Swap(true); {
	case !first || ctx.Err() != nil:
	case b.process == nil:
		b.disposeAll(ctx)
		b.kill()
	default:
		post(b.wire, "", chromebrowser.Close, cdp.Empty{})
	}
	select {
	case <-b.cleaned:
		return nil
	case <-ctx.Done():
	}
	if b.process != nil && !b.isEnding() {
		b.log.WarnContext(ctx, "browser killed", "pid", b.pid(), "operation", pool.OperationID(ctx))
	}
	b.kill()
	timer := time.NewTimer(killTimeout)
	defer timer.Stop()
	select {
	case <-b.cleaned:
		return nil
	case <-timer.C:
	}
	select {
	case <-b.done:
		return nil // what still runs is a func of a user's
	default:
		if b.process == nil {
			return fmt.Errorf("chrome: close the browser: the connection to it does not end: %w", ended(ctx))
		}
		return fmt.Errorf(
			"chrome: close the browser: process group %d still runs %v after it was killed: %w",
			b.process.cmd.Process.Pid, killTimeout, ended(ctx),
		)
	}
}

// enter counts a tab of c that is about to be opened, unless the browser is gone.
func (b *browser) enter(c *browserContext) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.over {
		return false
	}
	b.tabs.Add(1)
	c.opening++
	return true
}

// opened notes that a tab of c that was entered is on the books, or will not come.
func (b *browser) opened(c *browserContext) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.opening--
	b.placeLocked(c)
}

// kill ends the browser by force. It does not wait.
func (b *browser) kill() {
	b.forced.Do(func() {
		close(b.force)
		b.wire.link.Close() // wakes live, which kills, whatever the process does
	})
}

// observe keeps the books on pages. It runs on the pump: what it does must not wait.
func (b *browser) observe(msg *cdproto.Message) {
	if msg.Method == cdproto.EventTracingDataCollected ||
		msg.Method == cdproto.EventTracingTracingComplete {
		b.traced(msg)
		return
	}
	if msg.Method == cdproto.EventPageJavascriptDialogOpening {
		b.dialogOpened(msg)
		return
	}
	if msg.SessionID != "" {
		if navigates(msg.Method) {
			if t := b.ownerOf(msg.SessionID); t != nil {
				t.nav.event(msg.Method, msg.Params)
			}
		}
		return
	}
	switch msg.Method {
	case cdproto.EventTargetTargetCreated:
		var created target.EventTargetCreated
		if decode(msg.Params, &created) == nil {
			b.created(created.TargetInfo)
			b.passOn(created.TargetInfo, msg)
		}
	case cdproto.EventTargetTargetInfoChanged:
		var changed target.EventTargetInfoChanged
		if bytes.Contains(msg.Params, opener) && decode(msg.Params, &changed) == nil {
			b.passOn(changed.TargetInfo, msg)
		}
	case cdproto.EventTargetTargetDestroyed:
		var destroyed target.EventTargetDestroyed
		if decode(msg.Params, &destroyed) == nil {
			b.destroyed(destroyed.TargetID)
		}
	case cdproto.EventTargetTargetCrashed:
		var crashed target.EventTargetCrashed
		if decode(msg.Params, &crashed) == nil {
			b.crashed(crashed)
		}
	}
}

// unlessGone turns the error of a call into nil where the browser is gone, and with it everything
// in it. A browser whose connection ended is about to be gone.
func (b *browser) unlessGone(ctx context.Context, err error) error {
	if !errors.Is(err, errLost) {
		return err
	}
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w; %w", err, ended(ctx))
	}
}

// whenGone returns the error of a call when nothing that the call may have made is left: where the
// browser is lost, when it is gone.
func (b *browser) whenGone(err error) error {
	if !errors.Is(err, pool.ErrBrowserLost) {
		return err
	}
	<-b.done
	if b.cause != nil {
		return fmt.Errorf("%w: %w", err, b.cause)
	}
	return err
}

// isEnding reports whether the browser is known to end unasked: live kills what is left of it.
func (b *browser) isEnding() bool {
	select {
	case <-b.ending:
		return true
	default:
		return false
	}
}

// isLost reports whether the connection to the browser has ended.
func (b *browser) isLost() bool {
	select {
	case <-b.wire.lost:
		return true
	default:
		return false
	}
}

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
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/pool"
)

const (
	// closeRetry is how long a page that still answers may take to go before it is told again: Chrome
	// forgets a close that comes while a navigation commits, and says that it was done. On a busy
	// machine that can be four of five.
	closeRetry = 20 * time.Millisecond
	// closeGrace is the same for a page that does not answer. Chrome itself gives it 500 ms, and with
	// each close anew: told every 100 ms, it would stay for ever.
	closeGrace = 800 * time.Millisecond
	// disposeTimeout is how long the browser may take to answer that it disposed of a context, and
	// disposeRetry how long what is left of it may take to go, before it is told again.
	disposeTimeout, disposeRetry = 250 * time.Millisecond, 10 * time.Millisecond
	// killTimeout is how long a browser that was killed may take to go.
	killTimeout = 5 * time.Second
)

// browser is one running browser.
type browser struct {
	settings
	process *process // nil: it is somebody else's, and its end is the end of the connection
	wire    *wire

	closing atomic.Bool   // Close was called: the end will be no loss
	force   chan struct{} // closed when the browser is not to end gracefully
	forced  sync.Once
	ending  chan struct{}  // closed when it is known to end, unasked
	done    chan struct{}  // closed when no process of it is left, and its folder was removed as far as that is possible
	cleaned chan struct{}  // closed when no goroutine of it is left either
	tabs    sync.WaitGroup // tabs that are opened or whose goroutines run
	tracing chan struct{}  // holds a token while somebody records a trace

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
	}
}

// listed is a target that the browser told of. Its fields are guarded by browser.mu.
type listed struct {
	root    target.ID // the pool's page from which it was opened, by script or by its holder; or where the chain of openers begins
	context cdp.BrowserContextID
	page    bool // and no worker, frame or the like, which end with theirs
	crashed bool
	left    bool // it is a holder's whose lease is over
	// internal says that it is of the browser's own user interface, and no holder's.
	internal bool
	session  target.SessionID // a popup's, where the driver attends it
	tab      *tab             // nil: not the pool's, or not yet known to be
	gone     chan struct{}    // closed when the target was destroyed
}

// newBrowser takes over a connection, and the process at its other end where that was just started.
func newBrowser(s settings, p *process, l link) *browser {
	b := &browser{
		settings: s, process: p,
		force: make(chan struct{}), ending: make(chan struct{}), done: make(chan struct{}), cleaned: make(chan struct{}),
		tracing: make(chan struct{}, 1),
	}
	b.mu.pages = make(map[target.ID]*listed)
	b.mu.contexts = make(map[cdp.BrowserContextID]*browserContext)
	b.mu.profiles = make(map[cdp.BrowserContextID]*profile)
	b.mu.traces = make(map[target.SessionID]*trace)
	b.mu.owned = make(map[target.SessionID]*tab)
	b.wire = newWire(l, b.observe)
	b.wire.start()
	b.wire.loops.Go(b.audits)
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
	switch {
	case !b.closing.Load():
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
		if err := b.process.remove(); err != nil {
			b.log.Warn("browser folder not removed", "pid", b.pid(), "folder", b.process.folder, "error", err)
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

// Lost is closed when the browser is known to end unasked: Done follows, when nothing of it is left.
func (b *browser) Lost() <-chan struct{} { return b.ending }

// Ping waits for the browser's main thread to answer, or for ctx.
func (b *browser) Ping(ctx context.Context) error {
	_, err := call(ctx, b.wire, "", chromebrowser.GetVersion, cdp.Empty{})
	return err
}

// Close asks the browser to end and waits for that until ctx ends, then kills it and waits for up to 5
// seconds more. Nil: no process of it is left, and its folder was removed as far as that is possible.
// Of a remote browser, nil says that the connection is closed; the contexts that were made over it were
// disposed of before, or are by the browser, because of that end. It may be called again, and at the same
// time.
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
	if b.process != nil {
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
		return fmt.Errorf("chrome: close the browser: process group %d still runs %v after it was killed: %w",
			b.process.cmd.Process.Pid, killTimeout, ended(ctx))
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
	if msg.Method == cdproto.EventTracingDataCollected || msg.Method == cdproto.EventTracingTracingComplete {
		b.traced(msg)
		return
	}
	if msg.Method == cdproto.EventPageJavascriptDialogOpening {
		if b.wire.primary(msg.SessionID) {
			return // the driver's own session on the page tells of it as well
		}
		var dialog page.EventJavascriptDialogOpening
		if decode(msg.Params, &dialog) == nil {
			leave := dialog.Type == page.DialogTypeBeforeunload // dismissing that would be to stay
			post(b.wire, msg.SessionID, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{
				Accept: leave || b.AcceptDialogs, PromptText: dialog.DefaultPrompt,
			})
		}
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

// own notes the driver's own session on a tab.
func (b *browser) own(session target.SessionID, t *tab) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.session = session
	b.mu.owned[session] = t
}

func (b *browser) disown(t *tab) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.mu.owned, t.session)
}

func (b *browser) ownerOf(session target.SessionID) *tab {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.owned[session]
}

func (b *browser) created(info *target.Info) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.pages[info.TargetID] == nil {
		if info.Type == "page" && info.OpenerID != "" && b.oursLocked(info.BrowserContextID) {
			b.attend(info.TargetID)
		}
		b.mu.pages[info.TargetID] = &listed{
			root: b.rootLocked(info), context: info.BrowserContextID, page: info.Type == "page", internal: internal(info.Type),
			gone: make(chan struct{}),
		}
	}
}

// opener is in the news of every target that another one has opened.
var opener = []byte(`"openerId"`)

// passOn gives a holder the news of a page that his has opened: chromedp waits for it where it waits for a popup.
func (b *browser) passOn(info *target.Info, msg *cdproto.Message) {
	if info.OpenerID == "" {
		return
	}
	b.mu.Lock()
	root := b.mu.pages[b.rootLocked(info)]
	b.mu.Unlock()
	if root == nil || root.tab == nil {
		return
	}
	t := root.tab
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range t.mu.sessions {
		s.pass(msg)
	}
}

// oursLocked reports whether a context is the driver's or a holder's, and not one of somebody else at the same browser.
func (b *browser) oursLocked(id cdp.BrowserContextID) bool {
	return b.process != nil || b.mu.contexts[id] != nil || b.mu.profiles[id] != nil
}

// attend has the browser tell of a popup's dialogs: a popup can share its opener's main thread, which a dialog
// stops. One that opens before the browser has taken this in stops it all the same, until the popup is closed.
func (b *browser) attend(popup target.ID) {
	flat := true
	params := encode(target.CommandAttachToTarget, target.AttachToTargetParams{TargetID: popup, Flatten: &flat})
	b.wire.send("", target.CommandAttachToTarget, params, waiter{then: func(msg *cdproto.Message) {
		var attached target.AttachToTargetResult
		if msg.Error == nil && decode(msg.Result, &attached) == nil {
			b.mu.Lock()
			if known := b.mu.pages[popup]; known != nil {
				known.session = attached.SessionID
			}
			b.mu.Unlock()
			post(b.wire, attached.SessionID, page.Enable, page.EnableParams{})
		}
	}})
}

// rootLocked follows a target's openers to the page that began. An opener may be gone by then, but
// its popups keep the root that they had from it.
func (b *browser) rootLocked(info *target.Info) target.ID {
	if known := b.mu.pages[info.TargetID]; known != nil {
		return known.root
	}
	if info.OpenerID == "" {
		return info.TargetID
	}
	if opener := b.mu.pages[info.OpenerID]; opener != nil {
		return opener.root
	}
	return info.OpenerID
}

// destroyed takes a target off the books and ends its tab.
func (b *browser) destroyed(id target.ID) {
	b.mu.Lock()
	known := b.mu.pages[id]
	delete(b.mu.pages, id)
	asked := known != nil && known.tab != nil && (known.tab.closes > 0 || known.tab.c.closes > 0)
	b.mu.Unlock()
	if known == nil {
		return
	}
	if known.tab != nil {
		cause := ErrPageClosed
		if !asked {
			cause = fmt.Errorf("%w by its script, by its holder or by a user of the browser, and not by the pool", ErrPageClosed)
		}
		known.tab.over(cause) // before gone, so that its connection is not what ends first
	}
	close(known.gone)
}

func (b *browser) crashed(event target.EventTargetCrashed) {
	b.mu.Lock()
	known := b.mu.pages[event.TargetID]
	if known == nil {
		b.mu.Unlock()
		return
	}
	known.crashed = true
	owner := known.tab
	b.mu.Unlock()
	if owner != nil {
		owner.over(fmt.Errorf("%w (%s, code %d)", pool.ErrPageCrashed, event.Status, event.ErrorCode))
		go b.log.Warn("page crashed", "target", event.TargetID, "status", event.Status) // whose handler may block
	}
}

// adopt makes t the tab of its target, and returns a channel that is closed when the target is gone.
func (b *browser) adopt(t *tab) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.mu.pages[t.id]
	if known == nil {
		// It was destroyed already, or the browser will tell of it late. Either way whoever closes it
		// asks the browser for what is there.
		known = &listed{root: t.id, context: t.c.id, page: true, gone: make(chan struct{})}
		b.mu.pages[t.id] = known
	}
	known.tab = t
	if known.crashed {
		t.over(pool.ErrPageCrashed)
	}
	return known.gone
}

// list asks the browser what is open.
func (b *browser) list(ctx context.Context) ([]*target.Info, error) {
	answer, err := call(ctx, b.wire, "", target.GetTargets, target.GetTargetsParams{})
	return answer.TargetInfos, err
}

// closePages closes those that pick picks of what the browser lists, again and again until there is
// none, ctx ends, or the browser is gone. The browser's word that it closed one counts for nothing. Each
// is told again when it answers still, and otherwise after closeGrace. pick runs with b.mu held.
func (b *browser) closePages(ctx context.Context, pick func(info *target.Info, root target.ID) bool) error {
	due := make(map[target.ID]time.Time)
	for {
		infos, err := b.list(ctx)
		if err != nil {
			return b.unlessGone(ctx, err)
		}
		pages := b.tellToClose(infos, pick, due)
		if len(pages) == 0 {
			return nil
		}
		b.settle(ctx, pages, due)
	}
}

// leaving is a page that was told to close.
type leaving struct {
	id      target.ID
	session target.SessionID // empty: nobody is attached to it
	gone    <-chan struct{}  // closed when it is gone; nil: the browser has not told of it
}

// tellToClose sends a close to those that pick picks and that are due, and returns all that pick picks.
func (b *browser) tellToClose(infos []*target.Info, pick func(*target.Info, target.ID) bool, due map[target.ID]time.Time) []leaving {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	var pages []leaving
	for _, info := range infos {
		if !pick(info, b.rootLocked(info)) {
			continue
		}
		if !now.Before(due[info.TargetID]) {
			post(b.wire, "", target.CloseTarget, target.CloseTargetParams{TargetID: info.TargetID})
			due[info.TargetID] = now.Add(closeGrace)
		}
		page := leaving{id: info.TargetID}
		if known := b.mu.pages[info.TargetID]; known != nil {
			page.gone, page.session = known.gone, known.session
			if known.tab != nil {
				page.session = known.tab.session
			}
		}
		pages = append(pages, page)
	}
	return pages
}

// settle waits until pages that were told to close are gone, or until one is to be told again.
func (b *browser) settle(ctx context.Context, pages []leaving, due map[target.ID]time.Time) {
	first := due[pages[0].id]
	for _, page := range pages {
		if due[page.id].Before(first) {
			first = due[page.id]
		}
	}
	ctx, cancel := context.WithDeadline(ctx, first)
	defer cancel()
	again := make(chan target.ID, len(pages))
	for _, page := range pages {
		if page.session != "" {
			go b.stays(ctx, page, again)
		}
	}
	for _, page := range pages {
		select {
		case <-page.gone:
			continue
		case id := <-again:
			due[id] = time.Time{}
		case <-ctx.Done():
		case <-b.wire.lost:
		}
		return
	}
}

// stays reports a page that still answers when it has had closeRetry to go.
func (b *browser) stays(ctx context.Context, page leaving, again chan<- target.ID) {
	retry := time.NewTimer(closeRetry)
	defer retry.Stop()
	// Not by Probe: a page that crashed may live again, when a navigation was on its way.
	_, err := call(ctx, b.wire, page.session, runtime.Evaluate, one)
	if refused := (*cdproto.Error)(nil); err != nil && !errors.As(err, &refused) {
		return
	}
	select {
	case <-retry.C:
		again <- page.id
	case <-ctx.Done():
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

// whenGone returns the error of a call when nothing that the call may have made is left: where the browser is
// lost, when it is gone.
func (b *browser) whenGone(err error) error {
	if errors.Is(err, errLost) {
		<-b.done
	}
	return err
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

package chrome

import (
	"fmt"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/pool"
)

// What is open in a browser, as the browser's events tell of it.

// listed is a target that the browser told of. Its fields are guarded by browser.mu.
type listed struct {
	// root is the pool's page from which it was opened, by script or by its holder; or where the
	// chain of openers begins.
	root    target.ID
	context cdp.BrowserContextID
	page    bool // and no worker, frame or the like, which end with theirs
	crashed bool
	left    bool // it was told to close: its lease is over, or has more of them than it may
	// internal says that it is of the browser's own user interface, and no holder's.
	internal bool
	session  target.SessionID // a popup's, where the driver attends it
	tab      *tab             // nil: not the pool's, or not yet known to be
	due      time.Time        // when it is told to close again; zero: it was not told
	// gone is closed when the target was destroyed. Nil: the browser has not told of it.
	gone chan struct{}
}

func (b *browser) created(info *target.Info) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.pages[info.TargetID] != nil {
		return
	}
	known := &listed{
		root: b.rootLocked(info), context: info.BrowserContextID, page: info.Type == "page",
		internal: internal(info.Type), gone: make(chan struct{}),
	}
	if root := b.mu.pages[known.root]; known.page && (root == nil || root.tab == nil) {
		if source := b.sourceLocked(known.context); source != nil {
			known.root = source.id
		}
	}
	b.mu.pages[info.TargetID] = known
	stays := b.arrivedLocked(info.TargetID, known)
	if stays && known.page && info.OpenerID != "" && b.oursLocked(info.BrowserContextID) {
		b.attend(info.TargetID)
	}
}

// opener is in the news of every target that another one has opened.
var opener = []byte(`"openerId"`)

// passOn gives a holder the news of a page that his has opened: chromedp waits for it where it
// waits for a popup.
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

// oursLocked reports whether a context is the driver's or a holder's, and not one of somebody else
// at the same browser.
func (b *browser) oursLocked(id cdp.BrowserContextID) bool {
	return b.process != nil || b.mu.contexts[id] != nil || b.mu.profiles[id] != nil
}

// attend has the browser tell of a popup's dialogs: a popup can share its opener's main thread,
// which a dialog stops. One that opens before the browser has taken this in stops it all the same,
// until the popup is closed.
func (b *browser) attend(popup target.ID) {
	flat := true
	params := encode(
		target.CommandAttachToTarget, target.AttachToTargetParams{TargetID: popup, Flatten: &flat},
	)
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
	asked := b.closing.Load() ||
		known != nil && known.tab != nil && (known.tab.closes > 0 || known.tab.c.closes > 0)
	b.mu.Unlock()
	if known == nil {
		return
	}
	if known.tab != nil {
		cause := ErrPageClosed
		if !asked {
			cause = fmt.Errorf(
				"%w by its script, by its holder or by a user of the browser, and not by the pool",
				ErrPageClosed,
			)
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
	closing := owner != nil && owner.closes > 0
	b.mu.Unlock()
	if closing {
		owner.over(ErrPageClosed) // Close has crashed it
		return
	}
	if owner != nil {
		cause := pool.ErrPageCrashed
		if b.MaxTabMemory > 0 && outOfMemory(event) {
			cause = pool.ErrPageTooLarge
		}
		owner.over(fmt.Errorf("%w (%s, code %d)", cause, event.Status, event.ErrorCode))
		go b.log.Warn(
			"page crashed", "target", event.TargetID, "status", event.Status,
		) // whose handler may block
	}
}

// adopt makes t the tab of its target, and returns a channel that is closed when the target is
// gone.
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

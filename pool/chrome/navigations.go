package chrome

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
)

// navigations is what the driver's own session has told of the navigations of a page's main frame.
// The pump writes it.
type navigations struct {
	// frame is how the parameters of an event of the main frame begin.
	frame []byte
	// framed is the same for the event that a frame shows another document.
	framed []byte

	mu struct {
		sync.Mutex
		navigation
		changed chan struct{} // closed at the next change; nil: nobody waits
	}
}

// navigation is the state of a main frame at one moment.
type navigation struct {
	starts    int          // navigations that began, those within a document included
	commits   int          // documents that were committed
	pending   cdp.LoaderID // of the document that was navigated to last
	committed cdp.LoaderID // of the document that the frame shows
	loading   bool         // between frameStartedLoading and frameStoppedLoading
	busy      bool         // a navigation began, and the frame has not stopped loading since
	stops     int          // stops of the driver's that run
	stopping  bool         // the driver has asked for the end of the navigation that began last
	// The page announces a navigation of its own before it begins, which for a form may be 20 ms
	// later. A stop in between does not prevent it.
	announcements int
	scheduled     bool   // the page is about to begin one
	requested     string // where the page has asked to go, without the scheme; empty: that has begun
	status        int64  // of the response of the document with loader statusOf; 0: it has none
	statusOf      cdp.LoaderID

	// Since turn was called.
	renewed bool // a document was committed
	began   bool // a navigation to another document
	// finished says that one of these has, by itself: its document was parsed, or loading ended
	// without the driver's doing.
	finished bool
}

// The events around a navigation that a page begins. The protocol's description calls them
// deprecated, so chromedp's types have none of them.
const (
	eventFrameScheduledNavigation        = "Page.frameScheduledNavigation"
	eventFrameClearedScheduledNavigation = "Page.frameClearedScheduledNavigation"
)

// navigates reports whether a navigation is under way or announced.
func (v navigation) navigates() bool { return v.busy || v.scheduled || v.requested != "" }

// inFlight reports whether the end of a lease has something to stop.
func (v navigation) inFlight() bool { return v.navigates() || v.loading }

// leavesLast reports whether the page is about to leave the document that the last lease left.
func (v navigation) leavesLast() bool { return !v.renewed && v.busy && v.pending != v.committed }

func newNavigations(id target.ID) *navigations {
	return &navigations{
		frame:  []byte(`{"frameId":"` + string(id) + `"`),
		framed: []byte(`{"frame":{"id":"` + string(id) + `"`),
	}
}

// navigates reports whether navigations take in an event.
func navigates(method cdproto.MethodType) bool {
	switch method {
	case cdproto.EventPageFrameStartedNavigating, cdproto.EventPageFrameNavigated,
		cdproto.EventPageFrameStartedLoading, cdproto.EventPageFrameStoppedLoading,
		cdproto.EventPageFrameRequestedNavigation, eventFrameScheduledNavigation,
		eventFrameClearedScheduledNavigation,
		cdproto.EventPageDomContentEventFired, cdproto.EventNetworkResponseReceived:
		return true
	}
	return false
}

// event takes in an event of the driver's own session, or a lease's news of a request that failed.
func (n *navigations) event(method cdproto.MethodType, params jsonv2.Value) {
	var change func(*navigation)
	switch method {
	case cdproto.EventPageFrameStartedNavigating:
		var started page.EventFrameStartedNavigating
		if !bytes.HasPrefix(params, n.frame) || decode(params, &started) != nil {
			return
		}
		change = func(v *navigation) { v.started(&started) }
	case cdproto.EventPageFrameRequestedNavigation, eventFrameScheduledNavigation,
		eventFrameClearedScheduledNavigation:
		if !bytes.HasPrefix(params, n.frame) {
			return
		}
		change = announced(method, params)
	case cdproto.EventPageFrameStartedLoading:
		if !bytes.HasPrefix(params, n.frame) {
			return
		}
		change = func(v *navigation) { v.loading, v.busy = true, true }
	case cdproto.EventPageFrameStoppedLoading:
		if !bytes.HasPrefix(params, n.frame) {
			return
		}
		change = (*navigation).stopped
	case cdproto.EventPageFrameNavigated:
		var news struct {
			Frame struct {
				LoaderID cdp.LoaderID `json:"loaderId"`
			} `json:"frame"`
		}
		if !bytes.HasPrefix(params, n.framed) || decode(params, &news) != nil {
			return
		}
		change = func(v *navigation) {
			v.commits, v.committed, v.renewed = v.commits+1, news.Frame.LoaderID, true
			v.forget() // with the document that announced them
		}
	case cdproto.EventPageDomContentEventFired: // only of the main frame
		change = func(v *navigation) {
			v.finished = v.finished || v.began && v.committed == v.pending
		}
	case cdproto.EventNetworkResponseReceived:
		var received struct {
			LoaderID cdp.LoaderID `json:"loaderId"`
			Type     string       `json:"type"`
			Response struct {
				Status int64 `json:"status"`
			} `json:"response"`
		}
		if decode(params, &received) != nil || received.Type != "Document" {
			return
		}
		change = func(v *navigation) {
			if received.LoaderID == v.pending { // a frame's document has another
				v.status, v.statusOf = received.Response.Status, received.LoaderID
			}
		}
	case cdproto.EventNetworkLoadingFailed:
		// Chrome may commit its error page much later, and the end of the lease may stop it first.
		var failed struct {
			RequestID cdp.LoaderID `json:"requestId"` // of a document: its loader
			Type      string       `json:"type"`
			Canceled  bool         `json:"canceled"`
		}
		if decode(params, &failed) != nil || failed.Type != "Document" || failed.Canceled {
			return
		}
		change = func(v *navigation) {
			v.finished = v.finished || v.began && failed.RequestID == v.pending && !v.stopping
		}
	default:
		return
	}
	if change != nil {
		n.change(change)
	}
}

// announced returns what an announcement changes; nil: nothing.
func announced(method cdproto.MethodType, params jsonv2.Value) func(*navigation) {
	var news struct {
		URL         string                           `json:"url"`
		Disposition page.ClientNavigationDisposition `json:"disposition"`
		Delay       float64                          `json:"delay"` // in seconds
	}
	if decode(params, &news) != nil {
		return nil
	}
	switch {
	case method == eventFrameClearedScheduledNavigation:
		return func(v *navigation) { v.scheduled = false }
	// a later one is a timer, which a stop ends
	case method == eventFrameScheduledNavigation && news.Delay == 0:
		return func(v *navigation) { v.scheduled, v.announcements = true, v.announcements+1 }
	case method == cdproto.EventPageFrameRequestedNavigation &&
		news.Disposition == page.ClientNavigationDispositionCurrentTab:
		return func(v *navigation) {
			v.requested, v.announcements = schemeless(news.URL), v.announcements+1
		}
	}
	return nil
}

// schemeless is an address without its scheme, which the browser may change before it begins to go
// there.
func schemeless(url string) string {
	_, rest, _ := strings.Cut(url, ":")
	return ":" + rest
}

// forget forgets what was announced and has not begun.
func (v *navigation) forget() { v.scheduled, v.requested = false, "" }

func (v *navigation) started(e *page.EventFrameStartedNavigating) {
	v.starts++
	v.busy, v.stopping = true, v.stops > 0
	if schemeless(e.URL) == v.requested { // otherwise that is yet to begin
		v.requested = ""
	}
	switch e.NavigationType {
	case page.FrameStartedNavigatingNavigationTypeSameDocument,
		page.FrameStartedNavigatingNavigationTypeHistorySameDocument:
	default:
		v.pending, v.began = cdp.LoaderID(e.LoaderID), true
	}
}

func (v *navigation) stopped() {
	v.finished = v.finished || v.began && !v.stopping
	v.loading, v.busy = false, false
}

func (n *navigations) change(do func(*navigation)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do(&n.mu.navigation)
	if n.mu.changed != nil {
		close(n.mu.changed)
		n.mu.changed = nil
	}
}

// look returns the present state, and a channel that is closed when it has changed.
func (n *navigations) look() (navigation, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.changed == nil {
		n.mu.changed = make(chan struct{})
	}
	return n.mu.navigation, n.mu.changed
}

// turn begins a lease: what began before is no longer counted.
func (n *navigations) turn() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.renewed, n.mu.began, n.mu.finished = false, false, false
}

// await waits until the state is as is wants it, for ctx, or for the end of the tab.
func (t *tab) await(ctx context.Context, is func(navigation) bool) error {
	for {
		state, changed := t.nav.look()
		if is(state) {
			return nil
		}
		select {
		case <-changed:
		case <-t.life.Done():
			return context.Cause(t.life)
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

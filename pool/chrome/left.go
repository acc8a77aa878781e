package chrome

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"sync"

	"github.com/chromedp/cdproto"
	chromebrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/pool"
)

// left is what a holder has done that the end of his session does not undo.
type left struct {
	sync.Mutex
	tab   bool // the page is of no use to the next holder
	focus bool // the end of the session may have taken the focus that the driver's own session gives
}

// stains is what holders have left in a context that clearing its storage does not remove. It is
// guarded by browser.mu.
type stains struct {
	permissions bool // granted or denied; the browser can reset them
	downloads   bool // another folder for them; the browser can reset it
	lasting     bool // what only the end of the context removes
}

// undone are the settings of a page that end with their session. Chrome keeps others in the page's
// frame, where the next session finds them. TestContractChromeWhatAHolderSetsEndsWithHisLease tries
// each of them.
var undone = map[string]bool{
	emulation.CommandSetCPUThrottlingRate:              true,
	emulation.CommandSetDataSaverOverride:              true,
	emulation.CommandSetDefaultBackgroundColorOverride: true,
	emulation.CommandSetDeviceMetricsOverride:          true,
	emulation.CommandSetDocumentCookieDisabled:         true,
	emulation.CommandSetEmulatedMedia:                  true,
	emulation.CommandSetFocusEmulationEnabled:          true,
	emulation.CommandSetGeolocationOverride:            true,
	emulation.CommandSetHardwareConcurrencyOverride:    true,
	emulation.CommandSetLocaleOverride:                 true,
	emulation.CommandSetScriptExecutionDisabled:        true,
	emulation.CommandSetTimezoneOverride:               true,
	emulation.CommandSetTouchEmulationEnabled:          true,
	emulation.CommandSetUserAgentOverride:              true,
	page.CommandSetLifecycleEventsEnabled:              true,
	// These are no settings, or watch has a case for them.
	"Page.setDownloadBehavior":       true,
	page.CommandSetDocumentContent:   true,
	page.CommandSetWebLifecycleState: true,
}

// stays reports whether a command sets something in the page that may outlive its session.
func stays(method string) bool {
	domain, name, _ := strings.Cut(method, ".")
	switch domain {
	case "Emulation", "Overlay", "Page":
		return strings.HasPrefix(name, "set") && !undone[method]
	}
	return false
}

// watch notes what a command of the holder's leaves.
func (s *session) watch(to target.SessionID, method string, params jsonv2.Value) {
	s.noteUse(method)
	if stays(method) {
		s.spoil()
	}
	switch method {
	case target.CommandExposeDevToolsProtocol:
		s.spoil()
	case emulation.CommandSetScriptExecutionDisabled:
		if to == s.id() {
			s.noteScripts(params)
		}
	case emulation.CommandSetFocusEmulationEnabled:
		s.left.Lock()
		s.left.focus = true
		s.left.Unlock()
	case chromebrowser.CommandSetWindowBounds, chromebrowser.CommandSetContentsSize:
		s.spoil()
		// Chromium opens the next window of the context as large.
		s.stain(func(c *stains) { c.lasting = true })
	case page.CommandSetWebLifecycleState:
		if bytes.Contains(params, []byte(page.SetWebLifecycleStateStateFrozen)) {
			s.spoil()
		}
	case page.CommandNavigate, target.CommandCreateTarget:
		if named(params) {
			s.stain(func(c *stains) { c.lasting = true })
		}
		s.noteNavigation(method)
	case page.CommandReload, page.CommandNavigateToHistoryEntry:
		s.noteNavigation(method)
	case fetch.CommandContinueRequest:
		if named(params) {
			s.stain(func(c *stains) { c.lasting = true })
		}
	case fetch.CommandContinueWithAuth, "Network.continueInterceptedRequest":
		if bytes.Contains(params, []byte(fetch.AuthChallengeResponseResponseProvideCredentials)) {
			s.stain(func(c *stains) { c.lasting = true })
		}
	case security.CommandSetIgnoreCertificateErrors:
		s.stain(func(c *stains) { c.lasting = true }) // also after they are not ignored any more
	case chromebrowser.CommandSetPermission, "Browser.grantPermissions":
		s.stain(func(c *stains) { c.permissions = true })
	case chromebrowser.CommandSetDownloadBehavior, "Page.setDownloadBehavior":
		s.stain(func(c *stains) { c.downloads = true })
	}
}

// spoil notes that the tab is of no use to the next holder.
func (s *session) spoil() {
	s.left.Lock()
	defer s.left.Unlock()
	s.left.tab = true
}

// stain notes what the context keeps.
func (s *session) stain(do func(*stains)) {
	s.t.b.mu.Lock()
	defer s.t.b.mu.Unlock()
	do(&s.t.c.stains)
}

// A user in an address, and the header with which a server has the browser send more of itself.
var (
	user  = regexp.MustCompile(`"url":"[a-z]+://[^/?#"]*@`)
	hints = regexp.MustCompile(`(?i)"accept-ch":"[^"]`)
)

// named reports whether a message has an address with the name of a user in it, which Chrome then
// uses for all that it asks of that server.
func named(params jsonv2.Value) bool {
	return bytes.Contains(params, []byte("@")) && user.Match(params)
}

// heed notes what an event tells of navigations that failed, and of what the context keeps. It runs
// on the pump.
func (s *session) heed(msg *cdproto.Message) {
	if msg.Method == cdproto.EventNetworkLoadingFailed {
		s.t.nav.event(msg.Method, msg.Params)
	}
	if !s.t.b.ClearStorage {
		return
	}
	lasting := false
	switch msg.Method {
	case cdproto.EventNetworkRequestWillBeSent, cdproto.EventPageWindowOpen:
		lasting = named(msg.Params)
	case cdproto.EventNetworkResponseReceived:
		lasting = bytes.Contains(msg.Params, []byte(`"type":"Document"`)) && hints.Match(msg.Params)
	}
	if lasting {
		s.stain(func(c *stains) { c.lasting = true })
	}
}

// undo undoes what a lease left that its session's end does not, as far as that is possible, and
// says what stays. Without ClearStorage, what is in the context is the affinity's.
func (t *tab) undo(ctx context.Context, s *session) (pool.Left, error) {
	s.left.Lock()
	spoiled, focus := s.left.tab, s.left.focus
	s.left.Unlock()
	left := pool.Clean
	if spoiled {
		left = pool.SpoiledTab
	}
	if focus && t.b.FreezeAfter != pool.Off {
		t.emulateFocus(false) // Chrome does not set anew what it has
		t.emulateFocus(true)
	}
	if t.b.Viewport.Width != 0 {
		// The end of a session that had another size has ended that of the driver's session, too.
		post(t.b.wire, t.session, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
		post(t.b.wire, t.session, emulation.SetDeviceMetricsOverride, t.b.Viewport.metrics())
	}
	if t.c.otherProxy.Load() {
		return pool.SpoiledContext, nil
	}
	if !t.b.ClearStorage {
		return left, nil
	}
	t.b.mu.Lock()
	found := t.c.stains
	t.b.mu.Unlock()
	if found.lasting {
		return pool.SpoiledContext, nil
	}
	if found.permissions {
		_, err := call(ctx, t.b.wire, "", chromebrowser.ResetPermissions,
			chromebrowser.ResetPermissionsParams{BrowserContextID: t.c.id})
		if err != nil {
			return left, err
		}
	}
	if found.downloads {
		_, err := call(ctx, t.b.wire, "", chromebrowser.SetDownloadBehavior,
			chromebrowser.SetDownloadBehaviorParams{
				Behavior:         chromebrowser.SetDownloadBehaviorBehaviorDefault,
				BrowserContextID: t.c.id,
			})
		if err != nil {
			return left, err
		}
	}
	t.b.mu.Lock()
	t.c.stains.permissions, t.c.stains.downloads = false, false
	t.b.mu.Unlock()
	return left, nil
}

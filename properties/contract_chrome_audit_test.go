package properties

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// The audit, on real Chrome: what somebody else than the driver opens is found and closed.

// strangers collects what audits report.
type strangers struct {
	mu    sync.Mutex
	found []chrome.Stranger
}

func (s *strangers) add(found chrome.Stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, found)
}

func (s *strangers) says(why string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stranger := range s.found {
		if strings.Contains(stranger.Why, why) {
			return true
		}
	}
	return false
}

// as makes one call to a browser over a connection that is not the driver's, which is kept until
// the end of the test: the browser disposes of what a connection has made when that ends.
func as[P, R any](t *testing.T, b *chromeBench, browser pool.Browser[*chrome.Page],
	command cdp.Command[P, R], params P) R {
	t.Helper()
	b.mu.Lock()
	out := b.outputs[browser]
	b.mu.Unlock()
	url, err := out.url()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := remote.NewAllocator(limited(t), url, remote.NoModifyURL)
	t.Cleanup(cancel)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(leave)
	result, err := chromedp.CallBrowser(ctx, command, params)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestContractChromeTheAuditClosesStrangersAndLeavesEverybodyElseAlone(t *testing.T) {
	var seen strangers
	configure := func(l *chrome.Launcher) {
		l.AuditEvery, l.OnStranger = 50*time.Millisecond, seen.add
	}
	onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab, empty := s.tab(s.context()), s.context()
		s.ok("Popup", b.popup(s.limit(), tab.Page()))
		beside, leave := chromedp.NewContext(tab.Page().Context())
		defer leave()
		s.ok("a holder's own tab", chromedp.Do(beside, chromedp.Navigate("data:text/html,beside")))
		profile, leaveProfile := chromedp.NewContext(tab.Page().Context(),
			chromedp.WithNewBrowserContext())
		defer leaveProfile()
		s.ok("a holder's own context", chromedp.Do(profile, chromedp.Navigate("data:text/html,profile")))

		window := true
		as(t, b, s.browser, target.CreateTarget,
			target.CreateTargetParams{URL: "about:blank", NewWindow: &window})
		eventually(t, "a page that nobody asked for is reported", func() bool {
			return seen.says("a page that nobody asked for")
		})
		as(t, b, s.browser, target.CreateBrowserContext, target.CreateBrowserContextParams{})
		eventually(t, "a context that nobody asked for is reported", func() bool {
			return seen.says("a context that nobody asked for")
		})
		// Two contexts of the driver's and one of the holder's, with a page, its popup and two of the
		// holder's.
		eventually(t, "both are gone", func() bool {
			alive, err := b.census(limited(t), s.browser)
			return err == nil && alive == census{Contexts: 3, Pages: 4}
		})
		s.ok("Probe", tab.Probe(s.limit()))
		s.ok("the holder's tab", chromedp.Do(beside, chromedp.Navigate("data:text/html,again")))
		s.ok("the holder's context", chromedp.Do(profile, chromedp.Navigate("data:text/html,again")))
		s.ok("NewTab", s.tab(empty).Close(s.limit()))
		seen.mu.Lock()
		defer seen.mu.Unlock()
		for _, stranger := range seen.found {
			if !strings.Contains(stranger.Why, "nobody asked for") {
				t.Errorf("closed: %+v", stranger)
			}
		}
	})
}

func TestContractChromeTheAuditClosesWhatWasGivenUp(t *testing.T) {
	var seen strangers
	configure := func(l *chrome.Launcher) {
		l.AuditEvery, l.OnStranger = 50*time.Millisecond, seen.add
	}
	onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
		// The page is not even told to close in that time.
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		c := s.context()
		tab, other := s.tab(c), s.tab(c)
		s.ok("Wedge", b.contract().Wedge(s.limit(), tab.Page()))
		s.fails("Tab.Close", tab.Close(gone), context.Canceled)
		s.ended(tab, nil)
		eventually(t, "the page is reported", func() bool {
			return seen.says("a page whose close was given up")
		})
		s.ok("Probe of the tab beside it", other.Probe(s.limit()))
		s.fails("BrowserContext.Close", c.Close(gone), context.Canceled)
		s.ended(other, nil)
		eventually(t, "the context is gone", func() bool {
			alive, err := b.census(limited(t), s.browser)
			return err == nil && alive == census{}
		})
	})
}

func TestContractChromeTheAuditOfARemoteTouchesNothingOfOthers(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		s.ok("Popup", b.popup(s.limit(), tab.Page()))
		s.context()
		b.mu.Lock()
		out := b.outputs[s.browser]
		b.mu.Unlock()
		url, err := out.url()
		s.ok("the address", err)
		var seen strangers
		options := chrome.Options{AuditEvery: 20 * time.Millisecond, OnStranger: seen.add}
		other, err := chrome.Remote{URL: url, Options: options}.Launch(s.limit())
		s.ok("Launch", err)
		others := as(t, b, s.browser, target.GetBrowserContexts, cdp.Empty{}).BrowserContextIDs
		c, err := other.NewContext(s.limit())
		s.ok("NewContext", err)
		// In the remote's own context, what nobody asked for is a stranger; that takes two audits.
		profiles := as(t, b, s.browser, target.GetBrowserContexts, cdp.Empty{}).BrowserContextIDs
		own := slices.DeleteFunc(profiles, func(id cdp.BrowserContextID) bool {
			return slices.Contains(others, id)
		})
		window := true
		as(t, b, s.browser, target.CreateTarget, target.CreateTargetParams{
			URL: "about:blank", BrowserContextID: own[0], NewWindow: &window,
		})
		eventually(t, "the stranger is reported", func() bool {
			return seen.says("a page that nobody asked for")
		})
		eventually(t, "it is gone", func() bool {
			alive, err := b.census(limited(t), s.browser)
			return err == nil && alive == census{Contexts: 3, Pages: 2}
		})
		s.ok("Close", c.Close(s.limit()))
		s.ok("Browser.Close", other.Close(s.limit()))
		s.alive(census{Contexts: 2, Pages: 2})
	})
}

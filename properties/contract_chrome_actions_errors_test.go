package properties

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What an action waited for is in its error, be it one of chromedp's or one of the driver's.
func TestContractChromeAWaitThatFailsNamesWhatItWaitedFor(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		does(t, lease, chromedp.Navigate(s.URL+"/page"))
		for name, wait := range map[string]struct {
			action chromedp.Action[chromedp.Void]
			texts  []string
		}{
			"plain": {chromedp.WaitVisible("#nope"), []string{`nothing matches "#nope"`}},
			"CSS": {chromedp.WaitVisible(chromedp.CSS("#nope")),
				[]string{`nothing matches "#nope"`}},
			"all": {chromedp.WaitReady(chromedp.CSSAll("p.nope")),
				[]string{`nothing matches "p.nope"`}},
			"hidden":      {chromedp.WaitVisible("#hidden"), []string{`"#hidden"`, "not in the state"}},
			"no selector": {chromedp.WaitVisible("a["), []string{`"a["`, "no valid CSS selector"}},
			"click":       {chromedp.Click("#nope"), []string{`nothing matches "#nope"`}},
			"poll": {chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				_, err := chromedp.Poll[bool]("window.nope")(ctx, t)
				return err
			}), []string{`"window.nope" did not become true`}},
			"own absent": {chrome.WaitSelector("#nope"), []string{`nothing visible matches "#nope"`}},
			"own hidden": {chrome.WaitSelector("#hidden"),
				[]string{`nothing visible matches "#hidden"`, "hidden"}},
			"own function": {chrome.WaitFunction("window.nope // yet"),
				[]string{`"window.nope // yet" did not become true`}},
			"load": {chromedp.Navigate(s.URL + "/slow?secret"),
				[]string{s.URL + "/slow", "did not load"}},
			"command": {chromedp.Evaluate[chromedp.Void]("new Promise(() => {})", chromedp.EvalAwaitPromise),
				[]string{"Runtime.evaluate"}},
		} {
			t.Run(name, func(t *testing.T) {
				does(t, lease, chromedp.Navigate(s.URL+"/page"))
				err := hasToFail(t, lease, 1500*time.Millisecond, wait.action)
				wantsError(t, err, context.DeadlineExceeded, wait.texts...)
				if !errors.As(err, new(*chrome.WaitError)) || strings.Contains(err.Error(), "secret") {
					t.Errorf("the error is %#v", err)
				}
			})
		}
		does(t, lease, chromedp.Navigate(s.URL+"/page"))
		// A wait that is over is not what the next action waits for.
		err := hasToFail(t, lease, 1500*time.Millisecond, chromedp.WaitVisible("#shown"),
			chromedp.Sleep(time.Minute))
		if strings.Contains(err.Error(), "#shown") {
			t.Errorf("a wait that succeeded is blamed: %v", err)
		}
	})
}

// A lease that reaches its limit ends a wait as well, and its error says for what.
func TestContractChromeALeaseThatExpiresNamesWhatItWaitedFor(t *testing.T) {
	onChrome(t, pool.Config{MaxPages: 1}, func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
		for _, wait := range []chromedp.Action[chromedp.Void]{chromedp.WaitVisible("#nope"),
			chrome.WaitSelector("#nope")} {
			err := p.Do(limited(t), "a", func(ctx context.Context, page *chrome.Page) error {
				return page.Run(ctx, wait)
			}, pool.WithMaxLease(time.Second))
			wantsError(t, err, pool.ErrLeaseExpired, `matches "#nope"`)
		}
	})
}

func TestContractChromeASelectorThatIsNoneIsToldFromOneThatMatchesNothing(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		does(t, lease, chromedp.Navigate(s.URL+"/page"))
		for name, wait := range map[string]chromedp.Action[chromedp.Void]{
			"CSS": chromedp.WaitVisible(chromedp.CSS("a[")),
			"all": chromedp.WaitVisible(chromedp.CSSAll("a[")), "own": chrome.WaitSelector("a["),
		} {
			err := hasToFail(t, lease, contractLimit, wait)
			wantsInputError(t, err, `selector is "a["`, "it must be a valid CSS selector")
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: it was waited for: %v", name, err)
			}
		}
		wantsInputError(t, hasToFail(t, lease, contractLimit, chrome.WaitFunction("1 +")),
			`expression is "1 +"`, "SyntaxError")
		does(t, lease, chrome.WaitSelector("#shown"),
			chrome.WaitFunction("new Promise(done => setTimeout(() => done(true), 10))"))
	})
}

func TestContractChromeAConnectionThatIsRefusedNamesItsAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + listener.Addr().String()
	listener.Close()
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		err := hasToFail(t, lease, contractLimit, chromedp.Navigate(refusing+"/x?secret"))
		wantsError(t, err, chromedp.ErrPageLoad, refusing+"/x", "net::ERR_CONNECTION_REFUSED")
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error has the query: %v", err)
		}
		err = hasToFail(t, lease, contractLimit, chromedp.Navigate(s.URL+"/away?to="+refusing+"/there"))
		wantsError(t, err, chromedp.ErrPageLoad, s.URL+"/away", refusing+"/there",
			"net::ERR_CONNECTION_REFUSED")
		_, err = chrome.Run(limited(t), lease.Page(), chrome.Navigate(refusing+"/y"))
		wantsError(t, err, chromedp.ErrPageLoad, refusing+"/y")
		err = hasToFail(t, lease, contractLimit, chromedp.Navigate("no address"))
		wantsError(t, err, err, `"no address"`)
	})
}

// Chrome shows an error page for a navigation that failed, after it has said so. Its load is not
// the next one's.
func TestContractChromeANavigationAfterOneThatFailedGetsItsOwnPage(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		for range 20 {
			hasToFail(t, lease, contractLimit, chromedp.Navigate("http://"+listener.Addr().String()))
			status, err := chrome.Run(limited(t), lease.Page(), chrome.Navigate(s.URL+"/page"))
			title, _ := chrome.Run(limited(t), lease.Page(), chromedp.Title())
			if err != nil || status != http.StatusOK || title != "page" {
				t.Fatalf("%q with status %d, %v", title, status, err)
			}
		}
	})
}

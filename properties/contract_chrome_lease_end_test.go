package properties

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	chromebrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What is in flight when a lease ends, and what its holder has of it afterwards.

// newSlow serves pages with their path as the title, 10 ms late; /never is not answered, and /loop
// loops while it loads.
func newSlow(t *testing.T) *httptest.Server {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if strings.HasPrefix(r.URL.Path, "/never") {
			select {
			case <-r.Context().Done():
			case <-over:
			}
			return
		}
		wait := time.NewTimer(10 * time.Millisecond)
		defer wait.Stop()
		<-wait.C
		switch r.URL.Path {
		case "/image":
			fmt.Fprint(w, "<title>image</title><img src=/never>")
		case "/loop":
			fmt.Fprint(w, "<title>loop</title><script>for (;;) {}</script>")
		case "/file": // a download that goes on
			w.Header().Set("Content-Disposition", "attachment; filename=file")
			fmt.Fprint(w, "begins")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-over:
			}
		case "/post":
			fmt.Fprint(w, `<title>post</title><form id=f method=post action=/never></form><a id=a href=/never>a</a>
				<a id=d href=/file>d</a>`)
		default:
			fmt.Fprintf(w, "<title>%s</title>", r.URL.Path[1:])
		}
	}))
	t.Cleanup(func() { close(over); server.Close() })
	return server
}

// arrives navigates and compares the title of the page.
func arrives(ctx context.Context, p *chrome.Page, url, title string) error {
	if err := p.Run(ctx, chromedp.Navigate(url)); err != nil {
		return err
	}
	got, err := chrome.Run(ctx, p, chromedp.Title())
	if err == nil && got != title {
		err = fmt.Errorf("the title is %q, want %q", got, title)
	}
	return err
}

// hangUps is how often a client hangs up: between 2 and 31 ms after its navigation began. The test
// through the pool has more of them.
const hangUps = 60

func TestContractChromeANavigationWhoseLeaseHasEndedIsNotTheNextOnes(t *testing.T) {
	needsChrome(t)
	server := newSlow(t)
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprint("Reset ", reset), func(t *testing.T) {
			onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
				tab := s.tab(s.context())
				wrong := 0
				for n := range hangUps {
					_ = tab.Page().Run(s.in(time.Duration(2+n%30)*time.Millisecond),
						chromedp.Navigate(server.URL+"/one"))
					s.next(tab, reset)
					if err := arrives(s.limit(), tab.Page(), server.URL+"/two", "two"); err != nil {
						wrong++
						t.Logf("after %d ms: %v", 2+n%30, err)
					}
					s.next(tab, reset)
				}
				if wrong > 0 {
					t.Errorf("%d of %d leases did not get their own page", wrong, hangUps)
				}
			})
		})
	}
}

func TestContractChromeANavigationWhoseRunHasEndedIsNotTheNextOnes(t *testing.T) {
	needsChrome(t)
	server := newSlow(t)
	for what, actions := range map[string][]chromedp.Action[chromedp.Void]{
		"the holder's": {chromedp.Navigate(server.URL + "/one")},
		"the page's":   {evaluate("f.submit()"), chromedp.WaitVisible("#none")},
	} {
		t.Run(what, func(t *testing.T) {
			onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
				tab := s.tab(s.context())
				wrong := 0
				for n := range hangUps {
					s.ok("navigate", arrives(s.limit(), tab.Page(), server.URL+"/post", "post"))
					_ = tab.Page().Run(s.in(time.Duration(2+n%30)*time.Millisecond), actions...)
					if err := arrives(s.limit(), tab.Page(), server.URL+"/two", "two"); err != nil {
						wrong++
						t.Logf("after %d ms: %v", 2+n%30, err)
					}
				}
				if wrong > 0 {
					t.Errorf("%d of %d runs did not get their own page", wrong, hangUps)
				}
			})
		})
	}
}

// A look that finds nothing in time leaves a page alone that loads still.
func TestContractChromeARunThatBeganNoNavigationStopsNone(t *testing.T) {
	needsChrome(t)
	server := newSlow(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		const begin = `fetch('/never-asked').then(() => done = 'answered', () => done = 'stopped'); done = 'waits'`
		s.ok("navigate", arrives(s.limit(), tab.Page(), server.URL+"/one", "one"))
		evaluates(s, tab.Page(), begin, "waits")
		for range 3 {
			s.fails("wait", tab.Page().Run(s.in(50*time.Millisecond), chromedp.WaitVisible("#none")),
				context.DeadlineExceeded)
			evaluates(s, tab.Page(), "done", "waits")
		}
	})
}

// inFlight are navigations that do not end by themselves, and what has begun one when it has run.
var inFlight = map[string][]chromedp.Action[chromedp.Void]{
	"a navigation":           {evaluate("location = '/never'")},
	"a replaced address":     {evaluate("location.replace('/never')")},
	"a reload":               {evaluate("history.replaceState(0, '', '/never'); location.reload()")},
	"a form":                 {evaluate("f.submit()")},
	"a form by its button":   {evaluate("f.requestSubmit()")},
	"a form with GET":        {evaluate("f.method = 'get'; f.submit()")},
	"two forms":              {evaluate("f.submit(); f.submit()")},
	"a form, then another":   {evaluate("f.submit(); location = '/never?'")},
	"another, then a form":   {evaluate("location = '/never?'; f.submit()")},
	"a form that is stopped": {evaluate("f.submit(); window.stop()")},
	"a link":                 {evaluate("a.click()")},
	"a download":             {evaluate("d.click()")},
	"its own window":         {evaluate("window.open('/never', '_self'); 0")},
	"a refresh": {
		evaluate("document.head.innerHTML = '<meta http-equiv=refresh content=\"0; url=/never\">'; 0")},
	"a later refresh": {
		evaluate("document.head.innerHTML = '<meta http-equiv=refresh content=\"1; url=/never\">'; 0")},
	"an image": {evaluate("document.body.innerHTML = '<img src=/never>'")},
	"a history step": {evaluate("history.pushState(0, '', '/never'); location = '/one'"),
		chromedp.WaitReady("title"),
		evaluate("history.back()")},
	"a timer":            {evaluate("setTimeout(() => { location = '/never' }, 0)")},
	"a timer and a form": {evaluate("setTimeout(() => { f.submit() }, 0)")},
	"a loop":             {evaluate("setTimeout(() => { for (;;) {} })")},
	"a loop at load":     {evaluate("location = '/loop'")},
	"a navigation and a loop": {
		evaluate("location = '/never'; setTimeout(() => { for (;;) {} }, 50)")},
	"a form and a loop": {evaluate("f.submit(); setTimeout(() => { for (;;) {} })")},
}

func evaluate(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](expression)
}

// What was asked of the browser right before the end is in flight then, or is about to be.
func TestContractChromeTheEndOfALeaseStopsWhatIsInFlightAndNeedsNoMainThread(t *testing.T) {
	needsChrome(t)
	server := newSlow(t)
	onBrowser(t, nil, func(all *contractStage[*chrome.Page], b *chromeBench) {
		c := all.context()
		for what, actions := range inFlight {
			t.Run(what, func(t *testing.T) {
				s := *all
				s.T = t
				tab := s.tab(c)
				loops := strings.Contains(what, "loop")
				for n := range 4 {
					s.ok("navigate", arrives(s.limit(), tab.Page(), server.URL+"/post", "post"))
					s.ok(what, tab.Page().Run(s.limit(), actions...))
					if n%2 == 1 { // its own time to begin; what it asks for is never answered
						<-time.After(100 * time.Millisecond)
					}
					began := time.Now()
					s.end(tab)
					t.Logf("ended after %v", time.Since(began))
					if loops {
						s.ok("Rescue", tab.Rescue(s.limit()))
					}
					s.begin(tab)
					s.ok("the next navigation", arrives(s.limit(), tab.Page(), server.URL+"/two", "two"))
				}
				s.ok("Close", tab.Close(s.limit()))
			})
		}
	})
}

// As long as a navigation has no answer, the browser holds back what the page's main thread is
// told.
// With Reset off the next lease meets the last document, and leaves it.
func TestContractChromeWhatADocumentDoesAtItsEndHoldsUpNoLaterLease(t *testing.T) {
	needsChrome(t)
	server := newSlow(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for _, at := range []string{"onpagehide", "onunload", "onvisibilitychange"} {
			s.ok("navigate", arrives(s.limit(), tab.Page(), server.URL+"/one", "one"))
			s.ok("listen", tab.Page().Run(s.limit(), evaluate(at+" = () => { for (;;); }")))
			s.next(tab, false)
			s.ok("leave a page that loops "+at, arrives(s.limit(), tab.Page(), server.URL+"/two", "two"))
		}
	})
}

// Chrome holds back what it is to tell a page as long as that begins navigations.
func TestContractChromeARestlessPageIsBroughtToItsStandbyState(t *testing.T) {
	needsChrome(t)
	server := newSlow(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for range 3 {
			s.ok("navigate", arrives(s.limit(), tab.Page(), server.URL+"/post", "post"))
			s.ok("submit", tab.Page().Run(s.limit(), evaluate(`f.innerHTML = "<textarea name=t>"
				f.t.value = "x".repeat(1e6); void setInterval(() => f.submit())`)))
			s.next(tab, false)
			evaluates(s, tab.Page(), "location.href", "about:blank")
			s.ok("work", arrives(s.limit(), tab.Page(), server.URL+"/two", "two"))
		}
	})
}

func TestContractChromeWhatAPageBeginsBetweenTwoLeasesHoldsUpNobody(t *testing.T) {
	needsChrome(t)
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprint("Reset ", reset), func(t *testing.T) {
			onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
				tab := s.tab(s.context())
				for range 4 {
					mark := b.mark()
					s.ok("Work", b.work(s.limit(), tab.Page()))
					const later = "setTimeout(() => { location = '/hang%s' }, 200)" // the end takes 10 ms
					s.ok("later", tab.Page().Run(s.limit(), evaluate(fmt.Sprintf(later, mark))))
					s.end(tab)
					s.ok("the navigation", b.await(s.limit(), mark))
					if reset {
						s.ok("Halt", tab.(pool.Halter).Halt(s.limit()))
						s.ok("Reset", tab.Reset(s.limit()))
					}
					s.begin(tab)
					s.ok("the next work", b.work(s.limit(), tab.Page()))
				}
			})
		})
	}
}

func TestContractChromeWhatAHolderUsesAfterHisLeaseAnswersThatItHasEnded(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		c := s.context()
		ends := map[string]struct {
			end  func(pool.Tab[*chrome.Page])
			want error
		}{
			"EndLease": {func(tab pool.Tab[*chrome.Page]) { s.end(tab) }, pool.ErrReleased},
			"Close": {func(tab pool.Tab[*chrome.Page]) { s.ok("Close", tab.Close(s.limit())) },
				chrome.ErrPageClosed},
			"Kill": {func(tab pool.Tab[*chrome.Page]) { s.ok("Kill", tab.Kill(s.limit())) },
				pool.ErrPageCrashed},
		}
		for what, is := range ends {
			tab := s.tab(c)
			p := tab.Page()
			own, cancel := context.WithCancel(p.Context())
			defer cancel()
			target := chromedp.FromContext(p.Context()).Target
			waits := make(chan error, 1)
			s.ok("Work", b.work(s.limit(), p))
			go func() {
				_, err := chrome.Run(s.limit(), p,
					chromedp.Evaluate[chromedp.Void]("waits = true; new Promise(() => {})",
						chromedp.EvalAwaitPromise))
				waits <- err
			}()
			s.ok("wait", p.Run(s.limit(), chromedp.Poll[chromedp.Void]("window.waits")))
			is.end(tab)
			_, background := cdp.Call(context.Background(), target, page.GetNavigationHistory, cdp.Empty{})
			for call, err := range map[string]error{
				"a Run that waits":            <-waits,
				"Run":                         p.Run(s.limit(), chromedp.Reload()),
				"chromedp on Context":         chromedp.Do(p.Context(), chromedp.Reload()),
				"chromedp on a derived one":   chromedp.Do(own, chromedp.Reload()),
				"the error of Context":        p.Context().Err(),
				"the cause of Context":        context.Cause(p.Context()),
				"the error of a derived one":  own.Err(),
				"the cause of a derived one":  context.Cause(own),
				"the target, without Context": background,
			} {
				if !errors.Is(err, is.want) {
					t.Errorf("%s, %s: %v, want %v", what, call, err, is.want)
				}
			}
			if what == "EndLease" {
				s.begin(tab)
				s.ok("Work of the next holder", b.work(s.limit(), tab.Page()))
				if tab.Page() == p {
					t.Error("the next lease has the same page")
				}
			}
		}
	})
}

func TestContractChromeExposedFunctionsAndListenersEndWithTheirLease(t *testing.T) {
	for mode, is := range modes {
		t.Run(mode, func(t *testing.T) {
			configure := func(l *chrome.Launcher) { l.ClearStorage = is.clear }
			onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
				tab := s.tab(s.context())
				var heard atomic.Int64
				for n := range 4 {
					s.ok("Listen", chromedp.Listen(tab.Page().Context(), func(any) { heard.Add(1) }))
					s.ok("ExposeFunc", tab.Page().Run(s.limit(),
						chromedp.ExposeFunc("f", func(context.Context, int) (int, error) { return n, nil })))
					s.ok("Work", b.work(s.limit(), tab.Page()))
					got, err := chrome.Run(s.limit(), tab.Page(),
						chromedp.Evaluate[int]("f(0)", chromedp.EvalAwaitPromise))
					s.ok("f", err)
					if got != n {
						t.Errorf("the page of lease %d has the function of lease %d", n, got)
					}
					if heard.Load() == 0 {
						t.Error("the listener hears nothing of its own lease")
					}
					s.next(tab, is.reset)
					heard.Store(0)
					s.ok("Work", b.work(s.limit(), tab.Page()))
					if heard.Load() != 0 {
						t.Errorf("the last lease's listener hears of %d events", heard.Load())
					}
					s.next(tab, is.reset)
				}
			})
		})
	}
}

func TestContractChromeWhatNoEndOfASessionUndoesSpoilsTheTab(t *testing.T) {
	spoils := map[string]order{
		"virtual time paused": {"Emulation.setVirtualTimePolicy", `{"policy":"pause"}`},
		"virtual time spent":  {"Emulation.setVirtualTimePolicy", `{"policy":"advance","budget":1}`},
		"a frozen page":       {"Page.setWebLifecycleState", `{"state":"frozen"}`},
		"a policy bypassed":   {"Page.setBypassCSP", `{"enabled":true}`},
		"sizes of fonts":      {"Page.setFontSizes", `{"fontSizes":{"standard":40,"fixed":41}}`},
		"a page's scale":      {"Emulation.setPageScaleFactor", `{"pageScaleFactor":2}`},
		"hidden scrollbars":   {"Emulation.setScrollbarsHidden", `{"hidden":true}`},
		"a visible size":      {"Emulation.setVisibleSize", `{"width":222,"height":333}`},
		"a window's size": {"Browser.setWindowBounds",
			`{"windowId":WINDOW,"bounds":{"width":333,"height":444}}`},
		"a minimized window": {"Browser.setWindowBounds",
			`{"windowId":WINDOW,"bounds":{"windowState":"minimized"}}`},
		"a content's size": {"Browser.setContentsSize", `{"windowId":WINDOW,"width":321,"height":432}`},
	}
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		c := s.context()
		for what, order := range spoils {
			tab := s.tab(c)
			window, err := chrome.Run(s.limit(), tab.Page(), func(
				ctx context.Context, t *chromedp.Target,
			) (chromebrowser.GetWindowForTargetResult, error) {
				return cdp.Call(ctx, t, chromebrowser.GetWindowForTarget,
					chromebrowser.GetWindowForTargetParams{})
			})
			s.ok("the window", err)
			order.params = strings.Replace(order.params, "WINDOW", fmt.Sprint(window.WindowID), 1)
			s.ok(what, order.run(s.limit(), tab.Page()))
			if left := s.end(tab); left != pool.SpoiledTab {
				t.Errorf("%s leaves %v, want SpoiledTab", what, left)
			}
			s.ok("Close", tab.Close(s.limit()))
		}
		tab := s.tab(c)
		for name, setting := range settings {
			for _, o := range setting.set {
				s.ok(name, o.run(s.limit(), tab.Page()))
			}
			if left := s.end(tab); left != pool.Clean {
				t.Errorf("%s leaves %v, want Clean", name, left)
			}
			s.begin(tab)
		}
	})
}

func TestContractChromeTheDriverTellsWhetherNavigationsBeganAndFinished(t *testing.T) {
	needsChrome(t)
	server := newSlow(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		tells := tab.(pool.NavigationTeller)
		for _, c := range []struct {
			path            string
			began, finished bool
		}{
			{"", false, false}, {"/one", true, true}, {"/never", true, false}, {"/image", true, true},
			{"#here", false, false},
			{"http://127.0.0.1:9", true, true}, {"", false, false},
		} {
			url := server.URL + c.path
			if strings.Contains(c.path, "://") {
				url = c.path
			}
			if c.path == "#here" {
				s.ok("hash", tab.Page().Run(s.limit(),
					chromedp.Evaluate[chromedp.Void]("location.hash = 'here'")))
			} else if c.path != "" {
				patience := contractLimit
				switch c.path {
				case "/never":
					patience = 500 * time.Millisecond
				case "/image": // it never finishes to load, but its document does
					patience = 5 * time.Second
				}
				_ = tab.Page().Run(s.in(patience), chromedp.Navigate(url))
			}
			s.next(tab, false)
			if began, finished := tells.Navigations(); began != c.began || finished != c.finished {
				t.Errorf("%q: began %v, finished %v; want %v, %v", c.path, began, finished, c.began, c.finished)
			}
		}
	})
}

func TestContractChromeAResetLeavesNeitherNameNorHistory(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for range 3 {
			s.ok("Work", b.work(s.limit(), tab.Page()))
			evaluates(s, tab.Page(), "window.name = 'mine'; window.name", "mine")
			s.reset(tab)
			evaluates(s, tab.Page(), "window.name + history.length", "1")
			s.ok("Work", b.work(s.limit(), tab.Page()))
			evaluates(s, tab.Page(), "window.name", "")
		}
	})
}

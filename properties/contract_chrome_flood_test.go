package properties

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What a page sends unasked has a budget.

// beyond is a message that is more than the budget of what a page logs or loads. A slow machine
// does not make enough small ones within a second.
const beyond = 40_000_000

// floods has a page show a document and run a script after that.
func floods(s *contractStage[*chrome.Page], b *chromeBench, page *chrome.Page, script string) {
	s.Helper()
	s.ok("a document", page.Run(s.limit(), chromedp.Navigate(b.server.URL+"/page")))
	_, err := chrome.Run(s.limit(), page, chromedp.Evaluate[int]("setTimeout(() => {"+script+"}, 50)"))
	s.ok("the script", err)
}

// cutOff waits until a page's diagnostics say that a domain was cut off.
func cutOff(s *contractStage[*chrome.Page], page *chrome.Page, domain string) {
	s.Helper()
	eventually(s.T, "the holder is told that "+domain+" was cut off", func() bool {
		return wasCutOff(page, domain)
	})
}

func wasCutOff(page *chrome.Page, domain string) bool {
	return slices.ContainsFunc(page.Diagnostics().Problems, func(problem chrome.Problem) bool {
		return strings.Contains(problem.Text, "messages of "+domain)
	})
}

// endless answers with a stream of events whose first one is beyond the budget.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "data: %s\n\n", strings.Repeat("x", beyond))
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// timesStopped is how often the scripts of a page were stopped, by its diagnostics.
func timesStopped(page *chrome.Page) int {
	for _, problem := range page.Diagnostics().Problems {
		if strings.Contains(problem.Text, "scripts are stopped until") {
			return problem.Count
		}
	}
	return 0
}

func TestContractChromeAConsoleWithoutEndIsCutOffUntilTheNextDocument(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		page := tab.Page()
		floods(s, b, page, fmt.Sprintf("console.log('x'.repeat(%d))", beyond))
		cutOff(s, page, "Runtime")
		b.works(s, page) // it navigates
		_, err := chrome.Run(s.limit(), page,
			chromedp.Evaluate[bool](`console.error("heard again"), true`))
		s.ok("a line", err)
		eventually(t, "the next document is heard", func() bool {
			for _, problem := range page.Diagnostics().Problems {
				if problem.Kind == chrome.Console && strings.Contains(problem.Text, "heard again") {
					return true
				}
			}
			return false
		})
	})
}

// What a holder has set in a domain holds after the page was cut off there, whether he set it
// before or after that.
func TestContractChromeWhatAHolderSetOutlivesACutOff(t *testing.T) {
	sets := map[string]struct {
		order
		flood, holds string // scripts; holds is of the next document
	}{
		"Runtime": {order{"Runtime.addBinding", `{"name":"bound"}`},
			fmt.Sprintf("console.log('x'.repeat(%d))", beyond), "typeof bound == 'function'"},
		"Network": {order{"Network.setExtraHTTPHeaders", `{"headers":{"X-Set":"yes"}}`},
			"self.e = new EventSource('/events'); e.onmessage = () => 0",
			"document.body.textContent.includes('X-Set')"},
	}
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		b.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/events" {
				endless(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<!doctype html><body>%v<script>self.ran = true</script>", r.Header)
		})
		for domain, set := range sets {
			for _, first := range []bool{true, false} {
				page := s.tab(s.context()).Page()
				if first {
					s.ok(set.method, set.run(s.limit(), page))
				}
				floods(s, b, page, set.flood)
				cutOff(s, page, domain)
				if !first {
					s.ok(set.method, set.run(s.limit(), page))
				}
				// A page goes there by itself, and the driver does not know before.
				_, err := chrome.Run(s.limit(), page, chromedp.Evaluate[chromedp.Void](
					"void setTimeout(() => { location.href = '/next' }, 10)"))
				s.ok("a script", err)
				holds := false
				eventually(t, "the next document", func() bool {
					there, err := chrome.Run(s.limit(), page,
						chromedp.Evaluate[bool]("location.pathname == '/next' && self.ran == true"))
					if err != nil || !there {
						return false
					}
					holds, err = chrome.Run(s.limit(), page, chromedp.Evaluate[bool](set.holds))
					return err == nil
				})
				if !holds {
					t.Errorf("%s, set before the page was cut off %t, does not hold after that", set.method,
						first)
				}
			}
		}
	})
}

// A page that logs in a loop does not take in that it was cut off, so the loop is stopped.
func TestContractChromeAConsoleInALoopIsStoppedUntilTheNextDocument(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		page := tab.Page()
		floods(s, b, page, "for (let n = 0; ; n++) console.log(n)")
		eventually(t, "the holder is told that the loop was stopped", func() bool {
			return timesStopped(page) == 1
		})
		s.ok("the main thread", tab.Probe(s.limit()))
		b.works(s, page) // it navigates
		again, err := chrome.Run(s.limit(), page, chromedp.Evaluate[int](
			"new Promise(done => setTimeout(() => done(2), 1))", chromedp.EvalAwaitPromise))
		if s.ok("a script of the next document", err); again != 2 {
			t.Errorf("a timer of the next document: %d", again)
		}
	})
}

// A page that was stopped runs scripts again when its holder navigates, but for one who wants none.
// When he wants them, they run, and can be stopped again.
func TestContractChromeAHolderWhoWantsNoScriptsHasNoneAfterAStop(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		b.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><script>self.ran = true</script>")
		})
		page := s.tab(s.context()).Page()
		ran := func() bool {
			s.ok("a document", page.Run(s.limit(), chromedp.Navigate(b.server.URL+"/page")))
			ran, err := chrome.Run(s.limit(), page, chromedp.Evaluate[bool]("self.ran == true"))
			s.ok("a look", err)
			return ran
		}
		wants := func(scripts bool) {
			s.ok("the setting", page.Run(s.limit(), chrome.SetJavaScriptEnabled(scripts)))
		}
		for round := 1; round <= 2; round++ {
			floods(s, b, page, "for (let n = 0; ; n++) console.log(n)")
			eventually(t, "the loop is stopped", func() bool { return timesStopped(page) == round })
			wants(false)
			for range 2 {
				if ran() {
					t.Error("scripts run that the holder has switched off")
				}
			}
			wants(true)
			if !ran() {
				t.Error("no scripts run, and the holder has switched them on")
			}
		}
	})
}

// A holder who waits for what does not arrive any more is told why. The next document is heard
// again.
func TestContractChromeANetworkWithoutEndIsCutOffUntilTheNextDocument(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		inner := b.server.Config.Handler
		b.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/events":
				endless(w, r)
			case "/missing":
				http.NotFound(w, r)
			default:
				inner.ServeHTTP(w, r)
			}
		})
		page := s.tab(s.context()).Page()
		floods(s, b, page, `self.e = new EventSource("/events"); e.onmessage = () => 0`)
		cutOff(s, page, "Network")
		_, err := chrome.Run(s.limit(), page, chrome.WaitNetworkIdle(0, 1))
		if err == nil || !strings.Contains(err.Error(), "news of its network is switched off") {
			t.Errorf("a wait for an idle network: %v", err)
		}
		_, err = chrome.Run(s.limit(), page, chrome.NavigateOK(b.server.URL+"/missing"))
		status := (*chrome.StatusError)(nil)
		told := err != nil && strings.Contains(err.Error(), "news of its network is switched off")
		if !told && (!errors.As(err, &status) || status.Status != http.StatusNotFound) {
			t.Errorf("a navigation to a page that is missing: %v", err)
		}
		_, err = chrome.Run(s.limit(), page, chrome.NavigateOK(b.server.URL+"/missing"))
		if !errors.As(err, &status) || status.Status != http.StatusNotFound {
			t.Errorf("another navigation to a page that is missing: %v", err)
		}
	})
}

// Nobody can do without the news of addresses, so the page that floods with them is closed.
func TestContractChromeAPageThatFloodsWithAddressesIsClosed(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		page := s.tab(s.context()).Page()
		other := s.tab(s.context()).Page()
		floods(s, b, page, `let n = 0
			setInterval(() => { for (let i = 0; i < 20; i++) history.pushState(0, "", "#" + n++ + "x".repeat(2e6 - 99)) }, 500)`)
		err := page.Run(s.limit(), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}))
		if !errors.Is(err, pool.ErrPageClosed) || !strings.Contains(err.Error(), "bytes unasked") {
			t.Errorf("the holder of the page: %v", err)
		}
		b.works(s, other)
	})
}

// One message of 200 MB takes up the pipe until it is read. The browser is busy meanwhile and not
// lost, and other tenants are served.
func TestContractChromeOneErrorOf200MBLosesNoBrowser(t *testing.T) {
	needsChrome(t)
	onChrome(t, pool.Config{MaxPages: 2},
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			lease, err := p.GetPage(limited(t), "loud")
			if err != nil {
				t.Fatal(err)
			}
			defer lease.Release()
			does(t, lease, chromedp.Navigate(b.server.URL+"/page"), chromedp.Evaluate[chromedp.Void](
				`void setTimeout(() => { throw new Error("x".repeat(200_000_000)) }, 50)`))
			whole, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			for !wasCutOff(lease.Page(), "Runtime") {
				err := p.Do(whole, "other", func(ctx context.Context, page *chrome.Page) error {
					return b.remember(ctx, page, "kept")
				})
				if err != nil {
					t.Fatalf("another tenant: %v", err)
				}
			}
			if starts := p.Stats().Counters.BrowserStarts; starts != 1 || lease.Context().Err() != nil {
				t.Errorf("%d browsers were started, and the lease has ended: %v", starts,
					context.Cause(lease.Context()))
			}
		})
}

// A holder may show large pages by data: addresses, one after the other. Their news is asked for.
func TestContractChromeLargeAddressesOfAHolderAreNoFlood(t *testing.T) {
	needsChrome(t)
	onChrome(t, pool.Config{MaxPages: 1},
		func(t *testing.T, _ *chromeBench, p *pool.Pool[*chrome.Page]) {
			padding := strings.Repeat("<p>large</p>", 100_000) // 1.2 MB
			for n := range 3 {
				err := p.Do(t.Context(), "tenant-7", func(ctx context.Context, page *chrome.Page) error {
					address := fmt.Sprintf("data:text/html,<title>%d</title>%s", n, padding)
					if err := page.Run(ctx, chromedp.Navigate(address)); err != nil {
						return err
					}
					title, err := chrome.Run(ctx, page, chromedp.Evaluate[string]("document.title"))
					if err == nil && title != fmt.Sprint(n) {
						err = fmt.Errorf("page %d has the title %q", n, title)
					}
					return err
				})
				if err != nil {
					t.Fatalf("lease %d: %.300v", n, err)
				}
			}
		})
}

// An image of 60 MB with a data: address is in the news of its request.
func TestContractChromeALargeAddressTakesLittleMemory(t *testing.T) {
	const size, most = 60_000_000, 100 << 20 // twice what was measured; the whole message took 250 MB
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		page := s.tab(s.context()).Page()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		before, peak := stats.HeapInuse, uint64(0)
		floods(s, b, page, fmt.Sprintf(
			`setInterval(() => { new Image().src = "data:image/png;base64," + Math.random() + "A".repeat(%d) }, 500)`, size))
		eventually(t, "the holder is told that Network was cut off", func() bool {
			runtime.ReadMemStats(&stats)
			peak = max(peak, stats.HeapInuse)
			return wasCutOff(page, "Network")
		})
		if peak > before+most {
			t.Errorf("the heap grew from %d to %d MB", before>>20, peak>>20)
		}
		t.Logf("the heap grew from %d to %d MB", before>>20, peak>>20)
	})
}

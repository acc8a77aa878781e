package properties

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	jsruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Pages that are frozen while nobody holds them, on real Chrome.

// thawRounds is how often a page is frozen and thawed.
const thawRounds = 60

// still is how long a page is watched that must run nothing. A hidden page's timers run once a
// second.
const still = 1500 * time.Millisecond

// restless is a page that is never idle: an animation, a frame callback and a timer, which count.
const restless = `<!doctype html><title>restless</title>
	<style>@keyframes turn { to { transform: rotate(360deg) } }
	p { width: 100px; background: linear-gradient(red, blue); animation: turn 1s linear infinite }</style><p id=turns>turns</p>
	<script>window.ticks = window.frames_ = 0; setInterval(() => ticks++, 20)
	requestAnimationFrame(function frame() { frames_++; requestAnimationFrame(frame) })</script>`

// newRestless serves pages; what is under /never is not answered.
func newRestless(t *testing.T) *httptest.Server {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		switch r.URL.Path {
		case "/restless":
			fmt.Fprint(w, restless)
		case "/loading":
			fmt.Fprint(w, restless+"<img src=/never>")
		case "/litter":
			fmt.Fprint(w, `<title>litter</title><script>let kept
				for (let i = 0; i < 300; i++) kept = new Array(20000).fill(i + 0.5); window.weak = new WeakRef({})
				window.held = Array.from({length: 1e6}, (_, i) => ({i})); held = null</script>`)
		case "/lies":
			fmt.Fprint(w, restless+`<script>Object.defineProperty(document, "visibilityState", {get: () => "hidden"})</script>`)
		case "/file":
			w.Header().Set("Content-Disposition", "attachment; filename=file")
		default:
			select {
			case <-r.Context().Done():
			case <-over:
			}
		}
	}))
	t.Cleanup(func() { close(over); server.Close() })
	return server
}

// freeze freezes a tab as a pool does: after the end of the lease, with or without the next one's
// session, and again where the page still loads.
func (s *contractStage[P]) freeze(tab pool.Tab[P], ahead bool) {
	s.Helper()
	s.end(tab)
	if ahead {
		s.begin(tab)
	}
	var err error
	defer func() {
		if err != nil {
			s.Logf("the last Freeze: %v", err)
		}
	}()
	eventually(s.T, "Freeze", func() bool {
		err = tab.(pool.Freezer).Freeze(s.limit())
		return err == nil
	})
}

// works checks that a page is visible and that its frames and timers run.
func works(s *contractStage[*chrome.Page], when string, p *chrome.Page) {
	s.Helper()
	const source = `(async () => {
		const seen = [document.visibilityState, document.hasFocus()]
		await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
		const before = window.ticks
		while (window.ticks === before) await new Promise(done => setTimeout(done, 5))
		return seen.concat(document.visibilityState).join(" ") })()`
	got, err := chrome.Run(s.limit(), p, chromedp.Evaluate[string](source, chromedp.EvalAwaitPromise))
	s.ok(when+": frames and timers", err)
	if want := "visible true visible"; got != want {
		s.Fatalf("%s: visibility and focus are %q, want %q", when, got, want)
	}
}

// counts are a page's ticks and frames.
func counts(s *contractStage[*chrome.Page], p *chrome.Page) string {
	s.Helper()
	got, err := chrome.Run(s.limit(), p,
		chromedp.Evaluate[string]("`${ticks} ${frames_} ${document.visibilityState}`"))
	s.ok("the counts of the page", err)
	return got
}

func TestContractChromeAThawedPageIsVisibleAndDraws(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	holders := []order{
		{},
		{"Emulation.setFocusEmulationEnabled", `{"enabled":false}`},
		{"Emulation.setFocusEmulationEnabled", `{"enabled":true}`},
		{"Page.setWebLifecycleState", `{"state":"active"}`},
	}
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for n := range thawRounds {
			holder := holders[n%len(holders)]
			when := fmt.Sprintf("round %d, after %s%s", n, holder.method, holder.params)
			ahead := n%3 > 0
			if n%5 == 0 {
				s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
			}
			if holder.method != "" {
				s.ok(holder.method, holder.run(s.limit(), tab.Page()))
			}
			s.freeze(tab, ahead)
			s.ok("Probe", tab.Probe(s.limit()))
			if !ahead {
				s.begin(tab)
			}
			works(s, when, tab.Page())
			if n%2 == 0 {
				s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
				works(s, when+" and a navigation", tab.Page())
			}
		}
	})
}

// A page that was not frozen in between is in the same state for its next holder.
func TestContractChromeAPageThatWasNotFrozenIsVisibleAndDraws(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for _, enabled := range []string{"", "false", "true"} {
			s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
			if enabled != "" {
				focus := order{"Emulation.setFocusEmulationEnabled", `{"enabled":` + enabled + `}`}
				s.ok("focus", focus.run(s.limit(), tab.Page()))
			}
			s.end(tab)
			s.begin(tab)
			works(s, "after "+enabled, tab.Page())
		}
	})
}

func TestContractChromeAFrozenPageRunsNothing(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	ways := map[string]string{
		"":                 "",
		"another place":    "location.hash = 'place'",
		"another address":  "history.pushState(null, '', '/other')",
		"a download":       "location = '/file'",
		"a blocked window": "void window.open('/restless')",
	}
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		c := s.context()
		for way, script := range ways {
			tab := s.tab(c)
			s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
			works(s, "before", tab.Page())
			_, err := chrome.Run(s.limit(), tab.Page(), chromedp.Evaluate[chromedp.Void](script))
			s.ok(script, err)
			s.freeze(tab, true)
			p := tab.Page()
			evaluates(s, p, "document.visibilityState", "hidden")
			before := counts(s, p)
			<-time.After(still)
			if after := counts(s, p); after != before {
				t.Errorf("%s: ticks, frames and visibility of a frozen page went from %s to %s", way, before,
					after)
			}
			s.ok("Freeze, again", tab.(pool.Freezer).Freeze(s.limit()))
			s.ok("Probe", tab.Probe(s.limit()))
			works(s, way, p)
			s.ok("Close", tab.Close(s.limit()))
		}
	})
}

func TestContractChromeAFrozenTabDoesWhatAnotherDoes(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	type tabOf = pool.Tab[*chrome.Page]
	halt := func(s *contractStage[*chrome.Page], tab tabOf) error {
		return tab.(pool.Halter).Halt(s.limit())
	}
	rescue := func(s *contractStage[*chrome.Page], tab tabOf) error { return tab.Rescue(s.limit()) }
	reset := func(s *contractStage[*chrome.Page], tab tabOf) error { return tab.Reset(s.limit()) }
	probe := func(s *contractStage[*chrome.Page], tab tabOf) error { return tab.Probe(s.limit()) }
	type does = []func(*contractStage[*chrome.Page], tabOf) error
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for name, all := range map[string]does{
			"nothing": nil, "Probe": {probe}, "Rescue": {rescue}, "Reset": {reset},
			"Halt, Probe, Reset": {halt, probe, reset}, "Probe, Reset": {probe, reset},
			"Probe, Halt, Rescue": {probe, halt, rescue},
		} {
			for _, ahead := range []bool{false, true} {
				s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
				s.freeze(tab, ahead)
				s.end(tab)
				for _, do := range all {
					s.ok(name, do(s, tab))
				}
				s.begin(tab)
				evaluates(s, tab.Page(), "document.visibilityState", "visible")
				s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
				works(s, name, tab.Page())
			}
		}
	})
}

func TestContractChromeAFrozenTabIsClosedAndKilled(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		c := s.context()
		for name, end := range map[string]func(pool.Tab[*chrome.Page]) error{
			"Close": func(tab pool.Tab[*chrome.Page]) error { return tab.Close(s.limit()) },
			"Kill":  func(tab pool.Tab[*chrome.Page]) error { return tab.Kill(s.limit()) },
		} {
			for range 2 {
				tab := s.tab(c)
				s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
				s.freeze(tab, true)
				s.ok(name, end(tab))
				s.ended(tab, nil)
				s.alive(census{Contexts: 1})
				if tab.(pool.Freezer).Freeze(s.limit()) == nil && tab.Probe(s.limit()) == nil {
					t.Errorf("a tab is thawed after %s", name)
				}
			}
		}
		s.freeze(s.tab(c), true)
		s.ok("BrowserContext.Close", c.Close(s.limit()))
		s.alive(census{})
		s.freeze(s.tab(s.context()), true) // and one is frozen when its browser closes
	})
}

// A session that was attached before the freeze, right behind a load, takes chromedp's commands.
func TestContractChromeAThawedPageIsPrintedAndShot(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for n := range 5 {
			s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
			s.freeze(tab, n%2 == 0)
			s.ok("Probe", tab.Probe(s.limit()))
			if n%2 == 1 {
				s.begin(tab)
			}
			png, err := chrome.Run(s.limit(), tab.Page(), chromedp.FullScreenshot(100))
			s.ok("FullScreenshot", err)
			pdf, err := chrome.Run(s.limit(), tab.Page(), chromedp.PrintToPDF())
			s.ok("PrintToPDF", err)
			if len(png) < 1000 || len(pdf) < 1000 {
				t.Errorf("the screenshot has %d bytes and the PDF %d", len(png), len(pdf))
			}
			s.ok("WaitVisible", tab.Page().Run(s.limit(), chromedp.WaitVisible("#turns"),
				chromedp.Click("#turns")))
		}
	})
}

func TestContractChromeAPageThatLoadsIsNotFrozen(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		freezer := tab.(pool.Freezer)
		_ = tab.Page().Run(s.in(300*time.Millisecond), chromedp.Evaluate[chromedp.Void](
			"location = '"+server.URL+"/loading'"))
		eventually(t, "the document is there", func() bool {
			at, err := chrome.Run(s.limit(), tab.Page(), chromedp.Evaluate[bool]("'frames_' in window"))
			return err == nil && at
		})
		if freezer.Freeze(s.in(500*time.Millisecond)) == nil {
			t.Error("a page that loads was frozen")
		}
		works(s, "while it loads", tab.Page())
		s.freeze(tab, true)
		s.ok("Probe", tab.Probe(s.limit()))
		works(s, "when it was stopped", tab.Page())
	})
}

// A navigation that begins when the page freezes ends after the thaw.
func TestContractChromeANavigationDuringAFreezeGoesOn(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		frozen := 0
		for n := range thawRounds / 2 {
			s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
			leave := fmt.Sprintf("window.old = true; setTimeout(() => location = '/restless?%d', %d)", n,
				n%12)
			_, err := chrome.Run(s.limit(), tab.Page(), chromedp.Evaluate[int](leave))
			s.ok(leave, err)
			if tab.(pool.Freezer).Freeze(s.limit()) == nil {
				frozen++
			}
			s.ok("Probe", tab.Probe(s.limit()))
			eventually(t, "the navigation has ended", func() bool {
				there, err := chrome.Run(s.limit(), tab.Page(), chromedp.Evaluate[bool](
					"!window.old && 'frames_' in window && document.readyState == 'complete'"))
				return err == nil && there
			})
			works(s, fmt.Sprint("round ", n), tab.Page())
			s.next(tab, false)
		}
		t.Logf("%d of %d were frozen", frozen, thawRounds/2)
	})
}

// Of a freeze and a probe at one time, the probe wins.
func TestContractChromeAProbeDuringAFreezeWins(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
		for n := range thawRounds {
			s.next(tab, false)
			ctx, cancel := context.WithCancel(s.limit())
			var freezes sync.WaitGroup
			freezes.Go(func() { _ = tab.(pool.Freezer).Freeze(ctx) })
			<-time.After(time.Duration(n%6) * 500 * time.Microsecond)
			if n%2 == 0 {
				cancel()
				freezes.Wait()
			}
			s.ok("Probe", tab.Probe(s.limit()))
			freezes.Wait()
			cancel()
			works(s, fmt.Sprint("round ", n), tab.Page())
		}
	})
}

// What a page says of its own visibility keeps nobody from it.
func TestContractChromeAPageThatClaimsToBeHiddenIsThawed(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for range 3 {
			s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/lies")))
			s.freeze(tab, true)
			s.ok("Probe", tab.Probe(s.limit()))
		}
		s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
		works(s, "at last", tab.Page())
	})
}

func TestContractChromeAFreezeCollectsThePagesMemory(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		used := func() float64 {
			heap, err := chrome.Run(s.limit(), tab.Page(), func(
				ctx context.Context, t *chromedp.Target,
			) (jsruntime.GetHeapUsageResult, error) {
				return cdp.Call(ctx, t, jsruntime.GetHeapUsage, cdp.Empty{})
			})
			s.ok("the heap", err)
			return heap.UsedSize
		}
		for range 3 {
			s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/litter")))
			before := used()
			s.freeze(tab, true)
			if after := used(); after > before/2 {
				t.Errorf("the heap went from %.1f to %.1f MB, want less than the half", before/1e6, after/1e6)
			}
			evaluates(s, tab.Page(), "weak.deref() === undefined", true)
			s.ok("Probe", tab.Probe(s.limit()))
		}
	})
}

// Where a launcher freezes nothing, its pages are as Chrome opens them.
func TestContractChromeWithoutFreezeAfterAPageWorksAlike(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onBrowser(t, func(l *chrome.Launcher) { l.FreezeAfter = pool.Off },
		func(s *contractStage[*chrome.Page], b *chromeBench) {
			tab := s.tab(s.context())
			s.ok("Navigate", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/restless")))
			evaluates(s, tab.Page(), "document.visibilityState", "visible")
			s.ok("Probe", tab.Probe(s.limit()))
		})
}

// Through a pool: nobody's page runs nothing once it was frozen, and who gets it next, or a frozen
// standby, gets a page that is visible and draws.
func TestContractChromeAPoolFreezesWhatNobodyHasAndGrantsItAwake(t *testing.T) {
	needsChrome(t)
	server := newRestless(t)
	onChrome(t, pool.Config{MaxPages: 2},
		func(t *testing.T, _ *chromeBench, p *pool.Pool[*chrome.Page]) {
			lease := func(affinity string, do func(ctx context.Context, page *chrome.Page) error) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if err := p.Do(ctx, affinity, do); err != nil {
					t.Fatalf("%s: %v", affinity, err)
				}
			}
			eval := func(ctx context.Context, page *chrome.Page, script string) (int, error) {
				return chrome.Run(ctx, page, chromedp.Evaluate[int](script, chromedp.EvalAwaitPromise))
			}
			left := 0
			lease("a", func(ctx context.Context, page *chrome.Page) (err error) {
				if err = page.Run(ctx, chromedp.Navigate(server.URL+"/restless")); err == nil {
					left, err = eval(ctx, page, "ticks")
				}
				return err
			})
			<-time.After(5 * time.Second) // of which the page ran for FreezeAfter: 50 ticks
			lease("a", func(ctx context.Context, page *chrome.Page) error {
				met, err := eval(ctx, page, "ticks")
				if ran := met - left; err == nil && ran > 150 {
					t.Errorf("the page's timer fired %d times in 5 s while nobody had it", ran)
				}
				return err
			})
			for _, affinity := range []string{"a", "b"} { // b gets a standby, frozen for seconds
				lease(affinity, func(ctx context.Context, page *chrome.Page) error {
					_, err := eval(ctx, page, `document.visibilityState == "visible" ?
					new Promise(done => requestAnimationFrame(() => done(1))) : Promise.reject("it is hidden")`)
					return err
				})
			}
		})
}

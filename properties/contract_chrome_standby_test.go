package properties

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What the standby state is, on real Chrome.

// evaluates runs a script on a page and compares what it says.
func evaluates[T comparable](s *contractStage[*chrome.Page], page *chrome.Page, source string,
	want T) {
	s.Helper()
	got, err := chrome.Run(s.limit(), page, chromedp.Evaluate[T](source))
	s.ok(source, err)
	if got != want {
		s.Fatalf("%s is %v; want %v", source, got, want)
	}
}

// standbyServer answers the statuses one after the other, and then the page.
func standbyServer(t *testing.T, page string, statuses ...int) (*httptest.Server, *atomic.Int64) {
	asked := new(atomic.Int64)
	server := httptest.NewUnstartedServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/standby" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html")
			if n := int(asked.Add(1)); n <= len(statuses) {
				w.WriteHeader(statuses[n-1])
			}
			fmt.Fprint(w, page)
		}))
	t.Cleanup(server.Close)
	return server, asked
}

const standbyPage = `<title>standby</title><body>
	<script>setTimeout(() => { document.body.innerHTML = '<p id=ready>ready</p>'; window.ready = true }, 50)</script>`

func TestContractChromeStandbyIsReachedThoughItsServerComesLate(t *testing.T) {
	needsChrome(t)
	late, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := late.Addr().String()
	late.Close() // for now, connections to it are refused
	server, asked := standbyServer(t, standbyPage, 502, 503, 504)
	configure := func(l *chrome.Launcher) {
		l.StandbyURL, l.Ready = "http://"+address+"/standby", chrome.Selector("#ready")
	}
	onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
		c := s.context()
		// No signal says that the first try was refused: the server just comes a moment later.
		time.AfterFunc(200*time.Millisecond, func() {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				t.Errorf("the port is somebody else's now: %v", err)
				return
			}
			server.Listener.Close()
			server.Listener = listener
			server.Start()
		})
		tab := s.tab(c)
		evaluates(s, tab.Page(), "location.pathname + document.querySelector('#ready').textContent",
			"/standbyready")
		if asked.Load() < 4 {
			t.Errorf("the server was asked %d times, and answered", asked.Load())
		}
	})
}

func TestContractChromeStandbyThatIsNotThereFailsAtOnce(t *testing.T) {
	needsChrome(t)
	for status, want := range map[int]string{404: "404 Not Found", 500: "500 Internal Server Error"} {
		server, asked := standbyServer(t, standbyPage, status, status)
		server.Start()
		onBrowser(t, func(l *chrome.Launcher) { l.StandbyURL = server.URL + "/standby" },
			func(s *contractStage[*chrome.Page], b *chromeBench) {
				_, err := s.context().NewTab(s.limit())
				if err == nil || !strings.Contains(err.Error(), want) ||
					!strings.Contains(err.Error(), server.URL) {
					t.Errorf("status %d: %v", status, err)
				}
				if asked.Load() != 1 {
					t.Errorf("status %d: the server was asked %d times", status, asked.Load())
				}
				s.alive(census{Contexts: 1})
			})
	}
}

func TestContractChromeStandbyThatNeverGetsReadyIsAClearErrorAndLeavesNothing(t *testing.T) {
	needsChrome(t)
	server, _ := standbyServer(t, standbyPage)
	server.Start()
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	for want, configure := range map[string]func(*chrome.Launcher){
		`nothing visible matches "#never"`: func(l *chrome.Launcher) {
			l.Ready = chrome.Selector("#never")
		},
		`"window.never" did not become true`: func(l *chrome.Launcher) {
			l.Ready = chrome.Function("window.never")
		},
		`"thrower()" did not become true`: func(l *chrome.Launcher) {
			l.Ready = chrome.Function("thrower()")
		},
		"net::ERR_CONNECTION_REFUSED": func(l *chrome.Launcher) {
			l.StandbyURL = "http://" + refused.Addr().String() + "/standby"
		},
	} {
		all := func(l *chrome.Launcher) { l.StandbyURL = server.URL + "/standby"; configure(l) }
		onBrowser(t, all, func(s *contractStage[*chrome.Page], b *chromeBench) {
			_, err := s.context().NewTab(s.in(3 * time.Second))
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), want) {
				t.Errorf("NewTab: %v; want %q in it", err, want)
			}
			s.alive(census{Contexts: 1})
		})
	}
}

// What a pool says of a standby page that never gets ready, to whoever waits for a tab.
func TestContractChromeStandbyThatNeverGetsReadyIsNamedInThePoolsError(t *testing.T) {
	needsChrome(t)
	b := newChromeBench(t)
	b.configure = func(l *chrome.Launcher) { l.Ready = chrome.Selector("#never") }
	p, err := pool.New(b, pool.Config{
		MaxPages: 1,
		Timeouts: pool.Timeouts{OpenTimeout: 300 * time.Millisecond, OpenGrace: 200 * time.Millisecond},
		More:     pool.More{OpenRetries: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = p.GetPage(ctx, "a")
	if !errors.Is(err, pool.ErrBrowserUnavailable) ||
		!strings.Contains(err.Error(), "#never") && !strings.Contains(err.Error(), "OpenTimeout") {
		t.Errorf("GetPage: %v", err)
	}
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	for _, left := range b.remains() {
		t.Errorf("left after Close: %s", left)
	}
}

func TestContractChromeInitScriptsRunBeforeEveryDocumentsOwn(t *testing.T) {
	onBrowser(t, func(l *chrome.Launcher) {
		l.InitScripts = []string{"window.first = 'one'", "window.second = first + ' two'"}
	},
		func(s *contractStage[*chrome.Page], b *chromeBench) {
			tab := s.tab(s.context())
			evaluates(s, tab.Page(), "second", "one two")
			s.ok("Work", b.work(s.limit(), tab.Page()))
			evaluates(s, tab.Page(), "second", "one two")
			s.reset(tab)
			evaluates(s, tab.Page(), "second", "one two")
			s.ok("Loop", b.contract().Loop(s.limit(), tab.Page()))
			s.rescue(tab)
			evaluates(s, tab.Page(), "second", "one two")
		})
}

func TestContractChromeViewportIsThePagesSizeAndAResetRestoresIt(t *testing.T) {
	onBrowser(t, func(l *chrome.Launcher) {
		l.Viewport = chrome.Viewport{Width: 640, Height: 360, Scale: 2}
	},
		func(s *contractStage[*chrome.Page], b *chromeBench) {
			const size = "[innerWidth, innerHeight, devicePixelRatio].join()"
			tab := s.tab(s.context())
			evaluates(s, tab.Page(), size, "640,360,2")
			s.ok("Work", b.work(s.limit(), tab.Page()))
			evaluates(s, tab.Page(), size, "640,360,2")
			s.ok("another size", tab.Page().Run(s.limit(),
				chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
					_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride,
						emulation.SetDeviceMetricsOverrideParams{Width: 100, Height: 100, DeviceScaleFactor: 1})
					return err
				})))
			evaluates(s, tab.Page(), size, "100,100,1")
			s.reset(tab)
			evaluates(s, tab.Page(), size, "640,360,2")
		})
}

func TestContractChromeResetBringsThePageBackToItsStandbyAddressAndWaitsUntilItIsReady(
	t *testing.T) {
	needsChrome(t)
	server, asked := standbyServer(t, standbyPage)
	server.Start()
	var prepared atomic.Int64
	configure := func(l *chrome.Launcher) {
		l.StandbyURL, l.Ready = server.URL+"/standby", chrome.Function("window.ready")
		l.Prepare = func(ctx context.Context, page *chrome.Page) error {
			prepared.Add(1)
			_, err := chrome.Run(ctx, page, chromedp.Evaluate[bool]("window.prepared = window.ready"))
			return err
		}
	}
	onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		for name, bring := range map[string]func(context.Context) error{"Reset": tab.Reset,
			"Rescue": tab.Rescue} {
			s.ok("Work", b.work(s.limit(), tab.Page()))
			s.ok(name, bring(s.limit()))
			evaluates(s, tab.Page(), "location.pathname + prepared", "/standbytrue")
		}
		if asked.Load() != 3 || prepared.Load() != 3 {
			t.Errorf("the standby address was asked for %d times, and prepared %d times", asked.Load(),
				prepared.Load())
		}
	})
}

// TestContractChrome has the opposite: without ClearStorage a context remembers.
func TestContractChromeResetClearsTheStorageOfItsContextAndOfNoOther(t *testing.T) {
	const (
		store = `(async () => {
			localStorage.setItem('key', 'value'); sessionStorage.setItem('key', 'value'); document.cookie = 'key=value; max-age=3600'
			await new Promise((done, failed) => { const open = indexedDB.open('key'); open.onsuccess = done; open.onerror = failed })
			await caches?.open('key')
			return 'stored' })()`
		stored = `(async () => [localStorage.getItem('key'), sessionStorage.getItem('key'), document.cookie,
			(await indexedDB.databases()).length, (await caches?.keys()).length].join())()`
	)
	onBrowser(t, func(l *chrome.Launcher) { l.ClearStorage = true },
		func(s *contractStage[*chrome.Page], b *chromeBench) {
			says := func(tab pool.Tab[*chrome.Page], source, want string) {
				s.Helper()
				s.ok("Work", b.work(s.limit(), tab.Page()))
				got, err := chrome.Run(s.limit(), tab.Page(),
					chromedp.Evaluate[string](source, chromedp.EvalAwaitPromise))
				s.ok(source, err)
				if got != want {
					s.Fatalf("the page says %q; want %q", got, want)
				}
			}
			tab, other := s.tab(s.context()), s.tab(s.context())
			for _, t := range []pool.Tab[*chrome.Page]{tab, other} {
				says(t, store, "stored")
				says(t, stored, "value,value,key=value,1,1")
			}
			s.reset(tab)
			says(tab, stored, ",,,0,0")
			says(other, stored, "value,value,key=value,1,1")
		})
}

// A page that is hidden gets no frames, and what waits for one waits for ever.
func TestContractChromeEveryTabIsVisibleAndGetsFrames(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		c := s.context()
		tabs := []pool.Tab[*chrome.Page]{s.tab(c), s.tab(c), s.tab(s.context())}
		for range 2 {
			for _, tab := range tabs {
				frame := chromedp.Evaluate[string](
					"new Promise(seen => requestAnimationFrame(() => seen(document.visibilityState)))",
					chromedp.EvalAwaitPromise)
				got, err := chrome.Run(s.limit(), tab.Page(), frame)
				s.ok("a frame", err)
				if got != "visible" {
					s.Fatalf("the page is %s", got)
				}
			}
			slices.Reverse(tabs)
		}
	})
}

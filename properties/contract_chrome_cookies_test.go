package properties

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// The cookies of warm affinities on real Chrome, from one browser to the next.

// loginSite says who is logged in. The page for a login sets a cookie of each kind.
func loginSite(t *testing.T) *httptest.Server {
	var last atomic.Pointer[string] // who logged in last
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/last" {
			fmt.Fprint(w, *last.Load())
			return
		}
		w.Header().Set("Content-Type", "text/html")
		if user := r.URL.Query().Get("user"); user != "" {
			last.Store(&user)
			http.SetCookie(w, &http.Cookie{Name: "session", Value: user, Path: "/", HttpOnly: true})
			http.SetCookie(w, &http.Cookie{Name: "lasting", Value: user, Path: "/who", MaxAge: 3600,
				SameSite: http.SameSiteStrictMode})
		}
		said := ""
		for _, name := range []string{"session", "lasting"} {
			if c, err := r.Cookie(name); err == nil {
				said += c.Value + " "
			}
		}
		fmt.Fprintf(w, "<title>%s</title>", said)
	}))
	t.Cleanup(s.Close)
	return s
}

// logsIn has a lease of an affinity log in as user.
func logsIn(ctx context.Context, site *httptest.Server, page *chrome.Page, user string) error {
	return page.Run(ctx, chromedp.Navigate(site.URL+"/login?user="+user))
}

// loggedIn checks who is logged in in an affinity, and nobody where user is empty.
func loggedIn(t *testing.T, site *httptest.Server, p *chrome.Pool, affinity, user, when string) {
	t.Helper()
	err := p.Do(limited(t), affinity, func(ctx context.Context, page *chrome.Page) error {
		if err := page.Run(ctx, chromedp.Navigate(site.URL+"/who")); err != nil {
			return err
		}
		said, err := chrome.Run(ctx, page, chromedp.Title())
		want := ""
		if user != "" {
			want = user + " " + user
		}
		if err == nil && said != want {
			err = fmt.Errorf("%q is logged in, and not %q", said, want)
		}
		return err
	})
	if err != nil {
		t.Errorf("%s, %s: %v", when, affinity, err)
	}
}

// onKeptCookies runs fn with a pool that carries cookies, and in which a and b are logged in.
func onKeptCookies(t *testing.T, cfg pool.Config,
	fn func(t *testing.T, site *httptest.Server, b *chromeBench, p *chrome.Pool)) {
	t.Helper()
	needsChrome(t)
	store := new(chrome.CookieStore)
	site := loginSite(t)
	onChromeAs(t, func(l *chrome.Launcher) { l.KeepCookies, l.FreezeAfter = store, pool.Off }, cfg,
		func(t *testing.T, b *chromeBench, p *chrome.Pool) {
			for _, affinity := range []string{"a", "b"} {
				err := p.Do(limited(t), affinity, func(ctx context.Context, page *chrome.Page) error {
					return logsIn(ctx, site, page, affinity)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			fn(t, site, b, p)
		})
}

func recycles(t *testing.T, p *chrome.Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Recycle(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestContractChromeARecycleKeepsTenantsLoggedIn(t *testing.T) {
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprintf("Reset %v", reset), func(t *testing.T) {
			onKeptCookies(t, pool.Config{MaxPages: 3, Reset: reset},
				func(t *testing.T, site *httptest.Server, _ *chromeBench, p *chrome.Pool) {
					for round := range 2 {
						recycles(t, p)
						when := fmt.Sprintf("after recycle %d", round)
						loggedIn(t, site, p, "a", "a", when)
						loggedIn(t, site, p, "b", "b", when)
						loggedIn(t, site, p, "c", "", when)
					}
				})
		})
	}
}

// Its last lease is held while the browser is being replaced, and logs in as somebody else.
func TestContractChromeALeaseInABrowserThatIsReplacedIsHeard(t *testing.T) {
	onKeptCookies(t, pool.Config{MaxPages: 3},
		func(t *testing.T, site *httptest.Server, _ *chromeBench, p *chrome.Pool) {
			lease, err := p.GetPage(limited(t), "a")
			if err != nil {
				t.Fatal(err)
			}
			recycled := make(chan error, 1)
			go func() { recycled <- p.Recycle(limited(t)) }()
			eventually(t, "the next browser serves", func() bool {
				return p.Stats().Counters.BrowserStarts == 2 && p.Stats().Tabs.Standby > 0
			})
			if err := logsIn(limited(t), site, lease.Page(), "late"); err != nil {
				t.Fatal(err)
			}
			lease.Release()
			if err := <-recycled; err != nil {
				t.Fatal(err)
			}
			loggedIn(t, site, p, "a", "late", "after its last lease in the old browser")
		})
}

// What a page does when nobody holds it counts, too.
func TestContractChromeAnIdlePageThatLogsInIsHeard(t *testing.T) {
	onKeptCookies(t, pool.Config{MaxPages: 3},
		func(t *testing.T, site *httptest.Server, _ *chromeBench, p *chrome.Pool) {
			err := p.Do(limited(t), "a", func(ctx context.Context, page *chrome.Page) error {
				return page.Run(ctx, chromedp.Navigate(site.URL+"/who"), chromedp.Evaluate[chromedp.Void](
					`void setTimeout(() => fetch("/login?user=idle"), 2000)`))
			})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the idle page has logged in", func() bool {
				answer, err := http.Get(site.URL + "/last")
				if err != nil {
					return false
				}
				defer answer.Body.Close()
				last, _ := io.ReadAll(answer.Body)
				return string(last) == "idle"
			})
			recycles(t, p)
			loggedIn(t, site, p, "a", "idle", "after a login of its idle page")
		})
}

func TestContractChromeABrowserThatDiesKeepsTenantsLoggedIn(t *testing.T) {
	onKeptCookies(t, pool.Config{MaxPages: 3},
		func(t *testing.T, site *httptest.Server, b *chromeBench, p *chrome.Pool) {
			loggedIn(t, site, p, "a", "a", "before") // the answer for the lease of its login has come
			loggedIn(t, site, p, "b", "b", "before")
			main, runs := b.mainProcess()
			if !runs {
				t.Fatal("no browser runs")
			}
			starts := p.Stats().Counters.BrowserStarts
			if err := syscall.Kill(main, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "another browser is started", func() bool {
				return p.Stats().Counters.BrowserStarts > starts
			})
			loggedIn(t, site, p, "a", "a", "after the loss")
			loggedIn(t, site, p, "b", "b", "after the loss")
			loggedIn(t, site, p, "c", "", "after the loss")
		})
}

// Neither what it had nor what a lease from before leaves later is met again.
func TestContractChromeADisposedTenantIsLoggedOutForGood(t *testing.T) {
	onKeptCookies(t, pool.Config{MaxPages: 4},
		func(t *testing.T, site *httptest.Server, _ *chromeBench, p *chrome.Pool) {
			if err := p.DisposeAffinity(limited(t), "a"); err != nil {
				t.Fatal(err)
			}
			recycles(t, p)
			loggedIn(t, site, p, "a", "", "after its disposal")
			loggedIn(t, site, p, "b", "b", "after another's disposal")
			held, err := p.GetPage(limited(t), "b")
			if err != nil {
				t.Fatal(err)
			}
			if err := p.DisposeAffinity(limited(t), "b", pool.NoWait()); err != nil {
				t.Fatal(err)
			}
			loggedIn(t, site, p, "b", "", "while a lease from before is held")
			if err := logsIn(limited(t), site, held.Page(), "old"); err != nil {
				t.Fatal(err)
			}
			held.Release()
			eventually(t, "its tab is closed", func() bool { return p.Stats().Tabs.Closing == 0 })
			recycles(t, p)
			loggedIn(t, site, p, "b", "", "after the lease from before")
		})
}

// One slot: b has evicted a.
func TestContractChromeAnEvictedTenantIsNotLoggedInByTheNextBrowser(t *testing.T) {
	onKeptCookies(t, pool.Config{MaxPages: 1},
		func(t *testing.T, site *httptest.Server, _ *chromeBench, p *chrome.Pool) {
			recycles(t, p)
			loggedIn(t, site, p, "b", "b", "after the recycle")
			loggedIn(t, site, p, "a", "", "after its eviction and the recycle")
		})
}

// A cookie is the same in the next browser: its host, its path, its flags and its end.
func TestContractChromeCookiesAreTheSameInTheNextBrowser(t *testing.T) {
	onKeptCookies(t, pool.Config{MaxPages: 2},
		func(t *testing.T, site *httptest.Server, _ *chromeBench, p *chrome.Pool) {
			list := func() (all string, n int) {
				err := p.Do(limited(t), "a", func(ctx context.Context, _ *chrome.Page) error {
					found, err := chromedp.CallBrowser(ctx, storage.GetCookies, storage.GetCookiesParams{})
					for _, c := range found.Cookies {
						all += fmt.Sprintf("%+v\n", *c)
					}
					n = len(found.Cookies)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				return all, n
			}
			err := p.Do(limited(t), "a", func(ctx context.Context, page *chrome.Page) error {
				return page.Run(ctx, chromedp.Navigate(site.URL+"/who"),
					chromedp.Evaluate[chromedp.Void](`void (document.cookie = "nameless; max-age=3600")`),
					chrome.SetCookies("https://www.a.example/path",
						&http.Cookie{Name: "host", Value: "1", Secure: true, SameSite: http.SameSiteNoneMode},
						&http.Cookie{Name: "domain", Value: "2", Domain: "a.example", Path: "/path", HttpOnly: true,
							MaxAge: 7200},
						&http.Cookie{Name: "__Host-strict", Value: "3", Secure: true,
							SameSite: http.SameSiteStrictMode, Expires: time.Now().Add(48 * time.Hour)}))
			})
			if err != nil {
				t.Fatal(err)
			}
			before, n := list()
			recycles(t, p)
			after, _ := list()
			if n != 6 || after != before {
				t.Errorf("of %d cookies\n%s are\n%s", n, before, after)
			}
		})
}

package properties

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What a context keeps, and what of it ClearStorage cannot clear.

// newRealm serves pages, of which /own is for users only and shows their names.
func newRealm(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "text/html")
		switch {
		case r.URL.Path == "/own" && password != "secret":
			w.Header().Set("WWW-Authenticate", `Basic realm="own"`)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "<title>nobody</title>")
		case r.URL.Path == "/own":
			fmt.Fprintf(w, "<title>%s</title>", name)
		case r.URL.Path == "/hints":
			w.Header().Set("Accept-CH", "Sec-CH-UA-Arch")
			fmt.Fprint(w, "<title>hints</title>")
		case r.URL.Path == "/file":
			w.Header().Set("Content-Disposition", "attachment; filename=file.txt")
			fmt.Fprint(w, "a file")
		default:
			fmt.Fprint(w, "<title>open</title>")
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// answersAs answers the challenges of the page's servers as a user.
func answersAs(ctx context.Context, p *chrome.Page, name string) error {
	life := p.Context()
	err := chromedp.Listen(life, func(event any) {
		target := chromedp.FromContext(life).Target
		switch event := event.(type) {
		case *fetch.EventAuthRequired:
			go func() {
				_ = target.Call(life, fetch.CommandContinueWithAuth, fetch.ContinueWithAuthParams{
					RequestID: event.RequestID,
					AuthChallengeResponse: &fetch.AuthChallengeResponse{
						Response: fetch.AuthChallengeResponseResponseProvideCredentials,
						Username: name, Password: "secret",
					},
				}, nil)
			}()
		case *fetch.EventRequestPaused:
			go func() {
				_ = target.Call(life, fetch.CommandContinueRequest,
					fetch.ContinueRequestParams{RequestID: event.RequestID}, nil)
			}()
		}
	})
	if err != nil {
		return err
	}
	return order{"Fetch.enable", `{"handleAuthRequests":true}`}.run(ctx, p)
}

// Who answered a challenge is known to the context, and to nobody who comes after.
func TestContractChromeCredentialsEndWithTheirLeaseWhereTheStorageIsCleared(t *testing.T) {
	needsChrome(t)
	server := newRealm(t)
	cfg := pool.Config{MaxPages: 1, Reset: true}
	configure := func(l *chrome.Launcher) { l.ClearStorage = true }
	onChromeAs(t, configure, cfg, func(t *testing.T, _ *chromeBench, p *pool.Pool[*chrome.Page]) {
		for n, name := range []string{"alice", "", "bob", "", "carol"} {
			err := p.Do(limited(t), "a", func(ctx context.Context, page *chrome.Page) error {
				want := "nobody"
				if name != "" {
					if err := answersAs(ctx, page, name); err != nil {
						return err
					}
					want = name
				}
				title := navigated(ctx, page, server.URL+"/own")
				if title != want {
					return fmt.Errorf("the page is %s's, want %s's", title, want)
				}
				return nil
			})
			if err != nil {
				t.Errorf("lease %d: %v", n, err)
			}
		}
	})
}

// navigated is the title of the page at an address; empty: it has none. Chromium shows no page for
// a refused one, and says so.
func navigated(ctx context.Context, p *chrome.Page, url string) string {
	load := (*chromedp.LoadError)(nil)
	if err := p.Run(ctx, chromedp.Navigate(url)); errors.As(err, &load) {
		return "nobody"
	}
	title, err := chrome.Run(ctx, p, chromedp.Title())
	if err != nil {
		return err.Error()
	}
	return title
}

// stains are what a holder leaves in a context that only the end of the context removes.
func stains(url string) map[string]chromedp.Action[chromedp.Void] {
	named := strings.Replace(url, "://", "://alice:secret@", 1) + "/own"
	script := func(source string) chromedp.Action[chromedp.Void] {
		return chromedp.Evaluate[chromedp.Void](source, chromedp.EvalAwaitPromise)
	}
	return map[string]chromedp.Action[chromedp.Void]{
		"an address with a user": chromedp.Navigate(named),
		"a script's request with a user": script(`new Promise(done => {
			const r = new XMLHttpRequest(); r.open('GET', '/own', true, 'alice', 'secret')
			r.onloadend = done; r.send() })`),
		"a popup with a user": script("void window.open('" + named + "')"),
		"ignored errors of certificates": chromedp.Func(
			sends("Security.setIgnoreCertificateErrors", "ignore", true)),
		"a server that asks for hints": chromedp.Navigate(url + "/hints"),
	}
}

func sends(method, name string, value any) func(context.Context, *chromedp.Target) error {
	return func(ctx context.Context, t *chromedp.Target) error {
		return t.Call(ctx, method, map[string]any{name: value}, nil)
	}
}

func TestContractChromeWhatCannotBeClearedCostsTheContext(t *testing.T) {
	needsChrome(t)
	server := newRealm(t)
	for _, clear := range []bool{false, true} {
		t.Run(fmt.Sprint("ClearStorage ", clear), func(t *testing.T) {
			configure := func(l *chrome.Launcher) { l.ClearStorage = clear }
			onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
				for what, stain := range stains(server.URL) {
					c := s.context()
					tab := s.tab(c)
					s.ok("open", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/open")))
					if left := s.end(tab); left != pool.Clean {
						t.Errorf("a visit leaves %v, want Clean", left)
					}
					s.begin(tab)
					s.ok("open", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/open")))
					s.ok(what, tab.Page().Run(s.limit(), stain))
					want := pool.Clean
					if clear {
						want = pool.SpoiledContext
					}
					if left := s.end(tab); left != want {
						t.Errorf("%s leaves %v, want %v", what, left, want)
					}
					s.ok("Close", c.Close(s.limit()))
				}
			})
		})
	}
}

// onBrowser sends the command to the browser itself, in which it lasts beyond the session of the
// lease.
func (o order) onBrowser(ctx context.Context, p *chrome.Page) error {
	params := map[string]any{}
	if err := json.Unmarshal([]byte(o.params), &params); err != nil {
		return err
	}
	return p.Run(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		return chromedp.FromContext(ctx).Browser.Call(ctx, o.method, params, nil)
	}))
}

// Permissions and the folder for downloads are undone, and cost nothing.
func TestContractChromePermissionsAndDownloadsAreUndoneWhereTheStorageIsCleared(t *testing.T) {
	needsChrome(t)
	server := newRealm(t)
	for mode, is := range modes {
		t.Run(mode, func(t *testing.T) {
			folder := t.TempDir()
			configure := func(l *chrome.Launcher) { l.ClearStorage = is.clear }
			onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
				tab := s.tab(s.context())
				const asks = "(async () => (await navigator.permissions.query({name: 'geolocation'})).state)()"
				state := func() string {
					s.ok("open", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/open")))
					got, err := chrome.Run(s.limit(), tab.Page(),
						chromedp.Evaluate[string](asks, chromedp.EvalAwaitPromise))
					s.ok(asks, err)
					return got
				}
				first := state()
				for _, o := range []order{
					{"Browser.setPermission", `{"permission":{"name":"geolocation"},"setting":"granted"}`},
					{"Browser.setDownloadBehavior", fmt.Sprintf(`{"behavior":"allow","downloadPath":%q}`, folder)},
				} {
					s.ok(o.method, o.onBrowser(s.limit(), tab.Page()))
				}
				if got := state(); got != "granted" || first == got {
					t.Errorf("the permission is %q, and was %q", got, first)
				}
				left := s.end(tab)
				if is.reset {
					s.ok("Reset", tab.Reset(s.limit()))
				}
				s.begin(tab)
				want := "granted"
				if is.clear {
					want = first
				}
				if got := state(); got != want || left != pool.Clean {
					t.Errorf("the next lease finds %q, want %q; the last one left %v", got, want, left)
				}
				load := (*chromedp.LoadError)(nil)
				err := tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/file"))
				if !errors.As(err, &load) {
					t.Errorf("a download is %v", err)
				}
				if is.clear {
					s.next(tab, true) // by then a file would be there
					if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
						t.Errorf("in the last lease's folder are %v, %v", files, err)
					}
				}
			})
		})
	}
}

func TestContractChromeClearStorageNeedsResetAndContextsOfOneTab(t *testing.T) {
	clears := chrome.Options{ClearStorage: true}
	for owner, launcher := range map[string]pool.Launcher[*chrome.Page]{
		"Launcher": chrome.Launcher{ExecPath: script(t, "exit 1"), Options: clears},
		"Remote":   chrome.Remote{URL: "http://127.0.0.1:9222", Options: clears},
	} {
		_, err := launcher.(pool.Configurer).Configure(pool.Config{})
		if err == nil || !strings.Contains(err.Error(), "chrome: "+owner+".ClearStorage is true") ||
			!strings.Contains(err.Error(), "pool.Config.Reset") {
			t.Errorf("%s: %v", owner, err)
		}
		cfg, err := launcher.(pool.Configurer).Configure(pool.Config{Reset: true})
		if err != nil || cfg.More.OrphanCap != pool.Off {
			t.Errorf("%s: OrphanCap %d, %v", owner, cfg.More.OrphanCap, err)
		}
		shares := pool.Config{Reset: true, More: pool.More{TabsPerContext: 2}}
		if _, err = launcher.(pool.Configurer).Configure(shares); err == nil ||
			!strings.Contains(err.Error(), "TabsPerContext is 2") {
			t.Errorf("%s: tabs that share a context: %v", owner, err)
		}
	}
}

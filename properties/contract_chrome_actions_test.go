package properties

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What the actions of the driver do on real Chrome, and what the errors of a Run say.

// actionSite serves pages for actions, and keeps what it was asked.
type actionSite struct {
	*httptest.Server
	goOn chan struct{} // closed to let /slow answer

	mu   sync.Mutex
	asks []*http.Request
}

func newActionSite(t *testing.T) *actionSite {
	s := &actionSite{goOn: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *actionSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asks = append(s.asks, r)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html")
	switch r.URL.Path {
	case "/page":
		fmt.Fprint(w, `<title>page</title><link rel=stylesheet href=/a.css><img src=/a.png?x=1><p id=shown>shown</p><p id=hidden hidden>hidden</p>
			<noscript>no script</noscript><script>window.ran = true; fetch("/data")</script>`)
	case "/gone":
		http.Error(w, "gone", http.StatusGone)
	case "/basic":
		if user, password, _ := r.BasicAuth(); user != "alice" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="page"`)
			http.Error(w, "who is it?", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "<title>basic</title>")
	case "/digest":
		if !digested(r, "alice", "secret") {
			w.Header().Set("WWW-Authenticate", `Digest realm="page", nonce="n", qop="auth", algorithm=MD5`)
			http.Error(w, "who is it?", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "<title>digest</title>")
	case "/late":
		fmt.Fprint(w, `<title>late</title><script>setTimeout(() => fetch("/slow"), 20)</script>`)
	case "/slow":
		select {
		case <-s.goOn:
		case <-r.Context().Done():
		}
	case "/away":
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	}
}

// digested reports whether a request answers the challenge of /digest rightly.
func digested(r *http.Request, user, password string) bool {
	said := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)="?([^",]+)"?`).FindAllStringSubmatch(
		r.Header.Get("Authorization"), -1) {
		said[m[1]] = m[2]
	}
	sum := func(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }
	return said["response"] == sum(
		strings.Join([]string{sum(user + ":page:" + password), "n", said["nc"], said["cnonce"], "auth",
			sum("GET:" + r.URL.Path)}, ":"))
}

// asked are the requests for a path so far.
func (s *actionSite) asked(path string) (asks []*http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.asks {
		if r.URL.Path == path {
			asks = append(asks, r)
		}
	}
	return asks
}

// onActionPage runs fn on a page of a pool of two, with a site to visit.
func onActionPage(t *testing.T, fn func(t *testing.T, s *actionSite, lease *chrome.Lease)) {
	needsChrome(t)
	site := newActionSite(t)
	onChrome(t, pool.Config{MaxPages: 2}, func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
		lease, err := p.GetPage(limited(t), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		fn(t, site, lease)
	})
}

func does(t *testing.T, lease *chrome.Lease, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := lease.Page().Run(limited(t), actions...); err != nil {
		t.Fatal(err)
	}
}

// says wants an expression to have a value in the page.
func says[T comparable](t *testing.T, lease *chrome.Lease, expression string, want T) {
	t.Helper()
	got, err := chrome.Run(limited(t), lease.Page(), chromedp.Evaluate[T](expression))
	if err != nil || got != want {
		t.Errorf("%s is %v, %v; want %v", expression, got, err, want)
	}
}

// hasToFail runs actions that have to fail within a short time, and returns the error.
func hasToFail(t *testing.T, lease *chrome.Lease, limit time.Duration,
	actions ...chromedp.Action[chromedp.Void]) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := lease.Page().Run(ctx, actions...)
	if err == nil {
		t.Fatal("no error")
	}
	return err
}

func TestContractChromeActionsShowHTMLFromAString(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		const html = `<!DOCTYPE html><title>"string"</title><script>onload = () => { window.loaded = document.title }</script><p>ü` + "\u2028"
		does(t, lease, chromedp.Navigate(s.URL+"/page"))
		does(t, lease, chrome.SetContent(html))
		says(t, lease, "loaded", `"string"`)
		says(t, lease, "document.compatMode + ' ' + location.href + ' ' + "+
			"document.querySelector('p').textContent.trim()", "CSS1Compat about:blank ü")

		// With the actions that stop requests as well.
		does(t, lease, chrome.BlockURLs("*.css"),
			chrome.SetContentAt(s.URL+"/some/where", html+"<img src=b.png><link rel=stylesheet href=b.css>"))
		says(t, lease, "loaded + ' ' + location.pathname + ' ' + "+
			"document.querySelector('p').textContent.trim()", `"string" /some/where ü`)
		if some, image, style := s.asked("/some/where"), s.asked("/some/b.png"),
			s.asked("/some/b.css"); len(some) != 0 || len(image) != 1 || len(style) != 0 {
			t.Errorf("the server was asked for %d documents, %d images and %d stylesheets", len(some),
				len(image), len(style))
		}
		does(t, lease, chromedp.Navigate(s.URL+"/page"))
		says(t, lease, "document.title", "page")

		err := hasToFail(t, lease, time.Second, chrome.SetContentAt(s.URL, `<img src="/slow">`))
		wantsError(t, err, context.DeadlineExceeded, s.URL, "did not load")
		does(t, lease, chromedp.Navigate(s.URL+"/page"))
		says(t, lease, "document.title", "page")

		does(t, lease, chrome.SetJavaScriptEnabled(false),
			chrome.SetContent("<title>quiet</title><script>document.title = 'ran'</script>"))
		says(t, lease, "document.title", "quiet")
	})
}

func wantsError(t *testing.T, err, is error, texts ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("%v is no %v", err, is)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
}

// wantsInputError wants an action to say what is wrong with its input.
func wantsInputError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if !errors.As(err, new(*chrome.InputError)) {
		t.Errorf("%v is no InputError", err)
	}
	wantsError(t, err, err, texts...)
}

func TestContractChromeActionsSetWhatServersAndScriptsAreTold(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		does(t, lease, chrome.SetExtraHeaders(http.Header{"X-Token": {"a", "b"}}),
			chrome.SetLocale("de-DE"), chrome.SetUserAgent("Bot/1"),
			chrome.SetTimezone("Asia/Tokyo"), chromedp.Navigate(s.URL+"/page"))
		ask := s.asked("/page")[0]
		for name, want := range map[string]string{"X-Token": "a, b", "User-Agent": "Bot/1",
			"Accept-Language": "de-DE,de;q=0.9", "Sec-Ch-Ua": ""} {
			if got := ask.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		says(t, lease, "navigator.languages.join() + ' ' + navigator.userAgent", "de-DE,de Bot/1")
		says(t, lease, "(1234.5).toLocaleString() + ' ' + "+
			"Intl.DateTimeFormat().resolvedOptions().timeZone", "1.234,5 Asia/Tokyo")

		// Each may be changed alone, on any context of the lease.
		if err := chromedp.Do(lease.Context(), chrome.SetLocale("fr"), chrome.SetExtraHeaders(nil),
			chromedp.Navigate(s.URL+"/page")); err != nil {
			t.Fatal(err)
		}
		says(t, lease, "navigator.languages.join() + ' ' + navigator.userAgent", "fr Bot/1")
		if got := s.asked("/page")[1].Header.Get("X-Token"); got != "" {
			t.Errorf("a header that was taken back is sent: %q", got)
		}
		does(t, lease, chrome.SetJavaScriptEnabled(false), chromedp.Navigate(s.URL+"/page"))
		says(t, lease, "!window.ran && document.querySelector('noscript').getClientRects().length > 0",
			true)
		does(t, lease, chrome.SetJavaScriptEnabled(true), chromedp.Navigate(s.URL+"/page"))
		says(t, lease, "ran", true)

		wantsInputError(t, hasToFail(t, lease, contractLimit, chrome.SetTimezone("Mars/Base")),
			`time zone is "Mars/Base"`, "Europe/Berlin")
		// Scripts know the second of these, and the command none, though it refuses neither.
		for _, zone := range []string{"x y", "europe/berlin"} {
			wantsInputError(t, hasToFail(t, lease, contractLimit, chrome.SetTimezone(zone)),
				fmt.Sprintf("time zone is %q", zone))
		}
		does(t, lease, chrome.SetTimezone("GMT"), chrome.SetTimezone("Etc/GMT"),
			chrome.SetTimezone("UTC"), chrome.SetTimezone("Asia/Calcutta"))
		wantsInputError(t, hasToFail(t, lease, contractLimit, chrome.SetLocale("zzzz")),
			`locale is "zzzz"`, "de-DE")
	})
}

func TestContractChromeActionsSetAndClearCookies(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		visit := func() string {
			does(t, lease, chromedp.Navigate(s.URL+"/page"))
			asks := s.asked("/page")
			var names []string
			for _, cookie := range asks[len(asks)-1].Cookies() {
				names = append(names, cookie.Name+"="+cookie.Value)
			}
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		does(t, lease, chrome.SetCookies(s.URL+"/some/where", &http.Cookie{Name: "a", Value: "1"},
			&http.Cookie{Name: "b", Value: "2", HttpOnly: true, MaxAge: 60},
			&http.Cookie{Name: "elsewhere", Value: "3", Path: "/elsewhere"},
			&http.Cookie{Name: "c", Value: "4", SameSite: http.SameSiteStrictMode,
				Expires: time.Now().Add(time.Hour)}))
		if got := visit(); got != "a=1 b=2 c=4" {
			t.Errorf("the cookies are %q", got)
		}
		says(t, lease, "document.cookie.includes('b=2')", false)
		does(t, lease, chrome.SetCookies(s.URL, &http.Cookie{Name: "a", MaxAge: -1}))
		if got := visit(); got != "b=2 c=4" {
			t.Errorf("the cookies are %q", got)
		}
		does(t, lease, chrome.ClearCookies())
		if got := visit(); got != "" {
			t.Errorf("after all were removed: %q", got)
		}
	})
}

func TestContractChromeActionsBlockByKindAndPattern(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		does(t, lease, chrome.BlockResources("IMAGE"), chrome.BlockURLs("*.css"),
			chromedp.Navigate(s.URL+"/page"), chrome.WaitNetworkIdle(0, 50*time.Millisecond))
		for path, want := range map[string]bool{"/page": true, "/a.png": false, "/a.css": false,
			"/data": true} {
			if got := len(s.asked(path)) > 0; got != want {
				t.Errorf("%s was asked for: %v, want %v", path, got, want)
			}
		}
		does(t, lease, chrome.BlockURLs(s.URL+"/da?a"), chromedp.Reload(),
			chrome.WaitNetworkIdle(0, 50*time.Millisecond))
		if n := len(s.asked("/data")); n != 1 {
			t.Errorf("/data was asked for %d times", n)
		}
		wantsError(t, hasToFail(t, lease, contractLimit, chrome.BlockURLs("*/page"),
			chromedp.Navigate(s.URL+"/page")), chromedp.ErrPageLoad, "ERR_BLOCKED_BY_CLIENT", s.URL+"/page")
	})
}

func TestContractChromeActionsAnswerChallengesOfOneOrigin(t *testing.T) {
	for path, title := range map[string]string{"/basic": "basic", "/digest": "digest"} {
		onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
			status := func() int {
				t.Helper()
				status, err := chrome.Run(limited(t), lease.Page(), chrome.Navigate(s.URL+path))
				if err != nil {
					t.Fatal(err)
				}
				return status
			}
			if got := status(); got != http.StatusUnauthorized {
				t.Errorf("without credentials: %d", got)
			}
			does(t, lease, chrome.Authenticate("http://127.0.0.1:1", "alice", "secret"))
			if got := status(); got != http.StatusUnauthorized {
				t.Errorf("with credentials for elsewhere: %d", got)
			}
			does(t, lease, chrome.Authenticate(s.URL, "alice", "wrong"), chrome.BlockResources("image"))
			if got := status(); got != http.StatusUnauthorized {
				t.Errorf("with a wrong password: %d", got)
			}
			before := len(s.asked(path))
			does(t, lease, chrome.Authenticate(s.URL+"/", "alice", "secret"))
			if got := status(); got != http.StatusOK {
				t.Errorf("with credentials: %d", got)
			}
			says(t, lease, "document.title", title)
			if n := len(s.asked(path)) - before; n != 2 {
				t.Errorf("%d requests for one challenge", n)
			}
		})
	}
}

func TestContractChromeActionsReturnTheStatusOfTheDocument(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		for address, want := range map[string]int{
			s.URL + "/page": 200, s.URL + "/gone": 410, s.URL + "/away?to=/gone": 410, "about:blank": 0,
			"data:text/html,x": 0,
		} {
			if got, err := chrome.Run(limited(t), lease.Page(), chrome.Navigate(address)); err != nil ||
				got != want {
				t.Errorf("%s: %d, %v; want %d", address, got, err, want)
			}
		}
		does(t, lease, chrome.NavigateOK(s.URL+"/page"))
		err := hasToFail(t, lease, contractLimit, chrome.NavigateOK(s.URL+"/gone?secret"))
		if status := (*chrome.StatusError)(nil); !errors.As(err, &status) ||
			status.Status != http.StatusGone {
			t.Errorf("the error is %v", err)
		}
		wantsError(t, err, err, s.URL+"/gone", "410 Gone")
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error has the query: %v", err)
		}
	})
}

func TestContractChromeActionsWaitForAnIdleNetwork(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		does(t, lease, chromedp.Navigate(s.URL+"/late"), chrome.WaitFunction("performance.now() > 40"))
		wantsError(t, hasToFail(t, lease, time.Second, chrome.WaitNetworkIdle(0, 100*time.Millisecond)),
			context.DeadlineExceeded,
			"the network was not idle", "GET "+s.URL+"/slow in flight")
		does(t, lease, chrome.WaitNetworkIdle(1, 100*time.Millisecond))
		idle := make(chan error, 1)
		go func() {
			idle <- lease.Page().Run(limited(t), chrome.WaitNetworkIdle(0, 10*time.Millisecond))
		}()
		select {
		case err := <-idle:
			t.Fatalf("idle with a request in flight: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		close(s.goOn)
		if err := <-idle; err != nil {
			t.Error(err)
		}
	})
}

func TestContractChromeAFileIsPrintedInPieces(t *testing.T) {
	onActionPage(t, func(t *testing.T, s *actionSite, lease *chrome.Lease) {
		// Noise does not compress, so the file is of several pieces.
		does(t, lease, chrome.SetContent(`<canvas id=c width=1500 height=1500></canvas><script>
			const d = c.getContext("2d"), i = d.createImageData(1500, 1500); for (let n = 0; n < i.data.length; n++) i.data[n] = Math.random() * 256
			d.putImageData(i, 0, 0)</script>`))
		var file pieces
		size, err := chrome.Run(limited(t), lease.Page(),
			chrome.PrintPDF(&file, chromedp.PDFPrintBackground()))
		if err != nil {
			t.Fatal(err)
		}
		if int64(file.Len()) != size || !bytes.HasPrefix(file.Bytes(), []byte("%PDF-")) ||
			!bytes.HasSuffix(bytes.TrimSpace(file.Bytes()), []byte("%%EOF")) {
			t.Errorf("the file has %d bytes of %d, and begins %.10q", file.Len(), size, file.Bytes())
		}
		if file.count < 2 || file.largest > 1<<20 {
			t.Errorf("it came in %d pieces of at most %d bytes", file.count, file.largest)
		}
	})
}

// pieces counts what is written to it.
type pieces struct {
	bytes.Buffer
	count, largest int
}

func (p *pieces) Write(piece []byte) (int, error) {
	p.count, p.largest = p.count+1, max(p.largest, len(piece))
	return p.Buffer.Write(piece)
}

// What actions set ends with the lease, with Reset on and off; cookies stay the affinity's.
func TestContractChromeWhatActionsSetEndsWithTheLease(t *testing.T) {
	for _, reset := range []bool{false, true} {
		needsChrome(t)
		s := newActionSite(t)
		cfg := pool.Config{
			MaxPages: 1, Reset: reset,
			Timeouts: pool.Timeouts{RescueTimeout: 5 * time.Second},
		}
		onChrome(t, cfg, func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
			tabs := map[string]bool{}
			with := func(fn func(lease *chrome.Lease)) {
				t.Helper()
				lease, err := p.GetPage(limited(t), "a")
				if err != nil {
					t.Fatal(err)
				}
				defer lease.Release()
				tabs[lease.TabID()] = true
				fn(lease)
			}
			with(func(lease *chrome.Lease) {
				does(t, lease, chrome.SetExtraHeaders(http.Header{"X-Token": {"t"}}),
					chrome.SetCookies(s.URL, &http.Cookie{Name: "a", Value: "1"}),
					chrome.SetUserAgent("Bot/1"), chrome.SetLocale("de-DE"), chrome.SetTimezone("Asia/Tokyo"),
					chrome.BlockResources("image"), chrome.BlockURLs("*/data"),
					chrome.Authenticate(s.URL, "alice", "secret"), chrome.SetJavaScriptEnabled(false),
					chromedp.Navigate(s.URL+"/page"))
				if ask := s.asked("/page")[0]; ask.Header.Get("X-Token") != "t" || ask.UserAgent() != "Bot/1" ||
					len(s.asked("/a.png")) != 0 {
					t.Errorf("what was set has no effect: %v", ask.Header)
				}
			})
			with(func(lease *chrome.Lease) {
				does(t, lease, chromedp.Navigate(s.URL+"/page"), chrome.WaitNetworkIdle(0, 50*time.Millisecond))
				ask := s.asked("/page")[1]
				if ask.Header.Get("X-Token") != "" || ask.UserAgent() == "Bot/1" ||
					strings.HasPrefix(ask.Header.Get("Accept-Language"), "de") {
					t.Errorf("the next lease sends %v", ask.Header)
				}
				if len(s.asked("/a.png")) == 0 || len(s.asked("/data")) == 0 {
					t.Error("the next lease's requests are blocked")
				}
				if cookie, err := ask.Cookie("a"); err != nil || cookie.Value != "1" {
					t.Errorf("the affinity's cookie is %v, %v", cookie, err)
				}
				says(t, lease, "ran && Intl.DateTimeFormat().resolvedOptions().timeZone != 'Asia/Tokyo' && "+
					"navigator.language != 'de-DE'", true)
				status, err := chrome.Run(limited(t), lease.Page(), chrome.Navigate(s.URL+"/basic"))
				if err != nil || status != http.StatusUnauthorized {
					t.Errorf("the next lease is answered %d, %v", status, err)
				}
			})
			if len(tabs) != 1 {
				t.Errorf("%d tabs", len(tabs))
			}
		})
	}
}

package properties

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	jsruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// TestContractChrome holds real Chrome to the contract. PAGEPOOL_CHROME_PATH names another build
// than the one on the PATH.
func TestContractChrome(t *testing.T) {
	needsChrome(t)
	contractSuite(t, newChromeBench(t).contract())
}

// needsChrome skips a test where nobody asked for a real browser. Where somebody did, a browser
// that is missing fails it, as does everything else that keeps one from starting.
func needsChrome(t *testing.T) {
	t.Helper()
	if os.Getenv("PAGEPOOL_CHROME") == "" {
		t.Skip("needs a real browser: PAGEPOOL_CHROME=1 go test -run TestContract ./properties/")
	}
}

// onBrowser runs fn with a browser of its own, which has to leave nothing when it is closed.
// configure may be nil.
func onBrowser(t *testing.T, configure func(*chrome.Launcher),
	fn func(s *contractStage[*chrome.Page], b *chromeBench)) {
	t.Helper()
	needsChrome(t)
	b := newChromeBench(t)
	b.configure = configure
	s := &contractStage[*chrome.Page]{T: t, bench: b.contract()}
	browser, err := b.Launch(s.limit())
	s.ok("Launch", err)
	s.browser = browser
	closed := false
	defer func() {
		if !closed { // the test has failed
			_ = browser.Close(s.limit())
		}
	}()
	fn(s, b)
	closed = true
	s.ok("Browser.Close", browser.Close(s.limit()))
	s.closed("Browser.Done", browser.Done())
	s.nothingRemains()
}

// A listener on chromedp's browser stops what chromedp needs to take leave. The end of the browser
// does not wait for that.
func TestContractChromeEndsDespiteAListenerThatBlocks(t *testing.T) {
	needsChrome(t)
	b := newChromeBench(t)
	s := &contractStage[*chrome.Page]{T: t, bench: b.contract()}
	browser, err := b.Launch(s.limit())
	s.ok("Launch", err)
	s.browser = browser
	p := s.tab(s.context()).Page()
	flat := true
	second, err := chromedp.CallBrowser(p.Context(), target.AttachToTarget,
		target.AttachToTargetParams{TargetID: p.TargetID(), Flatten: &flat})
	s.ok("attaching once more", err)
	end, blocks := make(chan struct{}), make(chan struct{}, 1)
	s.ok("ListenBrowser", chromedp.ListenBrowser(p.Context(), func(any) {
		blocks <- struct{}{}
		<-end
	}))
	go func() {
		_, _ = chromedp.CallBrowser(p.Context(), target.DetachFromTarget,
			target.DetachFromTargetParams(second))
	}()
	s.closed("the way into the listener", blocks)
	s.ok("Browser.Close", browser.Close(s.limit()))
	s.closed("Browser.Done", browser.Done())
	close(end)
	s.nothingRemains()
}

// chromeBench watches browsers from outside of the driver: over a second connection, on a port, and
// in the system's list of processes.
type chromeBench struct {
	server   *httptest.Server
	arrivals chan string // the path of what a page asked for
	finish   chan struct{}
	folder   string
	// configure, where it is set, changes the launcher before each launch.
	configure func(*chrome.Launcher)

	mu      sync.Mutex
	outputs map[pool.Browser[*chrome.Page]]*address
	last    int
}

func newChromeBench(t *testing.T) *chromeBench {
	// Chrome makes a socket in there, so the path has to be shorter than what t.TempDir gives.
	folder, err := os.MkdirTemp("", "contract-")
	if err != nil {
		t.Fatal(err)
	}
	b := &chromeBench{
		arrivals: make(chan string, 1024), finish: make(chan struct{}), folder: folder,
		outputs: make(map[pool.Browser[*chrome.Page]]*address),
	}
	b.server = httptest.NewServer(b)
	t.Cleanup(func() {
		close(b.finish)
		b.server.Close()
		if err := os.Remove(folder); err != nil {
			t.Errorf("the browsers left something: %v", err)
		}
	})
	return b
}

func (b *chromeBench) contract() contractBench[*chrome.Page] {
	return contractBench[*chrome.Page]{
		Launcher: b, Census: b.census, Remains: b.remains, KillBrowser: b.killBrowser,
		AtStandby: b.atStandby, Work: b.work, Hang: b.hang, Dialog: b.dialog, Crash: b.crash,
		Redirect: b.redirect, Popup: b.popup, Block: b.block, Remember: b.remember, Recall: b.recall,
		Loop: b.script("sync('/arrived'); for (;;) {}"),
		LoopAgain: b.script(`const channel = new MessageChannel()
			function loop() { channel.port2.postMessage(0); requestAnimationFrame(loop); setTimeout(loop); for (;;) {} }
			channel.port1.onmessage = loop; sync('/arrived'); loop()`),
		Wedge: b.script("sync('/hang')"),
		Flood: b.flood,
	}
}

// launcher is that of the next browser.
func (b *chromeBench) launcher(out *address) chrome.Launcher {
	launcher := chrome.Launcher{
		ExecPath:  os.Getenv("PAGEPOOL_CHROME_PATH"),
		NoSandbox: os.Geteuid() == 0,
		Args:      []string{"--remote-debugging-port=0"},
		TempDir:   b.folder,
		Output:    out,
	}
	if b.configure != nil {
		b.configure(&launcher)
	}
	return launcher
}

// TellsMemory is the launcher's.
func (b *chromeBench) TellsMemory() error { return b.launcher(nil).TellsMemory() }

// OwnContext is the launcher's.
func (b *chromeBench) OwnContext(affinity string) bool {
	return b.launcher(nil).OwnContext(affinity)
}

// IdleFreeze is the launcher's.
func (b *chromeBench) IdleFreeze() time.Duration { return b.launcher(nil).IdleFreeze() }

// KeepsAffinities and ForgetAffinity are the launcher's.
func (b *chromeBench) KeepsAffinities(under shell.Locked) { b.launcher(nil).KeepsAffinities(under) }

func (b *chromeBench) ForgetAffinity(under shell.Locked, affinity string) {
	b.launcher(nil).ForgetAffinity(under, affinity)
}

// Launch has every browser print the address of its second connection.
func (b *chromeBench) Launch(ctx context.Context) (pool.Browser[*chrome.Page], error) {
	out := new(address)
	browser, err := b.launcher(out).Launch(ctx)
	if err == nil {
		b.mu.Lock()
		b.outputs[browser] = out
		b.mu.Unlock()
	}
	return browser, err
}

// ServeHTTP serves the pages that conditions need, from this machine only.
func (b *chromeBench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	switch r.URL.Path {
	case "/page":
		fmt.Fprint(w, `<title>page</title><script>function sync(path) {
			const request = new XMLHttpRequest(); request.open("GET", path + location.search, false); request.send() }</script>`)
	case "/flood":
		fmt.Fprint(w, `<body><script>for (let i = 0; i < 10500; i++) console.log("line", i)
			const request = new XMLHttpRequest(); request.open("GET", "/arrived" + location.search, false); request.send()
			for (;;) {}</script>`)
	case "/redirect":
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		fmt.Fprintf(w, `<meta http-equiv="refresh" content="0;url=/redirect?n=%d">`, n+1)
		if n == 3 {
			b.arrive(r)
		}
	case "/arrived":
		b.arrive(r)
	case "/hang":
		b.arrive(r)
		select {
		case <-r.Context().Done():
		case <-b.finish:
		}
	}
}

func (b *chromeBench) arrive(r *http.Request) {
	select {
	case b.arrivals <- r.URL.RequestURI():
	case <-b.finish:
	}
}

// await waits until a page has asked for a path that ends so.
func (b *chromeBench) await(ctx context.Context, suffix string) error {
	for {
		select {
		case path := <-b.arrivals:
			if strings.HasSuffix(path, suffix) {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("no page asked for %s: %w", suffix, ctx.Err())
		}
	}
}

// script has a page run a script that says when it has the main thread.
func (b *chromeBench) script(source string) func(context.Context, *chrome.Page) error {
	return func(ctx context.Context, p *chrome.Page) error {
		mark := b.mark()
		if err := p.Run(ctx, chromedp.Navigate(b.server.URL+"/page"+mark)); err != nil {
			return err
		}
		if _, err := chrome.Run(ctx, p,
			chromedp.Evaluate[int]("setTimeout(() => {"+source+"}, 0)")); err != nil {
			return err
		}
		return b.await(ctx, mark)
	}
}

// mark returns a query that tells one page's request from all others.
func (b *chromeBench) mark() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	return fmt.Sprintf("?%d", b.last)
}

// flood writes more lines on the console than a session may bring, and loops. It does not go on to
// write: that would be stopped.
func (b *chromeBench) flood(ctx context.Context, p *chrome.Page) error {
	mark := b.mark()
	_, err := chrome.Run(ctx, p, chromedp.Evaluate[string]("location = '"+b.server.URL+"/flood"+mark+
		"'"))
	if err != nil {
		return err
	}
	return b.await(ctx, mark)
}

func (b *chromeBench) atStandby(ctx context.Context, p *chrome.Page) (bool, error) {
	url, err := chrome.Run(ctx, p, chromedp.Location())
	return url == "about:blank", err
}

func (b *chromeBench) work(ctx context.Context, p *chrome.Page) error {
	if err := p.Run(ctx, chromedp.Navigate(b.server.URL+"/page")); err != nil {
		return err
	}
	title, err := chrome.Run(ctx, p, chromedp.Title())
	if err == nil && title != "page" {
		err = fmt.Errorf("the title is %q", title)
	}
	return err
}

// hang works as a holder with plain chromedp does, on a context of its own that derives from the
// page's.
func (b *chromeBench) hang(ctx context.Context, p *chrome.Page) error {
	run, cancel := context.WithCancelCause(p.Context())
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(ctx.Err()) })()
	_, err := chromedp.Run(run, chromedp.Evaluate[chromedp.Void]("new Promise(() => {})",
		chromedp.EvalAwaitPromise))
	if run.Err() != nil {
		return context.Cause(run)
	}
	return err
}

func (b *chromeBench) dialog(ctx context.Context, p *chrome.Page) error {
	leave := b.script("onbeforeunload = () => 'stay'; sync('/arrived'); alert('anybody?'); " +
		"confirm('yes?')")
	return leave(ctx, p)
}

func (b *chromeBench) crash(ctx context.Context, p *chrome.Page) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.Context(), cancel)()
	err := p.Run(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.Crash, cdp.Empty{}) // it is never answered
		return err
	}))
	if errors.Is(err, pool.ErrPageCrashed) {
		return nil
	}
	return fmt.Errorf("the page did not crash: %w", err)
}

func (b *chromeBench) redirect(ctx context.Context, p *chrome.Page) error {
	_, err := chrome.Run(ctx, p, chromedp.Evaluate[chromedp.Void](`location = "`+b.server.URL+
		`/redirect"`))
	if err != nil {
		return err
	}
	return b.await(ctx, "?n=3")
}

func (b *chromeBench) popup(ctx context.Context, p *chrome.Page) error {
	opened := chromedp.WaitNewTarget(p.Context(), func(*target.Info) bool { return true })
	clicked := true // otherwise Chrome blocks the popup
	gesture := func(params *jsruntime.EvaluateParams) { params.UserGesture = &clicked }
	_, err := chrome.Run(ctx, p, chromedp.Evaluate[bool](`!!window.open("about:blank")`, gesture))
	if err != nil {
		return err
	}
	select {
	case <-opened:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no popup: %w", ctx.Err())
	}
}

// block listens in a way that chromedp's documentation warns of.
func (b *chromeBench) block(ctx context.Context, p *chrome.Page) (func(), error) {
	mark := b.mark()
	if err := p.Run(ctx, chromedp.Navigate(b.server.URL+"/page"+mark)); err != nil {
		return nil, err
	}
	end := make(chan struct{})
	release := sync.OnceFunc(func() { close(end) })
	// Only on the console: other events may come before the command that has the page write there,
	// which would then wait for the listener.
	listen := func(event any) {
		if _, written := event.(*jsruntime.EventConsoleAPICalled); written {
			<-end
		}
	}
	if err := chromedp.Listen(p.Context(), listen); err != nil {
		return nil, err
	}
	// No answer reaches chromedp any more, so the page itself says when it has sent its messages.
	go func() {
		_, _ = chrome.Run(ctx, p, chromedp.Evaluate[chromedp.Void](
			"for (let i = 0; i < 10000; i++) console.log(i); sync('/arrived')"))
	}()
	if err := b.await(ctx, mark); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func (b *chromeBench) remember(ctx context.Context, p *chrome.Page, value string) error {
	if err := p.Run(ctx, chromedp.Navigate(b.server.URL+"/page")); err != nil {
		return err
	}
	_, err := chrome.Run(ctx, p, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		"localStorage.setItem('value', %q); document.cookie = 'value=%s; max-age=3600'", value, value)))
	return err
}

func (b *chromeBench) recall(ctx context.Context, p *chrome.Page) (string, error) {
	if err := p.Run(ctx, chromedp.Navigate(b.server.URL+"/page")); err != nil {
		return "", err
	}
	stored, err := chrome.Run(ctx, p, chromedp.Evaluate[string]("localStorage.getItem('value') || ''"))
	if err != nil {
		return "", err
	}
	cookie, err := chrome.Run(ctx, p, chromedp.Evaluate[string]("document.cookie"))
	if err == nil && cookie != "" && cookie != "value="+stored {
		err = fmt.Errorf("the cookie is %q, the storage has %q", cookie, stored)
	}
	return stored, err
}

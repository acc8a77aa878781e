// Package loopback serves pages on this machine, and has a pool's pages visit them: small ones and
// heavy ones, and pages that loop, hang, crash, redirect for ever, flood their console, ask the
// user, or open others. It is what soak and the tests put in front of a real browser. It also
// serves the corpus of package attacks, and measures what a page of that costs the tenants beside
// it.
//
//	stage, err := loopback.New(chrome.Launcher{}, folder)
//	if err != nil {
//		return err
//	}
//	defer stage.Close()
//	p, err := pool.New(stage, pool.Config{})
package loopback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/chrome/attacks"
)

// Stage is a server, and a launcher whose browsers keep everything in one folder.
type Stage struct {
	// Calm has Work visit none but small and heavy pages.
	Calm bool
	// Logger is told by the pools that Attack makes. Nil: nobody is told.
	Logger *slog.Logger

	launcher chrome.Launcher
	folder   string
	url      string
	server   *http.Server
	served   sync.WaitGroup
	finish   chan struct{} // closed by Close
	corpus   attacks.Server
	stalls   atomic.Int64 // so far
	attacks  atomic.Int64 // pages of the corpus that Work has visited

	mu struct {
		sync.Mutex
		marks    int
		arrivals map[string]chan struct{} // by mark: closed when its page has asked for it
		failures map[string]string        // by mark: what the script of an attack ended with
	}
}

// New begins to serve. Each browser that launcher starts has a folder of its own in folder, which
// has to be there and to have a short path, and is left empty.
func New(launcher chrome.Launcher, folder string) (*Stage, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("loopback: %w", err)
	}
	s := &Stage{launcher: launcher, folder: folder, url: "http://" + listener.Addr().String(),
		finish: make(chan struct{})}
	s.mu.arrivals, s.mu.failures = map[string]chan struct{}{}, map[string]string{}
	s.corpus = attacks.Server{Begun: s.arrive, Failed: s.failed, Done: s.finish}
	s.server = &http.Server{Handler: s}
	s.served.Go(func() { _ = s.server.Serve(listener) })
	return s, nil
}

// URL is where the pages are.
func (s *Stage) URL() string { return s.url }

// Close ends the server, with what its pages still wait for.
func (s *Stage) Close() error {
	close(s.finish)
	err := s.server.Close()
	s.served.Wait()
	return err
}

// Launch starts a browser. Its folder is named for the pool's operation.
func (s *Stage) Launch(ctx context.Context) (pool.Browser[*chrome.Page], error) {
	folder := s.FolderOf(pool.OperationID(ctx))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("loopback: %w", err)
	}
	launcher := s.launcher
	launcher.TempDir = folder
	b, err := launcher.Launch(ctx)
	if err != nil {
		_ = os.Remove(folder) // it stays where something is left in it
		return nil, err
	}
	go func() {
		<-b.Done()
		_ = b.Close(context.Background()) // it waits until the browser's own folder is removed
		_ = os.Remove(folder)
	}()
	return b, nil
}

// FolderOf is the folder of the browser of a launch.
func (s *Stage) FolderOf(launch uint64) string {
	return filepath.Join(s.folder, "b"+strconv.FormatUint(launch, 10))
}

// mark makes a name for one visit of a page, and a channel that is closed when the page has asked
// for it.
func (s *Stage) mark() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.marks++
	mark, arrived := strconv.Itoa(s.mu.marks), make(chan struct{})
	s.mu.arrivals[mark] = arrived
	return mark, arrived
}

func (s *Stage) arrive(mark string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if arrived := s.mu.arrivals[mark]; arrived != nil {
		close(arrived)
		delete(s.mu.arrivals, mark)
	}
}

// await waits until a page has asked for its mark.
func (s *Stage) await(ctx context.Context, mark string, arrived <-chan struct{}) error {
	select {
	case <-arrived:
		return nil
	case <-ctx.Done():
		s.arrive(mark)
		return fmt.Errorf("loopback: the page never came: %w", context.Cause(ctx))
	}
}

func (s *Stage) visit(ctx context.Context, p *chrome.Page, path string) error {
	return p.Run(ctx, chromedp.Navigate(s.url+path))
}

// evaluate has a page run a script, as if its user had asked for it.
func evaluate(ctx context.Context, p *chrome.Page, script string) error {
	clicked := true // otherwise Chrome blocks popups
	_, err := chrome.Run(ctx, p, chromedp.Evaluate[chromedp.Void](script,
		func(e *runtime.EvaluateParams) { e.UserGesture = &clicked }))
	return err
}

// later has a page run a script that begins by asking for a mark, which the page waits for, and
// waits until then.
func (s *Stage) later(ctx context.Context, p *chrome.Page, script string) error {
	mark, arrived := s.mark()
	if err := s.visit(ctx, p, "/small"); err != nil {
		s.arrive(mark)
		return err
	}
	if err := evaluate(ctx, p, fmt.Sprintf("setTimeout(() => { ask('/arrived?%s'); %s }, 0)", mark,
		script)); err != nil {
		s.arrive(mark)
		return err
	}
	return s.await(ctx, mark, arrived)
}

// Work has a page do something that ends, or attack as a page of the corpus does, one time in ten.
func (s *Stage) Work(ctx context.Context, p *chrome.Page, which int) error {
	if s.Calm && which >= 70 {
		which %= 70
	}
	switch {
	case which < 60:
		if err := s.visit(ctx, p, "/small"); err != nil {
			return err
		}
		title, err := chrome.Run(ctx, p, chromedp.Title())
		if err == nil && title != "small" {
			err = fmt.Errorf("loopback: the title is %q, want small", title)
		}
		return err
	case which < 70:
		return s.visit(ctx, p, "/heavy")
	case which < 75:
		return s.later(ctx, p, "location = '/redirect'")
	case which < 80:
		return s.later(ctx, p, "for (let i = 0; i < 20000; i++) console.log('line', i)")
	case which < 84:
		return s.later(ctx, p, "onbeforeunload = () => 'stay'; alert('anybody?'); confirm('yes?')")
	case which < 88:
		if err := s.visit(ctx, p, "/small"); err != nil {
			return err
		}
		return evaluate(ctx, p, "void window.open('about:blank')")
	case which < 90:
		return s.later(ctx, p, "setInterval(() => { for (let i = 0; i < 1e6; i++); }, 20)")
	}
	return s.drawn(ctx, p)
}

// drawnStep has pages of one family come far from each other. It shares no factor with their
// number.
const drawnStep = 37

// drawn has a page attack as the next page of the corpus does. Each of them comes once in a round.
func (s *Stage) drawn(ctx context.Context, p *chrome.Page) error {
	all := attacks.All()
	_, err := s.Begin(ctx, p, all[int(s.attacks.Add(1)*drawnStep)%len(all)])
	return err
}

// Loop has a page render itself anew for ever. A rescue can stop it.
func (s *Stage) Loop(ctx context.Context, p *chrome.Page) error {
	return s.later(ctx, p, `const channel = new MessageChannel()
		function render() { channel.port2.postMessage(0); setTimeout(render); for (let n = 0; ; n++) document.body.textContent = 'again ' + n }
		channel.port1.onmessage = render; render()`)
}

// Stall has a page hold its main thread in a way that a rescue need not end: it waits for an answer
// that never comes, or it opens frames for ever, where the browser has to tell of each.
func (s *Stage) Stall(ctx context.Context, p *chrome.Page) error {
	if s.stalls.Add(1)%2 == 0 {
		return s.later(ctx, p, "for (;;) document.body.replaceChildren(document.createElement('iframe'))")
	}
	return s.later(ctx, p, "ask('/hang')")
}

// Flood has a page flood the pipe to its browser from now on: with addresses of 2 MB, for which the
// driver closes it, or with lines of 40 MB, which the driver does not hear any more then.
func (s *Stage) Flood(ctx context.Context, p *chrome.Page, addresses bool) error {
	if addresses {
		return evaluate(ctx, p, `var n = 0
			void setInterval(() => { for (let i = 0; i < 20; i++) history.pushState(0, "", "#" + n++ + "x".repeat(2e6 - 99)) }, 500)`)
	}
	return evaluate(ctx, p, `void setInterval(() => console.log("x".repeat(4e7) + Math.random()), 50)`)
}

// Crash has the renderer of a page end.
func (s *Stage) Crash(ctx context.Context, p *chrome.Page) error {
	err := p.Run(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.Crash, cdp.Empty{}) // it is never answered
		return err
	}))
	if errors.Is(err, pool.ErrPageCrashed) {
		return nil
	}
	return err
}

// heavyParts is how large a heavy page is.
const heavyParts = 1500

// ServeHTTP serves the pages.
func (s *Stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if attacks.Serves(r.URL.Path) {
		s.corpus.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch r.URL.Path {
	case "/small":
		fmt.Fprint(w, `<title>small</title><body>small<script>function ask(path) {
			const request = new XMLHttpRequest(); request.open("GET", path, false); request.send() }</script>`)
	case "/heavy":
		fmt.Fprint(w, "<title>heavy</title><style>div { float: left; margin: 2px; border-radius: 3px; "+
			"box-shadow: 1px 1px 2px gray }</style><body>",
			strings.Repeat("<div><b>part</b> of a <i>heavy</i> page</div>", heavyParts),
			"<script>for (let i = 0, x = []; i < 200000; i++) x.push({i}); "+
				"document.body.offsetHeight</script>")
	case "/redirect":
		fmt.Fprint(w, `<meta http-equiv="refresh" content="0;url=/redirect">`)
	case "/arrived":
		s.arrive(r.URL.RawQuery)
	case "/hang":
		select {
		case <-r.Context().Done():
		case <-s.finish:
		}
	default:
		http.NotFound(w, r)
	}
}

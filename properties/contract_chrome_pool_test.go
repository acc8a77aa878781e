package properties

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/debugger"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What becomes of a tab on real Chrome when its holder leaves something behind, with Reset off.

// onChrome runs fn with a pool over real Chrome, closes the pool, and checks that nothing is left.
func onChrome(t *testing.T, cfg pool.Config,
	fn func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page])) {
	t.Helper()
	onChromeAs(t, nil, cfg, fn)
}

// onChromeAs is onChrome with a launcher that configure changes.
func onChromeAs(t *testing.T, configure func(*chrome.Launcher), cfg pool.Config,
	fn func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page])) {
	t.Helper()
	needsChrome(t)
	before := descriptors(t)
	b := newChromeBench(t)
	b.configure = configure
	p, err := pool.New(b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, left := range b.remains() {
			t.Errorf("left after Close: %s", left)
		}
		if left := mine(t); len(left) > 0 {
			t.Errorf("children left after Close, zombies among them: %v", left)
		}
		b.server.Close() // its connections are the test's, as is the port
		eventually(t, "no descriptor more than before is open", func() bool {
			return descriptors(t) <= before
		})
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	fn(t, b, p)
}

// descriptors is the number of files, pipes and connections that this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // has the runtime open what it keeps for itself
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// visits has a tab of one affinity do something within d. It is an error if Do is still there long
// after.
func visits(t *testing.T, p *pool.Pool[*chrome.Page], d time.Duration,
	do func(ctx context.Context, page *chrome.Page) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	did := make(chan error, 1)
	go func() { did <- p.Do(ctx, "a", do) }()
	select {
	case err := <-did:
		return err
	case <-time.After(d + 5*time.Second):
		t.Error("Do has not returned five seconds after its ctx ended")
		return nil
	}
}

// oneTab has the holders of an affinity meet the same tab as long as it is fit for use, and has it
// probed before each. The limit of a rescue is longer than usual: other tests load the machine.
var oneTab = pool.Config{
	MaxPages: 1,
	Timeouts: pool.Timeouts{RescueTimeout: 4 * time.Second, OpenGrace: 10 * time.Second,
		ProbeMaxAge: time.Nanosecond},
}

func TestContractChromeAListenerThatBlocksIsNoLaterHoldersTrouble(t *testing.T) {
	onChrome(t, oneTab, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		end := make(chan struct{})
		defer close(end)
		err := visits(t, p, 2*time.Second, func(ctx context.Context, page *chrome.Page) error {
			if err := chromedp.Listen(ctx, func(any) { <-end }); err != nil {
				return err
			}
			return b.work(ctx, page)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the holder whose listener blocks: %v", err)
		}
		for i := range 3 {
			if err := visits(t, p, 30*time.Second, b.work); err != nil {
				t.Errorf("later holder %d, who listens to nothing: %v", i+1, err)
			}
		}
		if c := p.Stats().Counters; c.Rescues != 0 || c.Closes != 0 {
			t.Errorf("%d rescues, %d closes: what blocked ended with its lease", c.Rescues, c.Closes)
		}
	})
}

// A holder who stops requests or scripts and goes leaves nobody to let them go on, but for the end
// of his session.
func TestContractChromeWhatAHolderStopsIsNoLaterHoldersTrouble(t *testing.T) {
	breaks := chromedp.Navigate("data:text/html,<script>debugger</script>")
	works := map[string]func(b *chromeBench, ctx context.Context, page *chrome.Page) error{
		"requests": (*chromeBench).work,
		"scripts": func(_ *chromeBench, ctx context.Context, page *chrome.Page) error {
			return page.Run(ctx, breaks)
		},
	}
	stops := map[string]func(ctx context.Context, page *chrome.Page) error{
		"requests": func(ctx context.Context, page *chrome.Page) error {
			return page.Run(ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := cdp.Call(ctx, target, fetch.Enable, fetch.EnableParams{})
				return err
			}))
		},
		"scripts": func(ctx context.Context, page *chrome.Page) error {
			return page.Run(ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := cdp.Call(ctx, target, debugger.Enable, debugger.EnableParams{})
				return err
			}))
		},
	}
	for what, stop := range stops {
		t.Run(what, func(t *testing.T) {
			onChrome(t, oneTab, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
				work := func(ctx context.Context, page *chrome.Page) error { return works[what](b, ctx, page) }
				err := visits(t, p, 2*time.Second, func(ctx context.Context, page *chrome.Page) error {
					if err := stop(ctx, page); err != nil {
						return err
					}
					return work(ctx, page)
				})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the holder who is stopped: %v", err)
				}
				if err := visits(t, p, 10*time.Second, work); err != nil {
					t.Errorf("the next one: %v", err)
				}
				if err := visits(t, p, 10*time.Second, stop); err != nil {
					t.Errorf("the holder who goes in time: %v", err)
				}
				if err := visits(t, p, 10*time.Second, work); err != nil {
					t.Errorf("the next one, after a probe: %v", err)
				}
				if c := p.Stats().Counters; c.Rescues != 0 || c.Closes != 0 {
					t.Errorf("%d rescues, %d closes: what was stopped goes on when its lease has ended", c.Rescues,
						c.Closes)
				}
			})
		})
	}
}

// What Prepare stops is the driver's user's own, who lets it go on.
func TestContractChromeAnInterceptionOfPreparesStays(t *testing.T) {
	var seen atomic.Int64
	prepare := func(ctx context.Context, page *chrome.Page) error {
		target := chromedp.FromContext(page.Context()).Target
		if err := chromedp.Listen(page.Context(), func(event any) {
			if paused, ok := event.(*fetch.EventRequestPaused); ok {
				seen.Add(1)
				go func() { // a listener that waits for an answer would block
					_, _ = cdp.Call(page.Context(), target, fetch.ContinueRequest,
						fetch.ContinueRequestParams{RequestID: paused.RequestID})
				}()
			}
		}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, fetch.Enable, fetch.EnableParams{})
		return err
	}
	onBrowser(t, func(l *chrome.Launcher) { l.Prepare = prepare },
		func(s *contractStage[*chrome.Page], b *chromeBench) {
			tab := s.tab(s.context())
			for range 2 {
				before := seen.Load()
				s.ok("Work", b.work(s.limit(), tab.Page()))
				if seen.Load() == before {
					t.Error("the page's request was not intercepted")
				}
				s.ok("Probe", tab.Probe(s.limit()))
				s.rescue(tab)
				s.ok("Probe after a rescue", tab.Probe(s.limit()))
			}
		})
}

package properties

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	jsruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What holders and dead browsers leave behind, and what is somebody else's.

func TestContractChromeCloseAfterALossLeavesNoFolder(t *testing.T) {
	needsChrome(t)
	for range 4 {
		b := newChromeBench(t)
		p, err := pool.New(b, pool.Config{MaxPages: 2})
		if err != nil {
			t.Fatal(err)
		}
		lease, err := p.GetPage(limited(t), "lost")
		if err != nil {
			t.Fatal(err)
		}
		main, runs := b.mainProcess()
		if !runs {
			t.Fatal("no browser runs")
		}
		if err := syscall.Kill(main, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-lease.Context().Done()
		if err := p.Close(limited(t)); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(b.folder, "*")); len(left) > 0 {
			t.Errorf("when Close returns, there is still %v", left)
		}
	}
}

// popupThatLoops opens one in another renderer, where its opener's probes say nothing of it.
func popupThatLoops(s *contractStage[*chrome.Page], b *chromeBench, p *chrome.Page) {
	s.ok("Work", b.work(s.limit(), p))
	mark, elsewhere := b.mark(), strings.Replace(b.server.URL, "127.0.0.1", "localhost", 1)
	clicked := true // otherwise Chrome blocks the popup
	gesture := func(params *jsruntime.EvaluateParams) { params.UserGesture = &clicked }
	_, err := chrome.Run(s.limit(), p, chromedp.Evaluate[chromedp.Void](
		fmt.Sprintf("void window.open('%s/flood%s', '_blank', 'noopener')", elsewhere, mark), gesture))
	s.ok("open a popup", err)
	s.ok("the popup", b.await(s.limit(), mark))
}

// Chrome gives a page that does not answer 500 ms to close, and with each close anew.
func TestContractChromeAPopupThatLoopsClosesWithItsPage(t *testing.T) {
	configure := func(l *chrome.Launcher) { l.AuditEvery = pool.Off }
	for what, end := range map[string]func(context.Context, pool.Tab[*chrome.Page]) error{
		"Reset": func(ctx context.Context, tab pool.Tab[*chrome.Page]) error { return tab.Reset(ctx) },
		"Close": func(ctx context.Context, tab pool.Tab[*chrome.Page]) error { return tab.Close(ctx) },
	} {
		t.Run(what, func(t *testing.T) {
			onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
				tab, other := s.tab(s.context()), s.tab(s.context())
				popupThatLoops(s, b, tab.Page())
				s.ok(what, end(s.limit(), tab))
				alive := census{Contexts: 2, Pages: 2}
				if what == "Close" {
					alive.Pages--
				}
				s.alive(alive)
				s.ok("Probe of another tab", other.Probe(s.limit()))
			})
		})
	}
}

func TestContractChromeARescueClearsTheStorageAsAResetDoes(t *testing.T) {
	cfg := pool.Config{
		MaxPages: 1, Reset: true,
		Timeouts: pool.Timeouts{RescueTimeout: 8 * time.Second, OpenGrace: 10 * time.Second},
	}
	onChromeAs(t, func(l *chrome.Launcher) { l.ClearStorage = true }, cfg,
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			lease, err := p.GetPage(limited(t), "a")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(b.remember(limited(t), lease.Page(), "secret"),
				b.contract().Loop(limited(t), lease.Page())); err != nil {
				t.Fatal(err)
			}
			id := lease.TabID()
			lease.Suspect()
			next, err := p.GetPage(limited(t), "a")
			if err != nil {
				t.Fatal(err)
			}
			defer next.Release()
			if next.TabID() != id {
				t.Fatalf("the page was not rescued: %+v", p.Stats().Counters)
			}
			if found, err := b.recall(limited(t), next.Page()); err != nil || found != "" {
				t.Errorf("the next holder finds %q, %v", found, err)
			}
		})
}

func TestContractChromeWhatAHolderOpensClosesWithItsLease(t *testing.T) {
	configure := func(l *chrome.Launcher) { l.AuditEvery = 50 * time.Millisecond }
	cfg := pool.Config{MaxPages: 2, More: pool.More{TabsPerContext: 2}}
	onChromeAs(t, configure, cfg, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		mine, err := p.GetPage(limited(t), "a")
		if err != nil {
			t.Fatal(err)
		}
		beside, err := p.GetPage(limited(t), "a")
		if err != nil {
			t.Fatal(err)
		}
		open := func(l *pool.Lease[*chrome.Page], params target.CreateTargetParams) {
			t.Helper()
			params.URL = "about:blank"
			if _, err := chromedp.CallBrowser(l.Context(), target.CreateTarget, params); err != nil {
				t.Fatal(err)
			}
		}
		shared := chromedp.FromContext(mine.Context()).BrowserContextID
		before := b.pages(t)
		open(mine, target.CreateTargetParams{BrowserContextID: shared})
		open(beside, target.CreateTargetParams{BrowserContextID: shared})
		own, err := chromedp.CallBrowser(mine.Context(), target.CreateBrowserContext,
			target.CreateBrowserContextParams{})
		if err != nil {
			t.Fatal(err)
		}
		// While the lease is held, an audit leaves its empty context alone.
		<-time.After(500 * time.Millisecond)
		open(mine, target.CreateTargetParams{BrowserContextID: own.BrowserContextID})
		if now := b.pages(t); now != before+3 {
			t.Errorf("%d pages are open, and 3 were opened beside %d", now, before)
		}
		mine.Release()
		eventually(t, "what its holder opened is gone, and nothing else", func() bool {
			return b.pages(t) == before+1
		})
		beside.Release()
		eventually(t, "what the other holder opened is gone, too", func() bool {
			return b.pages(t) == before
		})
		eventually(t, "the holder's context is gone", func() bool {
			err := p.Do(limited(t), "a", func(ctx context.Context, _ *chrome.Page) error {
				all, err := chromedp.CallBrowser(ctx, target.GetBrowserContexts, cdp.Empty{})
				for _, id := range all.BrowserContextIDs {
					if id == own.BrowserContextID {
						err = errors.Join(err, errors.New("it is there"))
					}
				}
				return err
			})
			return err == nil
		})
	})
}

// The dialogs of somebody else's popup, at the same browser, are his to answer.
func TestContractChromeARemoteAnswersNobodyElsesDialogs(t *testing.T) {
	needsChrome(t)
	b := newChromeBench(t)
	out := new(address)
	folder, err := os.MkdirTemp("", "host-") // a short name: a socket's is limited
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(installed(t), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--remote-debugging-port=0", "--user-data-dir="+folder)
	host.Stderr, host.Env = out, append(os.Environ(), "TMPDIR="+folder)
	host.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-host.Process.Pid, syscall.SIGKILL)
		_ = host.Wait()
		eventually(t, "its profile can be removed", func() bool { return os.RemoveAll(folder) == nil })
	}()
	url, err := out.url()
	if err != nil {
		t.Fatal(err)
	}
	beside, err := chrome.Remote{URL: url}.Launch(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = beside.Close(limited(t)) }()

	ctx, cancel := remote.NewAllocator(limited(t), url, remote.NoModifyURL)
	defer cancel()
	ctx, leave := chromedp.NewContext(ctx)
	defer leave()
	if err := chromedp.Do(ctx, chromedp.Navigate(b.server.URL+"/page")); err != nil {
		t.Fatal(err)
	}
	opened := chromedp.WaitNewTarget(ctx, func(*target.Info) bool { return true })
	clicked := true
	gesture := func(p *jsruntime.EvaluateParams) { p.UserGesture = &clicked }
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void]("void window.open('/page')",
		gesture)); err != nil {
		t.Fatal(err)
	}
	popup, leavePopup := chromedp.NewContext(ctx, chromedp.WithTargetID(<-opened))
	defer leavePopup()
	if err := chromedp.Do(popup); err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	err = chromedp.Listen(popup, func(event any) {
		if _, asks := event.(*page.EventJavascriptDialogOpening); !asks {
			return
		}
		time.AfterFunc(200*time.Millisecond, func() { // a remote that answered would have by now
			_, err := cdp.Call(popup, chromedp.FromContext(popup).Target, page.HandleJavaScriptDialog,
				page.HandleJavaScriptDialogParams{Accept: true})
			accepted <- err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	said, err := chromedp.Run(popup, chromedp.Evaluate[bool]("confirm('really?')"))
	if err := errors.Join(err, <-accepted); err != nil || !said {
		t.Errorf("its user accepts, and the page hears %v, %v", said, err)
	}
}

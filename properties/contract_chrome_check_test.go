package properties

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Checks of the work that tabs share processes for, on real Chrome.

// check is what the pool asks a browser whose tabs bring doubtful news.
func check(ctx context.Context, browser pool.Browser[*chrome.Page]) error {
	return browser.(interface{ Check(context.Context) error }).Check(ctx)
}

// helper is a process that tabs share.
type helper struct{ part, flag string }

var helpers = []helper{
	{"drawing", "--type=gpu-process"},
	{"network", "--utility-sub-type=network.mojom.NetworkService"},
	{"storage", "--utility-sub-type=storage.mojom.StorageService"},
}

// pid is the process. 0: headless-shell, which stores in its main process.
func (h helper) pid(t *testing.T, b *chromeBench) int {
	t.Helper()
	pids := b.running(h.flag)
	if len(pids) == 0 && h.part == "storage" &&
		strings.Contains(os.Getenv("PAGEPOOL_CHROME_PATH"), "headless-shell") {
		return 0
	}
	if len(pids) != 1 {
		t.Fatalf("the processes for %s are %v, and not one", h.part, pids)
	}
	return pids[0]
}

// stop has a process do nothing until the test ends, as one that hangs. Chrome does not notice.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
}

// mainOf is the main process of a browser, which a script may have started.
func mainOf(t *testing.T, b *chromeBench, browser pool.Browser[*chrome.Page]) int {
	t.Helper()
	for _, info := range as(t, b, browser, systeminfo.GetProcessInfo, cdp.Empty{}).ProcessInfo {
		if info.Type == "browser" {
			return int(info.ID)
		}
	}
	t.Fatal("the browser has no main process")
	return 0
}

// works has a page do what needs each of the processes: it loads, stores, reads, and is drawn.
func (b *chromeBench) works(s *contractStage[*chrome.Page], page *chrome.Page) {
	s.Helper()
	s.ok("a load and a store", b.remember(s.limit(), page, "kept"))
	kept, err := b.recall(s.limit(), page)
	s.ok("a read", err)
	if kept != "kept" {
		s.Errorf("the storage has %q", kept)
	}
	_, err = chrome.Run(s.limit(), page, chromedp.FullScreenshot(50))
	s.ok("a screenshot", err)
}

func TestContractChromeAHealthyBrowserPassesItsChecks(t *testing.T) {
	var seen strangers
	configure := func(l *chrome.Launcher) {
		l.AuditEvery, l.OnStranger = 50*time.Millisecond, seen.add
	}
	onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
		tab := s.tab(s.context())
		s.ok("Loop", b.contract().Loop(s.limit(), tab.Page()))
		var took []time.Duration
		for range 20 {
			began := time.Now()
			s.ok("Check", check(s.limit(), s.browser))
			took = append(took, time.Since(began))
		}
		t.Logf("the first check took %v", took[0])
		slices.Sort(took)
		t.Logf("beside a page that loops they took %v, median %v", took, took[len(took)/2])
		s.alive(census{Contexts: 2, Pages: 2}) // one is the page of the checks, and stays
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if len(seen.found) > 0 {
			t.Errorf("the audit closed %+v", seen.found)
		}
	})
}

func TestContractChromeACheckKillsAHelperThatHangsOnceAMinute(t *testing.T) {
	for _, h := range helpers {
		t.Run(h.part, func(t *testing.T) {
			log := new(address)
			configure := func(l *chrome.Launcher) { l.Logger = slog.New(slog.NewTextHandler(log, nil)) }
			onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
				page := s.tab(s.context()).Page()
				b.works(s, page)
				pid := h.pid(t, b)
				if pid == 0 {
					s.ok("Check of a browser that stores by itself", check(s.limit(), s.browser))
					return
				}
				stop(t, pid) // the page of the checks is opened in a sick browser
				began := time.Now()
				s.ok("Check", check(s.limit(), s.browser))
				t.Logf("work went on %v after the check began", time.Since(began))
				b.works(s, page)
				log.mu.Lock()
				text := log.text.String()
				log.mu.Unlock()
				if !strings.Contains(text, `msg="hung helper process killed"`) ||
					!strings.Contains(text, "part="+h.part) {
					t.Errorf("the log: %s", text)
				}
				again := h.pid(t, b)
				if again == pid {
					t.Fatalf("process %d still runs", pid)
				}
				stop(t, again)
				err := check(s.limit(), s.browser)
				if err == nil || !strings.Contains(err.Error(), h.part+": ") ||
					!strings.Contains(err.Error(), "ago already") {
					t.Errorf("the second Check: %v", err)
				}
				for _, other := range helpers {
					if other != h && err != nil && strings.Contains(err.Error(), other.part+": ") {
						t.Errorf("%s was sick, and the check says %v", h.part, err)
					}
				}
				if left := h.pid(t, b); left != again {
					t.Errorf("process %d was killed", again)
				}
				s.ok("going on", syscall.Kill(again, syscall.SIGCONT))
				s.ok("Check of a browser that has recovered", check(s.limit(), s.browser))
				b.works(s, page)
				s.alive(census{Contexts: 2, Pages: 2})
			})
		})
	}
}

func TestContractChromeACheckOfAStoppedBrowserEndsWithItsContext(t *testing.T) {
	for _, before := range []int{0, 1} {
		onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
			for range before {
				s.ok("Check", check(s.limit(), s.browser))
			}
			pid := mainOf(t, b, s.browser)
			stop(t, pid)
			for range 2 {
				s.fails("Check", check(s.in(500*time.Millisecond), s.browser), context.DeadlineExceeded)
			}
			s.ok("going on", syscall.Kill(pid, syscall.SIGCONT))
			s.ok("Check of a browser that goes on", check(s.limit(), s.browser))
			s.alive(census{Contexts: 1, Pages: 1})
		})
	}
}

func TestContractChromeACheckEndsWithItsBrowser(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		s.ok("Check", check(s.limit(), s.browser))
		stop(t, mainOf(t, b, s.browser))
		ended := make(chan error, 1)
		go func() { ended <- check(s.limit(), s.browser) }()
		s.ok("Browser.Close", s.browser.Close(s.in(100*time.Millisecond)))
		if err := <-ended; err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Check of a browser that was closed meanwhile: %v", err)
		}
	})
}

func TestContractChromeManyEndsOfTheDrawingProcessDoNotEndTheBrowser(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		for range 7 {
			pid := 0
			eventually(t, "a process draws", func() bool {
				pids := b.running(helpers[0].flag)
				if len(pids) == 1 {
					pid = pids[0]
				}
				return pid != 0
			})
			s.ok("kill", syscall.Kill(pid, syscall.SIGKILL))
			eventually(t, "it has ended", func() bool {
				return !slices.Contains(b.running(helpers[0].flag), pid)
			})
			eventually(t, "it works again", func() bool { return check(s.limit(), s.browser) == nil })
		}
		s.open("Browser.Done", s.browser.Done())
	})
}

// The renderer of the page of the checks is nobody else's: what becomes of it says nothing of the
// browser.
func TestContractChromeACheckReplacesAPageOfItsOwnThatHangsOrCrashed(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
			s.ok("Check", check(s.limit(), s.browser))
			pids := b.renderers()
			if len(pids) == 0 {
				t.Fatal("no process runs the page")
			}
			for _, pid := range pids {
				s.ok(signal.String(), syscall.Kill(pid, signal))
			}
			s.ok("the next Check", check(s.limit(), s.browser))
			s.alive(census{Contexts: 1, Pages: 1})
		}
	})
}

func TestContractChromeACheckOfARemoteBrowserKillsNothing(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		b.mu.Lock()
		out := b.outputs[s.browser]
		b.mu.Unlock()
		url, err := out.url()
		s.ok("the address", err)
		remote, err := chrome.Remote{URL: url}.Launch(s.limit())
		s.ok("Launch", err)
		s.ok("Check", check(s.limit(), remote))
		pid := helpers[0].pid(t, b)
		stop(t, pid)
		err = check(s.limit(), remote)
		if err == nil || !strings.Contains(err.Error(), "drawing: ") ||
			!strings.Contains(err.Error(), "somebody else's") {
			t.Errorf("Check of a browser that does not draw: %v", err)
		}
		if left := helpers[0].pid(t, b); left != pid {
			t.Errorf("process %d was killed", pid)
		}
		s.ok("going on", syscall.Kill(pid, syscall.SIGCONT))
		s.ok("Check of a browser that has recovered", check(s.limit(), remote))
		s.ok("Close", remote.Close(s.limit()))
		s.alive(census{})
		if err := check(s.limit(), remote); !errors.Is(err, pool.ErrBrowserLost) {
			t.Errorf("Check after Close: %v", err)
		}
	})
}

// A browser that sends something else than an answer is busy. A stopped one sends nothing.
func TestContractChromeAStoppedBrowserIsNotBusy(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		s.ok("Ping", s.browser.Ping(s.limit()))
		pid := mainOf(t, b, s.browser)
		stop(t, pid)
		if s.browser.Ping(s.in(time.Second)) == nil {
			t.Error("a stopped browser answers")
		}
		s.ok("going on", syscall.Kill(pid, syscall.SIGCONT))
		s.ok("Ping", s.browser.Ping(s.limit()))
	})
}

// The drawing process of a pool's browser hangs, and Chrome does not notice. After three doubtful
// ends of two affinities the pool has the browser checked, the check ends that process, and work
// goes on in the same browser.
func TestContractChromeAPoolFindsABrowserThatDrawsNoMore(t *testing.T) {
	cfg := pool.Config{MaxPages: 4, MaxLease: 2 * time.Second}
	onChrome(t, cfg, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		draw := func(affinity string) error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			return p.Do(ctx, affinity, func(ctx context.Context, page *chrome.Page) error {
				_, err := chrome.Run(ctx, page, chromedp.FullScreenshot(50))
				return err
			})
		}
		for _, affinity := range []string{"a", "b"} {
			if err := draw(affinity); err != nil {
				t.Fatal(err)
			}
		}
		stop(t, helpers[0].pid(t, b))
		failed := 0
		for began := time.Now(); ; failed++ {
			err := draw([]string{"a", "b"}[failed%2])
			if err == nil {
				t.Logf("%d failed, and work went on %v after the process hung", failed, time.Since(began))
				break
			}
			if time.Since(began) > 2*time.Minute {
				t.Fatalf("%d failed, the last with %v", failed, err)
			}
		}
		if c := p.Stats().Counters; c.Checks < 1 || c.BrowserStarts != 1 {
			t.Errorf("%d checks, %d launches", c.Checks, c.BrowserStarts)
		}
	})
}

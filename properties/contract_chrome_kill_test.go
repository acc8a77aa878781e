package properties

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Processes that are killed, and closes that Chrome forgets, under load.

// setting reads a number from the environment, for a run that is longer than everybody's.
func setting(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: it must be a number above 0", name, text)
	}
	return n
}

// kills notes when something was killed and what became of it.
type kills struct {
	mu     sync.Mutex
	last   time.Time
	told   []time.Duration // from the last kill to the end of a lease that it ended
	served int
	// holding is the number of holders, and lost that of those who were told that their browser was
	// lost.
	holding, lost int
}

// now returns the number of holders who are to be told if it is the browser that is killed.
func (k *kills) now() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = time.Now()
	return k.holding
}

func (k *kills) holds(more int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holding += more
}

func (k *kills) holderIsTold(cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told = append(k.told, time.Since(k.last))
	if errors.Is(cause, pool.ErrBrowserLost) {
		k.lost++
	}
}

// hold has holders wait on a page for as long as they may, which is until the page's end, or
// over's.
func (k *kills) hold(t *testing.T, p *pool.Pool[*chrome.Page], affinity string,
	over context.Context) {
	for over.Err() == nil {
		lease, err := p.GetPage(limited(t), affinity)
		if err != nil {
			t.Errorf("a holder's request: %v", err)
			return
		}
		k.holds(1)
		ctx, cancel := context.WithCancel(lease.Context())
		stop := context.AfterFunc(over, cancel)
		_ = chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void]("new Promise(() => {})",
			chromedp.EvalAwaitPromise))
		<-ctx.Done() // the call may fail a moment before the lease ends
		if cause := context.Cause(lease.Context()); over.Err() == nil && cause != nil {
			k.holderIsTold(cause)
			if !errors.Is(cause, pool.ErrBrowserLost) && !errors.Is(cause, pool.ErrPageCrashed) {
				t.Errorf("a holder is told %v", cause)
			}
		}
		k.holds(-1)
		stop()
		cancel()
		lease.Release()
	}
}

// load has requests come one after the other. Each is to be served; its work may be cut short by a
// kill.
func (k *kills) load(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page], affinity string,
	over context.Context) {
	for over.Err() == nil {
		lease, err := p.GetPage(limited(t), affinity)
		if err != nil {
			t.Errorf("a waiting request: %v", err)
			return
		}
		err = b.work(limited(t), lease.Page())
		// A renderer may be killed that was only just meant for the page's next document: the page lives,
		// and its navigation has failed.
		cut := errors.Is(err, pool.ErrBrowserLost) || errors.Is(err, pool.ErrPageCrashed) ||
			errors.Is(err, chromedp.ErrPageLoad)
		if err != nil && !cut {
			t.Errorf("a holder's work: %v", err)
		}
		lease.Release()
		k.mu.Lock()
		k.served++
		k.mu.Unlock()
	}
}

// A minute with a kill every five seconds is a long test on each of two builds. Here the kills come
// every 1.5 seconds, nine by default: as many of each kind in a quarter of the time, since a kill
// is over when the next browser serves, within a second. PAGEPOOL_CHROME_KILLS asks for more.
func TestContractChromeKillsUnderLoadTellEveryHolderAndEveryRequestIsServed(t *testing.T) {
	cfg := pool.Config{
		MaxPages: 4,
		More:     pool.More{OpenRetries: 100},
		Timeouts: pool.Timeouts{RescueTimeout: 4 * time.Second},
	}
	onChrome(t, cfg, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		over, end := context.WithCancel(context.Background())
		defer end()
		var k kills
		var work sync.WaitGroup
		for i := range 2 {
			work.Go(func() { k.hold(t, p, fmt.Sprint("holder ", i), over) })
		}
		for i := range 8 {
			work.Go(func() { k.load(t, b, p, fmt.Sprint("affinity ", i%6), over) })
		}
		tick := time.NewTicker(1500 * time.Millisecond)
		defer tick.Stop()
		browsers, renderers, hadHolders := 0, 0, 0
		for i := range setting(t, "PAGEPOOL_CHROME_KILLS", 9) {
			<-tick.C
			pids := b.renderers()
			main, runs := b.mainProcess()
			holders := k.now()
			if i%3 == 0 || len(pids) == 0 {
				if runs && syscall.Kill(main, syscall.SIGKILL) == nil { // between two browsers there is none
					browsers++
					hadHolders += holders
				}
				continue
			}
			if syscall.Kill(pids[i%len(pids)], syscall.SIGKILL) == nil {
				renderers++
			}
		}
		<-tick.C
		end()
		work.Wait()
		slices.Sort(k.told)
		t.Logf("%d browsers and %d renderers killed; %d requests served; holders told after %v", browsers,
			renderers, k.served, k.told)
		if browsers == 0 || renderers == 0 || len(k.told) == 0 {
			t.Fatalf("%d browsers and %d renderers were killed, and holders were told %d times", browsers,
				renderers, len(k.told))
		}
		if k.lost < hadHolders {
			t.Errorf("%d holders were told that their browser was lost, of %d who held a page of one",
				k.lost, hadHolders)
		}
		if slowest := k.told[len(k.told)-1]; slowest > 10*time.Second {
			t.Errorf("a holder was told only after %v", slowest)
		}
		eventually(t, "afterwards somebody is served", func() bool {
			return p.Do(limited(t), "afterwards", b.work) == nil
		})
	})
}

// Chrome acknowledges a close while a navigation commits, and forgets it. A thousand closes take
// minutes on full Chromium, for each needs a page; a hundred meet that dozens of times.
// PAGEPOOL_CHROME_CLOSES asks for more.
func TestContractChromeClosesDuringARedirectLeaveNoPageOpenAndNobodyWaits(t *testing.T) {
	onChrome(t, pool.Config{MaxPages: 4},
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			var waits []time.Duration
			var mu sync.Mutex
			var next atomic.Int64
			var callers sync.WaitGroup
			closes := setting(t, "PAGEPOOL_CHROME_CLOSES", 100)
			for caller := range 4 {
				callers.Go(func() {
					for next.Add(1) <= int64(closes) {
						lease, err := p.GetPage(limited(t), fmt.Sprint("affinity ", caller))
						if err != nil {
							t.Errorf("GetPage: %v", err)
							return
						}
						away := `setTimeout(() => { location = "` + b.server.URL + `/redirect?n=100" }); 1`
						if _, err = chromedp.Run(lease.Context(), chromedp.Evaluate[int](away)); err == nil {
							err = chrome.Function("location.search.length > 0")(limited(t), lease.Page())
						}
						if err != nil {
							t.Errorf("redirecting: %v", err)
						}
						began := time.Now()
						lease.Discard(errors.New("it redirects for ever"))
						took := time.Since(began)
						mu.Lock()
						waits = append(waits, took)
						mu.Unlock()
					}
				})
			}
			callers.Wait()
			eventually(t, "every close has ended", func() bool {
				tabs := p.Stats().Tabs
				return tabs.Closing+tabs.Opening+tabs.Lost == 0
			})
			if alive, tabs := b.pages(t), p.Stats().Tabs; alive != tabs.Standby+tabs.Idle ||
				tabs.Leased > 0 {
				t.Errorf("%d pages are open, and the books have %+v", alive, tabs)
			}
			slices.Sort(waits)
			if len(waits) < closes {
				t.Fatalf("%d of %d were closed", len(waits), closes)
			}
			median, slowest := waits[len(waits)/2], waits[len(waits)-1]
			c := p.Stats().Counters
			t.Logf("%d closes; the caller waited %v in the middle, %v at 99 of 100, %v at most; %d "+
				"retried, %d killed, %d lost",
				len(waits), median, waits[len(waits)*99/100], slowest, c.CloseRetries, c.Kills, c.Lost)
			if median > time.Millisecond {
				t.Errorf("a caller waits %v for a close", median)
			}
		})
}

package properties

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// A page that uses more than MaxTabMemory ends its lease with ErrPageTooLarge, slowly grown, too
// fast for a look at it, or in buffers beside the heap; other leases go on, and so does one that
// uses less.
func TestContractChromeAPageThatUsesTooMuchMemoryEndsItsLease(t *testing.T) {
	for name, script := range map[string]string{
		"slowly":     `window.kept = []; setInterval(() => kept.push(new Array(100000).fill(kept.length + 0.5)), 10)`,
		"at once":    `window.kept = []; for (;;) kept.push(new Array(100000).fill(kept.length + 0.5))`,
		"in buffers": `window.kept = []; setInterval(() => kept.push(new Uint8Array(1e6).fill(1)), 10)`,
	} {
		t.Run(name, func(t *testing.T) {
			configure := func(l *chrome.Launcher) { l.MaxTabMemory = 100e6 }
			onChromeAs(t, configure, pool.Config{MaxPages: 2},
				func(t *testing.T, _ *chromeBench, p *pool.Pool[*chrome.Page]) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					other, err := p.GetPage(ctx, "other")
					if err != nil {
						t.Fatal(err)
					}
					defer other.Release()
					modest := `window.kept = new Array(2000000).fill(0.5); kept.length`
					if _, err := chrome.Run(ctx, other.Page(), chromedp.Evaluate[int](modest)); err != nil {
						t.Fatal(err)
					}
					err = p.Do(ctx, "greedy", func(ctx context.Context, page *chrome.Page) error {
						if _, err := chrome.Run(ctx, page, chromedp.Evaluate[chromedp.Void](script)); err != nil {
							return err
						}
						<-ctx.Done()
						return context.Cause(ctx)
					})
					if !errors.Is(err, pool.ErrPageTooLarge) {
						t.Errorf("the lease ended with %v", err)
					}
					t.Log(err)
					if n, err := chrome.Run(ctx, other.Page(), chromedp.Evaluate[int]("kept.length")); n !=
						2000000 || err != nil {
						t.Errorf("the other page has %d, %v", n, err)
					}
					eventually(t, "the page is counted", func() bool { return p.Stats().Counters.TooLarge == 1 })
					if c := p.Stats().Counters; c.Crashes != 0 {
						t.Errorf("%d crashed", c.Crashes)
					}
				})
		})
	}
}

// The memory of a browser is measured, and one above MaxBrowserMemory gives up its idle pages until
// it is below.
func TestContractChromeABrowserGivesUpIdlePagesForItsMemory(t *testing.T) {
	const most = 900e6 // three times what both builds use with a few pages
	config := pool.Config{MaxPages: 2, Retire: pool.Retire{MaxBrowserMemory: most}}
	configure := func(l *chrome.Launcher) { l.FreezeAfter = pool.Off } // a frozen page takes nothing
	onChromeAs(t, configure, config, func(t *testing.T, _ *chromeBench, p *pool.Pool[*chrome.Page]) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cold := make(chan string, 10)
		defer p.Subscribe(func(a pool.Announcement) {
			if !a.Warm {
				cold <- a.Affinity
			}
		})()
		held, err := p.GetPage(ctx, "held")
		if err != nil {
			t.Fatal(err)
		}
		defer held.Release()
		greedy, err := p.GetPage(ctx, "greedy")
		if err != nil {
			t.Fatal(err)
		}
		// What it takes, it takes when its lease has ended: the browser of a page that is held is
		// replaced.
		later := `setTimeout(() => { window.kept = Array.from({length: 1000}, () => new Uint8Array(1e6).fill(1)) }, 300)`
		if _, err := chrome.Run(ctx, greedy.Page(), chromedp.Evaluate[int](later)); err != nil {
			t.Fatal(err)
		}
		greedy.Release()
		select {
		case affinity := <-cold:
			if affinity != "greedy" {
				t.Errorf("%s was given up", affinity)
			}
		case <-ctx.Done():
			t.Fatalf("nothing was given up: %+v", p.Stats().Browsers)
		}
		for s := p.Stats(); ; s = p.Stats() {
			if b := s.Browsers[0].Memory; b > 0 && b < most*9/10 && s.Tabs.Standby > 0 {
				t.Logf("the browser uses %d MB", b/1e6)
				break
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("the browser is not below its limit, with a standby: %+v", s)
			}
		}
		if n, err := chrome.Run(ctx, held.Page(), chromedp.Evaluate[int]("1+1")); n != 2 || err != nil ||
			p.Stats().Counters.BrowserStarts != 1 {
			t.Errorf("the page that is held has %d, %v, after %d starts", n, err,
				p.Stats().Counters.BrowserStarts)
		}
	})
}

package properties

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	jsruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Pages beside a tab, on real Chrome: at most MaxPopups of them, and none when the lease has ended.

// manyPopups has a page open six pages.
func (b *chromeBench) manyPopups(ctx context.Context, p *chrome.Page, features string) error {
	open := `for (let i = 0; i < 6; i++) open("about:blank", "", "` + features + `"); sync("/arrived")`
	return b.script(open)(ctx, p)
}

func TestContractChromeALeaseHasAtMostMaxPopupsPagesBesideItsOwn(t *testing.T) {
	t.Run("popups, Reset off", func(t *testing.T) { popupsAreBounded(t, false, "") })
	t.Run("popups without an opener, Reset on", func(t *testing.T) {
		popupsAreBounded(t, true, "noopener")
	})
}

func popupsAreBounded(t *testing.T, reset bool, features string) {
	log := new(address)
	configure := func(l *chrome.Launcher) {
		l.Args = append(l.Args, "--disable-popup-blocking")
		l.MaxPopups, l.AuditEvery = 2, pool.Off
		l.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	onChromeAs(t, configure, pool.Config{MaxPages: 1, Reset: reset},
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			b.settle(t, p)
			for range 2 { // the second lease has as many as the first
				lease, err := p.GetPage(limited(t), "a")
				if err != nil {
					t.Fatal(err)
				}
				if err := b.manyPopups(limited(t), lease.Page(), features); err != nil {
					t.Fatal(err)
				}
				eventually(t, "two pages are beside it", func() bool {
					return b.pages(t) == p.Stats().Tabs.Alive()+2
				})
				_, err = chromedp.CallBrowser(lease.Context(), target.CreateTarget,
					target.CreateTargetParams{URL: "about:blank"})
				if err == nil || !strings.Contains(err.Error(), "2 pages are open") ||
					!strings.Contains(err.Error(), "Launcher.MaxPopups is 2") {
					t.Errorf("the holder's own page more: %v", err)
				}
				eventually(t, "its holder is told of four", func() bool { return toldOfPopups(lease) == 4 })
				if err := b.work(limited(t), lease.Page()); err != nil {
					t.Errorf("the holder's own page: %v", err)
				}
				lease.Release()
				eventually(t, "all are gone", func() bool { return b.pages(t) == p.Stats().Tabs.Alive() })
			}
			log.mu.Lock()
			defer log.mu.Unlock()
			if text := log.text.String(); strings.Count(text, `msg="pages beside a tab closed"`) != 4 ||
				!strings.Contains(text, "pages=4") {
				t.Errorf("the log: %s", text)
			}
		})
}

// settle has an affinity have a tab, and waits until a standby is beside it.
func (b *chromeBench) settle(t *testing.T, p *pool.Pool[*chrome.Page]) {
	t.Helper()
	if err := p.Do(limited(t), "a", b.work); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a standby is open", func() bool { return p.Stats().Tabs.Standby == 1 })
}

// toldOfPopups is how many pages the diagnostics of a lease say were closed.
func toldOfPopups(lease *pool.Lease[*chrome.Page]) int {
	for _, problem := range lease.Page().Diagnostics().Problems {
		if strings.Contains(problem.Text, "MaxPopups is 2") {
			return problem.Count
		}
	}
	return 0
}

// A popup that opens pages without end is closed: its page's scripts are not what opens them.
func TestContractChromeAPopupThatOpensPagesWithoutEndIsClosed(t *testing.T) {
	configure := func(l *chrome.Launcher) {
		l.Args, l.MaxPopups = append(l.Args, "--disable-popup-blocking"), 2
	}
	onChromeAs(t, configure, pool.Config{MaxPages: 1},
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			b.settle(t, p)
			lease, err := p.GetPage(limited(t), "a")
			if err != nil {
				t.Fatal(err)
			}
			defer lease.Release()
			does(t, lease, chromedp.Navigate(b.server.URL+"/page"), chromedp.Evaluate[chromedp.Void](
				`void open("about:blank").setInterval(`+
					`"open('about:blank', '', 'noopener')", 1)`))
			eventually(t, "its holder is told", func() bool { return toldOfPopups(lease) >= 16 })
			eventually(t, "no page is beside the tab", func() bool {
				return b.pages(t) == p.Stats().Tabs.Alive()
			})
			told := toldOfPopups(lease)
			if err := b.work(limited(t), lease.Page()); err != nil {
				t.Errorf("the next document: %v", err)
			}
			if now := toldOfPopups(lease); now != told {
				t.Errorf("%d pages were closed, and then %d more", told, now-told)
			}
		})
}

// A page that opens pages without end is stopped, and not its holder.
func TestContractChromeAPageThatOpensPagesWithoutEndIsStopped(t *testing.T) {
	configure := func(l *chrome.Launcher) {
		l.Args, l.MaxPopups = append(l.Args, "--disable-popup-blocking"), 2
	}
	onChromeAs(t, configure, pool.Config{MaxPages: 1},
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			lease, err := p.GetPage(limited(t), "a")
			if err != nil {
				t.Fatal(err)
			}
			defer lease.Release()
			does(t, lease, chromedp.Navigate(b.server.URL+"/page"), chromedp.Evaluate[chromedp.Void](
				`self.n = 0; void setInterval(() => open("about:blank", "", "noopener", n++))`))
			eventually(t, "its holder is told", func() bool {
				for _, problem := range lease.Page().Diagnostics().Problems {
					if strings.Contains(problem.Text, "scripts are stopped") {
						return true
					}
				}
				return false
			})
			opened := 0
			eventually(t, "no more pages are opened", func() bool {
				last := opened
				opened, err = chrome.Run(limited(t), lease.Page(), chromedp.Evaluate[int]("n"))
				return err == nil && opened == last
			})
			if err := b.work(limited(t), lease.Page()); err != nil {
				t.Errorf("the next document: %v", err)
			}
			tab := lease.TabID()
			lease.Release()
			eventually(t, "nobody gets the tab", func() bool {
				for _, x := range p.Live(false).Tabs {
					if x.ID == tab {
						return false
					}
				}
				return true
			})
		})
}

// A page that goes on after its lease can open pages when nobody holds it.
func TestContractChromeAPageThatNobodyHoldsOpensNone(t *testing.T) {
	configure := func(l *chrome.Launcher) {
		l.Args, l.AuditEvery = append(l.Args, "--disable-popup-blocking"), pool.Off
	}
	onChromeAs(t, configure, pool.Config{MaxPages: 1},
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			b.settle(t, p)
			mark := b.mark()
			err := p.Do(limited(t), "a", func(ctx context.Context, page *chrome.Page) error {
				if err := page.Run(ctx, chromedp.Navigate(b.server.URL+"/page"+mark)); err != nil {
					return err
				}
				_, err := chrome.Run(ctx, page,
					chromedp.Evaluate[int](`let n = 0; const id = setInterval(() => {
					open("about:blank"); open("about:blank", "", "noopener"); sync("/arrived")
					if (++n == 5) clearInterval(id)
				}, 50); 0`,
						func(params *jsruntime.EvaluateParams) { params.UserGesture = new(true) }))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the tab is idle", func() bool { return p.Stats().Tabs.Idle == 1 })
			for range 5 {
				if err := b.await(limited(t), mark); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "none of ten is open", func() bool { return b.pages(t) == p.Stats().Tabs.Alive() })
		})
}

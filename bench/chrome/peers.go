package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"
	"github.com/go-rod/rod/lib/launcher/flags"
	"github.com/go-rod/rod/lib/proto"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// rendering compares ways to render page after page.
func rendering() group {
	return group{
		name: "pages", title: "Page after page, two at a time", reference: ours,
		note: "Each worker visits /app and waits for its program; browsers that stay are warm before " +
			"the measurement begins. Of fewer than 100 pages, p99 is the slowest.",
		columns: append([]report.Column{
			{Name: "pages/s", Digits: 1, Ratio: true}, {Name: "CPU ms/page", Digits: 0, Ratio: true},
		}, latencyColumns()...),
		rows: []row{
			{
				ours, loaded(func(s *stage) (peer, error) {
					return ofPagepool(s, pool.Config{MaxPages: concurrency})
				})},
			{ours + " with Reset", loaded(func(s *stage) (peer, error) {
				return ofPagepool(s, pool.Config{MaxPages: concurrency, Reset: true})
			})},
			{resetting, loaded(func(s *stage) (peer, error) {
				return ofPagepool(s, pool.Config{MaxPages: concurrency, AffinityTabs: 1, Reset: true})
			})},
			{ours + ": 8 tenants on 4 tabs", loaded(func(s *stage) (peer, error) {
				return ofTenants(s, pool.Config{MaxPages: 4}, 8)
			})},
			{"chromedp: a warm tab", loaded(ofWarmTabs)},
			{"rod: a pool of warm pages", loaded(ofRod)},
			{"chromedp: a tab per request",
				loaded(func(s *stage) (peer, error) { return ofNewTabs(s, false) })},
			{"chromedp: a context per request",
				loaded(func(s *stage) (peer, error) { return ofNewTabs(s, true) })},
			{"chromedp: a browser per request", loaded(ofNewBrowsers)},
			{"puppeteer-cluster: page mode", clustered("page")},
			{"puppeteer-cluster: context mode", clustered("context")},
		},
	}
}

// resetting is the row whose requests wait for a reset instead of taking another tab.
const resetting = ours + " with Reset and one tab a tenant"

// loaded measures a peer under load.
func loaded(open func(*stage) (peer, error)) func(context.Context, *stage) (result, error) {
	return func(ctx context.Context, s *stage) (result, error) {
		p, err := open(s)
		if err != nil {
			return result{}, err
		}
		found, err := load(ctx, s, p)
		return found, errors.Join(err, p.close())
	}
}

// browserFlags are what every browser is started with, whoever starts it: those of this pool's
// launcher.
var browserFlags = []string{
	"disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check",
	"disable-background-networking",
	"disable-component-update", "disable-sync", "password-store=basic", "hide-scrollbars",
	"mute-audio", "disable-back-forward-cache",
	"disable-features=SpareRendererForSitePerProcess,RenderDocument," +
		"WebUIOmniboxPopup,WebUIOmniboxAimPopup",
}

func root() bool { return os.Geteuid() == 0 }

func (s *stage) launcher() chrome.Launcher {
	return chrome.Launcher{ExecPath: s.browser, NoSandbox: root()}
}

// warmPool is a pool whose browser runs and whose standbys are open, as the others' are before they
// are measured.
func (s *stage) warmPool(cfg pool.Config) (*pool.Pool[*chrome.Page], error) {
	return warmed(s.launcher(), cfg)
}

func warmed(launcher chrome.Launcher, cfg pool.Config) (*pool.Pool[*chrome.Page], error) {
	p, err := pool.New(launcher, cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), renderTimeout)
	defer cancel()
	return p, p.Ready(ctx)
}

// ofPagepool gives each worker an affinity of its own, whose tab is warm.
func ofPagepool(s *stage, cfg pool.Config) (peer, error) { return ofTenants(s, cfg, 0) }

// ofTenants has the workers serve so many tenants in turn. Where these are more than the tabs, each
// lease evicts the tab of another tenant, and its own one is cold.
func ofTenants(s *stage, cfg pool.Config, tenants int) (peer, error) {
	p, err := s.warmPool(cfg)
	if err != nil {
		return peer{}, err
	}
	var leases atomic.Int64
	return peer{
		render: func(ctx context.Context, worker int, address string) (title string, err error) {
			tenant := affinities[worker]
			if tenants > 0 {
				tenant = fmt.Sprintf("tenant-%d", leases.Add(1)%int64(tenants))
			}
			err = p.Do(ctx, tenant, func(ctx context.Context, page *chrome.Page) error {
				if err := page.Run(ctx, chromedp.Navigate(address)); err != nil {
					return err
				}
				title, err = chrome.Run(ctx, page, completed)
				return err
			})
			return title, err
		},
		close: func() error { return p.Close(context.Background()) },
	}, nil
}

// affinities are those of the workers: each has one to itself.
var affinities = []string{"tenant-1", "tenant-2", "tenant-3", "tenant-4"}

// completed waits until the page's program has done its work.
var completed = chromedp.Evaluate[string]("complete", func(p *runtime.EvaluateParams) {
	wait := true
	p.AwaitPromise = &wait
})

// visited does with chromedp what every row does: it goes there, and waits.
func visited(ctx context.Context, address string) (string, error) {
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		return "", err
	}
	return chromedp.Run(ctx, completed)
}

// startChromedp is a browser that chromedp has started.
func (s *stage) startChromedp() (context.Context, func(), error) {
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(s.browser), chromedp.Headless}
	for _, f := range browserFlags {
		if name, value, ok := strings.Cut(f, "="); ok {
			options = append(options, chromedp.Flag(name, value))
		} else {
			options = append(options, chromedp.Flag(name, true))
		}
	}
	if root() {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	browser, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		cancel()
		end()
		return nil, nil, err
	}
	return browser, func() { cancel(); end() }, nil
}

// bounded is a tab's context that ends with ctx as well.
func bounded(tab, ctx context.Context) (context.Context, func()) {
	both, cancel := context.WithCancel(tab)
	stop := context.AfterFunc(ctx, cancel)
	return both, func() { stop(); cancel() }
}

// openTab is a new tab of chromedp's, in a context of its own or in the browser's. The first action
// decides how long chromedp listens to it, so that is not a request's.
func openTab(browser context.Context, own bool) (context.Context, func(), error) {
	var options []chromedp.ContextOption
	if own {
		options = append(options, chromedp.WithNewBrowserContext())
	}
	tab, cancel := chromedp.NewContext(browser, options...)
	if err := chromedp.Do(tab); err != nil {
		cancel()
		return nil, nil, err
	}
	return tab, cancel, nil
}

func ofWarmTabs(s *stage) (peer, error) {
	browser, end, err := s.startChromedp()
	if err != nil {
		return peer{}, err
	}
	var tabs []context.Context
	for range concurrency {
		tab, _, err := openTab(browser, true)
		if err != nil {
			end()
			return peer{}, err
		}
		tabs = append(tabs, tab)
	}
	return peer{
		render: func(ctx context.Context, worker int, address string) (string, error) {
			ctx, done := bounded(tabs[worker], ctx)
			defer done()
			return visited(ctx, address)
		},
		close: func() error { end(); return nil },
	}, nil
}

func ofNewTabs(s *stage, own bool) (peer, error) {
	browser, end, err := s.startChromedp()
	if err != nil {
		return peer{}, err
	}
	return peer{
		render: func(ctx context.Context, _ int, address string) (string, error) {
			tab, cancel, err := openTab(browser, own)
			if err != nil {
				return "", err
			}
			defer cancel()
			ctx, done := bounded(tab, ctx)
			defer done()
			return visited(ctx, address)
		},
		close: func() error { end(); return nil },
	}, nil
}

func ofNewBrowsers(s *stage) (peer, error) {
	return peer{
		render: func(ctx context.Context, _ int, address string) (string, error) {
			browser, end, err := s.startChromedp()
			if err != nil {
				return "", err
			}
			defer end()
			ctx, done := bounded(browser, ctx)
			defer done()
			return visited(ctx, address)
		},
		close: func() error { return nil },
	}, nil
}

// startRod is a browser that rod has started, with no flags but those that all have.
func (s *stage) startRod() (*rod.Browser, func() error, error) {
	l := launcher.New().Bin(s.browser).Leakless(false)
	for name := range l.Flags {
		switch name {
		case flags.Bin, flags.UserDataDir, flags.RemoteDebuggingPort, flags.Headless:
		default:
			l.Delete(name)
		}
	}
	for _, f := range browserFlags {
		if name, value, ok := strings.Cut(f, "="); ok {
			l.Set(flags.Flag(name), value)
		} else {
			l.Set(flags.Flag(name))
		}
	}
	l.NoSandbox(root())
	address, err := l.Launch()
	if err != nil {
		return nil, nil, err
	}
	// the others have no device's screen either
	browser := rod.New().ControlURL(address).NoDefaultDevice()
	if err := browser.Connect(); err != nil {
		l.Kill()
		return nil, nil, err
	}
	return browser, func() error {
		err := browser.Close()
		l.Cleanup()
		return err
	}, nil
}

// rodPages is rod's pool of pages, each in a context of its own.
func (s *stage) rodPages(size int) (rod.Pool[rod.Page], func() (*rod.Page, error), func() error,
	error) {
	browser, end, err := s.startRod()
	if err != nil {
		return nil, nil, nil, err
	}
	create := func() (*rod.Page, error) {
		own, err := browser.Incognito()
		if err != nil {
			return nil, err
		}
		return own.Page(proto.TargetCreateTarget{URL: "about:blank"})
	}
	return rod.NewPagePool(size), create, end, nil
}

func rodVisited(ctx context.Context, page *rod.Page, address string) (string, error) {
	page = page.Context(ctx)
	if err := page.Navigate(address); err != nil {
		return "", err
	}
	if err := page.WaitLoad(); err != nil {
		return "", err
	}
	result, err := page.Evaluate(rod.Eval("() => complete").ByPromise())
	if err != nil {
		return "", err
	}
	return result.Value.Str(), nil
}

func ofRod(s *stage) (peer, error) {
	pages, create, end, err := s.rodPages(concurrency)
	if err != nil {
		return peer{}, err
	}
	return peer{
		render: func(ctx context.Context, _ int, address string) (string, error) {
			page, err := pages.Get(create)
			if err != nil {
				return "", err
			}
			defer pages.Put(page)
			return rodVisited(ctx, page, address)
		},
		close: end,
	}, nil
}

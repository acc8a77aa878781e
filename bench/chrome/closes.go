package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

const (
	// closeWorkers is how many pages redirect at a time.
	closeWorkers = 4
	// closeSettles is how long closes that are under way may take to end before pages are counted.
	closeSettles = 2 * time.Second
	// callerWaits is a column.
	callerWaits = "caller waits, p50 ms"
)

// closing compares what becomes of pages that are closed while a navigation commits: Chrome
// acknowledges such a close and may forget it.
func closing() group {
	return group{
		name: "closes", title: "Closes during a redirect", reference: ours,
		note: fmt.Sprintf("%d workers open a page, send it on a way of redirects that never ends, and "+
			"close it. Still open are the pages that the browser lists %v later and that nobody has. The "+
			"caller waits as long as Discard, or chromedp.Cancel, takes to return.", closeWorkers,
			closeSettles),
		columns: []report.Column{
			{Name: "closes", Sum: true}, {Name: "still open", Sum: true},
			{Name: callerWaits, Digits: 3, Quantile: 0.5}, {Name: "p99 ms", Digits: 3, Quantile: 0.99},
		},
		rows: []row{
			{ours, closed(poolCloser)},
			{"chromedp: a tab per request",
				closed(func(s *stage) (closer, error) { return chromedpCloser(s, false) })},
			{"chromedp: a context per request",
				closed(func(s *stage) (closer, error) { return chromedpCloser(s, true) })},
		},
	}
}

// closer opens pages and closes them.
type closer struct {
	// open is a page's context, and what closes it.
	open func(ctx context.Context, worker int) (context.Context, func(), error)
	// strays is how many pages the browser lists that are neither in use nor kept warm.
	strays func(ctx context.Context) (int, error)
	end    func() error
}

// closed has workers close redirecting pages for a while.
func closed(start func(*stage) (closer, error)) func(context.Context, *stage) (result, error) {
	return func(ctx context.Context, s *stage) (result, error) {
		c, err := start(s)
		if err != nil {
			return result{}, err
		}
		waits := make([][]float64, closeWorkers) // milliseconds of each close
		failures := make([]error, closeWorkers)
		var all sync.WaitGroup
		began := time.Now()
		for worker := range closeWorkers {
			all.Go(func() {
				for failures[worker] == nil && time.Since(began) < s.during() {
					wait, err := c.once(ctx, s, worker)
					waits[worker], failures[worker] = append(waits[worker], milliseconds(wait)), err
				}
			})
		}
		all.Wait()
		if err := errors.Join(failures...); err != nil {
			return result{}, errors.Join(err, c.end())
		}
		<-time.After(closeSettles)
		open, err := c.strays(ctx)
		found := result{map[string]float64{"still open": float64(open)}, slices.Concat(waits...)}
		found.Figures["closes"] = float64(len(found.Latencies))
		return found, errors.Join(err, c.end())
	}
}

// once closes one page while it redirects, and returns how long that held up its caller.
func (c closer) once(ctx context.Context, s *stage, worker int) (time.Duration, error) {
	page, end, err := c.open(ctx, worker)
	if err != nil {
		return 0, err
	}
	page, done := bounded(page, ctx)
	defer done()
	// The answer comes before the page leaves; the next one comes from the page that it went to.
	away := chromedp.Evaluate[int](`setTimeout(() => { location = "` + s.site.url +
		`/redirect?n=0" }); 1`)
	arrived := chromedp.Evaluate[bool](`location.search.length > 0`)
	_, err = chromedp.Run(page, away)
	for there := false; err == nil && !there; err = page.Err() {
		there, _ = chromedp.Run(page, arrived) // between two documents there is none to ask
	}
	began := time.Now()
	end()
	return time.Since(began), err
}

// errRedirects is why a page is given up.
var errRedirects = errors.New("it redirects for ever")

func poolCloser(s *stage) (closer, error) {
	launcher := s.launcher()
	launcher.WholeBrowser = true // whoever counts is told of all pages, and not only of his own
	p, err := warmed(launcher, pool.Config{MaxPages: closeWorkers})
	if err != nil {
		return closer{}, err
	}
	return closer{
		open: func(ctx context.Context, worker int) (context.Context, func(), error) {
			lease, err := p.GetPage(ctx, affinities[worker])
			if err != nil {
				return nil, nil, err
			}
			return lease.Context(), func() { lease.Discard(errRedirects) }, nil
		},
		strays: func(ctx context.Context) (strays int, err error) {
			if err := p.Ready(ctx); err != nil { // so that no standby is being opened
				return 0, err
			}
			err = p.Do(ctx, "whoever counts", func(ctx context.Context, _ *chrome.Page) error {
				if err := p.Ready(ctx); err != nil {
					return err
				}
				open, err := pages(ctx)
				tabs := p.Stats().Tabs
				strays = open - tabs.Standby - tabs.Idle - tabs.Leased
				return err
			})
			return strays, err
		},
		end: func() error { return p.Close(context.Background()) },
	}, nil
}

func chromedpCloser(s *stage, own bool) (closer, error) {
	browser, end, err := s.startChromedp()
	if err != nil {
		return closer{}, err
	}
	before, err := pages(browser)
	return closer{
		open: func(_ context.Context, _ int) (context.Context, func(), error) {
			return openTab(browser, own)
		},
		strays: func(context.Context) (int, error) {
			open, err := pages(browser)
			return open - before, err
		},
		end: func() error { end(); return nil },
	}, err
}

// pages is how many pages the browser of a page lists.
func pages(ctx context.Context) (int, error) {
	listed, err := chromedp.Targets(ctx)
	found := 0
	for _, t := range listed {
		if t.Type == "page" {
			found++
		}
	}
	return found, err
}

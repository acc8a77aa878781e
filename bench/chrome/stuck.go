package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-rod/rod"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

const (
	// stuckWorkers is how many tabs there are, and how many want one.
	stuckWorkers = 4
	// stuckEvery: so many requests, and the next page loops for ever.
	stuckEvery = 40
	// stuckTimeout is what a request may take.
	stuckTimeout = 1500 * time.Millisecond
)

// sticking compares what is done about a page that loops for ever.
func sticking() group {
	return group{
		name: "stuck", title: "One request in forty loads a page that loops for ever", reference: ours + " where none loops",
		note: fmt.Sprintf("%d warm tabs, %d workers; a request ends after %v. A failed one had a good page. "+
			"Recovery is from the end of a looping request until the worker's next page answers; usable tabs are counted at the end.",
			stuckWorkers, stuckWorkers, stuckTimeout),
		columns: []report.Column{
			{Name: "good/s", Digits: 1}, {Name: "failed", Digits: 0}, {Name: "p50 ms", Digits: 0},
			{Name: "p99 ms", Digits: 0, Ratio: true}, {Name: "recovery ms", Digits: 0}, {Name: "usable", Digits: 0},
		},
		rows: []row{
			{ours + " where none loops", stuck(1<<62, func(s *stage) (slots, error) { return poolSlots(s, 0) })},
			{ours, stuck(stuckEvery, func(s *stage) (slots, error) { return poolSlots(s, 0) })},
			{ours + " without rescue", stuck(stuckEvery, func(s *stage) (slots, error) { return poolSlots(s, pool.Off) })},
			{"rod: the page is kept", stuck(stuckEvery, keptSlots)},
			{"chromedp: closed and opened by the worker", stuck(stuckEvery, func(s *stage) (slots, error) { return reopenedSlots(s, false) })},
			{"chromedp: closed in the background", stuck(stuckEvery, func(s *stage) (slots, error) { return reopenedSlots(s, true) })},
		},
	}
}

// slots are tabs under one policy. visit goes to an address with a worker's tab, and sees to the tab where
// that fails; an empty address only asks whether the page answers.
type slots struct {
	visit  func(ctx context.Context, worker int, address string) error
	usable func() int // at the end
	close  func() error
}

// tally is what the workers met.
type tally struct {
	sync.Mutex
	requests   int
	good       []float64 // milliseconds of each
	failed     int
	recoveries []float64 // milliseconds of each
}

func (t *tally) next() int {
	t.Lock()
	defer t.Unlock()
	t.requests++
	return t.requests
}

// stuck has workers visit pages, one in so many of which loops for ever.
func stuck(every int, open func(*stage) (slots, error)) func(context.Context, *stage) (map[string]float64, error) {
	return func(ctx context.Context, s *stage) (map[string]float64, error) {
		tabs, err := open(s)
		if err != nil {
			return nil, err
		}
		var warm sync.WaitGroup
		for worker := range stuckWorkers {
			warm.Go(func() {
				for range 3 {
					_ = tabs.visit(ctx, worker, s.site.app(0)) // what does not work shows in the measurement
				}
			})
		}
		warm.Wait()
		var t tally
		began := time.Now()
		long := s.during() * 8 / 5 // what happens once in forty requests needs longer to be seen
		var all sync.WaitGroup
		for worker := range stuckWorkers {
			all.Go(func() {
				for time.Since(began) < long {
					t.once(ctx, s, tabs, worker, every)
				}
			})
		}
		all.Wait()
		took := time.Since(began)
		figures := map[string]float64{
			"good/s": float64(len(t.good)) / took.Seconds(), "failed": float64(t.failed),
			"p50 ms": report.Quantile(t.good, 0.5), "p99 ms": report.Quantile(t.good, 0.99),
			"usable": float64(tabs.usable()),
		}
		if len(t.recoveries) > 0 {
			figures["recovery ms"] = report.Median(t.recoveries)
		}
		return figures, tabs.close()
	}
}

// once makes one request.
func (t *tally) once(ctx context.Context, s *stage, tabs slots, worker, every int) {
	n := t.next()
	bounded, cancel := context.WithTimeout(ctx, stuckTimeout)
	defer cancel()
	if n%every == 0 {
		_ = tabs.visit(bounded, worker, s.site.url+"/loop") // it fails, that is what it is for
		ended := time.Now()
		bounded, cancel := context.WithTimeout(ctx, stuckTimeout)
		defer cancel()
		err := tabs.visit(bounded, worker, "")
		t.Lock()
		defer t.Unlock()
		if err == nil {
			t.recoveries = append(t.recoveries, milliseconds(time.Since(ended)))
		}
		return
	}
	began := time.Now()
	err := tabs.visit(bounded, worker, s.site.app(n))
	t.Lock()
	defer t.Unlock()
	if err != nil {
		t.failed++
		return
	}
	t.good = append(t.good, milliseconds(time.Since(began)))
}

// answered asks a page whether it answers.
var answered = chromedp.Evaluate[int]("1")

func poolSlots(s *stage, rescue time.Duration) (slots, error) {
	p, err := pool.New(s.launcher(), pool.Config{MaxPages: stuckWorkers, RescueTimeout: rescue})
	if err != nil {
		return slots{}, err
	}
	visit := func(ctx context.Context, worker int, address string) error {
		return p.Do(ctx, affinities[worker], func(ctx context.Context, page *chrome.Page) error {
			if address == "" {
				_, err := chrome.Run(ctx, page, answered)
				return err
			}
			if err := page.Run(ctx, chromedp.Navigate(address)); err != nil {
				return err
			}
			_, err := chrome.Run(ctx, page, completed)
			return err
		})
	}
	return slots{
		visit: visit,
		usable: func() int {
			return count(func(ctx context.Context, worker int) error { return visit(ctx, worker, "") })
		},
		close: func() error { return p.Close(context.Background()) },
	}, nil
}

// count is for how many workers fn works within a second.
func count(fn func(ctx context.Context, worker int) error) int {
	usable := 0
	for worker := range stuckWorkers {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if fn(ctx, worker) == nil {
			usable++
		}
		cancel()
	}
	return usable
}

// keptSlots put a page back whatever became of it, as pools without probes do.
func keptSlots(s *stage) (slots, error) {
	pages, create, end, err := s.rodPages(stuckWorkers)
	if err != nil {
		return slots{}, err
	}
	visit := func(ctx context.Context, _ int, address string) error {
		page, err := pages.Get(create)
		if err != nil {
			return err
		}
		defer pages.Put(page)
		if address == "" {
			_, err = page.Context(ctx).Evaluate(rod.Eval("() => 1"))
			return err
		}
		_, err = rodVisited(ctx, page, address)
		return err
	}
	return slots{
		visit: visit,
		usable: func() int { // in turn, as the pool is a queue
			return count(func(ctx context.Context, worker int) error { return visit(ctx, worker, "") })
		},
		close: end,
	}, nil
}

// reopenedSlots close a tab on which a request failed, and open another.
func reopenedSlots(s *stage, background bool) (slots, error) {
	browser, end, err := s.startChromedp()
	if err != nil {
		return slots{}, err
	}
	type slot struct {
		tab    context.Context // nil: none is open
		close  func()
		failed bool
	}
	var closing sync.WaitGroup
	tabs := make([]slot, stuckWorkers) // each is its worker's
	reopen := func(mine *slot) (err error) {
		if mine.tab != nil && background {
			closing.Go(mine.close)
		} else if mine.tab != nil {
			mine.close()
		}
		*mine = slot{}
		mine.tab, mine.close, err = openTab(browser, true)
		return err
	}
	visit := func(ctx context.Context, worker int, address string) (err error) {
		mine := &tabs[worker]
		if mine.tab == nil || mine.failed {
			if err := reopen(mine); err != nil {
				return err
			}
		}
		both, done := bounded(mine.tab, ctx)
		defer done()
		if address == "" {
			_, err = chromedp.Run(both, answered)
		} else {
			_, err = visited(both, address)
		}
		mine.failed = err != nil
		return err
	}
	return slots{
		visit: visit,
		usable: func() int {
			return count(func(ctx context.Context, worker int) error { return visit(ctx, worker, "") })
		},
		close: func() error { closing.Wait(); end(); return nil },
	}, nil
}

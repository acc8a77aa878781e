package main

import (
	"context"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-rod/rod"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// slots are tabs under one policy. visit goes to an address with a worker's tab, and sees to the
// tab where that fails; an empty address only asks whether the page answers.
type slots struct {
	visit func(ctx context.Context, worker int, address string) error
	// recoveries are the milliseconds from the end of each looping request until its tab was held to
	// be stuck, and from then until there was a tab again; given is how long the workers waited for an
	// answer. nil: there is none.
	recoveries func(given []float64) (detected, back []float64)
	close      func() error
}

// answered asks a page whether it answers.
var answered = chromedp.Evaluate[int]("1")

func poolSlots(s *stage, rescue time.Duration) (slots, error) {
	r := newRecoveries()
	p, err := s.warmPool(pool.Config{
		MaxPages: stuckWorkers, Tracer: r, Timeouts: pool.Timeouts{RescueTimeout: rescue},
	})
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
		visit:      visit,
		recoveries: func([]float64) (detected, back []float64) { return r.figures() },
		close:      func() error { return p.Close(context.Background()) },
	}, nil
}

// recoveries is a tracer of what this pool does about tabs in doubt.
type recoveries struct {
	sync.Mutex
	doubted map[string]time.Time // a tab whose lease ended in doubt, and when
	stuck   map[string]time.Time // a tab that is being rescued or closed, and since when
	missing []time.Time          // since when there was one tab less, of those that are closed

	detected, back []float64 // milliseconds
}

func newRecoveries() *recoveries {
	return &recoveries{doubted: map[string]time.Time{}, stuck: map[string]time.Time{}}
}

func (r *recoveries) Start(_ context.Context, span pool.Span) (context.Context,
	func(pool.SpanEnd)) {
	r.Lock()
	defer r.Unlock()
	now := time.Now()
	if since, ok := r.doubted[span.Tab]; ok &&
		(span.Kind == pool.SpanRescue || span.Kind == pool.SpanClose) {
		r.detected = append(r.detected, milliseconds(now.Sub(since)))
		delete(r.doubted, span.Tab)
		r.stuck[span.Tab] = now
	}
	var replaces time.Time
	if span.Kind == pool.SpanOpen && len(r.missing) > 0 {
		replaces, r.missing = r.missing[0], r.missing[1:]
	}
	return nil, func(end pool.SpanEnd) { r.ended(span, end, replaces) }
}

// ended takes the end of a span; replaces is since when the tab that it opens was missing.
func (r *recoveries) ended(span pool.Span, end pool.SpanEnd, replaces time.Time) {
	r.Lock()
	defer r.Unlock()
	now := time.Now()
	since, stuck := r.stuck[span.Tab]
	switch {
	case span.Kind == pool.SpanLease && !end.Good():
		r.doubted[span.Tab] = now
	case span.Kind == pool.SpanProbe && end.Good() && stuck:
		r.back = append(r.back, milliseconds(now.Sub(since)))
		delete(r.stuck, span.Tab)
	case span.Kind == pool.SpanProbe && end.Good():
		delete(r.doubted, span.Tab)
	case span.Kind == pool.SpanClose && end.Good() && stuck:
		r.missing = append(r.missing, since)
		delete(r.stuck, span.Tab)
	case span.Kind == pool.SpanOpen && end.Good() && !replaces.IsZero():
		r.back = append(r.back, milliseconds(now.Sub(replaces)))
	}
}

func (r *recoveries) figures() (detected, back []float64) {
	r.Lock()
	defer r.Unlock()
	return r.detected, r.back
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
	return slots{visit: visit, close: end}, nil
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
		// A request that fails is all that it knows, and the tab that answers next is the slot's.
		recoveries: func(given []float64) (detected, back []float64) { return []float64{0}, given },
		close:      func() error { closing.Wait(); end(); return nil },
	}, nil
}

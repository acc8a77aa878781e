package main

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
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
	const none = ours + " where none loops"
	latencies := latencyColumns()
	latencies[len(latencies)-1].Ratio, latencies[len(latencies)-1].Inverse = true, true
	return group{
		name: "stuck", title: "One request in forty loads a page that loops for ever", reference: none,
		note: fmt.Sprintf("%d warm tabs, %d workers; a request ends after %v. What failed is requests "+
			"for good pages, their time among the percentiles. Next answer: from the end of a looping "+
			"request until a page answers its worker. Detected: from there until the tab is held to be "+
			"stuck; for this pool, when a probe was silent for half of RescueTimeout. Slot back: from "+
			"then until that tab, or the one opened in its place, can be had. Dead tabs are counted at "+
			"the end.", stuckWorkers, stuckWorkers, stuckTimeout),
		columns: append(append([]report.Column{{Name: "good/s", Digits: 1}, {Name: "failed", Sum: true}},
			latencies...),
			report.Column{Name: "next answer ms"}, report.Column{Name: "detected ms"},
			report.Column{Name: "slot back ms"},
			report.Column{Name: "dead tabs", Sum: true}),
		rows: []row{
			{none, stuck(math.MaxInt, func(s *stage) (slots, error) { return poolSlots(s, 0) })},
			{ours, stuck(stuckEvery, func(s *stage) (slots, error) { return poolSlots(s, 0) })},
			{
				ours + " without rescue", stuck(stuckEvery, func(s *stage) (slots, error) {
					return poolSlots(s, pool.Off)
				})},
			{"rod: the page is kept", stuck(stuckEvery, keptSlots)},
			{"chromedp: closed and opened by the worker",
				stuck(stuckEvery, func(s *stage) (slots, error) { return reopenedSlots(s, false) })},
			{"chromedp: closed in the background",
				stuck(stuckEvery, func(s *stage) (slots, error) { return reopenedSlots(s, true) })},
		},
	}
}

// tally is what the workers met.
type tally struct {
	sync.Mutex
	requests int
	inTime   int       // good pages before the measurement was over
	times    []float64 // milliseconds of each request for a good page
	failed   int       // of these
	// milliseconds from the end of a looping request until a page answers its worker
	answers []float64
}

func (t *tally) next() int {
	t.Lock()
	defer t.Unlock()
	t.requests++
	return t.requests
}

// stuck has workers visit pages, one in so many of which loops for ever.
func stuck(every int, open func(*stage) (slots, error)) func(context.Context, *stage) (result,
	error) {
	return func(ctx context.Context, s *stage) (result, error) {
		tabs, err := open(s)
		if err != nil {
			return result{}, err
		}
		warming := time.Now()
		inParallel(func(worker int) {
			for n := 0; n < warmPages || time.Since(warming) < warmTime; n++ {
				_ = tabs.visit(ctx, worker, s.site.app(0)) // what does not work shows in the measurement
			}
		})
		var t tally
		long := s.during() * 8 / 5 // what happens once in forty requests needs longer to be seen
		over := time.Now().Add(long)
		inParallel(func(worker int) {
			for time.Now().Before(over) {
				t.once(ctx, s, tabs, worker, every, over)
			}
		})
		figures := map[string]float64{
			"good/s": float64(t.inTime) / long.Seconds(), "failed": float64(t.failed),
			"pages":          float64(len(t.times)),
			"next answer ms": report.Median(t.answers), "dead tabs": float64(dead(tabs.visit)),
		}
		if tabs.recoveries != nil {
			detected, back := tabs.recoveries(t.answers)
			figures["detected ms"], figures["slot back ms"] = report.Median(detected), report.Median(back)
		}
		return result{figures, t.times}, tabs.close()
	}
}

func inParallel(fn func(worker int)) {
	var all sync.WaitGroup
	for worker := range stuckWorkers {
		all.Go(func() { fn(worker) })
	}
	all.Wait()
}

// once makes one request, and after one that loops another that asks whether a page answers.
func (t *tally) once(ctx context.Context, s *stage, tabs slots, worker, every int, over time.Time) {
	n := t.next()
	if n%every != 0 {
		t.good(ctx, tabs, worker, s.site.app(n), over)
		return
	}
	bounded, cancel := context.WithTimeout(ctx, stuckTimeout)
	defer cancel()
	ended, _ := bounded.Deadline()
	_ = tabs.visit(bounded, worker, s.site.url+"/loop") // it fails, that is what it is for
	if t.good(ctx, tabs, worker, "", over) {
		t.Lock()
		defer t.Unlock()
		t.answers = append(t.answers, milliseconds(time.Since(ended)))
	}
}

// good makes one request for a page without fault, or, where the address is empty, asks whether a
// page answers; that only counts where it fails.
func (t *tally) good(ctx context.Context, tabs slots, worker int, address string,
	over time.Time) bool {
	bounded, cancel := context.WithTimeout(ctx, stuckTimeout)
	defer cancel()
	began := time.Now()
	err := tabs.visit(bounded, worker, address)
	ended := time.Now()
	t.Lock()
	defer t.Unlock()
	if err != nil {
		t.failed++
	}
	if err != nil || address != "" {
		t.times = append(t.times, milliseconds(ended.Sub(began)))
	}
	if err == nil && address != "" && ended.Before(over) {
		t.inTime++
	}
	return err == nil
}

// dead is how many workers have no tab that answers within a second. They ask in turn, as some
// pools are queues.
func dead(visit func(ctx context.Context, worker int, address string) error) int {
	found := 0
	for worker := range stuckWorkers {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if visit(ctx, worker, "") != nil {
			found++
		}
		cancel()
	}
	return found
}

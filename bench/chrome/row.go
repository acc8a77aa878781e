package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pagepool/pagepool/bench/report"
)

// stage is what a row is measured on: one browser build, and the pages.
type stage struct {
	browser string // the program
	seconds float64
	site    *site
	family  family
}

func (s *stage) during() time.Duration { return time.Duration(s.seconds * float64(time.Second)) }

// row is one thing to be measured, in a process of its own.
type row struct {
	name    string
	measure func(ctx context.Context, s *stage) (result, error)
}

// result is what a row has measured in one round.
type result struct {
	Figures   map[string]float64 // by column
	Latencies []float64          // milliseconds of each page, for the columns that are a quantile
}

// group is a table.
type group struct {
	name, title, note string
	reference         string
	columns           []report.Column
	rows              []row
}

const ours = "pagepool"

func groups() []group {
	return []group{rendering(), granting(), sticking(), closing(), killing(), remembering(), idling()}
}

// renderTimeout bounds one page where a row sets no other bound: only what is broken takes that
// long.
const renderTimeout = 20 * time.Second

// peer is a way to render pages. render visits an address, and returns the title of the complete
// page; each worker has one call at a time. close ends it.
type peer struct {
	render func(ctx context.Context, worker int, address string) (string, error)
	close  func() error
}

// concurrency is how many pages are rendered at a time, where speed is measured.
const concurrency = 2

// Before the measurement each worker renders at least so many pages, and for so long.
const (
	warmPages = 3
	warmTime  = time.Second
)

// load has workers render pages for a while, when all is warm, and returns how fast that was.
func load(ctx context.Context, s *stage, p peer) (result, error) {
	var pages atomic.Int64
	once := func(worker int) error {
		n := int(pages.Add(1))
		bounded, cancel := context.WithTimeout(ctx, renderTimeout)
		defer cancel()
		title, err := p.render(bounded, worker, s.site.app(n))
		if err == nil && title != fmt.Sprintf("app %d", n) {
			err = fmt.Errorf("the page has the title %q, want app %d", title, n)
		}
		return err
	}
	warming := time.Now()
	if err := together(func(worker int) error {
		for n := 0; n < warmPages || time.Since(warming) < warmTime; n++ {
			if err := once(worker); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return result{}, fmt.Errorf("before the measurement: %w", err)
	}
	latencies := make([][]float64, concurrency)
	cpu, began := s.family.cpu(), time.Now()
	err := together(func(worker int) error {
		for time.Since(began) < s.during() {
			at := time.Now()
			if err := once(worker); err != nil {
				return err
			}
			latencies[worker] = append(latencies[worker], milliseconds(time.Since(at)))
		}
		return nil
	})
	took, used := time.Since(began), s.family.cpu()-cpu
	if err != nil {
		return result{}, err
	}
	return speed(slices.Concat(latencies...), took, used), nil
}

func speed(latencies []float64, took, used time.Duration) result {
	return result{map[string]float64{
		"pages":       float64(len(latencies)),
		"pages/s":     float64(len(latencies)) / took.Seconds(),
		"CPU ms/page": milliseconds(used) / float64(len(latencies)),
	}, latencies}
}

// latencyColumns are those of a table whose rows have latencies.
func latencyColumns() []report.Column {
	return []report.Column{
		{Name: "pages", Digits: 0, Sum: true}, {Name: "p50 ms", Digits: 0, Quantile: 0.5},
		{Name: "p99 ms", Digits: 0, Quantile: 0.99},
	}
}

// together runs fn for each worker at a time, and returns the first error.
func together(fn func(worker int) error) error {
	failures := make(chan error, concurrency)
	var all sync.WaitGroup
	for worker := range concurrency {
		all.Go(func() {
			if err := fn(worker); err != nil {
				failures <- fmt.Errorf("worker %d: %w", worker, err)
			}
		})
	}
	all.Wait()
	close(failures)
	return <-failures
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

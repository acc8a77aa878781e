package main

import (
	"context"
	"fmt"
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
	measure func(ctx context.Context, s *stage) (map[string]float64, error)
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
	return []group{rendering(), sticking(), killing(), remembering()}
}

// renderTimeout bounds one page where a row sets no other bound: only what is broken takes that long.
const renderTimeout = 20 * time.Second

// peer is a way to render pages. render visits an address, and returns the title of the complete page; each worker
// has one call at a time. close ends it.
type peer struct {
	render func(ctx context.Context, worker int, address string) (string, error)
	close  func() error
}

// concurrency is how many pages are rendered at a time, where speed is measured.
const concurrency = 2

// load has workers render pages for a while, after each has rendered a few, and returns how fast that was.
func load(ctx context.Context, s *stage, p peer) (map[string]float64, error) {
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
	if err := together(func(worker int) error {
		for range 3 {
			if err := once(worker); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("before the measurement: %w", err)
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
		return nil, err
	}
	var all []float64
	for _, some := range latencies {
		all = append(all, some...)
	}
	return speed(all, took, used), nil
}

func speed(latencies []float64, took, used time.Duration) map[string]float64 {
	return map[string]float64{
		"pages/s":     float64(len(latencies)) / took.Seconds(),
		"CPU ms/page": milliseconds(used) / float64(len(latencies)),
		"p50 ms":      report.Quantile(latencies, 0.5),
		"p99 ms":      report.Quantile(latencies, 0.99),
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

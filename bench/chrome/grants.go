package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
)

// granting measures how long a request waits for the warm tab of its affinity. Between two leases
// the tab ends one DevTools session and begins the next.
func granting() group {
	return group{
		name: "grants", title: "What a warm grant waits", reference: ours,
		note: "Each of two workers gets the tab of its affinity, visits /app, gives the tab back, " +
			"pauses, and asks again. Measured is GetPage.",
		columns: []report.Column{
			{Name: "grants", Digits: 0, Sum: true}, {Name: "p50 ms", Digits: 2, Quantile: 0.5},
			{Name: "p90 ms", Digits: 2, Quantile: 0.9}, {Name: "p99 ms", Digits: 2, Quantile: 0.99},
		},
		rows: []row{
			{"no pause", granted(0)},
			{"a pause of 50 ms", granted(50 * time.Millisecond)},
		},
	}
}

func granted(pause time.Duration) func(context.Context, *stage) (result, error) {
	return func(ctx context.Context, s *stage) (result, error) {
		p, err := s.warmPool(pool.Config{MaxPages: concurrency})
		if err != nil {
			return result{}, err
		}
		waits := make([][]float64, concurrency)
		err = together(func(worker int) error {
			for began := time.Now(); time.Since(began) < s.during(); time.Sleep(pause) {
				bounded, cancel := context.WithTimeout(ctx, renderTimeout)
				asked := time.Now()
				lease, err := p.GetPage(bounded, affinities[worker])
				waited := milliseconds(time.Since(asked))
				if err == nil {
					waits[worker] = append(waits[worker], waited)
					err = lease.Page().Run(bounded, chromedp.Navigate(s.site.app(len(waits[worker]))))
					lease.Release()
				}
				cancel()
				if err != nil {
					return err
				}
			}
			waits[worker] = waits[worker][min(1, len(waits[worker])):] // the first grant adopts a standby
			return nil
		})
		all := slices.Concat(waits...)
		return result{map[string]float64{"grants": float64(len(all))}, all},
			errors.Join(err, p.Close(context.Background()))
	}
}

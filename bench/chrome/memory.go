package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// memoryTabs is how many affinities are warm.
const memoryTabs = 8

// remembering measures what an affinity takes, with a tab and without.
func remembering() group {
	return group{
		name: "memory", title: "Memory", reference: ours,
		note: fmt.Sprintf("Proportional set size of all processes of the browser, in MB: with one "+
			"standby; for each of %d affinities that are warm and show /app; for each context that is "+
			"kept when the pool has shrunk again to one tab and its spare; and what is left on top of the "+
			"first figure when these are disposed of, one warm tab included.", memoryTabs),
		columns: []report.Column{
			{Name: "browser MB", Digits: 0}, {Name: "MB per warm affinity", Digits: 1},
			{Name: "MB per orphan", Digits: 1},
			{Name: "orphans", Digits: 0}, {Name: "left MB", Digits: 0},
		},
		rows: []row{{ours, remembered}},
	}
}

func remembered(ctx context.Context, s *stage) (result, error) {
	p, err := s.warmPool(pool.Config{
		MinPages: 1, MaxPages: memoryTabs, AffinityTabs: 1,
		Retire: pool.Retire{IdleContraction: 100 * time.Millisecond},
	})
	if err != nil {
		return result{}, err
	}
	base := s.settled()
	var held []*pool.Lease[*chrome.Page]
	for i := range memoryTabs {
		lease, err := p.GetPage(ctx, fmt.Sprintf("tenant-%d", i))
		if err != nil {
			return result{}, err
		}
		held = append(held, lease)
		if err := lease.Page().Run(ctx, chromedp.Navigate(s.site.app(i))); err != nil {
			return result{}, err
		}
		if _, err := chrome.Run(ctx, lease.Page(), completed); err != nil {
			return result{}, err
		}
	}
	if err := p.Ready(ctx); err != nil {
		return result{}, err
	}
	warm := s.settled()
	for _, lease := range held {
		lease.Release()
	}
	for stats := p.Stats(); stats.Capacity > 1 ||
		stats.Tabs.Closing+stats.Tabs.Opening > 0; stats = p.Stats() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return result{}, fmt.Errorf("the pool did not shrink: %+v", stats.Tabs)
		}
	}
	kept := s.settled()
	orphans := 0.0
	for _, a := range p.Stats().Affinities {
		if a.Tabs > 0 {
			continue
		}
		orphans++
		if err := p.DisposeAffinity(ctx, a.Key); err != nil {
			return result{}, err
		}
	}
	if orphans == 0 {
		return result{}, errors.New("no context was kept")
	}
	without := s.settled()
	const mb = 1 << 20
	return result{Figures: map[string]float64{
		"browser MB": base / mb, "MB per warm affinity": (warm - base) / mb / memoryTabs,
		"MB per orphan": (kept - without) / mb / orphans, "orphans": orphans,
		"left MB": (without - base) / mb,
	}}, p.Close(ctx)
}

// settled is the browser's memory when it has come to rest: within a percent of what it was half a
// second before, or after five seconds.
func (s *stage) settled() float64 {
	before := 0.0
	for range 10 {
		now := s.family.memory()
		if before > 0 && now > 0.99*before && now < 1.01*before {
			return now
		}
		before = now
		<-time.After(500 * time.Millisecond)
	}
	return before
}

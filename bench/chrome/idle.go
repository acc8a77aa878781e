package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// idleTabs is how many tabs are warm and held by nobody.
const idleTabs = 8

// idleRest is how long the tabs are left alone before their processor time is counted: Chromium
// goes on for some seconds with what it does about hidden pages.
const idleRest = 10 * time.Second

// idling measures what warm tabs cost while nobody holds them, and what it costs to have one back.
// It works on the driver alone.
func idling() group {
	return group{
		name: "idle", title: "Warm tabs that nobody holds", reference: "frozen",
		note: fmt.Sprintf("%d tabs show a page with an animation, a frame callback, a timer of 20 ms "+
			"and garbage. CPU is that of the browser, in percent of one core; memory is the proportional "+
			"set size of the browser on top of one without tabs, and the JavaScript heap, each for one "+
			"tab. Then one tab after the other is probed, as before a grant, and, in one row, frozen "+
			"before that: a probe thaws. Dark are probes after which the page was not visible or drew no "+
			"frame.", idleTabs),
		columns: []report.Column{
			{Name: "CPU %", Digits: 1}, {Name: "MB per tab", Digits: 1, Ratio: true},
			{Name: "heap MB per tab", Digits: 1},
			{Name: "probes", Digits: 0, Sum: true}, {Name: "dark", Digits: 0, Sum: true},
			{Name: "probe p50 ms", Digits: 1, Quantile: 0.5},
			{Name: "probe p90 ms", Digits: 1, Quantile: 0.9},
			{Name: "probe p99 ms", Digits: 1, Quantile: 0.99},
			{Name: "freeze p50 ms", Digits: 1}, {Name: "freeze p90 ms", Digits: 1},
			{Name: "freeze p99 ms", Digits: 1},
		},
		rows: []row{{"as they are", idled(pool.Off)}, {"frozen", idled(0)}},
	}
}

// idleTab is what a pool uses of a tab here.
type idleTab interface {
	pool.Tab[*chrome.Page]
	pool.LeaseTab[*chrome.Page]
	pool.Freezer
}

func idled(freezeAfter time.Duration) func(context.Context, *stage) (result, error) {
	return func(ctx context.Context, s *stage) (found result, err error) {
		launcher := s.launcher()
		launcher.FreezeAfter = freezeAfter
		browser, err := launcher.Launch(ctx)
		if err != nil {
			return result{}, err
		}
		defer func() { err = errors.Join(err, browser.Close(context.Background())) }()
		base := s.settled()
		var tabs []idleTab
		for range idleTabs {
			tab, err := s.idleTab(ctx, browser)
			if err != nil {
				return result{}, err
			}
			tabs = append(tabs, tab)
		}
		found.Figures, found.Latencies, err = s.idle(ctx, tabs, base, freezeAfter != pool.Off)
		return found, err
	}
}

// idleTab opens a tab, shows the page on it, and begins the next lease, as a pool does in advance.
func (s *stage) idleTab(ctx context.Context, browser pool.Browser[*chrome.Page]) (idleTab, error) {
	c, err := browser.NewContext(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := c.NewTab(ctx)
	if err != nil {
		return nil, err
	}
	tab := opened.(idleTab)
	page, _, err := tab.BeginLease(ctx)
	if err == nil {
		err = page.Run(ctx, chromedp.Navigate(s.site.url+"/restless"))
	}
	if err == nil {
		_, err = tab.EndLease(ctx)
	}
	if err == nil {
		_, _, err = tab.BeginLease(ctx)
	}
	return tab, err
}

// idle measures tabs that nobody holds, and then how long it takes to have one back.
func (s *stage) idle(ctx context.Context, tabs []idleTab, base float64,
	freezes bool) (map[string]float64, []float64, error) {
	for _, tab := range tabs {
		if !freezes {
			break
		}
		if err := tab.Freeze(ctx); err != nil {
			return nil, nil, err
		}
	}
	const mb = 1 << 20
	figures := map[string]float64{"MB per tab": (s.settled() - base) / mb / idleTabs, "dark": 0}
	percent, err := s.burnt(ctx)
	if err != nil {
		return nil, nil, err
	}
	figures["CPU %"] = percent
	for _, tab := range tabs {
		heap, err := chrome.Run(ctx, tab.Page(),
			func(ctx context.Context, t *chromedp.Target) (runtime.GetHeapUsageResult, error) {
				return cdp.Call(ctx, t, runtime.GetHeapUsage, cdp.Empty{})
			})
		if err != nil {
			return nil, nil, err
		}
		figures["heap MB per tab"] += heap.UsedSize / mb / idleTabs
	}
	var probes, freezings []float64
	for began := time.Now(); time.Since(began) < s.during(); {
		tab := tabs[len(probes)%len(tabs)]
		at := time.Now()
		if err := tab.Probe(ctx); err != nil {
			return nil, nil, err
		}
		probes = append(probes, milliseconds(time.Since(at)))
		if !drawing(ctx, tab.Page()) {
			figures["dark"]++
		}
		if at = time.Now(); freezes {
			if err := tab.Freeze(ctx); err != nil {
				return nil, nil, err
			}
			freezings = append(freezings, milliseconds(time.Since(at)))
		}
	}
	figures["probes"] = float64(len(probes))
	slices.Sort(freezings)
	for name, part := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99} {
		if n := len(freezings); n > 0 {
			figures["freeze "+name+" ms"] = freezings[int(part*float64(n-1))]
		}
	}
	return figures, probes, nil
}

// burnt is how much of a core the browser uses when it has had the time to end what it began
// before.
func (s *stage) burnt(ctx context.Context) (percent float64, err error) {
	before, began := 0.0, time.Time{}
	for _, pause := range []time.Duration{idleRest, s.during()} {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		used, now := 0.0, time.Now()
		for _, m := range s.family.members() {
			if m.pid != os.Getpid() {
				used += m.ticks / s.family.ticks
			}
		}
		percent = 100 * (used - before) / now.Sub(began).Seconds()
		before, began = used, now
	}
	return percent, nil
}

// drawing reports whether a page is visible and draws a frame.
func drawing(ctx context.Context, page *chrome.Page) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	visible, err := chrome.Run(ctx, page, chromedp.Evaluate[bool](
		`new Promise(drawn => requestAnimationFrame(() => drawn(document.visibilityState === "visible")))`, chromedp.EvalAwaitPromise))
	return err == nil && visible
}

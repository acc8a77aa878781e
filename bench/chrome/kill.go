package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/sys/unix"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// killing measures how long a browser that is killed under load is missed.
func killing() group {
	return group{
		name: "kill", title: "The browser is killed under load", reference: ours,
		note: fmt.Sprintf("%d workers visit pages; the browser's main process is killed a second after all is well. Medians of the kills of a round: "+
			"until the last holder's lease has ended, until the next lease, and until the next complete page.", concurrency),
		columns: []report.Column{
			{Name: "holders told ms", Digits: 0}, {Name: "next lease ms", Digits: 0}, {Name: "next page ms", Digits: 0},
			{Name: "kills", Digits: 0}, {Name: "refused", Digits: 0},
		},
		rows: []row{{ours, killed}},
	}
}

// news are what the workers of a killed browser have to say, each with its time.
type news struct {
	sync.Mutex
	told, leased, complete []time.Time
	refused                int
}

func (n *news) of(list *[]time.Time) {
	n.Lock()
	defer n.Unlock()
	*list = append(*list, time.Now())
}

func killed(ctx context.Context, s *stage) (map[string]float64, error) {
	p, err := pool.New(s.launcher(), pool.Config{MaxPages: concurrency})
	if err != nil {
		return nil, err
	}
	if err := p.Warm(ctx); err != nil {
		return nil, err
	}
	var n news
	working, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	for worker := range concurrency {
		all.Go(func() {
			for working.Err() == nil {
				n.visit(working, p, worker, s.site.app(worker))
			}
		})
	}
	var told, leased, complete []float64
	for began := time.Now(); time.Since(began) < s.during(); {
		<-time.After(time.Second)
		at := time.Now()
		pids := s.family.browsers(s.browser)
		if len(pids) == 0 {
			return nil, errors.New("there is no browser to kill")
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				return nil, err
			}
		}
		n.await(ctx, at)
		n.Lock()
		// What is leased or complete before the holders have heard of it was so in the browser that died.
		heard := last(n.told, at)
		told = append(told, milliseconds(heard.Sub(at)))
		leased = append(leased, milliseconds(first(n.leased, heard).Sub(at)))
		complete = append(complete, milliseconds(first(n.complete, heard).Sub(at)))
		n.Unlock()
	}
	stop()
	all.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("after a kill no page was complete again: %w", ctx.Err())
	}
	return map[string]float64{
		"holders told ms": report.Median(told), "next lease ms": report.Median(leased),
		"next page ms": report.Median(complete), "kills": float64(len(told)), "refused": float64(n.refused),
	}, p.Close(ctx)
}

// await waits until the holders of a killed browser have heard of it, and a page is complete again.
func (n *news) await(ctx context.Context, at time.Time) {
	for ctx.Err() == nil {
		n.Lock()
		again := last(n.told, at) != at && !first(n.complete, last(n.told, at)).IsZero()
		n.Unlock()
		if again {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

// visit leases a tab and visits a page with it.
func (n *news) visit(ctx context.Context, p *pool.Pool[*chrome.Page], worker int, address string) {
	lease, err := p.GetPage(ctx, affinities[worker])
	if err != nil {
		if ctx.Err() == nil {
			n.Lock()
			n.refused++
			n.Unlock()
		}
		return
	}
	defer lease.Release()
	n.of(&n.leased)
	stop := context.AfterFunc(lease.Context(), func() {
		if errors.Is(context.Cause(lease.Context()), pool.ErrBrowserLost) {
			n.of(&n.told)
		}
	})
	err = lease.Page().Run(lease.Context(), chromedp.Navigate(address))
	if err == nil {
		_, err = chrome.Run(lease.Context(), lease.Page(), completed)
	}
	if err == nil {
		stop()
		n.of(&n.complete)
		return
	}
	<-lease.Context().Done() // the driver knows before the pool does, and the lease ends with the latter's word
}

// first is the first of some times after another; none was: the zero time, which is long before.
func first(times []time.Time, after time.Time) time.Time {
	for _, t := range times {
		if t.After(after) {
			return t
		}
	}
	return time.Time{}
}

// last is the last of some times, where it is after another, and otherwise that one.
func last(times []time.Time, after time.Time) time.Time {
	if len(times) > 0 && times[len(times)-1].After(after) {
		return times[len(times)-1]
	}
	return after
}

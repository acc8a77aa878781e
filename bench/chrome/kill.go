package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
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
	told    []time.Time // a lease has ended with its browser
	visits  []visit     // pages that became complete
	refused int
}

// visit is a page that became complete, and when its lease was granted.
type visit struct{ leased, complete time.Time }

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
		again, err := n.await(ctx, at)
		if err != nil {
			return nil, fmt.Errorf("after a kill no page was complete again: %w; %+v", err, p.Stats())
		}
		leased = append(leased, milliseconds(again.leased.Sub(at)))
		complete = append(complete, milliseconds(again.complete.Sub(at)))
		if heard := n.heard(at); !heard.IsZero() { // otherwise nobody held a lease
			told = append(told, milliseconds(heard.Sub(at)))
		}
	}
	stop()
	all.Wait()
	return map[string]float64{
		"holders told ms": report.Median(told), "next lease ms": report.Median(leased),
		"next page ms": report.Median(complete), "kills": float64(len(complete)), "refused": float64(n.refused),
	}, p.Close(ctx)
}

// await waits until a page is complete whose lease was granted after a kill: what dies completes no page any more.
func (n *news) await(ctx context.Context, at time.Time) (visit, error) {
	for ctx.Err() == nil {
		n.Lock()
		i := slices.IndexFunc(n.visits, func(v visit) bool { return v.leased.After(at) })
		if i >= 0 {
			defer n.Unlock()
			return n.visits[i], nil
		}
		n.Unlock()
		<-time.After(10 * time.Millisecond)
	}
	return visit{}, ctx.Err()
}

// heard is when the last holder was told after a kill; nobody was: the zero time.
func (n *news) heard(at time.Time) time.Time {
	n.Lock()
	defer n.Unlock()
	if len(n.told) == 0 || n.told[len(n.told)-1].Before(at) {
		return time.Time{}
	}
	return n.told[len(n.told)-1]
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
	leased := time.Now()
	stop := context.AfterFunc(lease.Context(), func() {
		if errors.Is(context.Cause(lease.Context()), pool.ErrBrowserLost) {
			n.Lock()
			n.told = append(n.told, time.Now())
			n.Unlock()
		}
	})
	err = lease.Page().Run(lease.Context(), chromedp.Navigate(address))
	if err == nil {
		_, err = chrome.Run(lease.Context(), lease.Page(), completed)
	}
	if err == nil {
		stop()
		n.Lock()
		n.visits = append(n.visits, visit{leased, time.Now()})
		n.Unlock()
		return
	}
	select { // the driver may know before the pool does, and the lease ends with the latter's word
	case <-lease.Context().Done():
	case <-ctx.Done():
	case <-time.After(time.Second):
		fmt.Fprintln(os.Stderr, "a page failed by itself:", err)
	}
}

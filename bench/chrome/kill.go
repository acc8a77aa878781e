package main

import (
	"context"
	"errors"
	"fmt"
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
			"until the last holder's lease has ended, until the next lease, and until the next complete page. Not told are holders of a page "+
			"whose lease went on.", concurrency),
		columns: []report.Column{
			{Name: "holders told ms"}, {Name: "next lease ms"}, {Name: "next page ms"},
			{Name: "kills", Sum: true}, {Name: "told", Sum: true}, {Name: "not told", Sum: true}, {Name: "refused", Sum: true},
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
	untold  int // holders of a page that failed, whose lease went on
}

// visit is a page that became complete, and when its lease was granted.
type visit struct{ leased, complete time.Time }

func killed(ctx context.Context, s *stage) (result, error) {
	p, err := pool.New(s.launcher(), pool.Config{MaxPages: concurrency})
	if err != nil {
		return result{}, err
	}
	if err := p.Warm(ctx); err != nil {
		return result{}, err
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
	var kills []time.Time
	var leased, complete []float64
	for began := time.Now(); time.Since(began) < s.during(); {
		<-time.After(time.Second)
		at := time.Now()
		if err := s.killBrowsers(); err != nil {
			return result{}, err
		}
		again, err := n.await(ctx, at)
		if err != nil {
			return result{}, fmt.Errorf("after a kill no page was complete again: %w; %+v", err, p.Stats())
		}
		kills = append(kills, at)
		leased = append(leased, milliseconds(again.leased.Sub(at)))
		complete = append(complete, milliseconds(again.complete.Sub(at)))
	}
	stop()
	all.Wait()
	return result{Figures: map[string]float64{
		"holders told ms": report.Median(n.delays(kills)), "next lease ms": report.Median(leased), "next page ms": report.Median(complete),
		"kills": float64(len(kills)), "told": float64(len(n.told)), "not told": float64(n.untold), "refused": float64(n.refused),
	}}, p.Close(ctx)
}

// killBrowsers kills the main process, and it alone: the others see that it has gone.
func (s *stage) killBrowsers() error {
	pids := s.family.browsers(s.browser)
	if len(pids) == 0 {
		return errors.New("there is no browser to kill")
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			return err
		}
	}
	return nil
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

// delays are the milliseconds from each kill until the last holder was told. A kill that hit no holder has none.
func (n *news) delays(kills []time.Time) []float64 {
	var found []float64
	for i, at := range kills {
		last := time.Time{}
		for _, told := range n.told {
			if told.After(at) && told.After(last) && (i+1 == len(kills) || told.Before(kills[i+1])) {
				last = told
			}
		}
		if !last.IsZero() {
			found = append(found, milliseconds(last.Sub(at)))
		}
	}
	return found
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
		n.Lock()
		n.untold++
		n.Unlock()
	}
}

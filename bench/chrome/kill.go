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
		note: fmt.Sprintf("%d workers visit pages, and the browser's main process is killed; each kill "+
			"is that of a new pool, at the default settings, after %v of load, %d in a round. Medians: "+
			"until the last holder's lease has ended, until a worker holds a page of the next browser, "+
			"and until it has visited /app with it. Not told are holders of a page that failed whose "+
			"lease went on.", concurrency, killAfter, killsPerRound),
		columns: []report.Column{
			{Name: "holders told ms"}, {Name: "new page held ms"}, {Name: "/app complete ms"},
			{Name: "kills", Sum: true}, {Name: "told", Sum: true}, {Name: "not told", Sum: true},
			{Name: "refused", Sum: true},
		},
		rows: []row{{ours, killed}},
	}
}

const (
	killsPerRound = 3
	// killAfter is the time of load before a kill.
	killAfter = time.Second
)

// news are what the workers of a browser that was killed have to say.
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
	var told, leased, complete []float64
	counts := map[string]float64{"kills": killsPerRound}
	for range killsPerRound {
		n := new(news)
		at, again, err := n.kill(ctx, s)
		if err != nil {
			return result{}, err
		}
		n.Lock() // news of a lease may still come in
		leased = append(leased, milliseconds(again.leased.Sub(at)))
		complete = append(complete, milliseconds(again.complete.Sub(at)))
		if len(n.told) > 0 { // otherwise nobody held a page
			told = append(told, milliseconds(slices.MaxFunc(n.told, time.Time.Compare).Sub(at)))
		}
		counts["told"] += float64(len(n.told))
		counts["not told"] += float64(n.untold)
		counts["refused"] += float64(n.refused)
		n.Unlock()
	}
	counts["holders told ms"], counts["new page held ms"],
		counts["/app complete ms"] = report.Median(told), report.Median(leased), report.Median(complete)
	return result{Figures: counts}, nil
}

// kill puts a pool under load, kills its browser, and waits for the first page of the next one and
// then for the workers.
func (n *news) kill(ctx context.Context, s *stage) (at time.Time, again visit, err error) {
	p, err := s.warmPool(pool.Config{MaxPages: concurrency})
	if err != nil {
		return at, again, err
	}
	defer func() { err = errors.Join(err, p.Close(context.Background())) }()
	working, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for worker := range concurrency {
		all.Go(func() {
			for working.Err() == nil {
				n.visit(working, p, worker, s.site.app(worker))
			}
		})
	}
	defer all.Wait()
	defer stop()
	<-time.After(killAfter)
	at = time.Now()
	if err := s.killBrowsers(); err != nil {
		return at, again, err
	}
	again, err = n.await(ctx, at)
	if err != nil {
		err = fmt.Errorf("after a kill no page was complete again: %w; %+v", err, p.Stats())
	}
	return at, again, err
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

// await waits until a page is complete whose lease was granted after a kill: what dies completes no
// page any more.
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

package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/go-rod/rod"
	"github.com/jackc/puddle/v2"
	"golang.org/x/sync/semaphore"

	"github.com/pagepool/pagepool/pool"
)

// A subject is something that lends and takes back: lease does both, for one of several workers.
// close ends it.
type subject struct {
	lease func(worker int) error
	close func() error
}

// row is one thing to be measured. make sets it up anew for each round.
type row struct {
	name string
	make func() (subject, error)
}

// group is a table: rows that are measured with the same number of workers.
type group struct {
	name, title, note string
	workers           int
	reference         string
	rows              []row
}

const ours = "pagepool"

// groups are all tables.
func groups() []group {
	return []group{
		{
			name: "alone", title: "One goroutine", workers: 1, reference: ours, rows: rows(4, 1),
			note: "A warm GetPage and Release, and the like, in turn; four tabs, or whatever stands for " +
				"them. MaxUses is off here and below: to open a tab anew is another matter.",
		},
		{
			name: "contended", title: "64 goroutines want 4 tabs", workers: 64, reference: ours,
			rows: rows(4, 64),
			note: "All of them work for one affinity. Nearly every request waits.",
		},
		{
			name: "parallel", title: "64 goroutines, 64 tabs", workers: 64, reference: ours,
			rows: rows(64, 64),
			note: "Each works for an affinity of its own. Nobody waits but for the lock.",
		},
		{
			name: "affinities", title: "Affinities that came and went", workers: 1,
			reference: "100,000 affinities",
			note:      "A warm GetPage and Release, after so many other affinities were served once.",
			rows: []row{
				{"10 affinities", func() (subject, error) { return withAffinities(10, false) }},
				{"100,000 affinities", func() (subject, error) { return withAffinities(100_000, false) }},
			},
		},
		{
			name: "contexts", title: "Affinities that have a context", workers: 1,
			reference: "10,000 contexts",
			note: "A warm GetPage and Release, while so many other affinities have a context that is " +
				"kept without a tab.",
			rows: []row{
				{"10 contexts", func() (subject, error) { return withAffinities(10, true) }},
				{"10,000 contexts", func() (subject, error) { return withAffinities(10_000, true) }},
			},
		},
		{
			name: "waiting", title: "Requests that wait", workers: 1, reference: "10,000 waiting",
			note: "A warm GetPage and Release of nested work, while so many root requests of other " +
				"affinities wait.",
			rows: []row{
				{"10 waiting", func() (subject, error) { return withWaiting(10) }},
				{"10,000 waiting", func() (subject, error) { return withWaiting(10_000) }},
			},
		},
	}
}

// rows are the peers, each with so many things to lend to so many workers.
func rows(size, workers int) []row {
	return []row{
		{ours, func() (subject, error) { return ofPagepool(size, workers) }},
		{"puddle v2", func() (subject, error) { return ofPuddle(size) }},
		{"rod.Pool", func() (subject, error) { return ofRod(size), nil }},
		{"x/sync/semaphore", func() (subject, error) { return ofSemaphore(size), nil }},
		{"channel", func() (subject, error) { return ofChannel(size), nil }},
	}
}

// key is the affinity of a worker: one for all where tabs are scarce, and one each where they are
// not.
func key(worker, size, workers int) string {
	if size < workers {
		return "all"
	}
	return "affinity-" + strconv.Itoa(worker)
}

func ofPagepool(size, workers int) (subject, error) {
	p, err := pool.New(driver{}, pool.Config{
		MaxPages: size, AffinityTabs: min(size, 5), MaxWaiting: 1 << 16,
		Retire: pool.Retire{MaxUses: pool.Off},
	})
	if err != nil {
		return subject{}, err
	}
	ctx := context.Background()
	keys := make([]string, workers)
	for i := range keys {
		keys[i] = key(i, size, workers)
	}
	return subject{
		lease: func(worker int) error {
			l, err := p.GetPage(ctx, keys[worker])
			if err != nil {
				return err
			}
			l.Release()
			return nil
		},
		close: func() error { return p.Close(ctx) },
	}, nil
}

func ofPuddle(size int) (subject, error) {
	p, err := puddle.NewPool(&puddle.Config[*page]{
		Constructor: func(context.Context) (*page, error) { return &page{}, nil },
		Destructor:  func(*page) {},
		MaxSize:     int32(size),
	})
	if err != nil {
		return subject{}, err
	}
	ctx := context.Background()
	return subject{
		lease: func(int) error {
			r, err := p.Acquire(ctx)
			if err != nil {
				return err
			}
			r.Release()
			return nil
		},
		close: func() error { p.Close(); return nil },
	}, nil
}

func ofRod(size int) subject {
	p := rod.NewPool[page](size)
	create := func() (*page, error) { return &page{}, nil }
	return subject{
		lease: func(int) error {
			one, err := p.Get(create)
			if err == nil {
				p.Put(one)
			}
			return err
		},
		close: func() error { return nil },
	}
}

func ofSemaphore(size int) subject {
	s := semaphore.NewWeighted(int64(size))
	ctx := context.Background()
	return subject{
		lease: func(int) error {
			if err := s.Acquire(ctx, 1); err != nil {
				return err
			}
			s.Release(1)
			return nil
		},
		close: func() error { return nil },
	}
}

func ofChannel(size int) subject {
	free := make(chan *page, size)
	for range size {
		free <- &page{}
	}
	return subject{
		lease: func(int) error { free <- <-free; return nil },
		close: func() error { return nil },
	}
}

// withAffinities is a pool that has served so many affinities, and keeps the context of each, or
// none.
func withAffinities(n int, keep bool) (subject, error) {
	cfg := pool.Config{More: pool.More{OrphanCap: pool.Off}, Retire: pool.Retire{MaxUses: pool.Off}}
	if keep {
		cfg.More.OrphanCap = n + 10
	}
	p, err := pool.New(driver{}, cfg)
	if err != nil {
		return subject{}, err
	}
	ctx := context.Background()
	for i := range n {
		name := "affinity-" + strconv.Itoa(i)
		l, err := p.GetPage(ctx, name)
		if err != nil {
			return subject{}, err
		}
		l.Release()
		if !keep {
			continue
		}
		if err := p.DisposeAffinity(ctx, name, pool.Retain()); err != nil {
			return subject{}, err
		}
	}
	if known := len(p.Stats().Affinities); keep && known < n {
		return subject{}, fmt.Errorf("the pool knows %d affinities, not %d", known, n)
	}
	return leasing(p, nil), nil
}

// withWaiting is a pool with an idle tab for nested work, and so many requests that wait for a
// permit.
func withWaiting(n int) (subject, error) {
	p, err := pool.New(driver{}, pool.Config{MaxWaiting: n, Retire: pool.Retire{MaxUses: pool.Off}})
	if err != nil {
		return subject{}, err
	}
	ctx := context.Background()
	var held []*pool.Lease[*page]
	for _, affinity := range []string{"warm", "b", "c", "d"} {
		l, err := p.GetPage(ctx, affinity)
		if err != nil {
			return subject{}, err
		}
		held = append(held, l)
	}
	queue, leave := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	for i := range n {
		waiting.Go(func() { _, _ = p.GetPage(queue, "affinity-"+strconv.Itoa(i)) }) // it ends with queue
	}
	for p.Stats().Waiting < n {
		time.Sleep(time.Millisecond)
	}
	s := leasing(p, []pool.GetOption{pool.Nested()})
	end := s.close
	s.close = func() error {
		leave()
		waiting.Wait()
		for _, l := range held {
			l.Release()
		}
		return end()
	}
	return s, nil
}

// leasing leases the tab of one affinity again and again.
func leasing(p *pool.Pool[*page], options []pool.GetOption) subject {
	ctx := context.Background()
	return subject{
		lease: func(int) error {
			l, err := p.GetPage(ctx, "warm", options...)
			if err != nil {
				return err
			}
			l.Release()
			return nil
		},
		close: func() error { return p.Close(ctx) },
	}
}

// measure has workers lease for a while, and returns nanoseconds and allocations for one lease of
// any of them.
func measure(s subject, workers int, during time.Duration) (map[string]float64, error) {
	for worker := range workers { // everything that is made once
		for range 100 {
			if err := s.lease(worker); err != nil {
				return nil, err
			}
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	counts, failures := make([]int, workers), make([]error, workers)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for done := 0; failures[worker] == nil; done++ {
				if done&15 == 0 && time.Since(began) >= during {
					counts[worker] = done
					return
				}
				failures[worker] = s.lease(worker)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	total := 0
	for worker, count := range counts {
		if failures[worker] != nil {
			return nil, failures[worker]
		}
		total += count
	}
	return map[string]float64{
		"ns":          float64(took.Nanoseconds()) / float64(total),
		"allocations": float64(after.Mallocs-before.Mallocs) / float64(total),
	}, nil
}

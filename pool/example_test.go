package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// A Screen is what the holders of these examples' leases get. Its driver opens no real browser:
// see package chrome for one that does.
type Screen struct{ shows string }

func (s *Screen) Show(what string) { s.shows = what }

func ExamplePool_Do() {
	p, err := pool.New(driver{}, pool.Config{MaxPages: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer p.Close(ctx)

	for range 2 {
		err = p.Do(ctx, "tenant-7", func(ctx context.Context, page *Screen) error {
			fmt.Printf("was showing %q\n", page.shows)
			page.Show("tenant 7's page")
			return nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// was showing ""
	// was showing "tenant 7's page"
}

func ExamplePool_GetPage() {
	p, err := pool.New(driver{}, pool.Config{MaxPages: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close(context.Background())

	lease, err := p.GetPage(context.Background(), "tenant-7")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(lease.TabID(), "reused:", lease.Reused())

	// The only permit is taken: another tenant's request waits for as long as its ctx allows.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = p.GetPage(ctx, "tenant-8")
	fmt.Println("tenant-8 gave up:", errors.Is(err, context.DeadlineExceeded))

	// What the page itself asks for is served all the same.
	nested, err := p.GetPage(context.Background(), "tenant-7", pool.Nested())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(nested.TabID(), "is nested in", lease.TabID())
	nested.Release()

	lease.Release()
	fmt.Println(context.Cause(lease.Context()))
	// Output:
	// t1 reused: false
	// tenant-8 gave up: true
	// t2 is nested in t1
	// pool: the lease was released
}

func ExamplePool_DisposeAffinity() {
	p, err := pool.New(driver{}, pool.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer p.Close(ctx)

	show := func(ctx context.Context, page *Screen) error {
		page.Show("a secret")
		return nil
	}
	fmt.Println(p.Do(ctx, "tenant-7", show), p.WarmAffinities())
	fmt.Println(p.DisposeAffinity(ctx, "tenant-7"), p.WarmAffinities())
	err = p.Do(ctx, "tenant-7", func(ctx context.Context, page *Screen) error {
		fmt.Printf("the next generation sees %q\n", page.shows)
		return nil
	})
	fmt.Println(err)
	// Output:
	// <nil> [tenant-7]
	// <nil> []
	// the next generation sees ""
	// <nil>
}

func ExamplePool_Subscribe() {
	p, err := pool.New(driver{}, pool.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	changes := make(chan pool.Announcement, 8)
	p.Subscribe(func(a pool.Announcement) { changes <- a })

	lease, err := p.GetPage(ctx, "tenant-7")
	if err != nil {
		fmt.Println(err)
		return
	}
	lease.Discard(errors.New("the page shows an error"))
	for range 2 {
		a := <-changes
		fmt.Printf("%s, generation %d, warm: %v\n", a.Affinity, a.Generation, a.Warm)
	}
	fmt.Println(p.Close(ctx))
	// Output:
	// tenant-7, generation 1, warm: true
	// tenant-7, generation 1, warm: false
	// <nil>
}

func ExampleNew() {
	_, err := pool.New(driver{}, pool.Config{
		MaxPages: 2000,
		Timeouts: pool.Timeouts{CloseGrace: time.Minute},
	})
	fmt.Println(err)
	// Output:
	// pool: New: MaxPages=2000: the rule is 1 to 1,000
	// CloseGrace=1m0s: the rule is 0 < CloseGrace <= CloseTimeout
}

// driver is the least that a driver can be: browsers that do everything at once and never fail.
type driver struct{}

type browser struct{ done chan struct{} }

type profile struct{ tab *tab }

type tab struct {
	screen Screen
	done   chan struct{}
	life   context.Context
	end    context.CancelFunc
}

func (driver) Launch(context.Context) (pool.Browser[*Screen], error) {
	return &browser{make(chan struct{})}, nil
}

func (b *browser) NewContext(context.Context) (pool.BrowserContext[*Screen], error) {
	return &profile{}, nil
}

func (b *browser) Done() <-chan struct{}       { return b.done }
func (b *browser) Ping(context.Context) error  { return nil }
func (b *browser) Close(context.Context) error { close(b.done); return nil }

func (p *profile) NewTab(context.Context) (pool.Tab[*Screen], error) {
	p.tab = &tab{done: make(chan struct{})}
	p.tab.life, p.tab.end = context.WithCancel(context.Background())
	return p.tab, nil
}

func (p *profile) Close(ctx context.Context) error { return p.tab.Close(ctx) }

func (t *tab) Page() *Screen                { return &t.screen }
func (t *tab) Context() context.Context     { return t.life }
func (t *tab) Done() <-chan struct{}        { return t.done }
func (t *tab) Reset(context.Context) error  { return nil }
func (t *tab) Probe(context.Context) error  { return nil }
func (t *tab) Rescue(context.Context) error { return nil }
func (t *tab) Kill(context.Context) error   { return nil }
func (t *tab) Close(context.Context) error {
	if t.life.Err() == nil {
		t.end()
		close(t.done)
	}
	return nil
}

// Package pooltest has a fake browser for the tests of services that use a pool: their timeouts,
// retries and fallbacks are tried against the real pool, with pages that hang or crash, browsers
// that die and openings that fail, without Chrome, under testing/synctest in milliseconds.
//
//	synctest.Test(t, func(t *testing.T) {
//		browser := new(pooltest.Browser)
//		browser.Serve("/slow", pooltest.Hangs)
//		p, err := pool.New(browser, pool.Config{MaxPages: 1})
//		...
//		defer p.Close(context.Background())
//		service := Service[*pooltest.Page]{Pool: p, Visit: browser.Visit}
//		...
//	})
//
// A service that works on *chrome.Page cannot be given another page, since that is a type of its
// own with a connection behind it. Write such a service for any page: make the type that holds the
// pool generic over the page, and give it what it does to a page as a func. In production that func
// drives chromedp; in a test it is Browser.Visit. The example of package chrome called Service is
// complete.
//
// A Browser is ready as its zero value, is used by one pool or by several, and may be called at any
// time by anybody. It keeps the time of package time, which is virtual inside a synctest bubble.
package pooltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Page is a fake page. Its holder can have it Work, Hang, Loop, Wedge and Crash.
type Page = fakebrowser.Page

// Browser is a fake browser: a pool.Launcher whose pages visit what Serve says.
type Browser struct {
	fake fakebrowser.Launcher
	once sync.Once

	mu struct {
		sync.Mutex
		sites    map[string][]Behaviour
		visits   map[string]int
		opens    []fate // of the next openings
		launches []fate // of the next launches
		owns     map[string]bool
	}
}

// fate is what becomes of one opening or launch.
type fate struct {
	fails, hangs bool
	after        time.Duration
}

// Launch is called by the pool.
func (b *Browser) Launch(ctx context.Context) (pool.Browser[*Page], error) {
	b.once.Do(func() { b.fake.Fate, b.fake.Owns = b.fateOf, b.OwnContext })
	return b.fake.Launch(ctx)
}

// OwnTerms gives affinities terms of their own, as a proxy of its own does in package chrome: their
// contexts are made for them, and Page.MadeFor says for whom. It is called before they are used.
func (b *Browser) OwnTerms(affinities ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.owns == nil {
		b.mu.owns = map[string]bool{}
	}
	for _, affinity := range affinities {
		b.mu.owns[affinity] = true
	}
}

// OwnContext is called by the pool.
func (b *Browser) OwnContext(affinity string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.owns[affinity]
}

// fateOf says what becomes of a call of the pool. A fate that was set is used up by it.
func (b *Browser) fateOf(kind fakebrowser.OperationKind, _ uint64) fakebrowser.Fate {
	usual := fakebrowser.Usual(kind)
	b.mu.Lock()
	defer b.mu.Unlock()
	next := &b.mu.opens
	switch kind {
	case fakebrowser.Open:
	case fakebrowser.Launch:
		next = &b.mu.launches
	default:
		return usual
	}
	if len(*next) == 0 {
		return usual
	}
	f := (*next)[0]
	*next = (*next)[1:]
	usual.Hangs = f.hangs
	if f.fails {
		usual.Result = fakebrowser.Fails
	}
	if f.after > 0 {
		usual.After = f.after
	}
	return usual
}

func repeated(n int, f fate) []fate {
	all := make([]fate, max(0, n))
	for i := range all {
		all[i] = f
	}
	return all
}

// FailOpens has the next n openings of a tab fail; those that were set before come first.
func (b *Browser) FailOpens(n int) { b.addOpens(n, fate{fails: true}) }

// SlowOpens has the next n openings take so long.
func (b *Browser) SlowOpens(n int, long time.Duration) { b.addOpens(n, fate{after: long}) }

// HangOpens has the next n openings never answer.
func (b *Browser) HangOpens(n int) { b.addOpens(n, fate{hangs: true}) }

func (b *Browser) addOpens(n int, f fate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.opens = append(b.mu.opens, repeated(n, f)...)
}

// FailLaunches has the next n launches of a browser fail.
func (b *Browser) FailLaunches(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.launches = append(b.mu.launches, repeated(n, fate{fails: true})...)
}

// Die ends every browser process that is alive, as a crash of the browser does. The pool starts
// another.
func (b *Browser) Die() { b.fake.KillBrowsers() }

// Alive is what is alive: processes, profiles and pages. After Close of the pool it is nothing.
func (b *Browser) Alive() (browsers, contexts, pages int) {
	c := b.fake.Census()
	return c.Browsers, c.Contexts, c.Pages
}

// Behaviour is what happens on a page that visits an address.
type Behaviour func(ctx context.Context, b *Browser, page *Page) (string, error)

// Serve says what happens at an address: the first visit meets the first behaviour, the next visit
// the next one, and all further ones the last. It replaces what was said before.
func (b *Browser) Serve(address string, does ...Behaviour) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.sites == nil {
		b.mu.sites, b.mu.visits = map[string][]Behaviour{}, map[string]int{}
	}
	b.mu.sites[address] = does
	b.mu.visits[address] = 0
}

// Visits is how many visits an address has had since Serve.
func (b *Browser) Visits(address string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.visits[address]
}

// Visit is what a service does to a page: it has the page visit an address, and returns what that
// shows. It waits while something holds the page's main thread. The error is the cause of ctx, or
// why the page has ended, or that of the behaviour; an address that nothing is served at is an
// error.
func (b *Browser) Visit(ctx context.Context, page *Page, address string) (string, error) {
	if page == nil {
		return "", errors.New("pooltest: Visit: the page is nil")
	}
	does, err := b.next(address)
	if err != nil {
		return "", err
	}
	if err := page.Work(ctx); err != nil {
		return "", err
	}
	return does(ctx, b, page)
}

func (b *Browser) next(address string) (Behaviour, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	does := b.mu.sites[address]
	if len(does) == 0 {
		return nil, fmt.Errorf("pooltest: Visit: nothing is served at %q; say what with Serve", address)
	}
	n := b.mu.visits[address]
	b.mu.visits[address]++
	return does[min(n, len(does)-1)], nil
}

package pooltest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/pooltest"
)

// inBubble runs a test with a pool over a fake browser in virtual time, and looks whether anything
// is left.
func inBubble(t *testing.T, cfg pool.Config,
	fn func(t *testing.T, b *pooltest.Browser, p *pool.Pool[*pooltest.Page])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := new(pooltest.Browser)
		p, err := pool.New(b, cfg)
		if err != nil {
			t.Fatal(err)
		}
		fn(t, b, p)
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if browsers, contexts, pages := b.Alive(); browsers+contexts+pages > 0 {
			t.Errorf("%d browsers, %d contexts and %d pages are left", browsers, contexts, pages)
		}
	})
}

// visit visits an address within five seconds, with a lease of two.
func visit(t *testing.T, b *pooltest.Browser, p *pool.Pool[*pooltest.Page],
	address string) (content string, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = p.Do(ctx, "a", func(ctx context.Context, page *pooltest.Page) (err error) {
		content, err = b.Visit(ctx, page, address)
		return err
	}, pool.WithMaxLease(2*time.Second))
	return content, err
}

// Each behaviour is met by a service as a real browser would have it, and the next visit is good.
func TestShellEachBehaviourIsMetAndTheNextVisitIsGood(t *testing.T) {
	mine := errors.New("status 500")
	for name, c := range map[string]struct {
		does pooltest.Behaviour
		want error // nil: content
	}{
		"shows":   {pooltest.Shows("x"), nil},
		"after":   {pooltest.After(time.Second, pooltest.Shows("x")), nil},
		"late":    {pooltest.After(time.Minute, pooltest.Shows("x")), pool.ErrLeaseExpired},
		"fails":   {pooltest.Fails(mine), mine},
		"waits":   {pooltest.Waits, pool.ErrLeaseExpired},
		"hangs":   {pooltest.Hangs, pool.ErrLeaseExpired},
		"wedges":  {pooltest.Wedges, pool.ErrLeaseExpired},
		"crashes": {pooltest.Crashes, pool.ErrPageCrashed},
		"dies":    {pooltest.Dies, pool.ErrBrowserLost},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, pool.Config{MaxPages: 1},
				func(t *testing.T, b *pooltest.Browser, p *pool.Pool[*pooltest.Page]) {
					b.Serve("/x", c.does, pooltest.Shows("good"))
					content, err := visit(t, b, p, "/x")
					if !errors.Is(err, c.want) || c.want == nil && content != "x" {
						t.Errorf("the first visit: %q, %v; want %v", content, err, c.want)
					}
					if content, err = visit(t, b, p, "/x"); err != nil || content != "good" ||
						b.Visits("/x") != 2 {
						t.Errorf("visit %d: %q, %v", b.Visits("/x"), content, err)
					}
				})
		})
	}
}

func TestShellOpeningsAndLaunchesFailHangAndAreSlow(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(b *pooltest.Browser)
		cfg  pool.Config
		want error
	}{
		"one fails": {func(b *pooltest.Browser) { b.FailOpens(1) }, pool.Config{MaxPages: 1},
			nil},
		"all fail": {func(b *pooltest.Browser) { b.FailOpens(100) },
			pool.Config{MaxPages: 1, Timeouts: pool.Timeouts{OpenBackoff: time.Millisecond}},
			pool.ErrBrowserUnavailable},
		"slow": {func(b *pooltest.Browser) { b.SlowOpens(10, 3*time.Second) },
			pool.Config{MaxPages: 1}, nil},
		"too slow": {func(b *pooltest.Browser) { b.SlowOpens(10, 20*time.Second) },
			pool.Config{MaxPages: 1}, context.DeadlineExceeded},
		"hang": {func(b *pooltest.Browser) { b.HangOpens(10) }, pool.Config{MaxPages: 1},
			context.DeadlineExceeded},
		"one launch fails": {func(b *pooltest.Browser) { b.FailLaunches(1) }, pool.Config{MaxPages: 1},
			nil},
		"all launches fail": {func(b *pooltest.Browser) { b.FailLaunches(100) },
			pool.Config{MaxPages: 1, Timeouts: pool.Timeouts{OpenBackoff: time.Millisecond}},
			pool.ErrBrowserUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(pooltest.Browser)
				c.set(b)
				b.Serve("/x", pooltest.Shows("x"))
				p, err := pool.New(b, c.cfg)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := visit(t, b, p, "/x"); !errors.Is(err, c.want) {
					t.Errorf("%v; want %v", err, c.want)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				_ = p.Close(ctx) // an opening that never answers is written off
			})
		})
	}
}

func TestShellBadInputToTheFakeIsAClearError(t *testing.T) {
	inBubble(t, pool.Config{}, func(t *testing.T, b *pooltest.Browser, p *pool.Pool[*pooltest.Page]) {
		if _, err := b.Visit(t.Context(), nil, "/x"); err == nil ||
			err.Error() != "pooltest: Visit: the page is nil" {
			t.Error(err)
		}
		_, err := visit(t, b, p, "/x")
		const want = `nothing is served at "/x"; say what with Serve`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		b.FailOpens(-1)
	})
}

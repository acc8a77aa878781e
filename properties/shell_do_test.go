package properties

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

func TestShellAPanicInsideDoDiscardsTheTabAndGoesOn(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		var page *shellPage
		var panicked any
		func() {
			defer func() { panicked = recover() }()
			_ = p.Do(t.Context(), "a", func(_ context.Context, on *shellPage) error {
				page = on
				panic("mine")
			})
		}()
		if panicked != "mine" {
			t.Errorf("recovered %v, want the panic itself", panicked)
		}
		synctest.Wait()
		if s := p.Stats(); s.Leases != 0 || s.Counters.Closes != 1 {
			t.Errorf("%d leases, %d closes: want none and one", s.Leases, s.Counters.Closes)
		}
		l := mustGet(t, p, "a")
		if l.Page() == page {
			t.Error("the spoiled tab was handed out again")
		}
		l.Release()
	})
}

func TestShellAGoroutineThatEndsInsideDoLeaksNoLease(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		go func() {
			_ = p.Do(t.Context(), "a", func(context.Context, *shellPage) error {
				runtime.Goexit()
				return nil
			})
		}()
		synctest.Wait()
		if s := p.Stats(); s.Counters.Grants != 1 || s.Leases != 0 || s.Counters.Closes != 1 {
			t.Errorf("grants %d, leases %d, closes %d: want 1, 0, 1", s.Counters.Grants, s.Leases,
				s.Counters.Closes)
		}
	})
}

func TestShellDoGivesTheValuesOfBothContextsTheTabsFirst(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		ctx := context.WithValue(t.Context(), tabValue("of"), "caller")
		ctx = context.WithValue(ctx, tabValue("caller's"), "caller")
		mine := errors.New("mine")
		err := p.Do(ctx, "a", func(ctx context.Context, page *shellPage) error {
			if a, b := ctx.Value(tabValue("of")), ctx.Value(tabValue("caller's")); a != "tab" ||
				b != "caller" {
				t.Errorf("values are %v and %v", a, b)
			}
			return mine
		})
		if err != mine {
			t.Errorf("Do returned %v, want fn's own error", err)
		}
		l := mustGet(t, p, "a")
		if !l.Reused() {
			t.Error("an error of fn spoiled the tab")
		}
		l.Release()
	})
}

func TestShellDoEndsWithItsCallersDeadlineAndSuspectsTheTab(t *testing.T) {
	stub := new(shellStub)
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		stub.script("probe", fails(errDriver))
		stub.script("rescue", fails(errDriver))
		err := p.Do(ctx, "a", func(ctx context.Context, page *shellPage) error {
			<-ctx.Done()
			wantIs(t, context.Cause(ctx), context.DeadlineExceeded)
			return ctx.Err()
		})
		wantIs(t, err, context.DeadlineExceeded)
		after(time.Second)
		if s := p.Stats(); s.Counters.Probes != 1 || s.Counters.Rescues != 1 || s.Counters.Closes != 1 ||
			len(p.WarmAffinities()) != 0 {
			t.Errorf("counters %+v, warm %v: want the tab of a deadline probed, rescued, and closed",
				s.Counters, p.WarmAffinities())
		}
	})
}

// A fn that returns nil may have given up its work when ctx ended, and its page still be busy.
func TestShellDoSuspectsTheTabOfAnFnThatReturnsNilAfterItsCtxHasEnded(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		ctx, cancel := context.WithCancel(t.Context())
		err := p.Do(ctx, "a", func(context.Context, *shellPage) error {
			cancel()
			return nil
		})
		if err != nil {
			t.Errorf("Do returned %v, want the nil of fn", err)
		}
		synctest.Wait()
		if n := p.Stats().Counters.Probes; n != 1 {
			t.Errorf("the tab was probed %d times, want it suspect, and probed once", n)
		}
	})
}

func TestShellDoSaysWhyItsLeaseEnded(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		err := p.Do(t.Context(), "a", func(ctx context.Context, page *shellPage) error {
			page.crash()
			<-ctx.Done()
			return ctx.Err()
		})
		wantIs(t, err, pool.ErrPageCrashed, context.Canceled)
	})
}

package properties

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// The shell in a bubble of virtual time: callers. shell_browser_test.go has the browser's side.

func TestShellAnAffinityMeetsItsOwnWarmTabAgain(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		first := mustGet(t, p, "a")
		if first.Reused() || first.Page() == nil || first.Context().Err() != nil {
			t.Errorf("a first lease: reused %v, page %v, context %v", first.Reused(), first.Page(),
				first.Context().Err())
		}
		if v := first.Context().Value(tabValue("of")); v != "tab" {
			t.Errorf("the lease's context has value %v, want the tab's", v)
		}
		first.Release()
		wantEnded(t, first, pool.ErrReleased)
		second := mustGet(t, p, "a")
		if !second.Reused() || second.TabID() != first.TabID() || second.Waits().Total() != 0 {
			t.Errorf("a second lease: reused %v, tab %s after %s, waits %v", second.Reused(), second.TabID(),
				first.TabID(), second.Waits())
		}
		other := mustGet(t, p, "b")
		if other.TabID() == second.TabID() || other.Reused() {
			t.Errorf("another affinity got %s, reused %v", other.TabID(), other.Reused())
		}
		second.Release()
		other.Release()
	})
}

func TestShellTheWaitForAStartIsReported(t *testing.T) {
	stub := new(shellStub)
	stub.script("launch", lasts(time.Second))
	stub.script("new-tab", lasts(300*time.Millisecond))
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		l := mustGet(t, p, "a")
		if w := l.Waits(); w.Total() != 1300*time.Millisecond || w.Startup != 300*time.Millisecond {
			t.Errorf("waits are %v, want 1.3s in all and 300ms of startup", w)
		}
		l.Release()
	})
}

func TestShellACallerThatGivesUpIsGoneAtOnce(t *testing.T) {
	inShell(t, pool.Config{MaxPages: 1}, new(shellStub), func(t *testing.T, p *shellPool) {
		held := mustGet(t, p, "a")
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		_, err := p.GetPage(ctx, "b")
		wantIs(t, err, context.DeadlineExceeded)
		wantText(t, err, `pool: GetPage "b" after 7s`, "admission 7s")
		var e *pool.Error
		if !errors.As(err, &e) || e.Op != "GetPage" || e.Affinity != "b" ||
			e.Waits.Admission != 7*time.Second {
			t.Errorf("the error is %#v", e)
		}
		if s := p.Stats(); s.Waiting != 0 || len(s.Affinities) != 1 {
			t.Errorf("%d wait, affinities %v: want nobody and nothing of b", s.Waiting, s.Affinities)
		}
		held.Release()
	})
}

func TestShellACancelsCauseIsPassedOn(t *testing.T) {
	mine := errors.New("the visitor left")
	inShell(t, pool.Config{MaxPages: 1}, new(shellStub), func(t *testing.T, p *shellPool) {
		held := mustGet(t, p, "a")
		ctx, cancel := context.WithCancelCause(t.Context())
		a := ask(ctx, p, "b")
		cancel(mine)
		<-a.done
		wantIs(t, a.err, mine, context.Canceled)
		held.Release()
	})
}

func TestShellACtxThatHasEndedRegistersNothing(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		mustWarm(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l, err := p.GetPage(ctx, "a")
		wantIs(t, err, context.Canceled)
		if s := p.Stats(); l != nil || s.Counters.Grants+s.Counters.Refusals != 0 {
			t.Errorf("lease %v, counters %+v: want nothing", l, s.Counters)
		}
	})
}

// A grant and a cancel at the same moment: the core says who wins, and either way the caller knows.
func TestShellACancelAgainstAGrantLosesNoTab(t *testing.T) {
	inShell(t, pool.Config{MaxPages: 1}, new(shellStub), func(t *testing.T, p *shellPool) {
		granted, refused := 0, 0
		for i := range 200 {
			held := mustGet(t, p, "a")
			ctx, cancel := context.WithCancel(t.Context())
			a := ask(ctx, p, "a")
			start := make(chan struct{})
			go func() { <-start; cancel() }()
			go func() { <-start; held.Release() }()
			if i%2 == 0 {
				runtime.Gosched()
			}
			close(start)
			<-a.done
			if a.err == nil {
				granted++
				a.lease.Release()
			} else {
				refused++
				wantIs(t, a.err, context.Canceled)
			}
			synctest.Wait()
			if s := p.Stats(); s.Leases != 0 || s.Waiting != 0 {
				t.Fatalf("round %d: %d leases and %d waiting are left", i, s.Leases, s.Waiting)
			}
		}
		t.Logf("%d granted, %d refused", granted, refused)
	})
}

func TestShellASecondReleaseDoesNothing(t *testing.T) {
	inShell(t, pool.Config{MaxPages: 1}, new(shellStub), func(t *testing.T, p *shellPool) {
		first := mustGet(t, p, "a")
		first.Release()
		second := mustGet(t, p, "a")
		first.Release()
		first.Suspect()
		if err := second.Context().Err(); err != nil {
			t.Errorf("the next holder's lease ended with %v", err)
		}
		if s := p.Stats(); s.Leases != 1 || s.Tabs.Leased != 1 {
			t.Errorf("%d leases on %+v, want one", s.Leases, s.Tabs)
		}
		second.Release()
	})
}

func TestShellALeaseHeldPastItsLimitEnds(t *testing.T) {
	cfg := pool.Config{MaxPages: 1, MaxLease: 10 * time.Second}
	inShell(t, cfg, new(shellStub), func(t *testing.T, p *shellPool) {
		l := mustGet(t, p, "a")
		ctx := l.Context()
		next := ask(t.Context(), p, "b")
		after(10*time.Second - 1)
		if ctx.Err() != nil || !next.waits() {
			t.Fatal("the lease ended before its limit")
		}
		after(1)
		if cause := context.Cause(ctx); cause != pool.ErrLeaseExpired {
			t.Errorf("the cause is %v, want ErrLeaseExpired", cause)
		}
		<-next.done
		if next.err != nil || next.lease.TabID() == l.TabID() {
			t.Fatalf("the next holder got %v, %v", next.lease, next.err)
		}
		l.Release() // late, and without effect
		l.Discard(nil)
		if s := p.Stats(); s.Leases != 1 || s.Counters.Expired != 1 || next.lease.Context().Err() != nil {
			t.Errorf("leases %d, expired %d: the late release did something", s.Leases, s.Counters.Expired)
		}
		next.lease.Release()
	})
}

func TestShellAContextAskedForAfterTheEndHasEnded(t *testing.T) {
	inShell(t, pool.Config{MaxLease: 10 * time.Second}, new(shellStub),
		func(t *testing.T, p *shellPool) {
			released, expired, crashed := mustGet(t, p, "a"), mustGet(t, p, "b"), mustGet(t, p, "c")
			released.Release()
			crashed.Page().crash()
			after(11 * time.Second)
			wantEnded(t, released, pool.ErrReleased)
			wantEnded(t, expired, pool.ErrLeaseExpired)
			wantEnded(t, crashed, pool.ErrPageCrashed)
			if v := released.Context().Value(tabValue("of")); v != "tab" {
				t.Errorf("an ended context has lost its values: %v", v)
			}
		})
}

func TestShellAnAffinityOutsideItsRuleIsAnError(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		for _, key := range []string{"", strings.Repeat("x", 1<<20), strings.Repeat("x", 4097)} {
			_, err := p.GetPage(t.Context(), key)
			wantText(t, err, "1 to 4096 bytes")
			wantText(t, p.DisposeAffinity(t.Context(), key), "1 to 4096 bytes")
			if len(err.Error()) > 300 {
				t.Errorf("the error for a key of %d bytes has %d itself", len(key), len(err.Error()))
			}
		}
		mustGet(t, p, strings.Repeat("x", 4096)).Release()
		mustGet(t, p, "\x00\xff").Release()
	})
}

func TestShellAPriorityThatDoesNotFitIsAnError(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("every priority fits on this machine")
	}
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		_, err := p.GetPage(t.Context(), "a", pool.WithPriority(math.MaxInt32+1))
		wantText(t, err, "2147483648")
	})
}

func TestShellHigherPriorityIsServedFirst(t *testing.T) {
	inShell(t, pool.Config{MaxPages: 1}, new(shellStub), func(t *testing.T, p *shellPool) {
		held := mustGet(t, p, "a")
		low, high := ask(t.Context(), p, "b"), ask(t.Context(), p, "c", pool.WithPriority(5))
		if s := p.Stats(); s.Waiting != 2 || s.Affinities[2].MaxWaitingPriority != 5 {
			t.Errorf("waiting %d, %+v", s.Waiting, s.Affinities)
		}
		held.Release()
		<-high.done
		if !low.waits() {
			t.Fatal("the lower priority was served first")
		}
		high.lease.Release()
		<-low.done
		low.lease.Release()
	})
}

func TestShellANestedRequestIsServedWhileItsOuterLeaseIsHeld(t *testing.T) {
	inShell(t, pool.Config{MaxPages: 1}, new(shellStub), func(t *testing.T, p *shellPool) {
		outer := mustGet(t, p, "a")
		inner := mustGet(t, p, "a", pool.Nested())
		if inner.TabID() == outer.TabID() {
			t.Error("the nested lease is on its outer lease's tab")
		}
		inner.Release()
		outer.Release()
	})
}

func TestShellADisposalWaitsUntilTheOldGenerationIsGone(t *testing.T) {
	stub := new(shellStub)
	stub.script("close", lasts(time.Second))
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		held := mustGet(t, p, "a")
		disposed := make(chan error, 1)
		go func() { disposed <- p.DisposeAffinity(t.Context(), "a") }()
		synctest.Wait()
		if warm := p.WarmAffinities(); len(warm) != 0 {
			t.Errorf("warm in the step of the disposal: %v", warm)
		}
		fresh := mustGet(t, p, "a")
		held.Release()
		after(time.Second - 1)
		select {
		case <-disposed:
			t.Fatal("the disposal ended before the close was confirmed")
		default:
		}
		if err := <-disposed; err != nil {
			t.Error(err)
		}
		if fresh.Context().Err() != nil || fresh.TabID() == held.TabID() {
			t.Error("the disposal touched the next generation")
		}
		fresh.Release()
	})
}

func TestShellADisposalGoesOnWithoutItsCaller(t *testing.T) {
	stub := new(shellStub)
	stub.script("close", lasts(time.Second))
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Release()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantIs(t, p.DisposeAffinity(ctx, "a"), context.Canceled)
		if s := p.Stats(); s.Tabs.Closing != 1 {
			t.Errorf("tabs %+v: the disposal did not begin", s.Tabs)
		}
		mustGet(t, p, "b").Release()
		if err := p.DisposeAffinity(t.Context(), "b", pool.NoWait()); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Tabs.Closing != 2 {
			t.Errorf("tabs %+v: want two closing", s.Tabs)
		}
		for range 50 { // an answer at once wins over a ctx that has ended, every time
			if err := p.DisposeAffinity(ctx, "unknown"); err != nil {
				t.Fatalf("an unknown affinity: %v", err)
			}
		}
		after(time.Second)
		if s := p.Stats(); s.Tabs.Closing != 0 || len(s.Affinities) != 0 {
			t.Errorf("tabs %+v, affinities %v: want nothing of them", s.Tabs, s.Affinities)
		}
	})
}

func TestShellALeaseMayHaveALimitOfItsOwn(t *testing.T) {
	inShell(t, pool.Config{MaxLease: 10 * time.Second}, new(shellStub),
		func(t *testing.T, p *shellPool) {
			short, err := p.GetPage(t.Context(), "a", pool.WithMaxLease(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			long, err := p.GetPage(t.Context(), "b", pool.WithMaxLease(pool.Off))
			if err != nil {
				t.Fatal(err)
			}
			after(time.Second)
			if cause := context.Cause(short.Context()); !errors.Is(cause, pool.ErrLeaseExpired) {
				t.Errorf("after its limit: %v", cause)
			}
			after(time.Minute)
			if err := long.Context().Err(); err != nil {
				t.Errorf("a lease without a limit: %v", err)
			}
			long.Release()
			_, err = p.GetPage(t.Context(), "a", pool.WithMaxLease(0))
			wantText(t, err, "WithMaxLease(0s): want more than 0, or Off")
		})
}

func TestShellOneMoreThanMaxWaitingIsRefusedAtOnce(t *testing.T) {
	inShell(t, pool.Config{MaxPages: 1, MaxWaiting: 1}, new(shellStub),
		func(t *testing.T, p *shellPool) {
			held := mustGet(t, p, "a")
			waiting := ask(t.Context(), p, "b")
			if _, err := p.GetPage(t.Context(), "c"); !errors.Is(err, pool.ErrQueueFull) {
				t.Errorf("got %v, want ErrQueueFull", err)
			}
			nested, err := p.GetPage(t.Context(), "c", pool.Nested())
			if err != nil {
				t.Fatalf("the queue of nested work is another: %v", err)
			}
			nested.Release()
			held.Release()
			<-waiting.done
			if waiting.err != nil {
				t.Fatal(waiting.err)
			}
			waiting.lease.Release()
		})
}

func TestShellEvictIdleClosesWhatNobodyHasUsedForThatLong(t *testing.T) {
	inShell(t, pool.Config{MaxPages: 4}, new(shellStub), func(t *testing.T, p *shellPool) {
		mustGet(t, p, "b").Release()
		mustGet(t, p, "a").Release()
		held := mustGet(t, p, "c")
		after(30 * time.Second)
		mustGet(t, p, "d").Release()
		keys, err := p.EvictIdle(30 * time.Second)
		if err != nil || !slices.Equal(keys, []string{"a", "b"}) {
			t.Errorf("got %q, %v, want a and b", keys, err)
		}
		if warm := p.WarmAffinities(); !slices.Equal(warm, []string{"c", "d"}) {
			t.Errorf("warm after it: %q", warm)
		}
		held.Release()
		if keys, err = p.EvictIdle(0); err != nil || len(keys) != 2 {
			t.Errorf("everything that is idle: %q, %v", keys, err)
		}
		if keys, err = p.EvictIdle(0); err != nil || keys == nil || len(keys) != 0 {
			t.Errorf("nothing is left: %q, %v", keys, err)
		}
		_, err = p.EvictIdle(-time.Second)
		wantText(t, err, "maxIdle is -1s; want 0 or more")
	})
}

func TestShellEvictIdleNamesAnAffinityOfWhichAnOrphanIsLeft(t *testing.T) {
	cfg := pool.Config{MaxPages: 2, More: pool.More{OrphanCap: 1}}
	inShell(t, cfg, new(shellStub), func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Discard(nil)
		synctest.Wait()
		if s := p.Stats(); s.Orphans != 1 || len(p.WarmAffinities()) != 0 {
			t.Fatalf("%d orphans, and %q are warm", s.Orphans, p.WarmAffinities())
		}
		after(time.Minute)
		if keys, err := p.EvictIdle(time.Second); err != nil || !slices.Equal(keys, []string{"a"}) {
			t.Errorf("got %q, %v, want a, whose orphan is closed", keys, err)
		}
		synctest.Wait()
		if s := p.Stats(); s.Orphans != 0 {
			t.Errorf("%d orphans are left", s.Orphans)
		}
	})
}

// The sweep of one affinity, whose context is kept, may end the orphan of another that was used
// since. EvictIdle does not name that one.
func TestShellEvictIdleNamesNobodyWhoseOrphanMakesRoom(t *testing.T) {
	cfg := pool.Config{MaxPages: 2, More: pool.More{OrphanCap: 1, RetainOnEvict: true}}
	inShell(t, cfg, new(shellStub), func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Release()
		after(time.Minute)
		mustGet(t, p, "b").Discard(nil)
		synctest.Wait()
		if s := p.Stats(); s.Orphans != 1 {
			t.Fatalf("%d orphans, want that of b", s.Orphans)
		}
		if keys, err := p.EvictIdle(time.Minute); err != nil || !slices.Equal(keys, []string{"a"}) {
			t.Errorf("got %q, %v, want a alone: b was used a moment ago", keys, err)
		}
		synctest.Wait()
		// Whether that of a is kept depends on which of two closes is answered first.
		ofB := func(a pool.AffinityStats) bool { return a.Key == "b" }
		if slices.ContainsFunc(p.Stats().Affinities, ofB) {
			t.Error("the orphan of b has made no room")
		}
	})
}

func TestShellATabIsRetiredAfterItsUsesAndItsAge(t *testing.T) {
	cfg := pool.Config{
		MaxPages: 1,
		Retire:   pool.Retire{MaxUses: 2, MaxAge: time.Hour, MaxAgeJitter: time.Minute},
	}
	inShell(t, cfg, new(shellStub), func(t *testing.T, p *shellPool) {
		first := mustGet(t, p, "a")
		first.Release()
		second := mustGet(t, p, "a")
		second.Release()
		third := mustGet(t, p, "a")
		if second.TabID() != first.TabID() || third.TabID() == first.TabID() {
			t.Errorf("tabs %s, %s, %s: want the third lease on another", first.TabID(), second.TabID(),
				third.TabID())
		}
		third.Release()
		after(time.Hour + time.Minute + time.Second)
		if fourth := mustGet(t, p, "a"); fourth.TabID() == third.TabID() {
			t.Errorf("%s is older than its MaxAge", fourth.TabID())
		}
	})
}

func TestShellStatsAreOneMoment(t *testing.T) {
	stub := new(shellStub)
	stub.script("close", lasts(100*time.Millisecond))
	inShell(t, pool.Config{MaxPages: 3}, stub, func(t *testing.T, p *shellPool) {
		mustWarm(t, p)
		if s := p.Stats(); s.Capacity != 3 || s.Tabs != (pool.TabCounts{Standby: 3}) || s.Contexts != 3 ||
			len(s.Affinities) != 0 {
			t.Errorf("a warm pool: %+v", s)
		}
		b, a1 := mustGet(t, p, "b"), mustGet(t, p, "a")
		a2 := mustGet(t, p, "a")
		wait := ask(t.Context(), p, "c", pool.WithPriority(-2))
		s := p.Stats()
		want := []pool.AffinityStats{
			{Key: "a", Generation: 2, PageCount: 1, Tabs: 2, Supplementary: 1},
			{Key: "b", Generation: 1, PageCount: 1, Tabs: 1},
			{Key: "c", Waiting: 1, MaxWaitingPriority: -2},
		}
		if !slices.Equal(s.Affinities, want) || s.Leases != 3 || s.Waiting != 1 || s.Tabs.Leased != 3 ||
			s.Tabs.Alive() != s.Contexts {
			t.Errorf("under load: %+v", s)
		}
		a2.Discard(nil)
		a1.Release()
		<-wait.done
		wait.lease.Release()
		b.Release()
		s = p.Stats()
		if c := s.Counters; c.Grants != 4 || c.Adoptions != 4 || c.Reuses != 0 || c.Closes == 0 ||
			c.BrowserStarts != 1 || c.Opens < 4 {
			t.Errorf("counters: %+v", c)
		}
		if warm := p.WarmAffinities(); !slices.Equal(warm, []string{"a", "b", "c"}) {
			t.Errorf("warm: %v", warm)
		}
	})
}

package properties

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// What the shell says of the core: figures, and the log.

// orphaned leaves an orphan of the affinity a, and then has every close hang.
func orphaned(t *testing.T, p *shellPool, stub *shellStub) {
	t.Helper()
	mustGet(t, p, "a").Discard(nil)
	after(time.Second)
	if n := p.Stats().Orphans; n != 1 {
		t.Fatalf("%d orphans, want 1", n)
	}
	stub.script("close", hangs)
}

func TestShellALostContextIsCountedAndSoIsEveryRungToIt(t *testing.T) {
	stub := new(shellStub)
	inShell(t, pool.Config{MaxPages: 1}, stub, func(t *testing.T, p *shellPool) {
		held := mustGet(t, p, "b") // keeps the browser, which is replaced, until the test has looked
		held.Release()
		orphaned(t, p, stub)
		held = mustGet(t, p, "b")
		if err := p.DisposeAffinity(t.Context(), "a", pool.NoWait()); err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			after         time.Duration
			retries, lost uint64
		}{
			{0, 0, 0},
			{5 * time.Second, 1, 0},
			{2 * time.Second, 1, 1},
		} {
			after(want.after)
			s := p.Stats()
			if c := s.Counters; c.CloseRetries != want.retries || c.Lost != want.lost ||
				s.LostContexts != int(want.lost) || s.Lost != 0 {
				t.Errorf("%v later %d retries, %d counted as lost, %d contexts and %d tabs lost; want %d "+
					"retries, %d lost, and no tab",
					want.after, c.CloseRetries, c.Lost, s.LostContexts, s.Lost, want.retries, want.lost)
			}
		}
		stub.script("close", nil)
		held.Release()
		after(time.Minute)
		if s := p.Stats(); s.LostContexts != 0 || s.Counters.Lost != 1 {
			t.Errorf("its browser is gone: %d contexts are lost, %d were", s.LostContexts, s.Counters.Lost)
		}
	})
}

func TestShellALostTabIsCountedOnce(t *testing.T) {
	stub := new(shellStub)
	inShell(t, pool.Config{MaxPages: 2}, stub, func(t *testing.T, p *shellPool) {
		held := mustGet(t, p, "b")
		stub.script("close", hangs)
		stub.script("kill", hangs)
		mustGet(t, p, "a").Discard(nil)
		after(7*time.Second + time.Millisecond)
		if s := p.Stats(); s.Lost != 1 || s.LostContexts != 0 || s.Counters.Lost != 1 ||
			s.Counters.Kills != 1 {
			t.Errorf("%d tabs and %d contexts are lost, counted %d after %d kills", s.Lost, s.LostContexts,
				s.Counters.Lost, s.Counters.Kills)
		}
		stub.script("close", nil)
		held.Release()
	})
}

func TestShellStatsSayWhatTheirCommentsSay(t *testing.T) {
	stub := new(shellStub)
	stub.script("reset", lasts(time.Second))
	inShell(t, pool.Config{MaxPages: 2, Reset: true}, stub, func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Release()
		want := []pool.AffinityStats{{Key: "a", Generation: 1, PageCount: 1, Tabs: 1}}
		if s := p.Stats(); !slices.Equal(s.Affinities, want) || s.Tabs.Resetting != 1 {
			t.Errorf("while its tab is reset: %+v", s)
		}
		after(2 * time.Second)
		want[0].Idle = 1
		if s := p.Stats(); !slices.Equal(s.Affinities, want) {
			t.Errorf("when it was reset: %+v", s.Affinities)
		}
		orphaned(t, p, stub)
		want[0] = pool.AffinityStats{Key: "a"}
		if s := p.Stats(); !slices.Equal(s.Affinities, want) || len(p.WarmAffinities()) != 0 {
			t.Errorf("with an orphan alone: %+v", s.Affinities)
		}
		if err := p.DisposeAffinity(t.Context(), "a", pool.NoWait()); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		if s := p.Stats(); !slices.Equal(s.Affinities, want) || s.Orphans != 0 {
			t.Errorf("with a closing context alone: %+v", s.Affinities)
		}
		before := p.Stats()
		stub.browser(0).die()
		after(time.Second)
		s := p.Stats()
		if s.Counters.Closes != before.Counters.Closes || s.Counters.Opens == before.Counters.Opens {
			t.Errorf("tabs that went with their browser are counted as closes: %+v, then %+v",
				before.Counters, s.Counters)
		}
	})
}

// logged is a pool's log, without what goes with a line.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) logger() *slog.Logger {
	return slog.New(asking{slog.DiscardHandler, func(line string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, line)
	}})
}

// givenUp returns what was given up, and forgets it.
func (l *logged) givenUp() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if what, ok := strings.CutPrefix(line, "operation given up: "); ok {
			lines = append(lines, what)
		}
	}
	l.lines = nil
	return lines
}

func TestShellTheLogSaysWhichLimitWasReached(t *testing.T) {
	stub, log := new(shellStub), new(logged)
	want := func(lines ...string) {
		t.Helper()
		if got := log.givenUp(); !slices.Equal(got, lines) {
			t.Errorf("the log has %q, want %q", got, lines)
		}
	}
	cfg := pool.Config{
		MaxPages: 1, Logger: log.logger(),
		Timeouts: pool.Timeouts{StallTimeout: pool.Off},
	}
	inShell(t, cfg, stub, func(t *testing.T, p *shellPool) {
		warm := mustGet(t, p, "a")
		warm.Release()
		after(time.Minute)
		stub.script("probe", hangs)
		a := ask(t.Context(), p, "a")
		after(5 * time.Second)
		want("probing "+warm.TabID()+" took longer than ProbeBudget (3s)",
			"probing "+warm.TabID()+" took longer than half of RescueTimeout (250ms)",
			"probing and rescuing "+warm.TabID()+" took longer than RescueTimeout (500ms)")

		stub.script("rescue", hangs)
		<-a.done
		a.lease.Suspect()
		after(time.Second)
		want("probing "+a.lease.TabID()+" took longer than half of RescueTimeout (250ms)",
			"probing and rescuing "+a.lease.TabID()+" took longer than RescueTimeout (500ms)")
	})

	stub = new(shellStub)
	inShell(t, cfg, stub, func(t *testing.T, p *shellPool) {
		mustGet(t, p, "b").Release()
		orphaned(t, p, stub)
		held := mustGet(t, p, "b")
		log.givenUp()
		if err := p.DisposeAffinity(t.Context(), "a", pool.NoWait()); err != nil {
			t.Fatal(err)
		}
		after(5 * time.Second)
		after(2 * time.Second)
		lines := log.givenUp()
		for i, limit := range []string{"CloseTimeout (5s)", "KillTimeout (2s)"} {
			if len(lines) != 2 || !strings.HasPrefix(lines[i], "closing c") ||
				!strings.HasSuffix(lines[i], " took longer than "+limit) {
				t.Errorf("the log has %q, want the closing of a context longer than CloseTimeout, and then "+
					"than KillTimeout", lines)
			}
		}
		stub.script("close", nil)
		held.Release()
	})
}

// A driver that is told to end an opening says that it was cancelled. That says nothing of why.
func TestShellARefusalNamesTheLimitThatAnOpeningReached(t *testing.T) {
	stub := new(shellStub)
	stub.script("new-tab", func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	})
	cfg := pool.Config{MaxPages: 1, More: pool.More{OpenRetries: 1}}
	inShell(t, cfg, stub, func(t *testing.T, p *shellPool) {
		_, err := p.GetPage(t.Context(), "a")
		wantIs(t, err, pool.ErrBrowserUnavailable)
		synctest.Wait()
		_, err = p.GetPage(t.Context(), "a")
		wantIs(t, err, pool.ErrBrowserUnavailable)
		wantText(t, err, "took longer than OpenTimeout (30s)")
	})
}

func TestShellSaturationIsLeasesAndWaitingRequestsOverCapacity(t *testing.T) {
	inShell(t, pool.Config{MaxPages: 2}, new(shellStub), func(t *testing.T, p *shellPool) {
		wants := func(want float64) {
			t.Helper()
			if got := p.Stats().Saturation; got != want {
				t.Errorf("saturation is %v, want %v", got, want)
			}
		}
		wants(0)
		first := mustGet(t, p, "a")
		wants(0.5)
		second := mustGet(t, p, "b")
		third := ask(t.Context(), p, "c")
		after(time.Second)
		wants(1.5)
		first.Release()
		second.Release()
		after(time.Second)
		third.lease.Release()
		wants(0)
	})
}

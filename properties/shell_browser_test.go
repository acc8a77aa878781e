package properties

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// The shell in a bubble of virtual time: launchers, browsers and tabs that misbehave, Close, and
// those who listen.

var errNoChrome = errors.New("chrome: not found on the PATH")

func TestShellALauncherThatFailsIsReportedWithItsError(t *testing.T) {
	stub := new(shellStub)
	stub.script("launch", fails(errNoChrome))
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		_, err := p.GetPage(t.Context(), "a")
		wantIs(t, err, pool.ErrBrowserUnavailable, errNoChrome)
		wantText(t, err, "the browser opens no tab: launching a browser: chrome: not found")
		wantIs(t, p.Warm(t.Context()), pool.ErrBrowserUnavailable, errNoChrome)
		if n := stub.called("launch"); n < 3 {
			t.Errorf("%d launches: OpenRetries is 3", n)
		}
		stub.script("launch", nil)
		mustGet(t, p, "a").Release()
	})
}

func TestShellALauncherThatReturnsNothingHasFailed(t *testing.T) {
	var typedNil *shellBrowser
	for _, nothing := range []pool.Browser[*shellPage]{nil, typedNil} {
		stub := &shellStub{launched: func() (pool.Browser[*shellPage], error) { return nothing, nil }}
		inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
			_, err := p.GetPage(t.Context(), "a")
			wantIs(t, err, pool.ErrBrowserUnavailable)
			wantText(t, err, "neither a browser nor an error")
		})
	}
}

func TestShellALaunchThatHangsIsGivenUp(t *testing.T) {
	stub := new(shellStub)
	stub.script("launch", hangs)
	inShell(t, pool.Config{OpenRetries: 1}, stub, func(t *testing.T, p *shellPool) {
		began := time.Now()
		_, err := p.GetPage(t.Context(), "a")
		wantIs(t, err, pool.ErrBrowserUnavailable)
		wantText(t, err, "launching browser b1 took longer than LaunchTimeout (30s)")
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestShellABrowserThatComesAfterItWasWrittenOffIsClosed(t *testing.T) {
	stub := new(shellStub)
	stub.script("launch", stub.firstStuck)
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		l := mustGet(t, p, "a") // from the second launch
		close(stub.gate)
		synctest.Wait()
		if stub.called("launch") != 2 || stub.called("close-browser") != 1 || stub.browser(1).gone() == nil {
			t.Errorf("launches %d, closes %d: want the late browser closed", stub.called("launch"), stub.called("close-browser"))
		}
		if l.Context().Err() != nil {
			t.Error("the late browser's end touched a lease of the other")
		}
		l.Release()
	})
}

func TestShellALaunchThatNeverReturnsIsNamedByClose(t *testing.T) {
	stub := new(shellStub)
	stub.script("launch", stub.stuck)
	synctest.Test(t, func(t *testing.T) {
		clock := new(countingClock)
		stub.gate = make(chan struct{})
		p, err := pool.New(stub, pool.Config{Clock: clock, Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		a := ask(t.Context(), p, "a")
		began := time.Now()
		closed := make(chan error)
		for range 2 {
			go func() { closed <- p.Close(t.Context()) }()
		}
		for range 2 {
			wantText(t, <-closed, "pool: Close: browser b1 was written off: its launch has not returned")
		}
		wantText(t, p.Close(t.Context()), "browser b1")
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Close took %v, and BrowserCloseTimeout is 5s", took)
		}
		<-a.done
		wantIs(t, a.err, pool.ErrClosed)
		close(stub.gate) // What it brings now is closed all the same.
		checkNothingLeft(t, stub, clock)
	})
}

func TestShellNewNamesEverySettingOutsideItsRule(t *testing.T) {
	p, err := pool.New(new(shellStub), pool.Config{
		MaxPages: -3, CloseGrace: time.Minute, MaxWaiting: -1, RecorderEvents: 1 << 40,
	})
	wantText(t, err, "pool: New: ", "MaxPages=", "-3", "CloseGrace=1m0s", "MaxWaiting=", "RecorderEvents=1099511627776")
	if p != nil {
		t.Error("there is a pool besides the error")
	}
}

func TestShellANilLauncherIsAnError(t *testing.T) {
	var typedNil *shellStub
	for _, launcher := range []pool.Launcher[*shellPage]{nil, typedNil} {
		p, err := pool.New(launcher, pool.Config{})
		wantText(t, err, "the launcher is a nil")
		if p != nil {
			t.Error("there is a pool besides the error")
		}
	}
}

func TestShellCloseWaitsForLeasesUntilItsCtxEnds(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		patient, stubborn := mustGet(t, p, "a"), mustGet(t, p, "b")
		held := patient.Context()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(ctx) }()
		synctest.Wait()
		_, err := p.GetPage(t.Context(), "a")
		wantIs(t, err, pool.ErrClosed)
		wantIs(t, p.Warm(t.Context()), pool.ErrClosed)
		mustGet(t, p, "a", pool.Nested()).Release()
		after(9 * time.Second)
		if held.Err() != nil {
			t.Error("the lease ended before Close's ctx")
		}
		patient.Release()
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
		wantEnded(t, patient, pool.ErrReleased)
		wantEnded(t, stubborn, pool.ErrClosed)
		stubborn.Release()
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("Close again: %v", err)
		}
		_, err = p.GetPage(t.Context(), "a", pool.Nested())
		wantIs(t, err, pool.ErrClosed)
		if s := p.Stats(); s.Tabs.Alive() != 0 || s.Leases != 0 || len(p.WarmAffinities()) != 0 {
			t.Errorf("a closed pool: %+v", s)
		}
		if err := p.DisposeAffinity(t.Context(), "a"); err != nil {
			t.Errorf("a disposal after Close: %v", err)
		}
	})
}

// P-1: whatever the opening does, Close ends.
func TestShellCloseEndsWhileATabIsBeingOpened(t *testing.T) {
	for name, opening := range map[string]func(context.Context, int) error{
		"that obeys":    hangs,
		"that succeeds": lasts(20 * time.Millisecond),
		"that fails late": func(ctx context.Context, n int) error {
			return errors.Join(lasts(20*time.Millisecond)(context.Background(), n), errDriver)
		},
	} {
		for _, operation := range []string{"new-context", "new-tab"} {
			t.Run(operation+" "+name, func(t *testing.T) {
				stub := new(shellStub)
				stub.script(operation, opening)
				stub.script("close-browser", lasts(10*time.Millisecond))
				inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
					synctest.Wait()
					if s := p.Stats(); s.Tabs.Opening != 4 {
						t.Fatalf("tabs %+v: want four opening", s.Tabs)
					}
					if err := p.Close(t.Context()); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
			})
		}
	}
}

func TestShellCloseEndsWhileTheBrowserIsBeingLaunched(t *testing.T) {
	for name, launch := range map[string]func(context.Context, int) error{
		"and obeys": hangs,
		"and comes": func(context.Context, int) error { return lasts(time.Second)(context.Background(), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			stub := new(shellStub)
			stub.script("launch", launch)
			inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
				synctest.Wait()
				if err := p.Close(t.Context()); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

func TestShellABrowserThatDoesNotEndIsAskedByForceThenWrittenOff(t *testing.T) {
	stub := new(shellStub)
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		mustWarm(t, p)
		began := time.Now()
		stub.script("close-browser", func(ctx context.Context, _ int) error {
			<-ctx.Done()
			if took := time.Since(began); took != 2500*time.Millisecond {
				t.Errorf("asked by force after %v, want half of BrowserCloseTimeout", took)
			}
			return errors.New("it will not die")
		})
		wantText(t, p.Close(t.Context()), "browser b1 was written off: it did not end in time")
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Close took %v", took)
		}
		stub.browser(0).die()
	})
}

func TestShellADriverThatKeepsACallPastItsBrowsersEndDoesNotKeepClose(t *testing.T) {
	stub := new(shellStub)
	stub.script("new-context", stub.stuck)
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		synctest.Wait()
		wantText(t, p.Close(t.Context()), "4 calls into the driver have not returned")
		close(stub.gate)
	})
}

func TestShellABrowserKilledUnderLoadEndsItsLeasesAndServesThoseWhoWait(t *testing.T) {
	stub := new(shellStub)
	stub.script("launch", lasts(300*time.Millisecond))
	inShell(t, pool.Config{MaxPages: 2}, stub, func(t *testing.T, p *shellPool) {
		a, b := mustGet(t, p, "a"), mustGet(t, p, "b")
		held := a.Context()
		c, d := ask(t.Context(), p, "c"), ask(t.Context(), p, "d")
		if !c.waits() || !d.waits() {
			t.Fatal("there is no load")
		}
		stub.browser(0).die()
		synctest.Wait()
		if cause := context.Cause(held); cause != pool.ErrBrowserLost {
			t.Errorf("the holder was told %v, want ErrBrowserLost", cause)
		}
		wantEnded(t, b, pool.ErrBrowserLost)
		if warm := p.WarmAffinities(); len(warm) != 0 {
			t.Errorf("warm without a browser: %v", warm)
		}
		began := time.Now()
		<-c.done
		<-d.done
		if c.err != nil || d.err != nil || time.Since(began) != 300*time.Millisecond {
			t.Errorf("those who wait got %v and %v after %v", c.err, d.err, time.Since(began))
		}
		a.Release()
		b.Discard(nil)
		c.lease.Release()
		d.lease.Release()
	})
}

func TestShellACrashEndsItsLeaseAndNoOther(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		a, b := mustGet(t, p, "a"), mustGet(t, p, "a")
		a.Page().crash()
		wantEnded(t, a, pool.ErrPageCrashed)
		if b.Context().Err() != nil {
			t.Error("a sibling's lease ended too")
		}
		if s := p.Stats(); s.Counters.Crashes != 1 || s.Leases != 1 {
			t.Errorf("crashes %d, leases %d", s.Counters.Crashes, s.Leases)
		}
		b.Release()
		next := mustGet(t, p, "a")
		if next.TabID() != b.TabID() {
			t.Errorf("the next lease is on %s, want the healthy sibling %s", next.TabID(), b.TabID())
		}
		next.Release()
	})
}

func TestShellACloseThatHangsIsKilledAndDelaysNobody(t *testing.T) {
	stub := new(shellStub)
	inShell(t, pool.Config{MaxPages: 2}, stub, func(t *testing.T, p *shellPool) {
		mustWarm(t, p)
		stub.script("close", func(ctx context.Context, n int) error {
			if n == 1 {
				return hangs(ctx, n)
			}
			return nil
		})
		began := time.Now()
		mustGet(t, p, "a").Discard(pool.ErrWedged)
		for _, key := range []string{"b", "c", "d"} {
			mustGet(t, p, key).Release()
		}
		if took := time.Since(began); took > 300*time.Millisecond {
			t.Errorf("others waited %v for a close that hangs", took)
		}
		after(5 * time.Second)
		if s := p.Stats(); stub.called("kill") != 1 || s.Tabs.Closing != 0 || s.Counters.Kills != 1 {
			t.Errorf("kills %d, tabs %+v: want one kill and nothing closing", stub.called("kill"), s.Tabs)
		}
	})
}

func TestShellATabThatNothingEndsIsLostAndItsBrowserGoesWithTheLast(t *testing.T) {
	stub := new(shellStub)
	stub.script("close", hangs)
	stub.script("kill", fails(errDriver))
	inShell(t, pool.Config{MaxPages: 1}, stub, func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Discard(nil)
		after(7 * time.Second) // CloseTimeout and KillTimeout
		if s := p.Stats(); s.Counters.Lost != 1 || stub.called("close-browser") != 1 {
			t.Errorf("lost %d, browser closes %d: want one each", s.Counters.Lost, stub.called("close-browser"))
		}
		mustGet(t, p, "a").Release()
		stub.script("close", nil)
	})
}

func TestShellWhatALateOpeningBringsIsClosed(t *testing.T) {
	for _, operation := range []string{"new-context", "new-tab"} {
		t.Run(operation, func(t *testing.T) {
			stub := new(shellStub)
			stub.script(operation, stub.firstStuck)
			inShell(t, pool.Config{MaxPages: 1}, stub, func(t *testing.T, p *shellPool) {
				after(30 * time.Second)
				if s := p.Stats(); s.Counters.OpenFailures != 1 {
					t.Errorf("counters %+v: the opening was not given up", s.Counters)
				}
				close(stub.gate)
				after(time.Second)
				stub.mu.Lock()
				alive, most := stub.mu.contexts, stub.mu.most
				stub.mu.Unlock()
				if s := p.Stats(); s.Tabs.Closing != 0 || alive != s.Tabs.Alive() || most > 2 {
					t.Errorf("tabs %+v, %d contexts alive, %d at most", s.Tabs, alive, most)
				}
			})
		})
	}
}

func TestShellAnOpeningThatFailsIsTriedAgain(t *testing.T) {
	for _, operation := range []string{"new-context", "new-tab"} {
		t.Run(operation, func(t *testing.T) {
			stub := new(shellStub)
			stub.script(operation, func(_ context.Context, n int) error {
				if n <= 2 {
					return errDriver
				}
				return nil
			})
			inShell(t, pool.Config{MaxPages: 1}, stub, func(t *testing.T, p *shellPool) {
				mustGet(t, p, "a").Release()
			})
			stub = new(shellStub)
			stub.script(operation, fails(errDriver))
			inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
				_, err := p.GetPage(t.Context(), "a")
				wantIs(t, err, pool.ErrBrowserUnavailable, errDriver)
			})
		})
	}
}

func TestShellEveryOperationCarriesANumberOfItsOwn(t *testing.T) {
	stub := new(shellStub)
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		mustWarm(t, p)
		mustGet(t, p, "a").Discard(nil)
		synctest.Wait()
	})
	if a, b := stub.mu.ids["new-context"], stub.mu.ids["new-tab"]; !slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))) {
		t.Errorf("a context and its tab are one operation, and these are %v and %v", a, b)
	}
	seen := map[uint64]string{0: "none"}
	for _, operation := range []string{"launch", "new-tab", "close", "close-browser"} {
		for _, id := range stub.mu.ids[operation] {
			if other, twice := seen[id]; twice {
				t.Errorf("%s has number %d, which %s has", operation, id, other)
			}
			seen[id] = operation
		}
	}
}

// listener keeps what it is told.
type listener struct {
	mu   sync.Mutex
	told []pool.Announcement
}

func (l *listener) tell(a pool.Announcement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, a)
}

func warmed(key string, generation uint64) pool.Announcement {
	return pool.Announcement{Affinity: key, Generation: generation, Warm: true}
}

func cooled(key string, generation uint64) pool.Announcement {
	return pool.Announcement{Affinity: key, Generation: generation}
}

func (l *listener) take() []pool.Announcement {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told
	l.told = nil
	return told
}

func TestShellASubscriberIsToldTheWarmSetAndThenEveryChangeInOrder(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		for _, key := range []string{"b", "a", "c"} {
			mustGet(t, p, key).Release()
		}
		var l listener
		cancel := p.Subscribe(l.tell)
		want := []pool.Announcement{warmed("a", 2), warmed("b", 1), warmed("c", 3)}
		if got := l.take(); !slices.Equal(got, want) {
			t.Errorf("the warm set is announced as %v, want %v", got, want)
		}
		for range 2 {
			if err := p.DisposeAffinity(t.Context(), "b"); err != nil {
				t.Fatal(err)
			}
			mustGet(t, p, "b").Release()
		}
		want = []pool.Announcement{cooled("b", 1), warmed("b", 4), cooled("b", 4), warmed("b", 5)}
		if got := l.take(); !slices.Equal(got, want) {
			t.Errorf("the changes are announced as %v, want %v", got, want)
		}
		cancel()
		cancel()
		mustGet(t, p, "d").Release()
		if got := l.take(); len(got) != 0 {
			t.Errorf("told after cancel: %v", got)
		}
	})
}

func TestShellASlowSubscriberHoldsUpNobodyAndIsToldEverything(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		var l listener
		p.Subscribe(func(a pool.Announcement) {
			<-time.After(time.Hour)
			l.tell(a)
		})
		began := time.Now()
		for range 20 {
			mustGet(t, p, "a").Discard(nil)
		}
		if err := p.Close(t.Context()); err != nil || time.Since(began) > time.Second {
			t.Errorf("20 leases and Close took %v, %v", time.Since(began), err)
		}
		after(50 * time.Hour)
		told := l.take()
		if len(told) != 40 {
			t.Fatalf("told %d changes, want 40", len(told))
		}
		for i, a := range told {
			if want := (pool.Announcement{Affinity: "a", Generation: uint64(i/2 + 1), Warm: i%2 == 0}); a != want {
				t.Errorf("change %d is %v, want %v", i, a, want)
			}
		}
	})
}

func TestShellASubscriberMayCancelAndAskFromWithin(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		var l listener
		var cancel func()
		ready := make(chan struct{})
		cancel = p.Subscribe(func(a pool.Announcement) {
			<-ready
			_ = p.Stats()
			l.tell(a)
			cancel()
		})
		close(ready)
		mustGet(t, p, "a").Release()
		mustGet(t, p, "b").Release()
		if got := l.take(); len(got) != 1 {
			t.Errorf("told %v, want the first alone", got)
		}
	})
}

// asking is a log handler that asks the pool something, as one that adds its state to a line would.
type asking struct {
	slog.Handler
	ask func(string)
}

func (h asking) Enabled(context.Context, slog.Level) bool { return true }

func (h asking) Handle(_ context.Context, r slog.Record) error {
	h.ask(r.Message)
	return nil
}

func TestShellALoggerMayAskThePool(t *testing.T) {
	var p *shellPool
	var mu sync.Mutex
	var lines []string
	cfg := pool.Config{MaxLease: 4 * time.Second, Logger: slog.New(asking{slog.DiscardHandler, func(line string) {
		_ = p.Stats()
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	}})}
	inShell(t, cfg, new(shellStub), func(t *testing.T, made *shellPool) {
		p = made
		mustGet(t, p, "a")
		after(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if !slices.Contains(lines, "lease ended without its holder") {
			t.Errorf("the log has %q", lines)
		}
	})
}

package properties

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// The shell in a bubble of virtual time: Close, and those who listen.

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
		wantIs(t, p.Ready(t.Context()), pool.ErrClosed)
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
		"and comes": func(context.Context, int) error {
			return lasts(time.Second)(context.Background(), 0)
		},
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

// The failure of that launch is the last that happens to the pool, and Close waits until it is
// written.
func TestShellCloseHasTheLastLineOfTheLogWritten(t *testing.T) {
	stub, log := new(shellStub), new(strings.Builder)
	stub.script("launch", hangs)
	cfg := pool.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}
	inShell(t, cfg, stub, func(t *testing.T, p *shellPool) {
		synctest.Wait()
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if want := `msg="browser launch failed" browser=b1`; !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in the log: %q", want, log)
		}
	})
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

func TestShellABrowsersWordThatItEndedIsEnough(t *testing.T) {
	stub := new(shellStub)
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		mustWarm(t, p)
		began := time.Now()
		stub.mu.Lock()
		stub.mu.silent = true // Close returns nil, and Done is not closed
		stub.mu.Unlock()
		if err := p.Close(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("Close took %v, %v", time.Since(began), err)
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

func TestShellALaunchThatNeverReturnsIsNamedByClose(t *testing.T) {
	stub := new(shellStub)
	stub.script("launch", stub.stuck)
	synctest.Test(t, func(t *testing.T) {
		clock := new(countingClock)
		stub.gate = make(chan struct{})
		p, err := pool.New(stub, pool.Config{More: pool.More{Clock: clock, Strict: true}})
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
		// a disposal takes one, too
		want = []pool.Announcement{cooled("b", 1), warmed("b", 5), cooled("b", 5), warmed("b", 7)}
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
			if want := (pool.Announcement{Affinity: "a", Generation: uint64(i/2 + 1), Warm: i%2 == 0}); a !=
				want {
				t.Errorf("change %d is %v, want %v", i, a, want)
			}
		}
	})
}

func TestShellACancelledSubscriberIsToldAtMostWhatWasOnItsWay(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		var l listener
		begun, goOn := make(chan struct{}, 10), make(chan struct{})
		cancel := p.Subscribe(func(a pool.Announcement) {
			begun <- struct{}{}
			<-goOn
			l.tell(a)
		})
		for _, key := range []string{"a", "b", "c"} {
			mustGet(t, p, key).Release()
		}
		<-begun
		cancel() // it does not wait for the call that is under way
		close(goOn)
		mustGet(t, p, "d").Release()
		if got := l.take(); !slices.Equal(got, []pool.Announcement{warmed("a", 1)}) {
			t.Errorf("told %v, want a alone, whose call had begun", got)
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

// A page that floods the browser's connection goes on with that after its lease, and its driver
// closes it whoever has it: nobody, or the pool, which asks whether it answers.
func TestShellAPageThatFloodsIsClosedAfterItsLease(t *testing.T) {
	for _, asked := range []bool{false, true} {
		stub := new(shellStub)
		if asked {
			stub.script("probe", lasts(time.Minute))
		}
		inShell(t, pool.Config{MaxPages: 1}, stub, func(t *testing.T, p *shellPool) {
			a := mustGet(t, p, "a")
			floods := a.Page()
			if asked {
				a.Suspect()
			} else {
				a.Release()
			}
			after(100 * time.Millisecond)
			if tabs := p.Stats().Tabs; asked != (tabs.Probing == 1) {
				t.Fatalf("asked is %v, and the tabs are %+v", asked, tabs)
			}
			floods.ends(fmt.Errorf("%w: it floods", pool.ErrPageClosed))
			after(time.Millisecond)
			next := mustGet(t, p, "a")
			if next.Page() == floods {
				t.Error("the next lease has the page that was closed")
			}
			if c := p.Stats().Counters; c.Crashes != 0 || c.PagesClosed != 1 || c.Rescues != 0 {
				t.Errorf("%d crashes, %d closed pages, %d rescues", c.Crashes, c.PagesClosed, c.Rescues)
			}
			next.Release()
		})
	}
}

// Who subscribes to a pool that is closed is told nothing, and nothing waits to tell him: a
// goroutine that did would keep the bubble from ending.
func TestShellASubscriberOfAClosedPoolEndsAtOnce(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Release()
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		var l listener
		p.Subscribe(l.tell)
		if got := l.take(); len(got) != 0 {
			t.Errorf("told %v of a closed pool", got)
		}
	})
}

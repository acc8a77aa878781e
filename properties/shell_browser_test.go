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

// The shell in a bubble of virtual time: launchers, browsers and tabs that misbehave.

var errNoChrome = errors.New("chrome: not found on the PATH")

func TestShellALauncherThatFailsIsReportedWithItsError(t *testing.T) {
	stub := new(shellStub)
	stub.script("launch", fails(errNoChrome))
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		_, err := p.GetPage(t.Context(), "a")
		wantIs(t, err, pool.ErrBrowserUnavailable, errNoChrome)
		wantText(t, err, "the browser opens no tab: launching a browser: chrome: not found")
		wantIs(t, p.Ready(t.Context()), pool.ErrBrowserUnavailable, errNoChrome)
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
	cfg := pool.Config{More: pool.More{OpenRetries: 1}}
	inShell(t, cfg, stub, func(t *testing.T, p *shellPool) {
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
		if stub.called("launch") != 2 || stub.called("close-browser") != 1 ||
			stub.browser(1).gone() == nil {
			t.Errorf("launches %d, closes %d: want the late browser closed", stub.called("launch"),
				stub.called("close-browser"))
		}
		if l.Context().Err() != nil {
			t.Error("the late browser's end touched a lease of the other")
		}
		l.Release()
	})
}

func TestShellNewNamesEverySettingOutsideItsRule(t *testing.T) {
	p, err := pool.New(new(shellStub), pool.Config{
		MaxPages: -3, Timeouts: pool.Timeouts{CloseGrace: time.Minute}, MaxWaiting: -1,
		More: pool.More{RecorderEvents: 1 << 40},
	})
	wantText(t, err, "pool: New: ", "MaxPages=", "-3", "CloseGrace=1m0s", "MaxWaiting=",
		"RecorderEvents=1099511627776")
	if p != nil {
		t.Error("there is a pool besides the error")
	}
}

func TestShellANilLauncherIsAnError(t *testing.T) {
	var typedNil *shellStub
	for _, launcher := range []pool.Launcher[*shellPage]{nil, typedNil} {
		p, err := pool.New(launcher, pool.Config{})
		wantText(t, err, "the launcher is ", "nil")
		if p != nil {
			t.Error("there is a pool besides the error")
		}
	}
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

// A process that was killed takes a while to end. Its holders are told at once, and by the right
// name, and the next browser is launched; its tabs count until it is gone or written off.
func TestShellHoldersOfALostBrowserAreToldBeforeItIsGone(t *testing.T) {
	for _, ends := range []bool{true, false} {
		stub := new(shellStub)
		cfg := pool.Config{MaxPages: 2,
			Timeouts: pool.Timeouts{BrowserCloseTimeout: 10 * time.Second}}
		inShell(t, cfg, stub, func(t *testing.T, p *shellPool) {
			a, b, nested := mustGet(t, p, "a"), mustGet(t, p, "b"), mustGet(t, p, "a", pool.Nested())
			held := a.Context()
			nested.Release()
			synctest.Wait()
			c := ask(t.Context(), p, "c")
			old := stub.browser(0)
			stub.script("close-browser", func(_ context.Context, n int) error {
				if n == 1 {
					<-old.done
				}
				return nil
			})
			old.lose()
			b.Release() // before anybody else has heard of it
			synctest.Wait()
			if cause := context.Cause(held); cause != pool.ErrBrowserLost {
				t.Errorf("the holder was told %v, want ErrBrowserLost", cause)
			}
			wantEnded(t, b, pool.ErrBrowserLost)
			if n := stub.called("launch"); n != 2 {
				t.Errorf("%d launches, want that of the next browser", n)
			}
			late := ask(t.Context(), p, "a", pool.Nested())
			after(3 * time.Second) // more than any grace
			if s := p.Stats(); !c.waits() || !late.waits() || s.Leases != 0 || s.Tabs.Closing != 3 {
				t.Errorf("before the browser is gone: c waits %v, a waits %v, %+v", c.waits(), late.waits(), s)
			}
			if stub.called("close")+stub.called("kill") > 0 {
				t.Error("a tab of a lost browser is closed by itself")
			}
			if ends {
				old.die()
			} else {
				after(7 * time.Second) // until it is written off
			}
			<-c.done
			<-late.done
			if s := p.Stats().Counters; c.err != nil || late.err != nil || s.Crashes > 0 {
				t.Fatalf("who waits gets %v and %v; %d crashes", c.err, late.err, s.Crashes)
			}
			old.die()
			a.Release()
			c.lease.Release()
			late.lease.Release()
		})
	}
}

// A driver that can tell says by the cause of its tab's context that somebody else closed the page.
func TestShellAPageThatSomebodyElseClosedHasNotCrashed(t *testing.T) {
	inShell(t, pool.Config{}, new(shellStub), func(t *testing.T, p *shellPool) {
		a := mustGet(t, p, "a")
		why := fmt.Errorf("%w by a user", pool.ErrPageClosed)
		a.Page().ends(why)
		wantEnded(t, a, why)
		if errors.Is(context.Cause(a.Context()), pool.ErrPageCrashed) {
			t.Error("the lease ended as if the page had crashed")
		}
		if c := p.Stats().Counters; c.Crashes != 0 || c.PagesClosed != 1 {
			t.Errorf("%d crashes and %d closed pages", c.Crashes, c.PagesClosed)
		}
		b := mustGet(t, p, "a")
		b.Page().crash()
		wantEnded(t, b, pool.ErrPageCrashed)
		if c := p.Stats().Counters; c.Crashes != 1 || c.PagesClosed != 1 {
			t.Errorf("after a crash, %d crashes and %d closed pages", c.Crashes, c.PagesClosed)
		}
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

func TestShellACrashIsKnownBeforeWhatItMadeFail(t *testing.T) {
	stub := new(shellStub)
	stub.script("reset", func(ctx context.Context, n int) error {
		stub.browser(0).tabs[0].crash()
		_ = lasts(time.Millisecond)(ctx, n) // the crash is on its way meanwhile
		return errDriver
	})
	stub.script("probe", fails(errDriver))
	stub.script("ping", func(ctx context.Context, n int) error {
		if n == 1 {
			return lasts(10*time.Millisecond)(ctx, n)
		}
		return nil
	})
	inShell(t, pool.Config{MaxPages: 1, Reset: true}, stub, func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Release()
		after(time.Second)
		if s := p.Stats().Counters; s.Crashes != 1 || s.Probes > 0 {
			t.Errorf("%d crashes are known, want 1; the page was probed %d times", s.Crashes, s.Probes)
		}
	})
}

// The first session of a tab begins within its opening, and a page may crash under it.
func TestShellACrashWithinAnOpeningIsAnOpeningThatFailed(t *testing.T) {
	stub := &shellStub{sessions: true}
	stub.script("begin-lease", func(_ context.Context, n int) error {
		if n > 1 {
			return nil
		}
		stub.browser(0).tabs[0].crash()
		return errDriver
	})
	inShell(t, pool.Config{MaxPages: 1}, stub, func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Release()
		var dump strings.Builder
		if err := p.Dump(&dump); err != nil {
			t.Fatal(err)
		}
		if text := dump.String(); strings.Contains(text, "crashed") ||
			!strings.Contains(text, "open-failed t1") {
			t.Errorf("want a failed opening, and no crash of a page that was never open:\n%s", text)
		}
	})
}

func TestShellAnAnswerNobodyWaitsForMakesNoCrashOfALostBrowser(t *testing.T) {
	stub := new(shellStub)
	stub.script("reset", func(ctx context.Context, _ int) error {
		<-ctx.Done() // given up
		stub.browser(0).lose()
		return errDriver
	})
	stub.script("ping", fails(errDriver))
	cfg := pool.Config{
		MaxPages: 1, Reset: true,
		Timeouts: pool.Timeouts{OpenTimeout: 2 * time.Second},
	}
	inShell(t, cfg, stub, func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Release()
		after(2 * time.Second)
		stub.browser(0).die()
		after(time.Second)
		if s := p.Stats().Counters; s.Crashes != 0 || s.BrowserStarts != 2 {
			t.Errorf("%d crashes and %d browsers, want none and the second", s.Crashes, s.BrowserStarts)
		}
	})
}

func TestShellPagesThatEndBeforeTheirBrowserIsKnownToBeGoneWereLostWithIt(t *testing.T) {
	stub := new(shellStub)
	inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
		a := mustGet(t, p, "a")
		synctest.Wait()
		stub.script("ping", fails(errDriver))
		a.Page().crash()
		after(20 * time.Millisecond)
		stub.browser(0).die()
		wantEnded(t, a, pool.ErrBrowserLost)
		a.Release()
	})
}

func TestShellACrashIsBelievedOfABrowserThatDoesNotAnswer(t *testing.T) {
	for name, ping := range map[string]func(context.Context, int) error{"silent": hangs,
		"failing": fails(errDriver)} {
		t.Run(name, func(t *testing.T) {
			stub := new(shellStub)
			stub.script("ping", ping)
			inShell(t, pool.Config{}, stub, func(t *testing.T, p *shellPool) {
				a := mustGet(t, p, "a")
				a.Page().crash()
				after(250*time.Millisecond - 1)
				if a.Context().Err() != nil {
					t.Error("the browser was given no time to answer")
				}
				after(1)
				wantEnded(t, a, pool.ErrPageCrashed)
			})
		})
	}
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
		mustGet(t, p, "a").Discard(nil)
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

func TestShellATabThatNothingEndsIsLostAndItsBrowserIsReplaced(t *testing.T) {
	stub := new(shellStub)
	stub.script("close", func(ctx context.Context, n int) error {
		if n <= 2 {
			return hangs(ctx, n) // before the kill, and after it
		}
		return nil
	})
	stub.script("kill", fails(errDriver))
	inShell(t, pool.Config{MaxPages: 1}, stub, func(t *testing.T, p *shellPool) {
		mustGet(t, p, "a").Discard(nil)
		after(7 * time.Second) // CloseTimeout and KillTimeout
		if s := p.Stats(); s.Counters.Lost != 1 || stub.called("close-browser") != 1 {
			t.Errorf("lost %d, browser closes %d: want one each", s.Counters.Lost,
				stub.called("close-browser"))
		}
		mustGet(t, p, "a").Release()
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
				if n := stub.called("new-context") - stub.called("new-tab"); operation == "new-context" &&
					n != 1 {
					t.Errorf("%d contexts got no tab: want that of the late opening alone", n)
				}
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
	if a, b := stub.mu.ids["new-context"],
		stub.mu.ids["new-tab"]; !slices.Equal(slices.Sorted(slices.Values(a)),
		slices.Sorted(slices.Values(b))) {
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

// asking is a log handler that asks the pool something, as one that adds its state to a line would.
type asking struct {
	slog.Handler
	ask func(string)
}

func (h asking) Enabled(context.Context, slog.Level) bool { return true }

func (h asking) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	if text == "operation given up" {
		r.Attrs(func(a slog.Attr) bool {
			text += ": " + a.Value.String()
			return true
		})
	}
	h.ask(text)
	return nil
}

func TestShellALoggerMayAskThePool(t *testing.T) {
	var p *shellPool
	var mu sync.Mutex
	var lines []string
	cfg := pool.Config{MaxLease: 4 * time.Second,
		Logger: slog.New(asking{slog.DiscardHandler, func(line string) {
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

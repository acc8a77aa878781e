package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// A page that nobody has is frozen after IdleFreeze, a standby too, and a holder gets it thawed.
func TestShellAPageThatNobodyHasIsFrozenAndThawedForItsHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.New(&fakebrowser.Launcher{FreezeAfter: time.Minute}, pool.Config{MaxPages: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		var last *fakebrowser.Page
		for _, c := range []struct {
			idle   time.Duration
			frozen bool
			waits  time.Duration // what a probe takes
		}{
			{2 * time.Minute, true, time.Millisecond},                 // a standby
			{time.Minute - time.Millisecond, false, time.Millisecond}, // older than ProbeMaxAge
			{time.Minute + 2*time.Millisecond, true, time.Millisecond},
			{time.Millisecond, false, 0},
		} {
			<-time.After(c.idle)
			if last != nil && last.Frozen() != c.frozen {
				t.Errorf("after %v without a holder, the page is frozen: %t", c.idle, last.Frozen())
			}
			began := time.Now()
			l, err := p.GetPage(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited != c.waits {
				t.Errorf("after %v without a holder, a grant took %v, want %v", c.idle, waited, c.waits)
			}
			last = l.Page()
			if last.Frozen() {
				t.Errorf("after %v without a holder, a frozen page was granted", c.idle)
			}
			l.Release()
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Who needs a page that is being frozen does not wait for that: the call ends.
func TestShellAPageIsProbedAtOnceThatIsBeingFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		launcher := &fakebrowser.Launcher{FreezeAfter: time.Second,
			Fate: func(kind fakebrowser.OperationKind, _ uint64) fakebrowser.Fate {
				if kind == fakebrowser.Freeze {
					return fakebrowser.Fate{Hangs: true}
				}
				return fakebrowser.Usual(kind)
			}}
		p, err := pool.New(launcher, pool.Config{MaxPages: 1})
		if err != nil {
			t.Fatal(err)
		}
		nothing := func(context.Context, *fakebrowser.Page) error { return nil }
		if err := p.Do(t.Context(), "a", nothing); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			<-time.After(5 * time.Second)
			if n := len(launcher.Pending()); n != 2 {
				t.Fatalf("%d calls are under way, want one for the page, and one for the spare", n)
			}
			if err := p.Do(t.Context(), "a", nothing); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := len(launcher.Pending()); n != 1 {
				t.Fatalf("%d calls are under way, want that for the spare alone", n)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A frozen page that does not answer is suspect, and its request gets another.
func TestShellAFrozenPageThatDoesNotThawIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		launcher := &fakebrowser.Launcher{FreezeAfter: time.Second}
		p, err := pool.New(launcher, pool.Config{MaxPages: 1,
			Timeouts: pool.Timeouts{ProbeBudget: pool.Off}})
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		page, id := l.Page(), l.TabID()
		l.Release()
		<-time.After(2 * time.Second)
		page.Stall()
		began := time.Now()
		l, err = p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); l.TabID() == id || waited > 2*time.Second {
			t.Errorf("after %v, %s is granted; %s does not answer", waited, l.TabID(), id)
		}
		l.Discard(errors.New("seen enough"))
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

package pool_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// keeper notes what a pool tells a launcher to forget.
type keeper struct {
	fakebrowser.Launcher
	mu    sync.Mutex
	kept  int
	forgo []string
}

func (k *keeper) KeepsAffinities(shell.Locked) { k.kept++ }

func (k *keeper) ForgetAffinity(_ shell.Locked, affinity string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgo = append(k.forgo, affinity)
}

// since returns what was to be forgotten since the last call, each once.
func (k *keeper) since() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	forgo := k.forgo
	k.forgo = nil
	slices.Sort(forgo)
	return slices.Compact(forgo)
}

// A launcher hears of each affinity whose context is given up, but not of one that loses it with
// its browser.
func TestShellALauncherHearsWhichAffinitiesToForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(keeper)
		p, err := pool.New(k, pool.Config{MaxPages: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Ready(t.Context()); err != nil || k.kept != 1 {
			t.Fatalf("Ready: %v; the launcher was told %d times that it may keep something", err, k.kept)
		}
		uses := func(affinity string) {
			t.Helper()
			l, err := p.GetPage(t.Context(), affinity)
			if err != nil {
				t.Fatal(err)
			}
			l.Release()
			<-time.After(time.Second)
		}
		hears := func(what string, want ...string) {
			t.Helper()
			if got := k.since(); !slices.Equal(got, want) {
				t.Errorf("%s: to be forgotten are %q, and not %q", what, got, want)
			}
		}
		uses("a")
		uses("b")
		hears("leases that end")
		if err := p.Recycle(t.Context()); err != nil {
			t.Fatal(err)
		}
		hears("a recycle")
		uses("a")
		uses("b")
		uses("c")
		hears("an eviction", "a")
		if err := p.DisposeAffinity(t.Context(), "b", pool.Retain()); err != nil {
			t.Fatal(err)
		}
		hears("a disposal that retains")
		held, err := p.GetPage(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.DisposeAffinity(t.Context(), "c", pool.NoWait()); err != nil {
			t.Fatal(err)
		}
		hears("a disposal, at once", "c")
		held.Release()
		if err := p.DisposeAffinity(t.Context(), "nobody"); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		k.since()
		uses("d")
		if _, err := p.EvictIdle(0); err != nil {
			t.Fatal(err)
		}
		if got := k.since(); !slices.Contains(got, "d") {
			t.Errorf("EvictIdle: to be forgotten are %q, and not d", got)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

package pool

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/pagepool/pagepool/pool/core"
)

// A browser that dies while a context of it is closed ends that close. The core hears of the
// browser first: then the failed close is no reason to try once more.
func TestTheEndOfABrowserIsToldBeforeWhatItMadeFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []core.Event
		var dying *stubBrowser
		s := &stub{
			stepped: func(e core.Event, _ *core.State) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, e)
			},
			fate: func(_ context.Context, what string) error {
				mu.Lock()
				defer mu.Unlock()
				if what == "close" && dying != nil {
					dying.die()
					return errStubGone
				}
				return nil
			},
		}
		p, err := New(s, Config{MaxPages: 1, More: More{OrphanCap: 1, Strict: true}})
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		browser := l.Page().b
		l.Discard(nil) // leaves an orphan
		synctest.Wait()
		if n := p.Stats().Orphans; n != 1 {
			t.Fatalf("%d orphans", n)
		}
		mu.Lock()
		dying, told = browser, nil
		mu.Unlock()
		if err := p.DisposeAffinity(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mu.Lock()
		gone := slices.IndexFunc(told, func(e core.Event) bool { return e.Kind == core.BrowserGone })
		failed := slices.IndexFunc(told, func(e core.Event) bool {
			return e.Is(core.Failed, core.CloseContext)
		})
		dying = nil
		mu.Unlock()
		if gone < 0 || failed >= 0 && failed < gone {
			t.Errorf("events %v: the browser's end is number %d, the failed close number %d", told, gone,
				failed)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

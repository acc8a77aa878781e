package pool

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// A browser that ends while a context of it is closed ends that close. The core hears of the
// browser first: then the failed close is no reason to try once more. The browser may be gone when
// the close fails, or be known to be lost or gone a moment after it has failed to answer a ping.
func TestTheEndOfABrowserIsToldBeforeWhatItMadeFail(t *testing.T) {
	for _, c := range []struct {
		how   string
		after bool // the ping
		ends  func(*stubBrowser)
		told  core.Event
	}{
		{"gone when the close fails", false, (*stubBrowser).die, core.Event{Kind: core.BrowserGone}},
		{"gone after the ping", true, (*stubBrowser).die, core.Event{Kind: core.BrowserGone}},
		{"lost after the ping", true, func(b *stubBrowser) { close(b.lost) },
			core.Event{Kind: core.Failed, Of: core.Ping}},
	} {
		t.Run(c.how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { endsUnderAClose(t, c.after, c.ends, c.told) })
		})
	}
}

func endsUnderAClose(t *testing.T, after bool, ends func(*stubBrowser), told core.Event) {
	var mu sync.Mutex
	var events []core.Event
	var dying *stubBrowser
	var once sync.Once // there may be several pings
	s := &stub{
		stepped: func(e core.Event, _ *core.State) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		},
		fate: func(_ context.Context, what string) error {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case dying == nil || what != "close" && what != "ping":
				return nil
			case what == "ping":
				b := dying
				time.AfterFunc(10*time.Millisecond, func() { once.Do(func() { ends(b) }) })
			case !after:
				once.Do(func() { ends(dying) })
			}
			return errStubGone
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
	dying, events = browser, nil
	mu.Unlock()
	if err := p.DisposeAffinity(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	mu.Lock()
	ended := slices.IndexFunc(events, func(e core.Event) bool { return e.Is(told.Kind, told.Of) })
	failed := slices.IndexFunc(events, func(e core.Event) bool {
		return e.Is(core.Failed, core.CloseContext)
	})
	dying = nil
	mu.Unlock()
	if ended < 0 || failed >= 0 && failed < ended {
		t.Errorf("events %v: the browser's end is number %d, the failed close number %d", events, ended,
			failed)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

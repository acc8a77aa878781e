package fakebrowser

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

func open(t *testing.T, l *Launcher) (*process, pool.BrowserContext[*Page], pool.Tab[*Page]) {
	t.Helper()
	b, err := l.Launch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.NewContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	page, err := c.NewTab(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b.(*process), c, page
}

func TestCloseOfAWedgedPageHangsUntilItsRendererIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(Launcher)
		b, c, page := open(t, l)
		page.Page().Wedge()
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := c.Close(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the close of a wedged page: %v", err)
		}
		closed := make(chan error, 1)
		go func() { closed <- c.Close(t.Context()) }()
		synctest.Wait()
		if err := page.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-closed; err != nil {
			t.Fatalf("the close after the kill: %v", err)
		}
		if got := l.Census(); got != (Census{Browsers: 1}) {
			t.Errorf("alive: %+v", got)
		}
		b.launcher.KillBrowsers()
		if got := l.Census(); got != (Census{}) {
			t.Errorf("alive: %+v", got)
		}
	})
}

func TestACallThatHangsIsAnsweredByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Launcher{Fate: func(OperationKind, uint64) Fate { return Fate{Hangs: true} }}
		launched := make(chan error, 1)
		go func() {
			_, err := l.Launch(t.Context())
			launched <- err
		}()
		synctest.Wait()
		if pending := l.Pending(); len(pending) != 1 || pending[0] != 0 {
			t.Fatalf("pending: %v", pending)
		}
		if !l.Answer(0, Fails) || l.Answer(0, Works) {
			t.Error("one call was pending, and is answered once")
		}
		if err := <-launched; err == nil {
			t.Error("the launch was answered by a failure, and worked")
		}
	})
}

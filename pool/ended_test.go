package pool

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
)

// Why a browser ended, where its driver knows, is in the log and in the error of whoever waits in
// vain.
func TestShellWhyABrowserEndedIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(strings.Builder)
		launcher := new(stub)
		p, err := New(launcher, Config{MaxPages: 1, More: More{OpenRetries: 1},
			Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		why := errors.New("stub: exit status 3")
		b := l.Page().b
		b.why <- why
		b.die()
		synctest.Wait()
		p.mu.Lock()
		last := p.mu.lastFailure
		p.mu.Unlock()
		if !errors.Is(last, ErrBrowserLost) || !errors.Is(last, why) {
			t.Errorf("the last failure is %v", last)
		}
		if want := `msg="browser lost" browser=b1 error="pool: the browser was lost: stub: exit status 3"`; !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in the log: %s", want, log)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

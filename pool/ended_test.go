package pool

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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

// Whoever is refused for the loss of a browser is told how it ended, though its loss is known some
// time before; where its end takes longer than CloseGrace, that it was lost.
func TestShellARefusalForALossSaysHowTheBrowserEnded(t *testing.T) {
	for _, ends := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s, hung := new(stub), make(chan struct{})
			s.fate = func(_ context.Context, what string) error {
				if what == "close-browser" {
					<-hung
				}
				return nil
			}
			p, err := New(s, Config{MaxPages: 1, More: More{Strict: true, OpenRetries: 1}})
			if err != nil {
				t.Fatal(err)
			}
			l, err := p.GetPage(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			refused := make(chan error, 1)
			go func() {
				_, err := p.GetPage(t.Context(), "b")
				refused <- err
			}()
			synctest.Wait()
			why, began := errors.New("stub: exit status 3"), time.Now()
			b := l.Page().b
			b.why <- why
			close(b.lost)
			if synctest.Wait(); ends {
				close(hung)
			}
			err = <-refused
			most := 0 * time.Second
			if !ends {
				most = p.settings.CloseGrace
				close(hung)
			}
			if !errors.Is(err, ErrBrowserUnavailable) || !errors.Is(err, ErrBrowserLost) ||
				errors.Is(err, why) != ends || time.Since(began) != most {
				t.Errorf("it ends: %v, and after %v the refusal is %v", ends, time.Since(began), err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

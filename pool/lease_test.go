package pool

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// inStub runs fn with a pool over s in a bubble, and has the pool end.
func inStub(t *testing.T, s *stub, cfg Config, fn func(t *testing.T, p *Pool[*stubTab])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.More.Strict = true
		p, err := New(s, cfg)
		if err != nil {
			t.Fatal(err)
		}
		fn(t, p)
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// What a reason is decides nothing: a discarded tab is closed unasked.
func TestShellADiscardedTabIsClosedWhateverTheReason(t *testing.T) {
	inStub(t, new(stub), Config{MaxPages: 1}, func(t *testing.T, p *Pool[*stubTab]) {
		for _, reason := range []error{nil, errors.New("spoiled"), errSuspect, context.DeadlineExceeded,
			fmt.Errorf("it hangs: %w", ErrLeaseExpired)} {
			l, err := p.GetPage(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			l.Discard(reason)
			synctest.Wait()
			next, err := p.GetPage(t.Context(), "a")
			if err != nil || next.TabID() == l.TabID() {
				t.Errorf("discarded for %v: the next lease is on tab %s again, %v", reason, l.TabID(), err)
			}
			if c := p.Stats().Counters; c.Probes != 0 || c.Rescues != 0 {
				t.Errorf("discarded for %v: %d probes, %d rescues", reason, c.Probes, c.Rescues)
			}
			next.Discard(nil)
		}
	})
}

func TestShellASuspectTabIsProbedAndKeptWhereItAnswers(t *testing.T) {
	for _, silent := range []bool{false, true} {
		s := &stub{fate: func(ctx context.Context, what string) error {
			if silent && (what == "probe" || what == "rescue") {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}}
		inStub(t, s, Config{MaxPages: 1}, func(t *testing.T, p *Pool[*stubTab]) {
			l, err := p.GetPage(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			l.Suspect()
			l.Suspect()
			if cause := context.Cause(l.Context()); cause != ErrReleased {
				t.Errorf("the lease ended with %v", cause)
			}
			<-time.After(time.Second)
			next, err := p.GetPage(t.Context(), "a")
			if err != nil || (next.TabID() == l.TabID()) == silent {
				t.Errorf("silent: %v; first on %s, then on %s, %v", silent, l.TabID(), next.TabID(), err)
			}
			if n := p.Stats().Counters.Probes; n != 1 {
				t.Errorf("silent: %v; %d probes", silent, n)
			}
			next.Release()
		})
	}
}

// One error type: what Do adds to an error of fn is in an *Error, and what needs nothing added
// stays the error that it was.
func TestShellDoWrapsAnErrorOfFnWhereTheLeaseOrCtxHasEnded(t *testing.T) {
	mine := errors.New("mine")
	inStub(t, new(stub), Config{MaxPages: 1, MaxLease: time.Minute},
		func(t *testing.T, p *Pool[*stubTab]) {
			if err := p.Do(t.Context(), "a", func(context.Context, *stubTab) error { return mine }); err !=
				mine {
				t.Errorf("an error of fn came back as %v", err)
			}
			for _, c := range []struct {
				within time.Duration
				cause  error
				says   string
			}{
				{time.Second, mine, `pool: Do "a": mine`},
				{time.Hour, ErrLeaseExpired, `pool: Do "a": the lease was held longer than its limit: mine`},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), c.within)
				err := p.Do(ctx, "a", func(ctx context.Context, _ *stubTab) error {
					<-ctx.Done()
					return mine
				})
				cancel()
				var of *Error
				if !errors.As(err, &of) || of.Op != "Do" || of.Affinity != "a" || of.Diagnosis != nil ||
					!errors.Is(err, mine) || !errors.Is(err, c.cause) || err.Error() != c.says {
					t.Errorf("ctx of %v: %#v, %v", c.within, err, err)
				}
			}
		})
}

package pool

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// misused looks at what misuse gives: an *Error that says what was wrong.
func misused(t *testing.T, err error, says string) {
	t.Helper()
	var of *Error
	if !errors.As(err, &of) || !strings.Contains(err.Error(), says) {
		t.Errorf("got error %v, want an *Error that says %q", err, says)
	}
}

type brokenClock struct{ time.Time }

func (c *brokenClock) Now() time.Time { return c.Time }

func (c *brokenClock) AfterFunc(time.Duration, func()) func() bool { return nil }

func TestMisuseOfNewIsAnError(t *testing.T) {
	_, err := New[*stubTab](nil, Config{})
	misused(t, err, "New: the launcher is nil")
	_, err = New((*stub)(nil), Config{})
	misused(t, err, "New: the launcher is a nil *pool.stub")
	_, err = New(new(stub), Config{MaxPages: 2000})
	misused(t, err, "New: MaxPages=2000: the rule is 1 to 1,000")
	_, err = New(new(stub), Config{More: More{Clock: (*brokenClock)(nil)}})
	misused(t, err, "New: Clock is a nil *pool.brokenClock")
}

func TestShellMisuseIsAnErrorAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(new(stub), Config{More: More{Strict: true}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Do(t.Context(), "a", func(context.Context, *stubTab) error { return nil }); err !=
			nil {
			t.Fatal(err)
		}
		before := p.Stats()
		misused(t, p.Do(t.Context(), "a", nil), `Do "a": fn is nil`)
		var none context.Context
		_, err = p.GetPage(none, "a")
		misused(t, err, `GetPage "a": ctx is nil`)
		misused(t, p.Do(none, "a", func(context.Context, *stubTab) error { return nil }),
			`Do "a": ctx is nil`)
		misused(t, p.DisposeAffinity(none, "a"), `DisposeAffinity "a": ctx is nil`)
		misused(t, p.Ready(none), "Ready: ctx is nil")
		_, err = p.EvictIdle(-1)
		misused(t, err, "EvictIdle: maxIdle is -1ns; want 0 or more")
		misused(t, p.Close(none), "Close: ctx is nil")
		p.Subscribe(nil)()
		synctest.Wait()
		if after := p.Stats(); after.Counters != before.Counters || len(after.Affinities) != 1 {
			t.Errorf("was %+v\nis  %+v", before, after)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// askedUnderLock is a driver that notices when it is asked while the pool holds its lock.
type askedUnderLock struct {
	stub
	pool *Pool[*stubTab]
	t    *testing.T
}

// look takes the lock. Somebody else frees it soon; the caller itself, never.
func (d *askedUnderLock) look(what string) {
	for range 100_000 {
		if d.pool.mu.TryLock() {
			d.pool.mu.Unlock()
			return
		}
		runtime.Gosched()
	}
	d.t.Errorf("%s is asked for under the lock", what)
}

type watchedBrowser struct {
	Browser[*stubTab]
	d *askedUnderLock
}

type watchedContext struct {
	BrowserContext[*stubTab]
	d *askedUnderLock
}

type watchedTab struct {
	Tab[*stubTab]
	d *askedUnderLock
}

func (d *askedUnderLock) Launch(ctx context.Context) (Browser[*stubTab], error) {
	b, err := d.stub.Launch(ctx)
	return watchedBrowser{b, d}, err
}

func (b watchedBrowser) Done() <-chan struct{} {
	b.d.look("Browser.Done")
	return b.Browser.Done()
}

func (b watchedBrowser) Lost() <-chan struct{} {
	b.d.look("LossTeller.Lost")
	return b.Browser.(*stubBrowser).Lost()
}

func (b watchedBrowser) NewContext(ctx context.Context) (BrowserContext[*stubTab], error) {
	c, err := b.Browser.NewContext(ctx)
	return watchedContext{c, b.d}, err
}

func (c watchedContext) NewTab(ctx context.Context) (Tab[*stubTab], error) {
	t, err := c.BrowserContext.NewTab(ctx)
	return watchedTab{t, c.d}, err
}

func (t watchedTab) Page() *stubTab {
	t.d.look("Tab.Page")
	return t.Tab.Page()
}

func (t watchedTab) Context() context.Context {
	t.d.look("Tab.Context")
	return t.Tab.Context()
}

func (t watchedTab) Done() <-chan struct{} {
	t.d.look("Tab.Done")
	return t.Tab.Done()
}

func TestShellTheDriverIsNeverAskedUnderTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := make(chan struct{})
		d := &askedUnderLock{t: t}
		d.fate = func(context.Context, string) error { <-began; return nil }
		var err error
		if d.pool, err = New(d, Config{MaxPages: 1, More: More{Strict: true}}); err != nil {
			t.Fatal(err)
		}
		close(began)
		synctest.Wait()
		l, err := d.pool.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.Context()
		l.Page()
		l.Release()
		synctest.Wait()
		if err := d.pool.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// gated is a log in which one line waits.
type gated struct {
	slog.Handler
	gate  chan struct{}
	lines chan string
}

func (h gated) Enabled(context.Context, slog.Level) bool { return true }

func (h gated) Handle(_ context.Context, r slog.Record) error {
	<-h.gate
	h.lines <- r.Message
	return nil
}

func TestShellCloseWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := gated{slog.DiscardHandler, make(chan struct{}), make(chan string, 100)}
		p, err := New(new(stub), Config{Logger: slog.New(h)})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		var closing sync.WaitGroup
		written := 0
		closing.Go(func() {
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			written = len(h.lines)
		})
		synctest.Wait()
		close(h.gate)
		closing.Wait()
		synctest.Wait()
		if written == 0 || len(h.lines) != written {
			t.Errorf("%d lines were written when Close returned, and %d in the end", written, len(h.lines))
		}
	})
}

func TestShellALoggerThatNeverReturnsIsNamedByClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := gated{slog.DiscardHandler, make(chan struct{}), make(chan string, 100)}
		p, err := New(new(stub), Config{Logger: slog.New(h)})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		misused(t, p.Close(t.Context()), "calls of the logger or the tracer have not returned")
		close(h.gate)
	})
}

func TestShellNothingIsLoggedAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		s := &stub{fate: func(_ context.Context, what string) error {
			if what == "close-browser" {
				<-stuck // whatever ctx says
				return io.ErrUnexpectedEOF
			}
			return nil
		}}
		h := gated{slog.DiscardHandler, make(chan struct{}), make(chan string, 100)}
		close(h.gate)
		p, err := New(s, Config{Logger: slog.New(h)})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		misused(t, p.Close(t.Context()), "was written off")
		written := len(h.lines)
		close(stuck)
		synctest.Wait()
		if len(h.lines) != written {
			t.Errorf("%d lines came after Close had returned", len(h.lines)-written)
		}
	})
}

// A render that went on after its lease was taken away did not have the tab to itself.
func TestShellDoReturnsWhyTheLeaseEndedUnderFn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(new(stub), Config{MaxLease: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		mine := errors.New("mine")
		for _, own := range []error{nil, mine} {
			err = p.Do(t.Context(), "a", func(ctx context.Context, _ *stubTab) error {
				<-ctx.Done()
				return own
			})
			if !errors.Is(err, ErrLeaseExpired) || !errors.Is(err, own) && own != nil {
				t.Errorf("fn returned %v, and Do %v", own, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := p.Do(ctx, "a", func(context.Context, *stubTab) error { cancel(); return nil }); err !=
			nil {
			t.Errorf("what fn had done when ctx ended is an error: %v", err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

package pool

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
)

// traceLog is a tracer that writes down what it is told. A span's ctx carries its name.
type traceLog struct {
	mu    sync.Mutex
	lines []string
	open  int
}

type traceKey struct{}

func (l *traceLog) Start(ctx context.Context, s Span) (context.Context, func(SpanEnd)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	if (s.Kind == SpanLease) != (s.Request != 0) {
		panic(fmt.Sprintf("a span of kind %s is of request %d", s.Kind, s.Request))
	}
	ended := false
	return context.WithValue(ctx, traceKey{}, string(s.Kind)), func(e SpanEnd) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if ended {
			panic("a span ended twice")
		}
		ended = true
		l.open--
		if !slices.Contains(Outcomes(s.Kind), e.Outcome) {
			panic("no outcome of " + string(s.Kind) + ": " + e.Outcome)
		}
		l.lines = append(l.lines, strings.Join(
			strings.Fields(fmt.Sprintf("%s %s %s %v %s", s.Kind, s.Affinity, s.Tab, e.Took, e.Outcome)),
			" "))
	}
}

// of returns the lines about a kind, in order.
func (l *traceLog) of(kinds ...SpanKind) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if kind, _, _ := strings.Cut(line, " "); slices.Contains(kinds, SpanKind(kind)) {
			lines = append(lines, line)
		}
	}
	return lines
}

// traced runs fn with a pool that is traced, closes it, and checks that every span has ended once.
func traced(t *testing.T, launcher *stub, cfg Config,
	fn func(t *testing.T, p *Pool[*stubTab], l *traceLog)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := new(traceLog)
		cfg.Tracer, cfg.More.Strict = Tracers(l), true
		p, err := New(launcher, cfg)
		if err != nil {
			t.Fatal(err)
		}
		fn(t, p, l)
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if l.open != 0 {
			t.Errorf("%d spans have not ended", l.open)
		}
	})
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the tracer was told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestShellATracerIsToldOfEveryWaitAndLeaseAndHowItEnded(t *testing.T) {
	crash := make(chan *stubTab, 1)
	traced(t, new(stub), Config{MaxPages: 1, MaxLease: time.Minute, MaxWaiting: 1},
		func(t *testing.T, p *Pool[*stubTab], l *traceLog) {
			get := func() *Lease[*stubTab] {
				t.Helper()
				lease, err := p.GetPage(t.Context(), "a")
				if err != nil {
					t.Fatal(err)
				}
				return lease
			}
			if err := p.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			lease := get()
			waited := make(chan error)
			short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			go func() {
				_, err := p.GetPage(short, "a")
				waited <- err
			}()
			synctest.Wait()
			if _, err := p.GetPage(t.Context(), "a"); !errors.Is(err, ErrQueueFull) {
				t.Errorf("GetPage: %v", err)
			}
			<-waited
			lease.Release()
			synctest.Wait()
			get().Discard(errors.New("spoiled"))
			synctest.Wait()
			get().Suspect()
			synctest.Wait()
			lease = get()
			<-lease.Context().Done()
			lease.Release()
			synctest.Wait()
			lease = get()
			crash <- lease.Page()
			(<-crash).crash()
			<-lease.Context().Done()
			synctest.Wait()
			lease = get()
			lease.Page().ends(fmt.Errorf("%w: it floods", ErrPageClosed))
			<-lease.Context().Done()
			synctest.Wait()
			wantLines(t, l.of(SpanWait), "wait a 0s granted", "wait a 0s refused", "wait a 2s abandoned",
				"wait a 0s granted", "wait a 0s granted",
				"wait a 0s granted", "wait a 0s granted", "wait a 0s granted")
			wantLines(t, l.of(SpanLease), "lease a t1 2s released", "lease a t1 0s discarded",
				"lease a t3 0s suspect", "lease a t3 1m0s expired", "lease a t3 0s crashed",
				"lease a t4 0s page-closed")
		})
}

func TestShellATracerIsToldOfTheDriversOperations(t *testing.T) {
	broken := errors.New("broken")
	failed := false
	s := &stub{fate: func(ctx context.Context, what string) error {
		if ctx.Value(traceKey{}) == nil && what != "ping" {
			t.Errorf("%s has not the ctx that the tracer gave", what)
		}
		switch what {
		case "new-tab":
			<-time.After(100 * time.Millisecond)
			if !failed {
				failed = true
				return broken
			}
		case "probe":
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	cfg := Config{MaxPages: 1, Timeouts: Timeouts{ProbeMaxAge: time.Second}}
	traced(t, s, cfg, func(t *testing.T, p *Pool[*stubTab], l *traceLog) {
		err := p.Do(t.Context(), "a", func(ctx context.Context, _ *stubTab) error {
			if ctx.Value(traceKey{}) != "lease" {
				t.Errorf("the ctx of the work is within %v, want lease", ctx.Value(traceKey{}))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		lease, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		lease.Suspect()
		after := time.NewTimer(time.Second)
		<-after.C
		wantLines(t, l.of(SpanLaunch), "launch 0s done")
		opens := l.of(SpanOpen)
		if !slices.Contains(opens, "open t1 100ms failed") ||
			!slices.Contains(opens, "open t2 100ms done") {
			t.Errorf("openings: %q", opens)
		}
		wantLines(t, l.of(SpanProbe), "probe a "+lease.TabID()+" 250ms given-up",
			"probe a "+lease.TabID()+" 250ms given-up")
		wantLines(t, l.of(SpanRescue), "rescue a "+lease.TabID()+" 0s done")
	})
}

// A browser may be known to be lost before it is gone. The tracer hears of the end when the holder
// does, and once, whatever is given back until the browser has gone; what is granted by then is of
// the next browser.
func TestShellATracerIsToldOnceOfALeaseWhoseBrowserIsLost(t *testing.T) {
	traced(t, new(stub), Config{MaxPages: 1, MaxLease: time.Minute},
		func(t *testing.T, p *Pool[*stubTab], l *traceLog) {
			get := func(opts ...GetOption) *Lease[*stubTab] {
				t.Helper()
				lease, err := p.GetPage(t.Context(), "a", opts...)
				if err != nil {
					t.Fatal(err)
				}
				return lease
			}
			lease := get()
			synctest.Wait() // the spare is there
			b := lease.Page().b
			close(b.lost)
			synctest.Wait()
			lost := []string{"lease a " + lease.TabID() + " 0s browser-lost"}
			wantLines(t, l.of(SpanLease), lost...)
			lease.Suspect()
			if _, err := lease.Diagnosis(t.Context()); !errors.Is(err, errNoDiagnosis) {
				t.Errorf("Diagnosis of a lost page: %v", err)
			}
			next := get(Nested())
			if next.Page().b == b {
				t.Error("a page of the lost browser is granted")
			}
			next.Release()
			lost = append(lost, "lease a "+next.TabID()+" 0s released")
			<-time.After(2 * time.Minute) // longer than MaxLease
			b.die()
			synctest.Wait()
			wantLines(t, l.of(SpanLease), lost...)
		})
}

// panicking is a tracer that panics at one kind of span, when it begins or ends, once.
type panicking struct {
	kind  SpanKind
	atEnd bool
	done  bool
}

func (p *panicking) Start(ctx context.Context, s Span) (context.Context, func(SpanEnd)) {
	hit := func(atEnd bool) {
		if s.Kind == p.kind && atEnd == p.atEnd && !p.done {
			p.done = true
			panic("the tracer's")
		}
	}
	hit(false)
	return ctx, func(SpanEnd) { hit(true) }
}

func TestShellATracerThatPanicsLeaksNoLease(t *testing.T) {
	for _, kind := range []SpanKind{SpanWait, SpanLease} {
		for _, atEnd := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " at its end ", atEnd), func(t *testing.T) {
				leaksNoLease(t, &panicking{kind: kind, atEnd: atEnd})
			})
		}
	}
}

func leaksNoLease(t *testing.T, tracer *panicking) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(new(stub), Config{MaxPages: 1, MaxLease: Off, Tracer: tracer})
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if got := recover(); got != "the tracer's" {
					t.Errorf("recovered %v", got)
				}
			}()
			_ = p.Do(t.Context(), "a", func(context.Context, *stubTab) error { return nil })
		}()
		if leases := p.Stats().Leases; leases != 0 {
			t.Errorf("%d leases are held", leases)
		}
		if err := p.Do(t.Context(), "a", func(context.Context, *stubTab) error { return nil }); err !=
			nil {
			t.Error(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A reset fails, and its page ends, where the pool closes the tab under it, or the browser. That is
// no failed operation, and no page that somebody else closed.
func TestShellAResetThatThePoolItselfEndsIsNoNews(t *testing.T) {
	t.Run("tab", func(t *testing.T) { resetIsEnded(t, "close") })
	t.Run("browser", func(t *testing.T) { resetIsEnded(t, "close-browser") })
}

// resetIsEnded has a reset fail when the pool begins to close its tab, or its browser.
func resetIsEnded(t *testing.T, by string) {
	synctest.Test(t, func(t *testing.T) {
		closing := make(chan struct{})
		var page *stubTab
		launcher := &stub{fate: func(ctx context.Context, what string) error {
			switch what {
			case "reset":
				select {
				case <-closing:
					return errors.New("stub: the page was closed")
				case <-ctx.Done():
					return ctx.Err()
				}
			case by:
				select {
				case <-closing:
				default:
					page.ends(ErrPageClosed)
					close(closing)
					<-time.After(time.Millisecond) // the reset is answered first
				}
			}
			return nil
		}}
		log := new(strings.Builder)
		cfg := Config{MaxPages: 1, Reset: true, Logger: slog.New(slog.NewTextHandler(log, nil))}
		p, err := New(launcher, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Do(t.Context(), "a", func(_ context.Context, given *stubTab) error {
			page = given
			return nil
		}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if resetting := p.Stats().Tabs.Resetting; resetting != 1 {
			t.Fatalf("%d tabs are reset", resetting)
		}
		if by == "close" {
			if err := p.DisposeAffinity(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), "WARN") {
			t.Errorf("the log: %s", log)
		}
		if n := p.Stats().Counters.PagesClosed; n != 0 {
			t.Errorf("%d pages were closed by somebody else", n)
		}
	})
}

// startFunc is a tracer of one func.
type startFunc func(context.Context, Span) (context.Context, func(SpanEnd))

func (f startFunc) Start(ctx context.Context, s Span) (context.Context, func(SpanEnd)) {
	return f(ctx, s)
}

// A lease may end before the tracer has heard of its beginning. Its span ends all the same.
func TestShellATracerIsToldOfALeaseThatEndsBeforeItsSpanHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *Pool[*stubTab]
		l := new(traceLog)
		loses := startFunc(func(ctx context.Context, s Span) (context.Context, func(SpanEnd)) {
			if s.Kind == SpanLease {
				p.mu.Lock()
				lost := p.mu.browsers[1].process.(*stubBrowser).lost
				p.mu.Unlock()
				close(lost)
				synctest.Wait()
			}
			return ctx, nil
		})
		p, err := New(new(stub), Config{MaxPages: 1, Tracer: Tracers(l, loses), More: More{Strict: true}})
		if err != nil {
			t.Fatal(err)
		}
		lease, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		wantLines(t, l.of(SpanLease), "lease a "+lease.TabID()+" 0s browser-lost")
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

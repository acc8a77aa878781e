package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/spec"
)

func TestTheRecorderKeepsTheLastEventsInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 5} {
		r, k := recorder{most: n}, newKeys()
		k.handle("k")
		for i := range 12 {
			r.add(core.Time(i), core.Event{Kind: core.Requested, Request: core.RequestID(i + 1),
				Affinity: 1}, new(core.State), &k)
			var got []core.Time
			r.each(3, func(rec record) { got = append(got, rec.at) })
			var want []core.Time
			keeps := min(n+i%max(n, 1)+1, 3) // the span before this one, and this one
			if n == 0 {
				keeps = 0
			}
			for j := max(0, i+1-keeps); j <= i; j++ {
				want = append(want, core.Time(j))
			}
			if !slices.Equal(got, want) {
				t.Fatalf("a recorder of %d after %d events has %v, want %v", n, i+1, got, want)
			}
		}
	}
}

// What a copy of the pool costs is spread over as many events as there are things to copy.
func TestTheRecorderOfALargePoolCopiesItNoOftenerThanForAsManyEvents(t *testing.T) {
	settings, err := core.Settings{}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	const waiting = 50
	state, k := core.New(settings), newKeys()
	for i := range waiting {
		e := core.Event{Kind: core.Requested, Request: core.RequestID(i + 1),
			Affinity: k.handle(fmt.Sprint(i))}
		state.Step(0, e, nil)
	}
	r, copies, last := recorder{most: 5}, 0, 0
	for i := range 5 * state.Size() {
		r.add(core.Time(i), core.Event{}, state, &k)
		if len(r.now.records) == 1 {
			if copies++; copies > 1 && i-last < state.Size() {
				t.Fatalf("a pool of %d things is copied for %d events", state.Size(), i-last)
			}
			last = i
		}
	}
	if copies != 5 || state.Size() < 2*waiting {
		t.Errorf("a pool of %d things was copied %d times", state.Size(), copies)
	}
}

func TestAKeyThatIsForgottenGivesItsHandleToTheNext(t *testing.T) {
	k := newKeys()
	a, b := k.handle("a"), k.handle("b")
	if a == 0 || a == b || k.handle("a") != a || k.name(b) != "b" {
		t.Fatalf("handles %d and %d", a, b)
	}
	k.forget(a)
	if c := k.handle("c"); c != a || k.name(c) != "c" || k.handle("b") != b || k.handle("a") == a {
		t.Errorf("after forgetting a, c has handle %d", c)
	}
}

func TestAnErrorSaysWhatFailedAndForWhom(t *testing.T) {
	for _, c := range []struct {
		err  *Error
		want string
	}{
		{&Error{Op: "Ready", Err: ErrClosed}, "pool: Ready: closed"},
		{&Error{Op: "GetPage", Affinity: "a", Err: ErrQueueFull},
			`pool: GetPage "a": too many requests are waiting`},
		{
			&Error{Op: "Do", Affinity: strings.Repeat("é", 200), Waits: Waits{Tab: time.Second},
				Err: context.Canceled},
			`pool: Do "` + strings.Repeat("é", 32) +
				`..." after 1s (admission 0s, tab 1s, startup 0s, probe 0s): context canceled`},
		{
			&Error{Op: "Do", Affinity: "a", Err: ErrLeaseExpired,
				Diagnosis: &Diagnosis{URL: "http://a/b", After: time.Second}},
			`pool: Do "a": the lease was held longer than its limit; the page http://a/b did not answer within 1s`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestADriverThatReturnsNothingHasFailed(t *testing.T) {
	for _, what := range []string{"new-context", "new-tab"} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{void: what}
			p, err := New(s, Config{More: More{Strict: true}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.GetPage(t.Context(), "a")
			if !errors.Is(err, ErrBrowserUnavailable) ||
				!strings.Contains(err.Error(), "the driver returned neither") {
				t.Errorf("%s: got error %v", what, err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAWarmLeaseCostsAtMostTwoAllocations(t *testing.T) {
	p, err := New(new(stub), Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := p.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(1000, func() {
		l, err := p.GetPage(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
	})
	if n > 2 {
		t.Errorf("a warm GetPage and Release make %v allocations", n)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

// A mistake in the books is found in the step that makes it, and reported with what led to it.
func TestABugIsReportedWithTheLastEvents(t *testing.T) {
	const other, gone = "other", 999
	for _, mistake := range []struct {
		finding     string
		make, amend func(*Pool[*stubTab], *Lease[*stubTab])
	}{
		{
			"1 requests are known, and 0 wait",
			func(p *Pool[*stubTab], l *Lease[*stubTab]) { p.mu.requests[gone] = l },
			func(p *Pool[*stubTab], _ *Lease[*stubTab]) { delete(p.mu.requests, gone) },
		},
		{
			"1 calls are known, and 0 wait",
			func(p *Pool[*stubTab], _ *Lease[*stubTab]) { p.mu.calls[gone] = new(call) },
			func(p *Pool[*stubTab], _ *Lease[*stubTab]) { delete(p.mu.calls, gone) },
		},
		{ // a key that stays where its handle goes to the next tenant
			"2 keys have handles, 1 handles have keys, and the core knows 1",
			func(p *Pool[*stubTab], _ *Lease[*stubTab]) { p.mu.keys.handles[other] = 1 },
			func(p *Pool[*stubTab], _ *Lease[*stubTab]) { delete(p.mu.keys.handles, other) },
		},
		{ // a handle that is free, and is not given again
			"1 keys have handles, 2 handles have keys, and the core knows 1",
			func(p *Pool[*stubTab], _ *Lease[*stubTab]) { p.mu.keys.names = append(p.mu.keys.names, other) },
			func(p *Pool[*stubTab], _ *Lease[*stubTab]) { p.mu.keys.names = p.mu.keys.names[:2] },
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, err := New(new(stub), Config{More: More{Strict: true}})
			if err != nil {
				t.Fatal(err)
			}
			l, err := p.GetPage(t.Context(), "spoiled")
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			p.mu.Lock()
			mistake.make(p, l)
			p.mu.Unlock()
			func() {
				defer func() {
					if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "pool: BUG: "+mistake.finding) {
						t.Errorf("it panicked with %q, want %q", text, mistake.finding)
					}
				}()
				l.Release()
			}()
			p.mu.Lock()
			mistake.amend(p, l)
			p.bugLocked("mine")
			text := fmt.Sprint(p.mu.notes[0].args)
			p.mu.notes = nil
			p.unlock()
			for _, line := range []string{"get r1 spoiled\n", "release r1\n"} {
				if !strings.Contains(text, line) {
					t.Errorf("the report has no %q: %s", line, text)
				}
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Goroutines, faults and cancels of all kinds; then everything that the shell told the core is told
// to a bare one, with every claim checked on the way. Both have to end alike. No step may leave a
// deadline for which the timer would fire too late.
func TestTheHistoryOfAShellKeepsEveryInvariant(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) { playAndReplay(t, seed) })
	}
}

func playAndReplay(t *testing.T, seed uint64) {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 0))
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	calm := make(chan struct{})
	s := &stub{fate: func(ctx context.Context, what string) error {
		wait := time.Duration(1+draw(200)) * time.Millisecond
		select {
		case <-calm:
			return nil
		default:
		}
		switch draw(12) {
		case 0:
			return errors.New("stub: bad luck")
		case 1:
			wait = time.Duration(draw(40)) * time.Second
		case 2:
			if what != "launch" && what != "close-browser" {
				<-calm // whatever ctx says
				return nil
			}
		}
		select {
		case <-time.After(wait):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	p, err := New(s, Config{
		MaxPages: 1 + draw(4), MaxLease: 20 * time.Second,
		More: More{RecorderEvents: 1_000_000, Strict: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	watchTimer(t, p, s)
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			for range 30 {
				visit(p, draw)
			}
		})
	}
	clients.Wait()
	close(calm)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Close(ctx); err != nil && !strings.Contains(err.Error(), "written off") {
		t.Errorf("seed %d: %v", seed, err)
	}
	replay(t, p, seed)
}

// watchTimer fails where a step has armed a deadline, and nobody looks in time: neither when the
// timer fires nor when it is moved at the end of the step.
func watchTimer(t *testing.T, p *Pool[*stubTab], s *stub) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.stepped = func(e core.Event, after *core.State) {
		fires := p.mu.armed
		if p.mu.timer != nil {
			fires = min(fires, p.mu.timer.at)
		}
		if d, ok := after.NextDeadline(); ok && d.At < fires {
			t.Errorf("after event kind %d, a deadline of kind %d comes at %v, and the timer fires at %v",
				e.Kind, d.Event.Kind, d.At.Duration(), fires.Duration())
		}
	}
}

// visit is one caller's time with the pool.
func visit(p *Pool[*stubTab], draw func(int) int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+draw(30))*time.Second)
	defer cancel()
	key := string(rune('a' + draw(4)))
	if draw(8) == 0 {
		_ = p.DisposeAffinity(ctx, key)
		return
	}
	l, err := p.GetPage(ctx, key, WithPriority(draw(3)))
	if err != nil {
		<-time.After(time.Duration(draw(1000)) * time.Millisecond)
		return
	}
	if draw(3) == 0 {
		if nested, err := p.GetPage(ctx, key, Nested()); err == nil {
			defer nested.Release()
		}
	}
	select {
	case <-time.After(time.Duration(draw(25_000)) * time.Millisecond):
	case <-l.Context().Done():
	}
	switch draw(10) {
	case 0:
		l.Suspect()
	case 1:
		l.Page().crash()
	case 2:
		l.Page().b.die()
	default:
		l.Release()
		l.Release()
	}
}

func replay(t *testing.T, p *Pool[*stubTab], seed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, before, ledger := core.New(p.settings), new(core.State), new(spec.Ledger)
	var effects []core.Effect
	var broken []core.Violation
	var counters Counters
	steps := 0
	p.mu.recorder.each(1_000_000, func(r record) {
		before.CopyFrom(state)
		effects = state.Step(r.at, r.event, effects[:0])
		for i := range effects {
			counters.count(&effects[i])
		}
		switch {
		case r.event.Is(core.Silent, core.KillTab):
			counters.Lost++
		case r.event.Is(core.Silent, core.CloseContext): // the first has it closed once more
			counters.Lost += uint64(state.LostContexts() - before.LostContexts())
		}
		ledger.Feed(&state.Settings, r.at, r.event, effects)
		steps++
		broken = spec.Check(&spec.Transition{Before: before, After: state, Event: r.event,
			Effects: effects, Ledger: ledger}, broken[:0])
		for _, v := range broken {
			t.Errorf("seed %d, step %d at %v, %s: %v", seed, steps, time.Duration(r.at),
				trace.AppendEvent(nil, r.event, r), v)
		}
	})
	if counters != p.mu.counters || !state.Ended() {
		t.Errorf("seed %d: the bare core ends (%v) with %+v, the shell with %+v", seed, state.Ended(),
			counters, p.mu.counters)
	}
	t.Logf("seed %d: %d steps, %+v", seed, steps, counters)
}

// What a launch brings that was written off is closed, and no timer is left behind by it.
func TestALaunchThatAnswersAfterTheEndArmsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		s := &stub{fate: func(ctx context.Context, what string) error {
			if what == "launch" {
				<-answer // whatever ctx says
			}
			return nil
		}}
		p, err := New(s, Config{
			Timeouts: Timeouts{LaunchTimeout: time.Second},
			More:     More{Strict: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(1500 * time.Millisecond) // the first launch is written off by then
		if err := p.Close(t.Context()); err == nil {
			t.Error("nobody says that a launch is under way")
		}
		close(answer)
		synctest.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.mu.timer != nil || p.mu.running != 0 {
			t.Errorf("a timer: %v, running: %d", p.mu.timer != nil, p.mu.running)
		}
	})
}

// With DumpPseudonyms, the report of a bug names nobody.
func TestABugIsReportedWithPseudonymsWhereDumpsHaveThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(new(stub), Config{More: More{DumpPseudonyms: true}})
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.GetPage(t.Context(), "tenant")
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		p.mu.Lock()
		p.bugLocked("mine")
		text := fmt.Sprint(p.mu.notes[len(p.mu.notes)-1].args)
		p.unlock()
		if !strings.Contains(text, "get r1 k1\n") || strings.Contains(text, "tenant") {
			t.Errorf("the report is %s", text)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

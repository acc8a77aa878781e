package properties

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// shellStub is a driver whose every operation a test can script. What is not scripted succeeds at
// once.
type shellStub struct {
	mu struct {
		sync.Mutex
		scripts  map[string]func(ctx context.Context, n int) error
		calls    map[string]int
		ids      map[string][]uint64 // the operation numbers that the calls carried
		browsers []*shellBrowser
		contexts int  // alive
		most     int  // contexts alive at once
		silent   bool // a browser that was closed does not say so
	}
	launched func() (pool.Browser[*shellPage], error) // nil: a browser
	sessions bool                                     // each lease has a session of its own
	// made in the bubble; what is stuck goes on when it is closed
	gate chan struct{}
}

// script says what becomes of the calls of one operation; n counts them from 1. The operations are
// launch, ping, new-context, new-tab, begin-lease, end-lease, probe, rescue, reset, close (of a
// page or a context), kill and close-browser.
func (s *shellStub) script(operation string, fn func(ctx context.Context, n int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.scripts == nil {
		s.mu.scripts = map[string]func(context.Context, int) error{}
	}
	s.mu.scripts[operation] = fn
}

func (s *shellStub) called(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.calls[operation]
}

func (s *shellStub) meet(ctx context.Context, operation string) error {
	s.mu.Lock()
	if s.mu.calls == nil {
		s.mu.calls, s.mu.ids = map[string]int{}, map[string][]uint64{}
	}
	s.mu.calls[operation]++
	n := s.mu.calls[operation]
	s.mu.ids[operation] = append(s.mu.ids[operation], pool.OperationID(ctx))
	fn := s.mu.scripts[operation]
	s.mu.Unlock()
	if fn == nil {
		return nil
	}
	return fn(ctx, n)
}

func (s *shellStub) browser(i int) *shellBrowser {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.browsers[i]
}

// lasts makes an operation take d, or less where its ctx ends.
func lasts(d time.Duration) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hangs makes an operation hang until its ctx ends; stuck until the gate opens, whatever ctx says.
func hangs(ctx context.Context, _ int) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func (s *shellStub) stuck(context.Context, int) error {
	<-s.gate
	return nil
}

// firstStuck is stuck the first time.
func (s *shellStub) firstStuck(ctx context.Context, n int) error {
	if n == 1 {
		return s.stuck(ctx, n)
	}
	return nil
}

func fails(err error) func(context.Context, int) error {
	return func(context.Context, int) error { return err }
}

type shellBrowser struct {
	stub *shellStub
	lost chan struct{}
	done chan struct{}
	once sync.Once
	life context.Context
	end  context.CancelCauseFunc
	tabs []*shellPage
	open atomic.Int64 // contexts
}

type shellContext struct {
	b    *shellBrowser
	once sync.Once
	page *shellPage
}

// shellPage is a tab, and what a holder gets.
type shellPage struct {
	b    *shellBrowser
	done chan struct{}
	once sync.Once
	life context.Context
	end  context.CancelCauseFunc
}

type tabValue string

var errDriver = errors.New("driver: something ended")

func (s *shellStub) Launch(ctx context.Context) (pool.Browser[*shellPage], error) {
	if err := s.meet(ctx, "launch"); err != nil {
		return nil, err
	}
	if s.launched != nil {
		return s.launched()
	}
	b := &shellBrowser{stub: s, done: make(chan struct{}), lost: make(chan struct{})}
	b.life, b.end = context.WithCancelCause(
		context.WithValue(context.Background(), tabValue("of"), "tab"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.browsers = append(s.mu.browsers, b)
	return b, nil
}

// die ends the browser, and then its tabs, as a driver has to: browser news first.
func (b *shellBrowser) die() {
	b.once.Do(func() {
		close(b.done)
		b.stub.mu.Lock()
		defer b.stub.mu.Unlock()
		b.stub.mu.contexts -= int(b.open.Swap(0))
		for _, t := range b.tabs {
			t.crash()
		}
		b.end(errDriver)
	})
}

// lose ends the browser's pages, as those of one do that is killed; die follows later. Until then
// it answers nothing.
func (b *shellBrowser) lose() {
	close(b.lost)
	b.stub.mu.Lock()
	defer b.stub.mu.Unlock()
	for _, t := range b.tabs {
		t.crash()
	}
}

func (b *shellBrowser) gone() error {
	select {
	case <-b.done:
		return errDriver
	default:
		return nil
	}
}

// hang waits for the end of a browser that is lost.
func (b *shellBrowser) hang() error {
	select {
	case <-b.lost:
		<-b.done
		return errDriver
	default:
		return nil
	}
}

func (b *shellBrowser) Done() <-chan struct{} { return b.done }

// TellsMemory has the pool measure each browser now and then.
func (s *shellStub) TellsMemory() error { return nil }

func (b *shellBrowser) Memory(context.Context) (int64, error) { return 1, b.gone() }

func (b *shellBrowser) Lost() <-chan struct{} { return b.lost }

func (b *shellBrowser) Ping(ctx context.Context) error {
	return errors.Join(b.stub.meet(ctx, "ping"), b.hang(), b.gone())
}

func (b *shellBrowser) Close(ctx context.Context) error {
	if err := b.stub.meet(ctx, "close-browser"); err != nil {
		return err
	}
	b.stub.mu.Lock()
	silent := b.stub.mu.silent
	b.stub.mu.Unlock()
	if !silent {
		b.die()
	}
	return nil
}

func (b *shellBrowser) NewContext(ctx context.Context) (pool.BrowserContext[*shellPage], error) {
	err := errors.Join(b.stub.meet(ctx, "new-context"), b.hang())
	b.stub.mu.Lock()
	defer b.stub.mu.Unlock()
	// die counts, under the same lock, what was open
	if err := errors.Join(err, b.gone()); err != nil {
		return nil, err
	}
	b.open.Add(1)
	b.stub.mu.contexts++
	b.stub.mu.most = max(b.stub.mu.most, b.stub.mu.contexts)
	return &shellContext{b: b}, nil
}

func (c *shellContext) NewTab(ctx context.Context) (pool.Tab[*shellPage], error) {
	err := errors.Join(c.b.stub.meet(ctx, "new-tab"), c.b.hang())
	c.b.stub.mu.Lock()
	defer c.b.stub.mu.Unlock()
	if err := errors.Join(err, c.b.gone()); err != nil {
		return nil, err
	}
	c.page = &shellPage{b: c.b, done: make(chan struct{})}
	c.page.life, c.page.end = context.WithCancelCause(c.b.life)
	c.b.tabs = append(c.b.tabs, c.page)
	if c.b.stub.sessions {
		return shellLeaseTab{c.page}, nil
	}
	return c.page, nil
}

// shellLeaseTab is a tab whose leases have sessions of their own.
type shellLeaseTab struct{ *shellPage }

func (t shellLeaseTab) BeginLease(ctx context.Context) (*shellPage, context.Context, error) {
	if err := t.b.stub.meet(ctx, "begin-lease"); err != nil {
		return nil, nil, err
	}
	return t.shellPage, t.life, nil
}

func (t shellLeaseTab) EndLease(ctx context.Context) (pool.Left, error) {
	return pool.Clean, t.b.stub.meet(ctx, "end-lease")
}

func (c *shellContext) Close(ctx context.Context) error {
	if err := c.b.stub.meet(ctx, "close"); err != nil {
		return err
	}
	c.once.Do(func() {
		c.b.stub.mu.Lock()
		if c.b.open.Load() > 0 {
			c.b.open.Add(-1)
			c.b.stub.mu.contexts--
		}
		c.b.stub.mu.Unlock()
		if c.page != nil {
			c.page.crash()
		}
	})
	return nil
}

// crash ends the page.
func (t *shellPage) crash() { t.ends(errDriver) }

func (t *shellPage) ends(cause error) {
	t.once.Do(func() {
		t.end(cause)
		close(t.done)
	})
}

func (t *shellPage) Page() *shellPage                 { return t }
func (t *shellPage) Context() context.Context         { return t.life }
func (t *shellPage) Done() <-chan struct{}            { return t.done }
func (t *shellPage) Reset(ctx context.Context) error  { return t.b.stub.meet(ctx, "reset") }
func (t *shellPage) Probe(ctx context.Context) error  { return t.b.stub.meet(ctx, "probe") }
func (t *shellPage) Rescue(ctx context.Context) error { return t.b.stub.meet(ctx, "rescue") }
func (t *shellPage) Kill(ctx context.Context) error   { return t.b.stub.meet(ctx, "kill") }

func (t *shellPage) Close(ctx context.Context) error {
	if err := t.b.stub.meet(ctx, "close"); err != nil {
		return err
	}
	t.crash()
	return nil
}

// countingClock is the bubble's time, and knows how many timers are armed.
type countingClock struct{ armed atomic.Int64 }

func (c *countingClock) Now() time.Time { return time.Now() }

func (c *countingClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.armed.Add(1)
	stop := time.AfterFunc(d, func() {
		c.armed.Add(-1)
		f()
	}).Stop
	return func() bool {
		ok := stop()
		if ok {
			c.armed.Add(-1)
		}
		return ok
	}
}

type shellPool = pool.Pool[*shellPage]

// inShell runs fn in a bubble with a pool over a stub, then closes the pool if fn has not, and
// checks that nothing of it is left: no context, no timer, no goroutine.
func inShell(t *testing.T, cfg pool.Config, stub *shellStub, fn func(t *testing.T, p *shellPool)) {
	synctest.Test(t, func(t *testing.T) {
		clock := new(countingClock)
		stub.gate = make(chan struct{})
		cfg.More.Clock, cfg.More.Strict = clock, true
		p, err := pool.New(stub, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { // also where fn has ended the test: a bubble with goroutines in it hides why
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = p.Close(ctx)
			if !t.Failed() {
				checkNothingLeft(t, stub, clock)
			}
		}()
		fn(t, p)
	})
}

func checkNothingLeft(t *testing.T, stub *shellStub, clock *countingClock) {
	t.Helper()
	if n := clock.armed.Load(); n != 0 {
		t.Errorf("%d timers are armed after Close", n)
	}
	synctest.Wait()
	buf := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "pagepool/pool.(*") {
			t.Errorf("a goroutine of the pool is left after Close:\n%s", stack)
		}
	}
	stub.mu.Lock()
	defer stub.mu.Unlock()
	if stub.mu.contexts != 0 {
		t.Errorf("%d contexts are alive after Close", stub.mu.contexts)
	}
	for i, b := range stub.mu.browsers {
		if b.gone() == nil {
			t.Errorf("browser %d is alive after Close", i)
		}
	}
}

func mustGet(t *testing.T, p *shellPool, affinity string,
	opts ...pool.GetOption) *pool.Lease[*shellPage] {
	t.Helper()
	l, err := p.GetPage(t.Context(), affinity, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustWarm(t *testing.T, p *shellPool) {
	t.Helper()
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// asked is a GetPage that runs in a goroutine of its own; result is there once it has returned.
type asked struct {
	done  chan struct{}
	lease *pool.Lease[*shellPage]
	err   error
}

func ask(ctx context.Context, p *shellPool, affinity string, opts ...pool.GetOption) *asked {
	a := &asked{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.lease, a.err = p.GetPage(ctx, affinity, opts...)
	}()
	synctest.Wait()
	return a
}

func (a *asked) waits() bool {
	synctest.Wait()
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

func wantIs(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got error %v, want one that is %v", err, target)
		}
	}
}

func wantEnded(t *testing.T, l *pool.Lease[*shellPage], cause error) {
	t.Helper()
	synctest.Wait()
	if got := context.Cause(l.Context()); !errors.Is(got, cause) {
		t.Errorf("the lease on %s has cause %v, want %v", l.TabID(), got, cause)
	}
}

// after lets virtual time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func wantText(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got error %q, want one that says %q", fmt.Sprint(err), text)
		}
	}
}

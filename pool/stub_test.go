package pool

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool/core"
)

// stub is a driver that does everything at once, unless fate says otherwise.
type stub struct {
	fate  func(ctx context.Context, what string) error // nil: all goes well
	alive atomic.Int64                                 // contexts
	// the operation that returns neither a value nor an error
	void string

	stepped func(e core.Event, after *core.State) // guarded by pool.mu; nil: nobody wants to know
}

// Stepped makes a stub an observer.
func (s *stub) Stepped(_ shell.Locked, _ core.Time, _ string, e core.Event, after *core.State) {
	if s.stepped != nil {
		s.stepped(e, after)
	}
}

func (s *stub) meet(ctx context.Context, what string) error {
	if s.fate == nil {
		return nil
	}
	return s.fate(ctx, what)
}

type stubBrowser struct {
	stub *stub
	done chan struct{}
	lost chan struct{} // closed by a test that has it be lost before it dies
	why  chan error    // takes from a test why it dies, before it does
	life context.Context
	end  context.CancelFunc
	over atomic.Bool
}

type stubContext struct {
	b      *stubBrowser
	page   *stubTab
	closed atomic.Bool
}

type stubTab struct {
	b    *stubBrowser
	done chan struct{}
	dead atomic.Bool
	life context.Context
	end  context.CancelCauseFunc
}

func (s *stub) Launch(ctx context.Context) (Browser[*stubTab], error) {
	if err := s.meet(ctx, "launch"); err != nil {
		return nil, err
	}
	b := &stubBrowser{stub: s, done: make(chan struct{}), lost: make(chan struct{}),
		why: make(chan error, 1)}
	b.life, b.end = context.WithCancel(context.Background())
	return b, nil
}

func (b *stubBrowser) die() {
	if !b.over.Swap(true) {
		close(b.done)
		b.end()
	}
}

var errStubGone = errors.New("stub: the browser is gone")

func (b *stubBrowser) meet(ctx context.Context, what string) error {
	if err := b.stub.meet(ctx, what); err != nil {
		return err
	}
	if b.over.Load() {
		return errStubGone
	}
	return nil
}

func (b *stubBrowser) Done() <-chan struct{}          { return b.done }
func (b *stubBrowser) Lost() <-chan struct{}          { return b.lost }
func (b *stubBrowser) Ended() <-chan error            { return b.why }
func (b *stubBrowser) Ping(ctx context.Context) error { return b.meet(ctx, "ping") }

func (b *stubBrowser) Close(ctx context.Context) error {
	if err := b.stub.meet(ctx, "close-browser"); err != nil {
		return err
	}
	b.die()
	return nil
}

func (b *stubBrowser) NewContext(ctx context.Context) (BrowserContext[*stubTab], error) {
	if err := b.meet(ctx, "new-context"); err != nil {
		return nil, err
	}
	if b.stub.void == "new-context" {
		return (*stubContext)(nil), nil
	}
	b.stub.alive.Add(1)
	return &stubContext{b: b}, nil
}

func (c *stubContext) NewTab(ctx context.Context) (Tab[*stubTab], error) {
	if err := c.b.meet(ctx, "new-tab"); err != nil {
		return nil, err
	}
	if c.b.stub.void == "new-tab" {
		return nil, nil
	}
	c.page = &stubTab{b: c.b, done: make(chan struct{})}
	c.page.life, c.page.end = context.WithCancelCause(c.b.life)
	return c.page, nil
}

func (c *stubContext) Close(ctx context.Context) error {
	if err := c.b.stub.meet(ctx, "close"); err != nil {
		return err
	}
	if !c.closed.Swap(true) {
		c.b.stub.alive.Add(-1)
	}
	return nil
}

func (t *stubTab) crash() { t.ends(nil) }

// ends ends the page by itself; cause is what its driver says of that.
func (t *stubTab) ends(cause error) {
	if !t.dead.Swap(true) {
		t.end(cause)
		close(t.done)
	}
}

func (t *stubTab) Page() *stubTab                   { return t }
func (t *stubTab) Context() context.Context         { return t.life }
func (t *stubTab) Done() <-chan struct{}            { return t.done }
func (t *stubTab) Reset(ctx context.Context) error  { return t.b.meet(ctx, "reset") }
func (t *stubTab) Probe(ctx context.Context) error  { return t.b.meet(ctx, "probe") }
func (t *stubTab) Rescue(ctx context.Context) error { return t.b.meet(ctx, "rescue") }
func (t *stubTab) Close(ctx context.Context) error  { return t.b.meet(ctx, "close-tab") }
func (t *stubTab) Kill(ctx context.Context) error   { return t.b.meet(ctx, "kill") }

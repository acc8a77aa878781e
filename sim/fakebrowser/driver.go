package fakebrowser

import (
	"context"
	"errors"
	"slices"

	"github.com/pagepool/pagepool/pool"
)

// process is one browser process behind pool.Browser. Its fields are guarded by the launcher's
// lock.
type process struct {
	launcher *Launcher
	profiles []*profile
	done     chan struct{} // closed when it is gone
	lost     chan struct{} // closed when it is known to end, and has not ended yet
	losing   bool          // that is so
	cause    error         // why it is gone; nil: it is not
	memory   int64         // what it uses beside its pages
}

// profile is one browser context behind pool.BrowserContext.
type profile struct {
	process *process
	pages   []*Page
	madeFor string // the affinity on whose terms it was made; empty: nobody's
	memory  string
	closed  chan struct{}
	cause   error
}

// Why things ended that were asked to.
var (
	errClosed = errors.New("fakebrowser: it was closed")
	errKilled = errors.New("fakebrowser: its renderer was killed")
)

func (p *process) pagesLocked() int {
	n := 0
	for _, c := range p.profiles {
		for _, page := range c.pages {
			n += 1 + page.popups
		}
	}
	return n
}

// Memory is what the process and its pages use.
func (p *process) Memory(context.Context) (int64, error) {
	p.launcher.mu.Lock()
	defer p.launcher.mu.Unlock()
	sum := p.memory
	for _, c := range p.profiles {
		for _, page := range c.pages {
			sum += page.memory
		}
	}
	return sum, nil
}

// endLocked ends the process with all that is in it.
func (p *process) endLocked(cause error) {
	if p.cause != nil {
		return
	}
	p.cause = cause
	for len(p.profiles) > 0 {
		p.profiles[0].endLocked(cause)
	}
	mu := &p.launcher.mu
	mu.processes = slices.DeleteFunc(mu.processes, func(x *process) bool { return x == p })
	close(p.done)
}

// endLocked ends the profile with all its pages.
func (c *profile) endLocked(cause error) {
	if c.cause != nil {
		return
	}
	c.cause = cause
	for len(c.pages) > 0 {
		c.pages[0].removeLocked(cause)
	}
	c.process.profiles = slices.DeleteFunc(c.process.profiles, func(x *profile) bool { return x == c })
	close(c.closed)
}

// NewContext makes a profile. It has no latency of its own: NewTab has that of both.
func (p *process) NewContext(ctx context.Context) (pool.BrowserContext[*Page], error) {
	return p.NewContextFor(ctx, "")
}

// NewContextFor makes a profile on the terms of an affinity.
func (p *process) NewContextFor(ctx context.Context, affinity string) (pool.BrowserContext[*Page],
	error) {
	p.launcher.mu.Lock()
	defer p.launcher.mu.Unlock()
	if p.cause != nil {
		return nil, p.cause
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c := &profile{process: p, madeFor: affinity, closed: make(chan struct{})}
	p.profiles = append(p.profiles, c)
	return c, nil
}

// Done is closed when the process is gone.
func (p *process) Done() <-chan struct{} { return p.done }

// Lost is closed by LoseOldest.
func (p *process) Lost() <-chan struct{} { return p.lost }

// Ping answers at once, as long as the process is alive and not lost.
func (p *process) Ping(context.Context) error {
	p.launcher.mu.Lock()
	defer p.launcher.mu.Unlock()
	if p.cause == nil && p.losing {
		return pool.ErrBrowserLost
	}
	return p.cause
}

// checked is a process that can be checked.
type checked struct{ *process }

var _ pool.Checker = checked{}

// Check answers as its fate says.
func (c checked) Check(ctx context.Context) error {
	result, err := c.launcher.wait(ctx, Check, false, c.done)
	c.launcher.mu.Lock()
	defer c.launcher.mu.Unlock()
	switch {
	case c.cause != nil:
		return c.cause
	case err != nil:
		return err
	case result != Works:
		return errFate
	}
	return nil
}

// Close ends the process, when ctx ends by force. One that hangs does not end by force either.
func (p *process) Close(ctx context.Context) error {
	select {
	case <-p.lost:
		<-p.done
		return nil
	default:
	}
	// The error is the caller's impatience, and that means force.
	result, _ := p.launcher.wait(ctx, CloseBrowser, true, p.done)
	if result != Works {
		return errFate
	}
	p.launcher.mu.Lock()
	defer p.launcher.mu.Unlock()
	p.endLocked(errClosed)
	return nil
}

// NewTab opens a page. It ends with its profile.
func (c *profile) NewTab(ctx context.Context) (pool.Tab[*Page], error) {
	result, err := c.process.launcher.wait(ctx, Open, true, c.closed)
	c.process.launcher.mu.Lock()
	defer c.process.launcher.mu.Unlock()
	switch {
	case c.cause != nil:
		return nil, c.cause
	case err != nil:
		return nil, err
	case result != Works:
		return nil, errFate
	}
	opened := &Page{profile: c, done: make(chan struct{}), changed: make(chan struct{}), standby: true}
	opened.life, opened.end = context.WithCancelCause(context.Background())
	c.pages = append(c.pages, opened)
	if c.process.launcher.Sessions {
		return leasePage{opened}, nil
	}
	return opened, nil
}

// Close ends the profile with its pages. It hangs as long as one of them is wedged.
func (c *profile) Close(ctx context.Context) error {
	result, err := c.process.launcher.wait(ctx, Close, false, c.closed)
	l := c.process.launcher
	l.mu.Lock()
	defer l.mu.Unlock()
	for err == nil && c.cause == nil && result == Works {
		i := slices.IndexFunc(c.pages, func(page *Page) bool { return page.held == wedged })
		if i < 0 {
			c.endLocked(errClosed)
			break
		}
		err = c.pages[i].awaitLocked(ctx)
	}
	switch {
	case c.cause != nil && result == Works:
		return nil
	case err != nil:
		return err
	case result == FailsAnyway:
		c.endLocked(errClosed)
	}
	return errFate
}

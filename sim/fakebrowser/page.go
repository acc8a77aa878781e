package fakebrowser

import (
	"context"
	"slices"
	"sync"

	"github.com/pagepool/pagepool/pool"
)

// hold says what has the main thread of a page.
type hold uint8

const (
	free    hold = iota
	looping      // a script that a rescue can stop
	stalled      // something that only the end of the page ends
	wedged       // the same, and closes hang until the renderer is killed
)

// Page is one page behind pool.Tab, and what the holder of a lease gets. Its fields are guarded by
// the launcher's lock.
type Page struct {
	profile *profile
	done    chan struct{} // closed when it crashed or is gone
	changed chan struct{} // closed, and made again, when held changes or the page ends
	life    context.Context
	end     context.CancelCauseFunc
	cause   error // why it ended; nil: it did not
	popups  int
	held    hold
	standby bool
	lent    bool // a session of a lease has begun on it
	frozen  bool // it was frozen, and not probed since
	memory  int64
}

func (p *Page) mu() *sync.Mutex { return &p.profile.process.launcher.mu.Mutex }

// setLocked notes that something else has the main thread.
func (p *Page) setLocked(held hold) {
	p.held = held
	close(p.changed)
	p.changed = make(chan struct{})
}

// endLocked ends the renderer. The page is counted until it is removed.
func (p *Page) endLocked(cause error) {
	if p.cause != nil {
		return
	}
	p.cause = cause
	p.setLocked(free)
	p.end(cause)
	close(p.done)
}

func (p *Page) removeLocked(cause error) {
	p.endLocked(cause)
	c := p.profile
	c.pages = slices.DeleteFunc(c.pages, func(x *Page) bool { return x == p })
}

// awaitLocked waits, without the lock, until something changes about the page.
func (p *Page) awaitLocked(ctx context.Context) error {
	changed := p.changed
	p.mu().Unlock()
	defer p.mu().Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// useLocked waits until the main thread is free, and fails where the page ends.
func (p *Page) useLocked(ctx context.Context) error {
	for p.cause == nil && p.held != free {
		if err := p.awaitLocked(ctx); err != nil {
			return err
		}
	}
	return p.cause
}

// What a holder does with a page.

// Work has the page do something that ends at once.
func (p *Page) Work(ctx context.Context) error {
	p.mu().Lock()
	defer p.mu().Unlock()
	err := p.useLocked(ctx)
	p.standby = p.standby && err != nil
	return err
}

// Hang has the page do something that never ends; its main thread stays free.
func (p *Page) Hang(ctx context.Context) error {
	select {
	case <-p.done:
		return context.Cause(p.life)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// AtStandby says whether the page shows its standby state.
func (p *Page) AtStandby() bool {
	p.mu().Lock()
	defer p.mu().Unlock()
	return p.standby
}

// Popup has the page open another one.
func (p *Page) Popup() {
	p.mu().Lock()
	defer p.mu().Unlock()
	p.popups++
	p.standby = false
}

// Remember stores a value in the page's profile, and Recall returns it.
func (p *Page) Remember(value string) {
	p.mu().Lock()
	defer p.mu().Unlock()
	p.profile.memory = value
	p.standby = false
}

// Recall returns what the page's profile remembers.
func (p *Page) Recall() string {
	p.mu().Lock()
	defer p.mu().Unlock()
	return p.profile.memory
}

// Profile stands for the page's profile: it is equal for pages of one, and for no others.
func (p *Page) Profile() any { return p.profile }

// MadeFor is the affinity on whose terms the page's profile was made; empty: nobody's.
func (p *Page) MadeFor() string { return p.profile.madeFor }

func (p *Page) hold(held hold) {
	p.mu().Lock()
	defer p.mu().Unlock()
	if p.cause == nil {
		p.standby = false
		p.setLocked(held)
	}
}

// Loop has a script hold the main thread until a rescue stops it. The page can be closed.
func (p *Page) Loop() { p.hold(looping) }

// Stall holds the main thread for as long as the page lives. The page can be closed.
func (p *Page) Stall() { p.hold(stalled) }

// Wedge holds the main thread, and closes hang, until the renderer is killed.
func (p *Page) Wedge() { p.hold(wedged) }

// Swell has the page use so many bytes more.
func (p *Page) Swell(bytes int64) {
	p.mu().Lock()
	defer p.mu().Unlock()
	p.memory += bytes
}

// Memory is what the page uses.
func (p *Page) Memory(context.Context) (int64, error) {
	p.mu().Lock()
	defer p.mu().Unlock()
	return p.memory, nil
}

// Crash ends the page's renderer.
func (p *Page) Crash() {
	p.mu().Lock()
	defer p.mu().Unlock()
	p.endLocked(pool.ErrPageCrashed)
}

// What the pool does with a page.

// Page is the page itself.
func (p *Page) Page() *Page { return p }

// Context is the page's life.
func (p *Page) Context() context.Context { return p.life }

// Done is closed when the page crashed or is gone.
func (p *Page) Done() <-chan struct{} { return p.done }

// fate lets a call on the page have its fate. It ends with the page.
func (p *Page) fate(ctx context.Context, kind OperationKind) error {
	result, err := p.profile.process.launcher.wait(ctx, kind, false, p.done)
	if err == nil && result != Works {
		err = errFate
	}
	return err
}

// Probe returns nil when the main thread is free.
func (p *Page) Probe(ctx context.Context) error {
	if err := p.fate(ctx, Probe); err != nil {
		return err
	}
	p.mu().Lock()
	defer p.mu().Unlock()
	err := p.useLocked(ctx)
	p.frozen = p.frozen && err != nil
	return err
}

// Freeze stops the page until it is probed.
func (p *Page) Freeze(ctx context.Context) error {
	if err := p.fate(ctx, Freeze); err != nil {
		return err
	}
	p.mu().Lock()
	defer p.mu().Unlock()
	err := p.useLocked(ctx)
	p.frozen = err == nil
	return err
}

// Frozen says whether the page is frozen.
func (p *Page) Frozen() bool {
	p.mu().Lock()
	defer p.mu().Unlock()
	return p.frozen
}

// Reset closes the popups and brings the page back to its standby state.
func (p *Page) Reset(ctx context.Context) error {
	if err := p.fate(ctx, Reset); err != nil {
		return err
	}
	return p.restore(ctx)
}

func (p *Page) restore(ctx context.Context) error {
	p.mu().Lock()
	defer p.mu().Unlock()
	err := p.useLocked(ctx)
	if err == nil {
		p.popups, p.standby = 0, true
	}
	return err
}

// Rescue stops a script that loops.
func (p *Page) Rescue(ctx context.Context) error {
	if err := p.fate(ctx, Rescue); err != nil {
		return err
	}
	p.mu().Lock()
	if p.held == looping {
		p.setLocked(free)
	}
	p.mu().Unlock()
	return p.restore(ctx)
}

// Close closes the page and its popups. It hangs as long as the page is wedged.
func (p *Page) Close(ctx context.Context) error {
	result, err := p.profile.process.launcher.wait(ctx, Close, false, p.profile.closed)
	p.mu().Lock()
	defer p.mu().Unlock()
	for err == nil && result == Works && p.held == wedged {
		err = p.awaitLocked(ctx)
	}
	if err != nil {
		return err
	}
	if result != Fails {
		p.removeLocked(errClosed)
	}
	if result != Works {
		return errFate
	}
	return nil
}

// Kill ends the page's renderer by force, and its target.
func (p *Page) Kill(ctx context.Context) error {
	result, err := p.profile.process.launcher.wait(ctx, Kill, false, p.profile.closed)
	if err != nil {
		return err
	}
	p.mu().Lock()
	defer p.mu().Unlock()
	if result != Fails {
		p.removeLocked(errKilled)
	}
	if result != Works {
		return errFate
	}
	return nil
}

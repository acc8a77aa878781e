package fakebrowser

import (
	"context"

	"github.com/pagepool/pagepool/pool"
)

// leasePage is a page whose leases have sessions of their own. Its holders get the page itself.
type leasePage struct{ *page }

// page has a name of its own here because Page is a method of it.
type page = Page

var _ pool.LeaseTab[*Page] = leasePage{}

// BeginLease begins the session of the next lease. It waits until the main thread is free.
func (p leasePage) BeginLease(ctx context.Context) (*Page, context.Context, error) {
	p.mu().Lock()
	first := !p.lent
	p.lent = true
	p.mu().Unlock()
	if !first { // the first session begins with the opening, which has had its fate
		if err := p.fate(ctx, BeginSession); err != nil {
			return nil, nil, err
		}
	}
	p.mu().Lock()
	defer p.mu().Unlock()
	if err := p.useLocked(ctx); err != nil {
		return nil, nil, err
	}
	return p.page, p.life, nil
}

// EndLease ends the session of a lease. It needs no turn of the main thread.
func (p leasePage) EndLease(ctx context.Context) (pool.Left, error) {
	if err := p.fate(ctx, EndSession); err != nil {
		return pool.Clean, err
	}
	p.mu().Lock()
	defer p.mu().Unlock()
	return pool.Clean, p.cause
}

// Navigations says that every lease navigates.
func (p leasePage) Navigations() (began, finished bool) { return true, true }

// Halt stops a script that loops, and leaves the document as it is.
func (p *Page) Halt(ctx context.Context) error {
	if err := p.fate(ctx, Rescue); err != nil {
		return err
	}
	p.mu().Lock()
	defer p.mu().Unlock()
	if p.held == looping {
		p.setLocked(free)
	}
	return p.useLocked(ctx)
}

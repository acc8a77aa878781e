package chrome

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// paceMost is how long the first leases of a browser keep others from opening a page. Most load
// their document in half of that.
const paceMost = 250 * time.Millisecond

// pace has a browser that has just started serve its first holders before it opens more. These may
// have waited since the last browser died, and every cache is cold; the spare that the pool opens
// as soon as they have their pages would take a third of the processors from them. So where as many
// pages are there as processors, the next one waits until the first lease has ended.
type pace struct {
	first   sync.Once
	last    sync.Once
	begun   chan struct{} // closed when the first lease has begun
	settled chan struct{} // closed when one has ended, or paceMost after the first began
}

func newPace() pace {
	return pace{begun: make(chan struct{}), settled: make(chan struct{})}
}

func (p *pace) leaseBegun() {
	p.first.Do(func() {
		close(p.begun)
		time.AfterFunc(paceMost, p.settle)
	})
}

// settle notes that a lease has ended.
func (p *pace) settle() { p.last.Do(func() { close(p.settled) }) }

// wait waits for the turn of an opening in a browser that has so many pages, for ctx, or until lost
// is closed.
func (p *pace) wait(ctx context.Context, pages int, lost <-chan struct{}) {
	select {
	case <-p.begun:
	default:
		return // nobody is in its way
	}
	if pages < runtime.GOMAXPROCS(0) {
		return
	}
	select {
	case <-p.settled:
	case <-lost:
	case <-ctx.Done():
	}
}

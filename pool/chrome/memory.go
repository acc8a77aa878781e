package chrome

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/pool"
)

// Memory, of pages and of browsers. How much the scripts of a page may use is asked for now and
// then. V8 has a limit of its own beside that, for pages that grow faster or do not answer, where
// the driver starts the browser.

var (
	_ pool.MemoryTeller = Launcher{}
	_ pool.MemoryTeller = Remote{}
	_ pool.Measurer     = (*browser)(nil)
	_ pool.Measurer     = (*tab)(nil)
)

// TellsMemory returns nil on Linux. Elsewhere the memory of processes is not measured.
func (Launcher) TellsMemory() error { return memoryTold }

// TellsMemory returns an error: the processes of a browser that somebody else has started may run
// anywhere.
func (Remote) TellsMemory() error {
	return errors.New("chrome: the processes of a Remote's browser are not ours to measure")
}

// Memory returns what the processes of the browser use together.
func (b *browser) Memory(context.Context) (int64, error) {
	if b.process == nil {
		return 0, Remote{}.TellsMemory()
	}
	return b.process.memory()
}

// Memory returns what the page's scripts, and what they hold, use.
func (t *tab) Memory(ctx context.Context) (int64, error) {
	used, err := t.heapUsed(ctx)
	return int64(used), err
}

const (
	// memoryEvery is the time between two looks at a page's memory.
	memoryEvery = time.Second
	// leastHeap is the lowest limit that V8 is given, in bytes: with less, no page works.
	leastHeap = 64 << 20
)

// measures looks at the memory of every page now and then, until the browser is gone.
func (b *browser) measures() {
	if b.MaxTabMemory == 0 {
		return
	}
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.wire.lost:
			return
		case <-tick.C:
		}
		b.mu.Lock()
		for _, t := range b.mu.owned {
			if t.measured.CompareAndSwap(false, true) {
				go t.measure()
			}
		}
		b.mu.Unlock()
	}
}

// measure ends a page that uses too much. A page that does not answer is looked at when it does.
func (t *tab) measure() {
	defer t.measured.Store(false)
	used, err := t.heapUsed(context.Background())
	if most := t.b.MaxTabMemory; err == nil && used > float64(most) {
		t.over(fmt.Errorf("%w: %.1f MB, and MaxTabMemory is %.1f MB", pool.ErrPageTooLarge, used/1e6,
			float64(most)/1e6))
	}
}

// outOfMemory says whether a renderer ended as one does that is at V8's limit: by a trap. A failed
// assertion of Chrome's own looks the same, and is rare beside it.
func outOfMemory(event target.EventTargetCrashed) bool {
	return event.Status == "oom" || event.ErrorCode == int64(syscall.SIGTRAP)
}

// heapFlag is V8's own limit, in its own megabytes.
func (o *Options) heapFlag() string {
	return fmt.Sprintf("--js-flags=--max-old-space-size=%d",
		(max(o.MaxTabMemory, leastHeap)+1<<20-1)>>20)
}

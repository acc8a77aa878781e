package chrome

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"

	"github.com/pagepool/pagepool/pool"
)

// How pages that nobody holds are frozen, and thawed.
//
// Chrome has no command that shows a page again: a page that was frozen and is active again stays
// hidden, without frames and with a timer a second, also after a navigation. What shows it is focus
// emulation. So the driver's own session has that on from the opening of a page until it is frozen,
// and again from the thaw on. It is not one of a lease's, whose end would hide the page.

const (
	// heapGrowth is by how many bytes a page's heap has to have grown since its memory was collected
	// last, before that is worth its processor time again.
	heapGrowth = 4 << 20
	// showAgain is the time between two looks at a page that is not visible yet.
	showAgain = time.Millisecond
)

var (
	_ pool.FreezeTeller = Launcher{}
	_ pool.FreezeTeller = Remote{}
)

// IdleFreeze returns FreezeAfter, with its default in place. 0: pages are never frozen.
func (o Options) IdleFreeze() time.Duration {
	switch {
	case o.FreezeAfter == 0:
		return freezeAfter
	case o.FreezeAfter < 0:
		return 0
	}
	return o.FreezeAfter
}

// sleep is what the driver knows of a page's freezing.
type sleep struct {
	sync.Mutex
	frozen bool // the page was told to freeze, and not yet to go on
	hidden bool // nobody has seen it visible since it was frozen
	thaws  int  // how often somebody needed the page awake: a Freeze that is under way gives up

	heap      float64 // bytes that were used when memory was last collected
	heapSince int     // the documents that had been committed by then
}

// Why a Freeze does nothing, and why a thaw has not ended.
var (
	errLoads  = errors.New("the page still loads")
	errNeeded = errors.New("the page is needed")
	errHidden = errors.New("the page answers, and is not visible")
)

func lifecycle(state page.SetWebLifecycleStateState) page.SetWebLifecycleStateParams {
	return page.SetWebLifecycleStateParams{State: state}
}

// emulateFocus switches focus emulation, and with it whether an active page is visible.
func (t *tab) emulateFocus(on bool) {
	post(t.b.wire, t.session, emulation.SetFocusEmulationEnabled,
		emulation.SetFocusEmulationEnabledParams{Enabled: on})
}

// prepareSleep readies a new page. On Chromium a page that was never hidden goes on to burn most of
// what it did when it is frozen, so it is hidden once, before there is anything to disturb.
func (t *tab) prepareSleep() {
	if t.b.FreezeAfter == pool.Off {
		return
	}
	t.sleep.Lock()
	t.sleep.frozen, t.sleep.hidden = true, true
	post(t.b.wire, t.session, page.SetWebLifecycleState,
		lifecycle(page.SetWebLifecycleStateStateFrozen))
	t.sleep.Unlock()
	t.thaw()
}

// Freeze collects the page's memory, where its heap has grown, and freezes the page. It waits until
// the page has loaded, since its loading would not go on, and for its main thread, or for ctx.
// After an error of ctx the page may be frozen.
func (t *tab) Freeze(ctx context.Context) error {
	t.sleep.Lock()
	frozen, thaws := t.sleep.frozen, t.sleep.thaws
	t.sleep.Unlock()
	if frozen {
		return nil
	}
	err := t.await(ctx, func(n navigation) bool { return !n.loading && !n.busy })
	if err == nil {
		err = t.collect(ctx)
	}
	if err == nil {
		err = t.freeze(ctx, thaws)
	}
	if err != nil {
		return fmt.Errorf("chrome: freeze: %w", err)
	}
	return nil
}

// freeze freezes the page, unless it loads or thaw was called since it returned thaws.
func (t *tab) freeze(ctx context.Context, thaws int) error {
	t.sleep.Lock()
	if t.sleep.thaws != thaws {
		t.sleep.Unlock()
		return errNeeded
	}
	if state, _ := t.nav.look(); state.loading || state.busy {
		t.sleep.Unlock()
		return errLoads
	}
	// The lock is held until both were sent, so a thaw comes before or behind them.
	t.sleep.frozen, t.sleep.hidden = true, true
	t.emulateFocus(false)
	asked := begin(t.b.wire, t.session, page.SetWebLifecycleState,
		lifecycle(page.SetWebLifecycleStateStateFrozen))
	t.sleep.Unlock()
	_, err := awaited(ctx, t, asked)
	return err
}

// collect collects the page's memory where its heap has grown since the last time.
func (t *tab) collect(ctx context.Context) error {
	state, _ := t.nav.look()
	if state.loading || state.busy {
		return errLoads
	}
	used, err := t.heapUsed(ctx)
	if err != nil {
		return err
	}
	t.sleep.Lock()
	if t.sleep.heapSince != state.commits {
		t.sleep.heap = 0 // another document's heap says nothing about this one's
	}
	grown := used > t.sleep.heap+heapGrowth
	t.sleep.Unlock()
	if !grown {
		return nil
	}
	if _, err = ask(ctx, t, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
		return err
	}
	if used, err = t.heapUsed(ctx); err != nil {
		return err
	}
	t.sleep.Lock()
	defer t.sleep.Unlock()
	t.sleep.heap, t.sleep.heapSince = used, state.commits
	return nil
}

// heapUsed is how many bytes the page's scripts, and what they hold, have in use.
func (t *tab) heapUsed(ctx context.Context) (float64, error) {
	heap, err := ask(ctx, t, runtime.GetHeapUsage, cdp.Empty{})
	return heap.UsedSize + heap.EmbedderHeapUsedSize + heap.BackingStorageSize, err
}

// thaw has the page go on, if it was frozen. It does not wait. It reports whether nobody has seen
// the page visible since.
func (t *tab) thaw() bool {
	t.sleep.Lock()
	defer t.sleep.Unlock()
	t.sleep.thaws++
	if t.sleep.frozen {
		t.sleep.frozen = false
		post(t.b.wire, t.session, page.SetWebLifecycleState,
			lifecycle(page.SetWebLifecycleStateStateActive))
		t.emulateFocus(true)
	}
	return t.sleep.hidden
}

// wake thaws the page, and waits for its main thread to answer, or for ctx; where the page was
// frozen, until it is visible, too.
func (t *tab) wake(ctx context.Context) error {
	if !t.thaw() {
		_, err := ask(ctx, t, runtime.Evaluate, one)
		return err
	}
	world := runtime.ExecutionContextID(0) // the page's own
	for {
		result, err := ask(ctx, t, runtime.Evaluate,
			runtime.EvaluateParams{Expression: "document.visibilityState", ContextID: world})
		if err == nil && string(result.Result.Value) == `"visible"` {
			break
		}
		world = 0
		if err == nil {
			err = errHidden
			if own, failed := t.ownWorld(ctx); failed == nil {
				world = own
			}
		} else if refused := (*cdproto.Error)(nil); !errors.As(err, &refused) {
			return err
		}
		timer := time.NewTimer(showAgain) // an error of the page's is that of a document that it leaves
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w; %w", err, ended(ctx))
		}
	}
	t.sleep.Lock()
	defer t.sleep.Unlock()
	t.sleep.hidden = t.sleep.frozen
	return nil
}

// ownWorld makes a world in the page's document that its scripts cannot reach, so that a script
// that has given its document another visibilityState is not asked for it.
func (t *tab) ownWorld(ctx context.Context) (runtime.ExecutionContextID, error) {
	made, err := ask(ctx, t, page.CreateIsolatedWorld,
		page.CreateIsolatedWorldParams{FrameID: cdp.FrameID(t.id), WorldName: "pagepool"})
	return made.ExecutionContextID, err
}

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
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
)

const (
	// fleeAgain is how often a page is sent to the blank page again when something else came
	// between.
	fleeAgain = 3
	// stopEvery is the time between two stops of scripts while a page leaves its document.
	stopEvery = 50 * time.Millisecond
)

// nameless has a page forget window.name, which it keeps from one document to the next.
var nameless = runtime.EvaluateParams{Expression: "window.name = ''"}

// Halt stops the script that holds the main thread, lets no other one begin until a reset or a
// rescue has left the document, and waits for the main thread to answer, or for ctx. What is no
// script (a synchronous request, a huge layout) cannot be stopped.
func (t *tab) Halt(ctx context.Context) error {
	t.lookAway()
	t.dropEnded()
	t.thaw()
	err := t.answers(func() error {
		if err := t.quiet(ctx); err != nil {
			return err
		}
		_, err := t.still(ctx, func() error { return t.hear(ctx, one) })
		return err
	})
	if err != nil {
		return fmt.Errorf("chrome: halt: %w", err)
	}
	return nil
}

// Rescue stops the script that holds the main thread, lets no other one begin, and brings the page
// back to the standby state. What is no script cannot be stopped; the call then waits for ctx. With
// ClearStorage it clears what the context stores.
func (t *tab) Rescue(ctx context.Context) error {
	t.lookAway()
	t.dropEnded()
	t.thaw()
	if err := t.renew(ctx); err != nil {
		return fmt.Errorf("chrome: rescue: %w", err)
	}
	return nil
}

// Reset brings the page to the standby state, with its popups closed and an empty history. It waits
// for all of that, or for ctx. Scripts are stopped on the way, as by Halt. Cookies and storage
// stay, unless the launcher says ClearStorage. What a holder has set through the session of his
// lease has ended with that.
func (t *tab) Reset(ctx context.Context) error {
	t.dropEnded()
	t.thaw() // a frozen page that navigates stays hidden
	err := t.b.closePages(ctx, func(info *target.Info, root target.ID) bool {
		return info.Type == "page" && info.TargetID != t.id && root == t.id
	})
	if err == nil {
		err = t.renew(ctx)
	}
	if err == nil {
		_, err = ask(ctx, t, page.ResetNavigationHistory, cdp.Empty{})
	}
	if err != nil {
		return fmt.Errorf("chrome: reset: %w", err)
	}
	return nil
}

// renew stops the page's scripts, leaves its document, and brings it to the standby state.
func (t *tab) renew(ctx context.Context) error {
	return t.answers(func() error {
		err := t.quiet(ctx)
		if err == nil {
			t.unprepare()
			err = t.flee(ctx)
		}
		if err == nil && t.b.ClearStorage {
			err = t.forget(ctx) // the last holder's document, which could store something anew, is gone
		}
		if err != nil {
			return err
		}
		t.disableScripts(false)
		t.restless.Store(false)
		if err = t.hear(ctx, nameless); err != nil {
			return err
		}
		if t.b.StandbyURL == blank && len(t.b.InitScripts) == 0 {
			return t.prepare(ctx) // it shows that already; scripts of ours would not have run on it
		}
		return t.standby(ctx)
	})
}

// hear waits for the main thread to evaluate an expression, or for ctx. A stop that found nothing
// to stop hits the next script: that is this one, so it is tried once more, and an error is an
// answer.
func (t *tab) hear(ctx context.Context, what runtime.EvaluateParams) error {
	for range 2 {
		result, err := ask(ctx, t, runtime.Evaluate, what)
		if err == nil && result.ExceptionDetails == nil {
			return nil
		}
		if refused := (*cdproto.Error)(nil); err != nil && !errors.As(err, &refused) {
			return err
		}
	}
	return nil
}

// flee goes to the blank page. What a document does at its end, such as a loop in an unload
// handler, holds the main thread once more, so scripts are stopped until that is over.
func (t *tab) flee(ctx context.Context) error {
	done := make(chan struct{})
	var stopping sync.WaitGroup
	stopping.Go(func() {
		tick := time.NewTicker(stopEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				t.stopScript()
			case <-done:
				return
			}
		}
	})
	err := t.leave(ctx)
	for range fleeAgain {
		if err == nil || ctx.Err() != nil || t.life.Err() != nil {
			break
		}
		err = t.leave(ctx) // another navigation came between
	}
	close(done)
	stopping.Wait() // a stop that is sent later would hit what comes next
	return err
}

// leave goes to the blank page once, and is an error where the page shows another one then.
func (t *tab) leave(ctx context.Context) error {
	loader, err := t.navigate(ctx, blank)
	if err != nil {
		return err
	}
	if state, _ := t.nav.look(); state.committed != loader {
		return errReplaced
	}
	return nil
}

// quiet has the page run no script: first no new one, then not the one that runs. Chrome carries
// out both between two steps of a script, so they wait for no turn of the main thread.
func (t *tab) quiet(ctx context.Context) error {
	t.disableScripts(true)
	_, err := ask(ctx, t, runtime.TerminateExecution, cdp.Empty{})
	if refused := (*cdproto.Error)(nil); errors.As(err, &refused) {
		return nil // one is under way
	}
	return err
}

// stopScript stops the script that holds the main thread, and not the next one: a stop that found
// nothing to stop would hit that, so it is one of the driver's.
func (t *tab) stopScript() {
	post(t.b.wire, t.session, runtime.TerminateExecution, cdp.Empty{})
	post(t.b.wire, t.session, runtime.Evaluate, one)
}

// disableScripts has the page run no new script, or lets it run scripts again.
func (t *tab) disableScripts(disabled bool) {
	post(t.b.wire, t.session, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: disabled})
}

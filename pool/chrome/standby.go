package chrome

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// retryFirst and retryLast are the pauses before a standby address is asked for again: at the start
// of a machine, the server of that page is often a moment later than the browser.
const retryFirst, retryLast = 25 * time.Millisecond, 400 * time.Millisecond

// passing are the failures of a navigation that may be over in a moment.
var passing = []string{
	"net::ERR_CONNECTION_REFUSED", "net::ERR_CONNECTION_RESET", "net::ERR_CONNECTION_CLOSED",
	"net::ERR_EMPTY_RESPONSE",
	"net::ERR_NETWORK_CHANGED", "net::ERR_CERT_VERIFIER_CHANGED",
}

// statusError is an answer of the standby address's server that is no page to stand by on.
type statusError int64

func (s statusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", int64(s), http.StatusText(int(s)))
}

// passes reports whether the same navigation may go well in a moment.
func passes(err error) bool {
	var status statusError
	if errors.As(err, &status) {
		return status == http.StatusBadGateway || status == http.StatusServiceUnavailable ||
			status == http.StatusGatewayTimeout
	}
	var load *chromedp.LoadError
	return errors.As(err, &load) && slices.Contains(passing, load.ErrorText)
}

// furnish gives a new page what lasts as long as its session: the scripts of every document, and
// its size.
func (t *tab) furnish(ctx context.Context) error {
	at := true
	for i, script := range t.b.InitScripts {
		_, err := ask(ctx, t, page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{Source: script, RunImmediately: &at})
		if err != nil {
			return fmt.Errorf("init script %d: %w", i, err)
		}
	}
	if t.b.Viewport.Width == 0 {
		return nil
	}
	_, err := ask(ctx, t, emulation.SetDeviceMetricsOverride, t.b.Viewport.metrics())
	return err
}

func (v Viewport) metrics() emulation.SetDeviceMetricsOverrideParams {
	scale := v.Scale
	if scale == 0 {
		scale = 1
	}
	return emulation.SetDeviceMetricsOverrideParams{
		Width: int64(v.Width), Height: int64(v.Height), DeviceScaleFactor: scale, Mobile: v.Mobile,
	}
}

// standby brings the page to the standby state.
func (t *tab) standby(ctx context.Context) error {
	if err := t.reach(ctx, t.b.StandbyURL); err != nil {
		return err
	}
	return t.prepare(ctx)
}

// reach goes to an address, again and again where that fails for a reason that passes, until ctx
// ends.
func (t *tab) reach(ctx context.Context, url string) error {
	var last error // what the browser said, which tells more than that the time is over
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		err := t.visit(ctx, url)
		switch {
		case err == nil:
			return nil
		case !passes(err) && last != nil && ctx.Err() != nil:
			return fmt.Errorf("%w: %w", last, err)
		case !passes(err):
			return err
		}
		last = err
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-t.life.Done():
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", err, ended(ctx))
		}
		timer.Stop()
		return err
	}
}

// visit goes to an address, and fails where the answer is an error's.
func (t *tab) visit(ctx context.Context, url string) error {
	web := httpURL(url)
	if web { // the status of an answer is told by Network only
		if _, err := ask(ctx, t, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		defer post(t.b.wire, t.session, network.Disable, cdp.Empty{})
	}
	loader, err := t.navigate(ctx, url)
	state, _ := t.nav.look()
	answered := err == nil && web && state.statusOf == loader
	if answered && state.status >= http.StatusBadRequest {
		err = fmt.Errorf("go to %s: %w", url, statusError(state.status))
	}
	return err
}

// navigate goes to an address, and waits until its document has loaded. It returns the document's
// loader.
func (t *tab) navigate(ctx context.Context, url string) (cdp.LoaderID, error) {
	went, err := ask(ctx, t, page.Navigate, page.NavigateParams{URL: url})
	if err == nil && went.ErrorText != "" {
		err = &chromedp.LoadError{ErrorText: went.ErrorText}
	}
	if err == nil && went.LoaderID != "" { // otherwise it was a place in the same document
		committed, replaced := false, false
		err = t.await(ctx, func(v navigation) bool {
			committed = committed || v.committed == went.LoaderID
			replaced = !committed && v.starts > 0 && v.pending != went.LoaderID
			return (committed || replaced) && !v.loading && !v.busy
		})
		if err == nil && replaced {
			err = errReplaced
		}
	}
	if err != nil {
		return "", fmt.Errorf("go to %s: %w", url, err)
	}
	return went.LoaderID, nil
}

// errReplaced is the error of a navigation that ended because another one began.
var errReplaced = errors.New("another navigation came between")

// prepare waits until the page that shows the standby address is in the standby state. Ready and
// Prepare work on a page with a session of its own. What Prepare sets through it lasts until the
// page is brought to the standby state again.
func (t *tab) prepare(ctx context.Context) error {
	t.mu.Lock()
	t.mu.used = false
	t.mu.Unlock()
	if t.b.Ready == nil && t.b.Prepare == nil {
		return nil
	}
	s, err := t.openSession(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", t.b.StandbyURL, err)
	}
	for _, step := range []struct {
		what string
		do   func(context.Context, *Page) error
	}{{"wait until it is ready", t.b.Ready}, {"prepare", t.b.Prepare}} {
		if step.do == nil {
			continue
		}
		_, err := within(ctx, s.life, leaveGrace, func() (cdp.Empty, error) {
			return cdp.Empty{}, step.do(ctx, s.page)
		})
		if err != nil {
			s.close(err)
			return fmt.Errorf("%s: %s: %w", t.b.StandbyURL, step.what, err)
		}
	}
	if t.b.Prepare == nil {
		s.close(errPrepared)
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.prepared = s
	return nil
}

// unprepare ends what Prepare has set the last time.
func (t *tab) unprepare() {
	t.mu.Lock()
	s := t.mu.prepared
	t.mu.prepared = nil
	t.mu.Unlock()
	if s != nil {
		s.close(errPrepared)
	}
}

// errPrepared answers calls on the page of a Ready or a Prepare that has returned.
var errPrepared = errors.New("chrome: the page's Ready or Prepare is over")

// forget removes what the page's context has stored.
func (t *tab) forget(ctx context.Context) error {
	defer t.c.terms.lose() // whatever the answers are
	// "*" is every origin: which ones a holder has been to, nobody knows.
	_, err := ask(
		ctx, t, storage.ClearDataForOrigin,
		storage.ClearDataForOriginParams{Origin: "*", StorageTypes: "all"},
	)
	if err == nil {
		_, err = ask(ctx, t, network.ClearBrowserCookies, cdp.Empty{})
	}
	if err == nil {
		_, err = ask(ctx, t, network.ClearBrowserCache, cdp.Empty{})
	}
	if err != nil {
		return fmt.Errorf("clear the storage: %w", err)
	}
	return nil
}

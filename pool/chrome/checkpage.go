package chrome

import (
	"context"
	"errors"
	"fmt"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"
)

// checkPage is the page of the checks, in a context of its own. A page that was opened for each
// check was now and then slow enough for a false alarm.
type checkPage struct {
	c       *browserContext
	id      target.ID
	session target.SessionID
}

// draw has a small picture of the page drawn.
func (p *checkPage) draw(ctx context.Context) error {
	_, err := call(ctx, p.c.b.wire, p.session, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Clip: &page.Viewport{Width: 8, Height: 8, Scale: 1},
	})
	return err
}

// readCookies asks for the cookies of the page's context, which has none. The network service keeps
// them. A load would need a server, which a remote browser or one behind a proxy may not reach.
func (p *checkPage) readCookies(ctx context.Context) error {
	_, err := call(
		ctx, p.c.b.wire, "", storage.GetCookies, storage.GetCookiesParams{BrowserContextID: p.c.id},
	)
	return err
}

// clearStorage clears what an origin that nobody visits has stored in the page's context. Some
// other types of storage need the network service too.
func (p *checkPage) clearStorage(ctx context.Context) error {
	_, err := call(ctx, p.c.b.wire, p.session, storage.ClearDataForOrigin,
		storage.ClearDataForOriginParams{Origin: "https://check.invalid", StorageTypes: "local_storage"})
	return err
}

// answer waits for the page's main thread, or for ctx.
func (p *checkPage) answer(ctx context.Context) error {
	_, err := call(ctx, p.c.b.wire, p.session, runtime.Evaluate, one)
	return err
}

// alive reports whether the page is there and its main thread answers within partTimeout.
func (p *checkPage) alive(ctx context.Context) bool {
	b := p.c.b
	b.mu.Lock()
	known := b.mu.pages[p.id]
	gone := known == nil || known.crashed
	b.mu.Unlock()
	if gone {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	return p.answer(ctx) == nil
}

// turnToCheckPage waits until the checks have a page that answers. One that does not is closed with
// its context, since its renderer is the page's own and says nothing of what the tabs share.
func (b *browser) turnToCheckPage(ctx context.Context) error {
	k := &b.checks
	if k.page != nil {
		if !k.stale && k.page.alive(ctx) {
			return nil
		}
		if err := k.page.c.Close(ctx); err != nil {
			return err
		}
		k.page, k.stale = nil, false
	}
	if k.opening == nil {
		k.opening = make(chan openedPage, 1)
		if !b.beginCheckPage(k.opening) {
			k.opening = nil
			return errLost
		}
	}
	select {
	case opened := <-k.opening:
		k.opening = nil
		if opened.err != nil {
			return opened.err
		}
		k.page = opened.page
		return k.page.answer(ctx) // a browser's first page can take seconds on a busy machine
	case <-ctx.Done():
		return fmt.Errorf("it does not open: %w", ended(ctx))
	}
}

// openedPage is what has become of an opening.
type openedPage struct {
	page *checkPage
	err  error
}

// beginCheckPage opens a page in a goroutine of its own, which lasts until the browser has answered
// or is gone. It reports false where the browser is gone.
func (b *browser) beginCheckPage(into chan<- openedPage) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.over {
		return false
	}
	b.tabs.Go(func() {
		p, err := b.openCheckPage()
		into <- openedPage{p, err}
	})
	return true
}

func (b *browser) openCheckPage() (*checkPage, error) {
	ctx := context.Background() // every call ends with the connection
	made, err := b.newContext(ctx, Proxy{})
	if err != nil {
		return nil, err
	}
	p := &checkPage{c: made.(*browserContext)}
	b.mu.Lock()
	p.c.checks = true
	b.mu.Unlock()
	window := true // as for a tab: otherwise it may get no frames
	target, err := call(ctx, b.wire, "", target.CreateTarget,
		target.CreateTargetParams{URL: blank, BrowserContextID: p.c.id, NewWindow: &window})
	if err == nil {
		p.id = target.TargetID
		p.session, err = b.attach(ctx, p.id)
	}
	if err != nil {
		return nil, errors.Join(err, p.c.Close(ctx))
	}
	return p, nil
}

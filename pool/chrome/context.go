package chrome

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/pool"
)

// browserContext is one profile of a browser.
type browserContext struct {
	b  *browser
	id cdp.BrowserContextID

	// opening is the number of tabs of it that the browser was asked for and that are not on the
	// books, closes the number of Close calls that run, and gaveUp says that one ended without an
	// answer. All are guarded by browser.mu.
	opening, closes int
	gaveUp          bool
	checks          bool   // it is that of the checks, whose page is no tab; guarded by browser.mu
	stains          stains // guarded by browser.mu
	terms           contextTerms
	proxy           Proxy       // with which it was made
	otherProxy      atomic.Bool // its affinity's terms have another one
}

// NewContext makes a profile, when it is its turn. Once the browser was asked for it, the call
// waits for the answer and not for ctx.
func (b *browser) NewContext(ctx context.Context) (pool.BrowserContext[*Page], error) {
	if b.process != nil { // of somebody else's, nobody knows the processors
		b.pace.wait(ctx, len(b.tabsOf(nil)), b.wire.lost)
	}
	return b.newContext(ctx, Proxy{})
}

func (b *browser) newContext(
	ctx context.Context, proxy Proxy,
) (pool.BrowserContext[*Page], error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("chrome: open a context: %w", ended(ctx))
	}
	b.mu.Lock()
	b.mu.making++
	b.mu.Unlock()
	yes := true
	made, err := call(context.WithoutCancel(ctx), b.wire, "", target.CreateBrowserContext,
		target.CreateBrowserContextParams{
			DisposeOnDetach: &yes, ProxyServer: proxy.Server,
			ProxyBypassList: strings.Join(proxy.Bypass, ";"),
		})
	c := &browserContext{b: b, id: made.BrowserContextID, proxy: proxy}
	c.terms.turn = make(chan struct{}, 1)
	b.mu.Lock()
	b.mu.making--
	if err == nil {
		b.mu.contexts[c.id] = c
	}
	b.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("chrome: open a context: %w", b.whenGone(err))
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf(
			"chrome: open a context: %w", errors.Join(ended(ctx), c.Close(context.WithoutCancel(ctx))),
		)
	}
	return c, nil
}

// Close disposes of the profile, and waits until the browser lists neither it nor a page of it, or
// until ctx ends. Where the browser is gone, so is the profile.
func (c *browserContext) Close(ctx context.Context) (err error) {
	c.b.mu.Lock()
	c.closes++
	c.b.mu.Unlock()
	defer func() {
		c.b.mu.Lock()
		c.closes--
		c.gaveUp = err != nil
		c.b.mu.Unlock()
	}()
	c.keepLastCookies(ctx)
	for {
		try, cancel := context.WithTimeout(ctx, disposeTimeout)
		// An error of it says no more than an answer does: what counts is what is still there.
		_, _ = call(
			try, c.b.wire, "", target.DisposeBrowserContext,
			target.DisposeBrowserContextParams{BrowserContextID: c.id},
		)
		cancel()
		left, err := c.left(ctx)
		if err != nil {
			return c.b.unlessGone(ctx, fmt.Errorf("chrome: close a context: %w", err))
		}
		if !left {
			return nil
		}
		timer := time.NewTimer(disposeRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// left reports whether the browser still lists the profile, or anything in it. What it does not
// list is struck off the books.
func (c *browserContext) left(ctx context.Context) (bool, error) {
	infos, err := c.b.list(ctx)
	if err != nil {
		return false, err
	}
	for _, info := range infos {
		if info.BrowserContextID == c.id {
			return true, nil
		}
	}
	answer, err := call(ctx, c.b.wire, "", target.GetBrowserContexts, cdp.Empty{})
	if err != nil {
		return false, err
	}
	for _, id := range answer.BrowserContextIDs {
		if id == c.id {
			return true, nil
		}
	}
	for _, t := range c.b.tabsOf(c) {
		c.b.destroyed(t.id)
	}
	c.b.mu.Lock()
	delete(c.b.mu.contexts, c.id)
	c.b.mu.Unlock()
	return false, nil
}

// tabsOf returns the tabs of c that are on the books; nil: of every context.
func (b *browser) tabsOf(c *browserContext) []*tab {
	b.mu.Lock()
	defer b.mu.Unlock()
	var tabs []*tab
	for _, known := range b.mu.pages {
		if known.tab != nil && (c == nil || known.tab.c == c) {
			tabs = append(tabs, known.tab)
		}
	}
	return tabs
}

// disposeAll closes every context that is left, all at the same time.
func (b *browser) disposeAll(ctx context.Context) {
	b.mu.Lock()
	contexts := slices.Collect(maps.Values(b.mu.contexts))
	b.mu.Unlock()
	var closes sync.WaitGroup
	for _, c := range contexts {
		closes.Go(func() {
			if err := c.Close(ctx); err != nil {
				b.log.WarnContext(ctx, "remote context left", "context_id", c.id, "error", err)
			}
		})
	}
	closes.Wait()
}

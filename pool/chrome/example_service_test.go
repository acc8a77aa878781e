package chrome_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/pooltest"
)

// Service renders addresses for tenants. It is written for any page, so its tests need no browser:
// what it does to a page is a func, which drives chromedp in production and a fake page in a test.
type Service[P any] struct {
	Pool  *pool.Pool[P]
	Visit func(ctx context.Context, page P, address string) (string, error)
}

// Render returns what an address shows. A page has three seconds, and the whole request has ten.
func (s Service[P]) Render(ctx context.Context, tenant, address string) (html string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = s.Pool.Do(ctx, tenant, func(ctx context.Context, page P) error {
		html, err = s.Visit(ctx, page, address)
		return err
	}, pool.WithMaxLease(3*time.Second))
	return html, err
}

// visit is what the service does to a page of Chrome.
func visit(ctx context.Context, page *chrome.Page, address string) (string, error) {
	if err := page.Run(ctx, chromedp.Navigate(address), chromedp.WaitVisible("#ready")); err != nil {
		return "", err
	}
	return chrome.Run(ctx, page, chromedp.OuterHTML("html"))
}

// In production the service has Chrome's pages.
func Example_service() {
	serve := func(p *pool.Pool[*chrome.Page]) Service[*chrome.Page] {
		return Service[*chrome.Page]{Pool: p, Visit: visit}
	}
	_ = serve
}

// In a test it has fake ones, and three seconds are over at once.
func TestShellAServiceIsTestedWithoutABrowser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		browser := new(pooltest.Browser)
		browser.Serve("/slow", pooltest.Hangs) // a script that loops for ever
		p, _ := pool.New(browser, pool.Config{MaxPages: 1})
		defer p.Close(context.Background())
		service := Service[*pooltest.Page]{Pool: p, Visit: browser.Visit}
		if _, err := service.Render(t.Context(), "tenant-7", "/slow"); !errors.Is(err,
			pool.ErrLeaseExpired) {
			t.Error(err)
		}
	})
}

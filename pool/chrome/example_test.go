package chrome_test

import (
	"context"
	"fmt"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Render waits until a page is ready, on a warm tab of the tenant. A real service keeps the pool.
func Example() {
	render := func(ctx context.Context, url string) error {
		p, err := pool.New(chrome.Launcher{}, pool.Config{MaxPages: 4})
		if err != nil {
			return err
		}
		defer p.Close(context.Background())

		return p.Do(ctx, "tenant-7", func(ctx context.Context, page *chrome.Page) error {
			return chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitVisible("#ready"))
		})
	}
	if err := render(context.Background(), "https://example.com"); err != nil {
		fmt.Println(err)
	}
}

// Lease holds a tab for longer than one function.
func Example_lease() {
	title := func(ctx context.Context, p *pool.Pool[*chrome.Page]) error {
		lease, err := p.GetPage(ctx, "tenant-7", pool.WithPriority(1))
		if err != nil {
			return err // errors.Is: context.DeadlineExceeded, pool.ErrClosed, pool.ErrBrowserUnavailable
		}
		defer lease.Release()
		// ends with the lease; its cause says why
		title, err := chromedp.Run(lease.Context(), chromedp.Title())
		fmt.Println(title)
		return err
	}
	_ = title
}

// HTML returns what a page has become once its scripts have made it ready.
func Example_html() {
	html := func(ctx context.Context, p *pool.Pool[*chrome.Page], tenant, url string) (html string,
		err error) {
		err = p.Do(ctx, tenant, func(ctx context.Context, page *chrome.Page) error {
			if err := page.Run(ctx, chromedp.Navigate(url), chromedp.WaitVisible("#ready")); err != nil {
				return err
			}
			html, err = chrome.Run(ctx, page, chromedp.OuterHTML("html"))
			return err
		})
		return html, err
	}
	_ = html
}

// PDF prints a page on A4, with its backgrounds.
func Example_pdf() {
	pdf := func(ctx context.Context, p *pool.Pool[*chrome.Page], tenant, url string) (file []byte,
		err error) {
		err = p.Do(ctx, tenant, func(ctx context.Context, page *chrome.Page) error {
			if err := page.Run(ctx, chromedp.Navigate(url)); err != nil {
				return err
			}
			file, err = chrome.Run(ctx, page,
				chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPrintBackground()))
			return err
		})
		return file, err
	}
	_ = pdf
}

// Screenshot takes a picture of all of a page, as a PNG, and says why where it cannot: what the
// page has written on its console as an error, and which of its requests have failed.
func Example_screenshot() {
	screenshot := func(ctx context.Context, p *pool.Pool[*chrome.Page], tenant,
		url string) (png []byte, err error) {
		err = p.Do(ctx, tenant, func(ctx context.Context, page *chrome.Page) error {
			if err := page.Run(ctx, chromedp.Navigate(url), chromedp.WaitVisible("#ready")); err != nil {
				return fmt.Errorf("%w; the page said: %v", err, page.Diagnostics().Problems)
			}
			png, err = chrome.Run(ctx, page, chromedp.FullScreenshot(100))
			return err
		})
		return png, err
	}
	_ = screenshot
}

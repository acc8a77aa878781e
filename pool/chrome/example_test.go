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
		title, err := chromedp.Run(lease.Context(), chromedp.Title()) // ends with the lease; its cause says why
		fmt.Println(title)
		return err
	}
	_ = title
}

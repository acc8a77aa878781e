package chrome_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool/chrome"
)

// Actions are put together in any order. What they set ends with the lease, but for the cookies.
func Example_actions() {
	print := func(ctx context.Context, p *chrome.Pool, tenant, url string, file *os.File) error {
		return p.Do(ctx, tenant, func(ctx context.Context, page *chrome.Page) error {
			err := page.Run(ctx,
				chrome.SetExtraHeaders(http.Header{"X-Trace": {"7"}}),
				chrome.SetCookies(url, &http.Cookie{Name: "session", Value: "abc"}),
				chrome.SetLocale("de-DE"),
				chrome.SetTimezone("Europe/Berlin"),
				chrome.BlockResources("media", "font"),
				chrome.BlockURLs("*://ads.example.com/*"),
				chrome.NavigateOK(url), // fails where the status is 400 or more
				chrome.WaitSelector("#ready"),
				chrome.WaitNetworkIdle(0, 500*time.Millisecond),
			)
			if err != nil {
				return err
			}
			_, err = chrome.Run(ctx, page, chrome.PrintPDF(file, chromedp.PDFPaper(chromedp.PaperA4)))
			return err
		})
	}
	_ = print
}

// The errors of a Run tell what is the caller's mistake, the server's, and the page's.
func ExampleInputError() {
	explain := func(err error) string {
		var input *chrome.InputError
		var status *chrome.StatusError
		var wait *chrome.WaitError
		switch {
		case errors.As(err, &input):
			return "asked wrongly: " + input.Name
		case errors.As(err, &status):
			return fmt.Sprint("answered with ", status.Status)
		case errors.As(err, &wait):
			return "missing: " + wait.What
		}
		return "failed"
	}
	// A page would run these; an input is checked before that.
	for _, action := range []chromedp.Action[chromedp.Void]{
		chrome.SetExtraHeaders(http.Header{"Host": {"example.com"}}), chrome.WaitSelector(""),
	} {
		_, err := action(context.Background(), nil)
		fmt.Println(err)
	}
	fmt.Println(explain(&chrome.WaitError{What: `nothing visible matches "#ready"`, Err: context.DeadlineExceeded}))
	// Output:
	// chrome: header is "Host": the browser sets it by itself
	// chrome: selector is "": it must not be empty
	// missing: nothing visible matches "#ready"
}

// HTML from a string is shown like a page of a server: relative addresses, cookies and storage are those of its address.
func ExampleSetContentAt() {
	picture := func(ctx context.Context, page *chrome.Page, html string) ([]byte, error) {
		if err := page.Run(ctx, chrome.SetContentAt("https://example.com/invoices/7", html)); err != nil {
			return nil, err
		}
		return chrome.Run(ctx, page, chromedp.FullScreenshot(100))
	}
	_ = picture
}

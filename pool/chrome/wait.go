package chrome

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// WaitError is the error of an action whose ctx, or whose lease, ended before what it waited for.
type WaitError struct {
	// What says what was missing, such as `nothing visible matches "#ready"`.
	What string
	// Err is why the wait ended: ctx's own error, or pool.ErrReleased.
	Err error
}

// Error says both.
func (e *WaitError) Error() string { return fmt.Sprintf("chrome: %s: %v", e.What, e.Err) }

// Unwrap returns Err.
func (e *WaitError) Unwrap() error { return e.Err }

// gaveUp is err, or a WaitError where the end of ctx is what ended the wait.
func gaveUp(ctx context.Context, err error, what func() string) error {
	if ctx.Err() == nil {
		return err
	}
	return &WaitError{What: what(), Err: context.Cause(ctx)}
}

// WaitSelector is an action that waits until the first element that a CSS selector matches is
// visible: it is laid out, and neither it nor what it stands in is hidden. Other than
// chromedp.WaitVisible it takes the text for nothing but a CSS selector, and fails at once with an
// InputError where it is none. The wait goes on through navigations.
func WaitSelector(selector string) chromedp.Action[chromedp.Void] {
	const look = `(selector => {
		let element
		try { element = document.querySelector(selector) } catch { return "invalid" }
		if (!element) return "absent"
		return element.getClientRects().length &&
			element.checkVisibility({visibilityProperty: true}) ? "visible" : "hidden"
	})`
	if strings.TrimSpace(selector) == "" {
		return invalid(refuse("selector", selector, "it must not be empty"))
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		what := "the page did not answer a query for " + quoted(selector)
		err := until(ctx, func() (bool, error) {
			state, err := evaluate[string](ctx, t, look+"("+quoteJS(selector)+")")
			if err != nil {
				// The document goes to another address. The end of ctx is until's to see.
				return false, nil
			}
			switch state {
			case "invalid":
				return false, refuse("selector", selector, "it must be a valid CSS selector")
			case "absent":
				what = "nothing visible matches " + quoted(selector)
			case "hidden":
				what = "nothing visible matches " + quoted(selector) + "; an element that matches is hidden"
			}
			return state == "visible", nil
		})
		if err != nil {
			return gaveUp(ctx, err, func() string { return what })
		}
		return nil
	})
}

// WaitFunction is an action that waits until a JavaScript expression is true, or a promise that it
// returns. One that throws is not true yet; one that is no JavaScript fails at once with an
// InputError. The wait goes on through navigations.
func WaitFunction(expression string) chromedp.Action[chromedp.Void] {
	if strings.TrimSpace(expression) == "" {
		return invalid(refuse("expression", expression, "it must not be empty"))
	}
	// The line ends before the bracket, so that a comment at the end of the expression does too.
	guarded := "(() => { try { const is = (" + expression + "\n); " +
		"return is instanceof Promise ? is.then(yes => !!yes, () => false) : !!is " +
		"} catch { return false } })()"
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		err := until(ctx, func() (bool, error) {
			is, err := chromedp.Evaluate[bool](guarded, chromedp.EvalAwaitPromise)(ctx, t)
			var thrown *chromedp.ExceptionError
			if errors.As(err, &thrown) && thrown.Exception != nil &&
				thrown.Exception.ClassName == "SyntaxError" {
				reason, _, _ := strings.Cut(thrown.Exception.Description, "\n")
				return false, refuse(
					"expression", expression, "it must be a JavaScript expression; "+shortened(reason),
				)
			}
			return is && err == nil, nil // other errors are those of a document that goes to another address
		})
		if err != nil {
			return gaveUp(ctx, err, func() string { return quoted(expression) + " did not become true" })
		}
		return nil
	})
}

// namedRequests is how many requests in flight an error names.
const namedRequests = 5

// WaitNetworkIdle is an action that waits until the page has had no more than most requests in
// flight for quiet on end, counted from the action's beginning. 0 and 500 ms are usual; with 2, a
// page may poll a server meanwhile.
//
// WebSockets are no requests. Those of workers, and of frames of another site that the browser
// keeps in another process, are not seen.
func WaitNetworkIdle(most int, quiet time.Duration) chromedp.Action[chromedp.Void] {
	if most < 0 || most >= flightsMost {
		return invalid(
			refuse(
				"number of requests in flight", fmt.Sprint(most),
				fmt.Sprintf("it must be 0 to %d", flightsMost-1),
			),
		)
	}
	if quiet <= 0 {
		return invalid(refuse("time without requests", quiet.String(), "it must be more than 0"))
	}
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		p, err := pageOf(ctx, "WaitNetworkIdle")
		if err != nil {
			return err
		}
		since, deafened := time.Now(), p.session.line.deafened()
		err = until(ctx, func() (bool, error) {
			if err := p.session.line.deaf(deafened); err != nil {
				return false, err
			}
			now := time.Now()
			flying, moved := p.session.line.diary.traffic()
			switch {
			case flying > most:
				since = now
			case most == 0 && moved.After(since):
				since = moved // a request came and went between two looks
			}
			return flying <= most && now.Sub(since) >= quiet, nil
		})
		if err != nil {
			return gaveUp(ctx, err, func() string { return "the network was not idle: " + inFlight(p) })
		}
		return nil
	})
}

// inFlight names the oldest requests of a page that are in flight.
func inFlight(p *Page) string {
	all := p.Diagnostics().Requests
	if len(all) == 0 {
		return "requests came and went"
	}
	var names []string
	for _, request := range all[:min(len(all), namedRequests)] {
		names = append(names, discreet(request.String()))
	}
	text := strings.Join(names, ", ")
	if more := len(all) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + " in flight"
}

// StatusError is the error of a document that was answered with a status of 400 or more.
type StatusError struct {
	URL    string // without query and fragment
	Status int
}

// Error names both.
func (e *StatusError) Error() string {
	return fmt.Sprintf(
		"chrome: %s was answered with %d %s", e.URL, e.Status, http.StatusText(e.Status),
	)
}

// LoadError is the error of a navigation that failed without a response, such as for a connection
// that was refused. Its addresses are without query and fragment.
type LoadError struct {
	// URL is the address that was asked for, and Failed where it failed: the same, or where a redirect
	// led to.
	URL, Failed string
	// Err is chromedp's error, with the browser's word on it (*chromedp.LoadError).
	Err error
}

// Error names the addresses.
func (e *LoadError) Error() string {
	if e.Failed == e.URL {
		return fmt.Sprintf("chrome: go to %s: %v", e.URL, e.Err)
	}
	return fmt.Sprintf("chrome: go to %s, which leads to %s: %v", e.URL, e.Failed, e.Err)
}

// Unwrap returns Err.
func (e *LoadError) Unwrap() error { return e.Err }

// Navigate is an action that goes to an address, waits until the page has loaded, and returns the
// status of its document's response, after redirects. It is 0 where there was no response over
// HTTP.
func Navigate(address string) chromedp.Action[int] {
	return func(ctx context.Context, t *chromedp.Target) (int, error) {
		// A response whose news was switched off is none that was good.
		heard := func() error { return nil }
		if p, err := pageOf(ctx, "Navigate"); err == nil && httpURL(address) {
			l := p.session.line
			times, deaf := l.deafened(), l.deaf(l.deafened())
			heard = func() error { return cmp.Or(deaf, l.deaf(times)) }
		}
		response, err := chromedp.NavigateResponse(address)(ctx, t)
		if failed := (*chromedp.LoadError)(nil); errors.As(err, &failed) &&
			failed.ErrorText == "net::ERR_INVALID_AUTH_CREDENTIALS" {
			// Chromium makes this of it; headless-shell shows the server's page.
			return http.StatusUnauthorized, nil
		}
		if err == nil && response == nil {
			err = heard()
		}
		if err != nil || response == nil || !httpURL(response.URL) {
			return 0, err
		}
		return int(response.Status), nil
	}
}

// NavigateOK is an action that goes to an address as Navigate does, and fails with a StatusError
// where the status is 400 or more.
func NavigateOK(address string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		status, err := Navigate(address)(ctx, t)
		if err == nil && status >= http.StatusBadRequest {
			err = &StatusError{URL: discreet(shortened(address)), Status: status}
		}
		return err
	})
}

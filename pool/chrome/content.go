package chrome

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// SetContent is an action that shows html as a new document and waits until it has loaded, with its
// images and scripts. The document's address is about:blank: give <base href="..."> in html to
// resolve relative addresses. It has an origin of its own, without cookies or storage, and Chrome
// lets it load nothing from this machine or from a private network: use SetContentAt for that.
func SetContent(html string) chromedp.Action[chromedp.Void] {
	// Page.setDocumentContent would do the same without a load event.
	write := "document.open(); document.write(" + quoteJS(html) + "); document.close()"
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		// A new document, since the scripts of the present one go on through document.open.
		if _, err := chromedp.Navigate(blank)(ctx, t); err != nil {
			return fmt.Errorf("chrome: set content: %w", err)
		}
		if _, err := evaluate[chromedp.Void](ctx, t, write); err != nil {
			return fmt.Errorf("chrome: set content: %w", err)
		}
		err := until(ctx, func() (bool, error) {
			return evaluate[bool](ctx, t, `document.readyState == "complete"`)
		})
		if err != nil {
			return gaveUp(ctx, err, func() string { return "the content did not load in time" })
		}
		return nil
	})
}

// SetContentAt is an action that shows html as if the server at address had answered with it, and
// waits until it has loaded. That server is not asked for the document, but for what it refers to
// by relative addresses. The document has the origin of address, and so its cookies and storage.
func SetContentAt(address, html string) chromedp.Action[chromedp.Void] {
	if u, err := url.Parse(address); err != nil || !httpURL(address) || u.Host == "" {
		return invalid(
			refuse("address", discreet(address), "content must be for a whole http or https address"),
		)
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		const name = "SetContentAt"
		if err := intercept(ctx, t, name, func(i *interception) { i.content = &html }); err != nil {
			return err
		}
		_, err := chromedp.Navigate(address)(ctx, t)
		if err != nil {
			err = gaveUp(
				ctx, err, func() string { return discreet(shortened(address)) + " did not load in time" },
			)
		}
		// Also where ctx has ended: the next document is another one's.
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveGrace)
		defer cancel()
		return errors.Join(err, intercept(after, t, name, func(i *interception) { i.content = nil }))
	})
}

// evaluate evaluates an expression of the driver's own. It works with JavaScript switched off, too.
func evaluate[T any](ctx context.Context, t *chromedp.Target, expression string) (T, error) {
	return chromedp.Evaluate[T](expression)(ctx, t)
}

// until asks again and again until the answer is yes or an error, or until ctx ends. The first
// pauses are short.
func until(ctx context.Context, is func() (bool, error)) error {
	for pause := time.Millisecond; ; pause = min(2*pause, pollEvery) {
		yes, err := is()
		if ctx.Err() != nil {
			return context.Cause(ctx) // which err is a consequence of
		}
		if yes || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// SetExtraHeaders is an action that sends headers with every request of the page, whatever server
// it goes to, so they are no place for a secret where a page loads from elsewhere. They replace
// those of an earlier call; nil sends none. They end with the lease.
//
// Headers that describe the connection or the body are refused, and so is Cookie: see SetCookies.
func SetExtraHeaders(headers http.Header) chromedp.Action[chromedp.Void] {
	sent, err := headersToSend(headers)
	if err != nil {
		return invalid(err)
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(
			ctx, t, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: sent},
		)
		if err != nil {
			return fmt.Errorf("chrome: set extra headers: %w", err)
		}
		return nil
	})
}

// headersToSend checks headers, and joins the values of each.
func headersToSend(headers http.Header) (network.Headers, error) {
	sent := network.Headers{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if err := checkHeader(name, headers[name]); err != nil {
			return nil, err
		}
		sent[name] = strings.Join(headers[name], ", ")
	}
	return sent, nil
}

// ownHeaders are those that Chrome sets itself, in canonical form. A navigation with one of them
// fails.
var ownHeaders = []string{
	"Connection", "Content-Length", "Cookie2", "Host", "Keep-Alive", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// checkHeader checks a header that a page is to send. Values may be secrets, so they are not in the
// error.
func checkHeader(name string, values []string) error {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	switch {
	case !token(name):
		return refuse("header", name, "a name must be letters, digits and !#$%&'*+-.^_`|~")
	case canonical == "Cookie":
		return refuse(
			"header", name, "cookies must be set with SetCookies, which says what server they are for",
		)
	case slices.Contains(ownHeaders, canonical), strings.HasPrefix(canonical, "Proxy-"):
		return refuse("header", name, "the browser sets it by itself")
	}
	for _, value := range values {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return &InputError{
				Name: "the value of header " + quoted(name),
				Rule: "it must be one line, without control characters",
			}
		}
	}
	return nil
}

// token reports whether a text is a token of HTTP, as names of headers and cookies are.
func token(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// SetCookies is an action that stores cookies as if the server at address had set them. Without a
// Domain, a cookie goes to that host only; without a Path, to all of it.
//
// Cookies live in the page's context, beyond the lease: the next lease of the same affinity meets
// them, unless ClearCookies is run before the end of this one, or the launcher says ClearStorage.
// No other affinity does.
func SetCookies(address string, cookies ...*http.Cookie) chromedp.Action[chromedp.Void] {
	params, err := cookieParams(address, cookies)
	if err != nil {
		return invalid(err)
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if len(params) == 0 {
			return nil
		}
		_, err := cdp.Call(ctx, t, network.SetCookies, network.SetCookiesParams{Cookies: params})
		if err != nil {
			return fmt.Errorf("chrome: set cookies: %w", err)
		}
		return nil
	})
}

// cookieParams checks the cookies of the server at address, and translates them.
func cookieParams(address string, cookies []*http.Cookie) ([]*network.CookieParam, error) {
	u, err := url.Parse(address)
	if err != nil || !httpURL(address) || u.Host == "" {
		return nil, refuse(
			"address", discreet(address), "cookies must be for a whole http or https address",
		)
	}
	params := make([]*network.CookieParam, len(cookies))
	for i, cookie := range cookies {
		if params[i], err = cookieParam(address, i, cookie); err != nil {
			return nil, err
		}
	}
	return params, nil
}

var sameSites = map[http.SameSite]network.CookieSameSite{
	http.SameSiteLaxMode:    network.CookieSameSiteLax,
	http.SameSiteStrictMode: network.CookieSameSiteStrict,
	http.SameSiteNoneMode:   network.CookieSameSiteNone,
}

// cookieParam checks a cookie, and translates it. Its value may be a secret, so it is not in the
// error.
func cookieParam(address string, i int, cookie *http.Cookie) (*network.CookieParam, error) {
	if cookie == nil {
		return nil, refuse(fmt.Sprintf("cookie %d", i), "", "it must not be nil")
	}
	if cookie.Name == "" {
		return nil, refuse(fmt.Sprintf("the name of cookie %d", i), "", "it must not be empty")
	}
	if err := cookie.Valid(); err != nil {
		reason := strings.TrimPrefix(err.Error(), "http: invalid ")
		if strings.Contains(reason, "Cookie.Value") {
			reason = "its value must be printable ASCII without quotes, commas, semicolons and backslashes"
		}
		return nil, refuse("cookie", cookie.Name, reason)
	}
	if cookie.Partitioned {
		return nil, refuse(
			"cookie", cookie.Name, "partitioned cookies cannot be set from outside of the page",
		)
	}
	param := &network.CookieParam{
		Name: cookie.Name, Value: cookie.Value, URL: address, Domain: cookie.Domain, Path: cookie.Path,
		Secure: cookie.Secure, HTTPOnly: cookie.HttpOnly, SameSite: sameSites[cookie.SameSite],
	}
	if param.Path == "" {
		param.Path = "/"
	}
	switch {
	case cookie.MaxAge < 0:
		param.Expires = 1 // long past, so the browser removes it
	case cookie.MaxAge > 0:
		param.Expires = sinceEpoch(time.Now().Add(time.Duration(cookie.MaxAge) * time.Second))
	case !cookie.Expires.IsZero():
		param.Expires = sinceEpoch(cookie.Expires)
	}
	return param, nil
}

func sinceEpoch(t time.Time) cdp.TimeSinceEpoch { return cdp.TimeSinceEpoch(t.UnixMilli()) / 1000 }

// ClearCookies is an action that removes all cookies of the page's context: those that SetCookies
// stored, and those that servers and scripts set.
func ClearCookies() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
			return fmt.Errorf("chrome: clear cookies: %w", err)
		}
		return nil
	})
}

package chrome

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/network"
)

// tenantMost is how long Tenant may take.
const tenantMost = 5 * time.Second

// TenantOptions are the terms of one affinity. What the zero value leaves out is as Options or the
// browser have it. A holder can set other terms for his lease; they end with it, but for what the
// browser context keeps.
//
// Each lease's page has the locale, the time zone, the user agent, the headers and the viewport, as
// if its holder had begun with the actions of these names. A document that was loaded before the
// lease, such as a standby's, was loaded without them, and popups do not have them.
//
// The browser context has the cookies, the permissions and the download policy. It gets them once,
// before its first lease, and again after ClearStorage has cleared it. What becomes of them later
// is up to pages and holders.
type TenantOptions struct {
	// Locale is as for SetLocale, such as de-DE.
	Locale string
	// Timezone is as for SetTimezone, such as Europe/Berlin.
	Timezone string
	// UserAgent is as for SetUserAgent.
	UserAgent string
	// Headers are as for SetExtraHeaders, which replaces all of them for a lease.
	Headers http.Header
	// Cookies are as for SetCookies. The keys are the addresses of the servers.
	Cookies map[string][]*http.Cookie
	// Permissions are the permissions that every page of the context is granted (true) or denied
	// (false), under the names that the Permissions API has for them, such as geolocation.
	Permissions map[string]bool
	// Viewport is the size of the page. The zero Viewport: that of Options.
	Viewport Viewport
	// Downloads says what becomes of downloads.
	Downloads Downloads
	// Proxy is the proxy of the browser context. It can be given only when the context is made, so
	// an affinity with one never adopts a standby: its first page takes as long as an opening.
	// Where it changes, the calls of the next lease answer a TenantError, and the lease after that
	// has a new context.
	Proxy Proxy
}

// Downloads is what becomes of the downloads of a context. The zero Downloads leaves it to the
// browser.
type Downloads struct {
	// Deny has downloads refused.
	Deny bool
	// Folder is where downloads are stored: a whole path on the browser's machine. Empty: nowhere in
	// particular.
	Folder string
}

// TenantError is the error of every call on the page of a lease for which the terms of its affinity
// could not be had: Tenant panicked or took more than five seconds, what it returned breaks a rule,
// or the browser refused it. The page itself is healthy.
type TenantError struct {
	// Affinity is the lease's.
	Affinity string
	// Err says what is wrong: the field of TenantOptions, its value and the rule.
	Err error
}

// Error is one line.
func (e *TenantError) Error() string {
	return fmt.Sprintf("chrome: the terms of affinity %s: %s", quoted(e.Affinity),
		strings.ReplaceAll(e.Err.Error(), "\n", "; "))
}

// Unwrap returns Err.
func (e *TenantError) Unwrap() error { return e.Err }

// terms are checked TenantOptions, as the browser is told them.
type terms struct {
	TenantOptions
	languages string
	headers   network.Headers
	cookies   []*network.CookieParam
}

// hasTerms reports whether there is anything to give a lease that depends on its affinity.
func (s settings) hasTerms() bool { return s.Tenant != nil || s.KeepCookies != nil }

// termsOf asks Tenant for the terms of an affinity, and checks them. It waits for ctx and for
// tenantMost; a Tenant that takes longer is left to itself.
func (s settings) termsOf(ctx context.Context, affinity string) (*terms, error) {
	if s.Tenant == nil {
		return TenantOptions{}.checked()
	}
	type answer struct {
		options TenantOptions
		err     error
	}
	did := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("the func Tenant ended its goroutine")}
		defer func() {
			if panicked := recover(); panicked != nil {
				a.err = fmt.Errorf("the func Tenant panicked: %v", panicked)
			}
			did <- a
		}()
		a = answer{options: s.Tenant(affinity)}
	}()
	timer := time.NewTimer(tenantMost)
	defer timer.Stop()
	select {
	case a := <-did:
		if a.err != nil {
			return nil, a.err
		}
		return a.options.checked()
	case <-timer.C:
		return nil, fmt.Errorf("the func Tenant has not returned after %v", tenantMost)
	case <-ctx.Done():
		return nil, ended(ctx)
	}
}

// checked returns one error for all that is wrong.
func (o TenantOptions) checked() (*terms, error) {
	t := &terms{TenantOptions: o}
	var wrong []error
	note := func(field string, err error) {
		if err != nil {
			wrong = append(wrong, ofField(field, err))
		}
	}
	var err error
	if o.Locale != "" {
		t.languages, err = languagesOf(o.Locale)
		note("Locale", err)
	}
	if o.UserAgent != "" {
		note("UserAgent", checkAgent(o.UserAgent))
	}
	t.headers, err = headersToSend(o.Headers)
	note("Headers", err)
	for _, address := range slices.Sorted(maps.Keys(o.Cookies)) {
		params, err := cookieParams(address, o.Cookies[address])
		note("Cookies", err)
		t.cookies = append(t.cookies, params...)
	}
	if _, has := o.Permissions[""]; has {
		note("Permissions", refuse("permission", "", permissionRule))
	}
	o.Viewport.check(func(name string, value any, rule string) {
		wrong = append(wrong, fmt.Errorf("%s is %v: %s", name, value, rule))
	})
	note("Proxy", o.Proxy.check())
	switch folder := o.Downloads.Folder; {
	case folder != "" && o.Downloads.Deny:
		note("Downloads", refuse("Folder", folder, "it must be empty, since Deny is true"))
	case folder != "" && !filepath.IsAbs(folder):
		note("Downloads", refuse("Folder", folder, "it must be a whole path"))
	}
	return t, errors.Join(wrong...)
}

const permissionRule = "it must be one that the browser knows, such as geolocation"

// ofField is an error of a field of TenantOptions. It is no InputError: the holder gave no input.
func ofField(field string, err error) error {
	return fmt.Errorf("%s: %s", field, strings.TrimPrefix(err.Error(), "chrome: "))
}

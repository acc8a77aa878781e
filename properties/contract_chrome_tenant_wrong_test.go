package properties

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Terms of tenants that cannot be had, and what becomes of downloads.

// Chrome itself refuses an unknown zone only where the session had none before.
func TestContractChromeTenantsZoneIsCheckedAfterAnother(t *testing.T) {
	needsChrome(t)
	for _, zone := range []string{"x y", "europe/berlin", "Mars/Olympus"} {
		var asked atomic.Int64
		var bad atomic.Bool
		configure := func(l *chrome.Launcher) {
			l.Tenant = func(string) chrome.TenantOptions {
				defer asked.Add(1)
				if bad.Load() {
					return chrome.TenantOptions{Timezone: zone}
				}
				return chrome.TenantOptions{Timezone: "Asia/Tokyo"}
			}
		}
		onChromeAs(t, configure, pool.Config{MaxPages: 1},
			func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
				nothing := func(ctx context.Context, page *chrome.Page) error {
					_, err := chrome.Run(ctx, page, chromedp.Title())
					return err
				}
				if err := p.Do(limited(t), "a", nothing); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the next session has a zone", func() bool { return asked.Load() > 1 })
				bad.Store(true)
				err := p.Do(limited(t), "a", nothing)
				if !errors.As(err, new(*chrome.TenantError)) ||
					!strings.Contains(err.Error(), fmt.Sprintf("time zone is %q", zone)) {
					t.Errorf("in %q: %v", zone, err)
				}
			})
	}
}

// Terms that cannot be had are the error of their lease, and of no other. The tab is used again.
func TestContractChromeTenantWhoseTermsCannotBeHad(t *testing.T) {
	needsChrome(t)
	site, goOn := newActionSite(t), make(chan struct{})
	bad := map[string]struct {
		terms func() chrome.TenantOptions
		wants []string
	}{
		"panics": {func() chrome.TenantOptions { panic("no such tenant") },
			[]string{`"panics"`, "Tenant panicked: no such tenant"}},
		"blocks": {func() chrome.TenantOptions { <-goOn; return chrome.TenantOptions{} },
			[]string{`"blocks"`, "Tenant has not returned after 5s"}},
		"zone": {func() chrome.TenantOptions { return chrome.TenantOptions{Timezone: "Mars/Olympus"} },
			[]string{`"zone"`, `Timezone: time zone is "Mars/Olympus": it must be`}},
		"case": {func() chrome.TenantOptions { return chrome.TenantOptions{Timezone: "europe/berlin"} },
			[]string{`"case"`, `Timezone: time zone is "europe/berlin": it must be`}},
		"locale": {func() chrome.TenantOptions { return chrome.TenantOptions{Locale: "zz-99-zz"} },
			[]string{`"locale"`, `Locale: locale is "zz-99-zz": it must be`}},
		"header": {func() chrome.TenantOptions {
			return chrome.TenantOptions{Headers: http.Header{"X-A": {"one\r\ntwo"}},
				Viewport: chrome.Viewport{Height: 5}}
		}, []string{`"header"`, `Headers: the value of header "X-A": it must be one line`,
			"Viewport is 0 x 5: both"}},
		"permission": {func() chrome.TenantOptions {
			return chrome.TenantOptions{Permissions: map[string]bool{"teleport": true}}
		},
			[]string{`"permission"`, `Permissions: permission is "teleport": it must be`}},
	}
	var heals atomic.Bool
	terms := func(affinity string) chrome.TenantOptions {
		if c, is := bad[affinity]; is && !heals.Load() {
			return c.terms()
		}
		return tenantTerms(site.URL)(affinity)
	}
	configure := func(l *chrome.Launcher) { l.Tenant = terms }
	onChromeAs(t, configure, pool.Config{MaxPages: 2},
		func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
			defer close(goOn)
			plain := plainLook(t, site, p)
			for name, c := range bad {
				heals.Store(false)
				lease, err := p.GetPage(limited(t), name)
				if err != nil {
					t.Fatal(err)
				}
				tab, none := lease.TabID(), "/"+name
				runs := lease.Page().Run(limited(t), chromedp.Navigate(site.URL+none))
				does := chromedp.Do(lease.Context(), chromedp.Navigate(site.URL+none))
				again := lease.Page().Run(limited(t), chromedp.Navigate(site.URL+none))
				for what, err := range map[string]error{"Run": runs, "chromedp": does,
					"the second Run": again} {
					terms := (*chrome.TenantError)(nil)
					if !errors.As(err, &terms) || terms.Affinity != name ||
						errors.As(err, new(*chrome.InputError)) {
						t.Errorf("%s of %s: %v, and not a TenantError", what, name, err)
						continue
					}
					for _, want := range c.wants {
						if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
							t.Errorf("%s of %s: the error is %q, and says nothing of %q in one line", what, name, err,
								want)
						}
					}
				}
				if asks := site.asked(none); len(asks) > 0 {
					t.Errorf("%s went to the server without its terms", name)
				}
				tenantLooks(t, site, p, "de", "beside-"+name, plain)
				lease.Release()
				heals.Store(true)
				next, err := p.GetPage(limited(t), name)
				if err != nil {
					t.Fatal(err)
				}
				found, err := tenantLook(limited(t), site, next.Page(), name+"-heals")
				if err != nil || found != plain || next.TabID() != tab {
					t.Errorf("after that, %s sees %q on %s, and not %q on %s: %v", name, found, next.TabID(),
						plain, tab, err)
				}
				next.Release()
			}
			if c := p.Stats().Counters; c.Crashes+c.Rescues+c.OpenFailures > 0 {
				t.Errorf("tabs were given up: %+v", c)
			}
		})
}

// The storage is cleared, so each lease has the policy of its moment.
func TestContractChromeTenantsDownloads(t *testing.T) {
	needsChrome(t)
	folder := t.TempDir()
	var now atomic.Pointer[chrome.Downloads]
	now.Store(new(chrome.Downloads))
	configure := func(l *chrome.Launcher) {
		l.ClearStorage = true
		l.Tenant = func(string) chrome.TenantOptions {
			return chrome.TenantOptions{Downloads: *now.Load()}
		}
	}
	stores := &chrome.Downloads{Folder: folder}
	onChromeAs(t, configure, pool.Config{MaxPages: 1, Reset: true},
		func(t *testing.T, b *chromeBench, p *chrome.Pool) {
			for i, policy := range []*chrome.Downloads{stores, {Deny: true}, stores, {}, stores} {
				now.Store(policy)
				// The tab is made ready for its next lease with the policy of the last one, or of this.
				if i > 0 {
					if err := p.Do(limited(t), "a", func(context.Context, *chrome.Page) error {
						return nil
					}); err != nil {
						t.Fatal(err)
					}
				}
				name := fmt.Sprintf("%d.bin", i)
				err := p.Do(limited(t), "a", func(ctx context.Context, page *chrome.Page) error {
					if err := b.work(ctx, page); err != nil {
						return err
					}
					_, err := chrome.Run(ctx, page, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
						`(() => { const a = document.createElement("a"); a.download = %q; a.href = URL.createObjectURL(new Blob(["x"])); a.click() })()`, name)))
					if policy == stores {
						eventually(t, name+" is stored", func() bool {
							_, err := os.Stat(filepath.Join(folder, name))
							return err == nil
						})
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	// Those that are not to be there had as long as the later ones.
	if found, _ := filepath.Glob(filepath.Join(folder, "*")); len(found) != 3 {
		t.Errorf("stored are %v", found)
	}
}

package properties

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// The terms of a tenant on real Chrome: each of its leases has them, and no other's.

// tenantTerms are the terms of three affinities. That of "plain" are empty.
func tenantTerms(address string) func(string) chrome.TenantOptions {
	return func(affinity string) chrome.TenantOptions {
		cookie := func(value string) map[string][]*http.Cookie {
			return map[string][]*http.Cookie{address: {{Name: "term", Value: value}}}
		}
		switch affinity {
		case "de":
			return chrome.TenantOptions{
				Locale: "de-DE", Timezone: "Europe/Berlin", UserAgent: "agent-de",
				Headers: http.Header{"X-Tenant": {"de"}},
				Cookies: cookie("de"), Permissions: map[string]bool{"geolocation": true,
					"notifications": false},
				Viewport: chrome.Viewport{Width: 640, Height: 360},
			}
		case "ja":
			return chrome.TenantOptions{
				Locale: "ja-JP", Timezone: "Asia/Tokyo", UserAgent: "agent-ja",
				Headers: http.Header{"X-Tenant": {"ja"}, "X-More": {"1", "2"}},
				Cookies: cookie("ja"), Permissions: map[string]bool{"geolocation": false,
					"notifications": true},
				Viewport: chrome.Viewport{Width: 480, Height: 320, Scale: 2},
			}
		}
		return chrome.TenantOptions{}
	}
}

// ownView is what a page of each affinity of tenantTerms tenantView and what its server hears,
// "plain" being what the browser does by itself.
const ownView = `(async () => {
	const may = async name => (await navigator.permissions.query({name})).state
	const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
	return [Intl.NumberFormat().format(1234.5), navigator.languages[0], zone, navigator.userAgent.slice(0, 8),
		await may("geolocation"), await may("notifications"), innerWidth, devicePixelRatio, document.cookie].join(" ")
})()`

var tenantView = map[string]string{
	"de": "1.234,5 de-DE Europe/Berlin agent-de granted denied 640 1 term=de | de  de-DE",
	"ja": "1,234.5 ja-JP Asia/Tokyo agent-ja denied granted 480 2 term=ja | ja 1, 2 ja-JP",
}

// look visits the site with a lease, and says what its page tenantView and what the server heard.
func tenantLook(ctx context.Context, site *actionSite, page *chrome.Page, mark string) (string,
	error) {
	if err := page.Run(ctx, chromedp.Navigate(site.URL+"/"+mark)); err != nil {
		return "", err
	}
	shown, err := chrome.Run(ctx, page, chromedp.Evaluate[string](ownView, chromedp.EvalAwaitPromise))
	if err != nil {
		return "", err
	}
	asks := site.asked("/" + mark)
	if len(asks) != 1 {
		return "", fmt.Errorf("the server was asked for %s %d times", mark, len(asks))
	}
	h := asks[0].Header
	language, _, _ := strings.Cut(h.Get("Accept-Language"), ",")
	return fmt.Sprintf("%s | %s %s %s", shown, h.Get("X-Tenant"), h.Get("X-More"), language), nil
}

// tenantLooks has a lease of an affinity look, and compares.
func tenantLooks(t *testing.T, site *actionSite, p *chrome.Pool, affinity, mark, plain string) {
	t.Helper()
	err := p.Do(limited(t), affinity, func(ctx context.Context, page *chrome.Page) error {
		found, err := tenantLook(ctx, site, page, mark)
		want, has := tenantView[affinity]
		if !has {
			want = plain
		}
		if err == nil && found != want {
			err = fmt.Errorf("it sees  %q\nand not %q", found, want)
		}
		return err
	})
	if err != nil {
		t.Errorf("%s of %s: %v", mark, affinity, err)
	}
}

// plainLook is what an affinity without terms sees.
func plainLook(t *testing.T, site *actionSite, p *chrome.Pool) (plain string) {
	t.Helper()
	err := p.Do(limited(t), "before", func(ctx context.Context, page *chrome.Page) (err error) {
		plain, err = tenantLook(ctx, site, page, "before")
		return err
	})
	if err == nil && (strings.Contains(plain, "term=") || strings.Contains(plain, "agent-")) {
		err = errors.New("it has terms: " + plain)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// between are the settings on which depends what a tab is between two leases.
var between = map[string]func(*chrome.Launcher, *pool.Config){
	"Reset off": func(*chrome.Launcher, *pool.Config) {},
	"Reset on":  func(_ *chrome.Launcher, cfg *pool.Config) { cfg.Reset = true },
	"ClearStorage": func(l *chrome.Launcher, cfg *pool.Config) {
		cfg.Reset, l.ClearStorage, cfg.More.TabsPerContext = true, true, 1
	},
}

// onTenantTerms runs fn once with each of between.
func onTenantTerms(t *testing.T, cfg pool.Config, terms func(string) chrome.TenantOptions,
	fn func(t *testing.T, site *actionSite, p *chrome.Pool)) {
	t.Helper()
	needsChrome(t)
	for name, change := range between {
		t.Run(name, func(t *testing.T) {
			site, cfg := newActionSite(t), cfg
			if terms == nil {
				terms = tenantTerms(site.URL)
				defer func() { terms = nil }()
			}
			l := chrome.Launcher{}
			change(&l, &cfg)
			configure := func(to *chrome.Launcher) { to.Options, to.Tenant = l.Options, terms }
			onChromeAs(t, configure, cfg, func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
				fn(t, site, p)
			})
		})
	}
}

// The first leases adopt standbys, and the later ones find the tab of their tenant.
func TestContractChromeTenantsBesideEachOtherHaveTheirOwnTerms(t *testing.T) {
	besides := func(t *testing.T, site *actionSite, p *chrome.Pool) {
		plain := plainLook(t, site, p)
		for round := range 3 {
			var all sync.WaitGroup
			for _, affinity := range []string{"de", "ja", "plain"} {
				all.Go(func() {
					tenantLooks(t, site, p, affinity, fmt.Sprintf("%s%d", affinity, round), plain)
				})
			}
			all.Wait()
		}
	}
	onTenantTerms(t, pool.Config{MaxPages: 4}, nil, besides)
	t.Run("frozen", func(t *testing.T) {
		site := newActionSite(t)
		configure := func(l *chrome.Launcher) {
			l.Tenant, l.FreezeAfter = tenantTerms(site.URL), time.Millisecond
		}
		onChromeAs(t, configure, pool.Config{MaxPages: 4},
			func(t *testing.T, _ *chromeBench, p *chrome.Pool) { besides(t, site, p) })
	})
}

// With one slot, each lease evicts the tenant before.
func TestContractChromeTenantThatReturnsHasItsTermsAgain(t *testing.T) {
	returns := func(t *testing.T, site *actionSite, p *chrome.Pool) {
		plain := plainLook(t, site, p)
		for round := range 2 {
			for _, affinity := range []string{"de", "ja", "plain"} {
				tenantLooks(t, site, p, affinity, fmt.Sprintf("%s%d", affinity, round), plain)
			}
		}
	}
	cfg := pool.Config{MaxPages: 1}
	onTenantTerms(t, cfg, nil, returns)
	t.Run("RetainOnEvict", func(t *testing.T) {
		site := newActionSite(t)
		configure := func(l *chrome.Launcher) { l.Tenant = tenantTerms(site.URL) }
		cfg.More.RetainOnEvict = true
		onChromeAs(t, configure, cfg, func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
			returns(t, site, p)
		})
	})
}

// Tabs of one tenant that share a context share what it keeps, and each has the rest. With
// ClearStorage each has a context of its own.
func TestContractChromeTenantWithSeveralTabsHasItsTermsOnEach(t *testing.T) {
	cfg := pool.Config{MaxPages: 4, AffinityTabs: 3, More: pool.More{TabsPerContext: 3}}
	onTenantTerms(t, cfg, nil, func(t *testing.T, site *actionSite, p *chrome.Pool) {
		for round := range 3 {
			var leases []*chrome.Lease
			for i := range 3 {
				lease, err := p.GetPage(limited(t), "de")
				if err != nil {
					t.Fatal(err)
				}
				leases = append(leases, lease)
				found, err := tenantLook(limited(t), site, lease.Page(), fmt.Sprintf("de%d-%d", round, i))
				if err != nil || found != tenantView["de"] {
					t.Errorf("tab %d of round %d sees %q, %v", i, round, found, err)
				}
			}
			for _, lease := range leases {
				lease.Release()
			}
		}
	})
}

// Plain chromedp on the lease's context is a holder's first command, too.
func TestContractChromeTenantsTermsAreThereBeforePlainChromedp(t *testing.T) {
	onTenantTerms(t, pool.Config{MaxPages: 2}, nil,
		func(t *testing.T, site *actionSite, p *chrome.Pool) {
			for _, affinity := range []string{"de", "ja", "de"} {
				lease, err := p.GetPage(limited(t), affinity)
				if err != nil {
					t.Fatal(err)
				}
				mark := fmt.Sprintf("%s-%s", affinity, lease.TabID())
				if err := chromedp.Do(lease.Context(), chromedp.Navigate(site.URL+"/"+mark)); err != nil {
					t.Fatal(err)
				}
				for _, r := range site.asked("/" + mark) {
					if r.UserAgent() != "agent-"+affinity || r.Header.Get("X-Tenant") != affinity ||
						!strings.Contains(r.Header.Get("Cookie"), "term="+affinity) {
						t.Errorf("the first request of %s has %v", affinity, r.Header)
					}
				}
				lease.Release()
			}
		})
}

// A lease has the terms that Tenant returns when it begins, also where those of the last were
// others.
func TestContractChromeTenantsTermsFollowTheFunc(t *testing.T) {
	var now atomic.Pointer[chrome.TenantOptions]
	now.Store(&chrome.TenantOptions{})
	var calls atomic.Int64
	terms := func(string) chrome.TenantOptions {
		defer calls.Add(1)
		return *now.Load()
	}
	onTenantTerms(t, pool.Config{MaxPages: 1}, terms,
		func(t *testing.T, site *actionSite, p *chrome.Pool) {
			now.Store(&chrome.TenantOptions{})
			plain := plainLook(t, site, p)
			all := tenantTerms(site.URL)
			for i, as := range []string{"de", "plain", "ja", "de", "plain"} {
				// Only what a session keeps: what the context keeps is of its first lease.
				o := all(as)
				now.Store(&chrome.TenantOptions{Locale: o.Locale, Timezone: o.Timezone, UserAgent: o.UserAgent,
					Headers: o.Headers, Viewport: o.Viewport})
				want := plain
				if as != "plain" {
					part, of := strings.Fields(tenantView[as]), strings.Fields(plain)
					want = strings.Join(append(append(append([]string{}, part[:4]...), of[4:6]...), part[6:8]...),
						" ") + "  |" + strings.SplitN(tenantView[as], "|", 2)[1]
				}
				before := int64(0)
				err := p.Do(limited(t), "a", func(ctx context.Context, page *chrome.Page) error {
					found, err := tenantLook(ctx, site, page, fmt.Sprintf("as%d", i))
					before = calls.Load()
					if err == nil && found != want {
						err = fmt.Errorf("as %s it sees  %q\nand not %q", as, found, want)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				eventually(t, "the session of the next lease has the same terms", func() bool {
					return calls.Load() > before
				})
			}
		})
}

// Terms that failed ahead of a lease may be in place in part. The lease has none of them.
func TestContractChromeTenantsTermsThatFailedAheadLeaveNothing(t *testing.T) {
	needsChrome(t)
	site := newActionSite(t)
	bad := tenantTerms(site.URL)("de")
	bad.Timezone, bad.Cookies, bad.Permissions = "Mars/Olympus", nil, nil
	var fails atomic.Bool
	failed := make(chan struct{}, 8)
	configure := func(l *chrome.Launcher) {
		l.Tenant = func(string) chrome.TenantOptions {
			if fails.Load() {
				failed <- struct{}{}
				return bad
			}
			return chrome.TenantOptions{}
		}
	}
	onChromeAs(t, configure, pool.Config{MaxPages: 1},
		func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
			plain := plainLook(t, site, p)
			lease, err := p.GetPage(limited(t), "before")
			if err != nil {
				t.Fatal(err)
			}
			does(t, lease, chromedp.Navigate(site.URL+"/held")) // its own terms have been asked for
			fails.Store(true)
			lease.Release()
			<-failed
			fails.Store(false)
			tenantLooks(t, site, p, "before", "after", plain)
		})
}

// A page that nobody holds goes on with the terms of its tenant.
func TestContractChromeTenantsPageKeepsItsTermsWhileItIsIdle(t *testing.T) {
	needsChrome(t)
	site := newActionSite(t)
	configure := func(l *chrome.Launcher) { l.Tenant, l.FreezeAfter = tenantTerms(site.URL), pool.Off }
	onChromeAs(t, configure, pool.Config{MaxPages: 1},
		func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
			err := p.Do(limited(t), "de", func(ctx context.Context, page *chrome.Page) error {
				return page.Run(ctx, chromedp.Navigate(site.URL+"/idle"),
					chromedp.Evaluate[chromedp.Void](`void setInterval(() => fetch("/tick"), 20)`))
			})
			if err != nil {
				t.Fatal(err)
			}
			before := len(site.asked("/tick"))
			eventually(t, "an idle page asks with the headers of its tenant", func() bool {
				ticks := site.asked("/tick")
				n := 0
				for _, r := range ticks[before:] {
					if r.Header.Get("X-Tenant") == "de" {
						n++
					}
				}
				return n >= 50 // some can be of the lease
			})
		})
}

// What a holder sets of a session is his lease's. What he changes of the context stays, unless the
// storage is cleared; then the tenant's terms are there again.
func TestContractChromeTenantsTermsAfterAHolderChangedThem(t *testing.T) {
	onTenantTerms(t, pool.Config{MaxPages: 1}, nil,
		func(t *testing.T, site *actionSite, p *chrome.Pool) {
			clears := strings.HasSuffix(t.Name(), "ClearStorage")
			denied := browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: "geolocation"},
				Setting:    browser.PermissionSettingDenied}
			for round := range 2 {
				err := p.Do(limited(t), "de", func(ctx context.Context, page *chrome.Page) error {
					err := page.Run(ctx, chromedp.Navigate(site.URL+"/blank"), chrome.SetUserAgent("mine"),
						chrome.SetExtraHeaders(nil), chrome.ClearCookies())
					if err == nil {
						_, err = chromedp.CallBrowser(ctx, browser.SetPermission, denied)
					}
					if err != nil {
						return err
					}
					found, err := tenantLook(ctx, site, page, fmt.Sprintf("changed%d", round))
					if want := "1.234,5 de-DE Europe/Berlin mine denied denied 640 1  |   de-DE"; err == nil &&
						found != want {
						err = fmt.Errorf("it sees  %q\nand not %q", found, want)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				err = p.Do(limited(t), "de", func(ctx context.Context, page *chrome.Page) error {
					found, err := tenantLook(ctx, site, page, fmt.Sprintf("after%d", round))
					want := "1.234,5 de-DE Europe/Berlin agent-de denied denied 640 1  | de  de-DE"
					if clears {
						want = tenantView["de"]
					}
					if err == nil && found != want {
						err = fmt.Errorf("the next lease sees  %q\nand not              %q", found, want)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
}

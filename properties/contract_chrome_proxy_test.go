package properties

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Tenants with proxies of their own, on real Chrome.

// forwardProxy is a proxy for plain http that marks what passes through it.
type forwardProxy struct {
	*httptest.Server
	mark string
}

const proxyMark = "X-Came-Through"

func newForwardProxy(t *testing.T, mark string) *forwardProxy {
	p := &forwardProxy{mark: mark}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *forwardProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !r.URL.IsAbs() {
		http.Error(w, "this is a proxy", http.StatusBadRequest)
		return
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	out.Header.Set(proxyMark, p.mark)
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// cameThrough has a lease of an affinity visit a site, and returns the mark of the proxy that the
// server saw.
func cameThrough(t *testing.T, site *actionSite, p *chrome.Pool, affinity,
	path string) (mark string, err error) {
	t.Helper()
	err = p.Do(limited(t), affinity, func(ctx context.Context, page *chrome.Page) error {
		if err := page.Run(ctx, chromedp.Navigate(site.URL+"/"+path)); err != nil {
			return err
		}
		asks := site.asked("/" + path)
		if len(asks) != 1 {
			return fmt.Errorf("the server was asked for %s %d times", path, len(asks))
		}
		mark = asks[0].Header.Get(proxyMark)
		return nil
	})
	return mark, err
}

// A tenant's requests go through its proxy, after an eviction too, and its neighbour's through
// none.
func TestContractATenantHasAProxyOfItsOwn(t *testing.T) {
	needsChrome(t)
	proxies := map[string]*forwardProxy{}
	for _, name := range []string{"a", "b"} {
		proxies[name] = newForwardProxy(t, name)
	}
	terms := func(affinity string) chrome.TenantOptions {
		if p := proxies[affinity]; p != nil {
			return chrome.TenantOptions{Proxy: chrome.Proxy{Server: p.URL, Bypass: []string{"<-loopback>"}}}
		}
		return chrome.TenantOptions{}
	}
	site := newActionSite(t)
	configure := func(l *chrome.Launcher) { l.Tenant = terms }
	onChromeAs(t, configure, pool.Config{MaxPages: 1},
		func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
			for i, affinity := range []string{"a", "a", "plain", "b", "a", "plain", "b"} {
				want := affinity
				if affinity == "plain" {
					want = ""
				}
				if got, err := cameThrough(t, site, p, affinity, fmt.Sprintf("visit%d", i)); err != nil ||
					got != want {
					t.Errorf("visit %d of %s came through %q, want %q: %v", i, affinity, got, want, err)
				}
			}
			c := p.Stats().Counters
			if c.Reuses != 1 || c.Adoptions != 2 || c.InPrimary != 4 {
				t.Errorf("%d warm leases, %d of standbys, %d of tabs opened for them; want 1, 2 and 4",
					c.Reuses, c.Adoptions, c.InPrimary)
			}
		})
}

// Where a tenant's proxy changes, no request goes through the old one: the next lease fails and
// says so, and the one after that has a new context.
func TestContractATenantsProxyChanges(t *testing.T) {
	needsChrome(t)
	old, other := newForwardProxy(t, "old"), newForwardProxy(t, "other")
	var changed atomic.Bool
	terms := func(string) chrome.TenantOptions {
		server := old.URL
		if changed.Load() {
			server = other.URL
		}
		return chrome.TenantOptions{Proxy: chrome.Proxy{Server: server, Bypass: []string{"<-loopback>"}}}
	}
	site := newActionSite(t)
	configure := func(l *chrome.Launcher) { l.Tenant = terms }
	onChromeAs(t, configure, pool.Config{MaxPages: 1},
		func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
			if got, err := cameThrough(t, site, p, "t", "first"); err != nil || got != "old" {
				t.Fatalf("it came through %q: %v", got, err)
			}
			changed.Store(true)
			_, err := cameThrough(t, site, p, "t", "second")
			wrong := new(chrome.TenantError)
			want := fmt.Sprintf("Proxy: it is %q (Bypass <-loopback>), and this context was made with %q",
				other.URL, old.URL)
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) ||
				len(site.asked("/second")) > 0 {
				t.Errorf("%v, want %s, and no request", err, want)
			}
			if got, err := cameThrough(t, site, p, "t", "third"); err != nil || got != "other" {
				t.Errorf("it came through %q: %v", got, err)
			}
		})
}

// A proxy that cannot be one is refused by name, value and rule, in the calls of that tenant alone.
func TestContractATenantsProxyIsRefused(t *testing.T) {
	needsChrome(t)
	terms := func(affinity string) chrome.TenantOptions {
		if affinity == "bad" {
			return chrome.TenantOptions{Proxy: chrome.Proxy{Server: "ftp://nowhere"}}
		}
		return chrome.TenantOptions{}
	}
	site := newActionSite(t)
	configure := func(l *chrome.Launcher) { l.Tenant = terms }
	onChromeAs(t, configure, pool.Config{MaxPages: 2},
		func(t *testing.T, _ *chromeBench, p *chrome.Pool) {
			var both sync.WaitGroup
			defer both.Wait()
			both.Go(func() {
				_, err := cameThrough(t, site, p, "bad", "bad")
				want := `the terms of affinity "bad": Proxy: Server is "ftp://nowhere": it must be a scheme (http, https, socks4, socks5)`
				if err == nil || !strings.Contains(err.Error(), want) || len(site.asked("/bad")) > 0 {
					t.Errorf("%v, want %s, and no request", err, want)
				}
			})
			both.Go(func() {
				if got, err := cameThrough(t, site, p, "good", "good"); err != nil || got != "" {
					t.Errorf("its neighbour came through %q: %v", got, err)
				}
			})
		})
}

package properties

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Clients that hang up while their page is being loaded, through the whole pool.

// poolHangUps says how often a client hangs up, with Reset and without: 150 times by default.
const poolHangUps = "PAGEPOOL_CHROME_HANGUPS"

// TestContractChromeAClientWhoHangsUpSpoilsNoLaterLease has one tab, whose every second lease is
// given back in the middle of a navigation.
func TestContractChromeAClientWhoHangsUpSpoilsNoLaterLease(t *testing.T) {
	needsChrome(t)
	server, times := newSlow(t), setting(t, poolHangUps, 150)
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprint("Reset ", reset), func(t *testing.T) {
			onChrome(t, pool.Config{MaxPages: 1, Reset: reset},
				func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
					wrong := 0
					for n := range times {
						patience := time.Duration(2+n%30) * time.Millisecond
						gone, cancel := context.WithTimeout(t.Context(), patience)
						if l, err := p.GetPage(gone, "tenant-7"); err == nil {
							_ = l.Page().Run(gone, chromedp.Navigate(server.URL+"/one"))
							l.Release()
						}
						cancel()
						l, err := p.GetPage(t.Context(), "tenant-7")
						if err != nil {
							t.Fatal(err)
						}
						if err := arrives(l.Context(), l.Page(), server.URL+"/two", "two"); err != nil {
							wrong++
							t.Logf("after %v: %v", patience, err)
						}
						l.Release()
					}
					if wrong > 0 {
						t.Errorf("%d of %d leases did not get their own page", wrong, times)
					}
				})
		})
	}
}

// TestContractChromeReadmeProgramAsAServerWhoseClientsHangUp renders with what the program of
// README.md does, in a handler whose ctx ends when its client goes.
func TestContractChromeReadmeProgramAsAServerWhoseClientsHangUp(t *testing.T) {
	pages := newSlow(t)
	onChrome(t, pool.Config{MaxPages: 2},
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var html string
				var pdf []byte
				err := p.Do(r.Context(), "tenant-7", func(ctx context.Context, page *chrome.Page) (err error) {
					if err = page.Run(ctx, chromedp.Navigate(pages.URL+r.URL.Path)); err != nil {
						return err
					}
					if html, err = chrome.Run(ctx, page, chromedp.OuterHTML("html")); err == nil {
						pdf, err = chrome.Run(ctx, page, chromedp.PrintToPDF())
					}
					return err
				})
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadGateway)
					return
				}
				fmt.Fprintf(w, "%d %s", len(pdf), html)
			}))
			defer server.Close()
			get := func(ctx context.Context, path string) (string, error) {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
				if err != nil {
					return "", err
				}
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					return "", err
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if err == nil && response.StatusCode != http.StatusOK {
					err = errors.New(string(bytes.TrimSpace(body)))
				}
				return string(body), err
			}
			for n := range 30 {
				gone, cancel := context.WithTimeout(t.Context(), time.Duration(2+n)*time.Millisecond)
				_, _ = get(gone, fmt.Sprintf("/gone-%d", n))
				cancel()
				body, err := get(t.Context(), fmt.Sprintf("/page-%d", n))
				if want := fmt.Sprintf("<title>page-%d</title>", n); err != nil ||
					!strings.Contains(body, want) {
					t.Errorf("after a client who hung up: %q, %v; want %q in it", body, err, want)
				}
			}
		})
}

// TestContractChromeManyLeasesLeaveNoMemoryBehind attaches and detaches a session for each of many
// leases. PAGEPOOL_CHROME_LEASES says how many; the default is for CI's time.
func TestContractChromeManyLeasesLeaveNoMemoryBehind(t *testing.T) {
	needsChrome(t)
	leases := setting(t, "PAGEPOOL_CHROME_LEASES", 400)
	cfg := pool.Config{MaxPages: 1, Retire: pool.Retire{MaxUses: pool.Off}}
	onChrome(t, cfg, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		type usage struct {
			heap                    uint64
			goroutines, descriptors int
		}
		look := func() usage {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return usage{m.HeapAlloc, runtime.NumGoroutine(), descriptors(t)}
		}
		// A holder looks, so that both looks see a session that is held and none that is about to begin.
		// What is left of the sessions before it may take a while to end.
		var half, end usage
		for n := range leases {
			err := p.Do(t.Context(), "tenant-7", func(ctx context.Context, page *chrome.Page) error {
				switch n {
				case leases / 2:
					half = look()
				case leases - 1:
					eventually(t, "goroutines are as many as half-way", func() bool {
						end = look()
						return end.goroutines <= half.goroutines+4
					})
				}
				_, err := chrome.Run(ctx, page, chromedp.Evaluate[int]("1"))
				return err
			})
			if err != nil {
				t.Fatalf("lease %d: %v", n, err)
			}
		}
		t.Logf("%d leases: half-way %+v, at the end %+v", leases, half, end)
		// What one lease costs in memory is some 300 kB while it lasts. A hundredth of that for each is a
		// leak.
		if end.heap > half.heap+uint64(leases/2)*3_000+2<<20 {
			t.Errorf("the heap grew from %d to %d bytes over %d leases", half.heap, end.heap, leases/2)
		}
		if end.descriptors > half.descriptors+2 {
			t.Errorf("%d descriptors are open, and %d were half-way", end.descriptors, half.descriptors)
		}
	})
}

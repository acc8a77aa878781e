package properties

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/pooltest"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// A tenant with terms of its own gets a page in a context that was made for it, at first and after
// an eviction; its neighbour adopts a standby.
func TestShellAContextIsMadeForAnAffinityWithTermsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		browser := new(pooltest.Browser)
		browser.OwnTerms("proxied")
		p, err := pool.New(browser, pool.Config{MaxPages: 1, More: pool.More{Strict: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(t.Context())
		for i, key := range []string{"proxied", "plain", "plain", "proxied", "proxied", "plain"} {
			if err := p.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			l, err := p.GetPage(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"proxied": "proxied"}[key]
			if got := l.Page().MadeFor(); got != want {
				t.Errorf("lease %d: %s has a page in a context that was made for %q, want %q", i, key, got,
					want)
			}
			l.Release()
		}
		if c := p.Stats().Counters; c.InPrimary != 2 || c.Adoptions != 2 || c.Reuses != 2 {
			t.Errorf("opened for the request %d times, adopted %d, warm %d; want 2 of each", c.InPrimary,
				c.Adoptions, c.Reuses)
		}
	})
}

// plain is a browser that can do no more than it has to.
type plain struct {
	pool.Browser[*fakebrowser.Page]
}

// forgetful is a launcher that says OwnContext, and whose browsers have no NewContextFor.
type forgetful struct{ fakebrowser.Launcher }

func (l *forgetful) Launch(ctx context.Context) (pool.Browser[*fakebrowser.Page], error) {
	b, err := l.Launcher.Launch(ctx)
	if err != nil {
		return nil, err
	}
	return plain{b}, nil
}

func TestShellABrowserThatCannotMakeContextsForAffinitiesIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		launcher := new(forgetful)
		p, err := pool.New(launcher, pool.Config{MaxPages: 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = p.GetPage(ctx, "a")
		want := "launching a browser: the launcher *properties.forgetful has OwnContext, and its " +
			"browser properties.plain has no NewContextFor"
		if !errors.Is(err, pool.ErrBrowserUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %v: %s", err, pool.ErrBrowserUnavailable, want)
		}
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		if left := launcher.Census(); left != (fakebrowser.Census{}) {
			t.Errorf("after Close there is %+v", left)
		}
	})
}

package chrome

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnOpeningWaitsForTheFirstLeasesOfABrowser(t *testing.T) {
	for _, c := range []struct {
		what                            string
		begun, settled, left, lost, own bool // own: its caller has gone
		waits                           bool
	}{
		{what: "before the first lease"},
		{what: "in the first lease", begun: true, waits: true},
		{what: "with a processor left", begun: true, left: true},
		{what: "after a lease", begun: true, settled: true},
		{what: "in a browser that is lost", begun: true, lost: true},
		{what: "of a caller who has gone", begun: true, own: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, pages, lost := newPace(), runtime.GOMAXPROCS(0), make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.begun {
				p.leaseBegun()
			}
			if c.settled {
				p.settle()
			}
			if c.left {
				pages--
			}
			if c.lost {
				close(lost)
			}
			if c.own {
				cancel()
			}
			var opens atomic.Bool
			go func() {
				p.wait(ctx, pages, lost)
				opens.Store(true)
			}()
			synctest.Wait()
			if opens.Load() == c.waits {
				t.Errorf("%s: an opening waits: %v", c.what, !c.waits)
			}
			<-time.After(paceMost)
			synctest.Wait()
			if !opens.Load() {
				t.Errorf("%s: an opening waits for more than %v", c.what, paceMost)
			}
		})
	}
}

func TestAnOpeningGoesOnWhenTheFirstLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		p.leaseBegun()
		began := time.Now()
		time.AfterFunc(paceMost/2, p.settle)
		p.wait(t.Context(), runtime.GOMAXPROCS(0), nil)
		if waited := time.Since(began); waited != paceMost/2 {
			t.Errorf("it waited for %v, want %v", waited, paceMost/2)
		}
	})
}

package properties

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// Pages that never answer once their lease has ended delay nobody for longer than RescueTimeout and
// one reopening.
func TestShellResetsThatHangDelayNobody(t *testing.T) {
	for _, hanging := range [][]string{{"rescue", "reset"}, {"probe", "rescue", "reset"}} {
		for _, n := range []int{3, 4, 5, 8, 12} {
			t.Run(fmt.Sprintf("%v of %d", hanging, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { resetsHang(t, hanging, n) })
			})
		}
	}
}

func resetsHang(t *testing.T, hanging []string, n int) {
	stub := &shellStub{gate: make(chan struct{})}
	stub.script("new-tab", lasts(10*time.Millisecond))
	stub.script("close", lasts(10*time.Millisecond))
	good := false
	var mu sync.Mutex
	for _, operation := range hanging {
		stub.script(operation, func(ctx context.Context, _ int) error {
			mu.Lock()
			answers := good
			mu.Unlock()
			if answers {
				return nil
			}
			return hangs(ctx, 0)
		})
	}
	p, err := pool.New(stub, pool.Config{MaxPages: 4, Reset: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	hold := func(affinity string, work time.Duration) (time.Duration, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		lease, err := p.GetPage(ctx, affinity)
		if err != nil {
			return 0, err
		}
		waited := time.Since(began)
		_ = lasts(work)(ctx, 0)
		lease.Release()
		return waited, nil
	}
	var callers sync.WaitGroup
	for i := range n {
		callers.Go(func() {
			if _, err := hold(fmt.Sprint("hangs-", i), 300*time.Millisecond); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	_ = lasts(50*time.Millisecond)(t.Context(), 0)
	mu.Lock()
	good = true // what was asked before stays unanswered
	mu.Unlock()
	worst := time.Duration(0)
	for i := range 20 {
		callers.Go(func() {
			waited, err := hold(fmt.Sprint("good-", i%4), 100*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if worst = max(worst, waited); err != nil {
				t.Errorf("a good request failed: %v", err)
			}
		})
	}
	callers.Wait()
	t.Logf("worst wait %v", worst)
	if worst > 2*time.Second {
		t.Errorf("a good request waited %v, want 2s at most", worst)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

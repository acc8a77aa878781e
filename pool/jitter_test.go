package pool

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Tabs that open together do not retire together: each has a jitter of its own, below MaxAgeJitter.
func TestTabsThatOpenTogetherHaveDifferentJitters(t *testing.T) {
	for _, most := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var drawn []time.Duration
			s := &stub{stepped: func(e core.Event, _ *core.State) {
				mu.Lock()
				defer mu.Unlock()
				if e.Is(core.Done, core.OpenTab) {
					drawn = append(drawn, e.Jitter)
				}
			}}
			p, err := New(s, Config{
				MaxPages: 8,
				Retire:   Retire{MaxAge: time.Hour, MaxAgeJitter: most},
				More:     More{Strict: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			slices.Sort(drawn)
			apart := len(slices.Compact(slices.Clone(drawn)))
			switch {
			case len(drawn) < 8:
				t.Errorf("%d tabs have opened", len(drawn))
			case most == 0 && (apart != 1 || drawn[0] != 0):
				t.Errorf("without a jitter there is %v", drawn)
			case most > 0 && (apart < len(drawn)/2 || drawn[0] < 0 || drawn[len(drawn)-1] >= most):
				t.Errorf("jitters below %v: %v", most, drawn)
			}
		})
	}
}

package properties

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
)

// underLoad has four callers take pages of a few affinities and close what is idle, while test
// runs.
func underLoad(t *testing.T, cfg pool.Config, test func(*testing.T, *shellPool)) {
	cfg.More.Strict = true
	inShell(t, cfg, new(shellStub), func(t *testing.T, p *shellPool) {
		var over atomic.Bool
		var callers sync.WaitGroup
		for caller := range 4 {
			callers.Go(func() {
				for n := 0; !over.Load(); n++ {
					l, err := p.GetPage(t.Context(), fmt.Sprint("key-", (caller+n)%6))
					if err != nil {
						t.Error(err)
						return
					}
					if l.Release(); n%5 == caller {
						if _, err := p.EvictIdle(0); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		test(t, p)
		over.Store(true)
		callers.Wait()
	})
}

// What a subscriber was told at first, and all that it is told then, leaves no change out: an
// affinity gets warm and cold by turns.
func TestShellASubscriberUnderLoadMissesNoChange(t *testing.T) {
	const subscribers, changes = 2_000, 12 // each has heard of all six affinities by then, most likely
	underLoad(t, pool.Config{MaxPages: 3}, func(t *testing.T, p *shellPool) {
		for range subscribers {
			warm, enough := map[string]bool{}, make(chan struct{})
			n := 0
			cancel := p.Subscribe(func(a pool.Announcement) {
				if warm[a.Affinity] == a.Warm {
					t.Errorf("%s is said to be warm: %t, twice in a row", a.Affinity, a.Warm)
				}
				warm[a.Affinity] = a.Warm
				if n++; n == changes {
					close(enough)
				}
			})
			<-enough
			cancel()
		}
	})
}

// A dump is of one moment, whatever happens meanwhile: its replay ends in the state whose hash it
// has.
func TestShellADumpUnderLoadReplaysToTheStateOfItsMoment(t *testing.T) {
	var dumps [][]byte
	cfg := pool.Config{MaxPages: 3, More: pool.More{RecorderEvents: 50}}
	underLoad(t, cfg, func(t *testing.T, p *shellPool) {
		for range 300 {
			var text bytes.Buffer
			if err := p.Dump(&text); err != nil {
				t.Error(err)
			}
			dumps = append(dumps, text.Bytes())
		}
	})
	for _, text := range dumps {
		tr, err := trace.Read(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		report, err := replay.Run(tr, nil)
		if err != nil || len(report.Failed) > 0 || report.Violation != nil {
			t.Fatalf("%v, %v, %v\n%s", err, report.Failed, report.Violation, text)
		}
	}
}

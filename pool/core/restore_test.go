package core_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
)

// core.Facts of a dump may be damaged. core.What does not go together is refused before anything
// follows it.
func TestFactsThatDoNotGoTogetherAreRefused(t *testing.T) {
	spoils := map[string]func(*core.Facts) bool{
		"the standbys": func(f *core.Facts) bool {
			if f.Standbys == core.None {
				return false
			}
			f.Tabs[f.Standbys].Next = f.Standbys // a circle
			return true
		},
		"affinity ": func(f *core.Facts) bool {
			a := slices.IndexFunc(f.Affinities, func(k core.AffinityFacts) bool {
				return k.Known && k.Tabs != core.None
			})
			if a < 0 {
				return false
			}
			f.Tabs[f.Affinities[a].Tabs].Next = f.Affinities[a].Tabs // a circle
			return true
		},
		"t": func(f *core.Facts) bool {
			i := slices.IndexFunc(f.Tabs, func(t core.Tab) bool { return t.State != 0 })
			if i < 0 {
				return false
			}
			f.Tabs[i].Context = int32(len(f.Contexts))
			return true
		},
		"r": func(f *core.Facts) bool {
			i := slices.IndexFunc(f.Requests, func(r core.Request) bool { return r.Used })
			if i < 0 {
				return false
			}
			f.Requests[i].Affinity = core.Affinity(len(f.Affinities))
			return true
		},
	}
	for of, spoil := range spoils {
		met := 0
		for seed := uint64(0); seed < 20 && met == 0; seed++ {
			w := newWalk(t, seed, walkSettings(rand.New(rand.NewPCG(seed, 4))))
			w.step(core.Event{})
			for range 200 {
				w.step(w.any())
				facts := w.state.Clone().Facts
				if _, err := core.Restore(&facts); err != nil {
					t.Fatalf("seed %d: sound facts are refused: %v", seed, err)
				}
				if !spoil(&facts) {
					continue
				}
				met++
				_, err := core.Restore(&facts)
				if err == nil || !strings.HasPrefix(err.Error(), of) ||
					!strings.HasSuffix(err.Error(), "not there") {
					t.Fatalf("seed %d: damaged facts of %q: %v", seed, of, err)
				}
			}
		}
		if met == 0 {
			t.Errorf("no facts could be damaged at %q", of)
		}
	}
}

package core

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Facts of a dump may be damaged. What does not go together is refused before anything follows it.
func TestFactsThatDoNotGoTogetherAreRefused(t *testing.T) {
	spoils := map[string]func(*Facts) bool{
		"the standbys": func(f *Facts) bool {
			if f.standbys == none {
				return false
			}
			f.tabs[f.standbys].next = f.standbys // a circle
			return true
		},
		"affinity ": func(f *Facts) bool {
			a := slices.IndexFunc(f.affinities, func(k affinityFacts) bool { return k.known && k.tabs != none })
			if a < 0 {
				return false
			}
			f.tabs[f.affinities[a].tabs].next = f.affinities[a].tabs // a circle
			return true
		},
		"t": func(f *Facts) bool {
			i := slices.IndexFunc(f.tabs, func(t tab) bool { return t.state != 0 })
			if i < 0 {
				return false
			}
			f.tabs[i].context = int32(len(f.contexts))
			return true
		},
		"r": func(f *Facts) bool {
			i := slices.IndexFunc(f.requests, func(r request) bool { return r.used })
			if i < 0 {
				return false
			}
			f.requests[i].affinity = Affinity(len(f.affinities))
			return true
		},
	}
	for of, spoil := range spoils {
		met := 0
		for seed := uint64(0); seed < 20 && met == 0; seed++ {
			w := newWalk(t, seed, walkSettings(rand.New(rand.NewPCG(seed, 4))))
			w.step(Event{})
			for range 200 {
				w.step(w.any())
				whole, s := w.state.Clone(), w.state.Clone()
				if err := whole.restore(whole.settings); err != nil {
					t.Fatalf("seed %d: sound facts are refused: %v", seed, err)
				}
				if !spoil(&s.Facts) {
					continue
				}
				met++
				err := s.restore(s.settings)
				if err == nil || !strings.HasPrefix(err.Error(), of) || !strings.HasSuffix(err.Error(), "not there") {
					t.Fatalf("seed %d: damaged facts of %q: %v", seed, of, err)
				}
			}
		}
		if met == 0 {
			t.Errorf("no facts could be damaged at %q", of)
		}
	}
}

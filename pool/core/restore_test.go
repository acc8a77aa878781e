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
			if f.Standbys == None {
				return false
			}
			f.Tabs[f.Standbys].Next = f.Standbys // a circle
			return true
		},
		"affinity ": func(f *Facts) bool {
			a := slices.IndexFunc(f.Affinities, func(k AffinityFacts) bool { return k.Known && k.Tabs != None })
			if a < 0 {
				return false
			}
			f.Tabs[f.Affinities[a].Tabs].Next = f.Affinities[a].Tabs // a circle
			return true
		},
		"t": func(f *Facts) bool {
			i := slices.IndexFunc(f.Tabs, func(t Tab) bool { return t.State != 0 })
			if i < 0 {
				return false
			}
			f.Tabs[i].Context = int32(len(f.Contexts))
			return true
		},
		"r": func(f *Facts) bool {
			i := slices.IndexFunc(f.Requests, func(r Request) bool { return r.Used })
			if i < 0 {
				return false
			}
			f.Requests[i].Affinity = Affinity(len(f.Affinities))
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
				facts := w.state.Clone().Facts
				if _, err := Restore(&facts); err != nil {
					t.Fatalf("seed %d: sound facts are refused: %v", seed, err)
				}
				if !spoil(&facts) {
					continue
				}
				met++
				_, err := Restore(&facts)
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

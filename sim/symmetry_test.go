package sim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// To count like things once leaves nothing out: of all states that are told apart without symmetry,
// as many kinds are met as the search with symmetry counts.
func TestPropertySymmetryLeavesNoStateOut(t *testing.T) {
	for _, name := range []string{"R-6", "promised-bypass", "E-01c", "shared-context", "recycle"} {
		scenario := *ScenarioNamed(name)
		scenario.Faults = 0
		start, err := scenario.World()
		if err != nil {
			t.Fatal(err)
		}
		ordered, canon := NewCanon(false), NewCanon(true)
		all := map[uint64]bool{ordered.Fingerprint(start): true}
		kinds := map[uint64]bool{canon.Fingerprint(start): true}
		for queue := []*World{start}; len(queue) > 0; queue = queue[1:] {
			for _, action := range queue[0].Actions(nil) {
				child := queue[0].Clone()
				child.Do(&action)
				if fingerprint := ordered.Fingerprint(child); !all[fingerprint] {
					all[fingerprint] = true
					kinds[canon.Fingerprint(child)] = true
					queue = append(queue, child)
				}
			}
		}
		found, err := Explore(&scenario, ExploreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == len(kinds) || found.States != len(kinds) {
			t.Errorf("%s: the search counts %d states, and of %d there are %d kinds", name, found.States,
				len(all), len(kinds))
		}
	}
}

// To count like affinities once leaves nothing out either, in whatever scenario there are any.
func TestPropertyLikeKeysLeaveNoStateOut(t *testing.T) {
	tried := 0
	for _, s := range Scenarios {
		scenario := *s
		scenario.Faults = min(1, s.Faults)
		start, err := scenario.World()
		if err != nil {
			t.Fatal(err)
		}
		if start.renamings = renamings(start.programs); start.renamings == nil {
			continue
		}
		plain, all, kinds := new(fixed), map[uint64]bool{}, map[uint64]bool{}
		*plain = *start.fixed
		plain.renamings = nil
		ordered, canon := NewCanon(true), NewCanon(true)
		enter := func(w *World) (is bool) {
			renamed := w.fixed
			w.fixed = plain
			fingerprint := ordered.Fingerprint(w)
			w.fixed = renamed
			if is = !all[fingerprint]; is {
				all[fingerprint], kinds[canon.Fingerprint(w)] = true, true
			}
			return is
		}
		enter(start)
		for queue := []*World{start}; len(queue) > 0 && len(all) < 6_000; queue = queue[1:] {
			for _, action := range queue[0].Actions(nil) {
				child := queue[0].Clone()
				if child.Do(&action); enter(child) {
					queue = append(queue, child)
				}
			}
		}
		if len(all) >= 6_000 {
			continue
		}
		tried++
		found, err := Explore(&scenario, ExploreOptions{LikeKeys: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == len(kinds) || found.States != len(kinds) {
			t.Errorf("%s: the search counts %d states, and of %d there are %d kinds", s.Name, found.States,
				len(all), len(kinds))
		}
		t.Logf("%s: %d renamings, %d states, %d kinds", s.Name, len(start.renamings), len(all),
			len(kinds))
	}
	if tried < 3 {
		t.Errorf("%d scenarios have like affinities", tried)
	}
}

// To change places commutes with stepping: two worlds in which callers with the same program, and
// tabs of which nobody knows anything, have changed places stay alike, whatever happens to one and,
// with places changed, to the other.
func TestPropertySymmetryCommutesWithStepping(t *testing.T) {
	swaps := 0
	for _, name := range []string{"R-6", "promised-bypass", "four-callers", "E-01c",
		"shared-context"} {
		scenario := *ScenarioNamed(name)
		scenario.Faults = 2
		for seed := range uint64(150) {
			w, err := scenario.World()
			if err != nil {
				t.Fatal(err)
			}
			n, err := alongside(w, scheduler.NewRandom(seed, 0), likeCallers(&scenario))
			if err != nil {
				t.Fatalf("%s, seed %d: %v", name, seed, err)
			}
			swaps += n
		}
	}
	if swaps == 0 {
		t.Error("no two tabs have changed places")
	}
}

// likeCallers is two callers with the same program; none: 0 and 0.
func likeCallers(s *Scenario) (pair [2]int) {
	for i := range s.Programs {
		for j := range i {
			if s.Programs[i] == s.Programs[j] {
				return [2]int{j, i}
			}
		}
	}
	return pair
}

// alongside takes a world and its twin through a schedule, and compares their fingerprints. The
// twin's callers have changed places from the start; its tabs do, two at a time, while they are
// being opened for nobody. It says how often.
func alongside(w *World, choices scheduler.Source, callers [2]int) (swaps int, err error) {
	twin, canon, names := w.Clone(), NewCanon(true), newSwap(callers)
	for step := range 60 {
		actions := w.Actions(nil)
		if len(actions) == 0 || w.Violation() != nil {
			return swaps, nil
		}
		if i, j, ok := twoOpenings(w); ok && step%5 == 4 {
			names.tabs(i, j)
			swaps++
		}
		action := &actions[choices.Choose(len(actions))]
		want := names.of(w.Label(action))
		w.Do(action)
		others := twin.Actions(nil)
		n := slices.IndexFunc(others, func(a Action) bool { return twin.Label(&a) == want })
		if n < 0 {
			return swaps, fmt.Errorf("step %d: the twin cannot do %q", step, want)
		}
		twin.Do(&others[n])
		if a, b := canon.Fingerprint(w), canon.Fingerprint(twin); a != b {
			return swaps, fmt.Errorf("step %d: after %q the fingerprints are %016x and %016x", step, want, a,
				b)
		}
	}
	return swaps, nil
}

// twoOpenings is two tabs that are being opened for nobody, and of which the same is known.
func twoOpenings(w *World) (i, j core.TabView, ok bool) {
	var found []core.TabView
	w.core.EachTab(func(t core.TabView) {
		page := w.fake.Tab(t.ID)
		n := w.fake.Find(fakebrowser.Open, core.Event{Tab: t.ID})
		if t.State == core.Opening && t.Affinity == 0 && !t.Overdue && page != nil && !page.Made &&
			n >= 0 && !w.fake.Operations[n].Stuck {
			found = append(found, t)
		}
	})
	if len(found) < 2 || found[0].Browser != found[1].Browser {
		return i, j, false
	}
	return found[0], found[1], true
}

// swap says by which name the twin knows what a label speaks of.
type swap struct {
	callers [2]int
	ids     map[string]string // of tabs and their contexts
}

func newSwap(callers [2]int) *swap { return &swap{callers, map[string]string{}} }

func (s *swap) tabs(i, j core.TabView) {
	exchange := func(a, b string) { s.ids[a], s.ids[b] = s.name(b), s.name(a) }
	exchange(fmt.Sprintf("t%d", i.ID), fmt.Sprintf("t%d", j.ID))
	exchange(fmt.Sprintf("c%d", i.Context), fmt.Sprintf("c%d", j.Context))
}

func (s *swap) name(id string) string {
	if other, ok := s.ids[id]; ok {
		return other
	}
	return id
}

var named = regexp.MustCompile(`\b[tcr]\d+\b|client \d+`)

func (s *swap) of(label string) string {
	return named.ReplaceAllStringFunc(label, func(name string) string {
		switch name[:2] {
		case "cl":
			n, _ := strconv.Atoi(name[len("client "):])
			return fmt.Sprintf("client %d", s.caller(n-1)+1)
		default:
			if name[0] == 'r' {
				n, _ := strconv.Atoi(name[1:])
				return fmt.Sprintf("r%d", n+(programLength+1)*(s.caller((n-1)/(programLength+1))-(n-1)/
					(programLength+1)))
			}
			return s.name(name)
		}
	})
}

func (s *swap) caller(i int) int {
	switch i {
	case s.callers[0]:
		return s.callers[1]
	case s.callers[1]:
		return s.callers[0]
	}
	return i
}

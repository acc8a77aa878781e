package properties

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/anishathalye/porcupine"

	"github.com/pagepool/pagepool/properties/linear"
	"github.com/pagepool/pagepool/sim/traffic"
)

// Histories of the real Pool, of real goroutines, against the specification of package linear.

// playInBubble plays a plan in virtual time.
func playInBubble(t *testing.T, plan *linear.Plan) *linear.History {
	var h *linear.History
	synctest.Test(t, func(t *testing.T) { h = played(t, plan, new(linear.Bubble)) })
	return h
}

// playInCrowd plays a plan outside bubbles, on every processor that there is.
func playInCrowd(t *testing.T, plan *linear.Plan) *linear.History {
	return played(t, plan, new(linear.Crowd))
}

func played(t *testing.T, plan *linear.Plan, stage linear.Stage) *linear.History {
	plan.Config.More.Strict = true
	h, err := linear.Play(plan, stage)
	if err != nil {
		t.Fatalf("seed %d: %v", plan.Seed, err)
	}
	return h
}

// seeds are those that a test plays: as many as it likes, or the one of a failure, again and again,
// since what goroutines do at the same time is another order each time.
func seeds(t *testing.T, most uint64) []uint64 {
	t.Helper()
	if text := os.Getenv("PAGEPOOL_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("PAGEPOOL_SEED=%s: want the number of a seed", text)
		}
		again := make([]uint64, 300)
		for i := range again {
			again[i] = seed
		}
		return again
	}
	all := make([]uint64, most)
	for i := range all {
		all[i] = uint64(i) + 1
	}
	return all
}

// wantLinearizable fails the test with a picture where no order of the calls is a history of the
// specification.
func wantLinearizable(t *testing.T, h *linear.History, name string, seed uint64, inParts bool) {
	t.Helper()
	check := h.Check
	if inParts {
		check = h.CheckParts
	}
	switch result := check(); result {
	case porcupine.Ok:
	case porcupine.Unknown:
		t.Errorf("seed %d: the search was given up; are histories too long?", seed)
	default:
		v := h.Explain(inParts)
		path := filepath.Join(artefacts(t), fmt.Sprintf("%s-seed-%d.html", name, seed))
		if err := v.Draw(path); err != nil {
			t.Error(err)
		}
		t.Fatalf("seed %d: no order of these calls is a history of the specification.\nPicture: "+
			"%s\nAgain:   PAGEPOOL_SEED=%d go test -run '^%s$' ./properties\n%s\n%s",
			seed, path, seed, t.Name(), v.Stuck(h), h.Text())
	}
}

// artefacts is where a failure leaves its picture: the test's own folder where -artifacts keeps it,
// otherwise one that nobody removes.
func artefacts(t *testing.T) string {
	t.Helper()
	if f := flag.Lookup("test.artifacts"); f != nil && f.Value.String() == "true" {
		return t.ArtifactDir()
	}
	dir, err := os.MkdirTemp("", "pagepool-linearizable-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLinearizableShortHistoriesInVirtualTime(t *testing.T) {
	met := tally{}
	for _, seed := range seeds(t, 1500) {
		h := playInBubble(t, linear.ShortPlan(seed))
		wantLinearizable(t, h, "bubble", seed, false)
		met.add(h)
	}
	met.wantAll(t)
}

func TestLinearizableShortHistoriesOnEveryProcessor(t *testing.T) {
	met := tally{}
	for _, seed := range seeds(t, 1500) {
		h := playInCrowd(t, linear.ShortPlan(seed))
		wantLinearizable(t, h, "crowd", seed, false)
		met.add(h)
	}
	met.wantAll(t)
}

// Long histories are checked in parts, one affinity at a time.
func TestLinearizableLongHistories(t *testing.T) {
	met := tally{}
	for _, seed := range seeds(t, 12) {
		h := playInBubble(t, linear.LongPlan(seed))
		wantLinearizable(t, h, "long-bubble", seed, true)
		met.add(h)
		h = playInCrowd(t, linear.LongPlan(seed))
		wantLinearizable(t, h, "long-crowd", seed, true)
		met.add(h)
	}
	// they are few, and most are never closed while busy
	met.wantAll(t, "a request refused for the close")
}

// The same specification holds of the simulated world, whose core is the same and whose shell is
// another.
func TestLinearizableSimulatedRuns(t *testing.T) {
	met := tally{}
	for _, seed := range seeds(t, 25) {
		h, err := linear.Simulated(traffic.ProfileNamed("hostile"), seed, 0.02)
		if err != nil {
			t.Fatal(err)
		}
		wantLinearizable(t, h, "simulated", seed, false)
		met.add(h)
	}
	met.wantAll(t, "a disposal that may have been") // a step of the core leaves no doubt
}

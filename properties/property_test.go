package properties

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/shrink"
	"github.com/pagepool/pagepool/sim/traffic"
	"github.com/pagepool/pagepool/sim/view"
)

// runSeed runs a seed of a profile, and says how to run it again where a claim broke.
func runSeed(profile *traffic.Profile, seed uint64, hours float64) (*traffic.Report, error) {
	r, err := traffic.Run(traffic.Options{Profile: profile, Seed: seed, Hours: hours})
	if err != nil {
		return nil, err
	}
	if r.Violation != nil {
		return r, fmt.Errorf("%w\n%s\nset %s\ngo run ./cmd/soak run %s -seed %d -hours %v",
			r.Violation, r.Violation.Says, r.Settings.Diff(), profile.Name, seed, hours)
	}
	return r, nil
}

// pageOfSeed writes the page of a seed that failed where rapid keeps its failures, and says where.
func pageOfSeed(profile *traffic.Profile, seed uint64, hours float64) string {
	title := fmt.Sprintf("%s, seed %d, %v hours", profile.Name, seed, hours)
	run, err := view.OfRun(title, traffic.Options{Profile: profile, Seed: seed, Hours: hours}).Run(0)
	if err != nil {
		return "no page of it: " + err.Error()
	}
	var html bytes.Buffer
	page := view.Page{Title: title, Runs: []view.Run{*run},
		Open: fmt.Sprintf("soak trace %s -seed %d -hours %v -perfetto OUT.json", profile.Name, seed,
			hours)}
	name := filepath.Join("testdata", "rapid", fmt.Sprintf("%s-%d.html", profile.Name, seed))
	err = errors.Join(page.Write(&html), os.MkdirAll(filepath.Dir(name), 0o755),
		os.WriteFile(name, html.Bytes(), 0o644))
	if err != nil {
		return "no page of it: " + err.Error()
	}
	return "look at it: properties/" + filepath.ToSlash(name)
}

// A seed that fails has a page.
func TestTraceASeedThatFailsHasAPage(t *testing.T) {
	t.Chdir(t.TempDir())
	said := pageOfSeed(traffic.ProfileNamed("staging"), 1, 0.05)
	html, err := os.ReadFile("testdata/rapid/staging-1.html")
	if err != nil || said != "look at it: properties/testdata/rapid/staging-1.html" ||
		!bytes.Contains(html, []byte("staging, seed 1, 0.05 hours")) {
		t.Errorf("%q: %v, %d bytes", said, err, len(html))
	}
}

// campaignSeeds is how many seeds of a profile a campaign runs.
const campaignSeeds = 30

// An hour of traffic for each seed, with every fault of the profile; then the faults stop, and
// everything has to come to rest. A campaign that did not meet everything proves less than it says.
func TestPropertyEverySeedKeepsEveryPromiseAndTogetherTheyMeetEverything(t *testing.T) {
	reached := make([]sim.Reached, len(traffic.Profiles))
	t.Run("profiles", func(t *testing.T) {
		for i, profile := range traffic.Profiles {
			t.Run(profile.Name, func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(campaignSeeds) {
					r, err := runSeed(profile, seed+1, 1)
					if err != nil {
						t.Fatalf("%v\n%s", err, pageOfSeed(profile, seed+1, 1))
					}
					reached[i].Add(&r.Reached)
				}
			})
		}
	})
	var all sim.Reached
	for i := range reached {
		all.Add(&reached[i])
	}
	if zero := all.Zero(); len(zero) > 0 && !t.Failed() {
		t.Errorf("a campaign of %d seeds of each profile never reached %s", campaignSeeds,
			strings.Join(zero, ", "))
	}
}

// rapid draws the seed and the profile.
func TestPropertyAnySeedKeepsEveryPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profile := rapid.SampledFrom(traffic.Profiles).Draw(t, "profile")
		seed := rapid.Uint64().Draw(t, "seed")
		if _, err := runSeed(profile, seed, 0.1); err != nil {
			t.Fatal(err)
		}
	})
}

// rapid draws a small pool, its callers, and every choice of what happens next, so it shrinks what
// breaks a promise to few callers, the default policy and a few deviations from it.
func TestPropertyAnyScheduleKeepsEveryInvariant(t *testing.T) {
	var last broken
	t.Cleanup(func() { last.save(t) })
	for range 100 { // rounds of rapid, each of a hundred schedules
		rapid.Check(t, func(t *rapid.T) {
			scenario := sim.Scenario{
				Settings: drawSettings(t), Faults: rapid.IntRange(0, 8).Draw(t, "faults"), Menu: sim.AllFaults,
				Full: rapid.Bool().Draw(t, "full"), Checks: rapid.Bool().Draw(t, "checks"),
			}
			for range rapid.IntRange(1, 5).Draw(t, "clients") {
				scenario.Programs = append(scenario.Programs, drawProgram(t))
			}
			if rapid.IntRange(0, 2).Draw(t, "own terms") == 2 {
				drawOwn(t, scenario.Programs)
			}
			last.watch(&scenario)
			w, err := scenario.World()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { last.violation = w.Violation() }()
			schedule(t, w, &scheduler.Recorder{Source: scheduler.Func(func(n int) int {
				return rapid.IntRange(0, n-1).Draw(t, "choice")
			})}, 300)
		})
		if t.Failed() {
			return
		}
	}
}

// broken is the last schedule that rapid tried, which is the smallest where it has found one that
// breaks a claim.
type broken struct {
	settings   core.Settings
	transcript *replay.Transcript
	violation  *sim.Violation
}

// watch begins another schedule.
func (b *broken) watch(scenario *sim.Scenario) {
	*b = broken{settings: scenario.Settings, transcript: new(replay.Transcript)}
	scenario.Observe = b.transcript.Observe
}

// save writes a broken schedule down as a trace, among those that are replayed from then on.
func (b *broken) save(t *testing.T) {
	v := b.violation
	if !t.Failed() || v == nil {
		return
	}
	text, err := b.trace("../testdata/regressions/" + v.Property + "-rapid.trace")
	if err != nil {
		t.Logf("no trace was saved: %v", err)
		return
	}
	t.Logf("saved; go run ./cmd/soak replay testdata/regressions/%s-rapid.trace\n%s", v.Property, text)
}

// trace writes a broken schedule to a file: shrunk, as far as that goes in a few seconds.
func (b *broken) trace(file string) ([]byte, error) {
	v := b.violation
	text, err := b.transcript.Untimed(b.settings, v.Property, v.Property+": "+v.Says,
		"Found by rapid: "+v.What+".")
	if err != nil {
		return nil, err
	}
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if small, err := shrink.Run(tr, "what rapid found",
		shrink.Options{Steps: 1_000_000, States: 20_000}); err == nil {
		text = small.Text
	}
	return text, os.WriteFile(file, text, 0o644)
}

func drawSettings(t *rapid.T) core.Settings {
	s := core.Settings{
		MaxPages:    rapid.IntRange(1, 4).Draw(t, "MaxPages"),
		OpenRetries: rapid.IntRange(1, 3).Draw(t, "OpenRetries"),
	}
	s.AffinityTabs = rapid.IntRange(1, s.MaxPages).Draw(t, "AffinityTabs")
	s.RootCap = rapid.IntRange(1, s.AffinityTabs).Draw(t, "RootCap")
	s.MinPages = rapid.IntRange(1, s.MaxPages).Draw(t, "MinPages")
	s.ReservedPages = rapid.IntRange(0, s.MaxPages-s.MinPages).Draw(t, "ReservedPages")
	s.OrphanCap = rapid.IntRange(-1, 2).Draw(t, "OrphanCap")
	s.TabsPerContext = rapid.IntRange(1, 2).Draw(t, "TabsPerContext")
	s.MaxBypass = rapid.IntRange(-1, 2).Draw(t, "MaxBypass")
	s.BrowserMaxTabs = rapid.IntRange(0, 6).Draw(t, "BrowserMaxTabs")
	for _, on := range []*bool{&s.RetainOnEvict, &s.AllowReassign, &s.Reset} {
		*on = rapid.Bool().Draw(t, "switch")
	}
	s.BrowserDoubt = rapid.SampledFrom([]int{core.Off, 2, 3}).Draw(t, "BrowserDoubt")
	if rapid.IntRange(0, 3).Draw(t, "checks every") < 3 {
		// in an untimed world, a check every now and then hides what else could happen
		s.CheckEvery = core.Off
	}
	s.MaxBrowserMemory = rapid.SampledFrom([]int64{core.Off, 1, 2}).Draw(t, "MaxBrowserMemory")
	s.AffinityDoubt = rapid.SampledFrom([]int{core.Off, 2}).Draw(t, "AffinityDoubt")
	s.MaxIdle = rapid.SampledFrom([]time.Duration{core.Off, core.Off, time.Second}).Draw(t, "MaxIdle")
	s.FreezeAfter = rapid.SampledFrom([]time.Duration{core.Off, time.Second}).Draw(t, "FreezeAfter")
	if rapid.Bool().Draw(t, "probes") {
		s.ProbeMaxAge = 1 // in an untimed world: always
	}
	return s
}

// drawProgram draws what one caller does: up to two visits, one after the other.
func drawProgram(t *rapid.T) (p sim.Program) {
	length := 0
	add := func(in sim.Instruction) {
		p[length] = in
		length++
	}
	get := func(class core.Class) {
		add(sim.Instruction{
			Verb: sim.Get, Affinity: core.Affinity(rapid.IntRange(1, 3).Draw(t, "affinity")), Class: class,
			Priority: int32(rapid.IntRange(0, 1).Draw(t, "priority")), GivesUp: true,
		})
	}
	ends := []sim.Verb{sim.Release, sim.ReleaseTwice, sim.Discard, sim.DiscardWedged}
	for range rapid.IntRange(1, 2).Draw(t, "visits") {
		get(core.Root)
		if rapid.Bool().Draw(t, "works") {
			works := []sim.Verb{sim.Wedge, sim.Loop, sim.Draw}
			add(sim.Instruction{Verb: rapid.SampledFrom(works).Draw(t, "how")})
		}
		if rapid.Bool().Draw(t, "nests") {
			get(core.Nested)
			add(sim.Instruction{Verb: rapid.SampledFrom(ends).Draw(t, "inner end")})
		}
		add(sim.Instruction{Verb: rapid.SampledFrom(ends).Draw(t, "end")})
		if rapid.Bool().Draw(t, "disposes") {
			add(sim.Instruction{
				Verb: sim.Dispose, Affinity: core.Affinity(rapid.IntRange(1, 3).Draw(t, "affinity")),
				NoWait: rapid.Bool().Draw(t, "nowait"), Retain: rapid.Bool().Draw(t, "retain"), GivesUp: true,
			})
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "recycles") == 4 {
		add(sim.Instruction{Verb: sim.Recycle, GivesUp: true})
	}
	if rapid.IntRange(0, 9).Draw(t, "closes the pool") == 9 {
		add(sim.Instruction{Verb: sim.ClosePool, GivesUp: true})
	}
	return p
}

// drawOwn gives one affinity terms of its own, and another one in some of its requests.
func drawOwn(t *rapid.T, programs []sim.Program) {
	for i := range programs {
		for j := range programs[i] {
			switch in := &programs[i][j]; {
			case in.Verb != sim.Get:
			case in.Affinity == 2:
				in.Own = true
			case in.Affinity == 3:
				in.Own = rapid.Bool().Draw(t, "own")
			}
		}
	}
}

// schedule lets a world do what a recorder chooses, and fails with the deviations where a claim
// breaks.
func schedule(t *rapid.T, w *sim.World, record *scheduler.Recorder, steps int) {
	var actions []sim.Action
	record.Label = func(choice int) string { return w.Label(&actions[choice]) }
	for range steps {
		if actions = w.Actions(actions[:0]); len(actions) == 0 {
			return
		}
		w.Do(&actions[record.Choose(len(actions))])
		if v := w.Violation(); v != nil {
			var deviations []string
			for _, d := range record.Deviations {
				deviations = append(deviations, fmt.Sprintf("  choice %d: %s", d.At, d.Label))
			}
			t.Fatalf("%v\n%s\ndeviations from the default policy:\n%s", v, v.Says,
				strings.Join(deviations, "\n"))
		}
	}
}

// Two worlds with the same fingerprint, reached in different ways, have the same futures: as many
// actions, leading to worlds with the same fingerprints.
func TestPropertyEqualFingerprintsHaveEqualFutures(t *testing.T) {
	for _, name := range []string{"E-01b", "W-1", "browser-lost", "dispose-while-held", "R-6",
		"promised-bypass", "S-4", "stall-orphan", "retries", "silent-close"} {
		scenario := *sim.ScenarioNamed(name)
		scenario.Faults = 1
		start, err := scenario.World()
		if err != nil {
			t.Fatal(err)
		}
		canon := sim.NewCanon(true)
		scratch := start.Clone()
		futures := func(w *sim.World) []uint64 {
			var next []uint64
			for _, action := range w.Actions(nil) {
				scratch.CopyFrom(w)
				scratch.Do(&action)
				next = append(next, canon.Fingerprint(scratch))
			}
			slices.Sort(next)
			return next
		}
		seen := map[uint64][]uint64{canon.Fingerprint(start): futures(start)}
		queue, met := []*sim.World{start}, 0
		for len(queue) > 0 && len(seen) < 10_000 {
			w := queue[0]
			queue = queue[1:]
			for _, action := range w.Actions(nil) {
				child := w.Clone()
				child.Do(&action)
				fingerprint, next := canon.Fingerprint(child), futures(child)
				known, ok := seen[fingerprint]
				if !ok {
					seen[fingerprint] = next
					queue = append(queue, child)
					continue
				}
				met++
				if !slices.Equal(known, next) {
					t.Fatalf("%s: two worlds have the fingerprint %016x and %d and %d futures that differ",
						name, fingerprint, len(known), len(next))
				}
			}
		}
		if met == 0 {
			t.Errorf("%s: no world was met twice", name)
		}
	}
}

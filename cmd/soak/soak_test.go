package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/traffic"
)

// soaked runs the command in this process.
func soaked(t *testing.T, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	exit = run(t.Context(), args, &out, &errs)
	return exit, out.String(), errs.String()
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.trace")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fields are the JSON fields that programs read.
func fields(t *testing.T, stdout string) map[string]any {
	t.Helper()
	var object map[string]any
	decoder := json.NewDecoder(strings.NewReader(stdout))
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("%v: %.200s", err, stdout)
	}
	if decoder.More() {
		t.Fatalf("more than one object: %.200s", stdout)
	}
	return object
}

// The shapes of what -json prints: the same fields, and in them the same kinds. An array shows one
// of its elements, and "*" stands for any name.
const (
	violationShape = `{"property":"","says":"","what":"","seed":0,"step":0,"file":"","repeat":""}`
	runShape       = `{"command":"","profile":"","seed_first":0,"seed_last":0,"simulated_seconds":0,"wall_seconds":0,
		"events":0,"grants":0,"capacity_max":0,"worst_recovery_seconds":0,"wait_p50_ms":0,"wait_p99_ms":0,
		"reached":{"*":0},"history_hash":"","unseen":{"samples":0,"kinds":0,"probability":0},"violations":[` + violationShape + `]}`
	replayShape = `{"command":"","file":"","steps":0,"simulated_seconds":0,"wall_seconds":0,"state_hash":"","history_hash":"",
		"expect_failed":[{"line":0,"want":"","got":""}],"violations":[` + violationShape + `]}`
	exploreShape = `{"command":"","scenarios":[{"scenario":"","states":0,"transitions":0,"depth":0,"wall_seconds":0,
		"memory_bytes":0,"complete":true,"states_sum":"","violations":[` + violationShape + `]}],"workers":0,
		"violations":[` + violationShape + `]}`
	demoShape = `{"command":"","replay":` + replayShape + `,"run":` + runShape + `,
		"promises":[{"name":"","held":true,"figure":0,"bound":0,"unit":""}],"violations":[` + violationShape + `]}`
	listShape = `{"command":"","scenarios":[""],"profiles":[""],"properties":[{"name":"","says":""}],"planted":[""]}`
)

// differs says where a value is not of a shape.
func differs(at string, value, shape any) []string {
	switch shape := shape.(type) {
	case map[string]any:
		object, ok := value.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %v, want an object", at, value)}
		}
		var all []string
		for name, v := range object {
			want, known := shape[name]
			if !known {
				want, known = shape["*"]
			}
			if !known {
				all = append(all, fmt.Sprintf("%s.%s is one field too many", at, name))
				continue
			}
			all = append(all, differs(at+"."+name, v, want)...)
		}
		for name := range shape {
			if _, ok := object[name]; !ok && name != "*" {
				all = append(all, fmt.Sprintf("%s.%s is missing", at, name))
			}
		}
		return all
	case []any:
		array, ok := value.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %v, want an array", at, value)}
		}
		var all []string
		for i, v := range array {
			all = append(all, differs(fmt.Sprintf("%s[%d]", at, i), v, shape[0])...)
		}
		return all
	}
	if reflect.TypeOf(value) != reflect.TypeOf(shape) {
		return []string{fmt.Sprintf("%s is %v, want a %T", at, value, shape)}
	}
	return nil
}

func TestJSONIsOneObjectWithTheFieldsThatProgramsRead(t *testing.T) {
	incident := filepath.Join("..", "..", "testdata", "incidents", "glimmer-loop.trace")
	wrong := file(t, "pagepool-trace 1\n@0s browser ready b1\nexpect tabs 9\n")
	for _, c := range []struct {
		args  []string
		exit  int
		shape string
	}{
		{[]string{"-json"}, exitHeld, demoShape},
		{[]string{"run", "-json", "-hours", "0.1"}, exitHeld, runShape},
		{[]string{"run", "burst", "-seed=3-4", "-hours=0.05", "--json"}, exitHeld, runShape},
		{[]string{"run", "hostile", "-seed=1-100", "-hours=0.0001", "-json"}, exitBroke, runShape},
		{[]string{"replay", incident, "-json"}, exitHeld, replayShape},
		{[]string{"replay", wrong, "-json"}, exitBroke, replayShape},
		{[]string{"explore", "P-1", "-json", "-max-states", "1000"}, exitHeld, exploreShape},
		{[]string{"list", "-json"}, exitHeld, listShape},
	} {
		exit, stdout, stderr := soaked(t, c.args...)
		if exit != c.exit {
			t.Errorf("soak %q: exit %d\n%s%s", c.args, exit, stdout, stderr)
			continue
		}
		for _, d := range differs("", fields(t, stdout), fields(t, c.shape)) {
			t.Errorf("soak %q: %s", c.args, d)
		}
	}
}

func TestTheIncidentWithoutARenderLimitNeverRecovers(t *testing.T) {
	incident := filepath.Join("..", "..", "testdata", "incidents", "glimmer-loop.trace")
	exit, stdout, _ := soaked(t, "replay", incident, "-set", "MaxLease=-1")
	if exit != exitBroke || !strings.Contains(stdout, "expected lease-expired r4") ||
		!strings.Contains(stdout, "full capacity was NOT back at the end") {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
}

func TestAFailedExpectationIsExit1WithItsLine(t *testing.T) {
	path := file(t, "pagepool-trace 1\n@0s browser ready b1\nexpect tabs 9\n")
	exit, stdout, _ := soaked(t, "replay", path, "-json")
	failed, _ := fields(t, stdout)["expect_failed"].([]any)
	if exit != exitBroke || len(failed) != 1 {
		t.Fatalf("exit %d\n%s", exit, stdout)
	}
	f := failed[0].(map[string]any)
	if f["line"] != 3.0 || f["want"] != "tabs 9" || f["got"] != "4 (t1, t2, t3, t4)" {
		t.Errorf("got %v", f)
	}
}

// interrupted runs the command after its Ctrl-C.
func interrupted(t *testing.T, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	exit = run(ctx, args, &out, &errs)
	return exit, out.String(), errs.String()
}

func TestInterruptedRunsStillReport(t *testing.T) {
	exit, stdout, _ := interrupted(t, "run", "-json")
	if exit != exitInterrupted {
		t.Errorf("exit %d", exit)
	}
	if fields(t, stdout)["command"] != "run" {
		t.Errorf("got %s", stdout)
	}
}

// tired is a context that ends after it has been asked so often.
type tired struct {
	context.Context
	left atomic.Int64
}

func (c *tired) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// cutShort runs the command and interrupts it at the n-th look.
func cutShort(t *testing.T, n int64, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	ctx := &tired{Context: t.Context()}
	ctx.left.Store(n)
	var out, errs bytes.Buffer
	exit = run(ctx, args, &out, &errs)
	return exit, out.String(), errs.String()
}

func TestAnInterruptedRunSaysHowFarItCame(t *testing.T) {
	exit, stdout, _ := cutShort(t, 40, "run", "hostile", "-seed", "1-100000", "-hours", "0.1")
	if exit != exitInterrupted || strings.Contains(stdout, "held") ||
		!regexp.MustCompile(`interrupted after \d+ of 100000 seeds, \S+ of 1e\+04 hours of virtual time`).MatchString(stdout) {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
	exit, stdout, _ = cutShort(t, 40, "run", "hostile", "-seed", "1-100000", "-hours", "0.1", "-json")
	if last, _ := fields(t, stdout)["seed_last"].(float64); exit != exitInterrupted || last < 1 ||
		last > 100 {
		t.Errorf("exit %d, seed_last %v", exit, last)
	}
}

func TestAnInterruptedDemonstrationJudgesNothing(t *testing.T) {
	for _, looks := range []int64{0, 30} {
		exit, stdout, stderr := cutShort(t, looks, "-json")
		object := fields(t, stdout)
		promises, _ := object["promises"].([]any)
		if exit != exitInterrupted || len(promises) != 0 || object["interrupted"] != true {
			t.Errorf("after %d looks: exit %d\n%s%s", looks, exit, stdout, stderr)
		}
		if _, stdout, _ = cutShort(t, looks); strings.Contains(stdout, "  held") {
			t.Errorf("after %d looks:\n%s", looks, stdout)
		}
	}
}

func TestAFailureIsSavedAfterCtrlCToo(t *testing.T) {
	t.Chdir(t.TempDir())
	profile := *traffic.ProfileNamed("staging")
	profile.Conditions.Launch = sim.Latency{Shortest: 1e6 * sim.Seconds} // no browser ever starts
	o := runOptions{profile: &profile, hours: hours{time.Minute}, shard: shard{1, 1}}
	var stderr bytes.Buffer
	s := &soak{ctx: t.Context(), stderr: &stderr, sets: assignments{"MaxWaiting=7"}}
	base := core.Settings{MaxWaiting: 7}
	r, err := traffic.Run(s.simOptions(o, base, 3))
	if err != nil || r.Violation == nil {
		t.Fatalf("got %+v, %v", r.Settings, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.ctx = ctx
	v := s.violationOf(o, r)
	s.save(o, base, r, &v)
	data, err := os.ReadFile(v.File)
	if err != nil {
		t.Fatalf("%v; %s", err, stderr.String())
	}
	want := "soak run staging -seed 3 -hours 0.016666666666666666 -set MaxWaiting=7:"
	if !bytes.Contains(data, []byte(want)) {
		t.Errorf("the trace does not say how it came about:\n%.400s", data)
	}
}

func TestASettingThatIsGivenPrevailsOverWhatSeedsDraw(t *testing.T) {
	for _, c := range [][]string{
		{"hostile", "MaxPages=2"}, {"hostile", "OpenGrace=10s"}, {"hostile", "OpenBackoff=5s"},
		{"staging", "OpenTimeout=2s"}, {"staging", "CloseGrace=2s"}, {"staging", "OpenGrace=10s"},
		{"staging", "OpenBackoff=5s"}, {"burst", "AffinityTabs=6"}, {"burst", "MinPages=6"},
		{"hostile", "MaxLease=200ms"}, {"burst", "MaxPages=20"},
	} {
		exit, stdout, stderr := soaked(t, "run", c[0], "-seed", "1-20", "-hours", "0.01", "-set", c[1])
		if exit != exitHeld {
			t.Errorf("%s with %s: exit %d\n%s%s", c[0], c[1], exit, stdout, stderr)
		}
	}
}

func TestAnySettingThatTheRulesAllowIsKeptOrRefused(t *testing.T) {
	for _, set := range []string{"MaxLease=2562047h", "OpenBackoffMax=2000000h",
		"OpenRetries=2147483647", "MaxUses=-1"} {
		for _, profile := range []string{"staging", "hostile"} {
			exit, stdout, stderr := soaked(t, "run", profile, "-seed", "1-3", "-hours", "0.5", "-set", set)
			if exit != exitHeld {
				t.Errorf("%s with %s: exit %d\n%s%s", profile, set, exit, stdout, stderr)
			}
		}
	}
}

func TestACampaignWithSettingsOfItsOwnNeedNotReachEverything(t *testing.T) {
	exit, stdout, _ := soaked(t, "run", "hostile", "-seed", "1-100", "-hours", "0.0001", "-set",
		"MaxUses=-1")
	if exit != exitHeld {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
	exit, stdout, _ = soaked(t, "run", "hostile", "-seed", "1-100", "-hours", "0.0001")
	if exit != exitBroke || !strings.Contains(stdout, "never reached") {
		t.Errorf("a campaign that is too short to reach everything: exit %d\n%s", exit, stdout)
	}
}

func TestASearchKeepsWithinItsMemory(t *testing.T) {
	exit, stdout, stderr := soaked(t, "explore", "E-01a", "-set", "MaxPages=100", "-max-memory",
		"40MiB")
	if exit != exitHeld || !strings.Contains(stdout, "NOT to the end (-max-memory 40MiB)") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}

func TestAScenarioNamedTwiceIsExploredOnce(t *testing.T) {
	_, stdout, _ := soaked(t, "explore", "P-1", "P-1", "-max-states", "100")
	if strings.Count(stdout, "P-1") != 1 ||
		!strings.Contains(stdout, "NOT to the end (-max-states 100)") {
		t.Errorf("got %s", stdout)
	}
}

func TestARangeOfSeedsTakesNoMemory(t *testing.T) {
	exit, stdout, _ := cutShort(t, 10, "run", "-seed", "0-4294967295", "-hours", "0.01")
	if exit != exitInterrupted || !strings.Contains(stdout, "of 4294967296 seeds") {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
}

func TestShardsDivideARange(t *testing.T) {
	for _, r := range []seedRange{{0, 0}, {4, 4}, {1, 20}, {math.MaxUint64 - 9, math.MaxUint64}} {
		for parts := uint64(1); parts < 5; parts++ {
			seen := map[uint64]bool{}
			for part := range parts {
				sh := shard{part + 1, parts}
				first, n := sh.of(r)
				for i := range n {
					seen[first+i*parts] = true
				}
			}
			if uint64(len(seen)) != r.last-r.first+1 || !seen[r.first] || !seen[r.last] {
				t.Errorf("%v in %d parts: %v", &r, parts, seen)
			}
		}
	}
}

func TestTheDemonstrationListsEachPromiseOnce(t *testing.T) {
	_, stdout, _ := soaked(t, "-json")
	seen := map[any]bool{}
	for _, p := range fields(t, stdout)["promises"].([]any) {
		name := p.(map[string]any)["name"]
		if seen[name] {
			t.Errorf("%v is listed twice", name)
		}
		seen[name] = true
	}
}

func TestThePromiseToAnswerCountsRequests(t *testing.T) {
	profile := *traffic.ProfileNamed("staging")
	profile.Conditions.Open = sim.Latency{Shortest: 1e6 * sim.Seconds} // no tab ever opens
	s := &soak{ctx: t.Context(), stderr: io.Discard, sets: assignments{"OpenRetries=1000"}}
	t.Chdir(t.TempDir()) // for its trace
	run, err := s.run(runOptions{profile: &profile, seeds: seedRange{1, 5}, hours: hours{time.Minute},
		shard: shard{1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range promises(&replayReport{found: new(replay.Report)}, run) {
		if p.Name == "answered" && (p.Held || p.Figure <= float64(len(run.Violations))) {
			t.Errorf("of a pool that opens nothing: %+v; broken: %v", p, run.Violations)
		}
	}
}

func TestAnOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, args := range [][]string{{"list"}, {"list", "-json"}, {"-help"}} {
		var stderr bytes.Buffer
		if exit := run(t.Context(), args, full{}, &stderr); exit != exitUsage ||
			!strings.Contains(stderr.String(), "no space") {
			t.Errorf("soak %q: exit %d, %s", args, exit, stderr.String())
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAReplayWithoutEndIsInterrupted(t *testing.T) {
	path := file(t, "pagepool-trace 1\nset MaxAge=1ns\nauto\n@0s browser ready b1\n@2000000h get r1 "+
		"a\n")
	exit, stdout, _ := interrupted(t, "replay", path)
	if exit != exitInterrupted || strings.Contains(stdout, "held") ||
		!strings.Contains(stdout, "interrupted before the end") {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
	if _, stdout, _ = interrupted(t, "replay", path, "-json"); fields(t, stdout)["interrupted"] !=
		true {
		t.Errorf("got %s", stdout)
	}
}

func TestWorkThatWasDoneIsNotCalledInterrupted(t *testing.T) {
	incident := filepath.Join("..", "..", "testdata", "incidents", "glimmer-loop.trace")
	for _, args := range [][]string{{"replay", incident}, {"list"}} {
		if exit, stdout, _ := interrupted(t, args...); exit != exitHeld {
			t.Errorf("soak %q: exit %d\n%s", args, exit, stdout)
		}
	}
}

func TestSetAppliesToEverySeed(t *testing.T) {
	_, stdout, _ := soaked(t, "run", "-hours", "0.05", "-set", "MaxPages=2", "-json")
	if most := fields(t, stdout)["capacity_max"]; most != 3.0 {
		t.Errorf("at most %v tabs alive with MaxPages=2, want 3", most)
	}
}

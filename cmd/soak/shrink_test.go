package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim"
)

const shrinkShape = `{"command":"","file":"","saved":"","steps_before":0,"steps":0,"violations":[` +
	violationShape + `]}`

var glimmer = filepath.Join("..", "..", "testdata", "incidents", "glimmer-loop.trace")

// The incident without a render limit fails an expect line. What is left of it fails the same line,
// and holds with the limit.
func TestShrinkOfAFailedExpectationIsSmallAndFailsTheSameLine(t *testing.T) {
	out := filepath.Join(t.TempDir(), "small.trace")
	exit, stdout, stderr := soaked(t, "shrink", glimmer, "-set", "MaxLease=-1", "-out", out, "-json")
	if exit != exitBroke {
		t.Fatalf("exit %d\n%s%s", exit, stdout, stderr)
	}
	report := fields(t, stdout)
	for _, d := range differs("", report, fields(t, shrinkShape)) {
		t.Error(d)
	}
	if report["saved"] != out || report["steps_before"] != 118.0 || report["steps"].(float64) > 10 {
		t.Errorf("got %v", report)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if exit, stdout, _ := soaked(t, "replay", out); exit != exitBroke ||
		!strings.Contains(stdout, "expected lease-expired r1") ||
		!strings.Contains(stdout, "shrink: soak shrink "+quote(out)) {
		t.Errorf("it does not fail the same line: exit %d\n%s\n%s", exit, stdout, text)
	}
	if exit, stdout, stderr := soaked(t, "replay", out, "-set", "MaxLease=90s"); exit != exitHeld {
		t.Errorf("it does not hold with the render limit: exit %d\n%s%s\n%s", exit, stdout, stderr, text)
	}
	if exit, again, _ := soaked(t, "shrink", glimmer, "-set", "MaxLease=-1", "-o", out,
		"-json"); exit != exitBroke || again != stdout {
		t.Errorf("the same command, other bytes:\n%s%s", stdout, again)
	}
}

func TestShrinkSavesBesideItsFileAndNeverOverIt(t *testing.T) {
	path := file(t, "pagepool-trace 1\n@0s browser ready b1\n+1s opened t1\nexpect tabs 9\n")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	exit, stdout, stderr := soaked(t, "shrink", path)
	small := strings.TrimSuffix(path, ".trace") + ".min.trace"
	if _, err := os.Stat(small); exit != exitBroke || err != nil ||
		!strings.Contains(stdout, "saved "+filepath.ToSlash(small)) {
		t.Errorf("exit %d, %v\n%s%s", exit, err, stdout, stderr)
	}
	if exit, _, stderr := soaked(t, "shrink", path, "-out", path); exit != exitUsage ||
		!strings.Contains(stderr, "want another file than the one that is shrunk") {
		t.Errorf("exit %d\n%s", exit, stderr)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file is another one: %v\n%s", err, after)
	}
}

// A trace that was shrunk with -set fails by its settings, so go test may not find it among the
// regressions.
func TestShrinkWithSettingsNeverSavesAmongTheRegressions(t *testing.T) {
	text, err := os.ReadFile(glimmer)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(regressions, 0o755); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(regressions, "inside.trace")
	for _, file := range []string{"beside/x.trace", inside} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, saved := range map[string]string{"beside/x.trace": "beside/x.min.trace",
		inside: "inside.min.trace"} {
		exit, stdout, stderr := soaked(t, "shrink", file, "-set", "MaxLease=-1", "-json")
		if exit != exitBroke || fields(t, stdout)["saved"] != saved {
			t.Errorf("%s: exit %d, want it in %s\n%s%s", file, exit, saved, stdout, stderr)
		}
	}
	out := filepath.Join(regressions, "y.trace")
	exit, _, stderr := soaked(t, "shrink", "beside/x.trace", "-set", "MaxLease=-1", "-out", out)
	if _, err := os.Stat(out); exit != exitUsage || err == nil ||
		!strings.Contains(stderr, "want another folder") {
		t.Errorf("exit %d, %v, %s", exit, err, stderr)
	}
	broken := "broken.trace"
	if err := os.WriteFile(broken, []byte("pagepool-trace 1\n@0s browser ready b1\nexpect tabs 9\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	if _, stdout, _ := soaked(t, "shrink", broken, "-json"); fields(t, stdout)["saved"] !=
		filepath.Join(regressions, "broken.min.trace") {
		t.Errorf("without -set it is a regression: %s", stdout)
	}
}

func TestShrinkThatIsInterruptedSavesTheSmallestSoFar(t *testing.T) {
	out := filepath.Join(t.TempDir(), "small.trace")
	exit, stdout, stderr := interrupted(t, "shrink", glimmer, "-set", "MaxLease=-1", "-out", out,
		"-json")
	if exit != exitBroke || fields(t, stdout)["interrupted"] != true {
		t.Fatalf("exit %d\n%s%s", exit, stdout, stderr)
	}
	if exit, stdout, _ := soaked(t, "replay", out); exit != exitBroke ||
		!strings.Contains(stdout, "expected lease-expired r") {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
}

func TestShrinkOfWhatCannotBeShrunkIsOneClearLineAndExit2(t *testing.T) {
	holding := file(t, "pagepool-trace 1\n@0s browser ready b1\nexpect tabs 4\n")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"shrink"}, "want one trace that fails, got 0 arguments"},
		{[]string{"shrink", "/nowhere/x.trace"}, "no such file or directory; want a trace that fails"},
		{[]string{"shrink", holding}, "nothing fails in " + holding + ": nothing to shrink"},
		{[]string{"shrink", glimmer}, "nothing to shrink"},
		{[]string{"shrink", file(t, "pagepool-trace 1\n@0s browser rea")}, ":2: the file is cut off"},
		{[]string{"shrink", file(t, "pagepool-trace 1\n@0s fly t1\n")}, `:2: unknown verb "fly"`},
		{[]string{"shrink", holding, "-set", "MaxPages=0x"}, `--set MaxPages=0x`},
		{[]string{"shrink", holding, "-set", "MaxPages=-3"}, "MaxPages=-3: the rule is 1 to 1,000"},
		{[]string{"shrink", glimmer, "-set", "MaxLease=-1", "-out", "/nowhere/x.trace"},
			"/nowhere/x.trace: no such file"},
	} {
		exit, stdout, stderr := soaked(t, c.args...)
		if exit != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) ||
			strings.Count(stderr, "\n") != 1 {
			t.Errorf("soak %.80q: exit %d, standard output %q\nstandard error %.300s\nwant exit 2 and %q",
				c.args, exit, stdout, stderr, c.says)
		}
	}
}

// The step of a violation is that of the file that is named beside it.
func TestTheStepOfAViolationIsThatOfItsFile(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = "pagepool-trace 1\n@0s browser ready b1\n+1s opened t1\n+1s opened t2\n" +
		"expect tabs 9\n"
	v := violation{Property: "expect", Seed: 7, Step: 812, File: "x.trace"}
	var stderr bytes.Buffer
	s := &soak{ctx: t.Context(), stderr: &stderr}
	if err := s.shrinkSaved(&v, []byte(text)); err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := soaked(t, "replay", v.File, "-json")
	if replayed := fields(t, stdout)["steps"]; v.File != "x.min.trace" || v.Seed != 7 ||
		v.Repeat != "soak replay x.min.trace" || replayed != float64(v.Step) ||
		!strings.Contains(stderr.String(), "shrunk from 4 steps to ") {
		t.Errorf("%+v; its replay has %v steps\n%s", v, replayed, &stderr)
	}
}

// What a search finds is saved as a trace: here a schedule by hand, since nothing breaks.
func TestAScheduleThatBreaksNothingIsNotSaved(t *testing.T) {
	t.Chdir(t.TempDir())
	c := sim.ScenarioNamed("P-1")
	x := &sim.Exploration{Violation: &sim.Violation{Property: "capacity"},
		Trace: []string{"launch b1 works"}}
	how, err := new(soak).searchOf(&exploreOptions{}, c)
	if err != nil {
		t.Fatal(err)
	}
	if file, _, err := saveExplored(how, c, x, "soak explore P-1"); err == nil {
		t.Errorf("saved %s, which breaks nothing", file)
	}
	if found, err := filepath.Glob("*"); err != nil || len(found) > 0 {
		t.Errorf("files: %v %v", found, err)
	}
}

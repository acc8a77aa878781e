package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

func TestBadUsageAndInputIsOneClearLineAndExit2(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-colour"}, "unknown flag: --colour"},
		{[]string{"fly"}, `unknown command "fly"; the commands are run, replay, explore and list`},
		{[]string{"run", "stagin"}, `unknown profile "stagin"; the profiles are staging, burst, nested, hostile`},
		{[]string{"run", "staging", "burst"}, "want one profile, got 2"},
		{[]string{"run", "-seed", "9-1"}, "the range ends before it begins"},
		{[]string{"run", "-seed", "x"}, "want a seed such as 7"},
		{[]string{"run", "-hours", "-1"}, "want a number of hours above 0"},
		{[]string{"run", "-hours", "NaN"}, "want a number of hours above 0"},
		{[]string{"run", "-shard", "3/2"}, "want i/n with 1 <= i <= n"},
		{[]string{"run", "-set", "Colour=4"}, `unknown setting "Colour"; the settings are AffinityTabs`},
		{[]string{"run", "-set", "MaxPages"}, "want Name=value"},
		{[]string{"run", "-set", "MaxPages=many"}, `setting MaxPages="many": want a whole number`},
		{[]string{"run", "-set", "MaxPages=-3"}, "MaxPages=-3: the rule is 1 to 1,000"},
		{[]string{"explore"}, "want a scenario or -all"},
		{[]string{"explore", "E-99"}, `unknown scenario "E-99"; the scenarios are`},
		{[]string{"explore", "-all", "-max-states", "-1"}, "-max-states -1: want 0 or more"},
		{[]string{"explore", "-all", "-workers", "0"}, "-workers 0: want 1 or more"},
		{[]string{"replay"}, "want one trace file, got 0"},
		{[]string{"replay", "/nowhere/x.trace"}, "no such file"},
		{[]string{"replay", file(t, "")}, "the file is empty"},
		{[]string{"replay", file(t, "\x00\x01ELF")}, "the file is not text"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@0s browser rea")}, ":2: the file is cut off"},
		{[]string{"replay", file(t, "pagepool-trace 2\n")}, `:1: the trace is of version "2", and this program reads version 1`},
		{[]string{"replay", file(t, "pagepool-trace 1\nset MaxPages=-3\n")}, "x.trace:2: MaxPages=-3: the rule is 1 to 1,000"},
		{[]string{"replay", file(t, "pagepool-trace 1\nset Colour=4\n")}, `:2: unknown setting "Colour"`},
		{[]string{"replay", file(t, "pagepool-trace 1\n@1s get r1 \"\"\n")}, ":2: get: want an affinity key"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@1s get r1 "+strings.Repeat("k", 1<<20)+"\n")}, ":2: get: want an affinity key"},
	} {
		exit, stdout, stderr := soaked(t, c.args...)
		if exit != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) || len(stderr) > 4096 {
			t.Errorf("soak %.80q: exit %d, standard output %q\nstandard error %.300s\nwant exit 2 and %q",
				c.args, exit, stdout, stderr, c.says)
		}
	}
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

func TestJSONIsOneObjectWithTheFieldsThatProgramsRead(t *testing.T) {
	incident := filepath.Join("..", "..", "testdata", "incidents", "glimmer-loop.trace")
	run := []string{"command", "profile", "seed_first", "seed_last", "simulated_seconds", "wall_seconds", "events",
		"grants", "capacity_max", "worst_recovery_seconds", "wait_p50_ms", "wait_p99_ms", "reached", "history_hash", "violations"}
	for _, c := range []struct {
		args   []string
		fields []string
	}{
		{[]string{"-json"}, []string{"command", "replay", "run", "promises", "violations"}},
		{[]string{"run", "-json", "-hours", "0.1"}, run},
		{[]string{"run", "burst", "-seed=3-4", "-hours=0.05", "--json"}, run},
		{[]string{"replay", incident, "-json"}, []string{"command", "file", "steps", "simulated_seconds",
			"wall_seconds", "state_hash", "history_hash", "expect_failed", "violations"}},
		{[]string{"explore", "P-1", "-json", "-max-states", "1000"}, []string{"command", "scenarios", "workers", "violations"}},
		{[]string{"list", "-json"}, []string{"command", "scenarios", "profiles", "properties", "planted"}},
	} {
		exit, stdout, stderr := soaked(t, c.args...)
		if exit != exitHeld {
			t.Errorf("soak %q: exit %d\n%s%s", c.args, exit, stdout, stderr)
			continue
		}
		object := fields(t, stdout)
		for _, name := range c.fields {
			if _, ok := object[name]; !ok {
				t.Errorf("soak %q: no field %s", c.args, name)
			}
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
	if f["line"] != 3.0 || f["want"] != "tabs 9" || f["got"] != "4" {
		t.Errorf("got %v", f)
	}
}

func TestInterruptedRunsStillReport(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	exit := run(ctx, []string{"run", "-json"}, &stdout, &stderr)
	if exit != exitInterrupted {
		t.Errorf("exit %d", exit)
	}
	if fields(t, stdout.String())["command"] != "run" {
		t.Errorf("got %s", stdout.String())
	}
}

func TestSetAppliesToEverySeed(t *testing.T) {
	_, stdout, _ := soaked(t, "run", "-hours", "0.05", "-set", "MaxPages=2", "-json")
	if most := fields(t, stdout)["capacity_max"]; most != 3.0 {
		t.Errorf("at most %v tabs alive with MaxPages=2, want 3", most)
	}
}

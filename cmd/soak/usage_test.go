package main

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestBadUsageAndInputIsOneClearLineAndExit2(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-colour"}, "unknown flag: --colour"},
		{
			[]string{
				"fly"}, `unknown command "fly"; the commands are chrome, completion, explore, import, list, merge, replay, run, shrink`},
		{
			[]string{
				"run", "stagin"}, `unknown profile "stagin"; the profiles are staging, burst, nested, hostile`},
		{[]string{"run", "staging", "burst"}, "want one profile, got 2"},
		{[]string{"run", "-seed", "9-1"}, "the range ends before it begins"},
		{[]string{"run", "-seed", "x"}, "want a seed such as 7"},
		{[]string{"run", "-hours", "-1"}, "want a number of hours above 0"},
		{[]string{"run", "-hours", "NaN"}, "want a number of hours above 0"},
		{[]string{"run", "-shard", "3/2"}, "want i/n with 1 <= i <= n"},
		{[]string{"run", "-set", "Colour=4"}, `unknown setting "Colour"; the settings are AffinityDoubt`},
		{[]string{"run", "-set", "BurstPages=4"},
			`-set BurstPages=4: setting BurstPages is called MaxPages now`},
		{[]string{"run", "-set", "Retire.MaxUses=4"},
			`-set Retire.MaxUses=4: unknown setting "Retire.MaxUses"; write MaxUses, without its group`},
		{[]string{"run", "-set", "MaxPages"}, "want Name=value"},
		{[]string{"run", "-set", "MaxPages=many"}, `setting MaxPages="many": want a whole number`},
		{[]string{"run", "-set", "MaxPages=-3"}, "MaxPages=-3: the rule is 1 to 1,000"},
		{[]string{"run", "-seed", "4", "-shard", "2/2"}, "no seed of 4 belongs to shard 2/2"},
		{[]string{"run", "-set", "LaunchTimeout=100ms"}, "LaunchTimeout=100ms: the rule is more than " +
			"900ms, which a slow launch takes in the profile staging"},
		{[]string{"run", "hostile", "-set", "OpenTimeout=1ms", "-set", "OpenGrace=1ms"},
			"OpenTimeout=1ms: the rule is more than 400ms"},
		{[]string{"run", "-set", "MaxAge=1ns"}, "MaxAge=1ns: the rule is more than 2.2s"},
		{[]string{"run", "-set", "KillTimeout=2562047h"},
			"the rule is at most 24h0m0s, since a run waits that long"},
		{[]string{"explore"}, "want a scenario or --all"},
		{[]string{"explore", "E-99"}, `unknown scenario "E-99"; the scenarios are`},
		{[]string{"explore", "-all", "-max-states", "-1"}, "want a whole number from 0 to 2147483647"},
		{[]string{"explore", "-all", "-max-states", "99999999999999999999"},
			`"--max-states" flag: want a whole number from 0`},
		{[]string{"explore", "-all", "-max-memory", "1KiB"},
			`"1KiB" for "--max-memory" flag: want a whole number of MiB or GiB from 1MiB on`},
		{[]string{"explore", "P-1", "-faults", "999"},
			`"999" for "--faults" flag: want a whole number from 0 to 100`},
		{[]string{"explore", "-from", "x.trace", "-deviations", "101"},
			`"101" for "--deviations" flag: want a whole number from 0 to 100`},
		{[]string{"-json=maybe"}, `"--json" flag: want true or false`},
		{[]string{"list", "x"}, `list takes no arguments, got "x"`},
		{[]string{"help", "nosuch"}, `unknown command "nosuch"; the commands are`},
		{[]string{"help", "run", "nosuch"}, `unknown command "nosuch"; the commands are`},
		{[]string{"completion"}, `completion "": want one of the shells bash, fish, powershell, zsh`},
		{[]string{"completion", "foo"}, `completion "foo": want one of the shells bash, fish`},
		{[]string{"completion", "bash", "zsh"}, `completion "bash zsh": want one of the shells bash`},
		{[]string{"-version", "x"}, `unknown command "x"`},
		{[]string{"chrome", "stagin"},
			`unknown profile "stagin"; the profiles are staging, burst, nested, hostile, incident, main, pipe, drawing, network, storage`},
		{[]string{"chrome", "staging", "burst"}, "want one profile, got 2"},
		{[]string{"chrome", "-for", "1ms"},
			`invalid argument "1ms" for "--for" flag: want a duration from 1s to 8784h, such as 30s`},
		{[]string{"chrome", "-for", "abc"},
			`invalid argument "abc" for "--for" flag: want a duration from 1s to 8784h, such as 30s`},
		{[]string{"chrome", "incident", "-seed", "3"},
			"--seed: want it with one of the profiles staging, burst, nested, hostile; incident draws"},
		{[]string{"chrome", "drawing", "-mishaps", "3"}, "drawing draws nothing"},
		{[]string{"chrome", "attacks", "-markdown", "-page", "burn", "x.json"},
			"--page: want it without --markdown"},
		{[]string{"chrome", "-seed", "1-2"}, "--seed 1-2: want one seed"},
		{[]string{"chrome", "-set", "MaxPages=-3"}, "MaxPages=-3: the rule is 1 to 1,000"},
		{[]string{"chrome", "-path", "/nowhere/chrome"}, "/nowhere/chrome"},
		{[]string{"chrome", "attacks", "-path", "/nowhere/chrome"}, "/nowhere/chrome"},
		{[]string{"chrome", "attacks", "-page", "draw-all"},
			"--page draw-all: no such page or family; see docs/attacks.md"},
		{[]string{"chrome", "attacks", "x.json"},
			"want --markdown and the files that --json printed, or neither"},
		{[]string{"chrome", "attacks", "-markdown"},
			"want --markdown and the files that --json printed, or neither"},
		{[]string{"chrome", "attacks", "-markdown", file(t, "{}")},
			"is not what soak chrome attacks -json prints"},
		{[]string{"replay", "."}, "is a directory; want a trace file, such as testdata/incidents/"},
		{[]string{"replay", "/nowhere/x.trace"}, "no such file or directory; want a trace file, such as"},
		{[]string{"explore", "-all", "-workers", "0"},
			`"0" for "--workers" flag: want a whole number from 1 to 2147483647`},
		{[]string{"explore", "-all", "-workers", "-1"},
			`"-1" for "--workers" flag: want a whole number from 1 to 2147483647`},
		{[]string{"explore", "-all", "-like-keys", "-symmetry=false"},
			"--like-keys: want --symmetry with it, and not --from"},
		{[]string{"replay"}, "want one trace or dump, got 0 arguments"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@0s release\n")},
			":2: release: want a request such as r1\n"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@0s fly\n")}, "flood, cut-off, die, work\n"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@9999999h look\n")},
			`:2: want a duration such as @250ms, got "@9999999h"; the longest is 2562047h`},
		{[]string{"replay", "/nowhere/x.trace"}, "no such file"},
		{[]string{"replay", file(t, "")}, "the file is empty"},
		{[]string{"replay", file(t, "\x00\x01ELF")}, "the file is not text"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@0s browser rea")}, ":2: the file is cut off"},
		{[]string{"replay", file(t, "pagepool-trace 2\n")},
			`:1: the trace is of version "2", and this program reads version 1`},
		{[]string{"replay", file(t, "pagepool-trace 01\n")}, `:1: the trace is of version "01"`},
		{[]string{"replay", file(t, "pagepool-trace 1\n# a\n# \x00\n")}, ":3: the file is not text"},
		{[]string{"replay", file(t, "pagepool-trace 1\n# \xff\n# b\n")}, ":2: the file is not text"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@1s get r1 a priority=99999999999\n")},
			`:2: get: "priority=99999999999" comes twice, or its value is of another kind or out of range; want such as priority=1`},
		{[]string{"replay", file(t, "pagepool-trace 1\nset MaxPages=-3\n")},
			"x.trace:2: MaxPages=-3: the rule is 1 to 1,000"},
		{[]string{"replay", file(t, "pagepool-trace 1\nset Colour=4\n")}, `:2: unknown setting "Colour"`},
		{[]string{"replay", file(t, "pagepool-trace 1\nset InitialPages=1\n")},
			`:2: setting InitialPages is called MinPages now`},
		{[]string{"replay", file(t, "pagepool-trace 1\nset Timeouts.OpenGrace=1s\n")},
			`:2: unknown setting "Timeouts.OpenGrace"; write OpenGrace, without its group`},
		{[]string{"replay", file(t, "pagepool-trace 1\n@1s get r1 \"\"\n")},
			":2: get: want an affinity key"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@1s get r1 "+strings.Repeat("k", 1<<20)+"\n")},
			":2: get: want an affinity key"},
	} {
		exit, stdout, stderr := soaked(t, c.args...)
		if exit != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) || len(stderr) > 4096 {
			t.Errorf("soak %.80q: exit %d, standard output %q\nstandard error %.300s\nwant exit 2 and %q",
				c.args, exit, stdout, stderr, c.says)
		}
	}
}

func TestHelpShowsEachFlagAndSaysThatOneDashIsEnough(t *testing.T) {
	for _, args := range [][]string{{"run", "-h"}, {"help", "explore"}, {"-help"},
		{"chrome", "--help"}} {
		exit, stdout, _ := soaked(t, args...)
		if exit != exitHeld || !strings.Contains(stdout, " --json ") {
			t.Errorf("soak %q: exit %d\n%s", args, exit, stdout)
		}
	}
	_, stdout, _ := soaked(t, "-h")
	for _, says := range []string{"130 when Ctrl-C", "one dash or with two", "completion ",
		"--version"} {
		if !strings.Contains(stdout, says) {
			t.Errorf("%q is missing:\n%s", says, stdout)
		}
	}
	if _, stdout, _ := soaked(t, "run", "-h"); !strings.Contains(stdout, "--set Name=value ") {
		t.Errorf("got %s", stdout)
	}
}

func TestFlagsWorkWithOneDashAndWithTwo(t *testing.T) {
	var first map[string]any
	for _, args := range [][]string{
		{"run", "-seed", "3", "-hours", "0.02", "-json"},
		{"run", "--seed", "3", "--hours", "0.02", "--json"},
		{"run", "-seed=3", "-hours=0.02", "-json=true"}, {"--json", "run", "--seed=3", "--hours=0.02"},
	} {
		exit, stdout, stderr := soaked(t, args...)
		if exit != exitHeld {
			t.Fatalf("soak %q: exit %d\n%s", args, exit, stderr)
		}
		got := fields(t, stdout)
		delete(got, "wall_seconds")
		if first == nil {
			first = got
		}
		if !reflect.DeepEqual(got, first) {
			t.Errorf("soak %q: got %v, want %v", args, got, first)
		}
	}
}

func TestTheVersionIsOneLine(t *testing.T) {
	exit, stdout, _ := soaked(t, "-version")
	if exit != exitHeld || !regexp.MustCompile(`^soak version .+, go1\.\S+\n$`).MatchString(stdout) {
		t.Errorf("exit %d, %q", exit, stdout)
	}
	exit, stdout, _ = soaked(t, "-version", "-json")
	if got := fields(t, stdout); exit != exitHeld || got["command"] != "version" ||
		got["version"] == "" || !strings.HasPrefix(got["go"].(string), "go1.") {
		t.Errorf("exit %d, %q", exit, stdout)
	}
}

func TestCompletionKnowsProfilesScenariosAndSettings(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"run", "ho"}, "hostile\n"}, {[]string{"chrome", "inc"}, "incident\n"},
		{[]string{"explore", "W-"}, "W-1\n"},
		{[]string{"run", "--set", "MaxLe"}, "MaxLease=\n"}, {[]string{"sh"}, "shrink"},
		{[]string{"run", "--sh"}, "--shard"},
	} {
		exit, stdout, _ := soaked(t, append([]string{"__complete"}, c.args...)...)
		if exit != exitHeld || !strings.Contains(stdout, c.says) {
			t.Errorf("soak %q: exit %d\n%s\nwant %q", c.args, exit, stdout, c.says)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if exit, stdout, _ := soaked(t, "completion", shell); exit != exitHeld ||
			!strings.Contains(stdout, "soak") {
			t.Errorf("%s: exit %d", shell, exit)
		}
	}
}

func TestABadCommandWithJSONIsOneObjectThatSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args          []string
		command, says string
	}{
		{[]string{"-json", "fly"}, "demo", "unknown command"},
		{[]string{"run", "-colour", "-json"}, "run", "unknown flag: --colour"},
		{[]string{"run", "--json", "stagin"}, "run", "unknown profile"},
		{[]string{"replay", "/nowhere/x.trace", "-json=true"}, "replay", "no such file"},
		{[]string{"replay", file(t, "pagepool-trace 1\n@0s fly\n"), "-json"}, "replay",
			":2: unknown verb"},
		{[]string{"explore", "-json", "-max-states", "-1"}, "explore", "want a whole number"},
		{[]string{"shrink", "-json", glimmer}, "shrink", "nothing to shrink"},
	} {
		exit, stdout, stderr := soaked(t, c.args...)
		got := fields(t, stdout)
		what, _ := got["error"].(string)
		if exit != exitUsage || len(got) != 2 || got["command"] != c.command ||
			!strings.Contains(what, c.says) || !strings.Contains(stderr, what) {
			t.Errorf("soak %q: exit %d\n%s%s", c.args, exit, stdout, stderr)
		}
	}
	if _, stdout, _ := soaked(t, "run", "-json", "-json=false", "stagin"); stdout != "" {
		t.Errorf("without -json: %s", stdout)
	}
}

// A command to be copied, and the name of a file, are as long as they are.
func TestProseHas80Columns(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		{}, {"-h"}, {"list"}, {"run", "-h"}, {"replay", "-h"}, {"explore", "-h"}, {"shrink", "-h"},
		{"chrome", "-h"}, {"list", "-h"},
		{"chrome", "attacks", "-h"}, {"trace", "-h"}, {"view", "-h"}, {"import", "-h"},
		{"merge", "-h"}, {"completion", "-h"},
		{"run", "hostile", "-seed", "2", "-hours", "0.02"},
		{"run", "hostile", "-seed", "1-100", "-hours", "0.0001"},
		{"explore", "P-1", "E-01a", "-max-states", "100"},
		{"replay", file(t, "pagepool-trace 1\n@0s browser ready b1\nexpect tabs 9\n")},
	} {
		_, stdout, stderr := soaked(t, args...)
		for line := range strings.Lines(stdout + stderr) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > columns &&
				!strings.Contains(line, "repeat: ") && !strings.Contains(line, "shrink: ") &&
				strings.Contains(line, " ") && !strings.Contains(line, t.Name()) {
				t.Errorf("soak %q: %d columns: %s", args, n, line)
			}
		}
	}
}

func TestAListHasASentenceForEachEntry(t *testing.T) {
	_, stdout, _ := soaked(t, "list")
	_, printed, _ := soaked(t, "list", "-json")
	report := fields(t, printed)
	for _, kind := range []string{"scenarios", "profiles", "planted"} {
		for _, name := range report[kind].([]any) {
			if !regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(name.(string)) +
				`(\n)? +\S.*\S`).MatchString(stdout) {
				t.Errorf("%s: no sentence for %s", kind, name)
			}
		}
	}
}

func TestFailingSeedsAreGroupedByTheirClaim(t *testing.T) {
	var all []violation
	for _, seed := range []uint64{1, 2, 3, 7, 9, 10} {
		all = append(all, violation{Property: "answered", Says: "Every request is answered.",
			What: "one is not", Seed: seed, Step: 5, Repeat: "soak run"})
	}
	all = append(all, violation{Property: "closes", Says: "Close ends.", What: "it has not", Seed: 8,
		Step: 6, Repeat: "soak replay x"})
	var b bytes.Buffer
	writeViolations(&b, all)
	const want = `BROKEN  answered: Every request is answered.
        6 times, of seeds 1-3, 7, 9-10; the first:
        one is not, at step 5
        repeat: soak run
BROKEN  closes: Close ends.
        it has not, at step 6
        repeat: soak replay x
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// README.md has each command and each profile.
func TestREADMEHasEachCommandAndProfile(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, usage, _ := strings.Cut(string(text), "\nsoak                     the demonstration\n")
	usage, _, _ = strings.Cut(usage, "```")
	root := (&soak{ctx: t.Context()}).command()
	want := chromeProfiles()
	for _, c := range root.Commands() {
		want = append(want, "soak "+c.Name())
		for _, under := range c.Commands() {
			want = append(want, "soak "+c.Name()+" "+under.Name())
		}
	}
	for _, name := range want {
		if name != "soak help" && !regexp.MustCompile(`\b`+name+`\b`).MatchString(usage) {
			t.Errorf("README.md does not have %s in\n%s", name, usage)
		}
	}
}

func TestNothingIsTalliedAsNone(t *testing.T) {
	for want, counts := range map[string]map[string]int{
		"none": {}, "expired 2, lost 1": {"lost": 1, "expired": 2},
	} {
		if got := tallied(counts); got != want {
			t.Errorf("%v: %q, want %q", counts, got, want)
		}
	}
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/traffic"
)

// numbers of prose that differ from run to run.
var numbers = regexp.MustCompile(` +\d+\.\d+( \+ +\d+\.\d+)?|  settings .*\n`)

var varies = regexp.MustCompile(`"(wall_seconds|memory_bytes|workers)":[^,}]*`)

// printed is the JSON of a command, without what differs from run to run.
func printed(t *testing.T, want int, args ...string) string {
	t.Helper()
	exit, stdout, stderr := soaked(t, append(args, "-json")...)
	if exit != want {
		t.Fatalf("soak %q: exit %d, want %d\n%s%s", args, exit, want, stdout, stderr)
	}
	return varies.ReplaceAllString(stdout, `"$1":0`)
}

// shards has a command run in n parts, and returns their files.
func shards(t *testing.T, n int, args ...string) (files []string) {
	t.Helper()
	folder := t.TempDir()
	for i := 1; i <= n; i++ {
		exit, stdout, stderr := soaked(
			t,
			append(args, "-json", "-shard", fmt.Sprintf("%d/%d", i, n))...)
		if exit == exitUsage && strings.Contains(stderr, "belongs to shard") {
			continue // fewer seeds or scenarios than shards
		}
		if exit != exitHeld {
			t.Fatalf("soak %q, shard %d: exit %d\n%s%s", args, i, exit, stdout, stderr)
		}
		file := filepath.Join(folder, fmt.Sprintf("shard-%02d.json", i))
		if err := os.WriteFile(file, []byte(stdout), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func merging(files ...string) []string { return append([]string{"merge"}, files...) }

func TestMergeOfShardsIsTheOneRunByteForByte(t *testing.T) {
	for _, c := range []struct {
		parts int
		exit  int
		args  []string
	}{
		{16, exitHeld, []string{"run", "hostile", "-seed", "7-70", "-hours", "0.05"}},
		{
			16, exitHeld, []string{"run", "staging", "-seed", "3-8", "-hours", "0.05", "-set",
				"MaxPages=3"}},
		// not everything is reached
		{3, exitBroke, []string{"run", "hostile", "-seed", "1-100", "-hours", "0.0001"}},
		{
			4, exitHeld, []string{"explore", "P-1", "A-1", "A-2", "R-6", "E-05", "W-1", "-max-states",
				"2000"}},
		{16, exitHeld, []string{"explore", "P-1", "A-1", "-max-states", "500", "-faults", "1"}},
	} {
		whole := printed(t, c.exit, c.args...)
		files := shards(t, c.parts, c.args...)
		if merged := printed(t, c.exit, merging(files...)...); merged != whole {
			t.Errorf("%q: merged\n%s\nin one\n%s", c.args, merged, whole)
		}
		slices.Reverse(files)
		if merged := printed(t, c.exit, merging(append(files, files[0], files[1])...)...); merged !=
			whole {
			t.Errorf(
				"%q: merged in another order, and two of them twice\n%s\nin one\n%s",
				c.args,
				merged,
				whole,
			)
		}
		out := filepath.Join(t.TempDir(), "whole.json")
		if merged := printed(t, c.exit, append(merging(files...), "-out", out)...); merged != whole {
			t.Errorf("%q: merged with -out\n%s", c.args, merged)
		}
		if again := printed(t, c.exit, merging(out, out)...); again != whole {
			t.Errorf("%q: what was merged, merged\n%s\nin one\n%s", c.args, again, whole)
		}
		_, alone, _ := soaked(t, c.args...)
		_, prose, _ := soaked(t, merging(files...)...)
		if prose, alone = numbers.ReplaceAllString(prose, "N"), numbers.ReplaceAllString(alone,
			"N"); prose != alone {
			t.Errorf("%q: merged, in prose\n%s\nin one\n%s", c.args, prose, alone)
		}
	}
}

// Violations of several shards are in the order of their seeds, and one trace of each property is
// named.
func TestMergeKeepsTheViolationsOfEveryShard(t *testing.T) {
	t.Chdir(t.TempDir())
	profile := *traffic.ProfileNamed("staging")
	profile.Conditions.Launch = sim.Latency{Shortest: 1e6 * sim.Seconds} // no browser ever starts
	ran := func(of shard) *runReport {
		var stderr bytes.Buffer
		s := &soak{ctx: t.Context(), stderr: &stderr}
		r, err := s.run(
			runOptions{
				profile: &profile,
				seeds:   seedRange{2, 9},
				hours:   hours{time.Minute},
				shard:   of,
			},
		)
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		return r
	}
	var whole, merged bytes.Buffer
	if err := encode(&whole, ran(shard{1, 1})); err != nil {
		t.Fatal(err)
	}
	var files []string
	for i := uint64(1); i <= 3; i++ {
		file := fmt.Sprintf("%d.json", i)
		if err := save(ran(shard{i, 3}), file); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	s := &soak{ctx: t.Context(), stdout: &merged, json: true}
	if err := s.merge(files, ""); err != nil || s.exit != exitBroke {
		t.Fatalf("exit %d, %v", s.exit, err)
	}
	a, b := varies.ReplaceAllString(
		whole.String(),
		"",
	), varies.ReplaceAllString(
		merged.String(),
		"",
	)
	if a != b || strings.Count(a, `"property"`) < 4 {
		t.Errorf("merged\n%s\nin one\n%s", b, a)
	}
}

func TestMergeRefusesWhatIsNotOneWhole(t *testing.T) {
	args := []string{"run", "staging", "-seed", "1-8", "-hours", "0.02"}
	files := shards(t, 4, args...)
	halves := shards(t, 2, args...)
	others := shards(t, 4, "run", "staging", "-seed", "1-9", "-hours", "0.02")
	explored := shards(t, 2, "explore", "P-1", "A-1", "-max-states", "100")
	folder := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	changed := func(name, file, from, to string) string {
		data, err := os.ReadFile(file)
		text := strings.Replace(string(data), from, to, 1)
		if err != nil || text == string(data) {
			t.Fatalf("%s: nothing to change, %v", file, err)
		}
		return write(name, text)
	}
	whole := write("whole.json", printed(t, exitHeld, args...))
	_, stdout, _ := interrupted(t, append(args, "-json", "-shard", "2/4")...)
	cut := write("interrupted.json", stdout)
	short, _ := os.ReadFile(files[1])
	for _, c := range []struct {
		files []string
		says  string
	}{
		{nil, "want the results of shards"},
		{[]string{"/nowhere/1.json"}, "/nowhere/1.json: open /nowhere/1.json: no such file"},
		{[]string{files[0], files[2]},
			"of `soak run staging -seed 1-8 -hours 0.02` there is no result of shard 2/4, 4/4"},
		{explored[:1], "of `soak explore P-1 A-1 -max-states 100` there is no result of shard 2/2"},
		{append(halves, files...), "is shard 1/2, and " + files[0] +
			" shard 1/4 of the same: they overlap"},
		{append([]string{whole}, files...),
			whole + " is no shard but a whole, and overlaps with " + files[0]},
		{append([]string{files[0], whole}, files[1:]...),
			whole + " is no shard but a whole, and overlaps with " + files[0]},
		{[]string{files[0], others[1]},
			"and " + others[1] + " of `soak run staging -seed 1-9 -hours 0.02`"},
		{[]string{files[0], explored[1]}, "is a shard of `soak run staging"},
		{[]string{write("empty.json", "")}, "empty.json: the file is damaged"},
		{[]string{files[0], write("short.json", string(short[:len(short)/2]))},
			"short.json: the file is damaged"},
		{[]string{write("two.json", string(short)+string(short))}, "two.json: the file is damaged"},
		{[]string{changed("events.json", files[1], `"events":`, `"events":1`)},
			"events.json: the file is damaged, or of another version: its sum is"},
		{[]string{changed("field.json", files[1], `"events":`, `"event":`)},
			`field.json: the file is damaged, or of another version: json: unknown field "event"`},
		{[]string{changed("reached.json", files[1], `"kill":`, `"skill":`)},
			`reached: no count of "kill"`},
		{[]string{changed("unsaved.json", files[1], `"violations":[]`, `"violations":[{}]`)},
			"unsaved.json: the file is damaged, or of another version: it has 1 violation, and 0 unsaved"},
		{[]string{changed("part.json", files[1], `"part":`, `"part":9`)},
			"part.json: the file is damaged: shard 9"},
		{[]string{write("demo.json", `{"command":"demo"}`)},
			`demo.json: command is "demo"; want a result of soak run or soak explore`},
		{[]string{write("refused.json", `{"command":"run","error":"unknown profile"}`)},
			`refused.json: it is no result: soak run said "unknown profile"`},
		{[]string{write("bare.json", `{"command":"run"}`)}, "bare.json: the file is damaged"},
		{[]string{files[0], cut, files[2], files[3]},
			"interrupted.json: shard 2/4 was interrupted; run it again"},
	} {
		out := write("out.json", "as it was")
		exit, stdout, stderr := soaked(t, append(merging(c.files...), "-json", "-out", out)...)
		if exit != exitUsage || fields(t, stdout)["error"] == nil ||
			!strings.Contains(stderr, c.says) ||
			strings.Count(stderr, "\n") != 1 {
			t.Errorf(
				"soak merge %q: exit %d, standard output %.200q\nstandard error %s\nwant exit 2 and %q",
				c.files,
				exit,
				stdout,
				stderr,
				c.says,
			)
		}
		if left, err := os.ReadFile(out); string(left) != "as it was" {
			t.Errorf("soak merge %q: -out holds %.100q, %v", c.files, left, err)
		}
	}
	exit, _, stderr := soaked(t, append(merging(files...), "-out", files[2])...)
	if exit != exitUsage ||
		!strings.Contains(stderr, "want another file than those that are merged") {
		t.Errorf("-out onto an input: exit %d, %s", exit, stderr)
	}
	// What is no file stays what it is: a rename would put a file in the place of /dev/null.
	link := filepath.Join(folder, "null")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{link, folder} {
		exit, _, stderr := soaked(t, append(merging(files...), "-out", out)...)
		if exit != exitUsage || !strings.Contains(stderr, "want a regular file") {
			t.Errorf("-out %s: exit %d, %s", out, exit, stderr)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("-out onto %s: it is %v now, %v", os.DevNull, info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, ".merge-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// As many shards as the flag takes, nearly all of them without work: the answer does not wait for
// each of them.
func TestMergeOfShardsWithoutWork(t *testing.T) {
	const parts = 1<<32 - 1
	at := func(first, last uint64, parts uint64, numbers ...uint64) ([]part, error) {
		byNumber := map[uint64]part{}
		var one part
		for _, n := range numbers {
			of := &shardReport{Part: n, Parts: parts, Of: "soak run"}
			one = part{fmt.Sprint(n), &runReport{SeedFirst: first, SeedLast: last, Shard: of}}
			byNumber[n] = one
		}
		return complete(one, byNumber)
	}
	if whole, err := at(1, 2, parts, 3, 2); err != nil || len(whole) != 2 || whole[0].file != "2" {
		t.Errorf("both: %v, %v", whole, err)
	}
	if _, err := at(1, 2, parts, 2); err == nil ||
		!strings.HasSuffix(err.Error(), " shard 3/4294967295") {
		t.Errorf("one of two: %v", err)
	}
	if _, err := at(7, 8, 4, 4); err == nil || !strings.HasSuffix(err.Error(), " shard 1/4") {
		t.Errorf("the last and the first: %v", err)
	}
	if _, err := at(0, 1<<32-1, parts, 5); err == nil ||
		!strings.HasSuffix(err.Error(), "101/4294967295, and maybe more") {
		t.Errorf("nearly none: %v", err)
	}
}

// Two results of one shard can differ only where two programs made them.
func TestMergeNamesTwoResultsOfOneShardThatDiffer(t *testing.T) {
	files := shards(t, 2, "run", "staging", "-seed", "1-2", "-hours", "0.02")
	read, err := readResult(files[1])
	if err != nil {
		t.Fatal(err)
	}
	r := read.(*runReport)
	r.Events++
	r.Shard.Sum = r.sum()
	other := filepath.Join(t.TempDir(), "other.json")
	if err := save(r, other); err != nil {
		t.Fatal(err)
	}
	exit, stdout, stderr := soaked(t, merging(append(files, other)...)...)
	want := files[1] + " and " + other + " are both shard 2/2, with different results: they overlap"
	if exit != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
		t.Errorf("exit %d\n%s%s\nwant %q", exit, stdout, stderr, want)
	}
}

// What a search tells beside its figures is in the result of its shard: how a claim broke, and what
// cut it.
func TestMergeTellsHowAClaimBroke(t *testing.T) {
	broken := violation{Property: "answered", Says: "Every request is answered.", What: "one is not",
		Step: 7, Repeat: "soak explore X"}
	within := 1
	whole := exploreReport{Command: commandExplore, Violations: []violation{broken},
		Scenarios: []exploredScenario{
			{Scenario: "X", States: 9, StatesSum: "00000000000000aa", Violations: []violation{broken},
				told: &told{Trace: []string{"open t1 hangs", "get r1 A"}, NoReturn: 1, Graph: 90}},
			{Scenario: "Y", States: 1, StatesSum: "00000000000000bb", Violations: []violation{},
				told: &told{CutBy: "-max-states 1", Within: &within, Luck: "It was design.", NoReturn: -1}},
		}}
	var files []string
	var scenarios []*sim.Scenario
	for i := range whole.Scenarios {
		scenarios = append(scenarios, &sim.Scenario{Name: whole.Scenarios[i].Scenario})
	}
	for i := range whole.Scenarios {
		part := exploreReport{Command: commandExplore, Scenarios: whole.Scenarios[i : i+1],
			Violations: whole.Scenarios[i].Violations}
		of := shard{uint64(i + 1), 2}
		part.seal(&exploreOptions{scenarios: scenarios, symmetry: true, shard: of}, "")
		file := filepath.Join(t.TempDir(), "part.json")
		if err := save(&part, file); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	var want bytes.Buffer
	whole.write(&want)
	exit, stdout, stderr := soaked(t, merging(files...)...)
	if exit != exitBroke || stdout != want.String() ||
		!strings.Contains(stdout, "open t1 hangs\n             from here on, nothing") ||
		!strings.Contains(stdout, "NOT to the end (-max-states 1): every run within 1 deviation, and") {
		t.Errorf("exit %d\n%s%s\nwant\n%s", exit, stdout, stderr, &want)
	}
}

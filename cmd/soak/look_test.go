package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/timeline"
)

const stuckClose = "../../testdata/traces/a-1-stuck-close.trace"

// What cannot be read, or written, is one clear line and exit 2.
func TestLookingAtARunRefusesBadInput(t *testing.T) {
	kept := file(t, "pagepool-trace 1\n+1s look\n")
	dump := "pagepool-trace 1 #=00000000\nstate pool now=1s #=00000000\nend #=00000000\n"
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"trace"}, "want one trace or dump, or one profile, got 0 arguments"},
		{[]string{"trace", stuckClose, "-seed", "3"},
			"-seed: want it with one of the profiles staging, burst, nested, hostile; " + stuckClose +
				" is a file, with its own run"},
		{[]string{"trace", stuckClose, "-hours", "2"}, "-hours: want it with one of the profiles"},
		{[]string{"trace", stuckClose, "-first", "2", "-perfetto", "x.json"},
			"-first, -last: want them without -perfetto"},
		{[]string{"view", stuckClose, "-seed", "3", "-o", "x.html"}, "-seed: want it with one of"},
		{[]string{"view", stuckClose, "-beside", stuckClose, "-hours", "2"}, "-hours: want it with"},
		{[]string{"view", stuckClose, "-port", "8080", "-o", "x.html"}, "-port 8080: want it without -o"},
		{[]string{"trace", "/nowhere/x.trace"}, "no such file or directory; want a trace or a dump, or " +
			"one of the profiles staging, burst, nested, hostile"},
		{[]string{"trace", file(t, dump)}, ":1: this line, or one before it, was edited or lost"},
		{[]string{"trace", stuckClose, "-perfetto", "/nowhere/out.json"},
			"/nowhere/out.json: no such file or directory"},
		{[]string{"trace", stuckClose, "-perfetto", "/dev/full"},
			"/dev/full: write /dev/full: no space left on device"},
		{[]string{"trace", stuckClose, "-first", "9", "-last", "3"},
			"-first 9, -last 3: want steps from 1 to 16, the first one first"},
		{[]string{"trace", stuckClose, "-last", "17"}, "want steps from 1 to 16"},
		{[]string{"trace", "staging", "-seed", "1-2"}, "-seed 1-2: want one seed"},
		{[]string{"view"}, "want one trace or dump, or one profile, got 0 arguments"},
		{[]string{"import"}, "want one log of a pool, got 0 arguments"},
		{[]string{"view", "/nowhere/x.trace"}, "no such file or directory; want a trace or a dump"},
		{[]string{"view", file(t, dump), "-o", "x.html"},
			":1: this line, or one before it, was edited or lost"},
		{[]string{"view", stuckClose, "-o", "/nowhere/x.html"},
			"/nowhere/x.html: no such file or directory"},
		{[]string{"view", stuckClose, "-o", "/dev/full"},
			"/dev/full: write /dev/full: no space left on device"},
		{[]string{"view", stuckClose, "-port", "99999"},
			`"99999" for "--port" flag: want a whole number from 0 to 65535`},
		{[]string{"view", stuckClose, "-first", "17", "-o", "x.html"},
			"-first 17: want a step from 1 to 16"},
		{[]string{"view", stuckClose, "-set", "MaxPages=2", "-beside", stuckClose, "-o", "x.html"},
			"-beside and -set: want one of the two"},
		{[]string{"view", kept, "-o", kept},
			"that is the input, which it would overwrite; want another file"},
		{
			[]string{"view", stuckClose, "-beside", kept, "-o",
				filepath.Dir(kept) + "/./" + filepath.Base(kept)}, "that is the input"},
		{[]string{"trace", kept, "-perfetto", kept}, "that is the input"},
		{[]string{"import", kept, "-o", kept}, "that is the input"},
		{[]string{"import", "/nowhere/x.log"}, "/nowhere/x.log: no such file or directory"},
		{[]string{"import", file(t, poolLog+"panic: oh\n"), "-o", "x.trace"},
			`:2: want a line of slog's JSON handler`},
		{[]string{"import", file(t, poolLog), "-o", "/dev/full"},
			"/dev/full: write /dev/full: no space left on device"},
		{[]string{"replay", stuckClose, "-step", "-json"}, "-step and -json: want one of the two"},
	} {
		exit, stdout, stderr := soaked(t, c.args...)
		if exit != exitUsage || (stdout != "") != slices.Contains(c.args, "-json") ||
			!strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("soak %q: exit %d, %q\n%s\nwant exit 2 and %q", c.args, exit, stdout, stderr, c.says)
		}
	}
}

const poolLog = `{"time":"2026-01-02T03:10:00Z","msg":"lease ended without its holder","tab":"t7","reason":"expired","affinity":"a"}` + "\n"

// A log becomes a trace that can be replayed; beside its lines, the report has what is not in the
// trace.
func TestALogBecomesATraceForReplay(t *testing.T) {
	log := file(t, poolLog+`{"time":"2026-01-02T03:10:01Z","msg":"operation failed","kind":"open","tab":"t9"}`+"\n")
	exit, stdout, stderr := soaked(t, "import", log, "-set", "MaxLease=20s", "-json")
	var report importReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || exit != exitHeld ||
		report.Lines != 2 || report.Leases != 1 || len(report.Unsaid) != 1 {
		t.Fatalf("exit %d, %v: %+v\n%s", exit, err, report, stderr)
	}
	exit, stdout, _ = soaked(t, "import", log, "-o", log+".2")
	if exit != exitHeld || !strings.Contains(stdout,
		"2 lines of the pool's, 1 lease\n  not in it: line 2 (operation failed") {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
	if exit, stdout, stderr = soaked(t, "replay", report.Trace); exit != exitHeld ||
		!strings.Contains(stdout, "25s of virtual time") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}

func TestTraceWritesATimelineAndSaysWhatToDoWithIt(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.json")
	exit, stdout, stderr := soaked(t, "trace", stuckClose, "-perfetto", out)
	if exit != exitHeld || stderr != "" || !strings.Contains(stdout, "16 steps as ") ||
		!strings.Contains(stdout, "https://ui.perfetto.dev") {
		t.Fatalf("exit %d\n%s%s", exit, stdout, stderr)
	}
	data, err := os.ReadFile(out)
	if err != nil || !json.Valid(data) {
		t.Fatalf("%v\n%.200s", err, data)
	}
	exit, stdout, _ = soaked(t, "trace", "staging", "-hours", "0.5", "-json", "-perfetto", out)
	var report traceReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || exit != exitHeld ||
		report.Steps < 1000 || report.Slices < 1000 {
		t.Errorf("exit %d, %v: %+v", exit, err, report)
	}
	exit, stdout, _ = soaked(t, "trace", "staging", "-hours", "0.5", "-first", "100", "-last", "102")
	if exit != exitHeld || strings.Count(stdout, "\n") != 5 ||
		!strings.Contains(stdout, "steps 100 to 102 of ") {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
}

// A long trace is thinned, and says how: the memory for its timeline and its page has a bound. One
// of a million steps differs in its time alone.
func TestALongTraceIsThinnedAndSaysSo(t *testing.T) {
	const leases = 60_000
	var text strings.Builder
	text.WriteString("pagepool-trace 1\nset MaxPages=4 MaxUses=off MaxAge=off\nauto\n+1s look\n")
	for i := range leases {
		fmt.Fprintf(&text, "+5ms get r%d \"<i>%d\"\n+60ms release r%d\n", i+1, i%3, i+1)
	}
	long := file(t, text.String())
	out := filepath.Join(t.TempDir(), "out")
	exit, stdout, stderr := soaked(t, "trace", long, "-perfetto", out, "-json")
	var report traceReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || exit != exitHeld ||
		report.Steps < 2*leases ||
		report.Slices > timeline.MostSlices ||
		!strings.HasPrefix(report.Thinned, "thinned: operations and parts of waits under ") {
		t.Errorf("exit %d, %v: %+v\n%s", exit, err, report, stderr)
	}
	if data, err := os.ReadFile(out); err != nil || !json.Valid(data) ||
		!strings.Contains(string(data), report.Thinned) {
		t.Errorf("%v: the timeline has %d bytes, and does not say how it was thinned", err, len(data))
	}
	exit, _, stderr = soaked(t, "view", long, "-o", out)
	data, err := os.ReadFile(out)
	if page := string(data); err != nil || exit != exitHeld || len(page) > 5<<20 ||
		!strings.Contains(page, `"thinned":"thinned: `) || strings.Contains(page, "<i>") {
		t.Errorf("exit %d, %v: a page of %d bytes, that says how it was thinned, and has no markup of "+
			"a key\n%s", exit, err, len(page), stderr)
	}
}

// A script walks through a trace; one that breaks something ends with exit 1.
func TestAScriptWalksThroughATrace(t *testing.T) {
	var out, errs bytes.Buffer
	s := &soak{ctx: t.Context(), stdin: strings.NewReader("until get r3\nwhy\n"), stdout: &out,
		stderr: &errs}
	data, err := os.ReadFile(stuckClose)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.walk(stuckClose, data); err != nil || s.exit != exitHeld {
		t.Fatalf("exit %d: %v", s.exit, err)
	}
	if !strings.Contains(out.String(), "16 steps; help lists the commands") ||
		!strings.Contains(out.String(), "r3 (c) has waited") {
		t.Errorf("%s", &out)
	}
	s.stdin, s.sets = strings.NewReader("last\n"), assignments{"MaxPages=3"}
	if err := s.walk(stuckClose, data); err != nil || s.exit != exitBroke {
		t.Errorf("expectations fail: exit %d, %v", s.exit, err)
	}
}

// The page of a failure lies beside its trace, and names the point of no return.
func TestASavedFailureHasAPage(t *testing.T) {
	data, err := os.ReadFile(stuckClose)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), "\n", "\n# "+fmt.Sprintf(noReturnSays, 9)+"\n", 1)
	v := violation{File: filepath.Join(t.TempDir(), "x.trace")}
	if err := os.WriteFile(v.File, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	s := &soak{ctx: t.Context(), stderr: &errs}
	s.addPage(&v)
	html, err := os.ReadFile(strings.TrimSuffix(v.File, ".trace") + ".html")
	if err != nil || errs.Len() > 0 || !strings.HasSuffix(v.Page, "x.html") ||
		!strings.Contains(string(html), `"noReturn":9`) {
		t.Errorf("%v, %s, %q, %d bytes", err, &errs, v.Page, len(html))
	}
	var out strings.Builder
	writeViolations(&out, []violation{v})
	if !strings.Contains(out.String(), "look at it: "+v.Page) {
		t.Errorf("%s", &out)
	}
	v = violation{File: "/nowhere/x.trace"}
	if s.addPage(&v); v.Page != "" ||
		!strings.Contains(errs.String(), "the page of /nowhere/x.trace was not written") {
		t.Errorf("%q, %s", v.Page, &errs)
	}
}

// The point of no return is counted in steps of the core, as a replay counts them.
func TestThePointOfNoReturnIsAStepOfTheReplay(t *testing.T) {
	c := sim.Scenarios[0]
	x := &sim.Exploration{}
	x.Path, x.NoReturn = []int{0, 0, 0, 0, 0}, 3
	n := 0
	seen := *c
	seen.Observe = func(*sim.World, core.Event, []core.Effect) { n++ }
	w, err := seen.World()
	if err != nil {
		t.Fatal(err)
	}
	for range x.NoReturn {
		w.Do(&w.Actions(nil)[0])
	}
	if got := noReturnStep(c, x); got != n || n < 3 {
		t.Errorf("%s: step %d, want %d", c.Name, got, n)
	}
	if x.NoReturn = -1; noReturnStep(c, x) != 0 ||
		noReturnOf([]byte("# The point of no return is near\n")) != 0 {
		t.Error("what is not known is a step")
	}
}

// Served, the page is there until Ctrl-C.
func TestAViewIsServedUntilItIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		exit := run(ctx, []string{"view", stuckClose, "-json"}, in, io.Discard)
		in.Close()
		done <- exit
	}()
	var report viewReport
	if err := json.NewDecoder(out).Decode(&report); err != nil || report.Steps != 16 {
		t.Fatalf("%v: %+v", err, report)
	}
	for path, want := range map[string]string{"": "a-1-stuck-close.trace",
		"timeline.json": "traceEvents"} {
		answer, err := http.Get(report.Address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v, %.80q", path, err, body)
		}
	}
	cancel()
	if exit := <-done; exit != exitHeld {
		t.Errorf("exit %d", exit)
	}
}

// One paragraph says whether luck or design kept the promises of a recorded run.
func TestARecordedRunWasLuckOrDesign(t *testing.T) {
	exit, stdout, stderr := soaked(t, "explore", "-from", "../../testdata/traces/e-02-dead-key.trace",
		"-deviations", "1")
	if exit != exitHeld || !strings.Contains(strings.Join(strings.Fields(stdout), " "),
		"It was design, as far as 1 deviation can tell: in every one of the ") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
	for _, c := range []struct {
		x    sim.Exploration
		want string
	}{
		{sim.Exploration{Recorded: 9, Skipped: 2, Within: -1}, "The record has 9 events (2 of them " +
			"cannot happen in the simulated browser, and were left out). Design or luck is not known: the " +
			"search was cut before"},
		{sim.Exploration{Recorded: 9, Within: 1}, "Design or luck is not known beyond 1 deviation: "},
		{
			sim.Exploration{Recorded: 9, Violation: &sim.Violation{Property: "capacity"},
				Trace: []string{"get r1 a", "* close t1 hangs"}},
			"It was luck: with 1 other turn, marked * above, the same run breaks capacity."},
	} {
		if got := luckOf(&c.x, 2); !strings.Contains(got, c.want) {
			t.Errorf("%s; want %s", got, c.want)
		}
	}
}

// Of a profile too, -set is for the second run alone.
func TestAPageOfAProfileWithSettingsHasTheRunAsItIsFirst(t *testing.T) {
	out := filepath.Join(t.TempDir(), "page.html")
	exit, _, stderr := soaked(t, "view", "staging", "-hours", "0.05", "-set", "MaxLease=20s", "-o",
		out)
	if exit != exitHeld {
		t.Fatalf("exit %d: %s", exit, stderr)
	}
	page, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`"settings":"[^"]*"`).FindAllString(string(page), -1)
	if want := []string{`"settings":""`, `"settings":"MaxLease=20s"`}; !slices.Equal(got, want) {
		t.Errorf("the settings of the runs are %v, want %v", got, want)
	}
}

// With -set, what would have differed stands beside what was; in a dump too.
func TestAReplayWithSettingsShowsWhatWouldHaveDiffered(t *testing.T) {
	exit, stdout, _ := soaked(t, "replay", "../../testdata/incidents/glimmer-loop.trace", "-set",
		"MaxLease=20s")
	if exit != exitBroke {
		t.Errorf("exit %d", exit)
	}
	for _, want := range []string{"as it was ", "with -set MaxLease=20s\n", "* worst recovery ",
		"1m35s", "25s\n", "  grants  "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	dump := dumped(t, "pagepool-trace 1\nset MaxPages=2 MaxWaiting=4\nauto\n@1s get r1 a\n+0s get "+
		"r2 b\n+1s get r3 c\n+1s get r4 d\n", "get r2 b")
	if exit, stdout, stderr := soaked(t, "replay", dump); exit != exitHeld ||
		!strings.Contains(stdout, "every claim") {
		t.Fatalf("exit %d\n%s%s", exit, stdout, stderr)
	}
	exit, stdout, stderr := soaked(t, "replay", dump, "-set", "MaxWaiting=1")
	if exit != exitHeld || !strings.Contains(stdout, "* refusals") ||
		!strings.Contains(stdout, "1 (1 queue-full)") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}

// dumped replays a trace and writes what a pool would dump that began its record after an event.
func dumped(t *testing.T, text, after string) string {
	t.Helper()
	tr, err := trace.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var w *trace.Writer
	n := 0
	_, err = replay.Run(tr, func(s replay.Step) {
		event := string(trace.AppendEvent(nil, s.Event, s.Names))
		switch n++; {
		case w == nil && event == after:
			snapshot := &trace.Snapshot{Keys: []string{""}}
			snapshot.Facts.CopyFrom(&s.State.Facts)
			for a := range s.State.Affinities[1:] {
				snapshot.Keys = append(snapshot.Keys, s.Names.Key(core.Affinity(a+1)))
			}
			w = trace.NewWriter(&out, &trace.Trace{Settings: s.State.Settings, Snapshot: snapshot},
				s.Names.Key)
		case w != nil:
			w.Step(s.At, event)
		}
	})
	if err != nil || w == nil || w.Flush() != nil {
		t.Fatalf("%v, after %d steps", err, n)
	}
	return file(t, out.String())
}

// A run that Ctrl-C cuts off is not shown: it would look like the whole.
func TestARunThatIsCutOffIsNotShown(t *testing.T) {
	long := "pagepool-trace 1\nset MaxAge=1ns\nauto\n@0s browser ready b1\n@2000000h get r1 a\n"
	out := filepath.Join(t.TempDir(), "out")
	for _, args := range [][]string{
		{"trace", "staging"}, {"trace", "staging", "-perfetto", out}, {"trace", file(t, long)},
		{"view", "staging"}, {"view", "staging", "-o", out}, {"view", file(t, long), "-o", out},
		{"view", "staging", "-set", "MaxLease=20s", "-o", out},
		{"view", stuckClose, "-beside", "staging", "-o", out},
	} {
		exit, stdout, stderr := interrupted(t, args...)
		if _, err := os.Stat(out); exit != exitInterrupted || stdout != "" ||
			stderr != "soak: interrupted before the end of the run\n" || err == nil {
			t.Errorf("soak %q: exit %d\n%.300s%s", args, exit, stdout, stderr)
		}
		exit, stdout, _ = interrupted(t, append(args, "-json")...)
		got := fields(t, stdout)
		if exit != exitInterrupted || got["interrupted"] != true || got["command"] != args[0] {
			t.Errorf("soak %q -json: exit %d\n%.300s", args, exit, stdout)
		}
	}
	exit, stdout, stderr := interrupted(t, "replay", file(t, long), "-set", "MaxWaiting=9")
	if exit != exitInterrupted || strings.Contains(stdout, "as it was") ||
		!strings.Contains(stdout, "interrupted before the end of the trace") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}

// A page of a run that lasts as long as times go.
func TestAPageHasRoomForTheLongestRun(t *testing.T) {
	long := file(t, "pagepool-trace 1\nauto\n@0s browser ready b1\n@2562047h look\n")
	exit, stdout, stderr := soaked(t, "view", long, "-o", filepath.Join(t.TempDir(), "x.html"))
	if exit != exitHeld || !strings.Contains(stdout, "7 steps") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}

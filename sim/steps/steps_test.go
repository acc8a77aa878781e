package steps_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim/replay"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/pool/why"
	"github.com/pagepool/pagepool/sim/steps"
	"github.com/pagepool/pagepool/testdata"
)

func recorded(t *testing.T, name string) []steps.Step {
	t.Helper()
	data, err := testdata.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return recordedText(t, data)
}

func recordedText(t *testing.T, data []byte) []steps.Step {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r := &steps.Recorder{Choices: true, Untimed: tr.Untimed}
	if _, err := replay.Run(tr, func(s replay.Step) {
		r.Step(s.World, s.Event, s.Effects, s.Names)
	}); err != nil {
		t.Fatal(err)
	}
	return r.Steps
}

const stuckClose = "traces/a-1-stuck-close.trace"

func TestTraceTheTableHasAColumnForEachSlotAndCaller(t *testing.T) {
	var out strings.Builder
	if err := steps.WriteTable(&out, recorded(t, stuckClose)[6:10]); err != nil {
		t.Fatal(err)
	}
	want := `step  time   what happened       slot 1                        slot 2                caller 1
7     300ms  get r2 b            *t1 closing eviction          *t2 by r2             *r2 has t2
8     400ms  release r2          t1 closing eviction           *t2 idle
9     450ms  get r3 c            t1 closing eviction           t2 idle               *r3 waits
10    550ms  ! close-overdue t1  *t1 closing eviction overdue  *t2 closing eviction  r3 waits
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

// A script goes to a step and asks; what it asks wrongly ends it, with the number of the command.
func TestTraceAWalkAnswersAScript(t *testing.T) {
	walk := steps.Walk{Steps: recorded(t, stuckClose)}
	var out strings.Builder
	script := "until get r3\nwhy r3\nenabled\nback 2\nwhy\nuntil 5.3s\nprint\ntable " +
		"2\nlast\nnext\nfirst\nback\nhelp\nquit\nnever read\n"
	if err := walk.Run(strings.NewReader(script), &out, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"step 9, 450ms: get r3 c\n",
		"r3 (c) has waited 0s for a slot, of 1 and the spare:\n    t1 closing of a for eviction since " +
			"150ms (close-overdue t1 in 100ms)\n    t2 idle of b since 50ms\n",
		"  ! close t1 hangs\n",
		"step 7, 300ms: get r2 b\n", "nobody waits\n",
		"step 14, 5.3s: close-silent t1\n", "13    760ms  release r3",
		"step 16, 5.33s: closed t1\n", "step 16 is the last\n", "step 1 is the first\n", "until TEXT",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	for script, want := range map[string]string{
		"fly\n":               `command 1, "fly": unknown command "fly"; the commands are`,
		"next\nnext x\n":      `command 2, "next x": want a number of steps from 1, got "x"`,
		"next 0\n":            `want a number of steps from 1, got "0"`,
		"until\n":             "until: want a text",
		"until get r99\n":     `until: no later step says "get r99"`,
		"why r99\n":           `why: "r99" neither waits nor holds a tab at step 1`,
		"table 1 2\nnext 1\n": "want a number of steps from 1",
	} {
		walk := steps.Walk{Steps: recorded(t, stuckClose)}
		if err := walk.Run(strings.NewReader(script), &out, true); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", script, err, want)
		}
	}
	walk = steps.Walk{Steps: recorded(t, stuckClose)}
	out.Reset()
	if err := walk.Run(strings.NewReader("fly\nnext\n"), &out, false); err != nil ||
		!strings.Contains(out.String(), "step 2,") {
		t.Errorf("a person is asked again: %v\n%s", err, &out)
	}
	if err := (&steps.Walk{}).Run(strings.NewReader(""), &out, true); err == nil {
		t.Error("no steps are walked through")
	}
}

func texts(waits []steps.Wait) (all []string) {
	for _, w := range waits {
		all = append(all, w.Text)
	}
	return all
}

// What a step has by name, and what the step before had and it has no more.
func TestTraceAStepNamesItsBrowsersItsAffinitiesAndWhatIsGone(t *testing.T) {
	const text = "pagepool-trace 1\nset MaxPages=2\n@0s browser ready b1\n+1ms opened t1\n+0s " +
		"opened t2\n+1s get r1 \"a b\"\n" +
		"+1s get r2 t1\n+1s opened t3\n+1s discard r2\n+1s closed t2\n"
	all := recordedText(t, []byte(text))
	last := all[len(all)-1]
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"browsers", last.Browsers, []string{"b1 ready: t1, t3"}},
		{"affinities", last.Affinities,
			[]string{`"a b" warm, generation 1, primary c1: t1`, "t1 cold, orphan c2: no tab"}},
		{"gone at the discard", all[7].Gone, []string{"r2 has t2"}},
		{"gone at the end", last.Gone, []string{"t2 closing discard overdue"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}

// Each cause of a wait is told, with the tabs that are in the way.
func TestTraceAWaitNamesItsCause(t *testing.T) {
	const start = "pagepool-trace 1\nset MaxPages=2 %s\n@0s browser ready b1\n+1ms opened t1\n+0s " +
		"opened t2\n" +
		"+1s get r1 a\n"
	for _, c := range []struct{ set, then, want string }{
		{"AffinityTabs=2 RootCap=1", "+1s get r2 a\n", "r2 (a) has waited 0s for RootCap=1: t1 leased " +
			"by r1 of a since 1s (expire r1 in 1m29s)"},
		{"AffinityTabs=1", "+1s get r2 a\n", "r2 (a) has waited 0s for RootCap=1: t1 leased by r1 of a " +
			"since 1s (expire r1 in 1m29s)"},
		{"AffinityTabs=2", "+1s get r2 b\n+2s get r3 c\n",
			"r3 (c) has waited 0s for the root limit, of 2: t1 leased by r1 of a since 3s " +
				"(expire r1 in 1m27s); t2 leased by r2 of b since 2s (expire r2 in 1m28s)"},
		{"MaxPages=3 MinPages=2 AffinityTabs=2 ReservedPages=1 ReservedPriority=5",
			"+1s get r2 b\n+0s get r3 c priority=5\n+1s opened t3\n+1s release r3\n+1s get r4 d\n",
			"r4 (d) has waited 0s for the reserve (ReservedPages=1): t1 leased by r1 of a since 4s"},
		{"AffinityTabs=2", "+1s browser gone b1\n+0s get r2 b\n", "r2 (b) has waited 0s for a browser"},
		{"AffinityTabs=2", "+1s get r2 b\n+0s get r3 b nested\n+0s get r4 b nested\n",
			"r4 (b, nested) has waited 0s for an opening, behind r3: t3 opening since 0s"},
		{"AffinityTabs=2", "+1s get r2 b\n+0s get r3 b nested\n+0s get r4 b nested\n+1s opened t3\n",
			"r4 (b, nested) has waited 1s for a slot, of 2 and the spare: t1 leased by r1 of a since 2s"},
		{"MaxBypass=off ProbeMaxAge=1s",
			"+0s get r2 b\n+0s opened t3\n+0s release r1\n+2s get r3 a\n+0s get r4 c\n",
			"r4 (c) has waited 0s for an older request, r3, which was overtaken as often as MaxBypass=off " +
				"allows: t1 probing of a since 0s"},
	} {
		all := recordedText(t, []byte(fmt.Sprintf(start, c.set)+c.then))
		waits := texts(all[len(all)-1].Waits)
		if !slices.ContainsFunc(waits, func(w string) bool { return strings.HasPrefix(w, c.want) }) {
			t.Errorf("%s %q: got\n%s\nwant\n%s", c.set, c.then, strings.Join(waits, "\n"), c.want)
		}
	}
}

// Beside a free standby an admitted request waits for none but an older one, which was overtaken so
// often that it may not be again.
func TestTraceAWaitBehindAUsedUpBypassNamesTheOlderRequest(t *testing.T) {
	const name = "regressions/probed-request-is-passed-by-newcomers.trace"
	const want = "r22 (d) has waited 4.21s for an older request, r1, which was overtaken as often " +
		"as MaxBypass=1 allows: t2 probing of a since 100ms (probe-overdue t2 in 1.9s)"
	if got := texts(recorded(t, name)[18].Waits); !slices.Contains(got, want) {
		t.Errorf("step 19: %q, want %q", got, want)
	}
	files, err := fs.Glob(testdata.Files, "*/*.trace")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d traces, %v", len(files), err)
	}
	held := 0
	for _, file := range files {
		if strings.HasPrefix(file, "chrome/") {
			continue // the core goes through these alone, and they wait for nobody
		}
		data, err := testdata.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := trace.Read(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		step := 0
		_, err = replay.Run(tr, func(s replay.Step) {
			step++
			awake := slices.ContainsFunc(why.Tabs(s.State), func(t core.TabView) bool {
				return t.State == core.Standby && !t.Frozen
			})
			for _, w := range why.Of(s.State) {
				if w.For == why.Bypass {
					held++
				}
				text := w.Text(s.State, s.Names)
				own := strings.Contains(text, "no standby serves it")
				if own != (s.State.Affinities[w.Affinity].Own && w.For == why.Slot) {
					t.Errorf("%s, step %d: whether a standby serves it: %s", file, step, text)
				}
				if awake && !own && (w.For == why.Slot || w.For == why.Opening || w.For == why.Pause) {
					t.Errorf("%s, step %d: a standby is free, and %s", file, step, text)
				}
			}
		})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	if held < 3 {
		t.Errorf("%d waits behind a used-up bypass: too few to say anything", held)
	}
}

// In a run without a clock, what happens before its turn is a deviation, and faults are deviations
// in any.
func TestTraceDeviationsFromTheDefaultPolicyAreMarked(t *testing.T) {
	const text = "pagepool-trace 1\nset MaxPages=2\nuntimed\n@0s browser ready b1\n+1ms opened " +
		"t2\n+1ms opened t1\n" +
		"+1ms wedge t1\n+1ms get r1 a\n+1ms get r2 a\n+1ms open-failed t3\n"
	want := []string{"", "", `before its turn: the default policy takes "open t1 works" first`, "",
		"a fault of a page or a browser", "", "a fault: open t3 fails"}
	for i, s := range recordedText(t, []byte(text)) {
		if s.Strays != want[i] {
			t.Errorf("step %d, %s: %q, want %q", s.Number, s.Event, s.Strays, want[i])
		}
		if taken := slices.ContainsFunc(s.Choices, func(c steps.Choice) bool { return c.Taken }); taken !=
			(s.Event != "look" && !strings.HasPrefix(s.Event, "get")) {
			t.Errorf("step %d, %s: taken is %t of %v", s.Number, s.Event, taken, s.Choices)
		}
	}
}

package sim

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

func historyOf(t *testing.T, text string) *history {
	t.Helper()
	tr, err := trace.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	h, err := readHistory(tr)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// recorded plays a history as it is, so that it says what the core did in each line.
func recorded(t *testing.T, text string) *history {
	t.Helper()
	out, err := play(historyOf(t, text), true)
	if err != nil {
		t.Fatal(err)
	}
	if out.report.Violation != nil {
		t.Fatal(out.report.Violation)
	}
	return out.history
}

// without is a history without the lines that have these words, played again.
func without(t *testing.T, h *history, words ...string) string {
	t.Helper()
	changed := append([]wish(nil), h.wishes...)
	for i := range changed {
		for _, w := range words {
			changed[i].gone = changed[i].gone || strings.Contains(changed[i].text(h.names), w)
		}
	}
	out, err := play(h.with(changed), false)
	if err != nil {
		t.Fatal(err)
	}
	text := string(out.history.write())
	tr, err := out.history.trace()
	if err != nil {
		t.Fatal(err)
	}
	if report, err := Replay(tr, nil); err != nil || report.Steps != out.report.Steps || report.MostAlive != out.report.MostAlive {
		t.Errorf("replayed strictly it is not the same: %v\n%s", err, text)
	}
	return text
}

const twoPages = "pagepool-trace 1\nset MaxPages=2\n@0s browser ready b1\n+100ms opened t1\n+0s opened t2\n"

func TestTraceWithoutACallHasTheNumbersOfWhatIsLeft(t *testing.T) {
	h := recorded(t, twoPages+"+0s get r1 a\n+0s get r2 b\n+0s opened t3\n+10ms wedge t2\n+0s discard r2 wedged\n+250ms probe-silent t2\n+250ms rescue-silent t2\n")
	got := without(t, h, "r1")
	want := "pagepool-trace 1\nset MaxPages=2\n+0s browser ready b1\n+100ms opened t1\n+0s opened t2\n" +
		"+0s get r2 b\n+10ms wedge t1\n+0s discard r2 wedged\n+250ms probe-silent t1\n+250ms rescue-silent t1\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTraceWithoutALineSaysTheDeadlinesThatComeDue(t *testing.T) {
	h := recorded(t, twoPages+"+0s get r1 a\n+0s get r2 b\n+0s opened t3\n+50s release r1\n+50s look\n")
	if got := without(t, h, "release"); !strings.Contains(got, " expire r1\n") {
		t.Errorf("nobody gives it back, and it does not expire:\n%s", got)
	}
	if got := without(t, h, "opened t3", "release"); !strings.Contains(got, " open-silent t3\n") {
		t.Errorf("it is never opened, and not given up:\n%s", got)
	}
}

func TestTraceWithoutALineLeavesOutWhatIsNotPossibleAnyMore(t *testing.T) {
	h := recorded(t, twoPages+"+0s get r1 a\n+0s discard r1\n+10ms closed t1 kept\n+10ms dispose d1 a\n+10ms context-closed c1\n")
	got := without(t, h, "get r1")
	if want := "pagepool-trace 1\nset MaxPages=2\n+0s browser ready b1\n+100ms opened t1\n+0s opened t2\n+20ms dispose d1 a\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// busy is a trace whose expectation holds with two pages, and fails with one. Most of it does not matter.
func busy(t *testing.T) (tr *trace.Trace, own core.Settings) {
	t.Helper()
	var b strings.Builder
	b.WriteString("pagepool-trace 1\nset MaxPages=2 MaxUses=7 CloseTimeout=3s\nauto\n")
	for i := range 40 {
		fmt.Fprintf(&b, "+1s get r%d noise\n+100ms release r%d\n", i+10, i+10)
	}
	b.WriteString("+1s get r1 a\n+1s get r2 b\n+10ms evict-idle 1h\nexpect leases 2\n+1s release r1\n")
	tr, err := trace.Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	own = tr.Settings
	tr.Settings.MaxPages = 1
	return tr, own
}

func TestTraceShrinksToTheFewLinesThatMatter(t *testing.T) {
	tr, own := busy(t)
	out, err := Shrink(tr, "a test", ShrinkOptions{Own: &own})
	if err != nil {
		t.Fatal(err)
	}
	const want = "set MaxPages=1\nauto\n"
	text := string(out.Text)
	if !strings.Contains(text, want) || strings.Contains(text, "noise") || strings.Contains(text, "evict-idle") ||
		strings.Count(text, " get ") != 2 || !strings.Contains(text, "get r2") || !strings.HasSuffix(text, "expect leases 2\n") {
		t.Errorf("of two requests, one waits with one page, and nothing else matters:\n%s", text)
	}
	if out.After.Steps >= out.Before.Steps || len(out.After.Failed) != 1 || out.Cut {
		t.Errorf("%d steps became %d, failed %v, cut %v", out.Before.Steps, out.After.Steps, out.After.Failed, out.Cut)
	}
}

func TestTraceShrinksToTheSameBytesEachTime(t *testing.T) {
	tr, own := busy(t)
	first, err := Shrink(tr, "a test", ShrinkOptions{Own: &own})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Shrink(tr, "a test", ShrinkOptions{Own: &own})
	if err != nil || !bytes.Equal(first.Text, second.Text) {
		t.Errorf("%v\n%s\nand then\n%s", err, first.Text, second.Text)
	}
}

func TestTraceThatIsCutShortIsTheSmallestSoFarAndFails(t *testing.T) {
	tr, own := busy(t)
	asked := 0
	out, err := Shrink(tr, "a test", ShrinkOptions{Own: &own, Progress: func(string, int) bool {
		asked++
		return asked < 6
	}})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Shrink(tr, "a test", ShrinkOptions{Own: &own, Steps: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !out.Cut || !whole.Cut || len(out.After.Failed) != 1 || len(whole.After.Failed) != 1 || len(out.Text) >= len(whole.Text) {
		t.Errorf("cut %v and %v:\n%s\n%s", out.Cut, whole.Cut, out.Text, whole.Text)
	}
}

func TestTraceThatHoldsIsNotShrunk(t *testing.T) {
	tr, err := trace.Read(strings.NewReader(twoPages + "expect standbys 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Shrink(tr, "a test", ShrinkOptions{}); !errors.Is(err, ErrNothingFails) {
		t.Errorf("got %v", err)
	}
}

// What is removed is found among many by halves: of a hundred lines that do nothing, each alone or all
// together, a few tries are enough.
func TestTraceShrinksByHalves(t *testing.T) {
	tr, own := busy(t)
	tries := 0
	_, err := Shrink(tr, "a test", ShrinkOptions{Own: &own, Progress: func(doing string, _ int) bool {
		if doing == "calls" {
			tries++
		}
		return true
	}})
	if err != nil || tries == 0 || tries > 60 {
		t.Errorf("%v, %d tries for 43 calls", err, tries)
	}
}

// A healthy core has no schedule that breaks a claim, so the search is shown one by hand: its labels.
func TestTraceOfASearchSaysWhatItsScheduleDid(t *testing.T) {
	scenario := &Scenario{Name: "by hand", Settings: pages(1), Programs: []Program{{get(a), wedge, discardWedged}}, Faults: 1, Menu: AllFaults}
	x := &Exploration{Violation: &Violation{Property: "capacity"}, Trace: []string{
		"launch b1 works", "open t1 works", "client 1 gets A", "client 1 wedges its page", "open t2 works", "browser b1 falls silent", "client 1 discards a wedged page",
	}}
	var transcript Transcript
	if err := transcript.follow(scenario, x.Trace); err != nil {
		t.Fatal(err)
	}
	got := string(transcript.Timed(scenario.Settings))
	for _, line := range []string{"get r1 A\n", "wedge t1\n", "silence b1\n", "discard r1 wedged\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing:\n%s", line, got)
		}
	}
	if _, err := CounterexampleTrace(scenario, x, Names); err == nil {
		t.Error("nothing breaks, and a trace says that it does")
	}
	x.Trace[3] = "client 7 gets Z"
	if err := new(Transcript).follow(scenario, x.Trace); err == nil {
		t.Error("nobody can do that")
	}
}

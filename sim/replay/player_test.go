package replay

import (
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/trace"
)

func historyOf(t *testing.T, text string) *History {
	t.Helper()
	tr, err := trace.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	h, err := ReadHistory(tr)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// recorded plays a history as it is, so that it says what the core did in each line.
func recorded(t *testing.T, text string) *History {
	t.Helper()
	out, err := historyOf(t, text).Play(true)
	if err != nil {
		t.Fatal(err)
	}
	if out.Report.Violation != nil {
		t.Fatal(out.Report.Violation)
	}
	return out.History
}

// without is a history without the lines that have these words, played again.
func without(t *testing.T, h *History, words ...string) string {
	t.Helper()
	changed := append([]Line(nil), h.Lines...)
	for i := range changed {
		for _, w := range words {
			changed[i].Gone = changed[i].Gone || strings.Contains(changed[i].text(h.Names), w)
		}
	}
	out, err := h.With(changed).Play(false)
	if err != nil {
		t.Fatal(err)
	}
	text := string(out.History.Text())
	tr, err := out.History.Trace()
	if err != nil {
		t.Fatal(err)
	}
	if report, err := Run(tr, nil); err != nil || report.Steps != out.Report.Steps ||
		report.MostAlive != out.Report.MostAlive {
		t.Errorf("replayed strictly it is not the same: %v\n%s", err, text)
	}
	return text
}

const twoPages = "pagepool-trace 1\nset MaxPages=2\n@0s browser ready b1\n+100ms opened t1\n+0s " +
	"opened t2\n"

func TestTraceWithoutACallHasTheNumbersOfWhatIsLeft(t *testing.T) {
	h := recorded(t, twoPages+"+0s get r1 a\n+0s get r2 b\n+0s opened t3\n+10ms wedge t2\n+0s "+
		"discard r2 wedged\n+250ms probe-silent t2\n+250ms rescue-silent t2\n")
	got := without(t, h, "r1")
	want := "pagepool-trace 1\nset MaxPages=2\n+0s browser ready b1\n+100ms opened t1\n" +
		"+0s opened t2\n+0s get r2 b\n+10ms wedge t1\n+0s discard r2 wedged\n" +
		"+250ms probe-silent t1\n+250ms rescue-silent t1\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTraceWithoutALineSaysTheDeadlinesThatComeDue(t *testing.T) {
	h := recorded(t, twoPages+"+0s get r1 a\n+0s get r2 b\n+0s opened t3\n+50s release r1\n"+
		"+50s look\n")
	if got := without(t, h, "release"); !strings.Contains(got, " expire r1\n") {
		t.Errorf("nobody gives it back, and it does not expire:\n%s", got)
	}
	if got := without(t, h, "opened t3", "release"); !strings.Contains(got, " open-silent t3\n") {
		t.Errorf("it is never opened, and not given up:\n%s", got)
	}
}

func TestTraceWithoutALineLeavesOutWhatIsNotPossibleAnyMore(t *testing.T) {
	h := recorded(t, twoPages+"+0s get r1 a\n+0s discard r1\n+10ms closed t1 kept\n+10ms dispose d1 "+
		"a\n+10ms context-closed c1\n")
	got := without(t, h, "get r1")
	if want := "pagepool-trace 1\nset MaxPages=2\n+0s browser ready b1\n+100ms opened t1\n+0s " +
		"opened t2\n+20ms dispose d1 a\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

package view_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim/traffic"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/view"
)

const small = "pagepool-trace 1\n@0s browser ready b1\n+1ms opened t1\n+0s opened t2\n+0s opened " +
	"t3\n+0s opened t4\n+1ms get r1 %KEY%\n"

func runOf(t *testing.T, text string) *view.Run {
	t.Helper()
	tr, err := trace.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	source, err := view.OfTrace("x.trace", tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	run, err := source.Run(0)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestTraceAPageIsWholeAndNeedsNoNetwork(t *testing.T) {
	var out bytes.Buffer
	page := view.Page{Title: "x <i>",
		Runs: []view.Run{*runOf(t, strings.Replace(small, "%KEY%", `"</script><img src=x>"`, 1))}}
	if err := page.Write(&out); err != nil {
		t.Fatal(err)
	}
	html := out.String()
	if strings.Contains(html, "<img src=x>") || strings.Contains(html, "<i>") ||
		strings.Count(html, "</script>") != 2 {
		t.Errorf("a key or a title is markup in the page")
	}
	if m := regexp.MustCompile(`(src|href)="[^"]*//|@import|url\(["']?http`).FindString(html); m !=
		"" {
		t.Errorf("the page asks the network for %s", m)
	}
	m := regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`).FindStringSubmatch(html)
	var back view.Page
	if m == nil || json.Unmarshal([]byte(m[1]), &back) != nil || len(back.Runs) != 1 ||
		back.Runs[0].Total != 7 {
		t.Errorf("the run cannot be read back: %.200q", m)
	}
	for _, runs := range [][]view.Run{nil, make([]view.Run, 3)} {
		if err := (&view.Page{Runs: runs}).Write(&out); err == nil {
			t.Errorf("a page of %d runs is written", len(runs))
		}
	}
}

// A day has a page that opens at once: the last steps whole, and an overview of all.
func TestTraceThePageOfALongRunIsSmall(t *testing.T) {
	run, err := view.OfRun("a run",
		traffic.Options{Profile: traffic.ProfileNamed("staging"), Seed: 1, Hours: 2}).Run(0)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	page := view.Page{Title: "a run", Runs: []view.Run{*run}}
	if err := page.Write(&out); err != nil {
		t.Fatal(err)
	}
	last := run.Steps[len(run.Steps)-1]
	if last.Number != run.Total || len(run.Steps) >= run.Total || run.Overview == nil ||
		run.Thinned == "" || out.Len() > 4<<20 {
		t.Errorf("%d steps to %d of %d, overview %v, %q, %d bytes", len(run.Steps), last.Number,
			run.Total,
			run.Overview, run.Thinned, out.Len())
	}
}

func TestTraceTheFiguresOfARunAreThoseOfItsCallers(t *testing.T) {
	text := strings.Replace(small, "%KEY%", "a", 1) + "+1s get r2 a\n+1s abandon r2\n+1s release r1\n"
	got := map[string]string{}
	for _, f := range runOf(t, text).Figures {
		got[f.Name] = f.Value
	}
	for name, want := range map[string]string{
		"grants": "2", "refusals": "0", "closes": "0", "tabs alive, at most": "4",
		"wait, median": "0s (r1)", "wait, longest": "0s (r2)",
		"still held at the end": "1 (t2 by r2 for 2s)", "worst recovery": "0s",
		"still waiting at the end": "0",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

// A request that has no tab at the end of a run has waited, too, and its parts are told by what was
// in its way.
func TestTraceTheWaitsOfARunAreThoseWithoutAnEndToo(t *testing.T) {
	run := runOf(t, "pagepool-trace 1\nset MaxPages=1\n@0s browser ready b1\n+0s opened t1\n"+
		"+0s get r1 a\n+0s get r2 b\n+0s get r3 c\n+1s release r1\n+5s look\n")
	i := slices.IndexFunc(run.Figures, func(f view.Figure) bool { return f.Name == "wait, longest" })
	if want := "6s (r3, still waiting)"; run.Figures[i].Value != want {
		t.Errorf("the longest wait is %q, want %q", run.Figures[i].Value, want)
	}
	var by []string
	for _, s := range run.Steps {
		for _, w := range s.Waits {
			if w.Request == "r3" {
				by = append(by, w.For+": "+w.By)
			}
		}
	}
	want := []string{"the root limit: t1 by r1", "an opening: t2 opening",
		"an opening: t2 opening overdue"}
	if by = slices.Compact(by); !slices.Equal(by, want) {
		t.Errorf("r3 waits for %q; want %q", by, want)
	}
}

func TestTraceAServedPageHasItsTimelineBesideIt(t *testing.T) {
	page := &view.Page{Title: "x",
		Runs: []view.Run{*runOf(t, strings.Replace(small, "%KEY%", "a", 1))}, Viewer: view.Perfetto}
	handler, err := view.Handler(page, []byte(`{"traceEvents":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "text/html; charset=utf-8",
		"/timeline.json": "application/json", "/other": "text/plain; charset=utf-8"} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		if got := answer.Header().Get("Content-Type"); got != want ||
			(answer.Code == 404) != (path == "/other") {
			t.Errorf("%s: %d, %s, want %s", path, answer.Code, got, want)
		}
	}
}

// The overview of a long run says what each slot did, how many waited, and what went wrong, and
// leads to the steps: its memory is bounded by its columns.
func TestTraceTheOverviewOfALongRunHasStatesWaitsAndFaults(t *testing.T) {
	run, err := view.OfRun("a run",
		traffic.Options{Profile: traffic.ProfileNamed("staging"), Seed: 1, Hours: 2}).Run(0)
	if err != nil {
		t.Fatal(err)
	}
	o := run.Overview
	n := len(o.First)
	if n < view.Columns/2 || n > view.Columns || len(o.Slots) != run.Capacity+1 ||
		len(o.Waited) != n || len(o.Faults) == 0 || slices.Max(o.Waited) == 0 {
		t.Fatalf("%d columns, %d slots, %d faults, waited %v", n, len(o.Slots), len(o.Faults), o.Waited)
	}
	if !slices.IsSorted(o.First) || o.First[0] != 1 || o.First[n-1] > run.Total {
		t.Errorf("the first steps of the columns are %v", o.First)
	}
	if covered := core.Time(n) * o.Column; covered < run.End-run.Begin ||
		covered > run.End-run.Begin+2*o.Column {
		t.Errorf("%d columns of %v for %v", n, o.Column.Duration(), (run.End - run.Begin).Duration())
	}
	for i, lane := range o.Slots {
		busy := 0
		for col := range n - 1 { // the last one is cut
			sum := 0
			for state, shares := range lane {
				if sum += shares[col]; shares[col] < 0 || state == "" {
					t.Fatalf("slot %d: %s %v", i, state, shares)
				}
			}
			if sum > 100 {
				t.Errorf("slot %d, column %d: %d hundredths", i, col, sum)
			}
			busy += sum
		}
		if len(lane["leased"]) != n || busy < 80*n {
			t.Errorf("slot %d: %d hundredths in %d columns, leased %v", i, busy, n, lane["leased"])
		}
	}
	for _, f := range o.Faults {
		if f.Column >= n || f.Times < 1 || f.Text == "" || f.Step < o.First[f.Column] ||
			f.Column+1 < n && f.Step > o.First[f.Column+1] {
			t.Errorf("%+v, and its column begins with step %d", f, o.First[f.Column])
		}
	}
}

// Two long runs are compared step by step over their whole length, and the page has the steps
// around the first difference, wherever it lies.
func TestTraceTwoLongRunsAreComparedAsAWhole(t *testing.T) {
	var text strings.Builder
	text.WriteString("pagepool-trace 1\nset MaxPages=2\nauto\n+1s look\n")
	for i := range 4000 {
		if i == 500 {
			text.WriteString("+0s get r9001 a\n+0s get r9002 b\n+0s get r9003 c\n+20s look\n+1s release " +
				"r9001\n+0s release r9002\n+1s release r9003\n")
		}
		fmt.Fprintf(&text, "+50ms get r%d a\n+50ms release r%d\n", i+1, i+1)
	}
	sources := func(limits ...string) (all []*view.Source) {
		for _, limit := range limits {
			tr, err := trace.Read(strings.NewReader(
				strings.Replace(text.String(), "MaxPages=2", "MaxPages=2 "+limit, 1)))
			if err != nil {
				t.Fatal(err)
			}
			source, err := view.OfTrace("x.trace", tr, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, source)
		}
		return all
	}
	runs, differs, err := view.Runs(sources("MaxLease=90s", "MaxLease=10s"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if differs < 1000 || differs > 1030 || runs[0].Total < 8000 {
		t.Fatalf("they differ at step %d of %d", differs, runs[0].Total)
	}
	for _, run := range runs {
		if first, last := run.Steps[0].Number, run.Steps[len(run.Steps)-1].Number; first >= differs ||
			last <= differs || last == run.Total {
			t.Errorf("steps %d to %d are on the page, and they differ at step %d", first, last, differs)
		}
	}
	if a, b := runs[0].Steps, runs[1].Steps; a[differs-a[0].Number-1].Event !=
		b[differs-b[0].Number-1].Event || a[differs-a[0].Number].Event == b[differs-b[0].Number].Event {
		t.Errorf("step %d: %q and %q", differs, a[differs-a[0].Number].Event,
			b[differs-b[0].Number].Event)
	}
	if _, differs, err = view.Runs(sources("MaxLease=90s", "MaxLease=90s"), 0); err != nil ||
		differs != 0 {
		t.Errorf("a run and itself differ at step %d, %v", differs, err)
	}
}

// The lead of a trace is on its page, and the labels of a dump stand beside its requests.
func TestTraceAPageHasTheLeadOfItsTrace(t *testing.T) {
	source := &view.Source{}
	source.Read([]byte("pagepool-trace 1 #=01234567\n# stuck: it says #=2 #=01234567\n# r7 is " +
		"\"https://x.example/<b>\" #=01234567\n\nset MaxPages=2\n# not this\n"))
	if !slices.Equal(source.Comments, []string{"stuck: it says #=2"}) ||
		!maps.Equal(source.Labels, map[string]string{"r7": "https://x.example/<b>"}) {
		t.Errorf("%q, %q", source.Comments, source.Labels)
	}
}

// A list that stays as it was is left out of a step, and one that becomes empty is told.
func TestTraceAPageHasListsOnceWhileTheyStay(t *testing.T) {
	steps := runOf(t, strings.Replace(small, "%KEY%", "a", 1)+
		"+1s discard r1\n+1s browser gone b1\n").Steps
	var told []string
	for _, s := range steps {
		if s.Affinities != nil {
			told = append(told, fmt.Sprintf("%d %s", s.Number, strings.Join(s.Affinities, "; ")))
		}
	}
	t.Logf("%q", told)
	if len(told) < 2 || len(told) == len(steps) || !strings.HasSuffix(told[len(told)-1], " none") {
		t.Errorf("%q", told)
	}
}

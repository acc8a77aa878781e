package properties

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/testdata"
)

var update = flag.Bool("update", false,
	"rewrite the golden histories of testdata/traces and testdata/incidents")

// tracePaths lists every trace of testdata, by its path in it.
func tracePaths(t testing.TB) []string {
	t.Helper()
	var paths []string
	for _, dir := range []string{"traces", "incidents", "regressions"} {
		err := fs.WalkDir(testdata.Files, dir, func(name string, d fs.DirEntry, err error) error {
			// soak shrink -set left it beside its input
			shrunk := dir != "regressions" && strings.HasSuffix(name, ".min.trace")
			if err == nil && !d.IsDir() && path.Ext(name) == ".trace" && !shrunk {
				paths = append(paths, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func traceFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(testdata.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readTrace(t testing.TB, data []byte) *trace.Trace {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// history is a whole replay as text: a line for each step, with its time and what happened, and
// under it, indented, what the core said to do.
func history(tr *trace.Trace) (string, *replay.Report, error) {
	var b []byte
	report, err := replay.Run(tr, func(step replay.Step) {
		b = fmt.Appendf(b, "@%v ", step.At.Duration())
		b = trace.AppendEvent(b, step.Event, step.Names)
		b = append(b, '\n')
		for _, e := range step.Effects {
			b = append(b, "    "...)
			b = trace.AppendEffect(b, e, step.Names)
			b = append(b, '\n')
		}
	})
	return string(b), report, err
}

func TestTraceHoldsAndItsHistoryIsTheGoldenOne(t *testing.T) {
	for _, name := range tracePaths(t) {
		t.Run(strings.TrimSuffix(name, ".trace"), func(t *testing.T) {
			got, report, err := history(readTrace(t, traceFile(t, name)))
			if err != nil {
				t.Fatalf("testdata/%s: %v", name, err)
			}
			for _, f := range report.Failed {
				t.Errorf("testdata/%s:%d: expect %s\n\tgot %s", name, f.Line, f.Want, f.Got)
			}
			if report.Violation != nil {
				t.Errorf("testdata/%s: %v", name, report.Violation)
			}
			if strings.HasPrefix(name, "regressions/") {
				return // what matters of these is in their expect lines and in the claims
			}
			checkGolden(t, strings.TrimSuffix(name, ".trace")+".golden", got)
		})
	}
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	file := "../testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -run %s ./properties -update writes it", err, t.Name())
	}
	if want := string(data); got != want {
		line, g, w := firstDifference(got, want)
		t.Errorf("it is not %s any more, from its line %d on:\n\tgot  %s\n\twant %s\n"+
			"where it should be so: go test -run %s ./properties -update", name, line, g, w, t.Name())
	}
}

func firstDifference(got, want string) (line int, g, w string) {
	gs, ws := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gs), len(ws)) {
		g, w = "the end", "the end"
		if i < len(gs) {
			g = gs[i]
		}
		if i < len(ws) {
			w = ws[i]
		}
		if g != w {
			return i + 1, g, w
		}
	}
	return 0, "", ""
}

func TestTraceGoldenHistoriesHaveTheirTrace(t *testing.T) {
	for _, dir := range []string{"traces", "incidents"} {
		entries, err := os.ReadDir("../testdata/" + dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name, ok := strings.CutSuffix(e.Name(), ".golden"); ok {
				if _, err := os.Stat("../testdata/" + dir + "/" + name + ".trace"); err != nil {
					t.Errorf("%s/%s: its trace is gone", dir, e.Name())
				}
			}
		}
	}
}

// The golden scenarios of the order, by the name of their race. A file is named after its race and
// a word or two.
var goldenRaces = []string{
	"a-1", "a-2", "r-1", "r-5", "r-6", "r-7", "r-9", "j-1", "j-2", "s-1", "s-2", "s-7", "q-1", "w-1",
	"e-01a", "e-01b", "e-04", "e-05", "e-07", "e-08", "e-12", "e-16", "e-17", "p-1", "p-2",
	"a-3", "r-2", "r-3", "r-4", "s-4", "s-6", "q-2", "j-4", "d-6", "d-9", "k-1", "k-2", "n-2", "e-01c",
	"e-01d",
	"e-02", "e-09", "e-10", "e-11", "e-13", "e-15", "u-2", "u-4", "u-7", "u-8", "u-14", "z-1",
}

func TestTraceEveryRaceHasItsScenario(t *testing.T) {
	paths := tracePaths(t)
	for _, race := range goldenRaces {
		i := slices.IndexFunc(paths, func(name string) bool {
			return strings.HasPrefix(name, "traces/"+race+"-")
		})
		if i < 0 {
			t.Errorf("no trace of %s in testdata/traces", race)
			continue
		}
		tr := readTrace(t, traceFile(t, paths[i]))
		expects := 0
		for _, line := range tr.Lines {
			if line.Expect {
				expects++
			}
		}
		if expects == 0 {
			t.Errorf("testdata/%s expects nothing, so it cannot fail", paths[i])
		}
		if tr.Auto || tr.Untimed {
			t.Errorf("testdata/%s is auto or untimed; a scenario says what happens, and when", paths[i])
		}
	}
}

// start is how most traces below begin: one page, at the standby state, lease r1 of key a on it.
const start = "pagepool-trace 1\nset MaxPages=1\n@0s browser ready b1\n+100ms opened t1\n+0s get " +
	"r1 a\n"

func TestTraceDamagedInputIsRefusedWithItsLine(t *testing.T) {
	tests := []struct {
		name, text string
		line       int    // 0: the fault is that of the whole file
		want       string // is in the message
	}{
		{"empty", "", 0, "the file is empty"},
		{"only comments", "# nothing\n\n", 0, "the file has no trace in it"},
		{"binary", "\x7fELF\x02\x01\x01\x00\x00\n", 1, "the file is not text"},
		{"not UTF-8", "pagepool-trace 1\n@0s get r1 \xff\xfe\n", 2, "the file is not text"},
		{"another file", "{\"command\":\"run\"}\n", 1, `quote in the middle of a word`},
		{"no header", "@0s browser ready b1\n", 1, `want the line "pagepool-trace 1" first, got "@0s"`},
		{"header without version", "pagepool-trace\n", 1, `want the line "pagepool-trace 1" first`},
		{"newer version", "# of tomorrow\npagepool-trace 2\n", 2, "and this program reads version 1"},
		{"version that is no number", "pagepool-trace one\n", 1, "the trace is of version"},
		{"second header", "pagepool-trace 1\npagepool-trace 1\n", 2, `got "pagepool-trace"`},
		{"cut in the header", "pagepool-tra", 1, "the file is cut off"},
		{"cut in the middle of a line", start + "+5s release r", 6, "the file is cut off"},
		{"cut at the end of a word", start + "+5s release r1", 6, "the file is cut off"},

		{"set without a setting", "pagepool-trace 1\nset\n", 2, "set: want Name=value"},
		{"set without a value", "pagepool-trace 1\nset MaxPages\n", 2,
			`set: want Name=value, got "MaxPages"`},
		{"unknown setting", "pagepool-trace 1\n\nset MaxPagez=2\n", 3, "MaxPagez"},
		{"value of another type", "pagepool-trace 1\nset MaxLease=90\n", 2, "MaxLease"},
		{"value that is no number", "pagepool-trace 1\nset MaxPages=many\n", 2, "MaxPages"},
		{"setting out of its rule", "pagepool-trace 1\nset MaxPages=-3\n@0s look\n", 2, "MaxPages"},
		{"settings that contradict each other", "pagepool-trace 1\nset MaxPages=2 RootCap=3\n@0s look\n",
			2, "RootCap"},
		{"a request's id again", start + "+1s get r1 a\n", 6, "r1 was used before"},
		{"a disposal's id again", start + "+1s dispose d1 a nowait\n+0s dispose d1 b nowait\n", 7,
			"d1 was used before"},
		{"a launch that fails after it worked", start + "+1s browser failed b1\n", 6,
			"the launch of b1 has been answered"},
		{"set after a step", start + "set MaxPages=2\n", 6,
			`want +duration, @duration or expect, got "set"`},
		{"auto after a step", start + "auto\n", 6, `want +duration, @duration or expect, got "auto"`},
		{"auto with more", "pagepool-trace 1\nauto 1\n", 2, `got "auto"`},

		{"no time", start + "release r1\n", 6, `want +duration, @duration or expect, got "release"`},
		{"quoted time", start + "\"+1s\" release r1\n", 6, "got a quoted word"},
		{"no duration", start + "+ release r1\n", 6, "want a duration such as +250ms"},
		{"no unit", start + "+5 release r1\n", 6, `want a duration such as +250ms, got "+5"`},
		{"negative duration", start + "+-5ms release r1\n", 6,
			`want a duration such as +250ms, got "+-5ms"`},
		{"negative instant", start + "@-1s release r1\n", 6, "want a duration such as @250ms"},
		{"time going back", start + "@99ms release r1\n", 6,
			"@99ms is before the step before it, which is at 100ms"},
		{"time beyond all times", start + "+2562047h release r1\n+2562047h look\n", 7, "+2562047h"},
		{"nothing after the time", start + "+1s\n", 6, "nothing after the time"},
		{"a comment after the time", start + "+1s # and now?\n", 6, "nothing after the time"},
		{"a quote that does not end", start + "+1s get r2 \"a\n", 6, "a quote that does not end"},
		{"a quote in a word", start + "+1s get r2 a\"b\"\n", 6, "a quote in the middle of a word"},
		{"an unknown escape", start + "+1s get r2 \"\\q\"\n", 6, "escape"},

		{"unknown verb", start + "+1s fetch r2 a\n", 6, `unknown verb "fetch"; the verbs are `},
		{"unknown second word of a verb", start + "+1s browser dead b1\n", 6, `unknown verb "browser"`},
		{"no request", start + "+1s release\n", 6, "release: want a request such as r1"},
		{"a tab for a request", start + "+1s release t1\n", 6,
			`release: want a request such as r1, got "t1"`},
		{"request 0", start + "+1s get r0 a\n", 6, "want a request such as r1"},
		{"leading zero", start + "+1s get r02 a\n", 6, "want a request such as r1"},
		{"request too large", start + "+1s get r99999999999999999999 a\n", 6,
			"want a request such as r1"},
		{"tab too large", start + "+1s closed t4294967297\n", 6, "want a tab such as t1"},
		{"no key", start + "+1s get r2\n", 6, "get: want an affinity key"},
		{"empty key", start + "+1s get r2 \"\"\n", 6, "get: want an affinity key"},
		{"key too long", start + "+1s get r2 " + strings.Repeat("k", trace.MaxKey+1) + "\n", 6,
			"get: want an affinity key"},
		{"unknown option", start + "+1s get r2 b urgent\n", 6,
			`get: unexpected "urgent"; what may follow is nested, priority=1`},
		{"option twice", start + "+1s get r2 b nested nested\n", 6, `get: unexpected "nested"`},
		{"more words", start + "+1s release r1 now\n", 6,
			`release: unexpected "now"; nothing more may follow`},
		{"abandon of nothing that can be", start + "+1s abandon t1\n", 6, "abandon: want "},
		{"wedge of a page that is not there", start + "+1s wedge t7\n", 6,
			"wedge: no page of t7 is open and answers"},
		{"wedge without a tab", start + "+1s wedge r1\n", 6, "wedge: want a tab such as t1"},
		{"hang of nothing", start + "+1s hang\n", 6,
			"hang: want open, probe, rescue, reset, close or kill and a tab"},
		{"hang of the wrong thing", start + "+1s hang close b1\n", 6,
			"hang: want open, probe, rescue, reset, close or kill and a tab"},

		{"expect before any step", "pagepool-trace 1\nexpect tabs 0\n@0s look\n", 2,
			"after the step that brings it"},
		{"expect without anything", start + "expect\n", 6, "expect: want what is to be expected"},
		{"expect of an unknown effect", start + "expect granted r1\n", 6, `unknown verb "granted"`},
		{"expect no fact", start + "expect no tabs 1\n", 6, `unknown verb "tabs"`},
		{"expect with an unknown option", start + "expect grant r1 fresh\n", 6,
			`grant: unexpected "fresh"`},
		{"expect a number that is none", start + "expect tabs many\n", 6, "tabs: want a number"},
		{"expect page-count without a number", start + "expect page-count a\n", 6,
			"page-count: want a key and a number"},
		{"expect page-count of a word", start + "expect page-count a b\n", 6, "want a number"},
		{"expect the state of a request", start + "expect leased r1\n", 6,
			"leased: want a tab such as t1"},

		{"past an armed deadline", start + "+1s opened t2\n+90s release r1\n", 7,
			`this line is at 1m31.1s, past the deadline "expire r1" at 1m30.1s`},
		{"past the deadline of an opening", start + "+31s release r1\n", 6,
			`past the deadline "open-silent t2" at 30.1s`},
		{"a deadline before its time", start + "+1s expire r1\n", 6,
			`"expire r1" is due at 1m30.1s, and this line is at 1.1s`},
		{"an unarmed deadline", start + "+1s close-silent t1\n", 6,
			`no such deadline is armed: "close-silent t1"`},
		{"a deadline that has passed", start + "+1s release r1\n+90s expire r1\n", 7,
			`past the deadline "open-silent t2"`},
		{"a page closed that nobody closes", start + "+1s closed t1\n", 6,
			"nothing asks for the close of t1, and it is alive"},
		{"a tab that nobody opens", start + "+1s opened t9\n", 6,
			"opened t9: the pool has begun no tab t9; want at most t2"},
		{"a crash of a tab that nobody opens", start + "+1s crashed t9\n", 6, "no tab t9"},
		{"a crash of a page that is not open yet", start + "+1s crashed t2\n", 6,
			"crashed t2: no page of t2 is open"},
		{"a measure of a tab that nobody opens", start + "+1s measured 500 tab=t9\n", 6, "no tab t9"},
		{"a measure of a browser that nobody launched", start + "+1s measured 500 browser=b9\n", 6,
			"no browser b9"},
		{"a context that nobody opens", start + "+1s context-closed c9\n", 6, "no context c9"},
		{"an operation that nobody began", start + "+1s probed t1 op=99\n", 6, "no operation op=99"},
		{"a browser nobody launched", start + "+1s browser ready b2\n", 6,
			"browser ready b2: the pool has begun no browser b2; want at most b1"},
		{"the end of a browser nobody knows", start + "+1s browser gone b2\n", 6, "no browser b2"},
		{"a deadline of a request that nobody made", start + "+1s expire r9\n", 6,
			"expire: no line before this one asks for r9"},
		{"the end of a request that nobody made", start + "+1s release r9\n", 6,
			"release: no line before this one asks for r9; want a request or a call that one does"},
		{"a request given up that nobody made", start + "+1s abandon r9\n", 6,
			"abandon: no line before this one asks for r9"},
		{"a page given back that nobody got", start + "+1s discard r9 wedged\n", 6, "asks for r9"},
		{"a disposal given up that nobody made", start + "+1s abandon d9\n", 6, "asks for d9"},
		{"a call given up that nobody made", start + "+1s abandon w9\n", 6, "asks for w9"},
		{"a recycling given up that nobody made", start + "+1s abandon y9\n", 6, "asks for y9"},
		{"a request that is made later", start + "+1s release r2\n+1s get r2 b\n", 6, "asks for r2"},
		{"expect of a request that nobody made", start + "expect no grant r9\n", 6,
			"grant: no line before this one asks for r9"},
		{"expect the end of a lease that nobody had", start + "expect no lease-lost r9\n", 6,
			"asks for r9"},
		{"a hang of a tab that never came", start + "+0s hang close t9\n+1s look\n", 6,
			"hang close t9: the pool has begun no tab t9; want at most t2"},
		{"the end of a hang of nothing", start + "+1s unhang close t1\n", 6,
			"unhang: close t1 does not hang"},
		{"a page closed twice", start + "+1s opened t2\n+0s discard r1\n+1s closed t1\n+1s closed t1\n",
			9, "closed t1: nothing was asked that this answers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr, err := trace.Read(strings.NewReader(tt.text))
			if err == nil {
				_, err = replay.Run(tr, nil)
			}
			refused := new(trace.Error)
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a *trace.Error", err)
			}
			if refused.Line != tt.line || !strings.Contains(refused.What, tt.want) {
				t.Errorf("got  line %d: %s\nwant line %d: ... %s ...", refused.Line, refused.What, tt.line,
					tt.want)
			}
			if tt.line > 0 && !strings.HasPrefix(err.Error(), fmt.Sprintf("line %d: ", tt.line)) {
				t.Errorf("%q does not begin with its line", err)
			}
		})
	}
}

func TestTraceAnyCutIsRefusedOrAShorterTrace(t *testing.T) {
	data := traceFile(t, testdata.Incident)
	for n := range len(data) {
		_, err := trace.Read(bytes.NewReader(data[:n]))
		// A file of whole lines is a shorter trace, and right. Any other cut has to be noticed.
		if whole := n > 0 && data[n-1] == '\n'; whole != (err == nil) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
}

func TestTraceSecondAnswersChangeNothing(t *testing.T) {
	const text = start + "+50ms opened t2\n+0s opened t2\nexpect no grant r1\nexpect standbys " +
		"1\nexpect tabs 2\n" +
		"+0s release r1\n+0s release r1\n+0s discard r1\nexpect no close t1\nexpect idle t1\n+0s " +
		"abandon r1\nexpect no refuse r1\n"
	_, report, err := history(readTrace(t, []byte(text)))
	if err != nil || len(report.Failed) > 0 || report.Violation != nil {
		t.Fatal(err, report)
	}
}

func TestTraceFailedExpectationSaysWhatWas(t *testing.T) {
	const text = start + "expect grant r1 t2\nexpect no grant r1\nexpect tabs 7\nexpect idle " +
		"t1\nexpect gone t1\n" +
		"expect warm-list b\nexpect page-count a 2\n+1s look\nexpect grant r1 t1\n"
	_, report, err := history(readTrace(t, []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	grant := "grant r1 t1 adopted affinity=a generation=1 context=c1 browser=b1"
	want := []replay.FailedExpectation{
		{Line: 6, Want: "grant r1 t2",
			Got: "warm a generation=1; " + grant + "; open t2 context=c2 browser=b1 op=3"},
		{Line: 7, Want: "grant r1", Got: grant},
		{Line: 8, Want: "tabs 7", Got: "2 (t1 by r1, t2)"},
		{Line: 9, Want: "idle t1", Got: "leased t1"},
		{Line: 10, Want: "gone t1", Got: "leased t1"},
		{Line: 11, Want: "warm-list b", Got: "warm-list a"},
		{Line: 12, Want: "page-count a 2", Got: "1"},
		{Line: 14, Want: "grant r1 t1", Got: "nothing"},
	}
	if len(report.Failed) != len(want) {
		t.Fatalf("%d expectations failed, want %d: %v", len(report.Failed), len(want), report.Failed)
	}
	for i, got := range report.Failed {
		if got.Line != want[i].Line || strings.TrimPrefix(got.Want, "no ") != want[i].Want ||
			got.Got != want[i].Got {
			t.Errorf("got  %+v\nwant %+v", got, want[i])
		}
	}
}

func TestTraceNeedsNoAuto(t *testing.T) {
	// Without auto nothing happens by itself, but for the marks that a line need not say, and a
	// browser that says that it is there when it is asked.
	const text = start + "+29s look\nexpect opening t2\nexpect waiting 0\n"
	got, report, err := history(readTrace(t, []byte(text)))
	if err != nil || len(report.Failed) > 0 || report.Violation != nil {
		t.Fatal(err, report)
	}
	want := "@2.1s open-overdue t2\n" +
		"@10.1s browser stalled b1\n    ping b1 op=4\n@10.1s browser answers b1\n" +
		"@20.1s browser stalled b1\n    ping b1 op=5\n@20.1s browser answers b1\n@29.1s look\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%swant it to end with\n%s", got, want)
	}
	// With it, the same lines meet a browser that has answered.
	tr := readTrace(t, []byte("pagepool-trace 1\nset MaxPages=1\nauto\n@2s get r1 a\nexpect grant "+
		"r1 t1 adopted\n+29s look\nexpect standby t2\n"))
	if _, report, err = history(tr); err != nil || len(report.Failed) > 0 || report.Violation != nil {
		t.Fatal(err, report)
	}
}

func TestTraceReadsLinesWithCarriageReturns(t *testing.T) {
	for _, name := range tracePaths(t) {
		data := traceFile(t, name)
		want, _, err := history(readTrace(t, data))
		if err != nil {
			t.Fatal(err)
		}
		got, report, err := history(readTrace(t, bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))))
		if err != nil || got != want || len(report.Failed) > 0 {
			t.Errorf("testdata/%s with CRLF: another history, %v, %v", name, err, report)
		}
	}
}

// A tab that was never there is not gone.
func TestTraceATabThatNeverWasIsNotGone(t *testing.T) {
	tr, err := trace.Read(strings.NewReader("pagepool-trace 1\n@0s look\nexpect gone t9\n"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := replay.Run(tr, nil)
	if err != nil || len(report.Failed) != 1 || report.Failed[0].Got != "not opened: t9" {
		t.Errorf("%v, failed: %+v", err, report.Failed)
	}
}

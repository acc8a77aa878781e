package properties

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/replay"
)

// docs/traces.md has every verb of events, effects and the world, every fact and every reason.
func TestTidyTheTracePageHasEveryVerb(t *testing.T) {
	page := document(t, "docs/traces.md")
	unknown := []trace.Word{{Text: "fly"}}
	_, events := trace.ParseEvent(unknown, new(replay.Keys))
	_, effects := trace.ParsePattern(unknown, new(replay.Keys))
	verbs := []string{replay.WedgeVerb, replay.LoopVerb, replay.SilenceVerb, replay.HangVerb,
		replay.UnhangVerb}
	for _, err := range []error{events, effects} {
		_, list, found := strings.Cut(err.Error(), "the verbs are ")
		if !found {
			t.Fatalf("the error names no verbs: %v", err)
		}
		verbs = append(verbs, strings.Split(list, ", ")...)
	}
	facts := regexp.MustCompile("(?m)^\tcase \"([a-z-]+)\":$")
	for _, m := range facts.FindAllStringSubmatch(document(t, "sim/replay/facts.go"), -1) {
		verbs = append(verbs, m[1])
	}
	if len(verbs) < 80 {
		t.Fatalf("found %d verbs; the search is broken", len(verbs))
	}
	for _, verb := range verbs {
		if !strings.Contains(page, "`"+verb+" ") && !strings.Contains(page, "`"+verb+"`") {
			t.Errorf("docs/traces.md does not have the verb %q", verb)
		}
	}
	words := " " + strings.Join(regexp.MustCompile(`[a-z-]+`).FindAllString(page, -1), " ") + " "
	for reason := core.Reason(1); reason < core.Reasons; reason++ {
		if !strings.Contains(words, " "+reason.String()+" ") {
			t.Errorf("docs/traces.md does not have the reason %s", reason)
		}
	}
	for _, kind := range fakebrowser.OperationKinds {
		if !strings.Contains(words, " "+kind.String()+" ") {
			t.Errorf("docs/traces.md does not say that %s can hang", kind)
		}
	}
}

// The traces of docs/traces.md replay, and every expectation holds.
func TestTidyTheTracesOfTheTracePageReplay(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```\n(pagepool-trace 1\n.*?)```").
		FindAllStringSubmatch(document(t, "docs/traces.md"), -1)
	if len(blocks) == 0 {
		t.Fatal("docs/traces.md has no trace")
	}
	for _, block := range blocks {
		read, err := trace.Read(strings.NewReader(block[1]))
		if err != nil {
			t.Fatal(err)
		}
		report, err := replay.Run(read, nil)
		if err != nil {
			t.Fatal(err)
		}
		if report.Violation != nil {
			t.Errorf("docs/traces.md: %v", report.Violation)
		}
		for _, f := range report.Failed {
			t.Errorf("docs/traces.md: line %d of the trace: expected %s; got %s", f.Line, f.Want, f.Got)
		}
	}
}

// docs/track-record.md has an entry for each regression, and no other.
func TestTidyTheTrackRecordHasEveryRegression(t *testing.T) {
	named := map[string]bool{}
	entry := regexp.MustCompile("(?m)^- `([a-z0-9-]+)`: ")
	for _, m := range entry.FindAllStringSubmatch(document(t, "docs/track-record.md"), -1) {
		named[m[1]] = true
	}
	for _, path := range tracePaths(t) {
		if name, ok := strings.CutPrefix(strings.TrimSuffix(path, ".trace"), "regressions/"); ok {
			if !named[name] {
				t.Errorf("docs/track-record.md has no entry for %s", name)
			}
			delete(named, name)
		}
	}
	for name := range named {
		t.Errorf("docs/track-record.md has an entry for %s, which is no regression", name)
	}
}

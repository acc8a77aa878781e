package view_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim/traffic"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/view"
)

const small = "pagepool-trace 1\n@0s browser ready b1\n+1ms opened t1\n+0s opened t2\n+0s opened t3\n+0s opened t4\n+1ms get r1 %KEY%\n"

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
	page := view.Page{Title: "x <i>", Runs: []view.Run{*runOf(t, strings.Replace(small, "%KEY%", `"</script><img src=x>"`, 1))}}
	if err := page.Write(&out); err != nil {
		t.Fatal(err)
	}
	html := out.String()
	if strings.Contains(html, "<img src=x>") || strings.Contains(html, "<i>") || strings.Count(html, "</script>") != 2 {
		t.Errorf("a key or a title is markup in the page")
	}
	if m := regexp.MustCompile(`(src|href)="[^"]*//|@import|url\(["']?http`).FindString(html); m != "" {
		t.Errorf("the page asks the network for %s", m)
	}
	m := regexp.MustCompile(`(?s)<script>const page = (.*?);</script>`).FindStringSubmatch(html)
	var back view.Page
	if m == nil || json.Unmarshal([]byte(m[1]), &back) != nil || len(back.Runs) != 1 || back.Runs[0].Total != 7 {
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
	run, err := view.OfRun("a run", traffic.Options{Profile: traffic.ProfileNamed("staging"), Seed: 1, Hours: 2}).Run(0)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	page := view.Page{Title: "a run", Runs: []view.Run{*run}}
	if err := page.Write(&out); err != nil {
		t.Fatal(err)
	}
	last := run.Steps[len(run.Steps)-1]
	if last.Number != run.Total || len(run.Steps) >= run.Total || len(run.Overview) < 100 || run.Thinned == "" || out.Len() > 4<<20 {
		t.Errorf("%d steps to %d of %d, %d in the overview, %q, %d bytes", len(run.Steps), last.Number, run.Total,
			len(run.Overview), run.Thinned, out.Len())
	}
}

func TestTraceTheFiguresOfARunAreThoseOfItsCallers(t *testing.T) {
	text := strings.Replace(small, "%KEY%", "a", 1) + "+1s get r2 a\n+1s abandon r2\n+1s release r1\n"
	got := map[string]string{}
	for _, f := range runOf(t, text).Figures {
		got[f.Name] = f.Value
	}
	for name, want := range map[string]string{
		"grants": "2", "refusals": "0", "closes": "0", "tabs alive, at most": "4", "wait, median": "0s (r1)", "wait, longest": "0s (r2)", "still held at the end": "1 (t2 by r2 for 2s)", "worst recovery": "0s", "still waiting at the end": "0",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

func TestTraceAServedPageHasItsTimelineBesideIt(t *testing.T) {
	page := &view.Page{Title: "x", Runs: []view.Run{*runOf(t, strings.Replace(small, "%KEY%", "a", 1))}, Viewer: view.Perfetto}
	handler, err := view.Handler(page, []byte(`{"traceEvents":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "text/html; charset=utf-8", "/timeline.json": "application/json", "/other": "text/plain; charset=utf-8"} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		if got := answer.Header().Get("Content-Type"); got != want || (answer.Code == 404) != (path == "/other") {
			t.Errorf("%s: %d, %s, want %s", path, answer.Code, got, want)
		}
	}
}

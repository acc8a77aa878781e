package properties

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/poolhttp"
	"github.com/pagepool/pagepool/sim/view"
	"github.com/pagepool/pagepool/testdata"
)

// viewed is the page of a trace, served; of two runs, where set changes the second.
func viewed(t *testing.T, text []byte, viewer, set string) *httptest.Server {
	t.Helper()
	return viewedAs(t, "a run", text, viewer, set)
}

func viewedAs(t *testing.T, title string, text []byte, viewer, set string) *httptest.Server {
	t.Helper()
	var sources []*view.Source
	changes := []string{""}
	if set != "" {
		changes = append(changes, set)
	}
	for _, change := range changes {
		tr := readTrace(t, text)
		if name, value, ok := strings.Cut(change, "="); ok {
			if err := tr.Settings.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		source, err := view.OfTrace(strings.TrimSpace("run "+change), tr, nil)
		if err != nil {
			t.Fatal(err)
		}
		source.Read(text)
		sources = append(sources, source)
	}
	return served(t, &view.Page{Title: title, Viewer: viewer}, sources...)
}

// served serves the page of some runs.
func served(t *testing.T, page *view.Page, sources ...*view.Source) *httptest.Server {
	t.Helper()
	page.Open, page.Again = "soak trace FILE -perfetto OUT.json", "soak view FILE"
	var err error
	if page.Runs, page.Differs, err = view.Runs(sources, 0); err != nil {
		t.Fatal(err)
	}
	last := sources[len(sources)-1]
	line, _, err := last.Timeline(0)
	var events bytes.Buffer
	if err != nil || line.WriteTraceEvents(&events, last.Title) != nil {
		t.Fatal(err)
	}
	handler, err := view.Handler(page, events.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// scripted runs a script on a page.
func scripted[T any](t *testing.T, page *chrome.Page, script string) T {
	t.Helper()
	got, err := chrome.Run(limited(t), page, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return got
}

// onAPage opens an address in a pool on a real browser, on a screen of that size.
func onAPage(t *testing.T, p *pool.Pool[*chrome.Page], address string, width, height int64,
	fn func(page *chrome.Page)) {
	t.Helper()
	err := p.Do(limited(t), "view", func(ctx context.Context, page *chrome.Page) error {
		err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(address))
		if err == nil {
			fn(page)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The pages of runs, all in one browser.
func TestContractChromePagesOfRuns(t *testing.T) {
	onChrome(t, pool.Config{MaxPages: 1},
		func(t *testing.T, _ *chromeBench, p *pool.Pool[*chrome.Page]) {
			for name, test := range map[string]func(*testing.T, *pool.Pool[*chrome.Page]){
				"drawn, clicked and keyed": pageOfARun, "two runs on a phone": twoRunsOnAPhone,
				"of hours": pageOfHours, "why a request waited": whyARequestWaited, "on paper": onPaper,
				"keys with markup": keysWithMarkup, "handed to a viewer": handedToAViewer,
				"the pool itself": livePage, "pictures of the documents": pictures,
			} {
				t.Run(name, func(t *testing.T) { test(t, p) })
			}
		})
}

// The live page of the pool that shows it: its own lease is there, and the page loads itself anew.
func livePage(t *testing.T, p *pool.Pool[*chrome.Page]) {
	server := httptest.NewServer(poolhttp.Handler(p, poolhttp.Options{Refresh: time.Second}))
	defer server.Close()
	onAPage(t, p, server.URL, 1000, 700, func(page *chrome.Page) {
		text := scripted[string](t, page, `window.kept = true, document.body.innerText`)
		for _, want := range []string{"1 leases, 0 waiting, capacity 1", "leased by r", "nobody waits",
			"b1 ready"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		eventually(t, "the page has loaded itself anew", func() bool {
			anew, err := chrome.Run(limited(t), page,
				chromedp.Evaluate[bool](`window.kept === undefined && document.readyState === "complete"`))
			return err == nil && anew
		})
	})
}

const eventNow = `document.querySelector(".event").textContent`

// The page of the incident is drawn, clicked, keyed, filtered and looked at.
func pageOfARun(t *testing.T, p *pool.Pool[*chrome.Page]) {
	text, err := testdata.Files.ReadFile(testdata.Incident)
	if err != nil {
		t.Fatal(err)
	}
	server := viewed(t, text, "", "")
	onAPage(t, p, server.URL, 1300, 900, func(page *chrome.Page) {
		if n := scripted[int](t, page,
			`document.querySelectorAll("svg g[data-state=leased]").length`); n < 28 {
			t.Errorf("%d leases are drawn, and the run has 28 grants", n)
		}
		if lanes := scripted[string](t, page,
			`[...document.querySelectorAll("svg > text")].map(n => n.textContent).filter(s => s.startsWith("slot")).join()`); lanes != "slot 1,slot 2,slot 3,slot 4,slot 5" {
			t.Errorf("the slots are %s; want MaxPages and the spare", lanes)
		}
		openedIn(t, page)
		pressKeys(t, page, kb.ArrowRight, kb.ArrowRight)
		if got := scripted[string](t, page, eventNow); !strings.HasPrefix(got, "step 3 of 127, ") {
			t.Errorf("two keys to the right: %s", got)
		}
		pressKeys(t, page, kb.End)
		if got := scripted[string](t, page, eventNow); !strings.HasPrefix(got, "step 127 of 127, ") {
			t.Errorf("the key End: %s", got)
		}
		clickLane(t, page, "r5 waits")
		if got := scripted[string](t, page,
			`document.querySelector(".why").textContent`); !strings.Contains(got,
			"r5 (annual-cicada) has waited 0s for its tab: t2 probing") {
			t.Errorf("why r5 waits: %s", got)
		}
		scripted[string](t, page, `(k => { k.value = "annual-cicada"; k.dispatchEvent(new Event("change")); return k.value })(document.getElementById("key"))`)
		if n := scripted[int](t, page, `document.querySelectorAll("svg g.dim").length`); n < 10 {
			t.Errorf("with the filter, %d cells of others are dimmed", n)
		}
		scripted[string](t, page, `(k => { k.value = "time"; k.dispatchEvent(new Event("change")); return k.value })(document.getElementById("scale"))`)
		lookedAt(t, page)
	})
}

func pressKeys(t *testing.T, page *chrome.Page, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := page.Run(limited(t), chromedp.KeyEvent(key)); err != nil {
			t.Fatal(err)
		}
	}
}

// clickLane clicks with the mouse into the first cell that says something, once it is in sight.
func clickLane(t *testing.T, page *chrome.Page, title string) {
	t.Helper()
	clickOn(t, page, fmt.Sprintf(`[...document.querySelectorAll("svg g")].find(g => g.querySelector("title").textContent.startsWith(%q)).querySelector("rect")`, title))
}

// clickOn clicks with the mouse near the left end of an element, once it is in sight.
func clickOn(t *testing.T, page *chrome.Page, element string) {
	t.Helper()
	at := scripted[[]float64](t, page, `(g => { g.scrollIntoView({inline: "center", block: "center"});
		const b = g.getBoundingClientRect(); return [b.left + Math.min(5, b.width / 2), b.top + b.height / 2] })(`+element+`)`)
	if err := page.Run(limited(t), chromedp.MouseClickXY(at[0], at[1])); err != nil {
		t.Fatal(err)
	}
}

// lookedAt looks at a screenshot: the colours of the states are there, each on more than a few
// pixels.
func lookedAt(t *testing.T, page *chrome.Page) {
	t.Helper()
	shot, err := chrome.Run(limited(t), page, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]uint32]int{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	for state, colour := range map[string][3]uint32{
		"leased": {0, 0x9e, 0x73}, "idle": {0xf0, 0xe4, 0x42}, "standby": {0xe4, 0xe4, 0xe4},
	} {
		if seen[colour] < 50 {
			t.Errorf("%d pixels have the colour of %s", seen[colour], state)
		}
	}
}

// Two runs stand beside one another, and the page says from where on they differ; on a phone it is
// no wider than the screen.
func twoRunsOnAPhone(t *testing.T, p *pool.Pool[*chrome.Page]) {
	text, err := testdata.Files.ReadFile(testdata.Incident)
	if err != nil {
		t.Fatal(err)
	}
	server := viewed(t, text, "", "MaxLease=20s")
	onAPage(t, p, server.URL, 390, 800, func(page *chrome.Page) {
		if n := scripted[int](t, page, `document.querySelectorAll(".run svg[role=img]").length`); n != 2 {
			t.Fatalf("%d runs are drawn", n)
		}
		verdict := scripted[string](t, page, `document.getElementById("verdict").innerText`)
		for _, want := range []string{"the runs differ from step 43 on", "worst recovery\t1m35s\t25s",
			"every claim and every expectation held"} {
			if !strings.Contains(verdict, want) {
				t.Errorf("no %q in\n%s", want, verdict)
			}
		}
		if over := scripted[int](t, page, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
			t.Errorf("the page is %d pixels wider than the screen", over)
		}
	})
}

// Keys are text, whatever they say.
func keysWithMarkup(t *testing.T, p *pool.Pool[*chrome.Page]) {
	key := `</script><img src=x onerror=document.title='broken'>"'&`
	text := fmt.Sprintf("pagepool-trace 1\n@0s browser ready b1\n+1ms opened t1\n+0s opened t2\n+0s "+
		"opened t3\n+0s opened t4\n+1ms get r1 %q\n", key)
	server := viewed(t, []byte(text), "", "")
	onAPage(t, p, server.URL, 1000, 700, func(page *chrome.Page) {
		pressKeys(t, page, kb.End)
		if got := scripted[string](t, page,
			`document.title + " " + document.images.length + " " + document.getElementById("key").options[1].value`); got != "a run 0 "+key {
			t.Errorf("the title, the images and the key: %q", got)
		}
	})
}

// The page hands its timeline to the viewer by the viewer's own protocol: a stand-in plays it here.
func handedToAViewer(t *testing.T, p *pool.Pool[*chrome.Page]) {
	got := make(chan []byte, 1)
	viewer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			got <- body
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<script>addEventListener("message", async (e) => {
			if (e.data === "PING") e.source.postMessage("PONG", e.origin);
			else if (e.data.perfetto) await fetch("/got", {method: "POST", body: e.data.perfetto.title + "\n" + new TextDecoder().decode(e.data.perfetto.buffer)});
		})</script>`)
	}))
	defer viewer.Close()
	text, err := testdata.Files.ReadFile(testdata.Incident)
	if err != nil {
		t.Fatal(err)
	}
	server := viewed(t, text, viewer.URL, "")
	onAPage(t, p, server.URL, 1000, 700, func(page *chrome.Page) {
		clickOn(t, page, `document.getElementById("viewer")`)
		select {
		case body := <-got:
			title, events, _ := bytes.Cut(body, []byte("\n"))
			if string(title) != "a run" || !json.Valid(events) ||
				!bytes.Contains(events, []byte("traceEvents")) {
				t.Errorf("the viewer was given %q and %.80q", title, events)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the viewer was given nothing")
		}
	})
}

package properties

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/sim/traffic"
	"github.com/pagepool/pagepool/sim/view"
	"github.com/pagepool/pagepool/testdata"
)

// mostToOpen is how many milliseconds a page may take to open: ten times what the slower one took
// on two busy cores.
const mostToOpen = 5000

func openedIn(t *testing.T, page *chrome.Page) {
	t.Helper()
	took := scripted[float64](t, page, `performance.getEntriesByType("navigation")[0].loadEventEnd`)
	t.Logf("opened in %.0f ms", took)
	if took <= 0 || took > mostToOpen {
		t.Errorf("the page took %.0f ms to open; a tenth of %d is what it should", took, mostToOpen)
	}
}

const noticed = `document.getElementById("notice").innerText`

// The page of hours has an overview with names, states and faults. A click into it leads to a step,
// or says which command shows it; so does a figure.
func pageOfHours(t *testing.T, p *pool.Pool[*chrome.Page]) {
	source := view.OfRun("a run", traffic.Options{Profile: traffic.ProfileNamed("staging"), Seed: 1,
		Hours: 4})
	server := served(t, &view.Page{Title: "hours"}, source)
	onAPage(t, p, server.URL, 1300, 900, func(page *chrome.Page) {
		openedIn(t, page)
		for script, want := range map[string]string{
			`[...document.querySelectorAll(".overview svg > text")].map(n => n.textContent.split(",")[0]).slice(0, 7).join()`:                 "slot 1,slot 2,slot 3,slot 4,slot 5,wait,faults",
			`[...new Set([...document.querySelectorAll(".overview path[data-state]")].map(n => n.dataset.state))].sort().join().slice(0, 19)`: "closing,idle,leased",
			`String(document.querySelectorAll(".overview .fault rect").length > 10)`:                                                          "true",
			`document.querySelector(".overview .fault title").textContent.split(" ")[0]`:                                                      "step",
		} {
			if got := scripted[string](t, page, script); got != want {
				t.Errorf("%s: %q, want %q", script, got, want)
			}
		}
		clickOn(t, page, `document.querySelector(".overview .fault rect")`)
		if got := scripted[string](t, page, noticed); !strings.Contains(got,
			"is not on this page, which has") || !strings.Contains(got, "soak view FILE -first ") {
			t.Errorf("a click on an early fault: %q", got)
		}
		last := scripted[string](t, page,
			`[...document.querySelectorAll(".overview .fault title")].pop().textContent.split(":")[0]`)
		clickOn(t, page, `[...document.querySelectorAll(".overview .fault rect")].pop()`)
		onPage, now := scripted[string](t, page, noticed), scripted[string](t, page, eventNow)
		if onPage == "" && !strings.HasPrefix(now, last+" of ") ||
			onPage != "" && !strings.Contains(onPage, last+" is not on this page") {
			t.Errorf("a click on the last fault, %s: %q, %q", last, now, onPage)
		}
		clickOn(t, page, `[...document.querySelectorAll("#verdict td .jump")].pop()`)
		if got := scripted[string](t, page, noticed); !strings.Contains(got, "is not on this page") {
			t.Errorf("a click on the longest wait, which is not on the page: %q", got)
		}
		clickOn(t, page, `document.querySelector("#run1 .picture svg g rect")`)
	})
}

// The whole wait of a request is told by what it waited for and by who was in its way, and the
// figure of the longest wait leads there. A filter takes keys as they are: a is not in annual.
func whyARequestWaited(t *testing.T, p *pool.Pool[*chrome.Page]) {
	text, err := testdata.Files.ReadFile("regressions/probed-request-is-passed-by-newcomers.trace")
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.ReplaceAll(string(text), "get r22 d", "get r22 dab"))
	server := viewed(t, text, "", "")
	onAPage(t, p, server.URL, 1300, 1400, func(page *chrome.Page) {
		if got := scripted[string](t, page,
			`document.querySelector(".comments").innerText`); !strings.Contains(got,
			"was passed by for ever by newcomers that adopted standbys") {
			t.Errorf("the lead of the trace: %q", got)
		}
		clickOn(t, page, `[...document.querySelectorAll("#verdict td .jump")].pop()`)
		if got := scripted[string](t, page,
			`document.querySelector(".panel").innerText`); !strings.Contains(got, "The whole wait of r22") {
			t.Errorf("the longest wait, which has no end, does not lead to r22: %s", got)
		}
		clickOn(t, page, `[...document.querySelectorAll(".picture title")].find(n => n.textContent.startsWith("r1 waits")).parentNode`)
		story := scripted[string](t, page,
			`[...document.querySelectorAll(".panel section")].map(n => n.innerText).find(s => s.startsWith("The whole wait of r1"))`)
		for _, want := range []string{"2s for the root limit: t1 by r10, t3 by r20 from step 10",
			"for its tab: t2 probing from step 13",
			"for the root limit: t1 by r10, t4 by r21 from step 16, overtaken once by then"} {
			if !strings.Contains(story, want) {
				t.Errorf("no %q in\n%s", want, story)
			}
		}
		pressKeys(t, page, kb.End, kb.ArrowLeft)
		why := scripted[string](t, page,
			`[...document.querySelectorAll(".why")].map(n => n.textContent).join("\\n")`)
		if !strings.Contains(why, "r22 (dab) has waited 4.21s for an older request, r1, which was "+
			"overtaken as often as MaxBypass=1 allows") {
			t.Errorf("why r22 waits: %s", why)
		}
		scripted[string](t, page, `(k => { k.value = "a"; k.dispatchEvent(new Event("change")); return k.value })(document.getElementById("key"))`)
		if got := scripted[string](t, page,
			`[...document.querySelectorAll(".why")].map(n => n.textContent.split(" ")[0]).join()`); got !=
			"r1" {
			t.Errorf("with the filter a, the waits of %s are in sight, want those of r1", got)
		}
		pressKeys(t, page, kb.End)
		if got := scripted[string](t, page,
			`[...document.querySelectorAll("h3")].map(n => n.textContent).join()`); !strings.Contains(got,
			"Browsers,Affinities") {
			t.Errorf("the parts of a step: %s", got)
		}
	})
}

// On paper there is no cursor: every step stands there, in bands as wide as the paper, with its
// waits.
func onPaper(t *testing.T, p *pool.Pool[*chrome.Page]) {
	text, err := testdata.Files.ReadFile(testdata.Incident)
	if err != nil {
		t.Fatal(err)
	}
	server := viewed(t, text, "", "")
	const a4 = 718 // within the margins, in pixels of CSS
	onAPage(t, p, server.URL, a4, 1000, func(page *chrome.Page) {
		onto := func(media string) {
			if err := page.Run(limited(t),
				chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
					_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia,
						emulation.SetEmulatedMediaParams{Media: media})
					return err
				})); err != nil {
				t.Fatal(err)
			}
		}
		onto("print")
		defer onto("")
		eventually(t, "the steps stand on paper", func() bool {
			return scripted[int](t, page, `document.querySelectorAll(".paper tr").length`) > 127
		})
		for script, want := range map[string]int{
			`document.querySelectorAll(".paper svg").length`:                                                                                      12,
			`[...document.querySelectorAll(".paper td:first-child")].filter((n, i) => +n.textContent !== i + 1).length`:                           0,
			`[...document.querySelectorAll(".picture, .panel, #tools")].filter(n => n.getClientRects().length).length`:                            0,
			`Math.max(0, document.documentElement.scrollWidth - innerWidth)`:                                                                      0,
			`[...document.querySelectorAll(".paper svg text")].filter(n => n.getBoundingClientRect().height < 9).length`:                          0,
			`[...document.querySelectorAll(".paper td")].filter(n => n.textContent.includes("r5 (annual-cicada) has waited")).length > 0 ? 1 : 0`: 1,
		} {
			if got := scripted[int](t, page, script); got != want {
				t.Errorf("%s: %d, want %d", script, got, want)
			}
		}
	})
}

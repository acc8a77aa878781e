package properties

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What one lease leaves to the next one of the same tab, on real Chrome.

// order is one of the protocol's, sent on the session of a lease.
type order struct {
	method string
	params string // JSON; empty: none
}

func (o order) run(ctx context.Context, page *chrome.Page) error {
	params := map[string]any{}
	if o.params != "" {
		if err := json.Unmarshal([]byte(o.params), &params); err != nil {
			return err
		}
	}
	err := page.Run(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return t.Call(ctx, o.method, params, nil)
	}))
	if err != nil {
		return fmt.Errorf("%s: %w", o.method, err)
	}
	return nil
}

// settings are what a holder sets, and what the lookout's page shows differently then. Where
// nothing is named, the setting would keep the lookout from its end.
var settings = map[string]struct {
	set  []order
	show string
}{
	"user agent": {[]order{{"Emulation.setUserAgentOverride", `{"userAgent":"MyBot/1"}`}},
		"userAgent"},
	"accepted language": {
		[]order{{"Emulation.setUserAgentOverride", `{"userAgent":"MyBot/1","acceptLanguage":"xx"}`}},
		"asked"},
	"time zone": {[]order{{"Emulation.setTimezoneOverride", `{"timezoneId":"Asia/Tokyo"}`}},
		"zone"},
	"locale": {[]order{{"Emulation.setLocaleOverride", `{"locale":"de-DE"}`}}, "locale"},
	"size": {
		[]order{
			{"Emulation.setDeviceMetricsOverride",
				`{"width":123,"height":456,"deviceScaleFactor":3,"mobile":false}`}}, "size"},
	"touch": {
		[]order{{"Emulation.setTouchEmulationEnabled", `{"enabled":true,"maxTouchPoints":5}`}}, "touch"},
	"media": {
		[]order{
			{"Emulation.setEmulatedMedia",
				`{"media":"print","features":[{"name":"prefers-color-scheme","value":"dark"}]}`}}, "media"},
	"hardware": {
		[]order{{"Emulation.setHardwareConcurrencyOverride", `{"hardwareConcurrency":99}`}}, "cores"},
	"no cookies": {[]order{{"Emulation.setDocumentCookieDisabled", `{"disabled":true}`}},
		"cookies"},
	"no scripts": {[]order{{"Emulation.setScriptExecutionDisabled", `{"value":true}`}}, "-"},
	"focus":      {[]order{{"Emulation.setFocusEmulationEnabled", `{"enabled":false}`}}, ""},
	"blocked addresses": {
		[]order{{"Network.enable", ""}, {"Network.setBlockedURLs", `{"urls":["*.png"]}`}}, "image"},
	"offline": {
		[]order{
			{"Network.emulateNetworkConditions",
				`{"offline":true,"latency":0,"downloadThroughput":-1,"uploadThroughput":-1}`}}, "-"},
	"slow network": {
		[]order{
			{"Network.emulateNetworkConditions",
				`{"offline":false,"latency":60000,"downloadThroughput":-1,"uploadThroughput":-1}`}}, "-"},
	"headers": {[]order{{"Network.setExtraHTTPHeaders", `{"headers":{"X-Left":"yes"}}`}},
		"asked"},
	"no cache": {[]order{{"Network.setCacheDisabled", `{"cacheDisabled":true}`}}, "asked"},
	"script": {
		[]order{{"Page.addScriptToEvaluateOnNewDocument", `{"source":"window.left = 1"}`}}, "left"},
	"binding": {[]order{{"Runtime.addBinding", `{"name":"bound"}`}}, "bound"},
	"background": {
		[]order{{"Emulation.setDefaultBackgroundColorOverride", `{"color":{"r":255,"g":0,"b":0,"a":1}}`}},
		"picture"},
	"data saver": {[]order{{"Emulation.setDataSaverOverride", `{"dataSaverEnabled":true}`}}, ""},
	"animation": {
		[]order{{"Animation.enable", ""}, {"Animation.setPlaybackRate", `{"playbackRate":0}`}}, ""},
	"requests stopped": {[]order{{"Fetch.enable", ""}}, "-"},
	"scripts stopped":  {[]order{{"Debugger.enable", ""}, {"Debugger.pause", ""}}, "-"},
	"input ignored":    {[]order{{"Input.setIgnoreInputEvents", `{"ignore":true}`}}, "clicks"},
	"workers wait": {
		[]order{
			{"Target.setAutoAttach", `{"autoAttach":true,"waitForDebuggerOnStart":true,"flatten":true}`}},
		"worker"},
	"no document":      {[]order{{"DOM.disable", ""}}, "-"},
	"no page events":   {[]order{{"Page.disable", ""}}, "-"},
	"no script events": {[]order{{"Runtime.disable", ""}}, "-"},
	"slow processor":   {[]order{{"Emulation.setCPUThrottlingRate", `{"rate":20}`}}, ""},
	"a key held": {
		[]order{
			{"Input.dispatchKeyEvent", `{"type":"keyDown","key":"Shift","code":"ShiftLeft","modifiers":8}`}},
		""},
	"a button held": {
		[]order{
			{
				"Input.dispatchMouseEvent", `{"type":"mousePressed","x":5,"y":5,"button":"left","clickCount":1}`}}, ""},
}

// lookout is a page that shows whatever a holder may have set.
const lookout = `<!doctype html><title>silent</title><script src=/lookout.js></script><script>window.inline = true</script>
	<meta name=viewport content="width=device-width"><button id=b style="width:300px;height:100px">b</button><p id=p>p</p>`

const look = `(async () => {
	const asked = await (await fetch('/echo')).json()
	const image = await fetch('/a.png').then(r => r.status, () => 'refused')
	const worker = await new Promise(done => {
		const w = new Worker('/worker.js'); w.onmessage = e => { done(e.data); w.terminate() }
		setTimeout(() => done('silent'), 3000) })
	document.cookie = 'seen=1'
	return JSON.stringify({
		title: document.title, asked, image, worker, userAgent: navigator.userAgent,
		zone: Intl.DateTimeFormat().resolvedOptions().timeZone, locale: Intl.DateTimeFormat().resolvedOptions().locale,
		size: [innerWidth, innerHeight, devicePixelRatio], outer: [outerWidth, outerHeight], touch: navigator.maxTouchPoints,
		media: [matchMedia('print').matches, matchMedia('(prefers-color-scheme: dark)').matches],
		cores: navigator.hardwareConcurrency, cookies: document.cookie.includes('seen=1'), online: navigator.onLine, focus: document.hasFocus(),
		inline: typeof inline, left: typeof left, bound: typeof bound, font: getComputedStyle(p).fontSize,
		scale: visualViewport.scale, saves: navigator.connection?.saveData, visible: document.visibilityState,
		clicks: window.clicks, shift: window.shift, quota: (await navigator.storage?.estimate())?.quota > 1e6,
	}) })()`

func newLookout(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/lookout":
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Security-Policy", "script-src 'self'")
			fmt.Fprint(w, lookout)
		case "/lookout.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `document.title = 'lookout'; window.clicks = 0
				addEventListener('click', e => { if (e.target.id == 'b') { clicks++; shift = e.shiftKey } })`)
		case "/worker.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, "postMessage('works')")
		case "/echo":
			w.Header().Set("Cache-Control", "no-store")
			asked := map[string]string{}
			for _, name := range []string{"User-Agent", "Accept-Language", "X-Left", "Cache-Control"} {
				asked[name] = r.Header.Get(name)
			}
			_ = json.NewEncoder(w).Encode(asked)
		case "/a.png":
			w.Header().Set("Cache-Control", "no-store")
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// corner is a picture of the page where it has nothing but its background.
func corner(ctx context.Context, t *chromedp.Target) ([]byte, error) {
	shot, err := cdp.Call(ctx, t, page.CaptureScreenshot,
		page.CaptureScreenshotParams{Clip: &page.Viewport{Width: 4, Height: 4, Scale: 1}})
	return shot.Data, err
}

// seen is what the lookout shows.
func seen(ctx context.Context, page *chrome.Page, url string) (map[string]any, error) {
	if err := page.Run(ctx, chromedp.Navigate(url+"/lookout"), chromedp.WaitVisible("#b"),
		chromedp.Click("#b")); err != nil {
		return nil, err
	}
	text, err := chrome.Run(ctx, page, chromedp.Evaluate[string](look, chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, err
	}
	picture, err := chrome.Run(ctx, page, corner)
	shows := map[string]any{"picture": fmt.Sprintf("%x", sha256.Sum256(picture))[:8]}
	if err == nil {
		err = json.Unmarshal([]byte(text), &shows)
	}
	return shows, err
}

// A place that a lease is at is not the next one's, whose tenant may still be asked for it.
func TestContractChromeThePlaceOfALeaseEndsWithIt(t *testing.T) {
	needsChrome(t)
	server := newLookout(t)
	const where = `new Promise(done => navigator.geolocation.getCurrentPosition(
		p => done(String(p.coords.latitude)), e => done("error"), {timeout: 1000}))`
	for mode, is := range modes {
		t.Run(mode, func(t *testing.T) {
			configure := func(l *chrome.Launcher) { l.ClearStorage = is.clear }
			onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
				tab := s.tab(s.context())
				for _, place := range []string{"48", ""} {
					s.ok("go there", tab.Page().Run(s.limit(), chromedp.Navigate(server.URL+"/lookout")))
					s.ok("may ask", order{"Browser.grantPermissions",
						`{"permissions":["geolocation"]}`}.run(s.limit(), tab.Page()))
					if place != "" {
						s.ok("set it", order{"Emulation.setGeolocationOverride",
							`{"latitude":48,"longitude":11,"accuracy":1}`}.
							run(s.limit(), tab.Page()))
					}
					at, err := chrome.Run(s.limit(), tab.Page(),
						chromedp.Evaluate[string](where, chromedp.EvalAwaitPromise))
					s.ok("look", err)
					if at != place && (place != "" || at == "48") {
						t.Errorf("it is at %q, want %q", at, place)
					}
					s.next(tab, is.reset)
				}
			})
		})
	}
}

// modes are the settings that decide what the next lease meets.
var modes = map[string]struct{ reset, clear bool }{
	"Reset off": {}, "Reset on": {reset: true}, "ClearStorage": {true, true},
}

// next ends a lease and begins the next one, as a pool does.
func (s *contractStage[P]) next(tab pool.Tab[P], reset bool) {
	s.Helper()
	if reset {
		s.reset(tab)
		return
	}
	s.end(tab)
	s.begin(tab)
}

// Each setting of a session ends with its lease, and so does what keeps the lookout from its end.
func TestContractChromeWhatAHolderSetsEndsWithHisLease(t *testing.T) {
	needsChrome(t)
	server := newLookout(t)
	for mode, is := range modes {
		t.Run(mode, func(t *testing.T) {
			configure := func(l *chrome.Launcher) { l.ClearStorage = is.clear }
			onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
				tab := s.tab(s.context())
				want, err := seen(s.limit(), tab.Page(), server.URL)
				s.ok("the first look", err)
				t.Log(want)
				for name, setting := range settings {
					t.Run(name, func(t *testing.T) {
						s := &contractStage[*chrome.Page]{T: t, bench: s.bench, browser: s.browser}
						s.next(tab, is.reset)
						for _, c := range setting.set {
							s.ok("set it", c.run(s.limit(), tab.Page()))
						}
						if setting.show != "" && setting.show != "-" {
							got, err := seen(s.limit(), tab.Page(), server.URL)
							s.ok("look at what is set", err)
							if reflect.DeepEqual(got[setting.show], want[setting.show]) {
								t.Fatalf("it shows nothing: %s is %v", setting.show, got[setting.show])
							}
						}
						s.next(tab, is.reset)
						got, err := seen(s.limit(), tab.Page(), server.URL)
						s.ok("the next look", err)
						if !reflect.DeepEqual(got, want) {
							t.Errorf("the next lease sees\n%v, want\n%v", got, want)
						}
					})
				}
			})
		})
	}
}

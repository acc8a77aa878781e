package properties

import (
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool/chrome"
)

// threeD is what a page can draw on the graphics process that all pages share, endlessly if it
// wants to.
const threeD = `(async () => {
	const found = ["webgl", "webgl2"].filter(kind => document.createElement("canvas").getContext(kind))
	const adapter = navigator.gpu ? await navigator.gpu.requestAdapter() : null
	return (adapter ? [...found, "webgpu"] : found).join(" ")
})()`

func TestContractChromeNoPageHas3DUnlessWebGLAsksForIt(t *testing.T) {
	for name, c := range map[string]struct {
		on   bool
		want func(string) bool
	}{
		"off": {false, func(found string) bool { return found == "" }},
		"on":  {true, func(found string) bool { return len(found) > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			onBrowser(t, func(l *chrome.Launcher) { l.WebGL = c.on },
				func(s *contractStage[*chrome.Page], b *chromeBench) {
					page := s.tab(s.context()).Page()
					s.ok("Work", b.work(s.limit(), page))
					found, err := chrome.Run(s.limit(), page, chromedp.Evaluate[string](threeD,
						func(params *runtime.EvaluateParams) { params.AwaitPromise = new(true) }))
					s.ok("Evaluate", err)
					t.Logf("found %q", found)
					if !c.want(found) {
						t.Errorf("a page can draw with %q", found)
					}
				})
		})
	}
}

package properties

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool/chrome"
)

// A holder who asks for more than MaxAnswer is told both sizes, and goes on with the same page. So
// is one of a remote browser.
func TestContractChromeAnAnswerAboveMaxAnswerSaysSo(t *testing.T) {
	const most = 1 << 20
	asks := func(s *contractStage[*chrome.Page], owner string, page *chrome.Page) {
		long := chromedp.Evaluate[string](fmt.Sprintf("'x'.repeat(%d)", 3*most))
		_, err := chrome.Run(s.limit(), page, long)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s.MaxAnswer is %d", owner, most)) ||
			!strings.Contains(err.Error(), "the answer has 3145") {
			s.Errorf("3 MB of %s: %v", owner, err)
		}
		short, err := chrome.Run(s.limit(), page,
			chromedp.Evaluate[string](fmt.Sprintf("'x'.repeat(%d)", most/2)))
		if err != nil || len(short) != most/2 {
			s.Errorf("half of it of %s: %d bytes, %v", owner, len(short), err)
		}
	}
	onBrowser(t, func(l *chrome.Launcher) { l.MaxAnswer = most },
		func(s *contractStage[*chrome.Page], b *chromeBench) {
			asks(s, "Launcher", s.tab(s.context()).Page())
			b.mu.Lock()
			out := b.outputs[s.browser]
			b.mu.Unlock()
			url, err := out.url()
			s.ok("the address", err)
			remote, err := chrome.Remote{URL: url,
				Options: chrome.Options{MaxAnswer: most}}.Launch(s.limit())
			s.ok("Launch", err)
			c, err := remote.NewContext(s.limit())
			s.ok("NewContext", err)
			tab, err := c.NewTab(s.limit())
			s.ok("NewTab", err)
			s.begin(tab)
			asks(s, "Remote", tab.Page())
			s.ok("Close", remote.Close(s.limit()))
		})
}

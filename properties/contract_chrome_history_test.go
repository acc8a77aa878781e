package properties

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool/chrome"
)

// Chromium keeps pages that were left, and shows them again without loading them: then no event of
// loading comes, for which chromedp waits.
func TestContractChromeAStepBackLoadsThePageAnew(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<title>%s</title><script>onpageshow = e => { if (e.persisted) document.title = "kept" }</script>`,
			r.URL.Path[1:])
	}))
	defer server.Close()
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		page := s.tab(s.context()).Page()
		for range 3 {
			s.ok("navigate, and go back", page.Run(s.limit(), chromedp.Navigate(server.URL+"/one"),
				chromedp.Navigate(server.URL+"/two"), chromedp.NavigateBack()))
			title, err := chrome.Run(s.limit(), page, chromedp.Title())
			s.ok("read the title", err)
			if title != "one" {
				t.Errorf("the page has the title %q, want one", title)
			}
		}
	})
}

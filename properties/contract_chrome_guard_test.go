package properties

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Two tenants on real Chrome, one of them hostile: what his commands reach, and what they do not.

// tenants are a hostile holder and his victim, whose page has a secret in its address and in a
// cookie.
type tenants struct {
	*testing.T
	bench   *chromeBench
	pool    *pool.Pool[*chrome.Page]
	hostile *pool.Lease[*chrome.Page]
	victim  *pool.Lease[*chrome.Page]
	id      target.ID            // the victim's page
	context cdp.BrowserContextID // the victim's context
}

const secret = "keep-this-to-yourself"

// onTenants runs fn with both, and checks that the victim works on afterwards.
func onTenants(t *testing.T, configure func(*chrome.Launcher), fn func(s *tenants)) {
	t.Helper()
	onChromeAs(t, configure, twoTabs, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		s := &tenants{T: t, bench: b, pool: p}
		leases := map[string]**pool.Lease[*chrome.Page]{"hostile": &s.hostile, "victim": &s.victim}
		for affinity, lease := range leases {
			var err error
			if *lease, err = p.GetPage(limited(t), affinity); err != nil {
				t.Fatal(err)
			}
			defer (*lease).Release()
			if err := b.work(limited(t), (*lease).Page()); err != nil {
				t.Fatal(err)
			}
		}
		page := s.victim.Page()
		s.id, s.context = page.TargetID(), chromedp.FromContext(page.Context()).BrowserContextID
		err := page.Run(limited(t), chromedp.Navigate(b.server.URL+"/page?"+secret),
			chromedp.Evaluate[chromedp.Void]("document.cookie = 'secret="+secret+"'"))
		if err != nil {
			t.Fatal(err)
		}
		fn(s)
		s.unharmed("in the end")
	})
}

// unharmed checks that the victim's lease is held and its page works, and that others are served.
func (s *tenants) unharmed(when string) {
	s.Helper()
	if cause := context.Cause(s.victim.Context()); cause != nil {
		s.Fatalf("%s, the victim's lease has ended: %v", when, cause)
	}
	if err := s.bench.work(limited(s.T), s.victim.Page()); err != nil {
		s.Fatalf("%s, the victim: %v", when, err)
	}
}

// send sends a command as a holder with plain chromedp does: to the browser, or to his page.
func (s *tenants) send(toBrowser bool, method, params string) (jsonv2.Value, error) {
	ctx, cancel := context.WithTimeout(s.hostile.Context(), contractLimit)
	defer cancel()
	var result jsonv2.Value
	c := chromedp.FromContext(ctx)
	if toBrowser {
		return result, c.Browser.Call(ctx, method, jsonv2.Value(params), &result)
	}
	return result, c.Target.Call(ctx, method, jsonv2.Value(params), &result)
}

// isRefusal reports whether an error is an answer of the driver's that names the command and a
// setting.
func isRefusal(err error, method, setting string) bool {
	var answer *cdproto.Error
	return errors.As(err, &answer) &&
		strings.HasPrefix(answer.Message, "chrome: "+method+" is refused: ") &&
		strings.Contains(answer.Message, "Launcher."+setting)
}

func TestContractChromeHolderSeesNothingOfOtherTenants(t *testing.T) {
	onTenants(t, nil, func(s *tenants) {
		asks := []struct{ method, params string }{
			{"Target.getTargets", `{}`}, {"Target.getTargets", `{"filter":[{}]}`},
			{"Target.getBrowserContexts", `{}`},
			{"Storage.getCookies", `{}`},
			{"Storage.getCookies", fmt.Sprintf(`{"browserContextId":%q}`, s.context)},
			{"Target.getTargetInfo", fmt.Sprintf(`{"targetId":%q}`, s.id)},
			{"Browser.getBrowserCommandLine", `{}`},
			{"Target.attachToTarget", fmt.Sprintf(`{"targetId":%q,"flatten":true}`, s.id)},
			{"Target.attachToBrowserTarget", `{}`},
			{"Browser.getWindowForTarget", fmt.Sprintf(`{"targetId":%q}`, s.id)},
			{"SystemInfo.getProcessInfo", `{}`},
		}
		for _, toBrowser := range []bool{true, false} {
			for _, ask := range asks {
				result, err := s.send(toBrowser, ask.method, ask.params)
				for _, of := range []string{secret, string(s.id), string(s.context)} {
					if strings.Contains(string(result), of) {
						t.Errorf("%s %s to the browser %v tells %s", ask.method, ask.params, toBrowser, result)
					}
				}
				named := strings.Contains(ask.params, "Id") ||
					!strings.HasPrefix(ask.method, "Target.get") && ask.method != "Storage.getCookies"
				if named && (err == nil || len(result) > 0) {
					t.Errorf("%s %s to the browser %v: %s, %v", ask.method, ask.params, toBrowser, result, err)
				}
			}
		}
		infos, err := chromedp.Targets(s.hostile.Context())
		if err != nil ||
			!slices.ContainsFunc(
				infos,
				func(i *target.Info) bool { return i.TargetID == s.hostile.Page().TargetID() },
			) {
			t.Errorf("the holder's own page is not listed: %v, %v", infos, err)
		}
	})
}

// chromedp has every page's session told of all targets.
func TestContractChromeHolderHearsNothingOfOtherTenants(t *testing.T) {
	onTenants(t, nil, func(s *tenants) {
		var heard atomic.Int64
		foreign := make(chan string, 64)
		listen := func(event any) {
			text := fmt.Sprint(event)
			switch event := event.(type) {
			case *target.EventTargetCreated:
				text = fmt.Sprint(*event.TargetInfo)
			case *target.EventTargetInfoChanged:
				text = fmt.Sprint(*event.TargetInfo)
				heard.Add(1)
			}
			if strings.Contains(text, string(s.id)) || strings.Contains(text, secret) {
				select {
				case foreign <- text:
				default:
				}
			}
		}
		if err := chromedp.Listen(s.hostile.Context(), listen); err != nil {
			t.Fatal(err)
		}
		_, err := s.send(false, "Target.setDiscoverTargets", `{"discover":true,"filter":[{}]}`)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			err := s.victim.Page().Run(limited(t), chromedp.Navigate(s.bench.server.URL+"/page?"+secret))
			if err != nil {
				t.Fatal(err)
			}
			// Events come in order, so behind this one's nothing of the others is to come.
			if err := s.bench.work(limited(t), s.hostile.Page()); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the holder hears of his own page", func() bool { return heard.Load() > 0 })
		select {
		case text := <-foreign:
			t.Errorf("the hostile holder hears %s", text)
		default:
		}
	})
}

func TestContractChromeHolderHarmsNoOtherTenant(t *testing.T) {
	onTenants(t, nil, func(s *tenants) {
		attacks := []struct {
			toBrowser      bool
			method, params string
		}{
			{
				true,
				"Target.setAutoAttach",
				`{"autoAttach":true,"waitForDebuggerOnStart":true,"flatten":true}`,
			},
			{true, "Fetch.enable", `{}`}, {true, "Security.setIgnoreCertificateErrors", `{"ignore":true}`},
			{true, "Target.closeTarget", fmt.Sprintf(`{"targetId":%q}`, s.id)},
			{true, "Target.disposeBrowserContext", fmt.Sprintf(`{"browserContextId":%q}`, s.context)},
			{true, "Storage.clearCookies", fmt.Sprintf(`{"browserContextId":%q}`, s.context)},
			{
				true,
				"Browser.setDownloadBehavior",
				fmt.Sprintf(`{"behavior":"deny","browserContextId":%q}`, s.context),
			},
			{
				true,
				"Target.createTarget",
				fmt.Sprintf(`{"url":"about:blank","browserContextId":%q}`, s.context),
			},
			{
				true,
				"Target.exposeDevToolsProtocol",
				fmt.Sprintf(`{"targetId":%q}`, s.hostile.Page().TargetID()),
			},
			{
				true,
				"Target.autoAttachRelated",
				fmt.Sprintf(`{"targetId":%q,"waitForDebuggerOnStart":true}`, s.id),
			},
			{false, "Tracing.start", `{}`}, {true, "Tracing.start", `{}`},
			{false, "Memory.simulatePressureNotification", `{"level":"critical"}`},
			{false, "Emulation.addScreen", `{"left":0,"top":2000,"width":800,"height":600}`},
			{true, "Browser.crashGpuProcess", `{}`}, {false, "Browser.close", `{}`},
			{true, "Browser.crash", `{}`},
			{false, "Browser.crash", `{}`},
		}
		for _, attack := range attacks {
			result, err := s.send(attack.toBrowser, attack.method, attack.params)
			if !isRefusal(err, attack.method, "WholeBrowser") {
				t.Errorf("%s %s: %s, %v", attack.method, attack.params, result, err)
			}
			s.unharmed("after " + attack.method)
		}
		// The driver's books live on what the browser tells of targets.
		if _, err := s.send(true, "Target.setDiscoverTargets", `{"discover":false}`); err != nil {
			t.Error(err)
		}
		s.hostile.Release()
		// Every later page of everybody opens and works.
		for i := range 3 {
			if err := s.pool.Do(limited(t), fmt.Sprint("later ", i), s.bench.work); err != nil {
				t.Errorf("later tenant %d: %v", i, err)
			}
		}
	})
}

func TestContractChromeHolderOwnsWhatHeOpens(t *testing.T) {
	onTenants(t, nil, func(s *tenants) {
		ctx := s.hostile.Context()
		if err := s.bench.popup(limited(t), s.hostile.Page()); err != nil {
			t.Fatal(err)
		}
		made, err := chromedp.CallBrowser(
			ctx,
			target.CreateTarget,
			target.CreateTargetParams{URL: "about:blank"},
		)
		if err != nil {
			t.Fatal(err)
		}
		own, leave := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
		defer leave()
		if err := chromedp.Do(own, chromedp.Navigate(s.bench.server.URL+"/page")); err != nil {
			t.Fatal(err)
		}
		infos, err := chromedp.Targets(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pages := make(map[target.ID]bool)
		for _, info := range infos {
			if info.Type == "page" {
				pages[info.TargetID] = true
			}
		}
		mine := chromedp.FromContext(own).Target.TargetID
		if len(pages) != 4 || !pages[made.TargetID] || !pages[mine] ||
			!pages[s.hostile.Page().TargetID()] {
			t.Errorf("listed are %v", pages)
		}
		// What was opened without a context is in the holder's own.
		inside, _ := chromedp.NewContext(ctx, chromedp.WithTargetID(made.TargetID))
		err = chromedp.Do(
			inside,
			chromedp.Navigate(s.bench.server.URL+"/page"),
			chromedp.Evaluate[chromedp.Void]("document.cookie = 'own=1'"),
		)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := chromedp.CallBrowser(ctx, storage.GetCookies, storage.GetCookiesParams{})
		if err != nil || len(kept.Cookies) != 1 || kept.Cookies[0].Name != "own" {
			t.Errorf("the holder's cookies: %v, %v", kept.Cookies, err)
		}
		contexts, err := chromedp.CallBrowser(ctx, target.GetBrowserContexts, cdp.Empty{})
		if err != nil || len(contexts.BrowserContextIDs) != 2 {
			t.Errorf("the holder's contexts: %v, %v", contexts, err)
		}
		closes := target.CloseTargetParams(made)
		_, err = chromedp.CallBrowser(ctx, target.CloseTarget, closes)
		if err != nil {
			t.Errorf("closing an own page: %v", err)
		}
		if err := chromedp.Cancel(own); err != nil {
			t.Errorf("ending an own context: %v", err)
		}
	})
}

// A user of the browser, who is beside the pool, closes a page that is leased.
func TestContractChromeHolderWhosePageAUserClosesIsToldSo(t *testing.T) {
	onChrome(t, twoTabs, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		err := p.Do(limited(t), "a", func(ctx context.Context, page *chrome.Page) error {
			as(t, b, b.lone(), target.CloseTarget, target.CloseTargetParams{TargetID: page.TargetID()})
			<-ctx.Done()
			return page.Run(limited(t), chromedp.Navigate("about:blank"))
		})
		if !errors.Is(err, chrome.ErrPageClosed) || errors.Is(err, pool.ErrPageCrashed) ||
			!strings.Contains(err.Error(), "not by the pool") {
			t.Errorf("Do: %v", err)
		}
		if c := p.Stats().Counters; c.Crashes != 0 || c.PagesClosed != 1 {
			t.Errorf("%d crashes and %d closed pages", c.Crashes, c.PagesClosed)
		}
		if err := p.Do(limited(t), "a", b.work); err != nil {
			t.Errorf("the next holder: %v", err)
		}
	})
}

func TestContractChromeHolderOfTheWholeBrowserHasIt(t *testing.T) {
	onTenants(t, func(l *chrome.Launcher) { l.WholeBrowser = true }, func(s *tenants) {
		infos, err := s.send(true, "Target.getTargets", `{}`)
		if err != nil || !strings.Contains(string(infos), secret) {
			t.Errorf("the targets are %s, %v", infos, err)
		}
		if _, err := s.send(false, "Tracing.getCategories", `{}`); err != nil {
			t.Error(err)
		}
	})
}

package properties

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/fetch"
	jsruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Two tenants on real Chrome, one of them hostile: what his commands reach, and what they do not.

// tenants are a hostile holder and his victim, whose page has a secret in its address and in a cookie.
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
		for affinity, lease := range map[string]**pool.Lease[*chrome.Page]{"hostile": &s.hostile, "victim": &s.victim} {
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

// isRefusal reports whether an error is an answer of the driver's that names the command and a setting.
func isRefusal(err error, method, setting string) bool {
	var answer *cdproto.Error
	return errors.As(err, &answer) && strings.HasPrefix(answer.Message, "chrome: "+method+" is refused: ") &&
		strings.Contains(answer.Message, "Launcher."+setting)
}

func TestContractChromeHolderSeesNothingOfOtherTenants(t *testing.T) {
	onTenants(t, nil, func(s *tenants) {
		asks := []struct{ method, params string }{
			{"Target.getTargets", `{}`}, {"Target.getTargets", `{"filter":[{}]}`}, {"Target.getBrowserContexts", `{}`},
			{"Storage.getCookies", `{}`}, {"Storage.getCookies", fmt.Sprintf(`{"browserContextId":%q}`, s.context)},
			{"Target.getTargetInfo", fmt.Sprintf(`{"targetId":%q}`, s.id)}, {"Browser.getBrowserCommandLine", `{}`},
			{"Target.attachToTarget", fmt.Sprintf(`{"targetId":%q,"flatten":true}`, s.id)}, {"Target.attachToBrowserTarget", `{}`},
			{"Browser.getWindowForTarget", fmt.Sprintf(`{"targetId":%q}`, s.id)}, {"SystemInfo.getProcessInfo", `{}`},
		}
		for _, toBrowser := range []bool{true, false} {
			for _, ask := range asks {
				result, err := s.send(toBrowser, ask.method, ask.params)
				for _, of := range []string{secret, string(s.id), string(s.context)} {
					if strings.Contains(string(result), of) {
						t.Errorf("%s %s to the browser %v tells %s", ask.method, ask.params, toBrowser, result)
					}
				}
				named := strings.Contains(ask.params, "Id") || !strings.HasPrefix(ask.method, "Target.get") && ask.method != "Storage.getCookies"
				if named && (err == nil || len(result) > 0) {
					t.Errorf("%s %s to the browser %v: %s, %v", ask.method, ask.params, toBrowser, result, err)
				}
			}
		}
		infos, err := chromedp.Targets(s.hostile.Context())
		if err != nil || !slices.ContainsFunc(infos, func(i *target.Info) bool { return i.TargetID == s.hostile.Page().TargetID() }) {
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
		if _, err := s.send(false, "Target.setDiscoverTargets", `{"discover":true,"filter":[{}]}`); err != nil {
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
			{true, "Target.setAutoAttach", `{"autoAttach":true,"waitForDebuggerOnStart":true,"flatten":true}`},
			{true, "Fetch.enable", `{}`}, {true, "Security.setIgnoreCertificateErrors", `{"ignore":true}`},
			{true, "Target.closeTarget", fmt.Sprintf(`{"targetId":%q}`, s.id)},
			{true, "Target.disposeBrowserContext", fmt.Sprintf(`{"browserContextId":%q}`, s.context)},
			{true, "Storage.clearCookies", fmt.Sprintf(`{"browserContextId":%q}`, s.context)},
			{true, "Browser.setDownloadBehavior", fmt.Sprintf(`{"behavior":"deny","browserContextId":%q}`, s.context)},
			{true, "Target.createTarget", fmt.Sprintf(`{"url":"about:blank","browserContextId":%q}`, s.context)},
			{true, "Target.exposeDevToolsProtocol", fmt.Sprintf(`{"targetId":%q}`, s.hostile.Page().TargetID())},
			{true, "Target.autoAttachRelated", fmt.Sprintf(`{"targetId":%q,"waitForDebuggerOnStart":true}`, s.id)},
			{false, "Tracing.start", `{}`}, {true, "Tracing.start", `{}`},
			{false, "Memory.simulatePressureNotification", `{"level":"critical"}`},
			{false, "Emulation.addScreen", `{"left":0,"top":2000,"width":800,"height":600}`},
			{true, "Browser.crashGpuProcess", `{}`}, {false, "Browser.close", `{}`}, {true, "Browser.crash", `{}`},
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
		made, err := chromedp.CallBrowser(ctx, target.CreateTarget, target.CreateTargetParams{URL: "about:blank"})
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
		if len(pages) != 4 || !pages[made.TargetID] || !pages[mine] || !pages[s.hostile.Page().TargetID()] {
			t.Errorf("listed are %v", pages)
		}
		// What was opened without a context is in the holder's own.
		inside, _ := chromedp.NewContext(ctx, chromedp.WithTargetID(made.TargetID))
		err = chromedp.Do(inside, chromedp.Navigate(s.bench.server.URL+"/page"), chromedp.Evaluate[chromedp.Void]("document.cookie = 'own=1'"))
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
		if _, err := chromedp.CallBrowser(ctx, target.CloseTarget, target.CloseTargetParams{TargetID: made.TargetID}); err != nil {
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
		if !errors.Is(err, chrome.ErrPageClosed) || errors.Is(err, pool.ErrPageCrashed) || !strings.Contains(err.Error(), "not by the pool") {
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

// machine is a file of this machine, and a site whose pages want to read it.
type machine struct {
	file string // its address
	path string
	site *httptest.Server
}

func newMachine(t *testing.T) *machine {
	m := &machine{path: filepath.Join(t.TempDir(), "secret.html")}
	m.file = "file://" + m.path
	if err := os.WriteFile(m.path, []byte("<title>"+secret+"</title>"+secret), 0o600); err != nil {
		t.Fatal(err)
	}
	m.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>page</title><body>")
	}))
	t.Cleanup(m.site.Close)
	return m
}

// reached is what of the machine a browser shows: addresses of pages and frames, seen over another connection.
func (s *tenants) reached() (found []string) {
	for _, info := range as(s.T, s.bench, s.bench.lone(), target.GetTargets, target.GetTargetsParams{}).TargetInfos {
		scheme, _, _ := strings.Cut(info.URL, ":")
		if !slices.Contains([]string{"http", "about", "data", "blob", "", "chrome-error"}, scheme) && info.Type != "browser_ui" {
			found = append(found, info.URL)
		}
		if strings.Contains(info.Title, secret) {
			found = append(found, info.Title)
		}
	}
	return found
}

func TestContractChromeHolderIsRefusedAddressesOfTheMachine(t *testing.T) {
	m := newMachine(t)
	onTenants(t, nil, func(s *tenants) {
		page := s.hostile.Page()
		for _, address := range []string{
			m.file, strings.ToUpper(m.file[:4]) + m.file[4:], " \tfi\nle:" + m.path, "chrome://version", "about:version",
			"devtools://devtools/bundled/inspector.html", "view-source:" + m.file, "view-source:" + m.site.URL,
			"chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/index.html", "filesystem:" + m.site.URL + "/temporary/x",
		} {
			err := page.Run(limited(t), chromedp.Navigate(address))
			if !isRefusal(err, "Page.navigate", "AllowSchemes") {
				t.Errorf("Navigate %q: %v", address, err)
			}
			_, err = s.send(true, "Target.createTarget", fmt.Sprintf(`{"url":%q}`, address))
			if !isRefusal(err, "Target.createTarget", "AllowSchemes") {
				t.Errorf("createTarget %q: %v", address, err)
			}
			if found := s.reached(); found != nil {
				t.Fatalf("after %q the browser shows %q", address, found)
			}
			if err := s.bench.work(limited(t), page); err != nil {
				t.Errorf("after %q: %v", address, err)
			}
		}
		files := fmt.Sprintf(`{"files":[%q],"nodeId":1}`, m.path)
		if _, err := s.send(false, "DOM.setFileInputFiles", files); !isRefusal(err, "DOM.setFileInputFiles", "AllowSchemes") {
			t.Errorf("DOM.setFileInputFiles: %v", err)
		}
	})
}

// Of these the filter sees nothing: Chrome itself refuses them, from every page that a holder can get to.
func TestContractChromeHolderReachesNoFileByScript(t *testing.T) {
	m := newMachine(t)
	onTenants(t, nil, func(s *tenants) {
		page := s.hostile.Page()
		clicked := true
		gesture := func(params *jsruntime.EvaluateParams) { params.UserGesture, params.AwaitPromise = &clicked, &clicked }
		ways := map[string]string{
			"location":    "location.href = FILE",
			"window.open": "window.open(FILE)",
			"a link":      "const a = document.createElement('a'); a.href = FILE; document.documentElement.append(a); a.click()",
			"a form":      "const f = document.createElement('form'); f.action = FILE; document.documentElement.append(f); f.submit()",
			"a frame":     "const f = document.createElement('iframe'); f.src = FILE; document.documentElement.append(f)",
			"a document":  "document.write('<iframe src=' + FILE + '></iframe><meta http-equiv=refresh content=\"0;url=' + FILE + '\">')",
			"fetch":       "await fetch(FILE).then(r => r.text()).then(text => { document.title = text }, () => 0)",
			"refresh":     "const m = document.createElement('meta'); m.httpEquiv = 'refresh'; m.content = '0;url=' + FILE; document.head.append(m)",
		}
		for _, start := range []string{m.site.URL, "about:blank", "data:text/html,<title>x</title>"} {
			for way, script := range ways {
				if err := page.Run(limited(t), chromedp.Navigate(start)); err != nil {
					t.Fatal(err)
				}
				for _, file := range []string{m.file, "chrome://version/", "view-source:" + m.file} {
					source := fmt.Sprintf("(async () => { const FILE = %q; %s; await new Promise(r => setTimeout(r, 20)) })().catch(() => 0)", file, script)
					// An error may be that of a document that is left for an error page.
					_, _ = chrome.Run(limited(t), page, chromedp.Evaluate[chromedp.Void](source, gesture))
				}
				tree, err := s.send(false, "Page.getFrameTree", `{}`)
				if err != nil || strings.Contains(string(tree), m.path) && strings.Contains(string(tree), `"url":"file:`) {
					t.Errorf("by %s from %s: %s, %v", way, start, tree, err)
				}
				if found := s.reached(); found != nil {
					t.Fatalf("by %s from %s the browser shows %q", way, start, found)
				}
			}
		}
		s.commandsReachNoFile(m)
		for _, address := range []string{m.file, "chrome://version/", "view-source:" + m.file, "devtools://devtools/bundled/inspector.html"} {
			if err := page.Run(limited(t), chromedp.Navigate(m.site.URL+"/?to="+address)); err == nil {
				t.Errorf("a redirect to %s is followed", address)
			}
			if found := s.reached(); found != nil {
				t.Fatalf("by a redirect to %s the browser shows %q", address, found)
			}
		}
	})
}

// commandsReachNoFile sends what is no navigation by itself, and may lead to one.
func (s *tenants) commandsReachNoFile(m *machine) {
	s.Helper()
	page := s.hostile.Page()
	frame := page.TargetID()
	if err := page.Run(limited(s.T), chromedp.Navigate(m.site.URL)); err != nil {
		s.Fatal(err)
	}
	made, err := s.send(false, "Page.createIsolatedWorld", fmt.Sprintf(`{"frameId":%q,"grantUniveralAccess":true}`, frame))
	if err != nil {
		s.Fatal(err)
	}
	var world struct {
		ID int64 `json:"executionContextId"`
	}
	if err := jsonv2.Unmarshal(made, &world); err != nil {
		s.Fatal(err)
	}
	source := fmt.Sprintf("fetch(%q).then(r => r.text(), () => { location.href = %q; return 'refused' })", m.file, m.file)
	read, err := s.send(false, "Runtime.evaluate", fmt.Sprintf(`{"contextId":%d,"awaitPromise":true,"userGesture":true,"expression":%q}`, world.ID, source))
	if err != nil || !strings.Contains(string(read), "refused") {
		s.Errorf("a world with access to every origin reads %s, %v", read, err)
	}
	html := fmt.Sprintf(`<iframe src=%q></iframe><object data=%q></object><embed src=%q>`, m.file, m.file, m.file)
	if _, err := s.send(false, "Page.setDocumentContent", fmt.Sprintf(`{"frameId":%q,"html":%q}`, frame, html)); err != nil {
		s.Errorf("Page.setDocumentContent: %v", err)
	}
	if found := s.reached(); found != nil {
		s.Fatalf("by commands the browser shows %q", found)
	}
	// A request that its holder answers himself with a redirect.
	requests := make(chan fetch.RequestID, 1)
	err = chromedp.Listen(s.hostile.Context(), func(event any) {
		if paused, ok := event.(*fetch.EventRequestPaused); ok {
			requests <- paused.RequestID
		}
	})
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.send(false, "Fetch.enable", `{}`); err != nil {
		s.Fatal(err)
	}
	went := make(chan error, 1)
	go func() { went <- page.Run(limited(s.T), chromedp.Navigate(m.site.URL+"/paused")) }()
	id := <-requests
	if _, err := s.send(false, "Fetch.continueRequest", fmt.Sprintf(`{"requestId":%q,"url":%q}`, id, m.file)); !isRefusal(err, "Fetch.continueRequest", "AllowSchemes") {
		s.Errorf("Fetch.continueRequest: %v", err)
	}
	const moved = `{"requestId":%q,"responseCode":302,"responseHeaders":[{"name":"Location","value":%q}]}`
	if _, err := s.send(false, "Fetch.fulfillRequest", fmt.Sprintf(moved, id, m.file)); err != nil {
		s.Errorf("Fetch.fulfillRequest: %v", err)
	}
	if err := <-went; err == nil {
		s.Error("a redirect of the holder's own is followed")
	}
	if _, err := s.send(false, "Fetch.disable", `{}`); err != nil {
		s.Error(err)
	}
	if found := s.reached(); found != nil {
		s.Fatalf("by a request of the holder's own the browser shows %q", found)
	}
}

func TestContractChromeHolderReadsFilesWhereTheLauncherAllowsIt(t *testing.T) {
	m := newMachine(t)
	onTenants(t, func(l *chrome.Launcher) { l.AllowSchemes = []string{"file"} }, func(s *tenants) {
		page := s.hostile.Page()
		if err := page.Run(limited(t), chromedp.Navigate(m.file)); err != nil {
			t.Fatal(err)
		}
		if title, err := chrome.Run(limited(t), page, chromedp.Title()); err != nil || title != secret {
			t.Errorf("the title is %q, %v", title, err)
		}
		err := page.Run(limited(t), chromedp.Navigate("data:text/html,<input type=file id=up>"), chromedp.SetUploadFiles("#up", []string{m.path}))
		if err != nil {
			t.Errorf("an upload: %v", err)
		}
		read, err := chrome.Run(limited(t), page, chromedp.Evaluate[string]("document.querySelector('#up').files[0].text()", chromedp.EvalAwaitPromise))
		if err != nil || !strings.Contains(read, secret) {
			t.Errorf("the page reads %q, %v", read, err)
		}
	})
}

package properties

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/fetch"
	jsruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool/chrome"
)

// On real Chrome a hostile holder sees nothing of the machine, unless the launcher allows it.

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

// reached is what of the machine a browser shows: addresses of pages and frames, seen over another
// connection.
func (s *tenants) reached() (found []string) {
	all := as(s.T, s.bench, s.bench.lone(), target.GetTargets, target.GetTargetsParams{})
	for _, info := range all.TargetInfos {
		scheme, _, _ := strings.Cut(info.URL, ":")
		if !slices.Contains([]string{"http", "about", "data", "blob", "", "chrome-error"}, scheme) &&
			info.Type != "browser_ui" {
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
			m.file, strings.ToUpper(m.file[:4]) + m.file[4:], " \tfi\nle:" + m.path,
			"chrome://version", "about:version", "devtools://devtools/bundled/inspector.html",
			"view-source:" + m.file, "view-source:" + m.site.URL,
			"chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/index.html",
			"filesystem:" + m.site.URL + "/temporary/x",
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
		if _, err := s.send(false, "DOM.setFileInputFiles", files); !isRefusal(
			err,
			"DOM.setFileInputFiles",
			"AllowSchemes",
		) {
			t.Errorf("DOM.setFileInputFiles: %v", err)
		}
	})
}

// Of these the filter sees nothing: Chrome itself refuses them, from every page that a holder can
// get to.
func TestContractChromeHolderReachesNoFileByScript(t *testing.T) {
	m := newMachine(t)
	onTenants(t, nil, func(s *tenants) {
		page := s.hostile.Page()
		clicked := true
		gesture := func(params *jsruntime.EvaluateParams) {
			params.UserGesture, params.AwaitPromise = &clicked, &clicked
		}
		const node = "const e = document.createElement"
		const add = "document.documentElement.append(e)"
		ways := map[string]string{
			"location":    "location.href = FILE",
			"window.open": "window.open(FILE)",
			"a link":      node + "('a'); e.href = FILE; " + add + "; e.click()",
			"a form":      node + "('form'); e.action = FILE; " + add + "; e.submit()",
			"a frame":     node + "('iframe'); e.src = FILE; " + add,
			"a refresh": node + "('meta'); e.httpEquiv = 'refresh'; " +
				"e.content = '0;url=' + FILE; " + add,
			"a document": "document.write('<iframe src=' + FILE + '></iframe>" +
				"<meta http-equiv=refresh content=\"0;url=' + FILE + '\">')",
			"fetch": "await fetch(FILE).then(r => r.text()).then(t => { document.title = t }, () => 0)",
		}
		for _, start := range []string{m.site.URL, "about:blank", "data:text/html,<title>x</title>"} {
			for way, script := range ways {
				if err := page.Run(limited(t), chromedp.Navigate(start)); err != nil {
					t.Fatal(err)
				}
				for _, file := range []string{m.file, "chrome://version/", "view-source:" + m.file} {
					source := fmt.Sprintf(
						"(async () => { const FILE = %q; %s; "+
							"await new Promise(r => setTimeout(r, 20)) })().catch(() => 0)",
						file,
						script,
					)
					// An error may be that of a document that is left for an error page.
					_, _ = chrome.Run(limited(t), page, chromedp.Evaluate[chromedp.Void](source, gesture))
				}
				tree, err := s.send(false, "Page.getFrameTree", `{}`)
				if err != nil ||
					strings.Contains(string(tree), m.path) && strings.Contains(string(tree), `"url":"file:`) {
					t.Errorf("by %s from %s: %s, %v", way, start, tree, err)
				}
				if found := s.reached(); found != nil {
					t.Fatalf("by %s from %s the browser shows %q", way, start, found)
				}
			}
		}
		s.commandsReachNoFile(m)
		for _, address := range []string{
			m.file, "chrome://version/", "view-source:" + m.file,
			"devtools://devtools/bundled/inspector.html",
		} {
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
	made, err := s.send(
		false,
		"Page.createIsolatedWorld",
		fmt.Sprintf(`{"frameId":%q,"grantUniveralAccess":true}`, frame),
	)
	if err != nil {
		s.Fatal(err)
	}
	var world struct {
		ID int64 `json:"executionContextId"`
	}
	if err := jsonv2.Unmarshal(made, &world); err != nil {
		s.Fatal(err)
	}
	source := fmt.Sprintf(
		"fetch(%q).then(r => r.text(), () => { location.href = %q; return 'refused' })",
		m.file,
		m.file,
	)
	read, err := s.send(
		false,
		"Runtime.evaluate",
		fmt.Sprintf(
			`{"contextId":%d,"awaitPromise":true,"userGesture":true,"expression":%q}`,
			world.ID,
			source,
		),
	)
	if err != nil || !strings.Contains(string(read), "refused") {
		s.Errorf("a world with access to every origin reads %s, %v", read, err)
	}
	html := fmt.Sprintf(
		`<iframe src=%q></iframe><object data=%q></object><embed src=%q>`,
		m.file,
		m.file,
		m.file,
	)
	content := fmt.Sprintf(`{"frameId":%q,"html":%q}`, frame, html)
	_, err = s.send(false, "Page.setDocumentContent", content)
	if err != nil {
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
	elsewhere := fmt.Sprintf(`{"requestId":%q,"url":%q}`, id, m.file)
	_, err = s.send(false, "Fetch.continueRequest", elsewhere)
	if !isRefusal(err, "Fetch.continueRequest", "AllowSchemes") {
		s.Errorf("Fetch.continueRequest: %v", err)
	}
	const moved = `{"requestId":%q,"responseCode":302,
		"responseHeaders":[{"name":"Location","value":%q}]}`
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
		err := page.Run(
			limited(t),
			chromedp.Navigate("data:text/html,<input type=file id=up>"),
			chromedp.SetUploadFiles("#up", []string{m.path}),
		)
		if err != nil {
			t.Errorf("an upload: %v", err)
		}
		read, err := chrome.Run(
			limited(t),
			page,
			chromedp.Evaluate[string](
				"document.querySelector('#up').files[0].text()",
				chromedp.EvalAwaitPromise,
			),
		)
		if err != nil || !strings.Contains(read, secret) {
			t.Errorf("the page reads %q, %v", read, err)
		}
	})
}

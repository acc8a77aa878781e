package chrome

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
)

// guarded is a guard over a browser in which the tab "mine" in context "A" has a popup, a page that
// its holder opened, a worker and a context "P" of its holder's; beside it is the tab "sibling" in
// the same context, with a popup, and the tab "other" in context "B". Session "s" is the line's,
// session "t" somebody else's.
func guarded(t *testing.T, s settings) *guard {
	t.Helper()
	s, err := s.checked("Launcher")
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{settings: s, wire: newWire(nil, nil)}
	b.mu.pages = make(map[target.ID]*listed)
	b.mu.contexts = make(map[cdp.BrowserContextID]*browserContext)
	b.mu.profiles = map[cdp.BrowserContextID]*profile{
		"P": {owner: "mine"},
		"Q": {owner: "other"},
		"L": {owner: "mine", left: true},
	}
	tabs := make(map[string]*tab)
	for _, page := range []struct{ id, root, context string }{
		{"mine", "mine", "A"}, {"sibling", "sibling", "A"}, {"other", "other", "B"},
	} {
		c := &browserContext{b: b, id: cdp.BrowserContextID(page.context)}
		b.mu.contexts[c.id] = c
		tabs[page.id] = &tab{b: b, c: c, id: target.ID(page.id)}
		b.mu.pages[target.ID(page.id)] = &listed{
			root:    target.ID(page.root),
			context: c.id,
			page:    true,
			tab:     tabs[page.id],
		}
	}
	for _, l := range []struct{ id, root, context string }{
		{"popup", "mine", "A"}, {"made", "mine", "A"}, {"worker", "worker", "A"}, {"inP", "inP", "P"},
		{"inL", "inL", "L"},
		{"itsPopup", "sibling", "A"}, {"otherPopup", "other", "B"}, {"inQ", "inQ", "Q"},
		{"default", "default", "D"},
	} {
		b.mu.pages[target.ID(l.id)] = &listed{
			root:    target.ID(l.root),
			context: cdp.BrowserContextID(l.context),
			page:    l.id != "worker",
		}
	}
	b.mu.pages["left"] = &listed{root: "mine", context: "A", page: true, left: true}
	b.mu.pages["ui"] = &listed{root: "ui", context: "A", internal: true}
	mine := tabs["mine"]
	line := b.wire.newLine("mine")
	line.guard = newGuard(mine, line)
	b.wire.mu.sessions["s"], b.wire.mu.sessions["t"] = line, b.wire.newLine("other")
	return line.guard
}

func (g *guard) judged(session, method, params string) verdict {
	return g.judge(
		&cdproto.Message{
			ID:        7,
			SessionID: target.SessionID(session),
			Method:    cdproto.MethodType(method),
			Params:    jsonv2.Value(params),
		},
	)
}

// refusal is the error that a command is answered with; empty: it is sent.
func (v verdict) refusal() string {
	if v.answer == nil || v.answer.Error == nil {
		return ""
	}
	return v.answer.Error.Message
}

func TestGuardRefusesWhatReachesBeyondTheLease(t *testing.T) {
	g := guarded(t, settings{})
	for _, c := range []struct{ session, method, params, why string }{
		{"", "Browser.close", "", "WholeBrowser"},
		{"s", "Browser.close", "", "acts on the whole browser"},
		{"", "Browser.crash", "", "WholeBrowser"}, {"s", "Browser.crashGpuProcess", "", "WholeBrowser"},
		{"", "Target.setAutoAttach", `{"autoAttach":true,"waitForDebuggerOnStart":true}`, "can stop all"},
		{"", "Target.attachToBrowserTarget", "", "WholeBrowser"},
		{"s", "Target.exposeDevToolsProtocol", `{"targetId":"mine"}`, "WholeBrowser"},
		{"s", "Target.sendMessageToTarget", `{"message":"{}","targetId":"mine"}`, "not checked"},
		{"", "Target.autoAttachRelated", `{"targetId":"mine"}`, "WholeBrowser"},
		{"", "Fetch.enable", "", "whole browser's"},
		{"", "Security.setIgnoreCertificateErrors", `{"ignore":true}`, "whole browser's"},
		{"", "Tracing.start", "", "WholeBrowser"}, {"s", "Tracing.start", "", "WholeBrowser"},
		{"", "SystemInfo.getProcessInfo", "", "WholeBrowser"},
		{"s", "Memory.simulatePressureNotification", `{"level":"critical"}`, "WholeBrowser"},
		{"s", "Emulation.addScreen", "", "screens of all pages"},
		{"s", "Extensions.loadUnpacked", `{"path":"/"}`, "WholeBrowser"},
		{"", "Runtime.evaluate", "", "page's session"}, {"", "Future.command", "", "not known"},
		{"s", "Future.command", "", "not known"},
		{"s", "Browser.future", "", "whole browser"}, {"", "", "", "not known"},
		{"s", "Browser", "", "whole browser"},
		{"t", "Runtime.evaluate", "", `session "t" is not this lease's`},
		{"unknown", "Page.enable", "", "session"},
		{"", "Target.detachFromTarget", `{"sessionId":"t"}`, "session"},
		{"", "Target.detachFromTarget", `{"targetId":"other"}`, "target"},
		{"", "Target.closeTarget", `{"targetId":"other"}`, `target "other" is not this lease's`},
		{"", "Target.closeTarget", `{"targetId":"sibling"}`, "target"},
		{"", "Target.closeTarget", `{"targetId":"itsPopup"}`, "target"},
		{"", "Target.closeTarget", `{"targetId":"nobody"}`, "target"},
		{"", "Target.attachToTarget", `{"targetId":"left"}`, "target"},
		{"s", "Target.attachToTarget", `{"targetId":"otherPopup"}`, "target"},
		{"s", "Target.attachToTarget", `{"targetId":"inQ"}`, "target"},
		{"s", "Target.attachToTarget", `{"targetId":"ui"}`, "target"},
		{"s", "Target.getTargetInfo", `{"targetId":"default"}`, "target"},
		{"s", "Browser.getWindowForTarget", `{"targetId":"other"}`, "target"},
		{"", "Browser.setWindowBounds", `{"windowId":1,"bounds":{}}`, "window 1"},
		{"", "Browser.getWindowBounds", `{}`, "windowId"},
		{"", "Target.closeTarget", `{"targetId":7}`, "has to be a string"},
		{"", "Target.closeTarget", `{"targetId":"mine","targetId":"other"}`, "cannot be read"},
		{"", "Target.closeTarget", `{"targetId":null}`, "string"},
		{"", "Storage.getCookies", `{"browserContextId":"B"}`, `context "B" is not this lease's`},
		{"s", "Storage.getCookies", `{"browserContextId":"Q"}`, "context"},
		{"s", "Storage.future", `{"browserContextId":"B"}`, "context"},
		{"", "Storage.clearCookies", `{"browserContextId":"L"}`, "context"},
		{"", "Browser.setDownloadBehavior", `{"behavior":"deny","browserContextId":"B"}`, "context"},
		{"", "Target.createTarget", `{"url":"about:blank","browserContextId":"B"}`, "context"},
		{"", "Target.createTarget", `{"url":"about:blank","forTab":true}`, "forTab"},
		{"", "Target.disposeBrowserContext", `{"browserContextId":"A"}`, "the pool's"},
		{"", "Target.disposeBrowserContext", `{"browserContextId":"B"}`, "context"},
	} {
		got := g.judged(c.session, c.method, c.params)
		if text := got.refusal(); !strings.Contains(text, c.why) ||
			!strings.HasPrefix(text, "chrome: "+c.method+" is refused: ") {
			t.Errorf("%q %s %s: %q, and not for %q", c.session, c.method, c.params, text, c.why)
		} else if got.answer.ID != 7 || got.answer.SessionID != target.SessionID(c.session) {
			t.Errorf("%s is answered with %v", c.method, got.answer)
		}
	}
}

func TestGuardSendsWhatIsTheLeases(t *testing.T) {
	g := guarded(t, settings{})
	for _, c := range []struct{ session, method, params, sent string }{
		{"s", "Runtime.evaluate", `{"expression":"1"}`, `{"expression":"1"}`},
		{"s", "Page.crash", "", ""}, {"s", "Page.enable", "{}", "{}"},
		{"", "Browser.getVersion", "", ""},
		{"s", "Target.setAutoAttach", `{"autoAttach":true}`, `{"autoAttach":true}`},
		{"s", "Target.setDiscoverTargets", `{"discover":true}`, `{"discover":true}`},
		{"", "Target.closeTarget", `{"targetId":"mine"}`, `{"targetId":"mine"}`},
		{"", "Target.closeTarget", `{"targetId":"popup"}`, `{"targetId":"popup"}`},
		{"", "Target.attachToTarget", `{"targetId":"made"}`, `{"targetId":"made"}`},
		{"s", "Target.attachToTarget", `{"targetId":"worker"}`, `{"targetId":"worker"}`},
		{"", "Target.attachToTarget", `{"targetId":"inP"}`, `{"targetId":"inP"}`},
		{"s", "Target.getTargetInfo", ``, `{}`},
		{"", "Target.detachFromTarget", `{"sessionId":"s"}`, `{"sessionId":"s"}`},
		{"", "Target.getTargets", "", ""},
		{"", "Storage.getCookies", "", `{"browserContextId":"A"}`}, {"s", "Storage.getCookies", "", "{}"},
		{"", "Storage.getCookies", `{"browserContextId":""}`, `{"browserContextId":"A"}`},
		{"", "Storage.getCookies", `{"browserContextId":"P"}`, `{"browserContextId":"P"}`},
		{"s", "Browser.setDownloadBehavior", `{}`, `{"browserContextId":"A"}`},
		{"s", "Storage.clearDataForOrigin", `{"origin":"*"}`, `{"origin":"*"}`},
		{"s", "Target.createTarget", `{"url":""}`, `{"browserContextId":"A","url":""}`},
		{"", "Target.createTarget", `{"browserContextId":"P","url":""}`,
			`{"browserContextId":"P","url":""}`},
		{"", "Target.createBrowserContext", "{}", "{}"},
		{"", "Target.disposeBrowserContext", `{"browserContextId":"P"}`, `{"browserContextId":"P"}`},
	} {
		got := g.judged(c.session, c.method, c.params)
		if err := got.params.Canonicalize(); len(got.params) > 0 && err != nil {
			t.Fatal(err)
		}
		if got.answer != nil || string(got.params) != c.sent {
			t.Errorf(
				"%q %s %s: refused with %q, or sent with %s and not %s", c.session, c.method, c.params,
				got.refusal(), got.params, c.sent,
			)
		}
	}
	if v := g.judged("", "Target.setDiscoverTargets", `{"discover":false}`); v.answer == nil ||
		v.answer.Error != nil ||
		string(v.answer.Result) != "{}" {
		t.Errorf("Target.setDiscoverTargets of the browser's session: %+v", v)
	}
	v := g.judged("s", "Browser.getWindowForTarget", `{}`)
	v.then(&cdproto.Message{Result: jsonv2.Value(`{"windowId":3,"bounds":{}}`)})
	text := g.judged("", "Browser.setWindowBounds", `{"windowId":3,"bounds":{}}`).refusal()
	if text != "" {
		t.Errorf("a window of the lease: %s", text)
	}
	// A session that the browser attaches below one of the lease's is the lease's, until it ends.
	for event, refused := range map[string]bool{
		"Target.attachedToTarget": false, "Target.detachedFromTarget": true,
	} {
		if event == "Target.detachedFromTarget" {
			g.tells(
				&cdproto.Message{
					SessionID: "s",
					Method:    "Target.attachedToTarget",
					Params:    jsonv2.Value(`{"sessionId":"c"}`),
				},
			)
		}
		g.tells(
			&cdproto.Message{
				SessionID: "s",
				Method:    cdproto.MethodType(event),
				Params:    jsonv2.Value(`{"sessionId":"c"}`),
			},
		)
		if text := g.judged("c", "Runtime.enable", "").refusal(); (text != "") != refused {
			t.Errorf("after %s: %q", event, text)
		}
	}
}

func TestGuardWithTheWholeBrowserSendsEverythingButAddresses(t *testing.T) {
	g := guarded(t, settings{Options: Options{WholeBrowser: true}})
	for _, method := range []string{
		"Browser.crash", "Target.getTargets", "Target.setAutoAttach", "Future.command",
	} {
		if v := g.judged("", method, ""); v.answer != nil || v.then != nil {
			t.Errorf("%s: %+v", method, v)
		}
	}
	if !g.tells(
		&cdproto.Message{
			SessionID: "s",
			Method:    "Target.targetCreated",
			Params:    jsonv2.Value(`{"targetInfo":{"targetId":"other","type":"page"}}`),
		},
	) {
		t.Error("an event about another tenant's target does not arrive")
	}
	if g.judged("s", "Page.navigate", `{"url":"file:///"}`).refusal() == "" {
		t.Error("file: is allowed")
	}
}

func TestGuardCutsListsDownToTheLease(t *testing.T) {
	g := guarded(t, settings{})
	msg := &cdproto.Message{
		Result: jsonv2.Value(
			`{"targetInfos":[{"targetId":"mine","type":"page","x":1},{"targetId":"other","type":"page"},
		{"targetId":"sibling","type":"page"},{"targetId":"popup","type":"page"},
		{"targetId":"ui","type":"browser_ui"},
		{"targetId":"new","type":"page","browserContextId":"A","openerId":"popup"},
		{"targetId":"new2","type":"page","browserContextId":"B"},
		{"targetId":"new3","type":"page","browserContextId":"A","openerId":"sibling"},
		{"targetId":"b","type":"browser"}]}`,
		),
	}
	g.judged("", "Target.getTargets", "").then(msg)
	want := `{"targetInfos":[{"targetId":"mine","type":"page","x":1},` +
		`{"targetId":"popup","type":"page"},` +
		`{"targetId":"new","type":"page","browserContextId":"A","openerId":"popup"}]}`
	if string(msg.Result) != want {
		t.Errorf("targets: %s", msg.Result)
	}
	msg = &cdproto.Message{
		Result: jsonv2.Value(
			`{"browserContextIds":["A","B","P","Q","L",""],"defaultBrowserContextId":"D"}`,
		),
	}
	g.judged("", "Target.getBrowserContexts", "").then(msg)
	if string(msg.Result) != `{"browserContextIds":["A","P"]}` {
		t.Errorf("contexts: %s", msg.Result)
	}
	msg = &cdproto.Message{Result: jsonv2.Value(`"unexpected"`)}
	g.judged("", "Target.getTargets", "").then(msg)
	if string(msg.Result) != `{"targetInfos":[]}` {
		t.Errorf("an answer that cannot be read: %s", msg.Result)
	}
}

// created is what the browser tells of a page that another one has opened.
func created(id, context, opener string) string {
	const text = `{"targetInfo":{"targetId":%q,"type":"page","browserContextId":%q,"openerId":%q}}`
	return fmt.Sprintf(text, id, context, opener)
}

func TestGuardTellsOnlyOfTargetsOfTheLease(t *testing.T) {
	g := guarded(t, settings{})
	for _, c := range []struct {
		event, params string
		told          bool
	}{
		{"Page.loadEventFired", `{}`, true},
		{"targetCreated", `{"targetInfo":{"targetId":"popup","type":"page"}}`, true},
		{"targetInfoChanged", `{"targetInfo":{"type":"page","targetId":"popup"}}`, true},
		{"targetCreated", `{"targetInfo":{"targetId":"other","type":"page","url":"a"}}`, false},
		{"targetInfoChanged", `{"targetInfo":{"targetId":"other","type":"page"}}`, false},
		{"targetInfoChanged", `{"targetInfo":{"type":"page","targetId":"other"}}`, false},
		{"targetCreated", created("new", "A", "mine"), true},
		{"targetCreated", created("new2", "B", "other"), false},
		{"targetCreated", created("new3", "A", "sibling"), false},
		{"targetCrashed", `{"targetId":"popup"}`, true}, {"targetCrashed", `{"targetId":"other"}`, false},
		{"targetDestroyed", `{"targetId":"popup"}`, true},
		{"targetDestroyed", `{"targetId":"popup"}`, false},
		{"targetDestroyed", `{"targetId":"other"}`, false}, {"targetDestroyed", `7`, false},
	} {
		method := c.event
		if !strings.Contains(method, ".") {
			method = "Target." + method
		}
		msg := &cdproto.Message{
			SessionID: "s", Method: cdproto.MethodType(method), Params: jsonv2.Value(c.params),
		}
		if got := g.tells(msg); got != c.told {
			t.Errorf("%s %s is told: %v", method, c.params, got)
		}
	}
}

// A refusal reaches chromedp as an answer of the browser would, and nothing is sent.
func TestLineAnswersWhatItsGuardRefuses(t *testing.T) {
	s := newStub(t)
	l := s.attach()
	b := &browser{settings: settings{owner: "Remote"}, wire: s.wire}
	l.guard = newGuard(&tab{b: b, c: &browserContext{b: b, id: "A"}, id: "p"}, l)
	for _, msg := range []*cdproto.Message{
		{ID: 2, Method: "Browser.crash"}, {ID: 3, SessionID: "s", Method: "Page.enable"},
	} {
		if err := l.Write(context.Background(), msg); err != nil {
			t.Fatal(err)
		}
	}
	if msg := s.read(l); msg.ID != 2 || msg.Error == nil ||
		!strings.Contains(msg.Error.Message, "Remote.WholeBrowser") {
		t.Errorf("the answer is %+v", msg)
	}
	if msg := s.hear(); msg.Method != "Page.enable" {
		t.Errorf("the browser heard %s", msg.Method)
	}
}

// older are commands that browsers still take and cdproto has no more.
var older = []string{"Browser.grantPermissions", "Target.sendMessageToTarget"}

// Every command of the protocol falls under a row, and every row is one of the protocol's.
func TestGuardKnowsEveryCommandOfTheProtocol(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/chromedp/cdproto").
		Output()
	if err != nil {
		t.Skipf("the protocol's source is not at hand: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", out, err)
	}
	known := make(map[string]bool)
	command := regexp.MustCompile(`(?m)^\s+Command\w+\s+= "([A-Za-z]+\.[A-Za-z]+)"$`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range command.FindAllStringSubmatch(string(source), -1) {
			known[found[1]] = true
		}
	}
	if len(known) < 600 {
		t.Fatalf("found %d commands", len(known))
	}
	for method := range known {
		domain, _, _ := strings.Cut(method, ".")
		if _, ok := domains[domain]; !ok {
			t.Errorf("nobody has decided about %s", method)
		}
	}
	for method := range commands {
		if !known[method] && !slices.Contains(older, method) {
			t.Errorf("%s is no command", method)
		}
	}
	for method := range navigating {
		if !known[method] {
			t.Errorf("%s is no command", method)
		}
	}
}

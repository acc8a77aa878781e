package chrome

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
)

// flood says what a page sends until the budget of a domain is spent, and one message more. News of
// targets is the browser's own.
func (s *stub) flood(method string, bytes int) {
	s.Helper()
	text := `{"method":"` + method + `","params":{"x":"` + strings.Repeat("x", bytes) +
		`"},"sessionId":"s"}`
	if strings.HasPrefix(method, "Target.") {
		text = `{"method":"` + method + `","params":{"targetInfo":{"targetId":"p","url":"` +
			strings.Repeat("x", bytes) + `"}}}`
	}
	most := spending[spends([]byte(method))].bytes
	for sent := 0; sent <= most; sent += len(text) {
		s.say("%s", text)
	}
	s.settled()
}

// settingOf is a command that sets something in a domain, which ends when that is disabled.
var settingOf = map[string]string{
	"Runtime": "Runtime.addBinding", "Log": "Log.startViolationsReport",
	"Network": "Network.setExtraHTTPHeaders",
}

// domainOf is the domain of an event.
func domainOf(method string) string {
	domain, _, _ := strings.Cut(method, ".")
	return domain
}

// writes has chromedp send a command on session "s".
func (s *stub) writes(l *line, method string) {
	s.Helper()
	msg := &cdproto.Message{ID: 99, SessionID: "s", Method: cdproto.MethodType(method)}
	if err := l.Write(s.Context(), msg); err != nil {
		s.Fatal(err)
	}
}

// configure makes a setting of a domain on session "s".
func (s *stub) configure(l *line, domain string) {
	s.Helper()
	s.writes(l, settingOf[domain])
	s.say(`{"id":%d,"result":{},"sessionId":"s"}`, s.asked(settingOf[domain]))
}

// A page whose talk is beyond the budget is cut off at its source; answers still come. Its next
// document is heard again.
func TestTalkBeyondTheBudgetIsCutOffUntilTheNextDocument(t *testing.T) {
	for method, domain := range map[string]string{
		"Runtime.consoleAPICalled": "Runtime", "Runtime.exceptionThrown": "Runtime",
		"Log.entryAdded": "Log", "Network.eventSourceMessageReceived": "Network",
	} {
		t.Run(method, func(t *testing.T) {
			s := newStub(t)
			s.tick.Store(0)
			l := s.attach()
			s.flood(method, 1<<20)
			if d, _ := l.diary.copy(); len(d.Problems) == 0 ||
				!strings.Contains(d.Problems[len(d.Problems)-1].Text, "messages of "+domain) {
				t.Fatalf("the lease's problems are %v", d.Problems)
			}
			off := s.hear()
			if want := cdproto.MethodType(domain + ".disable"); off.Method != want || off.SessionID != "s" {
				t.Fatalf("beyond the budget the browser was told %s on session %q; want %s", off.Method,
					off.SessionID, want)
			}
			s.say(`{"id":%d,"result":{},"sessionId":"s"}`, off.ID)
			if err := l.deaf(l.deafened()); (err != nil) != (domain == "Network") {
				t.Errorf("news of the network: %v", err)
			}
			s.say(`{"method":"Page.frameNavigated","params":{"frame":{"id":"p","url":"x"}},"sessionId":"s"}`)
			if on := s.hear(); on.Method != cdproto.MethodType(domain+".enable") {
				t.Fatalf("at the next document the browser was told %s", on.Method)
			}
			s.write(l, 2, "Page.captureScreenshot")
			s.say(`{"id":%d,"result":{},"sessionId":"s"}`, s.hear().ID)
			for msg := s.read(l); msg.ID != 2; msg = s.read(l) {
			}
		})
	}
}

// What a holder sets in a domain that was cut off is sent behind its enable, and the domain is not
// disabled any more. What chromedp knows of contexts it is told anew.
func TestASettingOfADomainThatWasCutOffHasItHeardAgain(t *testing.T) {
	for domain, set := range settingOf {
		t.Run(domain, func(t *testing.T) {
			event := map[string]string{"Runtime": "Runtime.exceptionThrown", "Log": "Log.entryAdded",
				"Network": "Network.eventSourceMessageReceived"}[domain]
			s := newStub(t)
			s.tick.Store(0)
			l := s.attach()
			s.wire.flooded = func(_ string, _ *line, says string) { t.Error("the page is closed:", says) }
			s.flood(event, 1<<20)
			off := s.asked(domain + ".disable")
			s.writes(l, set)
			s.say(`{"id":%d,"result":{},"sessionId":"s"}`, off)
			on := s.asked(domain + ".enable")
			s.time.Add(int64(2 * time.Second))
			s.flood(event, 1<<20) // Chrome sends again what the console had
			s.say(`{"id":%d,"result":{},"sessionId":"s"}`, on)
			s.say(`{"id":%d,"result":{},"sessionId":"s"}`, s.asked(set))
			s.settled()
			if err := l.deaf(l.deafened()); err != nil {
				t.Errorf("news of the network: %v", err)
			}
			var cleared bool
			for msg := s.read(l); msg.ID != 99; msg = s.read(l) {
				cleared = cleared || msg.Method == cdproto.EventRuntimeExecutionContextsCleared
			}
			if cleared != (domain == "Runtime") {
				t.Errorf("chromedp is told that there are no contexts: %t", cleared)
			}
			s.flood(event, 1<<20)
			s.say(
				`{"method":"Page.frameNavigated","params":{"frame":{"id":"p","url":"x"}},"sessionId":"s"}`)
			s.settled()
			s.write(l, 2, "Page.captureScreenshot")
			s.asked("Page.captureScreenshot")
		})
	}
}

// A page in a loop takes in nothing, and is stopped also where its holder sets something meanwhile.
func TestASettingKeepsNoPageInALoopFromBeingStopped(t *testing.T) {
	s := newStub(t)
	s.tick.Store(0)
	l := s.attach()
	stopped := 0
	l.endless = func(string) { stopped++ }
	const event = "Runtime.exceptionThrown"
	s.flood(event, 1<<20)
	s.writes(l, settingOf["Runtime"])
	s.flood(event, 1<<20)
	s.time.Add(int64(2 * takesIn))
	s.flood(event, 1<<20)
	if stopped != 1 {
		t.Errorf("its scripts were stopped %d times", stopped)
	}
}

// Each command whose effect ends when its domain is disabled is known as one.
func TestWhatADisabledDomainLosesIsASetting(t *testing.T) {
	for of, methods := range map[spender]string{
		spendsRuntime: "Runtime.addBinding Runtime.setCustomObjectFormatterEnabled " +
			"Runtime.setMaxCallStackSizeToCapture Runtime.compileScript Runtime.setAsyncCallStackDepth",
		spendsLog: "Log.startViolationsReport",
		spendsNetwork: "Network.setExtraHTTPHeaders Network.setCacheDisabled Network.setBlockedURLs " +
			"Network.emulateNetworkConditions Network.overrideNetworkState " +
			"Network.emulateNetworkConditionsByRule Network.setBypassServiceWorker " +
			"Network.setAttachDebugStack Network.setCookieControls Network.enableReportingApi " +
			"Network.enableDeviceBoundSessions Network.configureDurableMessages",
		noSpender: "Runtime.evaluate Runtime.callFunctionOn Runtime.enable Runtime.disable Log.enable " +
			"Log.clear Network.enable Network.getResponseBody Network.setCookie Network.setCookies " +
			"Page.setLifecycleEventsEnabled DOM.setAttributeValue",
	} {
		for method := range strings.FieldsSeq(methods) {
			if is := configures(method, nil); is != of {
				t.Errorf("%s sets something in the domain %q, want %q", method, spending[is].name,
					spending[of].name)
			}
		}
	}
	if configures("Network.enable", jsonv2.Value(`{"maxPostDataSize":1}`)) != spendsNetwork ||
		configures("Network.enable", none) != noSpender {
		t.Error("what Network.enable sets is what it says")
	}
}

// What goes on after it was cut off, and what chromedp cannot do without, ends the page.
func TestAFloodThatCannotBeCutOffEndsThePage(t *testing.T) {
	for _, method := range []string{
		"Page.navigatedWithinDocument", "Target.targetInfoChanged", "DOM.attributeModified",
		"Network.eventSourceMessageReceived", "Runtime.consoleAPICalled", "Log.entryAdded",
	} {
		t.Run(method, func(t *testing.T) {
			s := newStub(t)
			s.tick.Store(0)
			ended := make(chan string, 1)
			s.wire.flooded = func(from string, _ *line, says string) { ended <- from + ": " + says }
			l := s.attach()
			if domain := domainOf(method); settingOf[domain] != "" {
				s.configure(l, domain) // its settings would be lost, so it is not disabled
				s.flood(method, 1<<20)
				if len(ended) > 0 {
					t.Fatal(<-ended)
				}
				s.time.Add(int64(2 * time.Second))
			}
			s.flood(method, 1<<20)
			from := "s"
			if strings.HasPrefix(method, "Target.") {
				from = "p"
			}
			select {
			case says := <-ended:
				if !strings.HasPrefix(says, from+": it sent ") {
					t.Error(says)
				}
			default:
				t.Error("the page goes on")
			}
		})
	}
}

// The scripts of a page that was cut off and goes on are stopped: it is in one without an end, or
// could not be cut off without losing settings.
func TestAPageThatGoesOnAfterItWasCutOffIsStopped(t *testing.T) {
	for what, stops := range map[string]bool{
		"it does not take that in": true, "it takes that in": false, "it has settings": true,
	} {
		for _, event := range []string{
			"Network.eventSourceMessageReceived", "Runtime.consoleAPICalled", "Log.entryAdded",
		} {
			s := newStub(t)
			s.tick.Store(0)
			l := s.attach()
			var stopped []string
			l.endless = func(why string) { stopped = append(stopped, why) }
			domain := domainOf(event)
			if what == "it has settings" {
				s.configure(l, domain)
			}
			s.flood(event, 1<<20)
			if what == "it takes that in" {
				s.say(`{"id":%d,"result":{},"sessionId":"s"}`, s.asked(domain+".disable"))
			}
			s.flood(event, 1<<20)
			s.time.Add(int64(2 * takesIn))
			s.flood(event, 1<<20)
			s.flood(event, 1<<20)
			var want []string
			if stops {
				want = []string{"it goes on to send messages of " + domain + ", which nobody hears"}
			}
			if !slices.Equal(stopped, want) {
				t.Errorf("%s, %s: the page is stopped %q, want %q", event, what, stopped, want)
			}
		}
	}
}

// Bytes that arrive instead of the answer to a ping are a sign of life, once after each answer.
func TestABrowserThatSendsIsBusyOnce(t *testing.T) {
	s := newStub(t)
	b := &browser{wire: s.wire}
	ping := func(limit time.Duration) (id int64, done chan error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		t.Cleanup(cancel)
		done = make(chan error, 1)
		go func() { done <- b.Ping(ctx) }()
		return s.hear().ID, done
	}
	sends := func() { // a part of a long message
		if _, err := s.says.Write([]byte(strings.Repeat(" ", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	id, done := ping(time.Minute)
	sends()
	if err := <-done; err != nil {
		t.Errorf("a ping of a browser that sends: %v", err)
	}
	_, done = ping(5 * busyLook)
	sends()
	if err := <-done; err == nil {
		t.Error("a browser that sends for ever answers no ping, and is not lost")
	}
	s.say(`{"id":%d,"result":{}}`, id) // the first answer comes after all
	for !b.mayBeBusy() {               // until the pump has read it
		runtime.Gosched()
	}
	id, done = ping(time.Minute)
	sends()
	if err := <-done; err != nil {
		t.Errorf("a ping of a browser that sends, and has answered: %v", err)
	}
	s.say(`{"id":%d,"result":{}}`, id)
	id, done = ping(time.Minute)
	s.say(`{"id":%d,"result":{}}`, id)
	if err := <-done; err != nil {
		t.Errorf("a ping that is answered: %v", err)
	}
}

// What comes back of a budget does not depend on how often it is looked at.
func TestABudgetComesBackHoweverOftenItIsLookedAt(t *testing.T) {
	now := time.Unix(0, 0)
	s := spent{messages: budgetMessages, bytes: talkBudget, at: now}
	const whole = budgetMessages / messagesRefill * time.Second
	const look = 200 * time.Microsecond // in which less than half a message comes back
	for range int(whole / look) {
		now = now.Add(look)
		s.refill(spendsRuntime, now)
	}
	if s.messages != 0 || s.bytes != 0 {
		t.Errorf("long after it was spent, %d messages and %d bytes have not come back",
			s.messages, s.bytes)
	}
}

// Bytes come back also where all messages have: a holder's own navigation may come in between.
func TestBytesComeBackWithoutMessages(t *testing.T) {
	now := time.Now()
	s := spent{bytes: addressBudget, at: now}
	if s.refill(spendsPage, now.Add(time.Minute)); s.bytes != 0 {
		t.Errorf("a minute later %d bytes are spent", s.bytes)
	}
}

package chrome

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
)

// What a page sends unasked, by the domains that the driver enables for chromedp and for itself,
// has a budget for each session and domain. It refills all the time, and full it lets a burst
// through. The pump looks at the ends of a message and drops what is beyond the budget before it is
// decoded. It also cuts the page off at the source: the domain is disabled for this document, if
// chromedp can do without it, and otherwise the page is closed. What a holder asks for by other
// commands (a screencast, a heap snapshot, requests that are paused, a binding) is not counted, and
// neither is the news of his own navigations.

const (
	// budgetMessages is more than a page of 1,000 requests or of 500 frames sends in a second, and
	// costs the pump some 200 ms. messagesRefill is what comes back of it in a second. Pages in a loop
	// send 12,000 in a second beside others, and 35,000 alone.
	budgetMessages, messagesRefill = 10_000, 2_000
	refillStep                     = 10 * time.Millisecond
	// talkBudget is more bytes than pages sent that did not mean to flood: each image with a data:
	// address is in the news of its request. Dropped unread they cost the pump some 20 ms.
	talkBudget = 32 << 20
	// addressBudget is the budget of the domains whose news is made of addresses, and addressRefill
	// what comes back of it in a second. An address may have 2 MB, a navigation tells of it four
	// times, and a page of 1,000 frames sends 1 MB in all. A message of 2 MB costs the pump 10 ms and
	// the browser's main thread much more, so a page that sends one in each second is a flood.
	addressBudget, addressRefill = 8 << 20, 256 << 10
	// newsOfAddress is how many bytes of news a navigation of a holder's may bring for each byte of
	// its address: to each of two sessions some six messages, which have it escaped, and up to four
	// times.
	newsOfAddress = 64
	// takesIn is how long a page that was cut off may take to take that in.
	takesIn = 250 * time.Millisecond
	// talkLongest is the longest message of the talk that is read to its end: a line drops what is
	// longer in any case.
	talkLongest = backlogBytes
)

// spender is a domain that has a budget.
type spender int

const (
	noSpender spender = iota
	spendsRuntime
	spendsLog
	spendsNetwork
	spendsDOM
	spendsPage
	spendsTarget
	spenders
)

// spending says of a domain what it may send, and whether it can be disabled; otherwise the page is
// closed instead.
var spending = [spenders]struct {
	name          string
	bytes, refill int // of the budget, and of what comes back in a second
	disabled      bool
}{
	spendsRuntime: {"Runtime", talkBudget, talkBudget, true},
	spendsLog:     {"Log", talkBudget, talkBudget, true},
	spendsNetwork: {"Network", talkBudget, talkBudget, true},
	spendsDOM:     {"DOM", talkBudget, talkBudget, false},
	spendsPage:    {"Page", addressBudget, addressRefill, false},
	spendsTarget:  {"Target", addressBudget, addressRefill, false},
}

// spends is the domain whose budget an event is in.
func spends(method []byte) spender {
	domain, event, _ := bytes.Cut(method, []byte("."))
	switch string(domain) {
	case "Runtime":
		switch string(event) {
		case "consoleAPICalled", "exceptionThrown", "exceptionRevoked":
			return spendsRuntime
		case "executionContextCreated", "executionContextDestroyed", "executionContextsCleared":
			return spendsPage // chromedp needs them
		}
	case "Log":
		return spendsLog
	case "Network":
		return spendsNetwork
	case "DOM":
		if string(event) != "setChildNodes" { // a query asked for it
			return spendsDOM
		}
	case "Page":
		if !strings.HasPrefix(string(event), "screencast") {
			return spendsPage
		}
	case "Target":
		if string(event) == "targetInfoChanged" {
			return spendsTarget
		}
	}
	return noSpender
}

// talks reports whether an event that begins so can be dropped, as long as it is.
func talks(begin []byte) bool {
	method, ok := methodOf(begin)
	return ok && spending[spends(method)].disabled
}

// methodOf reads the method of an event out of its beginning.
func methodOf(begin []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(begin, []byte(`{"method":"`))
	if !ok {
		return nil, false
	}
	method, _, ok := bytes.Cut(rest, []byte(`"`))
	return method, ok
}

// sessionOf reads the session of a message out of its end. Empty: it is the browser's own.
func sessionOf(end []byte) []byte {
	const session = `"sessionId":"`
	rest, ok := bytes.CutSuffix(end, []byte(`"}`)) // the browser's own end with another object
	if !ok {
		return nil
	}
	rest = rest[max(0, len(rest)-endBytes):]
	at := bytes.LastIndex(rest, []byte(session))
	if at < 0 {
		return nil
	}
	return rest[at+len(session):]
}

// budgets are what was spent. They are the pump's alone.
type budgets struct {
	now   func() time.Time
	swept time.Time
	spent map[string]*[spenders]spent // by session, or by target of the browser's own news
}

// spent is what a session has sent of a domain, less what has come back since.
type spent struct {
	messages, bytes int
	at              time.Time
	cut             time.Time // when it was cut off, and is not known to go on; zero: it was not
}

// of is what was spent for a session, or a target. Who has not sent for long has spent nothing.
func (b *budgets) of(from []byte, now time.Time) *[spenders]spent {
	const long = 10 * time.Second // every budget is full then
	if now.Sub(b.swept) > long {
		b.swept = now
		maps.DeleteFunc(b.spent, func(_ string, all *[spenders]spent) bool {
			return !slices.ContainsFunc(all[:], func(s spent) bool { return now.Sub(s.at) <= long })
		})
	}
	all := b.spent[string(from)]
	if all == nil {
		all = new([spenders]spent)
		b.spent[string(from)] = all
	}
	return all
}

// refill gives back what has come back.
func (s *spent) refill(of spender, now time.Time) {
	if s.messages == 0 && s.bytes == 0 {
		s.at = now
		return
	}
	// In whole steps, so that no part of a message is lost.
	steps := int(min(now.Sub(s.at), time.Minute) / refillStep)
	s.at = s.at.Add(time.Duration(steps) * refillStep)
	if now.Sub(s.at) > refillStep {
		s.at = now
	}
	const perSecond = int(time.Second / refillStep)
	s.messages = max(0, s.messages-steps*messagesRefill/perSecond)
	s.bytes = max(0, s.bytes-steps*spending[of].refill/perSecond)
}

// withinBudget counts a message of which the ends are given, and reports whether it may be handed
// out. It runs on the pump.
func (w *wire) withinBudget(begin, end []byte, size int) bool {
	method, ok := methodOf(begin)
	if !ok {
		return true
	}
	of := spends(method)
	from := sessionOf(end)
	switch {
	case of == noSpender:
		return true
	case of == spendsTarget && len(from) == 0:
		_, rest, _ := bytes.Cut(begin, []byte(`"targetId":"`))
		from, _, _ = bytes.Cut(rest, []byte(`"`))
	case len(from) == 0:
		return true
	}
	now := w.budgets.now()
	s := &w.budgets.of(from, now)[of]
	s.refill(of, now)
	if s.bytes+size > spending[of].bytes && w.asked(from, of, size) {
		return true
	}
	before := *s
	s.messages, s.bytes = s.messages+1, s.bytes+size
	switch {
	case s.within(of):
		return true
	case before.within(of): // it is the first beyond
		s.cut = now
		w.overspent(string(from), of, *s)
	case !s.cut.IsZero() && now.Sub(s.cut) > takesIn:
		s.cut = time.Time{}
		w.goesOn(target.SessionID(from), of)
	}
	return false
}

func (s *spent) within(of spender) bool {
	return s.messages <= budgetMessages && s.bytes <= spending[of].bytes
}

// goesOn stops the scripts of a page that was cut off and has not taken that in: its main thread is
// in a script that has no end, or its domain is not disabled.
func (w *wire) goesOn(from target.SessionID, of spender) {
	w.mu.Lock()
	l := w.mu.sessions[from]
	w.mu.Unlock()
	if l == nil || l.endless == nil {
		return
	}
	l.mu.Lock()
	is, off := l.mu.silent[hushed{from, of}]
	l.mu.Unlock()
	if off && !is.disabled {
		l.endless("it goes on to send messages of " + spending[of].name + ", which nobody hears")
	}
}

// overspent cuts off what has sent too much. It runs on the pump.
func (w *wire) overspent(from string, of spender, s spent) {
	w.mu.Lock()
	l := w.mu.sessions[target.SessionID(from)]
	w.mu.Unlock()
	says := fmt.Sprintf("it sent %d messages of %s with %d bytes unasked, "+
		"and %d messages or %d bytes are the most in a short time",
		s.messages, spending[of].name, s.bytes, budgetMessages, spending[of].bytes)
	if l != nil && l.cutOff(target.SessionID(from), of, says) {
		return
	}
	w.flooded(from, l, says)
}

// hushed is a domain of a session that was cut off.
type hushed struct {
	session target.SessionID
	of      spender
}

// send sends a command of the domain, and calls then on the pump when it is answered.
func (c hushed) send(w *wire, command string, then func()) {
	w.send(c.session, spending[c.of].name+"."+command, none,
		waiter{then: func(*cdproto.Message) { then() }})
}

// cutoff says how it was. A domain in which its holder has set something is not disabled, since
// that would be lost, and its news is dropped alone.
type cutoff struct{ asked, disabled bool }

// cutOff disables a domain of a session until the session's next document. It reports whether that
// can end the flood: not where the domain was disabled before and goes on, nor where it has
// settings that would be lost, for the second time.
func (l *line) cutOff(session target.SessionID, of spender, says string) bool {
	if !spending[of].disabled {
		return false
	}
	c := hushed{session, of}
	before, again := l.silence(c)
	if again {
		return before.asked && !before.disabled
	}
	what := "the page is not heard any more until its next document: "
	if !before.asked {
		what = "messages of the page are dropped: "
	}
	l.diary.add(sum([]byte(spending[of].name+" off")), Problem{Kind: Browser, Text: what + says})
	return true
}

// silence is how a domain was cut off before, or how it has been now. Disable, and enable in
// hearLocked, are sent under the lock: what a holder sets meanwhile is sent before both or behind
// both.
func (l *line) silence(c hushed) (is cutoff, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.dropped++
	if is, again = l.mu.silent[c]; again {
		return is, true
	}
	if c.of == spendsNetwork {
		l.mu.deafened++
	}
	is.asked = !l.mu.kept[c]
	if l.mu.silent == nil {
		l.mu.silent = make(map[hushed]cutoff)
	}
	l.mu.silent[c] = is
	if is.asked {
		c.send(l.w, "disable", func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.mu.silent[c].asked && !l.mu.kept[c] {
				l.mu.silent[c] = cutoff{asked: true, disabled: true}
			}
		})
	}
	return is, false
}

// deaf says why news of the network has not arrived since it was cut off so many times; nil: it
// has.
func (l *line) deaf(times int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.deafened != times {
		return errDeaf
	}
	for c := range l.mu.silent {
		if c.of == spendsNetwork {
			return errDeaf
		}
	}
	return nil
}

// deafened is how many times the news of the network was cut off.
func (l *line) deafened() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.deafened
}

var errDeaf = fmt.Errorf(
	"chrome: the page sends so much that news of its network is switched off: "+
		"more than %d messages or %d bytes in a short time", budgetMessages, talkBudget)

// setting are the verbs of the commands whose effect ends when their domain is disabled. Chrome
// refuses some of them while it is.
var setting = []string{
	"add", "compile", "configure", "emulate", "enable", "override", "set", "start",
}

// configures is the domain in which a command sets something that ends when the domain is disabled.
func configures(method string, params jsonv2.Value) spender {
	domain, name, _ := strings.Cut(method, ".")
	begins := func(verb string) bool { return strings.HasPrefix(name, verb) }
	switch {
	case name == "enable" && (len(params) == 0 || string(params) == string(none)),
		begins("setCookie") && !begins("setCookieControls"),
		!slices.ContainsFunc(setting, begins):
		return noSpender
	}
	for of := range spenders {
		if spending[of].name == domain && spending[of].disabled {
			return of
		}
	}
	return noSpender
}

// keep has a domain enabled from now on, since a command that is about to be sent sets something in
// it.
func (l *line) keep(c hushed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.kept == nil {
		l.mu.kept = make(map[hushed]bool)
	}
	l.mu.kept[c] = true
	if l.mu.silent[c].asked {
		l.hearLocked(c)
		// Until the page has taken that in: it may be in a loop, and Chrome sends again what the console
		// had.
		l.mu.silent[c] = cutoff{asked: true}
	}
}

// hearNetwork enables the domain Network again before a navigation of the holder's, whose response
// he may wait for.
func (l *line) hearNetwork(session target.SessionID, method string) {
	switch method {
	case page.CommandNavigate, page.CommandReload, page.CommandNavigateToHistoryEntry:
		l.hearAgain(session, func(of spender) bool { return of == spendsNetwork })
	}
}

// hearDocument enables what was disabled, for the page's next document. It runs on the pump.
func (l *line) hearDocument(session target.SessionID) {
	l.hearAgain(session, func(spender) bool { return true })
}

func (l *line) hearAgain(session target.SessionID, which func(spender) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.mu.silent {
		if c.session == session && which(c.of) {
			l.hearLocked(c)
		}
	}
}

// hearLocked enables a domain that was disabled.
func (l *line) hearLocked(c hushed) {
	is := l.mu.silent[c]
	delete(l.mu.silent, c)
	if !is.asked {
		return
	}
	if c.of == spendsRuntime {
		// What chromedp knows are contexts of another document, or the browser tells of them again.
		l.pushLocked(message{Message: &cdproto.Message{
			SessionID: c.session, Method: cdproto.EventRuntimeExecutionContextsCleared, Params: none,
		}})
		l.wake()
	}
	c.send(l.w, "enable", func() {
		if all := l.w.budgets.spent[string(c.session)]; all != nil {
			all[c.of] = spent{} // what comes now is another document's, or of a domain that is kept
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.mu.kept[c] {
			delete(l.mu.silent, c)
		}
	})
}

// flooded closes the page that has sent too much and cannot be cut off otherwise. It runs on the
// pump.
func (b *browser) flooded(from string, l *line, says string) {
	if l != nil {
		if l.flooded != nil {
			l.flooded(says)
		}
		return
	}
	if t := b.ownerOf(target.SessionID(from)); t != nil {
		t.flooded(says)
		return
	}
	b.mu.Lock()
	var flooder *tab
	for id, known := range b.mu.pages {
		switch {
		case string(id) != from && (known.session == "" || string(known.session) != from):
		case known.tab != nil:
			flooder = known.tab
		case known.page && !known.left && b.oursLocked(known.context):
			b.leaveLocked(id, known)
			if root := b.mu.pages[known.root]; root != nil && root.tab != nil {
				go root.tab.tellHolder("a page that was opened beside this one was closed: " + says)
			}
		}
	}
	b.mu.Unlock()
	if flooder != nil {
		flooder.flooded(says)
	}
}

// flooded ends a tab whose page has sent too much, and closes the page.
func (t *tab) flooded(says string) {
	if t.life.Err() != nil {
		return
	}
	// whose handler may block
	go t.b.log.Warn("page closed that floods", "target", t.id, "error", says)
	t.over(fmt.Errorf("%w: %s", ErrPageClosed, says))
	post(t.b.wire, "", target.CloseTarget, target.CloseTargetParams{TargetID: t.id})
}

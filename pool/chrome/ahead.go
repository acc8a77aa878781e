package chrome

import (
	"slices"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
)

// When chromedp attaches to a page it sends some fifteen commands, one after the answer to the
// other. A line sends those that matter by itself, all at once, as soon as the session is open, and
// answers chromedp's own when they come: the session is then ready in a quarter of the time.

// none is the answer to a command that has no result.
var none = jsonv2.Value("{}")

// window is the answer to the question for "self", by which chromedp tells a page from a worker.
var window = jsonv2.Value(`{"result":{"type":"object","className":"Window"}}`)

// answers are those to chromedp's first commands that say the same of every page.
var answers = map[string]jsonv2.Value{
	runtime.CommandEvaluate:               window,
	log.CommandEnable:                     none,
	network.CommandEnable:                 none,
	inspector.CommandEnable:               none,
	page.CommandEnable:                    none,
	dom.CommandEnable:                     none,
	css.CommandEnable:                     none, // it is enabled when the first command needs it
	target.CommandSetDiscoverTargets:      none, // the driver passes on the news of the tab's
	target.CommandSetAutoAttach:           none,
	page.CommandSetLifecycleEventsEnabled: none,
}

// ahead are the commands whose answers are of this page. They keep their place among the events.
var ahead = []string{
	target.CommandAttachToTarget, runtime.CommandEnable, page.CommandGetFrameTree, dom.CommandGetDocument,
}

// expectation is what a line still has to answer by itself.
type expectation struct {
	answers map[string]bool
	ahead   map[string]int64 // chromedp's number of the command; 0: it has not asked yet
}

// expect has the line answer chromedp's first commands.
func (l *line) expect() {
	e := &expectation{answers: make(map[string]bool), ahead: make(map[string]int64)}
	for method := range answers {
		e.answers[method] = true
	}
	for _, method := range ahead {
		e.ahead[method] = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.expects = e
}

// begin gives chromedp its session, and has the session report what chromedp needs. It runs on the
// pump.
func (l *line) begin(attached *cdproto.Message, session target.SessionID) {
	l.came(target.CommandAttachToTarget, attached)
	if attached.Error != nil {
		return
	}
	l.mu.Lock()
	l.mu.primary = session
	l.mu.Unlock()
	post(l.w, session, runtime.Enable, cdp.Empty{})
	// Its events come behind its answer, so that chromedp knows the session by then.
	l.came(runtime.CommandEnable, &cdproto.Message{SessionID: session, Result: none})
	post(l.w, session, log.Enable, cdp.Empty{})
	post(l.w, session, network.Enable, network.EnableParams{})
	post(l.w, session, inspector.Enable, cdp.Empty{})
	post(l.w, session, page.Enable, page.EnableParams{})
	post(l.w, session, dom.Enable, dom.EnableParams{})
	flat := true
	post(l.w, session, target.SetAutoAttach,
		target.SetAutoAttachParams{AutoAttach: true, Flatten: &flat})
	post(l.w, session, page.SetLifecycleEventsEnabled,
		page.SetLifecycleEventsEnabledParams{Enabled: true})
	l.w.send(session, page.CommandGetFrameTree, none, waiter{then: func(msg *cdproto.Message) {
		l.diary.shows(msg)
		l.came(page.CommandGetFrameTree, msg)
	}})
	l.w.send(session, dom.CommandGetDocument, shallow, waiter{then: func(msg *cdproto.Message) {
		l.came(dom.CommandGetDocument, msg)
	}})
}

// came takes an answer that chromedp may not have asked for yet. Until it does, what comes behind
// has to wait.
func (l *line) came(method string, msg *cdproto.Message) {
	l.mu.Lock()
	id := l.mu.expects.ahead[method]
	if id == 0 {
		l.pushLocked(message{Message: msg, ahead: method})
	} else {
		l.answeredLocked(method)
	}
	l.mu.Unlock()
	if id != 0 {
		msg.ID = id
		l.answer(method, msg)
	}
}

// expected answers a command of chromedp's if it is one of its first ones, and reports whether it
// was.
func (l *line) expected(msg *cdproto.Message) bool {
	method := string(msg.Method)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.mu.expects
	if e == nil {
		return false
	}
	id, waits := e.ahead[method]
	switch {
	case e.answers[method]:
		answer := &cdproto.Message{ID: msg.ID, SessionID: msg.SessionID, Result: answers[method]}
		l.mu.urgent = append(l.mu.urgent, answer)
		l.answeredLocked(method)
	case waits && id == 0:
		l.askedLocked(method, msg.ID)
	default:
		return false
	}
	l.wake()
	return true
}

// answeredLocked notes that chromedp's first command of a method was answered.
func (l *line) answeredLocked(method string) {
	e := l.mu.expects
	delete(e.answers, method)
	delete(e.ahead, method)
	if len(e.answers)+len(e.ahead) == 0 {
		l.mu.expects = nil
	}
}

// askedLocked notes that chromedp has asked for an answer.
func (l *line) askedLocked(method string, id int64) {
	if method == dom.CommandGetDocument {
		l.mu.renewed = false
	}
	at := slices.IndexFunc(l.mu.queue, func(m message) bool { return m.ahead == method })
	if at < 0 {
		l.mu.expects.ahead[method] = id
		if method == dom.CommandGetDocument {
			l.mu.documents++
		}
		return
	}
	l.mu.queue[at].ahead, l.mu.queue[at].ID = "", id
	if method == dom.CommandGetDocument && at >= eventsDuringDocument { // as in answer
		l.mu.urgent = append(l.mu.urgent, l.mu.queue[at].Message)
		l.mu.bytes -= l.mu.queue[at].size()
		l.mu.queue = slices.Delete(l.mu.queue, at, at+1)
	}
	l.answeredLocked(method)
}

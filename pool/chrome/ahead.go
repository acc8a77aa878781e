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
//
// Until chromedp is attached it gets answers only, and events wait: it takes in the frames and the
// document on one goroutine and events on another, and the map of the document's nodes has no lock.

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

// ahead are the commands whose answers are of this page.
var ahead = []string{
	target.CommandAttachToTarget, runtime.CommandEnable, page.CommandGetFrameTree,
	dom.CommandGetDocument,
}

// attachment is what a line answers by itself while chromedp attaches. It has the answers to
// commands that chromedp has yet to send, and the numbers of those that it has sent before the
// answer came.
type attachment struct {
	came  map[string]*cdproto.Message
	asked map[string]int64
}

// attach has the line answer chromedp's first commands.
func (l *line) attach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.attachment = &attachment{
		came:  make(map[string]*cdproto.Message),
		asked: make(map[string]int64),
	}
}

// attached has the line hand out events: chromedp is attached, or has given up.
func (l *line) attached() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.attachment = nil
	l.wake()
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
	l.came(runtime.CommandEnable, &cdproto.Message{SessionID: session, Result: none})
	post(l.w, session, log.Enable, cdp.Empty{})
	post(l.w, session, network.Enable, network.EnableParams{})
	post(l.w, session, inspector.Enable, cdp.Empty{})
	// DOM before Page: chromedp forgets the document of a frame that has navigated, and asks for it
	// again when DOM tells of it.
	post(l.w, session, dom.Enable, dom.EnableParams{})
	post(l.w, session, page.Enable, page.EnableParams{})
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

// came takes an answer that chromedp may not have asked for yet.
func (l *line) came(method string, msg *cdproto.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.mu.attachment
	if a == nil {
		return
	}
	if id, asked := a.asked[method]; asked {
		l.answerFirstLocked(id, msg)
	} else {
		a.came[method] = msg
	}
}

func (l *line) answerFirstLocked(id int64, msg *cdproto.Message) {
	msg.ID = id
	l.mu.urgent = append(l.mu.urgent, msg)
	l.wake()
}

// answers reports whether a command of chromedp's is one of its first, and answers it, or will.
func (l *line) answers(msg *cdproto.Message) bool {
	method := string(msg.Method)
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.mu.attachment
	if a == nil {
		return false
	}
	if result, ok := answers[method]; ok {
		l.answerFirstLocked(msg.ID, &cdproto.Message{SessionID: msg.SessionID, Result: result})
		return true
	}
	if !slices.Contains(ahead, method) {
		return false
	}
	if _, again := a.asked[method]; again {
		return false
	}
	a.asked[method] = msg.ID
	if method == dom.CommandGetDocument {
		l.mu.renewed = false
	}
	if came := a.came[method]; came != nil {
		l.answerFirstLocked(msg.ID, came)
	}
	return true
}

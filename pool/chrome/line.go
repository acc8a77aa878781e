package chrome

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

const (
	// eventsDuringDocument is how many events chromedp is given while it waits for a document. It
	// handles them only afterwards and blocks for ever on its 4,097th, so the rest waits here.
	eventsDuringDocument = 512
	// talkBytes is how much may wait for a chromedp that does not read before the talk of the page
	// and of its network is dropped: little, since a page that was rescued works again only when
	// chromedp is through with it. Beyond backlogBytes every event is dropped.
	talkBytes, backlogBytes = 1 << 20, 16 << 20
	// messageBytes is what a waiting message costs besides its content.
	messageBytes = 256
	// sweepAfter is how many commands chromedp may send without a message for it. It keeps a
	// listener for each command whose caller has given up, until the next message comes, which on a
	// silent page may be never.
	sweepAfter = 64
	// sweepID is the number of an answer that nobody waits for: chromedp counts up from 1.
	sweepID = -1
)

// line is a session's share of a wire. It is the transport of the chromedp that works on that
// session, and also its allocator. It holds any number of DevTools sessions, since a holder may
// attach to frames.
type line struct {
	w *wire
	// claims returns what is told of the answer to a command, if somebody is to be; nil: nobody
	// ever is.
	claims func(method string) func(*cdproto.Message)
	// watch sees every command that is sent; nil: nobody does.
	watch func(to target.SessionID, method string, params jsonv2.Value)
	// heed sees every event that arrives, on the pump; nil: nobody does.
	heed func(msg *cdproto.Message)
	// cause says why the line was closed; nil: nobody knows.
	cause func() error
	guard *guard // nil: every command is sent, and every event arrives
	// agreed is closed when the terms of the lease's affinity are in place; nil: there are none, or no
	// lease has begun.
	agreed atomic.Pointer[chan struct{}]
	ready  chan struct{} // holds one token when there may be something to read
	gone   chan struct{} // closed when there will be nothing more
	once   sync.Once
	diary  *diary
	asked  asked
	news   *askedNews // of the page, whichever its session
	// flooded ends the page, which has sent too much; nil: nobody can. It runs on the pump.
	flooded func(says string)
	// endless has the page's scripts stopped, since it sends too much and goes on; nil: nobody can.
	// It runs on the pump.
	endless func(why string)

	mu struct {
		sync.Mutex
		queue  []message
		urgent []*cdproto.Message // answers that chromedp needs before it can take anything else
		bytes  int                // size of queue
		// documents is the number of DOM.getDocument calls without an answer, and handed the number
		// of events that chromedp took since there was one.
		documents, handed int
		renewed           bool // the next DOM.getDocument is chromedp's own
		dropped           int  // messages of the page's talk and network
		damaged           bool
		unheard           int               // commands since the last message that chromedp was given
		silent            map[hushed]cutoff // what was cut off for the page's document
		kept              map[hushed]bool   // what has settings, which end when it is disabled

		deafened   int              // how many times the domain Network was
		primary    target.SessionID // the session that begin began with; empty: there is none yet
		attachment *attachment      // nil: chromedp is attached
		styled     bool             // CSS is enabled in primary
	}
}

// shallow is how chromedp gets a document: without what is in it. Chrome keeps a message for each
// change of a node that it has handed out, until the script ends, and by itself hands out two
// levels, the body among them. Of a script that rewrites its document for ever that is 200 MB a
// second, and a page cannot be rescued before they are sent, which takes six times as long as the
// script ran. Selectors find what is deeper all the same.
var shallow = encode(dom.CommandGetDocument, dom.GetDocumentParams{Depth: new(int64(0))})

// barrierMethod is a command that the line answers itself, behind what waits for chromedp. Chrome
// has none of that name.
const barrierMethod = "Pagepool.barrier"

// message is a message for chromedp: decoded, or as it came where it is from the console.
type message struct {
	*cdproto.Message
	text []byte
}

func (m message) size() int {
	if m.Message == nil {
		return messageBytes + len(m.text)
	}
	return messageBytes + len(m.Params) + len(m.Result)
}

// newLine makes a line for a session on a page.
func (w *wire) newLine(page target.ID) *line {
	l := &line{w: w, ready: make(chan struct{}, 1), gone: make(chan struct{}),
		diary: newDiary(page), news: new(askedNews)}
	l.mu.renewed = true
	return l
}

// Allocate, Wait and Attaches make a line a chromedp.Allocator that attaches to a running browser.
func (l *line) Allocate(
	ctx context.Context, opts ...chromedp.BrowserOption,
) (*chromedp.Browser, error) {
	return chromedp.NewBrowserTransport(ctx, l, opts...)
}

func (l *line) Wait() {}

func (l *line) Attaches() bool { return true }

// Read waits for the next message of the session. Its error says why the line was closed; it is
// io.EOF where nobody knows, and when ctx ends.
func (l *line) Read(ctx context.Context, into *cdproto.Message) error {
	for {
		if msg, ok := l.next(); ok {
			if msg.Message == nil {
				return decodeMessage(msg.text, into)
			}
			*into = *msg.Message
			return nil
		}
		select {
		case <-l.ready:
		case <-l.gone:
			if l.cause != nil {
				if err := l.cause(); err != nil {
					return err
				}
			}
			return io.EOF
		case <-ctx.Done():
			return io.EOF
		}
	}
}

// next takes the message that chromedp may have now, if there is one.
func (l *line) next() (message, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mu.urgent) > 0 {
		msg := l.mu.urgent[0]
		l.mu.urgent = l.mu.urgent[1:]
		return message{Message: msg}, true
	}
	full := l.mu.documents > 0 && l.mu.handed >= eventsDuringDocument
	if len(l.mu.queue) == 0 || l.mu.attachment != nil || full {
		return message{}, false
	}
	msg := l.mu.queue[0]
	l.mu.queue[0] = message{}
	l.mu.queue = l.mu.queue[1:]
	l.mu.bytes -= msg.size()
	if l.mu.documents > 0 && (msg.Message == nil || msg.ID == 0) {
		l.mu.handed++
	}
	if msg.Message != nil && msg.Method == cdproto.EventDOMDocumentUpdated {
		l.mu.renewed = true
	}
	return msg, true
}

func (l *line) pushLocked(msg message) {
	l.mu.queue = append(l.mu.queue, msg)
	l.mu.bytes += msg.size()
	l.mu.unheard = 0
}

// Write sends a command of chromedp's, under a number of the wire's own. It waits for the terms of
// the lease that has begun.
func (l *line) Write(_ context.Context, msg *cdproto.Message) error {
	if agreed := l.agreed.Load(); agreed != nil {
		select {
		case <-*agreed:
		case <-l.gone:
		}
	}
	select {
	case <-l.gone:
		return io.ErrClosedPipe
	default:
	}
	method := string(msg.Method)
	params := msg.Params
	if method == barrierMethod {
		l.answer(method, &cdproto.Message{ID: msg.ID, SessionID: msg.SessionID, Result: none})
		return nil
	}
	if l.answers(msg) {
		return nil
	}
	var change func(*cdproto.Message)
	if l.guard != nil {
		v := l.guard.judge(msg)
		if v.answer != nil {
			l.answer("", v.answer)
			return nil
		}
		params, change = v.params, v.then
	}
	if l.watch != nil {
		l.watch(msg.SessionID, method, params)
	}
	if method == dom.CommandGetDocument {
		l.mu.Lock()
		l.mu.documents++
		if l.mu.renewed {
			l.mu.renewed = false
			params = shallow
		}
		l.mu.Unlock()
	}
	l.style(msg.SessionID, method)
	l.hearNetwork(msg.SessionID, method)
	l.news.expect(method, len(msg.Params))
	if text := l.asked.command(msg.ID, method, msg.Params); text != "" {
		l.checkSelector(msg.SessionID, text)
	}
	l.sweep(msg.SessionID)
	to := waiter{line: l, id: msg.ID, method: method, then: change}
	if l.claims != nil && change == nil { // an answer that is changed names nothing new
		to.then = l.claims(method)
	}
	l.w.send(msg.SessionID, method, params, to)
	return nil
}

// sweep gives chromedp a message that is nobody's, now and then while no other comes: only with one
// does it look for listeners whose callers have gone.
func (l *line) sweep(session target.SessionID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.unheard++
	if l.mu.unheard < sweepAfter {
		return
	}
	l.pushLocked(message{Message: &cdproto.Message{ID: sweepID, SessionID: session}})
	l.wake()
}

// style enables CSS in the primary session before the first command that needs it.
func (l *line) style(session target.SessionID, method string) {
	if !strings.HasPrefix(method, "CSS.") {
		return
	}
	l.mu.Lock()
	first := session == l.mu.primary && !l.mu.styled
	l.mu.styled = l.mu.styled || first
	l.mu.Unlock()
	if first && method != css.CommandEnable {
		post(l.w, session, css.Enable, cdp.Empty{})
	}
}

// Close ends the line for chromedp, which closes it by itself. The sessions on it stay known, so
// that whoever shuts the session of the lease ends them.
func (l *line) Close() error {
	l.hangUp()
	return nil
}

func (l *line) hangUp() { l.once.Do(func() { close(l.gone) }) }

// answer takes the answer to a command of chromedp's. Answers are never dropped.
func (l *line) answer(method string, msg *cdproto.Message) {
	l.asked.answer(msg)
	l.mu.Lock()
	urgent := false
	if method == dom.CommandGetDocument {
		// Behind a long queue this answer would never arrive, since chromedp reads on only when it
		// has it. Behind a short one it keeps its place.
		urgent = len(l.mu.queue) >= eventsDuringDocument
		if l.mu.documents--; l.mu.documents == 0 {
			l.mu.handed = 0
		}
	}
	if urgent {
		l.mu.urgent = append(l.mu.urgent, msg)
	} else {
		l.pushLocked(message{Message: msg})
	}
	l.mu.Unlock()
	l.wake()
}

// event takes an event of one of the sessions, or drops it where too much is waiting.
func (l *line) event(msg *cdproto.Message) {
	if l.guard != nil && !l.guard.tells(msg) {
		return
	}
	l.diary.event(msg)
	if msg.Method == cdproto.EventPageFrameNavigated && bytes.HasPrefix(msg.Params, l.diary.begin) {
		l.hearDocument(msg.SessionID)
	}
	if l.heed != nil {
		l.heed(msg)
	}
	l.mu.Lock()
	switch full := l.mu.bytes; {
	case msg.SessionID == "",
		full < talkBytes,
		full < backlogBytes && !talk(msg): // "": the end of a session
		l.pushLocked(message{Message: msg})
	default:
		l.loseLocked(msg)
	}
	l.mu.Unlock()
	l.wake()
}

// lose notes that an event was dropped.
func (l *line) lose(msg *cdproto.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loseLocked(msg)
}

func (l *line) loseLocked(msg *cdproto.Message) {
	if talk(msg) || msg.Method == cdproto.EventRuntimeConsoleAPICalled {
		l.mu.dropped++
	} else {
		l.mu.damaged = true
	}
}

// console takes what the page wrote on its console, or drops it. It keeps a copy of text.
func (l *line) console(text []byte) {
	l.diary.console(text)
	l.mu.Lock()
	if l.mu.bytes < talkBytes {
		l.pushLocked(message{text: bytes.Clone(text)})
	} else {
		l.mu.dropped++
	}
	l.mu.Unlock()
	l.wake()
}

// losses says how many messages of the page's talk and network were dropped since it was last
// asked, and whether chromedp missed news that it cannot do without.
func (l *line) losses() (dropped int, damaged bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped, l.mu.dropped = l.mu.dropped, 0
	return dropped, l.mu.damaged
}

func (l *line) wake() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// talk reports whether chromedp keeps its picture of the page right without this event.
func talk(msg *cdproto.Message) bool {
	switch msg.Method {
	case cdproto.EventRuntimeExceptionThrown, cdproto.EventLogEntryAdded:
		return true
	}
	return strings.HasPrefix(string(msg.Method), "Network.")
}

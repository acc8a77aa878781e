package chrome

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
)

// errLost answers calls on a browser whose connection ended.
var errLost = fmt.Errorf("chrome: the connection to the browser ended: %w", pool.ErrBrowserLost)

// wire is the one connection to a browser process. The driver's own calls go over it directly, and
// every lease has a line of its own on it, on which its own chromedp runs.
//
// One chromedp for a whole browser would be less to write. But there a single tab that stops
// reading, be it for a listener that blocks or for a page that logs in an endless loop, stops the
// reader of all tabs and of the browser's own answers, and for good. Here such a tab stops itself
// only: the pump waits for nobody, so closing, probing and rescuing go on.
type wire struct {
	link      link
	maxAnswer int64  // the longest answer to a holder's command
	owner     string // the type whose setting that is
	// observe sees every event before the line it belongs to. It runs on the pump and must not
	// block.
	observe func(msg *cdproto.Message)
	// flooded is told of a session, or of a page, that has sent too much unasked, and of its line. It
	// runs on the pump.
	flooded func(from string, l *line, says string)
	// newsOf is what holders have asked for of a session's page, or of a page; nil: nothing.
	newsOf  func(from string) *askedNews
	budgets budgets
	replies arrivals       // of messages that answer a command
	lost    chan struct{}  // closed when nothing more will come from the browser
	garbage error          // why what came could not be read, if so; set before lost is closed
	wake    chan struct{}  // holds one token when unsent may have grown
	loops   sync.WaitGroup // the pump and the writer

	mu struct {
		sync.Mutex
		lastID   int64
		waiting  map[int64]waiter
		sessions map[target.SessionID]*line
		unsent   []*cdproto.Message
	}
}

// waiter is who gets the answer to a call: the driver, or a line that numbered the call itself.
type waiter struct {
	answer chan *cdproto.Message  // for the driver's own; it has room for the one answer
	then   func(*cdproto.Message) // is told of it first. It runs on the pump and must not block.
	line   *line
	id     int64  // the line's own number
	method string // the line's command
}

func newWire(l link, observe func(*cdproto.Message)) *wire {
	w := &wire{link: l, maxAnswer: maxAnswer, observe: observe, lost: make(chan struct{}),
		wake: make(chan struct{}, 1)}
	w.flooded = func(string, *line, string) {}
	w.newsOf = func(string) *askedNews { return nil }
	w.budgets = budgets{now: time.Now, spent: make(map[string]*[spenders]spent)}
	w.mu.waiting = make(map[int64]waiter)
	w.mu.sessions = make(map[target.SessionID]*line)
	return w
}

// start begins to read and write. Both end with close, or when the browser closes its end.
func (w *wire) start() {
	w.loops.Go(w.pump)
	w.loops.Go(w.write)
}

// close ends the connection, and returns when nothing of it runs any more.
func (w *wire) close() {
	w.link.Close()
	w.loops.Wait()
}

// pump reads what the browser says and hands it out. It waits for the browser only.
func (w *wire) pump() {
	defer close(w.lost)
	bound := w.bound()
	for {
		text, err := w.link.read(bound)
		if large := (*oversized)(nil); errors.As(err, &large) {
			w.tooLong(large)
			continue
		}
		if err != nil {
			return
		}
		if !w.withinBudget(text, text, len(text)) || w.console(text) {
			continue
		}
		msg := new(cdproto.Message)
		if err := decodeMessage(text, msg); err != nil {
			w.garbage = fmt.Errorf("it does not speak the DevTools protocol: it said %.80q: %w", text, err)
			w.link.Close()
			return
		}
		if msg.ID != 0 {
			w.answered(msg)
			continue
		}
		w.observe(msg)
		w.route(msg)
	}
}

// console hands out what a page wrote on its console, as it came: a page in an endless loop writes
// faster than the pump could decode. It reports whether text was that.
func (w *wire) console(text []byte) bool {
	const begin, session = `{"method":"Runtime.consoleAPICalled",`, `"sessionId":"`
	if !bytes.HasPrefix(text, []byte(begin)) {
		return false
	}
	at := bytes.LastIndex(text, []byte(session))
	if at < 0 || !bytes.HasSuffix(text, []byte(`"}`)) {
		return false
	}
	w.mu.Lock()
	l := w.mu.sessions[target.SessionID(text[at+len(session):len(text)-2])]
	w.mu.Unlock()
	if l != nil {
		l.console(text)
	}
	return true
}

// answered gives an answer to who waits for it. Nobody does where a caller gave up, or asked for
// none.
func (w *wire) answered(msg *cdproto.Message) {
	w.replies.note()
	w.mu.Lock()
	waiter, ok := w.mu.waiting[msg.ID]
	delete(w.mu.waiting, msg.ID)
	if ok && waiter.method == target.CommandAttachToTarget && msg.Error == nil {
		// The session's events come right behind, so its line has to be known before the next read.
		var attached target.AttachToTargetResult
		if decode(msg.Result, &attached) == nil {
			w.mu.sessions[attached.SessionID] = waiter.line
		}
	}
	w.mu.Unlock()
	if waiter.then != nil {
		waiter.then(msg)
	}
	switch {
	case waiter.answer != nil:
		waiter.answer <- msg
	case waiter.line != nil:
		msg.ID = waiter.id
		waiter.line.answer(waiter.method, msg)
	}
}

// route gives an event to the line of its session. Events of the browser itself are the driver's,
// but for the end of a session.
func (w *wire) route(msg *cdproto.Message) {
	session, ends := msg.SessionID, false
	if session == "" {
		if msg.Method != cdproto.EventTargetDetachedFromTarget {
			return
		}
		var detached target.EventDetachedFromTarget
		if decode(msg.Params, &detached) != nil {
			return
		}
		session, ends = detached.SessionID, true
	}
	w.mu.Lock()
	l := w.mu.sessions[session]
	if ends {
		delete(w.mu.sessions, session)
	}
	w.mu.Unlock()
	if l != nil {
		l.event(msg)
	}
}

// adopt gives a session to a line.
func (w *wire) adopt(session target.SessionID, l *line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.sessions[session] = l
}

// forget takes a line that is closed off the wire, and returns the sessions on it. One that the
// browser opens for it later is ended.
func (w *wire) forget(l *line) []target.SessionID {
	w.mu.Lock()
	defer w.mu.Unlock()
	var sessions []target.SessionID
	for session, owner := range w.mu.sessions {
		if owner == l {
			sessions = append(sessions, session)
			delete(w.mu.sessions, session)
		}
	}
	for id, to := range w.mu.waiting {
		switch {
		case to.line != l:
		case to.method == target.CommandAttachToTarget:
			w.mu.waiting[id] = waiter{then: w.detachLate}
		case to.then != nil:
			w.mu.waiting[id] = waiter{then: to.then}
		default:
			delete(w.mu.waiting, id)
		}
	}
	return sessions
}

// detachLate ends a session that came when nobody waits for it any more.
func (w *wire) detachLate(msg *cdproto.Message) {
	if id, err := attachedTo(msg); err == nil {
		post(w, "", target.DetachFromTarget, target.DetachFromTargetParams{SessionID: id})
	}
}

// primary reports whether a session is the one that a line began with.
func (w *wire) primary(session target.SessionID) bool {
	w.mu.Lock()
	l := w.mu.sessions[session]
	w.mu.Unlock()
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.primary == session
}

// write sends what was queued. A browser that stops reading blocks this goroutine and no caller.
func (w *wire) write() {
	for {
		select {
		case <-w.lost:
			return
		case <-w.wake:
		}
		w.mu.Lock()
		unsent := w.mu.unsent
		w.mu.unsent = nil
		w.mu.Unlock()
		if err := w.link.write(unsent); err != nil {
			w.link.Close() // ends the pump, and that is what everybody watches
			return
		}
	}
}

// send queues a command under a number of the wire's own and returns the number. The zero waiter is
// for a command whose answer nobody wants.
func (w *wire) send(session target.SessionID, method string, params jsonv2.Value, to waiter) int64 {
	if of := configures(method, params); of != noSpender {
		w.mu.Lock()
		l := w.mu.sessions[session]
		w.mu.Unlock()
		if l != nil {
			l.keep(hushed{session, of})
		}
	}
	w.mu.Lock()
	w.mu.lastID++
	id := w.mu.lastID
	if to.answer != nil || to.then != nil || to.line != nil {
		w.mu.waiting[id] = to
	}
	w.mu.unsent = append(w.mu.unsent, &cdproto.Message{
		ID: id, SessionID: session, Method: cdproto.MethodType(method), Params: params,
	})
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return id
}

// post sends a command without waiting for its answer. It never blocks.
func post[P, R any](w *wire, session target.SessionID, command cdp.Command[P, R], params P) {
	w.send(session, command.Method, encode(command.Method, params), waiter{})
}

// call sends a command, to the browser itself where session is empty, and waits for the answer, for
// ctx, or for the end of the connection. After an error the browser may still carry it out, unless
// it is the browser's own (*cdproto.Error).
func call[P, R any](
	ctx context.Context, w *wire, session target.SessionID, command cdp.Command[P, R], params P,
) (R, error) {
	if ctx.Err() != nil {
		var none R
		return none, fmt.Errorf("chrome: %s: %w", command.Method, ended(ctx))
	}
	return begin(w, session, command, params).wait(ctx)
}

// pending is a command that was sent and whose answer somebody is going to wait for.
type pending[R any] struct {
	w      *wire
	method string
	id     int64
	answer chan *cdproto.Message
}

// begin sends a command. It never blocks.
func begin[P, R any](
	w *wire, session target.SessionID, command cdp.Command[P, R], params P,
) pending[R] {
	p := pending[R]{w: w, method: command.Method, answer: make(chan *cdproto.Message, 1)}
	p.id = w.send(session, p.method, encode(p.method, params), waiter{answer: p.answer})
	return p
}

// wait waits as call does.
func (p pending[R]) wait(ctx context.Context) (R, error) {
	var result R
	var msg *cdproto.Message
	var err error
	select {
	case msg = <-p.answer:
	case <-ctx.Done():
		err = ended(ctx)
	case <-p.w.lost:
		// The pump hands out every answer before it says that it is the last.
		select {
		case msg = <-p.answer:
		default:
			err = errLost
		}
	}
	if msg == nil {
		p.w.mu.Lock()
		delete(p.w.mu.waiting, p.id)
		p.w.mu.Unlock()
		return result, fmt.Errorf("chrome: %s: %w", p.method, err)
	}
	if msg.Error != nil {
		return result, fmt.Errorf("chrome: %s: %w", p.method, msg.Error)
	}
	if err := decode(msg.Result, &result); err != nil {
		return result, fmt.Errorf("chrome: decode the answer to %s: %w", p.method, err)
	}
	return result, nil
}

// encode panics where the parameters of one of the driver's own calls have no JSON.
func encode(method string, params any) jsonv2.Value {
	encoded, err := jsonv2.Marshal(params, chromedp.DefaultMarshalOptions)
	if err != nil {
		panic(fmt.Sprintf("chrome: BUG: encode %s: %v", method, err))
	}
	return encoded
}

func decode(value jsonv2.Value, into any) error {
	return jsonv2.Unmarshal(value, into, chromedp.DefaultUnmarshalOptions)
}

// decodeMessage decodes what the browser said, but not the values in it. A page can have a result
// with names that are two for Chrome and one in Go, such as lone halves of UTF-16 pairs. decode
// refuses that, and may: whoever asked for it gets the error. The message around it has to arrive.
func decodeMessage(text []byte, into *cdproto.Message) error {
	err := decode(text, into)
	if err == nil {
		return nil
	}
	*into = cdproto.Message{}
	if json.Unmarshal(text, into) != nil { // lets names come twice
		return err
	}
	return nil
}

// ended says why ctx ended, so that errors.Is finds both its cause and its own error.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", cause, err)
}

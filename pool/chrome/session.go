package chrome

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// errCancelled is the cause where a holder ended what reads the messages of his page.
var errCancelled = fmt.Errorf("%w: its holder cancelled chromedp's context", ErrPageClosed)

// session is a DevTools session on a tab's page with a chromedp of its own: of one lease, or of
// Ready and Prepare. What is set through it ends with it.
type session struct {
	t    *tab
	line *line
	page *Page
	// loop is the context that chromedp reads the session's messages on. unloop does not wait for
	// chromedp, which may wait for a holder.
	loop   context.Context
	unloop context.CancelFunc
	life   *life
	ready  chan error // takes what attaching chromedp brought

	terms sessionTerms
	left  left // what the end of the session does not undo
	stops stops

	mu struct {
		sync.Mutex
		id    target.SessionID // empty: the browser has not answered yet
		ended bool
	}

	begun   atomic.Bool // it is a lease's, and chromedp is attached
	follows bool        // the page shows what another lease left; set before begun
	used    atomic.Bool // the holder has sent a command
	over    bool        // what its holder opens is nobody's any more; guarded by browser.mu
}

// life is the context of a session: it has chromedp's values, and an end of its own. Its error, and
// that of every context that derives from it, says why it ended.
type life struct {
	context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
}

func newLife(values context.Context) *life {
	base, cancel := context.WithCancelCause(context.WithoutCancel(values))
	return &life{Context: base, cancel: cancel, done: make(chan struct{})}
}

// end ends the context. Of several causes the first stays.
func (l *life) end(cause error) {
	l.cancel(cause)
	// Done is a channel of its own, so that derived contexts ask this context for its error, and
	// not the one in it.
	select {
	case <-l.done:
	default:
		close(l.done)
	}
}

func (l *life) Done() <-chan struct{} { return l.done }

func (l *life) Err() error {
	if l.Context.Err() == nil {
		return nil
	}
	return &lifeError{context.Cause(l.Context)}
}

// AfterFunc spares derived contexts a goroutine.
func (l *life) AfterFunc(f func()) func() bool { return context.AfterFunc(l.Context, f) }

// lifeError is the error of a context that ended. It is a context.Canceled that says why.
type lifeError struct{ cause error }

func (e *lifeError) Error() string { return e.cause.Error() }

func (e *lifeError) Unwrap() []error { return []error{e.cause, context.Canceled} }

// newSession begins to open a session. The tab ends it when it ends itself.
func (t *tab) newSession() (*session, error) {
	s := &session{t: t, line: t.b.wire.newLine(t.id), ready: make(chan error, 1)}
	s.page = &Page{tab: t, session: s}
	s.terms = sessionTerms{turn: make(chan struct{}, 1), has: new(terms)}
	s.line.claims, s.line.watch = s.claims, s.watch
	s.line.news = &t.news
	t.news.renew()
	s.line.cause = func() error { return context.Cause(s.life) }
	s.line.heed, s.line.flooded = s.heed, t.flooded
	s.line.endless = func(why string) { go s.stopScripts(why) }
	s.line.guard = newGuard(t, s.line)
	s.line.attach()
	report := func(format string, values ...any) {
		t.b.log.Debug("chromedp", "text", fmt.Sprintf(format, values...), "target", t.id)
	}
	root, unroot := chromedp.NewAllocatorContext(context.Background(), s.line)
	loop, _ := chromedp.NewContext(root, chromedp.WithTargetID(t.id), chromedp.WithDetachOnCancel(),
		chromedp.WithLogf(report), chromedp.WithErrorf(report))
	// Pages that a holder opens with chromedp go to the same profile.
	chromedp.FromContext(loop).BrowserContextID = t.c.id
	s.loop, s.unloop = loop, unroot
	s.life = newLife(context.WithValue(loop, pageKey{}, s.page))

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.over {
		s.shut(context.Cause(t.life))
		return nil, context.Cause(t.life)
	}
	t.mu.sessions[s] = struct{}{}
	flat := true
	t.b.wire.send("", target.CommandAttachToTarget, encode(target.CommandAttachToTarget,
		target.AttachToTargetParams{TargetID: t.id, Flatten: &flat}), waiter{then: s.attached})
	// The first run decides which context chromedp reads on, so it is loop and not that of a call.
	t.b.tabs.Go(func() {
		err := chromedp.Do(s.loop)
		s.line.attached()
		s.ready <- err
	})
	context.AfterFunc(s.loop, s.cancelled)
	return s, nil
}

// openSession opens a session, and waits until chromedp is ready on it, for ctx, or for the end of
// the tab. It needs a turn of the page's main thread. After an error no session is left.
func (t *tab) openSession(ctx context.Context) (*session, error) {
	s, err := t.newSession()
	if err != nil {
		return nil, err
	}
	select {
	case err = <-s.ready:
	case <-ctx.Done():
		err = ended(ctx)
	case <-s.life.Done():
		err = context.Cause(s.life)
	}
	if err == nil && s.life.Err() != nil {
		err = context.Cause(s.life)
	}
	if err != nil {
		s.close(err)
		return nil, err
	}
	return s, nil
}

// attached takes the session that the browser has opened, and has it report what chromedp needs,
// all at once. It runs on the pump.
func (s *session) attached(msg *cdproto.Message) {
	id, err := attachedTo(msg)
	s.mu.Lock()
	ended := s.mu.ended
	if err == nil && !ended {
		s.mu.id = id
		s.t.b.wire.adopt(id, s.line)
	}
	s.mu.Unlock()
	if err == nil && ended {
		s.t.b.detach(id, nil)
		return
	}
	s.line.begin(msg, id)
}

// pass gives chromedp news of the browser's, as if the session had told of it.
func (s *session) pass(msg *cdproto.Message) {
	s.mu.Lock()
	id, ended := s.mu.id, s.mu.ended
	s.mu.Unlock()
	if id != "" && !ended {
		s.line.event(&cdproto.Message{SessionID: id, Method: msg.Method, Params: msg.Params})
	}
}

// id is the session's number in the browser. It is empty where the browser has opened none.
func (s *session) id() target.SessionID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.id
}

// mute ends a session for its holder and for chromedp, which sends nothing any more. In the browser
// it goes on.
func (s *session) mute(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.ended {
		s.mu.ended = true
		s.life.end(cause)
		s.line.hangUp()
	}
}

// shut mutes a session and takes it off the wire. It returns the DevTools sessions that are to be
// ended in the browser, which are those of its holder, too.
func (s *session) shut(cause error) []target.SessionID {
	s.mute(cause)
	// chromedp ends when it reads that the line was closed, and says so; later, where a listener of
	// its holder's keeps it from reading.
	time.AfterFunc(leaveGrace, s.unloop)
	return s.t.b.wire.forget(s.line)
}

// close ends a session. It waits for nothing, and may be called again.
func (s *session) close(cause error) {
	for _, id := range s.shut(cause) {
		s.t.b.detach(id, nil)
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	delete(s.t.mu.sessions, s)
}

// cancelled is called when the context ends that chromedp reads on. chromedp.Cancel, which a holder
// may call on any context of the page, ends it; the page is then of no use to anybody, and is
// closed.
func (s *session) cancelled() {
	s.mu.Lock()
	ended := s.mu.ended
	s.mu.Unlock()
	if ended || s.t.b.isLost() {
		return
	}
	s.t.over(errCancelled)
	post(s.t.b.wire, "", target.CloseTarget, target.CloseTargetParams{TargetID: s.t.id})
}

// barrier waits until chromedp has sent every command that was given to it so far, and taken every
// message that has come. As long as a listener blocks, it does not take any.
func (s *session) barrier(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })()
	done := make(chan error, 1)
	go func() { done <- chromedp.FromContext(s.loop).Target.Call(ctx, barrierMethod, nil, nil) }()
	select {
	case err := <-done:
		if err != nil && s.life.Err() != nil {
			err = context.Cause(s.life)
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf(
			"chromedp takes no messages of the page: a listener blocks, or too many wait: %w", ended(ctx),
		)
	}
}

package chrome

import (
	"context"
	"errors"
	"fmt"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/pool"
)

const (
	// quietMost bounds how often a lease's session is asked again whether its page keeps still.
	quietMost = 3
	// restlessStarts is how many navigations a restless page begins while one session ends, or the
	// next one begins. Each of them is stopped.
	restlessStarts = 4
)

var errRestless = errors.New("the page begins navigations without end")

// BeginLease opens the session of the next lease, with a chromedp of its own, and waits until the
// page's main thread has answered, for ctx, or for the end of the tab. ctx bounds the call only.
// What the last lease's page begins to load meanwhile is stopped: the next holder meets neither
// that navigation nor the news of its end. After an error no session is left.
func (t *tab) BeginLease(ctx context.Context) (*Page, context.Context, error) {
	t.mu.Lock()
	held := t.mu.lease != nil && t.mu.lease.life.Err() == nil
	t.mu.Unlock()
	if held {
		return nil, nil, errors.New("chrome: begin a lease: the last one has not ended")
	}
	s, err := t.openStill(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("chrome: begin a lease: %w", err)
	}
	t.nav.turn()
	t.mu.Lock()
	s.follows = t.mu.used
	t.mu.lease, t.mu.used = s, true
	t.mu.Unlock()
	s.begun.Store(true)
	t.beginTerms(s)
	return s.page, s.life, nil
}

// openStill opens a session on a page that keeps still, as openSession does. A page that was
// brought to the standby state since its last lease may load what it likes. A restless one is
// brought there: the browser holds back what it is to tell such a page.
func (t *tab) openStill(ctx context.Context) (*session, error) {
	t.mu.Lock()
	used := t.mu.used
	t.mu.Unlock()
	if !used {
		return t.openAwake(ctx)
	}
	if !t.restless.Load() {
		opening, unwatch := t.untilRestless(ctx)
		s, err := t.openQuiet(opening)
		unwatch()
		if !t.restless.Load() {
			return s, err
		}
		if err == nil {
			s.close(errRestless) // the page's scripts were stopped at the last moment
		}
	}
	if err := t.renew(ctx); err != nil {
		return nil, err
	}
	return t.openAwake(ctx)
}

// untilRestless is for what is done between two leases. The context that it returns ends when the
// page turns out to be restless, which begins one navigation after the other; its scripts are
// stopped then, until a rescue or a reset has left the document. The function ends the watch: from
// its return on the page is restless, or is not found to be.
func (t *tab) untilRestless(ctx context.Context) (context.Context, func()) {
	before, _ := t.nav.look()
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer cancel()
		err := t.await(ctx, func(v navigation) bool { return v.starts-before.starts >= restlessStarts })
		if err == nil {
			t.restless.Store(true)
			t.disableScripts(true)
		}
	}()
	return ctx, func() {
		cancel()
		<-watched
	}
}

// openAwake opens a session on a page that may be frozen. On a frozen page chromedp cannot always
// be attached, so it is thawed, which goes on meanwhile.
func (t *tab) openAwake(ctx context.Context) (*session, error) {
	if !t.thaw() {
		return t.openSession(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	woken := make(chan error, 1)
	go func() { woken <- t.wake(ctx) }()
	s, err := t.openSession(ctx)
	if err != nil {
		return nil, err
	}
	if err = <-woken; err != nil {
		s.close(err)
		return nil, err
	}
	return s, nil
}

// openQuiet opens a session, and stops what the page begins to load meanwhile.
func (t *tab) openQuiet(ctx context.Context) (*session, error) {
	var s *session
	moved, err := t.still(ctx, func() (err error) {
		s, err = t.openAwake(ctx)
		return err
	})
	for n := 0; err == nil && moved && n < quietMost; n++ {
		moved, err = t.still(ctx, func() error {
			// Its answer comes behind the news of the session, and chromedp takes that in before the
			// barrier.
			_, err := askOn(ctx, t, s.id(), runtime.Evaluate, one)
			if refused := (*cdproto.Error)(nil); err == nil || errors.As(err, &refused) {
				err = s.barrier(ctx)
			}
			return err
		})
	}
	if err != nil && s != nil {
		s.close(err)
	}
	return s, err
}

// EndLease ends the lease's session. From its first step on the holder's page answers
// pool.ErrReleased. Then it stops what is in flight, and waits until that has stopped and the
// browser has ended the session, or until ctx ends. It needs no turn of the page's main thread.
// What the holder opened beside the page begins to close. After an error the session is about to
// end, and what was in flight may go on; EndLease may be called again.
func (t *tab) EndLease(ctx context.Context) (pool.Left, error) {
	t.mu.Lock()
	s := t.mu.lease
	t.mu.Unlock()
	if s == nil {
		return pool.Clean, nil
	}
	s.mute(pool.ErrReleased)
	t.b.pace.settle()
	t.closeBeside(s)
	_, unwatch := t.untilRestless(ctx)
	err := t.stop(ctx)
	unwatch()
	state, _ := t.nav.look()
	t.mu.Lock()
	t.mu.began, t.mu.finished = state.began, state.finished
	t.mu.Unlock()
	own := s.id()
	for _, id := range s.shut(pool.ErrReleased) {
		if err != nil || id != own {
			t.b.detach(id, nil)
		}
	}
	if err == nil && own != "" {
		err = t.detached(ctx, own)
	}
	left := pool.Clean
	if err == nil {
		left, err = t.undo(ctx, s)
	}
	if err != nil {
		return pool.Clean, fmt.Errorf("chrome: end a lease: %w", err)
	}
	s.close(pool.ErrReleased)
	t.c.keepCookies()
	if dropped, damaged := s.line.losses(); dropped > 0 || damaged {
		t.b.log.Warn("messages of a page dropped",
			"target", t.id, "messages", dropped, "events", damaged)
	}
	return left, nil
}

// detached ends a session, and waits until the browser has ended it.
func (t *tab) detached(ctx context.Context, id target.SessionID) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.life, func() { cancel(context.Cause(t.life)) })()
	_, err := call(ctx, t.b.wire, "", target.DetachFromTarget,
		target.DetachFromTargetParams{SessionID: id})
	if refused := (*cdproto.Error)(nil); errors.As(err, &refused) {
		return nil // there is no such session any more
	}
	return err
}

// Navigations says whether a navigation of the main frame to another document began in the lease
// that EndLease ended last, and whether one finished: the browser parsed its document, or ended it
// itself, with an error or because there is no document to show. What the end of the lease stopped
// did not finish.
func (t *tab) Navigations() (began, finished bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.began, t.mu.finished
}

// dropEnded ends the session of a lease that is over and whose EndLease has not been able to.
func (t *tab) dropEnded() {
	t.mu.Lock()
	s := t.mu.lease
	t.mu.Unlock()
	if s != nil && s.life.Err() != nil {
		s.close(pool.ErrReleased)
	}
}

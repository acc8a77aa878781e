package chrome

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
)

const (
	// commitPause is the time after which a stop is repeated that came while a navigation was
	// committed.
	commitPause = 2 * time.Millisecond
	// stoppedGrace is how long a page may take to say that it stopped loading. That needs a turn of
	// its main thread, which a script may hold, so the browser is then asked once more, and
	// stopsEnough of its answers are enough.
	stoppedGrace = 25 * time.Millisecond
	stopsEnough  = 3
	// announcedGrace is the same for the beginning of what a page has announced.
	announcedGrace = 50 * time.Millisecond
	// hearFor is how long the stop of what a Run left behind waits for a main thread that has not
	// answered the Run's last command.
	hearFor = 500 * time.Millisecond
	// endGrace is how long the last lease's document may hold the main thread with what it does at its
	// end. Chrome gives as long to a page that it closes.
	endGrace = 500 * time.Millisecond
)

// stop ends the navigation that is in flight, and what the document still loads, and returns when
// that is seen, or when ctx ends. The browser refuses a stop while a navigation is committed, and
// that navigation then goes on; so a stop is repeated until it was taken and no document was
// committed after it. What the page has announced is in flight as well: the browser begins it after
// the stop, so that is repeated then.
func (t *tab) stop(ctx context.Context) error {
	t.nav.change(func(v *navigation) { v.stops, v.stopping = v.stops+1, v.stopping || v.inFlight() })
	defer t.nav.change(func(v *navigation) { v.stops-- })
	for taken := 0; taken < stopsEnough; {
		_, err := ask(ctx, t, page.StopLoading, cdp.Empty{})
		refused := (*cdproto.Error)(nil)
		if err != nil && !errors.As(err, &refused) {
			return err
		}
		state, changed := t.nav.look()
		pause := stoppedGrace
		if !state.busy && !state.loading {
			pause = announcedGrace
		}
		if refused != nil {
			pause, taken = commitPause, 0
		} else if taken++; !state.inFlight() {
			return nil
		}
		committed, err := t.settled(ctx, state, changed, pause, refused != nil)
		switch {
		case err != nil:
			return err
		case committed:
			taken = 0
		case refused == nil && !t.moves():
			return nil
		}
	}
	return nil
}

// moves reports whether something is in flight.
func (t *tab) moves() bool {
	state, _ := t.nav.look()
	return state.inFlight()
}

// settled waits until a document is committed or a navigation begins, for pause, and, unless the
// stop was refused, until nothing is in flight. It reports whether a document was committed.
func (t *tab) settled(
	ctx context.Context, last navigation, changed <-chan struct{}, pause time.Duration, refused bool,
) (bool, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for state := last; ; {
		select {
		case <-changed:
		case <-timer.C:
			return false, nil
		case <-t.life.Done():
			return false, context.Cause(t.life)
		case <-ctx.Done():
			return false, ended(ctx)
		}
		state, changed = t.nav.look()
		switch {
		case state.commits != last.commits:
			return true, nil
		case !refused && (state.starts != last.starts || !state.inFlight()):
			return false, nil
		}
	}
}

// still does something that needs the page's main thread, and stops what the page begins to load
// meanwhile. As long as a navigation has no answer the browser holds back what it is to tell the
// main thread, so a page could make the driver wait for a server of its choice. It reports whether
// there was something to stop. Nothing that the page announced before do returned is in flight
// then.
func (t *tab) still(ctx context.Context, do func() error) (bool, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan bool, 1)
	go func() {
		moved := false
		for t.await(watching, navigation.inFlight) == nil {
			moved = true
			if t.stop(watching) != nil {
				break
			}
		}
		watched <- moved
	}()
	err := do()
	cancel()
	moved := <-watched
	if err != nil || !t.moves() {
		return moved, err
	}
	err = t.stop(ctx)
	// The main thread has been heard since; so what has not begun yet never does.
	t.nav.change((*navigation).forget)
	return true, err
}

// stops is the stop of a navigation that a Run left behind.
type stops struct {
	sync.Mutex
	running chan struct{} // closed when it has ended; nil: there is none
	sent    int           // navigations that the holder has asked for
	scripts bool          // the page's scripts are stopped until the next of them that is to have any
	none    bool          // the holder has switched scripts off
}

// wait waits until no stop runs any more, for ctx, or for the end of the session.
func (s *stops) wait(ctx context.Context, life context.Context) error {
	s.Lock()
	running := s.running
	s.Unlock()
	if running == nil {
		return nil
	}
	select {
	case <-running:
		return nil
	case <-life.Done():
		return context.Cause(life)
	case <-ctx.Done():
		return ended(ctx)
	}
}

// noteNavigation notes that the holder asks for a navigation.
func (s *session) noteNavigation(method string) {
	if method == target.CommandCreateTarget {
		return
	}
	s.stops.Lock()
	defer s.stops.Unlock()
	s.stops.sent++
	s.letRunLocked()
	if s.stops.sent == 1 && s.begun.Load() && s.follows {
		go s.leaveLast()
	}
}

// noteScripts notes that the holder switches scripts off, or on again.
func (s *session) noteScripts(params jsonv2.Value) {
	var set emulation.SetScriptExecutionDisabledParams
	if decode(params, &set) != nil {
		return
	}
	s.stops.Lock()
	defer s.stops.Unlock()
	s.stops.none = set.Value
	s.letRunLocked()
}

// letRunLocked lets a page that was stopped run scripts again, unless its holder wants none. In
// Chrome, of the sessions that set this the last one decides, and one that sets what it has set
// already does nothing. So the driver's session stays off until the holder's is on.
func (s *session) letRunLocked() {
	if s.stops.scripts && !s.stops.none {
		s.stops.scripts = false
		s.t.disableScripts(false)
	}
}

// leaveLast stops scripts that hold the main thread while the page leaves the document that the
// last lease left. What a document does at its end may never end.
func (s *session) leaveLast() {
	leaves := func(v navigation) bool { return v.renewed || v.leavesLast() }
	for s.t.await(s.life, leaves) == nil {
		if s.leftLast(endGrace / 2) {
			return
		}
		if s.hears(endGrace / 2) {
			continue // it waits for a server
		}
		for state, _ := s.t.nav.look(); state.leavesLast(); state, _ = s.t.nav.look() {
			s.t.stopScript()
			if s.leftLast(stopEvery) || s.life.Err() != nil {
				return
			}
		}
	}
}

// leftLast reports whether the page has left the last lease's document, after that time.
func (s *session) leftLast(within time.Duration) bool {
	ctx, cancel := context.WithTimeout(s.life, within)
	defer cancel()
	return s.t.await(ctx, func(v navigation) bool { return v.renewed }) == nil
}

// hears reports whether the main thread answers within that time.
func (s *session) hears(within time.Duration) bool {
	ctx, cancel := context.WithTimeout(s.life, within)
	defer cancel()
	_, err := ask(ctx, s.t, runtime.Evaluate, one)
	refused := (*cdproto.Error)(nil)
	return err == nil || errors.As(err, &refused)
}

// mark is a moment in the life of a session.
type mark struct {
	sent, starts, announcements int
	commands                    int // that chromedp had sent
}

func (s *session) mark() mark {
	state, _ := s.t.nav.look()
	commands := s.line.asked.sent()
	s.stops.Lock()
	defer s.stops.Unlock()
	return mark{s.stops.sent, state.starts, state.announcements, commands}
}

// hear waits for the page's main thread, and no longer than hearFor: a script may hold it.
func (s *session) hear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hearFor)
	defer cancel()
	_, err := ask(ctx, s.t, runtime.Evaluate, one)
	return err
}

// hearSince waits until the main thread has taken in what the session has sent since a mark, as
// hear does, or has announced a navigation since.
func (s *session) hearSince(ctx context.Context, before mark) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_ = s.hear(ctx)
	}()
	_ = s.t.await(ctx, func(v navigation) bool {
		return v.starts != before.starts || v.announcements != before.announcements
	})
}

// stopSince begins to stop a navigation that began since a mark and is still under way.
func (s *session) stopSince(before mark) {
	done := make(chan struct{})
	s.stops.Lock()
	last := s.stops.running
	s.stops.running = done
	s.stops.Unlock()
	go func() {
		defer close(done)
		if last != nil {
			<-last
		}
		ctx, cancel := context.WithCancel(s.life)
		defer cancel()
		// What chromedp was told before ctx ended it may not have sent yet.
		if s.barrier(ctx) != nil {
			return
		}
		if s.line.asked.open(before.commands) { // what it asks for may be to begin a navigation
			s.hearSince(ctx, before)
		}
		now, state := s.mark(), navigation{}
		state, _ = s.t.nav.look()
		asked, began := now.sent-before.sent, now.starts-before.starts
		own := began > 0 || now.announcements > before.announcements
		if asked <= began && !(own && state.navigates()) {
			return
		}
		err := s.t.stop(ctx)
		if err == nil && s.t.moves() { // it is yet to begin, or its page is busy
			_, err = s.t.still(ctx, func() error { return s.hear(ctx) })
		}
		if err == nil {
			_ = s.barrier(ctx) // news of the navigation that ended is not the next one's
		}
	}()
}

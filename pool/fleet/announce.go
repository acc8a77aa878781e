package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// announcer keeps the entries of one server in a balancer's map. Its goroutine is the only one that
// talks to the balancer; what is told meanwhile is kept by key, and only the latest of each key is
// sent.
type announcer struct {
	socket, in, server  string
	beat, resync, limit time.Duration
	log                 *slog.Logger
	token               string // the value of mark
	wake                chan struct{}
	connect             func(context.Context) (net.Conn, error) // to the socket

	cleared chan struct{} // closed when the balancer has no entry of a server that leaves
	ended   chan struct{} // closed when the balancer is told nothing more

	marked bool   // the balancer has had our mark
	rival  string // another mark that came in its place; "": none

	mu struct {
		sync.Mutex
		warm    map[string]uint64 // by affinity: its generation
		cold    map[string]uint64 // by affinity: its last generation; see mostCold
		news    map[string]bool   // by affinity: whether it is warm; not told yet
		whole   bool              // the balancer may have anything: everything is compared
		leaving bool              // nothing is warm any more
	}
}

// mostCold is how many affinities that became cold are remembered, so that late news of them is
// known as such. A pool announces in order: what comes late, comes soon.
const mostCold = 1024

func newAnnouncer(c *Config) *announcer {
	a := &announcer{
		socket: c.Socket, in: c.Map, server: c.Server,
		beat: c.Beat, resync: c.Resync, limit: c.Limit, log: c.Logger,
		token: rand.Text(), wake: make(chan struct{}, 1), connect: connector(c.Socket, c.Limit),
		cleared: make(chan struct{}), ended: make(chan struct{}),
	}
	a.mu.warm, a.mu.cold, a.mu.news = map[string]uint64{}, map[string]uint64{}, map[string]bool{}
	a.mu.whole = true
	return a
}

// mark is a key of the map that no affinity has. Where it has not our token, the map is new, or
// another process of this name was the last to write to it.
func (a *announcer) mark() string { return "beat." + a.server }

// tell takes in an announcement. One that is older than what was said of its key comes too late.
func (a *announcer) tell(said pool.Announcement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, generation := said.Affinity, said.Generation
	last, wasCold := a.mu.cold[key]
	if a.mu.leaving || generation < max(last, a.mu.warm[key]) ||
		said.Warm && wasCold && generation == last {
		return
	}
	delete(a.mu.warm, key)
	delete(a.mu.cold, key)
	if said.Warm {
		a.mu.warm[key] = generation
	} else {
		if len(a.mu.cold) >= mostCold {
			clear(a.mu.cold)
		}
		a.mu.cold[key] = generation
	}
	if said.Warm || !a.mu.whole {
		a.mu.news[key] = said.Warm
	} else {
		delete(a.mu.news, key) // it is not in the whole list: see compareLocked
	}
	a.ring()
}

func (a *announcer) ring() {
	select {
	case a.wake <- struct{}{}:
	default: // it is about to look
	}
}

// withdraw makes everything cold, and waits until the balancer has no entry of this server any
// more.
func (a *announcer) withdraw(ctx context.Context) error {
	a.mu.Lock()
	if !a.mu.leaving {
		a.mu.leaving, a.mu.whole = true, true
		clear(a.mu.warm)
		clear(a.mu.news)
	}
	a.ring()
	a.mu.Unlock()
	select {
	case <-a.cleared:
	case <-a.ended:
	case <-ctx.Done():
	}
	if a.hasLeft() {
		return nil
	}
	err := ctx.Err()
	if err == nil {
		err = errClosed
	}
	return fmt.Errorf("fleet: the balancer has not confirmed that nothing is warm here: %w", err)
}

func (a *announcer) hasLeft() bool {
	select {
	case <-a.cleared:
		return true
	default:
		return false
	}
}

var errClosed = errors.New("the member was closed")

// run tells the balancer until ctx ends, or until it has left: then another process may have the
// name of this server.
func (a *announcer) run(ctx context.Context) {
	defer close(a.ended)
	beat, resync := time.NewTicker(a.beat), time.NewTicker(a.resync)
	defer beat.Stop()
	defer resync.Stop()
	reached := true
	for {
		err := a.sync(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && reached:
			a.log.Warn("the balancer is not told what is warm", "socket", a.socket, "error", err)
		case err == nil && !reached:
			a.log.Info("the balancer is told again what is warm", "socket", a.socket)
		}
		if a.hasLeft() {
			return
		}
		reached = err == nil
		wake := a.wake
		if !reached {
			wake = nil // not before the next beat
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		case <-wake:
		case <-resync.C:
			a.compare()
		}
	}
}

// compare has the next sync compare everything.
func (a *announcer) compare() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.compareLocked()
}

// compareLocked drops the news that the whole list makes needless: what is cold is not in it. So
// the news does not grow while the balancer cannot be reached.
func (a *announcer) compareLocked() {
	a.mu.whole = true
	maps.DeleteFunc(a.mu.news, func(_ string, warm bool) bool { return !warm })
}

// again keeps news that may not have arrived, as far as it is still true.
func (a *announcer) again(news map[string]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.compareLocked()
	for affinity, warm := range news {
		if _, ok := a.mu.warm[affinity]; ok && warm {
			a.mu.news[affinity] = true
		}
	}
}

// look warns of two processes with one name: each takes back what the other says, for ever.
func (a *announcer) look(mark string) {
	if a.marked && mark != "" && mark != a.token && mark != a.rival {
		a.rival = mark
		a.log.Warn("another process announces under the name of this server", "server", a.server)
	}
}

// sync brings the balancer's map up to date. What fails is done again as a whole: nobody knows how
// far it came.
func (a *announcer) sync(ctx context.Context) error {
	s, err := dial(ctx, a.connect, a.limit)
	if err != nil {
		a.compare()
		return err
	}
	defer s.Close()
	mark, err := s.get(a.in, a.mark())
	if err != nil {
		a.compare()
		return err
	}
	a.look(mark)
	a.mu.Lock()
	whole, leaving := a.mu.whole || mark != a.token, a.mu.leaving
	news := a.mu.news
	a.mu.whole, a.mu.news = false, map[string]bool{}
	warm := map[string]bool{}
	if whole {
		for affinity := range a.mu.warm {
			warm[Key(affinity)] = true
		}
	}
	a.mu.Unlock()
	if whole {
		err = a.tellAll(s, warm)
	}
	if err == nil {
		err = a.tellNews(s, news)
	}
	if err != nil {
		a.again(news)
		return err
	}
	a.marked = true
	if leaving {
		close(a.cleared) // run ends with it
	}
	return nil
}

// tellNews sends what has changed. An entry that names another server stays when an affinity has
// become cold here: it is warm there.
func (a *announcer) tellNews(s *session, news map[string]bool) error {
	for affinity, warm := range news {
		key := Key(affinity)
		if warm {
			if err := s.set(a.in, key, a.server); err != nil {
				return err
			}
			continue
		}
		holder, err := s.get(a.in, key)
		if err == nil && holder == a.server {
			err = s.del(a.in, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tellAll compares the whole map with what is warm here: it adds what is missing, and takes back
// what an earlier life of this server has left there.
func (a *announcer) tellAll(s *session, warm map[string]bool) error {
	entries, err := s.show(a.in)
	if err != nil {
		return err
	}
	var missing []string
	for key := range warm {
		if _, ok := entries[key]; !ok {
			missing = append(missing, key)
		}
	}
	if err := s.add(a.in, missing, a.server); err != nil {
		return err
	}
	for key, holder := range entries {
		if holder == a.server && !warm[key] {
			if err := s.del(a.in, key); err != nil {
				return err
			}
		}
	}
	return s.set(a.in, a.mark(), a.token)
}

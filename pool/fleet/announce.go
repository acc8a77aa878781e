package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
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

	mu struct {
		sync.Mutex
		warm    map[string]uint64 // by affinity: its generation
		news    map[string]change // by affinity: what the balancer has not been told
		whole   bool              // the balancer may have anything: everything is compared
		leaving bool              // nothing is warm any more
		cleared chan struct{}     // closed when the balancer has no entry of a server that leaves
	}
}

// change is the latest that was said of an affinity. The balancer may not know it yet.
type change struct {
	generation uint64
	warm       bool
}

func newAnnouncer(c *Config) *announcer {
	a := &announcer{
		socket: c.Socket, in: c.Map, server: c.Server,
		beat: c.Beat, resync: c.Resync, limit: c.Limit, log: c.Logger,
		token: rand.Text(), wake: make(chan struct{}, 1),
	}
	a.mu.warm, a.mu.news = map[string]uint64{}, map[string]change{}
	a.mu.whole, a.mu.cleared = true, make(chan struct{})
	return a
}

// mark is a key of the map that no affinity has. Where it has not our token, the map is new, or
// another process of this name was the last to write to it.
func (a *announcer) mark() string { return "beat." + a.server }

// tell takes in an announcement. One with a generation that is older than what was said of its key
// comes too late.
func (a *announcer) tell(said pool.Announcement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.leaving || said.Generation < a.mu.warm[said.Affinity] ||
		said.Generation < a.mu.news[said.Affinity].generation {
		return
	}
	if said.Warm {
		a.mu.warm[said.Affinity] = said.Generation
	} else {
		delete(a.mu.warm, said.Affinity)
	}
	a.mu.news[said.Affinity] = change{said.Generation, said.Warm}
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
	case <-a.mu.cleared:
		return nil
	case <-ctx.Done():
		return fmt.Errorf(
			"fleet: the balancer has not confirmed that nothing is warm here: %w",
			ctx.Err(),
		)
	}
}

// run tells the balancer until ctx ends.
func (a *announcer) run(ctx context.Context) {
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
	a.mu.whole = true
}

// sync brings the balancer's map up to date. What fails is done again as a whole: nobody knows how
// far it came.
func (a *announcer) sync(ctx context.Context) (err error) {
	s, err := dial(ctx, a.socket, a.limit)
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
	a.mu.Lock()
	whole, leaving := a.mu.whole || mark != a.token, a.mu.leaving
	news := a.mu.news
	a.mu.whole, a.mu.news = false, map[string]change{}
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
		a.compare()
		return err
	}
	if leaving {
		a.mu.Lock()
		defer a.mu.Unlock()
		select {
		case <-a.mu.cleared:
		default:
			close(a.mu.cleared)
		}
	}
	return nil
}

// tellNews sends what has changed. An entry that names another server stays when an affinity has
// become cold here: it is warm there.
func (a *announcer) tellNews(s *session, news map[string]change) error {
	for affinity, c := range news {
		key := Key(affinity)
		if c.warm {
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

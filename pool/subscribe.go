package pool

import (
	"cmp"
	"slices"
	"sync"
)

// Announcement says that an affinity has become warm or cold, for whoever routes work to this
// process. Those of one key alternate, with growing generations.
type Announcement struct {
	Affinity   string
	Generation uint64
	Warm       bool
}

// Subscribe calls fn for every affinity that is warm now, in the order of their keys, and from then
// on for every change, in order, in a goroutine of its own. A slow fn holds up nothing but itself:
// what it has not been told yet is kept for it. After cancel fn is told nothing more, but for one
// announcement that was on its way to it: cancel does not wait for a call of fn, so that fn may
// call it, and one call may be under way, or just begin, when cancel returns. A pool that has been
// closed announces that everything is cold, and the goroutine ends when fn has been told. With a
// nil fn there is nobody to tell: nothing begins.
func (p *Pool[P]) Subscribe(fn func(Announcement)) (cancel func()) {
	if fn == nil {
		return func() {}
	}
	s := &subscriber{fn: fn}
	s.changed.L = &s.mu
	p.mu.Lock()
	s.mu.queue = p.warmLocked()
	slices.SortFunc(s.mu.queue, func(a, b Announcement) int {
		return cmp.Compare(a.Affinity, b.Affinity)
	})
	if p.mu.finished {
		s.mu.ended = true
	} else {
		p.mu.subscribers[s] = struct{}{}
	}
	p.unlock()
	go s.run()
	return func() {
		p.mu.Lock()
		delete(p.mu.subscribers, s)
		p.unlock()
		s.cancel()
	}
}

func (p *Pool[P]) announceLocked(a Announcement) {
	for s := range p.mu.subscribers {
		s.tell(a)
	}
}

// subscriber is one fn and what it has not been told yet. Its lock is held for a moment only, and
// never while fn runs, so that the pool may take it under its own.
type subscriber struct {
	fn      func(Announcement)
	changed sync.Cond
	mu      struct {
		sync.Mutex
		queue []Announcement
		ended bool // nothing will be added
	}
}

func (s *subscriber) tell(a Announcement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.queue = append(s.mu.queue, a)
	s.changed.Signal()
}

func (s *subscriber) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.ended = true
	s.changed.Signal()
}

// cancel ends it too, and takes back what it has not been told yet.
func (s *subscriber) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.ended, s.mu.queue = true, nil
	s.changed.Signal()
}

func (s *subscriber) run() {
	for {
		a, ok := s.next()
		if !ok {
			return
		}
		s.fn(a)
	}
}

// next waits for something to tell.
func (s *subscriber) next() (Announcement, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.mu.queue) == 0 && !s.mu.ended {
		s.changed.Wait()
	}
	if len(s.mu.queue) == 0 {
		return Announcement{}, false
	}
	a := s.mu.queue[0]
	s.mu.queue = s.mu.queue[1:]
	return a, true
}

package live

import (
	"context"
	"sync"
	"time"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/follow"
	"github.com/pagepool/pagepool/sim/traffic"
)

// following takes what a pool does to a follower, in order and without holding the pool up.
type following struct {
	done chan struct{}

	mu struct {
		sync.Mutex
		queue    []told
		more     chan struct{} // closed, and made again, when something is queued
		stopped  bool
		steps    int
		launches []uint64 // operations of launches that worked
	}
	// at guards the follower.
	at struct {
		sync.Mutex
		follower *follow.Follower
	}
}

// told is one step of the pool, or something that is known of a page or a browser.
type told struct {
	at       core.Time
	affinity string
	event    core.Event
	hash     uint64
	act      func(f *follow.Follower, at core.Time) // nil: an event
}

// hashEvery is after how many steps the state of the pool is compared with the follower's.
const hashEvery = 16

func newFollowing(settings core.Settings, keep bool) (*following, error) {
	follower, err := follow.New(settings, keep)
	if err != nil {
		return nil, err
	}
	f := &following{done: make(chan struct{})}
	f.at.follower = follower
	f.mu.more = make(chan struct{})
	go f.run()
	return f, nil
}

func (f *following) tell(t told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.stopped {
		return
	}
	f.mu.queue = append(f.mu.queue, t)
	close(f.mu.more)
	f.mu.more = make(chan struct{})
}

// run goes along until it is stopped and has heard everything.
func (f *following) run() {
	defer close(f.done)
	var last core.Time
	for {
		f.at.Lock() // before the queue is taken, so that an empty one has been gone through
		f.mu.Lock()
		queue, more, stopped := f.mu.queue, f.mu.more, f.mu.stopped
		f.mu.queue = nil
		f.mu.Unlock()
		for _, t := range queue {
			if t.act != nil {
				t.act(f.at.follower, last)
				continue
			}
			last = t.at
			f.at.follower.Step(t.at, t.affinity, t.event, t.hash)
		}
		f.at.Unlock()
		if len(queue) > 0 {
			continue
		}
		if stopped {
			return
		}
		<-more
	}
}

// stateHash is the hash of the state that the pool was in when the last event came that was told so
// far.
func (f *following) stateHash() uint64 {
	heard := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.mu.queue) == 0
	}
	await(closeWithin, heard)
	f.at.Lock()
	defer f.at.Unlock()
	return canon.StateHash(&f.at.follower.Core().Facts)
}

// stop waits until everything is heard that was told so far, and hears no more.
func (f *following) stop() {
	f.mu.Lock()
	if !f.mu.stopped {
		f.mu.stopped = true
		close(f.mu.more)
		f.mu.more = make(chan struct{})
	}
	f.mu.Unlock()
	<-f.done
}

func (f *following) look(fn func(*follow.Follower)) {
	f.at.Lock()
	defer f.at.Unlock()
	fn(f.at.follower)
}

func (f *following) violation() (v *sim.Violation) {
	f.look(func(x *follow.Follower) { v = x.Violation() })
	return v
}

func (f *following) outside() (o *follow.Outside) {
	f.look(func(x *follow.Follower) { o = x.Outside() })
	return o
}

func (f *following) settled() (settled bool) {
	f.look(func(x *follow.Follower) { settled = x.Violation() != nil || x.Settled() })
	return settled
}

func (f *following) ended() (ended bool) {
	f.look(func(x *follow.Follower) { ended = x.Core().Ended() })
	return ended
}

func (f *following) bound() (within time.Duration) {
	f.look(func(x *follow.Follower) { within = x.RecoveryBound().Duration() })
	return within
}

func (f *following) report() (r *traffic.Report) {
	f.look(func(x *follow.Follower) { r = x.Report() })
	return r
}

func (f *following) trace() (text []byte) {
	f.look(func(x *follow.Follower) { text = x.Trace() })
	return text
}

// loops notes that the page of a leased tab does not answer from now on.
func (f *following) loops(id core.TabID) {
	f.tell(told{act: func(x *follow.Follower, at core.Time) { x.Loop(at, id) }})
}

// floods notes that the page of a tab floods from now on.
func (f *following) floods(id core.TabID) {
	f.tell(told{act: func(x *follow.Follower, at core.Time) { x.Flood(at, id) }})
}

// cutOff notes that a page that floods is not heard any more.
func (f *following) cutOff(id core.TabID) {
	f.tell(told{act: func(x *follow.Follower, at core.Time) { x.CutOff(at, id) }})
}

// turned notes that something that the tabs of a launch's browser share is so from now on.
func (f *following) turned(launch uint64, p fakebrowser.Part, h fakebrowser.Health) {
	f.tell(told{act: func(x *follow.Follower, at core.Time) {
		if b := x.Launched(core.OperationID(launch)); b != 0 {
			x.Turn(at, b, p, h)
		}
	}})
}

// worked notes that a part of a browser has done its work for the holder of a tab.
func (f *following) worked(id core.TabID, p fakebrowser.Part) {
	f.tell(told{act: func(x *follow.Follower, at core.Time) { x.Worked(at, id, p) }})
}

// staged is a stage's launcher that hears of every step of the pool.
type staged[P any] struct {
	stage  Stage[P]
	follow *following
	freeze time.Duration
}

// IdleFreeze is the settings' FreezeAfter.
func (s *staged[P]) IdleFreeze() time.Duration { return max(0, s.freeze) }

// Launch is the stage's.
func (s *staged[P]) Launch(ctx context.Context) (pool.Browser[P], error) {
	b, err := s.stage.Launch(ctx)
	if err == nil {
		s.follow.mu.Lock()
		s.follow.mu.launches = append(s.follow.mu.launches, pool.OperationID(ctx))
		s.follow.mu.Unlock()
	}
	return b, err
}

// Stepped is what the pool tells its launcher of every step.
func (s *staged[P]) Stepped(
	_ shell.Locked, at core.Time, affinity string, e core.Event, after *core.State,
) {
	t := told{at: at, affinity: affinity, event: e}
	f := s.follow
	f.mu.Lock()
	f.mu.steps++
	look := f.mu.steps%hashEvery == 0
	f.mu.Unlock()
	if look {
		t.hash = canon.StateHash(&after.Facts)
	}
	f.tell(t)
}

// latest is the launch that worked last; 0: none.
func (f *following) latest() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.mu.launches); n > 0 {
		return f.mu.launches[n-1]
	}
	return 0
}

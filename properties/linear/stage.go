package linear

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Stage is where a history is played: what time is there, and who lets it go on.
type Stage interface {
	// Now and AfterFunc are the pool's clock.
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (stop func() bool)
	// Pause lets a caller do nothing for about d.
	Pause(d time.Duration)
	// Fate is what becomes of a call into the browser.
	Fate(p *Plan, kind fakebrowser.OperationKind, operation uint64) fakebrowser.Fate
	// Run lets the world go on until done is closed.
	Run(p *Plan, l *fakebrowser.Launcher, done <-chan struct{})
}

// jostle gives way to other goroutines now and then. A pool reads its clock while it has its lock,
// so those who come then have to queue for the lock, and get it in an order that is theirs.
type jostle struct{ reads atomic.Uint32 }

func (j *jostle) sometimes() {
	if j.reads.Add(1)%3 == 0 {
		runtime.Gosched()
	}
}

// Bubble is a stage inside a testing/synctest bubble: time is virtual, and goes on when everybody
// waits for it. Callers and answers meet at the same instants, since all of them come on the same
// beat.
type Bubble struct{ jostle jostle }

// beat is what all durations on a Bubble are multiples of.
const beat = 5 * time.Millisecond

// Now is the bubble's.
func (b *Bubble) Now() time.Time {
	b.jostle.sometimes()
	return time.Now()
}

// AfterFunc is the bubble's.
func (b *Bubble) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(d, f).Stop
}

// Pause waits for d, rounded down to the beat.
func (b *Bubble) Pause(d time.Duration) {
	if d = d / beat * beat; d > 0 {
		<-time.After(d)
	}
}

// Fate is drawn for each operation by its number.
func (b *Bubble) Fate(p *Plan, kind fakebrowser.OperationKind, operation uint64) fakebrowser.Fate {
	r := rand.New(rand.NewPCG(p.Seed, 3+operation))
	f := fakebrowser.Fate{After: time.Duration(r.IntN(4)) * beat}
	if kind == fakebrowser.CloseBrowser || !p.Faults {
		return f
	}
	switch r.IntN(12) {
	case 0:
		f.Result = fakebrowser.Fails
	case 1:
		if kind == fakebrowser.Close || kind == fakebrowser.Kill {
			f.Result = fakebrowser.FailsAnyway
		}
	case 2:
		f.After *= 20
	case 3:
		f.Hangs = kind != fakebrowser.Launch || r.IntN(4) == 0
	}
	return f
}

// Run kills a browser at some of the plan's instants, and lets go what hangs at the end.
func (b *Bubble) Run(p *Plan, l *fakebrowser.Launcher, done <-chan struct{}) {
	r := rand.New(rand.NewPCG(p.Seed, 2))
	for {
		select {
		case <-time.After(time.Duration(1+r.IntN(60)) * beat):
			if p.Faults && r.IntN(2) == 0 {
				l.KillOldest()
			}
		case <-done:
			return
		}
	}
}

// Crowd is a stage outside bubbles: goroutines run on every processor that there is, nobody sleeps,
// and time is a number that Run moves on when it likes. Every call into the browser waits until Run
// answers it.
type Crowd struct {
	jostle jostle
	now    atomic.Int64
	mu     sync.Mutex
	timers []*crowdTimer // guarded by mu
}

type crowdTimer struct {
	at int64
	f  func()
}

// Now is the number.
func (c *Crowd) Now() time.Time {
	c.jostle.sometimes()
	return time.Unix(0, c.now.Load())
}

// AfterFunc arms f for when the number has grown by d.
func (c *Crowd) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	t := &crowdTimer{c.now.Load() + int64(d), f}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers = append(c.timers, t)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.timers, t)
		if i >= 0 {
			c.timers = slices.Delete(c.timers, i, i+1)
		}
		return i >= 0
	}
}

// Pause gives way to other goroutines a few times.
func (c *Crowd) Pause(d time.Duration) {
	for range d / beat {
		runtime.Gosched()
	}
}

// Fate has everything wait for Run, but for the end of a browser.
func (c *Crowd) Fate(_ *Plan, kind fakebrowser.OperationKind, _ uint64) fakebrowser.Fate {
	return fakebrowser.Fate{Hangs: kind != fakebrowser.CloseBrowser}
}

// Run answers what is asked of the browser, in any order, and moves time on, until done is closed.
func (c *Crowd) Run(p *Plan, l *fakebrowser.Launcher, done <-chan struct{}) {
	r := rand.New(rand.NewPCG(p.Seed, 2))
	for {
		select {
		case <-done:
			return
		default:
		}
		switch n := r.IntN(200); {
		case n == 0 && p.Faults:
			l.KillOldest()
		case n < 40 && !p.Calm:
			c.advance(time.Duration(1+r.IntN(10)) * beat)
		default:
			if pending := l.Pending(); len(pending) > 0 {
				l.Answer(pending[r.IntN(len(pending))], outcome(p, r))
			} else if !p.Calm {
				c.advance(beat)
			}
		}
		runtime.Gosched()
	}
}

func outcome(p *Plan, r *rand.Rand) fakebrowser.Outcome {
	if n := r.IntN(12); p.Faults && n < 2 {
		return []fakebrowser.Outcome{fakebrowser.Fails, fakebrowser.FailsAnyway}[n]
	}
	return fakebrowser.Works
}

// advance moves time on, and calls what is due then, each in a goroutine of its own.
func (c *Crowd) advance(d time.Duration) {
	now := c.now.Add(int64(d))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers = slices.DeleteFunc(c.timers, func(t *crowdTimer) bool {
		if t.at <= now {
			go t.f()
		}
		return t.at <= now
	})
}

// within is a context that ends when d has passed on the stage.
func within(s Stage, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := s.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

package live

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/follow"
	"github.com/pagepool/pagepool/sim/traffic"
)

// Player plays callers on a pool.
type Player[P any] struct {
	Pool   *pool.Pool[P]
	Stage  Stage[P]
	follow *following
	log    *slog.Logger    // nil: nobody is told
	whole  context.Context // ends when the callers are to hurry
	end    context.CancelFunc

	mu struct {
		sync.Mutex
		callers    int
		killed     time.Time // a browser, the last time
		tally      Tally
		violations []sim.Violation
	}
}

// Tally counts what callers met.
type Tally struct {
	Visits int `json:"visits"`
	Leases int `json:"leases"`
	Worked int `json:"worked"`
	// of those, what ended with an error although its lease had not ended
	WorkFailed int            `json:"work_failed"`
	Ended      map[string]int `json:"ended"`       // leases that ended under their holder, by cause
	Refused    map[string]int `json:"refused"`     // requests, by error
	FirstError string         `json:"first_error"` // of work
	Kills      int            `json:"kills"`       // of browsers
	Told       time.Duration  `json:"-"`           // the longest that a holder waited to hear of one
}

func newPlayer[P any](p *pool.Pool[P], stage Stage[P], follow *following) *Player[P] {
	x := &Player[P]{Pool: p, Stage: stage, follow: follow}
	x.whole, x.end = context.WithCancel(context.Background())
	x.mu.tally.Ended, x.mu.tally.Refused = map[string]int{}, map[string]int{}
	return x
}

// hurry ends what callers wait for.
func (p *Player[P]) hurry() { p.end() }

// Go begins one caller.
func (p *Player[P]) Go(caller func(ctx context.Context)) {
	p.mu.Lock()
	p.mu.callers++
	p.mu.Unlock()
	go func() {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.mu.callers--
		}()
		caller(p.whole)
	}()
}

func (p *Player[P]) under() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.callers
}

func (p *Player[P]) tally() Tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.tally
}

func (p *Player[P]) violations() []sim.Violation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.violations
}

// Count changes the tally.
func (p *Player[P]) Count(change func(*Tally)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.mu.tally)
}

// Broken reports a claim that callers saw broken, once.
func (p *Player[P]) Broken(property, what string) {
	steps := p.follow.report().Events
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.mu.violations {
		if v.Property == property {
			return
		}
	}
	p.mu.violations = append(p.mu.violations,
		sim.Violation{Property: property, Says: sim.Says(property), What: what, Step: steps})
}

// Profile is the callers of a profile. They come as they do in a simulated run, and so do its
// mishaps, so many times as often: a real run is shorter.
func Profile[P any](profile *traffic.Profile, seed uint64, settings core.Settings,
	mishaps int) (Callers[P], error) {
	settings, err := settings.Resolve()
	if err != nil {
		return nil, err
	}
	visits, err := traffic.NewVisits(profile, seed, settings)
	if err != nil {
		return nil, err
	}
	fate, err := traffic.NewVisits(profile, seed+1, settings)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *Player[P]) {
		p.Go(func(context.Context) { p.mishaps(ctx, fate, mishaps) })
		for {
			v := visits.Next()
			if !pause(ctx, v.After.Duration()) {
				return
			}
			if p.under() <= profile.Arrivals.Active {
				p.Go(func(whole context.Context) { p.visit(whole, &v, profile.Arrivals.Limit.Duration()) })
			}
		}
	}, nil
}

// pause is false where ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *Player[P]) mishaps(ctx context.Context, fate *traffic.Visits, times int) {
	for {
		after, m := fate.NextMishap(max(1, times))
		if m == 0 || times == 0 || !pause(ctx, after.Duration()) {
			return
		}
		launch := p.follow.latest()
		at := time.Now()
		if !p.Stage.Befall(m, launch) {
			continue
		}
		if p.log != nil {
			p.log.Info("mishap", "what", m.String(), "launch", launch)
		}
		switch m {
		case traffic.BrowserDies:
			p.kills(at)
		case traffic.BrowserFallsSilent:
			if pause(ctx, TurnsAfter) {
				p.follow.turned(launch, fakebrowser.Main, fakebrowser.Hung)
			}
		}
	}
}

// kills notes that a browser was killed.
func (p *Player[P]) kills(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.killed = at
	p.mu.tally.Kills++
}

// toldWithin is after how long the loss of a browser is not put down to a kill any more.
const toldWithin = 2 * time.Second

// told notes how long a holder waited to hear that its browser was killed.
func (p *Player[P]) told(l *pool.Lease[P]) {
	if errors.Is(context.Cause(l.Context()), pool.ErrBrowserLost) {
		p.Count(func(t *Tally) {
			if after := time.Since(p.mu.killed); after < toldWithin {
				t.Told = max(t.Told, after)
			}
		})
	}
}

// TurnsAfter is how long after a process was stopped that is told: what it had written before is
// read by then.
const TurnsAfter = 300 * time.Millisecond

// Launch is the launch that worked last; 0: none.
func (p *Player[P]) Launch() uint64 { return p.follow.latest() }

// Turned notes that something that the tabs of a launch's browser share is so from now on.
func (p *Player[P]) Turned(launch uint64, part fakebrowser.Part, h fakebrowser.Health) {
	p.follow.turned(launch, part, h)
}

// Floods notes that the page of a lease floods from now on.
func (p *Player[P]) Floods(l *pool.Lease[P]) { p.follow.floods(tabOf(l.TabID())) }

// CutOff notes that the page of a lease, which floods, is not heard any more.
func (p *Player[P]) CutOff(l *pool.Lease[P]) { p.follow.cutOff(tabOf(l.TabID())) }

// Worked notes that a part of a browser has done its work for the holder of a lease.
func (p *Player[P]) Worked(l *pool.Lease[P], part fakebrowser.Part) {
	p.follow.worked(tabOf(l.TabID()), part)
}

// caller is one visit under way.
type caller[P any] struct {
	*Player[P]
	whole  context.Context
	limit  time.Duration // of a piece of work
	leases []*pool.Lease[P]
	draw   uint64
}

// visit does what a program says.
func (p *Player[P]) visit(whole context.Context, v *traffic.Visit, limit time.Duration) {
	c := &caller[P]{Player: p, whole: whole, limit: limit, draw: v.Number * 0x9e3779b97f4a7c15}
	p.Count(func(t *Tally) { t.Visits++ })
	for i := range v.Program {
		if in := &v.Program[i]; in.Verb == sim.End || !c.do(in) {
			break
		}
	}
	for len(c.leases) > 0 {
		c.pop().Release()
	}
}

func (c *caller[P]) pop() *pool.Lease[P] {
	l := c.leases[len(c.leases)-1]
	c.leases = c.leases[:len(c.leases)-1]
	return l
}

// key names an affinity.
func key(a core.Affinity) string { return "a" + strconv.Itoa(int(a)) }

// within is a ctx for a call of the pool.
func (c *caller[P]) within(d core.Time) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(c.whole)
	}
	return context.WithTimeout(c.whole, d.Duration())
}

// do does one instruction. It is false where the visit ends there.
func (c *caller[P]) do(in *sim.Instruction) bool {
	ctx, cancel := c.within(in.Lasting)
	defer cancel()
	switch in.Verb {
	case sim.Get:
		return c.get(ctx, in)
	case sim.WarmUp:
		_ = c.Pool.Ready(ctx) // it may take longer than the caller waits
		return true
	case sim.Recycle:
		_ = c.Pool.Recycle(ctx)
		return true
	case sim.Sweep:
		_, err := c.Pool.EvictIdle(in.Lasting.Duration())
		return err == nil
	case sim.Dispose:
		var options []pool.DisposeOption
		if in.NoWait {
			options = append(options, pool.NoWait())
		}
		if in.Retain {
			options = append(options, pool.Retain())
		}
		_ = c.Pool.DisposeAffinity(ctx, key(in.Affinity), options...)
		return true
	}
	return c.use(in)
}

func (c *caller[P]) get(ctx context.Context, in *sim.Instruction) bool {
	options := []pool.GetOption{pool.WithPriority(int(in.Priority))}
	if in.Class == core.Nested {
		options = append(options, pool.Nested())
	}
	if in.MaxLease > 0 {
		options = append(options, pool.WithMaxLease(in.MaxLease))
	}
	l, err := c.Pool.GetPage(ctx, key(in.Affinity), options...)
	if err != nil {
		c.Count(func(t *Tally) { t.Refused[Cause(err)]++ })
		return false
	}
	c.leases = append(c.leases, l)
	context.AfterFunc(l.Context(), func() { c.told(l) })
	c.Count(func(t *Tally) { t.Leases++ })
	return true
}

// use does something with the page that is held last.
func (c *caller[P]) use(in *sim.Instruction) bool {
	l := c.leases[len(c.leases)-1]
	switch in.Verb {
	case sim.Hold:
		return c.hold(l, in.Lasting.Duration())
	case sim.Loop:
		return c.hang(l, c.Stage.Loop)
	case sim.Wedge:
		return c.hang(l, c.Stage.Stall)
	case sim.Crash:
		_ = c.Stage.Crash(l.Context(), l.Page()) // the lease says how it ended
		return true
	case sim.Sit:
		return c.sit(l)
	case sim.Release, sim.ReleaseTwice:
		c.pop().Release()
		if in.Verb == sim.ReleaseTwice {
			l.Release()
		}
	case sim.Discard:
		c.pop().Discard(errors.New("the visit was drawn to spoil its page"))
	case sim.DiscardWedged:
		c.pop().Suspect()
	}
	return true
}

// hold works with a page and keeps it until the time is up. It is false where the lease ended
// before.
func (c *caller[P]) hold(l *pool.Lease[P], lasting time.Duration) bool {
	began := time.Now()
	c.draw = c.draw*6364136223846793005 + 1442695040888963407
	ctx, cancel := context.WithTimeout(l.Context(), c.limit)
	err := c.Stage.Work(ctx, l.Page(), int(c.draw>>33)%100)
	late := ctx.Err() != nil && l.Context().Err() == nil
	cancel()
	switch {
	case l.Context().Err() != nil:
		return c.lost(l)
	case late:
		c.Count(func(t *Tally) { t.WorkFailed++ })
		c.pop().Suspect()
		return false
	case err != nil:
		c.Count(func(t *Tally) {
			if t.WorkFailed++; t.FirstError == "" {
				t.FirstError = err.Error()
			}
		})
	default:
		c.Count(func(t *Tally) { t.Worked++ })
	}
	if !pause(l.Context(), lasting-time.Since(began)) {
		return c.lost(l)
	}
	return true
}

// lost notes why a lease ended under its holder.
func (c *caller[P]) lost(l *pool.Lease[P]) bool {
	cause := Cause(context.Cause(l.Context()))
	c.Count(func(t *Tally) { t.Ended[cause]++ })
	return false
}

// hang has something hold the main thread of a page.
func (c *caller[P]) hang(l *pool.Lease[P], how func(context.Context, P) error) bool {
	if err := how(l.Context(), l.Page()); err != nil {
		return l.Context().Err() == nil || c.lost(l)
	}
	c.Looping(l)
	return true
}

// Looping notes that the page of a lease does not answer from now on, if the lease has not ended.
func (p *Player[P]) Looping(l *pool.Lease[P]) {
	if l.Context().Err() == nil {
		p.follow.loops(tabOf(l.TabID()))
	}
}

func tabOf(name string) core.TabID {
	id, _ := strconv.ParseUint(strings.TrimPrefix(name, "t"), 10, 32)
	return core.TabID(id)
}

// Fate is what became of a tab whose page looped; false where that is not known of it.
func (p *Player[P]) Fate(tab string) (x follow.Fate, ok bool) {
	p.follow.look(func(f *follow.Follower) { x, ok = f.Fate(tabOf(tab)) })
	return x, ok
}

func (c *caller[P]) sit(l *pool.Lease[P]) bool {
	select {
	case <-l.Context().Done():
		return c.lost(l)
	case <-c.whole.Done():
		return false
	}
}

// Cause is what a lease or a request ended with, in a word.
func Cause(err error) string {
	for _, c := range []struct {
		is   error
		word string
	}{
		{pool.ErrClosed, "closed"}, {pool.ErrQueueFull, "queue-full"}, {pool.ErrLeaseExpired, "expired"},
		{pool.ErrPageCrashed, "crashed"}, {pool.ErrBrowserLost, "browser-lost"},
		{pool.ErrBrowserUnavailable, "browser-unavailable"}, {pool.ErrReleased, "released"},
		{context.DeadlineExceeded, "deadline"}, {context.Canceled, "canceled"},
	} {
		if errors.Is(err, c.is) {
			return c.word
		}
	}
	return "other"
}

package linear

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// client is one caller, in a goroutine of its own.
type client struct {
	*player
	id     int
	random *rand.Rand
	log    []porcupine.Operation
	held   []holding
	leases int // so far
	calls  int // disposals so far
}

// holding is a lease in a client's hands.
type holding struct {
	*pool.Lease[*fakebrowser.Page]
	key    string
	number int
	call   int64 // of its GetPage
}

// work makes the client's share of the calls, and gives back what is left.
func (c *client) work() {
	for n := c.id; n < c.Calls; n += c.Clients {
		c.pause(6)
		c.call()
	}
	for len(c.held) > 0 {
		c.pause(3)
		c.giveBack(0)
	}
}

// pause does nothing for less than so many beats, or in calm until nothing is under way any more.
func (c *client) pause(beats int) {
	if c.Calm {
		c.settle()
		return
	}
	c.stage.Pause(time.Duration(c.random.IntN(beats)) * beat)
}

// settle waits until the pool has all that it wants, and nothing of it runs but who waits for the
// end of its browser and of each of its tabs.
func (c *client) settle() {
	for range 100_000 {
		s := c.pool.Stats()
		steady := s.Tabs.Standby + s.Tabs.Idle + s.Tabs.Leased
		if s.Tabs.Standby > 0 && steady == s.Tabs.Alive() &&
			runtime.NumGoroutine() <= c.bystanders+1+steady {
			return
		}
		runtime.Gosched()
	}
}

// call makes one call, whichever comes.
func (c *client) call() {
	switch n := c.random.IntN(100); {
	case c.Calm && len(c.held) > 0 && n < 50:
		c.giveBack(0)
	case c.Calm && (len(c.held) > 0 && n < 80 || n >= 94):
		c.look()
	case n < 34 && len(c.held) < 2, n < 20 && len(c.held) < 3:
		c.get()
	case n < 60 && len(c.held) > 0:
		c.giveBack(c.random.IntN(len(c.held)))
	case n < 72:
		c.look()
	case n < 82:
		c.list()
	case n < 91:
		c.dispose()
	case n < 94:
		c.sweep()
	case n < 96:
		c.recycle()
	case len(c.held) > 0 && c.Faults:
		c.harm(c.held[c.random.IntN(len(c.held))].Page())
	}
}

func (c *client) key() string { return string(rune('a' + c.random.IntN(c.Keys))) }

// get asks for a page, for as long as the client's patience lasts.
func (c *client) get() {
	in := Input{Kind: Get, Key: c.key(), Nested: len(c.held) > 0 && c.random.IntN(3) > 0}
	c.leases++
	in.Number = 1000*(c.id+1) + c.leases
	options := []pool.GetOption{pool.WithPriority(c.random.IntN(3))}
	if in.Nested {
		options = append(options, pool.Nested())
	}
	if c.random.IntN(6) == 0 && c.Faults {
		options = append(options, pool.WithMaxLease(time.Duration(1+c.random.IntN(10))*beat))
	}
	ctx, cancel := within(c.stage, c.patience())
	defer cancel()
	call := c.tick()
	l, err := c.pool.GetPage(ctx, in.Key, options...)
	end := c.tick()
	if err != nil {
		c.add(in, call, Output{Err: short(err), Closing: errors.Is(err, pool.ErrClosed)}, end)
		return
	}
	tab := tabNumber(l.TabID())
	c.remember(granted{in.Key, tab, l.Page()})
	c.add(in, call, Output{Tab: tab, Reused: l.Reused()}, end)
	c.log[len(c.log)-1].Metadata = l.Page().Profile()
	c.held = append(c.held, holding{l, in.Key, in.Number, call})
}

// patience is long, or about as long as an answer takes, so that the two meet.
func (c *client) patience() time.Duration {
	if c.random.IntN(3) == 0 {
		return time.Duration(c.random.IntN(6)) * beat
	}
	return time.Duration(50+c.random.IntN(100)) * beat
}

// giveBack releases or discards a lease, and then looks whether it had ended before.
func (c *client) giveBack(i int) {
	l := c.drop(i)
	in := Input{Kind: GiveBack, Key: l.key, Number: l.number}
	act := l.Release
	switch c.random.IntN(6) {
	case 0:
		in.Spoiled = true
		act = func() { l.Discard(nil) }
	case 1:
		in.Spoiled = c.Config.Timeouts.RescueTimeout == pool.Off
		act = func() { l.Suspect() }
	}
	call := c.tick()
	act()
	end := c.tick()
	cause := context.Cause(l.Context())
	ended := cause != pool.ErrReleased
	c.add(in, call, Output{Nothing: ended}, end)
	if ended {
		dead := cause != pool.ErrLeaseExpired || c.Config.Timeouts.RescueTimeout == pool.Off
		c.addBeside(Input{Kind: End, Key: l.key, Number: l.number}, l.call, Output{Dead: dead}, end)
	}
	if c.random.IntN(8) == 0 { // once more, which has to do nothing
		call = c.tick()
		l.Release()
		c.add(Input{Kind: GiveBack, Key: l.key, Number: l.number}, call, Output{Nothing: true}, c.tick())
	}
}

func (c *client) look() {
	call := c.tick()
	s := c.pool.Stats()
	c.add(Input{Kind: Look}, call, Output{View: view(s)}, c.tick())
}

func (c *client) list() {
	call := c.tick()
	keys := c.pool.WarmAffinities()
	c.add(Input{Kind: List}, call, Output{Keys: keys}, c.tick())
}

// dispose ends a generation, and waits for its end, or not, or not for long.
func (c *client) dispose() {
	in := Input{Kind: Dispose, Key: c.key(), Retain: c.random.IntN(3) == 0}
	var options []pool.DisposeOption
	if in.Retain {
		options = append(options, pool.Retain())
	}
	// Whoever waits here for what it holds itself, waits until its patience is over.
	if waits := c.random.IntN(2) == 0; waits && !(c.Calm && len(c.held) > 0) {
		c.calls++
		in.Number = 1000*(c.id+1) + c.calls
	} else {
		options = append(options, pool.NoWait())
	}
	ctx, cancel := within(c.stage, c.patience())
	defer cancel()
	before := c.of(in.Key)
	call := c.tick()
	err := c.pool.DisposeAffinity(ctx, in.Key, options...)
	end := c.tick()
	if err != nil {
		c.add(in, call, Output{Err: short(err)}, end)
		return
	}
	c.add(in, call, Output{}, end)
	if in.Number != 0 {
		c.addBeside(Input{Kind: Disposed, Key: in.Key, Number: in.Number}, call,
			Output{Alive: alive(before)}, end)
	}
}

func (c *client) sweep() {
	call := c.tick()
	keys, err := c.pool.EvictIdle(time.Duration(c.random.IntN(3)) * beat)
	out := Output{Keys: keys}
	if err != nil {
		out.Err = short(err)
	}
	c.add(Input{Kind: Sweep}, call, out, c.tick())
}

// recycle has the browser replaced. It is in no history: it changes nothing that a caller could
// see.
func (c *client) recycle() {
	ctx, cancel := within(c.stage, c.patience())
	defer cancel()
	_ = c.pool.Recycle(ctx)
}

// harm does something to a page that its holder would rather not have.
func (c *client) harm(page *fakebrowser.Page) {
	switch c.random.IntN(4) {
	case 0:
		page.Crash()
	case 1:
		page.Wedge()
	case 2:
		page.Stall()
	default:
		page.Loop()
	}
}

// short is an error without what differs from run to run.
func short(err error) string {
	for _, known := range []error{
		pool.ErrClosed, pool.ErrQueueFull, pool.ErrBrowserUnavailable, context.DeadlineExceeded,
		context.Canceled,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}

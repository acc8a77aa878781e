// Package live plays the callers of a simulated profile on a real pool, in real time, over any
// browser: Chrome, or the fake one. Every step of the pool goes to a follow.Follower, so the same
// invariants are checked by the same code as in a simulated run, and the fake browser has to be
// able to do whatever the browser did.
package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/follow"
	"github.com/pagepool/pagepool/sim/traffic"
)

// Stage is a kind of browser, with pages to visit in it.
type Stage[P any] interface {
	pool.Launcher[P]
	// Work has a page do something that ends; which says what, drawn from 0 to 99.
	Work(ctx context.Context, page P, which int) error
	// Loop returns when a script holds the main thread of a page that a rescue can stop.
	Loop(ctx context.Context, page P) error
	// Stall returns when something holds the main thread of a page that no rescue has to be able to
	// end.
	Stall(ctx context.Context, page P) error
	// Crash has the renderer of a page end.
	Crash(ctx context.Context, page P) error
	// Befall has a mishap happen to the browser of a launch. It is false where that cannot be.
	Befall(m traffic.Mishap, launch uint64) bool
}

// Callers is the traffic of a run: it begins callers with p.Go until ctx ends.
type Callers[P any] func(ctx context.Context, p *Player[P])

// Options say what to run.
type Options[P any] struct {
	Stage    Stage[P]
	Settings core.Settings
	For      time.Duration
	Callers  Callers[P]
	Logger   *slog.Logger // of the pool; nil: nobody is told
	Keep     bool         // the whole history, for Result.Trace
	// Mark is called when the pool is warm, in the middle of the run, and when all is quiet again.
	Mark func(when string)
	// Tell is called every second.
	Tell func(Moment)
}

// Moment is what is to be seen while it goes on.
type Moment struct {
	Elapsed time.Duration
	Stats   pool.Stats
	Callers int // under way
}

// Result is what a run came to.
type Result struct {
	Report     *traffic.Report
	Ran        time.Duration
	Stopped    bool // by ctx
	Violations []sim.Violation
	Outside    *follow.Outside // the first thing that the fake browser cannot do; nil: none
	Tally      Tally
	Dump       []byte // of the pool, before its end
	StateHash  uint64 // of the state that the dump ends in
	Trace      []byte // the whole history, where it was kept
	Latencies  func(comments ...string) []byte
}

// run is one run.
type run[P any] struct {
	o      Options[P]
	pool   *pool.Pool[P]
	follow *following
	player *Player[P]
	result Result
}

// Run plays callers on a pool for a while, waits until all is quiet, and closes the pool. When ctx
// ends, the callers come to their end early. The error is that of the settings or of a browser that
// never comes.
func Run[P any](ctx context.Context, o Options[P]) (*Result, error) {
	r := &run[P]{o: o}
	var err error
	if r.follow, err = newFollowing(o.Settings, o.Keep); err != nil {
		return nil, err
	}
	r.pool, err = pool.New(&staged[P]{o.Stage, r.follow, o.Settings.FreezeAfter},
		config(o.Settings, o.Logger))
	if err != nil {
		r.follow.stop()
		return nil, err
	}
	r.player = newPlayer(r.pool, o.Stage, r.follow)
	r.player.log = o.Logger
	if err := r.pool.Ready(ctx); err != nil && ctx.Err() == nil {
		return nil, errors.Join(err, r.close())
	}
	r.traffic(ctx)
	r.quiet()
	return r.end(), nil
}

// config is a pool's, with the settings of a core's, but for the launcher's.
func config(s core.Settings, log *slog.Logger) pool.Config {
	c := pool.Config{Logger: log}
	from := reflect.ValueOf(s)
	for i := range from.NumField() {
		if name := from.Type().Field(i).Name; name != shell.OfLauncher {
			shell.Setting(&c, name).Set(from.Field(i))
		}
	}
	return c
}

// traffic lets callers come until the time is up, ctx ends, or a claim is broken.
func (r *run[P]) traffic(ctx context.Context) {
	began := time.Now()
	r.mark("start")
	until, stop := context.WithTimeout(ctx, r.o.For)
	defer stop()
	var coming sync.WaitGroup
	coming.Go(func() { r.o.Callers(until, r.player) })
	second := time.NewTicker(time.Second)
	defer second.Stop()
	middle := time.NewTimer(r.o.For / 2)
	defer middle.Stop()
	for going := true; going; {
		select {
		case <-until.Done():
			going = false
		case <-middle.C:
			r.mark("middle")
		case <-second.C:
			if r.o.Tell != nil {
				r.o.Tell(Moment{time.Since(began), r.pool.Stats(), r.player.under()})
			}
			if r.follow.violation() != nil || r.follow.outside() != nil {
				stop() // so that the dump still holds what led to it
			}
		}
	}
	r.result.Ran, r.result.Stopped = time.Since(began), ctx.Err() != nil
	coming.Wait()
}

func (r *run[P]) mark(when string) {
	if r.o.Mark != nil {
		r.o.Mark(when)
	}
}

// quiet waits until every caller has come to an end and the pool is full again.
func (r *run[P]) quiet() {
	within := r.follow.bound()
	if r.result.Stopped {
		r.player.hurry() // somebody waits for the report
	}
	if !await(within, func() bool { return r.player.under() == 0 || r.follow.violation() != nil }) {
		r.broken("answered", fmt.Sprintf("%d callers are still there %v after the last one came",
			r.player.under(), within))
		return
	}
	if r.follow.violation() == nil && !r.result.Stopped && !await(within, r.follow.settled) {
		s := r.pool.Stats()
		r.broken("refilled", fmt.Sprintf(
			"%v after the last caller left: capacity %d, %d waiting, tabs %+v", within, s.Capacity,
			s.Waiting, s.Tabs))
		return
	}
	r.mark("end")
}

// await asks until something is so, for a while.
func await(within time.Duration, so func() bool) bool {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	late := time.NewTimer(within)
	defer late.Stop()
	for !so() {
		select {
		case <-look.C:
		case <-late.C:
			return so()
		}
	}
	return true
}

func (r *run[P]) broken(property, what string) {
	r.result.Violations = append(r.result.Violations, sim.Violation{
		Property: property, Says: sim.Says(property), What: what, Step: r.follow.report().Events,
	})
}

// closeWithin is how long Close waits for leases; none is held then, unless something broke.
const closeWithin = 10 * time.Second

func (r *run[P]) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := r.pool.Close(ctx)
	r.player.hurry()
	r.follow.stop()
	return err
}

// dump takes the pool's dump, and the hash of its state: again where something happened between the
// two.
func (r *run[P]) dump() {
	const tries = 10
	for range tries {
		var dump bytes.Buffer
		before := r.follow.stateHash()
		if err := r.pool.Dump(&dump); err != nil {
			return
		}
		r.result.Dump, r.result.StateHash = dump.Bytes(), r.follow.stateHash()
		if r.result.StateHash == before {
			return
		}
	}
}

// end closes the pool and says what came of it all.
func (r *run[P]) end() *Result {
	r.dump()
	if err := r.close(); err != nil {
		r.broken("closes", err.Error())
	} else if !r.follow.ended() && r.follow.violation() == nil {
		r.broken("closes", "Close has returned, and the second core has not ended")
	}
	if !await(closeWithin, func() bool { return r.player.under() == 0 }) {
		r.broken("answered", fmt.Sprintf("%d callers are still there after Close", r.player.under()))
	}
	if v := r.follow.violation(); v != nil {
		r.result.Violations = append([]sim.Violation{*v}, r.result.Violations...)
	}
	r.result.Report, r.result.Tally = r.follow.report(), r.player.tally()
	if r.result.Outside = r.follow.outside(); r.result.Outside != nil {
		r.result.Violations = append(r.result.Violations, sim.Violation{
			Property: "inclusion", Says: sim.Says("inclusion"), What: r.result.Outside.Error(),
			Step: r.result.Outside.Step, At: r.result.Outside.At,
		})
	}
	r.result.Violations = append(r.result.Violations, r.player.violations()...)
	r.result.Trace, r.result.Latencies = r.follow.trace(), r.follow.at.follower.Latencies
	return &r.result
}

package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/anishathalye/porcupine"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// player is what the callers of one history share.
type player struct {
	*Plan
	stage      Stage
	pool       *pool.Pool[*fakebrowser.Page]
	ticks      atomic.Int64 // grows with every call and every return; the instants of the history
	bystanders int          // goroutines that are none of the pool's, once the callers run

	mu      sync.Mutex
	granted []granted // guarded by mu
}

// granted is a tab that was handed out.
type granted struct {
	key  string
	tab  int
	page *fakebrowser.Page
}

// Play has the plan's callers work on a pool over the fake browser, closes the pool, and returns
// what they saw. The error says what went wrong that is not for a history to tell.
func Play(plan *Plan, stage Stage) (*History, error) {
	launcher := new(fakebrowser.Launcher)
	var over atomic.Bool
	launcher.Fate = func(kind fakebrowser.OperationKind, operation uint64) fakebrowser.Fate {
		if over.Load() {
			return fakebrowser.Fate{}
		}
		return stage.Fate(plan, kind, operation)
	}
	cfg := plan.Config
	cfg.More.Clock = stage
	others := runtime.NumGoroutine()
	made, err := pool.New(launcher, cfg)
	if err != nil {
		return nil, err
	}
	// one runs the world
	p := &player{Plan: plan, stage: stage, pool: made, bystanders: others + plan.Clients + 1}
	done := make(chan struct{})
	var world, callers sync.WaitGroup
	world.Go(func() { stage.Run(plan, launcher, done) })
	clients := make([]*client, plan.Clients)
	for i := range clients {
		clients[i] = &client{player: p, id: i, random: rand.New(rand.NewPCG(plan.Seed, uint64(10+i)))}
		callers.Go(clients[i].work)
	}
	last := &client{player: p, id: plan.Clients}
	if plan.Busy {
		for range 5 {
			stage.Pause(10 * beat)
			last.look()
		}
		ctx, cancel := within(stage, 20*beat)
		defer cancel()
		err = last.close(ctx)
		callers.Wait()
	} else {
		callers.Wait()
		err = last.close(context.Background())
	}
	last.look()
	close(done)
	world.Wait()
	h := &History{Rules: RulesOf(plan.Config)}
	// An error of Close names browsers that were written off, such as one whose launch hangs.
	if left := launcher.Census(); err == nil && left != (fakebrowser.Census{}) {
		return nil, fmt.Errorf("after Close the browser has %+v", left)
	}
	over.Store(true)
	launcher.AnswerAll() // what hangs was given up long ago
	for _, c := range append(clients, last) {
		h.Operations = append(h.Operations, c.log...)
	}
	h.nameContexts()
	return h, nil
}

// close closes the pool, in two instants.
func (c *client) close(ctx context.Context) error {
	call := c.tick()
	err := c.pool.Close(ctx)
	end := c.tick()
	c.add(Input{Kind: Close}, call, Output{}, end)
	c.addBeside(Input{Kind: Closed}, call, Output{}, end)
	return err
}

// nameContexts replaces what stands for a context by a number.
func (h *History) nameContexts() {
	numbers := map[any]int{}
	for i := range h.Operations {
		o := &h.Operations[i]
		if out, ok := o.Output.(Output); ok && o.Metadata != nil {
			if numbers[o.Metadata] == 0 {
				numbers[o.Metadata] = len(numbers) + 1
			}
			out.Context = numbers[o.Metadata]
			o.Output, o.Metadata = out, nil
		}
	}
}

func (p *player) tick() int64 { return p.ticks.Add(1) }

// remember notes a tab that was handed out, for those who dispose of its affinity later.
func (p *player) remember(g granted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.granted = append(p.granted, g)
}

// of lists the tabs that were handed out to an affinity so far.
func (p *player) of(key string) []granted {
	p.mu.Lock()
	defer p.mu.Unlock()
	var own []granted
	for _, g := range p.granted {
		if g.key == key {
			own = append(own, g)
		}
	}
	return own
}

// alive lists those of tabs whose pages are there.
func alive(tabs []granted) []int {
	var numbers []int
	for _, g := range tabs {
		select {
		case <-g.page.Done():
		default:
			numbers = append(numbers, g.tab)
		}
	}
	return numbers
}

func tabNumber(id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "t"))
	if err != nil {
		panic("linear: BUG: a tab is called " + id)
	}
	return n
}

// view is what the specification looks at of Stats.
func view(s pool.Stats) *View {
	v := &View{
		Capacity: s.Capacity, Alive: s.Tabs.Alive(), Leases: s.Leases, Waiting: s.Waiting,
		Contexts: s.Contexts, Orphans: s.Orphans,
		Leased: s.Tabs.Leased, Idle: s.Tabs.Idle,
		Busy:   s.Tabs.Probing + s.Tabs.Rescuing + s.Tabs.Resetting,
		Grants: s.Counters.Grants, Reuses: s.Counters.Reuses,
	}
	for _, a := range s.Affinities {
		v.Rows = append(v.Rows, Row{a.Key, a.PageCount, a.Tabs, a.Idle, a.Supplementary, a.Waiting})
	}
	return v
}

// add notes one call of a client. What was not called, or answers twice, stands beside its calls.
func (c *client) add(in Input, call int64, out Output, end int64) {
	c.note(2*c.id, in, call, out, end)
}

func (c *client) addBeside(in Input, call int64, out Output, end int64) {
	c.note(2*c.id+1, in, call, out, end)
}

func (c *client) note(row int, in Input, call int64, out Output, end int64) {
	c.log = append(c.log, porcupine.Operation{ClientId: row, Input: in, Call: call, Output: out,
		Return: end})
}

// drop takes a lease out of the client's hands.
func (c *client) drop(i int) holding {
	h := c.held[i]
	c.held = slices.Delete(c.held, i, i+1)
	return h
}

// Package fleet simulates many pools behind a balancer: planning on paper, for sizes that one
// machine cannot run. Each server is a sim.World with the production core; the balancer is a model
// of deploy/fleet/haproxy.cfg: a ring with bounded load, and a map of warm affinities that is told
// late.
//
// What it leaves out: the queue of the balancer (requests wait in the servers), weights, and the
// time between the failure of a server and its notice. Its figures compare policies; they promise
// nothing of a real fleet.
package fleet

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/traffic"
)

// Options are one fleet and what it is asked for. What is drawn follows from Seed alone.
type Options struct {
	Policy     Policy
	Servers    int
	Pages      int     // of each server
	Affinities int     // of which the n-th is asked for 1/n^Skew as often as the first
	Skew       float64 // 0: all alike
	Rate       float64 // requests a second, of the whole fleet
	Render     sim.Latency
	MapDelay   core.Time // from an announcement to its entry in the map
	Bound      float64   // most requests under way on a server, against the mean; 0: no bound
	Fails      core.Time // how often a server of the fleet fails, and loses all it has; 0: never
	Down       core.Time // how long it is away then
	Lasts      core.Time
	Seed       uint64
}

// Report is what came of it.
type Report struct {
	Requests uint64
	Grants   uint64
	Warm     uint64 // grants of a tab that the affinity has used before
	Repeated uint64 // requests that were sent again, since their server failed
	Refused  uint64
	P50, P99 int     // of the waits for a tab, in milliseconds
	Busiest  float64 // most requests that one server had, against the mean
}

// check names every option that breaks its rule.
func (o *Options) check() error {
	for _, rule := range []struct {
		kept  bool
		name  string
		value any
		says  string
	}{
		{o.Policy < policies, "Policy", o.Policy, "a known one"},
		{o.Servers >= 1 && o.Servers <= 1000, "Servers", o.Servers, "1 to 1,000"},
		{o.Pages >= 1, "Pages", o.Pages, "1 or more"},
		{o.Affinities >= 1 && o.Affinities <= 1e6, "Affinities", o.Affinities, "1 to 1,000,000"},
		{o.Skew >= 0 && o.Skew <= 4, "Skew", o.Skew, "0 to 4"},
		{o.Rate > 0 && o.Rate <= 1e6, "Rate", o.Rate, "more than 0, at most 1,000,000"},
		{o.Bound == 0 || o.Bound > 1, "Bound", o.Bound, "more than 1, or 0"},
		{o.Render.Shortest > 0 && o.Render.Longest >= o.Render.Shortest, "Render", o.Render,
			"more than 0"},
		{o.MapDelay >= 0, "MapDelay", o.MapDelay, ">= 0"},
		{o.Fails >= 0 && o.Down >= 0, "Fails, Down", o.Fails, ">= 0"},
		{o.Lasts > 0, "Lasts", o.Lasts, "more than 0"},
	} {
		if !rule.kept {
			return fmt.Errorf("fleet: %s=%v: the rule is %s", rule.name, rule.value, rule.says)
		}
	}
	return nil
}

// fleet is a run.
type fleet struct {
	Options
	report   Report
	arrivals *rand.Rand // who comes when, and what fails: the same under every policy
	random   *rand.Rand // all the rest
	weights  []float64  // of the affinities, summed up
	servers  []*server
	router   router
	agenda   agenda
	sequence uint64
	now      core.Time
	waits    traffic.Waits
	requests map[core.RequestID]*request
	last     core.RequestID
	err      error
}

// request is one that is under way.
type request struct {
	affinity int
	server   *server
}

// Run runs a fleet. The same options give the same report.
func Run(o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f := &fleet{
		Options: o, requests: map[core.RequestID]*request{},
		arrivals: rand.New(rand.NewPCG(o.Seed, 1)), random: rand.New(rand.NewPCG(o.Seed, 2)),
	}
	sum := 0.0
	for n := range o.Affinities {
		sum += math.Pow(float64(n+1), -o.Skew)
		f.weights = append(f.weights, sum)
	}
	for i := range o.Servers {
		s := &server{fleet: f, number: i}
		if err := s.start(0); err != nil {
			return nil, err
		}
		f.servers = append(f.servers, s)
	}
	f.router = newRouter(&f.Options, f.random)
	f.at(f.gap(1/o.Rate), f.arrive)
	if o.Fails > 0 {
		f.at(f.gap(o.Fails.Duration().Seconds()), f.fail)
	}
	for f.agenda.Len() > 0 && f.agenda[0].at <= o.Lasts && f.err == nil {
		next := heap.Pop(&f.agenda).(entry)
		f.now = next.at
		next.do()
	}
	f.report.Grants = f.waits.Grants()
	f.report.P50, f.report.P99 = f.waits.Percentile(50), f.waits.Percentile(99)
	most, all := 0, 0
	for _, s := range f.servers {
		most, all = max(most, s.had), all+s.had
	}
	f.report.Busiest = float64(most*o.Servers) / float64(max(1, all))
	return &f.report, f.err
}

// at has something happen at an instant; of the same instant, in the order of the calls.
func (f *fleet) at(when core.Time, do func()) {
	f.sequence++
	heap.Push(&f.agenda, entry{when, f.sequence, do})
}

// gap draws an instant of a Poisson process with this mean gap, in seconds.
func (f *fleet) gap(mean float64) core.Time {
	return f.now + core.Time(f.arrivals.ExpFloat64()*mean*float64(sim.Seconds))
}

// arrive brings the next request.
func (f *fleet) arrive() {
	f.at(f.gap(1/f.Rate), f.arrive)
	affinity := sort.SearchFloat64s(f.weights, f.arrivals.Float64()*f.weights[len(f.weights)-1])
	f.report.Requests++
	f.send(affinity)
}

// send has the balancer choose a server.
func (f *fleet) send(affinity int) {
	number := f.router.choose(affinity)
	if number < 0 {
		f.report.Refused++ // nobody is up
		return
	}
	s := f.servers[number]
	f.last++
	f.requests[f.last] = &request{affinity, s}
	f.router.load(number, 1)
	s.had++
	s.perform(core.Event{Kind: core.Requested, Request: f.last, Affinity: s.handle(affinity)})
}

// over takes a request out of the books.
func (f *fleet) over(id core.RequestID) {
	f.router.load(f.requests[id].server.number, -1)
	delete(f.requests, id)
}

// fail ends a server with all that it has. Its requests are sent again, as the balancer does with
// those that are safe to repeat.
func (f *fleet) fail() {
	f.at(f.gap(f.Fails.Duration().Seconds()), f.fail)
	s := f.servers[f.arrivals.IntN(len(f.servers))]
	if s.world == nil {
		return
	}
	s.world = nil
	s.life++
	f.router.up(s.number, false)
	var again []core.RequestID
	for id, r := range f.requests {
		if r.server == s {
			again = append(again, id)
		}
	}
	sort.Slice(again, func(i, j int) bool { return again[i] < again[j] })
	for _, id := range again {
		affinity := f.requests[id].affinity
		f.over(id)
		f.report.Repeated++
		f.send(affinity)
	}
	f.at(f.now+f.Down, func() {
		if err := s.start(f.now); err != nil {
			f.err = err
		}
		f.router.up(s.number, true)
		f.at(f.now+f.MapDelay, func() { f.router.forget(s.number) })
		s.plan()
	})
}

// server is a pool in a world, which lives until it fails, and then again in another one.
type server struct {
	*fleet
	number  int
	life    int // a plan of an earlier life comes to nothing
	plans   int // so does a plan that was made before another
	world   *sim.World
	began   core.Time // in the fleet's time
	handles map[int]core.Affinity
	keys    map[core.Affinity]int
	free    []core.Affinity
	had     int // requests
}

func (s *server) start(at core.Time) (err error) {
	s.began, s.handles, s.keys, s.free = at, map[int]core.Affinity{}, map[core.Affinity]int{}, nil
	conditions := sim.DefaultConditions
	s.world, err = sim.New(sim.Options{
		Settings: core.Settings{
			MaxPages: s.Pages,
		}, Timed: true, Conditions: &conditions, Unchecked: true,
		Choices: scheduler.NewRandom(
			s.Seed,
			uint64(s.number)<<32|uint64(s.life),
		), Observe: s.observe,
	})
	return err
}

// handle is the core's number for an affinity, for as long as the core knows it.
func (s *server) handle(affinity int) core.Affinity {
	h, ok := s.handles[affinity]
	if !ok {
		if n := len(s.free); n > 0 {
			h, s.free = s.free[n-1], s.free[:n-1]
		} else {
			h = core.Affinity(len(s.keys) + 1)
		}
		s.handles[affinity], s.keys[h] = h, affinity
	}
	return h
}

// perform has something happen to the server now.
func (s *server) perform(event core.Event) {
	s.world.RunUntil(s.now - s.began)
	if err := s.world.Perform(event); err != nil {
		s.err = cmp.Or(s.err, err)
	}
	s.plan()
}

// plan has the world go on when something is due in it.
func (s *server) plan() {
	at, ok := s.world.Next()
	if !ok {
		return
	}
	s.plans++
	plan, life := s.plans, s.life
	s.at(max(s.now, s.began+at), func() {
		if s.plans == plan && s.life == life {
			s.world.RunUntil(s.now - s.began)
			s.plan()
		}
	})
}

// observe acts on what the core has decided.
func (s *server) observe(w *sim.World, _ core.Event, effects []core.Effect) {
	s.waits.Add(effects)
	at, life := s.began+w.Now(), s.life
	for _, e := range effects {
		switch e.Kind {
		case core.Grant:
			if e.How == core.Warm {
				s.report.Warm++
			}
			id, longest := e.Request, s.Render.Longest-s.Render.Shortest+1
			s.at(at+s.Render.Shortest+core.Time(s.random.Int64N(int64(longest))), func() {
				if s.life == life {
					s.over(id)
					s.perform(core.Event{Kind: core.Released, Request: id})
				}
			})
		case core.Refuse:
			s.report.Refused++
			s.over(e.Request)
		case core.AnnounceWarm, core.AnnounceCold:
			affinity, warm := s.keys[e.Affinity], e.Kind == core.AnnounceWarm
			s.at(at+s.MapDelay, func() {
				if s.life == life { // a server that has failed says nothing more
					s.router.tell(affinity, s.number, warm)
				}
			})
		case core.Forget:
			delete(s.handles, s.keys[e.Affinity])
			delete(s.keys, e.Affinity)
			s.free = append(s.free, e.Affinity)
		}
	}
}

// entry is something that happens at an instant.
type entry struct {
	at       core.Time
	sequence uint64
	do       func()
}

// agenda is a heap of what is to happen, the next first.
type agenda []entry

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[i].at, a[j].at), cmp.Compare(a[i].sequence, a[j].sequence)) < 0
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(entry)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

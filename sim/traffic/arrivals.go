package traffic

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

// Arrivals are the callers that come to a timed world, one visit after the other. Shares are in ten
// thousandths of the visits.
type Arrivals struct {
	Gap        core.Time // mean time between two visits
	Affinities int
	Skew       int         // 0: all alike; 1: the n-th is asked for 1/n as often as the first
	Render     sim.Latency // how long a page is held
	Patience   sim.Latency // how long a request waits before its caller gives up
	Limit      core.Time   // after this, a caller that noticed a wedged page discards it
	Active     int         // visits at one time, at most; those that come beyond are not made

	Nested        int // renders that ask for a page of their own, of the same affinity or another
	NestedForeign int // of these
	Priorities    int // visits of a priority of 1 to 3
	Discards      int // renders whose page is given back as spoiled
	DisposeNoWait int // visits that dispose of their affinity afterwards
	DisposeWait   int
	DisposeHeld   int // visits that dispose of their affinity while they hold a page of it
	Warms         int
	Twice         int // visits that release twice
	Late          int // visits that give up a request that was granted
	Limits        int // visits whose lease has a limit of its own
	Sweeps        int // visits that evict what is idle first
	Retains       int // of the disposals: the primary is kept
	Recycles      int // visits that have the browser replaced first

	Owns int // how many affinities there are to one with terms of its own; 0: none has
}

// Callers draws the callers of a mix, one visit after the other, as sim.Arrivals.
type Callers struct {
	arrivals Arrivals
	faults   *sim.Faults
	maxLease time.Duration // of the pool
	weights  []int         // by affinity, summed up
}

// Callers are those that come to a pool with these settings, over a browser in these conditions.
// The error is that of the settings.
func (a Arrivals) Callers(c *sim.Conditions, s core.Settings) (*Callers, error) {
	s, err := s.Resolve()
	if err != nil {
		return nil, err
	}
	callers := &Callers{arrivals: a, faults: &c.Faults, maxLease: s.MaxLease}
	sum := 0
	for n := range a.Affinities {
		weight := 1
		if a.Skew > 0 {
			weight = 1000 / (n + 1)
		}
		sum += weight
		callers.weights = append(callers.weights, sum)
	}
	return callers, nil
}

// quantiles are those of the exponential distribution, at the middle of each sixteenth, in
// thousandths of the mean: visits come in bursts, as independent callers do.
var quantiles = [16]core.Time{
	32, 98, 170, 247, 330, 421, 521, 633, 758, 901, 1068, 1269, 1520, 1856, 2367, 3466,
}

// Gap draws how long it takes until the next visit comes.
func (x *Callers) Gap(c sim.Chance) core.Time {
	gap := x.arrivals.Gap
	q := quantiles[c.Choose(len(quantiles))]
	return gap*q/1000 + c.Between(sim.Latency{Longest: gap / 16})
}

// Visit draws the next visit; false: so many are there that it is not made.
func (x *Callers) Visit(c sim.Chance, active int) (sim.Program, bool) {
	if active >= x.arrivals.Active {
		return sim.Program{}, false
	}
	return x.visit(c), true
}

// affinity draws which affinity a visit is for. Handles begin at 1.
func (x *Callers) affinity(c sim.Chance) core.Affinity {
	at := c.Choose(x.weights[len(x.weights)-1])
	for n, sum := range x.weights {
		if at < sum {
			return core.Affinity(n + 1)
		}
	}
	panic("traffic: BUG: a choice beyond the number it was made among")
}

// own says whether contexts of an affinity are made for it.
func (x *Callers) own(a core.Affinity) bool {
	n := x.arrivals.Owns
	return n > 0 && int(a)%n == 0
}

// writer appends instructions to a program.
type writer struct {
	program sim.Program
	length  int
}

func (p *writer) add(in sim.Instruction) {
	p.program[p.length] = in
	p.length++
}

// visit draws what one caller does.
func (x *Callers) visit(c sim.Chance) sim.Program {
	a := &x.arrivals
	var p writer
	key := x.affinity(c)
	if c.Happens(a.Warms) {
		p.add(sim.Instruction{Verb: sim.WarmUp, Lasting: c.Between(a.Patience)})
	}
	if c.Happens(a.Recycles) {
		p.add(sim.Instruction{Verb: sim.Recycle, Lasting: c.Between(a.Patience)})
	}
	if c.Happens(a.Sweeps) {
		p.add(sim.Instruction{Verb: sim.Sweep,
			Lasting: c.Between(sim.Latency{Longest: 4 * a.Render.Longest})})
	}
	get := sim.Instruction{Verb: sim.Get, Affinity: key, Lasting: c.Between(a.Patience),
		Own: x.own(key)}
	if c.Happens(a.Priorities) {
		get.Priority = 1 + int32(c.Choose(3))
	}
	if c.Happens(a.Limits) {
		get.MaxLease = c.Between(between(a.Render.Shortest, 2*a.Render.Longest)).Duration()
	}
	p.add(get)
	p.add(sim.Instruction{Verb: sim.Hold, Lasting: c.Between(a.Render)})
	if c.Happens(a.Late) {
		p.add(sim.Instruction{Verb: sim.AbandonLate})
	}
	if c.Happens(a.DisposeHeld) {
		p.add(sim.Instruction{Verb: sim.Dispose, Affinity: key, NoWait: true,
			Retain: c.Happens(a.Retains)})
	}
	if c.Happens(a.Nested) {
		inner := key
		if c.Happens(a.NestedForeign) {
			inner = x.affinity(c)
		}
		p.add(sim.Instruction{Verb: sim.Get, Affinity: inner, Class: core.Nested,
			Lasting: c.Between(a.Patience), Own: x.own(inner)})
		p.add(sim.Instruction{Verb: sim.Hold, Lasting: c.Between(a.Render)})
		x.end(c, &p)
		if p.program[p.length-1].Verb == sim.Sit {
			return p.program
		}
	}
	x.end(c, &p)
	if c.Happens(a.DisposeNoWait) {
		p.add(sim.Instruction{Verb: sim.Dispose, Affinity: key, NoWait: true,
			Retain: c.Happens(a.Retains)})
	} else if c.Happens(a.DisposeWait) {
		p.add(sim.Instruction{Verb: sim.Dispose, Affinity: key, Lasting: c.Between(a.Patience),
			Retain: c.Happens(a.Retains)})
	}
	return p.program
}

// longestSit is how long a render limit may be for callers to rely on it: nobody waits for years.
const longestSit = 24 * time.Hour

// end draws how a render ends: it is given back, or its page is spoiled, crashes or wedges.
func (x *Callers) end(c sim.Chance, p *writer) {
	a, f := &x.arrivals, x.faults
	switch {
	case c.Happens(f.Wedges):
		if c.Happens(f.Loops) {
			p.add(sim.Instruction{Verb: sim.Loop})
		} else {
			p.add(sim.Instruction{Verb: sim.Wedge})
		}
		if 0 < x.maxLease && x.maxLease <= longestSit && c.Happens(f.SilentWedges) {
			p.add(sim.Instruction{Verb: sim.Sit})
			return
		}
		p.add(sim.Instruction{Verb: sim.Hold, Lasting: a.Limit})
		p.add(sim.Instruction{Verb: sim.DiscardWedged})
	case c.Happens(f.Crashes):
		p.add(sim.Instruction{Verb: sim.Crash})
		p.add(sim.Instruction{Verb: sim.Sit})
	case c.Happens(a.Discards):
		p.add(sim.Instruction{Verb: sim.Discard})
	case c.Happens(a.Twice):
		p.add(sim.Instruction{Verb: sim.ReleaseTwice})
	default:
		p.add(sim.Instruction{Verb: sim.Release})
	}
}

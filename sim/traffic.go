package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Arrivals are the callers that come to a timed world, one visit after the other. Shares are in ten
// thousandths of the visits.
type Arrivals struct {
	Gap        core.Time // mean time between two visits
	Affinities int
	Skew       int       // 0: all alike; 1: the n-th is asked for 1/n as often as the first
	Render     Latency   // how long a page is held
	Patience   Latency   // how long a request waits before its caller gives up
	Limit      core.Time // after this, a caller that noticed a wedged page discards it
	Active     int       // visits at one time, at most; those that come beyond are not made

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

	weights []int // by affinity, summed up
}

// quantiles are those of the exponential distribution, at the middle of each sixteenth, in
// thousandths of the mean: visits come in bursts, as independent callers do.
var quantiles = [16]core.Time{
	32, 98, 170, 247, 330, 421, 521, 633, 758, 901, 1068, 1269, 1520, 1856, 2367, 3466,
}

// next draws when the next visit comes.
func (a *Arrivals) next(w *World) core.Time {
	q := quantiles[w.choices.Choose(len(quantiles))]
	return w.now + a.Gap*q/1000 + w.between(Latency{0, a.Gap / 16})
}

// affinity draws whom a visit is for. Handles begin at 1.
func (a *Arrivals) affinity(w *World) core.Affinity {
	if a.weights == nil {
		sum := 0
		for n := range a.Affinities {
			weight := 1
			if a.Skew > 0 {
				weight = 1000 / (n + 1)
			}
			sum += weight
			a.weights = append(a.weights, sum)
		}
	}
	at := w.choices.Choose(a.weights[len(a.weights)-1])
	for n, sum := range a.weights {
		if at < sum {
			return core.Affinity(n + 1)
		}
	}
	panic("sim: BUG: a choice beyond the number it was made among")
}

// arrive lets one visit come, and draws the next.
func (a *Arrivals) arrive(w *World) {
	if w.active < a.Active {
		p := a.visit(w)
		w.admit(&p)
	}
	w.nextArrival = a.next(w)
}

// writer appends instructions to a program.
type writer struct {
	program Program
	length  int
}

func (p *writer) add(in Instruction) {
	p.program[p.length] = in
	p.length++
}

// visit draws what one caller does.
func (a *Arrivals) visit(w *World) Program {
	var p writer
	key := a.affinity(w)
	if w.happens(a.Warms) {
		p.add(Instruction{Verb: WarmUp, Lasting: w.between(a.Patience)})
	}
	if w.happens(a.Recycles) {
		p.add(Instruction{Verb: Recycle, Lasting: w.between(a.Patience)})
	}
	if w.happens(a.Sweeps) {
		p.add(Instruction{Verb: Sweep, Lasting: w.between(Latency{0, 4 * a.Render.Longest})})
	}
	get := Instruction{Verb: Get, Affinity: key, Lasting: w.between(a.Patience)}
	if w.happens(a.Priorities) {
		get.Priority = 1 + int32(w.choices.Choose(3))
	}
	if w.happens(a.Limits) {
		get.MaxLease = w.between(Latency{a.Render.Shortest, 2 * a.Render.Longest}).Duration()
	}
	p.add(get)
	p.add(Instruction{Verb: Hold, Lasting: w.between(a.Render)})
	if w.happens(a.Late) {
		p.add(Instruction{Verb: AbandonLate})
	}
	if w.happens(a.DisposeHeld) {
		p.add(Instruction{Verb: Dispose, Affinity: key, NoWait: true, Retain: w.happens(a.Retains)})
	}
	if w.happens(a.Nested) {
		inner := key
		if w.happens(a.NestedForeign) {
			inner = a.affinity(w)
		}
		p.add(Instruction{Verb: Get, Affinity: inner, Class: core.Nested, Lasting: w.between(a.Patience)})
		p.add(Instruction{Verb: Hold, Lasting: w.between(a.Render)})
		a.end(w, &p)
		if p.program[p.length-1].Verb == Sit {
			return p.program
		}
	}
	a.end(w, &p)
	if w.happens(a.DisposeNoWait) {
		p.add(Instruction{Verb: Dispose, Affinity: key, NoWait: true, Retain: w.happens(a.Retains)})
	} else if w.happens(a.DisposeWait) {
		p.add(Instruction{Verb: Dispose, Affinity: key, Lasting: w.between(a.Patience), Retain: w.happens(a.Retains)})
	}
	return p.program
}

// longestSit is how long a render limit may be for callers to rely on it: nobody waits for years.
const longestSit = 24 * time.Hour

// end draws how a render ends: it is given back, or its page is spoiled, crashes or wedges.
func (a *Arrivals) end(w *World, p *writer) {
	f := &w.conditions.Faults
	switch {
	case w.happens(f.Wedges):
		if w.happens(f.Loops) {
			p.add(Instruction{Verb: Loop})
		} else {
			p.add(Instruction{Verb: Wedge})
		}
		if limit := w.core.Settings.MaxLease; 0 < limit && limit <= longestSit && w.happens(f.SilentWedges) {
			p.add(Instruction{Verb: Sit})
			return
		}
		p.add(Instruction{Verb: Hold, Lasting: a.Limit})
		p.add(Instruction{Verb: DiscardWedged})
	case w.happens(f.Crashes):
		p.add(Instruction{Verb: Crash})
		p.add(Instruction{Verb: Sit})
	case w.happens(a.Discards):
		p.add(Instruction{Verb: Discard})
	case w.happens(a.Twice):
		p.add(Instruction{Verb: ReleaseTwice})
	default:
		p.add(Instruction{Verb: Release})
	}
}

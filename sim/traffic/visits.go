package traffic

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// Visits draws the callers of a profile for a player that plays them on a real pool: the same mix
// as in a simulated run, one after the other.
type Visits struct {
	callers *Callers
	chance  sim.Chance
	last    uint64 // number
}

// Visit is one caller: it comes so long after the one before.
type Visit struct {
	After   core.Time
	Program sim.Program
	Number  uint64 // from 1
}

// NewVisits draws from a seed. The settings are the pool's, and the error is theirs.
func NewVisits(p *Profile, seed uint64, settings core.Settings) (*Visits, error) {
	callers, err := p.Arrivals.Callers(&p.Conditions, settings)
	if err != nil {
		return nil, err
	}
	return &Visits{callers: callers, chance: sim.Chance{Source: scheduler.NewRandom(seed, 0)}}, nil
}

// Next draws the next visit.
func (v *Visits) Next() Visit {
	after := v.callers.Gap(v.chance)
	v.last++
	return Visit{After: after, Program: v.callers.visit(v.chance), Number: v.last}
}

// Mishap is what befalls a browser by itself.
type Mishap uint8

const (
	BrowserDies Mishap = iota + 1
	PageCrashes
	BrowserFallsSilent
)

func (m Mishap) String() string {
	return [...]string{BrowserDies: "the browser dies", PageCrashes: "a page crashes",
		BrowserFallsSilent: "the browser falls silent"}[m]
}

// NextMishap draws when a mishap comes, which is so many times as frequent as the profile has it,
// and which; 0: never.
func (v *Visits) NextMishap(times int) (after core.Time, m Mishap) {
	after = v.callers.faults.UntilMishap(v.chance)
	if after == fakebrowser.Never {
		return 0, 0
	}
	rates := v.callers.faults.MishapRates()
	switch what := v.chance.Choose(rates[0] + rates[1] + rates[2]); {
	case what < rates[0]:
		m = BrowserDies
	case what < rates[0]+rates[1]:
		m = PageCrashes
	default:
		m = BrowserFallsSilent
	}
	return after / core.Time(times), m
}

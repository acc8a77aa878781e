package sim

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// Visits draws the callers of a profile for whoever plays them on a real pool: the same mix as in a simulated
// run, one after the other.
type Visits struct {
	world    *World
	arrivals Arrivals
}

// Visit is one caller: it comes so long after the one before.
type Visit struct {
	After   core.Time
	Program Program
	Number  uint64 // from 1
}

// NewVisits draws from a seed. The settings are the pool's.
func NewVisits(p *Profile, seed uint64, settings core.Settings) (*Visits, error) {
	w, err := New(Options{
		Settings: settings, Timed: true, From: core.New(settings), Choices: scheduler.NewRandom(seed, 0), Conditions: &p.Conditions,
	})
	if err != nil {
		return nil, err
	}
	v := &Visits{world: w, arrivals: p.Arrivals}
	v.arrivals.weights = nil
	return v, nil
}

// Next draws the next visit.
func (v *Visits) Next() Visit {
	at := v.arrivals.next(v.world)
	after := at - v.world.now
	v.world.now = at
	v.world.lastNumber++
	return Visit{After: after, Program: v.arrivals.visit(v.world), Number: v.world.lastNumber}
}

// Mishap is what befalls a browser by itself.
type Mishap uint8

const (
	BrowserDies Mishap = iota + 1
	PageCrashes
	BrowserFallsSilent
)

func (m Mishap) String() string {
	return [...]string{BrowserDies: "the browser dies", PageCrashes: "a page crashes", BrowserFallsSilent: "the browser falls silent"}[m]
}

// NextMishap draws when a mishap comes, which is so many times as frequent as the profile has it, and which;
// 0: never.
func (v *Visits) NextMishap(times int) (after core.Time, m Mishap) {
	w := v.world
	at := w.drawMishap()
	if at == never {
		return 0, 0
	}
	rates := w.conditions.Faults.mishapRates()
	what := w.choices.Choose(rates[0] + rates[1] + rates[2])
	switch {
	case what < rates[0]:
		m = BrowserDies
	case what < rates[0]+rates[1]:
		m = PageCrashes
	default:
		m = BrowserFallsSilent
	}
	return (at - w.now) / core.Time(times), m
}

package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Scenario is a small world that a search visits to its end.
type Scenario struct {
	Name     string
	Says     string
	Settings core.Settings
	Programs []Program
	Full     bool      // it begins once the pool is full, not with the launch of the browser
	Held     bool      // it begins once every client has done its first instruction
	Faults   int       // deviations from a healthy browser, in all
	Menu     Menu      // of which kinds
	Sessions bool      // the driver gives each lease a session of its own
	Checks   bool      // the driver can check its browsers
	Repairs  bool      // and kill a helper that hangs
	Tick     core.Time // by how much TimePasses lets time pass

	Only string // as Options.Only
	// as Options.Observe; nil: nobody looks on
	Observe func(w *World, event core.Event, effects []core.Effect)
}

// The affinities of scenarios.
const (
	a core.Affinity = iota + 1
	b
	c
	d
)

// The instructions of scenarios.
var (
	release       = Instruction{Verb: Release}
	discard       = Instruction{Verb: Discard}
	discardWedged = Instruction{Verb: DiscardWedged}
	wedge         = Instruction{Verb: Wedge}
	loop          = Instruction{Verb: Loop}
	recycle       = Instruction{Verb: Recycle, GivesUp: true}
	closePool     = Instruction{Verb: ClosePool, GivesUp: true}
)

func get(a core.Affinity) Instruction { return Instruction{Verb: Get, Affinity: a} }

func getNested(a core.Affinity) Instruction {
	return Instruction{Verb: Get, Affinity: a, Class: core.Nested}
}

func dispose(a core.Affinity) Instruction { return Instruction{Verb: Dispose, Affinity: a} }

func (in Instruction) impatient() Instruction {
	in.GivesUp = true
	return in
}

func (in Instruction) retain() Instruction {
	in.Retain = true
	return in
}

func (in Instruction) priority(n int32) Instruction {
	in.Priority = n
	return in
}

func (in Instruction) noWait() Instruction {
	in.NoWait = true
	return in
}

// render is a program that holds one page; renderNested one whose page asks for another.
func render(a core.Affinity) Program { return Program{get(a), release} }

// drawn is a program whose page is drawn.
func drawn(a core.Affinity) Program { return Program{get(a), {Verb: Draw}, release} }

func renderNested(a core.Affinity) Program {
	return Program{get(a), getNested(a), release, release}
}

// small are settings for a search: what a scenario is not about is off.
func small(s core.Settings) core.Settings {
	s.OpenRetries = 2
	off := func(d *time.Duration) {
		if *d == 0 {
			*d = core.Off
		}
	}
	off(&s.RescueTimeout)
	off(&s.ProbeBudget)
	off(&s.StallTimeout)
	if s.AffinityDoubt == 0 {
		s.AffinityDoubt = core.Off
	}
	if s.OrphanCap == 0 {
		s.OrphanCap = core.Off
	}
	return s
}

func pages(n int) core.Settings { return small(core.Settings{MaxPages: n}) }

// ScenarioNamed finds a scenario; nil where there is none.
func ScenarioNamed(name string) *Scenario {
	for _, list := range [][]*Scenario{Scenarios, Large} {
		for _, s := range list {
			if s.Name == name {
				return s
			}
		}
	}
	return nil
}

// World makes the world in which a scenario begins.
func (s *Scenario) World() (*World, error) {
	w, err := New(Options{Settings: s.Settings, Programs: s.Programs, Faults: s.Faults, Menu: s.Menu,
		Sessions: s.Sessions, Checks: s.Checks, Repairs: s.Repairs, Tick: s.Tick, Only: s.Only,
		Observe: s.Observe})
	if err != nil {
		return nil, err
	}
	for s.Full && !w.core.Quiet() {
		w.Answer(0, fakebrowser.Works)
	}
	for i := range w.clients {
		if s.Held {
			w.run(i)
		}
	}
	return w, nil
}

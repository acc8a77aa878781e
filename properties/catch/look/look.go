// Package look looks for a broken claim in the core that it was built from, by one strategy or
// another. The commands that the tests of planted bugs build with an overlay share it.
package look

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/traffic"
)

// Caught is what was found.
type Caught struct {
	Claims    []string // that broke, all in one step; none: it was not caught
	In        string   // which scenario or profile
	Schedules int      // how many it took: seeds, walks or histories; of a search: states
	Steps     int      // of a search: how many actions lead there, the fewest
	What      string
}

// Tell prints what was found as JSON, or ends the command with what went wrong.
func (c *Caught) Tell(err error) {
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "catch:", err)
		os.Exit(2)
	}
}

func (c *Caught) breaks(v *sim.Violation, in string) {
	c.Claims, c.In, c.What = append(strings.Fields(v.Also), v.Property), in, v.What
}

// Options say what to look for, and how long.
type Options struct {
	// of a search: the one to look at, whatever others see before; elsewhere the first that breaks is
	// enough
	Claim    string
	Scenario string
	Seed     uint64 // of the first schedule; the others have the next ones
	Most     int    // schedules; of a search: states
}

// scenario is where to look.
func (o *Options) scenario() (sim.Scenario, error) {
	scenario := sim.ScenarioNamed(o.Scenario)
	if scenario == nil {
		return sim.Scenario{}, fmt.Errorf("no scenario is called %q", o.Scenario)
	}
	return *scenario, nil
}

// hours is how much virtual time a seed has.
const hours = 0.25

// Strategies are the ways of looking, by name.
var Strategies = map[string]func(Options) (*Caught, error){
	"default": byDefault, "seeds": bySeeds, "walk": byWalks, "pct": byPCT, "search": bySearch,
	"every": byEvery,
}

// byDefault looks where nothing goes wrong and nobody is preempted: in each profile, and in the
// scenario.
func byDefault(o Options) (*Caught, error) {
	caught := new(Caught)
	for _, p := range traffic.Profiles {
		report, err := traffic.Run(traffic.Options{Profile: p, Seed: 1, Hours: hours,
			Choices: scheduler.Default{}})
		if err != nil {
			return nil, err
		}
		if v := report.Violation; v != nil {
			caught.breaks(v, p.Name)
		}
	}
	if o.Scenario == "" {
		return caught, nil
	}
	scenario, err := o.scenario()
	if err != nil {
		return nil, err
	}
	scenario.Faults, scenario.Menu = 0, 0 // a walk takes faults where nothing else is left
	w, err := scenario.Walk(scheduler.Default{}, longestWalk)
	if err == nil && w.Violation() != nil {
		caught.breaks(w.Violation(), o.Scenario)
	}
	return caught, err
}

// bySeeds looks in the traffic of one seed after the other, in each profile, the most hostile
// first.
func bySeeds(o Options) (*Caught, error) {
	caught := new(Caught)
	for seed := o.Seed; ; seed++ {
		for _, p := range slices.Backward(traffic.Profiles) {
			if caught.Schedules == o.Most {
				return caught, nil
			}
			report, err := traffic.Run(traffic.Options{Profile: p, Seed: seed, Hours: hours})
			if err != nil {
				return nil, err
			}
			caught.Schedules++
			if v := report.Violation; v != nil {
				caught.breaks(v, fmt.Sprintf("%s %d", p.Name, seed))
				return caught, nil
			}
		}
	}
}

// longestWalk is how many actions a walk takes at most, and depth how many events in a certain
// order PCT looks for.
const (
	longestWalk = 100
	depth       = 3
)

// byWalks looks on random walks through a scenario.
func byWalks(o Options) (*Caught, error) {
	return walks(o, func(seed uint64) scheduler.Source { return scheduler.NewRandom(seed, 1) })
}

// byPCT does so on walks on which priorities decide.
func byPCT(o Options) (*Caught, error) {
	return walks(o, func(seed uint64) scheduler.Source {
		return scheduler.NewPCT(seed, depth, longestWalk)
	})
}

func walks(o Options, source func(seed uint64) scheduler.Source) (*Caught, error) {
	scenario, err := o.scenario()
	if err != nil {
		return nil, err
	}
	start, err := scenario.World()
	if err != nil {
		return nil, err
	}
	caught, w := new(Caught), new(sim.World)
	for caught.Schedules < o.Most {
		w.CopyFrom(start)
		w.Walk(source(o.Seed+uint64(caught.Schedules)), longestWalk)
		caught.Schedules++
		if v := w.Violation(); v != nil {
			caught.breaks(v, o.Scenario)
			break
		}
	}
	return caught, nil
}

// bySearch visits the states of a scenario until the wanted claim breaks, and byEvery does so with
// every claim on every transition.
func bySearch(o Options) (*Caught, error) { return explores(o, false) }

func byEvery(o Options) (*Caught, error) { return explores(o, true) }

func explores(o Options, every bool) (*Caught, error) {
	scenario, err := o.scenario()
	if err != nil {
		return nil, err
	}
	scenario.Only = o.Claim
	x, err := sim.Explore(&scenario, sim.ExploreOptions{MaxStates: o.Most, EveryClaim: every})
	if err != nil {
		return nil, err
	}
	caught := &Caught{Schedules: x.States}
	if v := x.Violation; v != nil {
		caught.breaks(v, o.Scenario)
		caught.Steps, caught.What = len(x.Trace),
			fmt.Sprintf("%s, after %s", v.What, strings.Join(x.Trace, "; "))
	}
	return caught, nil
}

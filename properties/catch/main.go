// Catch looks for a broken claim in the production code that it was built from: first on the default
// schedule, where nothing goes wrong and nobody is preempted, then on seed after seed. It is what the
// tests of planted bugs build with an overlay and run.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/properties/linear"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// Caught is what was found, as JSON on standard output.
type Caught struct {
	Default  string   // the claim that broke on the default schedule; empty: none
	Claims   []string // the claims that broke in the step that broke the wanted one, or what broke last
	Profile  string   // or scenario
	Seed     uint64
	Schedule int // how many seeds it took, over all profiles
	What     string
}

func main() {
	want := flag.String("claim", "", "the claim that has to break")
	seeds := flag.Uint64("seeds", 60, "seeds of each profile")
	hours := flag.Float64("hours", 0.25, "virtual time of each")
	scenario := flag.String("scenario", "", "explore this scenario first")
	flag.Parse()
	if *want == linearizable {
		*seeds = min(*seeds, seedsBeforeHistories)
	}
	caught, err := look(*want, *scenario, *seeds, *hours)
	if err == nil && *want == linearizable && caught.Default == "" && len(caught.Claims) == 0 {
		err = caught.lookAtHistories()
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(caught)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "catch:", err)
		os.Exit(2)
	}
}

// linearizable is the claim that package linear checks, of histories.
const linearizable = "linearizable"

// What is caught by histories alone has to pass everything else before: so many seeds of each profile.
const seedsBeforeHistories = 2

// calmHistories and histories are how many are played of one caller and of several.
const (
	calmHistories = 100
	histories     = 20_000
)

func (c *Caught) lookAtHistories() error {
	calm, err := linear.Hunt(linear.CalmPlan, calmHistories)
	if err != nil {
		return err
	}
	if calm != nil {
		c.Default = linearizable
	}
	found, err := linear.Hunt(linear.ShortPlan, histories)
	if err != nil || found == nil {
		return err
	}
	c.Claims, c.Profile, c.Seed = []string{linearizable}, "histories", found.Seed
	c.Schedule = int(found.Seed)
	c.What = fmt.Sprintf("no order of its %d calls is a history of the specification", len(found.History.Operations))
	return nil
}

// maxStates bounds the exploration of a scenario.
const maxStates = 200_000

func look(want, scenario string, seeds uint64, hours float64) (*Caught, error) {
	caught := new(Caught)
	for _, p := range sim.Profiles {
		report, err := sim.Run(sim.RunOptions{Profile: p, Seed: 1, Hours: hours, Choices: scheduler.Default{}})
		if err != nil {
			return nil, err
		}
		if v := report.Violation; v != nil {
			caught.Default = v.Property
		}
	}
	if c := sim.ScenarioNamed(scenario); c != nil {
		x, err := sim.Explore(c, sim.ExploreOptions{MaxStates: maxStates})
		if err != nil {
			return nil, err
		}
		if v := x.Violation; v != nil {
			caught.Claims, caught.Profile = append(strings.Fields(v.Also), v.Property), c.Name
			caught.What = fmt.Sprintf("%s, after %s", v.What, strings.Join(x.Trace, "; "))
			return caught, nil
		}
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		for _, p := range slices.Backward(sim.Profiles) { // the most hostile first
			report, err := sim.Run(sim.RunOptions{Profile: p, Seed: seed, Hours: hours})
			if err != nil {
				return nil, err
			}
			caught.Schedule++
			v := report.Violation
			if v == nil {
				continue
			}
			caught.Claims = append(strings.Fields(v.Also), v.Property)
			caught.Profile, caught.Seed, caught.What = p.Name, seed, v.What
			if slices.Contains(caught.Claims, want) {
				return caught, nil
			}
		}
	}
	return caught, nil
}

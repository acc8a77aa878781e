// Package look looks for a broken claim in the core that it was built from. The commands that the tests of planted bugs
// build with an overlay share it.
package look

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

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

// Tell prints what was found, or ends the command with what went wrong.
func (c *Caught) Tell(err error) {
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "catch:", err)
		os.Exit(2)
	}
}

// maxStates bounds the exploration of a scenario.
const maxStates = 200_000

// For looks on the default schedule, in a scenario where one is named, and in so many seeds of each profile, until the
// wanted claim breaks.
func For(want, scenario string, seeds uint64, hours float64) (*Caught, error) {
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

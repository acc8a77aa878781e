package main

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/search"
)

// noReturnSays is the comment of a saved counterexample that names the point of no return.
const noReturnSays = "The point of no return is step %d: after it, nothing that a fair browser " +
	"does avoids the end."

var noReturnSaid = regexp.MustCompile(`(?m)^# The point of no return is step (\d+):`)

// noReturnOf reads the point of no return from the comments of a trace; 0: there is none.
func noReturnOf(data []byte) int {
	m := noReturnSaid.FindSubmatch(data)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1])) // digits; one too large is 0, which is none
	return n
}

// noReturnStep is the step of the core that the point of no return of a search is, when the
// schedule is replayed: the search counts actions, of which some take no step. 0: it is not known.
func noReturnStep(c *sim.Scenario, x *sim.Exploration) int {
	if x.NoReturn <= 0 || x.NoReturn > len(x.Path) {
		return 0
	}
	n := 0
	counted := *c
	counted.Observe = func(_ *sim.World, _ core.Event, _ []core.Effect) { n++ }
	w, err := counted.World()
	if err != nil {
		return 0
	}
	search.Follow(w, x.Path[:x.NoReturn], func(*sim.World, *sim.Action) {})
	return n
}

func noReturnComment(c *sim.Scenario, x *sim.Exploration) []string {
	if n := noReturnStep(c, x); n > 0 {
		return []string{fmt.Sprintf(noReturnSays, n)}
	}
	return nil
}

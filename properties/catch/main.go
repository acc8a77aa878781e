// Catch looks for a broken claim in the production code that it was built from, by a strategy: on
// the default schedule, where nothing goes wrong and nobody is preempted, on one schedule after the
// other, or in every interleaving of a scenario. It is what the tests of planted bugs build with an
// overlay and run. It contains nothing of the shell, which would have to be compiled anew with each
// bug of the core.
package main

import (
	"flag"
	"fmt"

	"github.com/pagepool/pagepool/properties/catch/look"
)

func main() {
	var o look.Options
	strategy := flag.String("strategy", "search", "default, seeds, walk, pct, search or every")
	flag.StringVar(&o.Claim, "claim", "", "the claim that has to break")
	flag.StringVar(&o.Scenario, "scenario", "", "where to walk or search")
	flag.Uint64Var(&o.Seed, "seed", 1, "the seed of the first schedule")
	flag.IntVar(&o.Most, "most", 200_000, "schedules; of a search: states")
	flag.Parse()
	by, ok := look.Strategies[*strategy]
	if !ok {
		(*look.Caught)(nil).Tell(fmt.Errorf("-strategy=%q: no such strategy", *strategy))
	}
	caught, err := by(o)
	caught.Tell(err)
}

// Catch looks for a broken claim in the production code that it was built from: first on the default
// schedule, where nothing goes wrong and nobody is preempted, then on seed after seed. It is what the
// tests of planted bugs build with an overlay and run. It contains nothing of the shell, which would have to be
// compiled anew with each bug of the core.
package main

import (
	"flag"

	"github.com/pagepool/pagepool/properties/catch/look"
)

func main() {
	want := flag.String("claim", "", "the claim that has to break")
	seeds := flag.Uint64("seeds", 60, "seeds of each profile")
	hours := flag.Float64("hours", 0.25, "virtual time of each")
	scenario := flag.String("scenario", "", "explore this scenario first")
	flag.Parse()
	caught, err := look.For(*want, *scenario, *seeds, *hours)
	caught.Tell(err)
}

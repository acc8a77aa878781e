// Histories looks for a bug of the shell in the production code that it was built from: one that
// neither the default schedule nor the claims about the core show, and by which a history of the
// real pool is not linearizable.
package main

import (
	"flag"
	"fmt"

	"github.com/pagepool/pagepool/properties/catch/look"
	"github.com/pagepool/pagepool/properties/linear"
)

func main() {
	var o look.Options
	strategy := flag.String("strategy", "histories", "default or histories")
	flag.StringVar(&o.Claim, "claim", linearizable, "the claim that has to break")
	flag.Uint64Var(&o.Seed, "seed", 1, "the seed of the first history")
	flag.IntVar(&o.Most, "most", 20_000, "histories")
	flag.Parse()
	caught, err := new(look.Caught), error(nil)
	switch *strategy {
	case "default":
		caught, err = byDefault(o)
	case "histories":
		caught, err = byHistories(o, linear.ShortPlan)
	default:
		err = fmt.Errorf("-strategy=%q: no such strategy", *strategy)
	}
	caught.Tell(err)
}

// linearizable is the claim that package linear checks, of histories.
const linearizable = "linearizable"

// What is caught by histories alone has to pass everything else: so many seeds of the simulated
// pool, and so many histories of one caller.
const (
	seedsBefore = 8
	calmBefore  = 100
)

func byDefault(o look.Options) (*look.Caught, error) {
	for _, strategy := range []string{"default", "seeds"} {
		caught, err := look.Strategies[strategy](look.Options{Seed: o.Seed, Most: seedsBefore})
		if err != nil || len(caught.Claims) > 0 {
			return caught, err
		}
	}
	return byHistories(look.Options{Seed: o.Seed, Most: calmBefore}, linear.CalmPlan)
}

// byHistories plays one history after the other until one is not linearizable.
func byHistories(o look.Options, plan func(seed uint64) *linear.Plan) (*look.Caught, error) {
	found, err := linear.Hunt(plan, o.Seed, o.Most)
	if err != nil || found == nil {
		return &look.Caught{Schedules: o.Most}, err
	}
	return &look.Caught{
		Claims: []string{linearizable}, In: fmt.Sprintf("history %d", found.Seed),
		Schedules: int(found.Seed-o.Seed) + 1,
		What: fmt.Sprintf("no order of its %d calls is a history of the specification",
			len(found.History.Operations)),
	}, nil
}

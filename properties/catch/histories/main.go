// Histories looks for a bug of the shell in the production code that it was built from: one that neither the default
// schedule nor the claims about the core show, and by which a history of the real pool is not linearizable.
package main

import (
	"fmt"

	"github.com/pagepool/pagepool/properties/catch/look"
	"github.com/pagepool/pagepool/properties/linear"
)

func main() {
	caught, err := look.For(linearizable, "", seedsBeforeHistories, hours)
	if err == nil && caught.Default == "" && len(caught.Claims) == 0 {
		err = lookAtHistories(caught)
	}
	caught.Tell(err)
}

// linearizable is the claim that package linear checks, of histories.
const linearizable = "linearizable"

// hours is how much virtual time the seeds before have.
const hours = 0.25

// What is caught by histories alone has to pass everything else before: so many seeds of each profile.
const seedsBeforeHistories = 2

// calmHistories and histories are how many are played of one caller and of several.
const (
	calmHistories = 100
	histories     = 20_000
)

// lookAtHistories plays histories of one caller, and then of several, until one is not linearizable.
func lookAtHistories(c *look.Caught) error {
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

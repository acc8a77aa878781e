package sim

import "github.com/pagepool/pagepool/pool/core"

// Large lists scenarios that a search can be asked for by name, and that searches of all scenarios
// leave out: they are Scenarios once more, in sizes that are there to be measured.
var Large = []*Scenario{callersAndHangs("spin-2", 2), callersAndHangs("spin-4", 4),
	callersAndHangs("spin-5", 5)}

// callersAndHangs is the scenario that bench/spin has a model of, for so many callers:
// bench/spin/pool.pml says what happens in it, and changes with it.
func callersAndHangs(name string, callers int) *Scenario {
	programs := []Program{renderNested(a), renderNested(b), render(c), render(a), render(b)}
	return &Scenario{
		Name: name, Says: "three affinities share two pages, two of their callers come back nested, " +
			"and two closes hang",
		Settings: small(core.Settings{MaxPages: 2, AffinityTabs: 1, MaxBypass: 1}),
		Programs: programs[:callers],
		Faults:   2, Menu: CloseHangs,
	}
}

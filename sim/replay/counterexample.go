package replay

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
)

// Counterexample writes the schedule by which a search broke a claim as an untimed trace. It is an
// error where no trace shows it, since what broke is that something never ends. names are those of
// the affinities.
func Counterexample(scenario *sim.Scenario, x *sim.Exploration, names trace.Names,
	comments ...string) ([]byte, error) {
	if x.Violation == nil {
		return nil, fmt.Errorf("no claim broke in %s", scenario.Name)
	}
	transcript := Transcript{Names: names}
	if err := transcript.follow(scenario, x.Trace); err != nil {
		return nil, err
	}
	return transcript.Untimed(scenario.Settings, x.Violation.Property, comments...)
}

// follow takes in what a schedule of a scenario does, given by the labels of its actions.
func (t *Transcript) follow(scenario *sim.Scenario, labels []string) error {
	observed := *scenario
	observed.Observe = t.Observe
	w, err := observed.World()
	if err != nil {
		return err
	}
	for _, label := range labels {
		actions := w.Actions(nil)
		i := slices.IndexFunc(actions, func(a sim.Action) bool { return w.Label(&a) == label })
		if i < 0 {
			return fmt.Errorf("%s: %q is not possible where it was", scenario.Name, label)
		}
		w.Do(&actions[i])
	}
	return nil
}

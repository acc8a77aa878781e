package replay

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
)

// Resume makes the untimed world in which a trace has come to its end, for a search that begins
// there: see sim.Scenario.WorldFrom. The scenario's affinities A, B and so on are the keys of the
// trace in the order in which they were named. Behind a dump, the browser is as the pool knows it.
// The error is that of the trace: it does not hold, or it cannot be played.
func Resume(t *trace.Trace, s *sim.Scenario) (*sim.World, error) {
	r, err := playOut(t, nil, nil)
	if err != nil {
		return nil, err
	}
	report := r.finish()
	switch {
	case report.Violation != nil:
		return nil, fmt.Errorf("the trace itself breaks a claim: %w", report.Violation)
	case len(report.Failed) > 0:
		return nil, fmt.Errorf("the trace itself fails at line %d: expected %s; got %s",
			report.Failed[0].Line, report.Failed[0].Want, report.Failed[0].Got)
	}
	return s.WorldFrom(r.world)
}

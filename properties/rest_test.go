package properties

import (
	"fmt"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/traffic"
)

// TestPropertyAStepLeavesNothingToBeDone tells the pool after each step once more that nothing has
// happened. It may do then what Step says that it leaves to the next event, and no more.
func TestPropertyAStepLeavesNothingToBeDone(t *testing.T) {
	var again core.State
	var effects []core.Effect
	for seed := range uint64(20) {
		left := ""
		_, err := traffic.Run(traffic.Options{
			Profile: traffic.ProfileNamed("hostile"), Seed: seed + 1, Hours: 0.5, Unchecked: true,
			Observe: func(w *sim.World, e core.Event, _ []core.Effect) {
				again.CopyFrom(w.Core())
				effects = again.Step(w.Now(), core.Event{}, effects[:0])
				if len(effects) > 0 && left == "" && !leftToTheNextEvent(effects) {
					left = fmt.Sprintf("after %+v: %+v", e, effects)
				}
			},
		})
		if err != nil || left != "" {
			t.Errorf("seed %d: %v; %s", seed+1, err, left)
		}
	}
}

// leftToTheNextEvent says whether effects begin with what a step may leave to the next event.
func leftToTheNextEvent(effects []core.Effect) bool {
	for i := range effects {
		switch e := &effects[i]; {
		case e.Kind == core.AnnounceCold: // of the close that follows
		default:
			return e.Reason == core.Doubt || e.Reason == core.BrowserUnavailable
		}
	}
	return false
}

package pool

import (
	"fmt"
	"time"
)

// Waits says how a request's time from GetPage to its answer was spent. The parts do not overlap,
// and their sum is the whole.
type Waits struct {
	// until the last moment at which the root limit, RootCap or AffinityTabs stopped it
	Admission time.Duration
	Tab       time.Duration // with no tab on its way to it
	Startup   time.Duration // while a tab for it was being opened
	Probe     time.Duration // while a tab for it was being probed
}

// Total is the whole wait.
func (w Waits) Total() time.Duration { return w.Admission + w.Tab + w.Startup + w.Probe }

func (w Waits) String() string {
	return fmt.Sprintf("%v (admission %v, tab %v, startup %v, probe %v)",
		w.Total(), w.Admission, w.Tab, w.Startup, w.Probe)
}

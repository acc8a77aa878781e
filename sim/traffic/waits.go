package traffic

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

// Waits counts the waits of grants by the millisecond; what is longer than all of these counts as
// the longest.
type Waits struct {
	buckets [1 << 17]uint32
	grants  uint64
}

// Add takes in the grants of one step.
func (h *Waits) Add(effects []core.Effect) {
	for i := range effects {
		if e := &effects[i]; e.Kind == core.Grant {
			h.grants++
			h.buckets[min(int(e.Waits.Total()/sim.Milliseconds), len(h.buckets)-1)]++
		}
	}
}

// Grants is how many there were.
func (h *Waits) Grants() uint64 { return h.grants }

// Percentile is the smallest wait that so many per cent of all do not exceed, in milliseconds.
func (h *Waits) Percentile(percent uint64) int {
	sum := uint64(0)
	for i, n := range h.buckets {
		sum += uint64(n)
		if sum > 0 && sum*100 >= h.grants*percent {
			return i
		}
	}
	return 0
}

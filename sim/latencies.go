package sim

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// LatencySteps is how finely a distribution is kept: the shortest, the longest, and what lies
// between at equal shares.
const LatencySteps = 16

// Latencies are measured distributions, by kind of operation; those of other kinds are not known.
type Latencies map[fakebrowser.OperationKind][LatencySteps + 1]core.Time

// usually draws how long an operation takes: from what was measured, up to the longest that the
// conditions have as usual. What takes longer is slow, and drawn as a fault. A latency that is one
// number is that.
func (w *World) usually(kind fakebrowser.OperationKind, l Latency) core.Time {
	steps, known := w.conditions.Measured[kind]
	if !known || l.Longest <= l.Shortest {
		return w.chance.Between(l)
	}
	const fine = 1 << 10 / LatencySteps
	at := w.chance.Choose(1 << 10)
	from, to := steps[at/fine], steps[at/fine+1]
	return min(from+(to-from)*core.Time(at%fine)/fine, l.Longest)
}

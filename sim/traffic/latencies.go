package traffic

import (
	"bytes"
	_ "embed" // for the measurement
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// latencyKinds are the operations whose latency is measured.
var latencyKinds = [...]fakebrowser.OperationKind{
	fakebrowser.Launch, fakebrowser.CloseBrowser, fakebrowser.Open, fakebrowser.Close,
	fakebrowser.CloseContext,
	fakebrowser.Probe, fakebrowser.Rescue, fakebrowser.Reset, fakebrowser.Ping,
}

// latencyLeast is from how many samples on a distribution is drawn from.
const latencyLeast = 8

// measuredText is what `soak chrome -latencies` wrote; its first lines say where and how.
//
//go:embed measured.txt
var measuredText string

// measured is what the profiles draw from.
var measured = func() sim.Latencies {
	l, err := readLatencies(measuredText)
	if err != nil {
		panic("traffic: BUG: measured.txt: " + err.Error())
	}
	return l
}()

// readLatencies reads what Follower.Latencies wrote.
func readLatencies(text string) (sim.Latencies, error) {
	l := sim.Latencies{}
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		k := slices.IndexFunc(latencyKinds[:], func(k fakebrowser.OperationKind) bool {
			return k.String() == fields[0]
		})
		if k < 0 || len(fields) != sim.LatencySteps+3 {
			return nil, fmt.Errorf("line %d: want a kind of operation, a count and %d durations", i+1,
				sim.LatencySteps+1)
		}
		count, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("line %d: want a count, got %q", i+1, fields[1])
		}
		var steps [sim.LatencySteps + 1]core.Time
		for n, field := range fields[2:] {
			d, err := time.ParseDuration(field)
			if err != nil || d < 0 || n > 0 && core.Time(d) < steps[n-1] {
				return nil, fmt.Errorf("line %d: want durations that grow, got %q", i+1, field)
			}
			steps[n] = core.Time(d)
		}
		if count >= latencyLeast {
			l[latencyKinds[k]] = steps
		}
	}
	return l, nil
}

// Samples are measured latencies, by the order of latencyKinds.
type Samples [len(latencyKinds)][]core.Time

// Add notes how long an operation took that worked. Kinds that are not measured are left out.
func (s *Samples) Add(kind fakebrowser.OperationKind, took core.Time) {
	if k := slices.Index(latencyKinds[:], kind); k >= 0 {
		s[k] = append(s[k], took)
	}
}

// Text writes down the distributions, as the text that measured.txt is. The comments come first.
func (s *Samples) Text(comments ...string) []byte {
	var b bytes.Buffer
	for _, c := range comments {
		fmt.Fprintf(&b, "# %s\n", c)
	}
	fmt.Fprintf(&b, "# Each line: what was asked, how often it worked, and how long that took: the "+
		"shortest, the longest, and %d\n"+
		"# quantiles between.\n", sim.LatencySteps-1)
	for k, took := range s {
		if len(took) == 0 {
			continue
		}
		took = slices.Sorted(slices.Values(took))
		fmt.Fprintf(&b, "%v %d", latencyKinds[k], len(took))
		for n := range sim.LatencySteps + 1 {
			fmt.Fprintf(&b, " %v", took[(len(took)-1)*n/
				sim.LatencySteps].Duration().Round(10*time.Microsecond))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

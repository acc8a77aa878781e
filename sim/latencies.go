package sim

import (
	"bytes"
	_ "embed" // for the measurement
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// latencyKinds are the operations whose latency is measured.
var latencyKinds = [...]fakebrowser.OperationKind{
	fakebrowser.Launch, fakebrowser.CloseBrowser, fakebrowser.Open, fakebrowser.Close, fakebrowser.CloseContext,
	fakebrowser.Probe, fakebrowser.Rescue, fakebrowser.Reset, fakebrowser.Ping,
}

// latencySteps is how finely a distribution is kept: the shortest, the longest, and what lies between at equal
// shares.
const latencySteps = 16

// latencyLeast is from how many samples on a distribution is drawn from.
const latencyLeast = 8

// Latencies are measured distributions, by kind of operation; those of other kinds are not known.
type Latencies map[fakebrowser.OperationKind][latencySteps + 1]core.Time

// measuredText is what `soak chrome -latencies` wrote; its first lines say where and how.
//
//go:embed measured.txt
var measuredText string

// measured is what the profiles draw from.
var measured = func() Latencies {
	l, err := readLatencies(measuredText)
	if err != nil {
		panic("sim: BUG: measured.txt: " + err.Error())
	}
	return l
}()

// readLatencies reads what Follower.Latencies wrote.
func readLatencies(text string) (Latencies, error) {
	l := Latencies{}
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		k := slices.IndexFunc(latencyKinds[:], func(k fakebrowser.OperationKind) bool { return k.String() == fields[0] })
		if k < 0 || len(fields) != latencySteps+3 {
			return nil, fmt.Errorf("line %d: want a kind of operation, a count and %d durations", i+1, latencySteps+1)
		}
		count, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("line %d: want a count, got %q", i+1, fields[1])
		}
		var steps [latencySteps + 1]core.Time
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

// measure notes how long an operation took that worked.
func (f *Follower) measure(kind fakebrowser.OperationKind, e core.Event) {
	k := slices.Index(latencyKinds[:], kind)
	s := f.possible.Any()
	i := s.Find(kind, e)
	if i < 0 {
		return
	}
	id := s.Operations[i].ID
	since, known := f.asked[id]
	if _, outcome := answers(e.Kind); k >= 0 && known && outcome == fakebrowser.Works {
		f.took[k] = append(f.took[k], f.world.now-since)
	}
	delete(f.asked, id)
}

// Latencies writes down how long the operations took that worked, as the text that measured.txt is. The
// comments come first.
func (f *Follower) Latencies(comments ...string) []byte {
	var b bytes.Buffer
	for _, c := range comments {
		fmt.Fprintf(&b, "# %s\n", c)
	}
	fmt.Fprintf(&b, "# Each line: what was asked, how often it worked, and how long that took: the shortest, the longest, and %d\n"+
		"# quantiles between.\n", latencySteps-1)
	for k, took := range f.took {
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		fmt.Fprintf(&b, "%v %d", latencyKinds[k], len(took))
		for n := range latencySteps + 1 {
			fmt.Fprintf(&b, " %v", took[(len(took)-1)*n/latencySteps].Duration().Round(10*time.Microsecond))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// usually draws how long an operation takes: from what was measured, up to the longest that the conditions have
// as usual. What takes longer is slow, and drawn as a fault. A latency that is one number is that.
func (w *World) usually(kind fakebrowser.OperationKind, l Latency) core.Time {
	steps, known := w.conditions.Measured[kind]
	if !known || l.Longest <= l.Shortest {
		return w.between(l)
	}
	const fine = 1 << 10 / latencySteps
	at := w.choices.Choose(1 << 10)
	from, to := steps[at/fine], steps[at/fine+1]
	return min(from+(to-from)*core.Time(at%fine)/fine, l.Longest)
}

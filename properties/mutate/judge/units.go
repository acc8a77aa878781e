package main

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/traffic"
	"github.com/pagepool/pagepool/testdata"
)

// The virtual time of each run of traffic, and how long the units may take. Unless they loop they
// take a tenth of it.
const (
	hours         = 0.25
	traceAllowed  = 2 * time.Second
	seedAllowed   = 4 * time.Second
	searchAllowed = 2 * time.Minute
)

// hear runs the units, the cheapest first, until one kills the mutant by a claim. A failed
// expectation in a trace ends the hearing with the traces; a history that is not the golden one
// ends nothing.
func (c *court) hear() {
	few := (c.seeds + 3) / 4
	if c.part != "rest" && !(c.traces() && c.traffic(1, few)) {
		return
	}
	if c.part != "cheap" && !(c.searches() && c.traffic(few+1, c.seeds)) {
		return
	}
	c.verdict.Unit = ""
}

func (c *court) traces() bool {
	failed := Verdict{}
	for _, dir := range []string{"traces", "regressions", "incidents"} {
		names, err := fs.Glob(testdata.Files, dir+"/*.trace")
		if err != nil {
			panic(err)
		}
		for _, name := range names {
			c.unit(name, traceAllowed, func() outcome { return played(name) })
			switch v := &c.verdict; {
			case v.Killed == "expectation" && failed.Killed == "":
				failed = *v
				v.Killed = ""
			case v.Killed == "expectation":
				v.Killed = ""
			case v.Killed != "":
				return false
			}
		}
	}
	if failed.Killed != "" {
		c.verdict = failed
		return false
	}
	return true
}

// played plays a trace, as TestTraceHoldsAndItsHistoryIsTheGoldenOne does.
func played(name string) (o outcome) {
	text, err := testdata.Files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	var b []byte
	report, err := replay.Run(tr, func(step replay.Step) {
		b = fmt.Appendf(b, "@%v ", step.At.Duration())
		b = trace.AppendEvent(b, step.Event, step.Names)
		b = append(b, '\n')
		for _, e := range step.Effects {
			b = append(b, "    "...)
			b = trace.AppendEffect(b, e, step.Names)
			b = append(b, '\n')
		}
	})
	h := fnv.New64a()
	h.Write(b)
	o.hash, o.size = h.Sum64(), len(b)
	golden, missing := testdata.Files.ReadFile(strings.TrimSuffix(name, path.Ext(name)) + ".golden")
	o.golden = missing == nil && !bytes.Equal(golden, b)
	switch {
	case report != nil && report.Violation != nil:
		o.broken(report.Violation)
	case err != nil:
		o.killed, o.what = "expectation", err.Error()
	case len(report.Failed) > 0:
		f := report.Failed[0]
		o.killed, o.what = "expectation", fmt.Sprintf("line %d: want %s, got %s", f.Line, f.Want, f.Got)
	}
	return o
}

func (o *outcome) broken(v *sim.Violation) {
	o.killed, o.claim, o.what = "claim", strings.TrimSpace(v.Property+" "+v.Also), v.What
}

// traffic runs seeds: of each profile but the hostile one, a quarter as many.
func (c *court) traffic(from, to int) bool {
	for seed := from; seed <= to; seed++ {
		for i, p := range slices.Backward(traffic.Profiles) {
			if i < len(traffic.Profiles)-1 && seed%4 != 1 {
				continue
			}
			name := fmt.Sprintf("%s seed %d", p.Name, seed)
			if !c.unit(name, seedAllowed, func() outcome { return run(p, seed) }) {
				return false
			}
		}
	}
	return true
}

func run(p *traffic.Profile, seed int) (o outcome) {
	report, err := traffic.Run(traffic.Options{Profile: p, Seed: uint64(seed), Hours: hours})
	if err != nil {
		panic(err)
	}
	o.hash, o.size = report.HistoryHash, report.Events
	if report.Violation != nil {
		o.broken(report.Violation)
	}
	return o
}

// searches explores the small scenarios, the smallest first. A mutant that makes one much larger is
// left to the other units.
func (c *court) searches() bool {
	scenarios := slices.Clone(sim.Scenarios)
	if c.verdict.Mutant != 0 {
		slices.SortStableFunc(scenarios, func(s, o *sim.Scenario) int {
			return cmp.Compare(c.size(s), c.size(o))
		})
	}
	for _, s := range scenarios {
		if c.verdict.Mutant != 0 && c.size(s) > c.states {
			return true
		}
		most := 2 * c.size(s)
		if c.verdict.Mutant == 0 {
			most = c.states + 1 // it is too large then, and how large is all the same
		}
		if !c.unit("scenario "+s.Name, searchAllowed, func() outcome { return explore(s, most) }) {
			return false
		}
	}
	return true
}

func (c *court) size(s *sim.Scenario) int { return c.known["scenario "+s.Name].Size }

func explore(s *sim.Scenario, most int) (o outcome) {
	x, err := sim.Explore(s, sim.ExploreOptions{MaxStates: most})
	if err != nil {
		panic(err)
	}
	o.hash, o.size = x.Sum, x.States
	if x.Violation != nil {
		o.broken(x.Violation)
		o.what += ", after " + strings.Join(x.Trace, "; ")
	}
	return o
}

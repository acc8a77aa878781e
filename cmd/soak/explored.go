package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/sim"
)

func (r *exploreReport) write(w io.Writer) {
	fmt.Fprintf(w, "%-*s %9s %11s %5s %11s %9s\n", nameWidth, "scenario", "states", "transitions",
		"depth", "bytes/state", "seconds")
	states, omission, known := 0, 0.0, true
	for _, e := range r.Scenarios {
		states += e.States
		if known = known && e.told != nil; known {
			omission += e.told.Omission
		}
		e.write(w)
	}
	if len(r.Violations) > 0 {
		return
	}
	overlooked := ""
	if known {
		overlooked = fmt.Sprintf("; one was overlooked with a probability of %.0e, for equal "+
			"fingerprints", omission)
	}
	say(w, "", fmt.Sprintf("no claim broke in any of %s%s", prose.Count(states, "state"), overlooked))
}

// end says how far a search came that did not come to its end.
func (e *exploredScenario) end() string {
	t := e.told
	switch {
	case e.Complete:
		return ""
	case len(e.Violations) > 0:
		return "to a broken claim"
	case t == nil:
		return "NOT to the end"
	case t.Within != nil && *t.Within < 0:
		return fmt.Sprintf("NOT to the end (%s): not even the whole run", t.CutBy)
	case t.Within != nil:
		return fmt.Sprintf("NOT to the end (%s): every run within %s, and some with one more", t.CutBy,
			prose.Count(*t.Within, "deviation"))
	}
	return fmt.Sprintf("NOT to the end (%s): every state within %s of the start, and none beyond %d",
		t.CutBy, prose.Count(max(0, e.Depth-1), "action"), e.Depth+1)
}

func (e *exploredScenario) write(w io.Writer) {
	perState := func(bytes int) float64 { return float64(bytes) / float64(e.States) }
	bytes := fmt.Sprintf("%4.1f", perState(e.MemoryBytes))
	if e.told != nil {
		bytes += fmt.Sprintf(" + %4.1f", perState(e.told.Graph))
	}
	fmt.Fprintf(w, "%-*s %9d %11d %5d %-11s %9.2f\n", nameWidth, e.Scenario, e.States, e.Transitions,
		e.Depth, bytes, e.WallSeconds)
	if end := e.end(); end != "" {
		say(w, "    ", end)
	}
	writeViolations(w, e.Violations)
	if e.told != nil {
		e.writeWay(w)
	}
}

// writeWay writes how a claim broke, and why one of a recorded run did not.
func (e *exploredScenario) writeWay(w io.Writer) {
	const avoids = "             from %s on, nothing that a fair browser does avoids it\n"
	t := e.told
	if t.NoReturn == 0 {
		fmt.Fprintf(w, avoids, "the start")
	}
	for i, action := range t.Trace {
		fmt.Fprintf(w, "             %s\n", action)
		if t.NoReturn == i+1 {
			fmt.Fprintf(w, avoids, "here")
		}
	}
	if len(t.Around) > 0 {
		fmt.Fprintln(w, "             and then it goes on for ever, for example:")
		for _, action := range t.Around {
			fmt.Fprintf(w, "             %s\n", action)
		}
	} else if len(e.Violations) > 0 &&
		slices.ContainsFunc(sim.Claims, func(c sim.Claim) bool {
			return c.Name == e.Violations[0].Property
		}) {
		fmt.Fprintln(w, "             and then nothing can happen")
	}
	if t.Luck != "" {
		say(w, "", t.Luck)
	}
}

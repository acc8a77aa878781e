package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/why"
	"github.com/pagepool/pagepool/sim"
)

// outcomes count what callers got in a run, to be held against another's.
type outcomes struct {
	grants     uint64
	refusals   map[string]int
	closes     map[string]int
	expired    int
	waits      []core.Time
	most       int
	recovery   core.Time
	unanswered int
}

func (f *outcomes) step(w *sim.World, effects []core.Effect) {
	if f.refusals == nil {
		f.refusals, f.closes = map[string]int{}, map[string]int{}
	}
	for i := range effects {
		switch e := &effects[i]; e.Kind {
		case core.Grant:
			f.grants++
			f.waits = append(f.waits, e.Waits.Total())
		case core.Refuse:
			f.refusals[e.Reason.String()]++
		case core.EndLease:
			f.expired++
		case core.CloseTab:
			f.closes[e.Reason.String()]++
		}
	}
	s := w.Core()
	f.most = max(f.most, s.Alive())
	f.recovery = w.WorstRecovery()
	f.unanswered = s.Waiting(core.Root) + s.Waiting(core.Nested)
}

// list are the figures as a person reads them, always in the same order.
func (f *outcomes) list() []Figure {
	slices.Sort(f.waits)
	wait := func(percent int) string {
		if len(f.waits) == 0 {
			return "-"
		}
		return why.Round(f.waits[(len(f.waits)-1)*percent/100].Duration()).String()
	}
	return []Figure{
		{Name: "grants", Value: fmt.Sprint(f.grants)},
		{Name: "refusals", Value: byReason(f.refusals)},
		{Name: "leases that the pool ended", Value: fmt.Sprint(f.expired)},
		{Name: "still waiting at the end", Value: fmt.Sprint(f.unanswered)},
		{Name: "wait, median", Value: wait(50)},
		{Name: "wait, 99 of 100", Value: wait(99)},
		{Name: "wait, longest", Value: wait(100)},
		{Name: "closes", Value: byReason(f.closes)},
		{Name: "tabs alive, at most", Value: fmt.Sprint(f.most)},
		{Name: "worst recovery", Value: why.Round(f.recovery.Duration()).String()},
	}
}

func byReason(counts map[string]int) string {
	total, parts := 0, []string{}
	for reason, n := range counts {
		total += n
		parts = append(parts, fmt.Sprintf("%d %s", n, reason))
	}
	if total == 0 {
		return "0"
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}

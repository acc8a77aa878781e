package view

import (
	"cmp"
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
	waits      []wait // of the requests that were granted a tab
	waiting    []wait // of those that have none yet
	steps      int
	most       int
	recovery   core.Time
	stuck      int // tabs that were of no use at the end
	unanswered int
	held       []string // at the end
}

// wait is how long a request waited, to its grant or to the end of the run.
type wait struct {
	lasted  core.Time
	request core.RequestID
	step    int // the last one of it
	ended   bool
}

func (f *outcomes) step(w *sim.World, effects []core.Effect) {
	if f.refusals == nil {
		f.refusals, f.closes = map[string]int{}, map[string]int{}
	}
	f.steps++
	for i := range effects {
		switch e := &effects[i]; e.Kind {
		case core.Grant:
			f.grants++
			f.waits = append(f.waits, wait{e.Waits.Total(), e.Request, f.steps, true})
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
	f.recovery, f.stuck = w.WorstRecovery(), w.Incidents()
	f.held, f.waiting = f.held[:0], f.waiting[:0]
	s.EachRequest(func(r core.RequestView) {
		f.waiting = append(f.waiting, wait{s.Now - r.Arrived, r.ID, f.steps, false})
	})
	s.EachTab(func(t core.TabView) {
		if t.State == core.Leased {
			f.held = append(f.held, fmt.Sprintf("t%d by r%d for %v", t.ID, t.Holder,
				why.Round((s.Now-t.Since).Duration())))
		}
	})
	f.unanswered = s.Waiting(core.Root) + s.Waiting(core.Nested)
}

// mostHeld is how many leases a figure names.
const mostHeld = 4

// list are the figures as a person reads them, always in the same order.
func (f *outcomes) list() []Figure {
	waits := slices.Concat(f.waits, f.waiting)
	slices.SortStableFunc(waits, func(a, b wait) int { return cmp.Compare(a.lasted, b.lasted) })
	waited := func(name string, percent int) Figure {
		if len(waits) == 0 {
			return Figure{Name: name, Value: "-"}
		}
		w := waits[(len(waits)*percent+99)/100-1] // the nearest rank
		who := fmt.Sprintf("r%d", w.request)
		if !w.ended {
			who += ", still waiting"
		}
		return Figure{name, fmt.Sprintf("%v (%s)", why.Round(w.lasted.Duration()), who), w.step}
	}
	held, recovery := fmt.Sprint(len(f.held)), why.Round(f.recovery.Duration()).String()
	if n := len(f.held); n > 0 && n <= mostHeld {
		held += " (" + strings.Join(f.held, ", ") + ")"
	}
	if f.stuck > 0 {
		recovery = fmt.Sprintf("not by the end (%d stuck)", f.stuck)
	}
	return []Figure{
		{Name: "grants", Value: fmt.Sprint(f.grants)},
		{Name: "refusals", Value: byReason(f.refusals)},
		{Name: "leases that the pool ended", Value: fmt.Sprint(f.expired)},
		{Name: "still waiting at the end", Value: fmt.Sprint(f.unanswered)},
		{Name: "still held at the end", Value: held},
		waited("wait, median", 50),
		waited("wait, 99 of 100", 99),
		waited("wait, longest", 100),
		{Name: "closes", Value: byReason(f.closes)},
		{Name: "tabs alive, at most", Value: fmt.Sprint(f.most)},
		{Name: "worst recovery", Value: recovery},
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

package spec

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// resetBounded: a tab whose lease has ended is closing in time, unless its page answers. It looks
// at the deadline that is armed for the tab, so it holds where a search lets deadlines fire at any
// time.
func resetBounded(t *Transition) error {
	if !t.After.Settings.Reset {
		return nil
	}
	for i := range t.Ledger.tabs {
		e := &t.Ledger.tabs[i]
		if !e.ending || e.asked == 0 || e.closing != 0 || e.holder != 0 {
			continue
		}
		if at, bound := closesBy(t.deadlines(), e.id), e.resetBound(&t.After.Settings); at > bound {
			return fmt.Errorf("the lease of t%d ended at %v, and it is given up at %v instead of %v",
				e.id, e.endedAt.Duration(), at.Duration(), bound.Duration())
		}
	}
	return nil
}

// closesBy is when a tab is given up that answers nothing; never: it is not.
func closesBy(deadlines []core.Deadline, id core.TabID) core.Time {
	for _, d := range deadlines {
		if d.Event.Tab != id {
			continue
		}
		if of := d.Event.Of; d.Event.Kind == core.Silent &&
			(of == core.ProbeTab || of == core.RescueTab || of == core.ResetTab) {
			return d.At
		}
	}
	return core.Never
}

// resetBound is the latest instant at which a tab that answers nothing more may be given up.
func (e *entry) resetBound(set *core.Settings) core.Time {
	rescue := limitOf(set, core.RescueTab)
	switch {
	case e.asked == core.ResetTab:
		return e.clock.since.Add(set.OpenTimeout)
	case e.answered:
		return e.clock.since.Add(rescue)
	}
	// An answer may come after its deadline, where nobody looked in time.
	return max(e.endedAt.Add(2*rescue), e.overAt.Add(rescue))
}

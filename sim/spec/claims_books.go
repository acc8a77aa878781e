package spec

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// The claim that the books agree: the core's index is what its facts say, the facts are what the
// ledger says, and what the core goes by for an affinity is what the plan counts.

func booksAgree(t *Transition) error {
	if err := t.After.BooksAgree(&t.Scratch.books); err != nil {
		return err
	}
	for i := range t.After.Tabs {
		tab := &t.After.Tabs[i]
		e := t.Ledger.tab(tab.ID)
		if tab.State == 0 || e == nil {
			continue
		}
		if bound(tab) != e.bound() || asked(tab) && tab.Overdue != e.late() ||
			tab.State == core.Opening && !thaws(tab) && tab.Overdue != e.overdue ||
			tab.State == core.Leased && tab.Class != e.classOf(&t.After.Settings) {
			return fmt.Errorf("t%d is %v, bound %t, overdue %t, of class %d, and the ledger says: bound "+
				"%t, overdue %t, class %d", tab.ID,
				tab.State, bound(tab), tab.Overdue, tab.Class, e.bound(), e.late() ||
					e.overdue, e.classOf(&t.After.Settings))
		}
	}
	return t.derived()
}

// classOf is the class of a lease, by its request.
func (e *entry) classOf(set *core.Settings) core.Class {
	if e.class == core.Root && reserved(set, e.priority) {
		return core.Urgent
	}
	return e.class
}

// late says whether what was asked of a tab that is bound is overdue.
func (e *entry) late() bool {
	return e.asked != 0 && e.affinity != 0 && e.closing == 0 && e.clock.overdue
}

// answering says whether something was asked of a tab that is bound, and is not overdue.
func (e *entry) answering() bool {
	return e.asked != 0 && e.affinity != 0 && e.closing == 0 && !e.clock.overdue
}

// derived compares what the core goes by for each affinity of which somebody waits with the plan.
func (t *Transition) derived() error {
	if t.After.Phase >= core.PhaseEnding {
		return nil
	}
	p := &t.Scratch.now
	p.Facts = t.After.Facts // it only reads them
	p.listAll()
	for _, a := range p.waiters {
		d, is := p.demandOf(a), t.After.Shortage(a)
		for c := range d.tabs {
			if d.tabs[c] != int(is.Tabs[c]) || d.permits[c] != int(is.Permits[c]) ||
				d.entitled != int(is.Entitled) {
				return fmt.Errorf("the demand of affinity %d is %+v, and the books say %+v", a, d, is)
			}
		}
	}
	return nil
}

package spec

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// The claims that nothing is forgotten: no deadline, no tab, no context, no browser.

// deadlineOnce keeps clocks going: a deadline that stays armed would fire for ever at one instant.
func deadlineOnce(t *Transition) error {
	if !t.Event.Kind.Deadline() {
		return nil
	}
	next, found := t.After.NextDeadline()
	if before, ok := t.Before.NextDeadline(); found && next.At < t.After.Armed() &&
		(!ok || next.At < before.At) {
		return fmt.Errorf("a deadline is armed, the next one, that the step does not tell of (event "+
			"kind %d)", next.Event.Kind)
	}
	for _, d := range t.deadlines() {
		switch {
		case d.Event == t.Event && d.At <= t.After.Now:
			return fmt.Errorf("a deadline has come, and is armed again for the same instant (event kind %d)",
				t.Event.Kind)
		case d.At < next.At || d.At == next.At && d.Event.Tab < next.Event.Tab:
			return fmt.Errorf("the next deadline is of kind %d, and one of kind %d comes before it",
				next.Event.Kind, d.Event.Kind)
		}
	}
	return nil
}

func noLeak(t *Transition) error {
	if n := alive(&t.After.Facts); n != len(t.Ledger.tabs) {
		return fmt.Errorf("%d tabs can be alive%s, and the books say %d%s", len(t.Ledger.tabs),
			t.Ledger.named(nil), n,
			TabsIn(t.After))
	}
	for i := range t.Ledger.tabs {
		if _, ok := t.After.Tab(t.Ledger.tabs[i].id); !ok {
			return fmt.Errorf("t%d can be alive, and the books do not know it", t.Ledger.tabs[i].id)
		}
	}
	for a := range t.After.Affinities {
		if t.After.Affinities[a].Known && !t.Ledger.names(core.Affinity(a)) {
			return fmt.Errorf("affinity %d is known, and nothing names it", a)
		}
	}
	if a := t.Event.Affinity; a != 0 && !t.Ledger.names(a) &&
		!slices.ContainsFunc(t.Effects, func(e core.Effect) bool {
			return e.Kind == core.Forget && e.Affinity == a
		}) {
		return fmt.Errorf("affinity %d was asked for, nothing names it any more, and nobody says so", a)
	}
	if n := t.After.ContextCount(); n != len(t.Ledger.contexts) {
		return fmt.Errorf("%d contexts can be alive, and the books say %d", len(t.Ledger.contexts), n)
	}
	if n := t.Ledger.lost(); t.After.Count(core.Lost) != n {
		return fmt.Errorf("%d tabs are lost, and the books say %d%s", n, t.After.Count(core.Lost),
			TabsIn(t.After, core.Lost))
	}
	return nil
}

func (l *Ledger) lostIn(b core.BrowserID) bool {
	return l.any(func(e *entry) bool { return e.browser == b && e.lost })
}

func twoBrowsers(t *Transition) error {
	serving := 0
	for _, b := range t.Ledger.browsers {
		if t.Ledger.takesTabs(b.id) {
			serving++
		}
	}
	if n := len(t.Ledger.browsers); n > core.MaxBrowsers || serving > 1 {
		return fmt.Errorf("%d browsers are alive, %d of them to serve", n, serving)
	}
	if err := t.drainedEnds(); err != nil {
		return err
	}
	return t.oldPausesNothing()
}

// drainedEnds: a browser that drains is told to end as soon as it may, and not under what a tab of
// it is asked, unless that is what has just ended. That leases are left alone is in the ledger.
func (t *Transition) drainedEnds() error {
	if t.After.Phase >= core.PhaseEnding {
		return nil
	}
	for i := range t.Ledger.browsers {
		if b := &t.Ledger.browsers[i]; b.drains && !b.ending && t.Ledger.drained(b.id) {
			return fmt.Errorf("b%d is being replaced, nobody has a tab of it, and it is not told to end",
				b.id)
		}
	}
	given := t.Event.Kind == core.DrainSilent || t.Event.Of == core.Ping
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != core.CloseBrowser || given || !drains(&t.Before.Facts, e.Browser) {
			continue
		}
		for j := range t.Before.Tabs {
			if was := &t.Before.Tabs[j]; was.State != 0 && was.Browser == e.Browser && asked(was) &&
				!was.Overdue && was.ID != t.Event.Tab && !t.closes(was.ID) {
				return fmt.Errorf("b%d is told to end, and t%d of it is %v", e.Browser, was.ID, was.State)
			}
		}
	}
	return nil
}

// closes says whether a step closes a tab by itself.
func (t *Transition) closes(tab core.TabID) bool {
	return slices.ContainsFunc(t.Effects, func(e core.Effect) bool {
		return e.Kind == core.CloseTab && e.Tab == tab
	})
}

// drained says whether a browser that drains may end: it has no tab, or it has lost some and nobody
// has one of the others.
func (l *Ledger) drained(b core.BrowserID) bool {
	return !l.any(func(e *entry) bool { return e.browser == b && (e.holder != 0 || e.answering()) }) &&
		(l.lostIn(b) || !l.any(func(e *entry) bool { return e.browser == b }))
}

// oldPausesNothing: what fails to open in a browser that is being replaced pauses nothing in the
// next.
func (t *Transition) oldPausesNothing() error {
	i := tabAt(&t.Before.Facts, t.Event.Tab)
	if i == core.None || !t.After.Openings.On || t.Before.Openings.On {
		return nil
	}
	if b := t.Ledger.browser(t.Before.Tabs[i].Browser); b != nil && b.drains && !b.ending {
		return fmt.Errorf("t%d of b%d, which is being replaced, fails to open, and opening pauses",
			t.Event.Tab, b.id)
	}
	return nil
}

// noNeedlessRefusal: who is refused for failed openings, and who is not any more, is what the plan
// says; a launch that fails while another browser serves is no failed round. The rest is in the
// ledger.
func noNeedlessRefusal(t *Transition) error {
	if failed := t.Event.Is(core.Failed, core.Launch) ||
		t.Event.Is(core.Silent, core.Launch); failed && t.After.Rounds != t.Before.Rounds {
		if b := t.Ledger.another(t.Event.Browser); b != nil {
			return fmt.Errorf("b%d does not start, b%d serves, and that is a failed round", t.Event.Browser,
				b.id)
		}
	}
	return t.differs(func(d *disagreement) bool {
		return d.did.kind == core.Refuse || d.due.kind == core.Refuse
	})
}

// isolation: what single effects show is in the ledger; a tab is handed to another affinity only
// where that is switched on.
func isolation(t *Transition) error {
	for i := range t.Effects {
		if e := &t.Effects[i]; e.How == core.Reassigned && !t.After.Settings.AllowReassign {
			return fmt.Errorf("t%d was handed to another affinity", e.Tab)
		}
	}
	return nil
}

// callsEnd: whoever waits for a disposal, a Warm or a Recycle waits no longer than for what it is
// about; and what a late launch brought is closed.
func callsEnd(t *Transition) error {
	s, l := t.After, t.Ledger
	standbys, wanted := count(&s.Facts, core.Standby), target(&s.Facts)
	for i := range s.Calls {
		c := &s.Calls[i]
		switch own := find(l.calls, func(o *ledgerCall) bool { return o.id == c.ID }); {
		case own == nil:
			return fmt.Errorf("call %d waits in the books, and was answered", c.ID)
		case c.Affinity == 0 && (s.Phase != core.PhaseServing || satThrough(&s.Facts, c.Rounds)):
			return fmt.Errorf("call %d is waited for, and what it waits for will not come", c.ID)
		case c.Affinity != 0:
			if !l.isLeft(own) {
				return fmt.Errorf("disposal %d is waited for, and nothing of its generation is left", c.ID)
			}
		case c.Recycle:
			if b := serving(&s.Facts); b != nil && b.ID > own.browser && !l.aliveUpTo(own.browser) {
				return fmt.Errorf("recycle %d is waited for, and b%d serves alone", c.ID, b.ID)
			}
		case standbys >= wanted:
			return fmt.Errorf("warm %d is waited for, and there are %d standbys of %d", c.ID, standbys,
				wanted)
		}
	}
	e := &t.Event
	if e.Is(core.Done, core.Launch) && e.Browser != 0 &&
		browserOf(&t.Before.Facts, e.Browser) == nil && e.Browser <= t.Before.LastBrowser &&
		!slices.ContainsFunc(t.Effects, func(f core.Effect) bool {
			return f.Kind == core.CloseBrowser && f.Browser == e.Browser && f.Force
		}) {
		return fmt.Errorf("b%d was written off and has started after all, and nobody ends it", e.Browser)
	}
	return nil
}
